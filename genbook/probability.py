"""Lesson 00: entropy, cross-entropy and KL, and a code that spends what they say.

- ``entropy``, ``cross_entropy``, ``kl``: of distributions over finitely many outcomes.
- ``normal_entropy``, ``normal_cross_entropy``, ``normal_kl``: of Gaussians on a line.
- ``huffman``: the shortest prefix code for given weights.

Everything is in nats; divided by log 2 it is in bits. The first argument is the
distribution over which the average is taken: things happen by p, and q is believed.
"""

import heapq
import math
from collections.abc import Hashable, Mapping

import torch
from torch import Tensor


def check(p: Tensor) -> None:
    """Raise ``ValueError`` unless the last axis of p (…, n) is a distribution.

    That is: no number negative, and their sum 1 to within 1e-4. NaN is neither.
    """
    total = p.sum(-1)
    # Written so that NaN, which compares false with everything, fails too.
    if not ((p >= 0).all() and ((total - 1).abs() < 1e-4).all()):
        low, high = float(total.min()), float(total.max())
        raise ValueError(
            f"expected probabilities that add up to 1, got a smallest of "
            f"{float(p.min()):g} and sums from {low:g} to {high:g}"
        )


def entropy(p: Tensor) -> Tensor:
    """Return H(p) = -Σ_i p_i log p_i in nats, for p (…, n) -> (…).

    Outcomes of probability 0 add nothing. Raises ``ValueError`` if p is no
    distribution. Source: Shannon (1948), section 6.
    """
    check(p)
    return -torch.xlogy(p, p).sum(-1)


def cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    """Return H(p, q) = -Σ_i p_i log q_i in nats, for p and q (…, n) -> (…).

    What things that happen by p cost if one believes q; infinite where q calls
    impossible what p does not. Raises ``ValueError`` if either is no distribution.
    """
    check(p)
    check(q)
    return -torch.xlogy(p, q).sum(-1)


def kl(p: Tensor, q: Tensor) -> Tensor:
    """Return KL(p ‖ q) = H(p, q) - H(p) in nats, for p and q (…, n) -> (…).

    Raises ``ValueError`` if either is no distribution. Source: Kullback and Leibler
    (1951), eq. 2.4.
    """
    return cross_entropy(p, q) - entropy(p)


def normal_entropy(sigma: Tensor) -> Tensor:
    """Return H(p) = ½ log(2πe σ²) in nats for p = N(mu, sigma²), in sigma's shape.

    Negative for sigma below 1/√(2πe) ≈ 0.24: a density may exceed 1. Raises
    ``ValueError`` unless sigma > 0.
    """
    _expect_positive(sigma=sigma)
    return 0.5 * (2 * math.pi * math.e * sigma**2).log()


def normal_cross_entropy(
    mu_p: Tensor, sigma_p: Tensor, mu_q: Tensor, sigma_q: Tensor
) -> Tensor:
    """Return H(p, q) = ½ [(σ_p² + (μ_p - μ_q)²)/σ_q² + log(2π σ_q²)] in nats.

    p is N(mu_p, sigma_p²) and q is N(mu_q, sigma_q²), in any shapes that broadcast.
    Raises ``ValueError`` unless both sigmas are > 0.
    """
    _expect_positive(sigma_p=sigma_p, sigma_q=sigma_q)
    squared = sigma_p**2 + (mu_p - mu_q) ** 2  # E_p[(x - mu_q)²]
    return 0.5 * (squared / sigma_q**2 + (2 * math.pi * sigma_q**2).log())


def normal_kl(mu_p: Tensor, sigma_p: Tensor, mu_q: Tensor, sigma_q: Tensor) -> Tensor:
    """Return KL(p ‖ q) = H(p, q) - H(p) in nats for two Gaussians, as above."""
    cost = normal_cross_entropy(mu_p, sigma_p, mu_q, sigma_q)
    return cost - normal_entropy(sigma_p)


def huffman(weights: Mapping[Hashable, float]) -> dict[Hashable, str]:
    """Return the shortest prefix code: a string of 0s and 1s for each symbol.

    No word begins another, so a text needs no gaps between its words. With weights
    in proportion to p the mean length L has H(p) ≤ L < H(p) + 1, in bits.

    Raises ``ValueError`` for fewer than two symbols, and for a weight that is not
    positive and finite. Source: Huffman (1952).
    """
    if len(weights) < 2 or not all(0 < w < math.inf for w in weights.values()):
        raise ValueError(
            f"expected two symbols or more, of positive weight, got {dict(weights)}"
        )
    heap = [(w, i, {s: ""}) for i, (s, w) in enumerate(weights.items())]
    heapq.heapify(heap)
    while len(heap) > 1:  # join the two lightest trees
        weight_0, i, left = heapq.heappop(heap)
        weight_1, _, right = heapq.heappop(heap)
        tree = {s: "0" + word for s, word in left.items()}
        tree |= {s: "1" + word for s, word in right.items()}
        heapq.heappush(heap, (weight_0 + weight_1, i, tree))
    return heap[0][2]


def _expect_positive(**sigmas: Tensor) -> None:
    for name, sigma in sigmas.items():
        if not (torch.as_tensor(sigma) > 0).all():
            raise ValueError(f"{name}: expected above 0, got {sigma}")
