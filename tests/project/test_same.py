"""Is the code typed out in a lesson the package's own, and would we notice if not?"""

import ast

import pytest

from genbook.widgets import Quiz
from tests.project.lessons import LESSONS, PAGES, read, source
from tests.project.same import WIDGETS, bare, differences, in_package, outdated


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_code_is_the_package(path):
    cells = [source(c) for c in read(path)["cells"] if c["cell_type"] == "code"]
    marked = [cell for cell in cells if "same as genbook" in cell]
    assert marked, "a lesson types its idea out, under '# same as genbook.…'"
    assert [line for cell in marked for line in differences(cell)] == []


KL = """\
# same as genbook.vae.kl_normal
def kl_normal(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)  # (B,)
"""


@pytest.mark.parametrize(
    "cell",
    [
        KL,
        KL + "\nkl_normal(mu, logvar)",
        KL.replace("(mu, logvar):", '(mu: Tensor, logvar) -> Tensor:\n    """Doc."""'),
        "x = 1",
    ],
    ids=["plain", "then used", "docstring and annotations", "unmarked"],
)
def test_equal_code_passes(cell):
    assert differences(cell) == []


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (KL.replace("- 1", "+ 1"), "differs"),
        (KL.replace("0.5 * ", ""), "differs"),
        (KL.replace("mu, logvar)", "mu, logvar, beta=1)"), "differs"),
        (KL.replace("vae.kl_normal", "vae.kl_gone"), "does not exist"),
        (KL.replace("genbook.vae.", "genbook.gone."), "does not exist"),
        (KL.replace("vae.kl_normal", "vae.kl_normal, genbook.vae.elbo"), "not define"),
        (KL + "\ndef other():\n    pass", "does not name it"),
        (KL.replace("# same", "# Here: same"), "first line"),
        ("\n" + KL, "first line"),
        (KL.replace("kl_normal\n", "kl_normal.\n", 1), "first line"),
    ],
)
def test_unequal_code_is_noticed(cell, message):
    assert any(message in line for line in differences(cell))


def test_methods_and_nested_docstrings():
    assert isinstance(in_package("genbook.vae.VAE.decode"), ast.FunctionDef)
    one = (
        'class A:\n    """Doc."""\n    x: int = 1\n    def f(self):\n        """Doc."""'
    )
    other = "class A:\n    x = 1\n    def f(self) -> None:\n        pass"
    third = other.replace("pass", "return 1")
    trees = [bare(ast.parse(code).body[0]) for code in (one, other, third)]
    assert trees[0] == trees[1] != trees[2]


@pytest.mark.parametrize("path", [*LESSONS, *PAGES], ids=lambda path: path.stem)
def test_stored_widgets_are_the_package(path):
    """A page runs the script that its lesson stored; `make lessons` renews it."""
    assert outdated(read(path)) == []


def test_an_outdated_script_is_noticed():
    stored = {"_anywidget_id": "genbook.widgets.quiz.Quiz", "_esm": "old", "_css": ""}
    state = {"state": {"a": {"state": stored}, "b": {"state": {"value": 1}}}}
    notebook = {"metadata": {"widgets": {WIDGETS: state}}}
    assert outdated(notebook) == ["genbook.widgets.quiz.Quiz: run `make lessons`"]
    stored.update(_esm=str(Quiz._esm), _css=str(Quiz._css))
    assert outdated(notebook) == []
