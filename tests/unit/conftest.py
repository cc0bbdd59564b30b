"""The unit layer asks whether the mathematics is right, so it works in float64."""

import pytest
import torch
from hypothesis import Phase, settings

# The same examples on every run: a red test is red again when it is looked at. No
# deadline: two busy cores are slow without being wrong.
settings.register_profile("unit", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("unit")
# For tests/mutation.py, where red is expected and nobody needs the smallest example.
settings.register_profile(
    "mutation", settings.get_profile("unit"), phases=[Phase.generate]
)


@pytest.fixture(autouse=True)
def float64():
    """Compute in float64, from a fixed global seed, and leave torch as it was."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def float32(float64):
    """Compute in float32: recipes and the zoo's models are used in no other type."""
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def pixels(seeded):
    """Return six images of noise, bytes (6, 1, 28, 28)."""
    shape = (6, 1, 28, 28)
    return torch.randint(256, shape, generator=seeded(), dtype=torch.uint8)


@pytest.fixture
def seeded():
    """Return a function from a seed to a generator: ``seeded(3)``."""
    return lambda seed=0: torch.Generator().manual_seed(seed)
