"""Widgets revived on a page without a kernel: moved, linked, counted, asked, read."""

import json
import re
from pathlib import Path

import anywidget
import ipywidgets as ipw
import numpy as np
import pytest
import torch
import traitlets
from axe_playwright_python.sync_playwright import Axe
from ipywidgets.embed import dependency_state
from torch import nn
from torch.nn import functional as F

from genbook import palette, widgets
from genbook.widgets.known import HYDRATED
from tests.widget_samples import QUESTIONS, decoder

WIDGETS = Path(widgets.__file__).parent
THEMES = """
  html { background: #fff; color: #222832; color-scheme: light }
  html[data-theme=dark] { background: #14181e; color: #ced6dd; color-scheme: dark }
  body { font-family: sans-serif; max-width: 46rem; margin: 0 auto; padding: 0 1rem }
"""


def in_script(kind: str, content: object) -> str:
    """Return JSON in a script tag, as myst-nb writes it."""
    text = json.dumps(content).replace("</", "<\\/")
    mime = f"application/vnd.jupyter.widget-{kind}+json"
    return f'<script type="{mime}">{text}</script>'


def state_of(*shown: ipw.Widget) -> dict:
    """Return what a notebook that shows these widgets stores of them."""
    state = dependency_state(shown, drop_defaults=False)
    return {"version_major": 2, "version_minor": 0, "state": state}


def view_of(widget: ipw.Widget) -> str:
    """Return the script tag that stands where the widget is shown."""
    return in_script("view", {"version_major": 2, "model_id": widget.model_id})


@pytest.fixture
def show(browser, tmp_path):
    """Return a function that opens a page with widgets on it, from a file.

    After the test the console must hold what the test said it would, and no more.
    """
    errors, pages = [], []

    def show(*shown, html=None, console=(), **context):
        if html is None:
            html = "".join(map(view_of, shown)) + in_script("state", state_of(*shown))
        file = tmp_path / f"{len(pages)}.html"
        file.write_text(
            "<!doctype html><html lang=en data-theme=light><meta charset=utf-8>"
            "<meta name=viewport content='width=device-width'><title>Widgets</title>"
            f"<style>{THEMES}</style>"
            f"<link rel=stylesheet href='{(WIDGETS / 'hydrate.css').as_uri()}'>"
            f"<script defer src='{(WIDGETS / 'hydrate.js').as_uri()}'></script>"
            f"<main><h1>Widgets</h1>{html}</main>",
            encoding="utf-8",
        )
        page = browser.new_page(**context)
        pages.append((page, console))
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda e: errors.append((page, str(e))))
        page.on(
            "console",
            lambda m: errors.append((page, m.text)) if m.type != "log" else None,
        )
        page.goto(file.as_uri())
        # A canvas that has drawn a frame says how long it took.
        canvases = page.locator(".gb-any > .gb-figure:not(.gb-quiz)")
        for i in range(sum(isinstance(w, widgets.Panel) for w in shown)):
            if i < canvases.count():
                page.wait_for_function("document.querySelector('[data-ms]')")
        return page

    yield show
    for page, console in pages:
        said = [text for p, text in errors if p is page]
        assert len(said) == len(console), said
        for text, expected in zip(said, console, strict=True):
            assert expected in text
        page.close()


def get(page, widget, trait):
    """Return a trait as the page has it."""
    return page.evaluate(
        "([id, trait]) => genbook.model(id).get(trait)", [widget.model_id, trait]
    )


def put(page, widget, trait, value):
    """Set a trait on the page."""
    page.evaluate(
        "([id, trait, value]) => genbook.model(id).set(trait, value)",
        [widget.model_id, trait, value],
    )


def frame(page):
    """Wait until what was asked for is drawn."""
    page.evaluate(
        "new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))"
    )


