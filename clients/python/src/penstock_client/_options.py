"""Where the gateway is and who asks: from arguments, else from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ._limits import CHANNELS_AUTO_MAX, CHANNELS_MAX, TIMEOUT_S
from ._pacing import Clock

DEFAULT_TARGET = "127.0.0.1:9002"
_TARGET = re.compile(r"(?:(https?)://)?((?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5})/?")
_ACCESS_KEY = re.compile(r"[A-Za-z0-9._-]{3,128}")
_SECRET_KEY = re.compile(r"[\x21-\x7e]{8,256}")


@dataclass(frozen=True)
class Options:
    """What a client was made with;

    it makes the same one in another process. Credentials of the environment are not in it.
    """

    target: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    bucket: str | None = None
    secure: bool | None = None
    ca_certificate: str | bytes | None = field(default=None, repr=False)
    channels: int | Literal["auto"] = 1
    timeout: float | None = TIMEOUT_S
    channel_options: tuple[tuple[str, int | str], ...] = ()
    clock: Clock = field(default=Clock(), repr=False)


@dataclass(frozen=True)
class Endpoint:
    """An address and how to connect to it."""

    host_and_port: str
    #: PEM certificates to trust; None: plaintext; empty: those of the system.
    tls: bytes | None

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine: no proxy leads there."""
        return self.host_and_port.rsplit(":", 1)[0] in ("127.0.0.1", "localhost", "[::1]")


def endpoint_of(options: Options, env: Mapping[str, str] = os.environ) -> Endpoint:
    """Raises ValueError for an address that cannot be."""
    text = options.target or env.get("PENSTOCK_GRPC_ENDPOINT") or DEFAULT_TARGET
    match = _TARGET.fullmatch(text)
    if match is None:
        raise ValueError(f'target is "{text}"; write it as HOST:PORT, such as {DEFAULT_TARGET} or [::1]:9002')
    scheme, host_and_port = match.groups()
    secure = options.secure if options.secure is not None else (scheme == "https" or options.ca_certificate is not None)
    if not secure:
        if options.ca_certificate is not None:
            raise ValueError("ca_certificate was given with secure=False; leave one of them out")
        return Endpoint(host_and_port, None)
    return Endpoint(host_and_port, _certificate_of(options.ca_certificate))


def _certificate_of(given: str | bytes | None) -> bytes:
    if given is None:
        return b""
    if isinstance(given, bytes):
        return given
    return given.encode() if "-----BEGIN" in given else Path(given).read_bytes()


def key_of(options: Options, env: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """Access key id and secret key; None when there is neither. Raises ValueError for half of a credential."""
    access_key = options.access_key or env.get("PENSTOCK_ACCESS_KEY")
    secret_key = options.secret_key or env.get("PENSTOCK_SECRET_KEY")
    if not access_key and not secret_key:
        return None
    if not access_key or _ACCESS_KEY.fullmatch(access_key) is None:
        raise ValueError("access_key (or PENSTOCK_ACCESS_KEY) must be 3 to 128 letters, digits, '.', '_' or '-'")
    if not secret_key or _SECRET_KEY.fullmatch(secret_key) is None:
        raise ValueError("secret_key (or PENSTOCK_SECRET_KEY) must be 8 to 256 printable ASCII characters")
    return access_key, secret_key


def channel_count(channels: int | str) -> int:
    """Connections to open. Raises ValueError."""
    if channels == "auto":
        return max(1, min(CHANNELS_AUTO_MAX, (os.cpu_count() or 2) // 2))
    if not isinstance(channels, int) or not 1 <= channels <= CHANNELS_MAX:
        raise ValueError(f'channels is {channels!r}; expected 1 to {CHANNELS_MAX}, or "auto"')
    return channels
