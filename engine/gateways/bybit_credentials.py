"""The key of one Bybit account and the signatures made with it. Values never appear in a repr, a log line or an exception."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cext.sign import HmacSha256
from engine.secrets import load_secret


@dataclass(slots=True, repr=False)
class Credentials:
    """A system-generated key: HMAC-SHA256, lower-case hex. (Bybit's RSA keys are not used.)"""
    hmac_key: str = ""
    hmac: HmacSha256 | None = None

    def __repr__(self) -> str:
        return f"Credentials(hmac={'yes' if self.hmac else 'no'})"

    def has(self, order_auth: str) -> bool:
        """Whether the pair for this way of signing orders is there."""
        return order_auth == "hmac" and self.hmac is not None

    def sign(self, text: str) -> str:
        """Hex of the HMAC of a text. ValueError without a key."""
        if self.hmac is None:
            raise ValueError("no key to sign with: give hmac_key and hmac_secret")
        return self.hmac.hex(text.encode())

    def logon_args(self, expires_ms: int) -> list[Any]:
        """`args` of the private and order sockets' auth request."""
        return [self.hmac_key, expires_ms, self.sign(f"GET/realtime{expires_ms}")]


def load_credentials(references: Mapping[str, Any]) -> Credentials:
    """From file references: hmac_key, hmac_secret (config, simex.json). Absent or null = not given."""
    made = Credentials()
    if references.get("hmac_key") and references.get("hmac_secret"):
        made.hmac_key = load_secret(references["hmac_key"]).reveal()
        made.hmac = HmacSha256(load_secret(references["hmac_secret"]).reveal().encode())
    return made
