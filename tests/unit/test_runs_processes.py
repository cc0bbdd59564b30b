"""runs: killed at any moment, out of room, drawn as it goes, shared by processes."""

import errno
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import toy_run

from genbook import plots, runs

PRELOAD = ["torch", "torch._dynamo", "genbook.runs"]


def child(target, *given) -> int | None:
    """Run a function in a process of its own; return the status that it ends with."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=target, args=given)
    process.start()
    process.join(300)
    return process.exitcode


def prepare() -> None:
    """Make a child compute as the tests do, and leave pictures out."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    runs._Course.show = lambda self: None


def killed_in_step(folder: Path, step: int, resume: bool) -> None:
    """Follow the toy until SIGKILL in the given step since the start."""
    prepare()
    toy_run.follow(folder, make=toy_run.struck(toy_run.drowsy, step), resume=resume)


def killed_in_write(folder: Path, call: str, times: int, resume: bool) -> None:
    """Follow the toy until SIGKILL just before some call of a function of ``os``."""
    prepare()
    real, calls = getattr(os, call), iter(range(1, 10**6))

    def kill(*given):
        if next(calls) == times:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given)

    setattr(os, call, kill)
    toy_run.follow(folder, resume=resume)


def out_of_room(folder: Path) -> None:
    """Follow the toy to its first checkpoint, then allow files of 4 kB only."""
    prepare()
    keep = runs._Course.keep

    def limited(course):
        keep(course)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    runs._Course.keep = limited
    try:
        toy_run.follow(folder)
    except OSError as error:
        (folder / "said").write_text(str(error))
        sys.exit(7)


def asked_by_the_launcher() -> None:
    """End with status 0 if a run without bfloat16 has none, whatever is launched."""
    os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16"
    with runs._Crew("cpu", bf16=False).autocast():
        kind = (torch.ones(2, 2).float() @ torch.ones(2, 2).float()).dtype
    sys.exit(kind is not torch.float32)


def whole(folder: Path) -> dict:
    """Return the end of a run that nothing disturbed."""
    assert child(killed_in_step, folder, 10**6, False) == 0
    return toy_run.state(folder)


def test_killed_at_random_steps_it_ends_as_if_it_had_not_been(tmp_path):
    expected, folder = whole(tmp_path / "whole"), tmp_path / "killed"
    chance, kills, reached = random.Random(time.time_ns()), 0, []
    while child(killed_in_step, folder, chance.randint(1, 11), reached != []):
        kills += 1
        assert kills < 40
        if (folder / runs.CHECKPOINT).exists():
            reached.append(toy_run.state(folder)["step"])
    # The first eleven steps leave a checkpoint at 6 at most, the next end before 24.
    assert kills >= 2
    assert reached == sorted(reached)
    assert toy_run.same(expected, toy_run.state(folder))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_killed_while_it_writes_it_has_the_checkpoint_before(tmp_path, call):
    expected, folder = whole(tmp_path / "whole"), tmp_path / "killed"
    # Three files a checkpoint: the fourth call belongs to the second one.
    assert child(killed_in_write, folder, call, 4, False) == -signal.SIGKILL
    assert (folder / f"{runs.CHECKPOINT}.part").exists()
    assert toy_run.state(folder)["step"] == toy_run.EVERY
    # Killed between the checkpoint and the weights to use: the next one mends it.
    assert child(killed_in_write, folder, call, 2, True) == -signal.SIGKILL
    assert toy_run.state(folder)["step"] == 2 * toy_run.EVERY
    assert child(killed_in_write, folder, call, 10**6, True) == 0
    assert toy_run.same(expected, toy_run.state(folder))
    assert not list(folder.glob("*.part"))


def test_out_of_room_it_keeps_the_checkpoint_and_says_so(tmp_path):
    expected, folder = whole(tmp_path / "whole"), tmp_path / "full"
    assert child(out_of_room, folder) == 7
    said = (folder / "said").read_text()
    assert f"step 12: {folder / runs.CHECKPOINT} could not be written" in said
    assert f"the last good checkpoint is that of step 6, in {folder}" in said
    assert toy_run.state(folder)["step"] == 6
    assert child(killed_in_step, folder, 10**6, True) == 0
    assert toy_run.same(expected, toy_run.state(folder))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        (runs.CHECKPOINT, "fsync"),
        (runs.CHECKPOINT, "replace"),
        (runs.WEIGHTS, "replace"),
        (runs.LOG, "replace"),
    ],
)
def test_a_full_disk_costs_no_checkpoint(tmp_path, monkeypatch, name, call):
    monkeypatch.setattr(runs._Course, "show", lambda self: None)
    toy_run.follow(tmp_path / "whole")
    real, times = getattr(os, call), []
    place = (runs.CHECKPOINT, runs.WEIGHTS, runs.LOG).index(name)

    def full(*given):
        times.append(given)
        if len(times) == 3 + 1 + place:  # three files a checkpoint; in the second
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*given)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError) as error:
        toy_run.follow(tmp_path / "full")
    monkeypatch.undo()
    monkeypatch.setattr(runs._Course, "show", lambda self: None)
    kept = toy_run.EVERY * (1 if name == runs.CHECKPOINT else 2)
    assert str(tmp_path / "full" / name) in str(error.value)
    assert "(No space left on device)" in str(error.value)
    assert f"that of step {kept}, in" in str(error.value)
    assert toy_run.state(tmp_path / "full")["step"] == kept
    assert not list((tmp_path / "full").glob("*.part"))
    toy_run.follow(tmp_path / "full", resume=True)
    states = [toy_run.state(tmp_path / folder) for folder in ("whole", "full")]
    assert toy_run.same(*states)


