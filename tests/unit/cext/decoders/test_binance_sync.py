"""When is a Binance book true? Snapshot joins, gaps, duplicates, the top overlay, crossed books; spot and USD-M."""
from typing import Any

import pytest

from cext import layout
from cext.decoders.binance import BinanceMarket
from tests.support.market_rig import MS, depth, make_market, snapshot, top

BUY, SELL = ("100.00", "2"), ("101.00", "3")


def kinds(market: BinanceMarket, *frames: bytes) -> list[str]:
    return [market.decode(frame, frame_mono_ns=(number + 1) * MS)["kind"] for number, frame in enumerate(frames)]


def live(market: str = "spot") -> BinanceMarket:
    """In sync at update id 110: bids 100 x 1, 99 x 5; asks 101 x 1."""
    made = make_market(market)
    made.decode(depth(101, 110, [("99.00", "5")], previous=90 if market == "linear" else None))
    assert made.apply_snapshot(0, snapshot(105 if market == "linear" else 100)) == "synced"
    return made


def prices(market: BinanceMarket, side: str = "bids") -> list[tuple[float, float]]:
    record = market.record(0)
    return [(px / 100, qty / 1000) for px, qty in record[side]]


# ---------------------------------------------------------------- joining a snapshot

@pytest.mark.parametrize(("snapshot_id", "outcome", "applied"), [
    (98, "too_old", 0),    # the first delta begins at 101: 99 and 100 are missing
    (99, "too_old", 0),
    (100, "synced", 3), (105, "synced", 3), (110, "synced", 2), (115, "synced", 2), (120, "synced", 1), (129, "synced", 1),
    (130, "synced", 0),    # the stream has reached the very id of the snapshot
    (131, "waiting", 0),
])
def test_spot_snapshot_joins_the_delta_that_straddles_it(snapshot_id: int, outcome: str, applied: int) -> None:
    market = make_market("spot")
    assert kinds(market, depth(101, 110, [BUY]), depth(111, 120), depth(121, 130)) == ["buffered"] * 3
    assert market.apply_snapshot(0, snapshot(snapshot_id)) == outcome
    stats = market.stats(0)
    assert (stats["applied"], stats["gaps"], stats["resyncs"]) == (applied, 0, 0)
    assert (market.record(0)["flags"] & layout.BOOK_VALID != 0) == (outcome == "synced")
    assert market.needs_snapshot() == ([0] if outcome == "too_old" else [])


@pytest.mark.parametrize(("snapshot_id", "outcome", "applied"), [
    (99, "too_old", 0), (100, "too_old", 0), (101, "synced", 3), (110, "synced", 3), (111, "too_old", 0), (112, "synced", 2),
    (120, "synced", 2),
    (130, "synced", 1), (131, "waiting", 0),
])
def test_linear_snapshot_joins_the_delta_that_straddles_it(snapshot_id: int, outcome: str, applied: int) -> None:
    """Ids of USD-M are not contiguous: 111 lies between two deltas, and the venue's rule refuses it."""
    market = make_market("linear")
    kinds(market, depth(101, 110, [BUY], previous=90), depth(112, 120, previous=110), depth(123, 130, previous=120))
    assert market.apply_snapshot(0, snapshot(snapshot_id)) == outcome
    assert market.stats(0)["applied"] == applied


def test_too_old_snapshot_keeps_the_deltas_for_the_next_one() -> None:
    market = make_market("spot")
    kinds(market, depth(101, 110, [BUY]), depth(111, 120, [("99.50", "4")]))
    assert market.apply_snapshot(0, snapshot(50)) == "too_old"
    assert market.apply_snapshot(0, snapshot(104)) == "synced"
    assert prices(market) == [(100.0, 2.0), (99.5, 4.0)]
    assert market.apply_snapshot(0, snapshot(500)) == "ignored"


@pytest.mark.parametrize(("market_name", "older", "joining", "late"), [
    ("spot", depth(190, 199), depth(195, 205, [BUY]), depth(202, 205, [BUY])),
    ("linear", depth(190, 199, previous=180), depth(195, 205, [BUY], previous=190), depth(201, 205, [BUY], previous=199)),
])
def test_snapshot_before_the_first_delta_waits_for_the_one_that_joins(market_name: str, older: bytes, joining: bytes,
                                                                      late: bytes) -> None:
    market = make_market(market_name)
    assert market.apply_snapshot(0, snapshot(200)) == "waiting"
    assert market.record(0)["flags"] == 0 and market.record(0)["bids"] == []
    assert kinds(market, older, joining) == ["nothing", "book"]
    assert prices(market) == [(100.0, 2.0)]

    market = make_market(market_name)
    market.apply_snapshot(0, snapshot(200))
    assert kinds(market, late) == ["need_snapshot"]
    assert market.stats(0)["gaps"] == 0 and market.needs_snapshot() == [0]
    assert market.apply_snapshot(0, snapshot(203)) == "synced"  # the late delta was kept


