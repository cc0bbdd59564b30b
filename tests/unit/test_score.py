"""score: losses by quadrature, Langevin's law, the ODE on a Gaussian, conversions."""

import itertools
import math

import pytest
import torch
from torch import nn

from genbook import data, nets, score

WORLD = data.Mixture([[-1.0, 0.5], [1.2, -0.4]], [0.6, 0.9], [0.3, 0.7])
PROCESSES = [score.vp, score.ve, score.straight]


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def field(seed: int, dims: int = 2) -> nn.Module:
    """Return a smooth field that is nobody's score: its Jacobian is not symmetric."""
    torch.manual_seed(seed)
    return nets.mlp(dims, 16, dims, activation=nn.Tanh)


def plane(n: int = 160, reach: float = 7.0) -> tuple[torch.Tensor, float]:
    axis = torch.linspace(-reach, reach, n)
    return torch.cartesian_prod(axis, axis), float(axis[1] - axis[0]) ** 2


# ------------------------------------------------------------------------------ losses


@pytest.mark.parametrize("seed", range(3))
def test_implicit_is_explicit_less_half_the_fisher_information(seed):
    x, cell = plane()
    weight = WORLD.log_prob(x).exp() * cell
    target, s = WORLD.score(x), field(seed)
    explicit = weight @ score.esm(s, x, target).detach()
    implicit = weight @ score.ism(s, x).detach()
    fisher = weight @ target.square().sum(1)
    assert weight.sum() == pytest.approx(1, abs=1e-9)
    assert explicit > 0.1
    assert float(explicit - implicit) == pytest.approx(float(fisher) / 2, abs=1e-6)


def test_divergence_is_the_trace_of_the_jacobian():
    s, x = field(0, 3), draw(1, 5, 3).requires_grad_()
    oracle = [torch.autograd.functional.jacobian(s, p).trace() for p in x]
    assert torch.allclose(score.divergence(s(x), x), torch.stack(oracle))


def test_sliced_over_all_signs_is_implicit():
    s, x = field(0, 3), draw(1, 7, 3)
    signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=3)))
    each = [score.sliced(s, x, v.expand_as(x)) for v in signs]
    assert torch.allclose(torch.stack(each).mean(0), score.ism(s, x))
    assert not torch.allclose(each[0], each[1])  # one direction alone is noisy


def test_losses_train_the_field():
    x = draw(0, 5, 2)
    for loss in (
        lambda s: score.esm(s, x, -x),
        lambda s: score.ism(s, x),
        lambda s: score.sliced(s, x, torch.ones_like(x)),
        lambda s: score.dsm(s, x, draw(1, 5, 2), 0.3),
    ):
        s = field(2)
        values = loss(s)
        assert values.shape == (5,)
        values.mean().backward()
        assert all(p.grad.abs().sum() > 0 for p in s.parameters() if p.dim() == 2)


@pytest.mark.parametrize("sigma", [0.4, 1.5])
@pytest.mark.parametrize("seed", range(2))
def test_denoising_is_explicit_plus_a_constant(seed, sigma):
    """By quadrature over x and ε on a line: ½ (1/σ² - E‖∇ log p_σ‖²), for any field."""
    line, s = data.mixture_1d(), field(seed, 1)
    x, eps = torch.linspace(-7, 7, 300), torch.linspace(-8, 8, 160)
    joint = line.log_prob(x[:, None]).exp()[:, None] * (-(eps**2) / 2).exp()
    joint = (joint * (x[1] - x[0]) * (eps[1] - eps[0]) / math.sqrt(2 * math.pi)).ravel()
    pairs = torch.cartesian_prod(x, eps)
    noisy = pairs[:, :1] + sigma * pairs[:, 1:]
    denoising = joint @ score.dsm(s, pairs[:, :1], pairs[:, 1:], sigma).detach()
    exact = line.score(noisy, sigma)
    explicit = joint @ score.esm(s, noisy, exact).detach()
    constant = 0.5 * (1 / sigma**2 - joint @ exact.square().sum(1))
    assert constant > 0.05
    assert float(denoising - explicit) == pytest.approx(float(constant), abs=1e-6)


