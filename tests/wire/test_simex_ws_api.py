"""The WS API of the simulated venue: logon, signatures, time rules, orders, user events, errors in the venue's form."""

import base64
import hmac
import random

import orjson
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.support.simex_rig import ED25519_KEY, HMAC_KEY, Rig
from tools.simex.binance_auth import ApiKey, check_rest_signature, check_signature, params_text
from tools.simex.binance_errors import VenueError
from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import E8

SECRET = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
LTC = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (LTC, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            (
                f"apiKey={KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT"
                "&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
            ),
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (f"apiKey={KEY}&timestamp=1649729878532", "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed"),
    ],
)
def test_published_hmac_vectors_are_accepted_and_one_changed_byte_is_not(payload, signature):
    key = ApiKey(KEY, "hmac", SECRET)
    check_signature(key, payload.encode(), signature)
    check_signature(key, payload.encode(), signature.upper())
    for place in range(0, len(signature), 7):
        bad = signature[:place] + ("0" if signature[place] != "0" else "1") + signature[place + 1 :]
        with pytest.raises(VenueError, match="-1022"):
            check_signature(key, payload.encode(), bad)
    with pytest.raises(VenueError, match="-1022"):
        check_signature(key, payload.encode() + b"0", signature)


def test_rest_signature_joins_query_and_body_with_nothing_between():
    key = ApiKey(KEY, "hmac", SECRET)
    query, body = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC",
        "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
    )
    signature = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
    check_rest_signature(key, query, f"{body}&signature={signature}")
    check_rest_signature(key, f"{query}&signature={signature}", body)
    with pytest.raises(VenueError, match="-1022"):
        check_rest_signature(key, query, f"{body.replace('price=0.1', 'price=0.2')}&signature={signature}")
    with pytest.raises(VenueError, match="signature"):
        check_rest_signature(key, query, body)


def test_ed25519_vectors_are_accepted():
    body = b"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
    pem = b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"
    key = ApiKey(KEY, "ed25519", load_pem_private_key(pem, None).public_key())
    check_signature(
        key,
        f"apiKey={KEY}&timestamp=1649729878532".encode(),
        "763GJeFgG09B/06V/dq24cLu6f0R57whgDMyOCubDex4CTTElmDgPSIQqLdOsvW5TBxyaaFotVCI8tUmQMChAA==",
    )
    order = b"symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2&timestamp=1668481559918&recvWindow=5000"
    check_signature(key, order, "XtZirsmmi0noRzUfkqktvkVfxpkq/WtbLg2UOL3QGYdUBZVlqOBEMuEVw8zioY93N54NcKj9UuAXQEa9zgTDBg==")
    for bad in ("", "!", "AAAA", "XtZi"):
        with pytest.raises(VenueError, match="-1022"):
            check_signature(key, order, bad)


def test_json_numbers_are_signed_with_the_digits_that_were_sent():
    frame = (
        b'{"id":1,"method":"order.place","params":{"price":0.10,"quantity":1.0e2,"timestamp":5,"reduceOnly":true,"symbol":"A"}}'
    )
    assert params_text(orjson.loads(frame)["params"], frame) == {
        "price": "0.10",
        "quantity": "1.0e2",
        "timestamp": "5",
        "reduceOnly": "true",
        "symbol": "A",
    }


@pytest.fixture
def rig():
    return Rig(pairs=2)


def logon(rig, market):
    api = rig.api(market)
    params = {"apiKey": ED25519_KEY, "timestamp": rig.clock.wall_ms()}
    text = f"apiKey={ED25519_KEY}&timestamp={params['timestamp']}"
    params["signature"] = base64.b64encode(rig.private.sign(text.encode())).decode()
    return api, api.send("session.logon", params)


@pytest.mark.parametrize("market", [SPOT, LINEAR])
def test_logon_with_ed25519_lets_orders_go_unsigned(rig, market):
    api, answer = logon(rig, market)
    assert answer["status"] == 200 and answer["result"]["apiKey"] == ED25519_KEY
    assert ("userDataStream" in answer["result"]) == (market == SPOT)
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01", "timestamp": rig.clock.wall_ms()}
    assert api.send("order.place", order)["status"] == 200
    del order["timestamp"]
    assert api.send("order.place", order)["error"]["code"] == -1102
    api.send("session.logout", {})
    assert api.send("order.place", order | {"timestamp": rig.clock.wall_ms()})["error"]["code"] == -1102


