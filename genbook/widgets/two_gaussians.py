"""Two Gaussians: their entropy, cross-entropy, and KL in both directions."""

import io
import math

import anywidget
import ipywidgets
import numpy as np
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from genbook.palette import COLORS
from genbook.widgets.panel import Panel, script, style

MU, SIGMA = (-3.0, 3.0), (0.2, 3.0)  # the sliders' ends


class TwoGaussians(anywidget.AnyWidget):
    """The canvas of `two_gaussians`: the mean and width of p and of q."""

    _esm = script("figure.js", "two_gaussians.js")
    _css = style("figure.css", "two_gaussians.css")
    mu_p = traitlets.Float().tag(sync=True)
    sigma_p = traitlets.Float().tag(sync=True)
    mu_q = traitlets.Float().tag(sync=True)
    sigma_q = traitlets.Float().tag(sync=True)


def two_gaussians(
    mu_p: float = 0.0, sigma_p: float = 1.0, mu_q: float = 1.0, sigma_q: float = 1.5
) -> Panel:
    """Return a figure in which a reader moves and widens two Gaussians on a line.

    It draws p = N(mu_p, sigma_p²) and q = N(mu_q, sigma_q²), beneath them what each x
    adds to KL(p ‖ q) and to KL(q ‖ p), and says H(p), H(p, q) and both KLs in nats
    and in bits, from their closed forms, in the browser.

    Raises ``ValueError`` for a mean outside -3 … 3 or a width outside 0.2 … 3.
    """
    values = {"mu_p": mu_p, "sigma_p": sigma_p, "mu_q": mu_q, "sigma_q": sigma_q}
    for key, value in values.items():
        low, high = MU if key.startswith("mu") else SIGMA
        if not low <= value <= high:
            raise ValueError(f"{key}: expected {low:g} … {high:g}, got {value:g}")
    canvas = TwoGaussians(**values)
    sliders = []
    for key, value in values.items():
        low, high = MU if key.startswith("mu") else SIGMA
        slider = ipywidgets.FloatSlider(
            value=value,
            min=low,
            max=high,
            step=0.1,
            description=key.replace("mu_", "μ of ").replace("sigma_", "σ of "),
            style={"description_width": "4em"},
            layout={"flex": "1 1 15em", "width": "auto"},
        )
        ipywidgets.jslink((slider, "value"), (canvas, key))
        sliders.append(slider)
    wrap = {"flex_flow": "row wrap"}
    rows = [ipywidgets.HBox(pair, layout=wrap) for pair in (sliders[:2], sliders[2:])]
    alt = (
        f"Two Gaussians to move, here p = N({mu_p:g}, {sigma_p:g}²) and q = "
        f"N({mu_q:g}, {sigma_q:g}²); what each place on the line adds to the two KLs; "
        "and the entropy, the cross-entropy and both KLs as numbers."
    )
    return Panel([canvas, *rows], alt=alt, still=_still(**values))


def _still(mu_p: float, sigma_p: float, mu_q: float, sigma_q: float) -> bytes:
    """Draw the two densities, and what each x adds to the two KLs."""
    x = np.linspace(-6, 6, 241)

    def log_normal(mu: float, sigma: float) -> np.ndarray:
        return -0.5 * (((x - mu) / sigma) ** 2 + math.log(2 * math.pi * sigma**2))

    log_p, log_q = log_normal(mu_p, sigma_p), log_normal(mu_q, sigma_q)
    p, q = np.exp(log_p), np.exp(log_q)
    figure = Figure(figsize=(6.4, 2.4), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    curves = [(p, q), (p * (log_p - log_q), q * (log_q - log_p))]
    names = [("p", "q"), ("p log p/q", "q log q/p")]
    pairs = zip(figure.subplots(1, 2), curves, names, strict=True)
    for axes, ys, words in pairs:
        axes.set_facecolor("none")
        axes.axhline(0, color=COLORS["ink"], lw=0.8)
        for y, word, hue in zip(ys, words, ("truth", "model"), strict=True):
            axes.plot(x, y, color=COLORS[hue], label=word)
            axes.fill_between(x, y, color=COLORS[hue], alpha=0.16, lw=0)
        axes.legend(frameon=False, labelcolor="linecolor", fontsize=8)
        axes.tick_params(colors=COLORS["ink"], length=0, labelsize=8)
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
    figure.canvas.draw()
    buffer = io.BytesIO()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).quantize(64)
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
