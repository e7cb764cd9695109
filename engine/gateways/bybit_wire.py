"""How Bybit's REST and socket requests look: signatures, replies, rate headers. Orders are the encoder's and decoder's affair."""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from engine.dialect import Reply
from engine.gateways.bybit_credentials import Credentials
from engine.gateways.bybit_facts import BUCKET_CODE, BUCKET_WINDOW_S, FORBIDDEN_STOP_S, PROTECTION_STOP_S, RATE_CODES
from engine.rest_dialect import RETRY_AFTER_UNKNOWN_S, KeyMissing, RateState, RestRequest, epoch_ms_to_mono_s

CODE = re.compile(rb'"retCode"\s*:\s*(-?\d{1,9})')
CODE_WITHIN_BYTES = 64   # the envelope begins with it; a body of megabytes is not searched


class BybitRestDialect:
    """BybitRestDialect(credentials, recv_window_ms): time + key + window + (query of a GET, body of a POST) are signed, byte
    for byte as they are sent; everything about the signature stands in headers."""

    def __init__(self, credentials: Credentials | None = None, recv_window_ms: int = 5000) -> None:
        self._credentials = credentials or Credentials()
        self._recv_window_ms = recv_window_ms
        self.clock_offset_ns = 0   # venue's clock minus ours: reset times are of the venue's clock

    def build(self, method: str, path: str, params: Mapping[str, Any], *, is_signed: bool, with_key: bool,
              timestamp_ns: int) -> RestRequest:
        query = urlencode(params) if method == "GET" else ""
        body = b"" if method == "GET" else orjson.dumps(dict(params))
        headers = {"Content-Type": "application/json"} if body else {}
        if is_signed or with_key:
            headers["X-BAPI-API-KEY"] = self._credentials.hmac_key
        if is_signed:
            headers |= self._signature(str(timestamp_ns // 1_000_000), query or body.decode())
        return RestRequest(query, headers, body)

    def _signature(self, timestamp_ms: str, payload: str) -> dict[str, str]:
        if self._credentials.hmac is None:
            raise KeyMissing("no key to sign with")
        window = str(self._recv_window_ms)
        return {"X-BAPI-TIMESTAMP": timestamp_ms, "X-BAPI-RECV-WINDOW": window,
                "X-BAPI-SIGN": self._credentials.sign(f"{timestamp_ms}{self._credentials.hmac_key}{window}{payload}")}

    def refusal(self, status: int, body: Any) -> tuple[int, str] | None:
        """The code in the body says it, whatever the status; a body without one is an answer of something else."""
        code, message = (body.get("retCode"), body.get("retMsg", "")) if isinstance(body, dict) else (None, "")
        if not isinstance(code, int) or isinstance(code, bool):
            return 0, f"no retCode: {str(body)[:100]}"
        return None if code == 0 and status == 200 else (code, str(message))

    def note(self, rate: RateState, path: str, status: int, headers: Mapping[str, str], body: bytes, now_mono_s: float) -> None:
        """Requests left of the path's limit (a rolling second); stops by status or code."""
        limit, left, reset = (headers.get(f"X-Bapi-Limit{name}", "") for name in ("", "-Status", "-Reset-Timestamp"))
        reset_mono_s = epoch_ms_to_mono_s(int(reset), self.clock_offset_ns) if reset.isdigit() else 0.0
        # the venue tells the present time as the reset while there is something left
        reset_mono_s = min(max(reset_mono_s, now_mono_s + BUCKET_WINDOW_S), now_mono_s + RETRY_AFTER_UNKNOWN_S)
        found = CODE.search(body[:CODE_WITHIN_BYTES])
        code = int(found.group(1)) if found else 0
        if limit.isdigit() and left.isdigit():
            rate.note_remaining(path, int(limit), 0 if code == BUCKET_CODE else int(left), reset_mono_s)
        elif code == BUCKET_CODE:
            rate.note_remaining(path, 1, 0, reset_mono_s)
        if status == 403:
            is_frequent = b"too frequent" in body.lower()
            rate.stop(FORBIDDEN_STOP_S if is_frequent else RETRY_AFTER_UNKNOWN_S, now_mono_s, is_ban=True)
        elif status == 429 or code in RATE_CODES:
            rate.stop(max(PROTECTION_STOP_S, reset_mono_s - now_mono_s), now_mono_s, is_ban=False)

    def local_limit(self, method: str, path: str) -> tuple[str, int, float] | None:
        """The headers tell; nothing is counted here."""
        return None


class BybitSocketDialect:
    """Replies carry `reqId` (order socket) or `req_id` (private socket), or neither: the private socket's logon. A request of
    each kind goes out once a socket, so its `op` is its id, and either way leads back to it."""

    def logon(self, credentials: Credentials, expires_ms: int, *, is_trade: bool) -> tuple[str, bytes]:
        """(key, frame) of the auth request."""
        return self._request("auth", credentials.logon_args(expires_ms), is_trade=is_trade)

    def subscribe(self, topics: tuple[str, ...]) -> tuple[str, bytes]:
        """(key, frame) of a subscription on the private socket."""
        return self._request("subscribe", list(topics), is_trade=False)

    def _request(self, op: str, args: list[Any], *, is_trade: bool) -> tuple[str, bytes]:
        return op, orjson.dumps({"reqId" if is_trade else "req_id": op, "op": op, "args": args})

    def reply_key(self, message: Any) -> Reply | None:
        """An answer has a `retCode` (order socket) or `success` (private socket)."""
        if not isinstance(message, dict) or ("retCode" not in message and "success" not in message):
            return None
        key = message.get("reqId") or message.get("req_id") or message.get("op")
        code = message.get("retCode")
        if not isinstance(code, int) or isinstance(code, bool):
            code = 0 if message.get("success") is True else -1
        elif code == 0 and message.get("success") is False:
            code = -1
        return Reply(key if isinstance(key, str) else "", code, str(message.get("retMsg") or message.get("ret_msg") or ""))
