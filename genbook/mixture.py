"""Gaussian mixtures fitted by EM: the exact model of lesson 01.

    p(x) = Σ_k p(k) N(x; means_k, covs_k)

Everything one may ask of a P(x) has a closed form here: its density, samples, the
density of some dimensions alone, and the distribution of the rest given those. Fitted
by EM (Dempster, Laird and Rubin 1977). Log-densities are in nats per example; a density
has the units of its x, see ``GaussianMixture.log_prob``.
"""

import math

import torch
from torch import Tensor


def log_normal(x: Tensor, means: Tensor, covs: Tensor) -> Tensor:
    """Return log N(x; means_k, covs_k) in nats, (N, K), for x (N, D).

    ``-½ (x - mean)ᵀ cov⁻¹ (x - mean) - ½ log det cov - ½ D log 2π``, by the Cholesky
    factor of each covariance. means is (K, D), covs is (K, D, D). Raises torch's
    ``LinAlgError`` where a covariance is singular.
    """
    scale = torch.linalg.cholesky(covs)  # (K, D, D), cov = scale scaleᵀ
    step = (x - means[:, None]).mT  # (K, D, N)
    white = torch.linalg.solve_triangular(scale, step, upper=False)
    half_log_det = scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)  # (K,)
    constant = half_log_det + 0.5 * x.shape[-1] * math.log(2 * math.pi)
    return -0.5 * (white**2).sum(1).T - constant


