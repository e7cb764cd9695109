"""Order entry and private topics of the simulated Bybit: an acknowledgement says only that a request was taken, the topics tell
what became of it; refusals, ids, fees and limits as the venue's documents have them."""

import re
from decimal import Decimal

import orjson
import pytest

from tests.support.bybit_sim import SECRET, limit, quiet_rig, sign

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
ALL = ("order", "execution", "position", "wallet")


@pytest.fixture
def rig():
    rig = quiet_rig()
    rig.account.free["BTC"] = 10 * 10**8
    return rig


def rows(wire, topic):
    return [row for frame in wire.frames if frame["topic"] == topic for row in frame["data"]]


def states(wire):
    return [(row["orderStatus"], row["cumExecQty"], row["cancelType"], row["rejectReason"]) for row in rows(wire, "order")]


# ---- acknowledgements and events ---------------------------------------------------------------------


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_ack_first_then_executions_and_states(rig, market):
    trade = rig.trade()
    private = rig.private(*ALL)
    log = []
    for wire, name in ((trade, "ack"), (private, "event")):
        wire.session.send = lambda frame, wire=wire, name=name: (log.append(name), wire.send(frame))
    answer = rig.order(trade, "order.create", limit(market, "arb-1", price="64250.5", qty="0.9", tif="IOC"))
    assert log[0] == "ack" and set(log[1:]) == {"event"} and len(log) > 4
    assert list(answer) == ["reqId", "retCode", "retMsg", "op", "data", "retExtInfo", "header", "connId"]
    assert (answer["retCode"], answer["retMsg"], answer["data"]["orderLinkId"]) == (0, "OK", "arb-1")
    assert set(answer["header"]) == {"X-Bapi-Limit", "X-Bapi-Limit-Status", "X-Bapi-Limit-Reset-Timestamp", "Traceid", "Timenow"}
    order_id = answer["data"]["orderId"]
    assert UUID.match(order_id) if market == "linear" else order_id.isdigit()
    done = ("0.4", "0.9") if market == "spot" else ("0.400", "0.900")
    assert [s[:2] for s in states(private)] == [("New", "0"), ("PartiallyFilled", done[0]), ("Filled", done[1])]
    fills = rows(private, "execution")
    assert [(f["execPrice"], f["leavesQty"]) for f in fills] == (
        [("64250.2", "0.5"), ("64250.5", "0")] if market == "spot" else [("64250.20", "0.500"), ("64250.50", "0")]
    )
    assert all(UUID.match(f["execId"]) and f["orderId"] == order_id and f["orderLinkId"] == "arb-1" for f in fills)
    rate = Decimal("0.001") if market == "spot" else Decimal("0.00055")
    for fill in fills:
        base = Decimal(fill["execQty"]) if market == "spot" else Decimal(fill["execQty"]) * Decimal(fill["execPrice"])
        assert Decimal(fill["execFee"]) == round(base * rate, 8) and Decimal(fill["feeRate"]) == rate
        assert fill["feeCurrency"] == ("BTC" if market == "spot" else "USDT") and fill["isMaker"] is False
    last = rows(private, "order")[-1]
    assert last["cumFeeDetail"] == {fills[0]["feeCurrency"]: last["cumExecFee"]}
    assert Decimal(last["cumExecFee"]) == sum(Decimal(f["execFee"]) for f in fills)
    assert last["category"] == market and last["cancelType"] == "UNKNOWN"


def test_spot_sell_pays_its_fee_in_the_quote_asset(rig):
    private = rig.private("execution.spot", "wallet")
    before = rig.account.free["USDT"]
    rig.order(rig.trade(), "order.create", limit("spot", "s1", "Sell", "64250.1", "0.1", "IOC"))
    (fill,) = rows(private, "execution.spot")
    assert fill["feeCurrency"] == "USDT" and Decimal(fill["execFee"]) == Decimal("6.42501")
    assert rig.account.free["USDT"] - before == (642501000000 - 642501000)
    (wallet,) = rows(private, "wallet")
    told = {coin["coin"]: coin["walletBalance"] for coin in wallet["coin"]}
    assert told == {"BTC": "9.9", "USDT": str(Decimal(rig.account.total("USDT")).scaleb(-8).normalize())}