def at_rest(page):
    """Wait until no figure has drawn for ten frames.

    Some spread what they have to compute over many frames, more of them on a slow
    machine; while they do, each of these frames is drawn.
    """
    page.evaluate(
        """() => new Promise((done) => {
          let quiet = 0;
          const seen = new MutationObserver(() => { quiet = 0; });
          const drawn = { subtree: true, attributeFilter: ["data-ms"] };
          seen.observe(document.body, drawn);
          const next = () => {
            if (quiet++ < 10) return requestAnimationFrame(next);
            seen.disconnect();
            done();
          };
          requestAnimationFrame(next);
        })"""
    )


def picture(page, selector):
    """Return what a canvas shows, in a string."""
    frame(page)
    return page.locator(selector).first.evaluate("(c) => c.toDataURL()")


# ---- Controls ------------------------------------------------------------------------


def moved_by(page, selector, key, widget, trait):
    """Press a key on a control; return the trait before and after."""
    before = get(page, widget, trait)
    page.locator(selector).first.focus()
    page.keyboard.press(key)
    return before, get(page, widget, trait)


def test_int_slider(show):
    """Arrow keys, bounds, readout, description, and what is set from elsewhere."""
    slider = ipw.IntSlider(value=3, min=-2, max=5, step=2, description="steps")
    page = show(slider)
    control = page.get_by_role("slider", name="steps")
    assert control.input_value() == "4"  # -2, 0, 2, 4: the browser keeps to the steps
    assert page.locator("output").inner_text() == "3"
    assert moved_by(page, "input", "ArrowLeft", slider, "value") == (3, 2)
    assert moved_by(page, "input", "Home", slider, "value") == (2, -2)
    assert page.locator("output").inner_text() == "−2"
    put(page, slider, "max", 0)
    assert moved_by(page, "input", "End", slider, "value") == (-2, 0)


def test_float_slider(show):
    """The readout has the slider's own format; a slider can be disabled."""
    slider = ipw.FloatSlider(value=0.2, min=0, max=1, step=0.05, readout_format=".0%")
    quiet = ipw.FloatSlider(value=1, readout=False, disabled=True, description="off")
    page = show(slider, quiet)
    assert page.locator("output").first.inner_text() == "20%"
    assert page.locator("output").nth(1).is_hidden()
    before, after = moved_by(page, "input", "ArrowRight", slider, "value")
    assert (before, after) == (0.2, pytest.approx(0.25))
    assert page.locator("output").first.inner_text() == "25%"
    assert page.get_by_role("slider", name="off").is_disabled()
    put(page, quiet, "disabled", False)
    assert page.get_by_role("slider", name="off").is_enabled()


def test_slider_that_waits_for_release(show):
    """With continuous_update off the value changes at the end of a drag."""
    slider = ipw.FloatSlider(value=0, max=1, continuous_update=False)
    page = show(slider)
    control = page.locator("input")
    control.evaluate("(e) => { e.value = 0.5; e.dispatchEvent(new Event('input')) }")
    assert get(page, slider, "value") == 0
    control.evaluate("(e) => e.dispatchEvent(new Event('change'))")
    assert get(page, slider, "value") == 0.5


def test_selection_slider(show):
    """It walks through words, and says them to a screen reader."""
    slider = ipw.SelectionSlider(options=["low", "mid", "high"], description="noise")
    page = show(slider)
    assert moved_by(page, "input", "ArrowRight", slider, "index") == (0, 1)
    assert page.locator("output").inner_text() == "mid"
    assert page.locator("input").get_attribute("aria-valuetext") == "mid"


def test_dropdown(show):
    """By keyboard and by choice; no choice at all shows none."""
    menu = ipw.Dropdown(options=["a", "b", "c"], description="letter")
    none = ipw.Dropdown(options=["a"], value=None, description="none")
    page = show(menu, none)
    assert moved_by(page, "select", "ArrowDown", menu, "index") == (0, 1)
    page.get_by_label("letter").select_option("c")
    assert get(page, menu, "index") == 2
    put(page, menu, "index", 0)
    assert page.get_by_label("letter").input_value() == "a"
    assert page.get_by_label("none").evaluate("(e) => e.selectedIndex") == -1


