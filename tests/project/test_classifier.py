"""Do the scripts that trained the book's critics still make ones as good?"""

import os

import pytest
import torch
from safetensors import safe_open

from genbook import data, metrics, mnist_metrics
from scripts import train_classifier, train_mnist_classifier


@pytest.fixture(scope="module")
def card():
    with safe_open(metrics.WEIGHTS, "pt") as file:
        return file.metadata()


def test_the_card_is_that_of_the_script(card):
    assert card["recipe"] == train_classifier.RECIPE
    for number in (train_classifier.STEPS, train_classifier.SIZE):
        assert str(number) in card["recipe"]


def test_the_card_of_the_other_critic_is_that_of_its_script():
    with safe_open(mnist_metrics.WEIGHTS, "pt") as file:
        card = file.metadata()
    assert card["recipe"] == train_mnist_classifier.RECIPE
    for number in (train_mnist_classifier.STEPS, train_mnist_classifier.SIZE):
        assert str(number) in card["recipe"]
    assert int(card["right"]) / int(card["of"]) >= 0.99


@pytest.mark.skipif(
    not os.environ.get("GENBOOK_DATA"),
    reason="needs MNIST: set GENBOOK_DATA to a folder that holds it",
)
def test_training_the_other_critic_again_begins_as_well():
    """A small part of the recipe; the whole of it takes minutes."""
    model, mnist = train_mnist_classifier.train(40), data.mnist()
    with torch.no_grad():
        found = model(mnist.x_test[:1000] / 255).argmax(1) == mnist.y_test[:1000]
    assert found.double().mean() > 0.6


def test_training_again_gives_a_critic_as_good(card):
    """Within 3 of 360: another machine's rounding is another path of training."""
    found = train_classifier.right(train_classifier.train())
    assert abs(found - int(card["right"])) <= 3


def test_jitter_moves_a_digit_a_little():
    x = data.digits().x_train[:200] / 16
    moved = train_classifier.jitter(x, torch.Generator().manual_seed(0))
    assert moved.shape == x.shape
    assert moved.min() >= 0 and moved.max() <= 1
    change = (moved - x).abs().mean((1, 2, 3))
    other = (x.roll(1, 0) - x).abs().mean((1, 2, 3))
    assert (change > 0.005).all() and change.mean() < 0.5 * other.mean()
