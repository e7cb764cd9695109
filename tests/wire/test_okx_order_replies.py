"""Replies and private channels of OKX -> order events: documented examples, every byte cut, garbage, and what must never be
concluded."""
from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.decoders.okx_orders import OkxOrderDecoder, trade_number
from cext.decoders.orders import id64
from engine.event_codec import unpack_order_event
from engine.events import NO_INSTRUMENT, ErrorClass, EventFlag, OrderEvent, OrderStatus, Source
from tests.support.okx_orders import (
    ORDER_ID,
    PEPE,
    SPOT,
    SWAP,
    TRADE_ID,
    answer_row,
    envelope,
    filled,
    okx_table,
    order_told,
    push,
    refusal,
    reply,
)

ARRAY = okx_table().to_array()
OURS = encode_client_id(1, 5 << 32 | 9, 0)
CANCEL, QUERY = "X" + OURS[1:], "Q" + OURS[1:]
SPOT_ROW = {"instType": "SPOT", "instId": "BTC-USDT"}


def decoder(market: str = "linear") -> OkxOrderDecoder:
    return OkxOrderDecoder(ARRAY, market)


def decode(frame: object, market: str = "linear", *, made: OkxOrderDecoder | None = None) -> tuple[str, list[OrderEvent]]:
    data = frame if isinstance(frame, bytes) else orjson.dumps(frame)
    kind, events = (made or decoder(market)).decode_frame(data, 77)
    return kind, [unpack_order_event(event) for event in events]


def answered(body: object, answers: str, status: int = 200, market: str = "linear") -> OrderEvent:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    [event] = [unpack_order_event(raw) for raw in decoder(market).decode_rest(status, data, OURS, answers, 77)]
    return event


def order(**changes: Any) -> OrderEvent:
    """The event of one row of the orders channel about our order, not executed."""
    kind, [event] = decode(push("orders", order_told(OURS, **changes)))
    assert kind == "orders"
    return event


# ---------------------------------------------------------------- replies of the order socket

def test_ack_is_new_and_no_outcome() -> None:
    made = decoder()
    assert decode(reply(OURS, answer_row(OURS)), made=made) == ("orders", [OrderEvent(
        OURS, NO_INSTRUMENT, Source.REPLY, OrderStatus.NEW, int(ORDER_ID), exch_ns=1695190491421_000_000, recv_mono_ns=77)])
    assert made.last_reply() == (0, 0)


def test_ack_of_a_cancel_says_nothing_about_the_order() -> None:
    _, [event] = decode(reply(CANCEL + "17", answer_row(OURS), op="cancel-order"))
    assert (event.client_id, event.status, event.flags, event.error_class) == (OURS, OrderStatus.NONE, EventFlag.CANCEL_REPLY,
                                                                               ErrorClass.NONE)


@pytest.mark.parametrize(("code", "sub_code", "status", "error_class"), [
    ("51008", "1000", OrderStatus.REJECTED, ErrorClass.BALANCE), ("51008", "", OrderStatus.REJECTED, ErrorClass.BALANCE),
    ("51020", "", OrderStatus.REJECTED, ErrorClass.FILTER), ("51030", "", OrderStatus.REJECTED, ErrorClass.RETRY),
    ("50036", "", OrderStatus.REJECTED, ErrorClass.TIME), ("51024", "", OrderStatus.REJECTED, ErrorClass.FATAL),
    ("51016", "", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION),
    ("50001", "", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION),
    ("51149", "", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION), ("59999", "", OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)])
def test_refusals_of_a_place(code: str, sub_code: str, status: OrderStatus, error_class: ErrorClass) -> None:
    _, [event] = decode(refusal(OURS, OURS, code, "its words", sub_code))
    assert (event.client_id, event.status, event.error_class, event.venue_code, event.message) == (OURS, status, error_class,
                                                                                                   int(code),
                                                                                                 "its words")


@pytest.mark.parametrize(("code", "status", "error_class"), [
    ("60013", OrderStatus.REJECTED, ErrorClass.REJECT), ("60011", OrderStatus.REJECTED, ErrorClass.AUTH),
    ("50026", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION), ("64007", OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION),
    ("1", OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)])
