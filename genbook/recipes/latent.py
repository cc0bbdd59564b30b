"""Recipes for models with a latent variable: lessons 02 and 03."""

import torch
from torch import Tensor

from genbook import nets
from genbook import vae as family
from genbook.data import binarize
from genbook.recipes.recipe import Player, Recipe, Terms, adam, cosine

SHAPE = (1, 28, 28)


def vae() -> Recipe:
    """A VAE of two multilayer perceptrons, on pixels drawn black or white anew."""
    latent = 40
    model = family.VAE(
        nets.mlp(SHAPE, 512, 512, 2 * latent),
        nets.mlp(latent, 512, 512, SHAPE),
        latent=latent,
        likelihood=family.Bernoulli(),
    )

    def draw(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        eps = torch.randn(len(x), latent, generator=generator, device=x.device)
        return binarize(x, generator=generator), eps

    def loss(x: Tensor, eps: Tensor) -> Terms:
        log_px_z, kl = family.elbo(model, x, eps)
        recon, kl = -log_px_z.mean(), kl.mean()
        return {"loss": recon + kl, "recon": recon, "kl": kl}

    return Recipe(
        model,
        (Player(model, loss, adam(1e-3)),),
        draw,
        sample=lambda model, n, generator: model.sample(n, generator=generator),
        size=128,
        steps=50_000,
        rate=cosine,
        ema=0.999,
    )
