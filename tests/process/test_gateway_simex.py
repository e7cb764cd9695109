"""The Binance gateway against the simulated exchange over real sockets: orders end as the venue's ledger says, whatever gets
lost.

simex shares no code with the gateway: signatures, windows, filters and user streams are checked by an implementation of its own.
"""
from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Coroutine
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from cext.client_id import encode_client_id
from cext.instrument import InstrumentArray
from engine.connection import ConnectionPolicy
from engine.events import (
    BalanceUpdate,
    ErrorClass,
    EventFlag,
    Intent,
    Leg,
    OrderEvent,
    OrderStatus,
    OrderType,
    PositionUpdate,
    Sent,
    Side,
    Source,
)
from engine.gateways.binance import GATEWAY
from engine.gateways.binance_wire import BinanceRestDialect
from engine.gateways.contract import Gateway, GatewayHooks
from engine.gateways.gateway import make_ssl_context
from engine.gateways.settings import gateway_settings
from engine.rest import RestClient, RestError
from feeds.config import Fees
from feeds.instruments import InstrumentRow, InstrumentTable, to_scaled
from feeds.venues.binance import VENUE
from tests.support.fake_venue import until
from tests.support.feed_system import Venues, make_run_dir

INSTANCE = 7
_sequence = itertools.count(1)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def venues(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    run_dir = make_run_dir(tmp_path_factory.mktemp("gateway"),
                           simex={"tls": request.param, "pairs": 2, "background_msgs_per_s": 50.0,
                                                                           "enforce_limits": False})
    with Venues(run_dir) as made:
        made.command("quiet", dislocations=False, traffic=False)
        yield made


class Rig:
    """A started gateway, its table, and what it heard."""

    def __init__(self, venues: Venues, order_auth: str) -> None:
        self.venues = venues
        self.order_auth = order_auth
        self.events: list[OrderEvent] = []
        self.facts: list[Any] = []
        self.sessions: list[tuple[str, str, bool]] = []
        self.alerts: list[tuple[str, str]] = []
        self.notices: list[Any] = []
        self.table = InstrumentTable()
        self.array: InstrumentArray
        self.gateway: Gateway

    async def start(self) -> None:
        section = SimpleNamespace(markets=["spot", "linear"], order_auth=self.order_auth, recv_window_ms=500)
        settings = gateway_settings(section, "sim", "binance", instance=INSTANCE, simex=self.venues.facts)
        settings.policy = ConnectionPolicy(first_ms=100, last_ms=200)
        await self._load_table(settings)
        self.gateway = GATEWAY.make_gateway(settings, self.table, self.array, GatewayHooks(
            event=self.events.append, account=self.facts.append, notice=self.notices.append,
            session=lambda _, market, kind, is_up, why: self.sessions.append((market, kind, is_up)),
            alert=lambda code, text: self.alerts.append((code, text))))
        for market in self.gateway.markets.values():
            market.rest.rate.weight_limit = 1_000_000  # a dozen starts a minute are this test's doing
        await self.gateway.start(give_up_after_s=5)

    async def _load_table(self, settings: Any) -> None:
        rows: list[InstrumentRow] = []
        for market, url, path in (("spot", settings.endpoints["spot_rest"], "/api/v3/exchangeInfo"),
                                  ("linear", settings.endpoints["linear_rest"], "/fapi/v1/exchangeInfo")):
            rest = RestClient(market, url, BinanceRestDialect(),
                              ssl_context=make_ssl_context(settings.endpoints.values(), settings.ca_file))
            rows += VENUE.parse_listing(market, await rest.get(path), Fees())[0]
            await rest.close()
        self.table.merge(rows)
        self.array = self.table.to_array()

    def row(self, market: str, base: str = "BTC") -> InstrumentRow:
        return next(row for row in self.table.rows if row.market == market and row.base == base)

    def top(self, row: InstrumentRow) -> tuple[int, int]:
        """Best bid and ask, scaled."""
        book = self.venues.command("book", market=row.market, symbol=row.symbol, depth=1)
        return tuple(to_scaled(Decimal(side[0][0]), row.px_scale)
                     for side in (book["bids"], book["asks"]))  # type: ignore[return-value]

    def new_id(self) -> str:
        return encode_client_id(INSTANCE, time.time_ns() // 10**9 << 32 | next(_sequence), 0)

    def place(self, row: InstrumentRow, side: Side, *, away_bps: int = 20, order_type: OrderType = OrderType.IOC,
              qty: str = "0.01",
              reduce_only: bool = False) -> str:
        """One order, `away_bps` beyond the other side's best (negative: short of our own); returns its id."""
        bid, ask = self.top(row)
        tick = to_scaled(row.tick, row.px_scale)
        px = ask + ask * away_bps // 10_000 if side == Side.BUY else bid - bid * away_bps // 10_000
        client_id = self.new_id()
        sent = self.gateway.sessions()[row.market].place(row.id, client_id, side, order_type, px // tick * tick,
                                                         to_scaled(Decimal(qty), row.qty_scale), reduce_only)
        assert sent == Sent.OK
        return client_id

    def of(self, client_id: str) -> list[OrderEvent]:
        return [event for event in self.events if event.client_id == client_id]

    async def ended(self, client_id: str) -> OrderEvent:
        await until(lambda: any(event.is_terminal for event in self.of(client_id)))
        return next(event for event in self.of(client_id) if event.is_terminal)

    def order_in_ledger(self, client_id: str) -> dict[str, Any] | None:
        accounts = self.venues.command("ledger")["accounts"]
        return next((order for market in accounts["main"]["orders"].values() for order in market
                     if order["client_id"] == client_id), None)


@contextlib.asynccontextmanager
async def rig(venues: Venues, order_auth: str = "ed25519") -> AsyncIterator[Rig]:
    made = Rig(venues, order_auth)
    try:
        await made.start()
        yield made
    finally:
        venues.command("clear")
        await made.gateway.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    uvloop.run(asyncio.wait_for(work, 30))


@pytest.mark.parametrize("order_auth", ["ed25519", "hmac"])
def test_orders_on_both_markets_end_with_the_fills_and_fees_of_the_ledger(venues: Venues, order_auth: str) -> None:
    async def work() -> None:
        async with rig(venues, order_auth) as r:
            for market in ("spot", "linear"):
                row = r.row(market)
                client_id = r.place(row, Side.BUY)
                end = await r.ended(client_id)
                assert (end.status, end.cum_qty) == (OrderStatus.FILLED, to_scaled(Decimal("0.01"), row.qty_scale))
                await until(lambda client_id=client_id: any(e.source == Source.STREAM and e.fee is not None
                                                            for e in r.of(client_id)))
                fees = {e.trade_id: (e.fee, e.fee_asset) for e in r.of(client_id) if e.fee is not None}
                fills = {e.trade_id: e.last_qty for e in r.of(client_id) if e.is_fill}
                assert sum(fills.values()) == end.cum_qty
                assert set(fees) == set(fills)
                if market == "spot":  # FULL reply: fills and fees came before the stream said a word
                    replies = [e for e in r.of(client_id) if e.source == Source.REPLY]
                    assert {e.trade_id for e in replies if e.is_fill} == set(fills)
                    assert {asset for _, asset in fees.values()} == {"BTC"}
                else:
                    assert {asset for _, asset in fees.values()} == {"USDT"}
                    assert any(e.flags & EventFlag.LITE for e in r.of(client_id))
                answer = await r.gateway.query("order", row.id, client_id)
                assert {e.trade_id: (e.fee, e.fee_asset) for e in answer.events if e.is_fill} == fees
                assert answer.events[-1].cum_qty == end.cum_qty
            assert any(isinstance(fact, BalanceUpdate) and fact.market == "spot" and fact.asset == "BTC" for fact in r.facts)
            assert any(isinstance(fact, PositionUpdate) and fact.instrument_id == r.row("linear").id for fact in r.facts)
            assert (await r.gateway.query("position", r.row("linear").id, "")).position > 0
    run(work())


def test_both_legs_of_an_intent_go_through_the_hot_path(venues: Venues) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            outcomes, ids = [], []
            for market, side in (("spot", Side.BUY), ("linear", Side.SELL)):
                row = r.row(market)
                bid, ask = r.top(row)
                tick = to_scaled(row.tick, row.px_scale)
                ids.append(r.new_id())
                leg = Leg(ids[-1], row.id, side, OrderType.IOC, 0, (ask if side == Side.BUY else bid) // tick * tick,
                          to_scaled(Decimal("0.01"), row.qty_scale))
                outcomes += r.gateway.sessions()[market].encode_and_send(Intent(1, 1, legs=[leg]))
            assert outcomes == [Sent.OK, Sent.OK]
            for client_id in ids:
                assert (await r.ended(client_id)).status == OrderStatus.FILLED
    run(work())


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_every_way_in_which_an_order_can_end(venues: Venues, market: str) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            row = r.row(market)
            assert (await r.ended(r.place(row, Side.BUY, away_bps=-100))).status == OrderStatus.EXPIRED  # IOC that takes nothing
            crossing = await r.ended(r.place(row, Side.BUY, order_type=OrderType.POST_ONLY))
            assert (crossing.status, crossing.error_class) == (OrderStatus.REJECTED, ErrorClass.REJECT)
            resting = r.place(row, Side.BUY, away_bps=-100, order_type=OrderType.POST_ONLY)
            await until(lambda: r.of(resting))
            assert r.of(resting)[0].status == OrderStatus.NEW
            await r.gateway.cancel(row.id, resting)
            canceled = await r.ended(resting)
            assert (canceled.status, canceled.cum_qty) == (OrderStatus.CANCELED, 0)
            too_dear = await r.ended(r.place(row, Side.BUY, qty="20000", away_bps=-300, order_type=OrderType.GTC))
            assert (too_dear.status, too_dear.error_class) == (OrderStatus.REJECTED, ErrorClass.FILTER)
            too_much = await r.ended(r.place(row, Side.BUY, qty="60" if market == "spot" else "460", away_bps=-300,
                                             order_type=OrderType.GTC))
            assert (too_much.status, too_much.error_class) == (OrderStatus.REJECTED, ErrorClass.BALANCE)
            again = await r.gateway.query("order", row.id, resting)
            assert again.events[-1].status == OrderStatus.CANCELED
            nothing = await r.gateway.query("order", row.id, r.new_id())
            assert nothing.events[-1].status == OrderStatus.NOT_FOUND
    run(work())


def test_reduce_only_without_a_position_is_refused_and_with_one_reduces(venues: Venues) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            row = r.row("linear", "ETH")
            refused = await r.ended(r.place(row, Side.SELL, reduce_only=True, qty="0.1"))
            assert (refused.status, refused.venue_code) == (OrderStatus.REJECTED, -2022)
            await r.ended(r.place(row, Side.BUY, qty="0.1"))
            assert (await r.ended(r.place(row, Side.SELL, reduce_only=True, qty="0.1"))).status == OrderStatus.FILLED
            assert (await r.gateway.query("position", row.id, "")).position == 0
    run(work())


@pytest.mark.parametrize("is_executed", [True, False])
def test_unknown_answers_stay_unknown_until_a_query_tells(venues: Venues, is_executed: bool) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            row = r.row("spot")
            venues.command("fault", channel="oe", verb="unknown", market="spot", executed=is_executed)
            client_id = r.place(row, Side.BUY)
            await until(lambda: r.of(client_id))
            replies = [e for e in r.of(client_id) if e.source == Source.REPLY]
            await until(lambda: [e for e in r.of(client_id) if e.source == Source.REPLY])
            replies = [e for e in r.of(client_id) if e.source == Source.REPLY]
            assert (replies[0].status, replies[0].error_class) == (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION)
            answer = await r.gateway.query("order", row.id, client_id)
            assert answer.events[-1].status == (OrderStatus.FILLED if is_executed else OrderStatus.NOT_FOUND)
            fills = await r.gateway.query("fills", row.id, client_id, since_mono_ns=time.monotonic_ns() - 10**9)
            assert fills.is_found == is_executed
    run(work())


def test_cut_connection_makes_the_order_unknown_and_the_session_comes_back(venues: Venues) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            row = r.row("spot")
            venues.command("fault", channel="oe", verb="lostresp", market="spot")
            client_id = r.place(row, Side.BUY)
            await until(lambda: any(e.source == Source.STREAM for e in r.of(client_id)))  # executed, but nobody answered
            venues.command("disconnect", channel="oe", market="spot")
            await until(lambda: any(e.source == Source.LOCAL for e in r.of(client_id)))
            assert next(e for e in r.of(client_id) if e.source == Source.LOCAL).status == OrderStatus.UNKNOWN
            assert ("spot", "orders", False) in r.sessions
            await until(lambda: r.gateway.sessions()["spot"].is_sendable())
            assert (await r.ended(r.place(row, Side.SELL))).status == OrderStatus.FILLED
    run(work())


def test_user_stream_comes_back_after_a_cut_and_after_an_expired_key(venues: Venues) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            row = r.row("linear")
            venues.command("disconnect", channel="ud", market="linear")
            await until(lambda: ("linear", "user", False) in r.sessions)
            await until(lambda: r.gateway.markets["linear"].user.is_ready)
            number = r.gateway.markets["linear"].user.sockets
            venues.command("expire")
            await until(lambda: r.gateway.markets["linear"].user.sockets > number and r.gateway.markets["linear"].user.is_ready)
            assert any(notice.what == "listen_key_expired" for notice in r.notices)
            client_id = r.place(row, Side.BUY)
            await until(lambda: any(e.source == Source.STREAM and e.fee is not None for e in r.of(client_id)))
    run(work())


def test_announced_shutdown_costs_no_readiness(venues: Venues) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            before = len(r.sessions)
            venues.command("shutdown_notice", market="spot", in_ms=600)
            await until(lambda: r.gateway.sessions()["spot"].sockets == 2)
            await asyncio.sleep(0.8)
            assert ("spot", "orders", False) not in r.sessions[before:]
            assert (await r.ended(r.place(r.row("spot"), Side.BUY))).status == OrderStatus.FILLED
    run(work())


@pytest.mark.parametrize(("status", "body"),
                         [(503, "Service Unavailable"), (502, ""), (500, '{"code":-1000,"msg":"x"}'), (200, "")])
def test_query_that_the_venue_cannot_answer_is_no_answer(venues: Venues, status: int, body: str) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            venues.command("http", status=status, body=body, count=1)
            with pytest.raises(RestError):
                await r.gateway.query("order", r.row("spot").id, r.new_id())
    run(work())


def test_order_outside_its_receive_window_is_refused_as_time(venues: Venues) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            session = r.gateway.sessions()["linear"]
            session.clock_offset_ns -= 3_000_000_000  # as if our clock had been stepped back
            refused = await r.ended(r.place(r.row("linear"), Side.BUY))
            assert (refused.status, refused.error_class) == (OrderStatus.REJECTED, ErrorClass.TIME)
            await until(lambda: abs(session.clock_offset_ns) < 1_000_000_000)  # measured again at once
            assert (await r.ended(r.place(r.row("linear"), Side.BUY))).status == OrderStatus.FILLED
    run(work())


