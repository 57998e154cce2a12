"""The client against the gateway itself: the sample images, refusals, cut connections and restarts."""

from __future__ import annotations

import gc
import random
import shutil
import signal
import subprocess
import threading
import zlib
from pathlib import Path

import grpc
import pytest

from conftest import make_client
from cutting_proxy import CuttingProxy
from penstock_client import (
    Client,
    CommonPrefix,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    Missing,
    NotFoundError,
    ObjectInfo,
    ObjectRef,
    OutOfRangeError,
    PenstockError,
    PermissionDeniedError,
    PutItem,
    SlotError,
    UnauthenticatedError,
)
from real_gateway import ACCESS_KEY, BUCKET, SECRET_KEY, RealGateway

HOSTILE_KEYS = [
    "with space/and  two",
    "plus+percent%2Fencoded%25",
    "ünïcödé/日本語/😀.dcm",
    "é is not é",
    "quote\"'<tag>&amp;?x=1#y",
    "double//slash",
    "/leading",
    "trailing/",
    "a/../b",
    "..",
    f"long/{'k' * 1019}",
]


def test_every_image_comes_back(real: Client, samples: dict[str, bytes]) -> None:
    keys = list(samples)
    assert real.get_many(keys) == list(samples.values())
    assert dict(real.iter_many(keys)) == dict(enumerate(samples.values()))
    assert list(real.iter_many(keys, order="strict")) == list(enumerate(samples.values()))
    batches = [keys[at : at + 7] for at in range(0, len(keys), 7)]
    assert [image for batch in real.iter_batches(batches, prefetch=3) for image in batch] == list(samples.values())
    for key in keys[:5]:
        info, data = real.get_with_info(key)
        assert data == samples[key]
        assert (info.size, info.crc32) == (len(data), zlib.crc32(data))


def test_lists_heads_and_deletes(real: Client, samples: dict[str, bytes]) -> None:
    listed = [one for one in real.list(page_size=7) if isinstance(one, ObjectInfo) and one.key in samples]
    assert [one.key for one in listed] == sorted(samples, key=str.encode)
    assert [one.size for one in listed] == [len(samples[one.key]) for one in listed]
    folders = [one.prefix for one in real.list(delimiter="/") if isinstance(one, CommonPrefix)]
    assert {key.split("/")[0] + "/" for key in samples} <= set(folders)
    after = listed[3].key
    assert next(real.list(start_after=after)).key == listed[4].key
    heads = real.stat_many([*samples, "nowhere"])
    assert [one.size for one in heads[:-1]] == [len(data) for data in samples.values()]
    assert isinstance(heads[-1], Missing)
    real.put_many([(f"gone/{n}", b"x") for n in range(2500)])
    assert real.delete_many([f"gone/{n}" for n in range(2500)]) == []
    assert list(real.list("gone/")) == []


def test_keys_stay_as_they_are(real: Client) -> None:
    given = [(f"hostile/{key}" if len(key) < 500 else key, key.encode()) for key in HOSTILE_KEYS]
    real.put_many(given)
    assert real.get_many([key for key, _ in given]) == [data for _, data in given]
    for key, data in given:
        assert real.get(key) == data
        info = real.stat(key)
        assert info is not None
        assert info.key == key


def test_what_is_said_of_objects_is_kept(real: Client) -> None:
    put = real.put("said", b"abc", content_type="image/png", metadata={"series": "7"})
    stat = real.stat("said")
    assert stat == put
    assert stat is not None
    assert (stat.bucket, stat.content_type, stat.metadata) == (BUCKET, "image/png", {"series": "7"})
    (many,) = real.put_many([PutItem("said-by-many", b"abc", "image/png", {"series": "7"})])
    assert isinstance(many, ObjectInfo)
    assert (many.crc32, many.content_type, many.metadata) == (zlib.crc32(b"abc"), "image/png", {"series": "7"})


