"""python -m tests.whole.mutants: bugs planted between the calm floor and the wire, which the whole simulation must notice.

Those of tests/dst/mutants.py are in the calm floor; some of them are run here too, to see that the same judge sees through the
real core, wire formats and REST.
"""
from __future__ import annotations

import logging
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from tests.whole.clock import run_under_virtual_time

SEEDS_MAX = 400
CALM_FLOOR = ("restart_forgets_orders_without_an_end", "restart_counts_postings_twice", "restart_asks_nobody", "ack_is_the_end",
              "hedge_is_doubled", "both_partials_are_hedged", "fee_forgotten")


def events_are_not_journaled(patch: Any) -> None:
    """What sockets say reaches the calm floor and not the disk."""
    from engine.shell import Shell

    def on_order_event(self: Any, event: Any) -> None:
        self.trades.on_order_event(event, time.monotonic_ns())
        self._runner.drain()
    patch.setattr(Shell, "on_order_event", on_order_event)


def the_epoch_is_not_raised(patch: Any) -> None:
    """A restarted engine counts its ids from where the last one began."""
    from engine import shell
    patch.setattr(shell, "raise_epoch", lambda var_dir: 1)


def a_restart_trades_before_it_has_proven(patch: Any) -> None:
    """Sessions are up: go."""
    from engine.restart.sequence import StartSequence

    async def reconcile(self: Any) -> None:
        self._shell.trades.manager.is_restoring = False
        self._shell.release("restart")
    patch.setattr(StartSequence, "reconcile", reconcile)


def unknown_codes_are_rejects(patch: Any) -> None:
    """A code that no table has is taken for a refusal."""
    from engine.events import ErrorClass, OrderStatus
    from engine.trade_desk import TradeDesk
    original = TradeDesk.on_order_event

    def on_order_event(self: Any, event: Any, now: int) -> None:
        if event.status == OrderStatus.UNKNOWN:
            event.status, event.error_class = OrderStatus.REJECTED, ErrorClass.REJECT
        original(self, event, now)
    patch.setattr(TradeDesk, "on_order_event", on_order_event)


def every_third_repair_is_lost(patch: Any) -> None:
    """An order that the calm floor asks for is not handed on."""
    from engine.carry_out import CommandRunner
    original = CommandRunner._submit
    count = {"n": 0}

    def _submit(self: Any, command: Any) -> None:
        count["n"] += 1
        if count["n"] % 3:
            original(self, command)
    patch.setattr(CommandRunner, "_submit", _submit)


def nothing_is_ever_unknown(patch: Any) -> None:
    """Silence and unclear answers are waited out, and nobody asks."""
    from engine.trade.manager import TradeManager
    patch.setattr(TradeManager, "_make_unknown", lambda self, trade, order, why, now: None)


def fees_are_doubled(patch: Any) -> None:
    """Between the wire and the ledger."""
    from engine.trade_desk import TradeDesk
    original = TradeDesk.on_order_event

    def on_order_event(self: Any, event: Any, now: int) -> None:
        if event.fee is not None:
            event.fee = event.fee * 2
        original(self, event, now)
    patch.setattr(TradeDesk, "on_order_event", on_order_event)


NEW: list[Callable[[Any], None]] = [
    events_are_not_journaled, the_epoch_is_not_raised, a_restart_trades_before_it_has_proven, unknown_codes_are_rejects,
    every_third_repair_is_lost, nothing_is_ever_unknown, fees_are_doubled]


def seed_that_notices(mutant: Callable[[Any], None], seeds: int, jobs: int = 2) -> tuple[int, str]:
    """(a seed with a failure, what failed); (0, "") = none of so many."""
    from tests.dst.mutants import Patch
    from tests.whole.many import play_many
    from tests.whole.scenario import draw
    patch = Patch()
    try:
        mutant(patch)
        for first in range(1, seeds + 1, 2 * jobs):
            for outcome in play_many([draw(seed) for seed in range(first, first + 2 * jobs)], jobs):
                if outcome.failure:
                    return outcome.seed, outcome.failure
        return 0, ""
    finally:
        patch.undo()


@click.command()
@click.option("--seeds", default=SEEDS_MAX, show_default=True, help="at most so many for each")
@click.option("--only", default="", help="names with this in them")
def main(seeds: int, only: str) -> None:
    """Ends with 1 when a planted bug stays unnoticed."""
    from tests.dst import mutants as calm
    logging.disable(logging.CRITICAL)
    chosen = [one for one in [*NEW, *(getattr(calm, name) for name in CALM_FLOOR)] if only in one.__name__]
    sys.exit(calm.report(chosen, lambda mutant: seed_that_notices(mutant, seeds)) > 0)


if __name__ == "__main__":
    run_under_virtual_time("tests.whole.mutants")
    sys.path.insert(0, str(pathlib.Path.cwd()))
    main()
