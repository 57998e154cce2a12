"""Files of the fsspec filesystem:

what is read is read in blocks of one state of the object, what is written becomes an object when closed.
"""

from __future__ import annotations

import errno
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any

from fsspec.caching import BytesCache, ReadAheadCache
from fsspec.spec import AbstractBufferedFile

from ._limits import PUT_BYTES_MAX
from .client import Client
from .errors import (
    FailedPreconditionError,
    NotFoundError,
    OutOfRangeError,
    PenstockError,
    PermissionDeniedError,
    UnauthenticatedError,
)


def os_error_of(error: PenstockError, path: str) -> OSError:
    """The same as people who use files expect it."""
    if isinstance(error, NotFoundError):
        made: OSError = FileNotFoundError(errno.ENOENT, str(error), path)
    elif isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        made = PermissionError(errno.EACCES, str(error), path)
    else:
        made = OSError(errno.EIO, str(error), path)
    made.__cause__ = error
    return made


@contextmanager
def os_errors(path: str) -> Iterator[None]:
    """Inside, what the client raises becomes an OSError about this path."""
    try:
        yield
    except PenstockError as error:
        raise os_error_of(error, path) from error


class ReadFile(AbstractBufferedFile):  # type: ignore[misc]
    """An object, read in blocks.

    The first block is read when it is opened, and says its size: no other request goes before it.
    """

    def __init__(self, fs: Any, path: str, client: Client, bucket: str, key: str, **options: Any) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        block = options.get("block_size")
        self._block = block if isinstance(block, int) else self.DEFAULT_BLOCK_SIZE
        with os_errors(path):
            self._info, self._first = self._read_first()
        options["size"] = self._info.size
        super().__init__(fs, path, mode="rb", **options)
        if isinstance(self.cache, (BytesCache, ReadAheadCache)):
            # They would ask for more than the first block before they give any of it.
            self.cache.cache, self.cache.start, self.cache.end = self._first, 0, len(self._first)

    def _read_first(self) -> Any:
        try:
            return self._client.get_with_info(self._key, bucket=self._bucket, end=max(1, self._block))
        except OutOfRangeError:  # an empty object has no first block
            return self._client.get_with_info(self._key, bucket=self._bucket)

    def _fetch_range(self, start: int, end: int) -> bytes:
        held: bytes = self._first
        end = min(end, self._info.size)
        if end <= len(held):
            return held[start:end]
        if start < len(held):
            return held[start:] + self._fetch_range(len(held), end)
        with os_errors(self.path):
            try:
                data: bytes = self._client.get(
                    self._key, bucket=self._bucket, start=start, end=end, if_match=self._info.etag, timeout=math.inf
                )
                return data
            except FailedPreconditionError as error:
                raise OSError(errno.ESTALE, "it was written while it was read; open it again", self.path) from error


class WriteFile(AbstractBufferedFile):  # type: ignore[misc]
    """Bytes that become an object when the file is closed; not when its ``with`` block ends with an exception."""

    def __init__(self, fs: Any, path: str, mode: str, client: Client, bucket: str, key: str, **options: Any) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self._if_absent = mode == "xb"
        self._content_type = options.pop("content_type", "")
        self._metadata = options.pop("metadata", None)
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(PUT_BYTES_MAX)  # noqa: SIM115
        super().__init__(fs, path, mode="wb", **options)

    def _initiate_upload(self) -> None:
        return

    def _upload_chunk(self, final: bool = False) -> bool:
        self._spool.write(self.buffer.getbuffer())
        if final and self.autocommit:
            self.commit()
        return True

    def commit(self) -> None:
        """Writes the object."""
        self._spool.seek(0)
        with os_errors(self.path), self._spool:
            try:
                self._client.put(
                    self._key,
                    self._spool,  # type: ignore[arg-type]
                    bucket=self._bucket,
                    content_type=self._content_type,
                    metadata=self._metadata,
                    if_absent=self._if_absent,
                    timeout=math.inf,
                )
            except FailedPreconditionError as error:
                raise FileExistsError(errno.EEXIST, str(error), self.path) from error

    def discard(self) -> None:
        """Forgets what was written."""
        self.closed = True
        self._spool.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.discard()
        self.close()
