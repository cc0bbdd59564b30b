"""The gallery and the game in Python, the atlas, and decoders that travel in int8."""

import base64

import numpy as np
import pytest
import torch
from torch import nn

from genbook import nets, widgets
from genbook.widgets import atlas, mlp
from tests.widget_samples import decoder, families


def net28(k=16, width=240):
    """Return a decoder as large as a page may hold."""
    torch.manual_seed(1)
    return nets.mlp(k, width, width, (1, 28, 28)).float()


def unpacked(traits):
    """Return weight and bias of each layer, as the browser reads the bytes."""
    q, floats = np.frombuffer(traits["weights"], "i1"), traits["scales"]
    floats, found = np.frombuffer(floats, "<f4"), []
    for m, n in zip(traits["widths"], traits["widths"][1:], strict=False):
        weight, q = q[: n * m].reshape(n, m), q[n * m :]
        scale, bias, floats = floats[:n], floats[n : 2 * n], floats[2 * n :]
        found.append((weight * scale[:, None], bias))
    assert not len(q) and not len(floats)
    return found


def test_int8_holds_the_rounded_decoder():
    """What the bytes say is what `rounded` computes, layer by layer."""
    net = net28()
    layers = [layer for layer in mlp.rounded(net) if isinstance(layer, nn.Linear)]
    found = unpacked(mlp.layers_int8(net))
    assert len(found) == len(layers) == 3
    for (weight, bias), layer in zip(found, layers, strict=True):
        assert np.allclose(weight, layer.weight.detach(), rtol=1e-6, atol=0)
        assert np.array_equal(bias, layer.bias.detach())
    assert mlp.layers_int8(net)["widths"] == mlp.layers(net)["widths"]
    assert mlp.layers(net)["scales"] == b""


def test_rounding_leaves_the_decoder_alone_and_moves_it_little():
    """The twin is another network, and near: a step is 1/127 of a channel's largest."""
    net, z = net28(), torch.randn(500, 16, dtype=torch.float32)
    before = net[0].weight.clone()
    twin = mlp.rounded(net)
    assert torch.equal(net[0].weight, before)
    assert not torch.equal(twin[0].weight, before)
    with torch.no_grad():
        off = (twin(z).sigmoid() - net(z).sigmoid()).abs()
    assert 0 < off.mean() < 0.001 and off.max() < 0.01


def test_a_decoder_of_240_fits_the_page():
    """In base64 under 350 kB; as float32 it would be 1.3 MB."""
    small, large = mlp.layers_int8(net28()), mlp.layers(net28())
    size = 4 / 3 * (len(small["weights"]) + len(small["scales"]))
    assert size < 350_000
    assert 4 / 3 * len(large["weights"]) > 3.8 * size


def test_a_low_rank_form_is_exact_where_the_layer_is(seeded):
    """A layer whose outputs lie in r dimensions loses nothing with rank r."""
    net = nets.mlp(4, 30, 40, (1, 8, 8))
    first, second = torch.randn(40, 5), torch.randn(5, 30)
    net[2].weight.data = first @ second
    z = torch.randn(300, 4, generator=seeded())
    thin = mlp.low_rank(net, z, rank=5)
    assert [p.shape[0] for p in thin.parameters() if p.ndim == 2] == [30, 5, 40, 5, 64]
    exact = nn.Sequential(*list(net)[:3]), nn.Sequential(*list(thin)[:4])
    assert torch.allclose(exact[0](z), exact[1](z), atol=1e-9)
    off = [
        (mlp.low_rank(net, z, rank=r)(z) - net(z)).square().mean() for r in (5, 9, 15)
    ]
    assert off[0] > off[1] > off[2] > 0, "a higher rank is nearer"


def test_a_low_rank_form_is_the_best_there_is(seeded):
    """Of a last layer no other rank-3 map of its inputs comes nearer (Eckart).

    In the measure that it is for: each logit times how far it moves its pixel.
    """
    net = nets.mlp(3, 20, (1, 6, 6))
    net[2].bias.data = 4 * torch.randn(36, generator=seeded(2))
    z = torch.randn(400, 3, generator=seeded(1))
    with torch.no_grad():
        y = net(z).flatten(1)
        thin = mlp.low_rank(net, z, rank=3)(z).flatten(1)
        moves = ((y.sigmoid() * (1 - y.sigmoid())) ** 2).mean(0).sqrt() + 1e-4
        s = torch.linalg.svdvals((y - y.mean(0)) * moves)
    assert moves.max() > 3 * moves.min(), "some move more than others"
    off = ((y - thin) * moves).square().sum().item()
    assert off == pytest.approx(s[3:].square().sum().item(), rel=1e-6)


