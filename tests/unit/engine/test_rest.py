"""The REST client against a real socket: what it sends, what it refuses to send, what it never takes for an answer."""
from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from cext.sign import HmacSha256
from engine.gateways.binance_wire import BinanceRestDialect
from engine.rest import RestClient, RestError
from engine.rest_dialect import RateState
from tests.support.fake_venue import FakeRest, fake_rest

SECRET = b"secret-of-the-test"
SIGNER = HmacSha256(SECRET)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def client(venue: FakeRest, *, recv_window_ms: int = 5000, **options: Any) -> RestClient:
    dialect = BinanceRestDialect("KEY", lambda text: SIGNER.hex(text.encode()), recv_window_ms)
    return RestClient("binance spot", venue.url, dialect, **options)


def test_signed_request_carries_key_window_time_and_a_signature_last() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /api/v3/order"] = {"ok": 1}
            rest = client(venue, recv_window_ms=700)
            rest.clock_offset_ns = 3_600_000_000_000
            assert await rest.get("/api/v3/order", {"symbol": "１２ BTC&x", "n": 1}, is_signed=True) == {"ok": 1}
            _, path, headers = venue.seen[0]
            payload, _, signature = path.partition("?")[2].rpartition("&signature=")
            assert signature == hmac.new(SECRET, payload.encode(), hashlib.sha256).hexdigest()
            assert payload.startswith("symbol=%EF%BC%91%EF%BC%92+BTC%26x&n=1&recvWindow=700&timestamp=")
            assert abs(int(payload.rpartition("=")[2]) - time.time() * 1000 - 3_600_000) < 2000
            assert headers["X-MBX-APIKEY"] == "KEY"
            await rest.close()
    run(work())


def test_public_request_shows_no_key() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /api/v3/time"] = {"serverTime": 1}
            rest = client(venue)
            await rest.get("/api/v3/time")
            assert "X-MBX-APIKEY" not in venue.seen[0][2]
            assert venue.seen[0][1] == "/api/v3/time"
            await rest.close()
    run(work())


def test_venue_errors_keep_status_code_and_text() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /a"] = (400, {}, b'{"code":-1121,"msg":"Invalid symbol."}')
            venue.routes["GET /b"] = (503, {}, b"<html>Service Unavailable</html>")
            venue.routes["GET /c"] = (400, {}, b"[1]")
            rest = client(venue)
            with pytest.raises(RestError, match="HTTP 400, code -1121: Invalid symbol") as caught:
                await rest.get("/a")
            assert (caught.value.status, caught.value.code, caught.value.was_sent) == (400, -1121, True)
            with pytest.raises(RestError, match="HTTP 503, code 0: not JSON: b'<html>"):
                await rest.get("/b")
            with pytest.raises(RestError, match="HTTP 400"):
                await rest.get("/c")
            await rest.close()
    run(work())


def test_redirects_are_not_followed() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /a"] = (302, {"Location": f"{venue.url}/stolen"}, b"{}")
            rest = client(venue)
            with pytest.raises(RestError, match="HTTP 302"):
                await rest.get("/a", is_signed=True)
            assert len(venue.seen) == 1
            await rest.close()
    run(work())


def test_silence_refusal_and_cut_are_no_answer() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            async def sleep() -> tuple[int, dict[str, str], bytes]:
                await asyncio.sleep(1)
                return 200, {}, b"{}"
            venue.routes["GET /slow"] = lambda _: sleep()
            rest = client(venue, total_timeout_s=0.1)
            with pytest.raises(RestError) as caught:
                await rest.get("/slow")
            assert (caught.value.status, caught.value.was_sent) == (0, True)
            await rest.close()
            dead = RestClient("binance spot", "http://127.0.0.1:1", BinanceRestDialect())
            with pytest.raises(RestError, match="binance spot GET /x"):
                await dead.get("/x")
            assert dead.failures == 1
            await dead.close()
    run(work())


@pytest.mark.parametrize(("status", "word"), [(429, "rate limited"), (418, "banned")])
def test_retry_after_stops_every_request_until_it_is_over(status: int, word: str) -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /a"] = (status, {"Retry-After": "1"}, b'{"code":-1003,"msg":"Too many."}')
            rest = client(venue)
            with pytest.raises(RestError):
                await rest.get("/a")
            for _ in range(5):
                with pytest.raises(RestError, match=word) as caught:
                    await rest.get("/a", is_critical=True)
                assert not caught.value.was_sent
            assert len(venue.seen) == 1
            rest.rate.stopped_until_mono_s = time.monotonic()
            venue.routes["GET /a"] = {"ok": 1}
            assert await rest.get("/a") == {"ok": 1}
            await rest.close()
    run(work())


def test_crowded_weight_is_kept_for_critical_requests() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /a"] = lambda _: (200, {"X-MBX-USED-WEIGHT-1M": "4801", "X-MBX-ORDER-COUNT-10S": "7"}, b"{}")
            rest = client(venue, rate=RateState(6000))
            await rest.get("/a")
            assert (rest.rate.used_weight, rest.rate.order_counts) == (4801, {"10S": 7})
            with pytest.raises(RestError, match="4801 of 6000"):
                await rest.get("/a")
            await rest.get("/a", is_critical=True)
            assert len(venue.seen) == 2
            await rest.close()
    run(work())


def test_limit_without_a_usable_retry_after_waits_a_window() -> None:
    rate = RateState(6000)
    BinanceRestDialect().note(rate, "/a", 429, {"Retry-After": "soon"}, b"", 100.0)
    assert (rate.stopped_for_s(100.0), rate.is_banned) == (60.0, False)
    BinanceRestDialect().note(rate, "/a", 418, {"Retry-After": "3"}, b"", 100.0)
    assert (rate.stopped_for_s(100.0), rate.is_banned) == (60.0, True)  # the longer one counts


def test_no_key_no_signature() -> None:
    async def work() -> None:
        rest = RestClient("x", "http://127.0.0.1:1", BinanceRestDialect())
        with pytest.raises(RestError, match="no key") as caught:
            await rest.get("/a", is_signed=True)
        assert not caught.value.was_sent
        await rest.close()
    run(work())
