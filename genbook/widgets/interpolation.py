"""Interpolation: from one digit to another through the latent space."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np
import traitlets
from scipy.special import gammaincinv

from genbook.widgets import mlp, still
from genbook.widgets.panel import Panel, script, style

if TYPE_CHECKING:
    from torch import nn


class Interpolation(mlp.Decoder):
    """The canvas of `interpolation`: its data, the ends ``a`` and ``b``, and t."""

    _esm = script("mlp.js", "figure.js", "ink.js", "interpolation.js")
    _css = style("figure.css", "interpolation.css")
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    codes = traitlets.Bytes().tag(sync=True)  # float32 (N, K)
    images = traitlets.Bytes().tag(sync=True)  # uint8 (N, H, W)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shell = traitlets.List(traitlets.Float()).tag(sync=True)  # 5 %, √K, 95 % of ‖z‖
    a = traitlets.Int(0).tag(sync=True)
    b = traitlets.Int(1).tag(sync=True)
    t = traitlets.Float(0.5).tag(sync=True)
    path = traitlets.Int(0).tag(sync=True)  # 0 linear, 1 spherical


def interpolation(
    decoder: "nn.Sequential",
    codes: object,
    images: object,
    *,
    names: Sequence[str] | None = None,
    int8: bool = False,
) -> Panel:
    """Return a figure in which one digit turns into another.

    A reader chooses two of ``images`` (N, H, W), values 0…1, with their ``codes``
    (N, K), and walks from the one code to the other, t from 0 to 1, along a straight
    line or a great circle (Shoemake 1985). ``decoder`` draws each step, in the browser.
    A curve shows ‖z‖ on both paths and where 90 % of the prior N(0, I) has it: around
    √K, which is why the straight line, cutting through the ball, meets codes the
    decoder has seldom seen. ``names`` label the images in the menus. With ``int8`` the
    weights travel in a quarter of the bytes, rounded.

    Raises ``ValueError`` for a decoder the browser cannot compute (it knows Linear,
    ReLU, SiLU, Tanh, GELU), and for codes, images or names that do not fit.
    """
    net = mlp.layers_int8(decoder) if int8 else mlp.layers(decoder)
    k = net["widths"][0]
    z = mlp.codes_array(codes, k)
    x = mlp.array(images)
    if x.ndim == 4 and x.shape[1] == 1:
        x = x[:, 0]
    if x.ndim != 3 or len(x) != len(z) or len(x) < 2:
        raise ValueError(
            f"images: expected (N, H, W), one for each of at least 2 codes, "
            f"got {x.shape} for {len(z)} codes"
        )
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"images: expected values 0 … 1, got {x.min()} … {x.max()}")
    mlp.check_pixels(net["widths"], x.shape[1:])
    names = [f"image {i}" for i in range(len(x))] if names is None else list(names)
    if len(names) != len(x):
        raise ValueError(
            f"names: expected one for each of {len(x)} images, got {len(names)}"
        )
    # ‖z‖² of the prior is χ² with K degrees of freedom.
    low, high = np.sqrt(2 * gammaincinv(k / 2, [0.05, 0.95]))
    canvas = Interpolation(
        **net,
        shape=list(x.shape[1:]),
        codes=z.tobytes(),
        images=np.rint(255 * x).astype("u1").tobytes(),
        names=names,
        shell=[float(low), k**0.5, float(high)],
    )
    narrow = {"description_width": "3em"}
    menus = []
    for key, description in (("a", "from"), ("b", "to")):
        menu = ipywidgets.Dropdown(
            options=[(name, i) for i, name in enumerate(names)],
            index=getattr(canvas, key),
            description=description,
            style=narrow,
            layout={"width": "11em"},
        )
        ipywidgets.jslink((menu, "index"), (canvas, key))
        menus.append(menu)
    t = ipywidgets.FloatSlider(
        value=canvas.t,
        min=0,
        max=1,
        step=0.02,
        description="t",
        style=narrow,
        layout={"flex": "1 1 15em", "width": "auto"},
    )
    ipywidgets.jslink((t, "value"), (canvas, "t"))
    path = ipywidgets.ToggleButtons(
        options=["linear", "spherical"], index=canvas.path, description="path",
        style={"description_width": "3em", "button_width": "6em"},
        layout={"width": "auto"},
    )  # fmt: skip
    ipywidgets.jslink((path, "index"), (canvas, "path"))
    wrap = {"flex_flow": "row wrap"}
    rows = [
        ipywidgets.HBox([t], layout=wrap),
        ipywidgets.HBox([*menus, path], layout=wrap),
    ]
    alt = (
        f"Interpolation between two images, from {names[0]} to {names[1]}: nine "
        "decoded steps along a path between their codes, and the length of the code "
        "on the way."
    )
    drawn = mlp.rounded(decoder) if int8 else decoder
    picture = still.interpolation(drawn, z[:2], x[:2])
    return Panel([canvas, *rows], alt=alt, still=picture)
