"""One object, streamed.

Promises: a stream that breaks is taken up at the byte where it stopped, of the very same object (by its ETag); the last
chunk comes out only when the length, and the CRC-32 of a whole object, held.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator

import grpc

from . import _messages as pb
from ._connection import Connection
from ._fork import GATE
from .errors import DataLossError, PenstockError, broken_protocol, error_of_call
from .types import ObjectInfo, ObjectRef, object_info_of


class ObjectReader:
    """Reads one object, once. ``info`` is known from the first chunk on."""

    def __init__(self, connection: Connection, ref: ObjectRef, if_match: str, timeout: float | None) -> None:
        self._connection = connection
        self._ref = ref
        self._bucket = connection.bucket_of(ref.bucket)
        self._if_match = if_match
        self._pacing = connection.pacing(timeout)
        self._at = ref.start
        self._end = 0
        self._crc32 = 0
        self.info: ObjectInfo | None = None

    def chunks(self) -> Iterator[bytes]:
        """Bytes in order, at most 1 MiB at a time; an empty object gives one empty chunk. Raises PenstockError."""
        while True:
            failure = yield from self._one_call()
            if failure is None:
                return
            if not failure.retryable or not self._pacing.again(failure):
                raise failure.about(self._ref.key)

    def _one_call(self) -> Generator[bytes, None, PenstockError | None]:
        try:
            with self._connection.stream("get", self._request(), self._pacing.remaining_s) as call:
                while True:
                    data = self._next_chunk(call)
                    yield data
                    if self._at == self._end:
                        return None
        except grpc.RpcError as error:
            return error_of_call(error)
        except PenstockError as error:
            return error

    def _request(self) -> pb.GetRequest:
        if_match = self._if_match if self.info is None else self.info.etag
        request = pb.GetRequest(bucket=self._bucket, key=self._ref.key, if_match=if_match)
        if self._at > self._ref.start:
            request.range.start = self._at
            request.range.end = self._end
        elif self._ref.start > 0 or self._ref.end is not None:
            request.range.start = self._ref.start
            if self._ref.end is not None:
                request.range.end = self._ref.end
        return request

    def _next_chunk(self, call: Iterator[pb.GetChunk]) -> bytes:
        """The next bytes, checked against where they belong;

        the last ones only when the call ended well and the CRC held.
        """
        with GATE:
            chunk = next(call, None)
        key = self._ref.key
        if chunk is None:
            raise broken_protocol(f"ended {key} at byte {self._at} of {self._end}")
        if chunk.HasField("info"):
            self._meet(object_info_of(chunk.info))
        if self.info is None:
            raise broken_protocol(f"began {key} without saying what it is")
        data = chunk.data
        if (data and chunk.offset != self._at) or self._at + len(data) > self._end:
            raise broken_protocol(f"sent bytes of {key} that do not follow each other")
        crc32 = zlib.crc32(data, self._crc32)
        if self._at + len(data) == self._end:
            with GATE:
                extra = next(call, None)
            if extra is not None:
                raise broken_protocol(f"sent more of {key} than was asked for")
            self._check(self.info, crc32)
        self._crc32 = crc32
        self._at += len(data)
        self._pacing.progressed()
        return data

    def _meet(self, info: ObjectInfo) -> None:
        if self.info is None:
            self.info = info
            self._end = info.size if self._ref.end is None else min(self._ref.end, info.size)
        elif info.etag != self.info.etag:
            raise broken_protocol(f"went on with {self._ref.key} in another state of it")

    def _check(self, info: ObjectInfo, crc32: int) -> None:
        is_whole = self._ref.start == 0 and self._end == info.size
        # Of a large object the gateway may know the sums of its parts alone, which it checks itself.
        if is_whole and info.crc32 is not None and crc32 != info.crc32:
            raise DataLossError(
                f"{info.key}: the bytes that arrived have CRC-32 {crc32:08x} and not {info.crc32:08x}; "
                "they were damaged after the gateway had read them",
                reason="DataLoss",
                key=info.key,
            )


def get_object(
    connection: Connection, ref: ObjectRef, if_match: str = "", timeout: float | None = None
) -> tuple[ObjectInfo, bytes]:
    """The object, or range, and what it is of. Raises PenstockError."""
    for attempt in (1, 2):
        reader = ObjectReader(connection, ref, if_match, timeout)
        try:
            chunks = list(reader.chunks())
        except DataLossError as error:
            # Damage on the way: once more, since nothing of it was given out yet. What the gateway itself refuses stays
            # refused.
            if attempt == 2 or error.__cause__ is not None:
                raise
            continue
        assert reader.info is not None
        return reader.info, chunks[0] if len(chunks) == 1 else b"".join(chunks)
    raise AssertionError("unreachable")
