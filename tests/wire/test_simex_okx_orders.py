"""Simulated OKX: orders over the websocket: answers, then fates in the orders channel; refusals in the venue's codes; money."""

import pytest

from tests.support.okx_sim_rig import PRIVATE, OkxRig, Socket
from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import E8

ORDERS = {"channel": "orders", "instType": "ANY"}
ACCOUNT = {"channel": "account", "extraParams": '{"updateInterval":"0"}'}
POSITIONS = {"channel": "positions", "instType": "SWAP", "extraParams": '{"updateInterval":"0"}'}
COIN, SWAP = "BTC-USDT", "BTC-USDT-SWAP"


@pytest.fixture
def rig():
    rig = OkxRig(with_market=False)
    rig.set_levels(SPOT, COIN, [("63999.00", "2")], [("64001.00", "2")])
    rig.set_levels(LINEAR, SWAP, [("63999.0", "2")], [("64001.0", "2")])
    rig.venue.matcher.mark_px_e8[SWAP] = 64_000 * E8
    rig.venue.index_px_e8[COIN] = rig.venue.index_px_e8[SWAP] = 64_000 * E8
    return rig


def swap(rig, **more):
    return {"instIdCode": rig.code(SWAP), "tdMode": "cross", "side": "buy", "ordType": "ioc", "sz": "10", "px": "64001"} | more


def coin(rig, **more):
    return {"instIdCode": rig.code(COIN), "tdMode": "cash", "side": "buy", "ordType": "ioc", "sz": "0.1", "px": "64001"} | more


def rows(frames, channel="orders"):
    return [row for f in frames if f.get("arg", {}).get("channel") == channel and "data" in f for row in f["data"]]


def test_an_ioc_is_acknowledged_then_filled_then_booked(rig):
    socket = rig.private(ORDERS, ACCOUNT, POSITIONS)
    answer, events = socket.trade("order", swap(rig, clOrdId="arb7", tag="t1", reduceOnly=False))
    assert (answer["op"], answer["code"], answer["msg"]) == ("order", "0", "")
    (row,) = answer["data"]
    assert (row["clOrdId"], row["sCode"], row["sMsg"], row["subCode"], row["tag"]) == ("arb7", "0", "", "", "t1")
    assert len(answer["inTime"]) == len(answer["outTime"]) == 16
    assert [e["arg"]["channel"] for e in events] == ["orders", "account", "orders", "account", "positions"]
    assert events[0]["arg"] == ORDERS | {"uid": str(rig.account.uid)}
    live, filled = rows(events)
    assert (live["state"], live["accFillSz"], live["tradeId"], live["fillFee"], live["avgPx"]) == ("live", "0", "", "0", "0")
    assert (filled["state"], filled["sz"], filled["accFillSz"], filled["fillSz"], filled["fillPx"]) == (
        "filled",
        "10",
        "10",
        "10",
        "64001",
    )
    assert (filled["ordId"], filled["clOrdId"], filled["execType"], filled["reduceOnly"]) == (row["ordId"], "arb7", "T", "false")
    # 10 contracts of 0.01 BTC at 64001, 0.05 %.
    assert (filled["fillFee"], filled["fillFeeCcy"], filled["fee"]) == ("-3.20005", "USDT", "-3.20005")
    (position,) = rows(events, "positions")
    assert (position["pos"], position["avgPx"], position["lever"], position["fee"]) == ("10", "64001", "10", "-3.20005")
    assert position["upl"] == "-0.1" and position["realizedPnl"] == "-3.20005"
    told = rows(events, "account")[-1]["details"][0]
    assert (told["ccy"], told["cashBal"], told["eq"]) == ("USDT", "999996.79995", "999996.69995")
    assert rig.account.total("USDT") == 99_999_679_995 * 1000


def test_spot_fees_are_charged_in_the_coin_received(rig):
    socket = rig.private(ORDERS, ACCOUNT)
    bought = rows(socket.trade("order", coin(rig))[1])[-1]
    assert (bought["fillSz"], bought["fillFee"], bought["fillFeeCcy"], bought["instType"]) == ("0.1", "-0.0001", "BTC", "SPOT")
    _, events = socket.trade("order", coin(rig, side="sell", sz="0.05", px="63999"))
    sold = rows(events)[-1]
    assert (sold["fillFee"], sold["fillFeeCcy"], sold["feeCcy"]) == ("-3.19995", "USDT", "USDT")
    details = {d["ccy"]: d for d in rows(events, "account")[-1]["details"]}
    assert details["BTC"]["cashBal"] == "0.0499" == details["BTC"]["availBal"]


