"""One object at a time, and lists of them, from a gateway that breaks off."""

from __future__ import annotations

import zlib
from datetime import datetime, timezone
from typing import Any

import grpc
import pytest

from fake_gateway import FakeGateway, abort, abort_now, status
from penstock_client import (
    Client,
    CommonPrefix,
    DataLossError,
    Missing,
    NotFoundError,
    ObjectInfo,
    PermissionDeniedError,
    ProtocolError,
    UnavailableError,
)
from penstock_client import _messages as pb

Code = grpc.StatusCode
WHOLE = bytes(range(256)) * 20


def wire_info(data: bytes = WHOLE, etag: str = "e", crc32: int | None = None) -> Any:
    known = zlib.crc32(data) if crc32 is None else crc32
    return pb.ObjectInfo(bucket="train", key="k", size=len(data), etag=etag, crc32=known)


def chunks(start: int, stop: int, info: Any = None, step: int = 1000) -> Any:
    for at in range(start, max(stop, start + 1), step):
        part = WHOLE[at : min(at + step, stop)]
        yield pb.GetChunk(info=(info or wire_info()) if at == start else None, offset=at, data=part)


def test_a_broken_stream_goes_on_where_it_stopped_with_the_same_object(fake: FakeGateway, client: Client) -> None:
    def breaking(request: Any, context: Any) -> Any:
        yield from chunks(0, 2000)
        abort_now(context, Code.UNAVAILABLE)

    fake.on("Get", breaking, lambda request, context: chunks(request.range.start, request.range.end))
    assert client.get("k") == WHOLE
    again = fake.requests[1]
    assert (again.range.start, again.range.end, again.if_match) == (2000, len(WHOLE), "e")


@pytest.mark.parametrize(
    ("what", "bad"),
    [
        ("ended k at byte 2000", lambda: chunks(0, 2000)),
        ("do not follow", lambda: [*chunks(0, 1000), pb.GetChunk(offset=5, data=b"x")]),
        ("without saying what it is", lambda: [pb.GetChunk(data=b"x")]),
        ("more of k than was asked for", lambda: [*chunks(0, len(WHOLE)), pb.GetChunk(offset=len(WHOLE))]),
    ],
)
def test_streams_that_make_no_sense_are_errors(what: str, bad: Any, fake: FakeGateway, client: Client) -> None:
    # Those that bring something are taken up behind it, so the second answer has to be as bad.
    fake.on("Get", lambda request, context: iter(bad() if request.range.start == 0 else ()))
    with pytest.raises(ProtocolError, match="k"):
        client.get("k")


def test_the_crc_of_the_whole_is_checked_twice(fake: FakeGateway, client: Client) -> None:
    bad = wire_info(crc32=1)
    fake.on("Get", lambda request, context: chunks(0, len(WHOLE), bad), lambda r, c: chunks(0, len(WHOLE)))
    assert client.get("k") == WHOLE
    fake.on("Get", lambda request, context: chunks(0, len(WHOLE), bad))
    with pytest.raises(DataLossError, match=r"k: .*CRC-32"):
        client.get("k")
    assert len(fake.requests) == 4


def test_damage_that_the_gateway_tells_is_not_asked_again(fake: FakeGateway, client: Client) -> None:
    fake.on("Get", abort(Code.DATA_LOSS, "damaged", "DataLoss"))
    with pytest.raises(DataLossError, match="k: damaged"):
        client.get("k")
    assert len(fake.requests) == 1


def test_ranges_and_empty_objects(fake: FakeGateway, client: Client) -> None:
    fake.on("Get", lambda request, context: chunks(request.range.start, min(request.range.end, len(WHOLE))))
    assert client.get("k", start=10, end=2500) == WHOLE[10:2500]
    info, data = client.get_with_info("k", start=5000, end=99_999)
    assert (data, info.size) == (WHOLE[5000:], len(WHOLE))
    fake.on("Get", lambda request, context: iter([pb.GetChunk(info=wire_info(b""))]))
    assert client.get("k") == b""
    assert list(client.stream("k")) == [b""]
    unknown = pb.ObjectInfo(bucket="train", key="k", size=len(WHOLE), etag="e")
    fake.on("Get", lambda request, context: chunks(0, len(WHOLE), unknown))
    info, data = client.get_with_info("k")
    assert (data, info.crc32) == (WHOLE, None)


