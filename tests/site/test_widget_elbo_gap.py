"""The ELBO and its gap: the browser's numbers are torch's, and it obeys a reader."""

import re

import numpy as np
import pytest
import torch
from torch import distributions as dist

from genbook import palette, widgets
from genbook.linear_gaussian import LinearGaussian
from genbook.widgets.panel import script
from tests.site import test_widgets_page as pages

show = pages.show  # the fixture that opens a page with widgets on it
SLIDERS = {"μ of q": ("mu", 0.05), "σ of q": ("sigma", 0.05), "x": ("x", 0.1)}
CASES = [  # x, noise, mu, sigma
    (1.0, 0.5, 0.0, 1.0),
    (1.0, 0.5, 0.8, 0.2**0.5),  # the posterior
    (-2.5, 0.3, 3.0, 1.5),
    (2.5, 2.0, -3.0, 0.2),
    (0.0, 1.0, 0.7, 0.6),
]


@pytest.fixture(scope="module")
def js(browser):
    """Return a function that calls the widget's functions in the browser."""
    page = browser.new_page()
    page.evaluate(
        """async (source) => {
          const blob = new Blob([source], {type: "text/javascript"});
          globalThis.js = await import(URL.createObjectURL(blob));
        }""",
        script("figure.js", "elbo_gap.js") + "\nexport { parts, kl, density };",
    )
    yield lambda name, *values: page.evaluate(f"(v) => js.{name}(...v)", values)
    page.close()


def exact(x, noise, mu, sigma):
    """Return log p(x), ELBO and gap by torch and by the package, which must agree."""
    x, noise, mu, sigma = torch.tensor([x, noise, mu, sigma], dtype=torch.float64)
    model = LinearGaussian(torch.ones(1, 1, dtype=torch.float64), float(noise))
    q = mu[None], 2 * sigma.log()[None]
    mean, cov = model.posterior(x[None])
    posterior = dist.Normal(mean[0], cov[0, 0].sqrt())
    gap = dist.kl_divergence(dist.Normal(mu, sigma), posterior)
    log_px = dist.Normal(0.0, (1 + noise**2).sqrt()).log_prob(x)
    assert torch.allclose(model.gap(x[None], *q), gap, atol=1e-10)
    assert torch.allclose(model.log_prob(x[None]), log_px)
    return {
        "mean": float(mean[0]),
        "sd": float(cov[0, 0].sqrt()),
        "logPx": float(log_px),
        "elbo": float(model.elbo(x[None], *q)),
        "gap": float(gap),
    }


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_torchs(js, case):
    """To 1e-4 and far better; and the gap, computed apart, is what is missing."""
    got = js("parts", *case)
    assert got == pytest.approx(exact(*case), abs=1e-9)
    assert got["elbo"] + got["gap"] == pytest.approx(got["logPx"], abs=1e-9)
    x, _, mu, sigma = case
    p = dist.Normal(mu, sigma).log_prob(torch.tensor(x)).exp()
    assert js("density", x, mu, sigma) == pytest.approx(float(p), abs=1e-6)


def said(page):
    """Return the three numbers on the page: ELBO, gap, log p(x)."""
    pages.frame(page)
    words = page.locator(".gb-said").inner_text().replace("−", "-")
    return [float(n) for n in re.findall(r"-?\d+\.\d\d", words)]


def check(page, canvas):
    """Hold what the page says to torch."""
    values = (pages.get(page, canvas, k) for k in ("x", "noise", "mu", "sigma"))
    truth = exact(*values)
    expected = [truth[k] for k in ("elbo", "gap", "logPx")]
    assert said(page) == pytest.approx(expected, abs=0.00501)
    return truth


@pytest.mark.parametrize("name", SLIDERS)
def test_every_slider_moves_numbers_and_pictures(show, name):
    """By keyboard; log p(x) moves with x, and with nothing else."""
    panel = widgets.elbo_gap()
    canvas = panel.children[0]
    page = show(panel)
    before = check(page, canvas)
    pictures = [pages.picture(page, s) for s in (".gb-densities", ".gb-bar")]
    page.get_by_role("slider", name=name, exact=True).press("ArrowRight")
    key, step = SLIDERS[name]
    assert pages.get(page, canvas, key) == pytest.approx(getattr(canvas, key) + step)
    after = check(page, canvas)
    assert (after["logPx"] != before["logPx"]) == (name == "x")
    for s, old in zip((".gb-densities", ".gb-bar"), pictures, strict=True):
        assert pages.picture(page, s) != old