def test_spot_delta_that_ends_at_the_waiting_snapshot_proves_the_stream() -> None:
    market = make_market("spot")
    market.apply_snapshot(0, snapshot(200))
    assert kinds(market, depth(195, 200, [("1.00", "9")])) == ["book"]
    assert prices(market) == [(100.0, 1.0)]  # the snapshot holds it already


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'{"lastUpdateId":1}', b'{"lastUpdateId":1,"bids":[]}',
    b'{"lastUpdateId":"1","bids":[],"asks":[]}',
    b'{"lastUpdateId":1,"bids":[["1","1"],["1.001","1"]],"asks":[]}', b'{"lastUpdateId":1,"bids":[["0","1"]],"asks":[]}',
    b'{"lastUpdateId":1,"bids":[["-1","1"]],"asks":[]}', b'{"lastUpdateId":1,"bids":[],"asks":[]}x',
    b'{"lastUpdateId":1,"bids":{},"asks":[]}',
    b'{"lastUpdateId":1,"bids":[],"asks":[],"bids":[]}', b'{"lastUpdateId":-1,"bids":[],"asks":[]}',
    b'{"code":-1003,"msg":"Too many requests"}',
])
def test_undecodable_snapshot_is_refused_and_the_deltas_stay(body: bytes) -> None:
    market = make_market("spot")
    kinds(market, depth(101, 110, [BUY]))
    assert market.apply_snapshot(0, body) == "error"
    assert market.apply_snapshot(0, snapshot(100)) == "synced"


def test_hole_among_waiting_deltas_drops_what_lies_before_it() -> None:
    market = make_market("spot")
    kinds(market, depth(101, 110, [("98.00", "1")]), depth(115, 120, [BUY]))
    assert market.apply_snapshot(0, snapshot(105)) == "too_old"
    assert market.apply_snapshot(0, snapshot(114)) == "synced"
    assert prices(market) == [(100.0, 2.0)]


def test_waiting_deltas_are_bounded() -> None:
    market = make_market("spot")
    levels = [(f"{number}.00", "1") for number in range(1, 2001)]
    for number in range(600):  # 32 kB each, 19 MB in all; 8 MB are kept at most
        market.decode(depth(number * 10 + 1, number * 10 + 10, levels))
    assert 0 < market.stats(0)["pending"] <= 262
    assert market.apply_snapshot(0, snapshot(100)) == "too_old"
    assert market.apply_snapshot(0, snapshot(5995)) == "synced"


# ---------------------------------------------------------------- in sync

def test_spot_next_delta_may_overlap_but_not_leave_a_hole() -> None:
    market = live()
    assert kinds(market, depth(111, 112, [("98.00", "1")]), depth(112, 115, [("98.00", "2")]), depth(113, 115),
                 depth(90, 95)) == \
        ["book", "book", "nothing", "nothing"]
    assert market.stats(0)["duplicates"] == 2
    assert kinds(market, depth(117, 118)) == ["need_snapshot"]


def test_linear_delta_must_name_the_one_before() -> None:
    market = live("linear")
    assert kinds(market, depth(150, 160, [BUY], previous=110), depth(150, 160, [BUY], previous=110)) == ["book", "nothing"]
    assert kinds(market, depth(161, 170, [BUY], previous=161)) == ["need_snapshot"]
    assert market.stats(0)["gaps"] == 1


