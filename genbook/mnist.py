"""Real 28×28 images: MNIST, Fashion-MNIST and Kuzushiji-MNIST, as tensors of bytes.

- ``mnist``, ``fashion_mnist``, ``kmnist``: read from the folder that ``GENBOOK_DATA``
  names, or downloaded once into the user's cache. Every byte is held to a digest.
- ``signed``, ``dequantize``, ``binarize``: three ways from a byte to what a model eats.

The files are IDX: a magic number, the lengths of the axes, then one byte a value.
"""

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor


class Images(NamedTuple):
    """Grey images of 28 by 28 pixels, split as their authors split them.

    ``x_train`` is (60000, 1, 28, 28) and ``x_test`` (10000, 1, 28, 28), uint8, 0 for
    paper and 255 for full ink; ``y_train`` (60000,) and ``y_test`` (10000,) are the
    classes 0…9, int64.
    """

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


class Source(NamedTuple):
    """Where a set lives, and what its files must be.

    ``digests`` holds the SHA-256 of each file: of the IDX file itself, or of its
    gzip where the name ends in .gz. ``train`` and ``test`` count the images.
    """

    folder: str
    mirrors: tuple[str, ...]
    digests: dict[str, str]
    train: int = 60_000
    test: int = 10_000


FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

# Mirrors compress MNIST each in its own way, so the content is what must be right.
MNIST = Source(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        FILES[0]: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        FILES[1]: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        FILES[2]: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        FILES[3]: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)


def mnist() -> Images:
    """Return MNIST: digits by 250 writers in training, and as many others in the test.

    Raises FileNotFoundError, ConnectionError, OSError or ValueError where files are
    missing, cannot be had, cannot be kept, or are not what was published.

    Source: LeCun, Cortes and Burges, from NIST's special databases 1 and 3; see LeCun
    et al. (1998), Gradient-based learning applied to document recognition.
    """
    return _images(MNIST)


def signed(x: Tensor) -> Tensor:
    """Scale bytes to [-1, 1], float32: ``x / 127.5 - 1``, in any shape.

    Raises ValueError for anything but uint8.
    """
    _expect_bytes(x)
    return x.float() / 127.5 - 1


def dequantize(x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Spread each byte evenly over its bin: ``(x + u) / 256``, u uniform on [0, 1).

    So a density on [0, 1) can be fitted to pixels that are whole numbers; its log
    bounds the log-probability of the bytes from below once log 256 a pixel is taken
    off. Returns float32 in [0, 1), in the shape of x; u is drawn on the CPU.

    Raises ValueError for anything but uint8.

    Source: Theis, van den Oord and Bethge (2016), A note on the evaluation of
    generative models, section 3.1.
    """
    _expect_bytes(x)
    u = torch.rand(x.shape, generator=generator, dtype=torch.float32).to(x.device)
    # In float32 255 + u may round up to 256, and 1 is outside.
    return ((x + u) / 256).clamp(max=1 - 2**-24)


def binarize(x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw each pixel black or white, ``P(1) = x / 255``, anew at each call.

    Returns 0. and 1., float32, in the shape of x; drawn on the CPU.

    Raises ValueError for anything but uint8.

    Source: Salakhutdinov and Murray (2008), On the quantitative analysis of deep
    belief networks.
    """
    _expect_bytes(x)
    u = torch.rand(x.shape, generator=generator, dtype=torch.float32).to(x.device)
    return (u < x.float() / 255).float()


def _images(source: Source) -> Images:
    folder = _local(source.folder)
    x_train, y_train, x_test, y_test = (_file(source, folder, f) for f in FILES)
    for x, y, n, split in (
        (x_train, y_train, source.train, "training"),
        (x_test, y_test, source.test, "test"),
    ):
        got = (tuple(x.shape), tuple(y.shape))
        if got != ((n, 28, 28), (n,)):
            raise ValueError(
                f"expected {n} {split} images of 28 by 28 and as many labels in "
                f"{source.folder}, got images {got[0]} and labels {got[1]}"
            )
    return Images(x_train[:, None], y_train.long(), x_test[:, None], y_test.long())


def _local(name: str) -> Path | None:
    """Return the folder of this set inside GENBOOK_DATA; None where that is unset."""
    root = os.environ.get("GENBOOK_DATA")
    if not root:
        return None
    folder = Path(root).expanduser() / name
    if not folder.is_dir():
        raise FileNotFoundError(
            f"GENBOOK_DATA is {root!r}, but {folder.absolute()} is no folder: put "
            f"{FILES[0]}.gz and the other three files there, or unset GENBOOK_DATA to "
            "download them"
        )
    return folder


def _file(source: Source, folder: Path | None, name: str) -> Tensor:
    """Return one IDX file's tensor from the local folder."""
    if folder is None:
        raise FileNotFoundError("expected GENBOOK_DATA to name a folder with the data")
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return _idx(_content(source, path.name, path.read_bytes(), path), path)
    raise FileNotFoundError(
        f"GENBOOK_DATA names {folder.parent}, but {folder} holds neither {name} nor "
        f"{name}.gz: put one there, or unset GENBOOK_DATA to download it"
    )


def _content(source: Source, name: str, data: bytes, where: object) -> bytes:
    """Return the IDX bytes inside data, held to every digest that is known."""
    _expect_digest(source, name, data, where)
    if not name.endswith(".gz"):
        return data
    try:
        content = gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{where} is no whole gzip file ({error}): it is cut short or damaged"
        ) from error
    _expect_digest(source, name.removesuffix(".gz"), content, where)
    return content


def _expect_digest(source: Source, name: str, data: bytes, where: object) -> None:
    expected = source.digests.get(name)
    got = hashlib.sha256(data).hexdigest() if expected else None
    if got != expected:
        raise ValueError(
            f"{where} is not the published file: expected {name} with SHA-256 "
            f"{expected}, got {len(data)} bytes with {got}"
        )


def _idx(content: bytes, where: object) -> Tensor:
    """Return the uint8 tensor that an IDX file holds, its axes as the file says."""
    magic = content[:4]
    axes = magic[3] if len(magic) == 4 else 0
    # Two zeros, 8 for unsigned bytes, and how many axes: labels have 1, images 3.
    if magic[:3] != b"\0\0\x08" or axes not in (1, 3):
        raise ValueError(
            f"{where} is no IDX file of bytes: expected it to start with 00000801 or "
            f"00000803, got {magic.hex() or 'nothing'}"
        )
    head = 4 + 4 * axes
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, head, 4)]
    if len(content) != head + math.prod(shape):
        raise ValueError(
            f"{where} says that it holds {' × '.join(map(str, shape))} bytes after "
            f"{head}, but is {len(content)} bytes long: it is cut short or damaged"
        )
    # A bytearray, since torch warns about memory that it may not write to.
    return torch.frombuffer(bytearray(content[head:]), dtype=torch.uint8).view(shape)


def _expect_bytes(x: Tensor) -> None:
    if x.dtype != torch.uint8:
        raise ValueError(f"expected pixels as bytes, torch.uint8, got {x.dtype}")
