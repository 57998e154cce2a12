"""Bearer tokens, minted from the secret key, so that the secret never leaves the process.

``penstock1.ACCESS_KEY_ID.EXPIRY.SIGNATURE``: the expiry in whole seconds since the Unix epoch; the signature is
base64url without padding (RFC 4648, section 5) of HMAC-SHA256 (RFC 2104) with the secret key over everything before the
last dot.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable

from ._limits import TOKEN_LIFE_S

_EXPIRY_MAX_S = 999_999_999_999


def mint_token(access_key: str, secret_key: str, expires_s: float) -> str:
    """Returns a token that is good until ``expires_s``, in seconds since the Unix epoch, rounded down.

    Raises ValueError for an expiry that is no positive number of seconds of at most twelve digits.
    """
    if not 1 <= expires_s < _EXPIRY_MAX_S + 1:
        raise ValueError(f"expires_s is {expires_s}; expected seconds since the Unix epoch")
    signed = f"penstock1.{access_key}.{int(expires_s)}"
    digest = hmac.new(secret_key.encode("ascii"), signed.encode("ascii"), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


class TokenSource:
    """Gives a token that is good for a while yet: each is used for half of its life, since clocks differ."""

    def __init__(self, access_key: str, secret_key: str, now: Callable[[], float]) -> None:
        """``now`` gives seconds since the Unix epoch."""
        self._key = access_key, secret_key
        self._now = now
        self._lock = threading.Lock()
        self._token = ""
        self._made_s = float("-inf")

    def fresh(self) -> str:
        """The token to send now."""
        with self._lock:
            now = self._now()
            # A clock that was set back makes a new one, too.
            if not 0 <= now - self._made_s < TOKEN_LIFE_S / 2:
                self._token = mint_token(*self._key, now + TOKEN_LIFE_S)
                self._made_s = now
            return self._token

    def after_fork(self) -> None:
        """In a new process, where the lock may be held by a thread that is not there."""
        self._lock = threading.Lock()
