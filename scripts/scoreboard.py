"""Keep the lines that lessons measured, and draw the book's table from them.

`make lessons` calls this: the lines stand in `book/scoreboard.json`, and the table on
the page `book/scoreboard.md` is made from that file alone.
"""

import contextlib
import dataclasses
import json
import os
import platform
from pathlib import Path

from genbook.scoreboard import COLUMNS, MIME, Line, floor, table

BOOK = Path(__file__).parents[1] / "book"

# Between these two comments the page belongs to this script, elsewhere to its writers.
BEGIN, END = "<!-- lines, written by `make lessons` -->", "<!-- end of the lines -->"


def take(notebook: dict) -> list[dict]:
    """Take the lines out of a notebook's outputs, which keep only what is shown."""
    found = [
        output["data"].pop(MIME)
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if MIME in output.get("data", {})
    ]
    return [dict(line) for line in found]


def store(lesson: str, lines: list[dict], book: Path = BOOK) -> None:
    """Replace the lesson's lines on the board, and the table on its page."""
    path = book / "scoreboard.json"
    board = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    others = [old for old in board.get("lines", []) if old["lesson"] != lesson]
    if not lines and others == board.get("lines", []):
        return
    here = {"lesson": lesson, "machine": machine()}
    board = {
        "floor": dataclasses.asdict(floor()),
        "lines": sorted(
            [*others, *(here | line for line in lines)], key=lambda row: row["lesson"]
        ),
    }
    text = json.dumps(board, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    path = book / "scoreboard.md"
    path.write_text(page(path.read_text(encoding="utf-8"), board), encoding="utf-8")


def page(text: str, board: dict) -> str:
    """Return the page's text with the table of this board."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    columns = ["", *COLUMNS[1:], "training, s", "sample, ms"]
    rows = []
    for row in [*board["lines"], board["floor"]]:
        family, *numbers = line(row).cells()
        if "lesson" in row:
            family = f"[{family}](../notebooks/{row['lesson']}.ipynb)"
        rows.append([family, *numbers])
    drawn = table(columns, rows)
    machines = " or ".join(sorted({row["machine"] for row in board["lines"]}))
    said = f"Times are those of {machines}.\n" if machines else ""
    return f"{before}{BEGIN}\n\n{drawn}\n{said}\n{END}{after}"


def line(row: dict) -> Line:
    """Return a stored row as the line that it was."""
    return Line(**{field.name: row[field.name] for field in dataclasses.fields(Line)})


def machine() -> str:
    """Return the processor and the number of cores; nothing that names the machine."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        named = [line.split(":")[1].strip() for line in lines if "model name" in line]
        model = named[0] if named else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"
