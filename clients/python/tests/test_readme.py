"""The examples of the README run, one after the other, as one program."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import penstock_client
from real_gateway import ACCESS_KEY, BUCKET, SECRET_KEY, RealGateway

HERE = Path(__file__).resolve().parent
README = (HERE.parent / "README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PREPARE = """
import fsspec
from penstock_client.fsspec import PenstockFileSystem
fsspec.register_implementation("penstock", PenstockFileSystem, clobber=True)
"""


def test_the_examples_run(gateway: RealGateway, tmp_path: Path) -> None:
    optional = [name for name in ("torch", "fsspec") if importlib.util.find_spec(name) is None]
    if optional and os.environ.get("PENSTOCK_CI"):
        pytest.fail(f"{optional} are missing")
    examples = [one for one in EXAMPLES if not any(f"import {name}" in one for name in optional)]
    if "torch" in optional:
        examples = [one for one in examples if "MapDataset" not in one]
    assert len(EXAMPLES) == 7
    script = tmp_path / "readme.py"
    script.write_text(("" if "fsspec" in optional else PREPARE) + "\n".join(examples))
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent / "src"), os.environ.get("PYTHONPATH")])),
        "PENSTOCK_GRPC_ENDPOINT": gateway.target,
        "PENSTOCK_ACCESS_KEY": ACCESS_KEY,
        "PENSTOCK_SECRET_KEY": SECRET_KEY,
    }
    command = [sys.executable, str(script)]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "no such object: slices/none" in done.stdout
    assert BUCKET == "train"


def test_every_method_and_error_is_named() -> None:
    methods = [
        name for name in vars(penstock_client.Client) if not name.startswith("_") and name not in ("target", "bucket")
    ]
    for name in [*methods, *(name for name in penstock_client.__all__ if name.endswith("Error"))]:
        if name != "close":
            assert f"{name}" in README, name
