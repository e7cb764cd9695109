"""Several simulated venues in one market: how far their books stand apart, dislocations between them, books pushed to each."""

import json
from decimal import Decimal

import orjson
import pytest

from tests.support import tiny_venue
from tests.support.simex_rig import VenuesRig
from tools.simex import binance, binanceus, registry
from tools.simex.clock import VirtualClock
from tools.simex.config import ConfigError, make_config
from tools.simex.contract import LINEAR, SPOT
from tools.simex.external import ExternalBooks
from tools.simex.instrument import from_table, list_instruments, make_coins
from tools.simex.setup import fund_account, make_venues

BOTH = (binance.SIM, tiny_venue.SIM)


def price(rig, instrument, side):
    """Best bid (0) or ask (2) as a float."""
    top = rig.top(instrument.market, instrument.symbol, instrument.venue)
    return top[side] / 10**instrument.px_decimals


def instrument(rig, name):
    return next(i for i in rig.market.instruments if i.name == name)


def test_books_of_one_coin_differ_by_tenths_of_a_basis_point_between_venues_and_offer_nothing():
    rig = VenuesRig(*BOTH, pairs=30, seed=3)
    apart, worst = [], 0.0
    for _ in range(40):
        rig.run(0.25)
        for a, b in rig.dislocations.pairs["cross_venue"]:
            if a.market == b.market == SPOT:
                apart.append(abs(rig.market.prices[a.index] / rig.market.prices[b.index] - 1) * 1e4)
                worst = max(
                    worst, (price(rig, a, 0) / price(rig, b, 2) - 1) * 1e4, (price(rig, b, 0) / price(rig, a, 2) - 1) * 1e4
                )
    assert 0.1 < sum(apart) / len(apart) < 0.6 and max(apart) < 2.0
    assert worst < 5.0, "taker fees of two spot legs are 20 bps"


def test_the_same_seed_moves_all_venues_alike():
    def books(seed):
        rig = VenuesRig(*BOTH, pairs=3, seed=seed, dislocations_per_s=4.0)
        rig.run(2.0)
        tops = [rig.top(i.market, i.symbol, i.venue) for i in rig.market.instruments]
        return tops, [(r["instrument"], r["number"]) for r in rig.dislocations.records]

    assert books(5) == books(5) and books(5) != books(6)


PAIRS = [
    ("binance:ETH/USDT", "tiny:ETH/USDT"),
    ("tiny:ETH/USDT", "binance:ETH/USDT"),
    ("binance:ETH/USDT", "tiny:ETH/USDT:USDT"),
    ("tiny:ETH/USDT:USDT", "binance:ETH/USDT"),
    ("binance:ETH/USDT:USDT", "tiny:ETH/USDT:USDT"),
    ("tiny:ETH/USDT", "tiny:ETH/USDT:USDT"),
]


