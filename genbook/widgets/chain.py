"""The chain: sixteen digits as a sampler makes them, and what it guesses on the way."""

from collections.abc import Sequence

import anywidget
import ipywidgets
import numpy as np
import traitlets

from genbook.widgets import mlp, still
from genbook.widgets.panel import Panel, script, style

DIGITS = 16  # four rows of four


class Chain(anywidget.AnyWidget):
    """The canvases of `chain`: all its frames, the one shown, the digit followed."""

    _esm = script("figure.js", "chain.js")
    _css = style("figure.css", "chain.css")
    x_t = traitlets.Bytes().tag(sync=True)  # uint8 (F, 16, H, W), 0…255 for -1…1
    x0_hat = traitlets.Bytes().tag(sync=True)  # the same
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # H, W
    times = traitlets.List(traitlets.Int()).tag(sync=True)  # t of each frame
    alpha_bar = traitlets.List(traitlets.Float()).tag(sync=True)  # of each frame, or []
    frame = traitlets.Int().tag(sync=True)
    digit = traitlets.Int(0).tag(sync=True)


def chain(
    x_t: object,
    x0_hat: object,
    times: Sequence[int],
    *,
    alpha_bar: object = None,
) -> Panel:
    """Return a figure in which a reader walks along a stored chain of a sampler.

    ``x_t`` (F, 16, H, W) or (F, 16, 1, H, W) are 16 images in F states of the chain,
    from noise to data, ``x0_hat`` in the same shape what the model took for the end
    while it stood there, and ``times`` (F,) the falling t of the states. -1 is blank
    paper and 1 full ink; noise strays beyond, and so may a guess: both are drawn cut to
    that range, in 8 bits. Of a schedule ``alpha_bar`` (T + 1,) the figure tells ᾱ_t and
    the signal-to-noise ratio ᾱ_t / (1 - ᾱ_t). A click or the arrow keys choose a digit,
    whose whole way stands beneath.

    Raises ``ValueError`` for shapes or times that do not fit, for more than 60 frames,
    and for values that are not on that scale.
    """
    states = {"x_t": _images(x_t, "x_t"), "x0_hat": _images(x0_hat, "x0_hat")}
    shape = states["x_t"].shape
    if states["x0_hat"].shape != shape:
        raise ValueError(
            f"x0_hat: expected shape {shape} as x_t has, got {states['x0_hat'].shape}"
        )
    if np.abs(states["x_t"]).max() > 8:  # noise has unit variance
        low, high = states["x_t"].min(), states["x_t"].max()
        raise ValueError(
            f"x_t: expected images in -1 … 1 and noise, got {low:g} … {high:g}"
        )
    t = mlp.array(times)
    falls = t.shape == shape[:1] and (np.diff(t) < 0).all()
    if not (falls and t.dtype.kind in "iu" and t[-1] >= 0):
        raise ValueError(
            f"times: expected {shape[0]} falling whole numbers, one for each frame, "
            f"got {list(times)}"
        )
    known = [] if alpha_bar is None else mlp.array(alpha_bar).astype(float)
    if len(known) and (known.ndim != 1 or len(known) <= t[0]):
        raise ValueError(
            f"alpha_bar: expected shape (T + 1,) with T of at least {t[0]}, "
            f"got {known.shape}"
        )
    if len(known) and not (known.min() >= 0 and known.max() <= 1):
        raise ValueError(
            f"alpha_bar: expected values 0 … 1, got {known.min()} … {known.max()}"
        )
    pixels = {
        name: np.rint(255 * (x.clip(-1, 1) + 1) / 2).astype("u1")
        for name, x in states.items()
    }
    canvas = Chain(
        x_t=pixels["x_t"].tobytes(),
        x0_hat=pixels["x0_hat"].tobytes(),
        shape=list(shape[2:]),
        times=t.tolist(),
        alpha_bar=known[t].tolist() if len(known) else [],
        frame=len(t) // 2,
    )
    slider = ipywidgets.SelectionSlider(
        options=[(str(time), i) for i, time in enumerate(t)], index=canvas.frame,
        description="t", style={"description_width": "1.5em"},
        layout={"flex": "1 1 15em", "width": "auto"},
    )  # fmt: skip
    ipywidgets.jslink((slider, "index"), (canvas, "frame"))
    alt = (
        f"{DIGITS} digits in {len(t)} states of a sampler's chain, from t = {t[0]} to "
        f"{t[-1]}, here at t = {t[canvas.frame]}: left the noisy xₜ, right the "
        "model's guess of the end, x̂₀; beneath, both for one digit along the whole way."
    )
    picture = still.chain(*(x[canvas.frame] for x in pixels.values()))
    return Panel([canvas, ipywidgets.HBox([slider])], alt=alt, still=picture)


def _images(x: object, name: str) -> np.ndarray:
    """Return x as (F, 16, H, W), or say what is wrong with it."""
    x = mlp.array(x)
    if x.ndim == 5 and x.shape[2] == 1:
        x = x[:, :, 0]
    if x.ndim != 4 or x.shape[1] != DIGITS or not 2 <= len(x) <= 60 or 0 in x.shape:
        raise ValueError(
            f"{name}: expected 2 … 60 frames of {DIGITS} images, shape "
            f"(F, {DIGITS}, H, W), got {x.shape}"
        )
    if not np.isfinite(x).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    if x.min() >= 0:
        raise ValueError(
            f"{name}: expected -1 for blank paper and 1 for full ink, got only values "
            f"of at least 0, {x.min():g} … {x.max():g}"
        )
    return x
