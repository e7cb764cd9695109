"""Replies and private topics of Bybit -> order events: documented examples, every byte cut, garbage, and what must never be
concluded."""
from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.decoders.bybit_orders import BybitOrderDecoder
from cext.decoders.orders import id64
from engine.event_codec import unpack_order_event
from engine.events import NO_INSTRUMENT, ErrorClass, EventFlag, OrderEvent, OrderStatus, Source
from tests.support.bybit_orders import (
    EXEC_ID,
    LINEAR,
    ORDER_ID,
    PERP,
    SPOT,
    ack,
    bybit_table,
    envelope,
    execution_told,
    listed,
    order_told,
    refusal,
    topic,
)

ARRAY = bybit_table().to_array()
OURS = encode_client_id(1, 5 << 32 | 9, 0)
CANCEL, QUERY = "X" + OURS[1:], "Q" + OURS[1:]


def decoder(market: str = "linear") -> BybitOrderDecoder:
    return BybitOrderDecoder(ARRAY, market)


def decode(frame: object, market: str = "linear", *, made: BybitOrderDecoder | None = None) -> tuple[str, list[OrderEvent]]:
    data = frame if isinstance(frame, bytes) else orjson.dumps(frame)
    kind, events = (made or decoder(market)).decode_frame(data, 77)
    return kind, [unpack_order_event(event) for event in events]


def answered(body: object, answers: str, status: int = 200, market: str = "linear") -> OrderEvent:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    [event] = [unpack_order_event(raw) for raw in decoder(market).decode_rest(status, data, OURS, answers, 77)]
    return event


def order(**changes: Any) -> OrderEvent:
    """The event of one row of the order topic about our order."""
    kind, [event] = decode(topic("order.linear", order_told(OURS, **changes)))
    assert kind == "orders"
    return event


# ---------------------------------------------------------------- replies of the order socket

def test_ack_is_new_and_no_outcome() -> None:
    made = decoder()
    assert decode(ack(OURS, OURS), made=made) == ("orders", [OrderEvent(
        OURS, NO_INSTRUMENT, Source.REPLY, OrderStatus.NEW, id64(ORDER_ID), exch_ns=1711001595209_000_000, recv_mono_ns=77)])
    assert (made.limit_total, made.limit_left, made.limit_reset_ms) == (10, 9, 1711001595208)
    assert made.last_reply() == (0, 0)


def test_ack_of_a_cancel_says_nothing_about_the_order() -> None:
    _, [event] = decode(ack(CANCEL + "17", OURS, "order.cancel"))
    assert (event.client_id, event.status, event.flags, event.error_class) == (OURS, OrderStatus.NONE, EventFlag.CANCEL_REPLY,
                                                                               ErrorClass.NONE)


@pytest.mark.parametrize(("code", "text", "status", "error_class"), [
    (110007, "ab not enough for new order", OrderStatus.REJECTED, ErrorClass.BALANCE),
    (110094, "Order does not meet minimum order value 5USDT", OrderStatus.REJECTED, ErrorClass.FILTER),
    (10019, "ws trade service is restarting", OrderStatus.REJECTED, ErrorClass.RETRY),
    (110072, "OrderLinkedID is duplicate", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION),
    (10016, "Server error.", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION),
    (10000, "Server Timeout", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION),
    (987654, "news", OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)])
def test_refusals_of_a_place(code: int, text: str, status: OrderStatus, error_class: ErrorClass) -> None:
    _, [event] = decode(refusal(OURS, code, text))
    assert (event.client_id, event.status, event.error_class, event.venue_code, event.message) == (OURS, status, error_class,
                                                                                                   code,
                                                                                                 text)


@pytest.mark.parametrize("code", [110001, 110008, 110010, 170213, 10016])
def test_refused_cancel_says_nothing_about_the_order(code: int) -> None:
    _, [event] = decode(refusal(CANCEL + "3", code, "order not exists or too late to cancel", "order.cancel"))
    assert (event.client_id, event.status, event.flags) == (OURS, OrderStatus.NONE, EventFlag.CANCEL_REPLY)
    assert event.error_class in (ErrorClass.UNKNOWN_ORDER, ErrorClass.UNKNOWN_EXECUTION)


