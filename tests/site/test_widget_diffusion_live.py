"""The live diffusion: its numbers are torch's, and it learns on the page."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from genbook import data, denoising, diffusion, widgets
from genbook.widgets import points
from genbook.widgets.diffusion_live import STEPS, WIDTH
from tests.site.test_widgets_page import (
    at_rest,
    frame,
    get,
    picture,
    put,
    show,  # noqa: F401
)
from tests.site.visit import functions

NAMES = """random, dataset, NAMES, forward, backward, law, posteriorMean, exactEps,
  draws, leastLoss, features, epsLoss, learner, visited, walk, chances, energyDistance,
  PARTICLES, FEATURES, HIDDEN"""
ALPHA_BAR = diffusion.linear(100, beta_1=1e-3, beta_T=0.12)
RING = {"means": data.ring().means.flatten().tolist(), "sigma": 0.05}
TIMES = [1, 10, 50, 100]


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that evaluates JavaScript with the widget's functions."""
    files = "figure.js", "train.js", "points.js", "diffusion_live.js"
    with functions(browser, *files, names=NAMES) as call:
        call("""{
          globalThis.f64 = (values) => Float64Array.from(values);
          globalThis.mix = ({ means, sigma }) => ({ means: f64(means), sigma });
        }""")
        yield call


