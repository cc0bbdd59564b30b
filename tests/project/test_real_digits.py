"""Are the real digits that ship those that the script chose from MNIST?"""

import os

import numpy as np
import pytest

from genbook.widgets import atlas
from scripts import real_digits


@pytest.mark.skipif(
    not os.environ.get("GENBOOK_DATA"),
    reason="needs MNIST: set GENBOOK_DATA to a folder that holds it",
)
def test_they_are_test_digits_with_their_classes():
    """Every pixel of every one, and what it is."""
    chosen, classes = real_digits.choose()
    x, y = atlas.real_digits()
    assert np.array_equal(np.rint(255 * x), chosen.numpy())
    assert np.array_equal(y, classes.numpy())
