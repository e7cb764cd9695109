"""One replay: captures in, decisions, fills and final books out, under a virtual clock.

Puts together what the live processes use (decoder, book records, core, strategy parameters, calm floor) and drives them from
recorded frames through cext/replay. Python runs only for a new block, a decision, an order's arrival or answer, a timer, and once
a virtual second for the strategy's slow half. Everything follows from the captures and the settings: no clock, no random, no
network."""
from __future__ import annotations

import logging
import pathlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from cext import layout
from cext.core import GATE_NAMES, Core
from cext.edges import EdgeSampler
from cext.replay import BLOCK, COMMANDS, DAMAGED, END, REFUSED, SEND, SOURCES_MAX, ReplayLoop
from engine.config import Config
from engine.event_codec import unpack_intent
from engine.events import ErrorClass, Intent, OrderEvent, OrderStatus, Sent, SentOutcome, Source
from engine.strategies import Strategies, rest_ms
from engine.strategies.limits import core_limits
from engine.trade.commands import Ask, CancelOrder, JournalRecord, QueryOrder, SubmitIntent
from engine.trade.manager import TradeManager
from engine.trade.policy import make_policy
from engine.trade.unknown import QueryAnswer
from feeds.capture_format import MARKET_CODES, CaptureError, CaptureReader
from feeds.registry import feed_venue
from tools.replay_lib.journal import DecisionHash
from tools.replay_lib.tables import ReplayError, joined_table, markets_of
from tools.replay_lib.venue import Delays, ReplayVenue

FOR_EVER_NS = (1 << 63) - 1
SECOND_NS = 1_000_000_000
EPOCH = 1                     # client ids of a replay never meet a venue: a constant keeps them equal from run to run
SETTLE_NS = 60 * SECOND_NS    # virtual time given to orders in flight behind the last record
PACE_NS = 5_000_000           # --speed: how far ahead of real time virtual time may be


log = logging.getLogger("lockstep.replay")


@dataclass
class ReplaySettings:
    """What can be chosen for a replay."""
    config: Config = field(default_factory=Config)
    delays: Delays = field(default_factory=Delays)
    taker_bps: dict[str, Decimal] = field(default_factory=dict)  # market -> fee in place of the recorded table's
    balance: Decimal = Decimal(1_000_000)                        # of each quote and settle asset, on each account
    inventory: dict[str, Decimal] = field(default_factory=dict)  # spot asset -> units at the start
    allow_truncated: bool = False
    speed: float = 0.0                                           # 0 = as fast as it goes
    with_core: bool = True                                       # False: books only


def without_makers(config: Config) -> Config:
    """The same, with every entry taking: an order that rests would need a place in a queue that no recording has."""
    strategies = config.strategies
    resting = [name for name in ("spot_futures", "cross_exchange") if getattr(strategies, name).maker != "none"]
    if not resting:
        return config
    log.warning("%s: orders that rest are not replayed (no recording has a queue): entries take",
                ", ".join(f"strategies.{name}.maker" for name in resting))
    sections = {name: getattr(strategies, name).model_copy(update={"maker": "none"}) for name in resting}
    return config.model_copy(update={"strategies": strategies.model_copy(update=sections)})


