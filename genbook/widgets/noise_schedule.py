"""Noise schedules: a digit on its way into noise, and the curves that say how fast."""

import math
from collections.abc import Sequence

import anywidget
import ipywidgets
import numpy as np
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from genbook.palette import CLASSES, COLORS
from genbook.widgets import mlp
from genbook.widgets.panel import Panel, script, style
from genbook.widgets.still import _digit, _png

KINDS = ["linear", "cosine", "sigmoid"]
STEPS = [10, 20, 50, 100, 200, 500, 1000]
BETA_1 = [1e-5, 1e-4, 5e-4, 1e-3, 5e-3]
BETA_T = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]


class NoiseSchedule(anywidget.AnyWidget):
    """The canvas of `noise_schedule`: the images and their noise, schedules, time."""

    _esm = script("figure.js", "noise_schedule.js")
    _css = style("figure.css", "noise_schedule.css")
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    images = traitlets.Bytes().tag(sync=True)  # uint8 (N, H, W)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    eps = traitlets.Bytes().tag(sync=True)  # float32 (H, W)
    image = traitlets.Int(0).tag(sync=True)
    kind = traitlets.Int(0).tag(sync=True)  # which of KINDS
    t = traitlets.Float(0.3).tag(sync=True)  # a share of all steps
    steps_options = traitlets.List(traitlets.Int(), STEPS).tag(sync=True)
    steps = traitlets.Int(6).tag(sync=True)  # which of them; so for both betas
    beta_1_options = traitlets.List(traitlets.Float(), BETA_1).tag(sync=True)
    beta_1 = traitlets.Int(1).tag(sync=True)
    beta_T_options = traitlets.List(traitlets.Float(), BETA_T).tag(sync=True)
    beta_T = traitlets.Int(2).tag(sync=True)
    s = traitlets.Float(0.008).tag(sync=True)
    start = traitlets.Float(-3.0).tag(sync=True)
    end = traitlets.Float(3.0).tag(sync=True)


