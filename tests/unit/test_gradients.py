"""gradients: estimators against closed forms, exact enumeration and each other."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions as dist

from genbook import gradients, vae

seeds = st.integers(0, 2**31 - 1)
N = 200_000


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def agrees(estimates: torch.Tensor, exact: torch.Tensor, ses: float = 4.5) -> bool:
    """Say whether the mean over draws (S, …) is the exact one, within its error."""
    error = estimates.std(0) / len(estimates) ** 0.5
    assert (error > 0).all()  # else the line below would say nothing, or too much
    return bool(((estimates.mean(0) - exact).abs() < ses * error).all())


TARGET = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
MU = torch.tensor([0.3, 0.0, -1.0], dtype=torch.float64)
LOGVAR = torch.tensor([0.4, -1.0, 0.0], dtype=torch.float64)


def squared(z):
    return ((z - TARGET) ** 2).sum(-1)


# Σ (mu - target)² + σ² has these gradients over mu and over log σ².
EXACT = 2 * (MU - TARGET), LOGVAR.exp()


# --------------------------------------------------------------------- on a Gaussian


@pytest.mark.parametrize("baseline", [None, 0.0, 3.0, -20.0])
def test_both_estimators_are_unbiased(baseline):
    eps = draw(0, N, 3)
    if baseline is None:
        got = gradients.pathwise(squared, MU, LOGVAR, eps)
    else:
        got = gradients.score_function(squared, MU, LOGVAR, eps, baseline)
    for estimates, exact in zip(got, EXACT, strict=True):
        assert estimates.shape == (N, 3)
        assert agrees(estimates, exact)


@given(seeds)
def test_pathwise_is_autograd_through_the_draw(seed):
    mu, logvar = draw(seed, 4).requires_grad_(), draw(seed + 1, 4).requires_grad_()
    eps = draw(seed + 2, 1, 4)
    f = lambda z: (z.sin() * z.roll(1, -1)).sum(-1)  # noqa: E731
    z = vae.reparameterize(mu, logvar, eps)
    oracle = torch.autograd.grad(f(z).sum(), (mu, logvar))
    for a, b in zip(gradients.pathwise(f, mu, logvar, eps), oracle, strict=True):
        assert torch.allclose(a[0], b, atol=1e-12)


@given(seeds, st.floats(-5, 5))
def test_score_function_is_autograd_of_the_log_density(seed, baseline):
    mu, logvar = draw(seed, 4).requires_grad_(), draw(seed + 1, 4).requires_grad_()
    eps = draw(seed + 2, 1, 4)
    f = lambda z: (z > 0).double().sum(-1)  # noqa: E731, a staircase
    z = vae.reparameterize(mu, logvar, eps).detach()
    log_q = dist.Normal(mu, (logvar / 2).exp()).log_prob(z).sum()
    oracle = torch.autograd.grad((f(z) - baseline) * log_q, (mu, logvar))
    got = gradients.score_function(f, mu.detach(), logvar.detach(), eps, baseline)
    for a, b in zip(got, oracle, strict=True):
        assert torch.allclose(a[0], b, atol=1e-10)


def test_on_a_step_only_the_score_function_sees_a_slope():
    """E[z > 1] = Φ(mu - 1) at σ = 1 has slope φ(1) at mu = 0."""
    mu, logvar, eps = torch.zeros(1), torch.zeros(1), draw(0, N, 1)
    step = lambda z: (z > 1).double().sum(-1) + 0 * z.sum(-1)  # noqa: E731
    exact = torch.tensor([math.exp(-0.5) / math.sqrt(2 * math.pi)])
    assert agrees(gradients.score_function(step, mu, logvar, eps)[0], exact)
    assert (gradients.pathwise(step, mu, logvar, eps)[0] == 0).all()


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("which", ["none", "mean", "best"])
def test_variances_are_those_of_the_lessons_formulas(sigma, which):
    """f = (z - 2)² at mu = 0, so d = -2: pathwise 4σ²; best baseline 8d² + 6σ²."""
    mu, logvar = torch.zeros(1), torch.tensor([2 * math.log(sigma)])
    f = lambda z: (z[:, 0] - 2) ** 2  # noqa: E731
    eps, d2, v = draw(1, 4 * N, 1), 4.0, sigma**2
    b = {"none": 0.0, "mean": d2 + v, "best": d2 + 3 * v}[which]
    expected = {
        "none": d2**2 / v + 14 * d2 + 15 * v,
        "mean": 10 * v + 8 * d2,
        "best": 6 * v + 8 * d2,
    }[which]
    got = gradients.score_function(f, mu, logvar, eps, b)[0].var()
    assert torch.allclose(got, torch.tensor(expected), rtol=0.03)
    got = gradients.pathwise(f, mu, logvar, eps)[0].var()
    assert torch.allclose(got, torch.tensor(4 * v), rtol=0.01)


# ------------------------------------------------------------------------- baselines


@given(seeds, st.integers(1, 4))
def test_no_constant_beats_the_best_baseline(seed, p):
    """Σ (f - b)² ‖s‖² over the draws is a parabola in b, and this is its bottom."""
    values, s = draw(seed, 50).exp(), draw(seed + 1, 50, p)
    best = gradients.best_baseline(values, s)

    def second_moment(b):
        return (((values - b)[:, None] * s) ** 2).sum(1).mean()

    assert second_moment(best) < second_moment(best + 0.01)
    assert second_moment(best) < second_moment(best - 0.01)


def test_best_baseline_is_the_closed_form():
    """For f = (z - 2)² over mu it is d² + 3σ²."""
    sigma, eps = 0.7, draw(3, N, 1)
    values = (sigma * eps[:, 0] - 2) ** 2
    got = gradients.best_baseline(values, eps / sigma)
    assert torch.allclose(got, torch.tensor(4 + 3 * sigma**2), rtol=0.02)


@pytest.mark.parametrize("shape", [(2,), (5,), (4, 3)])
def test_leave_one_out_is_the_mean_of_the_others(shape):
    values = draw(0, *shape)
    got = gradients.leave_one_out(values)
    for i in range(len(values)):
        others = torch.cat([values[:i], values[i + 1 :]])
        assert torch.allclose(got[i], others.mean(0))


@pytest.mark.parametrize("n", [2, 5])
def test_leave_one_out_keeps_the_estimate_unbiased(n):
    eps = draw(0, N, n)  # N estimates of n draws each
    values = (eps - 2) ** 2
    baseline = gradients.leave_one_out(values.T).T
    assert agrees(((values - baseline) * eps).mean(1), torch.tensor(-4.0))
    shared = ((values - values.mean(1, keepdim=True)) * eps).mean(1)
    assert agrees(shared, torch.tensor(-4.0 * (1 - 1 / n)))  # with its own draw in it


def test_surrogate_is_the_value_and_has_both_gradients():
    """Over the distribution by score, over what is inside f by autograd."""
    mu, inside = torch.tensor([0.5], requires_grad=True), torch.tensor([2.0])
    inside.requires_grad_()
    eps, baseline = draw(0, 1000, 1), draw(1, 1000)
    z = (mu + eps).detach()
    values = ((z - inside) ** 2).sum(-1)
    log_q = dist.Normal(mu, 1.0).log_prob(z).sum(-1)
    surrogate = gradients.score_surrogate(values, log_q, baseline)
    assert torch.equal(surrogate, values)
    d_mu, d_inside = torch.autograd.grad(surrogate.mean(), (mu, inside))
    weight = (values - baseline)[:, None].detach()
    assert torch.allclose(d_mu, (weight * (z - mu)).mean(0))
    assert torch.allclose(d_inside, (-2 * (z - inside)).mean(0))


# ------------------------------------------------------------------------ categories

LOGITS = torch.tensor([0.5, -1.0, 0.0, 1.2], dtype=torch.float64)
PRICE = torch.tensor([1.0, 4.0, -2.0, 0.5], dtype=torch.float64)


def cost(onehot):
    return (onehot @ PRICE) ** 2


def exact_gradient():
    """Return ∇ Σ_c p_c cost(c) over the logits, by enumeration: p_c (cost_c - E)."""
    p, costs = LOGITS.softmax(0), cost(torch.eye(4))
    return p * (costs - (p * costs).sum())


def test_gumbel_noise_is_gumbel(seeded):
    noise = gradients.gumbel(N, generator=seeded())
    assert abs(noise.mean() - 0.5772156649) < 0.02  # Euler's constant
    assert abs(noise.var() - math.pi**2 / 6) < 0.02
    assert torch.equal(noise, gradients.gumbel(N, generator=seeded()))
    u = dist.Gumbel(0.0, 1.0).cdf(noise).sort().values
    assert (u - torch.linspace(0, 1, N)).abs().max() < 0.006  # Kolmogorov


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_the_largest_entry_is_a_draw_from_the_softmax(temperature, seeded):
    noise = gradients.gumbel(N, 4, generator=seeded())
    soft = gradients.gumbel_softmax(LOGITS, noise, temperature)
    assert torch.allclose(soft.sum(-1), torch.ones(N))
    share = soft.argmax(-1).bincount(minlength=4) / N
    p = LOGITS.softmax(0)
    assert ((share - p).abs() < 4.5 * (p * (1 - p) / N).sqrt()).all()


@pytest.mark.parametrize("temperature", [0.3, 0.7, 2.0])
def test_gumbel_softmax_is_the_relaxed_one_hot_categorical(temperature, seeded):
    """Its density is torch's: equal averages of a test function, on equal draws."""
    noise = gradients.gumbel(N, 4, generator=seeded())
    soft = gradients.gumbel_softmax(LOGITS, noise, temperature)
    torch.manual_seed(1)
    oracle = dist.RelaxedOneHotCategorical(torch.tensor(temperature), logits=LOGITS)
    theirs = oracle.sample((N,))
    for f in (cost, lambda y: (y**2).sum(-1)):
        a, b = f(soft), f(theirs)
        error = ((a.var() + b.var()) / N).sqrt()
        assert abs(a.mean() - b.mean()) < 4.5 * error