def test_logon_is_refused_for_hmac_keys_bad_signatures_and_unknown_keys(rig):
    api = rig.api(SPOT)
    assert api.ask("session.logon")["error"]["code"] == -4056
    params = {"apiKey": ED25519_KEY, "timestamp": rig.clock.wall_ms(), "signature": base64.b64encode(b"x" * 64).decode()}
    assert api.send("session.logon", params)["error"] == {"code": -1022, "msg": "Signature for this request is not valid."}
    assert api.send("session.logon", params | {"apiKey": "nobody"})["error"]["code"] == -2015
    assert api.send("session.logon", params | {"apiKey": "no body"})["error"]["code"] == -2014


def test_a_signature_over_other_values_is_refused(rig):
    api = rig.api(SPOT)
    good = api.signed({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"})
    assert api.send("order.place", good)["status"] == 200
    for name, value in (("quantity", "0.011"), ("side", "SELL"), ("timestamp", good["timestamp"] + 1), ("newClientOrderId", "x")):
        assert api.send("order.place", good | {name: value})["error"]["code"] == -1022, name
    signature = good["signature"]
    flipped = ("0" if signature[0] != "0" else "1") + signature[1:]
    assert api.send("order.place", good | {"signature": flipped})["error"]["code"] == -1022
    assert len(rig.account.orders[SPOT]) == 1


@pytest.mark.parametrize(
    ("offset_ms", "window", "code"),
    [
        (999, None, 0),
        (1000, None, -1021),
        (-5000, None, 0),
        (-5001, None, -1021),
        (-100, "100", 0),
        (-101, "100", -1021),
        (0, "60001", -1131),
        (0, "0", -1131),
        (0, "abc", -1100),
    ],
)
def test_time_rules_at_their_edges(rig, offset_ms, window, code):
    params = {"timestamp": rig.clock.wall_ms() + offset_ms} | ({"recvWindow": window} if window else {})
    answer = rig.api(SPOT).ask("account.status", **params)
    assert answer.get("error", {"code": 0})["code"] == code


SPOT_ERRORS = [
    ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ({"symbol": None}, -1102, "symbol"),
    ({"side": "HOLD"}, -1117, "Invalid side."),
    ({"type": "GUESS"}, -1116, "Invalid orderType."),
    ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    ({"timeInForce": None}, -1102, "timeInForce"),
    ({"price": None}, -1102, "price"),
    ({"price": "x"}, -1100, "price"),
    ({"price": "-5"}, -1100, "price"),
    ({"quantity": "1e2"}, -1100, "quantity"),
    ({"price": "60000.001"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "60000.000000001"}, -1111, "precision"),
    ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "99999999"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0.00001", "price": "60000"}, -1013, "Filter failure: NOTIONAL"),
    ({"price": "1.00", "quantity": "10"}, -1013, "PERCENT_PRICE_BY_SIDE"),
    ({"newClientOrderId": "a b"}, -1100, "newClientOrderId"),
    ({"newClientOrderId": "x" * 37}, -1100, "newClientOrderId"),
    ({"newOrderRespType": "ALL"}, -1130, "newOrderRespType"),
    ({"selfTradePreventionMode": "MAYBE"}, -1130, "selfTradePreventionMode"),
    ({"type": "LIMIT_MAKER"}, -1106, "timeInForce"),
]


@pytest.mark.parametrize(("change", "code", "text"), SPOT_ERRORS)
def test_spot_refusals_have_the_venues_code_and_text(rig, change, code, text):
    params = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "price": "60000.00",
        "quantity": "0.01",
    } | change
    answer = rig.api(SPOT).ask("order.place", **{k: v for k, v in params.items() if v is not None})
    assert answer["status"] == 400 and answer["error"]["code"] == code and text in answer["error"]["msg"]
    assert not rig.account.orders[SPOT]


LINEAR_ERRORS = [
    ({"price": "64000.05"}, -4014),
    ({"price": "64000.001"}, -1111),
    ({"price": "0"}, -4001),
    ({"quantity": "0"}, -4003),
    ({"quantity": "0.0001"}, -1111),
    ({"quantity": "99999999"}, -4005),
    ({"price": "99000.0"}, -4016),
    ({"side": "SELL", "price": "30000.0"}, -4024),
    ({"quantity": "0.0005"}, -1111),
    ({"symbol": "SOLUSDT"}, -1121),
    ({"positionSide": "LONG"}, -4061),
    ({"type": "STOP_MARKET"}, -4120),
    ({"newClientOrderId": "x" * 37}, -4015),
    ({"reduceOnly": "yes"}, -1130),
    ({"timeInForce": None}, -1102),
    ({"price": "99999999999"}, -4002),
]


@pytest.mark.parametrize(("change", "code"), LINEAR_ERRORS)
def test_futures_refusals_have_the_venues_code(rig, change, code):
    params = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "price": "64000.0",
        "quantity": "0.01",
    } | change
    answer = rig.api(LINEAR).ask("order.place", **{k: v for k, v in params.items() if v is not None})
    assert answer["status"] == 400 and answer["error"]["code"] == code, answer


