"""Measure the book's models beside other packages', in one run.

    make bench-peers      prints the tables, writes their part of book/benchmarks.md
    python -m tests.benchmarks.peers dcgan      prints that part alone, writes nothing

All train on the same digits, with the same batch, threads and, within 5 %, number of
parameters, and draw with the same number of calls of the network. They take turns, so
that all meet the same disturbances, and each trains for equally many seconds. Nothing
here passes or fails on a time: that depends on the machine, which the page names.
"""

import importlib.util
import os
import platform
import statistics
import sys
import time
import types
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from typing import NamedTuple

import torch
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.optimization import get_cosine_schedule_with_warmup
from ema_pytorch import EMA
from torch import Tensor, nn
from torch.nn import functional as F

from genbook import data, denoising, diffusion, gan, metrics, nets, training
from genbook.scoreboard import floor, table
from scripts.scoreboard import machine
from tests.benchmarks.page import PAGE, with_peers

if not importlib.util.find_spec("torchvision"):
    # denoising-diffusion-pytorch uses it only in its loop over folders of images, which
    # is not needed here; and not every build of torch has one of torchvision beside it.
    torchvision = types.ModuleType("torchvision")
    torchvision.transforms = torchvision.utils = types.ModuleType("not installed")
    sys.modules["torchvision"] = torchvision

from denoising_diffusion_pytorch import GaussianDiffusion, Unet

BATCH = 64
SECONDS = 30  # of training each, about what lesson 09 takes; half of it for the GANs
SLICE = 5  # seconds that one trains before the next takes its turn
CALLS = 50  # of the network, to draw a sample
GROUPS, SIZE = 3, 360  # samples, judged in groups as many as there are test digits


class Contestant(NamedTuple):
    """A network, how it is trained and how it draws.

    net    its parameters are counted
    steps  number of steps -> training, which happens as the iterator is consumed
    draw   n -> ink (n, 1, 8, 8) in 0…1
    """

    net: nn.Module
    steps: Callable[[int], Iterator[object]]
    draw: Callable[[int], Tensor]

    @property
    def parameters(self) -> int:
        """How many numbers are fitted."""
        return sum(p.numel() for p in self.net.parameters() if p.requires_grad)


def stream() -> Iterator[Tensor]:
    """Return endless batches of the training digits, the same ones for everybody."""
    generator = torch.Generator().manual_seed(0)
    x = data.to_signed(data.digits().x_train)
    return training.batches(x, size=BATCH, generator=generator)


def ours() -> Contestant:
    """The U-Net of lesson 09 with its recipe: v, times spread evenly, an average."""
    model = denoising.Diffusion(nets.UNet(), diffusion.cosine(100, s=0.05), (1, 8, 8))
    times = denoising.spaced(100, CALLS)

    def steps(n: int) -> Iterator[object]:
        return training.fit_steps(model, stream(), steps=n, lr=2e-3, ema=0.995)

    def draw(n: int) -> Tensor:
        return data.to_counts(model.sample(n, times=times)) / 16

    return Contestant(model, steps, draw)


def hugging_face(
    *, lr: float = 1e-4, warm_up: int | None = 500, ema: float | None = None
) -> Contestant:
    """``UNet2DModel`` and ``DDPMScheduler``, as in diffusers' training tutorial.

    That is epsilon-prediction over 1,000 linear steps, AdamW, a learning rate that
    warms up for 500 steps and falls like a cosine (constant if ``warm_up`` is None),
    clipped gradients, no average of the weights (unless ``ema`` is its decay).
    """
    net = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
    )
    noise = DDPMScheduler(num_train_timesteps=1000)
    average = EMA(net, beta=ema, update_every=1) if ema else None

    def steps(n: int) -> Iterator[object]:
        optimizer = torch.optim.AdamW(net.parameters(), lr=lr)
        rate = get_cosine_schedule_with_warmup(optimizer, warm_up or 0, n)
        net.train()
        for _, x in zip(range(n), stream(), strict=False):
            eps, t = torch.randn_like(x), torch.randint(0, 1000, (len(x),))
            eps_hat = net(noise.add_noise(x, eps, t), t, return_dict=False)[0]
            loss = F.mse_loss(eps_hat, eps)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            if warm_up is not None:
                rate.step()
            optimizer.zero_grad()
            if average:
                average.update()
            yield loss.item()

    def draw(n: int) -> Tensor:
        best = average.ema_model if average else net
        noise.set_timesteps(CALLS)
        x = torch.randn(n, 1, 8, 8)
        for t in noise.timesteps:
            x = noise.step(best(x, t).sample, t, x).prev_sample
        return (x / 2 + 0.5).clamp(0, 1)

    return Contestant(net, steps, draw)


