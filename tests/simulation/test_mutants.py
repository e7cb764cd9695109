"""The simulation must notice planted mistakes: each mutant is one that a real engine was seen to make, and must fail within a few
dozen seeds."""
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.events import Side
from engine.trade import manager as manager_module
from engine.trade import recovery
from engine.trade.inventory import Inventory
from engine.trade.ledger import FEES, Ledger
from engine.trade.manager import TradeManager
from engine.trade.orders import Order, SeenFills
from engine.trade.policy import TradePolicy
from engine.trade.recovery import Step, Verdict
from engine.trade.states import OrderState
from engine.trade.trade import Trade
from engine.trade.unknown import UnknownWatch
from tests.simulation.test_random_schedules import SHORT_COOLDOWNS, check, run

SEEDS_MAX = 120


def infer_reject(patch):
    """Silence is taken for a rejection."""
    def make_unknown(self, trade, order, cause, now):
        if order.is_live:
            order.move(OrderState.REJECTED)
            self._end_order(trade, order, now)
    patch.setattr(TradeManager, "_make_unknown", make_unknown)


def no_dedup(patch):
    """A fill that comes again counts again."""
    patch.setattr(SeenFills, "get", lambda self, row, trade_id: None)


def one_vote_is_proof(patch):
    """The first "no such order" is believed."""
    patch.setattr(UnknownWatch, "is_absence_proven", property(lambda self: bool(self.first_vote_mono_ns)))
    patch.setattr(
        UnknownWatch,
        "on_answer",
        lambda self, answer, equal: setattr(
            self,
            "first_vote_mono_ns",
            1 if answer.is_answered and answer.ask == "order" and not answer.is_found else self.first_vote_mono_ns,
        ),
    )


def forget_the_graveyard(patch):
    """An event for a finished order is a stranger's."""
    patch.setattr(TradeManager, "_dig_up", lambda self, grave, event: None)


def fee_in_base_ignored(patch):
    """Inventory is what was executed."""
    patch.setattr(Order, "_count_net_units", lambda self: self.sign * self.instrument.units(self.cum_qty))


def fee_asset_ignored(patch):
    """Every fee is booked in quote."""
    patch.setattr(Ledger, "post_fee", lambda self, instrument,
                  fill: self._move(instrument.account, instrument.settle, -fill.fee, FEES))


def unwind_the_wrong_way(patch):
    """Sides of a repair are swapped."""
    patch.setattr(recovery, "side_for", lambda units: Side.BUY if units > 0 else Side.SELL)


def residual_left_alone(patch):
    """Whatever is left is declared too small, without a word."""
    patch.setattr(manager_module.recovery, "plan_recovery", lambda *a: Step(Verdict.TOO_SMALL))
    original = TradeManager._alert
    patch.setattr(TradeManager, "_alert", lambda self, code, *a, **k: None
                  if code == "residual_too_small" else original(self, code, *a, **k))


def reservation_never_given_back(patch):
    patch.setattr(TradeManager, "_release", lambda self, order: None)


def only_complete_fills_count(patch):
    """A partial end is taken for nothing executed."""
    original = Order._count_net_units
    patch.setattr(Order, "_count_net_units", lambda self: original(self) if self.cum_qty == self.qty else Decimal(0))


MUTANTS = [infer_reject, no_dedup, one_vote_is_proof, forget_the_graveyard, fee_in_base_ignored, fee_asset_ignored,
           unwind_the_wrong_way,
           residual_left_alone, reservation_never_given_back, only_complete_fills_count]


# ---------------------------------------------------------------- mistakes that need two venues

def reduce_only_whatever_the_account_holds(patch):
    """The trade's own position is taken for the account's."""
    patch.setattr(recovery, "_reduce_flag", lambda instrument, units, qty, view: int(not instrument.is_spot))


def inventory_forgotten(patch):
    """What was bought here and sold there is nobody's."""
    patch.setattr(Inventory, "move", lambda self, from_row, to_row, units: None)


def inventory_on_one_side(patch):
    """Only the venue that bought is told."""
    patch.setattr(Inventory, "move", lambda self, from_row, to_row, units: self._rows.__setitem__(
        to_row, self._rows.get(to_row, Decimal(0)) + units))


def move_is_held(patch):
    """Spot against spot is taken for a pair that waits for its exit."""
    patch.setattr(Trade, "moves_inventory", property(lambda self: False))


def pledge_outlives_its_trade(patch):
    original = TradeManager._tell_pledges
    patch.setattr(TradeManager, "_tell_pledges", lambda self, trade: None if trade.is_final else original(self, trade))


def account_of_the_market(patch):
    """A unified account is taken for one a market."""
    original = Ledger.post_fee
    patch.setattr(Ledger, "post_fee", lambda self, instrument, fill: original(
        self, replace(instrument, account=f"{instrument.venue}:{instrument.market}"), fill))


VENUE_MUTANTS = [reduce_only_whatever_the_account_holds, inventory_forgotten, inventory_on_one_side, move_is_held,
                 pledge_outlives_its_trade, account_of_the_market]


@pytest.mark.parametrize("mutant", VENUE_MUTANTS, ids=lambda mutant: mutant.__name__)
def test_planted_mistake_between_two_venues_is_noticed(mutant, monkeypatch):
    mutant(monkeypatch)
    _is_noticed(mutant, bases=2)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_planted_mistake_is_noticed(mutant, monkeypatch):
    mutant(monkeypatch)
    _is_noticed(mutant)


def _is_noticed(mutant, bases: int = 0) -> None:
    policy = TradePolicy(cooldowns_ns=SHORT_COOLDOWNS)
    for seed in range(1, 1 + SEEDS_MAX):
        try:
            check(run(seed, policy, bases)[0], policy)
        except Exception as error:  # noqa: BLE001 - any failure is what is wanted here
            print(f"{mutant.__name__}: noticed at seed {seed}: {type(error).__name__}")
            return
    pytest.fail(f"{mutant.__name__} was not noticed in {SEEDS_MAX} seeds")
