"""Runs: a recipe followed to its end, through kills, full disks and several GPUs.

A run lives in a folder of its own:

    checkpoint.pt        all that is needed to go on exactly, replaced as a whole
    weights.safetensors  the weights to use; the header says what they are
    log.csv              each term of the loss, averaged over some steps
    curves.png           the log as a picture
    samples-…png         what the model draws, always from the same noise

Nothing random has a state that could be lost: the batch of a step, and all noise in
it, follow from the run's seed and the step's number alone.
"""

import copy
import csv
import hashlib
import io
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from genbook.recipes import RECIPES, Recipe
from genbook.training import pick_device

CHECKPOINT, WEIGHTS, LOG = "checkpoint.pt", "weights.safetensors", "log.csv"
ROWS = 500  # of the log, about


class Refused(Exception):
    """A run cannot start, go on or be used; the message says why, and what to do."""


def train(
    make: Callable[[], Recipe],
    x: Tensor,
    *,
    folder: Path | str,
    data: str,
    seed: int = 0,
    steps: int | None = None,
    every: int | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
) -> bool:
    """Follow a recipe on bytes x (N, 1, 28, 28); return whether it came to its end.

    folder   where the run lives
    data     what the images are called
    seed     of everything random: weights, order, noise
    steps    how many, if not as many as the recipe says
    every    a checkpoint and samples after so many steps; else 20 in the whole run
    resume   go on with the run that the folder holds, to the same weights bit for bit
             as without a break, on the CPU

    Ctrl-C (SIGINT) and SIGTERM end the run after the step that is being made: it is
    saved, and False comes back. Raises ``Refused`` for a folder that does not fit.
    """
    folder, device = Path(folder), pick_device(device)
    torch.manual_seed(seed)
    recipe = make()
    run = {
        "recipe": make.__name__,
        "data": data,
        "digest": digest(x),
        "seed": seed,
        "steps": steps or recipe.steps,
    }
    saved = _opened(folder, run, resume, asked_steps=steps)
    run = saved["run"] if saved else run
    steps = run["steps"]
    every = every or max(1, steps // 20)

    model = recipe.model.to(device, memory_format=torch.channels_last).train()
    optimizers = [p.optimizer(p.module.parameters()) for p in recipe.players]
    rates = [[group["lr"] for group in o.param_groups] for o in optimizers]
    averaged = recipe.ema and AveragedModel(
        model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema)
    )
    done, seconds, rows = 0, 0.0, []
    sums: dict[str, list[float]] = {}  # of each term, since the last row
    if saved:
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        if averaged:
            averaged.load_state_dict(saved["averaged"])
        done, seconds, rows = saved["step"], saved["seconds"], saved["rows"]
        sums = saved["sums"]

    def keep(step: int) -> None:
        """Write the checkpoint, then what is made of it."""
        state = {
            "run": run,
            "step": step,
            "seconds": seconds,
            "rows": rows,
            "sums": sums,
            "model": model.state_dict(),
            "averaged": averaged.state_dict() if averaged else None,
            "optimizers": [o.state_dict() for o in optimizers],
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write(folder / CHECKPOINT, buffer.getvalue())
        best = averaged.module if averaged else model
        card = {**run, "step": step, "seconds": round(seconds, 1)}
        tensors = {k: v.contiguous().cpu() for k, v in best.state_dict().items()}
        write(folder / WEIGHTS, save(tensors, {"genbook": json.dumps(card)}))
        _log(folder / LOG, rows)

    def show(step: int) -> None:
        """Draw samples and curves."""
        from genbook import plots

        best = copy.deepcopy(averaged.module if averaged else model).eval()
        generator = torch.Generator(device).manual_seed(0)
        with torch.no_grad():
            ink = recipe.sample(best, 64, generator)
        name = f"{run['recipe']} on {run['data']}, step {step}"
        wall = plots.images(ink, alt=f"64 samples of {name}", columns=16)
        write(folder / f"samples-{step:07d}.png", png(wall))
        if len(rows) > 1:
            history = {k: [r[k] for r in rows if k in r] for k in rows[-1]}
            history = {k: v for k, v in history.items() if k not in ("step", "seconds")}
            lines = plots.curves(history, alt=f"the losses of {name}", smooth=10)
            write(folder / "curves.png", png(lines))

    x = x.to(device)
    generator = torch.Generator(device)
    log_every = max(1, steps // ROWS)
    hide = 30 if not sys.stderr.isatty() else 0.5
    bar = tqdm(total=steps, initial=done, mininterval=hide, desc=run["recipe"])
    with _signals() as stop, bar:
        for step in range(done + 1, steps + 1):
            start = time.perf_counter()
            i = _indices(len(x), recipe.size, seed, step).to(device)
            generator.manual_seed(_mixed(seed, "noise", step))
            # For whatever else is random, such as dropout.
            torch.manual_seed(_mixed(seed, "step", step))
            batch = recipe.draw(x[i], generator)
            factor = recipe.rate((step - 1) / steps)
            for player, optimizer, lrs in zip(
                recipe.players, optimizers, rates, strict=True
            ):
                if step % player.every:
                    continue
                terms = player.loss(*batch)
                values = torch.stack([t.detach() for t in terms.values()]).tolist()
                for name, value in zip(terms, values, strict=True):
                    term = f"{player.name} {name}".strip()
                    if not math.isfinite(value):
                        raise FloatingPointError(
                            f"step {step}: the term {term!r} of the loss is {value}; "
                            f"the last good checkpoint is in {folder}"
                        )
                    sums.setdefault(term, []).append(value)
                weights = list(player.module.parameters())
                optimizer.zero_grad()
                terms["loss"].backward(inputs=weights)
                if recipe.clip is not None:
                    nn.utils.clip_grad_norm_(weights, recipe.clip)
                for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                    group["lr"] = lr * factor
                optimizer.step()
            if averaged:
                averaged.update_parameters(model)
            seconds += time.perf_counter() - start
            if step % log_every == 0:
                means = {k: math.fsum(v) / len(v) for k, v in sums.items()}
                rows.append({"step": step, "seconds": round(seconds, 2), **means})
                sums.clear()
                bar.set_postfix(loss=f"{next(iter(means.values())):.4g}", refresh=False)
            bar.update()
            if stop or step == steps or step % every == 0:
                keep(step)
                if not stop:
                    show(step)
            if stop:
                return step == steps
    return True


def load(folder: Path | str) -> tuple[Recipe, nn.Module, dict]:
    """Return a run's recipe, its model in eval mode, and the card of its weights."""
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise Refused(f"{folder} holds no {WEIGHTS}: expected the folder of a run")
    with safe_open(path, "pt") as file:
        card = json.loads(file.metadata()["genbook"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    recipe = RECIPES[card["recipe"]]()
    recipe.model.load_state_dict(tensors)
    return recipe, recipe.model.eval(), card


def write(path: Path, content: bytes) -> None:
    """Write a file so that, whatever happens, the old one or the new one is there."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def png(figure: object) -> bytes:
    """Return one of the book's figures as a PNG."""
    return figure._repr_mimebundle_()[0]["image/png"]


def digest(x: Tensor) -> str:
    """Return the SHA-256 of a tensor's bytes, in hexadecimal."""
    return hashlib.sha256(x.cpu().contiguous().numpy().tobytes()).hexdigest()


def _mixed(*parts: object) -> int:
    """Return a seed that differs wherever a part does."""
    text = " ".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big")


def _indices(n: int, size: int, seed: int, step: int) -> Tensor:
    """Return which of n images make the batch of a step from 1, (size,).

    Each pass over the data has an order of its own; what is left over waits.
    """
    epoch, place = divmod(step - 1, n // size)
    order = _order(n, _mixed(seed, "order", epoch))
    return order[place * size : (place + 1) * size]


_last: dict[tuple[int, int], Tensor] = {}


def _order(n: int, seed: int) -> Tensor:
    if (n, seed) not in _last:
        _last.clear()
        generator = torch.Generator().manual_seed(seed)
        _last[n, seed] = torch.randperm(n, generator=generator)
    return _last[n, seed]


def _opened(folder: Path, run: dict, resume: bool, asked_steps: int | None) -> dict:
    """Return the checkpoint to go on with, or {} for a new run."""
    path = folder / CHECKPOINT
    if not resume:
        if path.exists():
            raise Refused(
                f"{folder} already holds a run: go on with it by --resume, or choose "
                "another folder by --out"
            )
        folder.mkdir(parents=True, exist_ok=True)
        return {}
    if not path.exists():
        raise Refused(f"{folder} holds no {CHECKPOINT} to resume from")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    for key, here in run.items():
        there = saved["run"][key]
        if there != here and (key != "steps" or asked_steps):
            raise Refused(
                f"{folder} holds a run with {key} {there}, and {here} was asked for: "
                "expected the same"
            )
    return saved


def _log(path: Path, rows: list[dict]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write(path, text.getvalue().encode())


class _Stop(NamedTuple):
    signals: list[int]

    def __bool__(self) -> bool:
        return bool(self.signals)


@contextmanager
def _signals() -> Iterator[_Stop]:
    """Note SIGINT and SIGTERM instead of dying of them; a second one is obeyed."""
    stop, before = _Stop([]), {}

    def note(number, frame):
        stop.signals.append(number)
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
