"""How good is a model of MNIST? Each answer with its interval and its meaning.

``frechet`` asks what its samples look like, ``nll`` what it makes of a new image,
``error`` how well it copies one; ``everything`` asks what a model can answer. Each
returns a ``Metric``, which holds a second, smaller measurement of the same kind: quick
enough to be repeated wherever the model is tested.
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genbook import metrics, mnist_metrics
from genbook.autoencoder import Autoencoder
from genbook.mnist import binarize
from genbook.recipes import Recipe
from genbook.vae import VAE, Bernoulli

SAMPLES, ROUGH = 5000, 100  # importance samples of an image
RESAMPLES = 100  # of samples, to see how far chance moves their distance
Draw = Callable[..., Tensor]  # draw(n, generator=…) -> ink (n, 1, 28, 28) in 0…1


class Small(NamedTuple):
    """A metric on n images only: its value, and where it lies with other noise."""

    n: int
    value: float
    low: float
    high: float


class Metric(NamedTuple):
    """A measured number: what it is called, its interval, on how many images n.

    ``meaning`` says how the number and its interval were measured; ``small`` is the
    same on fewer images.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    meaning: str
    small: Small


def everything(recipe: Recipe, images: Tensor, *, n: int = 10_000) -> list[Metric]:
    """Measure all that a recipe's model can answer, on n samples and all images.

    ``images`` are the test images (N, 1, 28, 28), uint8. The model is as it is:
    trained, and in eval mode. Raises ``ValueError`` unless a tenth of n is a whole
    number of samples, more than the 64 features.
    """
    if n % 10 or n <= 640:
        raise ValueError(f"n: expected a multiple of 10, 650 or more, got {n}")
    draw, model = drawer(recipe), recipe.model
    found = [frechet(draw, n=n, size=n // 10)]
    if isinstance(model, VAE) and isinstance(model.likelihood, Bernoulli):
        found.append(nll(model, images))
    if isinstance(model, Autoencoder):
        found.append(error(recipe, images))
    return found


def drawer(recipe: Recipe) -> Draw:
    """Return ``draw(n, generator=…)`` -> ink (n, 1, 28, 28), by the recipe's model."""

    def draw(n: int, *, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            return recipe.sample(recipe.model, n, generator)

    return draw


def calls(recipe: Recipe) -> int:
    """Return how often the model's networks are called to draw a sample."""
    counts: Counter[nn.Module] = Counter()
    modules = [recipe.model, *recipe.model.children()]
    hooks = [
        module.register_forward_pre_hook(lambda module, _: counts.update([module]))
        for module in modules
    ]
    drawer(recipe)(1, generator=_seed(0))
    for hook in hooks:
        hook.remove()
    # A model that is a network itself calls its parts as often as it likes.
    return counts[recipe.model] or counts.total()


def frechet(draw: Draw, *, n: int, size: int) -> Metric:
    """Measure the Fréchet distance of n samples from the 10,000 test images.

    How far chance moves it is what ``RESAMPLES`` draws of n among them, with return,
    have for a spread (the bootstrap, Efron 1979). They are drawn in groups of ``size``,
    each of which has a distance of its own, for the small metric. Raises
    ``ValueError`` unless n is ``size`` times at least 4, and size > 64.
    """
    if size <= 64 or n % size or n < 4 * size:
        raise ValueError(
            f"expected size > 64, and n four times that or another multiple, "
            f"got {size} and {n}"
        )
    generator = _seed(0)
    groups = [
        mnist_metrics.features(draw(size, generator=generator))
        for _ in range(n // size)
    ]
    mean, cov, _ = mnist_metrics.statistics()
    every = torch.cat(groups)
    value = metrics.frechet_to(every, mean, cov)
    resampled = [
        metrics.frechet_to(
            every[torch.randint(n, (n,), generator=generator)], mean, cov
        )
        for _ in range(RESAMPLES)
    ]
    half = 2 * float(torch.tensor(resampled).std())
    each = torch.tensor([metrics.frechet_to(group, mean, cov) for group in groups])
    middle, spread = float(each.mean()), 4 * float(each.std())
    return Metric(
        "Fréchet distance",
        value,
        max(0.0, value - half),
        value + half,
        n,
        f"squared Fréchet distance of {n:,} samples from the 10,000 test images in the "
        f"64 features of the book's MNIST classifier; ± two standard errors, by "
        f"{RESAMPLES} resamples (bootstrap)",
        Small(size, middle, middle - spread, middle + spread),
    )


def frechet_again(draw: Draw, small: Small, *, seed: int = 1) -> float:
    """Measure the Fréchet distance of ``small.n`` new samples."""
    return mnist_metrics.distance(draw(small.n, generator=_seed(seed)))


def nll(model: VAE, images: Tensor, *, fine: int = 500, few: int = 50) -> Metric:
    """Measure -log p(x) of all images (N, 1, 28, 28), uint8, binarised, in nats.

    Each is drawn black or white once, then bounded from above by 5,000 importance
    samples (Burda et al. 2016). That many are spent on ``fine`` of the images alone.
    All have 100, and what 5,000 change differs little from image to image: so its mean
    over a part of them is nearly that over all, and the estimate remains unbiased (a
    control variate). ``few`` are for the small metric. Raises ``ValueError`` unless
    2 ≤ few, fine ≤ N.
    """
    if not (2 <= few <= len(images) and 2 <= fine <= len(images)):
        raise ValueError(
            f"expected 2 … {len(images)} images, got fine={fine} and few={few}"
        )
    x, some = binarize(images, generator=_seed(0)), _spread(len(images), fine)
    rough = iwae(model, x, k=ROUGH, generator=_seed(0))  # (N,)
    change = iwae(model, x[some], k=SAMPLES, generator=_seed(1)) - rough[some]
    value = float(rough.mean() + change.mean())
    # Binarised and bounded anew, an image is off by √2 times what one draw is off by.
    x_new = binarize(images, generator=_seed(1))[some]
    new = iwae(model, x_new, k=ROUGH, generator=_seed(2)) - rough[some]
    half = 2 * float((new.var() / 2 / len(x) + change.var() / fine).sqrt())

    x = x[_spread(len(x), few)]
    rounds = [iwae(model, x, k=SAMPLES, generator=_seed(i)) for i in (3, 4, 5, 6)]
    again = torch.stack(rounds)  # (4, few): only the importance samples differ
    middle = float(again.mean())
    # The mean of four rounds is off, too, and so is what is measured later.
    noise = 4 * float((again.var(0).mean() * (1 + 1 / 4) / few).sqrt())
    other = 2 * float(rough.std()) / math.sqrt(len(images))
    return Metric(
        f"-log p(x), IWAE-{SAMPLES}",
        value,
        value - half,
        value + half,
        len(images),
        f"nats per test image, {len(images):,} of them, each pixel drawn black or "
        f"white once by its grey (dynamic binarisation), bounded from above by "
        f"{SAMPLES:,} importance samples: by {ROUGH} on all images, and the change "
        f"that the rest of them make on every {len(images) // fine}th; ± two standard "
        f"errors of all that is drawn; which images are tested adds ± {other:.2f}",
        Small(few, middle, middle - noise, middle + noise),
    )


def nll_again(model: VAE, images: Tensor, small: Small, *, seed: int = 9) -> float:
    """Measure -log p(x) on ``small.n`` of the same images, with new importance samples.

    ``images`` are all N again: each is black or white as it was.
    """
    x = binarize(images, generator=_seed(0))[_spread(len(images), small.n)]
    return float(iwae(model, x, k=SAMPLES, generator=_seed(seed)).mean())


def iwae(
    model: VAE, x: Tensor, *, k: int, generator: torch.Generator | None = None
) -> Tensor:
    """Return the bound on -log p(x) by k importance samples, (N, …) -> (N,), float64.

    Twenty images at a time, and ``VAE.iwae`` takes a hundred samples at a time: so it
    needs some 20 MB, whatever N and k.
    """
    with torch.no_grad():
        parts = [model.iwae(part, k=k, generator=generator) for part in x.split(20)]
    return -torch.cat(parts).double()


def error(recipe: Recipe, images: Tensor) -> Metric:
    """Measure ‖x_hat - x‖² on images (N, 1, 28, 28), uint8, in the model's own unit.

    What the model sees of them, x, is the first thing that the recipe draws.
    """
    x = recipe.draw(images, _seed(0))[0]
    with torch.no_grad():
        each = torch.cat([recipe.model.error(part).double() for part in x.split(500)])
    value, half = float(each.mean()), 2 * float(each.std()) / math.sqrt(len(x))
    return Metric(
        "squared error",
        value,
        value - half,
        value + half,
        len(x),
        f"squared error of the copy of a test image, {len(x):,} of them, summed over "
        f"its 784 pixels between {x.min():g} and {x.max():g}; ± two standard errors "
        f"over the images",
        Small(len(x), value, 0.999 * value, 1.001 * value),
    )


def _seed(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _spread(n: int, few: int) -> Tensor:
    """Return ``few`` of 0 … n - 1, evenly: MNIST's first half is the cleaner one."""
    return torch.arange(few) * n // few
