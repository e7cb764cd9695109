"""Binance market data as documented, in any shape that JSON allows, and broken in every way that we could think of.

Fixtures are the payloads of the venue's documentation (spot web-socket-streams.md 2026-07, USD-M websocket-market-streams
2026-05) with prices that fit the test instruments; docs/venues/binance.md names the sources."""
import itertools
import random
from typing import Any

import orjson
import pytest

from cext import layout
from cext.decoders.binance import BinanceMarket
from tests.support.market_rig import MS, depth, make_market, snapshot, top

SPOT = {"BNBUSDT": (4, 2), "BTCUSDT": (2, 5)}
LINEAR = {"BNBUSDT": (4, 2), "BTCUSDT": (1, 3)}
E_MS = 1_672_515_782_136

SPOT_TOP = b'{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'
SPOT_DEPTH = b'{"e":"depthUpdate","E":1672515782136,"s":"BNBUSDT","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}'
SPOT_TRADE = b'{"e":"trade","E":1672515782136,"s":"BNBUSDT","t":12345,"p":"0.001","q":"100","T":1672515782130,"m":true,"M":true}'
SPOT_AGG = b'{"e":"aggTrade","E":1672515782136,"s":"BNBUSDT","a":12345,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136,"m":false,"M":true}'
LINEAR_TOP = (
    b'{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000",'
    b'"a":"25.36520000","A":"40.66000000"}'
)
LINEAR_DEPTH = (b'{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[["0.1000","10"]],'
                b'"a":[["26.0","100"]]}')
LINEAR_MARK = (
    b'{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","ap":"11794.15000000","i":"11784.62659091",'
    b'"P":"11784.25641265","r":"0.00038167","T":1562306400000}'
)
LINEAR_AGG = b'{"e":"aggTrade","E":123456789,"s":"BTCUSDT","a":5933014,"p":"0.1","q":"100","nq":"100","f":100,"l":105,"T":123456785,"m":true}'
BIG_DEPTH = depth(157, 160, [(f"{100 - n / 4:.2f}", f"{n + 1}.25000") for n in range(12)],
                  [(f"{101 + n / 4:.2f}", "0.00001") for n in range(9)])
ALL_SPOT = [SPOT_TOP, SPOT_DEPTH, SPOT_TRADE, SPOT_AGG, BIG_DEPTH]
ALL_LINEAR = [LINEAR_TOP, LINEAR_DEPTH, LINEAR_MARK, LINEAR_AGG]


def wrapped(frame: bytes, stream: str = "bnbusdt@depth@100ms") -> bytes:
    """The combined form."""
    return b'{"stream":"' + stream.encode() + b'","data":' + frame + b"}"


def live_spot(symbols: dict[str, tuple[int, int]] | None = None) -> BinanceMarket:
    """Both symbols in sync at id 156."""
    market = make_market("spot", symbols or SPOT)
    for row in range(2):
        symbol = list(symbols or SPOT)[row]
        market.decode(depth(150, 156, symbol=symbol), 1 * MS, 1)
        assert market.apply_snapshot(row, snapshot(156, [("20.0", "1")], [("90.0", "1")])) == "synced"
    return market


def state(market: BinanceMarket) -> Any:
    return [(market.book(row), market.record(row)) for row in market.rows]


# ---------------------------------------------------------------- what the documentation shows

def test_spot_top() -> None:
    market = live_spot()
    assert market.decode(SPOT_TOP) == {"kind": "book", "row": 0}
    record = market.record(0)
    assert (record["bids"][0], record["asks"][0]) == ((253519, 3121), (253652, 4066))
    assert (record["top_update_id"], record["exch_ns"]) == (400900217, 0)


def test_spot_depth() -> None:
    market = live_spot()
    assert market.decode(SPOT_DEPTH) == {"kind": "book", "row": 0}
    assert market.book(0) == {"bids": [(200000, 100), (24, 1000)], "asks": [(26, 10000), (900000, 100)]}
    record = market.record(0)
    assert (record["depth_update_id"], record["depth_exch_ns"]) == (160, E_MS * MS)
    assert record["flags"] & layout.BOOK_CROSSED  # the documentation's own prices cross our snapshot


