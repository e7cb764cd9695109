"""Notices that the host's wall clock was stepped (C14): the difference between the wall and the monotonic clock changes slowly,
by slewing, or at once, by a step. After a step the times to live that orders carry are wrong until the venues' clocks have been
measured again; decisions use the monotonic clock and are not touched."""

STEP_NS = 50_000_000      # RELIABILITY B14: as much as a venue's clock may be uncertain


class WallClock:
    """`look` about once a second."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None

    def look(self, wall_ns: int, mono_ns: int) -> int:
        """By how much the wall clock was stepped since the last look, ns, signed; 0 = it was not."""
        offset_ns, before = wall_ns - mono_ns, self._offset_ns
        self._offset_ns = offset_ns
        moved = 0 if before is None else offset_ns - before
        return moved if abs(moved) > STEP_NS else 0