@pytest.mark.parametrize(
    ("market", "tif", "qty", "expected"),
    [
        ("linear", "IOC", "1", ("Cancelled", "0.400", "UNKNOWN", "EC_NoImmediateQtyToFill")),
        ("spot", "IOC", "1", ("PartiallyFilledCanceled", "0.4", "UNKNOWN", "EC_NoImmediateQtyToFill")),
        ("linear", "FOK", "1", ("Cancelled", "0", "UNKNOWN", "EC_CancelForNoFullFill")),
        ("spot", "FOK", "1", ("Cancelled", "0", "UNKNOWN", "EC_CancelForNoFullFill")),
        ("linear", "PostOnly", "1", ("Cancelled", "0", "UNKNOWN", "EC_PostOnlyWillTakeLiquidity")),
        ("spot", "PostOnly", "1", ("Cancelled", "0", "UNKNOWN", "EC_PostOnlyWillTakeLiquidity")),
    ],
)
def test_what_cannot_be_is_acknowledged_and_ended_by_an_event(rig, market, tif, qty, expected):
    private = rig.private("order")
    answer = rig.order(rig.trade(), "order.create", limit(market, "e1", price="64250.2", qty=qty, tif=tif))
    assert answer["retCode"] == 0
    assert states(private)[-1] == expected
    assert rows(private, "order")[-1]["timeInForce"] == tif


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_ioc_that_meets_nothing(rig, market):
    private = rig.private("order")
    rig.order(rig.trade(), "order.create", limit(market, "e1", price="64250.1", tif="IOC"))
    assert states(private)[-1] == ("Cancelled", "0", "UNKNOWN", "EC_NoImmediateQtyToFill")


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_resting_cancelled_and_cancelled_again(rig, market):
    trade, private = rig.trade(), rig.private(*ALL)
    order_id = rig.order(trade, "order.create", limit(market, "rest1"))["data"]["orderId"]
    assert states(private) == [("New", "0", "UNKNOWN", "EC_NoError")]
    which = {"category": market, "symbol": "BTCUSDT", "orderLinkId": "rest1"}
    answer = rig.order(trade, "order.cancel", which)
    assert (
        answer["retCode"] == 0
        and answer["data"] == {"orderId": order_id, "orderLinkId": "rest1"}
        and answer["op"] == "order.cancel"
    )
    assert states(private)[-1] == ("Cancelled", "0", "CancelByUser", "EC_PerCancelRequest")
    assert rows(private, "order")[-1]["leavesQty"] == ""
    again = rig.order(trade, "order.cancel", which)
    assert again["retCode"] == (170213 if market == "spot" else 110001) and again["data"] == {}
    unknown = rig.order(trade, "order.cancel", {"category": market, "symbol": "BTCUSDT", "orderId": "nope"})
    assert unknown["retCode"] == again["retCode"]
    if market == "linear":
        assert [p["size"] for p in rows(private, "position")] == ["0", "0"], "told on place and cancel without a change"


@pytest.mark.parametrize(("market", "code"), [("spot", 170141), ("linear", 110072)])
def test_a_link_id_is_unique_for_ever(rig, market, code):
    trade = rig.trade()
    assert rig.order(trade, "order.create", limit(market, "once"))["retCode"] == 0
    assert rig.order(trade, "order.create", limit(market, "once"))["retCode"] == code
    rig.order(trade, "order.cancel", {"category": market, "symbol": "BTCUSDT", "orderLinkId": "once"})
    assert rig.order(trade, "order.create", limit(market, "once"))["retCode"] == code, "also after its end"
    for _ in range(2):
        assert rig.order(trade, "order.create", limit(market, ""))["retCode"] == 0, "without one there is nothing to repeat"
    assert {row["orderLinkId"] for row in rig.rows("order/realtime", category=market, symbol="BTCUSDT")} == {""}


