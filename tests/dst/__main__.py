"""python -m tests.dst: the simulation from the command line. A failure prints one line that repeats it, and is made small."""
from __future__ import annotations

import gc
import multiprocessing
import os
import pathlib
import sys
import time
from collections import Counter

import click

from tests.dst.scenario import Outcome, Scenario, draw, run_scenario
from tests.dst.shrink import shrink

REGRESS = pathlib.Path("tests/regress")
CHUNK = 25
COLLECT_EVERY = 10
SHRUNK_MAX = 3     # of one run: each takes some seconds


def run_seed(seed: int) -> Outcome:
    """Garbage of a few seeds at a time: looking for it as it comes takes a fifth of the time."""
    gc.disable()
    if seed % COLLECT_EVERY == 0:
        gc.collect()
    return run_scenario(draw(seed))


def make_small(outcome: Outcome) -> Scenario:
    """The same kind of failure with as little as possible."""
    kind = outcome.failure.split(":")[0]
    return shrink(draw(outcome.seed), lambda scenario: run_scenario(scenario).failure.startswith(kind))


def tell_one(seed: int) -> int:
    """One seed in full; its exit code."""
    scenario = draw(seed)
    print(scenario.to_json().decode())
    outcome = run_scenario(scenario)
    print(f"digest {outcome.digest}, {outcome.trades} trades, {outcome.orders} orders, {outcome.lives} lives")
    print("faults fired", dict(outcome.fired))
    for move, count in sorted(outcome.moves.items()):
        print(f"{count:>5}  {move[0]} -> {move[1]}")
    if outcome.failure:
        print(f"dst: FAIL seed={seed} mode={scenario.mode}: {outcome.failure}")
    return 1 if outcome.failure else 0


@click.command()
@click.option("--seeds", default=5000, show_default=True)
@click.option("--first", default=1, show_default=True)
@click.option("--seed", type=int, help="only this one, told in full")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True)
def main(seeds: int, first: int, seed: int | None, jobs: int) -> None:
    """Run seeded scenarios; ends with 1 when one failed."""
    if seed is not None:
        sys.exit(tell_one(seed))
    started = time.monotonic()
    failures: list[Outcome] = []
    total, modes, moves, fired, naked = Counter[str](), Counter[str](), Counter[tuple[str, str]](), Counter[str](), []
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for outcome in pool.imap_unordered(run_seed, range(first, first + seeds), CHUNK):
            total.update(trades=outcome.trades, orders=outcome.orders, deaths=outcome.lives - 1)
            modes[outcome.mode] += 1
            moves += outcome.moves
            fired += outcome.fired
            naked += outcome.naked_ns
            if outcome.failure:
                failures.append(outcome)
                print(f"dst: FAIL seed={outcome.seed} mode={outcome.mode}: {outcome.failure}; "
                      f"replay: make dst SEED={outcome.seed}")
    elapsed = time.monotonic() - started
    naked.sort()
    print(f"{seeds} seeds from {first}, {len(failures)} failures; {total['trades']} trades, {total['orders']} orders, "
          f"{total['deaths']} deaths of the engine; {elapsed:.1f} s, {seeds / elapsed / jobs:.1f} seeds/s a core on {jobs}")
    print("modes " + ", ".join(f"{name} {count}" for name, count in sorted(modes.items())))
    print("faults " + ", ".join(f"{name} {count}" for name, count in sorted(fired.items())))
    print(f"{len(moves)} kinds of transitions, {sum(moves.values())} in all; {len(naked)} exposures" + (
        f", naked p50 {naked[len(naked) // 2] / 1e6:.2f} ms, p99 {naked[len(naked) * 99 // 100] / 1e6:.1f} ms" if naked else ""))
    for outcome in failures[:SHRUNK_MAX]:
        small = make_small(outcome)
        path = REGRESS / f"seed-{outcome.seed}.json"
        path.write_bytes(small.to_json())
        print(f"made small: {path}: faults {small.faults}, deaths {small.deaths}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