def normal(n: int, seed: int = 0) -> torch.Tensor:
    """Return normal points (n, 2) in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 2, generator=generator, dtype=torch.float64)


def cloud() -> data.Mixture:
    """Return the law of thirty points, as the widget takes it."""
    return data.Mixture(normal(30, seed=3), WIDTH)


def traits(mixture: data.Mixture) -> dict:
    """Return a mixture of equal parts as the page has it."""
    means = mixture.means.flatten().tolist()
    return {"means": means, "sigma": float(mixture.sigmas[0])}


def pairs(values: list[float]) -> np.ndarray:
    """Return a flat list as points (n, 2)."""
    return np.array(values).reshape(-1, 2)


# ---- What is known exactly -----------------------------------------------------------


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("make", [data.ring, cloud])
def test_posterior_mean_eps_and_score_are_the_packages(call, make, t):
    """E[x0 | x_t], the eps that goes with it, and the score it is a multiple of."""
    mixture, ab = make(), float(ALPHA_BAR[t])
    x = 1.5 * normal(60, seed=t)
    got = call(
        """[js.posteriorMean(mix(m), f64(x), 60, ab, f64(x)),
            js.exactEps(mix(m))(f64(x), 60, 5, ab, f64(x))].map((a) => [...a])""",
        m=traits(mixture), x=x.flatten().tolist(), ab=ab,
    )  # fmt: skip
    x0_hat = mixture.posterior_mean(x, ab)
    np.testing.assert_allclose(pairs(got[0]), x0_hat, atol=1e-6)
    eps = denoising.eps_from_x0(x, x0_hat, torch.full((60,), t), ALPHA_BAR)
    np.testing.assert_allclose(pairs(got[1]), eps, atol=1e-4)
    # ε = −√(1 − ᾱ) ∇ log p(x_t), and p(x_t) is the mixture shrunk, then noised.
    shrunk = data.Mixture(ab**0.5 * mixture.means, ab**0.5 * mixture.sigmas)
    score = shrunk.score(x, (1 - ab) ** 0.5)
    np.testing.assert_allclose(-pairs(got[1]) / (1 - ab) ** 0.5, score, atol=1e-4 / t)


@pytest.mark.parametrize("name", points.SHAPES)
def test_the_law_of_each_shape(call, name):
    """The ring is the package's; the law of what has no formula is its points'."""
    at = points.index(name)
    got = call(
        "((m) => { const p = js.dataset(m, 300, 0), l = js.law(js.NAMES[at], p);"
        " return [[...p], [...l.means], l.sigma] })"
        "({ get: (k) => (k === 'data' ? at : []) })",
        at=at,
    )
    x, means, sigma = pairs(got[0]), pairs(got[1]), got[2]
    if name == "ring of eight":
        np.testing.assert_allclose(means, data.ring().means, atol=1e-12)
        assert sigma == float(data.ring().sigmas[0])
    elif name == "two blobs":
        assert means.tolist() == [[1.4, 0.7], [-1.4, -0.7]] and sigma == 0.25
    else:
        assert np.array_equal(means, x) and sigma == WIDTH
    law = data.Mixture(means, sigma)
    there = torch.tensor(points.sample(name, 300, seed=1))
    far = law.log_prob(torch.tensor([[0.0, 3.0]], dtype=torch.float64))
    # Fresh points of the shape are likely under it.
    assert law.log_prob(there).median() > far + 2


def test_a_long_drawing_is_thinned(call):
    """At most 300 points bear the exact posterior: every k-th of those there are."""
    x = normal(1000)
    got = pairs(
        call("[...js.law('drawn by hand', f64(x)).means]", x=x.flatten().tolist())
    )
    assert np.array_equal(got, x[::4])


def test_draws_have_the_mixtures_law(call):
    """Mean, spread and the share of each part."""
    x = pairs(
        call(
            "[...js.draws(mix(m), 8000, js.random(4), new Float64Array(16000))]", m=RING
        )
    )
    nearest = np.linalg.norm(x[:, None] - data.ring().means.numpy(), axis=-1).argmin(1)
    assert np.abs(np.bincount(nearest, minlength=8) / 8000 - 1 / 8).max() < 0.015
    assert (x - data.ring().means.numpy()[nearest]).std() == pytest.approx(
        0.05, rel=0.03
    )


def test_least_loss_is_that_of_the_posterior_mean(call):
    """The mean of ‖eps − E[eps | x_t]‖², here by torch from other draws."""
    got = call(
        "((f) => { let v = null, calls = 0; while (v === null) { v = f(); calls++; }"
        " return [v, calls]; })(js.leastLoss(mix(m), ab, 10000, 1))",
        m=RING, ab=ALPHA_BAR.tolist(),
    )  # fmt: skip
    assert got[1] == 100, "spread over frames"
    generator, n = torch.Generator().manual_seed(0), 100_000
    x0 = data.ring().sample(n, generator=generator).double()
    t = torch.randint(1, 101, (n,), generator=generator)
    eps = normal(n, seed=1)
    x_t = diffusion.q_sample(x0, t, eps, ALPHA_BAR)
    x0_hat = data.ring().posterior_mean(x_t, ALPHA_BAR[t])
    eps_hat = denoising.eps_from_x0(x_t, x0_hat, t, ALPHA_BAR)
    assert got[0] == pytest.approx(
        float((eps - eps_hat).square().sum(1).mean()), abs=0.04
    )


# ---- What is learned -----------------------------------------------------------------


def test_features_are_waves(call):
    """x1, x2, waves of both, and waves of t/T."""
    got = call(
        "[...js.features(f64([0.3, -1.2]), 1, () => 30, 100, Array(js.FEATURES))]"
    )
    expected = [0.3, -1.2]
    for j in (1, 2, 4):
        expected += [f(j * v) for v in (0.3, -1.2) for f in (math.sin, math.cos)]
    for j in (1, 2, 3):
        expected += [f(j * math.pi * 0.3) for f in (math.sin, math.cos)]
    assert got == pytest.approx(expected)


def test_loss_and_its_gradient_are_torchs(call):
    """The simple loss of a batch, and what backward makes of it, against autograd."""
    n, features = 50, call("js.FEATURES")
    hidden = call("js.HIDDEN")
    assert hidden == [64, 64]
    x, t, eps = normal(n), torch.arange(1, n + 1) * 2, normal(n, seed=1)
    got = call(
        """(() => {
          const { net } = js.learner(ab, 3), input = new Float64Array(js.FEATURES * n);
          js.features(f64(x), n, (i) => t[i], ab.length - 1, input);
          const guess = js.forward(net, input, n), grad = new Float64Array(2 * n);
          const loss = js.epsLoss(guess, f64(eps), n, grad);
          js.backward(net, grad);
          return { loss, input: [...input], params: [...net.params],
            grads: [...net.grads] };
        })()""",
        ab=ALPHA_BAR.tolist(), n=n, x=x.flatten().tolist(), t=t.tolist(),
        eps=eps.flatten().tolist(),
    )  # fmt: skip
    sizes = [features, *hidden, 2]
    layers = []
    for m, k in pairwise(sizes):
        layers += [nn.Linear(m, k, dtype=torch.float64), nn.SiLU()]
    net = nn.Sequential(*layers[:-1])
    nn.utils.vector_to_parameters(
        torch.tensor(got["params"], dtype=torch.float64), net.parameters()
    )
    guess = net(torch.tensor(got["input"], dtype=torch.float64).reshape(n, -1))
    loss = (guess - eps).square().sum(1).mean()
    loss.backward()
    grads = nn.utils.parameters_to_vector([p.grad for p in net.parameters()])
    assert got["loss"] == pytest.approx(loss.item(), rel=1e-9)
    np.testing.assert_allclose(got["grads"], grads, atol=1e-9)


@pytest.fixture(scope="module")
def trained(call):
    """Train on the ring for 1,000 steps; give the losses, and samples of both walks."""
    return call(
        """(() => {
          const student = js.learner(ab, 0), ring = mix(m), said = [];
          const plan = (eta, steps) => ({ ...js.chances(js.PARTICLES, steps, 5),
            times: js.visited(100, steps), eta });
          const sample = (eps, eta, steps) => {
            const w = js.walk(eps, ab, plan(eta, steps));
            for (let k = 0; k < steps; k++) w.step();
            return w.states.map((s) => [...s]);
          };
          const losses = [], before = sample(student.eps, 1, 50);
          for (let i = 0; i < 1000; i++) losses.push(student.step(ring));
          const again = js.learner(ab, 0), repeated = [];
          for (let i = 0; i < 5; i++) repeated.push(again.step(ring));
          return { losses, repeated, before, after: sample(student.eps, 1, 50),
            ddim: sample(student.eps, 0, 20), exact: sample(js.exactEps(ring), 1, 50),
            exactDdim: sample(js.exactEps(ring), 0, 20) };
        })()""",
        ab=ALPHA_BAR.tolist(), m=RING,
    )  # fmt: skip


def distance(a: list[float], b: np.ndarray) -> float:
    """Return the energy distance between two sets of points, by NumPy."""
    a = pairs(a)

    def mean(p, q):
        return np.linalg.norm(p[:, None] - q, axis=-1).mean()

    return 2 * mean(a, b) - mean(a, a) - mean(b, b)


def test_training_lowers_the_loss_and_repeats(trained):
    """From 2, that of a guess of zero, towards the least possible; seeded."""
    losses = np.array(trained["losses"])
    assert losses[:5].mean() > 1.5
    assert losses[-200:].mean() < 0.65
    assert losses[-200:].mean() > 0.4, "nothing can be below the least possible, 0.5"
    assert trained["repeated"] == trained["losses"][:5]


def test_samples_come_nearer_to_the_data(trained):
    """By energy distance to fresh draws, before and after the training."""
    generator = torch.Generator().manual_seed(0)
    x = data.ring().sample(1000, generator=generator).double().numpy()
    before, after = (distance(trained[key][-1], x) for key in ("before", "after"))
    assert after < 0.1 * before and after < 0.1
    assert distance(trained["ddim"][-1], x) < 0.1


def test_the_exact_way_back_lands_on_the_modes(trained):
    """Ancestral and DDIM: every particle ends at a bump, and each bump gets some."""
    means = data.ring().means.numpy()
    for key in ("exact", "exactDdim"):
        x = pairs(trained[key][-1])
        far = np.linalg.norm(x[:, None] - means, axis=-1)
        assert np.quantile(far.min(1), 0.95) < 0.25
        assert np.bincount(far.argmin(1), minlength=8).min() >= 5
    spread = pairs(trained["exact"][-1])
    near = means[np.linalg.norm(spread[:, None] - means, axis=-1).argmin(1)]
    assert (spread - near).std() == pytest.approx(0.05, abs=0.03)


def test_energy_distance(call):
    """Against NumPy; zero for a set and itself."""
    a, b = normal(40), 1.5 * normal(30, seed=1) + 0.3
    lists = {"a": a.flatten().tolist(), "b": b.flatten().tolist()}
    got = call(
        "[js.energyDistance(f64(a), f64(b)), js.energyDistance(f64(a), f64(a))]",
        **lists,
    )
    assert got[0] == pytest.approx(distance(lists["a"], b.numpy()), abs=1e-9)
    assert got[1] == pytest.approx(0, abs=1e-12)


# ---- The way back --------------------------------------------------------------------


def test_the_visited_times(call):
    """They fall from T to 0, with equal steps where that divides."""
    for n in STEPS:
        times = call("js.visited(100, n)", n=n)
        assert times == list(range(100, -1, -100 // n))
    times = call("js.visited(33, 10)")
    assert times[0] == 33 and times[-1] == 0 and len(times) == 11
    assert set(np.diff(times)) == {-3, -4}


@pytest.mark.parametrize("steps", [5, 50])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_way_back_is_the_packages(call, eta, steps):
    """Every state, from the same x_T and noise, equals genbook.denoising's ddim."""
    mixture, n = data.ring(), 12
    times = call("js.visited(100, n)", n=steps)
    draw = torch.Generator().manual_seed(8)
    noise = [denoising.noise_like(normal(n), draw) for _ in range(steps)]

    def eps_model(x, t):
        x0_hat = mixture.posterior_mean(x, ALPHA_BAR[t])
        return denoising.eps_from_x0(x, x0_hat, t, ALPHA_BAR)

    got = call(
        """(() => {
          const w = js.walk(js.exactEps(mix(m)), ab,
            { start: f64(start), noise: noise.map(f64), times, eta });
          while (w.states.length < times.length) w.step();
          return w.states.map((s) => [...s]);
        })()""",
        m=RING, ab=ALPHA_BAR.tolist(), start=normal(n).flatten().tolist(),
        noise=[z.flatten().tolist() for z in noise], times=times, eta=eta,
    )  # fmt: skip
    expected = [
        normal(n),
        *denoising.ddim(
            eps_model, ALPHA_BAR, normal(n), times=times[:-1], eta=eta,
            generator=torch.Generator().manual_seed(8),
        ),
    ]  # fmt: skip
    assert len(got) == len(expected) == steps + 1
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(pairs(mine), theirs, atol=1e-4)
    if eta == 1:
        ancestral = denoising.ddpm(
            eps_model, ALPHA_BAR, normal(n), times=times[:-1],
            generator=torch.Generator().manual_seed(8),
        )  # fmt: skip
        for mine, theirs in zip(got[1:], ancestral, strict=True):
            np.testing.assert_allclose(pairs(mine), theirs, atol=1e-4)


