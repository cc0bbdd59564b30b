"""The game "real or generated?": a reader judges, and the families are scored."""

from collections.abc import Sequence

import anywidget
import numpy as np
import traitlets

from genbook.widgets import atlas, still
from genbook.widgets.gallery import SHADES, Family, checked
from genbook.widgets.panel import Panel, script, style


class RealOrGenerated(anywidget.AnyWidget):
    """The game of `real_or_generated`: its images, the real ones first."""

    _esm = script("train.js", "mlp.js", "figure.js", "ink.js", "real_or_generated.js")
    _css = style("figure.css", "real_or_generated.css")
    players = traitlets.List(traitlets.Dict()).tag(sync=True)  # players[0] is real
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    columns = traitlets.Int(atlas.COLUMNS).tag(sync=True)  # of an atlas
    seed = traitlets.Int().tag(sync=True)  # 0: another game at every visit


def real_or_generated(
    real: object,
    families: Sequence[Family],
    *,
    tell: str = "",
    seed: int = 0,
) -> Panel:
    """Return a game in which a reader tells real images from generated ones.

    One image at a time, half of them from ``real`` (N, H, W), ink 0…1, and half from
    the ``images`` of the families, all equally often, in a new order at every visit (or
    in that of a positive ``seed``). Each answer is met by the truth and a reason, the
    family's own ``tell`` or that of the real ones; and a score is kept: how often each
    family was taken for real, with the 95 % interval of Wilson (1927). A reader who
    cannot tell a family from real images takes both for real equally often.

    Raises ``ValueError`` for images that do not fit, names that are empty or the same,
    and a family that calls itself real.
    """
    truth = Family("real", real, tell=tell)
    rows, images = checked([truth, *families])
    if len(rows) < 2:
        raise ValueError("families: expected at least one, got none")
    if seed < 0:
        raise ValueError(f"seed: expected 0 or a positive number, got {seed}")
    for row, family, x in zip(rows, [truth, *families], images, strict=True):
        row |= {"tell": family.tell, "count": len(x)}
        row |= {"atlas": atlas.pack(x, shades=SHADES)}  # the real ones, too
    shape = images[0].shape[1:]
    canvas = RealOrGenerated(players=rows, shape=list(shape), seed=seed)
    names = ", ".join(family.name for family in families)
    alt = (
        f"The game “real or generated?”: one image at a time, half of them real, half "
        f"drawn by {names}; a reader answers, and a score is kept for each."
    )
    shown = np.stack([x[0] for x in [*images[1:], images[0]]])
    return Panel([canvas], alt=alt, still=still.real_or_generated(shown))
