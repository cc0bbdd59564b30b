"""The book's scoreboard: one line a family, measured the same way in every lesson.

A model is judged by ten times 360 samples. Each group of 360 is held against the 360
test digits, in the features of the critic of ``metrics``; what is reported is the mean
over the groups. The floor is what real digits get: ten random groups of 360 training
digits, judged in the same way. A model near it draws what this critic cannot tell from
data.
"""

import dataclasses
import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from genbook import data, metrics

GROUPS, SIZE, NEIGHBOURS = 10, 360, 3
MIME = "application/vnd.genbook.line+json"


@dataclasses.dataclass(frozen=True, repr=False)
class Line:
    """One line of the scoreboard, which shows itself as a table above the floor.

    family      what it is called there
    bits        bits per dimension on the test digits, or None without a likelihood
    bound       whether the bits are a bound: the truth is at most so many
    frechet     Fréchet distance to the test digits, mean of the ten groups
    spread      standard deviation of the ten
    precision   share of the samples that lie on the manifold of the test digits
    recall      share of the test digits that lie on the manifold of the samples
    parameters  how many numbers were fitted
    seconds     training time
    ms          milliseconds to draw one sample
    """

    family: str
    bits: float | None
    bound: bool
    frechet: float
    spread: float
    precision: float
    recall: float
    parameters: int | None
    seconds: float | None
    ms: float | None

    def cells(self) -> list[str]:
        """Return the line as the words of a table: ``COLUMNS``, then the two times."""
        bits, parameters = self.bits, self.parameters
        places = 0 if self.frechet >= 100 else 1
        numbers = [
            "–" if bits is None else f"{'≤ ' * self.bound}{bits:.2f}",
            f"{self.frechet:.{places}f} ± {self.spread:.{places}f}",
            f"{self.precision:.2f}",
            f"{self.recall:.2f}",
            "–" if parameters is None else f"{parameters:,}",
            "–" if self.seconds is None else f"{self.seconds:.1f}",
            "–" if self.ms is None else f"{self.ms:.{1 if self.ms >= 1 else 4}f}",
        ]
        joined = [number.replace(" ", "\N{NO-BREAK SPACE}") for number in numbers]
        return [self.family, *joined]

    def markdown(self) -> str:
        """Return the line and the floor as a table, without the times."""
        n = len(COLUMNS)
        return table(COLUMNS, [self.cells()[:n], floor().cells()[:n]])

    def __repr__(self) -> str:
        """Return a sentence without numbers: the same in every run."""
        return f"The scoreboard's line: {self.family}, above the floor of real digits."

    def _repr_mimebundle_(self, **_: object) -> dict:
        return {
            "text/plain": repr(self),
            "text/markdown": self.markdown(),
            MIME: dataclasses.asdict(self),  # for `make lessons`, which takes it out
        }


COLUMNS = [
    "",
    "bits per dim",
    "Fréchet distance",
    "precision",
    "recall",
    "parameters",
]


def line(
    family: str,
    *,
    parameters: int,
    sample: Callable[..., Tensor],
    seconds: float,
    bits: float | None = None,
    bound: bool = False,
) -> Line:
    """Measure a model of the digits; return its line of the scoreboard.

    ``sample(n, generator=…)`` draws n images (n, 1, 8, 8) of ink in 0…1; ``seconds`` is
    how long training took; ``bits`` the bits per dimension on the test digits, where
    there is a likelihood, and ``bound`` says that they are an upper bound. While the
    tests run, the line must agree with the stored one: see ``moved``.

    Raises ``ValueError`` for samples of another shape or range, and ``AssertionError``
    in a test if the line has moved.
    """
    if parameters < 0 or not seconds >= 0:
        raise ValueError(
            f"line: expected parameters and seconds of at least 0, "
            f"got {parameters} and {seconds}"
        )
    measured = _measure(sample)
    ms = round(measured.pop("ms"), 4)
    bits = None if bits is None else round(float(bits), 3)
    new = Line(
        family,
        bits,
        bound,
        **measured,
        parameters=parameters,
        seconds=round(seconds, 1),
        ms=ms,
    )
    if path := os.environ.get("GENBOOK_SCOREBOARD"):
        lines = json.loads(Path(path).read_text(encoding="utf-8"))["lines"]
        stored = [old for old in lines if old["family"] == family]
        assert stored, f"no line {family!r} is stored: run `make lessons`"
        faults = moved(new, stored[0])
        assert not faults, f"the line {family!r} has moved: {'; '.join(faults)}"
    return new


@functools.cache
def floor() -> Line:
    """Return the line of real digits: what no model can be expected to beat."""
    measured = _measure(real)
    del measured["ms"]
    return Line(
        "real digits", None, False, **measured, parameters=None, seconds=None, ms=None
    )


def real(n: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Return n different training digits (n, 1, 8, 8), ink in 0…1, at random."""
    x = data.digits().x_train
    return x[torch.randperm(len(x), generator=generator)[:n]] / 16


def moved(new: Line, stored: dict) -> list[str]:
    """Say how a line differs from a stored one by more than a machine's rounding may.

    Rounding sends training along another path, as another seed would, so what is
    trained may move: bits by 0.05, the distance by half, precision and recall by 0.1.
    Parameters and the kind of bits may not, and times are not compared.
    """
    faults = []
    for name, fresh in dataclasses.asdict(new).items():
        old = stored[name]
        if name in ("spread", "seconds", "ms"):
            continue
        margin = {"bits": 0.05, "precision": 0.1, "recall": 0.1}.get(name, 0)
        if name == "frechet":
            margin = 0.5 * old
        numbers = isinstance(fresh, float) and isinstance(old, float)
        if fresh != old if not numbers else abs(fresh - old) > margin:
            faults.append(f"{name}: stored {old}, measured {fresh}")
    return faults


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table: numbers stand at the right, words at the left."""
    ruler = [
        "---" if any(cell[:1].isalpha() for cell in cells) else "--:"
        for cells in list(zip(*rows, strict=True))[1:]
    ]
    ruler.insert(0, "---")
    return "\n".join(f"| {' | '.join(row)} |" for row in [columns, ruler, *rows]) + "\n"


def _measure(sample: Callable[..., Tensor]) -> dict[str, float]:
    """Return the columns that samples alone decide, means over the groups."""
    generator = torch.Generator().manual_seed(0)
    start = time.perf_counter()
    with torch.no_grad():
        groups = [sample(SIZE, generator=generator) for _ in range(GROUPS)]
    ms = 1000 * (time.perf_counter() - start) / (GROUPS * SIZE)
    test = metrics.digit_features(data.digits().x_test / 16)
    fakes = [metrics.digit_features(group) for group in groups]
    distances = torch.tensor([metrics.frechet(fake, test) for fake in fakes])
    shares = [metrics.precision_recall(test, fake, k=NEIGHBOURS) for fake in fakes]
    precision, recall = torch.tensor(shares).mean(0).tolist()
    return {
        "frechet": round(float(distances.mean()), 3),
        "spread": round(float(distances.std()), 3),
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "ms": ms,
    }
