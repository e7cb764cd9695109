"""What an importer has to know about a Binance frame before any decoder can run: its symbol, the digits of its numbers, its
update ids.

Slow and plain on purpose, once for each frame of a recording; decisions and books never come from here. What the frame says is
read by the venue's own `glance`."""
from __future__ import annotations

from typing import NamedTuple

import orjson

from feeds.venues.binance import VENUE
from tools.replay_lib.symbols import SeenSymbols


class Frame(NamedTuple):
    """A frame as far as the importers care. symbol "" = none found; is_snapshot: a REST depth reply, which names no symbol."""
    symbol: str
    is_snapshot: bool = False
    first_update_id: int = 0   # depth only; 0 = no depth
    last_update_id: int = 0    # depth and snapshot


def look_at(text: bytes, seen: SeenSymbols) -> Frame | None:
    """Reads one frame and notes the digits of its prices and sizes in `seen`. None = not JSON, or of a shape that Binance never
    sends."""
    glance = VENUE.glance("spot", text)
    if glance is None:
        return None
    if glance.symbol and not glance.is_snapshot and glance.levels:
        try:
            seen.of(glance.symbol).see(glance.levels)
        except (TypeError, ValueError, AttributeError):
            return None
    return Frame(glance.symbol, glance.is_snapshot, glance.first_update_id, glance.last_update_id)


def see_snapshot(body: bytes, symbol: str, seen: SeenSymbols) -> None:
    """Digits of a REST depth reply, once it is known whose it is."""
    message = orjson.loads(body)
    digits = seen.of(symbol)
    digits.see(message["bids"])
    digits.see(message["asks"])
