"""Announced maintenance of a venue, as windows of time: read from its status page by the gateways, kept by the shell.

From LEAD_S before a window begins until it is over the venue takes no entries and nothing rests there (fault B20); held pairs
stay, and what stands alone when its sessions go down is hedged elsewhere as for any venue that is away."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LEAD_S = 60.0
POLL_S = 10.0        # OKX answers once in five seconds
OPEN_END_S = 90.0     # of a window whose end the venue does not say, counted from each look
LIVE_STATES = frozenset({"scheduled", "ongoing", "pre_open", "pending"})
# OKX: block trading, bots, spread and copy trading; everything else may concern an order or a stream
OKX_OTHERS = frozenset({"6", "7", "10", "11"})


@dataclass(frozen=True)
class Window:
    begin_wall_ns: int
    end_wall_ns: int
    title: str = ""

    def covers(self, now_wall_ns: int) -> bool:
        """Whether entries are too late, or too early."""
        return self.begin_wall_ns - int(LEAD_S * 1e9) <= now_wall_ns < self.end_wall_ns


def window_of(row: Mapping[str, Any], now_wall_ns: int) -> Window | None:
    """A row with `state`, `begin`, `end` (ms as text or number). None: over, or called off. What cannot be read is believed to
    be going on: a venue that speaks of maintenance in words we do not know gets no entry."""
    state = str(row.get("state", "")).lower()
    if state and state not in LIVE_STATES:
        return None
    begin, end = _ms(row.get("begin")), _ms(row.get("end"))
    begin_ns = now_wall_ns if begin is None else begin * 10**6
    if state == "ongoing":
        begin_ns = min(begin_ns, now_wall_ns)
    end_ns = end * 10**6 if end is not None else now_wall_ns + int(OPEN_END_S * 1e9)
    if state == "ongoing" and end_ns <= now_wall_ns:   # it takes longer than was thought
        end_ns = now_wall_ns + int(OPEN_END_S * 1e9)
    return Window(begin_ns, end_ns, str(row.get("title", ""))[:120]) if end_ns > now_wall_ns else None


def windows_of(rows: Iterable[Mapping[str, Any]], now_wall_ns: int) -> list[Window]:
    found = (window_of(row, now_wall_ns) for row in rows)
    return [one for one in found if one is not None]


def _ms(value: Any) -> int | None:
    try:
        return int(str(value)) or None
    except ValueError:
        return None
