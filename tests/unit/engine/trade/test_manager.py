"""TradeManager beyond single legs: recovery ladder, stops, cool-downs, sessions, strangers, people."""
from decimal import Decimal

import pytest

from engine.events import EventFlag, Intent, Leg, OrderEvent, OrderStatus, Purpose, Side, Source
from engine.trade.commands import Alert, Ask, JournalType, QueryOrder, SubmitIntent
from engine.trade.core_surface import PairState
from engine.trade.manager import ImpossibleTransition
from engine.trade.policy import MINUTE, TradePolicy
from engine.trade.states import TradeState
from tests.support.sim_trade import MS, S, Treatment, World

PERP = 1


def treat_by_purpose(**by_purpose):
    return lambda leg, purpose: by_purpose.get((Purpose(purpose).name, leg.instrument_id),
                                               by_purpose.get(Purpose(purpose).name, Treatment()))


def world_treating(rules: dict, **kwargs) -> World:
    return World(treat=lambda leg, purpose: rules.get((purpose, leg.instrument_id), rules.get(purpose, Treatment())), **kwargs)


def test_a_good_trade_passes_the_whole_table_and_journals_each_step():
    world = World()
    world.enter(qty=10)
    world.run_for(1 * S)
    world.leave()
    world.run_for(1 * S)
    assert world.transitions() == [("DETECTED", "VALIDATING"), ("VALIDATING", "PENDING"), ("PENDING", "OPEN"),
                                   ("OPEN", "CLOSING"),
                                   ("CLOSING", "CLOSED")]
    assert world.manager.report()["trades"] == {"CLOSED": 1}
    assert world.core.pair_states[0] == (PairState.FLAT, 0, 0)
    assert world.core.pnl_e8 and not world.manager.alerts


def test_open_pair_tells_the_core_what_can_be_sold_after_the_fee_in_base():
    world = World()
    world.enter(qty=10)
    world.run_for(1 * S)
    assert world.core.pair_states[0] == (PairState.OPEN, 999,
                                         -10), "0.01 BTC less a fee of 0.00001: 999 spot lots, 10 perpetual lots"


def test_fee_in_base_of_a_lot_or_more_is_hedged():
    world = World()
    world.enter(qty=2_000)  # the fee on 2 BTC is 0.002 BTC: two common lots
    world.run_for(1 * S)
    assert abs(world.truth_net(0)) < Decimal("0.001")
    assert [intent.purpose for intent in world.intents] == [Purpose.ENTRY, Purpose.CHASE]


def test_chase_gives_up_after_three_and_the_excess_is_given_back():
    world = world_treating({(Purpose.ENTRY, PERP): Treatment(reject="REJECT"), Purpose.CHASE: Treatment(fraction=0.0)})
    world.enter(qty=10)
    world.run_for(5 * S)
    assert [intent.purpose for intent in world.intents] == [Purpose.ENTRY] + 3 * [Purpose.CHASE] + [Purpose.UNWIND]
    assert world.transitions()[-3:] == [("PENDING", "RECOVERING"), ("RECOVERING", "UNWINDING"), ("UNWINDING", "CLOSED")]
    assert abs(world.truth_net(0)) < Decimal("0.001")


def test_chase_is_not_dearer_than_the_cap():
    world = world_treating({(Purpose.ENTRY, PERP): Treatment(reject="REJECT")})
    world.enter(qty=10)
    world.core.books[PERP] = (10_040_0, 10_040_5)  # 20 bps away from 10,060: more than chase_slippage_bps
    world.run_for(5 * S)
    assert [intent.purpose for intent in world.intents] == [Purpose.ENTRY, Purpose.UNWIND]


