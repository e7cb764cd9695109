"""What all importers share: bad lines with their places, what a recording shows of its symbols, the table of the new capture, and
a file that appears whole or not at all."""
from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from feeds.capture_format import CaptureWriter
from feeds.config import Fees
from feeds.instruments import InstrumentError, InstrumentRow, InstrumentTable, scale_of
from feeds.venue import FeedVenue, Glance
from tools.replay_lib.recorded import market_of_address, recorded_venue, row_from_spelling, unread_text
from tools.replay_lib.sources import SourceTorn, numbered_lines
from tools.replay_lib.symbols import SeenSymbol

SHOWN_PLACES = 10  # of many bad lines the first ten are named, all are counted
AUTO = "auto"
ZERO = Decimal(0)
UNKNOWN_SHAPE = "frames that are no JSON or of an unknown shape, kept as frames"


class ImportRefused(Exception):
    """The recording cannot be brought in as it is; nothing was written. The text says what to do."""


@dataclass
class Problems:
    """Lines that are not as they should be, by kind, with the first places of each."""
    counts: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, place: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        shown = self.places.setdefault(kind, [])
        if len(shown) < SHOWN_PLACES:
            shown.append(place)

    def lines(self) -> list[str]:
        """One sentence a kind."""
        return [f"{kind}: {count} ({', '.join(self.places[kind])}{', ...' if count > len(self.places[kind]) else ''})"
                for kind, count in self.counts.items()]


@dataclass
class ImportReport:
    """What an import did, for the person who asked for it."""
    frames: int = 0
    snapshots: int = 0
    notes: int = 0
    instruments: list[str] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)


@dataclass(frozen=True)
class ImportOptions:
    """What a person asks for. venue: "" = the source says it; market: spot, linear, or auto = connection or symbol say it."""
    venue: str
    market: str
    sources: list[pathlib.Path]
    given: InstrumentTable | None = None
    keep_bad: bool = False
    allow_truncated: bool = False


class Recording:
    """What one recording shows of one venue: its symbols by market with their digits, and the instruments that it lists."""

    def __init__(self, name: str, market: str, given: InstrumentTable | None, problems: Problems) -> None:
        self.name, self.asked, self.problems = name, "" if market == AUTO else market, problems
        self.venue: FeedVenue | None = recorded_venue(name)
        if self.venue is not None and self.asked and self.asked not in self.venue.markets:
            raise ImportRefused(f"{name} has no market {self.asked}; right is one of {', '.join(self.venue.markets)}")
        self.given = {(row.market, row.symbol): row for row in given.rows if row.venue == name} if given else {}
        self.listed: dict[tuple[str, str], InstrumentRow] = {}
        self.listed_markets: set[str] = set()
        self.seen: dict[tuple[str, str], SeenSymbol] = {}

    @property
    def markets(self) -> tuple[str, ...]:
        """Those that frames may belong to."""
        return (self.asked,) if self.asked else self.venue.markets if self.venue is not None else ()

    def market_of_address(self, address: str) -> str:
        """What the address of a connection or a reply says; "" = nothing."""
        return market_of_address(self.venue, address)

    def glance(self, hint: str, body: bytes) -> Glance | None:
        """What a frame shows; None = of an unknown shape. hint: market of its connection, "" = not known."""
        if self.venue is None:
            return Glance("")
        for market in (hint,) if hint else self.markets:
            found = self.venue.glance(market, body)
            if found is not None:
                return found
        return None

    def see_listing(self, hint: str, data: Any, symbols: set[str]) -> bool:
        """Take the rows of these symbols from a REST reply, if it lists instruments. Returns whether it does."""
        if self.venue is None:
            return False
        is_listing = False
        for market in (hint,) if hint else self.markets:
            try:
                rows, problems = self.venue.parse_listing(market, data, Fees(**dict(self.venue.fees)), symbols)
            except (InstrumentError, KeyError, TypeError, ValueError, IndexError, AttributeError):
                continue  # it lists another market, or nothing
            is_listing = True
            self.listed_markets.add(market)
            # Bounds are left open: a recording is not traded, and sizes in it may be finer than those bounds were made for.
            self.listed |= {(row.market, row.symbol): replace(row, max_qty=ZERO, min_px=ZERO, max_px=ZERO) for row in rows}
            for problem in problems:
                self.problems.add("instruments of the recorded listing that cannot be used", problem)
        return is_listing

    def market_of(self, hint: str, symbol: str) -> str:
        """The market of a symbol: that of its connection, else the one asked for, else the only one that lists it, else the
        venue's only one; "" = nothing tells."""
        if hint or self.asked:
            return hint or self.asked
        listing = {market for market, name in (*self.listed, *self.given) if name == symbol}
        if len(listing) == 1:
            return listing.pop()
        return self.markets[0] if len(self.markets) == 1 else ""

    def see(self, market: str, frame: Glance, *, is_frame: bool = True) -> bool:
        """Note the digits of a frame or snapshot. Returns False, and notes nothing, when a number is no plain decimal."""
        digits = SeenSymbol()
        try:
            digits.see(frame.levels)
        except (ValueError, TypeError, AttributeError):
            return False
        known = self.seen.setdefault((market, frame.symbol), SeenSymbol())
        known.px_scale, known.qty_scale = max(known.px_scale, digits.px_scale), max(known.qty_scale, digits.qty_scale)
        known.frames += is_frame
        return True

    def rows(self) -> list[InstrumentRow]:
        """An instrument for each symbol that was seen and can be named; the others are told as problems."""
        found: dict[str, InstrumentRow] = {}
        for (market, symbol), digits in self.seen.items():
            try:
                row = self._row(market, symbol, digits)
            except InstrumentError as error:
                raise ImportRefused(f"{symbol}: {error}") from None
            if row is None or row.name in found:
                self.problems.add("frames of a symbol that cannot be named, kept without an instrument (give it in --instruments)",
                                  f"{symbol} x{digits.frames}")
            else:
                found[row.name] = row
        return list(found.values())

    def _row(self, market: str, symbol: str, digits: SeenSymbol) -> InstrumentRow | None:
        if self.venue is None or market not in self.markets:
            return None
        row = self.given.get((market, symbol)) or self.listed.get((market, symbol))
        if row is None and market not in self.listed_markets:
            row = row_from_spelling(self.venue, market, symbol, digits)
        return None if row is None else widened(row, digits)

    def unread(self) -> str:
        """The kind of problem that every frame of a venue without a module is."""
        return unread_text(self.name)


