"""Market-data streams of the simulated venue against the venue's written rules, rebuilt here from the frames alone."""

import itertools

import orjson
import pytest

from tests.support.simex_rig import Rig
from tools.simex.binance_streams import MarketSession
from tools.simex.contract import LINEAR, SPOT


class PlainBook:
    """The venue's published rules for a local book, with dictionaries and decimal text."""

    def __init__(self, is_spot):
        self.is_spot, self.sides, self.last, self.gaps, self.applied = is_spot, ({}, {}), None, 0, 0

    def snapshot(self, body):
        self.sides = ({p: q for p, q in body["bids"]}, {p: q for p, q in body["asks"]})
        self.snapshot_id, self.last = body["lastUpdateId"], None

    def event(self, e):
        if self.last is None:
            if e["u"] <= self.snapshot_id if self.is_spot else e["u"] < self.snapshot_id:
                return
            starts = (
                e["U"] <= self.snapshot_id + 1 <= e["u"]
                if self.is_spot
                else (e["U"] <= self.snapshot_id <= e["u"] or e["pu"] == self.snapshot_id)
            )
            self.gaps += not starts
        elif (e["U"] != self.last + 1) if self.is_spot else (e["pu"] != self.last):
            self.gaps += 1
        self.last = e["u"]
        self.applied += 1
        for side, rows in zip(self.sides, (e["b"], e["a"]), strict=True):
            for px, qty in rows:
                if float(qty) == 0:
                    side.pop(px, None)
                else:
                    side[px] = qty


def venue_levels(rig, market, symbol):
    instrument, book = rig.venue.by_symbol[market][symbol], rig.venue.books[market][symbol]
    return tuple({instrument.px_text(p): instrument.qty_text(q) for p, q in levels.items()} for levels in (book.bids, book.asks))


def rest(rig, market, target):
    reply = rig.ask_rest(market, "GET", target)
    assert reply is not None and reply.status == 200, reply
    return orjson.loads(reply.body)


DEPTH = {SPOT: "/api/v3/depth?symbol=ETHUSDT&limit=5000", LINEAR: "/fapi/v1/depth?symbol=ETHUSDT&limit=1000"}
PREFIX = {SPOT: "", LINEAR: "/public"}


@pytest.mark.parametrize(("market", "speed"), [(SPOT, "100ms"), (SPOT, None), (LINEAR, "100ms"), (LINEAR, "0ms"), (LINEAR, None)])
def test_book_built_from_deltas_equals_the_venues_own(market, speed):
    rig = Rig(pairs=4, seed=3, dislocations_per_s=3.0)
    name = "ethusdt@depth" + (f"@{speed}" if speed else "")
    _, frames = rig.stream(market, f"{PREFIX[market]}/ws/{name}")
    rig.run(0.5)
    book = PlainBook(market == SPOT)
    book.snapshot(rest(rig, market, DEPTH[market]))
    rig.run(3.0)
    rig.market.is_quiet, rig.dislocations.is_on = True, False
    rig.run(2.2)
    for frame in frames:
        book.event(frame)
    assert book.gaps == 0 and book.applied > 3
    assert book.sides == venue_levels(rig, market, "ETHUSDT")


@pytest.mark.parametrize("market", [SPOT, LINEAR])
def test_book_ticker_and_depth_share_update_ids_and_agree(market):
    rig = Rig(pairs=2, seed=8)
    _, tops = rig.stream(market, f"{PREFIX[market]}/ws/btcusdt@bookTicker")
    _, deltas = rig.stream(market, f"{PREFIX[market]}/ws/btcusdt@depth@100ms")
    book = PlainBook(market == SPOT)
    body = rest(rig, market, DEPTH[market].replace("ETH", "BTC"))
    book.snapshot(body)
    rig.run(3.0)
    checked = 0
    by_id = {t["u"]: t for t in tops}
    for delta in deltas:
        book.event(delta)
        top = by_id.get(delta["u"])
        if top is not None:
            checked += 1
            assert (max(book.sides[0], key=float), min(book.sides[1], key=float)) == (top["b"], top["a"])
            assert (book.sides[0][top["b"]], book.sides[1][top["a"]]) == (top["B"], top["A"])
    assert checked > 3
    assert ("e" in tops[0]) == (market == LINEAR), "spot bookTicker has no event type, USD-M has"


