"""The built site, for every test of its pages. The browser is the session's own."""

import pytest

from tests.site.book import ROOT, build
from tests.site.visit import serve


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Build the book once; give jupyter-book's exit code, its words and the site."""
    out = tmp_path_factory.mktemp("book")
    code, said = build(ROOT, out)
    return code, said, out / "_build/html"


@pytest.fixture(scope="session")
def site(built):
    """Give the folder of the built site."""
    code, said, folder = built
    assert code == 0, said
    return folder


@pytest.fixture(scope="session")
def address(site):
    """Serve the site on loopback; give its address."""
    with serve(site) as base:
        yield base
