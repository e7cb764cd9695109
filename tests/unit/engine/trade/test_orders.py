"""One order: what each kind of fact does to it, whatever the order of facts."""
import itertools
from decimal import Decimal

import pytest

from engine.events import ErrorClass, EventFlag, Leg, OrderEvent, OrderStatus, Purpose, Side, Source
from engine.trade.instruments import make_instruments
from engine.trade.orders import DEFINITE_CLASSES, SeenFills, make_order
from engine.trade.states import OrderState, is_terminal
from tests.support.fake_core import pair_rows

INSTRUMENTS = make_instruments(pair_rows())


def new_order(row=0, side=Side.BUY, qty=1000):
    order = make_order(Leg("L1", row, side, 0, 0, 100_00, qty), 1, 1, Purpose.ENTRY, 500_000_000, 0, INSTRUMENTS[row])
    order.move(OrderState.SENT)
    return order, SeenFills(86_400 * 10**9)


def fill(trade_id, qty, px=100_00, fee="0.001", asset="BTC", cum=-1, status=OrderStatus.PARTIAL, source=Source.STREAM,
         flags=EventFlag.IS_FILL):
    return OrderEvent("L1", 0, source, status, trade_id=trade_id, last_qty=qty, last_px=px, cum_qty=cum, recv_mono_ns=trade_id,
                      fee=None if fee is None else Decimal(fee), fee_asset=asset, flags=int(flags))


def status(what, cum=-1, source=Source.REPLY, error=ErrorClass.NONE, flags=0):
    return OrderEvent("L1", 0, source, what, cum_qty=cum, error_class=error, recv_mono_ns=99, flags=flags)


def test_any_fill_is_an_ack():
    order, seen = new_order()
    applied = order.apply(fill(1, 400), seen)
    assert order.state == OrderState.ACKED and applied.grew_qty == 400 and order.acked_mono_ns == 1


def test_ack_is_no_outcome():
    order, seen = new_order()
    order.apply(status(OrderStatus.NEW, 0), seen)
    assert order.state == OrderState.ACKED and order.is_live


def test_facts_in_any_order_end_the_same():
    facts = [status(OrderStatus.NEW, 0), fill(1, 400, cum=400), fill(2, 600, cum=1000, status=OrderStatus.FILLED),
             status(OrderStatus.FILLED, 1000), fill(1, 400, source=Source.QUERY)]
    for sequence in itertools.permutations(facts):
        order, seen = new_order()
        grown = sum(order.apply(event, seen).grew_qty for event in sequence)
        assert (order.state, order.cum_qty, order.fills_qty, grown) == (OrderState.FILLED, 1000, 1000, 1000)
        assert order.is_settled and order.fees == {"BTC": Decimal("0.002")}


def test_older_cumulative_quantity_is_ignored():
    order, seen = new_order()
    order.apply(status(OrderStatus.PARTIAL, 700), seen)
    assert order.apply(status(OrderStatus.PARTIAL, 300), seen).grew_qty == 0
    assert order.cum_qty == 700


def test_fill_notice_counts_once_and_its_fee_comes_later():
    order, seen = new_order()
    order.apply(fill(1, 1000, fee=None, asset="", flags=EventFlag.IS_FILL | EventFlag.LITE), seen)
    assert order.state == OrderState.FILLED and not order.is_settled
    applied = order.apply(fill(1, 1000), seen)
    assert applied.fee_of is not None and applied.fill is None and applied.grew_qty == 0 and order.is_settled
    assert order.apply(fill(1, 1000), seen).is_duplicate


def test_fill_that_changes_is_a_problem():
    order, seen = new_order()
    order.apply(fill(1, 400), seen)
    assert "was 400@10000, is now 400@10100" in order.apply(fill(1, 400, px=101_00), seen).problem


def test_overfill_is_a_problem():
    order, seen = new_order()
    assert "executed 1100 of an order for 1000" in order.apply(fill(1, 1100), seen).problem


@pytest.mark.parametrize("error", sorted(DEFINITE_CLASSES))
def test_classes_of_the_allow_list_end_the_order(error):
    order, seen = new_order()
    order.apply(status(OrderStatus.REJECTED, error=error), seen)
    assert order.state == OrderState.REJECTED and order.is_settled


@pytest.mark.parametrize("error", sorted(set(ErrorClass) - DEFINITE_CLASSES))
def test_every_other_reject_reply_leaves_the_order_unknown(error):
    order, seen = new_order()
    applied = order.apply(status(OrderStatus.REJECTED, error=error), seen)
    assert order.state == OrderState.UNKNOWN and applied.wants_query


def test_reject_after_a_fill_proves_nothing():
    order, seen = new_order()
    order.apply(fill(1, 400), seen)
    applied = order.apply(status(OrderStatus.REJECTED, error=ErrorClass.REJECT), seen)
    assert order.state == OrderState.UNKNOWN and applied.problem


