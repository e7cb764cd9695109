"""A venue's real gateway against its simulated venue over real sockets, and what can be asked of both."""
from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Coroutine
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import uvloop

from cext.client_id import encode_client_id
from engine.connection import ConnectionPolicy
from engine.events import OrderEvent, OrderType, Sent, Side
from feeds.config import VenueConfig
from feeds.instruments import InstrumentRow, InstrumentTable, to_scaled
from feeds.rest import RestClient as FeedRest
from tests.conformance.case import VenueCase
from tests.conformance.layers import feed_of, gateway_of, sim_of
from tests.support.fake_venue import until
from tests.support.feed_system import Venues

if TYPE_CHECKING:
    from engine.gateways.contract import Gateway

INSTANCE = 7
RECV_WINDOW_MS = 2000  # ten times what a loaded test machine needs
_sequence = itertools.count(1)
_LISTED: dict[tuple[str, str], list[InstrumentRow]] = {}


class TradeRig:
    """A started gateway, its table, and what it heard."""

    def __init__(self, case: VenueCase, venues: Venues, order_auth: str = "") -> None:
        self.case = case
        self.venues = venues
        self.feed, self.sim, self.declared = feed_of(case), sim_of(case), gateway_of(case)
        self.order_auth = order_auth or next(iter(self.declared.auths))
        self.events: list[OrderEvent] = []
        self.facts: list[Any] = []
        self.sessions: list[tuple[str, str, bool]] = []
        self.alerts: list[tuple[str, str]] = []
        self.notices: list[Any] = []
        self.stops: list[tuple[str, float]] = []
        self.states: dict[str, Any] = {}
        self.table = InstrumentTable()
        self.gateway: Gateway

    async def start(self) -> None:
        from engine.gateways.contract import GatewayHooks
        from engine.gateways.settings import gateway_settings
        section = SimpleNamespace(markets=list(self.case.markets), order_auth=self.order_auth, recv_window_ms=RECV_WINDOW_MS,
                                  endpoints=None, credentials=None)
        settings = gateway_settings(section, "sim", self.declared, instance=INSTANCE, simex=self.venues.facts)
        settings.policy = ConnectionPolicy(first_ms=100, last_ms=200)
        await self.load_table()
        self.gateway = self.declared.make_gateway(settings, self.table, self.table.to_array(), GatewayHooks(
            event=self.events.append, account=self.facts.append, notice=self.notices.append,
            session=lambda _, market, kind, is_up, why: self.sessions.append((market, kind, is_up)),
            alert=lambda code, text: self.alerts.append((code, text)),
            rate_stop=lambda _, market, seconds: self.stops.append((market, seconds))))
        for market in self.gateway.markets.values():
            if market.rest.rate.weight_limit:
                market.rest.rate.weight_limit = 1_000_000  # a dozen starts a minute are this test's doing
        self.states = await self.gateway.start(give_up_after_s=8)

    async def load_table(self) -> None:
        """As the feed reads it; once a process, so that a hundred starts cost no weight."""
        key = (self.case.name, str(self.venues.run_dir))
        if key not in _LISTED:
            _LISTED[key] = await self._read_rows()
        self.table.merge(_LISTED[key])

    async def _read_rows(self) -> list[InstrumentRow]:
        endpoints = self.venues.facts["endpoints"][self.case.name]
        clients = {market: FeedRest(endpoints[self.feed.rest[market].role], self.feed.rest[market])
                   for market in self.case.markets}
        try:
            listing = await self.feed.read_listing(clients, VenueConfig(markets=list(self.case.markets)))
        finally:
            for client in clients.values():
                await client.close()
        assert listing.problems == []
        return listing.rows

    # ---------------------------------------------------------------- asking the simulated venue

    def command(self, cmd: str, **fields: Any) -> dict[str, Any]:
        return self.venues.command(cmd, venue=self.case.name, **fields)

    def row(self, market: str, base: str = "BTC") -> InstrumentRow:
        return next(row for row in self.table.rows if row.market == market and row.base == base)

    def top(self, row: InstrumentRow) -> tuple[int, int]:
        """Best bid and ask, scaled."""
        book = self.command("book", market=row.market, symbol=row.symbol, depth=1)
        bid, ask = (to_scaled(Decimal(book[side][0][0]), row.px_scale) for side in ("bids", "asks"))
        return bid, ask

    def order_in_ledger(self, client_id: str) -> dict[str, Any] | None:
        orders = self.command("ledger")["accounts"]["main"]["orders"]
        return next((order for order in orders if order["client_id"] == client_id), None)

    # ---------------------------------------------------------------- orders

    def new_id(self) -> str:
        return encode_client_id(INSTANCE, time.time_ns() // 10**9 << 32 | next(_sequence), 0)

    def qty_for(self, row: InstrumentRow, quote: int) -> int:
        """Lots worth about `quote`, at least the smallest order, scaled."""
        lot, (bid, _) = to_scaled(row.lot, row.qty_scale), self.top(row)
        wanted = int(Decimal(quote) / Decimal(bid).scaleb(-row.px_scale) * 10**row.qty_scale)
        least = max(lot, to_scaled(row.min_qty, row.qty_scale))
        return max(least, wanted // lot * lot)

    def place(self, row: InstrumentRow, side: Side, *, away_bps: int = 20, order_type: OrderType = OrderType.IOC,
              quote: int = 2000, qty: int = 0, px: int = 0, reduce_only: bool = False, client_id: str = "") -> str:
        """One order, `away_bps` beyond the other side's best (negative: short of our own); returns its id."""
        bid, ask = self.top(row)
        tick = to_scaled(row.tick, row.px_scale)
        px = px or (ask + ask * away_bps // 10_000 if side == Side.BUY else bid - bid * away_bps // 10_000)
        client_id = client_id or self.new_id()
        sent = self.gateway.sessions()[row.market].place(row.id, client_id, side, order_type, px // tick * tick,
                                                         qty or self.qty_for(row, quote), reduce_only)
        assert sent == Sent.OK
        return client_id

    def of(self, client_id: str) -> list[OrderEvent]:
        return [event for event in self.events if event.client_id == client_id]

    async def ended(self, client_id: str) -> OrderEvent:
        await until(lambda: any(event.is_terminal for event in self.of(client_id)))
        return next(event for event in self.of(client_id) if event.is_terminal)

    async def heard(self, client_id: str, is_it: Any) -> OrderEvent:
        """The first event of the order for which is_it(event)."""
        await until(lambda: any(is_it(event) for event in self.of(client_id)))
        return next(event for event in self.of(client_id) if is_it(event))

    async def settled(self, client_id: str) -> None:
        """Terminal, with all fills of it and their fees, whatever way they came."""
        end = await self.ended(client_id)
        await until(lambda: sum(self.fills(client_id).values()) >= max(end.cum_qty, 0) and set(self.fees(client_id))
                    == set(self.fills(client_id)))

    def fills(self, client_id: str) -> dict[int, int]:
        return {event.trade_id: event.last_qty for event in self.of(client_id) if event.is_fill}

    def fees(self, client_id: str) -> dict[int, tuple[Decimal, str]]:
        return {event.trade_id: (event.fee, event.fee_asset) for event in self.of(client_id)
                if event.is_fill and event.fee is not None}

    def agree_with_ledger(self, client_id: str, row: InstrumentRow) -> dict[str, Any]:
        """Executed quantity, number of fills, and what was paid in fees; returns the ledger's order."""
        order = self.order_in_ledger(client_id)
        assert order is not None, f"{client_id} is not in the ledger"
        executed = to_scaled(Decimal(order["executed"]), row.qty_scale)
        fills, fees = self.fills(client_id), self.fees(client_id)
        assert (sum(fills.values()), len(fills)) == (executed, len(order["fills"])), order
        assert sum((fee for fee, _ in fees.values()), Decimal(0)) == sum((Decimal(f["fee"]) for f in order["fills"]), Decimal(0))
        assert {asset for _, asset in fees.values()} == {f["fee_asset"] for f in order["fills"]}
        return order


@contextlib.asynccontextmanager
async def trading(case: VenueCase, venues: Venues, order_auth: str = "") -> AsyncIterator[TradeRig]:
    """A started rig; faults are cleared and the gateway stopped at its end."""
    made = TradeRig(case, venues, order_auth)
    try:
        await made.start()
        yield made
    finally:
        venues.command("clear")
        venues.command("quiet", traffic=True)
        if hasattr(made, "gateway"):
            await made.gateway.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    uvloop.run(asyncio.wait_for(work, 40))
