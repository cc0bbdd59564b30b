"""Real 28×28 images: MNIST, Fashion-MNIST and Kuzushiji-MNIST, as tensors of bytes.

- ``mnist``, ``fashion_mnist``, ``kmnist``: read from the folder that ``GENBOOK_DATA``
  names, or downloaded once into the user's cache. Every byte is held to a digest.
- ``signed``, ``dequantize``, ``binarize``: three ways from a byte to what a model eats.

The files are IDX: a magic number, the lengths of the axes, then one byte a value.
"""

import gzip
import hashlib
import io
import math
import os
import sys
import tempfile
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from genbook import training


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
    """Where a set lives, and the SHA-256 of what its files must hold.

    A name in ``digests`` means the IDX file itself, however it was compressed; one that
    ends in .gz means the gzip, where no digest of the content was ever published.
    """

    folder: str
    mirrors: tuple[str, ...]
    digests: dict[str, str]


SHAPES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}

# The mirrors of MNIST compress it each in its own way.
MNIST = Source(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
)
FASHION_MNIST = Source(
    "fashion_mnist",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    {
        "train-images-idx3-ubyte": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        "train-labels-idx1-ubyte": (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
        ),
        "t10k-images-idx3-ubyte": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        "t10k-labels-idx1-ubyte": (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
        ),
    },
)
# One host alone holds it; a digest makes plain http as safe where certificates fail.
KMNIST = Source(
    "kmnist",
    (
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
    {
        "train-images-idx3-ubyte.gz": (
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"
        ),
        "train-labels-idx1-ubyte.gz": (
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"
        ),
    },
)


def mnist() -> Images:
    """Return MNIST: handwritten digits, once written for a census office and a school.

    They are read from the folder ``mnist`` inside ``$GENBOOK_DATA`` where that is set,
    and downloaded into the user's cache otherwise (11 MB, once).

    Raises FileNotFoundError where GENBOOK_DATA names no such files, ConnectionError
    where no mirror gives them, and ValueError for a file that is not the published one.

    Source: LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to
    document recognition; from NIST's special databases 1 and 3 (CC BY-SA 3.0).
    """
    return _images(MNIST)


def fashion_mnist() -> Images:
    """Return Fashion-MNIST: clothes, shoes and bags from a shop's catalogue.

    The classes are T-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker,
    bag, boot. Read from ``fashion_mnist`` inside ``$GENBOOK_DATA``, or downloaded
    (31 MB, once). Raises as ``mnist`` does.

    Source: Xiao, Rasul and Vollgraf (2017), Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms (MIT licence, Zalando SE).
    """
    return _images(FASHION_MNIST)


def kmnist() -> Images:
    """Return Kuzushiji-MNIST: ten characters of cursive Japanese from old books.

    The classes are o, ki, su, tsu, na, ha, ma, ya, re, wo. Read from ``kmnist`` inside
    ``$GENBOOK_DATA``, where the files must be the published .gz, since no digest of
    their content is known; or downloaded (21 MB, once). Raises as ``mnist`` does.

    Source: Clanuwat et al. (2018), Deep learning for classical Japanese literature;
    "KMNIST Dataset" (created by CODH), adapted from "Kuzushiji Dataset" (created by
    NIJL and others), doi:10.20676/00000341 (CC BY-SA 4.0).
    """
    return _images(KMNIST)


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
    off. Returns float32 in [0, 1), in the shape of x; u is drawn where
    the generator lives, on the CPU by default.

    Raises ValueError for anything but uint8.

    Source: Theis, van den Oord and Bethge (2016), A note on the evaluation of
    generative models, section 3.1.
    """
    _expect_bytes(x)
    u = _uniform(x, generator)
    # In steps of 2⁻¹⁶ x + u is exact in float32, and never rounds up into the next bin.
    u = (u * 2**16).floor() / 2**16
    return (x + u) / 256


def binarize(x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw each pixel black or white, ``P(1) = x / 255``, anew at each call.

    Returns 0. and 1., float32, in the shape of x; drawn where the generator
    lives, on the CPU by default.

    Raises ValueError for anything but uint8.

    Source: Salakhutdinov and Murray (2008), On the quantitative analysis of deep
    belief networks; called dynamic, against a set that was binarised once for all.
    """
    _expect_bytes(x)
    u = _uniform(x, generator)
    return (u < x.float() / 255).float()


def _uniform(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return numbers uniform on [0, 1), float32, in the shape of x and beside it."""
    where = generator.device if generator else "cpu"
    u = torch.rand(x.shape, generator=generator, dtype=torch.float32, device=where)
    return u.to(x.device)


def _images(source: Source) -> Images:
    x_train, y_train, x_test, y_test = (_tensor(source, name) for name in SHAPES)
    return Images(x_train[:, None], y_train.long(), x_test[:, None], y_test.long())


def _tensor(source: Source, name: str) -> Tensor:
    root = os.environ.get("GENBOOK_DATA")
    return _local(source, name, Path(root)) if root else _fetch(source, name)


def _local(source: Source, name: str, root: Path) -> Tensor:
    """Return one file's tensor from the folder that GENBOOK_DATA names."""
    # ~nobody stays as it is, and is then told to be no folder
    folder = Path(os.path.expanduser(root)).absolute() / source.folder
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            try:
                return _checked(source, name, path.read_bytes())
            except ValueError as error:
                raise ValueError(
                    f"{path} {error}. Replace it, or unset GENBOOK_DATA to download it"
                ) from error
    raise FileNotFoundError(
        f"GENBOOK_DATA is {str(root)!r}, but there is neither {folder / name} nor the "
        "same with .gz: put it there, or unset GENBOOK_DATA to download it"
    )


def _fetch(source: Source, name: str) -> Tensor:
    """Return one file's tensor from the cache, or from the first mirror that has it."""
    # Imported here: they are slow to import, and a local folder does without them.
    import pooch
    import requests

    path = Path(pooch.os_cache("genbook")) / source.folder / f"{name}.gz"
    tried = []
    try:
        return _checked(source, name, path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        pass  # the first time
    except (OSError, ValueError) as error:  # a disk's fault, say: fetched again
        tried.append(f"{path} {error}")
    for mirror in source.mirrors:
        url = f"{mirror}{name}.gz"
        try:
            data = _download(url)
            x = _checked(source, name, data)
        except (requests.RequestException, ValueError) as error:
            tried.append(f"{url} {_why(error)}")
            continue
        _keep(data, path)
        return x
    tries = "".join(f"\n- {line}" for line in tried)
    raise ConnectionError(
        f"could not download {name} of {source.folder}:{tries}\nConnect to the "
        f"internet and call again; or put the files into a folder {source.folder} and "
        "let GENBOOK_DATA name the folder around it"
    )


def _download(url: str) -> bytes:
    """Return what the URL holds, with a progress bar where somebody watches.

    It stays in memory until it is known to be whole: no file is ever half a file.
    """
    import pooch

    bar = tqdm(
        total=1,  # replaced as soon as the server says how much there is
        desc=url.rpartition("/")[2],
        unit="B",
        unit_scale=True,
        leave=False,
        disable=not training.watched(),
        file=sys.stdout,
    )
    with bar, io.BytesIO() as into:
        fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16)
        fetch(url, into, None)
        return into.getvalue()


def _why(error: Exception) -> str:
    """Say in one line why a download failed; a library's own words are many."""
    import requests

    if isinstance(error, requests.HTTPError):
        return f"answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "did not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off before the end"
    if isinstance(error, requests.RequestException):
        return f"could not be reached ({type(error).__name__})"
    return str(error)


def _keep(data: bytes, path: Path) -> None:
    """Write data to path all at once, or warn: a cache is a convenience.

    Written beside and then renamed, so another process sees the whole file or none.
    """
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            part = Path(file.name)
            file.write(data)
        os.replace(part, path)
    except OSError as error:
        warnings.warn(
            f"{path} could not be written ({error.strerror}), so the next call has to "
            "download it again: make that folder writable, or put the files into a "
            f"folder {path.parent.name} and let GENBOOK_DATA name the folder around it",
            stacklevel=2,
        )
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _checked(source: Source, name: str, data: bytes) -> Tensor:
    """Return the tensor that a file's bytes hold, gzip or not, or say what is wrong.

    The words of each ValueError follow the file's name.
    """
    content = data
    # By its first bytes: a server may unpack a .gz on the way.
    if data.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"is cut short or damaged: gzip says {error}") from error
    x = _idx(content)
    if tuple(x.shape) != SHAPES[name]:
        raise ValueError(
            f"holds bytes of shape {tuple(x.shape)}: expected {SHAPES[name]}"
        )
    held, what = (content, name) if name in source.digests else (data, f"{name}.gz")
    expected, got = source.digests[what], hashlib.sha256(held).hexdigest()
    if got != expected:
        raise ValueError(
            f"is not the published file: expected {what} with SHA-256 {expected}, "
            f"got {got}"
        )
    return x


def _idx(content: bytes) -> Tensor:
    """Return the uint8 tensor that an IDX file holds, its axes as the file says."""
    magic = content[:4]
    # Two zeros, 8 for unsigned bytes, and how many axes: labels have 1, images 3.
    if magic not in (b"\0\0\x08\x01", b"\0\0\x08\x03"):
        raise ValueError(
            "is no IDX file of bytes: expected it to start with 00000801 or 00000803, "
            f"got {magic.hex() or 'nothing'}"
        )
    head = 4 + 4 * magic[3]
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, head, 4)]
    expected = head + math.prod(shape)
    if len(content) != expected:
        raise ValueError(
            f"is cut short or damaged: expected {expected} bytes as its head says, "
            f"got {len(content)}"
        )
    # A bytearray, since torch warns about memory that it may not write to.
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)[head:].view(shape)


def _expect_bytes(x: Tensor) -> None:
    if x.dtype != torch.uint8:
        raise ValueError(f"expected pixels as bytes, torch.uint8, got {x.dtype}")
