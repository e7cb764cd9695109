"""REST of the simulated Bybit: signatures over the bytes as sent, reference data, queries, pages, limits, in the venue's
envelope."""

from decimal import Decimal
from urllib.parse import unquote

import orjson
import pytest

from tests.support.bybit_sim import KEY, LEVELS, BybitRig, limit, quiet_rig, sign


@pytest.fixture
def rig():
    return quiet_rig()


# ---- who asks -----------------------------------------------------------------------------------------


def test_the_documents_vectors_of_rest_signatures():
    query = "category=option&symbol=BTC-29JUL22-25000-C"
    body = (
        '{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.001","price":"28000",'
        '"timeInForce":"PostOnly","orderLinkId":"arb-0001"}'
    )
    for payload, expected in (
        (query, "49c26b0f76e0bec6b926f119814d66c4bdf59de44adf2a1864b1ea0bfd9c710c"),
        (body, "ed714c65bdfaaf8605bbda1cc3937640bfdf3f2ba22e894843a015f0cdc39704"),
    ):
        assert sign(f"1658384314791{KEY}5000{payload}") == expected


def test_one_changed_byte_anywhere_is_refused(rig):
    body = orjson.dumps(limit("linear", "tamper")).decode()
    good = rig.signed(body)
    changed = good["x-bapi-sign"]
    changed = ("0" if changed[0] != "0" else "1") + changed[1:]
    for headers, sent, code in (
        (good | {"x-bapi-sign": changed}, body, 10004),
        (good | {"x-bapi-sign": good["x-bapi-sign"].upper()}, body, 10004),
        (good, body.replace("0.01", "0.02"), 10004),
        (good, body + " ", 10004),
        (good | {"x-bapi-recv-window": "5001"}, body, 10004),
        (good | {"x-bapi-timestamp": str(rig.clock.wall_ms() - 1)}, body, 10004),
        (good | {"x-bapi-api-key": KEY[:-1] + "Y"}, body, 10003),
        ({key: value for key, value in good.items() if key != "x-bapi-sign"}, body, 10001),
        ({}, body, 10001),
    ):
        reply = rig.raw("POST", "order/create", sent, headers)
        assert (reply.status, orjson.loads(reply.body)["retCode"]) == (200, code)
    query = "accountType=UNIFIED"
    assert orjson.loads(rig.raw("GET", "account/wallet-balance", query, rig.signed(query)).body)["retCode"] == 0
    assert orjson.loads(rig.raw("GET", "account/wallet-balance", query + "&coin=BTC", rig.signed(query)).body)["retCode"] == 10004
    assert not any(rig.account.orders.values())


def test_times_that_are_too_old_or_ahead_are_refused(rig):
    now = rig.clock.wall_ms()
    for stamp, window, code in (
        (now - 5000, "5000", 0),
        (now - 5001, "5000", 10002),
        (now + 999, "5000", 0),
        (now + 1000, "5000", 10002),
    ):
        reply = rig.raw("GET", "account/info", "", rig.signed("", stamp, window))
        assert orjson.loads(reply.body)["retCode"] == code


def test_envelope_headers_and_unknown_paths(rig):
    answer = rig.get("market/time", is_public=True)
    assert list(answer) == ["retCode", "retMsg", "result", "retExtInfo", "time"]
    assert answer["result"]["timeNano"].startswith(answer["result"]["timeSecond"]) and answer["time"] == rig.clock.wall_ms()
    reply = rig.raw("GET", "order/realtime", "category=spot", rig.signed("category=spot"))
    assert (reply.headers["X-Bapi-Limit"], reply.headers["X-Bapi-Limit-Status"]) == ("50", "49")
    assert rig.raw("GET", "nonsense").status == 404 and rig.raw("POST", "market/time").status == 404
    assert rig.post("order/create", {"symbol": "BTCUSDT"})["retCode"] == 10001


def test_an_address_that_asks_too_much_gets_403_for_a_while(rig):
    for _ in range(600):
        assert rig.raw("GET", "market/time").status == 200
    assert rig.raw("GET", "market/time").status == 403
    rig.clock.advance_ns(6_000_000_000)
    assert rig.raw("GET", "market/time").status == 403, "ten minutes"
    rig.clock.advance_ns(600_000_000_000)
    assert rig.raw("GET", "market/time").status == 200


