"""Measure the book: how fast it trains, runs, builds and moves, and what it weighs.

    python -m tests.benchmarks.run      prints the tables, writes book/benchmarks.md

Nothing here passes or fails: a time depends on the machine, which the page names.
"""

import gzip
import os
import platform
import statistics
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch
from playwright.sync_api import Browser

from genbook import data, nets, training, vae
from genbook.scoreboard import table
from scripts import run_lessons
from scripts.scoreboard import machine
from tests.benchmarks.page import PAGE, with_book
from tests.site.book import build, pages
from tests.site.browser import launch
from tests.site.visit import LIVE, frame_times, serve

ROOT = Path(__file__).parents[2]
LESSONS = sorted(ROOT.glob("notebooks/*.ipynb"))


def by_hand(model, stream, *, steps):
    """Train as somebody would who had no genbook: Adam, and each term written down."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    history = {"loss": [], "recon": [], "kl": []}
    model.train()
    for _ in range(steps):
        terms = model.loss(next(stream))
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        for name in history:
            history[name].append(terms[name].item())
    return history


def fit(model, stream, *, steps):
    """Train with the book's own loop."""
    return training.fit(model, stream, steps=steps, device="cpu", progress=False)


def new_run():
    """Return a fresh model and stream, the same ones at every call."""
    torch.manual_seed(0)
    encoder, decoder = nets.mlp((1, 8, 8), 128, 16), nets.mlp(8, 128, (1, 8, 8))
    model = vae.VAE(encoder, decoder, latent=8, likelihood=vae.Binomial())
    generator = torch.Generator().manual_seed(0)
    stream = training.batches(data.digits().x_train, size=128, generator=generator)
    return model, stream


