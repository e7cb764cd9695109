"""One pooled keep-alive HTTP client per venue market: signed requests, explicit time-outs, the venue's rate headers obeyed.

Cold: start-up, reconciliation, queries about orders in doubt. Runs on the engine's loop in short turns (a reply is read whole,
parsed by orjson). No redirects, no proxies from the environment, no cookies. A 429 or 418 stops every request until the venue's
Retry-After; above `weight_share` of the weight limit only requests marked critical go out.
"""
from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from yarl import URL

RETRY_AFTER_UNKNOWN_S = 60.0  # a 429/418 without a usable Retry-After: one weight window
BODY_BYTES_MAX = 64 << 20


class RestError(Exception):
    """A request that has no result. status 0: the transport failed or we did not ask (`was_sent` says which)."""

    def __init__(self, where: str, status: int, code: int, message: str, *, was_sent: bool = True, body: bytes = b"") -> None:
        super().__init__(f"{where}: " + (f"HTTP {status}, code {code}: " if status else "") + message)
        self.where = where
        self.status = status
        self.code = code
        self.message = message
        self.was_sent = was_sent
        self.body = body


@dataclass(slots=True)
class RestResponse:
    status: int
    body: bytes
    sent_mono_ns: int
    received_mono_ns: int

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(slots=True)
class RateState:
    """What the venue's headers say. `weight_limit` comes from exchangeInfo; until then the documented one."""
    weight_limit: int
    weight_share: float = 0.8
    used_weight: int = 0
    used_weight_mono_s: float = 0.0
    order_counts: dict[str, int] = field(default_factory=dict)  # "10S" -> 7
    stopped_until_mono_s: float = 0.0
    stops: int = 0
    is_banned: bool = False

    def stopped_for_s(self, now_mono_s: float) -> float:
        return max(0.0, self.stopped_until_mono_s - now_mono_s)

    def is_crowded(self, now_mono_s: float) -> bool:
        """The weight of the present minute is used up to the share that is kept for critical requests."""
        return now_mono_s - self.used_weight_mono_s < 60 and self.used_weight >= self.weight_share * self.weight_limit

    def stop(self, seconds: float, now_mono_s: float, *, is_ban: bool) -> None:
        self.stopped_until_mono_s = max(self.stopped_until_mono_s, now_mono_s + seconds)
        self.stops += 1
        self.is_banned = is_ban

    def note(self, headers: Any, status: int, now_mono_s: float) -> None:
        """Take over the headers of one response."""
        for name, value in headers.items():
            upper = name.upper()
            if upper.startswith("X-MBX-USED-WEIGHT-") and value.isdigit():
                self.used_weight, self.used_weight_mono_s = int(value), now_mono_s
            elif upper.startswith("X-MBX-ORDER-COUNT-") and value.isdigit():
                self.order_counts[upper.removeprefix("X-MBX-ORDER-COUNT-")] = int(value)
        if status in (418, 429):
            text = headers.get("Retry-After", "")
            self.stop(float(text) if text.isdigit() else RETRY_AFTER_UNKNOWN_S, now_mono_s, is_ban=status == 418)


class RestClient:
    """RestClient("binance spot", base_url, api_key, sign): `sign(payload) -> signature` (hex, or base64 for Ed25519); None =
    public only."""

    def __init__(self, name: str, base_url: str, *, api_key: str = "", sign: Callable[[str], str] | None = None,
                 recv_window_ms: int = 5000, weight_limit: int = 1200, ssl_context: ssl.SSLContext | None = None,
                 total_timeout_s: float = 3.0, connect_timeout_s: float = 1.5, connections: int = 8) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.clock_offset_ns = 0
        self.rate = RateState(weight_limit)
        self.requests = 0
        self.failures = 0
        self._api_key = api_key
        self._sign = sign
        self._recv_window_ms = recv_window_ms
        self._ssl = ssl_context
        self._timeout = aiohttp.ClientTimeout(total=total_timeout_s, connect=connect_timeout_s)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, path: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
        """JSON of a GET with status 200; anything else raises RestError."""
        return await self.json("GET", path, params, **options)

    async def json(self, method: str, path: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
        response = await self.request(method, path, params, **options)
        where = f"{self.name} {method} {path}"
        try:
            body = response.json()
        except orjson.JSONDecodeError:
            raise RestError(where, response.status, 0, f"not JSON: {response.body[:120]!r}", body=response.body) from None
        if response.status != 200:
            code, message = (body.get("code", 0), body.get("msg", "")) if isinstance(body, dict) else (0, "")
            raise RestError(where, response.status, code if isinstance(code, int) else 0, str(message)[:200], body=response.body)
        return body

    async def request(self, method: str, path: str, params: dict[str, Any] | None = None, *, is_signed: bool = False,
                      with_key: bool = False, is_critical: bool = False) -> RestResponse:
        """One request, whatever the venue answers. RestError when nothing came back, or when we may not ask now."""
        where = f"{self.name} {method} {path}"
        now = time.monotonic()
        waiting = self.rate.stopped_for_s(now)
        if waiting > 0:
            word = "banned" if self.rate.is_banned else "rate limited"
            raise RestError(where, 0, 0, f"{word} by the venue for another {waiting:.1f} s", was_sent=False)
        if not is_critical and self.rate.is_crowded(now):
            raise RestError(
                where,
                0,
                0,
                f"weight {self.rate.used_weight} of {self.rate.weight_limit} is used: the rest is kept for cancels and queries",
                was_sent=False,
            )
        headers = {"X-MBX-APIKEY": self._api_key} if (is_signed or with_key) and self._api_key else {}
        url = self.base_url + path
        query = self.signed_query(params or {}) if is_signed else urlencode(params or {})
        self.requests += 1
        try:
            sent_mono_ns = time.monotonic_ns()
            async with self._open().request(method, URL(f"{url}?{query}" if query else url, encoded=True), headers=headers,
                                            allow_redirects=False) as response:
                body = await response.content.read(BODY_BYTES_MAX)
                while chunk := await response.content.read(BODY_BYTES_MAX):
                    if len(body) + len(chunk) > BODY_BYTES_MAX:
                        raise RestError(where, response.status, 0, f"answer of more than {BODY_BYTES_MAX} bytes")
                    body += chunk
                self.rate.note(response.headers, response.status, time.monotonic())
                return RestResponse(response.status, body, sent_mono_ns, time.monotonic_ns())
        except (aiohttp.ClientError, OSError) as error:
            self.failures += 1
            raise RestError(where, 0, 0, f"{type(error).__name__}: {error or 'no answer in time'}") from None

    def signed_query(self, params: dict[str, Any], timestamp_ms: int | None = None) -> str:
        """Percent-encoded query with recvWindow, timestamp and, last, the signature over exactly what stands before it."""
        if self._sign is None:
            raise RestError(self.name, 0, 0, "no key to sign with", was_sent=False)
        if timestamp_ms is None:
            timestamp_ms = (time.time_ns() + self.clock_offset_ns) // 1_000_000
        payload = urlencode({**params, "recvWindow": self._recv_window_ms, "timestamp": timestamp_ms})
        return f"{payload}&signature={quote(self._sign(payload), safe='')}"

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on first use because it belongs to the running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=60, ttl_dns_cache=300,
                                             ssl=self._ssl if self._ssl is not None else True)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, trust_env=False,
                                                  cookie_jar=aiohttp.DummyCookieJar(),
                                                  headers={"User-Agent": "lockstep"})
        return self._session
