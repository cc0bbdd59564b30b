"""The critic and the artist: their JavaScript against scikit-learn and torch; alive."""

import importlib
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture

from genbook import mixture, widgets
from tests.site.test_widgets_page import frame, get, picture, put
from tests.site.test_widgets_page import show as show_page
from tests.site.visit import functions

# The package gives the name to the function, so the module has to be asked for.
module = importlib.import_module("genbook.widgets.critic_and_artist")
show = show_page  # the fixture, by the name its tests know


def arcs(n: int = 100, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return two noisy half circles (2 n, 2) and their labels."""
    rng = np.random.default_rng(seed)
    angle, y = rng.uniform(0, np.pi, 2 * n), np.repeat([0, 1], n)
    x = 1.6 * np.stack([np.cos(angle), np.sin(angle)], -1) * np.where(y, -1, 1)[:, None]
    return (x + 0.25 * rng.normal(size=x.shape)).astype("f4"), y


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that calls one of the widget's functions in the browser."""
    names = "apart, critic, spread, artist, logProb"
    with functions(browser, "figure.js", "critic_and_artist.js", names=names) as call:
        yield call


CASES = [(0.0, 1), (0.0, 6), (1.3, 2), (2.0, 4), (4.0, 3), (4.0, 5)]


@pytest.mark.parametrize(("separation", "k"), CASES)
def test_both_models_are_scikit_learns(call, separation, k):
    """From the same points and, for EM, the same start and number of steps."""
    points, y = arcs()
    x = module.moved(points, y, separation)
    given = {"p": points.ravel().tolist(), "y": y.tolist(), "s": separation}
    got = call("js.apart(p, y, s)", **given)
    np.testing.assert_allclose(got, x, atol=1e-12)

    critic = LogisticRegression(tol=1e-10, max_iter=1000).fit(x, y)
    w = call("js.critic(js.apart(p, y, s), y)", **given)
    np.testing.assert_allclose(w, [*critic.coef_[0], *critic.intercept_], atol=1e-4)

    start = module.spread(x, k)
    at = np.random.default_rng(1).uniform(-6, 6, (50, 2))
    fit = "js.artist(js.apart(p, y, s), k, floor, steps)"
    log_p = call(
        f"((m) => at.map((a) => js.logProb(m, ...a)))({fit})",
        **given, k=k, floor=module.FLOOR, steps=module.STEPS, at=at.tolist(),
    )  # fmt: skip
    floor = module.FLOOR * torch.eye(2, dtype=torch.float64)
    model, _ = mixture.fit(
        torch.tensor(x), torch.tensor(start), floor=floor, steps=module.STEPS
    )
    ours = model.log_prob(torch.tensor(at)).numpy()
    np.testing.assert_allclose(log_p, ours, atol=1e-4, rtol=1e-6)

    cov = (x.var(0, ddof=1).mean() + module.FLOOR) * np.eye(2)
    theirs = GaussianMixture(
        k, max_iter=module.STEPS, tol=0, reg_covar=module.FLOOR,
        weights_init=np.full(k, 1 / k), means_init=start,
        precisions_init=np.linalg.inv(cov)[None].repeat(k, 0),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(x)
    np.testing.assert_allclose(log_p, theirs.score_samples(at), atol=1e-4, rtol=1e-6)


def test_the_spread_is_the_same_in_both_languages(call):
    x = arcs(seed=3)[0].astype(float)
    for k in (1, 2, 6):
        got = call("js.spread(x, k)", x=x.tolist(), k=k)
        np.testing.assert_array_equal(got, module.spread(x, k))


def test_controls_and_what_is_said(show):
    """Sliders refit; arrow keys move the point; far off, only the artist doubts."""
    points, y = arcs()
    panel = widgets.critic_and_artist(points, y)
    canvas = panel.children[0]
    page = show(panel)
    critic, artist = page.locator(".gb-said").all()
    assert "sure" in critic.inner_text() and "below all" in artist.inner_text()

    before = picture(page, ".gb-critic"), picture(page, ".gb-artist")
    page.get_by_role("slider", name="components").press("ArrowRight")
    assert get(page, canvas, "components") == 5
    assert picture(page, ".gb-critic") == before[0]
    assert picture(page, ".gb-artist") != before[1]
    page.get_by_role("slider", name="separation").press("ArrowRight")
    assert get(page, canvas, "separation") == pytest.approx(2.1)
    assert picture(page, ".gb-critic") != before[0]

    for plane in (".gb-critic", ".gb-artist"):
        here = get(page, canvas, "x1")
        page.locator(plane).press("ArrowLeft")
        page.locator(plane).press("Shift+ArrowLeft")
        assert get(page, canvas, "x1") == pytest.approx(here - 0.6)
    here = get(page, canvas, "x2")
    page.locator(".gb-artist").press("ArrowUp")
    page.locator(".gb-artist").press("ArrowDown")
    assert get(page, canvas, "x2") == pytest.approx(here)
    put(page, canvas, "x1", 0.0)
    put(page, canvas, "x2", 2.6)
    frame(page)
    assert "round" in critic.inner_text() and "above" in artist.inner_text()


def test_the_words_are_the_models(show):
    points, y = arcs()
    page = show(widgets.critic_and_artist(points, y, separation=1, components=3))
    x = module.moved(points, y, 1)
    floor = module.FLOOR * torch.eye(2, dtype=torch.float64)
    model, _ = mixture.fit(
        torch.tensor(x),
        torch.tensor(module.spread(x, 3)),
        floor=floor,
        steps=module.STEPS,
    )
    log_p = float(model.log_prob(torch.tensor([[4.5, -4.5]], dtype=torch.float64)))
    said = f"log p = {log_p:.1f} nats".replace("-", "−")
    assert said in page.locator(".gb-said").nth(1).inner_text()
    p = LogisticRegression(tol=1e-10).fit(x, y).predict_proba([[4.5, -4.5]]).max()
    assert (
        f"{100 * min(p, 0.9999):.2f} % sure"
        in page.locator(".gb-said").first.inner_text()
    )


def test_by_mouse(show):
    """A drag on either plane takes the point along, to the edge and not beyond."""
    panel = widgets.critic_and_artist(*arcs())
    canvas = panel.children[0]
    page = show(panel)
    for plane in (".gb-critic", ".gb-artist"):
        box = page.locator(plane).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        assert (get(page, canvas, "x1"), get(page, canvas, "x2")) == pytest.approx(
            (0, 0), abs=0.1
        )
        page.mouse.move(x + box["width"] / 4, y - 3 * box["width"])
        page.mouse.up()
        assert get(page, canvas, "x1") == pytest.approx(module.LIMIT / 2, abs=0.1)
        assert get(page, canvas, "x2") == module.LIMIT


def test_it_is_a_figure_with_words_and_a_still():
    panel = widgets.critic_and_artist(*arcs())
    assert repr(panel) == panel.alt and "200 points" in panel.alt
    assert panel.still.startswith(b"\x89PNG") and len(panel.still) < 80_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": np.zeros((20, 3))}, "shape"),
        ({"x": np.full((20, 2), np.nan)}, "finite"),
        ({"y": np.zeros(20)}, "some 0 and some 1"),
        ({"y": np.zeros(3)}, "20 labels"),
        ({"x": np.zeros((3, 2)), "y": [0, 1, 1]}, "at least 12"),
        ({"separation": 5}, "separation: expected 0 … 4"),
        ({"components": 7}, "components: expected 1 … 6"),
    ],
)
def test_bad_input_gets_a_sentence(change, said):
    given = {"x": np.zeros((20, 2)), "y": np.repeat([0, 1], 10)} | change
    with pytest.raises(ValueError, match=said):
        widgets.critic_and_artist(**given)
