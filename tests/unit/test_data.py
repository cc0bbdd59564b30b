"""data: the split is what it says, and a mixture's answers agree with each other."""

import hashlib
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import distributions as dist

from genbook import data

F64 = torch.float64
seeds = st.integers(0, 2**31 - 1)


def draw_mixture(seed: int, dims: int) -> data.Mixture:
    g = torch.Generator().manual_seed(seed)
    k = int(torch.randint(1, 6, (), generator=g))
    means = 3 * torch.randn(k, dims, generator=g, dtype=F64)
    sigmas = 0.2 + torch.rand(k, generator=g, dtype=F64)
    weights = torch.rand(k, generator=g, dtype=F64) + 0.1
    return data.Mixture(means, sigmas, weights / weights.sum())


def draw_points(seed: int, *shape: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed + 1)
    return 3 * torch.randn(*shape, generator=g, dtype=F64)


# ---------------------------------------------------------------------------- digits


@pytest.fixture(scope="module")
def digits():
    return data.digits()


def keys(x, y):
    """Return each image with its label as bytes, to compare sets of them."""
    rows = torch.cat([x.reshape(len(x), 64), y[:, None]], 1).to(torch.uint8)
    return [bytes(r.tolist()) for r in rows]


def test_digits_shapes_and_dtypes(digits):
    assert [tuple(t.shape) for t in digits] == [
        (1437, 1, 8, 8),
        (1437,),
        (360, 1, 8, 8),
        (360,),
    ]
    assert digits.x_train.dtype == digits.x_test.dtype == torch.float32
    assert digits.y_train.dtype == digits.y_test.dtype == torch.int64


def test_digits_are_whole_counts_from_0_to_16(digits):
    x = torch.cat([digits.x_train, digits.x_test])
    assert set(x.unique().tolist()) == set(range(17))


def test_split_is_complete_and_disjoint_and_labels_stay_with_images(digits):
    x, y = load_digits(return_X_y=True)
    every = keys(torch.tensor(x), torch.tensor(y))
    train, test = keys(*digits[:2]), keys(*digits[2:])
    # All 1,797 pictures differ, so equal sets of equal size mean: each exactly once.
    assert len(set(every)) == 1797 == len(train) + len(test)
    assert set(train) | set(test) == set(every)
    assert not set(train) & set(test)


def test_split_is_stratified(digits):
    total = torch.cat([digits.y_train, digits.y_test]).bincount()
    share = digits.y_test.bincount() - total * 360 / 1797
    assert share.abs().max() < 1


def test_split_forgets_the_order_of_the_source(digits):
    x, y = load_digits(return_X_y=True)
    place = {k: i for i, k in enumerate(keys(torch.tensor(x), torch.tensor(y)))}
    for part in (digits[:2], digits[2:]):
        was = torch.tensor([place[k] for k in keys(*part)], dtype=F64)
        now = torch.arange(len(was), dtype=F64)
        assert torch.corrcoef(torch.stack([was, now]))[0, 1].abs() < 0.15


def test_split_never_changes(digits):
    """Every number in the book is measured on this split: it is pinned by a digest."""
    digest = hashlib.sha256()
    for t in digits:
        digest.update(bytes(t.to(torch.uint8).flatten().tolist()))
    assert digest.hexdigest() == (
        "28d636f2f47ec885bab6c1d883c883cd3f85cb5f6d0f1457558c6b672cc71adf"
    )


def test_digits_come_fresh_each_time():
    first = data.digits()
    first.x_train.zero_()
    assert data.digits().x_train.sum() > 0


def test_signed_and_counts_are_inverse():
    counts = torch.arange(17.0)
    x = data.to_signed(counts)
    assert x[0] == -1 and x[8] == 0 and x[16] == 1
    assert torch.equal(data.to_counts(x), counts)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=20))
