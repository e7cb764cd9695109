"""What the engine says about itself over the control socket, and the report of a run.

`status` is asked a few times a second while the engine trades, so it is short: pairs, trades, PnL and counters, all from the
engine's own memory. Books, feeds and latency are in shared memory: whoever wants them reads them there (engine/observe.py), and
the engine pays nothing."""
import functools
import pathlib
import subprocess
import time
from typing import TYPE_CHECKING, Any

from cext import layout
from cext.hist import percentiles
from engine.machine import machine_facts
from engine.report import compose_report

if TYPE_CHECKING:
    from engine.shell import Shell

ALARMS_SHOWN = 20
PAIRS_SHOWN = 60
PAIRS_LOOKED_AT = 120   # and those that have a trade: bounds the turn on the engine's loop
TRADING_NAMES = {layout.TRADING_ACTIVE: "ACTIVE", layout.TRADING_CAUTIOUS: "CAUTIOUS", layout.TRADING_RESTRICTED: "RESTRICTED",
                 layout.TRADING_HALTED: "HALTED", layout.TRADING_EMERGENCY: "EMERGENCY"}
FEED_COUNTERS = ("gaps", "invalid", "crossed", "duplicates", "resyncs")


def decimal_text(value: int, scale: int) -> str:
    """6168599 with scale 2 -> '61685.99'."""
    sign, digits = ("-", -value) if value < 0 else ("", value)
    text = f"{digits:0{scale + 1}d}"
    return f"{sign}{text[:-scale]}.{text[-scale:]}" if scale > 0 else f"{sign}{text}"


def books(shell: "Shell") -> list[dict[str, Any]]:
    """One row an instrument: what the core holds, so what decisions are made from. On request only."""
    now = time.monotonic_ns()
    rows = []
    for row in shell.table.rows:
        market = shell.core.market(row.id)
        bids, asks, at = market["bids"], market["asks"], market["data_mono_ns"]
        state = (
            "NONE"
            if not market["instrument_seq"]
            else "CROSSED"
            if market["is_crossed"]
            else "LIVE"
            if market["is_valid"]
            else "INVALID"
        )
        rows.append({"name": row.name, "state": state, "age_ms": (now - at) / 1e6 if at else None,
                     "bid": decimal_text(bids[0][0], row.px_scale) if bids else None,
                     "ask": decimal_text(asks[0][0], row.px_scale) if asks else None})
    return rows


def pairs(shell: "Shell") -> list[dict[str, Any]]:
    """One row a pair: basis, edge, state, and why it does not trade right now. Held pairs first, then the largest edge."""
    now = time.monotonic_ns()
    rows = []
    looked_at = {*range(min(PAIRS_LOOKED_AT, len(shell.core.pairs()))), *shell.trades.manager.owned_pairs()}
    for index in sorted(looked_at):
        view = shell.core.pair_view(index, now)
        edges = [edge for edge in (view["edge_bps"], view["reverse_edge_bps"]) if edge is not None]
        rows.append({"name": shell.strategies.describe(index), "state": view["state_name"], "basis_bps": view["basis_bps"],
                     "edge_bps": max(edges, default=None), "why": view["why_not"] if view["is_enabled"] else view["disabled"]})
    rows.sort(key=lambda pair: (pair["state"] == "FLAT", -(pair["edge_bps"] if pair["edge_bps"] is not None else -1e9)))
    return rows[:PAIRS_SHOWN]


def feed_row(name: str, reader: Any, rows: range, now_mono_ns: int) -> dict[str, Any]:
    """One feed, from its segment's header and board. `rows` = rows of the instrument table; the feed may know the first of them
    only."""
    if reader is None:
        return {"name": name, "state": "down"}
    header = reader.header()
    board = [reader.read_row(row) for row in rows[:header["instrument_count"]]]
    return {"name": name, "state": "up" if reader.is_producer_alive() else "dead", "pid": header["producer_pid"],
            "heartbeat_age_ms": (now_mono_ns - reader.heartbeat_mono_ns()) / 1e6, "frames": header["frames"],
            "records": header["cursor"],
            "unknown_frames": header["unknown_frames"], "oversized_frames": header["oversized_frames"],
            "reconnects": header["reconnects"],
            **{key: sum(entry[key] for entry in board) for key in FEED_COUNTERS}}


def feeds(shell: "Shell") -> list[dict[str, Any]]:
    """One row a feed."""
    now = time.monotonic_ns()
    return [feed_row(name, reader, range(len(shell.table.rows)), now) for name, reader in shell.feed_readers().items()]


def stages(shell: "Shell") -> dict[str, dict[str, int]]:
    """count and percentiles by stage, engine and feeds together."""
    return {name: percentiles(histogram) for name, histogram in shell.histograms().items()}


def counters(shell: "Shell") -> dict[str, Any]:
    """Counts of the core and the poll step; reasons by name."""
    core, poll = shell.core.counters(), shell.poller.counters()
    return {"opportunities": core["opportunities"], "intents": poll["intents"], "orders": poll["orders"],
            "quotes": core["quotes"], "withdrawn": core["withdrawn"],
            "records": poll["records"],
            "abandoned": poll["abandoned"], "journal_full": poll["journal_full"], "turns": poll["turns"],
            "rehearsals_passed": poll["rehearsals_passed"], "rejects": core["rejects"],
            "skips": core["skips"]}


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
    """The engine's part of what the screen shows."""
    base = {"run_id": shell.run_id, "mode": shell.config.mode, "phase": shell.phase, "wait": "spin"
            if shell.is_spinning else "wake",
            "cpu": shell.cpu, "uptime_s": time.monotonic() - shell.started_s, "alarms": list(shell.alarms)[-ALARMS_SHOWN:],
            "trading": TRADING_NAMES.get(shell.state.trading_word(), "?"), "feed_states": shell.feed_states()}
    if shell.trades is None:
        return base
    return {**base, "pairs": pairs(shell), "trades": shell.trades.status(), "pnl": shell.trades.pnl(),
            "counters": counters(shell), "ring": ring(shell)}


@functools.cache
def commit() -> str:
    """The commit that runs, or 'unknown' outside a checkout."""
    root = pathlib.Path(__file__).resolve().parents[1]
    done = subprocess.run(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() or "unknown"


def report(shell: "Shell") -> dict[str, Any]:
    """report.json as of now."""
    counts = counters(shell)
    return compose_report(
        run_id=shell.run_id, mode=shell.config.mode, commit=commit(), config_hash=shell.config_hash,
        trade_part=shell.trades.manager.report(),
        feeds={feed["name"]: {key: value for key, value in feed.items() if isinstance(value, int)} for feed in feeds(shell)},
        opportunities=counts["opportunities"], gate_rejects=counts["rejects"], stages=stages(shell), ring=ring(shell),
        machine=machine_facts(),
        extra={"skips": counts["skips"], "counters": {key: value for key, value in counts.items() if isinstance(value, int)},
               "alarms": list(shell.alarms), "epoch": shell.epoch, "started_wall_ns": shell.started_wall_ns,
               "stopped_wall_ns": time.time_ns(),
               "wait": "spin" if shell.is_spinning else "wake"})
