"""gan_dynamics: fields against autograd, runs against closed forms, counts by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from genbook import data
from genbook import gan_dynamics as gd

seeds = st.integers(0, 2**31 - 1)
FIELDS = [gd.minimax, gd.non_saturating, gd.wasserstein]


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------------ fields

# What the discriminator climbs and the generator descends, as functions of both.
GAMES = {
    gd.minimax: (
        lambda th, ps: F.logsigmoid(0 * ps) + F.logsigmoid(-ps * th),
        lambda th, ps: F.logsigmoid(-ps * th),
    ),
    gd.non_saturating: (
        lambda th, ps: F.logsigmoid(0 * ps) + F.logsigmoid(-ps * th),
        lambda th, ps: -F.logsigmoid(ps * th),
    ),
    gd.wasserstein: (lambda th, ps: 0 * ps - ps * th, lambda th, ps: -ps * th),
}


def slopes(game, w, penalty=lambda psi: 0 * psi):
    """Return the field by autograd: psi climbs, theta descends."""
    value, cost = game
    theta, psi = w.detach().clone().unbind(-1)
    theta, psi = theta.requires_grad_(), psi.detach().requires_grad_()
    up = torch.autograd.grad((value(theta, psi) - penalty(psi)).sum(), psi)[0]
    down = torch.autograd.grad(cost(theta, psi).sum(), theta)[0]
    return torch.stack([-down, up], -1)


@pytest.mark.parametrize("field", FIELDS)
@given(seeds)
def test_fields_are_the_games_gradients(field, seed):
    w = 2 * draw(seed, 7, 2)
    assert torch.allclose(field(w), slopes(GAMES[field], w))


@pytest.mark.parametrize("field", FIELDS)
def test_penalties_are_gradients_too(field):
    w = 2 * draw(0, 50, 2)
    ridge = lambda psi: 1.7 / 2 * psi**2  # noqa: E731
    assert torch.allclose(gd.with_r1(field, 1.7)(w), slopes(GAMES[field], w, ridge))
    unit = lambda psi: 1.7 / 2 * (psi.abs() - 1) ** 2  # noqa: E731
    got = gd.with_gradient_penalty(field, 1.7)(w)
    assert torch.allclose(got, slopes(GAMES[field], w, unit))


@pytest.mark.parametrize("field", FIELDS)
def test_the_equilibrium_rests(field):
    assert (field(torch.zeros(2)) == 0).all()
    assert (gd.with_r1(field, 1.0)(torch.zeros(2)) == 0).all()


# ----------------------------------------------------------------------------- updates


@pytest.mark.parametrize("h", [0.01, 0.1, 0.7])
def test_simultaneous_steps_on_the_bilinear_game_grow_by_a_known_factor(h):
    """The oracle: the radius grows by √(1 + h²) at each step."""
    path = gd.trajectory(
        lambda w: gd.simultaneous(gd.wasserstein, w, h), draw(1, 5, 2), 60
    )
    radius = path.norm(dim=-1)
    assert path.shape == (61, 5, 2)
    assert torch.allclose(radius[1:] / radius[:-1], torch.tensor(1 + h**2).sqrt())


@pytest.mark.parametrize("h", [0.05, 0.5, 1.5])
def test_linear_runs_are_powers_of_a_matrix(h):
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])  # the bilinear field is turn @ w
    eye, g = torch.eye(2), 0.6
    field = gd.wasserstein
    ridge = turn - torch.diag(torch.tensor([0.0, g]))
    # psi first: its row is done when theta's begins.
    first = eye + h * torch.tensor([[0.0, 0.0], [-1.0, 0.0]])
    then = eye + h * torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    cases = [
        (lambda w: gd.simultaneous(field, w, h), eye + h * turn),
        (lambda w: gd.alternating(field, w, h), then @ first),
        (lambda w: gd.extragradient(field, w, h), eye + h * turn + h**2 * turn @ turn),
        (
            lambda w: gd.consensus(field, w, h, g),
            eye + h * (turn - g * turn.T @ turn),
        ),
        (lambda w: gd.simultaneous(gd.with_r1(field, g), w, h), eye + h * ridge),
    ]
    w = draw(2, 2)
    for update, matrix in cases:
        path = gd.trajectory(update, w, 12)
        exact = [torch.linalg.matrix_power(matrix, i) @ w for i in range(13)]
        assert torch.allclose(path, torch.stack(exact))


@pytest.mark.parametrize("field", FIELDS)
def test_consensus_descends_the_length_of_the_field(field):
    """Its second part is -gamma ∇ ½‖v‖², by autograd."""
    w = draw(3, 2).requires_grad_()
    (slope,) = torch.autograd.grad(0.5 * field(w).square().sum(), w)
    w = w.detach()
    got = gd.consensus(field, w, 0.1, 0.8) - gd.simultaneous(field, w, 0.1)
    assert torch.allclose(got, -0.1 * 0.8 * slope)


def test_clipping_holds_psi_alone():
    w = torch.tensor([[3.0, 3.0], [-3.0, -3.0], [0.2, 0.1]])
    expected = torch.tensor([[3.0, 0.5], [-3.0, -0.5], [0.2, 0.1]])
    assert torch.equal(gd.clip(w, 0.5), expected)


@pytest.mark.parametrize("h", [0.05, 0.3, 0.9])
def test_eigenvalues_have_closed_forms(h):
    """With slope a at the equilibrium (1, or ½ with a sigmoid) and s = h a."""
    g = 0.4
    for field, a in zip(FIELDS, (0.5, 0.5, 1.0), strict=True):
        s = h * a
        half, turn = 1 - s**2 / 2, s * math.sqrt(1 - s**2 / 4)
        damp = complex(g**2 / 4 - a**2) ** 0.5
        cases = [
            (lambda w, f=field: gd.simultaneous(f, w, h), 1 + 1j * s),
            (lambda w, f=field: gd.alternating(f, w, h), half + 1j * turn),
            (lambda w, f=field: gd.extragradient(f, w, h), 1 - s**2 + 1j * s),
            (
                lambda w, f=field: gd.consensus(f, w, h, g),
                1 - h * g * a**2 + 1j * s,
            ),
            (
                lambda w, f=field: gd.simultaneous(gd.with_r1(f, g), w, h),
                1 + h * (-g / 2 + damp),
            ),
        ]
        for update, expected in cases:
            values = gd.eigenvalues(update)
            value = values[values.imag > 0]
            assert torch.allclose(value, torch.tensor([expected]))
            assert torch.allclose(values.sum().imag, torch.zeros(()))


def test_eigenvalues_foretell_the_run():
    """After many steps from near by, the radius is about |λ|^steps."""
    update = lambda w: gd.extragradient(gd.minimax, w, 0.4)  # noqa: E731
    size = gd.eigenvalues(update).abs().max()
    path = gd.trajectory(update, torch.tensor([1e-3, 0.0]), 300)
    rate = (path[-1].norm() / path[100].norm()) ** (1 / 200)
    assert abs(rate - size) < 1e-6


def test_the_flow_of_the_minimax_game_stays_on_its_circle():
    """In small steps: d/dt (theta² + psi²) = 0 for minimax, below 0 non-saturating."""
    w = 2 * draw(4, 30, 2)
    radial = (w * gd.minimax(w)).sum(-1)
    assert torch.allclose(radial, torch.zeros(30), atol=1e-12)
    u = w.prod(-1)
    exact = -u * torch.tanh(u / 2)
    assert torch.allclose((w * gd.non_saturating(w)).sum(-1), exact)


@pytest.mark.parametrize(("steps", "w"), [(0, torch.zeros(2)), (3, torch.zeros(3))])
def test_trajectory_says_what_it_wants(steps, w):
    with pytest.raises(ValueError, match="trajectory: expected steps of at least 1"):
        gd.trajectory(lambda w: w, w, steps)


# ------------------------------------------------------------------------------- modes


def test_modes_are_counted_by_hand():
    """Four modes in the unit square's corners; ten samples, each placed on purpose."""
    square = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    mixture = data.Mixture(square, [0.1, 0.1, 0.1, 0.05], [0.4, 0.2, 0.2, 0.2])
    x = torch.tensor(
        [[0.0, 0.0]] * 4  # on the first
        + [[0.0, 0.71]]  # good for the second: 2.9 σ
        + [[0.0, 0.69]]  # nearest to the second, 3.1 σ off
        + [[0.6, 0.0]] * 2  # nearest to the third, far from good
        + [[1.0, 0.86], [1.0, 0.84]]  # 2.8 σ and 3.2 σ of the narrow fourth
    )
    covered, quality, reverse_kl = gd.modes(x, mixture)
    assert covered == 3 and quality == pytest.approx(0.6)
    shares = [(0.4, 0.4), (0.2, 0.2), (0.2, 0.2), (0.2, 0.2)]
    assert reverse_kl == pytest.approx(sum(q * math.log(q / p) for q, p in shares))
    assert gd.modes(x, mixture, within=10)[:2] == (4, 1.0)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_lost_modes_cost_a_logarithm(k):
    """Samples spread evenly over k of 8 modes: KL = log(8 / k)."""
    ring = data.ring()
    x = ring.means[:k].repeat(50, 1)
    covered, quality, reverse_kl = gd.modes(x, ring)
    assert (covered, quality) == (k, 1.0)
    assert reverse_kl == pytest.approx(math.log(8 / k))