@pytest.mark.parametrize(
    ("more", "source", "filled"),
    [
        ({"ordType": "post_only"}, "31", "0"),
        ({"ordType": "ioc", "sz": "300"}, "14", "200"),
        ({"ordType": "fok", "sz": "300"}, "13", "0"),
        ({"ordType": "market", "sz": "300", "px": ""}, "14", "200"),
        ({"ordType": "optimal_limit_ioc", "sz": "300"}, "14", "200"),
    ],
)
def test_ends_have_their_sources_and_the_answer_says_nothing_of_them(rig, more, source, filled):
    socket = rig.private(ORDERS)
    answer, events = socket.trade("order", swap(rig, **more))
    assert answer["data"][0]["sCode"] == "0"
    last = rows(events)[-1]
    assert (last["state"], last["cancelSource"], last["accFillSz"]) == ("canceled", source, filled)
    states = [row["state"] for row in rows(events)]
    assert states == (
        ["canceled"] if source == "31" else ["live", "partially_filled", "canceled"] if filled != "0" else ["live", "canceled"]
    )
    row = rig.get(f"/api/v5/trade/order?instId={SWAP}&ordId={last['ordId']}")[0]
    assert (row["state"], row["cancelSource"], row["accFillSz"]) == ("canceled", source, filled)


def test_a_spot_market_buy_is_in_quote_unless_it_says_base(rig):
    socket = rig.private(ORDERS)
    by_value = rows(socket.trade("order", coin(rig, ordType="market", sz="6400.1", px=""))[1])[-1]
    assert (by_value["sz"], by_value["tgtCcy"], by_value["accFillSz"], by_value["state"]) == (
        "6400.1",
        "quote_ccy",
        "0.1",
        "filled",
    )
    by_size = rows(socket.trade("order", coin(rig, ordType="market", sz="0.2", tgtCcy="base_ccy", px=""))[1])[-1]
    assert (by_size["accFillSz"], by_size["fillPx"], by_size["px"]) == ("0.2", "64001", "")
    sold = rows(socket.trade("order", coin(rig, side="sell", ordType="market", sz="0.1", px=""))[1])[-1]
    assert (sold["accFillSz"], sold["tgtCcy"]) == ("0.1", "base_ccy")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"instIdCode": None}, "50014"),
        ({"instIdCode": 1}, "51001"),
        ({"instIdCode": "10461"}, "51000"),
        ({"clOrdId": "with-hyphen"}, "51000"),
        ({"clOrdId": "under_score"}, "51000"),
        ({"clOrdId": "x" * 33}, "51000"),
        ({"tag": "x" * 17}, "51000"),
        ({"side": "up"}, "51000"),
        ({"side": ""}, "50014"),
        ({"ordType": "gtc"}, "51000"),
        ({"tdMode": "cash"}, "51010"),
        ({"tdMode": "isolated"}, "51010"),
        ({"tdMode": None}, "50014"),
        ({"posSide": "long"}, "51000"),
        ({"sz": ""}, "50014"),
        ({"sz": "0"}, "51000"),
        ({"sz": "-1"}, "51000"),
        ({"sz": "0.005"}, "51121"),
        ({"sz": "1.001"}, "51121"),
        ({"sz": "400000"}, "51203"),
        ({"sz": "30000", "ordType": "market"}, "51202"),
        ({"sz": "40000"}, "51185"),
        ({"px": ""}, "51204"),
        ({"px": "0"}, "51000"),
        ({"px": "64000.05"}, "51150"),
        ({"px": "71000"}, "51006"),
        ({"side": "sell", "px": "57000"}, "51006"),
        ({"sz": "20000"}, "51008"),
        ({"reduceOnly": True}, "51169"),
        ({"ordType": "fok", "stpMode": "cancel_both"}, "54036"),
    ],
)
def test_refusals_of_swaps_have_their_codes(rig, more, code):
    socket = rig.private(ORDERS)
    answer, events = socket.trade("order", {k: v for k, v in swap(rig, **more).items()})
    (row,) = answer["data"]
    assert (answer["code"], row["sCode"], row["ordId"]) == ("1", code, "") and row["sMsg"]
    assert row["subCode"] == ("1001" if code == "51008" else "")
    assert events == [] and not rig.account.orders[LINEAR]


