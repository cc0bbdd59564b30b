"""Every page of the site, as a reader meets it, with the network cut."""

import json

import pytest
from playwright.sync_api import expect

from tests.site.book import ROOT, pages
from tests.site.visit import (
    cut_off,
    inaccessible,
    serve,
    silent_images,
    too_wide,
    unmoved,
    visit,
)

EVERY = [*pages(), "search.html"]
RUN = [p for p in pages() if (ROOT / p.replace(".html", ".ipynb")).exists()]
LESSONS = [p for p in RUN if p.startswith("notebooks/")]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", EVERY)
def test_page_is_quiet_and_accessible(browser, address, path, scheme):
    """No error, no foreign request, an alt on every image; axe finds nothing.

    And on a desktop, every table, formula and line of code is seen whole.
    """
    with visit(browser, address, path, color_scheme=scheme) as (page, wrong):
        theme = page.evaluate("document.documentElement.dataset.theme")
        assert theme == scheme
        assert silent_images(page) == []
        assert cut_off(page) == []
        assert wrong == []
        assert inaccessible(page) == []


@pytest.mark.parametrize("path", EVERY)
def test_page_fits_a_phone(browser, address, path):
    """At 390 pixels nothing sticks out, and what scrolls can be reached by keyboard."""
    with visit(browser, address, path, **PHONE) as (page, wrong):
        assert too_wide(page) == []
        assert wrong == []
        assert inaccessible(page) == []


@pytest.mark.parametrize("path", EVERY)
def test_every_control_moves_its_picture(browser, address, path):
    """A key press on any slider, dropdown or toggle changes what its figure shows."""
    with visit(browser, address, path, reduced_motion="reduce") as (page, wrong):
        count, still = unmoved(page)
        assert still == []
        assert count == expected_controls(path)
        assert wrong == []


def expected_controls(path):
    """Count the controls in a lesson's stored state: none may be lost on the way."""
    if path not in RUN:
        return 0
    notebook = ROOT / path.replace(".html", ".ipynb")
    metadata = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    stored = metadata.get("widgets", {})
    state = stored.get("application/vnd.jupyter.widget-state+json", {"state": {}})
    state = state["state"]
    names = [m["model_name"] for m in state.values()]
    one = {
        "FloatSliderModel",
        "IntSliderModel",
        "SelectionSliderModel",
        "DropdownModel",
    }
    toggles = [m for m in state.values() if m["model_name"] == "ToggleButtonsModel"]
    # Of a row of toggles one is pressed already; the others can be pressed.
    return sum(n in one for n in names) + sum(
        len(m["state"]["_options_labels"]) - 1 for m in toggles
    )


@pytest.mark.parametrize("path", EVERY)
def test_page_works_from_a_file(browser, site, path):
    """The same from file://, as from a memory stick: figures, mathematics, sliders."""
    with visit(browser, site.as_uri() + "/", path) as (page, wrong):
        assert unmoved(page)[1] == []
        assert page.locator("mjx-merror").count() == 0
        assert wrong == []


@pytest.mark.parametrize("path", RUN)
def test_lesson_is_alive(browser, address, path):
    """As many widgets as the notebook shows, none failed, all mathematics set."""
    notebook = ROOT / path.replace(".html", ".ipynb")
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [o for c in cells for o in c.get("outputs", [])]
    mime = "application/vnd.jupyter.widget-view+json"
    shown = sum(mime in o.get("data", {}) for o in outputs)
    assert shown > 0
    with visit(browser, address, path) as (page, wrong):
        assert page.locator(".gb-widget").count() == shown
        assert page.locator(".gb-failed").count() == 0
        assert page.locator("article .math").count() > 0
        unset = "article .math:not(:has(mjx-container)), mjx-merror"
        assert page.locator(unset).count() == 0
        assert wrong == []


@pytest.mark.parametrize("path", LESSONS)
def test_plotly_waits_until_it_is_near(browser, address, path):
    """A lesson's plotly figures cost nothing until a reader comes near them."""
    asked = []
    with visit(browser, address, path, scroll=False, asked=asked) as (page, wrong):
        page.wait_for_load_state("networkidle")
        assert "plotly.min.js" not in asked
        figures = page.locator(".gb-plotly")
        for i in range(figures.count()):
            figures.nth(i).scroll_into_view_if_needed()
            figures.nth(i).locator("canvas, svg").first.wait_for(state="attached")
        assert asked.count("plotly.min.js") == min(1, figures.count())
        assert wrong == []


