"""Gradient noise: one gradient, estimated two ways, and how the estimates scatter."""

import anywidget
import ipywidgets
import traitlets

from genbook.widgets import still
from genbook.widgets.panel import Panel, script, style

DRAWS = [1, 2, 4, 8, 16, 32, 64]  # an estimate averages so many
BASELINES = ["none", "mean of f", "best"]


class GradientNoise(anywidget.AnyWidget):
    """The canvas of `gradient_noise`: σ, draws an estimate, baseline, and the seed."""

    _esm = script("figure.js", "gradient_noise.js")
    _css = style("figure.css", "gradient_noise.css")
    sigma = traitlets.Float(1.0).tag(sync=True)
    draws = traitlets.List(traitlets.Int(), DRAWS).tag(sync=True)
    size = traitlets.Int(3).tag(sync=True)  # which of `draws`
    baseline = traitlets.Int(0).tag(sync=True)  # which of BASELINES
    seed = traitlets.Int(0).tag(sync=True)


def gradient_noise(*, seed: int = 0) -> Panel:
    """Return a figure of 1,000 estimates of d/dμ E[(z - 2)²] at μ = 0, z ~ N(μ, σ²).

    The exact gradient is -4. Above stands the histogram of the pathwise estimates,
    beneath it that of the score function's; a reader moves σ, the draws averaged in
    each estimate, and the baseline. The noise comes from ``seed``, in the browser: the
    same on every visit.

    Raises ``ValueError`` unless the seed is a whole number in 0 … 2³² - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected a whole number in 0 … 2³² - 1, got {seed!r}")
    canvas = GradientNoise(seed=seed)
    wide = {"flex": "1 1 15em", "width": "auto"}
    sigma = ipywidgets.FloatSlider(
        value=canvas.sigma, min=0.1, max=3, step=0.1, description="σ",
        readout_format=".1f", style={"description_width": "1.5em"}, layout=wide,
    )  # fmt: skip
    ipywidgets.jslink((sigma, "value"), (canvas, "sigma"))
    size = ipywidgets.SelectionSlider(
        options=[(str(n), n) for n in DRAWS], index=canvas.size,
        description="draws", style={"description_width": "3.5em"}, layout=wide,
    )  # fmt: skip
    ipywidgets.jslink((size, "index"), (canvas, "size"))
    baseline = ipywidgets.ToggleButtons(
        options=BASELINES, index=canvas.baseline, description="baseline",
        style={"description_width": "5em", "button_width": "7em"},
        layout={"width": "auto"},
    )  # fmt: skip
    ipywidgets.jslink((baseline, "index"), (canvas, "baseline"))
    wrap = {"flex_flow": "row wrap"}
    rows = [
        ipywidgets.HBox([sigma, size], layout=wrap),
        ipywidgets.HBox([baseline], layout=wrap),
    ]
    alt = (
        "Two histograms of 1,000 estimates of one gradient, whose exact value is −4: "
        "the pathwise estimates lie close around it, those of the score function "
        "scatter widely; here σ = 1, 8 draws an estimate, no baseline."
    )
    return Panel([canvas, *rows], alt=alt, still=still.gradient_noise(seed))
