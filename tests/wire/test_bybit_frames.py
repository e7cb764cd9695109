"""Bybit market data as documented, in any shape that JSON allows, and broken in every way that we could think of.

Fixtures are the payloads of the venue's documentation (websocket/public/*, 2026-07-24), with prices that fit the test
instruments."""
import itertools
import random
from typing import Any

import orjson
import pytest

from cext import layout
from cext.decoders.bybit import BybitMarket
from cext.decoders.orders import id64
from tests.support.bybit_rig import book, make_bybit, rest_book, ticker
from tests.support.market_rig import MS

LINEAR = {"BTCUSDT": (2, 3), "ETHUSDT": (2, 2)}
SPOT = {"BTCUSDT": (2, 6), "ETHUSDT": (2, 5)}
BIDS, ASKS = [("100.00", "1.000"), ("99.50", "2.000")], [("101.00", "3.000"), ("102.00", "4.000")]

SNAPSHOT = (b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT","b":[["16493.50","0.006"],'
            b'["16493.00","0.100"]],"a":[["16611.00","0.029"],["16612.00","0.213"]],"u":177400506,"seq":66544703341},"cts":1672304484976}')
DELTA = (b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT","b":[["16493.40","30.028"],'
         b'["16493.00","0"]],"a":[["16611.00","0"],["16613.00","0.892"]],"u":177400507,"seq":66544703342},"cts":1687940967464}')
SPOT_SNAPSHOT = (b'{"topic":"orderbook.200.BTCUSDT","ts":1786310816516,"type":"snapshot","data":{"s":"BTCUSDT","b":[["65140.4","0.885797"],'
                 b'["65140","0.014"]],"a":[["65140.5","0.472215"]],"u":62505424,"seq":112488545864},"cts":1786310816500}')
SPOT_DELTA = (b'{"topic":"orderbook.200.BTCUSDT","ts":1786310816618,"type":"delta","data":{"s":"BTCUSDT","b":[["65140.4","0.875077"]],'
              b'"a":[["65154.6","0.09948"],["65140.5","0"]],"u":62505425,"seq":112488545865},"cts":1786310816585}')
TOP = (b'{"topic":"orderbook.1.BTCUSDT","ts":1772694601512,"type":"snapshot","data":{"s":"BTCUSDT","b":[["16500.00","1.5"]],'
       b'"a":[["16500.50","0.25"]],"u":900,"seq":66544703350},"cts":1772694601510}')
TRADE = (b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy",'
         b'"v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"RPI":false,"seq":1783284617}]}')
SPOT_TRADES = (b'{"topic":"publicTrade.ETHUSDT","ts":1786310826370,"type":"snapshot","data":[{"i":"2280000001739247420","T":1786310826369,'
               b'"p":"1923.29","v":"0.0008","S":"Buy","seq":178477363675,"s":"ETHUSDT","BT":false,"RPI":false},'
               b'{"i":"2280000001739247421","T":1786310826369,"p":"1923.29","v":"0.00032","S":"Sell","seq":178477363675,"s":"ETHUSDT",'
               b'"BT":false,"RPI":false}]}')
TICKER = (b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","tickDirection":"MinusTick","price24hPcnt":"-0.158315",'
          b'"lastPrice":"66666.60","markPrice":"66666.60","indexPrice":"115418.19","openInterest":"492373.72","turnover24h":"4936790807.6521",'
          b'"volume24h":"73191.3870","fundingIntervalHour":"8","fundingCap":"0.005","nextFundingTime":"1760342400000","fundingRate":"-0.005",'
          b'"bid1Price":"66666.60","bid1Size":"23789.165","ask1Price":"66666.70","ask1Size":"23775.469","preOpenPrice":"","preQty":"",'
          b'"curPreListingPhase":""},"cs":9532239429,"ts":1760325052630}')
SPOT_TICKER = (b'{"topic":"tickers.BTCUSDT","ts":1673853746003,"type":"snapshot","cs":2588407389,"data":{"symbol":"BTCUSDT",'
               b'"lastPrice":"21109.77","highPrice24h":"21426.99","volume24h":"6780.866843","usdIndexPrice":"21120.2400136"}}')