def test_to_counts_gives_the_nearest_count(values):
    x = torch.tensor(values, dtype=F64)
    counts = data.to_counts(x)
    nearest = (x[:, None] - (torch.arange(17, dtype=F64) / 8 - 1)).abs().amin(1)
    assert torch.allclose((x - data.to_signed(counts)).abs(), nearest)


# --------------------------------------------------------------------------- mixture


@given(seeds, st.integers(1, 4))
def test_log_prob_is_that_of_torch_distributions(seed, dims):
    m, x = draw_mixture(seed, dims), draw_points(seed, 7, dims)
    parts = dist.Independent(dist.Normal(m.means, m.sigmas[:, None]), 1)
    oracle = dist.MixtureSameFamily(dist.Categorical(m.weights), parts)
    assert torch.allclose(m.log_prob(x), oracle.log_prob(x), atol=1e-12)


@given(seeds)
def test_log_prob_integrates_to_one_on_a_line(seed):
    x = torch.linspace(-30, 30, 6001, dtype=F64)[:, None]
    p = draw_mixture(seed, 1).log_prob(x).exp()
    assert abs(torch.trapezoid(p, x[:, 0]) - 1) < 1e-9


@pytest.mark.parametrize("mixture", [data.ring(sigma=0.3), data.grid(3, sigma=0.2)])
def test_log_prob_integrates_to_one_in_the_plane(mixture):
    at = torch.linspace(-5, 5, 301, dtype=F64)
    xy = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)  # (301, 301, 2)
    p = mixture.log_prob(xy).exp()
    assert p.shape == (301, 301)
    assert abs(torch.trapezoid(torch.trapezoid(p, at), at) - 1) < 1e-9


@given(seeds, st.integers(1, 4))
def test_score_is_the_gradient_of_log_prob(seed, dims):
    m, x = draw_mixture(seed, dims), draw_points(seed, 7, dims).requires_grad_()
    (gradient,) = torch.autograd.grad(m.log_prob(x).sum(), x)
    assert torch.allclose(m.score(x), gradient, atol=1e-10)


@given(seeds, st.integers(1, 4), st.floats(0, 5))
def test_smoothed_score_is_that_of_the_widened_mixture(seed, dims, sigma):
    m, x = draw_mixture(seed, dims), draw_points(seed, 7, dims)
    wide = data.Mixture(m.means, (m.sigmas**2 + sigma**2).sqrt(), m.weights)
    assert torch.allclose(m.score(x, sigma), wide.score(x), atol=1e-10)


def test_smoothed_score_is_that_of_noised_data():
    """The smoothed density is an average of p over the noise: integrate and compare."""
    m, sigma = data.mixture_1d(), 0.8
    x = torch.linspace(-3, 3, 13, dtype=F64)[:, None].requires_grad_()
    u = torch.linspace(-9, 9, 4001, dtype=F64)  # noise in units of sigma
    weight = torch.exp(-0.5 * u**2) / math.sqrt(2 * math.pi)
    p = m.log_prob((x - sigma * u)[..., None]).exp()  # (13, 4001)
    log_p = torch.trapezoid(p * weight, u).log()
    (gradient,) = torch.autograd.grad(log_p.sum(), x)
    assert torch.allclose(m.score(x, sigma), gradient, atol=1e-9)


@given(seeds, st.integers(1, 4), st.floats(1e-3, 1))
def test_posterior_mean_obeys_tweedie(seed, dims, alpha_bar):
    """E[x0|x_t] = (x_t + (1 - alpha_bar) ∇ log p_t(x_t)) / √alpha_bar."""
    m, x_t = draw_mixture(seed, dims), draw_points(seed, 7, dims)
    root = math.sqrt(alpha_bar)
    p_t = data.Mixture(
        root * m.means, (alpha_bar * m.sigmas**2 + 1 - alpha_bar).sqrt(), m.weights
    )
    tweedie = (x_t + (1 - alpha_bar) * p_t.score(x_t)) / root
    assert torch.allclose(m.posterior_mean(x_t, alpha_bar), tweedie, atol=1e-9)


