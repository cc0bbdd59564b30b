"""Do pyproject.toml, requirements.lock, environment.yml and this environment agree?"""

import re
import tomllib
from importlib.metadata import requires, version

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.lessons import ROOT, tracked

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
PINS = dict(
    re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups()
    for line in LOCK
    if not line.startswith("#")
)
PINNED = {canonicalize_name(name): pin for name, pin in PINS.items()}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
EXTRAS = PROJECT["optional-dependencies"]


def unmet(requirement: Requirement) -> str:
    """Return how the lock fails a requirement, or nothing."""
    pin = PINNED.get(canonicalize_name(requirement.name))
    if pin is None:
        return f"{requirement} is not pinned"
    if not requirement.specifier.contains(pin, prereleases=True):
        return f"{requirement} excludes the pinned {pin}"
    return ""


@pytest.mark.parametrize(
    "line", [*PROJECT["dependencies"], *EXTRAS["book"], *EXTRAS["test"]]
)
def test_what_the_project_asks_for_is_pinned(line):
    assert unmet(Requirement(line)) == ""


@pytest.mark.parametrize("name", PINS)
def test_pins_are_complete_and_installed(name):
    assert version(name).split("+")[0] == PINS[name], "run `make book` to set up again"
    needed = [Requirement(line) for line in requires(name) or []]
    needed = [r for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    # On a machine with a GPU torch brings its own further packages, pinned by itself.
    if name == "torch":
        needed = [r for r in needed if not re.match("nvidia|cuda|triton", r.name)]
    assert [fault for r in needed if (fault := unmet(r))] == []


def test_an_unmet_requirement_is_noticed():
    assert unmet(Requirement("no-such-package>=1"))
    assert unmet(Requirement("torch<2"))
    assert not unmet(Requirement("Torch>=2"))


def test_pins_are_for_every_machine():
    names = [line.partition("==")[0].lower() for line in LOCK if "==" in line]
    assert len(names) == len(set(names))
    assert not [n for n in names if re.match("nvidia|cuda|triton|pip$|genbook", n)]


def test_conda_takes_the_same_set():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, packages = environment["dependencies"]
    asked = Requirement(f"python{PROJECT['requires-python']}")
    assert asked.specifier.contains(python.partition("=")[2])
    assert (pip, packages) == ("pip", {"pip": ["-r requirements.lock", "-e ."]})


def test_torch_has_one_pin():
    for path in tracked():
        if path.suffix not in {".png", ".woff2", ".safetensors"}:
            found = set(re.findall(r"\btorch==([\w.]*\w)", path.read_text("utf-8")))
            assert found <= {PINS["torch"]}, path


def test_packages_of_the_reader_are_not_upgraded():
    """Colab brings these; a floor above its versions would replace them there."""
    floors = {"torch": "2.6", "ipywidgets": "7.7", "anywidget": "0.9.21"}
    asked = {r.name: r for r in map(Requirement, PROJECT["dependencies"])}
    for name, floor in floors.items():
        assert str(asked[name].specifier) == f">={floor}"
    assert all(r.specifier.contains("99") for r in asked.values()), "no upper bounds"
