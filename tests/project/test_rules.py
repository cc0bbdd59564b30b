"""Does every lesson and every file keep the rules, and would we notice if not?"""

import copy
import json

import pytest

from tests.project.lessons import LESSONS, PAGES, ROOT, address, colab, read, tracked
from tests.project.rules import (
    BONUS,
    PLOTLY,
    SECTIONS,
    lesson_faults,
    page_faults,
    text_faults,
)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson(path):
    assert lesson_faults(read(path), path.name) == []
    # A decoder of 28×28 takes room that a lesson's own figures need.
    limit = 1_600_000 if f"## {BONUS}" in path.read_text("utf-8") else 1_000_000
    assert path.stat().st_size < limit


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page(path):
    """A page that is run but teaches nothing new has no sections to hold to."""
    assert page_faults(read(path), colab(path.name, "book")) == []
    assert path.stat().st_size < 1_600_000, "with decoders and images, under 1.6 MB"


def test_there_are_lessons():
    assert LESSONS


@pytest.mark.parametrize("path", tracked(), ids=lambda p: str(p.relative_to(ROOT)))
def test_file(path):
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        assert path.suffix in {".png", ".woff2", ".safetensors"}, "a binary file"
        return
    assert text_faults(text) == []


def markdown(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(text, count, *outputs):
    return {
        "cell_type": "code",
        "metadata": {},
        "source": text,
        "execution_count": count,
        "outputs": list(outputs),
    }


def picture(kind, content, metadata):
    return {
        "output_type": "display_data",
        "data": {kind: content},
        "metadata": metadata,
    }


PNG = picture("image/png", "iVBO", {"image/png": {"alt": "A digit."}})
PLOT = picture(PLOTLY, {"layout": {"meta": {"alt": "A cloud."}}}, {})
GOOD = {
    "metadata": {
        "kernelspec": {"name": "python3"},
        "language_info": {"name": "python"},
    },
    "cells": [
        markdown(f"# A lesson\n[Open in Colab]({colab('03_vae.ipynb')})"),
        code(f"if 'google.colab' in modules: %pip install git+{address()}", 1),
        markdown("\n".join(f"## {section}" for section in SECTIONS)),
        code("plot", 2, PNG, PLOT),
        markdown("```python\n## a comment\n```"),
    ],
}


def test_a_good_lesson_passes():
    assert lesson_faults(GOOD, "03_vae.ipynb") == []


def sections(*names):
    """Return a good lesson with these sections."""
    lesson = copy.deepcopy(GOOD)
    lesson["cells"][2]["source"] = "\n".join(f"## {name}" for name in names)
    return lesson


def test_a_lesson_may_show_28x28_after_play():
    at = SECTIONS.index("Play") + 1
    lesson = sections(*SECTIONS[:at], BONUS, *SECTIONS[at:])
    assert lesson_faults(lesson, "03_vae.ipynb") == []
    for elsewhere in (0, at - 1, at + 1, len(SECTIONS)):
        lesson = sections(*SECTIONS[:elsewhere], BONUS, *SECTIONS[elsewhere:])
        assert lesson_faults(lesson, "03_vae.ipynb") != []


def stored(**output):
    return lambda nb: nb["cells"][3]["outputs"].append(output)


BREAKS = {
    "no title": lambda nb: nb["cells"][0].update(source="A lesson"),
    "another lesson's link": lambda nb: nb["cells"][0].update(
        source=f"# A lesson\n[Open in Colab]({colab('04_elbo.ipynb')})"
    ),
    "another repository's link": lambda nb: nb["cells"][0].update(
        source=nb["cells"][0]["source"].replace("/github/", "/github/else")
    ),
    "another repository's install": lambda nb: nb["cells"][1].update(
        source="'google.colab'; %pip install git+" + "https://github.com/else/where"
    ),
    "an install everywhere": lambda nb: nb["cells"][1].update(
        source=f"%pip install git+{address()}"
    ),
    "a section is missing": lambda nb: nb["cells"][2].update(
        source=nb["cells"][2]["source"].replace("## Play\n", "")
    ),
    "sections swapped": lambda nb: nb["cells"][2].update(
        source="\n".join(f"## {section}" for section in SECTIONS[::-1])
    ),
    "a section of its own": lambda nb: nb["cells"].append(markdown("## Appendix")),
    "mathematics in a summary": lambda nb: nb["cells"].append(
        markdown("<details><summary>Why $x$?</summary>\n\nSo.\n\n</details>")
    ),
    "another kernel": lambda nb: nb["metadata"]["kernelspec"].update(name="mine"),
    "a version": lambda nb: nb["metadata"]["language_info"].update(version="3.12"),
    "timing": lambda nb: nb["cells"][3]["metadata"].update(execution={}),
    "not run": lambda nb: nb["cells"][3].update(execution_count=None),
    "run twice": lambda nb: nb["cells"][3].update(execution_count=3),
    "an error": stored(output_type="error", ename="ValueError"),
    "a warning": stored(output_type="stream", name="stderr", text="Warning"),
    "no alt": stored(**picture("image/png", "iVBO", {})),
    "empty alt": stored(**picture("image/png", "iVBO", {"image/png": {"alt": ""}})),
    "no plotly alt": stored(**picture(PLOTLY, {"layout": {"meta": None}}, {})),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_bad_lesson_is_noticed(name):
    bad = copy.deepcopy(GOOD)
    BREAKS[name](bad)
    assert json.dumps(bad) != json.dumps(GOOD)
    assert lesson_faults(bad, "03_vae.ipynb") != []


def test_a_page_is_held_to_all_but_the_sections():
    page, link = copy.deepcopy(GOOD), colab("gallery.ipynb", "book")
    page["cells"][0]["source"] = f"# The gallery\n[Open in Colab]({link})"
    BREAKS["a section of its own"](page)
    assert page_faults(page, link) == []
    assert page_faults(page, colab("gallery.ipynb")) != []
    BREAKS["no alt"](page)
    assert page_faults(page, link) != []


REPOSITORY = address().rpartition("/")[2]


@pytest.mark.parametrize(
    "text",
    [
        "see " + "/ho" + "me/someone/book",
        "'" + "/tm" + "p/x'",
        "https://" + "pypi" + ".org/simple",
        "https://github.com/someone-else/" + REPOSITORY,
        "pip install git+" + "https://github.com/else/where",
        "https://colab.research.google.com" + "/github/else/where/blob/main/x.ipynb",
        "https://someone-else" + ".github.io/" + REPOSITORY,
    ],
)
def test_a_bad_text_is_noticed(text):
    assert text_faults(text) != []


@pytest.mark.parametrize(
    "text",
    [
        address(),
        f"git+{address()}",
        f"{address()}/blob/main/README.md",
        colab("03_vae.ipynb"),
        "a/work/of/art ~/tmp/x https://github.com/pytorch/pytorch",
    ],
)
def test_a_good_text_passes(text):
    assert text_faults(text) == []
