"""evaluate: metrics against what is known, and their intervals against new draws."""

import linear_gaussian as lg
import pytest
import torch
from torch import nn

from genbook import autoencoder, evaluate, mnist_metrics, nets, vae
from genbook.recipes import Recipe

SHAPE = (1, 28, 28)
pytestmark = pytest.mark.usefixtures("float32")


def blots(n: int, *, generator: torch.Generator) -> torch.Tensor:
    """Draw images that differ in the strength of one pattern, and a little noise."""
    ink = torch.rand(n, 1, 1, 1, generator=generator)
    return 0.8 * ink * torch.rand(SHAPE, generator=torch.Generator().manual_seed(9)) + (
        0.2 * torch.rand(n, *SHAPE, generator=generator)
    )


def pictures(n: int) -> torch.Tensor:
    return (255 * blots(n, generator=torch.Generator().manual_seed(5))).byte()


def recipe(model: nn.Module, draw=None, sample=None) -> Recipe:
    return Recipe(model, (), draw, sample, size=1, steps=1)


def small_vae() -> vae.VAE:
    torch.manual_seed(0)
    return vae.VAE(
        nets.mlp(SHAPE, 8, 4),
        nets.mlp(2, 8, SHAPE),
        latent=2,
        likelihood=vae.Bernoulli(),
    )


# --------------------------------------------------------------------------- Fréchet


def test_the_distance_is_that_of_all_samples_together(seeded):
    metric = evaluate.frechet(blots, n=400, size=100)
    generator = seeded(0)
    x = torch.cat([blots(100, generator=generator) for _ in range(4)])
    assert metric.value == pytest.approx(mnist_metrics.distance(x), rel=1e-6)
    each = [mnist_metrics.distance(part) for part in x.split(100)]
    assert metric.small.value == pytest.approx(sum(each) / 4, rel=1e-6)
    spread = float(torch.tensor(each).std())
    assert metric.small.high - metric.small.value == pytest.approx(4 * spread, rel=1e-3)
    assert (metric.n, metric.small.n) == (400, 100)


def test_the_interval_is_as_wide_as_chance_makes_it(seeded):
    """Two standard errors, held against the spread of twenty measurements."""
    metric = evaluate.frechet(blots, n=800, size=200)
    each = [
        mnist_metrics.distance(blots(800, generator=seeded(seed)))
        for seed in range(1, 21)
    ]
    spread = float(torch.tensor(each).std())
    assert metric.high - metric.value == pytest.approx(2 * spread, rel=0.4)
    assert metric.low == pytest.approx(2 * metric.value - metric.high)


def test_new_samples_fall_into_the_interval_and_others_do_not():
    small = evaluate.frechet(blots, n=1000, size=100).small
    assert small.low < evaluate.frechet_again(blots, small) < small.high

    def paler(n, *, generator):
        return 0.7 * blots(n, generator=generator)

    assert not small.low < evaluate.frechet_again(paler, small) < small.high


@pytest.mark.parametrize("n", [0, 300, 450])
def test_groups_must_be_whole_and_enough(n):
    with pytest.raises(ValueError, match=rf"expected size > 64.* got 100 and {n}"):
        evaluate.frechet(blots, n=n, size=100)


@pytest.mark.parametrize("size", [0, 64])
def test_a_group_must_be_larger_than_its_features(size):
    with pytest.raises(ValueError, match=rf"expected size > 64.* got {size} and 6400"):
        evaluate.frechet(blots, n=6400, size=size)


@pytest.mark.parametrize("n", [5, 640, 1001])
def test_a_tenth_of_all_samples_must_be_a_group(n):
    recipe = small_autoencoder()
    with pytest.raises(ValueError, match=f"a multiple of 10, 650 or more, got {n}"):
        evaluate.everything(recipe, pictures(60), n=n)


# ------------------------------------------------------------------------------ nats


def test_with_the_exact_posterior_the_bound_is_minus_log_px(seeded):
    torch.set_default_dtype(torch.float64)
    model, x = lg.draw(0, orthogonal=True), lg.observe(0, n=45)
    lg.set_posterior(model)
    bound = evaluate.iwae(model, x, k=150, generator=seeded())
    assert bound.shape == (45,) and bound.dtype == torch.float64
    assert torch.allclose(bound, -lg.log_px(model, x))


def test_images_in_parts_are_all_there_and_in_order(seeded):
    model = small_vae()
    x = (blots(45, generator=seeded()) > 0.4).float()
    parts = evaluate.iwae(model, x, k=300, generator=seeded(1))
    with torch.no_grad():
        whole = -model.iwae(x, k=300, generator=seeded(2)).double()
    assert parts.shape == (45,) and torch.allclose(parts, whole, atol=0.5)
    assert (parts - whole).abs().mean() < 0.1 * parts.std()


