"""Whose REST snapshot is this? A recorded depth reply names no symbol; its update id does, among the deltas around it.

`SnapshotMatcher` is fed every depth delta and every snapshot in order of arrival. A snapshot belongs to the symbol of which a
delta near it straddles lastUpdateId; if there is none, to the symbol whose ids are nearest by far. Two answers are an error,
never a guess."""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

# a snapshot answers within seconds: at most so many deltas of one symbol lie between its state and its arrival
RECENT_DELTAS = 4096
LATER_DELTAS = 4096
FAR = 100              # nearest by far: every other symbol's ids are so many times farther away


class AmbiguousSnapshot(ValueError):
    """Several symbols could own the snapshot; the text names them."""


@dataclass(slots=True)
class PendingSnapshot:
    """A snapshot that waits for its owner: deltas after it may decide."""
    key: int                     # the importer's line number
    place: str                   # file:line, for the error
    last_update_id: int
    straddled_by: set[str] = field(default_factory=set)
    distance: dict[str, int] = field(default_factory=dict)
    deltas_after: int = 0

    def see(self, symbol: str, first: int, last: int) -> None:
        if first - 1 <= self.last_update_id <= last:
            self.straddled_by.add(symbol)
        distance = max(0, first - self.last_update_id, self.last_update_id - last)
        self.distance[symbol] = min(distance, self.distance.get(symbol, distance))


class SnapshotMatcher:
    """Feed it in order; then ask `owners()`."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[tuple[int, int]]] = {}
        self._pending: list[PendingSnapshot] = []
        self._done: list[PendingSnapshot] = []

    def on_delta(self, symbol: str, first: int, last: int) -> None:
        self._recent.setdefault(symbol, deque(maxlen=RECENT_DELTAS)).append((first, last))
        if not self._pending:
            return
        for pending in self._pending:
            pending.see(symbol, first, last)
            pending.deltas_after += 1
        while self._pending and self._pending[0].deltas_after >= LATER_DELTAS:
            self._done.append(self._pending.pop(0))

    def on_snapshot(self, key: int, place: str, last_update_id: int) -> None:
        pending = PendingSnapshot(key, place, last_update_id)
        for symbol, deltas in self._recent.items():
            for first, last in deltas:
                pending.see(symbol, first, last)
        self._pending.append(pending)

    def owners(self, symbols: list[str]) -> dict[int, str]:
        """Snapshot key -> symbol. `symbols`: all that occur in the recording; a single one owns every snapshot."""
        return {pending.key: self._owner(pending, symbols) for pending in self._done + self._pending}

    def _owner(self, pending: PendingSnapshot, symbols: list[str]) -> str:
        if len(symbols) == 1:
            return symbols[0]
        if len(pending.straddled_by) == 1:
            return next(iter(pending.straddled_by))
        near = sorted((distance, symbol) for symbol, distance in pending.distance.items())
        if not pending.straddled_by and near and (len(near) == 1 or near[1][0] > FAR * max(1, near[0][0])):
            return near[0][1]
        candidates = sorted(pending.straddled_by) or [symbol for _, symbol in near[:4]] or symbols[:4]
        raise AmbiguousSnapshot(
            f"{pending.place}: depth snapshot with lastUpdateId {pending.last_update_id} names no symbol and could "
            f"belong to {', '.join(candidates) or 'nothing that is recorded here'}; import each symbol's lines on their own"
        )
