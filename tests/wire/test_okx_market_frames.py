"""OKX market data as documented, in any shape that JSON allows, and broken in every way that we could think of.

Fixtures are the payloads of the venue's documentation (order book, trades, mark price, funding rate channels, 2026-06..09) with
symbols that fit the test instruments; docs/venues/okx.md names the sources."""

import itertools
import random
from typing import Any

import orjson
import pytest

from cext import layout
from cext.decoders.market import FRAME_KINDS
from cext.decoders.okx import OkxMarket
from tests.support import decoder_fuzz
from tests.support.okx_rig import MS, T0, kinds, make_okx, market_of, okx_row, rest_book, snapshot, top, update

SCALES = {"BTC-USDT": (2, 8), "ETH-USDT": (2, 6)}
SNAPSHOT = (
    b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["8476.98","415","0","13"],["8477","7","0","2"]],'
    b'"bids":[["8476.97","256","0","12"],["8475.55","101","0","1"]],"ts":"1597026383085","checksum":0,"prevSeqId":-1,"seqId":123456}]}'
)
UPDATE = (
    b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[["8477","0","0","0"],["8477.56","1.5","0","1"]],'
    b'"bids":[],"ts":"1597026383185","checksum":0,"prevSeqId":123456,"seqId":123457}]}'
)
TOP = (
    b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["8476.98","415","0","13"]],"bids":[["8476.97","251","0","12"]],'
    b'"ts":"1597026383185","seqId":123460}]}'
)
TRADE = (
    b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306",'
    b'"side":"buy","ts":"1630048897897","count":"3","source":"0","seqId":1234}]}'
)
MARK = b'{"arg":{"channel":"mark-price","instId":"BTC-USDT"},"data":[{"instType":"SWAP","instId":"BTC-USDT","markPx":"42310.6123","ts":"1630049139746"}]}'
FUNDING = (
    b'{"arg":{"channel":"funding-rate","instId":"BTC-USDT"},"data":[{"formulaType":"noRate","fundingRate":"0.0001875391284828",'
    b'"fundingTime":"1700726400000","impactValue":"","instId":"BTC-USDT","instType":"SWAP","interestRate":"","method":"current_period",'
    b'"maxFundingRate":"0.00375","minFundingRate":"-0.00375","nextFundingRate":"","nextFundingTime":"1700755200000",'
    b'"premium":"0.0001233824646391","settFundingRate":"0.0001699799259033","settState":"settled","ts":"1700724675402"}]}'
)
ALL = [SNAPSHOT, UPDATE, TOP, TRADE, MARK, FUNDING]


def live() -> OkxMarket:
    """Both symbols in sync, BTC-USDT as documented."""
    market = make_okx(symbols=SCALES)
    assert kinds(market, [SNAPSHOT, snapshot(50, symbol="ETH-USDT")]) == ["book", "book"]
    return market


def state(market: OkxMarket) -> Any:
    return [(market.book(row), market.record(row)) for row in market.rows]


# ---------------------------------------------------------------- what the documentation shows


def test_snapshot_and_update() -> None:
    market = live()
    assert market.book(0) == {
        "bids": [(847697, 256 * 10**8), (847555, 101 * 10**8)],
        "asks": [(847698, 415 * 10**8), (847700, 7 * 10**8)],
    }
    assert market.decode(UPDATE) == {"kind": "book", "row": 0}
    assert market.book(0)["asks"] == [(847698, 415 * 10**8), (847756, 15 * 10**7)]
    record = market.record(0)
    assert (record["depth_update_id"], record["depth_exch_ns"]) == (123457, 1_597_026_383_185 * MS)


def test_top() -> None:
    market = live()
    assert market.decode(TOP) == {"kind": "book", "row": 0}
    record = market.record(0)
    assert (record["bids"][0], record["asks"][0]) == ((847697, 251 * 10**8), (847698, 415 * 10**8))
    assert (record["top_update_id"], record["exch_ns"]) == (123460, 1_597_026_383_185 * MS)


