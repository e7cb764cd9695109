"""OKX, one market (spot or USDT/USDC perpetuals) of a unified account: its requests and parsers. What every venue shares is in
market_gateway.py.

An ack says that an order was accepted, no more: what became of it is told by the orders channel, which begins without a snapshot,
and asked over REST whenever a socket was down. Both markets share one account: one count of requests for both, one cancel timer,
and one of them tells the balances.
"""
from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any

import orjson

from cext.decoders.okx_orders import OkxOrderDecoder, trade_number
from cext.encoders.okx import OkxOrderEncoder
from engine.connection import ConnectionPolicy
from engine.events import BalanceUpdate, ErrorClass, OrderEvent, OrderStatus, PositionUpdate, Source
from engine.gateways import okx_account as account
from engine.gateways import okx_facts as facts
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
from engine.gateways.maintenance import OKX_OTHERS, Window, windows_of
from engine.gateways.market_gateway import Fact, MarketGateway
from engine.gateways.okx_facts import PATHS
from engine.gateways.okx_streams import CHANNEL_LOST, STREAM_ENDS, parse_account_event
from engine.gateways.okx_wire import BODY_LIST, OkxRestDialect, OkxSocketDialect, batches, number_of
from engine.rest import RestClient, RestError, RestResponse
from engine.rest_dialect import RateState
from engine.sessions import RequestFailed, VenueSession, VenueSocket
from feeds.instruments import InstrumentError

log = logging.getLogger("lockstep.okx")

NOT_LOGGED_IN = 60011
CLOCK_OWN_NS = 500_000    # the venue's time is in whole ms, cut: half of one is added
CLOCK_SHARED_NS = 1_000_000_000
STP_MODE = "cancel_maker"  # the resting order goes, the closing one trades


