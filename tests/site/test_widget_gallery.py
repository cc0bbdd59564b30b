"""The gallery, and the decoders of 28×28 images: the page draws what torch draws."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect
from torch.nn import functional as F

from genbook import nets, palette, widgets
from genbook.widgets import atlas, mlp
from tests.site.test_widgets_page import (
    at_rest,
    frame,
    get,
    picture,
    put,
    show,  # noqa: F401
)
from tests.site.visit import LIVE, functions, late_frame
from tests.widget_samples import families, gallery

LIMIT = 16  # milliseconds


@pytest.fixture(scope="module")
def call(browser):
    """Call a function of the gallery's scripts."""
    names = "codes, choose, layers, decode, sprite, quickTiles, make, fit, view"
    files = ("train.js", "mlp.js", "figure.js", "ink.js", "gallery.js")
    with functions(browser, *files, names=names.removesuffix(", view")) as call:
        yield call


VIEW = "new DataView(Uint8Array.from(atob(w), (c) => c.charCodeAt(0)).buffer, 0)"


def text(data):
    """Return bytes as base64."""
    return base64.b64encode(data).decode()


def large(k=16):
    """Return a decoder as large as a page may hold, with weights like trained ones."""
    torch.manual_seed(k)
    net = nets.mlp(k, 240, 240, (1, 28, 28))
    for p in net.parameters():
        p.data *= 3
    return net


@pytest.mark.parametrize(
    "net",
    [
        large(),
        nets.mlp(2, 5, 9, (1, 3, 3), activation=torch.nn.GELU),
        mlp.low_rank(large(), torch.randn(200, 16), rank=20),
        nets.residual_mlp(5, 12, (1, 3, 3), blocks=2),
        mlp.low_rank(nets.residual_mlp(5, 12, 9, blocks=3), torch.eye(5), rank=3),
    ],
    ids=["28×28", "small", "low rank", "residual", "residual, low rank"],
)
def test_int8_is_decoded_as_torch_decodes_it(call, net):
    """The browser's images are those of the rounded weights, to 1e-4."""
    traits = mlp.layers_int8(net)
    z = torch.randn(6, traits["widths"][0], generator=torch.Generator().manual_seed(0))
    got = call(
        f"""zs.map((z) => {{
          const view = (w) => {VIEW};
          const net = js.layers(view(weights), widths, f, view(scales), skips);
          return [...js.decode(net, z)];
        }})""",
        zs=z.tolist(),
        weights=text(traits["weights"]),
        scales=text(traits["scales"]),
        widths=traits["widths"],
        f=traits["activations"],
        skips=traits["skips"],
    )
    with torch.no_grad():
        rounded = mlp.rounded(net)(z).flatten(1).sigmoid().numpy()
        exact = net(z).flatten(1).sigmoid().numpy()
    assert np.abs(np.array(got) - rounded).max() < 1e-4
    assert np.abs(rounded - exact).max() > 2e-4, "the rounding itself can be seen here"
    assert rounded.std() > 0.02


def test_the_bytes_of_an_atlas_arrive(call):
    """Every grey of every tile, in the browser, is the byte that was stored."""
    x = torch.rand(23, 9, 6, generator=torch.Generator().manual_seed(0))
    x[0] = torch.linspace(0, 1, 54).reshape(9, 6)
    got = call(
        f"js.sprite({VIEW}, 23, [9, 6], 10).then((all) => all.map((one) => [...one]))",
        w=text(atlas.pack(x)),
    )
    assert np.array_equal(np.array(got), np.rint(255 * x.numpy()).reshape(23, 54))


def test_seeded_codes_are_normal(call):
    """The same for a seed, others for another; mean 0, variance 1, no correlation."""
    one, again, other = (
        np.array(call("js.codes(seed, 2000, 4)", seed=s)) for s in (5, 5, 6)
    )
    assert one.shape == (2000, 4)
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.abs(one.mean(0)).max() < 0.1
    assert np.abs(np.cov(one.T) - np.eye(4)).max() < 0.12