def test_limits_and_bans_on_command(rig):
    rig.venue.dialect.limit("linear", rig.clock.wall_ms() + 1000, False)
    refused = rig.raw("GET", "order/realtime", "category=linear", rig.signed("category=linear"))
    assert orjson.loads(refused.body)["retCode"] == 10006
    assert (refused.headers["X-Bapi-Limit-Status"], refused.headers["X-Bapi-Limit-Reset-Timestamp"]) == (
        "0", str(rig.clock.wall_ms() + 1000),
    )  # fmt: skip
    assert rig.get("market/tickers", is_public=True, category="linear")["retCode"] == 0
    assert rig.get("order/realtime", category="spot")["retCode"] == 0
    assert rig.order(rig.trade(), "order.create", limit("linear", "l1"))["retCode"] == 10006
    rig.clock.advance_ns(1_000_000_000)
    assert rig.get("position/list", category="linear", symbol="BTCUSDT")["retCode"] == 0
    rig.venue.dialect.limit("spot", rig.clock.wall_ms() + 1000, True)
    assert rig.raw("GET", "market/time").status == 403
    assert rig.order(rig.trade(), "order.create", limit("linear", "l2"))["retCode"] == 10403


def test_slow_queries_are_limited_apart(rig):
    for _ in range(5):
        assert rig.get("account/fee-rate", category="spot")["retCode"] == 0
    assert rig.get("account/fee-rate", category="linear")["retCode"] == 10006
    assert rig.get("account/info")["retCode"] == 0


# ---- reference and market data ------------------------------------------------------------------------


def test_instruments_of_both_markets_and_empty_lists_of_others():
    rig = BybitRig(pairs=5)
    spot = rig.get("market/instruments-info", is_public=True, category="spot")["result"]
    assert [row["symbol"] for row in spot["list"]] == list(rig.venue.by_symbol["spot"]) and "nextPageCursor" not in spot
    btc = spot["list"][0]
    assert btc["lotSizeFilter"]["basePrecision"] == "0.000001" and btc["lotSizeFilter"]["minOrderAmt"] == "5"
    assert btc["priceFilter"] == {"tickSize": "0.1"} and (btc["baseCoin"], btc["quoteCoin"], btc["status"]) == (
        "BTC",
        "USDT",
        "Trading",
    )
    linear = rig.get("market/instruments-info", is_public=True, category="linear", symbol="BTCUSDT")["result"]["list"][0]
    assert linear["contractType"] == "LinearPerpetual" and linear["settleCoin"] == "USDT" and linear["fundingInterval"] == 480
    assert linear["priceFilter"]["tickSize"] == "0.10" and linear["lotSizeFilter"]["qtyStep"] == "0.001"
    assert linear["lotSizeFilter"]["minNotionalValue"] == "5"
    for params in (
        {"category": "inverse", "limit": 1000}, {"category": "inverse", "status": "PreLaunch"},
        {"category": "option", "baseCoin": "BTC"}, {"category": "linear", "status": "PreLaunch"},
        {"category": "spot", "status": "PreLaunch"},
    ):  # fmt: skip
        answer = rig.get("market/instruments-info", is_public=True, **params)
        assert answer["retCode"] == 0 and answer["result"]["list"] == []
    assert rig.get("market/instruments-info", is_public=True, category="nonsense")["retCode"] == 10001


@pytest.mark.parametrize("decode", [str, unquote])
def test_linear_instruments_come_in_pages(decode):
    rig = BybitRig(pairs=7)
    found, cursor, pages = [], "", 0
    while pages == 0 or cursor:
        more = {"cursor": decode(cursor).replace("&", "%26")} if cursor else {}
        result = rig.get("market/instruments-info", is_public=True, category="linear", limit=3, **more)["result"]
        found += [row["symbol"] for row in result["list"]]
        cursor, pages = result["nextPageCursor"], pages + 1
    assert pages == 3 and found == list(rig.venue.by_symbol["linear"])
    assert rig.get("market/instruments-info", is_public=True, category="linear", cursor="nonsense")["retCode"] == 10001


