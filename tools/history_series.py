"""Normalised histories: one file, a header that says where it came from, then rows of UTC nanoseconds and exact decimal text.

OUT ending in .jsonl.zst: JSON lines, the header first, in one checksummed zstd frame. OUT ending in .csv: a line `# <header as
JSON>`, the column names, the rows. Both hold the same; docs/histories.md has every field. Written whole or not at all, never over
something else."""
from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pathlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import zstandard

FORMAT, VERSION = "lockstep-history", 1
COLUMNS = {"funding": ("ts_ns", "symbol", "rate", "interval_s", "stated_ns"),
           "candles": ("ts_ns", "symbol", "open", "high", "low", "close", "volume")}
INTEGERS = ("ts_ns", "interval_s", "stated_ns")
SUFFIXES = (".jsonl.zst", ".csv")
NS = 1_000_000_000


class HistoryError(Exception):
    """A history that cannot be read or written; the text names file and place, and says what would be right."""


@dataclass
class Header:
    """The first line. problems: kind -> {"count", "places"}; utc_offset_hours: what the source's times were ahead of UTC, None
    where it said its own zone."""
    kind: str
    venue: str
    source: str
    source_format: str
    source_sha256: str
    utc_offset_hours: str | None
    rows: int
    problems: dict[str, Any] = field(default_factory=dict)
    format: str = FORMAT
    version: int = VERSION


@dataclass(frozen=True)
class Row:
    """One funding or candle. values: texts of the columns behind ts_ns and symbol, in COLUMNS' order; "" = not known."""
    ts_ns: int
    symbol: str
    values: tuple[str, ...]


@dataclass
class History:
    """A whole file."""
    header: Header
    rows: list[Row]


def decimal_text(value: Decimal) -> str:
    """Plain digits, exact: 2.6e-05 -> 0.000026. Zeros at the end stay."""
    return format(value, "f")


def check_out(path: pathlib.Path) -> None:
    """Before anything is read."""
    if not path.name.endswith(SUFFIXES):
        raise HistoryError(f"{path}: a history is a file ending in {' or '.join(SUFFIXES)}")
    if path.exists():
        raise HistoryError(f"{path}: exists already; a history is never overwritten, name another file")


def write_history(path: pathlib.Path, history: History) -> None:
    """Whole or not at all."""
    check_out(path)
    if path.name.endswith(".csv"):
        data = _csv_text(history).encode()
    else:
        data = zstandard.ZstdCompressor(level=9, write_checksum=True).compress(_json_lines(history).encode())
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        os.link(partial, path)  # fails when somebody else made `path` meanwhile
    except FileExistsError:
        raise HistoryError(f"{path}: exists already; a history is never overwritten, name another file") from None
    except OSError as error:
        raise HistoryError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _csv_text(history: History) -> str:
    out = io.StringIO()
    out.write(f"# {json.dumps(asdict(history.header))}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS[history.header.kind])
    writer.writerows((row.ts_ns, row.symbol, *row.values) for row in history.rows)
    return out.getvalue()


def _json_lines(history: History) -> str:
    columns = COLUMNS[history.header.kind]
    lines = [json.dumps(asdict(history.header))]
    for row in history.rows:
        named = zip(columns, (row.ts_ns, row.symbol, *row.values), strict=True)
        lines.append(json.dumps({name: int(str(value)) if name in INTEGERS else value for name, value in named if value != ""}))
    return "\n".join([*lines, ""])


def read_history(path: pathlib.Path) -> History:
    """A file as write_history wrote it. HistoryError names file and line."""
    try:
        data = path.read_bytes()
        if data[:4] == b"\x28\xb5\x2f\xfd":
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        text = data.decode()
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from None
    except (zstandard.ZstdError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path}: damaged, or no history: {error}") from None
    lines = text.splitlines()
    is_csv = text.startswith("# ")
    header = _header(path, lines[0].removeprefix("# ") if lines else "")
    rows = _csv_rows(path, header, lines[1:]) if is_csv else _json_rows(path, header, lines[1:])
    if len(rows) != header.rows:
        raise HistoryError(f"{path}: {len(rows)} rows, its header says {header.rows}: cut off, or changed by hand")
    return History(header, rows)


def _header(path: pathlib.Path, line: str) -> Header:
    try:
        fields = json.loads(line)
        header = Header(**fields)
    except (ValueError, TypeError):
        raise HistoryError(f"{path}:1: no header of a history; bring a source in with tools/history import") from None
    if header.format != FORMAT or header.version != VERSION or header.kind not in COLUMNS:
        raise HistoryError(f"{path}:1: {header.format} {header.kind} of version {header.version}; this build reads {FORMAT} of "
                           f"version {VERSION}, {' or '.join(COLUMNS)}")
    return header


def _csv_rows(path: pathlib.Path, header: Header, lines: Sequence[str]) -> list[Row]:
    columns = COLUMNS[header.kind]
    if not lines or tuple(next(csv.reader(lines[:1]))) != columns:
        raise HistoryError(f"{path}:2: the columns are not {','.join(columns)}")
    rows = []
    for number, cells in enumerate(csv.reader(lines[1:]), 3):
        rows.append(_checked(path, number, dict(zip(columns, cells, strict=False)), columns))
    return rows


def _json_rows(path: pathlib.Path, header: Header, lines: Sequence[str]) -> list[Row]:
    columns = COLUMNS[header.kind]
    rows = []
    for number, line in enumerate(lines, 2):
        try:
            fields = json.loads(line)
        except ValueError:
            raise HistoryError(f"{path}:{number}: not JSON") from None
        rows.append(_checked(path, number, fields if isinstance(fields, dict) else {}, columns))
    return rows


def _checked(path: pathlib.Path, number: int, fields: dict[str, Any], columns: Sequence[str]) -> Row:
    try:
        ts_ns = int(fields["ts_ns"])
        values = tuple(str(fields.get(name, "")) for name in columns[2:])
        for name, value in zip(columns[2:], values, strict=True):
            if value and not Decimal(value).is_finite():
                raise ValueError(name)
        return Row(ts_ns, str(fields["symbol"]), values)
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
        raise HistoryError(f"{path}:{number}: no row with {', '.join(columns)} ({error!r})") from None
