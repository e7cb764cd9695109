"""The synthetic market, recordings and pushed books."""

import gzip
import hashlib
from decimal import Decimal

import orjson
import pytest

from tests.support.simex_rig import Rig
from tools.simex.binance_users import UserSink
from tools.simex.config import ConfigError, load_config, make_config
from tools.simex.contract import LINEAR, SPOT
from tools.simex.external import ExternalBooks
from tools.simex.playback import Playback, PlaybackError


def frames_of(seed: int, seconds: float = 2.0) -> bytes:
    rig = Rig(pairs=5, seed=seed, dislocations_per_s=2.0)
    digest = hashlib.sha256()
    sessions = []
    for market in (SPOT, LINEAR):
        names = "/".join(f"{s.lower()}@{kind}" for s in rig.venue.by_symbol[market] for kind in ("bookTicker", "depth@100ms"))
        prefix = "/public" if market == LINEAR else ""
        session, _frames = rig.stream(market, f"{prefix}/stream?streams={names}")
        sessions.append(session)
        session.send = lambda frame: digest.update(frame)
    rig.run(seconds)
    return digest.digest()


def test_same_seed_same_frames_another_seed_others():
    assert frames_of(3) == frames_of(3)
    assert frames_of(3) != frames_of(4)


def test_books_are_never_crossed_and_stay_within_their_depth():
    rig = Rig(pairs=50, seed=11, dislocations_per_s=10.0, background_msgs_per_s=5000.0)
    for _ in range(100):
        rig.run(0.05)
        for books in rig.venue.books.values():
            for book in books.values():
                book.check()
                assert 30 <= len(book.bids) <= 200 and 30 <= len(book.asks) <= 200


def test_ordinary_traffic_offers_nothing_beyond_fees():
    rig = Rig(pairs=50, seed=5)
    worst = 0.0
    for _ in range(200):
        rig.run(0.05)
        for spot, perp in rig.pairs:
            s, p = rig.top(SPOT, spot.symbol), rig.top(LINEAR, perp.symbol)
            scale_s, scale_p = 10**spot.px_decimals, 10**perp.px_decimals
            worst = max(worst, (p[0] / scale_p) / (s[2] / scale_s) - 1, (s[0] / scale_s) / (p[2] / scale_p) - 1)
    assert worst * 1e4 < 15, f"{worst * 1e4} bps without a dislocation"


@pytest.mark.parametrize("leg", [SPOT, LINEAR])
@pytest.mark.parametrize("direction", ["premium", "discount"])
def test_a_planted_dislocation_pays_a_taker_round_trip_and_then_returns(leg, direction):
    rig = Rig(pairs=10, seed=9)
    spot, perp = rig.pairs[3]
    session, frames = rig.stream(
        leg, f"/ws/{spot.symbol.lower()}@bookTicker" if leg == SPOT else f"/public/ws/{spot.symbol.lower()}@bookTicker"
    )
    usd = rig.market.options.dislocation_usd
    planted = rig.dislocations.plant(rig.clock.mono_ns(), rig.clock.wall_ms(), (spot, perp), 20.0, 400.0, leg, direction)
    assert planted is not None and len(frames) == 1
    s, p = rig.top(SPOT, spot.symbol), rig.top(LINEAR, perp.symbol)
    px = [x / 10**i.px_decimals for i, top in ((spot, s), (perp, p)) for x in (top[0], top[2])]
    entry = (px[2] / px[1] if direction == "premium" else px[0] / px[3]) - 1
    moved = rig.venue.by_symbol[leg][spot.symbol]
    top = rig.top(leg, spot.symbol)
    for at, qty in ((top[0], top[1]), (top[2], top[3])):
        assert at / 10**moved.px_decimals * qty / 10**moved.qty_decimals > usd * 0.98
    rig.run(0.5)
    s, p = rig.top(SPOT, spot.symbol), rig.top(LINEAR, perp.symbol)
    px = [x / 10**i.px_decimals for i, top in ((spot, s), (perp, p)) for x in (top[0], top[2])]
    leave = (px[3] / px[0] if direction == "premium" else px[1] / px[2]) - 1
    assert (entry - leave) * 1e4 > 30 + 10, "does not pay the fees of both legs, in and out"
    assert not rig.dislocations.active and rig.market.shift[moved.index] == 0.0
    starts = [r for r in rig.dislocations.records if r["event"] == "start"]
    assert starts[0]["sent_mono_ns"] > 0 and starts[0]["instrument"] == moved.name
    session.close()


