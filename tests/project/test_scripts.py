"""Do the scripts behind `make` do what they say, on every kind of machine?"""

import json
import subprocess
import sys

import nbformat
import pytest

from scripts import ensure_chromium, run_lessons
from tests.project.lessons import ROOT


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes up a machine, and the commands that were run on it.

    `has` names the programs on its PATH; `brings` maps a word of a command to the
    browser it brings (None is Playwright's own); `works` lists the browsers that open
    a page from the start.
    """

    def build(has=(), brings=(), works=(), root=False, sudo=False):
        programs, working, commands = set(has), set(works), []

        def run(*command):
            commands.append(" ".join(command))
            if command[:2] == ("sudo", "-n") and not sudo:
                return False
            for word, browser in dict(brings).items():
                if word in commands[-1]:
                    programs.add(browser)
                    working.add(browser)
            return True

        def which(name):
            return name if name in programs else None

        monkeypatch.setattr(ensure_chromium, "run", run)
        monkeypatch.setattr(ensure_chromium, "opens", working.__contains__)
        monkeypatch.setattr(ensure_chromium.shutil, "which", which)
        monkeypatch.setattr(ensure_chromium.os, "geteuid", lambda: 0 if root else 1)
        return commands

    return build


OWN = "Playwright's own Chromium"


def test_a_browser_that_is_there_is_taken(machine):
    commands = machine(has=["google-chrome"], works=["google-chrome"])
    assert ensure_chromium.ensure() == "google-chrome"
    assert commands == []


def test_a_broken_browser_is_passed_over(machine):
    commands = machine(has=["chromium", "google-chrome"], works=["google-chrome"])
    assert ensure_chromium.ensure() == "google-chrome"
    assert commands == []


def test_playwrights_own_is_downloaded_once(machine):
    commands = machine(brings={"playwright install chromium": None})
    assert ensure_chromium.ensure() == OWN
    assert len(commands) == 1
    assert ensure_chromium.ensure() == OWN
    assert len(commands) == 1


@pytest.mark.parametrize("who", ["root", "sudo"])
def test_apt_is_asked_where_allowed(machine, who):
    commands = machine(
        has=["apt-get", "sudo"],
        brings={"apt-get install": "chromium"},
        **{who: True},
    )
    assert ensure_chromium.ensure() == "chromium"
    assert commands[-1].startswith("sudo -n apt-get" if who == "sudo" else "apt-get")


def test_what_playwrights_own_lacks_comes_from_apt(machine):
    machine(has=["apt-get"], brings={"install-deps chromium": None}, root=True)
    assert ensure_chromium.ensure() == OWN


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "there is no apt-get here"),
        ({"has": ["apt-get"]}, "this user may not run apt-get"),
        ({"has": ["apt-get", "sudo"]}, "this user may not run apt-get"),
        ({"has": ["apt-get"], "root": True}, "brought none that opens a page"),
    ],
)
def test_a_clear_message_if_none_can_be_had(machine, options, reason):
    commands = machine(**options)
    with pytest.raises(SystemExit, match=reason):
        ensure_chromium.ensure()
    assert "playwright install chromium" in commands[0]


def test_a_program_that_is_no_browser_opens_nothing():
    # In a process of its own: one process may run Playwright once only.
    ask = "from scripts.ensure_chromium import opens; print(opens('/bin/false'))"
    command = [sys.executable, "-c", ask]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


LESSON = """\
import ipywidgets as widgets
slider = widgets.FloatSlider()
label = widgets.Label()
widgets.jslink((slider, "value"), (label, "value"))
print("a line", flush=True)
print("another")
widgets.VBox([slider, label])
"""


@pytest.fixture
def lesson(tmp_path):
    """Return the path of a small lesson that was never run."""
    cells = [nbformat.v4.new_code_cell(LESSON, id="a")]
    path = tmp_path / "lesson.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_running_a_lesson_twice_changes_nothing(lesson, capsys):
    assert run_lessons.main([lesson]) == 0
    once = lesson.read_text(encoding="utf-8")
    assert run_lessons.main([lesson]) == 0
    assert lesson.read_text(encoding="utf-8") == once
    said = capsys.readouterr().out.splitlines()
    assert ": changed, " in said[0]
    assert ": unchanged, " in said[1]

    notebook = json.loads(once)
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    assert notebook["cells"][0]["execution_count"] == 1
    assert "execution" not in notebook["cells"][0]["metadata"]
    state = notebook["metadata"]["widgets"][run_lessons.STATE]["state"]
    (box,) = (m["state"] for m in state.values() if m["model_name"] == "VBoxModel")
    children = [state[c.removeprefix("IPY_MODEL_")] for c in box["children"]]
    assert [c["model_name"] for c in children] == ["FloatSliderModel", "LabelModel"]


def test_a_lesson_that_fails_is_left_as_it_was(lesson, capsys):
    before = lesson.read_text(encoding="utf-8").replace("print(", "1 / 0, print(", 1)
    lesson.write_text(before, encoding="utf-8")
    assert run_lessons.main([lesson]) == 1
    assert lesson.read_text(encoding="utf-8") == before
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_lock_leaves_out_what_torch_pins():
    from scripts import lock

    pins = lock.pins()
    assert all(line.count("==") == 1 and "+" not in line for line in pins)
    assert {"torch", "setuptools"} <= {line.partition("==")[0] for line in pins}
    assert not {"pip", "genbook"} & {line.partition("==")[0] for line in pins}
    assert lock.LEFT_OUT.fullmatch("nvidia-cudnn-cu13")
