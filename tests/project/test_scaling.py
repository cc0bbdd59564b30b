"""Does the page "Scaling up" hold what its script measures?"""

import pytest
import torch

from tests.benchmarks import scaling
from tests.benchmarks.scaling import BEGIN, END, MEASURED, PAGE, VARIANTS, report

SETS = [(name, variant) for name, chosen in MEASURED.items() for variant in chosen]


def test_the_page_has_a_line_for_each_variant():
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    measured = text.split(BEGIN)[1].split(END)[0]
    lines = [line for line in measured.splitlines() if line.startswith("| ")][2:]
    assert [line.split(" | ")[0] for line in lines] == [f"| {v.name}" for v in VARIANTS]


@pytest.mark.parametrize(
    ("name", "variant"),
    [(name, variant) for name, variant in SETS if not variant.compiled],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_variant_trains_its_network(name, variant):
    each = scaling.course(name, variant)
    weights = [p for p in each.model.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in weights]
    for _ in range(2):  # the rate of the first step is 0
        each.advance(torch.randint(256, (500, 1, 28, 28), dtype=torch.uint8))
    changed = [not torch.equal(a, b) for a, b in zip(before, weights, strict=True)]
    assert any(changed)  # not all: a U-Net's blocks end in weights of 0


def test_a_ratio_is_that_to_the_recipe():
    least = {(name, v.name): 10.0 for name, vs in MEASURED.items() for v in vs}
    least["vae", VARIANTS[-1].name] = 7.5
    said = report(least, {"ddpm_v": [30.0, 24.0], "vae": [2.0, 3.0]})
    assert f"\n| {VARIANTS[-1].name} | 10.0 | 1.00 | 7.5 | 0.75 |\n" in said
    assert "0.80 times as long for `ddpm_v` and 1.50 times as long for `vae`" in said


def test_the_threads_are_those_that_are_timed(monkeypatch):
    """With one thread at first, and twice as quick with two: the clock says so."""
    seen, now = [], [0.0]

    class Course:
        def advance(self, _):
            seen.append(torch.get_num_threads())
            now[0] += 0.8 / seen[-1]

    before = torch.get_num_threads()
    monkeypatch.setattr(scaling, "course", lambda *_: Course())
    monkeypatch.setattr(scaling.time, "perf_counter", lambda: now[0])
    try:
        assert scaling.threads("vae") == pytest.approx([800, 400])
    finally:
        torch.set_num_threads(before)
    assert seen[:2] == [1, 1] and 2 in seen
