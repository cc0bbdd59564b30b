"""Visiting a page with the network cut, and listing what is wrong with it."""

import functools
import http.server
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from genbook.widgets.panel import script

# What Chromium says about the speed of drawing without a graphics card, when plotly.js
# draws in three dimensions. It is about the machine, and plotly.js is not ours.
MACHINE = ("GL Driver Message (OpenGL, Performance", "Canvas2D: Multiple readback")

# Two frames: what a key press changes is drawn in the next one.
FRAMES = "new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))"

# What a reader can move, of every figure.
LIVE = (
    ".gb-widget :is(input[type=range], select, input[type=radio], button:enabled)"
    ":not(.gb-quiz *)"
)

# Move a control for the i-th time, and wait for the frame that shows it.
MOVE = """([control, i]) => {
  if (control.type === "range") {
    control.value = +control.min + (control.max - control.min) * (i % 40) / 39;
    control.dispatchEvent(new Event("input", { bubbles: true }));
  } else if (control.type === "select-one") {
    control.selectedIndex = i % control.length;
    control.dispatchEvent(new Event("change", { bubbles: true }));
  } else if (control.type === "radio" || i === 0) {
    control.click(); // a button once: what it starts then goes on
  }
  return new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
}"""

# Count the frames that the figure of a control draws.
COUNT = """(control) => {
  globalThis.drawn = 0;
  const figure = control.closest(".gb-widget").querySelector("[data-ms]");
  globalThis.counter?.disconnect(); // or each frame would count once for each of them
  globalThis.counter = new MutationObserver(() => drawn++);
  counter.observe(figure, { attributeFilter: ["data-ms"] });
}"""


def frame_times(page: Page, control, moves: int = 40) -> list[float]:
    """Move a control again and again; return the work of each frame, in ms.

    It is the time that the page's main thread computes, from the move to the frame that
    shows it. On a busy machine that thread also waits, which says nothing about the
    page, so waiting is not counted. A figure that trains goes on drawing meanwhile:
    then it is the mean of the frames there were. Ten moves before are left out, in
    which the browser still compiles.
    """
    page.evaluate(COUNT, control)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def worked() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1e3 * next(m["value"] for m in metrics if m["name"] == "ThreadTime")

    times, last, drawn = [], worked(), 0
    for i in range(10 + moves):
        page.evaluate(MOVE, [control, i])
        now, frames = worked(), page.evaluate("drawn")
        times.append((now - last) / max(1, frames - drawn))
        last, drawn = now, frames
    session.detach()
    return times[10:]


def late_frame(page: Page, control) -> float:
    """Return the 95th percentile of the frames that a control draws, in ms."""
    return statistics.quantiles(frame_times(page, control), n=20)[-1]


