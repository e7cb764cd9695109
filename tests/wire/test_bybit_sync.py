"""Bybit books in every order of arrival: snapshots, deltas, repeats, gaps, restarts, and two topics of one symbol that run apart."""
import itertools
import random
from typing import Any

import pytest

from cext import layout
from cext.decoders.bybit import BybitMarket
from tests.support.bybit_rig import CTS, book, make_bybit, rest_book, ticker, top
from tests.support.market_rig import MS

BIDS, ASKS = [("100.00", "1.000"), ("99.50", "2.000")], [("101.00", "3.000"), ("102.00", "4.000")]
INT_BIDS, INT_ASKS = [(10000, 1000), (9950, 2000)], [(10100, 3000), (10200, 4000)]


def live(u: int = 10, seq: int = 1000) -> BybitMarket:
    market = make_bybit("linear")
    assert market.decode(book("snapshot", u, seq, BIDS, ASKS), 1 * MS)["kind"] == "book"
    return market


def kinds(market: BybitMarket, *frames: bytes) -> list[str]:
    return [market.decode(frame, 2 * MS)["kind"] for frame in frames]


# ---------------------------------------------------------------- one topic

def test_deltas_follow_each_other_by_u() -> None:
    market = live()
    assert kinds(market, *(book("delta", 10 + n, 1000 + 7 * n, [("99.00", f"{n}.000")]) for n in range(1, 6))) == ["book"] * 5
    assert market.book(0)["bids"] == [*INT_BIDS, (9900, 5000)]
    assert (market.stats(0)["update_id"], market.record(0)["depth_update_id"]) == (15, 1035)


@pytest.mark.parametrize("u", [10, 9, 2, 0])
def test_what_the_book_holds_already_changes_nothing(u: int) -> None:
    market = live()
    assert kinds(market, book("delta", u, 2000, [("99.00", "1.000")], [("101.00", "0")])) == ["nothing"]
    assert market.book(0) == {"bids": INT_BIDS, "asks": INT_ASKS} and market.stats(0)["duplicates"] == 1


@pytest.mark.parametrize("u", [12, 13, 10_000, (1 << 62)])
def test_jump_is_a_gap(u: int) -> None:
    market = live()
    assert market.decode(book("delta", u, 2000, [("99.00", "1.000")])) == {"kind": "need_snapshot", "row": 0}
    assert market.record(0)["flags"] == 0 and market.stats(0)["gaps"] == 1 and market.needs_snapshot() == [0]
    assert market.record(0)["epoch"] == 1
    assert kinds(market, book("delta", u + 1, 2001)) == ["buffered"]


def test_subscribing_again_after_a_gap_brings_the_book_back() -> None:
    market = live()
    market.decode(book("delta", 12, 2000))
    assert market.restart_stream(0) is False                     # it was out of sync
    assert kinds(market, book("snapshot", 15, 2010, BIDS, ASKS), book("delta", 16, 2011, [("99.00", "1.000")])) == ["book"] * 2
    assert market.record(0)["flags"] & layout.BOOK_VALID and market.book(0)["bids"] == [*INT_BIDS, (9900, 1000)]


@pytest.mark.parametrize("u", [11, 10, 5, 12, 1_000_000, 1])
@pytest.mark.parametrize("seq", [1001, 1000, 3, 99_999])
def test_snapshot_replaces_the_book_whenever_it_comes(u: int, seq: int) -> None:
    market = live()
    assert kinds(market, book("snapshot", u, seq, [("90.00", "5.000")], [("91.00", "6.000")])) == ["book"]
    assert market.book(0) == {"bids": [(9000, 5000)], "asks": [(9100, 6000)]}
    assert (market.stats(0)["update_id"], market.record(0)["depth_update_id"], market.stats(0)["gaps"]) == (u, seq, 0)
    assert kinds(market, book("delta", u + 1, seq + 1, [("90.00", "0")])) == ["book"] and market.book(0)["bids"] == []


@pytest.mark.parametrize("kind", ["delta", "snapshot"])
def test_update_id_1_is_a_whole_book_whatever_it_calls_itself(kind: str) -> None:
    market = live()
    assert kinds(market, book(kind, 1, 5, [("90.00", "5.000")], [("91.00", "6.000")])) == ["book"]
    assert market.book(0) == {"bids": [(9000, 5000)], "asks": [(9100, 6000)]}
    assert kinds(market, book("delta", 2, 6, [("89.00", "1.000")]), book("delta", 11, 1001)) == ["book", "need_snapshot"]


