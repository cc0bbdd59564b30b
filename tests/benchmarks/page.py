"""The benchmarks page has two writers; each leaves the other's part alone."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "book/benchmarks.md"

# Between these two comments stands what peers.py measured, before them what run.py did.
BEGIN, END = "<!-- peers, by `make bench-peers` -->", "<!-- end of the peers -->"


def with_book(old: str, measured: str) -> str:
    """Return the page with what run.py measured, and the peers' part as it was."""
    peers = old.partition(BEGIN)[2] or f"\n\n{END}\n"
    return f"{measured.rstrip()}\n\n{BEGIN}{peers}"


def with_peers(old: str, measured: str) -> str:
    """Return the page with what peers.py measured, and run.py's part as it was."""
    book = old.partition(BEGIN)[0].rstrip()
    return f"{book}\n\n{BEGIN}\n\n{measured.strip()}\n\n{END}\n"
