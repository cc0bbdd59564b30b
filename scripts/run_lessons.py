"""Run lessons from top to bottom and store what they print and draw, in place.

    python -m scripts.run_lessons                            all, and the gallery
    python -m scripts.run_lessons notebooks/03_vae.ipynb     these

What they measured for the book's scoreboard goes there. Of a lesson's own file, a
second run changes nothing: no time is recorded, the kernel's version is left out, and
widgets, which are born with random ids, are numbered in order.
"""

import json
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from scripts import scoreboard

ROOT = Path(__file__).parents[1]
STATE = "application/vnd.jupyter.widget-state+json"
METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def execute(path: Path) -> tuple[str, list[dict]]:
    """Run the lesson at `path` from top to bottom.

    Returns the notebook as JSON, and the lines that it measured for the scoreboard.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    widgets = {k: v for k, v in notebook.metadata.items() if k == "widgets"}
    notebook.metadata = nbformat.from_dict(METADATA | widgets)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    lines = scoreboard.take(notebook)
    notebook = number_widgets(notebook)
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n", lines


def number_widgets(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Replace the random ids of a notebook's widgets by numbers, in order of creation.

    The state that an execution leaves lists widgets as they were made, so equal runs
    give equal numbers.
    """
    stored = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    numbers = {old: f"{i:032x}" for i, old in enumerate(stored, 1)}
    if not numbers:
        return notebook
    text = re.sub(
        "|".join(numbers), lambda old: numbers[old.group()], json.dumps(notebook)
    )
    return nbformat.from_dict(json.loads(text))


def main(paths: list[Path]) -> int:
    """Execute each lesson; return how many failed. A failed one keeps its old file."""
    failed = 0
    for path in paths:
        start = time.perf_counter()
        try:
            text, lines = execute(path)
        except CellExecutionError as error:
            failed += 1
            print(f"{path}: failed, and is left as it was.\n{error}", file=sys.stderr)
            continue
        changed = text != path.read_text(encoding="utf-8")
        if changed:
            path.write_text(text, encoding="utf-8")
        scoreboard.store(path.stem, lines)
        word = "changed" if changed else "unchanged"
        print(f"{path}: {word}, {time.perf_counter() - start:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    named = [Path(name) for name in sys.argv[1:]]
    every = [
        *sorted(ROOT.glob("notebooks/*.ipynb")),
        *sorted(ROOT.glob("book/*.ipynb")),
    ]
    sys.exit(min(1, main(named or every)))
