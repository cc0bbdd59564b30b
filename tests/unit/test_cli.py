"""python -m genbook: each command does its work, or says in a sentence why not."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toy_run

from genbook import __main__ as cli
from genbook import data, runs, zoo
from genbook.recipes import RECIPES


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Stand in a folder of its own, where one recipe is small and so is the data."""
    x = toy_run.images()
    images = data.Images(x, torch.zeros(len(x)).long(), x[:10], torch.zeros(10).long())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RECIPES, "toy", toy_run.toy)
    for name in ("mnist", "kmnist"):
        monkeypatch.setitem(cli.DATA, name, lambda: images)
    monkeypatch.setattr(runs._Course, "show", lambda self: None)
    return tmp_path


def say(*words: str) -> int:
    """Run a command in this process; return its status."""
    return cli.main([*words, *(["--device", "cpu"] if words[0] == "train" else [])])


def test_train_ends_with_a_sentence(toy, capsys):
    assert say("train", "toy") == 0
    out = capsys.readouterr().out
    assert out == "Done: runs/toy-mnist holds the weights, the log and samples.\n"
    assert toy_run.state(toy / "runs/toy-mnist")["run"]["data"] == "mnist"


def test_train_keeps_a_checkpoint_every_twentieth_of_its_steps(toy, monkeypatch):
    kept, keep = [], runs._Course.keep
    monkeypatch.setattr(
        runs._Course, "keep", lambda self: kept.append(self.step) or keep(self)
    )
    assert say("train", "toy", "--steps", "45") == 0
    assert kept == [*range(2, 45, 2), 45]


def test_train_listens_to_its_options(toy, monkeypatch):
    kept, compiled, keep = [], [], runs._Course.keep
    monkeypatch.setattr(
        runs._Course, "keep", lambda self: kept.append(self.step) or keep(self)
    )
    monkeypatch.setattr(torch, "compile", lambda loss: compiled.append(loss) or loss)
    words = "--data kmnist --out here --steps 7 --seed 5 --every 3 --bf16 --compile"
    assert say("train", "toy", *words.split()) == 0
    state = toy_run.state(toy / "here")
    assert state["step"] == 7 and kept == [3, 6, 7] and len(compiled) == 2
    asked = {"data": "kmnist", "steps": 7, "seed": 5, "bf16": True, "compile": True}
    assert {key: state["run"][key] for key in asked} == asked
    with (toy / "here/log.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 7


def test_interrupted_it_says_how_to_go_on(toy, capsys, monkeypatch):
    monkeypatch.setitem(RECIPES, "toy", toy_run.struck(toy_run.toy, 4, 2))
    assert say("train", "toy") == 130
    out = capsys.readouterr().out
    assert out == (
        "Stopped and saved in runs/toy-mnist; the same command with --resume goes on.\n"
    )
    monkeypatch.setitem(RECIPES, "toy", toy_run.toy)
    assert say("train", "toy", "--resume") == 0
    assert say("train", "toy", "--out", "whole") == 0
    states = [toy_run.state(toy / folder) for folder in ("runs/toy-mnist", "whole")]
    assert toy_run.same(*states)


def test_what_is_refused_is_one_sentence(toy, capsys):
    assert say("train", "toy", "--resume") == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("genbook: runs/toy-mnist holds no checkpoint.pt to go on")


def test_missing_data_is_one_sentence(toy, capsys, monkeypatch):
    def missing():
        raise FileNotFoundError("GENBOOK_DATA is '/nowhere', but that is no folder")

    monkeypatch.setitem(cli.DATA, "mnist", missing)
    assert say("train", "toy") == 1
    assert capsys.readouterr().err.startswith("genbook: GENBOOK_DATA is '/nowhere'")
    assert not (toy / "runs").exists()


def test_interrupted_before_it_began_it_leaves_quietly(toy, capsys, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.DATA, "mnist", interrupt)
    assert say("train", "toy") == 130
    assert capsys.readouterr().err == "genbook: interrupted\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train", "the following arguments are required: RECIPE"),
        ("train cat", "invalid choice: 'cat'"),
        ("train vae --data cats", "invalid choice: 'cats'"),
        ("train vae --steps 0", "expected a whole number ≥ 1, got '0'"),
        ("train vae --every -3", "expected a whole number ≥ 1, got '-3'"),
        ("sample x -n many", "expected a whole number ≥ 1, got 'many'"),
        ("sample x --seed -1", "expected a whole number 0 … 2⁶³ - 1, got '-1'"),
        (f"train vae --seed {2**63}", "expected a whole number 0 … 2⁶³ - 1"),
        ("paint", "invalid choice: 'paint'"),
        ("", "the following arguments are required: COMMAND"),
    ],
)
def test_words_that_make_no_sense(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_device_that_is_not_there(toy, capsys):
    for device in ("abacus", "cpu:foo", ""):
        assert cli.main(["train", "toy", "--device", device]) == 1
        assert "device: expected one of cpu" in capsys.readouterr().err


def test_list_names_every_recipe(capsys):
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    for line, make in zip(lines, RECIPES.values(), strict=True):
        assert line.endswith(make.__doc__.splitlines()[0])
        # What the optimizers move; the guide of a diffusion model is a copy.
        weights = [p for player in make().players for p in player.module.parameters()]
        millions = sum(p.numel() for p in weights) / 1e6
        assert float(line.split()[1]) == pytest.approx(millions, abs=0.005)


def test_sample_draws_from_a_run(toy, capsys):
    say("train", "toy", "--steps", "3")
    capsys.readouterr()
    assert say("sample", "runs/toy-mnist", "-n", "5", "--out", "a.png") == 0
    out = capsys.readouterr().out
    assert out == "a.png: 5 samples of toy on mnist, after 3 steps.\n"
    assert say("sample", "runs/toy-mnist", "-n", "5", "--out", "b.png") == 0
    options = ["-n", "5", "--out", "c.png", "--seed", "1"]
    assert say("sample", "runs/toy-mnist", *options) == 0
    a, b, c = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c and a[:4] == b"\x89PNG"


@pytest.mark.parametrize("out", [".", "nowhere/x.png"])
def test_sample_asks_where_to_before_it_draws(toy, capsys, monkeypatch, out):
    monkeypatch.setattr(cli, "_find", None)  # so nothing can be drawn
    assert say("sample", "runs/toy-mnist", "--out", out) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"genbook: --out {out}: expected the name of a picture, in")


