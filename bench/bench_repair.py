"""How fast an exposure is closed: real processes, one venue some of whose perpetual orders execute in part.

`repair`: from the receipt of the bytes that prove the exposure to the closing bytes handed to the socket (ledger, decision,
gate, journal and encoding in between; part of it is Python). `naked`: from those bytes to the ones that prove it gone, so with
the venue's answer and as many attempts as it takes. Reference, of the same trades: `ack`, an order to its answer, which no
closing can beat. Good: repair p99.9 <= 5 ms, naked p99.9 <= 500 ms. Leaves out: network, a venue's own time."""
import pathlib
import tempfile
import time
from typing import Any

from bench.support.bed import Bed, EngineRun
from cext.hist import load_run
from cext.hist import percentiles as hist_percentiles

DISLOCATIONS_PER_S = 12.0
PATIENCE_S = 240.0


def hurt_trades(bed: Bed, engine: EngineRun, wanted: int, patience_s: float) -> None:
    """Until so many intents were sent: of about every second one, the next perpetual order executes in part; its closing order
    mostly does so whole."""
    deadline, seen = time.monotonic() + patience_s, 0
    while time.monotonic() < deadline and engine.samples() < wanted:
        if engine.samples() >= seen + 2:
            seen = engine.samples()
            bed.control("fault", venue="binance", channel="oe", market="linear", verb="partial", fraction=0.4, count=1)
        time.sleep(0.02)
    bed.control("clear")


def measure(quick: bool = False) -> dict[str, Any]:
    wanted = 40 if quick else 3000
    with tempfile.TemporaryDirectory(prefix="ls-bench-") as name:
        bed = Bed(pathlib.Path(name), dislocations_per_s=DISLOCATIONS_PER_S, pairs=10 if quick else 30)
        try:
            engine = EngineRun(bed)
            try:
                engine.wait_trading()
                hurt_trades(bed, engine, wanted, 60.0 if quick else PATIENCE_S)
                report = engine.stop()
            finally:
                engine.end()
            stages = {stage: hist_percentiles(counts) for stage, counts in load_run(engine.run_dir).items()
                      if stage in ("repair", "naked", "ack")}
        finally:
            bed.close()
    if not stages["repair"]["count"]:
        raise RuntimeError(f"nothing was repaired: {report['trades']}")
    figures: dict[str, Any] = {"repair.samples": stages["repair"]["count"], "repair.exposures": stages["naked"]["count"]}
    for stage in ("repair", "naked", "ack"):
        for level in ("p50", "p99", "p999", "max"):
            figures[f"repair.{stage}_{level}_us"] = stages[stage][f"{level}_ns"] / 1e3
    return figures


def test_repair_bench_runs() -> None:
    """Tiny sizes: exposures arise and are closed, and every figure is there."""
    results = measure(quick=True)
    assert results["repair.samples"] >= 5 and results["repair.exposures"] >= 5
    assert 0 < results["repair.repair_p50_us"] < results["repair.naked_max_us"]
