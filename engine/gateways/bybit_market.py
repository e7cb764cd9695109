"""Bybit, one market (spot or USDT/USDC perpetuals) of a unified account: its requests and parsers. What every venue shares is in
market_gateway.py.

An ack says no more than "accepted for processing", and no private topic begins with a snapshot: what became of an order is
told by the order topic, and asked over REST (open and recent orders, then the history) whenever a socket was down. Both
markets share one account: one count of requests for both, and one of them tells the balances.
"""
from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any

from cext.decoders.bybit_orders import BybitOrderDecoder
from cext.decoders.orders import id64
from cext.encoders.bybit import BybitOrderEncoder
from engine.connection import ConnectionPolicy
from engine.events import BalanceUpdate, ErrorClass, OrderEvent, OrderStatus, PositionUpdate, Source
from engine.gateways import bybit_account as account
from engine.gateways import bybit_facts as facts
from engine.gateways.bybit_facts import PATHS
from engine.gateways.bybit_streams import has_funding, parse_account_event
from engine.gateways.bybit_wire import BybitRestDialect, BybitSocketDialect
from engine.gateways.contract import (
    AccountRefused,
    AccountReport,
    AccountState,
    Answer,
    Clock,
    FeeRates,
    FundingIncome,
    MarketSetup,
)
from engine.gateways.maintenance import Window, windows_of
from engine.gateways.market_gateway import Fact, MarketGateway
from engine.rest import RestClient, RestError, RestResponse
from engine.rest_dialect import RateState
from engine.sessions import RequestFailed, VenueSocket
from feeds.instruments import InstrumentError

log = logging.getLogger("lockstep.bybit")

RESTARTING = 10019       # the order socket's gateway restarts: what is under way ends, new requests are not taken
CLOCK_OWN_NS = 1_000     # timeNano is taken as it stands; the venue states no more than that it is in ns


