"""gan: the losses against cross-entropy and the exact D*, the loop against itself."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from genbook import data, gan, nets, training

seeds = st.integers(0, 2**31 - 1)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -------------------------------------------------------------------------- the losses


@given(seeds, st.floats(0.1, 20))
def test_d_loss_is_the_cross_entropy_of_telling_real_from_fake(seed, spread):
    a, b = spread * draw(seed, 30), spread * draw(seed + 1, 20)
    bce = F.binary_cross_entropy_with_logits
    terms = gan.d_loss(a, b)
    assert torch.allclose(terms["real"], bce(a, torch.ones(30)))
    assert torch.allclose(terms["fake"], bce(b, torch.zeros(20)))
    assert torch.equal(terms["loss"], terms["real"] + terms["fake"])
    assert all(term >= 0 for term in terms.values())
    assert torch.allclose(gan.value(a, b), -terms["loss"])


@given(seeds)
def test_the_value_is_that_of_the_paper(seed):
    """E log D(x) + E log(1 - D(G(z))), with the probabilities written out."""
    a, b = 3 * draw(seed, 30), 3 * draw(seed + 1, 20)
    oracle = a.sigmoid().log().mean() + (1 - b.sigmoid()).log().mean()
    assert torch.allclose(gan.value(a, b), oracle)
    saturating = (1 - b.sigmoid()).log().mean()
    assert torch.allclose(gan.g_loss_saturating(b), saturating)
    assert torch.allclose(gan.g_loss_nonsaturating(b), -b.sigmoid().log().mean())


def test_a_guess_of_one_half_costs_log_4():
    zero = torch.zeros(7)
    assert gan.d_loss(zero, zero)["loss"].item() == pytest.approx(math.log(4))
    assert gan.value(zero, zero).item() == pytest.approx(-math.log(4))


@given(st.floats(-30, 30))
def test_slopes_over_the_logit(a):
    """-D for the saturating loss, -(1 - D) for the other: both push a fake upwards."""
    logit = torch.tensor(a, requires_grad=True)
    D = torch.tensor(a).sigmoid()
    (slope,) = torch.autograd.grad(gan.g_loss_saturating(logit), logit)
    assert torch.allclose(slope, -D, rtol=1e-9, atol=0)
    (slope,) = torch.autograd.grad(gan.g_loss_nonsaturating(logit), logit)
    assert torch.allclose(slope, -torch.tensor(-a).sigmoid(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("a", [-1e4, 1e4])
def test_extreme_logits_stay_finite(a):
    logits = torch.tensor([a], requires_grad=True)
    for loss in (
        gan.value(logits, logits),
        gan.d_loss(logits, logits)["loss"],
        gan.g_loss_saturating(logits),
        gan.g_loss_nonsaturating(logits),
    ):
        (slope,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and slope.isfinite().all()


# ---------------------------------------- the best discriminator, in a small world


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2))
def test_at_the_best_d_the_value_is_two_jsd_less_log_4(counts):
    """A world of a few outcomes, seen as often as p and q say: means are exact."""
    n_p, n_q = torch.tensor(counts).T
    p, q = n_p / n_p.sum(), n_q / n_q.sum()
    logit = gan.optimal_d(p.log(), q.log())
    assert torch.allclose(logit.sigmoid(), p / (p + q), atol=1e-12)

    best = gan.value(logit.repeat_interleave(n_p), logit.repeat_interleave(n_q))
    m = (p + q) / 2
    jsd = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    assert torch.allclose(best, 2 * jsd - math.log(4), atol=1e-12)

    other = logit + draw(0, len(logit))
    worse = gan.value(other.repeat_interleave(n_p), other.repeat_interleave(n_q))
    assert worse < best


def test_the_best_d_of_two_equal_densities_is_one_half():
    log_p = data.mixture_1d().log_prob(torch.linspace(-4, 4, 50)[:, None])
    assert torch.equal(gan.optimal_d(log_p, log_p).sigmoid(), torch.full((50,), 0.5))


# ------------------------------------------------------------------------ the networks


@pytest.mark.parametrize(("latent", "width", "side"), [(8, 4, 8), (5, 3, 28)])
def test_the_networks_have_their_shapes_and_range(latent, width, side):
    G = gan.generator(latent, width=width, side=side)
    images = G(3 * torch.randn(5, latent))
    assert images.shape == (5, 1, side, side) and images.abs().max() <= 1
    assert gan.discriminator(width=width, side=side)(images).shape == (5,)


def test_the_last_layer_of_the_generator_is_a_transposed_convolution():
    *_, flatten, patches, fold, _ = gan.generator(width=4)
    x = draw(0, 3, 8, 4, 4)
    weight = patches.weight[..., 0].mT.reshape(8, 1, 4, 4)  # (in, out, side, side)
    nn.init.zeros_(patches.bias)
    oracle = F.conv_transpose2d(x, weight, stride=2, padding=1)
    assert torch.allclose(fold(patches(flatten(x))), oracle, atol=1e-12)


def dcgan(latent=8):
    torch.manual_seed(3)
    model = gan.GAN(
        gan.generator(latent, width=4), gan.discriminator(width=4), latent=8
    )
    for module in model.modules():  # as after some training: no statistic is 0 or 1
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model


def test_after_eval_an_image_is_made_and_judged_on_its_own():
    model, z = dcgan().eval(), draw(0, 6, 8)
    G, D = model.generator, model.discriminator
    x = G(z)
    assert torch.allclose(G(z[2:3]), x[2:3], atol=1e-12)
    assert torch.allclose(D(x[2:3]), D(x)[2:3], atol=1e-12)


def test_in_training_an_image_depends_on_its_batch():
    model, z = dcgan().train(), draw(0, 6, 8)
    G, D, x = model.generator, model.discriminator, draw(1, 6, 1, 8, 8)
    assert not torch.allclose(G(z[:3]), G(z)[:3], atol=1e-2)
    assert not torch.allclose(D(x[:3]), D(x)[:3], atol=1e-2)


def test_real_and_fake_are_judged_in_batches_of_their_own():
    """With BatchNorm in D, the verdict on the real does not depend on the fakes."""
    model, x = dcgan().train(), draw(0, 6, 1, 8, 8)
    fake, other = draw(1, 6, 1, 8, 8), 3 + draw(2, 6, 1, 8, 8)
    terms = model.d_loss(x, fake)
    assert torch.equal(terms["real"], model.d_loss(x, other)["real"])
    assert torch.equal(terms["fake"], model.d_loss(other, fake)["fake"])


def small():
    """Return a GAN of points on a line, and a copy of it."""
    torch.manual_seed(3)
    model = gan.GAN(nets.mlp(2, 8, 1), nets.mlp(1, 8, 1), latent=2)
    return model, copy.deepcopy(model)


def test_a_gan_samples_what_its_generator_makes_of_noise(seeded):
    model, _ = small()
    x = model.sample(5, generator=seeded(1))
    assert x.shape == (5, 1) and model.shape == (1,)
    assert torch.equal(x, model.generator(draw(1, 5, 2)))
    assert torch.equal(x, model.sample(5, generator=seeded(1)))
    assert not torch.equal(x, model.sample(5, generator=seeded(2)))


def test_the_losses_of_a_gan_are_those_of_its_discriminator():
    model, _ = small()
    x, fake = draw(0, 10, 1), draw(1, 10, 1)
    logits = model.discriminator(x), model.discriminator(fake)
    assert torch.equal(model.d_loss(x, fake)["loss"], gan.d_loss(*logits)["loss"])
    loss = gan.g_loss_nonsaturating(logits[1])
    assert torch.equal(model.g_loss(fake)["loss"], loss)


def test_the_discriminators_loss_leaves_the_generator_alone():
    model, _ = small()
    fake = model.sample(10)
    model.d_loss(draw(0, 10, 1), fake)["loss"].backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.discriminator.parameters())
    model.g_loss(fake)["loss"].backward()
    assert all(p.grad.abs().sum() > 0 for p in model.generator.parameters())


# ----------------------------------------------------------------------------- the loop


def stream(seed=0, size=16):
    x = 2 + draw(seed + 50, 64, 1)
    g = torch.Generator().manual_seed(seed)
    return training.batches(x, size=size, generator=g)


def weights(module):
    return torch.cat([p.detach().flatten().clone() for p in module.parameters()])


def by_hand(model, *, steps, d_steps, lr, lr_d, betas):
    """Play the game with gradients asked for by name, and Adam with nothing shared."""
    players = model.discriminator, model.generator
    adams = [
        torch.optim.Adam(list(player.parameters()), lr=rate, betas=betas)
        for player, rate in zip(players, (lr_d, lr), strict=True)
    ]

    def turn(which, loss):
        params = list(players[which].parameters())
        for p, g in zip(params, torch.autograd.grad(loss, params), strict=True):
            p.grad = g
        adams[which].step()
        return float(loss.detach())

    batches, history = stream(), []
    for _ in range(steps):
        for _ in range(d_steps):
            x = next(batches)
            z = torch.randn(len(x), 2)
            real = model.discriminator(x).sigmoid()
            fake = model.discriminator(model.generator(z)).sigmoid()
            d = turn(0, -real.log().mean() - (1 - fake).log().mean())
        fake = model.discriminator(model.generator(z)).sigmoid()
        history.append((d, turn(1, -fake.log().mean())))
    return history


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"d_steps": 3},
        {"lr": 3e-3, "lr_d": 2e-2},
        {"betas": (0.0, 0.9), "lr": 1e-2},
    ],
)
def test_fit_gan_is_the_game_played_by_hand(options):
    model, twin = small()
    torch.manual_seed(7)
    rounds = list(gan.fit_gan(model, stream(), steps=20, **options))
    torch.manual_seed(7)
    full = {"d_steps": 1, "lr": 1e-3, "betas": (0.5, 0.999)} | options
    full = {"lr_d": full["lr"]} | full
    history = by_hand(twin, steps=20, **full)
    assert torch.allclose(weights(model), weights(twin), atol=1e-9)
    assert [r.step for r in rounds] == list(range(1, 21))
    for r, (d, g) in zip(rounds, history, strict=True):
        assert set(r.terms) == {"D loss", "D real", "D fake", "G loss"}
        assert r.terms["D loss"] == pytest.approx(d, rel=1e-5)
        assert r.terms["G loss"] == pytest.approx(g, rel=1e-5)
        total = r.terms["D real"] + r.terms["D fake"]
        assert r.terms["D loss"] == pytest.approx(total, rel=1e-5)


def test_training_moves_the_samples_to_the_data():
    model = gan.GAN(nn.Linear(1, 1), nets.mlp(1, 16, 1), latent=1)
    for _ in gan.fit_gan(model, stream(size=64), steps=600, lr=1e-2, ema=0.99):
        pass
    x = model.sample(2000)
    assert abs(x.mean() - 2) < 0.4


@pytest.mark.parametrize("decay", [0.5, 0.7, 0.9])
def test_ema_is_the_average_of_the_generator_alone(decay):
    """A short memory at first: 0.7 holds from the 22nd step on, 0.9 never here."""
    plain, averaged = small()
    torch.manual_seed(7)
    path = [weights(plain.generator) for _ in gan.fit_gan(plain, stream(), steps=25)]
    average = path[0]
    for n, w in enumerate(path[1:], start=1):
        now = min(decay, n / (n + 9))
        average = now * average + (1 - now) * w
    torch.manual_seed(7)
    for step in gan.fit_gan(averaged, stream(), steps=25, ema=decay):
        if step.step == 24:  # until the end the game is played with the last weights
            assert torch.equal(weights(averaged.generator), path[23])
    assert torch.allclose(weights(averaged.generator), average, atol=1e-12)
    assert torch.equal(weights(averaged.discriminator), weights(plain.discriminator))


def test_ema_averages_the_statistics_with_the_weights():
    model = dcgan()
    x = draw(0, 40, 1, 8, 8).clamp(-1, 1)
    batches = training.batches(x, size=20, generator=torch.Generator().manual_seed(0))
    norm = model.generator[2]
    path = [
        (norm.running_mean.clone(), norm.running_var.clone())
        for _ in gan.fit_gan(model, batches, steps=6, ema=0.3)
    ]
    mean, var = path[0]
    for n, (new_mean, new_var) in enumerate(path[1:-1], start=1):
        now = min(0.3, n / (n + 9))
        mean, var = now * mean + (1 - now) * new_mean, now * var + (1 - now) * new_var
    # The last of the path is the average already: 0.3 of it is the average before.
    assert (path[-1][0] - path[-2][0]).abs().max() > 1e-3
    twin = dcgan()
    again = training.batches(x, size=20, generator=torch.Generator().manual_seed(0))
    for _ in gan.fit_gan(twin, again, steps=6):
        pass
    last = twin.generator[2]
    assert torch.allclose(path[-1][0], 0.3 * mean + 0.7 * last.running_mean)
    assert torch.allclose(path[-1][1], 0.3 * var + 0.7 * last.running_var)


def test_nothing_is_trained_before_the_first_step_is_asked_for():
    model, twin = small()
    rounds = gan.fit_gan(model, stream(), steps=2)
    assert torch.equal(weights(model), weights(twin))
    next(rounds)
    assert not torch.equal(weights(model), weights(twin))


class Fails(gan.GAN):
    """One of the players' losses is not finite in its n-th turn."""

    def __init__(self, player, at, value):
        torch.manual_seed(3)
        super().__init__(nets.mlp(2, 8, 1), nets.mlp(1, 8, 1), latent=2)
        self.player, self.at, self.value, self.turn = player, at, value, 0

    def spoil(self, player, loss):
        self.turn += player == self.player
        bad = player == self.player and self.turn == self.at
        return loss + loss.new_tensor(self.value if bad else 0.0)

    def d_loss(self, x, fake):
        terms = super().d_loss(x, fake)
        fake = self.spoil("D", terms["fake"])
        return {"loss": terms["real"] + fake, "real": terms["real"], "fake": fake}

    def g_loss(self, fake):
        return {"loss": self.spoil("G", super().g_loss(fake)["loss"])}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("player", "term"), [("D", "D fake"), ("G", "G loss")])
