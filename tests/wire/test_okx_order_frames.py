"""Order requests of OKX as bytes: read back by another parser they say exactly what was asked, contracts included, and what
cannot be said is refused."""
from __future__ import annotations

import random
import re
from decimal import Decimal

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.encoders.okx import STP_MODES, OkxOrderEncoder
from engine.events import OrderType, Side
from tests.support import alloc_count
from tests.support.okx_orders import NAMELESS, PEPE, SPOT, SWAP, okx_table

TABLE = okx_table()
ARRAY = TABLE.to_array()
TIME_MS = 1_711_001_595_207
CLIENT_ID = encode_client_id(1, 5 << 32 | 9, 0)


def place(made: OkxOrderEncoder, row: int, *, side: int = Side.BUY, order_type: int = OrderType.IOC, px: int = 280_000,
          qty: int = 200, reduce_only: bool = False, time_ms: int = TIME_MS, client_id: str = CLIENT_ID) -> bytes:
    return made.encode_place(ARRAY, row, client_id, side, order_type, px, qty, time_ms, reduce_only)


# ---------------------------------------------------------------- order

def test_swap_order_says_everything_explicitly_and_counts_contracts() -> None:
    raw = place(OkxOrderEncoder("linear"), SWAP, order_type=OrderType.POST_ONLY, qty=250)   # 0.0250 BTC of 0.01 a contract
    assert orjson.loads(raw) == {
        "id": CLIENT_ID, "op": "order", "expTime": str(TIME_MS + 500),
        "args": [{"instIdCode": 10459, "tdMode": "cross", "posSide": "net", "side": "buy", "sz": "2.50", "px": "28000.0",
                  "ordType": "post_only", "clOrdId": CLIENT_ID, "reduceOnly": False, "stpMode": "cancel_maker"}]}


def test_spot_order_is_without_margin() -> None:
    raw = place(OkxOrderEncoder("spot", life_ms=250, stp_mode="cancel_taker"), SPOT, side=Side.SELL)
    assert orjson.loads(raw) == {
        "id": CLIENT_ID, "op": "order", "expTime": str(TIME_MS + 250),
        "args": [{"instIdCode": 10458, "tdMode": "cash", "side": "sell", "sz": "0.00000200", "px": "28000.0", "ordType": "ioc",
                  "clOrdId": CLIENT_ID, "stpMode": "cancel_taker"}]}


@pytest.mark.parametrize(("order_type", "word"), [(OrderType.IOC, "ioc"), (OrderType.FOK, "fok"), (OrderType.GTC, "limit"),
                                                  (OrderType.POST_ONLY, "post_only")])
def test_order_types(order_type: OrderType, word: str) -> None:
    for market, row in (("spot", SPOT), ("linear", SWAP)):
        assert orjson.loads(place(OkxOrderEncoder(market), row, order_type=order_type))["args"][0]["ordType"] == word


def test_every_frame_is_the_exact_inverse_of_what_was_asked() -> None:
    seed = 20261120
    generator = random.Random(seed)
    for market, rows in (("spot", [SPOT]), ("linear", [SWAP, PEPE])):
        made = OkxOrderEncoder(market)
        for number in range(3000):
            row = TABLE.rows[generator.choice(rows)]
            step = int(row.lot.scaleb(row.qty_scale))
            side, order_type = generator.randrange(2), generator.randrange(4)
            reduce_only = market == "linear" and generator.random() < 0.5
            px, lots = (generator.randrange(1, 10 ** generator.randrange(1, digits)) for digits in (18, 12))
            client_id = encode_client_id(generator.randrange(1 << 16), generator.randrange(1 << 64), generator.randrange(32))
            raw = place(made, row.id, side=side, order_type=order_type, px=px, qty=lots * step, reduce_only=reduce_only,
                        time_ms=TIME_MS + number, client_id=client_id)
            frame = orjson.loads(raw)
            [order] = frame["args"]
            assert frame["id"] == order["clOrdId"] == client_id, f"seed {seed}"
            assert frame["expTime"] == str(TIME_MS + number + 500)
            assert Decimal(order["px"]) == Decimal(px).scaleb(-row.px_scale)
            assert Decimal(order["sz"]) * row.contract_size == Decimal(lots * step).scaleb(-row.qty_scale)
            assert all(re.fullmatch(r"(0|[1-9]\d*)(\.\d+)?", order[name]) for name in ("px", "sz")), order
            assert (order["instIdCode"], order["side"]) == (row.venue_code, ("buy", "sell")[side])
            assert order.get("reduceOnly") == (reduce_only if market == "linear" else None)


