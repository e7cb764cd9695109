"""What every venue's decoder shares, on a made-up venue: whole books, chains, checksums, contracts, trades, funding in parts."""
import collections
import random

import orjson
import pytest

from cext import layout
from cext.decoders.market import MarketDecoder
from cext.instrument import make_instrument_array
from tests.support.market_rig import market_row
from tests.support.toy_market import ToyMarket

SYNC_NONE, SYNC_LIVE = 0, 2
VALID, TOP_NEWER, COMPLETE = layout.BOOK_VALID, layout.BOOK_TOP_NEWER, layout.BOOK_DEPTH_COMPLETE
MS = 1_000_000


def make(**changes) -> ToyMarket:
    row = {**market_row(0, "BTCUSDT", "linear", 1, 2), **changes}
    return ToyMarket(make_instrument_array([row]), "linear", [0])


def book(kind, u, bids=(("100", "1"),), asks=(("101", "1"),), **more):
    def levels(side):
        return [[px, size, "0", "3"] for px, size in side]
    return orjson.dumps({"k": kind, "s": "BTCUSDT", "u": u, "b": levels(bids), "a": levels(asks), **more})


def delta(previous, u, bids=(), asks=(), **more):
    return book("delta", u, bids, asks, p=previous, **more)


def live(**changes) -> ToyMarket:
    market = make(**changes)
    assert market.decode(book("snap", 5))["kind"] == "book"
    return market


def test_the_base_is_no_decoder():
    with pytest.raises(TypeError, match="is the base"):
        MarketDecoder(make_instrument_array([market_row(0, "BTCUSDT", "spot", 1, 2)]), "spot", [0])


def test_a_whole_book_on_the_stream_is_in_sync_at_once_and_replaces_whatever_there_was():
    market = live()
    assert market.record(0)["flags"] & VALID
    assert market.decode(delta(5, 6, bids=[("99", "2")]))["kind"] == "book"
    assert market.decode(book("snap", 2, bids=[("90", "1")], asks=[("91", "4")]))["kind"] == "book"
    assert market.book(0) == {"bids": [(900, 100)], "asks": [(910, 400)]}
    assert market.stats(0)["update_id"] == 2 and market.stats(0)["epoch"] == 0


def test_a_delta_follows_by_its_previous_id_even_when_the_count_begins_again():
    market = live()
    assert market.decode(delta(5, 3, bids=[("99", "2")]))["kind"] == "book"   # the venue reset its count
    assert market.decode(delta(2, 3))["kind"] == "nothing"                    # older, and no successor
    assert market.decode(delta(3, 3))["kind"] == "book"                       # heartbeat
    told = market.decode(delta(7, 8))
    assert told["kind"] == "need_snapshot" and market.stats(0)["gaps"] == 1
    assert market.decode(delta(8, 9))["kind"] == "buffered" and market.stats(0)["pending"] == 2


def test_a_book_that_contradicts_its_checksum_is_refused():
    market = live()
    assert market.decode(delta(5, 6, bids=[("99", "2")], c=3))["kind"] == "book"
    assert market.decode(delta(6, 7, bids=[("98", "2")], c=3))["kind"] == "need_snapshot"
    assert market.stats(0)["invalid"] == 1 and market.stats(0)["sync"] == SYNC_NONE
    assert market.decode(book("snap", 9, c=5))["kind"] == "need_snapshot"
    assert market.decode(book("snap", 9, c=2))["kind"] == "book"


def test_a_top_is_compared_by_its_own_number_and_may_differ_where_the_rules_say_so():
    market = make()
    market.decode(book("snap", 5, q=50))
    assert market.decode(book("top", 1, [("100.5", "7")], [("101", "1")], q=50))["kind"] == "nothing"
    assert market.decode(book("top", 2, [("100.5", "7")], [("101", "1")], q=51))["kind"] == "book"
    record = market.record(0)
    assert record["flags"] & TOP_NEWER and record["bids"][0] == (1005, 700)
    assert (record["depth_update_id"], record["top_update_id"]) == (50, 51)
    assert market.decode(delta(5, 6, bids=[("100", "3")], q=52))["kind"] == "book"
    assert not market.record(0)["flags"] & TOP_NEWER


def test_sides_shorter_than_the_source_holds_are_complete():
    market = live()
    assert market.record(0)["flags"] & COMPLETE
    three = [("100", "1"), ("99", "1"), ("98", "1")]
    market.decode(book("snap", 6, bids=three))
    assert not market.record(0)["flags"] & COMPLETE


def test_contracts_become_base_units_exactly():
    market = live(contract_size="0.01", lot="0.01", qty_scale=4)
    (_, qty), = market.book(0)["bids"]
    row = market.instruments.row(0)
    assert qty == 10 ** row["size_scale"] * row["size_mul"] == 100            # one contract = 0.01 at four decimals
    too_many = 10 ** 17
    assert market.decode(delta(5, 6, bids=[("99", str(too_many))]))["kind"] == "error"