def test_toggle_buttons(show):
    """A radio group: the arrow keys choose, two of them do not disturb each other."""
    one = ipw.ToggleButtons(options=["linear", "spherical"], description="path")
    two = ipw.ToggleButtons(options=["linear", "spherical"], disabled=True)
    page = show(one, two)
    group = page.get_by_role("radiogroup", name="path")
    assert group.get_by_role("radio", name="linear").is_checked()
    assert moved_by(page, "input", "ArrowRight", one, "index") == (0, 1)
    assert group.get_by_role("radio", name="spherical").is_checked()
    group.get_by_role("radio", name="linear").click()
    assert get(page, one, "index") == 0
    assert get(page, two, "index") == 0
    assert page.locator("input:disabled").count() == 2


def test_checkbox(show):
    """By keyboard and by its words."""
    box = ipw.Checkbox(value=False, description="show the truth")
    page = show(box)
    assert moved_by(page, "input", "Space", box, "value") == (False, True)
    page.get_by_text("show the truth").click()
    assert get(page, box, "value") is False


def test_play_runs_and_stops(show):
    """It counts to its end, moves what it is linked to, and starts again from there."""
    play = ipw.Play(value=0, min=0, max=3, step=1, interval=20)
    slider = ipw.IntSlider(min=0, max=3)
    ipw.jslink((play, "value"), (slider, "value"))
    page = show(ipw.HBox([play, slider]))
    # What the button said, in order: a busy machine may look too late to see it.
    page.evaluate(
        """(id) => {
          window.said = [];
          const button = document.querySelector("button");
          genbook.model(id).on("change:playing", () => {
            said.push(button.getAttribute("aria-label"));
          });
        }""",
        play.model_id,
    )
    for i in (2, 4):
        page.get_by_role("button", name="Play").click()
        page.wait_for_function(f"said.length === {i}")
        assert page.evaluate("said") == ["Pause", "Play"] * (i // 2)
        assert get(page, slider, "value") == 3
        page.wait_for_timeout(100)
        assert get(page, play, "value") == 3
        assert page.locator("output").inner_text() == "3"
    page.get_by_role("button", name="Back to the start").click()
    assert get(page, slider, "value") == 0


def test_play_can_be_paused_and_repeated(show):
    """Paused it stays; repeating it begins anew and does not stop."""
    play = ipw.Play(value=0, min=0, max=2, interval=20, repeat=True)
    page = show(play)
    record = f"""window.seen = [];
      genbook.model('{play.model_id}').on('change:value', (_, v) => seen.push(v))"""
    page.evaluate(record)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("seen.length > 5")
    page.get_by_role("button", name="Pause").click()
    seen = page.evaluate("seen")
    assert seen[:6] == [1, 2, 0, 1, 2, 0]
    page.wait_for_timeout(100)
    assert page.evaluate("seen") == seen


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_nothing_moves_by_itself_for_who_asked_for_that(show, motion):
    """A Play saved while running goes on, unless the reader wants reduced motion."""
    play = ipw.Play(value=0, max=10_000, interval=20, playing=True)
    page = show(play, reduced_motion=motion)
    if motion == "no-preference":
        page.wait_for_function(f"genbook.model('{play.model_id}').get('value') > 5")
    else:
        page.wait_for_timeout(300)
        assert get(page, play, "value") == 0
    assert get(page, play, "playing") == (motion == "no-preference")


def test_boxes_html_and_label(show):
    """Children in order, side by side or one beneath another; HTML is HTML."""
    html = ipw.HTML("<b>bold</b>")
    label = ipw.Label("1 < 2 <b>")
    row = ipw.HBox([ipw.Label("left"), ipw.Label("right")])
    box = ipw.VBox([row, html, label, ipw.Box([ipw.Label("in a box")])])
    page = show(box)
    x = {t: page.get_by_text(t, exact=True).bounding_box() for t in ("left", "right")}
    assert x["left"]["x"] < x["right"]["x"] and x["left"]["y"] == x["right"]["y"]
    bold = page.locator("b")
    assert bold.inner_text() == "bold"
    assert bold.bounding_box()["y"] > x["left"]["y"]
    assert page.get_by_text("1 < 2 <b>").count() == 1
    put(page, html, "value", "<i>other</i>")
    assert page.locator("i").inner_text() == "other"
    assert page.get_by_text("in a box").count() == 1


def test_layout_is_honoured(show):
    """Sizes given in Python hold, as far as the page is wide enough."""
    box = ipw.VBox([ipw.Label("x")], layout={"width": "200px", "border": "1px solid"})
    wide = ipw.VBox([ipw.Label("y")], layout={"width": "2000px"})
    page = show(box, wide, viewport={"width": 390, "height": 700})
    assert page.locator(".gb-vbox").first.bounding_box()["width"] == 200
    assert page.evaluate("document.documentElement.scrollWidth") == 390


# ---- Links and models ----------------------------------------------------------------


def test_links_both_ways_and_to_several(show):
    """jslink goes both ways, jsdlink one way, and one source may have many targets."""
    a, b, c, d = (ipw.FloatSlider(value=v, max=9, step=1) for v in (1, 2, 3, 4))
    ipw.jslink((a, "value"), (b, "value"))
    ipw.jsdlink((a, "value"), (c, "value"))
    ipw.jsdlink((c, "value"), (d, "max"))
    page = show(ipw.VBox([a, b, c, d]))

    def values():
        return [get(page, w, "value") for w in (a, b, c)] + [get(page, d, "max")]

    assert values() == [1, 1, 1, 1]  # at the start the source decides
    put(page, b, "value", 5)
    assert values() == [5, 5, 5, 5]
    put(page, c, "value", 7)
    assert values() == [5, 5, 7, 7]
    moved_by(page, "input >> nth=1", "ArrowRight", b, "value")
    assert values() == [6, 6, 6, 6]


def test_a_model_shown_twice_and_two_notebooks_states(show):
    """Two views of one model move together; states from several scripts are one."""
    slider, other = ipw.IntSlider(value=1), ipw.IntSlider(value=7)
    page = show(
        html=view_of(slider) * 2
        + view_of(other)
        + in_script("state", state_of(slider))
        + in_script("state", state_of(other))
    )
    page.locator("input").nth(1).press("ArrowRight")
    assert page.locator("output").all_inner_texts() == ["2", "2", "7"]


def test_what_cannot_be_shown_says_so(show):
    """A sentence for the reader, an error in the console, and the rest lives on."""
    slider, text = ipw.IntSlider(), ipw.Text()
    lost = view_of(ipw.IntSlider())
    page = show(
        html=view_of(text) + lost + view_of(slider) + in_script(
            "state", state_of(slider, text)
        ),
        console=["TextModel", "not among the widgets"],
    )  # fmt: skip
    failed = page.locator(".gb-failed").all_inner_texts()
    assert failed == [
        "This figure could not start: the page does not know the widget TextModel.",
        "This figure could not start: it is not among the widgets saved in this page.",
    ]
    assert moved_by(page, "input", "ArrowRight", slider, "value") == (0, 1)
    assert "TextModel" not in HYDRATED


class Probe(anywidget.AnyWidget):
    """Uses all of the protocol that the page offers."""

    _esm = """
    export default () => ({
      initialize({ model }) {
        globalThis.begun = (globalThis.begun ?? 0) + 1;
      },
      render({ model, el, signal, experimental }) {
        const button = document.createElement("button");
        const show = () => { button.textContent = model.get("n"); };
        button.onclick = () => {
          model.set({ n: model.get("n") + 1 });
          model.save_changes();
        };
        model.on("change:n", show);
        if (model.get("bytes").getUint8(1) !== 7) throw new Error("bytes");
        if (model.get("n") === 9) model.off("change:n", show);
        show();
        el.append(button);
        return () => model.off("change:n", show);
      },
    });
    """
    _css = "button { letter-spacing: 3px }"
    n = traitlets.Int().tag(sync=True)
    bytes = traitlets.Bytes(bytes([1, 7])).tag(sync=True)


def test_the_anywidget_protocol(show):
    """Initialised once a model, rendered once a view, styled once a page."""
    probe, other, deaf = Probe(), Probe(n=5), Probe(n=9)
    slider = ipw.IntSlider()
    ipw.jslink((slider, "value"), (probe, "n"))
    page = show(probe, probe, other, deaf, slider)
    buttons = page.get_by_role("button")
    page.wait_for_function("document.querySelectorAll('button').length === 4")
    assert page.evaluate("begun") == 3
    buttons.first.click()
    put(page, deaf, "n", 10)
    assert buttons.all_inner_texts() == ["1", "1", "5", "9"]
    assert get(page, slider, "value") == 1
    styles = page.locator("style").all()
    assert sum("letter-spacing" in s.inner_html() for s in styles) == 1
    spacing = "(e) => getComputedStyle(e).letterSpacing"
    assert buttons.first.evaluate(spacing) == "3px"


def test_who_does_not_listen_any_more_is_not_told(show):
    """A listener can be taken off alone, with its event, or with all."""
    slider = ipw.IntSlider()
    page = show(slider)
    told = page.evaluate(
        """(id) => {
          const m = genbook.model(id), told = [];
          const one = () => told.push("one"), two = () => told.push("two");
          let n = 0;
          const change = () => { told.push(++n); m.set("value", n); };
          m.on("change:value", one); m.on("change:value change", two); change();
          m.off("change:value", one); change();
          m.off("change:value"); change();
          m.off(); change();
          return told;
        }""",
        slider.model_id,
    )
    assert told == [1, "one", "two", "two", 2, "two", "two", 3, "two", 4]


class Broken(anywidget.AnyWidget):
    """A widget that throws."""

    _esm = "export default { render() { throw new Error('no luck') } }"


def test_a_canvas_that_throws_says_so(show):
    """The reader is told in place, the console in detail."""
    page = show(Broken(), console=["no luck"])
    page.get_by_text("This figure could not start: no luck.").wait_for()


# ---- The figures ---------------------------------------------------------------------


def latent_plane():
    """Return a small latent plane, and its decoder."""
    net = decoder(2)
    codes = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(40) % 10
    return widgets.latent_plane(net, codes, labels), net


def interpolation(k=8):
    """Return a small interpolation, and its decoder and codes."""
    generator = torch.Generator().manual_seed(2)
    net, codes = decoder(k), torch.randn(3, k, generator=generator)
    images = torch.rand(3, 8, 8, generator=generator)
    return widgets.interpolation(net, codes, images, names=["p", "q", "r"]), net, codes


def pixels_of(page, selector):
    """Return a canvas as (H, W, 3), 0…255."""
    frame(page)
    rgba, size = page.locator(selector).evaluate(
        """(c) => {
          const copy = new OffscreenCanvas(c.width, c.height);
          const ctx = copy.getContext("2d", { willReadFrequently: true });
          ctx.drawImage(c, 0, 0);
          const { data } = ctx.getImageData(0, 0, c.width, c.height);
          return [[...data], [c.height, c.width, 4]];
        }"""
    )
    return np.array(rgba, dtype=float).reshape(size)[..., :3]


def shows(page, selector, net, z):
    """Compare a canvas with what torch decodes at z, enlarged by torch."""
    got = torch.tensor(pixels_of(page, selector)[..., 1], dtype=torch.float)
    size = got.shape
    mean = net(torch.as_tensor(z, dtype=torch.float)).sigmoid().reshape(1, 1, 8, 8)
    large = F.interpolate(mean, size=size, mode="bicubic").clamp(0, 1)[0, 0]
    ground, ink = (int(colour[3:5], 16) for colour in palette.TILE)
    assert large.std() > 0.05
    return (got - (ground + large * (ink - ground))).abs().mean().item() < 1.5


def test_latent_plane_by_keyboard(show):
    """Arrow keys on the plane, and on both sliders, move the point and the digit."""
    panel, net = latent_plane()
    canvas = panel.children[0]
    page = show(panel)
    assert shows(page, ".gb-digit", net, [0, 0])
    assert not shows(page, ".gb-digit", net, [2.5, -2.5])  # the comparison can fail
    steps = {
        "ArrowRight": (0.1, 0),
        "ArrowUp": (0.1, 0.1),
        "Shift+ArrowLeft": (-0.4, 0.1),
        "ArrowDown": (-0.4, 0),
    }
    plane = page.get_by_role("application")
    before = picture(page, ".gb-digit"), picture(page, ".gb-plane")
    for key, z in steps.items():
        plane.press(key)
        assert (get(page, canvas, "z1"), get(page, canvas, "z2")) == z
        assert shows(page, ".gb-digit", net, z)
        after = picture(page, ".gb-digit"), picture(page, ".gb-plane")
        assert before[0] != after[0] and before[1] != after[1]
        before = after
    assert page.locator(".gb-said").inner_text() == "z = (−0.40, 0.00)"
    sliders = page.get_by_role("slider")
    assert float(sliders.first.input_value()) == -0.4
    for i in range(2):
        sliders.nth(i).press("ArrowRight")
        after = picture(page, ".gb-digit"), picture(page, ".gb-plane")
        assert before[0] != after[0] and before[1] != after[1]
        before = after
    z = [get(page, canvas, "z1"), get(page, canvas, "z2")]
    assert z == pytest.approx([-0.35, 0.05])
    assert shows(page, ".gb-digit", net, z)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_plane_lies_as_its_axes_say(show, axis):
    """z₁ grows to the right and z₂ upwards: for codes, for the point, for the map."""
    net = nn.Sequential(nn.Linear(2, 64))
    net[0].bias.data[:], net[0].weight.data[:] = 0, 0
    net[0].weight.data[:, axis] = 5  # ink where this coordinate is positive
    code = [1.5, 2.1]
    panel = widgets.latent_plane(net, [code])
    canvas = panel.children[0]
    page = show(panel)
    image = pixels_of(page, ".gb-plane")
    side = image.shape[0] - 22  # the rest is for the numbers: left and beneath
    center = np.array([22 + side / 2, side / 2])

    def place(z):
        return center + np.array([z[0], -z[1]]) / canvas.limit * side / 2

    def middle(colour):
        rgb = np.array(list(bytes.fromhex(colour[1:])))
        rows, columns = np.nonzero(np.abs(image - rgb).max(-1) < 12)
        assert len(rows), "the colour is nowhere on the plane"
        return np.array([columns.mean(), rows.mean()]) + 0.5

    assert np.abs(middle(palette.COLORS["latent"]) - place(code)).max() < 1.5
    put(page, canvas, "z1", -2.0)
    put(page, canvas, "z2", 1.0)
    image = pixels_of(page, ".gb-plane")
    assert np.abs(middle(palette.TILE[1]) - place([-2, 1])).max() < 1.5
    x, y = center.astype(int)
    left, right = image[:side, 22:x].mean(), image[:side, x:].mean()
    top, bottom = image[:y, 22:].mean(), image[y:side, 22:].mean()
    across, up = right - left, top - bottom
    assert (across, up)[axis] > 20 > 5 > abs((across, up)[1 - axis])


def test_latent_plane_by_mouse(show):
    """A drag takes the point along, to the edge and not beyond; sliders follow."""
    panel, net = latent_plane()
    canvas = panel.children[0]
    page = show(panel)
    box = page.locator(".gb-plane").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y - 30)
    z = [get(page, canvas, "z1"), get(page, canvas, "z2")]
    assert 0 < z[0] < canvas.limit and 0 < z[1] < canvas.limit
    assert shows(page, ".gb-digit", net, z)
    page.mouse.move(box["x"] + 3 * box["width"], y)
    page.mouse.up()
    assert get(page, canvas, "z1") == canvas.limit
    assert page.get_by_role("slider").first.input_value() == str(canvas.limit).rstrip(
        ".0"
    )
    page.mouse.move(x, y)  # let go of
    assert get(page, canvas, "z1") == canvas.limit