# Down the page in steps, as a reader, so that what loads late is loaded; and up again.
SCROLL = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += innerHeight / 2) {
    scrollTo({ top: y, behavior: "instant" });
    await new Promise((r) => setTimeout(r, 30));
  }
  scrollTo({ top: 0, behavior: "instant" });
}"""

DRAWN = """async () => {
  await document.fonts.ready;
  await window.MathJax?.startup?.promise;
  const dead = () => document.querySelectorAll(".gb-plotly:not([data-drawn])").length;
  for (let i = 0; i < 200 && dead(); i++) await new Promise((r) => setTimeout(r, 50));
  return dead();
}"""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; give its address, which ends in a slash."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def visit(
    browser: Browser,
    base: str,
    path: str,
    *,
    scroll: bool = True,
    asked: list[str] | None = None,
    **context: object,
) -> Iterator[tuple[Page, list[str]]]:
    """Open a page of the site at ``base`` with every request outside it refused.

    Gives the page, scrolled through once and drawn, and a list that grows with what
    goes wrong: console errors and warnings, exceptions, refused and failed requests.
    The names of the files the page asks for are added to ``asked``.
    """
    wrong: list[str] = []
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **context})
    page.set_default_timeout(20_000)

    def console(message):
        if message.type not in ("error", "warning"):
            return
        if not any(part in message.text for part in MACHINE):
            wrong.append(f"console {message.type}: {message.text}")

    def request(route):
        if asked is not None:
            asked.append(route.request.url.rpartition("/")[2].partition("?")[0])
        if route.request.url.startswith((base, "data:", "blob:")):
            route.continue_()
        else:
            wrong.append(f"request outside the site: {route.request.url}")
            route.abort()

    def response(r):
        if r.status >= 400:
            wrong.append(f"HTTP {r.status}: {r.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
    page.on("response", response)
    page.on("requestfailed", lambda r: wrong.append(f"request failed: {r.url}"))
    page.route("**/*", request)
    page.goto(base + path)
    if scroll:
        page.evaluate(SCROLL)
        if dead := page.evaluate(DRAWN):
            wrong.append(f"{dead} plotly figure(s) not drawn")
    yield page, wrong
    page.close()


@contextmanager
def functions(browser: Browser, *files: str, names: str) -> Iterator[Callable]:
    """Load a widget's JavaScript; give a function that evaluates with these names.

    call("js.kl(mu, sigma)", mu=0, sigma=1) hands the values over and the result back.
    """
    page = browser.new_page()
    page.evaluate(
        """async (source) => {
          const blob = new Blob([source], {type: "text/javascript"});
          globalThis.js = await import(URL.createObjectURL(blob));
        }""",
        script(*files) + f"\nexport {{ {names} }};",
    )

    def call(body: str, **values: object) -> object:
        return page.evaluate(f"({{ {', '.join(values)} }}) => {body}", values)

    yield call
    page.close()


def inaccessible(page: Page) -> list[str]:
    """Return what axe finds wrong, all of its rules asked.

    Ask last: axe fetches style sheets again by itself, which the console would show.
    """
    violations = Axe().run(page).response["violations"]
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: {node['html'][:200]}"
        for v in violations
        for node in v["nodes"]
    ]


def too_wide(page: Page) -> list[str]:
    """Return what makes the page scroll sideways; [] if it does not."""
    return page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          return [...document.querySelectorAll("body *")]
            .filter((e) => e.getBoundingClientRect().right > width + 1)
            .slice(0, 5).map((e) => e.outerHTML.slice(0, 200));
        }"""
    )


def cut_off(page: Page) -> list[str]:
    """Return the tables, formulas and code of which a reader sees only a part."""
    return page.evaluate(
        """() => [...document.querySelectorAll("article *")]
          .filter((e) => e.scrollWidth > e.clientWidth + 1)
          .filter((e) => ["auto", "scroll"].includes(getComputedStyle(e).overflowX))
          .map((e) => e.textContent.trim().slice(0, 100))"""
    )


def silent_images(page: Page) -> list[str]:
    """Return the images without alt text; outside the article it may be empty."""
    return page.evaluate(
        """() => [...document.images].filter((i) =>
            !i.hasAttribute("alt") || (i.closest("article") && !i.alt.trim()))
          .map((i) => i.outerHTML.slice(0, 200))"""
    )


CONTROLS = ":is(input[type=range], select, .gb-choices input:not(:checked))"


def unmoved(page: Page) -> tuple[int, list[str]]:
    """Press a key on each slider, dropdown and toggle; return how many there are.

    Also returns those whose figure shows the same picture afterwards: the canvases of
    the widget that holds the control, and not its readouts.
    """
    still = []
    controls = page.locator(f".gb-widget {CONTROLS}").element_handles()
    for control in controls:
        control.scroll_into_view_if_needed()
        kind = control.evaluate("(c) => c.type")
        # A slider at its end, or a list at its last entry, can only go back.
        at_end = control.evaluate(
            "(c) => c.type === 'range' ? +c.value + (+c.step || 1) > +c.max"
            " : c.selectedIndex === c.length - 1"
        )
        key = {
            "range": "ArrowLeft" if at_end else "ArrowRight",
            "select-one": "ArrowUp" if at_end else "ArrowDown",
            "radio": "Space",
        }[kind]
        before = picture(page, control)
        control.focus()
        page.keyboard.press(key)
        if picture(page, control) == before:
            still.append(control.evaluate("(c) => c.parentElement.textContent"))
    return len(controls), still


def picture(page: Page, control) -> str:
    """Return what the canvases of a control's figure show, in a string."""
    page.evaluate(FRAMES)
    return control.evaluate(
        """(c) => [...c.closest(".gb-widget").querySelectorAll("canvas")]
          .map((canvas) => canvas.toDataURL()).join()"""
    )
