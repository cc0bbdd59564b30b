"""files: whatever breaks, a file is the old one or the new one."""

import os

import pytest

from genbook import files


def test_write_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write(path, b"old")

    def broken(*given):
        assert path.read_bytes() == b"old"
        raise OSError("broken")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="broken"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
