"""`tools/capture import --format depthcharge`: NDJSON of one connection; a header line, then `{"rx_ns", "dir", "frame"}` a frame.

`frame` is the message itself inside the line. Its bytes are cut out of the line as they stand and never written anew: prices and
sizes are bare JSON numbers, and a checksum over them needs their digits as sent (0.50930100 is not 0.509301). rx_ns is a
monotonic clock; wall time is the header's captured_at plus what has passed since the first record, as good as that header is.
`dir` tx (what we sent) becomes a note."""
from __future__ import annotations

import json
import pathlib
from datetime import datetime
from typing import Any, NamedTuple

from feeds.capture_format import MARKET_CODES
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

BAD_LINES = "lines that are no records of this format"
DIRECTIONS = {"rx": False, "tx": True}
SPACE = " \t\r\n"


class Entry(NamedTuple):
    """One record of the source."""
    wall_ns: int
    mono_ns: int
    is_sent: bool
    body: bytes
    market: str
    symbol: str


def members(text: str) -> dict[str, tuple[Any, str]]:
    """key -> (value, its text as it stands) of the JSON object in `text`; ValueError when it is none."""
    decoder = json.JSONDecoder()
    found: dict[str, tuple[Any, str]] = {}
    at = _skip(text, 0, "{")
    while text[at:at + 1] != "}":
        if text[at:at + 1] != '"':
            raise ValueError(f"no member at character {at}")
        key, at = decoder.raw_decode(text, at)
        start = _skip(text, at, ":")
        value, at = decoder.raw_decode(text, start)
        found[key] = value, text[start:at]
        at = _skip(text, at, "")
        if text[at:at + 1] == ",":
            at = _skip(text, at + 1, "")
        elif text[at:at + 1] != "}":
            raise ValueError(f"no end of a member at character {at}")
    if text[at + 1:].strip(SPACE):
        raise ValueError("something follows the object")
    return found


def _skip(text: str, at: int, wanted: str) -> int:
    """Behind white space, `wanted`, and white space again."""
    while text[at:at + 1] and text[at] in SPACE:
        at += 1
    if wanted:
        if text[at:at + 1] != wanted:
            raise ValueError(f"no {wanted} at character {at}")
        return _skip(text, at + 1, "")
    return at


class DepthchargeImport:
    """One run of the importer; `run` does it."""

    def __init__(self, options: ImportOptions):
        self.options = options
        self.report = ImportReport()
        self.venue, self.address = options.venue, ""
        self.started_wall_ns = 0
        self.first_rx_ns: int | None = None
        self.recording: Recording | None = None
        self.hint = ""
        self.entries: list[Entry | tuple[str, bytes]] = []  # a pair is a bad line: its place, and the line

    def run(self, out: pathlib.Path) -> ImportReport:
        """Write `out`, whole or not at all."""
        for place, number, line in source_lines(self.options, self.report.problems):
            if number == 1:
                self._read_header(place, line)
            elif line.strip():
                self._read_line(place, line)
        refuse_bad_lines(self.report.problems, BAD_LINES, self.options)
        if self.recording is None or not any(isinstance(entry, Entry) for entry in self.entries):
            raise ImportRefused(f"no frame in {', '.join(map(str, self.options.sources))}")
        table, row_of = build_table([self.recording])
        self.report.instruments = [row.name for row in table.rows]
        source = f"import depthcharge: {', '.join(path.name for path in self.options.sources)}"
        with whole_file(out, venues=[self.venue], table=table, source=source) as writer:
            market = MARKET_CODES[self.hint or self.recording.asked]
            writer.connect(market, 0, self.started_wall_ns, self.first_rx_ns or 0, self.address)
            wall_ns = self.started_wall_ns
            for entry in self.entries:
                if not isinstance(entry, Entry):
                    writer.note(wall_ns, 0, f"{entry[0]}: {entry[1].decode('utf-8', 'backslashreplace')}", market)
                    self.report.notes += 1
                    continue
                wall_ns = entry.wall_ns
                code = MARKET_CODES[entry.market] or market
                if entry.is_sent:
                    writer.note(wall_ns, entry.mono_ns, f"send {self.address} {entry.body.decode()}", code)
                    self.report.notes += 1
                else:
                    row = row_of.get((self.venue, entry.market, entry.symbol), -1)
                    writer.frame(code, 0, wall_ns, entry.mono_ns, entry.body, row)
                    self.report.frames += 1
        return self.report

    def _read_header(self, place: str, line: bytes) -> None:
        if self.recording is not None:
            raise ImportRefused(f"{place}: a second recording; its monotonic clock is another one: bring in each on its own")
        try:
            header = json.loads(line)
            started = datetime.fromisoformat(header["captured_at"])
            if started.tzinfo is None:
                raise ValueError("captured_at says no offset from UTC")
            self.address = str(header["url"])
            self.venue = self.venue or header["venue"]
            if not isinstance(self.venue, str) or not self.venue:
                raise ValueError("venue is no name")
        except (KeyError, TypeError, ValueError) as error:
            raise ImportRefused(f"{place}: no header of a depthcharge recording (venue, url, captured_at): {error!r}") from None
        delta = started - datetime.fromtimestamp(0, started.tzinfo)
        self.started_wall_ns = (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
        self.recording = Recording(self.venue, self.options.market, self.options.given, self.report.problems)
        self.hint = self.recording.market_of_address(self.address)

    def _read_line(self, place: str, line: bytes) -> None:
        assert self.recording is not None
        try:
            found = members(line.decode())
            rx_ns, (value, text) = found["rx_ns"][0], found["frame"]
            is_sent = DIRECTIONS[found.get("dir", ("rx", ""))[0]]
            if type(rx_ns) is not int:
                raise ValueError("rx_ns is no integer")
        except (KeyError, TypeError, ValueError):
            self.report.problems.add(BAD_LINES, place)
            self.entries.append((place, line))
            return
        body = value.encode() if isinstance(value, str) else text.encode()
        if self.first_rx_ns is None:
            self.first_rx_ns = rx_ns
        market = symbol = ""
        if not is_sent:
            market, symbol = self._name(place, body)
        self.entries.append(Entry(self.started_wall_ns + rx_ns - self.first_rx_ns, rx_ns, is_sent, body, market, symbol))

    def _name(self, place: str, body: bytes) -> tuple[str, str]:
        """(market, symbol) of a frame; both "" when nothing here reads the venue, or the frame names none."""
        assert self.recording is not None
        if self.recording.venue is None:
            self.report.problems.add(self.recording.unread(), place)
            return "", ""
        frame = self.recording.glance(self.hint, body)
        if frame is None:
            self.report.problems.add(UNKNOWN_SHAPE, place)
            return "", ""
        market = self.recording.market_of(self.hint, frame.symbol) if frame.symbol else ""
        return (market, frame.symbol) if market and self.recording.see(market, frame) else ("", "")
