"""The reverse half of diffusion: samplers against diffusers', the bound against truth.

Where the data are Gaussian, so is everything, and the best eps_model is known.
"""

import itertools
import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions as dist
from torch import nn

from genbook import data, denoising, diffusion, nets

T = 40
AB = diffusion.linear(T, beta_1=1e-3, beta_T=0.25)
TIMES = st.lists(st.integers(1, T), min_size=5, max_size=5)
seeds = st.integers(0, 2**31 - 1)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def wavy(x, t):
    """Stand in for a network: some smooth function of image and time."""
    return torch.sin(3 * x + t.reshape(-1, *[1] * (x.dim() - 1)))


def exact(mu, sigma, alpha_bar=AB):
    """Return the best eps_model for data N(mu, sigma²): E[eps | x_t], by Bayes."""

    def model(x, t):
        ab = diffusion.at(alpha_bar, t, x)
        return (1 - ab).sqrt() * (x - ab.sqrt() * mu) / (ab * sigma**2 + 1 - ab)

    return model


# ---- Three names for one thing -------------------------------------------------------


@given(seeds, TIMES)
def test_conversions_undo_the_noising(seed, times):
    x0, eps, t = draw(seed, 5, 1, 3, 2), draw(seed + 1, 5, 1, 3, 2), torch.tensor(times)
    x_t = diffusion.q_sample(x0, t, eps, AB)
    v = denoising.velocity(x0, eps, t, AB)
    for got, expected in [
        (denoising.x0_from_eps(x_t, eps, t, AB), x0),
        (denoising.eps_from_x0(x_t, x0, t, AB), eps),
        (denoising.x0_from_v(x_t, v, t, AB), x0),
        (denoising.eps_from_v(x_t, v, t, AB), eps),
    ]:
        assert torch.allclose(got, expected, atol=1e-12)


@given(seeds, TIMES)
def test_v_is_how_x_t_moves_as_the_angle_grows(seed, times):
    """x_t = cos φ x0 + sin φ eps with cos² φ = ᾱ, and v = dx_t / dφ."""
    x0, eps, t = draw(seed, 5, 2), draw(seed + 1, 5, 2), torch.tensor(times)
    angle = AB[t].sqrt().acos()[:, None]
    near = (angle + 1e-6).cos() * x0 + (angle + 1e-6).sin() * eps
    slope = (near - diffusion.q_sample(x0, t, eps, AB)) / 1e-6
    assert torch.allclose(denoising.velocity(x0, eps, t, AB), slope, atol=1e-4)


@pytest.mark.parametrize("predict", [denoising.EPS, denoising.X0, denoising.V])
@given(seeds, TIMES)
def test_an_answer_equal_to_its_target_is_read_as_the_noise(predict, seed, times):
    x0, eps, t = draw(seed, 5, 2), draw(seed + 1, 5, 2), torch.tensor(times)
    x_t = diffusion.q_sample(x0, t, eps, AB)
    target = predict.target(x0, eps, t, AB)
    assert torch.allclose(predict.eps(x_t, target, t, AB), eps, atol=1e-12)


def test_targets_differ():
    x0, eps, t = draw(0, 5, 2), draw(1, 5, 2), torch.full((5,), 9)
    all_ = [
        p.target(x0, eps, t, AB) for p in (denoising.EPS, denoising.X0, denoising.V)
    ]
    assert torch.equal(all_[0], eps) and torch.equal(all_[1], x0)
    assert torch.allclose(all_[2], AB[9].sqrt() * eps - (1 - AB[9]).sqrt() * x0)


def test_clipped_agrees_with_itself():
    x_t, t = 2 * draw(0, 6, 2), torch.tensor([1, 5, 10, 20, 30, 40])
    eps = denoising.clipped(wavy, AB)(x_t, t)
    before = denoising.x0_from_eps(x_t, wavy(x_t, t), t, AB)
    after = denoising.x0_from_eps(x_t, eps, t, AB)
    assert before.abs().max() > 1
    assert torch.allclose(after, before.clamp(-1, 1), atol=1e-10)
    assert torch.allclose(diffusion.q_sample(after, t, eps, AB), x_t, atol=1e-12)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("time", [1, 12, 40])
