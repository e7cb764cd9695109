"""OKX's markets against a scripted venue: start, an order's life, queries, cancels, streams, the cancel timer; OKX US as a variant."""
from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.sign import HmacSha256
from engine.connection import ConnectionPolicy
from engine.events import ErrorClass, EventFlag, OrderStatus, OrderType, Sent, Side, Source
from engine.gateways import okx, okxus
from engine.gateways.contract import AccountRefused, GatewayHooks, GatewaySettings
from engine.gateways.okx_credentials import Credentials
from engine.gateways.registry import gateway_venue
from engine.rest import RestError
from feeds.instruments import InstrumentTable
from feeds.venues.okx import VENUE as FEED
from feeds.venues.okxus import VENUE as FEED_US
from tests.support.fake_venue import FakeRest, FakeWs, fake_rest, fake_ws, until
from tests.support.okx_orders import (
    ORDER_ID,
    SPOT,
    SWAP,
    answer_row,
    envelope,
    filled,
    okx_row,
    okx_table,
    order_told,
    push,
    refusal,
    reply,
)
from tests.unit.engine.gateways.test_okx_account import CONFIG, DETAIL, FILL, POSITION, bill

TABLE = InstrumentTable(okx_table().rows[:3])
KEYS = Credentials("the-key", HmacSha256(b"secret"), "the-passphrase")
OURS = encode_client_id(7, 5 << 32 | 1, 0)
ID_TEXT = ORDER_ID


