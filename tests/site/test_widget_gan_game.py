"""The game of a GAN on the page: torch's losses and pushes; it learns; it is drawn."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbook import gan, widgets
from genbook.widgets import points
from genbook.widgets.gan_game import LOSSES, RATES
from genbook.widgets.panel import script
from tests.site.test_widgets_page import frame, get, picture, put
from tests.site.test_widgets_page import show as show_page

show = show_page  # the fixture, by the name its tests know
BATCH = 96


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that evaluates JavaScript with the widget's functions."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    names = "random, normal, forward, shape, game, pushes, onData"
    source = script("figure.js", "train.js", "points.js", "gan_game.js")
    page.evaluate(
        """async (source) => {
          const blob = new Blob([source], {type: "text/javascript"});
          globalThis.js = await import(URL.createObjectURL(blob));
          // What a move drew at random, seen from outside: the last batches.
          globalThis.batch = (net) => [...net.last.x];
        }""",
        source + f"\nexport {{ {names} }};",
    )

    def evaluate(body: str, **values: object) -> object:
        return page.evaluate(f"({{ {', '.join(values)} }}) => {body}", values)

    yield evaluate
    page.close()


def network(out: int, params: list[float]) -> nn.Sequential:
    """Return a player in torch, in float64, with these parameters."""
    net = nn.Sequential(
        nn.Linear(2, 32), nn.LeakyReLU(0.2),
        nn.Linear(32, 32), nn.LeakyReLU(0.2),
        nn.Linear(32, out),
    ).double()  # fmt: skip
    nn.utils.vector_to_parameters(
        torch.tensor(params, dtype=torch.float64), net.parameters()
    )
    return net


def rows(values: list[float]) -> torch.Tensor:
    """Return points (N, 2) in float64."""
    return torch.tensor(values, dtype=torch.float64).reshape(-1, 2)


# Plays some rounds, then makes one move; says what the networks were before and after.
MOVE = """{
  const data = js.shape("two moons", 300, js.random(5)), g = js.game(3, () => data);
  for (let i = 0; i < warm; i++) { g.moveD(0.005); g.moveG(0.002, saturating); }
  const before = { D: [...g.D.params], G: [...g.G.params] };
  const loss = who === "D" ? g.moveD(rate) : g.moveG(rate, saturating);
  return { before, loss, after: { D: [...g.D.params], G: [...g.G.params] },
    x: batch(g.D), z: batch(g.G), data: [...data],
    grads: [...(who === "D" ? g.D : g.G).grads] };
}"""


@pytest.mark.parametrize("warm", [0, 20])
def test_a_step_of_d_is_torchs(call, warm):
    """Its loss and gradient are autograd's; it moves D, by the rate, and never G."""
    got = call(MOVE, warm=warm, who="D", rate=0.01, saturating=False)
    D, G = network(1, got["before"]["D"]), network(2, got["before"]["G"])
    x = rows(got["x"])
    z = rows(got["z"])
    data = rows(got["data"])
    assert {*map(tuple, x[:BATCH].tolist())} <= {*map(tuple, data.tolist())}
    assert len(x[:BATCH].unique(dim=0)) > 0.7 * BATCH
    assert torch.allclose(x[BATCH:], G(z), rtol=0, atol=1e-10)
    real, fake = D(x).chunk(2)
    loss = gan.d_loss(real, fake)["loss"]
    loss.backward()
    assert got["loss"] == pytest.approx(loss.item(), rel=1e-9)
    if not warm:
        assert got["loss"] == pytest.approx(2 * np.log(2), abs=0.2)
    grads = torch.cat([p.grad.flatten() for p in D.parameters()])
    np.testing.assert_allclose(got["grads"], grads, atol=1e-9)
    assert got["after"]["G"] == got["before"]["G"]
    moved = np.subtract(got["after"]["D"], got["before"]["D"])
    assert (moved * got["grads"])[np.abs(got["grads"]) > 1e-3].mean() < 0  # downhill
    assert 0.001 < np.abs(moved).max() < 0.05


@pytest.mark.parametrize("warm", [0, 20])
@pytest.mark.parametrize("saturating", [False, True])
def test_a_step_of_g_is_torchs(call, warm, saturating):
    """The same for G, by either loss, with D as it stands."""
    got = call(MOVE, warm=warm, who="G", rate=0.01, saturating=saturating)
    D, G = network(1, got["before"]["D"]), network(2, got["before"]["G"])
    z = rows(got["z"])
    lower = gan.g_loss_saturating if saturating else gan.g_loss_nonsaturating
    loss = lower(D(G(z)))
    loss.backward()
    assert got["loss"] == pytest.approx(loss.item(), rel=1e-9)
    grads = torch.cat([p.grad.flatten() for p in G.parameters()])
    np.testing.assert_allclose(got["grads"], grads, atol=1e-9)
    assert got["after"]["D"] == got["before"]["D"]
    moved = np.subtract(got["after"]["G"], got["before"]["G"])
    large = np.abs(got["grads"]) > 1e-3
    assert large.any() and (moved * got["grads"])[large].mean() < 0
    assert 0.001 < np.abs(moved).max() < 0.05


