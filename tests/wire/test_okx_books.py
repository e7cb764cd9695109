"""When an OKX book is true: chains of prevSeqId, heartbeats, numbers that begin anew, streams without a snapshot, tops, checksums."""

import itertools
import random

import pytest

from cext import layout
from cext.decoders.okx import OkxMarket
from tests.support.okx_rig import ASKS, MS, T0, checksum_of, kinds, make_okx, market_of, okx_row, rest_book, snapshot, top, update

WHOLE = {"bids": [(1000, 100), (995, 200)], "asks": [(1005, 300), (1010, 400)]}


def live() -> OkxMarket:
    """In sync at 100."""
    market = make_okx()
    assert kinds(market, [snapshot()]) == ["book"]
    return market


def is_valid(market: OkxMarket, row: int = 0) -> bool:
    return bool(market.record(row)["flags"] & layout.BOOK_VALID)


# ---------------------------------------------------------------- the chain


def test_snapshot_makes_the_book_valid_at_once() -> None:
    market = live()
    assert market.book(0) == WHOLE and is_valid(market)
    record = market.record(0)
    assert (record["depth_update_id"], record["depth_exch_ns"]) == (100, (T0 + 100) * MS)
    assert record["flags"] & layout.BOOK_DEPTH_COMPLETE  # fewer than 400 levels: nothing lies beyond


def test_update_follows_when_it_names_the_last_number() -> None:
    market = live()
    assert kinds(market, [update(100, 107, [("100.0", "0"), ("99.9", "5")]), update(107, 108, asks=[("100.4", "1")])]) == [
        "book",
        "book",
    ]
    assert market.book(0) == {"bids": [(999, 500), (995, 200)], "asks": [(1004, 100), (1005, 300), (1010, 400)]}
    assert market.stats(0)["update_id"] == 108


def test_snapshot_replaces_whatever_there_is() -> None:
    market = live()
    assert kinds(market, [update(100, 105), snapshot(90, [("50.0", "1")], [("51.0", "1")])]) == ["book", "book"]
    assert market.book(0) == {"bids": [(500, 100)], "asks": [(510, 100)]} and market.stats(0)["update_id"] == 90


@pytest.mark.parametrize("previous", [99, 101, 0, -1])
def test_another_previous_number_is_a_gap(previous: int) -> None:
    market = live()
    assert kinds(market, [update(previous, 110, [("100.1", "1")])]) == ["need_snapshot"]
    assert not is_valid(market) and market.stats(0)["gaps"] == 1 and market.needs_snapshot() == [0]
    assert kinds(market, [update(110, 111)]) == ["buffered"]
    assert kinds(market, [snapshot(120)]) == ["book"] and market.book(0) == WHOLE


def test_heartbeat_keeps_the_book() -> None:
    market = live()
    assert kinds(market, [update(100, 100, ms=T0 + 60_100), update(100, 101)]) == ["book", "book"]
    assert market.book(0) == WHOLE and is_valid(market)
    assert kinds(market, [update(102, 102)]) == ["need_snapshot"]  # one of numbers that we have not reached


# ---------------------------------------------------------------- numbers that begin anew


def test_smaller_number_is_the_next_one_when_the_chain_holds() -> None:
    market = live()
    frames = [update(100, 3, [("99.9", "5")], ms=T0 + 1000), update(3, 5, ms=T0 + 1100), update(5, 9, ms=T0 + 1200)]
    assert kinds(market, frames) == ["book"] * 3
    assert market.stats(0)["update_id"] == 9 and (999, 500) in market.book(0)["bids"]


def test_missed_beginning_of_new_numbers_is_a_gap() -> None:
    """The numbers alone look like a repetition of what the book contains; the time does not."""
    market = live()
    assert kinds(market, [update(3, 5, ms=T0 + 1100)]) == ["need_snapshot"]


def test_top_is_newer_across_new_numbers_whichever_stream_tells_first() -> None:
    reset, first, second = (
        update(100, 3, [("99.9", "5")], ms=T0 + 1000),
        top(4, ("100.1", "7"), ("100.5", "3"), ms=T0 + 1005),
        update(3, 5, [("100.1", "7")], ms=T0 + 1100),
    )
    before = top(99, ("100.0", "1"), ("100.5", "3"), ms=T0 + 99)
    for frames in (
        [before, reset, first, second],
        [before, first, reset, second],
        [reset, first, second],
        [first, reset, second],
    ):
        market = live()
        kinds(market, frames[:-1])
        record = market.record(0)
        assert record["bids"][0] == (1001, 700) and record["flags"] & layout.BOOK_TOP_NEWER, frames
        assert kinds(market, frames[-1:]) == ["book"]
        record = market.record(0)
        assert record["bids"][0] == (1001, 700) and not record["flags"] & layout.BOOK_TOP_NEWER, frames


