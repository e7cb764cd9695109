"""One journal append of an intent_t, as the engine does it: CRC32C, copy, commit word, into a touched segment on /dev/shm, clock
read around it.

Held to p50 <= 150 ns and p99.9 <= 5,000 ns. The clock's own cost (its median, measured beside it) is in the samples and is given
apart. Reference in the same run, interleaved: os.write of the same bytes to a file opened for appending (no sync), what a plain
log would do. In place: between two appends the bench walks over 1 MiB as the engine's other work does
(`journal.in_place_p50_ns`)."""
import os
import pathlib
import tempfile
import time
from typing import Any

import numpy as np

from bench import harness, journal_loops
from cext import layout, shm
from cext.journal import JournalReader, JournalWriter

PAYLOAD = layout.STRUCT_BYTES["intent_t"]


def append_run(writer: JournalWriter, count: int) -> np.ndarray:
    """ns of `count` appends, spare segments prepared between batches as the calm side does."""
    batch = 2000
    parts = []
    for _ in range(max(1, count // batch)):
        writer.tend()
        latency = np.zeros(min(batch, count), np.int64)
        if journal_loops.time_appends(writer, latency, PAYLOAD):
            raise RuntimeError("the journal had no room: spare segments were not prepared in time")
        parts.append(latency)
        while not writer.has_spare():
            writer.tend()
            time.sleep(0.001)
    return np.concatenate(parts)


def write_run(descriptor: int, count: int) -> np.ndarray:
    """ns of `count` os.write calls of the same size."""
    data = bytes(layout.STRUCT_BYTES["journal_record_t"] + PAYLOAD)
    latency = np.zeros(count, np.int64)
    for i in range(count):
        started = time.perf_counter_ns()
        os.write(descriptor, data)
        latency[i] = time.perf_counter_ns() - started
    return latency


def check(run_id: str, wanted: int) -> None:
    """Every append must be readable: count, order and content."""
    count = 0
    for record in JournalReader.live(run_id):
        count += 1
        if record.seq != count or record.payload[8:16] != b"\x5a" * 8:
            raise RuntimeError(f"record {count} is not what was appended: {record}")
    if count != wanted:
        raise RuntimeError(f"{count} of {wanted} appends can be read back")


def measure(quick: bool = False) -> dict[str, Any]:
    """journal.p50_ns, .p999_ns with percentiles; the reference and the clock beside it."""
    rounds, count = (2, 500) if quick else (20, 10_000)
    run_id = f"bench-journal-{os.getpid()}"
    samples: dict[str, list[np.ndarray]] = {"append": [], "write": [], "place": []}
    memory, places = np.zeros(1 << 20, np.uint8), count // 5
    with tempfile.TemporaryDirectory() as folder:
        descriptor = os.open(pathlib.Path(folder) / "plain.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        writer = JournalWriter(run_id, 1)
        try:
            with harness.quiet(max(os.sched_getaffinity(0))):
                clock = np.zeros(10_000, np.int64)
                journal_loops.time_clock(clock)
                append_run(writer, 200)  # warm
                for _ in range(rounds):
                    samples["append"].append(append_run(writer, count))
                    samples["write"].append(write_run(descriptor, count // 5))
                    latency = np.zeros(places, np.int64)
                    journal_loops.time_appends_in_place(writer, latency, PAYLOAD, memory, 200)
                    samples["place"].append(latency)
                    while not writer.has_spare():
                        writer.tend()
                        time.sleep(0.001)
            check(run_id, 200 + rounds * (count + places))
        finally:
            os.close(descriptor)
            writer.close()
            shm.unlink_run(run_id)
    append = harness.percentiles(np.concatenate(samples["append"]).tolist())
    write = harness.percentiles(np.concatenate(samples["write"]).tolist())
    place = harness.percentiles(np.concatenate(samples["place"]).tolist())
    return {"journal.p50_ns": float(append["p50"]), "journal.p999_ns": float(append["p999"]), "journal.percentiles": append,
            "journal.in_place_p50_ns": float(place["p50"]), "journal.in_place_percentiles": place,
            "journal.clock_ns": float(np.median(clock)), "journal.write_p50_ns": float(write["p50"]),
            "journal.write_percentiles": write}


def test_journal_bench_runs() -> None:
    assert measure(quick=True)["journal.p50_ns"] > 0