@pytest.mark.parametrize(("moved", "other"), PAIRS)
@pytest.mark.parametrize("is_dear", [True, False])
def test_a_jump_pays_takers_after_the_fees_and_spreads_of_both_venues(moved, other, is_dear):
    """Spot against spot: bought here, sold there, done.  With a perpetual: opened now, closed after the return."""
    rig = VenuesRig(*BOTH, pairs=4, seed=9)
    a, b = instrument(rig, moved), instrument(rig, other)
    rig.run(0.2)
    direction = "premium" if is_dear == (a.market == LINEAR or a.market == b.market) else "discount"
    planted = rig.dislocations.plant(rig.clock.mono_ns(), rig.clock.wall_ms(), (b, a), 20.0, 300.0, a.market, direction)
    assert planted.instrument is a and planted.counterpart is b and (planted.shift_bps > 0) == is_dear

    def ratio():
        """What selling the dear one and buying the other gets, as a fraction of the price."""
        return (price(rig, a, 0) / price(rig, b, 2) if is_dear else price(rig, b, 0) / price(rig, a, 2)) - 1

    fees = (a.taker_fee_e8 + b.taker_fee_e8) / 1e8
    entry = ratio()
    if a.market == b.market == SPOT:
        assert 15e-4 < entry - fees < 30e-4
    else:
        rig.run(0.4)
        leave = (price(rig, a, 2) / price(rig, b, 0) if is_dear else price(rig, b, 2) / price(rig, a, 0)) - 1
        assert 10e-4 < entry - leave - 2 * fees < 40e-4
    rig.run(0.4)
    assert not rig.dislocations.active and rig.market.shift[a.index] == 0.0
    start, end = rig.dislocations.records
    assert (start["instrument"], start["counterpart"]) == (moved, other)
    assert start["kind"] == ("same_venue" if a.venue == b.venue else "cross_venue") and start["venue"] == a.venue
    assert end["event"] == "end" and end["number"] == start["number"]


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [("same_venue", {"same_venue"}), ("cross_venue", {"cross_venue"}), ("any", {"same_venue", "cross_venue"})],
)
def test_the_market_plants_the_kind_that_is_asked_for(kind, kinds):
    rig = VenuesRig(*BOTH, pairs=8, seed=4, dislocations_per_s=20.0, dislocation_ms=20.0, dislocation_kind=kind)
    rig.run(4.0)
    starts = [r for r in rig.dislocations.records if r["event"] == "start"]
    assert len(starts) > 40 and {r["kind"] for r in starts} == kinds
    for start in starts:
        venues = {start["instrument"].partition(":")[0], start["counterpart"].partition(":")[0]}
        assert len(venues) == (1 if start["kind"] == "same_venue" else 2)
    if kind == "cross_venue":
        assert {r["market"] for r in starts} == {SPOT, LINEAR} and {r["venue"] for r in starts} == {"binance", "tiny"}


def test_a_start_is_told_when_its_first_frame_left_also_of_a_stream_that_waits_for_its_turn():
    rig = VenuesRig(*BOTH, pairs=2, seed=1)
    wire = rig.connect("public", "/v1", "tiny")
    wire.session.on_text(b'{"sub":"top","market":"spot","symbol":"ETH_T"}', 0)
    rig.run(0.1)
    rig.market.is_quiet = True
    rig.run(0.05)
    moved, other = instrument(rig, "tiny:ETH/USDT"), instrument(rig, "binance:ETH/USDT")
    planted_ns, before = rig.clock.mono_ns(), len(wire.frames)
    rig.dislocations.plant(planted_ns, rig.clock.wall_ms(), (other, moved), 20.0, 300.0, SPOT, "premium")
    assert rig.dislocations.records == [] and len(wire.frames) == before, "its stream speaks every 10 ms"
    rig.run(0.02)
    assert len(wire.frames) == before + 1
    assert 0 < rig.dislocations.records[0]["sent_mono_ns"] - planted_ns <= 10_000_000


def test_what_one_venue_sells_is_gone_there_and_not_at_the_other():
    rig = VenuesRig(*BOTH, pairs=1)
    account = rig.venues["binance"].accounts["main"]
    theirs = rig.top(SPOT, "BTC_T", "tiny")
    ask, qty = rig.top(SPOT, "BTCUSDT")[2:]
    i = rig.venue.by_symbol[SPOT]["BTCUSDT"]
    order = rig.venue.place_by_hand(account, SPOT, "BTCUSDT", side="BUY", quantity=i.qty_text(i.step), price=i.px_text(ask))
    assert order.status == "FILLED" and rig.top(SPOT, "BTCUSDT")[3] == qty - i.step and rig.top(SPOT, "BTC_T", "tiny") == theirs
    assert account.total("BTC") > 0 and rig.venues["tiny"].accounts["main"].total("BTC") == 0


# ---- pushed books ---------------------------------------------------------------------------------


def row(**changes):
    return {
        "id": 3,
        "name": "tiny:ETH/USDT:USDT",
        "venue": "tiny",
        "market": "linear",
        "symbol": "ETH_P",
        "base": "ETH",
        "quote": "USDT",
        "settle": "USDT",
        "underlying": "ETH",
        "multiplier": 1,
        "contract_size": "0.1",
        "px_scale": 2,
        "qty_scale": 3,
        "tick": "0.05",
        "lot": "0.001",
        "min_qty": "0.001",
        "max_qty": "0",
        "min_notional": "5",
        "min_px": "0.05",
        "max_px": "0",
        "maker_fee": "0.0001",
        "taker_fee": "0.0004",
        "status": "TRADING",
        "account": "unified",
        "venue_code": 10461,
    } | changes


