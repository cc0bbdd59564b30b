"""Does the script that trained the book's critic still make one as good?"""

import pytest
import torch
from safetensors import safe_open

from genbook import data, metrics
from scripts import train_classifier


@pytest.fixture(scope="module")
def card():
    with safe_open(metrics.WEIGHTS, "pt") as file:
        return file.metadata()


def test_the_card_is_that_of_the_script(card):
    assert card["recipe"] == train_classifier.RECIPE
    for number in (train_classifier.STEPS, train_classifier.SIZE):
        assert str(number) in card["recipe"]


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
