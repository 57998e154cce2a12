"""The channels to one gateway, and what every call on them carries: a bearer token and the deadline.

Promises: channels are made when the first call is, in the process that makes it; a process that was forked makes its
own and never touches those that it inherited, not even to close them; a call goes to the channel with the fewest calls
under way.

Hardest decision: what to do with inherited channels. Closing them in the child would join threads that are not there
and write to sockets that the parent uses, so they are kept, unreachable, until the child ends. gRPC itself must be told
that processes fork, by environment variables that it reads when it is first imported: see ``_fork.py``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from . import _fork
from . import _messages as pb
from ._limits import MESSAGE_BYTES_MAX, WINDOW_BYTES
from ._options import Endpoint, Options, channel_count, endpoint_of, key_of
from ._pacing import Clock, Pacing
from ._token import TokenSource
from ._version import __version__
from .errors import InvalidArgumentError, PenstockError

_CHANNEL_OPTIONS: dict[str, int | str] = {
    # Channels to one address would share a connection, and so a core.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.http2.lookahead_bytes": WINDOW_BYTES,
    # The window is large already; the probe costs a ping for every burst.
    "grpc.http2.bdp_probe": 0,
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    # What is sent again is decided here.
    "grpc.enable_retries": 0,
    # A gateway that starts again is found soon.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 20_000,
    "grpc.http2.max_pings_without_data": 0,
    "grpc.primary_user_agent": f"penstock-client-python/{__version__}",
    # The thread that asks reads, instead of one of its own for each call.
    "SingleThreadedUnaryStream": 1,
}
_OBJECTS = "/penstock.v1.Objects/"
_BATCHES = "/penstock.v1.Batches/"


class Lane:
    """One channel, and the methods of the services on it."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        #: Calls that take their time on this channel.
        self.load = 0
        #: Streams under way: a process that was forked must not destroy them, since that would reset them on the
        #: parent's socket.
        self.streams: set[Any] = set()
        self.head = channel.unary_unary(f"{_OBJECTS}Head", pb.HeadRequest.SerializeToString, pb.ObjectInfo.FromString)
        self.check = channel.unary_unary("/grpc.health.v1.Health/Check")
        self.get = channel.unary_stream(f"{_OBJECTS}Get", pb.GetRequest.SerializeToString, pb.GetChunk.FromString)
        self.put = channel.stream_unary(f"{_OBJECTS}Put", pb.PutChunk.SerializeToString, pb.ObjectInfo.FromString)
        self.delete = channel.unary_unary(
            f"{_OBJECTS}Delete", pb.DeleteRequest.SerializeToString, pb.DeleteResponse.FromString
        )
        self.list = channel.unary_stream(f"{_OBJECTS}List", pb.ListRequest.SerializeToString, pb.ListPage.FromString)
        self.get_batch = channel.unary_stream(
            f"{_BATCHES}GetBatch", pb.GetBatchRequest.SerializeToString, pb.BatchFrame.FromString
        )
        self.put_batch = channel.stream_stream(
            f"{_BATCHES}PutBatch", pb.PutFrame.SerializeToString, pb.PutResult.FromString
        )


class Connection:
    """Safe to use from several threads, and in processes that were forked."""

    def __init__(self, options: Options) -> None:
        """Opens nothing. Raises ValueError for options that cannot be."""
        self.bucket = options.bucket
        self.clock: Clock = options.clock
        self.timeout_s = options.timeout
        self.channels = channel_count(options.channels)
        self._endpoint = endpoint_of(options)
        key = key_of(options)
        self._tokens = None if key is None else TokenSource(*key, options.clock.wall)
        self._channel_options = dict(options.channel_options)
        self._lock = threading.Lock()
        self._lanes: list[Lane] | None = None
        self._closed = False
        _fork.watch(self)

    @property
    def target(self) -> str:
        """``HOST:PORT``."""
        return self._endpoint.host_and_port

    def bucket_of(self, bucket: str | None) -> str:
        """The bucket of a call. Raises InvalidArgumentError when neither it nor the client names one."""
        named = bucket if bucket is not None else self.bucket
        if not named:
            raise InvalidArgumentError("no bucket was named, neither in the call nor in the client")
        return named

    def pacing(self, timeout: float | None) -> Pacing:
        """The attempts of a call that may take ``timeout`` seconds."""
        return Pacing(self.clock, timeout, self.reach)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return () if self._tokens is None else (("authorization", f"Bearer {self._tokens.fresh()}"),)

    @contextmanager
    def lane(self) -> Iterator[Lane]:
        """The channel with the fewest calls, for one call.

        Raises PenstockError (CANCELLED) when the client was closed.
        """
        lane = self._take_lane()
        pid = os.getpid()
        try:
            yield lane
        finally:
            if os.getpid() == pid:
                lane.load -= 1

    @contextmanager
    def stream(self, method: str, request: Any, timeout_s: float | None) -> Iterator[Any]:
        """A call that answers with a stream:

        an iterator of messages, cancelled at the end of the block if it has not ended.
        """
        with self.lane() as lane:
            pid = os.getpid()
            with _fork.GATE:
                call = getattr(lane, method)(request, timeout=timeout_s, metadata=self.metadata())
            lane.streams.add(call)
            try:
                yield call
            finally:
                if os.getpid() == pid:
                    lane.streams.discard(call)
                    if not call.done():
                        with _fork.GATE:
                            call.cancel()

    def reach(self, wait_s: float) -> bool:
        """Waits so many seconds for a connection, where the next call would go. Says whether there is one."""
        with self.lane() as lane, _fork.GATE:
            try:
                lane.check(b"", timeout=wait_s, wait_for_ready=True)
            except grpc.RpcError as error:
                return bool(error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED)
        return True

    def _take_lane(self) -> Lane:
        with self._lock:
            if self._closed:
                raise PenstockError("the client was closed", code=grpc.StatusCode.CANCELLED, retryable=False)
            if self._lanes is None:
                with _fork.GATE:
                    self._lanes = [
                        Lane(_open_channel(self._endpoint, self._channel_options)) for _ in range(self.channels)
                    ]
            lane = min(self._lanes, key=lambda one: one.load)
            lane.load += 1
            return lane

    def close(self) -> None:
        """Calls under way end with CANCELLED. Idempotent."""
        with self._lock:
            self._closed = True
            lanes, self._lanes = self._lanes or [], None
        for lane in lanes:
            lane.channel.close()

    def forget_inherited(self) -> None:
        """In a process that was forked: the channels, and locks that other threads may have held, are the parent's."""
        _fork.keep_for_ever(self._lanes)
        self._lanes = None
        self._lock = threading.Lock()
        if self._tokens is not None:
            self._tokens.after_fork()


def _open_channel(endpoint: Endpoint, given: dict[str, Any]) -> grpc.Channel:
    options = {**_CHANNEL_OPTIONS, **({"grpc.enable_http_proxy": 0} if endpoint.is_loopback else {}), **given}
    if endpoint.tls is None:
        return grpc.insecure_channel(endpoint.host_and_port, list(options.items()))
    credentials = grpc.ssl_channel_credentials(endpoint.tls or None)
    return grpc.secure_channel(endpoint.host_and_port, credentials, list(options.items()))
