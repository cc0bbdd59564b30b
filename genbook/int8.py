"""Weights in eight bits: a quarter of the bytes, one scale for each output channel.

A row of weights w becomes whole numbers q in -127 … 127 and one float s,

    w ≈ s q,    s = max |w| / 127,    |w - s q| <= s / 2,

so that one large weight spoils the steps of its own channel and of no other. Jacob et
al. 2018 and Krishnamoorthi 2018 (section 3.1.2) call it symmetric, per channel.
"""

import torch
from torch import Tensor

LEVELS = 127  # -128 is left out: the range is the same on both sides of zero


def quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round weights (n, …) to int8 (n, …) with a float32 scale for each channel (n,).

    A channel of zeros has the scale 1. Raises ``ValueError`` for weights without an
    axis of channels, and for NaN or infinity.
    """
    if weight.ndim < 1:
        raise ValueError("weight: expected shape (n, …), got a single number")
    if not weight.isfinite().all():
        raise ValueError("weight: expected finite numbers, got NaN or infinity")
    w = weight.detach().flatten(1) if weight.ndim > 1 else weight.detach()[:, None]
    scale = (w.abs().amax(1) / LEVELS).float()  # (n,)
    scale = torch.where(scale > 0, scale, 1.0)
    q = (w / scale[:, None].to(w)).round().clamp(-LEVELS, LEVELS)
    return q.to(torch.int8).reshape(weight.shape), scale


def dequantize(q: Tensor, scale: Tensor) -> Tensor:
    """Return the weights (n, …) that int8 q (n, …) and scale (n,) stand for, float32.

    Raises ``ValueError`` if there is not one scale for each channel.
    """
    if scale.shape != q.shape[:1]:
        raise ValueError(
            f"scale: expected one for each of {len(q)} channels, got shape "
            f"{tuple(scale.shape)}"
        )
    return q.float() * scale.float().reshape(-1, *[1] * (q.ndim - 1))