def test_taking_a_dislocation_consumes_it_shows_it_and_ends_it():
    rig = Rig(pairs=4, seed=2, dislocation_ms=5000.0)
    spot, perp = rig.pairs[1]
    _, frames = rig.stream(LINEAR, f"/public/ws/{perp.symbol.lower()}@bookTicker")
    rig.dislocations.plant(rig.clock.mono_ns(), rig.clock.wall_ms(), (spot, perp), 20.0, 5000.0, LINEAR, "premium")
    bid, qty, _, _ = rig.top(LINEAR, perp.symbol)
    frames.clear()
    answer = rig.api(LINEAR).place(
        perp.symbol, "SELL", perp.px_text(bid), perp.qty_text(qty // 2 // perp.step * perp.step), newOrderRespType="RESULT"
    )
    assert answer["result"]["status"] == "FILLED"
    assert len(frames) == 1 and frames[0]["B"] == perp.qty_text(qty - qty // 2 // perp.step * perp.step)
    rig.run(0.05)
    assert not rig.dislocations.active
    ends = [r for r in rig.dislocations.records if r["event"] == "end"]
    assert ends[0]["is_taken"] and ends[0]["taken_mono_ns"] > 0


def test_message_rate_follows_the_configured_one():
    rig = Rig(pairs=50, seed=1, background_msgs_per_s=1500.0)
    for market in (SPOT, LINEAR):
        names = "/".join(f"{s.lower()}@{kind}" for s in rig.venue.by_symbol[market] for kind in ("bookTicker", "depth@100ms"))
        session, _ = rig.stream(market, f"{'/public' if market == LINEAR else ''}/stream?streams={names}")
        session.send = lambda frame: None
    for _ in range(8):
        rig.run(1.0)
        rig.market.calibrate(rig.clock.mono_ns())
    before = rig.venue.frames_built()
    rig.run(4.0)
    rate = (rig.venue.frames_built() - before) / 4
    assert 1200 < rate < 1800


def test_quiet_market_says_nothing():
    rig = Rig(pairs=3)
    _, frames = rig.stream(SPOT, "/ws/btcusdt@bookTicker")
    rig.run(1.0)
    assert frames
    rig.market.is_quiet = True
    rig.run(0.2)
    frames.clear()
    rig.run(1.0)
    assert not frames


def test_funding_is_settled_at_its_time():
    rig = Rig(pairs=2, funding_interval_s=2.0)
    rig.api(LINEAR).place("BTCUSDT", "BUY", None, "0.010")
    rig.run(4.0)
    paid = [row["income_e8"] for row in rig.account.income if row["kind"] == "FUNDING"]
    assert paid and any(paid)


def test_funding_is_told_with_what_it_changed_and_of_the_one_asset_only():
    rig = Rig(pairs=2, funding_interval_s=2.0)
    rig.account.wallet["BNB"] = 5 * 10**8
    told = []
    sink = UserSink(rig.account, lambda data: told.append(orjson.loads(data)), listen_key="key")
    rig.dialect.sinks[LINEAR][rig.account.name].append(sink)
    rig.api(LINEAR).place("BTCUSDT", "BUY", None, "0.010")
    rig.run(4.0)
    fees = [one["a"] for one in told if one.get("e") == "ACCOUNT_UPDATE" and one["a"]["m"] == "FUNDING_FEE"]
    paid = [row["income_e8"] for row in rig.account.income if row["kind"] == "FUNDING"]
    assert [[row["a"] for row in fee["B"]] for fee in fees] == [["USDT"]] * len(paid) and paid
    assert [int(Decimal(fee["B"][0]["bc"]).scaleb(8)) for fee in fees] == paid


def test_pushed_books_fill_orders_and_remember_what_was_taken():
    rig = Rig(pairs=2, with_market=False)
    books = ExternalBooks([rig.venue])
    line = {"i": "binance:ETH/USDT", "b": [["3000.00", "1"]], "a": [["3000.10", "2"], ["3000.20", "5"]]}
    books.push_line(orjson.dumps(line))
    books.push_line(orjson.dumps({"i": "binance:ETH/USDT:USDT", "mark": "3000.5", "rate": "0.0001", "next_ms": 5}))
    assert rig.venue.matcher.mark_px_e8["ETHUSDT"] == 300_050_000_000
    result = rig.api(SPOT).place("ETHUSDT", "BUY", "3000.10", "1.5", newOrderRespType="RESULT")["result"]
    assert result["status"] == "FILLED"
    books.push_line(orjson.dumps(line))
    assert rig.top(SPOT, "ETHUSDT")[2:] == (300010, 5000), "the pushed quantity did not change, so what was taken stays taken"
    line["a"][0][1] = "3"
    books.push_line(orjson.dumps(line))
    assert rig.top(SPOT, "ETHUSDT")[2:] == (300010, 30000)
    assert books.bad_lines == 0


def test_pushed_funding_is_paid_when_the_venue_goes_over_to_its_next_interval():
    rig = Rig(pairs=2, with_market=False)
    books = ExternalBooks([rig.venue])

    def push(**fields: object) -> None:
        books.push_line(orjson.dumps({"i": "binance:ETH/USDT:USDT", **fields}))

    due_ms = rig.clock.wall_ms() + 1_000
    push(b=[["3000.00", "5"]], a=[["3000.10", "5"]])
    push(mark="3000", rate="0.0001", next_ms=due_ms)
    assert rig.api(LINEAR).place("ETHUSDT", "BUY", "3000.10", "2", newOrderRespType="RESULT")["result"]["status"] == "FILLED"
    account = next(iter(rig.venue.accounts.values()))
    before = account.wallet["USDT"]
    push(mark="3000", rate="0.0005", next_ms=due_ms)
    assert account.wallet["USDT"] == before, "not before it is due"
    rig.clock.advance_ns(2_000_000_000)
    push(mark="3000", rate="0.0005", next_ms=due_ms)
    assert account.wallet["USDT"] == before, "not before the venue has gone over"
    push(mark="3000", rate="0.0002", next_ms=due_ms + 28_800_000)
    assert account.wallet["USDT"] == before - 3 * 10**8, "2 * 3000 * 0.0005, the rate of the interval that ended"
    push(mark="3000", rate="0.0002", next_ms=due_ms + 28_800_000)
    assert account.wallet["USDT"] == before - 3 * 10**8, "once"
    assert books.bad_lines == 0, books.last_error


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b'{"i":"nobody"}',
        b'{"i":"binance:ETH/USDT","b":[["1"]],"a":[]}',
        b'{"i":"binance:ETH/USDT","b":[["3","1"]],"a":[["2","1"]]}',
        b'{"i":"binance:ETH/USDT","b":[["3.001","1"]],"a":[]}',
        b'{"i":"binance:ETH/USDT","b":[["-3","1"]],"a":[]}',
    ],
)
def test_a_pushed_line_that_cannot_be_used_is_counted_and_changes_nothing(line):
    rig = Rig(pairs=2, with_market=False)
    books = ExternalBooks([rig.venue])
    books.push_line(b'{"i":"binance:ETH/USDT","b":[["3000.00","1"]],"a":[["3000.10","2"]]}')
    books.push_line(line)
    assert books.bad_lines == 1 and books.last_error
    assert rig.top(SPOT, "ETHUSDT") == (300000, 10000, 300010, 20000)


