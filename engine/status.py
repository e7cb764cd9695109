"""What the engine says about itself: the status dict of the control protocol, from the places where each fact lives.

Called a few times a second on the engine's loop, so it stays short: books of at most BOOKS_SHOWN instruments, prices as text, no copies of
histograms but the stages shown."""
import functools
import pathlib
import subprocess
import time
from typing import TYPE_CHECKING, Any

from cext import layout
from cext.core import GATE_NAMES, SKIP_NAMES
from cext.hist import percentiles
from engine.report import compose_report

if TYPE_CHECKING:
    from engine.shell import Shell

BOOKS_SHOWN = 200
ALARMS_KEPT = 50
TRADING_NAMES = {layout.TRADING_ACTIVE: "ACTIVE", layout.TRADING_CAUTIOUS: "CAUTIOUS", layout.TRADING_RESTRICTED: "RESTRICTED",
                 layout.TRADING_HALTED: "HALTED", layout.TRADING_EMERGENCY: "EMERGENCY"}


def decimal_text(value: int, scale: int) -> str:
    """6168599 with scale 2 -> '61685.99'."""
    sign, digits = ("-", -value) if value < 0 else ("", value)
    text = f"{digits:0{scale + 1}d}"
    return f"{sign}{text[:-scale]}.{text[-scale:]}" if scale > 0 else f"{sign}{text}"


def book_state(market: dict[str, Any]) -> str:
    """LIVE, CROSSED, INVALID or NONE, from the core's copy."""
    flags = market.get("flags", 0)
    if not market.get("instrument_seq"):
        return "NONE"
    if not flags & layout.BOOK_VALID:
        return "INVALID"
    return "CROSSED" if flags & layout.BOOK_CROSSED else "LIVE"


def books(shell: "Shell") -> list[dict[str, Any]]:
    """One row an instrument: what the core holds, so what decisions are made from."""
    now = time.monotonic_ns()
    rows = []
    for row in shell.table.rows[:BOOKS_SHOWN]:
        market = shell.core.market(row.id)
        bids, asks = market.get("bids") or [], market.get("asks") or []
        at = market.get("batch_mono_ns", 0)
        rows.append({"name": row.name, "state": book_state(market), "age_ms": (now - at) / 1e6 if at else None,
                     "bid": decimal_text(bids[0][0], row.px_scale) if bids else None,
                     "ask": decimal_text(asks[0][0], row.px_scale) if asks else None,
                     "bid_levels": market.get("bid_levels_total", 0), "ask_levels": market.get("ask_levels_total", 0)})
    return rows


def pairs(shell: "Shell") -> list[dict[str, Any]]:
    """One row a pair: basis, edge, state, and why it does not trade right now."""
    now = time.monotonic_ns()
    rows = []
    for index, (spot_row, _perp_row) in enumerate(shell.core.pairs()):
        view = shell.core.pair_view(index, now)
        rows.append({"name": shell.table.rows[spot_row].name, "state": view.get("state"), "basis_bps": view.get("basis_bps"),
                     "edge_bps": view.get("edge_bps"), "why": view.get("why") or ""})
    return sorted(rows, key=lambda pair: (pair["state"] == "FLAT", -(pair["edge_bps"] if pair["edge_bps"] is not None else -1e9)))


def feeds(shell: "Shell") -> list[dict[str, Any]]:
    """One row a feed, from its segment's header and board."""
    now = time.monotonic_ns()
    rows = []
    for name, reader in shell.feed_readers().items():
        if reader is None:
            rows.append({"name": name, "state": "down"})
            continue
        header = reader.header()
        board = [reader.read_row(row.id) for row in shell.table.rows]
        rows.append({"name": name, "state": "up" if reader.is_producer_alive() else "dead", "pid": header["producer_pid"],
                     "heartbeat_age_ms": (now - reader.heartbeat_mono_ns()) / 1e6, "frames": header["frames"], "records": header["cursor"],
                     "unknown_frames": header["unknown_frames"], "oversized_frames": header["oversized_frames"],
                     "reconnects": header["reconnects"],
                     **{key: sum(entry[key] for entry in board) for key in ("gaps", "invalid", "crossed", "duplicates", "resyncs")}})
    return rows


def stages(shell: "Shell") -> dict[str, dict[str, int]]:
    """count and percentiles by stage, engine and feeds together."""
    return {name: percentiles(histogram) for name, histogram in shell.histograms().items()}


def counters(shell: "Shell") -> dict[str, Any]:
    """Counts of the core and the poll step; reasons by name."""
    core, poll = shell.core.counters(), shell.poller.counters()
    return {"opportunities": core["opportunities"], "intents": poll["intents"], "orders": poll["orders"], "records": poll["records"],
            "abandoned": poll["abandoned"], "journal_full": poll["journal_full"], "turns": poll["turns"],
            "rejects": named_counts(core["refused"], GATE_NAMES), "skips": named_counts(core["skips"], SKIP_NAMES)}


def named_counts(counts: Any, names: list[str]) -> dict[str, int]:
    """Reason codes with a count, by name. Takes a list by code or a dict."""
    if isinstance(counts, dict):
        return {str(name): count for name, count in counts.items() if count}
    return {names[code]: count for code, count in enumerate(counts) if count and code < len(names)}


def ring(shell: "Shell") -> dict[str, int]:
    """Records lost to laps and torn reads, over all readers."""
    totals = {"laps": 0, "lost": 0, "torn": shell.poller.counters()["torn"]}
    for reader in shell.feed_readers().values():
        if reader is not None:
            counts = reader.counters()
            totals["laps"] += counts["laps"]
            totals["lost"] += counts["lost"]
            totals["torn"] += counts["torn"]
    return totals


def status(shell: "Shell") -> dict[str, Any]:
    """Everything the screen shows."""
    base = {"run_id": shell.run_id, "mode": shell.config.mode, "phase": shell.phase, "wait": "spin" if shell.is_spinning else "wake",
            "cpu": shell.cpu, "uptime_s": time.monotonic() - shell.started_s, "alarms": list(shell.alarms)[-ALARMS_KEPT:],
            "trading": TRADING_NAMES.get(shell.state.trading_word(), "?")}
    if shell.trades is None:
        return base
    every_book = books(shell)
    return {**base, "feeds": feeds(shell), "books": every_book, "book_count": len(shell.table.rows), "pairs": pairs(shell),
            "trades": shell.trades.status(), "pnl": shell.trades.pnl(), "counters": counters(shell), "stages": stages(shell), "ring": ring(shell)}




@functools.cache
def commit() -> str:
    """The commit that runs, or 'unknown' outside a checkout."""
    root = pathlib.Path(__file__).resolve().parents[1]
    done = subprocess.run(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def report(shell: "Shell") -> dict[str, Any]:
    """report.json as of now."""
    counts = counters(shell)
    return compose_report(
        run_id=shell.run_id, mode=shell.config.mode, commit=commit(), config_hash=shell.config_hash, trade_part=shell.trades.manager.report(),
        feeds={feed["name"]: {key: value for key, value in feed.items() if isinstance(value, int)} for feed in feeds(shell)},
        opportunities=counts["opportunities"], gate_rejects=counts["rejects"], stages=stages(shell), ring=ring(shell),
        extra={"skips": counts["skips"], "counters": {key: value for key, value in counts.items() if isinstance(value, int)},
               "alarms": list(shell.alarms), "epoch": shell.epoch, "started_wall_ns": shell.started_wall_ns, "stopped_wall_ns": time.time_ns(),
               "wait": "spin" if shell.is_spinning else "wake"})
