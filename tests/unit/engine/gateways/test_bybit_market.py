"""Bybit's two markets of one account against a scripted venue: start, sockets, orders, questions, and what counts as an answer."""
from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from decimal import Decimal
from typing import Any

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.decoders.orders import id64
from cext.sign import HmacSha256
from engine.connection import ConnectionPolicy
from engine.events import BalanceUpdate, ErrorClass, EventFlag, OrderStatus, OrderType, PositionUpdate, Sent, Side, Source
from engine.gateways.bybit import GATEWAY
from engine.gateways.bybit_credentials import Credentials
from engine.gateways.contract import AccountRefused, GatewayHooks, GatewaySettings
from engine.gateways.registry import gateway_venue, names
from engine.rest import RestError
from engine.sessions import RequestFailed
from tests.support.bybit_orders import (
    EXEC_ID,
    LINEAR,
    ORDER_ID,
    SPOT,
    ack,
    bybit_table,
    envelope,
    execution_told,
    listed,
    order_told,
    refusal,
    topic,
)
from tests.support.fake_venue import FakeRest, FakeWs, fake_rest, fake_ws, until
from tests.unit.engine.gateways.test_bybit_account import COIN, INFO, KEY, POSITION, SETTLEMENT, WALLET

TABLE = bybit_table().for_run([0, 1])
ARRAY = TABLE.to_array()
OURS = encode_client_id(7, 5 << 32 | 1, 0)
SECRET = b"secret-of-the-test"


