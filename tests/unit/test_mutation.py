"""Wrong mathematics turns a test red: see ``tests/mutation.py``."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))
import mutation

LINE = "return mu + (0.5 * logvar).exp() * eps"


@pytest.fixture(scope="module")
def running(request):
    """Start every mutant that was asked for, side by side, and return their futures."""
    asked = [
        item.callspec.params["mutant"]
        for item in request.session.items
        if "running" in getattr(item, "fixturenames", ()) and hasattr(item, "callspec")
    ]
    pool = ThreadPoolExecutor(os.cpu_count())
    yield {mutant.name: pool.submit(mutation.check, mutant) for mutant in asked}
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("mutant", mutation.MUTANTS, ids=lambda m: m.name)
def test_a_mutant_is_noticed(mutant, running):
    assert running[mutant.name].result(), "no test went red"


def test_without_a_mutant_the_tests_are_green():
    mutation.check_unchanged()


def test_names_are_unique():
    names = [mutant.name for mutant in mutation.MUTANTS]
    assert len(names) == len(set(names)) >= 15


def test_an_edit_that_changes_nothing_is_not_noticed():
    assert mutation.check(mutation.Mutant("none", "vae", LINE, LINE)) == ""


def test_a_text_that_is_not_there_is_an_error():
    with pytest.raises(LookupError, match=r"expected .no such line. once in vae\.py"):
        mutation.check(mutation.Mutant("gone", "vae", "no such line", ""))


def test_a_copy_that_does_not_import_is_an_error():
    with pytest.raises(RuntimeError, match="the tests did not run"):
        mutation.check(mutation.Mutant("broken", "vae", LINE, "return ("))
