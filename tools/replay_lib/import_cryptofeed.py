"""`tools/capture import --format cryptofeed_v3`: captures of cryptofeed's v3 branch, zstd JSON lines grouped by connection.

Records are sorted by their time (stable): REST depth replies then lie between the deltas, as they did when it was recorded.
exchangeInfo replies give ticks and lots; digits seen beyond them widen a scale. What is no frame (sent text, other REST replies)
is kept as a note."""
from __future__ import annotations

import base64
import pathlib
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import orjson

from feeds.capture_format import MARKET_CODES, CaptureWriter
from feeds.instruments import InstrumentRow, InstrumentTable
from tools.replay_lib.binance_text import look_at, see_snapshot
from tools.replay_lib.import_common import ImportRefused, ImportReport, build_table, whole_file
from tools.replay_lib.sources import SourceTorn, numbered_lines
from tools.replay_lib.symbols import SeenSymbol, SeenSymbols, row_from_digits, row_from_exchange_info


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

    def __init__(self, venue: str, market: str, sources: list[pathlib.Path], *, given: InstrumentTable | None = None,
                 keep_bad: bool = False, allow_truncated: bool = False):
        self.venue, self.market, self.sources = venue, market, sources
        self.given, self.keep_bad, self.allow_truncated = given, keep_bad, allow_truncated
        self.report = ImportReport()
        self.seen = SeenSymbols()
        self.entries: list[Entry] = []
        self.bad: list[tuple[str, bytes]] = []
        self.infos: dict[str, dict[str, Any]] = {}
        self.symbol_of: dict[int, str] = {}  # entry -> symbol of its frame or snapshot

    def run(self, out: pathlib.Path) -> ImportReport:
        """Write `out`, whole or not at all."""
        for path in self.sources:
            self._read(path)
        if self.bad and not self.keep_bad:
            raise ImportRefused(
                f"{'; '.join(self.report.problems.lines())}; nothing was written. With --keep-bad they are kept as notes"
            )
        self.entries.sort(key=lambda entry: entry.wall_ns)
        self._look_at_all()
        table, row_of = build_table(self.venue, self.market, self.seen, self.given, self.report.problems, self._make_row)
        self.report.instruments = [row.name for row in table.rows]
        source = f"import cryptofeed_v3: {', '.join(path.name for path in self.sources)}"
        with whole_file(out, venue=self.venue, table=table, source=source) as writer:
            self._write(writer, row_of)
        return self.report

    def _read(self, path: pathlib.Path) -> None:
        try:
            for number, line in numbered_lines(path):
                self._read_line(f"{path}:{number}", number, line)
        except SourceTorn as tear:
            if not self.allow_truncated:
                raise ImportRefused(f"{tear}; nothing was written. With --allow-truncated what is there is brought in") from None
            self.report.problems.add("torn sources", str(tear))

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
            self.report.problems.add("lines that are no records of this format", place)
            self.bad.append((place, line))

    def _look_at_all(self) -> None:
        for key, entry in enumerate(self.entries):
            if entry.kind == "recv":
                frame = look_at(entry.body, self.seen)
                if frame is None:
                    self.report.problems.add("frames that are no JSON or of an unknown shape, kept as frames", entry.place)
                elif frame.symbol:
                    self.symbol_of[key] = frame.symbol
                    self.seen.of(frame.symbol).frames += 1
            elif entry.kind == "http":
                self._look_at_reply(key, entry)
        if not self.symbol_of:
            raise ImportRefused(f"no frame of {self.venue} {self.market} in {', '.join(map(str, self.sources))}")

    def _look_at_reply(self, key: int, entry: Entry) -> None:
        url = urlsplit(entry.detail)
        try:
            if url.path.endswith("/exchangeInfo"):
                self.infos |= {info["symbol"]: info for info in orjson.loads(entry.body)["symbols"]}
            elif url.path.endswith("/depth"):
                symbol = parse_qs(url.query)["symbol"][0]
                see_snapshot(entry.body, symbol, self.seen)
                self.symbol_of[key] = symbol
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            self.report.problems.add("REST replies of an unknown shape, kept as notes", entry.place)

    def _make_row(self, symbol: str, digits: SeenSymbol) -> InstrumentRow | None:
        if symbol in self.infos:
            return row_from_exchange_info(self.venue, self.market, self.infos[symbol], digits)
        return row_from_digits(self.venue, self.market, symbol, digits)

    def _write(self, writer: CaptureWriter, row_of: dict[str, int]) -> None:
        market = MARKET_CODES[self.market]
        connections: dict[str, int] = {}
        for place, line in self.bad:
            writer.note(0, 0, f"{place}: {line.decode('utf-8', 'backslashreplace')}", market)
        for key, entry in enumerate(self.entries):
            connection = connections.setdefault(entry.connection, len(connections))
            row = row_of.get(self.symbol_of.get(key, ""), -1)
            if entry.kind == "recv":
                writer.frame(market, connection, entry.wall_ns, 0, entry.body, row)
                self.report.frames += 1
            elif entry.kind == "connect":
                writer.connect(market, connection, entry.wall_ns, 0, entry.detail)
            elif entry.kind == "http" and key in self.symbol_of:
                writer.snapshot(market, row, entry.wall_ns, 0, entry.body, connection)
                self.report.snapshots += 1
            else:
                writer.note(entry.wall_ns, 0, f"{entry.kind} {entry.detail} {entry.body.decode('utf-8', 'backslashreplace')}",
                            market)
                self.report.notes += 1
