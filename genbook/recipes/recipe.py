"""What a recipe is: a model, the players that train it, and what a step draws."""

import functools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

Terms = dict[str, Tensor]


class Player(NamedTuple):
    """One optimizer's part of a step. A VAE has one player, a GAN has two.

    module     whose parameters it moves
    loss       (*batch) -> terms, each a mean over the batch, of which ``"loss"`` is
               lowered
    optimizer  parameters -> optimizer, such as ``adam(1e-3)``
    name       put before its terms in the log: ``"D"`` gives ``"D loss"``
    every      it moves at each step that this divides, so a critic with 1 beside a
               generator with 5 moves five times as often
    """

    module: nn.Module
    loss: Callable[..., Terms]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    name: str = ""
    every: int = 1


class Recipe(NamedTuple):
    """What is trained, and how. It knows no data: those are named on the command line.

    model    what is trained; its weights, or their average, are what is kept
    players  move in this order at each step
    draw     (x, generator) -> batch: from bytes x (B, 1, 28, 28) everything that the
             losses take, the noise included, each a tensor whose first axis is B. All
             that is random is drawn here: so a step can be repeated exactly, and its
             batch cut among several processes.
    sample   (model, n, generator) -> n images of ink in 0…1, (n, 1, 28, 28)
    size     B, the number of images in a step's batch
    steps    how many steps a whole run has
    rate     progress 0…1 -> what the optimizers' learning rates are multiplied by
    ema      decay of the weights' moving average, or None for the last weights; at step
             n it is at most (n - 1) / (n + 8), a memory of the last ninth or so
    clip     the gradient's largest allowed norm, for each player (Pascanu et al. 2013)
    compiles whether torch.compile can take its losses: none that hold the gradient of a
             gradient
    young    share of the steps in which ``model.guide`` follows the weights to use of
             ``model.net``; from then on it stays as it is. None where there is none
    """

    model: nn.Module
    players: tuple[Player, ...]
    draw: Callable[[Tensor, torch.Generator], tuple[Tensor, ...]]
    sample: Callable[[nn.Module, int, torch.Generator], Tensor]
    size: int
    steps: int
    rate: Callable[[float], float] = lambda progress: 1.0
    ema: float | None = None
    clip: float | None = None
    young: float | None = None
    compiles: bool = True

    @property
    def parameters(self) -> int:
        """How many numbers are trained: a guide is a copy, and not counted."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)


def adam(
    lr: float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
) -> Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]:
    """Return what makes an AdamW of parameters (Loshchilov & Hutter 2019).

    It is fused: one kernel moves all weights. Without weight decay it is Adam.
    """
    return functools.partial(
        torch.optim.AdamW, lr=lr, betas=betas, weight_decay=weight_decay, fused=True
    )


def cosine(progress: float, *, warm: float = 0.02) -> float:
    """Return a rate that climbs to 1 in the first share ``warm``, then falls to 0."""
    if progress < warm:
        return progress / warm
    return 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))