@pytest.mark.parametrize("code", [10006, 10429, 10403, 20003])
def test_rate_answers_ask_for_a_stop_until_the_reset(code: int) -> None:
    made = decoder()
    _, [event] = decode(refusal(OURS, code, "Too many visits!"), made=made)
    assert (event.status, event.error_class, made.last_reply(), made.limit_left) == (
        OrderStatus.REJECTED, ErrorClass.RATE, (429, 1711001595208), 0)
    for header in ({}, None):   # the reset of an earlier reply says nothing about this one
        decode({**refusal(OURS, code, "Too many visits!"), "header": header}, made=made)
        assert made.last_reply() == (429, 0)
    decode(ack(OURS, OURS), made=made)
    assert made.last_reply() == (0, 0)


@pytest.mark.parametrize("data", [{}, {"orderId": "", "orderLinkId": OURS}, {"orderId": ORDER_ID, "orderLinkId": "other"}, [],
                                  None, 7])
def test_ack_that_is_about_something_else_is_unknown(data: object) -> None:
    made = decoder()
    _, [event] = decode({**ack(OURS, OURS), "data": data}, made=made)
    assert (event.client_id, event.status, event.error_class, made.malformed) == (OURS, OrderStatus.UNKNOWN,
                                                                                  ErrorClass.UNMAPPED, 1)


@pytest.mark.parametrize("code", ["x", None, 1.5, {}])
def test_reply_without_a_code_is_unknown(code: object) -> None:
    _, [event] = decode({**ack(OURS, OURS), "retCode": code})
    assert (event.status, event.error_class) == (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)


def test_other_replies_are_cold_codes_and_pongs_are_nothing() -> None:
    for frame in ({"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"}, {"retCode": 0, "retMsg": "OK", "op": "auth"},
                  {"success": True, "ret_msg": "", "req_id": "subscribe", "op": "subscribe"},
                  {"reqId": "", "retCode": 10001, "retMsg": "bad", "op": "", "data": {}}):
        assert decode(frame) == ("reply", [])
    for frame in ({"req_id": "test", "op": "pong", "args": ["1675418560633"], "conn_id": "c"},
                  {"retCode": 0, "retMsg": "OK", "op": "pong", "data": ["1711002002529"], "connId": "c"},
                  {"success": True, "ret_msg": "pong", "conn_id": "c", "req_id": "", "op": "ping"}):
        assert decode(frame) == ("nothing", [])


# ---------------------------------------------------------------- order topic

def test_order_topic_row() -> None:
    _, events = decode(topic("order.linear", order_told(OURS, orderStatus="Filled", cumExecQty="1", cumExecValue="75")))
    assert events == [OrderEvent(OURS, LINEAR, Source.STREAM, OrderStatus.FILLED, id64(ORDER_ID), exch_ns=1672364262457_000_000,
                                 recv_mono_ns=77, cum_qty=1000, cum_quote=Decimal(75))]


@pytest.mark.parametrize(("word", "status"), [
    ("New", OrderStatus.NEW), ("PartiallyFilled", OrderStatus.PARTIAL), ("Filled", OrderStatus.FILLED),
    ("Cancelled", OrderStatus.CANCELED), ("PartiallyFilledCanceled", OrderStatus.CANCELED), ("Rejected", OrderStatus.REJECTED),
    ("Untriggered", OrderStatus.NEW), ("Triggered", OrderStatus.NEW), ("Deactivated", OrderStatus.CANCELED)])
def test_every_status_word(word: str, status: OrderStatus) -> None:
    assert order(orderStatus=word).status == status
    told = answered(listed(order_told(OURS, orderStatus=word)), "query")
    assert (told.status, told.source, told.error_class) == (status, Source.QUERY, ErrorClass.NONE)


def test_status_word_that_nobody_knows_is_unknown_and_counted() -> None:
    made = decoder()
    _, [event] = decode(topic("order", order_told(OURS, orderStatus="Frozen")), made=made)
    assert (event.status, event.error_class, event.message, made.unmapped_statuses) == (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED,
                                                                                       "Frozen", 1)


