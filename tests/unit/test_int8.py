"""Weights in eight bits: how far they may lie from what they stand for."""

import pytest
import torch

from genbook import int8


@pytest.mark.parametrize("shape", [(7,), (5, 30), (4, 3, 5, 5)])
def test_no_weight_moves_by_more_than_half_a_step(shape, seeded):
    """And the largest of each channel not at all, whatever its size."""
    w = torch.randn(shape, generator=seeded(1))
    w *= torch.logspace(-6, 3, shape[0]).reshape(-1, *[1] * (w.ndim - 1))
    q, scale = int8.quantize(w)
    assert q.dtype == torch.int8 and q.shape == w.shape
    assert scale.dtype == torch.float32 and scale.shape == shape[:1]
    off = (int8.dequantize(q, scale).double() - w).abs().reshape(shape[0], -1)
    size = w.abs().reshape(shape[0], -1).amax(1)
    assert (off.amax(1) <= (0.5 / 127 + 1e-6) * size).all()
    if w.ndim > 1:
        assert (off.amax(1) > 0.3 / 127 * size).all(), "a step is no finer than that"
    assert (q.abs().reshape(shape[0], -1).amax(1) == 127).all()


def test_rounding_is_to_the_nearest(seeded):
    """No other whole number lies nearer: truncation would be off by twice as much."""
    w = torch.randn(20, 50, generator=seeded(2))
    q, scale = int8.quantize(w)
    best = (int8.dequantize(q, scale).double() - w).abs()
    for step in (-1, 1):
        other = (q.double() + step) * scale[:, None].double()
        assert (best <= (other - w).abs() + 1e-9).all()


def test_a_large_weight_spoils_its_own_channel_only(seeded):
    """That is what a scale for each channel is for."""
    w = torch.randn(3, 100, generator=seeded(3))
    before, _ = int8.quantize(w)
    w[1, 0] = 1e4
    after, _ = int8.quantize(w)
    assert torch.equal(after[[0, 2]], before[[0, 2]])
    assert (after[1, 1:] == 0).all()


def test_a_second_rounding_changes_nothing(seeded):
    """What is int8 already comes back as it was; zeros stay zeros."""
    q = torch.randint(-127, 128, (6, 40), generator=seeded(4), dtype=torch.int8)
    q[:, 0] = 127
    q[2] = 0
    again, scale = int8.quantize(int8.dequantize(q, torch.full((6,), 0.03)))
    assert torch.equal(again, q)
    assert scale[2] == 1 and scale[0].item() == pytest.approx(0.03)
    assert (int8.dequantize(again, scale)[2] == 0).all()


def test_it_says_what_is_wrong():
    """Each sentence names the argument, what was expected and what came."""
    with pytest.raises(ValueError, match="weight: expected finite numbers"):
        int8.quantize(torch.tensor([[1.0, torch.nan]]))
    with pytest.raises(ValueError, match=r"weight: expected shape \(n, …\)"):
        int8.quantize(torch.tensor(1.0))
    q, _ = int8.quantize(torch.ones(3, 2))
    with pytest.raises(ValueError, match=r"one for each of 3 channels, got shape \(2"):
        int8.dequantize(q, torch.ones(2))