def test_refusal_without_a_row_is_about_the_order_of_its_id(code: str, status: OrderStatus, error_class: ErrorClass) -> None:
    for frame in (reply(OURS, code=code, text="Invalid args"), {"id": OURS, "event": "error", "code": code, "msg": "Invalid args",
                                                                "connId": "a4d3ae55"}):
        _, [event] = decode(frame)
        assert (event.client_id, event.status, event.error_class, event.venue_code) == (OURS, status, error_class, int(code))


@pytest.mark.parametrize("code", ["51400", "51410", "51412", "50026", "51503"])
def test_refused_cancel_says_nothing_about_the_order(code: str) -> None:
    _, [event] = decode(refusal(CANCEL + "3", OURS, code, "filled, canceled or does not exist", op="cancel-order"))
    assert (event.client_id, event.status, event.flags) == (OURS, OrderStatus.NONE, EventFlag.CANCEL_REPLY)
    assert event.error_class in (ErrorClass.UNKNOWN_ORDER, ErrorClass.UNKNOWN_EXECUTION)


@pytest.mark.parametrize("code", ["50011", "50061", "60014"])
def test_rate_answers_ask_for_a_stop_of_two_seconds(code: str) -> None:
    made = decoder()
    _, [event] = decode(refusal(OURS, OURS, code, "Too Many Requests"), made=made)
    assert (event.status, event.error_class, made.last_reply()) == (OrderStatus.REJECTED, ErrorClass.RATE, (429, 1695190493423))
    decode({**refusal(OURS, OURS, code, "Too Many Requests"), "outTime": ""}, made=made)
    assert made.last_reply()[0] == 429
    decode(reply(OURS, answer_row(OURS)), made=made)
    assert made.last_reply() == (0, 0)


@pytest.mark.parametrize("rows", [
    [], [answer_row("other")], [{**answer_row(OURS), "ordId": ""}], [{**answer_row(OURS), "sCode": ""}],
    [7], [answer_row(OURS)] * 2,
    [{"clOrdId": OURS, "ordId": ORDER_ID}]])
def test_ack_that_is_about_something_else_is_unknown(rows: list[Any]) -> None:
    made = decoder()
    _, [event] = decode(reply(OURS, *rows), made=made)
    assert (event.client_id, event.status, event.error_class, made.malformed) == (OURS, OrderStatus.UNKNOWN, ErrorClass.UNMAPPED,
                                                                                  1)


def test_envelope_and_row_that_contradict_each_other_are_unknown() -> None:
    for code in ("1", "2", "60013"):
        _, [event] = decode(reply(OURS, answer_row(OURS), code=code))
        assert (event.status, event.error_class) == (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)
    # a row's own refusal counts whatever the envelope says
    _, [event] = decode(reply(OURS, answer_row(OURS, "51008", "no"), code="0"))
    assert (event.status, event.error_class) == (OrderStatus.REJECTED, ErrorClass.BALANCE)


@pytest.mark.parametrize("code", ["x", None, "", {}, "0.5"])
def test_reply_without_a_code_is_unknown(code: object) -> None:
    _, [event] = decode({**reply(OURS, answer_row(OURS)), "code": code})
    assert (event.status, event.error_class) == (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)


def test_other_replies_are_cold_codes_and_pongs_are_nothing() -> None:
    for frame in ({"event": "login", "code": "0", "msg": "", "connId": "a4d3ae55"},
                  {"event": "error", "code": "60009", "msg": "Login failed.", "connId": "a4d3ae55"},
                  {"id": "suborders", "event": "subscribe", "arg": {"channel": "orders", "instType": "ANY"},
                   "connId": "accb8e21"},
                  {"id": "suborders", "event": "error", "code": "60012", "msg": "Invalid request", "connId": "a4d3ae55"},
                  {"id": "", "op": "order", "data": [], "code": "60012", "msg": "bad"}):
        assert decode(frame) == ("reply", [])
    made = decoder()
    assert decode(b"pong", made=made) == ("nothing", [])
    assert made.malformed == 0


@pytest.mark.parametrize(("frame", "name"), [
    ({"event": "notice", "code": "64008", "msg": "The connection will soon be closed", "connId": "a"}, "64008"),
    ({"event": "notice", "msg": "news"}, "notice"),
    ({"event": "channel-conn-count", "channel": "orders", "connCount": "2", "connId": "a"}, "channel-conn-count"),
    ({"event": "channel-conn-count-error", "channel": "orders", "connCount": "30", "connId": "a"}, "channel-conn-count-error"),
    ({"event": "something-new"}, "something-new"), (push("account"), "account"), (push("positions", {"pos": "1"}), "positions"),
    (push("balance_and_position"), "balance_and_position")])
