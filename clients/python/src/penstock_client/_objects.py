"""Head, Delete and List: small questions, asked until the answer comes or that is hopeless."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

import grpc

from . import _messages as pb
from ._connection import Connection
from ._fork import GATE
from ._limits import DELETE_KEYS_MAX
from ._pacing import Pacing
from .errors import NotFoundError, PenstockError, broken_protocol, error_of_call, error_of_status
from .types import CommonPrefix, ObjectInfo, SlotError, key_text, object_info_of, slot_error_of

_A = TypeVar("_A")


def stat_object(connection: Connection, bucket: str, key: str, timeout: float | None) -> ObjectInfo:
    """Raises PenstockError; NotFoundError when there is none."""
    request = pb.HeadRequest(bucket=bucket, key=key)
    try:
        return object_info_of(_ask(connection, timeout, lambda lane, **more: lane.head(request, **more)))
    except PenstockError as error:
        raise error.about(key) from error


def is_no_object(error: PenstockError) -> bool:
    """Whether it says that the object is missing, and not that its bucket is."""
    return isinstance(error, NotFoundError) and error.reason != "NoSuchBucket"


def delete_objects(
    connection: Connection, bucket: str, keys: Sequence[str], timeout: float | None
) -> Iterator[SlotError]:
    """Yields what could not be removed. Raises PenstockError when a call as a whole is refused."""
    for at in range(0, len(keys), DELETE_KEYS_MAX):
        page = [key_text(key) for key in keys[at : at + DELETE_KEYS_MAX]]
        request = pb.DeleteRequest(bucket=bucket, keys=page)
        answer: pb.DeleteResponse = _ask(connection, timeout, lambda lane, r=request, **more: lane.delete(r, **more))
        if len(answer.statuses) != len(page):
            raise broken_protocol(f"answered for {len(answer.statuses)} keys of {len(page)}")
        for key, status in zip(page, answer.statuses, strict=True):
            if status.code:
                yield slot_error_of(key, error_of_status(status, key))


def _ask(connection: Connection, timeout: float | None, call: Callable[..., _A]) -> _A:
    pacing = connection.pacing(connection.timeout_s if timeout is None else timeout)
    while True:
        try:
            with connection.lane() as lane, GATE:
                return call(lane, timeout=pacing.remaining_s, metadata=connection.metadata())
        except grpc.RpcError as error:
            failure = error_of_call(error)
        if not failure.retryable or not pacing.again(failure):
            raise failure


def list_objects(
    connection: Connection, request: pb.ListRequest, timeout: float | None
) -> Iterator[ObjectInfo | CommonPrefix]:
    """In the order of the keys' UTF-8 bytes;

    a list that breaks is taken up behind the last page. Raises PenstockError.
    """
    pacing = connection.pacing(timeout)
    while True:
        failure = yield from _list_once(connection, request, pacing)
        if failure is None:
            return
        if not failure.retryable or not pacing.again(failure):
            raise failure


def _list_once(
    connection: Connection, request: pb.ListRequest, pacing: Pacing
) -> Generator[ObjectInfo | CommonPrefix, None, PenstockError | None]:
    try:
        with connection.stream("list", request, pacing.remaining_s) as call:
            while True:
                with GATE:
                    page = next(call, None)
                if page is None:
                    return broken_protocol("ended a list without its last page")
                request.resume_token = page.resume_token
                pacing.progressed()
                if not page.resume_token:
                    # Reads the status, so that the call need not be reset. The list is whole, whatever it is.
                    with suppress(grpc.RpcError), GATE:
                        next(call, None)
                yield from _items_of(page)
                if not page.resume_token:
                    return None
    except grpc.RpcError as error:
        return error_of_call(error)


def _items_of(page: pb.ListPage) -> Iterator[ObjectInfo | CommonPrefix]:
    """Both lists are in order; together they are in the order of the bucket."""
    prefixes = list(page.common_prefixes)
    at = 0
    for wire in page.objects:
        while at < len(prefixes) and prefixes[at].encode() < wire.key.encode():
            yield CommonPrefix(prefixes[at])
            at += 1
        yield object_info_of(wire)
    for prefix in prefixes[at:]:
        yield CommonPrefix(prefix)
