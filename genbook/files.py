"""Files that are never half a file."""

import os
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write a file so that, whatever happens, the old one or the new one is there."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
