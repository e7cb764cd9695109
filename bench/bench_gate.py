"""How long does the gate take for the two legs of an entry?

Measured: `pass_gate`, all layers and the reservations, in place: eight records of random instruments (of 100) pass before each
call, the intent is one of 20 on random pairs. Left out: sizing, which made the intent. A good number is below 150 ns. Before a
time is reported every intent has passed once and given everything back (Core.check), and one that must be refused is.

`venues_*`: the same among three venues (120 instruments), where the leg that buys spot is paid by a unified account."""
import random
from typing import Any

import numpy as np

from bench import core_loops
from bench.core_worlds import PERPS, fill_books, make_venue_world, make_world, record, ring
from bench.harness import percentiles, quiet
from cext.core import CMD_SEND, GATE_LOCK_ALL
from tests.support.core_world import World

COINS = 20


def gate_samples(size: int, count: int) -> np.ndarray:
    """ns of `count` calls on one venue, the clock's own cost taken off."""
    return samples_of(make_world(COINS), [coin * (PERPS + 1) for coin in range(COINS)], size, count)


def venue_gate_samples(size: int, count: int) -> np.ndarray:
    """The same on three venues."""
    return samples_of(make_venue_world(COINS), [6 * coin + 2 for coin in range(COINS)], size, count)


def samples_of(world: World, spots: list[int], size: int, count: int) -> np.ndarray:
    """Each of the spot rows becomes cheap, which makes the intents."""
    rng = random.Random(11)
    fill_books(world, rng)
    pool = []
    for row in spots:
        world.core.on_book(row, record(world, row, 1000.0, rng, -100.0), 0, world.now, world.wall)
        sent = [index for kind, _reason, index in world.evaluate() if kind == CMD_SEND]
        assert len(sent) == 1
        intent = world.core.intent(sent[0])
        for leg in range(2):
            world.core.release(intent["intent_id"], leg)
        pool.append(sent[0])
    world.core.check()
    records = ring(world, rng, size)
    out = np.zeros(count, np.int64)
    world.core.lock_all(2**62)
    assert core_loops.time_gate(world.core, records, pool, world.now, out) == 0
    assert world.core.counters()["rejects"] == {"LOCK_ALL": count} and GATE_LOCK_ALL
    world.core.unlock()
    passed = core_loops.time_gate(world.core, records, pool, world.now, out)
    assert passed == count
    world.core.check()
    for venue_id in range(len(world.array.venues)):
        assert world.core.balance(venue_id, 1, "USDT")["reserved_e8"] == 0
    return np.maximum(out - core_loops.clock_cost(), 0)


def measure(quick: bool = False) -> dict[str, Any]:
    size, count = (256, 500) if quick else (4_096, 100_000)
    with quiet():
        samples = percentiles(gate_samples(size, count).tolist())
        of_venues = percentiles(venue_gate_samples(size, count).tolist())
    return {"gate.ns": samples["p50"], "gate.p99_ns": samples["p99"], "gate": samples,
            "gate.venues_ns": of_venues["p50"], "gate.venues_p99_ns": of_venues["p99"], "gate.venues": of_venues}


def test_gate_bench_runs() -> None:
    figures = measure(quick=True)
    assert figures["gate.ns"] >= 0 and figures["gate.venues_ns"] >= 0