def test_contracts_of_ten_million_base_units_are_exact() -> None:
    [order] = orjson.loads(place(OkxOrderEncoder("linear"), PEPE, px=7, qty=121_000_000))["args"]
    assert (order["sz"], order["px"]) == ("12.1", "0.000000007")


def test_a_part_of_the_venues_smallest_step_is_refused_never_rounded() -> None:
    assert ARRAY.row(PEPE)["size_mul"] > 1
    with pytest.raises(ValueError, match="cannot say"):
        place(OkxOrderEncoder("linear"), PEPE, qty=121_000_001)


def test_largest_numbers_are_written_in_full() -> None:
    largest = (1 << 63) - 1
    [order] = orjson.loads(place(OkxOrderEncoder("spot"), SPOT, px=largest, qty=largest))["args"]
    assert (order["px"], order["sz"]) == ("922337203685477580.7", "92233720368.54775807")


@pytest.mark.parametrize("wrong", [{"px": 0}, {"px": -1}, {"qty": 0}, {"qty": -5}, {"side": 2}, {"order_type": 4},
                                   {"time_ms": 0}])
def test_legs_that_cannot_be_said_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="cannot say"):
        place(OkxOrderEncoder("linear"), SWAP, **wrong)  # type: ignore[arg-type]


def test_an_instrument_without_its_number_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot say"):
        place(OkxOrderEncoder("linear"), NAMELESS)
    assert OkxOrderEncoder("linear").encode_cancel(ARRAY, NAMELESS, CLIENT_ID, TIME_MS) == b""   # then REST is asked


def test_reduce_only_is_refused_on_spot_instead_of_dropped() -> None:
    with pytest.raises(ValueError, match="reduce-only"):
        place(OkxOrderEncoder("spot"), SPOT, reduce_only=True)


def test_fill_or_kill_does_not_go_with_prevention_of_both_sides() -> None:
    made = OkxOrderEncoder("linear", stp_mode="cancel_both")
    with pytest.raises(ValueError, match="cannot say"):
        place(made, SWAP, order_type=OrderType.FOK)
    assert orjson.loads(place(made, SWAP))["args"][0]["stpMode"] == "cancel_both"


@pytest.mark.parametrize(("options", "word"), [
    ({"market": "inverse"}, "market"), ({"market": "spot", "stp_mode": "EXPIRE_MAKER"}, "self-trade"),
    ({"market": "spot", "stp_mode": ""}, "self-trade"), ({"market": "spot", "life_ms": 0}, "life"),
    ({"market": "spot", "life_ms": 60_001}, "life")])
def test_templates_that_make_no_sense_are_refused(options: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        OkxOrderEncoder(**options)  # type: ignore[arg-type]


def test_every_self_trade_prevention_mode_is_sent_as_named() -> None:
    for market, row in (("spot", SPOT), ("linear", SWAP)):
        for word in STP_MODES:
            assert orjson.loads(place(OkxOrderEncoder(market, stp_mode=word), row))["args"][0]["stpMode"] == word


# ---------------------------------------------------------------- cancel-order, queries

def test_cancel_carries_the_client_id_and_never_the_same_request_id() -> None:
    made = OkxOrderEncoder("linear")
    seen = set()
    for _ in range(200):
        frame = orjson.loads(made.encode_cancel(ARRAY, SWAP, CLIENT_ID, TIME_MS))
        assert frame == {"id": frame["id"], "op": "cancel-order", "args": [{"instIdCode": 10459, "clOrdId": CLIENT_ID}]}
        assert frame["id"].startswith("X" + CLIENT_ID[1:])
        assert re.fullmatch(r"[A-Za-z0-9]{19,32}", frame["id"])
        seen.add(frame["id"])
    assert len(seen) == 200


def test_queries_go_over_rest() -> None:
    assert OkxOrderEncoder("spot").encode_query(ARRAY, SPOT, CLIENT_ID, TIME_MS) == b""


def test_a_client_id_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="18 letters and digits"):
        OkxOrderEncoder("spot").encode_cancel(ARRAY, SPOT, "arb-7", TIME_MS)


def test_encoding_allocates_nothing_but_its_result() -> None:
    """The Python surface makes one bytes object a frame; the nogil part is looked at in tests/hot."""
    made = OkxOrderEncoder("linear")
    place(made, SWAP)
    _, calls = alloc_count.count(place, made, SWAP)
    assert calls < 20
