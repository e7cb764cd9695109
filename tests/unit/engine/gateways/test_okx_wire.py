"""How OKX's requests look on the wire: signatures by vectors, exact bytes, refusals, own counts, whom a reply answers."""
from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest

from cext.sign import HmacSha256
from engine.gateways.okx_credentials import Credentials, load_credentials
from engine.gateways.okx_facts import LIMIT_OF_PATH, LIMITS, PATHS
from engine.gateways.okx_wire import BODY_LIST, OkxRestDialect, OkxSocketDialect, batches, iso_time
from engine.rest import RestClient, RestError
from engine.rest_dialect import KeyMissing, RateState
from tests.support.fake_venue import fake_rest

SECRET = b"22582BD0CFF14C41EDBF1AB98506286D"   # the sample secret of the venue's pages
KEYS = Credentials("the-key", HmacSha256(SECRET), "the-passphrase")
STAMP_NS = 1_607_418_537_715_000_000            # 2020-12-08T09:08:57.715Z
NOW = 1000.0


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def signed(method: str, path: str, params: dict[str, Any], *, is_demo: bool = False) -> Any:
    return OkxRestDialect(KEYS, is_demo=is_demo).build(method, path, params, is_signed=True, with_key=False,
                                                       timestamp_ns=STAMP_NS)


# ---------------------------------------------------------------- signatures

def test_vector_of_a_get() -> None:
    made = signed("GET", "/api/v5/account/balance", {"ccy": "BTC"})
    assert (made.query, made.body) == ("ccy=BTC", b"")
    assert made.headers == {"OK-ACCESS-KEY": "the-key", "OK-ACCESS-SIGN": "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
                            "OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z", "OK-ACCESS-PASSPHRASE": "the-passphrase"}


def test_vector_of_a_post() -> None:
    made = signed("POST", "/api/v5/trade/order", {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit",
                                                  "px": "1000",
                                                  "sz": "0.01", "clOrdId": "arb0001"})
    assert made.body == (b'{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"1000","sz":"0.01",'
                         b'"clOrdId":"arb0001"}')
    assert made.headers["OK-ACCESS-SIGN"] == "LjQVjiHPOFRquZDkXGYjQ67Aw88SNpkV19EU30Xuhcc="
    assert made.headers["Content-Type"] == "application/json"


def test_vector_of_a_login() -> None:
    key, frame = OkxSocketDialect().login(KEYS, 1_538_054_050)
    assert key == "login"
    assert orjson.loads(frame) == {"op": "login", "args": [{
        "apiKey": "the-key", "passphrase": "the-passphrase", "timestamp": "1538054050",
        "sign": "+LdIr8lkkvhr5hoA3g9TMC0+uQJ849ftAcocA/ouu4M="}]}


def test_what_is_signed_is_what_is_sent() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /api/v5/trade/order"] = {"code": "0", "data": []}
            venue.routes["POST /api/v5/trade/cancel-batch-orders"] = {"code": "0", "data": []}
            rest = RestClient("test", venue.url, OkxRestDialect(KEYS, is_demo=True))
            await rest.get("/api/v5/trade/order", {"instId": "BTC-USDT", "x": "a b&c"}, is_signed=True)
            await rest.json("POST", "/api/v5/trade/cancel-batch-orders", {BODY_LIST: [{"ordId": "1"}, {"ordId": "2"}]},
                            is_signed=True)
            await rest.get("/api/v5/trade/order")
            for (method, path, headers), body in list(zip(venue.seen, venue.bodies, strict=True))[:2]:
                text = f"{headers['OK-ACCESS-TIMESTAMP']}{method}{path}".encode() + body
                assert headers["OK-ACCESS-SIGN"] == base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()
            assert venue.bodies == [b"", b'[{"ordId":"1"},{"ordId":"2"}]', b""]
            assert all(headers["x-simulated-trading"] == "1" for _, _, headers in venue.seen)
            assert not any(name.startswith("OK-ACCESS") for name in venue.seen[2][2])
            await rest.close()
    run(work())


def test_live_requests_carry_no_mark_of_the_demo() -> None:
    assert "x-simulated-trading" not in signed("GET", "/a", {}).headers
    assert signed("GET", "/a", {}, is_demo=True).headers["x-simulated-trading"] == "1"


def test_times_have_three_decimals_and_no_offset() -> None:
    assert iso_time(1_607_418_537_000_000_000) == "2020-12-08T09:08:57.000Z"
    assert iso_time(1_607_418_537_007_999_999) == "2020-12-08T09:08:57.007Z"


def test_without_a_key_nothing_is_signed_and_nothing_is_shown() -> None:
    with pytest.raises(KeyMissing):
        OkxRestDialect().build("GET", "/a", {}, is_signed=True, with_key=False, timestamp_ns=STAMP_NS)
    with pytest.raises(ValueError, match="passphrase"):
        Credentials().sign("x")
    assert repr(KEYS) == "Credentials(hmac=yes, passphrase=yes)"


def test_credentials_need_all_three(tmp_path: Path) -> None:
    references = {}
    for name in ("hmac_key", "hmac_secret", "passphrase"):
        path = tmp_path / name
        path.write_text(f"value-of-{name}")
        path.chmod(0o600)
        references[name] = f"file:{path}"
    assert load_credentials(references).has("hmac")
    assert not load_credentials(references).has("ed25519")
    for name in references:
        assert not load_credentials({**references, name: None}).has("hmac")
    assert load_credentials(references).passphrase == "value-of-passphrase"


# ---------------------------------------------------------------- refusals