def in_base64(decoder):
    """Return what the stored notebook spends on the decoder."""
    traits = mlp.layers_int8(decoder)
    return sum(len(base64.b64encode(traits[k])) for k in ("weights", "scales"))


def test_a_decoder_is_made_to_fit_the_page():
    """With the highest rank that does; one that fits already is left as it is."""
    net, z = nets.residual_mlp(8, 40, (1, 9, 9), blocks=2), torch.randn(200, 8)
    whole = in_base64(net)
    assert mlp.for_page(net, z) is net
    assert mlp.for_page(net, z, size=whole) is net
    assert in_base64(mlp.for_page(net, z, size=whole - 10)) <= whole - 10
    for size in (7500, 5500):
        thin = mlp.for_page(net, z, size=size)
        rank = thin[2].linear[0].out_features
        assert in_base64(thin) <= size < in_base64(mlp.low_rank(net, z, rank=rank + 1))
    with pytest.raises(ValueError, match=r"size: expected at least .* got 2000"):
        mlp.for_page(net, z, size=2000)
    large, z = net28(width=320), torch.randn(900, 16)
    assert 340_000 < in_base64(mlp.for_page(large, z)) <= 350_000 < in_base64(large)


def test_a_residual_layer_keeps_its_straight_path(seeded):
    """Its inside becomes thin, x goes on past it; the browser is told how far back."""
    net = nets.residual_mlp(4, 30, (1, 5, 5), blocks=2)
    z = torch.randn(300, 4, generator=seeded())
    thin = mlp.low_rank(net, z, rank=10)
    assert [type(layer).__name__ for layer in thin].count("Residual") == 2
    assert mlp.layers(net)["skips"] == [0, 1, 1, 0]
    assert mlp.layers(net)["activations"] == ["SiLU", "SiLU", "SiLU", "Identity"]
    assert mlp.layers(thin)["skips"] == [0, 0, 2, 0, 2, 0, 0]
    assert mlp.layers(thin)["widths"] == [4, 30, 10, 30, 10, 30, 10, 25]
    off = [
        (mlp.low_rank(net, z, rank=r)(z) - net(z)).square().mean() for r in (3, 6, 12)
    ]
    assert off[0] > off[1] > off[2] > 0
    twin = mlp.rounded(thin)
    assert not torch.equal(twin[2].linear[0].weight, thin[2].linear[0].weight)


def test_thin_layers_stay_as_they_are(seeded):
    """Where rank r would cost more weights than the layer has, it is left alone."""
    net = nets.mlp(2, 8, (1, 8, 8))
    z = torch.randn(50, 2, generator=seeded())
    thin = mlp.low_rank(net, z, rank=8)
    assert torch.equal(thin(z), net(z))
    with pytest.raises(ValueError, match="rank: expected at least 1, got 0"):
        mlp.low_rank(net, z, rank=0)
    with pytest.raises(ValueError, match=r"codes: expected shape \(N, 2\)"):
        mlp.low_rank(net, z[:, :1], rank=3)


@pytest.mark.parametrize("n", [1, 10, 23])
def test_an_atlas_keeps_every_image(n):
    """To half a shade, in order, whatever the last row holds."""
    x = torch.rand(n, 1, 5, 7)
    png = atlas.pack(x)
    back = atlas.unpack(png, n, (5, 7))
    assert back.shape == (n, 5, 7) and back.dtype == np.uint8
    assert np.abs(back / 255 - x[:, 0].numpy()).max() <= 0.5 / 255 + 1e-7
    assert png == atlas.pack(x[:, 0]), "with or without a channel"


def test_fewer_shades_are_the_nearest_and_smaller():
    """Each of 16 is as far from the next, the ends are kept, and noise costs less."""
    x = torch.rand(30, 12, 12)
    x[0, 0, :2] = torch.tensor([0.0, 1.0])
    png = atlas.pack(x, shades=16)
    back = atlas.unpack(png, 30, (12, 12))
    assert set(np.unique(back)) == set(range(0, 256, 17))
    assert np.abs(back / 255 - x.numpy()).max() <= 0.5 / 15 + 1e-7
    assert len(png) < 0.75 * len(atlas.pack(x))
    assert atlas.pack(x, shades=256) == atlas.pack(x)


def test_the_page_stores_all_its_images_in_as_many_shades(seeded):
    """Real or generated: a grey alone must not give an image away."""
    rows = [
        row._replace(images=torch.rand(30, 8, 8, generator=seeded()))
        for row in families()
    ]
    real = torch.rand(12, 8, 8, generator=seeded(1))
    players = widgets.real_or_generated(real, rows).children[0].players
    _, stored = widgets.gallery(rows).children[1].families
    for row in [*players, stored]:
        back = atlas.unpack(row["atlas"], row["count"], (8, 8))
        assert set(np.unique(back)) == set(range(0, 256, 17))