def test_losses_sum_over_the_pixels_of_images():
    images, noise = draw(0, 4, 1, 3, 3), draw(1, 4, 1, 3, 3)
    got = score.dsm(lambda x: -x, images, noise, 0.5)
    flat = score.dsm(lambda x: -x, images.flatten(1), noise.flatten(1), 0.5)
    assert torch.allclose(got, flat)
    assert score.sliced(lambda x: -x, images, noise).shape == (4,)


# ---------------------------------------------------------------------------- langevin


@pytest.mark.parametrize(("v", "h"), [(1.0, 0.05), (1.0, 1.0), (0.25, 0.2)])
def test_the_stationary_variance_has_the_bias_of_the_step(v, h, seeded):
    run = score.langevin(
        lambda x: -(x - 3) / v,
        draw(0, 20_000, 1),
        step=h,
        steps=200,
        generator=seeded(),
    )
    *_, x = run
    law = v / (1 - h / (2 * v))
    assert float(x.var()) == pytest.approx(law, rel=4.5 * (2 / 20_000) ** 0.5)
    assert float(x.mean()) == pytest.approx(3, abs=4.5 * (law / 20_000) ** 0.5)


def test_beyond_two_variances_langevin_explodes(seeded):
    run = score.langevin(
        lambda x: -x, draw(0, 9, 1), step=2.2, steps=99, generator=seeded()
    )
    *_, x = run
    assert x.abs().min() > 1e4


def test_annealed_visits_each_level_with_its_own_step(seeded):
    sigmas, start = torch.tensor([2.0, 0.5]), draw(0, 6, 2)
    got = list(
        score.annealed(
            WORLD.score, start, sigmas, step=0.1, steps=3, generator=seeded(4)
        )
    )
    generator, x = seeded(4), start
    for sigma, state in zip((2.0, 0.5), got, strict=True):
        for _ in range(3):
            eps = torch.randn(6, 2, generator=generator)
            h = 0.1 * sigma**2
            x = x + h * WORLD.score(x, sigma) + math.sqrt(2 * h) * eps
        assert torch.allclose(state, x)


def test_annealing_finds_the_weights_that_one_level_misses(seeded):
    far = data.Mixture([[-4.0], [4.0]], 0.3, [0.1, 0.9])
    start = 8 * draw(0, 4000, 1)
    *_, single = score.langevin(
        far.score, start, step=0.01, steps=300, generator=seeded()
    )
    sigmas = torch.logspace(math.log10(20), math.log10(0.1), 30)
    *_, x = score.annealed(
        far.score, start, sigmas, step=0.1, steps=10, generator=seeded()
    )
    assert 0.45 < (single > 0).double().mean() < 0.55
    assert 0.86 < (x > 0).double().mean() < 0.94
    right = x[x > 0]
    assert float(right.mean()) == pytest.approx(4, abs=0.05)
    assert float(right.std()) == pytest.approx(math.hypot(0.3, 0.1), abs=0.05)


def test_the_corrector_has_the_asked_ratio(seeded):
    x, s = draw(0, 50, 1, 4, 4), lambda x: -3 * x
    moved = score.correct(s, x, ratio=0.2, generator=seeded(1)) - x
    eps = torch.randn(x.shape, generator=seeded(1))
    norm = lambda y: float(y.flatten(1).norm(dim=1).mean())  # noqa: E731
    step = 2 * (0.2 * norm(eps) / norm(s(x))) ** 2
    assert torch.allclose(moved, step * s(x) + math.sqrt(2 * step) * eps)
    assert norm(step * s(x)) / norm(math.sqrt(2 * step) * eps) == pytest.approx(0.2)


# --------------------------------------------------------------------- continuous time


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("t", [0.05, 0.4, 0.9])
def test_drift_and_spread_keep_the_marginals(process, t):
    """d log a / dt is the drift; what σ² grows by beyond it is g²."""
    t = torch.tensor(t, requires_grad=True)
    level = process(t)
    a = level.a + 0 * t  # so that a constant has a slope, too
    (slope,) = torch.autograd.grad(a.log(), t, retain_graph=True)
    (growth,) = torch.autograd.grad(level.sigma**2, t, retain_graph=True)
    assert torch.allclose(level.f, slope)
    assert torch.allclose(level.g2, growth - 2 * level.f * level.sigma**2)