def test_trade() -> None:
    market = make_okx(symbols=SCALES)
    told = market.decode(TRADE, frame_mono_ns=77)
    assert told == {
        "kind": "trade",
        "row": 0,
        "trades": [
            {
                "seq": 0,
                "exch_ns": 1_630_048_897_897 * MS,
                "recv_mono_ns": 77,
                "trade_id": 130639474,
                "px": 4221990,
                "qty": 12060306,
                "instrument_id": 0,
                "flags": 0,
                "pad0": 0,
            }
        ],
    }
    assert market.decode(TRADE)["kind"] == "nothing"  # the same by a second connection
    sold = TRADE.replace(b'"buy"', b'"sell"').replace(b"130639474", b"130639470")
    assert (
        market.decode(sold)["trades"][0]["flags"] == layout.TRADE_SELL_AGGRESSOR
    )  # an id may be smaller: numbers may begin anew


def test_several_trades_of_one_message() -> None:
    one = orjson.loads(TRADE)
    one["data"] = [{**one["data"][0], "tradeId": str(number), "sz": str(number)} for number in (5, 6, 6, 9)]
    told = make_okx(symbols=SCALES).decode(orjson.dumps(one))
    assert [(trade["trade_id"], trade["qty"]) for trade in told["trades"]] == [(number, number * 10**8) for number in (5, 6, 9)]


def test_funding_is_told_once_mark_price_and_rate_are_known() -> None:
    for frames in itertools.permutations((MARK, FUNDING)):
        market = market_of([okx_row(0, "BTC-USDT", "linear", 1, 2)])
        assert market.decode(frames[0])["kind"] == "nothing"
        told = market.decode(frames[1], frame_mono_ns=5)
        assert told["kind"] == "funding"
        funding = told["funding"]
        assert (funding["mark_px"], funding["rate_e8"]) == (423106, 18753)  # digits beyond the scale are cut
        assert (funding["next_funding_wall_ns"], funding["interval_s"], funding["recv_mono_ns"]) == (
            1_700_726_400_000 * MS,
            28_800,
            5,
        )
    assert funding["exch_ns"] == 1_630_049_139_746 * MS


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        (b'"0.0001875391284828"', b'"-0.00375"', "rate_e8", -375_000),
        (b'"0.0001875391284828"', b'"0"', "rate_e8", 0),
        (b'"1700755200000"', b'"1700740800000"', "interval_s", 14_400),
        (b'"1700755200000"', b'"1700730000000"', "interval_s", 3_600),
        (b'"1700755200000"', b'""', "interval_s", 28_800),
        (b'"1700755200000"', b'"1700726400000"', "interval_s", 28_800),
        (b'"nextFundingTime":"1700755200000",', b"", "interval_s", 28_800),
        (b'"1700755200000"', b'"1800755200000"', "interval_s", 28_800),
    ],
)
def test_funding_rate_and_interval(old: bytes, new: bytes, field: str, value: int) -> None:
    market = market_of([okx_row(0, "BTC-USDT", "linear", 1, 2)])
    market.decode(MARK)
    assert market.decode(FUNDING.replace(old, new))["funding"][field] == value


# ---------------------------------------------------------------- contracts


@pytest.mark.parametrize(
    ("contract", "lot", "qty_scale", "size", "qty"),
    [
        ("0.1", "0.001", 3, "0.01", 1),
        ("0.1", "0.001", 3, "415", 41_500),
        ("0.01", "0.01", 2, "7", 7),
        ("1000000", "1000000", 0, "3", 3_000_000),
        ("1000", "100", 0, "0.1", 100),
        ("10", "1", 1, "2.5", 250),
        ("1", "0.1", 1, "2.5", 25),
    ],
)
def test_contracts_become_base_units_exactly(contract: str, lot: str, qty_scale: int, size: str, qty: int) -> None:
    market = market_of([okx_row(0, "BTC-USDT", "linear", 1, qty_scale, contract, lot)])
    assert kinds(market, [snapshot(1, [("100.0", size)], [("101.0", size)]), top(2, ("100.0", size), ("100.5", size))]) == [
        "book",
        "book",
    ]
    assert market.book(0) == {"bids": [(1000, qty)], "asks": [(1010, qty)]}
    assert market.record(0)["asks"][0] == (1005, qty)
    told = market.decode(TRADE.replace(b'"0.12060306"', f'"{size}"'.encode()))
    assert told["trades"][0]["qty"] == qty


@pytest.mark.parametrize("size", ["0.005", "4611686018427387.904", "99999999999999999999"])
def test_contracts_that_are_not_exact_or_too_many_are_refused(size: str) -> None:
    market = market_of([okx_row(0, "BTC-USDT", "linear", 1, 3, "0.1", "0.001")])
    assert kinds(market, [snapshot(1, [("100.0", size)])]) == ["error"]
    assert market.decode(TRADE.replace(b'"0.12060306"', f'"{size}"'.encode()))["kind"] == "error"


