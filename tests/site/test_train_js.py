"""Networks that train on the page: gradients, Adam and noise against torch."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from genbook.widgets.panel import script

ACTIVATIONS = {
    "SiLU": nn.SiLU(),
    "ReLU": nn.ReLU(),
    "LeakyReLU": nn.LeakyReLU(0.2),
    "Tanh": nn.Tanh(),
    "Identity": nn.Identity(),
}
# Odd and even sizes: the products go by blocks, and have edges.
WIDTHS = [[2, 1], [3, 7, 2], [2, 8, 8, 1], [5, 4, 6, 9, 3]]


@pytest.fixture(scope="module")
def call(browser):
    """Return a function that evaluates JavaScript with the module's functions."""
    page = browser.new_page()
    names = "random, normal, network, forward, backward, adam"
    page.evaluate(
        """async (source) => {
          const blob = new Blob([source], {type: "text/javascript"});
          globalThis.js = await import(URL.createObjectURL(blob));
          globalThis.f64 = (values) => Float64Array.from(values);
          globalThis.netOf = (widths, name, params) => {
            const net = js.network(widths, name, js.random(0));
            if (net.params.length !== params.length) throw new Error("other sizes");
            net.params.set(params);
            return net;
          };
        }""",
        script("train.js") + f"\nexport {{ {names} }};",
    )

    def evaluate(body: str, **values: object) -> object:
        return page.evaluate(f"({{ {', '.join(values)} }}) => {body}", values)

    yield evaluate
    page.close()


def twin(widths: list[int], name: str, seed: int = 0) -> nn.Sequential:
    """Return the network in torch, in float64, with weights that bend every layer."""
    torch.manual_seed(seed)
    layers = []
    for m, n in pairwise(widths):
        layers += [nn.Linear(m, n, dtype=torch.float64), ACTIVATIONS[name]]
    net = nn.Sequential(*layers[:-1])
    for p in net.parameters():
        p.data *= 3
    return net


def flat(tensors: object) -> list[float]:
    """Return tensors, one after the other, as one list."""
    return torch.cat([t.detach().flatten() for t in tensors]).tolist()