def test_latent_plane_by_finger(show):
    """Held, the point follows; a tap moves it; a swipe elsewhere scrolls the page."""
    panel, _ = latent_plane()
    canvas = panel.children[0]
    page = show(
        panel,
        html=view_of(panel) + in_script("state", state_of(panel)) + "<p>x<p>" * 99,
        has_touch=True,
        viewport={"width": 390, "height": 700},
    )
    page.wait_for_function("document.querySelector('[data-ms]')")
    touch = page.context.new_cdp_session(page)

    def swipe(x, y, to_x, to_y):
        def send(kind, *points):
            points = [{"x": x, "y": y} for x, y in points]
            event = {"type": kind, "touchPoints": points}
            touch.send("Input.dispatchTouchEvent", event)

        send("touchStart", (x, y))
        for i in range(1, 11):
            send("touchMove", (x + (to_x - x) * i / 10, y + (to_y - y) * i / 10))
        page.wait_for_timeout(300)  # a finger at rest throws nothing
        send("touchMove", (to_x, to_y))
        send("touchEnd")
        frame(page)

    def point():
        return get(page, canvas, "z1"), get(page, canvas, "z2")

    box = page.locator(".gb-plane").bounding_box()
    side = box["width"] - 22
    x, y = box["x"] + 22 + side / 2, box["y"] + side / 2
    swipe(x, y, x + side / 4, y + side / 4)
    assert point() == pytest.approx((canvas.limit / 2, -canvas.limit / 2), abs=0.1)
    assert page.evaluate("scrollY") == 0
    held = point()
    swipe(x - side / 4, y, x - side / 4, y - side / 2)
    assert point() == held
    assert page.evaluate("scrollY") > 50
    page.evaluate("scrollTo(0, 0)")
    page.touchscreen.tap(x - side / 4, y)
    frame(page)
    assert point() == pytest.approx((-canvas.limit / 2, 0), abs=0.1)


