"""What an earlier life of the engine knew, from its journal: facts are replayed through a fresh TradeManager, decisions are not.

    restorer = Restorer(manager)                    # fresh manager, core not yet told of anything
    for record in records: restorer.apply(record)   # of all epochs of the run, in order (engine/restart/scan.py)
    restorer.settle()                               # the core is told what is held
    restorer.resume(now_mono_ns, now_wall_ns)       # sessions are up: unproven orders are UNKNOWN, trades go on

Sans-I/O. Facts are what reached us or left us: intents, what became of their bytes, order events, proofs of absence, funding,
transfers, opening balances. Decisions of the earlier life (transitions, remainders put away or taken over, inventory moved,
trades put away) are taken over as journaled, never made again: the books that they were made on are gone. What was not journaled
did not happen; an intent whose bytes may have left is an order whose fate is unknown, asked for until proven.

A friend of TradeManager: it uses what that class keeps to itself. Between `settle` and `resume` the manager takes further facts
(user streams that came up meanwhile) and decides nothing.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import orjson

from engine.event_codec import unpack_intent, unpack_order_event, unpack_sent
from engine.events import Intent, Purpose, Sent, SentOutcome
from engine.trade.commands import JournalRecord, JournalType
from engine.trade.core_surface import LockReason
from engine.trade.locks import FOR_EVER_NS
from engine.trade.manager import TradeManager
from engine.trade.marriage import give
from engine.trade.money import exact
from engine.trade.states import FINAL_STATES, OrderState, TradeState
from engine.trade.trade import HOLD

# cext/layout.h JR_*
INTENT, SENT, ORDER_EVENT, TRANSITION, REFUSAL, QUERY, LEDGER, DUST, ALERT, RUN_STOP = 2, 3, 4, 5, 6, 7, 8, 9, 11, 13


class JournaledRecord(Protocol):
    """cext.journal.Record, or anything with these."""
    type: int
    mono_ns: int
    wall_ns: int
    epoch: int
    correlation_id: int
    payload: bytes


def content(record_type: int, trade_id: int, payload: dict[str, Any]) -> bytes:
    """What a record says, as a key."""
    return orjson.dumps([record_type, trade_id, payload], option=orjson.OPT_SORT_KEYS)


class RestoreRefused(Exception):
    """The journal cannot be taken over; the text says which record, and what a person can do."""


@dataclass(slots=True)
class Restored:
    """What was found, for a person and for the report."""
    records: int = 0
    epochs: list[int] = field(default_factory=list)
    was_clean: bool = True              # the last epoch ended with RUN_STOP
    held: int = 0                       # trades that are OPEN: kept and watched
    unfinished: int = 0                 # trades with something still to be done
    unknown: list[str] = field(default_factory=list)  # client ids whose fate has to be proven

    def sentence(self) -> str:
        return (f"{self.records} records of {len(self.epochs)} earlier start(s): {self.held} held pairs, {self.unfinished} "
                f"unfinished trades, {len(self.unknown)} orders to prove")


class SilentCore:
    """Stands in for the core while facts are replayed: takes everything, knows no book."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        self._pairs = pairs
        self.results: list[tuple[int, int]] = []   # USD * 1e8 and wall time of each trade that was put away

    def note_pnl(self, pnl_usd_e8: int, now_wall_ns: int) -> None:
        self.results.append((pnl_usd_e8, now_wall_ns))

    def pairs(self) -> list[tuple[int, int]]:
        return self._pairs

    def market(self, row: int) -> dict[str, Any]:
        return {"flags": 0, "bids": [], "asks": []}

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: False