def widened(row: InstrumentRow, digits: SeenSymbol) -> InstrumentRow:
    """The row with scales that hold every digit seen, sizes counted in contracts converted: venues do send sizes finer than the
    lot."""
    finest_qty = scale_of(row.contract_size.scaleb(-digits.qty_scale)) if row.contract_size != Decimal(1) else digits.qty_scale
    return replace(row, px_scale=max(row.px_scale, digits.px_scale), qty_scale=max(row.qty_scale, finest_qty))


def build_table(recordings: Iterable[Recording]) -> tuple[InstrumentTable, dict[tuple[str, str, str], int]]:
    """The table that the capture embeds, and its rows by (venue, market, symbol)."""
    table = InstrumentTable()
    table.merge(row for recording in recordings for row in recording.rows())
    return table, {(row.venue, row.market, row.symbol): row.id for row in table.rows}


def source_lines(options: ImportOptions, problems: Problems) -> Iterator[tuple[str, int, bytes]]:
    """(file:line, line number, line) of all sources in order; a torn source ends there when that is allowed."""
    for path in options.sources:
        try:
            for number, line in numbered_lines(path):
                yield f"{path}:{number}", number, line
        except SourceTorn as tear:
            if not options.allow_truncated:
                raise ImportRefused(f"{tear}; nothing was written. With --allow-truncated what is there is brought in") from None
            if str(tear) not in problems.places.get("torn sources", []):
                problems.add("torn sources", str(tear))


def refuse_bad_lines(problems: Problems, kind: str, options: ImportOptions) -> None:
    """ImportRefused when there are lines of this kind and they are not to be kept."""
    if kind in problems.counts and not options.keep_bad:
        raise ImportRefused(f"{'; '.join(problems.lines())}; nothing was written. With --keep-bad they are kept as notes")


@contextlib.contextmanager
def whole_file(out: pathlib.Path, *, venues: Sequence[str], table: InstrumentTable, source: str) -> Iterator[CaptureWriter]:
    """A writer whose file gets its name only when everything is in it."""
    if out.exists():
        raise ImportRefused(f"{out}: exists already; a capture is never overwritten, name another file")
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with CaptureWriter(partial, venues=list(venues), table=table, source=source, level=9) as writer:
            yield writer
        os.link(partial, out)  # fails when somebody else made `out` meanwhile
    except FileExistsError:
        raise ImportRefused(f"{out}: exists already; a capture is never overwritten, name another file") from None
    finally:
        partial.unlink(missing_ok=True)
