"""One object, written by a call of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

import grpc

from . import _messages as pb
from ._connection import Connection
from ._fork import GATE, threads_noted
from ._limits import PUT_CHUNK_BYTES
from .errors import FailedPreconditionError, PenstockError, error_of_call
from .types import ObjectInfo, object_info_of

Body: TypeAlias = "bytes | bytearray | memoryview | BinaryIO"


@dataclass(frozen=True)
class PutTarget:
    """What is said of an object when it is written."""

    bucket: str
    key: str
    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    if_absent: bool = False
    if_match: str = ""


def header_of(target: PutTarget, size: int) -> pb.PutHeader:
    """The same as a message; ``size`` in bytes."""
    return pb.PutHeader(
        bucket=target.bucket,
        key=target.key,
        size=size,
        content_type=target.content_type,
        metadata=target.metadata,
        if_absent=target.if_absent,
        if_match=target.if_match,
    )


def put_object(connection: Connection, target: PutTarget, body: Body, timeout: float | None) -> ObjectInfo:
    """As often as it takes.

    A file is read from where it stands to its end, again for each attempt. Raises PenstockError.
    """
    pacing = connection.pacing(timeout)
    source = _Source(body)
    is_repeated = False
    while True:
        try:
            return put_once(connection, target, source, pacing.remaining_s)
        except PenstockError as error:
            if is_repeated and isinstance(error, FailedPreconditionError):
                raise unknown_outcome(target.key, error) from error
            if not error.retryable or not pacing.again(error):
                told = error.about(target.key)
                told.outcome_unknown = leaves_unknown(error)
                raise told from error
            is_repeated = True


class _Source:
    """Bytes that can be read more than once."""

    def __init__(self, body: Body) -> None:
        if isinstance(body, (bytes, bytearray, memoryview)):
            self._view: memoryview | None = memoryview(body).cast("B")
            self.size = len(self._view)
            return
        self._view = None
        self._file = body
        self._start = body.tell()
        body.seek(0, 2)
        self.size = body.tell() - self._start

    def chunks(self) -> Iterator[bytes]:
        if self._view is None:
            self._file.seek(self._start)
        for at in range(0, self.size, PUT_CHUNK_BYTES):
            end = min(at + PUT_CHUNK_BYTES, self.size)
            yield bytes(self._view[at:end]) if self._view is not None else self._file.read(end - at)


def put_once(connection: Connection, target: PutTarget, body: Body | _Source, timeout_s: float | None) -> ObjectInfo:
    """One attempt. Raises PenstockError."""
    source = body if isinstance(body, _Source) else _Source(body)

    def messages() -> Iterator[pb.PutChunk]:
        crc32 = 0
        yield pb.PutChunk(header=header_of(target, source.size))
        for chunk in source.chunks():
            crc32 = zlib.crc32(chunk, crc32)
            yield pb.PutChunk(data=chunk)
        yield pb.PutChunk(crc32=crc32)

    try:
        with connection.lane() as lane, GATE, threads_noted():
            info: pb.ObjectInfo = lane.put(messages(), timeout=timeout_s, metadata=connection.metadata())
    except grpc.RpcError as error:
        raise error_of_call(error) from error
    return object_info_of(info)


def leaves_unknown(error: PenstockError) -> bool:
    """After these the gateway itself does not know what became of a write, or nobody heard what it said."""
    return error.retryable if error.reason is None else error.reason in ("StoreBusy", "InternalError")


def unknown_outcome(key: str, cause: PenstockError) -> PenstockError:
    """For a condition that an earlier attempt of the same put may itself have made false."""
    message = f"{key} is not as the condition wants it; whether by an earlier attempt at this put is not known"
    error = FailedPreconditionError(message, reason=cause.reason, key=key, retryable=False)
    error.outcome_unknown = True
    return error
