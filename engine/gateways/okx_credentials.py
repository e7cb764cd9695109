"""The key of one OKX account and the signatures made with it. Values never appear in a repr, a log line or an exception."""
from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from cext.sign import HmacSha256
from engine.secrets import load_secret


@dataclass(slots=True, repr=False)
class Credentials:
    """Key, secret and the passphrase that was chosen with them: HMAC-SHA256, base64. A key works on its own site only, and in one
    environment (demo, live)."""
    hmac_key: str = ""
    hmac: HmacSha256 | None = None
    passphrase: str = ""

    def __repr__(self) -> str:
        return f"Credentials(hmac={'yes' if self.hmac else 'no'}, passphrase={'yes' if self.passphrase else 'no'})"

    def has(self, order_auth: str) -> bool:
        """Whether everything that this way of signing orders needs is there."""
        return order_auth == "hmac" and self.hmac is not None and bool(self.passphrase)

    def sign(self, text: str) -> str:
        """Base64 of the HMAC of a text. ValueError without a key."""
        if self.hmac is None:
            raise ValueError("no key to sign with: give hmac_key, hmac_secret and passphrase")
        return base64.b64encode(self.hmac.digest(text.encode())).decode("ascii")

    def login_args(self, timestamp_s: int) -> dict[str, str]:
        """The one member of `args` of a socket's login; its time is in seconds and holds for 30 of them."""
        return {"apiKey": self.hmac_key, "passphrase": self.passphrase, "timestamp": str(timestamp_s),
                "sign": self.sign(f"{timestamp_s}GET/users/self/verify")}


def load_credentials(references: Mapping[str, object]) -> Credentials:
    """From file references: hmac_key, hmac_secret, passphrase (config, simex.json). Absent or null = not given."""
    made = Credentials()
    if references.get("hmac_key") and references.get("hmac_secret"):
        made.hmac_key = load_secret(references["hmac_key"]).reveal()
        made.hmac = HmacSha256(load_secret(references["hmac_secret"]).reveal().encode())
    if references.get("passphrase"):
        made.passphrase = load_secret(references["passphrase"]).reveal()
    return made
