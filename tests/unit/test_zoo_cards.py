"""The models that ship: each number on a card is measured again, from the weights."""

import os

import pytest
import torch

from genbook import data, evaluate, zoo
from genbook.mnist import MNIST
from genbook.recipes import RECIPES

NAMES = zoo.names()
pytestmark = pytest.mark.usefixtures("float32")


def metric(kept: dict) -> evaluate.Metric:
    return evaluate.Metric(**kept | {"small": evaluate.Small(**kept["small"])})


def test_the_zoo_is_there_and_small():
    sizes = [path.stat().st_size for path in zoo.FOLDER.glob("*")]
    assert len(sizes) == len(NAMES), "something else lies in the zoo"
    assert all(size <= 1_500_000 for size in sizes) and sum(sizes) <= 8_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_it_must(name):
    said = zoo.card(name)
    assert said["name"] == name and said["recipe"] in RECIPES
    assert said["command"].startswith(f"python -m genbook train {said['recipe']} ")
    assert said["data"] == MNIST.digests
    assert 0 < said["steps"] <= said["of"] and said["seconds"] > 0
    assert all(said[key] for key in ("machine", "licence", "summary", "torch", "date"))
    made = zoo.recipe(name)
    trained = [p for p in made.model.parameters() if p.requires_grad]  # no guide
    assert said["parameters"] == sum(p.numel() for p in trained)
    assert said["calls"] == evaluate.calls(made)
    assert said["metrics"][0]["name"] == "Fréchet distance"
    for kept in said["metrics"]:
        m = metric(kept)
        assert m.low <= m.value <= m.high and m.small.low < m.small.high
        assert f"{m.n:,}" in m.meaning


@pytest.mark.parametrize("name", NAMES)
def test_the_distance_is_measured_again_without_data(name):
    small = metric(zoo.card(name)["metrics"][0]).small
    again = evaluate.frechet_again(evaluate.drawer(zoo.recipe(name)), small)
    assert small.low <= again <= small.high


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_are_a_little_off_are_noticed(name):
    """Moved by a third of their spread: a test that cannot fail proves nothing."""
    made, small = zoo.recipe(name), metric(zoo.card(name)["metrics"][0]).small
    with torch.no_grad():
        for w in made.model.parameters():
            w += 0.3 * w.std(correction=0) * torch.randn_like(w)
    assert evaluate.frechet_again(evaluate.drawer(made), small) > small.high


@pytest.mark.skipif(
    not os.environ.get("GENBOOK_DATA"),
    reason="needs MNIST: set GENBOOK_DATA to a folder that holds it",
)
@pytest.mark.parametrize(
    ("name", "kept"),
    [(name, kept) for name in NAMES for kept in zoo.card(name)["metrics"][1:]],
    ids=lambda value: value if isinstance(value, str) else value["name"],
)
def test_what_is_asked_of_real_images_is_measured_again(name, kept):
    made, images, m = zoo.recipe(name), data.mnist().x_test, metric(kept)
    if m.name == "squared error":
        again = evaluate.error(made, images).value
    else:
        again = evaluate.nll_again(made.model, images, m.small)
    assert m.small.low <= again <= m.small.high