def test_orderbook_tickers_risk_and_funding(rig):
    book = rig.get("market/orderbook", is_public=True, category="spot", symbol="BTCUSDT")["result"]
    assert set(book) == {"s", "a", "b", "ts", "u", "seq", "cts"} and book["b"] == [["64250.1", "0.5"]], (
        "one level unless asked for more"
    )
    book = rig.get("market/orderbook", is_public=True, category="linear", symbol="BTCUSDT", limit=2)["result"]
    assert book["a"] == [["64250.20", "0.400"], ["64250.50", "1.000"]]
    wire = rig.public("linear", "orderbook.1000.BTCUSDT")
    assert (
        rig.get("market/orderbook", is_public=True, category="linear", symbol="BTCUSDT")["result"]["u"]
        == wire.frames[0]["data"]["u"]
    )
    (ticker,) = rig.get("market/tickers", is_public=True, category="spot", symbol="BTCUSDT")["result"]["list"]
    assert (ticker["bid1Price"], ticker["ask1Price"]) == (LEVELS["bids"][0][0], LEVELS["asks"][0][0])
    assert len(rig.get("market/tickers", is_public=True, category="linear")["result"]["list"]) == 2
    tiers = rig.get("market/risk-limit", is_public=True, category="linear", symbol="BTCUSDT")["result"]["list"]
    assert [t["maxLeverage"] for t in tiers] == ["100.00", "50.00", "20.00"] and tiers[0]["isLowestRisk"] == 1
    rate = rig.venue.funding["BTCUSDT"].rate_e8
    rig.market.pay_funding(rig.venue.by_symbol["linear"]["BTCUSDT"])
    (paid,) = rig.get("market/funding/history", is_public=True, category="linear", symbol="BTCUSDT")["result"]["list"]
    assert Decimal(paid["fundingRate"]).scaleb(8) == rate and paid["symbol"] == "BTCUSDT"


# ---- orders and fills ---------------------------------------------------------------------------------


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_an_order_is_found_open_and_closed_by_either_id(rig, market):
    made = rig.post("order/create", limit(market, "find-me"))
    assert made["retCode"] == 0 and set(made["result"]) == {"orderId", "orderLinkId"}
    order_id = made["result"]["orderId"]
    by = {"category": market, "symbol": "BTCUSDT"}
    for which in ({"orderLinkId": "find-me"}, {"orderId": order_id}, {}):
        (row,) = rig.rows("order/realtime", **by, **which)
        assert (row["orderId"], row["orderStatus"], "category" in row) == (order_id, "New", False)
    assert rig.rows("order/history", **by, orderLinkId="find-me") == []
    assert rig.post("order/cancel", by | {"orderId": order_id})["result"] == made["result"]
    for which in ({"orderLinkId": "find-me"}, {"orderId": order_id}):
        for path in ("order/realtime", "order/history"):
            (row,) = rig.rows(path, **by, **which)
            assert row["orderStatus"] == "Cancelled"
    assert rig.rows("order/realtime", **by) == [] and len(rig.rows("order/realtime", **by, openOnly=1)) == 1
    assert rig.rows("order/realtime", **by, orderLinkId="never") == []
    other = "linear" if market == "spot" else "spot"
    assert rig.rows("order/realtime", category=other, symbol="BTCUSDT", orderLinkId="find-me") == []
    assert rig.rows("order/realtime", category=market, symbol="ETHUSDT", orderLinkId="find-me") == []


def test_the_topics_rows_and_the_lists_rows_are_the_same(rig):
    private = rig.private("order", "execution")
    rig.order(rig.trade(), "order.create", limit("linear", "same", price="64250.2", qty="0.5", tif="IOC"))
    told = {name: [row for f in private.frames if f["topic"] == name for row in f["data"]] for name in ("order", "execution")}
    (listed,) = rig.rows("order/realtime", category="linear", symbol="BTCUSDT", orderLinkId="same")
    assert told["order"][-1] == listed | {"category": "linear"}
    (fill,) = rig.rows("execution/list", category="linear", orderLinkId="same", symbol="BTCUSDT")
    drift = {"seq": fill["seq"], "leavesQty": fill["leavesQty"]}
    assert told["execution"][0] | drift == fill | {"category": "linear"}
    assert fill["leavesQty"] == "0.100", "of the fill, not of the order's end"


