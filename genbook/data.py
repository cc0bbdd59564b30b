"""Data the book trains on: real digits, and toys whose every answer is known exactly.

- ``digits``: real handwritten digits that ship inside scikit-learn, as counts of ink;
  ``to_signed`` and ``to_counts`` go to [-1, 1] and back.
- ``Mixture``: a Gaussian mixture that knows its own density, score and posterior mean;
  ``mixture_1d``, ``ring`` and ``grid`` build the ones the lessons use.
- ``moons``, ``spirals``, ``checkerboard``: 2-D shapes to draw from.
- ``mnist``, ``fashion_mnist``, ``kmnist``: real images of 28 by 28 pixels, and
  ``signed``, ``dequantize``, ``binarize``, all from ``genbook.mnist``.

Everything is drawn on the CPU from the generator that is passed in; move it once.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from genbook.mnist import Images as Images
from genbook.mnist import binarize as binarize
from genbook.mnist import dequantize as dequantize
from genbook.mnist import fashion_mnist as fashion_mnist
from genbook.mnist import kmnist as kmnist
from genbook.mnist import mnist as mnist
from genbook.mnist import signed as signed


class Digits(NamedTuple):
    """Handwritten digits as counts of ink, split once and for all.

    ``x_train`` is (1437, 1, 8, 8) and ``x_test`` (360, 1, 8, 8), float32 holding whole
    numbers 0…16; ``y_train`` (1437,) and ``y_test`` (360,) are the labels 0…9, int64.
    """

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


def digits() -> Digits:
    """Return the 1,797 digits of 13 writers, split 80/20 evenly over the classes.

    A pixel counts the inked dots, 0…16, in a block of 4 by 4 of a 32 by 32 scan,
    so Binomial(16, p) is its natural likelihood. The split is shuffled with a fixed
    seed and never changes: numbers from different lessons can be compared.

    Source: Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI
    Machine Learning Repository (CC BY 4.0); the test part, as inside scikit-learn.
    """
    # Imported here: scikit-learn is slow to import, and the toys do without it.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        torch.tensor(x, dtype=torch.float32).reshape(-1, 1, 8, 8),
        torch.tensor(y, dtype=torch.int64),
        test_size=360,
        stratify=y,
        random_state=0,
    )
    return Digits(x_train, y_train, x_test, y_test)


def to_signed(counts: Tensor) -> Tensor:
    """Scale counts of ink 0…16 to [-1, 1]: ``x = counts / 8 - 1``, in any shape.

    Raises ValueError for anything outside 0…16, NaN included.
    """
    # Written so that NaN, which compares false with everything, fails too.
    inside = bool(((counts >= 0) & (counts <= 16)).all())
    _expect(inside, "counts of ink between 0 and 16", _range(counts))
    return counts / 8 - 1


def to_counts(x: Tensor) -> Tensor:
    """Bring x from [-1, 1] back to whole counts of ink 0…16, in any shape.

    What a model drew may stray a little outside [-1, 1]; it is clipped. Raises
    ValueError where x is not finite.
    """
    _expect(bool(x.isfinite().all()), "x to be finite", _range(x))
    return ((x + 1) * 8).round().clamp(0, 16)


class Mixture:
    """A mixture of K round Gaussians in D dimensions, with every answer exact.

    ``p(x) = Σ_k weights_k N(x; means_k, sigmas_k² I)``

    ``means`` is (K, D); ``sigmas`` one standard deviation for all, or (K,); ``weights``
    (K,), positive, with sum 1 (equal if left out). They are kept in float64; results
    come in the dtype and on the device of the x that is asked about. Points are the
    last axis, so x may be (D,), (N, D) or a grid (H, W, D).
    """

    def __init__(
        self,
        means: Tensor | Sequence[Sequence[float]],
        sigmas: Tensor | Sequence[float] | float,
        weights: Tensor | Sequence[float] | None = None,
    ):
        """Raise ValueError where shapes disagree or a value makes no density."""
        self.means = torch.as_tensor(means, dtype=torch.float64)  # (K, D)
        shape = tuple(self.means.shape)
        _expect(len(shape) == 2 and 0 not in shape, "means of shape (K, D)", shape)
        _expect(bool(self.means.isfinite().all()), "finite means", means)

        k, sigmas = shape[0], torch.as_tensor(sigmas, dtype=torch.float64)
        shape = tuple(sigmas.shape)
        _expect(shape in ((), (k,)), f"sigmas of shape () or ({k},)", shape)
        positive = bool(((sigmas > 0) & sigmas.isfinite()).all())
        _expect(positive, "sigmas above 0", sigmas.tolist())
        self.sigmas = sigmas.expand(k)  # (K,)

        weights = [1 / k] * k if weights is None else weights
        self.weights = torch.as_tensor(weights, dtype=torch.float64)  # (K,)
        shape = tuple(self.weights.shape)
        _expect(shape == (k,), f"weights of shape ({k},)", shape)
        one = bool((self.weights > 0).all()) and abs(self.weights.sum() - 1) < 1e-6
        _expect(one, "positive weights with sum 1", self.weights.tolist())

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw n points, (n, D), in torch's default dtype.

        Raises ValueError for n below 1.
        """
        _expect_count(n)
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        eps = _normal(n, self.means.shape[1], generator)
        x = self.means[k] + self.sigmas[k, None] * eps
        return x.to(torch.get_default_dtype())

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (...) for x of shape (..., D).

        Raises ValueError for a wrong last axis, a non-float dtype, NaN or infinity.
        """
        _expect_points(x, self.means.shape[1])
        log_joint, _, _ = self._components(x, x.new_ones(()), x.new_zeros(()))
        return log_joint.logsumexp(-1)

    def score(self, x: Tensor, sigma: float | Tensor = 0.0) -> Tensor:
        """Return ∇ log p_sigma(x), (..., D): the score after noise N(0, sigma² I).

        Noise only widens the components: p_sigma has sigmas² + sigma² where p has
        sigmas². sigma is a number, or a tensor (...) with one for each point.

        Raises ValueError as ``log_prob`` does, and for a negative sigma.
        """
        _expect_points(x, self.means.shape[1])
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
        _expect(bool((sigma >= 0).all()), "sigma of at least 0", _range(sigma))
        log_joint, step, var = self._components(x, torch.ones_like(sigma), sigma**2)
        r = log_joint.softmax(-1)  # (..., K), p(component | x)
        return ((r / var)[..., None] * step).sum(-2)

    def posterior_mean(self, x_t: Tensor, alpha_bar: float | Tensor) -> Tensor:
        """Return E[x0 | x_t], (..., D), for ``x_t = √alpha_bar x0 + √(1-alpha_bar) ε``.

        Given its component, x0 follows from x_t by Gaussian conditioning,
        ``x0_hat_k = means_k + gain_k (x_t - √alpha_bar means_k)`` with
        ``gain_k = √alpha_bar sigmas_k² / (alpha_bar sigmas_k² + 1 - alpha_bar)``;
        p(k | x_t) averages over components. No denoiser has a smaller squared error.
        alpha_bar is a number, or a tensor (...) with one for each point.

        Raises ValueError as ``log_prob`` does, and for alpha_bar outside [0, 1].
        """
        _expect_points(x_t, self.means.shape[1])
        ab = torch.as_tensor(alpha_bar, dtype=x_t.dtype, device=x_t.device)
        inside = bool(((ab >= 0) & (ab <= 1)).all())
        _expect(inside, "alpha_bar between 0 and 1", _range(ab))
        log_joint, step, var = self._components(x_t, ab, 1 - ab)
        gain = ab[..., None].sqrt() * self.sigmas.to(x_t) ** 2 / var  # (..., K)
        x0_hat = self.means.to(x_t) - gain[..., None] * step  # (..., K, D)
        return (log_joint.softmax(-1)[..., None] * x0_hat).sum(-2)

    def _components(
        self, x: Tensor, alpha_bar: Tensor, noise_var: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compare x with every component of √alpha_bar x0 + √noise_var ε.

        Returns log p(x, component), (..., K); the step from x to the component's mean,
        (..., K, D); the component's variance, (..., K).
        """
        ab = alpha_bar[..., None]  # against the components, (..., 1)
        var = ab * self.sigmas.to(x) ** 2 + noise_var[..., None]
        step = ab[..., None].sqrt() * self.means.to(x) - x[..., None, :]
        dims = x.shape[-1]
        log_normal = -0.5 * (
            step.square().sum(-1) / var + dims * (2 * math.pi * var).log()
        )
        return self.weights.to(x).log() + log_normal, step, var