def test_sample_and_evaluate_know_the_zoo(toy, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(zoo, "names", lambda: ["toy-mnist"])
    monkeypatch.setattr(zoo, "recipe", lambda name: asked.append(name) or toy_run.toy())
    assert say("sample", "toy-mnist", "-n", "3") == 0
    assert capsys.readouterr().out == (
        "samples.png: 3 samples of toy-mnist from the zoo.\n"
    )
    assert asked == ["toy-mnist"]
    for command in ("sample", "evaluate"):
        assert say(command, "ghost-mnist") == 1
        assert capsys.readouterr().err == (
            "genbook: ghost-mnist is neither the folder of a run nor a model of the "
            "zoo, one of toy-mnist\n"
        )


def test_evaluate_prints_each_metric_with_its_meaning(toy, capsys, monkeypatch):
    from genbook import evaluate

    def everything(recipe, images, *, n):
        assert n == 40 and len(images) == 10
        small = evaluate.Small(1, 0.0, 0.0, 0.0)
        return [evaluate.Metric("distance", 2.5, 2.25, 2.75, n, "how far", small)]

    monkeypatch.setattr(evaluate, "everything", everything)
    monkeypatch.setattr(data, "mnist", cli.DATA["mnist"])
    say("train", "toy", "--steps", "3")
    capsys.readouterr()
    measured = "distance 2.50 (2.25…2.75)\n    how far\n"
    assert say("evaluate", "runs/toy-mnist", "-n", "40") == 0
    assert capsys.readouterr().out == f"Toy on mnist, after 3 steps:\n{measured}"
    monkeypatch.setattr(zoo, "names", lambda: ["toy-mnist"])
    monkeypatch.setattr(zoo, "recipe", lambda name: toy_run.toy())
    assert say("evaluate", "toy-mnist", "-n", "40") == 0
    assert capsys.readouterr().out == f"Toy-mnist from the zoo:\n{measured}"


def test_evaluate_wants_mnist(toy, capsys):
    runs.train(
        toy_run.toy,
        toy_run.images(),
        folder="run",
        data="kmnist",
        steps=1,
        device="cpu",
    )
    assert say("evaluate", "run") == 1
    assert "expected a model of mnist" in capsys.readouterr().err


def test_it_is_a_command_of_the_machine(tmp_path):
    """As a reader types it: a process of its own, and no traceback for a mistake."""
    root = str(Path(runs.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "genbook", "sample", "nowhere"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("genbook: nowhere is neither the folder of a run nor")
    assert done.stderr.count("\n") == 1


def test_importing_the_package_stays_light():
    """Whatever a run needs, a lesson that never trains one does not wait for."""
    heavy = "{'torch', 'matplotlib', 'plotly', 'sklearn', 'accelerate', 'genbook.runs'}"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import genbook, sys; print({heavy} & {{*sys.modules}})",
        ],
        env={**os.environ, "PYTHONPATH": str(Path(runs.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "set()", done.stderr
