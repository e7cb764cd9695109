"""What every order encoder shares: sizes written exactly or refused, and nothing that leaks or is sent by accident."""
from __future__ import annotations

import copy
import pickle
import random
from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.decoders.orders import size_to_qty
from cext.encoders.binance import BinanceOrderEncoder
from cext.encoders.encoder import OrderEncoder, size_text
from cext.sign import HmacSha256
from feeds.instruments import InstrumentTable
from tests.support.order_rows import order_row, order_table

ARRAY = order_table().to_array()
OURS = encode_client_id(1, 5 << 32 | 9, 0)
TIME_MS = 1_702_555_533_821


def contracts(contract: str, lot: str) -> InstrumentTable:
    return InstrumentTable([replace(order_row(0, "linear", "BTC", "0.1", lot), contract_size=Decimal(contract))])


def test_size_in_contracts_is_the_inverse_of_reading_it() -> None:
    generator = random.Random(20261126)
    for contract, lot in (("0.01", "0.0001"), ("0.1", "0.001"), ("1", "0.01"), ("10", "1"), ("1000", "10")):
        array = contracts(contract, lot).to_array()
        for _ in range(500):
            steps = generator.randrange(1, 10 ** generator.randrange(1, 9))
            size = Decimal(steps) * Decimal(lot) / Decimal(contract)
            qty = size_to_qty(format(size, "f"), array, 0)
            assert Decimal(qty).scaleb(-array.row(0)["qty_scale"]) == steps * Decimal(lot)
            assert Decimal(size_text(array, 0, qty)) == size


def test_size_that_the_venue_cannot_say_is_refused_and_not_rounded() -> None:
    table = contracts("10", "1")
    array = table.to_array()
    mul = array.row(0)["contract_qty"]
    assert size_text(array, 0, 3 * mul // 10) == "0.3"
    finer = contracts("0.03", "0.03").to_array()  # one contract = 3 units of 0.01
    assert size_text(finer, 0, 6) == "2"
    with pytest.raises(ValueError, match="quantity 7 is no multiple of 3"):
        size_text(finer, 0, 7)
    made = BinanceOrderEncoder("linear")
    assert orjson.loads(made.encode_place(finer, 0, OURS, 0, 0, 100, 6, TIME_MS))["params"]["quantity"] == "2"
    with pytest.raises(ValueError, match="cannot say"):
        made.encode_place(finer, 0, OURS, 0, 0, 100, 7, TIME_MS)


@pytest.mark.parametrize("qty", [0, -1, 1 << 63])
def test_quantity_that_is_none_is_refused(qty: int) -> None:
    with pytest.raises(ValueError, match="not positive"):
        size_text(ARRAY, 0, qty)


def test_base_refuses_every_leg_and_has_no_requests() -> None:
    base = OrderEncoder("binance", "spot")
    with pytest.raises(ValueError, match="binance encoder: spot cannot say"):
        base.encode_place(ARRAY, 0, OURS, 0, 0, 100, 5, TIME_MS)
    assert base.encode_cancel(ARRAY, 0, OURS, TIME_MS) == b""
    assert base.encode_query(ARRAY, 0, OURS, TIME_MS) == b""
    with pytest.raises(ValueError, match="18 letters and digits"):
        base.encode_cancel(ARRAY, 0, "short", TIME_MS)
    with pytest.raises(IndexError, match="row 99"):
        base.encode_cancel(ARRAY, 99, OURS, TIME_MS)
    with pytest.raises(ValueError, match="market 'margin'"):
        OrderEncoder("binance", "margin")


def test_encoder_is_neither_pickled_nor_copied() -> None:
    made = BinanceOrderEncoder("spot", api_key="k" * 64, hmac=HmacSha256(b"secret"))
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="BinanceOrderEncoder holds a key"):
            leak(made)
