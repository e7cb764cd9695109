"""Does the cost of one update depend on how many instruments there are?

Measured: EV_BOOK and EV_EVALUATE of one record of a uniformly random instrument, among 10 and among 1,000 instruments with
equal adjacency (a spot instrument has four pairs, a perpetual one); records come out of a ring of 4,096 (2.6 MB) in both cases,
as they do in the engine. Rounds are a millisecond long and alternate, so that what disturbs one disturbs the other. Left out:
the ring's own protocol; prefetching all ten lines of the book instead of the first was tried and gained nothing. A good ratio
is at most 1.3: what is left is that a thousand books do not fit into the first cache."""
import random
import statistics
from typing import Any

from bench import core_loops
from bench.core_worlds import fill_books, make_world, ring
from bench.harness import interleave, median_ratio, quiet


def measure(quick: bool = False) -> dict[str, Any]:
    size, updates, rounds = (256, 2_000, 3) if quick else (4_096, 40_000, 151)
    worlds = {}
    for count in (10, 1000):
        if quick and count == 1000:
            count = 100
        rng = random.Random(count)
        world = make_world(count // 5)
        fill_books(world, rng)
        worlds[count] = (world, ring(world, rng, size))
    few, many = worlds
    def contestant(count: int):
        world, records = worlds[count]
        def run() -> float:
            elapsed, seen = core_loops.time_updates(world.core, records, world.now, updates)
            assert seen == 0, "a record fired: this bench is about records that lead to nothing"
            return elapsed / updates
        return run
    with quiet():
        for count in worlds:
            contestant(count)()
        results = interleave({str(count): contestant(count) for count in worlds}, rounds)
    for world, _records in worlds.values():
        world.core.check()
        assert world.core.counters()["books"] >= updates
    return {"scale.ratio_1000_vs_10": median_ratio(results[str(many)], results[str(few)]),
            "scale.ns_10": statistics.median(results[str(few)]),
            "scale.ns_1000": statistics.median(results[str(many)]), "scale.updates": updates * rounds}


def test_scale_bench_runs() -> None:
    result = measure(quick=True)
    assert result["scale.ns_10"] > 0
