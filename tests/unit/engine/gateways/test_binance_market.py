"""One market's clock, start, queries and streams against a scripted venue: what counts as an answer and what does not."""
from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cext.client_id import encode_client_id
from cext.sign import HmacSha256
from engine.connection import ConnectionPolicy
from engine.events import ErrorClass, OrderStatus, Source
from engine.gateways.binance import GATEWAY
from engine.gateways.binance_credentials import Credentials
from engine.gateways.binance_facts import ENDPOINTS, ROLES
from engine.gateways.contract import AccountRefused, GatewayHooks, GatewaySettings
from engine.gateways.settings import gateway_settings
from engine.rest import RestError
from engine.secrets import Ed25519Key
from tests.support.fake_venue import FakeRest, FakeWs, fake_rest, fake_ws, until
from tests.support.order_rows import order_table

TABLE = order_table().for_run([0, 1])
ARRAY = TABLE.to_array()
PEM = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
OURS = encode_client_id(7, 5 << 32 | 1, 0)
SPOT, LINEAR = 0, 1
ORDER = {"symbol": "BTCUSDT", "orderId": 70, "clientOrderId": OURS, "price": "64000.00", "origQty": "0.001",
         "executedQty": "0.00100",
         "cummulativeQuoteQty": "64.0", "status": "FILLED", "time": 1, "updateTime": 1700000000000}
TRADE = {"symbol": "BTCUSDT", "id": 9001, "orderId": 70, "price": "64000.00", "qty": "0.00100", "commission": "0.00000100",
         "commissionAsset": "BTC",
         "time": 1700000000000, "isBuyer": True, "isMaker": False}