def recording(path, *frames):
    with gzip.open(path, "wb") as file:
        for number, frame in enumerate(frames):
            file.write(b"%d " % (1_700_000_000_000_000_000 + number * 1_000_000) + orjson.dumps(frame) + b"\n")


def test_recorded_frames_are_passed_on_and_fill_orders(tmp_path):
    path = tmp_path / "eth.gz"
    recording(
        path,
        {"lastUpdateId": 10, "bids": [["3000.00", "1"]], "asks": [["3000.10", "2"]]},
        {
            "stream": "ethusdt@depth@100ms",
            "data": {"e": "depthUpdate", "E": 1, "s": "ETHUSDT", "U": 11, "u": 12, "b": [], "a": [["3000.05", "1"]]},
        },
        {"u": 13, "s": "ETHUSDT", "b": "3000.00", "B": "1", "a": "3000.05", "A": "1"},
    )
    rig = Rig(pairs=2, with_market=False)
    playback = Playback(rig.venue, [{"market": "spot", "symbol": "ETHUSDT", "file": str(path)}], 1.0)
    _, frames = rig.stream(SPOT, "/ws/ethusdt@depth@100ms")
    _, tops = rig.stream(SPOT, "/ws/ethusdt@bookTicker")
    for _, market, symbol, frame in playback.merged():
        playback.play(market, symbol, frame)
    assert playback.frames_played == 3 and frames[0]["u"] == 12 and tops[0]["u"] == 13
    assert rig.top(SPOT, "ETHUSDT") == (300000, 10000, 300005, 10000)
    assert rig.api(SPOT).place("ETHUSDT", "BUY", "3000.05", "1", newOrderRespType="RESULT")["result"]["status"] == "FILLED"


def test_a_broken_recording_is_named_with_its_line(tmp_path):
    path = tmp_path / "broken.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"123 {}\nno stamp\n")
    rig = Rig(pairs=1, with_market=False)
    playback = Playback(rig.venue, [{"market": "spot", "symbol": "BTCUSDT", "file": str(path)}], 1.0)
    with pytest.raises(PlaybackError, match="broken.gz:2"):
        list(playback.merged())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(PlaybackError, match="broken.gz"):
        list(playback.merged())


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"pears": 3}, "unknown key 'pears'"),
        ({"pairs": "many"}, "wrong type"),
        ({"pairs": 0}, "1 to 2000"),
        ({"market": "real"}, "synthetic"),
        ({"ports": {"spot": 1}}, "spot_rest"),
        ({"instruments": 3}, "even number"),
        ({"dislocation_end": "never"}, "taken"),
        ({"market": "capture"}, "needs a list"),
        ({"market": "capture:foo"}, "spot|linear"),
        ({"accounts": [{}]}, "name"),
        ({"tls": 1}, "wrong type"),
    ],
)
def test_bad_configuration_is_refused_with_what_would_be_right(section, text):
    with pytest.raises(ConfigError, match=text.replace("|", r"\|")):
        make_config(section)


def test_configuration_is_read_from_a_whole_config_or_the_section_alone(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("mode: sim\nsimex: {instruments: 20, seed: 5, dislocation_hold_ms: 100}\n")
    config = load_config(path)
    assert config.pairs == 10 and config.options.seed == 5 and config.options.dislocation_ms == 100.0
    path.write_text("pairs: 3\n")
    assert load_config(path).pairs == 3
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.yaml")
    path.write_text("pairs: [\n")
    with pytest.raises(ConfigError, match="c.yaml"):
        load_config(path)