# ---------------------------------------------------------------- events


@pytest.mark.parametrize(
    ("frame", "ack_id", "error"),
    [
        (b'{"id":"1512","event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"accb8e21"}', 1512, 0),
        (b'{"event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT"}}', -1, 0),
        (b'{"id":"1513","event":"unsubscribe","arg":{"channel":"books","instId":"X-USDT"},"connId":"a"}', 1513, 0),
        (b'{"id":"1512","event":"error","code":"60012","msg":"Invalid request: {...}","connId":"a4d3ae55"}', 1512, 60012),
        (b'{"event":"error","code":"60018","msg":"Wrong URL or channel:x,instId:y doesn\'t exist","connId":"a"}', -1, 60018),
        (b'{"id":"abc","event":"error","code":"x","msg":""}', -1, -1),
        (b'{"id":"9","event":"error","msg":""}', 9, -1),
        (b'{"id":"9","event":"error","code":"0","msg":""}', 9, -1),
    ],
)
def test_reply_to_a_subscription(frame: bytes, ack_id: int, error: int) -> None:
    assert make_okx(symbols=SCALES).decode(frame) == {"kind": "ack", "row": -1, "ack_id": ack_id, "ack_error": error}


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"pong", "nothing"),
        (
            b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"a"}',
            "shutdown",
        ),
        (b'{"event":"notice","code":"64007","msg":"x","connId":"a"}', "nothing"),
        (b'{"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"abcd1234"}', "nothing"),
        (b'{"event":"channel-conn-count-error","channel":"orders","connCount":"30","connId":"a4d3ae55"}', "unknown"),
        (b'{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}', "unknown"),
    ],
)
def test_what_is_no_data(frame: bytes, kind: str) -> None:
    market = live()
    before = state(market)
    assert market.decode(frame) == {"kind": kind, "row": -1}
    assert state(market) == before


@pytest.mark.parametrize(
    "frame",
    [
        b"{}",
        b'{"x":1}',
        b'{"arg":{},"data":[]}',
        b'{"data":[{"asks":[]}]}',
        b'{"arg":5,"data":[]}',
        b'{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"last":"1"}]}',
        b'{"arg":{"channel":"books5","instId":"BTC-USDT"},"data":[{}]}',
        b'{"arg":{"channel":"books","instId":"BTC-USDT"}}',
        TOP.replace(b',"seqId":123460', b""),
        b'{"code":"0","data":[]}',
    ],
)
def test_what_nobody_asked_for_is_counted_and_changes_nothing(frame: bytes) -> None:
    market = live()
    before = state(market)
    assert market.decode(frame)["kind"] == "unknown"
    assert market.counters()["unknown_frames"] == 1 and market.counters()["error_frames"] == 0
    assert state(market) == before


def test_unknown_symbol_is_counted() -> None:
    market = live()
    for frame in ALL:
        assert market.decode(frame.replace(b"BTC-USDT", b"SOL-USDT")) == {"kind": "unknown", "row": -1}
    assert market.decode(UPDATE.replace(b"BTC-USDT", b"B" * 40))["kind"] == "unknown"
    assert market.counters()["unknown_symbols"] == len(ALL) + 1


# ---------------------------------------------------------------- any shape that JSON allows