def test_news_of_account_and_socket_are_named(frame: dict[str, Any], name: str) -> None:
    made, data = decoder(), orjson.dumps(frame)
    assert made.decode_frame(data) == ("account", [])
    assert made.last_name(data) == name


# ---------------------------------------------------------------- orders channel

def test_filled_order_is_its_fill_and_its_end_in_base_units() -> None:
    _, events = decode(push("orders", filled(OURS)))
    about = {"client_id": OURS, "instrument_id": SWAP, "source": Source.STREAM, "venue_order_id": int(ORDER_ID),
             "recv_mono_ns": 77}
    assert events == [   # 2.5 contracts of 0.01 BTC at scale 4; a negative fillFee was charged
        OrderEvent(**about, status=OrderStatus.PARTIAL, trade_id=int(TRADE_ID), exch_ns=1654084353263_000_000, last_qty=250,
                   last_px=315271, fee=Decimal("0.39408875"), fee_asset="USDT", flags=EventFlag.IS_FILL),
        OrderEvent(**about, status=OrderStatus.FILLED, exch_ns=1654084353264_000_000, cum_qty=250)]


def test_documented_spot_example() -> None:
    told = filled("", **SPOT_ROW, sz="0.001", accFillSz="0.001", fillSz="0.001", fillFee="-0.02522168", execType="M", posSide="",
                  tdMode="cash", ordId="452197707845865472")
    _, [fill, end] = decode(push("orders", told), "spot")
    assert (fill.last_qty, fill.last_px, fill.fee, fill.fee_asset) == (100_000, 315271, Decimal("0.02522168"), "USDT")
    assert fill.flags == EventFlag.IS_FILL | EventFlag.MAKER | EventFlag.FOREIGN
    assert (end.status, end.cum_qty, end.venue_order_id, end.instrument_id) == (OrderStatus.FILLED, 100_000, 452197707845865472,
                                                                                SPOT)


def test_contracts_of_ten_million_base_units() -> None:
    _, [fill, end] = decode(push("orders", filled(OURS, instId="PEPE-USDT-SWAP", accFillSz="12.1", fillSz="0.4",
                                                  fillPx="0.000007001",
                                                  state="partially_filled")))
    assert (fill.last_qty, fill.last_px, end.cum_qty, end.status, end.instrument_id) == (4_000_000, 7001, 121_000_000,
                                                                                        OrderStatus.PARTIAL, PEPE)


@pytest.mark.parametrize(("word", "status"), [
    ("live", OrderStatus.NEW), ("partially_filled", OrderStatus.PARTIAL), ("filled", OrderStatus.FILLED),
    ("canceled", OrderStatus.CANCELED), ("mmp_canceled", OrderStatus.CANCELED)])
def test_every_state_word(word: str, status: OrderStatus) -> None:
    assert order(state=word).status == status
    told = answered(envelope(order_told(OURS, state=word)), "query")
    assert (told.status, told.source, told.error_class) == (status, Source.QUERY, ErrorClass.NONE)


def test_state_word_that_nobody_knows_is_unknown_and_counted() -> None:
    made = decoder()
    _, [event] = decode(push("orders", order_told(OURS, state="frozen")), made=made)
    assert (event.status, event.error_class, event.message, made.unmapped_statuses) == (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED,
                                                                                       "frozen", 1)


def test_post_only_that_would_take_is_a_reject() -> None:
    event = order(state="canceled", cancelSource="31")
    assert (event.status, event.error_class, event.cum_qty, event.message) == (OrderStatus.REJECTED, ErrorClass.REJECT, 0,
                                                                              "cancelSource 31")
    # the answer to a question has no class: there a class would mean that it brought no answer
    event = answered(envelope(order_told(OURS, state="canceled", cancelSource="31", cancelSourceReason="post only")), "query")
    assert (event.status, event.error_class, event.message) == (OrderStatus.REJECTED, ErrorClass.NONE, "post only")
    # with something executed it is none
    event = order(state="canceled", cancelSource="31", accFillSz="0.5")
    assert (event.status, event.cum_qty) == (OrderStatus.CANCELED, 50)


