"""Market from outside: a bridge pushes the real venues' books, orders fill against them (paper mode).

A 0600 unix socket, one JSON object per line:

    {"i": "binance:BTC/USDT", "b": [["64250.01", "0.5"], ...], "a": [...]}       replaces the book of an instrument, best first
    {"i": "binance:BTC/USDT:USDT", "mark": "64249.8", "index": "64250.0", "rate": "0.0001", "next_ms": 1760000000000}

What an account takes stays taken at a price until a pushed quantity there differs from the pushed quantity it was taken from.
No answer is sent; a line that cannot be used is counted in `bad_lines` and the last reason kept.
"""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from tools.simex.contract import LINEAR
from tools.simex.exact import E8, parse_plain, to_scaled
from tools.simex.instrument import Instrument
from tools.simex.ledger import Fill, Order
from tools.simex.venue import EIGHT_HOURS_MS, FundingState, Venue

LINE_MAX_BYTES = 1 << 20


class ExternalBooks:
    """Takes pushed levels."""

    def __init__(self, venues: list[Venue]) -> None:
        self.by_name = {i.name: (venue, i) for venue in venues for i in venue.instruments}
        self.lines = 0
        self.bad_lines = 0
        self.last_error = ""
        self._pushed: dict[int, dict[tuple[bool, int], int]] = {}
        self._taken: dict[int, dict[tuple[bool, int], int]] = {}
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        for venue in venues:
            now = venue.clock.wall_ms()
            for symbol in venue.by_symbol[LINEAR]:
                venue.funding[symbol] = FundingState(0, (now // EIGHT_HOURS_MS + 1) * EIGHT_HOURS_MS)
            venue.fill_watchers.append(self.on_fill)

    async def open(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(path), limit=LINE_MAX_BYTES)
        finally:
            os.umask(mask)
        self._path = path

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.push_line(line)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def push_line(self, line: bytes) -> None:
        """Apply one line; never raises."""
        self.lines += 1
        try:
            message = orjson.loads(line)
            venue, instrument = self.by_name[message["i"]]
            if "b" in message or "a" in message:
                self.push_levels(venue, instrument, message.get("b", []), message.get("a", []))
            if "mark" in message:
                self._push_mark(venue, instrument, message)
            venue.settle()
        except (orjson.JSONDecodeError, KeyError, ValueError, TypeError, ArithmeticError) as error:
            self.bad_lines += 1
            self.last_error = f"{type(error).__name__}: {error}"

    def _push_mark(self, venue: Venue, instrument: Instrument, message: dict[str, Any]) -> None:
        symbol = instrument.symbol
        venue.matcher.mark_px_e8[symbol] = _e8(message["mark"])
        venue.index_px_e8[symbol] = _e8(message.get("index", message["mark"]))
        if instrument.market != LINEAR:
            return
        funding, now_ms = venue.funding[symbol], venue.clock.wall_ms()
        rate_e8 = to_scaled(message["rate"], 8) if "rate" in message else funding.rate_e8
        next_ms = int(message.get("next_ms", funding.next_ms))
        if funding.next_ms <= now_ms and next_ms > funding.next_ms:
            # The venue went over to its next interval: the one that ended is paid, at the rate pushed last.
            venue.pay_funding(instrument, rate_e8, next_ms)
        else:
            funding.rate_e8, funding.next_ms = rate_e8, next_ms

    def push_levels(self, venue: Venue, instrument: Instrument, bids: list[list[str]], asks: list[list[str]]) -> None:
        """Replace the market's part of a book."""
        wanted: dict[tuple[bool, int], int] = {}
        for is_bid, rows in ((True, bids), (False, asks)):
            for px_text, qty_text in rows:
                px, qty = parse_plain(px_text, instrument.px_decimals), parse_plain(qty_text, instrument.qty_decimals)
                if px is None or qty is None or px <= 0:
                    raise ValueError(f"{instrument.name}: level {px_text!r} x {qty_text!r} does not fit the instrument's digits")
                if qty:
                    wanted[is_bid, px] = qty
        best_bid = max((px for is_bid, px in wanted if is_bid), default=None)
        best_ask = min((px for is_bid, px in wanted if not is_bid), default=None)
        if best_bid is not None and best_ask is not None and best_bid >= best_ask:
            raise ValueError(f"{instrument.name}: pushed book is crossed ({best_bid} >= {best_ask})")
        book = venue.book(instrument)
        pushed = self._pushed.setdefault(instrument.index, {})
        taken = self._taken.setdefault(instrument.index, {})
        now_ms = venue.clock.wall_ms()
        for key in [k for k in pushed if k not in wanted]:
            del pushed[key]
            taken.pop(key, None)
            book.set_market(key[0], key[1], 0)
        if best_ask is not None:
            venue.matcher.match_resting(instrument, True, best_ask, now_ms)
        if best_bid is not None:
            venue.matcher.match_resting(instrument, False, best_bid, now_ms)
        for key, qty in wanted.items():
            if pushed.get(key) != qty:
                taken.pop(key, None)
            pushed[key] = qty
            book.set_market(key[0], key[1], max(0, qty - taken.get(key, 0)))
        top = book.top()
        if instrument.market == LINEAR and top is not None and instrument.symbol not in venue.index_px_e8:
            venue.matcher.mark_px_e8[instrument.symbol] = (top[0] + top[2]) * E8 // (2 * 10**instrument.px_decimals)
        venue.touched[instrument.index] = instrument

    def on_fill(self, instrument: Instrument, order: Order, fill: Fill) -> None:
        """Remember what was taken from a pushed level."""
        if not fill.is_maker:
            taken = self._taken.setdefault(instrument.index, {})
            key = (not order.is_buy, fill.px)
            taken[key] = taken.get(key, 0) + fill.qty


def _e8(text: str) -> int:
    """A price with 8 decimals; what is finer is cut off (coins of a millionth of a dollar)."""
    return int(Decimal(text).scaleb(8))
