"""Simulated OKX: market data: acknowledgements, chains of numbers, windows, what faults do to them."""

import zlib
from itertools import pairwise

import orjson
import pytest

from tests.support.okx_sim_rig import PRIVATE, OkxRig, Socket
from tools.simex import okx, okxus
from tools.simex.config import ConfigError
from tools.simex.contract import LINEAR, SPOT
from tools.simex.instrument import list_instruments, make_coins
from tools.simex.okx_session import RULES
from tools.simex.venue import Venue

SWAP = {"channel": "books", "instId": "BTC-USDT-SWAP"}
BOOKS = {"channel": "books", "instId": "BTC-USDT"}


class Follower:
    """A book built from pushes the way the documents say: a snapshot, then each update must name the number before it."""

    def __init__(self, arg):
        self.arg = arg
        self.sides = None
        self.seq = None
        self.gaps = 0
        self.resets = 0
        self.heartbeats = 0
        self.checked = self.bad_sums = self.crossed = 0

    def feed(self, frames):
        for frame in frames:
            if frame.get("arg") != self.arg or "data" not in frame:
                continue
            (data,) = frame["data"]
            if frame["action"] == "snapshot":
                assert data["prevSeqId"] == -1
                self.sides = {"bids": {}, "asks": {}}
            elif self.sides is None or data["prevSeqId"] != self.seq:
                self.gaps += 1
                self.sides = None
                continue
            elif data["seqId"] < data["prevSeqId"]:
                self.resets += 1
            elif data["seqId"] == data["prevSeqId"]:
                assert data["asks"] == data["bids"] == []
                self.heartbeats += 1
            for side in ("bids", "asks"):
                for px, size, zero, count in data[side]:
                    assert zero == "0" and (count == "0") == (size == "0")
                    if size == "0":
                        del self.sides[side][px]
                    else:
                        self.sides[side][px] = size
            self.seq = data["seqId"]
            (bid, _), (ask, _) = self.levels("bids", 1)[0], self.levels("asks", 1)[0]
            self.crossed += float(bid) >= float(ask)
            if data["checksum"]:
                self.checked += 1
                self.bad_sums += data["checksum"] != self.checksum()
        return self

    def levels(self, side, count):
        return sorted(self.sides[side].items(), key=lambda level: float(level[0]), reverse=side == "bids")[:count]

    def checksum(self):
        bids, asks = self.levels("bids", 25), self.levels("asks", 25)
        parts = []
        for place in range(25):
            for side in (bids, asks):
                parts += [f"{px}:{size}" for px, size in side[place : place + 1]]
        crc = zlib.crc32(":".join(parts).encode())
        return crc - 2**32 if crc >= 2**31 else crc


def truth(rig, symbol, count=400):
    (row,) = rig.read(f"/api/v5/market/books?instId={symbol}&sz={count}")["data"]
    return row


def follow(rig, arg, seconds):
    socket = rig.public()
    socket.subscribe(arg)
    rig.run(seconds)
    return socket, Follower(arg).feed(socket.frames)


@pytest.mark.parametrize("arg", [BOOKS, SWAP])
def test_a_followed_book_equals_the_one_of_rest(arg):
    rig = OkxRig(background_msgs_per_s=2000)
    _, book = follow(rig, arg, 3.0)
    told = truth(rig, arg["instId"])
    assert book.gaps == book.resets == 0 and book.seq <= told["seqId"]
    rig.market.is_quiet = True
    socket, book = follow(rig, arg, 0.2)
    told = truth(rig, arg["instId"])
    assert book.seq == told["seqId"]
    for side in ("bids", "asks"):
        assert [list(level) for level in book.levels(side, 400)] == [row[:2] for row in told[side]]
        assert len(book.sides[side]) == len(told[side]) <= 400
    assert socket.frames[1]["data"][0]["checksum"] == 0