def server_time(_: object = None) -> dict[str, int]:
    return {"serverTime": time.time_ns() // 1_000_000}


def good_routes(venue: FakeRest) -> None:
    """An account as it should be, both markets on one port."""
    venue.routes.update({
        "GET /api/v3/time": lambda _: (200, {}, b'{"serverTime":%d}' % (time.time_ns() // 1_000_000)),
        "GET /fapi/v1/time": lambda _: (200, {}, b'{"serverTime":%d}' % (time.time_ns() // 1_000_000)),
        "GET /api/v3/account": {"canTrade": True, "accountType": "SPOT",
                                "balances": [{"asset": "USDT", "free": "100.5", "locked": "0"},
                                                                                   {"asset": "BTC", "free": "1.5",
                                                                                    "locked": "0.25"}]},
        "GET /api/v3/account/commission": {"standardCommission": {"maker": "0.001", "taker": "0.001", "buyer": "0",
                                                                  "seller": "0"}},
        "GET /api/v3/openOrders": [{"symbol": "BTCUSDT", "clientOrderId": OURS},
                                   {"symbol": "BTCUSDT", "clientOrderId": "web_123"}],
        "GET /fapi/v1/positionSide/dual": {"dualSidePosition": False},
        "GET /fapi/v1/multiAssetsMargin": {"multiAssetsMargin": False},
        "GET /fapi/v1/symbolConfig": [{"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 5}],
        "GET /fapi/v3/balance": [{"asset": "USDT", "balance": "200", "availableBalance": "150"}],
        "GET /fapi/v3/positionRisk": [{"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.020", "entryPrice": "1"}],
        "GET /fapi/v1/commissionRate": {"makerCommissionRate": "0.0002", "takerCommissionRate": "0.0005"},
        "GET /fapi/v1/openOrders": [],
        "POST /fapi/v1/listenKey": {"listenKey": "LK1"},
        "PUT /fapi/v1/listenKey": {"listenKey": "LK1"},
        "DELETE /fapi/v1/listenKey": {},
    })


class Rig:
    """A gateway, its scripted venue, and everything that it said."""

    def __init__(self, rest: FakeRest, ws: FakeWs, **options: Any) -> None:
        self.rest, self.ws = rest, ws
        self.events: list[Any] = []
        self.sessions: list[tuple[str, str, bool]] = []
        self.facts: list[Any] = []
        self.notices: list[Any] = []
        self.alerts: list[tuple[str, str]] = []
        self.stops: list[tuple[str, str, float]] = []
        good_routes(rest)
        for method in ("userDataStream.subscribe", "userDataStream.subscribe.signature"):
            ws.answers[method] = lambda request: {"id": request["id"], "status": 200, "result": {"subscriptionId": 0}}
        settings = GatewaySettings(
            {"spot_rest": rest.url, "spot_ws_api": ws.url + "/spot", "linear_rest": rest.url, "linear_ws_api": ws.url + "/linear",
             "linear_ws_private": ws.url + "/private"},
            Credentials("H" * 64, HmacSha256(b"secret"), "E" * 64, Ed25519Key(PEM)),
            instance=7, policy=ConnectionPolicy(first_ms=100, last_ms=200), **options)
        self.gateway = GATEWAY.make_gateway(settings, TABLE, ARRAY, GatewayHooks(
            event=self.events.append, session=lambda _, market, kind, is_up, why: self.sessions.append((market, kind, is_up)),
            account=self.facts.append, notice=self.notices.append, alert=lambda code, text: self.alerts.append((code, text)),
            rate_stop=lambda *what: self.stops.append(what)))

    def peer(self, path: str) -> Any:
        """The newest open connection to a path."""
        return [peer for peer, where in zip(self.ws.peers, self.ws.paths, strict=False) if where.startswith(path)
                and peer.transport is not None][-1]

    def asked(self, path: str) -> list[dict[str, list[str]]]:
        return [parse_qs(urlsplit(raw).query) for _, raw, _ in self.rest.seen if urlsplit(raw).path == path]


@contextlib.asynccontextmanager
async def rig(*, is_started: bool = True, **options: Any) -> AsyncIterator[Rig]:
    async with fake_rest() as rest, fake_ws() as ws:
        made = Rig(rest, ws, **options)
        try:
            if is_started:
                await made.gateway.start(give_up_after_s=2)
            yield made
        finally:
            await made.gateway.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


# ---------------------------------------------------------------- start

@pytest.mark.parametrize("order_auth", ["ed25519", "hmac"])
def test_start_reads_everything_and_is_ready(order_auth: str) -> None:
    async def work() -> None:
        async with rig(order_auth=order_auth) as r:
            assert r.gateway.is_ready()
            assert set(r.sessions) == {(market, kind, True) for market in ("spot", "linear")
                                       for kind in ("orders", "user", "clock")}
            spot, linear = (r.gateway.markets[name].state for name in ("spot", "linear"))
            assert spot.fees["BTCUSDT"].taker == Decimal("0.001")
            assert (spot.own_orders, spot.foreign_orders) == ([("BTCUSDT", OURS)], [("BTCUSDT", "web_123")])
            assert (linear.leverage, linear.margin_type) == ({"BTCUSDT": 5}, {"BTCUSDT": "CROSSED"})
            assert [p.qty for p in linear.positions] == [-20]
            methods = [request["method"] for request in r.ws.requests]
            # user streams take the Ed25519 key where there is one
            assert methods.count("session.logon") == (3 if order_auth == "ed25519" else 1)
            assert sorted(r.ws.paths) == ["/linear", "/private/ws/LK1", "/spot", "/spot?returnRateLimits=false"]
    run(work())


def test_stop_closes_everything_and_gives_the_listen_key_back() -> None:
    async def work() -> None:
        async with rig() as r:
            pass
        assert all(peer.transport is None for peer in r.ws.peers)
        assert r.rest.seen[-1][:2] == ("DELETE", "/fapi/v1/listenKey")
        assert not [task for task in asyncio.all_tasks() if "binance" in task.get_name()]
    run(work())


@pytest.mark.parametrize(("route", "answer", "word"), [
    ("GET /fapi/v1/positionSide/dual", {"dualSidePosition": True}, "hedge mode"),
    ("GET /fapi/v1/multiAssetsMargin", {"multiAssetsMargin": True}, "multiAssetsMargin"),
    ("GET /fapi/v1/symbolConfig", [{"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 125}], "leverage is 125"),
    ("GET /fapi/v1/symbolConfig", [], "no entry for BTCUSDT"),
    ("GET /api/v3/account", {"canTrade": False, "balances": []}, "canTrade"),
    ("GET /api/v3/account", (401, {}, b'{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'),
     "refuses the key")])
def test_accounts_that_are_not_as_they_must_be_are_refused_at_once(route: str, answer: Any, word: str) -> None:
    async def work() -> None:
        async with rig(is_started=False) as r:
            r.rest.routes[route] = answer
            with pytest.raises(AccountRefused, match=word):
                await r.gateway.start(give_up_after_s=2)
            market = "spot" if "/api/" in route else "linear"
            assert (market, "orders", True) not in r.sessions
    run(work())


def test_venue_that_is_away_is_tried_again_and_said_so() -> None:
    async def work() -> None:
        async with rig(is_started=False) as r:
            calls: list[int] = []

            def away(_: Any) -> tuple[int, dict[str, str], bytes]:
                calls.append(1)
                return (503, {}, b"<html>") if len(calls) < 3 else (200, {}, b'{"serverTime":%d}' % (time.time_ns() // 1_000_000))
            r.rest.routes["GET /api/v3/time"] = away
            await r.gateway.start(give_up_after_s=5)
            assert [code for code, _ in r.alerts] == ["venue_unreachable", "venue_unreachable"]
            assert r.gateway.is_ready()
    run(work())


# ---------------------------------------------------------------- clock

def test_clock_offset_reaches_orders_and_requests() -> None:
    async def work() -> None:
        async with rig() as r:
            spot = r.gateway.markets["spot"]
            r.rest.routes["GET /api/v3/time"] = lambda _: (200, {}, b'{"serverTime":%d}' % (time.time_ns() // 1_000_000 + 3000))
            await spot.measure_clock()
            assert abs(spot.clock.offset_ns - 3_000_000_000) < 20_000_000
            assert spot.orders.clock_offset_ns == spot.rest.clock_offset_ns == spot.clock.offset_ns
            assert abs(spot.orders.venue_time_ms() - time.time() * 1000 - 3000) < 50
    run(work())


def test_time_error_of_an_order_measures_the_clock_again() -> None:
    async def work() -> None:
        async with rig() as r:
            r.ws.answers["order.place"] = lambda request: {"id": request["id"], "status": 400,
                                                           "error": {"code": -1021, "msg": "Timestamp"}}
            before = len(r.asked("/api/v3/time"))
            r.gateway.sessions()["spot"].place(SPOT, OURS, 0, 0, 100, 5)
            await until(lambda: len(r.asked("/api/v3/time")) > before)
            assert r.events[0].error_class == ErrorClass.TIME
    run(work())


# ---------------------------------------------------------------- queries

def test_query_brings_fills_with_fees_and_then_the_status() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /api/v3/order"] = ORDER
            r.rest.routes["GET /api/v3/myTrades"] = [TRADE]
            answer = await r.gateway.query("order", SPOT, OURS)
            fill, status = answer.events
            assert (fill.trade_id, fill.last_qty, fill.last_px, fill.fee, fill.fee_asset, fill.source) == (
                9001, 100, 6_400_000, Decimal("0.00000100"), "BTC", Source.QUERY)
            assert (status.status, status.cum_qty, answer.is_found) == (OrderStatus.FILLED, 100, True)
            assert r.asked("/api/v3/order")[0]["origClientOrderId"] == [OURS]
            assert r.asked("/api/v3/myTrades")[0]["orderId"] == ["70"]
    run(work())


def test_not_found_is_an_event_and_no_exception() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /fapi/v1/order"] = (400, {}, b'{"code":-2013,"msg":"Order does not exist."}')
            answer = await r.gateway.query("order", LINEAR, OURS)
            assert (answer.is_found, [e.status for e in answer.events], answer.events[0].instrument_id) == (
                False,
                [OrderStatus.NOT_FOUND],
                LINEAR,
            )
    run(work())


@pytest.mark.parametrize("answer", [
    (503, {}, b"<html>"), (500, {}, b'{"code":-1000,"msg":"unknown"}'), (200, {}, b""), (200, {}, b"[]"),
    (400, {}, b'{"code":-1021,"msg":"Timestamp"}'),
    (401, {}, b'{"code":-2015,"msg":"key"}'),
    (200, {}, b'{"symbol":"BTCUSDT","status":"NEW","orderId":1,"clientOrderId":"other","executedQty":"0"}'),
    (400, {}, b'{"code":-2011,"msg":"Unknown order sent."}' + b"x")])
def test_anything_else_is_no_answer_and_never_not_found(answer: tuple[int, dict[str, str], bytes]) -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /api/v3/order"] = answer
            with pytest.raises(RestError):
                await r.gateway.query("order", SPOT, OURS)
    run(work())


def test_fills_without_a_venue_id_are_attributed_by_looking_strangers_up() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /api/v3/myTrades"] = [TRADE, {**TRADE, "id": 9002, "orderId": 71}]
            names = {"70": OURS, "71": "web_1"}

            def order(request: Any) -> tuple[int, dict[str, str], bytes]:
                return 200, {}, b'{"clientOrderId":"%s"}' % names[request.query["orderId"]].encode()
            r.rest.routes["GET /api/v3/order"] = order
            answer = await r.gateway.query("fills", SPOT, OURS, since_mono_ns=time.monotonic_ns() - 500_000_000)
            assert ([e.trade_id for e in answer.events], answer.is_found) == ([9001], True)
            start = int(r.asked("/api/v3/myTrades")[0]["startTime"][0])
            assert 1300 <= time.time() * 1000 - start <= 2500  # half a second ago, and one more
            await r.gateway.query("fills", SPOT, OURS, since_mono_ns=time.monotonic_ns())
            assert len(r.asked("/api/v3/order")) == 2  # known from then on
            nobody = await r.gateway.query("fills", SPOT, encode_client_id(7, 99, 0), since_mono_ns=time.monotonic_ns())
            assert (nobody.events, nobody.is_found) == ([], False)
    run(work())


def test_too_many_strangers_are_no_answer() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /api/v3/myTrades"] = [{**TRADE, "id": n, "orderId": n} for n in range(1, 8)]
            with pytest.raises(RestError, match="7 orders of others"):
                await r.gateway.query("fills", SPOT, OURS)
    run(work())


@pytest.mark.parametrize("change", [{"qty": "0.000001"}, {"qty": None}, {"commission": 0.5}, {"id": "x"}])
def test_trades_that_make_no_sense_are_no_answer(change: dict[str, Any]) -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /api/v3/myTrades"] = [{**TRADE, **change}]
            with pytest.raises(RestError, match="makes no sense"):
                await r.gateway.query("fills", SPOT, OURS, venue_order_id=70)
    run(work())


@pytest.mark.parametrize("answer", [7, None, {}, [7], ["x"], [{}], [{"orderId": "x"}], {"code": 0}])
def test_answers_of_another_shape_are_no_answer(answer: Any) -> None:
    async def work() -> None:
        async with rig() as r:
            for route in ("GET /api/v3/myTrades", "GET /api/v3/account", "GET /api/v3/order"):
                r.rest.routes[route] = lambda _: (200, {}, orjson.dumps(answer))
            for ask in ("fills", "position", "order"):
                with pytest.raises(RestError):
                    await r.gateway.query(ask, SPOT, OURS)
    run(work())


def test_keys_are_in_no_log_line_and_no_message(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with rig(order_auth="hmac") as r:
            r.rest.routes["GET /api/v3/order"] = (400, {}, b'{"code":-1022,"msg":"Signature for this request is not valid."}')
            with pytest.raises(RestError) as caught:
                await r.gateway.query("order", SPOT, OURS)
            r.peer("/spot?").send(b'{"id":"x","result":{"apiKey":"' + b"H" * 64 + b'"}')
            r.peer("/spot?").send(b'{"nonsense":"' + b"n" * 40 + b"H" * 64)
            await until(lambda: r.gateway.sessions()["spot"].undecodable == 2)
            told = str(caught.value) + repr(caught.value) + str(r.alerts) + str(r.gateway.stats()) + repr(r.gateway.settings)
            for secret in ("H" * 64, "E" * 64, "secret", PEM.split("\n")[1]):
                assert secret not in told + caplog.text, secret[:4]
    caplog.set_level(0)
    run(work())


def test_positions_of_both_markets_in_base_units() -> None:
    async def work() -> None:
        async with rig() as r:
            assert (await r.gateway.query("position", SPOT, OURS)).position == Decimal("1.75")
            assert (await r.gateway.query("position", LINEAR, OURS)).position == Decimal("-0.020")
            r.rest.routes["GET /fapi/v3/positionRisk"] = []
            assert (await r.gateway.query("position", LINEAR, OURS)).position == 0
    run(work())


def test_cancel_takes_rest_when_the_socket_cannot_send() -> None:
    async def work() -> None:
        async with rig() as r:
            assert await r.gateway.cancel(SPOT, OURS) == []  # over the socket: the answer is an event
            assert (
                r.ws.requests[-1]["method"] == "order.cancel"
                or await until(lambda: r.ws.requests[-1]["method"] == "order.cancel") is None
            )
            r.gateway.markets["spot"].orders.socket.abort("test")  # type: ignore[union-attr]
            await until(lambda: not r.gateway.sessions()["spot"].is_sendable())
            r.rest.routes["DELETE /api/v3/order"] = {**ORDER, "origClientOrderId": OURS, "clientOrderId": "c",
                                                     "status": "CANCELED"}
            [event] = await r.gateway.cancel(SPOT, OURS)
            assert event.status == OrderStatus.CANCELED
    run(work())


def test_row_that_is_not_ours_is_named() -> None:
    async def work() -> None:
        async with rig(is_started=False) as r:
            with pytest.raises(LookupError, match="row 99"):
                r.gateway.market_of(99)
            with pytest.raises(ValueError, match="not a question"):
                await r.gateway.query("hope", SPOT, OURS)
    run(work())


# ---------------------------------------------------------------- streams and limits

def test_account_events_become_facts_and_unknown_ones_are_counted() -> None:
    async def work() -> None:
        async with rig() as r:
            r.peer("/private").send({"e": "ACCOUNT_UPDATE", "E": 2, "T": 1,
                                     "a": {"m": "FUNDING_FEE", "B": [{"a": "USDT", "wb": "1", "bc": "-0.5"}]}})
            r.peer("/private").send({"e": "BRAND_NEW", "E": 2})
            await until(lambda: r.facts and r.gateway.markets["linear"].unknown_events)
            assert r.facts[0].reason == "FUNDING_FEE"
            assert r.gateway.markets["linear"].unknown_events == {"BRAND_NEW": 1}
    run(work())


def test_account_event_that_makes_no_sense_is_an_alert_and_the_stream_lives() -> None:
    async def work() -> None:
        async with rig() as r:
            r.peer("/private").send({"e": "ACCOUNT_UPDATE", "E": 2})
            await until(lambda: r.alerts)
            assert "ACCOUNT_UPDATE" in r.alerts[0][1]
            assert r.gateway.is_ready()
    run(work())


def test_expired_listen_key_gets_a_new_stream_before_the_old_one_goes() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["POST /fapi/v1/listenKey"] = {"listenKey": "LK2"}
            r.peer("/private").send({"e": "listenKeyExpired", "E": 1, "listenKey": "LK1"})
            await until(lambda: "/private/ws/LK2" in r.ws.paths
                        and r.gateway.markets["linear"].user.socket.number == 2)  # type: ignore[union-attr]
            assert r.notices[0].what == "listen_key_expired"
            assert ("linear", "user", False) not in r.sessions
    run(work())


def test_announced_shutdown_replaces_the_order_socket() -> None:
    async def work() -> None:
        async with rig() as r:
            r.peer("/spot?").send({"event": {"e": "serverShutdown", "E": 1770123456789}})
            await until(lambda: r.gateway.sessions()["spot"].socket.number == 2)  # type: ignore[union-attr]
            assert ("spot", "orders", False) not in r.sessions
    run(work())


def test_ban_over_the_socket_stops_rest_as_well() -> None:
    async def work() -> None:
        async with rig() as r:
            r.ws.answers["order.place"] = lambda request: {"id": request["id"], "status": 418, "error": {
                "code": -1003, "msg": "banned", "data": {"serverTime": 1, "retryAfter": int(time.time() * 1000) + 60_000}}}
            r.gateway.sessions()["spot"].place(SPOT, OURS, 0, 0, 100, 5)
            await until(lambda: r.stops)
            assert 58 < r.stops[0][2] < 61
            with pytest.raises(RestError, match="banned"):
                await r.gateway.query("order", SPOT, OURS)
    run(work())


def test_hook_that_raises_is_an_alert_and_ends_nothing() -> None:
    async def work() -> None:
        async with rig() as r:
            def broken(*_: Any) -> None:
                raise KeyError("desk")
            market = r.gateway.markets["spot"]
            hooks = GatewayHooks(event=broken, session=broken, alert=lambda code, text: r.alerts.append((code, text))).guarded()
            market.hooks = hooks
            r.ws.answers["order.place"] = lambda request: {"id": request["id"], "status": 400,
                                                           "error": {"code": -1013, "msg": "Filter failure: LOT_SIZE"}}
            market.orders.place(SPOT, OURS, 0, 0, 100, 5)
            await until(lambda: r.alerts)
            assert r.alerts == [("hook_raised", "hook event: KeyError: 'desk'")]
            assert market.orders.is_ready
            market.clock = type(market.clock)()
            await market.measure_clock()  # its session hook raises as well
            assert market.clock.is_good
    run(work())


def test_task_that_ends_by_an_exception_says_so() -> None:
    async def work() -> None:
        async with rig() as r:
            async def broken() -> None:
                raise LookupError("no more")
            r.gateway.markets["spot"].spawn("errand", broken())
            await until(lambda: r.alerts)
            assert r.alerts == [("task_ended", "binance spot errand: LookupError: no more")]
    run(work())


# ---------------------------------------------------------------- settings

class VenueSection:
    """What gateway_settings reads of the configuration."""
    markets = ("spot", "linear")
    order_auth = "hmac"
    recv_window_ms = 400


def test_simulated_modes_never_fall_back_to_real_addresses() -> None:
    for mode in ("sim", "paper"):
        with pytest.raises(ValueError, match="no simex.json"):
            gateway_settings(VenueSection(), mode)
        with pytest.raises(ValueError, match="lacks spot_ws_api"):
            gateway_settings(VenueSection(), mode, simex={"endpoints": {"binance": {
                role: "http://127.0.0.1" for roles in ROLES.values() for role in roles if role != "spot_ws_api"}}})
    with pytest.raises(ValueError, match="no order transport"):
        gateway_settings(VenueSection(), "dry_run")


def test_missing_keys_are_named() -> None:
    for order_auth, word in (("hmac", "hmac_key and hmac_secret"), ("ed25519", "ed25519_key and ed25519_private")):
        with pytest.raises(ValueError, match=word):
            GATEWAY.make_gateway(GatewaySettings(ENDPOINTS["testnet"], Credentials(), order_auth=order_auth), TABLE, ARRAY)
