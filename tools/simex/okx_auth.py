"""OKX: who sent this, and may it: keys, passphrases, time stamps, signatures over the bytes that were received.

REST signs timestamp (ISO, UTC, ms) + METHOD + path with its query + body; the login of a websocket signs its time in seconds +
"GET" + "/users/self/verify"; both base64(HMAC-SHA256), both valid for 30 s.  Source: v5 documentation, REST authentication and
login.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.simex.ledger import Account
from tools.simex.okx_errors import VenueError, request_error

VALID_MS = 30_000
LOGIN_TEXT = b"GET/users/self/verify"
LOGIN_FIELDS = ("apiKey", "passphrase", "timestamp", "sign")
_ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")
_KEY = re.compile(r"^[A-Za-z0-9-]{8,64}$")


@dataclass(slots=True)
class ApiKey:
    key: str
    secret: bytes
    passphrase: str


class Keyring:
    """API keys of all accounts."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[Account, ApiKey]] = {}

    def add(self, account: Account, key: ApiKey) -> None:
        account.keys.append(key)
        self._keys[key.key] = (account, key)

    def make(self, account: Account) -> dict[str, bytes]:
        """A key as a customer would have made it."""
        key = ApiKey(str(uuid.uuid4()), secrets.token_hex(16).upper().encode(), f"Pass.{secrets.token_hex(6)}")
        self.add(account, key)
        return {"hmac_key": key.key.encode(), "hmac_secret": key.secret, "passphrase": key.passphrase.encode()}

    def check_request(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, now_ms: int) -> Account:
        """The account that signed a REST request; VenueError."""
        for name, code in (("key", 50103), ("passphrase", 50104), ("sign", 50106), ("timestamp", 50107)):
            if not headers.get(f"ok-access-{name}"):
                raise request_error(code, f'Request header "OK-ACCESS-{name.upper()}" cannot be empty.', 401)
        stamp = headers["ok-access-timestamp"]
        if abs(now_ms - _iso_ms(stamp)) > VALID_MS:
            raise request_error(50102, "Timestamp request expired", 401)
        if not _KEY.match(headers["ok-access-key"]):
            raise request_error(50111, "Invalid OK-ACCESS-KEY", 401)
        found = self._keys.get(headers["ok-access-key"])
        if found is None:
            raise request_error(50119, "API key doesn't exist", 401)
        account, key = found
        if headers["ok-access-passphrase"] != key.passphrase:
            raise request_error(50105, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.', 401)
        target = f"{path}?{query}" if query else path
        if not _is_signed(key, f"{stamp}{method}{target}".encode() + body, headers["ok-access-sign"]):
            raise request_error(50113, "Invalid Sign", 401)
        return account

    def check_login(self, told: Any, now_ms: int) -> Account:
        """The account of a websocket's login arguments; VenueError."""
        if not isinstance(told, dict) or not all(isinstance(told.get(f), str) for f in LOGIN_FIELDS):
            raise VenueError(60009, "Login failed.")
        if not told["timestamp"].isdigit() or len(told["timestamp"]) > 12:
            raise VenueError(60004, "Invalid timestamp")
        if abs(now_ms - int(told["timestamp"]) * 1000) > VALID_MS:
            raise VenueError(60006, "Timestamp request expired")
        found = self._keys.get(told["apiKey"])
        if found is None:
            raise VenueError(60005, "Invalid apiKey")
        account, key = found
        if told["passphrase"] != key.passphrase:
            raise VenueError(60024, "Wrong passphrase")
        if not _is_signed(key, told["timestamp"].encode() + LOGIN_TEXT, told["sign"]):
            raise VenueError(60007, "Invalid sign")
        return account


def _is_signed(key: ApiKey, payload: bytes, signature: str) -> bool:
    right = base64.b64encode(hmac.digest(key.secret, payload, "sha256"))
    return hmac.compare_digest(right, signature.encode())


def _iso_ms(text: str) -> int:
    try:
        if not _ISO.match(text):
            raise ValueError(text)
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise request_error(50112, "Invalid OK-ACCESS-TIMESTAMP", 401) from None
