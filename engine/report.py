"""report.json: one object that says what a run did. Composed at the end of a run (and on request) from what each part states
about itself.

Pure: dicts in, dict out; the driver passes what the feeds' boards, the histograms and the rings say, and writes the file with
`write_report`. Keys are those that readers rely on (docs/order-flow.md); exact numbers are decimal strings.
"""
from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import orjson

FEED_KEYS = ("frames", "records", "gaps", "invalid")
STAGE_KEYS = ("count", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")
RING_KEYS = ("laps", "torn")


def compose_report(*, run_id: str, mode: str, commit: str, config_hash: str, trade_part: Mapping[str, Any],
                   feeds: Mapping[str, Mapping[str, int]] | None = None, opportunities: int = 0,
                   gate_rejects: Mapping[str, int] | None = None, stages: Mapping[str, Mapping[str, int]] | None = None,
                   ring: Mapping[str, int] | None = None, machine: Mapping[str, str | int] | None = None,
                   extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`trade_part`: TradeManager.report(). `feeds`: feed name -> counters. `gate_rejects`: gate reason name -> count. `stages`:
    stage -> percentiles. `machine`: machine_facts(), so that two runs can be compared.

    `extra`: further facts of the driver (skips, started, stopped, versions); it may not overwrite a key of ours.
    """
    report: dict[str, Any] = {
        "run_id": run_id, "mode": mode, "commit": commit, "config_hash": config_hash, "machine": dict(machine or {}),
        "feeds": _feeds(feeds or {}),
        "opportunities": opportunities,
        "trades": trade_part["trades"],
        "orders": trade_part["orders"],
        "fills": trade_part["fills"],
        "rejects": _rejects(gate_rejects or {}, trade_part["rejects"]),
        "alerts": trade_part["alerts"],
        "open_pairs": trade_part["open_pairs"],
        "unhedged": trade_part["unhedged"],
        "dust": trade_part["dust"],
        "naked_ms": trade_part["naked_ms"],
        "pnl": trade_part["pnl"],
        "balances": trade_part["balances"],
        "positions": trade_part["positions"],
        "stages": {name: _stage(row) for name, row in (stages or {}).items()},
        "ring": {key: int((ring or {}).get(key, 0)) for key in RING_KEYS},
    }
    for key, value in (extra or {}).items():
        if key in report:
            raise ValueError(f"report.json: extra key {key!r} is one of the report's own")
        report[key] = value
    return report


def write_report(run_dir: pathlib.Path, report: Mapping[str, Any]) -> pathlib.Path:
    """Writes report.json as a whole or not at all; readers never see half a file."""
    path = run_dir / "report.json"
    part = run_dir / "report.json.part"
    with open(part, "wb") as file:
        file.write(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    return path


def _feeds(feeds: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """The named counters first (0 when a feed does not say), then whatever else a feed counts."""
    return {name: {**{key: int(counters.get(key, 0)) for key in FEED_KEYS}, **counters} for name, counters in feeds.items()}


def _rejects(gate: Mapping[str, int], ours: Mapping[str, int]) -> dict[str, int]:
    """Gate refusals of entries by reason name, then those of repairs, sockets and venues with their source in front. Zeros are
    left out."""
    merged = {f"gate:{name}" if ":" not in name else name: count for name, count in gate.items() if count}
    for name, count in ours.items():
        # The core counts every refusal of the gate, those of repairs too: its figure stands.
        if not name.startswith("gate:"):
            merged[name] = count
        else:
            merged.setdefault(name, count)
    return dict(sorted(merged.items()))


def _stage(row: Mapping[str, int]) -> dict[str, int]:
    return {key: int(row.get(key, 0)) for key in STAGE_KEYS} | {key: int(value) for key, value in row.items()
                                                                if key not in STAGE_KEYS}