def test_orders_show_in_the_next_updates_of_every_stream():
    rig = Rig(pairs=2)
    rig.market.is_quiet = True
    _, tops = rig.stream(SPOT, "/ws/btcusdt@bookTicker")
    _, trades = rig.stream(SPOT, "/ws/btcusdt@trade")
    _, deltas = rig.stream(SPOT, "/ws/btcusdt@depth@100ms")
    _bid, _, ask, qty = rig.top(SPOT, "BTCUSDT")
    instrument = rig.venue.by_symbol[SPOT]["BTCUSDT"]
    taken = qty // 2
    rig.api(SPOT).place("BTCUSDT", "BUY", instrument.px_text(ask), instrument.qty_text(taken))
    assert tops[-1]["A"] == instrument.qty_text(qty - taken)
    assert trades[-1] | {"E": 0, "T": 0, "t": 0} == {
        "e": "trade",
        "E": 0,
        "s": "BTCUSDT",
        "t": 0,
        "p": instrument.px_text(ask),
        "q": instrument.qty_text(taken),
        "T": 0,
        "m": False,
        "M": True,
    }
    rig.run(0.2)
    assert deltas[-1]["a"] == [[instrument.px_text(ask), instrument.qty_text(qty - taken)]] and deltas[-1]["b"] == []


