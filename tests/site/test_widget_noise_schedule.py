"""The noise-schedule widget: its JavaScript is torch, and it answers to a reader."""

import numpy as np
import pytest
import torch

from genbook import diffusion, widgets
from genbook.widgets.noise_schedule import BETA_1, BETA_T, KINDS, STEPS
from tests.site.test_widgets_page import frame, get, picture, show  # noqa: F401
from tests.site.visit import functions
from tests.widget_samples import PANELS

NAMES = "linear, cosine, sigmoid, betaAt, snrAt, noised, short"
NEAR = {"rtol": 1e-4, "atol": 1e-9}  # of a number as small as the last ᾱ as well


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that evaluates JavaScript with the widget's functions."""
    with functions(browser, "figure.js", "noise_schedule.js", names=NAMES) as call:
        yield call


def check(call, schedule, expected):
    """Hold ᾱ, β and the ratio of a schedule in JavaScript to those in torch."""
    got = call(
        f"((ab) => ({{ab: [...ab], beta: [...ab].map((_, t) => js.betaAt(ab, t)), "
        f"snr: [...ab].slice(1).map((_, t) => js.snrAt(ab, t + 1))}}))({schedule})"
    )
    np.testing.assert_allclose(got["ab"], expected, **NEAR)
    np.testing.assert_allclose(got["beta"], diffusion.betas(expected), **NEAR)
    np.testing.assert_allclose(got["snr"], diffusion.snr(expected)[1:], **NEAR)


@pytest.mark.parametrize("T", [1, *STEPS])
def test_schedules_are_torchs(call, T):
    """At every T of the slider, and at both ends of each parameter's slider."""
    for beta_1 in (BETA_1[0], 1e-4, BETA_1[-1]):
        for beta_T in (BETA_T[0], 0.02, BETA_T[-1]):
            expected = diffusion.linear(T, beta_1=beta_1, beta_T=beta_T)
            check(call, f"js.linear({T}, {beta_1}, {beta_T})", expected)
    for s in (0, 0.008, 0.2):
        check(call, f"js.cosine({T}, {s})", diffusion.cosine(T, s=s))
    for start, end in ((-6, 6), (-3, 3), (0, 0.5), (-6, 0.5), (0, 6)):
        expected = diffusion.sigmoid(T, start=start, end=end)
        check(call, f"js.sigmoid({T}, {start}, {end})", expected)


def test_the_noised_digit_is_torchs(call):
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 3, 64, generator=generator, dtype=torch.float64)
    alpha_bar, t = diffusion.cosine(50), torch.tensor([1, 20, 50])
    x_t = diffusion.q_sample(x0, t, eps, alpha_bar)
    for i, ab in enumerate(alpha_bar[t].tolist()):
        got = call(
            "js.noised(x0, eps, ab)", x0=x0[i].tolist(), eps=eps[i].tolist(), ab=ab
        )
        np.testing.assert_allclose(got, x_t[i], atol=1e-4)


def test_small_numbers_are_written_in_full(call):
    for x, words in [
        (0, "0"), (0.39626, "0.396"), (1, "1"), (1234.5, "1230"),
        (0.00102, "0.00102"), (2.4288e-9, "2.4 · 10⁻⁹"), (1.04e-12, "1.0 · 10⁻¹²"),
    ]:  # fmt: skip
        assert call("js.short(x)", x=x) == words


# ---- On the page ---------------------------------------------------------------------


def said(page):
    return page.locator(".gb-said").inner_text()


