"""Market from recordings: raw frames passed on at their recorded times, books kept beside them so that orders can be filled.

Files are gzip text, `<recv_ns> <frame>` a line (../shared/data/README.md).  A frame goes byte for byte to the subscribers of
its stream; a recorded REST snapshot fills the book.  What an account takes is gone from this book until the next frame sets
that level again.
"""

from __future__ import annotations

import asyncio
import gzip
import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tools.simex.exact import E8, parse_plain
from tools.simex.instrument import LINEAR, Instrument
from tools.simex.market import EIGHT_HOURS_MS, FundingState
from tools.simex.venue import Venue


class PlaybackError(Exception):
    """A recording that cannot be used, with file and line."""


def read_lines(path: Path, market: str, symbol: str) -> Iterator[tuple[int, str, str, bytes]]:
    """(receive ns, market, symbol, frame) in file order."""
    try:
        with gzip.open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                stamp, separator, frame = line.rstrip(b"\n").partition(b" ")
                if not separator or not stamp.isdigit():
                    raise PlaybackError(f"{path}:{number}: not `<recv_ns> <frame>`")
                yield int(stamp), market, symbol, frame
    except (OSError, EOFError) as error:
        raise PlaybackError(f"{path}: {error}") from None


def unwrap(frame: bytes) -> dict[str, Any]:
    data = orjson.loads(frame)
    return data["data"] if isinstance(data, dict) and "stream" in data and "data" in data else data


class Playback:
    """Plays a list of recordings, merged by receive time."""

    def __init__(self, venue: Venue, files: list[dict[str, str]], speed: float) -> None:
        self.venue = venue
        self.speed = speed
        self.files = files
        self.frames_played = 0
        self.is_finished = False
        self._task: asyncio.Task[None] | None = None
        for data in venue.data.values():
            data.raw_mode = True
        now = venue.clock.wall_ms()
        for symbol in venue.by_symbol[LINEAR]:
            venue.funding[symbol] = FundingState(10_000, (now // EIGHT_HOURS_MS + 1) * EIGHT_HOURS_MS)

    def merged(self) -> Iterator[tuple[int, str, str, bytes]]:
        return heapq.merge(*(read_lines(Path(f["file"]), f["market"], f["symbol"]) for f in self.files), key=lambda row: row[0])

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._play())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _play(self) -> None:
        first_ns: int | None = None
        begin_ns = self.venue.clock.mono_ns()
        for recv_ns, market, symbol, frame in self.merged():
            if first_ns is None:
                first_ns = recv_ns
            ahead_s = ((recv_ns - first_ns) / self.speed - (self.venue.clock.mono_ns() - begin_ns)) / 1e9
            if ahead_s > 0.001:
                await asyncio.sleep(ahead_s)
            self.play(market, symbol, frame)
            if self.frames_played % 64 == 0:
                await asyncio.sleep(0)
        self.is_finished = True

    def play(self, market: str, symbol: str, frame: bytes) -> None:
        """One recorded frame: into the book, then to its subscribers."""
        self.frames_played += 1
        message = unwrap(frame)
        instrument = self.venue.by_symbol[market].get(message.get("s", symbol))
        if instrument is None:
            return
        kind = message.get("e", "bookTicker" if "u" in message else "snapshot")
        if "lastUpdateId" in message:
            self._apply_snapshot(instrument, message)
            return
        if kind == "depthUpdate":
            self._apply_depth(instrument, message)
            names = [
                name
                for name, stream in self.venue.data[market].streams.items()
                if stream.kind == "depth" and stream.instrument is instrument
            ]
        else:
            names = [f"{instrument.symbol.lower()}@{kind}"]
        body = orjson.dumps(message) if frame.startswith(b'{"stream"') else frame
        for name in names:
            self.venue.data[market].pass_raw(name, body)

    def _apply_snapshot(self, instrument: Instrument, message: dict[str, Any]) -> None:
        book = self.venue.books[instrument.market][instrument.symbol]
        for is_bid in (True, False):
            for px in list(book.bid_prices if is_bid else book.ask_prices):
                book.set_market(is_bid, px, 0)
        self._apply_sides(instrument, message["bids"], message["asks"])
        book.update_id = int(message["lastUpdateId"])

    def _apply_depth(self, instrument: Instrument, message: dict[str, Any]) -> None:
        book = self.venue.books[instrument.market][instrument.symbol]
        self._apply_sides(instrument, message["b"], message["a"])
        book.update_id = int(message["u"])

    def _apply_sides(self, instrument: Instrument, bids: list[list[str]], asks: list[list[str]]) -> None:
        book = self.venue.books[instrument.market][instrument.symbol]
        for is_bid, rows in ((True, bids), (False, asks)):
            for px_text, qty_text in rows:
                px, qty = parse_plain(px_text, instrument.px_decimals), parse_plain(qty_text, instrument.qty_decimals)
                if px is not None and qty is not None:
                    book.set_market(is_bid, px, qty)
        top = book.top()
        if instrument.market == LINEAR and top is not None:
            self.venue.matcher.mark_px_e8[instrument.symbol] = (top[0] + top[2]) * E8 // (2 * 10**instrument.px_decimals)