# ---- Layers --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("n", [1, 6, 7])
def test_outputs_and_gradients_are_autograds(call, name, widths, n):
    """Of weights, biases and inputs, for any gradient that arrives at the outputs."""
    net = twin(widths, name)
    generator = torch.Generator().manual_seed(n)
    x = 2 * torch.randn(n, widths[0], generator=generator, dtype=torch.float64)
    d_out = torch.randn(n, widths[-1], generator=generator, dtype=torch.float64)
    x.requires_grad_()
    y = net(x)
    y.backward(d_out)
    got = call(
        """{
          const net = netOf(widths, name, params);
          const y = [...js.forward(net, f64(x), n)];
          const dIn = [...js.backward(net, f64(dOut))];
          return { y, dIn, grads: [...net.grads] };
        }""",
        widths=widths, name=name, params=flat(net.parameters()), n=n,
        x=flat([x]), dOut=flat([d_out]),
    )  # fmt: skip
    grads = flat(p.grad for p in net.parameters())
    np.testing.assert_allclose(got["y"], flat([y]), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(got["dIn"], flat([x.grad]), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(got["grads"], grads, rtol=1e-10, atol=1e-10)
    assert np.abs(grads).max() > 0.01


def test_batches_do_not_mix(call):
    """Another size between, the same again: each result is that of its own batch."""
    net = twin([2, 5, 2], "SiLU")
    generator = torch.Generator().manual_seed(0)
    a, b, c = (
        torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (4, 9, 4)
    )
    expected = []
    for x in (a, b, c):
        net.zero_grad()
        x.requires_grad_()
        (net(x) ** 2).sum().backward()
        expected.append((flat([x.grad]), flat(p.grad for p in net.parameters())))
    got = call(
        """{
          const net = netOf([2, 5, 2], "SiLU", params);
          return batches.map((x) => {
            const y = js.forward(net, f64(x), x.length / 2);
            return [[...js.backward(net, y.map((v) => 2 * v))], [...net.grads]];
          });
        }""",
        params=flat(net.parameters()), batches=[flat([x]) for x in (a, b, c)],
    )  # fmt: skip
    for ours, theirs in zip(got, expected, strict=True):
        for part, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(part, other, rtol=1e-10, atol=1e-12)


def test_no_step_allocates(call):
    """The same arrays come back for the same n."""
    assert call(
        """{
          const net = js.network([2, 4, 1], "Tanh", js.random(0));
          const x = f64([1, 2, 3, 4]);
          const y = js.forward(net, x, 2), d = js.backward(net, y);
          js.forward(net, f64([1, 2]), 1);
          return js.forward(net, x, 2) === y && js.backward(net, y) === d;
        }"""
    )


def test_initial_weights_are_spread_as_torchs(call):
    """nn.Linear: weight and bias uniform within ±1/√inputs, and seeded."""
    widths = [4, 64, 64, 100]
    make = "[...js.network(widths, 'SiLU', js.random(seed)).params]"
    params = np.array(call(make, widths=widths, seed=1))
    assert np.array_equal(params, call(make, widths=widths, seed=1))
    assert not np.array_equal(params, call(make, widths=widths, seed=2))
    at = 0
    for m, n in pairwise(widths):
        torch.manual_seed(0)
        layer = nn.Linear(m, n)
        for p in (layer.weight, layer.bias):
            part, theirs = params[at : at + p.numel()], p.detach().numpy()
            at += p.numel()
            assert np.abs(part).max() <= 1 / math.sqrt(m)
            assert np.abs(part).max() > 0.95 / math.sqrt(m)
            assert part.std() == pytest.approx(theirs.std(), rel=0.25)
            assert abs(part.mean()) < 4 * part.std() / math.sqrt(len(part))
    assert at == len(params)


def test_an_unknown_activation_gets_a_sentence(call):
    said = call(
        """{
          try { js.network([1, 1], "GELU", js.random(0)); }
          catch (error) { return error.message; }
        }"""
    )
    assert said.startswith("activation: expected Identity, ReLU") and "got GELU" in said


# ---- Adam ----------------------------------------------------------------------------


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9), (0.0, 0.99)])
def test_adam_is_torchs(call, betas):
    """Training on a batch, with a rate that changes on the way."""
    net = twin([2, 16, 16, 1], "SiLU")
    start = flat(net.parameters())
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 2, generator=generator, dtype=torch.float64)
    y = (x[:, :1] * x[:, 1:]).sin()
    rates = [1e-2] * 5 + [3e-2] * 5 + [1e-3] * 5
    optimizer = torch.optim.Adam(net.parameters(), lr=rates[0], betas=betas)
    losses = []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        loss = ((net(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    got = call(
        """{
          const net = netOf([2, 16, 16, 1], "SiLU", params), n = y.length;
          const step = js.adam(net, { lr: rates[0], beta1: betas[0], beta2: betas[1] });
          const losses = rates.map((rate, i) => {
            const off = js.forward(net, f64(x), n).map((v, i) => v - y[i]);
            js.backward(net, off.map((v) => 2 * v / n));
            if (i < 5) step(); else step(rate);
            return off.reduce((sum, v) => sum + v * v, 0) / n;
          });
          return { losses, params: [...net.params] };
        }""",
        params=start, betas=betas, x=flat([x]), y=flat([y]), rates=rates,
    )  # fmt: skip
    np.testing.assert_allclose(got["losses"], losses, rtol=1e-7)
    np.testing.assert_allclose(got["params"], flat(net.parameters()), atol=1e-7)
    assert losses[-1] < 0.5 * losses[0]


def test_adams_defaults_are_torchs(call):
    """The first step is the rate, 1e-3, along the sign; eps and betas show later."""
    grads = torch.tensor([1e-7, -3.0, 0.5, 0.0], dtype=torch.float64)
    p = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([p])
    for k in (1, 2, 3):
        p.grad = grads * k
        optimizer.step()
    got = call(
        """{
          const net = { params: new Float64Array(4), grads: f64(grads) };
          const step = js.adam(net);
          for (const k of [1, 2, 3]) { net.grads.set(grads.map((g) => k * g)); step(); }
          return [...net.params];
        }""",
        grads=grads.tolist(),
    )
    np.testing.assert_allclose(got, p.tolist(), rtol=1e-9)


# ---- Noise ---------------------------------------------------------------------------


def mulberry32(seed: int, n: int) -> list[float]:
    """Return n uniform numbers, with Python's whole numbers cut to 32 bits."""
    out, cut = [], 0xFFFFFFFF
    for _ in range(n):
        seed = (seed + 0x6D2B79F5) & cut
        t = ((seed ^ (seed >> 15)) * (seed | 1)) & cut
        t ^= (t + (((t ^ (t >> 7)) * (t | 61)) & cut)) & cut
        out.append(((t ^ (t >> 14)) + 0.5) / 2**32)
    return out


def test_uniform_numbers_are_mulberrys(call):
    for seed in (0, 1, 2**32 - 1):
        got = call(
            "{ const r = js.random(seed); return Array.from({length: 9}, () => r()); }",
            seed=seed,
        )
        assert got == mulberry32(seed, 9)


DRAW = (
    "{{ const r = js.random(seed); return Array.from({{length: {n}}}, () => {of}); }}"
)


@pytest.mark.parametrize("of", ["r()", "js.normal(r)"])
def test_noise_has_its_law_and_repeats(call, of):
    """Kolmogorov's distance, moments, neighbours that do not know each other, seeds."""
    body = DRAW.format(n=40_000, of=of)
    x = np.array(call(body, seed=0))
    assert np.array_equal(x, call(body, seed=0))
    assert not np.array_equal(x, call(body, seed=1))
    assert np.isfinite(x).all()
    uniform = x
    moments = {p: 1 / (p + 1) for p in (1, 2, 3, 4)}
    if of != "r()":
        uniform = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x])
        moments = {1: 0, 2: 1, 3: 0, 4: 3, 6: 15}
    assert uniform.min() > 0 and uniform.max() < 1
    apart = np.abs(np.sort(uniform) - np.linspace(0, 1, len(x))).max()
    assert apart < 1.63 / math.sqrt(len(x))  # 1 %
    for power, moment in moments.items():
        error = (x**power).std() / math.sqrt(len(x))
        assert abs((x**power).mean() - moment) < 4.5 * error
    for lag in (1, 2):
        assert abs(np.corrcoef(x[:-lag], x[lag:])[0, 1]) < 0.02
