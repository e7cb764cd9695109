"""How Bybit's requests look: signatures (vectors computed by the documented rule), exact bytes, rate headers, replies."""
from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest

from cext.sign import HmacSha256
from engine.gateways.bybit_credentials import Credentials
from engine.gateways.bybit_wire import BybitRestDialect, BybitSocketDialect
from engine.rest import RestClient, RestError
from engine.rest_dialect import KeyMissing, RateState
from tests.support.bybit_orders import envelope
from tests.support.fake_venue import fake_rest

KEYS = Credentials("XXXXXXXXXX", HmacSha256(b"Y" * 36))
TIME_NS = 1_658_384_314_791_000_000


def build(method: str, params: dict[str, Any], *, is_signed: bool = True, recv_window_ms: int = 5000) -> Any:
    return BybitRestDialect(KEYS, recv_window_ms).build(method, "/v5/x", params, is_signed=is_signed, with_key=False,
                                                        timestamp_ns=TIME_NS)


# ---------------------------------------------------------------- signatures

def test_signature_of_a_get_is_over_the_query_as_sent() -> None:
    made = build("GET", {"category": "option", "symbol": "BTC-29JUL22-25000-C"})
    assert made.query == "category=option&symbol=BTC-29JUL22-25000-C"
    assert made.body == b""
    assert made.headers == {"X-BAPI-API-KEY": "XXXXXXXXXX", "X-BAPI-TIMESTAMP": "1658384314791", "X-BAPI-RECV-WINDOW": "5000",
                            "X-BAPI-SIGN": "49c26b0f76e0bec6b926f119814d66c4bdf59de44adf2a1864b1ea0bfd9c710c"}


def test_signature_of_a_post_is_over_the_body_as_sent() -> None:
    made = build("POST", {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001",
                          "price": "28000", "timeInForce": "PostOnly", "orderLinkId": "arb-0001"})
    assert made.query == ""
    assert made.body == (b'{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.001","price":"28000",'
                         b'"timeInForce":"PostOnly","orderLinkId":"arb-0001"}')
    assert made.headers["X-BAPI-SIGN"] == "ed714c65bdfaaf8605bbda1cc3937640bfdf3f2ba22e894843a015f0cdc39704"
    assert made.headers["Content-Type"] == "application/json"


def test_logon_of_a_socket() -> None:
    args = KEYS.logon_args(1662350400000)
    assert args == ["XXXXXXXXXX", 1662350400000, "9f96338b434359fa6300c2d0040ffe25962cbc700dac649bfc7c59ef64431f89"]
    key, frame = BybitSocketDialect().logon(KEYS, 1662350400000, is_trade=True)
    assert (key, orjson.loads(frame)) == ("auth", {"reqId": "auth", "op": "auth", "args": args})
    key, frame = BybitSocketDialect().logon(KEYS, 1662350400000, is_trade=False)
    assert (key, orjson.loads(frame)) == ("auth", {"req_id": "auth", "op": "auth", "args": args})


def test_public_requests_show_no_key_and_unsigned_ones_need_none() -> None:
    assert build("GET", {"category": "spot"}, is_signed=False).headers == {}
    with pytest.raises(KeyMissing, match="no key"):
        BybitRestDialect().build("GET", "/v5/x", {}, is_signed=True, with_key=False, timestamp_ns=TIME_NS)


def test_the_bytes_that_were_signed_are_those_that_arrive() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            bodies: list[bytes] = []

            async def take(request: Any) -> tuple[int, dict[str, str], bytes]:
                bodies.append(await request.read())
                return 200, {}, orjson.dumps(envelope({}))
            venue.routes["GET /v5/a"] = envelope({})
            venue.routes["POST /v5/b"] = take
            rest = RestClient("bybit", venue.url, BybitRestDialect(KEYS, 700))
            await rest.get("/v5/a", {"cursor": "page%2Ftoken&x=1,é", "limit": 50}, is_signed=True)
            await rest.json("POST", "/v5/b", {"symbol": "BTCUSDT", "n": 1, "text": "é"}, is_signed=True)
            (_, path, get), (_, _, post) = venue.seen
            query = path.partition("?")[2]
            for headers, payload in ((get, query), (post, bodies[0].decode())):
                signed = f"{headers['X-BAPI-TIMESTAMP']}XXXXXXXXXX700{payload}"
                assert headers["X-BAPI-SIGN"] == HmacSha256(b"Y" * 36).hex(signed.encode())
                assert abs(int(headers["X-BAPI-TIMESTAMP"]) - time.time() * 1000) < 2000
            await rest.close()
    asyncio.run(asyncio.wait_for(work(), 20))


def test_keys_are_in_no_repr() -> None:
    assert "X" * 10 not in repr(KEYS)
    assert repr(KEYS) == "Credentials(hmac=yes)"
    assert (KEYS.has("hmac"), KEYS.has("ed25519"), Credentials().has("hmac")) == (True, False, False)
    with pytest.raises(ValueError, match="no key"):
        Credentials().sign("x")


# ---------------------------------------------------------------- errors and rates

