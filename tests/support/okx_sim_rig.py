"""A simulated OKX in the hand, with a key that the test knows; signs as the venue's documents say, by itself."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from typing import Any

import orjson

from tests.support.simex_rig import Reply, VenuesRig, Wire
from tools.simex import okx
from tools.simex.contract import SimVenue
from tools.simex.okx_auth import ApiKey
from tools.simex.okx_dialect import OkxDialect

KEY, SECRET, PASSPHRASE = "4b5f2e7a-0000-4000-8000-000000000001", b"22582BD0CFF14C41EDBF1AB98506286D", "Pass.phrase"
PUBLIC, PRIVATE = "/ws/v5/public", "/ws/v5/private"


def sign(text: bytes, secret: bytes = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret, text, "sha256")).decode()


class Socket:
    """One websocket; `ask` returns what came in answer."""

    def __init__(self, rig: OkxRig, path: str) -> None:
        self.rig = rig
        self.wire: Wire = rig.connect("ws", path)
        self._next_id = 0

    @property
    def frames(self) -> list[Any]:
        return self.wire.frames

    def send(self, request: Any) -> list[Any]:
        """As bytes or as JSON; the frames that it caused at once."""
        assert self.wire.session is not None
        before = len(self.wire.frames)
        text = request if isinstance(request, bytes) else orjson.dumps(request)
        self.wire.session.on_text(text, self.rig.clock.mono_ns())
        return self.wire.frames[before:]

    def subscribe(self, *args: dict[str, Any], op: str = "subscribe") -> list[Any]:
        self._next_id += 1
        return self.send({"id": str(self._next_id), "op": op, "args": list(args)})

    def login(self, **changes: Any) -> list[Any]:
        stamp = str(self.rig.clock.wall_ms() // 1000)
        told = {
            "apiKey": KEY,
            "passphrase": PASSPHRASE,
            "timestamp": stamp,
            "sign": sign(f"{stamp}GET/users/self/verify".encode()),
        }
        return self.send({"op": "login", "args": [told | changes]})

    def trade(self, op: str, *args: dict[str, Any], **beside: Any) -> tuple[Any, list[Any]]:
        """(answer, frames that followed it)."""
        self._next_id += 1
        frames = self.send({"id": str(self._next_id), "op": op, "args": list(args), **beside})
        place = next((n for n, f in enumerate(frames) if f.get("id") == str(self._next_id)), None)
        if place is None:
            return None, frames
        assert place == 0, "the answer leaves before the events"
        return frames[0], frames[1:]


class OkxRig(VenuesRig):
    def __init__(self, sim: SimVenue = okx.SIM, **options: Any) -> None:
        super().__init__(sim, **options)
        dialect = self.venue.dialect
        assert isinstance(dialect, OkxDialect)
        self.dialect = dialect
        dialect.keyring.add(self.account, ApiKey(KEY, SECRET, PASSPHRASE))

    def public(self) -> Socket:
        return Socket(self, PUBLIC)

    def private(self, *channels: dict[str, Any]) -> Socket:
        """Logged in, with these channels."""
        socket = Socket(self, PRIVATE)
        assert socket.login()[0]["event"] == "login"
        if channels:
            socket.subscribe(*channels)
        return socket

    def code(self, symbol: str) -> int:
        return int(self.dialect.by_id[symbol].venue_code)

    def stamp(self) -> str:
        now = datetime.fromtimestamp(self.clock.wall_ms() / 1000, UTC)
        return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"

    def headers(self, method: str, target: str, body: bytes = b"", **changes: str) -> dict[str, str]:
        stamp = changes.get("ok-access-timestamp", self.stamp())
        return {
            "ok-access-key": KEY,
            "ok-access-passphrase": PASSPHRASE,
            "ok-access-timestamp": stamp,
            "ok-access-sign": sign(f"{stamp}{method}{target}".encode() + body),
            "content-type": "application/json",
        } | changes

    def call(self, method: str, target: str, body: Any = None, **changes: str) -> tuple[int, Any]:
        """A signed request; (status, parsed body)."""
        content = b"" if body is None else orjson.dumps(body)
        reply = self.http("rest", method, target, content, self.headers(method, target, content, **changes))
        assert isinstance(reply, Reply), "no answer"
        return reply.status, orjson.loads(reply.body)

    def get(self, target: str) -> Any:
        """The rows of a signed query that has to succeed."""
        status, told = self.call("GET", target)
        assert (status, told["code"], told["msg"]) == (200, "0", ""), told
        return told["data"]

    def read(self, target: str) -> Any:
        """A public one."""
        reply = self.http("rest", "GET", target)
        assert reply is not None
        return orjson.loads(reply.body)