def test_unequal_weights_count():
    """All on one mode of weight ¼: KL = log 4, whichever way the others lie."""
    mixture = data.Mixture([[-5.0], [5.0]], 0.1, [0.25, 0.75])
    assert gd.modes(torch.full((9, 1), -5.0), mixture).reverse_kl == pytest.approx(
        math.log(4)
    )


def test_real_samples_are_good(seeded):
    """Within 3 σ in the plane lie 1 - exp(-9/2) of a Gaussian's samples."""
    grid = data.grid()
    covered, quality, reverse_kl = gd.modes(
        grid.sample(20_000, generator=seeded()), grid
    )
    share = 1 - math.exp(-4.5)
    assert covered == 25 and reverse_kl < 0.005
    assert abs(quality - share) < 4 * math.sqrt(share * (1 - share) / 20_000)


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(0, 2),
        torch.zeros(3, 1),
        torch.zeros(2),
        torch.full((2, 2), torch.nan),
    ],
)
def test_modes_says_what_it_wants(x):
    with pytest.raises(ValueError, match="x: expected"):
        gd.modes(x, data.ring())


# ------------------------------------------------------------------------------- fixes


def alone(nets: gd.Perceptrons, run: int) -> nn.Sequential:
    """Return one run of a critic as torch's own layers."""
    layers = []
    for weight, bias in zip(nets.matrices(), nets.bias, strict=True):
        linear = nn.Linear(*weight.shape[1:])
        linear.weight.data, linear.bias.data = (
            weight[run].T.clone(),
            bias[run, 0].clone(),
        )
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def test_runs_side_by_side_are_runs_alone(seeded):
    """The same outputs, and the same gradients from the sum of the losses."""
    nets = gd.Perceptrons(3, 2, 16, 16, 1, generator=seeded())
    x = draw(5, 3, 10, 2)
    nets(x).square().mean(1).sum().backward()
    for run in range(3):
        net = alone(nets, run)
        y = net(x[run])
        assert torch.allclose(nets(x)[run], y)
        y.square().mean().backward()
        for linear, weight, bias in zip(net[::2], nets.weight, nets.bias, strict=True):
            assert torch.allclose(weight.grad[run], linear.weight.grad.T)
            assert torch.allclose(bias.grad[run, 0], linear.bias.grad)
    assert not torch.allclose(nets.weight[0][0], nets.weight[0][1])


