"""training: fit is the plain loop one would write by hand, and its options work."""

import copy
import io
import itertools
import math
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from genbook import data, nets, training, vae


class Line(nn.Module):
    """Fit y = 3 x by least squares: the smallest thing that can be trained."""

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.w, self.scale = nn.Parameter(torch.zeros(2)), scale

    def loss(self, x):
        part = self.scale * ((x @ self.w - 3 * x.sum(-1)) ** 2).mean()
        return {"loss": part, "part": part}


class Fails(Line):
    """Goes wrong at one step, in the term ``kl`` and so in the loss."""

    def __init__(self, at: int, value: float):
        super().__init__()
        self.at, self.value, self.calls = at, value, 0

    def loss(self, x):
        self.calls += 1
        recon = super().loss(x)["loss"]
        kl = (self.w**2).sum() * (self.value if self.calls == self.at else 1.0)
        kl = kl + (self.value if self.calls == self.at else 0.0)
        return {"loss": recon + kl, "recon": recon, "kl": kl}


def points(seed=0, n=64):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def stream(seed=0, size=16):
    g = torch.Generator().manual_seed(seed)
    return training.batches(points(), size=size, generator=g)


def fit(model, **options):
    return training.fit(model, stream(), device="cpu", progress=False, **options)


def digits_vae():
    torch.manual_seed(0)
    return vae.VAE(
        nets.mlp((1, 8, 8), 64, 4),
        nets.mlp(2, 64, (1, 8, 8)),
        latent=2,
        likelihood=vae.Binomial(),
    )


def weights(model):
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


# ----------------------------------------------------------------------------- batches


def test_a_pass_shows_every_example_once_in_a_new_order():
    x = torch.arange(12.0)
    three = training.batches(x, size=4, generator=torch.Generator().manual_seed(0))
    passes = [torch.cat([next(three) for _ in range(3)]) for _ in range(4)]
    for one in passes:
        assert torch.equal(one.sort().values, x)
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(passes, 2))


def test_every_batch_has_its_size_and_a_pass_repeats_nothing():
    s = training.batches(torch.arange(10.0), size=4)
    for _ in range(5):
        one_pass = torch.cat([next(s), next(s)])
        assert one_pass.shape == (8,) and len(one_pass.unique()) == 8


def test_all_examples_come_up_in_the_end():
    s = training.batches(torch.arange(10.0), size=4)
    seen = torch.cat(list(itertools.islice(s, 40)))
    assert len(seen.unique()) == 10


def test_batches_obey_their_generator():
    a, b, c = (list(itertools.islice(stream(seed), 9)) for seed in (1, 1, 2))
    assert torch.equal(torch.stack(a), torch.stack(b))
    assert not torch.equal(torch.stack(a), torch.stack(c))


@pytest.mark.parametrize(
    ("x", "size", "sentence"),
    [
        (torch.zeros(0, 2), 1, r"at least one example, got shape \(0, 2\)"),
        (torch.tensor([1.0, math.nan]), 1, r"finite data .* NaN or inf"),
        (torch.tensor([1.0, math.inf]), 1, r"finite data .* NaN or inf"),
        (torch.zeros(5), 0, r"batch size: expected 1 … 5, got 0"),
        (torch.zeros(5), 6, r"batch size: expected 1 … 5, got 6"),
    ],
)
def test_bad_data_is_told_at_once(x, size, sentence):
    with pytest.raises(ValueError, match=sentence):
        training.batches(x, size=size)  # nobody has asked for a batch yet


# --------------------------------------------------------------------------------- fit


def test_fit_finds_the_line():
    model = Line()
    history = fit(model, steps=300, lr=0.1)
    assert history["loss"][0] > 1 and history["loss"][-1] < 1e-3
    assert torch.allclose(model.w, torch.tensor(3.0), atol=0.05)


