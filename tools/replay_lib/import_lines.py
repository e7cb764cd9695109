"""`tools/capture import --format lines`: recordings of the form `<recv_ns> <frame>`, one a line, several files in order.

Two passes over the sources: the first finds symbols, digits and the owners of depth snapshots, the second writes. Nothing is
dropped: a line without a stamp refuses the import, or is kept as a note (--keep-bad); a line whose frame is not understood is
kept as a frame."""
from __future__ import annotations

import itertools
import pathlib
from array import array
from collections.abc import Iterator

from feeds.capture_format import MARKET_CODES, CaptureWriter
from feeds.instruments import InstrumentTable
from tools.replay_lib.attach import AmbiguousSnapshot, SnapshotMatcher
from tools.replay_lib.binance_text import Frame, look_at, see_snapshot
from tools.replay_lib.import_common import ImportRefused, ImportReport, build_table, whole_file
from tools.replay_lib.sources import SourceTorn, numbered_lines
from tools.replay_lib.symbols import SeenSymbols, row_from_digits

STAMP_DIGITS = (18, 19)  # ns since 1970: 2001 to 2286
IS_BAD, IS_EMPTY, IS_SNAPSHOT, IS_FRAME = 0, 1, 2, 3


def split_line(line: bytes) -> tuple[int, bytes] | None:
    """(recv_wall_ns, frame), or None when the line does not start with a stamp in nanoseconds."""
    stamp, _, frame = line.partition(b" ")
    if not stamp.isdigit() or len(stamp) not in STAMP_DIGITS or not frame.strip():
        return None
    return int(stamp), frame.strip()


class LineImport:
    """One run of the importer; `run` does it."""

    def __init__(self, venue: str, market: str, sources: list[pathlib.Path], *, given: InstrumentTable | None = None,
                 keep_bad: bool = False, allow_truncated: bool = False):
        self.venue, self.market, self.sources = venue, market, sources
        self.given, self.keep_bad, self.allow_truncated = given, keep_bad, allow_truncated
        self.report = ImportReport()
        self.seen = SeenSymbols()
        self.matcher = SnapshotMatcher()
        self.kinds = array("b")       # IS_* of each line
        self.symbols = array("i")     # place in `names` of each line's symbol, -1 = none
        self.names: dict[str, int] = {}
        self.snapshots: dict[int, bytes] = {}
        self.named_owners: dict[int, str] = {}  # snapshots whose reply says the symbol

    def run(self, out: pathlib.Path) -> ImportReport:
        """Write `out`, whole or not at all."""
        self._first_pass()
        bad = "lines without a receive stamp in nanoseconds"
        if bad in self.report.problems.counts and not self.keep_bad:
            raise ImportRefused(
                f"{'; '.join(self.report.problems.lines())}; nothing was written. With --keep-bad they are kept as notes"
            )
        owners = self._owners()
        table, row_of = build_table(self.venue, self.market, self.seen, self.given, self.report.problems,
                                    lambda symbol, digits: row_from_digits(self.venue, self.market, symbol, digits))
        self.report.instruments = [row.name for row in table.rows]
        source = f"import lines: {', '.join(path.name for path in self.sources)}"
        with whole_file(out, venue=self.venue, table=table, source=source) as writer:
            self._second_pass(writer, owners, row_of)
        return self.report

    def _lines(self) -> Iterator[tuple[str, bytes]]:
        """(file:line, line) of all sources in order; a torn source ends there when that is allowed."""
        for path in self.sources:
            try:
                for number, line in numbered_lines(path):
                    yield f"{path}:{number}", line
            except SourceTorn as tear:
                if not self.allow_truncated:
                    raise ImportRefused(
                        f"{tear}; nothing was written. With --allow-truncated what is there is brought in"
                    ) from None
                if str(tear) not in self.report.problems.places.get("torn sources", []):
                    self.report.problems.add("torn sources", str(tear))

    def _first_pass(self) -> None:
        problems = self.report.problems
        for key, (place, line) in enumerate(self._lines()):
            kind, symbol = IS_FRAME, -1
            parts = split_line(line)
            if not line.strip():
                kind = IS_EMPTY
                problems.add("empty lines", place)
            elif parts is None:
                kind = IS_BAD
                problems.add("lines without a receive stamp in nanoseconds", place)
            else:
                frame = look_at(parts[1], self.seen)
                if frame is None:
                    problems.add("frames that are no JSON or of an unknown shape, kept as frames", place)
                elif frame.is_snapshot:
                    kind = IS_SNAPSHOT
                    self._note_snapshot(key, place, parts[1], frame)
                elif frame.symbol:
                    symbol = self._note_frame(frame)
            self.kinds.append(kind)
            self.symbols.append(symbol)
        if not self.seen.by_symbol:
            raise ImportRefused(f"no frame of {self.venue} {self.market} in {', '.join(map(str, self.sources))}; expected lines "
                                "of the form `<receive time, ns> <frame>`")

    def _note_frame(self, frame: Frame) -> int:
        self.seen.of(frame.symbol).frames += 1
        if frame.last_update_id:
            self.matcher.on_delta(frame.symbol, frame.first_update_id, frame.last_update_id)
        return self.names.setdefault(frame.symbol, len(self.names))

    def _note_snapshot(self, key: int, place: str, body: bytes, frame: Frame) -> None:
        self.snapshots[key] = body
        if frame.symbol:
            self.named_owners[key] = frame.symbol
        else:
            self.matcher.on_snapshot(key, place, frame.last_update_id)

    def _owners(self) -> dict[int, str]:
        try:
            owners = self.matcher.owners(list(self.seen.by_symbol)) | self.named_owners
        except AmbiguousSnapshot as error:
            raise ImportRefused(f"{error}; nothing was written") from None
        for key, symbol in owners.items():
            see_snapshot(self.snapshots[key], symbol, self.seen)
        return owners

    def _second_pass(self, writer: CaptureWriter, owners: dict[int, str], row_of: dict[str, int]) -> None:
        market = MARKET_CODES[self.market]
        rows = [row_of.get(symbol, -1) for symbol in self.names]
        wall_ns = 0
        for key, (_, line) in zip(itertools.count(), self._lines(), strict=False):
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
