"""What the book asks of Sphinx beyond Jupyter Book: alt texts, plotly, widgets, assets.

Everything the published pages load is served by the pages themselves: MathJax and
plotly.js come out of wheels that are installed anyway, the rest is a few small files
of our own. Whatever would leave a reader with a dead or a silent picture fails the
build here instead: an image or a plot without words, a widget that cannot be revived.
"""

import html
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from myst_nb.core.render import load_mime_renders
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
PLOTLY = "application/vnd.plotly.v1+json"


class Image:
    """myst-nb renderer: give an image the alt text stored in its output's metadata."""

    @staticmethod
    def handle_mime(renderer, data, inline):
        """Return the image node that myst-nb makes, with its alt text."""
        if not data.mime_type.startswith("image/"):
            return None
        alt = data.output_metadata.get(data.mime_type, {}).get("alt")
        if not alt:
            _warn(renderer, data, "this image has no alt text in its output's metadata")
        (image,) = renderer.render_image(data)
        image["alt"] = alt or ""
        return [image]


class Plotly:
    """myst-nb renderer: a stored plotly figure, drawn by our own copy of plotly.js."""

    mime_priority_overrides = (("html", PLOTLY, 1),)

    @staticmethod
    def handle_mime(renderer, data, inline):
        """Return the figure as data; `plotly_late.js` draws it when it comes near."""
        if data.mime_type != PLOTLY:
            return None
        figure = {key: data.content.get(key, {}) for key in ("data", "layout")}
        alt = (figure["layout"].get("meta") or {}).get("alt")
        if not alt:
            _warn(
                renderer, data, "this plotly figure has no alt text (layout.meta.alt)"
            )
        height = figure["layout"].get("height", 450)
        renderer.add_js_file("plotly_late", "plotly_late.js", {"defer": "defer"})
        spec = json.dumps(figure).replace("</", "<\\/")
        div = (
            f'<div class="gb-plotly" role="img" aria-label="{html.escape(alt or "")}"'
            f' style="height: {height}px">'
            f'<script type="application/json">{spec}</script></div>'
        )
        return [nodes.raw("", div, format="html")]


def _warn(renderer, data, message):
    cell = f"cell {data.cell_index + 1}: " if data.cell_index is not None else ""
    renderer.logger.warning(cell + message, subtype="alt", line=data.line)


def check_widgets(app: Sphinx, docname: str, source: list[str]) -> None:
    """Fail the build if a lesson shows a widget that would be dead on its page."""
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    stored = notebook["metadata"].get("widgets", {}).get(STATE, {}).get("state", {})
    shown = [
        output["data"][VIEW]["model_id"]
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if VIEW in output.get("data", {})
    ]
    if lost := set(shown) - set(stored):
        raise ExtensionError(
            f"{docname}: {len(lost)} widget(s) are shown whose state is not stored in"
            " the notebook; run the lesson from top to bottom again and save it"
        )
    if not stored:
        return
    from genbook.widgets.known import HYDRATED  # late: a book may have no widget at all

    if unknown := {model["model_name"] for model in stored.values()} - HYDRATED:
        raise ExtensionError(
            f"{docname}: the static page cannot revive {', '.join(sorted(unknown))}"
            " (genbook/widgets/hydrate.js does not know it)"
        )


def write_assets(app: Sphinx) -> None:
    """Put MathJax, plotly.js, the hydrator and the palette into the site's _static."""
    if app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)

    # The wheel's name is no Python identifier, so it is found and never imported.
    mathjax = _folder("sphinx-mathjax-offline") / "static/mathjax"
    (static / "mathjax").mkdir(exist_ok=True)
    shutil.copy(mathjax / "tex-chtml.js", static / "mathjax")
    fonts = "output/chtml/fonts"
    shutil.copytree(mathjax / fonts, static / "mathjax" / fonts, dirs_exist_ok=True)

    shutil.copy(_folder("plotly") / "package_data/plotly.min.js", static)
    for name in ("hydrate.js", "hydrate.css"):
        shutil.copy(_folder("genbook") / "widgets" / name, static)

    letters = _folder("font_source_serif_pro") / "files"
    (static / "fonts").mkdir(exist_ok=True)
    for name in ("Regular.ttf", "It.ttf", "Semibold.ttf"):
        shutil.copy(letters / f"SourceSerifPro-{name}", static / "fonts")
    shutil.copy(letters / "LICENSE.txt", static / "fonts")

    from genbook import palette

    (static / "palette.css").write_text(palette.css(), encoding="utf-8")


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None:
        raise ExtensionError(
            f"the book needs the package {package}, not installed here"
        )
    return Path(spec.submodule_search_locations[0])


INLINE_MATH = re.compile(
    r'(<span class="math [^>]*>\\\([^<]*</span>(?:’s|[.,;:!?)\]])+)'
)


def repair(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Mend what readers would stumble over in the HTML that docutils writes.

    A bibliography gets a role that ARIA has deprecated; the empty corner of a table
    would be announced as a heading without words; and a full stop, or the s of whose
    something is, may be torn from the formula before it, to stand at the start of a
    line.
    """
    body = context.get("body", "")
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')
    body = re.sub(r'<th class="head">(<p></p>)?</th>', "<td></td>", body)
    context["body"] = INLINE_MATH.sub(r'<span class="gb-together">\1</span>', body)


def setup(app: Sphinx) -> dict:
    """Register the renderers and the checks.

    myst-nb finds renderers through entry points, which hold for every book built in
    an environment. These two belong to this book alone, so they join its list here.
    """
    renderers = load_mime_renders()
    renderers += [r for r in (Image, Plotly) if r not in renderers]
    app.connect("builder-inited", write_assets)
    app.connect("source-read", check_widgets)
    app.connect("html-page-context", repair)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
