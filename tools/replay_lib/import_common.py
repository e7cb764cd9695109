"""What both importers share: bad lines with their places, the table of the new capture, and a file that appears whole or not at
all."""
from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from feeds.capture_format import CaptureWriter
from feeds.instruments import InstrumentError, InstrumentRow, InstrumentTable
from tools.replay_lib.symbols import SeenSymbol, SeenSymbols

SHOWN_PLACES = 10  # of many bad lines the first ten are named, all are counted


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


def widened(row: InstrumentRow, digits: SeenSymbol) -> InstrumentRow:
    """The row with scales that hold every digit seen."""
    return replace(row, px_scale=max(row.px_scale, digits.px_scale), qty_scale=max(row.qty_scale, digits.qty_scale))


def build_table(venue: str, market: str, seen: SeenSymbols, given: InstrumentTable | None, problems: Problems,
                make_row: Callable[[str, SeenSymbol], InstrumentRow | None]) -> tuple[InstrumentTable, dict[str, int]]:
    """The table that the capture embeds and its rows by symbol. Symbols that the given table knows are taken from it, at a wider
    scale where the recording has more digits: venues do send sizes finer than the lot."""
    table = InstrumentTable()
    rows = []
    known = {(row.venue, row.market, row.symbol): row for row in given.rows} if given else {}
    for symbol, digits in seen.by_symbol.items():
        row = known.get((venue, market, symbol))
        try:
            row = widened(row, digits) if row is not None else make_row(symbol, digits)
        except InstrumentError as error:
            raise ImportRefused(f"{symbol}: {error}") from None
        if row is None:
            problems.add("frames of a symbol that cannot be named, kept without an instrument (give it in --instruments)",
                         f"{symbol} x{digits.frames}")
        else:
            rows.append(row)
    table.merge(rows)
    return table, {row.symbol: row.id for row in table.rows}


@contextlib.contextmanager
def whole_file(out: pathlib.Path, *, venue: str, table: InstrumentTable, source: str) -> Iterator[CaptureWriter]:
    """A writer whose file gets its name only when everything is in it."""
    if out.exists():
        raise ImportRefused(f"{out}: exists already; a capture is never overwritten, name another file")
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with CaptureWriter(partial, venues=[venue], table=table, source=source, level=9) as writer:
            yield writer
        os.link(partial, out)  # fails when somebody else made `out` meanwhile
    except FileExistsError:
        raise ImportRefused(f"{out}: exists already; a capture is never overwritten, name another file") from None
    finally:
        partial.unlink(missing_ok=True)
