"""Choose the real digits that ship with the package, from MNIST's test set.

    python -m scripts.real_digits

The choice is seeded, so a second run writes the same pixels. Not the first 300: the
first half of MNIST's test set was written by other people than the second.
"""

import torch

from genbook import data
from genbook.widgets import atlas

COUNT = 300
SAID = {
    "Title": "300 digits of MNIST's test set, chosen at random",
    "Author": "Yann LeCun and Corinna Cortes, from digits collected by NIST",
    "Copyright": "CC BY-SA 3.0, as MNIST itself",
}


def choose() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the digits as bytes, uint8 (300, 28, 28), and their classes (300,)."""
    _, _, x, y = data.mnist()
    some = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:COUNT]
    return x[some, 0], y[some]


if __name__ == "__main__":
    x, y = choose()
    said = SAID | {"Classes": "".join(str(int(label)) for label in y)}
    atlas.DIGITS.write_bytes(atlas.pack(x / 255, said=said))
    print(f"{atlas.DIGITS.name}: {atlas.DIGITS.stat().st_size / 1e3:.0f} kB")