def test_futures_minimum_notional_spares_reduce_only(rig):
    linear = rig.api(LINEAR)
    assert linear.place("ETHUSDT", "BUY", None, "0.002")["error"] == {
        "code": -4164,
        "msg": "Order's notional must be no smaller than 20 (unless you choose reduce only).",
    }
    linear.place("ETHUSDT", "BUY", None, "0.010")
    assert linear.place("ETHUSDT", "SELL", None, "0.002", reduceOnly="true")["status"] == 200


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"id":1}',
        b'{"id":1,"method":5}',
        b'{"id":1,"method":"order.place","params":[]}',
        b'{"id":1,"method":"nothing.here"}',
        b'{"id":1,"method":"order.place","params":{"symbol":{"a":1}}}',
    ],
)
def test_malformed_requests_are_answered_with_an_error(rig, frame):
    for market in (SPOT, LINEAR):
        api = rig.api(market)
        api.session.on_text(frame, 0)
        assert len(api.frames) == 1 and api.frames[0]["status"] == 400 and api.frames[0]["error"]["code"] < 0


def test_rate_limits_are_reported_unless_switched_off(rig):
    api = rig.api(SPOT)
    answer = api.place("BTCUSDT", "BUY", "50000.00", "0.01", "GTC")
    assert [(r["rateLimitType"], r["interval"], r["count"]) for r in answer["rateLimits"]][:2] == [
        ("ORDERS", "SECOND", 1),
        ("ORDERS", "DAY", 1),
    ]
    assert "rateLimits" not in api.ask("time", returnRateLimits=False)
    api.place("BTCUSDT", "BUY", None, "0.01")
    assert rig.dialect.limits[SPOT].order_count(rig.account, "10S", 10, rig.clock.wall_ms()) == 1, (
        "an order that trades is not counted any more"
    )


def test_orders_beyond_the_limit_are_refused_until_the_window_ends(rig):
    linear = rig.api(LINEAR)
    answers = [linear.place("BTCUSDT", "BUY", "62000.0", "0.001", "IOC") for _ in range(301)]
    assert answers[299]["status"] == 200 and answers[300]["status"] == 429 and answers[300]["error"]["code"] == -1015
    assert answers[300]["error"]["data"]["retryAfter"] > rig.clock.wall_ms()
    rig.clock.advance_ns(10_000_000_000)
    assert linear.place("BTCUSDT", "BUY", "62000.0", "0.001", "IOC")["status"] == 200