@pytest.mark.parametrize(
    ("path", "what"), [("book/glossary.html", "."), ("notebooks/06_gan.html", "’s")]
)
def test_a_full_stop_stays_with_its_formula(browser, address, path, what):
    """Narrow a page step by step: no line ever begins with what follows a formula."""
    with visit(browser, address, path, scroll=False) as (page, _):
        page.wait_for_selector("mjx-container")
        page.evaluate("MathJax.startup.promise")
        tears = """() => [...document.querySelectorAll(".gb-together")]
          .filter((e) => e.getClientRects().length > 1).length"""
        assert page.locator(".gb-together", has_text=what).count() > 3
        for width in range(900, 380, -20):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(tears) == 0


def test_front_door_leads_in(browser, address):
    """index.html, which `make book` prints, opens the first page."""
    with visit(browser, address, "index.html", scroll=False) as (page, wrong):
        page.wait_for_url(f"**/{pages()[0]}")
        expect(page.locator("article h1")).to_contain_text("Generative Models, Alive")
        assert wrong == []


def test_search_finds(browser, address):
    """The search works without a server, and leads to the page with the word."""
    with visit(browser, address, "search.html?q=reparameterization") as (page, wrong):
        page.wait_for_selector("#search-results li a")
        hits = page.locator("#search-results li a").all_inner_texts()
        assert "Glossary" in " ".join(hits)
        assert wrong == []


def test_theme_can_be_chosen(browser, address):
    """The button in the header changes the ground, and the choice outlives the page."""
    with visit(browser, address, pages()[0]) as (page, wrong):
        ground = "getComputedStyle(document.body).backgroundColor"
        seen = {page.evaluate(ground)}
        for _ in range(2):
            page.get_by_role("button", name="Color mode").click()
            seen.add(page.evaluate(ground))
        assert len(seen) == 2  # of auto, light and dark, two look the same
        chosen = page.evaluate("document.documentElement.dataset.mode")
        page.reload()
        assert page.evaluate("document.documentElement.dataset.mode") == chosen
        assert wrong == []


def test_phone_has_the_contents(browser, address):
    """On a phone the contents are behind a button, and lead on."""
    with visit(browser, address, pages()[0], **PHONE) as (page, wrong):
        link = page.get_by_role("link", name="Notation").first
        expect(page.locator("#pst-primary-sidebar")).not_to_be_in_viewport()
        page.locator(".primary-toggle").click()
        link = page.locator("#pst-primary-sidebar-modal").get_by_role("link")
        link.get_by_text("Notation").click()
        page.wait_for_url("**/notation.html")
        assert wrong == []


BAD = """<!doctype html><html lang=en><title>Bad</title><main><h1>Bad</h1>
<article><img src=x.png><p style="width: 900px; color: #ccc">pale</p></article>
<div class=gb-widget><canvas></canvas><input type=range aria-label=dead></div>
<div class=gb-plotly></div>
<script>console.error("a word"); fetch("http://192.0.2.1/").catch(() => 0)</script>
<script>throw new Error("a slip")</script></main>"""


def test_the_checks_can_fail(browser, tmp_path, monkeypatch):
    """A page with every fault: each of the checks above finds its own."""
    (tmp_path / "bad.html").write_text(BAD)
    monkeypatch.setattr("tests.site.visit.DRAWN", "() => 1")  # without the ten seconds
    with (
        serve(tmp_path) as base,
        visit(browser, base, "bad.html", **PHONE) as (page, wrong),
    ):
        said = " | ".join(wrong)
        for fault in (
            "console error: a word",
            "exception: a slip",
            "HTTP 404",
            "request outside the site: http://192.0.2.1/",
            "1 plotly figure(s) not drawn",
        ):
            assert fault in said
        assert len(silent_images(page)) == 1
        assert too_wide(page) != []
        count, still = unmoved(page)
        assert count == len(still) == 1
        found = " ".join(inaccessible(page))
        assert "image-alt" in found and "color-contrast" in found
