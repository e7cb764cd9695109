"""How Binance's REST and WS API requests look: signatures, replies, rate headers. Orders are the encoder's and decoder's affair."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from engine.dialect import Reply
from engine.rest_dialect import KeyMissing, RateState, RestRequest


class BinanceRestDialect:
    """BinanceRestDialect(api_key, sign, recv_window_ms): everything stands in the query, the signature last, over exactly what
    stands before it. `sign(payload) -> signature` (hex, or base64 for Ed25519); None = public only."""

    def __init__(self, api_key: str = "", sign: Callable[[str], str] | None = None, recv_window_ms: int = 5000) -> None:
        self._api_key = api_key
        self._sign = sign
        self._recv_window_ms = recv_window_ms

    def build(self, method: str, path: str, params: Mapping[str, Any], *, is_signed: bool, with_key: bool,
              timestamp_ns: int) -> RestRequest:
        headers = {"X-MBX-APIKEY": self._api_key} if (is_signed or with_key) and self._api_key else {}
        query = self.signed_query(params, timestamp_ns // 1_000_000) if is_signed else urlencode(params)
        return RestRequest(query, headers)

    def signed_query(self, params: Mapping[str, Any], timestamp_ms: int) -> str:
        """Percent-encoded query with recvWindow, timestamp and signature."""
        if self._sign is None:
            raise KeyMissing("no key to sign with")
        payload = urlencode({**params, "recvWindow": self._recv_window_ms, "timestamp": timestamp_ms})
        return f"{payload}&signature={quote(self._sign(payload), safe='')}"

    def refusal(self, status: int, body: Any) -> tuple[int, str] | None:
        """Only the status says that it is an error: `code` 200 stands in some answers."""
        if status == 200:
            return None
        code, message = (body.get("code", 0), body.get("msg", "")) if isinstance(body, dict) else (0, "")
        return code if isinstance(code, int) else 0, str(message)

    def note(self, rate: RateState, path: str, status: int, headers: Mapping[str, str], body: bytes, now_mono_s: float) -> None:
        for name, value in headers.items():
            upper = name.upper()
            if upper.startswith("X-MBX-USED-WEIGHT-") and value.isdigit():
                rate.used_weight, rate.used_weight_mono_s = int(value), now_mono_s
            elif upper.startswith("X-MBX-ORDER-COUNT-") and value.isdigit():
                rate.order_counts[upper.removeprefix("X-MBX-ORDER-COUNT-")] = int(value)
        if status in (418, 429):
            rate.stop_by_header(headers, now_mono_s, is_ban=status == 418)

    def local_limit(self, method: str, path: str) -> tuple[str, int, float] | None:
        """The headers tell; nothing is counted here."""
        return None


class BinanceSocketDialect:
    """Replies have an `id`, and an `error` when they are refusals."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def request(self, method: str, params: dict[str, Any] | None = None) -> tuple[str, bytes]:
        """(key, frame) of one WS API request with an id of its own."""
        key = f"r{next(self._numbers)}"
        body: dict[str, Any] = {"id": key, "method": method}
        if params:
            body["params"] = params
        return key, orjson.dumps(body)

    def reply_key(self, message: Any) -> Reply | None:
        if not isinstance(message, dict):
            return None
        key = message.get("id")
        status = message.get("status", 0)
        if not isinstance(status, int):
            status = 0
        error = message.get("error")
        if not isinstance(error, dict):
            return Reply(key if isinstance(key, str) else "", 0, "", status)
        code = error.get("code")
        return Reply(key if isinstance(key, str) else "", code if isinstance(code, int) and code else -1,
                     str(error.get("msg", "")), status)