class Restorer:
    """One restoration. `found` grows while records are applied."""

    def __init__(self, manager: TradeManager) -> None:
        self.found = Restored()
        self._manager = manager
        self._core = manager.core
        self._rows = {instrument.name: instrument.row for instrument in manager.instruments}
        self._waiting: dict[int, Intent] = {}   # journaled, and nothing said of its bytes yet
        self._shift_ns = 0                      # from the record's monotonic clock to ours: other boots count from elsewhere
        # what the facts made the manager write, by content: met again in the journal, or missing there because the end came first
        self._owed: dict[bytes, list[JournalRecord]] = {}
        self._losses = SilentCore(manager.core.pairs())
        manager.is_restoring = True
        manager.use_core(self._losses)

    # ---------------------------------------------------------------- records

    def set_shift(self, shift_ns: int) -> None:
        """What is added to the monotonic times of the records that follow."""
        self._shift_ns = shift_ns

    @exact
    def apply(self, record: JournaledRecord) -> None:
        found = self.found
        found.records += 1
        if not found.epochs or found.epochs[-1] != record.epoch:
            if found.epochs:
                self._manager.note_death(self._manager._now_mono_ns)
            found.epochs.append(record.epoch)
            found.was_clean = False
        now = record.mono_ns + self._shift_ns
        if record.type in JSON_APPLY:
            told = orjson.loads(record.payload)
            if not self._was_owed(record.type, record.correlation_id, told):
                JSON_APPLY[record.type](self, told, record, now)
                self._manager.take_commands()
        else:
            self._apply_fact(record, now)
            self._collect()

    def _apply_fact(self, record: JournaledRecord, now: int) -> None:
        if record.type == INTENT:
            intent = unpack_intent(record.payload)
            intent.decided_mono_ns += self._shift_ns
            self._waiting[intent.intent_id] = intent
        elif record.type == SENT:
            self._on_sent(unpack_sent(record.payload))
        elif record.type == ORDER_EVENT:
            event = unpack_order_event(record.payload)
            event.recv_mono_ns += self._shift_ns
            self._announce_of(event.client_id)
            self._manager.on_order_event(event, now)
        elif record.type == REFUSAL:
            self._on_refusal(record, now)
        elif record.type == RUN_STOP:
            self.found.was_clean = True

    def _collect(self) -> None:
        """Postings and remainders that follow from the fact just applied."""
        for command in self._manager.take_commands():
            if isinstance(command, JournalRecord) and command.type in (JournalType.LEDGER, JournalType.DUST):
                self._owed.setdefault(content(int(command.type), command.trade_id, command.payload), []).append(command)

    def _was_owed(self, record_type: int, trade_id: int, told: dict[str, Any]) -> bool:
        """Whether the facts have made the manager do already what this record says."""
        key = content(record_type, trade_id, told)
        waiting = self._owed.get(key)
        if not waiting:
            return False
        waiting.pop()
        if not waiting:
            del self._owed[key]
        return True

    @exact
    def apply_all(self, records: Iterable[JournaledRecord]) -> Restored:
        for record in records:
            self.apply(record)
        return self.found

    def _announce(self, intent_id: int) -> None:
        """The calm floor hears of an intent with the first word about its bytes, as it did then."""
        intent = self._waiting.pop(intent_id, None)
        if intent is None:
            return
        if intent.purpose not in (Purpose.ENTRY, Purpose.MANUAL) and intent.trade_id not in self._manager.trades:
            raise RestoreRefused(f"intent {intent.intent_id} is for trade {intent.trade_id}, of which the journal holds no "
                                 "entry: records are missing before it")
        self._manager.on_intent(intent)

    def _announce_of(self, client_id: str) -> None:
        for intent in [one for one in self._waiting.values() if any(leg.client_id == client_id for leg in one.legs)]:
            self._announce(intent.intent_id)

    def _on_sent(self, outcome: SentOutcome) -> None:
        self._announce(outcome.intent_id)
        outcome.send_start_mono_ns += self._shift_ns
        outcome.send_end_mono_ns += self._shift_ns
        self._manager.on_sent(outcome)

    def _on_refusal(self, record: JournaledRecord, now: int) -> None:
        """After an intent: no byte of it left. Alone: a decision that never became one."""
        intent_id = int.from_bytes(record.payload[:8], "little")
        intent = self._waiting.get(intent_id)
        if intent is None:
            return
        self._announce(intent_id)
        for leg in intent.legs:
            self._manager.on_sent(SentOutcome(intent_id, leg.leg_index, Sent.NOT, now, now))

    # ---------------------------------------------------------------- decisions of the earlier life

    def _on_transition(self, told: dict[str, Any], record: JournaledRecord, now: int) -> None:
        manager = self._manager
        trade = manager.trades.get(told["trade_id"])
        target = TradeState(told["to"])
        if trade is None or trade.state == target:
            return
        if target == TradeState.RECOVERING and (trade.phase == HOLD or trade.is_final):
            manager._begin_episode(trade)
        if trade.state == TradeState.MANUAL:
            manager._unlock(trade, LockReason.MANUAL, now)
        trade.state = target
        if target == TradeState.OPEN:
            trade.phase, trade.attempts = HOLD, 0
        elif target == TradeState.UNWINDING:
            manager._cool_down(trade, "orphan", now)
        elif target == TradeState.MANUAL:
            trade.manual_cause, trade.manual_mono_ns = told["cause"], now
            for instrument in trade.instruments:
                manager.locks.lock(instrument.row, LockReason.MANUAL, FOR_EVER_NS, now)
        elif target in FINAL_STATES:
            manager._release_pair(trade, now)

    def _on_query(self, told: dict[str, Any], record: JournaledRecord, now: int) -> None:
        manager = self._manager
        if told.get("proof") == "history":
            manager.recheck.owed.pop(told["client_id"], None)
            return
        order = manager._orders.get(told["client_id"])
        if told.get("proof") == "absence" and order is not None and order.is_live:
            order.move(OrderState.UNKNOWN)
            order.move(OrderState.ABSENT_PROVEN)
            order.end_mono_ns, order.end_cause = now, "absent_proven"
            manager._end_order(manager._trade_of[order.client_id], order, now)

    def _on_ledger(self, told: dict[str, Any], record: JournaledRecord, now: int) -> None:
        """Postings of fills follow from their events; the rest is said here alone."""
        manager, kind = self._manager, told["kind"]
        if kind == "opening":
            manager.open_accounts({account: {asset: Decimal(amount) for asset, amount in assets.items()}
                                   for account, assets in told["balances"].items()})
        elif kind == "funding":
            row = self._rows.get(told["instrument"]) if told["instrument"] else None
            manager.on_funding_income(told["account"], told["asset"], Decimal(told["amount"]), row, now)
        elif kind == "transfer":
            manager.on_transfer(told["account"], told["asset"], Decimal(told["amount"]), now)
        elif kind == "correction":
            manager.post_correction(told["account"], told["asset"], Decimal(told["amount"]), told["who"])
        elif kind == "inventory":
            manager.inventory.move(self._row(told["from"]), self._row(told["to"]), Decimal(told["units"]))
            trade = manager.trades.get(record.correlation_id)
            if trade is not None:
                trade.leave_inventory()
        elif kind == "away" and (trade := manager.trades.get(record.correlation_id)) is not None:
            manager._now_wall_ns = max(manager._now_wall_ns, record.wall_ns)   # its result counts at its own time
            manager._put_away(trade, now)

    def _on_dust(self, told: dict[str, Any], record: JournaledRecord, now: int) -> None:
        """What the facts alone made a trade take along is taken already."""
        manager, row = self._manager, self._row(told["instrument"])
        trade = manager.trades.get(record.correlation_id)
        if told["kind"] == "give":
            taker = manager.trades.get(told["to"])
            if trade is not None and taker is not None:
                give(trade, taker, manager.instruments[row], Decimal(told["units"]))
        elif told["kind"] == "put":
            if trade is not None:
                trade.leave_remainder(row)
            manager.dust.put(row, Decimal(told["units"]), Decimal(told["value"]))
        elif trade is not None and not manager.dust.is_empty(row):
            held = manager.dust.take(row)
            trade.has_taken_dust = True
            trade.take_remainder(row, held.units, held.value)

    def _on_alert(self, told: dict[str, Any], record: JournaledRecord, now: int) -> None:
        manager = self._manager
        manager.alerts[told["code"]] += 1
        trade = manager.trades.get(record.correlation_id)
        if told["code"] == "order_unknown" and trade is not None:
            manager._cool_down(trade, "timeout", now)

    def _row(self, name: str) -> int:
        row = self._rows.get(name)
        if row is None:
            raise RestoreRefused(f"the journal knows {name}, this run does not: keep the venue and its instruments in the "
                                 "configuration until what is held there is closed")
        return row

    # ---------------------------------------------------------------- the end

    @exact
    def settle(self) -> Restored:
        """No more records: intents without a word about their bytes are announced, the core is told what is held. Decisions wait
        for `resume`."""
        manager, found = self._manager, self.found
        for intent_id in list(self._waiting):
            self._announce(intent_id)
        manager.note_death(manager._now_mono_ns)
        manager.use_core(self._core)
        for pnl_usd_e8, wall_ns in self._losses.results:
            self._core.note_pnl(pnl_usd_e8, wall_ns)
        manager.tell_core_everything()
        manager.take_commands()
        manager.owe(record for records in self._owed.values() for record in records)
        living = [trade for trade in manager.trades.values() if not trade.is_final]
        found.held = sum(trade.state == TradeState.OPEN and not trade.has_live_order for trade in living)
        found.unfinished = len(living) - found.held
        found.unknown = [order.client_id for trade in manager.trades.values() for order in trade.orders if order.is_live]
        return found

    def resume(self, now_mono_ns: int, now_wall_ns: int) -> list[str]:
        """Sessions are up: the manager decides again. Returns the ids of orders whose fate has to be proven."""
        return self._manager.resume(now_mono_ns, now_wall_ns)


JSON_APPLY: dict[int, Callable[[Restorer, dict[str, Any], JournaledRecord, int], None]] = {
    TRANSITION: Restorer._on_transition, QUERY: Restorer._on_query, LEDGER: Restorer._on_ledger, DUST: Restorer._on_dust,
    ALERT: Restorer._on_alert}
