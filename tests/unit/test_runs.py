"""runs: exact after any break, and no failure that costs an earlier checkpoint.

Where a process must die for it, or several must work together, see
``test_runs_processes.py``.
"""

import copy
import csv
import errno
import json
import math
import os
import pickle
import signal
import sys
from pathlib import Path

import pytest
import torch
import toy_run
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from genbook import runs
from genbook.recipes import Player, Recipe, cosine
from genbook.recipes.recipe import adam


@pytest.fixture
def plain(monkeypatch):
    """Leave pictures out: they take ten times as long as the steps between them."""
    monkeypatch.setattr(runs._Course, "show", lambda self: None)


def linear(weights, losses, *, draw=None, steps=6, rate=None, **options) -> Recipe:
    """Return a recipe of named numbers, each player going down along its own loss.

    By gradient descent at rate 0.1, so that every weight is known on paper.
    """
    model = nn.ParameterDict({k: torch.tensor(v) for k, v in weights.items()})

    def player(name, every, loss):
        module = nn.ParameterList([model[name]])
        return Player(
            module, lambda x: loss(model), lambda p: torch.optim.SGD(p, 0.1), "", every
        )

    return Recipe(
        model,
        tuple(player(*given) for given in losses),
        draw or (lambda x, generator: (x,)),
        sample=lambda model, n, generator: torch.zeros(n, 1, 8, 8),
        size=4,
        steps=steps,
        rate=rate or (lambda progress: 1.0),
        **options,
    )


def follow(recipe, folder, x=None, **options):
    """Follow the recipe given; return its weights by name."""

    def made():
        return recipe

    options = {"data": "noise", "device": "cpu"} | options
    runs.train(made, toy_run.images() if x is None else x, folder=folder, **options)
    return load_file(folder / runs.WEIGHTS)


# ------------------------------------------------------------------------ exactly again


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [1, 6, 11])
def test_a_run_goes_on_exactly(tmp_path, plain, step, number):
    """Weights, average, optimizers and log: all bits are those of a run in one go."""
    before = signal.getsignal(number)
    assert toy_run.follow(tmp_path / "whole")
    broken = toy_run.struck(toy_run.drowsy, step, number)
    assert not toy_run.follow(tmp_path / "broken", make=broken)
    assert toy_run.state(tmp_path / "broken")["step"] == step
    assert signal.getsignal(number) == before
    assert toy_run.follow(tmp_path / "broken", resume=True)
    whole, broken = (
        toy_run.state(tmp_path / "whole"),
        toy_run.state(tmp_path / "broken"),
    )
    assert whole["step"] == toy_run.STEPS
    assert toy_run.same(whole, broken)
    last = [load_file(tmp_path / f / runs.WEIGHTS) for f in ("whole", "broken")]
    assert toy_run.same(*last)


def test_what_is_compared_can_differ(tmp_path, plain):
    toy_run.follow(tmp_path / "a", seed=0)
    toy_run.follow(tmp_path / "b", seed=1)
    a, b = toy_run.state(tmp_path / "a"), toy_run.state(tmp_path / "b")
    assert not toy_run.same(a["model"], b["model"])
    assert not toy_run.same(a["optimizers"], b["optimizers"])
    assert not toy_run.same(a["rows"], b["rows"])


def test_a_finished_run_has_nothing_to_go_on_with(tmp_path, plain):
    toy_run.follow(tmp_path)
    before = toy_run.state(tmp_path)
    assert toy_run.follow(tmp_path, resume=True)
    assert toy_run.same(before, toy_run.state(tmp_path))


def test_each_pass_shows_every_image_once_in_an_order_of_its_own(tmp_path, plain):
    x = torch.arange(13, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)
    seen = []

    def draw(x, generator):
        seen.append(x[:, 0, 0, 0].tolist())
        return (x,)

    for i, seed in enumerate((0, 0, 1)):
        recipe = linear({"a": 1.0}, [("a", 1, lambda m: {"loss": m["a"]})], draw=draw)
        follow(recipe, tmp_path / str(i), x, seed=seed)
    first, again, other = seen[:6], seen[6:12], seen[12:]
    for passed in (first[:3], first[3:]):  # of 13 images, 4 a step, one waits
        assert len({i for batch in passed for i in batch}) == 12
    assert first[:3] != first[3:] and first == again and first != other


