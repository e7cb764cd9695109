"""Public topics of the simulated Bybit against the venue's written rules, with books rebuilt here from the frames alone."""

import itertools
import re

import orjson
import pytest

from tests.support.bybit_sim import BybitRig, quiet_rig
from tests.support.simex_rig import Wire

MARKETS = ("spot", "linear")


class PlainBook:
    """The documents' rules: a snapshot replaces, a delta changes, size 0 deletes; u counts by one."""

    def __init__(self):
        self.sides, self.u, self.gaps, self.snapshots, self.deltas = ({}, {}), None, 0, 0, 0

    def message(self, frame):
        data = frame["data"]
        if frame["type"] == "snapshot" or data["u"] == 1:
            self.sides, self.snapshots = ({}, {}), self.snapshots + 1
        else:
            self.gaps += data["u"] != self.u + 1
            self.deltas += 1
        self.u = data["u"]
        for side, rows in zip(self.sides, (data["b"], data["a"]), strict=True):
            for px, qty in rows:
                if qty == "0":
                    side.pop(px, None)
                else:
                    side[px] = qty


def venue_levels(rig, market, symbol, depth):
    answer = rig.get("market/orderbook", is_public=True, category=market, symbol=symbol, limit=depth)["result"]
    return {px: qty for px, qty in answer["b"]}, {px: qty for px, qty in answer["a"]}


def settle_market(rig):
    rig.market.is_quiet, rig.dislocations.is_on = True, False
    rig.run(0.5)


def of_topic(wire, topic):
    return [frame for frame in wire.frames if frame.get("topic") == topic]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("depth", [50, 200, 1000])
def test_books_from_snapshot_and_deltas_equal_the_venues(market, depth):
    rig = BybitRig(pairs=4, seed=3, dislocations_per_s=3.0)
    topic = f"orderbook.{depth}.ETHUSDT"
    rig.run(0.3)
    wire = rig.public(market, topic)
    rig.run(3.0)
    settle_market(rig)
    book = PlainBook()
    for frame in of_topic(wire, topic):
        book.message(frame)
    assert book.gaps == 0 and book.snapshots == 1 and book.deltas > 3
    assert book.sides == venue_levels(rig, market, "ETHUSDT", depth)
    assert 50 <= len(book.sides[0]) <= depth


def test_listeners_of_one_topic_share_its_numbers_and_a_new_one_begins_whole():
    rig = BybitRig(pairs=2, seed=5)
    first = rig.public("linear", "orderbook.50.BTCUSDT")
    rig.run(1.0)
    second = rig.public("linear", "orderbook.50.BTCUSDT")
    rig.run(1.0)
    books = [PlainBook(), PlainBook()]
    for book, wire in zip(books, (first, second), strict=True):
        for frame in wire.frames:
            book.message(frame)
    assert [(b.gaps, b.snapshots) for b in books] == [(0, 1), (0, 1)]
    assert books[0].u == books[1].u and books[0].sides == books[1].sides
    old = books[1].u
    for wire in (first, second):
        rig.say(wire, {"op": "unsubscribe", "args": ["orderbook.50.BTCUSDT"]})
    again = rig.public("linear", "orderbook.50.BTCUSDT").frames[0]
    assert again["type"] == "snapshot" and again["data"]["u"] > old, "numbers go on while nobody listens"


@pytest.mark.parametrize("market", MARKETS)
def test_level_one_sends_snapshots_and_repeats_the_last_with_its_number_after_three_seconds(market):
    rig = quiet_rig()
    wire = rig.public(market, "orderbook.1.BTCUSDT")
    rig.run(9.5)
    frames = wire.frames
    assert [f["type"] for f in frames] == ["snapshot"] * 4 and len({f["data"]["u"] for f in frames}) == 1
    assert all(2990 <= b["ts"] - a["ts"] <= 3030 for a, b in itertools.pairwise(frames))
    rig.set_levels(market, "BTCUSDT", [("64250.1", "0.7")], [("64250.2", "0.4")])
    rig.run(0.02)
    assert wire.frames[-1]["data"]["u"] == frames[0]["data"]["u"] + 1
    assert wire.frames[-1]["data"]["seq"] > frames[0]["data"]["seq"]
    assert wire.frames[-1]["data"]["b"][0][1] == ("0.7" if market == "spot" else "0.700")


