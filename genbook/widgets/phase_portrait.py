"""The phase portrait of the Dirac-GAN: where each method takes the two players."""

import anywidget
import ipywidgets
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from genbook.palette import COLORS
from genbook.widgets.panel import Panel, script, style
from genbook.widgets.still import _png

GAMES = ["minimax", "non-saturating", "Wasserstein"]
CURES = ["none", "clipping, |ψ| ≤ 1", "gradient penalty", "R1"]
METHODS = ["simultaneous", "alternating", "extragradient", "consensus"]
REACH = 3.0  # the plane's, in θ and in ψ


class PhasePortrait(anywidget.AnyWidget):
    """The canvas of `phase_portrait`: game, what is added, method, sizes and start."""

    _esm = script("figure.js", "phase_portrait.js")
    _css = style("figure.css", "phase_portrait.css")
    game = traitlets.Int(0).tag(sync=True)  # which of GAMES
    cure = traitlets.Int(0).tag(sync=True)  # which of CURES
    method = traitlets.Int(0).tag(sync=True)  # which of METHODS
    h = traitlets.Float(0.2).tag(sync=True)
    gamma = traitlets.Float(1.0).tag(sync=True)
    steps = traitlets.Int(200).tag(sync=True)
    theta = traitlets.Float(1.0).tag(sync=True)
    psi = traitlets.Float(1.0).tag(sync=True)


def phase_portrait(*, theta: float = 1.0, psi: float = 1.0) -> Panel:
    """Return a figure in which a reader runs the Dirac-GAN by any method.

    On the plane of (θ, ψ) an arrow is the step that the method takes there, and an
    orange line a run from (theta, psi), which can be dragged. Beside it stand the
    eigenvalues of one step at (0, 0), and the distance from there step by step. Game,
    penalty, method, learning rate h, strength γ and number of steps can be chosen;
    all of it is computed in the browser. See ``genbook.gan_dynamics``.

    Raises ``ValueError`` for a start outside -3 … 3.
    """
    for name, value in (("theta", theta), ("psi", psi)):
        if not -REACH <= value <= REACH:
            raise ValueError(f"{name}: expected -3 … 3, got {value:g}")
    canvas = PhasePortrait(theta=float(theta), psi=float(psi))
    rows = []
    lists = [("game", "game", GAMES), ("cure", "added", CURES),
             ("method", "method", METHODS)]  # fmt: skip
    for name, description, options in lists:
        control = ipywidgets.Dropdown(
            options=options, index=getattr(canvas, name), description=description,
            style={"description_width": "4em"},
            layout={"flex": "1 1 13em", "width": "auto"},
        )  # fmt: skip
        ipywidgets.jslink((control, "index"), (canvas, name))
        rows.append(control)
    wide = {"flex": "1 1 14em", "width": "auto"}
    thin = {"description_width": "2.5em"}
    h = ipywidgets.FloatSlider(
        value=canvas.h, min=0.02, max=1, step=0.02, description="h",
        readout_format=".2f", style=thin, layout=wide,
    )  # fmt: skip
    gamma = ipywidgets.FloatSlider(
        value=canvas.gamma, min=0, max=3, step=0.1, description="γ",
        readout_format=".1f", style=thin, layout=wide,
    )  # fmt: skip
    steps = ipywidgets.IntSlider(
        value=canvas.steps, min=1, max=500, description="steps", style=thin,
        layout=wide,
    )  # fmt: skip
    for slider, name in ((h, "h"), (gamma, "gamma"), (steps, "steps")):
        ipywidgets.jslink((slider, "value"), (canvas, name))
    wrap = {"flex_flow": "row wrap"}
    boxes = [ipywidgets.HBox(row, layout=wrap) for row in (rows, [h, gamma, steps])]
    alt = (
        "A plane of the generator's θ and the discriminator's ψ, filled with arrows "
        f"that turn clockwise around (0, 0). A run of 200 steps from ({theta:g}, "
        f"{psi:g}) by simultaneous gradient descent spirals outwards: the eigenvalues "
        "of a step lie outside the unit circle."
    )
    return Panel([canvas, *boxes], alt=alt, still=_still(theta, psi))


def _still(theta: float, psi: float) -> bytes:
    """Draw the first state: the field of the minimax game, and the run."""
    import torch  # the page is built without it

    from genbook import gan_dynamics

    figure = Figure(figsize=(3.9, 3.8), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_facecolor("none")
    line = torch.linspace(-REACH, REACH, 13, dtype=torch.float64)
    w = torch.cartesian_prod(line, line)
    v = 0.2 * gan_dynamics.minimax(w)
    axes.quiver(*w.T, *v.T, color=COLORS["noise"], angles="xy", scale=1,
                scale_units="xy", width=0.004)  # fmt: skip
    path = gan_dynamics.trajectory(
        lambda w: gan_dynamics.simultaneous(gan_dynamics.minimax, w, 0.2),
        torch.tensor([theta, psi], dtype=torch.float64),
        200,
    )
    axes.plot(*path.T, color=COLORS["model"], lw=1.2)
    axes.plot(0, 0, "o", color=COLORS["truth"])
    axes.plot(theta, psi, "o", ms=9, mfc="none", mec=COLORS["ink"], mew=2)
    axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
    axes.set_xlabel("θ", color=COLORS["ink"])
    axes.set_ylabel("ψ", color=COLORS["ink"])
    axes.tick_params(colors=COLORS["ink"], length=0, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return _png(figure)