@pytest.mark.parametrize("market_name", ["spot", "linear"])
def test_gap_makes_book_invalid_at_once_and_resync_leaves_no_ghost(market_name: str) -> None:
    market = live(market_name)
    previous = 300 if market_name == "linear" else None
    assert market.record(0)["epoch"] == 0
    assert kinds(market, depth(301, 310, [("55.00", "5")], previous=previous)) == ["need_snapshot"]
    record = market.record(0)
    assert (record["flags"], record["bids"], record["asks"], record["epoch"], record["bid_levels_total"]) == (0, [], [], 1, 0)
    stats = market.stats(0)
    assert (stats["gaps"], stats["resyncs"], stats["status"]) == (1, 1, layout.STATUS_INVALID)
    assert kinds(market, depth(311, 320, previous=310 if market_name == "linear" else None)) == ["buffered"]
    assert market.apply_snapshot(0, snapshot(305, bids=[("60.00", "1")])) == "synced"
    assert prices(market) == [(60.0, 1.0), (55.0, 5.0)]
    assert market.record(0)["epoch"] == 1 and market.stats(0)["status"] == layout.STATUS_LIVE


def test_disconnect_voids_book_waiting_deltas_and_top() -> None:
    market = live()
    market.decode(top(111, BUY, SELL))
    assert market.invalidate(0) is True
    assert market.invalidate(0) is False
    assert market.record(0)["epoch"] == 1 and market.stats(0)["top_id"] == 0
    market.decode(depth(200, 210))
    assert market.invalidate(0) is False and market.stats(0)["pending"] == 0
    market.decode(depth(300, 310))
    assert market.apply_snapshot(0, snapshot(305)) == "synced"
    assert market.record(0)["flags"] == layout.BOOK_VALID


def test_two_connections_with_the_same_stream_apply_each_delta_once() -> None:
    market = make_market("linear")
    frames = [depth(101, 110, [BUY], previous=90), depth(112, 120, [("99.00", "7")], previous=110), depth(121, 130, previous=120)]
    assert kinds(market, frames[0], frames[0], frames[1]) == ["buffered"] * 3
    assert market.apply_snapshot(0, snapshot(105)) == "synced"
    assert kinds(market, frames[1], frames[2], frames[2]) == ["nothing", "book", "nothing"]
    stats = market.stats(0)
    assert (stats["applied"], stats["duplicates"], stats["gaps"]) == (3, 3, 0)


# ---------------------------------------------------------------- top of book

def test_newer_top_overlays_and_hides_what_it_has_passed() -> None:
    market = live()
    assert kinds(market, top(111, ("98.50", "4"), ("98.75", "6"))) == ["book"]
    record = market.record(0)
    assert prices(market) == [(98.5, 4.0)] and prices(market, "asks") == [(98.75, 6.0), (101.0, 1.0)]
    assert record["flags"] == layout.BOOK_VALID | layout.BOOK_TOP_NEWER
    assert (record["depth_update_id"], record["top_update_id"]) == (110, 111)
    assert market.book(0)["bids"] == [(10000, 1000), (9900, 5000)]  # the depth itself is untouched


def test_top_replaces_the_size_of_a_level_that_depth_has() -> None:
    market = live()
    market.decode(top(111, ("100.00", "9"), ("101.00", "8")))
    assert prices(market) == [(100.0, 9.0), (99.0, 5.0)] and prices(market, "asks") == [(101.0, 8.0)]


def test_top_yields_when_depth_catches_up_and_returns_when_it_is_newer_again() -> None:
    market = live()
    market.decode(top(115, ("98.00", "4"), ("99.00", "6")))
    assert kinds(market, depth(111, 114, [("97.00", "1")])) == ["book"]
    assert market.record(0)["flags"] & layout.BOOK_TOP_NEWER
    market.decode(depth(115, 116, [("100.00", "0"), ("99.00", "0"), ("98.00", "5")], [("99.00", "6")]))
    assert market.record(0)["flags"] == layout.BOOK_VALID
    assert prices(market) == [(98.0, 5.0), (97.0, 1.0)]
    assert kinds(market, top(114, BUY, SELL), top(116, ("98.00", "5"), ("99.00", "6")), top(117, ("98.50", "1"), SELL)) == \
        ["nothing", "nothing", "book"]
    assert prices(market)[0] == (98.5, 1.0)


def test_top_with_an_empty_side_empties_it() -> None:
    market = live()
    market.decode(top(111, ("0.00", "0.000"), SELL))
    assert prices(market) == [] and prices(market, "asks") == [(101.0, 3.0)]


def test_top_while_out_of_sync_is_remembered_but_not_published() -> None:
    market = make_market("spot")
    assert kinds(market, top(111, BUY, SELL), depth(101, 110)) == ["nothing", "buffered"]
    assert market.apply_snapshot(0, snapshot(105)) == "synced"
    assert prices(market) == [(100.0, 2.0)]
    assert market.record(0)["flags"] & layout.BOOK_TOP_NEWER


