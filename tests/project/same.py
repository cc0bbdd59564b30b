"""Is the code typed out in a lesson the package's own? Compare them as syntax trees.

A cell that starts with `# same as genbook.vae.elbo` (or several names, with commas)
defines `elbo`; that definition and the package's must be the same program. Docstrings
and type annotations are set aside: the page explains in prose what the package says in
its docstring, annotations change nothing that runs, and a reader of the lesson has the
shapes in comments. Comments and line breaks are no part of a syntax tree anyway.
"""

import ast
import re
from importlib import import_module
from pathlib import Path

import genbook

NAME = r"genbook(?:\.\w+)+"
HEADER = re.compile(rf"# same as ({NAME}(?:, {NAME})*)$")
PACKAGE = Path(genbook.__file__).parent
WIDGETS = "application/vnd.jupyter.widget-state+json"


class _Bare(ast.NodeTransformer):
    """Remove docstrings and annotations from a tree."""

    def visit_FunctionDef(self, node):
        node.returns = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node):
        return self._without_docstring(node)

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=node.value)

    def _without_docstring(self, node):
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node


def definitions(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Return what a body defines: functions, classes and plainly assigned names."""
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node
    return found


def bare(node: ast.stmt) -> str:
    """Return a definition as text, less its docstrings and annotations."""
    tree = _Bare().visit(ast.parse(ast.unparse(node)))
    return ast.unparse(ast.fix_missing_locations(tree))


def in_package(name: str) -> ast.stmt | None:
    """Return the definition of `genbook.vae.elbo`, or of a method in a class there."""
    parts = name.split(".")
    for i in range(len(parts) - 1, 1, -1):
        path = PACKAGE.joinpath(*parts[1:i])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                body = ast.parse(file.read_text(encoding="utf-8")).body
                for part in parts[i:-1]:
                    body = getattr(definitions(body).get(part), "body", [])
                return definitions(body).get(parts[-1])
    return None


def differences(cell: str) -> list[str]:
    """Return what is wrong with a cell that says it is the package's; [] if nothing."""
    if "same as genbook" not in cell:
        return []
    header = HEADER.match(cell.split("\n")[0])
    if header is None:
        return [f"the first line should read '# same as genbook.…', got {cell[:60]!r}"]
    names = header[1].split(", ")
    here = definitions(ast.parse(cell).body)
    wrong = [
        f"{name} is defined under a '# same as' line that does not name it"
        for name, node in here.items()
        if not isinstance(node, ast.Assign)
        and name not in {n.rpartition(".")[2] for n in names}
    ]
    for name in names:
        ours, theirs = here.get(name.rpartition(".")[2]), in_package(name)
        if theirs is None:
            wrong.append(f"{name} does not exist")
        elif ours is None:
            wrong.append(f"{name} is named, but the cell does not define it")
        elif bare(ours) != bare(theirs):
            wrong.append(
                f"{name} differs.\n--- lesson\n{bare(ours)}\n"
                f"--- package\n{bare(theirs)}"
            )
    return wrong


def outdated(notebook: dict) -> list[str]:
    """Return the widgets of a lesson that it stored with other code than ours."""
    stored = notebook["metadata"].get("widgets", {}).get(WIDGETS, {"state": {}})
    faults = []
    for state in (model["state"] for model in stored["state"].values()):
        if "_anywidget_id" not in state:
            continue  # a slider or a box, which has no script of ours
        module, _, name = state["_anywidget_id"].rpartition(".")
        ours = getattr(import_module(module), name)
        if (state["_esm"], state["_css"]) != (str(ours._esm), str(ours._css)):
            faults.append(f"{state['_anywidget_id']}: run `make lessons`")
    return faults