def test_spot_user_events_come_wrapped_after_the_answer_and_tell_the_whole_order(rig):
    api = rig.api(SPOT)
    assert api.ask("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}
    assert api.ask("userDataStream.subscribe.signature")["error"]["code"] == -2035
    api.frames.clear()
    rig.set_levels(SPOT, "BTCUSDT", [("64000.00", "1")], [("64010.00", "0.5"), ("64011.00", "1")])
    api.place("BTCUSDT", "BUY", "64010.00", "0.8", newClientOrderId="abc", newOrderRespType="ACK")
    assert api.frames[0]["status"] == 200 and set(api.frames[0]["result"]) == {
        "symbol",
        "orderId",
        "orderListId",
        "clientOrderId",
        "transactTime",
    }
    events = [f["event"] for f in api.frames[1:]]
    assert all(f["subscriptionId"] == 0 for f in api.frames[1:])
    assert [(e["e"], e.get("x"), e.get("X")) for e in events] == [
        ("executionReport", "NEW", "NEW"),
        ("executionReport", "TRADE", "PARTIALLY_FILLED"),
        ("executionReport", "EXPIRED", "EXPIRED"),
        ("outboundAccountPosition", None, None),
    ]
    trade, expired = events[1], events[2]
    assert (trade["l"], trade["L"], trade["n"], trade["N"], trade["z"], trade["Z"], trade["m"]) == (
        "0.50000000",
        "64010.00000000",
        "0.00050000",
        "BTC",
        "0.50000000",
        "32005.00000000",
        False,
    )
    assert expired["eR"] == "UNFILLED_IOC_QUANTITY_EXPIRED" and expired["c"] == "abc" and len({e["I"] for e in events[:3]}) == 3
    assert events[3]["B"] == [
        {"a": "BTC", "f": "0.49950000", "l": "0.00000000"},
        {"a": "USDT", "f": "967995.00000000", "l": "0.00000000"},
    ]
    api.ask("userDataStream.unsubscribe")
    api.frames.clear()
    api.place("BTCUSDT", "BUY", "64011.00", "0.1")
    assert len(api.frames) == 1


def test_cancel_report_carries_both_ids(rig):
    api = rig.api(SPOT)
    api.ask("userDataStream.subscribe.signature")
    api.place("BTCUSDT", "BUY", "50000.00", "0.01", "GTC", newClientOrderId="orig")
    api.frames.clear()
    api.ask("order.cancel", symbol="BTCUSDT", origClientOrderId="orig", newClientOrderId="cancelreq")
    report = next(f["event"] for f in api.frames if "event" in f and f["event"]["e"] == "executionReport")
    assert (report["x"], report["X"], report["c"], report["C"]) == ("CANCELED", "CANCELED", "cancelreq", "orig")


def test_futures_user_events_come_in_the_venues_order(rig):
    events = rig.linear_user()
    rig.set_levels(LINEAR, "BTCUSDT", [("64000.0", "1")], [("64010.0", "0.5"), ("64011.0", "1")])
    answer = rig.api(LINEAR).place("BTCUSDT", "SELL", "64000.0", "0.2", newClientOrderId="abc")
    assert answer["result"]["status"] == "NEW", "ACK shows the order as accepted"
    assert [(e["e"], e.get("o", {}).get("x")) for e in events] == [
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("ACCOUNT_UPDATE", None),
        ("TRADE_LITE", None),
        ("ORDER_TRADE_UPDATE", "TRADE"),
    ]
    trade = events[3]["o"]
    assert (trade["X"], trade["l"], trade["L"], trade["n"], trade["N"], trade["rp"]) == (
        "FILLED",
        "0.200",
        "64000.00",
        "6.40000000",
        "USDT",
        "0.00000000",
    )
    assert events[2]["t"] == trade["t"] and events[2]["l"] == "0.200"
    assert events[1]["a"]["P"][0]["pa"] == "-0.200" and events[1]["a"]["m"] == "ORDER"
    assert events[1]["a"]["B"] == [{"a": "USDT", "wb": "999993.60000000", "cw": "999993.60000000", "bc": "0"}]
    events.clear()
    rig.api(LINEAR).place("BTCUSDT", "BUY", "63000.0", "0.1")
    assert [(e["o"]["x"], e["o"]["X"], e["o"]["er"]) for e in events] == [("NEW", "NEW", "0"), ("EXPIRED", "EXPIRED", "2")]


def test_listen_key_lives_and_dies(rig):
    linear = rig.api(LINEAR)
    key = linear.send("userDataStream.start", {"apiKey": HMAC_KEY})["result"]["listenKey"]
    assert linear.send("userDataStream.start", {"apiKey": HMAC_KEY})["result"]["listenKey"] == key
    events = rig.linear_user()
    rig.clock.advance_ns(59 * 60 * 10**9)
    assert linear.send("userDataStream.ping", {"apiKey": HMAC_KEY})["status"] == 200
    rig.clock.advance_ns(59 * 60 * 10**9)
    assert rig.dialect.listen_keys[LINEAR].owner(key) is rig.account
    rig.clock.advance_ns(2 * 60 * 10**9)
    rig.dialect.on_timer(rig.clock.wall_ms())
    assert events[-1]["e"] == "listenKeyExpired" and events[-1]["listenKey"] == key
    assert linear.send("userDataStream.ping", {"apiKey": HMAC_KEY})["error"]["code"] == -1125
    assert linear.send("userDataStream.start", {"apiKey": HMAC_KEY})["result"]["listenKey"] != key


def test_dead_man_switch_cancels_at_its_time(rig):
    linear = rig.api(LINEAR)
    linear.place("BTCUSDT", "BUY", "62000.0", "0.01", "GTC")
    params = {"symbol": "BTCUSDT", "countdownTime": "1000", "timestamp": str(rig.clock.wall_ms())}
    rig.operations[LINEAR].countdown(rig.account, params)
    rig.dialect.on_timer(rig.clock.wall_ms())
    assert rig.venue.matcher.open_orders(rig.account, LINEAR, None)
    rig.clock.advance_ns(1_000_000_000)
    rig.dialect.on_timer(rig.clock.wall_ms())
    assert not rig.venue.matcher.open_orders(rig.account, LINEAR, None)


# ---- order-entry faults -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "executed"),
    [
        ({"verb": "reject", "code": -2010, "msg": "Market is closed."}, 400, False),
        ({"verb": "unknown", "executed": True}, 408, True),
        ({"verb": "unknown", "executed": False}, 408, False),
        ({"verb": "lostreq"}, None, False),
        ({"verb": "lostresp"}, None, True),
        ({"verb": "silent"}, None, False),
    ],
)
@pytest.mark.parametrize("market", [SPOT, LINEAR])
def test_order_faults_do_what_they_say_once(rig, market, fault, status, executed):
    rig.venue.faults.plant({"channel": "oe", "market": market, "count": 1} | fault)
    api = rig.api(market)
    answer = api.place("BTCUSDT", "BUY", None, "0.01", newClientOrderId="f1")
    assert (answer["status"] if answer else None) == status
    assert bool(rig.account.orders[market]) == executed
    if fault["verb"] == "unknown":
        assert answer["error"]["code"] == -1007
    assert api.place("BTCUSDT", "BUY", None, "0.01")["status"] == 200


