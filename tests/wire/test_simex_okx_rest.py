"""Simulated OKX: REST: orders by instId, queries, the account, public data, the dead-man switch, limits."""

from itertools import pairwise

import orjson
import pytest

from tests.support.okx_sim_rig import OkxRig
from tools.simex import okxus
from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import E8

COIN, SWAP = "BTC-USDT", "BTC-USDT-SWAP"


@pytest.fixture
def rig():
    rig = OkxRig()
    rig.market.is_quiet = True
    rig.set_levels(SPOT, COIN, [("63999.00", "2")], [("64001.00", "2")])
    rig.set_levels(LINEAR, SWAP, [("63999.0", "2")], [("64001.0", "2")])
    rig.venue.matcher.mark_px_e8[SWAP] = 64_000 * E8
    rig.venue.index_px_e8[COIN] = rig.venue.index_px_e8[SWAP] = 64_000 * E8
    return rig


def swap(**more):
    return {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "ioc", "sz": "10", "px": "64001"} | more


def coin(**more):
    return {"instId": COIN, "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.1", "px": "63000"} | more


def place(rig, **order):
    status, told = rig.call("POST", "/api/v5/trade/order", order)
    return status, told, told["data"][0] if told["data"] else None


def test_an_order_over_rest_from_its_answer_to_its_bill(rig):
    status, told, row = place(rig, **swap(clOrdId="r1", tag="tt"))
    assert (status, told["code"], told["msg"], row["sCode"], row["clOrdId"]) == (200, "0", "", "0", "r1") and len(
        told["inTime"]
    ) == 16
    (order,) = rig.get(f"/api/v5/trade/order?instId={SWAP}&clOrdId=r1")
    assert (order["ordId"], order["state"], order["accFillSz"], order["avgPx"], order["tag"]) == (
        row["ordId"],
        "filled",
        "10",
        "64001",
        "tt",
    )
    assert (order["fee"], order["feeCcy"], order["instType"], order["reduceOnly"]) == ("-3.20005", "USDT", "SWAP", "false")
    (fill,) = rig.get(f"/api/v5/trade/fills?instType=SWAP&ordId={row['ordId']}")
    assert (fill["fillSz"], fill["fillPx"], fill["execType"], fill["fee"], fill["feeCcy"]) == (
        "10",
        "64001",
        "T",
        "-3.20005",
        "USDT",
    )
    assert rig.get("/api/v5/trade/fills-history?instType=SWAP") == [fill]
    assert [o["ordId"] for o in rig.get("/api/v5/trade/orders-history?instType=SWAP")] == [row["ordId"]]
    assert rig.get("/api/v5/trade/orders-history?instType=SPOT") == rig.get("/api/v5/trade/orders-pending") == []
    (position,) = rig.get("/api/v5/account/positions?instType=SWAP")
    assert (position["instId"], position["pos"], position["posSide"], position["mgnMode"]) == (SWAP, "10", "net", "cross")
    assert (position["imr"], position["upl"], position["notionalUsd"]) == ("640", "-0.1", "6400")
    (balance,) = rig.get("/api/v5/account/balance?ccy=USDT")
    (usdt,) = balance["details"]
    assert (usdt["cashBal"], usdt["imr"], usdt["availEq"]) == ("999996.79995", "640", "999356.69995")
    assert balance["totalEq"] == "999996.69995"


