"""Does the cost of one update depend on how many instruments there are?

Measured: EV_BOOK and EV_EVALUATE of one record of a uniformly random instrument, among 10 and among 1,000 instruments with
equal adjacency (a spot instrument has four pairs, a perpetual one); records come out of a ring of 4,096 (2.6 MB) in both cases,
as they do in the engine. Rounds are a millisecond long and alternate, so that what disturbs one disturbs the other. Left out:
the ring's own protocol; prefetching all ten lines of the book instead of the first was tried and gained nothing. A good ratio
is at most 1.3: what is left is that a thousand books do not fit into the first cache.

`venues_*`: the same among three venues with every kind of pair, six instruments a coin, each with five pairs: 12 instruments and
1,002."""
import random
import statistics
from collections.abc import Callable
from typing import Any

from bench import core_loops
from bench.core_worlds import fill_books, make_venue_world, make_world, ring
from bench.harness import interleave, median_ratio, quiet
from tests.support.core_world import World


def times(make: Callable[[int], World], few: int, many: int, size: int, updates: int,
          rounds: int) -> tuple[list[float], list[float]]:
    """ns an update in each round, among few and among many coins; checked."""
    worlds = {}
    for coin_count in (few, many):
        rng = random.Random(coin_count)
        world = make(coin_count)
        fill_books(world, rng)
        worlds[coin_count] = (world, ring(world, rng, size))
    def contestant(coin_count: int) -> Callable[[], float]:
        world, records = worlds[coin_count]
        def run() -> float:
            elapsed, seen = core_loops.time_updates(world.core, records, world.now, updates)
            assert seen == 0, "a record fired: this bench is about records that lead to nothing"
            return elapsed / updates
        return run
    for coin_count in worlds:
        contestant(coin_count)()
    results = interleave({str(coin_count): contestant(coin_count) for coin_count in worlds}, rounds)
    for world, _records in worlds.values():
        world.core.check()
        assert world.core.counters()["books"] >= updates
    return results[str(few)], results[str(many)]


def measure(quick: bool = False) -> dict[str, Any]:
    size, updates, rounds = (256, 2_000, 3) if quick else (4_096, 40_000, 151)
    with quiet():
        few, many = times(make_world, 2, 20 if quick else 200, size, updates, rounds)
        venues_few, venues_many = times(make_venue_world, 2, 17 if quick else 167, size, updates, rounds)
    return {"scale.ratio_1000_vs_10": median_ratio(many, few), "scale.ns_10": statistics.median(few),
            "scale.ns_1000": statistics.median(many), "scale.updates": updates * rounds,
            "scale.venues_ratio_1000_vs_10": median_ratio(venues_many, venues_few),
            "scale.venues_ns_10": statistics.median(venues_few), "scale.venues_ns_1000": statistics.median(venues_many)}


def test_scale_bench_runs() -> None:
    result = measure(quick=True)
    assert result["scale.ns_10"] > 0 and result["scale.venues_ns_10"] > 0