def shuffled(value: Any, rng: random.Random, is_noisy: bool) -> Any:
    """The same objects in other orders of keys, with keys between that nobody uses."""
    if isinstance(value, list):
        return [shuffled(entry, rng, is_noisy) for entry in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key in rng.sample(list(value), len(value)):
        if is_noisy:
            made[f"x{key}"] = rng.choice(
                [None, 1.5e-3, [[1, {"asks": [["1", "2"]]}], "]"], {"seqId": 5}, 'a"b\\', True, "}" * 20, "x" * 40]
            )
        made[key] = shuffled(value[key], rng, is_noisy)
    return made


def shapes(frame: bytes) -> list[bytes]:
    told, rng = orjson.loads(frame), random.Random(3)
    made = [frame, orjson.dumps(told, option=orjson.OPT_INDENT_2), b" " + frame + b"\r\n"]
    for number in range(60):
        other = shuffled(told, rng, number % 2 == 1)
        made += [orjson.dumps(other), orjson.dumps(other, option=orjson.OPT_INDENT_2)]
    return made


@pytest.mark.parametrize("frame", ALL)
def test_every_shape_of_a_message_gives_the_same_result(frame: bytes) -> None:
    def outcome(shape: bytes) -> Any:
        market = live()
        market.decode(FUNDING)
        return market.decode(shape), state(market)

    wanted = outcome(frame)
    for shape in shapes(frame):
        assert outcome(shape) == wanted, shape


def test_every_shape_of_a_rest_book_gives_the_same_book() -> None:
    for shape in shapes(rest_book(7)):
        market = make_okx()
        assert market.apply_snapshot(0, shape, 400) == "waiting", shape
        assert market.book(0) == {"bids": [(1000, 100), (995, 200)], "asks": [(1005, 300), (1010, 400)]}


# ---------------------------------------------------------------- broken


@pytest.mark.parametrize("frame", ALL)
def test_frame_cut_at_any_byte_is_an_error_and_leaves_no_level_behind(frame: bytes) -> None:
    known = frame.index(b"}")  # from here on it is known which book is in doubt
    for size in range(len(frame)):
        market = live()
        before = state(market)
        told = market.decode(frame[:size])
        assert told["kind"] == "error", frame[:size]
        assert market.counters()["error_frames"] == 1
        if size > known and frame in (SNAPSHOT, UPDATE, TOP):
            assert told["row"] == 0, frame[:size]
        for row in market.rows:
            if row == told["row"]:
                assert market.record(row)["flags"] == 0 and market.book(row) == {"bids": [], "asks": []}
                assert market.needs_snapshot() == [row]
            else:
                assert (market.book(row), market.record(row)) == before[row]


def test_rest_book_cut_at_any_byte_is_refused() -> None:
    body = rest_book(7)
    for size in range(len(body)):
        market = make_okx()
        assert market.apply_snapshot(0, body[:size], 400) == "error"
        assert market.book(0) == {"bids": [], "asks": []}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"code":"0","msg":"","data":[]}',
        b'{"code":"0","msg":"","data":[{}]}',
        rest_book(7).replace(b'"code":"0"', b'"code":"50011"'),
        rest_book(7).replace(b'"code":"0",', b""),
        rest_book(7).replace(b',"seqId":7', b""),
        rest_book(7).replace(b'"seqId":7', b'"seqId":-1'),
        rest_book(7).replace(b'"ts":"1700000000007",', b""),
        rest_book(7) + b"x",
        b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}',
        SNAPSHOT,
    ],
)
def test_rest_reply_that_is_no_book_is_refused(body: bytes) -> None:
    assert make_okx().apply_snapshot(0, body, 400) == "error"


