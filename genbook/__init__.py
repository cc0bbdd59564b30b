"""genbook: the models of *Generative Models, Alive*, in the order of its lessons.

=========  ==========================================================
data       digits (real) and toys whose density is known exactly
nets       the networks that models are given
training   batches, fit, fit_steps
plots      one figure style; every figure has alt text
palette    one colour per meaning
vae        lesson 03: the variational autoencoder
widgets    sliders that live in JupyterLab, in Colab and on the page
=========  ==========================================================

Import the module, use its names: ``from genbook import vae`` … ``vae.elbo(x)``.
"""

__version__ = "0.1.0"
