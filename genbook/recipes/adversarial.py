"""Recipes for adversarial models: lessons 06 and 07."""

import torch
from torch import Tensor, nn

from genbook import gan as family
from genbook.data import signed
from genbook.recipes.recipe import Player, Recipe, Terms, adam, cosine

SIDE = 28


def ink(model: nn.Module, n: int, generator: torch.Generator) -> Tensor:
    """Return n images of ink in 0…1, (n, 1, 28, 28)."""
    return (model.sample(n, generator=generator) + 1) / 2


def dcgan() -> Recipe:
    """A DCGAN (Radford et al. 2016), as in lesson 06, for images of 28 × 28.

    Both players' turns see what the same noise becomes.
    """
    latent, width = 64, 16
    model = family.GAN(
        family.generator(latent, width=width, side=SIDE),
        family.discriminator(width=width, side=SIDE),
        latent=latent,
    )

    def draw(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        z = torch.randn(len(x), latent, generator=generator, device=x.device)
        return signed(x), z

    def judge(x: Tensor, z: Tensor) -> Terms:
        with torch.no_grad():
            fake = model.generator(z)
        return model.d_loss(x, fake)

    def fool(x: Tensor, z: Tensor) -> Terms:
        return model.g_loss(model.generator(z))

    optimizer = adam(1e-3, betas=(0.0, 0.999))
    return Recipe(
        model,
        (
            Player(model.discriminator, judge, optimizer, "D"),
            Player(model.generator, fool, optimizer, "G"),
        ),
        draw,
        sample=ink,
        size=64,
        steps=60_000,
        rate=cosine,
        ema=0.998,
    )


def wgan_gp() -> Recipe:
    """A WGAN whose critic's slope is held near 1 by a penalty (Gulrajani et al. 2017).

    The critic moves at each step and the generator at each third. The critic has no
    BatchNorm, since the penalty is about the slope at one image (lesson 07).
    """
    latent, width, weight = 64, 16, 10.0
    critic = family.discriminator(width=width, side=SIDE)
    critic[3] = nn.Identity()
    model = family.GAN(
        family.generator(latent, width=width, side=SIDE), critic, latent=latent
    )

    def draw(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        options = {"generator": generator, "device": x.device}
        z = torch.randn(len(x), latent, **options)
        return signed(x), z, torch.rand(len(x), 1, 1, 1, **options)

    def judge(x: Tensor, z: Tensor, t: Tensor) -> Terms:
        with torch.no_grad():
            fake = model.generator(z)
        real_score, fake_score = critic(torch.cat([x, fake])).chunk(2)
        between = (t * x + (1 - t) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(
            critic(between).sum(), between, create_graph=True
        )
        penalty = weight * (slope.flatten(1).norm(dim=1) - 1).square().mean()
        # the Wasserstein distance, as far as this critic can tell
        distance = real_score.mean() - fake_score.mean()
        return {"loss": penalty - distance, "distance": distance, "penalty": penalty}

    def fool(x: Tensor, z: Tensor, t: Tensor) -> Terms:
        return {"loss": -critic(model.generator(z)).mean()}

    optimizer = adam(5e-4, betas=(0.0, 0.9))
    return Recipe(
        model,
        (
            Player(critic, judge, optimizer, "D"),
            Player(model.generator, fool, optimizer, "G", every=3),
        ),
        draw,
        sample=ink,
        size=64,
        steps=60_000,
        rate=cosine,
        ema=0.998,
        compiles=False,
    )
