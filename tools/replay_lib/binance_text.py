"""What an importer has to know about a Binance frame before any decoder can run: its symbol, the digits of its numbers, its
update ids.

Slow and plain on purpose, once for each frame of a recording; decisions and books never come from here."""
from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from tools.replay_lib.symbols import SeenSymbols


class Frame(NamedTuple):
    """A frame as far as the importers care. symbol "" = none found; is_snapshot: a REST depth reply, which names no symbol."""
    symbol: str
    is_snapshot: bool = False
    first_update_id: int = 0   # depth only; 0 = no depth
    last_update_id: int = 0    # depth and snapshot


NOT_UNDERSTOOD = Frame("")


def look_at(text: bytes, seen: SeenSymbols) -> Frame | None:
    """Reads one frame and notes the digits of its prices and sizes in `seen`. None = not JSON, or of a shape that Binance never
    sends."""
    try:
        message = orjson.loads(text)
        if not isinstance(message, dict):
            return None
        if "lastUpdateId" in message and "bids" in message:
            return Frame(str(message.get("symbol", "")), True, 0, int(message["lastUpdateId"]))
        data = message.get("data", message)
        if not isinstance(data, dict):
            return NOT_UNDERSTOOD
        symbol = data.get("s")
        if not isinstance(symbol, str):
            return NOT_UNDERSTOOD
        return _event(data, symbol, seen)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None


def _event(data: dict[str, Any], symbol: str, seen: SeenSymbols) -> Frame:
    kind = data.get("e")
    if kind == "depthUpdate":
        digits = seen.of(symbol)
        digits.see(data["b"])
        digits.see(data["a"])
        return Frame(symbol, False, int(data["U"]), int(data["u"]))
    if kind in ("trade", "aggTrade"):
        seen.of(symbol).see(((data["p"], data["q"]),))
    elif kind == "bookTicker" or (kind is None and "B" in data):  # spot's has no "e"
        seen.of(symbol).see(((data["b"], data["B"]), (data["a"], data["A"])))
    return Frame(symbol)


def see_snapshot(body: bytes, symbol: str, seen: SeenSymbols) -> None:
    """Digits of a REST depth reply, once it is known whose it is."""
    message = orjson.loads(body)
    digits = seen.of(symbol)
    digits.see(message["bids"])
    digits.see(message["asks"])