def test_lists_of_the_whole_market_want_a_coin_and_come_in_pages(rig):
    rig.venue.dialect.limits.enforce = False
    for number in range(7):
        assert rig.post("order/create", limit("linear", f"page{number}"))["retCode"] == 0
    assert rig.get("order/realtime", category="linear")["retCode"] == 10001
    found, cursor = [], ""
    for _ in range(3):
        result = rig.get(
            "order/realtime", category="linear", settleCoin="USDT", limit=3, **({"cursor": cursor} if cursor else {})
        )["result"]
        found += [row["orderLinkId"] for row in result["list"]]
        cursor = result["nextPageCursor"]
    assert found == [f"page{n}" for n in reversed(range(7))] and cursor == ""
    assert rig.post("order/cancel-all", {"category": "linear"})["retCode"] == 10001
    gone = rig.post("order/cancel-all", {"category": "linear", "settleCoin": "USDT"})["result"]
    assert gone["success"] == "1" and len(gone["list"]) == 7
    assert rig.rows("order/realtime", category="linear", settleCoin="USDT") == []
    assert rig.get("order/realtime", category="linear", symbol="BTCUSDT", limit=51)["retCode"] == 10001


def test_a_hidden_order_is_hidden_in_both_lists_once(rig):
    rig.post("order/create", limit("linear", "hidden"))
    which = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "hidden"}
    rig.post("order/cancel", which)
    rig.venue.faults.plant({"channel": "q", "verb": "reject"})
    assert rig.rows("order/realtime", **which) == [] and rig.rows("order/history", **which) == []
    assert len(rig.rows("order/realtime", **which)) == 1 and len(rig.rows("order/history", **which)) == 1


# ---- the account --------------------------------------------------------------------------------------


def test_balances_agree_with_the_ledger_and_locks_and_margins_show(rig):
    rig.post("order/create", limit("spot", "lock", price="64000", qty="0.1"))
    rig.post("order/create", limit("linear", "margin", price="64000", qty="0.1"))
    rig.post("order/create", limit("linear", "held", price="64250.2", qty="0.4", tif="IOC"))
    (account,) = rig.rows("account/wallet-balance", accountType="UNIFIED")
    coins = {coin["coin"]: coin for coin in account["coin"]}
    usdt = coins["USDT"]
    assert Decimal(usdt["walletBalance"]).scaleb(8) == rig.account.total("USDT")
    assert (usdt["locked"], usdt["totalOrderIM"], usdt["spotBorrow"], usdt["borrowAmount"]) == ("6400", "640", "0", "0")
    assert Decimal(usdt["totalPositionIM"]) == Decimal(2570)
    assert Decimal(usdt["unrealisedPnl"]) == Decimal("-0.08")
    assert Decimal(usdt["equity"]) == Decimal(usdt["walletBalance"]) + Decimal(usdt["unrealisedPnl"])
    assert account["accountType"] == "UNIFIED" and Decimal(account["totalWalletBalance"]) == Decimal(usdt["usdValue"])
    assert rig.get("account/wallet-balance", accountType="SPOT")["retCode"] == 10001


def test_money_in_use_on_one_side_is_not_there_on_the_other(rig):
    rig.account.default_leverage = 1
    rig.account.free["USDT"] = 100_000 * 10**8
    rig.post("order/create", limit("linear", "big", price="64000", qty="1"))
    assert rig.post("order/create", limit("spot", "too-much", price="64000", qty="1"))["retCode"] == 170131
    assert rig.post("order/create", limit("spot", "fits", price="64000", qty="0.5"))["retCode"] == 0
    assert rig.post("order/create", limit("linear", "now-too-much", price="64000", qty="0.1"))["retCode"] == 110007


def test_positions_by_symbol_and_by_coin(rig):
    (flat,) = rig.rows("position/list", category="linear", symbol="BTCUSDT")
    assert (flat["size"], flat["side"], flat["leverage"], flat["positionIdx"]) == ("0", "", "10", 0)
    assert rig.rows("position/list", category="linear", settleCoin="USDT") == []
    rig.post("order/create", limit("linear", "short", "Sell", "64250.1", "0.5", "IOC"))
    (row,) = rig.rows("position/list", category="linear", settleCoin="USDT", limit=200)
    assert (row["side"], row["size"], row["avgPrice"], row["markPrice"]) == ("Sell", "0.500", "64250.1", "64250.00")
    assert rig.get("position/list", category="linear")["retCode"] == 10001
    assert rig.get("position/list", category="spot", symbol="BTCUSDT")["retCode"] == 10001
    changed = {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "5", "sellLeverage": "5"}
    assert [rig.post("position/set-leverage", changed)["retCode"] for _ in range(2)] == [0, 110043]
    assert rig.rows("position/list", category="linear", symbol="BTCUSDT")[0]["leverage"] == "5"
    assert rig.post("position/set-leverage", changed | {"buyLeverage": "101", "sellLeverage": "101"})["retCode"] == 110013
    assert rig.post("position/set-leverage", changed | {"sellLeverage": "6"})["retCode"] == 10001
    rig.account.set_flag("hedge_mode", True)
    assert [r["positionIdx"] for r in rig.rows("position/list", category="linear", symbol="BTCUSDT")] == [1, 2]


