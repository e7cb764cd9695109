"""`tools/history info`: what is in a history, symbol by symbol, computed from its rows; holes are counted, never filled."""
from __future__ import annotations

import itertools
import statistics
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tools.history_series import COLUMNS, NS, History, Row, decimal_text

MEAN_DIGITS = Decimal("0.000000000001")


def describe(history: History) -> dict[str, Any]:
    """Everything `info` prints, as data; times in ns, numbers as decimal text."""
    by_symbol: dict[str, list[Row]] = {}
    for row in history.rows:
        by_symbol.setdefault(row.symbol, []).append(row)
    header = history.header
    return {"kind": header.kind, "venue": header.venue, "source": header.source, "source_format": header.source_format,
            "source_sha256": header.source_sha256, "utc_offset_hours": header.utc_offset_hours, "rows": header.rows,
            "problems": header.problems,
            "symbols": {symbol: describe_symbol(header.kind, rows) for symbol, rows in sorted(by_symbol.items())}}


def describe_symbol(kind: str, rows: list[Row]) -> dict[str, Any]:
    """Span, usual (median) spacing, holes, and the extremes of the rate, or of the closes."""
    times = sorted(row.ts_ns for row in rows)
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    usual = statistics.median_low(steps) if steps else 0
    # Settlements are stamped some ms late now and then: half a spacing more is what makes a hole.
    holes = [step for step in steps if 2 * step >= 3 * usual]
    column = COLUMNS[kind].index("rate" if kind == "funding" else "close") - 2
    values = [Decimal(row.values[column]) for row in rows]
    found: dict[str, Any] = {
        "rows": len(rows), "first_ns": times[0], "last_ns": times[-1], "spacing_ns": usual,
        "holes": len(holes), "missing": sum((step + usual // 2) // usual - 1 for step in holes),
        "widest_hole_ns": max(holes, default=0),
        "jitter_ns": max((abs(step - usual) for step in steps if 2 * step < 3 * usual), default=0),
        "min": decimal_text(min(values)), "max": decimal_text(max(values))}
    if kind == "funding":
        found["mean"] = decimal_text((sum(values, Decimal(0)) / len(values)).quantize(MEAN_DIGITS))
        found["negative"] = sum(value < 0 for value in values)
        found["interval_s"] = sorted({int(row.values[1]) for row in rows if row.values[1]})
    return found


def to_text(path: str, told: dict[str, Any]) -> str:
    """For a person."""
    offset = told["utc_offset_hours"]
    lines = [f"{path}: {told['kind']}, {told['rows']} rows, {told['venue'] or 'venue not stated'}",
             f"  source   {told['source']} ({told['source_format']}), sha256 {told['source_sha256']}",
             "  times    " + ("UTC as the source says" if offset is None else f"UTC; the source was {offset} h ahead")]
    lines += [f"  PROBLEM  {name}: {problem['count']} ({', '.join(problem['places'])})"
              for name, problem in told["problems"].items()]
    for symbol, one in told["symbols"].items():
        text = f"  {symbol:<18} {one['rows']:>6} rows {utc(one['first_ns'])} to {utc(one['last_ns'])}"
        if one["spacing_ns"]:
            text += f", every {spacing(one['spacing_ns'])}, {one['holes']} holes"
            if one["holes"]:
                text += f" ({one['missing']} rows missing, widest {spacing(one['widest_hole_ns'])})"
            if one["jitter_ns"]:
                text += f", up to {spacing(one['jitter_ns'])} off"
        text += f", {one['min']} to {one['max']}"
        if "mean" in one:
            text += f", mean {one['mean']}, {one['negative']} negative"
            text += f", settled every {', '.join(spacing(each * NS) for each in one['interval_s'])}" if one["interval_s"] else ""
        lines.append(text)
    return "\n".join(lines)


def utc(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS, UTC).strftime("%Y-%m-%d %H:%M:%S")


def spacing(ns: int) -> str:
    """8 h, 5 min, 90 s, 47 ms."""
    for unit, size in (("h", 3600 * NS), ("min", 60 * NS), ("s", NS), ("ms", NS // 1000)):
        if ns % size == 0:
            return f"{ns // size} {unit}"
    return f"{ns} ns"
