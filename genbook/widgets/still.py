"""The first state of each widget as a PNG, for where no script runs."""

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgba_array
from matplotlib.figure import Figure
from PIL import Image

from genbook.palette import CLASSES, COLORS, TILE
from genbook.widgets import mlp

if TYPE_CHECKING:
    from torch import nn

INK = LinearSegmentedColormap.from_list("ink", TILE)


def _png(figure: Figure) -> bytes:
    """Return the figure as PNG bytes, a third as large as with every colour there is.

    It holds shades between tile and digit, each colour of a mark on the tile, and ink
    on the transparent ground; every pixel takes the nearest of these.
    """
    tile, full = to_rgba_array(TILE)
    marks = to_rgba_array([*CLASSES, COLORS["latent"]])
    ink = to_rgba_array(COLORS["ink"])[0]
    mixed = [tile + t * (mark - tile) for mark in marks for t in (0.25, 0.5, 0.75, 1)]
    digit = [tile + t * (full - tile) for t in np.linspace(0, 1, 64)]
    words = [[*ink[:3], alpha] for alpha in np.linspace(0, 1, 9)]
    palette = np.rint(255 * np.array([*mixed, *digit, *words])).astype("u1")

    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())
    colours, where = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    near = ((_weighed(colours)[:, None] - _weighed(palette)) ** 2).sum(-1).argmin(1)
    image = Image.fromarray(near[where].reshape(pixels.shape[:2]).astype("u1"), "P")
    image.putpalette(palette[:, :3].tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, transparency=palette[:, 3].tobytes())
    return buffer.getvalue()


def _weighed(rgba: np.ndarray) -> np.ndarray:
    """Weigh colour by opacity: what cannot be seen has no colour."""
    rgba = rgba.astype(float)
    return np.concatenate([rgba[:, :3] * rgba[:, 3:] / 255, rgba[:, 3:]], axis=1)


def _digit(axes: object, image: np.ndarray) -> None:
    smooth = Image.fromarray(image.astype("float32")).resize((192, 192), Image.BICUBIC)
    axes.imshow(np.asarray(smooth), cmap=INK, vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()


def latent_plane(
    decoder: "nn.Sequential",
    z: np.ndarray,
    labels: np.ndarray,
    limit: float,
    shape: tuple[int, int],
) -> bytes:
    """Draw the codes on their plane, and the image decoded at the origin."""
    figure = Figure(figsize=(6.4, 3.9), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    plane, digit = figure.subplots(1, 2, width_ratios=[3, 2])
    plane.set_facecolor(TILE[0])
    plane.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    plane.tick_params(colors=COLORS["ink"], length=0, labelsize=8)
    plane.set_xlabel("z₁", color=COLORS["ink"])
    plane.set_ylabel("z₂", color=COLORS["ink"])
    for spine in plane.spines.values():
        spine.set_visible(False)
    if len(labels):
        for (x, y), label in zip(z, labels, strict=True):
            plane.text(x, y, label, color=CLASSES[label], size=6, weight="bold",
                       ha="center", va="center")  # fmt: skip
    else:
        plane.scatter(*z.T, s=6, color=COLORS["latent"])
    plane.plot(0, 0, "o", ms=10, mfc="none", mec=TILE[1], mew=2, zorder=4)
    _digit(digit, mlp.decode(decoder, np.zeros((1, 2))).reshape(shape))
    return _png(figure)


def interpolation(decoder: "nn.Sequential", z: np.ndarray, x: np.ndarray) -> bytes:
    """Draw two images, nine decoded steps of the straight line between their codes."""
    figure = Figure(figsize=(7.2, 0.9), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    t = np.linspace(0, 1, 9)[:, None]
    steps = mlp.decode(decoder, (1 - t) * z[0] + t * z[1]).reshape(-1, *x.shape[1:])
    for axes, image in zip(
        figure.subplots(1, 11), [x[0], *steps, x[1]], strict=True
    ):  # fmt: skip
        _digit(axes, image)
    return _png(figure)


def gradient_noise(seed: int) -> bytes:
    """Draw 1,000 estimates of a gradient of -4 by two methods, for σ = 1, 8 draws."""
    eps = np.random.default_rng(seed).standard_normal((1000, 8))
    off = eps - 2
    shown = {
        "pathwise": (2 * off, COLORS["model"]),
        "score function": (off**2 * eps, COLORS["latent"]),
    }
    figure = Figure(figsize=(6.4, 3.2), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    both = figure.subplots(2, 1, sharex=True)
    for axes, (name, (draws, colour)) in zip(both, shown.items(), strict=True):
        axes.set_facecolor("none")
        axes.hist(draws.mean(1), bins=np.linspace(-24, 16, 81), color=colour)
        axes.axvline(-4, color=COLORS["truth"])
        axes.set_title(name, loc="left", color=COLORS["ink"], fontsize=10)
        axes.set_yticks([])
        axes.tick_params(colors=COLORS["ink"], labelsize=8)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(COLORS["ink"])
    return _png(figure)


def chain(x_t: np.ndarray, x0_hat: np.ndarray) -> bytes:
    """Draw 16 images, uint8 (16, H, W), four by four, and beside them the guesses."""
    figure = Figure(figsize=(4.2, 2.1), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    for half, images in zip(
        figure.subfigures(1, 2, wspace=0.05), (x_t, x0_hat), strict=True
    ):
        half.set_facecolor("none")
        for axes, image in zip(half.subplots(4, 4).flat, images, strict=True):
            _digit(axes, image / 255)
    return _png(figure)


def gallery(names: list[str], rows: list[np.ndarray]) -> bytes:
    """Draw a row of images 0…1, (N, H, W), for each name."""
    figure = Figure(figsize=(7.2, 0.62 * len(rows)), layout="constrained", dpi=72)
    figure.set_facecolor("none")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(rows[0]) + 2, squeeze=False)
    for axes, name, images in zip(grid, names, rows, strict=True):
        for empty in axes[:2]:
            empty.set_axis_off()
        axes[0].text(0, 0.5, name, color=COLORS["ink"], size=10, va="center",
                     transform=axes[0].transAxes)  # fmt: skip
        for place, image in zip(axes[2:], images, strict=True):
            _digit(place, image)
    return _png(figure)


def real_or_generated(images: np.ndarray) -> bytes:
    """Draw images 0…1, (N, H, W), in a row, and the question above them."""
    figure = Figure(figsize=(6.4, 1.5), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    figure.suptitle("Which of them are real?", color=COLORS["ink"], fontsize=10)
    for axes, image in zip(
        np.atleast_1d(figure.subplots(1, len(images))), images, strict=True
    ):
        _digit(axes, image)
    return _png(figure)
