"""A decoder on its way into the browser, and the arguments that go with it."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

# torch is imported where it is needed: the page is built without it.


def layers(decoder: "nn.Sequential") -> dict[str, object]:
    """Return the traits from which `mlp.js` computes what the decoder computes.

    ``weights``: float32 little-endian bytes, layer after layer, weight (n, m) then
    bias (n); ``widths``: the sizes from input to output; ``activations``: the name of
    what follows each linear layer. Raises ``ValueError`` for a layer that the browser
    does not know, and for a network that does not end in a linear layer (its logits).
    """
    from torch import nn

    plain = (nn.ReLU, nn.SiLU, nn.Tanh, nn.Identity)
    if not isinstance(decoder, nn.Sequential):
        raise ValueError(
            f"decoder: expected an nn.Sequential, got {type(decoder).__name__}"
        )
    weights: list[np.ndarray] = []
    widths: list[int] = []
    activations: list[str] = []
    for layer in decoder:
        name = type(layer).__name__
        if isinstance(layer, nn.Linear):
            widths = widths or [layer.in_features]
            if layer.in_features != widths[-1]:
                raise ValueError(
                    f"decoder: a layer expects {layer.in_features} inputs, "
                    f"the one before it gives {widths[-1]}"
                )
            bias = np.zeros(layer.out_features) if layer.bias is None else layer.bias
            weights += [array(layer.weight).ravel(), array(bias)]
            widths.append(layer.out_features)
            activations.append("Identity")
        elif isinstance(layer, nn.Flatten | nn.Unflatten):
            continue  # a matter of shape: the browser knows the image's shape
        elif isinstance(layer, (*plain, nn.GELU)) and activations:
            if isinstance(layer, nn.GELU) and layer.approximate == "tanh":
                name = "GELU tanh"
            if activations[-1] != "Identity":
                raise ValueError(f"decoder: {name} follows another activation")
            activations[-1] = name
        else:
            raise ValueError(
                "decoder: expected Linear layers with ReLU, SiLU, Tanh or GELU "
                f"between them, got {name}"
            )
    if not activations or activations[-1] != "Identity":
        last = activations[-1] if activations else "no layer at all"
        raise ValueError(f"decoder: expected a Linear layer at the end, got {last}")
    data = np.concatenate(weights).astype("<f4")
    if not np.isfinite(data).all():
        raise ValueError("decoder: expected finite weights, got NaN or infinity")
    return {"weights": data.tobytes(), "widths": widths, "activations": activations}


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
