"""Train the critic of `genbook.metrics` and store its weights, with their card.

    python -m scripts.train_classifier

Half a minute on one core. The weights go to `genbook/weights/`, as safetensors; the
file's header says how they were made and how many test digits they read right. The test
digits are looked at once, at the end.
"""

import math

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from genbook import data
from genbook.metrics import WEIGHTS, DigitClassifier

RECIPE = (
    "1437 training digits of genbook.data.digits, ink in 0…1; each batch turned by up "
    "to 9°, sheared and scaled by up to 10 %, shifted by up to half a pixel; "
    "cross-entropy; AdamW, rate 0.003 falling to 0 along a cosine, weight decay 0.01; "
    "1500 batches of 128; seed 0. Trained by scripts/train_classifier.py."
)
STEPS, SIZE = 1500, 128


def jitter(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (B, 1, S, S), each a little turned, sheared, scaled and shifted.

    The shift is at most a sixteenth of the width: half a pixel of 8.
    """

    def random(limit):  # (B,), uniform in ±limit
        return limit * (2 * torch.rand(len(x), generator=generator) - 1)

    angle, shear = random(math.radians(9)), random(0.1)
    wide, high = 1 + random(0.1), 1 + random(0.1)
    cos, sin = angle.cos(), angle.sin()
    shift = 2 / 16  # the grid runs from -1 to 1
    right = torch.stack([wide * cos, shear - sin, random(shift)], -1)
    down = torch.stack([sin, high * cos, random(shift)], -1)
    grid = F.affine_grid(torch.stack([right, down], 1), x.shape, align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def train(steps: int = STEPS) -> DigitClassifier:
    """Return a classifier trained by the recipe."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    digits = data.digits()
    x, y = digits.x_train / 16, digits.y_train
    model = DigitClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        i = torch.randint(len(x), (SIZE,), generator=generator)
        loss = F.cross_entropy(model(jitter(x[i], generator)), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def right(model: DigitClassifier) -> int:
    """Return how many of the 360 test digits the model reads right."""
    digits = data.digits()
    with torch.no_grad():
        return int((model(digits.x_test / 16).argmax(1) == digits.y_test).sum())


def main() -> None:
    """Train, store, and say how good it is."""
    model = train()
    found = right(model)
    card = {"recipe": RECIPE, "right": str(found), "of": "360"}
    WEIGHTS.parent.mkdir(exist_ok=True)
    WEIGHTS.write_bytes(save(model.state_dict(), card))
    size = WEIGHTS.stat().st_size / 1000
    print(f"{found} of 360 test digits right; {WEIGHTS.name}, {size:.0f} kB")


if __name__ == "__main__":
    main()