ALL_LINEAR = [SNAPSHOT, DELTA, TOP, TRADE, TICKER]
ALL_SPOT = [SPOT_SNAPSHOT, SPOT_DELTA, TOP, SPOT_TRADES, SPOT_TICKER]


def live(symbols: dict[str, tuple[int, int]] | None = None) -> BybitMarket:
    """Both symbols of linear in sync at u 10, seq 1000; 100 x 1 / 101 x 3."""
    market = make_bybit("linear", symbols or LINEAR)
    for symbol in symbols or LINEAR:
        assert market.decode(book("snapshot", 10, 1000, BIDS, ASKS, symbol=symbol))["kind"] == "book"
    return market


def state(market: BybitMarket) -> Any:
    return [(market.book(row), market.record(row)) for row in market.rows]


# ---------------------------------------------------------------- what the documentation shows

def test_documented_linear_book() -> None:
    market = make_bybit("linear", LINEAR)
    assert market.decode(SNAPSHOT, 5, 6) == {"kind": "book", "row": 0}
    assert market.decode(DELTA) == {"kind": "book", "row": 0}
    assert market.book(0) == {"bids": [(1649350, 6), (1649340, 30028)], "asks": [(1661200, 213), (1661300, 892)]}
    record = market.record(0)
    assert (record["depth_update_id"], record["top_update_id"]) == (66544703342, 0)
    assert record["depth_exch_ns"] == record["exch_ns"] == 1_687_940_967_464 * MS
    assert record["flags"] == layout.BOOK_VALID | layout.BOOK_DEPTH_COMPLETE     # two of 50 levels: nothing lies beyond
    stats = market.stats(0)
    assert (stats["msgs"], stats["applied"], stats["update_id"], stats["gaps"], stats["invalid"]) == (2, 2, 177400507, 0, 0)


def test_documented_spot_book_has_the_other_key_order_and_no_trailing_zeros() -> None:
    market = make_bybit("spot", SPOT)
    assert [market.decode(frame)["kind"] for frame in (SPOT_SNAPSHOT, SPOT_DELTA)] == ["book", "book"]
    assert market.book(0) == {"bids": [(6514040, 875077), (6514000, 14000)], "asks": [(6515460, 99480)]}


def test_documented_top_overlays_the_book() -> None:
    market = make_bybit("linear", LINEAR)
    market.decode(SNAPSHOT)
    assert market.decode(TOP, 7) == {"kind": "book", "row": 0}
    record = market.record(0)
    assert (record["bids"][:2], record["asks"][:2]) == ([(1650000, 1500), (1649350, 6)], [(1650050, 250), (1661100, 29)])
    assert (record["top_update_id"], record["depth_update_id"]) == (66544703350, 66544703341)
    assert record["exch_ns"] == 1_772_694_601_510 * MS and record["depth_exch_ns"] == 1_672_304_484_976 * MS
    assert record["flags"] == layout.BOOK_VALID | layout.BOOK_TOP_NEWER | layout.BOOK_DEPTH_COMPLETE


def test_documented_trade_of_linear_has_a_uuid_of_which_the_hash_is_kept() -> None:
    told = make_bybit("linear", LINEAR).decode(TRADE, frame_mono_ns=77)
    trade_id = id64("20f43950-d8dd-5b31-9112-a178eb6023af")
    assert told == {"kind": "trade", "row": 0, "trades": [{
        "seq": 0, "exch_ns": 1_672_304_486_865 * MS, "recv_mono_ns": 77, "trade_id": trade_id, "px": 1657850, "qty": 1,
        "instrument_id": 0, "flags": 0, "pad0": 0}]}
    assert 0 < trade_id < 1 << 63


