"""The venue's two clocks: wall time as it stamps events, monotonic time for durations.

The shell uses `Clock`; deterministic runs use `VirtualClock` and move it by hand.  `skew_ms` shifts the venue's wall clock
(fault `skew`).
"""

from __future__ import annotations

import time


class Clock:
    """Time of this machine."""

    def __init__(self) -> None:
        self.skew_ms = 0

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.skew_ms

    def wall_us(self) -> int:
        return time.time_ns() // 1_000 + self.skew_ms * 1_000

    def mono_ns(self) -> int:
        return time.monotonic_ns()


class VirtualClock(Clock):
    """Time that moves only when told to."""

    def __init__(self, wall_ns: int = 1_760_000_000_000_000_000) -> None:
        super().__init__()
        self._wall_ns = wall_ns
        self._mono_ns = 1_000_000_000

    def advance_ns(self, delta_ns: int) -> None:
        self._wall_ns += delta_ns
        self._mono_ns += delta_ns

    def wall_ms(self) -> int:
        return self._wall_ns // 1_000_000 + self.skew_ms

    def wall_us(self) -> int:
        return self._wall_ns // 1_000 + self.skew_ms * 1_000

    def mono_ns(self) -> int:
        return self._mono_ns