def test_perceptrons_start_with_variance_one_over_inputs(seeded):
    nets = gd.Perceptrons(4, 50, 200, 1, generator=seeded())
    assert abs(nets.weight[0].var() * 50 - 1) < 0.02
    assert abs(nets.weight[1].var() * 200 - 1) < 0.1
    again = gd.Perceptrons(4, 50, 200, 1, generator=seeded())
    assert torch.equal(nets.weight[1], again.weight[1])


@pytest.mark.parametrize("arguments", [(0, 2, 1), (3, 2)])
def test_perceptrons_say_what_they_want(arguments):
    with pytest.raises(ValueError, match="Perceptrons: expected at least 1 run"):
        gd.Perceptrons(*arguments)


def test_closeness_is_the_papers_sum():
    """Loop by loop, as section 3.2 of the paper writes it."""
    h, weight = draw(6, 2, 5, 4), 0.3 * draw(7, 2, 3, 4, 2)
    got = gd.closeness(h, weight)
    assert got.shape == (2, 5, 3)
    for r in range(2):
        m = [[h[r, i] @ weight[r, k] for k in range(3)] for i in range(5)]
        for i in range(5):
            for k in range(3):
                terms = [
                    math.exp(-(m[i][k] - m[j][k]).abs().sum())
                    for j in range(5)
                    if j != i
                ]
                assert got[r, i, k] == pytest.approx(sum(terms))