def test_trades_of_spot_are_numbered() -> None:
    told = make_bybit("spot", SPOT).decode(SPOT_TRADES)
    assert told["row"] == 1
    assert [(trade["trade_id"], trade["px"], trade["qty"], trade["flags"]) for trade in told["trades"]] == [
        (2280000001739247420, 192329, 80, 0), (2280000001739247421, 192329, 32, layout.TRADE_SELL_AGGRESSOR)]


def test_trades_seen_before_are_left_out() -> None:
    market = make_bybit("spot", SPOT)
    assert market.decode(SPOT_TRADES)["kind"] == "trade"
    assert market.decode(SPOT_TRADES)["kind"] == "nothing"
    assert len(market.decode(SPOT_TRADES.replace(b"2280000001739247420", b"2280000001739247422"))["trades"]) == 1
    assert market.stats(1)["duplicates"] == 3


def test_message_may_hold_1024_trades_and_no_more() -> None:
    def frame(count: int) -> bytes:
        told = orjson.loads(TRADE)
        told["data"] = [{**told["data"][0], "i": f"{number:08x}-d8dd-5b31-9112-a178eb6023af"} for number in range(count)]
        return orjson.dumps(told)
    assert len(make_bybit("linear", LINEAR).decode(frame(1024))["trades"]) == 1024
    market = live()
    before = state(market)
    assert market.decode(frame(1025)) == {"kind": "error", "row": -1}
    assert state(market) == before
    assert market.decode(frame(0))["kind"] == "nothing"


def test_documented_ticker_gives_funding() -> None:
    told = make_bybit("linear", LINEAR).decode(TICKER, frame_mono_ns=5)
    assert told == {"kind": "funding", "row": 0, "funding": {
        "seq": 0, "exch_ns": 1_760_325_052_630 * MS, "recv_mono_ns": 5, "mark_px": 6666660, "index_px": 11541819,
        "rate_e8": -500000,
        "next_funding_wall_ns": 1_760_342_400_000 * MS, "instrument_id": 0, "interval_s": 28800}}


def test_ticker_of_spot_says_nothing_that_we_use() -> None:
    market = make_bybit("spot", SPOT)
    assert market.decode(SPOT_TICKER) == {"kind": "nothing", "row": -1}
    assert market.counters()["unknown_frames"] == 0


@pytest.mark.parametrize(("frame", "ack_id", "error"), [
    (b'{"success":true,"ret_msg":"subscribe","conn_id":"2324d924","req_id":"17","op":"subscribe"}', 17, 0),
    (b'{"success":true,"ret_msg":"","conn_id":"d8bu1olkndm7crnfs1e0-j6akw","req_id":"","op":"subscribe"}', -1, 0),
    (b'{"success":true,"ret_msg":"subscribe","conn_id":"d9avt8shteepr00gfc1g-4zd1x","op":"subscribe"}', -1, 0),
    (b'{"success":true,"ret_msg":"","conn_id":"2324d924","req_id":"18","op":"unsubscribe"}', 18, 0),
    (b'{"success":false,"ret_msg":"Invalid topic: invalid.topic.BTCUSDT","conn_id":"cejr-2xh","op":"subscribe"}', -1, -1),
    (b'{"success":false,"ret_msg":"error:handler not found","conn_id":"c","req_id":"4","op":"subscribe"}', 4, -1),
    (b'{"success":false,"ret_msg":"params error"}', -1, -1), (b'{"success":true,"req_id":"r1","op":"subscribe"}', -1, 0),
    (b'{"success":false,"ret_msg":"pong","req_id":"9","op":"ping"}', 9, -1),
    (b'{"op":"subscribe","success":true,"req_id":21}', 21, 0),
    (b'{"success":true,"op":"subscribe","req_id":"99999999999999999999"}', -1, 0),
])
def test_reply_to_a_subscription(frame: bytes, ack_id: int, error: int) -> None:
    assert make_bybit("spot").decode(frame) == {"kind": "ack", "row": -1, "ack_id": ack_id, "ack_error": error}