def test_terminal_status_without_cumulative_quantity_is_no_outcome():
    order, seen = new_order()
    assert order.apply(status(OrderStatus.EXPIRED, -1), seen).wants_query
    assert order.state == OrderState.UNKNOWN
    order.apply(status(OrderStatus.EXPIRED, 300, source=Source.QUERY), seen)
    assert order.state == OrderState.PARTIAL_END and order.cum_qty == 300 and not order.is_settled


def test_filled_with_less_than_its_quantity_is_a_problem():
    order, seen = new_order()
    assert "FILLED with 900 of 1000" in order.apply(status(OrderStatus.FILLED, 900), seen).problem


def test_unknown_is_left_by_a_terminal_status_and_not_by_an_ack():
    order, seen = new_order()
    order.move(OrderState.UNKNOWN)
    order.apply(status(OrderStatus.NEW, 0), seen)
    assert order.state == OrderState.UNKNOWN
    order.apply(status(OrderStatus.CANCELED, 0, source=Source.QUERY), seen)
    assert order.state == OrderState.PARTIAL_END


def test_failed_question_says_nothing():
    order, seen = new_order()
    order.apply(status(OrderStatus.NEW, 0), seen)
    for error in (ErrorClass.UNKNOWN_EXECUTION, ErrorClass.RATE, ErrorClass.AUTH):
        applied = order.apply(status(OrderStatus.UNKNOWN, source=Source.QUERY, error=error), seen)
        assert order.state == OrderState.ACKED and not applied.wants_query


def test_not_found_is_a_vote_only_from_a_query():
    order, seen = new_order()
    assert order.apply(status(OrderStatus.NOT_FOUND, source=Source.QUERY, error=ErrorClass.UNKNOWN_ORDER), seen).not_found
    assert order.apply(status(OrderStatus.NOT_FOUND), seen).wants_query
    assert order.state == OrderState.SENT


def test_refused_cancel_asks_and_changes_nothing():
    order, seen = new_order()
    order.apply(status(OrderStatus.NEW, 0), seen)
    applied = order.apply(status(OrderStatus.REJECTED, error=ErrorClass.UNKNOWN_ORDER, flags=EventFlag.CANCEL_REPLY), seen)
    assert applied.wants_query and order.state == OrderState.ACKED


def test_late_fill_moves_a_terminal_order_and_says_so():
    order, seen = new_order()
    order.apply(status(OrderStatus.EXPIRED, 0), seen)
    applied = order.apply(fill(1, 400), seen)
    assert applied.is_late and applied.wants_query and order.state == OrderState.PARTIAL_END
    applied = order.apply(fill(2, 600), seen)
    assert applied.is_late and not applied.wants_query and order.state == OrderState.FILLED


def test_details_of_a_known_execution_are_not_late():
    order, seen = new_order()
    order.apply(status(OrderStatus.EXPIRED, 400), seen)
    assert not order.apply(fill(1, 400), seen).is_late


def test_state_never_goes_back_under_random_facts():
    import random
    rng = random.Random(5)
    for _ in range(300):
        order, seen = new_order()
        was = order.state
        for _ in range(12):
            event = rng.choice([
                lambda: fill(rng.randrange(1, 4), 250),
                lambda: status(rng.choice(list(OrderStatus)), rng.choice([-1, 0, 250, 500]),
                                                                      rng.choice(list(Source)), rng.choice(list(ErrorClass)))])()
            applied = order.apply(event, seen)
            if order.state != was:
                assert order.state > was or applied.is_late
                assert not is_terminal(was) or applied.is_late
            was = order.state
            assert order.cum_qty >= order.fills_qty


def test_net_units_are_less_by_the_fee_in_base():
    order, seen = new_order()
    order.apply(fill(1, 1000, fee="0.00001", asset="BTC"), seen)
    assert order.net_units == Decimal("0.00999")
    order, seen = new_order()
    order.apply(fill(1, 1000, fee="0.001", asset="BNB"), seen)
    assert order.net_units == Decimal("0.01")
    order, seen = new_order(side=Side.SELL)
    order.apply(fill(1, 1000, fee="1", asset="USDT"), seen)
    assert order.net_units == Decimal("-0.01")


def test_execution_without_details_is_taken_with_the_fee_that_is_due():
    order, seen = new_order()
    order.apply(status(OrderStatus.FILLED, 1000), seen)
    assert order.net_units == Decimal("0.00999")
    order, seen = new_order(row=1, qty=10)
    order.apply(status(OrderStatus.FILLED, 10), seen)
    assert order.net_units == Decimal("0.01")


def test_seen_fills_are_forgotten_by_age_only():
    seen = SeenFills(100)
    seen.add(0, 1, None, 10)
    seen.add(0, 2, None, 60)
    seen.prune(120)
    assert len(seen) == 1
