"""What every widget owes its reader: names, room on a phone, quick frames, a still."""

import base64
import inspect
import io

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from genbook import widgets
from tests.site import test_widgets_page as pages
from tests.site.visit import LIVE, frame_times, late_frame
from tests.widget_samples import PANELS

show = pages.show  # the fixture that opens a page with widgets on it
FIGURES = [name for name in PANELS if name != "quiz"]  # a quiz has no canvas
LIMIT = 16  # milliseconds: a frame of a screen that draws sixty a second


def test_every_widget_has_a_sample():
    """A widget that is missing here would be asked nothing."""
    made = {
        name
        for name, thing in inspect.getmembers(widgets, inspect.isfunction)
        if not name.startswith("_")
    }
    assert made == set(PANELS)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PANELS)
def test_axe_finds_nothing(show, name, theme):
    """Names, roles and contrast."""
    page = show(PANELS[name]())
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    pages.frame(page)
    # No preload: it would fetch the style sheets again, which a file:// page may not.
    result = Axe().run(page, options={"preload": False})
    assert result.violations_count == 0, result.generate_report()


@pytest.mark.parametrize("name", PANELS)
def test_phone(show, name):
    """No sideways scroll at 390 pixels; a finger hits every control."""
    page = show(PANELS[name](), viewport={"width": 390, "height": 800})
    pages.frame(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for canvas in page.locator("canvas").all():
        box = canvas.bounding_box()
        assert box["width"] > 50 and box["height"] > 24, canvas.get_attribute("class")
    pages.every_control_is_large(page)


@pytest.mark.parametrize("name", FIGURES)
def test_a_frame_follows_the_hand(show, name):
    """The 95th percentile stays under 16 ms, whichever control moves."""
    page = show(PANELS[name]())
    controls = page.locator(LIVE).element_handles()
    assert controls
    for control in controls:
        late = late_frame(page, control)
        who = control.evaluate("(c) => c.parentElement.innerText || c.outerHTML")
        assert late < LIMIT, (who, late)


def test_each_frame_is_counted_once(show):
    """However many controls of the page were moved and counted before."""
    page = show(PANELS["two_gaussians"]())
    for control in page.locator("input[type=range]").element_handles():
        frame_times(page, control, moves=20)
        assert 20 < page.evaluate("drawn") <= 10 + 20


@pytest.mark.parametrize("name", FIGURES)
def test_the_theme_is_followed(show, name):
    """What is written on the canvases turns light when the page turns dark."""
    page = show(PANELS[name]())

    def pictures():
        pages.frame(page)
        return page.locator("canvas").evaluate_all(
            "all => all.map((c) => c.toDataURL()).join()"
        )

    light = pictures()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert pictures() != light


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_call_gives_the_same_text_and_picture(name):
    """It has words and a still, and neither changes by itself."""
    one, two = PANELS[name](), PANELS[name]()
    assert repr(one) == repr(two) == one.alt
    assert one.still == two.still and len(one.still) < 40_000
    image = np.asarray(Image.open(io.BytesIO(one.still)).convert("RGBA"))
    assert image[..., 3].min() == 0 and image[..., 3].max() > 200
    data, metadata = one._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == one.still
    assert metadata == {"image/png": {"alt": one.alt}}