@pytest.mark.parametrize("frame", [
    b'{"success":true,"ret_msg":"pong","conn_id":"0970e817-426e-429a-a679-ff7f55e0b16a","req_id":"","op":"ping"}',
    b'{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}',
    b'{"req_id":"test","op":"pong","args":["1675418560633"],"conn_id":"cfcb4ocsvfriu23r3er0-1b"}',
])
def test_pong_is_proof_of_life_and_nothing_else(frame: bytes) -> None:
    market = live()
    before = state(market)
    assert market.decode(frame) == {"kind": "nothing", "row": -1}
    assert market.counters()["unknown_frames"] == 0 and state(market) == before


@pytest.mark.parametrize("frame", [
    b"{}", b'{"x":1}', b'{"topic":"kline.1.BTCUSDT","data":[{"start":1}],"ts":1,"type":"snapshot"}', b'{"success":true}',
    b'{"type":"snapshot","topic":"kline.1.BTCUSDT","data":[],"ts":1}', b'{"topic":"orderbook.full.BTCUSDT","data":{}}',
    b'{"topic":"orderbook.rpi.BTCUSDT","type":"delta","data":{"b":[["1","2","3"]]}}', b'{"topic":"orderbook.50","data":{}}',
    b'{"topic":"orderbook.000.BTCUSDT","data":{}}', b'{"topic":"orderbook.123456.BTCUSDT","data":{}}', b'{"topic":"","data":{}}',
    b'{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1,"data":[]}', b'{"topic":"priceLimit.BTCUSDT","data":{},"ts":1}',
    b'{"success":true,"ret_msg":"","op":"auth","conn_id":"c"}', b'{"topic":"tickers","data":{}}', b'{"op":"auth"}',
    book("delta", 11, 1001, [("100.00", "2.000")], depth=1),
])
def test_what_nobody_asked_for_is_counted_and_changes_nothing(frame: bytes) -> None:
    market = live()
    before = state(market)
    assert market.decode(frame)["kind"] == "unknown"
    assert market.counters()["unknown_frames"] == 1 and market.counters()["error_frames"] == 0
    assert state(market) == before


def test_unknown_symbol_is_counted() -> None:
    market = live()
    for frame in (book("snapshot", 1, 1, BIDS, ASKS, symbol="SOLUSDT"), ticker("snapshot", symbol="B" * 40),
                  TRADE.replace(b"BTCUSDT", b"SOLUSDT"), b'{"topic":"orderbook.50.","data":{}}'):
        assert market.decode(frame) == {"kind": "unknown", "row": -1}
    assert market.counters()["unknown_symbols"] == 4


# ---------------------------------------------------------------- any shape that JSON allows

def shuffled(told: dict[str, Any], rng: random.Random, is_noisy: bool) -> dict[str, Any]:
    """The same object with its keys in another order, foreign keys between; the object within too."""
    made: dict[str, Any] = {}
    for key in rng.sample(list(told), len(told)):
        if is_noisy:
            made[f"x{key}"] = rng.choice([None, 1.5e-3, [[1, {"b": [["1", "2"]]}], "]"], {"s": "ETHUSDT"}, "a\"b\\", True,
                                          "}" * 20])
        value = told[key]
        if isinstance(value, dict):
            value = shuffled(value, rng, is_noisy)
        elif isinstance(value, list):
            value = [shuffled(entry, rng, is_noisy) if isinstance(entry, dict) else entry for entry in value]
        made[key] = value
    return made


def shapes(frame: bytes) -> list[bytes]:
    told = orjson.loads(frame)
    rng = random.Random(3)
    orders = [dict(zip(order, map(told.get, order), strict=True)) for order in itertools.permutations(told)]
    many = [shuffled(told, rng, number % 2 == 1) for number in range(80)]
    return [frame, b" " + frame + b"\r\n", *(orjson.dumps(order) for order in orders), *map(orjson.dumps, many),
            *(orjson.dumps(order, option=orjson.OPT_INDENT_2) for order in many)]


