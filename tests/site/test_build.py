"""The book builds without a warning; what would strand a reader does not build."""

import base64
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import expect

from tests.site.book import ROOT, build, pages, tiny
from tests.site.visit import serve, silent_images, visit

VIEW = "application/vnd.jupyter.widget-view+json"
PLOTLY = "application/vnd.plotly.v1+json"
PNG = base64.b64encode(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
    )
).decode()


# ---- The book itself -----------------------------------------------------------------


def test_builds_without_a_warning(built):
    """`jupyter-book build -W` succeeds and has nothing to complain of."""
    code, said, _ = built
    assert code == 0, said
    assert "WARNING" not in said
    assert "build succeeded" in said


def test_every_page_is_known(site):
    """The pages the tests visit are all the pages there are."""
    found = {p.relative_to(site).as_posix() for p in site.rglob("*.html")}
    found = {p for p in found if not p.startswith("_static/")}
    assert found == {*pages(), "index.html", "search.html"}


def test_every_lesson_is_in_the_contents():
    """A lesson that exists can be found, and the front page links just those."""
    lessons = {p.name for p in (ROOT / "notebooks").glob("*.ipynb")}
    contents = [p.replace(".html", ".ipynb") for p in pages()]
    listed = [p.rpartition("/")[2] for p in contents if p.startswith("notebooks/")]
    assert listed == sorted(lessons)
    plan = (ROOT / "book/intro.md").read_text(encoding="utf-8").partition("## The less")
    linked = re.findall(r"\{\.gb-no\} \[.*\]\(\.\./notebooks/(.*)\)", plan[2])
    assert sorted(linked) == sorted(lessons)


def test_lesson_numbers_do_not_lie(site):
    """Lesson 03 is called 03 in its title and in the sidebar."""
    for path in pages():
        if not path.startswith("notebooks/"):
            continue
        number = path.removeprefix("notebooks/")[:2]
        html = (site / path).read_text(encoding="utf-8")
        assert re.search(rf"<title>\s*{number} · ", html)
        assert re.search(
            rf'<li class="toctree-l1 current[^>]*><a[^>]*>{number} · ', html
        )


class Links(HTMLParser):
    """Collects where a page leads, and the places in it that can be led to."""

    def __init__(self):
        super().__init__()
        self.links, self.places = [], set()

    def handle_starttag(self, tag, attrs):
        """Note links and ids."""
        attrs = dict(attrs)
        self.links += [attrs[k] for k in ("href", "src") if attrs.get(k)]
        self.places |= {attrs[k] for k in ("id", "name") if attrs.get(k)}


def dangling(site):
    """Return the links of a site that lead nowhere inside it."""
    parsed = {}
    for page in site.rglob("*.html"):
        if "_static" not in page.relative_to(site).parts:
            parsed[page.resolve()] = links = Links()
            links.feed(page.read_text(encoding="utf-8"))
    lost = []
    for page, links in parsed.items():
        for link in links.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (page.parent / unquote(url.path)).resolve() if url.path else page
            if target.is_dir():
                target /= "index.html"
            known = parsed.get(target)
            if not target.is_file() or (
                known and url.fragment and unquote(url.fragment) not in known.places
            ):
                lost.append(f"{page.name}: {link}")
    return lost


def test_internal_links_resolve(site):
    """No link inside the book leads to a page or a place that is not there."""
    assert dangling(site) == []


def test_dangling_links_are_found(tmp_path):
    """The check above is able to fail."""
    (tmp_path / "a.html").write_text(
        "<a href='b.html'>x</a><a href='#here'>x</a><a href='#gone'>x</a>"
        "<p id=here><img src='no.png'><a href='https://example.org/'>x</a>"
    )
    assert dangling(tmp_path) == ["a.html: b.html", "a.html: #gone", "a.html: no.png"]


def test_no_page_names_a_foreign_script(site):
    """What a page loads has no address outside the site, not even as a fallback."""
    for path in [*pages(), "index.html", "search.html"]:
        html = (site / path).read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", html)
        assert not [tag for tag in loaded if re.search(r"""["'](https?:)?//""", tag)]


def test_colours_are_the_package_s(site):
    """The site's colours are those of the figures, and not a copy."""
    from genbook import palette

    css = (site / "_static/palette.css").read_text(encoding="utf-8")
    assert css == palette.css()
    page = (site / pages()[0]).read_text(encoding="utf-8")
    assert "palette.css" in page


# ---- Tiny books: the extension, case by case -----------------------------------------


