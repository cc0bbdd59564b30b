"""A decoder and a quiz to try the widgets with, in Python and in the browser."""

import torch
from torch import nn

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


def chain_states() -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Return x_t, x0_hat (9, 16, 8, 8) and the times of a chain of random images."""
    generator = torch.Generator().manual_seed(4)
    x0, *noise = 2 * torch.rand(18, 16, 8, 8, generator=generator) - 1
    part = torch.linspace(0, 1, 9)[:, None, None, None]
    x_t = part * x0 + 2 * (1 - part) * torch.stack(noise[:9])
    x0_hat = (1 + part) / 2 * x0 + 0.1 * torch.stack(noise[8:])
    return x_t, x0_hat, list(range(80, -1, -10))
