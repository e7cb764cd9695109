"""The OKX gateway against the simulated one over real sockets: orders end as the venue's ledger says, OKX US included.

simex shares no code with the gateway: signatures, instrument numbers, contracts, ends of life and private channels are checked by
an implementation of its own.
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
from engine.events import BalanceUpdate, ErrorClass, OrderEvent, OrderStatus, OrderType, PositionUpdate, Sent, Side, Source
from engine.gateways import okx, okxus
from engine.gateways.contract import AccountRefused, Gateway, GatewayHooks, GatewayVenue
from engine.gateways.gateway import make_ssl_context
from engine.gateways.okx_wire import OkxRestDialect
from engine.gateways.settings import gateway_settings
from engine.rest import RestClient
from feeds.config import Fees
from feeds.instruments import InstrumentRow, InstrumentTable, to_scaled
from feeds.venues import okx as okx_feed
from feeds.venues import okxus as okxus_feed
from tests.support.fake_venue import until
from tests.support.feed_system import Venues, make_run_dir

pytest.importorskip("tools.simex.okx", reason="the simulated OKX is not part of this tree")

INSTANCE = 7
FEEDS = {"okx": okx_feed.VENUE, "okxus": okxus_feed.VENUE}
_sequence = itertools.count(1)


@pytest.fixture(scope="module")
def venues(tmp_path_factory: pytest.TempPathFactory) -> Any:
    run_dir = make_run_dir(tmp_path_factory.mktemp("gateway"), simex={"venues": ["okx", "okxus"], "pairs": 2,
                                                                      "background_msgs_per_s": 50.0})
    with Venues(run_dir) as made:
        made.command("quiet", dislocations=False, traffic=False)
        yield made


class Rig:
    """A started gateway, its table, and what it heard."""

    def __init__(self, venues: Venues, declared: GatewayVenue) -> None:
        self.venues = venues
        self.declared = declared
        self.events: list[OrderEvent] = []
        self.facts: list[Any] = []
        self.sessions: list[tuple[str, str, bool]] = []
        self.alerts: list[tuple[str, str]] = []
        self.table = InstrumentTable()
        self.array: InstrumentArray
        self.gateway: Gateway

    async def start(self) -> None:
        name = self.declared.name
        section = SimpleNamespace(markets=list(self.declared.markets), order_auth="hmac", recv_window_ms=2000)
        settings = gateway_settings(section, "sim", name, instance=INSTANCE, simex=self.venues.facts)
        settings.policy = ConnectionPolicy(first_ms=100, last_ms=200)
        rest = RestClient("listing", settings.endpoints["rest"], OkxRestDialect(),
                          ssl_context=make_ssl_context(settings.endpoints.values(), settings.ca_file))
        rows: list[InstrumentRow] = []
        for market in self.declared.markets:
            listing = await rest.get(okx_feed.INSTRUMENTS_PATH, {"instType": okx_feed.INST_TYPES[market]})
            rows += FEEDS[name].parse_listing(market, listing, Fees())[0]
        await rest.close()
        self.table.merge(rows)
        self.array = self.table.to_array()
        self.gateway = self.declared.make_gateway(settings, self.table, self.array, GatewayHooks(
            event=self.events.append, account=self.facts.append,
            session=lambda _, market, kind, is_up, why: self.sessions.append((market, kind, is_up)),
            alert=lambda code, text: self.alerts.append((code, text))))
        await self.gateway.start(give_up_after_s=8)

    def row(self, market: str) -> InstrumentRow:
        return next(row for row in self.table.rows if row.market == market and row.base == "BTC")

    def place(self, row: InstrumentRow, side: Side, *, away_bps: int = 20, order_type: OrderType = OrderType.IOC,
              qty: str = "0.01", reduce_only: bool = False, client_id: str = "") -> str:
        """One order, `away_bps` beyond the other side's best (negative: short of our own); returns its id."""
        book = self.venues.command("book", venue=self.declared.name, market=row.market, symbol=row.symbol, depth=1)
        bid, ask = (to_scaled(Decimal(levels[0][0]), row.px_scale) for levels in (book["bids"], book["asks"]))
        tick = to_scaled(row.tick, row.px_scale)
        px = ask + ask * away_bps // 10_000 if side == Side.BUY else bid - bid * away_bps // 10_000
        client_id = client_id or encode_client_id(INSTANCE, time.time_ns() // 10**9 << 32 | next(_sequence), 0)
        sent = self.gateway.sessions()[row.market].place(row.id, client_id, side, order_type, px // tick * tick,
                                                         to_scaled(Decimal(qty), row.qty_scale), reduce_only)
        assert sent == Sent.OK
        return client_id

    def of(self, client_id: str) -> list[OrderEvent]:
        return [event for event in self.events if event.client_id == client_id]

    async def ended(self, client_id: str) -> OrderEvent:
        await until(lambda: any(event.is_terminal for event in self.of(client_id)))
        return next(event for event in self.of(client_id) if event.is_terminal)


@contextlib.asynccontextmanager
async def rig(venues: Venues, declared: GatewayVenue = okx.GATEWAY) -> AsyncIterator[Rig]:
    made = Rig(venues, declared)
    try:
        await made.start()
        yield made
    finally:
        venues.command("clear")
        if hasattr(made, "gateway"):
            await made.gateway.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    uvloop.run(asyncio.wait_for(work, 40))


def test_orders_on_both_markets_end_with_the_fills_and_fees_of_the_ledger(venues: Venues) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            assert r.gateway.is_ready()
            for market, fee_asset in (("spot", "BTC"), ("linear", "USDT")):
                row = r.row(market)
                assert (row.contract_size == 1) == (market == "spot")     # the perpetual counts contracts
                client_id = r.place(row, Side.BUY)
                end = await r.ended(client_id)
                assert (end.status, end.cum_qty, end.source) == (OrderStatus.FILLED, to_scaled(Decimal("0.01"), row.qty_scale),
                                                                 Source.STREAM)
                assert r.of(client_id)[0].status == OrderStatus.NEW   # the ack came first, and was no outcome
                fills = {e.trade_id: e for e in r.of(client_id) if e.is_fill}
                assert sum(e.last_qty for e in fills.values()) == end.cum_qty
                assert {e.fee_asset for e in fills.values()} == {fee_asset}
                assert all(e.fee is not None and e.fee > 0 for e in fills.values())
                answer = await r.gateway.query("order", row.id, client_id)
                assert {e.trade_id: (e.last_qty, e.last_px, e.fee, e.fee_asset) for e in answer.events if e.is_fill} == {
                    e.trade_id: (e.last_qty, e.last_px, e.fee, e.fee_asset) for e in fills.values()}
                assert answer.events[-1].cum_qty == end.cum_qty
            await until(lambda: any(isinstance(fact, BalanceUpdate) and fact.account == "okx:unified" and fact.asset == "BTC"
                                    for fact in r.facts))
            await until(lambda: any(isinstance(fact, PositionUpdate) and fact.instrument_id == r.row("linear").id and fact.qty
                                    for fact in r.facts))
            held = (await r.gateway.query("position", r.row("linear").id, "")).position
            assert held is not None and held >= Decimal("0.01")
            # reduced again, and no further than there is
            assert (await r.ended(r.place(r.row("linear"), Side.SELL, qty=str(held),
                                          reduce_only=True))).status == OrderStatus.FILLED
            assert (await r.gateway.query("position", r.row("linear").id, "")).position == 0
            assert r.alerts == []
    run(work())


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_every_way_in_which_an_order_can_end(venues: Venues, market: str) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            row = r.row(market)
            nothing_taken = await r.ended(r.place(row, Side.BUY, away_bps=-100))
            assert (nothing_taken.status, nothing_taken.cum_qty) == (OrderStatus.EXPIRED, 0)
            killed = await r.ended(r.place(row, Side.BUY, away_bps=-100, order_type=OrderType.FOK))
            assert (killed.status, killed.cum_qty) == (OrderStatus.EXPIRED, 0)
            crossing = await r.ended(r.place(row, Side.BUY, order_type=OrderType.POST_ONLY))
            assert (crossing.status, crossing.error_class) == (OrderStatus.REJECTED, ErrorClass.REJECT)
            resting = r.place(row, Side.BUY, away_bps=-100, order_type=OrderType.POST_ONLY)
            await until(lambda: any(event.source == Source.STREAM for event in r.of(resting)))
            assert (row.symbol, resting) in await r.gateway.markets[market].open_orders()
            r.place(row, Side.BUY, away_bps=-100, order_type=OrderType.POST_ONLY, client_id=resting)   # the id of an open order
            await until(lambda: any(event.error_class == ErrorClass.UNKNOWN_EXECUTION for event in r.of(resting)))
            assert await r.gateway.cancel(row.id, resting) == []
            canceled = await r.ended(resting)
            assert (canceled.status, canceled.cum_qty) == (OrderStatus.CANCELED, 0)
            again = await r.gateway.query("order", row.id, resting)
            assert again.events[-1].status == OrderStatus.CANCELED
            nothing = await r.gateway.query("order", row.id, encode_client_id(INSTANCE, 1 << 32, 0))
            assert (nothing.is_found, nothing.events[-1].status) == (False, OrderStatus.NOT_FOUND)
            others = [r.place(row, Side.BUY, away_bps=-100 - n, order_type=OrderType.GTC) for n in range(3)]
            await until(lambda: all(any(event.source == Source.STREAM for event in r.of(one)) for one in others))
            assert await r.gateway.cancel_all(market) == [row.symbol]
            assert [(await r.ended(one)).status for one in others] == [OrderStatus.CANCELED] * 3
    run(work())


def test_a_request_that_comes_after_its_end_of_life_is_refused(venues: Venues) -> None:
    """expTime counts on the venue's clock: with an offset of ten seconds every order is over before it arrives."""
    async def work() -> None:
        async with rig(venues) as r:
            session: Any = r.gateway.sessions()["linear"]
            good_ns = session.clock_offset_ns
            session.clock_offset_ns = good_ns - 10_000_000_000
            end = await r.ended(r.place(r.row("linear"), Side.BUY))
            assert (end.status, end.error_class, end.venue_code) == (OrderStatus.REJECTED, ErrorClass.TIME, 50036)
            await until(lambda: session.clock_offset_ns > good_ns - 1_000_000_000)   # the clock is measured anew
            assert (await r.ended(r.place(r.row("linear"), Side.BUY))).status == OrderStatus.FILLED
    run(work())


def test_lost_user_stream_comes_back_and_tells_the_account(venues: Venues) -> None:
    async def work() -> None:
        async with rig(venues) as r:
            before = len(r.facts)
            r.gateway.restart_stream("spot", "test")
            await until(lambda: any(isinstance(fact, BalanceUpdate) and fact.reason == "snapshot" for fact in r.facts[before:]))
            assert (await r.ended(r.place(r.row("spot"), Side.BUY))).status == OrderStatus.FILLED
            assert await r.gateway.arm_dead_man(30) == ("spot", "linear")
    run(work())


def test_hedge_mode_is_refused(venues: Venues) -> None:
    async def work() -> None:
        venues.command("account", venue="okx", hedge_mode=True)
        try:
            with pytest.raises(AccountRefused, match="posMode is 'long_short_mode'"):
                async with rig(venues):
                    pass
        finally:
            venues.command("account", venue="okx", hedge_mode=False)
    run(work())


def test_okx_us_trades_spot(venues: Venues) -> None:
    async def work() -> None:
        async with rig(venues, okxus.GATEWAY) as r:
            end = await r.ended(r.place(r.row("spot"), Side.BUY))
            assert end.status == OrderStatus.FILLED
            assert set(await r.gateway.balances()) == {"okxus:unified"}
    run(work())
