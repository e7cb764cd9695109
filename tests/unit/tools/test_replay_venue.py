"""The simulated venue of a replay: what an arriving order takes, what it pays, and when it is heard of again."""
from decimal import Decimal

import numpy as np
import pytest

from cext.layout import BOOK_VALID, DTYPES
from engine.events import ErrorClass, Leg, OrderStatus, OrderType, Side, Source
from tests.support.made_captures import make_row
from tools.replay_lib.venue import Delays, ReplayVenue

SPOT, PERP = 0, 1


class World:
    """A venue, its books (px, qty in scale units) and what it delivered."""

    def __init__(self):
        self.books = {SPOT: self.book([(6000000, 100_000), (5999900, 300_000)], [(6000100, 100_000), (6000200, 300_000)]),
                      PERP: self.book([(6000000, 2000)], [(6000100, 2000)])}
        self.rows = [make_row("spot", id=0), make_row("linear", id=1)]
        self.venue = ReplayVenue(self.rows, lambda row: self.books[row].tobytes(), Delays(2_000, 3_000))
        self.heard = []
        self.venue.on_event = lambda event, wall_ns: self.heard.append((wall_ns, event))

    @staticmethod
    def book(bids, asks, flags=BOOK_VALID):
        record = np.zeros(1, dtype=DTYPES["book_record_t"])
        for name, levels in (("bid", bids), ("ask", asks)):
            record[f"{name}_count"] = len(levels)
            for i, (px, qty) in enumerate(levels):
                record[f"{name}s"][0][i]["px"], record[f"{name}s"][0][i]["qty"] = px, qty
        record["flags"] = flags
        return record

    def order(self, row, side, qty, limit_px, at=10_000, client_id="A1", **changes):
        self.venue.send(Leg(client_id, row, side, changes.pop("order_type", OrderType.IOC), changes.pop("flags", 0), limit_px,
                            qty), at)
        self.heard = []
        while self.venue.next_wall_ns is not None:
            self.venue.run_due(self.venue.next_wall_ns)
        return [event for _, event in self.heard]


@pytest.fixture
def world():
    return World()


def test_an_order_takes_levels_within_its_limit_and_the_rest_expires(world):
    events = world.order(SPOT, Side.BUY, 500_000, 6000100)
    fills = [event for event in events if event.is_fill]
    assert [(fill.last_px, fill.last_qty) for fill in fills] == [(6000100, 100_000)]
    assert [event.status for event in events if not event.is_fill] == [OrderStatus.EXPIRED] * 2
    assert {event.source for event in events if not event.is_fill} == {Source.STREAM, Source.REPLY}
    assert all(event.cum_qty == 100_000 for event in events)


def test_an_order_walks_to_the_next_level(world):
    events = world.order(SPOT, Side.SELL, 150_000, 5999900)
    assert [(event.last_px, event.last_qty) for event in events if event.is_fill] == [(6000000, 100_000), (5999900, 50_000)]
    assert events[-1].status == OrderStatus.FILLED and events[-1].cum_quote == Decimal(60000) + Decimal(59999) / 2


def test_what_was_taken_is_not_there_again_until_the_level_changes(world):
    world.order(SPOT, Side.BUY, 60_000, 6000100)
    assert world.order(SPOT, Side.BUY, 60_000, 6000100, client_id="A2")[-1].cum_qty == 40_000
    assert world.order(SPOT, Side.BUY, 60_000, 6000100, client_id="A3")[-1].cum_qty == 0
    world.books[SPOT] = world.book([(6000000, 100_000)], [(6000100, 90_000)])
    assert world.order(SPOT, Side.BUY, 60_000, 6000100, client_id="A4")[-1].cum_qty == 60_000


def test_both_sides_are_consumed_apart(world):
    world.order(SPOT, Side.BUY, 100_000, 6000100)
    assert world.order(SPOT, Side.SELL, 100_000, 6000000, client_id="A2")[-1].cum_qty == 100_000


def test_an_invalid_book_fills_nothing(world):
    world.books[SPOT] = world.book([(6000000, 1)], [(6000100, 100_000)], flags=0)
    assert world.order(SPOT, Side.BUY, 100, 6000100)[-1].status == OrderStatus.EXPIRED


def test_fees_are_charged_in_the_asset_in_which_the_venue_charges_them(world):
    buy = world.order(SPOT, Side.BUY, 10_001, 6000100)[0]
    assert (buy.fee, buy.fee_asset) == (Decimal("0.00010001"), "BTC")
    sell = world.order(SPOT, Side.SELL, 10_001, 6000000, client_id="A2")[0]
    assert (sell.fee, sell.fee_asset) == (Decimal("6.0006"), "USDT")
    perp = world.order(PERP, Side.BUY, 101, 6000100, client_id="A3")[0]
    assert (perp.fee, perp.fee_asset) == (Decimal("0.101") * 60001 * Decimal("0.0005"), "USDT")
    assert world.venue.positions == {SPOT: -Decimal("0.00010001"), PERP: Decimal("0.101")}


def test_fees_are_rounded_half_up_to_eight_decimals(world):
    world.rows[SPOT] = make_row("spot", id=0, taker_fee=Decimal("0.00075"))
    world.venue._rows[SPOT] = world.rows[SPOT]
    assert world.order(SPOT, Side.BUY, 2, 6000100)[0].fee == Decimal("0.00000002")  # 0.000000015


def test_delays_are_kept(world):
    world.order(SPOT, Side.BUY, 10_000, 6000100, at=50_000)
    assert {wall_ns for wall_ns, _ in world.heard} == {55_000}
    assert world.heard[0][1].exch_ns == 52_000


def test_fill_or_kill_fills_all_or_nothing(world):
    assert world.order(SPOT, Side.BUY, 150_000, 6000100, order_type=OrderType.FOK)[-1].cum_qty == 0
    assert world.order(SPOT, Side.BUY, 100_000, 6000100, client_id="A2", order_type=OrderType.FOK)[-1].cum_qty == 100_000


def test_resting_orders_are_rejected_with_the_reason(world):
    events = world.order(SPOT, Side.BUY, 100, 5999900, order_type=OrderType.POST_ONLY)
    assert events[0].status == OrderStatus.REJECTED and events[0].error_class == ErrorClass.REJECT and "IOC" in events[0].message


def test_reduce_only_never_opens_a_position(world):
    assert world.order(PERP, Side.BUY, 100, 6000100, flags=1)[-1].cum_qty == 0
    world.order(PERP, Side.SELL, 500, 6000000, client_id="A2")
    assert world.order(PERP, Side.BUY, 800, 6000100, client_id="A3", flags=1)[-1].cum_qty == 500


def test_every_fill_and_order_has_an_id_of_its_own(world):
    events = world.order(SPOT, Side.SELL, 150_000, 5999900) + world.order(PERP, Side.BUY, 100, 6000100, client_id="A2")
    ids = [event.trade_id for event in events if event.is_fill]
    assert len(set(ids)) == len(ids) == 3
