"""Paper mode's bridge: what the feeds publish of the real venue goes to the simulated one; orders fill against the live books.

    python -m engine.paper_bridge --run-dir D

Reads the feeds' rings and boards like any other reader, writes JSON lines to D/simex_books.sock (docs/simex.md, "Pushed books").
Only the newest book of an instrument is pushed; a book that is not VALID is pushed empty, because nothing can be known to fill
there. Marks and funding follow once a second. How far the simulated books lie behind the feed's is the histogram "bridge". Knows
no keys, sends no orders, has no internet socket; ends with 1 when the simulated venue goes away."""
import contextlib
import json
import logging
import pathlib
import signal
import socket
import sys
import time
from typing import Any

import click
import orjson

from cext import layout
from cext.hist import HistPage
from cext.ring import RING_EMPTY, RING_RECORD, AttachError, RingReader
from cext.shm import ShmError
from engine.status import decimal_text
from feeds.instruments import STATUS_IDLE, InstrumentError, InstrumentRow, join_run_table
from feeds.logs import setup_logging

log = logging.getLogger("lockstep.paper_bridge")

IDLE_S = 0.0005          # between two looks at the rings that found nothing
SLOW_PERIOD_S = 1.0      # funding, feeds that died or came back
RECORDS_MAX = 2000       # of one ring in one look, before what was read is pushed
HEARTBEAT_DEAD_NS = 1_000_000_000
SEND_TIMEOUT_S = 5.0


class BridgeFailed(Exception):
    """The bridge cannot start or go on; the text says why."""


def book_line(row: InstrumentRow, record: dict[str, Any] | None) -> bytes:
    """The pushed form of a book record; None, not VALID or crossed = an empty book."""
    bids: list[list[str]] = []
    asks: list[list[str]] = []
    if record is not None and record["flags"] & layout.BOOK_VALID and not record["flags"] & layout.BOOK_CROSSED:
        bids, asks = ([[decimal_text(int(px), row.px_scale), decimal_text(int(qty), row.qty_scale)] for px, qty in record[side]]
                      for side in ("bids", "asks"))
    return orjson.dumps({"i": row.name, "b": bids, "a": asks}) + b"\n"


def funding_line(row: InstrumentRow, funding: dict[str, Any]) -> bytes:
    """The pushed form of a funding record."""
    message = {"i": row.name, "mark": decimal_text(funding["mark_px"], row.px_scale), "rate": decimal_text(funding["rate_e8"], 8)}
    if funding["index_px"] > 0:
        message["index"] = decimal_text(funding["index_px"], row.px_scale)
    if funding["next_funding_wall_ns"] > 0:
        message["next_ms"] = funding["next_funding_wall_ns"] // 1_000_000
    return orjson.dumps(message) + b"\n"


class FeedSource:
    """One feed as the bridge sees it: attached or not; which of its books changed since the last look."""

    def __init__(self, run_id: str, name: str, rows: list[InstrumentRow]) -> None:
        self.name = name
        self.rows = {row.id: row for row in rows}
        self.reader: RingReader | None = None
        self._run_id = run_id
        self._reason = ""

    def look_after(self) -> list[bytes]:
        """Let go of a feed that died or was replaced (its books become empty), attach a new one (all its books are pushed)."""
        reader = self.reader
        if reader is not None:
            is_silent = time.monotonic_ns() - reader.heartbeat_mono_ns() > HEARTBEAT_DEAD_NS
            if not reader.is_current() or (is_silent and not reader.is_producer_alive()):
                log.warning("feed %s is gone: its books are empty until it is back", self.name)
                reader.close()
                self.reader = None
                return [book_line(row, None) for row in self.rows.values()]
            return []
        try:
            self.reader = RingReader(self._run_id, self.name)
        except AttachError as error:
            if str(error) != self._reason:
                self._reason = str(error)
                log.info("feed %s: %s", self.name, error)
            return []
        log.info("feed %s: attached", self.name)
        return self.all_books()

    def all_books(self) -> list[bytes]:
        """Every book as the board has it now."""
        return [book_line(row, self._board(row.id)) for row in self.rows.values()]

    def changed(self) -> dict[int, dict[str, Any] | None]:
        """Newest record of every row that has a new one. After a lap the boards have what was missed."""
        found: dict[int, dict[str, Any] | None] = {}
        if self.reader is None:
            return found
        for _ in range(RECORDS_MAX):
            code, record = self.reader.poll_book()
            if code == RING_RECORD and record is not None:
                found[record["instrument_id"]] = record
            elif code == RING_EMPTY:
                return found
            else:
                return {row: self._board(row) for row in self.rows}
        return found

    def funding(self) -> list[bytes]:
        """Mark and funding of every perpetual that has one."""
        lines = []
        for row in self.rows.values():
            if self.reader is not None and row.market == "linear":
                with contextlib.suppress(BlockingIOError):
                    record = self.reader.read_funding(row.id)
                    if record is not None and record["mark_px"] > 0:
                        lines.append(funding_line(row, record))
        return lines

    def _board(self, row: int) -> dict[str, Any] | None:
        try:
            return self.reader.read_board(row) if self.reader is not None else None
        except BlockingIOError:  # half-written by a producer that died in mid-store: nothing to rely on
            return None

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None


