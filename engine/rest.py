"""One pooled keep-alive HTTP client per venue market: signed requests, explicit time-outs, the venue's rate headers obeyed.

Cold: start-up, reconciliation, queries about orders in doubt. Runs on the engine's loop in short turns (a reply is read whole,
parsed by orjson). No redirects, no proxies from the environment, no cookies. How a request looks, what an error is and what
headers say is the venue's RestDialect (engine/rest_dialect.py); a stop that it notes stops every request until it is over, and
above a share of a limit only requests marked critical go out.
"""
from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from engine.rest_dialect import KeyMissing, RateState, RestDialect

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


class RestClient:
    """RestClient("binance spot", base_url, dialect, rate=...): requests as the dialect builds them; clients of one account may
    share one RateState (what one is told stops both)."""

    def __init__(self, name: str, base_url: str, dialect: RestDialect, *, rate: RateState | None = None,
                 ssl_context: ssl.SSLContext | None = None, total_timeout_s: float = 3.0, connect_timeout_s: float = 1.5,
                 connections: int = 8) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.dialect = dialect
        self.clock_offset_ns = 0
        self.rate = rate if rate is not None else RateState()
        self.requests = 0
        self.failures = 0
        self._ssl = ssl_context
        self._timeout = aiohttp.ClientTimeout(total=total_timeout_s, connect=connect_timeout_s)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, path: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
        """JSON of a GET that the venue answered without an error; anything else raises RestError."""
        return await self.json("GET", path, params, **options)

    async def json(self, method: str, path: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
        """The parsed body of one request; options as of `request`. RestError for a status other than 200, a body that is no JSON,
        and a body that the dialect calls an error."""
        response = await self.request(method, path, params, **options)
        where = f"{self.name} {method} {path}"
        try:
            body = response.json()
        except orjson.JSONDecodeError:
            raise RestError(where, response.status, 0, f"not JSON: {response.body[:120]!r}", body=response.body) from None
        refusal = self.dialect.refusal(response.status, body)
        if refusal is not None or response.status != 200:
            code, message = refusal if refusal is not None else (0, "")
            raise RestError(where, response.status, code, message[:200], body=response.body)
        return body

    async def request(self, method: str, path: str, params: dict[str, Any] | None = None, *, is_signed: bool = False,
                      with_key: bool = False, is_critical: bool = False) -> RestResponse:
        """One request, whatever the venue answers. RestError when nothing came back, or when we may not ask now."""
        where = f"{self.name} {method} {path}"
        now = time.monotonic()
        self._check_rate(where, method, path, now, is_critical=is_critical)
        try:
            made = self.dialect.build(method, path, params or {}, is_signed=is_signed, with_key=with_key,
                                      timestamp_ns=time.time_ns() + self.clock_offset_ns)
        except KeyMissing as error:
            raise RestError(where, 0, 0, str(error), was_sent=False) from None
        url = self.base_url + path
        self.requests += 1
        try:
            sent_mono_ns = time.monotonic_ns()
            async with self._open().request(method, URL(f"{url}?{made.query}" if made.query else url, encoded=True),
                                            headers=made.headers, data=made.body or None, allow_redirects=False) as response:
                body = await response.content.read(BODY_BYTES_MAX)
                while chunk := await response.content.read(BODY_BYTES_MAX):
                    if len(body) + len(chunk) > BODY_BYTES_MAX:
                        raise RestError(where, response.status, 0, f"answer of more than {BODY_BYTES_MAX} bytes")
                    body += chunk
                self.dialect.note(self.rate, path, response.status, response.headers, body, time.monotonic())
                return RestResponse(response.status, body, sent_mono_ns, time.monotonic_ns())
        except (aiohttp.ClientError, OSError) as error:
            self.failures += 1
            raise RestError(where, 0, 0, f"{type(error).__name__}: {error or 'no answer in time'}") from None

    def _check_rate(self, where: str, method: str, path: str, now: float, *, is_critical: bool) -> None:
        """RestError, not sent, while the venue wants no requests or the rest of a limit is kept for critical ones."""
        rate = self.rate
        waiting = rate.stopped_for_s(now)
        if waiting > 0:
            word = "banned" if rate.is_banned else "rate limited"
            raise RestError(where, 0, 0, f"{word} by the venue for another {waiting:.1f} s", was_sent=False)
        if not is_critical and rate.is_crowded(now, path):
            bucket = rate.buckets.get(path)
            used = (f"weight {rate.used_weight} of {rate.weight_limit} is used" if bucket is None
                    else f"{bucket.remaining} of {bucket.limit} requests are left")
            raise RestError(where, 0, 0, f"{used}: the rest is kept for cancels and queries", was_sent=False)
        waiting = rate.take(self.dialect.local_limit(method, path), now, is_critical=is_critical)
        if waiting > 0:
            raise RestError(where, 0, 0, f"our own count says: not for another {waiting:.2f} s", was_sent=False)

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on first use because it belongs to the running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=60, ttl_dns_cache=300,
                                             ssl=self._ssl if self._ssl is not None else True)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, trust_env=False,
                                                  cookie_jar=aiohttp.DummyCookieJar(),
                                                  headers={"User-Agent": "lockstep"})
        return self._session
