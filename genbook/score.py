"""Score matching, Langevin dynamics, SDEs and their ODE (lesson 10).

The score of a density is ∇ log p(x), the direction in which it grows fastest. Here
``score(x, sigma)`` is always that of the data with noise N(0, sigma² I) added; it may
be exact (``data.Mixture.score``) or learned (``ScoreModel``). Points are (B, D), and a
loss is one number for each of them, (B,).

Sources: Hyvärinen 2005, Vincent 2011, Song and Ermon 2019, Song et al. 2021.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

Field = Callable[[Tensor], Tensor]  # x (B, D) -> (B, D)
Score = Callable[[Tensor, Tensor], Tensor]  # x (B, D), sigma () or (B,) -> (B, D)


# ---- Losses ----------------------------------------------------------------------


def esm(field: Field, x: Tensor, target: Tensor) -> Tensor:
    """Return the explicit loss ½ ‖field(x) - target‖², (B,), target = ∇ log p(x).

    It needs the answer it looks for. Vincent 2011, eq. 4.
    """
    return 0.5 * (field(x) - target).square().flatten(1).sum(1)


def divergence(y: Tensor, x: Tensor) -> Tensor:
    """Return Σ_i ∂y_i/∂x_i, (B,), for y (B, D) computed from x (B, D) by autograd.

    Exact, and one backward pass for each dimension.
    """
    parts = [
        torch.autograd.grad(y[:, i].sum(), x, create_graph=True)[0][:, i]
        for i in range(x.shape[1])
    ]
    return torch.stack(parts).sum(0)


def ism(field: Field, x: Tensor) -> Tensor:
    """Return the implicit loss ½ ‖s‖² + ∇·s at s = field(x), (B,).

    In expectation it is the explicit loss less ½ E‖∇ log p‖², and it needs only draws
    x. Hyvärinen 2005, theorem 1.
    """
    x = x.detach().requires_grad_()
    s = field(x)
    return 0.5 * s.square().sum(1) + divergence(s, x)


def sliced(field: Field, x: Tensor, v: Tensor) -> Tensor:
    """Return the sliced loss ½ ‖s‖² + vᵀ (∂s/∂x) v at s = field(x), (B,).

    Over directions v (B, D) with E[v vᵀ] = I its mean is the implicit loss, for one
    backward pass whatever the dimension. Song et al. 2019, eq. 8.
    """
    x = x.detach().requires_grad_()
    s = field(x)
    (slope,) = torch.autograd.grad((s * v).sum(), x, create_graph=True)
    return (0.5 * s.square() + slope * v).flatten(1).sum(1)


def dsm(field: Field, x: Tensor, eps: Tensor, sigma: float | Tensor) -> Tensor:
    """Return the denoising loss ½ ‖field(x + sigma eps) + eps / sigma‖², (B,).

    eps is standard normal, and -eps / sigma the score of N(x, sigma² I) at the noisy
    point. In expectation it is the explicit loss on the noisy density plus a constant.
    Vincent 2011, eq. 9.
    """
    return 0.5 * (field(x + sigma * eps) + eps / sigma).square().flatten(1).sum(1)


# ---- Langevin dynamics -------------------------------------------------------------


def langevin(
    field: Field,
    x: Tensor,
    *,
    step: float,
    steps: int,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield x after each step of x + step · field(x) + √(2 step) ε.

    For small steps the density whose score the field is stays as it is. For N(0, v)
    the variance becomes v / (1 - step / 2v), and there is none from step = 2v on.
    Raises ``ValueError`` unless step is positive.
    """
    if not step > 0:
        raise ValueError(f"step: expected a step above 0, got {step}")
    for _ in range(steps):
        eps = _randn_like(x, generator)
        x = x + step * field(x) + math.sqrt(2 * step) * eps
        yield x


