"""A widget as a figure: with alt text, and a still picture for where nothing runs."""

import base64
from collections.abc import Sequence
from pathlib import Path

import ipywidgets
from IPython.display import display

from genbook import palette

HERE = Path(__file__).parent


def script(*names: str) -> str:
    """Return JavaScript files joined into the one module a widget may have.

    Every surface loads a widget's script as a single blob, which cannot import its
    neighbours; so what two widgets share is put in front of both.
    """
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def style(*names: str) -> str:
    """Return the palette and CSS files, joined."""
    return palette.css() + script(*names)


class Panel(ipywidgets.VBox):
    """A column of widgets that is one figure of the book.

    ``alt`` says what it shows to somebody who cannot see it, and is what is left of it
    as plain text. ``still`` is a PNG of its first state: print, GitHub and a notebook
    that is not trusted show that. Raises ``ValueError`` if ``alt`` is empty.
    """

    def __init__(
        self,
        children: Sequence[ipywidgets.Widget] = (),
        *,
        alt: str,
        still: bytes | None = None,
    ):
        if not alt.strip():
            raise ValueError("alt: expected a sentence that says what the figure shows")
        self.alt, self.still = alt, still
        super().__init__(children)

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        data = {
            "text/plain": self.alt,
            "application/vnd.jupyter.widget-view+json": view,
        }
        if self.still is None:
            return data, {}
        data["image/png"] = base64.b64encode(self.still).decode()
        return data, {"image/png": {"alt": self.alt}}

    def _ipython_display_(self, **_: object) -> None:
        # Through `display` and not as a cell's result: only there does Colab add the
        # address of its manager for widgets like ours.
        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)
