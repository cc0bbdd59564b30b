"""The forward half of diffusion: schedules, the closed jump, one step back given x0."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genbook import data, diffusion

SCHEDULES = [diffusion.linear, diffusion.cosine, diffusion.sigmoid]


@pytest.fixture(params=SCHEDULES, ids=lambda f: f.__name__)
def schedule(request):
    return request.param


def times(t, n=1):
    return torch.full((n,), t)


# ---- Schedules -----------------------------------------------------------------------


@pytest.mark.parametrize("T", [1, 2, 10, 1000])
def test_a_schedule_falls_from_one_in_float64(schedule, T):
    torch.set_default_dtype(torch.float32)  # whatever the default is
    alpha_bar = schedule(T)
    assert alpha_bar.shape == (T + 1,) and alpha_bar.dtype == torch.float64
    assert alpha_bar[0] == 1 and alpha_bar[-1] > 0
    assert (alpha_bar.diff() < 0).all()
    beta = diffusion.betas(alpha_bar)
    assert beta[0] == 0 and (beta[1:] > 0).all() and (beta <= 0.999 + 1e-12).all()
    assert torch.allclose((1 - beta).cumprod(0), alpha_bar, rtol=1e-12, atol=0)


def test_linear_is_that_of_the_paper():
    """Ho et al. 2020: 1000 betas from 1e-4 to 0.02, which leave ᾱ_T at 4e-5."""
    alpha_bar = diffusion.linear(1000)
    beta = diffusion.betas(alpha_bar)[1:]
    assert torch.allclose(beta, torch.linspace(1e-4, 0.02, 1000), rtol=1e-9)
    assert math.isclose(alpha_bar[-1], 4.0358e-5, rel_tol=1e-4)
    two = diffusion.linear(2, beta_1=0.1, beta_T=0.3)
    assert torch.allclose(two, torch.tensor([1, 0.9, 0.63]))


def test_cosine_is_that_of_the_paper():
    """Nichol & Dhariwal 2021, eq. 17: f(t)/f(0), f = cos², beta cut at 0.999."""
    T, s = 1000, 0.008
    f = [math.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2 for t in range(T + 1)]
    alpha_bar = diffusion.cosine(T)
    expected = torch.tensor(f[:-1]) / f[0]
    assert torch.allclose(alpha_bar[:-1], expected, rtol=1e-9)
    assert math.isclose(diffusion.betas(alpha_bar)[-1], 0.999, rel_tol=1e-9)
    # s was chosen so that √beta_1 is a little less than one of 256 grey levels
    first = diffusion.betas(alpha_bar)[1].sqrt()
    assert 1 / 255 < first < 1 / 127.5
    assert (diffusion.cosine(T, s=0.1)[1:] < alpha_bar[1:])[:500].all()


def test_sigmoid_is_that_of_the_paper():
    """Jabri et al. 2022: (σ(end) - σ(u)) / (σ(end) - σ(start)), σ the sigmoid."""
    T, start, end, tau = 100, -2.0, 4.0, 0.7

    def sigma(u):
        return 1 / (1 + math.exp(-u / tau))

    u = [start + (end - start) * t / T for t in range(T)]
    span = sigma(end) - sigma(start)
    expected = torch.tensor([(sigma(end) - sigma(v)) / span for v in u])
    alpha_bar = diffusion.sigmoid(T, start=start, end=end, tau=tau)
    assert torch.allclose(alpha_bar[:-1], expected, rtol=1e-9)
    assert math.isclose(diffusion.betas(alpha_bar)[-1], 0.999, rel_tol=1e-9)
    # the default is symmetric, and a large tau a straight line
    even = diffusion.sigmoid(1000)
    assert torch.allclose(even + even.flip(0), torch.ones(1001), atol=1e-6)
    straight = diffusion.sigmoid(1000, tau=1e3)
    assert torch.allclose(straight, torch.linspace(1, 0, 1001), atol=2e-6)


def test_snr_is_signal_over_noise(schedule):
    alpha_bar = schedule(50)
    snr = diffusion.snr(alpha_bar)
    assert snr[0] == math.inf and (snr.diff() < 0).all()
    # log SNR is the logit of ᾱ
    assert torch.allclose(snr[1:].log().sigmoid(), alpha_bar[1:], rtol=1e-12)


# ---- The closed jump -----------------------------------------------------------------


def test_one_jump_is_t_small_steps_exactly(schedule):
    """Mean and variance by recursion: x_t = √(1 - β_t) x_{t-1} + √β_t ε."""
    alpha_bar = schedule(200)
    mean, var = 1.0, 0.0  # of x_t, in units of x0
    one = torch.ones(1)
    for t, beta in enumerate(diffusion.betas(alpha_bar).tolist()[1:], 1):
        mean, var = math.sqrt(1 - beta) * mean, (1 - beta) * var + beta
        jump = diffusion.q_sample(one, times(t), 0 * one, alpha_bar)
        spread = diffusion.q_sample(0 * one, times(t), one, alpha_bar)
        assert math.isclose(jump, mean, rel_tol=1e-10)
        assert math.isclose(spread**2, var, rel_tol=1e-10)


def test_one_jump_is_t_small_steps_by_simulation(schedule, seeded):
    n, T, x0 = 40_000, 25, 0.7
    alpha_bar, generator = schedule(T), seeded()
    x = torch.full((n,), x0)
    for beta in diffusion.betas(alpha_bar)[1:21]:
        x = (1 - beta).sqrt() * x + beta.sqrt() * torch.randn(n, generator=generator)
    one = torch.ones(1)
    mean = x0 * diffusion.q_sample(one, times(20), 0 * one, alpha_bar)
    sd = diffusion.q_sample(0 * one, times(20), one, alpha_bar)
    assert abs(x.mean() - mean) < 4 * sd / n**0.5
    assert abs(x.var() / sd**2 - 1) < 4 * (2 / n) ** 0.5


@given(t=st.integers(1, 100))
def test_variance_is_preserved(t):
    """Data of variance 1 keep it: the squares of both factors add up to 1."""
    for schedule in SCHEDULES:
        one, zero = torch.ones(1), torch.zeros(1)
        signal = diffusion.q_sample(one, times(t), zero, schedule(100))
        noise = diffusion.q_sample(zero, times(t), one, schedule(100))
        assert math.isclose(signal**2 + noise**2, 1, rel_tol=1e-12)


def test_each_example_has_its_own_time(seeded):
    alpha_bar = diffusion.cosine(10)
    x0, eps = torch.randn(2, 3, 1, 4, 4, generator=seeded())
    t = torch.tensor([1, 10, 4])
    x_t = diffusion.q_sample(x0, t, eps, alpha_bar)
    for i, time in enumerate(t.tolist()):
        ab = alpha_bar[time]
        assert torch.allclose(x_t[i], ab.sqrt() * x0[i] + (1 - ab).sqrt() * eps[i])


def test_float32_data_stay_float32_and_keep_their_digits():
    """1 - ᾱ_1 = 1e-4 would lose three digits if ᾱ itself were rounded."""
    x0, eps = torch.zeros(1, 2).float(), torch.ones(1, 2).float()
    x_t = diffusion.q_sample(x0, times(1), eps, diffusion.linear(1000))
    assert x_t.dtype == torch.float32
    assert torch.allclose(x_t, torch.full((1, 2), 0.01).float(), rtol=1e-6)


# ---- One step back -------------------------------------------------------------------


@pytest.mark.parametrize("t", [2, 5, 12, 20])
def test_posterior_is_bayes_on_a_grid(schedule, t):
    """q(x_{t-1} | x_t, x0) ∝ q(x_t | x_{t-1}) q(x_{t-1} | x0)."""
    alpha_bar = schedule(20)
    beta, before = diffusion.betas(alpha_bar)[t], alpha_bar[t - 1]
    x0, x_t = 0.8, -0.5
    x = torch.linspace(-12, 12, 400_001)
    log_step = -((x_t - (1 - beta).sqrt() * x) ** 2) / (2 * beta)
    log_jump = -((x - before.sqrt() * x0) ** 2) / (2 * (1 - before))
    p = (log_step + log_jump).softmax(0)
    mean = (p * x).sum()
    got, var = diffusion.q_posterior(
        torch.tensor([x_t]), torch.tensor([x0]), times(t), alpha_bar
    )
    assert math.isclose(got, mean, rel_tol=1e-6, abs_tol=1e-9)
    assert math.isclose(var, (p * (x - mean) ** 2).sum(), rel_tol=1e-5)


def test_posterior_at_the_first_step_is_x0(schedule, seeded):
    x0, x_t = torch.randn(2, 5, 1, 2, 2, generator=seeded())
    mean, var = diffusion.q_posterior(x_t, x0, times(1, 5), schedule(30))
    assert torch.allclose(mean, x0) and var.shape == (5, 1, 1, 1) and (var == 0).all()


def test_a_step_back_returns_to_the_law_before(schedule):
    """x_t from x0, then x_{t-1} from both: mean √ᾱ_{t-1} x0, variance 1 - ᾱ_{t-1}."""
    alpha_bar = schedule(40)
    t = torch.arange(1, 41)
    ab, before = alpha_bar[1:], alpha_bar[:-1]
    x0, zero = torch.full((40,), 1.3), torch.zeros(40)
    mean, var = diffusion.q_posterior(ab.sqrt() * x0, x0, t, alpha_bar)
    slope, _ = diffusion.q_posterior(zero + 1, zero, t, alpha_bar)  # of the mean in x_t
    assert torch.allclose(mean, before.sqrt() * x0)
    assert torch.allclose(slope**2 * (1 - ab) + var, 1 - before)


def test_fewer_steps_are_a_subset_of_the_schedule(schedule):
    """alpha_bar[times] is a schedule, with the same law at the times it visits."""
    alpha_bar = schedule(100)
    short = alpha_bar[[0, 10, 50, 100]]
    x0, eps = torch.randn(2, 3, 2)
    long = diffusion.q_sample(x0, torch.tensor([10, 50, 100]), eps, alpha_bar)
    assert torch.equal(diffusion.q_sample(x0, torch.arange(1, 4), eps, short), long)


def test_the_mixtures_posterior_mean_is_the_least_squares_answer(seeded):
    """E[x0 | x_t] by hand: simulate with q_sample, average x0 over a thin slice."""
    mixture, alpha_bar = data.mixture_1d(), diffusion.cosine(100)
    n = 400_000
    x0 = mixture.sample(n, generator=seeded())
    eps = torch.randn(n, 1, generator=seeded(1))
    x_t = diffusion.q_sample(x0, times(50, n), eps, alpha_bar)
    for centre in (-1.0, 0.2, 1.5):
        x = torch.full((1, 1), centre)
        near = x0[(x_t - centre).abs() < 0.02]
        exact = mixture.posterior_mean(x, alpha_bar[50])
        assert abs(near.mean() - exact) < 4 * near.std() / len(near) ** 0.5 + 0.01


# ---- Bad input gets a sentence -------------------------------------------------------


@pytest.mark.parametrize("T", [0, -3, 2.5, True, None])
def test_a_bad_number_of_steps(schedule, T):
    with pytest.raises(ValueError, match="T: expected a whole number of at least 1"):
        schedule(T)


@pytest.mark.parametrize(
    "make",
    [
        lambda: diffusion.linear(10, beta_1=0.0),
        lambda: diffusion.linear(10, beta_T=1.0),
        lambda: diffusion.linear(10, beta_1=0.3, beta_T=0.2),
        lambda: diffusion.linear(10, beta_1=math.nan),
        lambda: diffusion.cosine(10, s=-0.1),
        lambda: diffusion.cosine(10, s=math.nan),
        lambda: diffusion.sigmoid(10, start=1, end=1),
        lambda: diffusion.sigmoid(10, tau=0),
        lambda: diffusion.sigmoid(10, end=math.inf),
    ],
)
def test_bad_end_points(make):
    with pytest.raises(ValueError, match=r"expected .*, got .*"):
        make()


@pytest.mark.parametrize(
    "values", [[1.0], [[1.0, 0.5]], [0.9, 0.5], [1, 0.5, 0.5], [1, -0.1], [1, math.nan]]
)
def test_a_bad_schedule(values):
    alpha_bar, x = torch.tensor(values), torch.zeros(1, 2)
    for call in (
        lambda: diffusion.betas(alpha_bar),
        lambda: diffusion.snr(alpha_bar),
        lambda: diffusion.q_sample(x, times(1), x, alpha_bar),
        lambda: diffusion.q_posterior(x, x, times(1), alpha_bar),
    ):
        with pytest.raises(ValueError, match="alpha_bar: expected"):
            call()


@pytest.mark.parametrize(
    "t",
    [
        torch.tensor([0, 1]),
        torch.tensor([1, 11]),
        torch.tensor([1]),
        torch.tensor([[1], [2]]),
        torch.tensor([1.0, 2.0]),
        torch.tensor([1, 2], dtype=torch.int32),
    ],
)
def test_bad_times(t):
    alpha_bar, x = diffusion.cosine(10), torch.zeros(2, 3)
    for call in (diffusion.q_sample, diffusion.q_posterior):
        args = (x, t, x) if call is diffusion.q_sample else (x, x, t)
        with pytest.raises(ValueError, match="t: expected"):
            call(*args, alpha_bar)


def test_shapes_that_would_broadcast_and_counts():
    alpha_bar, x = diffusion.cosine(10), torch.zeros(2, 3)
    with pytest.raises(ValueError, match="x0 and eps: expected the same shape"):
        diffusion.q_sample(x, times(1, 2), x[:1], alpha_bar)
    with pytest.raises(ValueError, match="x_t and x0: expected the same shape"):
        diffusion.q_posterior(x, x[:1], times(1, 2), alpha_bar)
    with pytest.raises(ValueError, match="floating point"):
        diffusion.q_sample(x.long(), times(1, 2), x.long(), alpha_bar)