def view_of(model_id):
    """Return an output that shows a widget."""
    return {"data": {VIEW: {"model_id": model_id}, "text/plain": "a widget"}}


def model(name, **state):
    """Return a widget's stored state."""
    return {"model_name": name, "model_module": "m", "state": state}


def test_unknown_widget_fails_the_build(tmp_path):
    """The error names the lesson and the widget, and only the one that is unknown."""
    state = {"a": model("ColorPickerModel"), "b": model("FloatSliderModel")}
    code, said = build(
        tiny(tmp_path, view_of("a"), view_of("b"), state=state), tmp_path
    )
    assert code != 0
    assert re.search(r"lesson: the static page cannot revive ColorPickerModel \(", said)


def test_widget_without_state_fails_the_build(tmp_path):
    """A lesson saved without its widgets' state would show nothing at all."""
    code, said = build(tiny(tmp_path, view_of("gone"), state={}), tmp_path)
    assert code != 0
    assert "lesson: 1 widget(s) are shown whose state is not stored" in said


def test_figures_without_words_fail_the_build(tmp_path):
    """An image or a plot that a blind reader could not know fails, and says where."""
    image, plot = {"data": {"image/png": PNG}}, {"data": {PLOTLY: {"data": []}}}
    code, said = build(tiny(tmp_path, image, plot), tmp_path)
    assert code != 0
    assert re.search(r"lesson.ipynb:\d+: WARNING: cell 2: this image has no alt", said)
    assert re.search(r"lesson.ipynb:\d+: WARNING: cell 3: this plotly figure has", said)


ALT = 'Two <curves> & a "point"'
IMAGE = {
    "data": {"image/png": PNG, "text/plain": ALT},
    "metadata": {"image/png": {"alt": ALT, "width": 420}},
}
FIGURE = {
    "data": [{"type": "scatter", "x": [1, 2, 3], "y": [1, 3, 2]}],
    "layout": {
        "meta": {"alt": "A line & its </script> end"},
        "paper_bgcolor": "white",
        "xaxis": {"title": {"text": "steps"}},
        "height": 320,
    },
}
SPACER = {"data": {"text/html": "<div style='height: 4000px'></div>"}}


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Serve a book with an image and, far below, two plotly figures."""
    folder = tmp_path_factory.mktemp("figures")
    plot = {"data": {PLOTLY: FIGURE}}
    code, said = build(tiny(folder, IMAGE, SPACER, plot, plot), folder)
    assert code == 0, said
    with serve(folder / "_build/html") as base:
        yield base


def test_alt_text_and_width_reach_the_page(figures, browser):
    """What the figure's metadata says is what the page says, quotes and all."""
    with visit(browser, figures, "lesson.html") as (page, wrong):
        image = page.locator("article img")
        assert image.get_attribute("alt") == ALT
        assert image.evaluate("(i) => i.getBoundingClientRect().width") == 420
        assert silent_images(page) == wrong == []


def test_plotly_is_drawn_late_and_in_the_page_s_ink(figures, browser):
    """4.8 MB are asked for when the figure comes near, once, and not before."""
    asked = []
    start = visit(browser, figures, "lesson.html", scroll=False, asked=asked)
    with start as (page, wrong):
        page.wait_for_load_state("networkidle")
        assert "plotly_late.js" in asked
        assert "plotly.min.js" not in asked
        plots = page.get_by_role("img", name="A line & its </script> end")
        expect(plots).to_have_count(2)
        expect(page.locator("article .main-svg")).to_have_count(0)

        plots.last.scroll_into_view_if_needed()
        page.wait_for_selector(".gb-plotly[data-drawn] .scatterlayer path.js-line")
        plots.first.scroll_into_view_if_needed()
        expect(page.locator(".gb-plotly[data-drawn]")).to_have_count(2)
        assert asked.count("plotly.min.js") == 1
        assert plots.first.evaluate("(f) => f.getBoundingClientRect().height") == 320

        def look():
            style = (
                "(e) => [getComputedStyle(e).fill, getComputedStyle(e).backgroundColor]"
            )
            ink = page.locator(".xtitle").first.evaluate(style)[0]
            return ink, page.locator(".main-svg").first.evaluate(style)[1]

        light, ground = look()
        assert ground == "rgba(0, 0, 0, 0)"
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_function(
            "(e) => getComputedStyle(document.querySelector('.xtitle')).fill !== e",
            arg=light,
        )
        assert wrong == []
