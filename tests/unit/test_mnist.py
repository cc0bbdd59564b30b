"""mnist: files good and bad, mirrors on this machine's own loopback, MNIST itself."""

import gzip
import hashlib
import multiprocessing
import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pooch
import pytest
import torch

from genbook import data, mnist, training

# Three images to learn from and two to test: the format does not care how many.
SHAPES = {
    "train-images-idx3-ubyte": (3, 28, 28),
    "train-labels-idx1-ubyte": (3,),
    "t10k-images-idx3-ubyte": (2, 28, 28),
    "t10k-labels-idx1-ubyte": (2,),
}
NAMES = tuple(SHAPES)
IMAGES = NAMES[0]
NOBODY = "http://127.0.0.1:9/"  # the port of "discard": nothing listens there


def idx(x: torch.Tensor) -> bytes:
    """Write x as the IDX format asks: two zeros, the type, the axes, the bytes."""
    lengths = b"".join(n.to_bytes(4, "big") for n in x.shape)
    return bytes([0, 0, 8, x.dim()]) + lengths + bytes(x.flatten().tolist())


TENSORS = {
    name: torch.arange(torch.Size(shape).numel()).mul(31).remainder(251).view(shape)
    for name, shape in SHAPES.items()
}
PLAIN = {name: idx(x.byte()) for name, x in TENSORS.items()}
PACKED = {name: gzip.compress(content, mtime=0) for name, content in PLAIN.items()}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in PLAIN.items()}
DIGESTS_GZ = {
    f"{name}.gz": hashlib.sha256(content).hexdigest()
    for name, content in PACKED.items()
}


def source(*mirrors: str, digests: dict[str, str] = DIGESTS) -> mnist.Source:
    return mnist.Source("toy", mirrors, digests)


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    """Small files, a cache of the test's own, and no way out of this machine."""
    monkeypatch.setattr(mnist, "SHAPES", SHAPES)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("GENBOOK_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache" / "genbook" / "toy"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder that GENBOOK_DATA names, with the whole set packed in it."""
    folder = tmp_path / "data" / "toy"
    folder.mkdir(parents=True)
    for name, content in PACKED.items():
        (folder / f"{name}.gz").write_bytes(content)
    monkeypatch.setenv("GENBOOK_DATA", str(tmp_path / "data"))
    return folder


class Mirror(ThreadingHTTPServer):
    """A web server on this machine: ``files`` by name, ``asked`` in order of asking."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.files = {f"{name}.gz": content for name, content in PACKED.items()}
        self.headers: dict[str, str] = {}
        self.cut = 0  # bytes that are promised and then not sent
        self.silent = threading.Event()  # once set, nothing is answered
        self.meet: threading.Barrier | None = None  # who asks waits for another
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path[1:]
        self.server.asked.append(name)
        if self.server.silent.is_set():
            return
        if self.server.meet:
            try:
                self.server.meet.wait()
            except threading.BrokenBarrierError:
                return  # nobody else came
        body = self.server.files.get(name)
        self.send_response(404 if body is None else 200)
        body = b"<html>sorry</html>" if body is None else body
        for header in (
            {"Content-Length": str(len(body))} | self.server.headers
        ).items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body[: len(body) - self.server.cut])

    def log_message(self, *_):
        pass