class Bridge:
    """See the module's docstring. `run()` returns after SIGTERM or SIGINT."""

    def __init__(self, run_dir: pathlib.Path) -> None:
        self.run_dir = run_dir
        try:
            venues = list(json.loads((run_dir / "config.json").read_bytes())["venues"])
            table = join_run_table(run_dir, venues)
            path = json.loads((run_dir / "simex.json").read_bytes())["books"]
        except (InstrumentError, OSError, ValueError, KeyError) as error:
            raise BridgeFailed(f"{run_dir}: {error}: the feed and the simulated venue have to run before the bridge") from None
        if not path:
            raise BridgeFailed(f"{run_dir / 'simex.json'}: the simulated venue takes no books from outside "
                               "(its market is not external)")
        read = [row for row in table.rows if row.status != STATUS_IDLE]
        self.sources = [FeedSource(run_dir.name, venue, [row for row in read if row.venue == venue]) for venue in venues]
        self.pushed = 0
        self.is_stopping = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SEND_TIMEOUT_S)
        try:
            self._socket.connect(path)
        except OSError as error:
            raise BridgeFailed(f"{path}: {error.strerror or error}: the simulated venue does not take books") from None
        self.hist = HistPage.create(run_dir.name, "bridge", ["bridge"])

    def run(self) -> None:
        """Until a stop is asked for."""
        next_slow_s = 0.0
        try:
            while not self.is_stopping:
                if time.monotonic() >= next_slow_s:
                    next_slow_s = time.monotonic() + SLOW_PERIOD_S
                    self._slow()
                if not self._push_changed():
                    time.sleep(IDLE_S)
        finally:
            self._close()

    def _slow(self) -> None:
        for source in self.sources:
            self._send(source.look_after() + source.funding())

    def _push_changed(self) -> bool:
        """Whether there was anything to push."""
        anything = False
        for source in self.sources:
            records = source.changed()
            if records:
                self._send([book_line(source.rows[row], record) for row, record in records.items() if row in source.rows])
                now = time.monotonic_ns()
                for record in records.values():
                    if record is not None and record["publish_mono_ns"] > 0:
                        self.hist.record("bridge", now - record["publish_mono_ns"])
                anything = True
        return anything

    def _send(self, lines: list[bytes]) -> None:
        if not lines:
            return
        try:
            self._socket.sendall(b"".join(lines))
        except OSError as error:
            raise BridgeFailed(f"the simulated venue takes no more books: {error.strerror or error}") from None
        self.pushed += len(lines)

    def _close(self) -> None:
        log.info("stopped: %d lines pushed", self.pushed)
        for source in self.sources:
            source.close()
        self._socket.close()
        self.hist.save(self.run_dir)
        self.hist.close(unlink=True)


@click.command()
@click.option("--run-dir", type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False), required=True,
              help="directory of the run")
def main(run_dir: pathlib.Path) -> None:
    """Push the feeds' books to the simulated venue until SIGTERM."""
    run_dir = run_dir.resolve()
    logs = setup_logging(run_dir, "paper-bridge")
    try:
        bridge = Bridge(run_dir)

        def stop(number: int, frame: object) -> None:
            bridge.is_stopping = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        bridge.run()
    except (BridgeFailed, ShmError) as error:
        print(f"paper bridge: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        logs.close()


if __name__ == "__main__":
    main()