def test_chances_are_normal_and_repeat(call):
    """Another seed, other particles; the same seed, the same."""
    some = "[[...c.start], ...c.noise.map((z) => [...z])]"
    one, same, other = (
        call(f"((c) => {some})(js.chances(500, 4, seed))", seed=seed)
        for seed in (1, 1, 2)
    )
    assert one == same and one != other and len(one) == 5
    z = np.array(one).ravel()
    assert abs(z.mean()) < 0.05 and z.std() == pytest.approx(1, abs=0.03)
    assert one[1] != one[2]


# ---- On the page ---------------------------------------------------------------------

CANVASES = [".gb-learned", ".gb-exact", ".gb-loss", ".gb-schedule"]


def all_of(page) -> list[str]:
    """Return what the four canvases show."""
    return [picture(page, name) for name in CANVASES]


def button(page, name):
    """Return a button of the figure."""
    return page.get_by_role("button", name=name)


def steps_said(page) -> int:
    """Return the step of the training that the figure tells."""
    words = page.locator(".gb-news").inner_text()
    return int(words.split(":")[0].removeprefix("step ").replace(",", ""))


def wait_for_steps(page, words="") -> None:
    """Wait for a hundred steps of training, and for words in what is told of them."""
    page.wait_for_function(
        "(words) => RegExp(words).test(document.querySelector('.gb-news').textContent)",
        arg=rf"^step (\d{{3}}|\d,\d+):{words}",
    )