def test_vp_keeps_the_variance_and_ve_the_signal():
    t = torch.linspace(0, 1, 11)
    level = score.vp(t)
    assert torch.allclose(level.a**2 + level.sigma**2, torch.ones(11))
    assert torch.allclose(level.g2, torch.linspace(0.1, 20, 11))
    assert level.a[0] == 1 and level.a[-1] < 0.01
    level = score.ve(t, sigma_0=0.1, sigma_1=30)
    assert (level.a == 1).all() and (level.f == 0).all()
    assert torch.allclose(level.sigma[[0, -1]], torch.tensor([0.1, 30.0]))
    assert torch.allclose(level.sigma[5], torch.tensor(3.0).sqrt())


@pytest.mark.parametrize("process", PROCESSES)
def test_score_at_is_the_slope_of_the_noisy_density(process):
    level, x = process(torch.tensor(0.3)), draw(0, 9, 2).requires_grad_()
    var = (level.a * WORLD.sigmas) ** 2 + level.sigma**2
    noisy = data.Mixture(level.a * WORLD.means, var.sqrt(), WORLD.weights)
    (slope,) = torch.autograd.grad(noisy.log_prob(x).sum(), x)
    assert torch.allclose(score.score_at(WORLD.score, x, level), slope)


@pytest.mark.parametrize("process", [score.vp, score.ve])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (1.0, 0.0), (0.2, 0.7)])
def test_the_flow_carries_a_gaussian_exactly(process, ends):
    """Quantiles are kept, so x moves with mean and spread, and volume with spread."""
    m, s = torch.tensor([0.5, -1.0]), 0.7
    gaussian = data.Mixture(m[None], s)
    start, end = (process(torch.tensor(t)) for t in ends)
    wide = [(level.a**2 * s**2 + level.sigma**2).sqrt() for level in (start, end)]
    z = draw(0, 8, 2)
    x, change = score.flow(
        gaussian.score, start.a * m + wide[0] * z, process, torch.linspace(*ends, 61)
    )
    assert torch.allclose(x, end.a * m + wide[1] * z, rtol=1e-4, atol=1e-4)
    volume = 2 * (wide[1] / wide[0]).log()
    assert torch.allclose(change, volume.expand(8), atol=1e-4)


@pytest.mark.parametrize("process", [score.vp, score.ve])
def test_log_prob_of_a_gaussian(process):
    s, x = 0.7, draw(0, 8, 2)
    gaussian = data.Mixture([[0.0, 0.0]], s)
    level = process(torch.tensor(1.0))
    var, begin = level.a**2 * s**2 + level.sigma**2, process(torch.tensor(0.0)).sigma
    stretch = (var / (s**2 + begin**2)).sqrt()
    end = torch.distributions.Normal(0, level.sigma).log_prob(x * stretch).sum(1)
    got = score.log_prob(gaussian.score, x, process, steps=60)
    assert torch.allclose(got, end + 2 * stretch.log(), atol=1e-4)


@pytest.mark.parametrize("process", [score.vp, score.ve])
def test_log_prob_of_a_mixture(process):
    x = WORLD.sample(50, generator=torch.Generator().manual_seed(0))
    off = score.log_prob(WORLD.score, x, process, steps=50) - WORLD.log_prob(x)
    # The end of ve is wider than the data by a finite factor, so not quite N(0, σ²).
    assert (
        off.abs().mean() < 0.02 and off.abs().max() < (0.02, 0.06)[process is score.ve]
    )