def test_sizes_are_coins_on_spot_and_contracts_on_swaps():
    rig = OkxRig(with_market=False)
    rig.set_levels(SPOT, "BTC-USDT", [("64000.00", "0.5")], [("64001.50", "1.25")])
    rig.set_levels(LINEAR, "BTC-USDT-SWAP", [("64000.0", "0.5")], [("64001.5", "1.2345")])
    rig.set_levels(LINEAR, "ETH-USDT-SWAP", [("3000.00", "0.5")], [("3000.01", "12")])
    assert truth(rig, "BTC-USDT")["asks"] == [["64001.5", "1.25", "0", "1"]]
    assert truth(rig, "BTC-USDT-SWAP")["asks"] == [["64001.5", "123.45", "0", "1"]], "a contract is 0.01 BTC"
    assert truth(rig, "BTC-USDT-SWAP")["bids"] == [["64000", "50", "0", "1"]]
    assert truth(rig, "ETH-USDT-SWAP")["bids"] == [["3000", "5", "0", "1"]], "a contract is 0.1 ETH"
    rows = {row["instId"]: row for row in rig.read("/api/v5/public/instruments?instType=SWAP")["data"]}
    assert (rows["BTC-USDT-SWAP"]["ctVal"], rows["BTC-USDT-SWAP"]["lotSz"], rows["BTC-USDT-SWAP"]["tickSz"]) == (
        "0.01",
        "0.01",
        "0.1",
    )
    assert (rows["ETH-USDT-SWAP"]["ctVal"], rows["ETH-USDT-SWAP"]["minSz"]) == ("0.1", "0.01")


def test_contracts_of_many_coins_are_whole_steps():
    instruments = list_instruments(okx.SIM, make_coins(60), okx.SIM.fees)
    lots = {i.symbol: (f"{i.contract_size:f}", i.size_text(i.step)) for i in instruments if i.market == LINEAR}
    assert lots["SOL-USDT-SWAP"] == ("1", "0.01") and lots["XRP-USDT-SWAP"] == ("100", "0.01")
    assert lots["DOGE-USDT-SWAP"] == ("1000", "0.01") and lots["BNB-USDT-SWAP"] == ("0.01", "1")
    for i in instruments:
        assert i.qty_of_size(i.size_text(i.step)) == i.step > 0
        assert 0 < i.step * i.start_px / 10 ** (i.qty_decimals + i.px_decimals) < 100, i.symbol
    codes = Venue(okx.SIM, instruments, OkxRig(with_market=False).clock).dialect.by_code
    assert len(codes) == len(instruments) and all(isinstance(code, int) for code in codes)


def test_each_argument_is_acknowledged_or_refused_by_itself():
    socket = OkxRig(with_market=False).public()
    frames = socket.subscribe(
        {"channel": "trades", "instId": "BTC-USDT"},
        {"channel": "books", "instId": "NONE-USDT"},
        {"channel": "mark-price", "instId": "BTC-USDT"},
        {"channel": "orders", "instType": "ANY"},
        {"instId": "BTC-USDT"},
        {"channel": "trades", "instId": "ETH-USDT"},
    )
    assert [(f["id"], f["event"], f.get("code")) for f in frames] == [
        ("1", "subscribe", None),
        ("1", "error", "60018"),
        ("1", "error", "60018"),
        ("1", "error", "60018"),
        ("1", "error", "60012"),
        ("1", "subscribe", None),
    ]
    assert frames[0]["arg"] == {"channel": "trades", "instId": "BTC-USDT"} and len(frames[0]["connId"]) == 8
    (told,) = socket.subscribe({"channel": "trades", "instId": "BTC-USDT"}, op="unsubscribe")
    assert (told["event"], told["arg"]["instId"]) == ("unsubscribe", "BTC-USDT")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"{", "60012"),
        (b"[1]", "60012"),
        ({"op": "fly", "args": []}, "60019"),
        ({"op": "subscribe", "args": []}, "60012"),
        ({"op": "subscribe"}, "60012"),
        ({"id": "with-hyphen", "op": "subscribe", "args": [BOOKS]}, "60012"),
        ({"id": 7, "op": "subscribe", "args": [BOOKS]}, "60012"),
        ({"op": "subscribe", "args": [BOOKS] * 2000}, "60012"),
        ({"op": "subscribe", "args": [{"channel": "books-l2-tbt", "instId": "BTC-USDT"}]}, "60011"),
        ({"id": "1", "op": "order", "args": [{}]}, "60018"),
    ],
)
def test_bad_requests_are_named(request_, code):
    (told,) = OkxRig(with_market=False).public().send(request_)
    assert (told["event"], told["code"]) == ("error", code)


def test_deep_fast_books_want_a_tier():
    socket = OkxRig(with_market=False).public()
    assert socket.login()[0]["event"] == "login"
    assert socket.subscribe({"channel": "books-l2-tbt", "instId": "BTC-USDT"})[0]["code"] == "64003"


def test_ping_is_text_and_idle_connections_are_cut_after_thirty_seconds():
    socket = OkxRig(with_market=False).public()
    socket.send(b"ping")
    assert socket.wire.raw == [b"pong"]
    assert (RULES.idle_cut_s, RULES.idle_code, RULES.ping_s) == (30.0, 4004, 0.0)


