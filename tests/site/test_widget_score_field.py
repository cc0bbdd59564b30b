"""The score field: the browser's numbers are torch's, and particles obey the reader."""

import math
import re

import numpy as np
import pytest
import torch

from genbook import data, widgets
from tests.site import test_widgets_page as pages
from tests.site.visit import functions
from tests.widget_samples import score_field

show = pages.show  # the fixture that opens a page with widgets on it
WORLD = data.Mixture([[-2.0, -1.5], [1.5, -1.2], [0.0, 1.6]], [0.35, 0.5, 0.25],
                     [0.1, 0.3, 0.6])  # fmt: skip
STATE = {key: getattr(WORLD, key).tolist() for key in ("means", "sigmas", "weights")}
NAMES = "noisy, score, gain, advance, tally, random, normal"
SIGMAS = [0.0, 0.05, 0.5, 3.0]


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that evaluates JavaScript with the widget's functions."""
    with functions(
        browser, "figure.js", "train.js", "score_field.js", names=NAMES
    ) as call:
        yield call


def points(n=40, wide=3.0):
    """Return places in and around the plane, far ones included."""
    generator = torch.Generator().manual_seed(0)
    return wide * torch.randn(n, 2, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_score_and_density_are_the_mixtures(call, sigma):
    """To 1e-4 and far better, also where every bump is out of sight."""
    x = torch.cat([points(), torch.tensor([[30.0, -30.0]]).double()])
    got = call(
        "x.map(([a, b]) => js.score(js.noisy(world, sigma), a, b))",
        x=x.tolist(), world=STATE, sigma=sigma,
    )  # fmt: skip
    wide = (WORLD.sigmas**2 + sigma**2).sqrt()
    log_p = data.Mixture(WORLD.means, wide, WORLD.weights).log_prob(x)
    np.testing.assert_allclose(np.array(got)[:, :2], WORLD.score(x, sigma), rtol=1e-9)
    np.testing.assert_allclose(np.array(got)[:, 2], log_p, rtol=1e-9)


def moved(call, x, mode, h, sigma):
    """Return x after one step, with the noise of seed 3."""
    body = "js.advance(x, js.noisy(world, sigma), mode, h, sigma, js.random(3))"
    values = {"world": STATE, "mode": mode, "h": h, "sigma": sigma}
    return np.array(call(f"({body}, x)", x=x.tolist(), **values))


@pytest.mark.parametrize("sigma", [0.05, 0.7])
@pytest.mark.parametrize("h", [0.005, 0.2])
def test_a_step_of_langevin(call, sigma, h):
    """x + h score + √(2h) ε, with the ε that the seed gives."""
    x = points()
    noise = call(
        "((rng) => Array.from({length: 80}, () => js.normal(rng)))(js.random(seed))",
        seed=3,
    )
    eps = np.array(noise).reshape(40, 2)
    expected = (x + h * WORLD.score(x, sigma)).numpy()
    np.testing.assert_allclose(
        moved(call, x, 0, h, sigma), expected + math.sqrt(2 * h) * eps, atol=1e-9
    )


@pytest.mark.parametrize("sigma", [0.05, 2.0])
@pytest.mark.parametrize("h", [0.005, 0.2])
def test_a_step_of_the_ode(call, sigma, h):
    """Euler's step of dx/dσ = -σ score from σ to σ (1 - h), without chance."""
    x = points()
    expected = x + h * sigma**2 * WORLD.score(x, sigma)
    np.testing.assert_allclose(moved(call, x, 1, h, sigma), expected, atol=1e-9)


def test_a_particle_that_flies_away_stays_a_number(call):
    x = torch.tensor([[1e300, -1e300], [5.0, 5.0]], dtype=torch.float64)
    assert np.abs(moved(call, x, 0, 0.2, 0.05)).max() <= 1e6


def test_the_tally_counts_the_nearest_bump(call):
    x = points(200)
    got = call("js.tally(world, x)", world=STATE, x=x.tolist())
    far = (x[:, None] - WORLD.means).norm(dim=-1) / WORLD.sigmas
    assert got == torch.bincount(far.argmin(1), minlength=3).tolist()


def test_langevin_settles_to_the_law_of_its_step(call):
    """One bump of variance v = 1: v / (1 - h / 2v), as the package's."""
    world = {"means": [[0, 0]], "sigmas": [0.6], "weights": [1]}
    x = call(
        """(() => {
          const rng = js.random(0), mixture = js.noisy(world, 0.8);
          const x = Array.from({length: 2000}, () => [js.normal(rng), js.normal(rng)]);
          for (let i = 0; i < 60; i++) js.advance(x, mixture, 0, 0.2, 0.8, rng);
          return x;
        })()""",
        world=world,
    )
    law, n = 1 / (1 - 0.2 / 2), 4000
    assert np.var(x) == pytest.approx(law, rel=4.5 * math.sqrt(2 / n))


# ---- On the page ---------------------------------------------------------------------


def said(page):
    pages.frame(page)
    return page.locator(".gb-said").inner_text()


def count(page):
    found = re.search(r"(\d+) particles", said(page))
    return int(found[1]) if found else 0


def plane(page):
    return pages.picture(page, ".gb-plane")


def test_nothing_moves_before_the_reader_asks(show):
    page = show(score_field())
    before = plane(page)
    page.wait_for_timeout(300)
    assert plane(page) == before and count(page) == 0


def test_a_click_drops_where_it_falls_and_play_moves(show):
    page = show(score_field())
    before = plane(page)
    page.locator(".gb-plane").click(position={"x": 300, "y": 60})
    assert count(page) == 20
    dropped = plane(page)
    assert dropped != before
    page.wait_for_timeout(200)
    assert plane(page) == dropped  # dropped, and at rest
    page.get_by_role("button", name="Step").click()
    stepped = plane(page)
    assert stepped != dropped
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(200)
    page.get_by_role("button", name="Pause").click()
    paused = plane(page)
    assert paused != stepped
    page.wait_for_timeout(200)
    assert plane(page) == paused
    page.get_by_role("button", name="Clear").click()
    assert count(page) == 0


def test_by_keyboard(show):
    """Arrow keys move the cross, Enter and the space bar drop, buttons are buttons."""
    page = show(score_field())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "gb-plane"
    cross = plane(page)
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert plane(page) != cross
    page.keyboard.press("Enter")
    assert count(page) == 20
    page.keyboard.press(" ")
    assert count(page) == 40
    assert page.evaluate("scrollY") == 0
    page.keyboard.press("Tab")  # Play
    page.keyboard.press("Tab")  # Step
    still = plane(page)
    page.keyboard.press("Enter")
    assert plane(page) != still and count(page) == 40


def test_each_control_changes_the_picture_at_rest(show):
    panel = score_field()
    canvas = panel.children[0]
    page = show(panel)
    before = plane(page)
    page.get_by_role("slider", name="σ").press("ArrowRight")
    wide = plane(page)
    assert wide != before
    assert pages.get(page, canvas, "sigma") == pytest.approx(0.55)
    assert "σ = 0.55" in said(page)
    page.get_by_role("slider", name="step").press("ArrowRight")
    assert pages.get(page, canvas, "step") == pytest.approx(0.035)
    longer = plane(page)
    assert longer != wide
    page.get_by_role("radio", name="Langevin").press("ArrowRight")
    assert pages.get(page, canvas, "mode") == 1
    assert plane(page) != longer


def test_the_ode_takes_sigma_down_and_finds_the_weights(show):
    """From wide noise to σ = 0.05: the shares are the mixture's, then it stops."""
    panel = widgets.score_field(WORLD, sigma=3.0)
    canvas, slider = panel.children[0], panel.children[1].children[0]
    page = show(panel)
    page.get_by_role("radio", name="Langevin").press("ArrowRight")
    for _ in range(5):
        page.get_by_role("button", name="Drop 200").click()
    assert count(page) == 1000
    page.get_by_role("button", name="Play").click()
    page.get_by_text("The ODE has arrived").wait_for(timeout=60_000)
    assert pages.get(page, canvas, "sigma") == pytest.approx(0.05)
    assert pages.get(page, slider, "value") == pytest.approx(0.05)
    assert page.get_by_role("button", name="Play").count() == 1
    shares = re.search(r"bumps (\d+) · (\d+) · (\d+) %", said(page)).groups()
    for share, weight in zip(shares, (10, 30, 60), strict=True):
        assert abs(int(share) - weight) < 9
    before = plane(page)
    page.get_by_role("button", name="Step").click()
    assert plane(page) == before


# ---- In Python -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: widgets.score_field(data.mixture_1d()), "one in 2 dimensions, got 1"),
        (lambda: widgets.score_field(data.grid(9)), "at most 64 bumps, got 81"),
        (lambda: widgets.score_field(WORLD, limit=1.0), "all means inside it, got 1"),
        (lambda: widgets.score_field(WORLD, sigma=0.0), r"sigma: expected 0.05 … 3"),
        (lambda: widgets.score_field(WORLD, sigma=math.nan), r"sigma: expected 0.05"),
        (lambda: widgets.score_field(WORLD, seed=-1), "seed: expected a whole number"),
    ],
)
def test_bad_input_gets_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
