"""`tools/capture import --format frames`: single frames, each in a JSON object of its own: venue, channel, dir, enc, payload.

They are shapes to look at, no stream: nothing says when they came, so their stamps are 0, in the order of the file. `enc` text is
the frame as text, hex and base64 are its bytes (protobuf). A note before each frame keeps channel, source and whatever else its
object says. Each venue is one connection; `mexc-spot` tells its market. Several venues may be in one file."""
from __future__ import annotations

import base64
import pathlib
from typing import NamedTuple

import orjson

from cext import capture
from feeds.capture_format import MARKET_CODES
from feeds.instruments import MARKETS
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

BAD_LINES = "lines that are no frames of this format"
DIRECTIONS = {"recv": False, "send": True}
DECODE = {"text": str.encode, "hex": bytes.fromhex, "base64": lambda text: base64.b64decode(text, validate=True)}
VENUES_MAX = 256  # venue_index of a record is a byte


class Entry(NamedTuple):
    """One frame."""
    venue: str
    is_sent: bool
    body: bytes
    about: str      # the object without its payload, as JSON
    market: str
    symbol: str


class FrameImport:
    """One run of the importer; `run` does it."""

    def __init__(self, options: ImportOptions):
        self.options = options
        self.report = ImportReport()
        self.recordings: dict[str, Recording] = {}
        self.entries: list[Entry | tuple[str, bytes]] = []  # a pair is a bad line: its place, and the line

    def run(self, out: pathlib.Path) -> ImportReport:
        """Write `out`, whole or not at all."""
        for place, _, line in source_lines(self.options, self.report.problems):
            if line.strip():
                self._read_line(place, line)
        refuse_bad_lines(self.report.problems, BAD_LINES, self.options)
        venues = list(self.recordings)
        if not venues:
            raise ImportRefused(f"no frame in {', '.join(map(str, self.options.sources))}")
        if len(venues) > VENUES_MAX:
            raise ImportRefused(f"{len(venues)} venues; a capture holds at most {VENUES_MAX}")
        table, row_of = build_table(self.recordings.values())
        self.report.instruments = [row.name for row in table.rows]
        source = f"import frames: {', '.join(path.name for path in self.options.sources)}"
        with whole_file(out, venues=venues, table=table, source=source) as writer:
            for entry in self.entries:
                if not isinstance(entry, Entry):
                    writer.note(0, 0, f"{entry[0]}: {entry[1].decode('utf-8', 'backslashreplace')}")
                    self.report.notes += 1
                    continue
                index = venues.index(entry.venue)
                market = MARKET_CODES[entry.market]
                about = entry.about if not entry.is_sent else f"send {entry.about} {entry.body.decode('utf-8', 'backslashreplace')}"
                writer.record(capture.NOTE, market, index, 0, 0, about.encode(), venue_index=index)
                self.report.notes += 1
                if not entry.is_sent:
                    row = row_of.get((entry.venue, entry.market, entry.symbol), -1)
                    writer.record(capture.FRAME, market, index, 0, 0, entry.body, row, venue_index=index)
                    self.report.frames += 1
        return self.report

    def _read_line(self, place: str, line: bytes) -> None:
        try:
            wrapper = orjson.loads(line)
            body = DECODE[wrapper["enc"]](wrapper.pop("payload"))
            is_sent, venue = DIRECTIONS[wrapper["dir"]], wrapper["venue"]
            if not isinstance(venue, str) or not venue:
                raise ValueError("venue is no name")
        except (KeyError, TypeError, ValueError, AttributeError):
            self.report.problems.add(BAD_LINES, place)
            self.entries.append((place, line))
            return
        if self.options.venue and venue != self.options.venue:
            self.report.problems.add(f"frames of other venues than {self.options.venue}, left out", f"{place} {venue}")
            return
        market, symbol = self._name(place, venue, body, is_sent)
        self.entries.append(Entry(venue, is_sent, body, orjson.dumps(wrapper).decode(), market, symbol))

    def _name(self, place: str, venue: str, body: bytes, is_sent: bool) -> tuple[str, str]:
        """(market, symbol) of a frame, as far as its venue's name and the frame say."""
        if venue not in self.recordings:
            self.recordings[venue] = Recording(venue, self.options.market, self.options.given, self.report.problems)
        recording = self.recordings[venue]
        said = set(venue.split("-")) & set(MARKETS)
        hint = said.pop() if len(said) == 1 else ""
        if recording.venue is None:
            if not is_sent:
                self.report.problems.add(recording.unread(), place)
            return hint or recording.asked, ""
        frame = recording.glance(hint, body)
        if frame is None:
            self.report.problems.add(UNKNOWN_SHAPE, place)
        if frame is None or not frame.symbol or is_sent:
            return hint or recording.asked, ""
        market = recording.market_of(hint, frame.symbol)
        return (market, frame.symbol) if market and recording.see(market, frame) else (market, "")