LEVEL = b'["8477.56","1.5","0","1"]'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"8477.56"', b'"8477.567"'),
        (b'"8477.56"', b'"-8477.56"'),
        (b'"8477.56"', b'"8.4e3"'),
        (b'"8477.56"', b'"NaN"'),
        (b'"8477.56"', b"8477.56"),
        (b'"8477.56"', b'""'),
        (b'"8477.56"', b'"0"'),
        (b'"8477.56"', b'"0.00"'),
        (b'"8477.56"', b"null"),
        (b'"8477.56"', b'"8477.\x0056"'),
        (b'"8477.56"', b'"99999999999999999999"'),
        (b'"1.5"', b'"-1.5"'),
        (b'"1.5"', b'"1.500000001"'),
        (b'"1.5"', b'"1e1"'),
        (b'"1.5"', b"1.5"),
        (b'"1.5"', b'"46116860184.27387904"'),
        (b'"1.5"', b'"1\\u0030"'),
        (LEVEL, b'["8477.56","1.5"]'),
        (LEVEL, b'["8477.56","1.5","0"]'),
        (LEVEL, b'["8477.56","1.5","0","1","2"]'),
        (LEVEL, b'["8477.56","1.5","0",1]'),
        (LEVEL, b'["8477.56","1.5",,"1"]'),
        (LEVEL, b"[]"),
        (LEVEL, b"null"),
        (LEVEL, b'["8477.56","1.5","0","1"'),
        (LEVEL, b'"8477.56","1.5","0","1"]'),
        (LEVEL, LEVEL + b","),
        (LEVEL, LEVEL + LEVEL),
        (LEVEL, b'["8477.56","1.5","\x01","1"]'),
        (LEVEL, b'["8477.56","1.5","0\\","1"]'),
        (LEVEL, b"[" * 200),
        (b'"bids":[]', b'"bids":null'),
        (b'"bids":[]', b'"bids":{}'),
        (b'"bids":[],', b""),
        (b'"bids":[]', b'"bids":[],"bids":[]'),
        (b'"asks":', b'"axks":'),
        (b'"ts":"1597026383185"', b'"ts":""'),
        (b'"ts":"1597026383185"', b'"ts":"x"'),
        (b'"ts":"1597026383185"', b'"ts":"99999999999999999"'),
        (b'"ts":"1597026383185",', b""),
        (b'"checksum":0', b'"checksum":"0"'),
        (b'"checksum":0', b'"checksum":2147483648'),
        (b'"checksum":0', b'"checksum":-2147483649'),
        (b'"checksum":0', b'"checksum":1.5'),
        (b'"checksum":0', b'"checksum":null'),
        (b'"prevSeqId":123456', b'"prevSeqId":"123456"'),
        (b'"prevSeqId":123456', b'"prevSeqId":-2'),
        (b'"prevSeqId":123456', b'"prevSeqId":null'),
        (b'"prevSeqId":123456,', b""),
        (b'"seqId":123457', b'"seqId":-1'),
        (b'"seqId":123457', b'"seqId":1.5'),
        (b',"seqId":123457', b""),
        (b'"seqId":123457', b'"seqId":72057594037927936'),
        (b'"seqId":123457', b'"seqId":99999999999999999999'),
        (b'"seqId":123457', b'"seqId":123457,"seqId":123457'),
        (b'"update"', b'"partial"'),
        (b'"update"', b'"snapshot2"'),
        (b'"update"', b"5"),
        (b'"action":"update",', b""),
        (b'"action":', b'"action":"update","action":'),
        (b"}]}", b"},{}]}"),
        (b"}]}", b"}]"),
        (b"}]}", b"}]}}"),
        (b"}]}", b"}]} x"),
        (b"}]}", b"}]}\x00"),
        (b"}]}", b"},]}"),
        (b'"data":[', b'"data":[['),
        (b'"data":[', b'"data":"['),
        (b'{"arg"', b'"arg"'),
    ],
)
def test_malformed_update_makes_its_book_invalid(old: bytes, new: bytes) -> None:
    assert UPDATE.count(old) >= 1
    market = live()
    before = state(market)[1]
    told = market.decode(UPDATE.replace(old, new, 1))
    assert told["kind"] == "error"
    if told["row"] == 0:
        assert market.record(0)["flags"] == 0 and market.record(0)["epoch"] == 1 and market.needs_snapshot() == [0]
    assert state(market)[1] == before
    assert market.counters()["error_frames"] == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'[["8476.98","415","0","13"]]', b'[["8476.98","415","0","13"],["8477","1","0","1"]]'),
        (b'"415"', b'"0"'),
        (b'"seqId":123460', b'"seqId":-1'),
        (b'"ts":"1597026383185",', b""),
        (b'"bids":', b'"x":'),
    ],
)
def test_malformed_top_makes_its_book_invalid(old: bytes, new: bytes) -> None:
    assert live().decode(TOP.replace(old, new)) == {"kind": "error", "row": 0}


@pytest.mark.parametrize(
    ("frame", "old", "new"),
    [
        (TRADE, b'"buy"', b'"hold"'),
        (TRADE, b'"buy"', b"1"),
        (TRADE, b'"42219.9"', b'"0"'),
        (TRADE, b'"42219.9"', b'"42219.999"'),
        (TRADE, b'"130639474"', b'"x"'),
        (TRADE, b'"130639474"', b'"99999999999999999999"'),
        (TRADE, b'"tradeId":"130639474",', b""),
        (TRADE, b'"sz":"0.12060306",', b""),
        (TRADE, b'"instId":"BTC-USDT","tradeId"', b'"instId":"ETH-USDT","tradeId"'),
        (TRADE, b'"instId":"BTC-USDT","tradeId"', b'"instId":"BTC-USDT-SWAP","tradeId"'),
        (TRADE, b'"instId":"BTC-USDT","tradeId"', b'"instId":"","tradeId"'),
        (TRADE, b'"ts":"1630048897897",', b""),
        (MARK, b'"42310.6123"', b'""'),
        (MARK, b'"42310.6123"', b'"-1"'),
        (MARK, b'"42310.6123"', b"42310.6"),
        (MARK, b'"markPx":"42310.6123",', b""),
        (MARK, b',"ts":"1630049139746"', b""),
        (FUNDING, b'"0.0001875391284828"', b'""'),
        (FUNDING, b'"0.0001875391284828"', b'"x"'),
        (FUNDING, b'"fundingTime":"1700726400000",', b""),
        (FUNDING, b'"1700726400000"', b'""'),
        (FUNDING, b',"ts":"1700724675402"', b""),
    ],
)
def test_malformed_trade_or_funding_is_an_error_and_leaves_the_books_alone(frame: bytes, old: bytes, new: bytes) -> None:
    assert frame.count(old) == 1
    market = live()
    before = state(market)
    assert market.decode(frame.replace(old, new)) == {"kind": "error", "row": -1}
    assert state(market) == before


