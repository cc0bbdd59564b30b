"""Runs: a recipe followed to its end, through kills, full disks and several GPUs.

A run lives in a folder of its own:

    checkpoint.pt        all that is needed to go on exactly, replaced as a whole
    weights.safetensors  the weights to use; its header says what they are
    log.csv              each term of the loss, averaged over some steps
    curves.png           the log as a picture
    lock                 held while the run goes on: one folder, one run
    samples-…png         what the model draws, always from the same noise

No random number has a past: the batch of a step and all noise in it follow from the
run's seed and the step's number alone. So what a step does can be repeated after a
kill, and each of several processes can take its own part of it.
"""

import copy
import csv
import functools
import hashlib
import io
import itertools
import json
import math
import os
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from genbook import files
from genbook.recipes import RECIPES, Recipe
from genbook.training import ema_decay, pick_device

CHECKPOINT, WEIGHTS, LOG = "checkpoint.pt", "weights.safetensors", "log.csv"
ROWS = 500  # of the log, about
LOOK = 50  # steps between looks at the loss where a look makes a GPU wait


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
    bf16: bool = False,
    compiled: bool = False,
) -> bool:
    """Follow a recipe on bytes x (N, 1, 28, 28); return whether it came to its end.

    folder    where the run lives
    data      what the images are called
    seed      of everything random: weights, order, noise
    steps     how many, if not as many as the recipe says
    every     steps from one checkpoint, with samples, to the next; else a 20th of all
    resume    go on with the run that the folder holds: on the CPU to the same weights,
              bit for bit, as without a break
    device    where to train; ``None`` for the best there is
    bf16      run the losses under bfloat16 autocast
    compiled  compile the losses (``torch.compile``)

    Started several times side by side (``accelerate launch``), the processes share
    each batch and average their gradients; the first one writes.

    SIGINT (Ctrl-C) and SIGTERM end the run after the step in hand: it is saved, and
    False comes back. Raises ``Refused`` for a folder or an argument that does not fit,
    ``FloatingPointError`` naming step and term for a loss that is not finite, and
    ``OSError`` for what cannot be written. The last checkpoint outlives all of them.
    """
    folder = Path(folder)
    crew = _Crew(device, bf16)
    torch.manual_seed(seed)
    recipe = make()
    run = {
        "recipe": make.__name__,
        "data": data,
        "digest": digest(x),
        "seed": seed,
        "steps": recipe.steps if steps is None else steps,
        "bf16": bf16,
        "compile": compiled,
    }
    _check(recipe, run["steps"], every, x, crew.size, compiled)
    saved = _opened(folder, run, resume, steps is None)
    run = saved.get("run", run)
    steps = run["steps"]
    every = every or max(1, steps // 20)
    course = _Course(recipe, run, folder, crew, compiled)
    if saved:
        course.restore(saved)

    x = x.to(crew.device)
    bar = tqdm(
        desc=run["recipe"],
        total=steps,
        initial=course.step,
        disable=crew.rank > 0,
        mininterval=0.5 if sys.stderr.isatty() else 30,
    )
    stop = False
    with _alone(folder, crew.rank), _signals() as caught, bar:
        while course.step < steps and not stop:
            course.advance(x)
            bar.update()
            due = course.step == steps or course.step % every == 0
            if due or crew.looks(course.step):
                stop = course.look(bool(caught))
                if course.rows:
                    bar.set_postfix(course.shown(), refresh=False)
            if (due or stop) and crew.rank == 0:
                course.keep()
                if not stop or course.step == steps:
                    course.show()
        if saved.get("step") == steps and crew.rank == 0:
            # A kill may have come between the last checkpoint and what follows it.
            course.keep()
            course.show()
    crew.leave()
    return course.step == steps


class _Course:
    """A run on its way: the weights, and all else that its next step depends on."""

    def __init__(
        self, recipe: Recipe, run: dict, folder: Path, crew: "_Crew", compiled: bool
    ):
        self.recipe, self.run, self.folder, self.crew = recipe, run, folder, crew
        self.model = recipe.model.to(crew.device, memory_format=torch.channels_last)
        self.model.train()
        self.losses = [
            torch.compile(player.loss) if compiled else player.loss
            for player in recipe.players
        ]
        self.optimizers = [
            player.optimizer(player.module.parameters()) for player in recipe.players
        ]
        self.rates = [[g["lr"] for g in o.param_groups] for o in self.optimizers]
        self.averaged = recipe.ema and AveragedModel(
            self.model,
            multi_avg_fn=self._mix,
            use_buffers=True,  # BatchNorm's statistics belong to the weights
        )
        self.generator = torch.Generator(crew.device)
        self.step, self.seconds = 0, 0.0
        self.rows: list[dict] = []  # the log
        self.sums: dict[str, list[float]] = {}  # of each term, since the last row
        self.unseen: list[tuple[int, list[str], list[Tensor]]] = []  # step, its terms
        self.start: float | None = None  # of the clock, while it runs
        self.kept = 0  # the step of the last checkpoint

    def state(self) -> dict:
        """Return what a checkpoint holds."""
        return {
            "run": self.run,
            "step": self.step,
            "seconds": self.seconds,
            "rows": self.rows,
            "sums": self.sums,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged else None,
            "optimizers": [o.state_dict() for o in self.optimizers],
        }

    def restore(self, saved: dict) -> None:
        """Go back to what a checkpoint holds."""
        try:
            self.model.load_state_dict(saved["model"])
            if self.averaged:
                self.averaged.load_state_dict(saved["averaged"])
            for optimizer, state in zip(
                self.optimizers, saved["optimizers"], strict=True
            ):
                optimizer.load_state_dict(state)
        except (RuntimeError, ValueError, AttributeError, TypeError, KeyError) as error:
            raise Refused(
                f"the checkpoint does not fit the recipe {self.run['recipe']!r}, which "
                f"has changed since: {error}"
            ) from error
        self.step = self.kept = saved["step"]
        self.seconds, self.rows, self.sums = (
            saved[key] for key in ("seconds", "rows", "sums")
        )

    def advance(self, x: Tensor) -> None:
        """Make one step on the images x (N, 1, 28, 28)."""
        self.start = self.start or time.perf_counter()
        self.step += 1
        seed, step = self.run["seed"], self.step
        i = _indices(len(x), self.recipe.size, seed, step, x.device)
        self.generator.manual_seed(_mixed(seed, "noise", step))
        # For whatever else is random, such as dropout.
        torch.manual_seed(_mixed(seed, "step", step))
        batch = self.crew.part(self.recipe.draw(x[i], self.generator))
        factor = self.recipe.rate((step - 1) / self.run["steps"])
        names, values = [], []
        for player, loss, optimizer, rates in zip(
            self.recipe.players, self.losses, self.optimizers, self.rates, strict=True
        ):
            if step % player.every:
                continue
            with self.crew.autocast():
                terms = loss(*batch)
            names += [f"{player.name} {name}".strip() for name in terms]
            # Copied: a term may be a weight itself, which is about to move.
            values.append(torch.stack([t.detach().float() for t in terms.values()]))
            weights = list(player.module.parameters())
            optimizer.zero_grad()
            # Another player's weights get no gradient from this loss.
            terms["loss"].backward(inputs=weights)
            self.crew.average(weights)
            if self.recipe.clip is not None:
                nn.utils.clip_grad_norm_(weights, self.recipe.clip)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            optimizer.step()
        if self.averaged:
            self.averaged.update_parameters(self.model)
        if self.recipe.young and step <= self.recipe.young * self.run["steps"]:
            now = self.best().net.state_dict()
            # Both: or the average would go on to draw its guide towards the other one.
            for model in {self.model, self.best()}:
                model.guide.load_state_dict(now)
        self.unseen.append((step, names, values))

    def _mix(self, mean: list[Tensor], now: list[Tensor], count: Tensor) -> None:
        """Move the averaged weights towards those of now, in place."""
        decay = ema_decay(self.recipe.ema, self.step - 1)
        get_ema_multi_avg_fn(decay)(mean, now, count)

    def look(self, stop: bool) -> bool:
        """Log the losses since the last look; return whether any process is to stop.

        Raises ``FloatingPointError`` for one that is not finite.
        """
        # One transfer for all: on a GPU each transfer waits for the device.
        unseen = [part for *_, values in self.unseen for part in values]
        flag = torch.tensor([float(stop)], device=self.crew.device)
        flag, *numbers = self.crew.mean(torch.cat([flag.float(), *unseen])).tolist()
        numbers = iter(numbers)
        self.seconds += time.perf_counter() - self.start
        self.start = None
        for step, names, _ in self.unseen:
            terms = dict(zip(names, itertools.islice(numbers, len(names)), strict=True))
            # A part that is not finite spoils the sum: look at the sum last.
            for name in sorted(names, key=lambda name: name.endswith("loss")):
                if not math.isfinite(terms[name]):
                    raise FloatingPointError(
                        f"step {step}: the term {name!r} of the loss is {terms[name]}; "
                        + self.last_good()
                    )
            for name, number in terms.items():
                self.sums.setdefault(name, []).append(number)
            if step % max(1, self.run["steps"] // ROWS) == 0:
                means = {name: math.fsum(v) / len(v) for name, v in self.sums.items()}
                seconds = round(self.seconds, 2)
                self.rows.append({"step": step, "seconds": seconds, **means})
                self.sums.clear()
        self.unseen.clear()
        return flag > 0

    def shown(self) -> dict[str, str]:
        """Return what the progress bar says: each player's loss, of late."""
        return {n: f"{v:.4g}" for n, v in self.rows[-1].items() if n.endswith("loss")}

    def last_good(self) -> str:
        """Say which checkpoint there is."""
        if not self.kept:
            return "there is no checkpoint yet"
        return f"the last good checkpoint is that of step {self.kept}, in {self.folder}"

    def keep(self) -> None:
        """Write a checkpoint, the weights to use, and the log."""
        for name, weight in self.model.state_dict().items():
            if not weight.isfinite().all():
                raise FloatingPointError(
                    f"step {self.step}: the weights {name!r} are not all finite; "
                    + self.last_good()
                )
        buffer = io.BytesIO()
        torch.save(self.state(), buffer)
        self.put(CHECKPOINT, buffer.getvalue())
        self.kept = self.step
        card = {**self.run, "step": self.step, "seconds": round(self.seconds, 1)}
        tensors = {k: v.contiguous().cpu() for k, v in self.best().state_dict().items()}
        self.put(WEIGHTS, save(tensors, {"genbook": json.dumps(card)}))
        self.put(LOG, table(self.rows))

    def show(self) -> None:
        """Draw samples and curves."""
        from genbook import plots  # matplotlib and plotly take a second to import

        model = copy.deepcopy(self.best()).eval()
        generator = torch.Generator(self.crew.device).manual_seed(0)
        with torch.no_grad():
            ink = self.recipe.sample(model, 64, generator)
        if not ink.isfinite().all():
            tqdm.write(f"step {self.step}: some samples are not finite, drawn as paper")
            ink = ink.nan_to_num(0, 0, 0)
        name = f"{self.run['recipe']} on {self.run['data']}, step {self.step}"
        wall = plots.images(ink, alt=f"64 samples of {name}", columns=16)
        self.put(f"samples-{self.step:07d}.png", png(wall))
        if len(self.rows) > 1:
            terms = dict.fromkeys(term for row in self.rows for term in row)
            terms = [term for term in terms if term not in ("step", "seconds")]
            seen = {t: [row for row in self.rows if t in row] for t in terms}
            lines = plots.curves(
                {t: [row[t] for row in rows] for t, rows in seen.items()},
                at={t: [row["step"] for row in rows] for t, rows in seen.items()},
                alt=f"The losses of {name}",
                smooth=10,
                ylabel="mean over the batch",
            )
            self.put("curves.png", png(lines))

    def best(self) -> nn.Module:
        """Return the model with the weights to use: averaged, if the recipe says so."""
        return self.averaged.module if self.averaged else self.model

    def put(self, name: str, content: bytes) -> None:
        """Write a file of the run. Raises ``OSError`` that says what is left."""
        try:
            files.write(self.folder / name, content)
        except OSError as error:
            raise OSError(
                f"step {self.step}: {self.folder / name} could not be written "
                f"({error.strerror}); {self.last_good()}"
            ) from error


class _Crew:
    """The processes that train together: one, or as many as Accelerate was told."""

    def __init__(self, device: str | torch.device | None, bf16: bool):
        self.bf16, self.accelerator = bf16, None
        self.device, self.rank, self.size = pick_device(device), 0, 1
        alone = os.environ.get("WORLD_SIZE", "1") == "1"
        if alone and "ACCELERATE_MIXED_PRECISION" not in os.environ:
            return
        try:
            from accelerate import Accelerator
        except ImportError as error:
            raise Refused(
                "several processes need the package accelerate: "
                "pip install 'genbook[scale]'"
            ) from error
        self.accelerator = Accelerator(
            cpu=self.device.type == "cpu", mixed_precision="bf16" if bf16 else "no"
        )
        self.device = self.accelerator.device
        self.rank = self.accelerator.process_index
        self.size = self.accelerator.num_processes

    def autocast(self) -> AbstractContextManager:
        """Return what the losses run under."""
        if self.accelerator:
            return self.accelerator.autocast()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def part(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return this process's share of a batch."""
        return tuple(tensor.chunk(self.size)[self.rank] for tensor in batch)

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean of x over the processes."""
        return self.accelerator.reduce(x, "mean") if self.size > 1 else x

    def average(self, weights: list[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the processes, in one transfer."""
        if self.size == 1:
            return
        grads = [weight.grad for weight in weights if weight.grad is not None]
        flat = self.mean(torch.cat([grad.flatten() for grad in grads]))
        for grad, mean in zip(
            grads, flat.split([g.numel() for g in grads]), strict=True
        ):
            grad.copy_(mean.view(grad.shape))

    def looks(self, step: int) -> bool:
        """Say whether to look at the losses after this step."""
        return self.device.type == "cpu" or step % LOOK == 0

    def leave(self) -> None:
        """Say goodbye to the other processes."""
        if self.accelerator:
            self.accelerator.end_training()


def load(folder: Path | str) -> tuple[Recipe, nn.Module, dict]:
    """Return a run's recipe, its model in eval mode, and the card of its weights.

    Raises ``Refused`` where there is none, or one that is cut short or does not fit.
    """
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise Refused(f"{folder} holds no {WEIGHTS}: expected the folder of a run")
    try:
        with safe_open(path, "pt") as file:
            card = json.loads((file.metadata() or {}).get("genbook", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, ValueError) as error:
        raise Refused(f"{path} is damaged or no safetensors file: {error}") from error
    whole = isinstance(card, dict) and {"recipe", "data", "step"} <= card.keys()
    if not whole or card["recipe"] not in [*RECIPES]:
        raise Refused(
            f"{path}: expected weights of one of the recipes {', '.join(RECIPES)}, and "
            f"their card, got {card}"
        )
    recipe = RECIPES[card["recipe"]]()
    try:
        recipe.model.load_state_dict(tensors)
    except RuntimeError as error:
        raise Refused(
            f"{path} does not fit the recipe {card['recipe']!r}, which has changed "
            f"since: {error}"
        ) from error
    return recipe, recipe.model.eval(), card


def png(figure: object) -> bytes:
    """Return one of the book's figures as a PNG."""
    return figure._repr_mimebundle_()[0]["image/png"]


def table(rows: list[dict]) -> bytes:
    """Return rows as CSV, under the names that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def digest(x: Tensor) -> str:
    """Return the SHA-256 of a tensor's bytes, in hexadecimal."""
    return hashlib.sha256(x.cpu().contiguous().numpy().tobytes()).hexdigest()


def _mixed(*parts: object) -> int:
    """Return a seed that differs wherever a part does."""
    text = " ".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big")


def _indices(n: int, size: int, seed: int, step: int, device: torch.device) -> Tensor:
    """Return which of n images make the batch of a step from 1, (size,).

    Each pass over the data has an order of its own; what is left over waits.
    """
    epoch, place = divmod(step - 1, n // size)
    order = _order(n, _mixed(seed, "order", epoch), device)
    return order[place * size : (place + 1) * size]


@functools.lru_cache(maxsize=1)
def _order(n: int, seed: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n, generator=generator).to(device)


def _check(
    recipe: Recipe, steps: int, every: int | None, x: Tensor, crew: int, compiled: bool
) -> None:
    """Raise ``Refused`` for what cannot be trained."""
    if compiled and not recipe.compiles:
        raise Refused(
            "this recipe's loss holds the gradient of a gradient, which torch.compile "
            "cannot take: train without --compile"
        )
    if steps < 1 or (every is not None and every < 1):
        raise Refused(f"expected steps and every ≥ 1, got {steps} and {every}")
    if x.dtype != torch.uint8 or x.dim() != 4 or len(x) < recipe.size:
        raise Refused(
            f"expected images as bytes (N, 1, H, W), at least the {recipe.size} of a "
            f"batch, got {x.dtype} of shape {tuple(x.shape)}"
        )
    if recipe.size % crew:
        raise Refused(f"a batch of {recipe.size} cannot be shared by {crew} processes")


def _opened(folder: Path, run: dict, resume: bool, keep_steps: bool) -> dict:
    """Return the checkpoint to go on with, or {} for a new run."""
    path = folder / CHECKPOINT
    if not resume:
        if path.exists():
            raise Refused(
                f"{folder} already holds a run: go on with it by --resume, or choose "
                "another folder by --out"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise Refused(
                f"{folder}: expected a folder, or none yet, and there is a file in the "
                "way; choose another one by --out"
            ) from error
        return {}
    if not path.exists():
        raise Refused(
            f"{folder} holds no {CHECKPOINT} to go on from: start without --resume"
        )
    content = path.read_bytes()
    try:
        if bad := zipfile.ZipFile(io.BytesIO(content)).testzip():  # torch looks at none
            raise ValueError(f"the checksum of {bad} is wrong")
        saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        old = dict(saved["run"])
    except Exception as error:  # whatever is made of bytes that mean something else
        raise Refused(f"{path} is damaged or no checkpoint: {error}") from error
    for key, asked in run.items():
        there = old.get(key, asked)  # an older run knows less of itself
        if there != asked and not (key == "steps" and keep_steps):
            raise Refused(
                f"{folder} holds a run with {key} {there!r}, and {asked!r} was asked "
                "for: only the same run can go on"
            )
    return saved


@contextmanager
def _alone(folder: Path, rank: int) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back from a process that dies."""
    if rank:
        yield
        return
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Refused(
            f"another process is training in {folder}: wait for it, or choose another "
            "folder by --out"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of dying of them."""
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