def test_guided_goes_on_from_the_worse_one_where_noise_is_more(time, weight):
    asked = []

    def worse(x_t, t):
        asked.append(t)
        return 0.3 * x_t

    x_t, t = draw(0, 3, 2), torch.full((3,), time)
    eps = wavy(x_t, t)
    got = denoising.guided(wavy, worse, AB, weight=weight)(x_t, t)
    noisy = bool(AB[time] < 0.5)
    expected = (1 - weight) * 0.3 * x_t + weight * eps if noisy else eps
    assert torch.allclose(got, expected, atol=1e-12)
    assert len(asked) == noisy
    assert AB[12] > 0.5 > AB[40]


def test_guided_narrows_what_the_worse_one_widens():
    """For data N(0, 1) and a worse guess N(0, c²): both scores are known on paper.

    ε = √(1 - ᾱ) x_t / variance, so the guided one is that of a Gaussian whose precision
    is led on from the worse one's: a smaller variance than the data's.
    """
    t, c, weight = torch.tensor([40]), 1.5, 2.0
    ab = AB[40]

    def gaussian(spread):
        variance = ab * spread**2 + 1 - ab
        return lambda x_t, t: (1 - ab).sqrt() * x_t / variance

    x_t = draw(0, 1, 4)
    got = denoising.guided(gaussian(1.0), gaussian(c), AB, weight=weight)(x_t, t)
    precision = weight - (weight - 1) / (ab * c**2 + 1 - ab)
    assert torch.allclose(got, (1 - ab).sqrt() * precision * x_t, atol=1e-12)
    assert precision > 1


# ---- Samplers, against diffusers from the same noise ---------------------------------


def reference(scheduler, alpha_bar, visits, **options):
    """Return a scheduler of diffusers with the betas of ours; its time 0 is our 1."""
    made = scheduler(
        num_train_timesteps=len(alpha_bar) - 1,
        trained_betas=diffusion.betas(alpha_bar)[1:].numpy(),
        clip_sample=options.pop("clip", False),
        **options,
    )
    made.alphas_cumprod = alpha_bar[1:]  # in float64, where its own are in float32
    made.betas = diffusion.betas(alpha_bar)[1:]
    made.alphas = 1 - made.betas
    made.timesteps = torch.tensor(visits) - 1
    made.num_inference_steps = len(visits)
    return made


SCHEDULES = {
    "linear": AB,
    "cosine": diffusion.cosine(T),
    "sigmoid": diffusion.sigmoid(T),
}
VISITS = {
    "all": list(range(T, 0, -1)),
    "every second": list(range(T - 1, 0, -2)),
    "every fifth": list(range(T - 4, 0, -5)),
    "one": [1],
}


@pytest.mark.parametrize("clip", [False, True], ids=["", "clipped"])
@pytest.mark.parametrize("visits", VISITS.values(), ids=VISITS)
@pytest.mark.parametrize("alpha_bar", SCHEDULES.values(), ids=SCHEDULES)
def test_each_ddpm_step_is_that_of_diffusers(alpha_bar, visits, clip, seeded):
    theirs = reference(DDPMScheduler, alpha_bar, visits, clip=clip)
    # Its list of times would be evenly spaced; previous_timestep reads the list if so.
    theirs.custom_timesteps = True
    model = denoising.clipped(wavy, alpha_bar) if clip else wavy
    x, ours, noise = draw(0, 3, 1, 4, 4), seeded(1), seeded(1)
    for time, s in itertools.pairwise([*visits, 0]):
        # One step at a time, so that an error would not be carried along.
        chain = denoising.ddpm(
            model, alpha_bar, x, times=[time, s] if s else [time], generator=ours
        )
        got = next(chain)
        t = torch.full((3,), time)
        step = theirs.step(wavy(x, t), time - 1, x, generator=noise)
        assert torch.allclose(got, step.prev_sample, atol=1e-5), (time, s)
        x = got


