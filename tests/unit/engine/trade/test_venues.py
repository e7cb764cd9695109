"""TradeManager with two venues and pairs of every kind: the life of spot against spot, positions that net, pledges, accounts.

Rows: 0, 1 = spot and perpetual of binance (an account each), 2, 3 = of bybit (one account). Pairs: 0 (0, 1), 1 (2, 3), 2 (0, 3),
3 (1, 3), 4 (0, 2)."""
from decimal import Decimal
from typing import Any

import pytest

from cext.core import STRATEGIES
from engine.events import Purpose
from engine.trade.commands import JournalType
from engine.trade.core_surface import PairState
from engine.trade.inventory import Inventory
from engine.trade.policy import TradePolicy
from engine.trade.states import TradeState
from tests.support.fake_core import instrument_row, venue_pairs, venue_rows
from tests.support.sim_trade import MS, S, Treatment, World

PERP_PERP, SPOT_SPOT = 3, 4
LOT = Decimal("0.001")


def make(rules: dict[Any, Treatment] | None = None, **kwargs: Any) -> World:
    """rules: by (purpose, row), else by purpose."""
    found = {} if rules is None else rules
    return World(rows=venue_rows(), pair_list=venue_pairs(), **kwargs,
                 treat=lambda leg, purpose: found.get((purpose, leg.instrument_id), found.get(purpose, Treatment())))


def units(world: World, row: int) -> Decimal:
    return world.manager.position_units(row)


def settle(world: World, seconds: int = 5) -> None:
    """Everything comes to rest, and belief is truth."""
    world.run_for(seconds * S)
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()


def cross(world: World, direction: int = 1, edge: int = 100_00) -> None:
    """Spot of bybit dearer than spot of binance by `edge` (px units of 0.01), or the other way."""
    low, high = (10_000_00, 10_000_10), (10_000_00 + edge, 10_000_10 + edge)
    world.core.books[0], world.core.books[2] = (low, high) if direction > 0 else (high, low)


# ---------------------------------------------------------------- spot against spot

@pytest.mark.parametrize("direction", [1, -1])
def test_spot_against_spot_is_closed_at_once_and_inventory_has_moved(direction: int):
    world = make()
    cross(world, direction)
    world.enter(SPOT_SPOT, qty=10, direction=direction)
    settle(world)
    assert world.transitions() == [("DETECTED", "VALIDATING"), ("VALIDATING", "PENDING"), ("PENDING", "CLOSED")]
    assert world.core.pair_states[SPOT_SPOT] == (PairState.FLAT, 0, 0) and world.core.rearmed == [SPOT_SPOT]
    bought, sold = (0, 2) if direction > 0 else (2, 0)
    assert dict(world.manager.inventory.items()) == {bought: Decimal("0.01"), sold: Decimal("-0.01")}
    assert [(row, left.units) for row, left in world.manager.dust.items()] == [(bought, Decimal("0.00000998"))], "bought gross"
    report = world.manager.report()
    assert report["inventory"] == {world.rows[bought].name: "0.01", world.rows[sold].name: "-0.01"}
    assert not report["unhedged"] and not world.manager.trades and not world.core.pledges and not world.manager.alerts


def test_profit_of_spot_against_spot_is_realised_at_once_in_quote():
    world = make()
    cross(world)
    world.enter(SPOT_SPOT, qty=10)
    settle(world)
    # 0.01002 bought at 10,000.10, 0.01 sold at 10,100.00; fees 0.1 % in base of the one and in quote of the other. What is too
    # much is below a lot and stays as dust, at its cost.
    change = {account: assets["USDT"] - world.venue.opening[account]["USDT"] for account, assets in world.venue.balances.items()}
    assert change == {"binance:spot": Decimal("-100.201002"), "binance:linear": 0, "bybit:unified": Decimal("100.899")}
    net = Decimal("100.899") - Decimal("100.201002") + Decimal("0.00000998") * Decimal("10000.10")
    assert world.core.pnl_e8 == [int(net * 10**8)]
    attribution = next(record.payload for record in world.journal if record.type == JournalType.ATTRIBUTION)
    assert attribution["edge"]["detect"] == "0.798998" and attribution["parts"]["rounding"] == "0"


def test_a_pair_rests_after_a_trade_as_long_as_its_strategy_says():
    world = make(policy=TradePolicy(rest_ns={STRATEGIES["cross_exchange"]: 700 * MS, STRATEGIES["spot_futures"]: 20 * MS}))
    cross(world)
    world.enter(SPOT_SPOT, qty=10)
    world.enter(1, qty=10)
    settle(world, 1)
    world.leave(1)
    settle(world, 1)
    closed = {trade["pair"]: trade["closed_mono_ns"] for trade in world.manager.recent}
    assert world.core.armed_from == {SPOT_SPOT: closed[SPOT_SPOT] + 700 * MS, 1: closed[1] + 20 * MS}