@pytest.mark.parametrize(("frame", "trade_id", "exch_ms", "flags"), [
    (SPOT_TRADE, 12345, 1_672_515_782_130, layout.TRADE_SELL_AGGRESSOR), (SPOT_AGG, 12345, E_MS, 0),
])
def test_trade(frame: bytes, trade_id: int, exch_ms: int, flags: int) -> None:
    market = make_market("spot", SPOT)
    told = market.decode(frame, frame_mono_ns=77)
    assert told["kind"] == "trade" and told["row"] == 0
    assert told["trades"][0] == {"seq": 0, "exch_ns": exch_ms * MS, "recv_mono_ns": 77, "trade_id": trade_id,
                                 "px": 10, "qty": 10000,
                             "instrument_id": 0, "flags": flags, "pad0": 0}
    assert market.decode(frame)["kind"] == "nothing"  # the same trade by a second connection
    assert market.stats(0)["duplicates"] == 1


def test_trade_and_aggregate_trade_have_ids_of_their_own() -> None:
    market = make_market("spot", SPOT)
    assert [market.decode(frame)["kind"] for frame in (SPOT_TRADE, SPOT_AGG)] == ["trade", "trade"]


def test_linear_top_and_aggregate_trade() -> None:
    market = make_market("linear", LINEAR)
    market.decode(depth(150, 156, previous=140, symbol="BNBUSDT"))
    market.apply_snapshot(0, snapshot(156, [("20.0", "1")], [("90.0", "1")]))
    assert market.decode(LINEAR_TOP) == {"kind": "book", "row": 0}
    assert market.record(0)["exch_ns"] == 1_568_014_460_893 * MS
    assert market.decode(LINEAR_AGG)["trades"][0]["trade_id"] == 5933014


def test_linear_depth_joins_by_pu() -> None:
    market = make_market("linear", LINEAR)
    assert market.decode(LINEAR_DEPTH) == {"kind": "buffered", "row": 1}
    assert market.apply_snapshot(1, snapshot(158)) == "synced"
    assert market.book(1)["bids"] == [(1000, 1000), (1, 10000)]
    follow = b'{"e":"depthUpdate","E":123456790,"T":123456788,"s":"BTCUSDT","U":163,"u":170,"pu":160,"b":[],"a":[]}'
    assert market.decode(follow)["kind"] == "book"


def test_mark_price_and_funding() -> None:
    market = make_market("linear", LINEAR)
    market.set_funding_interval(1, 14_400)
    told = market.decode(LINEAR_MARK, frame_mono_ns=5)
    assert told["kind"] == "funding" and told["row"] == 1
    funding = told["funding"]
    # digits beyond the scale are cut: nobody trades at a mark price
    assert (funding["mark_px"], funding["index_px"]) == (117941, 117846)
    assert (funding["rate_e8"], funding["next_funding_wall_ns"], funding["interval_s"]) == (38167, 1_562_306_400_000 * MS, 14_400)
    assert (funding["exch_ns"], funding["recv_mono_ns"], funding["instrument_id"]) == (1_562_305_380_000 * MS, 5, 1)


@pytest.mark.parametrize(("rate", "rate_e8"),
                         [("-0.00010000", -10000), ("0", 0), ("", 0), ("-0.003", -300000), ("0.0001", 10000)])
def test_funding_rate_may_be_negative_or_empty(rate: str, rate_e8: int) -> None:
    frame = LINEAR_MARK.replace(b'"r":"0.00038167"', f'"r":"{rate}"'.encode())
    assert make_market("linear", LINEAR).decode(frame)["funding"]["rate_e8"] == rate_e8


@pytest.mark.parametrize(("frame", "ack_id", "error"), [
    (b'{"result":null,"id":1}', 1, 0), (b'{"id":312,"result":null}', 312, 0), (b'{"result":["btcusdt@bookTicker"],"id":3}', 3, 0),
    (b'{"result":null,"id":"abc"}', -1, 0), (b'{"result":null,"id":null}', -1, 0),
    (b'{"code":2,"msg":"Invalid request: unknown","id":7}', 7, 2),
    (b'{"error":{"code":-1121,"msg":"Invalid symbol"},"id":9}', 9, -1121),
    (b'{"error":{"code":2,"msg":"x"},"id":9}', 9, 2), (b'{"error":{"msg":"x"},"id":9}', 9, -1),
    (b'{"code":"x","msg":"x","id":9}', 9, -1),
])
def test_reply_to_a_subscription(frame: bytes, ack_id: int, error: int) -> None:
    assert make_market("spot").decode(frame) == {"kind": "ack", "row": -1, "ack_id": ack_id, "ack_error": error}


@pytest.mark.parametrize("frame", [
    b'{"e":"serverShutdown","E":1770123456789}', b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
])
def test_announced_shutdown(frame: bytes) -> None:
    assert make_market("spot").decode(frame)["kind"] == "shutdown"


