"""One figure style for the whole book, and alt text on every figure.

A plot is an object, shown when it ends a cell: no global state, nothing drawn twice.
The ground is transparent and the ink is a mid grey, so that one picture serves the
light page and the dark one. Colours mean what ``palette`` says they mean.
"""

import io
import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as MplFigure
from PIL import Image
from plotly import graph_objects as go
from torch import Tensor
from torch.nn import functional as F

from genbook.palette import CLASSES, COLORS, TILE

WIDTH = 7.0  # inches: the width of the page's column
DPI = 128  # of the stored picture
CSS_DPI = 100  # of the page: a figure 7 inches wide is shown 700 pixels wide

STYLE = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "text.color": COLORS["ink"],
    "axes.edgecolor": COLORS["ink"],
    "axes.labelcolor": COLORS["ink"],
    "axes.titlecolor": COLORS["ink"],
    "xtick.color": COLORS["ink"],
    "ytick.color": COLORS["ink"],
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "image.interpolation": "nearest",
    "axes.prop_cycle": matplotlib.cycler(
        color=[COLORS[k] for k in ("data", "model", "truth", "latent", "noise")]
    ),
}
# On import, so that what a lesson draws by itself on the axes has the style as well.
matplotlib.rcParams.update(STYLE)

INK = LinearSegmentedColormap.from_list("ink", TILE)  # no ink … full ink


class Figure(MplFigure):
    """A matplotlib figure that shows itself at the end of a cell, with its alt text."""

    alt: str

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        self.set_dpi(DPI)
        self.canvas.draw()
        # 256 colours are enough for these pictures, and a third of the bytes.
        picture = Image.fromarray(np.asarray(self.canvas.buffer_rgba())).quantize(256)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", optimize=True)
        width = round(self.get_figwidth() * CSS_DPI)
        data = {"image/png": buffer.getvalue(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width}}

    def __repr__(self) -> str:
        """Return the alt text: short, and the same in every run."""
        return self.alt


def figure(
    rows: int = 1,
    columns: int = 1,
    *,
    alt: str,
    height: float = 2.8,
    width: float = WIDTH,
    **subplots: object,
) -> tuple[Figure, Axes | np.ndarray]:
    """Return an empty figure in the book's style, and its axes.

    ``height`` is that of one row, in inches; ``alt`` says in a sentence what the
    picture shows to somebody who cannot see it. Further arguments are those of
    matplotlib's ``subplots``. Raises ``ValueError`` if ``alt`` is empty.
    """
    if not alt.strip():
        raise ValueError("alt: expected a sentence that says what the figure shows")
    fig = Figure(figsize=(width, rows * height), layout="constrained")
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, columns, **subplots)
    fig.alt = alt
    return fig, axes


