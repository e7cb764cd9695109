"""Every documented error of Binance has a class; what has none is never taken for a rejection (venues/binance.md A11, B8)."""
from __future__ import annotations

import functools
import random

import pytest

from cext.decoders import order_errors as errors
from cext.decoders.binance_errors import ERRORS
from cext.decoders.binance_orders import BinanceOrderDecoder
from engine.events import ErrorClass
from tests.support.order_rows import order_table

classify = functools.partial(errors.classify, ERRORS)
DECODERS = {market: BinanceOrderDecoder(order_table().to_array(), market)
            for market in ("spot", "linear")}  # type: ignore[arg-type]

# (market, status, code, message) -> class; one line a code of the two tables
SPOT = {
    (400, -2010, "Account has insufficient balance for requested action."): "BALANCE",
    (400, -2010, "Order would immediately match and take."): "REJECT",
    (400, -2010, "Duplicate order sent."): "UNKNOWN_EXECUTION",
    (400, -2010, "Market is closed."): "REJECT",
    (400, -2010, "This symbol is not permitted for this account."): "FATAL",
    (400, -2010, "This action is disabled on this account."): "FATAL",
    (400, -2010, "This account may not place or cancel orders."): "FATAL",
    **{(400, -1013, f"Filter failure: {name}"): "FILTER" for name in (
        "PRICE_FILTER", "PERCENT_PRICE_BY_SIDE", "LOT_SIZE", "MARKET_LOT_SIZE", "NOTIONAL", "MIN_NOTIONAL", "MAX_POSITION",
        "MAX_NUM_ORDERS",
        "ICEBERG_PARTS", "MAX_NUM_ORDER_AMENDS")},
    (400, -1111, "Parameter 'price' has too much precision."): "FILTER",
    (400, -2011, "Unknown order sent."): "UNKNOWN_ORDER",
    (400, -2011, "Order was not canceled due to cancel restrictions."): "UNKNOWN_ORDER",
    (400, -2013, "Order does not exist."): "UNKNOWN_ORDER",
    (400, -2026, "Order was canceled or expired with no executed qty over 90 days ago and has been archived."): "UNKNOWN_ORDER",
    (400, -2039, "Client order ID is not correct for this order ID."): "UNKNOWN_ORDER",
    (500, 0, ""): "UNKNOWN_EXECUTION",
    (502, -1000, "whatever"): "UNKNOWN_EXECUTION",
    (503, -1001, "Internal error; unable to process your request. Please try again."): "UNKNOWN_EXECUTION",
    (504, -1007, "Timeout waiting for response from backend server."): "UNKNOWN_EXECUTION",
    (400, -1007, "Timeout waiting for response from backend server."): "UNKNOWN_EXECUTION",
    (400, -1006, "An unexpected response was received from the message bus."): "UNKNOWN_EXECUTION",
    (400, -1000, "An unknown error occurred while processing the request."): "UNKNOWN_EXECUTION",
    (408, 0, ""): "UNKNOWN_EXECUTION",
    (400, -1001, "Internal error; unable to process your request. Please try again."): "RETRY",
    (503, -1008, "Spot server is currently overloaded with other requests. Please try again in a few minutes."): "RETRY",
    (400, -1016, "This service is no longer available."): "RETRY",
    (429, -1003, "Too much request weight used."): "RATE",
    (429, -1015, "Too many new orders."): "RATE",
    (418, -1003, "Way too many requests; IP banned until 1655969291181."): "RATE",
    (403, 0, "<html>"): "RATE",
    (400, -1034, "Too many requests or connections"): "RATE",
    (400, -1021, "Timestamp for this request is outside of the recvWindow."): "TIME",
    (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."): "TIME",
    (400, -1022, "Signature for this request is not valid."): "AUTH",
    (401, -2015, "Invalid API-key, IP, or permissions for action."): "AUTH",
    (400, -2014, "API-key format invalid."): "AUTH",
    (401, -1002, "You are not authorized to execute this request."): "AUTH",
    (400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."): "REJECT",
    (400, -1121, "Invalid symbol."): "REJECT",
    (400, -1135, "Invalid JSON Request"): "REJECT",
    (409, -2021, "Order cancel-replace partially failed."): "UNKNOWN_EXECUTION",
    (400, -2022, "Order cancel-replace failed."): "REJECT",
    (400, -2038, "Order amend rejected."): "REJECT",
    (400, -2043, "This symbol does not have a reference price."): "RETRY",
}
LINEAR = {
    **{(400, code, "any text"): "BALANCE" for code in (-2019, -2018, -4050, -4051, -2027, -2028)},
    (400, -5022, "Due to the order could not be executed as maker, the Post Only order will be rejected."): "REJECT",
    (400, -5021, "Due to the order could not be filled immediately, the FOK order has been rejected."): "REJECT",
    (400, -5041, "no depth matches this BBO order"): "REJECT",
    (400, -2022, "ReduceOnly Order is rejected."): "REJECT",
    (400, -4118, "ReduceOnly Order Failed. Please check your existing position and open orders"): "REJECT",
    **{(400, code, "reduce-only mode"): "FATAL" for code in (-4087, -4105, -4106, -4107, -4189, -4400, -4401)},
    (400, -4116, "ClientOrderId is duplicated."): "UNKNOWN_EXECUTION",
    (400, -4015, "Client order id length should not be more than 36 chars"): "REJECT",
    (400, -2011, "Unknown order sent."): "UNKNOWN_ORDER",
    (400, -2012, "Batch cancel failure."): "UNKNOWN_ORDER",
    (400, -2013, "Order does not exist."): "UNKNOWN_ORDER",
    **{(400, code, "price"): "FILTER" for code in (-4001, -4002, -4013, -4014, -4016, -4024, -4131)},
    **{(400, code, "size"): "FILTER" for code in (-4003, -4004, -4005, -4023, -4164, -1111)},
    (400, -2025, "Reach max open order limit."): "FILTER",
    (400, -4045, "Reach max stop order limit."): "FILTER",
    (400, -4061, "Order's position side does not match user's setting."): "FATAL",
    (400, -4062, "Invalid or improper reduceOnly value."): "FATAL",
    (503, 0, "Unknown error, please check your request or try again later."): "UNKNOWN_EXECUTION",
    (503, 0, "Service Unavailable."): "RETRY",
    (503, 0, "Internal error; unable to process your request. Please try again."): "RETRY",
    (503, -1001, "Internal error; unable to process your request. Please try again."): "RETRY",
    (
        503,
        -1008,
        "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.",
    ): "RETRY",
    (503, 0, "Request throttled by system-level protection."): "RETRY",
    (503, 0, ""): "UNKNOWN_EXECUTION",
    (504, 0, "<html>Gateway Time-out</html>"): "UNKNOWN_EXECUTION",
    (
        408,
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    ): "UNKNOWN_EXECUTION",
    (400, -1006, "An unexpected response was received from the message bus. Execution status unknown."): "UNKNOWN_EXECUTION",
    (429, -1003, "Too many requests"): "RATE",
    (400, -1015, "Too many new orders."): "RATE",
    (418, 0, ""): "RATE",
    (400, -1021, "Timestamp for this request is outside of the recvWindow."): "TIME",
    (400, -5028, "Timestamp for this request is outside of the ME recvWindow."): "TIME",
    **{(401, code, "key"): "AUTH" for code in (-1022, -2014, -2015, -2017)},
    (400, -1125, "This listenKey does not exist."): "AUTH",
    (400, -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."): "REJECT",
    (400, -2023, "User in liquidation mode now."): "FATAL",
    **{(400, code, "no change"): "REJECT" for code in (-4046, -4059, -4171, -5027)},
    (400, -4531, "account mode is being synchronised"): "RETRY",
    (400, -5043, "A pending modification already exists for this order."): "RETRY",
    (400, -1102, "Mandatory parameter 'quantity' was not sent."): "REJECT",
    (400, -1121, "Invalid symbol."): "REJECT",
}
CASES = [("spot", *case, name) for case, name in SPOT.items()] + [("linear", *case, name) for case, name in LINEAR.items()]


@pytest.mark.parametrize(("market", "status", "code", "message", "name"), CASES)
def test_every_documented_error_has_its_class(market: str, status: int, code: int, message: str, name: str) -> None:
    expected = errors.CLASS_NAMES.index(name)
    assert classify(market, status, code, message) == expected
    assert DECODERS[market].classify_error(status, code, message) == expected


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_bad_requests_are_definite(market: str) -> None:
    for code in range(-1130, -1099):
        assert classify(market, 400, code, "") in errors.DEFINITE


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_codes_nobody_documented_are_unmapped(market: str) -> None:
    for code in (-9999, -3000, -2100, 1, 7):
        assert classify(market, 400, code, "A new reason.") == errors.UNMAPPED
    assert classify("spot", 400, -2010, "A text nobody has seen.") == errors.UNMAPPED


def test_server_errors_are_definite_only_by_name() -> None:
    """Any 5xx: unknown, unless the code or text is on the list."""
    for market in ("spot", "linear"):
        for status in (500, 502, 503, 504, 520, 599):
            for code in range(-9999, 0, 7):
                made = classify(market, status, code, "")
                assert made == errors.UNKNOWN_EXECUTION or code in (-1008, -1016), (market, status, code)


def test_nogil_search_equals_its_plain_twin() -> None:
    seed = 8
    generator = random.Random(seed)
    texts = ["", "FILTER FAILURE: lot_size", *(case[2] for case in (*SPOT, *LINEAR)),
             *(row.text.upper() for row in ERRORS)]
    codes = [0, *{row.code for row in ERRORS}, -7777]
    for _ in range(20_000):
        market, status = generator.choice(("spot", "linear")), generator.choice((0, 200, 400, 401, 403, 408, 409, 418, 429, 500,
                                                                                 503, 599, 600))
        code, text = generator.choice(codes), generator.choice(texts)
        assert DECODERS[market].classify_error(status, code, text) == classify(market, status, code, text), (seed, market,
                                                                                                                    status, code,
                                                                                                                    text)


def test_class_numbers_are_those_of_the_shared_layout() -> None:
    assert {name: number for number, name in enumerate(errors.CLASS_NAMES)} == {member.name: member.value
                                                                                for member in ErrorClass}


def test_no_row_is_hidden_behind_an_earlier_one() -> None:
    """A row that can never be reached is a mistake: each is asked with its own code, lowest status and text."""
    for number, row in enumerate(ERRORS):
        market = "spot" if row.market == errors.SPOT else "linear"
        status = row.status_min or 400
        first = next(i for i, other in enumerate(ERRORS)
                     if other.market in (errors.BOTH, errors.SPOT if market == "spot" else errors.LINEAR)
                     and (other.status_min == 0 or other.status_min <= status <= other.status_max) and other.code in (0, row.code)
                     and other.text in row.text)
        assert first == number or ERRORS[first].error_class == row.error_class, row