def test_resting_orders_are_pending_until_they_are_cancelled(rig):
    ids = [place(rig, **coin(clOrdId=f"p{n}"))[2]["ordId"] for n in range(3)]
    place(rig, **swap(ordType="limit", px="60000", clOrdId="s1"))
    assert [o["ordId"] for o in rig.get("/api/v5/trade/orders-pending?instType=SPOT")] == ids[::-1], "newest first"
    assert [o["clOrdId"] for o in rig.get(f"/api/v5/trade/orders-pending?instId={SWAP}")] == ["s1"]
    assert [o["ordId"] for o in rig.get(f"/api/v5/trade/orders-pending?instType=SPOT&after={ids[2]}&limit=1")] == [ids[1]]
    assert [o["ordId"] for o in rig.get(f"/api/v5/trade/orders-pending?instType=SPOT&before={ids[0]}")] == [ids[2], ids[1]]
    assert len(rig.get("/api/v5/trade/orders-pending")) == 4
    status, told = rig.call("POST", "/api/v5/trade/cancel-order", {"instId": COIN, "ordId": ids[0]})
    assert (status, told["code"], told["data"][0]["sCode"], told["data"][0]["clOrdId"]) == (200, "0", "0", "p0")
    told = rig.call(
        "POST", "/api/v5/trade/cancel-batch-orders", [{"instId": COIN, "clOrdId": "p1"}, {"instId": COIN, "ordId": "1"}]
    )[1]
    assert (told["code"], told["msg"]) == ("2", "Bulk operation partially succeeded.")
    assert [row["sCode"] for row in told["data"]] == ["0", "51400"]
    history = rig.get("/api/v5/trade/orders-history?instType=SPOT&state=canceled")
    assert [(o["clOrdId"], o["cancelSource"]) for o in history] == [("p1", "1"), ("p0", "1")]
    rig.clock.advance_ns(2 * 3_600 * 10**9 + 10**9)
    assert rig.get("/api/v5/trade/orders-history?instType=SPOT") == [], "without a fill they are kept for two hours"


def test_a_batch_is_a_list(rig):
    told = rig.call("POST", "/api/v5/trade/batch-orders", [coin(clOrdId="b1"), coin(clOrdId="b1"), swap(sz="0.001")])[1]
    assert (told["code"], [row["sCode"] for row in told["data"]]) == ("2", ["0", "51016", "51121"])
    assert rig.call("POST", "/api/v5/trade/batch-orders", coin())[1]["code"] == "50002"
    assert rig.call("POST", "/api/v5/trade/batch-orders", [coin()] * 21)[1]["code"] == "51000"


def test_failures_are_answered_with_200_and_all_failed(rig):
    status, told, row = place(rig, **coin(sz="20"))
    assert (status, told["code"], told["msg"]) == (200, "1", "All operations failed")
    assert (row["sCode"], row["subCode"], row["ordId"]) == ("51008", "1000", "")
    assert place(rig, **coin(clOrdId="with-hyphen"))[2]["sCode"] == "51000"
    assert place(rig, **coin(instId="NONE-USDT"))[2]["sCode"] == "51001"
    assert (
        place(rig, **{"instIdCode": rig.code(COIN)} | {k: v for k, v in coin().items() if k != "instId"})[2]["sCode"] == "50014"
    )


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", f"/api/v5/trade/order?instId={COIN}&clOrdId=none", 200, "51603"),
        ("GET", f"/api/v5/trade/order?instId={COIN}&ordId=none", 400, "51000"),
        ("GET", f"/api/v5/trade/order?instId={COIN}", 400, "50014"),
        ("GET", "/api/v5/trade/order?clOrdId=x", 400, "50014"),
        ("GET", "/api/v5/trade/order?instId=NONE&clOrdId=x", 200, "51001"),
        ("GET", "/api/v5/trade/orders-history", 400, "50014"),
        ("GET", "/api/v5/trade/orders-pending?instType=COINS", 400, "51000"),
        ("GET", "/api/v5/trade/orders-pending?limit=ten", 400, "51000"),
        ("GET", "/api/v5/public/instruments", 400, "50014"),
        ("GET", "/api/v5/public/instruments?instType=COINS", 400, "51000"),
        ("GET", f"/api/v5/market/books?instId={COIN}&sz=401", 400, "51000"),
        ("GET", f"/api/v5/public/funding-rate?instId={COIN}", 200, "51015"),
        ("GET", "/api/v5/nothing", 404, "404"),
        ("GET", "/api/v5/trade/cancel-order", 405, "50115"),
        ("POST", "/api/v5/trade/order", 400, "50000"),
    ],
)
def test_questions_that_cannot_be_answered(rig, method, target, status, code):
    got, told = rig.call(method, target)
    assert (got, told["code"], told["data"]) == (status, code, []) and told["msg"]


