"""Does the page "Scaling up" hold what its script measures?"""

from tests.benchmarks.scaling import BEGIN, END, MEASURED, PAGE, VARIANTS, report


def test_the_page_has_a_line_for_each_variant():
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    measured = text.split(BEGIN)[1].split(END)[0]
    lines = [line for line in measured.splitlines() if line.startswith("| ")][2:]
    assert [line.split(" | ")[0] for line in lines] == [f"| {v.name}" for v in VARIANTS]


def test_a_ratio_is_that_to_the_recipe():
    least = {(name, v.name): 10.0 for name, vs in MEASURED.items() for v in vs}
    least["vae", VARIANTS[-1].name] = 7.5
    last = report(least).strip().splitlines()[-1]
    assert last == f"| {VARIANTS[-1].name} | 10.0 | 1.00 | 7.5 | 0.75 |"