def test_a_loss_that_is_not_finite_is_named_before_it_harms(player, term, value):
    healthy, model = Fails(player, 0, 0.0), Fails(player, 4, value)
    torch.manual_seed(7)
    for _ in gan.fit_gan(healthy, stream(), steps=3):
        pass
    torch.manual_seed(7)
    with pytest.raises(FloatingPointError, match=rf"step 4: the term '{term}'"):
        for _ in gan.fit_gan(model, stream(), steps=9):
            pass
    assert torch.equal(weights(model.generator), weights(healthy.generator))
    same = torch.equal(weights(model.discriminator), weights(healthy.discriminator))
    assert same is (player == "D")


def test_a_stream_that_ends_too_early_is_told():
    model, _ = small()
    batches = iter([torch.randn(4, 1)] * 5)
    with pytest.raises(ValueError, match=r"stream: expected 6 batches, got 5"):
        for _ in gan.fit_gan(model, batches, steps=3, d_steps=2):
            pass


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, r"steps and d_steps of at least 1, got 0 and 1"),
        ({"d_steps": 0}, r"steps and d_steps of at least 1, got 2 and 0"),
        ({"lr": 0.0}, r"positive learning rates, got 0.0 and 0.0"),
        ({"lr_d": -1.0}, r"positive learning rates, got 0.001 and -1.0"),
        ({"lr_d": 0.0}, r"positive learning rates, got 0.001 and 0.0"),
        ({"lr": math.nan}, r"positive learning rates, got nan"),
        ({"betas": (1.0, 0.9)}, r"betas: .* in \[0, 1\), got \(1.0, 0.9\)"),
        ({"betas": (0.5, math.nan)}, r"betas: .* in \[0, 1\), got \(0.5, nan\)"),
        ({"betas": (0.5,)}, r"betas: expected two numbers .*, got \(0.5,\)"),
        ({"ema": 1.0}, r"ema: expected .* between 0 and 1, got 1"),
        ({"ema": 0.0}, r"ema: expected .* between 0 and 1, got 0"),
        ({"device": "tpu"}, r"device: expected one of cpu.*, got tpu"),
    ],
)
def test_bad_options_are_told_at_once(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        gan.fit_gan(small()[0], stream(), **{"steps": 2, **options})


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            lambda: gan.GAN(nets.mlp(2, 1), nets.mlp(1, 1), latent=0),
            r"latent: expected at least 1 dimension, got 0",
        ),
        (
            lambda: gan.GAN(nets.mlp(2, 1), nets.mlp(1, 1), latent=3),
            r"a generator that takes noise of 3 numbers",
        ),
        (
            lambda: gan.GAN(nets.mlp(2, 4), nets.mlp(1, 1), latent=2),
            r"a discriminator that takes what it makes",
        ),
        (
            lambda: gan.GAN(nets.mlp(2, 1), nets.mlp(1, 3), latent=2),
            r"discriminator: expected one logit a sample, got \(2, 3\) for 2",
        ),
        (lambda: small()[0].sample(0), r"n: expected at least 1 sample, got 0"),
        (
            lambda: gan.optimal_d(torch.zeros(3), torch.zeros(4)),
            r"log_p and log_q: expected one shape, got \(3,\) and \(4,\)",
        ),
    ],
)
def test_bad_input_gets_a_sentence(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()