def test_restart_brings_a_book_back_that_was_out_of_sync() -> None:
    market = live()
    market.decode(book("delta", 13, 1003))
    assert kinds(market, book("delta", 1, 1004, BIDS, ASKS)) == ["book"]
    assert market.book(0) == {"bids": INT_BIDS, "asks": INT_ASKS} and market.needs_snapshot() == []


def test_empty_book_is_a_book() -> None:
    market = live()
    assert kinds(market, book("snapshot", 20, 1001)) == ["book"]
    record = market.record(0)
    assert (record["bid_count"], record["ask_count"]) == (0, 0)
    assert record["flags"] == layout.BOOK_VALID | layout.BOOK_DEPTH_COMPLETE


@pytest.mark.parametrize("depth", [50, 200, 1000, 25])
def test_book_is_complete_when_its_topic_holds_more_levels_than_there_are(depth: int) -> None:
    market = make_bybit("linear")
    market.decode(book("snapshot", 10, 1000, BIDS, ASKS, depth=depth))
    assert market.record(0)["flags"] == layout.BOOK_VALID | layout.BOOK_DEPTH_COMPLETE
    full = [(f"{100 - n / 100:.2f}", "1.000") for n in range(depth)]
    market.decode(book("snapshot", 11, 1001, full, ASKS, depth=depth))
    assert market.record(0)["flags"] == layout.BOOK_VALID


def test_deltas_of_another_depth_have_ids_of_their_own_and_are_left_out() -> None:
    market = live()
    assert kinds(market, book("delta", 11, 1001, [("99.00", "1.000")], depth=200),
                 book("delta", 500, 1002, depth=1000)) == ["unknown"] * 2
    assert market.book(0) == {"bids": INT_BIDS, "asks": INT_ASKS} and market.counters()["unknown_frames"] == 2
    assert kinds(market, book("delta", 11, 1002)) == ["book"]


def test_newest_snapshot_says_which_depth_makes_the_book() -> None:
    market = live()
    assert kinds(market, book("snapshot", 500, 1001, [("90.00", "5.000")], depth=200),
                 book("delta", 501, 1002, depth=200)) == ["book"] * 2
    assert market.book(0)["bids"] == [(9000, 5000)]
    assert kinds(market, book("delta", 11, 1003)) == ["unknown"]
    assert kinds(market, book("snapshot", 12, 1004, BIDS, ASKS), book("delta", 13, 1005),
                 book("delta", 502, 1006, depth=200)) == [
        "book", "book", "unknown"]


def test_crossed_book_that_does_not_heal_is_given_up() -> None:
    market = live()
    assert market.decode(book("delta", 11, 1001, [("101.50", "1.000")]), 10 * MS)["kind"] == "book"
    assert market.record(0)["flags"] & layout.BOOK_CROSSED
    assert market.decode(book("delta", 12, 1002), 59 * MS)["kind"] == "book"
    assert market.decode(book("delta", 13, 1003), 60 * MS)["kind"] == "need_snapshot"


# ---------------------------------------------------------------- top of book beside it

def best(market: BybitMarket) -> tuple[Any, Any]:
    record = market.record(0)
    return record["bids"][0], record["asks"][0]


def test_newer_top_overlays_and_hides_what_it_has_passed() -> None:
    market = live()
    assert kinds(market, top(700, 1004, ("99.60", "0.500"), ("101.50", "0.250"))) == ["book"]
    record = market.record(0)
    assert record["bids"] == [(9960, 500), (9950, 2000)] and record["asks"] == [(10150, 250), (10200, 4000)]
    assert (record["top_update_id"], record["depth_update_id"]) == (1004, 1000)
    assert kinds(market, book("delta", 11, 1003, [("100.00", "0")])) == ["book"] and best(market) == ((9960, 500), (10150, 250))
    assert kinds(market, book("delta", 12, 1005, [("99.60", "0.700")], [("101.00", "0")])) == ["book"]
    assert best(market) == ((9960, 700), (10200, 4000)) and not market.record(0)["flags"] & layout.BOOK_TOP_NEWER


def test_older_top_changes_nothing() -> None:
    market = live()
    assert kinds(market, top(700, 999, ("90.00", "1.000"), ("91.00", "1.000")),
                 top(699, 998, ("80.00", "1.000"), ("81.00", "1.000"))) == ["nothing"] * 2
    assert best(market) == (INT_BIDS[0], INT_ASKS[0])


