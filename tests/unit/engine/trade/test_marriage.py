"""Residuals of two trades that cancel each other out, where only reducing orders pass: what reduces goes first, the rest is
joined and closed together."""
from __future__ import annotations

from decimal import Decimal

import pytest

from engine.events import Purpose
from engine.trade.commands import JournalType
from engine.trade.marriage import reducing_part
from engine.trade.policy import TradePolicy
from tests.support.fake_core import venue_pairs, venue_rows
from tests.support.mortal_world import MortalWorld
from tests.support.sim_trade import MS, S, Treatment, World

SPOTS, PERPS = 4, 3    # pairs of venue_pairs: binance spot against bybit spot; both perpetuals
COOLDOWNS = {"orphan": 50 * MS, "timeout": 50 * MS}


@pytest.mark.parametrize("residual, net, part", [("5", "7", "5"), ("5", "5", "5"), ("5", "2", "2"), ("5", "0", "0"),
                                                 ("5", "-3", "0"), ("-5", "-2", "-2"), ("-5", "4", "0")])
def test_what_reduces_is_at_most_the_coins_net(residual, net, part):
    assert reducing_part(Decimal(residual), Decimal(net)) == Decimal(part)


def two_residuals(world: World, spots: int, perps: int) -> None:
    """Bought `spots` lots on one leg alone, sold `perps` on another's; from then on only reducing orders pass."""
    refused = {"on": True}
    world.treat = lambda leg, purpose: Treatment(fraction=0.0) if refused["on"] and (
        purpose != Purpose.ENTRY or leg.instrument_id in (2, 3)) else Treatment()
    world.enter(SPOTS, qty=spots)                  # buys binance spot; bybit spot does not execute
    world.enter(PERPS, qty=perps, direction=-1)    # sells binance's perpetual; bybit's does not execute
    world.run_for(5 * MS)
    world.is_restricted = True
    refused["on"] = False


def made(world_kind: type[World] = World) -> World:
    return world_kind(rows=venue_rows(1), pair_list=venue_pairs(1), policy=TradePolicy(cooldowns_ns=COOLDOWNS))


@pytest.mark.parametrize("spots, perps", [(20, 20), (20, 12), (12, 20)])
def test_both_end_flat_though_neither_may_be_closed_alone(spots, perps):
    world = made()
    two_residuals(world, spots, perps)
    world.run_for(20 * S)
    assert abs(world.truth_of_base("BTC")) < Decimal("0.002")
    assert not [trade for trade in world.manager.trades.values() if str(trade.state) in ("RECOVERING", "UNWINDING")]
    assert world.manager.alerts["residuals_joined"] == 1
    world.manager.begin_stop("close", world.now)
    world.drain()
    world.run_for(20 * S)
    assert world.manager.is_idle() and not world.manager.report()["unhedged"]
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()


@pytest.mark.parametrize("later", range(2, 40, 3))
def test_a_death_at_any_record_of_it_changes_nothing(later):
    world = made(MortalWorld)
    two_residuals(world, 20, 14)
    world._deaths = {world.notes + later}
    world.run_for(30 * S)
    world.manager.begin_stop("close", world.now)
    world.drain()
    world.run_for(30 * S)
    assert world.manager.is_idle() and abs(world.truth_of_base("BTC")) < Decimal("0.002")
    world.assert_belief_is_truth()


def test_it_is_journaled_with_what_it_moves_and_to_whom():
    world = made()
    two_residuals(world, 20, 20)
    world.run_for(20 * S)
    (told,) = [record for record in world.journal if record.type == JournalType.DUST and record.payload["kind"] == "give"]
    assert told.trade_id != told.payload["to"] and Decimal(told.payload["units"])


def test_where_entries_may_leave_repairs_may_too_and_nothing_is_joined():
    world = made()
    two_residuals(world, 20, 20)
    world.is_restricted = False
    world.run_for(5 * S)
    assert not world.manager.alerts["residuals_joined"] and abs(world.truth_of_base("BTC")) < Decimal("0.002")