@pytest.mark.parametrize("frame", [
    b'{"e":"kline","E":1,"s":"BTCUSDT","k":{"t":1,"o":"1"}}', b"{}", b'{"x":1}', b'{"data":{}}', b'{"stream":"x","data":{"u":1}}',
    b'{"e":"forceOrder","E":1,"o":{"s":"BTCUSDT"}}', b'{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[]}',
    b'{"data":[1,2]}',
    b'{"e":"depthUpdate2","s":"BTCUSDT"}', b'{"e":7}', b'{"e":"depthUpdate\\u0020","s":"BTCUSDT"}',
])
def test_what_nobody_asked_for_is_counted_and_changes_nothing(frame: bytes) -> None:
    market = live_spot()
    before = state(market)
    assert market.decode(frame)["kind"] == "unknown"
    assert market.counters()["unknown_frames"] == 1 and market.counters()["error_frames"] == 0
    assert state(market) == before


def test_unknown_symbol_is_counted() -> None:
    market = make_market("spot")
    assert market.decode(depth(1, 2, symbol="ETHUSDT")) == {"kind": "unknown", "row": -1}
    assert market.decode(top(1, ("1.00", "1"), ("2.00", "1"), symbol="B" * 40))["kind"] == "unknown"
    assert market.counters()["unknown_symbols"] == 2


def test_times_in_microseconds_are_known_by_their_size() -> None:
    market = make_market("spot", SPOT)
    told = market.decode(SPOT_TRADE.replace(b'"T":1672515782130', b'"T":1672515782130123'))
    assert told["trades"][0]["exch_ns"] == 1672515782130123000


# ---------------------------------------------------------------- any shape that JSON allows

def shapes(frame: bytes) -> list[bytes]:
    """The same message: wrapped, in other orders of keys, with other keys between, with white space."""
    told = orjson.loads(frame)
    keys = list(told)
    rng = random.Random(3)
    made = [frame, wrapped(frame), b'{"data":' + frame + b',"stream":"x@y"}', b' {"stream" : "x" , "data" : ' + frame + b" }\n"]
    orders = list(itertools.permutations(keys)) if len(keys) < 5 else [rng.sample(keys, len(keys)) for _ in range(60)]
    for order in orders + [keys[::-1]]:
        shuffled = {key: told[key] for key in order}
        noisy: dict[str, Any] = {}
        for key, value in shuffled.items():
            noisy[f"x{key}"] = rng.choice([None, 1.5e-3, [[1, {"b": [["1", "2"]]}], "]"], {"s": "ETHUSDT"}, "a\"b\\", True,
                                           "}" * 20, "x" * 40])
            noisy[key] = value
        made += [orjson.dumps(shuffled), orjson.dumps(shuffled, option=orjson.OPT_INDENT_2), orjson.dumps(noisy),
                 wrapped(orjson.dumps(noisy))]
    return made


@pytest.mark.parametrize("frame", [SPOT_TOP, SPOT_DEPTH, BIG_DEPTH])
def test_every_shape_of_a_spot_book_message_gives_the_same_book(frame: bytes) -> None:
    wanted = None
    for shape in shapes(frame):
        market = live_spot()
        assert market.decode(shape)["kind"] == "book", shape
        wanted = wanted or state(market)
        assert state(market) == wanted, shape


@pytest.mark.parametrize("frame", [SPOT_TRADE, SPOT_AGG])
def test_every_shape_of_a_trade_gives_the_same_trade(frame: bytes) -> None:
    wanted = make_market("spot", SPOT).decode(frame)
    for shape in shapes(frame):
        assert make_market("spot", SPOT).decode(shape) == wanted, shape


@pytest.mark.parametrize("frame", ALL_LINEAR)
def test_every_shape_of_a_linear_message_gives_the_same_result(frame: bytes) -> None:
    def outcome(shape: bytes) -> Any:
        market = make_market("linear", LINEAR)
        told = market.decode(shape)
        return told, [market.apply_snapshot(row, snapshot(158, [("20.0", "1")], [("26.5", "1")]))
                      for row in (0, 1)], state(market)
    wanted = outcome(frame)
    for shape in shapes(frame):
        assert outcome(shape) == wanted, shape


# ---------------------------------------------------------------- broken