def test_gumbel_softmax_hardens_as_it_cools(seeded):
    noise = gradients.gumbel(1000, 4, generator=seeded())
    hard = torch.nn.functional.one_hot((LOGITS + noise).argmax(-1), 4).double()
    apart = [
        (gradients.gumbel_softmax(LOGITS, noise, t) - hard).abs().sum(-1).mean()
        for t in (10.0, 1.0, 0.1, 0.01)
    ]
    assert apart == sorted(apart, reverse=True) and apart[-1] < 0.01


def test_straight_through_is_hard_forwards_and_soft_backwards():
    logits = draw(0, 7, 4).requires_grad_()
    soft = logits.softmax(-1)
    hard = gradients.straight_through(soft)
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    assert (hard.sum(-1) == 1).all() and torch.equal(hard.argmax(-1), soft.argmax(-1))
    weights = draw(1, 7, 4)
    got = torch.autograd.grad((hard * weights).sum(), logits, retain_graph=True)
    expected = torch.autograd.grad((soft * weights).sum(), logits)
    assert torch.allclose(got[0], expected[0])


def test_score_surrogate_is_unbiased_for_categories(seeded):
    logits = LOGITS.expand(N, 4).clone().requires_grad_()
    c = torch.multinomial(LOGITS.softmax(0), N, replacement=True, generator=seeded())
    costs = cost(torch.eye(4)[c])
    log_p = logits.log_softmax(-1).gather(1, c[:, None])[:, 0]
    surrogate = gradients.score_surrogate(costs, log_p, 2.0)
    (each,) = torch.autograd.grad(surrogate.sum(), logits)
    assert agrees(each, exact_gradient())