def test_interpolation_controls(show):
    """Every control changes the pictures by keyboard; the canvas moves the slider."""
    panel, net, codes = interpolation()
    canvas = panel.children[0]
    page = show(panel)
    assert shows(page, ".gb-digit", net, (codes[0] + codes[1]) / 2)
    seen = ".gb-digit", ".gb-strip", ".gb-curve"

    def pictures():
        return [picture(page, s) for s in seen]

    before = pictures()
    page.get_by_role("slider", name="t", exact=True).press("ArrowRight")
    after = pictures()
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert get(page, canvas, "t") == pytest.approx(0.52)
    strip = page.get_by_role("slider", name="Step between the two digits")
    strip.press("ArrowRight")
    strip.press("ArrowRight")
    assert page.get_by_role("slider", name="t", exact=True).input_value() == "0.56"
    z = torch.lerp(codes[0], codes[1], 0.56)
    assert shows(page, ".gb-digit", net, z)
    said = f"t = 0.56, ‖z‖ = {z.norm():.2f}"
    assert page.locator(".gb-said").inner_text() == said
    assert strip.get_attribute("aria-valuetext") == said
    assert strip.get_attribute("aria-valuenow") == "0.56"

    before = pictures()
    page.get_by_role("radio", name="linear").press("ArrowRight")
    assert get(page, canvas, "path") == 1
    assert all(a != b for a, b in zip(before, pictures(), strict=True))

    for i, name in enumerate(["from", "to"]):
        seen = ".gb-digit", ".gb-strip", ".gb-curve", f".gb-end canvas >> nth={i}"
        before = pictures()
        page.get_by_label(name, exact=True).press("ArrowDown")
        assert all(a != b for a, b in zip(before, pictures(), strict=True)), name
    strip.press("Home")
    assert get(page, canvas, "t") == 0
    assert shows(page, ".gb-digit", net, codes[get(page, canvas, "a")])
    strip.press("End")
    assert shows(page, ".gb-digit", net, codes[get(page, canvas, "b")])


