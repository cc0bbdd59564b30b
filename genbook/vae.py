"""The variational autoencoder (lesson 03; Kingma & Welling 2014, Rezende et al. 2014).

An encoder network turns an image x into a Gaussian over codes,
q(z|x) = N(mu, diag exp(logvar)); a decoder network turns a code into the parameters
of p(x|z). Both are trained to raise the evidence lower bound on log p(x),

    elbo(x) = E_q[log p(x|z)] - KL(q(z|x) ‖ p(z)),    p(z) = N(0, I).

Everything is summed over pixels and latent dimensions and is in nats per image.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbook import nets
from genbook.training import describe


def kl_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return KL(N(mu, diag exp(logvar)) ‖ N(0, I)) in nats, (…, K) -> (…).

    ½ Σ (mu² + σ² - 1 - log σ²); Kingma & Welling 2014, appendix B.
    """
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


def reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor:
    """Return z = mu + σ eps: a sample of q(z|x) that mu and logvar can be trained by.

    eps is standard normal noise of shape (…, K). Kingma & Welling 2014, section 2.4.
    """
    return mu + (0.5 * logvar).exp() * eps


def normal_log_prob(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Return log N(z; mu, diag exp(logvar)) in nats, (…, K) -> (…)."""
    squared = (z - mu) ** 2 / logvar.exp()
    return -0.5 * (squared + logvar + math.log(2 * math.pi)).sum(-1)


class Binomial:
    """p(x|z) for counts 0…total: each pixel is Binomial(total, sigmoid(logit)).

    With the default 16 it fits the digits, whose pixels count ink in 4×4 blocks.
    """

    def __init__(self, total: int = 16):
        if total < 1 or total != int(total):
            raise ValueError(
                f"total: expected a whole count of at least 1, got {total}"
            )
        self.total = total

    def log_prob(self, x: Tensor, logits: Tensor) -> Tensor:
        """Return log p(x|z) per pixel, in nats, in the shape of ``logits``.

        Raises ``ValueError`` if a pixel is not a whole number in 0…total.
        """
        self._check(x)
        n = torch.tensor(float(self.total), dtype=x.dtype, device=x.device)
        log_choose = torch.lgamma(n + 1) - torch.lgamma(x + 1) - torch.lgamma(n - x + 1)
        # log p = logit - softplus(logit) and log(1 - p) = -softplus(logit), so no
        # log of a rounded zero is ever taken.
        return log_choose + x * logits - n * F.softplus(logits)

    def mean(self, logits: Tensor) -> Tensor:
        """Return the expected pixel, a share of full ink in 0…1."""
        return logits.sigmoid()

    def sample(
        self, logits: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return counts 0…total drawn from p(x|z)."""
        p = logits.sigmoid().expand(self.total, *logits.shape)
        return torch.bernoulli(p, generator=generator).sum(0)

    def scale(self, x: Tensor) -> Tensor:
        """Return pixels in [-1, 1], as the encoder likes them."""
        return 2 * x / self.total - 1

    def _check(self, x: Tensor) -> None:
        low, high = x.aminmax()
        if not (low >= 0 and high <= self.total and (x == x.round()).all()):
            whole = "" if (x == x.round()).all() else ", some not whole"
            raise ValueError(
                f"pixels: expected whole counts in 0 … {self.total}, "
                f"got {low:g} … {high:g}{whole}"
            )


class Bernoulli(Binomial):
    """p(x|z) for pixels that are 0 or 1: the Binomial with a single trial."""

    def __init__(self) -> None:
        super().__init__(total=1)

    def log_prob(self, x: Tensor, logits: Tensor) -> Tensor:
        """Return log p(x|z) per pixel, in nats, in the shape of ``logits``.

        As the Binomial's, whose coefficient is 1 here: leaving it out makes a step of
        training faster by a fifth. Raises ``ValueError`` if a pixel is not 0 or 1.
        """
        self._check(x)
        return x * logits - F.softplus(logits)


class Gaussian:
    """p(x|z) for real pixels: each is N(output, sigma²) with one fixed sigma."""

    def __init__(self, sigma: float):
        if not sigma > 0:
            raise ValueError(f"sigma: expected a positive scale, got {sigma}")
        self.sigma = sigma

    def log_prob(self, x: Tensor, out: Tensor) -> Tensor:
        """Return log p(x|z) per pixel, in nats, in the shape of ``out``."""
        squared = ((x - out) / self.sigma) ** 2
        return -0.5 * (squared + math.log(2 * math.pi * self.sigma**2))

    def mean(self, out: Tensor) -> Tensor:
        """Return the expected pixel."""
        return out

    def sample(self, out: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return pixels drawn from p(x|z)."""
        return out + self.sigma * _randn(out.shape, out, generator)

    def scale(self, x: Tensor) -> Tensor:
        """Return the pixels as they are."""
        return x


def elbo(model: "VAE", x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two parts of the bound for images x (B, …), each (B,) in nats.

    log p(x|z) at the one sample z of q(z|x) that the noise eps (B, K) gives, and
    KL(q(z|x) ‖ p(z)). Their difference is an unbiased estimate of the ELBO
    (Kingma & Welling 2014, eq. 10).
    """
    mu, logvar = model.encode(x)  # each (B, K)
    z = reparameterize(mu, logvar, eps)  # (B, K)
    log_px_z = model.log_likelihood(x, z)  # (B,)
    return log_px_z, kl_normal(mu, logvar)


def iwae(model: "VAE", x: Tensor, eps: Tensor) -> Tensor:
    """Return the importance-weighted bound on log p(x) for x (B, …), (B,) in nats.

    log 1/k Σ_i p(x, z_i) / q(z_i|x), with k samples z_i of q from the noise eps
    (k, B, K). For k = 1 it estimates the ELBO; in expectation it rises with k towards
    log p(x) (Burda et al. 2016, eq. 8 and theorem 1).
    """
    mu, logvar = model.encode(x)  # each (B, K)
    z = reparameterize(mu, logvar, eps)  # (k, B, K)
    log_pz = normal_log_prob(z, torch.zeros_like(mu), torch.zeros_like(mu))
    log_qz_x = normal_log_prob(z, mu, logvar)
    log_w = model.log_likelihood(x, z) + log_pz - log_qz_x  # (k, B)
    return log_w.logsumexp(0) - math.log(len(eps))


def log_weights(
    model: "VAE", x: Tensor, mu: Tensor, logvar: Tensor, eps: Tensor
) -> Tensor:
    """Return log p(x, z_i) - log q(z_i) in nats, (k, B), for any q, not the encoder's.

    q = N(mu, diag exp(logvar)), each (B, K), and eps (k, B, K) is the noise of its k
    samples. The mean over i is the ELBO of q; the log of the mean of their exponentials
    is the importance-weighted bound (Burda et al. 2016, eq. 8). Any model with
    ``log_likelihood(x, z)`` and the prior N(0, I) will do.
    """
    z = reparameterize(mu, logvar, eps)  # (k, B, K)
    log_pz = normal_log_prob(z, torch.zeros_like(mu), torch.zeros_like(mu))
    return model.log_likelihood(x, z) + log_pz - normal_log_prob(z, mu, logvar)


def refine(
    model: "VAE",
    x: Tensor,
    mu: Tensor,
    logvar: Tensor,
    *,
    steps: int = 300,
    lr: float = 0.02,
    samples: int = 8,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the q of each image after climbing its own ELBO, mu and logvar (B, K).

    Starts from the given q, takes ``steps`` steps of Adam whose rate falls from ``lr``
    to 0, and estimates the ELBO with ``samples`` draws each. The model stays as it is.
    What is gained is the amortisation gap (Cremer et al. 2018). Raises ``ValueError``
    for fewer than one step or sample.
    """
    if min(steps, samples) < 1:
        raise ValueError(f"expected steps and samples ≥ 1, got {steps} and {samples}")
    mu, logvar = (t.detach().clone().requires_grad_() for t in (mu, logvar))
    adam = torch.optim.Adam([mu, logvar], lr=lr)
    fade = torch.optim.lr_scheduler.LinearLR(adam, 1, 0, total_iters=steps)
    for _ in range(steps):
        eps = mu.new_empty(samples, *mu.shape).normal_(generator=generator)
        z = reparameterize(mu, logvar, eps)  # (samples, B, K)
        elbo = model.log_likelihood(x, z).mean(0) - kl_normal(mu, logvar)  # (B,)
        # no image shares its q with another, so the sum climbs for each alone
        mu.grad, logvar.grad = torch.autograd.grad(-elbo.sum(), (mu, logvar))
        adam.step()
        fade.step()
    return mu.detach(), logvar.detach()


class VAE(nn.Module):
    """A variational autoencoder of two networks.

    encoder     images (B, …) -> (B, 2 latent): mu and logvar of q(z|x)
    decoder     codes (…, latent) -> parameters of p(x|z), in the images' shape
    latent      K, the number of latent dimensions
    likelihood  ``Binomial``, ``Bernoulli`` or ``Gaussian``
    beta        weight of the KL term in the loss; 1 gives the ELBO, other values the
                β-VAE (Higgins et al. 2017)

    ``shape`` is then the shape of one image. Raises ``ValueError`` for a decoder that
    does not take codes of this length, latent < 1, or a negative beta.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        latent: int,
        likelihood: Binomial | Gaussian,
        beta: float = 1.0,
    ):
        super().__init__()
        if not beta >= 0:
            raise ValueError(f"beta: expected a weight of at least 0, got {beta}")
        self.encoder, self.decoder = encoder, decoder
        self.latent, self.likelihood, self.beta = latent, likelihood, beta
        self.shape = nets.image_shape(decoder, latent)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and logvar of q(z|x), each (B, K).

        Raises ``ValueError`` for images of another shape, for none at all, for NaN or
        infinity, and for an encoder that does not return 2K numbers an image.
        """
        self._check(x)
        out = self.encoder(self.likelihood.scale(x)).to(x.dtype)  # not in bfloat16
        if out.shape != (len(x), 2 * self.latent):
            raise ValueError(
                f"encoder: expected mu and logvar, shape {(len(x), 2 * self.latent)}, "
                f"got {tuple(out.shape)}"
            )
        return out.chunk(2, dim=-1)

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean image of p(x|z), (…, K) -> (…, *shape).

        Raises ``ValueError`` for codes of another length.
        """
        if z.shape[-1] != self.latent:
            raise ValueError(
                f"z: expected codes (…, {self.latent}), got {tuple(z.shape)}"
            )
        return self.likelihood.mean(self.decoder(z))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z) in nats: x (B, …) and z (…, B, K) give (…, B)."""
        self._check(x)
        out = self.decoder(z).to(x.dtype)  # (…, B, *shape)
        log_prob = self.likelihood.log_prob(x, out)
        return log_prob.flatten(z.dim() - 1).sum(-1)

    def loss(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Return the terms, each a mean over the batch in nats per image.

        loss = recon + beta · kl, where recon = -E_q[log p(x|z)] and kl = KL(q ‖ p).
        """
        log_px_z, kl = elbo(self, x, self.noise(len(x), generator=generator))
        recon, kl = -log_px_z.mean(), kl.mean()
        return {"loss": recon + self.beta * kl, "recon": recon, "kl": kl}

    def elbo(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return a one-sample estimate of the ELBO, (B, …) -> (B,) in nats."""
        log_px_z, kl = elbo(self, x, self.noise(len(x), generator=generator))
        return log_px_z - kl

    def iwae(
        self, x: Tensor, *, k: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the importance-weighted bound with k samples, (B, …) -> (B,) in nats.

        Raises ``ValueError`` for k < 1.
        """
        if k < 1:
            raise ValueError(f"k: expected at least 1 importance sample, got {k}")
        parts = []  # a hundred samples at a time bounds the memory
        for n in [100] * (k // 100) + [k % 100] * (k % 100 > 0):
            bound = iwae(self, x, self.noise(n, len(x), generator=generator))
            parts.append(bound + math.log(n))
        return torch.stack(parts).logsumexp(0) - math.log(k)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return n mean images of codes drawn from the prior, (n, *shape).

        The mean of p(x|z) is shown, as the field does; ``likelihood.sample`` adds the
        pixels' own noise. Raises ``ValueError`` for n < 1.
        """
        if n < 1:
            raise ValueError(f"n: expected at least 1 sample, got {n}")
        return self.decode(self.noise(n, generator=generator))

    def noise(self, *size: int, generator: torch.Generator | None = None) -> Tensor:
        """Return standard normal noise (*size, K): a draw from the prior p(z)."""
        weight = next(self.decoder.parameters())
        return _randn((*size, self.latent), weight, generator)

    def _check(self, x: Tensor) -> None:
        # NaN and infinity show in the extremes, which are cheap to have
        if (
            x.shape[1:] != self.shape
            or len(x) == 0
            or not all(extreme.isfinite() for extreme in x.aminmax())
        ):
            raise ValueError(
                f"x: expected finite images of shape {self.shape}, one or more, "
                f"got {describe(x)}"
            )


def _randn(shape: tuple, like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