def test_seeded_choices_are_fair(call):
    """n different ones of all, none more often than the rest."""
    picks = np.array([call("js.choose(seed, 10, 40)", seed=s) for s in range(1, 401)])
    assert all(len(set(row)) == 10 for row in picks.tolist())
    counts = np.bincount(picks.ravel(), minlength=40)
    assert (
        len(counts) == 40 and counts.min() > 60 and counts.max() < 140
    )  # 100 expected


def shown(page, selector):
    """Return what a canvas shows, uint8 (H, W, 4); quick for a large one, too."""
    data = picture(page, selector).partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def tile(page, row, n):
    """Return the tile n of a row as ink 0 … 1, (H, W)."""
    green = torch.tensor(shown(page, f".gb-row >> nth={row}")[..., 1])
    ground, ink = (int(colour[3:5], 16) for colour in palette.TILE)
    step = (green.shape[1] + 4) / 10
    left = round(n * step)
    return (green[:, left : round(left + step - 4)].double() - ground) / (ink - ground)


def agrees(got, image):
    """Compare a tile with an image (H, W) that torch enlarges to its size.

    Browsers enlarge each in their own way, and a tile may be half a pixel off.
    """
    image = torch.as_tensor(image).double()[None, None]
    wanted = F.interpolate(image, size=tuple(got.shape), mode="bicubic")[0, 0]
    both = torch.stack([x[3:-3, 3:-3].flatten() for x in (got, wanted.clamp(0, 1))])
    return torch.corrcoef(both)[0, 1] > 0.95


def test_rows_show_what_the_families_draw(show, call):  # noqa: F811
    """The live row its decoder's images, the other its stored ones, for two seeds."""
    one, two = families()
    panel = gallery()
    canvas = panel.children[1]
    page = show(panel, viewport={"width": 900, "height": 700})
    for seed in (1, 7):
        put(page, canvas, "seed", seed)
        frame(page)
        z = torch.tensor(call("js.codes(seed, 10, 4)", seed=seed))
        with torch.no_grad():
            live = mlp.rounded(one.decoder)(z).sigmoid().reshape(10, 8, 8)
        chosen = call("js.choose(seed, 10, 30)", seed=seed)
        for n in (0, 4, 9):
            assert agrees(tile(page, 0, n), live[n])
            assert agrees(tile(page, 1, n), two.images[chosen[n]])
        assert not agrees(tile(page, 0, 3), live[4])  # it can fail
        assert not agrees(tile(page, 1, 3), two.images[chosen[4]])


def test_seed_slider_and_button(show):  # noqa: F811
    """Both draw again; after the last seed the first comes, and the same images."""
    panel = gallery()
    canvas = panel.children[1]
    page = show(panel)
    first = [picture(page, f".gb-row >> nth={i}") for i in (0, 1)]
    page.get_by_role("button", name="Draw again").press("Enter")
    assert get(page, canvas, "seed") == 2
    expect(page.locator(".gb-said")).to_have_text("seed 2")
    for i in (0, 1):
        assert picture(page, f".gb-row >> nth={i}") != first[i]
    slider = page.get_by_role("slider", name="seed")
    assert slider.input_value() == "2"
    slider.press("End")
    assert get(page, canvas, "seed") == 99
    page.get_by_role("button", name="Draw again").click()
    assert slider.input_value() == "1"
    assert [picture(page, f".gb-row >> nth={i}") for i in (0, 1)] == first
    label = page.locator(".gb-row").first.get_attribute("aria-label")
    assert label == "Ten images by VAE, drawn here with seed 1"


def test_numbers_and_distances_are_told(show):  # noqa: F811
    """Each number beside its name; the chart's words hold every distance."""
    page = show(gallery())
    facts = page.locator(".gb-facts").first
    assert facts.locator("span").all_inner_texts() == ["parameters", "nats"]
    assert facts.locator("strong").all_inner_texts() == ["0.4 M", "≤ 84.0"]
    heads = page.locator(".gb-head").all_inner_texts()
    assert [head.split("\n") for head in heads] == [
        ["VAE", "drawn live"],
        ["GAN", "stored images"],
    ]
    assert page.locator(".gb-distances").get_attribute("aria-label") == (
        "Fréchet distances, less is better: VAE 35.0, GAN 8.20, "
        "real images among themselves 2.00"
    )