def test_partial_fault_fills_a_fraction_and_late_executes_afterwards(rig):
    api = rig.api(LINEAR)
    rig.venue.faults.plant({"channel": "oe", "verb": "partial", "fraction": 0.37})
    result = api.place("BTCUSDT", "BUY", None, "0.100", newOrderRespType="RESULT")["result"]
    assert result["executedQty"] == "0.037" and result["status"] == "EXPIRED"
    rig.venue.faults.plant({"channel": "oe", "verb": "late", "ms": 2000, "reply": False})
    api.frames.clear()
    assert api.place("BTCUSDT", "BUY", None, "0.100", newClientOrderId="late1") is None
    assert "late1" not in rig.account.last_by_client[LINEAR]
    rig.deferred[-1][1]()
    assert rig.account.last_by_client[LINEAR]["late1"].status == "FILLED" and not api.frames


def test_user_events_can_be_dropped_and_doubled_and_queries_can_miss(rig):
    events = rig.linear_user()
    rig.venue.faults.plant({"channel": "ud", "verb": "drop", "count": 4})
    api = rig.api(LINEAR)
    api.place("BTCUSDT", "BUY", None, "0.01", newClientOrderId="q1")
    assert not events
    rig.venue.faults.plant({"channel": "ud", "verb": "dup", "count": 1})
    api.place("BTCUSDT", "BUY", None, "0.01")
    assert len(events) == 5 and events[0] == events[1]
    rig.venue.faults.plant({"channel": "q", "verb": "reject", "count": 1})
    assert api.ask("order.status", symbol="BTCUSDT", origClientOrderId="q1")["error"]["code"] == -2013
    assert api.ask("order.status", symbol="BTCUSDT", origClientOrderId="q1")["result"]["status"] == "FILLED"