def test_top_of_the_old_numbers_hides_nothing_after_the_new_ones_began() -> None:
    market = live()
    kinds(market, [top(101, ("100.2", "7"), ("100.5", "3"), ms=T0 + 101), update(100, 3, [("100.0", "9")], ms=T0 + 1000)])
    record = market.record(0)
    assert record["bids"][0] == (1000, 900) and not record["flags"] & layout.BOOK_TOP_NEWER
    assert kinds(market, [top(101, ("100.2", "7"), ("100.5", "3"), ms=T0 + 101)]) == ["nothing"]  # again, of another socket


def test_top_that_was_quiet_while_the_numbers_began_anew_is_newer_again() -> None:
    """Its first new number is larger than its last old one."""
    market = live()
    kinds(
        market, [top(20, ("100.0", "1"), ("100.5", "3"), ms=T0 + 20), update(100, 3, ms=T0 + 1000), update(3, 50, ms=T0 + 1100)]
    )
    assert kinds(market, [top(60, ("100.2", "7"), ("100.5", "3"), ms=T0 + 1105)]) == ["book"]
    assert market.record(0)["bids"][0] == (1002, 700)


def test_both_streams_may_begin_anew_often() -> None:
    market, previous, now = live(), 100, T0 + 1000
    for number in range(600):  # more often than generations can be told apart
        now += 1000
        assert kinds(
            market,
            [
                update(previous, 1, [("99.9", str(number + 1))], ms=now),
                update(1, 90, ms=now + 100),
                top(91, ("100.3", "7"), ("100.5", "3"), ms=now + 200),
            ],
        )[:2] == ["book", "book"], number
        previous = 90
    assert is_valid(market) and market.stats(0)["gaps"] == 0


# ---------------------------------------------------------------- tops


def test_top_overlays_the_book_until_the_book_has_it() -> None:
    market = live()
    assert kinds(market, [top(103, ("100.2", "7"), ("100.5", "3"))]) == ["book"]
    assert market.record(0)["bids"][:2] == [(1002, 700), (1000, 100)] and market.book(0) == WHOLE
    assert kinds(market, [top(102, ("100.4", "7"), ("100.5", "3")), update(100, 103, [("100.2", "6")])]) == ["nothing", "book"]
    assert market.record(0)["bids"][0] == (1002, 600)


def test_top_may_have_an_empty_side() -> None:
    market = live()
    assert kinds(market, [top(103, None, ("100.5", "3"))]) == ["book"]
    record = market.record(0)
    assert record["bid_count"] == 0 and record["asks"][0] == (1005, 300)


def test_every_order_of_arrival_ends_with_the_same_best_levels() -> None:
    chain = [
        update(100, 102, [("100.1", "1")]),
        update(102, 104, [("100.1", "0"), ("100.2", "2")]),
        update(104, 106, asks=[("100.3", "9")]),
    ]
    tops = [
        top(101, ("100.1", "1"), ("100.5", "3")),
        top(104, ("100.2", "2"), ("100.5", "3")),
        top(106, ("100.2", "2"), ("100.3", "9")),
    ]
    for places in itertools.combinations(range(6), 3):  # both streams in their own order
        deltas, bests = iter(chain), iter(tops)
        frames = [next(bests) if place in places else next(deltas) for place in range(6)]
        market = live()
        assert "need_snapshot" not in kinds(market, frames), places
        record = market.record(0)
        assert (record["bids"][0], record["asks"][0]) == ((1002, 200), (1003, 900)), places


# ---------------------------------------------------------------- two sockets


def test_what_another_socket_repeats_is_dropped() -> None:
    market = live()
    chain = [update(100, 102), update(102, 104), update(104, 106)]
    assert kinds(market, chain) == ["book"] * 3
    told = [market.decode(frame, 9 * MS, connection_id=1)["kind"] for frame in (*chain, update(106, 107), update(106, 107))]
    assert told == ["nothing", "nothing", "nothing", "book", "nothing"]
    assert market.stats(0)["duplicates"] == 4


def test_update_of_the_old_socket_that_spans_the_snapshot_of_the_new_one_is_dropped() -> None:
    market = live()
    assert market.decode(snapshot(103), 2 * MS, connection_id=1)["kind"] == "book"
    assert market.decode(update(100, 105), 3 * MS, connection_id=0)["kind"] == "nothing"
    assert market.decode(update(103, 105), 4 * MS, connection_id=1)["kind"] == "book"
    assert market.decode(update(105, 109), 5 * MS, connection_id=0)["kind"] == "book"
    assert market.decode(update(111, 112), 6 * MS, connection_id=1)["kind"] == "need_snapshot"


