"""The score field of a mixture at any noise, with particles that follow it."""

import io
from typing import TYPE_CHECKING

import anywidget
import ipywidgets
import numpy as np
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from PIL import Image

from genbook.palette import COLORS
from genbook.widgets.panel import Panel, script, style

if TYPE_CHECKING:
    from genbook.data import Mixture

FLOOR, CEILING = 0.05, 3.0  # the ends of the slider of σ
STEPS = (0.005, 0.2)  # of the step's
MODES = ["Langevin", "ODE"]


class ScoreField(anywidget.AnyWidget):
    """The canvas of `score_field`: the mixture, the noise, and how particles move."""

    _esm = script("figure.js", "train.js", "score_field.js")
    _css = style("figure.css", "score_field.css")
    means = traitlets.List().tag(sync=True)  # [[x1, x2], …]
    sigmas = traitlets.List(traitlets.Float()).tag(sync=True)
    weights = traitlets.List(traitlets.Float()).tag(sync=True)
    limit = traitlets.Float().tag(sync=True)
    floor = traitlets.Float(FLOOR).tag(sync=True)
    sigma = traitlets.Float().tag(sync=True)
    step = traitlets.Float(0.03).tag(sync=True)
    mode = traitlets.Int(0).tag(sync=True)  # which of MODES
    seed = traitlets.Int(0).tag(sync=True)


def score_field(
    mixture: "Mixture", *, limit: float = 4.0, sigma: float = 0.5, seed: int = 0
) -> Panel:
    """Return a figure of a mixture's score after noise N(0, sigma² I), to drop into.

    On the plane [-limit, limit]² the shade is the noisy density, and an arrow the
    direction and length of the next step without its chance. A click, or Enter, drops
    particles. They follow Langevin dynamics at the σ of the slider, or the
    probability-flow ODE, in whose steps σ falls by the share that is the step. What
    is computed is ``Mixture.score``, in the browser.

    Raises ``ValueError`` for a mixture that is not in the plane, has more than 64
    bumps or means outside the limit, for sigma outside 0.05 … 3, and unless the seed is
    in 0 … 2³² - 1.
    """
    means = mixture.means.tolist()
    if len(means[0]) != 2:
        raise ValueError(f"mixture: expected one in 2 dimensions, got {len(means[0])}")
    if len(means) > 64:
        raise ValueError(f"mixture: expected at most 64 bumps, got {len(means)}")
    if not mixture.means.abs().max() <= limit:
        raise ValueError(f"limit: expected all means inside it, got {limit:g}")
    if not FLOOR <= sigma <= CEILING:
        raise ValueError(f"sigma: expected {FLOOR:g} … {CEILING:g}, got {sigma:g}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected a whole number in 0 … 2³² - 1, got {seed!r}")
    canvas = ScoreField(
        means=means,
        sigmas=mixture.sigmas.tolist(),
        weights=mixture.weights.tolist(),
        limit=float(limit),
        sigma=float(sigma),
        seed=seed,
    )
    wide = {"flex": "1 1 15em", "width": "auto"}
    noise = ipywidgets.FloatSlider(
        value=sigma, min=FLOOR, max=CEILING, step=0.05, description="σ",
        readout_format=".2f", style={"description_width": "2.5em"}, layout=wide,
    )  # fmt: skip
    step = ipywidgets.FloatSlider(
        value=canvas.step, min=STEPS[0], max=STEPS[1], step=0.005, description="step",
        readout_format=".3f", style={"description_width": "2.5em"}, layout=wide,
    )  # fmt: skip
    mode = ipywidgets.ToggleButtons(
        options=MODES, index=0, description="follow",
        style={"description_width": "4em", "button_width": "7em"},
        layout={"width": "auto"},
    )  # fmt: skip
    ipywidgets.jslink((noise, "value"), (canvas, "sigma"))
    ipywidgets.jslink((step, "value"), (canvas, "step"))
    ipywidgets.jslink((mode, "index"), (canvas, "mode"))
    wrap = {"flex_flow": "row wrap"}
    rows = [
        ipywidgets.HBox([noise, step], layout=wrap),
        ipywidgets.HBox([mode], layout=wrap),
    ]
    alt = (
        f"A plane with the density of {len(means)} bumps after noise of σ = {sigma:g}, "
        "and arrows that point uphill from everywhere, the longer the farther away. "
        "Particles dropped on it follow Langevin dynamics or the probability-flow ODE."
    )
    return Panel([canvas, *rows], alt=alt, still=_still(mixture, limit, sigma))


def _still(mixture: "Mixture", limit: float, sigma: float) -> bytes:
    """Draw the density and the arrows."""
    import torch

    axis = torch.linspace(-limit, limit, 80, dtype=torch.float64)
    at = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    wide = (mixture.sigmas**2 + sigma**2).sqrt()
    noisy = type(mixture)(mixture.means, wide, mixture.weights)
    root = (0.5 * noisy.log_prob(at)).exp()
    axis = (torch.arange(15, dtype=torch.float64) * 2 + 1) / 15 * limit - limit
    x = torch.cartesian_prod(axis, axis)
    s = 3 * 0.03 * mixture.score(x, sigma)  # as the canvas draws them
    length, cell = s.norm(dim=1, keepdim=True), 2 * limit / 15
    s = s / length * cell * (length / cell).tanh()
    figure = Figure(figsize=(4, 4), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_facecolor("none")
    hue = to_rgba(COLORS["truth"])[:3]
    fade = LinearSegmentedColormap.from_list("truth", [(*hue, 0), (*hue, 0.66)])
    area = (-limit, limit, -limit, limit)
    axes.imshow(
        root.numpy(), extent=area, origin="lower", cmap=fade, interpolation="bilinear"
    )
    axes.quiver(*x.T.numpy(), *s.T.numpy(), color=COLORS["ink"], angles="xy", scale=1,
                scale_units="xy", width=0.004)  # fmt: skip
    axes.set(xlim=area[:2], ylim=area[2:])
    axes.set_xlabel("x₁", color=COLORS["ink"])
    axes.set_ylabel("x₂", color=COLORS["ink"])
    axes.tick_params(colors=COLORS["ink"], length=0, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(COLORS["ink"])
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).quantize(64)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
