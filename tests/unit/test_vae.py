"""vae: likelihoods, KL and bounds against torch.distributions and an exact model."""

import itertools
import math

import linear_gaussian as lg
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions as dist
from torch import nn

from genbook import data, nets, vae

seeds = st.integers(0, 2**31 - 1)
logits_ = st.floats(-40, 40)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------- normal densities


@given(seeds, st.integers(1, 6), st.floats(0.1, 4))
def test_kl_is_that_of_torch_distributions(seed, k, spread):
    mu, logvar = spread * draw(seed, 5, k), spread * draw(seed + 1, 5, k)
    q = dist.Normal(mu, (0.5 * logvar).exp())
    oracle = dist.kl_divergence(q, dist.Normal(0.0, 1.0)).sum(-1)
    kl = vae.kl_normal(mu, logvar)
    assert kl.shape == (5,) and (kl >= 0).all()
    assert torch.allclose(kl, oracle, rtol=1e-10, atol=1e-10)


def test_kl_is_zero_only_at_the_prior():
    assert vae.kl_normal(torch.zeros(3), torch.zeros(3)) == 0
    assert vae.kl_normal(torch.tensor([0.1, 0, 0]), torch.zeros(3)) > 0
    assert vae.kl_normal(torch.zeros(3), torch.tensor([0.1, 0, 0])) > 0


@given(seeds, st.integers(1, 6))
def test_normal_log_prob_is_that_of_torch_distributions(seed, k):
    z, mu, logvar = draw(seed, 5, k), draw(seed + 1, 5, k), draw(seed + 2, 5, k)
    oracle = dist.Normal(mu, (0.5 * logvar).exp()).log_prob(z).sum(-1)
    assert torch.allclose(vae.normal_log_prob(z, mu, logvar), oracle, atol=1e-12)


@given(seeds)
def test_reparameterize_has_mean_mu_and_variance_exp_logvar(seed):
    mu, logvar = draw(seed, 3), draw(seed + 1, 3)
    eps = math.sqrt(3) * torch.cat([torch.eye(3), -torch.eye(3)])  # mean 0, cov. I
    z = vae.reparameterize(mu, logvar, eps)
    assert torch.allclose(z.mean(0), mu)
    cov = (z - mu).T @ (z - mu) / 6
    assert torch.allclose(cov, logvar.exp().diag(), atol=1e-12)


@given(seeds)
def test_reparameterized_gradient_is_the_closed_form_gradient(seed):
    """∇ E[(z - c)²] over mu and logvar is 2 (mu - c) and σ²; c is arbitrary."""
    mu = draw(seed, 3).requires_grad_()
    logvar = draw(seed + 1, 3).requires_grad_()
    c = draw(seed + 2, 3)
    eps = math.sqrt(3) * torch.cat([torch.eye(3), -torch.eye(3)])
    loss = ((vae.reparameterize(mu, logvar, eps) - c) ** 2).sum(-1).mean()
    d_mu, d_logvar = torch.autograd.grad(loss, (mu, logvar))
    assert torch.allclose(d_mu, 2 * (mu - c))
    assert torch.allclose(d_logvar, logvar.exp())


# ------------------------------------------------------------------------ likelihoods


@given(st.integers(1, 40), logits_)
def test_binomial_is_that_of_torch_and_sums_to_one(total, logit):
    x = torch.arange(total + 1.0)
    logits = torch.full((total + 1,), logit)
    log_p = vae.Binomial(total).log_prob(x, logits)
    assert torch.allclose(log_p.logsumexp(0), torch.zeros(()), atol=1e-9)
    oracle = dist.Binomial(total, logits=logits).log_prob(x)
    assert torch.allclose(log_p, oracle, atol=1e-9)


def test_binomial_of_the_digits_has_seventeen_outcomes():
    p = vae.Binomial().log_prob(torch.arange(17.0), torch.full((17,), 0.3)).exp()
    assert abs(p.sum() - 1) < 1e-12
    with pytest.raises(ValueError, match="counts in 0 … 16"):
        vae.Binomial().log_prob(torch.tensor([17.0]), torch.tensor([0.3]))


