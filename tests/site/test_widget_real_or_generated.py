"""The game "real or generated?": fair to every family, honest in its score."""

import numpy as np
import pytest
from playwright.sync_api import expect
from scipy.stats import binomtest

from genbook import widgets
from tests.site.test_widget_gallery import shown
from tests.site.test_widgets_page import frame, picture, show  # noqa: F401
from tests.site.visit import functions
from tests.widget_samples import families, real_or_generated

NAMES = ["real", "VAE", "GAN"]


@pytest.fixture(scope="module")
def call(browser):
    """Call a function of the game's scripts."""
    files = ("train.js", "mlp.js", "figure.js", "ink.js", "real_or_generated.js")
    with functions(browser, *files, names="deck, wilson, random") as call:
        yield call


def dealt(call, counts, rounds, seed=3):
    """Return what a deck deals, (rounds, 2): player and image."""
    return np.array(
        call(
            "(() => { const next = js.deck(counts.map((count) => ({ count })), "
            "js.random(seed)); return Array.from({ length: rounds }, next); })()",
            counts=counts,
            rounds=rounds,
            seed=seed,
        )
    )


@pytest.mark.parametrize("families", [1, 2, 6])
def test_half_are_real_and_families_come_equally_often(call, families):
    """In every block of twice as many images as there are families."""
    all_ = dealt(call, [40] + [30] * families, 20 * families)
    for block in all_[:, 0].reshape(-1, 2 * families):
        assert sorted(block) == [0] * families + list(range(1, families + 1))
    orders = {tuple(b) for b in all_[:, 0].reshape(-1, 2 * families)}
    assert len(orders) > 1, "in another order each time"


def test_no_image_comes_twice_before_all_came_once(call):
    """And then they come in another order."""
    all_ = dealt(call, [12, 5, 7], 96)
    for player, count in enumerate([12, 5, 7]):
        images = all_[all_[:, 0] == player, 1]
        rounds = images[: len(images) // count * count].reshape(-1, count)
        assert all(sorted(r) == list(range(count)) for r in rounds)
        assert len({tuple(r) for r in rounds}) > 1
    assert np.array_equal(dealt(call, [12, 5, 7], 96), all_), "a seed is a game"
    assert not np.array_equal(dealt(call, [12, 5, 7], 96, seed=4), all_)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 7), (20, 20), (41, 100)])
def test_the_interval_is_wilsons(call, k, n):
    """As SciPy has it."""
    wanted = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert call("js.wilson(k, n)", k=k, n=n) == pytest.approx(list(wanted), abs=1e-4)


def score(page):
    """Return how often each was taken for real, and shown, as the chart tells it."""
    frame(page)
    words = page.locator(".gb-score").get_attribute("aria-label").partition(": ")[2]
    parts = [part.split() for part in words.split(", ")]
    return {name: (int(real), int(shown)) for name, real, _, shown in parts}


def test_a_game_by_keyboard(show, call):  # noqa: F811
    """Every answer is met by the truth, a reason and the score of that family."""
    page = show(real_or_generated())
    table = page.get_by_role("group", name="Is this image real or generated?")
    verdict = page.locator(".gb-verdict")
    assert verdict.get_attribute("aria-live") == "polite"
    wanted, right = {name: [0, 0] for name in NAMES}, 0
    tells = ["Pens do that.", "Its edges fade.", "Lines end."]
    for i, (player, _) in enumerate(dealt(call, [40, 30, 30], 24).tolist()):
        real = i % 3 != 0
        table.press("r" if real else "G")
        hit = real == (player == 0)
        right += hit
        wanted[NAMES[player]][0] += real
        wanted[NAMES[player]][1] += 1
        truth = "It is real." if player == 0 else f"It was drawn by {NAMES[player]}."
        mark = "✓ Right." if hit else "✗ Not so."
        expect(verdict).to_have_text(f"{mark} {truth} {tells[player]}")
    assert score(page) == {name: tuple(pair) for name, pair in wanted.items()}
    assert 0 < right < 24, "both were tried"
    expect(page.locator(".gb-said")).to_have_text(f"{right} of 24 right")


def test_the_card_is_the_image_dealt(show, call):  # noqa: F811
    """Its ink, and when it is answered it stands beside the verdict."""
    page = show(real_or_generated())
    pools = [
        np.random.default_rng(0),
        *(family.images.numpy() for family in families()),
    ]
    for player, n in dealt(call, [40, 30, 30], 6).tolist():
        frame(page)
        image = shown(page, ".gb-card")[..., 1].astype(float)
        if player:
            h, w = (side // 8 * 8 for side in image.shape)
            coarse = image[:h, :w].reshape(8, h // 8, 8, w // 8).mean((1, 3)).ravel()
            every = [np.corrcoef(coarse, x.ravel())[0, 1] for x in pools[player]]
            assert int(np.argmax(every)) == n
        page.locator(".gb-table").press("g")
        frame(page)
        last = shown(page, ".gb-before")[..., 1].astype(float)
        rows, columns = (np.linspace(2, s - 3, 30).astype(int) for s in last.shape)
        big = [np.linspace(2, s - 3, 30).astype(int) for s in image.shape]
        small = last[np.ix_(rows, columns)].ravel()
        assert np.corrcoef(small, image[np.ix_(*big)].ravel())[0, 1] > 0.9


def test_buttons_touch_and_a_new_start(show):  # noqa: F811
    """A finger plays as well; the new game starts from nothing."""
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    page = show(real_or_generated(), **phone)
    first = picture(page, ".gb-card")
    expect(page.locator(".gb-before")).to_be_hidden()
    page.get_by_role("button", name="Real").tap()
    page.get_by_role("button", name="Generated").tap()
    assert sum(shown for _, shown in score(page).values()) == 2
    assert picture(page, ".gb-card") != first
    expect(page.locator(".gb-before")).to_be_visible()
    page.get_by_role("button", name="Start again").tap()
    assert score(page) == {name: (0, 0) for name in NAMES}
    expect(page.locator(".gb-before")).to_be_hidden()
    assert picture(page, ".gb-card") == first, "the sample has a seed"


def test_without_a_seed_each_visit_has_its_own_game(show):  # noqa: F811
    """Six visits do not begin with the same image."""
    panel = real_or_generated(seed=0)
    assert len({picture(show(panel), ".gb-card") for _ in range(6)}) > 1


def test_other_keys_do_nothing(show):  # noqa: F811
    """Nor do the letters with Ctrl, or elsewhere on the page."""
    page = show(real_or_generated())
    table = page.locator(".gb-table")
    for key in ("x", "Control+r", "Meta+g", "ArrowLeft"):
        if key == "Control+r":  # without the reload that a browser makes of it
            page.evaluate("addEventListener('keydown', (e) => e.preventDefault())")
        table.press(key)
    page.get_by_role("button", name="Start again").press("r")
    assert score(page) == {name: (0, 0) for name in NAMES}


def test_nothing_moves_by_itself(show):  # noqa: F811
    """It needs no less motion for a reader who asked for less: there is none."""
    page = show(widgets.real_or_generated(families()[0].images, families()[1:], seed=1))
    page.locator(".gb-table").press("r")
    before = [picture(page, c) for c in (".gb-card", ".gb-before", ".gb-score")]
    page.wait_for_timeout(300)
    assert [picture(page, c) for c in (".gb-card", ".gb-before", ".gb-score")] == before