def test_instruments_come_from_a_table_and_rows_of_others_or_idle_ones_are_passed_over():
    rows = [row(), row(name="tiny:A/USDT", market="spot", status="IDLE"), row(name="other:A/USDT", venue="other")]
    (made,) = from_table(tiny_venue.SIM, rows)
    assert (made.name, made.symbol, made.tick, made.step, made.venue_code) == ("tiny:ETH/USDT:USDT", "ETH_P", 5, 1, "10461")
    assert (made.maker_fee_e8, made.taker_fee_e8, made.min_notional_e8) == (10_000, 40_000, 5 * 10**8)
    assert made.size_text(1_250) == "12.5" and made.qty_of_size("12.5") == 1_250 and made.qty_of_size("0.001") == -1
    assert from_table(tiny_venue.SIM, rows, {LINEAR: ("0", "0.001"), SPOT: ("0", "0")})[0].taker_fee_e8 == 100_000
    with pytest.raises(ValueError, match="table.json: row 0 lacks tick"):
        from_table(tiny_venue.SIM, [{k: v for k, v in row().items() if k != "tick"}], where="table.json")
    with pytest.raises(ValueError, match=r"table.json: tiny:ETH/USDT:USDT: .*0.051"):
        from_table(tiny_venue.SIM, [row(tick="0.051")], where="table.json")


def test_amounts_finer_than_eight_decimals_are_rounded_half_up():
    made = from_table(tiny_venue.SIM, [row(px_scale=2, qty_scale=8, tick="0.01", lot="0.00000001")])[0]
    assert made.amount_e8(5, 1) == 0 and made.amount_e8(50, 1) == 1 and made.amount_e8(12_345, 10**8) == 12_345 * 10**6


def test_pushed_lines_reach_the_venue_they_name(tmp_path):
    rig = VenuesRig(*BOTH, pairs=2, with_market=False)
    books = ExternalBooks(list(rig.venues.values()))
    for name, bid in (("binance:ETH/USDT", "3000.00"), ("tiny:ETH/USDT", "3001.00")):
        books.push_line(orjson.dumps({"i": name, "b": [[bid, "1"]], "a": []}))
    books.push_line(orjson.dumps({"i": "tiny:ETH/USDT:USDT", "mark": "3000.123456789", "rate": "0.0001", "next_ms": 5}))
    assert books.bad_lines == 0, books.last_error
    assert rig.venues["binance"].books[SPOT]["ETHUSDT"].best_bid() == 300_000
    assert rig.venues["tiny"].books[SPOT]["ETH_T"].best_bid() == 300_100
    assert rig.venues["tiny"].matcher.mark_px_e8["ETH_P"] == 300_012_345_678 and not rig.venues["binance"].matcher.mark_px_e8


# ---- configuration --------------------------------------------------------------------------------


def test_venues_are_listed_or_described_and_common_keys_are_for_all(tmp_path):
    config = make_config(
        {"venues": ["binance", "binanceus"], "leverage": 5, "inventory_usd": 50_000, "ports": {"spot_rest": 18080}}
    )
    assert list(config.venues) == ["binance", "binanceus"] and [v.leverage for v in config.venues.values()] == [5, 5]
    assert config.venues["binance"].ports == {"spot_rest": 18080} and config.venues["binanceus"].ports == {}
    config = make_config(
        {
            "venues": {"binance": None, "binanceus": {"fees": {"spot": [0.0001, "0.0002"]}, "inventory_usd": 1000}},
            "pairs": 3,
            "accounts": [{"name": "main", "spot": {"USDT": "10"}, "linear": {"USDT": "20"}, "bnb_burn": True}],
        }
    )
    venues = make_venues(config, VirtualClock())
    assert [i.index for v in venues.values() for i in v.instruments] == list(range(9))
    assert {i.taker_fee_e8 for i in venues["binanceus"].instruments} == {20_000}
    accounts = {name: fund_account(venue, config.venues[name], config.venues[name].accounts[0]) for name, venue in venues.items()}
    assert accounts["binance"].totals() == {"spot": {"USDT": "10.00000000"}, "linear": {"USDT": "20.00000000"}}
    held = accounts["binanceus"].totals()["spot"]
    assert held["USDT"] == "10.00000000" and Decimal(held["BTC"]) * 64250 == pytest.approx(Decimal(1000), rel=Decimal("0.01"))
    assert accounts["binanceus"].has_flag("bnb_burn") and list(venues["binanceus"].ledger()["totals"]) == ["binanceus:spot"]


