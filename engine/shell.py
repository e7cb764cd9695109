"""The engine process: sets everything up, drives the hot poll step and the calm floor from one pinned uvloop, stops in order.

Start: lock of the run, epoch, state page, journal, control socket; then feeds, accounts, warm-up, trading. Each turn of the loop:
poll rings and act (engine/poll.pyx), then whatever sockets and timers brought. Nothing here reads or writes a disk while trading.
SIGTERM: no new entries, finish or close what is open (run.on_stop), report, end."""
import asyncio
import fcntl
import logging
import os
import pathlib
import signal
import time
from collections import deque
from decimal import Decimal
from typing import Any

import orjson
import uvloop

from cext import hist as histograms
from cext import layout
from cext.core import SKIP_NAMES, Core
from cext.doorbell import Doorbell
from cext.hist import HistPage
from cext.journal import JournalWriter
from cext.shm import ShmError
from cext.state_page import StatePage
from engine import host, status
from engine.accounts_start import apply_account
from engine.carry_out import CommandRunner
from engine.client import SOCKET_NAME
from engine.commands import register_commands
from engine.config import Config, config_hash, load
from engine.control import ControlServer
from engine.epoch import EpochError, raise_epoch
from engine.event_codec import pack_order_event
from engine.events import OrderEvent
from engine.feed_link import FeedLink
from engine.gateways.contract import AccountRefused, GatewayHooks
from engine.gateways.maintenance import POLL_S, Window
from engine.gateways.registry import gateway_venue
from engine.gateways.settings import gateway_settings
from engine.input_log import InputLog, LoggedCore
from engine.kill import KILL_SIGNAL, Kill
from engine.poll import Poller
from engine.report import write_report
from engine.rest import RestError
from engine.restart.sequence import CannotRestore, StartSequence
from engine.strategies import Strategies
from engine.strategies.limits import core_limits
from engine.trade.core_surface import MARKET_CODES
from engine.trade_desk import TradeDesk
from engine.wall_clock import WallClock
from feeds.instruments import InstrumentError, InstrumentTable, join_run_table, run_table_path
from feeds.logs import setup_logging

log = logging.getLogger("lockstep.engine")

STAGES = ["ring", "detect", "gate", "journal", "encode", "send", "ack", "fill", "tick_to_trade", "own", "naked", "repair"]
TICK_S = 0.01                # slow side: feeds, timers of the calm floor, journal segments
FUNDING_PERIOD_TICKS = 100
WATCH_PERIOD_TICKS = 5       # orders that rest: a feed that has died touches no row
RECONCILE_PERIOD_S = 5.0     # full compare with each venue; sooner after a trade and after a reconnect
RECONCILE_SOON_S = 2.0
STOP_PATIENCE_S = 20.0
VENUE_PATIENCE_S = 20.0      # a venue that is not up by then comes later, while the others trade
DRY_RUN_BALANCE_FACTOR = 100   # of risk.max_total_usd: balances assumed where there is no account
MARKETS_MAX = 4              # cext/core.h: a session key is venue * MARKETS_MAX + market
PHASE_STARTING, PHASE_WARMING, PHASE_TRADING, PHASE_STOPPING, PHASE_STOPPED = range(5)
PHASES = ("starting", "warming", "trading", "stopping", "stopped")


class EngineFailed(Exception):
    """The engine cannot start or go on; the text says what a person can do."""


