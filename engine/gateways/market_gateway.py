"""One market of one venue as the engine trades it: what is the same everywhere. A venue subclasses MarketGateway and gives the
requests and parsers; here are life, clock, fees, sockets, what is learned of ids, rate stops, and tasks that may not die in
silence.

Everything is cold and runs on the engine's loop in short turns; the hot way out is the OrderSession itself. A question that
brings no answer (transport, rate limit, 5xx, an answer that makes no sense) raises RestError: it is never "not found".
"""
from __future__ import annotations

import abc
import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from cext.client_id import decode_client_id
from cext.decoders.order_errors import TIME as ERROR_TIME
from cext.decoders.orders import OrderDecoder
from cext.encoders.encoder import OrderEncoder
from engine.connection import Connection, ConnectionPolicy, end_tasks
from engine.dialect import SocketDialect
from engine.event_codec import unpack_order_event
from engine.events import BalanceUpdate, OrderEvent, PositionUpdate, StreamNotice
from engine.gateways.contract import (
    AccountRefused,
    AccountReport,
    AccountState,
    Answer,
    Clock,
    FeeRates,
    FundingIncome,
    MarketSetup,
    account_totals,
)
from engine.gateways.maintenance import Window
from engine.rest import RestClient, RestError, RestResponse
from engine.sessions import OrderSession, VenueSession, VenueSocket
from feeds.instruments import InstrumentRow

log = logging.getLogger("lockstep.gateway")

Fact = BalanceUpdate | PositionUpdate | StreamNotice

LEARNED_IDS_MAX = 100_000
CLOCK_FAILURES_MAX = 3         # measurements without an answer, one after the other, after which the offset may have drifted
RETRY_AFTER_UNKNOWN_S = 10.0   # a rate answer over a socket without a time