def test_every_control_moves_the_figure_by_keyboard(show):  # noqa: F811
    """Each one changes what it should, and the words follow the formulas."""
    panel = PANELS["noise_schedule"]()
    canvas = panel.children[0]
    page = show(panel)
    alpha_bar = diffusion.linear(1000)
    assert f"t = 300 of 1000: xₜ = {alpha_bar[300].sqrt():.3g} x₀" in said(page)
    parts = (".gb-digit", ".gb-strip", ".gb-plot")
    before = {part: picture(page, part) for part in parts}

    def changed():
        """Return which parts of the figure are others than before the last key."""
        nonlocal before
        now = {part: picture(page, part) for part in parts}
        new = {part for part in parts if now[part] != before[part]}
        before = now
        return new

    def press(name, key="ArrowRight"):
        page.get_by_role("slider", name=name).press(key)
        return changed()

    assert press("t / T") == set(parts)
    assert "t = 310 of 1000" in said(page)
    # the ends of the schedule that is not chosen move its thin curve alone
    assert press("cosine, s") == {".gb-plot"} == press("sigmoid, from")
    assert press("sigmoid, to") == {".gb-plot"}
    assert press("linear, last β") == set(parts) == press("linear, first β")
    expected = diffusion.linear(1000, beta_1=BETA_1[2], beta_T=BETA_T[3])
    assert f"{expected[310].sqrt():.3g} x₀" in said(page)
    assert press("steps T", "ArrowLeft") == set(parts)
    assert "t = 155 of 500" in said(page)

    page.get_by_role("radio", name="linear").press("ArrowRight")
    assert changed() == set(parts) and get(page, canvas, "kind") == 1
    assert f"ᾱ = {diffusion.cosine(500, s=0.012)[155]:.3g}" in said(page)
    assert page.locator(".gb-kinds .gb-chosen").inner_text() == "cosine"
    assert press("cosine, s") == set(parts)
    page.get_by_role("radio", name="cosine").press("ArrowRight")
    assert changed() == set(parts)
    expected = diffusion.sigmoid(500, start=-2.5, end=3.5)[155]
    assert f"ᾱ = {expected:.3g}" in said(page)
    assert press("sigmoid, from", "ArrowLeft") == set(parts)

    page.get_by_role("combobox", name="digit").select_option("q")
    assert changed() == {".gb-digit", ".gb-strip"}
    assert (
        page.locator(".gb-digit").get_attribute("aria-label") == "q at t = 155 of 500"
    )


def test_the_clean_end_and_the_noisy_end(show):  # noqa: F811
    """t = 0 is the image itself; at T even the cut schedules leave almost nothing."""
    panel = PANELS["noise_schedule"]()
    page = show(panel)
    page.get_by_role("slider", name="t / T").press("Home")
    clean = picture(page, ".gb-digit")
    assert "xₜ = 1 x₀ + 0 ε; ᾱ = 1, β = 0, signal-to-noise ratio infinite" in said(page)
    for kind in KINDS[:2]:  # whatever the schedule, t = 0 is clean
        page.get_by_role("radio", name=kind).press("ArrowRight")
        assert picture(page, ".gb-digit") == clean
    page.get_by_role("slider", name="t / T").press("End")
    frame(page)
    assert "β = 0.999" in said(page) and "· 10⁻⁷" in said(page)


# ---- In Python -----------------------------------------------------------------------


def test_the_panel_is_a_figure():
    panel = PANELS["noise_schedule"]()
    assert "p from clean to noise" in repr(panel) and panel.still.startswith(b"\x89PNG")
    images = torch.zeros(2, 1, 4, 6)  # any size; the channel may be there
    assert widgets.noise_schedule(images).children[0].shape == [4, 6]


def test_the_noise_is_kept_and_depends_on_the_seed():
    images = torch.rand(1, 8, 8)
    eps = [widgets.noise_schedule(images, seed=s).children[0].eps for s in (0, 0, 1)]
    assert eps[0] == eps[1] != eps[2]
    assert abs(np.frombuffer(eps[0], "<f4").std() - 1) < 0.3


@pytest.mark.parametrize(
    ("images", "options", "sentence"),
    [
        (torch.zeros(8, 8), {}, r"images: expected \(N, H, W\), one or more"),
        (torch.zeros(0, 8, 8), {}, r"images: expected \(N, H, W\), one or more"),
        (torch.full((1, 8, 8), 16.0), {}, "images: expected values 0 … 1"),
        (torch.full((1, 8, 8), torch.nan), {}, "images: expected values 0 … 1"),
        (torch.zeros(2, 8, 8), {"names": ["a"]}, "names: expected one for each of 2"),
        (torch.zeros(1, 8, 8), {"seed": -1}, "seed: expected a whole number"),
        (torch.zeros(1, 8, 8), {"seed": 0.5}, "seed: expected a whole number"),
    ],
)
def test_bad_input_gets_a_sentence(images, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        widgets.noise_schedule(images, **options)