def test_top_with_an_empty_side_says_that_it_is_empty() -> None:
    market = live()
    assert kinds(market, top(700, 1001, None, ("101.00", "3.000"))) == ["book"]
    record = market.record(0)
    assert record["bids"] == [] and record["asks"] == INT_ASKS
    assert kinds(market, top(701, 1002, None, None)) == ["book"]
    assert market.record(0)["bids"] == market.record(0)["asks"] == []


def test_tops_and_depths_of_one_seq_are_not_held_against_each_other() -> None:
    """No source says that equal seq means equal books: depth is believed, and nothing is refused."""
    for frames in itertools.permutations([top(700, 1001, ("99.60", "0.500"), ("101.50", "0.250")), book("delta", 11, 1001)]):
        market = live()
        assert "need_snapshot" not in kinds(market, *frames)
        assert best(market) == (INT_BIDS[0], INT_ASKS[0]) and market.stats(0)["top_checks"] == 0


def test_repeated_top_is_proof_of_life_and_no_newer_price() -> None:
    market = live()
    first = top(700, 1004, ("99.60", "0.500"), ("101.50", "0.250"))
    assert market.decode(first, 10 * MS)["kind"] == "book"
    before = market.record(0)
    again = top(700, 1009, ("99.60", "0.500"), ("101.50", "0.250"), cts=CTS + 3000)   # after 3 s, seq may have gone on
    for frame in (first, again, again):
        assert market.decode(frame, 3010 * MS) == {"kind": "nothing", "row": 0}
    assert market.record(0) == before and market.stats(0)["duplicates"] == 3 and market.stats(0)["tops"] == 4
    # depth catches up with the first one, not with the repeats
    assert market.decode(book("delta", 11, 1005), 3011 * MS)["kind"] == "book" and best(market) == (INT_BIDS[0], INT_ASKS[0])


def test_same_u_with_other_levels_is_no_repeat() -> None:
    market = live()
    assert kinds(market, top(1, 1004, ("99.60", "0.500"), ("101.50", "0.250")),
                 top(1, 1005, ("99.70", "0.500"), ("101.50", "0.250"))) == ["book", "book"]
    assert best(market)[0] == (9970, 500)


def test_top_counts_from_one_again_after_a_restart() -> None:
    market = live()
    market.decode(top(700, 1004, ("99.60", "0.500"), ("101.50", "0.250")))
    # older than depth, and no more than that
    assert kinds(market, top(1, 50, ("99.80", "1.000"), ("101.20", "1.000"))) == ["nothing"]
    assert kinds(market, top(2, 1001, ("99.80", "1.000"), ("101.20", "1.000"))) == ["book"]
    assert best(market) == ((9980, 1000), (10120, 1000))


def test_restarted_depth_voids_the_top_from_before() -> None:
    market = live()
    market.decode(top(700, 1004, ("99.60", "0.500"), ("101.50", "0.250")))
    assert kinds(market, book("snapshot", 1, 7, BIDS, ASKS)) == ["book"]
    assert best(market) == (INT_BIDS[0], INT_ASKS[0]) and market.record(0)["top_update_id"] == 0
    assert kinds(market, top(1, 8, ("99.60", "0.500"), ("101.50", "0.250"))) == ["book"]


def test_top_that_depth_does_not_reach_is_not_believed_for_ever() -> None:
    market = live()
    market.decode(top(700, 5000, ("99.60", "0.500"), ("101.50", "0.250")), 10 * MS)
    assert market.decode(book("delta", 11, 1001), 2000 * MS)["kind"] == "book"
    assert market.decode(book("delta", 12, 1002), 2011 * MS)["kind"] == "need_snapshot"
    assert market.stats(0)["invalid"] == 1 and market.stats(0)["top_id"] == 0


def test_top_alone_is_no_book() -> None:
    market = make_bybit("linear")
    assert kinds(market, top(700, 1004, ("99.60", "0.500"), ("101.50", "0.250"))) == ["nothing"]
    assert market.record(0)["flags"] == 0
    assert kinds(market, book("snapshot", 10, 1000, BIDS, ASKS)) == ["book"]
    assert best(market) == ((9960, 500), (10150, 250))


def test_top_is_taken_again_after_the_stream_was_cut() -> None:
    market = live()
    frame = top(700, 1004, ("99.60", "0.500"), ("101.50", "0.250"))
    market.decode(frame)
    assert market.restart_stream(0) is True
    assert kinds(market, book("snapshot", 20, 1003, BIDS, ASKS), frame) == ["book", "book"]
    assert best(market) == ((9960, 500), (10150, 250))