def test_a_spot_market_buy_spends_its_quantity_of_quote_unless_it_says_otherwise(rig):
    trade, private = rig.trade(), rig.private("order")
    market = {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "10000"}
    assert rig.order(trade, "order.create", market | {"orderLinkId": "by-value"})["retCode"] == 0
    bought = rows(private, "order")[-1]
    assert bought["orderStatus"] == "Filled" and bought["qty"] == "10000" and bought["marketUnit"] == "quoteCoin"
    assert Decimal("9999.9") < Decimal(bought["cumExecValue"]) <= 10000 and bought["timeInForce"] == "IOC"
    rig.order(trade, "order.create", market | {"orderLinkId": "by-base", "qty": "0.1", "marketUnit": "baseCoin"})
    assert rows(private, "order")[-1]["cumExecQty"] == "0.1"
    rig.order(trade, "order.create", market | {"orderLinkId": "sell", "side": "Sell", "qty": "0.1"})
    assert rows(private, "order")[-1]["cumExecQty"] == "0.1"


def test_positions_and_reduce_only(rig):
    trade, private = rig.trade(), rig.private(*ALL)
    assert (
        rig.order(trade, "order.create", limit("linear", "r0", "Sell", "64250.1", tif="IOC", reduceOnly=True))["retCode"]
        == 110017
    )
    rig.order(trade, "order.create", limit("linear", "p1", price="64250.2", qty="0.2", tif="IOC"))
    held = rows(private, "position")[-1]
    assert (held["side"], held["size"], held["entryPrice"], held["positionIdx"]) == ("Buy", "0.200", "64250.2", 0)
    private.frames.clear()
    answer = rig.order(trade, "order.create", limit("linear", "p2", "Sell", "64250.1", "0.3", "IOC", reduceOnly=True))
    assert answer["retCode"] == 0
    assert states(private)[-1] == ("Cancelled", "0.200", "CancelByReduceOnly", "EC_NoError")
    (fill,) = rows(private, "execution")
    assert (fill["closedSize"], fill["execPnl"]) == ("0.200", "-0.02")
    assert (rows(private, "position")[-1]["side"], rows(private, "position")[-1]["size"]) == ("", "0")
    close = limit("linear", "p3", "Sell", "64250.1", "0", "IOC", reduceOnly=True, closeOnTrigger=True)
    assert rig.order(trade, "order.create", close)["retCode"] == 110017
    rig.order(trade, "order.create", limit("linear", "p4", price="64250.2", qty="0.1", tif="IOC"))
    assert rig.order(trade, "order.create", close | {"orderLinkId": "p5"})["retCode"] == 0
    assert rig.account.positions["BTCUSDT"].qty == 0


def test_amended_orders_trade_at_their_new_price_and_keep_their_money(rig):
    trade, private = rig.trade(), rig.private("order")
    for market in ("spot", "linear"):
        total = rig.account.total("USDT")
        rig.order(trade, "order.create", limit(market, f"a-{market}", price="64000", qty="0.1"))
        which = {"category": market, "symbol": "BTCUSDT", "orderLinkId": f"a-{market}"}
        assert rig.order(trade, "order.amend", which | {"price": "64100", "qty": "0.2"})["retCode"] == 0
        row = rows(private, "order")[-1]
        assert (row["orderStatus"], Decimal(row["price"]), Decimal(row["qty"])) == ("New", 64100, Decimal("0.2"))
        assert rig.account.locked.get("USDT", 0) == (12820 * 10**8 if market == "spot" else 0)
        assert rig.order(trade, "order.amend", which | {"price": "64100"})["retCode"] == 10001
        refused = rig.order(trade, "order.amend", which | {"qty": "400"})
        assert refused["retCode"] == (170131 if market == "spot" else 110007)
        assert rig.account.total("USDT") == total and rig.account.locked.get("USDT", 0) == (
            12820 * 10**8 if market == "spot" else 0
        )
        assert rig.order(trade, "order.amend", which | {"price": "64250.2"})["retCode"] == 0
        assert states(private)[-1][0] == "Filled" and rig.account.locked.get("USDT", 0) == 0
        assert rig.order(trade, "order.amend", which | {"price": "64000"})["retCode"] == (170213 if market == "spot" else 110001)
        rig.venue.books[market]["BTCUSDT"].check()


# ---- batches ----------------------------------------------------------------------------------------