def test_nothing_moves_before_a_button_is_pressed(show):  # noqa: F811
    panel = widgets.diffusion_live()
    page = show(panel)
    before = all_of(page)
    page.wait_for_timeout(300)
    assert all_of(page) == before
    assert page.locator(".gb-news").inner_text() == "not trained yet"
    assert get(page, panel.children[0], "done") == 0


def test_it_trains_pauses_runs_and_starts_over(show):  # noqa: F811
    """By keyboard: the curve grows, the pause holds, the run ends at t = 0."""
    panel = widgets.diffusion_live()
    canvas = panel.children[0]
    page = show(panel)
    page.set_default_timeout(60_000)
    before = all_of(page)
    assert button(page, "Start over").is_disabled()
    button(page, "Train").press("Enter")
    wait_for_steps(page, ".*at best")
    button(page, "Pause training").press("Enter")
    at_rest(page)
    paused, step = all_of(page), steps_said(page)
    assert step >= 100 and paused[0] != before[0] and paused[2] != before[2]
    page.wait_for_timeout(300)
    assert steps_said(page) == step and all_of(page) == paused
    button(page, "Run back").press("Space")
    page.wait_for_function(
        "(id) => genbook.model(id).get('done') === 100", arg=canvas.model_id
    )
    at_rest(page)
    after = all_of(page)
    assert steps_said(page) == step, "a run does not train"
    assert after[0] != paused[0] and after[1] != paused[1] and after[3] != paused[3]
    assert "t = 0, after 20 of 20 steps" in page.locator(".gb-said").nth(1).inner_text()
    label = page.locator(".gb-exact").get_attribute("aria-label")
    assert "160 particles, t = 0" in label
    page.get_by_role("slider", name="t", exact=True).press("Home")  # scrub it
    assert get(page, canvas, "done") == 0
    assert all_of(page)[0] == paused[0], "the same noise again"
    button(page, "Start over").press("Enter")
    at_rest(page)
    assert all_of(page) == before


