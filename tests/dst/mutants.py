"""python -m tests.dst.mutants: planted bugs, each of which the simulation must notice.

Those of tests/simulation/test_mutants.py, and what a restart, the ledger, the locks and the order lattice can get wrong. A mutant
is a function that patches the product; the seed at which it is noticed is printed.
"""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import click

from engine.events import Sent
from engine.trade import recovery, resting, restore
from engine.trade.accounts import Accounts
from engine.trade.dust import DustLedger, Remainder
from engine.trade.ledger import Ledger
from engine.trade.manager import TradeManager
from engine.trade.orders import Order, SeenFills
from engine.trade.quotes import Quotes
from engine.trade.restore import Restorer
from engine.trade.states import OrderState, TradeState, is_terminal
from engine.trade.trade import Trade
from engine.trade.unknown import UnknownWatch
from tests.dst.scenario import draw, run_scenario
from tests.simulation.test_mutants import MUTANTS, VENUE_MUTANTS
from tests.support import mortal_world

SEEDS_MAX = 10_000
ABSENT = object()


class Patch:
    """Sets attributes and gives them back."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def setattr(self, owner: Any, name: str, value: Any) -> None:
        self._before.append((owner, name, owner.__dict__.get(name, ABSENT)))
        setattr(owner, name, value)

    def undo(self) -> None:
        for owner, name, value in reversed(self._before):
            if value is ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


# ---------------------------------------------------------------- restarts

def restart_forgets_orders_without_an_end(patch: Patch) -> None:
    """What was in flight is taken for never sent."""
    original = TradeManager.resume

    def resume(self: TradeManager, now: int, wall: int) -> list[str]:
        for trade in self.trades.values():
            for order in trade.orders:
                if order.is_live:
                    order.state = OrderState.REJECTED
        return original(self, now, wall)
    patch.setattr(TradeManager, "resume", resume)


def restart_forgets_intents_without_a_word_about_their_bytes(patch: Patch) -> None:
    """An intent without SENT records "did not happen"."""
    original = Restorer.settle

    def settle(self: Restorer) -> Any:
        self._waiting.clear()
        return original(self)
    patch.setattr(Restorer, "settle", settle)


def restart_gives_the_same_ids_again(patch: Patch) -> None:
    """The epoch is not raised."""
    original = mortal_world.ForgivingCore.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        options["epoch"] = 1
        original(self, *args, **options)
    patch.setattr(mortal_world.ForgivingCore, "__init__", init)


def restart_counts_postings_twice(patch: Patch) -> None:
    """Postings in the journal are posted again, beside the facts that they follow from."""
    patch.setattr(Restorer, "_was_owed", lambda self, record_type, trade_id, told: False)


def restart_owes_nothing(patch: Patch) -> None:
    """Postings that the end came before stay out of the journal for ever."""
    patch.setattr(TradeManager, "owe", lambda self, records: None)


def restart_forgets_dust(patch: Patch) -> None:
    patch.setattr(Restorer, "_on_dust", lambda self, told, record, now: None)
    patch.setattr(restore, "JSON_APPLY", {**restore.JSON_APPLY, restore.DUST: Restorer._on_dust})


def restart_forgets_the_opening_balances(patch: Patch) -> None:
    original = TradeManager.open_accounts
    patch.setattr(TradeManager, "open_accounts", lambda self, balances: None if self.is_restoring else original(self, balances))


def restart_forgets_what_it_holds(patch: Patch) -> None:
    """Trades that were open are dropped: nobody watches the pair any more."""
    original = Restorer.settle

    def settle(self: Restorer) -> Any:
        for trade in list(self._manager.trades.values()):
            if trade.state == TradeState.OPEN:
                del self._manager.trades[trade.trade_id]
        return original(self)
    patch.setattr(Restorer, "settle", settle)


def restart_asks_nobody(patch: Patch) -> None:
    """Orders are unknown after a restart, and no question leaves."""
    original = TradeManager.resume

    def resume(self: TradeManager, now: int, wall: int) -> list[str]:
        made = original(self, now, wall)
        self._timers.clear()
        self._commands.clear()
        return made
    patch.setattr(TradeManager, "resume", resume)


def restart_forgets_pledges(patch: Patch) -> None:
    original = TradeManager.tell_core_everything

    def tell(self: TradeManager) -> None:
        original(self)
        self._pledges.clear()
        self.core.pledges.clear()   # type: ignore[attr-defined]
        self.core.pledges[99, 0] = 1  # type: ignore[attr-defined]
    patch.setattr(TradeManager, "tell_core_everything", tell)


# ---------------------------------------------------------------- orders and proofs

def unknown_order_is_sent_again(patch: Patch) -> None:
    """No answer: the same leg once more, under a new id, while the first may be live."""
    original = TradeManager._make_unknown

    def make_unknown(self: TradeManager, trade: Trade, order: Order, cause: str, now: int) -> None:
        original(self, trade, order, cause, now)
        if cause == "no answer" and trade.pending is None:
            leg = (order.row, order.side, order.limit_px, order.qty, order.flags)
            self._submit(trade, recovery.Step(recovery.Verdict.SEND, 2, [leg], "again"))
    patch.setattr(TradeManager, "_make_unknown", make_unknown)


def cumulative_may_fall(patch: Patch) -> None:
    """The newest message wins, whatever is known already."""
    original = Order.apply

    def apply(self: Order, event: Any, seen: SeenFills) -> Any:
        if event.cum_qty >= 0 and not self.fills:
            self.cum_qty = min(self.cum_qty, event.cum_qty)
            self._net_units = None
        return original(self, event, seen)
    patch.setattr(Order, "apply", apply)


def ack_is_the_end(patch: Patch) -> None:
    """Accepted is taken for executed in full."""
    original = Order._apply_status

    def apply_status(self: Order, event: Any, applied: Any) -> None:
        original(self, event, applied)
        if self.state == OrderState.ACKED:
            self.move(OrderState.PARTIAL_END)
            applied.is_new_state = True
    patch.setattr(Order, "_apply_status", apply_status)


def late_fill_is_a_strangers(patch: Patch) -> None:
    """An order that ended does not grow any more."""
    original = Order.apply

    def apply(self: Order, event: Any, seen: SeenFills) -> Any:
        is_new = event.is_fill and seen.get(self.row, event.trade_id) is None
        if is_terminal(self.state) and is_new and self.state == OrderState.REJECTED:
            event.last_qty, event.cum_qty, event.trade_id = 0, -1, 0
        return original(self, event, seen)
    patch.setattr(Order, "apply", apply)


def absence_before_the_time_to_live(patch: Patch) -> None:
    """Votes count at once: an order that is still on its way is proven absent."""
    original = UnknownWatch.__init__

    def init(self: UnknownWatch, since: int, expiry: int, lag: int, next_ask: int) -> None:
        original(self, since, since - lag, 0, next_ask)
    patch.setattr(UnknownWatch, "__init__", init)


def position_is_always_equal(patch: Patch) -> None:
    """The fourth part of the proof is left out, and the second vote too."""
    patch.setattr(UnknownWatch, "is_absence_proven", property(lambda self: bool(self.first_vote_mono_ns)))


def failed_question_is_a_no(patch: Patch) -> None:
    """Not found once is proof."""
    def on_answer(self: UnknownWatch, answer: Any, is_equal: bool) -> None:
        if not answer.is_found:
            self.has_second_vote = self.has_no_fills = self.has_equal_position = True
    patch.setattr(UnknownWatch, "on_answer", on_answer)


def uncertain_send_is_no_send(patch: Patch) -> None:
    """Bytes may have left: taken for not sent."""
    original = TradeManager.on_sent

    def on_sent(self: TradeManager, outcome: Any) -> None:
        if outcome.outcome == Sent.UNKNOWN:
            outcome.outcome = Sent.NOT
        original(self, outcome)
    patch.setattr(TradeManager, "on_sent", on_sent)


def fill_of_a_query_is_new(patch: Patch) -> None:
    """Fills are told apart by where they were heard."""
    patch.setattr(SeenFills, "get", lambda self, row, trade_id: None)


# ---------------------------------------------------------------- recovery, money

def both_partials_are_hedged(patch: Patch) -> None:
    """What was executed on both legs is added up where it has to be set off."""
    patch.setattr(Trade, "residual", lambda self: sum((abs(units) for units in self.positions().values()), Decimal(0)))


def recovery_has_no_cap(patch: Patch) -> None:
    patch.setattr(recovery, "room", lambda trade, instrument: Decimal(10**9))
    patch.setattr(recovery, "_whole", lambda trade, instrument, residual: 2 * abs(residual))


def hedge_is_doubled(patch: Patch) -> None:
    patch.setattr(recovery, "_whole", lambda trade, instrument, residual: 2 * abs(residual))


def hedge_twice(patch: Patch) -> None:
    """A repair that is under way is forgotten."""
    original = TradeManager._submit

    def submit(self: TradeManager, trade: Trade, step: Any) -> None:
        original(self, trade, step)
        self._commands.append(self._commands[-1])
    patch.setattr(TradeManager, "_submit", submit)


def retry_never_comes(patch: Patch) -> None:
    patch.setattr(TradeManager, "_on_retry_timer", lambda self, trade, now: None)


def dust_is_lost(patch: Patch) -> None:
    patch.setattr(DustLedger, "take", lambda self, row: self._rows.pop(row, None) and Remainder() or Remainder())


def fee_forgotten(patch: Patch) -> None:
    patch.setattr(Ledger, "post_fee", lambda self, instrument, fill: [])


def sign_flip_of_one_venue(patch: Patch) -> None:
    original = Ledger.post_fill
    patch.setattr(Ledger, "post_fill", lambda self, instrument, side, fill: original(
        self, instrument, 1 - side if instrument.venue == "bybit" else side, fill))


def balances_are_never_told(patch: Patch) -> None:
    """The core goes on with what it had at the start."""
    patch.setattr(Accounts, "tell_core", lambda self, instrument, units, unexplained: None)


def settle_is_never_asked(patch: Patch) -> None:
    """Fills that did not come by themselves never come."""
    patch.setattr(TradeManager, "_arm_settle", lambda self, order, when: None)


# ---------------------------------------------------------------- orders that rest

def hedge_waits_for_the_makers_end(patch: Patch) -> None:
    """As others do it: nothing is hedged before the order is over."""
    original = resting.is_hedging
    patch.setattr(resting, "is_hedging", lambda trade: original(trade) and not any(resting.resting_orders(trade)))


def hedges_under_way_are_forgotten(patch: Patch) -> None:
    """A fill that comes while a hedge is out is hedged together with what that hedge is for."""
    patch.setattr(resting, "uncovered", lambda trade, residual: residual)


def cancel_is_taken_for_the_end(patch: Patch) -> None:
    """Told to end, hence over: what executes meanwhile is a stranger's."""
    original = Quotes.cancel

    def cancel(self: Quotes, order: Order, why: str, now: int) -> None:
        original(self, order, why, now)
        if order.rests and order.is_live:
            order.move(OrderState.PARTIAL_END)
            order.end_mono_ns, order.end_cause = now, "canceled"
            self._manager._end_order(self._manager._trade_of[order.client_id], order, now)
    patch.setattr(Quotes, "cancel", cancel)


