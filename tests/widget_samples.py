"""One of each widget to try, in Python and in the browser."""

import torch
from torch import nn

from genbook import data, widgets

QUESTIONS = {
    "Is a KL of 0 <em>not</em> a perfect posterior?": [
        ("It is.", False, "It is <em>the prior</em>."),
        ("Right: σ² = 1.", True, "The code is noise."),
        ("Both.", False, "One of them, at most."),
    ],
    "1 &lt; 2?": [("Yes.", True, "By one."), ("No.", False, "Count again.")],
}


def decoder(k: int, pixels: int = 64) -> nn.Sequential:
    """Return a decoder with large random weights, so that its images differ."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(k, 32), nn.SiLU(), nn.Linear(32, pixels))
    for p in net.parameters():
        p.data *= 4
    return net


def latent_plane() -> widgets.Panel:
    """Return a small latent plane."""
    codes = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
    return widgets.latent_plane(decoder(2), codes, torch.arange(40) % 10)


def interpolation(k: int = 8) -> widgets.Panel:
    """Return a small interpolation between three images."""
    generator = torch.Generator().manual_seed(2)
    codes = torch.randn(3, k, generator=generator)
    images = torch.rand(3, 8, 8, generator=generator)
    return widgets.interpolation(decoder(k), codes, images, names=["p", "q", "r"])


def critic_and_artist() -> widgets.Panel:
    """Return the critic and the artist before two noisy half circles."""
    generator = torch.Generator().manual_seed(3)
    angle = torch.rand(200, generator=generator) * torch.pi
    y = torch.arange(200) % 2
    x = 1.6 * torch.stack([angle.cos(), angle.sin()], -1) * (1 - 2 * y)[:, None]
    x = x + 0.25 * torch.randn(200, 2, generator=generator)
    return widgets.critic_and_artist(x.numpy(), y.numpy())


def chain_states() -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Return x_t, x0_hat (9, 16, 8, 8) and the times of a chain of random images."""
    generator = torch.Generator().manual_seed(4)
    x0, *noise = 2 * torch.rand(18, 16, 8, 8, generator=generator) - 1
    part = torch.linspace(0, 1, 9)[:, None, None, None]
    x_t = part * x0 + 2 * (1 - part) * torch.stack(noise[:9])
    x0_hat = (1 + part) / 2 * x0 + 0.1 * torch.stack(noise[8:])
    return x_t, x0_hat, list(range(80, -1, -10))


def chain() -> widgets.Panel:
    """Return a chain of nine frames, with its schedule."""
    return widgets.chain(*chain_states(), alpha_bar=torch.linspace(1, 0, 101))


def noise_schedule() -> widgets.Panel:
    """Return the schedules before three images."""
    images = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(5))
    return widgets.noise_schedule(images, names=["p", "q", "r"])


def score_field() -> widgets.Panel:
    """Return the score of three bumps in the plane."""
    means = [[-2.0, -1.5], [1.5, -1.2], [0.0, 1.6]]
    return widgets.score_field(data.Mixture(means, [0.35, 0.5, 0.25], [0.1, 0.3, 0.6]))


def families() -> list[widgets.Family]:
    """Return two families, the first drawn live, with images that are all different."""
    images = torch.rand(2, 30, 8, 8, generator=torch.Generator().manual_seed(6))
    return [
        widgets.Family(
            "VAE",
            images[0],
            said="The means of its pixels.",
            tell="Its edges fade.",
            numbers={"parameters": "0.4 M", "nats": "≤ 84.0"},
            distance=(35.0, 2.0),
            decoder=decoder(4),
        ),
        widgets.Family("GAN", images[1] ** 3, tell="Lines end.", distance=(8.2, 0.5)),
    ]


def gallery() -> widgets.Panel:
    """Return a gallery of two rows."""
    return widgets.gallery(families(), floor=2.0)


def real_or_generated(seed: int = 3) -> widgets.Panel:
    """Return the game with three players."""
    real = torch.rand(40, 8, 8, generator=torch.Generator().manual_seed(7)) ** 0.3
    return widgets.real_or_generated(real, families(), tell="Pens do that.", seed=seed)


# What tests/site/test_every_widget.py asks of each of them is written there once.
PANELS = {
    "latent_plane": latent_plane,
    "interpolation": interpolation,
    "chain": chain,
    "quiz": lambda: widgets.quiz(QUESTIONS),
    "two_gaussians": widgets.two_gaussians,
    "critic_and_artist": critic_and_artist,
    "diffusion_live": widgets.diffusion_live,
    "elbo_gap": widgets.elbo_gap,
    "gallery": gallery,
    "gan_game": widgets.gan_game,
    "gradient_noise": widgets.gradient_noise,
    "noise_schedule": noise_schedule,
    "phase_portrait": widgets.phase_portrait,
    "real_or_generated": real_or_generated,
    "score_field": score_field,
}
