"""See to it that the tests have a browser, and say in a sentence if none can be had.

In this order: a Chromium that is already there; Playwright's own, downloaded if need
be; one from the system's package manager, where this user may ask it (apt-get, as
root or through sudo without a password). A browser counts once it has opened a page.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

NONE_TO_BE_HAD = """\
The tests need Chromium, and none could be had:
 - none of {names} on the PATH opens a page;
 - Playwright could not bring its own (python -m playwright install chromium);
 - {apt}.
Please install Chromium by hand and run `make test` again."""


def find() -> str | None:
    """Return the path of a Chromium of this system that works, if there is one."""
    for name in NAMES:
        path = shutil.which(name)
        if path and opens(path):
            return path
    return None


def opens(path: str | None) -> bool:
    """Say whether the browser at `path` opens a page; None means Playwright's own."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=path, args=["--no-sandbox"]
            )
            browser.new_page().goto("about:blank")
            browser.close()
        except Error:
            return False
    return True


def download() -> None:
    """Ask Playwright for its own Chromium."""
    run(sys.executable, "-m", "playwright", "install", "chromium")


def as_root() -> list[str] | None:
    """Return what makes a command root's: nothing, sudo, or None if not allowed."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and run("sudo", "-n", "true"):
        return ["sudo", "-n"]
    return None


def from_apt(prefix: list[str]) -> None:
    """Install what Playwright's own Chromium lacks, and Debian's Chromium."""
    run(*prefix, sys.executable, "-m", "playwright", "install-deps", "chromium")
    run(*prefix, "apt-get", "install", "-y", "--no-install-recommends", "chromium")


def run(*command: str) -> bool:
    """Run a command, show what it says, and tell whether it succeeded."""
    print("$", " ".join(command), flush=True)
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    return done.returncode == 0


def ensure() -> str:
    """Return which browser the tests will use; raise SystemExit with advice if none."""
    own = "Playwright's own Chromium"
    if path := find():
        return path
    if opens(None):
        return own
    download()
    if opens(None):
        return own
    apt = "there is no apt-get here"
    if shutil.which("apt-get"):
        apt = "this user may not run apt-get"
        if (prefix := as_root()) is not None:
            apt = "apt-get brought none that opens a page"
            from_apt(prefix)
            if path := find():
                return path
            if opens(None):
                return own
    raise SystemExit(NONE_TO_BE_HAD.format(names=", ".join(NAMES), apt=apt))


if __name__ == "__main__":
    print(f"Browser for the tests: {ensure()}")
