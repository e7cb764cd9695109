"""Market from recordings: raw frames passed on at their recorded times, books kept beside them so that orders can be filled.

Files are gzip text, `<recv_ns> <frame>` a line (../shared/data/README.md).  What a frame means is the venue's dialect's affair
(`Dialect.play`): byte for byte to the subscribers of its stream, and into the book.  What an account takes is gone from this book
until the next frame sets that level again.
"""

from __future__ import annotations

import asyncio
import gzip
import heapq
from collections.abc import Iterator
from pathlib import Path

from tools.simex.venue import EIGHT_HOURS_MS, FundingState, Venue


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


class Playback:
    """Plays a list of recordings, merged by receive time."""

    def __init__(self, venue: Venue, files: list[dict[str, str]], speed: float) -> None:
        self.venue = venue
        self.speed = speed
        self.files = files
        self.frames_played = 0
        self.is_finished = False
        self._task: asyncio.Task[None] | None = None
        for hub in venue.hubs.values():
            hub.raw_mode = True
        now = venue.clock.wall_ms()
        for symbol in venue.by_symbol["linear"]:
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
        """One recorded frame."""
        self.frames_played += 1
        self.venue.dialect.play(market, symbol, frame)
