"""REST for feeds: instruments and depth snapshots. One pooled keep-alive client an address, explicit time-outs, the venue's
weight budget.

Runs on the feed's loop, but only its reading of a socket does: callers await small turns. Never called for orders."""
import asyncio
import contextlib
import ssl
import time
from typing import Any

import aiohttp
import orjson

from feeds.venue import RestError, RestLimits

__all__ = ["RestClient", "RestError", "WeightBudget"]

BODY_BYTES_MAX = 64 << 20
BUDGET_SHARE = 0.8  # of the venue's limit: the rest is for the engine's queries from the same address


class WeightBudget:
    """Weight used in the running window (a minute, or what the venue counts by), by our own count and by what the venue reports,
    whichever is more."""

    def __init__(self, limit: int, window_s: float = 60.0) -> None:
        self._limit = limit * BUDGET_SHARE
        self._window_s = window_s
        self._window = 0
        self._used = 0.0
        self._blocked_until_s = 0.0

    def wait_s(self, weight: int, now_s: float | None = None) -> float:
        """0 = taken; else seconds to wait before asking again."""
        now_s = time.time() if now_s is None else now_s
        if now_s < self._blocked_until_s:
            return self._blocked_until_s - now_s
        if int(now_s // self._window_s) != self._window:
            self._window, self._used = int(now_s // self._window_s), 0.0
        if self._used + weight > self._limit and self._used > 0:
            return self._window_s - now_s % self._window_s + 0.05
        self._used += weight
        return 0.0

    def reported(self, used: int) -> None:
        """The venue's own count, from a response header."""
        self._used = max(self._used, float(used))

    def block(self, seconds: float) -> None:
        """The venue said stop (429, 418)."""
        self._blocked_until_s = max(self._blocked_until_s, time.time() + seconds)


class RestClient:
    """GET only. `base_url` without a trailing slash."""

    def __init__(self, base_url: str, limits: RestLimits, ssl_context: ssl.SSLContext | None = None) -> None:
        self.base_url = base_url
        self.budget = WeightBudget(limits.budget, limits.window_s)
        self._limits = limits
        self._ssl = ssl_context
        self._session: aiohttp.ClientSession | None = None

    async def get_bytes(
        self, path: str, params: dict[str, str] | None = None, *, weight: int = 1, timeout_s: float = 10.0
    ) -> bytes:
        """The body of a 200 answer; RestError for everything else. Waits for the weight budget first."""
        while (wait_s := self.budget.wait_s(weight)) > 0:
            await asyncio.sleep(min(wait_s, 5.0))
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=16, keepalive_timeout=60, ssl=self._ssl if self._ssl is not None else True)
            self._session = aiohttp.ClientSession(connector=connector,
                                                  headers={"User-Agent": "lockstep", **self._limits.headers},
                                                  auto_decompress=True)
        url = self.base_url + path
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=5.0, sock_read=timeout_s)
        try:
            async with self._session.get(url, params=params, timeout=timeout, allow_redirects=False) as response:
                used = response.headers.get(self._limits.used_header, "")
                if used.isdigit():
                    self.budget.reported(int(used))
                body = await response.content.read(BODY_BYTES_MAX + 1)
                while not response.content.at_eof() and len(body) <= BODY_BYTES_MAX:
                    body += await response.content.read(BODY_BYTES_MAX + 1 - len(body))
        except TimeoutError:
            raise RestError(f"{url}: no answer within {timeout_s:.0f} s") from None
        except aiohttp.ClientConnectorError as error:
            raise RestError(f"{url}: cannot connect: {error.os_error.strerror or error.os_error}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise RestError(f"{url}: {type(error).__name__}: {error}") from None
        if len(body) > BODY_BYTES_MAX:
            raise RestError(f"{url}: answer larger than {BODY_BYTES_MAX} bytes")
        if response.status != 200:
            raise self._refused(url, response.status, response.headers.get("Retry-After", ""), body)
        return body

    def _refused(self, url: str, status: int, retry_after: str, body: bytes) -> RestError:
        seconds = float(retry_after) if retry_after.isdigit() else 0.0
        if status in (418, 429):
            seconds = max(seconds, 1.0)
            self.budget.block(seconds)
        return RestError(f"{url}: HTTP {status}: {body[:200].decode('utf-8', 'replace')}", status, seconds)

    async def get_json(self, path: str, params: dict[str, str] | None = None, *, weight: int = 1, timeout_s: float = 10.0) -> Any:
        """As get_bytes, parsed."""
        body = await self.get_bytes(path, params, weight=weight, timeout_s=timeout_s)
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise RestError(f"{self.base_url}{path}: answer is not JSON ({error})") from None

    async def close(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            with contextlib.suppress(Exception):  # closing is best effort: the process ends or connects anew
                await self._session.close()
            self._session = None
