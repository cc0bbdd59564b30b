"""The networks that models are given. A model takes them as arguments."""

import itertools
import math

import torch
from torch import nn

Size = int | tuple[int, ...]


def mlp(*sizes: Size, activation: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """Return a multilayer perceptron: linear layers with an activation between them.

    A size that is a tuple is the shape of an image: at the front the image is
    flattened, at the end the output is folded back into it. Leading dimensions pass
    through, so ``(B, K)`` and ``(S, B, K)`` both work.

        mlp((1, 8, 8), 128, 16)    (..., 1, 8, 8) -> (..., 16)
        mlp(8, 128, (1, 8, 8))     (..., 8)       -> (..., 1, 8, 8)

    Raises ``ValueError`` for fewer than two sizes or a size below 1.
    """
    flat = [math.prod(s) if isinstance(s, tuple) else s for s in sizes]
    if len(flat) < 2 or min(flat) < 1:
        raise ValueError(f"mlp expects two or more sizes of at least 1, got {sizes}")
    layers: list[nn.Module] = []
    if isinstance(sizes[0], tuple):
        layers.append(nn.Flatten(-len(sizes[0])))
    for n_in, n_out in itertools.pairwise(flat):
        layers += [nn.Linear(n_in, n_out), activation()]
    layers.pop()  # no activation after the last layer: it gives logits or parameters
    if isinstance(sizes[-1], tuple):
        layers.append(nn.Unflatten(-1, sizes[-1]))
    return nn.Sequential(*layers)


def image_shape(decoder: nn.Module, latent: int) -> tuple[int, ...]:
    """Return the shape of one image that ``decoder`` makes of a code (latent,).

    Raises ``ValueError`` for latent < 1, and if it does not take codes of this length.
    """
    if latent < 1:
        raise ValueError(f"latent: expected at least 1 dimension, got {latent}")
    code = next(decoder.parameters()).new_zeros(1, latent)
    try:
        with torch.no_grad():
            return tuple(decoder(code).shape[1:])
    except RuntimeError as error:
        raise ValueError(
            f"decoder: expected one that takes codes of {latent} numbers: {error}"
        ) from error
