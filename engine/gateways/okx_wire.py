"""How OKX's REST and socket requests look: signatures, replies, own counts. Orders are the encoder's and decoder's affair."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from engine.dialect import Reply
from engine.gateways.okx_credentials import Credentials
from engine.gateways.okx_facts import DEMO_HEADERS, LIMIT_OF_PATH, RATE_CODES, SILENT, WINDOW_S
from engine.rest_dialect import KeyMissing, RateState, RestRequest

BODY_LIST = "[]"         # {BODY_LIST: [...]}: the body is the list itself (batch requests)
CODE = re.compile(rb'"(?:code|sCode)"\s*:\s*"(\d{1,9})"')
CODE_WITHIN_BYTES = 256  # a refusal is short and names its code early; a body of megabytes is not searched

LOGIN = "login"
NO_CODE = -1


class OkxRestDialect:
    """OkxRestDialect(credentials, is_demo): time + METHOD + path?query + body are signed, byte for byte as they are sent;
    everything about the signature stands in headers."""

    def __init__(self, credentials: Credentials | None = None, *, is_demo: bool = False) -> None:
        self._credentials = credentials or Credentials()
        self._always = dict(DEMO_HEADERS) if is_demo else {}

    def build(self, method: str, path: str, params: Mapping[str, Any], *, is_signed: bool, with_key: bool,
              timestamp_ns: int) -> RestRequest:
        query = urlencode(params) if method == "GET" else ""
        body = b"" if method == "GET" else orjson.dumps(params[BODY_LIST] if BODY_LIST in params else dict(params))
        headers = {**self._always, **({"Content-Type": "application/json"} if body else {})}
        if is_signed or with_key:
            headers["OK-ACCESS-KEY"] = self._credentials.hmac_key
        if is_signed:
            target = f"{path}?{query}" if query else path
            headers |= self._signature(iso_time(timestamp_ns), f"{method}{target}{body.decode()}")
        return RestRequest(query, headers, body)

    def _signature(self, timestamp: str, request: str) -> dict[str, str]:
        if self._credentials.hmac is None:
            raise KeyMissing("no key to sign with")
        return {"OK-ACCESS-SIGN": self._credentials.sign(timestamp + request), "OK-ACCESS-TIMESTAMP": timestamp,
                "OK-ACCESS-PASSPHRASE": self._credentials.passphrase}

    def refusal(self, status: int, body: Any) -> tuple[int, str] | None:
        """The code in the body says it, whatever the status; codes 1 and 2 (all, some of them failed) leave it to the first row
        that has one of its own. A body without a code is an answer of something else."""
        if not isinstance(body, dict) or (code := number_of(body.get("code"))) is None:
            return 0, f"no code: {str(body)[:100]}"
        if code == 0 and status == 200:
            return None
        rows = body.get("data")
        for row in rows if isinstance(rows, list) else ():
            row_code = number_of(row.get("sCode")) if isinstance(row, dict) else None
            if row_code:
                return row_code, str(row.get("sMsg", ""))
        return code, str(body.get("msg", ""))

    def note(self, rate: RateState, path: str, status: int, headers: Mapping[str, str], body: bytes, now_mono_s: float) -> None:
        """No header counts anything. A rate answer stops everything for one window; without a code of the venue's, as long as
        Retry-After says."""
        codes = {int(found) for found in CODE.findall(body[:CODE_WITHIN_BYTES])}
        if codes & RATE_CODES:
            rate.stop(WINDOW_S, now_mono_s, is_ban=False)
        elif status == 429 and not codes - {0}:
            rate.stop_by_header(headers, now_mono_s, is_ban=False)

    def local_limit(self, method: str, path: str) -> tuple[str, int, float] | None:
        return LIMIT_OF_PATH.get(path)


class OkxSocketDialect:
    """Subscriptions carry an id that their answers repeat; each is for one channel, because each channel is acknowledged by
    itself and a refusal must not hide behind the others. A login carries none: {"event":"login"}, or an error without an id."""

    def login(self, credentials: Credentials, timestamp_s: int) -> tuple[str, bytes]:
        """(key, frame) of a socket's login."""
        return LOGIN, orjson.dumps({"op": "login", "args": [credentials.login_args(timestamp_s)]})

    def subscribe(self, channel: str, inst_type: str) -> tuple[str, bytes]:
        """(key, frame) of the subscription to a private channel; `inst_type` "" = the channel knows none."""
        argument = {"channel": channel}
        if inst_type:
            argument["instType"] = inst_type
        if channel != "orders":
            argument["extraParams"] = SILENT
        key = subscription_key(channel)
        return key, orjson.dumps({"id": key, "op": "subscribe", "args": [argument]})

    def reply_key(self, message: Any) -> Reply | None:
        """An answer has an `event` (login, subscribe, error) or an `op`."""
        if not isinstance(message, dict):
            return None
        event, key = message.get("event"), message.get("id")
        code, text = number_of(message.get("code")), str(message.get("msg") or "")
        if event in ("subscribe", "unsubscribe"):
            channel = (message.get("arg") or {}).get("channel", "")
            return Reply(key or subscription_key(str(channel)), 0)
        if event == "login":
            return Reply(LOGIN, NO_CODE if code is None else code, text)
        if event == "error":
            return Reply(key or LOGIN, code or NO_CODE, text)
        if "op" in message:
            return Reply(key if isinstance(key, str) else "", NO_CODE if code is None else code, text)
        return None


def subscription_key(channel: str) -> str:
    """The id of a subscription: letters and digits, no client id."""
    return "sub" + "".join(c for c in channel if c.isalnum())


def number_of(code: Any) -> int | None:
    """A code of the venue's, which is text; None when it is none."""
    return int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else None


def iso_time(timestamp_ns: int) -> str:
    """2020-12-08T09:08:57.715Z of epoch ns."""
    moment = datetime.fromtimestamp(timestamp_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{timestamp_ns // 1_000_000 % 1000:03d}Z"


def batches(rows: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """`rows` in parts of at most `size`."""
    return [rows[start:start + size] for start in range(0, len(rows), size)]
