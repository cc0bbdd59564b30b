"""A VAE whose every quantity is known: linear decoder, Gaussian pixels, affine encoder.

p(z) = N(0, I), p(x|z) = N(W z + b, sigma² I). Then log p(x) and the true posterior are
Gaussian too, and come here from torch.distributions and linear algebra, not genbook.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from genbook import vae

D, K, SIGMA = 4, 2, 0.6


def draw(seed: int, *, orthogonal: bool = False) -> vae.VAE:
    """Return a model with random weights; with orthogonal columns of W if asked.

    Only then is the true posterior diagonal, so that some q(z|x) can reach it.
    """
    g = torch.Generator().manual_seed(seed)
    decoder, encoder = nn.Linear(K, D), nn.Linear(D, 2 * K)
    with torch.no_grad():
        for p in (*decoder.parameters(), *encoder.parameters()):
            p.copy_(0.7 * torch.randn(p.shape, generator=g))
        if orthogonal:
            q, _ = torch.linalg.qr(decoder.weight)
            decoder.weight.copy_(q * torch.tensor([1.3, 0.4]))
    return vae.VAE(encoder, decoder, latent=K, likelihood=vae.Gaussian(SIGMA))


def observe(seed: int, n: int = 5) -> Tensor:
    return 1.5 * torch.randn(n, D, generator=torch.Generator().manual_seed(seed + 1))


def log_px(model: vae.VAE, x: Tensor) -> Tensor:
    """Return the exact log p(x), (B,): x is N(b, W Wᵀ + sigma² I)."""
    w, b = model.decoder.weight, model.decoder.bias
    return MultivariateNormal(b, w @ w.T + SIGMA**2 * torch.eye(D)).log_prob(x)


def posterior(model: vae.VAE, x: Tensor) -> MultivariateNormal:
    """Return the exact p(z|x): precision I + Wᵀ W / sigma²."""
    w, b = model.decoder.weight, model.decoder.bias
    cov = torch.linalg.inv(torch.eye(K) + w.T @ w / SIGMA**2)
    return MultivariateNormal((x - b) @ w @ cov / SIGMA**2, cov)


def gap(model: vae.VAE, x: Tensor) -> Tensor:
    """Return the exact KL(q(z|x) ‖ p(z|x)), (B,)."""
    mu, logvar = model.encoder(x).split(K, dim=-1)
    q = MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
    return kl_divergence(q, posterior(model, x))


def set_posterior(model: vae.VAE) -> None:
    """Write the true posterior into the encoder; W must have orthogonal columns."""
    w, b = model.decoder.weight, model.decoder.bias
    with torch.no_grad():
        var = 1 / (1 + (w**2).sum(0) / SIGMA**2)
        gain = var[:, None] * w.T / SIGMA**2
        model.encoder.weight.copy_(torch.cat([gain, torch.zeros(K, D)]))
        model.encoder.bias.copy_(torch.cat([-gain @ b, var.log()]))


def repeat(x: Tensor) -> Tensor:
    """Repeat each example once for each of the 2K noise vectors of ``even_noise``."""
    return x.repeat_interleave(2 * K, dim=0)


def even_noise(n: int) -> Tensor:
    """Return ±√K e_i, over and over, for n examples: (2 K n, K).

    Those 2K vectors have mean 0 and covariance I, so averaging over them gives the
    exact expectation of anything quadratic in the noise: an ELBO without sampling.
    """
    e = math.sqrt(K) * torch.eye(K)
    return torch.cat([e, -e]).repeat(n, 1)
