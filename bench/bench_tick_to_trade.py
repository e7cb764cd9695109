"""How long from a frame to two orders sent, in the real system: simulated venue, feed, engine as processes; gate and journal on.

Planted dislocations at random times (exponential, mean 150 ms) among the background traffic of 100 instruments; every one leads
to an entry, most to an exit. `own` is everything outside the two send calls. The floor is a C program that only sends two frames
of the same size to the same venue with the same spacing on the same core, in the same run, in alternating rounds. `outside` is
what the venue sees: frame sent -> both orders received, beside ccxt.pro doing the same on the same core. Leaves out: network, TLS
(but for tls_p50_us), a venue's own time. A good number: own p50 <= 4 us and p99 <= 10 us; the whole within 1.4 of the floor.

`three_vs_one_own_p50`: the same trades with Bybit and OKX read beside Binance against Binance alone, in alternating rounds
(bench/support/three_venues.py says what is the same and what they share). Good: at most 1.10."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any
from urllib.parse import urlsplit

from bench.harness import ROOT, percentiles
from bench.support import three_venues
from bench.support.bed import Bed, EngineRun
from cext.hist import load_run, merge
from cext.hist import percentiles as hist_percentiles

MEAN_SPACING_MS = 150
DISLOCATIONS_PER_S = 1000 / MEAN_SPACING_MS
FRAME_BYTES = 300   # payload of one order frame with its Ed25519 session; measured value is used when the run has one


def compile_reference(name: str, folder: pathlib.Path) -> pathlib.Path:
    """bench/reference/<name>.c -> an executable in `folder`."""
    out = folder / name
    subprocess.run(["cc", "-O2", "-o", str(out), str(ROOT / "bench" / "reference" / f"{name}.c"), "-lm", "-lpthread"], check=True)
    return out


def run_floor(bed: Bed, program: pathlib.Path, count: int, frame_bytes: int, seed: int) -> list[int]:
    """ns of two bare sends, `count` times, at the same spacing and on the same core."""
    bed.control("quiet", dislocations=False)
    spot, linear = (urlsplit(bed.simex_info["endpoints"]["binance"][name]) for name in ("spot_ws_api", "linear_ws_api"))
    done = subprocess.run([str(program), "127.0.0.1", str(spot.port), spot.path, str(linear.port), linear.path, str(frame_bytes),
                           str(count),
                           str(MEAN_SPACING_MS * 1000), str(bed.engine_cpu), str(seed)], capture_output=True, text=True,
                           check=True)
    bed.control("quiet", dislocations=True)
    return [int(line) for line in done.stdout.split()]


def run_engine(bed: Bed, intents_wanted: int) -> tuple[dict[str, Any], dict[str, Any], pathlib.Path]:
    """One engine until it has sent so many intents; (report, histograms by stage, run directory)."""
    engine = EngineRun(bed)
    try:
        engine.wait_trading()
        deadline = time.monotonic() + 30 + intents_wanted * MEAN_SPACING_MS / 1000 * 2
        while time.monotonic() < deadline and engine.samples() < intents_wanted:
            time.sleep(1.0)
        report = engine.stop()
    finally:
        engine.end()
    return report, load_run(engine.run_dir), engine.run_dir


def outside_times(bed: Bed, since_ns: int) -> list[float]:
    """us from each planted frame to the later of the two orders that answered it, as the venue stamped both."""
    planted = [json.loads(line) for line in (bed.simex_dir / "simex_dislocations.jsonl").read_text().splitlines()]
    # Without a bookTicker subscriber (ccxt.pro reads depth) the venue notes the time just after the first frame instead: in their
    # favour.
    starts = [{**one, "at": one["sent_mono_ns"] or one["mono_ns"]} for one in planted if one["event"] == "start"]
    starts = [one for one in starts if one["at"] >= since_ns]
    orders: dict[str, dict[str, list[int]]] = {}
    for order in bed.orders("binance"):
        orders.setdefault(order["symbol"], {"spot": [], "linear": []})[order["market"]].append(order["recv_mono_ns"])
    times = []
    for start in starts:
        answered = []
        for market in ("spot", "linear"):
            later = [at for at in orders.get(start["symbol"], {}).get(market, [])
                     if 0 <= at - start["at"] < 300_000_000]
            if later:
                answered.append(min(later))
        if len(answered) == 2:
            times.append((max(answered) - start["at"]) / 1000)
    return times


def run_ccxtpro(bed: Bed, count: int, symbol: str = "BTC/USDT") -> list[float]:
    """The same dislocation, answered by ccxt.pro on the engine's core."""
    bed.control("quiet", dislocations=False)
    since = time.monotonic_ns()
    with (bed.folder / "ccxtpro.out").open("w") as log:
        process = subprocess.Popen([sys.executable, str(ROOT / "bench" / "reference" / "ccxtpro_taker.py"), str(bed.simex_json),
                                    symbol, str(bed.engine_cpu)],
                                   stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("ccxt.pro did not start: " + (bed.folder / "ccxtpro.out").read_text()[-2000:])
            time.sleep(1.0)
            for _ in range(count):
                bed.control("dislocate", symbol=symbol.replace("/", ""), bps=40, duration_ms=250, leg="linear")
                time.sleep(0.6)
        finally:
            process.kill()
            process.wait()
            bed.control("quiet", dislocations=True)
            bed.flatten("binance")
    return outside_times(bed, since)


def run_cold(bed: Bed, count: int) -> list[int]:
    """tick_to_trade of first trades after 10 s without one, ns."""
    bed.control("quiet", dislocations=False)
    engine = EngineRun(bed)
    try:
        engine.wait_trading()
        symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        for index in range(count):
            time.sleep(10)
            bed.control("dislocate", symbol=symbols[index % len(symbols)], duration_ms=300)
            time.sleep(1.0)
        engine.stop()
    finally:
        engine.end()
    histogram = load_run(engine.run_dir)["tick_to_trade"]
    times = [histogram.get_value_at_percentile(50.0)] if histogram.get_total_count() else []
    bed.control("quiet", dislocations=True)
    return times


def measure(quick: bool = False) -> dict[str, Any]:
    """See the module's docstring."""
    rounds, per_round, floor_count, ccxt_count, cold_count = (1, 10, 20, 0, 0) if quick else (4, 1040, 200, 40, 4)
    results: dict[str, Any] = {}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lockstep-bench-"))
    try:
        floor_program, rtt_program = compile_reference("two_send_floor", folder), compile_reference("loopback_rtt", folder)
        bed = Bed(folder, dislocations_per_s=DISLOCATIONS_PER_S, pairs=10 if quick else 50)
        try:
            parts, whole, floors, trades, left_open, frame_bytes = [], [], [], 0, 0, FRAME_BYTES
            started_ns = time.monotonic_ns()
            for index in range(rounds):
                report, stages, run_dir = run_engine(bed, per_round)
                parts.append(stages)
                trades += report["trades"].get("CLOSED", 0)
                left_open += report["trades"].get("OPEN", 0)
                whole.append(stages["tick_to_trade"].get_value_at_percentile(50.0))
                frame_bytes = sent_frame_bytes(run_dir) or frame_bytes
                floors.append(run_floor(bed, floor_program, floor_count, frame_bytes, index + 1))
            outside = outside_times(bed, started_ns)
            merged = merge(parts)
            total, own = hist_percentiles(merged["tick_to_trade"]), hist_percentiles(merged["own"])
            floor = percentiles([value for one in floors for value in one])
            results.update({
                "tick_to_trade.trades": trades, "tick_to_trade.left_open": left_open,
                "tick_to_trade.samples": total["count"], "tick_to_trade.frame_bytes": frame_bytes,
                "tick_to_trade.own_p50_us": own["p50_ns"] / 1e3, "tick_to_trade.own_p99_us": own["p99_ns"] / 1e3,
                "tick_to_trade.p50_us": total["p50_ns"] / 1e3, "tick_to_trade.p99_us": total["p99_ns"] / 1e3,
                "tick_to_trade.floor_p50_us": floor["p50"] / 1e3, "tick_to_trade.floor_p99_us": floor["p99"] / 1e3,
                "tick_to_trade.ratio_vs_floor": statistics.median(a / percentiles(b)["p50"]
                                                                  for a, b in zip(whole, floors, strict=True)),
                "tick_to_trade.stages": {name: hist_percentiles(histogram) for name, histogram in merged.items()},
                "tick_to_trade.floor_percentiles": floor,
                "outside.p50_us": percentiles(outside).get("p50"), "outside.p99_us": percentiles(outside).get("p99"),
                "outside.percentiles": percentiles(outside)})
            if ccxt_count:
                theirs = percentiles(run_ccxtpro(bed, ccxt_count))
                results.update({"outside.ccxtpro_p50_us": theirs["p50"], "outside.ccxtpro_p99_us": theirs["p99"],
                                "outside.ratio_vs_ccxtpro": theirs["p50"] / results["outside.p50_us"],
                                "outside.ccxtpro_percentiles": theirs})
            if cold_count:
                results["tick_to_trade.cold_p50_us"] = run_cold(bed, cold_count)[0] / 1e3
        finally:
            bed.close()
        (folder / "three").mkdir()
        results.update(three_venues.compare(folder / "three", quick))
        if not quick:
            tls_folder = folder / "tls"
            tls_folder.mkdir()
            bed = Bed(tls_folder, dislocations_per_s=DISLOCATIONS_PER_S, tls=True)
            try:
                _report, stages, _ = run_engine(bed, 200)
                results["tick_to_trade.tls_p50_us"] = stages["tick_to_trade"].get_value_at_percentile(50.0) / 1e3
            finally:
                bed.close()
        cpus = sorted(os.sched_getaffinity(0))
        rtt = subprocess.run([str(rtt_program), "2000" if quick else "50000", str(cpus[-1]), str(cpus[0])], capture_output=True,
                             text=True, check=True)
        results["tick_to_trade.loopback_rtt_us"] = percentiles([int(line) for line in rtt.stdout.split()])["p50"] / 1e3
        return results
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sent_frame_bytes(run_dir: pathlib.Path) -> int:
    """Median payload of the order frames that a run sent, from its journal."""
    from cext import layout
    from cext.journal import JournalReader
    sizes = [record.decode()["frame_bytes"] for record in JournalReader(run_dir / "journal") if record.type == layout.JR_SENT]
    sizes = [size for size in sizes if size]
    return int(statistics.median(sizes)) if sizes else 0


def test_the_bench_runs(benchmark: Any = None) -> None:
    """Tiny sizes: it trades, and every figure is there."""
    results = measure(quick=True)
    assert results["tick_to_trade.samples"] >= 10
    assert results["tick_to_trade.own_p50_us"] < results["tick_to_trade.p50_us"]
    assert min(results["tick_to_trade.one.samples"], results["tick_to_trade.three.samples"]) >= 10
    assert results["tick_to_trade.three_vs_one_own_p50"] > 0
    assert results["tick_to_trade.three.frames_per_s"] > results["tick_to_trade.three.binance_frames_per_s"] > 0