def em_step(
    x: Tensor, weights: Tensor, means: Tensor, covs: Tensor, floor: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights (K,), means (K, D) and covs (K, D, D) after one step of EM.

    E: ``r_nk = p(k | x_n)``. M: each component takes the weighted share, mean and
    covariance of the points x (N, D), and ``floor`` (D, D) is added to the covariance,
    without which it may become singular. Bishop 2006, section 9.2.2.
    """
    log_joint = weights.log() + log_normal(x, means, covs)  # (N, K)
    r = log_joint.softmax(-1)  # p(k | x)
    n = r.sum(0)  # (K,), how many points each component answers for
    means = (r.T @ x) / n[:, None]
    step = x - means[:, None]  # (K, N, D)
    covs = (r.T[..., None] * step).mT @ step / n[:, None, None] + floor
    return n / len(x), means, covs


def condition(
    x: Tensor, seen: Tensor, means: Tensor, covs: Tensor
) -> tuple[Tensor, Tensor]:
    """Return mean (K, H) and cov (K, H, H) of the H hidden dimensions, given the seen.

    With b seen and a hidden, ``gain = cov_ab cov_bb⁻¹``, the mean becomes
    ``mean_a + gain (x_b - mean_b)`` and the covariance ``cov_aa - gain cov_ba``.
    x is (D,), of which only ``x[seen]`` is read; seen is (D,), of bool.
    """
    a, b = ~seen, seen
    cov_ba = covs[:, b][..., a]  # (K, B, H)
    gain = torch.linalg.solve(covs[:, b][..., b], cov_ba).mT  # (K, H, B)
    step = x[b] - means[:, b]  # (K, B)
    mean = means[:, a] + (gain @ step[..., None])[..., 0]
    return mean, covs[:, a][..., a] - gain @ cov_ba


def fit(
    x: Tensor, means: Tensor, *, floor: Tensor, steps: int
) -> tuple["GaussianMixture", list[float]]:
    """Fit a mixture to x (N, D) by EM from these means (K, D).

    It starts with equal weights and round components, whose variance is the mean
    variance of x: a point first goes to the means that are near. Returns the mixture
    and, for each step, the mean of -log p(x) in nats before it.

    Raises ``ValueError`` where shapes disagree or steps is below 1.
    """
    if x.ndim != 2 or means.ndim != 2 or x.shape[1] != means.shape[1] or len(x) < 2:
        raise ValueError(
            "fit expects x of shape (N, D) with N of at least 2 and means (K, D), "
            f"got {tuple(x.shape)} and {tuple(means.shape)}"
        )
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    k = len(means)
    ball = x.var(0).mean() * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    covs = (ball + floor).repeat(k, 1, 1)
    model = GaussianMixture(x.new_full((k,), 1 / k), means, covs)
    history = []
    for _ in range(steps):
        history.append(-float(model.log_prob(x).mean()))
        model = GaussianMixture(
            *em_step(x, model.weights, model.means, model.covs, floor)
        )
    return model, history


class GaussianMixture:
    """A mixture of K Gaussians in D dimensions, each with a covariance of its own.

    weights (K,) are p(k), means (K, D), covs (K, D, D). ``data.Mixture`` is its round
    cousin, which knows its score. Raises ``ValueError`` where shapes disagree or the
    weights are no probabilities.
    """

    def __init__(self, weights: Tensor, means: Tensor, covs: Tensor):
        k, d = means.shape if means.ndim == 2 else (0, 0)
        shapes = tuple(weights.shape), tuple(covs.shape)
        if not k or shapes != ((k,), (k, d, d)):
            raise ValueError(
                "expected weights (K,), means (K, D) and covs (K, D, D), got "
                f"{shapes[0]}, {tuple(means.shape)} and {shapes[1]}"
            )
        if not ((weights >= 0).all() and abs(float(weights.sum()) - 1) < 1e-4):
            raise ValueError(
                f"weights: expected probabilities with sum 1, got {weights.tolist()}"
            )
        self.weights, self.means, self.covs = weights, means, covs

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (N,), for x (N, D).

        It is a density: with x measured in units c times as large, it grows by D log c.
        """
        return self._log_joint(x).logsumexp(-1)

    def posterior(self, x: Tensor) -> Tensor:
        """Return p(k | x), (N, K): which component an x (N, D) comes from."""
        return self._log_joint(x).softmax(-1)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw n points, (n, D): a component first, then a point of it.

        Raises ``ValueError`` for n below 1.
        """
        if n < 1:
            raise ValueError(f"n: expected at least 1, got {n}")
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        eps = torch.randn(
            n, self.means.shape[1], dtype=self.means.dtype, generator=generator
        )
        scale = torch.linalg.cholesky(self.covs)
        return self.means[k] + (scale[k] @ eps[..., None])[..., 0]

    def mean(self) -> Tensor:
        """Return the mean of x, (D,)."""
        return self.weights @ self.means

    def marginal(self, seen: Tensor) -> "GaussianMixture":
        """Return the mixture of the dimensions in seen, (D,) of bool, alone."""
        self._check_mask(seen)
        return GaussianMixture(
            self.weights, self.means[:, seen], self.covs[:, seen][..., seen]
        )

    def condition(self, x: Tensor, seen: Tensor) -> "GaussianMixture":
        """Return p(hidden | seen), the mixture of what is not seen, given x[seen].

        Every component is conditioned, and weighed anew by how well it explains what
        is seen: ``p(k | x_b) ∝ p(k) N(x_b; mean_b, cov_bb)``. x is (D,), seen (D,) of
        bool; what x holds elsewhere is not read.
        """
        weights = self.marginal(seen).posterior(x[None, seen])[0]
        return GaussianMixture(weights, *condition(x, seen, self.means, self.covs))

    def _log_joint(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.means.shape[1]:
            raise ValueError(
                f"x: expected shape (N, {self.means.shape[1]}), got {tuple(x.shape)}"
            )
        return self.weights.log() + log_normal(x, self.means, self.covs)

    def _check_mask(self, seen: Tensor) -> None:
        d = self.means.shape[1]
        if (
            seen.dtype != torch.bool
            or seen.shape != (d,)
            or seen.all()
            or not seen.any()
        ):
            raise ValueError(
                f"seen: expected a mask of bool of shape ({d},), some true and some "
                f"false, got {seen.dtype} of shape {tuple(seen.shape)}"
            )
