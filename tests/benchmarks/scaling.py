"""Measure what each step of "Scaling up" is worth: training without it, or with it.

    python -m tests.benchmarks.scaling      prints the table, writes book/scaling_up.md

Variants train in turn, on one thread, and that several times; what counts is the
processor time of a step, the least of its rounds. So other work on the machine disturbs
little. A second thread can only be seen by the clock on the wall, and so on a machine
that does nothing else. Nothing here passes or fails.
"""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from genbook import nets, runs
from genbook.recipes import RECIPES, Recipe
from genbook.scoreboard import table
from scripts.scoreboard import machine

PAGE = Path(__file__).parents[2] / "book/scaling_up.md"
BEGIN, END = (
    "<!-- measured, by `python -m tests.benchmarks.scaling` -->",
    "<!-- end of what is measured -->",
)
ROUNDS, SECONDS = 3, 1.0
# glibc's own behaviour is to give large blocks back; these keep them.
KEPT = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}


def same(recipe: Recipe) -> Recipe:
    """Return the recipe as it is."""
    return recipe


def unfused(recipe: Recipe) -> Recipe:
    """Return the recipe with an optimizer that moves one tensor after another."""

    def apart(player):
        made = player.optimizer
        options = made.keywords | {"fused": False, "foreach": False}
        return player._replace(optimizer=lambda p: torch.optim.AdamW(p, **options))

    return recipe._replace(players=tuple(apart(player) for player in recipe.players))


def unfolded(recipe: Recipe) -> Recipe:
    """Return the diffusion recipe with its U-Net on all 28 × 28 pixels."""
    unet = nets.UNet(1, widths=recipe.model.net.net.widths)
    unet.attention = nn.Identity()
    recipe.model.net = unet
    [player] = recipe.players
    return recipe._replace(players=(player._replace(module=unet),))


class Variant(NamedTuple):
    """A way to train: what becomes of the recipe, and how the run is made."""

    name: str
    change: Callable[[Recipe], Recipe] = same
    contiguous: bool = False  # instead of channels_last
    kept: bool = True  # large blocks of memory
    bf16: bool = False
    compiled: bool = False


VARIANTS = (
    Variant("as the recipe is trained"),
    Variant("without `channels_last`", contiguous=True),
    Variant("without the fused optimizer", unfused),
    Variant("without the allocator's thresholds", kept=False),
    Variant("without folding 28 × 28 to 14 × 14", unfolded),
    Variant("with bfloat16", bf16=True),
    Variant("with `--compile`", compiled=True),
    Variant("with both", bf16=True, compiled=True),
)
MEASURED = {"ddpm_v": VARIANTS, "vae": (*VARIANTS[:4], *VARIANTS[5:])}


def course(name: str, variant: Variant) -> runs._Course:
    """Return a run of a recipe in a variant, before its first step.

    No guide follows it: that costs copies, and a twentieth of the steps has one.
    """
    torch.manual_seed(0)
    recipe = variant.change(RECIPES[name]())._replace(young=None)
    crew = runs._Crew("cpu", variant.bf16)
    run = {"seed": 0, "steps": recipe.steps}
    made = runs._Course(recipe, run, Path(), crew, variant.compiled)
    if variant.contiguous:
        made.model.to(memory_format=torch.contiguous_format)
    return made


def pace(each: runs._Course, x: torch.Tensor, clock: Callable[[], float]) -> float:
    """Return the time of a step by this clock, in ms."""
    steps, start = 0, clock()
    while clock() - start < SECONDS:
        each.advance(x)
        steps += 1
    return 1e3 * (clock() - start) / steps


def measure(name: str, variants: list[Variant]) -> dict[str, float]:
    """Return the processor time of a step of each variant, in ms, by its name."""
    torch.set_num_threads(1)
    x = torch.randint(0, 256, (2000, 1, 28, 28)).to(torch.uint8)
    courses = [course(name, variant) for variant in variants]
    least = {variant.name: math.inf for variant in variants}
    for i in range(ROUNDS + 1):  # in the first one they warm up, and are compiled
        for variant, each in zip(variants, courses, strict=True):
            ms = pace(each, x, time.process_time)
            if i:
                least[variant.name] = min(ms, least[variant.name])
    return least


def threads(name: str) -> list[float]:
    """Return the time of a step by the clock, in ms, with one thread and with two."""
    x = torch.randint(0, 256, (2000, 1, 28, 28)).to(torch.uint8)
    each, least = course(name, VARIANTS[0]), [math.inf, math.inf]
    for i in range(ROUNDS + 1):
        for n in (1, 2):
            torch.set_num_threads(n)
            ms = pace(each, x, time.perf_counter)
            if i:
                least[n - 1] = min(ms, least[n - 1])
    return least


def child(name: str, what: str) -> Any:
    """Measure in a process of its own: the allocator listens only at its start."""
    environment = {k: v for k, v in os.environ.items() if k not in KEPT}
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, name, what],
        env=environment
        | ({} if what == "given back" else KEPT)
        | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def report(least: dict[tuple[str, str], float], clock: dict[str, list[float]]) -> str:
    """Return the measured part of the page."""
    rows = []
    for variant in VARIANTS:
        row = [variant.name]
        for name in MEASURED:
            ms, base = least.get((name, variant.name)), least[name, VARIANTS[0].name]
            row += [f"{ms:.1f}", f"{ms / base:.2f}"] if ms else ["", ""]
        rows.append(row)
    columns = ["", *(c for n in MEASURED for c in (f"`{n}`, ms a step", "ratio"))]
    sizes = ", ".join(f"{RECIPES[n]().size} for `{n}`" for n in MEASURED)
    second = " and ".join(
        f"{two / one:.2f} times as long for `{name}`"
        for name, (one, two) in clock.items()
    )
    load = os.getloadavg()[0]
    busy = "had other work as well: ratios between 0.8 and 1.2 say nothing"
    idle = "had hardly any other work: ratios between 0.9 and 1.1 say nothing"
    return (
        f"Measured on {date.today():%-d %B %Y}, on {machine()}, one thread, with torch "
        f"{torch.__version__}.\nProcessor time of a training step on batches of "
        f"{sizes}; the least of {ROUNDS} rounds, the variants in turn.\n"
        f"At the end its load was {load:.1f}, with this process, so the machine "
        f"{busy if load > 1.5 else idle}.\n\n"
        f"{table(columns, rows)}\n"
        f"With two threads instead of one a step takes, by the clock, {second}.\n"
    )


def main() -> None:
    """Measure all variants, print the table and write it into the page."""
    least: dict[tuple[str, str], float] = {}
    clock: dict[str, list[float]] = {}
    for name in MEASURED:
        for what in ("kept", "given back"):
            for variant, ms in child(name, what).items():
                least[name, variant] = ms
                print(f"{name:8} {variant:40} {ms:8.2f} ms a step", flush=True)
        clock[name] = child(name, "threads")
        print(f"{name:8} one thread, and two: {clock[name]} ms a step", flush=True)
    measured = report(least, clock)
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{measured}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        name, what = sys.argv[1:]
        chosen = [v for v in MEASURED[name] if v.kept == (what == "kept")]
        print(json.dumps(threads(name) if what == "threads" else measure(name, chosen)))
    else:
        main()
