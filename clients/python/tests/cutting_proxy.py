"""Stands between a client and a gateway and cuts connections after so many bytes of answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class CuttingProxy:
    def __init__(self, target: str, bytes_before_cut: Callable[[], int]) -> None:
        """``bytes_before_cut`` is asked once for each connection."""
        host, port = target.rsplit(":", 1)
        self._address = host, int(port)
        self._next = bytes_before_cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.cuts = 0
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._listener.close()
        for one in list(self._open):
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._address)
                self._open |= {near, far}
                threading.Thread(target=self._pump, args=(near, far, None), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, self._next()), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, budget: int | None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if budget is not None and len(data) > budget:
                    sink.sendall(data[:budget])
                    self.cuts += 1
                    break
                if budget is not None:
                    budget -= len(data)
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
