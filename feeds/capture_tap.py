"""Recording raw frames while the feed works: the listener copies each frame into a buffer, the loop hands full records to the
writer.

On with `feeds.capture: FILE`, or at any time by a request file in the run directory, `capture-<feed>.json`: {"path": "..."};
removing the file ends the recording. The copy is the only cost on the way of a frame; compression and disk are a thread's
(capture_format.CaptureWriter). What does not fit is dropped and counted, and said in the log."""
import logging
import pathlib
import time
from collections.abc import Callable
from typing import Any

import orjson

from cext.capture import NOTE, BlockCursor
from feeds.capture_format import CaptureError, CaptureWriter
from feeds.instruments import InstrumentTable
from feeds.listener import CaptureBuffer, FeedPublisher

MARKET_CODES = {"spot": 1, "linear": 2}  # MARKET_* of instrument.h
FLUSH_S = 1.0

log = logging.getLogger("lockstep.feed")


class CaptureTap:
    """At most one recording at a time. `tick` and `drain` are called by the feed's loop."""

    def __init__(self, run_dir: pathlib.Path, feed: str, table: InstrumentTable, publisher: FeedPublisher,
                 book_of: Callable[[int], tuple[str, bytes] | None] = lambda row: None) -> None:
        self.request_path = run_dir / f"capture-{feed}.json"
        self._feed = feed
        self._table = table
        self._publisher = publisher
        self._buffer: CaptureBuffer | None = None
        self._writer: CaptureWriter | None = None
        self._dropped_said = 0
        self._request_mtime_ns = -1
        self._by_request = False
        self._book_of = book_of          # row -> (market, depth snapshot as the venue would send it), None = not in sync
        self._books_due: list[int] = []  # rows whose book the recording does not hold yet

    @property
    def is_on(self) -> bool:
        """Recording now."""
        return self._writer is not None

    def start(self, path: str) -> None:
        """Begin a recording; what stands in the way is logged, the feed goes on."""
        if self._writer is not None:
            return
        target = pathlib.Path(path).absolute()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._writer = CaptureWriter(
                target, venues=[self._feed], table=self._table, source=f"feed {self._feed}", threaded=True, flush_s=FLUSH_S
            )
        except (CaptureError, OSError) as error:
            log.error("capture: %s", error)
            return
        self._buffer = CaptureBuffer()
        self._publisher.set_capture(self._buffer)
        self._dropped_said = 0
        self._books_due = [row.id for row in reversed(self._table.rows)]
        log.info("capture: recording to %s", target)

    def stop(self) -> None:
        """End the recording and close the file."""
        if self._writer is None:
            return
        self._publisher.set_capture(None)
        self.drain()
        writer, self._writer, self._buffer = self._writer, None, None
        writer.close()
        if writer.error:
            log.error("capture: %s", writer.error)
        log.info("capture: %s closed, %s", writer.path, writer.counts)

    def add(self, kind: str, market: str, connection_id: int, payload: bytes, row: int = -1) -> None:
        """Snapshot, connect, disconnect: in their place among the frames."""
        if self._buffer is not None:
            self._buffer.add(kind, MARKET_CODES[market], connection_id, row, payload)

    def drain(self) -> None:
        """Hand what has gathered to the writer; every 20 ms."""
        if self._buffer is None or self._writer is None:
            return
        for kind, market, venue_index, connection_id, row, wall_ns, mono_ns, payload in BlockCursor(self._buffer.take()):
            self._writer.record(kind, market, connection_id, wall_ns, mono_ns, payload, row, venue_index)
        self._add_next_book()
        dropped = self._buffer.dropped + self._writer.dropped_records
        if dropped > self._dropped_said:
            log.warning("capture: %d records dropped so far", dropped)
            self._writer.record(NOTE, 0, 0, time.time_ns(), time.monotonic_ns(), f"{dropped} records dropped so far".encode())
            self._dropped_said = dropped

    def _add_next_book(self) -> None:
        """A recording that starts in mid-stream needs the books that its deltas change: one instrument a call, written like a
        REST snapshot behind the frames that led to it. Those not in sync yet get their real one."""
        while self._books_due and self._writer is not None:
            row = self._books_due.pop()
            found = self._book_of(row)
            if found is not None:
                market, body = found
                self._writer.snapshot(MARKET_CODES[market], row, time.time_ns(), time.monotonic_ns(), body)
                return

    def check_request(self) -> None:
        """Once a second: follow the request file."""
        try:
            mtime_ns = self.request_path.stat().st_mtime_ns
        except OSError:
            if self._by_request:
                self._by_request = False
                self._request_mtime_ns = -1
                self.stop()
            return
        if mtime_ns == self._request_mtime_ns:
            return
        self._request_mtime_ns = mtime_ns
        try:
            request: Any = orjson.loads(self.request_path.read_bytes())
            path = request["path"]
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
            log.error('capture: %s is no request ({"path": "..."}): %r', self.request_path, error)
            return
        self.stop()
        self._by_request = True
        self.start(str(path))
