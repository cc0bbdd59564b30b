"""The critic and the artist: a classifier and a density, fitted to the same points."""

import io

import anywidget
import ipywidgets
import numpy as np
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from genbook.palette import CLASSES, COLORS
from genbook.widgets import mlp
from genbook.widgets.panel import Panel, script, style

LIMIT = 6.0  # the plane is [-LIMIT, LIMIT]²: the data in the middle, nothing around it
FLOOR = 0.02  # the least variance of a component
STEPS = 40  # of EM


class CriticAndArtist(anywidget.AnyWidget):
    """The two canvases of `critic_and_artist`, and the point (x1, x2) on both."""

    _esm = script("figure.js", "critic_and_artist.js")
    _css = style("figure.css", "critic_and_artist.css")
    points = traitlets.Bytes().tag(sync=True)  # float32 (N, 2)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    limit = traitlets.Float().tag(sync=True)
    floor = traitlets.Float().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    separation = traitlets.Float().tag(sync=True)
    components = traitlets.Int().tag(sync=True)
    x1 = traitlets.Float().tag(sync=True)
    x2 = traitlets.Float().tag(sync=True)


def critic_and_artist(
    x: object, y: object, *, separation: float = 2.0, components: int = 4
) -> Panel:
    """Return a figure in which two models of the same points answer for any point.

    x is (N, 2), y is (N,) of labels 0 and 1; the classes are moved apart along the
    second axis by ``separation``. The critic is logistic regression with a ridge of 1
    on its slopes, fitted by Newton's method; the artist a Gaussian mixture with that
    many ``components``, fitted by 40 steps of EM, which never sees y. Both are fitted
    in the browser, whenever a slider moves. The point is moved by mouse, finger or
    arrow keys.

    Raises ``ValueError`` for points that are not finite or not (N, 2), for labels that
    are not both 0 and 1, and for a separation outside 0…4 or components outside 1…6.
    """
    x = mlp.array(x)
    if x.ndim != 2 or x.shape[1] != 2 or not np.isfinite(x).all():
        raise ValueError(
            f"x: expected finite points of shape (N, 2), got shape {x.shape}"
        )
    y = mlp.array(y)
    if y.shape != (len(x),) or set(y.tolist()) != {0, 1}:
        raise ValueError(
            f"y: expected {len(x)} labels, some 0 and some 1, got shape {y.shape}"
        )
    if len(x) < 12:
        raise ValueError(f"x: expected at least 12 points, got {len(x)}")
    if not 0 <= separation <= 4:
        raise ValueError(f"separation: expected 0 … 4, got {separation}")
    if components not in range(1, 7):
        raise ValueError(f"components: expected 1 … 6, got {components}")
    x = x.astype("<f4")
    canvas = CriticAndArtist(
        points=x.tobytes(),
        labels=[int(label) for label in y],
        limit=LIMIT,
        floor=FLOOR,
        steps=STEPS,
        separation=separation,
        components=components,
        x1=4.5,
        x2=-4.5,
    )
    wide = {
        "style": {"description_width": "6.5em"},
        "layout": {"flex": "1 1 17em", "width": "auto"},
    }
    apart = ipywidgets.FloatSlider(
        value=separation, min=0, max=4, step=0.1, description="separation", **wide
    )
    count = ipywidgets.IntSlider(
        value=components, min=1, max=6, description="components", **wide
    )
    ipywidgets.jslink((apart, "value"), (canvas, "separation"))
    ipywidgets.jslink((count, "value"), (canvas, "components"))
    row = ipywidgets.HBox([apart, count], layout={"flex_flow": "row wrap"})
    alt = (
        f"Two planes with the same {len(x)} points. Left the critic: points in the "
        "colours of two classes, the plane split by a straight boundary. Right the "
        f"artist: the density of a mixture of {components} Gaussians, high where the "
        "points lie. A point that can be moved stands on both, here far from the data."
    )
    still = _still(moved(x, y, separation), y, components)
    return Panel([canvas, row], alt=alt, still=still)


def moved(x: np.ndarray, y: np.ndarray, separation: float) -> np.ndarray:
    """Return the points (N, 2) with class 0 moved up by half of it and class 1 down."""
    shift = np.where(y == 0, 0.5, -0.5) * separation
    return x.astype(float) + np.stack([np.zeros(len(x)), shift], -1)


def spread(x: np.ndarray, k: int) -> np.ndarray:
    """Return k of the points x (N, 2), each as far as can be from those before it.

    The first is the point farthest from the centre. EM starts from them: no chance is
    involved, so the browser and Python start alike.
    """
    distance = ((x - x.mean(0)) ** 2).sum(-1)
    chosen = [int(distance.argmax())]
    distance = np.full(len(x), np.inf)
    while len(chosen) < k:
        distance = np.minimum(distance, ((x - x[chosen[-1]]) ** 2).sum(-1))
        chosen.append(int(distance.argmax()))
    return x[chosen]


def _still(x: np.ndarray, y: np.ndarray, k: int) -> bytes:
    """Draw the first state: both planes, their models and the point."""
    import torch
    from sklearn.linear_model import LogisticRegression

    from genbook import mixture

    floor = FLOOR * torch.eye(2, dtype=torch.float64)
    start = torch.tensor(spread(x, k))
    artist, _ = mixture.fit(torch.tensor(x), start, floor=floor, steps=STEPS)
    critic = LogisticRegression().fit(x, y)
    axis = np.linspace(-LIMIT, LIMIT, 120)
    at = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    p = critic.predict_proba(at)[:, 1].reshape(120, 120)
    root = (0.5 * artist.log_prob(torch.tensor(at))).exp().reshape(120, 120).numpy()

    figure = Figure(figsize=(7, 3.7), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    hues = CLASSES[8], CLASSES[5]
    area = (-LIMIT, LIMIT, -LIMIT, LIMIT)
    for ax, side, hue in [
        (left, 0.5 - p, hues[0]),
        (left, p - 0.5, hues[1]),
        (right, root / root.max(), COLORS["model"]),
    ]:
        paint = np.zeros((120, 120, 4))
        paint[..., :3] = [int(hue[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        paint[..., 3] = 0.7 * side.clip(0, 1)
        ax.imshow(paint, extent=area, origin="lower")
    left.contour(axis, axis, p, [0.5], colors=COLORS["ink"])
    for label, mark in enumerate("os"):
        left.scatter(*x[y == label].T, s=6, color=hues[label], marker=mark)
    right.scatter(*x.T, s=6, color=COLORS["data"])
    for ax, name in [(left, "The critic: P(y | x)"), (right, "The artist: p(x)")]:
        ax.plot(4.5, -4.5, "o", ms=10, mfc="none", mec=COLORS["ink"], mew=2)
        ax.set(xticks=[], yticks=[], xlim=area[:2], ylim=area[2:], facecolor="none")
        ax.set_title(name, color=COLORS["ink"], size=10)
        for spine in ax.spines.values():
            spine.set(visible=True, color=COLORS["ink"])
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).quantize(128)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
