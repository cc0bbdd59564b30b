"""metrics: distances against closed forms and scipy, the critic against its card."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from scipy import linalg

from genbook import data, metrics

seeds = st.integers(0, 2**31 - 1)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def white(seed: int, n: int, dims: int) -> torch.Tensor:
    """Return points with a sample mean of 0 and a sample covariance of I, exactly."""
    x = draw(seed, n, dims)
    q = torch.linalg.qr(x - x.mean(0)).Q
    return q * math.sqrt(n - 1)


def rotation(seed: int, dims: int) -> torch.Tensor:
    return torch.linalg.qr(draw(seed, dims, dims)).Q


# --------------------------------------------------------------------------- bits


def test_bits_of_a_fair_choice_are_its_yes_no_questions():
    assert metrics.bits_per_dim(64 * math.log(16), 64) == pytest.approx(4)
    per_image = torch.tensor([1.0, 3.0], dtype=torch.float32) * math.log(2)
    assert metrics.bits_per_dim(per_image, 2) == pytest.approx(1)


# ------------------------------------------------------------------------ Fréchet


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.1, 3), st.floats(0.1, 3))
def test_frechet_on_a_line(m_a, m_b, s_a, s_b):
    """In one dimension it is (m_a - m_b)² + (s_a - s_b)²."""
    a, b = m_a + s_a * white(0, 9, 1), m_b + s_b * white(1, 14, 1)
    oracle = (m_a - m_b) ** 2 + (s_a - s_b) ** 2
    assert metrics.frechet(a, b) == pytest.approx(oracle, abs=1e-10)


@given(seeds)
def test_frechet_of_commuting_covariances(seed):
    """Then it is ‖m_a - m_b‖² + Σ (σ_a - σ_b)² over the common axes."""
    axes, shift = rotation(seed, 4), draw(seed, 4)
    s_a, s_b = draw(seed + 1, 4).abs() + 0.1, draw(seed + 2, 4).abs() + 0.1
    a = white(seed, 20, 4) * s_a @ axes
    b = white(seed + 1, 30, 4) * s_b @ axes + shift
    oracle = shift.square().sum() + (s_a - s_b).square().sum()
    assert metrics.frechet(a, b) == pytest.approx(float(oracle), abs=1e-10)


@given(seeds)
def test_frechet_is_that_of_the_matrix_root(seed):
    a = draw(seed, 40, 5) @ draw(seed + 1, 5, 5) + draw(seed + 2, 5)
    b = draw(seed + 3, 25, 5) @ draw(seed + 4, 5, 5)
    c_a, c_b = torch.cov(a.T), torch.cov(b.T)
    root = linalg.sqrtm((c_a @ c_b).numpy()).real
    means = (a.mean(0) - b.mean(0)).square().sum()
    oracle = means + c_a.trace() + c_b.trace() - 2 * root.trace()
    assert metrics.frechet(a, b) == pytest.approx(float(oracle), rel=1e-6)


@given(seeds)
def test_frechet_is_symmetric_and_does_not_see_a_rotation(seed):
    a, b, turn = draw(seed, 12, 3), 2 * draw(seed + 1, 15, 3) + 1, rotation(seed, 3)
    distance = metrics.frechet(a, b)
    assert distance > 0
    assert metrics.frechet(b, a) == pytest.approx(distance)
    assert metrics.frechet(a @ turn + 5, b @ turn + 5) == pytest.approx(distance)
    assert metrics.frechet(3 * a, 3 * b) == pytest.approx(9 * distance)


def test_frechet_is_zero_for_equal_sets():
    a = draw(0, 50, 8)
    assert 0 <= metrics.frechet(a, a.flip(0)) < 1e-12
    flat = a * torch.tensor([1.0] * 6 + [0.0] * 2)  # two features that never vary
    assert 0 <= metrics.frechet(flat, flat) < 1e-12


def test_frechet_takes_single_precision_and_computes_in_double():
    a, b = draw(0, 50, 8).float() + 1000, draw(1, 60, 8).float() + 1000
    exact = metrics.frechet(a.double() - 1000, b.double() - 1000)
    assert metrics.frechet(a, b) == pytest.approx(exact, rel=1e-9)


@given(seeds, st.integers(1, 6))
def test_frechet_to_moments_is_that_to_the_points_they_are_of(seed, dims):
    a = draw(seed, 30, dims) @ draw(seed + 1, dims, dims) + draw(seed + 2, dims)
    b = draw(seed + 3, 40, dims) @ draw(seed + 4, dims, dims)
    to = metrics.frechet_to(a, b.mean(0), torch.cov(b.T).reshape(dims, dims))
    assert to == pytest.approx(metrics.frechet(a, b), abs=1e-8)


@given(st.floats(-3, 3), st.floats(0.1, 3), seeds)
def test_frechet_to_a_round_normal(shift, sigma, seed):
    """Then it is D shift² + Σ (σ_a - sigma)² over the axes of a."""
    s_a = draw(seed, 4).abs() + 0.1
    a = white(seed + 1, 20, 4) * s_a @ rotation(seed, 4)
    mean, cov = torch.full((4,), shift), sigma**2 * torch.eye(4)
    oracle = 4 * shift**2 + float((s_a - sigma).square().sum())
    assert metrics.frechet_to(a, mean, cov) == pytest.approx(oracle, abs=1e-9)


def test_frechet_to_takes_a_covariance_that_is_flat_somewhere():
    a = draw(0, 50, 8) * torch.tensor([1.0] * 6 + [0.0] * 2)
    assert 0 <= metrics.frechet_to(a, a.mean(0), torch.cov(a.T)) < 1e-12
    single = metrics.frechet_to(a, a.mean(0).float(), torch.cov(a.T.float()))
    assert 0 <= single < 1e-5


# --------------------------------------------------------------- precision and recall


def test_a_point_is_within_the_radius_of_its_neighbours():
    """On a line 0, 1, 3, 7 have radii 1, 1, 2, 4 for k = 1; 3, 2, 3, 6 for k = 2."""
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    x = torch.tensor([[-1.0], [-1.01], [5.1], [11.0], [11.01]])
    assert metrics.within(real, x, k=1).tolist() == [True, False, True, True, False]
    x = torch.tensor([[-3.0], [-3.01], [13.0], [13.01]])
    assert metrics.within(real, x, k=2).tolist() == [True, False, True, False]


@given(seeds, st.integers(1, 4))
def test_equal_sets_have_everything_and_far_ones_nothing(seed, k):
    x = draw(seed, 20, 3)
    assert metrics.precision_recall(x, x.flip(0), k=k) == (1, 1)
    assert metrics.precision_recall(x, x + 1000, k=k) == (0, 0)


def test_a_lost_mode_costs_recall_and_an_invented_one_precision():
    one, other = draw(0, 30, 2), draw(1, 30, 2) + 100
    both = torch.cat([one, other])
    assert metrics.precision_recall(both, one, k=3) == (1, 0.5)
    assert metrics.precision_recall(one, both, k=3) == (0.5, 1)


# ------------------------------------------------------------------------- the critic


def card():
    with safe_open(metrics.WEIGHTS, "pt") as file:
        return file.metadata()


def test_the_critic_reads_as_many_test_digits_as_its_card_says():
    digits, said = data.digits(), card()
    found = metrics.digit_probs(digits.x_test / 16).argmax(1) == digits.y_test
    assert len(found) == int(said["of"]) == 360
    # One digit may tip over with another machine's rounding.
    assert abs(int(found.sum()) - int(said["right"])) <= 1
    assert int(said["right"]) / 360 > 0.98
    assert "seed 0" in said["recipe"] and "1437 training digits" in said["recipe"]


def test_the_critic_is_small_and_ships_with_the_package():
    assert metrics.WEIGHTS.stat().st_size < 200_000
    assert metrics.WEIGHTS.is_relative_to(Path(metrics.__file__).parent)


def test_features_lead_to_the_probabilities():
    x = data.digits().x_test[:50] / 16
    features = metrics.digit_features(x)
    assert features.shape == (50, 32) and features.dtype == torch.float32
    assert not features.requires_grad
    logits = metrics._critic().head(features)
    probs = metrics.digit_probs(x)
    assert torch.allclose(logits.softmax(1), probs, atol=1e-6)
    assert torch.allclose(probs.sum(1), torch.ones(50).float())
    assert torch.allclose(metrics.digit_features(x[:1]), features[:1], atol=1e-5)


def test_features_of_the_digits_have_a_full_covariance():
    cov = torch.cov(metrics.digit_features(data.digits().x_test / 16).double().T)
    assert torch.linalg.eigvalsh(cov).min() > 1e-6


# -------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: metrics.bits_per_dim(torch.tensor([1, math.nan]), 2), r"got 2 .* nan"),
        (lambda: metrics.bits_per_dim(math.inf, 2), r"finite nats .* inf"),
        (lambda: metrics.bits_per_dim(torch.empty(0), 2), r"got 0 values"),
        (lambda: metrics.bits_per_dim(1.0, 0), r"dims of at least 1, .* dims=0"),
        (
            lambda: metrics.frechet(draw(0, 4, 3), draw(1, 3, 3)),
            r"b: expected more samples than features, .* got 3 samples of 3 features",
        ),
        (
            lambda: metrics.frechet(draw(0, 3, 3), draw(1, 4, 3)),
            r"a: expected more samples .* got 3 samples of 3 features",
        ),
        (
            lambda: metrics.frechet(draw(0, 9, 3), draw(1, 9, 4)),
            r"a and b: expected points \(N, D\) and \(M, D\), .*\(9, 3\) and \(9, 4\)",
        ),
        (
            lambda: metrics.frechet(draw(0, 9), draw(1, 9)),
            r"a and b: expected points .* got \(9,\) and \(9,\)",
        ),
        (
            lambda: metrics.frechet(draw(0, 9, 2), draw(1, 9, 2).log()),
            r"b: \d of 9 points hold NaN or inf",
        ),
        (
            lambda: metrics.frechet_to(draw(0, 3, 3), draw(1, 3), torch.eye(3)),
            r"x: expected more samples than features, .* 3 samples of 3 features",
        ),
        (
            lambda: metrics.frechet_to(draw(0, 9, 3), draw(1, 2), torch.eye(3)),
            r"x and mean: expected points .* got \(9, 3\) and \(1, 2\)",
        ),
        (
            lambda: metrics.frechet_to(draw(0, 9, 3), draw(1, 3), torch.eye(2)),
            r"cov: expected a covariance, .* \(3, 3\) .*, got shape \(2, 2\)",
        ),
        (
            lambda: metrics.frechet_to(draw(0, 9, 3), draw(1, 3), -torch.eye(3)),
            r"cov: expected a covariance, .* no negative eigenvalue",
        ),
        (
            lambda: metrics.frechet_to(
                draw(0, 9, 3), draw(1, 3), draw(2, 3, 3).triu(1) + torch.eye(3)
            ),
            r"cov: expected a covariance, a symmetric matrix",
        ),
        (
            lambda: metrics.precision_recall(draw(0, 9, 2) / 0, draw(1, 9, 2), k=1),
            r"real: 9 of 9 points hold NaN or inf",
        ),
        (
            lambda: metrics.within(draw(0, 9, 2), torch.empty(0, 2), k=1),
            r"real and x: expected points",
        ),
        (
            lambda: metrics.within(draw(0, 9, 2), draw(1, 9, 2), k=9),
            r"k: expected 1 … 8, one less than there are points, got 9",
        ),
        (
            lambda: metrics.within(draw(0, 9, 2), draw(1, 9, 2), k=0),
            r"k: expected 1 … 8, .* got 0",
        ),
        (
            lambda: metrics.precision_recall(draw(0, 9, 2), draw(1, 4, 2), k=4),
            r"k: expected 1 … 3, .* got 4",
        ),
        (
            lambda: metrics.digit_features(torch.zeros(2, 8, 8)),
            r"x: expected images \(N, 1, 8, 8\), one or more, got \(2, 8, 8\)",
        ),
        (
            lambda: metrics.digit_features(torch.zeros(0, 1, 8, 8)),
            r"x: expected images .* one or more, got \(0, 1, 8, 8\)",
        ),
        (
            lambda: metrics.digit_probs(torch.full((2, 1, 8, 8), 16.0)),
            r"x: expected ink between 0 and 1 \(counts / 16\), .* from 16 to 16",
        ),
        (
            lambda: metrics.digit_probs(torch.full((2, 1, 8, 8), math.nan)),
            r"x: expected ink between 0 and 1 .* from nan to nan",
        ),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