def test_the_noise_of_each_step_is_its_own(tmp_path, plain):
    seen = []

    def draw(x, generator):
        seen.append((torch.rand(1, generator=generator).item(), torch.rand(1).item()))
        return (x,)

    for i, seed in enumerate((0, 0, 1)):
        recipe = linear({"a": 1.0}, [("a", 1, lambda m: {"loss": m["a"]})], draw=draw)
        follow(recipe, tmp_path / str(i), seed=seed)
    assert seen[:6] == seen[6:12]
    distinct = {number for pair in seen[:6] + seen[12:] for number in pair}
    assert len(distinct) == 24


# --------------------------------------------------------------------- what a step does


def test_each_player_goes_down_along_its_own_loss_at_its_own_steps(tmp_path, plain):
    """After 6 steps: da = -0.1 b each time, db = -0.1 (a + 5) at steps 3 and 6."""
    recipe = linear(
        {"a": 1.0, "b": 2.0},
        [
            ("a", 1, lambda m: {"loss": m["a"] * m["b"]}),
            ("b", 3, lambda m: {"loss": (m["a"] + 5) * m["b"]}),
        ],
    )
    a, b = 1.0, 2.0
    for step in range(1, 7):
        a -= 0.1 * b
        b -= 0.1 * (a + 5) * (step % 3 == 0)
    weights = follow(recipe, tmp_path)
    assert weights["a"].item() == pytest.approx(a, abs=1e-12)
    assert weights["b"].item() == pytest.approx(b, abs=1e-12)


def test_the_rate_is_that_of_the_progress(tmp_path, plain):
    """Along a slope of 1 the way is 0.1 times the sum of rate((step - 1) / steps)."""
    recipe = linear(
        {"a": 1.0}, [("a", 1, lambda m: {"loss": m["a"]})], rate=lambda p: (1 - p) ** 2
    )
    way = 0.1 * sum((1 - k / 6) ** 2 for k in range(6))
    assert follow(recipe, tmp_path)["a"].item() == pytest.approx(1 - way, abs=1e-12)