def test_one_balance_takes_what_is_given_to_all_its_markets(monkeypatch):
    monkeypatch.setattr(registry, "find", lambda name: tiny_venue.SIM)
    config = make_config(
        {"venues": ["tiny"], "pairs": 1, "accounts": [{"name": "m", "spot": {"USDT": "1"}, "unified": {"BTC": 2}}]}
    )
    account = fund_account(make_venues(config, VirtualClock())["tiny"], config.venues["tiny"], config.venues["tiny"].accounts[0])
    assert account.totals() == {"unified": {"BTC": "2.00000000", "USDT": "1.00000000"}}


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"venues": ["nowhere"]}, "no simulated venue 'nowhere'"),
        ({"venues": []}, "neither a list"),
        ({"venues": ["binance", "binance"]}, "different names"),
        ({"venues": {"binance": {"pears": 1}}}, "venues.binance: unknown key 'pears'"),
        ({"venues": {"binanceus": {"ports": {"linear_rest": 1}}}}, "one of spot_rest, spot_ws, spot_ws_api"),
        ({"fees": {"option": ["0", "0"]}}, "spot or linear with"),
        ({"fees": {"spot": ["a", "b"]}}, "two fractions"),
        ({"sessions": {"ping": 1}}, "ping_s"),
        ({"accounts": [{"name": "a", "future": {}}]}, "unknown keys future"),
        ({"dislocation_kind": "cross_venue"}, "no other book"),
        ({"dislocation_kind": "both"}, "same_venue, cross_venue, any"),
        ({"market": "external"}, "needs a file with the instruments of binance"),
        ({"market": "external", "instrument_tables": {"okay": "x"}}, "none of the venues binance"),
        ({"market": "capture", "venues": ["binance", "binanceus"], "capture": [{}]}, "plays one venue"),
    ],
)
def test_bad_venue_configuration_is_refused_with_what_would_be_right(section, text):
    with pytest.raises(ConfigError, match=text):
        make_config(section)


def test_an_instrument_table_that_cannot_be_used_is_named(tmp_path):
    path = tmp_path / "instruments.json"
    config = make_config({"market": "external", "instrument_tables": {"binance": str(path)}})
    with pytest.raises(ConfigError, match=r"instruments.json: cannot be read"):
        make_venues(config, VirtualClock())
    for content, text in (("{", "instruments.json"), ("{}", "holds no list"), ("[{}]", "row 0 lacks")):
        path.write_text(content)
        with pytest.raises((ConfigError, ValueError), match=text):
            make_venues(config, VirtualClock())
    path.write_text(json.dumps({"version": 1, "instruments": [row(venue="binance", name="binance:ETH/USDT:USDT")]}))
    assert [i.name for i in make_venues(config, VirtualClock())["binance"].instruments] == ["binance:ETH/USDT:USDT"]


def test_binance_us_is_spot_with_its_own_name_and_the_same_look():
    ours = list_instruments(binanceus.SIM, make_coins(3), binanceus.SIM.fees)
    assert [i.name for i in ours] == ["binanceus:BTC/USDT", "binanceus:ETH/USDT", "binanceus:BNB/USDT"]
    assert {role.name for role in binanceus.SIM.roles} == {"spot_rest", "spot_ws", "spot_ws_api"}
