"""Is a lesson alive in JupyterLab? A real server, a real browser, the network cut."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.project.lessons import LESSONS
from tests.project.rules import PLOTLY

MINUTE = 60_000  # milliseconds, as Playwright counts
SETTINGS = {
    # No question about news, no look for updates: nothing that a first start asks.
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Every cell is drawn, also those out of sight.
    "notebook-extension/tracker": {
        "windowingMode": "none",
        "autoStartDefaultKernel": True,
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Start JupyterLab in a folder of its own; give the folder and a URL to fill in."""
    home = tmp_path_factory.mktemp("lab")
    for name, values in SETTINGS.items():
        path = home / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    (home / "root").mkdir()
    token = secrets.token_hex(16)
    own = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += [f"--ServerApp.root_dir={home / 'root'}"]
    command += [f"--IdentityProvider.token={token}"]
    with open(home / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | {name: str(home / to) for name, to in own.items()},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        port = wait_for_port(process, home)
        # A workspace for each lesson: a shared one would open those before it, too.
        at = f"http://127.0.0.1:{port}/lab/workspaces/{{0}}/tree/{{0}}.ipynb"
        yield home / "root", f"{at}?token={token}"
    finally:
        process.terminate()
        process.wait(30)


def wait_for_port(process, home):
    """Return the port that the server chose, once it answers there."""
    for _ in range(240):
        assert process.poll() is None, (home / "log").read_text(encoding="utf-8")
        for file in home.glob("runtime/jpserver-*.json"):
            try:
                port = json.loads(file.read_text(encoding="utf-8"))["port"]
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5)
            except (OSError, ValueError):
                continue  # still being written, or not listening yet
            return port
        time.sleep(0.5)
    raise TimeoutError((home / "log").read_text(encoding="utf-8"))


def open_and_run(page: Page, url: str, cells: int) -> None:
    """Open a notebook that was never run, run all its cells, wait for the last."""
    page.goto(url)
    page.locator(".jp-NotebookPanel .jp-Notebook").wait_for(timeout=MINUTE)
    idle = page.get_by_text(re.compile(r"Python 3.*\| Idle"))
    idle.wait_for(timeout=MINUTE)  # a kernel must be up before it is asked to run
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    expect(prompts).to_have_count(cells, timeout=MINUTE)
    last = prompts.last.filter(has_text=f"[{cells}]:")
    failed = page.locator("[data-mime-type$='jupyter.error']")
    last.or_(failed).first.wait_for(timeout=5 * MINUTE)
    assert failed.all_inner_texts() == []
    idle.wait_for(timeout=MINUTE)


def pictures(output) -> list[str]:
    """Return what each canvas of an output shows, as data URLs."""
    return output.locator("canvas").evaluate_all("all => all.map(c => c.toDataURL())")


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_is_alive(path, server, browser):
    root, url = server
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    plots = sum(PLOTLY in output.get("data", {}) for output in outputs)
    for cell in code:  # so that whatever is seen was made here
        cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    nbformat.write(notebook, root / path.name)

    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    left = []

    def stay(route):
        here = route.request.url.startswith(url[: url.index("/lab")])
        if here:
            route.continue_()
        else:
            left.append(route.request.url)
            route.abort()

    page.route(lambda address: address.startswith("http"), stay)
    open_and_run(page, url.format(path.stem), len(code))

    said = page.locator("[data-mime-type$='jupyter.stderr']").all_inner_texts()
    assert said == [], "training leaves no red block"
    assert left == [], "JupyterLab works with the network cable out"

    expect(page.locator(".js-plotly-plot:has(.main-svg)")).to_have_count(plots)

    figures = page.locator(".jp-OutputArea-output").filter(
        has=page.locator(".noUi-handle")
    )
    moved = 0
    for figure in figures.all():
        expect(figure.locator("canvas").first).to_be_visible(timeout=MINUTE)
        for handle in figure.locator(".noUi-handle").all():
            if not handle.is_visible():
                continue
            before, value = pictures(figure), handle.get_attribute("aria-valuetext")
            handle.focus()
            page.keyboard.press("ArrowRight")
            expect(handle).not_to_have_attribute("aria-valuetext", value)
            page.wait_for_timeout(100)  # a frame or two
            assert pictures(figure) != before, "a slider moved, and no canvas changed"
            moved += 1
    assert moved, "a lesson has a slider"
    page.close()