def test_cosine_climbs_then_falls():
    assert [cosine(p, warm=0.2) for p in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx(
        [0, 0.5, 1, 0.5, 0], abs=1e-12
    )


def test_adam_is_that_of_torch():
    one, two = (nn.Parameter(torch.ones(3)) for _ in range(2))
    ours, oracle = adam(0.1)([one]), torch.optim.Adam([two], 0.1)
    for _ in range(5):
        for weight, optimizer in ((one, ours), (two, oracle)):
            optimizer.zero_grad()
            (weight**3).sum().backward()
            optimizer.step()
    assert torch.allclose(one, two, atol=1e-12)


def test_a_long_gradient_is_clipped(tmp_path, plain):
    recipe = linear({"a": 1.0}, [("a", 1, lambda m: {"loss": 70 * m["a"]})], clip=0.5)
    expected = 1 - 6 * 0.1 * 0.5
    assert follow(recipe, tmp_path)["a"].item() == pytest.approx(expected, abs=1e-5)


def test_the_weights_to_use_are_the_averaged_ones(tmp_path, plain):
    """Weights 0.9, 0.8 … 0.4; the average begins as a short one."""
    recipe = linear({"a": 1.0}, [("a", 1, lambda m: {"loss": m["a"]})], ema=0.22)
    average, decays = 0.9, (1 / 10, 2 / 11, 0.22, 0.22, 0.22)
    for weight, decay in zip((0.8, 0.7, 0.6, 0.5, 0.4), decays, strict=True):
        average = decay * average + (1 - decay) * weight
    weights = follow(recipe, tmp_path)
    assert weights["a"].item() == pytest.approx(average, abs=1e-12)
    last = toy_run.state(tmp_path)["model"]["a"].item()
    assert last == pytest.approx(0.4, abs=1e-12)


def test_the_guide_is_what_the_weights_to_use_were_when_young(tmp_path, plain):
    """Weights 0.9, 0.8 … 0.4, the average of the first three, to the last bit."""

    def recipe(young):
        made = linear({"a": 1.0}, [("a", 1, lambda m: {"loss": m["a"]})], ema=0.22)
        model = nn.Module()
        model.net = made.model
        model.guide = copy.deepcopy(made.model).requires_grad_(False)
        return made._replace(model=model, young=young)

    short = follow(recipe(1.0), tmp_path / "short", steps=3)
    weights = follow(recipe(0.5), tmp_path / "long")
    assert weights["guide.a"] == short["net.a"] == short["guide.a"]
    assert weights["net.a"] < weights["guide.a"] < 1
    model = toy_run.state(tmp_path / "long")["model"]
    assert model["guide.a"] == weights["guide.a"]  # the average's and the other's
    assert follow(recipe(None), tmp_path / "none")["guide.a"] == 1


def test_bf16_reaches_the_loss_and_leaves_the_weights(tmp_path, plain):
    kinds = []

    def loss(m):
        kinds.append((torch.ones(2, 2).float() @ torch.ones(2, 2).float()).dtype)
        return {"loss": m["a"]}

    for i, bf16 in enumerate((False, True)):
        recipe = linear({"a": 1.0}, [("a", 1, loss)], steps=1)
        weights = follow(recipe, tmp_path / str(i), bf16=bf16)
        assert weights["a"].dtype == torch.float64
    assert kinds == [torch.float32, torch.bfloat16]


def test_the_losses_are_compiled_where_that_is_asked_for(tmp_path, plain, monkeypatch):
    def double(loss):
        return lambda *batch: {n: 2 * t for n, t in loss(*batch).items()}

    monkeypatch.setattr(torch, "compile", double)
    for i, (compiled, expected) in enumerate(((False, 0.4), (True, -0.2))):
        recipe = linear({"a": 1.0}, [("a", 1, lambda m: {"loss": m["a"]})])
        weights = follow(recipe, tmp_path / str(i), compiled=compiled)
        assert weights["a"].item() == pytest.approx(expected, abs=1e-12)


# ------------------------------------------------------------------ several processes


def crew(rank: int, size: int, reduce=None) -> runs._Crew:
    """Return one of several processes, as it sees itself."""
    one = runs._Crew("cpu", bf16=False)
    one.rank, one.size = rank, size
    one.accelerator = type("Accelerator", (), {"reduce": staticmethod(reduce)})
    return one


def test_the_processes_share_a_batch_without_rest():
    batch = torch.arange(12).reshape(6, 2), torch.arange(6)
    parts = [crew(rank, 3).part(batch) for rank in range(3)]
    assert [len(x) for x, _ in parts] == [2, 2, 2]
    for whole, pieces in zip(batch, zip(*parts, strict=True), strict=True):
        assert torch.equal(whole, torch.cat(pieces))


def test_each_gradient_becomes_its_mean_over_the_processes():
    asked = []

    def reduce(x, how):
        asked.append(how)
        return x + torch.arange(len(x))

    weights = [
        nn.Parameter(torch.zeros(*shape)) for shape in ((2, 3, 2, 2), (3,), (2,))
    ]
    grads = [torch.randn(w.shape) for w in weights]
    grads[0] = grads[0].contiguous(memory_format=torch.channels_last)
    for weight, grad in zip(weights, grads, strict=True):
        weight.grad = grad.clone()
    weights[1].grad = None
    crew(0, 2, reduce).average(weights)
    assert asked == ["mean"]
    assert torch.equal(weights[0].grad, grads[0] + torch.arange(24).view(2, 3, 2, 2))
    assert weights[1].grad is None
    assert torch.equal(weights[2].grad, grads[2] + torch.tensor([24, 25]))


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(runs.Refused, match="a batch of 4 cannot be shared by 3 proc"):
        runs._check(toy_run.toy(), 1, None, toy_run.images(), 3, False)


def test_several_processes_need_accelerate(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(runs.Refused, match=r"pip install 'genbook\[scale\]'"):
        toy_run.follow(tmp_path / "run")
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------------- what is written


def test_a_row_of_the_log_is_a_mean_over_its_steps(tmp_path, plain, monkeypatch):
    """The loss is 1.0, 0.9 … 0.5, and rows are closed every third step."""
    monkeypatch.setattr(runs, "ROWS", 2)
    recipe = linear(
        {"a": 1.0}, [("a", 1, lambda m: {"loss": m["a"], "half": m["a"] / 2})]
    )
    follow(recipe, tmp_path, every=4)
    with (tmp_path / runs.LOG).open() as file:
        first, second = csv.DictReader(file)
    assert list(first) == ["step", "seconds", "loss", "half"]
    assert (first["step"], second["step"]) == ("3", "6")
    assert float(first["loss"]) == pytest.approx(0.9, abs=1e-6)
    assert float(second["half"]) == pytest.approx(0.3, abs=1e-6)
    assert 0 <= float(first["seconds"]) <= float(second["seconds"]) < 60


def test_the_weights_say_what_they_are(tmp_path, plain):
    toy_run.follow(tmp_path, seed=3, bf16=True)
    with safe_open(tmp_path / runs.WEIGHTS, "pt") as file:
        card = json.loads(file.metadata()["genbook"])
    assert card.pop("seconds") >= 0
    digest = runs.digest(toy_run.images())
    assert card == {
        "recipe": "drowsy",
        "data": "noise",
        "digest": digest,
        "seed": 3,
        "steps": toy_run.STEPS,
        "bf16": True,
        "compile": False,
        "step": toy_run.STEPS,
    }
    assert digest != runs.digest(toy_run.images().flip(0))


@pytest.mark.parametrize("name", [runs.WEIGHTS, runs.LOG])
def test_what_follows_the_last_checkpoint_is_mended(tmp_path, monkeypatch, name):
    """The run is at its end then, and no later checkpoint would mend it."""
    shown = []
    monkeypatch.setattr(runs._Course, "show", lambda self: shown.append(self.step))
    toy_run.follow(tmp_path / "whole")
    real = runs.files.write

    def full(path, content):
        if path.name == name and toy_run.state(path.parent)["step"] == toy_run.STEPS:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, content)

    monkeypatch.setattr(runs.files, "write", full)
    with pytest.raises(OSError, match=name):
        toy_run.follow(tmp_path / "full")
    monkeypatch.setattr(runs.files, "write", real)
    shown.clear()
    assert toy_run.follow(tmp_path / "full", resume=True)
    assert shown == [toy_run.STEPS]
    weights = [load_file(tmp_path / f / runs.WEIGHTS) for f in ("whole", "full")]
    assert toy_run.same(*weights)
    logs = [(tmp_path / f / runs.LOG).read_text() for f in ("whole", "full")]
    assert len({len(log.splitlines()) for log in logs}) == 1


def test_a_signal_in_the_last_step_costs_no_picture(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(runs._Course, "show", lambda self: shown.append(self.step))
    last = toy_run.struck(toy_run.drowsy, toy_run.STEPS, signal.SIGINT)
    assert toy_run.follow(tmp_path, make=last)
    assert shown == [6, 12, 18, 24]


# ---------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_names_step_term_and_checkpoint(tmp_path, plain, bad):
    steps = iter(range(1, 99))

    def loss(m):
        kl = m["a"] * (bad if next(steps) == 5 else 1)
        return {"loss": m["a"] + kl, "recon": m["a"], "kl": kl}

    recipe = linear({"a": 1.0}, [("a", 1, loss)])
    with pytest.raises(FloatingPointError) as error:
        follow(recipe, tmp_path, every=2)
    assert f"step 5: the term 'kl' of the loss is {bad}" in str(error.value)
    assert f"the last good checkpoint is that of step 4, in {tmp_path}" in str(
        error.value
    )
    assert toy_run.state(tmp_path)["step"] == 4
    assert load_file(tmp_path / runs.WEIGHTS)["a"].isfinite()


def test_weights_that_are_not_finite_are_never_kept(tmp_path, plain):
    """The loss |a|^½ is finite at 0, its slope is not."""
    recipe = linear({"a": 0.0}, [("a", 1, lambda m: {"loss": m["a"].abs().sqrt()})])
    with pytest.raises(FloatingPointError, match=r"step 1: the weights 'a'.*no check"):
        follow(recipe, tmp_path, every=1)
    assert not (tmp_path / runs.CHECKPOINT).exists()


# ------------------------------------------------------------------------------ refused


def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path, plain):
    toy_run.follow(tmp_path, steps=3)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(runs.Refused, match=r"already holds a run.*--resume.*--out"):
        toy_run.follow(tmp_path, steps=3)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_only_a_run_can_go_on(tmp_path, plain):
    with pytest.raises(
        runs.Refused, match=r"holds no checkpoint\.pt.*without --resume"
    ):
        toy_run.follow(tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("recipe 'drowsy', and 'toy'", {"make": toy_run.toy}),
        ("data 'noise', and 'mnist'", {"data": "mnist"}),
        ("seed 0, and 1", {"seed": 1}),
        ("steps 3, and 4", {"steps": 4}),
        ("bf16 False, and True", {"bf16": True}),
        ("compile False, and True", {"compiled": True}),
        ("digest", {"x": toy_run.images().flip(0)}),
    ],
)
def test_only_the_same_run_can_go_on(tmp_path, plain, word, options):
    toy_run.follow(tmp_path, steps=3)
    given = {
        "make": toy_run.drowsy,
        "x": toy_run.images(),
        "data": "noise",
        "steps": 3,
        "resume": True,
        "device": "cpu",
    } | options
    make, x = given.pop("make"), given.pop("x")
    with pytest.raises(runs.Refused, match=f"a run with {word}"):
        runs.train(make, x, folder=tmp_path, **given)


