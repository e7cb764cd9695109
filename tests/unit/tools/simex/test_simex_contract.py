"""The contract of simulated venues, with a made-up one: found by name, one balance for all markets, refusals, fates after
answers, streams with a speed, faults through the venue's own frames."""

import importlib.metadata
from decimal import Decimal

import orjson
import pytest

from tests.support import tiny_venue
from tests.support.simex_rig import VenuesRig
from tools.simex import binance, binanceus, registry
from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import E8
from tools.simex.refusals import END_FAULT, END_FOK, END_IOC, END_POST_ONLY
from tools.simex.venue import FundingState

LEVELS = ([("100.00", "2"), ("99.90", "3")], [("100.10", "1"), ("100.20", "2"), ("100.30", "4")])


@pytest.fixture
def rig():
    rig = VenuesRig(tiny_venue.SIM, with_market=False, balance=1000)
    for market, symbol in ((SPOT, "ETH_T"), (LINEAR, "ETH_P")):
        rig.set_levels(market, symbol, *LEVELS)
    rig.venue.matcher.mark_px_e8["ETH_P"] = 100 * E8
    return rig


class Trader:
    def __init__(self, rig):
        self.rig, self.wire = rig, rig.connect("private", "/v1")
        key = rig.venue.dialect.make_credentials(rig.account)["word"].decode()
        self.wire.session.on_text(orjson.dumps({"key": key}), 0)
        self.count = 0

    def place(self, symbol, side, px, size, **more):
        """(answer, events) of an order; both in the order in which they left."""
        market = SPOT if symbol.endswith("_T") else LINEAR
        instrument = self.rig.venue.by_symbol[market][symbol]
        self.count += 1
        request = {
            "market": market,
            "symbol": symbol,
            "side": side,
            "px_ticks": int(Decimal(px).scaleb(instrument.px_decimals)) // instrument.tick,
            "size": size,
            "id": f"o{self.count}",
        } | more
        before = len(self.wire.frames)
        self.wire.session.on_text(orjson.dumps(request), 5)
        new = self.wire.frames[before:]
        return (new[0], new[1:]) if new else (None, [])


def cash(rig, asset="USDT"):
    return Decimal(rig.account.total(asset)) / E8


# ---- registry -------------------------------------------------------------------------------------


