"""`tools/capture import --format lines`: recordings of the form `<recv_ns> <frame>`, one a line, several files in order.

Two passes over the sources: the first finds symbols, digits and the owners of depth snapshots, the second writes. Nothing is
dropped: a line without a stamp refuses the import, or is kept as a note (--keep-bad); a line whose frame is not understood is
kept as a frame. Such a file says neither venue nor market."""
from __future__ import annotations

import itertools
import pathlib
from array import array

from feeds.capture_format import MARKET_CODES, CaptureWriter
from feeds.venue import Glance
from tools.replay_lib.attach import AmbiguousSnapshot, SnapshotMatcher
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

STAMP_DIGITS = (18, 19)  # ns since 1970: 2001 to 2286
IS_BAD, IS_EMPTY, IS_SNAPSHOT, IS_FRAME = 0, 1, 2, 3
BAD_LINES = "lines without a receive stamp in nanoseconds"


def split_line(line: bytes) -> tuple[int, bytes] | None:
    """(recv_wall_ns, frame), or None when the line does not start with a stamp in nanoseconds."""
    stamp, _, frame = line.partition(b" ")
    if not stamp.isdigit() or len(stamp) not in STAMP_DIGITS or not frame.strip():
        return None
    return int(stamp), frame.strip()


class LineImport:
    """One run of the importer; `run` does it."""

    def __init__(self, options: ImportOptions):
        if not options.venue:
            raise ImportRefused("lines name no venue: say with --venue which one it is")
        self.options = options
        self.report = ImportReport()
        self.recording = Recording(options.venue, options.market, options.given, self.report.problems)
        markets = self.recording.markets
        if len(markets) > 1:
            raise ImportRefused(f"lines of {options.venue} do not tell their market: say --market {' or --market '.join(markets)}")
        self.market = markets[0] if markets else ""
        self.matcher = SnapshotMatcher()
        self.kinds = array("b")       # IS_* of each line
        self.symbols = array("i")     # place in `names` of each line's symbol, -1 = none
        self.names: dict[str, int] = {}
        self.snapshots: dict[int, Glance] = {}
        self.named_owners: dict[int, str] = {}  # snapshots whose reply says the symbol

    def run(self, out: pathlib.Path) -> ImportReport:
        """Write `out`, whole or not at all."""
        self._first_pass()
        refuse_bad_lines(self.report.problems, BAD_LINES, self.options)
        owners = self._owners()
        table, row_of = build_table([self.recording])
        self.report.instruments = [row.name for row in table.rows]
        source = f"import lines: {', '.join(path.name for path in self.options.sources)}"
        with whole_file(out, venues=[self.options.venue], table=table, source=source) as writer:
            self._second_pass(writer, owners, {symbol: row for (_, _, symbol), row in row_of.items()})
        return self.report

    def _first_pass(self) -> None:
        problems = self.report.problems
        unread = self.recording.unread() if self.recording.venue is None else ""
        for key, (place, _, line) in enumerate(source_lines(self.options, problems)):
            kind, symbol = IS_FRAME, -1
            parts = split_line(line)
            if not line.strip():
                kind = IS_EMPTY
                problems.add("empty lines", place)
            elif parts is None:
                kind = IS_BAD
                problems.add(BAD_LINES, place)
            elif unread:
                problems.add(unread, place)
            else:
                kind, symbol = self._look_at(key, place, parts[1])
            self.kinds.append(kind)
            self.symbols.append(symbol)
        if IS_FRAME not in self.kinds or (not unread and not self.recording.seen):
            raise ImportRefused(f"no frame of {self.options.venue} {self.market} in "
                                f"{', '.join(map(str, self.options.sources))}; expected lines "
                                "of the form `<receive time, ns> <frame>`")

    def _look_at(self, key: int, place: str, body: bytes) -> tuple[int, int]:
        """(IS_*, place of the symbol in `names`) of one frame."""
        frame = self.recording.glance(self.market, body)
        if frame is None:
            self.report.problems.add(UNKNOWN_SHAPE, place)
            return IS_FRAME, -1
        # Where whole books come on the stream, one that names its symbol is a frame like any other.
        is_pushed = frame.symbol and self.recording.venue is not None and self.recording.venue.resync == "resubscribe"
        if frame.is_snapshot and not is_pushed:
            self.snapshots[key] = frame
            if frame.symbol:
                self.named_owners[key] = frame.symbol
            else:
                self.matcher.on_snapshot(key, place, frame.last_update_id)
            return IS_SNAPSHOT, -1
        if not frame.symbol:
            return IS_FRAME, -1
        if not self.recording.see(self.market, frame):
            self.report.problems.add(UNKNOWN_SHAPE, place)
            return IS_FRAME, -1
        if frame.last_update_id:
            self.matcher.on_delta(frame.symbol, frame.first_update_id, frame.last_update_id)
        return IS_FRAME, self.names.setdefault(frame.symbol, len(self.names))

    def _owners(self) -> dict[int, str]:
        try:
            owners = self.matcher.owners([symbol for _, symbol in self.recording.seen]) | self.named_owners
        except AmbiguousSnapshot as error:
            raise ImportRefused(f"{error}; nothing was written") from None
        for key, symbol in owners.items():
            self.recording.see(self.market, Glance(symbol, self.snapshots[key].levels), is_frame=False)
        return owners

    def _second_pass(self, writer: CaptureWriter, owners: dict[int, str], row_of: dict[str, int]) -> None:
        market = MARKET_CODES[self.market]
        rows = [row_of.get(symbol, -1) for symbol in self.names]
        wall_ns = 0
        for key, (_, _, line) in zip(itertools.count(), source_lines(self.options, self.report.problems), strict=False):
            if key >= len(self.kinds):
                raise ImportRefused("a source grew while it was read; nothing was written")
            kind = self.kinds[key]
            if kind == IS_EMPTY:
                continue
            parts = split_line(line)
            if kind == IS_BAD or parts is None:
                writer.note(wall_ns, 0, line.decode("utf-8", "backslashreplace"), market)
                self.report.notes += 1
                continue
            wall_ns, body = parts
            if kind == IS_SNAPSHOT:
                writer.snapshot(market, row_of.get(owners[key], -1), wall_ns, 0, body)
                self.report.snapshots += 1
            else:
                place = self.symbols[key]
                writer.frame(market, 0, wall_ns, 0, body, rows[place] if place >= 0 else -1)
                self.report.frames += 1