def test_an_expired_request_does_nothing(rig):
    now = rig.clock.wall_ms()
    assert rig.call("POST", "/api/v5/trade/order", coin(), exptime=str(now - 1))[1]["code"] == "50036"
    assert rig.get("/api/v5/trade/orders-pending") == []
    assert rig.call("POST", "/api/v5/trade/order", coin(), exptime=str(now + 300))[1]["code"] == "0"


def test_the_account_as_it_is_set_up(rig):
    (config,) = rig.get("/api/v5/account/config")
    assert (config["acctLv"], config["posMode"], config["perm"], config["ip"]) == ("2", "net_mode", "read_only,trade", "")
    rig.account.set_flag("may_withdraw", True)
    rig.account.set_flag("hedge_mode", True)
    rig.clock.advance_ns(2 * 10**9)
    (config,) = rig.get("/api/v5/account/config")
    assert (config["posMode"], config["perm"]) == ("long_short_mode", "read_only,trade,withdraw")
    assert place(rig, **swap())[2]["sCode"] == "51000", "net orders in hedge mode"
    (fee,) = rig.get(f"/api/v5/account/trade-fee?instType=SPOT&instId={COIN}")
    assert fee["feeGroup"][0] == {"groupId": "1", "maker": "-0.0008", "taker": "-0.001", "elpMaker": "-0.0008"}
    (fee,) = rig.get("/api/v5/account/trade-fee?instType=SWAP&instFamily=BTC-USDT")
    assert (fee["feeGroup"][0]["maker"], fee["feeGroup"][0]["taker"]) == ("-0.0002", "-0.0005")
    (listed,) = rig.get(f"/api/v5/account/instruments?instType=SPOT&instId={COIN}")
    assert listed["groupId"] == "1" and listed["instIdCode"] == rig.code(COIN)
    assert {row["ccy"] for row in rig.get("/api/v5/asset/currencies")} == {"BTC", "ETH", "USDT"}
    assert rig.get("/api/v5/asset/balances") == []


def test_leverage_is_read_and_set(rig):
    assert [row["lever"] for row in rig.get(f"/api/v5/account/leverage-info?instId={SWAP},ETH-USDT-SWAP&mgnMode=cross")] == [
        "10",
        "10",
    ]
    status, told = rig.call("POST", "/api/v5/account/set-leverage", {"instId": SWAP, "lever": "5", "mgnMode": "cross"})
    assert (status, told["code"], told["data"][0]["lever"]) == (200, "0", "5")
    assert [row["lever"] for row in rig.get(f"/api/v5/account/leverage-info?instId={SWAP},ETH-USDT-SWAP&mgnMode=cross")] == [
        "5",
        "10",
    ]
    assert (
        rig.call("POST", "/api/v5/account/set-leverage", {"instId": SWAP, "lever": "101", "mgnMode": "cross"})[1]["code"]
        == "59102"
    )
    place(rig, **swap())
    assert rig.get("/api/v5/account/positions")[0]["imr"] == "1280"


