"""probability: against torch.distributions, quadrature, and every code there is."""

import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions as dist

from genbook import probability

seeds = st.integers(0, 2**31 - 1)
means, widths = st.floats(-3, 3), st.floats(0.2, 3)
NAN, INF = math.nan, math.inf


def draw(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).softmax(-1)


# ------------------------------------------------------------------- finitely many


@given(seeds, st.integers(2, 9))
def test_entropy_and_kl_are_those_of_torch_distributions(seed, k):
    p, q = draw(seed, 4, k), draw(seed + 1, 4, k)
    ours, theirs = probability.entropy(p), dist.Categorical(p).entropy()
    assert ours.shape == (4,) and torch.allclose(ours, theirs, atol=1e-12)
    ours = probability.kl(p, q)
    theirs = dist.kl_divergence(dist.Categorical(p), dist.Categorical(q))
    assert ours.shape == (4,) and torch.allclose(ours, theirs, atol=1e-12)
    assert (ours > 0).all()


@given(seeds, st.integers(2, 9))
def test_cross_entropy_is_torchs_on_soft_targets(seed, k):
    p, q = draw(seed, 4, k), draw(seed + 1, 4, k)
    theirs = torch.nn.functional.cross_entropy(q.log(), p, reduction="none")
    assert torch.allclose(probability.cross_entropy(p, q), theirs, atol=1e-12)


@given(st.integers(1, 64))
def test_entropy_of_equally_likely_outcomes_is_the_log_of_their_number(k):
    p = torch.full((k,), 1 / k)
    assert torch.allclose(probability.entropy(p), torch.tensor(k).log())
    assert torch.allclose(probability.cross_entropy(p, p), torch.tensor(k).log())


def test_what_never_happens_costs_nothing_and_what_was_ruled_out_costs_everything():
    sure, fair = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])
    assert probability.entropy(sure) == 0
    assert probability.cross_entropy(sure, fair) == probability.kl(sure, fair)
    assert probability.kl(sure, fair) == pytest.approx(math.log(2))
    assert probability.cross_entropy(fair, sure) == INF
    assert probability.kl(fair, sure) == INF
    assert probability.kl(sure, sure) == 0


def test_the_gradient_of_the_cross_entropy_is_q_minus_p():
    p, logits = draw(0, 6), draw(1, 6).log().requires_grad_()
    probability.cross_entropy(p, logits.softmax(-1)).backward()
    assert torch.allclose(logits.grad, logits.detach().softmax(-1) - p, atol=1e-12)


@pytest.mark.parametrize(
    "p",
    [[0.5, 0.6], [1.5, -0.5], [3.0, 1.0], [0.5, NAN], [0.0, 0.0], [0.5, 0.4995]],
)
def test_what_is_no_distribution_is_refused(p):
    good, bad = torch.tensor([0.5, 0.5]), torch.tensor([[0.5, 0.5], p])
    with pytest.raises(ValueError, match="expected probabilities that add up to 1"):
        probability.entropy(bad)
    for pair in ((good, bad), (bad, good)):
        for f in (probability.cross_entropy, probability.kl):
            with pytest.raises(ValueError, match="expected probabilities"):
                f(*pair)


# ------------------------------------------------------------------------ Gaussians


@given(means, widths, means, widths)
def test_gaussians_are_those_of_torch_distributions(mu_p, sigma_p, mu_q, sigma_q):
    values = [torch.tensor(v) for v in (mu_p, sigma_p, mu_q, sigma_q)]
    p, q = dist.Normal(*values[:2]), dist.Normal(*values[2:])
    assert torch.allclose(probability.normal_entropy(values[1]), p.entropy())
    kl = dist.kl_divergence(p, q)
    assert torch.allclose(probability.normal_kl(*values), kl, atol=1e-10)


def test_cross_entropy_of_gaussians_is_the_integral():
    mu_p, sigma_p, mu_q, sigma_q = torch.tensor([[0.5, -1], [0.7, 2], [1, 1], [2, 0.9]])
    x = torch.linspace(-30, 30, 60_001)[:, None]
    p, q = dist.Normal(mu_p, sigma_p), dist.Normal(mu_q, sigma_q)
    integral = -(p.log_prob(x).exp() * q.log_prob(x)).sum(0) * (x[1] - x[0])
    got = probability.normal_cross_entropy(mu_p, sigma_p, mu_q, sigma_q)
    assert got.shape == (2,) and torch.allclose(got, integral, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, -1.0, NAN])
def test_a_width_that_is_none_is_refused(sigma):
    zero, one, bad = torch.tensor(0.0), torch.tensor(1.0), torch.tensor([1.0, sigma])
    with pytest.raises(ValueError, match="sigma: expected above 0"):
        probability.normal_entropy(bad)
    with pytest.raises(ValueError, match="sigma_p: expected above 0"):
        probability.normal_kl(zero, bad, zero, one)
    with pytest.raises(ValueError, match="sigma_q: expected above 0"):
        probability.normal_cross_entropy(zero, one, zero, bad)


# -------------------------------------------------------------------------- Huffman


def mean_length(weights: dict, code: dict) -> float:
    return sum(w * len(code[s]) for s, w in weights.items()) / sum(weights.values())


@given(st.lists(st.floats(1e-3, 1), min_size=2, max_size=40))
def test_huffman_keeps_to_the_bound_and_is_a_prefix_code(weights):
    weights = dict(enumerate(weights))
    code = probability.huffman(weights)
    assert code.keys() == weights.keys()
    for a, b in itertools.permutations(code.values(), 2):
        assert not b.startswith(a)
    # A tree with no loose end: Kraft's sum is 1.
    assert sum(2.0 ** -len(word) for word in code.values()) == pytest.approx(1)
    p = torch.tensor(list(weights.values()))
    h = float(probability.entropy(p / p.sum())) / math.log(2)
    assert h - 1e-9 <= mean_length(weights, code) < h + 1


@given(st.lists(st.integers(1, 30), min_size=2, max_size=6))
def test_no_prefix_code_is_shorter(weights):
    """Try all lengths that Kraft's inequality allows."""
    k = len(weights)
    best = min(
        sum(w * n for w, n in zip(weights, lengths, strict=True))
        for lengths in itertools.product(range(1, k), repeat=k)
        if sum(2.0**-n for n in lengths) <= 1
    )
    code = probability.huffman(dict(enumerate(weights)))
    assert sum(w * len(code[i]) for i, w in enumerate(weights)) == best


def test_huffman_meets_the_entropy_where_probabilities_are_powers_of_two():
    weights = {"a": 8, "b": 4, "c": 2, "d": 1, "e": 1}
    code = probability.huffman(weights)
    assert {s: len(word) for s, word in code.items()} == dict(a=1, b=2, c=3, d=4, e=4)


def test_a_text_comes_back_whole():
    text = "so it is written, so it is read"
    code = probability.huffman(Counter(text))
    back = {word: letter for letter, word in code.items()}
    read, word = "", ""
    for bit in "".join(code[letter] for letter in text):
        word += bit
        if word in back:
            read, word = read + back[word], ""
    assert read == text and word == ""


@pytest.mark.parametrize(
    "weights", [{}, {"a": 1}, {"a": 1, "b": 0}, {"a": 1, "b": -1}, {"a": 1, "b": NAN},
                {"a": 1, "b": INF}],
)  # fmt: skip
def test_huffman_refuses(weights):
    with pytest.raises(ValueError, match="two symbols or more, of positive weight"):
        probability.huffman(weights)
