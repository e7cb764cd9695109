"""B13, B-ORPHAN-X: a venue takes no orders while something of ours stands there alone: it is hedged on another one, and both are
closed when it is back."""
from decimal import Decimal

import pytest

from engine.events import Purpose
from engine.trade.policy import TradePolicy
from tests.simulation.test_random_schedules import SHORT_COOLDOWNS
from tests.support.fake_core import venue_pairs, venue_rows
from tests.support.sim_trade import MS, US, S, Treatment, World

POLICY = TradePolicy(cooldowns_ns=SHORT_COOLDOWNS, chase_max=1)
BINANCE_SPOT, BINANCE_PERP, BYBIT_SPOT, BYBIT_PERP = range(4)


def world_with(treat=None):
    world = World(policy=POLICY, treat=treat, rows=venue_rows(1), pair_list=venue_pairs(1))
    for venue in ("binance", "bybit"):
        world.regain_venue(venue)
    return world


class OneLegOnly:
    """The entry's perpetual leg is refused, and no repair executes until `is_over`."""

    def __init__(self):
        self.is_over = False

    def __call__(self, leg, purpose):
        if purpose == Purpose.ENTRY:
            return Treatment(reject="REJECT" if leg.instrument_id in (BINANCE_PERP, BYBIT_PERP) else "")
        return Treatment(fraction=1.0 if self.is_over else 0.0)


def alone(pair=0):
    """A world in which a spot leg stands alone, nothing of ours is in flight, and its venue has just gone."""
    treat = OneLegOnly()
    world = world_with(treat)
    world.enter(pair)
    (trade,) = world.manager.trades.values()
    while trade.has_live_order or not trade.unwinds:
        world.run_for(50 * US)
    world.lose_venue("binance")
    treat.is_over = True
    assert abs(world.truth_of_base("BTC")) > Decimal("0.009")
    return world


def test_b13_what_stands_alone_at_a_venue_that_is_away_is_hedged_on_another_within_a_second():
    world = alone()
    world.run_for(1_200 * MS)
    assert world.truth_of_base("BTC").copy_abs() < Decimal("0.001"), "still naked"
    assert world.venue.positions[BYBIT_PERP] < 0 and world.venue.positions[BINANCE_PERP] == 0
    assert "hedged_elsewhere" in world.alert_codes()
    (trade,) = world.manager.trades.values()
    assert trade.state == "OPEN" and trade.is_astray and trade.is_paired()
    world.run_for(5 * S)
    assert world.venue.positions[BYBIT_PERP] < 0, "nothing is closed while the venue is away: it would be naked again"
    world.regain_venue("binance")
    world.run_for(3 * S)
    assert world.venue.positions[BYBIT_PERP] == 0
    assert world.manager.is_idle() and not world.manager.trades
    world.run_for(40 * S)
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()


def test_b13_across_venues_the_other_leg_takes_the_hedge_and_the_pair_is_held_as_a_pair():
    """Spot here, perpetual there: only the spot leg came, and its venue is gone. The perpetual's venue is asked again."""
    world = alone(2)
    world.run_for(1_500 * MS)
    (trade,) = world.manager.trades.values()
    assert trade.state == "OPEN" and not trade.is_astray and world.venue.positions[BYBIT_PERP] < 0


def test_b13_a_market_that_refuses_for_its_limits_twice_in_a_row_is_away():
    limited = {"on": True}

    def treat(leg, purpose):
        if leg.instrument_id == BINANCE_PERP and purpose == 0:
            return Treatment(reject="REJECT")
        is_limited = limited["on"] and leg.instrument_id in (BINANCE_SPOT, BINANCE_PERP) and purpose != 0
        return Treatment(reject="RATE" if is_limited else "")
    world = world_with(treat)
    world.enter(0)
    world.run_for(4 * S)
    assert world.venue.positions[BYBIT_PERP] < 0 and abs(world.truth_of_base("BTC")) < Decimal("0.001")
    limited["on"] = False
    world.run_for(20 * S)
    assert world.manager.is_idle() and world.venue.positions[BYBIT_PERP] == 0
    world.run_for(40 * S)
    world.assert_belief_is_truth()


def test_b13_a_session_that_is_back_within_half_a_second_is_waited_for():
    world = alone()
    world.run_for(300 * MS)
    world.regain_venue("binance")
    world.run_for(3 * S)
    assert world.venue.positions[BYBIT_PERP] == 0 and world.manager.is_idle()
    assert "hedged_elsewhere" not in world.alert_codes()


@pytest.mark.parametrize("missing", ["both venues", "the other book"])
def test_b13_where_nothing_can_be_done_it_is_told_and_tried_until_it_can(missing):
    world = alone()
    books = dict(world.core.books)
    if missing == "both venues":
        world.lose_venue("bybit")
    else:
        for row in (BYBIT_SPOT, BYBIT_PERP):
            del world.core.books[row]
    world.run_for(3 * S)
    assert abs(world.truth_of_base("BTC")) > Decimal("0.001")
    assert world.alert_codes() & {"recovery_refused", "recovery_waits", "unwind_exhausted"}
    world.core.books = books
    world.regain_venue("bybit")
    world.run_for(2 * S)
    assert abs(world.truth_of_base("BTC")) < Decimal("0.001")
