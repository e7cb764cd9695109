"""Order requests: what is encoded says exactly what was asked, in the venue's form, correctly signed."""
from __future__ import annotations

import hashlib
import hmac
import random
import re
from decimal import Decimal

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.encoders.binance import STP_MODES, BinanceOrderEncoder
from cext.instrument import InstrumentArray
from cext.sign import HmacSha256
from engine.events import OrderType, Side
from tests.support.order_rows import order_table

TABLE = order_table()
ARRAY = TABLE.to_array()
KEY, SECRET = "A" * 64, b"secret-of-the-test"
TIME_MS = 1_702_555_533_821
CLIENT_ID = encode_client_id(1, 5 << 32 | 9, 0)
SPOT, LINEAR, WHOLE = 0, 1, 4


def encoder(market: str, *, is_signed: bool = True, **options: object) -> BinanceOrderEncoder:
    return BinanceOrderEncoder(market, api_key=KEY if is_signed else "", hmac=HmacSha256(SECRET) if is_signed else None,
                        **options)  # type: ignore[arg-type]


def signature_of(raw: bytes) -> str:
    """The signature recomputed from the raw bytes as received (not from re-serialised JSON): values as they stand in the
    frame."""
    inside = re.search(rb'"params":\{(.*)\}\}$', raw).group(1).decode()  # type: ignore[union-attr]
    parts = dict(re.findall(r'"(\w+)":"?([^",]*)"?', inside))
    payload = "&".join(f"{name}={parts[name]}" for name in sorted(parts) if name != "signature")
    return hmac.new(SECRET, payload.encode(), hashlib.sha256).hexdigest()


def place(made: BinanceOrderEncoder, row: int, *, side: int = Side.BUY, order_type: int = OrderType.IOC, px: int = 4_318_700,
          qty: int = 100,
          reduce_only: bool = False, time_ms: int = TIME_MS, client_id: str = CLIENT_ID, array: InstrumentArray = ARRAY) -> bytes:
    return made.encode_place(array, row, client_id, side, order_type, px, qty, time_ms, reduce_only)


# ---------------------------------------------------------------- order.place

def test_spot_ioc_says_everything_explicitly() -> None:
    raw = place(encoder("spot", is_signed=False), SPOT)
    assert orjson.loads(raw) == {"id": CLIENT_ID, "method": "order.place", "params": {
        "newClientOrderId": CLIENT_ID, "newOrderRespType": "FULL", "price": "43187.00", "quantity": "0.00100", "recvWindow": 500,
        "selfTradePreventionMode": "EXPIRE_MAKER", "side": "BUY", "symbol": "BTCUSDT", "timeInForce": "IOC", "timestamp": TIME_MS,
        "type": "LIMIT"}}


def test_linear_reduce_only_with_signature_says_everything_explicitly() -> None:
    raw = place(encoder("linear", recv_window_ms=250, stp_mode="EXPIRE_BOTH"), LINEAR, side=Side.SELL, px=431_870,
                reduce_only=True)
    assert orjson.loads(raw) == {"id": CLIENT_ID, "method": "order.place", "params": {
        "apiKey": KEY, "newClientOrderId": CLIENT_ID, "newOrderRespType": "RESULT", "price": "43187.0", "quantity": "0.100",
        "recvWindow": 250,
        "reduceOnly": "true", "selfTradePreventionMode": "EXPIRE_BOTH", "side": "SELL", "symbol": "BTCUSDT", "timeInForce": "IOC",
        "timestamp": TIME_MS, "type": "LIMIT", "signature": signature_of(raw)}}


@pytest.mark.parametrize(("market", "order_type", "expected"), [
    ("spot", OrderType.IOC, ("LIMIT", "IOC")), ("spot", OrderType.FOK, ("LIMIT", "FOK")),
    ("spot", OrderType.GTC, ("LIMIT", "GTC")),
    ("spot", OrderType.POST_ONLY, ("LIMIT_MAKER", None)), ("linear", OrderType.IOC, ("LIMIT", "IOC")),
    ("linear", OrderType.FOK, ("LIMIT", "FOK")), ("linear", OrderType.GTC, ("LIMIT", "GTC")),
    ("linear", OrderType.POST_ONLY, ("LIMIT", "GTX"))])
def test_order_types_in_the_words_of_each_market(market: str, order_type: OrderType, expected: tuple[str, str | None]) -> None:
    raw = place(encoder(market), SPOT if market == "spot" else LINEAR, order_type=order_type, px=431_870)
    params = orjson.loads(raw)["params"]
    assert (params["type"], params.get("timeInForce")) == expected
    assert params["signature"] == signature_of(raw)


