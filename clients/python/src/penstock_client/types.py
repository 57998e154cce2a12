"""What goes in and comes out: references, descriptions, and what stands in the place of what could not be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import grpc

from . import _messages as pb
from .errors import PenstockError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class ObjectRef(NamedTuple):
    """An object, or a range of its bytes: ``start`` up to but without ``end``; no end: to the end of the object."""

    key: str
    start: int = 0
    end: int | None = None
    #: Only where it is not the call's.
    bucket: str | None = None


@dataclass(frozen=True)
class ObjectInfo:
    """What is known of a stored object without its bytes."""

    bucket: str
    key: str
    #: Bytes of the whole object, also when a range was read.
    size: int
    #: Without the quotes that HTTP puts around it.
    etag: str
    #: CRC-32 (IEEE, as ``zlib.crc32``) of the whole object; None where only the sums of its parts are known.
    crc32: int | None
    #: Media type; empty when none was given.
    content_type: str
    #: User metadata, names in lower case.
    metadata: Mapping[str, str]
    #: When it was written; aware, in UTC.
    modified: datetime


@dataclass(frozen=True)
class CommonPrefix:
    """Stands in a list for all keys that begin with it."""

    prefix: str


@dataclass(frozen=True)
class PutItem:
    """An object to write. ``data`` must not change before its result has come."""

    key: str
    data: bytes | bytearray | memoryview
    content_type: str = ""
    #: Names in lower case; names and values together at most 2 KiB.
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: Write only where the key has no object.
    if_absent: bool = False
    #: Only where it is not the call's.
    bucket: str | None = None


class SlotError:
    """Stands in the place of one object of many that could not be read or written.

    Falsy, like ``None``; so is ``b""``.
    """

    __slots__ = ("error", "key")

    def __init__(self, key: str, error: PenstockError) -> None:
        self.key = key
        #: The exception that the same failure of a single call would have raised.
        self.error = error

    @property
    def code(self) -> grpc.StatusCode:
        """The status of gRPC."""
        return self.error.code

    @property
    def reason(self) -> str | None:
        """The gateway's name of the refusal, as S3 has it: ``NoSuchKey``."""
        return self.error.reason

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r}, {self.code.name}, {self.reason})"


class Missing(SlotError):
    """Stands in the place of an object that does not exist."""

    __slots__ = ()


def slot_error_of(key: str, error: PenstockError) -> SlotError:
    """The object that stands for this error in a list."""
    return (Missing if error.code is grpc.StatusCode.NOT_FOUND else SlotError)(key, error)


def object_info_of(wire: pb.ObjectInfo) -> ObjectInfo:
    """Parses what the gateway says of an object."""
    modified = _EPOCH + timedelta(seconds=wire.modified.seconds, microseconds=wire.modified.nanos // 1000)
    return ObjectInfo(
        bucket=wire.bucket,
        key=wire.key,
        size=wire.size,
        etag=wire.etag,
        crc32=wire.crc32 if wire.HasField("crc32") else None,
        content_type=wire.content_type,
        metadata=dict(wire.metadata),
        modified=modified,
    )


def key_text(key: object) -> str:
    """A key as text: also one of a numpy array, of text or of bytes. Raises TypeError."""
    if isinstance(key, str):
        return str(key)
    if isinstance(key, bytes):
        return key.decode("utf-8")
    raise TypeError(f"a key is {type(key).__name__}; expected str, or bytes of UTF-8")
