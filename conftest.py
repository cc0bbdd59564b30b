"""What the layers of tests share, the lessons' own run by nbval included."""

import os

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: see the Makefile


def pytest_collectstart(collector):
    """Tell nbval that a plotly figure is a picture; it knows PNG and JPEG to be.

    Of a notebook's outputs it compares the text. A picture may differ in its last bits
    from machine to machine; what it shows is asserted in the lesson.
    """
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("application/vnd.plotly.v1+json",)


@pytest.fixture(scope="session")
def browser():
    """Give the one browser of the session."""
    from tests.site.browser import launch  # absent where only lessons run (Colab-like)

    with launch() as browser:
        yield browser