@pytest.mark.parametrize(("market_name", "before", "frame"), [
    ("linear", [], SNAPSHOT), ("linear", [SNAPSHOT], DELTA), ("linear", [SNAPSHOT], TOP), ("linear", [], TRADE),
    ("linear", [], TICKER),
    ("spot", [], SPOT_SNAPSHOT), ("spot", [SPOT_SNAPSHOT], SPOT_DELTA), ("spot", [], SPOT_TRADES),
])
def test_every_shape_of_a_message_gives_the_same_result(market_name: str, before: list[bytes], frame: bytes) -> None:
    def outcome(shape: bytes) -> Any:
        market = make_bybit(market_name, LINEAR if market_name == "linear" else SPOT)
        for earlier in before:
            market.decode(earlier)
        return market.decode(shape), state(market), market.counters()
    wanted = outcome(frame)
    assert wanted[0]["kind"] in ("book", "trade", "funding")
    for shape in shapes(frame):
        assert outcome(shape) == wanted, shape


# ---------------------------------------------------------------- broken

@pytest.mark.parametrize("frame", [SNAPSHOT, DELTA, TOP, TRADE, TICKER, SPOT_DELTA])
def test_frame_cut_at_any_byte_is_an_error_and_leaves_no_level_behind(frame: bytes) -> None:
    named = frame.find(b'BTCUSDT"') + 8          # from here on it can be told whose book it is
    for size in range(len(frame)):
        market = live()
        before = state(market)
        told = market.decode(frame[:size])
        is_book = b"orderbook" in frame and size >= named
        assert told == {"kind": "error", "row": 0 if is_book else -1}, frame[:size]
        assert market.counters()["error_frames"] == 1
        if is_book:
            assert market.record(0)["flags"] == 0 and market.needs_snapshot() == [0]
            assert market.book(0) == {"bids": [], "asks": []}
            assert state(market)[1] == before[1]
        else:
            assert state(market) == before


def test_damage_before_the_topic_still_tells_whose_book_it_was() -> None:
    market = live()
    assert market.decode(b'{"data":{"s":[,"u":1},"topic":"orderbook.50.ETHUSDT"}') == {"kind": "error", "row": 1}
    assert market.decode(b'{"data":[,"topic":"publicTrade.BTCUSDT"}') == {"kind": "error", "row": -1}
    assert market.needs_snapshot() == [1]


VALUES = [b"NaN", b'"NaN"', b'"1e3"', b'"-16493.40"', b'"+1"', b'"1000000000000000000000000000000"', b'"0x10"', b"null",
          b"16493.4", b'""',
          b'"16493.4.0"', b'"16493.401"', b'" 16493.4"', b'"."', b'".5"', b'"5."', b"{}", b"[]", b"true", b'"0"', b'"1\\u0030"',
          b'"Infinity"']


@pytest.mark.parametrize("value", VALUES)
def test_price_that_is_none_makes_its_book_invalid(value: bytes) -> None:
    market = live()
    before = state(market)[1]
    assert DELTA.count(b'"16493.40"') == 1
    assert market.decode(DELTA.replace(b'"16493.40"', value)) == {"kind": "error", "row": 0}
    assert market.record(0)["flags"] == 0 and market.stats(0)["invalid"] == 1 and market.needs_snapshot() == [0]
    assert state(market)[1] == before


# 0 removes a level, and three decimals are its scale
@pytest.mark.parametrize("value", [*(value for value in VALUES if value not in (b'"0"', b'"16493.401"')), b'"30.0281"',
                                   b'"4611686018427387.904"'])
def test_size_that_is_none_makes_its_book_invalid(value: bytes) -> None:
    assert DELTA.count(b'"30.028"') == 1
    assert live().decode(DELTA.replace(b'"30.028"', value)) == {"kind": "error", "row": 0}


LEVELS = b'[["16493.40","30.028"],["16493.00","0"]]'


