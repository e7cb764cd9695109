"""What the input log writes is read back equal."""
from decimal import Decimal

import pytest

from cext.core import CoreLimits, PairParams
from engine.events import OrderEvent, OrderStatus, Purpose, Sent, SentOutcome, Source
from engine.input_log import CORE_CALLS, FLOOR_CALLS, LoggedCore, LoggedManager, pack, unpack
from engine.trade.commands import Ask, SubmitIntent
from engine.trade.manager import TradeManager
from engine.trade.unknown import QueryAnswer

VALUES = [None, True, 7, -(1 << 63), 1.25, "text", Decimal("0.10"), [1, [2, 3]], {"a": {"b": Decimal(1)}}, {1: Decimal("-0.5")},
          Purpose.CHASE, CoreLimits(max_order_usd=Decimal("12.5")), PairParams(entry_net_bps="0.5"),
          QueryAnswer("L1", Ask.FILLS, 1, 2, True, False, Decimal(3)), SentOutcome(5, 1, Sent.OK, 1, 2, 3),
          OrderEvent("L1", 3, Source.REPLY, OrderStatus.FILLED, venue_order_id=9, cum_qty=4, fee=Decimal("0.001"),
                     fee_asset="BTC")]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_packed_is_unpacked_equal(value):
    assert unpack(pack(value)) == value


def test_a_tuple_comes_back_as_a_list_and_a_pending_order_by_its_trade():
    assert unpack(pack((1, (2, 3)))) == [1, [2, 3]]
    command = SubmitIntent(Purpose.CHASE, 77, 0, [(1, 0, 5, 6, 0)], 2, 1, "why")
    assert unpack(pack(command), {77: command}.get) is command


def test_what_it_does_not_know_is_refused():
    with pytest.raises(TypeError, match="cannot write"):
        pack(object())


def test_every_call_from_outside_that_changes_something_is_logged():
    """A new one has to be named in input_log.py: here it would be missed."""
    looks = {"pairs", "pair_top", "pair_funding", "market", "pair_view", "balance", "account_balance", "position", "group_delta",
             "open_intents", "counters", "resting", "state", "check",
             "intent", "intent_bytes", "instruments", "limits", "params", "inputs"}
    driven = {"on_book", "on_funding", "on_alive", "on_feed_status", "evaluate"}   # by engine/poll.pyx, as C structs
    assert {name for name in dir(LoggedCore) if not name.startswith("_")} == looks | driven | set(CORE_CALLS)
    floor = {name for name in dir(TradeManager) if not name.startswith("_")}
    assert set(FLOOR_CALLS) <= floor
    told = {name for name in floor if name.startswith(("on_", "begin_", "resume", "resolve_", "reconcile", "open_"))}
    assert told == set(FLOOR_CALLS) - {"cancel_live", "cancel_quote", "set_fees", "set_maintenance", "accept_difference"}
    assert issubclass(LoggedManager, TradeManager)
