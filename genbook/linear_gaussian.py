"""A latent-variable model whose every answer is known exactly (lesson 04).

p(z) = N(0, I) and p(x|z) = N(W z, sigma² I): a VAE's decoder without the network, also
known as probabilistic PCA (Tipping & Bishop 1999). Here log p(x), the posterior, the
ELBO of any diagonal Gaussian q and its gap all have a closed form, so whatever a bound
claims can be checked. Everything is in nats.
"""

import math

import torch
from torch import Tensor

from genbook.vae import kl_normal


class LinearGaussian:
    """The exact model with loadings ``weight`` (D, K) and pixel noise ``sigma``.

    x is (…, D), codes and the mean and log-variance of q are (…, K); results are (…).
    Raises ``ValueError`` for loadings that are no finite matrix or a sigma that is not
    above 0. Bishop 2006, eqs. 2.113-2.117.
    """

    def __init__(self, weight: Tensor, sigma: float):
        if weight.dim() != 2 or not weight.isfinite().all() or not sigma > 0:
            got = f"shape {tuple(weight.shape)} and {sigma}"
            raise ValueError(f"expected finite loadings (D, K), sigma > 0, got {got}")
        self.weight, self.sigma = weight, sigma
        d, k = (torch.eye(n).to(weight) for n in weight.shape)
        self.cov = weight @ weight.T + sigma**2 * d  # of p(x), (D, D)
        self.precision = k + weight.T @ weight / sigma**2  # of p(z|x), (K, K)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the exact log p(x): x is N(0, W Wᵀ + sigma² I)."""
        squared = (x @ self.cov.inverse() * x).sum(-1)
        return -0.5 * (squared + (2 * math.pi * self.cov).logdet())

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean (…, K) and covariance (K, K) of p(z|x), which is Gaussian."""
        cov = self.precision.inverse()
        return x @ self.weight @ cov / self.sigma**2, cov

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z)."""
        squared = (x - z @ self.weight.T) ** 2 / self.sigma**2
        return -0.5 * (squared + math.log(2 * math.pi * self.sigma**2)).sum(-1)

    def elbo(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """Return the ELBO of q = N(mu, diag exp(logvar)), without any sampling."""
        # E_q‖x - W z‖² is ‖x - W mu‖² and, for each k, σ_k² times ‖column k of W‖²
        blur = (logvar.exp() * (self.weight**2).sum(0)).sum(-1) / self.sigma**2
        return self.log_likelihood(x, mu) - 0.5 * blur - kl_normal(mu, logvar)

    def gap(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """Return KL(q ‖ p(z|x)) of q = N(mu, diag exp(logvar))."""
        off = mu - self.posterior(x)[0]
        squared = (off @ self.precision * off).sum(-1)
        width = (logvar.exp() * self.precision.diag() - 1 - logvar).sum(-1)
        return 0.5 * (squared + width - self.precision.logdet())