class BybitMarket(MarketGateway):
    """BybitMarket(setup)."""

    POLICY = ConnectionPolicy(ping_frame=facts.PING, ping_every_s=facts.PING_EVERY_S)
    FEES_AT_START = 3   # symbol by symbol only where one request does not tell all: five a second are allowed

    def __init__(self, setup: MarketSetup) -> None:
        self.margin_type = ""
        self.disconnect = "OFF"
        self.borrowed: dict[str, Any] = {}
        self.risk_tiers: dict[str, int] = {}      # symbol -> number of tiers
        self._funding_known: set[str] = set()
        self._funding_read_ns = 0                 # time of the newest payment read
        self._funding_hint = asyncio.Event()
        self._subscribed = 0
        super().__init__(setup)

    # ------------------------------------------------------------ parts

    def make_rest(self) -> RestClient:
        self.rest_words = BybitRestDialect(self.credentials, max(self.settings.recv_window_ms, 1000))
        return RestClient(self.name, self.settings.endpoints["rest"], self.rest_words,
                          rate=self.setup.shared.setdefault("rate", RateState()), ssl_context=self.setup.ssl_context)

    def make_decoder(self) -> BybitOrderDecoder:
        return BybitOrderDecoder(self.instruments, self.market, self.venue.name)

    def make_encoder(self) -> BybitOrderEncoder:
        return BybitOrderEncoder(self.market, self.settings.recv_window_ms, self.settings.stp_mode or "CancelMaker",
                                 self.venue.name)

    def make_dialect(self) -> BybitSocketDialect:
        self.words = BybitSocketDialect()
        return self.words

    # ------------------------------------------------------------ life

    async def start(self, ready_timeout_s: float = 15.0) -> None:
        """As every market's; but a key that the venue refuses is told at once, before sockets are tried with it."""
        await self.measure_clock()
        await self._signed(PATHS["key"])
        await super().start(ready_timeout_s)

    def keepers(self) -> Iterable[tuple[str, Coroutine[Any, Any, None]]]:
        return (("funding", self._keep_funding()),) if self.market == "linear" else ()

    # ------------------------------------------------------------ clock

    def time_request(self) -> tuple[str, dict[str, Any]]:
        return PATHS["time"], {}

    def server_ns(self, response: RestResponse) -> tuple[int, int]:
        return int(response.json()["result"]["timeNano"]), CLOCK_OWN_NS

    async def measure_clock(self) -> Clock:
        clock = await super().measure_clock()
        self.rest_words.clock_offset_ns = clock.offset_ns
        return clock

    # ------------------------------------------------------------ account

    async def fill_account(self, state: AccountState) -> None:
        key = await self._signed(PATHS["key"])
        told = account.parse_key(key, self.market)
        if self.settings.checks_key_restrictions:
            account.check_key_restrictions(key)
        state.uid, state.permissions = told.uid, tuple(sorted(told.rights))
        about = account.parse_account(await self._signed(PATHS["account"]))
        state.mode, self.margin_type, self.disconnect = about.mode, about.margin_type, about.disconnect
        if self.setup.tells_account:
            self.setup.shared["opened_ns"] = self.venue_now_ns()   # payments from here on are not in the opening balances
            state.balances = await self.read_balances()
        if self.market == "linear":
            state.positions = await self.read_positions()
            await self._read_leverage(state)
        state.can_trade = True

    async def _read_leverage(self, state: AccountState) -> None:
        """Symbol by symbol: the list of an account has only symbols with a position. Hedge mode shows here as well."""
        for symbol in sorted(self.traded):
            told = account.rows_of(await self._signed(PATHS["positions"], {"category": "linear", "symbol": symbol}), "positions")
            if not told:
                raise AccountRefused(f"{self.name} positions: no entry for {symbol}: leverage is unknown")
            for row in told:
                account.position_of(row, self.rows, self.venue.name, self.account, "snapshot", 0, 0)
                state.leverage[symbol] = account.parse_leverage(row, symbol)
            state.margin_type[symbol] = self.margin_type
            await asyncio.sleep(facts.POSITION_PACE_S)
        if self.traded:
            first = min(self.traded)
            answer = await self._public(PATHS["risk"], {"category": "linear", "symbol": first})
            self.risk_tiers = {first: len(account.parse_risk_tiers(answer, first))}

    async def read_fee(self, symbol: str) -> FeeRates:
        rates = account.parse_fees(await self._signed(PATHS["fees"], {"category": self.market, "symbol": symbol})).get(symbol)
        if rates is None:
            raise AccountRefused(f"{self.name} fee rate: no entry for {symbol}")
        return rates

    async def read_all_fees(self) -> dict[str, FeeRates] | None:
        """One request tells all symbols; None (symbol by symbol) where one that we trade is missing."""
        rates = account.parse_fees(await self._signed(PATHS["fees"], {"category": self.market}))
        return {symbol: rates[symbol] for symbol in sorted(self.traded)} if self.traded <= rates.keys() else None

    async def open_orders(self) -> list[tuple[str, str]]:
        """Every open order of the market; also conditional ones and those of other programs."""
        found = []
        for which in self._scopes():
            async for row in self._pages("orders", {**which, "openOnly": 0}, facts.ORDERS_PAGE):
                if row.get("orderStatus") not in facts.CLOSED_WORDS:
                    found.append((str(account.require(row, "symbol", "order")),
                                  str(account.require(row, "orderLinkId", "order"))))
        return found

    async def read_balances(self, *, is_critical: bool = False) -> list[BalanceUpdate]:
        now_ns = self.venue_now_ns()
        told = account.rows_of(await self._signed(PATHS["balance"], {"accountType": "UNIFIED"}, is_critical=is_critical),
                               "wallet balance")
        self.borrowed = account.parse_borrowed(told)
        return account.parse_wallet(told, self.venue.name, self.market, self.account, "snapshot", now_ns)

    async def read_positions(self, symbol: str | None = None, *, is_critical: bool = False) -> list[PositionUpdate]:
        if self.market == "spot":
            return []
        now_ns = self.venue_now_ns()
        scopes = [{"category": "linear", "symbol": symbol}] if symbol else self._scopes()
        return [account.position_of(row, self.rows, self.venue.name, self.account, "snapshot", now_ns, 0)
                for which in scopes async for row in self._pages("positions", which, facts.POSITIONS_PAGE,
                                                                 is_critical=is_critical or symbol is not None)]

    def _scopes(self) -> list[dict[str, Any]]:
        """Parameters of lists of the whole market: linear lists want a settling coin."""
        if self.market == "spot":
            return [{"category": "spot"}]
        coins = {row.settle for row in self.rows.values()} or {"USDT"}
        return [{"category": "linear", "settleCoin": coin} for coin in sorted(coins)]

    def account_report(self) -> AccountReport:
        markets = tuple(market for market in self.settings.markets if self.venue.account_of(market) == self.account)
        tiers = ", ".join(f"{symbol}: {count}" for symbol, count in self.risk_tiers.items()) or "read by the linear market"
        borrowed = ", ".join(f"{amount} {asset}" for asset, amount in sorted(self.borrowed.items()))
        return AccountReport(
            self.account, markets, f"{self.state.mode}, one-way" if "linear" in markets else self.state.mode,
            "spot: the asset received; linear: the settling coin", f"position value, {PATHS['risk']} (tiers of {tiers})",
            "spot orders never borrow (isLeverage 0); losses of futures beyond the coin's balance are borrowed by the venue; "
            f"borrowed now: {borrowed or 'nothing'}",
            "none" if self.disconnect == "OFF" else f"disconnect protection of the institution: {self.disconnect}",
            tuple(self.venue.options["lacks"]))

    # ------------------------------------------------------------ funding

    async def funding_income(self, since_ns: int) -> list[FundingIncome]:
        """The transaction log's settlements; a question may span seven days."""
        if self.market == "spot":
            return []
        found: dict[str, FundingIncome] = {}
        now_ns = self.venue_now_ns()
        start_ns = since_ns
        while start_ns < now_ns:
            end_ns = min(start_ns + facts.TRANSACTION_RANGE_NS, now_ns + 10**9)
            which = {"accountType": "UNIFIED", "category": "linear", "type": "SETTLEMENT", "startTime": start_ns // 1_000_000,
                     "endTime": end_ns // 1_000_000}
            rows = [row async for row in self._pages("transactions", which, facts.TRANSACTIONS_PAGE)]
            found |= {one.income_id: one for one in account.parse_funding({"list": rows}, self.account)}
            start_ns = end_ns
        return sorted(found.values(), key=lambda one: (one.exch_ns, one.income_id))

    async def _keep_funding(self) -> None:
        """Tell each payment once. Whether the execution topic pushes them is not said by the venue, so they are read; a push only
        makes it sooner."""
        while True:
            try:  # not wait_for: a hint in the moment of a cancel would swallow the cancel
                async with asyncio.timeout(facts.FUNDING_POLL_S):
                    await self._funding_hint.wait()
            except TimeoutError:
                pass
            self._funding_hint.clear()
            try:
                await self.tell_funding()
            except (RestError, AccountRefused) as error:
                log.info("%s: funding not read: %s", self.name, error)

    async def tell_funding(self) -> None:
        """Payments since the account was read at start that have not been told yet, as balance changes."""
        opened_ns = self.setup.shared.get("opened_ns", 0)
        for one in await self.funding_income(max(opened_ns, self._funding_read_ns - facts.FUNDING_OVERLAP_NS)):
            self._funding_read_ns = max(self._funding_read_ns, one.exch_ns)
            if one.income_id in self._funding_known or one.exch_ns < opened_ns:
                continue
            self._funding_known.add(one.income_id)
            self.hooks.account(BalanceUpdate(self.venue.name, "linear", one.asset, delta=one.amount, reason="FUNDING_FEE",
                                             exch_ns=one.exch_ns, recv_mono_ns=time.monotonic_ns(), account=self.account))

    # ------------------------------------------------------------ requests

    async def _signed(self, path: str, params: dict[str, Any] | None = None, *, is_critical: bool = False) -> Any:
        """The `result` of a signed GET."""
        return account.require(await self.rest.get(path, params, is_signed=True,
                                                   is_critical=is_critical or not self.has_account), "result", path)

    async def read_maintenance(self, now_wall_ns: int) -> list[Window]:
        told = await self._public(PATHS["status"], {})
        return windows_of([row for row in told.get("list") or () if isinstance(row, dict)], now_wall_ns)

    async def _public(self, path: str, params: dict[str, Any]) -> Any:
        return account.require(await self.rest.get(path, params), "result", path)

    async def _pages(self, name: str, params: dict[str, Any], page: int, *,
                     is_critical: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Every row of a list, page by page. RestError when it has no end: part of a list is no answer."""
        which = {**params, "limit": page}
        for _ in range(facts.PAGES_MAX):
            answer = await self._signed(PATHS[name], which, is_critical=is_critical)
            for row in account.rows_of(answer, name):
                yield row
            cursor = answer.get("nextPageCursor")
            if not cursor:
                return
            which = {**which, "cursor": cursor}
        raise RestError(f"{self.name} {name}", 200, 0, f"more than {facts.PAGES_MAX} pages")

    # ------------------------------------------------------------ questions about one order

    async def query_order(self, row: int, client_id: str) -> Answer:
        """Open and recent orders, then the history (after a restart of the venue finished ones are only there); and the fills
        with their fees when something was executed."""
        params = {"category": self.market, "symbol": self.symbol(row), "orderLinkId": client_id}
        events = await self._ask_order("orders", params, row)
        if events[-1].status == OrderStatus.NOT_FOUND:
            events = await self._ask_order("history", params, row)
        status = events[-1]
        if status.status == OrderStatus.NOT_FOUND:
            return Answer(events, False)
        if status.cum_qty > 0:
            events = await self._fills_of(row, client_id) + events
        return Answer(events, True)

    async def _ask_order(self, name: str, params: dict[str, Any], row: int) -> list[OrderEvent]:
        """Events of one list of orders by client id; RestError when it proves nothing."""
        client_id = params["orderLinkId"]
        response = await self.rest.request("GET", PATHS[name], params, is_signed=True, is_critical=True)
        events = self.rest_events(response, client_id, "query", row)
        status = events[-1]
        if status.status == OrderStatus.NOT_FOUND:
            return events
        if status.status == OrderStatus.NONE or status.error_class != ErrorClass.NONE:
            raise RestError(f"{self.name} query {client_id}", response.status, status.venue_code, status.message or "no answer")
        return events

    async def query_fills(self, row: int, client_id: str, venue_order_id: int, since_mono_ns: int) -> Answer:
        """By client id: the venue's executions carry it."""
        fills = await self._fills_of(row, client_id)
        return Answer(fills, bool(fills))

    async def _fills_of(self, row: int, client_id: str) -> list[OrderEvent]:
        """Trades of one order, oldest first."""
        symbol = self.symbol(row)
        which = {"category": self.market, "symbol": symbol, "orderLinkId": client_id}
        fills = []
        async for told in self._pages("executions", which, facts.EXECUTIONS_PAGE, is_critical=True):
            try:
                if told.get("execType") != "Trade":
                    continue
                if account.require(told, "orderLinkId", "execution") != client_id or told.get("symbol") != symbol:
                    raise AccountRefused("it is of another order")
                ids = (id64(account.require(told, name, "execution")) for name in ("execId", "orderId"))
                fills.append(account.fill_of(told, self.rows[symbol], client_id, *ids, time.monotonic_ns()))
            except (KeyError, TypeError, ValueError, AttributeError, InstrumentError, AccountRefused) as error:
                raise RestError(f"{self.name} executions {client_id}", 200, 0,
                                f"an execution that makes no sense ({error}): {told}") from None
        return sorted(fills, key=lambda fill: fill.exch_ns)

    async def cancel_rest(self, row: int, client_id: str) -> list[OrderEvent]:
        """Cancel by client id over REST: the way out when the order session is down."""
        response = await self.rest.request("POST", PATHS["cancel"], {"category": self.market, "symbol": self.symbol(row),
                                                                     "orderLinkId": client_id}, is_signed=True, is_critical=True)
        return self.rest_events(response, client_id, "cancel", row)

    async def cancel_symbol(self, symbol: str) -> None:
        """Of more than 500 open linear orders of a symbol the venue takes 500 by chance: asked again while it took so many."""
        for _ in range(facts.PAGES_MAX):
            answer = await self.rest.json("POST", PATHS["cancel_all"], {"category": self.market, "symbol": symbol},
                                          is_signed=True, is_critical=True)
            if len((answer.get("result") or {}).get("list") or ()) < facts.CANCEL_ALL_MAX:
                return

    # ------------------------------------------------------------ sockets

    async def order_url(self) -> str:
        return self.settings.endpoints["trade_ws"]

    async def user_url(self) -> str:
        return self.settings.endpoints["private_ws"]

    async def prepare_orders(self, socket: VenueSocket) -> None:
        await self._logon(socket, is_trade=True)

    async def prepare_user(self, socket: VenueSocket) -> None:
        await self._logon(socket, is_trade=False)
        topics = facts.TOPICS[self.market] + (facts.ACCOUNT_TOPICS if self.setup.tells_account else ())
        key, frame = self.words.subscribe(topics)
        await socket.request(key, frame, name=f"subscribe {', '.join(topics)}")
        self._subscribed += 1
        if self._subscribed > 1:
            self.spawn("account after a reconnect", self._catch_up())

    async def _logon(self, socket: VenueSocket, *, is_trade: bool) -> None:
        """A refusal may be the time's fault, which the private socket does not say by a code: the clock is measured before the
        next attempt."""
        expires_ms = self.orders.venue_time_ms() + facts.AUTH_LIFE_MS
        key, frame = self.words.logon(self.credentials, expires_ms, is_trade=is_trade)
        try:
            await socket.request(key, frame, name="auth")
        except RequestFailed as error:
            if error.code:
                await self.measure_quietly()
            raise

    async def _catch_up(self) -> None:
        """What the private topics would have told while the socket was down, of balances and positions; about its orders the calm
        floor asks itself."""
        try:
            told: list[Fact] = [*(await self.read_balances() if self.setup.tells_account else ()), *await self.read_positions()]
        except (RestError, AccountRefused) as error:
            log.warning("%s: account not read after a reconnect: %s", self.name, error)
            return
        for fact in told:
            self.hooks.account(fact)
        self._funding_hint.set()

    def _on_event(self, event: OrderEvent) -> None:
        if event.venue_code == RESTARTING and event.source == Source.REPLY:
            self.order_connection.replace("the trade gateway restarts")
        super()._on_event(event)

    def parse_account_event(self, name: str, data: bytes, recv_mono_ns: int) -> list[Fact] | None:
        if name == "execution" and self.market == "linear" and has_funding(data):
            self._funding_hint.set()
        if name == "wallet" and not self.setup.tells_account:
            return []
        return parse_account_event(name, data, recv_mono_ns, self.market, self.rows, self.venue.name, self.account)

    def stats(self) -> dict[str, Any]:
        decoder: Any = self.orders.decoder
        return {**super().stats(), "order_limit_left": decoder.limit_left, "order_limit": decoder.limit_total}
