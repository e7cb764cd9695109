"""Gives a recorded run's inputs to a fresh core and calm floor and compares what they decide with what the run journaled.

    for life in replay_inputs(run_dir): life.difference == "" or says where the two part

Compared are: every decision of the core (the intent's bytes), every order that the calm floor asks for, and every record that it
writes (transitions, postings, remainders, questions, alerts, attributions), in order and byte for byte. An input is written
before it is acted on: a life that was killed may lack the records of its last moment, and none may be there that no input
explains.
"""
from __future__ import annotations

import itertools
import pathlib
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from cext import layout
from cext.core import CMD_SEND, Core
from cext.journal import JournalReader
from engine.config import Config, load
from engine.event_codec import unpack_intent
from engine.events import Purpose
from engine.input_log import BEGIN, CORE_CALL, FLOOR_CALL, HOT, RESTORE, STREAM, unpack
from engine.restart.scan import restore_run
from engine.strategies import rest_ms
from engine.trade.commands import JournalRecord, SubmitIntent
from engine.trade.manager import TradeManager
from engine.trade.policy import make_policy
from feeds.instruments import InstrumentTable, run_table_path

EV_BOOK, EV_EVALUATE, EV_FUNDING, EV_FEED_STATUS, EV_ALIVE = (HOT + kind for kind in (1, 2, 3, 4, 5))
FLOOR_RECORDS = {layout.JR_TRANSITION, layout.JR_QUERY, layout.JR_LEDGER, layout.JR_DUST, layout.JR_ALERT, layout.JR_ATTRIBUTION}
LAST_MOMENT_NS = 5_000_000


class CannotReplay(Exception):
    """The run has no input log, or one that does not fit; the text says what would."""


class Parted(Exception):
    """The replayed engine did something else."""


