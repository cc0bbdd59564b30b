"""The first state of each widget as a PNG, for where no script runs."""

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from genbook.palette import CLASSES, COLORS, TILE
from genbook.widgets import mlp

if TYPE_CHECKING:
    from torch import nn

INK = LinearSegmentedColormap.from_list("ink", TILE)


def _png(figure: Figure) -> bytes:
    """Return the figure as PNG bytes, on a transparent ground."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100, facecolor="none", pil_kwargs={"optimize": True})
    return buffer.getvalue()


def _digit(axes: object, image: np.ndarray) -> None:
    axes.imshow(image, cmap=INK, vmin=0, vmax=1, interpolation="bicubic")
    axes.set_axis_off()


def latent_plane(
    decoder: "nn.Sequential",
    z: np.ndarray,
    labels: np.ndarray,
    limit: float,
    shape: tuple[int, int],
) -> bytes:
    """Draw the codes on their plane, and the image decoded at the origin."""
    figure = Figure(figsize=(6.4, 3.9), layout="constrained")
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
    plane.plot(0, 0, "o", ms=10, mfc="none", mec=TILE[1], mew=2)
    _digit(digit, mlp.decode(decoder, np.zeros((1, 2))).reshape(shape))
    return _png(figure)