# ---------------------------------------------------------------- every order, against a plain twin

class Twin:
    """The rules in plain words, dictionaries for the sides."""

    def __init__(self) -> None:
        self.sides: tuple[dict[int, int], dict[int, int]] | None = None
        self.waiting: list[int] = []
        self.u = self.seq = 0
        self.top: tuple[int, int, list[Any]] | None = None       # u, seq, levels

    def depth(self, is_whole: bool, u: int, seq: int, levels: list[list[tuple[int, int]]]) -> str:
        if is_whole or u == 1:
            self.sides = ({}, {})
            if u == 1:
                self.top = None
        elif self.sides is None:
            return "buffered"
        elif u <= self.u:
            return "nothing"
        elif u != self.u + 1:
            self.sides = None
            return "need_snapshot"
        self.u, self.seq = u, seq
        for side, changes in zip(self.sides, levels, strict=True):
            for px, qty in changes:
                side.pop(px, None) if qty == 0 else side.__setitem__(px, qty)
        return "book"

    def on_top(self, u: int, seq: int, levels: list[tuple[int, int]]) -> str:
        if self.top and self.top[0] == u and self.top[2] == levels:
            return "nothing"
        if u == 1:
            self.top = None
        if self.top and seq <= self.top[1]:
            return "nothing"
        self.top = (u, seq, levels)
        return "book" if self.sides is not None and seq > self.seq else "nothing"

    def levels(self) -> list[list[tuple[int, int]]]:
        if self.sides is None:
            return [[], []]
        out = []
        for side, sign in zip(self.sides, (-1, 1), strict=True):
            ranked = sorted(side.items(), key=lambda level: sign * level[0])
            if self.top and self.top[1] > self.seq:
                level = self.top[2][len(out)]
                ranked = [level, *(other for other in ranked if sign * other[0] > sign * level[0])]
            out.append(ranked[:16])
        return out


def text(px: int, qty: int) -> tuple[str, str]:
    return f"{px / 100:.2f}", f"{qty / 1000:.3f}"