def test_a_collapsed_batch_is_close(seeded):
    """Ten equal examples: each is as close as can be to nine others."""
    critic = gd.MinibatchCritic(2, 2, 8, 1, kernels=4, generator=seeded())
    same = draw(8, 2, 1, 2).expand(2, 10, 2)
    assert torch.allclose(
        gd.closeness(critic.hidden(same), critic.kernel), torch.full((2, 10, 4), 9.0)
    )
    x = draw(9, 2, 10, 2)
    apart = critic(x) - critic(x[:, :5]).repeat(1, 2, 1)
    assert critic(x).shape == (2, 10, 1) and (apart.abs() > 1e-6).any()
    without = gd.Perceptrons.forward(critic, x)
    near = gd.closeness(critic.hidden(x), critic.kernel) @ critic.closer
    assert torch.allclose(critic(x), without + near)


def test_power_iteration_finds_the_norm_and_its_gradient(seeded):
    weight = draw(10, 3, 6, 4).requires_grad_()
    u = torch.randn(3, 4, 1, generator=seeded())
    for _ in range(200):
        norm, u = gd.largest_singular(weight, u)
    exact = torch.linalg.matrix_norm(weight, ord=2)
    assert torch.allclose(norm.flatten(), exact)
    expected = torch.autograd.grad(exact.sum(), weight)
    assert torch.allclose(torch.autograd.grad(norm.sum(), weight)[0], expected[0])


def test_a_spectral_critic_is_never_steeper_than_one(seeded):
    critic = gd.SpectralCritic(2, 2, 32, 32, 1, generator=seeded())
    with torch.no_grad():
        for weight in critic.weight:
            weight.mul_(5)
        for _ in range(200):
            critic(torch.zeros(2, 1, 2))
    for weight in critic.matrices():
        norms = torch.linalg.matrix_norm(weight, ord=2)
        assert torch.allclose(norms, torch.ones(2))
    x = (3 * draw(11, 2, 500, 2)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x)
    assert slope.norm(dim=-1).max() <= 1 + 1e-9


def test_gradient_penalty_of_a_known_slope():
    """D(x) = 3 x₁ + 4 x₂ has slope 5 everywhere: (5 - 1)² for each point."""
    critic = lambda x: (x * torch.tensor([3.0, 4.0])).sum(-1, keepdim=True)  # noqa: E731
    real, fake, t = draw(12, 2, 7, 2), draw(13, 2, 7, 2), torch.rand(2, 7, 1)
    got = gd.gradient_penalty(critic, real, fake, t)
    assert torch.allclose(got, torch.full((2, 7), 16.0))
    assert torch.allclose(gd.r1(critic, real), torch.full((2, 7), 25.0))


