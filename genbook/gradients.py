"""Gradients of an average over random draws (lesson 05; Mohamed et al. 2020).

Wanted is the gradient of E[f(z)] over the parameters of the distribution of z. Two
ways lead there: follow the draw as it moves (pathwise), or leave it where it is and
ask how much likelier it becomes (score function). For categories there is no path, and
a soft copy of the draw stands in for it.

Functions on a Gaussian take mu and logvar (K,) and noise eps (S, K), and return one
estimate for each of the S draws, so that their mean and their spread can be looked at.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def values_of(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Return f(z), one value for each of the draws z (S, K), as (S,).

    Raises ``ValueError`` if f returns another shape, which would broadcast unseen.
    """
    values = f(z)
    if values.shape != z.shape[:1]:
        raise ValueError(
            f"f: expected one value a draw, {tuple(z.shape[:1])}, "
            f"got {tuple(values.shape)}"
        )
    return values


def pathwise(
    f: Callable[[Tensor], Tensor], mu: Tensor, logvar: Tensor, eps: Tensor
) -> tuple[Tensor, Tensor]:
    """Return estimates of the gradient of E[f(z)], z ~ N(mu, diag exp(logvar)).

    f'(z) ∂z/∂(mu, logvar) at z = mu + σ eps, over mu and over logvar, each (S, K); f
    takes (S, K) to (S,) and must be differentiable. Kingma & Welling 2014, section
    2.4; Rezende et al. 2014, section 3.

    Raises ``ValueError`` if f does not return one value a draw.
    """
    sigma = (0.5 * logvar).exp()  # (K,)
    z = (mu + sigma * eps).detach().requires_grad_()  # (S, K)
    (slope,) = torch.autograd.grad(values_of(f, z).sum(), z)  # (S, K)
    return slope, slope * 0.5 * sigma * eps


def score_function(
    f: Callable[[Tensor], Tensor],
    mu: Tensor,
    logvar: Tensor,
    eps: Tensor,
    baseline: float | Tensor = 0.0,
) -> tuple[Tensor, Tensor]:
    """Return estimates of the gradient of E[f(z)], z ~ N(mu, diag exp(logvar)).

    (f(z) - baseline) ∇ log q(z) at z = mu + σ eps, over mu and over logvar, each
    (S, K); f takes (S, K) to (S,) and need not be differentiable. The baseline is a
    number, or one (S,) for each draw that does not depend on that draw. Williams 1992.

    Raises ``ValueError`` if f does not return one value a draw.
    """
    sigma = (0.5 * logvar).exp()  # (K,)
    values = values_of(f, mu + sigma * eps)  # (S,)
    weight = (values - baseline)[:, None]  # (S, 1)
    return weight * eps / sigma, weight * 0.5 * (eps**2 - 1)


def best_baseline(values: Tensor, grad_log_q: Tensor) -> Tensor:
    """Return the constant baseline of least variance, E[f ‖s‖²] / E[‖s‖²].

    values (S,) are f(z), grad_log_q (S, P) is s = ∇ log q(z); averages over the draws
    given stand for both expectations. Greensmith et al. 2004.
    """
    weight = (grad_log_q**2).sum(-1)  # (S,)
    return (weight * values).mean() / weight.mean()


def leave_one_out(values: Tensor) -> Tensor:
    """Return for each draw the mean of all others, (S, …) -> (S, …).

    A baseline that does not depend on its own draw. Kool et al. 2019.
    Raises ``ValueError`` for fewer than two draws.
    """
    if len(values) < 2:
        raise ValueError(f"values: expected at least 2 draws, got {len(values)}")
    return (values.sum(0) - values) / (len(values) - 1)


def score_surrogate(
    values: Tensor, log_prob: Tensor, baseline: float | Tensor = 0.0
) -> Tensor:
    """Return the values, with the score-function gradient for autograd to find.

    As a number it is ``values``; its gradient is that of ``values`` itself, for
    whatever parameters f has, plus (values - baseline) ∇ log_prob. Draws must be
    detached in both. Schulman et al. 2015.
    """
    # The last factor is 0: it adds nothing to the value, and its own gradient to that.
    return values + (values - baseline) * (log_prob - log_prob.detach())


def gumbel(*shape: int, generator: torch.Generator | None = None) -> Tensor:
    """Return standard Gumbel noise, -log(-log u) with u uniform on (0, 1)."""
    # -log u is exponentially distributed, and torch's exponential_ is never 0.
    return -torch.empty(shape).exponential_(generator=generator).log()


def gumbel_softmax(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Return a soft one-hot draw, softmax((logits + noise) / temperature).

    logits and noise are (…, categories). With Gumbel noise the largest entry is a draw
    from softmax(logits); as the temperature falls to 0 the rest becomes that draw's
    one-hot vector. Jang et al. 2017, eq. 2; Maddison et al. 2017.

    Raises ``ValueError`` unless the temperature is above 0.
    """
    if not temperature > 0:
        raise ValueError(f"temperature: expected one above 0, got {temperature}")
    return ((logits + noise) / temperature).softmax(-1)


def straight_through(soft: Tensor) -> Tensor:
    """Return the one-hot vector of the largest entry, with the gradient of ``soft``.

    Forwards it is hard, backwards as if it were soft. Bengio et al. 2013;
    Jang et al. 2017, section 2.2.
    """
    hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)  # one-hot
    return hard + (soft - soft.detach())


def implicit(cdf: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Return the draws z (S,), with gradients to the parameters inside ``cdf``.

    ∂z/∂φ = -(∂F/∂φ) / (∂F/∂z) for a distribution function F = cdf(z) that autograd can
    differentiate; no inverse is needed. Figurnov et al. 2018.
    """
    z = z.detach().requires_grad_()
    u = cdf(z)  # (S,)
    (density,) = torch.autograd.grad(u.sum(), z, retain_graph=True)  # (S,)
    return z.detach() - (u - u.detach()) / density