@pytest.mark.parametrize("clip", [False, True], ids=["", "clipped"])
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("visits", list(VISITS.values())[:3], ids=list(VISITS)[:3])
@pytest.mark.parametrize("alpha_bar", SCHEDULES.values(), ids=SCHEDULES)
def test_each_ddim_step_is_that_of_diffusers(alpha_bar, visits, eta, clip, seeded):
    theirs = reference(DDIMScheduler, alpha_bar, visits, clip=clip)
    model = denoising.clipped(wavy, alpha_bar) if clip else wavy
    x, ours, noise = draw(0, 3, 1, 4, 4), seeded(1), seeded(1)
    chain = denoising.ddim(model, alpha_bar, x, times=visits, eta=eta, generator=ours)
    for time, got in zip(visits, chain, strict=True):
        t = torch.full((3,), time)
        step = theirs.step(
            wavy(x, t),
            time - 1,
            x,
            eta=eta,
            use_clipped_model_output=clip,
            generator=noise,
        )
        assert torch.allclose(got, step.prev_sample, atol=1e-5), time
        x = got


def test_a_chain_is_its_steps(seeded):
    x_T, visits = draw(0, 3, 2), [40, 31, 8, 2]
    states = list(denoising.ddpm(wavy, AB, x_T, times=visits, generator=seeded()))
    x, generator = x_T, seeded()
    for (time, s), state in zip(itertools.pairwise([*visits, 0]), states, strict=True):
        pair = [time, s] if s else [time]
        x = next(denoising.ddpm(wavy, AB, x, times=pair, generator=generator))
        assert torch.allclose(x, state, atol=1e-12)


@pytest.mark.parametrize("visits", [None, [40, 17, 3]])
def test_ddim_with_eta_one_is_ddpm(visits, seeded):
    x_T = draw(0, 3, 2)
    for a, b in zip(
        denoising.ddpm(wavy, AB, x_T, times=visits, generator=seeded()),
        denoising.ddim(wavy, AB, x_T, times=visits, eta=1, generator=seeded()),
        strict=True,
    ):
        assert torch.allclose(a, b, atol=1e-10)


def test_ddim_without_noise_needs_no_generator():
    state = torch.get_rng_state()
    runs = [list(denoising.ddim(wavy, AB, draw(0, 3, 2)))[-1] for _ in range(2)]
    assert torch.equal(*runs) and torch.equal(state, torch.get_rng_state())


def test_spaced_times():
    assert denoising.spaced(10, 10) == list(range(10, 0, -1))
    assert denoising.spaced(10, 4) == [10, 7, 4, 1]
    assert denoising.spaced(10, 1) == [10]
    for n in range(1, 101):
        times = denoising.spaced(100, n)
        assert (
            len(times) == n
            and times[0] == 100
            and times == sorted(set(times), reverse=True)
        )


# ---- On Gaussian data the exact eps gives the data back ------------------------------


MU, SIGMA = 0.7, 0.4


@pytest.mark.parametrize("alpha_bar", SCHEDULES.values(), ids=SCHEDULES)
def test_exact_eps_gives_back_mean_and_variance_through_the_chain(alpha_bar):
    """q(x_s) is N(√ᾱ_s mu, ᾱ_s sigma² + 1 - ᾱ_s) at every s: no sampling error here.

    A step of ddpm is x -> a x + b + noise of variance beta tilde, which two points and
    the schedule give; the moments follow from the moments before. What is lost is the
    spread of x0 given x_t, so the variance is reached as the steps get small.
    """
    model = exact(MU, SIGMA, alpha_bar)
    times = list(range(len(alpha_bar) - 1, 0, -1))
    ab = alpha_bar[-1]
    mean, var = ab.sqrt() * MU, ab * SIGMA**2 + 1 - ab
    for time in times:
        x = torch.tensor([[0.0], [1.0]])
        t = torch.full((2,), time)
        x0_hat = denoising.x0_from_eps(x, model(x, t), t, alpha_bar)
        mean_hat, beta_tilde = diffusion.q_posterior(x, x0_hat, t, alpha_bar)
        slope, offset = mean_hat[1] - mean_hat[0], mean_hat[0]
        mean, before = slope * mean + offset, var
        var = slope**2 * before + beta_tilde[0]
        ab = alpha_bar[time - 1]
        assert torch.allclose(mean, ab.sqrt() * MU, atol=1e-10)
    assert var < SIGMA**2  # beta tilde forgets the spread of x0 given x_t ...
    assert var > 0.75 * SIGMA**2  # ... which is small where steps are