def test_arrow_keys_on_the_curves_move_q(show):
    """Left and right its mean, up and down its width; the sliders follow."""
    panel = widgets.elbo_gap()
    canvas = panel.children[0]
    page = show(panel)
    plane = page.get_by_role("application")
    steps = {
        "ArrowRight": (-0.45, 0.8),
        "ArrowDown": (-0.45, 0.75),
        "Shift+ArrowRight": (-0.2, 0.75),
        "ArrowLeft": (-0.25, 0.75),
        "ArrowUp": (-0.25, 0.8),
        "Shift+ArrowDown": (-0.25, 0.55),
    }
    for key, (mu, sigma) in steps.items():
        plane.press(key)
        got = pages.get(page, canvas, "mu"), pages.get(page, canvas, "sigma")
        assert got == (mu, sigma)  # whole steps, to the last digit
        check(page, canvas)
    sliders = page.get_by_role("slider")
    assert [float(sliders.nth(i).input_value()) for i in (0, 1)] == [-0.25, 0.55]
    for _ in range(4):
        plane.press("Shift+ArrowDown")
    assert pages.get(page, canvas, "sigma") == 0.25  # and no further


def test_a_drag_moves_the_mean(show):
    """To where the hand is, to the end and not beyond; let go of, it stays."""
    panel = widgets.elbo_gap()
    canvas = panel.children[0]
    page = show(panel)
    box = page.locator(".gb-densities").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.625 * box["width"], y)
    assert pages.get(page, canvas, "mu") == pytest.approx(0.8, abs=0.051)
    page.mouse.move(box["x"] + 3 * box["width"], y)
    page.mouse.up()
    assert pages.get(page, canvas, "mu") == 3
    page.mouse.move(box["x"] + box["width"] / 2, y)
    assert pages.get(page, canvas, "mu") == 3


def rows(image, hue):
    """Return the lowest and highest row that has this colour."""
    rgb = np.array(list(bytes.fromhex(palette.COLORS[hue][1:])))
    found = np.nonzero((np.abs(image - rgb).max(-1) < 8).sum(1) > 5)[0]
    return (found.min(), found.max()) if len(found) else None


def test_the_bar_is_as_high_as_it_says(show):
    """8 nats from floor to 0; the ELBO up to the gap, the gap up to log p(x)."""
    panel = widgets.elbo_gap()
    canvas = panel.children[0]
    page = show(panel)
    for mu, sigma, x in [(0.0, 1.0, 1.0), (1.5, 0.6, 2.0), (-0.4, 0.4, -0.4)]:
        for key, value in (("mu", mu), ("sigma", sigma), ("x", x)):
            pages.put(page, canvas, key, value)
        truth = check(page, canvas)
        image = pages.pixels_of(page, ".gb-bar")
        nat = (image.shape[0] - 26) / 8
        elbo, ceiling = rows(image, "model"), rows(image, "truth")
        assert (elbo[1] + 1 - elbo[0]) / nat == pytest.approx(
            truth["elbo"] + 8, abs=0.1
        )
        middle = (ceiling[0] + ceiling[1] + 1) / 2
        assert (elbo[1] + 1 - middle) / nat == pytest.approx(
            truth["logPx"] + 8, abs=0.1
        )
        gap = rows(image, "noise")
        if truth["gap"] > 0.2:
            assert (gap[1] + 1 - middle) / nat == pytest.approx(truth["gap"], abs=0.1)


def test_far_off_the_scale_it_still_says_the_numbers(show):
    """The bar ends at its floor, the words do not."""
    panel = widgets.elbo_gap(noise=0.3)
    canvas = panel.children[0]
    page = show(panel)
    for key, value in (("mu", -3), ("sigma", 1.5), ("x", 2.5)):
        pages.put(page, canvas, key, value)
    assert check(page, canvas)["elbo"] < -100
    assert rows(pages.pixels_of(page, ".gb-bar"), "model") is None
    words = page.locator(".gb-bar").get_attribute("aria-label")
    assert f"{said(page)[0]:.2f}".replace("-", "−") in words


@pytest.mark.parametrize("noise", [0.0, -1.0, 2.5, float("nan")])
def test_a_noise_out_of_reach_is_refused(noise):
    """A sentence says what was expected and what came."""
    with pytest.raises(ValueError, match=rf"noise: expected .*0.3 … 2, got {noise}"):
        widgets.elbo_gap(noise=noise)