def test_too_many_trades_are_malformed() -> None:
    one = orjson.loads(TRADE)
    one["data"] = [{**one["data"][0], "tradeId": str(number)} for number in range(1, 1026)]
    market = make_okx(symbols=SCALES)
    assert market.decode(orjson.dumps(one))["kind"] == "error"
    one["data"].pop()
    assert len(market.decode(orjson.dumps(one))["trades"]) >= 512


def test_largest_numbers_that_fit() -> None:
    market = make_okx(symbols={"BTC-USDT": (0, 0)})
    large = str(2**62 - 1)
    assert kinds(market, [snapshot(2**56 - 2, [(large, large)], [], ms=T0), update(2**56 - 2, 2**56 - 1, ms=T0)]) == [
        "book",
        "book",
    ]
    assert market.book(0)["bids"] == [(2**62 - 1, 2**62 - 1)] and market.stats(0)["update_id"] == 2**56 - 1
    assert market.record(0)["bid_count"] == 0  # px * qty could overflow a sum: not shown


# ---------------------------------------------------------------- mutated

CHAIN = [
    snapshot(100),
    *(
        update(
            100 + n,
            101 + n,
            [(f"{90 + n % 10}.0", str(n % 4))],
            [(f"{101 + n % 9}.5", str(n % 3))],
            checksum=(0, 7)[n % 11 == 10],
        )
        for n in range(40)
    ),
]


def test_mutated_frames_never_crash_and_never_leave_an_unsound_record() -> None:
    market = make_okx(symbols={"BTC-USDT": (2, 8), "ETH-USDT": (2, 6)})
    in_place = [update(100, 100, [(f"{95 + n}.0", str(n))], [(f"{101 + n}.5", "1.25")]) for n in range(40)]  # any of them follows
    frames = [
        *ALL,
        *CHAIN,
        *in_place,
        *(snapshot(100) for _ in range(20)),
        *(top(100 + n, ("99.0", "1"), ("101.5", "2")) for n in range(20)),
        snapshot(50, symbol="ETH-USDT"),
    ]
    counts = dict(
        zip(FRAME_KINDS, decoder_fuzz.run(market, frames, [rest_book(n) for n in (100, 90, 110)], 300_000, 21), strict=True)
    )
    assert min(counts["error"], counts["book"]) > 10_000
    assert min(counts[kind] for kind in ("nothing", "buffered", "need_snapshot", "unknown", "trade")) > 0, counts


def test_what_is_accepted_of_a_mutated_update_is_what_a_plain_parser_reads() -> None:
    accepted = 0
    source = update(100, 101, [("99.5", "0"), ("98.0", "1.25")], [("100.7", "3")])
    for number in range(20_000):
        frame = decoder_fuzz.mutated(source, 100 + number, 1 + number % 2)
        market = make_okx()
        kinds(market, [snapshot()])
        if market.decode(frame, 2 * MS)["kind"] != "book" or market.stats(0)["update_id"] == 100:
            continue
        try:
            told = orjson.loads(frame)["data"][0]
        except orjson.JSONDecodeError:
            continue  # damage within a value that is stepped over
        accepted += 1
        wanted = {"bids": {1000: 100, 995: 200}, "asks": {1005: 300, 1010: 400}}
        for side, levels in wanted.items():
            for px, size, *_ in told[side]:
                levels[round(float(px) * 10)] = round(float(size) * 100)
        assert {side: dict(market.book(0)[side]) for side in wanted} == {
            side: {px: qty for px, qty in levels.items() if qty} for side, levels in wanted.items()
        }, frame
    assert accepted > 500