class OkxMarket(MarketGateway):
    """OkxMarket(setup). `options` of the declaration: has_tiers (risk tiers can be read), lacks."""

    POLICY = ConnectionPolicy(ping_frame=facts.PING)
    STREAM_ENDS = STREAM_ENDS
    FEES_AT_START = 3   # unused: one request tells all

    def __init__(self, setup: MarketSetup) -> None:
        self.about: account.AccountFacts | None = None
        self._config: list[dict[str, Any]] = []   # read at start, not yet looked at
        self.borrowed: dict[str, Any] = {}
        self.risk_tiers: dict[str, int] = setup.shared.setdefault("risk_tiers", {})   # symbol -> number of tiers, as far as read
        self._fee_groups: dict[str, str] = {}     # symbol -> fee group
        self._held: set[str] = set()              # symbols of positions that were told
        self._funding_known: set[str] = set()
        self._funding_read_ns = 0                 # time of the newest payment read
        self._subscribed = 0
        super().__init__(setup)

    # ------------------------------------------------------------ parts

    def make_rest(self) -> RestClient:
        dialect = OkxRestDialect(self.credentials, is_demo=self.settings.is_demo)
        return RestClient(self.name, self.settings.endpoints["rest"], dialect,
                          rate=self.setup.shared.setdefault("rate", RateState()), ssl_context=self.setup.ssl_context)

    def make_decoder(self) -> OkxOrderDecoder:
        return OkxOrderDecoder(self.instruments, self.market, self.venue.name)

    def make_encoder(self) -> OkxOrderEncoder:
        return OkxOrderEncoder(self.market, self.settings.recv_window_ms, self.settings.stp_mode or STP_MODE, self.venue.name)

    def make_dialect(self) -> OkxSocketDialect:
        self.words = OkxSocketDialect()
        return self.words

    # ------------------------------------------------------------ life

    async def start(self, ready_timeout_s: float = 15.0) -> None:
        """As every market's; but what cannot be traded at all, and a key that the venue refuses, is told at once, before sockets
        are tried."""
        self.check_codes()
        await self.measure_clock()
        self._config = await self._signed("config", is_critical=True)
        await super().start(ready_timeout_s)

    def check_codes(self) -> None:
        """Orders name an instrument by its number: one without a number cannot be ordered over the socket."""
        without = sorted(symbol for symbol in self.traded if not self.rows[symbol].venue_code)
        if without:
            raise AccountRefused(f"{self.name}: {', '.join(without[:10])}: no instIdCode in the venue's list, so orders cannot name "
                                 f"{'it' if len(without) == 1 else 'them'}; leave out of venues.{self.venue.name}")

    def keepers(self) -> Iterable[tuple[str, Coroutine[Any, Any, None]]]:
        return (("funding", self._keep_funding()),) if self.market == "linear" else ()

    # ------------------------------------------------------------ clock

    def time_request(self) -> tuple[str, dict[str, Any]]:
        return PATHS["time"], {}

    def server_ns(self, response: RestResponse) -> tuple[int, int]:
        return int(response.json()["data"][0]["ts"]) * 1_000_000 + CLOCK_OWN_NS, CLOCK_OWN_NS

    async def measure_clock(self) -> Clock:
        """Both markets have the same clock, and the venue counts these requests by address: one measurement serves both for a while."""
        shared = self.setup.shared
        async with shared.setdefault("clock_lock", asyncio.Lock()):
            known: Clock | None = shared.get("clock")
            if known is not None and time.monotonic_ns() - known.measured_mono_ns < CLOCK_SHARED_NS:
                return self.take_clock(known)
            shared["clock"] = await super().measure_clock()
            return shared["clock"]

    # ------------------------------------------------------------ account

    async def fill_account(self, state: AccountState) -> None:
        config, self._config = self._config or await self._signed("config"), []
        self.about = account.parse_config(config, self.market)
        if self.settings.checks_key_restrictions:
            account.check_key_restrictions(self.about)
        state.uid, state.mode, state.permissions = self.about.uid, self.about.mode, self.about.rights
        if self.setup.tells_account:
            self.setup.shared["opened_ns"] = self.venue_now_ns()   # payments from here on are not in the opening balances
            state.balances = await self.read_balances()
        if self.market == "linear":
            state.positions = await self.read_positions()
            await self._read_leverage(state)
        state.can_trade = True

    async def _read_leverage(self, state: AccountState) -> None:
        for part in batches(sorted(self.traded), facts.LEVERAGE_BATCH):
            rows = await self._signed("leverage", {"instId": ",".join(part), "mgnMode": "cross"})
            state.leverage |= {symbol: leverage for symbol, leverage in account.parse_leverage(rows).items()
                               if symbol in self.traded}
        missing = sorted(self.traded - state.leverage.keys())
        if missing:
            raise AccountRefused(f"{self.name} leverage-info: no entry for {', '.join(missing[:10])}: leverage is unknown")
        state.margin_type = dict.fromkeys(sorted(self.traded), "CROSSED")
        if self.traded:
            first = min(self.traded)
            which = {"instType": "SWAP", "tdMode": "cross", "instFamily": first.removesuffix("-SWAP")}
            self.risk_tiers[first] = len(account.parse_tiers(await self._public("tiers", which), first))

    async def read_fee(self, symbol: str) -> FeeRates:
        return (await self._fees([symbol]))[symbol]

    async def read_all_fees(self) -> dict[str, FeeRates] | None:
        return await self._fees(sorted(self.traded))

    async def _fees(self, symbols: list[str]) -> dict[str, FeeRates]:
        """One request tells the groups, one which symbol is in which."""
        which = {"instType": facts.INST_TYPES[self.market]}
        if not symbols:
            return {}
        if not self._fee_groups:
            self._fee_groups = account.parse_groups(await self._public("instruments", which))
        return account.parse_fees(await self._signed("fees", which), {symbol: self.rows[symbol].settle for symbol in symbols},
                                  self._fee_groups)

    async def open_orders(self) -> list[tuple[str, str]]:
        """Every open order of the market, whoever placed it. Conditional (algo) orders are not in the venue's list."""
        return [(str(account.require(row, "instId", "order")), str(account.require(row, "clOrdId", "order")))
                async for row in self._pages("pending", {"instType": facts.INST_TYPES[self.market]}, "ordId")]

    async def read_balances(self, *, is_critical: bool = False) -> list[BalanceUpdate]:
        now_ns = self.venue_now_ns()
        rows = await self._signed("balance", is_critical=is_critical)
        self.borrowed = account.parse_borrowed(rows)
        return account.parse_balances(rows, self.venue.name, self.market, self.account, "snapshot", now_ns)

    async def read_positions(self, symbol: str | None = None, *, is_critical: bool = False) -> list[PositionUpdate]:
        if self.market == "spot":
            return []
        now_ns = self.venue_now_ns()
        which = {"instType": "SWAP", **({"instId": symbol} if symbol else {})}
        return [account.position_of(row, self.rows, self.venue.name, self.account, "snapshot", now_ns, 0)
                for row in await self._signed("positions", which, is_critical=is_critical or symbol is not None)]

    def account_report(self) -> AccountReport:
        markets = tuple(market for market in self.settings.markets if self.venue.account_of(market) == self.account)
        tiers = ", ".join(f"{symbol}: {count}" for symbol, count in self.risk_tiers.items()) or "no perpetual"
        borrowed = ", ".join(f"{amount} {asset}" for asset, amount in sorted(self.borrowed.items()))
        about = self.about
        in_quote = about is not None and about.fee_type == "1"
        return AccountReport(
            self.account, markets, self.state.mode,
            f"spot: {'the quote coin' if in_quote else 'the asset received'}, told with each fill; linear: the settling coin",
            f"contracts, {PATHS['tiers']} (tiers of {tiers})" if self.venue.options["has_tiers"] else "none: spot without margin",
            f"spot orders never borrow (tdMode cash); the account allows: {about.borrows if about and about.borrows else 'nothing'}; "
            f"borrowed now: {borrowed or 'nothing'}",
            f"cancel-all-after, {facts.DEAD_MAN_S[0]} to {facts.DEAD_MAN_S[1]} s, once for the account; it cancels orders that are not ours "
            "as well", tuple(self.venue.options["lacks"]))

    # ------------------------------------------------------------ funding

    async def funding_income(self, since_ns: int) -> list[FundingIncome]:
        """Bills of type 8; what is older than a week is in the archive (three months)."""
        if self.market == "spot":
            return []
        now_ns = self.venue_now_ns()
        name = "bills" if now_ns - since_ns < facts.BILLS_RANGE_NS else "bills_archive"
        which = {"instType": "SWAP", "type": facts.FUNDING_BILL, "begin": max(0, since_ns // 1_000_000 - 1)}
        rows = [row async for row in self._pages(name, which, "billId")]
        try:
            found = {one.income_id: one for one in account.parse_funding(rows, self.account) if one.exch_ns >= since_ns}
        except AccountRefused as error:
            raise RestError(f"{self.name} bills", 200, 0, str(error)) from None
        return sorted(found.values(), key=lambda one: (one.exch_ns, one.income_id))

    async def _keep_funding(self) -> None:
        """Tell each payment once: no channel says of a balance why it changed."""
        while True:
            await asyncio.sleep(facts.FUNDING_POLL_S)
            try:
                await self.tell_funding()
            except (RestError, AccountRefused) as error:
                log.info("%s: funding not read: %s", self.name, error)

    async def tell_funding(self) -> None:
        """Payments since the account was read at start that have not been told yet, as balance changes."""
        opened_ns = self.setup.shared.get("opened_ns", 0)
        for one in await self.funding_income(max(opened_ns, self._funding_read_ns - facts.FUNDING_OVERLAP_NS)):
            self._funding_read_ns = max(self._funding_read_ns, one.exch_ns)
            if one.income_id in self._funding_known:
                continue
            self._funding_known.add(one.income_id)
            self.hooks.account(BalanceUpdate(self.venue.name, "linear", one.asset, delta=one.amount, reason="FUNDING_FEE",
                                             exch_ns=one.exch_ns, recv_mono_ns=time.monotonic_ns(), account=self.account))

    # ------------------------------------------------------------ cancel timer

    async def arm_dead_man(self, seconds: float) -> bool:
        """One timer for the account: markets that ask for the same within a second are one request; another time waits for the
        second that the venue wants between two."""
        whole = math.ceil(seconds)
        low, high = facts.DEAD_MAN_S
        if whole and not low <= whole <= high:
            self.hooks.alert("dead_man", f"{self.name}: a cancel timer of {seconds:g} s is outside {low}..{high} s: not armed")
            return False
        shared = self.setup.shared
        async with shared.setdefault("dead_man_lock", asyncio.Lock()):
            told_whole, told_s = shared.get("dead_man", (None, 0.0))
            left_s = told_s + facts.DEAD_MAN_PACE_S - time.monotonic()
            if told_whole == whole and left_s > 0:
                return True
            await asyncio.sleep(max(0.0, left_s))
            await self.rest.json("POST", PATHS["cancel_after"], {"timeOut": str(whole)}, is_signed=True, is_critical=True)
            shared["dead_man"] = (whole, time.monotonic())
        return True

    # ------------------------------------------------------------ requests

    async def _signed(self, name: str, params: dict[str, Any] | None = None, *,
                      is_critical: bool = False) -> list[dict[str, Any]]:
        """The rows of a signed GET."""
        return account.rows_of(await self.rest.get(PATHS[name], params, is_signed=True,
                                                   is_critical=is_critical or not self.has_account), name)

    async def read_maintenance(self, now_wall_ns: int) -> list[Window]:
        rows = await self._public("status", {})
        return windows_of([row for row in rows if str(row.get("serviceType", "")) not in OKX_OTHERS], now_wall_ns)

    async def _public(self, name: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        return account.rows_of(await self.rest.get(PATHS[name], params), name)

    async def _pages(self, name: str, params: dict[str, Any], id_field: str, *,
                     is_critical: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Every row of a list, newest first, page by page. RestError when it has no end: part of a list is no answer."""
        which = {**params, "limit": facts.PAGE}
        for _ in range(facts.PAGES_MAX):
            rows = await self._signed(name, which, is_critical=is_critical)
            for row in rows:
                yield row
            if len(rows) < facts.PAGE:
                return
            which = {**which, "after": account.require(rows[-1], id_field, name)}
        raise RestError(f"{self.name} {name}", 200, 0, f"more than {facts.PAGES_MAX} pages")

    # ------------------------------------------------------------ questions about one order

    async def query_order(self, row: int, client_id: str) -> Answer:
        """The order by client id, and the fills with their fees when something was executed."""
        status = await self._ask_order(row, client_id)
        if status.status == OrderStatus.NOT_FOUND:
            return Answer([status], False)
        events = [status]
        if status.cum_qty > 0:
            events = await self._fills_of(row, client_id, status.venue_order_id, wanted_qty=status.cum_qty) + events
        return Answer(events, True)

    async def _ask_order(self, row: int, client_id: str) -> OrderEvent:
        """Status by client id; RestError when the answer proves nothing."""
        response = await self.rest.request("GET", PATHS["order"], {"instId": self.symbol(row), "clOrdId": client_id},
                                           is_signed=True, is_critical=True)
        status = self.rest_events(response, client_id, "query", row)[-1]
        if status.status != OrderStatus.NOT_FOUND and (status.status == OrderStatus.NONE
                                                       or status.error_class != ErrorClass.NONE):
            raise RestError(f"{self.name} query {client_id}", response.status, status.venue_code, status.message or "no answer")
        return status

    async def query_fills(self, row: int, client_id: str, venue_order_id: int, since_mono_ns: int) -> Answer:
        """By the venue's order id, learned from the order where it is not known: the lists of fills are not searched by client id."""
        if not venue_order_id:
            venue_order_id = (await self._ask_order(row, client_id)).venue_order_id
        fills = await self._fills_of(row, client_id, venue_order_id) if venue_order_id else []
        return Answer(fills, bool(fills))

    async def _fills_of(self, row: int, client_id: str, venue_order_id: int, wanted_qty: int = 0) -> list[OrderEvent]:
        """Trades of one order, oldest first; from the long list too where the short one (three days) has fewer than are wanted."""
        symbol = self.symbol(row)
        which = {"instType": facts.INST_TYPES[self.market], "instId": symbol, "ordId": venue_order_id}
        found: dict[int, OrderEvent] = {}
        for name in ("fills", "fills_history"):
            async for told in self._pages(name, which, "billId", is_critical=True):
                try:
                    if told.get("clOrdId") not in (client_id, "", None) or told.get("instId") != symbol or (
                            trade_number(account.require(told, "ordId", name)) != venue_order_id):
                        raise AccountRefused("it is of another order")
                    fill = account.fill_of(told, self.rows[symbol], client_id, time.monotonic_ns())
                except (KeyError, TypeError, ValueError, AttributeError, InstrumentError, AccountRefused) as error:
                    raise RestError(f"{self.name} {name} {client_id}", 200, 0, f"a fill that makes no sense ({error}): {told}") from None
                found[fill.trade_id] = fill
            if sum(fill.last_qty for fill in found.values()) >= wanted_qty:
                break
        return sorted(found.values(), key=lambda fill: fill.exch_ns)

    # ------------------------------------------------------------ cancels

    async def cancel_rest(self, row: int, client_id: str) -> list[OrderEvent]:
        """Cancel by client id over REST: the way out when the order session is down."""
        response = await self.rest.request("POST", PATHS["cancel"], {"instId": self.symbol(row), "clOrdId": client_id},
                                           is_signed=True, is_critical=True)
        return self.rest_events(response, client_id, "cancel", row)

    async def cancel_symbol(self, symbol: str) -> None:
        """What is open is cancelled in batches; orders that ended meanwhile are no failure. A batch in which some were refused
        holds no other back: what was refused is told when all were asked for."""
        which = {"instType": facts.INST_TYPES[self.market], "instId": symbol}
        open_ids = [str(account.require(row, "ordId", "order"))
                    async for row in self._pages("pending", which, "ordId", is_critical=True)]
        failed: list[RestError] = []
        for part in batches(open_ids, facts.CANCEL_BATCH):
            try:
                await self._cancel_batch(symbol, [{"instId": symbol, "ordId": order_id} for order_id in part])
            except RestError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    async def _cancel_batch(self, symbol: str, asked: list[dict[str, str]]) -> None:
        response = await self.rest.request("POST", PATHS["cancel_batch"], {BODY_LIST: asked}, is_signed=True, is_critical=True)
        where = f"{self.name} cancel of {len(asked)} orders of {symbol}"
        try:
            answer = response.json()
            codes = [number_of(account.require(row, "sCode", where)) for row in account.rows_of(answer, where)]
        except (AccountRefused, orjson.JSONDecodeError) as error:
            raise RestError(where, response.status, 0, str(error)[:200], body=response.body) from None
        failed = [code for code in codes if code != 0 and code not in facts.GONE_CODES]
        if response.status != 200 or failed or len(codes) != len(asked):
            code = (failed[0] if failed else number_of(answer.get("code"))) or 0
            raise RestError(where, response.status, code, f"{len(failed)} refused, {len(codes)} answered: {response.body[:120]!r}",
                            body=response.body)

    # ------------------------------------------------------------ sockets

    async def order_url(self) -> str:
        return await self._url()

    async def user_url(self) -> str:
        return await self._url()

    async def _url(self) -> str:
        """The venue counts connections a second of an address: those of all markets follow each other at a distance."""
        shared, now = self.setup.shared, time.monotonic()
        at = max(now, shared.get("connect_s", 0.0))
        shared["connect_s"] = at + facts.CONNECT_PACE_S
        await asyncio.sleep(at - now)
        return self.settings.endpoints["private_ws"]

    async def prepare_orders(self, socket: VenueSocket) -> None:
        await self._login(socket)

    async def prepare_user(self, socket: VenueSocket) -> None:
        await self._login(socket)
        for channel in facts.CHANNELS[self.market] + (facts.ACCOUNT_CHANNELS if self.setup.tells_account else ()):
            key, frame = self.words.subscribe(channel, "" if channel in facts.ACCOUNT_CHANNELS else facts.INST_TYPES[self.market])
            await socket.request(key, frame, name=f"subscribe {channel}")
        self._subscribed += 1
        if self._subscribed > 1:
            self.spawn("account after a reconnect", self._catch_up())

    async def _login(self, socket: VenueSocket) -> None:
        """A refusal may be the time's fault: the clock is measured before the next attempt."""
        key, frame = self.words.login(self.credentials, self.orders.venue_time_ms() // 1000)
        try:
            await socket.request(key, frame, name="login")
        except RequestFailed as error:
            if error.code:
                await self.measure_quietly()
            raise

    async def _catch_up(self) -> None:
        """What the channels would have told while the socket was down, of balances and positions; about its orders the calm floor
        asks itself. A position that ended meanwhile is in no list: it is told as none."""
        try:
            told: list[Fact] = [*(await self.read_balances() if self.setup.tells_account else ())]
            positions = await self.read_positions()
        except (RestError, AccountRefused) as error:
            log.warning("%s: account not read after a reconnect: %s", self.name, error)
            return
        gone = self._held - {position.symbol for position in positions}
        told += positions
        told += [PositionUpdate(self.venue.name, self.market, symbol, self.rows[symbol].id, 0, reason="snapshot",
                                exch_ns=self.venue_now_ns(), recv_mono_ns=time.monotonic_ns(), account=self.account)
                 for symbol in sorted(gone)]
        for fact in told:
            self._note_position(fact)
            self.hooks.account(fact)

    def _note_position(self, fact: Fact) -> None:
        if isinstance(fact, PositionUpdate) and fact.symbol in self.rows:
            (self._held.add if fact.qty else self._held.discard)(fact.symbol)

    def _on_event(self, event: OrderEvent) -> None:
        if event.venue_code == NOT_LOGGED_IN and event.source == Source.REPLY:
            self.order_connection.replace("the venue does not know the login any more")
        super()._on_event(event)

    def _on_account(self, session: VenueSession, name: str, data: bytes, recv_mono_ns: int) -> None:
        super()._on_account(session, name, data, recv_mono_ns)
        if name == CHANNEL_LOST:
            session.close("the venue took a channel away")   # connected anew with back-off: the limit may stand for a while

    def parse_account_event(self, name: str, data: bytes, recv_mono_ns: int) -> list[Fact] | None:
        told = parse_account_event(name, data, recv_mono_ns, self.market, self.rows, self.venue.name, self.account)
        for fact in told or ():
            self._note_position(fact)
        return told
