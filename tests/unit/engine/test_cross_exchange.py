"""The Python half of cross_exchange, conversions, and all strategies together."""
from typing import Any

import pytest

from engine.config import Config
from engine.strategies import CONVERSIONS_EVERY_NS, Strategies
from engine.strategies.base import pair_name
from engine.strategies.cross_exchange import find_pairs, skew
from feeds.instruments import InstrumentRow, InstrumentTable
from tests.support.core_world import COMPLETE, MS, SECOND, START, VALID, World, instrument

CONVERSION = {"from": "USDC", "to": "USDT", "source": "binance:USDC/USDT", "depeg_limit_bps": 30.0, "cost_bps": 1.0}


def table(rows: list[dict]) -> InstrumentTable:
    return InstrumentTable(InstrumentRow.from_json(row) for row in rows)


def two_spots() -> list[dict]:
    return [instrument(0, "spot", max_qty="90"), instrument(1, "spot", venue="bybit", account="unified", max_qty="90")]


def config(conversions: list[dict] | None = None, **section: object) -> Config:
    return Config.model_validate({"mode": "sim", "venues": {"binance": {}, "bybit": {}}, "conversions": conversions or [],
                                  "strategies": {"cross_exchange": {"enabled": True, **section}}})


def make(rows: list[dict], settings: Config | None = None) -> tuple[World, Strategies]:
    world = World(rows)
    return world, Strategies(settings or config(), table(rows), world.core)


def quote(world: World, row: int, bid: str, ask: str) -> None:
    world.book(row, [(bid, "5")], [(ask, "5")], VALID | COMPLETE)


# ---------------------------------------------------------------- pairs

def test_spot_of_two_venues_is_a_pair_and_says_so():
    world, strategies = make(two_spots())
    assert world.core.pairs() == [(0, 1)] and world.core.pair_view(0)["kind"] == "SPOT_SPOT"
    assert strategies.describe(0) == "BTC/USDT binance>bybit" and strategies.describe(7) == "-"


def test_off_by_default_because_it_sells_inventory():
    world = World(two_spots())
    Strategies(Config.model_validate({"mode": "sim"}), table(two_spots()), world.core)
    assert world.core.pairs() == []


def test_dollars_of_two_venues_are_no_pair_unless_asked_for():
    rows = [instrument(0, "spot", "USDC"), instrument(1, "spot", "USDC", venue="bybit")]
    assert find_pairs(table(rows).rows) == []
    assert [choice[:2] for choice in find_pairs(table(rows).rows, ["USDC/USDT"])] == [(0, 1)]


@pytest.mark.parametrize(("a", "b", "name"), [
    ({"market": "spot"}, {"market": "linear"}, "BTC/USDT binance>bybit perp"),
    ({"market": "linear"}, {"market": "linear"}, "BTC/USDT:USDT binance>bybit"),
    ({"market": "spot", "quote": "USDC", "settle": "USDC"}, {"market": "linear"}, "BTC/USDC binance>BTC/USDT:USDT bybit")])
def test_both_legs_are_visible_in_a_name(a: dict, b: dict, name: str):
    rows = [InstrumentRow.from_json(instrument(0, **a)), InstrumentRow.from_json(instrument(1, venue="bybit", **b))]
    assert pair_name(*rows) == name


# ---------------------------------------------------------------- the price of skewing the inventory

@pytest.mark.parametrize(("a", "b", "target", "skewed"), [
    (5, 5, 0.5, 0), (10, 0, 0.5, 1), (0, 10, 0.5, -1), (7.5, 2.5, 0.5, 0.5), (0, 0, 0.5, 0), (-1, 5, 0.5, -1), (8, 2, 0.8, 0),
    (9, 1, 0.8, 0.5), (4, 6, 0.8, -0.5)])
def test_skew_is_the_way_from_the_target_to_everything_or_nothing(a: float, b: float, target: float, skewed: float):
    assert skew(a, b, target) == pytest.approx(skewed)


def extra_bps(world: World, pair: int = 0) -> tuple[float, float]:
    forward, reverse = world.core.pair_view(pair)["extra_cost_e8"]
    return forward / 1e4, reverse / 1e4


def test_a_trade_that_evens_the_inventory_out_pays_nothing_and_one_that_skews_it_pays_for_it():
    world, strategies = make(two_spots(), config(rebalance_cost_bps=8.0))
    for row in (0, 1):
        quote(world, row, "60000.00", "60000.10")
    strategies.refresh(START, 0)
    assert extra_bps(world) == (0, 0) and world.core.pair_view(0)["is_enabled"]
    world.core.set_account_balance("binance:spot", "BTC", 15 * 10**8)
    world.core.set_account_balance("bybit:unified", "BTC", 5 * 10**8)
    strategies.refresh(START + SECOND, 0)
    assert extra_bps(world) == pytest.approx((4, 0), abs=1e-3), "buying more where three quarters of it lie"
    world.core.set_pledge(7, 0, 15 * 10**8)  # all of it is somebody's hedge: none is left to be sold
    strategies.refresh(START + 2 * SECOND, 0)
    assert extra_bps(world) == pytest.approx((0, 8), abs=1e-3)


