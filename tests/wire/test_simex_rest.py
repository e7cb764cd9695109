"""REST of the simulated venue: signed calls, weights, reference data, errors in the venue's form."""

import hmac

import orjson
import pytest

from tests.support.simex_rig import ED25519_KEY, HMAC_KEY, HMAC_SECRET, Rig
from tools.simex.binance_errors import VenueError
from tools.simex.contract import LINEAR, SPOT


@pytest.fixture
def rig():
    return Rig(pairs=3)


def signed(rig, params, **changes):
    query = "&".join(f"{k}={v}" for k, v in (params | {"timestamp": rig.clock.wall_ms()}).items())
    return f"{query}&signature={hmac.digest(HMAC_SECRET.encode(), query.encode(), 'sha256').hex()}"


def call(rig, market, method, path, in_body=False, key=HMAC_KEY, **params):
    text = signed(rig, params)
    reply = rig.ask_rest(market, method, path if in_body else f"{path}?{text}", text if in_body else "", key)
    assert reply is not None
    return reply.status, orjson.loads(reply.body), reply.headers


def public(rig, market, target):
    reply = rig.ask_rest(market, "GET", target, key=None)
    return reply.status, orjson.loads(reply.body)


@pytest.mark.parametrize(("market", "path"), [(SPOT, "/api/v3/order"), (LINEAR, "/fapi/v1/order")])
@pytest.mark.parametrize("in_body", [True, False])
def test_order_life_over_rest(rig, market, path, in_body):
    status, order, headers = call(
        rig,
        market,
        "POST",
        path,
        in_body,
        symbol="ETHUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="3000.00",
        quantity="0.01",
        newClientOrderId="r1",
    )
    assert (
        status == 200
        and order["clientOrderId"] == "r1"
        and "X-MBX-USED-WEIGHT-1M" in headers
        and headers["X-MBX-ORDER-COUNT-10S"] == "1"
    )
    assert call(rig, market, "GET", path, symbol="ETHUSDT", origClientOrderId="r1")[1]["status"] == "NEW"
    assert [o["clientOrderId"] for o in call(rig, market, "GET", path.replace("/order", "/openOrders"), symbol="ETHUSDT")[1]] == [
        "r1"
    ]
    assert call(rig, market, "DELETE", path, in_body, symbol="ETHUSDT", orderId=order["orderId"])[1]["status"] == "CANCELED"
    assert call(rig, market, "DELETE", path, in_body, symbol="ETHUSDT", orderId=order["orderId"])[:2] == (
        400,
        {"code": -2011, "msg": "Unknown order sent."},
    )


def test_only_the_signed_bytes_are_accepted(rig):
    text = signed(rig, {"symbol": "ETHUSDT"})
    target = "/api/v3/openOrders"
    assert rig.ask_rest(SPOT, "GET", f"{target}?{text}").status == 200
    for place in range(len(text)):
        if (
            text[place] in "=&"
            or text[place:].startswith("signature")
            or "signature" in text[max(0, place - 9) : place + 1]
            and text[place] in "signature"
        ):
            continue
        changed = text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :]
        assert rig.ask_rest(SPOT, "GET", f"{target}?{changed}").status != 200, place
    assert rig.ask_rest(SPOT, "GET", f"{target}?{text}", key=None).status == 401
    assert orjson.loads(rig.ask_rest(SPOT, "GET", f"{target}?{text}", key=ED25519_KEY).body)["code"] == -1022
    assert orjson.loads(rig.ask_rest(SPOT, "GET", f"{target}?timestamp={rig.clock.wall_ms()}").body)["code"] == -1102


def test_percent_encoded_text_is_signed_as_it_was_sent(rig):
    query = f"symbol=%EF%BC%91&timestamp={rig.clock.wall_ms()}"
    signature = hmac.digest(HMAC_SECRET.encode(), query.encode(), "sha256").hex()
    reply = rig.ask_rest(SPOT, "GET", f"/api/v3/openOrders?{query}&signature={signature}")
    assert orjson.loads(reply.body) == {"code": -1121, "msg": "Invalid symbol."}


def test_unknown_paths_and_methods(rig):
    assert rig.ask_rest(SPOT, "GET", "/api/v3/nothing").status == 404
    assert rig.ask_rest(SPOT, "PATCH", "/api/v3/order").status == 405
    assert public(rig, LINEAR, "/fapi/v1/depth?symbol=ETHUSDT&limit=7")[1]["code"] == -4021
    assert public(rig, SPOT, "/api/v3/depth")[1]["code"] == -1102
    assert public(rig, SPOT, "/api/v3/depth?symbol=ETHUSDT&limit=x")[1]["code"] == -1100