def test_a_round_of_training_ends(show):  # noqa: F811
    """Nobody has to stop it; pressed again, it goes on from there."""
    panel = widgets.diffusion_live()
    panel.children[0].round = 30
    page = show(panel)
    page.set_default_timeout(60_000)
    for end in (30, 60):
        button(page, "Train").click()
        page.wait_for_function(
            "(end) => document.querySelector('.gb-news').textContent.startsWith(end)",
            arg=f"step {end}:",
        )
        page.wait_for_timeout(300)
        assert steps_said(page) == end
        assert button(page, "Train").is_enabled()
        assert button(page, "Pause training").count() == 0


def test_the_samples_are_those_of_the_network_now(show):  # noqa: F811
    """What stands at t = 0 is walked again as the network learns."""
    panel = widgets.diffusion_live()
    canvas = panel.children[0]
    canvas.round, canvas.done = 60, 100
    panel.children[1].children[0].index = 100
    page = show(panel)
    page.set_default_timeout(60_000)

    def apart() -> float:
        """Return the distance to the exact particles, once it has come to rest."""
        at_rest(page)
        said = page.locator(".gb-learned + .gb-said").inner_text()
        return float(said.split()[-1])

    untrained = apart()
    button(page, "Train").click()
    page.wait_for_function(
        "document.querySelector('.gb-news').textContent.startsWith('step 60:')"
    )
    assert apart() < 0.5 * untrained
    assert get(page, canvas, "done") == 100


def test_controls_move_the_picture_at_once(show):  # noqa: F811
    """Untrained and at rest as well: what comes next is drawn for each particle."""
    page = show(widgets.diffusion_live())
    before = all_of(page)
    for name, moved in [
        ("t", {1, 3}),
        ("steps", {0, 1, 3}),
        ("η", {0, 1}),
        ("seed", {0, 1}),
    ]:
        key = "ArrowLeft" if name == "η" else "ArrowRight"
        page.get_by_role("slider", name=name, exact=True).press(key)
        after = all_of(page)
        assert moved <= {i for i in range(4) if after[i] != before[i]}, name
        before = after
    page.get_by_label("data").press("ArrowDown")
    after = all_of(page)
    assert after[0] != before[0] and after[1] != before[1]
    assert "Gaussian of width 0.07" in page.locator(".gb-key").inner_text()


def test_a_particle_can_be_followed(show):  # noqa: F811
    """By arrow keys, and by a click near it."""
    panel = widgets.diffusion_live()
    page = show(panel)
    put(page, panel.children[0], "done", 100)
    at_rest(page)  # both walks are made in some frames
    first = all_of(page)
    page.locator(".gb-exact").press("ArrowRight")
    second = all_of(page)
    assert second[0] != first[0] and second[1] != first[1]
    label = page.locator(".gb-learned").get_attribute("aria-label")
    assert "particle 2 is followed" in label
    page.locator(".gb-learned").press("ArrowLeft")
    assert all_of(page) == first
    box = page.locator(".gb-exact").bounding_box()
    # The bump at (2, 0) of the plane [-3, 3]².
    page.locator(".gb-exact").click(
        position={"x": 5 / 6 * box["width"], "y": 0.5 * box["height"]}
    )
    third = all_of(page)
    assert third[1] != first[1]


