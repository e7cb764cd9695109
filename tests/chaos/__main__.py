"""python -m tests.chaos: see runs.py."""
import json
import pathlib
import statistics
import sys

import click

from tests.chaos.runs import BATCH, DELAYS_S, OUTCOMES, Result, run_batch


def table(total: Result) -> list[str]:
    """Deaths by what the venue did and when."""
    lines = ["deaths " + "".join(f"{delay:>12}" for delay in DELAYS_S)]
    for outcome in OUTCOMES:
        lines.append(f"{outcome:<14}" + "".join(f"{total.cells[outcome, delay]:>12}" for delay in DELAYS_S))
    rules = [text.split(": ")[1] for text in total.violations]
    seconds = sorted(total.reconciled_s)
    lines += [(f"kill -9: {total.kills} of {sum(total.deaths.values())} deaths {dict(total.deaths)}, {total.orders} orders, "
              f"{total.rested} of them rested"),
              (f"lost ids {rules.count('I1')}, sent twice {rules.count('I2')}, residual beyond dust {rules.count('I5')}, "
               f"good hedges closed {rules.count('HEDGE')}, ledger {rules.count('I7') + rules.count('I11')}, "
               f"all violations {len(total.violations)}")]
    if seconds:
        lines.append(f"start to reconciled, of the engine's own clock: p50 {statistics.median(seconds):.2f} s, "
                     f"max {seconds[-1]:.2f} s, {sum(one > 3 for one in seconds)} of {len(seconds)} above 3 s")
    return lines


@click.command()
@click.option("--runs", default=300, show_default=True, help="deaths in all")
@click.option("--seed", default=1, show_default=True, help="of the first batch")
@click.option("--out", type=click.Path(path_type=pathlib.Path), default=pathlib.Path("build/chaos.json"), show_default=True)
def main(runs: int, seed: int, out: pathlib.Path) -> None:
    """Kill real engines among real processes and judge what is left. Ends with 1 when anything is wrong."""
    total = Result()
    while (left := runs - sum(total.deaths.values())) > 0:
        total.add(run_batch(seed, min(BATCH, left)))
        seed += 1
    for line in [*table(total), *total.violations[:40]]:
        print(line)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"deaths": dict(total.deaths), "kills": total.kills, "orders": total.orders, "rested": total.rested,
                               "violations": total.violations, "reconciled_s": total.reconciled_s, "seconds": total.seconds,
                               "cells": [[*cell, count] for cell, count in sorted(total.cells.items())]}, indent=1))
    print(f"{total.seconds:.0f} s; written to {out}")
    sys.exit(1 if total.violations else 0)


if __name__ == "__main__":
    main()