@given(st.integers(1, 40), logits_)
def test_binomial_mean_is_the_expected_share_of_ink(total, logit):
    x = torch.arange(total + 1.0)
    logits = torch.full((total + 1,), logit)
    p = vae.Binomial(total).log_prob(x, logits).exp()
    assert torch.allclose((p * x).sum() / total, vae.Binomial(total).mean(logits[0]))


@pytest.mark.parametrize("logit", [-800.0, 800.0])
def test_binomial_survives_extreme_logits(logit):
    logits = torch.tensor([logit], requires_grad=True)
    log_p = vae.Binomial().log_prob(torch.tensor([0.0]), logits)
    assert torch.allclose(log_p, torch.tensor([min(0.0, -16 * logit)]))
    log_p.sum().backward()
    assert logits.grad.isfinite().all()


@given(seeds)
def test_bernoulli_is_that_of_torch(seed):
    logits = 4 * draw(seed, 50)
    x = (draw(seed + 1, 50) > 0).double()
    oracle = dist.Bernoulli(logits=logits).log_prob(x)
    assert torch.allclose(vae.Bernoulli().log_prob(x, logits), oracle, atol=1e-12)


@given(seeds, st.floats(0.05, 5))
def test_gaussian_is_that_of_torch(seed, sigma):
    x, out = draw(seed, 50), draw(seed + 1, 50)
    oracle = dist.Normal(out, sigma).log_prob(x)
    assert torch.allclose(vae.Gaussian(sigma).log_prob(x, out), oracle, atol=1e-9)


def test_likelihoods_sample_what_they_say(seeded):
    n, logits = 20_000, torch.tensor([-2.0, 0.0, 1.5])
    x = vae.Binomial().sample(logits.expand(n, 3), seeded())
    assert set(x.unique().tolist()) <= set(range(17))
    p = logits.sigmoid()
    error = (16 * p * (1 - p) / n).sqrt()
    assert ((x.mean(0) - 16 * p).abs() < 4 * error).all()
    assert torch.allclose(x.var(0), 16 * p * (1 - p), rtol=0.06)
    assert torch.equal(x, vae.Binomial().sample(logits.expand(n, 3), seeded()))
    x = vae.Gaussian(0.4).sample(torch.full((n,), 2.0), seeded())
    assert abs(x.mean() - 2) < 4 * 0.4 / n**0.5 and abs(x.std() - 0.4) < 0.01


def test_the_encoder_sees_counts_as_data_scales_them():
    x = data.digits().x_test
    assert torch.equal(vae.Binomial().scale(x), data.to_signed(x))
    assert torch.equal(
        vae.Bernoulli().scale(torch.tensor([0.0, 1.0])).abs(), torch.ones(2)
    )


# ---------------------------------------------------- bounds, on an exactly known model


def exact_elbo(model, x):
    """Return the ELBO without sampling error: see ``linear_gaussian.even_noise``."""
    log_px_z, kl = vae.elbo(model, lg.repeat(x), lg.even_noise(len(x)))
    return (log_px_z - kl).reshape(len(x), -1).mean(1)


