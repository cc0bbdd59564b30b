"""Figures that move: sliders that live in JupyterLab, in Colab and on the page.

Each is a canvas that computes in the browser, joined there to ipywidgets sliders; no
kernel is asked, so the same figure works on a static page (`hydrate.js`).

============  =============================================================
latent_plane  drag a point through a latent plane, see what is decoded there
============  =============================================================
"""

from genbook.widgets.latent_plane import LatentPlane, latent_plane
from genbook.widgets.panel import Panel

__all__ = ["LatentPlane", "Panel", "latent_plane"]