def lucidrains(*, lr: float = 1e-4, every: int = 10) -> Contestant:
    """``Unet`` and ``GaussianDiffusion``, trained as that package's ``Trainer`` does.

    That is v-prediction over 1,000 steps of a sigmoid schedule, Adam, clipped
    gradients, an average of the weights taken every 10 steps, and DDIM to draw.
    """
    net = Unet(16, dim_mults=(1, 2), channels=1)
    model = GaussianDiffusion(net, image_size=8, sampling_timesteps=CALLS)
    average = EMA(model, beta=0.995, update_every=every)

    def steps(n: int) -> Iterator[object]:
        optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.99))
        model.train()
        for _, x in zip(range(n), stream(), strict=False):
            loss = model(x / 2 + 0.5)  # it wants 0…1
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            average.update()
            yield loss.item()

    def draw(n: int) -> Tensor:
        return average.ema_model.sample(batch_size=n).clamp(0, 1)

    return Contestant(net, steps, draw)


def dcgan() -> Contestant:
    """The networks and the loop of lesson 06."""
    model = gan.GAN(gan.generator(), gan.discriminator(), latent=32)

    def steps(n: int) -> Iterator[object]:
        recipe = {"lr": 2e-3, "betas": (0.0, 0.999), "ema": 0.998}
        return gan.fit_gan(model, stream(), steps=n, **recipe)

    def draw(n: int) -> Tensor:
        return model.eval().sample(n) / 2 + 0.5

    return Contestant(model, steps, draw)


