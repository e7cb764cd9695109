"""What the calm floor asks its driver (live shell, replay, simulation) to do. Plain data, drained by
`TradeManager.take_commands()`.

The driver executes them in order. Facts come back as events: `on_intent`/`on_sent` or `on_submit_refused` for a SubmitIntent,
order events and
`on_query_answer` for a QueryOrder.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any


class JournalType(IntEnum):
    """The JR_* values of cext/layout.h that the calm floor writes."""
    TRANSITION = 5
    QUERY = 7
    LEDGER = 8
    DUST = 9
    ALERT = 11
    ATTRIBUTION = 12


class Ask(StrEnum):
    """What a query asks the venue."""
    ORDER = "order"        # status by client id, from an endpoint that covers finished orders
    FILLS = "fills"        # account trades of the instrument since `since_mono_ns`
    POSITION = "position"  # futures position, or the spot balance of the base asset


@dataclass(slots=True)
class SubmitIntent:
    """Hand these legs to core.submit (same gate as every order), then journal, encode, send; report by on_intent + on_sent, or
    on_submit_refused."""
    purpose: int
    trade_id: int
    pair_index: int
    legs: list[tuple[int, int, int, int, int]]  # (row, side, limit_px, qty, flags)
    kind: int
    ttl_ns: int
    cause: str
    proof_mono_ns: int = 0   # receipt of the bytes that proved the exposure which this closes; 0 = a timer or a person asked


@dataclass(slots=True)
class QueryOrder:
    """Ask the venue. The answer to ORDER is an OrderEvent (source QUERY, NOT_FOUND included); FILLS: one OrderEvent a fill, then
    on_query_answer;
    POSITION: on_query_answer. A transport error is no answer: report it as on_query_answer(..., is_answered=False) or not at
    all."""
    client_id: str
    row: int
    ask: Ask
    asked_mono_ns: int
    since_mono_ns: int = 0
    trade_id: int = 0
    venue_order_id: int = 0


@dataclass(slots=True)
class CancelOrder:
    """Cancel by client id; the reply is an OrderEvent with CANCEL_REPLY."""
    client_id: str
    row: int
    trade_id: int


@dataclass(slots=True)
class RestartStream:
    """The user stream of this account said nothing about an order that the venue acknowledged: take it for dead, connect anew."""
    venue: str
    market: str


@dataclass(slots=True)
class Alert:
    """Tell a person. The same fact is journaled by a JournalRecord of its own."""
    code: str
    text: str
    trade_id: int = 0
    severity: str = "warning"  # "warning" | "critical"
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class JournalRecord:
    """Append to the journal: JSON payload, correlation id = trade id."""
    type: JournalType
    payload: dict[str, Any]
    trade_id: int = 0


@dataclass(slots=True)
class NakedTime:
    """An exposure began and ended: for the `naked` histogram. `unknown_ns`, not counted in it: an order's fate was unknown."""
    trade_id: int
    naked_ns: int
    unknown_ns: int


Command = SubmitIntent | QueryOrder | CancelOrder | RestartStream | Alert | JournalRecord | NakedTime
