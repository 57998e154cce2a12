"""The client of a Penstock gateway.

Promises: what comes back was checked by CRC-32 and is whole; what can be had by asking again was asked for again;
everything else is a ``PenstockError`` that says what, why, and whether trying again may help. Nothing connects before
the first call. A client may be used from several threads, pickled, and carried through a fork.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Literal, TypeAlias

from . import _messages as pb
from ._connection import Connection
from ._get_batch import BatchOptions, Order, batch_results
from ._get_object import ObjectReader, get_object
from ._limits import HEADS_IN_FLIGHT, TIMEOUT_S
from ._objects import delete_objects, is_no_object, list_objects, stat_object
from ._options import Options
from ._prefetch import prefetched
from ._put_batch import Given, put_results
from ._put_object import Body, PutTarget, put_object
from .errors import InvalidArgumentError, NotFoundError, PenstockError
from .types import CommonPrefix, Missing, ObjectInfo, ObjectRef, SlotError, key_text, slot_error_of

OnError: TypeAlias = Literal["raise", "return"]
Range: TypeAlias = "tuple[int, int | None] | None"
Read: TypeAlias = "bytes | SlotError"
Written: TypeAlias = "ObjectInfo | SlotError"
# `list` inside the class is the method.
ReadList: TypeAlias = "list[bytes | SlotError]"
InfoList: TypeAlias = "list[ObjectInfo | SlotError]"
FailedList: TypeAlias = "list[SlotError]"


class Client:
    """Reads and writes objects of one gateway.

    Args:
        target: ``HOST:PORT`` of its gRPC address, ``https://`` before it for TLS; else ``PENSTOCK_GRPC_ENDPOINT``, else
            127.0.0.1:9002.
        access_key: the access key id; else ``PENSTOCK_ACCESS_KEY``. Without either, calls are anonymous.
        secret_key: its secret; else ``PENSTOCK_SECRET_KEY``. It stays in this process (and in pickles, when it was
            given here).
        bucket: the bucket of calls that name none.
        secure: connect by TLS; by default only with ``https://`` or a ``ca_certificate``.
        ca_certificate: PEM, or the path of a file, of the authority to trust instead of the system's.
        channels: connections, 1 to 64, or "auto" for one per two cores up to 4. Each is served by one core of the
            gateway.
        timeout: seconds for one call, attempts and pauses included; None or ``math.inf`` for no limit.
        channel_options: options of grpcio that go before ours.

    Every method takes ``bucket`` and ``timeout`` (seconds) of its own. Methods raise ``PenstockError``.
    """

    def __init__(
        self,
        target: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        *,
        bucket: str | None = None,
        secure: bool | None = None,
        ca_certificate: str | bytes | None = None,
        channels: int | Literal["auto"] = 1,
        timeout: float | None = TIMEOUT_S,
        channel_options: Iterable[tuple[str, int | str]] = (),
    ) -> None:
        self._start(
            Options(
                target,
                access_key,
                secret_key,
                bucket,
                secure,
                ca_certificate,
                channels,
                timeout,
                tuple(channel_options),
            )
        )

    def _start(self, options: Options) -> None:
        self._options = options
        self._connection = Connection(options)

    @property
    def bucket(self) -> str | None:
        """The bucket of calls that name none."""
        return self._connection.bucket

    @property
    def target(self) -> str:
        """``HOST:PORT`` of the gateway."""
        return self._connection.target

    def get_many(
        self,
        keys: Sequence[str | ObjectRef],
        *,
        bucket: str | None = None,
        ranges: Sequence[Range] | None = None,
        order: Order = "completion",
        on_missing: OnError = "return",
        on_error: OnError = "raise",
        next_keys: Sequence[str] = (),
        timeout: float | None = None,
    ) -> ReadList:
        """Reads whole objects, or ranges of them, in one call: a list in the order of ``keys``.

        In the place of one that does not exist is a ``Missing``; ``on_missing="raise"`` raises NotFoundError instead.
        Other troubles of single objects (DataLossError, PermissionDeniedError, a passed deadline) raise, once
        everything passing was tried again; ``on_error="return"`` puts a ``SlotError`` in their place instead. Both are
        falsy.

        Args:
            keys: any sequence, also a numpy array; ``ObjectRef`` for one of another bucket.
            ranges: for each key None or (start, end), half-open, in bytes; end None: to the end of the object.
            order: how they come over the wire; "completion" is faster, and the list is the same.
            next_keys: advice: what will be asked for next, so that the gateway reads ahead.
        """
        found: dict[int, Read] = {}
        results = self.iter_many(
            keys,
            bucket=bucket,
            ranges=ranges,
            order=order,
            on_missing=on_missing,
            on_error=on_error,
            next_keys=next_keys,
            timeout=timeout,
        )
        for index, result in results:
            found[index] = result
        return [found[index] for index in range(len(keys))]

    def iter_many(
        self,
        keys: Sequence[str | ObjectRef],
        *,
        bucket: str | None = None,
        ranges: Sequence[Range] | None = None,
        order: Order = "completion",
        on_missing: OnError = "return",
        on_error: OnError = "raise",
        next_keys: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Iterator[tuple[int, Read]]:
        """The same one by one, as they come: yields (place in ``keys``, bytes). A slow reader stops the gateway.

        ``order="strict"`` yields in the order of ``keys``.
        """
        refs = keys if ranges is None else _with_ranges(keys, ranges)
        options = BatchOptions(bucket, order, next_keys, timeout)
        for results in batch_results(self._connection, refs, options):
            for index, result in results:
                if (
                    isinstance(result, SlotError)
                    and (on_missing if isinstance(result, Missing) else on_error) == "raise"
                ):
                    raise result.error
                yield index, result

    def iter_batches(
        self,
        batches: Iterable[Sequence[str]],
        *,
        prefetch: int = 2,
        bucket: str | None = None,
        on_missing: OnError = "return",
        on_error: OnError = "raise",
        timeout: float | None = None,
    ) -> Iterator[ReadList]:
        """Yields ``get_many`` of each list of keys, in order, with up to ``prefetch`` under way while the caller works.

        ``batches`` may be endless; it is read ``prefetch + 1`` lists ahead, and the gateway is told what comes next.
        """
        if prefetch < 1:
            raise ValueError(f"prefetch is {prefetch}; expected 1 or more")

        def read(keys: Sequence[str], next_keys: Sequence[str]) -> ReadList:
            return self.get_many(
                keys, bucket=bucket, on_missing=on_missing, on_error=on_error, next_keys=next_keys, timeout=timeout
            )

        return prefetched(batches, prefetch, read)

    def get(
        self,
        key: str,
        *,
        bucket: str | None = None,
        start: int = 0,
        end: int | None = None,
        if_match: str = "",
        timeout: float | None = None,
    ) -> bytes:
        """One object, or its bytes from ``start`` up to but without ``end``, in memory.

        Raises NotFoundError when there is none.
        """
        return self.get_with_info(key, bucket=bucket, start=start, end=end, if_match=if_match, timeout=timeout)[1]

    def get_with_info(
        self,
        key: str,
        *,
        bucket: str | None = None,
        start: int = 0,
        end: int | None = None,
        if_match: str = "",
        timeout: float | None = None,
    ) -> tuple[ObjectInfo, bytes]:
        """The same, and what is known of the whole object: no ``stat`` is needed before it."""
        ref = ObjectRef(key_text(key), start, end, bucket)
        return get_object(self._connection, ref, if_match, self._limit(timeout))

    def stream(
        self,
        key: str,
        *,
        bucket: str | None = None,
        start: int = 0,
        end: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[bytes]:
        """One object of any size, in chunks of at most 1 MiB, taken up where it broke.

        No time limit unless one is given.
        """
        return ObjectReader(self._connection, ObjectRef(key_text(key), start, end, bucket), "", timeout).chunks()

    def stat(self, key: str, *, bucket: str | None = None, timeout: float | None = None) -> ObjectInfo | None:
        """What is known of one object without its bytes;

        None when there is none. Raises NotFoundError when there is no bucket.
        """
        try:
            return stat_object(self._connection, self._connection.bucket_of(bucket), key_text(key), timeout)
        except NotFoundError as error:
            if is_no_object(error):
                return None
            raise

    def stat_many(
        self,
        keys: Sequence[str],
        *,
        bucket: str | None = None,
        on_error: OnError = "raise",
        timeout: float | None = None,
    ) -> InfoList:
        """The same of many, in the order of ``keys``, with ``Missing`` in the place of one that does not exist.

        A call each.
        """
        named = self._connection.bucket_of(bucket)

        def one(key: str) -> ObjectInfo | SlotError:
            try:
                return stat_object(self._connection, named, key_text(key), timeout)
            except PenstockError as error:
                if is_no_object(error) or on_error == "return":
                    return slot_error_of(key_text(key), error)
                raise

        with ThreadPoolExecutor(min(HEADS_IN_FLIGHT, len(keys)) or 1, "penstock-stat") as executor:
            return list(executor.map(one, keys))

    def list(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        start_after: str = "",
        bucket: str | None = None,
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Iterator[ObjectInfo | CommonPrefix]:
        """Yields ``ObjectInfo``, in the order of the keys' UTF-8 bytes; a list that breaks is taken up where it was.

        With a ``delimiter``, keys that hold it behind the prefix are one ``CommonPrefix``. ``page_size``: 1 to 1,000;
        0: 1,000. No time limit unless one is given.
        """
        request = pb.ListRequest(
            bucket=self._connection.bucket_of(bucket),
            prefix=prefix,
            delimiter=delimiter,
            start_after=start_after,
            page_size=page_size,
        )
        return list_objects(self._connection, request, timeout)

    def put(
        self,
        key: str,
        data: Body,
        *,
        bucket: str | None = None,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        if_absent: bool = False,
        if_match: str = "",
        timeout: float | None = None,
    ) -> ObjectInfo:
        """Writes one object; returns when it is on the gateway's disk.

        ``data`` may be a file that can seek, read from where it stands to its end.
        Raises FailedPreconditionError where ``if_absent`` or ``if_match`` (an ETag) does not hold.
        """
        named = self._connection.bucket_of(bucket)
        target = PutTarget(named, key_text(key), content_type, metadata or {}, if_absent, if_match)
        return put_object(self._connection, target, data, self._limit(timeout))

    def put_many(
        self,
        items: Iterable[Given],
        *,
        bucket: str | None = None,
        on_error: OnError = "raise",
        timeout: float | None = None,
    ) -> InfoList:
        """Writes many objects, (key, data[, content_type[, metadata]]) or ``PutItem``: a list in their order.

        Raises the first failure, when the others may have been written or not; ``on_error="return"`` writes all that
        can be, and puts a ``SlotError`` in the place of one that failed. No time limit unless one is given.
        """
        found: dict[int, ObjectInfo | SlotError] = {}
        for index, result in self.iter_put(items, bucket=bucket, timeout=timeout):
            if isinstance(result, SlotError) and on_error == "raise":
                raise result.error
            found[index] = result
        return [found[index] for index in range(len(found))]

    def iter_put(
        self, items: Iterable[Given], *, bucket: str | None = None, timeout: float | None = None
    ) -> Iterator[tuple[int, Written]]:
        """The same one by one: yields (place, result) as they complete, and writes only while it is iterated.

        ``items`` may be endless: at most 64 MiB and 4,096 objects are taken from it that have no result which was
        fetched.
        """
        return put_results(self._connection, items, self._connection.bucket_of(bucket), timeout)

    def delete(self, key: str, *, bucket: str | None = None, timeout: float | None = None) -> None:
        """Removes one object; that there is none is no error."""
        for failed in self.delete_many([key], bucket=bucket, timeout=timeout):
            raise failed.error

    def delete_many(
        self, keys: Sequence[str], *, bucket: str | None = None, timeout: float | None = None
    ) -> FailedList:
        """Removes many, a thousand in a call.

        Returns those that could not be removed: an empty list when all are gone.
        """
        return [*delete_objects(self._connection, self._connection.bucket_of(bucket), keys, timeout)]

    def close(self) -> None:
        """Ends calls under way and closes the connections. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> Options:
        return self._options

    def __setstate__(self, options: Options) -> None:
        self._start(options)

    def __repr__(self) -> str:
        return f"Client({self.target!r}, bucket={self.bucket!r})"

    def _limit(self, timeout: float | None) -> float | None:
        return self._connection.timeout_s if timeout is None else timeout


def _with_ranges(keys: Sequence[str | ObjectRef], ranges: Sequence[Range]) -> list[str | ObjectRef]:
    if len(keys) != len(ranges):
        raise InvalidArgumentError(f"there are {len(ranges)} ranges for {len(keys)} keys")
    refs: list[str | ObjectRef] = []
    for key, span in zip(keys, ranges, strict=True):
        bucket = key.bucket if isinstance(key, ObjectRef) else None
        name = key.key if isinstance(key, ObjectRef) else key_text(key)
        refs.append(ObjectRef(name, span[0], span[1], bucket) if span is not None else ObjectRef(name, bucket=bucket))
    return refs