def test_funding_is_in_the_bills_and_in_the_channels(rig):
    socket = rig.private(
        {"channel": "account", "extraParams": '{"updateInterval":"0"}'}, {"channel": "positions", "instType": "ANY"}
    )
    place(rig, **swap())
    before = len(socket.frames)
    rig.venue.funding[SWAP].rate_e8 = 10_000
    rig.market.pay_funding(rig.venue.by_symbol[LINEAR][SWAP])
    (bill,) = rig.get("/api/v5/account/bills?instType=SWAP&type=8")
    assert (bill["type"], bill["subType"], bill["balChg"], bill["pnl"], bill["ccy"]) == ("8", "173", "-0.64", "-0.64", "USDT")
    assert (bill["instId"], bill["sz"], bill["px"]) == (SWAP, "10", "64000")
    told = {f["arg"]["channel"]: f["data"][0] for f in socket.frames[before:] if "data" in f}
    assert told["account"]["details"][0]["cashBal"] == "999996.15995" and told["positions"]["fundingFee"] == "-0.64"
    rig.venue.funding[SWAP].rate_e8 = -10_000
    rig.market.pay_funding(rig.venue.by_symbol[LINEAR][SWAP])
    bills = rig.get("/api/v5/account/bills-archive?type=8")
    assert [b["subType"] for b in bills] == ["174", "173"]
    assert rig.get(f"/api/v5/account/bills?type=8&after={bills[0]['billId']}") == [bill]
    assert rig.get("/api/v5/account/bills?type=2") == []
    history = rig.read(f"/api/v5/public/funding-rate-history?instId={SWAP}")["data"]
    assert [row["fundingRate"] for row in history] == ["-0.0001", "0.0001"]


def test_public_data(rig):
    assert rig.read("/api/v5/public/time")["data"] == [{"ts": str(rig.clock.wall_ms())}]
    (book,) = rig.read(f"/api/v5/market/books?instId={COIN}")["data"]
    assert (book["asks"], book["bids"]) == ([["64001", "2", "0", "1"]], [["63999", "2", "0", "1"]]) and isinstance(
        book["seqId"], int
    )
    (ticker,) = rig.read(f"/api/v5/market/ticker?instId={SWAP}")["data"]
    assert (ticker["bidPx"], ticker["bidSz"], ticker["instType"]) == ("63999", "200", "SWAP")
    assert len(rig.read("/api/v5/market/tickers?instType=SPOT")["data"]) == 2
    place(rig, **swap())
    (trade,) = rig.read(f"/api/v5/market/trades?instId={SWAP}")["data"]
    assert (trade["px"], trade["sz"], trade["side"]) == ("64001", "10", "buy")
    (funding,) = rig.read(f"/api/v5/public/funding-rate?instId={SWAP}")["data"]
    assert int(funding["nextFundingTime"]) - int(funding["fundingTime"]) == 8 * 3_600_000
    assert len(rig.read("/api/v5/public/funding-rate?instId=ANY")["data"]) == 2
    (mark,) = rig.read(f"/api/v5/public/mark-price?instType=SWAP&instId={SWAP}")["data"]
    assert mark["markPx"] == "64000"
    assert rig.read(f"/api/v5/market/index-tickers?instId={COIN}")["data"][0]["idxPx"] == "64000"
    tiers = rig.read("/api/v5/public/position-tiers?instType=SWAP&tdMode=cross&instFamily=BTC-USDT")["data"]
    assert [tier["maxLever"] for tier in tiers] == ["100", "50", "20"] and tiers[0]["minSz"] == "0"
    assert all(a["maxSz"] == b["minSz"] for a, b in pairwise(tiers))
    for kind in ("FUTURES", "OPTION", "MARGIN"):
        assert rig.read(f"/api/v5/public/instruments?instType={kind}&uly=BTC-USD")["data"] == []


