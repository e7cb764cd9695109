"""Replies and user streams of Binance -> order events: documented examples, every byte cut, garbage, and what must never be
concluded."""
from __future__ import annotations

import random
from decimal import Decimal

import orjson
import pytest

from cext.client_id import encode_client_id
from cext.decoders.binance_orders import BinanceOrderDecoder
from engine.event_codec import unpack_order_event
from engine.events import NO_INSTRUMENT, ErrorClass, EventFlag, OrderEvent, OrderStatus, Source
from tests.support.order_rows import order_table

TABLE = order_table()
ARRAY = TABLE.to_array()
OURS = encode_client_id(1, 5 << 32 | 9, 0)
CANCEL, QUERY = "X" + OURS[1:], "Q" + OURS[1:]
SPOT, LINEAR = 0, 1

SPOT_RESULT = {
    "symbol": "BTCUSDT", "orderId": 12569099453, "orderListId": -1, "clientOrderId": OURS, "transactTime": 1660801715639,
    "price": "23416.10000000", "origQty": "0.00847000", "executedQty": "0.00000000", "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "0.00000000", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "SELL",
    "workingTime": 1660801715639,
    "selfTradePreventionMode": "NONE"}
RATE_LIMITS = [{"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 1}]
LINEAR_RESULT = {
    "orderId": 325078477, "symbol": "BTCUSDT", "status": "FILLED", "clientOrderId": OURS, "price": "43187.00",
    "avgPrice": "43186.50",
    "origQty": "0.100", "executedQty": "0.100", "cumQty": "0.100", "cumQuote": "4318.65000", "timeInForce": "IOC",
    "type": "LIMIT",
    "reduceOnly": False, "closePosition": False, "side": "BUY", "positionSide": "BOTH", "stopPrice": "0.00",
    "workingType": "CONTRACT_PRICE",
    "priceProtect": False, "origType": "LIMIT", "priceMatch": "NONE", "selfTradePreventionMode": "NONE", "goodTillDate": 0,
    "updateTime": 1702555534435}
FILLS = [{"price": "23416.10000000", "qty": "0.00500000", "commission": "0.11708050", "commissionAsset": "USDT", "tradeId": 57},
         {"price": "23416.00000000", "qty": "0.00300000", "commission": "0.00000000", "commissionAsset": "BNB", "tradeId": 58}]
EXECUTION = {
    "e": "executionReport", "E": 1499405658658, "s": "BTCUSDT", "c": OURS, "S": "BUY", "o": "LIMIT", "f": "IOC",
    "q": "1.00000000",
    "p": "10264.41000000", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": "NEW", "X": "NEW", "r": "NONE",
    "i": 4293153,
    "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None, "T": 1499405658657, "t": -1, "I": 8641984,
    "w": True,
    "m": False, "M": False, "O": 1499405658657, "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000", "W": 1499405658657,
    "V": "NONE"}
TRADE_UPDATE = {
    "s": "BTCUSDT", "c": OURS, "S": "SELL", "o": "LIMIT", "f": "GTC", "q": "0.001", "p": "0", "ap": "0", "sp": "0", "x": "NEW",
    "X": "NEW",
    "i": 8886774, "l": "0", "z": "0", "L": "0", "N": "USDT", "n": "0", "T": 1568879465650, "t": 0, "b": "0", "a": "9.91",
    "m": False,
    "R": False, "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH", "cp": False, "rp": "0", "pP": False, "si": 0, "ss": 0,
    "V": "EXPIRE_TAKER", "pm": "OPPONENT", "gtd": 0, "er": "0"}
LITE = {"e": "TRADE_LITE", "E": 1721895408092, "T": 1721895408214, "s": "BTCUSDT", "q": "0.001", "p": "0", "m": False, "c": OURS,
        "S": "BUY",
        "L": "64089.20", "l": "0.040", "t": 109100866, "i": 8886774}


def decoder(market: str = "spot") -> BinanceOrderDecoder:
    return BinanceOrderDecoder(ARRAY, market)


def decode(frame: object, market: str = "spot", *, made: BinanceOrderDecoder | None = None) -> tuple[str, list[OrderEvent]]:
    data = frame if isinstance(frame, bytes) else orjson.dumps(frame)
    kind, events = (made or decoder(market)).decode_frame(data, 77)
    return kind, [unpack_order_event(event) for event in events]


def reply(result: dict[str, object], request_id: str | None = OURS, **more: object) -> dict[str, object]:
    return {"id": request_id, "status": 200, "result": result, **more}


def refusal(code: int, message: str, request_id: str = OURS, status: int = 400, **more: object) -> dict[str, object]:
    return {"id": request_id, "status": status, "error": {"code": code, "msg": message, **more}, "rateLimits": RATE_LIMITS}


def linear_event(**changes: object) -> dict[str, object]:
    return {"e": "ORDER_TRADE_UPDATE", "E": 1568879465651, "T": 1568879465650, "o": {**TRADE_UPDATE, **changes}}


# ---------------------------------------------------------------- replies to order.place

def test_spot_reply_of_the_documentation() -> None:
    assert decode(reply(SPOT_RESULT, rateLimits=RATE_LIMITS)) == ("orders", [OrderEvent(
        OURS, SPOT, Source.REPLY, OrderStatus.NEW, 12569099453, exch_ns=1660801715639_000_000, recv_mono_ns=77, cum_qty=0,
        cum_quote=Decimal("0E-8"))])


def test_full_reply_gives_each_fill_and_then_the_status() -> None:
    result = {**SPOT_RESULT, "status": "EXPIRED", "executedQty": "0.00800000", "cummulativeQuoteQty": "187.32850000",
              "expiryReason": "UNFILLED_IOC_QUANTITY_EXPIRED", "fills": FILLS}
    _, events = decode(reply(result))
    assert [(e.is_fill, e.status, e.trade_id, e.last_qty, e.last_px, e.fee, e.fee_asset) for e in events[:-1]] == [
        (True, OrderStatus.PARTIAL, 57, 500, 2341610, Decimal("0.11708050"), "USDT"),
        (True, OrderStatus.PARTIAL, 58, 300, 2341600, Decimal("0E-8"), "BNB")]
    assert all(e.client_id == OURS and e.venue_order_id == 12569099453 and e.source == Source.REPLY for e in events)
    last = events[-1]
    assert (last.status, last.cum_qty, last.cum_quote, last.message, last.is_fill) == (
        OrderStatus.EXPIRED, 800, Decimal("187.32850000"), "UNFILLED_IOC_QUANTITY_EXPIRED", False)


def test_futures_reply_is_terminal_and_needs_no_average_price() -> None:
    _, [event] = decode(reply(LINEAR_RESULT), "linear")
    assert (event.instrument_id, event.status, event.cum_qty, event.cum_quote, event.exch_ns) == (
        LINEAR, OrderStatus.FILLED, 100, Decimal("4318.65000"), 1702555534435_000_000)
    without = {k: v for k, v in LINEAR_RESULT.items() if k not in ("avgPrice", "cumQuote")}  # dropped from the spec on 2026-07-15
    _, [event] = decode(reply(without), "linear")
    assert (event.status, event.cum_qty, event.cum_quote) == (OrderStatus.FILLED, 100, None)


@pytest.mark.parametrize(("word", "status"), [
    ("NEW", OrderStatus.NEW), ("PENDING_NEW", OrderStatus.NEW), ("PARTIALLY_FILLED", OrderStatus.PARTIAL),
    ("FILLED", OrderStatus.FILLED),
    ("CANCELED", OrderStatus.CANCELED), ("REJECTED", OrderStatus.REJECTED), ("EXPIRED", OrderStatus.EXPIRED),
    ("EXPIRED_IN_MATCH", OrderStatus.EXPIRED)])
def test_every_status_word(word: str, status: OrderStatus) -> None:
    _, [event] = decode(reply({**SPOT_RESULT, "status": word}))
    assert event.status == status
    _, [event] = decode({"subscriptionId": 0, "event": {**EXECUTION, "X": word}})
    assert event.status == status
    _, [event] = decode(linear_event(X=word), "linear")
    assert event.status == status


def test_status_word_that_nobody_knows_is_unknown_and_counted() -> None:
    made = decoder()
    _, [event] = decode(reply({**SPOT_RESULT, "status": "FROZEN"}), made=made)
    assert (event.status, event.error_class, made.unmapped_statuses) == (OrderStatus.UNKNOWN, ErrorClass.UNMAPPED, 1)


def test_ack_without_a_status_is_new() -> None:
    ack = {k: SPOT_RESULT[k] for k in ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")}
    _, [event] = decode(reply(ack))
    assert (event.status, event.cum_qty) == (OrderStatus.NEW, -1)


def test_fields_in_any_order_with_space_and_escapes() -> None:
    result = dict(reversed(list({**SPOT_RESULT, "note\\u00e9": 'a "quoted" {[ text'}.items())))
    frame = orjson.dumps({"rateLimits": RATE_LIMITS, "result": result, "status": 200, "id": OURS}, option=orjson.OPT_INDENT_2)
    _, [event] = decode(frame)
    assert (event.status, event.venue_order_id) == (OrderStatus.NEW, 12569099453)


def test_microsecond_stamps_are_understood() -> None:
    _, [event] = decode(reply({**SPOT_RESULT, "transactTime": 1660801715639123}))
    assert event.exch_ns == 1660801715639123_000


# ---------------------------------------------------------------- refusals

def test_reject_names_class_code_and_text() -> None:
    _, [event] = decode(refusal(-2010, "Account has insufficient balance for requested action."))
    assert (event.client_id, event.status, event.error_class, event.venue_code, event.message, event.instrument_id) == (
        OURS, OrderStatus.REJECTED, ErrorClass.BALANCE, -2010, "Account has insufficient balance for requested action.",
        NO_INSTRUMENT)


@pytest.mark.parametrize(("code", "message", "status"), [
    (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.", 400),
    (-1006, "An unexpected response was received from the message bus. Execution status unknown.", 400), (-1000, "unknown", 500),
    (0, "", 502), (-9999, "A brand new reason.", 400), (-2010, "A brand new reason.", 400),
    (-2010, "Duplicate order sent.", 400)])
def test_what_is_not_on_the_list_is_unknown_and_never_rejected(code: int, message: str, status: int) -> None:
    _, [event] = decode(refusal(code, message, status=status))
    assert event.status == OrderStatus.UNKNOWN
    assert event.error_class in (ErrorClass.UNKNOWN_EXECUTION, ErrorClass.UNMAPPED)


def test_control_bytes_and_length_of_a_message_are_tamed() -> None:
    frame = b'{"id":"%s","status":400,"error":{"code":-2010,"msg":"a\x1b[31m\xc3\xa9 %s"}}' % (OURS.encode(), b"y" * 200)
    _, [event] = decode(frame)
    assert event.message == ("a?[31m?? " + "y" * 200)[:63]


def test_retry_after_of_a_ban_is_kept() -> None:
    made = decoder()
    _, [event] = decode(refusal(-1003, "Way too many requests.", status=418, data={"serverTime": 1, "retryAfter": 1655969291181}),
                        made=made)
    assert (event.status, event.error_class) == (OrderStatus.REJECTED, ErrorClass.RATE)
    assert made.last_reply() == (418, 1655969291181)


# ---------------------------------------------------------------- cancel, query

def test_cancel_reply_is_about_the_original_order() -> None:
    result = {**SPOT_RESULT, "origClientOrderId": OURS, "clientOrderId": "zWRrjKQmAbsg42ofLzmyzE", "status": "CANCELED",
              "executedQty": "0.00100000"}
    _, [event] = decode(reply(result, CANCEL))
    assert (event.client_id, event.status, event.cum_qty, event.flags) == (OURS, OrderStatus.CANCELED, 100,
                                                                           EventFlag.CANCEL_REPLY)


def test_refused_cancel_says_nothing_about_the_order() -> None:
    _, [event] = decode(refusal(-2011, "Unknown order sent.", CANCEL))
    assert (event.client_id, event.status, event.error_class, event.flags) == (
        OURS, OrderStatus.NONE, ErrorClass.UNKNOWN_ORDER, EventFlag.CANCEL_REPLY)


def test_query_reply_and_not_found() -> None:
    _, [event] = decode(reply({**SPOT_RESULT, "status": "FILLED", "executedQty": "0.00847", "updateTime": 1}, QUERY))
    assert (event.source, event.status, event.cum_qty) == (Source.QUERY, OrderStatus.FILLED, 847)
    _, [event] = decode(refusal(-2013, "Order does not exist.", QUERY))
    assert (event.source, event.status) == (Source.QUERY, OrderStatus.NOT_FOUND)
    _, [event] = decode(refusal(-1007, "Timeout", QUERY, 504))
    assert (event.status, event.error_class) == (OrderStatus.NONE, ErrorClass.UNKNOWN_EXECUTION)


# ---------------------------------------------------------------- answers that make no sense

@pytest.mark.parametrize("change", [
    {"executedQty": "0.001230001"}, {"executedQty": "-1"}, {"executedQty": "1e3"}, {"executedQty": "99999999999999999999"},
    {"executedQty": None},
    {"symbol": "NOSUCH"}, {"symbol": None}, {"symbol": ""}, {"clientOrderId": "L00000000000000000"}, {"clientOrderId": "x-other"},
    {"fills": [{"price": "1.00", "qty": "0", "tradeId": 1}]}, {"fills": [{"price": "0.001", "qty": "1", "tradeId": 1}]},
    {"fills": [7]},
    {"fills": [{"price": "1", "qty": "1"}]}, {"fills": [{"price": "1", "qty": "1", "tradeId": 1, "commission": "1e-5"}]},
    {"cummulativeQuoteQty": "12.3.4"}])
def test_answer_about_our_order_that_makes_no_sense_is_unknown_not_silence(change: dict[str, object]) -> None:
    made = decoder()
    kind, [event] = decode(reply({**SPOT_RESULT, **change}), made=made)
    assert (kind, event.client_id, event.status, event.error_class) == ("orders", OURS, OrderStatus.UNKNOWN, ErrorClass.UNMAPPED)
    assert made.malformed == 1


def test_terminal_status_without_its_quantity_is_no_outcome() -> None:
    result = {k: v for k, v in SPOT_RESULT.items() if k != "executedQty"}
    _, [event] = decode(reply({**result, "status": "EXPIRED"}))
    assert event.status == OrderStatus.UNKNOWN


def test_reply_with_neither_result_nor_error_is_unknown() -> None:
    _, [event] = decode({"id": OURS, "status": 200})
    assert event.status == OrderStatus.UNKNOWN


def test_a_200_without_id_or_event_is_an_error() -> None:
    assert decode({"status": 200})[0] == "error"


def test_replies_to_other_requests_and_unasked_errors_are_for_cold_code() -> None:
    for request_id in ("r1-1", 7, None, "L0000000000000000I", "Z" + OURS[1:]):
        assert decode({"id": request_id, "status": 200, "result": {}})[0] == "reply"
    assert decode({"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}})[0] == "reply"


# ---------------------------------------------------------------- user streams

@pytest.mark.parametrize("is_wrapped", [True, False])
def test_execution_report_of_the_documentation(is_wrapped: bool) -> None:
    frame = {"subscriptionId": 0, "event": EXECUTION} if is_wrapped else EXECUTION
    assert decode(frame) == ("orders", [OrderEvent(
        OURS, SPOT, Source.STREAM, OrderStatus.NEW, 4293153, execution_id=8641984, exch_ns=1499405658657_000_000, recv_mono_ns=77,
        cum_qty=0,
        cum_quote=Decimal("0E-8"))])


def test_execution_report_of_a_fill_has_fee_and_maker_flag() -> None:
    _, [event] = decode({**EXECUTION, "x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.10000", "L": "10264.41", "z": "0.30000",
                         "t": 991, "n": "0.0000075",
                         "N": "BNB", "m": True})
    assert (event.is_fill, event.trade_id, event.last_qty, event.last_px, event.cum_qty, event.fee, event.fee_asset) == (
        True, 991, 10_000, 1_026_441, 30_000, Decimal("0.0000075"), "BNB")
    assert event.flags == EventFlag.IS_FILL | EventFlag.MAKER


def test_cancelled_execution_report_is_about_the_original_id() -> None:
    _, [event] = decode({**EXECUTION, "c": "cancel-request-1", "C": OURS, "x": "CANCELED", "X": "CANCELED"})
    assert (event.client_id, event.flags) == (OURS, EventFlag.NONE)


def test_reasons_reach_the_message() -> None:
    _, [event] = decode({**EXECUTION, "x": "REJECTED", "X": "REJECTED", "r": "INSUFFICIENT_BALANCES"})
    assert event.message == "INSUFFICIENT_BALANCES"
    _, [event] = decode({**EXECUTION, "x": "EXPIRED", "X": "EXPIRED", "eR": "UNFILLED_IOC_QUANTITY_EXPIRED"})
    assert event.message == "UNFILLED_IOC_QUANTITY_EXPIRED"
    _, [event] = decode({**EXECUTION, "x": "TRADE_PREVENTION", "X": "EXPIRED_IN_MATCH"})
    assert event.message == "EXPIRED_IN_MATCH"


def test_futures_update_of_the_documentation_and_a_fill() -> None:
    _, [event] = decode(linear_event(), "linear")
    assert (event.instrument_id, event.status, event.exch_ns, event.trade_id, event.fee) == (LINEAR, OrderStatus.NEW,
                                                                                             1568879465650_000_000, 0, None)
    _, [event] = decode(linear_event(x="TRADE", X="FILLED", l="0.001", z="0.001", L="43187.1", n="0.02159", t=5, er="0"),
                        "linear")
    assert (event.status, event.trade_id, event.last_qty, event.last_px, event.cum_qty, event.fee, event.fee_asset) == (
        OrderStatus.FILLED, 5, 1, 431_871, 1, Decimal("0.02159"), "USDT")


def test_liquidation_is_a_foreign_fill() -> None:
    _, [event] = decode(linear_event(c="autoclose-1234567890123456", x="CALCULATED", X="FILLED", l="0.001", z="0.001",
                                     L="43187.1", t=6), "linear")
    assert event.flags == EventFlag.IS_FILL | EventFlag.FOREIGN | EventFlag.FORCED
    assert event.client_id == "autoclose-1234567890123"


@pytest.mark.parametrize("client_id, is_forced", [("adl_autoclose", True), ("autoclose-1", True),
                                                  ("settlement_autoclose-1", True), ("web_adl_autoclose", False),
                                                  ("autoclose", False), ("web_123", False)])
def test_b26_the_id_says_what_the_venue_did_by_itself(client_id: str, is_forced: bool) -> None:
    _, [event] = decode(linear_event(c=client_id, x="TRADE", X="FILLED", l="0.001", z="0.001", L="43187.1", t=6), "linear")
    assert bool(event.flags & EventFlag.FORCED) == is_forced and event.flags & EventFlag.FOREIGN


def test_trade_lite_is_a_fill_without_status_or_fee() -> None:
    _, [event] = decode(LITE, "linear")
    assert (event.status, event.cum_qty, event.last_qty, event.last_px, event.trade_id, event.fee) == (OrderStatus.NONE, -1, 40,
                                                                                                       640_892, 109100866, None)
    assert event.flags == EventFlag.IS_FILL | EventFlag.LITE


@pytest.mark.parametrize("name", ["outboundAccountPosition", "balanceUpdate", "listenKeyExpired", "eventStreamTerminated",
                                  "serverShutdown",
                                  "ACCOUNT_UPDATE", "MARGIN_CALL", "SOMETHING_NEW"])
def test_other_events_are_named_for_cold_code(name: str) -> None:
    for frame in ({"e": name, "E": 1}, {"subscriptionId": 0, "event": {"e": name, "E": 1}},
                  {"stream": "x", "data": {"e": name, "E": 1}}):
        assert decode(frame)[0] == "account"


def test_event_of_a_symbol_that_is_not_ours_is_counted() -> None:
    made = decoder()
    assert decode({**EXECUTION, "s": "PEPEUSDT"}, made=made)[0] == "nothing"
    assert made.unknown_symbols == 1


@pytest.mark.parametrize("change", [{"z": "0.000001"}, {"z": None}, {"s": 7}, {"c": None}, {"x": "TRADE", "l": "0"},
                                    {"x": "TRADE", "l": "1", "L": "0.001", "t": 4},
                                    {"x": "TRADE", "l": "1", "L": "1", "t": -1},
                                    {"x": "TRADE", "l": "1", "L": "1", "t": 4, "n": "x"}])
def test_stream_event_that_makes_no_sense_gives_no_event(change: dict[str, object]) -> None:
    made = decoder()
    assert decode({**EXECUTION, **change}, made=made) == ("error", [])
    assert made.malformed == 1


# ---------------------------------------------------------------- hostile bytes

CORPUS = [orjson.dumps(frame) for frame in (
    reply({**SPOT_RESULT, "fills": FILLS, "status": "FILLED", "executedQty": "0.008"}, rateLimits=RATE_LIMITS),
    refusal(-2010, "Market is closed."),
    {"subscriptionId": 0, "event": EXECUTION}, linear_event(x="TRADE", l="0.001", L="1.1", t=3), LITE,
    {"e": "ACCOUNT_UPDATE", "E": 1, "a": {"m": "ORDER", "B": [], "P": []}})]


@pytest.mark.parametrize("market", ["spot", "linear"])
@pytest.mark.parametrize("frame", CORPUS, ids=range(len(CORPUS)))
def test_every_truncation_is_an_error_and_no_event(frame: bytes, market: str) -> None:
    made = decoder(market)
    for size in range(len(frame)):
        assert made.decode_frame(frame[:size])[0] == "error", frame[:size]
    assert made.decode_frame(frame)[0] != "error" or market == "linear"


@pytest.mark.parametrize("frame", CORPUS, ids=range(len(CORPUS)))
def test_changed_bytes_never_crash_and_never_invent_a_fill(frame: bytes) -> None:
    seed = 4
    generator = random.Random(seed)
    made = decoder("linear" if b"TRADE" in frame else "spot")
    for _ in range(4000):
        broken = bytearray(frame)
        for _ in range(generator.randrange(1, 4)):
            broken[generator.randrange(len(broken))] = generator.randrange(256)
        _, events = made.decode_frame(bytes(broken))
        for raw in events:
            event = unpack_order_event(raw)
            assert not event.is_fill or (event.last_qty > 0 and event.trade_id > 0), f"seed {seed}: {bytes(broken)!r}"
            assert event.status != OrderStatus.REJECTED or event.error_class != ErrorClass.UNMAPPED


@pytest.mark.parametrize("frame", [b"", b" ", b"{", b"}", b"[]", b"null", b"7", b'"x"', b"{}", b"{}{}", b'{"id":', b'{"id":1,}',
                                   b'{"id" 1}', b'{"a":[}', b"\0" * 64,
                                   b'{"e":7}', b'{"event":{}}', b'{"event":{"e":""}}x', b"[" * 200, b'{"id":"' + b"\\" * 99])
def test_garbage_is_an_error(frame: bytes) -> None:
    assert decode(frame)[0] == "error"


def test_nesting_without_end_is_refused() -> None:
    assert decode(b'{"result":' + b"[" * 5000 + b"]" * 5000 + b',"id":1}')[0] == "error"


def test_more_fills_than_fit_still_give_the_status() -> None:
    made = decoder()
    fills = [{"price": "1.00", "qty": "0.00001", "commission": "0", "commissionAsset": "BNB", "tradeId": n + 1}
             for n in range(400)]
    _, events = decode(reply({**SPOT_RESULT, "status": "FILLED", "executedQty": "0.00400", "fills": fills}), made=made)
    assert (len(events), events[-1].status, events[-1].cum_qty, made.truncated_fills) == (256, OrderStatus.FILLED, 400, 145)


# ---------------------------------------------------------------- REST answers

def rest(status: int, body: bytes, answers: str) -> OrderEvent:
    return unpack_order_event(decoder().decode_rest(status, body, OURS, answers)[-1])


def test_rest_answers_are_read_like_replies() -> None:
    assert rest(200, orjson.dumps({**SPOT_RESULT, "status": "FILLED", "executedQty": "0.00847"}),
                "query").status == OrderStatus.FILLED
    assert rest(400, b'{"code":-2013,"msg":"Order does not exist."}', "query").status == OrderStatus.NOT_FOUND
    assert rest(400, b'{"code":-2011,"msg":"Unknown order sent."}', "cancel").error_class == ErrorClass.UNKNOWN_ORDER


@pytest.mark.parametrize(("status", "body"),
                         [(503, b"<html>Service Unavailable</html>"), (502, b""), (200, b""), (200, b"<html>"), (200, b"{}"),
                          (504, b'{"msg":'),
                                              (200, b'{"symbol":"BTCUSDT"}')])
def test_rest_answer_without_sense_counts_for_nothing(status: int, body: bytes) -> None:
    assert rest(status, body, "query").status == OrderStatus.NONE
    assert rest(status, body, "place").status == OrderStatus.UNKNOWN