@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize("frame", [*ALL_SPOT, *ALL_LINEAR])
def test_frame_cut_at_any_byte_is_an_error_and_leaves_no_level_behind(frame: bytes, is_wrapped: bool) -> None:
    full = wrapped(frame, "btcusdt@depth") if is_wrapped else frame
    for size in range(len(full)):
        market = live_spot()
        before = state(market)
        told = market.decode(full[:size])
        assert told["kind"] == "error", full[:size]
        assert market.counters()["error_frames"] == 1
        for row in market.rows:
            if row == told["row"]:
                assert market.record(row)["flags"] == 0 and market.book(row) == {"bids": [], "asks": []}
                assert market.needs_snapshot() == [row]
            else:
                assert (market.book(row), market.record(row)) == before[row]


def test_cut_depth_message_invalidates_its_book_even_before_its_symbol_is_read() -> None:
    frame = wrapped(SPOT_DEPTH, "bnbusdt@depth@100ms")
    market = live_spot()
    assert market.decode(frame[:45]) == {"kind": "error", "row": 0}
    assert market.stats(0)["invalid"] == 1 and market.stats(1)["invalid"] == 0
    assert live_spot().decode(wrapped(SPOT_TRADE, "bnbusdt@trade")[:45]) == {"kind": "error", "row": -1}
    assert live_spot().decode(SPOT_TRADE[:-10]) == {"kind": "error", "row": -1}


@pytest.mark.parametrize(("old", "new"), [
    (b'"0.0024"', b'"0.00241"'), (b'"0.0024"', b'"-0.0024"'), (b'"0.0024"', b'"2.4e-3"'), (b'"0.0024"', b'"NaN"'),
    (b'"0.0024"', b"0.0024"),
    (b'"0.0024"', b'""'), (b'"0.0024"', b'"0"'), (b'"0.0024"', b'"0.0000"'), (b'"0.0024"', b"null"),
    (b'"0.0024"', b'"0.002\x004"'),
    (b'"0.0024"', b'"99999999999999999999"'), (b'"10"', b'"-10"'), (b'"10"', b'"10.001"'), (b'"10"', b'"1e1"'), (b'"10"', b"10"),
    (b'"10"', b'"46116860184273879.04"'), (b'"10"', b'"1\\u0030"'), (b'[["0.0024","10"]]', b"null"),
    (b'[["0.0024","10"]]', b"{}"),
    (b'[["0.0024","10"]]', b'"x"'), (b'[["0.0024","10"]]', b"[[]]"), (b'[["0.0024","10"]]', b'[["0.0024"]]'),
    (b'[["0.0024","10"]]', b'[["0.0024","10","1"]]'), (b'[["0.0024","10"]]', b'[["0.0024","10"],]'),
    (b'[["0.0024","10"]]', b'["0.0024","10"]'),
    (b'[["0.0024","10"]]', b'[["0.0024","10"] ["1","1"]]'), (b'[["0.0024","10"]]', b'[["0.0024","10"]}'),
    (b'[["0.0024","10"]]', b"[" * 200),
    (b'"U":157', b'"U":"157"'), (b'"U":157', b'"U":-157'), (b'"U":157', b'"U":157.0'), (b'"U":157', b'"U":161'),
    (b'"U":157', b'"U":null'),
    (b'"U":157,', b""), (b'"u":160', b'"u":99999999999999999999'), (b'"u":160,', b""), (b'"E":1672515782136,', b""),
    (b'"E":1672515782136', b'"E":99999999999999999'), (b'"E":1672515782136', b'"E":"1672515782136"'), (b'"E":', b'"E";'),
    (b'"E":', b'"\\u0045":'),
    (b'"U":157', b'"U":157,"U":157'), (b'"b":', b'"b":[],"b":'), (b'"a":', b'"c":'), (b',"a":[["0.0026","100"]]', b""),
    (b'"s":', b'"s":5,"x":'),
    (b'"e":', b'"e":"depthUpdate","e":'), (b"}", b"}}"), (b"}", b"} x"), (b"}", b"}\x00"), (b"}", b",}"), (b'{"e"', b'"e"'),
    (b'{"e"', b'[{"e"'),
])
def test_malformed_depth_message_makes_its_book_invalid(old: bytes, new: bytes) -> None:
    assert SPOT_DEPTH.count(old) >= 1
    frame = SPOT_DEPTH.replace(old, new, 1)
    for shape in (frame, wrapped(frame, "bnbusdt@depth")):
        market = live_spot()
        before = state(market)[1]
        told = market.decode(shape)
        assert told["kind"] == "error", shape
        if told["row"] == 0:
            assert market.record(0)["flags"] == 0 and market.record(0)["epoch"] == 1 and market.needs_snapshot() == [0]
            assert market.stats(0)["invalid"] == 1
        assert told["row"] == 0 or shape is frame, shape  # with the stream's name it can always be told whose book it is
        assert state(market)[1] == before


