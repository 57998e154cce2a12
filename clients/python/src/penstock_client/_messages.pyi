# Types of the messages in proto/. Made by scripts/generate_messages.py.
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TypeVar

_M = TypeVar("_M", bound="Message")

class Message:
    @classmethod
    def FromString(cls: type[_M], data: bytes) -> _M: ...
    def SerializeToString(self) -> bytes: ...
    def HasField(self, name: str) -> bool: ...

class Repeated(list[_M]):
    def add(self, **fields: object) -> _M: ...

class Any(Message):
    type_url: str
    value: bytes
    def __init__(self, *, type_url: str = ..., value: bytes = ...) -> None: ...

class Duration(Message):
    seconds: int
    nanos: int
    def __init__(self, *, seconds: int = ..., nanos: int = ...) -> None: ...

class Timestamp(Message):
    seconds: int
    nanos: int
    def __init__(self, *, seconds: int = ..., nanos: int = ...) -> None: ...

class Status(Message):
    code: int
    message: str
    details: Repeated[Any]
    def __init__(
        self,
        *,
        code: int | None = ...,
        message: str | None = ...,
        details: Iterable[Any] | None = ...,
    ) -> None: ...

class ErrorInfo(Message):
    reason: str
    domain: str
    metadata: MutableMapping[str, str]
    def __init__(
        self,
        *,
        reason: str | None = ...,
        domain: str | None = ...,
        metadata: Mapping[str, str] | None = ...,
    ) -> None: ...

class RetryInfo(Message):
    retry_delay: Duration
    def __init__(
        self,
        *,
        retry_delay: Duration | None = ...,
    ) -> None: ...

class ObjectInfo(Message):
    bucket: str
    key: str
    size: int
    etag: str
    crc32: int
    content_type: str
    metadata: MutableMapping[str, str]
    modified: Timestamp
    def __init__(
        self,
        *,
        bucket: str | None = ...,
        key: str | None = ...,
        size: int | None = ...,
        etag: str | None = ...,
        crc32: int | None = ...,
        content_type: str | None = ...,
        metadata: Mapping[str, str] | None = ...,
        modified: Timestamp | None = ...,
    ) -> None: ...

class ByteRange(Message):
    start: int
    end: int
    def __init__(
        self,
        *,
        start: int | None = ...,
        end: int | None = ...,
    ) -> None: ...

class PutHeader(Message):
    bucket: str
    key: str
    size: int
    content_type: str
    metadata: MutableMapping[str, str]
    if_absent: bool
    if_match: str
    def __init__(
        self,
        *,
        bucket: str | None = ...,
        key: str | None = ...,
        size: int | None = ...,
        content_type: str | None = ...,
        metadata: Mapping[str, str] | None = ...,
        if_absent: bool | None = ...,
        if_match: str | None = ...,
    ) -> None: ...

class HeadRequest(Message):
    bucket: str
    key: str
    def __init__(
        self,
        *,
        bucket: str | None = ...,
        key: str | None = ...,
    ) -> None: ...

class GetRequest(Message):
    bucket: str
    key: str
    range: ByteRange
    if_match: str
    if_none_match: str
    def __init__(
        self,
        *,
        bucket: str | None = ...,
        key: str | None = ...,
        range: ByteRange | None = ...,
        if_match: str | None = ...,
        if_none_match: str | None = ...,
    ) -> None: ...

class GetChunk(Message):
    info: ObjectInfo
    offset: int
    data: bytes
    def __init__(
        self,
        *,
        info: ObjectInfo | None = ...,
        offset: int | None = ...,
        data: bytes | None = ...,
    ) -> None: ...

class PutChunk(Message):
    header: PutHeader
    crc32: int
    data: bytes
    def __init__(
        self,
        *,
        header: PutHeader | None = ...,
        crc32: int | None = ...,
        data: bytes | None = ...,
    ) -> None: ...

class DeleteRequest(Message):
    bucket: str
    keys: list[str]
    def __init__(
        self,
        *,
        bucket: str | None = ...,
        keys: Iterable[str] | None = ...,
    ) -> None: ...