def test_position_side_is_left_out_in_one_way_mode() -> None:
    assert b"positionSide" not in place(encoder("linear"), LINEAR)


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_every_frame_is_the_exact_inverse_of_what_was_asked(market: str) -> None:
    seed = 20261120
    generator = random.Random(seed)
    rows = [row.id for row in TABLE.rows if row.market == market]
    for is_signed in (False, True):
        made = encoder(market, is_signed=is_signed)
        for number in range(3000):
            row = TABLE.rows[generator.choice(rows)]
            side, order_type = generator.randrange(2), generator.randrange(4)
            reduce_only = market == "linear" and generator.random() < 0.5
            px, qty = generator.randrange(1, 10 ** generator.randrange(1, 18)), generator.randrange(1,
                                                                                                    10 ** generator.randrange(1,
                                                                                                                              18))
            client_id = encode_client_id(generator.randrange(1 << 16), generator.randrange(1 << 64), generator.randrange(32))
            time_ms = TIME_MS + number
            raw = place(made, row.id, side=side, order_type=order_type, px=px, qty=qty, reduce_only=reduce_only, time_ms=time_ms,
                        client_id=client_id)
            frame = orjson.loads(raw)
            params = frame["params"]
            assert frame["id"] == params["newClientOrderId"] == client_id, f"seed {seed}"
            assert Decimal(params["price"]) == Decimal(px).scaleb(-row.px_scale)
            assert Decimal(params["quantity"]) == Decimal(qty).scaleb(-row.qty_scale)
            assert re.fullmatch(r"(0|[1-9]\d*)(\.\d+)?", params["price"]), params["price"]
            assert params["symbol"] == row.symbol
            assert params["side"] == ("BUY", "SELL")[side]
            assert params["timestamp"] == time_ms
            assert params.get("reduceOnly") == ("true" if reduce_only else None)
            assert list(params) == sorted(params, key=lambda name: (name == "signature", name))
            assert params.get("signature") == (signature_of(raw) if is_signed else None)


def test_largest_numbers_are_written_in_full() -> None:
    largest = (1 << 63) - 1
    params = orjson.loads(place(encoder("spot"), SPOT, px=largest, qty=largest))["params"]
    assert params["price"] == "92233720368547758.07"
    assert params["quantity"] == "92233720368547.75807"


def test_whole_sizes_have_no_point() -> None:
    params = orjson.loads(place(encoder("spot"), WHOLE, px=7, qty=12))["params"]
    assert params["quantity"] == "12"
    assert params["price"] == "0.00007"


@pytest.mark.parametrize("wrong", [{"px": 0}, {"px": -1}, {"qty": 0}, {"qty": -5}, {"side": 2}, {"order_type": 4},
                                   {"time_ms": 0}])
def test_legs_that_cannot_be_said_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="cannot say"):
        place(encoder("linear"), LINEAR, **wrong)  # type: ignore[arg-type]


def test_reduce_only_is_refused_on_spot_instead_of_dropped() -> None:
    with pytest.raises(ValueError, match="reduce-only"):
        place(encoder("spot"), SPOT, reduce_only=True)


@pytest.mark.parametrize(("options", "word"), [
    ({"market": "margin"}, "market"), ({"market": "linear", "stp_mode": "DECREMENT"}, "self-trade"),
    ({"market": "spot", "recv_window_ms": 0}, "window"),
    ({"market": "spot", "recv_window_ms": 60_001}, "window"),
    ({"market": "spot", "api_key": 'k"', "hmac": HmacSha256(b"s")}, "API key"),
    ({"market": "spot", "api_key": "k" * 129, "hmac": HmacSha256(b"s")}, "API key")])
def test_templates_that_make_no_sense_are_refused(options: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        BinanceOrderEncoder(**options)  # type: ignore[arg-type]


def test_every_self_trade_prevention_mode_is_sent_as_named() -> None:
    for market, modes in STP_MODES.items():
        for mode in modes:
            params = orjson.loads(place(encoder(market, stp_mode=mode), SPOT if market == "spot" else LINEAR))["params"]
            assert params["selfTradePreventionMode"] == mode


def test_secrets_are_not_in_the_encoder_s_words() -> None:
    assert SECRET.decode() not in repr(encoder("spot"))
    assert SECRET not in place(encoder("spot"), SPOT)


# ---------------------------------------------------------------- order.cancel, order.status

@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("market", ["spot", "linear"])
def test_cancel_and_query_carry_the_client_id_in_their_request_id(market: str, is_signed: bool) -> None:
    made = encoder(market, is_signed=is_signed)
    row = SPOT if market == "spot" else LINEAR
    for raw, method, mark in ((made.encode_cancel(ARRAY, row, CLIENT_ID, TIME_MS), "order.cancel", "X"),
                              (made.encode_query(ARRAY, row, CLIENT_ID, TIME_MS), "order.status", "Q")):
        frame = orjson.loads(raw)
        expected = {"origClientOrderId": CLIENT_ID, "recvWindow": 500, "symbol": "BTCUSDT", "timestamp": TIME_MS}
        if is_signed:
            expected |= {"apiKey": KEY, "signature": signature_of(raw)}
        assert frame == {"id": mark + CLIENT_ID[1:], "method": method, "params": expected}
