"""What the layers of tests share, the lessons' own run by nbval included."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: see the Makefile
# Lessons that run here hold their line of the scoreboard to the stored one.
os.environ["GENBOOK_SCOREBOARD"] = str(Path(__file__).parent / "book/scoreboard.json")


def pytest_collectstart(collector):
    """Tell nbval what moves from machine to machine, and is held by other means.

    Of a notebook's outputs it compares the text. A picture may differ in its last bits;
    what it shows is asserted in the lesson. nbval knows PNG and JPEG to be pictures,
    and a plotly figure is one too. A table in Markdown is a line of the scoreboard
    (tests/project/test_board.py), which the cell itself compares.
    """
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += (
            "application/vnd.plotly.v1+json",
            "application/vnd.genbook.line+json",
            "text/markdown",
        )


@pytest.fixture(scope="session")
def browser():
    """Give the one browser of the session."""
    from tests.site.browser import launch  # absent where only lessons run (Colab-like)

    with launch() as browser:
        yield browser
