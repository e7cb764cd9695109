"""How long does the engine look at an instrument with four adjacent pairs?

Measured: one EV_EVALUATE with one touched instrument, in place: eight other records of random instruments (of 100) pass before
it, then its own; `miss`: no pair has an edge; `hit`: one pair has, is walked through both depths, sized and made into an
intent. The hit's time in the gate is measured apart (bench_gate, same run) and taken off. Left out: copying the record (EV_BOOK
is in bench_scale). A good number is below 300 ns for both. The intent is compared with the Decimal twin's before a time is
reported.

`venues_*`: the same among three venues with every kind of pair, where a row has five: a unified account's spot against its own
perpetual fires (both legs pay from one wallet), the other four find the instrument busy."""
import random
from typing import Any

import numpy as np

from bench import core_loops
from bench.bench_gate import gate_samples
from bench.core_worlds import PERPS, fill_books, make_venue_world, make_world, record, ring
from bench.harness import percentiles, quiet
from cext.core import CMD_SEND
from tests.support.slow_core import check_entry

COINS = 20


def samples_of(world: Any, records: np.ndarray, rows: list[int], count: int) -> tuple[np.ndarray, int]:
    out = np.zeros(count, np.int64)
    hits = core_loops.time_evaluate(world.core, records, np.array(rows, np.int64), world.now, out)
    return np.maximum(out - core_loops.clock_cost(), 0), hits


def venue_samples(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(misses, hits) at the spot rows of a unified account among three venues."""
    rng = random.Random(13)
    world = make_venue_world(COINS)
    fill_books(world, rng)
    spots = [6 * coin + 2 for coin in range(COINS)]
    others = ring(world, rng, size, [row for row in range(len(world.rows)) if row not in spots])
    found = []
    for edge_bps, expected in ((0.0, 0), (-100.0, count)):
        chosen = np.frombuffer(b"".join(record(world, row, 1000.0, rng, edge_bps) for row in spots), np.uint8)
        samples, hits = samples_of(world, np.concatenate([chosen, others]), spots, count)
        assert hits == expected
        found.append(samples)
    world.core.check()
    return found[0], found[1]


def measure(quick: bool = False) -> dict[str, Any]:
    size, count = (256, 500) if quick else (4_096, 100_000)
    rng = random.Random(7)
    world = make_world(COINS)
    fill_books(world, rng)
    spots = [coin * (PERPS + 1) for coin in range(COINS)]
    others = ring(world, rng, size, [row for row in range(len(world.rows)) if row not in spots])
    calm = np.frombuffer(b"".join(record(world, row, 1000.0, rng) for row in spots), np.uint8)
    # A spot book 100 bps below the perpetuals: the first pair fires, the others find their spot instrument busy.
    cheap = np.frombuffer(b"".join(record(world, row, 1000.0, rng, -100.0) for row in spots), np.uint8)
    world.core.on_book(spots[0], cheap[:640].tobytes(), 0, world.now, world.wall)
    sent = [index for kind, _reason, index in world.evaluate() if kind == CMD_SEND]
    assert len(sent) == 1
    check_entry(world, world.core.intent(sent[0]))
    world.fill_all(sent[0])
    world.core.set_pair_state(0, 0)
    world = make_world(COINS)
    fill_books(world, rng)
    with quiet():
        misses, none = samples_of(world, np.concatenate([calm, others]), spots, count)
        hits, fired = samples_of(world, np.concatenate([cheap, others]), spots, count)
        gate = percentiles(gate_samples(size, count).tolist())
        venue_misses, venue_hits = (percentiles(samples.tolist()) for samples in venue_samples(size, count))
    assert none == 0 and fired == count
    world.core.check()
    miss, hit = percentiles(misses.tolist()), percentiles(hits.tolist())
    return {"detect.ns": max(miss["p50"], hit["p50"] - gate["p50"]), "detect.miss_ns": miss["p50"],
            "detect.miss_p99_ns": miss["p99"],
            "detect.hit_ns": hit["p50"] - gate["p50"], "detect.hit_with_gate_ns": hit["p50"],
            "detect.hit_with_gate_p99_ns": hit["p99"],
            "detect.venues_miss_ns": venue_misses["p50"], "detect.venues_hit_ns": venue_hits["p50"] - gate["p50"],
            "detect.miss": miss, "detect.hit": hit}


def test_detect_bench_runs() -> None:
    assert measure(quick=True)["detect.ns"] > 0
