"""The chain widget: the canvases show the tensors, and a reader walks along them."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from genbook import diffusion, palette, widgets
from tests.site.test_widgets_page import frame, get, picture, pixels_of, put, show  # noqa: F401
from tests.widget_samples import chain_states

SLIDER = ("slider", "t")


@pytest.fixture(scope="module")
def states():
    """Give x_t, x0_hat and times of a small chain."""
    return chain_states()


def tiles(page, selector):
    """Return a canvas, (H, W), as values 0 … 1 between tile and ink."""
    green = torch.tensor(pixels_of(page, selector)[..., 1], dtype=torch.float64)
    ground, ink = (int(colour[3:5], 16) for colour in palette.TILE)
    return (green - ground) / (ink - ground)


def agrees(green, n, image):
    """Compare tile n of a canvas with a tensor (8, 8) in -1 … 1, enlarged by torch."""
    width = green.shape[1]
    gap = max(2, width / 60)
    side = (width - 3 * gap) / 4
    corner = [round(i * (side + gap)) for i in (n // 4, n % 4)]
    got = green[corner[0] :, corner[1] :][: round(side), : round(side)]
    large = F.interpolate(
        ((image.double().clamp(-1, 1) + 1) / 2)[None, None],
        size=got.shape,
        mode="bicubic",
    )[0, 0].clamp(0, 1)
    inside = (slice(4, -4), slice(4, -4))  # off the frame of the chosen one
    return (got - large)[inside].abs().mean() < 0.08  # half a pixel off


def test_the_bytes_are_the_tensors(states):
    """Eight bits hold a value to 1/255 of the way from -1 to 1; strays are cut."""
    x_t, x0_hat, times = states
    canvas = widgets.chain(x_t, x0_hat, times).children[0]
    for bytes_, x in ((canvas.x_t, x_t), (canvas.x0_hat, x0_hat)):
        back = np.frombuffer(bytes_, "u1").reshape(x.shape) / 255 * 2 - 1
        assert np.abs(back - x.clamp(-1, 1).numpy()).max() <= 1 / 255 + 1e-6
    assert x_t.abs().max() > 1.5, "noise strays, so the cut is tried"
    assert canvas.times == list(times) and canvas.alpha_bar == []
    assert len(canvas.x_t) == 16 * 64 * len(times)


def test_images_may_have_a_channel(states):
    """(F, 16, 1, 8, 8), as a network has them, is the same figure."""
    x_t, x0_hat, times = states
    one = widgets.chain(x_t, x0_hat, times).children[0]
    two = widgets.chain(x_t[:, :, None], x0_hat[:, :, None], times).children[0]
    assert (one.x_t, one.x0_hat, one.shape) == (two.x_t, two.x0_hat, two.shape)


def test_the_canvases_show_the_tensors(show, states):  # noqa: F811
    """At several frames, several tiles of both grids."""
    x_t, x0_hat, times = states
    panel = widgets.chain(x_t, x0_hat, times)
    canvas = panel.children[0]
    page = show(panel)
    page.locator(".gb-chain").evaluate("(e) => { e.style.width = '400px' }")
    for f in (canvas.frame, 0, len(times) - 1):
        put(page, canvas, "frame", f)
        state, guess = tiles(page, ".gb-state"), tiles(page, ".gb-guess")
        for n in range(16):
            assert agrees(state, n, x_t[f, n])
            assert agrees(guess, n, x0_hat[f, n])
        assert not agrees(guess, 6, x0_hat[f, 7])  # it can fail
        assert not agrees(state, 6, x_t[f, 7])


def test_the_slider_walks_and_the_words_follow(show, states):  # noqa: F811
    """By keyboard; t, ᾱ and the signal-to-noise ratio of that frame are told."""
    x_t, x0_hat, times = states
    alpha_bar = diffusion.linear(times[0])
    panel = widgets.chain(x_t, x0_hat, times, alpha_bar=alpha_bar)
    canvas = panel.children[0]
    page = show(panel)
    seen = {name: picture(page, name) for name in (".gb-state", ".gb-guess", ".gb-way")}
    f = get(page, canvas, "frame")
    page.get_by_role(SLIDER[0], name=SLIDER[1]).press("ArrowRight")
    for name, before in seen.items():
        assert picture(page, name) != before
    assert get(page, canvas, "frame") == f + 1
    a = float(alpha_bar[times[f + 1]])
    words = page.locator(".gb-said").inner_text()
    assert words.startswith(f"t = {times[f + 1]}, ᾱ = ")
    told = [float(part.split()[-1]) for part in words.split(",")]
    assert told == pytest.approx([times[f + 1], a, a / (1 - a)], rel=5e-3)
    assert words in page.locator(".gb-state").get_attribute("aria-label")
    page.get_by_role(SLIDER[0], name=SLIDER[1]).press("End")
    frame(page)
    assert page.locator(".gb-said").inner_text().endswith("signal to noise ∞")


def test_arrow_keys_and_clicks_choose(show, states):  # noqa: F811
    """Within the four rows; the way beneath is that of the chosen image."""
    x_t, x0_hat, times = states
    panel = widgets.chain(x_t, x0_hat, times)
    canvas = panel.children[0]
    page = show(panel)
    grids = page.get_by_role("application")
    first = picture(page, ".gb-way"), picture(page, ".gb-state")
    steps = [
        "ArrowLeft",
        "ArrowUp",
        "ArrowRight",
        "ArrowDown",
        "ArrowLeft",
        "ArrowLeft",
    ]
    steps += ["End", "ArrowDown", "ArrowRight", "ArrowUp", "Home"]
    digits = []
    for key in steps:
        grids.press(key)
        digits.append(get(page, canvas, "digit"))
    assert digits == [0, 0, 1, 5, 4, 4, 15, 15, 15, 11, 0]
    assert (picture(page, ".gb-way"), picture(page, ".gb-state")) == first
    box = page.locator(".gb-guess").bounding_box()
    page.locator(".gb-guess").click(
        position={"x": 0.6 * box["width"], "y": 0.9 * box["height"]}
    )
    assert get(page, canvas, "digit") == 14
    assert picture(page, ".gb-way") != first[0]
    assert picture(page, ".gb-state") != first[1], "the choice is marked"
    assert "image 15 of 16" in page.locator(".gb-way").get_attribute("aria-label")
    grids.press("Tab")  # arrow keys elsewhere do not choose
    page.keyboard.press("ArrowRight")
    assert get(page, canvas, "digit") == 14


def test_a_reader_is_told_what_is_wrong(states):
    """Each sentence names the argument, what was expected and what came."""
    x_t, x0_hat, times = states
    good = {"x_t": x_t, "x0_hat": x0_hat, "times": times}
    f = len(times)
    bad = [
        ({"x_t": x_t[:, :15]}, r"x_t: expected 2 … 60 frames of 16 .*got \(9, 15"),
        ({"x_t": x_t[:1]}, r"x_t: expected 2 … 60 frames"),
        ({"x_t": x_t.repeat(8, 1, 1, 1)}, r"x_t: expected 2 … 60 frames"),
        ({"x_t": x_t.flatten(2)}, r"x_t: expected .* shape \(F, 16, H, W\)"),
        ({"x0_hat": x0_hat[:-1]}, r"x0_hat: expected shape \(9, 16, 8, 8\)"),
        ({"x0_hat": (x0_hat.clamp(-1, 1) + 1) * 8}, "x0_hat: expected -1 for blank"),
        ({"x_t": x_t * float("nan")}, "x_t: expected finite"),
        ({"x0_hat": x0_hat / 0}, "x0_hat: expected finite"),
        ({"x_t": x_t * 16}, "x_t: expected images in -1 … 1 and noise"),
        ({"times": times[::-1]}, f"times: expected {f} falling whole numbers"),
        ({"times": times[1:]}, f"times: expected {f} falling"),
        ({"times": [*times[:-1], -1]}, "times: expected"),
        ({"times": [float(t) for t in times]}, "times: expected .* whole"),
        ({"alpha_bar": torch.ones(times[0])}, r"alpha_bar: expected shape \(T \+ 1,\)"),
        ({"alpha_bar": torch.full((500,), 2)}, "alpha_bar: expected values 0 … 1"),
    ]  # fmt: skip
    for change, sentence in bad:
        with pytest.raises(ValueError, match=sentence):
            widgets.chain(**(good | change))


def test_it_is_small():
    """Fifty frames of sixteen digits cost about a hundred kilobytes, in bytes."""
    x = torch.randn(50, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    canvas = widgets.chain(x, x, range(100, 50, -1)).children[0]
    assert len(canvas.x_t) + len(canvas.x0_hat) == 2 * 50 * 16 * 64