@pytest.mark.parametrize(
    ("more", "code", "sub_code"),
    [
        ({"side": "sell", "px": "63999"}, "51008", "1000"),
        ({"sz": "20", "px": "63999", "ordType": "limit"}, "51008", "1000"),
        ({"tdMode": "cross"}, "51010", ""),
        ({"reduceOnly": True}, "51139", ""),
        ({"ordType": "optimal_limit_ioc"}, "51000", ""),
        ({"sz": "0.000001"}, "51121", ""),
        ({"ordType": "market", "sz": "0.1", "tgtCcy": "coin"}, "51000", ""),
        ({"ordType": "market", "sz": "0.01"}, "51020", ""),
    ],
)
def test_refusals_of_spot_have_their_codes(rig, more, code, sub_code):
    answer, events = rig.private(ORDERS).trade("order", coin(rig, **more))
    assert (answer["data"][0]["sCode"], answer["data"][0]["subCode"], events) == (code, sub_code, [])


def test_reduce_only_wants_a_position_the_other_way(rig):
    socket = rig.private(ORDERS, POSITIONS)
    socket.trade("order", swap(rig))
    answer, _ = socket.trade("order", swap(rig, reduceOnly="true"))
    assert answer["data"][0]["sCode"] == "51170"
    answer, events = socket.trade("order", swap(rig, side="sell", px="63999", sz="25", reduceOnly="true"))
    assert answer["data"][0]["sCode"] == "0"
    last = rows(events)[-1]
    assert (last["accFillSz"], last["state"], last["reduceOnly"]) == ("10", "canceled", "true"), "never more than is held"
    closed = rows(events, "positions")[-1]
    assert (closed["pos"], closed["avgPx"], closed["pnl"]) == ("0", "", "-0.2")


def test_an_instrument_that_is_not_live_takes_no_orders(rig):
    socket = rig.private()
    for status, code in (("SUSPEND", "51022"), ("PREOPEN", "51021"), ("POST_ONLY", "54012")):
        rig.venue.by_symbol[LINEAR][SWAP].status = status
        assert socket.trade("order", swap(rig))[0]["data"][0]["sCode"] == code
        assert rig.read(f"/api/v5/public/instruments?instType=SWAP&instId={SWAP}")["data"][0]["state"] == status.lower()
    answer, _ = socket.trade("order", swap(rig, ordType="post_only", px="63000"))
    assert answer["data"][0]["sCode"] == "0"


def test_client_ids_are_unique_among_pending_orders_of_both_markets_and_free_again_afterwards(rig):
    socket = rig.private(ORDERS)
    first, _ = socket.trade("order", swap(rig, ordType="limit", px="60000", clOrdId="same"))
    for again in (swap(rig, clOrdId="same"), coin(rig, clOrdId="same")):
        assert socket.trade("order", again)[0]["data"][0]["sCode"] == "51016"
    answer, events = socket.trade("cancel-order", {"instIdCode": rig.code(SWAP), "clOrdId": "same"})
    assert (answer["op"], answer["code"], answer["data"][0]["ordId"]) == ("cancel-order", "0", first["data"][0]["ordId"])
    (row,) = rows(events)
    assert (row["state"], row["cancelSource"]) == ("canceled", "1")
    again, _ = socket.trade("order", swap(rig, clOrdId="same"))
    assert again["data"][0]["sCode"] == "0"
    row = rig.get(f"/api/v5/trade/order?instId={SWAP}&clOrdId=same")[0]
    assert row["ordId"] == again["data"][0]["ordId"], "the latest one of a used id"


def test_orders_without_a_client_id_have_none(rig):
    socket = rig.private(ORDERS)
    answer, events = socket.trade("order", swap(rig, ordType="limit", px="60000"))
    other, _ = socket.trade("order", swap(rig, ordType="limit", px="60000"))
    assert answer["data"][0]["clOrdId"] == rows(events)[0]["clOrdId"] == "" != other["data"][0]["ordId"]


@pytest.mark.parametrize("what", [{"ordId": "999"}, {"clOrdId": "never"}])
def test_a_cancel_of_nothing_and_of_what_ended_is_51400(rig, what):
    socket = rig.private()
    answer, _ = socket.trade("cancel-order", {"instIdCode": rig.code(SWAP)} | what)
    (row,) = answer["data"]
    assert (answer["code"], row["sCode"]) == ("1", "51400")
    assert row["sMsg"] == "Order cancellation failed as the order has been filled, canceled or does not exist."
    socket.trade("order", swap(rig, clOrdId="done"))
    assert socket.trade("cancel-order", {"instIdCode": rig.code(SWAP), "clOrdId": "done"})[0]["data"][0]["sCode"] == "51400"
    assert socket.trade("cancel-order", {"clOrdId": "done"})[0]["data"][0]["sCode"] == "50014"


