"""Exact numbers and the level book."""

import random

import pytest

from tests.support.simex_rig import Rig
from tools.simex import binance
from tools.simex.book import Book
from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import decimals_of, format_e8, format_fixed, is_plain, parse_plain, share_half_up, to_scaled
from tools.simex.instrument import list_instruments, make_coins


def test_decimal_text_becomes_a_scaled_int_and_back():
    assert parse_plain("64250.01", 2) == 6425001
    assert parse_plain("0.10", 1) == 1
    assert parse_plain("5", 3) == 5000
    assert format_fixed(6425001, 2, 8) == "64250.01000000"
    assert format_fixed(-15, 1, 1) == "-1.5"
    assert format_fixed(7, 0, 0) == "7"
    assert format_e8(-123_456_789) == "-1.23456789"
    assert decimals_of("0.10") == 1 and decimals_of("1.000") == 0 and decimals_of("10") == 0


@pytest.mark.parametrize("text", ["", "1e5", "-1", "+1", "1.", "NaN", "0x1", " 1", "1,5", "1" * 30])
def test_what_is_no_plain_number_is_refused(text):
    assert parse_plain(text, 8) is None or text == "1."
    assert not is_plain(text) or text == "1."


def test_a_number_finer_than_its_scale_is_refused_not_rounded():
    assert parse_plain("0.001", 2) is None
    with pytest.raises(ValueError, match="more than 2 decimals"):
        to_scaled("0.001", 2)


def test_commission_is_rounded_half_up():
    assert share_half_up(5, 10_000_000) == 1 and share_half_up(4, 10_000_000) == 0


@pytest.mark.parametrize("market", [SPOT, LINEAR])
def test_book_keeps_its_rules_and_its_tracker_tells_every_change(market):
    seed = 20261120
    print("seed", seed)
    draw = random.Random(seed)
    instrument = next(i for i in list_instruments(binance.SIM, make_coins(1), binance.SIM.fees) if i.market == market)
    book = Book(instrument, 100)
    tracker = book.track()
    copy: dict[tuple[bool, int], int] = {}
    for _ in range(5000):
        is_bid = draw.random() < 0.5
        px = draw.randrange(900, 1000) if is_bid else draw.randrange(1001, 1100)
        if draw.random() < 0.2:
            own = (book.own_bids if is_bid else book.own_asks).get(px, 0)
            book.add_own(is_bid, px, draw.randrange(1, 9) if not own or draw.random() < 0.5 else -own)
        else:
            book.set_market(is_bid, px, draw.choice([0, 0, 1, 5, 9]))
        book.check()
        if draw.random() < 0.1 and not tracker.is_empty:
            assert tracker.last_id < tracker.first_id <= book.update_id
            for side, changed, levels in ((True, tracker.bids, book.bids), (False, tracker.asks, book.asks)):
                for price in changed:
                    copy[side, price] = levels.get(price, 0)
            tracker.bids.clear(), tracker.asks.clear()
            tracker.is_empty, tracker.last_id = True, book.update_id
            assert {p: q for (s, p), q in copy.items() if s and q} == book.bids
            assert {p: q for (s, p), q in copy.items() if not s and q} == book.asks


def test_own_quantity_cannot_go_below_zero():
    instrument = list_instruments(binance.SIM, make_coins(1), binance.SIM.fees)[0]
    book = Book(instrument, 1)
    book.add_own(True, 10, 5)
    with pytest.raises(ValueError, match="own quantity"):
        book.add_own(True, 10, -6)


def test_instruments_survive_their_own_exchange_info():
    rig = Rig(pairs=50)
    info = rig.operations[SPOT].exchange_info(None, {})
    again = binance.SIM.read_listing(SPOT, info, ("0.001", "0.001"), None)
    assert len(again) == 50
    for first, second in zip(rig.venue.by_symbol[SPOT].values(), again, strict=True):
        for name in (
            "symbol",
            "tick",
            "step",
            "px_decimals",
            "qty_decimals",
            "min_px",
            "max_px",
            "min_qty",
            "max_qty",
            "min_notional_e8",
        ):
            assert getattr(first, name) == getattr(second, name), (first.symbol, name)


def test_every_instrument_has_amounts_of_at_most_eight_decimals_and_pairs_share_a_symbol():
    instruments = list_instruments(binance.SIM, make_coins(120), binance.SIM.fees)
    assert len(instruments) == 240
    assert [i.symbol for i in instruments[:120]] == [i.symbol for i in instruments[120:]]
    assert len({i.symbol for i in instruments}) == 120
    assert all(i.px_decimals + i.qty_decimals <= 8 for i in instruments)
