"""Do the scoreboard, its page and the lessons agree, and does the floor still stand?

Each lesson's line is measured again when the lesson runs: see ``genbook.scoreboard``.
"""

import dataclasses
import json

import pytest

from genbook import scoreboard as lines
from scripts import scoreboard
from tests.project.lessons import LESSONS, ROOT, read, source

BOARD = json.loads((ROOT / "book/scoreboard.json").read_text(encoding="utf-8"))
MARKDOWN = "text/markdown"


def shown(notebook: dict) -> list[str]:
    """Return each output in Markdown that a notebook stores."""
    return [
        "".join(output["data"][MARKDOWN])
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if MARKDOWN in output.get("data", {})
    ]


def test_the_page_is_made_from_the_lines():
    stored = (ROOT / "book/scoreboard.md").read_text(encoding="utf-8")
    assert stored == scoreboard.page(stored, BOARD), "run `make lessons`"
    assert stored != scoreboard.page(stored, BOARD | {"lines": []})
    assert stored.count(scoreboard.BEGIN) == stored.count(scoreboard.END) == 1


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_shows_the_lines_that_it_stored(path):
    """What the strict run of the lessons leaves out is nothing but these tables."""
    rows = [row for row in BOARD["lines"] if row["lesson"] == path.stem]
    notebook = read(path)
    assert shown(notebook) == [scoreboard.line(row).markdown() for row in rows]
    text = "\n".join(source(cell) for cell in notebook["cells"])
    assert text.count("scoreboard.line(") == len(rows)
    assert lines.MIME not in path.read_text(encoding="utf-8"), "run `make lessons`"


def test_there_are_lines_and_each_has_its_lesson_and_its_name():
    assert BOARD["lines"]
    assert {row["lesson"] for row in BOARD["lines"]} <= {p.stem for p in LESSONS}
    names = [row["family"] for row in BOARD["lines"]]
    assert len(names) == len(set(names))


def test_the_floor_is_measured_again():
    now, stored = dataclasses.asdict(lines.floor()), BOARD["floor"]
    assert now.keys() == stored.keys()
    for name, value in stored.items():
        number = isinstance(value, float)
        assert now[name] == (pytest.approx(value, rel=0.01) if number else value), name


def test_no_model_beats_the_floor():
    floor = BOARD["floor"]
    for row in BOARD["lines"]:
        assert row["frechet"] > floor["frechet"], row["family"]


ROW = dataclasses.asdict(lines.floor()) | {"family": "x", "parameters": 5}


def cell(**data):
    return {"outputs": [{"output_type": "display_data", "data": data}]}


def test_lines_are_taken_out_and_what_is_shown_stays():
    table = cell(**{MARKDOWN: "| x |", lines.MIME: ROW})
    notebook = {"cells": [{"source": "text"}, cell(**{"text/plain": "5"}), table]}
    assert scoreboard.take(notebook) == [ROW]
    assert table == cell(**{MARKDOWN: "| x |"})
    assert scoreboard.take(notebook) == []


def test_a_lesson_replaces_its_own_lines_alone(tmp_path):
    def stored():
        board = json.loads((tmp_path / "scoreboard.json").read_text(encoding="utf-8"))
        page = (tmp_path / "scoreboard.md").read_text(encoding="utf-8")
        assert page == scoreboard.page(page, board)
        assert page.startswith("before\n") and page.endswith("\nafter")
        return [(row["lesson"], row["family"]) for row in board["lines"]]

    text = f"before\n{scoreboard.BEGIN}{scoreboard.END}\nafter"
    (tmp_path / "scoreboard.md").write_text(text, encoding="utf-8")
    scoreboard.store("05_b", [], tmp_path)  # a lesson without a line leaves no trace
    assert [path.name for path in tmp_path.iterdir()] == ["scoreboard.md"]
    scoreboard.store("05_b", [ROW], tmp_path)
    scoreboard.store("04_a", [ROW | {"family": "y"}, ROW | {"family": "z"}], tmp_path)
    assert stored() == [("04_a", "y"), ("04_a", "z"), ("05_b", "x")]
    scoreboard.store("04_a", [ROW | {"family": "z"}], tmp_path)
    assert stored() == [("04_a", "z"), ("05_b", "x")]
    scoreboard.store("05_b", [], tmp_path)
    assert stored() == [("04_a", "z")]
    page = (tmp_path / "scoreboard.md").read_text(encoding="utf-8")
    assert "| [z](../notebooks/04_a.ipynb) | – |" in page
