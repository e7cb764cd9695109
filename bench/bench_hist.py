"""One hist_record, in place: a loop that walks over memory as other work does, with and without a record into a histogram that
changes from step to step; the difference is what recording costs where it stands. Held to 60 ns. The CPU hides most of a record
behind the other work, so `hist.ns` is never given below what a tight loop over one histogram costs (`hist.tight_ns`).

Values are latencies as they come (log-normal around 300 ns, seed 1), so counts spread over many cache lines. Reference: hdrh's
record_value in Python with the same values, in the same run; all counts are compared with it before any time is taken."""
import os
import time
from typing import Any

import numpy as np

from bench import harness, journal_loops
from cext import hist
from cext.hist import HistPage

MEMORY_BYTES = 1 << 18
LINES = 8
STAGES = [f"stage{i}" for i in range(12)]


def check(run_id: str, values: np.ndarray) -> None:
    """The page counts exactly what hdrh counts."""
    page = HistPage.create(run_id, "check", ["a"])
    twin = hist.new_histogram()
    journal_loops.time_records(page, values)
    for value in values.tolist():
        twin.record_value(value)
    equal = page.snapshot()["a"].equals(twin)
    page.close()
    if not equal:
        raise RuntimeError("the page does not hold what hdrh holds")


def reference_ns(values: list[int]) -> float:
    """ns a record_value of hdrh."""
    twin = hist.new_histogram()
    started = time.perf_counter_ns()
    for value in values:
        twin.record_value(value)
    return (time.perf_counter_ns() - started) / len(values)


def measure(quick: bool = False) -> dict[str, Any]:
    """hist.ns (in place), hist.tight_ns, hist.hdrh_python_ns."""
    rounds, count = (3, 2000) if quick else (31, 200_000)
    run_id = f"bench-hist-{os.getpid()}"
    values = np.random.default_rng(1).lognormal(np.log(300), 0.8, count).astype(np.int64)
    check(run_id, values[:5000])
    memory = np.zeros(MEMORY_BYTES, np.uint8)
    page = HistPage.create(run_id, "bench", STAGES)
    try:
        with harness.quiet(max(os.sched_getaffinity(0))):
            samples = harness.interleave({
                "with": lambda: journal_loops.time_records_in_place(page, values, memory, LINES, True),
                "without": lambda: journal_loops.time_records_in_place(page, values, memory, LINES, False),
                "tight": lambda: journal_loops.time_records(page, values),
                "hdrh": lambda: reference_ns(values[:2000].tolist())}, rounds)
    finally:
        page.close()
    cost = [a - b for a, b in zip(samples["with"], samples["without"], strict=True)]
    tight = float(np.median(samples["tight"]))
    return {"hist.ns": max(float(np.median(cost)), tight), "hist.in_place_difference_ns": harness.percentiles(cost),
            "hist.tight_ns": tight,
            "hist.hdrh_python_ns": float(np.median(samples["hdrh"]))}


def test_hist_bench_runs() -> None:
    assert "hist.ns" in measure(quick=True)
