"""Diffusion in reverse: from noise to data (lesson 09; Ho et al. 2020).

``diffusion`` drowns data in noise; here a network learns to see the noise in x_t and
with that to walk back. The network's answer may be eps, x0 or v (``Prediction``); a
sampler takes an ``eps_model(x_t, t)``, exact or learned, and yields every state on its
way. A time t is an int64 tensor (B,), one for each example, 1 … T; x_t is (B, …).
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genbook.diffusion import at, check_schedule, q_posterior, q_sample
from genbook.training import describe

Net = Callable[[Tensor, Tensor], Tensor]  # x_t (B, …), t (B,) -> (B, …)


def x0_from_eps(x_t: Tensor, eps: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return x0 = (x_t - √(1 - ᾱ_t) eps) / √ᾱ_t: ``q_sample`` solved for x0.

    Where ᾱ_t is near 0, an error in eps becomes a large one in x0.
    """
    signal, noise = at(alpha_bar.sqrt(), t, x_t), at((1 - alpha_bar).sqrt(), t, x_t)
    return (x_t - noise * eps) / signal


def eps_from_x0(x_t: Tensor, x0: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return eps = (x_t - √ᾱ_t x0) / √(1 - ᾱ_t): ``q_sample`` solved for eps."""
    signal, noise = at(alpha_bar.sqrt(), t, x_t), at((1 - alpha_bar).sqrt(), t, x_t)
    return (x_t - signal * x0) / noise


def velocity(x0: Tensor, eps: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return v = √ᾱ_t eps - √(1 - ᾱ_t) x0: x_t turned by a quarter of a circle.

    Salimans & Ho 2022, section 4 and appendix D.
    """
    signal, noise = at(alpha_bar.sqrt(), t, x0), at((1 - alpha_bar).sqrt(), t, x0)
    return signal * eps - noise * x0


def x0_from_v(x_t: Tensor, v: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return x0 = √ᾱ_t x_t - √(1 - ᾱ_t) v, with nothing to divide by."""
    signal, noise = at(alpha_bar.sqrt(), t, x_t), at((1 - alpha_bar).sqrt(), t, x_t)
    return signal * x_t - noise * v


def eps_from_v(x_t: Tensor, v: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return eps = √(1 - ᾱ_t) x_t + √ᾱ_t v, with nothing to divide by."""
    signal, noise = at(alpha_bar.sqrt(), t, x_t), at((1 - alpha_bar).sqrt(), t, x_t)
    return noise * x_t + signal * v


class Prediction(NamedTuple):
    """What a network is asked for, and how its answer is read as eps.

    target  (x0, eps, t, alpha_bar) -> what the answer is held against
    eps     (x_t, answer, t, alpha_bar) -> the noise that the answer implies
    """

    target: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    eps: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


EPS = Prediction(lambda x0, eps, t, ab: eps, lambda x_t, answer, t, ab: answer)
X0 = Prediction(lambda x0, eps, t, ab: x0, eps_from_x0)
V = Prediction(velocity, eps_from_v)


def clipped(eps_model: Net, alpha_bar: Tensor) -> Net:
    """Return eps_model with its guess of x0 clipped to [-1, 1], and eps to match.

    eps must be made again from the clipped guess, or the two contradict each other.
    """

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        x0_hat = x0_from_eps(x_t, eps_model(x_t, t), t, alpha_bar)
        return eps_from_x0(x_t, x0_hat.clamp(-1, 1), t, alpha_bar)

    return model


def guided(eps_model: Net, worse: Net, alpha_bar: Tensor, *, weight: float) -> Net:
    """Return eps_model, led away from a worse one while there is more noise than data:

        eps_worse + weight (eps - eps_worse)    where ᾱ < ½,

    and eps itself elsewhere, where ``worse`` is not asked; t (B,) is one time, B times,
    as in all samplers here. Where both doubt what they see, the worse one doubts more:
    to go on in the direction from it to the better one, weight > 1, leads away from
    what is between two digits and is none. The samples are no longer quite the model's
    own. Autoguidance, D_w of Karras et al. 2024, on a part of the way alone, for which
    see Kynkäänniemi et al. 2024, who leave out the largest noise as well.
    """

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        eps = eps_model(x_t, t)
        if alpha_bar[int(t[0])] >= 0.5:
            return eps
        return torch.lerp(worse(x_t, t), eps, weight)

    return model


def spaced(T: int, n: int) -> list[int]:
    """Return n times from T down to 1, evenly spaced as far as whole numbers can be.

    Raises ``ValueError`` unless 1 ≤ n ≤ T.
    """
    if not 1 <= n <= T:
        raise ValueError(f"n: expected 1 … {T} times, got {n}")
    return torch.linspace(T, 1, n, dtype=torch.float64).round().long().tolist()


def visits(times: Sequence[int] | None, alpha_bar: Tensor) -> list[int]:
    """Return the times that a sampler stops at, falling: those given, or all.

    Raises ``ValueError`` unless they fall from T or less to 1 or more.
    """
    check_schedule(alpha_bar)
    T = len(alpha_bar) - 1
    times = list(range(T, 0, -1)) if times is None else list(times)
    falls = all(a > b for a, b in itertools.pairwise(times))
    if not times or not falls or not (times[0] <= T and times[-1] >= 1):
        raise ValueError(f"times: expected to fall within {T} … 1, got {times}")
    return times


def noise_like(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return standard normal noise in the shape of x."""
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


@torch.no_grad()
def ddpm(
    eps_model: Net,
    alpha_bar: Tensor,
    x_T: Tensor,
    *,
    times: Sequence[int] | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield x after each step of ancestral sampling from x_T; the last is the sample.

    Guess x0 from eps_model(x_t, t), then draw from q(x_{t-1} | x_t, x0_hat), which at
    t = 1 has no variance. Ho et al. 2020, algorithm 2, with beta tilde. ``times`` are
    the t to stop at, falling, all by default: the schedule at those times is again a
    schedule. Raises ``ValueError`` for times that do not fall from T or less to 1 or
    more.
    """
    times = visits(times, alpha_bar)
    short = alpha_bar[[0, *times[::-1]]]  # short[i] is ᾱ at the i-th time from the end
    x_t = x_T
    for i, now in zip(range(len(times), 0, -1), times, strict=True):
        t = torch.full((len(x_t),), now, device=x_t.device)
        x0_hat = x0_from_eps(x_t, eps_model(x_t, t), t, alpha_bar)
        mean, var = q_posterior(x_t, x0_hat, torch.full_like(t, i), short)
        x_t = mean
        if i > 1:
            x_t = mean + var.sqrt() * noise_like(x_t, generator)
        yield x_t


@torch.no_grad()
def ddim(
    eps_model: Net,
    alpha_bar: Tensor,
    x_T: Tensor,
    *,
    times: Sequence[int] | None = None,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield x after each step of DDIM from x_T; the last is the sample.

    x_s = √ᾱ_s x0_hat + √(1 - ᾱ_s - sigma²) eps_hat + sigma noise, from each time t to
    the next s, with sigma² = eta² times the variance that ``ddpm`` has. So eta = 0 adds
    no noise and eta = 1 is ``ddpm``. Song et al. 2021 (DDIM), eq. 12 and 16. ``times``
    as there. Raises ``ValueError`` for times as there, and eta outside 0 … 1.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta: expected 0 … 1, got {eta}")
    times = visits(times, alpha_bar)
    x_t = x_T
    for now, s in zip(times, [*times[1:], 0], strict=True):
        t = torch.full((len(x_t),), now, device=x_t.device)
        eps_hat = eps_model(x_t, t)
        x0_hat = x0_from_eps(x_t, eps_hat, t, alpha_bar)
        ab_t, ab_s = alpha_bar[now], alpha_bar[s]
        var = eta**2 * (1 - ab_s) / (1 - ab_t) * (1 - ab_t / ab_s)
        x_t = float(ab_s.sqrt()) * x0_hat + float((1 - ab_s - var).sqrt()) * eps_hat
        if var > 0:
            x_t = x_t + float(var.sqrt()) * noise_like(x_t, generator)
        yield x_t


@torch.no_grad()
def multistep(
    eps_model: Net,
    alpha_bar: Tensor,
    x_T: Tensor,
    *,
    times: Sequence[int] | None = None,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield x after each step of DPM-Solver++(2M) from x_T; the last is the sample.

    ``ddim`` takes x0_hat to stay as it is on the way from t to s. Here the last two
    guesses are drawn on in a straight line over lambda = log √(ᾱ / (1 - ᾱ)), to half of
    the way:

        x0_hat + (x0_hat - x0_before) (lambda_s - lambda_t) / 2 (lambda_t - lambda_r),

    r the time before t. So without noise half as long a step leaves a quarter of the
    error, not half, for the same one call of the network each. Lu et al. 2022
    (DPM-Solver++), algorithm 2; with eta = 1 their SDE-DPM-Solver++(2M). The first step
    and the last are those of ``ddim``, with its ``times`` and ``eta``, and what it
    raises.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta: expected 0 … 1, got {eta}")
    times = visits(times, alpha_bar)
    log_snr = alpha_bar.double().logit()  # 2 lambda
    x_t, r, x0_before = x_T, None, None
    for now, s in zip(times, [*times[1:], 0], strict=True):
        t = torch.full((len(x_t),), now, device=x_t.device)
        x0_hat = guess = x0_from_eps(x_t, eps_model(x_t, t), t, alpha_bar)
        if r is not None and s > 0:
            ahead = float((log_snr[s] - log_snr[now]) / (log_snr[now] - log_snr[r]))
            guess = x0_hat + 0.5 * ahead * (x0_hat - x0_before)
        eps = eps_from_x0(x_t, guess, t, alpha_bar)
        ab_t, ab_s = alpha_bar[now], alpha_bar[s]
        share = (1 - ab_s) / (1 - ab_t)
        var = share * eta**2 * (1 - ab_t / ab_s)
        x_t = float(ab_s.sqrt()) * guess + float((1 - var - ab_s).sqrt()) * eps
        if var > 0:
            x_t = x_t + float(var.sqrt()) * noise_like(x_t, generator)
        r, x0_before = now, x0_hat
        yield x_t


def level_log_prob(x: Tensor, mean: Tensor, sigma: Tensor, *, levels: int) -> Tensor:
    """Return log P(x) in nats, per pixel, of a Gaussian gathered into levels.

    x holds the levels, evenly spaced from -1 to 1, and each gets the probability that
    N(mean, sigma²) has nearer to it than to any other; so they sum to 1. Ho et al.
    2020, eq. 13.
    """
    half = 1 / (levels - 1)
    low = torch.where(x < -1 + half, -math.inf, (x - half - mean) / sigma)
    high = torch.where(x > 1 - half, math.inf, (x + half - mean) / sigma)
    # Φ(high) - Φ(low) loses its digits above 0, so look at it from below.
    above = low > 0
    low, high = torch.where(above, -high, low), torch.where(above, -low, high)
    log_low, log_high = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return log_high + torch.log(-torch.expm1(log_low - log_high))


@torch.no_grad()
def bound(
    eps_model: Net,
    alpha_bar: Tensor,
    x0: Tensor,
    *,
    levels: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the terms L_0 … L_T of the variational bound, (T + 1, B), in nats.

    Their sum over the first axis is a one-sample estimate of a bound on -log P(x0),
    for x0 (B, …) on ``levels`` even levels from -1 to 1. Ho et al. 2020, eq. 5:

    L_0      -log p(x0 | x_1), a Gaussian of variance beta_1 gathered into levels
    L_{t-1}  KL(q(x_{t-1} | x_t, x0) ‖ p(x_{t-1} | x_t)), both of variance beta tilde
    L_T      KL(q(x_T | x0) ‖ N(0, I)): what is left of x0 at the end
    """
    terms = []
    for time in range(1, len(alpha_bar)):
        t = torch.full((len(x0),), time, device=x0.device)
        x_t = q_sample(x0, t, noise_like(x0, generator), alpha_bar)
        x0_hat = x0_from_eps(x_t, eps_model(x_t, t), t, alpha_bar)
        if time == 1:
            sigma = (1 - alpha_bar[1]).sqrt().to(x0)
            nats = -level_log_prob(x0, x0_hat, sigma, levels=levels)
        else:
            mean, var = q_posterior(x_t, x0, t, alpha_bar)
            mean_hat, _ = q_posterior(x_t, x0_hat, t, alpha_bar)
            nats = (mean - mean_hat) ** 2 / (2 * var)
        terms.append(nats.flatten(1).sum(1))
    ab = float(alpha_bar[-1])
    nats = 0.5 * (ab * x0**2 - ab - math.log1p(-ab))
    return torch.stack([*terms, nats.flatten(1).sum(1)])


def even_times(x0: Tensor, T: int, generator: torch.Generator | None = None) -> Tensor:
    """Return a time for each example of x0 (B, …), spread evenly over 1 … T, (B,).

    Each of them is uniform, and together they make a loss less noisy (Kingma et al.
    2021, appendix I).
    """
    u = torch.rand(1, generator=generator, device=x0.device)
    even = torch.arange(len(x0), device=x0.device) / len(x0)
    return 1 + ((u + even) % 1 * T).long()


def simple(model: "Diffusion", x0: Tensor, t: Tensor, eps: Tensor) -> dict[str, Tensor]:
    """Return the simple loss at times t (B,) and noise eps, for examples x0 (B, …).

    The squared error of the network's answer, summed over an example. It has no unit
    and bounds nothing; what it leaves out of the bound are the weights of the times.
    Ho et al. 2020, eq. 14.
    """
    x_t = q_sample(x0, t, eps, model.alpha_bar)
    target = model.predict.target(x0, eps, t, model.alpha_bar)
    error = (model.net(x_t, t) - target) ** 2
    return {"loss": error.flatten(1).sum(1).mean()}


class Diffusion(nn.Module):
    """A diffusion model: a network that is shown x_t and t, and a schedule.

    net        net(x_t, t) -> the shape of x_t, t int64 (B,)
    alpha_bar  the schedule, (T + 1,)
    shape      of one example, such as (1, 8, 8)
    predict    what the network is asked for: ``EPS``, ``X0`` or ``V``

    Raises ``ValueError`` for a schedule that does not fall from 1.
    """

    def __init__(
        self,
        net: nn.Module,
        alpha_bar: Tensor,
        shape: tuple[int, ...],
        *,
        predict: Prediction = V,
    ):
        super().__init__()
        check_schedule(alpha_bar)
        self.net, self.alpha_bar, self.shape = net, alpha_bar, shape
        self.predict, self.T = predict, len(alpha_bar) - 1

    def eps(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return the noise that the network sees in x_t (B, …) at times t (B,)."""
        return self.predict.eps(x_t, self.net(x_t, t), t, self.alpha_bar)

    def loss(
        self, x0: Tensor, *, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Return the simple loss: the squared error, summed over an example.

        ``simple`` at noise and ``even_times`` that are drawn here. Raises
        ``ValueError`` for examples of another shape, for none at all, and for NaN or
        infinity.
        """
        self._check(x0)
        t = even_times(x0, self.T, generator)
        return simple(self, x0, t, noise_like(x0, generator))

    def elbo(
        self, x0: Tensor, *, levels: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return a one-sample estimate of the ELBO, (B,) nats: see ``bound``."""
        self._check(x0)
        terms = bound(self.eps, self.alpha_bar, x0, levels=levels, generator=generator)
        return -terms.sum(0)

    def chain(
        self,
        x_T: Tensor,
        *,
        times: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Yield x after each step of ancestral sampling from x_T: see ``ddpm``."""
        return ddpm(self.eps, self.alpha_bar, x_T, times=times, generator=generator)

    def sample(
        self,
        n: int,
        *,
        times: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return n examples (n, *shape) by ancestral sampling from pure noise.

        Raises ``ValueError`` for n < 1.
        """
        if n < 1:
            raise ValueError(f"n: expected at least 1 sample, got {n}")
        weight = next(self.parameters())
        x = noise_like(weight.new_empty(n, *self.shape), generator)
        for state in self.chain(x, times=times, generator=generator):
            x = state
        return x

    def _check(self, x0: Tensor) -> None:
        if x0.shape[1:] != self.shape or len(x0) == 0 or not x0.isfinite().all():
            raise ValueError(
                f"x0: expected finite examples of shape {self.shape}, one or more, "
                f"got {describe(x0)}"
            )