def test_a_drawing_is_learned(show):  # noqa: F811
    """What is drawn becomes data; before, nothing can be trained."""
    panel = widgets.diffusion_live()
    canvas = panel.children[0]
    page = show(panel)
    page.set_default_timeout(60_000)
    page.get_by_label("data").select_option("drawn by hand")
    frame(page)
    assert (
        button(page, "Train").is_disabled() and button(page, "Run back").is_disabled()
    )
    empty = all_of(page)
    box = page.locator(".gb-learned").bounding_box()
    x, y = box["x"], box["y"] + 0.25 * box["height"]
    page.mouse.move(x + 0.2 * box["width"], y)
    page.mouse.down()
    for i in range(10):
        page.mouse.move(x + (0.25 + 0.05 * i) * box["width"], y)
    page.mouse.up()
    drawn = pairs(get(page, canvas, "drawn"))
    assert len(drawn) > 50
    assert drawn[:, 1].mean() == pytest.approx(1.5, abs=0.1)  # a quarter from the top
    assert np.ptp(drawn[:, 0]) > 2
    assert all_of(page)[:2] != empty[:2]
    button(page, "Train").click()
    wait_for_steps(page)
    assert steps_said(page) >= 100
    button(page, "Clear drawing").click()
    frame(page)
    assert get(page, canvas, "drawn") == []
    assert all_of(page)[:2] == empty[:2]


def test_a_drawing_by_keyboard(show):  # noqa: F811
    """Arrow keys move the pen, Enter leaves points there; both are seen."""
    panel = widgets.diffusion_live()
    canvas = panel.children[0]
    page = show(panel)
    page.get_by_label("data").select_option("drawn by hand")
    plane = page.locator(".gb-learned")
    seen = [picture(page, ".gb-learned")]
    for key in ["ArrowRight", "Shift+ArrowUp", "Enter", "ArrowDown", "Enter", "Enter"]:
        plane.press(key)
        seen.append(picture(page, ".gb-learned"))
        assert seen[-1] != seen[-2], key
    drawn = pairs(get(page, canvas, "drawn"))
    assert len(drawn) == 24
    np.testing.assert_allclose(drawn[:8].mean(0), [0.1, 0.5], atol=0.1)
    np.testing.assert_allclose(drawn[8:].mean(0), [0.1, 0.4], atol=0.1)
    assert button(page, "Train").is_enabled(), "twenty points are enough"
    label = plane.get_attribute("aria-label")
    assert "Enter leaves points" in label
    button(page, "Train").focus()
    assert picture(page, ".gb-learned") != seen[-1], "the cross goes with the focus"


# ---- In Python -----------------------------------------------------------------------


def test_a_reader_is_told_what_is_wrong():
    """Data, schedule, seed."""
    bad = [
        ({"data": "rings"}, "data: expected one of ring of eight"),
        ({"data": "drawn by hand"}, "data: expected one of"),
        ({"seed": 100}, "seed: expected a whole number in 0 … 99"),
        ({"seed": True}, "seed: expected"),
        ({"alpha_bar": torch.ones(3)}, r"alpha_bar: expected shape \(T \+ 1,\)"),
        ({"alpha_bar": torch.ones(101)}, "alpha_bar: expected to fall from 1"),
        ({"alpha_bar": diffusion.cosine(100)}, "alpha_bar: .* above 0.0001"),
        ({"alpha_bar": ALPHA_BAR[1:]}, "alpha_bar: expected to fall from 1"),
    ]
    for arguments, sentence in bad:
        with pytest.raises(ValueError, match=sentence):
            widgets.diffusion_live(**arguments)


def test_the_schedule_is_the_packages():
    """The canvas holds exactly diffusion.linear; another may be given."""
    assert widgets.diffusion_live().children[0].alpha_bar == ALPHA_BAR.tolist()
    short = diffusion.linear(20, beta_1=0.01, beta_T=0.4)
    canvas = widgets.diffusion_live(alpha_bar=short, data="two moons", seed=3).children[
        0
    ]
    assert canvas.alpha_bar == short.tolist() and canvas.choices == [5, 10, 20]
    assert (canvas.data, canvas.seed) == (1, 3)
