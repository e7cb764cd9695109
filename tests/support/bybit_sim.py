"""The simulated Bybit in the hand: a rig whose client signs and speaks by the venue's documents, with nothing of ours in
between."""

from __future__ import annotations

import hmac
import json
from typing import Any

import orjson

from tests.support.simex_rig import Reply, VenuesRig, Wire
from tools.simex import bybit
from tools.simex.bybit_dialect import BybitDialect

KEY, SECRET = "XXXXXXXXXX", "Y" * 36


def sign(text: str) -> str:
    return hmac.digest(SECRET.encode(), text.encode(), "sha256").hex()


class BybitRig(VenuesRig):
    """One account whose key the test knows."""

    def __init__(self, **options: Any) -> None:
        super().__init__(bybit.SIM, **options)
        dialect = self.venue.dialect
        assert isinstance(dialect, BybitDialect)
        self.dialect = dialect
        dialect.keyring.add(self.account, KEY, SECRET.encode())
        self._request = 0

    # ---- REST ------------------------------------------------------------------------------------

    def signed(self, payload: str, stamp: int | None = None, window: str = "5000") -> dict[str, str]:
        stamp = self.clock.wall_ms() if stamp is None else stamp
        return {
            "x-bapi-api-key": KEY,
            "x-bapi-timestamp": str(stamp),
            "x-bapi-recv-window": window,
            "x-bapi-sign": sign(f"{stamp}{KEY}{window}{payload}"),
        }

    def raw(self, method: str, path: str, payload: str = "", headers: dict[str, str] | None = None) -> Reply:
        """A request as it stands; AssertionError when no answer came."""
        if method == "GET":
            reply = self.http("rest", "GET", f"/v5/{path}" + (f"?{payload}" if payload else ""), b"", headers)
        else:
            reply = self.http("rest", "POST", f"/v5/{path}", payload.encode(), headers)
        assert reply is not None, f"{method} {path}: no answer"
        return reply

    def get(self, path: str, is_public: bool = False, **params: Any) -> dict[str, Any]:
        payload = "&".join(f"{key}={value}" for key, value in params.items())
        return orjson.loads(self.raw("GET", path, payload, {} if is_public else self.signed(payload)).body)

    def post(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        payload = json.dumps(params)
        return orjson.loads(self.raw("POST", path, payload, self.signed(payload)).body)

    def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = self.get(path, **params)
        assert answer["retCode"] == 0, answer
        return answer["result"]["list"]

    # ---- sockets ---------------------------------------------------------------------------------

    def say(self, wire: Wire, request: dict[str, Any] | bytes) -> dict[str, Any] | None:
        """The first frame that came because of it."""
        before = len(wire.frames)
        assert wire.session is not None
        text = request if isinstance(request, bytes) else orjson.dumps(request)
        wire.session.on_text(text, self.clock.mono_ns())
        return wire.frames[before] if len(wire.frames) > before else None

    def log_on(self, path: str, key: str = KEY) -> Wire:
        wire = self.connect("private", path)
        answer = self.say(wire, self.auth(key))
        assert answer is not None and (answer.get("success") is True or answer.get("retCode") == 0), answer
        return wire

    def auth(self, key: str = KEY) -> dict[str, Any]:
        expires = self.clock.wall_ms() + 10_000
        return {"req_id": "a1", "op": "auth", "args": [key, expires, sign(f"GET/realtime{expires}")]}

    def public(self, market: str, *topics: str) -> Wire:
        wire = self.connect("public", f"/v5/public/{market}")
        if topics:
            answer = self.say(wire, {"req_id": "1", "op": "subscribe", "args": list(topics)})
            assert answer is not None and answer["success"], answer
            wire.frames.pop(0)
        return wire

    def private(self, *topics: str) -> Wire:
        wire = self.log_on("/v5/private")
        answer = self.say(wire, {"req_id": "s", "op": "subscribe", "args": list(topics)})
        assert answer is not None and answer["success"], answer
        wire.frames.clear()
        return wire

    def trade(self) -> Wire:
        wire = self.log_on("/v5/trade")
        wire.frames.clear()
        return wire

    def order(self, wire: Wire, op: str, args: dict[str, Any], **changes: Any) -> dict[str, Any] | None:
        """One request of the order socket and its answer."""
        self._request += 1
        header = {"X-BAPI-TIMESTAMP": str(self.clock.wall_ms()), "X-BAPI-RECV-WINDOW": "5000"}
        return self.say(wire, {"reqId": f"r{self._request}", "header": header, "op": op, "args": [args]} | changes)


def limit(
    market: str, link: str, side: str = "Buy", price: str = "64000", qty: str = "0.01", tif: str = "GTC", **more: Any
) -> dict[str, Any]:
    """A limit order of BTCUSDT."""
    return {
        "category": market,
        "symbol": "BTCUSDT",
        "side": side,
        "orderType": "Limit",
        "qty": qty,
        "price": price,
        "timeInForce": tif,
        "orderLinkId": link,
    } | more


LEVELS = {
    "bids": [("64250.1", "0.5"), ("64250.0", "1.2"), ("64249.0", "3")],
    "asks": [("64250.2", "0.4"), ("64250.5", "1"), ("64252.0", "5")],
}


def quiet_rig(**options: Any) -> BybitRig:
    """Books that a test can reckon with: BTCUSDT in both markets has LEVELS, marks are the first market's."""
    rig = BybitRig(pairs=2, **options)
    rig.market.is_quiet = True
    for market in ("spot", "linear"):
        rig.set_levels(market, "BTCUSDT", **LEVELS)
    rig.venue.matcher.mark_px_e8["BTCUSDT"] = 64_250 * 10**8
    return rig
