"""What a replay would have journaled, as one hash: equal decisions give equal hashes, in any process, with any hash seed.

BLAKE2b over (type, length, payload) of every intent, sent outcome, order event, transition, refusal and posting, in order.
Wall-clock fields are left out: the same frames received a day later lead to the same decisions."""
from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import Any

import orjson

from cext import layout
from engine.event_codec import pack_intent, pack_order_event, pack_sent
from engine.events import Intent, OrderEvent, SentOutcome


def without_wall(value: Any) -> Any:
    """The value without keys that hold wall-clock times."""
    if isinstance(value, dict):
        return {key: without_wall(item) for key, item in value.items() if not key.endswith("wall_ns")}
    if isinstance(value, (list, tuple)):
        return [without_wall(item) for item in value]
    return value


class DecisionHash:
    """Journal of a replay: keeps nothing but the hash and counts by type."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.counts: dict[int, int] = {}

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def intent(self, intent: Intent) -> None:
        self._add(layout.JR_INTENT, pack_intent(replace(intent, decided_wall_ns=0)))

    def sent(self, outcome: SentOutcome) -> None:
        self._add(layout.JR_SENT, pack_sent(outcome))

    def order_event(self, event: OrderEvent) -> None:
        self._add(layout.JR_ORDER_EVENT, pack_order_event(replace(event, exch_ns=0)))

    def refusal(self, intent_id: int, reason: int, pair_index: int, purpose: int) -> None:
        self._add(layout.JR_REFUSAL, struct.pack("<QIIII", intent_id, reason, 0xFFFFFFFF, pair_index, purpose))

    def record(self, kind: int, payload: dict[str, Any]) -> None:
        """A JSON record of the calm floor."""
        self._add(kind, orjson.dumps(without_wall(payload), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str))

    def _add(self, kind: int, payload: bytes) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self._hash.update(struct.pack("<II", kind, len(payload)))
        self._hash.update(payload)