def test_end_with_a_part_executed_keeps_the_quantity() -> None:
    event = order(orderStatus="Cancelled", cumExecQty="0.4", cumExecValue="30", rejectReason="EC_NoImmediateQtyToFill")
    assert (event.status, event.cum_qty, event.cum_quote, event.message) == (OrderStatus.EXPIRED, 400, Decimal(30),
                                                                             "EC_NoImmediateQtyToFill")
    event = order(orderStatus="Cancelled", cumExecQty="0.4", cancelType="CancelBySmp")
    assert (event.status, event.message) == (OrderStatus.CANCELED, "CancelBySmp")


@pytest.mark.parametrize("word", ["Cancelled", "Rejected"])
def test_post_only_that_would_take_is_a_reject(word: str) -> None:
    event = order(orderStatus=word, rejectReason="EC_PostOnlyWillTakeLiquidity")
    assert (event.status, event.error_class, event.cum_qty) == (OrderStatus.REJECTED, ErrorClass.REJECT, 0)
    # the answer to a question has no class: there a class would mean that it brought no answer
    event = answered(listed(order_told(OURS, orderStatus=word, rejectReason="EC_PostOnlyWillTakeLiquidity")), "query")
    assert (event.status, event.error_class, event.message) == (OrderStatus.REJECTED, ErrorClass.NONE,
                                                                "EC_PostOnlyWillTakeLiquidity")


def test_post_only_reason_with_something_executed_is_no_reject() -> None:
    event = order(orderStatus="Cancelled", cumExecQty="0.1", rejectReason="EC_PostOnlyWillTakeLiquidity")
    assert (event.status, event.cum_qty) == (OrderStatus.CANCELED, 100)


def test_cancel_that_raced_a_fill_stays_filled() -> None:
    first = order_told(OURS, orderStatus="Filled", cumExecQty="1", cumExecValue="75")
    second = {**first, "cancelType": "CancelByUser", "rejectReason": "EC_OrigClOrdIDDoesNotExist"}
    _, events = decode(topic("order", first, second))
    assert [(e.status, e.cum_qty, e.error_class) for e in events] == [(OrderStatus.FILLED, 1000, ErrorClass.NONE)] * 2


@pytest.mark.parametrize(("reason", "status", "error_class"), [
    ("EC_InvalidPriceScale", OrderStatus.REJECTED, ErrorClass.FILTER), ("EC_SomethingNew", OrderStatus.REJECTED,
                                                                        ErrorClass.REJECT),
    ("EC_NoError", OrderStatus.REJECTED, ErrorClass.NONE), ("", OrderStatus.REJECTED, ErrorClass.NONE),
    ("EC_DuplicatedClOrdID", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION),
    ("EC_OrigClOrdIDDoesNotExist", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_ORDER)])
def test_rejected_orders_by_their_reason(reason: str, status: OrderStatus, error_class: ErrorClass) -> None:
    event = order(orderStatus="Rejected", rejectReason=reason)
    assert (event.status, event.error_class) == (status, error_class)


def test_only_rows_of_this_market_count() -> None:
    frame = topic("order", order_told(OURS), order_told(OURS, category="spot", cumExecQty="0.000001",
                                                        orderStatus="PartiallyFilled"),
                  order_told(OURS, category="inverse", symbol="BTCUSD"), order_told(OURS, category="option"))
    _, [linear] = decode(frame)
    _, [spot] = decode(frame, "spot")
    assert (linear.instrument_id, linear.status) == (LINEAR, OrderStatus.NEW)
    assert (spot.instrument_id, spot.status, spot.cum_qty) == (SPOT, OrderStatus.PARTIAL, 1)
    made = decoder("spot")
    assert decode(topic("order", order_told(OURS)), made=made) == ("nothing", [])
    assert (made.malformed, made.unknown_symbols) == (0, 0)


def test_symbol_that_is_not_ours_is_counted() -> None:
    made = decoder()
    assert decode(topic("order.linear", order_told("web_1", symbol="DOGEUSDT")), made=made) == ("nothing", [])
    assert made.unknown_symbols == 1


