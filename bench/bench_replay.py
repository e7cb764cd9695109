"""How many raw frames a second tools/replay drives to the last decision, on one core, decompression included.

Input: the recorded Binance spot and USD-M frames of 2024-08-08 (135,203 messages, 36 MB of JSON), two captures merged by receive
time; without the recorded data beside the checkout, frames made here, which are smaller and say little. One round replays the
whole once; rounds go on for at least 5 seconds. What is timed is what a person waits for: read, check, decompress, merge, decode,
apply, build the record, core (copy, detect, gate, calm floor); importing and opening are not in it (`replay.setup_ms`). Good: at
least 700,000 frames/s.

Split: rounds that only decompress, rounds without core, whole rounds, and rounds in which fees of 0.2 bps provoke trades,
interleaved. Reference in the same run: zstd and orjson.loads of the same frames, which knows no book at all. The books' digests
are compared with those of an independent script before any time is taken, and every round must give the same decision hash."""
import os
import pathlib
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from bench import harness
from cext.capture import FRAME, BlockCursor
from engine.config import Config
from feeds.capture_format import CaptureReader
from tests.support.made_captures import dislocated
from tests.support.shared_data import shared_dir
from tools.replay_lib.import_common import ImportOptions
from tools.replay_lib.import_lines import LineImport
from tools.replay_lib.report import book_json
from tools.replay_lib.session import ReplaySession, ReplaySettings

RECORDED = (("spot", "hftbacktest/spot/btcusdt_20240808.gz", ["61685.99", "1.0087"], 3449),
            ("linear", "hftbacktest/usdm/btcusdt_20240808.gz", ["61659.7", "1.486"], 6547))
SECONDS_MIN = 5.0


def recorded_captures(folder: pathlib.Path) -> list[pathlib.Path] | None:
    """The recorded day as captures, or None where it is not there."""
    shared = shared_dir()
    if shared is None or not all((shared / "data" / source).exists() for _, source, *_ in RECORDED):
        return None
    paths = []
    for market, source, *_ in RECORDED:
        LineImport(ImportOptions("binance", market, [shared / "data" / source])).run(folder / market)
        paths.append(folder / market)
    return paths


def provoked() -> ReplaySettings:
    """Fees and thresholds under which that day has trades."""
    config = Config.model_validate({"strategies": {"spot_futures": {"entry_net_bps": 0, "exit_cost_bps": 0,
                                                                    "allow_reverse": "inventory"}}})
    return ReplaySettings(config=config, taker_bps={"spot": Decimal("0.2"), "linear": Decimal("0.2")},
                          inventory={"BTC": Decimal(100)})


def replay(paths: list[pathlib.Path], settings: ReplaySettings) -> ReplaySession:
    session = ReplaySession(paths, settings)
    session.run()
    return session


def check(paths: list[pathlib.Path], is_recorded: bool) -> ReplaySession:
    """The answer before the time: final books of the recorded day, no gap anywhere."""
    session = replay(paths, ReplaySettings())
    for row in session.table.rows:
        book = book_json(session, row.id)
        if book["gaps"] or book["invalid"] or book["crossed"] or not book["applied"]:
            raise RuntimeError(f"{row.name}: {book}")
        if is_recorded:
            bid, applied = next((bid, applied) for market, _, bid, applied in RECORDED if market == row.market)
            if book["bid"] != bid or book["applied"] != applied:
                raise RuntimeError(f"{row.name}: {book['bid']} after {book['applied']} deltas, expected {bid} after {applied}")
    return session


def decompress(paths: list[pathlib.Path]) -> float:
    """Seconds to read, check and decompress every block."""
    started = time.perf_counter()
    for path in paths:
        with CaptureReader(path) as reader:
            for _ in reader.blocks():
                pass
    return time.perf_counter() - started


def parse_only(paths: list[pathlib.Path]) -> float:
    """Seconds to decompress and parse every frame with orjson."""
    started = time.perf_counter()
    for path in paths:
        with CaptureReader(path) as reader:
            for _, raw in reader.blocks():
                for record in BlockCursor(raw):
                    if record[0] == FRAME:
                        orjson.loads(record[7])
    return time.perf_counter() - started


def same_hash(paths: list[pathlib.Path], settings: ReplaySettings) -> Callable[[], float]:
    """A contestant: seconds of one whole replay, whose decisions must be those of the first."""
    expected = replay(paths, settings).journal.hexdigest()

    def one() -> float:
        session = replay(paths, settings)
        if session.journal.hexdigest() != expected:
            raise RuntimeError(f"decision hash {session.journal.hexdigest()}, expected {expected}")
        return session.seconds
    return one


def measure(quick: bool = False) -> dict[str, Any]:
    """replay.frames_per_s and its split; see the module's docstring."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        found = None if quick else recorded_captures(folder)
        paths = found or [dislocated(seconds=10).write(folder / "made")]
        session = check(paths, found is not None)
        counters = session.loop.counters()
        frames = counters["frames"] + counters["snapshots"]
        started = time.perf_counter()
        ReplaySession(paths)
        setup_ms = (time.perf_counter() - started) * 1e3
        contestants: dict[str, Callable[[], float]] = {
            "decompress": lambda: decompress(paths), "books": lambda: replay(paths, ReplaySettings(with_core=False)).seconds,
            "whole": same_hash(paths, ReplaySettings()), "trading": same_hash(paths, provoked()),
            "orjson": lambda: parse_only(paths)}
        samples: dict[str, list[float]] = {name: [] for name in contestants}
        with harness.quiet(max(os.sched_getaffinity(0))):
            while sum(samples["whole"]) < (0.01 if quick else SECONDS_MIN):
                for name, seconds in harness.interleave(contestants, 1).items():
                    samples[name] += seconds
    def ns(name: str) -> float:
        return harness.percentiles(samples[name])["p50"] / frames * 1e9
    rounds = len(samples["whole"])
    return {"replay.frames_per_s": frames * rounds / sum(samples["whole"]), "replay.rounds": rounds, "replay.frames": frames,
            "replay.seconds": sum(samples["whole"]), "replay.input": "recorded 2024-08-08" if found else "made",
            "replay.decompress_ns": ns("decompress"), "replay.decode_ns": ns("books") - ns("decompress"),
            "replay.core_ns": ns("whole") - ns("books"),
            "replay.trading_frames_per_s": frames * rounds / sum(samples["trading"]), "replay.setup_ms": setup_ms,
            "replay.ratio_vs_orjson_loads": harness.median_ratio(samples["orjson"], samples["whole"]),
            "replay.percentiles": harness.percentiles([frames / seconds for seconds in samples["whole"]])}


def test_replay_bench_runs(benchmark: Any) -> None:
    result = benchmark.pedantic(measure, args=(True,), rounds=1)
    assert result["replay.frames_per_s"] > 0
