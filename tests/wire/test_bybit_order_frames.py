"""Bybit's order requests: what is encoded says exactly what was asked, in the venue's form."""
from __future__ import annotations

import random
import re
from decimal import Decimal

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.encoders.bybit import SMP_TYPES, BybitOrderEncoder
from engine.events import OrderType, Side
from tests.support import alloc_count
from tests.support.bybit_orders import LINEAR, PERP, SHIB, SPOT, bybit_table

TABLE = bybit_table()
ARRAY = TABLE.to_array()
TIME_MS = 1_711_001_595_207
CLIENT_ID = encode_client_id(1, 5 << 32 | 9, 0)


def place(made: BybitOrderEncoder, row: int, *, side: int = Side.BUY, order_type: int = OrderType.IOC, px: int = 280_000,
          qty: int = 200, reduce_only: bool = False, time_ms: int = TIME_MS, client_id: str = CLIENT_ID) -> bytes:
    return made.encode_place(ARRAY, row, client_id, side, order_type, px, qty, time_ms, reduce_only)


# ---------------------------------------------------------------- order.create

def test_linear_order_says_everything_explicitly() -> None:
    raw = place(BybitOrderEncoder("linear"), LINEAR, order_type=OrderType.POST_ONLY)
    assert orjson.loads(raw) == {
        "reqId": CLIENT_ID, "header": {"X-BAPI-TIMESTAMP": str(TIME_MS), "X-BAPI-RECV-WINDOW": "500"}, "op": "order.create",
        "args": [{"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.200",
                  "price": "28000.0",
                  "timeInForce": "PostOnly", "orderLinkId": CLIENT_ID, "positionIdx": 0, "reduceOnly": False,
                  "smpType": "CancelMaker"}]}


def test_spot_order_never_borrows() -> None:
    raw = place(BybitOrderEncoder("spot", recv_window_ms=250, smp_type="CancelBoth"), SPOT, side=Side.SELL)
    assert orjson.loads(raw) == {
        "reqId": CLIENT_ID, "header": {"X-BAPI-TIMESTAMP": str(TIME_MS), "X-BAPI-RECV-WINDOW": "250"}, "op": "order.create",
        "args": [{"category": "spot", "symbol": "BTCUSDT", "side": "Sell", "orderType": "Limit", "qty": "0.000200",
                  "price": "28000.0", "timeInForce": "IOC", "orderLinkId": CLIENT_ID, "isLeverage": 0, "smpType": "CancelBoth"}]}


@pytest.mark.parametrize(("order_type", "word"), [(OrderType.IOC, "IOC"), (OrderType.FOK, "FOK"), (OrderType.GTC, "GTC"),
                                                  (OrderType.POST_ONLY, "PostOnly")])
def test_order_types(order_type: OrderType, word: str) -> None:
    for market, row in (("spot", SPOT), ("linear", LINEAR)):
        assert orjson.loads(place(BybitOrderEncoder(market), row, order_type=order_type))["args"][0]["timeInForce"] == word


def test_every_frame_is_the_exact_inverse_of_what_was_asked() -> None:
    seed = 20261120
    generator = random.Random(seed)
    for market, rows in (("spot", [SPOT]), ("linear", [LINEAR, SHIB, PERP])):
        made = BybitOrderEncoder(market)
        for number in range(3000):
            row = TABLE.rows[generator.choice(rows)]
            side, order_type = generator.randrange(2), generator.randrange(4)
            reduce_only = market == "linear" and generator.random() < 0.5
            px, qty = (generator.randrange(1, 10 ** generator.randrange(1, 18)) for _ in range(2))
            client_id = encode_client_id(generator.randrange(1 << 16), generator.randrange(1 << 64), generator.randrange(32))
            raw = place(made, row.id, side=side, order_type=order_type, px=px, qty=qty, reduce_only=reduce_only,
                        time_ms=TIME_MS + number, client_id=client_id)
            frame = orjson.loads(raw)
            [order] = frame["args"]
            assert frame["reqId"] == order["orderLinkId"] == client_id, f"seed {seed}"
            assert Decimal(order["price"]) == Decimal(px).scaleb(-row.px_scale)
            assert Decimal(order["qty"]) == Decimal(qty).scaleb(-row.qty_scale)
            assert re.fullmatch(r"(0|[1-9]\d*)(\.\d+)?", order["price"]), order["price"]
            assert re.fullmatch(r"(0|[1-9]\d*)(\.\d+)?", order["qty"]), order["qty"]
            assert (order["symbol"], order["side"], order["category"]) == (row.symbol, ("Buy", "Sell")[side], market)
            assert order.get("reduceOnly") == (reduce_only if market == "linear" else None)
            assert frame["header"]["X-BAPI-TIMESTAMP"] == str(TIME_MS + number)


