"""The gradient-noise widget: its JavaScript is torch, and it answers to a reader."""

import math

import numpy as np
import pytest
import torch

from genbook import gradients, widgets
from genbook.widgets.gradient_noise import BASELINES, DRAWS
from tests.site.test_widgets_page import frame, get, picture, show  # noqa: F401
from tests.site.visit import functions

NAMES = "normals, baselineValue, estimates, spread, moments"
SIGMAS = [0.1, 0.5, 1.0, 3.0]


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that evaluates JavaScript with the widget's functions."""
    with functions(browser, "figure.js", "gradient_noise.js", names=NAMES) as call:
        yield call


def f(z):
    """Return the cost of the widget, (S, 1) -> (S,)."""
    return (z[:, 0] - 2) ** 2


@pytest.mark.parametrize("n", [1, 8, 64])
@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("which", range(len(BASELINES)))
def test_estimates_are_torchs(call, n, sigma, which):
    """The same noise gives the same estimates as the package's estimators."""
    generator = torch.Generator().manual_seed(n)
    eps = torch.randn(20 * n, 1, generator=generator, dtype=torch.float64)
    mu = torch.zeros(1, dtype=torch.float64)
    logvar = torch.tensor([2 * math.log(sigma)], dtype=torch.float64)
    b = [0, 4 + sigma**2, 4 + 3 * sigma**2][which]
    expected = {
        "path": gradients.pathwise(f, mu, logvar, eps)[0],
        "score": gradients.score_function(f, mu, logvar, eps, b)[0],
    }
    values = {"eps": eps[:, 0].tolist(), "n": n, "sigma": sigma, "which": which}
    got = call(
        "(({path, score}) => ({path: [...path], score: [...score]}))(js.estimates("
        "Float64Array.from(eps), n, sigma, js.baselineValue(which, sigma)))",
        **values,
    )
    for key, each in expected.items():
        assert len(got[key]) == 20
        mean = each.reshape(20, n).mean(1)
        np.testing.assert_allclose(got[key], mean, atol=1e-4)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("which", range(len(BASELINES)))
def test_spread_is_the_estimators(call, sigma, which):
    """The formula against the sixth moments taken by Gauss and Hermite's rule."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)  # exact to degree 23
    weights = weights / weights.sum()
    off = sigma * nodes - 2
    b = [0, 4 + sigma**2, 4 + 3 * sigma**2][which]
    for n in (1, 16):
        got = call(
            "js.spread(n, sigma, js.baselineValue(which, sigma))",
            n=n, sigma=sigma, which=which,
        )  # fmt: skip
        for key, draws in (("path", 2 * off), ("score", (off**2 - b) * nodes / sigma)):
            mean = weights @ draws
            assert mean == pytest.approx(-4)
            sd = math.sqrt(weights @ (draws - mean) ** 2 / n)
            assert got[key] == pytest.approx(sd, abs=1e-4)


def test_moments_are_torchs(call):
    """The mean, and the standard deviation with n - 1."""
    x = torch.randn(50, generator=torch.Generator().manual_seed(0))
    got = call("js.moments(Float64Array.from(x))", x=x.tolist())
    assert got["mean"] == pytest.approx(float(x.mean()), abs=1e-5)
    assert got["sd"] == pytest.approx(float(x.std()), abs=1e-5)


def test_noise_is_normal_and_repeats(call):
    """Seeded: the same on every visit, another for another seed, and Gaussian."""
    draw = "[...js.normals(seed, 64001)]"
    eps = np.array(call(draw, seed=0))
    assert np.array_equal(eps, call(draw, seed=0))
    assert not np.array_equal(eps, call(draw, seed=1))
    assert eps.shape == (64001,) and np.isfinite(eps).all()
    for power, moment in enumerate([0, 1, 0, 3, 0, 15], 1):
        error = (eps**power).std() / len(eps) ** 0.5
        assert abs((eps**power).mean() - moment) < 4.5 * error
    uniform = np.sort([0.5 * (1 + math.erf(e / math.sqrt(2))) for e in eps])
    apart = np.abs(uniform - np.linspace(0, 1, len(eps))).max()
    assert apart < 1.63 / len(eps) ** 0.5  # Kolmogorov, 1 %
    assert abs(np.corrcoef(eps[:-1], eps[1:])[0, 1]) < 0.02


# ---- On the page ---------------------------------------------------------------------


def test_controls_move_the_picture_by_keyboard(show):  # noqa: F811
    """Each control, from the keyboard; the words beneath follow the formulas."""
    panel = widgets.gradient_noise()
    canvas = panel.children[0]
    page = show(panel)
    said = page.locator(".gb-said")
    assert "sd" in said.inner_text() and "by formula 0.71" in said.inner_text()
    before = picture(page, ".gb-histograms")
    page.get_by_role("slider", name="σ").press("ArrowRight")
    after = picture(page, ".gb-histograms")
    assert after != before and get(page, canvas, "sigma") == pytest.approx(1.1)
    page.get_by_role("slider", name="draws").press("ArrowRight")
    assert picture(page, ".gb-histograms") != after
    assert DRAWS[get(page, canvas, "size")] == 16
    assert "by formula 0.55" in said.inner_text()  # 2 · 1.1 / √16
    before, wide = picture(page, ".gb-histograms"), said.inner_text()
    page.get_by_role("radio", name="none").press("ArrowRight")
    assert picture(page, ".gb-histograms") != before
    assert said.inner_text() != wide
    label = page.locator(".gb-histograms").get_attribute("aria-label")
    assert said.inner_text() in label
    # Back to where it was: the very same picture, since the noise is seeded.
    page.get_by_role("radio", name="mean of f").press("ArrowLeft")
    assert picture(page, ".gb-histograms") == before


# ---- In Python -----------------------------------------------------------------------


def test_the_panel_is_a_figure():
    """Alt text, a small still, the same every time."""
    one, two = widgets.gradient_noise(), widgets.gradient_noise()
    assert repr(one) == repr(two) and "−4" in repr(one)
    assert one.still == two.still and len(one.still) < 25_000
    assert one.still.startswith(b"\x89PNG")


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True, None])
def test_a_bad_seed_gets_a_sentence(seed):
    with pytest.raises(ValueError, match="seed: expected a whole number in 0"):
        widgets.gradient_noise(seed=seed)
