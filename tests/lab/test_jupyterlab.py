"""Are lessons and widgets alive in JupyterLab? A real server, the network cut."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.project.lessons import LESSONS
from tests.project.rules import PLOTLY
from tests.widget_samples import PANELS

ROOT = Path(__file__).parents[2]
# Each lesson already runs whole under nbval. In JupyterLab a few do, which hold all
# that a front end may see: a progress bar, plotly, several widgets, a long training.
WHOLE = [path for path in LESSONS if path.stem[:2] in ("00", "03", "09")]
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
    last.or_(failed).first.wait_for(timeout=10 * MINUTE)
    assert failed.all_inner_texts() == []
    idle.wait_for(timeout=MINUTE)


def pictures(output) -> list[str]:
    """Return what each canvas of an output shows, as data URLs."""
    return output.locator("canvas").evaluate_all("all => all.map(c => c.toDataURL())")


@pytest.fixture
def run(server, browser):
    """Return a function that runs a notebook's cells in JupyterLab; give the page."""
    root, url = server
    pages, left = [], []

    def stay(route):
        here = route.request.url.startswith(url[: url.index("/lab")])
        if here:
            route.continue_()
        else:
            left.append(route.request.url)
            route.abort()

    def run(notebook, name):
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell in code:  # so that whatever is seen was made here
            cell.outputs, cell.execution_count = [], None
        notebook.metadata.pop("widgets", None)
        nbformat.write(notebook, root / f"{name}.ipynb")
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        pages.append(page)
        page.route(lambda address: address.startswith("http"), stay)
        open_and_run(page, url.format(name), len(code))
        said = page.locator("[data-mime-type$='jupyter.stderr']").all_inner_texts()
        assert said == [], "training leaves no red block"
        return page

    yield run
    for page in pages:
        page.close()
    assert left == [], "JupyterLab works with the network cable out"


def move_each_slider(page: Page) -> int:
    """Press a key on every slider that is seen; each must change a canvas."""
    moved = 0
    figures = page.locator(".jp-OutputArea-output").filter(
        has=page.locator(".noUi-handle")
    )
    for figure in figures.all():
        expect(figure.locator("canvas").first).to_be_visible(timeout=MINUTE)
        for handle in figure.locator(".noUi-handle").all():
            if not handle.is_visible():
                continue
            before, value = pictures(figure), handle.get_attribute("aria-valuetext")
            now, end = (
                float(handle.get_attribute(f"aria-value{what}"))
                for what in ("now", "max")
            )
            handle.focus()
            page.keyboard.press("ArrowRight" if now < end else "ArrowLeft")
            expect(handle).not_to_have_attribute("aria-valuetext", value)
            for _ in range(100):  # a busy machine draws late
                page.wait_for_timeout(100)
                if pictures(figure) != before:
                    break
            else:
                pytest.fail(f"a slider left {value}, and no canvas changed")
            moved += 1
    return moved


def test_every_widget_is_alive(run):
    """One of each, in a notebook of their own: no lesson has to train for this."""
    first = f"import sys\n\nsys.path.insert(0, {str(ROOT)!r})\n"
    first += "from tests.widget_samples import PANELS"
    cells = [first, *(f"PANELS[{name!r}]()" for name in PANELS)]
    cells = [nbformat.v4.new_code_cell(text) for text in cells]
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    page = run(notebook, "widgets")
    assert move_each_slider(page) >= len(PANELS)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_lesson_is_alive(path, run):
    """From the first cell to the last, with its training and its figures."""
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    plots = sum(PLOTLY in output.get("data", {}) for output in outputs)
    page = run(notebook, path.stem)
    expect(page.locator(".js-plotly-plot:has(.main-svg)")).to_have_count(plots)
    assert move_each_slider(page), "a lesson has a slider"
