"""linear_gaussian: every closed form against torch.distributions and quadrature."""

import math

import linear_gaussian as lg
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions as dist

from genbook import vae
from genbook.linear_gaussian import LinearGaussian

seeds = st.integers(0, 2**31 - 1)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair(seed: int) -> tuple[LinearGaussian, vae.VAE]:
    """Return the model, and the oracle of the unit tests with the same weights."""
    oracle = lg.draw(seed)
    torch.nn.init.zeros_(oracle.decoder.bias)
    return LinearGaussian(oracle.decoder.weight.detach(), lg.SIGMA), oracle


@given(seeds)
def test_log_prob_and_posterior_are_those_of_the_oracle(seed):
    (model, oracle), x = pair(seed), lg.observe(seed % 1000)
    assert torch.allclose(model.log_prob(x), lg.log_px(oracle, x), atol=1e-10)
    mean, cov = model.posterior(x)
    assert torch.allclose(mean, lg.posterior(oracle, x).mean, atol=1e-10)
    assert torch.allclose(cov, lg.posterior(oracle, x).covariance_matrix[0])


@given(seeds, st.floats(0.1, 4))
def test_elbo_and_gap_are_log_prob_for_any_q(seed, spread):
    (model, oracle), x = pair(seed), lg.observe(seed % 1000)
    mu, logvar = spread * draw(seed, 5, lg.K), spread * draw(seed + 1, 5, lg.K)
    elbo, gap = model.elbo(x, mu, logvar), model.gap(x, mu, logvar)
    assert elbo.shape == gap.shape == (5,) and (gap > 0).all()
    assert torch.allclose(elbo + gap, lg.log_px(oracle, x), rtol=1e-10, atol=1e-8)
    q = dist.MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
    exact = dist.kl_divergence(q, lg.posterior(oracle, x))
    assert torch.allclose(gap, exact, rtol=1e-9, atol=1e-9)


def test_log_likelihood_is_that_of_torch():
    model, _ = pair(3)
    x, z = draw(0, 5, lg.D), draw(1, 7, 5, lg.K)
    oracle = dist.Normal(z @ model.weight.T, lg.SIGMA).log_prob(x).sum(-1)
    assert torch.allclose(model.log_likelihood(x, z), oracle)


def test_one_dimension_against_the_integral():
    """log ∫ p(z) p(x|z) dz on a fine grid: no Gaussian identity is used."""
    model, z = LinearGaussian(torch.tensor([[1.3]]), 0.5), torch.linspace(-12, 12, 4001)
    log_joint = dist.Normal(0.0, 1.0).log_prob(z) + dist.Normal(1.3 * z, 0.5).log_prob(
        torch.tensor(0.9)
    )
    integral = torch.trapezoid(log_joint.exp(), z).log()
    assert torch.allclose(model.log_prob(torch.tensor([0.9])), integral, atol=1e-9)


def test_the_gap_closes_at_the_posterior_where_q_can_reach_it():
    """One code dimension: every posterior is a q."""
    model, x = LinearGaussian(draw(0, 6, 1), 0.7), draw(1, 5, 6)
    mean, cov = model.posterior(x)
    logvar = cov.log().expand(5, 1)
    assert torch.allclose(model.gap(x, mean, logvar), torch.zeros(5), atol=1e-12)
    assert torch.allclose(model.elbo(x, mean, logvar), model.log_prob(x))


@pytest.mark.parametrize(
    ("weight", "sigma", "got"),
    [
        (torch.zeros(3), 1.0, r"shape \(3,\)"),
        (torch.zeros(3, 2), 0.0, "and 0.0"),
        (torch.zeros(3, 2), math.nan, "and nan"),
        (torch.full((3, 2), math.inf), 1.0, r"shape \(3, 2\)"),
    ],
)
def test_bad_input_gets_a_sentence(weight, sigma, got):
    with pytest.raises(ValueError, match=r"expected finite loadings .*, got .*" + got):
        LinearGaussian(weight, sigma)
