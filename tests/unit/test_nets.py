"""nets: an MLP is its layers, in order, and keeps leading dimensions."""

import pytest
import torch
from torch import nn

from genbook import nets


def test_mlp_is_linear_layers_with_an_activation_between():
    kinds = [type(layer) for layer in nets.mlp(2, 5, 5, 3)]
    assert kinds == [nn.Linear, nn.SiLU, nn.Linear, nn.SiLU, nn.Linear]
    kinds = [type(layer) for layer in nets.mlp(2, 5, 3, activation=nn.Tanh)]
    assert kinds == [nn.Linear, nn.Tanh, nn.Linear]


def test_mlp_computes_what_it_says():
    net, x = nets.mlp(2, 5, 3, activation=nn.Tanh), torch.randn(7, 2)
    (a, b), (c, d) = net[0].parameters(), net[2].parameters()
    assert torch.allclose(net(x), torch.tanh(x @ a.T + b) @ c.T + d)


@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
def test_images_are_flattened_and_folded_and_leading_dimensions_stay(lead):
    net = nets.mlp((1, 8, 8), 16, (2, 3))
    assert net(torch.randn(*lead, 1, 8, 8)).shape == (*lead, 2, 3)
    out = nets.mlp(5, 16, (1, 8, 8))(torch.randn(*lead, 5))
    assert out.shape == (*lead, 1, 8, 8)


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0), (3, -1, 2), ((1, 0), 2)])
def test_bad_sizes_get_a_sentence(sizes):
    with pytest.raises(ValueError, match=r"expects two or more sizes .*, got "):
        nets.mlp(*sizes)