def mixture_1d() -> Mixture:
    """Return three unequal bumps on a line, between about -4 and 4."""
    return Mixture([[-2.0], [0.3], [2.2]], [0.5, 0.3, 0.7], [0.3, 0.45, 0.25])


def ring(k: int = 8, *, radius: float = 2.0, sigma: float = 0.05) -> Mixture:
    """Return k equal Gaussians on a circle in the plane: the test for lost modes.

    Raises ValueError for k below 1, or a sigma that is not above 0.
    """
    _expect_count(k, "k")
    angle = torch.arange(k, dtype=torch.float64) * (2 * math.pi / k)
    return Mixture(radius * torch.stack([angle.cos(), angle.sin()], -1), sigma)


def grid(side: int = 5, *, spacing: float = 1.0, sigma: float = 0.05) -> Mixture:
    """Return side² equal Gaussians on a square lattice around the origin.

    Raises ValueError for a side below 1, or a sigma that is not above 0.
    """
    _expect_count(side, "side")
    at = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2) * spacing
    return Mixture(torch.cartesian_prod(at, at), sigma)


def moons(
    n: int, *, noise: float = 0.1, generator: torch.Generator | None = None
) -> Tensor:
    """Draw n points, (n, 2), from two half circles of radius 1.5 that interlock.

    ``noise`` is the standard deviation around them. Raises ValueError for n below 1 or
    negative noise.
    """
    _expect_count(n)
    angle = _uniform(n, 1, generator) * math.pi
    arch = torch.cat([angle.cos(), angle.sin()], -1) - torch.tensor([0.5, 0.25])
    upper = _uniform(n, 1, generator) < 0.5
    return _blur(1.5 * torch.where(upper, arch, -arch), noise, generator)