# ---------------------------------------------------------------- a stream without a snapshot

STREAM = [
    update(90, 95, [("1.0", "1")]),
    update(95, 101, [("99.5", "0")]),
    update(101, 104, [("99.4", "5")]),
    update(104, 107, [("100.0", "8")]),
]
JOINED = {"bids": [(1000, 800), (994, 500)], "asks": [(1005, 300), (1010, 400)]}


@pytest.mark.parametrize("rest_after", [2, 3, 4])
def test_book_comes_from_rest_and_the_updates_that_follow_it(rest_after: int) -> None:
    market = make_okx()
    assert kinds(market, STREAM[:rest_after]) == ["buffered"] * rest_after
    assert market.apply_snapshot(0, rest_book(100), 400) == "synced"
    assert kinds(market, STREAM[rest_after:]) == ["book"] * (4 - rest_after)
    assert market.book(0) == JOINED and market.stats(0)["update_id"] == 107 and is_valid(market)


def test_the_very_first_update_is_dropped() -> None:
    market = make_okx()
    kinds(market, [update(99, 101, [("77.0", "1")])])
    assert market.stats(0)["pending"] == 0 and market.stats(0)["msgs"] == 1
    assert market.apply_snapshot(0, rest_book(100), 400) == "waiting"
    assert kinds(market, [update(101, 104)]) == ["need_snapshot"]  # what the dropped one said is not in the book
    assert market.apply_snapshot(0, rest_book(102), 400) == "synced"


@pytest.mark.parametrize(
    ("seq", "outcome"),
    [
        (94, "too_old"),
        (95, "synced"),
        (100, "synced"),
        (101, "synced"),
        (103, "synced"),
        (104, "synced"),
        (106, "synced"),
        (107, "synced"),
        (108, "waiting"),
    ],
)
def test_rest_book_must_reach_the_second_update(seq: int, outcome: str) -> None:
    market = make_okx()
    kinds(market, STREAM)
    assert market.apply_snapshot(0, rest_book(seq), 400) == outcome
    assert is_valid(market) == (outcome == "synced")


def test_rest_book_ahead_of_the_stream_waits_for_it() -> None:
    market = make_okx()
    kinds(market, STREAM[:2])
    assert market.apply_snapshot(0, rest_book(105, [("60.0", "1")], [("61.0", "1")]), 400) == "waiting"
    assert kinds(market, [STREAM[2]]) == ["nothing"]
    assert kinds(market, [STREAM[3]]) == ["book"]  # 104 <= 105 < 107
    assert market.book(0)["bids"] == [(1000, 800), (600, 100)]


def test_snapshot_that_comes_after_all_ends_the_waiting() -> None:
    market = make_okx()
    kinds(market, STREAM[:3])
    assert kinds(market, [snapshot(200)]) == ["book"] and market.book(0) == WHOLE
    assert market.apply_snapshot(0, rest_book(100), 400) == "ignored"


def test_hole_while_waiting_throws_away_what_lies_before_it() -> None:
    market = make_okx()
    kinds(market, [*STREAM[:3], update(120, 125, [("98.0", "1")])])
    assert market.stats(0)["pending"] == 1
    assert market.apply_snapshot(0, rest_book(110), 400) == "too_old"
    assert market.apply_snapshot(0, rest_book(121), 400) == "synced"


def test_stream_that_begins_again_drops_its_first_update_again() -> None:
    acknowledged = b'{"id":"5","event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a"}'

    def disconnected(market: OkxMarket) -> None:
        market.invalidate(0)

    def restarted(market: OkxMarket) -> None:
        market.restart_stream(0)

    def subscribed(market: OkxMarket) -> None:
        assert market.decode(acknowledged) == {"kind": "ack", "row": -1, "ack_id": 5, "ack_error": 0}

    for begin in (disconnected, restarted, subscribed):
        market = make_okx()
        kinds(market, STREAM[:3])
        begin(market)
        kinds(market, [update(300, 301, ms=T0 + 500)])
        assert market.stats(0)["pending"] == 0, begin
        kinds(market, [update(301, 302, ms=T0 + 600)])
        assert market.stats(0)["pending"] == 1, begin
        assert market.apply_snapshot(0, rest_book(301), 400) == "synced"


