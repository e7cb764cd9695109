"""`tools/capture import --format cryptofeed_v3`: captures of cryptofeed's v3 branch, zstd JSON lines grouped by connection.

Records are sorted by their time (stable): REST depth replies then lie between the deltas, as they did when it was recorded.
Recorded listings give ticks, lots and contract sizes; digits seen beyond them widen a scale. One recording may hold both markets
of a venue: the address of a connection tells which, or the listing that has the symbol. What is no frame (sent text, other REST
replies) is kept as a note. A venue that nothing here reads has its frames kept whole, without instruments."""
from __future__ import annotations

import base64
import pathlib
from typing import NamedTuple

import orjson

from feeds.capture_format import MARKET_CODES, CaptureWriter
from feeds.venue import Glance
from tools.replay_lib.import_common import (
    UNKNOWN_SHAPE,
    ImportOptions,
    ImportRefused,
    ImportReport,
    Recording,
    build_table,
    refuse_bad_lines,
    source_lines,
    whole_file,
)
from tools.replay_lib.recorded import words_of

BAD_LINES = "lines that are no records of this format"


class Entry(NamedTuple):
    """One line of the source."""
    wall_ns: int
    place: str       # file:line
    kind: str        # connect, send, recv, http
    connection: str
    body: bytes
    detail: str      # address or URL