def test_both_optimizers_are_adam(call):
    """The first step is the rate, along the sign; then betas of 0.5 and 0.9."""
    got = call(
        """{
          const data = js.shape("spirals", 300, js.random(5));
          const g = js.game(3, () => data);
          return ["D", "G"].map((who) => {
            const steps = [0, 1].map(() => {
              const before = [...g[who].params];
              if (who === "D") g.moveD(0.01); else g.moveG(0.02, false);
              return { before, grads: [...g[who].grads] };
            });
            return { steps, end: [...g[who].params] };
          });
        }"""
    )
    for player, rate in zip(got, (0.01, 0.02), strict=True):
        p = torch.tensor(player["steps"][0]["before"], dtype=torch.float64)
        p.requires_grad_()
        optimizer = torch.optim.Adam([p], lr=rate, betas=(0.5, 0.9))
        for step in player["steps"]:
            np.testing.assert_allclose(step["before"], p.detach(), atol=1e-9)
            p.grad = torch.tensor(step["grads"], dtype=torch.float64)
            optimizer.step()
        np.testing.assert_allclose(player["end"], p.detach(), atol=1e-9)


@pytest.mark.parametrize("saturating", [False, True])
def test_the_arrows_are_autograds(call, saturating):
    """Minus the gradient of each point's loss; where D is sure, one kind vanishes."""
    got = call(
        """{
          const data = js.shape("two blobs", 300, js.random(5));
          const g = js.game(3, () => data);
          for (let i = 0; i < 150; i++) g.moveD(0.02);
          const z = Float64Array.from({ length: 40 }, (_, i) => Math.sin(7 * i));
          const x = js.forward(g.G, z, 20);
          return { D: [...g.D.params], x: [...x],
            pushed: [...js.pushes(g.D, x, 20, saturating)] };
        }""",
        saturating=saturating,
    )
    x = rows(got["x"]).requires_grad_()
    logit = network(1, got["D"])(x)[:, 0]
    assert logit.sigmoid().mean() < 0.1  # D is sure
    loss = -F.softplus(logit) if saturating else F.softplus(-logit)
    (-loss).sum().backward()
    pushed = np.reshape(got["pushed"], (20, 2))
    np.testing.assert_allclose(pushed, x.grad, atol=1e-9)
    # The ratio of the two is (1 − D) / D, whatever D's slope is.
    (slope,) = torch.autograd.grad(network(1, got["D"])(x).sum(), x)
    size = np.linalg.norm(pushed, axis=1) / slope.norm(dim=1).numpy()
    assert size.mean() < 0.1 if saturating else size.mean() > 0.9


def test_points_on_the_data_are_counted(call):
    x = [[0.0, 0.0], [1.0, 1.0]]
    near = [[0.1, 0.1], [1.0, 0.81], [0.5, 0.5], [1.0, 1.21]]
    got = call(
        "js.onData(Float64Array.from(near), Float64Array.from(x))",
        near=np.ravel(near).tolist(), x=np.ravel(x).tolist(),
    )  # fmt: skip
    assert got == 0.5


PLAY = """{
  const data = js.shape(name, 1000, js.random(0)), g = js.game(seed, () => data);
  const rng = js.random(seed + 1), z = new Float64Array(400);
  for (let i = 0; i < 400; i++) z[i] = js.normal(rng);
  const start = js.onData(js.forward(g.G, z, 200), data);
  for (let i = 0; i < rounds; i++) {
    for (let k = 0; k < steps; k++) g.moveD(rateD);
    g.moveG(rateG, saturating);
  }
  const x = js.forward(g.G, z, 200);
  return { start, share: js.onData(x, data), x: [...x] };
}"""
DEFAULT = {"rateD": 5e-3, "rateG": 2e-3, "steps": 1, "saturating": False}


@pytest.mark.parametrize(
    ("name", "level"), [("ring of eight", 0.4), ("two moons", 0.7)]
)
def test_it_learns(call, name, level):
    """As the sliders stand, G's points come to lie on the data, and all over it."""
    got = call(PLAY, name=name, seed=0, rounds=1000, **DEFAULT)
    assert got["start"] < 0.1 and got["share"] > level
    x = np.reshape(got["x"], (-1, 2))
    angle = np.floor(np.arctan2(x[:, 1], x[:, 0]) / (np.pi / 4) + 0.5) % 8
    assert len(np.unique(angle)) == 8
    assert got == call(PLAY, name=name, seed=0, rounds=1000, **DEFAULT)  # seeded


