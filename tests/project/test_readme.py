"""Does the README keep its word?"""

import os
import re
import subprocess
import sys

import pytest
from PIL import Image

from genbook import __main__ as cli
from tests.project.lessons import LESSONS, ROOT, colab, read, source

README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[1]


def test_the_example_is_ten_lines_and_draws_digits(tmp_path):
    assert len(EXAMPLE.strip().splitlines()) == 10
    run = [sys.executable, "-W", "error", "-c", EXAMPLE]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # so small a net wants no more
    subprocess.run(run, cwd=tmp_path, env=one_thread, check=True, timeout=300)
    with Image.open(tmp_path / "digits.png") as image:
        dark, light = image.convert("L").getextrema()
    assert light - dark > 100, "the picture is empty"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_table_has_every_lesson(path):
    number = path.stem[:2]
    (row,) = re.findall(rf"^\| {number} .*", README, re.MULTILINE)
    title = source(read(path)["cells"][0]).split("\n")[0].removeprefix("# ")
    assert row.startswith(f"| {title.replace(' · ', ' ')} |")
    assert f"(notebooks/{path.name})" in row
    assert f"[Colab]({colab(path.name)})" in row


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    inside = [link for link in links if not link.startswith("http")]
    assert [link for link in inside if not (ROOT / link).exists()] == []


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in set(re.findall(r"`(?:[^`\n]* )?make ([a-z-]+)", text)):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_commands_are_understood():
    lines = re.findall(r"^.*-m genbook (.+?) *(?:#.*)?$", README, re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        assert cli._parser().parse_args(line.split())
