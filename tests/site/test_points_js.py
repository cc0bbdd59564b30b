"""Data to choose or to draw: the laws of genbook.data, and what a hand leaves."""

import numpy as np
import pytest

from genbook.widgets import points
from genbook.widgets.panel import script


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that evaluates JavaScript with the module's functions."""
    page = browser.new_page()
    names = "NAMES, DRAWN, LIMIT, random, shape, stroke, dataset, isDrawing"
    page.evaluate(
        """async (source) => {
          const blob = new Blob([source], {type: "text/javascript"});
          globalThis.js = await import(URL.createObjectURL(blob));
          globalThis.pretend = (state) => ({ get: (key) => state[key] });
        }""",
        script("figure.js", "train.js", "points.js") + f"\nexport {{ {names} }};",
    )

    def evaluate(body: str, **values: object) -> object:
        return page.evaluate(f"({{ {', '.join(values)} }}) => {body}", values)

    yield evaluate
    page.close()


def test_both_halves_know_the_same_names(call):
    assert call("js.NAMES") == points.NAMES
    assert call("js.DRAWN") == points.NAMES[-1]
    assert call("js.LIMIT") == points.LIMIT


def counts(x: np.ndarray) -> np.ndarray:
    """Return the share of points in each cell of a lattice on the plane."""
    edges = np.linspace(-points.LIMIT, points.LIMIT, 21)
    return np.histogram2d(*x.T, bins=(edges, edges))[0] / len(x)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Return the total variation distance between two samples, cell by cell."""
    return 0.5 * np.abs(counts(a) - counts(b)).sum()


@pytest.mark.parametrize("name", points.SHAPES)
def test_shapes_have_the_packages_laws(call, name):
    """As close to the package's points as two samples of the package's are."""
    draw = "[...js.shape(name, n, js.random(seed))]"
    x = np.reshape(call(draw, name=name, n=20_000, seed=0), (-1, 2))
    assert np.array_equal(x.ravel(), call(draw, name=name, n=20_000, seed=0))
    assert not np.array_equal(x.ravel(), call(draw, name=name, n=20_000, seed=1))
    assert x.shape == (20_000, 2) and np.abs(x).max() <= points.LIMIT
    a, b = (points.sample(name, 20_000, seed=seed) for seed in (0, 1))
    assert len(a) == 20_000 and np.abs(a).max() <= points.LIMIT
    assert apart(x, a) < 1.3 * apart(a, b)
    for other in points.SHAPES:
        if other != name:
            assert apart(x, points.sample(other, 20_000, seed=0)) > 3 * apart(a, b)


def test_a_stroke_leaves_points_along_it(call):
    """Evenly, with a brush's spread, and never off the plane; a tap leaves a dab."""
    draw = "js.stroke(a, b, js.random(0))"
    x = np.reshape(call(draw, a=[-2.4, -1.0], b=[2.4, 2.0]), (-1, 2))
    along = np.array([4.8, 3.0]) / np.hypot(4.8, 3)
    off = x - [-2.4, -1]
    across = off @ [-along[1], along[0]]
    assert len(x) == round(np.hypot(4.8, 3) / 0.04)
    assert across.std() == pytest.approx(0.06, rel=0.2) and abs(across.mean()) < 0.03
    assert np.diff(off @ along).mean() == pytest.approx(0.04, rel=0.1)
    assert np.abs(call(draw, a=[2.4, 2.4], b=[9.0, 9.0])).max() == points.LIMIT
    dab = np.reshape(call(draw, a=[1.0, 1.0], b=[1.0, 1.0]), (-1, 2))
    assert dab.shape == (8, 2) and np.abs(dab - 1).max() < 0.3


def test_the_dataset_is_what_was_chosen(call):
    """A shape, seeded; or the drawing; the same array until something changes."""
    got = call(
        """{
          const state = { data: 1, drawn: [] }, model = pretend(state);
          const moons = js.dataset(model, 50, 3);
          const same = js.dataset(model, 50, 3) === moons;
          state.data = js.NAMES.length - 1;
          const empty = js.dataset(model, 50, 3).length;
          state.drawn = [1, 2, -1, 0.5];
          const drawn = [...js.dataset(model, 50, 3)];
          state.drawn = [...state.drawn, 0, 0];
          const more = js.dataset(model, 50, 3).length, drawing = js.isDrawing(model);
          state.data = 1;
          return { moons: [...moons], same, empty, drawn, more, drawing,
            back: [...js.dataset(model, 50, 3)], not: js.isDrawing(model),
            shape: [...js.shape("two moons", 50, js.random(3))] };
        }"""
    )
    assert got["moons"] == got["shape"] == got["back"] and got["same"]
    assert (got["empty"], got["drawn"], got["more"]) == (0, [1, 2, -1, 0.5], 6)
    assert got["drawing"] and not got["not"]


def test_another_name_gets_a_sentence():
    assert points.index("spirals") == 2
    for name in ("heart", "drawn by hand", 3):
        with pytest.raises(ValueError, match="data: expected one of ring of eight"):
            points.index(name)
        with pytest.raises(ValueError, match="data: expected one of ring of eight"):
            points.sample(name, 5, seed=0)
