"""B26: a venue takes a position of ours away by itself (deleveraging, liquidation, delivery). The trade that held it loses it,
and its other leg is closed like any residual; what no trade of ours held is a stranger's affair."""
from __future__ import annotations

from decimal import Decimal

import pytest

from engine.events import EventFlag, OrderEvent, Purpose, Source
from engine.trade.commands import JournalType
from engine.trade.core_surface import LockReason
from tests.support.fake_core import venue_pairs, venue_rows
from tests.support.mortal_world import MortalWorld
from tests.support.sim_trade import MS, S, World

SPOT, PERP = 0, 1


def held(world: World | None = None, qty: int = 10) -> World:
    world = world or World()
    world.enter(qty=qty)
    world.run_for(50 * MS)
    assert [str(trade.state) for trade in world.manager.trades.values()] == ["OPEN"]
    return world


def closed_at(world: World) -> int:
    """ns from the event until the other leg was gone."""
    return max(one.naked_ns for one in world.naked)


@pytest.mark.parametrize("qty", [10, 4])
def test_b26_the_other_leg_is_closed_within_half_a_second_of_the_event(qty):
    world = held()
    world.force_close(PERP, qty)
    world.run_for(1 * S)
    assert world.intents[-1].purpose == Purpose.UNWIND and world.intents[-1].legs[0].instrument_id == SPOT
    assert closed_at(world) < 500 * MS
    assert abs(world.truth_net(0)) < Decimal("0.001")
    assert "forced_close" in world.manager.alerts and "foreign_fill" not in world.manager.alerts
    states = [str(trade.state) for trade in world.manager.trades.values()]
    assert states == (["OPEN"] if qty < 10 else []), "what is left of it is held"
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()


def test_b26_its_instruments_take_no_entries_for_a_while():
    world = held()
    world.force_close(PERP, 10)
    assert world.core.locks[PERP][1] == LockReason.ORPHAN


def test_b26_trades_that_share_the_position_share_the_loss():
    """Two trades hold the same perpetual; more is gone than the larger one held."""
    world = World(rows=venue_rows(1), pair_list=venue_pairs(1))
    world.enter(0, qty=10)     # binance spot against binance's perpetual (row 1)
    world.run_for(50 * MS)
    world.enter(3, qty=6, direction=-1)     # binance's perpetual sold against bybit's
    world.run_for(50 * MS)
    assert world.venue.positions[1] == -16
    world.force_close(1, 13)
    world.run_for(2 * S)
    assert abs(world.truth_of_base("BTC")) < Decimal("0.002")
    world.assert_belief_is_truth()
    posted = [record.payload["client_id"] for record in world.journal if record.type == JournalType.LEDGER
              and str(record.payload.get("client_id", "")).startswith("forced-")]
    assert len(posted) == 2


def test_b26_what_no_trade_of_ours_held_is_a_strangers():
    world = World()
    event = OrderEvent("adl_autoclose", PERP, Source.STREAM, venue_order_id=5, trade_id=77, last_qty=3, last_px=100_000,
                       flags=int(EventFlag.IS_FILL | EventFlag.FOREIGN | EventFlag.FORCED), recv_mono_ns=world.now)
    world.manager.on_order_event(event)
    world.drain()
    assert not world.intents and "foreign_fill" in world.manager.alerts
    assert world.core.locks[PERP][1] == LockReason.FOREIGN


def test_b26_told_twice_it_counts_once_and_a_notice_without_its_fee_waits_for_the_whole():
    world = held()
    order_events = []
    original = world._deliver
    world._deliver = lambda event: (order_events.append(event), original(event))  # type: ignore[method-assign,assignment]
    world.force_close(PERP, 10)
    original(order_events[0])
    lite = order_events[0]
    lite.flags |= EventFlag.LITE
    original(lite)
    world.run_for(1 * S)
    world.assert_belief_is_truth()
    assert world.manager.alerts["forced_close"] == 1


@pytest.mark.parametrize("later", [1, 2, 3, 4, 6, 8, 10, 12])
def test_b26_a_death_in_between_changes_nothing(later):
    """At each of the records that follow the event, its own first."""
    world = MortalWorld(down_ns=100 * MS)
    held(world)
    world._deaths = {world.notes + later}
    world.at(world.now, lambda: world.force_close(PERP, 10))
    world.run_for(5 * S)
    world.assert_belief_is_truth()
    assert abs(world.truth_net(0)) < Decimal("0.001") and world.lives == 2

