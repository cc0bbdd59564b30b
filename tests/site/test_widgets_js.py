"""The numbers of the widgets' JavaScript are torch's, to 1e-4."""

import base64
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbook import widgets
from genbook.widgets import mlp
from genbook.widgets.known import HYDRATED
from genbook.widgets.panel import script

WIDGETS = Path(widgets.__file__).parent


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that calls one of the widgets' functions in the browser."""
    page = browser.new_page()
    names = "floats, layers, decode, enlarge, lerp, slerp"
    source = script("mlp.js", "figure.js", "interpolation.js")
    page.evaluate(
        """async (source) => {
          const blob = new Blob([source], {type: "text/javascript"});
          globalThis.js = await import(URL.createObjectURL(blob));
          // A trait of bytes as the browser gets it: somewhere inside a larger buffer.
          globalThis.view = (text, offset) => {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            const larger = new Uint8Array(bytes.length + offset);
            larger.set(bytes, offset);
            return new DataView(larger.buffer, offset);
          };
        }""",
        source + f"\nexport {{ {names} }};",
    )

    def evaluate(expression: str, **values: object) -> np.ndarray:
        names = ", ".join(values)
        return np.array(
            page.evaluate(f"({{ {names} }}) => {expression}", values), dtype=float
        )

    yield evaluate
    page.close()


ACTIVATIONS = {
    "ReLU": nn.ReLU(),
    "SiLU": nn.SiLU(),
    "Tanh": nn.Tanh(),
    "GELU": nn.GELU(),
    "GELU tanh": nn.GELU("tanh"),
    "Identity": nn.Identity(),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("offset", [0, 3])
def test_decode_is_torchs(call, name, offset):
    """Several depths and widths, with and without bias, and saturating inputs."""
    torch.manual_seed(0)
    f = ACTIVATIONS[name]
    nets = [
        nn.Sequential(nn.Linear(2, 64)),
        nn.Sequential(nn.Linear(2, 32), f, nn.Linear(32, 32), f, nn.Linear(32, 64)),
        nn.Sequential(nn.Linear(7, 5, bias=False), f, nn.Linear(5, 9)),
        nn.Sequential(
            nn.Flatten(), nn.Linear(3, 8), f, nn.Linear(8, 6), nn.Linear(6, 4)
        ),
    ]
    for net in nets:
        traits = mlp.layers(net)
        for p in net.parameters():  # large weights: every branch of every activation
            p.data *= 3
        traits = mlp.layers(net)
        z = torch.randn(20, traits["widths"][0]) * torch.logspace(-2, 1, 20)[:, None]
        expected = net(z).sigmoid().detach().numpy()
        got = call(
            "zs.map((z) => [...js.decode(js.layers(view(w, offset), widths, f), z)])",
            zs=z.tolist(),
            w=base64.b64encode(traits["weights"]).decode(),
            widths=traits["widths"],
            f=traits["activations"],
            offset=offset,
        )
        np.testing.assert_allclose(got, expected, atol=1e-4)
        assert expected.std() > 0.1  # not all the same number


def slerp(a, b, t):
    """Shoemake's formula in float64."""
    angle = torch.arccos((a @ b / (a.norm() * b.norm())).clamp(-1, 1))
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


@pytest.mark.parametrize("k", [2, 3, 16, 64])
def test_paths_are_torchs(call, k):
    """Both paths, ends included, for codes of different length."""
    generator = torch.Generator().manual_seed(k)
    a, b = torch.randn(2, k, generator=generator, dtype=torch.float64)
    b = 2 * b
    for t in (0, 0.1, 0.5, 0.77, 1):
        values = {"a": a.tolist(), "b": b.tolist(), "t": t}
        straight = torch.lerp(a, b, t)
        np.testing.assert_allclose(
            call("js.lerp(a, b, t)", **values), straight, atol=1e-9
        )
        np.testing.assert_allclose(
            call("js.slerp(a, b, t)", **values), slerp(a, b, t), atol=1e-9
        )


def test_slerp_keeps_the_length(call):
    """What it is for: between two codes of length r it stays at r; a line does not."""
    a, b = [3.0, 0, 0], [0, 0, 3.0]
    arc = call("js.slerp(a, b, 0.5)", a=a, b=b)
    line = call("js.lerp(a, b, 0.5)", a=a, b=b)
    assert math.isclose(np.linalg.norm(arc), 3)
    assert math.isclose(np.linalg.norm(line), 3 / math.sqrt(2))


@pytest.mark.parametrize(
    "b", [[1.0, 2.0], [2.0, 4.0], [-1.0, -2.0], [0.0, 0.0]],
    ids=["same", "parallel", "opposite", "zero"],
)  # fmt: skip
def test_slerp_without_a_circle_is_the_line(call, b):
    """Where no great circle is defined there is a number all the same."""
    a = [1.0, 2.0]
    got = call("js.slerp(a, b, 0.3)", a=a, b=b)
    np.testing.assert_allclose(got, 0.7 * np.array(a) + 0.3 * np.array(b), atol=1e-9)


@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (28, 28)])
def test_enlarge_is_torchs_bicubic(call, shape):
    """The tiles of a widget look like the tiles of a figure."""
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(x[None, None], scale_factor=8, mode="bicubic").flatten()
    got = call(
        "[...js.enlarge(x, h, w)]", x=x.flatten().tolist(), h=shape[0], w=shape[1]
    )
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.fixture(scope="module")
def hydrator(browser):
    """A page with nothing on it but the hydrator."""
    page = browser.new_page()
    page.add_script_tag(path=str(WIDGETS / "hydrate.js"))
    yield page
    page.close()


def test_the_build_knows_what_the_script_knows(hydrator):
    """The list by which the build fails is the table by which the script acts."""
    assert set(hydrator.evaluate("genbook.known")) == HYDRATED
    assert len(hydrator.evaluate("genbook.known")) == len(HYDRATED)


@pytest.mark.parametrize(
    "spec", [".0f", ".2f", "+.3f", ",.1f", "d", ",d", "+d", ".1e", ".0%", ".1%"]
)
def test_readouts_are_formatted_as_python_formats(hydrator, spec):
    """Those of d3's formats that are Python's, but for the minus sign.

    No value lies half-way between two: there d3 rounds up and Python to even.
    """
    for value in (0, 1, -1, 3, 12, -1234567, 0.51, -0.376, 2.627, 1234.5678):
        if spec.endswith("d") and value != int(value):
            continue
        number = int(value) if spec.endswith("d") else value
        expected = format(number, spec).replace("-", "−")
        expected = expected.replace("e+0", "e+").replace("e−0", "e−")  # d3: no zeros
        got = hydrator.evaluate(f"genbook.format({json.dumps(value)}, '{spec}')")
        assert got.replace("e-", "e−") == expected