@pytest.mark.parametrize(("source", "status"), [
    ("14", OrderStatus.EXPIRED), ("13", OrderStatus.EXPIRED), ("1", OrderStatus.CANCELED), ("20", OrderStatus.CANCELED),
    ("32", OrderStatus.CANCELED), ("33", OrderStatus.CANCELED), ("0", OrderStatus.CANCELED), ("", OrderStatus.CANCELED),
    ("news", OrderStatus.CANCELED), ("45", OrderStatus.CANCELED)])
def test_why_an_order_was_cancelled(source: str, status: OrderStatus) -> None:
    event = order(state="canceled", cancelSource=source, accFillSz="0.4")
    assert (event.status, event.cum_qty, event.error_class) == (status, 40, ErrorClass.NONE)
    assert event.message == (f"cancelSource {source}" if source else "")


def test_an_order_that_ended_filled_without_a_fill_in_its_row_is_an_end() -> None:
    _, [event] = decode(push("orders", filled(OURS, fillSz="0", tradeId="", fillFee="0")))
    assert (event.status, event.cum_qty, event.is_fill) == (OrderStatus.FILLED, 250, False)


def test_repeated_message_gives_the_same_events_with_the_same_ids() -> None:
    made = decoder()
    assert decode(push("orders", filled(OURS)), made=made) == decode(push("orders", filled(OURS)), made=made)


def test_only_rows_of_this_market_count() -> None:
    frame = push("orders", order_told(OURS), filled(OURS, **SPOT_ROW, accFillSz="0.00000001", fillSz="0.00000001"),
                 order_told(OURS, instType="MARGIN", instId="BTC-USDT"),
                 order_told(OURS, instType="FUTURES", instId="BTC-USDT-261225"))
    _, [linear] = decode(frame)
    _, [fill, spot] = decode(frame, "spot")
    assert (linear.instrument_id, linear.status) == (SWAP, OrderStatus.NEW)
    assert (spot.instrument_id, spot.status, spot.cum_qty, fill.last_qty) == (SPOT, OrderStatus.FILLED, 1, 1)
    made = decoder("spot")
    assert decode(push("orders", order_told(OURS)), made=made) == ("nothing", [])
    assert (made.malformed, made.unknown_symbols) == (0, 0)


def test_symbol_that_is_not_ours_is_counted() -> None:
    made = decoder()
    assert decode(push("orders", order_told("web", instId="DOGE-USDT-SWAP")), made=made) == ("nothing", [])
    assert made.unknown_symbols == 1


def test_orders_of_others_are_marked() -> None:
    for client_id in ("", "web123", "L" + "0" * 31):
        _, [event] = decode(push("orders", order_told(client_id)))
        assert event.flags == EventFlag.FOREIGN
        assert event.client_id == client_id[:23]


@pytest.mark.parametrize("category", ["adl", "full_liquidation", "partial_liquidation", "delivery"])
def test_what_the_venue_does_to_a_position_is_a_foreign_fact(category: str) -> None:
    """Without an id even where a row would carry ours; its trade number is negative, its price finer than a tick."""
    made = decoder()
    _, events = decode(push("orders", filled(OURS, category=category, tradeId="-77", fillPx="31527.123456")), made=made)
    fill, end = events
    assert (fill.client_id, fill.flags, fill.last_qty, fill.last_px, fill.message, made.foreign_executions) == (
        "", EventFlag.IS_FILL | EventFlag.FOREIGN | EventFlag.FORCED, 250, 0, category, 1)
    assert fill.trade_id == id64("-77")
    assert (end.client_id, end.flags, end.status, end.message) == (
        "", EventFlag.FOREIGN | EventFlag.FORCED, OrderStatus.FILLED, category)


@pytest.mark.parametrize(("fee", "asset", "expected"), [
    ("-0.001", "BTC", ("0.001", "BTC")), ("0.002", "USDT", ("-0.002", "USDT")), ("0", "USDT", ("0", "USDT")),
    ("0", "", ("0", ""))])
def test_fee_signs_are_turned(fee: str, asset: str, expected: tuple[str, str]) -> None:
    _, [fill, _] = decode(push("orders", filled(OURS, fillFee=fee, fillFeeCcy=asset)))
    assert (fill.fee, fill.fee_asset) == (Decimal(expected[0]), expected[1])


def test_fill_without_its_fee_waits_for_one() -> None:
    _, [fill, _] = decode(push("orders", filled(OURS, fillFee="")))
    assert (fill.fee, fill.flags) == (None, EventFlag.IS_FILL | EventFlag.LITE)


