"""Recipes for models with a latent variable: lessons 02 and 03."""

import torch
from torch import Tensor, nn

from genbook import autoencoder as coder
from genbook import nets
from genbook import vae as family
from genbook.data import binarize
from genbook.recipes.recipe import Player, Recipe, Terms, adam, cosine

SHAPE = (1, 28, 28)


def autoencoder() -> Recipe:
    """An autoencoder whose 16 numbers draw a digit, small enough for a page.

    A linear change of the code, undone by the decoder, costs an autoencoder nothing.
    So its codes can be asked, for nothing, to have mean 0 and covariance I: then
    N(0, I) is where to look for samples, though what stands there was never learned
    (lesson 02). After 12,000 steps the squared error of a test image is 5.4.
    """
    latent = 16
    model = coder.Autoencoder(
        nets.residual_mlp(SHAPE, 256, latent, blocks=2),
        nn.Sequential(*nets.mlp(latent, 256, 256, SHAPE), nn.Sigmoid()),
        latent=latent,
    )

    def draw(x: Tensor, generator: torch.Generator) -> tuple[Tensor]:
        return (x.float() / 255,)

    def loss(x: Tensor) -> Terms:
        z = model.encode(x).to(x.dtype)  # not in bfloat16
        error = coder.squared_error(model.decode(z), x).mean()
        gauge = kl_batch(z)
        return {"loss": error + gauge, "error": error, "gauge": gauge}

    return Recipe(
        model,
        (Player(model, loss, adam(2e-3)),),
        draw,
        sample=lambda model, n, generator: model.decode(
            torch.randn(n, latent, generator=generator, device=generator.device)
        ),
        size=256,
        steps=12_000,
        rate=cosine,
        ema=0.999,
    )


def kl_batch(z: Tensor) -> Tensor:
    """Return KL(N(m, C) ‖ N(0, I)) for the mean m and covariance C of codes z (B, K).

    In nats: ½ (‖m‖² + tr C - K - log det C), and 0 only if m = 0 and C = I.
    """
    mean = z.mean(0)
    spread = z - mean
    # not a matrix product, which autocast would round
    cov = (spread[:, :, None] * spread[:, None, :]).mean(0)  # (K, K)
    return 0.5 * (mean @ mean + cov.trace() - len(mean) - cov.logdet())


def vae() -> Recipe:
    """A VAE of two multilayer perceptrons, on pixels drawn black or white anew.

    As in Burda et al. 2016, with deeper networks: of five layers, three stand beside a
    path that goes straight on. Of the networks tried these learned the fastest, on the
    clock: ahead of plain and gated layers and of an encoder of convolutions. After
    90,000 steps the bound of 5,000 importance samples was 84.6 nats on the test images;
    after these, 640 passes over the training images, it is 84.5.
    """
    latent = 40
    model = family.VAE(
        nets.residual_mlp(SHAPE, 352, 2 * latent, blocks=3),
        nets.residual_mlp(latent, 352, SHAPE, blocks=3),
        latent=latent,
        likelihood=family.Bernoulli(),
    )
    return _vae(model, lr=3e-3, size=256, steps=150_000)


def vae_plane() -> Recipe:
    """A VAE of two latent dimensions: a plane of digits, decoded live on a page.

    After 12,000 steps the bound of 100 importance samples is 135.7 nats on 1,000 test
    images: what two numbers cannot say is fifty nats.
    """
    latent = 2
    model = family.VAE(
        nets.residual_mlp(SHAPE, 256, 2 * latent, blocks=2),
        nets.mlp(latent, 256, 256, SHAPE),
        latent=latent,
        likelihood=family.Bernoulli(),
    )
    return _vae(model, lr=2e-3, size=256, steps=12_000)


def vae_conv() -> Recipe:
    """A VAE that looks through convolutions and draws with transposed ones.

    It spends as many nats on a test image as ``vae``, 84.5, after a third of the steps
    and with two thirds of the weights; but its samples are twice as far from MNIST.
    """
    latent = 40
    encoder = nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1),  # (B, 32, 14, 14)
        nn.SiLU(),
        nn.Conv2d(32, 64, 4, stride=2, padding=1),  # (B, 64, 7, 7)
        nn.SiLU(),
        *nets.mlp((64, 7, 7), 128, 2 * latent),
    )
    decoder = nn.Sequential(
        *nets.mlp(latent, 128, (64, 7, 7)),
        nn.SiLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),  # (B, 32, 14, 14)
        nn.SiLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),  # (B, 1, 28, 28)
    )
    model = family.VAE(
        encoder, nets.AnyBatch(decoder), latent=latent, likelihood=family.Bernoulli()
    )
    return _vae(model, lr=1e-3, size=128, steps=50_000)


def _vae(model: family.VAE, *, lr: float, size: int, steps: int) -> Recipe:
    """Return how a VAE learns: the ELBO from one sample an image, and nothing else."""

    def draw(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        eps = torch.randn(
            len(x), model.latent, generator=generator, device=generator.device
        )
        return binarize(x, generator=generator), eps

    def loss(x: Tensor, eps: Tensor) -> Terms:
        log_px_z, kl = family.elbo(model, x, eps)
        recon, kl = -log_px_z.mean(), kl.mean()
        return {"loss": recon + kl, "recon": recon, "kl": kl}

    # One image in some millions is so odd to a network half trained that it answers
    # with a log σ² of 64. Its exponential has a gradient that no float32 holds: NaN.
    model.encoder.append(nn.Hardtanh(-10, 10))
    return Recipe(
        model,
        (Player(model, loss, adam(lr)),),
        draw,
        sample=lambda model, n, generator: model.sample(n, generator=generator),
        size=size,
        steps=steps,
        rate=cosine,
        ema=0.999,
        clip=200,  # twice what is usual: an odd image gives thousands of times that
    )
