"""Two runs compared stage by stage: percentiles of both, difference, ratio, and a word on what can be said at all.

Each percentile is a rank among n samples. If those samples were drawn anew, its rank would move by sqrt(n p (1-p)); 1.96 of that
to both sides is the 95 % interval, read from the counts themselves, without assuming any distribution. When the interval of a run
reaches beyond its last sample the percentile is said to have too few samples; when the two intervals touch, no difference is
claimed. Samples that follow one another are not independent, so the words are a lower bound of doubt, not a proof."""
from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from cext import hist
from tools.latency_report_runs import FACTS, Run, in_order

PERCENTS = (("p50_ns", 50.0), ("p90_ns", 90.0), ("p99_ns", 99.0), ("p999_ns", 99.9), ("p9999_ns", 99.99))
TITLES = {"p50_ns": "p50", "p90_ns": "p90", "p99_ns": "p99", "p999_ns": "p99.9", "p9999_ns": "p99.99", "max_ns": "max"}
DEVIATIONS = 1.96  # 95 % of a normal distribution lie within
SLOWER, FASTER, NO_DIFFERENCE, ONE_SAMPLE = "B slower", "B faster", "no clear difference", "one sample each"


class Compared(NamedTuple):
    """One percentile of one stage in both runs. `ratio`: b / a, None when a is 0."""
    a_ns: int
    b_ns: int
    says: str

    @property
    def difference_ns(self) -> int:
        return self.b_ns - self.a_ns

    @property
    def ratio(self) -> float | None:
        return self.b_ns / self.a_ns if self.a_ns else None

    def to_json(self) -> dict[str, Any]:
        ratio = self.ratio
        return {"a_ns": self.a_ns, "b_ns": self.b_ns, "difference_ns": self.difference_ns,
                "ratio": None if ratio is None else round(ratio, 6), "says": self.says}


class ComparedStage(NamedTuple):
    """`rows` is empty, and `says` tells why, when one of the runs has no sample."""
    name: str
    a_count: int
    b_count: int
    rows: dict[str, Compared]
    says: str

    def to_json(self) -> dict[str, Any]:
        return {"a_count": self.a_count, "b_count": self.b_count, "says": self.says,
                "percentiles": {key: row.to_json() for key, row in self.rows.items()}}


def compare(a: Run, b: Run) -> list[ComparedStage]:
    """Stages of either run in pipeline order."""
    return [compare_stage(name, a.histograms.get(name), b.histograms.get(name))
            for name in in_order(set(a.histograms) | set(b.histograms))]


def compare_stage(name: str, a: Any, b: Any) -> ComparedStage:
    """a, b: histograms, None where the run has no such stage."""
    counts = [0 if histogram is None else histogram.total_count for histogram in (a, b)]
    if not all(counts):
        lacking = [run for run, count in zip("AB", counts, strict=True) if not count]
        return ComparedStage(name, counts[0], counts[1], {}, f"no samples in {' and '.join(lacking)}")
    values = [hist.percentiles(histogram) for histogram in (a, b)]
    running = [np.cumsum(hist.counts_of(histogram)) for histogram in (a, b)]
    rows = {key: Compared(values[0][key], values[1][key], judge(running[0], running[1], percent)) for key, percent in PERCENTS}
    rows["max_ns"] = Compared(values[0]["max_ns"], values[1]["max_ns"], ONE_SAMPLE)
    return ComparedStage(name, counts[0], counts[1], rows, "")


def judge(a: np.ndarray, b: np.ndarray, percent: float) -> str:
    """The word for one percentile. a, b: running sums of the counts of each run."""
    intervals = [interval_of(running, percent) for running in (a, b)]
    lacking = [run for run, interval in zip("AB", intervals, strict=True) if interval is None]
    if lacking:
        return f"too few samples in {' and '.join(lacking)}"
    (a_low, a_high), (b_low, b_high) = [interval for interval in intervals if interval is not None]
    if b_low > a_high:
        return SLOWER
    return FASTER if b_high < a_low else NO_DIFFERENCE


def interval_of(running: np.ndarray, percent: float) -> tuple[int, int] | None:
    """95 % interval of a percentile in ns; None when it reaches beyond the samples there are."""
    ranks = interval_ranks(int(running[-1]), percent)
    if ranks is None:
        return None
    low, high = (hist.highest_of_index(int(np.searchsorted(running, rank))) for rank in ranks)
    return low, high


def interval_ranks(count: int, percent: float) -> tuple[int, int] | None:
    """Ranks (from 1) of the samples that bound the interval; None when one of them does not exist."""
    fraction = percent / 100
    spread = DEVIATIONS * math.sqrt(count * fraction * (1 - fraction))
    low, high = math.floor(count * fraction - spread), math.ceil(count * fraction + spread) + 1
    return (low, high) if low >= 1 and high <= count else None


def differing_facts(a: Run, b: Run) -> list[str]:
    """One sentence for each thing in which the runs differ beside what is measured, or of which a run says nothing."""
    found = []
    for name in FACTS:
        title = name.replace("_", " ")
        ours, theirs = a.facts.get(name), b.facts.get(name)
        if ours is None or theirs is None:
            lacking = " and ".join(run for run, value in (("A", ours), ("B", theirs)) if value is None)
            found.append(f"{title} not said by {lacking}")
        elif isinstance(ours, dict) and isinstance(theirs, dict):
            found += [f"{title} differs: {key} {ours.get(key)} in A, {theirs.get(key)} in B"
                      for key in sorted(set(ours) | set(theirs)) if ours.get(key) != theirs.get(key)]
        elif ours != theirs:
            found.append(f"{title} differs: {ours} in A, {theirs} in B")
    return found


def comparison_json(a: Run, b: Run) -> dict[str, Any]:
    """What --json prints for two runs."""
    return {"a": a.head_json() | {"facts": a.facts}, "b": b.head_json() | {"facts": b.facts},
            "differs": differing_facts(a, b), "stages": {stage.name: stage.to_json() for stage in compare(a, b)}}