def test_the_real_digits_are_digits():
    """300 of them, every class, with where they come from in the file."""
    from PIL import Image

    x, y = atlas.real_digits()
    assert x.shape == (300, 28, 28) and y.shape == (300,)
    assert set(y) == set(range(10))
    assert x.min() == 0 and x.max() == 1
    assert 0.08 < x.mean() < 0.18, "a tenth of the paper is ink"
    said = Image.open(atlas.DIGITS).text
    assert "LeCun" in said["Author"] and "CC BY-SA 3.0" in said["Copyright"]
    assert atlas.DIGITS.stat().st_size < 60_000


def change(i, **changed):
    """Return the sample families, one of them changed."""
    rows = families()
    rows[i] = rows[i]._replace(**changed)
    return rows


BAD = {
    "families: expected at least one, got none": [],
    "families: expected names that differ, got VAE, VAE": change(1, name="VAE"),
    "families: expected names that differ, got VAE,  ": change(1, name=" "),
    "GAN: expected ink 0 … 1, got -1 … 1": change(
        1, images=torch.linspace(-1, 1, 640).reshape(10, 8, 8)
    ),
    "GAN: expected ink 0 … 1, got nan": change(1, images=torch.full((9, 8, 8), np.nan)),
    "GAN: expected images (N, H, W), got shape (10, 64)": change(
        1, images=torch.zeros(10, 64)
    ),
    "GAN: expected images of (8, 8) as the first family has, got (7, 8)": change(
        1, images=torch.zeros(10, 7, 8)
    ),
}
BAD_GALLERIES = BAD | {
    "GAN: expected at least 10 images, got 9": change(1, images=torch.zeros(9, 8, 8)),
    "VAE: expected a positive distance and its interval": change(0, distance=(0, 1)),
    "GAN: expected a positive distance and its interval": change(1, distance=(3,)),
    "got Softplus": change(0, decoder=nn.Sequential(nn.Linear(2, 64), nn.Softplus())),
    "expected (H, W) with H·W = 49": change(0, decoder=decoder(3, pixels=49)),
}


@pytest.mark.parametrize("said", BAD_GALLERIES)
def test_the_gallery_refuses(said):
    """A sentence names the family, what was expected and what came."""
    with pytest.raises(ValueError) as error:
        widgets.gallery(BAD_GALLERIES[said])
    assert said in str(error.value)


@pytest.mark.parametrize("floor", [0, -1, float("nan"), float("inf")])
def test_a_floor_is_a_distance(floor):
    """A positive one."""
    with pytest.raises(ValueError, match="floor: expected a positive distance"):
        widgets.gallery(families(), floor=floor)


@pytest.mark.parametrize("said", BAD)
def test_the_game_refuses(said):
    """What the gallery refuses of images and names, it refuses too."""
    with pytest.raises(ValueError) as error:
        widgets.real_or_generated(torch.zeros(5, 8, 8), BAD[said])
    expected = said.replace("differ, got", "differ, got real,")
    assert expected in str(error.value)


def test_the_game_has_one_real_player_and_half_its_images():
    """A family may not call itself real, and the real images must fit."""
    real = torch.zeros(5, 8, 8)
    with pytest.raises(ValueError, match="names that differ, got real, real, GAN"):
        widgets.real_or_generated(real, change(0, name="real"))
    with pytest.raises(ValueError, match="seed: expected 0 or a positive number"):
        widgets.real_or_generated(real, families(), seed=-1)
    with pytest.raises(ValueError, match=r"VAE: expected images of \(9, 8\)"):
        widgets.real_or_generated(torch.zeros(5, 9, 8), families())
    canvas = widgets.real_or_generated(real, families(), tell="So.").children[0]
    assert [row["name"] for row in canvas.players] == ["real", "VAE", "GAN"]
    assert [row["count"] for row in canvas.players] == [5, 30, 30]
    assert [row["tell"] for row in canvas.players] == [
        "So.",
        "Its edges fade.",
        "Lines end.",
    ]


def test_the_gallery_says_what_it_shows():
    """Its alt text tells the distances; a row is live or it is stored."""
    panel = widgets.gallery(families(), floor=2.0)
    assert panel.alt == (
        "Images drawn by VAE, GAN, a row of ten for each; their Fréchet distances: "
        "VAE 35, GAN 8.2, and real images among themselves 2."
    )
    bare = [row._replace(distance=None) for row in families()]
    plain = "Images drawn by VAE, GAN, a row of ten for each."
    assert widgets.gallery(bare).alt == widgets.gallery(bare, floor=2).alt == plain
    live, stored = panel.children[1].families
    assert "weights" in live and "atlas" not in live
    assert "atlas" in stored and "weights" not in stored
    assert live["numbers"] == [("parameters", "0.4 M"), ("nats", "≤ 84.0")]
