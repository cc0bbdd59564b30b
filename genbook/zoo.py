"""Models of MNIST that ship with the package, each with its card.

    names()              what there is
    load("vae-mnist")    the model, ready to draw: no download, no pickle
    card("vae-mnist")    recipe, command, data, time and machine, measured quality

A file is safetensors. A weight with two axes or more is stored as whole numbers -127 to
127 with one scale a row, a small matrix in half precision; what has fewer axes (a bias,
a schedule) stays as it is. The card is JSON in the file's header, with a digest of the
tensors.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from genbook import files, int8
from genbook.recipes import RECIPES, Recipe

FOLDER = Path(__file__).parent / "weights/zoo"
SMALL = 2**15  # numbers in a matrix for which eight bits are not worth their error


def names() -> list[str]:
    """Return the names of the models that ship with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def card(name: str) -> dict:
    """Return the card of a model of the zoo.

    Raises ``ValueError`` for a name that is not there, and for a file that is damaged
    or is something else.
    """
    return read(_path(name))[1]


def interval(metric: dict) -> str:
    """Return a metric of a card as its value and half its interval."""
    value, half = metric["value"], metric["high"] - metric["value"]
    places = 0 if half >= 10 else 1 if half >= 1 else 2
    return f"{value:.{places}f} ± {half:.{places}f}"


def load(name: str) -> nn.Module:
    """Return a model of the zoo in eval mode, float32, on the CPU.

    Nothing is downloaded and nothing is unpickled. Raises ``ValueError`` as ``card``
    does, and for weights that do not fit the recipe.
    """
    return recipe(name).model


def sample(name: str, n: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Return n samples of a model of the zoo, ink (n, 1, 28, 28) in 0…1.

    They are drawn as its recipe draws them. Raises ``ValueError`` for n < 1, and as
    ``load`` does.
    """
    if n < 1:
        raise ValueError(f"n: expected at least 1 sample, got {n}")
    made = recipe(name)
    with torch.no_grad():
        return made.sample(made.model, n, generator or torch.default_generator)


def recipe(name: str) -> Recipe:
    """Return the recipe of a model of the zoo, its model loaded as ``load`` does."""
    tensors, said = read(_path(name))
    make = RECIPES.get(said["recipe"])
    if make is None:
        raise ValueError(
            f"{name}: expected a recipe of this version of genbook, one of "
            f"{', '.join(RECIPES)}, got {said['recipe']!r}"
        )
    before = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):  # random weights are made and replaced
        torch.set_default_dtype(torch.float32)
        try:
            made = make()
        finally:
            torch.set_default_dtype(before)
    try:
        made.model.load_state_dict(unpack(tensors))
    except RuntimeError as error:
        raise ValueError(
            f"{name}: expected weights that fit the recipe {said['recipe']!r} of this "
            f"version of genbook, got others: {error}"
        ) from error
    made.model.eval()
    return made


def pack(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a model's state in few bytes: int8 with a scale for each row.

    A row is what the first index names: one output channel of a linear or convolution
    layer (``genbook.int8``); the scales stand under the tensor's name and ``.scale``.
    A matrix of less than 2¹⁵ numbers is stored as float16: there is little to save, and
    such are the layers that write and read a VAE's code, where eight bits cost nats.
    Tensors of one axis or none, and whole numbers, stay as they are. Raises
    ``ValueError`` for NaN, infinity and what float16 cannot hold.
    """
    packed = {}
    for name, w in state.items():
        w = w.detach().cpu().contiguous()
        if w.dim() < 2 or not w.is_floating_point():
            packed[name] = w
        elif w.dim() == 2 and w.numel() < SMALL:
            packed[name] = w.half()
        elif w.isfinite().all():
            packed[name], packed[f"{name}.scale"] = int8.quantize(w)
        if name not in packed or not packed[name].isfinite().all():
            raise ValueError(f"{name}: expected finite weights, none over 65,504")
    return packed


def unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state that ``pack`` was given, up to its rounding."""
    state = {}
    for name, w in packed.items():
        if w.dtype == torch.int8:
            state[name] = int8.dequantize(w, packed[f"{name}.scale"])
        elif not name.endswith(".scale") or name.removesuffix(".scale") not in packed:
            state[name] = w.float() if w.dtype == torch.float16 else w
    return state


def write(path: Path, packed: dict[str, Tensor], said: dict) -> None:
    """Write packed tensors and their card, with the name and a digest, to one file."""
    said = {"name": path.stem} | said | {"sha256": _digest(packed)}
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, save(packed, {"card": json.dumps(said, ensure_ascii=False)}))


def read(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Return the packed tensors and the card of a file of the zoo.

    Raises ``ValueError`` if the file is damaged, is no such file, or has been renamed.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is no whole safetensors file ({error}): it is cut short, damaged "
            f"or something else; install genbook again"
        ) from error
    try:
        said = json.loads(header["card"])
        name, digest = said["name"], said["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a model of the zoo, with its card in the header, got a "
            f"safetensors file without one"
        ) from error
    if name != path.stem:
        raise ValueError(f"{path} is the model {name!r} under another's name")
    if digest != _digest(tensors):
        raise ValueError(
            f"{path}: the weights are not those that its card was written for; install "
            f"genbook again"
        )
    return tensors, said


def _digest(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of all names, types, shapes and numbers."""
    sha = hashlib.sha256()
    for name, w in sorted(tensors.items()):
        sha.update(f"{name} {w.dtype} {tuple(w.shape)}".encode())
        sha.update(w.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def _path(name: str) -> Path:
    if name not in names():
        raise ValueError(f"name: expected one of {', '.join(names())}, got {name!r}")
    return FOLDER / f"{name}.safetensors"
