"""Diffusion, forwards (lesson 08; Sohl-Dickstein et al. 2015, Ho et al. 2020).

Data x0 is drowned in noise by T small steps,

    x_t = √(1 - beta_t) x_{t-1} + √beta_t eps,    t = 1 … T,

and a network learns to walk back: see ``denoising``. A schedule is nothing but the
tensor ``alpha_bar`` (T + 1,) in float64, ᾱ_t = ∏ (1 - beta_s), which falls from
ᾱ_0 = 1; with fewer steps it is ``alpha_bar[times]``. A time t is an int64 tensor (B,),
one for each example, 1 … T. Data are images (B, C, H, W), in [-1, 1], or points (B, D).
"""

import math

import torch
from torch import Tensor

from genbook.training import describe


def linear(T: int, *, beta_1: float = 1e-4, beta_T: float = 0.02) -> Tensor:
    """Return ᾱ (T + 1,) for beta_t that grows in equal steps from beta_1 to beta_T.

    The defaults are made for T near 1000 (Ho et al. 2020, section 4). Raises
    ``ValueError`` for T < 1 and unless 0 < beta_1 ≤ beta_T < 1.
    """
    _check_steps(T)
    if not 0 < beta_1 <= beta_T < 1:
        raise ValueError(
            f"expected 0 < beta_1 ≤ beta_T < 1, got {beta_1=:g} and {beta_T=:g}"
        )
    beta = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)  # (T,)
    return torch.cat([beta.new_ones(1), (1 - beta).cumprod(0)])


def cosine(T: int, *, s: float = 0.008) -> Tensor:
    """Return ᾱ (T + 1,) that falls like cos²(½π (t/T + s) / (1 + s)).

    s keeps the first steps from being too small. A beta above 0.999, as in the last
    step, is cut to that. Nichol & Dhariwal 2021, eq. 17. Raises ``ValueError`` for
    T < 1 and a negative s.
    """
    _check_steps(T)
    if not 0 <= s < math.inf:
        raise ValueError(f"s: expected an offset of at least 0, got {s:g}")
    u = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    return _cut(((u + s) / (1 + s) * math.pi / 2).cos() ** 2)


def sigmoid(
    T: int, *, start: float = -3.0, end: float = 3.0, tau: float = 1.0
) -> Tensor:
    """Return ᾱ (T + 1,) that falls like -sigmoid(u / tau), u from start to end.

    Shifted and scaled to fall from 1 to 0. A larger tau is closer to a straight line,
    and a start nearer to 0 destroys earlier. Jabri et al. 2022; where they keep ᾱ
    above 1e-9, a beta above 0.999 is cut here, as in ``cosine``. Raises ``ValueError``
    for T < 1 and unless start < end and tau > 0.
    """
    _check_steps(T)
    if not (-math.inf < start < end < math.inf and 0 < tau < math.inf):
        raise ValueError(
            f"expected start < end and tau > 0, got {start=:g}, {end=:g}, {tau=:g}"
        )
    u = torch.linspace(start, end, T + 1, dtype=torch.float64)
    fall = (-u / tau).sigmoid()  # 1 - sigmoid(u / tau), exact for large u as well
    return _cut(fall - fall[-1])


def betas(alpha_bar: Tensor) -> Tensor:
    """Return beta (T + 1,): the variance of step t's noise, 1 - ᾱ_t / ᾱ_{t-1}.

    betas[0], a step that does not exist, is 0. Raises ``ValueError`` unless alpha_bar
    falls from 1.
    """
    check_schedule(alpha_bar)
    beta = 1 - alpha_bar[1:] / alpha_bar[:-1]
    return torch.cat([beta.new_zeros(1), beta])


def snr(alpha_bar: Tensor) -> Tensor:
    """Return the signal-to-noise ratio ᾱ / (1 - ᾱ), (T + 1,); infinite at t = 0.

    Kingma et al. 2021, eq. 1. Raises ``ValueError`` unless alpha_bar falls from 1.
    """
    check_schedule(alpha_bar)
    return alpha_bar / (1 - alpha_bar)


