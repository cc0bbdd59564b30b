"""mnist_metrics: the critic of MNIST, against its card and against the data."""

import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch.nn import functional as F

from genbook import data, metrics, mnist_metrics

# Of MNIST itself nothing is in the repository.
mnist = pytest.mark.skipif(
    not os.environ.get("GENBOOK_DATA"),
    reason="needs MNIST: set GENBOOK_DATA to a folder that holds it",
)


def card():
    with safe_open(mnist_metrics.WEIGHTS, "pt") as file:
        return file.metadata()


def noise(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def test_the_critic_is_small_and_ships_with_the_package():
    assert mnist_metrics.WEIGHTS.stat().st_size < 400_000
    assert mnist_metrics.STATISTICS.stat().st_size < 100_000
    for path in (mnist_metrics.WEIGHTS, mnist_metrics.STATISTICS):
        assert path.is_relative_to(Path(mnist_metrics.__file__).parent)


def test_features_lead_to_the_probabilities():
    x = noise(600)  # more than one part
    features, probs = mnist_metrics.features(x), mnist_metrics.probs(x)
    assert features.shape == (600, 64) and features.dtype == torch.float32
    assert probs.shape == (600, 10) and not features.requires_grad
    logits = mnist_metrics._critic()(x.float())
    assert torch.allclose(logits.softmax(1), probs, atol=1e-5)
    assert torch.allclose(mnist_metrics.features(x[550:]), features[550:], atol=1e-4)


def test_the_distance_is_that_of_the_shipped_statistics():
    x, (mean, cov, floor) = noise(100), mnist_metrics.statistics()
    assert mean.dtype == cov.dtype == torch.float64
    assert mean.shape == (64,) and cov.shape == (64, 64) and floor.shape == (6,)
    assert torch.linalg.eigvalsh(cov).min() > 0.01
    direct = metrics.frechet_to(mnist_metrics.features(x), mean, cov)
    assert mnist_metrics.distance(x) == pytest.approx(direct, rel=1e-9)
    assert direct > 100 * floor.max()  # noise is no digit


def test_the_critic_reads_digits_of_another_set_made_large():
    """Real digits that are at hand everywhere, 20 pixels high like those of MNIST."""
    digits = data.digits()
    x = F.interpolate(digits.x_test / 16, size=(20, 20), mode="bilinear")
    found = mnist_metrics.probs(F.pad(x, (4, 4, 4, 4))).argmax(1) == digits.y_test
    assert found.double().mean() > 0.94


@mnist
def test_the_critic_reads_as_many_test_images_as_its_card_says():
    images, said = data.mnist(), card()
    found = mnist_metrics.probs(images.x_test / 255).argmax(1) == images.y_test
    assert len(found) == int(said["of"]) == 10_000
    assert int(said["right"]) / int(said["of"]) >= 0.99
    # A few may tip over with another machine's rounding.
    assert abs(int(found.sum()) - int(said["right"])) <= 3


@mnist
def test_the_statistics_are_those_of_the_test_images():
    x = data.mnist().x_test / 255
    features = mnist_metrics.features(x).double()
    mean, cov, _ = mnist_metrics.statistics()
    assert torch.allclose(features.mean(0), mean, atol=1e-3)
    assert torch.allclose(features.T.cov(), cov, atol=1e-2)
    assert mnist_metrics.distance(x) < 1e-4


@mnist
def test_the_floor_is_measured_again():
    """One of its six groups; the other five must be like it."""
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(0))
    x = data.mnist().x_train[order[:10_000]] / 255
    floor = mnist_metrics.statistics().floor
    assert mnist_metrics.distance(x) == pytest.approx(float(floor[0]), rel=0.01)
    assert floor.std() < 0.15 * floor.mean()


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (torch.zeros(2, 28, 28), r"\(N, 1, 28, 28\), one or more, got \(2, 28, 28\)"),
        (torch.zeros(0, 1, 28, 28), r"one or more, got \(0, 1, 28, 28\)"),
        (torch.full((2, 1, 28, 28), 255.0), r"\(bytes / 255\), .* from 255 to 255"),
        (torch.full((2, 1, 28, 28), torch.nan), r"ink between 0 and 1 .* nan to nan"),
    ],
)
def test_bad_input_gets_a_sentence(x, sentence):
    for function in (mnist_metrics.features, mnist_metrics.probs):
        with pytest.raises(ValueError, match=sentence):
            function(x)