@pytest.mark.parametrize(("status", "body", "expected"), [
    (200, envelope({}), None), (200, envelope({}, 10003, "API key is invalid."), (10003, "API key is invalid.")),
    (500, envelope({}, 10016, "x"), (10016, "x")), (200, [], (0, "no retCode: []")), (200, {"retCode": True},
                                                                                      (0, "no retCode: {'retCode': True}")),
    (500, envelope({}), (0, "OK"))])
def test_what_is_a_refusal(status: int, body: Any, expected: tuple[int, str] | None) -> None:
    assert BybitRestDialect().refusal(status, body) == expected


def note(status: int, headers: dict[str, str], body: bytes, now: float = 0.0) -> RateState:
    rate = RateState()
    BybitRestDialect().note(rate, "/v5/x", status, headers, body, now or time.monotonic())
    return rate


def limits(left: int, reset_in_ms: int = 0) -> dict[str, str]:
    return {"X-Bapi-Limit": "50", "X-Bapi-Limit-Status": str(left),
            "X-Bapi-Limit-Reset-Timestamp": str(int(time.time() * 1000) + reset_in_ms)}


def test_what_is_left_of_a_limit_is_kept_for_critical_requests() -> None:
    now = time.monotonic()
    assert not note(200, limits(49), b'{"retCode":0}').is_crowded(now, "/v5/x")
    few = note(200, limits(3), b'{"retCode":0}')
    assert few.is_crowded(now, "/v5/x")
    assert not few.is_crowded(now, "/v5/other")
    assert not few.is_crowded(now + 1.5, "/v5/x")   # the window is a second, though the venue tells the present time as its end
    assert few.stopped_for_s(now) == 0


def test_too_many_visits_empty_the_bucket_until_the_reset() -> None:
    now = time.monotonic()
    for headers in (limits(0, 3000), {}):
        rate = note(200, headers, b'{"retCode":10006,"retMsg":"Too many visits!"}')
        assert (rate.buckets["/v5/x"].remaining, rate.is_crowded(now, "/v5/x"), rate.stopped_for_s(now)) == (0, True, 0)
        assert rate.is_crowded(now + 2, "/v5/x") == bool(headers)


@pytest.mark.parametrize(("status", "body", "seconds", "is_ban"), [
    (403, b"403, access too frequent. Please try again later.", 600, True),
    (403, b"<html>The Amazon CloudFront distribution is configured to block access from your country.</html>", 60, True),
    (429, b"", 1, False), (200, b'{"retCode":10429,"retMsg":"System protection"}', 1, False),
    (200, b'{"retCode": 10403,"retMsg":"x"}', 1, False)])
def test_stops(status: int, body: bytes, seconds: float, is_ban: bool) -> None:
    rate = note(status, {}, body)
    assert abs(rate.stopped_for_s(time.monotonic()) - seconds) < 0.5
    assert (rate.is_banned, rate.stops) == (is_ban, 1)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"retCode":0,"result":{"note":"retCode 10429"}}',
                                  b"x" * 100 + b'"retCode":10429'])
def test_other_answers_stop_nothing(body: bytes) -> None:
    assert note(200, {"X-Bapi-Limit": "x", "X-Bapi-Limit-Status": ""}, body).stops == 0


def test_shut_out_address_asks_no_more_for_ten_minutes() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /v5/a"] = (403, {}, b"403, access too frequent")
            rest = RestClient("bybit", venue.url, BybitRestDialect(KEYS))
            for word in ("HTTP 403", "banned by the venue for another (599|600)"):
                with pytest.raises(RestError, match=word):
                    await rest.get("/v5/a", is_critical=True)
            assert len(venue.seen) == 1
            await rest.close()
    asyncio.run(asyncio.wait_for(work(), 20))


# ---------------------------------------------------------------- replies on sockets

@pytest.mark.parametrize(("message", "expected"), [
    ({"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"}, ("auth", 0, "")),
    ({"success": False, "ret_msg": "Params Error", "op": "auth", "conn_id": "c"}, ("auth", -1, "Params Error")),
    ({"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c"}, ("auth", 0, "OK")),
    ({"reqId": "auth", "retCode": 10004, "retMsg": "Invalid sign", "op": "auth"}, ("auth", 10004, "Invalid sign")),
    ({"success": True, "ret_msg": "", "conn_id": "c", "req_id": "subscribe", "op": "subscribe"}, ("subscribe", 0, "")),
    ({"success": False, "ret_msg": "Invalid topic", "conn_id": "c", "op": "subscribe"}, ("subscribe", -1, "Invalid topic")),
    ({"reqId": "", "retCode": 10001, "retMsg": "bad", "op": ""}, ("", 10001, "bad")),
    ({"retCode": 0, "success": False, "op": "x"}, ("x", -1, "")), ({"success": "yes", "op": "x"}, ("x", -1, ""))])
def test_whom_a_reply_answers(message: dict[str, Any], expected: tuple[str, int, str]) -> None:
    reply = BybitSocketDialect().reply_key(message)
    assert reply is not None
    assert (reply.key, reply.code, reply.text) == expected


@pytest.mark.parametrize("message", [[], 7, None, {}, {"op": "hello"}])
def test_what_is_no_reply(message: Any) -> None:
    assert BybitSocketDialect().reply_key(message) is None