def at(values: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """Return values[t], (B, 1, …), to multiply x (B, …), in its dtype and device.

    values (T + 1,) is a schedule or what is computed from one, and stays in float64
    until here: in float32, 1 - ᾱ_1 would keep four digits. Raises ``ValueError``
    unless t holds a whole number (int64) in 1 … T for each x, and x is floating point.
    """
    if t.dtype != torch.int64 or t.shape != x.shape[:1] or not x.is_floating_point():
        raise ValueError(
            f"t: expected int64 of shape {tuple(x.shape[:1])} for x in floating point, "
            f"got {t.dtype}, shape {tuple(t.shape)}, for x in {x.dtype}"
        )
    t, T = t.to(values.device), len(values) - 1
    if len(t) and not (t.min() >= 1 and t.max() <= T):
        raise ValueError(f"t: expected 1 … {T}, got {t.min()} … {t.max()}")
    return values[t].to(x).reshape(-1, *[1] * (x.dim() - 1))


def q_sample(x0: Tensor, t: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return x_t (B, …): x0 noised to time t in one jump, √ᾱ_t x0 + √(1 - ᾱ_t) eps.

    eps is standard normal noise in the shape of x0. Ho et al. 2020, eq. 4. Raises
    ``ValueError`` for shapes that differ, times outside 1 … T, and a schedule that does
    not fall from 1.
    """
    check_schedule(alpha_bar)
    check_pair(x0=x0, eps=eps)
    signal, noise = at(alpha_bar.sqrt(), t, x0), at((1 - alpha_bar).sqrt(), t, x0)
    return signal * x0 + noise * eps


def q_posterior(
    x_t: Tensor, x0: Tensor, t: Tensor, alpha_bar: Tensor
) -> tuple[Tensor, Tensor]:
    """Return mean (B, …) and variance (B, 1, …) of the Gaussian q(x_{t-1} | x_t, x0).

    mean = (√ᾱ_{t-1} beta_t x0 + √alpha_t (1 - ᾱ_{t-1}) x_t) / (1 - ᾱ_t), and the
    variance, beta tilde, is beta_t (1 - ᾱ_{t-1}) / (1 - ᾱ_t): 0 at t = 1. Ho et al.
    2020, eq. 6 and 7. Raises ``ValueError`` as ``q_sample`` does.
    """
    check_pair(x_t=x_t, x0=x0)
    beta, before = betas(alpha_bar), alpha_bar.roll(1)  # before[t] is ᾱ_{t-1}
    of_x0 = before.sqrt() * beta / (1 - alpha_bar)
    of_x_t = (1 - beta).sqrt() * (1 - before) / (1 - alpha_bar)
    mean = at(of_x0, t, x_t) * x0 + at(of_x_t, t, x_t) * x_t
    return mean, at(beta * (1 - before) / (1 - alpha_bar), t, x_t)


def _cut(alpha_bar: Tensor) -> Tensor:
    """Scale to start at 1, and cut every beta above 0.999."""
    alpha = (alpha_bar[1:] / alpha_bar[:-1]).clamp(min=1 - 0.999)
    return torch.cat([alpha.new_ones(1), alpha.cumprod(0)])


def _check_steps(T: int) -> None:
    if isinstance(T, bool) or not isinstance(T, int) or T < 1:
        raise ValueError(f"T: expected a whole number of at least 1, got {T!r}")


def check_schedule(alpha_bar: Tensor) -> None:
    """Raise ``ValueError`` unless alpha_bar (T + 1,) falls from 1, T at least 1."""
    if alpha_bar.dim() != 1 or len(alpha_bar) < 2:
        raise ValueError(
            f"alpha_bar: expected shape (T + 1,), got {tuple(alpha_bar.shape)}"
        )
    falls = (alpha_bar[1:] < alpha_bar[:-1]).all()  # false for NaN
    if not (alpha_bar[0] == 1 and falls and alpha_bar[-1] >= 0):
        raise ValueError(
            f"alpha_bar: expected to fall from 1 at t = 0 towards 0, got "
            f"{alpha_bar[0]:g} … {alpha_bar[-1]:g}{'' if falls else ', not falling'}"
        )


def check_pair(**named: Tensor) -> None:
    """Raise ``ValueError`` unless both have the same shape: check_pair(x0=x0, eps=…).

    Shapes that differ might broadcast, and nobody would see it.
    """
    (a, x), (b, y) = named.items()
    if x.shape != y.shape:
        raise ValueError(
            f"{a} and {b}: expected the same shape, got {describe(x)} and {describe(y)}"
        )
