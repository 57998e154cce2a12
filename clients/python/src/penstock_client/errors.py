"""What can go wrong, as exceptions.

Every error is a ``PenstockError``; its class says which status of gRPC it is, so ``except NotFoundError`` is enough.
Errors can be made from their message alone and survive pickling: a DataLoader carries them from its workers.
"""

from __future__ import annotations

from typing import ClassVar

import grpc

from . import _messages as pb


class PenstockError(Exception):
    """A request, or the part of it that is about one object, did not succeed.

    Attributes:
        code: the status of gRPC, https://grpc.io/docs/guides/status-codes/
        reason: the gateway's name of the refusal, as S3 has it (``NoSuchKey``); None when it gave none
        key: the key that it is about, where it is about one
        retryable: whether the same request may succeed later, unchanged
        retry_after: seconds that the gateway asked to wait; None when it did not
        outcome_unknown: a write that failed may have been stored all the same
    """

    default_code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str = "",
        *,
        code: grpc.StatusCode | None = None,
        reason: str | None = None,
        key: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.reason = reason
        self.key = key
        self.retryable = _is_passing(self.code, reason, retry_after) if retryable is None else retryable
        self.retry_after = retry_after
        self.outcome_unknown = False

    def about(self, key: str) -> PenstockError:
        """The same error about one key, which its message then names."""
        if self.key is not None:
            return self
        named = type(self)(
            f"{key}: {self}",
            code=self.code,
            reason=self.reason,
            key=key,
            retryable=self.retryable,
            retry_after=self.retry_after,
        )
        named.__cause__ = self
        return named


class InvalidArgumentError(PenstockError):
    """The request itself is wrong; asking again does not help."""

    default_code = grpc.StatusCode.INVALID_ARGUMENT


class NotFoundError(PenstockError):
    """There is no such bucket, or no object with this key."""

    default_code = grpc.StatusCode.NOT_FOUND


class PermissionDeniedError(PenstockError):
    """The credential is good, but not for this."""

    default_code = grpc.StatusCode.PERMISSION_DENIED


class UnauthenticatedError(PenstockError):
    """The gateway does not know the access key, or its secret is another."""

    default_code = grpc.StatusCode.UNAUTHENTICATED


class FailedPreconditionError(PenstockError):
    """The object is not as the condition of the request wants it."""

    default_code = grpc.StatusCode.FAILED_PRECONDITION


class OutOfRangeError(PenstockError):
    """The range begins at or behind the end of the object, or the object is too large for this call."""

    default_code = grpc.StatusCode.OUT_OF_RANGE


class ResourceExhaustedError(PenstockError):
    """Too many requests, or the disk of the gateway is full: ``reason`` and ``retryable`` tell which."""

    default_code = grpc.StatusCode.RESOURCE_EXHAUSTED


class DataLossError(PenstockError):
    """The stored bytes are damaged and were not served, or they were damaged on the way more than once."""

    default_code = grpc.StatusCode.DATA_LOSS


class UnavailableError(PenstockError):
    """Nobody answers, or not now."""

    default_code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceededError(PenstockError):
    """The time ran out."""

    default_code = grpc.StatusCode.DEADLINE_EXCEEDED


class ProtocolError(PenstockError):
    """The gateway, or something on the way, did not keep to the protocol: a batch without its end, say."""

    default_code = grpc.StatusCode.INTERNAL


_CLASSES: dict[grpc.StatusCode, type[PenstockError]] = {
    kind.default_code: kind
    for kind in (
        InvalidArgumentError,
        NotFoundError,
        PermissionDeniedError,
        UnauthenticatedError,
        FailedPreconditionError,
        OutOfRangeError,
        ResourceExhaustedError,
        DataLossError,
        UnavailableError,
        DeadlineExceededError,
    )
}
_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
#: A call that was cut shows as one of these; INTERNAL, UNKNOWN and CANCELLED are what gRPC makes of a reset stream.
_PASSING = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
    }
)


def _is_passing(code: grpc.StatusCode, reason: str | None, retry_after: float | None) -> bool:
    # The gateway names a time wherever asking again may help: a full disk and too many requests are one status.
    if retry_after is not None:
        return True
    return reason is None and code in _PASSING


def error_of_status(status: pb.Status, key: str | None = None) -> PenstockError:
    """What an entry of a batch, or a result, carries."""
    code = _BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    reason, retry_after = _details_of(status)
    text = status.message or f"the gateway answered {code.name}"
    kind = _CLASSES.get(code, PenstockError)
    return kind(text if key is None else f"{key}: {text}", code=code, reason=reason, key=key, retry_after=retry_after)


def error_of_call(error: grpc.RpcError, key: str | None = None) -> PenstockError:
    """How a call ended that did not end well."""
    code = error.code()
    status = pb.Status(code=code.value[0], message=error.details() or "")
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            try:
                status.details.extend(pb.Status.FromString(value).details)
            except Exception:  # the runtimes raise different ones; what cannot be read is no detail
                break
    told = error_of_status(status, key)
    told.__cause__ = error
    return told


def broken_protocol(what: str) -> ProtocolError:
    """The gateway did something that it must not do; asking again may help."""
    return ProtocolError(f"the gateway {what}", retryable=True)


def _details_of(status: pb.Status) -> tuple[str | None, float | None]:
    reason: str | None = None
    retry_after: float | None = None
    for detail in status.details:
        try:
            if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                reason = pb.ErrorInfo.FromString(detail.value).reason or None
            elif detail.type_url.endswith("/google.rpc.RetryInfo"):
                delay = pb.RetryInfo.FromString(detail.value).retry_delay
                retry_after = max(0.0, delay.seconds + delay.nanos / 1e9)
        except Exception:  # as above
            continue
    return reason, retry_after