def test_distances_stand_in_their_order(show):  # noqa: F811
    """A dot further to the right is a larger distance, the floor leftmost of all."""
    page = show(gallery())
    image = shown(page, ".gb-distances").astype(int)

    def columns(name):
        colour = [int(palette.COLORS[name][i : i + 2], 16) for i in (1, 3, 5)]
        near = np.abs(image[..., :3] - colour).sum(-1) + 9 * (image[..., 3] < 200) < 9
        rows, at = np.nonzero(near)
        return rows, at

    rows, at = columns("model")
    middle = (rows.min() + rows.max()) / 2
    vae, gan = at[rows < middle].mean(), at[rows > middle].mean()
    floor = columns("truth")[1].mean()
    assert floor < gan < vae
    # Steps are factors: log(35 / 8.2) and log(8.2 / 2).
    assert (vae - gan) / (gan - floor) == pytest.approx(
        np.log(35 / 8.2) / np.log(8.2 / 2), rel=0.05
    )


def test_without_distances_there_is_no_chart(show):  # noqa: F811
    """Families may wait for their numbers."""
    page = show(widgets.gallery([row._replace(distance=None) for row in families()]))
    expect(page.locator(".gb-row").first).to_be_visible()
    expect(page.locator(".gb-distances")).to_have_count(0)


# ---- 28×28 in the figures that decode ------------------------------------------------


def plane28():
    """Return a latent plane over a decoder as large as a page may hold."""
    z = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    y = torch.arange(200) % 10
    return widgets.latent_plane(large(2), z, y, shape=(28, 28), int8=True)


def interpolation28():
    """Return an interpolation with the same."""
    x, y = atlas.real_digits()
    z = torch.randn(20, 16, generator=torch.Generator().manual_seed(2))
    names = [f"{label}, number {i}" for i, label in enumerate(y[:20])]
    return widgets.interpolation(large(), z, x[:20], names=names, int8=True)


def gallery28():
    """Return a gallery of six rows, two of them drawn live."""
    x, _ = atlas.real_digits()
    rows = [
        widgets.Family(f"family {i}", x[:100], decoder=large() if i < 2 else None)
        for i in range(6)
    ]
    return widgets.gallery(rows)


@pytest.mark.parametrize("make", [plane28, interpolation28, gallery28])
def test_large_images_follow_the_hand(show, make):  # noqa: F811
    """The 95th percentile of a frame stays under 16 ms, whichever control moves."""
    page = show(make())
    at_rest(page)  # the plane's map comes in some frames
    for control in page.locator(LIVE).element_handles():
        late = late_frame(page, control)
        who = control.evaluate("(c) => c.parentElement.innerText || c.outerHTML")
        assert late < LIMIT, (who, late)


def test_large_digit_is_the_decoders(show):  # noqa: F811
    """The plane's digit at a point, 28×28, is torch's of the rounded weights."""
    panel = plane28()
    canvas = panel.children[0]
    page = show(panel)
    put(page, canvas, "z1", 1.25)
    put(page, canvas, "z2", -0.4)
    frame(page)
    green = torch.tensor(shown(page, ".gb-digit")[..., 1]).double()
    ground, ink = (int(colour[3:5], 16) for colour in palette.TILE)
    got = (green - ground) / (ink - ground)
    with torch.no_grad():
        z = torch.tensor([[1.25, -0.4]])
        image = mlp.rounded(large(2))(z).sigmoid()[0, 0]
        other = mlp.rounded(large(2))(-z).sigmoid()[0, 0]
    assert agrees(got, image)
    assert not agrees(got, other)


def test_the_map_of_large_images_is_whole(show):  # noqa: F811
    """It comes in some frames, and then stays: every cell has its digit."""
    page = show(plane28())
    at_rest(page)
    seen = picture(page, ".gb-plane")
    page.wait_for_timeout(100)
    assert picture(page, ".gb-plane") == seen
    image = shown(page, ".gb-plane")[..., :3].astype(int)
    side = image.shape[1] - 22
    cells = [
        image[int((j + 0.2) * side / 13) : int((j + 0.8) * side / 13),
              22 + int((i + 0.2) * side / 13) : 22 + int((i + 0.8) * side / 13)]
        for j in range(13) for i in range(13)
    ]  # fmt: skip
    assert min(cell.std() for cell in cells) > 1
