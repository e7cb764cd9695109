"""What a person sees while the system runs: a rich screen on a terminal, one plain line a second elsewhere.

Draws one status dict (docs/control-protocol.md, "status") and knows nothing else. tools/status uses it too."""
from typing import Any

from rich.console import Console, Group
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

STATE_STYLE = {"LIVE": "green", "SYNCING": "yellow", "INVALID": "red", "DOWN": "red", "CROSSED": "red", "NONE": "dim",
               "OPEN": "cyan", "CLOSED": "green", "PENDING": "yellow", "RECOVERING": "red", "UNWINDING": "red",
               "MANUAL": "bold red"}
STAGE_ROWS = ("recv", "decode", "publish", "ring", "detect", "gate", "journal", "encode", "send", "ack", "fill", "tick_to_trade",
              "own", "naked", "repair")


def human_ns(value: float | None) -> str:
    """1234 -> '1.23 us'; None or no samples -> '-'."""
    if value is None:
        return "-"
    for limit, divisor, unit in ((1_000, 1, "ns"), (1_000_000, 1e3, "us"), (1_000_000_000, 1e6, "ms")):
        if value < limit:
            return f"{value / divisor:.0f} {unit}" if divisor == 1 else f"{value / divisor:.2f} {unit}"
    return f"{value / 1e9:.2f} s"


def _styled(state: str) -> Text:
    return Text(state, style=STATE_STYLE.get(state, ""))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", expand=True, box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    return table


def header(status: dict[str, Any]) -> Text:
    """One line: mode, run, trading state, time."""
    trading = status.get("trading", "?")
    text = Text.assemble(("Lockstep ", "bold"), f"{status.get('mode', '?')}  run {status.get('run_id', '?')}  ",
                         (trading, "green" if trading == "ACTIVE" else "bold red"),
                         f"  {status.get('phase', '')}  up {status.get('uptime_s', 0):.0f} s  engine {status.get('wait', '?')}"
                         f" on cpu {status.get('cpu', '-')}")
    return text


def books(status: dict[str, Any], rows: int) -> Table:
    table = _table("Books", "instrument", "bid", "ask", "age ms", "state")
    for book in status.get("books", [])[:rows]:
        age = book.get("age_ms")
        table.add_row(book["name"], book.get("bid") or "-", book.get("ask") or "-", "-" if age is None else f"{age:.0f}",
                      _styled(book["state"]))
    return table


def pairs(status: dict[str, Any], rows: int) -> Table:
    table = _table("Pairs", "pair", "basis bps", "edge bps", "state", "why not")
    for pair in status.get("pairs", [])[:rows]:
        table.add_row(pair["name"], f"{pair['basis_bps']:.2f}" if pair.get("basis_bps") is not None else "-",
                      f"{pair['edge_bps']:.2f}" if pair.get("edge_bps") is not None else "-", _styled(pair.get("state", "")),
                      pair.get("why", ""))
    return table


def trades(status: dict[str, Any], rows: int) -> Table:
    table = _table("Trades (open and recent)", "pair", "trade", "state", "held", "edge bps", "pnl usd")
    for trade in status.get("trades", {}).get("recent", [])[:rows]:
        table.add_row(trade.get("pair", ""), str(trade["id"]), _styled(trade["state"]),
                      _short(trade.get("qty")),
                      f"{trade['edge_bps']:.1f}" if trade.get("edge_bps") is not None else "-", _short(trade.get("pnl_usd")))
    return table


def _short(value: Any) -> str:
    """A decimal string with four places at most: the report has all of them."""
    text = str(value or "0")
    whole, point, places = text.partition(".")
    return f"{whole}{point}{places[:4]}" if point else whole