def test_a_connection_has_480_requests_an_hour():
    rig = OkxRig(with_market=False)
    socket = rig.public()
    arg = {"channel": "trades", "instId": "BTC-USDT"}
    for _ in range(240):
        assert [f["event"] for f in socket.subscribe(arg) + socket.subscribe(arg, op="unsubscribe")] == [
            "subscribe",
            "unsubscribe",
        ]
    assert socket.subscribe(arg)[0]["code"] == "60014"
    rig.clock.advance_ns(3_600 * 10**9)
    assert socket.subscribe(arg)[0]["event"] == "subscribe"


def test_other_paths_are_no_sockets_and_business_has_none_of_these_channels():
    rig = OkxRig(with_market=False)
    for path in ("/ws/v5/other", "/", "/ws"):
        assert rig.dialect.open_session("ws", path, {}, rig.public().wire) is None
    business = Socket(rig, "/ws/v5/business?brokerId=9999")
    assert business.subscribe(BOOKS)[0]["code"] == "60018"
    assert Socket(rig, PRIVATE).subscribe(BOOKS)[0]["code"] == "60018"


def test_small_channels_tell_what_is_there_at_once_and_then_what_changes():
    rig = OkxRig(background_msgs_per_s=1500)
    socket = rig.public()
    swap = "BTC-USDT-SWAP"
    wanted = [("bbo-tbt", swap), ("books5", swap), ("tickers", swap), ("mark-price", swap), ("funding-rate", swap),
              ("index-tickers", "BTC-USDT"), ("trades", swap)]  # fmt: skip
    frames = socket.subscribe(*({"channel": channel, "instId": symbol} for channel, symbol in wanted))
    told = {f["arg"]["channel"]: f["data"][0] for f in frames if "data" in f}
    assert set(told) == {channel for channel, _ in wanted} - {"trades"}
    bid, _, ask, _ = rig.top(LINEAR, swap)
    assert float(told["bbo-tbt"]["bids"][0][0]) == bid / 10 and float(told["bbo-tbt"]["asks"][0][0]) == ask / 10
    assert [len(told["books5"][side]) for side in ("bids", "asks")] == [5, 5]
    assert int(told["funding-rate"]["nextFundingTime"]) - int(told["funding-rate"]["fundingTime"]) == 8 * 3_600_000
    assert told["mark-price"]["instType"] == "SWAP" and float(told["mark-price"]["markPx"]) > 1000
    assert told["tickers"]["askPx"] == told["bbo-tbt"]["asks"][0][0]
    rig.run(3.0)
    pushed = [f for f in socket.frames[len(frames) :] if "data" in f]
    times = [int(f["data"][0]["ts"]) for f in pushed if f["arg"]["channel"] == "bbo-tbt"]
    assert len(times) > 50 and min(b - a for a, b in pairwise(times)) >= 10
    seqs = [f["data"][0]["seqId"] for f in pushed if f["arg"]["channel"] == "bbo-tbt"]
    assert seqs == sorted(seqs)
    trade = next(f["data"][0] for f in pushed if f["arg"]["channel"] == "trades")
    assert set(trade) == {"instId", "tradeId", "px", "sz", "side", "ts", "count", "source", "seqId"}
    assert {f["arg"]["channel"] for f in pushed} >= {"bbo-tbt", "books5", "tickers", "mark-price", "trades"}


def test_a_quiet_book_has_a_heartbeat_each_minute():
    rig = OkxRig(background_msgs_per_s=0)
    rig.market.is_quiet = True
    _, book = follow(rig, BOOKS, 61.0)
    assert (book.heartbeats, book.gaps) == (1, 0)


def test_faults_of_books():
    def after(verb, seconds=1.0, **more):
        rig = OkxRig(background_msgs_per_s=3000)
        socket, _ = follow(rig, BOOKS, 0.5)
        rig.venue.faults.plant({"channel": "md", "verb": verb, "market": "spot", "symbol": "BTC-USDT", **more})
        rig.run(seconds)
        return rig, Follower(BOOKS).feed(socket.frames), socket

    assert after("gap")[1].gaps > 0
    assert after("swap")[1].gaps > 0
    assert after("dup", kind="depth")[1].gaps > 0, "a duplicate is no continuation of itself"
    rig, book, _ = after("resnap")
    assert (book.resets, book.gaps) == (1, 0), "smaller numbers, the chain holds"
    rig.market.is_quiet = True
    rig.run(0.2)
    assert truth(rig, "BTC-USDT")["seqId"] < 100_000, "REST counts with the stream"
    _, book, _ = after("badsum")
    assert (book.checked, book.bad_sums, book.gaps) == (1, 1, 0), "one is not 0, and wrong"
    assert book.crossed == 0
    assert after("cross")[1].crossed > 0