def test_a_run_goes_on_to_its_own_number_of_steps(tmp_path, plain):
    toy_run.follow(tmp_path, make=toy_run.struck(toy_run.drowsy, 2, 2), steps=5)
    assert toy_run.state(tmp_path)["step"] == 2
    assert toy_run.follow(tmp_path, resume=True)
    assert toy_run.state(tmp_path)["step"] == 5


def test_a_run_that_does_not_know_its_precision_goes_on_as_asked(tmp_path, plain):
    """Runs once did not write down ``bf16`` and ``compile``."""
    toy_run.follow(tmp_path, make=toy_run.struck(toy_run.drowsy, 2, 2))
    saved = torch.load(tmp_path / runs.CHECKPOINT, weights_only=True)
    del saved["run"]["bf16"], saved["run"]["compile"]
    torch.save(saved, tmp_path / runs.CHECKPOINT)
    assert toy_run.follow(tmp_path, resume=True, bf16=True)
    assert "bf16" not in toy_run.state(tmp_path)["run"]


def test_a_recipe_that_has_changed_cannot_go_on(tmp_path, plain):
    def averaged():
        return toy_run.drowsy()

    def other():
        return linear({"a": 1.0}, [("a", 1, lambda m: {"loss": m["a"]})])

    def plain_one():
        return toy_run.drowsy()._replace(ema=None)

    for i, (before, after) in enumerate([(averaged, other), (plain_one, averaged)]):
        before.__name__ = after.__name__ = "drowsy"
        toy_run.follow(tmp_path / str(i), make=before, steps=3)
        with pytest.raises(runs.Refused, match="'drowsy', which has changed since"):
            toy_run.follow(tmp_path / str(i), make=after, resume=True)