def test_it_fails_where_the_lesson_says_so(call):
    """A D that is far ahead leaves the saturating loss without a slope to follow."""
    change = {"rateD": 2e-2, "steps": 10}
    ahead = DEFAULT | change | {"saturating": True}
    got = call(PLAY, name="ring of eight", seed=0, rounds=100, **ahead)
    fair = call(PLAY, name="ring of eight", seed=0, rounds=1000, **DEFAULT)
    assert got["share"] < 0.2 < 0.4 < fair["share"]


# ---- On the page ---------------------------------------------------------------------


def button(page, name):
    """Return a button of the figure."""
    return page.get_by_role("button", name=name)


def rounds(page):
    """Return the round that the words beneath the curve name."""
    return int(page.locator(".gb-said").inner_text().split(":")[0].split()[1])


def test_nothing_moves_before_play_and_pause_stops(show):
    page = show(widgets.gan_game())
    before = picture(page, ".gb-plane")
    page.wait_for_timeout(300)
    assert picture(page, ".gb-plane") == before and rounds(page) == 0
    button(page, "Play").click()
    page.wait_for_function(
        "+document.querySelector('.gb-said').textContent.split(/[ :]/)[1] > 20"
    )
    button(page, "Pause").click()
    frame(page)
    stopped, after = rounds(page), picture(page, ".gb-plane")
    assert stopped > 20 and after != before
    page.wait_for_timeout(300)
    assert rounds(page) == stopped and picture(page, ".gb-plane") == after
    button(page, "Start again").click()
    assert picture(page, ".gb-plane") == before and rounds(page) == 0


def test_steps_by_keyboard(show):
    """One step of D, one of G; the same steps give the same picture."""
    page = show(widgets.gan_game())
    seen = {}
    for trial in range(2):
        for who in "DGDD":
            curve, plane = picture(page, ".gb-curve"), picture(page, ".gb-plane")
            button(page, f"Step {who}").focus()
            page.keyboard.press("Enter")
            assert picture(page, ".gb-plane") != plane
            assert (picture(page, ".gb-curve") != curve) == (who == "D")
        assert rounds(page) == 1
        seen[trial] = picture(page, ".gb-plane"), picture(page, ".gb-curve")
        button(page, "Start again").press("Space")
    assert seen[0] == seen[1]


def test_every_control_shows_at_once(show):
    """While nothing plays, too: each is moved by keyboard and back."""
    panel = widgets.gan_game()
    canvas = panel.children[0]
    page = show(panel)
    for _ in range(15):
        button(page, "Step D").click()

    def pictures():
        return [picture(page, f".gb-{name}") for name in ("plane", "round", "curve")]

    moves = {
        "rate of D": ("slider", "rate_d", RATES.index(1e-2)),
        "rate of G": ("slider", "rate_g", RATES.index(5e-3)),
        "D steps per G step": ("slider", "d_steps", 2),
    }
    before = pictures()
    for name, (role, trait, value) in moves.items():
        control = page.get_by_role(role, name=name)
        control.press("ArrowRight")
        assert get(page, canvas, trait) == value
        assert pictures() != before
        control.press("ArrowLeft")
        assert pictures() == before
    page.get_by_role("radio", name="non-saturating").press("ArrowRight")
    assert LOSSES[get(page, canvas, "loss")] == "saturating"
    after = pictures()
    assert after[0] != before[0] and after[1] != before[1]  # shorter arrows; the words
    assert "log (1 − D)" in page.locator(".gb-round").get_attribute("aria-label")
    page.get_by_label("data", exact=True).select_option("spirals")
    assert pictures()[0] != after[0]


def test_the_sliders_are_the_steps_that_are_made(show):
    """A round has as many steps of D as the slider says: told by the curve's words."""
    panel = widgets.gan_game()
    page = show(panel)
    put(page, panel.children[0], "d_steps", 3)
    button(page, "Play").click()
    page.wait_for_function(
        "+document.querySelector('.gb-said').textContent.split(/[ :]/)[1] > 3"
    )
    button(page, "Pause").click()
    frame(page)
    words = page.locator(".gb-curve").get_attribute("aria-label")
    steps = int(words.split("each of ")[1].split()[0])
    assert 3 * rounds(page) <= steps <= 3 * rounds(page) + 3


def draw(page, at):
    """Draw with the mouse through points of the plane, in shares of its side."""
    box = page.locator(".gb-plane").bounding_box()
    for i, (x, y) in enumerate(at):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["width"])
        if i == 0:
            page.mouse.down()
    page.mouse.up()
    frame(page)


