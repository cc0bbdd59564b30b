"""Recipes for models that learn to see noise: lessons 09 and 10.

All three share one network and one way to a sample: a U-Net that sees images folded to
14 × 14, and ``denoising.multistep`` in ``STEPS`` steps, with noise. In the noisier
ones the way leads away from where the network would have gone when it was young
(``denoising.guided``), which costs nothing to train: it is a copy. The early choices
are the ones that make a digit, or none. After 90,000 steps of ``ddpm_v`` 10,000 samples
have a Fréchet distance of 2.3 from MNIST's test images; real ones have 1.25.
"""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from genbook import denoising, diffusion, nets
from genbook import score as family
from genbook.data import signed
from genbook.recipes.recipe import Player, Recipe, adam, cosine

SHAPE = (1, 28, 28)
STEPS, CALLS = 36, 50  # to a sample; in 14 of the steps the young network is called too
# The closer to the data, the closer the times, so that no step in log SNR is long.
TIMES = [round(1000 * (i / STEPS) ** 1.5) for i in range(STEPS, 0, -1)]
YOUNG, WEIGHT = 1 / 20, 2.0  # of the steps; of the guidance
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
    model: nn.Module,
    eps_of: Callable[[nn.Module], denoising.Net],
    alpha_bar: Tensor,
    times: list[int],
    n: int,
    generator: torch.Generator,
) -> Tensor:
    """Return n images of ink in 0…1, (n, 1, 28, 28), walked from noise to data.

    ``eps_of`` makes of a network, the model's own or its guide, what sees the noise.
    """
    noise = torch.randn(n, *SHAPE, generator=generator, device=generator.device)
    eps_model = denoising.guided(
        eps_of(model.net), eps_of(model.guide), alpha_bar, weight=WEIGHT
    )
    eps_model = denoising.clipped(eps_model, alpha_bar)
    samples = []
    for x_T in noise.split(PART):
        *_, x = denoising.multistep(
            eps_model, alpha_bar, x_T, times=times, eta=1.0, generator=generator
        )
        samples.append((x.clamp(-1, 1) + 1) / 2)
    return torch.cat(samples)


def remembered(net: nn.Module) -> nn.Module:
    """Return a copy of a network that no optimizer moves: what it once was."""
    return copy.deepcopy(net).requires_grad_(False)


def ddpm(predict: denoising.Prediction) -> Recipe:
    """Return the recipe of a diffusion model that is asked for ``predict``."""
    model = denoising.Diffusion(
        network(), diffusion.cosine(1000), SHAPE, predict=predict
    )
    model.guide = remembered(model.net)

    def draw(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        x0 = signed(x)
        t = denoising.even_times(x0, model.T, generator)
        return x0, t, denoising.noise_like(x0, generator)

    def loss(*batch: Tensor) -> dict[str, Tensor]:
        return denoising.simple(model, *batch)

    def sample(
        model: denoising.Diffusion, n: int, generator: torch.Generator
    ) -> Tensor:
        alpha_bar = model.alpha_bar

        def eps_of(net: nn.Module) -> denoising.Net:
            return lambda x_t, t: predict.eps(x_t, net(x_t, t), t, alpha_bar)

        return walk(model, eps_of, alpha_bar, TIMES, n, generator)

    return Recipe(
        model,
        (Player(model.net, loss, adam(2e-3)),),
        draw,
        sample,
        size=32,
        steps=100_000,
        rate=cosine,
        ema=0.999,
        young=YOUNG,
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

    def made(net: nn.Module) -> family.ScoreModel:
        return family.ScoreModel(net, sigma_min=0.02, sigma_max=50.0)

    model = made(Flat(network()))
    model.guide = remembered(model.net)

    def draw(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        x = signed(x).flatten(1)
        sigma = model.levels(x, generator)
        return x, sigma, denoising.noise_like(x, generator)

    def sample(model: family.ScoreModel, n: int, generator: torch.Generator) -> Tensor:
        # The levels that ``Flat`` tells as these times, and no noise at the end.
        sigmas = (math.pi / 2000 * torch.tensor([0.0, *TIMES[::-1]]).double()).tan()
        sigmas[1:] = sigmas[1:].clamp(model.sigma_min, model.sigma_max)
        sigmas = sigmas.to(generator.device)

        def eps_of(net: nn.Module) -> denoising.Net:
            score = made(net).score

            def eps_model(x_t: Tensor, t: Tensor) -> Tensor:
                sigma = sigmas[t[0]].to(x_t)
                x = (1 + sigma**2).sqrt() * x_t.flatten(1)
                return -sigma * score(x, sigma).unflatten(1, SHAPE)

            return eps_model

        steps = [*range(STEPS, 0, -1)]
        return walk(model, eps_of, 1 / (1 + sigmas**2), steps, n, generator)

    return Recipe(
        model,
        (Player(model.net, lambda *batch: family.weighed(model, *batch), adam(2e-3)),),
        draw,
        sample,
        size=32,
        steps=100_000,
        rate=cosine,
        ema=0.999,
        young=YOUNG,
    )