def annealed(
    score: Score,
    x: Tensor,
    sigmas: Tensor,
    *,
    step: float,
    steps: int,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield x after each level of noise, each visited for ``steps`` Langevin steps.

    sigmas (L,) fall, and the step is step · sigma²: as noise shrinks, so does what can
    be resolved. Song and Ermon 2019, algorithm 1. Raises ``ValueError`` for sigmas
    that do not fall or are not positive.
    """
    if not ((sigmas > 0).all() and (sigmas.diff() < 0).all()):
        raise ValueError(f"sigmas: expected falling levels above 0, got {sigmas}")
    for sigma in sigmas:

        def field(x: Tensor, sigma: Tensor = sigma) -> Tensor:
            return score(x, sigma)

        h = step * float(sigma) ** 2
        *_, x = langevin(field, x, step=h, steps=steps, generator=generator)
        yield x


def correct(
    field: Field, x: Tensor, *, ratio: float, generator: torch.Generator | None = None
) -> Tensor:
    """Return x after one Langevin step that is ``ratio`` times as long as its noise.

    step = (ratio ‖ε‖ / ‖field(x)‖)², by the norms' means over the batch: the corrector
    of Song et al. 2021, algorithm 4, whose ε is this step doubled.
    """
    eps, s = _randn_like(x, generator), field(x)
    norms = [each.flatten(1).norm(dim=1).mean() for each in (eps, s)]
    step = 2 * (ratio * norms[0] / norms[1]) ** 2
    return x + step * s + (2 * step).sqrt() * eps


# ---- Noise in continuous time -------------------------------------------------------


class Level(NamedTuple):
    """Noise at one time: x_t = a x0 + sigma ε, and how it changes.

    dx = f x dt + g dw is the SDE, ``g2`` is g². Tensors that broadcast with x.
    """

    a: Tensor
    sigma: Tensor
    f: Tensor
    g2: Tensor


Process = Callable[[Tensor], Level]  # t in 0 … 1


def vp(t: Tensor, *, beta_0: float = 0.1, beta_1: float = 20.0) -> Level:
    """Return the variance-preserving level at t in 0 … 1: a² + sigma² = 1.

    dx = -½ β x dt + √β dw with β rising from beta_0 to beta_1. Song et al. 2021,
    eq. 11 and appendix C: DDPM with infinitely many steps.
    """
    beta = beta_0 + (beta_1 - beta_0) * t
    total = beta_0 * t + 0.5 * (beta_1 - beta_0) * t**2  # ∫ β
    return Level((-0.5 * total).exp(), (-(-total).expm1()).sqrt(), -0.5 * beta, beta)


def ve(t: Tensor, *, sigma_0: float = 0.01, sigma_1: float = 50.0) -> Level:
    """Return the variance-exploding level at t in 0 … 1: a = 1, sigma grows.

    sigma = sigma_0 (sigma_1 / sigma_0)^t, and dx = √(dσ²/dt) dw. Song et al. 2021,
    eq. 9 and appendix C.
    """
    sigma = sigma_0 * (sigma_1 / sigma_0) ** t
    g2 = 2 * sigma**2 * math.log(sigma_1 / sigma_0)
    return Level(torch.ones_like(sigma), sigma, torch.zeros_like(sigma), g2)


def straight(t: Tensor) -> Level:
    """Return the level of the straight path x_t = (1 - t) x0 + t ε, for t below 1.

    It has no constant variance; flow matching uses it (Lipman et al. 2023).
    """
    return Level(1 - t, t, -1 / (1 - t), 2 * t / (1 - t))


def score_at(score: Score, x: Tensor, level: Level) -> Tensor:
    """Return the score of x_t = a x0 + sigma ε from that of x0 + noise, (B, D).

    x_t / a is the data with noise sigma / a, and the gradient of a stretched density
    is divided by the stretch: score(x / a, sigma / a) / a.
    """
    return score(x / level.a, level.sigma / level.a) / level.a


def velocity(
    score: Score, x: Tensor, t: Tensor, process: Process
) -> tuple[Tensor, Tensor]:
    """Return the probability-flow velocity u = f x - ½ g² ∇ log p_t(x), and ∇·u.

    Moving along u changes p_t as the SDE does, without noise (Song et al. 2021, eq.
    13). Shapes (B, D) and (B,).
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        level = process(t)
        u = level.f * x - 0.5 * level.g2 * score_at(score, x, level)
        return u.detach(), divergence(u, x).detach()


def flow(
    score: Score, x: Tensor, process: Process, times: Tensor
) -> tuple[Tensor, Tensor]:
    """Follow the probability-flow ODE along times; return where x ends and ∫ ∇·u dt.

    Forwards or backwards, one Runge-Kutta step of order 4 for each interval of times
    (N,). On the way log p falls by the integral. Shapes (B, D) and (B,).
    """
    change = x.new_zeros(len(x))
    for t, end in itertools.pairwise(times):
        h = end - t
        u1, d1 = velocity(score, x, t, process)
        u2, d2 = velocity(score, x + h / 2 * u1, t + h / 2, process)
        u3, d3 = velocity(score, x + h / 2 * u2, t + h / 2, process)
        u4, d4 = velocity(score, x + h * u3, end, process)
        x = x + h / 6 * (u1 + 2 * u2 + 2 * u3 + u4)
        change = change + h / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    return x, change


def log_prob(score: Score, x: Tensor, process: Process, *, steps: int = 100) -> Tensor:
    """Return log p(x) in nats, (B,), by the ODE from data to noise N(0, sigma² I).

    log p_0(x_0) = log p_1(x_1) + ∫ ∇·u dt (Song et al. 2021, eq. 39). Exact up to the
    ODE's steps, and to p_1 being that Gaussian.
    """
    times = torch.linspace(0, 1, steps + 1, dtype=x.dtype)
    x_1, change = flow(score, x, process, times)
    var = process(times[-1]).sigma ** 2
    log_p1 = -0.5 * (x_1.square() / var + (2 * math.pi * var).log()).sum(1)
    return log_p1 + change


def reverse_sde(
    score: Score,
    x: Tensor,
    process: Process,
    times: Tensor,
    *,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield x after each step of the SDE run backwards along falling times (N,).

    dx = (f x - g² ∇ log p_t(x)) dt + g dw (Anderson 1982; Song et al. 2021, eq. 6), by
    Euler and Maruyama's rule. Raises ``ValueError`` for times that do not fall.
    """
    if not (times.diff() < 0).all():
        raise ValueError(f"times: expected falling times, got {times}")
    for t, end in itertools.pairwise(times):
        level, h = process(t), t - end
        drift = level.f * x - level.g2 * score_at(score, x, level)
        x = x - h * drift + (h * level.g2).sqrt() * _randn_like(x, generator)
        yield x


# ---- One thing, five names ----------------------------------------------------------


def names(level: Level) -> dict[str, tuple[Tensor | float, Tensor | float]]:
    """Return (p, q) for each quantity that a network may predict: p x0 + q ε.

    x0, eps, v = a ε - sigma x0 (Salimans and Ho 2022), score = -ε / sigma, and the
    velocity dx/dt = a' x0 + sigma' ε with a' = f a, sigma' = (½ g² + f sigma²) / sigma.
    """
    a, sigma, f, g2 = level
    return {
        "x0": (1.0, 0.0),
        "eps": (0.0, 1.0),
        "v": (-sigma, a),
        "score": (0.0, -1 / sigma),
        "velocity": (f * a, (0.5 * g2 + f * sigma**2) / sigma),
    }


def convert(
    value: Tensor, x_t: Tensor, level: Level, given: str, wanted: str
) -> Tensor:
    """Turn one prediction into another: both are known once x0 and ε are.

    value = p x0 + q ε and x_t = a x0 + sigma ε are two equations for the two of them.
    ``given`` and ``wanted`` are keys of ``names``; raises ``ValueError`` for another.
    Undefined where the value says nothing new: x0 at sigma = 0, eps or score at a = 0.
    """
    table = names(level)
    for name in (given, wanted):
        if name not in table:
            raise ValueError(f"expected one of {', '.join(table)}, got {name!r}")
    p, q = table[given]
    det = level.a * q - level.sigma * p
    x0 = (q * x_t - level.sigma * value) / det
    eps = (level.a * value - p * x_t) / det
    p, q = table[wanted]
    return p * x0 + q * eps


# ---- A model -------------------------------------------------------------------------


def weighed(
    model: "ScoreModel", x: Tensor, sigma: Tensor, eps: Tensor
) -> dict[str, Tensor]:
    """Return the denoising loss of x (B, D) at levels sigma (B,) and noise eps (B, D).

    Weighed by sigma², which makes every level's part as large as its guess at the noise
    is bad (Song and Ermon 2019, eq. 6): ½ ‖ε̂ - ε‖², a sum over dimensions.
    """
    each = dsm(lambda x: model.score(x, sigma), x, eps, sigma[:, None])
    return {"loss": (sigma**2 * each).mean()}


class ScoreModel(nn.Module):
    """A network that knows the score at every level of noise, trained by denoising.

    net        (B, D + 1) -> (B, D): from x, scaled to about 1, and log sigma, the noise
               ε; the score is -ε / sigma
    sigma_min, sigma_max   the levels it is trained at, evenly in log sigma
    spread     standard deviation of the data, for the scaling

    Raises ``ValueError`` unless 0 < sigma_min < sigma_max.
    """

    def __init__(
        self, net: nn.Module, *, sigma_min: float, sigma_max: float, spread: float = 1.0
    ):
        super().__init__()
        if not 0 < sigma_min < sigma_max:
            raise ValueError(
                f"expected 0 < sigma_min < sigma_max, got {sigma_min} and {sigma_max}"
            )
        self.net, self.spread = net, spread
        self.sigma_min, self.sigma_max = sigma_min, sigma_max

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the score of the data with noise sigma, a number or (B,), at x."""
        sigma = torch.as_tensor(sigma, dtype=x.dtype).expand(len(x))[:, None]  # (B, 1)
        scaled = x / (sigma**2 + self.spread**2).sqrt()
        return -self.net(torch.cat([scaled, sigma.log()], 1)) / sigma

    def loss(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Return the denoising loss, weighed by sigma², at random levels.

        ``weighed`` at noise and ``levels`` that are drawn here.
        """
        sigma = self.levels(x, generator)
        return weighed(self, x, sigma, _randn_like(x, generator))

    def levels(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return a level of noise for each of x (B, D), even in log sigma, (B,).

        One in each of B equal parts: the levels of a batch are spread evenly.
        """
        u = torch.rand(len(x), generator=generator, dtype=x.dtype, device=x.device)
        u = (torch.arange(len(x), device=x.device) + u) / len(x)
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** u.to(x)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        levels: int = 30,
        step: float = 0.1,
        steps: int = 10,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return n points (n, D) by annealed Langevin dynamics from pure noise.

        Raises ``ValueError`` for n < 1.
        """
        if n < 1:
            raise ValueError(f"n: expected at least 1 sample, got {n}")
        last = [m for m in self.net.modules() if isinstance(m, nn.Linear)][-1]
        x = last.weight.new_empty(n, last.out_features).normal_(generator=generator)
        x = math.hypot(self.sigma_max, self.spread) * x
        grid = torch.linspace(
            math.log(self.sigma_max), math.log(self.sigma_min), levels
        )
        states = annealed(
            self.score, x, grid.exp(), step=step, steps=steps, generator=generator
        )
        *_, x = states
        return x


def _randn_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
