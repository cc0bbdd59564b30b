"""recipes.latent: what is drawn, what is lowered, how large, and that it learns."""

import pytest
import torch
from torch import distributions as dist
from torch import nn

from genbook import autoencoder, recipes, vae
from genbook.recipes import latent
from genbook.widgets import mlp

VAES = (latent.vae, latent.vae_conv, latent.vae_plane)
ALL = (latent.autoencoder, *VAES)
PAGE = (latent.autoencoder, latent.vae_plane)  # decoded in the browser
pytestmark = pytest.mark.usefixtures("float32")


def digits(n: int) -> torch.Tensor:
    """Return n images of bytes (n, 1, 28, 28): a bar of ink in a place of its own."""
    x = torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
    for i in range(n):
        x[i, :, 4:24, 2 + i % 20 : 8 + i % 20] = 255
    return x


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("make", ALL)
def test_it_is_in_the_list(make):
    assert recipes.RECIPES[make.__name__] is make


@pytest.mark.parametrize("make", ALL)
def test_it_fits_the_zoo_and_the_page(make):
    model = make().model
    assert count(model) <= 1_400_000  # 1.5 MB in int8, scales and biases included
    if make in PAGE:
        assert count(model.decoder) <= 300_000  # int8 in a page: 350 kB


@pytest.mark.parametrize("make", PAGE)
def test_the_browser_knows_the_decoder_layers(make):
    decoder = make().model.decoder
    if isinstance(decoder[-1], nn.Sigmoid):
        decoder = decoder[:-1]  # the browser adds it
    assert mlp.layers(decoder)["widths"] == [make().model.latent, 256, 256, 784]


@pytest.mark.parametrize("make", ALL)
def test_a_draw_follows_from_the_generator_and_has_the_batch_in_front(make):
    recipe, x = make(), digits(6)
    one, two = recipe.draw(x, generator()), recipe.draw(x, generator())
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert all(len(part) == 6 for part in one)
    ink = one[0]
    assert ink.shape == x.shape and ink.dtype == torch.float32
    assert torch.equal(ink, x / 255)  # black stays black, and white stays white
    if make in VAES:
        other = recipe.draw(x, generator(1))
        assert one[1].shape == (6, recipe.model.latent)
        assert not torch.equal(one[1], other[1])
        grey = recipe.draw(torch.full_like(x, 51), generator())[0]
        assert set(grey.unique().tolist()) == {0.0, 1.0}
        assert grey.mean() == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("make", ALL)
def test_it_learns_and_then_draws_ink(make):
    torch.manual_seed(0)
    recipe, x = make(), digits(32)
    (player,) = recipe.players
    optimizer = player.optimizer(player.module.parameters())
    losses = []
    for step in range(25):
        terms = player.loss(*recipe.draw(x, generator(step)))
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(terms["loss"].item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(p.grad is not None for p in recipe.model.parameters())
    with torch.no_grad():
        ink = recipe.sample(recipe.model, 5, generator())
        again = recipe.sample(recipe.model, 5, generator())
    assert ink.shape == (5, 1, 28, 28) and torch.equal(ink, again)
    assert ink.min() >= 0 and ink.max() <= 1 and not torch.equal(ink[0], ink[1])


@pytest.mark.parametrize("make", VAES)
def test_a_vae_lowers_minus_the_elbo_and_nothing_else(make):
    recipe = make()
    x, eps = recipe.draw(digits(6), generator())
    terms = recipe.players[0].loss(x, eps)
    log_px_z, kl = vae.elbo(recipe.model, x, eps)
    assert terms["loss"].item() == pytest.approx((kl - log_px_z).mean().item(), 1e-5)
    assert terms["kl"].item() == pytest.approx(kl.mean().item(), 1e-5)
    assert terms["recon"].item() == pytest.approx(-log_px_z.mean().item(), 1e-5)


@pytest.mark.parametrize("make", VAES)
def test_an_encoder_that_shouts_is_learned_from(make):
    """A single log σ² of 64 once ended a run: no float32 holds its gradient's norm."""
    recipe = make()
    (player,) = recipe.players
    *_, last = (m for m in recipe.model.encoder.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        last.weight *= 1e4
    loss = player.loss(*recipe.draw(digits(32), generator()))["loss"]
    loss.backward()
    weights = recipe.model.parameters()
    norm = nn.utils.clip_grad_norm_(weights, recipe.clip)
    assert loss.isfinite() and norm.isfinite() and norm > recipe.clip


def test_a_vae_takes_several_samples_of_an_image():
    model = latent.vae_conv().model
    x = torch.zeros(3, 1, 28, 28)
    z = torch.randn(4, 3, model.latent)
    each = torch.stack([model.log_likelihood(x, part) for part in z])
    assert torch.allclose(model.log_likelihood(x, z), each, rtol=1e-4)


def test_the_autoencoder_lowers_the_error_and_the_gauge():
    recipe = latent.autoencoder()
    (x,) = recipe.draw(digits(32), generator())
    terms = recipe.players[0].loss(x)
    z = recipe.model.encode(x)
    error = autoencoder.squared_error(recipe.model.reconstruct(x), x).mean()
    assert terms["error"].item() == pytest.approx(error.item(), 1e-5)
    assert terms["gauge"].item() == pytest.approx(latent.kl_batch(z).item(), 1e-5)
    assert torch.equal(terms["loss"], terms["error"] + terms["gauge"])


def test_kl_of_a_batch_is_that_of_torch_and_0_for_white_codes():
    z = 0.3 + torch.randn(50, 4).double() @ torch.randn(4, 4).double()
    mean, cov = z.mean(0), z.T.cov(correction=0)
    standard = dist.MultivariateNormal(torch.zeros(4).double(), torch.eye(4).double())
    oracle = dist.kl_divergence(dist.MultivariateNormal(mean, cov), standard)
    assert torch.allclose(latent.kl_batch(z), oracle)
    white = (z - mean) @ torch.linalg.inv(torch.linalg.cholesky(cov)).T
    assert abs(latent.kl_batch(white)) < 1e-10