def test_levels_have_as_many_strings_as_the_venue_sends():
    market = live()
    short = orjson.dumps({"k": "delta", "s": "BTCUSDT", "p": 5, "u": 6, "b": [["99", "1"]], "a": []})
    assert market.decode(short) == {"kind": "error", "row": 0}
    assert market.stats(0)["sync"] == SYNC_NONE


def test_many_trades_in_one_message_and_each_of_them_once():
    market = make()
    def trades(*ids):
        return orjson.dumps({"k": "trades", "s": "BTCUSDT", "z": "1.5", "i": list(ids)})
    told = market.decode(trades(900, 7, 2**60), frame_mono_ns=5)
    assert told["kind"] == "trade" and [trade["trade_id"] for trade in told["trades"]] == [900, 7, 2**60]
    assert all((trade["qty"], trade["recv_mono_ns"], trade["instrument_id"]) == (150, 5, 0) for trade in told["trades"])
    again = market.decode(trades(7, 8, 900))                                  # ids do not ascend: they are remembered
    assert [trade["trade_id"] for trade in again["trades"]] == [8]
    assert market.decode(trades(8)) == {"kind": "nothing", "row": -1}
    assert market.stats(0)["duplicates"] == 3
    assert len(market.decode(trades(*range(10_000, 11_024)))["trades"]) == 1024
    assert market.decode(trades(*range(20_000, 21_025))) == {"kind": "error", "row": -1}


def test_a_whole_message_of_hashed_ids_is_known_when_it_comes_again_on_a_second_connection():
    market = make()
    generator = random.Random(5)
    def message():
        return orjson.dumps({"k": "trades", "s": "BTCUSDT", "z": "1", "i": [generator.getrandbits(62) for _ in range(1024)]})
    first, second, third = message(), message(), message()
    assert all(len(market.decode(frame)["trades"]) == 1024 for frame in (first, second))
    assert all(market.decode(frame) == {"kind": "nothing", "row": -1} for frame in (first, second))
    assert len(market.decode(third)["trades"]) == 1024                        # now the first is forgotten
    assert market.decode(second) == {"kind": "nothing", "row": -1}
    assert len(market.decode(first)["trades"]) == 1024


@pytest.mark.parametrize("seed", [1, 2])
def test_the_latest_trades_are_remembered_exactly_however_their_ids_fall(seed):
    generator = random.Random(seed)
    market, twin = make(), collections.OrderedDict()
    near = [generator.getrandbits(62) for _ in range(40)]
    for _ in range(600):
        ids = [generator.choice(near) ^ generator.randrange(1 << 7) for _ in range(generator.randrange(1, 40))]
        expected = []
        for number in ids:
            if number not in twin:
                twin[number] = None
                expected.append(number)
                if len(twin) > 2048:
                    twin.popitem(last=False)
        told = market.decode(orjson.dumps({"k": "trades", "s": "BTCUSDT", "z": "1", "i": ids}))
        assert [trade["trade_id"] for trade in told.get("trades", ())] == expected


def test_funding_is_told_once_its_parts_are_known():
    market = make()
    def part(**fields):
        return market.decode(orjson.dumps({"k": "fund", "s": "BTCUSDT", **fields}))
    assert part(m="100.28")["kind"] == "nothing"
    assert part(r="-0.0001875391284828")["kind"] == "nothing"
    told = part(n="1700726400000")["funding"]
    assert (told["mark_px"], told["rate_e8"], told["next_funding_wall_ns"], told["interval_s"]) == (
        1002, -18753, 1_700_726_400_000 * MS, 28_800)
    assert part(m="101")["funding"]["rate_e8"] == -18753
    market.set_funding_interval(0, 3600)
    assert part(m="101")["funding"]["interval_s"] == 3600


def test_heartbeats_and_acks_touch_no_row():
    market = live()
    assert market.decode(b'{"k":"pong"}') == {"kind": "nothing", "row": -1}
    assert market.decode(b'{"k":"ack","i":"3"}') == {"kind": "ack", "row": -1, "ack_id": 3, "ack_error": 0}
    assert market.decode(b'{"k":"ack","e":17}') == {"kind": "ack", "row": -1, "ack_id": -1, "ack_error": 17}
    assert market.stats(0)["sync"] == SYNC_LIVE


def test_a_stream_begun_anew_tells_whether_it_begins_with_a_delta():
    market = live()
    market.decode(delta(7, 8))
    assert not market.stats(0)["begins_with_delta"]                           # a gap is no beginning
    market.restart_stream(0)
    assert market.stats(0)["pending"] == 0 and market.needs_snapshot() == [0]
    assert market.decode(delta(10, 11, bids=[("99", "1")]))["kind"] == "buffered"
    assert market.stats(0)["begins_with_delta"] and market.stats(0)["restarts"] == 1
    assert market.apply_snapshot(0, book("snap", 10), 400) == "synced"
    assert market.book(0)["bids"] == [(1000, 100), (990, 100)]
    market.restart_stream(0)
    market.decode(book("snap", 20))
    assert not market.stats(0)["begins_with_delta"]
