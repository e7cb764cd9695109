"""The last words of a run: what happened, from report.json, in a few lines."""
import pathlib
from typing import Any

from rich.console import Console

from engine.supervisor.screen import human_ns


def _stage(report: dict[str, Any], name: str) -> str:
    row = report.get("stages", {}).get(name)
    if not row or not row.get("count"):
        return "no samples"
    return (
        f"p50 {human_ns(row['p50_ns'])}  p99 {human_ns(row['p99_ns'])}  max {human_ns(row['max_ns'])}  ({row['count']} samples)"
    )


def summary_lines(report: dict[str, Any], run_dir: pathlib.Path) -> list[str]:
    """One fact a line."""
    trades = report.get("trades", {})
    pnl = report.get("pnl", {})
    check = report.get("ledger_check")
    lines = [
        f"run {report.get('run_id', run_dir.name)}  mode {report.get('mode')}",
        f"opportunities {report.get('opportunities', 0)}  trades {trades or 0}  orders {report.get('orders', 0)}  rejects {report.get('rejects') or 0}",
        f"pnl usd {pnl.get('usd', '-')}  split {pnl.get('split', {})}",
        f"tick_to_trade  {_stage(report, 'tick_to_trade')}",
        f"own            {_stage(report, 'own')}",
        f"open pairs {report.get('open_pairs') or 0}  unhedged {report.get('unhedged') or 'none'}  ring {report.get('ring', {})}",
    ]
    if quotes := report.get("quotes"):
        lines.append(f"orders that rested {quotes.get('placed', 0)}, {quotes.get('unfilled', 0)} of them without a fill")
    if check is not None:
        word = "equal to the last unit" if check.get("equal") else f"DIFFERENT: {check.get('error') or check.get('differences')}"
        lines.append(f"ledger against the venues' own: {word}")
    for venue, fact in report.get("venues", {}).items():
        if "reason" in fact:
            attempts = f" ({fact['attempts']} attempts)" if fact.get("attempts") else ""
            lines.append(f"{venue} was out of reach: {fact['reason']}{attempts}")
    if "engine" in report:
        lines.append(f"the engine {report['engine']}")
    lines.append(f"report {run_dir / 'report.json'}   latency: tools/latency_report {run_dir.name}")
    return lines


def print_summary(console: Console, report: dict[str, Any], run_dir: pathlib.Path) -> None:
    for line in summary_lines(report, run_dir):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