def test_single_precision_is_enough(seeded):
    model, x = small_vae(), (blots(30, generator=seeded()) > 0.4).float()
    eps = model.noise(200, 30, generator=seeded(1))
    with torch.no_grad():
        single = vae.iwae(model, x, eps)
        double = vae.iwae(model.double(), x.double(), eps.double())
    assert (single - double).abs().max() < 1e-3


@pytest.fixture
def few_samples(monkeypatch):
    monkeypatch.setattr(evaluate, "SAMPLES", 40)
    monkeypatch.setattr(evaluate, "ROUGH", 10)


def test_nats_are_the_mean_over_binarised_images(few_samples, seeded):
    """With all samples spent on all images, and within the interval with fewer."""
    model, images = small_vae(), pictures(200)
    nn.init.constant_(model.encoder[-1].bias, 0.7)  # far off: more samples help
    metric = evaluate.nll(model, images, fine=200, few=20)
    x = evaluate.binarize(images, generator=seeded(0))
    full = float(evaluate.iwae(model, x, k=40, generator=seeded(1)).mean())
    assert metric.value == pytest.approx(full, rel=1e-9)
    assert f"IWAE-{40}" in metric.name and metric.n == 200
    metric = evaluate.nll(model, images, fine=50, few=20)
    assert metric.low < full < metric.high
    assert float(evaluate.iwae(model, x, k=10).mean()) > metric.high


def test_the_small_metric_is_found_again_and_another_model_is_not(few_samples):
    model, images = small_vae(), pictures(60)
    small = evaluate.nll(model, images, fine=20, few=30).small
    for seed in (7, 8, 9):
        again = evaluate.nll_again(model, images, small, seed=seed)
        assert small.low < again < small.high
    nn.init.constant_(model.decoder[-2].bias, 0.5)
    assert evaluate.nll_again(model, images, small) > small.high


def test_the_interval_of_the_nats_is_that_of_other_draws(few_samples, seeded):
    """Two standard errors: of binarising again and of new importance samples."""
    model, images = small_vae(), pictures(100)
    nn.init.constant_(model.encoder[-1].bias, 0.7)  # far off: more samples help
    metric = evaluate.nll(model, images, fine=10, few=2)
    some, values = evaluate._spread(100, 10), []
    for seed in range(30):
        x = evaluate.binarize(images, generator=seeded(100 + seed))
        rough = evaluate.iwae(model, x, k=10, generator=seeded(200 + seed))
        fine = evaluate.iwae(model, x[some], k=40, generator=seeded(300 + seed))
        values.append(rough.mean() + (fine - rough[some]).mean())
    spread = float(torch.stack(values).std())
    assert metric.high - metric.value == pytest.approx(2 * spread, rel=0.4)
    assert abs(metric.value - float(torch.stack(values).mean())) < 3 * spread


def test_a_part_of_the_images_is_spread_over_all():
    assert evaluate._spread(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert evaluate._spread(10, 10).tolist() == list(range(10))
    for asked in ({"fine": 61}, {"few": 1}):
        with pytest.raises(ValueError, match="expected 2 … 60 images, got fine="):
            evaluate.nll(small_vae(), pictures(60), **asked)


# ---------------------------------------------------------------- what else there is


def small_autoencoder() -> Recipe:
    model = autoencoder.Autoencoder(nets.mlp(SHAPE, 4), nets.mlp(4, SHAPE), latent=4)
    return recipe(
        model,
        draw=lambda x, generator: (x / 255,),
        sample=lambda model, n, generator: blots(n, generator=generator),
    )


def test_the_error_is_the_mean_over_the_images():
    made, images = small_autoencoder(), pictures(700)  # more than one part
    metric = evaluate.error(made, images)
    with torch.no_grad():
        each = made.model.error(images / 255)
    assert metric.value == pytest.approx(float(each.mean()), rel=1e-5)
    half = 2 * float(each.std()) / 700**0.5
    assert metric.high - metric.value == pytest.approx(half, rel=1e-3)


def test_each_kind_of_model_is_asked_what_it_can_answer(few_samples):
    found = evaluate.everything(small_autoencoder(), pictures(60), n=4000)
    assert [m.name for m in found] == ["Fréchet distance", "squared error"]
    made = recipe(
        small_vae(), sample=lambda model, n, generator: blots(n, generator=generator)
    )
    found = evaluate.everything(made, pictures(500), n=4000)
    assert [m.name for m in found] == ["Fréchet distance", "-log p(x), IWAE-40"]


def test_calls_are_counted_of_the_network_and_not_of_its_layers():
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))

    def sample(model, n, generator):
        x = torch.randn(n, 2, generator=generator)
        for _ in range(7):
            x = model.net(x)
        return x

    assert evaluate.calls(recipe(Chain(), sample=sample)) == 7

    class Whole(Chain):
        def forward(self, x):
            return self.net(self.net(x))

    whole = recipe(Whole(), sample=lambda model, n, generator: model(torch.zeros(n, 2)))
    assert evaluate.calls(whole) == 1
    assert not any(m._forward_pre_hooks for m in whole.model.modules())
