"""python -m tests.whole: the whole system under virtual time, seed by seed, each in a process of its own."""
from __future__ import annotations

import logging
import os
import pathlib
import statistics
import sys
import time
from collections import Counter

import click

from tests.whole.clock import run_under_virtual_time

REGRESS = pathlib.Path("tests/regress/whole")


@click.command()
@click.option("--seeds", default=200, show_default=True)
@click.option("--first", default=1, show_default=True)
@click.option("--seed", type=int, help="only this one, told in full")
@click.option("--file", "path", type=click.Path(path_type=pathlib.Path, exists=True), help="a scenario, told in full")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True)
@click.option("--digests", is_flag=True, help="one line a seed: its digest")
def main(seeds: int, first: int, seed: int | None, path: pathlib.Path | None, jobs: int, digests: bool) -> None:
    """Play scenarios; ends with 1 when one failed."""
    from tests.whole.many import play_many, shrink_seed
    from tests.whole.scenario import Outcome, Scenario, draw
    if seed is not None or path is not None:
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
        logging.getLogger("picows").setLevel(logging.ERROR)
        scenario = draw(seed or 0) if path is None else Scenario.from_json(path.read_bytes())
        print(scenario.to_json().decode())
        outcome = play_many([scenario], 1)[0]
        print(outcome)
        sys.exit(bool(outcome.failure))
    logging.disable(logging.CRITICAL)
    started, total = time.monotonic(), Outcome(0, "")
    failures, modes, restarts = [], Counter[str](), []

    def look(outcome: Outcome) -> None:
        total.orders += outcome.orders
        total.lives += outcome.lives - 1
        total.virtual_s += outcome.virtual_s
        total.planted += outcome.planted
        total.quotes += outcome.quotes
        modes[outcome.mode] += 1
        restarts.extend(outcome.reconciled_s)
        if digests:
            print(f"{outcome.seed} {outcome.digest}")
        if outcome.failure:
            failures.append(outcome)
            print(f"whole: FAIL seed={outcome.seed} mode={outcome.mode}: {outcome.failure}; "
                  f"replay: make dst-whole SEED={outcome.seed}", flush=True)

    play_many([draw(number) for number in range(first, first + seeds)], jobs, look)
    elapsed = time.monotonic() - started
    print(f"{seeds} seeds from {first}, {len(failures)} failures; {total.orders} orders, {total.lives - 1} deaths of the engine, "
          f"{total.virtual_s:.0f} s of virtual time in {elapsed:.1f} s; {seeds / elapsed / jobs:.2f} seeds/s a core on {jobs}")
    print(f"{total.quotes['rested']} orders that rested, {total.quotes['hedges']} hedges of their fills")
    print("modes " + ", ".join(f"{name} {count}" for name, count in sorted(modes.items())))
    print("planted " + ", ".join(f"{name} {count}" for name, count in sorted(total.planted.items())))
    if restarts:
        print(f"start to reconciled after a death, virtual: p50 {statistics.median(restarts):.2f} s, max {max(restarts):.2f} s")
    for outcome in failures[:3]:
        REGRESS.mkdir(parents=True, exist_ok=True)
        small = shrink_seed(outcome)
        (REGRESS / f"seed-{outcome.seed}.json").write_bytes(small.to_json())
        print(f"made small: {REGRESS}/seed-{outcome.seed}.json: {len(small.steps)} steps")
    sys.exit(bool(failures))


if __name__ == "__main__":
    run_under_virtual_time("tests.whole")
    main()