class DeleteResponse(Message):
    statuses: Repeated[Status]
    def __init__(
        self,
        *,
        statuses: Iterable[Status] | None = ...,
    ) -> None: ...

class ListRequest(Message):
    bucket: str
    prefix: str
    delimiter: str
    start_after: str
    resume_token: str
    page_size: int
    def __init__(
        self,
        *,
        bucket: str | None = ...,
        prefix: str | None = ...,
        delimiter: str | None = ...,
        start_after: str | None = ...,
        resume_token: str | None = ...,
        page_size: int | None = ...,
    ) -> None: ...

class ListPage(Message):
    objects: Repeated[ObjectInfo]
    common_prefixes: list[str]
    resume_token: str
    def __init__(
        self,
        *,
        objects: Iterable[ObjectInfo] | None = ...,
        common_prefixes: Iterable[str] | None = ...,
        resume_token: str | None = ...,
    ) -> None: ...

ORDER_UNSPECIFIED: int
ORDER_COMPLETION: int
ORDER_STRICT: int

ENCODING_UNSPECIFIED: int
ENCODING_ZSTD: int

class SampleRef(Message):
    key: str
    range: ByteRange
    bucket: str
    def __init__(
        self,
        *,
        key: str | None = ...,
        range: ByteRange | None = ...,
        bucket: str | None = ...,
    ) -> None: ...

class GetBatchRequest(Message):
    bucket: str
    keys: list[str]
    refs: Repeated[SampleRef]
    dataset: str
    indices: list[int]
    order: int
    max_frame_bytes: int
    next_keys: list[str]
    accept_encodings: list[int]
    def __init__(
        self,
        *,
        bucket: str | None = ...,
        keys: Iterable[str] | None = ...,
        refs: Iterable[SampleRef] | None = ...,
        dataset: str | None = ...,
        indices: Iterable[int] | None = ...,
        order: int | None = ...,
        max_frame_bytes: int | None = ...,
        next_keys: Iterable[str] | None = ...,
        accept_encodings: Iterable[int] | None = ...,
    ) -> None: ...

class BatchFrame(Message):
    entries: Repeated[Entry]
    end: BatchEnd
    payload: bytes
    def __init__(
        self,
        *,
        entries: Iterable[Entry] | None = ...,
        end: BatchEnd | None = ...,
        payload: bytes | None = ...,
    ) -> None: ...

class Entry(Message):
    slot: int
    length: int
    object_offset: int
    object_size: int
    crc32: int
    etag: str
    error: Status
    encoding: int
    def __init__(
        self,
        *,
        slot: int | None = ...,
        length: int | None = ...,
        object_offset: int | None = ...,
        object_size: int | None = ...,
        crc32: int | None = ...,
        etag: str | None = ...,
        error: Status | None = ...,
        encoding: int | None = ...,
    ) -> None: ...

class BatchEnd(Message):
    ok: int
    failed: int
    unserved_slots: list[int]
    bytes: int
    cache_hits: int
    server_time: Duration
    def __init__(
        self,
        *,
        ok: int | None = ...,
        failed: int | None = ...,
        unserved_slots: Iterable[int] | None = ...,
        bytes: int | None = ...,
        cache_hits: int | None = ...,
        server_time: Duration | None = ...,
    ) -> None: ...

class PutFrame(Message):
    entries: Repeated[PutEntry]
    payload: bytes
    def __init__(
        self,
        *,
        entries: Iterable[PutEntry] | None = ...,
        payload: bytes | None = ...,
    ) -> None: ...

class PutEntry(Message):
    slot: int
    header: PutHeader
    length: int
    crc32: int
    def __init__(
        self,
        *,
        slot: int | None = ...,
        header: PutHeader | None = ...,
        length: int | None = ...,
        crc32: int | None = ...,
    ) -> None: ...

class PutResult(Message):
    slot: int
    info: ObjectInfo
    error: Status
    def __init__(
        self,
        *,
        slot: int | None = ...,
        info: ObjectInfo | None = ...,
        error: Status | None = ...,
    ) -> None: ...