def measure_fit(pairs: int = 15, steps: int = 300) -> list[list[str]]:
    """Time both loops in turn, so that both meet the same disturbances."""
    seconds = {by_hand: [], fit: []}
    ends = set()
    for i in range(pairs + 1):
        for loop in (by_hand, fit) if i % 2 else (fit, by_hand):
            model, stream = new_run()
            start = time.perf_counter()
            history = loop(model, stream, steps=steps)
            if i:  # the first pair warms up
                seconds[loop].append(time.perf_counter() - start)
            ends.add(round(history["loss"][-1], 3))
    assert len(ends) == 1, f"the two loops trained different models: {ends}"
    ratios = [b / a for a, b in zip(seconds[by_hand], seconds[fit], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    step = {loop: 1e3 * statistics.median(all) / steps for loop, all in seconds.items()}
    return [
        ["by hand, ms a step", f"{step[by_hand]:.3f}"],
        ["`fit`, ms a step", f"{step[fit]:.3f}"],
        [
            "ratio `fit` / by hand, median (quartiles)",
            f"{middle:.3f} ({low:.3f} … {high:.3f})",
        ],
        ["pairs of runs, steps a run", f"{pairs}, {steps}"],
    ]


def measure_lessons() -> list[list[str]]:
    """Run each lesson as `make lessons` does, without storing it."""
    rows = []
    for path in LESSONS:
        start = time.perf_counter()
        run_lessons.execute(path)
        seconds = time.perf_counter() - start
        rows.append([path.stem, f"{seconds:.0f}", f"{path.stat().st_size / 1e3:.0f}"])
    return rows


def measure_weight(browser: Browser, site: Path, address: str) -> list[list[str]]:
    """Weigh what each page loads: at once, and when it is scrolled to its end."""
    rows = []
    for name in [page for page in pages() if page != "index.html"]:
        page = browser.new_page()
        asked: set[str] = set()
        page.on("request", lambda request, asked=asked: asked.add(request.url))
        page.goto(address + name, wait_until="networkidle")
        page.wait_for_timeout(1000)  # what scripts load once the page stands
        at_once = weigh(site, asked, address)
        for _ in range(60):
            page.mouse.wheel(0, 1500)
            page.wait_for_timeout(50)
        page.wait_for_load_state("networkidle")
        rows.append([name, *at_once, *weigh(site, asked, address)])
        page.close()
    return rows


def weigh(site: Path, urls: set[str], address: str) -> list[str]:
    """Return what these files of the site weigh in kB, plain and compressed."""
    inside = [url for url in urls if url.startswith(address)]
    files = {url.removeprefix(address).partition("?")[0] for url in inside}
    bodies = [(site / file).read_bytes() for file in files if (site / file).is_file()]
    packed = [min(len(body), len(gzip.compress(body))) for body in bodies]
    return [f"{sum(map(len, bodies)) / 1e3:.0f}", f"{sum(packed) / 1e3:.0f}"]


# Whether every figure of the page but the quiz, which has no frames, has drawn one: a
# second figure may come later than the first.
DRAWN = """[...document.querySelectorAll(".gb-widget")].every((figure) =>
  figure.matches(".gb-quiz, :has(.gb-quiz)") || figure.querySelector("[data-ms]"))"""

NAME = """(c) => c.getAttribute("aria-label") ?? c.labels?.[0]?.innerText
  ?? c.innerText.trim()"""


def measure_frames(browser: Browser, address: str) -> list[list[str]]:
    """Move every control of every page; return how long the slowest one's frames took.

    All of them are printed.
    """
    rows = []
    for path in [*LESSONS, ROOT / "book/gallery.ipynb"]:
        page = browser.new_page()
        page.goto(f"{address}{path.relative_to(ROOT).with_suffix('.html')}")
        page.wait_for_function(DRAWN)
        found = []
        for control in page.locator(LIVE).element_handles():
            times = frame_times(page, control)
            late = statistics.quantiles(times, n=20)[-1]
            found.append((late, statistics.median(times), control.evaluate(NAME)))
            print(path.stem, *found[-1])
        page.close()
        late, middle, name = max(found)
        rows.append([path.stem, str(len(found)), name, f"{middle:.2f}", f"{late:.2f}"])
    return rows


def main() -> None:
    """Measure everything, print it and write the page."""
    names = ("genbook", "torch", "numpy", "jupyter-book", "Sphinx", "ipywidgets")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    parts = [
        "# Benchmarks\n",
        "`make bench` measures the book and writes this page but for its last part.\n"
        "Times depend on the machine, so nothing here passes or fails a test.\n",
        f"Measured on {date.today():%d %B %Y}, on {machine()}; "
        f"{os.getloadavg()[0]:.1f} other processes wanted to run when it began.\n"
        f"Python {platform.python_version()}, {versions}.\n",
        "## Training: `fit` against a loop by hand\n",
        "The same VAE, data, batches and seed; the two loops in turn.\n"
        "The goal is a ratio within 5 %.\n",
        table(["loop", "measured"], measure_fit()),
        "## Lessons, from top to bottom\n",
        table(["lesson", "seconds", "file, kB"], measure_lessons()),
    ]
    with tempfile.TemporaryDirectory() as folder, launch() as browser:
        start = time.perf_counter()
        code, said = build(ROOT, Path(folder))
        seconds = time.perf_counter() - start
        assert code == 0, said
        site = Path(folder, "_build/html")
        with serve(site) as address:
            weight = measure_weight(browser, site, address)
            frames = measure_frames(browser, address)
    parts += [
        "## The site\n",
        f"A build from nothing takes {seconds:.0f} s.\n"
        "What a page loads, in kB; compressed as a server would (gzip).\n",
        table(["page", "at once", "gzip", "scrolled to its end", "gzip"], weight),
        "## Figures that move\n",
        "What the main thread of the whole page works for a frame after a control "
        "moved, in ms.\n"
        "Each control of a page moves 40 times, and the slowest one has the line.\n"
        "The goal is under 16 ms at the 95th percentile.\n",
        table(["page", "controls", "slowest", "median", "95th percentile"], frames),
    ]
    text = "\n".join(parts)
    old = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_book(old, text), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
