"""The latent plane: drag a point, and the decoder draws what lies there."""

import math
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np
import traitlets

from genbook.widgets import mlp, still
from genbook.widgets.panel import Panel, script, style

if TYPE_CHECKING:
    from torch import nn


class LatentPlane(mlp.Decoder):
    """The canvas of `latent_plane`: its data, and the point (z1, z2) on it."""

    _esm = script("mlp.js", "figure.js", "ink.js", "latent_plane.js")
    _css = style("figure.css", "latent_plane.css")
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    codes = traitlets.Bytes().tag(sync=True)  # float32 (N, 2)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    limit = traitlets.Float().tag(sync=True)  # the plane is [-limit, limit]²
    z1 = traitlets.Float().tag(sync=True)
    z2 = traitlets.Float().tag(sync=True)


def latent_plane(
    decoder: "nn.Sequential",
    codes: object,
    labels: object = None,
    *,
    shape: tuple[int, int] = (8, 8),
    int8: bool = False,
) -> Panel:
    """Return a figure in which a reader walks through a two-dimensional latent space.

    The plane shows every code (N, 2), as its label in the colour of its class (0…9) or
    as a dot, over a faint map of what ``decoder`` draws there. A point is moved by
    mouse, finger, arrow keys or two sliders; beside it stands the decoded image of
    ``shape`` (H, W): the sigmoid of the decoder's logits, computed in the browser.
    With ``int8`` the weights travel in a quarter of the bytes, rounded.

    Raises ``ValueError`` for a decoder the browser cannot compute (it knows Linear,
    ReLU, SiLU, Tanh, GELU), and for codes, labels or a shape that do not fit it.
    """
    net = mlp.layers_int8(decoder) if int8 else mlp.layers(decoder)
    if net["widths"][0] != 2:
        raise ValueError(
            f"decoder: expected 2 inputs, for a plane, got {net['widths'][0]}"
        )
    mlp.check_pixels(net["widths"], shape)
    z = mlp.codes_array(codes, 2)
    y = np.zeros(0, int) if labels is None else mlp.array(labels)
    if labels is not None and y.shape != (len(z),):
        raise ValueError(
            f"labels: expected one for each of {len(z)} codes, got shape {y.shape}"
        )
    if not np.isin(y, range(10)).all():
        raise ValueError(
            f"labels: expected whole numbers 0 … 9, got {y.min()} … {y.max()}"
        )
    limit = max(3.0, math.ceil(2 * np.abs(z).max()) / 2)
    canvas = LatentPlane(
        **net,
        shape=list(shape),
        codes=z.tobytes(),
        labels=[int(label) for label in y],
        limit=limit,
    )
    sliders = []
    for name, description in (("z1", "z₁"), ("z2", "z₂")):
        slider = ipywidgets.FloatSlider(
            value=0,
            min=-limit,
            max=limit,
            step=0.05,
            description=description,
            style={"description_width": "1.5em"},
            layout={"flex": "1 1 15em", "width": "auto"},
        )
        ipywidgets.jslink((slider, "value"), (canvas, name))
        sliders.append(slider)
    row = ipywidgets.HBox(sliders, layout={"flex_flow": "row wrap"})
    alt = (
        f"The latent plane of a decoder: {len(z)} codes on a map of decoded images, "
        "and a point that can be moved; beside it the image decoded at the point, "
        "here z = (0, 0)."
    )
    drawn = mlp.rounded(decoder) if int8 else decoder
    picture = still.latent_plane(drawn, z, y, limit, shape)
    return Panel([canvas, row], alt=alt, still=picture)