def test_orders_of_others_are_marked() -> None:
    for link in ("", "web_123", "L" + "0" * 40):
        _, [event] = decode(topic("order", order_told(link)))
        assert event.flags == EventFlag.FOREIGN
        assert event.client_id == link[:23]


@pytest.mark.parametrize("change", [{"cumExecQty": "0.0005"}, {"cumExecQty": "-1"}, {"cumExecQty": "1e3"}, {"cumExecValue": "x"},
                                    {"orderStatus": None}, {"orderStatus": "Filled", "cumExecQty": ""},
                                    {"orderStatus": "Cancelled", "cumExecQty": None}])
def test_row_about_our_order_that_is_not_understood_is_unknown(change: dict[str, Any]) -> None:
    made = decoder()
    kind, [event] = decode(topic("order", order_told(OURS, **change)), made=made)
    assert (kind, event.client_id, event.status, event.error_class, event.cum_qty) == ("orders", OURS, OrderStatus.UNKNOWN,
                                                                                      ErrorClass.UNMAPPED, -1)
    assert made.malformed == 1
    # of an order of somebody else it is no news, but it is counted and told
    assert decode(topic("order", order_told("web", **change)), made=made) == ("error", [])


def test_good_rows_beside_a_bad_one_are_kept() -> None:
    made = decoder()
    kind, events = decode(topic("order", order_told("web", cumExecQty="x"), order_told(OURS, cumExecQty="0.5"), {"category": 7}),
                          made=made)
    assert (kind, [e.cum_qty for e in events], made.malformed) == ("orders", [500], 2)


def test_more_rows_than_there_is_room_for_are_counted() -> None:
    made = decoder()
    _, events = decode(topic("order", *(order_told(OURS) for _ in range(300))), made=made)
    assert (len(events), made.truncated_fills) == (256, 44)


def test_fields_in_any_order_with_space() -> None:
    frame = orjson.dumps(dict(reversed(list(topic("order", dict(reversed(list(order_told(OURS).items())))).items()))),
                         option=orjson.OPT_INDENT_2)
    _, [event] = decode(frame)
    assert (event.client_id, event.status) == (OURS, OrderStatus.NEW)


# ---------------------------------------------------------------- execution topic

def test_execution_is_a_fill_with_its_fee() -> None:
    _, events = decode(topic("execution", execution_told(OURS)))
    assert events == [OrderEvent(OURS, LINEAR, Source.STREAM, OrderStatus.PARTIAL, id64(ORDER_ID), id64(EXEC_ID),
                                 exch_ns=1746270400353_000_000, recv_mono_ns=77, last_qty=500, last_px=959001,
                                 fee=Decimal("26.3725275"), fee_asset="USDT", flags=EventFlag.IS_FILL)]


def test_maker_fill_with_a_rebate_keeps_sign_and_mark() -> None:
    _, [event] = decode(topic("execution.linear", execution_told(OURS, isMaker=True, execFee="-0.25")))
    assert (event.fee, event.flags) == (Decimal("-0.25"), EventFlag.IS_FILL | EventFlag.MAKER)


@pytest.mark.parametrize(("market", "changes", "asset"), [
    ("spot", {"side": "Buy", "execFee": "0.001"}, "BTC"), ("spot", {"side": "Sell", "execFee": "0.001"}, "USDT"),
    ("spot", {"side": "Buy", "execFee": "-0.001"}, "USDT"), ("spot", {"side": "Sell", "execFee": "-0.001"}, "BTC"),
    ("spot", {"side": "Buy", "execFee": "0.001", "feeCurrency": "MNT"}, "MNT"), ("linear", {}, "USDT"),
    ("linear", {"symbol": "BTCPERP"}, "USDC")])
def test_coin_of_the_fee(market: str, changes: dict[str, Any], asset: str) -> None:
    told = execution_told(OURS, **{"category": market, "feeCurrency": "", **changes})
    _, [event] = decode(topic("execution", told), market)
    assert event.fee_asset == asset
    assert event.instrument_id == (PERP if "symbol" in changes else SPOT if market == "spot" else LINEAR)


def test_fill_without_its_fee_waits_for_one() -> None:
    for fee in ("", None):
        told = execution_told(OURS)
        told["execFee"] = fee
        if fee is None:
            del told["execFee"]
        _, [event] = decode(topic("execution", told))
        assert (event.fee, event.flags) == (None, EventFlag.IS_FILL | EventFlag.LITE)