@pytest.mark.parametrize("side", ["Buy", "Sell"])
def test_funding_has_opposite_signs_in_the_log_and_in_the_executions(rig, side):
    private = rig.private("execution", "wallet")
    rig.post("order/create", limit("linear", "held", side, "64250.2" if side == "Buy" else "64250.1", "0.4", "IOC"))
    private.frames.clear()
    rig.venue.funding["BTCUSDT"].rate_e8 = 10_000
    before = rig.account.total("USDT")
    rig.market.pay_funding(rig.venue.by_symbol["linear"]["BTCUSDT"])
    amount = Decimal("-2.57") if side == "Buy" else Decimal("2.57")
    assert rig.account.total("USDT") - before == amount.scaleb(8)
    (row,) = rig.rows("account/transaction-log", accountType="UNIFIED", category="linear", type="SETTLEMENT")
    assert (Decimal(row["funding"]), Decimal(row["change"]), row["cashFlow"]) == (amount, amount, "0")
    assert Decimal(row["cashBalance"]).scaleb(8) == rig.account.total("USDT")
    assert (row["type"], row["side"], row["qty"], row["feeRate"], row["currency"]) == (
        "SETTLEMENT",
        side,
        "0.4",
        "0.0001",
        "USDT",
    )
    (paid,) = [r for r in rig.rows("execution/list", category="linear", symbol="BTCUSDT") if r["execType"] == "Funding"]
    assert Decimal(paid["execFee"]) == -amount
    assert [f["topic"] for f in private.frames] == ["wallet"]
    now = rig.clock.wall_ms()
    far = {"startTime": now - 8 * 86_400_000, "endTime": now}
    assert rig.get("account/transaction-log", type="SETTLEMENT", **far)["retCode"] == 10001
    assert rig.rows("account/transaction-log", type="SETTLEMENT", startTime=now - 7_200_000, endTime=now - 3_600_000) == []


def test_what_the_key_and_the_account_are(rig):
    key = rig.get("user/query-api")["result"]
    assert (key["apiKey"], key["readOnly"], key["uta"], key["ips"]) == (KEY, 0, 1, ["127.0.0.1"])
    assert key["permissions"]["Spot"] == ["SpotTrade"] and key["permissions"]["ContractTrade"] == ["Order", "Position"]
    assert key["permissions"]["Wallet"] == []
    info = rig.get("account/info")["result"]
    assert (info["marginMode"], info["unifiedMarginStatus"], info["dcpStatus"]) == ("REGULAR_MARGIN", 5, "OFF")
    (fee,) = rig.rows("account/fee-rate", category="linear", symbol="BTCUSDT")
    assert (fee["takerFeeRate"], fee["makerFeeRate"]) == ("0.00055", "0.0002")
    assert [row["coin"] for row in rig.get("asset/coin/query-info")["result"]["rows"]] == ["BTC", "USDT", "ETH"]


def test_deposits_and_orders_by_hand_are_told(rig):
    private = rig.private("order", "execution", "wallet")
    rig.venue.adjust_balance(rig.account, "spot", "BTC", 10**8)
    rig.venue.settle()
    (told,) = private.frames
    assert [(c["coin"], c["walletBalance"]) for c in told["data"][0]["coin"]] == [("BTC", "1")]
    order = rig.venue.place_by_hand(rig.account, "linear", "BTCUSDT", side="BUY", quantity="0.1")
    (row,) = [r for f in private.frames if f["topic"] == "order" for r in f["data"] if r["orderStatus"] == "Filled"]
    assert row["orderLinkId"] == order.client_id and row["orderType"] == "Market"
