"""What every bench shares: quiet conditions, interleaving, percentiles, the facts of the machine.

A bench module has `measure(quick=False) -> dict` with flat keys ("decode_book.ns_per_kb"); it checks its result against the plain
twin before it takes a time, and measures its reference in the same run, interleaved. bench/run.py collects them all."""
import contextlib
import gc
import os
import pathlib
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def quiet(cpu: int | None = None) -> Iterator[None]:
    """GC frozen and off, as in the engine; optionally pinned to one CPU. Restores both."""
    before = os.sched_getaffinity(0)
    if cpu is not None and cpu in before:
        os.sched_setaffinity(0, {cpu})
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
        os.sched_setaffinity(0, before)


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """count, min, p50, p90, p99, p999, p9999, max of raw samples (nearest rank)."""
    ordered = sorted(samples)
    if not ordered:
        return {"count": 0}
    def rank(fraction: float) -> float:
        return ordered[min(int(fraction * len(ordered)), len(ordered) - 1)]
    return {"count": len(ordered), "min": ordered[0], "p50": rank(0.5), "p90": rank(0.9), "p99": rank(0.99), "p999": rank(0.999),
            "p9999": rank(0.9999), "max": ordered[-1]}


def interleave(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run each contestant once a round, in turn; returns what each returned (its own measured time), by name."""
    results: dict[str, list[float]] = {name: [] for name in contestants}
    for round_index in range(rounds):
        names = list(contestants)
        if round_index % 2:
            names.reverse()
        for name in names:
            results[name].append(contestants[name]())
    return results


def median_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """Median of the round-by-round ratios: noise that hits one round hits both."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def _read(path: str) -> str:
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return "unknown"


def machine_facts() -> dict[str, Any]:
    """Commit, versions, CPU, governor: stored with every result."""
    import Cython
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], check=False,
                            capture_output=True, text=True).stdout.strip()
    return {"commit": commit or "unknown", "cython": Cython.__version__, **machine.machine_facts(),
            "build_flags": "-O3 -march=native -ffp-contract=off",
            "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), "gc": "frozen and off while timing"}