def plain_dcgan(
    *, lr: float = 2e-4, beta: float = 0.5, ema: float | None = None
) -> Contestant:
    """A DCGAN and its loop as they are usually written.

    After Radford et al. (2016) and PyTorch's DCGAN tutorial: binary cross-entropy
    against labels, two backward passes for D, and G on the fakes that D has just seen.
    ``beta`` is Adam's first, and ``ema`` the decay of an average of G's weights.
    """
    latent, width = 32, 16
    make = nn.Sequential(
        nn.ConvTranspose2d(latent, 4 * width, 2, bias=False),
        nn.BatchNorm2d(4 * width),
        nn.ReLU(True),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(True),
        nn.ConvTranspose2d(2 * width, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    judge = nn.Sequential(
        nn.Conv2d(1, 2 * width, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(4 * width),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(4 * width, 1, 2, bias=False),
        nn.Sigmoid(),
    )
    for layer in [*make, *judge]:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
    average = EMA(make, beta=ema, update_every=1) if ema else None

    def steps(n: int) -> Iterator[object]:
        cross_entropy = nn.BCELoss()
        adam_d = torch.optim.Adam(judge.parameters(), lr=lr, betas=(beta, 0.999))
        adam_g = torch.optim.Adam(make.parameters(), lr=lr, betas=(beta, 0.999))
        one, zero = torch.ones(BATCH), torch.zeros(BATCH)
        make.train()
        for _, x in zip(range(n), stream(), strict=False):
            judge.zero_grad()
            real = cross_entropy(judge(x).flatten(), one)
            real.backward()
            fake = make(torch.randn(BATCH, latent, 1, 1))
            found = cross_entropy(judge(fake.detach()).flatten(), zero)
            found.backward()
            adam_d.step()
            make.zero_grad()
            fooled = cross_entropy(judge(fake).flatten(), one)
            fooled.backward()
            adam_g.step()
            if average:
                average.update()
            yield real.item() + found.item(), fooled.item()

    def draw(n: int) -> Tensor:
        best = average.ema_model if average else make
        return best.eval()(torch.randn(n, latent, 1, 1)) / 2 + 0.5

    return Contestant(nn.ModuleList([make, judge]), steps, draw)


class Row(NamedTuple):
    """What was measured of a contestant."""

    name: str
    parameters: int
    trains: float  # images a second
    draws: float  # images a second
    steps: int
    seconds: float
    frechet: float

    def cells(self) -> list[str]:
        """Return the row as the words of a table."""
        numbers = [f"{number:,.0f}" for number in self[1:-1]]
        return [self.name, *numbers, f"{self.frechet:.1f}"]


def measure(makers: dict[str, Callable[[], Contestant]], seconds: float) -> list[Row]:
    """Train each for the same seconds, in turns; return a row of the table for each."""
    players = {}
    for name, make in makers.items():
        torch.manual_seed(0)
        players[name] = make()
    book, *others = [player.parameters for player in players.values()]
    for name, count in zip(list(players)[1:], others, strict=True):
        assert abs(count / book - 1) <= 0.05, f"{name}: {count} parameters, not {book}"

    step = step_times(makers)
    steps = {name: max(1, round(seconds / step[name])) for name in players}
    runs = {name: player.steps(steps[name]) for name, player in players.items()}
    spent = dict.fromkeys(players, 0.0)
    while runs:
        for name in list(runs):
            start = time.perf_counter()
            while time.perf_counter() - start < SLICE:
                if next(runs[name], None) is None:
                    del runs[name]
                    break
            spent[name] += time.perf_counter() - start

    test = metrics.digit_features(data.digits().x_test / 16)
    took = {name: [] for name in players}
    distances = {name: [] for name in players}
    for _ in range(GROUPS):
        for name, player in players.items():
            start = time.perf_counter()
            with torch.inference_mode():
                ink = player.draw(SIZE)
            took[name].append(time.perf_counter() - start)
            distances[name].append(metrics.frechet(metrics.digit_features(ink), test))
    return [
        Row(
            name,
            player.parameters,
            BATCH / step[name],
            SIZE / statistics.median(took[name]),
            steps[name],
            spent[name],
            statistics.mean(distances[name]),
        )
        for name, player in players.items()
    ]


def step_times(
    makers: dict[str, Callable[[], Contestant]], rounds: int = 6, steps: int = 12
) -> dict[str, float]:
    """Return the seconds of one training step, the median of some rounds in turn."""
    runs = {name: make().steps(10_000) for name, make in makers.items()}
    took = {name: [] for name in runs}
    for i in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(steps):
                next(run)
            if i:  # the first round warms up
                took[name].append((time.perf_counter() - start) / steps)
    return {name: statistics.median(times) for name, times in took.items()}


DIFFUSION = {
    "genbook, lesson 09": ours,
    "diffusers": hugging_face,
    "diffusers, our rate and average": lambda: hugging_face(
        lr=2e-3, warm_up=None, ema=0.995
    ),
    "denoising-diffusion-pytorch": lucidrains,
    "denoising-diffusion-pytorch, our rate and average": lambda: lucidrains(
        lr=2e-3, every=1
    ),
}
GAN = {
    "genbook, lesson 06": dcgan,
    "plain PyTorch": plain_dcgan,
    "plain PyTorch, our rate and average": lambda: plain_dcgan(lr=2e-3, ema=0.998),
    "plain PyTorch, our Adam and average": lambda: plain_dcgan(
        lr=2e-3, beta=0.0, ema=0.998
    ),
}
COLUMNS = [
    "",
    "parameters",
    "trains, images a second",
    "draws, images a second",
    "steps",
    "seconds",
    "Fréchet distance",
]


def verdict(book: Row, *peers: Row) -> str:
    """Say how the book's row stands against the best of the others in each number."""
    trains = book.trains / max(peer.trains for peer in peers)
    draws = book.draws / max(peer.draws for peer in peers)
    distance = book.frechet / min(peer.frechet for peer in peers)
    return (
        f"Against the best of the others in each column, the book trains {trains:.2f} "
        f"times as many images a second, draws {draws:.2f} times as many, and has "
        f"{distance:.2f} times the distance.\n"
    )


def main() -> None:
    """Measure everything, print it and write its part of the page."""
    if sys.argv[1:] == ["dcgan"]:
        rows = measure(GAN, SECONDS / 2)
        print(table(COLUMNS, [row.cells() for row in rows]), verdict(*rows), sep="\n")
        return
    load, start = os.getloadavg()[0], time.perf_counter()
    diffusions = measure(DIFFUSION, SECONDS)
    gans = measure(GAN, SECONDS / 2)
    minutes = (time.perf_counter() - start) / 60
    names = ("torch", "diffusers", "denoising-diffusion-pytorch", "ema-pytorch")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    text = "\n".join(
        [
            "## Beside other packages\n",
            "`make bench-peers` measures this part, in an environment of its own.\n"
            "All see the same 1,437 digits in batches of "
            f"{BATCH}, take turns of {SLICE} seconds, and have the same number of "
            "parameters within 5 %.\n"
            f"Threads of torch: {torch.get_num_threads()}.\n"
            "The Fréchet distance is that of the [scoreboard](scoreboard.md): "
            f"{GROUPS} times {SIZE} samples against the {SIZE} test digits; real "
            f"digits get {floor().frechet:.1f}.\n",
            f"Measured on {date.today():%d %B %Y}, on {machine()}, in {minutes:.0f} "
            f"minutes; {load:.1f} other processes wanted to run when it began.\n"
            f"Python {platform.python_version()}, {versions}.\n",
            "### Diffusion\n",
            f"Samples cost {CALLS} calls of the network each.\n"
            "Each package is trained as its own documentation or trainer does by "
            "default, and once more with the learning rate and the average of the "
            "weights that lesson 09 uses.\n"
            "The goals are more images a second than all of them, and half of the best "
            "of their distances.\n",
            table(COLUMNS, [row.cells() for row in diffusions]),
            verdict(*diffusions),
            "### DCGAN\n",
            "The networks and the loop of lesson 06 against the DCGAN and the loop as "
            "they are usually written: with their usual Adam; with the learning rate "
            "and the average of lesson 06; and with its $\\beta_1 = 0$ as well.\n",
            table(COLUMNS, [row.cells() for row in gans]),
            verdict(*gans),
        ]
    )
    old = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_peers(old, text), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