class MarketGateway(abc.ABC):
    """MarketGateway(setup). Attributes that others read: market, account, orders, user, rest, clock, state, rows, hooks."""

    POLICY: ClassVar[ConnectionPolicy] = ConnectionPolicy()   # the venue's times and heartbeat
    # names of account events after which the socket that brought them is to be replaced -> the notice's word
    STREAM_ENDS: ClassVar[Mapping[str, str]] = {}
    FEES_AT_START: ClassVar[int] = 5                # symbols whose fees are read before trading, where each costs a request
    FEE_REQUESTS_AT_A_TIME: ClassVar[int] = 4
    FEE_PACE_S: ClassVar[float] = 3.0               # between two of the others
    FEES_REFRESH_S: ClassVar[float] = 86_400.0

    def __init__(self, setup: MarketSetup) -> None:
        venue, settings = setup.venue, setup.settings
        self.setup = setup
        self.venue = venue
        self.market = setup.market
        self.name = f"{venue.name} {setup.market}"   # in logs and errors
        self.account = venue.account_of(setup.market)
        self.settings = settings
        self.credentials = settings.credentials
        self.instruments = setup.instruments
        self.hooks = setup.hooks
        self.state = AccountState(setup.market, self.account)
        self.has_account = False   # until then reads of it may use the rate that is kept: exposures may wait for this start
        self.clock = Clock(limit_ns=venue.clock.uncertainty_max_ns)
        self.rows: dict[str, InstrumentRow] = {row.symbol: row for row in setup.table.rows
                                               if row.venue == venue.name and row.market == setup.market}
        self.traded = {symbol for symbol, row in self.rows.items() if row.status == "TRADING"}
        self.unknown_events: dict[str, int] = {}
        self.client_of_order: dict[int, str] = {}    # venue order id -> client id, as far as learned
        self._tasks: set[asyncio.Task[None]] = set()
        self._fees_wanted: list[str] = []
        self.rest = self.make_rest()
        self.decoder = self.make_decoder()           # of REST answers; sessions have their own
        self.dialect = self.make_dialect()
        self.orders = OrderSession(venue.name, self.market, setup.instruments, self.make_decoder(), self.make_encoder(),
                                   self.dialect)
        self.user = VenueSession(venue.name, self.market, "user", setup.instruments, self.make_decoder(), self.dialect)
        self._wire(self.orders)
        self._wire(self.user)
        self.order_connection = Connection(self.orders, self.order_url, self.prepare_orders, seed=setup.seed * 4,
                                           policy=self.policy(), ssl_context=setup.ssl_context,
                                           on_failure=lambda why: self._failed("orders", why))
        self.user_connection = Connection(self.user, self.user_url, self.prepare_user, seed=setup.seed * 4 + 1,
                                          policy=self.policy(), ssl_context=setup.ssl_context,
                                          on_failure=lambda why: self._failed("user", why))

    # ------------------------------------------------------------ what a venue gives: parts

    @abc.abstractmethod
    def make_rest(self) -> RestClient:
        """The market's REST client; markets of a unified account share a RateState through `setup.shared`."""

    @abc.abstractmethod
    def make_decoder(self) -> OrderDecoder:
        """A new decoder of this market."""

    @abc.abstractmethod
    def make_encoder(self) -> OrderEncoder:
        """The encoder of the order session."""

    @abc.abstractmethod
    def make_dialect(self) -> SocketDialect:
        """How replies that are not about orders are told."""

    # ------------------------------------------------------------ what a venue gives: sockets

    @abc.abstractmethod
    async def order_url(self) -> str:
        """Where to connect the order session; asked before each attempt."""

    @abc.abstractmethod
    async def user_url(self) -> str:
        """Where to connect the user stream; asked before each attempt."""

    @abc.abstractmethod
    async def prepare_orders(self, socket: VenueSocket) -> None:
        """Log on. Raises what `socket.request` raises: the attempt failed, back-off, again."""

    @abc.abstractmethod
    async def prepare_user(self, socket: VenueSocket) -> None:
        """Log on and subscribe order news; balances and positions of a unified account only where `setup.tells_account`."""

    def keepers(self) -> Iterable[tuple[str, Coroutine[Any, Any, None]]]:
        """Further tasks that run as long as the market does: (name, work)."""
        return ()

    async def release(self) -> None:
        """After the sockets are closed: give back what the venue holds for us. Raises nothing."""
        return

    # ------------------------------------------------------------ what a venue gives: requests and parsers

    @abc.abstractmethod
    def time_request(self) -> tuple[str, dict[str, Any]]:
        """(path, parameters) of the cheapest public request that tells the venue's time."""

    @abc.abstractmethod
    def server_ns(self, response: RestResponse) -> tuple[int, int]:
        """(venue's epoch ns, its own uncertainty in ns) of that answer. KeyError, TypeError or ValueError when it has none."""

    @abc.abstractmethod
    async def fill_account(self, state: AccountState) -> None:
        """Read modes, permissions, leverage, margin types, positions and, where `setup.tells_account`, balances into `state`.
        AccountRefused when one of them is not as it must be."""

    @abc.abstractmethod
    async def read_fee(self, symbol: str) -> FeeRates:
        """Rates of one symbol."""

    async def read_all_fees(self) -> dict[str, FeeRates] | None:
        """Rates of every traded symbol where one or few requests tell them all; None = symbol by symbol."""
        return None

    @abc.abstractmethod
    async def open_orders(self) -> list[tuple[str, str]]:
        """(symbol, client id) of every open order of this market, whoever placed it."""

    @abc.abstractmethod
    async def read_balances(self, *, is_critical: bool = False) -> list[BalanceUpdate]:
        """A fresh snapshot of the account's balances, reason "snapshot". `is_critical`: may use the rate that is kept for cancels
        and queries."""

    @abc.abstractmethod
    async def read_positions(self, symbol: str | None = None, *, is_critical: bool = False) -> list[PositionUpdate]:
        """A fresh snapshot of positions of this market; [] on spot. With `symbol` that one is enough."""

    @abc.abstractmethod
    async def query_order(self, row: int, client_id: str) -> Answer:
        """Status by client id, and the fills with their fees when something was executed. NOT_FOUND is an event like any other;
        an answer that proves nothing is RestError."""

    @abc.abstractmethod
    async def query_fills(self, row: int, client_id: str, venue_order_id: int, since_mono_ns: int) -> Answer:
        """Fills of the order, by client id where the venue has that, else by venue order id; events of source QUERY."""

    @abc.abstractmethod
    async def cancel_rest(self, row: int, client_id: str) -> list[OrderEvent]:
        """Cancel by client id over REST: the way out when the order session is down or has no such request."""

    @abc.abstractmethod
    async def cancel_symbol(self, symbol: str) -> None:
        """Cancel every open order of a symbol, with one request or order by order."""

    @abc.abstractmethod
    def parse_account_event(self, name: str, data: bytes, recv_mono_ns: int) -> list[Fact] | None:
        """The facts of one DECODED_ACCOUNT message; [] = known and of no use, None = unknown: counted, said once."""

    async def funding_income(self, since_ns: int) -> list[FundingIncome]:
        """Funding payments since then, oldest first; complete, or RestError."""
        return []

    async def tell_funding(self) -> None:
        """Tell (`hooks.account`) the payments since the start that were not told yet, where no stream tells them; each once."""
        return

    async def read_maintenance(self, now_wall_ns: int) -> list[Window]:
        """What the venue announces of itself; [] where it says nothing."""
        return []

    async def arm_dead_man(self, seconds: float) -> bool:
        """Set the venue's cancel timer for this market, 0 = off. False: there is none."""
        return False

    @abc.abstractmethod
    def account_report(self) -> AccountReport:
        """What the account offers and lacks, seen from this market."""

    # ------------------------------------------------------------ life

    def policy(self) -> ConnectionPolicy:
        """The connections' times: those of the settings with the venue's heartbeat, or the venue's own."""
        if self.settings.policy is None:
            return self.POLICY
        return replace(self.settings.policy, ping_frame=self.POLICY.ping_frame, ping_every_s=self.POLICY.ping_every_s)

    async def start(self, ready_timeout_s: float = 15.0) -> None:
        """Clock, user stream, account, order session. AccountRefused: do not trade; RestError or TimeoutError: not reachable
        now. May be called again after either."""
        await self.measure_clock()
        self.user_connection.start()
        await self._wait_ready(self.user, self.user_connection, ready_timeout_s)
        await self.read_account()
        self.order_connection.start()
        await self._wait_ready(self.orders, self.order_connection, ready_timeout_s)
        self.spawn("clock", self._keep_clock())
        self.spawn("fees", self._keep_fees())
        for name, work in self.keepers():
            self.spawn(name, work)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A task of this market. One that ends by an exception says so: nothing stops working in silence."""
        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("%s %s ended", self.name, name, exc_info=error)
                self.hooks.alert("task_ended", f"{self.name} {name}: {type(error).__name__}: {error}")
        task = asyncio.get_running_loop().create_task(work, name=f"{self.name} {name}")
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def stop(self) -> None:
        await end_tasks(self._tasks)
        await asyncio.gather(self.order_connection.stop(), self.user_connection.stop())
        await self.release()
        await self.rest.close()

    async def _wait_ready(self, session: VenueSession, connection: Connection, timeout_s: float) -> None:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not session.is_ready:
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(
                    f"{self.name} {session.kind}: not ready after {timeout_s:g} s: {connection.last_failure or 'no answer'}"
                )
            await asyncio.sleep(0.01)

    def _failed(self, kind: str, why: str) -> None:
        self.hooks.alert("connection", f"{self.name} {kind}: {why}")

    # ------------------------------------------------------------ clock

    def venue_now_ns(self) -> int:
        """The venue's clock now, epoch ns, as far as it has been measured."""
        return time.time_ns() + self.clock.offset_ns

    async def measure_clock(self) -> Clock:
        """The sample with the shortest round trip decides; its half is the uncertainty, and the venue's own another one."""
        limit_ns = self.venue.clock.uncertainty_max_ns
        best = Clock(limit_ns=limit_ns)
        path, params = self.time_request()
        for _ in range(self.venue.clock.samples):
            wall_ns, mono_ns = time.time_ns(), time.monotonic_ns()
            response = await self.rest.request("GET", path, params, is_critical=True)
            round_trip_ns = response.received_mono_ns - response.sent_mono_ns
            if response.status != 200:
                raise RestError(f"{self.name} time", response.status, 0, response.body[:100].decode("ascii", "replace"))
            try:
                server_ns, own_ns = self.server_ns(response)
            except (KeyError, IndexError, TypeError, ValueError):
                raise RestError(f"{self.name} time", response.status, 0, f"no time in {response.body[:100]!r}") from None
            middle_ns = wall_ns + (response.sent_mono_ns - mono_ns) + round_trip_ns // 2
            if round_trip_ns // 2 + own_ns < best.uncertainty_ns:
                best = Clock(server_ns - middle_ns, round_trip_ns // 2 + own_ns, response.received_mono_ns, limit_ns)
        return self.take_clock(best)

    def take_clock(self, best: Clock) -> Clock:
        """Use this clock from now on; one that another market of the same host has just measured will do."""
        was_good = self.clock.is_good
        self.clock = best
        self.rest.clock_offset_ns = best.offset_ns
        self.orders.clock_offset_ns = best.offset_ns
        if best.is_good != was_good:
            self.hooks.session(self.venue.name, self.market, "clock", best.is_good,
                               f"offset {best.offset_ns / 1e6:.1f} ms, uncertainty {best.uncertainty_ns / 1e6:.1f} ms")
        return best

    async def _keep_clock(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(self.venue.clock.refresh_s)
            try:
                await self.measure_clock()
                failures = 0
            except RestError as error:
                failures += 1
                if failures == CLOCK_FAILURES_MAX and self.clock.is_good:
                    self.clock = Clock(self.clock.offset_ns, limit_ns=self.clock.limit_ns)
                    self.hooks.session(self.venue.name, self.market, "clock", False, str(error))

    async def measure_quietly(self) -> None:
        """measure_clock for tasks of our own: no answer is logged, no more."""
        try:
            await self.measure_clock()
        except RestError as error:
            log.warning("%s: clock not measured: %s", self.name, error)

    # ------------------------------------------------------------ account

    async def read_account(self) -> AccountState:
        """Reads everything that trading depends on into `state`; AccountRefused when something is not as it must be."""
        state = AccountState(self.market, self.account)
        await self.fill_account(state)
        state.fees = await self._read_fees()
        for symbol, client_id in await self.open_orders():
            made_by = decode_client_id(client_id)
            is_ours = made_by is not None and made_by[0] == self.settings.instance
            (state.own_orders if is_ours else state.foreign_orders).append((symbol, client_id))
        self.state = state
        self.has_account = True
        return state

    async def _read_fees(self) -> dict[str, FeeRates]:
        """Rates of all symbols where that is cheap; else of the first few traded ones: the others are taken for as dear as the
        dearest of these until `_keep_fees` has read theirs. Asking for all at start may use up the rate that snapshots and
        queries need."""
        everything = await self.read_all_fees()
        if everything is not None:
            self._fees_wanted = []
            return everything
        symbols = sorted(self.traded)
        gate = asyncio.Semaphore(self.FEE_REQUESTS_AT_A_TIME)

        async def one(symbol: str) -> tuple[str, FeeRates]:
            async with gate:
                return symbol, await self.read_fee(symbol)

        known = dict(await asyncio.gather(*(one(symbol) for symbol in symbols[:self.FEES_AT_START])))
        self._fees_wanted = symbols[self.FEES_AT_START:]
        if known:
            dearest = FeeRates(max(one.maker for one in known.values()), max(one.taker for one in known.values()),
                               any(one.burns_bnb for one in known.values()))
            known.update({symbol: dearest for symbol in self._fees_wanted})
        return known

    async def _keep_fees(self) -> None:
        """The symbols that were not read at start, at a pace that leaves the rate to others; then all of them again once a day."""
        wanted = list(self._fees_wanted)
        while True:
            for symbol in wanted:
                await asyncio.sleep(self.FEE_PACE_S)
                try:
                    rates = await self.read_fee(symbol)
                except (RestError, AccountRefused) as error:
                    log.info("%s %s: fees not read: %s", self.name, symbol, error)
                    continue
                self.state.fees[symbol] = rates
                self.hooks.fees(self.market, symbol, rates)
            await asyncio.sleep(self.FEES_REFRESH_S)
            wanted = sorted(self.traded)

    # ------------------------------------------------------------ questions

    async def query_position(self, row: int) -> Answer:
        """Signed futures position, or the total spot balance of the base asset, in base units."""
        symbol = self.symbol(row)
        instrument = self.rows[symbol]
        if self.market == "spot":
            return Answer([], True, account_totals(await self.read_balances(is_critical=True)).get(instrument.base, Decimal(0)))
        for position in await self.read_positions(symbol):
            if position.symbol == symbol:
                return Answer([], True, Decimal(position.qty).scaleb(-instrument.qty_scale))
        return Answer([], True, Decimal(0))

    def rest_events(self, response: RestResponse, client_id: str, answers: str, row: int) -> list[OrderEvent]:
        """Events of a REST answer about one order ("place", "cancel", "query"), completed with the row; never empty."""
        events = [unpack_order_event(raw) for raw in self.decoder.decode_rest(response.status, response.body, client_id, answers,
                                                                              response.received_mono_ns)]
        for event in events:
            if event.instrument_id >= self.instruments.count:
                event.instrument_id = row
            self.learn(event)
        return events

    def symbol(self, row: int) -> str:
        """The venue's spelling of a row's instrument."""
        return str(self.instruments.row(row)["symbol"])

    async def cancel_all(self, symbols: list[str] | None) -> list[str]:
        """Gateway.cancel_all for this market."""
        wanted = symbols if symbols is not None else sorted({symbol for symbol, _ in await self.open_orders()})
        failed: list[RestError] = []
        for symbol in wanted:
            try:
                await self.cancel_symbol(symbol)
            except RestError as error:   # the others are asked for all the same
                failed.append(error)
        if failed:
            raise failed[0]
        return wanted

    # ------------------------------------------------------------ what comes in

    def restart_stream(self, reason: str) -> None:
        """Take the user stream for dead and connect it anew."""
        self.user_connection.replace(reason)

    def _wire(self, session: VenueSession) -> None:
        session.on_event = self._on_event
        session.on_state = lambda is_ready, reason: self.hooks.session(self.venue.name, self.market, session.kind, is_ready,
                                                                       reason)
        session.on_account = lambda name, data, recv_mono_ns: self._on_account(session, name, data, recv_mono_ns)
        session.on_error = lambda where, error: self.hooks.alert("session", f"{self.name} {session.kind}: {where}: {error}")
        session.on_retry_after = self._on_retry_after

    def _on_event(self, event: OrderEvent) -> None:
        self.learn(event)
        if event.error_class == ERROR_TIME:
            self.spawn("clock after a time error", self.measure_quietly())
        self.hooks.event(event)

    def learn(self, event: OrderEvent) -> None:
        """Remember which client id a venue order id belongs to: some trade lists carry only the second."""
        if event.venue_order_id and event.client_id:
            if len(self.client_of_order) > LEARNED_IDS_MAX:
                self.client_of_order.clear()  # looked up again where it is still wanted
            self.client_of_order[event.venue_order_id] = event.client_id

    def _on_account(self, session: VenueSession, name: str, data: bytes, recv_mono_ns: int) -> None:
        facts = self.parse_account_event(name, data, recv_mono_ns)
        if facts is None:
            self.unknown_events[name] = self.unknown_events.get(name, 0) + 1
            if self.unknown_events[name] == 1:
                log.warning("%s %s: unknown event %r", self.name, session.kind, name)
            return
        if name in self.STREAM_ENDS:
            (self.order_connection if session is self.orders else self.user_connection).replace(self.STREAM_ENDS[name])
        for fact in facts:
            if isinstance(fact, StreamNotice):
                self.hooks.notice(fact)
            else:
                self.hooks.account(fact)

    def _on_retry_after(self, status: int, retry_after_ms: int) -> None:
        """A rate answer over the websocket stops REST as well: limits are shared. 418 and 403 are bans."""
        wait_s = ((retry_after_ms - self.orders.venue_time_ms()) / 1000 if retry_after_ms else RETRY_AFTER_UNKNOWN_S)
        wait_s = max(0.0, wait_s)
        self.rest.rate.stop(wait_s, time.monotonic(), is_ban=status in (403, 418))
        self.hooks.alert("rate_limit", f"{self.name}: status {status}, stopped for {wait_s:.1f} s")
        self.hooks.rate_stop(self.venue.name, self.market, wait_s)

    def stats(self) -> dict[str, Any]:
        """For the status screen."""
        rate = self.rest.rate
        return {"orders": self.orders.stats(), "user": self.user.stats(), "clock_offset_ms": self.clock.offset_ns / 1e6,
                "clock_uncertainty_ms": self.clock.uncertainty_ns / 1e6 if self.clock.measured_mono_ns else None,
                "rest_requests": self.rest.requests, "rest_failures": self.rest.failures, "used_weight": rate.used_weight,
                "order_counts": dict(rate.order_counts), "rate_stops": rate.stops,
                "unknown_events": dict(self.unknown_events)}