def test_more_steps_bring_the_variance_closer(seeded):
    x_T, errors = draw(0, 20_000, 1), []
    for n in (10, 100, 1000):
        alpha_bar = diffusion.cosine(n)
        model = exact(MU, SIGMA, alpha_bar)
        x = list(denoising.ddpm(model, alpha_bar, x_T, generator=seeded(1)))[-1]
        assert abs(x.mean() - MU) < 4 * SIGMA / 20_000**0.5
        errors.append(float((x.var() / SIGMA**2 - 1).abs()))
    assert errors[0] > 2 * errors[1] and errors[2] < 0.03


def test_ddim_carries_a_gaussian_to_the_data():
    """Without noise a step is a straight line; many of them end at mu and sigma."""
    alpha_bar = diffusion.cosine(1000)
    x = draw(0, 20_000, 1)
    x_T = (x - x.mean()) / x.std()
    x = list(denoising.ddim(exact(MU, SIGMA, alpha_bar), alpha_bar, x_T))[-1]
    assert abs(x.mean() - MU) < 1e-3 and abs(x.std() - SIGMA) < 0.01


# ---- The bound -----------------------------------------------------------------------


@given(st.integers(2, 40), st.floats(-1.5, 1.5), st.floats(0.01, 2))
def test_level_probabilities_sum_to_one(levels, mean, sigma):
    x = torch.linspace(-1, 1, levels)
    log_p = denoising.level_log_prob(
        x, torch.tensor(mean), torch.tensor(sigma), levels=levels
    )
    assert torch.allclose(log_p.exp().sum(), torch.ones(()), atol=1e-9)


def test_level_probability_is_that_of_the_bin():
    x, mean, sigma = torch.linspace(-1, 1, 17), torch.tensor(0.1), torch.tensor(0.3)
    p = denoising.level_log_prob(x, mean, sigma, levels=17).exp()
    cdf = dist.Normal(mean, sigma).cdf
    edges = (x[1:] + x[:-1]) / 2
    assert torch.allclose(p[0], cdf(edges[0]))
    assert torch.allclose(p[-1], 1 - cdf(edges[-1]))
    assert torch.allclose(p[1:-1], cdf(edges[1:]) - cdf(edges[:-1]))


@pytest.mark.parametrize("mean", [-40.0, 40.0])
def test_level_probability_survives_a_mean_far_away(mean):
    x, sigma = torch.linspace(-1, 1, 17), torch.tensor(0.05)
    log_p = denoising.level_log_prob(x, torch.tensor(mean), sigma, levels=17)
    assert log_p.isfinite().all() and (log_p <= 0).all()
    assert log_p[0] > log_p[-1] if mean < 0 else log_p[0] < log_p[-1]


def test_terms_of_the_bound_are_those_of_torch_distributions(seeded):
    x0 = data.to_signed(torch.randint(0, 17, (4, 1, 2, 3)).double())
    terms = denoising.bound(wavy, AB, x0, levels=17, generator=seeded())
    assert terms.shape == (T + 1, 4) and (terms >= 0).all()
    generator = seeded()
    for time in range(1, T + 1):
        t = torch.full((4,), time)
        eps = torch.randn(x0.shape, generator=generator)
        x_t = AB[time].sqrt() * x0 + (1 - AB[time]).sqrt() * eps
        x0_hat = (x_t - (1 - AB[time]).sqrt() * wavy(x_t, t)) / AB[time].sqrt()
        if time == 1:
            normal = dist.Normal(x0_hat, (1 - AB[1]).sqrt())
            high = torch.where(x0 == 1, 1.0, normal.cdf(x0 + 1 / 16))
            low = torch.where(x0 == -1, 0.0, normal.cdf(x0 - 1 / 16))
            expected = -(high - low).log()
        else:
            mean, var = diffusion.q_posterior(x_t, x0, t, AB)
            mean_hat, _ = diffusion.q_posterior(x_t, x0_hat, t, AB)
            expected = dist.kl_divergence(
                dist.Normal(mean, var.sqrt()), dist.Normal(mean_hat, var.sqrt())
            )
        assert torch.allclose(terms[time - 1], expected.sum((1, 2, 3)), rtol=1e-6)
    last = dist.Normal(AB[-1].sqrt() * x0, (1 - AB[-1]).sqrt())
    prior = dist.kl_divergence(last, dist.Normal(0.0, 1.0)).sum((1, 2, 3))
    assert torch.allclose(terms[-1], prior)