def noise_schedule(
    images: object, *, names: Sequence[str] | None = None, seed: int = 0
) -> Panel:
    """Return a figure in which a reader drowns a digit in noise, step by step.

    A reader chooses one of ``images`` (N, H, W), ink 0…1, a kind of schedule, the
    number of steps T, the end points of each kind and the time t. The figure shows
    x_t = √ᾱ_t x0 + √(1 - ᾱ_t) ε at t and at eleven times between 0 and T, with one
    noise ε, drawn from ``seed`` and kept; and ᾱ, β and ᾱ / (1 - ᾱ) of all three kinds,
    as ``genbook.diffusion`` has them, computed in the browser. A pixel beyond no ink
    and full ink is shown as that. ``names`` label the images in the menu.

    Raises ``ValueError`` for images or names that do not fit, pixels outside 0…1, and
    a seed that is not a whole number of at least 0.
    """
    x = mlp.array(images)
    if x.ndim == 4 and x.shape[1] == 1:
        x = x[:, 0]
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"images: expected (N, H, W), one or more, got {x.shape}")
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"images: expected values 0 … 1, got {x.min()} … {x.max()}")
    names = [f"image {i}" for i in range(len(x))] if names is None else list(names)
    if len(names) != len(x):
        raise ValueError(
            f"names: expected one for each of {len(x)} images, got {len(names)}"
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed: expected a whole number of at least 0, got {seed!r}")
    eps = np.random.default_rng(seed).standard_normal(x.shape[1:]).astype("<f4")
    canvas = NoiseSchedule(
        shape=list(x.shape[1:]),
        images=np.rint(255 * x).astype("u1").tobytes(),
        names=names,
        eps=eps.tobytes(),
    )
    alt = (
        f"{names[0]} from clean to noise at eleven times of the linear schedule with "
        "1000 steps, the digit at t = 300, and the curves of ᾱ, β and the "
        "signal-to-noise ratio for the linear, the cosine and the sigmoid schedule."
    )
    picture = _still(2 * x[0].astype(float) - 1, eps)
    return Panel([canvas, *_controls(canvas)], alt=alt, still=picture)


def _controls(canvas: NoiseSchedule) -> list[ipywidgets.HBox]:
    """Return the rows of sliders and menus, linked to the canvas in the browser."""

    def link(control: ipywidgets.Widget, trait: str, key: str) -> ipywidgets.Widget:
        ipywidgets.jslink((control, trait), (canvas, key))
        return control

    def look(description: str, em: float = 4, grow: bool = True) -> dict:
        return {
            "description": description,
            "style": {"description_width": f"{em}em"},
            "layout": {"flex": "1 1 15em" if grow else "0 1 19em", "width": "auto"},
        }

    def slider(key: str, low: float, high: float, step: float, **options: object):
        at = {"value": getattr(canvas, key), "min": low, "max": high, "step": step}
        return link(ipywidgets.FloatSlider(**at, **options), "value", key)

    def choice(key: str, **options: object):
        values = [(f"{v:g}", v) for v in getattr(canvas, f"{key}_options")]
        at = {"options": values, "index": getattr(canvas, key)}
        return link(ipywidgets.SelectionSlider(**at, **options), "index", key)

    kind = ipywidgets.ToggleButtons(
        options=KINDS, index=canvas.kind, description="schedule",
        style={"description_width": "5em", "button_width": "6em"},
        layout={"width": "auto"},
    )  # fmt: skip
    menu = ipywidgets.Dropdown(
        options=[(name, i) for i, name in enumerate(canvas.names)],
        index=canvas.image, description="digit",
        style={"description_width": "3em"}, layout={"width": "11em"},
    )  # fmt: skip
    rows = [
        [link(kind, "index", "kind"), link(menu, "index", "image")],
        [
            slider("t", 0, 1, 0.01, **look("t / T")),
            choice("steps", **look("steps T")),
        ],
        [
            choice("beta_1", **look("linear, first β", 7)),
            choice("beta_T", **look("linear, last β", 7)),
        ],
        [
            slider(
                "s", 0, 0.2, 0.004, readout_format=".3f", **look("cosine, s", 7, False)
            )
        ],
        [
            slider("start", -6, 0, 0.5, **look("sigmoid, from", 7)),
            slider("end", 0.5, 6, 0.5, **look("sigmoid, to", 7)),
        ],
    ]
    return [ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in rows]


def _still(x0: np.ndarray, eps: np.ndarray) -> bytes:
    """Draw six times of the linear schedule, and ᾱ of all three."""
    T = 1000
    u = np.linspace(0, 1, T + 1)
    down = 1 / (1 + np.exp(6 * u - 3))
    cosine = np.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    linear = np.cumprod(1 - np.concatenate([[0], np.linspace(1e-4, 0.02, T)]))
    falls = [linear, cosine / cosine[0], (down - down[-1]) / (down[0] - down[-1])]
    figure = Figure(figsize=(6.4, 2.8), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 6, height_ratios=[1, 1.8])
    for i in range(6):
        ab = linear[200 * i]
        x_t = math.sqrt(ab) * x0 + math.sqrt(1 - ab) * eps
        _digit(figure.add_subplot(grid[0, i]), (x_t + 1) / 2)
    axes = figure.add_subplot(grid[1, :])
    axes.set_facecolor("none")
    for fall, kind, hue in zip(falls, KINDS, (4, 7, 8), strict=True):
        axes.plot(fall, color=CLASSES[hue], label=kind)
    axes.legend(frameon=False, labelcolor="linecolor", fontsize=8)
    axes.tick_params(colors=COLORS["ink"], length=0, labelsize=8)
    axes.set_xlabel("t", color=COLORS["ink"])
    axes.set_ylabel("ᾱ", color=COLORS["ink"])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return _png(figure)