def test_frames_have_the_documents_keys_in_the_documents_orders():
    rig = quiet_rig()
    raw = {}
    for market in MARKETS:
        wire = rig.public(market, "orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT")
        rig.set_levels(market, "BTCUSDT", [("64250.1", "0.7"), ("64240", "1")], [("64250.2", "0.4")])
        rig.run(0.05)
        for frame in wire.raw[1:]:
            message = orjson.loads(frame)
            raw[market, message["topic"], message["type"]] = frame.decode()
    book = r'"data":\{"s":"BTCUSDT","b":\[.*\],"a":\[.*\],"u":\d+,"seq":\d+\},"cts":\d+\}$'
    type_first = r'^\{"topic":"orderbook\.\d+\.BTCUSDT","type":"%s","ts":\d+,' + book
    ts_first = r'^\{"topic":"orderbook\.\d+\.BTCUSDT","ts":\d+,"type":"%s",' + book
    for (market, topic, kind), text in raw.items():
        assert re.match((type_first if market == "linear" and ".50." in topic else ts_first) % kind, text), text
    assert len(raw) == 6
    delta = orjson.loads(raw["linear", "orderbook.50.BTCUSDT", "delta"])["data"]
    assert delta["b"] == [["64250.10", "0.700"], ["64250.00", "0"], ["64249.00", "0"], ["64240.00", "1.000"]]
    assert orjson.loads(raw["spot", "orderbook.50.BTCUSDT", "delta"])["data"]["b"] == [
        ["64250.1", "0.7"], ["64250", "0"], ["64249", "0"], ["64240", "1"],
    ]  # fmt: skip


def test_seq_is_one_count_for_all_channels_of_a_symbol():
    rig = BybitRig(pairs=1, seed=9)
    wire = rig.public("linear", "orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT", "orderbook.200.BTCUSDT", "publicTrade.BTCUSDT")
    rig.run(3.0)
    by_topic = {}
    for frame in wire.frames:
        rows = frame["data"] if isinstance(frame["data"], list) else [frame["data"]]
        by_topic.setdefault(frame["topic"], []).extend(row["seq"] for row in rows)
    assert len(by_topic) == 4 and all(seqs == sorted(seqs) for seqs in by_topic.values())
    tops, depths = {}, {}
    for frame in wire.frames:
        if frame["topic"] == "orderbook.1.BTCUSDT":
            tops[frame["data"]["seq"]] = frame["data"]["b"][0]
    book = PlainBook()
    for frame in of_topic(wire, "orderbook.50.BTCUSDT"):
        book.message(frame)
        depths[frame["data"]["seq"]] = max(book.sides[0].items(), key=lambda level: float(level[0]))
    same = tops.keys() & depths.keys()
    assert len(same) > 3 and all(tuple(tops[seq]) == depths[seq] for seq in same)


def test_public_trades_have_the_documents_form():
    rig = BybitRig(pairs=1, seed=2)
    wires = {market: rig.public(market, "publicTrade.BTCUSDT") for market in MARKETS}
    rig.run(3.0)
    linear, spot = (wires[market].frames[0] for market in ("linear", "spot"))
    assert list(linear) == ["topic", "type", "ts", "data"] and linear["type"] == "snapshot"
    assert list(linear["data"][0]) == ["T", "s", "S", "v", "p", "L", "i", "BT", "RPI", "seq"]
    assert re.match(r"^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$", linear["data"][0]["i"])
    assert {f["data"][0]["S"] for f in wires["linear"].frames} == {"Buy", "Sell"}
    assert {f["data"][0]["L"] for f in wires["linear"].frames} <= {"PlusTick", "MinusTick", "ZeroPlusTick"}
    assert list(spot["data"][0]) == ["i", "T", "p", "v", "S", "seq", "s", "BT", "RPI"] and spot["data"][0]["i"].isdigit()


