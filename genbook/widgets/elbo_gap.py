"""The ELBO and its gap: move the guess q, and log p(x) stays where it is."""

import anywidget
import ipywidgets
import numpy as np
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from genbook.palette import COLORS
from genbook.widgets.panel import Panel, script, style
from genbook.widgets.still import _png

# Name, what it is called on the page, lowest, highest, step, start.
SLIDERS = [
    ("mu", "μ of q", -3.0, 3.0, 0.05, -0.5),
    ("sigma", "σ of q", 0.25, 1.5, 0.05, 0.8),
    ("x", "x", -2.5, 2.5, 0.1, 1.0),
]


class ElboGap(anywidget.AnyWidget):
    """The canvas of `elbo_gap`: the reading x, its noise, and the guess (mu, sigma)."""

    _esm = script("figure.js", "elbo_gap.js")
    _css = style("figure.css", "elbo_gap.css")
    noise = traitlets.Float(0.5).tag(sync=True)
    limits = traitlets.Dict().tag(sync=True)  # of the sliders: lowest, highest, step
    mu = traitlets.Float().tag(sync=True)
    sigma = traitlets.Float().tag(sync=True)
    x = traitlets.Float().tag(sync=True)


def elbo_gap(*, noise: float = 0.5) -> Panel:
    """Return a figure in which a reader moves q and watches the ELBO and its gap.

    The world is p(z) = N(0, 1), p(x|z) = N(z, noise²), where all is known. On the left
    stand the prior, the posterior of the reading x, and q = N(mu, sigma²); on the right
    a bar, the ELBO with the gap KL(q ‖ posterior) on top of it, whose height is always
    log p(x). Computed in the browser, in closed form.

    Raises ``ValueError`` for a noise outside 0.3 … 2, where σ of the posterior would
    leave the sliders' reach.
    """
    if not 0.3 <= noise <= 2:
        raise ValueError(f"noise: expected a scale 0.3 … 2, got {noise}")
    limits = {name: [low, high, step] for name, _, low, high, step, _ in SLIDERS}
    start = {name: value for name, *_, value in SLIDERS}
    canvas = ElboGap(noise=float(noise), limits=limits, **start)
    sliders = []
    for name, description, low, high, step, value in SLIDERS:
        slider = ipywidgets.FloatSlider(
            value=value,
            min=low,
            max=high,
            step=step,
            description=description,
            style={"description_width": "3.5em"},
            layout={"flex": "1 1 14em", "width": "auto"},
        )
        ipywidgets.jslink((slider, "value"), (canvas, name))
        sliders.append(slider)
    row = ipywidgets.HBox(sliders, layout={"flex_flow": "row wrap"})
    alt = (
        "Left: over z, the prior, the exact posterior of a reading x = 1, and a guess "
        "q that can be moved. Right: a bar of the ELBO with the gap on top of it; "
        "together they always reach log p(x)."
    )
    return Panel([canvas, row], alt=alt, still=_still(noise, **start))


def _still(noise: float, mu: float, sigma: float, x: float) -> bytes:
    """Draw the first state."""
    figure = Figure(figsize=(6.4, 2.9), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[5, 2])
    z, var = np.linspace(-3.2, 3.2, 400), noise**2 / (1 + noise**2)
    for name, colour, mean, sd in [
        ("prior", "noise", 0, 1),
        ("posterior", "truth", x / (1 + noise**2), var**0.5),
        ("q", "model", mu, sigma),
    ]:
        density = np.exp(-0.5 * ((z - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
        left.plot(z, density, color=COLORS[colour], label=name)
    left.legend(frameon=False, labelcolor="linecolor")
    left.set_xlabel("z")
    log_px = -0.5 * (np.log(2 * np.pi * (1 + noise**2)) + x**2 / (1 + noise**2))
    off = (mu - x / (1 + noise**2)) ** 2 / var
    gap = 0.5 * (off + sigma**2 / var - 1 - np.log(sigma**2 / var))
    right.bar(0, log_px - gap + 8, bottom=-8, color=COLORS["model"])
    right.bar(0, gap, bottom=log_px - gap, color=COLORS["noise"])
    right.axhline(log_px, color=COLORS["truth"])
    right.set(xticks=[], ylim=(-8, 0), xlim=(-1, 1), ylabel="nats")
    for axes in (left, right):
        axes.set_facecolor("none")
        axes.tick_params(colors=COLORS["ink"], labelsize=8)
        axes.xaxis.label.set_color(COLORS["ink"])
        axes.yaxis.label.set_color(COLORS["ink"])
        for spine in axes.spines.values():
            spine.set_visible(False)
    return _png(figure)