@dataclass
class Life:
    """One engine's life, replayed."""
    epoch: int
    inputs: int = 0
    counts: Counter[str] = field(default_factory=Counter)   # books, evaluations, intents, submits, records
    difference: str = ""

    def sentence(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        return f"epoch {self.epoch}: {self.inputs:,} inputs, {counts}: {self.difference or 'identical'}"


def replay_inputs(run_dir: pathlib.Path) -> list[Life]:
    """Every life that the log holds. Raises CannotReplay, JournalCorrupt."""
    run_id, config = run_dir.name, load(run_dir / "config.json")
    table = InstrumentTable.load(run_table_path(run_dir))
    written: dict[int, list[Any]] = {}
    for record in JournalReader.of_run(run_id, run_dir):
        written.setdefault(record.epoch, []).append(record)
    lives = []
    for epoch, records in itertools.groupby(JournalReader.of_run(run_id, run_dir, stream=STREAM), lambda one: one.epoch):
        replay = LifeReplay(run_dir, config, table, epoch, written.get(epoch, []))
        lives.append(replay.run(records))
    if not lives:
        raise CannotReplay(f"{run_dir} has no input log; it is written with engine.input_log: true")
    return lives


class LifeReplay:
    """One life: `run` feeds it its inputs."""

    def __init__(self, run_dir: pathlib.Path, config: Config, table: InstrumentTable, epoch: int, written: list[Any]) -> None:
        self.life = Life(epoch)
        self._run_dir, self._config, self._table = run_dir, config, table
        self._intents = {unpack_intent(one.payload).intent_id: one.payload for one in written if one.type == layout.JR_INTENT}
        self._unsent = {int.from_bytes(one.payload[:8], "little") for one in written if one.type == layout.JR_REFUSAL}
        self._records: deque[Any] = deque(one for one in written if one.type in FLOOR_RECORDS)
        self._submits: deque[SubmitIntent] = deque()
        self._undecided = set(self._intents)          # journaled, not made here yet
        self._unwritten_ns = 0                        # time of the first record made here that the run does not have
        self._now_ns = 0
        self._core: Any = None
        self._manager: Any = None

    def run(self, records: Iterable[Any]) -> Life:
        life = self.life
        now_ns = 0
        for record in records:
            life.inputs += 1
            if life.difference:
                continue
            now_ns = max(now_ns, record.mono_ns)
            try:
                self._apply(record)
                if self._unwritten_ns and now_ns - self._unwritten_ns > LAST_MOMENT_NS:
                    raise Parted("records that are made here were not written by the run, which went on")
            except Parted as parted:
                life.difference = f"input {life.inputs} ({record.mono_ns} ns): {parted}"
        if not life.difference and (self._records or self._undecided):
            life.difference = (f"the run has {len(self._records)} records and {len(self._undecided)} intents more than its "
                               "inputs explain")
        return life

    # ---------------------------------------------------------------- one input

    def _apply(self, record: Any) -> None:
        if record.type > HOT:
            self._apply_hot(record)
            return
        self._now_ns = record.mono_ns
        told = orjson.loads(record.payload)
        if record.type == BEGIN:
            self._core = Core(self._table.to_array(), unpack(told["limits"]), told["epoch"], told["instance"])
            recovery = self._config.recovery.model_dump()
            self._manager = TradeManager(self._core, self._table,
                                         make_policy(recovery, rest_ms(self._config), self._config.recovery.ttl_ms))
        elif record.type == RESTORE:
            self._manager.identity = tuple(told["identity"])
            restore_run(self._run_dir.name, self._run_dir, self.life.epoch, self._manager, boot=told["boot"],
                        wall_minus_mono_ns=told["wall_minus_mono_ns"])
            self._collect()
        elif record.type == CORE_CALL:
            self._call_core(told)
        elif record.type == FLOOR_CALL:
            getattr(self._manager, told["call"])(*unpack(told["args"], self._pending),
                                                **{key: unpack(one, self._pending) for key, one in told["options"].items()})
            self._collect()

    def _apply_hot(self, record: Any) -> None:
        core, row, connection = self._core, record.correlation_id >> 32, record.correlation_id & 0xFFFFFFFF
        counts = self.life.counts
        if record.type == EV_BOOK:
            counts["books"] += 1
            core.on_book(row, record.payload, connection, record.mono_ns, record.wall_ns)
        elif record.type == EV_FUNDING:
            core.on_funding(row, record.payload, record.mono_ns, record.wall_ns)
        elif record.type == EV_ALIVE:
            core.on_alive(connection, int.from_bytes(record.payload, "little", signed=True))
        elif record.type == EV_FEED_STATUS:
            core.on_feed_status(connection, bool(int.from_bytes(record.payload, "little", signed=True)))
        elif record.type == EV_EVALUATE:
            counts["evaluations"] += 1
            for kind, _, pool_index in core.evaluate(record.mono_ns, record.wall_ns, int.from_bytes(record.payload, "little")):
                if kind == CMD_SEND:
                    counts["intents"] += 1
                    self._compare_intent(pool_index)

    def _compare_intent(self, pool_index: int) -> None:
        """What the core decided now, against what was journaled under that id."""
        made = self._core.intent_bytes(pool_index)
        intent_id = unpack_intent(made).intent_id
        written = self._intents.get(intent_id)
        self._undecided.discard(intent_id)
        if written is None:
            if intent_id not in self._unsent and intent_id < max(self._intents, default=0):
                raise Parted(f"intent {intent_id} was decided here and not in the run")
        elif made != written:
            raise Parted(f"intent {intent_id} differs: here {unpack_intent(made)}, in the run {unpack_intent(written)}")

    def _call_core(self, told: dict[str, Any]) -> None:
        args, options = unpack(told["args"]), {key: unpack(one) for key, one in told["options"].items()}
        if told["call"] != "submit":
            getattr(self._core, told["call"])(*args, **options)
            return
        self.life.counts["submits"] += 1
        if args[0] != Purpose.MANUAL:
            self._compare_submit(args)
        reason, pool_index = self._core.submit(*args, **options)
        if not reason:
            self._compare_intent(pool_index)

    def _compare_submit(self, args: list[Any]) -> None:
        if not self._submits:
            raise Parted(f"the run handed an order to the gate that nobody asks for here: {args[:5]}")
        wanted = self._submits.popleft()
        here = [int(wanted.purpose), wanted.trade_id, wanted.pair_index, [list(leg) for leg in wanted.legs], int(wanted.kind),
                wanted.ttl_ns]
        if here != args[:6]:
            raise Parted(f"the calm floor asks for {here} here, the run handed {args[:6]} to the gate")

    # ---------------------------------------------------------------- what the calm floor wants

    def _pending(self, trade_id: int) -> Any:
        trade = self._manager.trades.get(trade_id)
        return trade.pending if trade is not None else None

    def _collect(self) -> None:
        for command in self._manager.take_commands():
            if isinstance(command, SubmitIntent):
                self._submits.append(command)
            elif isinstance(command, JournalRecord):
                self._compare_record(command)

    def _compare_record(self, command: JournalRecord) -> None:
        if not self._records:
            self._unwritten_ns = self._unwritten_ns or self._now_ns
            return
        self.life.counts["records"] += 1
        written, here = self._records.popleft(), orjson.dumps(command.payload, default=str)
        if (written.type, written.correlation_id, written.payload) != (int(command.type), command.trade_id, here):
            raise Parted(f"record {written.seq} of the run is {written.payload.decode()[:300]}, here it is {here.decode()[:300]}")