def server_time(_: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, b'{"code":"0","msg":"","data":[{"ts":"%d"}]}' % (time.time_ns() // 1_000_000)


def good_routes(venue: FakeRest) -> None:
    """A unified account as it should be."""
    fee = {"level": "Lv1", "feeGroup": [{"groupId": "1", "maker": "-0.0002", "taker": "-0.0005"}]}

    def pending(request: Any) -> Any:
        rows = [] if request.query["instType"] == "SWAP" else [order_told(OURS, instType="SPOT", instId="BTC-USDT"),
                                                               order_told("web1", instType="SPOT", instId="BTC-USDT", ordId="2")]
        return 200, {}, orjson.dumps(envelope(*rows))
    venue.routes.update({
        "GET /api/v5/public/time": server_time,
        "GET /api/v5/public/instruments": envelope({"instId": "BTC-USDT", "groupId": "1"}, {"instId": "BTC-USDT-SWAP",
                                                                                            "groupId": "1"}),
        "GET /api/v5/public/position-tiers": envelope({"maxSz": "500", "imr": "0.01", "mmr": "0.004"}),
        "GET /api/v5/account/config": envelope(CONFIG),
        "GET /api/v5/account/balance": envelope({"details": [DETAIL, {**DETAIL, "ccy": "BTC", "cashBal": "1.75"}]}),
        "GET /api/v5/account/positions": envelope(POSITION),
        "GET /api/v5/account/leverage-info": envelope(*({"instId": f"{base}-USDT-SWAP", "mgnMode": "cross", "posSide": "net",
                                                         "lever": "5"}
                                                        for base in ("BTC", "PEPE"))),
        "GET /api/v5/account/trade-fee": lambda request: (200, {},
                                                          orjson.dumps(envelope({**fee, "instType": request.query["instType"]}))),
        "GET /api/v5/trade/orders-pending": pending,
    })


class Rig:
    """A gateway, its scripted venue, and everything that it said."""

    def __init__(self, rest: FakeRest, ws: FakeWs, venue: Any = okx.GATEWAY, table: InstrumentTable = TABLE,
                 **options: Any) -> None:
        self.rest, self.ws = rest, ws
        self.events: list[Any] = []
        self.sessions: list[tuple[str, str, bool]] = []
        self.facts: list[Any] = []
        self.notices: list[Any] = []
        self.alerts: list[tuple[str, str]] = []
        self.stops: list[tuple[str, str, float]] = []
        good_routes(rest)
        ws.answers["login"] = lambda _: {"event": "login", "code": "0", "msg": "", "connId": "a4d3ae55"}
        ws.answers["subscribe"] = lambda request: {"id": request["id"], "event": "subscribe", "arg": request["args"][0],
                                                   "connId": "a"}
        ws.texts[b"ping"] = b"pong"
        settings = GatewaySettings({"rest": rest.url, "private_ws": ws.url + "/ws/v5/private"}, KEYS, venue.markets, "hmac",
                                   instance=7, policy=ConnectionPolicy(first_ms=100, last_ms=200, ping_idle_s=0.2), **options)
        self.gateway = venue.make_gateway(settings, table, table.to_array(), GatewayHooks(
            event=self.events.append, session=lambda _, market, kind, is_up, why: self.sessions.append((market, kind, is_up)),
            account=self.facts.append, notice=self.notices.append, alert=lambda code, text: self.alerts.append((code, text)),
            rate_stop=lambda *what: self.stops.append(what)))

    def asked(self, method: str, path: str) -> list[dict[str, list[str]]]:
        return [parse_qs(urlsplit(raw).query) for how, raw, _ in self.rest.seen if how == method and urlsplit(raw).path == path]

    def bodies(self, path: str) -> list[Any]:
        return [orjson.loads(body) for (_, raw, _), body in zip(self.rest.seen, self.rest.bodies, strict=True) if raw == path]


@contextlib.asynccontextmanager
async def rig(*, is_started: bool = True, **options: Any) -> AsyncIterator[Rig]:
    async with fake_rest() as rest, fake_ws() as ws:
        made = Rig(rest, ws, **options)
        try:
            if is_started:
                await made.gateway.start(give_up_after_s=5)
            yield made
        finally:
            await made.gateway.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


# ---------------------------------------------------------------- declaration

def test_declared_roles_and_markets_are_those_of_the_feed() -> None:
    for gateway, feed in ((okx.GATEWAY, FEED), (okxus.GATEWAY, FEED_US)):
        assert gateway_venue(gateway.name) is gateway
        assert gateway.markets == feed.markets
        assert gateway.account == feed.account == "unified"
        for market in gateway.markets:
            assert set(gateway.roles[market]) <= set(feed.roles)
        assert gateway.auths == {"hmac": feed.credentials["hmac"]}
        for mode, feed_mode in (("live", "paper"), ("testnet", "testnet")):
            assert gateway.endpoints[mode] == {role: feed.endpoints[feed_mode][role] for role in ("rest", "private_ws")}


def test_okx_us_is_a_declaration() -> None:
    assert (okxus.GATEWAY.markets, okxus.GATEWAY.features.keys()) == (("spot",), {"spot"})
    assert okxus.GATEWAY.account_of("spot") == "okxus:unified"
    assert okxus.GATEWAY.errors is okx.GATEWAY.errors
    assert okxus.GATEWAY.endpoints["live"]["rest"] == "https://us.okx.com"


# ---------------------------------------------------------------- start

def test_start_reads_everything_and_is_ready() -> None:
    async def work() -> None:
        async with rig() as r:
            assert r.gateway.is_ready()
            assert set(r.sessions) == {(market, kind, True) for market in ("spot", "linear")
                                       for kind in ("orders", "user", "clock")}
            spot, linear = (r.gateway.markets[name].state for name in ("spot", "linear"))
            assert spot.account == linear.account == "okx:unified"
            assert spot.mode == linear.mode == "acctLv 2 (futures), net_mode"
            assert {one.asset: one.wallet for one in spot.balances} == {"USDT": Decimal("100.52768569797846"),
                                                                        "BTC": Decimal("1.75")}
            assert linear.balances == []
            assert (spot.own_orders, spot.foreign_orders) == ([("BTC-USDT", OURS)], [("BTC-USDT", "web1")])
            assert (linear.own_orders, linear.foreign_orders) == ([], [])
            assert linear.fees["BTC-USDT-SWAP"].taker == Decimal("0.0005")
            assert (linear.leverage, linear.margin_type) == ({"BTC-USDT-SWAP": 5, "PEPE-USDT-SWAP": 5},
                                                             {"BTC-USDT-SWAP": "CROSSED", "PEPE-USDT-SWAP": "CROSSED"})
            assert [one.qty for one in linear.positions] == [-250]
            assert [request["op"] for request in r.ws.requests].count("login") == 4
            channels = sorted((arg["channel"], arg.get("instType", "")) for request in r.ws.requests
                              if request["op"] == "subscribe" for arg in request["args"])
            assert channels == [("account", ""), ("orders", "SPOT"), ("orders", "SWAP"), ("positions", "SWAP")]
            [report] = r.gateway.account_report()
            assert report.markets == ("spot", "linear")
            assert "BTC-USDT-SWAP: 1" in report.risk_tiers
            assert "10 to 120 s" in report.dead_man
    run(work())


@pytest.mark.parametrize(("change", "words"), [
    ({"acctLv": "1"}, "acctLv"), ({"posMode": "long_short_mode"}, "posMode"), ({"perm": "read_only"}, "perm"),
    ({"perm": "read_only,trade,withdraw"}, "withdraw"), ({"ip": ""}, "not bound")])
def test_accounts_that_must_not_trade_end_the_start(change: dict[str, str], words: str) -> None:
    async def work() -> None:
        async with rig(is_started=False, checks_key_restrictions=True) as r:
            r.rest.routes["GET /api/v5/account/config"] = envelope({**CONFIG, **change})
            with pytest.raises(AccountRefused, match=words):
                await r.gateway.start(give_up_after_s=5)
    run(work())


def test_refused_key_is_told_at_once() -> None:
    async def work() -> None:
        async with rig(is_started=False) as r:
            r.rest.routes["GET /api/v5/account/config"] = (401, {},
                                                           orjson.dumps(envelope(code="50119", text="API key doesn't exist")))
            with pytest.raises(AccountRefused, match="refuses the key"):
                await r.gateway.start(give_up_after_s=5)
            assert r.ws.peers == []
    run(work())


def test_instrument_without_its_number_is_refused_by_name() -> None:
    async def work() -> None:
        async with rig(is_started=False, table=okx_table()) as r:
            with pytest.raises(AccountRefused, match="ETH-USDT-SWAP: no instIdCode"):
                await r.gateway.start(give_up_after_s=5)
            assert r.rest.seen == []
    run(work())


def test_refused_login_and_subscription_say_so_and_are_tried_again() -> None:
    async def work() -> None:
        async with rig(is_started=False) as r:
            refused = {"login": {"event": "error", "code": "60009", "msg": "Login failed.", "connId": "a"},
                       "subscribe": {"event": "error", "code": "60018", "msg": "no such channel", "connId": "a"}}
            good = dict(r.ws.answers)

            def once(op: str) -> Any:
                def answer(request: dict[str, Any]) -> Any:
                    r.ws.answers[op] = good[op]
                    return {**refused[op], **({"id": request["id"]} if "id" in request else {})}
                return answer
            r.ws.answers |= {op: once(op) for op in refused}
            await r.gateway.start(give_up_after_s=5)
            said = " ".join(text for code, text in r.alerts if code == "connection")
            assert "login failed: status 0, code 60009: Login failed." in said
            assert "code 60018: no such channel" in said
            assert r.gateway.is_ready()
    run(work())


# ---------------------------------------------------------------- one order

def test_life_of_an_order() -> None:
    async def work() -> None:
        async with rig() as r:
            r.ws.answers["order"] = lambda request: reply(request["id"], answer_row(request["args"][0]["clOrdId"]))
            session = r.gateway.sessions()["linear"]
            assert session.place(SWAP, OURS, Side.SELL, OrderType.IOC, 315_271, 250) == Sent.OK
            await until(lambda: r.events)
            [sent] = [request for request in r.ws.requests if request["op"] == "order"]
            assert sent["args"][0] == {"instIdCode": 10459, "tdMode": "cross", "posSide": "net", "side": "sell", "sz": "2.50",
                                       "px": "31527.1", "ordType": "ioc", "clOrdId": OURS, "reduceOnly": False,
                                       "stpMode": "cancel_maker"}
            assert 0 < int(sent["expTime"]) - time.time_ns() // 1_000_000 <= 500
            assert (r.events[0].status, r.events[0].instrument_id, r.events[0].source) == (OrderStatus.NEW, SWAP, Source.REPLY)
            for peer in r.ws.peers:
                peer.send(push("orders", filled(OURS)))
            await until(lambda: len(r.events) >= 3)
            fill, end = [event for event in r.events if event.source == Source.STREAM][:2]
            assert (fill.last_qty, fill.fee, end.status, end.cum_qty) == (250, Decimal("0.39408875"), OrderStatus.FILLED, 250)
            assert r.gateway.markets["linear"].client_of_order == {int(ID_TEXT): OURS}
            r.events.clear()
            r.ws.answers["cancel-order"] = lambda request: refusal(request["id"], OURS, "51400",
                                                                   "filled, canceled or does not exist",
                                                                   op="cancel-order")
            assert await r.gateway.cancel(SWAP, OURS) == []
            await until(lambda: r.events)
            assert (r.events[0].client_id, r.events[0].status, r.events[0].error_class, r.events[0].flags) == (
                OURS, OrderStatus.NONE, ErrorClass.UNKNOWN_ORDER, EventFlag.CANCEL_REPLY)
    run(work())


def test_refused_orders_and_rate_stops() -> None:
    async def work() -> None:
        async with rig() as r:
            session = r.gateway.sessions()["spot"]
            r.ws.answers["order"] = lambda request: refusal(request["id"], OURS, "51008", "Insufficient balance", "1000")
            session.place(SPOT, OURS, Side.BUY, OrderType.IOC, 315_271, 100_000)
            await until(lambda: r.events)
            assert (r.events[0].status, r.events[0].error_class) == (OrderStatus.REJECTED, ErrorClass.BALANCE)
            other = encode_client_id(7, 5 << 32 | 2, 0)
            r.ws.answers["order"] = lambda request: {**refusal(request["id"], other, "50061", "sub-account limit"),
                                                     "outTime": str(time.time_ns() // 1000)}
            session.place(SPOT, other, Side.BUY, OrderType.IOC, 315_271, 100_000)
            await until(lambda: len(r.events) == 2)
            assert r.events[1].error_class == ErrorClass.RATE
            [(venue, market, wait_s)] = r.stops
            assert (venue, market) == ("okx", "spot")
            assert 1.0 < wait_s <= 2.1
    run(work())


def test_reply_that_never_comes_is_unknown() -> None:
    async def work() -> None:
        async with rig() as r:
            session = r.gateway.sessions()["linear"]
            session.place(SWAP, OURS, Side.BUY, OrderType.IOC, 315_271, 250)
            session.socket.abort("gone")
            await until(lambda: r.events)
            assert (r.events[0].status, r.events[0].error_class) == (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION)
    run(work())


# ---------------------------------------------------------------- questions

def test_query_brings_status_and_fills_in_base_units() -> None:
    async def work() -> None:
        async with rig() as r:
            told = {**FILL, "clOrdId": OURS, "ordId": ID_TEXT, "fee": "-0.05"}
            r.rest.routes["GET /api/v5/trade/order"] = envelope(filled(OURS))
            r.rest.routes["GET /api/v5/trade/fills"] = envelope({**told, "fillSz": "1", "tradeId": "78",
                                                                 "fillTime": "1654084353264"})
            r.rest.routes["GET /api/v5/trade/fills-history"] = envelope({**told, "fillSz": "1", "tradeId": "78",
                                                                                                 "fillTime": "1654084353264"},
                                                                      {**told, "fillSz": "1.5"})
            answer = await r.gateway.query("order", SWAP, OURS)
            assert answer.is_found
            assert [(event.trade_id, event.last_qty, event.fee) for event in answer.events[:-1]] == [
                (77, 150, Decimal("0.05")), (78, 100, Decimal("0.05"))]
            assert (answer.events[-1].status, answer.events[-1].cum_qty) == (OrderStatus.FILLED, 250)
            assert r.asked("GET", "/api/v5/trade/order") == [{"instId": ["BTC-USDT-SWAP"], "clOrdId": [OURS]}]
            assert r.asked("GET", "/api/v5/trade/fills") == [{"instType": ["SWAP"], "instId": ["BTC-USDT-SWAP"],
                                                              "ordId": [ID_TEXT],
                                                             "limit": ["100"]}]
            # the short list has all that is wanted: the long one is not asked
            r.rest.routes["GET /api/v5/trade/fills"] = envelope({**told, "fillSz": "2.5"})
            await r.gateway.query("order", SWAP, OURS)
            assert len(r.asked("GET", "/api/v5/trade/fills-history")) == 1
            # fills alone: the order tells its number first
            answer = await r.gateway.query("fills", SWAP, OURS)
            assert [event.last_qty for event in answer.events] == [250]
    run(work())


def test_absence_is_told_only_by_its_code() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /api/v5/trade/order"] = envelope(code="51603", text="Order does not exist.")
            answer = await r.gateway.query("order", SWAP, OURS)
            assert (answer.is_found, [event.status for event in answer.events]) == (False, [OrderStatus.NOT_FOUND])
            for bad in (envelope(), envelope(order_told("other")), envelope(code="50026", text="System error"),
                        (503, {}, b"<html>"),
                        envelope(order_told(OURS, accFillSz="x"))):
                r.rest.routes["GET /api/v5/trade/order"] = bad
                with pytest.raises(RestError):
                    await r.gateway.query("order", SWAP, OURS)
    run(work())


@pytest.mark.parametrize("change", [{"ordId": "9"}, {"clOrdId": "other"}, {"instId": "BTC-USDT"}, {"fillSz": "0.001"},
                                    {"fillPx": ""}])
def test_fills_that_make_no_sense_are_no_answer(change: dict[str, str]) -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["GET /api/v5/trade/fills"] = envelope({**FILL, "clOrdId": OURS, "ordId": ID_TEXT, **change})
            with pytest.raises(RestError, match="makes no sense"):
                await r.gateway.query("fills", SWAP, OURS, venue_order_id=int(ID_TEXT))
    run(work())


def test_long_lists_are_read_page_by_page_or_not_at_all() -> None:
    async def work() -> None:
        async with rig() as r:
            told = {**FILL, "clOrdId": OURS, "ordId": ID_TEXT, "fillSz": "0.01"}

            def page(request: Any) -> Any:
                first = int(request.query.get("after", 1000))
                rows = [{**told, "billId": str(first - n), "tradeId": str(first - n)}
                        for n in range(1, 101 if first > 800 else 51)]
                return 200, {}, orjson.dumps(envelope(*rows))
            r.rest.routes["GET /api/v5/trade/fills"] = page
            answer = await r.gateway.query("fills", SWAP, OURS, venue_order_id=int(ID_TEXT))
            assert len({event.trade_id for event in answer.events}) == 250
            assert [one.get("after") for one in r.asked("GET", "/api/v5/trade/fills")] == [None, ["900"], ["800"]]
            r.rest.routes["GET /api/v5/trade/fills"] = envelope(*({**told, "tradeId": str(n)} for n in range(1, 101)))
            with pytest.raises(RestError, match="more than 40 pages"):
                await r.gateway.query("fills", SWAP, OURS, venue_order_id=int(ID_TEXT))
    run(work())


def test_positions_and_balances_are_of_one_account() -> None:
    async def work() -> None:
        async with rig() as r:
            assert await r.gateway.balances() == {"okx:unified": {"USDT": Decimal("100.52768569797846"), "BTC": Decimal("1.75")}}
            assert (await r.gateway.query("position", SWAP, OURS)).position == Decimal("-0.025")
            assert (await r.gateway.query("position", SPOT, OURS)).position == Decimal("1.75")
    run(work())


def test_funding_income() -> None:
    async def work() -> None:
        async with rig() as r:
            now_ms = time.time_ns() // 1_000_000
            r.rest.routes["GET /api/v5/account/bills"] = envelope(bill(ts=str(now_ms)), bill(billId="2", ts=str(now_ms - 10_000)))
            r.rest.routes["GET /api/v5/account/bills-archive"] = envelope()
            [one] = await r.gateway.funding_income((now_ms - 5000) * 1_000_000)
            assert (one.account, one.amount, one.income_id) == ("okx:unified", Decimal("0.02"), "623950854533513219")
            assert r.asked("GET", "/api/v5/account/bills")[0]["type"] == ["8"]
            assert await r.gateway.funding_income((now_ms - 30 * 86_400_000) * 1_000_000) == []
            assert len(r.asked("GET", "/api/v5/account/bills-archive")) == 1
            # what came since the start is told once, as a change of the balance
            linear: Any = r.gateway.markets["linear"]
            later = str(time.time_ns() // 1_000_000 + 1000)
            r.rest.routes["GET /api/v5/account/bills"] = envelope(bill(ts=later))
            await linear.tell_funding()
            await linear.tell_funding()
            assert [(fact.asset, fact.delta, fact.reason, fact.account) for fact in r.facts] == [
                ("USDT", Decimal("0.02"), "FUNDING_FEE", "okx:unified")]
            r.rest.routes["GET /api/v5/account/bills"] = envelope(bill(subType="173", ts=later))
            with pytest.raises(RestError, match="subType '173'"):
                await linear.funding_income(time.time_ns())
    run(work())


# ---------------------------------------------------------------- cancels, timer

def test_cancel_all_lists_and_cancels_in_twenties() -> None:
    async def work() -> None:
        async with rig() as r:
            path = "/api/v5/trade/cancel-batch-orders"
            r.rest.routes["GET /api/v5/trade/orders-pending"] = envelope(
                *(order_told("web", instType="SPOT", instId="BTC-USDT", ordId=str(n)) for n in range(1, 46)))
            answers: list[Any] = []

            async def cancel(request: Any) -> Any:
                asked = await request.json()
                rows = [{**answer_row(""), "ordId": one["ordId"]} for one in asked]
                rows[0] = {**rows[0], "sCode": "51400", "sMsg": "gone"}   # ended meanwhile: no failure
                answers.append(asked)
                return 200, {}, orjson.dumps(envelope(*rows, code="2"))
            r.rest.routes["POST " + path] = cancel
            assert await r.gateway.cancel_all("spot", ["BTC-USDT"]) == ["BTC-USDT"]
            assert [len(asked) for asked in answers] == [20, 20, 5]
            assert answers[2][-1] == {"instId": "BTC-USDT", "ordId": "45"}
            for bad in (envelope(*({**answer_row(""), "sCode": "50026"} for _ in range(20)), code="1"), envelope(answer_row("")),
                        envelope(code="50011", text="Too Many Requests"), (503, {}, b"<html>")):
                r.rest.routes["POST " + path] = bad
                r.gateway.markets["spot"].rest.rate.stopped_until_mono_s = 0.0
                with pytest.raises(RestError, match="cancel of 20 orders of BTC-USDT"):
                    await r.gateway.cancel_all("spot", ["BTC-USDT"])
    run(work())


def test_cancel_goes_over_rest_while_the_order_session_is_down() -> None:
    async def work() -> None:
        async with rig() as r:
            r.rest.routes["POST /api/v5/trade/cancel-order"] = envelope(answer_row(OURS))
            await r.gateway.markets["linear"].order_connection.stop()
            [event] = await r.gateway.cancel(SWAP, OURS)
            assert (event.status, event.flags, event.venue_order_id) == (OrderStatus.NONE, EventFlag.CANCEL_REPLY, int(ID_TEXT))
            assert r.bodies("/api/v5/trade/cancel-order") == [{"instId": "BTC-USDT-SWAP", "clOrdId": OURS}]
    run(work())


def test_cancel_timer_is_one_request_for_both_markets() -> None:
    async def work() -> None:
        async with rig() as r:
            path = "/api/v5/trade/cancel-all-after"
            r.rest.routes["POST " + path] = envelope({"triggerTime": "1587971460000", "tag": "", "ts": "1587971400000"})
            assert await r.gateway.arm_dead_man(29.5) == ("spot", "linear")
            assert r.bodies(path) == [{"timeOut": "30"}]
            started = time.monotonic()
            assert await r.gateway.arm_dead_man(0) == ("spot", "linear")   # one a second: it waits
            assert time.monotonic() - started > 0.9
            assert r.bodies(path)[-1] == {"timeOut": "0"}
            assert await r.gateway.arm_dead_man(5) == ()
            assert await r.gateway.arm_dead_man(121) == ()
            assert [code for code, _ in r.alerts].count("dead_man") == 4
            assert len(r.bodies(path)) == 2
    run(work())


# ---------------------------------------------------------------- what comes in

def test_account_news() -> None:
    async def work() -> None:
        async with rig() as r:
            for peer in list(r.ws.peers):
                peer.send(push("positions", {**POSITION, "pos": "0"}, eventType="event_update"))
            await until(lambda: r.facts)
            assert {(fact.symbol, fact.qty, fact.account) for fact in r.facts} == {("BTC-USDT-SWAP", 0, "okx:unified")}
    run(work())


def test_notice_of_an_upgrade_replaces_the_socket_before_it_is_closed() -> None:
    async def work() -> None:
        async with rig() as r:
            before = {session.socket.number for session in (market.orders for market in r.gateway.markets.values())}
            assert before == {1}
            for peer in list(r.ws.peers):
                peer.send({"event": "notice", "code": "64008", "msg": "The connection will soon be closed", "connId": "a"})
            await until(lambda: all(market.orders.socket.number == 2 and market.user.socket.number == 2
                                    for market in r.gateway.markets.values()), 8)
            assert {notice.what for notice in r.notices} == {"server_shutdown"}
            assert not [one for one in r.sessions if not one[2]]     # never down
    run(work())


def test_channel_taken_away_takes_the_session_down() -> None:
    async def work() -> None:
        async with rig() as r:
            linear = r.gateway.markets["linear"]
            for peer in list(r.ws.peers):
                peer.send({"event": "channel-conn-count-error", "channel": "orders", "connCount": "30", "connId": "a"})
            await until(lambda: ("linear", "user", False) in r.sessions)
            await until(lambda: linear.user.is_ready, 8)
            assert "stream_terminated" in {notice.what for notice in r.notices}
    run(work())


def test_positions_that_ended_while_the_stream_was_down_are_told_as_none() -> None:
    async def work() -> None:
        async with rig() as r:
            for peer in list(r.ws.peers):
                peer.send(push("positions", POSITION, eventType="snapshot"))
            await until(lambda: [fact for fact in r.facts if fact.qty == -250])
            r.facts.clear()
            r.rest.routes["GET /api/v5/account/positions"] = envelope()
            r.gateway.restart_stream("linear")
            await until(lambda: [fact for fact in r.facts if getattr(fact, "symbol", "") == "BTC-USDT-SWAP"], 8)
            assert r.facts[-1].qty == 0
    run(work())


def test_text_pings_keep_the_sockets() -> None:
    async def work() -> None:
        async with rig() as r:
            await until(lambda: r.ws.raw.count(b"ping") >= 4, 5)
            assert r.gateway.is_ready()
            assert r.ws.control_frames == []
    run(work())


def test_connections_follow_each_other_at_a_distance() -> None:
    async def work() -> None:
        async with rig(is_started=False) as r:
            started = time.monotonic()
            await r.gateway.start(give_up_after_s=5)
            assert time.monotonic() - started >= 3 * 0.4   # four sockets
    run(work())


def test_demo_is_told_by_a_header() -> None:
    async def work() -> None:
        async with rig(is_demo=True) as r:
            assert r.rest.seen
            assert all(headers.get("x-simulated-trading") == "1" for _, _, headers in r.rest.seen)
    run(work())


# ---------------------------------------------------------------- OKX US

def test_okx_us_starts_with_spot_alone() -> None:
    row = okx_row(0, "spot", "BTC", "0.1", "0.00000001")
    table = InstrumentTable([replace(row, venue="okxus", name=row.name.replace("okx:", "okxus:"))])

    async def work() -> None:
        async with rig(venue=okxus.GATEWAY, table=table, is_started=False) as r:
            r.rest.routes["GET /api/v5/account/config"] = envelope({**CONFIG, "acctLv": "1"})
            await r.gateway.start(give_up_after_s=5)
            assert r.gateway.is_ready()
            assert await r.gateway.balances() == {"okxus:unified": {"USDT": Decimal("100.52768569797846"),
                                                                    "BTC": Decimal("1.75")}}
            for peer in r.ws.peers:
                peer.send(push("orders", order_told(OURS, instType="SPOT", instId="BTC-USDT")))
            await until(lambda: r.events)
            assert r.events[0].instrument_id == 0
            [report] = r.gateway.account_report()
            assert report.risk_tiers == "none: spot without margin"
            assert "no perpetuals" in report.lacks
            asked = {urlsplit(raw).path for _, raw, _ in r.rest.seen}
            assert not any("max-" in path or "positions" in path or "leverage" in path for path in asked)
    run(work())
