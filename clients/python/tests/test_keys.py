"""Files of keys: every line is found, and what was learnt of a file is used only while it is that file."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path

import pytest

from penstock_client.keys import KeyFile


def write(path: Path, lines: list[str], end: str = "\n") -> Path:
    path.write_bytes("\n".join(lines).encode() + (end.encode() if lines else b""))
    return path


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 127, 128, 129, 1000])
@pytest.mark.parametrize("end", ["\n", ""])
def test_every_line_is_found(count: int, end: str, tmp_path: Path) -> None:
    chance = random.Random(count)
    lines = [f"{n}/" + "é" * chance.randrange(1, 30) for n in range(count)]
    path = write(tmp_path / "keys", lines, end)
    for _ in range(2):  # the second time from what the first has saved
        keys = KeyFile(path)
        assert len(keys) == count
        assert [keys[n] for n in range(count)] == lines
        assert list(keys) == lines
        assert keys[1:5] == lines[1:5]
        assert [keys[-n] for n in range(1, count + 1)] == lines[::-1]
        for outside in (count, -count - 1):
            with pytest.raises(IndexError):
                keys[outside]
        assert (tmp_path / "keys.lines").exists()


def test_empty_lines_are_keys_too(tmp_path: Path) -> None:
    lines = ["", "a", "", "b"] * 50
    assert list(KeyFile(write(tmp_path / "keys", lines))) == lines


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "keys", ["a", "b"])
    assert len(KeyFile(path)) == 2
    write(path, ["cde"])
    os.utime(path, ns=(1, 1))
    assert list(KeyFile(path)) == ["cde"]
    write(path, ["longer", "than", "before"])
    os.utime(path, ns=(1, 1))
    assert list(KeyFile(path)) == ["longer", "than", "before"]


@pytest.mark.parametrize("rubbish", [b"", b"short", b"x" * 100])
def test_rubbish_beside_it_is_not_believed(rubbish: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "keys", ["a", "b"])
    (tmp_path / "keys.lines").write_bytes(rubbish)
    assert list(KeyFile(path)) == ["a", "b"]


def test_where_nothing_can_be_saved_it_works_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    path = write(tmp_path / "keys", ["a", "b"])
    assert list(KeyFile(path)) == ["a", "b"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys"]


def test_it_pickles_as_its_path(tmp_path: Path) -> None:
    keys = KeyFile(write(tmp_path / "keys", [f"key/{n}" for n in range(10_000)]))
    assert keys[5000] == "key/5000"
    pickled = pickle.dumps(keys)
    assert len(pickled) < 500
    assert pickle.loads(pickled)[5000] == "key/5000"
    with pytest.raises(FileNotFoundError):
        KeyFile(tmp_path / "none")