def test_weight_runs_out_and_comes_back_with_the_minute(rig):
    replies = [rig.ask_rest(SPOT, "GET", "/api/v3/depth?symbol=ETHUSDT&limit=5000") for _ in range(25)]
    assert [r.status for r in replies] == [200] * 24 + [429]
    assert orjson.loads(replies[-1].body)["code"] == -1003 and 1 <= int(replies[-1].headers["Retry-After"]) <= 60
    rig.clock.advance_ns(60_000_000_000)
    assert rig.ask_rest(SPOT, "GET", "/api/v3/ping").status == 200
    rig.dialect.limits[SPOT].banned_until_ms = rig.clock.wall_ms() + 5000
    assert rig.ask_rest(SPOT, "GET", "/api/v3/ping").status == 418


def test_exchange_info_lists_all_with_their_filters(rig):
    spot = public(rig, SPOT, "/api/v3/exchangeInfo")[1]["symbols"]
    linear = public(rig, LINEAR, "/fapi/v1/exchangeInfo")[1]["symbols"]
    assert [s["symbol"] for s in spot] == [s["symbol"] for s in linear] == ["BTCUSDT", "ETHUSDT", "BNBUSDT"]
    filters = {f["filterType"]: f for f in linear[0]["filters"]}
    assert (
        filters["PRICE_FILTER"]["tickSize"] == "0.10"
        and filters["MIN_NOTIONAL"]["notional"] == "50"
        and filters["MAX_NUM_ORDERS"]["limit"] == 200
    )
    filters = {f["filterType"]: f for f in spot[0]["filters"]}
    assert (
        filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
        and filters["LOT_SIZE"]["stepSize"] == "0.00001000"
        and "NOTIONAL" in filters
    )
    assert [s["symbol"] for s in public(rig, SPOT, '/api/v3/exchangeInfo?symbols=["ETHUSDT"]')[1]["symbols"]] == ["ETHUSDT"]
    assert public(rig, SPOT, "/api/v3/exchangeInfo?symbol=NOPE")[1]["code"] == -1121


def test_reference_data_of_futures(rig):
    premium = public(rig, LINEAR, "/fapi/v1/premiumIndex?symbol=BTCUSDT")[1]
    assert set(premium) == {
        "symbol",
        "markPrice",
        "indexPrice",
        "estimatedSettlePrice",
        "lastFundingRate",
        "interestRate",
        "nextFundingTime",
        "time",
    }
    assert premium["nextFundingTime"] > premium["time"]
    assert len(public(rig, LINEAR, "/fapi/v1/premiumIndex")[1]) == 3
    assert public(rig, LINEAR, "/fapi/v1/fundingInfo")[1] == []
    assert public(rig, LINEAR, "/fapi/v1/time")[1] == {"serverTime": rig.clock.wall_ms()}


def test_account_settings_are_read_back_and_changed(rig):
    assert call(rig, LINEAR, "GET", "/fapi/v1/positionSide/dual")[1] == {"dualSidePosition": False}
    assert call(rig, LINEAR, "GET", "/fapi/v1/multiAssetsMargin")[1] == {"multiAssetsMargin": False}
    row = call(rig, LINEAR, "GET", "/fapi/v1/symbolConfig", symbol="ETHUSDT")[1]
    assert row == [
        {"symbol": "ETHUSDT", "marginType": "CROSSED", "isAutoAddMargin": False, "leverage": 10, "maxNotionalValue": "30000000"}
    ]
    assert call(rig, LINEAR, "POST", "/fapi/v1/leverage", symbol="ETHUSDT", leverage=3)[1]["leverage"] == 3
    assert call(rig, LINEAR, "POST", "/fapi/v1/leverage", symbol="ETHUSDT", leverage=300)[1]["code"] == -4028
    assert call(rig, LINEAR, "POST", "/fapi/v1/marginType", symbol="ETHUSDT", marginType="CROSSED")[1]["code"] == -4046
    assert call(rig, LINEAR, "POST", "/fapi/v1/positionSide/dual", dualSidePosition="false")[1]["code"] == -4059
    assert call(rig, LINEAR, "GET", "/fapi/v1/commissionRate", symbol="ETHUSDT")[1]["takerCommissionRate"] == "0.00050000"
    assert (
        call(rig, SPOT, "GET", "/api/v3/account/commission", symbol="ETHUSDT")[1]["standardCommission"]["taker"] == "0.00100000"
    )
    assert call(rig, SPOT, "GET", "/sapi/v1/account/apiRestrictions")[1]["enableWithdrawals"] is False