@pytest.mark.parametrize("order", ["top_first", "depth_first"])
def test_top_and_depth_of_the_same_id_must_agree(order: str) -> None:
    frames = [top(120, ("100.00", "1"), ("101.00", "1")), depth(111, 120)]
    market = live()
    assert kinds(market, *(frames if order == "top_first" else frames[::-1]))[-1] == ("book"
                                                                                      if order == "top_first" else "nothing")
    assert market.stats(0)["top_checks"] == 1
    frames = [top(130, ("100.00", "1.001"), ("101.00", "1")), depth(121, 130)]
    assert kinds(market, *(frames if order == "top_first" else frames[::-1]))[-1] == "need_snapshot"
    stats = market.stats(0)
    assert (stats["invalid"], stats["resyncs"], stats["gaps"]) == (1, 1, 0) and market.record(0)["flags"] == 0


def test_top_that_depth_does_not_catch_up_with_is_a_wrong_one() -> None:
    market = live()
    market.decode(top(10**15, BUY, SELL), frame_mono_ns=1000 * MS)
    assert market.decode(depth(111, 112), frame_mono_ns=3000 * MS)["kind"] == "book"
    assert market.decode(depth(113, 114), frame_mono_ns=3001 * MS)["kind"] == "need_snapshot"
    assert market.stats(0)["top_id"] == 0


# ---------------------------------------------------------------- crossed

def test_crossed_book_is_flagged_at_once_and_heals() -> None:
    market = live()
    assert market.decode(depth(111, 111, [("101.00", "1")]), frame_mono_ns=100 * MS)["kind"] == "book"
    assert market.record(0)["flags"] == layout.BOOK_VALID | layout.BOOK_CROSSED
    assert market.decode(depth(112, 112, [("101.00", "0")]), frame_mono_ns=149 * MS)["kind"] == "book"
    assert market.record(0)["flags"] == layout.BOOK_VALID
    assert market.decode(depth(113, 113, [("101.00", "1")]), frame_mono_ns=160 * MS)["kind"] == "book"  # counted anew
    assert market.stats(0)["crossed"] == 2


@pytest.mark.parametrize("frame", [depth(112, 112), top(120, ("102.00", "1"), ("101.50", "1"))])
def test_book_crossed_for_50_ms_is_invalid(frame: bytes) -> None:
    market = live()
    market.decode(depth(111, 111, [("103.00", "1")]), frame_mono_ns=100 * MS)
    assert market.decode(frame, frame_mono_ns=150 * MS)["kind"] == "need_snapshot"
    assert market.record(0)["flags"] == 0 and market.needs_snapshot() == [0]


def test_newer_top_uncrosses_the_record_of_a_crossed_depth() -> None:
    market = live()
    market.decode(depth(111, 111, [("103.00", "1")]), frame_mono_ns=100 * MS)
    assert market.decode(top(112, ("100.00", "1"), ("101.00", "1")), frame_mono_ns=120 * MS)["kind"] == "book"
    assert not market.record(0)["flags"] & layout.BOOK_CROSSED
    assert prices(market) == [(100.0, 1.0), (99.0, 5.0)]


# ---------------------------------------------------------------- records, lag, quiet

def test_record_holds_sixteen_levels_and_the_totals_of_all() -> None:
    market = make_market("spot")
    bids = [(f"{100 - number}.00", "1") for number in range(20)]
    asks = [(f"{101 + number}.00", "1") for number in range(10)]
    market.decode(depth(101, 101))
    market.apply_snapshot(0, snapshot(100, bids, asks), limit=1000)
    record = market.record(0, frame_mono_ns=7, recv_wall_ns=8, connection_id=3)
    assert (record["bid_count"], record["ask_count"], record["bid_levels_total"], record["ask_levels_total"]) == (16, 10, 20, 10)
    assert record["bids"][-1] == (8500, 1000)
    assert not record["flags"] & layout.BOOK_DEPTH_COMPLETE
    assert (record["frame_mono_ns"], record["recv_wall_ns"], record["connection_id"], record["instrument_id"]) == (7, 8, 3, 0)


@pytest.mark.parametrize(("limit", "complete"), [(0, False), (1, False), (2, True), (1000, True)])
def test_depth_is_complete_only_when_the_snapshot_had_less_than_asked_for(limit: int, complete: bool) -> None:
    market = make_market("spot")
    market.decode(depth(101, 101))
    market.apply_snapshot(0, snapshot(100), limit=limit)
    assert bool(market.record(0)["flags"] & layout.BOOK_DEPTH_COMPLETE) is complete


