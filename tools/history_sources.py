"""Sources of histories and how each is read: funding CSV, OKX's funding-rate reply, candle CSV, candle feather.

Each reader gives (place, row or what is wrong with it) in the order of the source; history_import.py decides. No clock is
guessed: times without a zone need `utc_offset_hours`, times that say their zone refuse it. Numbers stay decimal text; feather
holds binary doubles, of which the shortest decimal that gives the same double is taken."""
from __future__ import annotations

import csv
import pathlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from tools.history_series import NS, HistoryError, Row, decimal_text

HOUR_NS = 3600 * NS
# An integer stamp tells its unit by its length: true from 2001 to 2286.
UNIT_NS = {10: NS, 13: NS // 1000, 16: 1000, 19: 1}
CANDLE_FIELDS = ("open", "high", "low", "close", "volume")
FUNDING_COLUMNS = ("symbol", "date", "funding rate")


@dataclass(frozen=True)
class SourceOptions:
    """symbol: for sources that name none. utc_offset_hours: how far the source's times are ahead of UTC, None = not said."""
    symbol: str = ""
    utc_offset_hours: Decimal | None = None


Item = tuple[str, Row | str]  # (file:line, the row, or what is wrong with the line)
Reader = Callable[[pathlib.Path, bytes, SourceOptions], Iterator[Item]]


def offset_ns(path: pathlib.Path, options: SourceOptions) -> int:
    """What to take from times without a zone; HistoryError when nobody said it."""
    if options.utc_offset_hours is None:
        raise HistoryError(f"{path}: its times say no zone: give --utc-offset-hours, how many hours they are ahead of UTC "
                           "(0 for UTC; settlements at 03, 11 and 19 h instead of 00, 08 and 16 are 3 ahead)")
    return int(options.utc_offset_hours * HOUR_NS)


def refuse_offset(path: pathlib.Path, options: SourceOptions) -> None:
    if options.utc_offset_hours is not None:
        raise HistoryError(f"{path}: its times say their zone, or count from 1970 in UTC: --utc-offset-hours would move them; "
                           "leave it out")


def decimal_of(text: str, what: str) -> Decimal:
    """A finite number; ValueError names the field."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{what} {text[:40]!r} is no number") from None
    if not value.is_finite():
        raise ValueError(f"{what} {text[:40]!r} is no number")
    return value


def date_ns(text: str, ahead_ns: int) -> int:
    """ns since 1970 UTC of `2020-01-01 03:00:00[.000]`, a clock `ahead_ns` ahead of UTC. ValueError when it is something else."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is not None:
        raise ValueError(f"date {text[:40]!r} says a zone where the others say none")
    since = moment.replace(tzinfo=UTC) - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000 - ahead_ns


def stamp_ns(text: str) -> int:
    """ns since 1970 of an integer in s, ms, us or ns."""
    text = text.strip()
    if not text.isdigit() or len(text) not in UNIT_NS:
        raise ValueError(f"timestamp {text[:40]!r} has {len(text)} characters; right are 10 digits (s), 13 (ms), 16 (us) or 19 (ns)")
    return int(text) * UNIT_NS[len(text)]


def csv_records(path: pathlib.Path, data: bytes, wanted: Sequence[str]) -> Iterator[tuple[str, dict[str, str] | str]]:
    """(file:line, fields by lower-case name) behind a header line that has all of `wanted`."""
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise HistoryError(f"{path}: no UTF-8 text: {error.reason} at byte {error.start}") from None
    names = [name.strip().lower() for name in next(csv.reader(lines[:1]), [])]
    lacking = [name for name in wanted if name not in names]
    if lacking:
        raise HistoryError(f"{path}:1: no column {', '.join(lacking)}; there is {', '.join(names) or 'nothing'}")
    reader = csv.reader(lines[1:])
    for cells in reader:
        place = f"{path}:{reader.line_num + 1}"
        if len(cells) != len(names):
            yield place, f"{len(cells)} fields where the header has {len(names)}"
        else:
            yield place, dict(zip(names, cells, strict=True))


def read_funding_csv(path: pathlib.Path, data: bytes, options: SourceOptions) -> Iterator[Item]:
    """Symbol,Date,Funding Rate. Dates say no zone."""
    ahead_ns = offset_ns(path, options)
    for place, fields in csv_records(path, data, FUNDING_COLUMNS):
        if isinstance(fields, str):
            yield place, fields
            continue
        try:
            symbol = fields["symbol"].strip() or options.symbol
            if not symbol:
                raise ValueError("no symbol")
            rate = decimal_of(fields["funding rate"], "funding rate")
            yield place, Row(date_ns(fields["date"], ahead_ns), symbol, (decimal_text(rate), "", ""))
        except ValueError as error:
            yield place, str(error)


def read_okx_funding(path: pathlib.Path, data: bytes, options: SourceOptions) -> Iterator[Item]:
    """One reply of OKX's public funding-rate endpoint: for each swap the rate of the settlement at fundingTime. interval_s is the
    time from there to nextFundingTime: a rate means nothing without it. stated_ns: when the venue said so."""
    refuse_offset(path, options)
    try:
        reply = orjson.loads(data)
        listed = reply["data"]
        if str(reply.get("code")) != "0" or not isinstance(listed, list):
            raise ValueError(f"code {reply.get('code')!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HistoryError(f"{path}: no reply of the funding-rate endpoint: {error!r}"[:300]) from None
    for index, entry in enumerate(listed):
        place = f"{path}: data[{index}]"
        try:
            at_ns, next_ns = stamp_ns(entry["fundingTime"]), stamp_ns(entry["nextFundingTime"])
            if next_ns <= at_ns:
                raise ValueError(f"nextFundingTime {entry['nextFundingTime']} is not after fundingTime {entry['fundingTime']}")
            rate = decimal_text(decimal_of(entry["fundingRate"], "fundingRate"))
            yield place, Row(at_ns, str(entry["instId"]), (rate, str((next_ns - at_ns) // NS), str(stamp_ns(entry["ts"]))))
        except KeyError as error:
            yield place, f"no field {error}"
        except (TypeError, ValueError, AttributeError) as error:
            yield place, str(error)


def candle(ts_ns: int, symbol: str, texts: Sequence[str]) -> Row:
    """A checked candle; ValueError says what is wrong."""
    opened, high, low, close, volume = (decimal_of(text, name) for name, text in zip(CANDLE_FIELDS, texts, strict=True))
    if low <= 0 or volume < 0:
        raise ValueError(f"low {low} or volume {volume} is not positive")
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise ValueError(f"open {opened} and close {close} do not lie between low {low} and high {high}")
    return Row(ts_ns, symbol, tuple(decimal_text(value) for value in (opened, high, low, close, volume)))


def need_symbol(path: pathlib.Path, options: SourceOptions) -> str:
    if not options.symbol:
        raise HistoryError(f"{path}: candles name no symbol: give --symbol")
    return options.symbol


def read_candles_csv(path: pathlib.Path, data: bytes, options: SourceOptions) -> Iterator[Item]:
    """timestamp (integer) or date (text without zone), open, high, low, close, volume; ts_ns is the bar's time as the source has
    it."""
    symbol = need_symbol(path, options)
    first = data.split(b"\n", 1)[0].lower()
    by_stamp = b"timestamp" in first
    if by_stamp:
        refuse_offset(path, options)
    ahead_ns = 0 if by_stamp else offset_ns(path, options)
    for place, fields in csv_records(path, data, ("timestamp" if by_stamp else "date", *CANDLE_FIELDS)):
        if isinstance(fields, str):
            yield place, fields
            continue
        try:
            ts_ns = stamp_ns(fields["timestamp"]) if by_stamp else date_ns(fields["date"], ahead_ns)
            yield place, candle(ts_ns, symbol, [fields[name] for name in CANDLE_FIELDS])
        except ValueError as error:
            yield place, str(error)


def read_candles_feather(path: pathlib.Path, data: bytes, options: SourceOptions) -> Iterator[Item]:
    """Arrow feather with columns date, open, high, low, close, volume. Places are rows from 0."""
    symbol = need_symbol(path, options)
    pyarrow, feather = pyarrow_parts(path)
    try:
        table = feather.read_table(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise HistoryError(f"{path}: no feather file: {error}"[:300]) from None
    lacking = [name for name in ("date", *CANDLE_FIELDS) if name not in table.column_names]
    if lacking:
        raise HistoryError(f"{path}: no column {', '.join(lacking)}; there is {', '.join(table.column_names)}")
    kind = table.schema.field("date").type
    if not pyarrow.types.is_timestamp(kind):
        raise HistoryError(f"{path}: column date holds {kind}, not a timestamp")
    if kind.tz:
        refuse_offset(path, options)
    ahead_ns = 0 if kind.tz else offset_ns(path, options)
    dates = table.column("date").cast(pyarrow.timestamp("ns", kind.tz)).cast(pyarrow.int64()).to_pylist()
    columns = [table.column(name).to_pylist() for name in CANDLE_FIELDS]
    for index, (at_ns, *values) in enumerate(zip(dates, *columns, strict=True)):
        place = f"{path}: row {index}"
        try:
            if at_ns is None:
                raise ValueError("no date")
            yield place, candle(at_ns - ahead_ns, symbol, [repr(value) for value in values])
        except ValueError as error:
            yield place, str(error)


def pyarrow_parts(path: pathlib.Path) -> tuple[Any, Any]:
    """(pyarrow, pyarrow.feather); HistoryError when it is not installed."""
    try:
        import pyarrow
        from pyarrow import feather
    except ImportError as error:
        raise HistoryError(f"{path}: feather files need pyarrow ({error}), which nothing else here uses: install it into .venv, or "
                           "convert the file to CSV elsewhere") from None
    return pyarrow, feather


READERS: dict[str, tuple[str, Reader]] = {
    "funding_csv": ("funding", read_funding_csv), "okx_funding_json": ("funding", read_okx_funding),
    "candles_csv": ("candles", read_candles_csv), "candles_feather": ("candles", read_candles_feather)}