@given(st.floats(0.02, 0.999))
def test_posterior_mean_is_bayes_on_a_grid(alpha_bar):
    m = data.mixture_1d()
    x0 = torch.linspace(-12, 12, 12001, dtype=F64)
    x_t = torch.linspace(-3, 3, 7, dtype=F64)
    noise = dist.Normal(alpha_bar**0.5 * x0, (1 - alpha_bar) ** 0.5)
    log_joint = m.log_prob(x0[:, None]) + noise.log_prob(x_t[:, None])  # (7, 12001)
    expected = (log_joint.softmax(-1) * x0).sum(-1)
    got = m.posterior_mean(x_t[:, None], alpha_bar)[:, 0]
    assert torch.allclose(got, expected, atol=1e-8)


@given(seeds, st.integers(1, 4))
def test_posterior_mean_without_noise_is_x_and_without_signal_the_mean(seed, dims):
    m, x = draw_mixture(seed, dims), draw_points(seed, 7, dims)
    assert torch.allclose(m.posterior_mean(x, 1.0), x)
    assert torch.allclose(m.posterior_mean(x, 0.0), m.weights @ m.means)


def test_each_point_may_have_its_own_noise():
    m, x = data.ring(5, sigma=0.2), draw_points(0, 6, 2)
    level = torch.linspace(0.1, 0.9, 6, dtype=F64)
    one_by_one = [
        m.posterior_mean(a, float(ab)) for a, ab in zip(x, level, strict=True)
    ]
    assert torch.allclose(m.posterior_mean(x, level), torch.stack(one_by_one))
    one_by_one = [m.score(a, float(s)) for a, s in zip(x, level, strict=True)]
    assert torch.allclose(m.score(x, level), torch.stack(one_by_one))


def test_points_are_the_last_axis():
    m, x = data.grid(), draw_points(0, 3, 4, 2)
    assert m.log_prob(x).shape == (3, 4)
    assert m.score(x, 0.5).shape == m.posterior_mean(x, 0.5).shape == (3, 4, 2)
    assert torch.allclose(m.log_prob(x)[1, 2], m.log_prob(x[1, 2]))


def test_answers_come_in_the_dtype_of_the_question():
    m, x = data.ring(), draw_points(0, 5, 2)
    for ask in (m.log_prob, m.score, lambda x: m.posterior_mean(x, 0.5)):
        assert ask(x).dtype == F64
        assert ask(x.float()).dtype == torch.float32


def test_far_from_the_data_nothing_overflows():
    m, x = data.ring(), torch.tensor([[1e3, -1e3]], dtype=torch.float32)
    assert m.log_prob(x).isfinite().all()
    assert m.score(x).isfinite().all()
    assert m.posterior_mean(x, 0.5).isfinite().all()


def test_samples_have_the_mean_variance_and_shares_of_the_mixture(seeded):
    m, n = data.mixture_1d(), 40_000
    x = m.sample(n, generator=seeded())
    mean = (m.weights @ m.means).squeeze()
    var = m.weights @ (m.sigmas**2 + m.means[:, 0] ** 2) - mean**2
    assert abs(x.mean() - mean) < 4 * (var / n).sqrt()
    assert abs(x.var() / var - 1) < 0.04
    # The cumulative distribution, as Kolmogorov and Smirnov compare it.
    at = torch.linspace(-4, 5, 91)
    cdf = dist.Normal(m.means[:, 0], m.sigmas).cdf(at[:, None]) @ m.weights
    assert ((x[:, 0] < at[:, None]).double().mean(1) - cdf).abs().max() < 1.95 / n**0.5


@given(seeds, st.integers(1, 3))
def test_the_mean_score_of_samples_is_zero(seed, dims):
    m = draw_mixture(seed, dims)
    x = m.sample(4000, generator=torch.Generator().manual_seed(seed))
    s = m.score(x)
    assert (s.mean(0).abs() < 5 * s.std(0) / 4000**0.5).all()