FORCED_KINDS = {"AdlTrade", "BustTrade", "Delivery"}


@pytest.mark.parametrize("kind", ["AdlTrade", "BustTrade", "Delivery", "BlockTrade", "MovePosition", "FutureSpread",
                                  "CorporateAction", "SomethingNew"])
def test_what_is_no_trade_of_ours_is_a_foreign_fact(kind: str) -> None:
    """Even under our id: only a Trade is a fill of our order."""
    made = decoder()
    _, [event] = decode(topic("execution", execution_told(OURS, execType=kind, execPrice="95900.123456")), made=made)
    assert (event.client_id, event.venue_order_id, event.flags, event.last_qty, event.message, made.foreign_executions) == (
        "", 0, EventFlag.IS_FILL | EventFlag.FOREIGN | (EventFlag.FORCED if kind in FORCED_KINDS else 0), 500, kind, 1)


@pytest.mark.parametrize("kind", ["Funding", "Settle"])
def test_payments_are_no_fills(kind: str) -> None:
    assert decode(topic("execution", execution_told("", execType=kind))) == ("account", [])
    kind_of_both, events = decode(topic("execution", execution_told("", execType=kind), execution_told(OURS)))
    assert (kind_of_both, [e.client_id for e in events]) == ("orders", [OURS])


@pytest.mark.parametrize("change", [{"execQty": "0.0001"}, {"execQty": "0"}, {"execQty": ""}, {"execId": ""},
                                    {"execPrice": "1.23"},
                                    {"execFee": "1e-5"}, {"execPrice": None}])
def test_fill_of_ours_that_is_not_understood_is_unknown(change: dict[str, Any]) -> None:
    kind, [event] = decode(topic("execution", execution_told(OURS, **change)))
    assert (kind, event.client_id, event.status, event.trade_id, event.last_qty, event.is_fill) == (
        "orders", OURS, OrderStatus.UNKNOWN, 0, 0, False)


def test_names_of_other_topics() -> None:
    made = decoder()
    for name, word in (("wallet", "wallet"), ("position.linear", "position"), ("position", "position"), ("dcp.future", "dcp"),
                       ("execution.fast", "execution.fast"), ("execution.fast.linear", "execution.fast")):
        frame = orjson.dumps(topic(name, {"x": 1}))
        kind, _ = made.decode_frame(frame)
        assert kind == "account"
        if name != "execution.fast.linear":
            assert made.last_name(frame) == word


# ---------------------------------------------------------------- REST

def test_rest_answers_about_one_order() -> None:
    result = {"orderId": ORDER_ID, "orderLinkId": OURS}
    assert answered(envelope(result), "place").status == OrderStatus.NEW
    cancelled = answered(envelope(result), "cancel")
    assert (cancelled.status, cancelled.flags, cancelled.venue_order_id) == (OrderStatus.NONE, EventFlag.CANCEL_REPLY,
                                                                             id64(ORDER_ID))
    found = answered(listed(order_told(OURS, orderStatus="Filled", cumExecQty="1", cumExecValue="75")), "query")
    assert (found.status, found.cum_qty, found.instrument_id, found.venue_order_id) == (OrderStatus.FILLED, 1000, LINEAR,
                                                                                       id64(ORDER_ID))


def test_empty_list_is_a_vote_for_absence() -> None:
    event = answered(listed(), "query")
    assert (event.client_id, event.status, event.error_class) == (OURS, OrderStatus.NOT_FOUND, ErrorClass.UNKNOWN_ORDER)


def test_query_passes_over_the_row_that_was_refused_as_a_duplicate() -> None:
    duplicate = order_told(OURS, orderStatus="Rejected", rejectReason="EC_DuplicatedClOrdID", orderId="second")
    real = order_told(OURS, orderStatus="Filled", cumExecQty="1", cumExecValue="75")
    assert answered(listed(duplicate, real), "query").status == OrderStatus.FILLED
    # the order itself is not there: nothing is said
    assert answered(listed(duplicate), "query").error_class == ErrorClass.UNMAPPED


