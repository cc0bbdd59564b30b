"""What must hold for every lesson and every file: functions that list what is wrong."""

import re

from tests.project.lessons import address, branch, colab, source

SECTIONS = (
    "The question",
    "Intuition",
    "The mathematics",
    "From scratch",
    "Train",
    "Look",
    "Break it",
    "Play",
    "Where it stands",
    "Exercises",
    "Quiz",
    "Interview corner",
    "Summary",
)
BONUS = "The same code on 28×28"  # a lesson may have it, after "Play"
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
PLOTLY = "application/vnd.plotly.v1+json"


def lesson_faults(notebook: dict, name: str) -> list[str]:
    """Return what a lesson's notebook lacks; [] for one that may be published."""
    return [
        *page_faults(notebook, colab(name)),
        *_section_faults(notebook["cells"]),
    ]


def page_faults(notebook: dict, link: str) -> list[str]:
    """Return what a notebook lacks that is a page of the book, lesson or not.

    ``link`` is the one that opens it in Colab.
    """
    cells = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return [
        *_opening_faults(cells, link),
        *_summary_faults(cells),
        *_metadata_faults(notebook),
        *_count_faults(code),
        *(fault for i, cell in enumerate(cells) for fault in _output_faults(i, cell)),
    ]


def _opening_faults(cells, link):
    title, setup = cells[0], cells[1]
    if title["cell_type"] != "markdown" or not source(title).startswith("# "):
        yield "cell 0: expected Markdown that starts with the title, '# …'"
    if f"[Open in Colab]({link})" not in source(title):
        yield f"cell 0: expected the link [Open in Colab]({link})"
    install = f"git+{address()}"
    if setup["cell_type"] != "code" or install not in source(setup):
        yield f"cell 1: expected the set-up, which installs {install} in Colab"
    if "google.colab" not in source(setup):
        yield "cell 1: expected the install to be guarded by 'google.colab'"


def _section_faults(cells):
    text = "\n".join(source(c) for c in cells if c["cell_type"] == "markdown")
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^## +(.+?) *$", text, flags=re.MULTILINE)
    known = [next((s for s in SECTIONS if f.startswith(s)), f) for f in found]
    with_bonus = [*SECTIONS]
    with_bonus.insert(SECTIONS.index("Play") + 1, BONUS)
    if known not in (list(SECTIONS), with_bonus):
        yield f"sections: expected {', '.join(SECTIONS)}; got {', '.join(found)}"


def _summary_faults(cells):
    """Inside HTML neither mathematics nor Markdown is drawn."""
    text = "\n".join(source(c) for c in cells if c["cell_type"] == "markdown")
    for summary in re.findall(r"<summary>(.*?)</summary>", text, flags=re.DOTALL):
        if re.search(r"[$`*]", summary):
            yield f"a summary that is shown as it is typed: {summary}"


def _metadata_faults(notebook):
    metadata = notebook["metadata"]
    if metadata.get("kernelspec", {}).get("name") != "python3":
        yield "kernelspec: expected python3"
    if set(metadata.get("language_info", {"name": ""})) != {"name"}:
        yield "language_info: expected the name alone, as `make lessons` leaves it"
    for i, cell in enumerate(notebook["cells"]):
        if "execution" in cell["metadata"]:
            yield f"cell {i}: timing metadata; run `make lessons`"


def _count_faults(code):
    counts = [cell["execution_count"] for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield f"execution counts: expected 1 … {len(code)}, got {counts}"


def _output_faults(i, cell):
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            yield f"cell {i}: an error is stored"
        if output.get("name") == "stderr":
            yield f"cell {i}: stderr is stored"
        data, metadata = output.get("data", {}), output.get("metadata", {})
        for kind in PICTURES:
            if kind in data and not metadata.get(kind, {}).get("alt"):
                yield f"cell {i}: a picture without alt text"
        layout = data.get(PLOTLY, {}).get("layout", {})
        if PLOTLY in data and not (layout.get("meta") or {}).get("alt"):
            yield f"cell {i}: a plotly figure without layout.meta.alt"


# Written in halves, so that this file passes its own test.
MACHINE = re.compile(r"(?<![\w.~-])/(?:work|root|home|tmp|Users)" + "/")
HOSTS = re.compile(
    "|".join(
        re.escape(first + second)
        for first, second in (
            ("pypi", ".org"),
            ("python", "hosted.org"),
            ("npm", "js.org"),
            ("npm", "js.com"),
            ("unpkg", ".com"),
            ("jsdelivr", ".net"),
            ("download.py", "torch.org"),
            ("ana", "conda.org"),
        )
    )
)


def text_faults(text: str) -> list[str]:
    """Return what no file of the repository may say."""
    faults = [f"a path of a machine: {m.group()}" for m in MACHINE.finditer(text)]
    faults += [f"a registry's host name: {m.group()}" for m in HOSTS.finditer(text)]
    return faults + _address_faults(text)


def _address_faults(text):
    """Hold each mention of the public repository to the one in _config.yml."""
    owner, name = address().removeprefix("https://github.com/").split("/")
    expected = {
        rf"github\.com/[\w.-]+/{name}\b": f"github.com/{owner}/{name}",
        r"git\+https?://[\w./-]*\w": f"git+{address()}",
        r"colab\.research\.google\.com/github/[\w.-]+/[\w.-]+/blob/[\w.-]+": (
            f"colab.research.google.com/github/{owner}/{name}/blob/{branch()}"
        ),
        rf"[\w-]+\.github\.io/{name}\b": f"{owner}.github.io/{name}",
    }
    return [
        f"expected the address {wanted}, got {found}"
        for pattern, wanted in expected.items()
        for found in re.findall(pattern, text)
        if found != wanted
    ]
