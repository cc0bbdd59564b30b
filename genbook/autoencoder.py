"""The autoencoder (lesson 02): copy the data through a code of few numbers.

An encoder network turns an image x into a code z, a decoder network turns the code
back into an image x_hat, and both are trained to make the copy a good one,

    loss = E ‖x_hat - x‖²,    x_hat = decoder(encoder(x)).

Errors are summed over pixels and are in the square of the data's unit. ``pca`` is the
best that linear networks can do (Bourlard & Kamp 1988, Baldi & Hornik 1989).
"""

import torch
from torch import Tensor, nn

from genbook import nets
from genbook.training import describe


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return ‖x_hat - x‖² for each image, summed over its pixels, (B, …) -> (B,)."""
    return ((x_hat - x) ** 2).flatten(1).sum(1)


def pca(x: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean of x (N, …), its k widest directions, and all its variances.

    They are mean (D,), U (D, k) with orthonormal columns, and the D eigenvalues of the
    covariance C = 1/N Σ (x - mean)(x - mean)ᵀ, the largest first. Copying x as
    mean + U Uᵀ (x - mean) costs the sum of the eigenvalues after the first k, and no
    linear code of k numbers costs less (Pearson 1901).

    Raises ``ValueError`` unless x is finite, not empty and 1 ≤ k ≤ D.
    """
    x = x.flatten(1)
    if len(x) == 0 or not x.isfinite().all():
        raise ValueError(f"x: expected finite data, one or more, got {describe(x)}")
    if not 1 <= k <= x.shape[1]:
        raise ValueError(f"k: expected 1 … {x.shape[1]} directions, got {k}")
    mean = x.mean(0)
    covariance = (x - mean).T @ (x - mean) / len(x)  # (D, D)
    eigenvalues, vectors = torch.linalg.eigh(covariance)  # the smallest first
    return mean, vectors.flip(1)[:, :k], eigenvalues.flip(0)


def subspace_angle(a: Tensor, b: Tensor) -> Tensor:
    """Return the largest angle between the spans of a and b, (D, K) each, in degrees.

    It is 0 if their columns span the same subspace, whichever columns these are, and
    90 if a direction of one is orthogonal to all of the other (Björck & Golub 1973).

    Raises ``ValueError`` unless both are (D, K) with K ≤ D.
    """
    if a.dim() != 2 or a.shape != b.shape or a.shape[0] < a.shape[1]:
        raise ValueError(
            "subspaces: expected two of shape (D, K) with K ≤ D, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    a, b = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q  # orthonormal columns
    # What of a lies outside b. Near 0° a sine is precise where a cosine is not.
    sine = torch.linalg.matrix_norm(a - b @ (b.T @ a), 2)
    return torch.rad2deg(torch.asin(sine.clamp(max=1)))


def denoising_error(model: "DenoisingAutoencoder", x: Tensor, eps: Tensor) -> Tensor:
    """Return ‖x_hat - x‖² where the model saw only x + sigma eps, (B, …) -> (B,).

    eps is standard normal noise in the shape of x; the error is against the clean x
    (Vincent et al. 2008).
    """
    x_noisy = x + model.sigma * eps
    return squared_error(model.reconstruct(x_noisy), x)


class Autoencoder(nn.Module):
    """Two networks in a row, with a code of few numbers between them.

    encoder     images (B, …) -> codes (B, latent)
    decoder     codes (…, latent) -> images
    latent      K, the length of a code

    ``shape`` is then the shape of one image. Raises ``ValueError`` for latent < 1 or a
    decoder that does not take codes of this length.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, latent: int):
        super().__init__()
        self.encoder, self.decoder, self.latent = encoder, decoder, latent
        self.shape = nets.image_shape(decoder, latent)

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes of images x, (B, …) -> (B, K).

        Raises ``ValueError`` for images of another shape, for none at all, for NaN or
        infinity, and for an encoder that does not return K numbers an image.
        """
        if x.shape[1:] != self.shape or len(x) == 0 or not x.isfinite().all():
            raise ValueError(
                f"x: expected finite images of shape {self.shape}, one or more, "
                f"got {describe(x)}"
            )
        z = self.encoder(x)
        if z.shape != (len(x), self.latent):
            raise ValueError(
                f"encoder: expected codes of shape {(len(x), self.latent)}, "
                f"got {tuple(z.shape)}"
            )
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Return the images of codes z, (…, K) -> (…, *shape).

        Raises ``ValueError`` for codes of another length.
        """
        if z.shape[-1] != self.latent:
            raise ValueError(
                f"z: expected codes (…, {self.latent}), got {tuple(z.shape)}"
            )
        return self.decoder(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return x_hat, what the decoder makes of the code of x, in the shape of x."""
        return self.decode(self.encode(x))

    def error(self, x: Tensor) -> Tensor:
        """Return ‖x_hat - x‖² for each image, (B, …) -> (B,)."""
        return squared_error(self.reconstruct(x), x)

    def loss(self, x: Tensor) -> dict[str, Tensor]:
        """Return the one term: the squared error, a mean over the batch."""
        return {"loss": self.error(x).mean()}


class DenoisingAutoencoder(Autoencoder):
    """An autoencoder that is shown x + sigma ε and has to return x.

    The best it can do is the posterior mean E[x | x + sigma ε] (Vincent et al. 2008;
    Miyasawa 1961). Raises ``ValueError`` as ``Autoencoder`` does, and for a sigma that
    is not positive.
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, *, latent: int, sigma: float
    ):
        if not sigma > 0:
            raise ValueError(f"sigma: expected a positive scale, got {sigma}")
        super().__init__(encoder, decoder, latent=latent)
        self.sigma = sigma

    def loss(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Return the one term: the error against the clean x, a mean over the batch."""
        eps = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return {"loss": denoising_error(self, x, eps).mean()}


def whiten(model: Autoencoder, x: Tensor) -> Autoencoder:
    """Return the same autoencoder with codes of x (N, …) of mean 0 and covariance I.

    One linear layer after the encoder shifts, turns and scales the codes; one before
    the decoder undoes it, so no reconstruction changes. The networks are shared with
    ``model``, not copied.

    Raises ``ValueError`` if the codes do not vary in some direction.
    """
    with torch.no_grad():
        mean, axes, variances = pca(model.encode(x), model.latent)
        if not variances[-1] > 1e-6 * variances[0]:
            raise ValueError(
                "codes: expected them to vary in every direction, got variances from "
                f"{variances[0]:g} down to {variances[-1]:g}"
            )
        scale = variances.sqrt()
        into = nn.Linear(model.latent, model.latent).to(mean)  # (z - mean) U / scale
        into.weight.copy_((axes / scale).T)
        into.bias.copy_(-(mean @ axes) / scale)
        out = nn.Linear(model.latent, model.latent).to(mean)  # and back
        out.weight.copy_(axes * scale)
        out.bias.copy_(mean)
    # Flat where it can be: a network whose layers the browser can read, one by one.
    flat = isinstance(model.decoder, nn.Sequential)
    decoder = nn.Sequential(out, *(model.decoder if flat else [model.decoder]))
    encoder = nn.Sequential(model.encoder, into)
    return Autoencoder(encoder, decoder, latent=model.latent)