def test_tickers_of_linear_tell_what_changed_and_those_of_spot_all():
    rig = BybitRig(pairs=1, seed=2)
    linear, spot = (rig.public(market, "tickers.BTCUSDT") for market in ("linear", "spot"))
    rig.run(2.5)
    first, *rest = linear.frames
    assert first["type"] == "snapshot" and list(first) == ["topic", "type", "data", "cs", "ts"]
    assert {f["type"] for f in rest} == {"delta"} and all(len(f["data"]) < len(first["data"]) for f in rest)
    joined = dict(first["data"])
    for frame in rest:
        joined |= frame["data"]
    assert joined == rig.get("market/tickers", is_public=True, category="linear", symbol="BTCUSDT")["result"]["list"][0] | {
        key: joined[key] for key in ("bid1Size", "ask1Size", "bid1Price", "ask1Price")
    }
    assert joined["fundingIntervalHour"] == "8" and int(joined["nextFundingTime"]) > rig.clock.wall_ms()
    assert {f["type"] for f in spot.frames} == {"snapshot"} and list(spot.frames[0]) == ["topic", "ts", "type", "cs", "data"]
    assert "bid1Price" not in spot.frames[0]["data"] and spot.frames[0]["data"]["usdIndexPrice"]


def test_price_limits_are_those_that_orders_are_held_to():
    rig = quiet_rig()
    wire = rig.public("linear", "priceLimit.BTCUSDT")
    rig.run(0.4)
    assert wire.frames[0]["data"] == {"symbol": "BTCUSDT", "buyLmt": "67462.50", "sellLmt": "61037.50"}


# ---- faults -------------------------------------------------------------------------------------------


def planted(verb, market="linear", **more):
    rig = BybitRig(pairs=1, seed=4)
    wire = rig.public(market, "orderbook.50.BTCUSDT")
    rig.run(0.5)
    rig.venue.faults.plant({"channel": "md", "verb": verb, "market": market, "symbol": "BTCUSDT"} | more)
    rig.run(1.0)
    return rig, of_topic(wire, "orderbook.50.BTCUSDT")


def jumps(frames):
    return [b["data"]["u"] - a["data"]["u"] for a, b in itertools.pairwise(frames)]


@pytest.mark.parametrize("market", MARKETS)
def test_gap_swap_dup_and_cross_show_in_the_numbers(market):
    assert sorted(jumps(planted("gap", market)[1]))[-2:] == [1, 2]
    swapped = jumps(planted("swap", market)[1])
    assert {2, -1} <= set(swapped)
    assert jumps(planted("dup", market)[1]).count(0) == 1
    _, frames = planted("cross", market)
    book, is_crossed = PlainBook(), False
    for frame in frames:
        book.message(frame)
        is_crossed |= max(map(float, book.sides[0])) >= min(map(float, book.sides[1]))
    assert is_crossed and book.gaps == 0


@pytest.mark.parametrize(("verb", "is_one"), [("resnap", True), ("snapshot", False)])
def test_a_snapshot_may_come_at_any_time(verb, is_one):
    _, frames = planted(verb)
    assert [f["type"] for f in frames].count("snapshot") == 2
    again = next(number for number, f in enumerate(frames) if number and f["type"] == "snapshot")
    assert (frames[again]["data"]["u"] == 1) is is_one
    assert frames[again + 1]["data"]["u"] == frames[again]["data"]["u"] + 1
    book = PlainBook()
    for frame in frames:
        book.message(frame)
    assert book.gaps == 0


def test_a_topic_may_begin_without_its_snapshot():
    rig = BybitRig(pairs=1, seed=4)
    rig.venue.faults.plant({"channel": "md", "verb": "nosnap"})
    wire = rig.public("spot", "orderbook.50.BTCUSDT")
    rig.run(0.5)
    assert wire.frames[0]["type"] == "delta"


# ---- the connection -------------------------------------------------------------------------------------