def test_levels_whose_notional_could_overflow_a_sum_are_cut_off() -> None:
    market = make_market("spot")
    market.decode(depth(101, 101))
    market.apply_snapshot(0, snapshot(100, [("100.00", "1"), ("99.00", "40000000000000.000"), ("98.00", "1")], [("101.00", "1")]))
    assert market.record(0)["bids"] == [(10000, 1000)]
    assert market.book(0)["bids"][1] == (9900, 40000000000000000)


def test_times_of_top_and_depth_are_kept_apart() -> None:
    market = live("linear")
    market.decode(depth(112, 115, previous=110, event_ms=1_700_000_000_100))
    market.decode(top(116, BUY, SELL, event_ms=1_700_000_000_140))
    record = market.record(0)
    assert (record["depth_exch_ns"], record["exch_ns"]) == (1_700_000_000_100 * MS, 1_700_000_000_140 * MS)
    spot = live()
    spot.decode(top(111, BUY, SELL))
    assert spot.record(0)["exch_ns"] == 0  # spot tops carry no time


def test_lag_is_what_exceeds_the_smallest_difference_seen() -> None:
    market = make_market("spot")
    assert market.record(0)["lag_ns"] == -1
    event_ns = 1_700_000_000_000 * MS
    for update_id, late_ms, lag_ms in ((111, -1200, 0), (112, -1195, 5), (113, -1210, 0), (114, -1100, 110)):
        market.decode(depth(update_id, update_id), recv_wall_ns=event_ns + late_ms * MS)
        assert market.record(0)["lag_ns"] == lag_ms * MS
    stats = market.stats(0)
    assert (stats["lag_min_ns"], stats["lag_raw_ns"]) == (-1210 * MS, -1100 * MS)


@pytest.mark.parametrize(("gap_ms", "low", "high"), [(1, 100, 100), (40, 160, 200), (100, 400, 500), (3000, 5000, 5000)])
def test_quiet_limit_is_learned_from_gaps_and_bounded(gap_ms: int, low: int, high: int) -> None:
    market = live()
    for number in range(255):
        market.decode(depth(1, 1), frame_mono_ns=(1 + number * gap_ms) * MS)
    assert market.record(0)["quiet_limit_ms"] == 0
    for number in range(255, 2000):
        market.decode(depth(1, 1), frame_mono_ns=(1 + number * gap_ms) * MS)
    assert low <= market.record(0)["quiet_limit_ms"] <= high


def test_rare_gap_decides_the_quiet_limit_and_an_outage_does_not() -> None:
    def learn(*, rare_ms: int, is_outage: bool) -> Any:
        market, now = live(), MS
        for number in range(1, 3000):
            now += (rare_ms if number % 200 == 0 else 2) * MS
            if is_outage and number % 200 == 0:
                market.invalidate(0)
            market.decode(depth(1, 1), frame_mono_ns=now)
        return market.record(0)["quiet_limit_ms"]
    assert 400 <= learn(rare_ms=100, is_outage=False) <= 500
    assert learn(rare_ms=100, is_outage=True) == 100  # the lower bound


def test_rows_of_another_market_are_refused_in_words() -> None:
    spot = make_market("spot")
    with pytest.raises(ValueError, match="no linear instrument"):
        BinanceMarket(spot.instruments, "linear", [0])
    with pytest.raises(ValueError, match="right is one of spot, linear"):
        BinanceMarket(spot.instruments, "swap", [0])
    with pytest.raises(ValueError, match="occurs twice"):
        BinanceMarket(spot.instruments, "spot", [0, 0])
    with pytest.raises(IndexError):
        BinanceMarket(spot.instruments, "spot", [7])
    with pytest.raises(IndexError):
        spot.record(1)


def test_symbols_that_differ_in_one_letter_are_told_apart() -> None:
    names = [f"{a}{b}{tail}USDT" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJ" for tail in ("", "1", "CCCCCCCCCCCCCCCCCCCC")]
    market = make_market("spot", dict.fromkeys(names, (2, 3)))
    assert [market.row_of_symbol(name) for name in names] == list(range(len(names)))
    for name in ("", "AA", "AAUSD", "AAUSDTT", "aausdt", "X" * 31, "X" * 32, "X" * 500):
        assert market.row_of_symbol(name) == -1
