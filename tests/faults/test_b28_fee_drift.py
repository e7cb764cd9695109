"""B28: the fee that is charged is not the one that entries were sized with."""
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.trade.fee_drift import FeeWatch
from engine.trade.instruments import make_instruments
from engine.trade.orders import Fill
from tests.support.fake_core import pair_rows
from tests.support.sim_trade import MS, World

SPOT, PERP = 0, 1


def told(world: World) -> int:
    return world.manager.alerts["fee_drift"]


def test_b28_a_changed_tier_is_said_once_and_the_profit_identity_holds():
    """The perpetual's taker fee rises by 1 bp at the venue: every fill is posted with the fee it had, the drift is one alert and
    not one a fill, and it is said again only after the venue has stated other rates."""
    world = World(pairs=1)
    world.enter(0)
    world.run_for(500 * MS)
    assert told(world) == 0
    dearer = world.rows[PERP].taker_fee + Decimal("0.0001")
    world.venue.rows = [world.rows[SPOT], replace(world.rows[PERP], taker_fee=dearer)]
    for _ in range(2):
        world.leave(0)
        world.run_for(500 * MS)
        world.enter(0)
        world.run_for(500 * MS)
    assert told(world) == 1
    text, = (command.payload["text"] for command in world.journal if command.payload.get("code") == "fee_drift")
    assert "binance:BTC/USDT:USDT: taker fee of 6 bps charged, 5 bps expected" in text and "pay less" in text
    world.manager.set_fees(PERP, dearer, None)
    world.leave(0)
    world.run_for(500 * MS)
    assert told(world) == 1
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()


@pytest.mark.parametrize(("charged", "expected", "is_told"), [
    ("0.0005", "0.0005", False), ("0.00051", "0.0005", False), ("0.000511", "0.0005", True), ("0.00049", "0.0005", False),
    ("0.000489", "0.0005", True), ("0", "0.0005", True), ("-0.0001", "-0.0001", False), ("0.0005", "-0.0001", True)])
def test_b28_a_tenth_of_a_basis_point_is_the_bound(charged: str, expected: str, is_told: bool):
    rows = pair_rows(1)
    watch, instrument = FeeWatch(rows), make_instruments(rows)[PERP]
    watch.set_model(PERP, Decimal(expected), None)
    fill = Fill(1, 1000, 100_000, fee=Decimal(10_000) * Decimal(charged), fee_asset="USDT")
    assert bool(watch.check(instrument, fill, Decimal(0))) is is_told
    assert not watch.check(instrument, fill, Decimal(0))    # no news


@pytest.mark.parametrize(("fee", "asset", "other_price", "is_told"), [
    ("0.0001", "BTC", "0", False),        # 10 bps in base, as modelled
    ("0.00011", "BTC", "0", True),
    ("0.00125", "BNB", "600", False),      # 7.5 bps: the discount
    ("0.0025", "BNB", "600", True),        # 15 bps
    ("0.0025", "BNB", "0", False)])        # nothing prices it
def test_b28_a_fee_in_base_or_a_third_asset_is_valued_first(fee: str, asset: str, other_price: str, is_told: bool):
    rows = pair_rows(1)
    watch, instrument = FeeWatch(rows), make_instruments(rows)[SPOT]
    fill = Fill(1, 10_000, 1_000_000, fee=Decimal(fee), fee_asset=asset)    # 0.1 BTC at 10,000
    assert bool(watch.check(instrument, fill, Decimal(other_price))) is is_told


def test_b28_makers_are_compared_with_makers_and_small_fees_with_their_rounding():
    rows = pair_rows(1)
    watch, instrument = FeeWatch(rows), make_instruments(rows)[PERP]
    assert not watch.check(instrument, Fill(1, 1000, 100_000, Decimal(2), "USDT", is_maker=True), Decimal(0))
    assert "maker fee of 5 bps" in watch.check(instrument, Fill(2, 1000, 100_000, Decimal(5), "USDT", is_maker=True), Decimal(0))
    tiny = Fill(3, 1, 1, Decimal("0.00000006"), "USDT")   # 0.0001 USDT at 5 bps is 0.00000005
    assert not watch.check(instrument, tiny, Decimal(0))
    watch.set_model(PERP, None, None)
    assert not watch.check(instrument, Fill(4, 1000, 100_000, Decimal(50), "USDT"), Decimal(0))