def test_fills_show_in_trades_balances_and_positions(rig):
    call(rig, SPOT, "POST", "/api/v3/order", symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.5")
    call(rig, LINEAR, "POST", "/fapi/v1/order", symbol="ETHUSDT", side="SELL", type="MARKET", quantity="0.5")
    trades = call(rig, SPOT, "GET", "/api/v3/myTrades", symbol="ETHUSDT")[1]
    assert sum(float(t["qty"]) for t in trades) == 0.5 and {t["commissionAsset"] for t in trades} == {"ETH"}
    trades = call(rig, LINEAR, "GET", "/fapi/v1/userTrades", symbol="ETHUSDT")[1]
    assert {t["commissionAsset"] for t in trades} == {"USDT"} and not trades[0]["buyer"]
    balances = {b["asset"]: b for b in call(rig, SPOT, "GET", "/api/v3/account")[1]["balances"]}
    assert balances["ETH"]["free"] == "0.49950000"
    positions = call(rig, LINEAR, "GET", "/fapi/v3/positionRisk")[1]
    assert [(p["symbol"], p["positionAmt"]) for p in positions] == [("ETHUSDT", "-0.500")]
    balance = call(rig, LINEAR, "GET", "/fapi/v3/balance")[1]
    assert {b["asset"] for b in balance} == {"BNB", "USDT"}
    assert rig.venue.ledger()["positions_by_account"] == {"binance:linear": {"binance:ETH/USDT:USDT": "-0.500"}}
    assert rig.venue.ledger()["totals"]["binance:spot"]["ETH"] == "0.49950000"


def test_cancel_all_in_each_markets_form(rig):
    for market, path in ((SPOT, "/api/v3/"), (LINEAR, "/fapi/v1/")):
        for number in range(3):
            call(
                rig,
                market,
                "POST",
                path + "order",
                symbol="ETHUSDT",
                side="BUY",
                type="LIMIT",
                timeInForce="GTC",
                price=f"{3000 + number}.00",
                quantity="0.01",
            )
    assert len(call(rig, SPOT, "DELETE", "/api/v3/openOrders", symbol="ETHUSDT")[1]) == 3
    assert call(rig, SPOT, "DELETE", "/api/v3/openOrders", symbol="ETHUSDT")[1]["code"] == -2011
    done = {"code": 200, "msg": "The operation of cancel all open order is done."}
    assert call(rig, LINEAR, "DELETE", "/fapi/v1/allOpenOrders", symbol="ETHUSDT")[1] == done
    assert call(rig, LINEAR, "GET", "/fapi/v1/openOrders")[1] == []
    assert rig.account.locked["USDT"] == 0


def test_lost_answers_and_delayed_queries(rig):
    rig.venue.faults.plant({"channel": "oe", "verb": "lostresp"})
    text = signed(rig, {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"})
    assert rig.ask_rest(SPOT, "POST", f"/api/v3/order?{text}") is None and len(rig.account.orders[SPOT]) == 1
    rig.venue.faults.plant({"channel": "q", "verb": "delay", "ms": 300})
    text = signed(rig, {"symbol": "ETHUSDT"})
    assert rig.ask_rest(SPOT, "GET", f"/api/v3/openOrders?{text}") is None and rig.deferred[-1][0] == 0.3
    rig.venue.faults.plant({"channel": "oe", "verb": "reject", "on": "cancel", "code": -2011})
    call(
        rig,
        SPOT,
        "POST",
        "/api/v3/order",
        symbol="ETHUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="3000.00",
        quantity="0.01",
        newClientOrderId="stay",
    )
    assert call(rig, SPOT, "DELETE", "/api/v3/order", symbol="ETHUSDT", origClientOrderId="stay")[1]["code"] == -2011
    assert call(rig, SPOT, "GET", "/api/v3/order", symbol="ETHUSDT", origClientOrderId="stay")[1]["status"] == "NEW"


def test_errors_carry_their_code_in_their_text():
    assert str(VenueError(-5, "x")) == "-5 x"