def test_pings_are_answered_in_three_shapes():
    rig = quiet_rig()
    public, private, trade = rig.public("linear"), rig.log_on("/v5/private"), rig.log_on("/v5/trade")
    conn_id = rig.say(public, {"op": "ping"})["conn_id"]
    assert rig.say(public, {"op": "ping"}) == {"success": True, "ret_msg": "pong", "conn_id": conn_id, "req_id": "", "op": "ping"}
    assert rig.say(public, {"op": "ping", "req_id": "100001"})["req_id"] == "100001"
    pong = rig.say(private, {"op": "ping", "req_id": "test"})
    assert (
        list(pong) == ["req_id", "op", "args", "conn_id"] and pong["op"] == "pong" and pong["args"] == [str(rig.clock.wall_ms())]
    )
    pong = rig.say(trade, {"op": "ping"})
    assert list(pong) == ["retCode", "retMsg", "op", "data", "connId"] and (pong["retCode"], pong["op"]) == (0, "pong")


def test_acknowledgements_have_each_markets_form_and_come_first():
    rig = quiet_rig()
    for market, expected in (
        ("spot", ["success", "ret_msg", "conn_id", "op"]),
        ("linear", ["success", "ret_msg", "conn_id", "req_id", "op"]),
    ):
        wire = rig.connect("public", f"/v5/public/{market}")
        answer = rig.say(wire, {"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]})
        assert list(answer) == expected and answer["success"] is True and answer["op"] == "subscribe"
        assert wire.frames[1]["topic"] == "orderbook.50.BTCUSDT"
        assert rig.say(wire, {"op": "subscribe", "req_id": "r1", "args": ["publicTrade.BTCUSDT"]})["req_id"] == "r1"
        gone = rig.say(wire, {"op": "unsubscribe", "args": ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"]})
        assert gone["success"] is True and not rig.venue.hubs[market].streams


def test_an_invalid_topic_refuses_the_whole_request():
    rig = quiet_rig()
    wire = rig.public("linear")
    for topic in ("orderbook.40.BTCUSDT", "orderbook.50.NOPEUSDT", "nonsense"):
        answer = rig.say(wire, {"op": "subscribe", "args": ["orderbook.50.BTCUSDT", topic]})
        assert answer["success"] is False and answer["ret_msg"] == f"Invalid topic: {topic}"
        assert not rig.venue.hubs["linear"].streams
        assert not rig.venue.books["linear"]["BTCUSDT"].trackers
    assert rig.say(wire, {"op": "nonsense"})["success"] is False
    assert rig.say(wire, b"{")["success"] is False


def test_limits_of_subscriptions():
    rig = BybitRig(pairs=20)
    topics = [f"orderbook.50.{symbol}" for symbol in list(rig.venue.by_symbol["spot"])[:11]]
    assert rig.say(rig.public("spot"), {"op": "subscribe", "args": topics})["success"] is False
    assert rig.say(rig.public("spot"), {"op": "subscribe", "args": topics[:10]})["success"] is True
    assert rig.say(rig.public("linear"), {"op": "subscribe", "args": topics})["success"] is True
    many = [f"{word}.{symbol}" for word in ("orderbook.1000", "x" * 1100) for symbol in rig.venue.by_symbol["linear"]]
    refused = rig.say(rig.public("linear"), {"op": "subscribe", "args": many})
    assert refused["success"] is False and "21000" in refused["ret_msg"]


def test_paths_and_lives():
    rig = quiet_rig()
    for port, path in (
        ("public", "/v5/private"),
        ("private", "/v5/public/spot"),
        ("public", "/v5/public/inverse"),
        ("rest", "/v5/trade"),
    ):
        assert rig.venue.dialect.open_session(port, path, {}, Wire()) is None, path
    rules = rig.public("spot").session.rules
    assert (rules.idle_cut_s, rules.life_s, rules.ping_s) == (600.0, 0.0, 0.0)
    for query, expected in (
        ("", 600.0),
        ("?max_active_time=30s", 30.0),
        ("?max_active_time=1m", 60.0),
        ("?max_active_time=5s", 30.0),
    ):
        assert rig.connect("private", f"/v5/trade{query}").session.rules.idle_cut_s == expected
