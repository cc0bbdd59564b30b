"""Data in the plane that a reader chooses or draws; its other half is `points.js`."""

import anywidget
import ipywidgets
import numpy as np
import traitlets

LIMIT = 2.5  # the plane of every shape is [-LIMIT, LIMIT]²
SHAPES = ["ring of eight", "two moons", "spirals", "checkerboard", "two blobs"]
NAMES = [*SHAPES, "drawn by hand"]


class Points(anywidget.AnyWidget):
    """A canvas with data on it: which of `NAMES`, and what the reader drew."""

    data = traitlets.Int(0).tag(sync=True)
    drawn = traitlets.List(traitlets.Float()).tag(sync=True)  # x1, x2, x1, x2, …


def index(name: str) -> int:
    """Return where a shape stands in `NAMES`; raises ``ValueError`` for another name.

    Nobody has drawn anything yet, so that name is none to begin with.
    """
    if name not in SHAPES:
        raise ValueError(f"data: expected one of {', '.join(SHAPES)}, got {name!r}")
    return SHAPES.index(name)


def dropdown(canvas: Points) -> ipywidgets.Dropdown:
    """Return the control that chooses the data of a canvas, joined to it."""
    choice = ipywidgets.Dropdown(
        options=NAMES, index=canvas.data, description="data",
        style={"description_width": "3em"}, layout={"flex": "0 1 15em"},
    )  # fmt: skip
    ipywidgets.jslink((choice, "index"), (canvas, "data"))
    return choice


def sample(name: str, n: int, *, seed: int) -> np.ndarray:
    """Return n points of a shape, (n, 2), with the law of those on the page."""
    import torch

    from genbook import data

    generator = torch.Generator().manual_seed(seed)
    draw = {
        "ring of eight": data.ring(sigma=0.05).sample,
        "two moons": lambda n, generator: data.moons(n, generator=generator),
        "spirals": lambda n, generator: data.spirals(n, generator=generator),
        "checkerboard": lambda n, generator: data.checkerboard(n, generator=generator),
        "two blobs": data.Mixture(
            torch.tensor([[1.4, 0.7], [-1.4, -0.7]]), 0.25
        ).sample,
    }
    x = draw[SHAPES[index(name)]](2 * n, generator=generator).double().numpy()
    return x[(np.abs(x) <= LIMIT).all(-1)][:n]