def fill_before_the_cancel_is_forgotten(patch: Patch) -> None:
    """Cancelled is taken for never executed."""
    original = Order._end

    def end(self: Order, state: OrderState, cause: str, event: Any, applied: Any) -> None:
        original(self, state, cause, event, applied)
        if cause == "canceled" and not self.fills:
            self.cum_qty, self._net_units = 0, None
    patch.setattr(Order, "_end", end)


def ghosts_are_left_alone(patch: Patch) -> None:
    patch.setattr(Quotes, "cancel_ghost", lambda self, order, event, now: None)


def orders_that_rest_are_left_at_a_stop(patch: Patch) -> None:
    original = Quotes.cancel
    patch.setattr(Quotes, "cancel",
                  lambda self, order, why, now: None if why == "the engine stops" else original(self, order, why, now))


def plan_outlives_its_order(patch: Patch) -> None:
    """What was held for the hedge is never given back."""
    original = TradeManager._release

    def release(self: TradeManager, order: Order) -> None:
        if order.rests and not order.is_released:
            order.is_released = True
            self.core.release(order.intent_id, order.leg_index)
        original(self, order)
    patch.setattr(TradeManager, "_release", release)


NEW: list[Callable[[Patch], None]] = [
    hedge_waits_for_the_makers_end, hedges_under_way_are_forgotten, cancel_is_taken_for_the_end,
    fill_before_the_cancel_is_forgotten, ghosts_are_left_alone, orders_that_rest_are_left_at_a_stop, plan_outlives_its_order,
   
    restart_forgets_orders_without_an_end, restart_forgets_intents_without_a_word_about_their_bytes,
    restart_gives_the_same_ids_again, restart_counts_postings_twice, restart_owes_nothing, restart_forgets_dust,
    restart_forgets_the_opening_balances, restart_forgets_what_it_holds, restart_asks_nobody, restart_forgets_pledges,
    unknown_order_is_sent_again, cumulative_may_fall, ack_is_the_end, late_fill_is_a_strangers,
    absence_before_the_time_to_live, position_is_always_equal, failed_question_is_a_no, uncertain_send_is_no_send,
    fill_of_a_query_is_new, both_partials_are_hedged, recovery_has_no_cap, hedge_is_doubled, hedge_twice, retry_never_comes,
    dust_is_lost, fee_forgotten, sign_flip_of_one_venue, balances_are_never_told, settle_is_never_asked]