@pytest.mark.parametrize(("old", "new"), [
    (b'"25.35190000"', b'"25.35191"'), (b'"25.35190000"', b"25.3519"), (b'"25.35190000"', b'"0"'), (b'"31.21000000"', b'"0.00"'),
    (b'"31.21000000"', b'"31.215"'), (b'"31.21000000"', b"[]"), (b'"u":400900217', b'"u":"400900217"'),
    (b'"u":400900217', b'"u":-1'),
    (b'"b":"25.35190000",', b""), (b'"s":"BNBUSDT"', b'"s":"BNBUSDT","s":"BTCUSDT"'), (b'"a":', b'"a":"1","a":'),
])
def test_malformed_top_makes_its_book_invalid(old: bytes, new: bytes) -> None:
    market = live_spot()
    assert SPOT_TOP.count(old) == 1
    assert market.decode(SPOT_TOP.replace(old, new)) == {"kind": "error", "row": 0}
    assert market.record(0)["flags"] == 0 and market.stats(0)["invalid"] == 1


@pytest.mark.parametrize(("old", "new"), [
    (b'"p":"0.001"', b'"p":"0.00101"'), (b'"p":"0.001"', b'"p":"x"'), (b'"q":"100"', b'"q":100'), (b'"t":12345', b'"t":"12345"'),
    (b'"m":true,', b""),
    (b'"T":1672515782130', b'"T":null'), (b'"s":"BNBUSDT"', b'"s":5'),
])
def test_malformed_trade_is_an_error_that_leaves_the_book_alone(old: bytes, new: bytes) -> None:
    market = live_spot()
    before = state(market)
    assert market.decode(SPOT_TRADE.replace(old, new)) == {"kind": "error", "row": -1}
    assert state(market) == before


@pytest.mark.parametrize("frame", [
    b"", b" ", b"\x00", b"{", b"}", b"[]", b"null", b'"x"', b"\xff\xfe" * 20, b"{" * 100_000, b'{"a":' * 100_000, b"[" * 100_000,
    b'{"s":"BTCUSDT","x":' + b"[" * 70 + b"]" * 70 + b"}", b'{"a":"' + b"x" * 200_000, b"x" * (2 << 20), b'{"e":"depthUpdate"',
    b'{"' + b"k" * 100_000 + b'":1', b'{"e":"depthUpdate","s":"' + b"S" * 5000,
])
def test_hostile_frame_is_an_error(frame: bytes) -> None:
    market = live_spot()
    before = state(market)
    told = market.decode(frame)
    assert told["kind"] == "error"
    if told["row"] < 0:
        assert state(market) == before
    assert market.decode(frame + b" " * 100)["kind"] == "error"


def test_oversized_depth_message_is_refused_whole_and_its_book_invalid() -> None:
    levels = [(f"{number}.0", "1") for number in range(1, 90_000)]
    frame = wrapped(depth(157, 160, levels, symbol="BNBUSDT"), "bnbusdt@depth")
    assert len(frame) > 1 << 20
    market = live_spot()
    assert market.decode(frame) == {"kind": "error", "row": 0}
    assert market.decode(depth(161, 162, symbol="BNBUSDT"))["kind"] == "buffered"


def test_largest_frame_of_shortest_levels_fits_the_scratch() -> None:
    frame = b'{"e":"depthUpdate","E":1,"s":"BNBUSDT","U":157,"u":160,"a":[],"b":[' + b",".join([b'["1","1"]'] * 104_000) + b"]}"
    assert 1_000_000 < len(frame) <= 1 << 20
    assert live_spot().decode(frame)["kind"] == "book"
    body = b'{"lastUpdateId":1,"asks":[],"bids":[' + b",".join([b'["1","1"]'] * 419_000) + b"]}"
    assert make_market("spot").apply_snapshot(0, body) == "waiting"
    assert make_market("spot").apply_snapshot(0, body + b" " * (1 << 20)) == "error"


def test_book_with_too_many_levels_is_given_up() -> None:
    market = live_spot()
    for batch in range(4):
        levels = [(f"{1000 + 2 * (batch * 50_000 + number)}", "1") for number in range(50_000)]
        told = market.decode(depth(157 + batch, 157 + batch, [], levels, symbol="BNBUSDT"))
        if told["kind"] != "book":
            break
    assert told == {"kind": "need_snapshot", "row": 0}
    assert market.stats(0)["invalid"] == 1 and market.book(0) == {"bids": [], "asks": []}
