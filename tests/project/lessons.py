"""The repository's files and its lessons, as the project tests look at them."""

import json
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
LESSONS = sorted(ROOT.glob("notebooks/*.ipynb"))
PAGES = sorted(ROOT.glob("book/*.ipynb"))  # run and stored as lessons are


def address() -> str:
    """Return the public repository's address, from the one place where it stands."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"]


def branch() -> str:
    """Return the branch that is published, from the same place."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["branch"]


def colab(name: str, folder: str = "notebooks") -> str:
    """Return the link that opens the lesson of this file name in Colab."""
    repository = address().removeprefix("https://github.com/")
    return (
        f"https://colab.research.google.com/github/{repository}/blob/{branch()}"
        f"/{folder}/{name}"
    )


def read(path: Path) -> dict:
    """Return a notebook as JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell: dict) -> str:
    """Return a cell's text, which a notebook may store as a list of lines."""
    return "".join(cell["source"])


def tracked() -> list[Path]:
    """Return the files that git tracks and that exist."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in files if path.is_file()]
