"""Every documented error of Bybit has a class; what has none is never taken for a rejection (Bybit v5 documentation: error, enum)."""
from __future__ import annotations

import functools
import random

import pytest

from cext.decoders import order_errors as errors
from cext.decoders.bybit_errors import ERRORS, REASON
from cext.decoders.bybit_orders import BybitOrderDecoder
from tests.support.bybit_orders import bybit_table

classify = functools.partial(errors.classify, ERRORS)
ARRAY = bybit_table().to_array()
DECODERS = {market: BybitOrderDecoder(ARRAY, market) for market in ("spot", "linear")}

# class -> codes of the error table that mean it, whatever their text
CODES = {
    "BALANCE": (110004, 110006, 110007, 110012, 110014, 110044, 110045, 110051, 110052, 110053, 170131, 170033, 110090, 110021),
    "FILTER": (110003, 110120, 110121, 30208, 30209, 170132, 170133, 170134, 170192, 170193, 170194, 170371, 170372, 110094,
               170136,
               170137, 170140, 170124, 170148, 170381, 170382, 170341, 110020, 170810),
    "UNKNOWN_ORDER": (110001, 110008, 110010, 170213, 170143, 170139, 170142, 170190),
    # still processing, time-outs, and ids that were there before: what became of the order is to be asked
    "UNKNOWN_EXECUTION": (110079, 170035, 170212, 170144, 10000, 10016, 170007, 170146, 170147, 170310, 170032, 110072, 170141,
                          10014,
                          20006),
    "RETRY": (10019,),
    "RATE": (10006, 10429, 10403, 20003, 170005, 170222, 10018),
    "TIME": (10002, -1),
    "AUTH": (10003, 10004, 10005, 10007, 33004, 10010, 20001),
    "FATAL": (10009, 10024, 110132, 170209, 10027),
    "REJECT": (170218, 170217, 110103, 110017, 110023, 110042, 110025, 110026, 110043, 34040, 110066, 110074, 110063, 170151),
}
TEXTS = {
    "position idx not match position mode": "FATAL",
    "params error: Qty invalid": "FILTER",
    "Price invalid": "FILTER",
    "order not modified": "REJECT",
    "Request parameter error.": "REJECT",
    "The number of contracts exceeds maximum limit allowed: too large": "FILTER",
    "OrderLinkId is duplicated": "UNKNOWN_EXECUTION",
}
STATUSES = {(500, "<html>"): "UNKNOWN_EXECUTION", (502, ""): "UNKNOWN_EXECUTION", (503, "Service"): "UNKNOWN_EXECUTION",
            (504, "time-out"): "UNKNOWN_EXECUTION", (408, ""): "UNKNOWN_EXECUTION", (403, "access too frequent"): "RATE",
            (403, "The Amazon CloudFront distribution is configured to block access from your country."): "RATE",
            (429, ""): "RATE",
            (401, ""): "AUTH"}
REASONS = {"EC_PostOnlyWillTakeLiquidity": "REJECT", "EC_NoImmediateQtyToFill": "REJECT", "EC_CancelForNoFullFill": "REJECT",
           "EC_DuplicatedClOrdID": "UNKNOWN_EXECUTION", "EC_OrigClOrdIDDoesNotExist": "UNKNOWN_ORDER",
           "EC_InvalidPriceScale": "FILTER",
           "EC_Others": "REJECT"}
CASES = [*((0, code, "any text", name) for name, codes in CODES.items() for code in codes),
         *((0, 10001, text, name) for text, name in TEXTS.items()),
         *((status, 0, text, name) for (status, text), name in STATUSES.items()),
         *((0, REASON, word, name) for word, name in REASONS.items())]


@pytest.mark.parametrize("market", ["spot", "linear"])
@pytest.mark.parametrize(("status", "code", "message", "name"), CASES)
def test_every_documented_error(market: str, status: int, code: int, message: str, name: str) -> None:
    expected = errors.CLASS_NAMES.index(name)
    assert classify(market, status, code, message) == expected
    assert DECODERS[market].classify_error(status, code, message) == expected


def test_every_row_is_reached_by_a_case_of_this_file() -> None:
    def first(status: int, code: int, message: str) -> int:
        return next(number for number, row in enumerate(ERRORS)
                    if (row.status_min == errors.ANY or row.status_min <= status <= row.status_max)
                    and row.code in (errors.ANY, code) and row.text in message.lower())
    reached = {first(status, code, message) for status, code, message, _ in CASES}
    # the other words of rejectReason are of the same rows' kind
    left = [row for number, row in enumerate(ERRORS) if number not in reached and row.code != REASON]
    assert left == []


@pytest.mark.parametrize("code", [1, 110000, 110999, 170000, 179999, -9000, 10008])
def test_codes_that_nobody_knows_are_unmapped_and_counted(code: int) -> None:
    made = BybitOrderDecoder(ARRAY, "linear")
    assert made.classify_error(0, code, "something new") == errors.UNMAPPED == classify("linear", 0, code, "something new")
    assert made.unmapped_errors == 1


def test_no_answer_with_an_id_that_was_there_before_is_definite() -> None:
    """The first attempt may be the one that made the id a duplicate."""
    for code in (110072, 170141, 10014, 20006):
        assert classify("spot", 0, code, "Duplicate") not in errors.DEFINITE


def test_server_errors_stay_open_whatever_code_they_carry() -> None:
    for code in (10001, 110007, 10002, 170131, 0):
        assert classify("spot", 503, code, "x") == errors.UNKNOWN_EXECUTION


def test_decoder_and_table_agree_on_random_answers() -> None:
    seed = 20261120
    generator = random.Random(seed)
    codes = [row.code for row in ERRORS]
    texts = ["", "qty", "PRICE bad", "Position IDX not match position mode!", "EC_Others", "duplicate", "x" * 300]
    for _ in range(3000):
        market = generator.choice(("spot", "linear"))
        case = (generator.choice((0, 200, 400, 403, 429, 500, 503, 599)),
                generator.choice([*codes, generator.randrange(200_000)]),
                generator.choice(texts))
        assert DECODERS[market].classify_error(*case) == classify(market, *case), (seed, market, case)
