"""Bybit: keys of the simulated accounts, signatures and times.

REST: hex HMAC-SHA256 of timestamp + key + recv window + (raw query | raw body).  Sockets: of "GET/realtime" + expires.
Everything is checked over the bytes as they came.  Source: v5 docs guide.mdx, websocket/wss-authentication.
"""

from __future__ import annotations

import hmac
import secrets
import string
from collections.abc import Mapping
from typing import Any

from tools.simex.bybit_errors import VenueError, bad_key, bad_params, bad_sign, outside_window
from tools.simex.ledger import Account

RECV_WINDOW_MS = 5000
AHEAD_MS = 1000  # a timestamp may lie so far ahead of the venue's clock, less one
_LETTERS = string.ascii_letters + string.digits


class Keyring:
    """API keys of all accounts."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[Account, bytes]] = {}

    def add(self, account: Account, key: str, secret: bytes) -> None:
        self._keys[key] = (account, secret)

    def find(self, key: str) -> tuple[Account, bytes]:
        """(account, secret); VenueError 10003."""
        found = self._keys.get(key)
        if found is None:
            raise bad_key()
        return found

    def make(self, account: Account) -> dict[str, bytes]:
        """A new key of an account, as hmac_key and hmac_secret."""
        key = "".join(secrets.choice(_LETTERS) for _ in range(18))
        secret = "".join(secrets.choice(_LETTERS) for _ in range(36)).encode()
        self.add(account, key, secret)
        return {"hmac_key": key.encode(), "hmac_secret": secret}

    def check_rest(self, headers: Mapping[str, str], payload: bytes, now_ms: int) -> tuple[Account, str]:
        """Whose request it is, and with which key; `payload`: raw query of a GET, raw body of a POST.  VenueError 10001 to
        10004."""
        key, stamp, sign = (headers.get(f"x-bapi-{name}", "") for name in ("api-key", "timestamp", "sign"))
        window = headers.get("x-bapi-recv-window", "")
        if not key or not stamp or not sign:
            raise VenueError(
                10001, f"empty value: apiTimestamp[{stamp}] apiKey[{key}] apiSignature[{sign}]: openapi sign params error!"
            )
        account, secret = self.find(key)
        check_window(stamp, window, now_ms)
        text = f"{stamp}{key}{window}".encode() + payload
        if not _is_signed(sign, secret, text):
            raise bad_sign(text.decode("utf-8", "replace"))
        return account, key

    def check_logon(self, args: Any, now_ms: int) -> Account:
        """`args` of a socket's auth request: key, expires (ms, number or text), signature.  VenueError 10001, 10003, 10004."""
        if not isinstance(args, list) or len(args) != 3 or not isinstance(args[0], str) or not isinstance(args[2], str):
            raise bad_params("auth wants api key, expires and signature")
        key, expires, sign = args
        if isinstance(expires, bool) or not str(expires).isdigit():
            raise bad_params("expires is no time in milliseconds")
        account, secret = self.find(key)
        text = f"GET/realtime{expires}"
        if not _is_signed(sign, secret, text.encode()):
            raise bad_sign(text)
        if int(expires) <= now_ms:
            raise bad_params(f"request expired: expires {expires}, server time {now_ms}")
        return account


def _is_signed(sign: str, secret: bytes, text: bytes) -> bool:
    return hmac.compare_digest(sign.encode(), hmac.digest(secret, text, "sha256").hex().encode())


def check_window(stamp: str, window: str, now_ms: int) -> None:
    """server - recv window <= timestamp < server + 1000; VenueError 10002, 10001 when they are no numbers."""
    if not stamp.isdigit() or (window and not window.isdigit()):
        raise bad_params("timestamp or recv_window is no number of milliseconds")
    if not now_ms - int(window or RECV_WINDOW_MS) <= int(stamp) < now_ms + AHEAD_MS:
        raise outside_window(stamp, now_ms, window or str(RECV_WINDOW_MS))
