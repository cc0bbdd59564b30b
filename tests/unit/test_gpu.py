"""The same numbers on CUDA as on the CPU: fit, sample and likelihood of every model.

Both devices get the same weights and the same noise (drawn on the CPU and moved), and
compute in float64, so what is left is the order of additions: relative 1e-9 for one
pass. Training feeds errors back on itself: relative 1e-6 after 50 steps.
"""

import copy

import pytest
import torch

from genbook import data, denoising, diffusion, gan, nets, training, vae

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

ONE_PASS, AFTER_TRAINING = 1e-9, 1e-6

LIKELIHOODS = {
    "binomial": (vae.Binomial(), lambda x: x),
    "bernoulli": (vae.Bernoulli(), lambda x: (x > 8).to(x)),
    "gaussian": (vae.Gaussian(0.3), data.to_signed),
}


@pytest.fixture(autouse=True)
def same_noise(monkeypatch):
    """Let torch.randn draw on the CPU and move: generators differ between devices."""
    randn = torch.randn

    def moved(*size, generator=None, dtype=None, device=None):
        return randn(*size, generator=generator, dtype=dtype).to(device or "cpu")

    monkeypatch.setattr(torch, "randn", moved)


@pytest.fixture(params=LIKELIHOODS)
def case(request):
    """Return a VAE and images fit for its likelihood, both on the CPU."""
    likelihood, prepare = LIKELIHOODS[request.param]
    torch.manual_seed(0)
    model = vae.VAE(
        nets.mlp((1, 8, 8), 64, 8),
        nets.mlp(4, 64, (1, 8, 8)),
        latent=4,
        likelihood=likelihood,
    )
    return model, prepare(data.digits().x_train.double())


def on_both(model, ask):
    """Return ask(model, device) on the CPU and on CUDA, from the same seed."""
    answers = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(1)
        answer = ask(copy.deepcopy(model).to(device), device)
        assert answer.device.type == device
        answers.append(answer.detach().cpu())
    return answers


def test_likelihood_and_bounds(case):
    model, x = case
    asks = [
        lambda m, d: m.elbo(x[:50].to(d)),
        lambda m, d: m.iwae(x[:50].to(d), k=120),
        lambda m, d: m.loss(x[:50].to(d))["loss"],
        lambda m, d: m.log_likelihood(x[:50].to(d), torch.ones(50, 4).to(d)),
    ]
    for ask in asks:
        cpu, cuda = on_both(model, ask)
        assert torch.allclose(cpu, cuda, rtol=ONE_PASS, atol=ONE_PASS)


def test_sample(case):
    cpu, cuda = on_both(case[0], lambda m, d: m.sample(20))
    assert torch.allclose(cpu, cuda, rtol=ONE_PASS, atol=ONE_PASS)


@pytest.mark.parametrize("options", [{}, {"ema": 0.9}, {"clip": 1.0}])
def test_fit(case, options):
    model, x = case
    runs = []
    for device in ("cpu", "cuda"):
        twin = copy.deepcopy(model)
        torch.manual_seed(1)
        s = training.batches(x, size=100, generator=torch.Generator().manual_seed(2))
        history = training.fit(
            twin, s, steps=50, device=device, progress=False, **options
        )
        assert {p.device.type for p in twin.parameters()} == {device}
        weights = torch.cat([p.detach().cpu().flatten() for p in twin.parameters()])
        runs.append((torch.tensor(history["loss"]), weights))
    (loss_a, weights_a), (loss_b, weights_b) = runs
    assert loss_a[-1] < loss_a[0]
    assert torch.allclose(loss_a, loss_b, rtol=AFTER_TRAINING)
    assert torch.allclose(
        weights_a, weights_b, rtol=AFTER_TRAINING, atol=AFTER_TRAINING
    )


def test_data_on_the_device_comes_in_the_same_batches(case):
    streams = [
        training.batches(
            case[1].to(device), size=500, generator=torch.Generator().manual_seed(0)
        )
        for device in ("cpu", "cuda")
    ]
    for _ in range(5):
        here, there = map(next, streams)
        assert there.is_cuda and torch.equal(here, there.cpu())