@pytest.mark.parametrize("k", [1, 2, 8])
def test_ring_lies_on_its_circle(k):
    m = data.ring(k, radius=3.0, sigma=0.1)
    assert torch.allclose(m.means.norm(dim=1), torch.tensor(3.0))
    assert torch.allclose(m.means.sum(0), m.means[0] if k == 1 else torch.zeros(2))
    assert torch.equal(m.sigmas, torch.full((k,), 0.1))
    assert torch.allclose(m.weights, torch.full((k,), 1 / k))


def test_grid_is_a_centred_lattice():
    m = data.grid(3, spacing=0.5)
    assert m.means.tolist() == [[x, y] for x in (-0.5, 0, 0.5) for y in (-0.5, 0, 0.5)]


# ------------------------------------------------------------------------------ toys

TOYS = {
    "mixture": data.mixture_1d().sample,
    "moons": data.moons,
    "spirals": data.spirals,
    "checkerboard": data.checkerboard,
}


@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
def test_a_seed_means_the_same_points(toy, seeded):
    state = torch.get_rng_state()
    x = toy(50, generator=seeded(1))
    assert torch.equal(x, toy(50, generator=seeded(1)))
    assert not torch.equal(x, toy(50, generator=seeded(2)))
    assert torch.equal(state, torch.get_rng_state()), "the global generator was used"
    assert x.dtype == F64 and len(x) == 50
    torch.set_default_dtype(torch.float32)
    assert torch.equal(toy(50, generator=seeded(1)), x.float())


def test_moons_are_two_half_circles(seeded):
    x = data.moons(4000, noise=0, generator=seeded())
    centre = torch.tensor([0.75, 0.375])
    upper = torch.isclose((x + centre).norm(dim=1), torch.tensor(1.5))
    lower = torch.isclose((x - centre).norm(dim=1), torch.tensor(1.5))
    assert (upper | lower).all()
    assert (x[upper & ~lower, 1] >= -0.375 - 1e-9).all()
    assert (x[lower & ~upper, 1] <= 0.375 + 1e-9).all()
    assert abs(upper.double().mean() - 0.5) < 0.04


def test_spirals_are_two_arms(seeded):
    x = data.spirals(4000, noise=0, generator=seeded())
    r = x.norm(dim=1)
    angle = torch.atan2(x[:, 1], x[:, 0]) - 1.5 * torch.pi * r
    assert r.max() <= 2 and torch.allclose(torch.sin(angle), torch.zeros(()), atol=1e-9)
    assert abs((torch.cos(angle) > 0).double().mean() - 0.5) < 0.04
    # An arm's length grows with the square of its radius: evenly spread along it.
    assert abs((r**2).mean() / 4 - 0.5) < 0.02


@pytest.mark.parametrize("toy", [data.moons, data.spirals])
def test_noise_is_a_standard_deviation(toy, seeded):
    clean = toy(20_000, noise=0, generator=seeded())
    noisy = toy(20_000, noise=0.3, generator=seeded())
    assert abs((noisy - clean).std() - 0.3) < 0.01


def test_checkerboard_density_integrates_to_one():
    at = (torch.arange(600) + 0.5) / 100 - 3  # midpoints: exact for a step function
    xy = torch.cartesian_prod(at, at)
    assert abs(data.checkerboard_log_prob(xy).exp().sum() * 1e-4 - 1) < 1e-9


def test_checkerboard_samples_fill_its_support_evenly(seeded):
    n = 32_000
    x = data.checkerboard(n, generator=seeded())
    assert torch.allclose(data.checkerboard_log_prob(x), torch.tensor(-math.log(8)))
    cell = (x + 2).floor().long()
    counts = (4 * cell[:, 0] + cell[:, 1]).bincount(minlength=16)
    dark = counts[counts > 0]
    assert len(dark) == 8 and (dark - n / 8).abs().max() < 5 * (n / 8) ** 0.5
    assert abs((x - x.floor()).mean() - 0.5) < 0.01