class CryptofeedImport:
    """One run of the importer; `run` does it. All lines are held in memory: they must be sorted."""

    def __init__(self, options: ImportOptions):
        if not options.venue:
            raise ImportRefused("cryptofeed_v3 names venues in its own way: say with --venue which one it is")
        self.options = options
        self.report = ImportReport()
        self.recording = Recording(options.venue, options.market, options.given, self.report.problems)
        self.entries: list[Entry] = []
        self.bad: list[tuple[str, bytes]] = []
        self.markets: dict[str, str] = {}                # connection -> market, "" = its address does not say
        self.symbol_of: dict[int, tuple[str, str]] = {}  # entry -> (market, symbol) of its frame or snapshot
        self.snapshots: set[int] = set()

    def run(self, out: pathlib.Path) -> ImportReport:
        """Write `out`, whole or not at all."""
        for place, number, line in source_lines(self.options, self.report.problems):
            self._read_line(place, number, line)
        refuse_bad_lines(self.report.problems, BAD_LINES, self.options)
        self.entries.sort(key=lambda entry: entry.wall_ns)
        self._look_at_all()
        table, row_of = build_table([self.recording])
        self.report.instruments = [row.name for row in table.rows]
        source = f"import cryptofeed_v3: {', '.join(path.name for path in self.options.sources)}"
        with whole_file(out, venues=[self.options.venue], table=table, source=source) as writer:
            self._write(writer, row_of)
        return self.report

    def _read_line(self, place: str, number: int, line: bytes) -> None:
        try:
            record = orjson.loads(line)
            kind = record["t"]
            if kind == "header" and number == 1:
                if record.get("format") != 2:
                    raise ImportRefused(f"{place}: format {record.get('format')!r} of the recorder; this importer knows format 2")
                return
            body = base64.b64decode(record["b64"]) if "b64" in record else record.get("data", "").encode()
            if kind not in ("connect", "send", "recv", "http"):
                raise ValueError(kind)
            self.entries.append(Entry(round(record["ts"] * 1e6) * 1000, place, kind, record["conn"], body,
                                      record.get("addr") or record.get("url") or ""))
        except (KeyError, TypeError, ValueError, AttributeError):
            self.report.problems.add(BAD_LINES, place)
            self.bad.append((place, line))

    def _look_at_all(self) -> None:
        for entry in self.entries:
            if entry.kind in ("connect", "send") and not self.markets.get(entry.connection):
                self.markets[entry.connection] = self.recording.market_of_address(entry.detail)
        frames = self._glance_at_frames()
        symbols = {frame.symbol for frame in frames.values() if frame.symbol}
        replies = [(key, entry) for key, entry in enumerate(self.entries) if entry.kind == "http"]
        rest = [(key, entry) for key, entry in replies if not self._is_listing(entry, symbols)]
        for key, frame in frames.items():
            self._note_frame(key, frame)
        for key, entry in rest:
            self._look_at_reply(key, entry, symbols)
        if self.recording.venue is not None and not self.symbol_of:
            raise ImportRefused(f"no frame of {self.options.venue} {self.options.market} in "
                                f"{', '.join(map(str, self.options.sources))}")

    def _glance_at_frames(self) -> dict[int, Glance]:
        problems = self.report.problems
        unread = self.recording.unread() if self.recording.venue is None else ""
        found = {}
        for key, entry in enumerate(self.entries):
            if entry.kind != "recv":
                continue
            if unread:
                problems.add(unread, entry.place)
                continue
            frame = self.recording.glance(self.markets.get(entry.connection, ""), entry.body)
            if frame is None:
                problems.add(UNKNOWN_SHAPE, entry.place)
            else:
                found[key] = frame
        return found

    def _note_frame(self, key: int, frame: Glance) -> None:
        entry = self.entries[key]
        if not frame.symbol:
            return
        market = self.recording.market_of(self.markets.get(entry.connection, ""), frame.symbol)
        if self.recording.see(market, frame):
            self.symbol_of[key] = market, frame.symbol
        else:
            self.report.problems.add(UNKNOWN_SHAPE, entry.place)

    def _is_listing(self, entry: Entry, symbols: set[str]) -> bool:
        try:
            data = orjson.loads(entry.body)
        except orjson.JSONDecodeError:
            return False
        return self.recording.see_listing(self.recording.market_of_address(entry.detail), data, symbols)

    def _look_at_reply(self, key: int, entry: Entry, symbols: set[str]) -> None:
        """A depth reply becomes a snapshot of the symbol that it or its address names."""
        hint = self.recording.market_of_address(entry.detail)
        reply = self.recording.glance(hint, entry.body)
        if reply is None:
            self.report.problems.add("REST replies of an unknown shape, kept as notes", entry.place)
            return
        if not reply.is_snapshot:
            return
        symbol = reply.symbol or next((word for word in words_of(entry.detail) if word in symbols), "")
        market = self.recording.market_of(hint, symbol)
        if symbol and self.recording.see(market, Glance(symbol, reply.levels), is_frame=False):
            self.symbol_of[key] = market, symbol
            self.snapshots.add(key)
        else:
            self.report.problems.add("depth replies of which no frame tells the symbol, kept as notes", entry.place)

    def _write(self, writer: CaptureWriter, row_of: dict[tuple[str, str, str], int]) -> None:
        connections: dict[str, int] = {}
        asked = self.recording.asked
        for place, line in self.bad:
            writer.note(0, 0, f"{place}: {line.decode('utf-8', 'backslashreplace')}", MARKET_CODES.get(asked, 0))
        for key, entry in enumerate(self.entries):
            connection = connections.setdefault(entry.connection, len(connections))
            named, symbol = self.symbol_of.get(key, ("", ""))
            market = MARKET_CODES.get(named or self.markets.get(entry.connection, "") or asked, 0)
            row = row_of.get((self.options.venue, named, symbol), -1)
            if entry.kind == "recv":
                writer.frame(market, connection, entry.wall_ns, 0, entry.body, row)
                self.report.frames += 1
            elif entry.kind == "connect":
                writer.connect(market, connection, entry.wall_ns, 0, entry.detail)
            elif key in self.snapshots:
                writer.snapshot(market, row, entry.wall_ns, 0, entry.body, connection)
                self.report.snapshots += 1
            else:
                writer.note(entry.wall_ns, 0, f"{entry.kind} {entry.detail} {entry.body.decode('utf-8', 'backslashreplace')}",
                            market)
                self.report.notes += 1