def test_weights_say_where_the_inventory_should_lie():
    world, strategies = make(two_spots(), config(rebalance_cost_bps=8.0, inventory_target={"binance": 3.0}))
    for row in (0, 1):
        quote(world, row, "60000.00", "60000.10")
    strategies.refresh(START, 0)
    assert extra_bps(world) == pytest.approx((0, 8 / 3), abs=1e-3), "binance has half and should have three quarters"


def test_rebalance_cost_is_part_of_the_edge():
    for cost, fires in ((0.0, True), (50.0, False)):
        world, strategies = make(two_spots(), config(rebalance_cost_bps=cost, entry_net_bps=1.0))
        world.core.set_account_balance("bybit:unified", "BTC", 10**8)
        quote(world, 0, "60000.00", "60000.10")
        quote(world, 1, "60000.00", "60000.10")
        strategies.refresh(START, 0)
        world.now += MS
        quote(world, 1, "60160.00", "60160.10")  # 26.6 bps, fees take 20
        assert bool(world.evaluate()) == fires


# ---------------------------------------------------------------- conversions

def mixed_quotes() -> list[dict]:
    return [instrument(0, "spot", max_qty="90"),
            instrument(1, "spot", venue="bybit", account="unified", quote="USDC", settle="USDC", max_qty="90"),
            instrument(2, "spot", "USDC", px_scale=4, tick="0.0001", max_px="10", max_qty="1000")]


def mixed(**changes: Any) -> tuple[World, Strategies]:
    world, strategies = make(mixed_quotes(), config([{**CONVERSION, **changes}]))
    quote(world, 0, "60000.00", "60000.10")
    quote(world, 1, "60000.00", "60000.10")
    return world, strategies


def test_without_a_conversion_other_quotes_are_no_pair():
    world, _ = make(mixed_quotes())
    assert world.core.pairs() == []


def test_conversion_charges_both_directions_with_how_far_the_price_is_from_one():
    world, strategies = mixed()
    quote(world, 2, "0.9990", "0.9992")
    strategies.refresh(START, 0)
    assert world.core.pairs() == [(0, 1)] and world.core.pair_view(0)["is_enabled"]
    assert extra_bps(world) == pytest.approx((10, 10), abs=1e-3)  # 9 bps from 1, and 1


@pytest.mark.parametrize("what", ["no book", "invalid", "crossed", "far below", "far above", "old"])
def test_pair_is_off_and_says_depeg_while_its_conversion_is_not_to_be_trusted(what: str):
    world, strategies = mixed()
    prices = {"far below": ("0.9968", "0.9970"), "far above": ("1.0030", "1.0032")}.get(what, ("0.9999", "1.0001"))
    if what != "no book":
        quote(world, 2, "0.9999", "1.0001")
        strategies.refresh(START, 0)
        assert world.core.pair_view(0)["is_enabled"], "it was good before"
        world.book(2, [(prices[0], "5")], [(prices[1], "5")], {"invalid": COMPLETE, "crossed": VALID | 2}.get(what, VALID))
    now = START + (5 * SECOND + 1 if what == "old" else CONVERSIONS_EVERY_NS)
    strategies.refresh(now, 0)
    world.evaluate()
    view = world.core.pair_view(0)
    assert not view["is_enabled"] and view["disabled"] == "DEPEG" and view["why_not"] == "DEPEG"
    world.now = now
    quote(world, 2, "0.9999", "1.0001")
    strategies.refresh(now + SECOND, 0)
    assert world.core.pair_view(0)["is_enabled"], "and it comes back by itself"


def test_conversion_is_named_in_either_direction():
    world, strategies = mixed(**{"from": "USDT", "to": "USDC"})
    quote(world, 2, "0.9999", "1.0001")
    strategies.refresh(START, 0)
    assert world.core.pair_view(0)["is_enabled"]


def test_source_that_is_not_read_is_named():
    with pytest.raises(ValueError, match=r"conversions\[0\].source: binance:USDC/USDT is not read"):
        make(mixed_quotes()[:2], config([CONVERSION]))


@pytest.mark.parametrize(("changes", "message"), [
    ({"to": "USDC"}, "converted into itself"), ({"source": "binance:BTC/USDT"}, "does not price USDC in USDT"),
    ({"source": "kraken:USDC/USDT"}, "no such venue"), ({"depeg_limit_bps": 501.0}, "less than or equal to 500"),
    ({"cost_bps": -1.0}, "greater than or equal to 0")])
def test_conversion_that_cannot_be_is_refused(changes: dict, message: str):
    with pytest.raises(ValueError, match=message):
        config([{**CONVERSION, **changes}])


def test_two_conversions_of_the_same_assets_are_refused():
    with pytest.raises(ValueError, match="joins the same assets"):
        config([CONVERSION, {**CONVERSION, "from": "USDT", "to": "USDC"}])


def test_inventory_target_names_venues_of_the_configuration():
    with pytest.raises(ValueError, match="inventory_target"):
        config(inventory_target={"kraken": 1.0})