def test_a_step_costs_half_the_fall_of_the_snr_times_the_error(seeded):
    """L_{t-1} = ½ (SNR_{t-1} - SNR_t) ‖x0 - x0_hat‖² (Kingma et al. 2021, eq. 13)."""
    x0, snr = torch.linspace(-1, 1, 17)[:, None], diffusion.snr(AB)
    terms = denoising.bound(exact(MU, SIGMA), AB, x0, levels=17, generator=seeded())
    generator = seeded()
    for time in range(1, T + 1):
        t = torch.full((17,), time)
        eps = torch.randn(x0.shape, generator=generator)
        x_t = diffusion.q_sample(x0, t, eps, AB)
        x0_hat = denoising.x0_from_eps(x_t, exact(MU, SIGMA)(x_t, t), t, AB)
        if time > 1:
            cost = 0.5 * (snr[time - 1] - snr[time]) * (x0 - x0_hat)[:, 0] ** 2
            assert torch.allclose(terms[time - 1], cost)


def test_the_bound_is_above_the_truth_and_more_steps_tighten_it(seeded):
    """Levels of a Gaussian, whose probabilities are known; the exact eps_model."""
    levels, n = 401, 40
    x0 = torch.linspace(-1, 1, levels)[:, None]
    mu, sigma = torch.tensor(0.1), torch.tensor(0.25)
    log_p = denoising.level_log_prob(x0, mu, sigma, levels=levels)[:, 0]
    p, gaps = log_p.exp(), []
    for steps in (25, 100, 400):
        # even steps of log SNR, from a noise of one bin to none of the signal
        alpha_bar = torch.cat([torch.ones(1), torch.linspace(10, -9, steps).sigmoid()])
        model = exact(mu, sigma, alpha_bar)
        bound = denoising.bound(
            model, alpha_bar, x0.repeat(n, 1), levels=levels, generator=seeded()
        )
        bound = bound.sum(0).reshape(n, levels).mean(0)
        gaps.append(float((p * (bound + log_p)).sum()))
    assert all(a > b > 0 for a, b in itertools.pairwise(gaps)), gaps
    assert gaps[-1] < 0.1, gaps


def test_half_as_long_steps_leave_a_quarter_of_the_error():
    """On the way to t = 100, for a Gaussian, where the ODE's path is known."""
    alpha_bar = diffusion.cosine(1000)
    mu, sigma = torch.tensor(0.3), torch.tensor(0.5)
    model = exact(mu, sigma, alpha_bar)

    def true(time, u):  # each path keeps its distance u from the mean, in units of σ_t
        ab = alpha_bar[time]
        return ab.sqrt() * mu + (ab * sigma**2 + 1 - ab).sqrt() * u

    u = draw(3, 5, 1)
    errors = {denoising.ddim: [], denoising.multistep: []}
    for n in (33, 65, 129):
        times = torch.linspace(900, 100, n).round().long().tolist()
        for sampler, found in errors.items():
            *_, x, _ = sampler(model, alpha_bar, true(900, u), times=times)
            found.append(float((x - true(100, u)).abs().max()))
    first, second = errors.values()
    assert all(1.8 < a / b < 2.2 for a, b in itertools.pairwise(first)), first
    assert all(3.3 < a / b < 4.7 for a, b in itertools.pairwise(second)), second
    assert second[0] < first[0] / 10


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_two_steps_of_multistep_are_those_of_ddim(eta, seeded):
    x_T, options = draw(4, 7, 2), {"times": [30, 12], "eta": eta}
    walks = [
        torch.stack(list(sampler(wavy, AB, x_T, **options, generator=seeded())))
        for sampler in (denoising.multistep, denoising.ddim)
    ]
    assert torch.allclose(*walks)


def test_multistep_with_noise_ends_at_the_data(seeded):
    alpha_bar = diffusion.cosine(1000)
    mu, sigma = torch.tensor(0.3), torch.tensor(0.5)
    times = [round(1000 * (i / 40) ** 1.5) for i in range(40, 0, -1)]
    *_, x = denoising.multistep(
        exact(mu, sigma, alpha_bar),
        alpha_bar,
        draw(5, 40_000, 1),
        times=times,
        eta=1.0,
        generator=seeded(),
    )
    assert abs(x.mean() - mu) < 0.01 and abs(x.std() / sigma - 1) < 0.015