def test_moving_there_and_back_leaves_nothing_but_dust_and_fees():
    world = make()
    for turn in range(6):
        cross(world, 1 if turn % 2 == 0 else -1)
        world.enter(SPOT_SPOT, qty=10, direction=1 if turn % 2 == 0 else -1)
        settle(world, 1)
    assert abs(world.truth_of_base("BTC")) < LOT
    assert all(abs(moved) < LOT for _, moved in world.manager.inventory.items())
    assert world.manager.report()["trades"] == {"CLOSED": 6}


@pytest.mark.parametrize("row", [0, 2])
@pytest.mark.parametrize(("treatment", "name"), [
    (Treatment(reject="REJECT"), "reject"), (Treatment(fraction=0.5), "partial"), (Treatment(fraction=0.0), "nothing"),
    (Treatment(reply=None, stream=None), "unknown"), (Treatment(arrives=None), "lost"),
    (Treatment(lies="rejected", stream=3 * S), "late fill")],
    ids=["reject", "partial", "nothing", "unknown", "lost", "late fill"])
def test_whatever_becomes_of_either_leg_the_trade_ends_hedged(row: int, treatment: Treatment, name: str):
    world = make({(Purpose.ENTRY, row): treatment})
    cross(world)
    world.enter(SPOT_SPOT, qty=10)
    settle(world, 30)
    assert abs(world.truth_of_base("BTC")) < LOT, f"{name} on row {row}"
    assert world.manager.is_idle() and not world.manager.trades and not world.core.pledges
    assert world.core.pair_states[SPOT_SPOT][0] == PairState.FLAT
    assert sum((moved for _, moved in world.manager.inventory.items()), Decimal(0)) == 0
    # A chase buys no fee on top: a lot of a few cents may be left, and is declared.
    assert not world.manager.report()["unhedged"] or "residual_too_small" in world.alert_codes()
    assert not any(reason == "ORPHAN" for reason in world.manager.locks.reasons(0, world.now)) or name in ("late fill", "unknown")


@pytest.mark.parametrize("row", [0, 2])
def test_leg_that_cannot_be_chased_is_given_back(row: int):
    world = make({(Purpose.ENTRY, row): Treatment(reject="REJECT"), Purpose.CHASE: Treatment(fraction=0.0)})
    cross(world)
    world.enter(SPOT_SPOT, qty=10)
    settle(world, 10)
    assert world.intents[-1].purpose == Purpose.UNWIND and world.intents[-1].legs[0].instrument_id == 2 - row
    assert not world.manager.inventory.items(), "nothing was moved after all"
    assert abs(world.truth_of_base("BTC")) < LOT


def test_half_done_pair_moves_what_both_legs_have_in_common():
    world = make({(Purpose.ENTRY, 2): Treatment(fraction=0.6), Purpose.CHASE: Treatment(fraction=0.0)})
    cross(world)
    world.enter(SPOT_SPOT, qty=10)
    settle(world, 10)
    assert world.transitions()[-1] == ("UNWINDING", "CLOSED")
    moved = dict(world.manager.inventory.items())
    assert moved[0] == -moved[2] and abs(moved[0] - Decimal("0.006")) < LOT


def test_residual_below_every_filter_does_not_undo_the_move():
    world = make({(Purpose.ENTRY, 2): Treatment(fraction=0.6)})
    for row in (0, 2):
        one = world.manager.instruments[row]
        world.manager.instruments[row] = one.__class__(**{name: getattr(one, name) for name in one.__slots__}
                                                       | {"min_notional": Decimal(50)})
    cross(world)
    world.enter(SPOT_SPOT, qty=10)  # 0.004 is left: 40 USD, and nobody takes less than 50
    settle(world, 10)
    assert "residual_too_small" in world.alert_codes() and len(world.intents) == 1
    assert dict(world.manager.inventory.items())[0] == Decimal("0.006") and not world.core.locks
    assert world.manager.dust.units(0) == Decimal("0.00400998") and list(world.manager.report()["unhedged"])
    world.core.books[2] = (10_000_00, 10_000_10)
    world.enter(1, qty=10)
    settle(world, 3)


def test_dust_of_a_coarse_pair_is_dust_though_a_finer_pair_could_sell_it():
    """Spot against perpetual leaves up to 0.001 on the spot row; both spot venues would take 0.00001 of it."""
    world = make()
    world.manager.dust.put(0, Decimal("0.0005"), Decimal(5))
    assert world.manager.report()["unhedged"] == {}
    world.manager.dust.put(0, Decimal("0.0006"), Decimal(6))
    assert world.manager.report()["unhedged"] == {"binance:BTC/USDT": "0.0011"}, "a lot of every pair"
    world.manager.dust.put(1, Decimal("-0.0002"), Decimal(-2))
    assert world.manager.report()["unhedged"] == {}, "the perpetual of one of its pairs has the opposite"


