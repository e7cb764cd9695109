"""The keys of one Binance account and the signatures made with them. Values never appear in a repr, a log line or an
exception."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cext.sign import HmacSha256
from engine.secrets import Ed25519Key, load_ed25519, load_secret


@dataclass(slots=True, repr=False)
class Credentials:
    """Either pair may be missing. API keys are not secret to the venue's address line, but are treated as if they were."""
    hmac_key: str = ""
    hmac: HmacSha256 | None = None
    ed25519_key: str = ""
    ed25519: Ed25519Key | None = None

    def __repr__(self) -> str:
        return f"Credentials(hmac={'yes' if self.hmac else 'no'}, ed25519={'yes' if self.ed25519 else 'no'})"

    def has(self, order_auth: str) -> bool:
        """Whether the pair for this way of signing orders is there."""
        return (self.ed25519 if order_auth == "ed25519" else self.hmac) is not None

    def rest_key(self) -> str:
        return self.hmac_key if self.hmac is not None else self.ed25519_key

    def sign_rest(self, payload: str) -> str:
        """Signature of a percent-encoded query: hex (HMAC), or base64 (Ed25519; the client percent-encodes it)."""
        if self.hmac is not None:
            return self.hmac.hex(payload.encode("ascii"))
        if self.ed25519 is not None:
            return self.ed25519.sign_base64(payload)
        raise ValueError("no key to sign with: give hmac_key and hmac_secret, or ed25519_key and ed25519_private")

    def ws_params_hmac(self, timestamp_ms: int, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Parameters of one WS API request with apiKey, timestamp and signature (sorted by name, not percent-encoded)."""
        if self.hmac is None:
            raise ValueError("no HMAC key: give hmac_key and hmac_secret")
        full = {**(params or {}), "apiKey": self.hmac_key, "timestamp": timestamp_ms}
        return {**full, "signature": self.hmac.hex(sorted_payload(full).encode())}

    def ws_params_ed25519(self, timestamp_ms: int, params: dict[str, Any] | None = None) -> dict[str, Any]:
        if self.ed25519 is None:
            raise ValueError("no Ed25519 key: give ed25519_key and ed25519_private")
        full = {**(params or {}), "apiKey": self.ed25519_key, "timestamp": timestamp_ms}
        return {**full, "signature": self.ed25519.sign_base64(sorted_payload(full))}


def sorted_payload(params: dict[str, Any]) -> str:
    """What a WS API signature covers: k=v of all parameters but the signature, sorted by name, joined with &."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")


def load_credentials(references: Mapping[str, Any]) -> Credentials:
    """From file references: hmac_key, hmac_secret, ed25519_key, ed25519_private (config, simex.json). Absent or null = not
    given."""
    made = Credentials()
    if references.get("hmac_key") and references.get("hmac_secret"):
        made.hmac_key = load_secret(references["hmac_key"]).reveal()
        made.hmac = HmacSha256(load_secret(references["hmac_secret"]).reveal().encode())
    if references.get("ed25519_key") and references.get("ed25519_private"):
        made.ed25519_key = load_secret(references["ed25519_key"]).reveal()
        made.ed25519 = load_ed25519(references["ed25519_private"])
    return made
