"""Two Gaussians: the browser's numbers are torch's, and every slider moves them."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributions as dist

from genbook import palette, probability, widgets
from genbook.widgets.panel import script
from tests.site import test_widgets_page as pages

show = pages.show  # the fixture that opens a page with widgets on it
WIDGETS = Path(widgets.__file__).parent
SLIDERS = {"μ of p": "mu_p", "σ of p": "sigma_p", "μ of q": "mu_q", "σ of q": "sigma_q"}
CASES = [
    (0.0, 1.0, 0.0, 1.0),
    (0.0, 1.0, 1.0, 1.5),
    (-3.0, 0.2, 3.0, 0.2),
    (2.2, 3.0, -0.7, 0.4),
    (1.0, 0.4, 1.0, 3.0),
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
        script("figure.js", "two_gaussians.js")
        + "\nexport { logNormal, entropy, crossEntropy, kl };",
    )
    yield lambda name, *values: page.evaluate(f"(v) => js.{name}(...v)", values)
    page.close()


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_torchs(js, case):
    """The closed forms, to 1e-4 and far better, by torch and by the package."""
    mu_p, sigma_p, mu_q, sigma_q = torch.tensor(case, dtype=torch.float64)
    p, q = dist.Normal(mu_p, sigma_p), dist.Normal(mu_q, sigma_q)
    forward, reverse = dist.kl_divergence(p, q), dist.kl_divergence(q, p)
    a, b, c, d = case
    assert js("entropy", b) == pytest.approx(float(p.entropy()), abs=1e-9)
    assert js("kl", a, b, c, d) == pytest.approx(float(forward), abs=1e-9)
    assert js("kl", c, d, a, b) == pytest.approx(float(reverse), abs=1e-9)
    expected = float(forward + p.entropy())
    assert js("crossEntropy", a, b, c, d) == pytest.approx(expected, abs=1e-9)
    ours = probability.normal_kl(mu_p, sigma_p, mu_q, sigma_q)
    assert js("kl", a, b, c, d) == pytest.approx(float(ours), abs=1e-9)
    for x in (-5.0, 0.0, 0.3):
        expected = float(p.log_prob(torch.tensor(x, dtype=torch.float64)))
        assert js("logNormal", x, a, b) == pytest.approx(expected, abs=1e-9)


def said(page):
    """Return the four numbers on the page, in nats and in bits."""
    pages.frame(page)
    words = " ".join(page.locator(".gb-two-gaussians dd").all_inner_texts())
    found = re.findall(r"(−?[\d.]+) nats = (−?[\d.]+) bits", words)
    return [tuple(float(n.replace("−", "-")) for n in pair) for pair in found]


def expected(values):
    """Return what should be said for (mu_p, sigma_p, mu_q, sigma_q)."""
    p, q = torch.tensor(values, dtype=torch.float64).reshape(2, 2)
    return [
        float(probability.normal_entropy(p[1])),
        float(probability.normal_cross_entropy(*p, *q)),
        float(probability.normal_kl(*p, *q)),
        float(probability.normal_kl(*q, *p)),
    ]


@pytest.mark.parametrize("case", CASES)
def test_the_page_says_them(show, case):
    """All four, in both units, at the first frame."""
    page = show(widgets.two_gaussians(*case))
    got = said(page)
    assert len(got) == 4
    for (nats, bits), value in zip(got, expected(case), strict=True):
        assert nats == pytest.approx(value, abs=0.00501)
        assert bits == pytest.approx(value / math.log(2), abs=0.00501)


@pytest.mark.parametrize("name", SLIDERS)
def test_every_slider_moves_numbers_and_pictures(show, name):
    """By keyboard; and what is said afterwards is right again."""
    panel = widgets.two_gaussians()
    canvas = panel.children[0]
    page = show(panel)
    seen = ".gb-densities", ".gb-excess"
    before = [pages.picture(page, s) for s in seen]
    page.get_by_role("slider", name=name).press("ArrowRight")
    after = [pages.picture(page, s) for s in seen]
    assert all(a != b for a, b in zip(before, after, strict=True))
    key = SLIDERS[name]
    moved = pages.get(page, canvas, key)
    assert moved == pytest.approx(getattr(canvas, key) + 0.1)
    values = [pages.get(page, canvas, k) for k in SLIDERS.values()]
    for (nats, _), value in zip(said(page), expected(values), strict=True):
        assert nats == pytest.approx(value, abs=0.00501)


def centre(image, hue):
    """Return the column at the middle of what has this colour, and how high it goes."""
    rgb = np.array(list(bytes.fromhex(palette.COLORS[hue][1:])))
    rows, columns = np.nonzero(np.abs(image - rgb).max(-1) < 24)
    high = rows < rows.min() + 6
    return columns[high].mean() / image.shape[1], rows.min()


def test_densities_stand_where_their_means_are(show):
    """p in the colour of truth at its mean, q in the model's at its own; narrow is high."""  # noqa: E501
    panel = widgets.two_gaussians(-2.0, 0.6, 2.0, 1.2)
    page = show(panel)
    # The words have the same colours: leave the top of the picture out.
    image = pages.pixels_of(page, ".gb-densities")
    image[:22] = 255
    lines = {hue: centre(image, hue) for hue in ("truth", "model")}
    assert lines["truth"][0] == pytest.approx((-2 + 6) / 12, abs=0.02)
    assert lines["model"][0] == pytest.approx((2 + 6) / 12, abs=0.02)
    assert lines["truth"][1] < lines["model"][1]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mu_p": 3.5}, "mu_p: expected -3 … 3, got 3.5"),
        ({"mu_q": math.nan}, "mu_q: expected -3 … 3, got nan"),
        ({"sigma_p": 0.0}, "sigma_p: expected 0.2 … 3, got 0"),
        ({"sigma_q": -1.0}, "sigma_q: expected 0.2 … 3, got -1"),
    ],
)
def test_what_the_sliders_cannot_show_is_refused(values, words):
    """A sentence says what was expected and what came."""
    with pytest.raises(ValueError, match=re.escape(words)):
        widgets.two_gaussians(**values)
