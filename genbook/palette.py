"""One colour per meaning, for every figure, widget and page of the book.

The hues follow Okabe and Ito's colour-blind-safe set ("Color Universal Design",
2008), moved in lightness until each has a contrast of at least 3:1 both on a white
page and on the dark page (#14181e).
"""

COLORS = {
    "data": "#2f7fc1",  # what was observed
    "model": "#d4650a",  # what was learned
    "truth": "#0f9173",  # what is known exactly
    "latent": "#b060a0",  # what is hidden
    "noise": "#878d98",  # what is random
    "ink": "#7b828d",  # axes and words
}

# Ten classes need ten hues; no ten are safe for every eye, so figures also write the
# digit itself wherever a class matters.
CLASSES = [
    "#2f7fc1",
    "#d4650a",
    "#0f9173",
    "#b060a0",
    "#a07d10",
    "#c9475c",
    "#4b8b3b",
    "#7c6fd0",
    "#1690a5",
    "#8d7464",
]

# A digit is light ink on a dark tile, on the light page as on the dark one.
TILE = ("#1f2838", "#f4efe6")


def css() -> str:
    """Return the palette as CSS custom properties, for widgets and for the site."""
    names = {**COLORS, "tile": TILE[0], "tile-ink": TILE[1]}
    names |= {f"class-{i}": c for i, c in enumerate(CLASSES)}
    rules = "".join(f"  --gb-{name}: {value};\n" for name, value in names.items())
    return f":root {{\n{rules}}}\n"