def test_amendments_keep_the_order_and_tell_their_result(rig):
    socket = rig.private(ORDERS)
    first, _ = socket.trade("order", swap(rig, ordType="limit", px="60000", clOrdId="am"))
    name = {"instIdCode": rig.code(SWAP), "clOrdId": "am"}
    answer, events = socket.trade("amend-order", name | {"newPx": "61000", "newSz": "20", "reqId": "q1"})
    assert (answer["op"], answer["data"][0]["sCode"], answer["data"][0]["reqId"]) == ("amend-order", "0", "q1")
    (row,) = rows(events)
    assert (row["ordId"], row["px"], row["sz"], row["state"]) == (first["data"][0]["ordId"], "61000", "20", "live")
    assert (row["amendResult"], row["reqId"]) == ("0", "q1")
    assert (rig.venue.books[LINEAR][SWAP].own_bids, rig.account.orders[LINEAR][int(row["ordId"])].qty) == ({610_000: 2000}, 2000)
    answer, events = socket.trade("amend-order", name | {"newPx": "64001"})
    filled = rows(events)[-1]
    assert (filled["state"], filled["accFillSz"], filled["amendResult"]) == ("filled", "20", "")
    answer, _ = socket.trade("amend-order", name | {"newPx": "64000"})
    assert answer["data"][0]["sCode"] == "51503"


@pytest.mark.parametrize(
    ("more", "code"),
    [({}, "50014"), ({"newSz": "0"}, "51000"), ({"newSz": "0.005"}, "51121"), ({"newPx": "60000.05"}, "51150"),
     ({"newSz": "19000", "newPx": "64000"}, "51008"), ({"newSz": "11", "reqId": "a-b"}, "51000")],
)  # fmt: skip
def test_an_amendment_that_is_refused_changes_nothing(rig, more, code):
    socket = rig.private(ORDERS)
    socket.trade("order", swap(rig, ordType="limit", px="60000", clOrdId="am"))
    answer, events = socket.trade("amend-order", {"instIdCode": rig.code(SWAP), "clOrdId": "am"} | more)
    assert (answer["data"][0]["sCode"], events) == (code, [])
    (row,) = rig.get("/api/v5/trade/orders-pending")
    assert (row["px"], row["sz"], row["state"]) == ("60000", "10", "live")
    answer = rig.call("POST", "/api/v5/trade/amend-batch-orders", [{"instId": SWAP, "clOrdId": "am", "newSz": "5"}])[1]
    assert answer["code"] == "0" and rig.get("/api/v5/trade/orders-pending")[0]["sz"] == "5"


def test_batches_answer_for_each_order(rig):
    socket = rig.private(ORDERS)
    answer, events = socket.trade(
        "batch-orders", swap(rig, clOrdId="b1", ordType="limit", px="60000"), swap(rig, clOrdId="b-2"), coin(rig, clOrdId="b3")
    )
    assert (answer["op"], answer["code"], [row["sCode"] for row in answer["data"]]) == ("batch-orders", "2", ["0", "51000", "0"])
    assert [(row["clOrdId"], row["state"]) for row in rows(events)] == [("b1", "live"), ("b3", "live"), ("b3", "filled")]
    assert rig.venue.orders_received == 3
    answer, events = socket.trade(
        "batch-cancel-orders", {"instIdCode": rig.code(SWAP), "clOrdId": "b1"}, {"instIdCode": rig.code(COIN), "clOrdId": "b3"}
    )
    assert (answer["code"], [row["sCode"] for row in answer["data"]]) == ("2", ["0", "51400"])
    assert [row["state"] for row in rows(events)] == ["canceled"]


def test_bad_order_requests_are_refused_as_a_whole(rig):
    socket = rig.private()
    now = rig.clock.wall_ms()
    for args, beside, code in (
        ([], {}, "60013"),
        ([swap(rig), swap(rig)], {}, "60013"),
        ([swap(rig)], {"expTime": str(now - 1)}, "50036"),
        ([swap(rig)], {"expTime": "soon"}, "51000"),
    ):
        answer, _ = socket.trade("order", *args, **beside)
        told = answer["data"][0]["sCode"] if answer["data"] else answer["code"]
        assert told == code
    assert not rig.account.orders[LINEAR]
    assert socket.trade("order", swap(rig), expTime=str(now + 500))[0]["code"] == "0"
    assert socket.trade("batch-orders", *[swap(rig)] * 21)[0]["code"] == "60013"


