"""Reasons for which a row takes no new entry, several at a time: the core holds one time per row, this holds them all.

`lock` and `unlock` keep the core's lock at the latest of the reasons that still count.
"""
from __future__ import annotations

from engine.trade.core_surface import CoreSurface, LockReason

FOR_EVER_NS = (1 << 63) - 1


class LockBook:
    def __init__(self, core: CoreSurface) -> None:
        self._core = core
        self._rows: dict[int, dict[LockReason, int]] = {}

    def use_core(self, core: CoreSurface) -> None:
        self._core = core

    def push_all(self, now_mono_ns: int) -> None:
        """Every lock that still counts, to a core that knows none."""
        for row in list(self._rows):
            self._push(row, now_mono_ns)

    def lock(self, row: int, reason: LockReason, until_mono_ns: int, now_mono_ns: int) -> None:
        reasons = self._rows.setdefault(row, {})
        reasons[reason] = max(until_mono_ns, reasons.get(reason, 0))
        self._push(row, now_mono_ns)

    def unlock(self, row: int, reason: LockReason, now_mono_ns: int) -> None:
        reasons = self._rows.get(row)
        if reasons and reasons.pop(reason, None) is not None:
            self._push(row, now_mono_ns)

    def _push(self, row: int, now_mono_ns: int) -> None:
        reasons = {reason: until for reason, until in self._rows[row].items() if until > now_mono_ns}
        if reasons:
            self._rows[row] = reasons
            reason, until = max(reasons.items(), key=lambda item: item[1])
            self._core.lock_row(row, until, int(reason))
        else:
            del self._rows[row]
            self._core.unlock(row=row)

    def reasons(self, row: int, now_mono_ns: int) -> dict[str, int]:
        """Name of each reason that still counts -> until when."""
        return {reason.name: until for reason, until in self._rows.get(row, {}).items() if until > now_mono_ns}

    def rows(self) -> list[int]:
        return sorted(self._rows)
