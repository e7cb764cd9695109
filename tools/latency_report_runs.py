"""A run as the latency report reads it: histograms by stage from pages and files, and what report.json says about the run.

A component that runs has its page read, one that stopped its file; both are merged by stage: histograms merge, percentiles
don't."""
from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Any

import orjson

from cext import hist, shm

ORDER = ("wire", "recv", "decode", "publish", "ring", "detect", "gate", "journal", "encode", "send", "ack", "fill",
         "tick_to_trade", "own", "naked", "repair")
HEADLINES = ("tick_to_trade", "own")
FACTS = ("mode", "commit", "config_hash", "machine")  # what two runs should have in common to be compared


class RunReadError(Exception):
    """A run that cannot be read; the text names it and the file."""


@dataclass(frozen=True)
class Run:
    """One run. `facts`: those of FACTS that its report.json says. `live`, `files`: components read from pages, from files."""
    run_id: str
    histograms: dict[str, Any]
    live: list[str]
    files: list[str]
    facts: dict[str, Any]

    @property
    def heading(self) -> str:
        """run ID, finished | run ID, running (feed.binance, engine)."""
        return f"run {self.run_id}, " + (f"running ({', '.join(self.live)})" if self.live else "finished")

    def head_json(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "is_running": bool(self.live), "live": self.live, "files": self.files}


def collect(run_dir: pathlib.Path) -> tuple[dict[str, Any], list[str], list[str]]:
    """(stage -> histogram, components read live, components read from files). A component that runs has its page read, not its
    old file."""
    run_id = run_dir.name
    parts, live = [], []
    for component in hist.live_components(run_id):
        try:
            page = hist.HistPage.open(run_id, component)
        except shm.ShmError as error:
            if error.reason == "missing":
                continue  # it stopped just now; its file is there instead
            raise
        parts.append(page.snapshot())
        live.append(component)
    files = [path for path in sorted((run_dir / "hist").glob("*.json")) if path.stem not in live]
    parts += [hist.load(path) for path in files]
    return hist.merge(parts), live, [path.stem for path in files]


def in_order(stages: set[str]) -> list[str]:
    """Pipeline order; stages of other names follow by name."""
    return [name for name in ORDER if name in stages] + sorted(stages - set(ORDER))


def read_run(run_dir: pathlib.Path) -> Run:
    """Everything about one run; RunReadError names the run, and the file or page that is wrong."""
    try:
        merged, live, files = collect(run_dir)
    except (hist.HistogramFileError, shm.ShmError) as error:
        raise RunReadError(f"run {run_dir.name}: {error}") from error
    if not merged:
        raise RunReadError(f"run {run_dir.name} has no histograms: no page in {shm.SHM_DIR} and nothing in {run_dir / 'hist'}; "
                           "did it start, and did it stop in order?")
    ordered = {name: merged[name] for name in in_order(set(merged))}
    return Run(run_dir.name, ordered, live, files, read_facts(run_dir / "report.json"))


def read_facts(path: pathlib.Path) -> dict[str, Any]:
    """Those of FACTS that a report.json says; a run that still runs, or that left no report, says none."""
    try:
        report = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunReadError(f"{path}: cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise RunReadError(f"{path}: not JSON ({error})") from error
    if not isinstance(report, dict):
        raise RunReadError(f"{path}: a {type(report).__name__}, not an object")
    return {name: report[name] for name in FACTS if report.get(name) not in (None, "", {})}


def human_ns(value: float) -> str:
    """Three to four digits and a unit: 873 ns, 4.21 us, 12.4 ms, 1.75 s."""
    for limit, divisor, unit in ((1_000, 1, "ns"), (1_000_000, 1_000, "us"), (1_000_000_000, 1_000_000, "ms")):
        if value < limit:
            scaled = value / divisor
            return f"{scaled:.0f} {unit}" if divisor == 1 or scaled >= 100 else f"{scaled:.3g} {unit}"
    return f"{value / 1e9:.3g} s"