def test_large_and_empty_objects_and_ranges(real: Client) -> None:
    large = random.Random(7).randbytes(9 << 20)
    infos = real.put_many([("large", large), ("empty", b""), ("one", b"1")])
    assert [info.size for info in infos if isinstance(info, ObjectInfo)] == [len(large), 0, 1]
    assert real.get_many(["large", "empty", "one"]) == [large, b"", b"1"]
    spans = [(0, 10), (5_000_000, 5_000_001), (1_000_000, 7_000_000), (len(large) - 3, None), (9_000_000, 99_000_000)]
    assert real.get_many(["large"] * len(spans), ranges=spans) == [large[start:end] for start, end in spans]
    assert [real.get("large", start=start, end=end) for start, end in spans] == [large[s:e] for s, e in spans]
    assert b"".join(real.stream("large")) == large
    with pytest.raises(OutOfRangeError):
        real.get("one", start=1)
    behind = real.get_many(["one"], ranges=[(1, None)], on_error="return")[0]
    assert isinstance(behind, SlotError)
    assert behind.reason == "InvalidRange"


def test_conditions(real: Client) -> None:
    real.delete("once")
    first = real.put("once", b"1", if_absent=True)
    with pytest.raises(FailedPreconditionError):
        real.put("once", b"2", if_absent=True)
    with pytest.raises(FailedPreconditionError):
        real.put("once", b"2", if_match="other")
    assert real.put("once", b"3", if_match=first.etag).size == 1
    with pytest.raises(FailedPreconditionError):
        real.get("once", if_match=first.etag)
    assert real.get("once") == b"3"
    results = real.put_many([PutItem("once", b"4", if_absent=True), PutItem("twice", b"4")], on_error="return")
    assert isinstance(results[0], SlotError)
    assert isinstance(results[0].error, FailedPreconditionError)
    assert not results[0].error.outcome_unknown
    assert isinstance(results[1], ObjectInfo)


def test_refusals_have_their_class_and_reason(gateway: RealGateway, real: Client, connect) -> None:
    def refusal(kind: type[PenstockError], call, reason: str) -> None:
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.reason == reason

    refusal(NotFoundError, lambda: real.get("nowhere"), "NoSuchKey")
    refusal(NotFoundError, lambda: real.get_many(["a"], bucket="no-such-bucket"), "NoSuchBucket")
    refusal(NotFoundError, lambda: real.stat("a", bucket="no-such-bucket"), "NoSuchBucket")
    refusal(NotFoundError, lambda: real.put_many([("a", b"")], bucket="no-such-bucket"), "NoSuchBucket")
    refusal(NotFoundError, lambda: real.delete("a", bucket="no-such-bucket"), "NoSuchBucket")
    refusal(NotFoundError, lambda: list(real.list(bucket="no-such-bucket")), "NoSuchBucket")
    refusal(InvalidArgumentError, lambda: real.put("k" * 1025, b""), "KeyTooLongError")
    mixed = real.get_many([ObjectRef("a", bucket="no-such-bucket"), "nowhere"])
    assert [one.reason for one in mixed if isinstance(one, Missing)] == ["NoSuchBucket", "NoSuchKey"]
    wrong = connect(gateway.target, secret_key="another-secret")
    refusal(UnauthenticatedError, lambda: wrong.get_many(["a"]), "SignatureDoesNotMatch")
    refusal(UnauthenticatedError, lambda: wrong.put_many([("a", b"")]), "SignatureDoesNotMatch")
    anonymous = connect(gateway.target, access_key=None, secret_key=None)
    refusal(PermissionDeniedError, lambda: anonymous.get("a"), "AccessDenied")


