"""Recipes for models that learn to see noise: lessons 09 and 10.

All three share one network and one way to a sample: a U-Net that sees images folded to
14 × 14, and ``denoising.multistep`` in ``CALLS`` calls of it, with noise. After 12,000
steps of ``ddpm_v`` 10,000 samples had a Fréchet distance of 29 from MNIST's test
images, after 90,000 one of 7.7; real ones have 1.25.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbook import denoising, diffusion, nets
from genbook import score as family
from genbook.data import signed
from genbook.recipes.recipe import Player, Recipe, adam, cosine

SHAPE = (1, 28, 28)
CALLS = 40  # of the network, for a sample
PART = 250  # samples at a time: their activations fit into a processor's cache


def network() -> nn.Module:
    """Return the U-Net of all three: 14 × 14 with 32 channels, 7 × 7 with 96.

    It goes without attention: on 7 × 7, two blocks of convolutions see all there is.
    In the time that this saves it learns more.
    """
    unet = nets.UNet(4, widths=(32, 96))
    unet.attention = nn.Identity()
    return nets.Folded(unet)


def walk(
    eps_model: denoising.Net,
    alpha_bar: Tensor,
    times: list[int],
    n: int,
    generator: torch.Generator,
) -> Tensor:
    """Return n images of ink in 0…1, (n, 1, 28, 28), walked from noise to data."""
    noise = torch.randn(n, *SHAPE, generator=generator, device=generator.device)
    eps_model = denoising.clipped(eps_model, alpha_bar)
    samples = []
    for x_T in noise.split(PART):
        *_, x = denoising.multistep(
            eps_model, alpha_bar, x_T, times=times, eta=1.0, generator=generator
        )
        samples.append((x.clamp(-1, 1) + 1) / 2)
    return torch.cat(samples)


def ddpm(predict: denoising.Prediction) -> Recipe:
    """Return the recipe of a diffusion model that is asked for ``predict``."""
    model = denoising.Diffusion(
        network(), diffusion.cosine(1000), SHAPE, predict=predict
    )

    def draw(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        x0 = signed(x)
        t = denoising.even_times(x0, model.T, generator)
        return x0, t, denoising.noise_like(x0, generator)

    # The closer to the data, the closer the times, so that no step in log SNR is long.
    times = [round(model.T * (i / CALLS) ** 1.5) for i in range(CALLS, 0, -1)]

    return Recipe(
        model,
        (Player(model, lambda *batch: denoising.simple(model, *batch), adam(2e-3)),),
        draw,
        sample=lambda model, n, g: walk(model.eps, model.alpha_bar, times, n, g),
        size=32,
        steps=100_000,
        rate=cosine,
        ema=0.999,
    )


def ddpm_eps() -> Recipe:
    """A diffusion model that is asked for the noise (Ho et al. 2020)."""
    return ddpm(denoising.EPS)


def ddpm_v() -> Recipe:
    """A diffusion model that is asked for v (Salimans & Ho 2022)."""
    return ddpm(denoising.V)


class Flat(nn.Module):
    """The network as ``score.ScoreModel`` wants it: flat points in, their noise out.

    Takes x / √(σ² + 1) beside log σ, (B, 785). The U-Net's answer is read as v: far
    out in the noise the rest of the noise then follows from x itself, and no small
    error there is made large (Karras et al. 2022, table 1, with data of spread 1).

    The level is told as the time at which ``ddpm``'s schedule has it, nearly. So that
    network, asked for v, can be put here as it is, and knows the score.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Return the guess at the noise (B, 784)."""
        x, log_sigma = x[:, :-1], x[:, -1:]
        sigma = log_sigma.exp()
        t = 2000 / math.pi * sigma[:, 0].atan()
        answer = self.net(x.unflatten(1, SHAPE), t).flatten(1)
        return (sigma * x + answer) / (sigma**2 + 1).sqrt()


def score() -> Recipe:
    """A network that knows the score at each level of noise (Song & Ermon 2019).

    Trained at levels from 0.02 to 50. A sample comes down through them by a solver of
    the reverse SDE (Song et al. 2021, eq. 6), not by Langevin dynamics, which would ask
    the network ten times as often. With x / √(1 + σ²) for x the ladder of levels is a
    schedule like any other, ᾱ = 1 / (1 + σ²), so the solver is the one of ``ddpm``.
    """
    model = family.ScoreModel(Flat(network()), sigma_min=0.02, sigma_max=50.0)

    def draw(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        x = signed(x).flatten(1)
        sigma = model.levels(x, generator)
        return x, sigma, denoising.noise_like(x, generator)

    def sample(model: family.ScoreModel, n: int, generator: torch.Generator) -> Tensor:
        ends = math.log(model.sigma_min), math.log(model.sigma_max)
        ladder = torch.linspace(*ends, CALLS, device=generator.device).exp()
        sigmas = F.pad(ladder, (1, 0))  # sigmas[t], with no noise at t = 0
        alpha_bar = 1 / (1 + sigmas.double() ** 2)

        def eps_model(x_t: Tensor, t: Tensor) -> Tensor:
            sigma = sigmas[t[0]]
            x = (1 + sigma**2).sqrt() * x_t.flatten(1)
            return -sigma * model.score(x, sigma).unflatten(1, SHAPE)

        return walk(eps_model, alpha_bar, [*range(CALLS, 0, -1)], n, generator)

    return Recipe(
        model,
        (Player(model, lambda *batch: family.weighed(model, *batch), adam(2e-3)),),
        draw,
        sample,
        size=32,
        steps=100_000,
        rate=cosine,
        ema=0.999,
    )