def spirals(
    n: int, *, noise: float = 0.05, generator: torch.Generator | None = None
) -> Tensor:
    """Draw n points, (n, 2), from two spiral arms of 1½ turns, out to radius 2.

    ``noise`` is the standard deviation around them. Raises ValueError for n below 1 or
    negative noise.
    """
    _expect_count(n)
    # An arm is longer where it is wide: the root spreads points evenly along it.
    radius = _uniform(n, 1, generator).sqrt()
    angle = 3 * math.pi * radius
    arm = 2 * radius * torch.cat([angle.cos(), angle.sin()], -1)
    first = _uniform(n, 1, generator) < 0.5
    return _blur(torch.where(first, arm, -arm), noise, generator)


def checkerboard(n: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw n points, (n, 2), evenly from the 8 dark unit squares of [-2, 2]².

    Raises ValueError for n below 1.
    """
    _expect_count(n)
    u = _uniform(n, 3, generator)
    row = (4 * u[:, 0]).floor()
    # Squares where row + column is even: in each row every second, from 0 or from 1.
    column = 2 * (2 * u[:, 1]).floor() + row % 2
    within = _uniform(n, 2, generator)
    return (torch.stack([column, row], -1) + within - 2).to(torch.get_default_dtype())


def checkerboard_log_prob(x: Tensor) -> Tensor:
    """Return the log-density of ``checkerboard`` in nats, (...) for x (..., 2).

    It is -log 8 on the dark squares and -inf off them.

    Raises ValueError for a wrong last axis, a non-float dtype, NaN or infinity.
    """
    _expect_points(x, 2)
    cell = (x + 2).floor()
    dark = ((cell >= 0) & (cell < 4)).all(-1) & (cell.sum(-1) % 2 == 0)
    return torch.where(dark, -math.log(8), -math.inf).to(x)


def _uniform(n: int, dims: int, generator: torch.Generator | None) -> Tensor:
    return torch.rand(n, dims, generator=generator, dtype=torch.float64)


def _normal(n: int, dims: int, generator: torch.Generator | None) -> Tensor:
    # In float64 whatever the default dtype, so that a seed means the same points.
    return torch.randn(n, dims, generator=generator, dtype=torch.float64)


def _blur(x: Tensor, noise: float, generator: torch.Generator | None) -> Tensor:
    _expect(noise >= 0, "noise of at least 0", noise)
    x = x + noise * _normal(*x.shape, generator)
    return x.to(torch.get_default_dtype())


def _expect(ok: bool, expected: str, got: object) -> None:
    if not ok:
        raise ValueError(f"expected {expected}, got {got}")


def _expect_count(n: int, name: str = "n") -> None:
    whole = isinstance(n, int) and not isinstance(n, bool)
    _expect(whole and n >= 1, f"{name} to be a whole number of at least 1", repr(n))


def _expect_points(x: Tensor, dims: int) -> None:
    right = x.ndim >= 1 and x.shape[-1] == dims
    _expect(right, f"x of shape (..., {dims})", tuple(x.shape))
    _expect(x.is_floating_point(), "x in floating point", x.dtype)
    _expect(bool(x.isfinite().all()), "x to be finite", _range(x))


def _range(x: Tensor) -> str:
    """Describe the values of x, NaN named rather than hidden by min and max."""
    bad = int(x.isnan().sum()) if x.is_floating_point() else 0
    if bad:
        return f"{bad} NaN among {x.numel()} values"
    return f"values from {x.min().item():g} to {x.max().item():g}"