def test_one_step_of_the_reverse_sde(seeded):
    x, times = draw(0, 9, 2), torch.tensor([0.6, 0.5])
    (got,) = score.reverse_sde(WORLD.score, x, score.vp, times, generator=seeded(1))
    beta = 0.1 + 19.9 * 0.6
    slope = score.score_at(WORLD.score, x, score.vp(times[0]))
    eps = torch.randn(9, 2, generator=seeded(1))
    back = 0.1 * (0.5 * beta * x + beta * slope)
    assert torch.allclose(got, x + back + math.sqrt(0.1 * beta) * eps)


def test_the_reverse_sde_returns_the_data(seeded):
    gaussian = data.Mixture([[1.0]], 0.5)
    times = torch.linspace(1, 0, 301)
    run = score.reverse_sde(
        gaussian.score, draw(0, 8000, 1), score.vp, times, generator=seeded()
    )
    *_, x = run
    assert float(x.mean()) == pytest.approx(1, abs=0.03)
    assert float(x.std()) == pytest.approx(0.5, abs=0.025)


# ------------------------------------------------------------------------- conversions


@pytest.mark.parametrize("process", PROCESSES)
def test_every_pair_is_converted_and_back(process):
    t = torch.linspace(0.05, 0.95, 7)[:, None].requires_grad_()
    level, x0, eps = process(t), draw(0, 7, 3), draw(1, 7, 3)
    x_t = level.a * x0 + level.sigma * eps
    velocity = torch.stack(
        [
            torch.autograd.grad(each.sum(), t, retain_graph=True)[0][:, 0]
            for each in x_t.T
        ],
        1,
    )
    truth = {
        "x0": x0,
        "eps": eps,
        "v": level.a * eps - level.sigma * x0,
        "score": -(x_t - level.a * x0) / level.sigma**2,
        "velocity": velocity,
    }
    assert set(score.names(level)) == set(truth)
    for given, wanted in itertools.product(truth, repeat=2):
        got = score.convert(truth[given], x_t, level, given, wanted)
        assert torch.allclose(got, truth[wanted], rtol=1e-7, atol=1e-7), (given, wanted)


def test_the_velocity_of_the_score_is_the_flow():
    """Converted at the conditional means, the velocity is that of the ODE."""
    level, x = score.vp(torch.tensor(0.3)), draw(0, 5, 2)
    slope = score.score_at(WORLD.score, x, level)
    u = score.convert(slope, x, level, "score", "velocity")
    assert torch.allclose(u, level.f * x - 0.5 * level.g2 * slope)
    x0 = score.convert(slope, x, level, "score", "x0")
    assert torch.allclose(x0, WORLD.posterior_mean(x, level.a**2))


# ------------------------------------------------------------------------------- model


class Exact(nn.Module):
    """The best net for data N(0, s²): ε̂ = σ x / (s² + σ²), of the scaled x."""

    def __init__(self, s: float):
        super().__init__()
        self.s, self.last = s, nn.Linear(3, 2)

    def forward(self, x):
        sigma = x[:, 2:].exp()
        return x[:, :2] * sigma / (self.s**2 + sigma**2).sqrt()


def test_the_model_scales_x_and_divides_by_sigma():
    model = score.ScoreModel(Exact(0.8), sigma_min=0.05, sigma_max=4, spread=0.8)
    x, sigma = draw(0, 6, 2), torch.rand(6) + 0.1
    exact = -x / (0.8**2 + sigma[:, None] ** 2)
    assert torch.allclose(model.score(x, sigma), exact)
    assert torch.allclose(model.score(x, 0.5), -x / (0.8**2 + 0.25))


def test_the_loss_of_the_best_net_is_what_nobody_can_guess(seeded):
    """Half the variance of ε given x̃, s²/(s² + σ²), over levels even in log σ."""
    model = score.ScoreModel(Exact(0.8), sigma_min=0.1, sigma_max=5, spread=0.8)
    x = 0.8 * draw(0, 100_000, 2)
    log_sigma = torch.linspace(math.log(0.1), math.log(5), 10_001)
    left = (0.8**2 / (0.8**2 + (2 * log_sigma).exp())).mean()
    got = float(model.loss(x, generator=seeded())["loss"])
    assert got == pytest.approx(float(left), abs=0.01)


