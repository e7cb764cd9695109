"""Binance: recorded frames into the book and to their subscribers (market: capture)."""

from __future__ import annotations

from typing import Any

import orjson

from tools.simex.contract import LINEAR
from tools.simex.exact import E8, parse_plain
from tools.simex.hub import DEPTH
from tools.simex.instrument import Instrument
from tools.simex.venue import Venue


def unwrap(frame: bytes) -> dict[str, Any]:
    data = orjson.loads(frame)
    return data["data"] if isinstance(data, dict) and "stream" in data and "data" in data else data


def play_frame(venue: Venue, market: str, symbol: str, frame: bytes) -> None:
    """One recorded frame: into the book, then to its subscribers; a recorded REST snapshot fills the book."""
    message = unwrap(frame)
    instrument = venue.by_symbol[market].get(message.get("s", symbol))
    if instrument is None:
        return
    hub = venue.hubs[market]
    kind = message.get("e", "bookTicker" if "u" in message else "snapshot")
    if "lastUpdateId" in message:
        _apply_snapshot(venue, instrument, message)
        return
    if kind == "depthUpdate":
        _apply_sides(venue, instrument, message["b"], message["a"])
        venue.book(instrument).update_id = int(message["u"])
        names = [key for key, stream in hub.streams.items() if stream.kind == DEPTH and stream.instrument is instrument]
    else:
        names = [f"{instrument.symbol.lower()}@{kind}"]
    body = orjson.dumps(message) if frame.startswith(b'{"stream"') else frame
    for name in names:
        hub.pass_raw(name, body)


def _apply_snapshot(venue: Venue, instrument: Instrument, message: dict[str, Any]) -> None:
    book = venue.book(instrument)
    for is_bid in (True, False):
        for px in list(book.bid_prices if is_bid else book.ask_prices):
            book.set_market(is_bid, px, 0)
    _apply_sides(venue, instrument, message["bids"], message["asks"])
    book.update_id = int(message["lastUpdateId"])


def _apply_sides(venue: Venue, instrument: Instrument, bids: list[list[str]], asks: list[list[str]]) -> None:
    book = venue.book(instrument)
    for is_bid, rows in ((True, bids), (False, asks)):
        for px_text, qty_text in rows:
            px, qty = parse_plain(px_text, instrument.px_decimals), parse_plain(qty_text, instrument.qty_decimals)
            if px is not None and qty is not None:
                book.set_market(is_bid, px, qty)
    top = book.top()
    if instrument.market == LINEAR and top is not None:
        venue.matcher.mark_px_e8[instrument.symbol] = (top[0] + top[2]) * E8 // (2 * 10**instrument.px_decimals)