def test_fit_raises_the_elbo_of_a_vae_on_digits():
    model, d = digits_vae().float(), data.digits()
    before = model.elbo(d.x_test).mean()
    s = training.batches(d.x_train, size=100)
    history = training.fit(model, s, steps=100, lr=3e-3, device="cpu", progress=False)
    assert set(history) == {"loss", "recon", "kl"}
    assert all(len(values) == 100 for values in history.values())
    assert model.elbo(d.x_test).mean() > before + 50


def test_fit_is_the_loop_written_by_hand():
    model = digits_vae()
    twin = copy.deepcopy(model)
    x = data.digits().x_train.double()

    torch.manual_seed(1)
    s = training.batches(x, size=50, generator=torch.Generator().manual_seed(2))
    history = training.fit(model, s, steps=20, lr=2e-3, device="cpu", progress=False)

    torch.manual_seed(1)
    s = training.batches(x, size=50, generator=torch.Generator().manual_seed(2))
    adam, losses = torch.optim.Adam(twin.parameters(), lr=2e-3), []
    for batch in itertools.islice(s, 20):
        loss = twin.loss(batch)["loss"]
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())

    assert torch.allclose(
        torch.tensor(history["loss"]), torch.tensor(losses), rtol=1e-6
    )
    assert torch.allclose(weights(model), weights(twin), rtol=1e-9, atol=1e-12)


def test_the_same_seeds_give_the_same_model():
    def run(seed):
        model = digits_vae()
        torch.manual_seed(seed)
        x = data.digits().x_train.double()
        s = training.batches(x, size=50, generator=torch.Generator().manual_seed(seed))
        history = training.fit(model, s, steps=10, device="cpu", progress=False)
        return history["loss"], weights(model)

    (a, wa), (b, wb), (c, wc) = run(1), run(1), run(2)
    assert a == b and torch.equal(wa, wb)
    assert a != c and not torch.equal(wa, wc)


def test_fit_steps_is_lazy_and_fit_is_the_same_thing():
    eager, lazy = Line(), Line()
    history = fit(eager, steps=30, lr=0.1)
    run = training.fit_steps(lazy, stream(), steps=30, lr=0.1, device="cpu")
    assert torch.equal(lazy.w, torch.zeros(2)), "trained before anybody asked"
    steps = []
    for step in run:
        steps.append(step)
        if step.step == 1:
            assert not torch.equal(lazy.w, torch.zeros(2)), "yielded before the step"
    assert [s.step for s in steps] == list(range(1, 31))
    assert [s.terms["loss"] for s in steps] == history["loss"]
    assert torch.equal(eager.w, lazy.w)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shell(stdin: bool):
    """Return an IPython whose kernel does, or does not, have somebody to ask."""
    kernel = SimpleNamespace(_allow_stdin=stdin)
    return SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=kernel))


@pytest.mark.parametrize(
    ("stdout", "ipython", "progress", "drawn"),
    [
        (Terminal, None, True, True),
        (Terminal, None, False, False),
        (io.StringIO, None, True, False),  # a file or a pipe
        (io.StringIO, shell(stdin=True), True, True),  # a notebook that is open
        (io.StringIO, shell(stdin=False), True, False),  # nbclient, nbval
    ],
)
def test_a_bar_is_drawn_only_where_somebody_watches(
    stdout, ipython, progress, drawn, monkeypatch
):
    stdout = stdout()
    monkeypatch.setattr(sys, "stdout", stdout)
    if ipython:
        monkeypatch.setitem(sys.modules, "IPython", ipython)
    else:
        monkeypatch.delitem(sys.modules, "IPython", raising=False)
    training.fit(Line(), stream(), steps=3, device="cpu", progress=progress)
    assert ("/3" in stdout.getvalue()) is drawn


# ----------------------------------------------------------------------------- options


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_ema_is_the_average_computed_by_hand(decay):
    plain = Line()
    run = training.fit_steps(plain, stream(), steps=25, lr=0.1, device="cpu")
    path = [plain.w.detach().clone() for _ in run]
    average = path[0]
    for w in path[1:]:
        average = decay * average + (1 - decay) * w

    averaged = Line()
    fit(averaged, steps=25, lr=0.1, ema=decay)
    assert torch.allclose(averaged.w, average, atol=1e-12)
    assert not torch.allclose(averaged.w, plain.w, atol=1e-3)


