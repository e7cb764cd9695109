"""What every order decoder shares: ids as numbers, sizes, signs, whose rows are known, and how an error row speaks."""
from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.decoders.binance_orders import BinanceOrderDecoder
from cext.decoders.order_errors import BALANCE, BOTH, FILTER, LINEAR, UNKNOWN_ORDER, UNMAPPED, classify, row
from cext.decoders.orders import OrderDecoder, id64, negated, size_to_qty
from engine.event_codec import unpack_order_event
from engine.events import NO_INSTRUMENT, ErrorClass, OrderStatus, Source
from feeds.instruments import InstrumentTable
from tests.support.order_rows import order_row, order_table

TABLE = order_table()
ARRAY = TABLE.to_array()
OURS = encode_client_id(1, 5 << 32 | 9, 0)


def contracts_table(contract: str = "0.01", lot: str = "0.0001") -> InstrumentTable:
    """0: an instrument whose size the venue counts in contracts of `contract` base units."""
    return InstrumentTable([replace(order_row(0, "linear", "BTC", "0.1", lot), contract_size=Decimal(contract))])


# ---------------------------------------------------------------- ids

def test_id_of_text_is_positive_fits_63_bits_and_never_changes() -> None:
    """Ids stand in journals: another value would be another order."""
    def plainly(text: str) -> int:
        mask, h = (1 << 64) - 1, 0xcbf29ce484222325
        for c in text.encode():
            h = (h ^ c) * 0x100000001b3 & mask
        h = (h ^ h >> 33) * 0xff51afd7ed558ccd & mask
        h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53 & mask
        return (h ^ h >> 33) & (1 << 63) - 1 or 1
    uuid = "a4c1718e-fe53-4659-a118-1f6ecce04ad9"
    assert id64(uuid) == 3294549569332982666
    for number in range(2000):
        assert 0 < id64(f"{uuid}{number}") == plainly(f"{uuid}{number}") < 1 << 63


def test_ids_of_like_texts_are_far_apart() -> None:
    made = {id64(f"{number:036d}") for number in range(200_000)}
    assert len(made) == 200_000
    assert abs(sum(one >> 62 & 1 for one in made) / 200_000 - 0.5) < 0.01


def test_empty_id_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        id64("")


# ---------------------------------------------------------------- sizes and signs

@pytest.mark.parametrize(("text", "qty"), [("1", 100), ("0.01", 1), ("12.5", 1250), ("0", 0)])
def test_contracts_become_base_units_exactly(text: str, qty: int) -> None:
    array = contracts_table().to_array()  # one contract = 0.01 BTC, steps of 0.01 contract = 0.0001 BTC
    assert size_to_qty(text, array, 0) == qty


@pytest.mark.parametrize("text", ["", "-1", "1e3", "0.00001", "9223372036854775807", "1.2.3"])
def test_sizes_that_are_not_exact_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="BTC/USDT:USDT.*is no unsigned decimal"):
        size_to_qty(text, contracts_table().to_array(), 0)


@pytest.mark.parametrize(("text", "other"), [("-0.02522168", "0.02522168"), ("0.1", "-0.1"), ("0", "0"), ("0.00", "0.00"),
                                             ("-0", "0")])
def test_fee_signs_are_turned_exactly(text: str, other: str) -> None:
    assert negated(text) == other


@pytest.mark.parametrize("text", ["", "-", "--1", "1x", "1.2.3", "0" * 32])
def test_what_is_no_decimal_is_not_turned(text: str) -> None:
    with pytest.raises(ValueError, match="no decimal"):
        negated(text)


# ---------------------------------------------------------------- whose rows