def test_deposits_are_told(rig):
    api = rig.api(SPOT)
    api.ask("userDataStream.subscribe.signature")
    events = rig.linear_user()
    rig.venue.adjust_balance(rig.account, SPOT, "BTC", 3 * E8)
    rig.venue.adjust_balance(rig.account, LINEAR, "USDT", -5 * E8)
    rig.venue.settle()
    assert [f["event"]["e"] for f in api.frames if "event" in f] == ["balanceUpdate", "outboundAccountPosition"]
    assert events[0]["a"]["m"] == "WITHDRAW" and events[0]["a"]["B"][0]["bc"] == "-5.00000000"


def test_hmac_of_the_test_helper_is_the_published_recipe():
    """The helper signs as the vectors above do, so a wrong recipe cannot hide in both."""
    text = f"apiKey={KEY}&timestamp=1649729878532"
    assert (
        hmac.digest(SECRET, text.encode(), "sha256").hex() == "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed"
    )


def test_mutated_requests_never_break_the_venue(rig):
    """Bytes of valid requests changed, cut and doubled at random: an answer or an error each time, books in order after."""
    seed = 99
    print("seed", seed)
    draw = random.Random(seed)
    for market in (SPOT, LINEAR):
        rig.dialect.limits[market].enforce = False
        api, _ = logon(rig, market)
        stream, _ = rig.stream(market, "/ws" if market == SPOT else "/public/ws")
        order = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "price": "63000.0",
            "quantity": "0.01",
            "timestamp": rig.clock.wall_ms(),
            "newClientOrderId": "a1",
            "reduceOnly": "false",
            "newOrderRespType": "RESULT",
        }
        frames = [
            orjson.dumps({"id": 1, "method": "order.place", "params": order}),
            orjson.dumps(
                {
                    "id": 2,
                    "method": "order.cancel",
                    "params": {"symbol": "BTCUSDT", "origClientOrderId": "a1", "timestamp": order["timestamp"]},
                }
            ),
            orjson.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 3}),
        ]
        for _ in range(3000):
            frame = bytearray(draw.choice(frames))
            for _ in range(draw.randrange(1, 4)):
                place = draw.randrange(len(frame))
                action = draw.random()
                if action < 0.5:
                    frame[place] = draw.randrange(256)
                elif action < 0.75:
                    del frame[place : place + draw.randrange(1, 9)]
                else:
                    frame[place:place] = frame[max(0, place - 5) : place]
                if not frame:
                    frame = bytearray(b" ")
            api.session.on_text(bytes(frame), 0)
            stream.on_text(bytes(frame), 0)
        assert api.frames and all("status" in f for f in api.frames if "subscriptionId" not in f)
        rig.venue.books[market]["BTCUSDT"].check()
    text = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=63000.0&quantity=0.01&timestamp=1&signature=aa&limit=5"
    for _ in range(2000):
        query = "".join(draw.choice([c, c, c, c, c, "%", "&", "=", "é", "\0"]) for c in text)
        method, path = draw.choice(list(rig.dialect.rest[SPOT].table))
        rig.ask_rest(SPOT, method, f"{path}?{query}")
        method, path = draw.choice(list(rig.dialect.rest[LINEAR].table))
        rig.ask_rest(LINEAR, method, f"{path}?{query}")
    values = ["BTCUSDT", "", "0", "-1", "1e9", "x", "9" * 40, "true", "0.00000001", "é", "[]", "LIMIT", "BUY", "IOC", "60000.0"]
    names = [
        "symbol",
        "orderId",
        "origClientOrderId",
        "limit",
        "startTime",
        "fromId",
        "leverage",
        "marginType",
        "countdownTime",
        "side",
        "type",
        "quantity",
        "price",
        "quoteOrderQty",
        "timeInForce",
        "symbols",
        "dualSidePosition",
    ]
    for market in (SPOT, LINEAR):
        for name, _, _ in set(rig.dialect.rest[market].table.values()):
            for _ in range(60):
                params = {n: draw.choice(values) for n in draw.sample(names, 6)} | (
                    {"symbol": "BTCUSDT"} if draw.random() < 0.7 else {}
                )
                rig.operations[market].perform(name, rig.account, params, lambda outcome: None)
    held = sum(o.locked_e8 for o in rig.venue.matcher.open_orders(rig.account, SPOT, None))
    assert rig.account.locked.get("USDT", 0) == held
