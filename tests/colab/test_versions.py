"""Does genbook live beside Colab's versions, or did pip replace one?"""

from importlib.metadata import version
from pathlib import Path

import pytest

ASKED = Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8")
PINS = [line.split("==") for line in ASKED.splitlines() if "==" in line]


@pytest.mark.parametrize(("name", "pin"), PINS)
def test_installing_genbook_replaced_nothing(name, pin):
    assert version(name) == pin


def test_genbook_is_the_one_of_this_repository():
    import genbook

    assert Path(genbook.__file__).parents[1] == Path(__file__).parents[2]