def test_that_a_stream_begins_with_an_update_is_told_until_another_begins() -> None:
    market = make_okx()
    assert not market.stats(0)["begins_with_delta"]
    kinds(market, STREAM[:1])
    assert market.stats(0)["begins_with_delta"]  # the feed asks for a REST book
    market.restart_stream(0)
    assert not market.stats(0)["begins_with_delta"]
    kinds(market, [*STREAM[1:], snapshot(200)])
    assert not market.stats(0)["begins_with_delta"]


def test_update_that_follows_nothing_is_never_kept() -> None:
    market = make_okx()
    kinds(market, STREAM[:3])
    assert kinds(market, [update(-1, 120)]) == ["buffered"] and market.stats(0)["pending"] == 0


def test_rest_book_of_the_old_numbers_does_not_wait_for_ever() -> None:
    market = make_okx()
    kinds(market, STREAM[:2])
    assert market.apply_snapshot(0, rest_book(999, ms=T0 + 200), 400) == "waiting"
    assert kinds(market, [update(101, 102, ms=T0 + 300)]) == ["nothing"]
    assert kinds(market, [update(102, 103, ms=T0 + 2000)]) == ["buffered"] and market.needs_snapshot() == [0]
    assert market.apply_snapshot(0, rest_book(102, ms=T0 + 2010), 400) == "synced"


def test_every_moment_of_the_rest_book_gives_the_book_of_the_whole_chain() -> None:
    """A random chain; the REST book is that of some number of it, asked for again while it is too old."""
    rng = random.Random(8)
    for _ in range(200):
        seqs = list(itertools.accumulate((rng.randint(1, 4) for _ in range(12)), initial=100))
        states: list[dict[str, str]] = [{"100.0": "1"}]
        changes = []
        for _ in seqs[1:]:
            px, size = f"{rng.randint(90, 100)}.0", rng.choice(("0", "1", "2"))
            changes.append((px, size))
            states.append({key: value for key, value in {**states[-1], px: size}.items() if value != "0"})
        frames = [update(previous, seq, [change]) for previous, seq, change in zip(seqs, seqs[1:], changes, strict=False)]
        market, place, told = make_okx(), rng.randrange(len(frames)), ""
        for number, frame in enumerate(frames):
            market.decode(frame, (number + 1) * MS)
            if number >= place and market.needs_snapshot():
                at = rng.randrange(number + 2)
                told = market.apply_snapshot(0, rest_book(seqs[at], sorted(states[at].items()), [("101.0", "1")]), 400)
                assert told != "error"
        while market.needs_snapshot():
            told = market.apply_snapshot(0, rest_book(seqs[-1], sorted(states[-1].items()), [("101.0", "1")]), 400)
        wanted = {int(float(px) * 10): int(size) * 100 for px, size in states[-1].items()}
        if is_valid(market):
            assert dict(market.book(0)["bids"]) == wanted
        else:
            assert told == "waiting"


# ---------------------------------------------------------------- checksums

EXAMPLE_BIDS, EXAMPLE_ASKS = [("3366.1", "7"), ("3366", "6")], [("3366.8", "9"), ("3368", "8"), ("3372", "8")]


@pytest.mark.parametrize(
    "market_rows",
    [
        [okx_row(0, "BTC-USDT", px_scale=1, qty_scale=0)],
        [okx_row(0, "BTC-USDT", px_scale=4, qty_scale=8)],
        [okx_row(0, "BTC-USDT", "linear", px_scale=2, qty_scale=4, contract="0.01", lot="0.0001")],
        [okx_row(0, "BTC-USDT", "linear", px_scale=2, qty_scale=0, contract="1000000", lot="1000000")],
    ],
)
@pytest.mark.parametrize(("bids", "checksum"), [(EXAMPLE_BIDS, 1362239393), (EXAMPLE_BIDS[:1], 831078360)])
def test_examples_of_the_venue_verify_whatever_the_scales(market_rows: list, bids: list, checksum: int) -> None:
    market = market_of(market_rows)
    assert kinds(market, [snapshot(5, bids, EXAMPLE_ASKS, checksum=checksum)]) == ["book"]
    market = market_of(market_rows)
    assert kinds(market, [snapshot(5, bids, EXAMPLE_ASKS, checksum=checksum ^ 1)]) == ["need_snapshot"]
    assert not is_valid(market) and market.stats(0)["invalid"] == 1


def side(best: int, step: int, count: int) -> list[tuple[str, str]]:
    return [(f"{(best + step * number) / 10:g}", str(number + 1)) for number in range(count)]