def test_a_third_guess_is_on_the_line_through_two():
    """The one step of 2M that is new, from its formula in lambda."""
    x_T, (r, t, s) = draw(4, 7, 2), (30, 20, 8)
    lam = 0.5 * (AB / (1 - AB)).log()
    first, second, _ = denoising.multistep(wavy, AB, x_T, times=[r, t, s])
    before, now = (
        denoising.x0_from_eps(x, wavy(x, at), at, AB)
        for x, at in ((x_T, torch.full((7,), r)), (first, torch.full((7,), t)))
    )
    h, ratio = lam[s] - lam[t], (lam[t] - lam[r]) / (lam[s] - lam[t])
    guess = (1 + 1 / (2 * ratio)) * now - before / (2 * ratio)
    kept = ((1 - AB[s]) / (1 - AB[t])).sqrt()
    expected = kept * first - AB[s].sqrt() * torch.expm1(-h) * guess
    assert torch.allclose(second, expected)


# ---- The model -----------------------------------------------------------------------


@pytest.fixture
def model():
    net = nets.UNet(widths=(8, 8))
    with torch.no_grad():
        net.head.weight.normal_(std=0.1)
    return denoising.Diffusion(net, AB, (1, 4, 4))


@pytest.fixture
def x0():
    return data.to_signed(data.digits().x_train[:30, :, 2:6, 2:6].double())


def test_shapes(model, x0):
    assert model.T == T
    assert set(model.loss(x0)) == {"loss"} and model.loss(x0)["loss"].shape == ()
    assert model.elbo(x0, levels=17).shape == (30,)
    assert model.sample(3, times=[40, 7, 1]).shape == (3, 1, 4, 4)
    states = list(model.chain(torch.randn(3, 1, 4, 4)))
    assert len(states) == T and all(x.shape == (3, 1, 4, 4) for x in states)
    assert not states[-1].requires_grad


def test_a_sample_is_the_end_of_a_chain_from_noise(model, seeded):
    generator = seeded()
    x_T = torch.randn(3, 1, 4, 4, generator=generator)
    *_, x = model.chain(x_T, times=[40, 20, 3], generator=generator)
    sample = model.sample(3, times=[40, 20, 3], generator=seeded())
    assert torch.equal(sample, x)
    *_, other = denoising.ddpm(model.eps, AB, x_T, times=[40, 20, 3])
    assert not torch.equal(x, other)  # the generator reaches the steps


def test_elbo_is_minus_the_terms(model, x0, seeded):
    terms = denoising.bound(model.eps, AB, x0, levels=17, generator=seeded())
    elbo = model.elbo(x0, levels=17, generator=seeded())
    assert torch.allclose(elbo, -terms.sum(0))


class Spy(nn.Module):
    """A network that answers a constant and remembers what it was asked."""

    def __init__(self, answer=0.0):
        super().__init__()
        self.answer = nn.Parameter(torch.tensor(answer))
        self.asked = []

    def forward(self, x_t, t):
        self.asked.append((x_t, t))
        return self.answer.expand_as(x_t)


def test_the_loss_is_the_squared_error_of_the_target(seeded):
    x0 = draw(0, 50, 2)
    for predict in (denoising.EPS, denoising.X0, denoising.V):
        spy = Spy(0.3)
        model = denoising.Diffusion(spy, AB, (2,), predict=predict)
        loss = model.loss(x0, generator=seeded())["loss"]
        x_t, t = spy.asked[0]
        eps = denoising.eps_from_x0(x_t, x0, t, AB)  # the noise that was used
        target = predict.target(x0, eps, t, AB)
        assert torch.allclose(loss, ((0.3 - target) ** 2).sum(1).mean())
        assert abs(eps.mean()) < 0.4 and 0.8 < eps.std() < 1.2


def test_the_loss_at_given_noise_is_the_one_with_the_same_draw(model, x0, seeded):
    loss = model.loss(x0, generator=seeded())["loss"]
    generator = seeded()
    t = denoising.even_times(x0, model.T, generator)
    eps = denoising.noise_like(x0, generator)
    assert torch.equal(denoising.simple(model, x0, t, eps)["loss"], loss)


