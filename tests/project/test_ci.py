"""Does .ci/run find the data that lies beside the checkout?"""

import os
import shutil
import subprocess

import pytest

from tests.project.lessons import ROOT


@pytest.mark.parametrize(
    ("beside", "named", "expected"),
    [
        (True, None, "{tmp}/shared/data"),
        (True, "", "{tmp}/shared/data"),
        (True, "/elsewhere", "/elsewhere"),
        (False, None, ""),
    ],
)
def test_the_data_beside_the_checkout_is_named(tmp_path, beside, named, expected):
    shutil.copytree(ROOT / ".ci", tmp_path / "checkout/.ci")
    if beside:
        (tmp_path / "shared/data").mkdir(parents=True)
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$PWD|$*|$GENBOOK_DATA"\n')
    make.chmod(0o755)
    env = {name: v for name, v in os.environ.items() if name != "GENBOOK_DATA"}
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    if named is not None:
        env["GENBOOK_DATA"] = named
    run = [tmp_path / "checkout/.ci/run"]
    out = subprocess.run(run, env=env, cwd="/", check=True, capture_output=True).stdout
    data = expected.format(tmp=tmp_path)
    assert out.decode() == f"{tmp_path}/checkout|test|{data}\n"
