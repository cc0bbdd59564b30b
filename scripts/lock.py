"""Print this environment as requirements.lock: every package, pinned."""

import re
import sys
from importlib.metadata import distributions

HEADER = """\
# The tested set, for Python 3.11 to 3.13. `make lock` renews it from pyproject.toml.
# genbook itself asks for ranges only, so that it can live beside other versions.
"""
# What pip brings itself, what is this project, and what torch asks for by itself on
# machines with a GPU: pinned through torch's own metadata.
LEFT_OUT = re.compile(r"(pip|genbook|triton|nvidia-.*|cuda-.*)", re.IGNORECASE)


def pins() -> list[str]:
    """Return `name==version` for each installed package, without build tags (+cpu)."""
    installed = {d.name: d.version.split("+")[0] for d in distributions()}
    return [
        f"{name}=={version}"
        for name, version in sorted(installed.items(), key=lambda i: i[0].lower())
        if not LEFT_OUT.fullmatch(name)
    ]


if __name__ == "__main__":
    sys.stdout.write(HEADER + "\n".join(pins()) + "\n")