def test_batches_answer_order_by_order(rig):
    trade = rig.trade()
    requests = [limit("linear", f"b{n}", qty="0.01" if n != 1 else "0.0001") for n in range(3)]
    answer = rig.order(trade, "order.create-batch", {"category": "linear", "request": requests})
    assert answer["retCode"] == 0 and answer["header"]["X-Bapi-Limit-Status"] == "7", "it costs one an order"
    listed, codes = answer["data"]["list"], answer["retExtInfo"]["list"]
    assert [row["orderLinkId"] for row in listed] == ["b0", "b1", "b2"] and [bool(row["orderId"]) for row in listed] == [
        True,
        False,
        True,
    ]
    assert [c["code"] for c in codes] == [0, 10001, 0]
    cancels = [{"symbol": "BTCUSDT", "orderLinkId": f"b{n}"} for n in range(3)]
    answer = rig.order(trade, "order.cancel-batch", {"category": "linear", "request": cancels})
    assert [c["code"] for c in answer["retExtInfo"]["list"]] == [0, 110001, 0]
    many = {"category": "spot", "request": [limit("spot", f"m{n}") for n in range(11)]}
    assert rig.order(trade, "order.create-batch", many)["retCode"] == 10001
    rest = rig.post("order/create-batch", {"category": "spot", "request": [limit("spot", "x1"), limit("spot", "x1")]})
    assert rest["retCode"] == 0 and [c["code"] for c in rest["retExtInfo"]["list"]] == [0, 170141]


# ---- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "changes", "code"),
    [
        ("linear", {"qty": "200"}, 110007),
        ("spot", {"qty": "200"}, 170131),
        ("spot", {"side": "Sell", "qty": "11", "price": "64300"}, 170131),
        ("linear", {"price": "64000.05"}, 10001),
        ("spot", {"price": "64000.05"}, 170134),
        ("linear", {"qty": "0.0101"}, 10001),
        ("spot", {"qty": "0.0100001"}, 170137),
        ("linear", {"qty": "0.001", "price": "61100", "symbol": "ETHUSDT"}, 110003),
        ("linear", {"price": "70000"}, 110003),
        ("linear", {"side": "Sell", "price": "60000"}, 110003),
        ("spot", {"price": "70000"}, 170193),
        ("spot", {"side": "Sell", "price": "60000"}, 170194),
        ("spot", {"qty": "0.00005"}, 170140),
        ("linear", {"qty": "0.001", "price": "3000", "symbol": "ETHUSDT"}, 110094),
        ("linear", {"qty": "100000"}, 10001),
        ("spot", {"qty": "100000"}, 170124),
        ("linear", {"qty": "abc"}, 10001),
        ("linear", {"qty": 0.01}, 10001),
        ("linear", {"qty": "0"}, 10001),
        ("linear", {"side": "BUY"}, 10001),
        ("linear", {"timeInForce": "RPI"}, 10001),
        ("linear", {"positionIdx": 1}, 10001),
        ("linear", {"triggerPrice": "65000"}, 10001),
        ("linear", {"orderLinkId": "not allowed!"}, 10001),
        ("spot", {"orderLinkId": "x" * 37}, 170130),
        ("linear", {"symbol": "NOPEUSDT"}, 10001),
        ("spot", {"symbol": "NOPEUSDT"}, 170121),
        ("linear", {"category": "inverse"}, 10001),
    ],
)
def test_refusals_have_the_venues_codes(rig, market, changes, code):
    rig.venue.matcher.mark_px_e8["ETHUSDT"] = 3000 * 10**8
    private = rig.private(*ALL)
    params = limit(market, "bad-1") | changes
    answer = rig.order(rig.trade(), "order.create", params)
    assert answer["retCode"] == code and answer.get("data", {}) == {}, answer
    assert rig.post("order/create", params | {"orderLinkId": params["orderLinkId"]})["retCode"] == code
    assert not private.frames and not any(rig.account.orders.values())


def test_halted_instruments_and_hedge_mode_are_refused(rig):
    trade = rig.trade()
    for market, code in (("spot", 170151), ("linear", 110074)):
        rig.venue.by_symbol[market]["BTCUSDT"].status = "HALT"
        assert rig.order(trade, "order.create", limit(market, "h"))["retCode"] == code
        rig.venue.by_symbol[market]["BTCUSDT"].status = "TRADING"
    rig.account.set_flag("hedge_mode", True)
    answer = rig.order(trade, "order.create", limit("linear", "h1"))
    assert (answer["retCode"], answer["retMsg"]) == (10001, "position idx not match position mode")