def test_largest_numbers_are_written_in_full() -> None:
    largest = (1 << 63) - 1
    [order] = orjson.loads(place(BybitOrderEncoder("spot"), SPOT, px=largest, qty=largest))["args"]
    assert (order["price"], order["qty"]) == ("922337203685477580.7", "9223372036854.775807")


def test_whole_sizes_have_no_point() -> None:
    [order] = orjson.loads(place(BybitOrderEncoder("linear"), SHIB, px=7, qty=120))["args"]
    assert (order["qty"], order["price"], order["symbol"]) == ("120", "0.00007", "SHIB1000USDT")


@pytest.mark.parametrize("wrong", [{"px": 0}, {"px": -1}, {"qty": 0}, {"qty": -5}, {"side": 2}, {"order_type": 4},
                                   {"time_ms": 0}])
def test_legs_that_cannot_be_said_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="cannot say"):
        place(BybitOrderEncoder("linear"), LINEAR, **wrong)  # type: ignore[arg-type]


def test_reduce_only_is_refused_on_spot_instead_of_dropped() -> None:
    with pytest.raises(ValueError, match="reduce-only"):
        place(BybitOrderEncoder("spot"), SPOT, reduce_only=True)


@pytest.mark.parametrize(("options", "word"), [
    ({"market": "inverse"}, "market"), ({"market": "spot", "smp_type": "EXPIRE_MAKER"}, "self-match"),
    ({"market": "spot", "recv_window_ms": 0}, "window"), ({"market": "spot", "recv_window_ms": 60_001}, "window")])
def test_templates_that_make_no_sense_are_refused(options: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        BybitOrderEncoder(**options)  # type: ignore[arg-type]


def test_every_self_match_prevention_type_is_sent_as_named() -> None:
    for market, row in (("spot", SPOT), ("linear", LINEAR)):
        for word in SMP_TYPES:
            [order] = orjson.loads(place(BybitOrderEncoder(market, smp_type=word), row))["args"]
            assert order.get("smpType", "None") == word


# ---------------------------------------------------------------- order.cancel, queries

def test_cancel_carries_the_client_id_and_never_the_same_request_id() -> None:
    made = BybitOrderEncoder("linear")
    seen = set()
    for _ in range(200):
        frame = orjson.loads(made.encode_cancel(ARRAY, LINEAR, CLIENT_ID, TIME_MS))
        assert frame == {"reqId": frame["reqId"], "header": {"X-BAPI-TIMESTAMP": str(TIME_MS), "X-BAPI-RECV-WINDOW": "500"},
                         "op": "order.cancel", "args": [{"category": "linear", "symbol": "BTCUSDT", "orderLinkId": CLIENT_ID}]}
        assert frame["reqId"].startswith("X" + CLIENT_ID[1:])
        assert len(frame["reqId"]) <= 36
        seen.add(frame["reqId"])
    assert len(seen) == 200


def test_queries_go_over_rest() -> None:
    assert BybitOrderEncoder("spot").encode_query(ARRAY, SPOT, CLIENT_ID, TIME_MS) == b""


def test_a_used_client_id_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="18 letters and digits"):
        BybitOrderEncoder("spot").encode_cancel(ARRAY, SPOT, "arb-7", TIME_MS)


def test_encoding_allocates_nothing_but_its_result() -> None:
    """The Python surface makes one bytes object a frame; the nogil part is looked at in tests/hot."""
    made = BybitOrderEncoder("linear")
    place(made, LINEAR)
    _, calls = alloc_count.count(place, made, LINEAR)
    assert calls < 20
