"""One Binance market (spot or USD-M) as the engine trades it: clock, account, queries, its order session and its user stream.

Everything here is cold and runs on the engine's loop in short turns; the hot way out is the OrderSession itself. A query that
brings no answer (transport, rate limit, 5xx, an answer that makes no sense) raises RestError: it is never "not found".
"""
from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from cext.client_id import decode_client_id
from cext.decoders.binance_errors import TIME as ERROR_TIME
from cext.decoders.binance_orders import BinanceOrderDecoder
from cext.instrument import InstrumentArray
from cext.order_frames import OrderEncoder
from engine.connection import Connection, ConnectionPolicy
from engine.event_codec import unpack_order_event
from engine.events import ErrorClass, EventFlag, OrderEvent, OrderStatus, Source, StreamNotice
from engine.gateways import binance_account as account
from engine.gateways.binance_credentials import Credentials
from engine.gateways.binance_facts import (
    CLOCK_REFRESH_S,
    CLOCK_SAMPLES,
    CLOCK_UNCERTAINTY_MAX_NS,
    FEE_PACE_S,
    FEE_REQUESTS_AT_A_TIME,
    FEES_AT_START,
    FEES_REFRESH_S,
    LISTEN_KEY_KEEPALIVE_S,
    PATHS,
    VENUE,
    WEIGHT_LIMIT,
)
from engine.gateways.binance_streams import STREAM_ENDS, parse_account_event
from engine.rest import RestClient, RestError
from engine.sessions import OrderSession, RequestFailed, VenueSession, VenueSocket
from feeds.instruments import InstrumentError, InstrumentRow, InstrumentTable, to_scaled

log = logging.getLogger("lockstep.binance")

TRADES_PAGE = 1000             # the most that one answer holds
FOREIGN_LOOKUPS_MAX = 5        # unknown venue order ids looked up in one fills query
UNATTRIBUTED_SHARE_S = 1.0     # fills are asked for from this long before the order was sent


@dataclass(frozen=True, slots=True)
class Clock:
    """The venue's clock minus ours, from the sample with the shortest round trip."""
    offset_ns: int = 0
    uncertainty_ns: int = 1 << 62
    measured_mono_ns: int = 0

    @property
    def is_good(self) -> bool:
        return self.uncertainty_ns <= CLOCK_UNCERTAINTY_MAX_NS


@dataclass(slots=True)
class Answer:
    """What a query about one order brought. `events` are in the order in which they are to be applied: fills, then the status."""
    events: list[OrderEvent]
    is_found: bool
    position: Decimal | None = None


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """How one market is reached."""
    rest_url: str
    ws_api_url: str
    private_url: str = ""             # USD-M user stream
    order_auth: str = "ed25519"       # "ed25519" | "hmac"
    recv_window_ms: int = 500
    stp_mode: str = "EXPIRE_MAKER"
    instance: int = 0
    seed: int = 1
    checks_key_restrictions: bool = False  # production only: testnets and simulators have no /sapi
    policy: ConnectionPolicy = field(default_factory=ConnectionPolicy)