def test_without_a_snapshot_a_book_is_joined_to_rest():
    rig = OkxRig(background_msgs_per_s=3000)
    rig.venue.faults.plant({"channel": "md", "verb": "nosnap", "symbol": "BTC-USDT"})
    socket = rig.public()
    socket.subscribe({"channel": "bbo-tbt", "instId": "BTC-USDT"}, BOOKS)
    rig.run(0.5)
    events = [f for f in socket.frames if f.get("action")]
    assert events and {f["action"] for f in events} == {"update"}
    snapshot = truth(rig, "BTC-USDT")
    rig.run(1.0)
    events = [f["data"][0] for f in socket.frames if f.get("action")][1:]
    assert snapshot["seqId"] >= events[0]["prevSeqId"]
    left = [e for e in events if e["seqId"] > snapshot["seqId"]]
    assert left[0]["prevSeqId"] <= snapshot["seqId"] < left[0]["seqId"]
    assert all(b["prevSeqId"] == a["seqId"] for a, b in pairwise(left))
    assert [f for f in rig.public().subscribe(BOOKS) if f.get("action") == "snapshot"], "only the next one went without"


def make_checked(limits):
    rig = OkxRig(with_market=False)
    return Venue(okx.SIM, list_instruments(okx.SIM, make_coins(1), okx.SIM.fees), rig.clock, limits=limits)


def test_checksums_of_before_can_be_had():
    rig = OkxRig(background_msgs_per_s=3000)
    for hub in rig.venue.hubs.values():
        hub.has_checksums = True
    socket, book = follow(rig, SWAP, 2.0)
    assert book.gaps == book.bad_sums == 0 and book.checked > 10
    rig.venue.faults.plant({"channel": "md", "verb": "badsum", "symbol": "BTC-USDT-SWAP"})
    rig.run(0.5)
    assert Follower(SWAP).feed(socket.frames).bad_sums == 1
    assert make_checked({"checksums": True}).hubs[SPOT].has_checksums
    for wrong in ({"checksums": 1}, {"what": 1}, {"orders_2s_max": "60"}):
        with pytest.raises(ConfigError, match="limits"):
            make_checked(wrong)


def test_the_computed_examples_of_the_checksum():
    rig = OkxRig(with_market=False)
    venue = make_checked({"checksums": True})
    instrument = venue.by_symbol[LINEAR]["BTC-USDT-SWAP"]
    from tools.simex.okx_streams import checksum

    def scaled(levels):
        return [(int(px * instrument.px_decimals * 10), instrument.qty_of_size(size)) for px, size in levels]

    asks = scaled([(3366.8, "9"), (3368, "8"), (3372, "8")])
    assert checksum(instrument, scaled([(3366.1, "7"), (3366, "6")]), asks) == 1362239393
    assert checksum(instrument, scaled([(3366.1, "7")]), asks) == 831078360
    assert rig.venue.hubs[SPOT].has_checksums is False


def test_the_venue_says_that_it_will_go():
    socket = OkxRig(with_market=False).public()
    socket.wire.session.notice(1)
    (told,) = socket.frames
    assert (told["event"], told["code"]) == ("notice", "64008") and told["connId"]


def test_three_connections_a_second_when_asked_for():
    venue = make_checked({"connections_per_s": 3})
    link = OkxRig(with_market=False).public().wire
    opened = [venue.dialect.open_session("ws", "/ws/v5/public", {}, link) for _ in range(4)]
    assert [session is not None for session in opened] == [True, True, True, False]


def test_the_us_venue_lists_spot_only():
    rig = OkxRig(sim=okxus.SIM)
    assert rig.read("/api/v5/public/instruments?instType=SWAP")["data"] == []
    assert [row["instId"] for row in rig.read("/api/v5/public/instruments?instType=SPOT")["data"]] == ["BTC-USDT", "ETH-USDT"]
    assert rig.public().subscribe(SWAP)[0]["code"] == "60018"
    _, book = follow(rig, BOOKS, 1.0)
    assert book.gaps == 0 and orjson.dumps(book.seq)
    assert rig.get("/api/v5/account/config")[0]["acctLv"] == "1"