def test_nothing_private_without_a_login(rig):
    socket = Socket(rig, PRIVATE)
    answer, _ = socket.trade("order", swap(rig))
    assert (answer["event"], answer["code"]) == ("error", "60011")
    assert socket.subscribe(ORDERS)[0]["code"] == "60011"


def test_account_channels_begin_with_a_snapshot_and_orders_do_not(rig):
    socket = rig.private()
    socket.trade("order", swap(rig))
    frames = socket.subscribe(ORDERS, ACCOUNT, POSITIONS, {"channel": "balance_and_position"})
    snapshots = [f for f in frames if "data" in f]
    assert [f["arg"]["channel"] for f in snapshots] == ["account", "positions", "balance_and_position"]
    assert [(f["eventType"], f["curPage"], f["lastPage"]) for f in snapshots[:2]] == [("snapshot", 1, True)] * 2
    assert [row["pos"] for row in snapshots[1]["data"]] == ["10"]
    light = snapshots[2]["data"][0]
    assert (light["eventType"], light["posData"][0]["pos"], light["balData"][0]["ccy"]) == ("snapshot", "10", "USDT")
    counts = [f for f in frames if f.get("event") == "channel-conn-count"]
    assert [(f["channel"], f["connCount"]) for f in counts][:2] == [("orders", "1"), ("account", "1")]
    assert [f["connCount"] for f in rig.private().subscribe(ORDERS) if "connCount" in f] == ["2"]
    _, events = socket.trade("order", swap(rig, side="sell", px="63999"))
    assert {(f["arg"]["channel"], f.get("eventType")) for f in events if f["arg"]["channel"] != "orders"} == {
        ("account", "event_update"), ("positions", "event_update"), ("balance_and_position", None),
    }  # fmt: skip
    for channel, f in ((c, f) for c in ("positions",) for f in events if f["arg"]["channel"] == c):
        assert (channel, f["data"][0]["pos"]) == ("positions", "0")


def test_the_31st_connection_of_a_channel_is_dropped(rig):
    sockets = [rig.private(ORDERS) for _ in range(31)]
    assert sockets[-1].frames[-1]["event"] == "channel-conn-count-error" and sockets[-1].frames[-1]["connCount"] == "30"
    _, events = sockets[0].trade("order", swap(rig))
    assert rows(events) and not rows(sockets[-1].frames) and rows(sockets[29].frames)
    sockets[0].wire.session.close()
    assert rig.private(ORDERS).frames[-1]["event"] == "channel-conn-count"


def test_channels_filter_by_type_and_end_with_unsubscribe(rig):
    spot_only = rig.private({"channel": "orders", "instType": "SPOT"})
    swap_only = rig.private({"channel": "orders", "instType": "SWAP"})
    trader = rig.private()
    trader.trade("order", swap(rig))
    trader.trade("order", coin(rig))
    assert {row["instId"] for row in rows(spot_only.frames)} == {COIN} and {row["instId"] for row in rows(swap_only.frames)} == {
        SWAP
    }
    swap_only.subscribe({"channel": "orders", "instType": "SWAP"}, op="unsubscribe")
    count = len(swap_only.frames)
    trader.trade("order", swap(rig))
    assert len(swap_only.frames) == count


def test_without_updateinterval_the_account_speaks_every_five_seconds():
    rig = OkxRig(background_msgs_per_s=0)
    often, events_only = rig.private({"channel": "account"}), rig.private(ACCOUNT)
    rig.run(11.0)
    assert [f["eventType"] for f in often.frames if "data" in f] == ["snapshot", "interval_update", "interval_update"]
    assert [f["eventType"] for f in events_only.frames if "data" in f] == ["snapshot"]


def test_resting_orders_fill_as_maker_and_lock_money(rig):
    socket = rig.private(ORDERS, ACCOUNT)
    _, events = socket.trade("order", coin(rig, ordType="limit", px="63500", clOrdId="rest"))
    usdt = next(d for d in rows(events, "account")[-1]["details"] if d["ccy"] == "USDT")
    assert (usdt["cashBal"], usdt["ordFrozen"], usdt["availBal"]) == ("1000000", "6350", "993650")
    before = len(socket.frames)
    rig.venue.matcher.match_resting(rig.venue.by_symbol[SPOT][COIN], True, 6_350_000, rig.clock.wall_ms())
    rig.venue.settle()
    (row,) = rows(socket.frames[before:])
    assert (row["state"], row["execType"], row["fillFee"], row["fillFeeCcy"]) == ("filled", "M", "-0.00008", "BTC")