@contextmanager
def serving(mirror: Mirror):
    thread = threading.Thread(target=mirror.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield mirror
    finally:
        mirror.shutdown()
        thread.join()
        mirror.server_close()


@pytest.fixture
def mirror():
    with serving(Mirror()) as mirror:
        yield mirror


def assert_right(images: mnist.Images) -> None:
    """Every byte, its place, its dtype: against what was written."""
    for got, name in zip(images, NAMES, strict=True):
        expected = TENSORS[name]
        if "images" in name:
            assert got.dtype == torch.uint8
            assert torch.equal(got, expected[:, None].byte())
        else:
            assert got.dtype == torch.int64 and torch.equal(got, expected)


def why(error: pytest.ExceptionInfo, *words: str) -> None:
    """Each word must stand in the message, and the message must be a sentence."""
    text = str(error.value)
    assert all(word in text for word in words), text
    assert "Traceback" not in text and " object at 0x" not in text


# ----------------------------------------------------- from bytes to a model's numbers


def test_signed_goes_from_minus_one_to_one_in_even_steps():
    x = torch.arange(256, dtype=torch.uint8)
    s = mnist.signed(x)
    assert s.dtype == torch.float32 and (s[0], s[-1]) == (-1, 1)
    assert torch.allclose(s.diff(), torch.full((255,), 2 / 255).float(), atol=1e-6)
    assert torch.equal(((s + 1) * 127.5).round().byte(), x)


def test_dequantized_stays_in_its_bin_and_fills_it(seeded):
    x = torch.arange(256, dtype=torch.uint8).expand(4000, 256)
    v = mnist.dequantize(x, generator=seeded())
    assert v.dtype == torch.float32 and v.shape == x.shape
    assert torch.equal((v * 256).floor().byte(), x)
    u = v.double() * 256 - x
    # Uniform: each tenth of a bin gets a tenth of the draws, within five deviations.
    n = u.numel()
    counts = torch.histc(u, bins=10, min=0, max=1)
    assert (counts - n / 10).abs().max() < 5 * (n * 0.09) ** 0.5


def test_dequantized_never_rounds_into_the_next_bin(monkeypatch):
    edge = 1 - 2**-24  # the largest float32 below 1
    monkeypatch.setattr(torch, "rand", lambda s, **_: torch.full(s, edge).float())
    x = torch.arange(256, dtype=torch.uint8)
    v = mnist.dequantize(x)
    assert v.max() < 1 and torch.equal((v * 256).floor().byte(), x)


def test_binarized_has_each_pixel_black_as_often_as_it_is_dark(seeded):
    n, x = 4000, torch.arange(256, dtype=torch.uint8)
    b = mnist.binarize(x.expand(n, 256), generator=seeded())
    assert b.dtype == torch.float32 and set(b.unique().tolist()) == {0.0, 1.0}
    p = x.double() / 255
    z = (b.double().mean(0) - p)[1:-1] / (p * (1 - p) / n).sqrt()[1:-1]
    assert z.abs().max() < 5 and z.square().mean() < 1.5
    assert (b[:, 0] == 0).all() and (b[:, 255] == 1).all()


@pytest.mark.parametrize("draw", [mnist.dequantize, mnist.binarize])
def test_a_seed_fixes_the_draw_and_each_call_draws_anew(draw, seeded):
    x = torch.full((1000,), 128, dtype=torch.uint8)
    generator = seeded(3)
    first, second = draw(x, generator=generator), draw(x, generator=generator)
    assert torch.equal(first, draw(x, generator=seeded(3)))
    assert not torch.equal(first, second)


def test_a_row_gets_its_own_noise(seeded):
    rows = mnist.dequantize(torch.zeros(3, 50, dtype=torch.uint8), generator=seeded())
    assert all(not torch.equal(a, b) for a, b in pairwise(rows))


@pytest.mark.parametrize("change", [mnist.signed, mnist.dequantize, mnist.binarize])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_anything_but_bytes_is_refused(change, dtype):
    with pytest.raises(ValueError, match=rf"as bytes, torch\.uint8, got {dtype}"):
        change(torch.zeros(3, dtype=dtype))


# ------------------------------------------------------------- the folder on this disk


@pytest.mark.parametrize("digests", [DIGESTS, DIGESTS_GZ])
def test_a_folder_is_read_as_it_was_written(folder, digests):
    assert_right(mnist._images(source(digests=digests)))


def test_files_may_lie_there_unpacked(folder):
    for name in NAMES:
        (folder / f"{name}.gz").unlink()
        (folder / name).write_bytes(PLAIN[name])
    assert_right(mnist._images(source()))


def test_a_digest_is_of_the_content_however_it_was_packed(folder):
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress(PLAIN[IMAGES], 1, mtime=7))
    assert_right(mnist._images(source()))
    with pytest.raises(ValueError) as error:  # where only the gzip's digest is known
        mnist._images(source(digests=DIGESTS_GZ))
    why(error, f"{IMAGES}.gz", "not the published file", DIGESTS_GZ[f"{IMAGES}.gz"])


