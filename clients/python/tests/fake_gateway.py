"""A gateway in this process that does what a test tells it, also what no gateway should."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from penstock_client import _messages as pb

Handler = Callable[[Any, Any], Any]


class FakeGateway:
    """Handlers by method name; each takes (request or requests, context). Requests of GetBatch are kept."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(16))
        self._server.add_generic_rpc_handlers((_Service(self),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def on(self, method: str, *handlers: Handler) -> None:
        """The first call gets the first handler, and so on; the last one stays."""
        left = list(handlers)

        def handle(request: Any, context: Any) -> Any:
            with self._lock:
                handler = left.pop(0) if len(left) > 1 else left[0]
            return handler(request, context)

        self.handlers[method] = handle

    def saw(self, request: Any, context: Any) -> None:
        with self._lock:
            self.requests.append(request)
            self.metadata.append(dict(context.invocation_metadata()))

    def stop(self) -> None:
        self._server.stop(None).wait()


_METHODS = {
    "/penstock.v1.Objects/Head": (grpc.unary_unary_rpc_method_handler, pb.HeadRequest, pb.ObjectInfo),
    "/penstock.v1.Objects/Get": (grpc.unary_stream_rpc_method_handler, pb.GetRequest, pb.GetChunk),
    "/penstock.v1.Objects/Put": (grpc.stream_unary_rpc_method_handler, pb.PutChunk, pb.ObjectInfo),
    "/penstock.v1.Objects/Delete": (grpc.unary_unary_rpc_method_handler, pb.DeleteRequest, pb.DeleteResponse),
    "/penstock.v1.Objects/List": (grpc.unary_stream_rpc_method_handler, pb.ListRequest, pb.ListPage),
    "/penstock.v1.Batches/GetBatch": (grpc.unary_stream_rpc_method_handler, pb.GetBatchRequest, pb.BatchFrame),
    "/penstock.v1.Batches/PutBatch": (grpc.stream_stream_rpc_method_handler, pb.PutFrame, pb.PutResult),
}


class _Service(grpc.GenericRpcHandler):
    def __init__(self, fake: FakeGateway) -> None:
        self._fake = fake

    def service(self, details: Any) -> Any:
        make, request, answer = _METHODS[details.method]
        fake, name = self._fake, details.method.rsplit("/", 1)[1]
        streams_in = name in ("Put", "PutBatch")
        streams_out = name in ("Get", "List", "GetBatch", "PutBatch")

        def handle_stream(given: Any, context: Any) -> Iterator[Any]:
            if not streams_in:
                fake.saw(given, context)
            yield from fake.handlers[name](given, context)

        def handle_one(given: Any, context: Any) -> Any:
            if not streams_in:
                fake.saw(given, context)
            return fake.handlers[name](given, context)

        return make(handle_stream if streams_out else handle_one, request.FromString, answer.SerializeToString)


def status(code: grpc.StatusCode, message: str = "", reason: str = "", retry_s: float | None = None) -> Any:
    made = pb.Status(code=code.value[0], message=message)
    if reason:
        info = pb.ErrorInfo(reason=reason, domain="penstock").SerializeToString()
        made.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info)
    if retry_s is not None:
        retry = pb.RetryInfo()
        retry.retry_delay.seconds = int(retry_s)
        retry.retry_delay.nanos = int(retry_s % 1 * 1e9)
        made.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo", value=retry.SerializeToString())
    return made


def abort(code: grpc.StatusCode, message: str = "", reason: str = "", retry_s: float | None = None) -> Handler:
    """Ends the call with this status."""

    def handle(_request: Any, context: Any) -> Any:
        return abort_now(context, code, message, reason, retry_s)

    return handle


def abort_now(
    context: Any, code: grpc.StatusCode, message: str = "", reason: str = "", retry_s: float | None = None
) -> Any:
    details = status(code, message, reason, retry_s).SerializeToString()
    context.set_trailing_metadata((("grpc-status-details-bin", details),))
    context.abort(code, message)


def entry(slot: int, data: bytes, **more: Any) -> Any:
    made = {"length": len(data), "object_size": len(data), "crc32": zlib.crc32(data), "etag": "e", **more}
    return pb.Entry(slot=slot, **made)


def failed(slot: int, error: Any) -> Any:
    return pb.Entry(slot=slot, error=error)


def frame(*parts: tuple[Any, bytes], end: Any = None) -> Any:
    """Entries with their bytes."""
    return pb.BatchFrame(entries=[one for one, _ in parts], payload=b"".join(data for _, data in parts), end=end)


def end(**counts: Any) -> Any:
    return pb.BatchEnd(**counts)


def keys_of(request: Any) -> list[str]:
    return list(request.keys) or [ref.key for ref in request.refs]


def serving(objects: dict[str, bytes]) -> Handler:
    """Answers GetBatch as a good gateway does, one object a frame."""

    def handle(request: Any, _context: Any) -> Iterator[Any]:
        for slot, key in enumerate(keys_of(request)):
            if key in objects:
                yield frame((entry(slot, objects[key]), objects[key]))
            else:
                yield frame((failed(slot, status(grpc.StatusCode.NOT_FOUND, "no such key", "NoSuchKey")), b""))
        yield frame(end=end())

    return handle
