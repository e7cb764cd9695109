"""The Python half of spot_futures: pairs, limits and slow signals out of configuration and market."""
import random
from collections import deque
from statistics import median

import pytest

from cext.core import Core
from engine.config import Config
from engine.strategies.limits import core_limits
from engine.strategies.spot_futures import SAMPLES_MIN, RollingMedian, SpotFutures, find_pairs, pair_params, payments_within
from feeds.instruments import InstrumentRow, InstrumentTable
from tests.support.core_world import COMPLETE, SECOND, START, VALID, World, instrument

HOUR_NS = 3_600 * SECOND


def table(*rows: dict) -> InstrumentTable:
    return InstrumentTable(InstrumentRow.from_json(row) for row in rows)


def two_coins() -> list[dict]:
    return [instrument(0, "spot", max_qty="90"), instrument(1, "linear", max_qty="90"),
            instrument(2, "spot", "ETH", max_qty="90"),
            instrument(3, "linear", "ETH", max_qty="90")]


def config(**strategy: object) -> Config:
    return Config.model_validate({"mode": "sim", "strategies": {"spot_futures": strategy}})


def test_every_underlying_with_both_legs_is_a_pair():
    rows = [*two_coins(), instrument(4, "spot", "XRP"), instrument(5, "linear", "SOL", status="IDLE"),
            instrument(6, "spot", "SOL")]
    assert [choice[:2] for choice in find_pairs(table(*rows).rows)] == [(0, 1), (2, 3)]


def test_multiplied_perpetual_joins_the_coin_itself():
    rows = [instrument(0, "spot", "SHIB", px_scale=8, qty_scale=0, tick="0.00000001", lot="1", min_qty="1", max_qty="1000000000",
                       min_px="0", max_px="0"),
            instrument(1, "linear", "1000SHIB", underlying="SHIB", multiplier=1000, px_scale=6, qty_scale=0, tick="0.000001",
                       lot="1",
                       min_qty="1", max_qty="1000000", min_px="0", max_px="0")]
    assert [choice[:2] for choice in find_pairs(table(*rows).rows)] == [(0, 1)]
    assert World(rows, fund=False).core.add_pair(0, 1) == 0


def test_wanted_pair_without_partner_is_named():
    with pytest.raises(ValueError, match=r"DOGE/USDT.*there are BTC/USDT, ETH/USDT"):
        find_pairs(table(*two_coins()).rows, ["BTC/USDT", "DOGE/USDT"])


def test_default_configuration_is_accepted_by_the_core():
    settings = config()
    core = Core(table(*two_coins()).to_array(), core_limits(settings), 1, 0)
    core.add_pair(0, 1, pair_params(settings))
    assert core.limits.max_order_usd == settings.risk.max_order_usd


@pytest.mark.parametrize("ahead_s, horizon_s, payments", [
    (3600, 3599, 0), (3600, 3600, 1), (3600, 3600 + 28_799, 1), (3600, 3600 + 28_800, 2), (-1, 100_000, 0)])
def test_funding_payments_are_counted_to_the_second(ahead_s: int, horizon_s: int, payments: int):
    assert payments_within(10 * HOUR_NS, 10 * HOUR_NS + ahead_s * SECOND, 28_800, horizon_s) == payments


def test_pair_is_switched_on_after_enough_samples_and_budgets_its_exit_at_the_normal_basis():
    world = World(two_coins())
    strategy = SpotFutures(config(), table(*two_coins()), world.core)
    assert world.core.pairs() == [(0, 1), (2, 3)]
    for row in range(4):
        px = "10000" if row % 2 == 0 else "10005"
        world.book(row, [(px, "1")], [(str(int(px) + 1), "1")], VALID | COMPLETE)
    for sample in range(SAMPLES_MIN):
        assert not world.core.pair_view(0)["is_enabled"]
        strategy.refresh(START + sample * SECOND, 0)
    view = world.core.pair_view(0)
    assert view["is_enabled"]
    # Fees 10.011 + 5, spreads (1 + 1) / 2, normal basis 5 bps.
    assert view["exit_cost_e8"] == pytest.approx((10.011 + 5 + 1 + 5) * 1e4, abs=30)


def test_one_dislocated_sample_does_not_move_the_normal_basis():
    world = World(two_coins())
    strategy = SpotFutures(config(), table(*two_coins()), world.core)
    for sample in range(9):
        world.book(0, [("10000", "1")], [("10001", "1")])
        world.book(1, [("10080" if sample == 4 else "10000", "1")], [("10081" if sample == 4 else "10001", "1")])
        strategy.refresh(START + sample * SECOND, 0)
    assert world.core.pair_view(0)["exit_cost_e8"] == pytest.approx((10.011 + 5 + 1) * 1e4, abs=30)


