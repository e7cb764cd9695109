"""Every documented error of OKX has a class; what has none is never taken for a rejection (OKX v5 documentation: error codes)."""
from __future__ import annotations

import functools
import random

import pytest

from cext.decoders import order_errors as errors
from cext.decoders.okx_errors import ERRORS
from cext.decoders.okx_orders import OkxOrderDecoder
from tests.support.okx_orders import okx_table

classify = functools.partial(errors.classify, ERRORS)
ARRAY = okx_table().to_array()
DECODERS = {market: OkxOrderDecoder(ARRAY, market) for market in ("spot", "linear")}

# class -> codes of the error tables that mean it, whatever their text
CODES = {
    "BALANCE": (51008, 51127, 51131, 51119, 51502, *range(54024, 54029), 51004, 51105, 51106, 51107, 51129, 51187, 54030, 54031),
    "FILTER": (51006, 51031, 51116, 51122, 51135, 51136, 51137, 51138, 51020, 51120, 51121, 51150, 51005, 51101, 51201, 51202,
               51203, 51185, 51204, 51102, 51103, 51174, 51025),
    "UNKNOWN_ORDER": (51400, 51503, 51603, 51063, 51410, 51509, 51510),
    # time-outs, an unavailable or busy venue, and ids that were there before: what became of the order is to be asked
    "UNKNOWN_EXECUTION": (50001, 50004, 50013, 50026, 51054, 51149, 51412, 64007, 63999, 51016, 51011, 50071),
    "RETRY": (51030, 54049),
    "RATE": (50011, 50061, 60014, 51513),
    "TIME": (50102, 50112, 50036, 50037, 60004, 60006),
    "AUTH": (50101, 50103, 50104, 50105, 50106, 50107, 50110, 50111, 50113, 50114, 50119, 50120, 60005, 60007, 60009, 60011,
             60024),
    "FATAL": (50100, 51009, 51010, 51024, 51037, 51155, 51734),
    "REJECT": (51511, 51169, 51170, 51148, 51206, 51171, 51205, 51112, 51023, 51133, 51139, 51521, 51522, 51001, 51015, 51021,
               51022, 51027, 51028, 51029, 51087, 54012, 54072, 54036, *range(54039, 54049), 60012, 60013, 60018,
               60019, 64003, 64004, 50014, 51000),
}
SUB_CODES = [(51008, sub_code, "BALANCE") for sub_code in (*range(1000, 1010), *range(1015, 1021))]
TEXTS = {"Parameter px error": "FILTER", "Parameter sz  error": "FILTER", "Parameter clOrdId error": "REJECT"}
STATUSES = {(500, 0, "<html>"): "UNKNOWN_EXECUTION", (503, 50001, "Service temporarily unavailable"): "UNKNOWN_EXECUTION",
            (500, 51008, "a body that means something else"): "UNKNOWN_EXECUTION", (504, 0, ""): "UNKNOWN_EXECUTION",
            (408, 0, ""): "UNKNOWN_EXECUTION", (429, 50011, ""): "RATE", (429, 50013, "Systems are busy"): "UNKNOWN_EXECUTION",
            (429, 0, "<html>"): "RATE", (401, 0, ""): "AUTH", (401, 50111, "Invalid OK-ACCESS-KEY"): "AUTH",
            (400, 51008, ""): "BALANCE"}
CASES = [*((0, code, 0, "any text", name) for name, codes in CODES.items() for code in codes),
         *((200, code, sub_code, "any text", name) for code, sub_code, name in SUB_CODES),
         *((0, 51000, 0, text, name) for text, name in TEXTS.items()),
         *((status, code, 0, text, name) for (status, code, text), name in STATUSES.items())]


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_every_documented_error(market: str) -> None:
    for status, code, sub_code, message, name in CASES:
        expected = errors.CLASS_NAMES.index(name)
        assert classify(market, status, code, message, sub_code) == expected, (status, code, sub_code, message)
        assert DECODERS[market].classify_error(status, code, message, sub_code) == expected, (status, code, sub_code, message)


def test_every_row_is_reached_by_a_case_of_this_file() -> None:
    def first(status: int, code: int, sub_code: int, message: str) -> int:
        return next(number for number, row in enumerate(ERRORS)
                    if (row.status_min == errors.ANY or row.status_min <= status <= row.status_max)
                    and row.code in (errors.ANY, code) and row.sub_code in (errors.ANY, sub_code) and row.text in message.lower())
    reached = {first(*case[:4]) for case in CASES}
    assert [row for number, row in enumerate(ERRORS) if number not in reached] == []


def test_only_an_absent_order_is_a_vote_for_absence() -> None:
    assert [row.code for row in ERRORS if row.is_absent] == [51603]


@pytest.mark.parametrize("code", [1, 2, 50000, 51999, 54999, 59999, 70000])
def test_codes_that_nobody_knows_are_unmapped_and_counted(code: int) -> None:
    made = OkxOrderDecoder(ARRAY, "linear")
    assert made.classify_error(0, code, "news", 0) == errors.UNMAPPED == classify("linear", 0, code, "news")
    assert made.unmapped_errors == 1


def test_both_searches_agree_on_anything() -> None:
    seed = 51008
    generator = random.Random(seed)
    codes = [0, *{row.code for row in ERRORS}]
    for _ in range(3000):
        market = generator.choice(["spot", "linear"])
        case = (generator.choice([0, 200, 400, 401, 408, 429, 500, 503, 600]), generator.choice(codes)
                + generator.choice([0, 0, 0, 1]),
                generator.choice(["", "Parameter px error", "Parameter SZ", "x"]), generator.choice([0, 1000, 1020, 1100]))
        assert classify(market, *case) == DECODERS[market].classify_error(*case), f"seed {seed}: {case}"