@pytest.mark.parametrize("change", [
    {"accFillSz": "0.005"}, {"accFillSz": "-1"}, {"accFillSz": "1e3"}, {"accFillSz": ""}, {"state": None}, {"fillSz": "0.001"},
    {"fillSz": "x"}, {"fillSz": "-2.5"}, {"tradeId": ""}, {"fillPx": "1.23"}, {"fillPx": ""}, {"fillFee": "1e-5"},
    {"fillFeeCcy": ""}])
def test_row_about_our_order_that_is_not_understood_is_unknown(change: dict[str, Any]) -> None:
    """One event for the whole row: no part of it is taken for true."""
    made = decoder()
    kind, [event] = decode(push("orders", filled(OURS, **change)), made=made)
    assert (kind, event.client_id, event.instrument_id, event.status, event.error_class, event.cum_qty) == (
        "orders", OURS, SWAP, OrderStatus.UNKNOWN, ErrorClass.UNMAPPED, -1)
    assert (event.trade_id, event.last_qty, event.is_fill, made.malformed) == (0, 0, False, 1)
    if "fillPx" not in change:   # a price finer than a tick may be of a liquidation
        # of an order of somebody else it is no news, but it is counted and told
        assert decode(push("orders", filled("web", **change)), made=made) == ("error", [])


def test_good_rows_beside_a_bad_one_are_kept() -> None:
    made = decoder()
    rows: list[Any] = [order_told("web", accFillSz="x"), order_told(OURS, accFillSz="0.5"), 7]
    kind, events = decode(push("orders", *rows), made=made)
    assert (kind, [e.cum_qty for e in events], made.malformed) == ("orders", [50], 2)


def test_more_rows_than_there_is_room_for_are_counted() -> None:
    made = decoder()
    _, events = decode(push("orders", *(filled(OURS) for _ in range(150))), made=made)
    assert (len(events), made.truncated_fills) == (256, 22)


def test_fields_in_any_order_with_space() -> None:
    frame = orjson.dumps(dict(reversed(list(push("orders", dict(reversed(list(filled(OURS).items())))).items()))),
                         option=orjson.OPT_INDENT_2)
    assert decode(frame) == decode(push("orders", filled(OURS)))


def test_ids_as_numbers() -> None:
    assert trade_number(ORDER_ID) == int(ORDER_ID)
    assert trade_number("-77") == id64("-77") > 0
    assert trade_number("99999999999999999999") == id64("99999999999999999999")
    with pytest.raises(ValueError, match="empty"):
        trade_number("")


# ---------------------------------------------------------------- REST

def test_rest_answers_about_one_order() -> None:
    placed = answered(envelope(answer_row(OURS)), "place")
    assert (placed.status, placed.venue_order_id) == (OrderStatus.NEW, int(ORDER_ID))
    cancelled = answered(envelope(answer_row(OURS)), "cancel")
    assert (cancelled.status, cancelled.flags, cancelled.venue_order_id) == (OrderStatus.NONE, EventFlag.CANCEL_REPLY,
                                                                             int(ORDER_ID))
    found = answered(envelope(filled(OURS)), "query")
    assert (found.status, found.cum_qty, found.instrument_id, found.venue_order_id) == (OrderStatus.FILLED, 250, SWAP,
                                                                                        int(ORDER_ID))


def test_only_51603_is_a_vote_for_absence() -> None:
    event = answered(envelope(code="51603", text="Order does not exist"), "query")
    assert (event.client_id, event.status, event.error_class) == (OURS, OrderStatus.NOT_FOUND, ErrorClass.UNKNOWN_ORDER)
    for code in ("51400", "51001", "50011", "50026", "1"):
        assert answered(envelope(code=code, text="?"), "query").status == OrderStatus.NONE


@pytest.mark.parametrize("body", [
    envelope(), envelope(order_told(OURS), order_told(OURS)), envelope(order_told("other")), envelope(order_told("")),
    envelope(order_told(OURS, instId="DOGE-USDT-SWAP")), envelope(order_told(OURS, instType="SPOT")),
    envelope(order_told(OURS, ordId="")), envelope(order_told(OURS, accFillSz="x")), envelope({}), {"code": "0", "data": None},
    {"code": "0", "data": [7]}, {"code": "x"}, {}, b"[]", b"", b"<html>", b'{"code":"0"'])
