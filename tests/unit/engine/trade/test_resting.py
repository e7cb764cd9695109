"""Entries that rest: each fill hedged at once, the race of a cancel with a fill, and everything that sends the order away."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.events import ErrorClass, EventFlag, OrderEvent, OrderStatus, OrderType, Purpose, Source
from engine.trade.commands import CancelOrder, JournalType
from engine.trade.policy import TradePolicy
from engine.trade.trade import TradeState
from tests.support.sim_trade import MS, US, S, Treatment, World

SPOT, PERP = 0, 1
QTY = 20    # perpetual lots: 0.020 BTC


def resting(*fills: tuple[int, float], hedge: Treatment | Callable[[], Treatment] | None = None,
            policy: TradePolicy | None = None, **options: Any) -> World:
    """A world whose makers are filled so (after, share) and whose other orders are treated as `hedge` says."""
    def treat(leg: Any, purpose: int) -> Treatment:
        if purpose == Purpose.ENTRY:
            return Treatment(rest_fills=fills, **options)
        return hedge() if callable(hedge) else hedge or Treatment()
    return World(treat=treat, policy=policy or TradePolicy(cooldowns_ns={"orphan": 50 * MS, "timeout": 50 * MS}))


def purposes(world: World) -> list[int]:
    return [intent.purpose for intent in world.intents]


def cancels(world: World) -> list[str]:
    """Why each was asked for."""
    return [record.payload["why"] for record in world.journal if record.type == JournalType.QUERY and "why" in record.payload]


def states(world: World) -> list[str]:
    return [to for _, to in world.transitions()]


# ---------------------------------------------------------------- fills

@pytest.mark.parametrize("maker", [SPOT, PERP])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_maker_that_fills_at_once_is_hedged_by_one_order_and_held(maker, direction):
    world = resting((10 * MS, 1.0))
    world.rest(qty=QTY, direction=direction, maker=maker)
    world.run_for(100 * MS)
    assert purposes(world) == [Purpose.ENTRY, Purpose.HEDGE] and world.intents[1].legs[0].instrument_id == 1 - maker
    assert states(world) == ["VALIDATING", "PENDING", "OPEN"]
    assert abs(world.truth_net(0)) < world.manager.instruments[PERP].lot
    assert not world.manager.alerts and max(one.naked_ns for one in world.naked) < 1 * MS
    world.assert_belief_is_truth()


def test_each_fill_is_hedged_while_the_maker_lives_on():
    world = resting((10 * MS, 0.25), (20 * MS, 0.25), (30 * MS, 0.5))
    world.rest(qty=QTY, maker=PERP)
    world.run_for(15 * MS)
    assert purposes(world) == [Purpose.ENTRY, Purpose.HEDGE] and world.manager.trades
    assert next(iter(world.manager.trades.values())).state == TradeState.PENDING
    world.run_for(85 * MS)
    assert purposes(world) == [Purpose.ENTRY] + 3 * [Purpose.HEDGE] and states(world)[-1] == "OPEN"
    assert abs(world.truth_net(0)) < world.manager.instruments[PERP].lot


def test_a_fill_that_comes_while_a_hedge_is_out_has_a_hedge_of_its_own():
    world = resting((10 * MS, 0.5), (11 * MS, 0.5), hedge=Treatment(reply=20 * MS, stream=20 * MS))
    world.rest(qty=QTY, maker=PERP)
    world.run_for(20 * MS)
    hedges = [intent.legs[0].qty for intent in world.intents[1:]]
    assert purposes(world)[1:] == 2 * [Purpose.HEDGE]
    assert sum(hedges) == pytest.approx(world.lots(SPOT, QTY), abs=40), "the second one knows what the first is for"
    world.run_for(200 * MS)
    assert states(world)[-1] == "OPEN" and abs(world.truth_net(0)) < world.manager.instruments[PERP].lot


def test_a_hedge_that_buys_spot_pays_its_fee_too():
    """In base: what arrives covers the fill, so that no remainder below every filter is left."""
    world = resting((10 * MS, 1.0))
    world.rest(qty=QTY, maker=PERP)                   # sells the perpetual, buys spot
    world.run_for(50 * MS)
    net = world.truth_net(0)
    assert 0 <= net < 2 * world.manager.instruments[SPOT].lot, net


def test_a_maker_pays_makers_fees():
    world = resting((10 * MS, 1.0))
    world.rest(qty=QTY, maker=PERP)
    world.run_for(50 * MS)
    order = world.manager.trades[world.intents[0].trade_id].orders[0]
    fill = next(iter(order.fills.values()))
    assert fill.is_maker and fill.fee == order.instrument.amount(fill.px, fill.qty) * order.instrument.maker_fee
    assert "fee_drift" not in world.manager.alerts


def test_a_quote_without_a_fill_is_no_trade():
    world = resting()
    intent = world.rest(qty=QTY)
    world.run_for(20 * MS)
    world.cancel_quote(intent.intent_id)
    world.run_for(20 * MS)
    manager = world.manager
    assert not manager.trades and manager.report()["trades"] == {} and not manager.recent
    assert manager.report()["quotes"] == {"placed": 1, "unfilled": 1} and not world.core.held
    assert world.core.armed_from[0] == 0, "nothing was taken from any book: the pair need not wait for new ones"


def test_where_the_money_went_adds_up_for_an_entry_that_rested():
    world = resting((10 * MS, 1.0))
    world.rest(qty=QTY, maker=PERP)
    world.run_for(20 * MS)
    world.core.books[SPOT] = (10_001_00, 10_001_10)
    world.leave()
    world.run_for(50 * MS)
    told = next(record.payload for record in world.journal if record.type == JournalType.ATTRIBUTION)
    assert set(told["parts"]) >= {"hedge", "fee", "exit"} and told["parts"]["rounding"] in ("0", "0E-8")


# ---------------------------------------------------------------- the race of a cancel with a fill

@pytest.mark.parametrize("fill_ns", [19_900 * US, 20_100 * US, 20_250 * US, 20_350 * US])
def test_what_executes_before_the_cancel_arrives_is_hedged(fill_ns):
    """The cancel leaves at 20 ms and needs 300 us to the matcher."""
    world = resting((fill_ns - 200 * US, 0.5))
    intent = world.rest(qty=QTY, maker=PERP)
    world.run_for(20 * MS)
    world.cancel_quote(intent.intent_id)
    world.run_for(500 * MS)
    order = world.venue.orders[intent.legs[0].client_id]
    assert order.status == OrderStatus.CANCELED
    assert order.cum_qty == (QTY // 2 if fill_ns < 20_300 * US else 0)
    assert purposes(world)[1:] == [Purpose.HEDGE] * bool(order.cum_qty)
    assert abs(world.truth_net(0)) < world.manager.instruments[PERP].lot and not world.manager.alerts
    world.assert_belief_is_truth()


def test_a_cancel_that_is_lost_is_found_out_and_repeated():
    world = resting(cancel=None)
    intent = world.rest(qty=QTY)
    world.run_for(20 * MS)
    world.cancel_quote(intent.intent_id)
    world.run_for(2 * S)
    assert world.venue.orders[intent.legs[0].client_id].status == OrderStatus.CANCELED and not world.manager.trades
    assert cancels(world) == ["it pays no more", "its fate is unknown"]


def test_a_cancel_before_the_venue_knows_the_order_is_repeated_when_it_does():
    world = resting(arrives=5 * MS)
    intent = world.rest(qty=QTY)
    world.cancel_quote(intent.intent_id)
    world.run_for(50 * MS)
    assert not world.manager.trades and not world.manager.alerts
    assert cancels(world) == ["it pays no more", "again, now that it stands"]


# ---------------------------------------------------------------- what sends it away

def _lose_hedging_market(world: World) -> None:
    world.manager.on_session("binance", "linear", "orders", False, world.now)


def _lose_ears(world: World) -> None:
    world.manager.on_session("binance", "spot", "user", False, world.now)


@pytest.mark.parametrize("cause, word", [
    (_lose_hedging_market, "down"), (_lose_ears, "down"),
    (lambda world: world.manager.begin_stop("keep", world.now), "stops"),
    (lambda world: world.manager.cancel_live(), "kill"),
])
def test_it_is_cancelled_at_once_when(cause, word):
    world = resting()
    intent = world.rest(qty=QTY, maker=SPOT)
    world.run_for(20 * MS)
    cause(world)
    world.drain()
    assert isinstance([one for one in world.commands if isinstance(one, CancelOrder)][-1], CancelOrder)
    world.run_for(50 * MS)
    assert word in cancels(world)[0] and world.venue.orders[intent.legs[0].client_id].status == OrderStatus.CANCELED


def test_its_life_ends():
    world = resting(policy=TradePolicy(rest_life_ns=1 * S))
    world.rest(qty=QTY)
    world.run_for(990 * MS)
    assert not cancels(world)
    world.run_for(100 * MS)
    assert cancels(world) == ["it has rested long enough"] and not world.manager.trades


def test_a_refused_hedge_sends_it_away_and_is_tried_again():
    world = resting((10 * MS, 0.5))
    world.rest(qty=QTY, maker=PERP)
    world.run_for(9 * MS)
    world.core.refuse_with = 7
    world.run_for(10 * MS)
    assert cancels(world) == ["its hedge was refused"]
    world.core.refuse_with = 0
    world.run_for(1 * S)
    assert purposes(world)[1:] == [Purpose.HEDGE] and abs(world.truth_net(0)) < world.manager.instruments[PERP].lot


def test_hedges_that_do_not_execute_end_in_the_ladder():
    world = resting((10 * MS, 0.5), hedge=Treatment(fraction=0.0))
    world.rest(qty=QTY, maker=PERP)
    world.run_for(1 * S)
    assert purposes(world)[1:4] == 3 * [Purpose.HEDGE]
    assert cancels(world) == ["3 hedges in a row did not execute"]
    assert {"RECOVERING", "UNWINDING"} <= set(states(world)) and Purpose.UNWIND in purposes(world)


def test_a_hedge_whose_fate_is_unknown_is_not_repeated_and_sends_the_maker_away():
    world = resting((10 * MS, 0.5), hedge=Treatment(arrives=None))
    world.rest(qty=QTY, maker=PERP)
    world.run_for(800 * MS)
    assert purposes(world)[1:] == [Purpose.HEDGE] and "is unknown" in cancels(world)[0]


def test_a_fill_too_small_to_be_hedged_waits_for_company_and_not_for_long():
    """Spot filters: 5 USDT. A lot of the perpetual is worth 10, so the price has to fall for one to be too small."""
    world = resting((10 * MS, 0.05), policy=TradePolicy(rest_small_ns=200 * MS))
    for row in (SPOT, PERP):
        world.core.books[row] = tuple(px // 4 for px in world.core.books[row])  # type: ignore[assignment]
    world.rest(qty=QTY, maker=PERP)
    world.run_for(150 * MS)
    assert purposes(world) == [Purpose.ENTRY] and not cancels(world)
    world.run_for(200 * MS)
    assert cancels(world)[0] == "a fill is too small to be hedged"


def test_a_fill_that_no_stream_told_is_found_by_asking():
    world = resting((10 * MS, 0.5), policy=TradePolicy(rest_poll_ns=500 * MS), stream=None)
    world.rest(qty=QTY, maker=PERP)
    world.run_for(400 * MS)
    assert purposes(world) == [Purpose.ENTRY]
    world.run_for(200 * MS)
    assert purposes(world)[1:] == [Purpose.HEDGE]


def test_a_repair_on_its_row_sends_it_away_first():
    world = World(pairs=1, treat=lambda leg, purpose: Treatment(reject="REJECT" if (
        purpose, leg.order_type, leg.instrument_id) == (Purpose.ENTRY, OrderType.IOC, PERP) else ""))
    world.core.pair_list.append((0, 1))
    world.rest(1, qty=QTY, maker=PERP, direction=-1)      # buys the perpetual
    world.run_for(10 * MS)
    world.enter(0, qty=QTY)                               # its perpetual is refused: a chase sells there
    world.run_for(50 * MS)
    assert any("has to trade there" in why for why in cancels(world))


# ---------------------------------------------------------------- taken for what it is not

def test_a_refusal_of_what_the_stream_has_shown_proves_nothing():
    world = resting(lies="rejected", reply=5 * MS, stream=1 * MS)
    intent = world.rest(qty=QTY)
    world.run_for(2 * S)
    assert "order_unknown" in world.manager.alerts
    assert world.venue.orders[intent.legs[0].client_id].status == OrderStatus.CANCELED and not world.manager.trades


def test_one_that_was_taken_for_refused_and_stands_is_told_to_end_until_it_has():
    world = resting(lies="rejected", reply=1 * MS, stream=5 * MS, cancel=None)
    intent = world.rest(qty=QTY)
    world.run_for(4 * S)
    order = world.venue.orders[intent.legs[0].client_id]
    assert order.status == OrderStatus.CANCELED and order.cancels == 2
    assert set(cancels(world)) == {"it was taken for rejected"}
    world.run_for(5 * S)
    assert order.cancels == 2 and not world.manager.quotes.ghosts


def test_a_cancel_that_the_venue_refuses_says_nothing_about_the_order():
    world = resting()
    intent = world.rest(qty=QTY)
    world.run_for(20 * MS)
    client_id = intent.legs[0].client_id
    world.manager.on_order_event(OrderEvent(client_id, SPOT, Source.REPLY, error_class=ErrorClass.UNKNOWN_ORDER,
                                            flags=int(EventFlag.CANCEL_REPLY), recv_mono_ns=world.now))
    world.drain()
    world.run_for(20 * MS)
    assert world.manager.trades and not world.manager.alerts
