"""The benchmarks page has three writers; each leaves the others' parts alone."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "book/benchmarks.md"

# Between these comments stands what peers.py and mnist.py measured, before them all
# what run.py did.
BEGIN, END = "<!-- peers, by `make bench-peers` -->", "<!-- end of the peers -->"
MNIST_BEGIN = "<!-- MNIST, by `make bench-mnist` -->"
MNIST_END = "<!-- end of MNIST -->"


def with_book(old: str, measured: str) -> str:
    """Return the page with what run.py measured, and the other parts as they were."""
    peers = old.partition(BEGIN)[2] or f"\n\n{END}\n"
    return f"{measured.rstrip()}\n\n{BEGIN}{peers}"


def with_peers(old: str, measured: str) -> str:
    """Return the page with what peers.py measured, and the rest as it was."""
    return _between(BEGIN, END, old, measured)


def with_mnist(old: str, measured: str) -> str:
    """Return the page with what mnist.py measured, and the rest as it was."""
    return _between(MNIST_BEGIN, MNIST_END, old, measured)


def _between(begin: str, end: str, old: str, measured: str) -> str:
    """Return the page with a part between two comments replaced, or put last."""
    before, _, rest = old.partition(begin)
    parts = [before, begin, measured, end, rest.partition(end)[2]]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
