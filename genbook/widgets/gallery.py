"""The gallery: what each family draws, side by side, with its numbers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import anywidget
import ipywidgets
import numpy as np
import traitlets

from genbook.widgets import atlas, mlp, still
from genbook.widgets.panel import Panel, script, style

if TYPE_CHECKING:
    from torch import nn

SEEDS = 99
LEAST = 10  # images of a row
SHADES = 16  # of grey, in which a page stores images


class Family(NamedTuple):
    """One family: a row of the gallery, and a player of "real or generated?".

    name      as it stands before the row
    images    (N, H, W) ink 0…1: samples that the page stores
    said      a sentence on how the row is drawn
    tell      a sentence on how its images can be known, for the game
    numbers   what was measured, as words: ``{"parameters": "0.4 M"}``
    distance  its Fréchet distance and half the width of an interval, or None
    decoder   with one, an MLP from codes N(0, I) to logits, the row is drawn live
    """

    name: str
    images: object
    said: str = ""
    tell: str = ""
    numbers: Mapping[str, str] = {}
    distance: tuple[float, float] | None = None
    decoder: "nn.Sequential | None" = None


class Gallery(anywidget.AnyWidget):
    """The rows of `gallery`, and the seed they are drawn from."""

    _esm = script("train.js", "mlp.js", "figure.js", "ink.js", "gallery.js")
    _css = style("figure.css", "gallery.css")
    families = traitlets.List(traitlets.Dict()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    columns = traitlets.Int(atlas.COLUMNS).tag(sync=True)  # of an atlas
    floor = traitlets.Float(0).tag(sync=True)  # real against real; 0 if unknown
    seed = traitlets.Int(1).tag(sync=True)
    seeds = traitlets.Int(SEEDS).tag(sync=True)


def gallery(families: Sequence[Family], *, floor: float | None = None) -> Panel:
    """Return a figure in which families draw side by side, from one seed.

    A row with a decoder is drawn live, its weights rounded to int8; the others show ten
    of their images, stored in 16 shades of grey, which the seed chooses. Beneath a row
    stand its numbers, and beneath all rows their Fréchet distances on one axis, with
    the ``floor`` that real images reach among themselves.

    Raises ``ValueError`` for fewer than ten images or other values than 0…1 in them,
    images of different shape, names that are empty or the same, a distance or a floor
    that is not positive, and a decoder that the browser cannot compute.
    """
    rows, images = checked(families)
    shape = images[0].shape[1:]
    if floor is not None and not 0 < floor < np.inf:
        raise ValueError(f"floor: expected a positive distance, got {floor}")
    for row, family, x in zip(rows, families, images, strict=True):
        if len(x) < LEAST:
            raise ValueError(
                f"{family.name}: expected at least {LEAST} images, got {len(x)}"
            )
        distance = [float(value) for value in family.distance or ()]
        if distance and not (len(distance) == 2 and 0 < distance[0] < np.inf):
            raise ValueError(
                f"{family.name}: expected a positive distance and its interval, "
                f"got {family.distance}"
            )
        row |= {"said": family.said, "numbers": list(family.numbers.items())}
        row |= {"distance": distance}
        if family.decoder is None:
            row |= {"atlas": atlas.pack(x, shades=SHADES), "count": len(x)}
        else:
            net = mlp.layers_int8(family.decoder)
            mlp.check_pixels(net["widths"], shape)
            row |= net
    canvas = Gallery(families=rows, shape=list(shape), floor=floor or 0)
    slider = ipywidgets.IntSlider(
        value=canvas.seed, min=1, max=SEEDS, description="seed",
        style={"description_width": "3em"},
        layout={"flex": "1 1 15em", "width": "auto"},
    )  # fmt: skip
    ipywidgets.jslink((slider, "value"), (canvas, "seed"))
    names = [family.name for family in families]
    alt = f"Images drawn by {', '.join(names)}, a row of ten for each"
    measured = [
        f"{family.name} {family.distance[0]:.3g}"
        for family in families
        if family.distance
    ]
    if measured:
        alt += f"; their Fréchet distances: {', '.join(measured)}"
        alt += f", and real images among themselves {floor:.3g}" if floor else ""
    picture = still.gallery(names, [x[:LEAST] for x in images])
    row = ipywidgets.HBox([slider], layout={"flex_flow": "row wrap"})
    return Panel([row, canvas], alt=f"{alt}.", still=picture)


def checked(families: Sequence[Family]) -> tuple[list[dict], list[np.ndarray]]:
    """Return a row ``{"name": …}`` and the images (N, H, W) of each family.

    Raises ``ValueError`` as `gallery` says.
    """
    if not families:
        raise ValueError("families: expected at least one, got none")
    names = [family.name for family in families]
    if not all(name.strip() for name in names) or len(set(names)) < len(names):
        raise ValueError(
            f"families: expected names that differ, got {', '.join(names)}"
        )
    images = [atlas.inks(family.images, family.name) for family in families]
    for name, x in zip(names, images, strict=True):
        if x.shape[1:] != images[0].shape[1:]:
            raise ValueError(
                f"{name}: expected images of {images[0].shape[1:]} as the first "
                f"family has, got {x.shape[1:]}"
            )
    return [{"name": name} for name in names], images
