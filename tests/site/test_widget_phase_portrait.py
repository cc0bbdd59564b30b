"""The phase portrait: its JavaScript is the package's arithmetic, its point moves."""

import numpy as np
import pytest
import torch

from genbook import gan_dynamics as gd
from genbook import widgets
from genbook.widgets.phase_portrait import CURES, GAMES, METHODS
from tests.site.test_widgets_page import frame, get, picture, put, show  # noqa: F401
from tests.site.visit import functions

NAMES = "field, jacobian, next, trajectory, eigenvalues"
FIELDS = [gd.minimax, gd.non_saturating, gd.wasserstein]
PENALTY = 2  # of CURES
POINTS = [[1.0, 1.0], [-2.0, 0.5], [0.3, -1.7], [0.0, 0.4]]


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that evaluates JavaScript with the widget's functions."""
    with functions(browser, "figure.js", "phase_portrait.js", names=NAMES) as call:
        yield call


def in_python(game, cure, method, h, gamma):
    """Return the field and the update that the widget's choices name."""
    field = FIELDS[game]
    if cure == PENALTY:
        field = gd.with_gradient_penalty(field, gamma)
    if CURES[cure] == "R1":
        field = gd.with_r1(field, gamma)

    def update(w):
        if METHODS[method] == "consensus":
            w = gd.consensus(field, w, h, gamma)
        else:
            w = getattr(gd, METHODS[method])(field, w, h)
        return gd.clip(w, 1.0) if "clipping" in CURES[cure] else w

    return field, update


EVERY = [
    pytest.param(g, c, m, id=f"{GAMES[g]}-{CURES[c]}-{METHODS[m]}")
    for g in range(3)
    for c in range(4)
    for m in range(4)
]


@pytest.mark.parametrize(("game", "cure", "method"), EVERY)
def test_fields_runs_and_eigenvalues_are_the_packages(call, game, cure, method):
    """For each game, each addition and each method, at small and large steps."""
    for h, gamma in ((0.02, 0.5), (0.3, 1.0), (1.0, 0.3)):
        field, update = in_python(game, cure, method, h, gamma)
        how = {"game": game, "cure": cure, "method": method, "h": h, "gamma": gamma}
        w = torch.tensor(POINTS, dtype=torch.float64)
        got = call("ws.map((w) => js.field(how, w))", how=how, ws=POINTS)
        np.testing.assert_allclose(got, field(w), atol=1e-10)
        got = call("ws.map((w) => js.jacobian(how, w))", how=how, ws=POINTS)
        expected = [torch.func.jacrev(field)(each) for each in w]
        np.testing.assert_allclose(got, torch.stack(expected), atol=1e-10)
        # A run that jumps or grows magnifies the last bits: then it is cut short.
        steps = 40
        got = call(
            "ws.map((w) => js.trajectory(how, w, steps))",
            how=how, ws=POINTS, steps=steps,
        )  # fmt: skip
        expected = gd.trajectory(update, w, steps).transpose(0, 1)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-4)
        got = call("js.eigenvalues(how)", how=how)
        if cure == PENALTY:
            assert got is None
            continue
        values = [complex(*each) for each in got]
        expected = gd.eigenvalues(update).tolist()
        key = lambda v: (round(v.real, 6), round(v.imag, 6))  # noqa: E731
        np.testing.assert_allclose(
            sorted(values, key=key), sorted(expected, key=key), atol=1e-4
        )


# ---- On the page ---------------------------------------------------------------------


def test_controls_change_the_verdict(show):  # noqa: F811
    """From the keyboard: choose R1, and the same start comes home."""
    panel = widgets.phase_portrait()
    canvas = panel.children[0]
    page = show(panel)
    said = page.locator(".gb-said")
    assert "1.0050" in said.inner_text()  # √(1 + (h/2)²) with h = 0.2
    assert "pushes away" in said.inner_text()
    before = picture(page, ".gb-plane")
    page.get_by_role("combobox", name="method").press("ArrowDown")
    assert picture(page, ".gb-plane") != before
    assert "only turns" in said.inner_text()
    page.get_by_role("combobox", name="added").select_option("R1")
    frame(page)
    assert "draws nearer" in said.inner_text()
    page.get_by_role("combobox", name="added").select_option("gradient penalty")
    frame(page)
    assert "jumps at ψ = 0" in said.inner_text()
    put(page, canvas, "cure", 0)
    put(page, canvas, "game", 2)
    put(page, canvas, "method", 0)
    put(page, canvas, "h", 1.0)
    put(page, canvas, "steps", 500)
    frame(page)
    assert "more than 1000 from (0, 0)" in said.inner_text()


def test_the_start_moves_by_keyboard_mouse_and_touch(show):  # noqa: F811
    panel = widgets.phase_portrait(theta=1.0, psi=-0.5)
    canvas = panel.children[0]
    page = show(panel, has_touch=True)
    plane = page.locator(".gb-plane")
    before = picture(page, ".gb-plane")
    plane.focus()
    page.keyboard.press("ArrowLeft")
    assert get(page, canvas, "theta") == pytest.approx(0.9)
    page.keyboard.press("Shift+ArrowUp")
    assert get(page, canvas, "psi") == pytest.approx(0.0)
    assert picture(page, ".gb-plane") != before
    box = plane.bounding_box()
    side = box["width"] - 22

    def at(theta, psi):
        x = 22 + (theta / 3 + 1) / 2 * side
        return box["x"] + x, box["y"] + (1 - psi / 3) / 2 * side

    page.mouse.move(*at(0.9, 0))
    page.mouse.down()
    page.mouse.move(*at(-2, 1.5))
    page.mouse.up()
    assert get(page, canvas, "theta") == pytest.approx(-2)
    assert get(page, canvas, "psi") == pytest.approx(1.5)
    page.touchscreen.tap(*at(1, 2))
    assert get(page, canvas, "theta") == pytest.approx(1)
    assert get(page, canvas, "psi") == pytest.approx(2)
    # It stays on the plane.
    for _ in range(8):
        page.keyboard.press("Shift+ArrowRight")
    assert get(page, canvas, "theta") == pytest.approx(3)


# ---- In Python -----------------------------------------------------------------------


@pytest.mark.parametrize("start", [{"theta": 3.1}, {"psi": float("nan")}])
def test_a_bad_start_gets_a_sentence(start):
    with pytest.raises(ValueError, match=r"(theta|psi): expected -3 … 3, got"):
        widgets.phase_portrait(**start)
