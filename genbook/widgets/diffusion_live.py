"""A diffusion in the plane that trains and samples on the page."""

from typing import TYPE_CHECKING

import ipywidgets
import numpy as np
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from genbook.palette import COLORS
from genbook.widgets import mlp, points, still
from genbook.widgets.panel import Panel, script, style

if TYPE_CHECKING:
    from torch import Tensor

STEPS = [5, 10, 20, 50, 100]  # of the way back
T_MOST = 200
VIEW = 3  # the planes are [-VIEW, VIEW]²
WIDTH = 0.07  # of the Gaussian that each of the points is, where no density is known


class DiffusionLive(points.Points):
    """The canvases of `diffusion_live`: the data, the schedule, and the way back."""

    _esm = script("figure.js", "train.js", "points.js", "diffusion_live.js")
    _css = style("figure.css", "diffusion_live.css")
    alpha_bar = traitlets.List(traitlets.Float()).tag(sync=True)  # (T + 1,)
    choices = traitlets.List(traitlets.Int(), STEPS).tag(sync=True)
    round = traitlets.Int(2000).tag(sync=True)  # steps of training at a press
    size = traitlets.Int(2).tag(sync=True)  # which of `choices`
    eta = traitlets.Float(1.0).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    done = traitlets.Int(0).tag(sync=True)  # T - t


def diffusion_live(
    *, data: str = "ring of eight", alpha_bar: "Tensor | None" = None, seed: int = 0
) -> Panel:
    """Return a figure in which a diffusion in the plane is trained and run backwards.

    A reader chooses ``data`` (one of ``points.SHAPES``) or draws some, trains a small
    network to predict the noise eps in x_t, and runs the reverse process in as many
    steps as wanted, from DDIM (eta = 0) to ancestral sampling (eta = 1). Beside it the
    same particles follow the exact E[x0 | x_t], with the same noise from ``seed``. The
    ring and the two blobs are mixtures whose density is known; of other data there are
    300 points, and their law is taken to be a Gaussian of width 0.07 around each.
    ``alpha_bar`` (T + 1,) is the schedule, by default ``diffusion.linear`` with T = 100
    and beta from 0.001 to 0.12. Everything is computed in the browser.

    Raises ``ValueError`` for data of another name, for a schedule that does not fall
    from 1 in 5 … 200 steps and stay above 0, and for a seed outside 0 … 99.
    """
    index = points.index(data)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= 99:
        raise ValueError(f"seed: expected a whole number in 0 … 99, got {seed!r}")
    known = _schedule(alpha_bar)
    T = len(known) - 1
    canvas = DiffusionLive(
        data=index,
        alpha_bar=known.tolist(),
        choices=[n for n in STEPS if n <= T],
        seed=seed,
    )
    canvas.size = min(canvas.size, len(canvas.choices) - 1)
    narrow = {"style": {"description_width": "3em"}}
    wide = {**narrow, "layout": {"flex": "1 1 14em", "width": "auto"}}
    t = ipywidgets.SelectionSlider(
        options=[(str(T - i), i) for i in range(T + 1)], index=canvas.done,
        description="t", style={"description_width": "1.5em"},
        layout={"flex": "1 1 15em", "width": "auto"},
    )  # fmt: skip
    ipywidgets.jslink((t, "index"), (canvas, "done"))
    size = ipywidgets.SelectionSlider(
        options=[(str(n), n) for n in canvas.choices], index=canvas.size,
        description="steps", **wide,
    )  # fmt: skip
    ipywidgets.jslink((size, "index"), (canvas, "size"))
    eta = ipywidgets.FloatSlider(
        value=canvas.eta, min=0, max=1, step=0.1, description="η",
        readout_format=".1f", **wide,
    )  # fmt: skip
    ipywidgets.jslink((eta, "value"), (canvas, "eta"))
    chance = ipywidgets.IntSlider(value=seed, min=0, max=99, description="seed", **wide)
    ipywidgets.jslink((chance, "value"), (canvas, "seed"))
    wrap = {"flex_flow": "row wrap"}
    rows = [
        ipywidgets.HBox([t], layout=wrap),
        ipywidgets.HBox([points.dropdown(canvas), size], layout=wrap),
        ipywidgets.HBox([eta, chance], layout=wrap),
    ]
    alt = (
        f"A diffusion in the plane, to be trained here on {data}, and its way back "
        f"from noise in {canvas.choices[canvas.size]} steps: left by the network, "
        "right by the exact posterior mean. The still shows the exact way: particles "
        f"at t = {T}, {T // 4} and 0 over points of the data."
    )
    return Panel([canvas, *rows], alt=alt, still=_still(data, known, seed))


def _schedule(alpha_bar: object) -> np.ndarray:
    """Return the schedule in float64, or say what is wrong with it."""
    if alpha_bar is None:
        from genbook import diffusion  # imports torch, which the page is built without

        alpha_bar = diffusion.linear(100, beta_1=1e-3, beta_T=0.12)
    known = mlp.array(alpha_bar).astype(float)
    if known.ndim != 1 or not min(STEPS) < len(known) <= T_MOST + 1:
        raise ValueError(
            f"alpha_bar: expected shape (T + 1,) with T in {min(STEPS)} … {T_MOST}, "
            f"got {known.shape}"
        )
    if not (known[0] == 1 and (np.diff(known) < 0).all() and known[-1] > 1e-4):
        raise ValueError(
            "alpha_bar: expected to fall from 1 to somewhat above 0.0001, where eps "
            f"still tells x0, got {known[0]:g} … {known[-1]:g}"
        )
    return known


def _still(name: str, alpha_bar: np.ndarray, seed: int) -> bytes:
    """Draw the exact reverse process of the shape at three times."""
    import torch

    from genbook.data import Mixture

    x0 = torch.tensor(points.sample(name, 300, seed=0))
    mixture = Mixture(x0, WIDTH)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(160, 2, generator=generator, dtype=torch.float64)
    T, shown = len(alpha_bar) - 1, {}
    for t in range(T, -1, -1):
        if t in (T, T // 4, 0):
            shown[t] = x
        if t:
            ab, before = alpha_bar[t], alpha_bar[t - 1]
            x0_hat = mixture.posterior_mean(x, ab)
            eps_hat = (x - ab**0.5 * x0_hat) / (1 - ab) ** 0.5
            x = before**0.5 * x0_hat + (1 - before) ** 0.5 * eps_hat
    figure = Figure(figsize=(6.6, 2.4), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    for axes, (t, x) in zip(figure.subplots(1, 3), shown.items(), strict=True):
        axes.set(xlim=(-VIEW, VIEW), ylim=(-VIEW, VIEW), xticks=[], yticks=[])
        axes.set(aspect="equal", facecolor="none")
        axes.scatter(*x0.numpy().T, s=1, color=COLORS["data"])
        axes.scatter(*x.numpy().T, s=3, color=COLORS["truth"])
        axes.set_title(f"t = {t}", color=COLORS["ink"], size=10)
        for spine in axes.spines.values():
            spine.set_color(COLORS["ink"])
    return still._png(figure)