def test_same_symbol_on_two_venues_is_told_apart() -> None:
    first = order_row(0, "spot", "BTC", "0.01", "0.00001")
    array = InstrumentTable([first, replace(first, id=1, venue="binanceus", name="binanceus:BTC/USDT")]).to_array()
    frame = orjson.dumps({"e": "executionReport", "s": "BTCUSDT", "c": OURS, "x": "NEW", "X": "NEW", "z": "0", "i": 1, "T": 1})
    for venue, instrument in (("binance", 0), ("binanceus", 1)):
        _, [event] = BinanceOrderDecoder(array, "spot", venue).decode_frame(frame)
        assert unpack_order_event(event).instrument_id == instrument
    nobody = BinanceOrderDecoder(array, "spot", "elsewhere")
    assert (nobody.decode_frame(frame)[0], nobody.unknown_symbols) == ("nothing", 1)


def test_base_understands_nothing_and_says_so() -> None:
    base = OrderDecoder(ARRAY, "spot", "binance")
    assert base.decode_frame(b"{}") == ("error", [])
    [event] = [unpack_order_event(raw) for raw in base.decode_rest(200, b"{}", OURS, "place")]
    assert (event.client_id, event.status, event.error_class) == (OURS, OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)
    assert base.malformed == 2


def test_market_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="market 'margin'"):
        OrderDecoder(ARRAY, "margin", "binance")


# ---------------------------------------------------------------- request ids

@pytest.mark.parametrize("counter", ["", "0", "7", "184467440737"])
def test_first_eighteen_characters_say_what_a_reply_answers(counter: str) -> None:
    made = BinanceOrderDecoder(ARRAY, "spot")
    for mark, source in (("L", Source.REPLY), ("X", Source.REPLY), ("Q", Source.QUERY)):
        frame = {"id": mark + OURS[1:] + counter, "status": 400, "error": {"code": -2010, "msg": "Market is closed."}}
        kind, [raw] = made.decode_frame(orjson.dumps(frame))
        event = unpack_order_event(raw)
        assert (kind, event.client_id, event.source) == ("orders", OURS, source)


def test_shorter_ids_are_of_cold_code() -> None:
    frame = {"id": OURS[:17], "status": 200, "result": {}}
    assert BinanceOrderDecoder(ARRAY, "spot").decode_frame(orjson.dumps(frame))[0] == "reply"


# ---------------------------------------------------------------- error rows

ROWS = (row(BOTH, 200, "51008", "", BALANCE, "spot balance", sub_code="1000"),
        row(LINEAR, 200, "51008", "", FILTER, "whatever else it is"),
        row(BOTH, 200, 51603, "", UNKNOWN_ORDER, "no such order", is_absent=True),
        row(BOTH, 200, 51400, "", UNKNOWN_ORDER, "cancel failed"))


@pytest.mark.parametrize(("market", "code", "sub_code", "expected"), [
    ("spot", 51008, 1000, BALANCE), ("spot", 51008, 7, UNMAPPED), ("linear", 51008, 7, FILTER), ("spot", 51009, 1000, UNMAPPED)])
def test_codes_as_text_and_sub_codes(market: str, code: int, sub_code: int, expected: int) -> None:
    made = OrderDecoder(ARRAY, market, "binance", ROWS)
    assert made.classify_error(200, code, "Insufficient", sub_code) == expected
    assert classify(ROWS, market, 200, code, "Insufficient", sub_code) == expected


def test_row_that_could_not_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="61 bytes"):
        row(BOTH, 200, 1, "x" * 61, FILTER, "")
    with pytest.raises(ValueError, match="invalid literal"):
        row(BOTH, 200, "EOrder", "", FILTER, "")


def test_only_a_row_that_says_absent_makes_a_query_not_found() -> None:
    made = BinanceOrderDecoder(ARRAY, "spot")
    for code, message, status in ((-2013, "Order does not exist.", OrderStatus.NOT_FOUND),
                                  (-2011, "Unknown order sent.", OrderStatus.NONE)):
        [raw] = made.decode_rest(400, orjson.dumps({"code": code, "msg": message}), OURS, "query")
        event = unpack_order_event(raw)
        assert (event.status, event.error_class, event.instrument_id) == (status, ErrorClass.UNKNOWN_ORDER, NO_INSTRUMENT)
        [raw] = made.decode_rest(400, orjson.dumps({"code": code, "msg": message}), OURS, "cancel")
        assert unpack_order_event(raw).status == OrderStatus.NONE