@pytest.mark.parametrize("body", [
    listed(order_told(OURS), order_told(OURS)), listed(order_told("other")), listed(order_told(OURS, symbol="DOGEUSDT")),
    listed(order_told(OURS), category="spot"), listed(order_told(OURS, orderId="")), envelope({}), envelope({"list": 7}),
    envelope({"list": [7]}), envelope(None), {"retCode": "x"}, {}, b"[]", b"", b"<html>", b'{"retCode":0'])
def test_query_that_is_not_understood_proves_nothing(body: object) -> None:
    event = answered(body, "query")
    assert (event.client_id, event.status, event.error_class) == (OURS, OrderStatus.NONE, ErrorClass.UNMAPPED)


@pytest.mark.parametrize(("status", "body", "expected"), [
    (503, b"<html>", (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION)), (403, b"access too frequent", (OrderStatus.REJECTED,
                                                                                                        ErrorClass.RATE)),
    (200, b"", (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)), (200, envelope({}, 170131, "Insufficient balance."),
                                                             (OrderStatus.REJECTED, ErrorClass.BALANCE)),
    (502, envelope({}, 170131, "Insufficient balance."), (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION)),
    (404, envelope({"orderId": ORDER_ID}), (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED))])
def test_rest_refusals_of_a_place(status: int, body: object, expected: tuple[OrderStatus, ErrorClass]) -> None:
    event = answered(body, "place", status)
    assert (event.status, event.error_class) == expected


# ---------------------------------------------------------------- hostile bytes

FRAMES = [ack(OURS, OURS), refusal(OURS, 110007, "ab not enough"), topic("order", order_told(OURS), order_told("web")),
          topic("execution.linear", execution_told(OURS), execution_told("", execType="Funding")), topic("wallet", {"coin": []})]


@pytest.mark.parametrize("number", range(len(FRAMES)))
def test_frame_cut_at_any_byte_is_an_error_and_says_nothing(number: int) -> None:
    whole = orjson.dumps(FRAMES[number])
    made = decoder()
    for size in range(len(whole)):
        assert decode(whole[:size], made=made) == ("error", []), whole[:size]
    assert made.malformed == len(whole)
    assert decode(whole, made=made)[0] in ("orders", "account")


def test_rest_answer_cut_at_any_byte_proves_nothing() -> None:
    whole = orjson.dumps(listed(order_told(OURS, orderStatus="Filled", cumExecQty="1", cumExecValue="75")))
    for size in range(len(whole)):
        event = answered(whole[:size], "query")
        assert (event.status, event.error_class) == (OrderStatus.NONE, ErrorClass.UNMAPPED)


def test_any_changed_byte_gives_events_of_the_same_order_or_none() -> None:
    """No crash, no other order of ours, and no fill that is larger or an end that was not told."""
    seed = 20261120
    generator = random.Random(seed)
    made = {market: decoder(market) for market in ("spot", "linear")}
    for _ in range(20_000):
        data = bytearray(orjson.dumps(generator.choice(FRAMES)))
        for _ in range(generator.randrange(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        for one in made.values():
            kind, events = one.decode_frame(bytes(data), 1)
            assert kind in ("error", "nothing", "orders", "reply", "account")
            for raw in events:
                event = unpack_order_event(raw)
                assert event.instrument_id in (SPOT, LINEAR, PERP, NO_INSTRUMENT, 2), (seed, bytes(data))


@pytest.mark.parametrize("frame", [b"", b"{", b"null", b"[]", b"7", b'"x"', b"{}", b'{"topic":"order"}',
                                   b'{"topic":"order","data":{}}',
                                   b'{"topic":7}', b'{"topic":"order","data":[7]}', b'{"topic":"order","data":[{]}',
                                   b'{"op":7}', b'{"topic":"order","data":[{}]}', b"\x00" * 64, b"{" * 200])
def test_garbage_is_an_error(frame: bytes) -> None:
    assert decode(frame) == ("error", [])


def test_empty_lists_are_nothing() -> None:
    assert decode(topic("order")) == ("nothing", [])
    assert decode(topic("execution")) == ("nothing", [])
