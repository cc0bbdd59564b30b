"""Measure the recipes on real MNIST beside other packages, in one run.

    make bench-mnist      prints the tables, writes their part of book/benchmarks.md
    make bench-mnist ARGS='--minutes 0.1 --samples 100'      looks, and writes nothing

Each contestant trains in a process of its own, with one thread, until that process has
used so many seconds of a processor: two of them fit on two cores, and neither they nor
the machine's other work take time from each other's account. A recipe makes the very
steps that ``python -m genbook train`` makes. The peers are in mnist_peers.py.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genbook import evaluate, mnist_metrics, runs
from genbook.data import binarize, mnist
from genbook.recipes import RECIPES
from genbook.recipes.noise import CALLS, STEPS
from genbook.scoreboard import table
from genbook.vae import VAE
from scripts.scoreboard import machine
from tests.benchmarks.page import PAGE, with_mnist

MINUTES, SAMPLES = 10.0, 2000  # of training; by which all are judged
VAE_SHARE, SPEED_SHARE = 1 / 5, 1 / 30  # of the minutes, for a VAE and where only
MORE = 5  # times as many samples of the book's own        the speed is asked for
K = 1000  # importance samples of an image


class Clock:
    """So many seconds of this process on a processor, from the first step on.

    Looping over it gives, before each step, the share of them that is used up.
    """

    def __init__(self, seconds: float):
        self.seconds, self.steps, self.spent = seconds, 0, 0.0

    def __iter__(self) -> Iterator[float]:
        """Yield shares in 0…1 until the seconds are over, and count the steps."""
        start = time.process_time()
        while self.spent < self.seconds:
            yield self.spent / self.seconds
            self.steps += 1
            self.spent = time.process_time() - start


class Contestant(NamedTuple):
    """Who is trained, how it is trained and how it draws.

    net    its parameters are counted
    size   images in a batch
    train  makes one step for each turn of a clock
    draw   n -> ink (n, 1, 28, 28) in 0…1
    vae    the trained model as one of the book's, whose -log p(x) can be measured
    """

    net: nn.Module
    size: int
    train: Callable[[Clock], None]
    draw: Callable[[int], Tensor]
    vae: Callable[[], VAE] | None = None


class Row(NamedTuple):
    """What was measured of a contestant; None where it was not."""

    name: str
    parameters: int
    size: int  # images in a batch
    steps: int
    seconds: float  # of training
    trains: float  # images per second of a processor
    draws: float | None = None  # likewise
    frechet: float | None = None
    more: float | None = None  # the same, of MORE times as many samples
    nats: float | None = None

    def cells(self, *columns: str) -> list[str]:
        """Return the row as the words of a table: its name, and these columns."""
        cells = [self.name]
        for column in columns:
            number = getattr(self, column)
            digits = 2 if column in ("frechet", "more", "nats") else 0
            cells.append("" if number is None else f"{number:,.{digits}f}")
        return cells


def recipe(name: str, x: Tensor) -> Contestant:
    """Return one of the book's recipes, to be trained on bytes x (N, 1, 28, 28)."""
    run = {"seed": 0, "steps": 1}
    crew = runs._Crew("cpu", False)
    course = runs._Course(RECIPES[name](), run, Path(), crew, False)
    model = course.best()

    def train(clock: Clock) -> None:
        for share in clock:
            # As many steps as will have been made, so that the rate follows the clock.
            run["steps"] = round(course.step / share) if share else 1
            course.advance(x)
            course.look(False)

    def draw(n: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            return course.recipe.sample(model.eval(), n, generator)

    vae = model.eval if isinstance(model, VAE) else None
    return Contestant(course.model, course.recipe.size, train, draw, vae)


class Job(NamedTuple):
    """What is asked of a contestant: to train so long, and to draw so many samples.

    ``few`` of the samples are judged at a time; ``images`` are to be measured in nats.
    """

    name: str
    seconds: float
    samples: int = 0
    few: int = 0
    images: int = 0


def measure(job: Job) -> Row:
    """Do a job, in whatever process this is."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images = mnist()
    if job.name in RECIPES:
        player = recipe(job.name, images.x_train)
    else:
        from tests.benchmarks.mnist_peers import PEERS  # absent where tests run

        player = PEERS[job.name](images.x_train)
    clock = Clock(job.seconds)
    player.train(clock)
    row = Row(
        job.name,
        sum(p.numel() for p in player.net.parameters() if p.requires_grad),
        player.size,
        clock.steps,
        clock.spent,
        clock.steps * player.size / clock.spent,
    )
    if job.samples:
        start = time.process_time()
        ink = player.draw(job.samples)
        row = row._replace(draws=job.samples / (time.process_time() - start))
        row = row._replace(frechet=distance(ink, job.few))
        if job.samples > job.few:
            row = row._replace(more=mnist_metrics.distance(ink))
    if job.images:
        x = binarize(images.x_test, generator=torch.Generator().manual_seed(0))
        # From all over the test set: its first half is the cleaner one.
        x = x[torch.arange(job.images) * len(x) // job.images]
        generator = torch.Generator().manual_seed(1)
        nats = evaluate.iwae(player.vae(), x, k=K, generator=generator)
        row = row._replace(nats=float(nats.mean()))
    return row


def distance(ink: Tensor, few: int) -> float:
    """Return the Fréchet distance of so few images, averaged over all such parts."""
    parts = [mnist_metrics.distance(part) for part in ink.split(few)]
    return sum(parts) / len(parts)


# The last of the peers in each is the one to compare speeds with.
DIFFUSION = [
    "ddpm_v",
    "diffusers",
    "diffusers, our rate and average",
    "denoising-diffusion-pytorch",
    "denoising-diffusion-pytorch, our rate and average",
    "dcgan",
]
VAES = ["vae", "pythae", "pythae, our size, batch, rate and average"]
SPEED = {  # of every recipe, and the closest peer's
    "autoencoder": "pythae, an autoencoder of our size",
    "vae": VAES[-1],
    "vae_conv": "pythae, our convolutions",
    "vae_plane": "pythae, two latent dimensions, our size",
    "dcgan": None,
    "wgan_gp": None,
    "ddpm_eps": "diffusers, our rate and average",
    "ddpm_v": "denoising-diffusion-pytorch, our rate and average",
    "score": "diffusers, our rate and average",
}


def jobs(minutes: float, samples: int) -> list[Job]:
    """Return all jobs, the longest ones first, so that two cores end together."""
    seconds = 60 * minutes
    asked = [
        Job(name, seconds, samples * (MORE if name in RECIPES else 1), samples)
        for name in DIFFUSION
    ]
    asked += [Job(name, VAE_SHARE * seconds, images=samples // 2) for name in VAES]
    named = dict.fromkeys([*SPEED, *filter(None, SPEED.values())])
    left = [name for name in named if name not in [*DIFFUSION, *VAES]]
    asked += [Job(name, SPEED_SHARE * seconds) for name in left]
    return sorted(asked, key=lambda job: (-job.seconds, job.name in RECIPES))


def draws(n: int) -> float:
    """Return the seconds on the wall in which one thread draws n by ``ddpm_v``."""
    torch.set_num_threads(1)
    player = recipe("ddpm_v", torch.empty(0))  # to draw takes no longer untrained
    player.draw(20)
    start = time.perf_counter()
    player.draw(n)
    return time.perf_counter() - start


def speeds(rows: dict[str, Row]) -> list[list[str]]:
    """Return how each recipe trains beside the closest peer, as lines of a table."""
    lines = []
    for name, peer in SPEED.items():
        book, line = rows[name], rows[name].cells("parameters", "size", "trains")
        if peer is None:
            lines.append([*line, "", "", "", ""])
            continue
        other = rows[peer]
        ratio = f"{book.trains / other.trains:.1f}"
        lines.append([*line, *other.cells("parameters", "trains"), ratio])
    return lines


def verdict(rows: dict[str, Row], seconds: float) -> str:
    """Say how the book stands against its goals."""
    book, *peers, gan = (rows[name].frechet for name in DIFFUSION)
    vae, *pythae = (rows[name].nats for name in VAES)
    saved = min(pythae) - vae
    return (
        f"`ddpm_v` has {book / min(peers):.2f} times the distance of the best of the "
        f"peers (the goal is 0.25) and {book / gan:.2f} times that of `dcgan` (the "
        f"goal is less than 1).\n"
        f"1,000 samples of it take {seconds:.1f} s on two cores, 500 on each (the goal "
        f"is under 20).\n"
        f"`vae` needs {abs(saved):.2f} nats {'fewer' if saved > 0 else 'more'} than "
        f"the better of pythae's (the goal is fewer).\n"
    )


def text(rows: dict[str, Row], *, floor: float, seconds: float, samples: int) -> str:
    """Return the measured part of the page, but for where and when."""
    diffusion = [
        rows[name].cells(
            *("parameters", "size", "steps", "seconds", "trains", "draws"),
            *("frechet", "more"),
        )
        for name in DIFFUSION
    ]
    vaes = [
        rows[name].cells("parameters", "size", "steps", "seconds", "trains", "nats")
        for name in VAES
    ]
    book, *peers, _ = (rows[name].parameters for name in DIFFUSION)
    apart = max(abs(count / book - 1) for count in peers)
    common = ["", "parameters", "batch", "steps", "seconds", "trains"]
    return "\n".join(
        [
            verdict(rows, seconds),
            "### Diffusion\n",
            f"Samples cost {CALLS} calls of the network each, {CALLS - STEPS} of the "
            f"book's being those of its guide, and the networks have as many "
            f"parameters as the book's within {100 * apart:.1f} %; the generator of "
            f"`dcgan` is called once.\n"
            f"Fréchet distance of {samples:,} samples from the 10,000 test images, in "
            f"the features of the book's MNIST classifier; as many training images get "
            f"{floor:.2f}. Of the book's own models there are {MORE} times {samples:,} "
            f"samples: their mean is in the same column, and all of them together in "
            f"the last.\n",
            table(
                [*common, "draws", "Fréchet distance", f"of {MORE * samples:,}"],
                diffusion,
            ),
            "### VAE\n",
            f"-log p(x) in nats, bounded by {K:,} importance samples, of "
            f"{samples // 2:,} test images that were drawn black or white once, the "
            f"same for all.\n"
            f"pythae's own two networks have one hidden layer of 512 each: so they are "
            f"smaller as they come, and are made wider once.\n",
            table([*common, "nats"], vaes),
            "### Speed\n",
            "Each recipe beside what is closest to it, in batches of the same size.\n"
            "The convolutions are the book's in both, since those that pythae proposes "
            "for MNIST have 18 million parameters.\n"
            "The score network has no such peer but a U-Net; the GANs have none.\n",
            table(
                [*common[:2], "batch", "trains", "peer", "its", "trains", "ratio"],
                speeds(rows),
            ),
        ]
    )


def main() -> None:
    """Measure everything, print it and, in full, write its part of the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--minutes",
        type=float,
        default=MINUTES,
        help="of a processor, for a diffusion model or a GAN; a VAE has a fifth",
    )
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, help="by which all are judged (> 64)"
    )
    args = parser.parse_args()
    floor = distance(mnist().x_train[:10_000] / 255, args.samples)
    load, start = os.getloadavg()[0], time.perf_counter()
    rows: dict[str, Row] = {}
    pool = ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1)
    with pool:
        for row in pool.map(measure, asked := jobs(args.minutes, args.samples)):
            rows[row.name] = row
            print(f"{len(rows)} of {len(asked)}: {row}", flush=True)
        # A process for each core: threads would wait for each other at every layer.
        seconds = max(pool.map(draws, [500, 500]))
    wall = (time.perf_counter() - start) / 60
    names = ("torch", "pythae", "diffusers", "denoising-diffusion-pytorch")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    measured = text(rows, floor=floor, seconds=seconds, samples=args.samples)
    part = (
        "## On real MNIST, beside other packages\n\n"
        "`make bench-mnist` measures this part, in the environment of "
        "`make bench-peers`.\n"
        "All train on the same 60,000 images, each in a process of its own with one "
        f"thread, until it has used {args.minutes:g} minutes of a processor, a VAE "
        f"{args.minutes * VAE_SHARE:g}; where only the speed is asked for, "
        f"{60 * args.minutes * SPEED_SHARE:.0f} seconds.\n"
        "Speeds are in images per second of a processor.\n"
        "Each package is trained as its own documentation or trainer does by default, "
        "and once more with the learning rate and the average of the book's recipe.\n\n"
        f"Measured on {date.today():%d %B %Y}, on {machine()}, in {wall:.0f} minutes; "
        f"{load:.1f} other processes wanted to run when it began.\n"
        f"Python {platform.python_version()}, {versions}.\n\n{measured}"
    )
    print(part)
    if (args.minutes, args.samples) == (MINUTES, SAMPLES):
        old = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_mnist(old, part), encoding="utf-8")


if __name__ == "__main__":
    main()