def test_levels_of_a_batch_are_spread_evenly(seeded, monkeypatch):
    model = score.ScoreModel(Exact(1.0), sigma_min=0.1, sigma_max=10)
    seen = []
    monkeypatch.setattr(score, "dsm", lambda f, x, eps, sigma: seen.append(sigma) or x)
    model.loss(torch.zeros(50, 1), generator=seeded())
    u = (seen[0][:, 0] / 0.1).log() / math.log(100) * 50
    assert torch.equal(u.floor(), torch.arange(50.0))


def test_samples_have_the_spread_of_the_data(seeded):
    model = score.ScoreModel(Exact(0.8), sigma_min=0.05, sigma_max=4, spread=0.8)
    x = model.sample(8000, generator=seeded())
    assert x.shape == (8000, 2)
    assert torch.allclose(x.mean(0), torch.zeros(2), atol=0.05)
    var = 4**2 + 0.8**2  # what each step does to a variance, exactly
    for log_sigma in torch.linspace(math.log(4), math.log(0.05), 30):
        h = 0.1 * float(log_sigma.exp()) ** 2
        for _ in range(10):
            var = (1 - h / (0.8**2 + h / 0.1)) ** 2 * var + 2 * h
    assert 0.8 < var**0.5 < 0.9
    assert torch.allclose(x.std(0), torch.full((2,), var**0.5), atol=0.025)


def test_sampling_starts_as_wide_as_the_noisiest_data(seeded):
    model = score.ScoreModel(Exact(3.0), sigma_min=0.05, sigma_max=4, spread=3.0)
    x = model.sample(8000, levels=1, step=1e-9, steps=1, generator=seeded())
    assert torch.allclose(x.std(0), torch.full((2,), 5.0), atol=0.15)


def test_randomness_is_passed_in(seeded):
    model = score.ScoreModel(Exact(0.8), sigma_min=0.05, sigma_max=4)
    x, times = draw(0, 5, 2), torch.tensor([0.5, 0.4])
    state = torch.get_rng_state()
    for run in (
        lambda g: model.sample(3, levels=2, generator=g),
        lambda g: model.loss(x, generator=g)["loss"],
        lambda g: score.correct(WORLD.score, x, ratio=0.1, generator=g),
        lambda g: next(score.langevin(WORLD.score, x, step=0.1, steps=1, generator=g)),
        lambda g: next(score.reverse_sde(WORLD.score, x, score.ve, times, generator=g)),
    ):
        assert torch.equal(run(seeded(1)), run(seeded(1)))
        assert not torch.equal(run(seeded(1)), run(seeded(2)))
    assert torch.equal(state, torch.get_rng_state()), "the global generator was used"


LEVEL = score.vp(torch.tensor(0.5))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: next(score.langevin(None, None, step=0.0, steps=1)),
            r"step: expected a step above 0, got 0",
        ),
        (
            lambda: next(score.langevin(None, None, step=math.nan, steps=1)),
            r"step: expected a step above 0, got nan",
        ),
        (
            lambda: next(
                score.annealed(None, None, torch.tensor([1.0, 2.0]), step=1, steps=1)
            ),
            r"sigmas: expected falling levels above 0, got",
        ),
        (
            lambda: next(
                score.annealed(None, None, torch.tensor([1.0, 0.0]), step=1, steps=1)
            ),
            r"sigmas: expected falling levels above 0, got",
        ),
        (
            lambda: next(
                score.reverse_sde(None, None, score.vp, torch.tensor([0.0, 1.0]))
            ),
            r"times: expected falling times, got",
        ),
        (
            lambda: score.convert(torch.ones(1), torch.ones(1), LEVEL, "eps", "noise"),
            r"expected one of x0, eps, v, score, velocity, got 'noise'",
        ),
        (
            lambda: score.ScoreModel(nn.Identity(), sigma_min=2, sigma_max=1),
            r"expected 0 < sigma_min < sigma_max, got 2 and 1",
        ),
        (
            lambda: score.ScoreModel(Exact(1), sigma_min=1, sigma_max=2).sample(0),
            r"n: expected at least 1 sample, got 0",
        ),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
