"""autoencoder: linear networks against PCA, denoising against Gaussian conditioning."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from torch import nn

from genbook import autoencoder, data, nets

D, K, N = 5, 2, 40
seeds = st.integers(0, 2**31 - 1)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def points(seed: int = 0) -> torch.Tensor:
    """Return correlated points away from the origin, (N, D)."""
    return draw(seed, N, D) @ draw(seed + 1, D, D) + 3 * draw(seed + 2, D)


def linear(encode: torch.Tensor, decode: torch.Tensor, bias: torch.Tensor, **kind):
    """Return z = encode (x - bias), x_hat = decode z + bias, as an autoencoder."""
    k, d = encode.shape
    encoder, decoder = nn.Linear(d, k), nn.Linear(k, d)
    with torch.no_grad():
        encoder.weight.copy_(encode)
        encoder.bias.copy_(-encode @ bias)
        decoder.weight.copy_(decode)
        decoder.bias.copy_(bias)
    if kind:
        return autoencoder.DenoisingAutoencoder(encoder, decoder, latent=k, **kind)
    return autoencoder.Autoencoder(encoder, decoder, latent=k)


# -------------------------------------------------------------------------------- pca


@given(seeds, st.integers(1, D))
def test_pca_is_that_of_scikit_learn(seed, k):
    x = points(seed)
    mean, axes, eigenvalues = autoencoder.pca(x, k)
    oracle = PCA(k).fit(x.numpy())
    assert torch.allclose(mean, torch.tensor(oracle.mean_))
    assert eigenvalues.shape == (D,) and (eigenvalues.diff() <= 0).all()
    variances = torch.tensor(oracle.explained_variance_) * (N - 1) / N
    assert torch.allclose(eigenvalues[:k], variances)
    same = (axes * torch.tensor(oracle.components_).T).sum(0).abs()
    assert torch.allclose(same, torch.ones(k))
    assert torch.allclose(axes.T @ axes, torch.eye(k))


def test_pca_flattens_images():
    x = data.digits().x_test.double()
    mean, axes, eigenvalues = autoencoder.pca(x, 3)
    assert mean.shape == eigenvalues.shape == (64,) and axes.shape == (64, 3)


@given(seeds, st.integers(1, D))
def test_subspace_angle_is_that_of_scipy(seed, k):
    a, b = draw(seed, D, k), draw(seed + 1, D, k)
    oracle = math.degrees(subspace_angles(a.numpy(), b.numpy()).max())
    assert abs(autoencoder.subspace_angle(a, b) - oracle) < 1e-6


@given(seeds, st.floats(0, 90))
def test_subspace_angle_of_a_turn_is_the_turn(seed, degrees):
    """Whichever basis spans the two planes."""
    turn = math.radians(degrees)
    a = torch.eye(4)[:, :2]
    b = torch.tensor([[1, 0], [0, math.cos(turn)], [0, math.sin(turn)], [0, 0]])
    mixed = b @ (draw(seed, 2, 2) + 3 * torch.eye(2))
    assert abs(autoencoder.subspace_angle(a, mixed) - degrees) < 1e-4


# ------------------------------------------------------------------- linear autoencoder


@given(seeds, st.integers(1, D))
def test_the_linear_optimum_costs_the_dropped_eigenvalues(seed, k):
    x = points(seed)
    mean, axes, eigenvalues = autoencoder.pca(x, k)
    model = linear(axes.T, axes, mean)
    assert torch.allclose(model.loss(x)["loss"], eigenvalues[k:].sum(), atol=1e-10)


@given(seeds)
def test_the_linear_optimum_is_a_stationary_point(seed):
    x = points(seed)
    mean, axes, eigenvalues = autoencoder.pca(x, K)
    model = linear(axes.T, axes, mean)
    model.loss(x)["loss"].backward()
    for p in model.parameters():
        assert p.grad.abs().max() < 1e-9 * eigenvalues[0]


@given(seeds)
def test_no_linear_autoencoder_costs_less_than_pca(seed):
    x = points(seed)
    _, _, eigenvalues = autoencoder.pca(x, K)
    encode, decode, bias = draw(seed, K, D), draw(seed + 1, D, K), draw(seed + 2, D)
    model = linear(encode, decode, bias)
    assert model.loss(x)["loss"] >= eigenvalues[K:].sum()


@given(seeds)
def test_any_basis_of_the_codes_does_as_well(seed):
    """(A⁻¹Uᵀ, U A) copies like (Uᵀ, U): the codes are free, their span is not."""
    x = points(seed)
    mean, axes, _ = autoencoder.pca(x, K)
    mix = draw(seed, K, K) + 3 * torch.eye(K)
    plain = linear(axes.T, axes, mean)
    mixed = linear(mix.inverse() @ axes.T, axes @ mix, mean)
    assert torch.allclose(plain.reconstruct(x), mixed.reconstruct(x), atol=1e-8)
    assert not torch.allclose(plain.encode(x), mixed.encode(x), atol=1e-3)


# --------------------------------------------------------------------------- denoising


@given(seeds, st.floats(0.1, 3))
def test_denoising_error_of_a_linear_model_is_the_closed_form(seed, sigma):
    """E_ε‖A(x + σε) - x‖² = ‖Ax - x‖² + σ²‖A‖², with noise of mean 0, covariance I."""
    x = points(seed)
    encode, decode = draw(seed, K, D), draw(seed + 1, D, K)
    model = linear(encode, decode, torch.zeros(D), sigma=sigma)
    even = math.sqrt(D) * torch.cat([torch.eye(D), -torch.eye(D)])  # (2D, D)
    pairs, eps = x.repeat_interleave(2 * D, 0), even.repeat(N, 1)
    error = autoencoder.denoising_error(model, pairs, eps).reshape(N, -1).mean(1)
    a = decode @ encode
    exact = ((x @ a.T - x) ** 2).sum(1) + sigma**2 * (a**2).sum()
    assert torch.allclose(error, exact)


def test_the_posterior_mean_is_the_best_linear_denoiser(seeded):
    """For Gaussian data it is C (C + σ²I)⁻¹ (x - mean) + mean, and costs its trace."""
    sigma, n = 0.8, 200_000
    root = draw(5, D, D) / 2
    covariance, mean = root @ root.T, 3 * draw(6, D)
    x = mean + torch.randn(n, D, generator=seeded()) @ root.T
    gain = covariance @ torch.linalg.inv(covariance + sigma**2 * torch.eye(D))
    best = linear(gain, torch.eye(D), torch.zeros(D), sigma=sigma)
    with torch.no_grad():
        best.encoder.bias.copy_(mean - gain @ mean)
        terms = best.loss(x, generator=seeded(1))
        assert torch.allclose(
            terms["loss"], sigma**2 * gain.trace(), rtol=0.01
        )  # the posterior's covariance is σ² gain
        for change in (0.9, 1.1):
            best.encoder.weight.copy_(change * gain)
            best.encoder.bias.copy_(mean - change * gain @ mean)
            assert best.loss(x, generator=seeded(1))["loss"] > terms["loss"]


def test_denoising_randomness_is_passed_in(seeded):
    model, x = linear(draw(0, K, D), draw(1, D, K), draw(2, D), sigma=0.5), points()
    state = torch.get_rng_state()
    a, b, c = (model.loss(x, generator=seeded(s))["loss"] for s in (1, 1, 2))
    assert a == b and a != c
    assert torch.equal(state, torch.get_rng_state()), "the global generator was used"


# ------------------------------------------------------------------------------ whiten


@given(seeds)
def test_whitened_codes_are_white_and_the_copies_are_the_same(seed):
    x = points(seed)
    model = linear(5 * draw(seed, K, D), draw(seed + 1, D, K), draw(seed + 2, D))
    white = autoencoder.whiten(model, x)
    z = white.encode(x)
    assert torch.allclose(z.mean(0), torch.zeros(K), atol=1e-8)
    assert torch.allclose(z.T @ z / N, torch.eye(K), atol=1e-8)
    assert torch.allclose(white.reconstruct(x), model.reconstruct(x), atol=1e-8)


def test_a_whitened_decoder_is_one_flat_network():
    torch.manual_seed(0)
    decoder = nets.mlp(K, 8, (1, 8, 8))
    model = autoencoder.Autoencoder(nets.mlp((1, 8, 8), K), decoder, latent=K)
    white = autoencoder.whiten(model, data.digits().x_test.double())
    assert list(white.decoder)[1:] == list(decoder)


# -------------------------------------------------------------------- the digits' model


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = nets.mlp((1, 8, 8), 32, 3), nets.mlp(3, 32, (1, 8, 8))
    return autoencoder.Autoencoder(*sizes, latent=3)


@pytest.fixture
def x():
    return data.digits().x_train[:20].double() / 16


def test_shapes(model, x):
    assert model.encode(x).shape == (20, 3)
    assert model.decode(torch.zeros(7, 4, 3)).shape == (7, 4, 1, 8, 8)
    assert model.reconstruct(x).shape == x.shape and model.error(x).shape == (20,)


def test_errors_are_summed_over_pixels_and_meant_over_the_batch(model, x):
    x_hat = model.decoder(model.encoder(x))
    by_hand = torch.stack([(a - b).flatten() @ (a - b).flatten() for a, b in
                           zip(x_hat, x, strict=True)])  # fmt: skip
    assert torch.allclose(model.error(x), by_hand)
    terms = model.loss(x)
    assert set(terms) == {"loss"} and terms["loss"].shape == ()
    assert torch.allclose(terms["loss"], by_hand.sum() / 20)


def test_gradients_reach_every_parameter(model, x):
    model.loss(x)["loss"].backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all(), name
        assert p.grad.abs().sum() > 0, name


def test_float32_and_float64_agree(model, x):
    exact = model.error(x)
    single = model.float().error(x.float())
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), exact, rtol=1e-4)


# ------------------------------------------------------------------------------ errors


def small(encoder=None, latent=K):
    encoder = encoder or nn.Linear(D, K)
    return autoencoder.Autoencoder(encoder, nn.Linear(K, D), latent=latent)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: autoencoder.pca(points(), 0), r"k: expected 1 … 5 .*, got 0"),
        (lambda: autoencoder.pca(points(), 6), r"k: expected 1 … 5 .*, got 6"),
        (lambda: autoencoder.pca(points()[:0], 1), r"x: expected finite .* \(0, 5\)"),
        (
            lambda: autoencoder.pca(torch.full((3, D), math.nan), 1),
            r"x: expected finite data.* with NaN",
        ),
        (
            lambda: autoencoder.subspace_angle(torch.eye(3), torch.eye(3)[:, :2]),
            r"subspaces: expected two of shape \(D, K\).*\(3, 3\) and \(3, 2\)",
        ),
        (
            lambda: autoencoder.subspace_angle(torch.ones(2, 3), torch.ones(2, 3)),
            r"subspaces: expected .* K ≤ D",
        ),
        (
            lambda: autoencoder.subspace_angle(torch.ones(3), torch.ones(3)),
            r"subspaces: expected .*, got \(3,\)",
        ),
        (lambda: small(latent=0), r"latent: expected at least 1 dimension, got 0"),
        (lambda: small(latent=3), r"decoder: expected one that takes codes of 3"),
        (
            lambda: small(nn.Linear(D, 4)).encode(points()),
            r"encoder: expected codes of shape \(40, 2\), got \(40, 4\)",
        ),
        (
            lambda: small().encode(torch.zeros(3, 4)),
            r"x: expected finite images of shape \(5,\), .*, got shape \(3, 4\)",
        ),
        (lambda: small().loss(torch.zeros(0, D)), r"x: expected .* one or more"),
        (
            lambda: small().error(torch.full((3, D), math.inf)),
            r"x: expected finite images .* with NaN or inf",
        ),
        (
            lambda: small().decode(torch.zeros(2, 3)),
            r"z: expected codes \(…, 2\), got \(2, 3\)",
        ),
        (
            lambda: linear(draw(0, K, D), draw(1, D, K), draw(2, D), sigma=0.0),
            r"sigma: expected a positive scale, got 0",
        ),
        (
            lambda: linear(draw(0, K, D), draw(1, D, K), draw(2, D), sigma=math.nan),
            r"sigma: expected a positive scale, got nan",
        ),
        (
            lambda: autoencoder.whiten(
                linear(torch.ones(K, D), draw(1, D, K), draw(2, D)), points()
            ),
            r"codes: expected them to vary in every direction",
        ),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