class Stream:
    """A venue whose frames get lost, come twice, or too late; now and then it begins anew."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.u, self.top_u, self.seq = 100, 700, 1000

    def changes(self) -> list[list[tuple[int, int]]]:
        draw = self.rng.randint
        return [[(draw(low, high), draw(0, 3) * 1000) for _ in range(draw(0, 4))] for low, high in ((9000, 9999), (10100, 11000))]

    def step(self) -> tuple[str, Any, bytes]:
        """(topic, what the twin is told, frame)."""
        draw = self.rng.random()
        self.seq += self.rng.randint(1, 3)
        if draw < 0.3:
            self.top_u = 1 if self.rng.random() < 0.03 else self.top_u + (self.rng.random() < 0.8)
            seq = self.seq + self.rng.randint(-4, 4)
            level = [(self.rng.randint(9500, 10000), 500), (self.rng.randint(10050, 10500), 250)]
            return "top", (self.top_u, seq, level), top(self.top_u, seq, text(*level[0]), text(*level[1]))
        is_whole = draw > 0.95
        self.u = 1 if self.rng.random() < 0.02 else self.u + 1
        levels = self.changes()
        frame = book("snapshot" if is_whole else "delta", self.u, self.seq, [text(*level) for level in levels[0]],
                     [text(*level) for level in levels[1]])
        return "depth", (is_whole, self.u, self.seq, levels), frame


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_arrival_gives_what_the_twin_says(seed: int) -> None:
    stream, twin, market = Stream(seed), Twin(), make_bybit("linear")
    held: list[Any] = []
    counts: dict[str, int] = {}
    for number in range(2000):
        event = stream.step()
        fate = stream.rng.random()
        arrived = [event]
        if fate < 0.02:
            arrived = []                     # lost
        elif fate < 0.05:
            arrived = [event, event]         # twice
        elif fate < 0.07:
            held.append(event)               # late
            arrived = []
        elif held and fate < 0.2:
            arrived = [event, held.pop()]
        for topic, told, frame in arrived:
            wanted = twin.on_top(*told) if topic == "top" else twin.depth(*told)
            got = market.decode(frame, number * MS)
            assert got == {"kind": wanted, "row": 0}, f"seed {seed}, step {number}: {frame!r}"
            counts[wanted] = counts.get(wanted, 0) + 1
            record = market.record(0)
            assert [record["bids"], record["asks"]] == twin.levels(), f"seed {seed}, step {number}: {frame!r}"
            assert bool(record["flags"] & layout.BOOK_VALID) == (twin.sides is not None)
        if number % 500 == 0:
            market.check(0)
    assert min(counts.get(kind, 0) for kind in ("book", "nothing", "buffered", "need_snapshot")) > 10, counts


# ---------------------------------------------------------------- funding comes in parts

WHOLE = {"markPrice": "100.015", "indexPrice": "100.999", "fundingRate": "0.0001", "nextFundingTime": "1760342400000",
         "fundingIntervalHour": "4", "lastPrice": "100.00"}


def test_ticker_delta_changes_only_what_it_names() -> None:
    market = make_bybit("linear")
    first = market.decode(ticker("snapshot", 1000, **WHOLE))["funding"]
    assert (first["mark_px"], first["index_px"], first["rate_e8"], first["interval_s"]) == (10001, 10099, 10000, 14400)
    second = market.decode(ticker("delta", 1100, fundingRate="-0.00005", bid1Price="99.00"))["funding"]
    assert second == {**first, "exch_ns": 1100 * MS, "rate_e8": -5000}
    third = market.decode(ticker("delta", 1200, nextFundingTime="1760356800000", fundingIntervalHour="1"))["funding"]
    assert third == {**second, "exch_ns": 1200 * MS, "next_funding_wall_ns": 1_760_356_800_000 * MS, "interval_s": 3600}
    assert market.decode(ticker("delta", 1300, bid1Price="99.00", ask1Size="5")) == {"kind": "nothing", "row": -1}


@pytest.mark.parametrize("order", list(itertools.permutations(["markPrice", "fundingRate", "nextFundingTime"])))
def test_nothing_is_published_before_rate_mark_and_time_are_known(order: tuple[str, ...]) -> None:
    market = make_bybit("linear")
    told = [market.decode(ticker("delta", 1000 + number, **{key: WHOLE[key]}))["kind"] for number, key in enumerate(order)]
    assert told == ["nothing", "nothing", "funding"]


def test_ticker_older_than_what_is_known_changes_nothing() -> None:
    market = make_bybit("linear")
    market.decode(ticker("snapshot", 2000, **WHOLE))
    assert market.decode(ticker("delta", 1999, fundingRate="0.5")) == {"kind": "nothing", "row": -1}
    assert market.decode(ticker("delta", 2000, markPrice="101.00"))["funding"]["rate_e8"] == 10000
    assert market.decode(ticker("snapshot", 1500, **{**WHOLE, "fundingRate": "0.0003"}))["funding"]["rate_e8"] == 30000
    assert market.decode(ticker("delta", 1501, markPrice="102.00"))["funding"]["mark_px"] == 10200


def test_contract_that_does_not_trade_yet_has_no_funding() -> None:
    market = make_bybit("linear")
    empty = {"markPrice": "1.00", "indexPrice": "", "fundingRate": "", "nextFundingTime": "0", "fundingIntervalHour": ""}
    assert market.decode(ticker("snapshot", 1000, **empty)) == {"kind": "nothing", "row": -1}
    assert market.decode(ticker("delta", 1001, fundingRate="0.0001", nextFundingTime="1760342400000"))["kind"] == "funding"


def test_interval_of_the_listing_stands_until_the_stream_says_another() -> None:
    market = make_bybit("linear")
    market.set_funding_interval(0, 14_400)
    parts = {key: WHOLE[key] for key in ("markPrice", "fundingRate", "nextFundingTime")}
    assert market.decode(ticker("snapshot", 1000, **parts))["funding"]["interval_s"] == 14_400
    assert market.decode(ticker("delta", 1001, fundingIntervalHour="8"))["funding"]["interval_s"] == 28_800


def test_rest_book_has_a_time_and_may_say_that_its_seq_is_not_known() -> None:
    market = make_bybit("linear")
    market.decode(top(700, 1004, ("99.60", "0.500"), ("101.50", "0.250")))
    market.decode(book("delta", 10, 1000))
    assert market.apply_snapshot(0, rest_book(10, 0, BIDS, ASKS), 50) == "synced"
    assert best(market) == ((9960, 500), (10150, 250)) and market.record(0)["depth_exch_ns"] == CTS * MS