def test_a_drawing_is_learned(show):
    """Drawn with the mouse, points are data: where the hand was, and G goes there."""
    panel = widgets.gan_game()
    canvas = panel.children[0]
    page = show(panel)
    draw(page, [(0.2, 0.2), (0.8, 0.8)])  # not while a shape is chosen
    assert get(page, canvas, "drawn") == []
    assert not button(page, "Clear drawing").is_visible()
    page.get_by_label("data", exact=True).select_option("drawn by hand")
    frame(page)
    assert button(page, "Play").is_disabled() and button(page, "Step D").is_disabled()
    empty = picture(page, ".gb-plane")
    draw(page, [(0.6, 0.25), (0.75, 0.25), (0.9, 0.25)])
    x = np.reshape(get(page, canvas, "drawn"), (-1, 2))
    assert len(x) > 30 and picture(page, ".gb-plane") != empty
    assert abs(x[:, 0] - 2.8 * 0.5).mean() < 0.6 and x[:, 0].min() > 0.3
    assert np.abs(x[:, 1] - 2.8 * 0.5).max() < 0.3  # upwards is positive
    button(page, "Play").click()
    page.wait_for_function(
        """() => {
          const [, round, share] = document.querySelector('.gb-said').textContent
            .match(/Round (\\d+).*?(\\d+) %/).map(Number);
          return share > 60 || round > 3000;
        }""",
        timeout=120_000,
    )
    button(page, "Pause").click()
    frame(page)
    assert rounds(page) <= 3000
    button(page, "Clear drawing").click()
    frame(page)
    assert get(page, canvas, "drawn") == [] and button(page, "Play").is_disabled()


def test_a_drawing_that_is_cleared_stops_the_game(show):
    panel = widgets.gan_game()
    canvas = panel.children[0]
    page = show(panel)
    put(page, canvas, "drawn", [1.0, 1.0, -1.0, -1.0])
    put(page, canvas, "data", len(points.NAMES) - 1)
    frame(page)
    button(page, "Play").click()
    page.wait_for_function(
        "+document.querySelector('.gb-said').textContent.split(/[ :]/)[1] > 2"
    )
    put(page, canvas, "drawn", [])
    frame(page)
    stopped = rounds(page)
    page.wait_for_timeout(200)
    assert rounds(page) == stopped
    assert button(page, "Play").is_disabled()


def test_a_finger_draws(show):
    """Where the reader may draw, a finger does not scroll the page; else it does."""
    panel = widgets.gan_game()
    canvas = panel.children[0]
    page = show(panel, has_touch=True, viewport={"width": 390, "height": 500})
    put(page, canvas, "data", len(points.NAMES) - 1)
    frame(page)
    touch = page.context.new_cdp_session(page)
    box = page.locator(".gb-plane").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["width"] / 2

    def swipe():
        for i in range(8):
            kind = "touchMove" if i else "touchStart"
            at = [{"x": x, "y": y - 15 * i}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(200)

    swipe()
    drawn = get(page, canvas, "drawn")
    assert len(drawn) > 40 and page.evaluate("scrollY") == 0
    put(page, canvas, "data", 0)
    frame(page)
    swipe()
    assert get(page, canvas, "drawn") == drawn and page.evaluate("scrollY") > 20


def test_less_motion_is_fewer_pictures(show):
    """Play still trains, but what is drawn changes only now and then."""
    page = show(widgets.gan_game(), reduced_motion="reduce")
    changes = page.evaluate(
        """async () => {
          const said = document.querySelector(".gb-said");
          document.querySelector(".gb-buttons button").click();
          let changes = 0, last = said.textContent;
          const end = performance.now() + 1600;
          while (performance.now() < end) {
            await new Promise(requestAnimationFrame);
            if (said.textContent !== last) changes++;
            last = said.textContent;
          }
          return changes;
        }"""
    )
    assert 1 <= changes <= 4
    assert rounds(page) > 0


# ---- In Python -----------------------------------------------------------------------


def test_the_panel_is_a_figure():
    panel = widgets.gan_game(data="two moons")
    assert "two moons" in repr(panel) and "2 log 2" in repr(panel)
    assert panel.still.startswith(b"\x89PNG")
    assert panel.still != widgets.gan_game().still
    assert panel.children[0].data == points.NAMES.index("two moons")


@pytest.mark.parametrize("seed", [-1, 2**32 - 1, 0.5, True, None])
def test_a_bad_seed_gets_a_sentence(seed):
    with pytest.raises(ValueError, match="seed: expected a whole number in 0"):
        widgets.gan_game(seed=seed)


def test_other_data_get_a_sentence():
    with pytest.raises(ValueError, match="data: expected one of ring of eight"):
        widgets.gan_game(data="drawn by hand")
