"""Binance: who sent this, and may it: API keys, signatures, time stamps.

Signatures are checked over what was received: REST over the raw query and body, WS API over the sorted parameters with each
value as it stood in the frame.  HMAC-SHA256 (hex) and Ed25519 (base64).  Source: binance-spot-api-docs rest-api.md and
web-socket-api.md (2026-07).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tools.simex import binance_errors as errors
from tools.simex.ledger import Account

RECV_WINDOW_DEFAULT_MS = 5000
RECV_WINDOW_MAX_MS = 60000

_KEY = re.compile(r"^[A-Za-z0-9]{1,128}$")


_ALPHABET = string.ascii_letters + string.digits


@dataclass(slots=True)
class ApiKey:
    """One key of an account; `kind` is hmac or ed25519, `secret` the HMAC secret or the Ed25519 public key object."""

    key: str
    kind: str
    secret: Any


class Keyring:
    """API keys of all accounts."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[Account, ApiKey]] = {}

    def add(self, account: Account, key: ApiKey) -> None:
        account.keys.append(key)
        self._keys[key.key] = (account, key)

    def find(self, key: Any) -> tuple[Account, ApiKey]:
        """The account of a key; VenueError as the venue words it otherwise."""
        if not isinstance(key, str) or not _KEY.match(key):
            raise errors.bad_key_format()
        found = self._keys.get(key)
        if found is None:
            raise errors.bad_key()
        return found


def make_keys(account: Account, keyring: Keyring, kinds: tuple[str, ...]) -> dict[str, bytes]:
    """An HMAC key with its secret, an Ed25519 key (PKCS#8 PEM), or both, as a customer would have made at the venue."""
    made: dict[str, bytes] = {}
    if "hmac" in kinds:
        hmac_key, hmac_secret = _random_text(), _random_text()
        keyring.add(account, ApiKey(hmac_key, "hmac", hmac_secret.encode()))
        made |= {"hmac_key": hmac_key.encode(), "hmac_secret": hmac_secret.encode()}
    if "ed25519" in kinds:
        ed25519_key, private = _random_text(), Ed25519PrivateKey.generate()
        keyring.add(account, ApiKey(ed25519_key, "ed25519", private.public_key()))
        pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        made |= {"ed25519_key": ed25519_key.encode(), "ed25519_private": pem}
    return made


def _random_text() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(64))


def check_signature(key: ApiKey, payload: bytes, signature: str) -> None:
    """VenueError -1022 unless `signature` is the key's over exactly these bytes."""
    if key.kind == "hmac":
        if not hmac.compare_digest(hmac.digest(key.secret, payload, "sha256").hex(), signature.lower()):
            raise errors.bad_signature()
        return
    public: Ed25519PublicKey = key.secret
    try:
        public.verify(base64.b64decode(signature, validate=True), payload)
    except (InvalidSignature, binascii.Error, ValueError):
        raise errors.bad_signature() from None


def check_rest_signature(key: ApiKey, query: str, body: str) -> None:
    """Query and body joined by nothing, the `signature` parameter taken out, everything else untouched."""
    signature = None
    kept: list[str] = []
    for part in (query, body):
        pairs = []
        for pair in part.split("&") if part else []:
            if pair.startswith("signature="):
                signature = unquote(pair[len("signature=") :])
            else:
                pairs.append(pair)
        kept.append("&".join(pairs))
    if not signature:
        raise errors.mandatory("signature")
    check_signature(key, "".join(kept).encode(), signature)


_RAW_VALUE = re.compile(rb'"([A-Za-z0-9_]+)"\s*:\s*("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false)')


def params_text(params: dict[str, Any], frame: bytes) -> dict[str, str]:
    """Parameter values as the text that was sent: a JSON number keeps its digits (`0.10` is not `0.1`)."""
    texts: dict[str, str] = {}
    raw: dict[str, str] | None = None
    for name, value in params.items():
        if isinstance(value, str):
            texts[name] = value
        elif isinstance(value, bool):
            texts[name] = "true" if value else "false"
        elif isinstance(value, int):
            texts[name] = str(value)
        elif isinstance(value, float):
            if raw is None:
                raw = {m.group(1).decode(): m.group(2).decode() for m in _RAW_VALUE.finditer(frame)}
            texts[name] = raw.get(name, repr(value))
        elif value is None:
            continue
        else:
            raise errors.VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return texts


def check_ws_signature(key: ApiKey, params: dict[str, str]) -> None:
    """All parameters but `signature`, sorted by name, joined `k=v` with `&`, not percent-encoded."""
    signature = params.get("signature")
    if not signature:
        raise errors.mandatory("signature")
    payload = "&".join([f"{name}={params[name]}" for name in sorted(params) if name != "signature"])
    check_signature(key, payload.encode(), signature)


def check_time(params: dict[str, str], now_us: int) -> None:
    """timestamp < server + 1000 ms and server - timestamp <= recvWindow, else -1021."""
    text = params.get("timestamp")
    if not text or not text.isdigit():
        raise errors.mandatory("timestamp")
    stamp = int(text)
    stamp_us = stamp if len(text) >= 16 else stamp * 1000
    window_ms = float(RECV_WINDOW_DEFAULT_MS)
    if "recvWindow" in params:
        try:
            window_ms = float(params["recvWindow"])
        except ValueError:
            raise errors.illegal("recvWindow", "^[0-9]{1,20}(\\.[0-9]{1,3})?$") from None
        if not 0 < window_ms <= RECV_WINDOW_MAX_MS:
            raise errors.VenueError(-1131, "recvWindow must be less than 60000")
    if stamp_us >= now_us + 1_000_000:
        raise errors.timestamp_ahead()
    if now_us // 1000 - stamp_us / 1000 > window_ms:
        raise errors.timestamp_outside()
