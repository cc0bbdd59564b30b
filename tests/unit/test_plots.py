"""plots: every figure has alt text, and one picture serves the light and dark page."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from genbook import palette, plots


@pytest.fixture(autouse=True)
def float64():
    """Draw in float32, as the lessons do."""


def shown(fig):
    data, meta = fig._repr_mimebundle_()
    return imread(io.BytesIO(data["image/png"])), data, meta  # (H, W, 4) in 0…1


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def lines():
    fig, ax = plots.figure(alt="A line that rises.")
    _ = ax.plot([0, 1], [0, 1])
    return fig


HISTORY = {"loss": list(np.linspace(9, 3, 80)), "kl": list(np.linspace(1, 2, 80))}
EVERY = {
    "figure": lines,
    "images": lambda: plots.images(torch.rand(6, 1, 8, 8), alt="Noise.", columns=3),
    "curves": lambda: plots.curves(HISTORY, alt="Two terms over 80 steps."),
}


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_a_figure_carries_its_alt_text(make):
    fig = make()
    _, data, meta = shown(fig)
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == repr(fig) == fig.alt == meta["image/png"]["alt"] != ""
    assert meta["image/png"]["width"] == 700


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_the_ground_is_transparent_and_something_is_drawn(make):
    picture, _, _ = shown(make())
    assert picture.shape[2] == 4
    alpha = picture[..., 3]
    # The stored picture has 256 colours, and one of them may be a hair from opaque.
    assert (alpha == 0).any() and (alpha > 0.98).any()
    if make is not EVERY["images"]:
        corners = alpha[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == 0).all()


def test_colours_survive_in_the_stored_picture():
    picture, _, _ = shown(lines())
    solid = picture[picture[..., 3] > 0.98][:, :3]
    for meaning in ("data", "ink"):
        far = np.abs(solid - rgb(palette.COLORS[meaning])).max(1)
        assert (far < 2 / 255).sum() > 100, meaning


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_a_picture_is_the_same_each_time(make):
    torch.manual_seed(0)
    first = shown(make())[1]["image/png"]
    torch.manual_seed(0)
    assert shown(make())[1]["image/png"] == first


@pytest.mark.parametrize("alt", ["", "   "])
def test_alt_text_is_required(alt):
    for make in (
        lambda: plots.figure(alt=alt),
        lambda: plots.images(torch.rand(2, 8, 8), alt=alt),
        lambda: plots.curves(HISTORY, alt=alt),
        lambda: plots.surface(**SURFACE, alt=alt),
    ):
        with pytest.raises(ValueError, match="alt: expected a sentence"):
            make()
    with pytest.raises(TypeError, match="alt"):
        plots.figure()


def test_tiles_show_no_ink_full_ink_and_a_gap():
    x = torch.stack([torch.zeros(8, 8), torch.full((8, 8), 16.0)])
    picture, _, _ = shown(plots.images(x, alt="Two tiles.", columns=2, vmax=16))
    h, w, _ = picture.shape
    for at, colour in ((0.25, palette.TILE[0]), (0.75, palette.TILE[1])):
        pixel = picture[h // 2, int(w * at)]
        assert np.allclose(pixel[:3], rgb(colour), atol=1 / 255) and pixel[3] == 1
    assert (picture[:, w // 2, 3] == 0).all(), "no gap between the tiles"


def test_images_stand_in_rows_from_the_top_left():
    x = torch.zeros(6, 8, 8)
    x[2] = 1  # with three columns: first row, right
    picture, _, _ = shown(plots.images(x, alt="One lit tile.", columns=3))
    h, w, _ = picture.shape
    lit = [
        picture[int(h * (r + 0.5) / 2), int(w * (c + 0.5) / 3), 0] > 0.5
        for r in range(2)
        for c in range(3)
    ]
    assert lit == [False, False, True, False, False, False]


def test_a_digit_is_enlarged_smoothly():
    x = torch.zeros(1, 8, 8)
    x[:, :, 4:] = 1
    picture, _, _ = shown(plots.images(x, alt="Half ink.", columns=1))
    assert len(np.unique(picture[picture.shape[0] // 2, :, 0])) > 4


def test_curves_draw_one_plot_a_term():
    fig = plots.curves(HISTORY, alt="Two terms.")
    assert [ax.get_title() for ax in fig.axes] == ["loss", "kl"]
    assert all(ax.get_xlabel() == "step" for ax in fig.axes)
    assert "nats" in fig.axes[0].get_ylabel()


def test_curves_stand_over_the_steps_of_their_values():
    at = {"loss": [3 * i for i in range(80)], "kl": [*range(100, 180)]}
    options = {"alt": "Two terms.", "smooth": 10}
    fig = plots.curves(HISTORY, at=at, **options)
    same = plots.curves(HISTORY, **options)
    for ax, name, plain in zip(fig.axes, at, same.axes, strict=True):
        raw, mean = ax.lines
        assert raw.get_xdata().tolist() == at[name]
        assert mean.get_xdata().tolist() == at[name][5:76]
        assert raw.get_ydata().tolist() == list(HISTORY[name])
        assert plain.lines[1].get_xdata().tolist() == list(range(5, 76))


def test_grid_is_a_map_seen_from_above():
    points = plots.grid(-1, 1, 3)
    assert points.shape == (9, 2)
    assert points[0].tolist() == [-1, 1] and points[2].tolist() == [1, 1]
    assert points[-1].tolist() == [1, -1]


def test_classes_are_written_where_they_lie():
    _, ax = plots.figure(alt="Three digits in the plane.")
    z, y = torch.tensor([[0.0, 1.0], [2.0, 3.0], [-1.0, 0.0]]), torch.tensor([3, 8, 3])
    plots.classes(ax, z, y)
    marks = {(p.get_marker(), *p.get_xydata()[0], p.get_color()) for p in ax.lines}
    assert marks == {
        ("$3$", 0.0, 1.0, palette.CLASSES[3]),
        ("$8$", 2.0, 3.0, palette.CLASSES[8]),
        ("$3$", -1.0, 0.0, palette.CLASSES[3]),
    }


def test_tiles_may_lie_on_a_map():
    _, ax = plots.figure(alt="A map.")
    plots.tiles(ax, torch.rand(4, 8, 8), columns=2, extent=(-1, 3, -2, 2))
    assert ax.images[0].get_extent() == [-1, 3, -2, 2]
    assert ax.axison, "the map lost its coordinates"


SURFACE = {
    "x": [0.0, 1.0],
    "y": [0.0, 1.0, 2.0],
    "values": [[0.1234567, 0.0], [0.0, 0.0], [0.0, -1.0]],
    "names": ("a", "b", "c"),
    "ceiling": 0.5,
    "point": (0.0, 0.0, 0.1234567),
}


def test_a_surface_carries_its_alt_text_and_stable_numbers():
    fig = plots.surface(**SURFACE, alt="A hill.")
    assert fig.layout.meta["alt"] == "A hill."
    hill, lid, mark = fig.data
    assert np.array_equal(hill.z, [[0.123, 0.0], [0.0, 0.0], [0.0, -1.0]])
    assert np.array_equal(lid.z, np.full((2, 2), 0.5))
    assert (*mark.x, *mark.y, *mark.z) == (0.0, 0.0, 0.123)
    titles = [getattr(fig.layout.scene, f"{k}axis").title.text for k in "xyz"]
    assert titles == ["a", "b", "c"]
    assert fig.to_json() == plots.surface(**SURFACE, alt="A hill.").to_json()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: plots.images(torch.rand(2, 3, 8, 8), alt="a"),
            r"images: expected \(N, \[1,\] H, W\), got \(2, 3, 8, 8\)",
        ),
        (
            lambda: plots.images(torch.rand(8, 8), alt="a"),
            r"images: expected .*\(8, 8\)",
        ),
        (
            lambda: plots.images(torch.rand(4, 8, 8), alt="a", columns=2, rows=["x"]),
            r"rows: expected 2 names, one a row, got 1",
        ),
        (
            lambda: plots.images(torch.rand(4, 8, 8), alt="a", columns=0),
            r"images: expected finite pixels, columns ≥ 1 .* got columns=0",
        ),
        (
            lambda: plots.images(torch.rand(4, 8, 8), alt="a", vmin=1, vmax=1),
            r"images: expected .* vmin < vmax, got .* vmin=1, vmax=1",
        ),
        (
            lambda: plots.images(torch.full((4, 8, 8), torch.nan), alt="a"),
            r"images: expected finite pixels",
        ),
        (
            lambda: plots.curves({}, alt="a"),
            r"history: expected values for each term, got {}",
        ),
        (
            lambda: plots.curves({"loss": []}, alt="a"),
            r"history: expected values for each term, got {'loss': \[\]}",
        ),
        (
            lambda: plots.classes(None, torch.rand(4, 3), torch.zeros(4)),
            r"points: expected \(N, 2\) and N labels, got \(4, 3\) and 4",
        ),
        (
            lambda: plots.classes(None, torch.rand(4, 2), torch.zeros(3)),
            r"points: expected \(N, 2\) and N labels, got \(4, 2\) and 3",
        ),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_images_of_nothing_get_a_sentence():
    with pytest.raises(ValueError, match=r"images: expected .*got \(0, 8, 8\)"):
        plots.images(torch.rand(0, 8, 8), alt="Nothing.")


def test_no_global_figure_is_made():
    """pyplot would keep every figure alive and show some of them twice."""
    code = "import sys, genbook.plots; print('matplotlib.pyplot' in sys.modules)"
    root = Path(plots.__file__).parents[1]
    out = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=root)
    assert out.strip() == "False"