@pytest.mark.parametrize("seed", range(5))
def test_elbo_plus_gap_is_log_px(seed):
    model, x = lg.draw(seed), lg.observe(seed)
    elbo, log_px = exact_elbo(model, x), lg.log_px(model, x)
    assert (elbo < log_px).all()
    assert torch.allclose(elbo + lg.gap(model, x), log_px, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_elbo_touches_log_px_at_the_true_posterior(seed):
    model, x = lg.draw(seed, orthogonal=True), lg.observe(seed)
    log_px = lg.log_px(model, x)
    assert (exact_elbo(model, x) < log_px - 1e-3).all()
    lg.set_posterior(model)
    assert torch.allclose(lg.gap(model, x), torch.zeros(5), atol=1e-10)
    assert torch.allclose(exact_elbo(model, x), log_px, atol=1e-10)


def test_the_elbo_is_right_on_average(seeded):
    model, x = lg.draw(1), lg.observe(1, n=1).expand(40_000, -1)
    elbo = model.elbo(x, generator=seeded())
    expected = lg.log_px(model, x[:1]) - lg.gap(model, x[:1])
    assert abs(elbo.mean() - expected) < 4 * elbo.std() / 200


@pytest.mark.parametrize("seed", range(3))
def test_gradient_of_the_loss_is_that_of_the_exact_bound(seed, monkeypatch):
    """In expectation over the noise, for every weight of both networks."""
    model, x = lg.draw(seed), lg.observe(seed)
    weights = list(model.parameters())
    exact = torch.autograd.grad(
        (lg.gap(model, x) - lg.log_px(model, x)).mean(), weights
    )
    monkeypatch.setattr(model, "noise", lambda *_, **__: lg.even_noise(len(x)))
    got = torch.autograd.grad(model.loss(lg.repeat(x))["loss"], weights)
    for a, b in zip(got, exact, strict=True):
        assert torch.allclose(a, b, atol=1e-9)


def test_iwae_is_the_log_of_the_mean_weight():
    """log 1/k Σ_i p(x, z_i) / q(z_i|x), written with torch.distributions."""
    model, x, eps = lg.draw(0), lg.observe(0), torch.randn(6, 5, lg.K)
    mu, logvar = model.encoder(x).split(lg.K, dim=-1)
    q = dist.Normal(mu, (logvar / 2).exp())
    z = q.mean + q.stddev * eps
    log_w = dist.Normal(model.decoder(z), lg.SIGMA).log_prob(x).sum(-1)
    log_w = log_w + (dist.Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(-1)
    assert torch.allclose(vae.iwae(model, x, eps), log_w.exp().mean(0).log())


@pytest.mark.parametrize("k", [1, 2, 7, 100, 101, 250])
def test_iwae_is_exact_at_the_true_posterior_for_every_k(k):
    """There every importance weight p(x, z) / q(z|x) is p(x), whatever z was drawn."""
    model, x = lg.draw(0, orthogonal=True), lg.observe(0)
    lg.set_posterior(model)
    iwae = model.iwae(x, k=k)
    assert iwae.shape == (5,)
    assert torch.allclose(iwae, lg.log_px(model, x), atol=1e-10)


def far_from_posterior():
    """Return a model whose q is off by a little, so that bounds differ measurably."""
    model = lg.draw(0, orthogonal=True)
    lg.set_posterior(model)
    with torch.no_grad():
        model.encoder.bias += torch.tensor([0.4, -0.5, 0.5, 0.4])
    return model


def test_iwae_with_one_sample_is_the_elbo(seeded):
    model, x = far_from_posterior(), lg.observe(0, n=1)
    iwae = model.iwae(x.expand(40_000, -1), k=1, generator=seeded())
    expected = lg.log_px(model, x) - lg.gap(model, x)
    assert abs(iwae.mean() - expected) < 4 * iwae.std() / 200


@pytest.mark.parametrize("k", [1, 5, 150])
def test_iwae_estimates_px_without_bias(k, seeded):
    """E[exp iwae] = p(x) for every k; log of an unbiased estimate is a lower bound."""
    n = 4000
    model, x = far_from_posterior(), lg.observe(0, n=1)
    iwae = model.iwae(x.expand(n, -1), k=k, generator=seeded())
    ratio = (iwae - lg.log_px(model, x)).exp()
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / n**0.5
    assert ratio.std() < 2  # else the line above would say nothing


def test_iwae_climbs_with_k_towards_log_px(seeded):
    model, x = far_from_posterior(), lg.observe(0, n=1)
    log_px, means, error = lg.log_px(model, x), [], 0.0
    for k in (1, 4, 16, 64, 256):
        iwae = model.iwae(x.expand(4000, -1), k=k, generator=seeded())
        means.append(iwae.mean())
        error = 4 * iwae.std() / 4000**0.5
        assert means[-1] < log_px + error
    assert all(a < b for a, b in itertools.pairwise(means))
    assert abs(log_px - means[-1]) < 0.01 and error < 0.01
    assert log_px - means[0] > 0.2


# --------------------------------------------------- any q, and the best q for an image


def test_log_weights_are_those_of_torch_distributions():
    model, x = lg.draw(0), lg.observe(0)
    mu, logvar, eps = draw(0, 5, lg.K), draw(1, 5, lg.K), draw(2, 6, 5, lg.K)
    q = dist.Normal(mu, (logvar / 2).exp())
    z = q.mean + q.stddev * eps
    log_w = dist.Normal(model.decoder(z), lg.SIGMA).log_prob(x).sum(-1)
    log_w = log_w + (dist.Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(-1)
    assert torch.allclose(vae.log_weights(model, x, mu, logvar, eps), log_w)
    log_w = vae.log_weights(model, x, *model.encode(x), eps)
    assert torch.allclose(
        log_w.exp().mean(0).log(), vae.iwae(model, x, eps), atol=1e-10
    )


def test_refine_finds_the_best_diagonal_q(seeded):
    """Of a Gaussian posterior: its mean, and one over the diagonal of its precision."""
    model, x = lg.draw(0), lg.observe(0)
    best = lg.posterior(model, x)
    var = 1 / best.precision_matrix[0].diagonal()
    before = [p.clone() for p in model.parameters()]
    start = 0.3 * draw(0, 2, 5, lg.K)
    kept = start.clone()
    mu, logvar = vae.refine(
        model, x, *start, steps=1500, lr=0.05, samples=32, generator=seeded()
    )
    assert not mu.requires_grad and not logvar.requires_grad
    assert torch.allclose(mu, best.mean, atol=0.02)
    assert torch.allclose(logvar, var.log().expand(5, lg.K), atol=0.04)
    assert all(map(torch.equal, before, model.parameters())), "the model was trained"
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(start, kept)


def test_refine_climbs_for_each_image_alone(seeded):
    """An image's answer does not depend on its neighbours, as long as the noise is."""
    model, x = lg.draw(1), lg.observe(1)
    mu, logvar = model.encode(x)
    all_, _ = vae.refine(model, x, mu, logvar, steps=30, samples=1, generator=seeded())
    other = torch.cat([x[:1], 3 * x[1:]])
    alone, _ = vae.refine(
        model, other, mu, logvar, steps=30, samples=1, generator=seeded()
    )
    assert torch.equal(all_[0], alone[0]) and not torch.equal(all_[1], alone[1])
    twice, _ = vae.refine(model, x, mu, logvar, steps=30, samples=1, generator=seeded())
    assert torch.equal(all_, twice)


def test_refine_slows_down_to_a_stop(seeded):
    """The step falls to nothing, so the noise of the gradient does not stay in q."""
    model, x = lg.draw(0), lg.observe(0)
    mu, logvar = lg.posterior(model, x).mean.detach(), torch.zeros(5, lg.K)
    found = [
        vae.refine(
            model, x, mu, logvar, steps=400, lr=0.1, samples=1, generator=seeded(i)
        )[0]
        for i in range(4)
    ]
    assert (torch.stack(found) - mu).square().mean().sqrt() < 0.05


def test_noise_is_a_draw_from_the_prior(seeded):
    eps = lg.draw(0).noise(3, 20_000, generator=seeded())
    assert eps.shape == (3, 20_000, lg.K)
    flat = eps.reshape(-1, lg.K)
    assert torch.allclose(flat.mean(0), torch.zeros(lg.K), atol=0.02)
    assert torch.allclose(flat.T.cov(), torch.eye(lg.K), atol=0.03)


def test_samples_have_the_mean_and_covariance_of_the_model(seeded):
    model, n = lg.draw(0), 40_000
    with torch.no_grad():
        x = model.sample(n, generator=seeded())
        w, b = model.decoder.weight, model.decoder.bias
        cov = w @ w.T
        assert ((x.mean(0) - b).abs() < 4 * (cov.diag() / n).sqrt()).all()
        assert torch.allclose(x.T.cov(), cov, atol=0.05)


# ---------------------------------------------------------------- the model for digits


@pytest.fixture
def model():
    torch.manual_seed(0)
    return vae.VAE(
        nets.mlp((1, 8, 8), 32, 6),
        nets.mlp(3, 32, (1, 8, 8)),
        latent=3,
        likelihood=vae.Binomial(),
    )


@pytest.fixture
def x():
    return data.digits().x_train[:20].double()


def test_shapes(model, x):
    mu, logvar = model.encode(x)
    assert mu.shape == logvar.shape == (20, 3)
    assert model.decode(mu).shape == x.shape
    assert model.log_likelihood(x, mu).shape == (20,)
    assert model.log_likelihood(x, mu.expand(7, 20, 3)).shape == (7, 20)
    assert model.elbo(x).shape == model.iwae(x, k=3).shape == (20,)
    assert model.sample(4).shape == (4, 1, 8, 8)
    assert 0 <= model.sample(4).min() and model.sample(4).max() <= 1


def test_log_likelihood_sums_over_pixels(model, x):
    z = draw(0, 20, 3)
    oracle = dist.Binomial(16, logits=model.decoder(z)).log_prob(x)
    assert torch.allclose(model.log_likelihood(x, z), oracle.sum((1, 2, 3)))


def test_log_likelihood_pairs_each_image_with_its_codes(model, x):
    z = draw(0, 7, 20, 3)
    got = model.log_likelihood(x, z)
    for s, i in [(0, 0), (3, 11), (6, 19)]:
        assert torch.allclose(
            got[s, i], model.log_likelihood(x[i : i + 1], z[s, i : i + 1])
        )


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_loss_is_recon_plus_beta_kl_meant_over_the_batch(model, x, beta, seeded):
    model.beta = beta
    terms = model.loss(x, generator=seeded())
    log_px_z, kl = vae.elbo(model, x, model.noise(20, generator=seeded()))
    assert set(terms) == {"loss", "recon", "kl"}
    assert all(t.shape == () and t >= 0 for t in terms.values())
    assert torch.allclose(terms["recon"], -log_px_z.sum() / 20)
    assert torch.allclose(terms["kl"], kl.sum() / 20)
    assert torch.allclose(terms["loss"], terms["recon"] + beta * terms["kl"])


def test_kl_of_the_model_is_kl_of_its_posterior(model, x):
    mu, logvar = model.encode(x)
    _, kl = vae.elbo(model, x, model.noise(20))
    q = dist.Normal(mu, (logvar / 2).exp())
    oracle = dist.kl_divergence(q, dist.Normal(0.0, 1.0))
    assert torch.allclose(kl, oracle.sum(1))


def test_randomness_is_passed_in(model, x, seeded):
    state = torch.get_rng_state()
    for draw_ in (
        lambda g: model.sample(3, generator=g),
        lambda g: model.elbo(x, generator=g),
        lambda g: model.iwae(x, k=2, generator=g),
        lambda g: model.loss(x, generator=g)["loss"],
        lambda g: vae.Binomial().sample(model.decoder(torch.ones(5, 3)), g),
    ):
        assert torch.equal(draw_(seeded(1)), draw_(seeded(1)))
        assert not torch.equal(draw_(seeded(1)), draw_(seeded(2)))
    assert torch.equal(state, torch.get_rng_state()), "the global generator was used"


def test_gradients_reach_every_parameter(model, x):
    model.loss(x)["loss"].backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all(), name
        assert p.grad.abs().sum() > 0, name


def test_the_kl_term_alone_trains_only_the_encoder(model, x):
    model.loss(x)["kl"].backward()
    assert all(p.grad.abs().sum() > 0 for p in model.encoder.parameters())
    assert all(p.grad is None for p in model.decoder.parameters())


def test_float32_and_float64_agree(model, x):
    z = draw(0, 20, 3)
    exact = model.log_likelihood(x, z)
    single = model.float().log_likelihood(x.float(), z.float())
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), exact, rtol=1e-5)


# ------------------------------------------------------------------------------ errors


def wrong_encoder():
    bad = vae.VAE(
        nn.Linear(4, 3), nn.Linear(2, 4), latent=2, likelihood=vae.Gaussian(1)
    )
    bad.encode(torch.zeros(5, 4))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: vae.Binomial(0), r"total: expected .* at least 1, got 0"),
        (lambda: vae.Gaussian(0.0), r"sigma: expected a positive .*, got 0"),
        (lambda: vae.Gaussian(math.nan), r"sigma: expected a positive .*, got nan"),
        (lambda: lg.draw(0).iwae(lg.observe(0), k=0), r"k: expected .*, got 0"),
        (lambda: lg.draw(0).sample(0), r"n: expected at least 1 .*, got 0"),
        (lambda: lg.draw(0).sample(-3), r"n: expected at least 1 .*, got -3"),
        (
            lambda: vae.VAE(None, None, latent=1, likelihood=None, beta=-1),
            r"beta: expected .* at least 0, got -1",
        ),
        (
            lambda: lg.draw(0).elbo(torch.zeros(0, lg.D)),
            r"x: expected finite images .*, one or more, got shape \(0, 4\)",
        ),
        (
            lambda: lg.draw(0).loss(torch.full((3, lg.D), math.nan)),
            r"x: expected finite images .*, got .* NaN",
        ),
        (
            lambda: lg.draw(0).iwae(torch.full((3, lg.D), math.inf), k=2),
            r"x: expected finite images .*, got .* inf",
        ),
        (
            lambda: vae.Binomial().log_prob(torch.tensor([0.5]), torch.zeros(1)),
            r"expected whole counts in 0 … 16, got 0.5 … 0.5, some not whole",
        ),
        (lambda: vae.Binomial(2.5), r"total: expected a whole count .*, got 2.5"),
        (
            lambda: vae.VAE(None, None, latent=0, likelihood=None),
            r"latent: expected at least 1 dimension, got 0",
        ),
        (
            lambda: vae.VAE(None, None, latent=1, likelihood=None, beta=math.nan),
            r"beta: expected .* at least 0, got nan",
        ),
        (
            lambda: vae.VAE(
                nets.mlp(4, 6), nets.mlp(2, 4), latent=3, likelihood=vae.Gaussian(1)
            ),
            r"decoder: expected one that takes codes of 3 numbers",
        ),
        (
            lambda: lg.draw(0).decode(torch.zeros(5, lg.K + 1)),
            rf"z: expected codes \(…, {lg.K}\), got \(5, {lg.K + 1}\)",
        ),
        (
            lambda: vae.refine(None, None, None, None, steps=0),
            r"expected steps and samples ≥ 1, got 0 and 8",
        ),
        (
            lambda: vae.refine(None, None, None, None, samples=0),
            r"expected steps and samples ≥ 1, got 300 and 0",
        ),
        (wrong_encoder, r"encoder: expected .*\(5, 4\), got \(5, 3\)"),
        (
            lambda: lg.draw(0).log_likelihood(torch.zeros(5, 3), torch.zeros(5, lg.K)),
            r"x: expected finite images of shape \(4,\), .* got shape \(5, 3\)",
        ),
        (
            lambda: vae.Binomial().log_prob(torch.tensor([-1.0]), torch.zeros(1)),
            r"expected whole counts in 0 … 16, got -1",
        ),
        (
            lambda: vae.Binomial().log_prob(torch.tensor([math.nan]), torch.zeros(1)),
            r"expected whole counts in 0 … 16, got nan",
        ),
        (
            lambda: vae.Bernoulli().log_prob(torch.tensor([2.0]), torch.zeros(1)),
            r"expected whole counts in 0 … 1, got 2",
        ),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