@pytest.mark.parametrize(("old", "new"), [
    (LEVELS, b"null"), (LEVELS, b"{}"), (LEVELS, b'"x"'), (LEVELS, b"7"), (LEVELS, b"[[]]"), (LEVELS, b'[["1"]]'),
    (LEVELS, b'[["1","1","1"]]'),
    (LEVELS, b'[["1","1"],]'), (LEVELS, b'["1","1"]'), (LEVELS, b'[["1","1"] ["2","1"]]'), (LEVELS, b'[["1","1"]}'),
    (LEVELS, b"[" * 200),
    (LEVELS, b'[["1" "1"]]'), (b'"b":' + LEVELS + b",", b""), (b'"a":', b'"c":'), (b'"b":', b'"b":[],"b":'),
    (b'"a":', b'"a":[],"a":'),
    (b'"u":177400507', b'"u":"177400507"'), (b'"u":177400507', b'"u":-1'), (b'"u":177400507', b'"u":1.0'),
    (b'"u":177400507', b'"u":1e3'),
    (b'"u":177400507', b'"u":null'), (b'"u":177400507', b'"u":99999999999999999999'), (b'"u":177400507,', b""),
    (b'"u":177400507', b'"u":177400507,"u":177400507'), (b',"seq":66544703342', b""),
    (b'"seq":66544703342', b'"seq":"66544703342"'),
    (b'"seq":66544703342', b'"seq":1,"seq":66544703342'), (b'"seq":66544703342', b'"seq":07'),
    (b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'),
    (b'"s":"BTCUSDT"', b'"s":"BTCUSD"'), (b'"s":"BTCUSDT",', b""), (b'"s":"BTCUSDT"', b'"s":7'),
    (b'"s":"BTCUSDT"', b'"s":"BTCUSDT","s":"BTCUSDT"'),
    (b'"type":"delta",', b""), (b'"type":"delta"', b'"type":"partial"'), (b'"type":"delta"', b'"type":7'),
    (b'"type":"delta"', b'"type":"delta","type":"delta"'),
    (b'"cts":1687940967464', b'"cts":"1687940967464"'), (b'"cts":1687940967464', b'"cts":99999999999999999'),
    (b'"cts":1687940967464', b'"cts":-5'),
    (b'"ts":1687940967466', b'"ts":1,"ts":2'), (b'"data":', b'"data":{},"data":'), (b'"data":', b'"data":[],"x":'),
    (b'"data":', b'"dat":'),
    (b'"data":', b'"data";'), (b'"topic":"orderbook.50.BTCUSDT",', b'"topic":"orderbook.50.BTCUSDT","topic":"orderbook.50.ETHUSDT",'),
    (b',"cts"', b',,"cts"'), (b'464}', b'464}}'), (b'464}', b'464} x'), (b'464}', b'464}\x00'), (b'464}', b'464,}'),
    (b'464}', b'464]'),
])
def test_malformed_delta_makes_its_book_invalid(old: bytes, new: bytes) -> None:
    assert DELTA.count(old) >= 1
    market = live()
    before = state(market)[1]
    assert market.decode(DELTA.replace(old, new, 1)) == {"kind": "error", "row": 0}
    assert market.record(0)["flags"] == 0 and market.record(0)["epoch"] == 1 and market.needs_snapshot() == [0]
    assert market.stats(0)["invalid"] == 1 and state(market)[1] == before


def test_push_time_stands_in_where_the_matching_time_is_not_given() -> None:
    market = make_bybit("linear", LINEAR)
    assert market.decode(SNAPSHOT.replace(b',"cts":1672304484976', b""))["kind"] == "book"
    assert market.record(0)["depth_exch_ns"] == 1_672_304_484_978 * MS
    timeless = DELTA.replace(b',"cts":1687940967464', b"").replace(b'"ts":1687940967466,', b"")
    assert live().decode(timeless) == {"kind": "error", "row": 0}


@pytest.mark.parametrize(("old", "new"), [
    (b'["16500.00","1.5"]', b'["16500.00","1.5"],["16499.00","1.5"]'), (b'"1.5"', b'"0"'), (b'"1.5"', b'"1.5001"'),
    (b'"16500.00"', b'"0"'),
    (b'"16500.00"', b"16500.00"), (b'"u":900', b'"u":"900"'), (b',"seq":66544703350', b""), (b'"b":', b'"c":'),
    (b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'),
])
def test_malformed_top_makes_its_book_invalid(old: bytes, new: bytes) -> None:
    market = live()
    assert TOP.count(old) == 1
    assert market.decode(TOP.replace(old, new)) == {"kind": "error", "row": 0}
    assert market.record(0)["flags"] == 0 and market.stats(0)["invalid"] == 1


@pytest.mark.parametrize(("old", "new"), [
    (b'"p":"16578.50"', b'"p":"16578.501"'), (b'"p":"16578.50"', b'"p":"NaN"'), (b'"p":"16578.50"', b'"p":"0"'),
    (b'"p":"16578.50"', b'"p":1'),
    (b'"v":"0.001"', b'"v":"0.0001"'), (b'"v":"0.001"', b'"v":"0"'), (b'"v":"0.001"', b'"v":-1'), (b'"v":"0.001"', b'"v":"1e30"'),
    (b'"v":"0.001",', b""), (b'"S":"Buy"', b'"S":"buy"'), (b'"S":"Buy"', b'"S":1'), (b'"S":"Buy",', b""),
    (b'"T":1672304486865', b'"T":"1672304486865"'),
    (b'"T":1672304486865,', b""), (b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'), (b'"i":"20f43950-d8dd-5b31-9112-a178eb6023af"', b'"i":""'),
    (b'"i":"20f43950-d8dd-5b31-9112-a178eb6023af"', b'"i":7'), (b'"S":"Buy"', b'"S":"Buy","S":"Buy"'), (b"[{", b"[7,{"),
    (b"}]}", b"},]}"), (b"}]}", b"}}"),
    (b'"data":[', b'"data":{"x":['),
])
def test_malformed_trade_is_an_error_that_leaves_the_book_alone(old: bytes, new: bytes) -> None:
    market = live()
    before = state(market)
    assert TRADE.count(old) == 1
    assert market.decode(TRADE.replace(old, new)) == {"kind": "error", "row": -1}
    assert state(market) == before


@pytest.mark.parametrize(("old", "new"), [
    (b'"markPrice":"66666.60"', b'"markPrice":"NaN"'), (b'"markPrice":"66666.60"', b'"markPrice":-1'),
    (b'"fundingRate":"-0.005"', b'"fundingRate":"1e-4"'),
    (b'"fundingRate":"-0.005"', b'"fundingRate":"--1"'), (b'"fundingRate":"-0.005"', b'"fundingRate":"-"'),
    (b'"nextFundingTime":"1760342400000"', b'"nextFundingTime":"soon"'),
    (b'"fundingIntervalHour":"8"', b'"fundingIntervalHour":"0"'), (b'"fundingIntervalHour":"8"', b'"fundingIntervalHour":"25"'),
    (b'"fundingIntervalHour":"8"', b'"fundingIntervalHour":"8.5"'), (b'"symbol":"BTCUSDT"', b'"symbol":"ETHUSDT"'),
    (b'"symbol":"BTCUSDT",', b""),
    (b'"ts":1760325052630', b'"ts":"now"'), (b',"ts":1760325052630', b""), (b'"type":"snapshot",', b""),
    (b'"markPrice":"66666.60"', b'"markPrice":"1","markPrice":"1"'),
])
def test_malformed_ticker_is_an_error_that_leaves_book_and_funding_alone(old: bytes, new: bytes) -> None:
    market = live()
    before = state(market)
    assert TICKER.count(old) == 1
    assert market.decode(TICKER.replace(old, new)) == {"kind": "error", "row": -1}
    assert state(market) == before
    assert market.decode(ticker("delta", markPrice="1.00"))["kind"] == "nothing"      # nothing of the bad one was taken over


@pytest.mark.parametrize("frame", [
    b"", b" ", b"\x00", b"{", b"}", b"[]", b"null", b'"x"', b"\xff\xfe" * 20, b"{" * 100_000, b'{"a":' * 100_000, b"[" * 100_000,
    b'{"topic":7}', b'{"topic":null,"data":{}}', b'{"success":"yes"}', b'{"data":"' + b"x" * 200_000, b"x" * (2 << 20),
    b'{"topic"',
    b'{"topic":"', b'{"' + b"k" * 100_000 + b'":1', b'{"topic":"orderbook.50.' + b"S" * 5000,
    b'{"x":' + b"[" * 70 + b"]" * 70 + b"}", b'{"a":1 "b":2}',
])
def test_hostile_frame_is_an_error(frame: bytes) -> None:
    market = live()
    before = state(market)
    assert market.decode(frame) == {"kind": "error", "row": -1}
    assert state(market) == before


def test_oversized_message_is_refused_whole_and_its_book_invalid() -> None:
    frame = book("delta", 11, 1001, [(f"{number}.0", "1") for number in range(1, 90_000)])
    assert len(frame) > 1 << 20
    market = live()
    assert market.decode(frame) == {"kind": "error", "row": 0}
    assert market.decode(book("delta", 12, 1002))["kind"] == "buffered"


def test_largest_frame_of_shortest_levels_fits_the_scratch() -> None:
    levels = b",".join([b'["1","1"]'] * 104_000)
    head = b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"s":"BTCUSDT","b":['
    frame = head + levels + b'],"a":[],"u":11,"seq":1001},"cts":1}'
    assert 1_000_000 < len(frame) <= 1 << 20
    assert live().decode(frame)["kind"] == "book"


# ---------------------------------------------------------------- REST books

def test_stream_that_begins_with_a_delta_waits_for_a_rest_book() -> None:
    market = make_bybit("linear", LINEAR)
    for u in (11, 12):
        assert market.decode(book("delta", u, 990 + u, [(f"{80 + u}.00", "1.000")])) == {"kind": "buffered", "row": 0}
    assert market.apply_snapshot(0, rest_book(9, 999, BIDS, ASKS), 50) == "too_old"
    assert market.apply_snapshot(0, rest_book(11, 1001, BIDS, ASKS), 50) == "synced"
    assert [px for px, _ in market.book(0)["bids"]] == [10000, 9950, 9200]
    assert market.record(0)["depth_update_id"] == 1002 and market.stats(0)["update_id"] == 12
    assert market.decode(book("delta", 13, 1003))["kind"] == "book"


def test_rest_book_that_is_ahead_waits_for_the_stream_to_reach_it() -> None:
    market = make_bybit("linear", LINEAR)
    assert market.apply_snapshot(0, rest_book(15, 1005, BIDS, ASKS), 50) == "waiting"
    assert market.decode(book("delta", 14, 1004, [("100.00", "9.000")]))["kind"] == "nothing"
    assert market.decode(book("delta", 15, 1005, [("100.00", "9.000")]))["kind"] == "book"
    assert market.best(0)[1] == 1000


@pytest.mark.parametrize("body", [
    b"", b"{}", b'{"retCode":10001,"retMsg":"params error","result":{}}', b'{"retCode":0,"retMsg":"OK","result":null}',
    b'{"retCode":0,"retMsg":"OK"}', rest_book(5, 5, BIDS, ASKS, symbol="ETHUSDT"), rest_book(5, 5, BIDS, ASKS)[:-1],
    rest_book(5, 5, BIDS, ASKS).replace(b'"retCode":0', b'"retCode":10016'), rest_book(5, 5, [("1.001", "1")], ASKS),
    rest_book(5, 5, BIDS, ASKS).replace(b'"u":5,', b""), b'{"retCode":0,"result":{"s":"BTCUSDT","b":[],"u":1,"seq":1,"cts":1}}',
])
def test_rest_reply_that_is_no_book_is_refused(body: bytes) -> None:
    market = make_bybit("linear", LINEAR)
    assert market.apply_snapshot(0, body, 50) == "error"
    assert market.needs_snapshot() == [0, 1] and market.book(0) == {"bids": [], "asks": []}
