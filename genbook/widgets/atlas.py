"""Many small images in one grey PNG, and the test digits that are shipped as one."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from genbook.widgets import mlp

COLUMNS = 10  # images in a row of the atlas
DIGITS = Path(__file__).parents[1] / "weights/real_digits.png"


def inks(images: object, name: str = "images") -> np.ndarray:
    """Return images (N, H, W) or (N, 1, H, W) of ink 0…1 as an array (N, H, W).

    Raises ``ValueError``, with ``name`` in it, for another shape or other values.
    """
    x = mlp.array(images)
    if x.ndim == 4 and x.shape[1] == 1:
        x = x[:, 0]
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"{name}: expected images (N, H, W), got shape {x.shape}")
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"{name}: expected ink 0 … 1, got {x.min():g} … {x.max():g}")
    return x


def pack(
    images: object, *, shades: int = 256, said: dict[str, str] | None = None
) -> bytes:
    """Return images (N, H, W) of ink 0…1 as one grey PNG of eight bits, ten in a row.

    Each pixel takes the nearest of ``shades`` greys: with 16 of them a file of digits
    has half the bytes or fewer, and the eye sees no difference. ``said`` are words to
    keep in the file, such as a source and a licence. Raises ``ValueError`` as `inks`
    does.
    """
    x = inks(images)
    n, h, w = x.shape
    rows = -(-n // COLUMNS)
    sheet = np.zeros((rows * COLUMNS, h, w), "u1")
    sheet[:n] = np.rint(np.rint((shades - 1) * x) * (255 / (shades - 1)))
    sheet = sheet.reshape(rows, COLUMNS, h, w).swapaxes(1, 2)
    words = PngInfo()
    for key, value in (said or {}).items():
        words.add_text(key, value)
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(sheet.reshape(rows * h, -1)), "L")
    image.save(buffer, "PNG", optimize=True, pnginfo=words)
    return buffer.getvalue()


def unpack(png: bytes, n: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the first n images of an atlas, uint8 (n, H, W), 255 for full ink."""
    (h, w), sheet = shape, np.asarray(Image.open(io.BytesIO(png)))
    tiles = sheet.reshape(-1, h, COLUMNS, w).swapaxes(1, 2).reshape(-1, h, w)
    return tiles[:n]


def real_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return 300 of MNIST's 10,000 test digits, chosen at random, and what they are.

    Ink 0…1, float32 (300, 28, 28), and the classes 0…9, int64 (300,). They ship with
    the package, so that a page can show them without the data; ``python -m
    scripts.real_digits`` chose them. MNIST is by Yann LeCun and Corinna Cortes, who
    made it available under CC BY-SA 3.0; this choice is under the same.
    """
    labels = [int(c) for c in Image.open(DIGITS).text["Classes"]]
    x = unpack(DIGITS.read_bytes(), len(labels), (28, 28))
    return x / np.float32(255), np.array(labels)
