"""How long trades stood naked: from the bytes that prove an exposure beyond dust to the bytes that prove it gone.

Both ends are receive stamps of order events. While an order's fate is unknown the exposure is not proven either way; that part is
counted apart. The newest 65,536 times are kept for percentiles.
"""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SAMPLES_MAX = 65_536


@dataclass(slots=True)
class NakedClock:
    """Of one trade."""
    since_mono_ns: int = 0       # 0 = not naked
    unknown_since_mono_ns: int = 0
    unknown_ns: int = 0

    def update(self, is_naked: bool, is_unknown: bool, at_mono_ns: int) -> tuple[int, int] | None:
        """When an exposure has just ended: (how long it stood, how long it stood while a fate was unknown), the second not in the
        first."""
        if self.unknown_since_mono_ns and not (is_naked and is_unknown):
            self.unknown_ns += max(0, at_mono_ns - self.unknown_since_mono_ns)
            self.unknown_since_mono_ns = 0
        if is_naked:
            self.since_mono_ns = self.since_mono_ns or at_mono_ns
            if is_unknown and not self.unknown_since_mono_ns:
                self.unknown_since_mono_ns = at_mono_ns
            return None
        if not self.since_mono_ns:
            return None
        ended = (max(0, at_mono_ns - self.since_mono_ns - self.unknown_ns), self.unknown_ns)
        self.since_mono_ns = self.unknown_ns = 0
        return ended


class NakedStatistics:
    def __init__(self) -> None:
        self._samples: deque[int] = deque(maxlen=SAMPLES_MAX)
        self.count = 0
        self.max_ns = 0
        self.unknown_max_ns = 0

    def add(self, naked_ns: int, unknown_ns: int) -> None:
        self._samples.append(naked_ns)
        self.count += 1
        self.max_ns = max(self.max_ns, naked_ns)
        self.unknown_max_ns = max(self.unknown_max_ns, unknown_ns)

    def to_json(self) -> dict[str, float | int]:
        """Milliseconds; percentiles over the newest samples."""
        ordered = sorted(self._samples)

        def at(fraction: float) -> float:
            return round(ordered[min(len(ordered) - 1, int(fraction * len(ordered)))] / 1e6, 3) if ordered else 0.0
        return {"count": self.count, "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999),
                "max": round(self.max_ns / 1e6, 3), "unknown_max": round(self.unknown_max_ns / 1e6, 3)}