def stages(status: dict[str, Any]) -> Table:
    table = _table("Latency", "stage", "count", "p50", "p99", "max")
    for name in STAGE_ROWS:
        row = status.get("stages", {}).get(name)
        if row and row.get("count"):
            style = "bold" if name in ("tick_to_trade", "own") else ""
            table.add_row(Text(name, style=style), str(row["count"]), human_ns(row["p50_ns"]), human_ns(row["p99_ns"]),
                          human_ns(row["max_ns"]))
    return table


def totals(status: dict[str, Any]) -> Table:
    counters, ring, pnl = status.get("counters", {}), status.get("ring", {}), status.get("pnl", {})
    table = _table("Totals", "", "")
    by_state = status.get("trades", {}).get("by_state", {})
    table.add_row("PnL usd", _short(pnl.get("usd")))
    for part, value in (pnl.get("split") or {}).items():
        table.add_row(f"  {part}", _short(value))
    table.add_row("opportunities", str(counters.get("opportunities", 0)))
    table.add_row("trades", ", ".join(f"{state} {count}" for state, count in by_state.items()) or "0")
    table.add_row("orders", str(counters.get("orders", 0)))
    rejects = counters.get("rejects", {})
    table.add_row("refused", ", ".join(f"{name} {count}"
                                       for name, count in sorted(rejects.items(), key=lambda item: -item[1])[:3]) or "0")
    for feed in status.get("feeds", []):
        table.add_row(f"feed {feed['name']}",
                      f"{feed.get('frames', 0)} frames, gaps {feed.get('gaps', 0)}, invalid {feed.get('invalid', 0)}")
    table.add_row("ring laps / torn", f"{ring.get('laps', 0)} / {ring.get('torn', 0)}")
    return table


def alarms(status: dict[str, Any], rows: int) -> Group:
    lines = [Text("Alarms", style="bold italic")]
    for alarm in status.get("alarms", [])[-rows:]:
        lines.append(Text(f"{alarm.get('at', '')} {alarm.get('text', alarm)}", style="red"))
    if len(lines) == 1:
        lines.append(Text("none", style="green"))
    return Group(*lines)


def render(status: dict[str, Any], console: Console) -> Layout:
    """The whole screen for one status."""
    height = max(console.size.height, 20)
    top_rows = max((height - 6) // 2 - 2, 4)
    low_rows = max(height - 6 - top_rows - 6, 4)
    layout = Layout()
    layout.split_column(Layout(header(status), size=1), Layout(name="top", size=top_rows + 4), Layout(name="low"),
                        Layout(name="end", size=5))
    layout["top"].split_row(Layout(Panel(books(status, top_rows))), Layout(Panel(pairs(status, top_rows))))
    layout["low"].split_row(Layout(Panel(trades(status, low_rows)), ratio=2), Layout(Panel(stages(status)), ratio=2),
                            Layout(Panel(totals(status)), ratio=2))
    layout["end"].update(Panel(alarms(status, 3)))
    return layout


def plain_line(status: dict[str, Any]) -> str:
    """The same in one line, for pipes and logs."""
    all_books = status.get("books", [])
    live = sum(1 for book in all_books if book["state"] == "LIVE")
    counters, ring = status.get("counters", {}), status.get("ring", {})
    headline = status.get("stages", {}).get("tick_to_trade", {})
    own = status.get("stages", {}).get("own", {})
    by_state = status.get("trades", {}).get("by_state", {})
    return (
        f"{status.get('uptime_s', 0):6.1f}s {status.get('trading', '?')} {status.get('phase', '')} books {live}/{len(all_books)}"
        f" opportunities {counters.get('opportunities', 0)} trades {by_state or 0} orders {counters.get('orders', 0)}"
        f" pnl_usd {status.get('pnl', {}).get('usd', '-')}"
        f" tick_to_trade p50 {human_ns(headline.get('p50_ns'))} p99 {human_ns(headline.get('p99_ns'))}"
        f" own p50 {human_ns(own.get('p50_ns'))} laps {ring.get('laps', 0)} alarms {len(status.get('alarms', []))}"
    )
