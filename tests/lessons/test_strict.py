"""Would the run of the lessons (nbval, in notebooks/) notice a number that moved?"""

import re
import subprocess
import sys

from nbformat import v4, write

from tests.project.lessons import ROOT
from tests.project.rules import PLOTLY

PASS, FAIL = "PASSED", "FAILED"


def printed(text):
    return v4.new_output("stream", name="stdout", text=text + "\n")


def shown(kind, content):
    return v4.new_output("display_data", data={kind: content})


def show(kind, content):
    return f"display({{{kind!r}: {content!r}}}, raw=True)"


# Here a lesson's line is held to the stored one, and there is none of this name.
NO_SUCH_LINE = """\
from genbook import scoreboard
try:
    scoreboard.line("no such", parameters=0, sample=scoreboard.real, seconds=0)
except AssertionError:
    print("noticed")
"""

CASES = [
    ("print('1.25 nats')", [printed("1.25 nats")], PASS),
    ("print('1.25 nats')", [printed("1.26 nats")], FAIL),
    ("print('took 1.2 s')", [printed("took 34 ms")], PASS),
    ("print('1.2 s')", [printed("1.3 s")], FAIL),
    ("pass", [printed("a line that is gone")], FAIL),
    ("print('a new line')", [], FAIL),
    (show("image/png", "AAAA"), [shown("image/png", "BBBB")], PASS),
    (show(PLOTLY, {"data": [1]}), [shown(PLOTLY, {"data": [2]})], PASS),
    (show("text/markdown", "| 1 |"), [shown("text/markdown", "| 2 |")], PASS),
    (NO_SUCH_LINE, [printed("noticed")], PASS),
    (show("text/plain", "A figure's alt text."), [], FAIL),
    (show("text/plain", "A cat."), [shown("text/plain", "A dog.")], FAIL),
    ("1 / 0", [], FAIL),
]


def test_only_pictures_and_durations_may_differ(tmp_path):
    cells = [
        v4.new_code_cell(text, outputs=outputs, execution_count=i)
        for i, (text, outputs, _) in enumerate(CASES, 1)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    write(notebook, tmp_path / "lesson.ipynb")
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "conftest"]
    run = subprocess.run(
        [*command, "-rA", "--color=no", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(PASSED|FAILED) \S+::Cell (\d+)", run.stdout, re.MULTILINE)
    outcomes = [word for word, _ in sorted(found, key=lambda pair: int(pair[1]))]
    assert outcomes == [expected for *_, expected in CASES], run.stdout