def test_the_dead_mans_switch_cancels_what_is_open(rig):
    assert rig.call("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "5"})[1]["code"] == "51000"
    socket = rig.private({"channel": "orders", "instType": "ANY"})
    place(rig, **coin(clOrdId="a", tag="one"))
    place(rig, **swap(ordType="limit", px="60000", clOrdId="b"))
    (row,) = rig.call("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "10"})[1]["data"]
    assert int(row["triggerTime"]) - int(row["ts"]) == 10_000
    assert rig.call("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "10"})[0] == 429, "once a second"
    rig.run(9.5)
    assert rig.call("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "10"})[1]["code"] == "0"
    rig.run(9.5)
    assert len(rig.get("/api/v5/trade/orders-pending")) == 2, "armed again in time"
    before = len(socket.frames)
    rig.run(1.0)
    ended = [row for f in socket.frames[before:] if "data" in f for row in f["data"]]
    assert {(row["clOrdId"], row["state"], row["cancelSource"]) for row in ended} == {
        ("a", "canceled", "20"),
        ("b", "canceled", "20"),
    }
    assert rig.get("/api/v5/trade/orders-pending") == []


def test_the_switch_of_a_tag_spares_the_others_and_zero_stops_it(rig):
    place(rig, **coin(clOrdId="a", tag="one"))
    place(rig, **coin(clOrdId="b"))
    rig.call("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "10", "tag": "one"})
    rig.call("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "10"})
    rig.run(1.5)
    assert rig.call("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "0"})[1]["data"][0]["triggerTime"] == "0"
    rig.run(10.0)
    assert [o["clOrdId"] for o in rig.get("/api/v5/trade/orders-pending")] == ["b"]


def test_too_many_requests_are_429_and_counted_by_endpoint(rig):
    codes = [orjson.loads(orjson.dumps(rig.read("/api/v5/public/time")))["code"] for _ in range(11)]
    assert codes == ["0"] * 10 + ["50011"]
    assert rig.read(f"/api/v5/market/books?instId={COIN}")["code"] == "0"
    rig.clock.advance_ns(2 * 10**9)
    assert rig.read("/api/v5/public/time")["code"] == "0"
    rig.dialect.limit("spot", rig.clock.wall_ms() + 1000, False)
    status, told = rig.call("POST", "/api/v5/trade/order", coin())
    assert (status, told["code"]) == (429, "50011")
    rig.clock.advance_ns(10**9)
    assert rig.call("POST", "/api/v5/trade/order", coin())[1]["code"] == "0"


def test_faults_of_requests(rig):
    def plant(channel, verb, **more):
        rig.venue.faults.plant({"channel": channel, "verb": verb, **more})

    plant("oe", "unknown", variant="request")
    status, told, _ = place(rig, **coin(clOrdId="u1"))
    assert (status, told["code"], told["data"]) == (500, "51054", [])
    plant("q", "reject")
    target = f"/api/v5/trade/order?instId={COIN}&clOrdId=u1"
    assert rig.call("GET", target)[1]["code"] == "51603"
    assert rig.get(target)[0]["state"] == "live"
    plant("oe", "reject", status=503, code=50001)
    assert place(rig, **coin())[:2][0] == 503
    plant("oe", "delay", ms=50)
    body = orjson.dumps(coin(clOrdId="late"))
    assert rig.http("rest", "POST", "/api/v5/trade/order", body, rig.headers("POST", "/api/v5/trade/order", body)) is None
    assert rig.call("GET", target.replace("u1", "late"))[1]["code"] == "51603"
    for _, call in rig.deferred:
        call()
    assert rig.get(target.replace("u1", "late"))[0]["state"] == "live"
    plant("oe", "reject", on="cancel")
    assert rig.call("POST", "/api/v5/trade/cancel-order", {"instId": COIN, "clOrdId": "late"})[1]["data"][0]["sCode"] == "51400"


def test_us_accounts_trade_spot_with_their_own_fees():
    rig = OkxRig(sim=okxus.SIM)
    ask = rig.top(SPOT, COIN)[2]
    assert place(rig, **coin(ordType="ioc", px=f"{ask / 100:.2f}", sz="0.001"))[2]["sCode"] == "0"
    (fill,) = rig.get("/api/v5/trade/fills?instType=SPOT")
    assert (fill["fee"], fill["feeCcy"]) == ("-0.0000035", "BTC")
    assert place(rig, **swap())[2]["sCode"] == "51001"
    (fee,) = rig.get(f"/api/v5/account/trade-fee?instType=SPOT&instId={COIN}")
    assert fee["feeGroup"][0]["taker"] == "-0.0035"