def test_interpolation_by_mouse(show):
    """A drag along the strip is t; a click on an end takes the next image."""
    panel, _, _ = interpolation()
    canvas = panel.children[0]
    page = show(panel)
    box = page.locator(".gb-strip").bounding_box()
    y = box["y"] + box["height"] / 3
    page.mouse.move(box["x"] + 5, y)
    page.mouse.down()
    assert get(page, canvas, "t") == 0
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.up()
    assert get(page, canvas, "t") == 0.5
    page.get_by_role("button", name="From p").click()
    assert get(page, canvas, "a") == 1
    assert page.get_by_label("from", exact=True).input_value() == "q"
    page.get_by_role("button", name="To q").click()
    page.get_by_role("button", name="To r").click()
    assert get(page, canvas, "b") == 0


def test_interpolation_says_how_long_the_code_is(show):
    """The curve's words hold the shortest code on each path."""
    net = nn.Sequential(nn.Linear(2, 64))
    codes = [[3.0, 0], [0, 3.0]]
    page = show(widgets.interpolation(net, codes, np.zeros((2, 8, 8))))
    words = page.locator(".gb-curve").get_attribute("aria-label")
    assert re.findall(r"\d\.\d", words) == ["2.1", "3.0", "1.4"]  # 3/√2, 3, √2