def test_stop_closes_what_is_held_and_leaves_moved_inventory_where_it_is():
    world = make()
    cross(world)
    world.enter(SPOT_SPOT, qty=10)
    world.manager.begin_stop("close", world.now)
    world.run_for(5 * S)
    assert world.manager.is_idle() and len(world.intents) == 1
    assert world.manager.report()["trades"] == {"CLOSED": 1}


def test_inventory_moves_more_than_nothing():
    inventory = Inventory()
    for amount in (Decimal(0), Decimal(-1)):
        with pytest.raises(ValueError, match="cannot move"):
            inventory.move(0, 1, amount)
    inventory.move(0, 1, Decimal(2))
    inventory.move(1, 0, Decimal(2))
    assert inventory.items() == [] and inventory.units(0) == 0


# ---------------------------------------------------------------- pledges

def test_base_is_pledged_from_the_booking_of_the_fill_until_the_trade_ends():
    world = make({(Purpose.ENTRY, 1): Treatment(arrives=20 * MS)})
    intent = world.enter(0, qty=10)
    world.run_for(1 * MS)
    assert world.core.pledges == {(intent.trade_id, 0): 999_000}, "the spot leg is filled, the other not yet"
    world.run_for(1 * S)
    assert world.core.pledges == {(intent.trade_id, 0): 999_000} and world.core.pair_states[0][0] == PairState.OPEN
    world.leave(0)
    settle(world)
    assert not world.core.pledges


def test_two_trades_pledge_on_one_row_each_for_itself():
    world = make()
    first = world.enter(0, qty=10)
    world.run_for(1 * S)
    second = world.enter(2, qty=20)
    world.run_for(1 * S)
    assert world.core.pledges == {(first.trade_id, 0): 999_000, (second.trade_id, 0): 1_998_000}
    world.leave(0)
    settle(world, 1)
    assert set(world.core.pledges) == {(second.trade_id, 0)}


def test_reverse_trade_pledges_nothing_because_it_has_sold():
    world = make()
    world.enter(0, qty=10, direction=-1)
    world.run_for(1 * S)
    assert world.core.pair_states[0][0] == PairState.OPEN and not world.core.pledges


# ---------------------------------------------------------------- perpetual against perpetual, positions that net

@pytest.mark.parametrize("direction", [1, -1])
def test_perpetuals_of_two_venues_are_entered_both_ways_held_and_closed(direction: int):
    world = make()
    world.enter(PERP_PERP, qty=10, direction=direction)
    world.run_for(1 * S)
    assert world.core.pair_states[PERP_PERP] == (PairState.OPEN, 10 * direction, -10 * direction)
    world.leave(PERP_PERP)
    assert [leg.flags for leg in world.intents[-1].legs] == [1, 1]
    settle(world)
    assert world.manager.report()["trades"] == {"CLOSED": 1} and units(world, 1) == units(world, 3) == 0


def test_exit_is_reduce_only_as_far_as_the_account_holds_the_position():
    world = make()
    world.enter(2, qty=10)                        # short 10 on bybit
    world.run_for(1 * S)
    world.enter(PERP_PERP, qty=10, direction=-1)  # long 10 on bybit, short 10 on binance
    world.run_for(1 * S)
    assert units(world, 3) == 0, "the venue sees no position"
    world.leave(2)
    assert [leg.flags for leg in world.intents[-1].legs] == [0, 0], "it would be rejected"
    settle(world, 1)
    world.leave(PERP_PERP)
    assert [leg.flags for leg in world.intents[-1].legs] == [1, 1], "now the account's position is this trade's"
    settle(world, 1)
    assert world.manager.report()["trades"] == {"CLOSED": 2} and not world.manager.alerts


def test_repair_is_reduce_only_as_far_as_the_account_holds_the_position():
    rules: dict[Any, Treatment] = {}
    world = make(rules, policy=TradePolicy(chase_max=0))
    world.enter(2, qty=10)
    world.run_for(1 * S)
    rules[Purpose.ENTRY, 1] = Treatment(reject="REJECT")
    world.enter(PERP_PERP, qty=10, direction=-1)  # its binance leg is refused: 10 long on bybit must go
    world.run_for(2 * S)
    unwind = world.intents[-1]
    assert unwind.purpose == Purpose.UNWIND and unwind.legs[0].instrument_id == 3 and unwind.legs[0].flags == 0
    settle(world, 1)
    assert units(world, 3) == Decimal("-0.01"), "the other trade's"


