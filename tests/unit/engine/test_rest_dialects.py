"""REST of venues unlike Binance: signatures in headers, JSON bodies, errors with status 200, limits by endpoint or counted here."""
from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from engine.gateways.binance_wire import BinanceRestDialect, BinanceSocketDialect
from engine.rest import RestClient, RestError
from engine.rest_dialect import RateState, RestRequest, epoch_ms_to_mono_s
from tests.support.fake_venue import fake_rest

SECRET = b"secret-of-the-test"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


class HeaderDialect:
    """A venue that signs time + method + path?query + body, base64, in headers; sends POST parameters as JSON; answers errors
    with status 200 and a code in the body; counts requests down an endpoint at a time."""

    def __init__(self, limit: tuple[str, int, float] | None = None) -> None:
        self.limit = limit

    def build(self, method: str, path: str, params: Mapping[str, Any], *, is_signed: bool, with_key: bool,
              timestamp_ns: int) -> RestRequest:
        query = urlencode(params) if method == "GET" else ""
        body = orjson.dumps(params) if method == "POST" else b""
        if not is_signed:
            return RestRequest(query, {}, body)
        stamp = str(timestamp_ns // 1_000_000)
        text = f"{stamp}{method}{path}{'?' + query if query else ''}".encode() + body
        sign = base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()
        return RestRequest(query, {"T-SIGN": sign, "T-TIME": stamp, "Content-Type": "application/json"}, body)

    def refusal(self, status: int, body: Any) -> tuple[int, str] | None:
        if not isinstance(body, dict) or body.get("code") == "0":
            return None
        return int(body.get("code", 0)), str(body.get("msg", ""))

    def note(self, rate: RateState, path: str, status: int, headers: Mapping[str, str], body: bytes, now_mono_s: float) -> None:
        if "T-Left" in headers:
            rate.note_remaining(path, int(headers["T-Limit"]), int(headers["T-Left"]), now_mono_s + 60)
        if b'"code":"50011"' in body:
            rate.stop(30, now_mono_s, is_ban=False)

    def local_limit(self, method: str, path: str) -> tuple[str, int, float] | None:
        return self.limit


def test_what_is_signed_is_what_is_sent() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["POST /v5/order"] = {"code": "0", "data": 1}
            venue.routes["GET /v5/order"] = {"code": "0", "data": 2}
            rest = RestClient("test", venue.url, HeaderDialect())
            await rest.json("POST", "/v5/order", {"symbol": "BTC-USDT", "n": 1}, is_signed=True)
            await rest.get("/v5/order", {"symbol": "A B&c"}, is_signed=True)
            for (method, path, headers), body in zip(venue.seen, venue.bodies, strict=True):
                text = f"{headers['T-TIME']}{method}{path}".encode() + body
                assert headers["T-SIGN"] == base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()
            assert venue.bodies == [b'{"symbol":"BTC-USDT","n":1}', b""]
            assert venue.seen[0][2]["Content-Type"] == "application/json"
            await rest.close()
    run(work())


def test_error_with_status_200_is_an_error() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /a"] = {"code": "51603", "msg": "Order does not exist."}
            rest = RestClient("test", venue.url, HeaderDialect())
            with pytest.raises(RestError, match="HTTP 200, code 51603: Order does not exist") as caught:
                await rest.get("/a")
            assert (caught.value.status, caught.value.code) == (200, 51603)
            await rest.close()
    run(work())


def test_nearly_used_endpoint_is_kept_for_critical_requests_and_others_are_free() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /a"] = (200, {"T-Limit": "10", "T-Left": "2"}, b'{"code":"0"}')
            venue.routes["GET /b"] = {"code": "0"}
            rest = RestClient("test", venue.url, HeaderDialect())
            await rest.get("/a")
            with pytest.raises(RestError, match="2 of 10 requests are left"):
                await rest.get("/a")
            await rest.get("/b")
            await rest.get("/a", is_critical=True)
            assert not rest.rate.is_crowded(time.monotonic() + 61, "/a")
            await rest.close()
    run(work())


def test_shared_rate_state_stops_both_clients() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /a"] = {"code": "50011", "msg": "Too Many Requests"}
            rate = RateState()
            spot, linear = (RestClient(name, venue.url, HeaderDialect(), rate=rate) for name in ("spot", "linear"))
            alone = RestClient("alone", venue.url, HeaderDialect())
            with pytest.raises(RestError, match="50011"):
                await spot.get("/a")
            with pytest.raises(RestError, match="linear GET /a: rate limited") as caught:
                await linear.get("/a", is_critical=True)
            assert not caught.value.was_sent
            with pytest.raises(RestError, match="50011"):
                await alone.get("/a")
            for one in (spot, linear, alone):
                await one.close()
    run(work())


def test_own_count_holds_back_before_the_venue_does() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /a"] = {"code": "0"}
            rest = RestClient("test", venue.url, HeaderDialect(("a", 5, 60.0)))
            for _ in range(4):
                await rest.get("/a")
            with pytest.raises(RestError, match="our own count says: not for another"):
                await rest.get("/a")
            await rest.get("/a", is_critical=True)
            with pytest.raises(RestError, match="our own count"):
                await rest.get("/a", is_critical=True)
            assert len(venue.seen) == 5
            await rest.close()
    run(work())


def test_own_count_forgets_what_left_the_window() -> None:
    rate = RateState()
    assert [rate.take(("a", 2, 1.0), now, is_critical=True) for now in (10.0, 10.5)] == [0.0, 0.0]
    assert rate.take(("a", 2, 1.0), 10.6, is_critical=True) == pytest.approx(0.4)
    assert rate.take(("a", 2, 1.0), 11.1, is_critical=True) == 0.0
    assert rate.take(("b", 2, 1.0), 11.1, is_critical=True) == 0.0
    assert rate.take(None, 11.1, is_critical=False) == 0.0


def test_venue_s_reset_time_on_our_clock() -> None:
    now_ms = time.time_ns() // 1_000_000
    assert epoch_ms_to_mono_s(now_ms + 5000, 2_000_000_000) - time.monotonic() == pytest.approx(3.0, abs=0.05)


# ---------------------------------------------------------------- replies of Binance's sockets

@pytest.mark.parametrize(("message", "expected"), [
    ({"id": "r1", "status": 200, "result": {}}, ("r1", 0, "", 200)),
    ({"id": "r1", "status": 400, "error": {"code": -1021, "msg": "Timestamp"}}, ("r1", -1021, "Timestamp", 400)),
    ({"id": None, "status": 401, "error": {"code": -2015, "msg": "key"}}, ("", -2015, "key", 401)),
    ({"id": "r1", "error": {}}, ("r1", -1, "", 0)),
    ({"id": "r1", "status": "x", "error": {"code": "y", "msg": 7}}, ("r1", -1, "7", 0)),
    ([1], None)])
def test_binance_reply_says_whom_it_answers(message: Any, expected: tuple[str, int, str, int] | None) -> None:
    assert BinanceSocketDialect().reply_key(message) == expected


def test_binance_requests_have_keys_of_their_own() -> None:
    dialect = BinanceSocketDialect()
    (first, frame), (second, _) = dialect.request("time"), dialect.request("session.logon", {"a": 1})
    assert first != second
    assert orjson.loads(frame) == {"id": first, "method": "time"}


def test_binance_code_200_is_no_error() -> None:
    assert BinanceRestDialect().refusal(200, {"code": 200, "msg": "done"}) is None
    assert BinanceRestDialect().refusal(400, {"code": "x"}) == (0, "")