def tiles(
    ax: Axes,
    x: Tensor,
    *,
    columns: int,
    vmin: float = 0,
    vmax: float = 1,
    extent: tuple[float, float, float, float] | None = None,
) -> None:
    """Draw images (N, [1,] H, W) on ``ax`` as a wall of tiles with a gap between.

    ``vmin`` is no ink and ``vmax`` full ink. Small images are enlarged smoothly:
    8×8 pixels show the stroke better than 64 squares do. With an ``extent`` (left,
    right, bottom, top) the wall is a map in the coordinates of ``ax``, which stay.
    Raises ``ValueError`` if ``x`` is empty, has another shape or holds NaN, for no
    column, and unless vmin < vmax.
    """
    _check_images(x, columns, vmin, vmax)
    x = x.detach().float().cpu().reshape(len(x), 1, *x.shape[-2:])
    scale = max(1, 64 // x.shape[-1])
    x = F.interpolate((x - vmin) / (vmax - vmin), scale_factor=scale, mode="bicubic")
    h, w = x.shape[-2:]
    rows, gap = math.ceil(len(x) / columns), w // 10
    wall = np.zeros((rows * (h + gap) - gap, columns * (w + gap) - gap, 4))
    for i, image in enumerate(INK(x.clamp(0, 1)[:, 0].numpy())):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        wall[top : top + h, left : left + w] = image
    ax.imshow(wall, extent=extent)
    if extent is None:
        ax.set_axis_off()


def _check_images(x: Tensor, columns: int, vmin: float, vmax: float) -> None:
    if not len(x) or x.dim() not in (3, 4) or (x.dim() == 4 and x.shape[1] != 1):
        raise ValueError(f"images: expected (N, [1,] H, W), got {tuple(x.shape)}")
    if columns < 1 or not vmin < vmax or not x.isfinite().all():
        raise ValueError(
            f"images: expected finite pixels, columns ≥ 1 and vmin < vmax, got "
            f"columns={columns}, vmin={vmin}, vmax={vmax}"
        )


def images(
    x: Tensor,
    *,
    alt: str,
    columns: int = 10,
    rows: Sequence[str] = (),
    vmin: float = 0,
    vmax: float = 1,
    width: float = WIDTH,
) -> Figure:
    """Return a wall of images (N, [1,] H, W), ``columns`` to a row.

    ``rows`` names the rows at their left. See ``tiles`` for the rest.
    """
    _check_images(x, columns, vmin, vmax)
    n = math.ceil(len(x) / columns)
    if rows and len(rows) != n:
        raise ValueError(f"rows: expected {n} names, one a row, got {len(rows)}")
    label = 0.15 + 0.08 * max(map(len, rows)) if rows else 0  # inches for the names
    h = (width - label) * n / columns
    fig, ax = figure(alt=alt, height=h, width=width)
    fig.set_layout_engine("none")
    ax.set_position((label / width, 0, 1 - label / width, 1))
    tiles(ax, x, columns=columns, vmin=vmin, vmax=vmax)
    for i, name in enumerate(rows):
        y = 1 - (i + 0.5) / n
        ax.text(-0.02, y, name, transform=ax.transAxes, ha="right", va="center")
    return fig


def curves(
    history: Mapping[str, Sequence[float]],
    *,
    alt: str,
    smooth: int = 25,
    ylabel: str = "nats per image",
    at: Mapping[str, Sequence[int]] | None = None,
) -> Figure:
    """Return training curves, one small plot a term, faint raw and bold averaged.

    ``at`` has the steps of each term's values, if they are not 0, 1, 2 … Raises
    ``ValueError`` if there is no term, or a term has no values.
    """
    if not history or not all(history.values()):
        raise ValueError(f"history: expected values for each term, got {history}")
    fig, axes = figure(1, len(history), alt=alt, height=2.2, squeeze=False)
    for ax, (name, values) in zip(axes[0], history.items(), strict=True):
        y = np.asarray(values)
        x = np.asarray(at[name]) if at else np.arange(len(y))
        window = min(smooth, len(y))
        mean = np.convolve(y, np.ones(window) / window, mode="valid")
        ax.plot(x, y, color=COLORS["model"], alpha=0.25, lw=0.7)
        middle = x[window // 2 :][: len(mean)]
        ax.plot(middle, mean, color=COLORS["model"])
        low, high = y.min(), np.quantile(y[len(y) // 50 :], 0.99)
        if high > low:
            ax.set_ylim(low - 0.05 * (high - low), high + 0.15 * (high - low))
        ax.set_title(name)
        ax.set_xlabel("step")
    axes[0, 0].set_ylabel(ylabel)
    return fig


def classes(ax: Axes, z: Tensor, y: Tensor) -> None:
    """Draw each 2-D point (N, 2) as the digit ``y`` (N,) that it is, in its colour."""
    if z.dim() != 2 or z.shape[1] != 2 or len(z) != len(y):
        raise ValueError(
            f"points: expected (N, 2) and N labels, got {tuple(z.shape)} and {len(y)}"
        )
    for (a, b), c in zip(z.tolist(), y.tolist(), strict=True):
        ax.plot(a, b, marker=f"${c}$", color=CLASSES[c], ms=5, mew=0.2)
    ax.set_aspect("equal")


def grid(low: float, high: float, n: int) -> Tensor:
    """Return the points (n·n, 2) of a square grid.

    Row-major from the top, so that ``images`` with n columns lays them out as on a map.
    """
    axis = torch.linspace(low, high, n)
    down, right = torch.meshgrid(axis.flip(0), axis, indexing="ij")
    return torch.stack([right, down], -1).reshape(-1, 2)


def surface(
    x: Sequence[float],
    y: Sequence[float],
    values: Sequence[Sequence[float]],
    *,
    alt: str,
    names: tuple[str, str, str],
    ceiling: float,
    point: tuple[float, float, float],
) -> go.Figure:
    """Return a surface to turn by hand: the model's values (len(y), len(x)).

    It stands under a flat ceiling that holds the truth, with one point marked.
    Numbers are rounded to three places, so that the stored figure is the same on
    every machine.
    """
    if not alt.strip():
        raise ValueError("alt: expected a sentence that says what the figure shows")
    rounded = [[round(v, 3) for v in row] for row in values]
    x, y = [round(v, 3) for v in x], [round(v, 3) for v in y]
    px, py, pz = ([round(p, 3)] for p in point)
    model, truth, ink = COLORS["model"], COLORS["truth"], COLORS["ink"]
    shades = [[0, COLORS["noise"]], [1, model]]
    hover = f"{names[0]} = %{{x}}<br>{names[1]} = %{{y}}<br>%{{z}} nats<extra></extra>"
    hill = go.Surface(
        x=x, y=y, z=rounded, colorscale=shades, showscale=False, hovertemplate=hover
    )
    flat = [[round(ceiling, 3)] * 2] * 2
    lid = go.Surface(
        x=[x[0], x[-1]],
        y=[y[0], y[-1]],
        z=flat,
        colorscale=[[0, truth], [1, truth]],
        opacity=0.3,
        showscale=False,
        hoverinfo="skip",
    )
    mark = go.Scatter3d(
        x=px,
        y=py,
        z=pz,
        mode="markers",
        marker={"size": 5, "color": truth},
        hovertemplate=hover,
    )
    axes = {
        f"{k}axis": {
            "title": {"text": name},
            "gridcolor": COLORS["noise"],
            "showbackground": False,
        }
        for k, name in zip("xyz", names, strict=True)
    }
    layout = {
        "template": {},
        "scene": {
            **axes,
            "aspectratio": {"x": 1.3, "y": 1.3, "z": 0.8},
            "camera": {
                "eye": {"x": 1.3, "y": -1.5, "z": 0.3},
                "center": {"x": 0, "y": 0, "z": -0.15},
            },
        },
        "font": {"color": ink},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "height": 400,
        "showlegend": False,
        "meta": {"alt": alt},
    }
    return go.Figure([hill, lid, mark], layout)
