"""genbook: the models of *Generative Models, Alive*, in the order of its lessons.

===============  ==========================================================
data             digits (real) and toys whose density is known exactly
nets             the networks that models are given
training         batches, fit, fit_steps
plots            one figure style; every figure has alt text
palette          one colour per meaning
probability      lesson 00: entropy, cross-entropy, KL, Huffman's code
mixture          lesson 01: Gaussian mixtures by EM, exact in every answer
autoencoder      lesson 02: the autoencoder, PCA, denoising
vae              lesson 03: the variational autoencoder
gradients        lesson 05: gradients of averages over random draws
gan              lesson 06: two players, their losses, and a small DCGAN
gan_dynamics     lesson 07: the whirl of a small game, lost modes, and the fixes
linear_gaussian  lesson 04: a model whose every answer is known exactly
diffusion        lesson 08: noise schedules, the closed jump, the step back
denoising        lesson 09: back from noise to data, and the bound
score            lesson 10: score matching, Langevin, SDE and ODE
metrics          bits, distances, and the critic in whose features they are measured
scoreboard       one line for each family, measured in the same way
recipes          what is trained on images of 28 × 28, and how
runs             a recipe followed to its end, through any break
mnist_metrics    the critic of MNIST, and a Fréchet distance that needs no data
evaluate         how good a model of MNIST is, each answer with its interval
zoo              models of MNIST that ship, each with its card
int8             weights in eight bits, for what ships and for pages
widgets          sliders that live in JupyterLab, in Colab and on the page
===============  ==========================================================

Import the module, use its names: ``from genbook import vae`` … ``vae.elbo(x)``.
"""

__version__ = "0.1.0"
