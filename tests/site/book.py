"""Building the book, or a tiny one with the same settings, for tests."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml
from nbformat import v4

ROOT = Path(__file__).parents[2]


def build(source: Path, out: Path) -> tuple[int, str]:
    """Build the book in ``source`` strictly; return jupyter-book's exit code and words.

    The site is then in ``out/_build/html``.
    """
    command = Path(sys.executable).with_name("jupyter-book")
    options = ["-W", "-n", "--keep-going", "--path-output", out]
    done = subprocess.run(
        [command, "build", source, *options], text=True, capture_output=True
    )
    said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
    return done.returncode, said


def tiny(folder: Path, *outputs: dict, state: dict | None = None) -> Path:
    """Write a book of one lesson, a cell for each output, with the real settings."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    del config["bibtex_bibfiles"]
    config["html"]["favicon"] = str(ROOT / config["html"]["favicon"])
    sphinx = config["sphinx"]
    sphinx["local_extensions"] = {
        name: str(ROOT / path) for name, path in sphinx["local_extensions"].items()
    }
    sphinx["config"]["extensions"].remove("sphinxcontrib.bibtex")
    del sphinx["config"]["bibtex_reference_style"]
    for key in ("templates_path", "html_static_path"):
        sphinx["config"][key] = [str(ROOT / p) for p in sphinx["config"][key]]

    cells = [v4.new_markdown_cell("# A lesson\n\n## Look")]
    for n, output in enumerate(outputs, 1):
        output = v4.new_output("display_data", **output)
        cells.append(v4.new_code_cell("1", outputs=[output], execution_count=n))
    cells.append(v4.new_markdown_cell("The end."))
    language = {"name": "python", "pygments_lexer": "ipython3"}
    notebook = v4.new_notebook(cells=cells, metadata={"language_info": language})
    if state is not None:
        mime = "application/vnd.jupyter.widget-state+json"
        content = {"version_major": 2, "version_minor": 0, "state": state}
        notebook.metadata["widgets"] = {mime: content}

    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / "lesson.ipynb")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: lesson\n")
    (folder / "_config.yml").write_text(json.dumps(config))  # JSON is YAML
    return folder


def pages() -> list[str]:
    """Return the addresses of all pages that the contents promise, in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"]]
    files += [c["file"] for part in toc["parts"] for c in part["chapters"]]
    return [f"{file}.html" for file in files]
