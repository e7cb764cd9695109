"""report.json at the end of a run: the engine's own, completed with what only the supervisor knows; whole even without an
engine."""
import json
import pathlib
from typing import Any

from engine.machine import machine_facts
from engine.report import compose_report, write_report

NOTHING_TRADED: dict[str, Any] = {
    "trades": {}, "orders": 0, "fills": 0, "rejects": {}, "alerts": {}, "open_pairs": [], "unhedged": {}, "dust": {},
    "naked_ms": {}, "balances": {}, "positions": {},
    "pnl": {"usd": "0", "assets": {}, "split": {"basis": "0", "fees": "0", "funding": "0", "conversion": "0", "corrections": "0",
                                                "rounding": "0"}}}


def complete_report(run_dir: pathlib.Path, facts: dict[str, str], *, venues: dict[str, dict[str, Any]],
                    ledger_check: dict[str, Any] | None, failure: str | None) -> dict[str, Any]:
    """`facts`: run_id, mode, commit, config_hash. Without a report of the engine, "engine" says that it left none:
    then nothing is known of trades."""
    try:
        report: dict[str, Any] = json.loads((run_dir / "report.json").read_bytes())
    except (OSError, ValueError):
        has_run = (run_dir / "engine.lock").exists()
        report = compose_report(**facts, trade_part=NOTHING_TRADED, machine=machine_facts(), extra={
            "engine": "left no report: see its log and the journal" if has_run else "was not started: no venue answered"})
    report["venues"] = venues
    report["ledger_check"] = ledger_check
    if failure:
        report["failure"] = failure
    write_report(run_dir, report)
    return report
