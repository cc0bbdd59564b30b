"""Recipes: short functions that say what is trained on 28×28 images, and how.

A recipe takes no argument and returns a ``Recipe``. It stands in the file of its
family and in the list ``RECIPES`` below; ``python -m genbook train NAME`` follows it.
"""

from collections.abc import Callable

from genbook.recipes import adversarial, latent, noise
from genbook.recipes.recipe import Player, Recipe, Terms, adam, cosine

__all__ = ["RECIPES", "Player", "Recipe", "Terms", "adam", "cosine"]

RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        *(latent.autoencoder, latent.vae, latent.vae_conv, latent.vae_plane),
        *(adversarial.dcgan, adversarial.wgan_gp),
        *(noise.ddpm_eps, noise.ddpm_v, noise.score),
    )
}