class ReplaySession:
    """`run()` once; afterwards the fields and methods tell what happened."""

    def __init__(self, paths: list[pathlib.Path], settings: ReplaySettings | None = None,
                 make_edges: Callable[[ReplaySession], EdgeSampler] | None = None):
        self.settings = settings or ReplaySettings()
        if len(paths) > SOURCES_MAX:
            raise ReplayError(f"{len(paths)} captures; at most {SOURCES_MAX} are merged at a time")
        self.readers = [CaptureReader(path, allow_truncated=self.settings.allow_truncated) for path in paths]
        self.table, self._row_maps = joined_table(self.readers, self.settings.taker_bps)
        self.array = self.table.to_array()
        groups = markets_of(self.table, paths[0])
        self.markets = {key: feed_venue(key[0]).make_decoder(self.array, key[1], rows) for key, rows in groups.items()}
        self.market_of_row = {row: self.markets[key] for key, rows in groups.items() for row in rows}
        self.journal = DecisionHash()
        self.core: Core | None = None
        self.manager: TradeManager | None = None
        if self.settings.with_core:
            self._make_core()
        self.edges = make_edges(self) if make_edges else None
        self.loop = ReplayLoop(list(self.markets.values()), len(self.table), self.core, self.edges)
        self.venue = ReplayVenue(self.table.rows, self.loop.record_bytes, self.settings.delays)
        self.venue.on_event = self._on_order_event
        self.seconds = 0.0
        self.refused: dict[str, int] = {}
        self._blocks: list[Iterator[tuple[Any, bytes]]] = []
        self._next_second_ns = 0
        self._wall_minus_mono_ns = 0
        self._draining = False

    # ---------------------------------------------------------------- set-up

    def _make_core(self) -> None:
        config = without_makers(self.settings.config)
        self.core = Core(self.array, core_limits(config), EPOCH, config.engine.instance)
        self.strategies = Strategies(config, self.table, self.core)
        self.manager = TradeManager(self.core, self.table, make_policy(config.recovery.model_dump(), rest_ms(config),
                                                                      config.recovery.ttl_ms))
        self.manager.accounts.open(self._opening_balances())
        self.core.set_trading_word(layout.TRADING_ACTIVE)

    def _opening_balances(self) -> dict[str, dict[str, Decimal]]:
        accounts: dict[str, dict[str, Decimal]] = {}
        for row in self.table.rows:
            account = accounts.setdefault(row.account_name, {})
            if row.market == "spot":
                account[row.base] = self.settings.inventory.get(row.base, Decimal(0))
        for row in self.table.rows:
            accounts[row.account_name][row.settle] = self.settings.balance
        return accounts

    def _open_sources(self) -> None:
        for reader, row_map in zip(self.readers, self._row_maps, strict=True):
            markets = {(index, MARKET_CODES[market]): self.markets[venue, market] for index, name in enumerate(reader.venues)
                       for venue, market in self.markets if venue == name}
            self.loop.add_source(markets, row_map)
            self._blocks.append(reader.blocks())
        for at in range(len(self.readers)):
            self._feed(at)
        first = self.loop.next_wall_ns
        if first is None:
            raise ReplayError(f"{', '.join(str(reader.path) for reader in self.readers)}: no record to replay")
        self.loop.set_clock(first)
        self._wall_minus_mono_ns = self.loop.wall_ns - self.loop.mono_ns
        self._next_second_ns = first

    def _feed(self, at: int) -> None:
        """The next block of one capture; its end when there is none."""
        for _, raw in self._blocks[at]:
            self.loop.load_block(at, raw)
            return
        self.loop.finish(at)

    # ---------------------------------------------------------------- the run

    def run(self) -> None:
        """All records, then whatever is still in flight. `seconds` is the wall time of it, decompression included."""
        started = time.perf_counter()
        self._open_sources()
        if self.manager is not None:
            for venue, market in self.markets:
                self.manager.on_session(venue, market, "orders", True, self.loop.mono_ns)
        self._run_records()
        self._settle()
        self.seconds = time.perf_counter() - started
        for reader in self.readers:
            reader.close()

    def _run_records(self) -> None:
        loop = self.loop
        pace = Pace(loop.wall_ns, self.settings.speed) if self.settings.speed > 0 else None
        while True:
            due = self._next_due_ns()
            limit = due if pace is None else min(due, pace.limit_ns())
            reason = loop.run(limit)
            if reason == BLOCK:
                self._feed(loop.at)
            elif reason == COMMANDS:
                self._carry_out()
            elif reason == END:
                return
            elif reason == DAMAGED:
                raise CaptureError(f"{self.readers[loop.at].path}: damaged record behind byte {loop.block_offset} of a block")
            elif limit >= due:
                self._run_due(due)
            elif pace is not None:
                pace.wait()

    def _next_due_ns(self) -> int:
        """Virtual wall time of the next order arrival, answer, timer or strategy second."""
        if self.manager is None:
            return FOR_EVER_NS
        timer = min(self.manager.next_timer_mono_ns(), FOR_EVER_NS - self._wall_minus_mono_ns) + self._wall_minus_mono_ns
        return min(self.venue.next_wall_ns or FOR_EVER_NS, timer, self._next_second_ns)

    def _run_due(self, due_ns: int) -> None:
        """Everything that is due at this moment: the venue first, then our timers."""
        loop, manager = self.loop, self.manager
        assert manager is not None
        loop.advance(due_ns)
        self.venue.run_due(due_ns)
        if manager.next_timer_mono_ns() <= loop.mono_ns:
            manager.on_timer(loop.mono_ns, loop.wall_ns)
        if due_ns >= self._next_second_ns:
            # Where nothing was recorded there is nothing to look at: hours without a record cost one refresh.
            self._next_second_ns = max(due_ns + SECOND_NS, loop.next_wall_ns or 0)
            self.strategies.refresh(loop.mono_ns, loop.wall_ns)
        self._drain()

    def _settle(self) -> None:
        """Orders in flight behind the last record meet the books as they are then."""
        if self.manager is None:
            return
        end = self.loop.wall_ns + SETTLE_NS
        while (self.venue.next_wall_ns is not None or not self.manager.is_idle()) and (due := self._next_due_ns()) <= end:
            self._run_due(due)

    # ---------------------------------------------------------------- decisions

    def _carry_out(self) -> None:
        """The core's commands, sends first, as engine/poll does."""
        for kind, reason, raw in self.loop.take_commands():
            intent = None if raw is None else unpack_intent(raw)
            if kind == SEND and intent is not None:
                self._send(intent)
            elif kind == REFUSED and intent is not None:
                self._count_refusal(GATE_NAMES[reason])
                self.journal.refusal(intent.intent_id, reason, intent.pair_index, intent.purpose)
        self._drain()

    def _send(self, intent: Intent) -> None:
        """Journal, then both legs in one turn: the same moment of virtual time."""
        assert self.manager is not None
        self.journal.intent(intent)
        self.manager.on_intent(intent)
        now, wall = self.loop.mono_ns, self.loop.wall_ns
        for leg in intent.legs:
            outcome = SentOutcome(intent.intent_id, leg.leg_index, Sent.OK, now, now, 0)
            self.journal.sent(outcome)
            self.venue.send(leg, wall)
            self.manager.on_sent(outcome)

    def _on_order_event(self, event: OrderEvent, wall_ns: int) -> None:
        assert self.manager is not None
        self.loop.advance(wall_ns)
        event = replace(event, recv_mono_ns=self.loop.mono_ns)
        self.journal.order_event(event)
        self.manager.on_order_event(event, self.loop.mono_ns)
        self._drain()

    def _count_refusal(self, name: str) -> None:
        self.refused[name] = self.refused.get(name, 0) + 1

    def _drain(self) -> None:
        """What the calm floor asks for, until it asks for nothing more."""
        if self._draining or self.manager is None:
            return
        self._draining = True
        try:
            while commands := self.manager.take_commands():
                for command in commands:
                    self._execute(command)
        finally:
            self._draining = False

    def _execute(self, command: Any) -> None:
        """Alerts, naked times and stream restarts have no meaning here: their facts are journaled by records of their own."""
        if isinstance(command, SubmitIntent):
            self._submit(command)
        elif isinstance(command, JournalRecord):
            self.journal.record(int(command.type), command.payload)
        elif isinstance(command, QueryOrder):
            self.venue.after(self.loop.wall_ns + self.venue.round_trip_ns(), self._answer_query, command)
        elif isinstance(command, CancelOrder):
            self.venue.after(self.loop.wall_ns + self.venue.round_trip_ns(), self._answer_cancel, command)

    def _submit(self, command: SubmitIntent) -> None:
        assert self.core is not None and self.manager is not None
        reason, pool_index = self.core.submit(command.purpose, command.trade_id, command.pair_index, command.legs, command.kind,
                                              command.ttl_ns, self.loop.mono_ns, self.loop.wall_ns)
        if reason:
            self._count_refusal(GATE_NAMES[reason])
            self.journal.refusal(0, reason, command.pair_index, command.purpose)
            self.manager.on_submit_refused(command, GATE_NAMES[reason], self.loop.mono_ns)
            return
        self._send(unpack_intent(self.core.intent_bytes(pool_index)))

    def _answer_query(self, wall_ns: int, command: QueryOrder) -> None:
        assert self.manager is not None
        self.loop.advance(wall_ns)
        known = self.venue.order_facts(command.client_id)
        answer = QueryAnswer(command.client_id, command.ask, command.asked_mono_ns, self.loop.mono_ns, True)
        if command.ask == Ask.POSITION:
            row = self.table.rows[command.row]
            answer.position = self.venue.positions.get(command.row,
                                                       Decimal(0)) + (self.settings.inventory.get(row.base, Decimal(0))
                                                                                  if row.market == "spot" else 0)
        elif command.ask == Ask.FILLS and known is not None:
            for event in known.fills:
                self._on_order_event(replace(event, source=Source.QUERY), wall_ns)
            answer.is_found = bool(known.fills)
        elif command.ask == Ask.ORDER:
            answer.is_found = known is not None
            status = OrderStatus.NOT_FOUND if known is None else known.status
            self._on_order_event(OrderEvent(command.client_id, command.row, Source.QUERY, status, known.venue_order_id
                                            if known else 0,
                                            cum_qty=known.cum_qty if known else -1), wall_ns)
        self.manager.on_query_answer(answer)
        self._drain()

    def _answer_cancel(self, wall_ns: int, command: CancelOrder) -> None:
        self._on_order_event(OrderEvent(command.client_id, command.row, Source.REPLY, OrderStatus.NONE,
                                        error_class=ErrorClass.UNKNOWN_ORDER,
                                        venue_code=-2011, message="Unknown order sent.", flags=16), wall_ns)


class Pace:
    """Holds virtual time to real time times `speed`."""

    def __init__(self, first_wall_ns: int, speed: float):
        self._first_wall_ns = first_wall_ns
        self._speed = speed
        self._started = time.perf_counter()

    def _reached_ns(self) -> int:
        return self._first_wall_ns + int((time.perf_counter() - self._started) * self._speed * 1e9)

    def limit_ns(self) -> int:
        """Records before this may be replayed now."""
        return self._reached_ns() + PACE_NS

    def wait(self) -> None:
        time.sleep(PACE_NS / 1e9 / 2)