def test_stp_cancels_the_resting_order_by_default(rig):
    socket = rig.private(ORDERS)
    rig.set_levels(LINEAR, SWAP, [("63999.0", "2")], [])
    socket.trade("order", swap(rig, side="sell", ordType="limit", px="64001", clOrdId="mine"))
    _, events = socket.trade("order", swap(rig, clOrdId="taker"))
    told = {row["clOrdId"]: (row["state"], row["cancelSource"]) for row in rows(events)}
    assert told == {"mine": ("canceled", "32"), "taker": ("canceled", "14")}


def test_faults_of_orders(rig):
    def plant(verb, **more):
        rig.venue.faults.plant({"channel": "oe", "verb": verb, **more})

    socket = rig.private(ORDERS)
    plant("reject")
    answer, events = socket.trade("order", swap(rig))
    assert (answer["data"][0]["sCode"], answer["data"][0]["subCode"], events) == ("51008", "1000", [])
    plant("reject", code=51155, msg="no")
    assert socket.trade("order", swap(rig))[0]["data"][0]["sCode"] == "51155"
    plant("asyncreject")
    answer, events = socket.trade("order", swap(rig))
    assert answer["code"] == "0" and [(r["state"], r["cancelSource"]) for r in rows(events)] == [("canceled", "0")]
    plant("unknown")
    answer, events = socket.trade("order", swap(rig, clOrdId="u1"))
    assert (answer["code"], answer["data"]) == ("50004", []) and rows(events)[-1]["state"] == "filled"
    plant("unknown", executed=False, variant="order")
    answer, events = socket.trade("order", swap(rig))
    assert (answer["code"], events) == ("51149", [])
    plant("ratelimit")
    assert socket.trade("order", swap(rig))[0]["code"] == "50011"
    plant("ban")
    assert socket.trade("order", swap(rig))[0]["code"] == "50061"
    plant("lostresp")
    answer, events = socket.trade("order", swap(rig))
    assert answer is None and rows(events)[-1]["state"] == "filled"
    plant("lostreq")
    assert socket.trade("order", swap(rig)) == (None, [])
    plant("partial", fraction=0.5)
    assert rows(socket.trade("order", swap(rig))[1])[-1]["accFillSz"] == "5"
    rig.venue.faults.plant({"channel": "ud", "verb": "dup"})
    states = [row["state"] for row in rows(socket.trade("order", swap(rig))[1])]
    assert states == ["live", "live", "filled"]
    plant("reject", on="cancel")
    assert socket.trade("cancel-order", {"instIdCode": rig.code(SWAP), "clOrdId": "u1"})[0]["data"][0]["sCode"] == "51400"


def test_sixty_orders_in_two_seconds_of_an_instrument_shared_with_rest(rig):
    socket = rig.private()
    codes = [socket.trade("order", swap(rig, sz="0.01"))[0]["code"] for _ in range(61)]
    assert codes == ["0"] * 60 + ["50011"]
    body = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "ioc", "sz": "0.01", "px": "64001"}
    status, told = rig.call("POST", "/api/v5/trade/order", body)
    assert (status, told["code"], told["data"]) == (429, "50011", [])
    assert socket.trade("order", coin(rig))[0]["code"] == "0", "each instrument has its own"
    rig.clock.advance_ns(2 * 10**9)
    assert socket.trade("order", swap(rig, sz="0.01"))[0]["code"] == "0"
    rig.dialect.limits.enforce = False
    assert all(socket.trade("order", swap(rig, sz="0.01"))[0]["code"] == "0" for _ in range(70))


def test_things_done_by_hand_have_no_client_id_and_their_category(rig):
    socket = rig.private(ORDERS)
    socket.trade("order", swap(rig))
    for kind, category in (("manual", "normal"), ("adl", "adl"), ("liquidation", "full_liquidation")):
        before = len(socket.frames)
        rig.venue.place_by_hand(
            rig.account,
            LINEAR,
            SWAP,
            side="SELL",
            quantity="0.01",
            reduce_only=True,
            client_id=rig.dialect.outside_client_id(kind),
        )
        row = rows(socket.frames[before:])[-1]
        assert (row["clOrdId"], row["category"], row["ordType"], row["fillSz"]) == ("", category, "market", "1")
