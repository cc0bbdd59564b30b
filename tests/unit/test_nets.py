"""nets: what each network computes, which shapes it takes, that it hears the time."""

import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
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


def test_sinusoidal_is_that_of_diffusers():
    t = torch.tensor([0, 1, 7, 200, 999])
    oracle = get_timestep_embedding(t, 64, downscale_freq_shift=0)  # in float32
    assert torch.allclose(nets.sinusoidal(t, 64), oracle.double(), atol=1e-4)
    assert torch.allclose(nets.sinusoidal(t, 2), torch.stack([t.sin(), t.cos()], 1))


@pytest.mark.parametrize("dim", [0, 3, -2])
def test_sinusoidal_wants_an_even_dim(dim):
    with pytest.raises(ValueError, match=rf"dim: expected an even .*, got {dim}"):
        nets.sinusoidal(torch.ones(1), dim)


def awake(net):
    """Return the network with no layer left at zero, as if it had been trained."""
    with torch.no_grad():
        for p in net.parameters():
            p += 0.1 * torch.randn_like(p)
    return net


CASES = {
    "TimeMLP": (lambda: nets.TimeMLP(3, width=16), (3,)),
    "UNet": (lambda: nets.UNet(), (1, 8, 8)),
    "UNet, three levels": (lambda: nets.UNet(3, widths=(8, 16, 24)), (3, 12, 8)),
    "UNet, one level": (lambda: nets.UNet(2, widths=(16,)), (2, 5, 3)),
    "UNet, folded": (lambda: nets.Folded(nets.UNet(4, widths=(8,))), (1, 4, 6)),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    make, shape = request.param
    return awake(make()), torch.randn(6, *shape), torch.tensor([1, 1, 2, 50, 200, 200])


def test_a_timed_network_keeps_the_shape_and_hears_the_time(case):
    net, x, t = case
    y = net(x, t)
    assert y.shape == x.shape
    later = net(x, t.roll(3))
    assert all(not torch.allclose(a, b) for a, b in zip(y, later, strict=True))


def test_each_example_is_answered_for_itself(case):
    net, x, t = case
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.allclose(net(x, t)[order], net(x[order], t[order]), atol=1e-10)
    assert torch.allclose(net(x, t)[2:3], net(x[2:3], t[2:3]), atol=1e-10)


def test_every_parameter_is_trained(case):
    net, x, t = case
    net(x, t).square().sum().backward()
    for name, p in net.named_parameters():
        assert p.grad is not None and p.grad.abs().sum() > 0, name


def test_a_fold_loses_nothing_and_keeps_neighbours_together():
    seen = []

    class Same(nn.Module):
        def forward(self, x, t):
            seen.append(x)
            return x

    x = torch.arange(2.0 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    assert torch.equal(nets.Folded(Same())(x, torch.ones(2)), x)
    (folded,) = seen
    assert folded.shape == (2, 12, 2, 3)
    assert torch.equal(folded[1, 4:8, 1, 2], x[1, 1, 2:4, 4:6].flatten())


def test_attention_is_softmax_of_products():
    """Written out: 4 heads of 4 numbers, and every pixel a mean of all of them."""
    net, x = awake(nets.Attention(16)), torch.randn(2, 16, 3, 5)
    q, k, v = net.qkv(net.norm(x)).reshape(2, 3, 4, 4, 15).unbind(1)
    weight = (torch.einsum("bhci,bhcj->bhij", q, k) / 4**0.5).softmax(-1)
    seen = torch.einsum("bhij,bhcj->bhci", weight, v).reshape(x.shape)
    assert torch.allclose(net(x), x + net.out(seen), atol=1e-12)


@pytest.mark.parametrize("n_out", [8, 16])
def test_a_new_block_goes_straight_on(n_out):
    block, x = nets.ResBlock(8, n_out, 5), torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x, torch.randn(2, 5)), block.straight(x))


def test_a_new_u_net_answers_zero():
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(nets.UNet()(x, torch.tensor([1, 9])), torch.zeros_like(x))


@pytest.mark.parametrize("widths", [(), (4,), (16, 20)])
def test_widths_get_a_sentence(widths):
    with pytest.raises(ValueError, match=r"widths: expected multiples of 8, got"):
        nets.UNet(widths=widths)


def test_sides_that_do_not_halve_get_a_sentence():
    with pytest.raises(
        ValueError, match=r"sides that halve 2 times, got \(1, 1, 8, 6\)"
    ):
        nets.UNet(widths=(8, 8, 8))(torch.zeros(1, 1, 8, 6), torch.tensor([1]))


def test_a_residual_layer_is_added_to_what_comes_in():
    layer, x = nets.Residual(4), torch.randn(3, 2, 4)
    hidden = x @ layer.linear.weight.T + layer.linear.bias
    assert torch.allclose(layer(x), x + hidden * hidden.sigmoid())


@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
def test_a_residual_mlp_takes_images_and_any_leading_dimensions(lead):
    net = nets.residual_mlp((1, 8, 8), 16, (2, 3), blocks=2)
    assert net(torch.randn(*lead, 1, 8, 8)).shape == (*lead, 2, 3)
    kinds = [type(layer) for layer in nets.residual_mlp(2, 5, 3, blocks=2)]
    assert kinds == [nn.Linear, nn.SiLU, nets.Residual, nets.Residual, nn.Linear]
    with pytest.raises(ValueError, match=r"blocks: expected at least 1 .*, got 0"):
        nets.residual_mlp(2, 5, 3, blocks=0)


@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
def test_any_batch_gives_each_code_what_a_plain_batch_gives_it(lead):
    net = nn.Sequential(*nets.mlp(5, (2, 4, 4)), nn.ConvTranspose2d(2, 1, 2, 2))
    z = torch.randn(*lead, 5)
    out = nets.AnyBatch(net)(z)
    assert out.shape == (*lead, 1, 8, 8)
    assert torch.allclose(out.reshape(-1, 1, 8, 8), net(z.reshape(-1, 5)))