# ---- the order socket -------------------------------------------------------------------------------


def test_nothing_goes_before_auth_and_a_changed_byte_is_refused(rig):
    for path in ("/v5/trade", "/v5/private"):
        wire = rig.connect("private", path)
        early = (
            rig.order(wire, "order.create", limit("linear", "early"))
            if path == "/v5/trade"
            else rig.say(wire, {"op": "subscribe", "args": ["order"]})
        )
        assert early.get("retCode", 1) != 0 and not early.get("success")
        good = rig.auth()
        key, expires, signature = good["args"]
        wrong = [
            ([key, expires, signature[:-1] + ("0" if signature[-1] != "0" else "1")], 10004),
            ([key, expires + 1, signature], 10004),
            ([key[:-1] + "Y", expires, signature], 10003),
            ([key, expires, signature.upper()], 10004),
            ([key, 1, sign("GET/realtime1")], 10001),
            ([key, expires], 10001),
        ]
        for args, code in wrong:
            answer = rig.say(wire, good | {"args": args})
            assert answer["retCode"] == code if path == "/v5/trade" else answer["success"] is False, (path, args, answer)
        assert not any(rig.dialect.listeners.values())
        answer = rig.say(wire, good | {"args": [key, str(expires), signature]})
        if path == "/v5/trade":
            assert answer == {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": answer["connId"]}
            assert rig.say(wire, rig.auth())["retCode"] == 20001
        else:
            assert answer == {"req_id": "a1", "success": True, "ret_msg": "", "op": "auth", "conn_id": answer["conn_id"]}
    assert not any(rig.account.orders.values())


def test_the_documents_vector_of_a_socket_signature():
    assert SECRET == "Y" * 36
    assert sign("GET/realtime1662350400000") == "9f96338b434359fa6300c2d0040ffe25962cbc700dac649bfc7c59ef64431f89"


def test_request_ids_headers_and_operations(rig):
    trade = rig.trade()
    assert rig.order(trade, "order.create", limit("linear", "q1"), reqId="same")["retCode"] == 0
    answer = rig.order(trade, "order.create", limit("linear", "q2"), reqId="same")
    assert answer["retCode"] == 20006 and answer["reqId"] == "same"
    assert rig.order(rig.trade(), "order.create", limit("linear", "q3"), reqId="same")["retCode"] == 0, "of one connection"
    now = rig.clock.wall_ms()
    for stamp, window, code in (
        (now - 5000, "5000", 0), (now - 5001, "5000", 10002), (now - 900, "1000", 0), (now - 1001, "1000", 10002),
        (now + 999, "5000", 0), (now + 1000, "5000", 10002),
    ):  # fmt: skip
        header = {"X-BAPI-TIMESTAMP": str(stamp), "X-BAPI-RECV-WINDOW": window}
        answer = rig.order(trade, "order.create", limit("linear", f"t{stamp}-{window}"), header=header)
        assert answer["retCode"] == code, (stamp - now, window, answer)
        rig.clock.advance_ns(0)
    assert rig.order(trade, "order.create", limit("linear", "q4"), header={})["retCode"] == 10001
    assert rig.order(trade, "order.nonsense", limit("linear", "q5"))["retCode"] == 10404
    two = rig.say(trade, {"reqId": "two", "header": {"X-BAPI-TIMESTAMP": str(now)}, "op": "order.create", "args": [{}, {}]})
    assert two["retCode"] == 10001
    assert rig.say(trade, b"no json")["retCode"] == 10001
    assert "reqId" not in rig.say(
        trade, {"header": {"X-BAPI-TIMESTAMP": str(now)}, "op": "order.create", "args": [limit("spot", "q6")]}
    )


@pytest.mark.parametrize(("market", "most"), [("spot", 20), ("linear", 10)])
def test_orders_of_a_second_are_counted_over_both_ways_and_refused_beyond(rig, market, most):
    trade = rig.trade()
    for number in range(most - 1):
        answer = rig.order(trade, "order.create", limit(market, f"n{number}"))
        assert answer["header"]["X-Bapi-Limit"] == str(most)
        assert answer["header"]["X-Bapi-Limit-Status"] == str(most - 1 - number)
    params = orjson.dumps(limit(market, "over-rest")).decode()
    reply = rig.raw("POST", "order/create", params, rig.signed(params))
    assert reply.headers["X-Bapi-Limit-Status"] == "0"
    assert int(reply.headers["X-Bapi-Limit-Reset-Timestamp"]) == rig.clock.wall_ms() + 1000
    answer = rig.order(trade, "order.create", limit(market, "too-many"))
    assert answer["retCode"] == 10006 and answer["header"]["X-Bapi-Limit-Status"] == "0"
    assert rig.order(trade, "order.cancel", {"category": market, "symbol": "BTCUSDT", "orderLinkId": "n0"})["retCode"] == 0
    rig.clock.advance_ns(1_000_000_000)
    assert rig.order(trade, "order.create", limit(market, "too-many"))["retCode"] == 0
    rig.venue.dialect.limits.enforce = False
    for number in range(most + 5):
        assert rig.order(trade, "order.create", limit(market, f"free{number}"))["retCode"] == 0


def test_a_restarting_gateway_takes_no_new_requests(rig):
    trade = rig.trade()
    trade.session.notice(rig.clock.wall_ms())
    assert rig.order(trade, "order.create", limit("linear", "late"))["retCode"] == 10019
    assert rig.order(rig.trade(), "order.create", limit("linear", "late"))["retCode"] == 0


# ---- private topics ---------------------------------------------------------------------------------


def test_topics_by_category_and_all_in_one_are_not_mixed_and_begin_with_nothing(rig):
    wire = rig.log_on("/v5/private")
    for args, is_right in (
        (["order", "execution.linear"], False), (["order", "nonsense"], False), (["order.spot", "order.linear", "wallet"], True),
    ):  # fmt: skip
        assert rig.say(wire, {"op": "subscribe", "args": args})["success"] is is_right
    wire.frames.clear()
    rig.run(0.5)
    assert wire.frames == []
    trade = rig.trade()
    for market in ("spot", "linear"):
        rig.order(trade, "order.create", limit(market, f"c-{market}"))
    assert [f["topic"] for f in wire.frames if f["topic"] != "wallet"] == ["order.spot", "order.linear"]
    assert all(list(f) == ["id", "topic", "creationTime", "data"] for f in wire.frames)
    rig.say(wire, {"op": "unsubscribe", "args": ["order.spot", "order.linear", "wallet"]})
    wire.frames.clear()
    rig.order(trade, "order.create", limit("spot", "silent"))
    assert wire.frames == []


def test_fast_executions_come_before_the_others_and_name_no_makers_link(rig):
    trade = rig.trade()
    private = rig.private("execution", "execution.fast")
    rig.order(trade, "order.create", limit("linear", "taker", price="64250.2", tif="IOC"))
    fast, full = private.frames
    assert (fast["topic"], full["topic"]) == ("execution.fast", "execution")
    assert fast["data"][0]["execId"] == full["data"][0]["execId"] and "execFee" not in fast["data"][0]
    assert fast["data"][0]["orderLinkId"] == "taker"
    rig.order(trade, "order.create", limit("linear", "maker", "Sell", "64250.2"))
    private.frames.clear()
    rig.venue.matcher.match_resting(rig.venue.by_symbol["linear"]["BTCUSDT"], False, 642503, rig.clock.wall_ms())
    rig.venue.settle()
    fast, full = private.frames
    assert (fast["data"][0]["orderLinkId"], full["data"][0]["orderLinkId"]) == ("", "maker")
    assert full["data"][0]["isMaker"] is True and full["data"][0]["feeRate"] == "0.0002"


def test_an_account_hears_only_of_itself(rig):
    other = rig.venue.add_account("other")
    other.free["USDT"] = 10**14
    rig.dialect.keyring.add(other, "otherkey", SECRET.encode())
    foreign = rig.log_on("/v5/private", "otherkey")
    rig.say(foreign, {"op": "subscribe", "args": ["order", "wallet"]})
    foreign.frames.clear()
    trade = rig.trade()
    order_id = rig.order(trade, "order.create", limit("linear", "mine"))["data"]["orderId"]
    assert foreign.frames == []
    theirs = rig.log_on("/v5/trade", "otherkey")
    answer = rig.order(theirs, "order.cancel", {"category": "linear", "symbol": "BTCUSDT", "orderId": order_id})
    assert answer["retCode"] == 110001
    assert rig.order(theirs, "order.create", limit("linear", "mine"))["retCode"] == 0


# ---- unknown outcomes and other faults --------------------------------------------------------------


def plant(rig, verb, **more):
    rig.venue.faults.plant({"channel": "oe", "verb": verb} | more)


@pytest.mark.parametrize(("variant", "code"), [(None, 10000), ("error", 10016), ("spot", 170146)])
@pytest.mark.parametrize("executed", [True, False])
def test_an_unknown_outcome_hides_what_happened(rig, variant, code, executed):
    trade, private = rig.trade(), rig.private("order")
    plant(rig, "unknown", executed=executed, variant=variant)
    answer = rig.order(trade, "order.create", limit("spot", "who-knows"))
    assert answer["retCode"] == code and answer["data"] == {}
    assert [row["orderStatus"] for row in rows(private, "order")] == (["New"] if executed else [])
    found = rig.rows("order/realtime", category="spot", symbol="BTCUSDT", orderLinkId="who-knows")
    assert [row["orderStatus"] for row in found] == (["New"] if executed else [])


def test_planted_rejections_late_lost_and_later_ones(rig):
    trade, private = rig.trade(), rig.private("order")
    for market, code in (("spot", 170131), ("linear", 110007)):
        plant(rig, "reject")
        assert rig.order(trade, "order.create", limit(market, f"f-{market}"))["retCode"] == code
    plant(rig, "reject", code=10019, msg="restarting")
    assert rig.order(trade, "order.create", limit("spot", "f1"))["retCode"] == 10019
    plant(rig, "asyncreject")
    assert rig.order(trade, "order.create", limit("linear", "f2"))["retCode"] == 0
    assert states(private)[-1] == ("Rejected", "0", "UNKNOWN", "EC_Others")
    plant(rig, "lostresp")
    assert rig.order(trade, "order.create", limit("linear", "f3")) is None
    assert states(private)[-1][0] == "New"
    plant(rig, "partial", fraction=0.5)
    assert rig.order(trade, "order.create", limit("linear", "f4", price="64250.2", qty="0.2", tif="IOC"))["retCode"] == 0
    assert states(private)[-1][:2] == ("Cancelled", "0.100")
    for on, which in (
        ("place", limit("linear", "f5")),
        ("cancel", {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "f3"}),
    ):
        plant(rig, "ratelimit", on=on)
        op = "order.create" if on == "place" else "order.cancel"
        assert rig.order(trade, op, which)["retCode"] == 10006
    plant(rig, "unknown", on="cancel", variant="spot", executed=True)
    assert rig.order(trade, "order.cancel", which)["retCode"] == 170147
    assert states(private)[-1][0] == "Cancelled"
    plant(rig, "ban")
    params = orjson.dumps(limit("linear", "f6")).decode()
    reply = rig.raw("POST", "order/create", params, rig.signed(params))
    assert (reply.status, reply.body) == (403, b"access too frequent")


def test_a_cancel_that_races_a_fill_tells_filled_twice(rig):
    trade, private = rig.trade(), rig.private("order")
    rig.order(trade, "order.create", limit("linear", "race", price="64250.2", tif="IOC"))
    which = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "race"}
    assert rig.order(trade, "order.cancel", which)["retCode"] == 110001
    plant(rig, "race", on="cancel")
    assert rig.order(trade, "order.cancel", which)["retCode"] == 0
    assert states(private)[-2:] == [
        ("Filled", "0.010", "UNKNOWN", "EC_NoError"), ("Filled", "0.010", "CancelByUser", "EC_OrigClOrdIDDoesNotExist"),
    ]  # fmt: skip


def test_user_data_faults_lose_and_repeat_events(rig):
    trade, private = rig.trade(), rig.private("order")
    rig.venue.faults.plant({"channel": "ud", "verb": "drop"})
    rig.order(trade, "order.create", limit("linear", "u1"))
    assert private.frames == []
    rig.venue.faults.plant({"channel": "ud", "verb": "dup"})
    rig.order(trade, "order.create", limit("linear", "u2"))
    assert len(private.frames) == 2 and private.frames[0] == private.frames[1]
