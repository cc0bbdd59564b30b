"""Do the benchmarks' writers leave each other alone, and count seconds and goals right?

Their numbers are not tested: those depend on the machine. The other packages are not
installed here.
"""

from itertools import count

import pytest
import torch

from genbook.recipes import RECIPES
from tests.benchmarks import mnist
from tests.benchmarks.page import (
    BEGIN,
    END,
    MNIST_BEGIN,
    MNIST_END,
    PAGE,
    with_book,
    with_mnist,
    with_peers,
)


def test_each_writer_replaces_its_own_part():
    page = with_peers("# Benchmarks\n\nfast\n", "peers")
    assert page == f"# Benchmarks\n\nfast\n\n{BEGIN}\n\npeers\n\n{END}\n"
    page = with_mnist(page, "digits\n")
    assert page.endswith(f"\n\n{END}\n\n{MNIST_BEGIN}\n\ndigits\n\n{MNIST_END}\n")
    assert with_peers(page, "new peers\n") == page.replace("peers\n", "new peers\n")
    assert with_mnist(page, "new digits") == page.replace("digits\n", "new digits\n")
    assert with_book(page, "# New\n") == page.replace("# Benchmarks\n\nfast", "# New")
    assert with_book("# Benchmarks\n", "# New\n") == f"# New\n\n{BEGIN}\n\n{END}\n"


def test_the_page_has_each_part_once_and_in_order():
    text = PAGE.read_text(encoding="utf-8")
    assert text.startswith("# Benchmarks\n")
    marks = [mark for mark in (MNIST_BEGIN, MNIST_END) if mark in text]
    assert len(marks) != 1, "half of the part on MNIST"
    marks = [BEGIN, END, *marks]
    assert all(text.count(mark) == 1 for mark in marks)
    assert sorted(marks, key=text.index) == marks and text.endswith(f"{marks[-1]}\n")


@pytest.fixture
def ticks(monkeypatch):
    """Give a processor's clock that moves on by a second whenever it is looked at."""
    seconds = count(1000)
    monkeypatch.setattr(mnist.time, "process_time", lambda: next(seconds))


@pytest.mark.usefixtures("ticks")
def test_a_clock_counts_its_own_seconds_and_steps():
    clock = mnist.Clock(4)
    assert list(clock) == [0, 0.25, 0.5, 0.75]
    assert (clock.steps, clock.spent) == (4, 4)


@pytest.mark.usefixtures("ticks")
def test_time_before_the_first_step_is_free_and_the_last_step_is_finished():
    clock = mnist.Clock(2.5)
    assert mnist.time.process_time() == 1000  # such as for loading the data
    assert list(clock) == [0, 0.4, 0.8]
    assert (clock.steps, clock.spent) == (3, 3)  # said as it is, not as it was meant


@pytest.mark.usefixtures("ticks")
def test_a_recipe_follows_the_clock(monkeypatch):
    seen, make = [], RECIPES["vae_plane"]

    def spied():
        recipe = make()
        return recipe._replace(
            rate=lambda share: seen.append(share) or recipe.rate(share)
        )

    monkeypatch.setitem(RECIPES, "vae_plane", spied)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (300, 1, 28, 28), generator=generator, dtype=torch.uint8)
    player, clock = mnist.recipe("vae_plane", x), mnist.Clock(8)
    before = player.vae().decoder[0].weight.clone()
    player.train(clock)
    assert clock.steps == 8 and seen == [i / 8 for i in range(8)]
    after = player.vae().decoder[0].weight
    assert not after.equal(before), "the weights to use have not moved"
    ink = player.draw(3)
    assert ink.shape == (3, 1, 28, 28) and 0 <= ink.min() <= ink.max() <= 1
    assert ink.equal(player.draw(3))


def made_up_rows():
    """Return a row for each job, whose numbers tell the goals apart."""
    rows = {
        job.name: mnist.Row(job.name, 9, 8, 7, 6.0, 5.0) for job in mnist.jobs(1, 99)
    }
    frechets = [3.0, 40.0, 30.0, 12.0, 50.0, 6.0]
    for name, frechet in zip(mnist.DIFFUSION, frechets, strict=True):
        rows[name] = rows[name]._replace(draws=4.0, frechet=frechet)
    for name, nats in zip(mnist.VAES, [90.0, 120.5, 100.25], strict=True):
        rows[name] = rows[name]._replace(nats=nats)
    return rows


def test_every_recipe_is_measured_and_everybody_has_the_same_seconds_and_samples():
    asked = {job.name: job for job in mnist.jobs(10, 2000)}
    assert set(RECIPES) == set(mnist.SPEED) and set(RECIPES) < set(asked)
    assert {asked[name].seconds for name in mnist.DIFFUSION} == {600}
    assert {asked[name].few for name in mnist.DIFFUSION} == {2000}
    assert {asked[name].seconds for name in mnist.VAES} == {120}
    assert {asked[name].images for name in mnist.VAES} == {1000}
    assert asked["ddpm_v"].samples == 10_000 and asked["diffusers"].samples == 2000


def test_the_verdict_compares_with_the_best_of_the_peers():
    said = mnist.verdict(made_up_rows(), seconds=12.34)
    assert "0.25 times the distance of the best" in said  # 3 beside 12
    assert "0.50 times that of `dcgan`" in said and "12.3 s" in said
    assert "10.25 nats fewer than" in said
    rows = made_up_rows()
    rows["vae"] = rows["vae"]._replace(nats=101.0)
    assert "0.75 nats more than" in mnist.verdict(rows, seconds=12.34)


def test_the_page_shows_every_row_and_no_number_that_was_not_measured():
    said = mnist.text(made_up_rows(), floor=2.5, seconds=12.34, samples=99)
    for name in [job.name for job in mnist.jobs(1, 99)]:
        assert f"| {name} |" in said, name
    assert "get 2.50" in said and "None" not in said and "nan" not in said
    for part in said.split("\n\n"):
        columns = {line.count("|") for line in part.splitlines()}
        assert len(columns) <= 1 or not part.startswith("|"), part
