"""One import: read a source, hold every row against its neighbours, and give a History with what was wrong, counted.

Rows of a symbol must come in order of time, each time once. What is not so refuses the import with file and line, unless the
person said what to do: sort, or drop rows that repeat another word for word. Two rows of one time that differ are always refused:
nobody but the source knows which is right."""
from __future__ import annotations

import hashlib
import pathlib
from dataclasses import dataclass
from typing import Any

from tools.history_series import Header, History, HistoryError, Row
from tools.history_sources import READERS, SourceOptions
from tools.replay_lib.import_common import Problems


@dataclass(frozen=True)
class ImportChoices:
    """What a person allows."""
    sort: bool = False
    drop_duplicates: bool = False
    skip_bad: bool = False


def import_history(path: pathlib.Path, form: str, venue: str, options: SourceOptions, choices: ImportChoices) -> History:
    """HistoryError when the source cannot be used as it is."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from None
    kind, read = READERS[form]
    problems = Problems()
    rows = _Rows(choices, problems)
    for place, item in read(path, data, options):
        if isinstance(item, Row):
            rows.take(place, item)
        elif choices.skip_bad:
            problems.add("rows that cannot be read, left out", f"{place}: {item}")
        else:
            raise HistoryError(f"{place}: {item}; nothing was written. With --skip-bad such rows are left out and counted")
    if not rows.kept:
        raise HistoryError(f"{path}: no row in it")
    kept = sorted(rows.kept, key=lambda row: (row.ts_ns, row.symbol)) if choices.sort else rows.kept
    offset = None if options.utc_offset_hours is None else format(options.utc_offset_hours, "f")
    told = {name: {"count": count, "places": problems.places[name]} for name, count in problems.counts.items()}
    return History(Header(kind, venue, path.name, form, hashlib.sha256(data).hexdigest(), offset, len(kept), told), kept)


class _Rows:
    """The rows kept so far, and the last and all times of each symbol."""

    def __init__(self, choices: ImportChoices, problems: Problems) -> None:
        self.choices, self.problems = choices, problems
        self.kept: list[Row] = []
        self.last: dict[str, tuple[int, str]] = {}
        self.known: dict[tuple[str, int], tuple[Row, str]] = {}

    def take(self, place: str, row: Row) -> None:
        key: Any = (row.symbol, row.ts_ns)
        if key in self.known:
            self._repeated(place, row, *self.known[key])
            return
        last_ns, last_place = self.last.get(row.symbol, (row.ts_ns, place))
        if row.ts_ns < last_ns:
            if not self.choices.sort:
                raise HistoryError(f"{place}: {row.symbol} is earlier than the row before ({last_place}); nothing was written. With "
                                   "--sort rows are put in order and this is counted")
            self.problems.add("rows that came out of order, sorted", place)
        self.known[key] = row, place
        self.last[row.symbol] = max(last_ns, row.ts_ns), place
        self.kept.append(row)

    def _repeated(self, place: str, row: Row, first: Row, first_place: str) -> None:
        if row != first:
            raise HistoryError(f"{place}: {row.symbol} has this time already at {first_place}, with other values "
                               f"({', '.join(first.values)} there, {', '.join(row.values)} here); nothing was written")
        if not self.choices.drop_duplicates:
            raise HistoryError(f"{place}: repeats {first_place}; nothing was written. With --drop-duplicates the first is kept and "
                               "this is counted")
        self.problems.add("rows that repeat an earlier one, left out", place)
