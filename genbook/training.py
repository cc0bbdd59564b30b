"""Training: an endless stream of batches, and the loop that every lesson uses.

``fit_steps`` is the loop, and yields after each step, so that a lesson can look at the
model as it learns. ``fit`` runs it to the end. A model is any ``nn.Module`` with
``loss(x) -> dict[str, Tensor]``: scalars in nats per example, of which ``"loss"`` is
minimised and the rest are its named parts.
"""

import math
import sys
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm


class Step(NamedTuple):
    """One finished training step: its number from 1, and each term of the loss."""

    step: int
    terms: dict[str, float]


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """Return the named device, or the best there is: CUDA, else Apple's MPS, else CPU.

    Raises ``ValueError`` if the name is unknown or this machine has no such device.
    """
    there = ["cpu"]
    there += ["mps"] if torch.backends.mps.is_available() else []
    there += ["cuda"] if torch.cuda.is_available() else []
    if device is None:
        return torch.device(there[-1])
    try:
        named = torch.device(device)
    except RuntimeError:
        named = None
    if named is None or named.type not in there:
        raise ValueError(f"device: expected one of {', '.join(there)}, got {device!s}")
    return named


def batches(
    x: Tensor, *, size: int, generator: torch.Generator | None = None
) -> Iterator[Tensor]:
    """Return an endless stream of random batches ``(size, …)`` of ``x`` ``(N, …)``.

    Each pass over the data is shuffled anew; the last N mod size examples of a pass
    wait for the next one, so every batch has the same size.

    Raises ``ValueError`` if ``x`` is empty or not finite, or not 1 ≤ size ≤ N.
    """
    if len(x) == 0 or not x.isfinite().all():
        raise ValueError(
            f"batches expects finite data of at least one example, got {describe(x)}"
        )
    if not 1 <= size <= len(x):
        raise ValueError(f"batch size: expected 1 … {len(x)}, got {size}")

    def stream() -> Iterator[Tensor]:
        while True:
            order = torch.randperm(len(x), generator=generator).to(x.device)
            for i in range(0, len(x) - size + 1, size):
                yield x[order[i : i + size]]

    return stream()


def ema_decay(ema: float, n: int) -> float:
    """Return how much of an average of n weights stays as one more is taken in.

    It is ``ema``, and less at first: a memory of the last ninth or so, else the first
    weights would count for long.
    """
    return min(ema, n / (9 + n))


def fit_steps(
    model: nn.Module,
    stream: Iterator[Tensor],
    *,
    steps: int,
    lr: float = 1e-3,
    device: str | torch.device | None = None,
    ema: float | None = None,
    clip: float | None = None,
    bf16: bool = False,
) -> Iterator[Step]:
    """Train ``model`` with Adam, yielding a ``Step`` after each of ``steps`` steps.

    Arguments are checked at once; training happens as the iterator is consumed.

    device  where to train: the model moves there, and each batch does. ``None`` leaves
            it where it is; ``pick_device()`` names the best there is.
    ema     decay of an exponential moving average of the weights, for example 0.999;
            after the last step the model holds the averaged weights.
    clip    the gradient's largest allowed norm (Pascanu et al. 2013).
    bf16    run the loss under bfloat16 autocast; CUDA only.

    Raises ``ValueError`` for an argument out of range, and ``FloatingPointError``
    naming step and term if a term is not finite; the weights are then still those of
    the step before.
    """
    here = next(model.parameters()).device
    device = here if device is None else pick_device(device)
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if not lr > 0:
        raise ValueError(f"lr: expected a positive learning rate, got {lr}")
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"ema: expected a decay between 0 and 1, got {ema}")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip: expected a positive gradient norm, got {clip}")
    if bf16 and device.type != "cuda":
        raise ValueError(f"bf16: expected a CUDA device, got {device}")

    def loop() -> Iterator[Step]:
        model.to(device).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        averaged = ema and AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema))
        for step in range(1, steps + 1):
            x = next(stream, None)
            if x is None:
                raise ValueError(f"stream: expected {steps} batches, got {step - 1}")
            x = x.to(device, non_blocking=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                terms = model.loss(x)
            # One transfer for all terms: on a GPU each transfer waits for the device.
            values = torch.stack([t.detach().float() for t in terms.values()]).tolist()
            # A part that is not finite spoils the sum: look at "loss" last.
            pairs = zip(terms, values, strict=True)
            for name, value in sorted(pairs, key=lambda pair: pair[0] == "loss"):
                if not math.isfinite(value):
                    raise FloatingPointError(
                        f"step {step}: the term {name!r} of the loss is {value}; "
                        f"the weights are those of step {step - 1}"
                    )
            optimizer.zero_grad()
            terms["loss"].backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            if averaged:
                averaged.update_parameters(model)
                if step == steps:
                    model.load_state_dict(averaged.module.state_dict())
            yield Step(step, dict(zip(terms, values, strict=True)))

    return loop()


def fit(
    model: nn.Module,
    stream: Iterator[Tensor],
    *,
    steps: int,
    lr: float = 1e-3,
    device: str | torch.device | None = None,
    ema: float | None = None,
    clip: float | None = None,
    bf16: bool = False,
    progress: bool = True,
) -> dict[str, list[float]]:
    """Train ``model`` as ``fit_steps`` does; return each term's history.

    The history maps a term's name to its value at each step, in nats per example.
    ``progress`` draws a bar, and only where somebody watches: see ``watched``.
    """
    history: dict[str, list[float]] = {}
    run = fit_steps(
        model, stream, steps=steps, lr=lr, device=device, ema=ema, clip=clip, bf16=bf16
    )
    hide = not (progress and watched())
    # On stdout: JupyterLab keeps a red block for stderr even where it was wiped clean.
    bar = tqdm(run, total=steps, leave=False, disable=hide, file=sys.stdout)
    for step in bar:
        for name, value in step.terms.items():
            history.setdefault(name, []).append(value)
        if step.step % 50 == 0:
            bar.set_postfix(loss=f"{step.terms['loss']:.2f}")
    return history


def watched() -> bool:
    """Say whether a person sees the output: a terminal, or a notebook with a front end.

    A notebook that runs unattended (nbclient, nbval) allows no input. A bar drawn there
    would stay in the stored outputs for ever.
    """
    if "IPython" in sys.modules:
        shell = sys.modules["IPython"].get_ipython()
        if hasattr(shell, "kernel"):
            return bool(getattr(shell.kernel, "_allow_stdin", False))
    return sys.stdout.isatty()


def describe(x: Tensor) -> str:
    """Return a tensor's shape, and whether it holds NaN or infinity."""
    return f"shape {tuple(x.shape)}" + (
        "" if x.isfinite().all() else " with NaN or inf"
    )
