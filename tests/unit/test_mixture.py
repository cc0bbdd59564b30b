"""mixture: densities, EM and conditioning against torch, scikit-learn and a grid."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions as dist

from genbook import mixture

seeds = st.integers(0, 2**31 - 1)


def some(seed: int, k: int, d: int) -> mixture.GaussianMixture:
    """Return a random mixture of k correlated Gaussians in d dimensions."""
    g = torch.Generator().manual_seed(seed)
    a = torch.randn(k, d, d, generator=g)
    weights = torch.rand(k, generator=g) + 0.1
    covs = a @ a.mT + 0.2 * torch.eye(d)
    means = 2 * torch.randn(k, d, generator=g)
    return mixture.GaussianMixture(weights / weights.sum(), means, covs)


def points(seed: int, *shape: int) -> torch.Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(seeds, st.integers(1, 4), st.integers(1, 5))
def test_density_is_that_of_torch(seed, k, d):
    m, x = some(seed, k, d), points(seed + 1, 6, d)
    parts = dist.MultivariateNormal(m.means, m.covs)
    oracle = dist.MixtureSameFamily(dist.Categorical(m.weights), parts)
    assert torch.allclose(m.log_prob(x), oracle.log_prob(x), atol=1e-8)
    each = parts.log_prob(x[:, None])
    assert torch.allclose(mixture.log_normal(x, m.means, m.covs), each, atol=1e-8)


@given(seeds, st.integers(1, 4))
def test_posterior_is_bayes_rule(seed, k):
    m, x = some(seed, k, 3), points(seed + 1, 6, 3)
    joint = m.weights * mixture.log_normal(x, m.means, m.covs).exp()
    expected = joint / joint.sum(-1, keepdim=True)
    assert torch.allclose(m.posterior(x), expected, atol=1e-10)


@pytest.mark.parametrize("k", [1, 3])
def test_em_step_is_that_of_scikit_learn(k):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    start, x = some(5, k, 3), points(1, 200, 3)
    for steps in (1, 7):
        oracle = GaussianMixture(
            k, max_iter=steps, tol=0, reg_covar=0.01,
            weights_init=start.weights.numpy(),
            means_init=start.means.numpy(),
            precisions_init=torch.linalg.inv(start.covs).numpy(),
        )  # fmt: skip
        with pytest.warns(ConvergenceWarning):
            oracle.fit(x.numpy())
        now = start.weights, start.means, start.covs
        for _ in range(steps):
            now = mixture.em_step(x, *now, 0.01 * torch.eye(3))
        theirs = oracle.weights_, oracle.means_, oracle.covariances_
        for ours, expected in zip(now, theirs, strict=True):
            assert torch.allclose(ours, torch.as_tensor(expected), atol=1e-8)


@given(seeds)
def test_em_without_a_floor_never_lowers_the_likelihood(seed):
    x = torch.cat([points(seed, 60, 2), points(seed + 1, 60, 2) + 3])
    _, history = mixture.fit(x, x[:3], floor=torch.zeros(2, 2), steps=12)
    assert len(history) == 12
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(history))


def test_fit_of_one_component_is_the_closed_form():
    """Its first step lands on the mean and covariance, and stays."""
    x = points(0, 50, 3)
    floor = 0.3 * torch.eye(3)
    m, history = mixture.fit(x, x[:1], floor=floor, steps=3)
    assert torch.allclose(m.means[0], x.mean(0))
    assert torch.allclose(m.covs[0], torch.cov(x.T, correction=0) + floor)
    start = dist.MultivariateNormal(x[0], x.var(0).mean() * torch.eye(3) + floor)
    assert history[0] == pytest.approx(-float(start.log_prob(x).mean()))


def test_fit_finds_the_mixture_it_was_drawn_from():
    true = mixture.GaussianMixture(
        torch.tensor([0.3, 0.7]),
        torch.tensor([[-3.0, 0.0], [3.0, 1.0]]),
        torch.tensor([[[1.0, 0.5], [0.5, 0.6]], [[0.4, 0.0], [0.0, 1.2]]]),
    )
    x = true.sample(20_000, generator=torch.Generator().manual_seed(0))
    m, _ = mixture.fit(
        x, x.new_tensor([[-1, 0], [1, 0]]), floor=x.new_zeros(2, 2), steps=60
    )
    assert torch.allclose(m.weights, true.weights, atol=0.02)
    assert torch.allclose(m.means, true.means, atol=0.05)
    assert torch.allclose(m.covs, true.covs, atol=0.05)


@given(seeds, st.integers(1, 3))
def test_condition_is_joint_over_marginal(seed, k):
    """log p(a | b) = log p(a, b) - log p(b), for any mask, at any point."""
    m, x = some(seed, k, 4), points(seed + 1, 1, 4)[0]
    for bits in range(1, 15):
        seen = torch.tensor([bool(bits >> i & 1) for i in range(4)])
        rest = m.condition(x, seen).log_prob(x[None, ~seen])
        whole = m.log_prob(x[None]) - m.marginal(seen).log_prob(x[None, seen])
        assert torch.allclose(rest, whole, atol=1e-7)


def test_condition_against_a_grid():
    """The moments of p(a | b), by sums over a fine grid of a."""
    m = some(3, 3, 2)
    x, seen = torch.tensor([math.nan, 0.4]), torch.tensor([False, True])
    grid = torch.linspace(-30, 30, 20_001)
    joint = m.log_prob(torch.stack([grid, torch.full_like(grid, 0.4)], -1)).exp()
    p = joint / joint.sum()
    mean = p @ grid
    given_b = m.condition(x, seen)
    assert torch.allclose(given_b.mean()[0], mean, atol=1e-6)
    second = given_b.weights @ (given_b.covs[:, 0, 0] + given_b.means[:, 0] ** 2)
    assert torch.allclose(second, p @ grid**2, atol=1e-5)


def test_samples_have_the_moments():
    m = some(1, 3, 2)
    x = m.sample(200_000, generator=torch.Generator().manual_seed(0))
    spread = m.means - m.mean()
    cov = torch.einsum(
        "k,kij->ij", m.weights, m.covs + spread[..., None] * spread[:, None]
    )
    assert torch.allclose(x.mean(0), m.mean(), atol=0.03)
    assert torch.allclose(torch.cov(x.T), cov, atol=0.1)
    again = m.sample(5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again, m.sample(5, generator=torch.Generator().manual_seed(0)))


def test_density_has_units():
    m, x = some(0, 2, 3), points(1, 4, 3)
    scaled = mixture.GaussianMixture(m.weights, m.means / 16, m.covs / 256)
    gain = scaled.log_prob(x / 16) - m.log_prob(x)
    assert torch.allclose(gain, torch.full((4,), 3 * math.log(16)))


def test_bad_input_gets_a_sentence():
    m = some(0, 2, 3)
    with pytest.raises(ValueError, match=r"expected weights \(K,\)"):
        mixture.GaussianMixture(m.weights[:1], m.means, m.covs)
    with pytest.raises(ValueError, match="sum 1"):
        mixture.GaussianMixture(2 * m.weights, m.means, m.covs)
    with pytest.raises(ValueError, match="sum 1"):
        mixture.GaussianMixture(torch.tensor([-1.0, 2.0]), m.means, m.covs)
    with pytest.raises(ValueError, match=r"shape \(N, 3\)"):
        m.log_prob(torch.zeros(3))
    with pytest.raises(ValueError, match="at least 1"):
        m.sample(0)
    for seen in (torch.ones(3), torch.ones(3).bool(), torch.zeros(3).bool()):
        with pytest.raises(ValueError, match="mask"):
            m.condition(torch.zeros(3), seen)
    with pytest.raises(ValueError, match="fit expects"):
        mixture.fit(torch.zeros(4, 2), torch.zeros(2, 3), floor=torch.eye(2), steps=1)
    with pytest.raises(ValueError, match="steps"):
        mixture.fit(torch.zeros(4, 2), torch.zeros(2, 2), floor=torch.eye(2), steps=0)
    with pytest.raises(torch.linalg.LinAlgError):
        mixture.log_normal(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2, 2))