@pytest.mark.parametrize(("status", "body", "refused"), [
    (200, {"code": "0", "msg": "", "data": []}, None),
    (200, {"code": "51603", "msg": "Order does not exist.", "data": []}, (51603, "Order does not exist.")),
    (200, {"code": "1", "msg": "", "data": [{"sCode": "51400", "sMsg": "gone"}]}, (51400, "gone")),
    (200, {"code": "2", "msg": "", "data": [{"sCode": "0", "sMsg": ""}, {"sCode": "51400", "sMsg": "gone"}]}, (51400, "gone")),
    (200, {"code": "1", "msg": "all failed", "data": []}, (1, "all failed")),
    (500, {"code": "0", "msg": "?"}, (0, "?")),
    (429, {"code": "50011", "msg": "Too Many Requests"}, (50011, "Too Many Requests")),
    (200, {"data": []}, (0, "no code: {'data': []}")), (200, [], (0, "no code: []")), (200, {"code": 0},
                                                                                       (0, "no code: {'code': 0}"))])
def test_errors_stand_in_the_body(status: int, body: object, refused: tuple[int, str] | None) -> None:
    assert OkxRestDialect().refusal(status, body) == refused


def test_error_with_status_200_is_an_error() -> None:
    async def work() -> None:
        async with fake_rest() as venue:
            venue.routes["GET /a"] = {"code": "50119", "msg": "API key doesn't exist", "data": []}
            rest = RestClient("okx spot", venue.url, OkxRestDialect(KEYS))
            with pytest.raises(RestError, match="HTTP 200, code 50119: API key doesn't exist"):
                await rest.get("/a", is_signed=True)
            await rest.close()
    run(work())


# ---------------------------------------------------------------- rates

@pytest.mark.parametrize(("status", "body", "seconds"), [
    (200, b'{"code":"50011","msg":"Too Many Requests","data":[]}', 2.0), (429, b'{"code":"50011","msg":""}', 2.0),
    (200, b'{"code":"1","data":[{"clOrdId":"L","sCode":"50061","sMsg":""}],"msg":""}', 2.0), (429, b"<html>", 60.0),
    (429, b'{"code":"50013","msg":"Systems are busy"}', 0.0), (200, b'{"code":"0","data":[{"px":"50011"}]}', 0.0),
    (500, b"", 0.0)])
def test_rate_answers_stop_everything_for_a_window(status: int, body: bytes, seconds: float) -> None:
    rate = RateState()
    OkxRestDialect().note(rate, "/a", status, {}, body, NOW)
    assert rate.stopped_for_s(NOW) == seconds
    assert not rate.is_banned


def test_retry_after_counts_where_no_code_says_it() -> None:
    rate = RateState()
    OkxRestDialect().note(rate, "/a", 429, {"Retry-After": "7"}, b"", NOW)
    assert rate.stopped_for_s(NOW) == 7.0


def test_every_path_has_its_own_count() -> None:
    assert LIMITS.keys() == PATHS.keys()
    dialect = OkxRestDialect()
    assert dialect.local_limit("GET", "/api/v5/trade/order") == ("/api/v5/trade/order", 60, 2.0)
    assert dialect.local_limit("POST", "/api/v5/trade/cancel-all-after") == ("/api/v5/trade/cancel-all-after", 1, 1.0)
    assert dialect.local_limit("GET", "/api/v5/other") is None
    assert len({name for name, _, _ in LIMIT_OF_PATH.values()}) == len(PATHS)


# ---------------------------------------------------------------- sockets

def test_each_channel_is_a_request_of_its_own() -> None:
    words = OkxSocketDialect()
    assert {key: orjson.loads(frame) for key, frame in (words.subscribe("orders", "SPOT"), words.subscribe("account", ""),
                                                        words.subscribe("positions", "SWAP"))} == {
        "suborders": {"id": "suborders", "op": "subscribe", "args": [{"channel": "orders", "instType": "SPOT"}]},
        "subaccount": {"id": "subaccount", "op": "subscribe",
                       "args": [{"channel": "account", "extraParams": '{"updateInterval":"0"}'}]},
        "subpositions": {"id": "subpositions", "op": "subscribe", "args": [
            {"channel": "positions", "instType": "SWAP", "extraParams": '{"updateInterval":"0"}'}]}}


@pytest.mark.parametrize(("message", "reply"), [
    ({"event": "login", "code": "0", "msg": "", "connId": "a"}, ("login", 0, "", 0)),
    ({"event": "login", "code": "60009", "msg": "no"}, ("login", 60009, "no", 0)),
    ({"event": "error", "code": "60009", "msg": "Login failed.", "connId": "a"}, ("login", 60009, "Login failed.", 0)),
    ({"event": "error", "msg": "?"}, ("login", -1, "?", 0)),
    ({"id": "suborders", "event": "subscribe", "arg": {"channel": "orders"}}, ("suborders", 0, "", 0)),
    ({"event": "subscribe", "arg": {"channel": "orders"}}, ("suborders", 0, "", 0)),
    ({"id": "subaccount", "event": "error", "code": "60018", "msg": "wrong"}, ("subaccount", 60018, "wrong", 0)),
    ({"id": "", "op": "order", "code": "60012", "msg": "bad", "data": []}, ("", 60012, "bad", 0)),
    ({"op": "order", "data": []}, ("", -1, "", 0)), ({"event": "notice", "code": "64008"}, None), ({}, None), ([], None)])
def test_whom_a_reply_answers(message: object, reply: tuple[str, int, str, int] | None) -> None:
    assert OkxSocketDialect().reply_key(message) == reply


def test_batches() -> None:
    assert batches(list(range(5)), 2) == [[0, 1], [2, 3], [4]]
    assert batches([], 2) == []