def test_times_are_uniform_and_spread_over_each_batch(seeded):
    spy, generator = Spy(), seeded()
    model = denoising.Diffusion(spy, AB, (1,))
    for _ in range(400):
        model.loss(torch.zeros(20, 1), generator=generator)
    t = torch.stack([t for _, t in spy.asked])  # (400, 20)
    assert t.min() == 1 and t.max() == T
    # T / 20 = 2 times for each of 20 stretches: every batch has one from each
    assert ((t - 1) // 2).sort(1).values.eq(torch.arange(20)).all()
    counts = t.flatten().bincount(minlength=T + 1)[1:].double()
    assert ((counts / counts.mean() - 1).abs() < 0.35).all()
    first = t[:, 0].bincount(minlength=T + 1)[1:]  # no example is tied to a time
    assert (first > 0).all()


def test_randomness_is_passed_in(model, x0, seeded):
    state = torch.get_rng_state()
    x_T = torch.ones(2, 1, 4, 4)
    for ask in (
        lambda g: model.sample(2, generator=g),
        lambda g: model.loss(x0, generator=g)["loss"],
        lambda g: model.elbo(x0, levels=17, generator=g),
        lambda g: list(model.chain(x_T, generator=g))[-1],
        lambda g: list(denoising.ddim(wavy, AB, x_T, eta=0.5, generator=g))[-1],
    ):
        assert torch.equal(ask(seeded(1)), ask(seeded(1)))
        assert not torch.equal(ask(seeded(1)), ask(seeded(2)))
    assert torch.equal(state, torch.get_rng_state()), "the global generator was used"


def test_gradients_reach_every_parameter(model, x0):
    with torch.no_grad():  # blocks and attention start at zero
        for p in model.parameters():
            p += 0.05 * torch.randn_like(p)
    model.loss(x0)["loss"].backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.abs().sum() > 0, name


# ---- Errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: list(denoising.ddpm(wavy, AB, torch.zeros(1, 1), times=[3, 5])),
            r"times: expected to fall within 40 … 1, got \[3, 5\]",
        ),
        (
            lambda: list(denoising.ddim(wavy, AB, torch.zeros(1, 1), times=[41, 5])),
            r"times: expected to fall within 40 … 1",
        ),
        (
            lambda: list(denoising.ddpm(wavy, AB, torch.zeros(1, 1), times=[3, 0])),
            r"times: expected to fall within 40 … 1",
        ),
        (
            lambda: list(denoising.ddpm(wavy, AB, torch.zeros(1, 1), times=[])),
            r"times: expected to fall within 40 … 1, got \[\]",
        ),
        (
            lambda: list(denoising.multistep(wavy, AB, torch.zeros(1, 1), eta=-1)),
            r"eta: expected 0 … 1, got -1",
        ),
        (
            lambda: list(denoising.multistep(wavy, AB, torch.zeros(1, 1), times=[0])),
            r"times: expected to fall within 40 … 1, got \[0\]",
        ),
        (
            lambda: list(denoising.ddim(wavy, AB, torch.zeros(1, 1), eta=1.5)),
            r"eta: expected 0 … 1, got 1.5",
        ),
        (lambda: denoising.spaced(10, 11), r"n: expected 1 … 10 times, got 11"),
        (lambda: denoising.spaced(10, 0), r"n: expected 1 … 10 times, got 0"),
        (
            lambda: denoising.Diffusion(Spy(), AB.flip(0), (1,)),
            r"alpha_bar: expected to fall from 1",
        ),
        (
            lambda: denoising.Diffusion(Spy(), AB, (1,)).sample(0),
            r"n: expected at least 1 sample, got 0",
        ),
        (
            lambda: denoising.Diffusion(Spy(), AB, (1,)).loss(torch.zeros(3, 2)),
            r"x0: expected finite examples of shape \(1,\), .* got shape \(3, 2\)",
        ),
        (
            lambda: denoising.Diffusion(Spy(), AB, (1,)).elbo(
                torch.full((3, 1), math.nan), levels=17
            ),
            r"x0: expected finite examples .* NaN",
        ),
        (
            lambda: denoising.Diffusion(Spy(), AB, (1,)).loss(torch.zeros(0, 1)),
            r"x0: expected finite examples .* one or more, got",
        ),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