def test_pair_without_books_stays_off():
    world = World(two_coins())
    strategy = SpotFutures(config(), table(*two_coins()), world.core)
    for second in range(10):
        strategy.refresh(START + second * SECOND, 0)
    assert not world.core.pair_view(0)["is_enabled"]


def test_each_pair_is_looked_at_once_a_second_however_often_refresh_is_called(monkeypatch: pytest.MonkeyPatch):
    world = World(two_coins())
    strategy = SpotFutures(config(), table(*two_coins()), world.core)
    looked: list[int] = []
    monkeypatch.setattr(strategy, "look_at", lambda position, mono, wall: looked.append(position))
    for tick in range(301):
        strategy.refresh(START + tick * SECOND // 100, 0)
    assert looked == [0, 1] * 4, "at the start and then once in each of three seconds"


# ---------------------------------------------------------------- several venues

def three_venues(**changes: object) -> list[dict]:
    """BTC spot and perpetual on three venues, two of them with one account for both markets."""
    rows = []
    for venue, account in (("binance", ""), ("bybit", "unified"), ("okx", "unified")):
        for market in ("spot", "linear"):
            rows.append(instrument(len(rows), market, venue=venue, account=account, max_qty="90", **changes))
    return rows


def test_three_venues_give_every_kind_once():
    rows = table(*three_venues()).rows
    own = [choice[:2] for choice in find_pairs(rows)]
    across = [choice[:2] for choice in find_pairs(rows, across_venues=True)]
    both = [choice[:2] for choice in find_pairs(rows, across_venues=True, perp_perp=True)]
    assert own == [(0, 1), (2, 3), (4, 5)]
    assert across == [(spot, perp) for spot in (0, 2, 4) for perp in (1, 3, 5)]
    assert both == [*across, (1, 3), (1, 5), (3, 5)]


def test_other_quotes_are_no_pair_without_a_conversion():
    rows = [instrument(0, "spot", quote="USDC", settle="USDC"), instrument(1, "linear"), instrument(2, "spot")]
    assert [choice[:2] for choice in find_pairs(table(*rows).rows, across_venues=True)] == [(2, 1)]
    with pytest.raises(ValueError, match=r"BTC/USDC.*there are BTC/USDT"):
        find_pairs(table(*rows).rows, ["BTC/USDC"])


def test_pair_that_the_core_cannot_compute_is_left_out_unless_it_was_asked_for():
    rows = two_coins()
    rows[1] = instrument(1, "linear", max_qty="0", px_scale=10, qty_scale=8, max_px="0", tick="0.0000000001", lot="0.00000001",
                         min_notional="0")
    rows[0] = instrument(0, "spot", max_qty="0", px_scale=11, max_px="0", tick="0.00000000001", min_notional="0")
    assert World(rows, fund=False).core.pairs() == []
    strategy = SpotFutures(config(), table(*rows), World(rows, fund=False).core)
    assert strategy.core.pairs() == [(2, 3)] and strategy.describe(0) == "ETH/USDT binance>binance perp"
    with pytest.raises(ValueError, match="decimals together"):
        SpotFutures(config(pairs=["BTC/USDT"]), table(*rows), World(rows, fund=False).core)


def test_funding_of_two_perpetuals_counts_each_with_its_own_interval():
    rows = three_venues()
    world = World(rows)
    strategy = SpotFutures(config(horizon_s=16 * 3600), table(*rows), world.core)
    pair = world.core.pairs().index((1, 3))
    now = 10 * HOUR_NS
    # binance pays 1 bp every 8 h (two payments in 16 h), bybit 2 bps every 4 h (four): long binance, short bybit gets 8 - 2.
    world.funding(1, "60000.0", "0.0001", next_funding_wall_ns=now + HOUR_NS, interval_s=28_800)
    world.funding(3, "60000.0", "0.0002", next_funding_wall_ns=now + HOUR_NS, interval_s=14_400)
    assert strategy._expected_funding_bps(pair, now) == pytest.approx(6.0)
    assert strategy._expected_funding_bps(world.core.pairs().index((0, 3)), now) == pytest.approx(8.0)


@pytest.mark.parametrize("size", [1, 2, 7, 60])
def test_rolling_median_is_the_median_of_the_newest_samples(size: int):
    generator, kept, rolling = random.Random(size), deque(maxlen=size), RollingMedian(size)
    for _ in range(500):
        value = generator.choice((0.0, -0.0, generator.gauss(0, 5), float(generator.randrange(3))))  # equal ones too
        kept.append(value)
        rolling.append(value)
        assert rolling.value() == median(kept) and len(rolling) == len(kept)
