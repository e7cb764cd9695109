"""One-way hop of a book record between two pinned processes: publish stamp in the producer to the clock after the copy in the
reader.

Ours does more than the bare C hop beside it (board entry first, seqlock, lap, generation and per-instrument checks); good is p50
<= 1.3 x. Both move 640 bytes through rings of 4,096 slots at the spacing at which a real feed's frames arrived (waits above 5 ms
are cut: a cache does not get colder), interleaved. Left out: the wake-up of a sleeping reader. Also the cost of one publish, poll
and board read in one process."""
import multiprocessing
import os
import pathlib
import random
import subprocess
import tempfile
from typing import Any

import numpy as np

from bench import harness

SLOTS = 4096
ROWS = 100
SPACING_MAX_NS = 5_000_000
RECORDING = "hftbacktest/usdm/btcusdt_20240808.gz"


def recorded_spacing(count: int) -> tuple[np.ndarray, str]:
    """(waits in ns, where they come from): inter-arrivals of a recording beside the project, or generated ones of the same
    shape."""
    shared = pathlib.Path(os.environ.get("LOCKSTEP_SHARED", harness.ROOT.parent / "shared")) / "data" / RECORDING
    if shared.exists():
        import gzip
        with gzip.open(shared) as lines:
            stamps = [int(line.split(b" ", 1)[0]) for line, _ in zip(lines, range(count + 1), strict=False)]
        return np.minimum(np.diff(np.array(stamps, np.int64)), SPACING_MAX_NS), RECORDING
    rng = random.Random(20240808)  # half of the gaps are bursts of microseconds, the rest spread over milliseconds, as recorded
    waits = [int(rng.uniform(400, 4_000)) if rng.random() < 0.5 else int(rng.expovariate(1 / 3e6)) for _ in range(count)]
    return np.minimum(np.array(waits, np.int64), SPACING_MAX_NS), "generated, seed 20240808"


def compile_reference(folder: pathlib.Path) -> pathlib.Path:
    """The bare C hop, compiled here and now."""
    binary = folder / "c_hop"
    source = harness.ROOT / "bench" / "reference" / "c_hop.c"
    subprocess.run(["cc", "-O3", "-march=native", "-o", str(binary), str(source)], check=True)
    return binary


def cpus() -> tuple[int, int]:
    """(writer, reader): the first and the last CPU that we may use."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


def c_hop(binary: pathlib.Path, spacing: np.ndarray) -> np.ndarray:
    """Latencies of the reference."""
    writer, reader = cpus()
    done = subprocess.run([str(binary), str(SLOTS), str(writer), str(reader)], input=spacing.tobytes(), stdout=subprocess.PIPE,
                          check=True)
    return np.frombuffer(done.stdout, np.int64)


def _produce(run_id: str, cpu: int, spacing: np.ndarray, is_ready: Any, go: Any, done: Any) -> None:
    from bench import ring_loops
    from cext.ring import FeedWriter
    os.sched_setaffinity(0, {cpu})
    writer = FeedWriter(run_id, "bench", ROWS, ring_capacity=SLOTS)
    is_ready.set()
    go.wait()
    with harness.quiet():
        ring_loops.produce(writer, spacing, ROWS)
    done.wait()
    writer.close()


def ring_hop(spacing: np.ndarray) -> np.ndarray:
    """Latencies of our ring, real processes; checks that every record arrived, in order."""
    from bench import ring_loops
    from cext.ring import RingReader
    writer_cpu, reader_cpu = cpus()
    run_id = f"bench-{os.getpid()}"
    context = multiprocessing.get_context("fork")
    is_ready, go, done = context.Event(), context.Event(), context.Event()
    process = context.Process(target=_produce, args=(run_id, writer_cpu, spacing, is_ready, go, done))
    process.start()
    try:
        if not is_ready.wait(10):
            raise RuntimeError("the producing process did not come up")
        reader = RingReader(run_id, "bench")
        latency = np.zeros(len(spacing), np.int64)
        with harness.quiet(reader_cpu):
            go.set()
            checksum = ring_loops.consume(reader, latency)
        if checksum != len(spacing) * (len(spacing) - 1) // 2:
            raise RuntimeError(f"the reader saw a wrong set of records: checksum {checksum}, {reader.counters()}")
        return latency
    finally:
        done.set()
        process.join()


def single_process_costs(rounds: int) -> dict[str, float]:
    """ns of one publish, poll that finds a record, empty poll, board read: one process, so without any hand-over between
    cores."""
    from bench import ring_loops
    from cext.ring import FeedWriter, RingReader
    writer = FeedWriter(f"bench-{os.getpid()}", "costs", ROWS, ring_capacity=SLOTS)
    reader = RingReader(f"bench-{os.getpid()}", "costs")
    publish, hit = [], []
    with harness.quiet(cpus()[1]):
        for _ in range(rounds):
            publish.append(ring_loops.time_publish(writer, SLOTS // 2, ROWS))
            cost, got = ring_loops.time_poll(reader, SLOTS // 2)
            if got != SLOTS // 2:
                raise RuntimeError(f"{got} of {SLOTS // 2} records read")
            hit.append(cost)
        empty, _ = ring_loops.time_poll(reader, 1_000_000)
        board = ring_loops.time_read_board(reader, 10_000, ROWS)
    writer.close()
    return {"ring_publish.ns": float(np.median(publish)), "ring_poll_hit.ns": float(np.median(hit)), "ring_poll_empty.ns": empty,
            "ring_read_board.ns": board}


def measure(quick: bool = False) -> dict[str, Any]:
    """Flat figures; ring_hop.ratio_vs_c is the median over rounds of p50 / p50."""
    rounds, count = (1, 200) if quick else (5, 4000)
    spacing, source = recorded_spacing(count)
    if quick:
        spacing = np.minimum(spacing, 200_000)
    with tempfile.TemporaryDirectory() as folder:
        binary = compile_reference(pathlib.Path(folder))
        samples: dict[str, list[np.ndarray]] = {"ours": [], "c": []}
        for _ in range(rounds):
            samples["c"].append(c_hop(binary, spacing))
            samples["ours"].append(ring_hop(spacing))
    ratio = float(np.median([np.median(a) / np.median(b) for a, b in zip(samples["ours"], samples["c"], strict=True)]))
    ours, reference = np.concatenate(samples["ours"]), np.concatenate(samples["c"])
    return {"ring_hop.ratio_vs_c": ratio, "ring_hop.p50_ns": float(np.median(ours)),
            "ring_hop.c_p50_ns": float(np.median(reference)),
            "ring_hop.percentiles": harness.percentiles(ours.tolist()),
            "ring_hop.c_percentiles": harness.percentiles(reference.tolist()),
            "ring_hop.spacing": source, **single_process_costs(3 if quick else 31)}


def test_ring_hop_bench_runs() -> None:
    assert measure(quick=True)["ring_hop.ratio_vs_c"] > 0