def test_connections_that_are_cut_cost_nothing_but_time(
    gateway: RealGateway, samples: dict[str, bytes], connect
) -> None:
    chance = random.Random(3)
    proxy = CuttingProxy(gateway.target, lambda: chance.randrange(200, 3_000_000))
    client = connect(proxy.target)
    keys = list(samples)
    try:
        for _ in range(40):
            chance.shuffle(keys)
            assert client.get_many(keys) == [samples[key] for key in keys]
            assert b"".join(client.stream(keys[0])) == samples[keys[0]]
        assert proxy.cuts > 5
        written = [(f"cut/{key}", data) for key, data in samples.items()]
        for _ in range(3):
            assert len(client.put_many(written)) == len(written)
        assert client.get_many([key for key, _ in written]) == [data for _, data in written]
        assert len(list(client.list("cut/", page_size=5))) == len(written)
    finally:
        proxy.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_gateway_that_is_started_again_is_waited_for(
    how: signal.Signals, tmp_path: Path, gateway: RealGateway
) -> None:
    own = RealGateway(tmp_path / "data")
    try:
        own.make_bucket(BUCKET)
        with make_client(own.target) as client:
            given = {f"k{n}": random.Random(n).randbytes(20_000) for n in range(400)}
            client.put_many(given.items())
            results = client.iter_many(list(given) * 3)
            found = dict(next(results) for _ in range(50))
            restarting = threading.Thread(target=own.restart, args=(how,))
            restarting.start()
            found.update(results)
            restarting.join()
            assert [found[n] for n in range(1200)] == list(given.values()) * 3
            written = client.iter_put((key, data[:99]) for key, data in given.items())
            next(written)
            restarting = threading.Thread(target=own.restart, args=(how,))
            restarting.start()
            assert len(list(written)) == 399
            restarting.join()
            assert client.get_many(list(given)) == [data[:99] for data in given.values()]
    finally:
        own.stop(signal.SIGKILL)


def test_a_damaged_record_is_told_by_its_slot(tmp_path: Path, gateway: RealGateway) -> None:
    own = RealGateway(tmp_path / "data")
    try:
        own.make_bucket(BUCKET)
        with make_client(own.target) as client:
            given = {f"k{n}": random.Random(n).randbytes(20_000) for n in range(30)}
            client.put_many(given.items())
            own.stop(signal.SIGKILL)
            _damage(own.folder, given["k7"])
            own.restart()
            found = client.get_many(list(given), on_error="return")
            assert isinstance(found[7], SlotError)
            assert isinstance(found[7].error, DataLossError)
            assert [found[n] for n in range(30) if n != 7] == [data for key, data in given.items() if key != "k7"]
            with pytest.raises(DataLossError):
                client.get("k7")
    finally:
        own.stop(signal.SIGKILL)


def _damage(folder: Path, data: bytes) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and (at := path.read_bytes().find(data)) >= 0:
            with path.open("r+b") as file:
                file.seek(at + 10_000)
                file.write(bytes([data[10_000] ^ 1]))
            return
    raise AssertionError("the record is in no file")


def test_calls_that_are_left_do_not_pile_up(real: Client, samples: dict[str, bytes]) -> None:
    keys = list(samples)
    for _ in range(300):
        results = real.iter_many(keys)
        next(results)
        del results
    gc.collect()
    assert real._connection._lanes is not None
    assert [(lane.load, len(lane.streams)) for lane in real._connection._lanes] == [(0, 0)]
    for _ in range(1500):
        assert real.get_many(keys[:1]) == [samples[keys[0]]]


def test_an_option_of_grpc_goes_before_ours(gateway: RealGateway, samples: dict[str, bytes]) -> None:
    options = [("grpc.max_receive_message_length", 100)]
    with Client(gateway.target, ACCESS_KEY, SECRET_KEY, bucket=BUCKET, channel_options=options) as client:
        with pytest.raises(PenstockError) as caught:
            client.get(next(iter(samples)))
        assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_tls_with_a_certificate_of_its_own(tmp_path: Path, gateway: RealGateway) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "tls.key", tmp_path / "tls.crt"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*request, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    own = RealGateway(tmp_path / "data", more=["--tls-key", str(key), "--tls-cert", str(certificate)])
    try:
        with make_client(f"https://{own.target}", ca_certificate=str(certificate), bucket="none") as client:
            with pytest.raises(NotFoundError):
                client.get("a")
            with pytest.raises(NotFoundError):
                client.put_many([("a", b"1")])
        with make_client(f"https://{own.target}", timeout=2.0) as stranger, pytest.raises(PenstockError):
            stranger.get("a")
    finally:
        own.stop(signal.SIGKILL)