@pytest.mark.parametrize(("bid_count", "ask_count"), [(30, 30), (25, 25), (24, 25), (25, 3), (0, 4), (40, 0), (1, 0), (60, 26)])
def test_checksum_is_over_the_best_25_of_each_side(bid_count: int, ask_count: int) -> None:
    bids, asks = side(30000, -1, bid_count), side(30001, 1, ask_count)
    checksum = checksum_of(bids, asks)
    assert kinds(make_okx(), [snapshot(5, bids, asks, checksum=checksum)]) == ["book"]
    for levels in (bids, asks):
        for place, (px, size) in enumerate(levels):
            levels[place] = (px, str(int(size) + 1))
            wanted = "book" if place >= 25 else "need_snapshot"
            assert kinds(make_okx(), [snapshot(5, bids, asks, checksum=checksum)]) == [wanted], place
            levels[place] = (px, size)


def test_wrong_checksum_of_an_update_makes_the_book_invalid_in_the_same_message() -> None:
    market = live()
    after = [("100.2", "7"), ("100", "1"), ("99.5", "2")]
    assert kinds(
        market,
        [
            snapshot(101, [("100", "1"), ("99.5", "2")], ASKS, checksum=checksum_of([("100", "1"), ("99.5", "2")], ASKS)),
            update(101, 102, [("100.2", "7")], checksum=checksum_of(after, ASKS)),
        ],
    ) == ["book", "book"]
    assert kinds(market, [update(102, 103, [("100.2", "8")], checksum=checksum_of(after, ASKS))]) == ["need_snapshot"]
    assert not is_valid(market) and market.book(0) == {"bids": [], "asks": []}


def test_zero_is_no_checksum() -> None:
    market = live()
    assert kinds(market, [update(100, 101, checksum=0), update(101, 102, checksum=None)]) == ["book", "book"]


def test_digits_are_those_that_were_sent() -> None:
    """Zeros that no scale tells of: on levels that stay, change, go, and come back shorter."""
    market = make_okx(symbols={"BTC-USDT": (2, 3)})
    bids = {"100.0": "1.500", "99.50": "2", "98": "3.0"}
    asks = {"101.00": "1", "102": "5.10000"}

    def pairs(levels: dict[str, str], is_bid: bool) -> list[tuple[str, str]]:
        return sorted(levels.items(), key=lambda level: float(level[0]), reverse=is_bid)

    def checksum() -> int:
        return checksum_of(pairs(bids, True), pairs(asks, False))

    assert kinds(market, [snapshot(1, pairs(bids, True), pairs(asks, False), checksum=checksum())]) == ["book"]
    bids["98"], asks["102"] = "3", "5.1000"
    assert kinds(market, [update(1, 2, [("98", "3")], [("102", "5.1000")], checksum=checksum())]) == ["book"]
    del bids["99.50"]
    assert kinds(market, [update(2, 3, [("99.50", "0")], checksum=checksum())]) == ["book"]
    bids["99.5"] = "4"
    assert kinds(market, [update(3, 4, [("99.5", "4")], checksum=checksum())]) == ["book"]
    bids["99.5"] = "4.0"
    assert kinds(market, [update(4, 5, [("99.5", "4")], checksum=checksum())]) == ["need_snapshot"]


def test_levels_whose_digits_are_no_number_are_never_called_verified() -> None:
    bids = [("0100", "1")]
    assert kinds(make_okx(), [snapshot(1, bids, [], checksum=checksum_of(bids, []))]) == ["need_snapshot"]


# ---------------------------------------------------------------- recordings without numbers


def test_updates_without_numbers_are_taken_as_they_come() -> None:
    market = make_okx()
    bids = [("100", "1"), ("99.5", "2")]
    after = [("100", "1"), ("99.9", "5"), ("99.5", "2")]
    frames = [
        snapshot(None, bids, ASKS, ms=T0, checksum=checksum_of(bids, ASKS)),
        update(None, None, [("99.9", "5")], ms=T0 + 50, checksum=checksum_of(after, ASKS)),
    ]
    assert kinds(market, frames) == ["book", "book"]
    assert market.stats(0)["update_id"] == T0 + 50
    assert kinds(market, [update(None, None, [("99.9", "6")], ms=T0 + 60, checksum=checksum_of(after, ASKS))]) == [
        "need_snapshot"
    ]
    assert kinds(market, [update(None, None, ms=T0 + 70), *frames]) == ["buffered", "book", "book"]


def test_update_without_numbers_of_a_numbered_book_is_malformed() -> None:
    market = live()
    assert kinds(market, [update(None, None, [("99.9", "5")], ms=T0 + 200)]) == ["error"] and not is_valid(market)
    for missing in (update(100, None, ms=T0 + 200), update(None, 101)):
        assert kinds(live(), [missing]) == ["error"]