def test_control_messages_are_answered_as_the_venue_does():
    rig = Rig(pairs=2)
    session, frames = rig.stream(SPOT, "/ws")

    def ask(message):
        frames.clear()
        session.on_text(orjson.dumps(message) if not isinstance(message, bytes) else message, 0)
        return frames[0]

    assert ask({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker", "nosuch@depth"], "id": 1}) == {"result": None, "id": 1}
    assert ask({"method": "LIST_SUBSCRIPTIONS", "id": 3}) == {"result": ["btcusdt@bookTicker", "nosuch@depth"], "id": 3}
    assert ask({"method": "UNSUBSCRIBE", "params": ["nosuch@depth"], "id": "x"}) == {"result": None, "id": "x"}
    assert ask({"method": "SET_PROPERTY", "params": ["combined", True], "id": 5}) == {"result": None, "id": 5}
    frames.clear()
    rig.run(1.0)
    assert frames and frames[0]["stream"] == "btcusdt@bookTicker" and frames[0]["data"]["s"] == "BTCUSDT"
    assert ask(b"{nonsense")["code"] == 3
    for bad in ({"method": "SUBSCRIBE", "params": "btc", "id": 9}, {"method": "DANCE", "id": 9}, [1]):
        assert ask(bad)["code"] == 2
    session.close()
    frames.clear()
    rig.run(0.5)
    assert not frames and not rig.venue.hubs[SPOT].streams


def test_combined_path_wraps_and_raw_path_does_not():
    rig = Rig(pairs=2)
    _, raw = rig.stream(SPOT, "/ws/btcusdt@bookTicker")
    _, combined = rig.stream(SPOT, "/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker")
    rig.run(1.0)
    assert {f["stream"] for f in combined} == {"btcusdt@bookTicker", "ethusdt@bookTicker"}
    assert [f["data"] for f in combined if f["stream"].startswith("btc")] == raw
    for session in rig.venue.hubs[SPOT].sessions:
        session.notice(5)
    assert raw[-1] == {"e": "serverShutdown", "E": 5} and combined[-1] == {
        "stream": "!serverShutdown",
        "data": {"e": "serverShutdown", "E": 5},
    }


@pytest.mark.parametrize(
    ("route", "stream", "speaks"),
    [
        ("/public", "btcusdt@bookTicker", True),
        ("/public", "btcusdt@depth@100ms", True),
        ("/public", "btcusdt@depth20@100ms", True),
        ("/public", "btcusdt@markPrice@1s", False),
        ("/public", "btcusdt@aggTrade", False),
        ("/market", "btcusdt@markPrice@1s", True),
        ("/market", "btcusdt@aggTrade", True),
        ("/market", "btcusdt@bookTicker", False),
        ("/market", "btcusdt@depth@100ms", False),
        ("", "btcusdt@bookTicker", True),
        ("", "btcusdt@markPrice@1s", False),
    ],
)
def test_a_stream_on_the_wrong_futures_route_is_acknowledged_and_silent(route, stream, speaks):
    rig = Rig(pairs=1)
    session, frames = rig.stream(LINEAR, f"{route}/ws")
    session.on_text(orjson.dumps({"method": "SUBSCRIBE", "params": [stream], "id": 1}), 0)
    assert frames == [{"result": None, "id": 1}]
    rig.run(2.5)
    assert (len(frames) > 1) == speaks


def test_which_paths_open_a_market_socket():
    assert (
        MarketSession.accepts(SPOT, "/ws")
        and MarketSession.accepts(SPOT, "/stream?streams=a@b")
        and MarketSession.accepts(SPOT, "/stream/ws/0")
    )
    assert MarketSession.accepts(LINEAR, "/public/ws") and MarketSession.accepts(LINEAR, "/market/stream")
    assert (
        not MarketSession.accepts(SPOT, "/")
        and not MarketSession.accepts(SPOT, "/public/ws")
        and not MarketSession.accepts(LINEAR, "/elsewhere")
    )


def test_partial_depth_and_mark_price_have_the_venues_fields():
    rig = Rig(pairs=1)
    _, spot5 = rig.stream(SPOT, "/ws/btcusdt@depth5@100ms")
    _, linear20 = rig.stream(LINEAR, "/public/ws/btcusdt@depth20@100ms")
    _, marks = rig.stream(LINEAR, "/market/ws/btcusdt@markPrice@1s")
    rig.run(2.5)
    assert set(spot5[0]) == {"lastUpdateId", "bids", "asks"} and len(spot5[0]["bids"]) == 5
    assert len(linear20[0]["a"]) == 20 and {"U", "u", "pu", "T"} <= set(linear20[0])
    assert 2 <= len(marks) <= 3
    assert set(marks[0]) == {"e", "E", "s", "p", "ap", "i", "P", "r", "T"} and marks[0]["T"] > marks[0]["E"]


# ---- faults -------------------------------------------------------------------------------------


def run_with_fault(market=SPOT, **fault):
    rig = Rig(pairs=1, seed=6)
    _, frames = rig.stream(market, f"{PREFIX[market]}/ws/btcusdt@depth@100ms")
    book = PlainBook(market == SPOT)
    book.snapshot(rest(rig, market, DEPTH[market].replace("ETH", "BTC")))
    rig.run(1.0)
    rig.venue.faults.plant({"channel": "md"} | fault)
    rig.run(2.0)
    for frame in frames:
        book.event(frame)
    return rig, frames, book


@pytest.mark.parametrize("market", [SPOT, LINEAR])
def test_gap_loses_one_event_of_the_chain(market):
    _, _, book = run_with_fault(market, verb="gap", symbol="BTCUSDT")
    assert book.gaps == 1


def test_dup_sends_an_event_twice_and_swap_two_in_the_wrong_order():
    _, frames, _ = run_with_fault(verb="dup")
    ids = [f["u"] for f in frames]
    assert len(ids) == len(set(ids)) + 1 and ids == sorted(ids)
    _, frames, _ = run_with_fault(verb="swap")
    ids = [f["u"] for f in frames]
    assert ids != sorted(ids) and len(ids) == len(set(ids))
    assert sum(a > b for a, b in itertools.pairwise(ids)) == 1


def test_cross_puts_a_bid_above_the_ask():
    _, frames, _ = run_with_fault(verb="cross")
    crossed = [f for f in frames if f["b"] and f["a"] and float(f["b"][0][0]) > float(f["a"][0][0])]
    extra = [f for f in frames if f["b"] and float(f["b"][0][1]) == 0.00001]
    assert crossed or extra


def test_freeze_keeps_the_stream_silent_for_its_time_and_the_chain_shows_it():
    rig = Rig(pairs=1)
    _, frames = rig.stream(SPOT, "/ws/btcusdt@depth@100ms")
    rig.run(0.5)
    rig.venue.faults.plant({"channel": "md", "verb": "freeze", "duration_ms": 1000})
    frames.clear()
    rig.run(0.9)
    assert not frames
    rig.run(1.0)
    assert frames and not rig.venue.faults.active


def test_delayed_frames_come_later():
    rig = Rig(pairs=1)
    _, frames = rig.stream(SPOT, "/ws/btcusdt@bookTicker")
    rig.venue.faults.plant({"channel": "md", "verb": "delay", "ms": 800, "duration_ms": 500})
    rig.run(0.4)
    assert not frames and rig.deferred and rig.deferred[0][0] == 0.8
    rig.deferred[0][1]()
    assert len(frames) == 1


@pytest.mark.parametrize("fault", [{"channel": "xx", "verb": "drop"}, {"channel": "md", "verb": "reject"}, {"channel": "oe"}])
def test_a_fault_that_makes_no_sense_is_refused(fault):
    rig = Rig(pairs=1, with_market=False)
    with pytest.raises(ValueError, match="is none of"):
        rig.venue.faults.plant(fault)