def test_funding_is_shared_by_the_trades_that_hold_the_position():
    world = make()
    world.enter(2, qty=30)
    world.run_for(1 * S)
    world.enter(PERP_PERP, qty=10, direction=-1)
    world.run_for(1 * S)
    world.manager.on_funding_income("bybit:unified", "USDT", Decimal("0.02"), 3, world.now)  # on a net short of 20
    shares = {trade.pair_index: trade.money.funding for trade in world.manager.trades.values()}
    assert shares == {2: Decimal("0.03"), PERP_PERP: Decimal("-0.01")}
    assert world.manager.ledger.flow("bybit:unified", "USDT", "~funding") == Decimal("0.02")
    world.venue.balances["bybit:unified"]["USDT"] += Decimal("0.02")
    settle(world, 1)


# ---------------------------------------------------------------- unified accounts

def test_unified_account_has_one_balance_for_both_markets():
    world = make()
    world.enter(1, qty=10)
    world.run_for(1 * S)
    told = {key for key in world.core.balances if key[0].startswith("bybit")}
    assert told == {("bybit:unified", "BTC"), ("bybit:unified", "USDT")}
    world.leave(1)
    settle(world)
    assert world.manager.report()["balances"].keys() == {"binance:spot", "binance:linear", "bybit:unified"}


@pytest.mark.parametrize("account", ["bybit:unified", "bybit:spot", "bybit:linear"])
def test_transfer_and_funding_are_posted_to_the_pot_whichever_market_told_them(account: str):
    world = make()
    world.manager.on_transfer(account, "USDT", Decimal("250.5"), world.now)
    world.manager.on_funding_income(account, "USDT", Decimal("-0.75"), None, world.now)
    ledger = world.manager.ledger
    assert ledger.flow("bybit:unified", "USDT", "~funding") == Decimal("-0.75") and not ledger.is_open("bybit:spot")
    world.venue.balances["bybit:unified"]["USDT"] += Decimal("249.75")
    theirs = {"bybit:unified": dict(world.venue.balances["bybit:unified"])}
    assert world.manager.reconcile(theirs, world.now) == []


def test_unknown_orders_on_both_markets_of_one_account_do_not_wait_for_each_other():
    silent = Treatment(arrives=None)
    world = make({(Purpose.ENTRY, 2): silent, (Purpose.ENTRY, 3): silent})
    world.enter(1, qty=10)
    settle(world, 10)
    assert world.manager.report()["trades"] == {"CLOSED": 1} and "unknown_unresolved" not in world.alert_codes()


def test_reconcile_compares_the_unified_account_once():
    world = make()
    theirs = {"bybit:unified": {**world.venue.opening["bybit:unified"], "BTC": Decimal("9.5")}}
    for later in (0, 300 * MS):
        found = world.manager.reconcile(theirs, world.now + later)
    assert [str(one) for one in found] == ["bybit:unified BTC: ledger 10, venue 9.5, difference 0.5"]
    assert set(world.core.locks) == {2, 3}


def test_differences_of_venues_that_are_asked_one_after_the_other_are_all_found():
    world = make()
    bybit = {"bybit:unified": {**world.venue.opening["bybit:unified"], "BTC": Decimal("9.5")}}
    binance = {account: dict(world.venue.opening[account]) for account in ("binance:spot", "binance:linear")}
    world.manager.reconcile(bybit, world.now)
    world.manager.reconcile(binance, world.now + 10 * MS)
    assert not world.core.locks
    world.manager.reconcile(bybit, world.now + 300 * MS)
    assert set(world.core.locks) == {2, 3} and world.manager.alerts["ledger_difference"] == 1


# ---------------------------------------------------------------- two quotes

def test_pair_with_a_conversion_keeps_each_quote_exact():
    rows = [instrument_row(0, "spot"), instrument_row(1, "spot", quote="USDC", venue="bybit", account="unified")]
    world = World(rows=rows, pair_list=[(0, 1)])
    world.core.books[1] = (10_100_00, 10_100_10)
    world.enter(0, qty=10)
    settle(world)
    assets = world.manager.report()["pnl"]["assets"]
    assert (assets["USDT"], assets["USDC"]) == ("-100.201002", "100.899")
    assert world.manager.report()["pnl"]["split"]["rounding"] == "0"


def test_late_fill_of_a_move_comes_back_is_hedged_and_moves_the_rest():
    world = make({(Purpose.ENTRY, 0): Treatment(lies="expired", stream=40 * S), (Purpose.ENTRY, 2): Treatment(reject="REJECT"),
                  Purpose.CHASE: Treatment(fraction=0.5)})
    cross(world)
    intent = world.enter(SPOT_SPOT, qty=10)
    world.run_for(20 * S)
    settle(world, 60)
    assert "late_fill" in world.alert_codes() and abs(world.truth_of_base("BTC")) < LOT
    assert world.manager.trades.get(intent.trade_id) is None or world.manager.trades[intent.trade_id].state == TradeState.CLOSED
