"""A Chromium for the tests: one already on this machine, else Playwright's own.

Tests take the fixture `browser` of the top conftest.py: Playwright lets only one run at
a time, so the whole session shares it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from scripts.ensure_chromium import find


@contextmanager
def launch() -> Iterator[Browser]:
    """Give a headless browser; `make test` has seen to it that there is one."""
    path = find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield browser
        browser.close()