def test_venues_are_found_by_name_and_an_unknown_one_is_named_with_those_there_are():
    assert {"binance", "binanceus"} <= set(registry.known())
    assert registry.find("binance") is binance.SIM and registry.find("binanceus") is binanceus.SIM
    with pytest.raises(registry.UnknownVenue, match=r"'nowhere'.*binance, binanceus"):
        registry.find("nowhere")
    for name in ("app", "../binance", "binance_auth", ""):
        with pytest.raises(registry.UnknownVenue, match="no simulated venue"):
            registry.find(name)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("tiny", "tests.support.tiny_venue:SIM", None),
        ("small", "tests.support.tiny_venue:SIM", "named 'tiny'"),
        ("tiny", "tests.support.tiny_venue:LIMIT", "is a int, not a SimVenue"),
    ],
)
def test_a_venue_outside_the_tree_is_an_entry_point(monkeypatch, name, value, problem):
    point = importlib.metadata.EntryPoint(name, value, registry.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    assert name in registry.known()
    if problem is None:
        assert registry.find(name) is tiny_venue.SIM
    else:
        with pytest.raises(registry.UnknownVenue, match=problem):
            registry.find(name)


# ---- one balance ----------------------------------------------------------------------------------


def test_spot_and_perpetual_pay_from_one_balance_to_the_last_unit(rig):
    trader = Trader(rig)
    rig.account.default_leverage = 10
    assert "taken" in trader.place("ETH_T", "BUY", "100.10", "1", tif="IOC")[0]
    assert cash(rig) == Decimal(1000) - Decimal("100.10") and cash(rig, "ETH") == Decimal("0.999")
    assert "taken" in trader.place("ETH_P", "SELL", "100.00", "10", tif="IOC")[0], "ten contracts are one coin"
    fee = Decimal("100.00") * Decimal("0.00055")
    assert cash(rig) == Decimal("899.90") - fee
    ledger = rig.venue.ledger()
    assert ledger["totals"] == {"tiny:unified": {"ETH": "0.99900000", "USDT": f"{cash(rig):.8f}"}}
    assert ledger["positions_by_account"] == {"tiny:linear": {"tiny:ETH/USDT:USDT": "-1.00"}}
    rig.venue.funding["ETH_P"] = FundingState(10_000, 0)
    rig.venue.pay_funding(rig.venue.by_symbol[LINEAR]["ETH_P"], 0, 1)
    assert cash(rig) == Decimal("899.90") - fee + Decimal("0.01"), "the short side is paid a ten-thousandth of 100"


def test_margin_in_use_cannot_be_spent_on_spot_and_spot_orders_leave_none_for_margin(rig):
    trader = Trader(rig)
    rig.account.default_leverage = 1
    rig.set_levels(LINEAR, "ETH_P", [("100.00", "50")], [("100.10", "50")])
    rig.set_levels(SPOT, "ETH_T", [("100.00", "50")], [("100.10", "50")])
    assert "taken" in trader.place("ETH_P", "SELL", "100.00", "60", tif="IOC")[0], "600 of 1000 are margin now"
    assert trader.place("ETH_T", "BUY", "100.10", "5", tif="IOC")[0]["no"] == "insufficient_balance"
    assert "taken" in trader.place("ETH_T", "BUY", "50.00", "7")[0], "350 locked by a resting order"
    assert trader.place("ETH_P", "SELL", "100.00", "6", tif="IOC")[0]["no"] == "insufficient_margin"
    rig.venue.matcher.cancel(rig.venue.matcher.open_orders(rig.account, SPOT, None)[0], 0)
    assert "taken" in trader.place("ETH_P", "SELL", "100.00", "6", tif="IOC")[0]
    assert rig.account.wallet is rig.account.free


# ---- refusals and fates ---------------------------------------------------------------------------


def test_refusals_are_neutral_and_change_nothing(rig):
    trader = Trader(rig)
    before = rig.venue.ledger()
    for reason, order in (
        ("qty_step", ("ETH_P", "BUY", "100.10", "0.05")),
        ("qty_zero", ("ETH_P", "BUY", "100.10", "0")),
        ("notional_min", ("ETH_P", "BUY", "100.10", "0.1")),
        ("price_zero", ("ETH_T", "BUY", "0", "1")),
        ("price_max", ("ETH_T", "BUY", "99999999", "1")),
        ("insufficient_balance", ("ETH_T", "SELL", "100.00", "1")),
        ("insufficient_margin", ("ETH_P", "BUY", "100.10", "5000")),
    ):
        answer, events = trader.place(*order)
        assert answer["no"] == reason and events == []
    assert trader.place("ETH_P", "BUY", "100.10", "10", reduce=True)[0]["no"] == "reduce_only"
    assert rig.venue.ledger() == before


def test_a_client_id_is_taken_for_ever_and_in_all_markets(rig):
    trader = Trader(rig)
    assert "taken" in trader.place("ETH_T", "BUY", "100.10", "1", tif="IOC", id="once")[0]
    for symbol in ("ETH_T", "ETH_P"):
        assert trader.place(symbol, "BUY", "100.20", "1", tif="IOC", id="once")[0]["no"] == "duplicate_client_id"


def test_the_answer_leaves_first_and_the_fate_follows(rig):
    trader = Trader(rig)
    answer, events = trader.place("ETH_T", "BUY", "100.10", "1", post_only=True)
    assert "taken" in answer
    assert [(e["event"], e["why"]) for e in events if "order" in e] == [("CANCELED", END_POST_ONLY)]
    answer, events = trader.place("ETH_T", "BUY", "100.30", "9", tif="FOK")
    assert "taken" in answer and [(e["event"], e["why"]) for e in events if "order" in e] == [("NEW", ""), ("EXPIRED", END_FOK)]
    answer, events = trader.place("ETH_P", "BUY", "100.10", "15", tif="IOC")
    fates = [(e["event"], e["why"]) for e in events if "order" in e]
    assert "taken" in answer and fates == [("NEW", ""), ("TRADE", ""), ("EXPIRED", END_IOC)]
    assert [e["size"] for e in events if "size" in e] == ["10"], "a size is contracts on the wire"
    assert cash(rig) == Decimal(1000) - Decimal("100.10") * Decimal("0.00055") and not rig.account.locked.get("USDT")


def test_planted_faults_go_through_every_dialects_own_words(rig):
    trader = Trader(rig)
    plant = rig.venue.faults.plant
    plant({"channel": "oe", "verb": "asyncreject"})
    answer, events = trader.place("ETH_T", "BUY", "99.00", "1")
    assert "taken" in answer and [(e["event"], e["why"]) for e in events if "order" in e] == [("REJECTED", END_FAULT)]
    assert not rig.account.locked.get("USDT") and not rig.venue.matcher.open_orders(rig.account, SPOT, None)
    for verb, word in (("reject", "planted"), ("unknown", "who knows"), ("ratelimit", "slower"), ("ban", "banned")):
        plant({"channel": "oe", "verb": verb, "executed": False})
        assert trader.place("ETH_T", "BUY", "99.00", "1")[0] == {"no": word}
    plant({"channel": "oe", "verb": "lostresp"})
    answer, events = trader.place("ETH_T", "BUY", "99.00", "1")
    assert "order" in answer, "no answer, but what it caused is told"
    plant({"channel": "oe", "verb": "late", "ms": 700})
    assert trader.place("ETH_T", "BUY", "98.00", "1") == (None, [])
    assert rig.deferred[-1][0] == 0.7
    rig.deferred[-1][1]()
    assert any("taken" in f for f in trader.wire.frames[-4:])
    plant({"channel": "md", "verb": "hiccup"})
    with pytest.raises(ValueError, match="hiccup"):
        VenuesRig(binance.SIM, with_market=False).venue.faults.plant({"channel": "md", "verb": "hiccup"})


# ---- sockets --------------------------------------------------------------------------------------


def test_sessions_and_requests_see_what_was_sent(rig):
    assert rig.venue.dialect.open_session("public", "/v2", {}, None) is None
    wire = rig.connect("public", "/v1")
    wire.session.on_text(b"ping", 0)
    assert wire.raw == [b"pong"]
    wire.session.notice(0)
    assert wire.frames == [{"leaving": True}]
    reply = rig.http("rest", "POST", "/v1/x?a=%20b", b"{}", {"x-key": "k"})
    assert reply.headers == {"x-a": "b"} and orjson.loads(reply.body) == {
        "path": "/v1/x",
        "query": "a=%20b",
        "key": "k",
        "body": "{}",
    }
    assert tiny_venue.SIM.ports() == {"rest": True, "public": False, "private": False}


# ---- streams --------------------------------------------------------------------------------------


class Ladder:
    """The tiny venue's five levels rebuilt from its messages."""

    def __init__(self):
        self.sides, self.last, self.gaps = ({}, {}), None, 0

    def apply(self, message):
        if message["is"] == "whole":
            self.sides = tuple(dict(side) for side in (message["b"], message["a"]))
        else:
            self.gaps += message["after"] != self.last
            for side, rows in zip(self.sides, (message["b"], message["a"]), strict=True):
                for px, size in rows:
                    side.pop(px, None) if size == "0" else side.__setitem__(px, size)
        self.last = message["n"]


def shown(rig, symbol):
    instrument, book = rig.venue.by_symbol[SPOT][symbol], rig.venue.books[SPOT][symbol]
    return tuple({instrument.px_text(p): instrument.size_text(q) for p, q in book.levels(is_bid, 5)} for is_bid in (True, False))


def test_a_window_of_the_book_told_by_changes_is_the_window():
    rig = VenuesRig(tiny_venue.SIM, pairs=3, background_msgs_per_s=3000.0, dislocations_per_s=5.0)
    wire, ladder, seen = rig.connect("public", "/v1"), Ladder(), 0
    wire.session.on_text(b'{"sub":"depth","market":"spot","symbol":"BTC_T"}', 0)
    for _ in range(300):
        rig.run(0.02)
        for message in wire.frames[seen:]:
            ladder.apply(message)
            assert len(ladder.sides[0]) <= 5 and len(ladder.sides[1]) <= 5
        seen = len(wire.frames)
    rig.market.is_quiet, rig.dislocations.is_on = True, False
    rig.run(0.6)
    for message in wire.frames[seen:]:
        ladder.apply(message)
    assert ladder.gaps == 0 and seen > 50 and ladder.sides == shown(rig, "BTC_T")
    wire.session.close()
    assert not rig.venue.hubs[SPOT].streams and not rig.venue.books[SPOT]["BTC_T"].trackers


def test_a_stream_speaks_at_most_once_in_its_period_and_a_late_listener_joins_it():
    rig = VenuesRig(tiny_venue.SIM, pairs=1, background_msgs_per_s=5000.0)
    first = rig.connect("public", "/v1")
    first.session.on_text(b'{"sub":"top","market":"spot","symbol":"BTC_T"}', 0)
    rig.run(1.0)
    assert 60 < len(first.frames) <= 100, "10 ms"
    assert all(a != b for a, b in zip(first.frames, first.frames[1:], strict=False))
    late = rig.connect("public", "/v1")
    late.session.on_text(b'{"sub":"depth","market":"spot","symbol":"BTC_T"}', 0)
    later = rig.connect("public", "/v1")
    rig.run(0.3)
    later.session.on_text(b'{"sub":"depth","market":"spot","symbol":"BTC_T"}', 0)
    rig.run(0.3)
    rig.market.is_quiet = True
    rig.run(0.1)
    for wire in (late, later):
        ladder = Ladder()
        assert wire.frames[0]["is"] == "whole"
        for message in wire.frames:
            ladder.apply(message)
        assert ladder.gaps == 0 and ladder.sides == shown(rig, "BTC_T")


def depth_under(**fault):
    rig = VenuesRig(tiny_venue.SIM, pairs=1, background_msgs_per_s=2000.0)
    wire = rig.connect("public", "/v1")
    if fault["verb"] != "nosnap":
        wire.session.on_text(b'{"sub":"depth","market":"spot","symbol":"BTC_T"}', 0)
        rig.run(0.3)
    rig.venue.faults.plant({"channel": "md"} | fault)
    if fault["verb"] == "nosnap":
        wire.session.on_text(b'{"sub":"depth","market":"spot","symbol":"BTC_T"}', 0)
    rig.run(0.3)
    ladder = Ladder()
    for message in wire.frames:
        ladder.apply(message)
    return wire.frames, ladder


@pytest.mark.parametrize("kind", [None, "depth", "ladder"])
def test_gap_and_its_kinds(kind):
    assert depth_under(verb="gap", kind=kind)[1].gaps == 1
    assert depth_under(verb="gap", kind="quote")[1].gaps == 0


def test_frames_of_the_venues_own_are_crossed_spoiled_reset_and_begun_without_snapshot():
    frames, _ = depth_under(verb="cross")
    assert [f for f in frames if f["b"] and f["b"][0][1] == "1"]
    assert [f for f in depth_under(verb="badsum")[0] if f.get("sum") == "wrong"]
    frames, ladder = depth_under(verb="resnap")
    assert [f["is"] for f in frames].count("whole") == 2 and ladder.gaps == 0
    frames, _ = depth_under(verb="nosnap")
    assert frames and frames[0]["is"] == "change"