def test_a_folder_has_one_run_at_a_time(tmp_path, plain):
    """The second to come is sent away, and the lock goes with the run that holds it."""
    refused = []

    def twice():
        recipe = toy_run.drowsy()

        def draw(x, generator):
            if not refused:
                with pytest.raises(runs.Refused, match=r"another process is.*--out"):
                    toy_run.follow(tmp_path, steps=3)
                refused.append(True)
            return recipe.draw(x, generator)

        return recipe._replace(draw=draw)

    assert toy_run.follow(tmp_path, make=twice, steps=2) and refused
    with runs._alone(tmp_path, rank=0), runs._alone(tmp_path, rank=1):
        pass  # free again; and of several processes the first one holds it for all


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file/run"):
        with pytest.raises(runs.Refused, match=r"a file in the way.*--out"):
            toy_run.follow(folder)
    assert (tmp_path / "file").read_text() == "mine"


def test_losses_that_cannot_be_compiled_are_refused(tmp_path):
    def steep():
        return toy_run.drowsy()._replace(compiles=False)

    with pytest.raises(runs.Refused, match=r"the gradient of a gradient.*--compile"):
        toy_run.follow(tmp_path / "run", make=steep, compiled=True)
    assert not (tmp_path / "run").exists()
    assert [n for n, make in runs.RECIPES.items() if not make().compiles] == ["wgan_gp"]


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("steps and every ≥ 1, got 0", {"steps": 0}),
        ("every ≥ 1, got 24 and 0", {"every": 0}),
        (r"at least the 4 of a batch, got .* \(3, 1, 8, 8\)", {"x": toy_run.images(3)}),
        ("as bytes", {"x": toy_run.images().float()}),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path, word, options):
    x = options.pop("x", toy_run.images())
    options = {"data": "noise", "device": "cpu"} | options
    with pytest.raises(runs.Refused, match=word):
        runs.train(toy_run.toy, x, folder=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


class Trap:
    """What a pickle may do where it is trusted."""

    def __reduce__(self):
        return (os.mkdir, ("sprung",))


@pytest.mark.parametrize("what", ["a weight", "a word"])
def test_a_checkpoint_with_a_wrong_bit_is_noticed(tmp_path, plain, what):
    """torch.load itself would go on with another number."""
    toy_run.follow(tmp_path, steps=3)
    path = tmp_path / runs.CHECKPOINT
    content = bytearray(path.read_bytes())
    weight = toy_run.state(tmp_path)["model"]["generator.0.weight"]
    held = {"a weight": weight.numpy().tobytes(), "a word": b"drowsy"}[what]
    content[content.index(held) + 5] ^= 4
    path.write_bytes(content)
    with pytest.raises(runs.Refused, match="is damaged or no checkpoint"):
        toy_run.follow(tmp_path, steps=3, resume=True)


def test_a_checkpoint_that_is_cut_short_or_is_none_is_noticed(tmp_path, plain):
    toy_run.follow(tmp_path, steps=3)
    path = tmp_path / runs.CHECKPOINT
    content = path.read_bytes()
    parts = [content[: len(content) * i // 7] for i in range(7)]
    for wrong in [*parts, b"hello world", content[: len(content) - 1]]:
        path.write_bytes(wrong)
        with pytest.raises(runs.Refused, match="is damaged or no checkpoint"):
            toy_run.follow(tmp_path, steps=3, resume=True)
    torch.save({"model": {}}, path)
    with pytest.raises(runs.Refused, match="is damaged or no checkpoint: 'run'"):
        toy_run.follow(tmp_path, steps=3, resume=True)


def test_a_checkpoint_is_never_trusted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (pickle.dumps(Trap(), protocol=2), b"", b"PK\x03\x04 cut short"):
        Path(runs.CHECKPOINT).write_bytes(content)
        with pytest.raises(runs.Refused, match="is damaged or no checkpoint"):
            toy_run.follow(tmp_path, resume=True)
    torch.save(Trap(), runs.CHECKPOINT)
    with pytest.raises(runs.Refused, match="is damaged or no checkpoint"):
        toy_run.follow(tmp_path, resume=True)
    assert not Path("sprung").exists()


# ------------------------------------------------------------------------------- loaded


def test_a_run_is_loaded(tmp_path, plain, monkeypatch):
    monkeypatch.setitem(runs.RECIPES, "drowsy", toy_run.drowsy)
    toy_run.follow(tmp_path)
    recipe, model, card = runs.load(tmp_path)
    averaged = toy_run.state(tmp_path)["averaged"]
    assert recipe.model is model and not model.training
    assert card["recipe"] == "drowsy" and card["step"] == toy_run.STEPS
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, averaged[f"module.{name}"])


def test_what_is_no_run_cannot_be_loaded(tmp_path, plain, monkeypatch):
    with pytest.raises(runs.Refused, match="holds no weights"):
        runs.load(tmp_path)
    path = tmp_path / runs.WEIGHTS
    path.write_bytes(b"not weights at all")
    with pytest.raises(runs.Refused, match="is damaged"):
        runs.load(tmp_path)
    cards = ["{}", "[]", '{"recipe": "vae"}']
    cards += [f'{{"recipe": {r}, "data": "", "step": 1}}' for r in ('"cat"', '["vae"]')]
    for card in [None, *cards]:
        save_file({"a": torch.zeros(2)}, path, card and {"genbook": card})
        with pytest.raises(runs.Refused, match=r"expected weights of one of .* got "):
            runs.load(tmp_path)
    monkeypatch.setitem(runs.RECIPES, "drowsy", toy_run.drowsy)
    known = '{"recipe": "drowsy", "data": "noise", "step": 1}'
    save_file({"a": torch.zeros(2)}, path, {"genbook": known})
    with pytest.raises(runs.Refused, match="'drowsy', which has changed since"):
        runs.load(tmp_path)