def test_penalties_are_taken_where_they_should_be():
    """D(x) = ‖x‖² has slope 2‖x‖: so the place shows in the value."""
    critic = lambda x: x.square().sum(-1, keepdim=True)  # noqa: E731
    real, fake = draw(14, 1, 9, 2), draw(15, 1, 9, 2)
    t = torch.rand(1, 9, 1)
    x = t * real + (1 - t) * fake
    expected = (2 * x.norm(dim=-1) - 1) ** 2
    assert torch.allclose(gd.gradient_penalty(critic, real, fake, t), expected)
    assert torch.allclose(gd.r1(critic, real), 4 * real.square().sum(-1))


def test_penalties_train_the_critic(seeded):
    """Each has a gradient to the weights, the one that finite differences find."""
    critic = gd.Perceptrons(1, 2, 8, 1, generator=seeded())
    real, fake, t = draw(16, 1, 6, 2), draw(17, 1, 6, 2), torch.rand(1, 6, 1)
    for penalty in (
        lambda: gd.gradient_penalty(critic, real, fake, t).mean(),
        lambda: gd.r1(critic, real).mean(),
    ):
        weight = critic.weight[0]
        (slope,) = torch.autograd.grad(penalty(), weight)
        way = draw(18, *weight.shape)
        with torch.no_grad():
            weight += 1e-6 * way
        above = penalty().item()
        with torch.no_grad():
            weight -= 2e-6 * way
        below = penalty().item()
        with torch.no_grad():
            weight += 1e-6 * way
        assert (above - below) / 2e-6 == pytest.approx(
            float((slope * way).sum()), rel=1e-4
        )


def test_d_loss_is_the_cross_entropy_of_each_run():
    real, fake = draw(19, 3, 8, 1), draw(20, 3, 8, 1)
    bce = F.binary_cross_entropy_with_logits
    runs = [
        bce(a, torch.ones(8, 1)) + bce(b, torch.zeros(8, 1))
        for a, b in zip(real, fake, strict=True)
    ]
    assert torch.allclose(gd.d_loss(real, fake), torch.stack(runs).sum())


@pytest.mark.parametrize("k", [1, 3])
def test_unrolling_is_k_steps_of_gradient_descent(k, seeded):
    """The logits are those of a critic that was trained k steps by hand."""
    critic = gd.Perceptrons(2, 2, 8, 8, 1, generator=seeded())
    before = [p.clone() for p in critic.parameters()]
    real, fake = draw(21, 2, 6, 2), draw(22, 2, 6, 2)
    got = gd.unrolled(critic, real, fake, k=k, lr=0.3)
    assert all(
        torch.equal(p, b) for p, b in zip(critic.parameters(), before, strict=True)
    )
    by_hand = gd.Perceptrons(2, 2, 8, 8, 1, generator=seeded())
    for _ in range(k):
        by_hand.zero_grad()
        gd.d_loss(by_hand(real), by_hand(fake)).backward()
        with torch.no_grad():
            for p in by_hand.parameters():
                p -= 0.3 * p.grad
    assert torch.allclose(got, by_hand(fake))


def test_unrolling_differentiates_through_the_steps(seeded):
    """The generator's gradient is the whole one: as finite differences find it."""
    critic = gd.Perceptrons(1, 2, 8, 8, 1, generator=seeded())
    real, fake = draw(23, 1, 6, 2), draw(24, 1, 6, 2)

    def cost(x):
        return F.softplus(-gd.unrolled(critic, real, x, k=2, lr=0.5)).mean()

    x = fake.clone().requires_grad_()
    (slope,) = torch.autograd.grad(cost(x), x)
    way = draw(25, *fake.shape)
    change = (cost(fake + 1e-6 * way) - cost(fake - 1e-6 * way)).item() / 2e-6
    assert change == pytest.approx(float((slope * way).sum()), rel=1e-4)


def test_unrolling_says_what_it_wants(seeded):
    critic = gd.Perceptrons(1, 2, 1, generator=seeded())
    with pytest.raises(ValueError, match="k: expected at least 1"):
        gd.unrolled(critic, torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), k=0, lr=0.1)