def server_time(_: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, orjson.dumps(envelope({"timeSecond": str(time.time_ns() // 10**9), "timeNano": str(time.time_ns())}))


def by_category(**answers: Any) -> Any:
    """A route that answers each category in its own way."""
    return lambda request: (200, {}, orjson.dumps(answers[request.query["category"]]))


def positions(told: dict[str, Any]) -> Any:
    """One position, settled in USDT; asked by symbol or by settling coin."""
    return lambda request: (200, {}, orjson.dumps(listed(*([told] if request.query.get("settleCoin", "USDT") == "USDT" else []))))


def good_routes(venue: FakeRest) -> None:
    """An account as it should be."""
    venue.routes.update({
        "GET /v5/market/time": server_time,
        "GET /v5/user/query-api": envelope(KEY),
        "GET /v5/account/info": envelope(INFO),
        "GET /v5/account/wallet-balance": envelope({"list": [WALLET]}),
        "GET /v5/account/fee-rate": envelope({"list": [{"symbol": "BTCUSDT", "takerFeeRate": "0.001", "makerFeeRate": "0.0002"},
                                                       {"symbol": "XUSDT", "takerFeeRate": "1", "makerFeeRate": "1"}]}),
        "GET /v5/account/transaction-log": envelope({"list": [], "nextPageCursor": ""}),
        "GET /v5/position/list": positions(POSITION),
        "GET /v5/market/risk-limit": envelope({"list": []}),
        "GET /v5/order/realtime": by_category(spot=listed(order_told(OURS), order_told("web_1"),
                                                          order_told("old", orderStatus="Filled"), category="spot"),
                                              linear=listed()),
        "GET /v5/order/history": by_category(spot=listed(category="spot"), linear=listed()),
        "GET /v5/execution/list": by_category(spot=listed(category="spot"), linear=listed()),
    })


def auth(request: dict[str, Any]) -> dict[str, Any]:
    """The private socket's logon reply has no id; the order socket's has a code."""
    if "reqId" in request:
        return {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c"}
    return {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"}


class Rig:
    """A gateway, its scripted venue, and everything that it said."""

    def __init__(self, rest: FakeRest, ws: FakeWs, **options: Any) -> None:
        self.rest, self.ws = rest, ws
        self.events: list[Any] = []
        self.sessions: list[tuple[str, str, bool]] = []
        self.facts: list[Any] = []
        self.alerts: list[tuple[str, str]] = []
        self.stops: list[tuple[str, str, float]] = []
        good_routes(rest)
        ws.answers.update({
            "auth": auth,
            "subscribe": lambda request: {"success": True, "ret_msg": "", "conn_id": "c", "req_id": request["req_id"],
                                          "op": "subscribe"},
            "ping": lambda _: {"op": "pong", "args": ["1675418560633"], "conn_id": "c"},
            "order.create": lambda request: ack(request["reqId"], request["args"][0]["orderLinkId"]),
            "order.cancel": lambda request: ack(request["reqId"], request["args"][0]["orderLinkId"], "order.cancel")})
        settings = GatewaySettings({"rest": rest.url, "private_ws": ws.url + "/private", "trade_ws": ws.url + "/trade"},
                                   Credentials("K" * 18, HmacSha256(SECRET)), order_auth="hmac", instance=7,
                                   policy=ConnectionPolicy(first_ms=100, last_ms=200), **options)
        self.gateway = GATEWAY.make_gateway(settings, TABLE, ARRAY, GatewayHooks(
            event=self.events.append, session=lambda _, market, kind, is_up, why: self.sessions.append((market, kind, is_up)),
            account=self.facts.append, alert=lambda code, text: self.alerts.append((code, text)),
            rate_stop=lambda *what: self.stops.append(what)))

    def asked(self, op: str) -> list[dict[str, Any]]:
        return [request for request in self.ws.requests if request["op"] == op]

    def rest_asked(self, path: str) -> list[str]:
        return [raw.partition("?")[2] for _, raw, _ in self.rest.seen if raw.partition("?")[0] == path]


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


def push(rig: Rig, message: Any) -> None:
    """The venue says it on every private connection: each market takes what is its own."""
    for peer, path in zip(rig.ws.peers, rig.ws.paths, strict=False):
        if path == "/private" and peer.transport is not None:
            peer.send(message)


# ---------------------------------------------------------------- declaration and start

def test_bybit_is_found_by_its_name() -> None:
    assert gateway_venue("bybit") is GATEWAY
    assert "bybit" in names()
    assert {GATEWAY.account_of(market) for market in GATEWAY.markets} == {"bybit:unified"}
    assert GATEWAY.roles_of(("spot", "linear")) == ("rest", "private_ws", "trade_ws")
    assert not any(GATEWAY.features[market].acks_are_final or GATEWAY.features[market].dead_man for market in GATEWAY.markets)


def test_roles_are_those_of_the_feed_s_declaration() -> None:
    from feeds.venues.bybit import VENUE
    assert set(GATEWAY.roles_of(GATEWAY.markets)) <= set(VENUE.roles)
    assert VENUE.account == GATEWAY.account
    for mode, of_feed in (("live", "paper"), ("testnet", "testnet")):
        ours, told = GATEWAY.endpoints[mode], VENUE.endpoints[of_feed]
        assert {role: ours[role] for role in ours.keys() & told.keys()} == {role: told[role]
                                                                            for role in ours.keys() & told.keys()}
        assert ours.keys() == set(GATEWAY.roles_of(GATEWAY.markets))


def test_start_reads_everything_and_is_ready() -> None:
    async def work() -> None:
        async with rig() as r:
            assert r.gateway.is_ready()
            assert set(r.sessions) == {(market, kind, True) for market in ("spot", "linear")
                                       for kind in ("orders", "user", "clock")}
            spot, linear = (r.gateway.markets[name].state for name in ("spot", "linear"))
            assert (spot.own_orders, spot.foreign_orders) == ([("BTCUSDT", OURS)], [("BTCUSDT", "web_1")])
            assert {spot.account, linear.account} == {"bybit:unified"}
            assert [b.asset for b in spot.balances] == ["BTC", "USDT"]
            assert linear.balances == []   # told once an account
            assert (linear.leverage, linear.margin_type, [p.qty for p in linear.positions]) == ({"BTCUSDT": 10},
                                                                                                {"BTCUSDT": "CROSSED"}, [-20])
            assert {market.fees["BTCUSDT"].taker for market in (spot, linear)} == {Decimal("0.001")}
            assert spot.mode == linear.mode == "unified 2.0, REGULAR_MARGIN"
            assert sorted(r.ws.paths) == ["/private", "/private", "/trade", "/trade"]
            assert len(r.asked("auth")) == 4
            topics = sorted(request["args"] for request in r.asked("subscribe"))
            assert topics == [["order.linear", "execution.linear", "position.linear"], ["order.spot", "execution.spot", "wallet"]]
            [report] = r.gateway.account_report()
            assert (report.account, report.markets, report.dead_man) == ("bybit:unified", ("spot", "linear"), "none")
            assert "borrowed now: 30 USDT" in report.borrow
            assert any("no cancel timer" in lack for lack in report.lacks)
    run(work())


def test_logon_is_signed_for_each_socket() -> None:
    async def work() -> None:
        async with rig() as r:
            for request in r.asked("auth"):
                key, expires_ms, signature = request["args"]
                assert (key, signature) == ("K" * 18, HmacSha256(SECRET).hex(f"GET/realtime{expires_ms}".encode()))
                assert 8_000 < expires_ms - time.time() * 1000 <= 10_000
    run(work())


@pytest.mark.parametrize(("path", "answer", "word"), [
    ("GET /v5/account/info", envelope({**INFO, "unifiedMarginStatus": 1}), "unifiedMarginStatus is 1"),
    ("GET /v5/account/info", envelope({**INFO, "marginMode": "PORTFOLIO_MARGIN"}), "PORTFOLIO_MARGIN"),
    ("GET /v5/position/list", positions({**POSITION, "positionIdx": 1}), "hedge mode"),
    ("GET /v5/position/list", positions({**POSITION, "leverage": "50"}), "leverage is 50"),
    ("GET /v5/user/query-api", envelope({**KEY, "readOnly": 1}), "readOnly"),
    ("GET /v5/user/query-api", envelope({}, 10003, "API key is invalid."), "refuses the key"),
    ("GET /v5/user/query-api", envelope({}, 33004, "Your api key has expired."), "refuses the key")])
def test_accounts_that_are_refused_end_the_start(path: str, answer: Any, word: str) -> None:
    async def work() -> None:
        async with rig(is_started=False) as r:
            r.rest.routes[path] = answer
            with pytest.raises(AccountRefused, match=word):
                await r.gateway.start(give_up_after_s=5)
    run(work())


def test_key_restrictions_are_looked_at_where_that_is_asked_for() -> None:
    async def work() -> None:
        for checks in (False, True):
            async with rig(is_started=False, checks_key_restrictions=checks) as r:
                r.rest.routes["GET /v5/user/query-api"] = envelope({**KEY, "ips": ["*"]})
                if checks:
                    with pytest.raises(AccountRefused, match="not bound to addresses"):
                        await r.gateway.start(give_up_after_s=5)
                else:
                    await r.gateway.start(give_up_after_s=5)
    run(work())


def test_fees_symbol_by_symbol_where_one_request_does_not_tell_all() -> None:
    async def work() -> None:
        async with rig(is_started=False) as r:
            def fees(request: Any) -> tuple[int, dict[str, str], bytes]:
                rates = {"symbol": request.query.get("symbol", "XUSDT"), "takerFeeRate": "0.00055", "makerFeeRate": "0.0002"}
                return 200, {}, orjson.dumps(envelope({"list": [rates]}))
            r.rest.routes["GET /v5/account/fee-rate"] = fees
            await r.gateway.start(give_up_after_s=2)
            assert r.gateway.markets["linear"].state.fees["BTCUSDT"].taker == Decimal("0.00055")
    run(work())


def test_refused_logon_is_tried_again_with_a_new_clock() -> None:
    async def work() -> None:
        async with rig() as r:
            market = r.gateway.markets["spot"]
            answers = [{"success": False, "ret_msg": "auth error", "op": "auth", "conn_id": "c"}]
            r.ws.answers["auth"] = lambda request: answers.pop() if answers and "req_id" in request else auth(request)
            before = len(r.rest_asked("/v5/market/time"))
            market.user.socket.abort("test")  # type: ignore[union-attr]
            await until(lambda: not market.user.is_ready)
            await until(lambda: market.user.is_ready)
            assert len(r.rest_asked("/v5/market/time")) >= before + 5
            assert any("auth failed: status 0, code -1: auth error" in text for _, text in r.alerts)
    run(work())


def test_refused_subscription_fails_the_attempt() -> None:
    async def work() -> None:
        async with rig() as r:
            market: Any = r.gateway.markets["linear"]
            r.ws.answers["subscribe"] = lambda _: {"success": False, "ret_msg": "Invalid topic", "conn_id": "c",
                                                   "op": "subscribe"}
            with pytest.raises(RequestFailed, match="subscribe order.linear.*Invalid topic"):
                await market.prepare_user(market.user.socket)
    run(work())


# ---------------------------------------------------------------- an order's life

def test_order_is_acked_then_filled_by_the_topics() -> None:
    async def work() -> None:
        async with rig() as r:
            session = r.gateway.sessions()["linear"]
            assert session.place(LINEAR, OURS, Side.BUY, OrderType.IOC, 959_001, 500) == Sent.OK
            await until(lambda: r.events)
            assert (r.events[0].client_id, r.events[0].status, r.events[0].source, r.events[0].instrument_id) == (
                OURS, OrderStatus.NEW, Source.REPLY, LINEAR)
            [request] = r.asked("order.create")
            assert request["reqId"] == request["args"][0]["orderLinkId"] == OURS
            assert abs(int(request["header"]["X-BAPI-TIMESTAMP"]) - time.time() * 1000) < 1000
            push(r, topic("execution.linear", execution_told(OURS)))
            push(r, topic("order.linear", order_told(OURS, orderStatus="Filled", cumExecQty="0.5", cumExecValue="47950.05")))
            await until(lambda: len(r.events) == 3)
            fill, status = r.events[1:]
            assert (fill.trade_id, fill.last_qty, fill.fee, fill.source) == (id64(EXEC_ID), 500, Decimal("26.3725275"),
                                                                             Source.STREAM)
            assert (status.status, status.cum_qty) == (OrderStatus.FILLED, 500)
            assert {event.venue_order_id for event in r.events} == {id64(ORDER_ID)}
            assert session.pending_count == 0
            assert r.gateway.stats()["linear"]["order_limit_left"] == 9
    run(work())


def test_orders_of_both_markets_with_one_symbol_are_told_apart() -> None:
    async def work() -> None:
        async with rig() as r:
            other = encode_client_id(7, 5 << 32 | 2, 0)
            push(r, topic("order", order_told(OURS, category="spot"), order_told(other)))
            await until(lambda: len(r.events) == 2)
            assert {(event.client_id, event.instrument_id) for event in r.events} == {(OURS, SPOT), (other, LINEAR)}
    run(work())


def test_cancel_over_the_socket_and_over_rest() -> None:
    async def work() -> None:
        async with rig() as r:
            for _ in range(2):
                assert await r.gateway.cancel(SPOT, OURS) == []
            await until(lambda: len(r.events) == 2)
            assert {event.flags for event in r.events} == {EventFlag.CANCEL_REPLY}
            ids = [request["reqId"] for request in r.asked("order.cancel")]
            assert len(set(ids)) == 2
            r.gateway.markets["spot"].orders.socket.abort("test")  # type: ignore[union-attr]
            await until(lambda: not r.gateway.sessions()["spot"].is_sendable())
            r.rest.routes["POST /v5/order/cancel"] = envelope({"orderId": ORDER_ID, "orderLinkId": OURS})
            [event] = await r.gateway.cancel(SPOT, OURS)
            assert (event.status, event.flags, event.instrument_id) == (OrderStatus.NONE, EventFlag.CANCEL_REPLY, SPOT)
            r.rest.routes["POST /v5/order/cancel"] = envelope({}, 170213, "Order does not exist.")
            await until(lambda: r.gateway.sessions()["spot"].is_sendable())
            r.gateway.markets["spot"].orders.socket.abort("test")  # type: ignore[union-attr]
            await until(lambda: not r.gateway.sessions()["spot"].is_sendable())
            [event] = await r.gateway.cancel(SPOT, OURS)
            assert (event.status, event.error_class) == (OrderStatus.NONE, ErrorClass.UNKNOWN_ORDER)
    run(work())


def test_restarting_trade_gateway_gets_a_new_socket_and_the_order_is_not_lost() -> None:
    async def work() -> None:
        async with rig() as r:
            session: Any = r.gateway.sessions()["linear"]
            r.ws.answers["order.create"] = lambda request: refusal(request["reqId"], 10019, "ws trade service is restarting")
            session.place(LINEAR, OURS, Side.BUY, OrderType.IOC, 959_001, 500)
            await until(lambda: session.socket is not None and session.socket.number == 2)
            assert (r.events[0].status, r.events[0].error_class) == (OrderStatus.REJECTED, ErrorClass.RETRY)
            assert ("linear", "orders", False) not in r.sessions
    run(work())


def test_rate_answer_over_the_socket_stops_rest_of_both_markets() -> None:
    async def work() -> None:
        async with rig() as r:
            def too_many(request: dict[str, Any]) -> dict[str, Any]:
                made = refusal(request["reqId"], 10006, "Too many visits!")
                made["header"]["X-Bapi-Limit-Reset-Timestamp"] = str(int(time.time() * 1000) + 30_000)
                return made
            r.ws.answers["order.create"] = too_many
            r.gateway.sessions()["linear"].place(LINEAR, OURS, Side.BUY, OrderType.IOC, 959_001, 500)
            await until(lambda: r.stops)
            assert 28 < r.stops[0][2] <= 30
            assert (r.events[0].status, r.events[0].error_class) == (OrderStatus.REJECTED, ErrorClass.RATE)
            with pytest.raises(RestError, match="rate limited"):
                await r.gateway.query("order", SPOT, OURS)
    run(work())


def test_link_that_is_lost_before_the_reply_is_unknown() -> None:
    async def work() -> None:
        async with rig() as r:
            session: Any = r.gateway.sessions()["linear"]
            r.ws.answers["order.create"] = lambda _: None
            session.place(LINEAR, OURS, Side.BUY, OrderType.IOC, 959_001, 500)
            session.socket.abort("test")
            await until(lambda: r.events)
            assert (r.events[0].client_id, r.events[0].status, r.events[0].source) == (OURS, OrderStatus.UNKNOWN, Source.LOCAL)
    run(work())


# ---------------------------------------------------------------- questions

def test_query_brings_fills_with_fees_and_then_the_status() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /v5/order/realtime"] = listed(order_told(OURS, orderStatus="Filled", cumExecQty="0.5",
                                                                        cumExecValue="1"))
            r.rest.routes["GET /v5/execution/list"] = listed(
                execution_told(OURS, execTime="3", execId="b"), execution_told(OURS, execTime="2", execId="a", execQty="0.1"),
                execution_told("", execType="Funding"))
            answer = await r.gateway.query("order", LINEAR, OURS)
            *fills, status = answer.events
            assert [(fill.trade_id, fill.last_qty, fill.source) for fill in fills] == [(id64("a"), 100, Source.QUERY),
                                                                                      (id64("b"), 500, Source.QUERY)]
            assert (status.status, status.cum_qty, answer.is_found) == (OrderStatus.FILLED, 500, True)
            assert r.rest_asked("/v5/order/realtime")[-1] == f"category=linear&symbol=BTCUSDT&orderLinkId={OURS}"
            assert r.rest_asked("/v5/execution/list")[-1] == f"category=linear&symbol=BTCUSDT&orderLinkId={OURS}&limit=100"
    run(work())


def test_order_that_is_only_in_the_history_is_found() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /v5/order/history"] = listed(order_told(OURS, orderStatus="Cancelled"))
            answer = await r.gateway.query("order", LINEAR, OURS)
            assert (answer.is_found, answer.events[-1].status) == (True, OrderStatus.CANCELED)
    run(work())


def test_absent_from_both_lists_is_not_found() -> None:
    async def work() -> None:
        async with rig() as r:
            answer = await r.gateway.query("order", LINEAR, OURS)
            assert (answer.is_found, [event.status for event in answer.events]) == (False, [OrderStatus.NOT_FOUND])
            assert len(r.rest_asked("/v5/order/history")) == 1
            fills = await r.gateway.query("fills", LINEAR, OURS)
            assert (fills.events, fills.is_found) == ([], False)
    run(work())


@pytest.mark.parametrize("answer", [
    (503, {}, b"<html>"), (200, {}, b""), (200, {}, b"[]"), (200, {}, orjson.dumps(envelope({}, 10002, "time"))),
    (200, {}, orjson.dumps(envelope({}, 10016, "Server error."))), (200, {}, orjson.dumps(listed(order_told("other")))),
    (200, {}, orjson.dumps(envelope(None))), (200, {}, orjson.dumps(listed(order_told(OURS, orderStatus="Frozen"))))])
def test_anything_else_is_no_answer_and_never_not_found(answer: Any) -> None:
    async def work() -> None:
        async with rig() as r:
            for path in ("realtime", "history"):
                good = r.rest.routes[f"GET /v5/order/{path}"]
                r.rest.routes[f"GET /v5/order/{path}"] = answer
                with pytest.raises(RestError):
                    await r.gateway.query("order", LINEAR, OURS)
                r.rest.routes[f"GET /v5/order/{path}"] = good
    run(work())


@pytest.mark.parametrize("change", [{"execQty": "0.00001"}, {"execFee": 0.5}, {"execId": ""}, {"orderLinkId": "other"},
                                    {"execTime": "x"}])
def test_executions_that_make_no_sense_are_no_answer(change: dict[str, Any]) -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /v5/execution/list"] = listed(execution_told(OURS, **change))
            with pytest.raises(RestError, match="makes no sense"):
                await r.gateway.query("fills", LINEAR, OURS)
    run(work())


def test_lists_are_read_to_their_end_and_one_without_end_is_no_answer() -> None:
    async def work() -> None:
        async with rig() as r:
            def pages(request: Any) -> tuple[int, dict[str, str], bytes]:
                number = int(request.query.get("cursor", "0"))
                return 200, {}, orjson.dumps(listed(execution_told(OURS, execId=f"e{number}"),
                                                    cursor=str(number + 1) if number < 4 else ""))
            r.rest.routes["GET /v5/execution/list"] = pages
            assert len((await r.gateway.query("fills", LINEAR, OURS)).events) == 5
            r.rest.routes["GET /v5/execution/list"] = listed(execution_told(OURS), cursor="again")
            with pytest.raises(RestError, match="more than 40 pages"):
                await r.gateway.query("fills", LINEAR, OURS)
    run(work())


def test_positions_of_both_markets_in_base_units() -> None:
    async def work() -> None:
        async with rig() as r:
            assert (await r.gateway.query("position", SPOT, OURS)).position == Decimal("1.5")
            assert (await r.gateway.query("position", LINEAR, OURS)).position == Decimal("-0.020")
            assert await r.gateway.balances() == {"bybit:unified": {"BTC": Decimal("1.5"), "USDT": Decimal(70)}}
            assert [position.qty for position in await r.gateway.positions()] == [-20]
    run(work())


def test_cancel_all_goes_on_while_the_venue_took_as_many_as_it_can() -> None:
    async def work() -> None:
        async with rig() as r:
            sizes = [500, 500, 3]
            r.rest.routes["POST /v5/order/cancel-all"] = lambda _: (200, {}, orjson.dumps(envelope({
                "list": [{"orderId": "x"}] * sizes.pop(0), "success": "1"})))
            assert await r.gateway.cancel_all("linear", ["BTCUSDT"]) == ["BTCUSDT"]
            assert sizes == []
            assert orjson.loads(r.rest.bodies[-1]) == {"category": "linear", "symbol": "BTCUSDT"}
            sizes.append(0)
            assert await r.gateway.cancel_all("spot") == ["BTCUSDT"]   # those with open orders
    run(work())


def test_no_cancel_timer_is_said() -> None:
    async def work() -> None:
        async with rig() as r:
            assert await r.gateway.arm_dead_man(30) is None
    run(work())


# ---------------------------------------------------------------- account news

def test_wallet_and_positions_are_told_once() -> None:
    async def work() -> None:
        async with rig() as r:
            push(r, topic("position.linear", {**POSITION, "entryPrice": "95000.5"}))
            await until(lambda: r.facts)
            assert [type(fact) for fact in r.facts] == [PositionUpdate]
            wanted = [request["args"] for request in r.asked("subscribe") if "wallet" in request["args"]]
            assert len(wanted) == 1
            push(r, topic("wallet", WALLET))
            await until(lambda: any(isinstance(fact, BalanceUpdate) for fact in r.facts))
            assert {fact.account for fact in r.facts} == {"bybit:unified"}
    run(work())


def test_adl_is_a_foreign_fill() -> None:
    async def work() -> None:
        async with rig() as r:
            push(r, topic("execution.linear", execution_told("", execType="AdlTrade")))
            await until(lambda: r.events)
            assert (r.events[0].flags, r.events[0].message, r.events[0].last_qty) == (
                EventFlag.IS_FILL | EventFlag.FOREIGN | EventFlag.FORCED, "AdlTrade", 500)
    run(work())


def test_reconnected_user_stream_tells_balances_and_positions_anew() -> None:
    """Nothing is pushed when a private topic is subscribed."""
    async def work() -> None:
        async with rig() as r:
            assert r.facts == []
            r.rest.routes["GET /v5/account/wallet-balance"] = envelope({"list": [{"accountType": "UNIFIED", "coin": [COIN]}]})
            for market in ("spot", "linear"):
                r.gateway.restart_stream(market)
            await until(lambda: len(r.facts) == 2)
            assert {(type(fact), fact.reason) for fact in r.facts} == {(BalanceUpdate, "snapshot"), (PositionUpdate, "snapshot")}
    run(work())


def test_funding_is_told_once_with_the_log_s_sign() -> None:
    async def work() -> None:
        async with rig() as r:
            now_ms = int(time.time() * 1000) + 5
            paid = {**SETTLEMENT, "transactionTime": str(now_ms), "symbol": "BTCUSDT"}
            before = {**paid, "id": "older", "transactionTime": str(now_ms - 3_600_000)}
            r.rest.routes["GET /v5/account/transaction-log"] = envelope({"list": [paid, before], "nextPageCursor": ""})
            push(r, topic("execution.linear", execution_told("", execType="Funding")))   # makes it sooner
            await until(lambda: r.facts)
            market: Any = r.gateway.markets["linear"]
            await market.tell_funding()
            [fact] = r.facts   # what was paid before the start is in the opening balances
            assert (fact.delta, fact.reason, fact.asset, fact.account) == (Decimal("-0.003676"), "FUNDING_FEE", "USDT",
                                                                           "bybit:unified")
            incomes = await r.gateway.funding_income(time.time_ns() - 10 * 86_400 * 10**9)
            assert [one.income_id for one in incomes] == ["older", SETTLEMENT["id"]]
            assert len(r.rest_asked("/v5/account/transaction-log")) == 4   # ten days are two questions
    run(work())


def test_text_heartbeat_keeps_both_kinds_of_socket() -> None:
    async def work() -> None:
        async with rig(is_started=False) as r:
            policy = r.gateway.markets["spot"].policy()
            assert (policy.ping_frame, policy.ping_every_s) == (b'{"op":"ping"}', 20.0)
            await r.gateway.start(give_up_after_s=5)
            await until(lambda: len(r.asked("ping")) >= 4, 5)
            assert r.gateway.is_ready()
    run(work())


def test_keys_are_in_no_log_line_and_no_message(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /v5/order/realtime"] = envelope({}, 10004, "Error sign, please check your signature generation algorithm.")
            with pytest.raises(RestError) as caught:
                await r.gateway.query("order", SPOT, OURS)
            told = str(caught.value) + repr(caught.value) + str(r.alerts) + str(r.gateway.stats()) + repr(r.gateway.settings)
            for secret in ("K" * 18, SECRET.decode()):
                assert secret not in told + caplog.text
    caplog.set_level(0)
    run(work())
