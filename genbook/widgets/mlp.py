"""A decoder on its way into the browser, and the arguments that go with it."""

import copy
import itertools
from typing import TYPE_CHECKING, NamedTuple

import anywidget
import numpy as np
import traitlets

if TYPE_CHECKING:
    from torch import Tensor, nn

# torch is imported where it is needed: the page is built without it.

PAGE = 350_000  # bytes that a page spends on a decoder


class Decoder(anywidget.AnyWidget):
    """A canvas that holds a decoder; `layers` says what its traits mean."""

    weights = traitlets.Bytes().tag(sync=True)
    scales = traitlets.Bytes().tag(sync=True)
    widths = traitlets.List(traitlets.Int()).tag(sync=True)
    activations = traitlets.List(traitlets.Unicode()).tag(sync=True)
    skips = traitlets.List(traitlets.Int()).tag(sync=True)


class _Step(NamedTuple):
    """One linear layer and what follows it: an activation, and x from ``skip`` ago."""

    linear: "nn.Linear"
    activation: str = "Identity"
    skip: int = 0

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return weight (n, m) and bias (n)."""
        bias = self.linear.bias
        bias = np.zeros(self.linear.out_features) if bias is None else array(bias)
        return array(self.linear.weight), bias


def layers(decoder: "nn.Sequential") -> dict[str, object]:
    """Return the traits from which `mlp.js` computes what the decoder computes.

    ``weights``: float32 little-endian bytes, layer after layer, weight (n, m) then
    bias (n); ``widths``: the sizes from input to output; ``activations``: the name of
    what follows each linear layer; ``skips``: how many layers back the x stands that
    is added then, 0 for none. ``scales`` is empty; see `layers_int8`. Raises
    ``ValueError`` for a layer that the browser does not know, and for a network that
    does not end in a linear layer (its logits).
    """
    steps = _steps(decoder)
    data = [part.ravel() for step in steps for part in step.arrays()]
    data = np.concatenate(data).astype("<f4")
    return {"weights": data.tobytes(), "scales": b""} | _shape(steps)


def layers_int8(decoder: "nn.Sequential") -> dict[str, object]:
    """Return the same traits in a quarter of the bytes, for a decoder that is large.

    ``weights``: int8, layer after layer, (n, m); ``scales``: float32, likewise, the
    scale of each output (n) then its bias (n). The browser draws what `rounded` draws.
    Raises as `layers` does.
    """
    import torch

    from genbook import int8

    steps = _steps(decoder)
    weights, scales = [], []
    for weight, bias in (step.arrays() for step in steps):
        q, scale = int8.quantize(torch.as_tensor(weight))
        weights.append(q.numpy().ravel())
        scales += [scale.numpy(), bias]
    return {
        "weights": np.concatenate(weights).tobytes(),
        "scales": np.concatenate(scales).astype("<f4").tobytes(),
    } | _shape(steps)


def rounded(decoder: "nn.Sequential") -> "nn.Sequential":
    """Return a copy of the decoder whose weights have been through int8 and back."""
    import torch
    from torch import nn

    from genbook import int8

    twin = copy.deepcopy(decoder)
    with torch.no_grad():
        for layer in twin.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.copy_(int8.dequantize(*int8.quantize(layer.weight)))
    return twin


def low_rank(decoder: "nn.Sequential", codes: object, *, rank: int) -> "nn.Sequential":
    """Return a decoder of fewer weights that draws nearly the same.

    A layer y = W x + b becomes two, through ``rank`` numbers: y is replaced by its
    projection U Uᵀ (y - ȳ) + ȳ on its ``rank`` principal components, over the ``codes``
    (N, K). That is the nearest such layer in mean square (Eckart & Young 1936); a logit
    of the last layer weighs as much as it moves its pixel, p (1 - p). A layer that
    would not get smaller stays as it is.

    Raises ``ValueError`` for rank < 1, and as `layers` does.
    """
    import torch
    from torch import nn

    from genbook.nets import Residual

    steps = _steps(decoder)
    z = codes_array(codes, steps[0].linear.in_features)
    if rank < 1:
        raise ValueError(f"rank: expected at least 1, got {rank}")
    twin = copy.deepcopy(decoder)
    weight = next(twin.parameters())
    x = torch.as_tensor(z, dtype=weight.dtype, device=weight.device)
    with torch.no_grad():
        for i, layer in enumerate(twin):
            after = layer(x)
            if isinstance(layer, nn.Linear):
                last = decoder[i] is steps[-1].linear
                twin[i] = _thin(layer, x, rank, _moves(after) if last else None)
            elif isinstance(layer, Residual):
                layer.linear = _thin(layer.linear, x, rank)
            x = after
    flat = [[*layer] if isinstance(layer, nn.Sequential) else [layer] for layer in twin]
    return nn.Sequential(*itertools.chain(*flat))


def for_page(
    decoder: "nn.Sequential", codes: object, *, size: int = PAGE
) -> "nn.Sequential":
    """Return the decoder if its int8 form fits a page, else the best form that does.

    That is the one of `low_rank` with the highest rank; ``size`` is in bytes of the
    page, which holds the numbers in base64. Raises ``ValueError`` if none fits.
    """
    shapes = [step.linear.weight.shape for step in _steps(decoder)]

    def stored(rank: int) -> float:
        """Return the bytes of the page: one a weight, eight an output, in base64."""
        thin = [rank * (n + m) < n * m for n, m in shapes]
        weights = [
            rank * (n + m) + 8 * rank if small else n * m
            for (n, m), small in zip(shapes, thin, strict=True)
        ]
        return 4 / 3 * (sum(weights) + 8 * sum(n for n, _ in shapes))

    most = max(min(shape) for shape in shapes)
    if stored(most) <= size:
        return decoder
    fitting = [rank for rank in range(1, most) if stored(rank) <= size]
    if not fitting:
        raise ValueError(f"size: expected at least {stored(1):.0f} bytes, got {size}")
    return low_rank(decoder, codes, rank=fitting[-1])


def _thin(
    layer: "nn.Linear", x: "Tensor", rank: int, scale: "Tensor | None" = None
) -> "nn.Module":
    """Return two linear layers for one, if they are smaller: see `low_rank`."""
    import torch
    from torch import nn

    n, m = layer.weight.shape
    if rank * (n + m) >= n * m:
        return layer
    y = layer(x)
    mean = y.mean(0)
    scale = torch.ones_like(mean) if scale is None else scale  # (n,)
    u = torch.linalg.svd((y - mean) * scale, full_matrices=False).Vh[:rank].T
    bias = 0 if layer.bias is None else layer.bias
    down, up = nn.Linear(m, rank).to(u), nn.Linear(rank, n).to(u)
    down.weight.copy_((u * scale[:, None]).T @ layer.weight)
    down.bias.copy_(u.T @ (scale * (bias - mean)))
    up.weight.copy_(u / scale[:, None])
    up.bias.copy_(mean)
    return nn.Sequential(down, up)


def _moves(logits: "Tensor") -> "Tensor":
    """Return how far each logit (B, n) moves its pixel, in root mean square, (n,)."""
    slope = logits.sigmoid() * (-logits).sigmoid()
    return slope.square().mean(0).sqrt() + 1e-4  # what never moves counts a little, too


def _shape(steps: list[_Step]) -> dict[str, object]:
    """Return the traits that are not numbers of the network."""
    widths = [steps[0].linear.in_features]
    return {
        "widths": widths + [step.linear.out_features for step in steps],
        "activations": [step.activation for step in steps],
        "skips": [step.skip for step in steps],
    }


def _steps(decoder: "nn.Sequential") -> list[_Step]:
    """Return the decoder as linear layers in a row, or say what is wrong with it."""
    from torch import nn

    from genbook.nets import Residual

    plain = (nn.ReLU, nn.SiLU, nn.Tanh, nn.Identity)
    if not isinstance(decoder, nn.Sequential):
        raise ValueError(
            f"decoder: expected an nn.Sequential, got {type(decoder).__name__}"
        )
    steps: list[_Step] = []
    for layer in decoder:
        name = type(layer).__name__
        if isinstance(layer, nn.Linear):
            steps.append(_Step(layer))
        elif isinstance(layer, Residual):
            inner = layer.linear
            inner = [*inner] if isinstance(inner, nn.Sequential) else [inner]
            steps += [_Step(linear) for linear in inner]
            steps[-1] = _Step(inner[-1], "SiLU", len(inner))
        elif isinstance(layer, nn.Flatten | nn.Unflatten):
            continue  # a matter of shape: the browser knows the image's shape
        elif isinstance(layer, (*plain, nn.GELU)) and steps:
            if isinstance(layer, nn.GELU) and layer.approximate == "tanh":
                name = "GELU tanh"
            if steps[-1].activation != "Identity":
                raise ValueError(f"decoder: {name} follows another activation")
            steps[-1] = _Step(steps[-1].linear, name)
        else:
            raise ValueError(
                "decoder: expected Linear layers with ReLU, SiLU, Tanh or GELU "
                f"between them, got {name}"
            )
    if not steps or steps[-1].activation != "Identity":
        last = steps[-1].activation if steps else "no layer at all"
        raise ValueError(f"decoder: expected a Linear layer at the end, got {last}")
    for one, two in itertools.pairwise(step.linear for step in steps):
        if one.out_features != two.in_features:
            raise ValueError(
                f"decoder: a layer expects {two.in_features} inputs, "
                f"the one before it gives {one.out_features}"
            )
    if not all(np.isfinite(part).all() for step in steps for part in step.arrays()):
        raise ValueError("decoder: expected finite weights, got NaN or infinity")
    return steps


def decode(decoder: "nn.Sequential", z: np.ndarray) -> np.ndarray:
    """Return torch's pixel means, (B, D) in 0…1, for codes z (B, K)."""
    import torch

    weight = next(decoder.parameters())
    with torch.no_grad():
        z = torch.as_tensor(z, dtype=weight.dtype, device=weight.device)
        return array(decoder(z).flatten(1).sigmoid())


def array(x: object) -> np.ndarray:
    """Return a tensor, array or nested list as a NumPy array, wherever it lives."""
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)


def codes_array(codes: object, k: int) -> np.ndarray:
    """Return codes as float32 (N, k), or say what is wrong with them."""
    z = array(codes)
    if z.ndim != 2 or z.shape[1] != k or not len(z):
        raise ValueError(
            f"codes: expected shape (N, {k}) as the decoder does, got {z.shape}"
        )
    if not np.isfinite(z).all():
        raise ValueError("codes: expected finite numbers, got NaN or infinity")
    return z.astype("<f4")


def check_pixels(widths: list[int], shape: tuple[int, int]) -> None:
    """Raise ``ValueError`` unless the decoder's output fills an image of this shape."""
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] != widths[-1]:
        raise ValueError(
            f"shape: expected (H, W) with H·W = {widths[-1]}, the decoder's output, "
            f"got {tuple(shape)}"
        )
