"""A venue as the shell sees it: VenueGateway runs the markets of any GatewayVenue. No venue is named here."""
from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from cext.instrument import InstrumentArray
from engine.events import OrderEvent, PositionUpdate, Sent
from engine.gateways.contract import (
    AccountRefused,
    AccountReport,
    AccountState,
    Answer,
    FundingIncome,
    GatewayHooks,
    GatewaySettings,
    GatewayVenue,
    MarketSetup,
    account_totals,
)
from engine.gateways.maintenance import Window
from engine.gateways.market_gateway import MarketGateway
from engine.rest import RestError
from engine.sessions import OrderSession
from feeds.instruments import InstrumentTable

START_BACK_OFF_FIRST_S = 0.25
START_BACK_OFF_LAST_S = 10.0


class VenueGateway:
    """VenueGateway(venue, settings, table, instruments, hooks); contract.Gateway says what each method promises."""

    def __init__(self, venue: GatewayVenue, settings: GatewaySettings, table: InstrumentTable, instruments: InstrumentArray,
                 hooks: GatewayHooks | None = None) -> None:
        venue.check(settings)
        self.venue = venue
        self.settings = settings
        self.hooks = (hooks or GatewayHooks()).guarded()
        context = make_ssl_context(settings.endpoints.values(), settings.ca_file)
        shared: dict[str, Any] = {}
        telling: set[str] = set()
        self.markets: dict[str, MarketGateway] = {}
        for index, market in enumerate(settings.markets):
            account = venue.account_of(market)
            self.markets[market] = venue.make_market(MarketSetup(
                venue, market, settings, table, instruments, self.hooks, shared, settings.seed * 16 + index,
                account not in telling, context))
            telling.add(account)
        self._market_of_row = [self.markets.get(row.market) if row.venue == venue.name else None for row in table.rows]

    # ------------------------------------------------------------ life

    async def start(self, *, give_up_after_s: float | None = None) -> dict[str, AccountState]:
        """Bring all markets up; what is not reachable is tried again with back-off (alert "venue_unreachable"), for ever or until
        `give_up_after_s`. AccountRefused ends it at once: a wrong account does not get better by asking again."""
        started = time.monotonic()
        starts = [asyncio.ensure_future(self._start_market(market, started, give_up_after_s)) for market in self.markets.values()]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for one in starts:      # a market that goes on would open sockets after a stop
                one.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise
        return {name: market.state for name, market in self.markets.items()}

    async def _start_market(self, market: MarketGateway, started: float, give_up_after_s: float | None) -> None:
        wait_s = START_BACK_OFF_FIRST_S
        while True:
            try:
                return await market.start()
            except (RestError, OSError) as error:
                if isinstance(error, RestError) and error.code in self.venue.key_refused:
                    raise AccountRefused(f"{market.name}: the venue refuses the key: {error}") from None
                if give_up_after_s is not None and time.monotonic() - started + wait_s > give_up_after_s:
                    raise
                self.hooks.alert("venue_unreachable", f"{market.name}: {error}; next attempt in {wait_s:.1f} s")
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, START_BACK_OFF_LAST_S)

    async def stop(self) -> None:
        await asyncio.gather(*(market.stop() for market in self.markets.values()))

    # ------------------------------------------------------------ what the shell uses

    def sessions(self) -> dict[str, OrderSession]:
        return {name: market.orders for name, market in self.markets.items()}

    def is_ready(self) -> bool:
        return all(m.orders.is_ready and m.user.is_ready and m.clock.is_good for m in self.markets.values())

    def market_of(self, row: int) -> MarketGateway:
        market = self._market_of_row[row] if 0 <= row < len(self._market_of_row) else None
        if market is None:
            raise LookupError(f"row {row} is not an instrument of {self.venue.name} that this gateway trades")
        return market

    async def query(self, ask: str, row: int, client_id: str, *, venue_order_id: int = 0, since_mono_ns: int = 0) -> Answer:
        market = self.market_of(row)
        if ask not in ("order", "fills", "position"):
            raise ValueError(f"{ask!r} is not a question: order, fills or position")
        try:
            if ask == "order":
                return await market.query_order(row, client_id)
            if ask == "fills":
                return await market.query_fills(row, client_id, venue_order_id, since_mono_ns)
            return await market.query_position(row)
        except (AccountRefused, LookupError, TypeError, ValueError, AttributeError) as error:
            # JSON of another shape than the venue documents
            raise RestError(f"{market.name} {ask} {client_id}", 200, 0, f"an answer that makes no sense: {error!r}") from None

    async def cancel(self, row: int, client_id: str) -> list[OrderEvent]:
        market = self.market_of(row)
        if market.orders.is_sendable() and market.orders.cancel(row, client_id) == Sent.OK:
            return []
        return await market.cancel_rest(row, client_id)

    async def cancel_all(self, market: str, symbols: list[str] | None = None) -> list[str]:
        return await self.markets[market].cancel_all(symbols)

    def restart_stream(self, market: str, reason: str = "silent") -> None:
        self.markets[market].restart_stream(reason)

    async def balances(self, *, is_critical: bool = False) -> dict[str, dict[str, Decimal]]:
        telling = [market for market in self.markets.values() if market.setup.tells_account]
        read = await asyncio.gather(*(market.read_balances(is_critical=is_critical) for market in telling))
        return {market.account: account_totals(balances) for market, balances in zip(telling, read, strict=True)}

    async def positions(self, *, is_critical: bool = False) -> list[PositionUpdate]:
        read = await asyncio.gather(*(market.read_positions(is_critical=is_critical) for market in self.markets.values()))
        return [position for positions in read for position in positions]

    async def maintenance(self, now_wall_ns: int) -> list[Window]:
        """Windows in which the venue says that it does not trade, those of now and to come."""
        told = await asyncio.gather(*(market.read_maintenance(now_wall_ns) for market in self.markets.values()
                                      if market.setup.tells_account))
        return sorted({window for windows in told for window in windows}, key=lambda one: one.begin_wall_ns)

    async def funding_income(self, since_ns: int) -> list[FundingIncome]:
        read = await asyncio.gather(*(market.funding_income(since_ns) for market in self.markets.values()))
        return sorted((one for incomes in read for one in incomes), key=lambda one: (one.exch_ns, one.income_id))

    async def tell_funding(self) -> None:
        await asyncio.gather(*(market.tell_funding() for market in self.markets.values()))

    async def arm_dead_man(self, seconds: float) -> tuple[str, ...] | None:
        having = [name for name in self.markets if self.venue.features[name].dead_man]
        if not having:
            return None
        armed = await asyncio.gather(*(self.markets[name].arm_dead_man(seconds) for name in having))
        return tuple(name for name, is_armed in zip(having, armed, strict=True) if is_armed)

    def server_time_ns(self, market: str) -> int:
        return self.markets[market].venue_now_ns()

    def account_report(self) -> list[AccountReport]:
        return [market.account_report() for market in self.markets.values() if market.setup.tells_account]

    def stats(self) -> dict[str, Any]:
        return {name: market.stats() for name, market in self.markets.items()}


def make_ssl_context(urls: Iterable[str], ca_file: str | None = None) -> ssl.SSLContext | None:
    """Verified TLS 1.2+; a test CA only where simex.json names one. None when nothing is encrypted (loopback simulation)."""
    if not any(url.startswith(("https://", "wss://")) for url in urls):
        return None
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