def test_stat_says_what_is_known_or_none(fake: FakeGateway, client: Client) -> None:
    wire = wire_info()
    wire.modified.seconds, wire.modified.nanos = 1_700_000_000, 250_000_000
    wire.metadata["series"] = "7"
    fake.on("Head", abort(Code.UNAVAILABLE), lambda request, context: wire)
    info = client.stat("k")
    assert isinstance(info, ObjectInfo)
    assert info.modified == datetime(2023, 11, 14, 22, 13, 20, 250_000, timezone.utc)
    assert (info.size, info.crc32, info.metadata) == (len(WHOLE), zlib.crc32(WHOLE), {"series": "7"})
    fake.on("Head", abort(Code.NOT_FOUND, "none", "NoSuchKey"))
    assert client.stat("k") is None
    fake.on("Head", abort(Code.NOT_FOUND, "none", "NoSuchBucket"))
    with pytest.raises(NotFoundError):
        client.stat("k")


def test_stat_of_many_is_in_order(fake: FakeGateway, client: Client) -> None:
    def head(request: Any, context: Any) -> Any:
        if request.key == "none":
            abort_now(context, Code.NOT_FOUND, "none", "NoSuchKey")
        return pb.ObjectInfo(key=request.key)

    fake.on("Head", head)
    found = client.stat_many([*(f"k{n}" for n in range(50)), "none"])
    assert [one.key for one in found] == [*(f"k{n}" for n in range(50)), "none"]
    assert isinstance(found[-1], Missing)
    assert client.stat_many([]) == []
    fake.on("Head", abort(Code.PERMISSION_DENIED, "no", "AccessDenied"))
    with pytest.raises(PermissionDeniedError):
        client.stat_many(["a"])
    assert client.stat_many(["a"], on_error="return")[0].key == "a"


def page(names: list[str], prefixes: list[str], token: str) -> Any:
    return pb.ListPage(
        objects=[pb.ObjectInfo(key=name) for name in names], common_prefixes=prefixes, resume_token=token
    )


def test_a_list_that_breaks_is_taken_up_behind_the_last_page(fake: FakeGateway, client: Client) -> None:
    def breaking(request: Any, context: Any) -> Any:
        yield page(["a", "b"], [], "t1")
        yield page(["c"], ["d/"], "t2")
        abort_now(context, Code.UNAVAILABLE)

    def rest(request: Any, context: Any) -> Any:
        yield page([], [], "t3")
        yield page(["z", "é"], ["d/", "ÿ/"], "")

    fake.on("List", breaking, rest)
    listed = [one.prefix if isinstance(one, CommonPrefix) else one.key for one in client.list("", delimiter="/")]
    assert listed == ["a", "b", "c", "d/", "d/", "z", "é", "ÿ/"] or listed == [
        "a",
        "b",
        "c",
        "d/",
        "d/",
        "é",
        "z",
        "ÿ/",
    ]
    assert [request.resume_token for request in fake.requests] == ["", "t2"]


def test_a_list_without_its_last_page_is_an_error(fake: FakeGateway, client: Client) -> None:
    fake.on("List", lambda request, context: iter([page(["a"], [], "t")]), lambda request, context: iter(()))
    with pytest.raises(ProtocolError, match="without its last page"):
        list(client.list())
    fake.on("List", abort(Code.NOT_FOUND, "none", "NoSuchBucket"))
    with pytest.raises(NotFoundError):
        list(client.list())


def test_deletes_go_by_the_thousand_and_say_what_failed(fake: FakeGateway, client: Client) -> None:
    def delete(request: Any, context: Any) -> Any:
        bad = status(Code.UNAVAILABLE, "busy", "StoreBusy")
        return pb.DeleteResponse(statuses=[bad if key == "k1500" else pb.Status() for key in request.keys])

    fake.on("Delete", delete)
    failed = client.delete_many([f"k{n}" for n in range(2001)])
    assert [(one.key, one.reason) for one in failed] == [("k1500", "StoreBusy")]
    assert [len(request.keys) for request in fake.requests] == [1000, 1000, 1]
    assert client.delete("a") is None
    with pytest.raises(UnavailableError):
        client.delete("k1500")
    fake.on("Delete", lambda request, context: pb.DeleteResponse())
    with pytest.raises(ProtocolError, match="0 keys of 1"):
        client.delete("a")