# ---------------------------------------------------------------------------- errors

NAN = torch.tensor([[math.nan, 0.0]])
ring = data.ring()
WRONG = [
    (lambda: data.to_signed(torch.tensor([17.0])), "counts of ink", "17"),
    (lambda: data.to_signed(torch.tensor([-1.0])), "counts of ink", "-1"),
    (lambda: data.to_signed(NAN), "counts of ink", "1 NaN among 2"),
    (lambda: data.to_counts(NAN), "finite", "1 NaN among 2"),
    (lambda: data.to_counts(torch.tensor([math.inf])), "finite", "inf"),
    (lambda: data.Mixture([1.0, 2.0], 1.0), "(K, D)", "(2,)"),
    (lambda: data.Mixture(torch.zeros(0, 2), 1.0), "(K, D)", "(0, 2)"),
    (lambda: data.Mixture([[math.nan]], 1.0), "finite means", "nan"),
    (lambda: data.Mixture([[0.0]], [1.0, 2.0]), "sigmas of shape", "(2,)"),
    (lambda: data.Mixture([[0.0]], 0.0), "sigmas above 0", "0.0"),
    (lambda: data.Mixture([[0.0]], math.inf), "sigmas above 0", "inf"),
    (lambda: data.Mixture([[0.0]], 1.0, [0.5, 0.5]), "weights of shape", "(2,)"),
    (lambda: data.Mixture([[0.0]], 1.0, [0.5]), "sum 1", "[0.5]"),
    (lambda: data.Mixture([[0.0], [1.0]], 1.0, [1.5, -0.5]), "positive", "-0.5"),
    (lambda: ring.sample(0), "n to be a whole number", "0"),
    (lambda: ring.sample(True), "n to be a whole number", "True"),
    (lambda: ring.log_prob(torch.zeros(4, 3)), "(..., 2)", "(4, 3)"),
    (lambda: ring.log_prob(torch.zeros(())), "(..., 2)", "()"),
    (lambda: ring.log_prob(torch.zeros(4, 2, dtype=int)), "floating", "int64"),
    (lambda: ring.log_prob(NAN), "finite", "1 NaN among 2"),
    (lambda: ring.score(NAN), "finite", "1 NaN among 2"),
    (lambda: ring.score(torch.zeros(1, 2), -0.1), "sigma of at least 0", "-0.1"),
    (lambda: ring.score(torch.zeros(1, 2), math.nan), "sigma of at least 0", "NaN"),
    (lambda: ring.posterior_mean(NAN, 0.5), "finite", "1 NaN among 2"),
    (lambda: ring.posterior_mean(torch.zeros(1, 2), 1.5), "alpha_bar between", "1.5"),
    (lambda: ring.posterior_mean(torch.zeros(1, 2), -1), "alpha_bar between", "-1"),
    (lambda: data.ring(0), "k to be a whole number", "0"),
    (lambda: data.grid(-2), "side to be a whole number", "-2"),
    (lambda: data.moons(0), "n to be a whole number", "0"),
    (lambda: data.moons(2.5), "n to be a whole number", "2.5"),
    (lambda: data.moons(5, noise=-0.1), "noise of at least 0", "-0.1"),
    (lambda: data.spirals(0), "n to be a whole number", "0"),
    (lambda: data.spirals(5, noise=-1), "noise of at least 0", "-1"),
    (lambda: data.checkerboard(-3), "n to be a whole number", "-3"),
    (lambda: data.checkerboard_log_prob(torch.zeros(3)), "(..., 2)", "(3,)"),
    (lambda: data.checkerboard_log_prob(NAN), "finite", "1 NaN among 2"),
]


@pytest.mark.parametrize(("call", "expected", "got"), WRONG)
def test_bad_input_gets_a_sentence(call, expected, got):
    with pytest.raises(ValueError, match=r"^expected .*, got ") as error:
        call()
    wanted, _, came = str(error.value).rpartition(", got ")
    assert expected in wanted and got in came