def test_quiz_gives_its_reasons(show):
    """A reason for every answer picked, by mouse and by keyboard; questions apart."""
    page = show(widgets.quiz(QUESTIONS))
    page.get_by_role("radio").first.wait_for()
    reasons = page.locator("[aria-live]")
    assert reasons.all_inner_texts() == ["", ""]
    first = page.get_by_role("group").first
    answers = next(iter(QUESTIONS.values()))
    assert first.get_by_role("radio").count() == len(answers)
    first.get_by_role("radio").first.check()
    for _, correct, reason in answers:
        said = reasons.first.inner_text()
        assert reason.replace("<em>", "").replace("</em>", "") in said
        assert ("Right" in said) == correct
        assert ("Not this one" in said) != correct
        line = reasons.first.evaluate("(e) => getComputedStyle(e).borderLeftColor")
        hue = palette.COLORS["truth"] if correct else palette.CLASSES[5]
        assert line == f"rgb{tuple(bytes.fromhex(hue[1:]))}"
        page.keyboard.press("ArrowDown")
    assert reasons.nth(1).inner_text() == ""
    assert page.locator("em").first.inner_text() == "not"


def test_theme_and_ink(show):
    """When the page turns dark, what is written on the canvas does, too."""
    panel, _, _ = interpolation()
    page = show(panel)
    light = picture(page, ".gb-curve")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert picture(page, ".gb-curve") != light