def test_the_folder_may_be_in_the_home_directory(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parents[1]))
    monkeypatch.setenv("GENBOOK_DATA", "~/data")
    assert_right(mnist._images(source()))


def test_a_tensor_may_be_written_to(folder):
    mnist._images(source()).x_train.zero_()
    assert_right(mnist._images(source()))


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


DAMAGED = {
    "half an IDX file": (PLAIN[IMAGES][:1000], "cut short", "2368 bytes", "got 1000"),
    "too long": (PLAIN[IMAGES] + b"\0", "2368 bytes", "got 2369"),
    "half a head": (PLAIN[IMAGES][:6], "cut short", "got 6"),
    "three bytes": (b"\0\0\x08", "00000803", "got 000008"),
    "empty": (b"", "no IDX file", "got nothing"),
    "floats": (b"\0\0\x0d" + PLAIN[IMAGES][3:], "no IDX file", "got 00000d03"),
    "two axes": (b"\0\0\x08\x02" + PLAIN[IMAGES][4:], "no IDX file", "00000802"),
    "a page": (b"<html>sorry</html>", "no IDX file", "got 3c68746d"),
    "half a gzip": (PACKED[IMAGES][:-20], "cut short or damaged", "gzip says"),
    "a gzip with a wrong bit": (
        PACKED[IMAGES][:300] + b"\xff\0\xff" + PACKED[IMAGES][303:],
        "cut short or damaged",
        "gzip says",
    ),
    "a gzip with a wrong sum": (flipped(PACKED[IMAGES]), "cut short or damaged"),
    "one other pixel": (
        flipped(PLAIN[IMAGES]),
        "not the published file",
        f"SHA-256 {DIGESTS[IMAGES]}",
        hashlib.sha256(flipped(PLAIN[IMAGES])).hexdigest(),
    ),
    "labels for images": (PLAIN[NAMES[1]], "(3,)", "expected (3, 28, 28)"),
    "the test's images": (PLAIN[NAMES[2]], "(2, 28, 28)", "expected (3, 28, 28)"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named_with_what_is_wrong(folder, damage):
    content, *words = DAMAGED[damage]
    (folder / f"{IMAGES}.gz").write_bytes(content)
    with pytest.raises(ValueError) as error:
        mnist._images(source())
    why(
        error, str(folder / f"{IMAGES}.gz"), "Replace it, or unset GENBOOK_DATA", *words
    )


def test_labels_that_do_not_match_are_named(folder):
    (folder / f"{NAMES[1]}.gz").write_bytes(PACKED[NAMES[3]])
    with pytest.raises(ValueError) as error:
        mnist._images(source())
    why(error, NAMES[1], "(2,)", "expected (3,)")


def test_a_folder_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("GENBOOK_DATA", "~nobody-of-this-name/data")
    with pytest.raises(FileNotFoundError, match="~nobody-of-this-name/data"):
        data.mnist()
    monkeypatch.setenv("GENBOOK_DATA", "no/such/folder")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        data.fashion_mnist()
    why(error, "GENBOOK_DATA is 'no/such/folder'", "unset GENBOOK_DATA", ".gz")
    why(error, str(tmp_path / "no/such/folder/fashion_mnist" / IMAGES))


def test_one_file_that_is_not_there_is_named(folder):
    (folder / f"{NAMES[3]}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=NAMES[3]):
        mnist._images(source())


def test_nothing_is_downloaded_where_a_folder_is_named(folder, mirror):
    (folder / f"{IMAGES}.gz").unlink()
    with pytest.raises(FileNotFoundError):
        mnist._images(source(mirror.url))
    assert mirror.asked == []


# ---------------------------------------------------------------- mirrors and the cache


def test_it_is_downloaded_once(mirror, cache):
    for _ in range(2):
        assert_right(mnist._images(source(mirror.url)))
    assert mirror.asked == [f"{name}.gz" for name in NAMES]
    assert sorted(file.name for file in cache.iterdir()) == sorted(mirror.asked)
    assert (cache / f"{IMAGES}.gz").read_bytes() == PACKED[IMAGES]


def test_an_empty_variable_is_none(mirror, monkeypatch):
    monkeypatch.setenv("GENBOOK_DATA", "")
    assert_right(mnist._images(source(mirror.url)))


def test_a_server_may_unpack_on_the_way(mirror):
    mirror.headers = {"Content-Encoding": "gzip"}
    for _ in range(2):
        assert_right(mnist._images(source(mirror.url)))
    assert len(mirror.asked) == 4


BAD = {
    "nobody there": lambda bad: None,
    "not found": lambda bad: bad.files.clear(),
    "another page": lambda bad: bad.files.update({f"{IMAGES}.gz": b"<html>hi</html>"}),
    "broken off": lambda bad: setattr(bad, "cut", 40),
    "broken off unseen": lambda bad: (
        setattr(bad, "cut", 40),
        setattr(bad, "headers", {"Content-Length": str(len(PACKED[IMAGES]) - 40)}),
    ),
    "other pixels": lambda bad: bad.files.update(
        {f"{IMAGES}.gz": gzip.compress(flipped(PLAIN[IMAGES]))}
    ),
    "silent": lambda bad: bad.silent.set(),
}
WORDS = {
    "nobody there": "could not be reached (ConnectionError)",
    "not found": "answered 404 Not Found",
    "another page": "is no IDX file of bytes",
    "broken off": "broke off before the end",
    "broken off unseen": "is cut short or damaged",
    "other pixels": "is not the published file",
    "silent": "could not be reached (ConnectionError)",
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_mirror_is_passed_over_and_named_where_it_is_the_only_one(
    fault, mirror, cache
):
    with serving(Mirror()) as bad:
        BAD[fault](bad)
        url = NOBODY if fault == "nobody there" else bad.url
        with pytest.raises(ConnectionError) as error:
            mnist._images(source(url))
        assert not cache.exists(), "something was kept of a download that failed"
        why(error, f"could not download {IMAGES} of toy", f"{url}{IMAGES}.gz")
        why(error, WORDS[fault], "Connect to the internet", "GENBOOK_DATA")
        assert_right(mnist._images(source(url, mirror.url)))
    assert f"{IMAGES}.gz" in mirror.asked
    assert_right(mnist._images(source()))  # from the cache, which holds the good one


def test_a_server_that_says_nothing_is_given_up(mirror, monkeypatch):
    monkeypatch.setattr(pooch.downloaders, "DEFAULT_TIMEOUT", 0.2)
    with serving(Mirror()) as slow:
        slow.meet = threading.Barrier(2)
        with pytest.raises(ConnectionError, match="did not answer in time"):
            mnist._images(source(slow.url))
        slow.meet.abort()


def test_every_mirror_is_named(mirror):
    mirror.files.clear()
    with pytest.raises(ConnectionError) as error:
        mnist._images(source(NOBODY, mirror.url))
    why(error, f"- {NOBODY}{IMAGES}", f"- {mirror.url}{IMAGES}")


@pytest.mark.parametrize("damage", ["half a gzip", "one other pixel", "empty"])
def test_a_cache_that_was_damaged_is_mended(mirror, cache, damage):
    mnist._images(source(mirror.url))
    (cache / f"{IMAGES}.gz").write_bytes(DAMAGED[damage][0])
    with pytest.raises(ConnectionError) as error:  # where nobody can mend it
        mnist._images(source(NOBODY))
    why(error, str(cache / f"{IMAGES}.gz"), DAMAGED[damage][1])
    mirror.asked.clear()
    assert_right(mnist._images(source(mirror.url)))
    assert mirror.asked == [f"{IMAGES}.gz"]
    assert (cache / f"{IMAGES}.gz").read_bytes() == PACKED[IMAGES]


def test_a_cache_that_cannot_be_written_costs_a_warning_only(mirror, cache):
    cache.parents[1].write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="could not be written") as warned:
        assert_right(mnist._images(source(mirror.url)))
    assert len(warned) == 4
    text = str(warned[0].message)
    assert "Not a directory" in text and "make that folder writable" in text
    assert "GENBOOK_DATA" in text and str(cache / IMAGES) in text


def test_a_cache_that_is_read_only_costs_a_warning_only(mirror, cache):
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    if os.access(cache, os.W_OK):
        pytest.skip("this user, root perhaps, may write where it is forbidden")
    with pytest.warns(UserWarning, match="Permission denied"):
        assert_right(mnist._images(source(mirror.url)))
    cache.chmod(0o700)


def test_a_full_disk_leaves_no_part_of_a_file(mirror, cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert_right(mnist._images(source(mirror.url)))
    assert list(cache.iterdir()) == []


def load(url: str, result) -> None:
    try:
        assert_right(mnist._images(source(url)))
        result.put("right")
    except BaseException as error:
        result.put(repr(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_two_processes_may_load_at_once(cache):
    fork, mirror = multiprocessing.get_context("fork"), Mirror()
    mirror.meet = threading.Barrier(2, timeout=30)  # each file is asked for twice, then
    result = fork.SimpleQueue()
    both = [fork.Process(target=load, args=(mirror.url, result)) for _ in range(2)]
    for process in both:  # started before this process has any thread of its own
        process.start()
    with serving(mirror):
        assert [result.get(), result.get()] == ["right", "right"]
        for process in both:
            process.join()
    assert sorted(mirror.asked) == sorted(2 * [f"{name}.gz" for name in NAMES])
    assert sorted(file.name for file in cache.iterdir()) == sorted(set(mirror.asked))
    assert_right(mnist._images(source()))


@pytest.mark.parametrize("watched", [False, True])
def test_a_bar_is_drawn_where_somebody_watches(mirror, monkeypatch, capsys, watched):
    monkeypatch.setattr(training, "watched", lambda: watched)
    mnist._images(source(mirror.url))
    out, err = capsys.readouterr()
    assert (f"{IMAGES}.gz" in out) == watched and err == ""


# ---------------------------------------------------------------------- the three sets


SETS = {
    "mnist": (mnist.MNIST, data.mnist),
    "fashion_mnist": (mnist.FASHION_MNIST, data.fashion_mnist),
    "kmnist": (mnist.KMNIST, data.kmnist),
}


@pytest.mark.parametrize("name", SETS)
def test_each_set_is_asked_for_by_its_name_at_several_mirrors(name, monkeypatch):
    published, load = SETS[name]
    monkeypatch.setattr(mnist, "_images", lambda source: source)
    assert load() is published and published.folder == name
    assert len(published.mirrors) >= 2
    assert all(m.startswith("http") and m.endswith("/") for m in published.mirrors)
    assert [key.removesuffix(".gz") for key in published.digests] == list(SHAPES)
    assert all(len(bytes.fromhex(d)) == 32 for d in published.digests.values())


def test_no_digest_stands_twice():
    digests = [d for published, _ in SETS.values() for d in published.digests.values()]
    assert len(set(digests)) == len(digests) == 12


LOCAL = Path(os.environ.get("GENBOOK_DATA") or "nowhere").expanduser() / "mnist"


@pytest.mark.skipif(
    not LOCAL.is_dir(), reason="MNIST itself: GENBOOK_DATA names no folder that has it"
)
def test_mnist_itself(monkeypatch):
    monkeypatch.undo()  # the true shapes, the true folder
    images = data.mnist()  # which holds it to its digests
    assert images.x_train.shape == (60_000, 1, 28, 28)
    assert images.x_test.shape == (10_000, 1, 28, 28)
    assert images.y_train.bincount().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip
    assert images.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    # The mean and deviation that everybody divides by: 0.1307 and 0.3081 of 255.
    x = images.x_train.float()
    assert x.mean().item() == pytest.approx(33.318, abs=1e-3)
    assert x.std().item() / 255 == pytest.approx(0.3081, abs=1e-4)