def test_unwind_bands_widen_and_stay_bounded():
    policy = TradePolicy(chase_max=0)
    world = world_treating({(Purpose.ENTRY, PERP): Treatment(reject="REJECT"), Purpose.UNWIND: Treatment(fraction=0.0)},
                           policy=policy)
    world.enter(qty=10)
    world.run_for(3 * S)
    bid = world.core.books[0][0]
    limits = [intent.legs[0].limit_px for intent in world.intents if intent.purpose == Purpose.UNWIND]
    assert limits[:5] == [bid - bid * int(band) // 10_000 for band in policy.unwind_bands_bps]
    assert set(limits[5:]) == {limits[4]}, "beyond the last band it goes on at the widest"
    assert "unwind_exhausted" in world.alert_codes()
    assert 5 <= len(limits) <= 20, "it keeps trying on a timer, not in a storm"


def test_unwind_of_futures_is_reduce_only():
    world = world_treating({(Purpose.ENTRY, 0): Treatment(reject="BALANCE"), Purpose.CHASE: Treatment(fraction=0.0)})
    world.enter(qty=10)
    world.run_for(3 * S)
    unwind = world.intents[-1]
    assert unwind.purpose == Purpose.UNWIND and unwind.legs[0].instrument_id == PERP and unwind.legs[0].flags == 1


def test_a_person_is_asked_only_by_policy():
    rules = {(Purpose.ENTRY, PERP): Treatment(reject="REJECT"), Purpose.CHASE: Treatment(fraction=0.0),
             Purpose.UNWIND: Treatment(fraction=0.0)}
    world = world_treating(rules, policy=TradePolicy(manual_after_attempts=6))
    intent = world.enter(qty=10)
    world.run_for(5 * S)
    assert world.manager.trades[intent.trade_id].state == TradeState.MANUAL
    assert world.core.pair_states[0][0] == PairState.LOCKED and world.manager.is_idle()
    assert world.manager.report()["unhedged"] == {"binance:BTC/USDT": "0.00999"}
    sent = len(world.intents)
    world.run_for(5 * S)
    assert len(world.intents) == sent, "nothing is sent while a person decides"
    rules[Purpose.UNWIND] = Treatment()
    rules[Purpose.CHASE] = Treatment()
    assert world.manager.resolve_manual(intent.trade_id, "retry", "anna", world.now) == ""
    world.drain()
    world.run_for(5 * S)
    assert world.manager.report()["unhedged"] == {}
    assert "not waiting" in world.manager.resolve_manual(intent.trade_id, "retry", "anna", world.now)


def test_a_person_may_accept_what_is_left():
    rules = {(Purpose.ENTRY, PERP): Treatment(reject="REJECT"), Purpose.CHASE: Treatment(fraction=0.0),
             Purpose.UNWIND: Treatment(fraction=0.0)}
    world = world_treating(rules, policy=TradePolicy(manual_after_attempts=4))
    intent = world.enter(qty=10)
    world.run_for(5 * S)
    assert "right is" in world.manager.resolve_manual(intent.trade_id, "maybe", "anna", world.now)
    assert world.manager.resolve_manual(intent.trade_id, "accept", "anna", world.now) == ""
    assert world.manager.report()["dust"] == {"binance:BTC/USDT": "0.00999"}
    assert world.manager.report()["unhedged"] == {"binance:BTC/USDT": "0.00999"}, "accepted is not hedged: the report says so"
    world.assert_profit_is_exact()


def test_repairs_wait_for_a_book_and_for_the_gate():
    world = world_treating({(Purpose.ENTRY, PERP): Treatment(reject="REJECT")})
    world.enter(qty=10)
    books = dict(world.core.books)
    world.venue_books = books
    world.core.books = {}
    world.run_for(1 * S)
    assert len(world.intents) == 1 and "recovery_waits" in world.alert_codes()
    world.core.books, world.core.refuse_with = books, 7
    world.run_for(1 * S)
    assert len(world.intents) == 1 and world.manager.rejects["gate:7"] >= 2
    world.core.refuse_with = 0
    world.run_for(1 * S)
    assert abs(world.truth_net(0)) < Decimal("0.001")


def test_residual_below_every_filter_is_declared_as_dust_and_netted_by_the_next_trade():
    # 0.004 BTC of 0.01 is left on spot after the exit: 40 USD; with a minimum of 50 nobody takes it.
    world = World(treat=lambda leg, purpose: Treatment(fraction=0.6) if purpose == Purpose.EXIT
                  and leg.instrument_id == 0 else Treatment())
    world.manager.instruments[0] = world.manager.instruments[0].__class__(
        **{name: getattr(world.manager.instruments[0], name)
           for name in world.manager.instruments[0].__slots__} | {"min_notional": Decimal(50)})
    world.enter(qty=10)
    world.run_for(1 * S)
    world.leave()
    world.run_for(1 * S)
    assert "residual_too_small" in world.alert_codes()
    assert list(world.manager.report()["unhedged"]) == ["binance:BTC/USDT"], "more than a lot: the report does not hide it"
    assert world.manager.report()["trades"] == {"CLOSED": 1}
    world.treat = lambda leg, purpose: Treatment()
    world.enter(qty=10)
    world.run_for(3 * S)
    assert world.manager.report()["unhedged"] == {}
    world.leave()
    world.run_for(1 * S)
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()
    assert world.manager.report()["unhedged"] == {} and abs(world.truth_net(0)) < Decimal("0.001")


# ---------------------------------------------------------------- stops

def test_stop_keep_leaves_pairs_open_and_finishes_what_is_in_flight():
    world = World()
    world.enter(qty=10)
    world.manager.begin_stop("keep", world.now)
    assert not world.manager.is_idle()
    world.run_for(1 * S)
    assert world.manager.is_idle() and world.core.pair_states[0][0] == PairState.OPEN
    assert len(world.manager.report()["open_pairs"]) == 1


def test_stop_close_asks_the_core_first_and_closes_itself_what_the_core_does_not():
    world = World()
    world.enter(qty=10)
    world.run_for(1 * S)
    world.manager.begin_stop("close", world.now)
    world.drain()
    assert world.core.exit_requested and not world.manager.is_idle()
    world.run_for(900 * MS)
    assert len(world.intents) == 1, "the core has its chance"
    world.run_for(2 * S)
    assert world.intents[-1].purpose == Purpose.EXIT and len(world.intents[-1].legs) == 2
    assert world.manager.is_idle() and world.manager.report()["trades"] == {"CLOSED": 1}


def test_stop_close_catches_a_trade_whose_entry_was_still_in_flight():
    world = World()
    world.enter(qty=10)
    world.manager.begin_stop("close", world.now)
    world.run_for(5 * S)
    assert world.manager.is_idle() and world.manager.report()["trades"] == {"CLOSED": 1}


def test_stop_mode_must_be_known():
    with pytest.raises(ValueError, match="right is close or keep"):
        World().manager.begin_stop("now", 0)


def test_exit_that_did_not_happen_goes_back_to_open_and_rearms():
    world = world_treating({Purpose.EXIT: Treatment(fraction=0.0)})
    world.enter(qty=10)
    world.run_for(1 * S)
    armed = len(world.core.rearmed)
    world.leave()
    world.run_for(1 * S)
    assert world.transitions()[-1] == ("CLOSING", "OPEN")
    assert world.core.pair_states[0] == (PairState.OPEN, 999, -10) and len(world.core.rearmed) == armed + 1


@pytest.mark.parametrize("leg", [0, PERP])
def test_leg_that_missed_its_exit_is_closed_to_the_last_lot(leg):
    """The spot leg ends with a dust of 0.000001 (fee in base), which must not leave a lot of the other one standing: hedged by
    nothing, below every filter, its pair shut for good."""
    world = world_treating({(Purpose.EXIT, leg): Treatment(fraction=0.0)})
    world.enter(qty=9)
    world.run_for(1 * S)
    world.leave()
    world.run_for(1 * S)
    assert [intent.purpose for intent in world.intents] == [Purpose.ENTRY, Purpose.EXIT, Purpose.CHASE]
    assert world.transitions()[-1] == ("RECOVERING", "CLOSED") and not world.manager.trades
    assert world.core.pair_states[0] == (PairState.FLAT, 0, 0)
    assert world.venue.positions[PERP] == 0 and abs(world.truth_net(0)) < Decimal("0.001")
    world.assert_belief_is_truth()


@pytest.mark.parametrize("leg", [0, PERP])
def test_leg_that_missed_its_exit_and_cannot_be_chased_is_unwound_to_the_last_lot(leg):
    world = world_treating({(Purpose.EXIT, leg): Treatment(fraction=0.0), Purpose.CHASE: Treatment(fraction=0.0)})
    world.enter(qty=9)
    world.run_for(1 * S)
    world.leave()
    world.run_for(3 * S)
    assert world.intents[-1].purpose == Purpose.UNWIND and not world.manager.trades
    assert world.venue.positions[PERP] == 0 and world.core.pair_states[0] == (PairState.FLAT, 0, 0)


def test_last_lot_that_the_gate_does_not_let_go_ends_the_stop_all_the_same():
    world = world_treating({(Purpose.EXIT, PERP): Treatment(fraction=8 / 9), Purpose.CHASE: Treatment(fraction=0.0),
                            Purpose.UNWIND: Treatment(fraction=0.0)})
    world.enter(qty=9)
    world.run_for(1 * S)
    world.leave()
    world.run_for(1 * S)
    assert world.venue.positions[PERP] == -1, "one lot is left, opposite to the dust of the spot leg"
    world.core.refuse_with = "NOT_REDUCING"
    world.manager.begin_stop("close", world.now)
    world.run_for(2 * S)
    assert world.manager.is_idle() and "exit_too_small" in world.alert_codes()
    assert world.manager.report()["open_pairs"] == []


# ---------------------------------------------------------------- cool-downs and locks

@pytest.mark.parametrize(("treatment", "minutes"), [
    (Treatment(reject="BALANCE"), 60), (Treatment(reject="RATE"), 5), (Treatment(reject="AUTH"), 5),
    (Treatment(reject="TIME"), 5),
    (Treatment(reply=None, stream=None), 10)], ids=["margin", "rate", "auth", "time", "no answer"])
def test_cool_down_after_trouble(treatment, minutes):
    world = world_treating({(Purpose.ENTRY, PERP): treatment, (Purpose.ENTRY, 0): Treatment(fraction=0.0)})
    start = world.now
    world.enter(qty=10)
    world.run_for(5 * S)
    assert abs(world.core.locks[PERP][0] - (start + minutes * MINUTE)) < 5 * S
    assert world.core.locks[0][0] == world.core.locks[PERP][0], "the pair rests as a whole"


def test_orphan_rests_two_hours_and_plain_rejects_do_not_lock():
    world = world_treating({(Purpose.ENTRY, PERP): Treatment(reject="REJECT"), Purpose.CHASE: Treatment(fraction=0.0)})
    world.enter(qty=10)
    world.run_for(5 * S)
    assert world.core.locks[0][0] - world.now > 119 * MINUTE
    world = world_treating({Purpose.ENTRY: Treatment(reject="FILTER")})
    world.enter(qty=10)
    world.run_for(5 * S)
    assert not world.core.locks


# ---------------------------------------------------------------- sessions and streams

def test_lost_order_session_makes_orders_unknown_at_once_and_asks():
    world = world_treating({Purpose.ENTRY: Treatment(reply=200 * MS, stream=None)})
    world.enter(qty=10)
    world.manager.on_session("binance", "linear", "orders", False, world.now)
    asked = [command for command in world.manager.take_commands() if isinstance(command, QueryOrder)]
    assert {(command.row, command.ask) for command in asked} == {(PERP, Ask.ORDER), (PERP, Ask.FILLS)}
    assert world.core.sessions[0, 2] is False
    world.run_for(5 * S)
    world.assert_belief_is_truth()
    world.manager.on_session("binance", "linear", "orders", True, world.now)
    assert world.core.sessions[0, 2] is True


def test_silent_user_stream_is_taken_for_dead_once():
    world = world_treating({Purpose.ENTRY: Treatment(stream=None)})
    world.enter(qty=10)
    world.run_for(4 * S)
    assert world.stream_restarts == 2, "one for each account, not one for each order"
    assert "stream_silent" in world.alert_codes()
    world.assert_belief_is_truth()


def test_user_stream_that_comes_back_is_followed_by_questions_about_open_details():
    world = world_treating({Purpose.ENTRY: Treatment(stream=None)}, policy=TradePolicy(settle_ns=60 * S))
    world.enter(qty=10)
    world.manager.on_session("binance", "spot", "user", False, world.now)
    world.run_for(100 * MS)
    assert not world.manager.is_idle() or any(not trade.is_settled for trade in world.manager.trades.values())
    world.manager.on_session("binance", "spot", "user", True, world.now)
    world.drain()
    world.run_for(100 * MS)
    spot = next(order for order in next(iter(world.manager.trades.values())).orders if order.row == 0)
    assert spot.is_settled


def test_late_fill_on_a_finished_trade_brings_it_back_and_hedges():
    world = world_treating({(Purpose.ENTRY, 0): Treatment(reject="REJECT"),
                            (Purpose.ENTRY, PERP): Treatment(lies="rejected", stream=30 * S)})
    world.enter(qty=10)
    world.run_for(10 * S)
    assert world.manager.report()["trades"] == {"CLOSED": 1} and not world.manager.trades
    world.run_for(60 * S)
    assert "late_fill" in world.alert_codes() and ("CLOSED", "RECOVERING") in world.transitions()
    assert world.truth_net(0) == 0 and not world.manager.trades
    assert world.manager.report()["trades"] == {"CLOSED": 1}, "still one trade"
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()


def test_strangers_fill_is_reported_and_locks_the_row():
    world = World()
    event = OrderEvent("web_123", PERP, Source.STREAM, OrderStatus.FILLED, trade_id=7, last_qty=5, last_px=100, cum_qty=5,
                       recv_mono_ns=world.now,
                       flags=int(EventFlag.IS_FILL | EventFlag.FOREIGN))
    world.manager.on_order_event(event)
    world.manager.on_order_event(event)
    alerts = [command for command in world.manager.take_commands() if isinstance(command, Alert)]
    assert [alert.code for alert in alerts] == ["foreign_fill"] and world.core.locks[PERP][0] > world.now


def test_event_without_client_id_is_found_by_the_venues_order_id():
    world = world_treating({Purpose.ENTRY: Treatment(stream=None, reply_kind="end")}, policy=TradePolicy(settle_ns=60 * S))
    world.enter(qty=10)
    world.run_for(10 * MS)
    order = next(iter(world.venue.orders.values()))
    trade_id, qty, px, fee, asset = order.fills[0]
    world.manager.on_order_event(OrderEvent("", order.row, Source.QUERY, venue_order_id=order.order_id, trade_id=trade_id,
                                            last_qty=qty, last_px=px,
                                            fee=fee, fee_asset=asset, recv_mono_ns=world.now, flags=int(EventFlag.IS_FILL)))
    assert world.manager.fill_count == 1


def test_hedges_of_hedges_end_at_three_times_the_intent_however_often_the_trade_comes_back():
    """A venue that says of every second order that it expired, and executes it seconds later: each late fill brings the trade
    back and is hedged, by an order of which the next is again told dead."""
    unwinds, lie = [], Treatment(lies="expired", stream=3 * S)

    def treat(leg, purpose):
        if purpose == Purpose.ENTRY:
            return Treatment(reject="REJECT") if leg.leg_index == 1 else Treatment()
        unwinds.append(leg)
        return lie if len(unwinds) % 2 else Treatment()
    world = World(treat=treat, policy=TradePolicy(chase_max=0))
    intent = world.enter(qty=10)
    world.run_for(120 * S)
    executed = [world.venue.orders[leg.client_id].cum_qty for leg in (intent.legs[0], *unwinds)]
    assert sum(executed) - executed[-1] <= 3 * intent.legs[0].qty, "only the last late fill may come on top"
    assert world.manager.trades[intent.trade_id].state == TradeState.MANUAL
    assert {"late_fill", "manual"} <= world.alert_codes()
    before, lie = len(unwinds), Treatment()
    assert world.manager.resolve_manual(intent.trade_id, "retry", "test", world.now) == ""
    world.drain()
    world.run_for(5 * S)
    world.assert_belief_is_truth()
    assert len(unwinds) > before and not world.manager.trades, "a person's word is worth another turn"


# ---------------------------------------------------------------- money

def test_funding_goes_to_the_trade_that_holds_the_instrument():
    world = World()
    world.enter(qty=10)
    world.run_for(1 * S)
    world.manager.on_funding_income("binance:linear", "USDT", Decimal("0.0123"), PERP, world.now)
    world.manager.on_funding_income("binance:linear", "USDT", Decimal("-0.002"), None, world.now)
    world.venue.balances["binance:linear"]["USDT"] += Decimal("0.0103")
    world.leave()
    world.run_for(1 * S)
    assert world.manager.report()["pnl"]["split"]["funding"] == "0.0103"
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()


def test_reconcile_locks_only_a_difference_that_lasts():
    world = World()
    theirs = {"binance:spot": {**world.venue.opening["binance:spot"], "BTC": Decimal("9.5")}}
    assert [str(one) for one in world.manager.reconcile(theirs, world.now)] == [
        "binance:spot BTC: ledger 10, venue 9.5, difference 0.5"]
    assert not world.core.locks
    world.manager.reconcile(theirs, world.now + 300 * MS)
    assert world.core.locks[0][0] > world.now and "ledger_difference" in world.alert_codes()
    world.manager.on_transfer("binance:spot", "BTC", Decimal("-0.5"), world.now)
    assert world.manager.reconcile(theirs, world.now + 600 * MS) == []


def test_reconcile_passes_over_accounts_in_motion():
    world = World()
    world.enter(qty=10)
    assert world.manager.reconcile({"binance:spot": {"USDT": Decimal(1)}}, world.now) == []


def test_attribution_sums_exactly_and_names_the_slippage():
    world = World()
    world.enter(qty=10)
    world.core.books[0] = (10_001_00, 10_001_10)  # spot moved up before the order arrived; the limit does not allow it
    world.run_for(1 * S)
    world.leave() if world.core.pair_states[0][0] == PairState.OPEN else None
    world.run_for(5 * S)
    payload = next(record.payload for record in world.journal if record.type == JournalType.ATTRIBUTION)
    edge, parts = payload["edge"], payload["parts"]
    assert Decimal(edge["detect"]) + sum(map(Decimal, parts.values())) == Decimal(edge["realised"])
    assert Decimal(parts["rounding"]) == 0 and Decimal(parts["recovery"]) != 0


def test_single_manual_order_is_tended_and_not_hedged():
    world = World()
    intent = world.core.make_intent(Purpose.MANUAL, 0, 0xFFFFFFFF, [(PERP, Side.BUY, 10_060_5, 10, 0)], 500 * MS, world.now)
    world.send(intent)
    world.run_for(2 * S)
    assert len(world.intents) == 1 and world.manager.report()["trades"] == {"CLOSED": 1}
    assert world.manager.report()["unhedged"] == {"binance:BTC/USDT:USDT": "0.01"}
    world.assert_belief_is_truth()


def test_driver_mistakes_are_named():
    world = World()
    with pytest.raises(ImpossibleTransition, match="names no trade"):
        world.manager.on_intent(Intent(1, 99, purpose=Purpose.CHASE, legs=[Leg("L1", 0, 0, 0, 0, 1, 1)]))


def test_half_of_a_proven_leg_is_given_back_while_the_other_is_unknown_if_so_configured():
    world = world_treating({(Purpose.ENTRY, PERP): Treatment(reply=None, stream=None)}, policy=TradePolicy(hedge_unknown="half"))
    world.query_lost = lambda: True
    world.enter(qty=100)
    world.run_for(1_500 * MS)
    assert [(intent.purpose, intent.legs[0].instrument_id, intent.legs[0].qty)
            for intent in world.intents[1:]] == [(Purpose.UNWIND, 0, 4_995)]
    world.query_lost = lambda: False
    world.run_for(5 * S)
    assert abs(world.truth_net(0)) < Decimal("0.001")
    world.assert_belief_is_truth()


def test_unknown_can_be_given_to_a_person_by_policy():
    world = world_treating({(Purpose.ENTRY, PERP): Treatment(arrives=None)}, policy=TradePolicy(unknown_manual_ns=3 * S))
    world.query_lost = lambda: True
    intent = world.enter(qty=10)
    world.run_for(8 * S)
    assert world.manager.trades[intent.trade_id].state == TradeState.MANUAL
    assert "unknown order" in world.manager.resolve_manual(intent.trade_id, "accept", "anna", world.now) or \
        "unknown" in world.manager.resolve_manual(intent.trade_id, "accept", "anna", world.now)


def test_queries_back_off_and_never_storm():
    world = world_treating({(Purpose.ENTRY, PERP): Treatment(arrives=None)})
    world.query_lost = lambda: True
    world.enter(qty=10)
    world.run_for(60 * S)
    asked = sum(isinstance(command, QueryOrder) and command.ask == Ask.ORDER and command.row == PERP
                for command in world.commands)
    assert 10 <= asked <= 35
    assert {"order_unknown", "unknown_unresolved"} <= world.alert_codes()


def test_graves_and_fills_are_forgotten_after_a_day():
    world = World()
    world.enter(qty=10)
    world.run_for(1 * S)
    world.leave()
    world.run_for(1 * S)
    assert len(world.manager._graves) == 4 and len(world.manager._seen) == 4
    world.manager.on_timer(world.now + 25 * 3600 * S)
    assert (
        not world.manager._graves
        and not len(world.manager._seen)
        and not world.manager._by_venue_id
        and not world.manager._trade_of
    )


def test_refused_submit_of_a_forgotten_trade_is_ignored():
    world = World()
    world.manager.on_submit_refused(SubmitIntent(Purpose.UNWIND, 12345, 0, [], 2, 0, ""), 7, world.now)
    assert not world.manager.take_commands()