class Shell:
    """One engine. `run()` returns after an orderly stop; attributes without underscore are read by status, control and
    reports."""

    def __init__(self, config: Config, run_dir: pathlib.Path) -> None:
        self.config = config
        self.run_dir = run_dir
        self.run_id = run_dir.name
        self.config_hash = config_hash(config)
        self.started_s = time.monotonic()
        self.started_wall_ns = time.time_ns()
        self.alarms: deque[dict[str, Any]] = deque(maxlen=1000)
        self.decisions: deque[dict[str, Any]] = deque(maxlen=500)
        self.trades: TradeDesk | None = None
        self.gateways: dict[str, Any] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}   # venues that are not up yet
        self.phase = PHASES[PHASE_STARTING]
        available = sorted(os.sched_getaffinity(0))
        self.is_spinning = config.engine.resolved_spin(os.cpu_count() or 1)
        self.cpu = config.engine.resolved_cpu(sorted(range(os.cpu_count() or 1))
                                              if len(available) == 1 else available) if self.is_spinning else None
        self.stopping = asyncio.Event()
        self.failure: str | None = None
        self._links: dict[str, FeedLink] = {}
        self._runner = CommandRunner(self)
        self._restrictions: set[str] = set()
        self._wall_clock = WallClock()
        self.inputs: InputLog | None = None
        self._has_told_inputs = False
        self._start = StartSequence(self)
        self.kill = Kill(self)
        self._compare_at_s: dict[str, float] = {}   # venue -> when it is compared next
        self._maintenance: dict[str, list[Window]] = {}     # venue -> what it has announced
        self._maintenance_at_s: dict[str, float] = {}       # venue -> when it is asked next
        self._in_maintenance: dict[str, Window] = {}
        self._finished_trades = 0
        self._is_polling = False
        self._ticks = 0
        self._lock_file = self._take_lock()

    # ---------------------------------------------------------------- life

    def _take_lock(self) -> Any:
        """One engine a run directory: the kernel drops the lock with the process."""
        file = (self.run_dir / "engine.lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise EngineFailed(
                f"another engine (pid {file.read().strip() or 'unknown'}) runs in {self.run_dir}; stop it first"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        return file

    async def run(self) -> None:
        """From nothing to an orderly stop."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_exception)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        signal.signal(KILL_SIGNAL, signal.SIG_IGN)   # until there is a word to set; the file and tools/kill are there before
        for sentence in (host.pin(self.cpu), host.allow_files(), host.lock_memory() if self.config.engine.lock_memory else None):
            if sentence:
                log.warning("%s", sentence)
        host.forbid_dumps()
        try:
            await self._open()
            if await self._until_stopped(self._prepare()):
                self._start_polling()
                host.freeze_gc()
            if self._is_polling and await self._until_stopped(self._reconcile_start()):
                self._set_phase(PHASE_TRADING)
                log.info("trading: mode %s, %d instruments, %d pairs, %s on cpu %s, epoch %d, config %s", self.config.mode,
                         len(self.table.rows),
                         len(self.core.pairs()), "spinning" if self.is_spinning else "waking", self.cpu, self.epoch,
                         self.config_hash)
                await self.stopping.wait()
            if self._is_polling:
                await self._finish_trades()
        finally:
            await self._close()
        if self.failure:
            raise EngineFailed(self.failure)

    async def _until_stopped(self, work: Any) -> bool:
        """Whether `work` was done before a stop was asked for."""
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False

    async def _open(self) -> None:
        """What exists before any socket to a venue: epoch, pages, journal, control."""
        var_dir = pathlib.Path(self.config.run.var_dir)
        self.epoch = raise_epoch(var_dir)
        self._save_dead_histograms()
        self.state = StatePage.create(self.run_id, int(self.config_hash, 16))
        self.hist = HistPage.create(self.run_id, "engine", STAGES)
        self.journal = JournalWriter(self.run_id, self.epoch, segment_bytes=self.config.engine.journal_segment_mb << 20,
                                     run_dir=self.run_dir)
        if self.config.engine.input_log:
            self.inputs = InputLog(self.run_id, self.epoch, self.run_dir, self.config.engine.journal_segment_mb << 20)
        asyncio.get_running_loop().add_signal_handler(KILL_SIGNAL, self.kill.on_signal)
        self.doorbell = Doorbell(self.run_dir, self.state)
        self._set_phase(PHASE_STARTING)
        self.control = ControlServer(self.run_dir / SOCKET_NAME, lambda record: self.journal_json(layout.JR_CONTROL, record))
        register_commands(self.control, self)
        await self.control.start()

    def _save_dead_histograms(self) -> None:
        """What a life of this run that was killed had measured, before its page is replaced."""
        try:
            page = HistPage.open(self.run_id, "engine")
        except ShmError:
            return
        page.save(self.run_dir, f"before-{self.epoch}")
        page.close()

    async def _reconcile_start(self) -> None:
        if self._start.is_restart:
            self.phase = "reconciling"
        if self.config.mode != "dry_run":
            await self._start.reconcile()

    async def _prepare(self) -> None:
        """Feeds, core, accounts, warm-up."""
        self.table = await self._wait_for_table()
        self.instruments = self.table.to_array()
        limits = core_limits(self.config)
        self.core = self._make_core(limits)
        self.poller = Poller(self.core, self.journal, self.hist, self.state,
                             spin_ns=self.config.engine.spin_us * 1000 if self.is_spinning else 0,
                             records_max=self.config.engine.poll_max_records,
                             on_sent=self._on_sent, on_refused=self._on_refused, on_feed=self._on_feed, on_cancel=self._on_cancel,
                             inputs=None if self.inputs is None else self.inputs.writer)
        self.strategies = Strategies(self.config, self.table, self.core)
        self.trades = TradeDesk(self)
        try:
            self._start.restore()
        except CannotRestore as error:
            raise EngineFailed(str(error)) from error
        self._runner.drain()
        self.journal_json(layout.JR_RUN_START,
                          {"run_id": self.run_id, "mode": self.config.mode, "config_hash": self.config_hash, "epoch": self.epoch,
                                                "commit": status.commit(), "instruments": self.table.to_json()})
        for feed, name in enumerate(self.config.venues):
            self._links[name] = FeedLink(self.run_id, name, self.table.venue_hash(name), lambda reader,
                                         feed=feed: self.poller.set_reader(feed, reader),
                                         lambda feed=feed: self.poller.feed_down(feed))
        while not all([link.check(time.monotonic_ns()) for link in self._links.values()]):  # noqa: C419 - each is looked at
            await asyncio.sleep(0.05)
        if self.config.mode == "dry_run":
            self._assume_accounts()
        else:
            await self._start_gateways()
        self._set_phase(PHASE_WARMING)
        self._tick_later()
        self.strategies.refresh(time.monotonic_ns(), time.time_ns())
        await self._warm()

    def _make_core(self, limits: Any) -> Core:
        instance = self.config.engine.instance
        if self.inputs is None:
            return Core(self.instruments, limits, self.epoch, instance)
        self.inputs.begin(limits, self.epoch, instance)
        core = LoggedCore(self.instruments, limits, self.epoch, instance)
        core.inputs = self.inputs
        return core

    def _assume_accounts(self) -> None:
        """dry_run: no gateway, no order session, no key is made or read. The core is told of sessions and balances that never are
        the limit, so that every layer of the gate speaks; the last one, DRY_RUN, refuses whatever the others let through."""
        self.core.set_dry_run()
        amount_e8 = int(self.config.risk.max_total_usd * DRY_RUN_BALANCE_FACTOR) * 10**8
        venues = list(self.instruments.venues)
        for row in self.table.rows:
            venue_id, market = venues.index(row.venue), MARKET_CODES[row.market]
            self.core.set_session(venue_id, market, True)
            for asset in (row.quote, row.base) if row.market == "spot" else (row.settle,):
                self.core.set_account_balance(row.account_name, asset, amount_e8)
        log.info("dry_run: no order transport exists; decisions are journaled and counted as refused with DRY_RUN")

    async def _start_gateways(self) -> None:
        """All venues at once. Returns when every one is up, or, after VENUE_PATIENCE_S, as soon as one is: a venue that cannot be
        reached is said (by its gateway) and tried again while the others trade; the gate refuses what it lacks until then."""
        self._starting = {venue: asyncio.create_task(self._start_gateway(venue), name=f"start {venue}")
                          for venue in self.config.venues}
        deadline = time.monotonic() + VENUE_PATIENCE_S
        while waiting := [task for task in self._starting.values() if not task.done()]:
            if len(waiting) < len(self._starting) and time.monotonic() >= deadline:
                break
            patience = deadline - time.monotonic()
            await asyncio.wait(waiting, timeout=patience if patience > 0 else None, return_when=asyncio.FIRST_COMPLETED)
            for task in self._starting.values():
                if task.done():
                    task.result()   # a refused account ends the start
        for venue, task in self._starting.items():
            if not task.done():
                log.warning("%s is not up after %.0f s: trading starts without it", venue, VENUE_PATIENCE_S)
                task.add_done_callback(lambda task, venue=venue: self._on_late_start(venue, task))

    def _on_late_start(self, venue: str, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self.alert("venue_refused", f"{venue} stays out of this run: {task.exception()}", "critical")

    async def _start_gateway(self, venue: str) -> None:
        """Accounts read and understood, order sessions and user streams up."""
        simex_path = self.run_dir / "simex.json"
        simex = orjson.loads(simex_path.read_bytes()) if simex_path.exists() else None
        settings = gateway_settings(self.config.venues[venue], self.config.mode, venue, instance=self.config.engine.instance,
                                    seed=self.config.feeds.seed, simex=simex)
        hooks = GatewayHooks(event=self.on_order_event, session=self.on_session, account=self.trades.on_account,
                             notice=self._on_notice,
                             fees=lambda market, symbol, rates: self._on_fees(venue, market, symbol, rates),
                             alert=self.alert,
                             rate_stop=lambda *what: self.alert("rate_stop",
                                                                f"{what[0]} {what[1]}: no requests for {what[2]:.0f} s"))
        gateway = self.gateways[venue] = gateway_venue(venue).make_gateway(settings, self.table, self.instruments, hooks)
        venue_id = list(self.instruments.venues).index(venue)
        for market, session in gateway.sessions().items():
            self.poller.set_session(venue_id * MARKETS_MAX + MARKET_CODES[market], session)
            if market in gateway.venue.order_rates:
                self.core.set_order_rate(venue_id, MARKET_CODES[market], *gateway.venue.order_rates[market])
        try:
            states = await gateway.start()
        except AccountRefused as error:
            raise EngineFailed(f"{venue}: {error}") from error
        for sentence in apply_account(venue, states, self.table, self.core, self.trades.manager):
            self.alert("foreign", f"{sentence}: reported, never touched")
        self._runner.drain()   # opening balances are in the journal before anything is built on them

    async def _wait_for_table(self) -> InstrumentTable:
        """Each feed writes its table when it has reached its venue. Joined, it is the run's, for everybody who looks at it."""
        said = ""
        while True:
            try:
                table = join_run_table(self.run_dir, self.config.venues)
                table.save(run_table_path(self.run_dir))
                return table
            except InstrumentError as error:
                if str(error) != said:
                    said = str(error)
                    log.info("waiting for the feed: %s", error)
            await asyncio.sleep(0.05)

    async def _warm(self) -> None:
        """Every page and branch of the hot path is touched before the first real decision: books are read and evaluated while the
        trading word still says HALTED, so nothing can leave."""
        self.core.set_trading_word(layout.TRADING_HALTED)
        deadline = time.monotonic() + self.config.engine.warm_up_ms / 1000
        while time.monotonic() < deadline:
            self.poller.turn()
            self.poller.warm()
            await asyncio.sleep(0)
        self.core.set_trading_word(self.state.trading_word())

    # ---------------------------------------------------------------- the loop

    def _start_polling(self) -> None:
        loop = asyncio.get_running_loop()
        self._is_polling = True
        self.poller.is_rehearsing = self.is_spinning
        if self.is_spinning:
            loop.call_soon(self._spin)
        else:
            loop.add_reader(self.doorbell.fileno(), self._wake)
            self._wake()

    def _spin(self) -> None:
        """One turn, and the next one is already asked for: the loop never sleeps."""
        if self._is_polling:
            # first: an exception must not end the polling that exits and repairs need
            asyncio.get_running_loop().call_soon(self._spin)
            self.poller.turn()

    def _wake(self) -> None:
        """The doorbell rang (or the slow tick came): take everything, say that we sleep, look once more."""
        self.doorbell.drain()
        self.poller.set_sleeping(False)
        while self.poller.turn():
            pass
        self.poller.set_sleeping(True)
        if self.poller.turn():
            self.poller.set_sleeping(False)
            asyncio.get_running_loop().call_soon(self._wake)

    def _tick_later(self) -> None:
        asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        """The slow side, a hundred times a second, each part short."""
        if self.phase == PHASES[PHASE_STOPPED]:
            return
        self._tick_later()
        now, wall = time.monotonic_ns(), time.time_ns()
        self._ticks += 1
        self.kill.look()
        self.core.set_trading_word(self.state.trading_word() if self.phase != PHASES[PHASE_WARMING] else layout.TRADING_HALTED)
        for link in self._links.values():
            link.check(now)
        if now >= self.trades.manager.next_timer_mono_ns():
            self.trades.manager.on_timer(now, wall)
            self._runner.drain()
        try:
            self.journal.tend()
        except ShmError as error:
            self.alert("journal", str(error), "critical")
            self.restrict("journal")
        self._tend_inputs()
        self.strategies.refresh(now, wall)
        if self._ticks % WATCH_PERIOD_TICKS == 0 and self._is_polling and self.core.resting:
            self.core.watch_quotes()
            self.poller.evaluate()
        if self._ticks % FUNDING_PERIOD_TICKS == 0:
            self._second(now, wall)
        if not self.is_spinning and self._is_polling:
            self._wake()

    def _tend_inputs(self) -> None:
        """The input log is for looking back, never a reason to stop: what it loses is told, once."""
        if self.inputs is None:
            return
        try:
            is_whole = self.inputs.tend()
        except ShmError as error:
            log.warning("input log: %s", error)
            return
        if not is_whole and not self._has_told_inputs:
            self._has_told_inputs = True
            self.alert("input_log", "the input log lost records: this run cannot be replayed past here; give engine.journal_segment_mb "
                       "more, or /dev/shm")

    def _second(self, now: int, wall: int) -> None:
        """Once a second: clocks, funding, idle garbage."""
        self.poller.set_wall_offset(wall - now)
        if stepped_ns := self._wall_clock.look(wall, now):
            self.restrict("clock")
            self.alert("clock_step", f"the wall clock was stepped by {stepped_ns / 1e6:.0f} ms: reducing orders only until the venues' "
                       "clocks are measured again", "critical")
            self._runner.spawn(self._measure_clocks())
        for feed, link in enumerate(self._links.values()):
            if link.reader is not None:
                self.poller.read_funding(feed)
        if self.phase == PHASES[PHASE_TRADING]:
            self._reconcile_due(now / 1e9)
            self._look_at_maintenance(now, wall)
        if not self.trades.manager.busy_rows():
            host.collect_when_idle()

    def _look_at_maintenance(self, now: int, wall: int) -> None:
        """Announced windows: no entries from a minute before, until the end; told when it begins and when it is over."""
        for venue in self.venues_up():
            if now / 1e9 >= self._maintenance_at_s.setdefault(venue, 0.0):
                self._maintenance_at_s[venue] = now / 1e9 + POLL_S
                self._runner.spawn(self._read_maintenance(venue))
            window = next((one for one in self._maintenance.get(venue, ()) if one.covers(wall)), None)
            until_ns = now + window.end_wall_ns - wall if window is not None else 0
            if window is not None and venue not in self._in_maintenance:
                self.alert("maintenance", f"{venue} announces maintenance ({window.title or 'no title'}) until "
                           f"{time.strftime('%H:%M:%S', time.gmtime(window.end_wall_ns / 1e9))} UTC: no entries from now on",
                           "critical")
            elif window is None and venue in self._in_maintenance:
                self.alert("maintenance_over", f"{venue} takes entries again")
            if self._in_maintenance.get(venue) != window:
                self.trades.manager.set_maintenance(venue, until_ns, now)
                self._runner.drain()
                self._in_maintenance.pop(venue, None)
                if window is not None:
                    self._in_maintenance[venue] = window

    async def _read_maintenance(self, venue: str) -> None:
        try:
            self._maintenance[venue] = await self.gateways[venue].maintenance(time.time_ns())
        except (RestError, AccountRefused) as error:
            if venue not in self._maintenance:   # once: it may have no such page
                log.info("%s: status not read: %s", venue, error)
            self._maintenance.setdefault(venue, [])

    async def _measure_clocks(self) -> None:
        """After a step: every market's clock anew, tried until all are good; then entries may leave again."""
        markets = [market for gateway in self.gateways.values() for market in gateway.markets.values()]
        while markets and self.phase != PHASES[PHASE_STOPPED]:
            await asyncio.gather(*(market.measure_quietly() for market in markets))
            markets = [market for market in markets if not market.clock.is_good]
            await asyncio.sleep(1.0 if markets else 0.0)
        self.release("clock")

    def _reconcile_due(self, now_s: float) -> None:
        """Venues whose turn it is: every five seconds, soon after a trade has ended, soon after a session came back."""
        finished = sum(self.trades.manager.final_states.values())
        if finished != self._finished_trades:
            self._finished_trades = finished
            self._compare_soon(*self._compare_at_s)
        for venue in self.venues_up():
            if now_s >= self._compare_at_s.setdefault(venue, now_s):
                self._compare_at_s[venue] = now_s + RECONCILE_PERIOD_S
                self._runner.spawn(self._reconcile(venue))

    def _compare_soon(self, *venues: str) -> None:
        soon_s = time.monotonic() + RECONCILE_SOON_S
        for venue in venues:
            self._compare_at_s[venue] = min(self._compare_at_s.get(venue, soon_s), soon_s)

    def venues_up(self) -> list[str]:
        """Venues whose accounts and sessions are there."""
        return [name for name, task in self._starting.items()
                if task.done() and not task.cancelled() and task.exception() is None]

    def spawn(self, coroutine: Any) -> None:
        """Run a task whose failure is told to a person."""
        self._runner.spawn(coroutine)

    def drain(self) -> None:
        """Carry out what the calm floor asks."""
        self._runner.drain()

    def restrict(self, reason: str) -> None:
        """Reducing orders only, until every reason is released."""
        self._restrictions.add(reason)
        self.state.set_engine_word(layout.TRADING_RESTRICTED)

    def release(self, reason: str) -> None:
        self._restrictions.discard(reason)
        if not self._restrictions:
            self.state.set_engine_word(layout.TRADING_ACTIVE)

    def restrictions(self) -> list[str]:
        return sorted(self._restrictions)

    # ---------------------------------------------------------------- what the hot side and the sockets tell

    def _on_sent(self, intent: Any, outcomes: list[Any]) -> None:
        self.trades.on_sent(intent, outcomes)
        self._runner.drain()

    def _on_refused(self, kind: int, reason: int, intent: Any) -> None:
        self.trades.on_refused(kind, reason, intent)

    def _on_cancel(self, intent_id: int, reason: int) -> None:
        """The core wants an order that rests out of its book."""
        self.trades.manager.cancel_quote(intent_id, SKIP_NAMES[reason], time.monotonic_ns())
        self._runner.drain()

    def _on_feed(self, feed: int, what: str) -> None:
        log.warning("feed %d: %s", feed, what)

    def on_order_event(self, event: OrderEvent) -> None:
        """From sessions, user streams and queries: journaled as it came, then the calm floor's."""
        now = time.monotonic_ns()
        self.journal.append(layout.JR_ORDER_EVENT, pack_order_event(event), now, time.time_ns(), 0)
        self.trades.on_order_event(event, now)
        self._runner.drain()

    def on_session(self, venue: str, market: str, kind: str, is_up: bool, reason: str) -> None:
        """A session came up or went down."""
        log.info("%s %s %s: %s", venue, market, kind, "up" if is_up else f"down: {reason}")
        self.trades.manager.on_session(venue, market, kind, is_up, time.monotonic_ns())
        self._runner.drain()
        if is_up:
            self._compare_soon(venue)

    def _on_fees(self, venue: str, market: str, symbol: str, rates: Any) -> None:
        for row in self.table.rows:
            if row.venue == venue and row.market == market and row.symbol == symbol:
                self.core.set_fees(row.id, rates.taker, rates.maker)
                self.trades.manager.set_fees(row.id, rates.taker, rates.maker)

    async def _reconcile(self, venue: str) -> None:
        """The venue's balances and positions against the ledger. A difference that lasts is alerted and locks what it concerns;
        the first
        question is whether it is funding that no stream has told."""
        try:
            found = await self.compare(venue)
        except (RestError, AccountRefused) as error:
            log.info("%s: balances and positions not read: %s", venue, error)
            return
        if found:
            await self._read_funding(venue)

    async def compare(self, venue: str, *, is_critical: bool = False) -> list[Any]:
        """The venue's balances and positions against the ledger -> differences of now. `is_critical`: trading waits for it, so it
        may use the rate that is kept for queries. Raises RestError, AccountRefused."""
        gateway, manager = self.gateways[venue], self.trades.manager
        balances = await gateway.balances(is_critical=is_critical)
        found = manager.reconcile(balances, time.monotonic_ns())
        held = {position.instrument_id: Decimal(position.qty).scaleb(-self.table.rows[position.instrument_id].qty_scale)
                for position in await gateway.positions(is_critical=is_critical) if position.instrument_id < len(self.table.rows)}
        found += manager.reconcile_positions(venue, held, time.monotonic_ns())
        self._runner.drain()
        return found

    async def _read_funding(self, venue: str) -> None:
        """Payments that the venue has booked and nobody has told, into the ledger."""
        try:
            await self.gateways[venue].tell_funding()
        except (RestError, AccountRefused) as error:
            log.info("%s: funding not read: %s", venue, error)
        self._runner.drain()

    def _on_notice(self, notice: Any) -> None:
        self.alert("notice", f"{notice.venue} {notice.market}: {notice.what} {notice.detail}")

    def gateway_of_row(self, row: int) -> Any:
        return self.gateways[self.table.rows[row].venue]

    def alert(self, code: str, text: str, severity: str = "warning", trade_id: int = 0) -> None:
        """Tell a person: log, screen, subscribers. The calm floor journals its own alerts; ours are journaled here."""
        log.log(logging.ERROR if severity == "critical" else logging.WARNING, "%s: %s", code, text,
                extra={"correlation_id": trade_id})
        alarm = {"at": time.strftime("%H:%M:%S"), "code": code, "text": text, "severity": severity, "trade_id": trade_id}
        self.alarms.append(alarm)
        self.control.publish("alert", alarm)

    def journal_json(self, record_type: int, value: dict[str, Any], correlation_id: int = 0) -> None:
        """Append a JSON record; a full journal stops new risk."""
        if self.journal.append_json(record_type, value, time.monotonic_ns(), time.time_ns(), correlation_id) == 0:
            self.restrict("journal")
            self.alarms.append({"at": time.strftime("%H:%M:%S"), "code": "journal_full",
                                "text": "the journal is full: reducing orders only",
                                "severity": "critical"})

    def _on_loop_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception in a callback of ours must never be silent: no new risk after it, and a person hears of it."""
        error = context.get("exception")
        log.error("unexpected: %s", context.get("message"), exc_info=error)
        if hasattr(self, "state") and self.phase != PHASES[PHASE_STOPPED]:
            self.restrict("exception")
            self.alert("exception", f"{context.get('message')}: {error!r}; reducing orders only from here on", "critical")

    # ---------------------------------------------------------------- views

    def feed_readers(self) -> dict[str, Any]:
        return {name: link.reader for name, link in self._links.items()}

    def feed_states(self) -> dict[str, str]:
        """Name -> "attached", or why not."""
        return {name: "attached" if link.reader is not None else link.last_reason for name, link in self._links.items()}

    def histograms(self) -> dict[str, Any]:
        """By stage, of all processes of the run."""
        return histograms.read_live(self.run_id)

    def _set_phase(self, phase: int) -> None:
        self.phase = PHASES[phase]
        self.state.set_phase(phase)

    # ---------------------------------------------------------------- stopping

    async def _finish_trades(self) -> None:
        """No new entries; close or keep; wait for what is in flight, with a limit that is told when it is reached."""
        self._set_phase(PHASE_STOPPING)
        mode = self._stop_mode()
        self.restrict("stop")
        self.core.set_trading_word(self.state.trading_word())
        manager = self.trades.manager
        manager.begin_stop(mode, time.monotonic_ns())
        self.poller.evaluate()
        self._runner.drain()
        deadline = time.monotonic() + STOP_PATIENCE_S
        while not manager.is_idle():
            if time.monotonic() > deadline:
                self.alert("stop", f"trades are still open after {STOP_PATIENCE_S:.0f} s: see open_pairs in report.json",
                           "critical")
                break
            await asyncio.sleep(0.01)
        for venue, task in self._starting.items():
            if task.done():
                self._runner.spawn(self._read_funding(venue))
        await self._runner.finish()

    def _stop_mode(self) -> str:
        """What the configuration says; but under a kill or halt no good hedge is closed, only residual delta is."""
        mode = self.config.run.on_stop
        if mode == "close" and self.state.trading_word() >= layout.TRADING_HALTED and self.trades.manager.trades:
            self.alert("stop", "held pairs are kept: the kill word stands, and a kill closes residual delta, never a good hedge")
            return "keep"
        return mode

    async def _close(self) -> None:
        """Sockets, report, pages. Safe from any point of the start."""
        self._is_polling = False
        if hasattr(self, "state"):
            self._set_phase(PHASE_STOPPING)
        for task in self._starting.values():
            task.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)
        for gateway in self.gateways.values():
            await gateway.stop()
        if self.trades is not None and hasattr(self, "poller"):
            write_report(self.run_dir, status.report(self))
            self.journal_json(layout.JR_RUN_STOP,
                              {"run_id": self.run_id, "failure": self.failure, "trades": self.trades.by_state()})
        for link in self._links.values():
            link.close()
        if hasattr(self, "control"):
            await self.control.stop()
        if hasattr(self, "journal"):
            self.journal.close()
        if self.inputs is not None:
            self.inputs.close()
        if hasattr(self, "hist"):
            self.hist.save(self.run_dir)
            self.hist.close(unlink=True)
        if hasattr(self, "state"):
            self._set_phase(PHASE_STOPPED)
            self.doorbell.close()
            self.state.close(unlink=True)


def run(run_dir: pathlib.Path) -> int:
    """The process: returns its exit code."""
    config = load(run_dir / "config.json")
    logs = setup_logging(run_dir, "engine")
    try:
        shell = Shell(config, run_dir)
        uvloop.run(shell.run())
        return 0
    except (ShmError, EpochError, InstrumentError, ValueError) as error:
        raise EngineFailed(str(error)) from error
    finally:
        logs.close()
