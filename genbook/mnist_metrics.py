"""Numbers that judge a generative model of MNIST: ``metrics``, at 28 × 28.

The critic is a second small classifier, and the statistics of the test images in its
features ship with the package: so a Fréchet distance from MNIST needs no data.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from genbook import metrics

WEIGHTS = Path(__file__).parent / "weights/mnist_classifier.safetensors"
STATISTICS = Path(__file__).parent / "weights/mnist_statistics.safetensors"


class MnistClassifier(nn.Module):
    """The critic of MNIST: a small convolutional network that reads 28 × 28 digits.

    Takes ink (N, 1, 28, 28) in 0…1; ``features`` gives its last 64 hidden numbers, and
    calling it the logits (N, 10) of the classes. The functions ``features`` and
    ``probs`` use the weights that ship with the package; the file's own header is their
    card. ``scripts/train_mnist_classifier.py`` trained them, on the training images
    alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),  # (N, 16, 14, 14)
            nn.SiLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.SiLU(),
            nn.MaxPool2d(2),  # (N, 32, 7, 7)
            nn.Conv2d(32, 64, 3, padding=1),
            nn.SiLU(),
            nn.MaxPool2d(2),  # (N, 64, 3, 3)
            nn.Flatten(),
            nn.Linear(576, 64),
            nn.SiLU(),
        )
        self.head = nn.Linear(64, 10)

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, 64) of ink (N, 1, 28, 28) in 0…1."""
        return self.body(2 * x - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, 10) of ink (N, 1, 28, 28) in 0…1."""
        return self.head(self.features(x))


def features(x: Tensor) -> Tensor:
    """Return the critic's features (N, 64) of images (N, 1, 28, 28), ink in 0…1.

    On the CPU, float32, some hundred images at a time. Raises ``ValueError`` for other
    shapes, no image, and pixels outside 0…1, NaN included; bytes want dividing by 255.
    """
    ink = metrics.checked_ink(x, side=28, hint="bytes / 255")
    with torch.no_grad():
        return torch.cat([_critic().features(part) for part in ink.split(500)])


def probs(x: Tensor) -> Tensor:
    """Return the critic's probabilities (N, 10) of the classes of images x.

    Images (N, 1, 28, 28) as for ``features``, which also says what is raised.
    """
    with torch.no_grad():
        return _critic().head(features(x)).softmax(1)


def distance(x: Tensor) -> float:
    """Return the squared Fréchet distance of images x from MNIST's 10,000 test images.

    Ink (N, 1, 28, 28) in 0…1, in the features of the critic. Few samples make it
    larger: compare only at equal N. Raises ``ValueError`` as ``features`` does, and
    unless N > 64.
    """
    return metrics.frechet_to(features(x), *statistics()[:2])


class Statistics(NamedTuple):
    """What the critic sees in MNIST.

    mean, cov  (64,) and (64, 64): of the features of the 10,000 test images
    floor      (6,): the distance from them of each 10,000 of the 60,000 training images
    """

    mean: Tensor
    cov: Tensor
    floor: Tensor


@functools.cache
def statistics() -> Statistics:
    """Return the statistics that ship with the package, in float64."""
    return Statistics(**load_file(STATISTICS))


@functools.cache
def _critic() -> MnistClassifier:
    critic = MnistClassifier().float()  # whatever the default dtype
    critic.load_state_dict(load_file(WEIGHTS))
    return critic.eval()