@pytest.mark.parametrize("hard", [False, True])
def test_relaxations_are_biased_on_a_curved_cost(hard, seeded):
    logits = LOGITS.expand(N, 4).clone().requires_grad_()
    noise = gradients.gumbel(N, 4, generator=seeded())
    y = gradients.gumbel_softmax(logits, noise, 1.0)
    y = gradients.straight_through(y) if hard else y
    (each,) = torch.autograd.grad(cost(y).sum(), logits)
    assert not agrees(each, exact_gradient(), ses=20)


# -------------------------------------------------------------------------- implicit


def test_implicit_is_the_explicit_path_for_a_gaussian():
    mu, logvar = torch.tensor(0.4, requires_grad=True), torch.tensor(-0.6)
    logvar.requires_grad_()
    eps = draw(0, 50)
    z = vae.reparameterize(mu, logvar, eps)
    again = gradients.implicit(lambda z: dist.Normal(mu, (logvar / 2).exp()).cdf(z), z)
    assert torch.equal(again, z.detach())
    weights = draw(1, 50)
    got = torch.autograd.grad((weights * again.sin()).sum(), (mu, logvar))
    expected = torch.autograd.grad((weights * z.sin()).sum(), (mu, logvar))
    for a, b in zip(got, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-9)


def test_implicit_is_unbiased_for_a_mixture(seeded):
    """E[z²] = Σ p (m² + s²), whose gradients over logits and means are known."""
    logits = torch.tensor([0.3, -0.5], requires_grad=True)
    means, s = torch.tensor([-1.0, 1.5], requires_grad=True), torch.tensor([0.5, 0.8])

    def cdf(z):
        parts = torch.special.ndtr((z[:, None] - means) / s)
        return (logits.softmax(0) * parts).sum(-1)

    p = logits.softmax(0).detach()
    c = torch.multinomial(p, N, replacement=True, generator=seeded())
    z = means.detach()[c] + s[c] * draw(7, N)
    exact = torch.autograd.grad(
        (logits.softmax(0) * (means**2 + s**2)).sum(), (logits, means)
    )
    batches = z.reshape(200, -1)
    got = [
        torch.autograd.grad((gradients.implicit(cdf, b) ** 2).mean(), (logits, means))
        for b in batches
    ]
    for estimates, target in zip(zip(*got, strict=True), exact, strict=True):
        assert agrees(torch.stack(estimates), target)


# ---------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: gradients.pathwise(torch.sin, MU, LOGVAR, torch.zeros(5, 3)),
            r"f: expected one value a draw, \(5,\), got \(5, 3\)",
        ),
        (
            lambda: gradients.score_function(torch.sum, MU, LOGVAR, torch.zeros(5, 3)),
            r"f: expected one value a draw, \(5,\), got \(\)",
        ),
        (
            lambda: gradients.leave_one_out(torch.ones(1)),
            r"values: expected at least 2 draws, got 1",
        ),
        (
            lambda: gradients.gumbel_softmax(LOGITS, LOGITS, 0.0),
            r"temperature: expected one above 0, got 0",
        ),
        (
            lambda: gradients.gumbel_softmax(LOGITS, LOGITS, math.nan),
            r"temperature: expected one above 0, got nan",
        ),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