def test_query_that_is_not_understood_proves_nothing(body: object) -> None:
    event = answered(body, "query")
    assert (event.client_id, event.status, event.error_class) == (OURS, OrderStatus.NONE, ErrorClass.UNMAPPED)


@pytest.mark.parametrize(("status", "body", "expected"), [
    (503, b"<html>", (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION)),
    (503, envelope(code="50001", text="Service temporarily unavailable"), (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION)),
    (500, envelope(code="51149", text="Order timed out"), (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION)),
    (429, envelope(code="50011", text="Too Many Requests"), (OrderStatus.REJECTED, ErrorClass.RATE)),
    (429, envelope(code="50013", text="Systems are busy"), (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION)),
    (401, envelope(code="50113", text="Invalid Sign"), (OrderStatus.REJECTED, ErrorClass.AUTH)),
    (200, b"", (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)),
    (200, envelope(answer_row(OURS, "51008", "Insufficient"), code="1"), (OrderStatus.REJECTED, ErrorClass.BALANCE)),
    (502, envelope(answer_row(OURS)), (OrderStatus.UNKNOWN, ErrorClass.UNKNOWN_EXECUTION)),
    (404, {"error": "no such page"}, (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED))])
def test_rest_refusals_of_a_place(status: int, body: object, expected: tuple[OrderStatus, ErrorClass]) -> None:
    event = answered(body, "place", status)
    assert (event.status, event.error_class) == expected


# ---------------------------------------------------------------- hostile bytes

FRAMES = [reply(OURS, answer_row(OURS)), refusal(OURS, OURS, "51008", "not enough", "1000"),
          reply(CANCEL + "1", answer_row(OURS)),
          push("orders", filled(OURS), order_told("web"), filled("", **SPOT_ROW)),
          push("account", {"details": []}, eventType="snapshot"),
          {"event": "notice", "code": "64008", "msg": "soon", "connId": "a4d3ae55"}]


@pytest.mark.parametrize("number", range(len(FRAMES)))
def test_frame_cut_at_any_byte_is_an_error_and_says_nothing(number: int) -> None:
    whole = orjson.dumps(FRAMES[number])
    made = decoder()
    for size in range(len(whole)):
        assert decode(whole[:size], made=made) == ("error", []), whole[:size]
    assert made.malformed == len(whole)
    assert decode(whole, made=made)[0] in ("orders", "account")


@pytest.mark.parametrize("answers", ["place", "cancel", "query"])
def test_rest_answer_cut_at_any_byte_proves_nothing(answers: str) -> None:
    whole = orjson.dumps(envelope(filled(OURS) if answers == "query" else answer_row(OURS)))
    for size in range(len(whole)):
        event = answered(whole[:size], answers)
        assert (event.status, event.error_class) == (OrderStatus.UNKNOWN if answers == "place" else OrderStatus.NONE,
                                                     ErrorClass.UNMAPPED)


def test_any_changed_byte_gives_events_of_known_rows_or_none() -> None:
    """No crash, no row of another market, no exception."""
    seed = 20261120
    generator = random.Random(seed)
    made = {market: decoder(market) for market in ("spot", "linear")}
    allowed = {"spot": (SPOT, NO_INSTRUMENT), "linear": (SWAP, PEPE, NO_INSTRUMENT)}
    for _ in range(20_000):
        data = bytearray(orjson.dumps(generator.choice(FRAMES)))
        for _ in range(generator.randrange(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        for market, one in made.items():
            kind, events = one.decode_frame(bytes(data), 1)
            assert kind in ("error", "nothing", "orders", "reply", "account")
            for raw in events:
                assert unpack_order_event(raw).instrument_id in allowed[market], (seed, bytes(data))


@pytest.mark.parametrize("frame", [
    b"", b"{", b"null", b"[]", b"7", b'"x"', b"{}", b"pong ", b"ping", b"pon", b'{"arg":{"channel":"orders"}}',
    b'{"arg":{},"data":[]}',
    b'{"arg":{"channel":"orders"},"data":{}}', b'{"arg":{"channel":7},"data":[]}', b'{"arg":{"channel":"orders"},"data":[7]}',
    b'{"arg":{"channel":"orders"},"data":[{]}', b'{"event":7}', b'{"op":7}', b"\x00" * 64, b"{" * 200])
def test_garbage_is_an_error(frame: bytes) -> None:
    assert decode(frame) == ("error", [])


def test_empty_lists_are_nothing() -> None:
    assert decode(push("orders")) == ("nothing", [])
