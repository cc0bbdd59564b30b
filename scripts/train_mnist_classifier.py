"""Train the critic of `genbook.mnist_metrics` and store its weights, with their card.

    python -m scripts.train_mnist_classifier

A few minutes on one core. The weights go to `genbook/weights/`, as safetensors; the
file's header says how they were made and how many of the 10,000 test images they read
right. The test images are looked at once, at the end. Beside the weights goes what they
see in MNIST: the statistics that a Fréchet distance is measured against. They move with
the weights, and with them every distance of the zoo.
"""

import time

import torch
from safetensors.torch import save
from torch.nn import functional as F

from genbook import data, metrics, mnist_metrics
from genbook.mnist_metrics import STATISTICS, WEIGHTS, MnistClassifier
from scripts.scoreboard import machine
from scripts.train_classifier import jitter

RECIPE = (
    "60000 training images of genbook.data.mnist, ink in 0…1; each batch turned by up "
    "to 9°, sheared and scaled by up to 10 %, shifted by up to a sixteenth of its "
    "width; cross-entropy; AdamW, rate 0.002 falling to 0 along a cosine, weight decay "
    "0.01; 3000 batches of 128; seed 0. Trained by scripts/train_mnist_classifier.py."
)
STEPS, SIZE = 3000, 128


def train(steps: int = STEPS) -> MnistClassifier:
    """Return a classifier trained by the recipe."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    mnist = data.mnist()
    model = MnistClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        i = torch.randint(len(mnist.x_train), (SIZE,), generator=generator)
        x = jitter(mnist.x_train[i] / 255, generator)
        loss = F.cross_entropy(model(x), mnist.y_train[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def right(model: MnistClassifier) -> int:
    """Return how many of the 10,000 test images the model reads right."""
    mnist = data.mnist()
    with torch.no_grad():
        logits = torch.cat([model(x / 255) for x in mnist.x_test.split(1000)])
    return int((logits.argmax(1) == mnist.y_test).sum())


def statistics() -> dict[str, torch.Tensor]:
    """Return what the stored critic sees in MNIST: see `mnist_metrics.Statistics`."""
    mnist = data.mnist()
    test = mnist_metrics.features(mnist.x_test / 255).double()
    mean, cov = test.mean(0), test.T.cov()
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(0))
    train = mnist_metrics.features(mnist.x_train[order] / 255)
    floor = [metrics.frechet_to(part, mean, cov) for part in train.split(10_000)]
    return {"mean": mean, "cov": cov, "floor": torch.tensor(floor).double()}


def main() -> None:
    """Train, store, and say how good it is."""
    start = time.perf_counter()
    model = train()
    seconds = time.perf_counter() - start
    found = right(model)
    card = {
        "recipe": RECIPE,
        "right": str(found),
        "of": "10000",
        "seconds": f"{seconds:.0f}",
        "machine": machine(),
    }
    WEIGHTS.parent.mkdir(exist_ok=True)
    WEIGHTS.write_bytes(save(model.state_dict(), card))
    size = WEIGHTS.stat().st_size / 1000
    print(f"{found} of 10000 test images right; {WEIGHTS.name}, {size:.0f} kB")
    seen = statistics()
    STATISTICS.write_bytes(save(seen))
    print(f"real against real: {seen['floor'].mean():.3f} ± {seen['floor'].std():.3f}")


if __name__ == "__main__":
    main()