ALL: list[Callable[[Any], None]] = [*MUTANTS, *VENUE_MUTANTS, *NEW]


def seed_that_notices(mutant: Callable[[Any], None], seeds: int) -> tuple[int, str]:
    """(first seed with a failure, what failed); (0, "") = none of so many."""
    patch = Patch()
    try:
        mutant(patch)
        for seed in range(1, seeds + 1):
            failure = run_scenario(draw(seed)).failure
            if failure:
                return seed, failure
        return 0, ""
    finally:
        patch.undo()


def report(mutants: list[Callable[[Any], None]], notices: Callable[[Callable[[Any], None]], tuple[int, str]]) -> int:
    """One line each; how many stay unnoticed."""
    missed = 0
    for mutant in mutants:
        started = time.monotonic()
        seed, failure = notices(mutant)
        missed += not seed
        print(f"{mutant.__name__:<58} {'seed ' + str(seed) if seed else 'NOT NOTICED':<12} {time.monotonic() - started:5.1f} s  "
              f"{failure[:90]!r}", flush=True)
    print(f"{len(mutants) - missed} of {len(mutants)} planted bugs were noticed")
    return missed


@click.command()
@click.option("--seeds", default=SEEDS_MAX, show_default=True, help="at most so many for each")
@click.option("--only", default="", help="names with this in them")
def main(seeds: int, only: str) -> None:
    """Ends with 1 when a planted bug stays unnoticed."""
    sys.exit(report([mutant for mutant in ALL if only in mutant.__name__], lambda mutant: seed_that_notices(mutant, seeds)) > 0)


if __name__ == "__main__":
    main()