def test_bf16_trains_as_well_as_float32():
    """Within 2 %: bfloat16 keeps eight bits of a number."""
    ends = []
    x = data.digits().x_train
    for bf16 in (False, True):
        torch.manual_seed(0)
        model = vae.VAE(
            nets.mlp((1, 8, 8), 64, 8),
            nets.mlp(4, 64, (1, 8, 8)),
            latent=4,
            likelihood=vae.Binomial(),
        ).float()
        s = training.batches(x, size=100, generator=torch.Generator().manual_seed(2))
        history = training.fit(
            model, s, steps=200, lr=3e-3, device="cuda", bf16=bf16, progress=False
        )
        assert all(p.dtype == torch.float32 for p in model.parameters())
        ends.append(sum(history["loss"][-20:]) / 20)
    assert ends[1] == pytest.approx(ends[0], rel=0.02)


def test_a_mixture_answers_on_the_device_of_the_question():
    m = data.ring()
    x = m.sample(100)
    for ask in (
        m.log_prob,
        lambda x: m.score(x, 0.3),
        lambda x: m.posterior_mean(x, 0.5),
    ):
        got = ask(x.cuda())
        assert got.is_cuda
        assert torch.allclose(got.cpu(), ask(x), rtol=ONE_PASS, atol=ONE_PASS)
    level = torch.linspace(0.1, 0.9, 100)
    got = m.posterior_mean(x.cuda(), level.cuda())
    assert torch.allclose(got.cpu(), m.posterior_mean(x, level), rtol=ONE_PASS)


def test_checkerboard_density_on_the_device():
    x = data.checkerboard(100)
    assert torch.equal(
        data.checkerboard_log_prob(x.cuda()).cpu(), data.checkerboard_log_prob(x)
    )


def test_a_gan_plays_the_same_game_on_both():
    runs = []
    x = data.to_signed(data.digits().x_train.double())
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        model = gan.GAN(gan.generator(8, width=4), gan.discriminator(width=4), latent=8)
        s = training.batches(x, size=100, generator=torch.Generator().manual_seed(2))
        torch.manual_seed(1)
        rounds = gan.fit_gan(model, s, steps=50, ema=0.9, device=device)
        terms = torch.tensor([list(r.terms.values()) for r in rounds])
        assert {p.device.type for p in model.parameters()} == {device}
        torch.manual_seed(3)
        runs.append((terms, model.sample(20).detach().cpu()))
    (terms_a, samples_a), (terms_b, samples_b) = runs
    assert torch.allclose(terms_a, terms_b, rtol=AFTER_TRAINING)
    assert torch.allclose(samples_a, samples_b, atol=AFTER_TRAINING)


def test_a_diffusion_model_says_the_same_on_both(monkeypatch):
    rand = torch.rand

    def moved(*size, generator=None, device=None):
        return rand(*size, generator=generator).to(device or "cpu")

    monkeypatch.setattr(torch, "rand", moved)
    torch.manual_seed(0)
    alpha_bar = diffusion.cosine(20, s=0.05)
    model = denoising.Diffusion(nets.UNet(), alpha_bar, (1, 8, 8))
    x = data.to_signed(data.digits().x_train.double())
    runs = []
    for device in ("cpu", "cuda"):
        twin = copy.deepcopy(model)
        torch.manual_seed(1)
        s = training.batches(x, size=100, generator=torch.Generator().manual_seed(2))
        history = training.fit(twin, s, steps=50, device=device, progress=False)
        assert {p.device.type for p in twin.parameters()} == {device}
        runs.append((torch.tensor(history["loss"]), twin.cpu()))
    (loss_a, trained), (loss_b, _) = runs
    assert torch.allclose(loss_a, loss_b, rtol=AFTER_TRAINING)
    noise = torch.randn(5, 1, 8, 8)
    for ask in (
        lambda m, d: m.loss(x[:50].to(d))["loss"],
        lambda m, d: m.elbo(x[:50].to(d), levels=17),
        lambda m, d: m.sample(5, times=[20, 9, 2]),
        lambda m, d: list(denoising.ddim(m.eps, alpha_bar, noise.to(d), eta=0.5))[-1],
    ):
        cpu, cuda = on_both(trained, ask)
        assert torch.allclose(cpu, cuda, rtol=AFTER_TRAINING, atol=AFTER_TRAINING)
