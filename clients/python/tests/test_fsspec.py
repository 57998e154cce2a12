"""The filesystem: many files in one call, nothing asked before a read, and errors as files have them."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_gateway import FakeGateway, keys_of, serving
from penstock_client import _messages as pb
from real_gateway import ACCESS_KEY, BUCKET, ROOT, SECRET_KEY, RealGateway

if not os.environ.get("PENSTOCK_CI"):
    pytest.importorskip("fsspec")
import fsspec

from penstock_client.fsspec import PenstockFileSystem

LARGE = random.Random(1).randbytes(12_000_000)


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    fsspec.register_implementation("penstock", PenstockFileSystem, clobber=True)


def options_of(target: str) -> dict[str, Any]:
    return {"target": target, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "skip_instance_cache": True}


@pytest.fixture
def fs(gateway: RealGateway) -> Iterator[PenstockFileSystem]:
    made = fsspec.filesystem("penstock", **options_of(gateway.target))
    yield made
    made.client.close()


@pytest.fixture
def over_fake(fake: FakeGateway) -> Iterator[PenstockFileSystem]:
    made = fsspec.filesystem("penstock", **options_of(fake.target))
    yield made
    made.client.close()


def path(key: str) -> str:
    return f"penstock://{BUCKET}/{key}"


def test_the_entry_point_is_one_that_fsspec_looks_for() -> None:
    text = (ROOT / "clients/python/pyproject.toml").read_text()
    assert '[project.entry-points."fsspec.specs"]\npenstock = "penstock_client.fsspec:PenstockFileSystem"\n' in text
    assert PenstockFileSystem.protocol == "penstock"


def test_cat_of_many_is_one_call(fake: FakeGateway, over_fake: PenstockFileSystem) -> None:
    fake.on("GetBatch", serving({"a": b"1", "b": b"22"}))
    assert over_fake.cat([path("a"), "train/b"]) == {"train/a": b"1", "train/b": b"22"}
    assert over_fake.cat(path("a")) == b"1"
    assert over_fake.cat({"a": path("a")}.values()) == {"train/a": b"1"}
    assert [keys_of(request) for request in fake.requests] == [["a", "b"], ["a"], ["a"]]
    with pytest.raises(FileNotFoundError, match="none"):
        over_fake.cat([path("a"), path("none")])
    assert over_fake.cat([path("a"), path("none")], on_error="omit") == {"train/a": b"1"}
    returned = over_fake.cat([path("a"), path("none")], on_error="return")
    assert isinstance(returned["train/none"], FileNotFoundError)


def test_a_file_is_read_without_a_head(fake: FakeGateway, over_fake: PenstockFileSystem) -> None:
    data = b"0123456789" * 10

    def get(request: Any, context: Any) -> Any:
        start = request.range.start
        stop = request.range.end if request.HasField("range") else len(data)
        part = data[start:stop]
        yield pb.GetChunk(info=pb.ObjectInfo(key="k", size=len(data), etag="e"), offset=start, data=part)

    fake.on("Get", get)
    with over_fake.open(path("k")) as file:
        assert file.size == 100
        assert file.read() == data
    assert len(fake.requests) == 1
    with over_fake.open(path("k"), block_size=30, cache_type="none") as file:
        assert file.read(10) == data[:10]
        assert file.seek(25) == 25
        assert file.read(20) == data[25:45]
        assert file.read() == data[45:]
    spans = [(request.range.start, request.range.end, request.if_match) for request in fake.requests[1:]]
    assert spans == [(0, 30, ""), (30, 45, "e"), (45, 100, "e")]


def test_images_as_files(fs: PenstockFileSystem, samples: dict[str, bytes], tmp_path: Path) -> None:
    key, data = next(iter(samples.items()))
    folder = key.split("/")[0]
    below = sorted(f"{BUCKET}/{one}" for one in samples if one.startswith(f"{folder}/"))
    assert fs.cat([path(one) for one in samples]) == {f"{BUCKET}/{one}": image for one, image in samples.items()}
    assert fs.cat(path(folder), recursive=True) == {name: samples[name[len(BUCKET) + 1 :]] for name in below}
    assert fs.cat_file(path(key), 2, 10) == data[2:10]
    assert fs.cat_file(path(key), -10) == data[-10:]
    assert fs.cat_file(path(key), -10, -2) == data[-10:-2]
    assert fs.cat_file(path(key), 10, 10) == b""
    assert fs.cat_file(path(key), len(data) + 5) == b""
    with fs.open(path(key)) as file:
        assert file.read(4) == data[:4]
        file.seek(-4, 2)
        assert file.read() == data[-4:]
    assert fs.find(path(folder)) == below
    assert fs.glob(path(f"{folder}/*")) == below
    assert fs.ls(path(folder), detail=False) == below
    fs.get(path(folder), str(tmp_path / "copy"), recursive=True)
    assert sorted(one.name for one in (tmp_path / "copy").rglob("*") if one.is_file()) == [
        name.rsplit("/", 1)[1] for name in below
    ]
    fs.get_file(path(key), str(tmp_path / "one"))
    assert (tmp_path / "one").read_bytes() == data
    with pytest.raises(FileNotFoundError):
        fs.get_file(path("nowhere"), str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_ranges_of_many_are_one_call(fs: PenstockFileSystem) -> None:
    fs.pipe({path("r/1"): b"0123456789", path("r/2"): b"abc"})
    paths = [path("r/1"), path("r/1"), path("r/2"), path("r/2"), path("r/none")]
    found = fs.cat_ranges(paths, [0, -3, 1, 9, 0], [3, None, None, 12, 1])
    assert found[:4] == [b"012", b"789", b"bc", b""]
    assert isinstance(found[4], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(paths, 0, 1, on_error="raise")


def test_files_are_written_when_they_are_closed(fs: PenstockFileSystem) -> None:
    with fs.open(path("w/large"), "wb") as file:
        file.write(LARGE)
        assert not fs.exists(path("w/large"))
    assert fs.info(path("w/large"))["size"] == len(LARGE)
    assert fs.cat_file(path("w/large"), 6_000_000, 6_000_100) == LARGE[6_000_000:6_000_100]
    with fs.open(path("w/large"), block_size=1 << 20) as file:
        file.seek(1_000_000)
        assert file.read(3_000_000) == LARGE[1_000_000:4_000_000]
    with fs.open(path("w/text"), "w", encoding="utf-8") as text:
        text.write("é")
    assert fs.cat(path("w/text")) == "é".encode()
    with fs.open(path("w/empty"), "wb"):
        pass
    with fs.open(path("w/empty")) as file:
        assert file.read() == b""
    with pytest.raises(RuntimeError), fs.open(path("w/half"), "wb") as file:
        file.write(b"half")
        raise RuntimeError
    assert not fs.exists(path("w/half"))
    with pytest.raises(NotImplementedError):
        fs.open(path("w/text"), "ab")


def test_a_file_that_is_written_while_it_is_read(fs: PenstockFileSystem) -> None:
    fs.pipe_file(path("state"), LARGE)
    with fs.open(path("state"), block_size=1 << 20) as file:
        fs.pipe_file(path("state"), LARGE[::-1])
        assert file.read(100) == LARGE[:100]
        file.seek(5_000_000)
        with pytest.raises(OSError, match="while it was read"):
            file.read(100)


def test_files_and_folders(fs: PenstockFileSystem) -> None:
    fs.pipe({path("tree/a"): b"1", path("tree/b/c"): b"22", path("tree/b/d/e"): b"333", path("tree/b"): b"4"})
    assert fs.isfile(path("tree/a"))
    assert fs.isdir(path("tree"))
    assert not fs.exists(path("tree/none"))
    assert fs.exists(path("tree/"))
    assert fs.info(path("tree/a"))["ETag"] == fs.ukey(path("tree/a"))
    assert fs.modified(path("tree/a")).tzinfo is not None
    assert {(one["name"], one["type"]) for one in fs.ls(path("tree"))} == {
        ("train/tree/a", "file"),
        ("train/tree/b", "file"),
        ("train/tree/b", "directory"),
    }
    assert [one["name"] for one in fs.ls(path("tree/a"))] == ["train/tree/a"]
    assert fs.find(path("tree")) == ["train/tree/a", "train/tree/b", "train/tree/b/c", "train/tree/b/d/e"]
    assert fs.find(path("tree/a")) == ["train/tree/a"]
    assert fs.glob(path("tree/**/e")) == ["train/tree/b/d/e"]
    assert fs.du(path("tree/b/d")) == 3
    walked = {folder: sorted(files) for folder, _, files in fs.walk(path("tree/b"))}
    assert walked["train/tree/b/d"] == ["e"]
    with pytest.raises(FileNotFoundError):
        fs.ls(path("tree/none"))
    with pytest.raises(FileNotFoundError):
        fs.info("penstock://no-such-bucket")
    with pytest.raises(NotImplementedError, match="name one"):
        fs.ls("")


def test_files_are_copied_moved_and_removed(fs: PenstockFileSystem, tmp_path: Path) -> None:
    fs.pipe_file(path("m/a"), b"1", content_type="image/png")
    fs.copy(path("m/a"), path("m/b"))
    assert fs.info(path("m/b"))["ContentType"] == "image/png"
    fs.mv(path("m/b"), path("m/c"))
    assert fs.find(path("m")) == ["train/m/a", "train/m/c"]
    with pytest.raises(FileExistsError):
        fs.pipe_file(path("m/a"), b"2", mode="create")
    (tmp_path / "local").write_bytes(b"local")
    fs.put(str(tmp_path / "local"), path("m/local"))
    assert fs.cat(path("m/local")) == b"local"
    fs.rm([path("m/a"), path("m/c")])
    assert fs.find(path("m")) == ["train/m/local"]
    fs.rm(path("m"), recursive=True)
    assert not fs.exists(path("m"))


def test_urls_and_pickles(gateway: RealGateway, samples: dict[str, bytes]) -> None:
    key, data = next(iter(samples.items()))
    options = options_of(gateway.target)
    with fsspec.open(path(key), **options) as file:
        assert file.read() == data
    files = fsspec.open_files([path(one) for one in samples], **options)
    assert len(files) == len(samples)
    del options["skip_instance_cache"]
    made = fsspec.filesystem("penstock", **options)
    assert pickle.loads(pickle.dumps(made)).cat(path(key)) == data


def test_a_gateway_that_refuses_is_an_os_error(gateway: RealGateway) -> None:
    wrong = fsspec.filesystem("penstock", **{**options_of(gateway.target), "secret_key": "another-secret"})
    for call in (lambda: wrong.cat(path("a")), lambda: wrong.open(path("a")), lambda: wrong.exists(path("a"))):
        with pytest.raises(PermissionError, match="signature"):
            call()