def test_samples_and_curves_are_drawn_as_it_goes(tmp_path, monkeypatch):
    noise = []

    def sample(model, n, generator):
        assert not model.training and not torch.is_grad_enabled()
        noise.append(torch.rand(n, 1, 8, 8, generator=generator))
        return noise[-1] / (0 if len(noise) == 2 else 1)  # once not finite

    def drawn():
        return toy_run.toy()._replace(sample=sample)

    drawn_curves, curves = [], plots.curves

    def spied(history, **options):
        drawn_curves.append((history, options["at"]))
        return curves(history, **options)

    monkeypatch.setattr(plots, "curves", spied)
    toy_run.follow(tmp_path, make=drawn, steps=9)
    assert torch.equal(*noise) and len(noise[0]) == 64
    history, at = drawn_curves[-1]
    rows = toy_run.state(tmp_path)["rows"]
    assert at["D loss"] == [1, 2, 3, 4, 5, 6, 7, 8, 9] and at["G loss"] == [2, 4, 6, 8]
    assert history["D loss"] == [row["D loss"] for row in rows]
    assert history["G loss"] == [row["G loss"] for row in rows[1::2]]
    for name in ("samples-0000006.png", "samples-0000009.png", "curves.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_drawing_leaves_the_run_as_it_is(tmp_path, monkeypatch):
    drawn = toy_run.follow(tmp_path / "drawn", steps=7)
    monkeypatch.setattr(runs._Course, "show", lambda self: None)
    assert drawn == toy_run.follow(tmp_path / "not", steps=7)
    states = [toy_run.state(tmp_path / name) for name in ("drawn", "not")]
    assert toy_run.same(*states)


def test_two_processes_end_as_one_does(tmp_path, monkeypatch):
    """Half of each batch for either: the same weights, up to rounding."""
    accelerate = Path(sys.executable).with_name("accelerate")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # With --cpu it would start one process; ours asks for the CPU by itself.
    launch = "launch --multi_gpu --num_processes 2 --num_machines 1 --dynamo_backend no"
    words = [*launch.split(), "--mixed_precision", "no", "--main_process_port", port]
    script = Path(toy_run.__file__)
    done = subprocess.run(
        [accelerate, *words, script, tmp_path / "two"],
        env={**os.environ, "PYTHONPATH": str(Path(runs.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count("| 24/24") == 1  # one progress bar
    torch.set_default_dtype(torch.float32)
    monkeypatch.setattr(runs._Course, "show", lambda self: None)
    toy_run.follow(tmp_path / "one", make=toy_run.toy)
    one, two = toy_run.state(tmp_path / "one"), toy_run.state(tmp_path / "two")
    assert one["rows"][-1].keys() == two["rows"][-1].keys()
    for name, value in one["rows"][-1].items():
        assert value == pytest.approx(two["rows"][-1][name], abs=1e-5)
    for key in ("model", "averaged"):
        for name, weight in one[key].items():
            assert torch.allclose(weight, two[key][name], rtol=0, atol=1e-5), name
    assert not toy_run.same(one["model"], two["model"])  # two did work apart


def test_a_run_computes_in_the_precision_that_it_writes_down():
    """Whatever ``accelerate launch --mixed_precision`` says."""
    assert child(asked_by_the_launcher) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", runs.RECIPES)
def test_a_recipe_trains_and_goes_on_on_a_gpu(tmp_path, name):
    torch.set_default_dtype(torch.float32)
    make = runs.RECIPES[name]
    x = torch.randint(0, 256, (2 * make().size, 1, 28, 28)).to(torch.uint8)
    options = {"folder": tmp_path, "data": "noise", "device": "cuda", "bf16": True}
    broken = toy_run.struck(make, 3, signal.SIGINT)
    assert not runs.train(broken, x, steps=60, every=60, **options)
    assert toy_run.state(tmp_path)["step"] == runs.LOOK
    assert runs.train(make, x, resume=True, **options)
    assert all(w.isfinite().all() for w in toy_run.state(tmp_path)["model"].values())