def everything():
    """Return one of each: figures and controls."""
    return [
        latent_plane()[0],
        interpolation()[0],
        widgets.quiz(QUESTIONS),
        ipw.SelectionSlider(options=["a", "b"]),
        ipw.Checkbox(description="box"),
        ipw.Play(),
        ipw.IntSlider(),
        ipw.Dropdown(options=["a"], description="menu"),
        ipw.HTML("text"),
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(show, theme):
    """Names, roles and contrast, with a reason shown, in both themes."""
    page = show(*everything())
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.locator(".gb-quiz input").first.check()
    frame(page)
    # No preload: it would fetch the style sheets again, which a file:// page may not.
    result = Axe().run(page, options={"preload": False})
    assert result.violations_count == 0, result.generate_report()


def every_control_is_large(page):
    """Hold each control to 24 pixels, which a finger hits."""
    controls = (
        ".gb-widget :is(button, select, input[type=range], canvas[tabindex], label)"
    )
    for control in page.locator(controls).all():
        box = control.bounding_box()
        if box is None or control.evaluate("(e) => e.className === 'gb-label'"):
            continue
        assert box["height"] >= 24 and box["width"] >= 24, control.evaluate(
            "(e) => e.outerHTML"
        )


def test_phone(show):
    """No sideways scroll at 390 pixels, and a finger hits every control."""
    page = show(*everything(), viewport={"width": 390, "height": 800})
    frame(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    every_control_is_large(page)
