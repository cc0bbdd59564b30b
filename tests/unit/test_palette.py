"""palette: every colour reads on the light page and on the dark one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from genbook import palette

PAGES = {"light": "#ffffff", "dark": "#14181e"}


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_the_one_of_the_standard():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("colour", sorted({*palette.COLORS.values(), *palette.CLASSES}))
def test_colours_read_on_both_pages(colour, page):
    assert contrast(colour, PAGES[page]) >= 3


def test_ink_reads_on_its_tile():
    assert contrast(*palette.TILE) >= 7


def test_one_colour_means_one_thing():
    assert set(palette.COLORS) == {"data", "model", "truth", "noise", "latent", "ink"}
    assert len(set(palette.COLORS.values())) == 6
    assert len(palette.CLASSES) == len(set(palette.CLASSES)) == 10


def test_css_holds_every_colour_once():
    rules = dict(re.findall(r"--gb-([a-z0-9-]+): (#[0-9a-f]{6});", palette.css()))
    tile, ink = palette.TILE
    assert rules == {
        **palette.COLORS,
        **{f"class-{i}": c for i, c in enumerate(palette.CLASSES)},
        "tile": tile,
        "tile-ink": ink,
    }
    assert palette.css().count("{") == palette.css().count("}") == 1


def test_the_palette_needs_nothing():
    """The site reads it at build time, where torch would cost seconds."""
    code = (
        "import sys; import genbook; from genbook import palette;"
        "print([m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    root = Path(palette.__file__).parents[1]
    out = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=root)
    assert out.strip() == "[]"
