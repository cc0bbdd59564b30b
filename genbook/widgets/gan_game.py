"""The game of a GAN: a generator and a discriminator that train on the page."""

import io
import math

import ipywidgets
import numpy as np
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from genbook.palette import COLORS
from genbook.widgets import points
from genbook.widgets.panel import Panel, script, style

RATES = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2]
LOSSES = ["non-saturating", "saturating"]


class GanGame(points.Points):
    """The canvas of `gan_game`: the data, both learning rates, and G's loss."""

    _esm = script("figure.js", "train.js", "points.js", "gan_game.js")
    _css = style("figure.css", "gan_game.css")
    rates = traitlets.List(traitlets.Float(), RATES).tag(sync=True)
    rate_d = traitlets.Int(RATES.index(5e-3)).tag(sync=True)  # which of `rates`
    rate_g = traitlets.Int(RATES.index(2e-3)).tag(sync=True)
    d_steps = traitlets.Int(1).tag(sync=True)  # of D for each of G
    loss = traitlets.Int(0).tag(sync=True)  # which of LOSSES
    seed = traitlets.Int(0).tag(sync=True)


def gan_game(*, data: str = "ring of eight", seed: int = 0) -> Panel:
    """Return a figure in which a small GAN trains on points in the plane.

    Generator and discriminator are perceptrons of two hidden layers of 32, trained by
    Adam with betas 0.5 and 0.9 on batches of 96, in the browser, when the reader
    presses play or steps one of them. The plane is coloured by D(x), from the model's
    colour at 0 to the data's at 1; an arrow at each generated point is the gradient of
    G's loss there, downhill. A reader chooses the data or draws them, and moves both
    learning rates, the steps of D for each of G, and G's loss. Everything random comes
    from ``seed``.

    Raises ``ValueError`` for data that are none of ``points.SHAPES``, and unless the
    seed is a whole number in 0 … 2³² - 2.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32 - 1:
        raise ValueError(f"seed: expected a whole number in 0 … 2³² - 2, got {seed!r}")
    canvas = GanGame(data=points.index(data), seed=seed)
    wide = {"flex": "1 1 15em", "width": "auto"}
    rates = []
    for who in "DG":
        slider = ipywidgets.SelectionSlider(
            options=[(f"{rate:g}", rate) for rate in RATES],
            index=getattr(canvas, f"rate_{who.lower()}"),
            description=f"rate of {who}",
            style={"description_width": "5em"},
            layout=wide,
        )
        ipywidgets.jslink((slider, "index"), (canvas, f"rate_{who.lower()}"))
        rates.append(slider)
    steps = ipywidgets.IntSlider(
        value=1, min=1, max=10, description="D steps per G step",
        style={"description_width": "9.5em"}, layout=wide,
    )  # fmt: skip
    ipywidgets.jslink((steps, "value"), (canvas, "d_steps"))
    loss = ipywidgets.ToggleButtons(
        options=LOSSES, index=0, description="loss of G",
        style={"description_width": "5em", "button_width": "9em"},
        layout={"width": "auto"},
    )  # fmt: skip
    ipywidgets.jslink((loss, "index"), (canvas, "loss"))
    wrap = {"flex_flow": "row wrap"}
    rows = [
        ipywidgets.HBox([points.dropdown(canvas), steps], layout=wrap),
        ipywidgets.HBox(rates, layout=wrap),
        ipywidgets.HBox([loss], layout=wrap),
    ]
    alt = (
        f"A GAN before its first step: a plane with data, here {data}, and the points "
        "of an untrained generator in a small heap near the middle; beside it an empty "
        "curve for the discriminator’s loss, with a line at 2 log 2, where it cannot "
        "tell the two apart."
    )
    return Panel([canvas, *rows], alt=alt, still=_still(data, seed))


def _still(data: str, seed: int) -> bytes:
    """Draw data, the points of an untrained generator, and the curve's line."""
    x = points.sample(data, 1000, seed=seed)
    figure = Figure(figsize=(6.8, 3.6), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    plane, curve = figure.subplots(1, 2, width_ratios=[3, 2])
    plane.scatter(*x.T, s=3, color=COLORS["data"], marker="s")
    plane.scatter(*_untrained(200, seed).T, s=10, color=COLORS["model"])
    plane.set(xlim=(-2.8, 2.8), ylim=(-2.8, 2.8), aspect="equal", xticks=[], yticks=[])
    level = 2 * math.log(2)
    curve.axhline(level, color=COLORS["truth"])
    curve.text(8, level - 0.13, "2 log 2: D cannot tell", color=COLORS["truth"], size=9)
    curve.set(xlim=(0, 400), ylim=(0, 2.2), xticks=[], yticks=[0, 1, 2])
    curve.set_title("D’s loss", loc="left", color=COLORS["ink"], size=10)
    curve.tick_params(colors=COLORS["ink"], labelsize=8)
    for axes in (plane, curve):
        axes.set_facecolor("none")
        for side, spine in axes.spines.items():
            spine.set_visible(axes is plane or side in ("left", "bottom"))
            spine.set_color(COLORS["ink"])
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).quantize(64)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _untrained(n: int, seed: int) -> np.ndarray:
    """Return what a generator as torch initialises it makes of noise, (n, 2)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    for m, width in ((2, 32), (32, 32), (32, 2)):
        weight, bias = np.split(rng.uniform(-1, 1, (m + 1, width)) / m**0.5, [m])
        x = x @ weight + bias
        if width > 2:
            x = np.where(x > 0, x, 0.2 * x)
    return x