def test_an_average_may_begin_as_a_short_one():
    decays = [training.ema_decay(0.5, n) for n in (0, 1, 3, 9, 10, 1000)]
    assert decays == pytest.approx([0, 0.1, 0.25, 0.5, 0.5, 0.5], abs=1e-12)


def test_ema_does_not_change_the_training_itself():
    plain, averaged = Line(), Line()
    assert fit(plain, steps=25)["loss"] == fit(averaged, steps=25, ema=0.9)["loss"]


def gradient_norms(**options):
    """Return the norm of the gradient that each optimizer step was given."""
    norms, model = [], Line(scale=100.0)

    def look(*_):
        norms.append(model.w.grad.norm().item())

    hook = register_optimizer_step_pre_hook(look)
    try:
        fit(model, steps=20, **options)
    finally:
        hook.remove()
    return norms


def test_clip_limits_the_norm_and_nothing_else():
    free = gradient_norms(lr=1e-6)
    assert min(free) > 1
    assert gradient_norms(lr=1e-6, clip=0.5) == pytest.approx([0.5] * 20, rel=1e-5)
    assert gradient_norms(lr=1e-6, clip=1e9) == pytest.approx(free)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_before_it_harms_the_weights(value):
    healthy, model = Fails(at=0, value=0.0), Fails(at=4, value=value)
    fit(healthy, steps=3, lr=0.1)
    with pytest.raises(FloatingPointError, match=r"step 4\b.*'kl'") as error:
        fit(model, steps=10, lr=0.1)
    assert "'recon'" not in str(error.value), "recon was finite"
    assert torch.equal(model.w, healthy.w) and model.w.isfinite().all()


def test_a_stream_that_ends_too_early_is_told():
    with pytest.raises(ValueError, match=r"stream: expected 5 batches, got 2"):
        training.fit(Line(), iter([points(), points()]), steps=5, device="cpu")


# ------------------------------------------------------------------------------ device


def test_the_device_is_the_best_there_is():
    best = training.pick_device()
    assert best == training.pick_device(best)
    assert training.pick_device("cpu") == torch.device("cpu")
    if torch.cuda.is_available():
        assert best.type == "cuda"


def test_the_model_is_moved_and_the_data_follows():
    model = Line().float()  # Apple's MPS knows no float64
    s = training.batches(points().float(), size=16)
    best = training.pick_device()
    training.fit(model, s, steps=2, device=best, progress=False)
    assert model.w.device.type == best.type


def test_unasked_the_model_stays_where_it_is(monkeypatch):
    """A lesson's tensors lie on the CPU; a card in the machine must not split them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    model = Line()
    training.fit(model, stream(), steps=2, progress=False)
    assert model.w.device.type == "cpu"


def missing_device():
    return "mps" if torch.cuda.is_available() else "cuda"  # no machine has both


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, r"steps: expected at least 1, got 0"),
        ({"steps": -5}, r"steps: expected at least 1, got -5"),
        ({"lr": 0.0}, r"lr: expected a positive .*, got 0"),
        ({"lr": math.nan}, r"lr: expected a positive .*, got nan"),
        ({"ema": 0.0}, r"ema: expected .* between 0 and 1, got 0"),
        ({"ema": 1.0}, r"ema: expected .* between 0 and 1, got 1"),
        ({"clip": 0.0}, r"clip: expected a positive .*, got 0"),
        ({"clip": -1.0}, r"clip: expected a positive .*, got -1"),
        ({"device": "tpu"}, r"device: expected one of cpu.*, got tpu"),
        (
            {"device": missing_device()},
            r"device: expected one of cpu.*, got (cuda|mps)",
        ),
        ({"device": "cpu", "bf16": True}, r"bf16: expected a CUDA device, got cpu"),
    ],
)
def test_bad_options_are_told_at_once(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        training.fit_steps(Line(), stream(), **({"steps": 5} | options))
