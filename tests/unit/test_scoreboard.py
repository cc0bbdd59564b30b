"""scoreboard: what a line measures, how it shows, and what happens if it moves."""

import dataclasses
import json

import pytest
import torch

from genbook import data, metrics, scoreboard

LINE = scoreboard.Line(
    family="a model",
    bits=1.5,
    bound=True,
    frechet=10.0,
    spread=1.0,
    precision=0.8,
    recall=0.7,
    parameters=12345,
    seconds=1.0,
    ms=0.5,
)


@pytest.fixture(autouse=True)
def no_stored_board(monkeypatch):
    """Measure freely: the tests' own run holds every line to the book's board."""
    monkeypatch.delenv("GENBOOK_SCOREBOARD", raising=False)


def blank(n, *, generator):
    return torch.rand(n, 1, 8, 8, generator=generator) / 100


def test_real_digits_are_training_digits_without_repeats():
    x = scoreboard.real(1437, generator=torch.Generator().manual_seed(1))
    train = data.digits().x_train / 16
    assert torch.equal(x.flatten(1).sum(1).sort()[0], train.flatten(1).sum(1).sort()[0])
    assert not torch.equal(x, train)
    assert len(scoreboard.real(5)) == 5


def test_the_floor_is_the_mean_of_ten_groups_of_real_digits():
    generator = torch.Generator().manual_seed(0)
    test = metrics.digit_features(data.digits().x_test / 16)
    groups = [
        metrics.digit_features(scoreboard.real(360, generator=generator))
        for _ in range(10)
    ]
    distances = torch.tensor([metrics.frechet(test, group) for group in groups])
    shares = torch.tensor([metrics.precision_recall(test, g, k=3) for g in groups])
    floor = scoreboard.floor()
    assert floor.frechet == pytest.approx(float(distances.mean()), abs=1e-3)
    assert floor.spread == pytest.approx(float(distances.std()), abs=1e-3)
    assert floor.precision == pytest.approx(float(shares[:, 0].mean()), abs=1e-3)
    assert floor.recall == pytest.approx(float(shares[:, 1].mean()), abs=1e-3)
    assert 0.8 < floor.precision <= 1 and 0.8 < floor.recall <= 1


def test_no_digits_are_far_above_the_floor():
    line = scoreboard.line("blank", parameters=0, sample=blank, seconds=0)
    assert line.frechet > 20 * scoreboard.floor().frechet
    assert line.precision < 0.05 and line.recall == 0
    assert line.bits is None and line.ms > 0


def test_the_same_model_gets_the_same_line():
    first, second = (
        scoreboard.line("x", parameters=1, sample=scoreboard.real, seconds=2)
        for _ in range(2)
    )
    assert dataclasses.replace(first, ms=0) == dataclasses.replace(second, ms=0)
    assert (
        dataclasses.replace(first, family="real digits").cells()[2:5]
        == (scoreboard.floor().cells()[2:5])
    )


def test_a_line_shows_a_table_and_says_no_number():
    shown = LINE._repr_mimebundle_()
    assert "a model" in shown["text/plain"]
    assert not any(c.isdigit() for c in shown["text/plain"])
    rows = shown["text/markdown"].splitlines()
    words = [
        word.strip() for word in rows[2].replace("\N{NO-BREAK SPACE}", " ").split("|")
    ]
    assert words[1:-1] == ["a model", "≤ 1.50", "10.0 ± 1.0", "0.80", "0.70", "12,345"]
    assert rows[3].startswith("| real digits | – |")
    assert len({row.count("|") for row in rows}) == 1
    assert json.loads(json.dumps(shown[scoreboard.MIME])) == dataclasses.asdict(LINE)


def test_in_a_table_words_stand_at_the_left_and_numbers_at_the_right():
    rows = [["vae", "", "≤ 3.5"], ["score", "a U-Net", "–"]]
    _, ruler, *shown, end = scoreboard.table(["", "peer", "nats"], rows).split("\n")
    assert ruler == "| --- | --- | --: |" and end == ""
    assert shown == ["| vae |  | ≤ 3.5 |", "| score | a U-Net | – |"]


def test_numbers_are_as_long_as_they_are_sure():
    def cells(**changes):
        words = dataclasses.replace(LINE, **changes).cells()
        return [word.replace("\N{NO-BREAK SPACE}", " ") for word in words]

    assert cells(frechet=1234.5, spread=100.2)[2] == "1234 ± 100"
    assert cells(frechet=9.87, spread=0.06)[2] == "9.9 ± 0.1"
    assert cells(bound=False)[1] == "1.50" and cells(bits=None)[1] == "–"
    assert cells(seconds=12.34, ms=123.4)[-2:] == ["12.3", "123.4"]
    assert cells(ms=0.0013)[-1] == "0.0013"


# -------------------------------------------------------------- against the stored line

STORED = dataclasses.asdict(LINE)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"seconds": 99.0, "ms": 99.0, "spread": 99.0},
        {"bits": 1.549},
        {"frechet": 14.9},
        {"frechet": 5.1},
        {"precision": 0.71, "recall": 0.79},
    ],
)
def test_another_machine_may_round_otherwise(change):
    assert scoreboard.moved(dataclasses.replace(LINE, **change), STORED) == []


@pytest.mark.parametrize(
    "change",
    [
        {"bits": 1.551},
        {"bits": 1.449},
        {"bits": None},
        {"bound": False},
        {"frechet": 15.1},
        {"frechet": 4.9},
        {"precision": 0.69},
        {"recall": 0.81},
        {"parameters": 12346},
        {"family": "another"},
    ],
)
def test_a_moved_line_is_noticed(change):
    (fault,) = scoreboard.moved(dataclasses.replace(LINE, **change), STORED)
    assert fault.startswith(f"{next(iter(change))}: stored ")


def test_a_test_run_holds_a_line_to_the_stored_one(tmp_path, monkeypatch):
    def new(**arguments):
        return scoreboard.line("x", sample=blank, seconds=0, **arguments)

    line = new(parameters=1, bits=2)
    path = tmp_path / "scoreboard.json"
    path.write_text(json.dumps({"lines": [dataclasses.asdict(line)]}))
    monkeypatch.setenv("GENBOOK_SCOREBOARD", str(path))
    new(parameters=1, bits=2.01)
    with pytest.raises(AssertionError, match="'x' has moved: parameters: stored 1, me"):
        new(parameters=2, bits=2)
    path.write_text(json.dumps({"lines": []}))
    with pytest.raises(
        AssertionError, match="no line 'x' is stored: run `make lessons"
    ):
        new(parameters=1, bits=2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"parameters": -1}, r"of at least 0, got -1 and 0"),
        ({"seconds": float("nan")}, r"of at least 0, got 0 and nan"),
        ({"sample": lambda n, generator: torch.zeros(n, 8, 8)}, r"images \(N, 1, 8, 8"),
        (
            {"sample": lambda n, generator: 16 * blank(n, generator=generator) + 1},
            "ink",
        ),
    ],
)
def test_bad_input_gets_a_sentence(arguments, sentence):
    good = {"parameters": 0, "sample": blank, "seconds": 0}
    with pytest.raises(ValueError, match=sentence):
        scoreboard.line("x", **(good | arguments))
