"""A run of a tenth of a second: a small GAN on noise, for tests of ``genbook.runs``.

python toy_run.py FOLDER [--resume]        trains it there, in a process of its own
"""

import os
import signal
import sys

import torch
from torch import nn
from torch.nn import functional as F

from genbook import runs
from genbook.recipes import Player, Recipe, adam, cosine

SIZE, STEPS, EVERY = 4, 24, 6


def images(n: int = 18) -> torch.Tensor:
    """Return n images of noise as bytes, (n, 1, 8, 8)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (n, 1, 8, 8), generator=generator)
    return x.to(torch.uint8)


def toy(dropout: float = 0.0) -> Recipe:
    """Two players that meet at different steps, convolutions, average and clipping."""
    model = nn.Module()
    model.generator = nn.Sequential(
        nn.Linear(3, 32),
        nn.Unflatten(1, (2, 4, 4)),
        nn.ConvTranspose2d(2, 1, 2, stride=2),
    )
    model.critic = nn.Sequential(
        nn.Conv2d(1, 4, 2, stride=2),
        nn.SiLU(),
        nn.Dropout(dropout),
        nn.Conv2d(4, 4, 2, stride=2),
        nn.Flatten(),
        nn.Linear(16, 1),
    )

    def draw(x, generator):
        return x / 127.5 - 1, torch.randn(len(x), 3, generator=generator)

    def judge(x, z):
        real = F.softplus(-model.critic(x)).mean()
        fake = F.softplus(model.critic(model.generator(z).detach())).mean()
        return {"loss": real + fake, "real": real, "fake": fake}

    def fool(x, z):
        return {"loss": F.softplus(-model.critic(model.generator(z))).mean()}

    return Recipe(
        model,
        (
            Player(model.critic, judge, adam(1e-2), "D"),
            Player(model.generator, fool, adam(1e-2), "G", every=2),
        ),
        draw,
        sample=lambda model, n, generator: model.generator(
            torch.randn(n, 3, generator=generator)
        ).sigmoid(),
        size=SIZE,
        steps=STEPS,
        rate=cosine,
        ema=0.9,
        clip=1.0,
    )


def drowsy() -> Recipe:
    """The same with dropout, whose noise nobody draws up front."""
    return toy(dropout=0.5)


def follow(folder, *, make=drowsy, resume=False, **options) -> bool:
    """Train it in a folder; return whether it came to its end."""
    return runs.train(
        make,
        images(),
        folder=folder,
        data="noise",
        every=EVERY,
        resume=resume,
        device="cpu",
        **options,
    )


def struck(make, step: int, number: int = signal.SIGKILL):
    """Return the recipe that sends its own process a signal in the given step."""

    def strike() -> Recipe:
        recipe, steps = make(), iter(range(10**6))

        def draw(x, generator):
            if next(steps) == step - 1:
                os.kill(os.getpid(), number)
            return recipe.draw(x, generator)

        return recipe._replace(draw=draw)

    strike.__name__ = make.__name__
    return strike


def state(folder) -> dict:
    """Return all that a checkpoint holds, but the seconds."""
    saved = torch.load(folder / runs.CHECKPOINT, weights_only=True)
    rows = [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in saved["rows"]
    ]
    return saved | {"rows": rows, "seconds": None}


def same(a, b) -> bool:
    """Say whether two nested structures hold the same numbers, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


if __name__ == "__main__":
    runs._Course.show = lambda self: None  # drawing takes longer than training
    follow(sys.argv[1], make=toy, resume="--resume" in sys.argv)