class MarketGateway:
    """MarketGateway(market, settings, credentials, table, instruments, hooks): `hooks` is the gateway's GatewayHooks."""

    def __init__(self, market: str, settings: MarketSettings, credentials: Credentials, table: InstrumentTable,
                 instruments: InstrumentArray, hooks: Any, ssl_context: ssl.SSLContext | None = None) -> None:
        self.market = market
        self.settings = settings
        self.credentials = credentials
        self.instruments = instruments
        self.hooks = hooks
        self.state = account.AccountState(market)
        self.clock = Clock()
        self.rows: dict[str, InstrumentRow] = {row.symbol: row for row in table.rows if row.venue == VENUE
                                               and row.market == market}
        self.traded = {symbol for symbol, row in self.rows.items() if row.status == "TRADING"}
        self.unknown_events: dict[str, int] = {}
        self.paths = PATHS[market]
        self.rest = RestClient(f"{VENUE} {market}", settings.rest_url, api_key=credentials.rest_key(), sign=credentials.sign_rest,
                               recv_window_ms=max(settings.recv_window_ms, 1000), weight_limit=WEIGHT_LIMIT[market],
                               ssl_context=ssl_context)
        self.decoder = BinanceOrderDecoder(instruments, market)  # of REST answers; sessions have their own
        hmac = credentials.hmac if settings.order_auth == "hmac" else None
        encoder = OrderEncoder(market, settings.recv_window_ms, settings.stp_mode, credentials.hmac_key if hmac else "", hmac)
        self.orders = OrderSession(VENUE, market, instruments, encoder)
        self.user = VenueSession(VENUE, market, "user", instruments)
        self._client_of_order: dict[int, str] = {}
        self._listen_key = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._fees_wanted: list[str] = []
        self._wire(self.orders)
        self._wire(self.user)
        self.order_connection = Connection(self.orders, self._order_url, self._prepare_orders, seed=settings.seed * 4,
                                           policy=settings.policy, ssl_context=ssl_context,
                                           on_failure=lambda why: self._failed("orders", why))
        self.user_connection = Connection(self.user, self._user_url, self._prepare_user, seed=settings.seed * 4 + 1,
                                          policy=settings.policy, ssl_context=ssl_context,
                                          on_failure=lambda why: self._failed("user", why))

    # ------------------------------------------------------------ life

    async def start(self, ready_timeout_s: float = 15.0) -> None:
        """Clock, user stream, account, order session. AccountRefused: do not trade; RestError or TimeoutError: not reachable
        now."""
        await self.measure_clock()
        self.user_connection.start()
        await self._wait_ready(self.user, self.user_connection, ready_timeout_s)
        await self.read_account()
        self.order_connection.start()
        await self._wait_ready(self.orders, self.order_connection, ready_timeout_s)
        self._spawn("clock", self._keep_clock())
        self._spawn("fees", self._keep_fees())
        if self.market == "linear":
            self._spawn("listen key", self._keep_listen_key())

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A task of this market. One that ends by an exception says so: nothing stops working in silence."""
        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("%s %s ended", self.market, name, exc_info=error)
                self.hooks.alert("task_ended", f"{VENUE} {self.market} {name}: {type(error).__name__}: {error}")
        task = asyncio.get_running_loop().create_task(work, name=f"{VENUE} {self.market} {name}")
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(self.order_connection.stop(), self.user_connection.stop())
        if self._listen_key:
            try:
                await self.rest.json("DELETE", self.paths["listen_key"], with_key=True, is_critical=True)
            except RestError as error:
                log.info("%s: listen key not given back: %s", self.market, error)
            self._listen_key = ""
        await self.rest.close()

    async def _wait_ready(self, session: VenueSession, connection: Connection, timeout_s: float) -> None:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not session.is_ready:
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(
                    f"{VENUE} {self.market} {session.kind}: not ready after {timeout_s:g} s: {connection.last_failure or 'no answer'}"
                )
            await asyncio.sleep(0.01)

    def _failed(self, kind: str, why: str) -> None:
        self.hooks.alert("connection", f"{VENUE} {self.market} {kind}: {why}")

    # ------------------------------------------------------------ clock

    async def measure_clock(self) -> Clock:
        """The sample with the shortest round trip decides; its half is the uncertainty, and the venue's ms another one."""
        best = Clock()
        for _ in range(CLOCK_SAMPLES):
            wall_ns, mono_ns = time.time_ns(), time.monotonic_ns()
            response = await self.rest.request("GET", self.paths["time"], is_critical=True)
            round_trip_ns = response.received_mono_ns - response.sent_mono_ns
            if response.status != 200:
                raise RestError(f"{VENUE} {self.market} time", response.status, 0, response.body[:100].decode("ascii", "replace"))
            try:
                server_ns = int(response.json()["serverTime"]) * 1_000_000 + 500_000
            except (KeyError, TypeError, ValueError):
                raise RestError(f"{VENUE} {self.market} time", response.status, 0,
                                f"no serverTime in {response.body[:100]!r}") from None
            middle_ns = wall_ns + (response.sent_mono_ns - mono_ns) + round_trip_ns // 2
            if round_trip_ns // 2 + 500_000 < best.uncertainty_ns:
                best = Clock(server_ns - middle_ns, round_trip_ns // 2 + 500_000, response.received_mono_ns)
        was_good = self.clock.is_good
        self.clock = best
        self.rest.clock_offset_ns = best.offset_ns
        self.orders.clock_offset_ns = best.offset_ns
        if best.is_good != was_good:
            self.hooks.session(VENUE, self.market, "clock", best.is_good,
                               f"offset {best.offset_ns / 1e6:.1f} ms, uncertainty {best.uncertainty_ns / 1e6:.1f} ms")
        return best

    async def _keep_clock(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(CLOCK_REFRESH_S)
            try:
                await self.measure_clock()
                failures = 0
            except RestError as error:
                failures += 1
                if failures == 3 and self.clock.is_good:  # half a minute without an answer: the offset may have drifted
                    self.clock = Clock(self.clock.offset_ns)
                    self.hooks.session(VENUE, self.market, "clock", False, str(error))

    # ------------------------------------------------------------ account

    async def read_account(self) -> account.AccountState:
        """Reads everything that trading depends on into `state`; AccountRefused when something is not as it must be."""
        state = account.AccountState(self.market)
        now_ns = time.time_ns() + self.clock.offset_ns
        if self.market == "spot":
            if self.settings.checks_key_restrictions:
                account.check_key_restrictions(await self._signed(self.paths["restrictions"]))
            account.parse_spot_account(await self._signed(self.paths["account"]), state, exch_ns=now_ns)
        else:
            state.is_hedge_mode = account.check_position_mode(await self._signed(self.paths["position_mode"]))
            state.is_multi_assets = account.check_multi_assets(await self._signed(self.paths["multi_assets"]))
            account.parse_symbol_config(await self._signed(self.paths["symbol_config"]), self.traded, state)
            state.balances = account.parse_linear_balances(await self._signed(self.paths["balance"]), exch_ns=now_ns)
            state.positions = account.parse_linear_positions(await self._signed(self.paths["positions"]), self.rows,
                                                             exch_ns=now_ns)
            state.can_trade = True
        state.fees = await self._read_fees()
        for row in await self._signed(self.paths["open_orders"]):
            symbol, client_id = str(row.get("symbol", "")), str(row.get("clientOrderId", ""))
            made_by = decode_client_id(client_id)
            is_ours = made_by is not None and made_by[0] == self.settings.instance
            (state.own_orders if is_ours else state.foreign_orders).append((symbol, client_id))
        self.state = state
        return state

    async def _read_fees(self) -> dict[str, account.FeeRates]:
        """Rates of the first few traded symbols; the others are taken for as dear as the dearest of these until `_keep_fees` has
        read theirs. One answer costs 20 weight: asking for all at start would use up the minute that snapshots and queries
        need."""
        symbols = sorted(self.traded)
        gate = asyncio.Semaphore(FEE_REQUESTS_AT_A_TIME)

        async def one(symbol: str) -> tuple[str, account.FeeRates]:
            async with gate:
                return symbol, await self._read_fee(symbol)

        known = dict(await asyncio.gather(*(one(symbol) for symbol in symbols[:FEES_AT_START])))
        self._fees_wanted = symbols[FEES_AT_START:]
        if known:
            dearest = account.FeeRates(max(one.maker for one in known.values()), max(one.taker for one in known.values()),
                                       any(one.burns_bnb for one in known.values()))
            known.update({symbol: dearest for symbol in self._fees_wanted})
        return known

    async def _read_fee(self, symbol: str) -> account.FeeRates:
        parse = account.parse_spot_commission if self.market == "spot" else account.parse_linear_commission
        return parse(await self._signed(self.paths["commission"], {"symbol": symbol}), symbol)

    async def _keep_fees(self) -> None:
        """The symbols that were not read at start, at a pace that leaves the weight to others; then all of them again once a
        day."""
        wanted = list(self._fees_wanted)
        while True:
            for symbol in wanted:
                await asyncio.sleep(FEE_PACE_S)
                try:
                    rates = await self._read_fee(symbol)
                except (RestError, account.AccountRefused) as error:
                    log.info("%s %s: fees not read: %s", self.market, symbol, error)
                    continue
                self.state.fees[symbol] = rates
                self.hooks.fees(self.market, symbol, rates)
            wanted = sorted(self.traded)
            await asyncio.sleep(FEES_REFRESH_S)

    async def balances(self) -> list[Any]:
        """A fresh snapshot of balances."""
        now_ns = time.time_ns() + self.clock.offset_ns
        if self.market == "spot":
            state = account.AccountState(self.market)
            account.parse_spot_account(await self._signed(self.paths["account"]), state, exch_ns=now_ns)
            return list(state.balances)
        return list(account.parse_linear_balances(await self._signed(self.paths["balance"]), exch_ns=now_ns))

    async def positions(self) -> list[Any]:
        """A fresh snapshot of positions (USD-M)."""
        if self.market == "spot":
            return []
        return list(account.parse_linear_positions(await self._signed(self.paths["positions"]), self.rows,
                                                   exch_ns=time.time_ns() + self.clock.offset_ns))

    async def _signed(self, path: str, params: dict[str, Any] | None = None, *, is_critical: bool = False) -> Any:
        return await self.rest.get(path, params, is_signed=True, is_critical=is_critical)

    # ------------------------------------------------------------ questions about one order

    async def query_order(self, row: int, client_id: str) -> Answer:
        """Status by client id, and the fills with their fees when something was executed. NOT_FOUND is an event like any
        other."""
        symbol = self._symbol(row)
        response = await self.rest.request("GET", self.paths["order"], {"symbol": symbol, "origClientOrderId": client_id},
                                           is_signed=True, is_critical=True)
        events = self._rest_events(response, client_id, "query", row)
        status = events[-1]
        if status.status == OrderStatus.NOT_FOUND:
            return Answer(events, False)
        if status.status == OrderStatus.NONE or status.error_class != ErrorClass.NONE:
            raise RestError(f"{VENUE} {self.market} query {client_id}", response.status, status.venue_code, status.message
                            or "no answer")
        if status.cum_qty > 0 and status.venue_order_id:
            events = await self._fills_of(symbol, row, client_id, status.venue_order_id) + events
        return Answer(events, True)

    async def query_fills(self, row: int, client_id: str, venue_order_id: int, since_mono_ns: int) -> Answer:
        """The account's trades of the instrument since then that belong to this order. Without a venue order id, trades of orders
        that nobody here has seen are looked up: the venue's trade lists do not carry client ids."""
        symbol = self._symbol(row)
        if venue_order_id:
            fills = await self._fills_of(symbol, row, client_id, venue_order_id)
            return Answer(fills, bool(fills))
        age_ms = max(0, (time.monotonic_ns() - since_mono_ns) // 1_000_000)
        start_ms = (time.time_ns() + self.clock.offset_ns) // 1_000_000 - age_ms - int(UNATTRIBUTED_SHARE_S * 1000)
        trades = await self._trades(symbol, {"startTime": start_ms})
        order_ids = list(dict.fromkeys(int(trade["orderId"]) for trade in trades))
        strangers = [order_id for order_id in order_ids if order_id not in self._client_of_order]
        if len(strangers) > FOREIGN_LOOKUPS_MAX:
            raise RestError(f"{VENUE} {self.market} fills {client_id}", 200, 0,
                            f"{len(strangers)} orders of others: cannot attribute their fills")
        for order_id in strangers:
            found = await self._signed(self.paths["order"], {"symbol": symbol, "orderId": order_id}, is_critical=True)
            self._client_of_order[order_id] = str(found.get("clientOrderId", ""))
        fills = [self._trade_event(trade, row, client_id) for trade in trades
                 if self._client_of_order.get(int(trade["orderId"])) == client_id]
        return Answer(fills, bool(fills))

    async def query_position(self, row: int) -> Answer:
        """Signed futures position, or the total spot balance of the base asset, in base units."""
        instrument = self.instruments.row(row)
        symbol = instrument["symbol"]
        if self.market == "spot":
            wanted = self.rows[symbol].base
            total = sum((b.free + b.locked for b in await self.balances() if b.asset == wanted), Decimal(0))
            return Answer([], True, total)
        for position in account.parse_linear_positions(await self._signed(self.paths["positions"], {"symbol": symbol},
                                                                          is_critical=True), self.rows):
            if position.symbol == symbol:
                return Answer([], True, Decimal(position.qty).scaleb(-self.rows[symbol].qty_scale))
        return Answer([], True, Decimal(0))

    async def cancel_rest(self, row: int, client_id: str) -> list[OrderEvent]:
        """Cancel by client id over REST: the way out when the order session is down."""
        response = await self.rest.request("DELETE", self.paths["order"],
                                           {"symbol": self._symbol(row), "origClientOrderId": client_id},
                                           is_signed=True, is_critical=True)
        return self._rest_events(response, client_id, "cancel", row)

    async def _fills_of(self, symbol: str, row: int, client_id: str, venue_order_id: int) -> list[OrderEvent]:
        trades = await self._trades(symbol, {"orderId": venue_order_id})
        return [self._trade_event(trade, row, client_id) for trade in trades]

    async def _trades(self, symbol: str, which: dict[str, Any]) -> list[dict[str, Any]]:
        """The account's trades. A full page may not be all of them, so it is no answer."""
        trades = await self._signed(self.paths["my_trades"], {"symbol": symbol, **which, "limit": TRADES_PAGE}, is_critical=True)
        if not isinstance(trades, list) or len(trades) >= TRADES_PAGE:
            raise RestError(f"{VENUE} {self.market} trades {symbol}", 200, 0, "not a list"
                            if not isinstance(trades, list) else "more than one page")
        return trades

    def _trade_event(self, trade: dict[str, Any], row: int, client_id: str) -> OrderEvent:
        """One row of myTrades or userTrades as a fill."""
        instrument = self.instruments.row(row)
        try:
            is_maker = trade.get("isMaker", trade.get("maker")) is True
            return OrderEvent(
                client_id, instrument["instrument_id"], Source.QUERY, OrderStatus.PARTIAL, int(trade["orderId"]),
                int(trade["id"]),
                exch_ns=int(trade["time"]) * 1_000_000, recv_mono_ns=time.monotonic_ns(),
                last_qty=to_scaled(account.decimal(trade["qty"], "trade qty"), instrument["qty_scale"]),
                last_px=to_scaled(account.decimal(trade["price"], "trade price"), instrument["px_scale"]),
                fee=account.decimal(trade["commission"], "trade commission"), fee_asset=str(trade["commissionAsset"]),
                flags=EventFlag.IS_FILL | (EventFlag.MAKER if is_maker else 0))
        except (KeyError, TypeError, ValueError, InstrumentError, account.AccountRefused) as error:
            raise RestError(f"{VENUE} {self.market} trades {client_id}", 200, 0,
                            f"a trade that makes no sense ({error}): {trade}") from None

    def _rest_events(self, response: Any, client_id: str, answers: str, row: int) -> list[OrderEvent]:
        events = [unpack_order_event(raw) for raw in self.decoder.decode_rest(response.status, response.body, client_id, answers,
                                                                              response.received_mono_ns)]
        for event in events:
            if event.instrument_id >= self.instruments.count:
                event.instrument_id = row
            self._learn(event)
        return events

    def _symbol(self, row: int) -> str:
        return str(self.instruments.row(row)["symbol"])

    # ------------------------------------------------------------ sockets

    async def _order_url(self) -> str:
        # Without its rateLimits array a reply is half as long; REST headers show the counts.
        return self.settings.ws_api_url + ("?returnRateLimits=false" if self.market == "spot" else "")

    async def _user_url(self) -> str:
        if self.market == "spot":
            return self.settings.ws_api_url
        answer = await self.rest.json("POST", self.paths["listen_key"], with_key=True, is_critical=True)
        self._listen_key = str(account.require(answer, "listenKey", "listen key"))
        return f"{self.settings.private_url}/ws/{self._listen_key}"

    async def _prepare_orders(self, socket: VenueSocket) -> None:
        if self.settings.order_auth == "ed25519":
            await self._logon(socket)

    async def _prepare_user(self, socket: VenueSocket) -> None:
        if self.market == "linear":
            return
        if self.credentials.ed25519 is not None:
            await self._logon(socket)
            await socket.request("userDataStream.subscribe")
        else:
            await socket.request("userDataStream.subscribe.signature",
                                 self.credentials.ws_params_hmac(self.orders.venue_time_ms()))

    async def _logon(self, socket: VenueSocket) -> None:
        """session.logon; a refusal for the time's sake measures the clock before the next attempt."""
        try:
            await socket.request("session.logon", self.credentials.ws_params_ed25519(self.orders.venue_time_ms()))
        except RequestFailed as error:
            if error.code == -1021:
                await self.measure_clock()
            raise

    async def _keep_listen_key(self) -> None:
        while True:
            await asyncio.sleep(LISTEN_KEY_KEEPALIVE_S)
            try:
                await self.rest.json("PUT", self.paths["listen_key"], with_key=True, is_critical=True)
            except RestError as error:
                self.hooks.alert("listen_key", f"{VENUE} {self.market}: keep-alive failed: {error}")
                self.user_connection.replace("listen key not kept alive")

    def restart_stream(self, reason: str) -> None:
        """Take the user stream for dead and connect it anew."""
        self.user_connection.replace(reason)

    # ------------------------------------------------------------ what comes in

    def _wire(self, session: VenueSession) -> None:
        session.on_event = self._on_event
        session.on_state = lambda is_ready, reason: self.hooks.session(VENUE, self.market, session.kind, is_ready, reason)
        session.on_account = lambda name, data, recv_mono_ns: self._on_account(session, name, data, recv_mono_ns)
        session.on_error = lambda where, error: self.hooks.alert("session",
                                                                 f"{VENUE} {self.market} {session.kind}: {where}: {error}")
        session.on_retry_after = self._on_retry_after

    def _on_event(self, event: OrderEvent) -> None:
        self._learn(event)
        if event.error_class == ERROR_TIME:
            self._spawn("clock after a time error", self._measure_quietly())
        self.hooks.event(event)

    def _learn(self, event: OrderEvent) -> None:
        if event.venue_order_id and event.client_id:
            if len(self._client_of_order) > 100_000:
                self._client_of_order.clear()  # looked up again where it is still wanted
            self._client_of_order[event.venue_order_id] = event.client_id

    async def _measure_quietly(self) -> None:
        try:
            await self.measure_clock()
        except RestError as error:
            log.warning("%s: clock not measured: %s", self.market, error)

    def _on_account(self, session: VenueSession, name: str, data: bytes, recv_mono_ns: int) -> None:
        facts = parse_account_event(name, data, recv_mono_ns, self.market, self.rows)
        if facts is None:
            self.unknown_events[name] = self.unknown_events.get(name, 0) + 1
            if self.unknown_events[name] == 1:
                log.warning("%s %s: unknown event %r", self.market, session.kind, name)
            return
        if name in STREAM_ENDS:
            (self.order_connection if session is self.orders else self.user_connection).replace(STREAM_ENDS[name])
        for fact in facts:
            if isinstance(fact, StreamNotice):
                self.hooks.notice(fact)
            else:
                self.hooks.account(fact)

    def _on_retry_after(self, status: int, retry_after_ms: int) -> None:
        """A 429 or 418 over the websocket stops REST as well: limits are shared."""
        wait_s = (retry_after_ms - self.orders.venue_time_ms()) / 1000 if retry_after_ms else 10.0
        self.rest.rate.stop(max(0.0, wait_s), time.monotonic(), is_ban=status == 418)
        self.hooks.alert("rate_limit", f"{VENUE} {self.market}: status {status}, stopped for {max(0.0, wait_s):.1f} s")
        self.hooks.rate_stop(VENUE, self.market, max(0.0, wait_s))
