"""Pairs of every kind, unified accounts, pledges, positions that net, inventory that moves: what several venues add."""
from typing import Any

import pytest

from bench import core_loops
from cext.core import CMD_SEND, GATE_NAMES, PAIR_FLAT, PAIR_OPEN, PairParams
from tests.support.core_world import (
    BUY,
    ENTRY,
    EXIT,
    MANUAL,
    MS,
    REDUCE_ONLY,
    RESTRICTED,
    SELL,
    SIMULTANEOUS,
    UNWIND,
    World,
    instrument,
)
from tests.support.slow_core import check_entry

E8 = 10**8
WIDE = {"max_order_usd": 10**6, "max_position_usd": 10**6, "max_symbol_usd": 10**6, "max_venue_usd": 10**6,
        "max_total_usd": 10**6, "max_delta_usd": 10**6}
BINANCE_SPOT, BINANCE_PERP, BYBIT_SPOT, BYBIT_PERP = range(4)
MIXED = {"quote": "USDC", "settle": "USDC"}


def two_venues() -> list[dict[str, Any]]:
    """BTC spot and perpetual of binance (an account each) and of bybit (one account for both)."""
    return [instrument(row, "spot" if row % 2 == 0 else "linear", venue="bybit" if row > 1 else "binance",
                       account="unified" if row > 1 else "") for row in range(4)]


def make(*pairs: tuple[int, int], limits: dict[str, Any] | None = None, **params: Any) -> World:
    """Books of all rows around 60,000 without an edge."""
    world = World(two_venues(), {**WIDE, **(limits or {})})
    for row_a, row_b in pairs:
        world.core.add_pair(row_a, row_b, PairParams(**{"max_notional_usd": 1_000, **params}))
    for row in range(4):
        quote(world, row, "60000.0")
    assert world.evaluate() == []
    return world


def quote(world: World, row: int, bid: str, size: str = "5") -> None:
    world.book(row, [(bid, size)], [(str(float(bid) + 0.1), size)])


def fire(world: World, row: int, bid: str) -> dict[str, Any] | None:
    """One new book; the intent that it led to."""
    world.now += MS
    quote(world, row, bid)
    sent = [index for kind, _, index in world.evaluate() if kind == CMD_SEND]
    assert len(sent) <= 1
    world.core.check()
    return world.core.intent(sent[0]) if sent else None


def sides(intent: dict[str, Any]) -> list[tuple[int, int]]:
    return [(leg["instrument_id"], leg["side"]) for leg in intent["legs"]]


# ---------------------------------------------------------------- which pairs there are

@pytest.mark.parametrize(("rows", "message"), [
    ([instrument(0, "linear"), instrument(1, "spot")], "in this order"),
    ([instrument(0, "spot"), instrument(1, "spot", symbol="X", quote="USDC", settle="USDC")], "such a pair joins two venues"),
    ([instrument(0, "linear"), instrument(1, "linear", "BTCB", underlying="BTC")], "such a pair joins two venues"),
    ([instrument(0, "spot"), instrument(1, "spot", venue="bybit", **MIXED)], "or has a conversion"),
    ([instrument(0, "linear"), instrument(1, "linear", venue="bybit", **MIXED)], "or has a conversion"),
    ([instrument(0, "spot"), instrument(1, "spot", "ETH", venue="bybit")], "underlyings differ"),
    ([instrument(0, "spot"), instrument(1, "linear", venue="bybit", settle="USDC", name="bybit:BTC/USDT:USDC")],
     "settle assets differ")])
def test_what_cannot_hedge_each_other_is_no_pair(rows: list[dict], message: str):
    world = World(rows, fund=False)
    with pytest.raises(ValueError, match=message):
        world.core.add_pair(0, 1)
    assert world.core.pairs() == []


def test_other_quotes_are_joined_by_a_conversion_only():
    world = World([instrument(0, "spot"), instrument(1, "spot", venue="bybit", **MIXED)])
    assert world.core.add_pair(0, 1, is_converted=True) == 0
    with pytest.raises(ValueError, match="right is one of spot_futures, cross_exchange"):
        world.core.add_pair(0, 1, strategy="scalping", is_converted=True)


def test_intents_say_whose_they_are():
    world = make((BINANCE_SPOT, BINANCE_PERP), (BINANCE_PERP, BYBIT_PERP), (BINANCE_SPOT, BYBIT_SPOT))
    assert [world.core.pair_view(pair)["kind"] for pair in range(3)] == ["SPOT_PERP", "PERP_PERP", "SPOT_SPOT"]
    for row, strategy in ((BYBIT_SPOT, 2), (BYBIT_PERP, 1)):
        world = make((BINANCE_PERP, BYBIT_PERP), (BINANCE_SPOT, BYBIT_SPOT))
        intent = fire(world, row, "60600.0")
        assert intent is not None and intent["strategy"] == strategy


@pytest.mark.parametrize(("pair", "reverse"), [((BINANCE_SPOT, BYBIT_SPOT), True), ((BINANCE_PERP, BYBIT_PERP), True),
                                               ((BINANCE_SPOT, BYBIT_PERP), False)])
def test_either_direction_is_an_entry_where_neither_leg_has_to_be_borrowed(pair: tuple[int, int], reverse: bool):
    world = make(pair)
    intent = fire(world, pair[1], "60600.0")
    assert intent is not None and sides(intent) == [(pair[0], BUY), (pair[1], SELL)]
    check_entry(world, intent)
    world = make(pair)
    intent = fire(world, pair[1], "59400.0")
    assert (intent is not None) == reverse
    if intent is not None:
        assert sides(intent) == [(pair[0], SELL), (pair[1], BUY)]
        check_entry(world, intent)


def test_every_kind_can_be_rehearsed_and_leaves_nothing():
    pairs = [(BINANCE_SPOT, BINANCE_PERP), (BYBIT_SPOT, BYBIT_PERP), (BINANCE_SPOT, BYBIT_PERP), (BINANCE_PERP, BYBIT_PERP),
             (BINANCE_SPOT, BYBIT_SPOT)]
    world = make(*pairs)
    world.core.set_account_balance("bybit:unified", "BTC", 0)  # nothing to sell there: the last pair is rehearsed in reverse
    before = world.core.counters()
    assert [GATE_NAMES[core_loops.rehearse(world.core, pair, world.now)] for pair in range(len(pairs))] == ["OK"] * len(pairs)
    assert world.core.counters() == before and world.core.state()["in_flight"] == 0
    world.core.check()


# ---------------------------------------------------------------- spot against spot

def test_spot_against_spot_buys_gross_sells_inventory_and_has_no_exit_in_its_costs():
    world = make((BINANCE_SPOT, BYBIT_SPOT))
    # Fees 10.01 + 10, net 1: 21.02 bps over 60000.1 is 60126.2...
    assert fire(world, BYBIT_SPOT, "60126.0") is None
    intent = fire(world, BYBIT_SPOT, "60127.0")
    assert intent is not None
    buy, sell = intent["legs"]
    assert sell["qty"] == 1_663 and buy["qty"] == 1_665, "0.01663 / 0.999, up to a lot"


def test_spot_against_spot_is_never_held():
    world = make((BINANCE_SPOT, BYBIT_SPOT))
    intent = fire(world, BYBIT_SPOT, "60600.0")
    assert intent is not None
    with pytest.raises(ValueError, match="never held"):
        world.core.set_pair_state(0, PAIR_OPEN, 10, -10)
    for index, leg in enumerate(intent["legs"]):
        world.core.apply_fill(leg["instrument_id"], leg["side"], leg["qty"], leg["limit_px"])
        world.core.release(intent["intent_id"], index)
    world.core.set_pair_state(0, PAIR_FLAT)
    world.core.rearm(0, world.now)
    world.now += MS
    quote(world, BINANCE_SPOT, "60000.0")
    assert fire(world, BYBIT_SPOT, "60600.0") is not None, "and the next one follows"


def test_inventory_on_the_wrong_venue_bounds_the_size():
    world = make((BINANCE_SPOT, BYBIT_SPOT))
    world.core.set_account_balance("bybit:unified", "BTC", 0)
    assert fire(world, BYBIT_SPOT, "60600.0") is None and world.core.pair_view(0)["why_not"] == "INVENTORY"
    intent = fire(world, BYBIT_SPOT, "59400.0")
    assert intent is not None and sides(intent) == [(BINANCE_SPOT, SELL), (BYBIT_SPOT, BUY)]


def test_bringing_inventory_back_is_not_held_back_by_the_limits_that_moving_it_used_up():
    world = make((BINANCE_SPOT, BYBIT_SPOT), limits={"max_position_usd": 1_500, "max_symbol_usd": 3_000, "max_venue_usd": 1_500,
                                                     "max_total_usd": 3_000})
    world.core.set_position(BINANCE_SPOT, 2_500, 6_000_000)   # 1,500 USD bought here
    world.core.set_position(BYBIT_SPOT, -2_500, 6_000_000)    # and sold there
    assert fire(world, BYBIT_SPOT, "60600.0") is None and world.core.pair_view(0)["why_not"] == "EXPOSURE"
    intent = fire(world, BYBIT_SPOT, "59400.0")
    assert intent is not None and intent["legs"][0]["qty"] > 1_600, "the whole 1,000 USD: it only takes positions away"
    assert world.core.state()["in_flight_e8"] == 0


def test_beyond_zero_the_way_back_counts_as_exposure_again():
    world = make((BINANCE_SPOT, BYBIT_SPOT), max_notional_usd=100_000,
                 limits={"max_position_usd": 1_500, "max_symbol_usd": 100_000})
    world.core.set_position(BINANCE_SPOT, 1_000, 6_000_000)
    world.core.set_position(BYBIT_SPOT, -1_000, 6_000_000)
    intent = fire(world, BYBIT_SPOT, "59400.0")
    assert intent is not None
    left = [1_000 - intent["legs"][0]["qty"], -1_000 + intent["legs"][1]["qty"]]
    assert -2_500 <= left[0] < -2_400, "as far over on the other side as 1,500 USD let it"
    assert 2_400 < left[1] and left[1] * 0.594 <= 1_500


# ---------------------------------------------------------------- unified accounts

def test_markets_of_a_unified_account_share_a_balance():
    world = make()
    world.core.set_balance(1, 2, "USDT", 77 * E8)
    assert world.core.balance(1, 1, "USDT") == world.core.account_balance("bybit:unified", "USDT")
    assert world.core.account_balance("bybit:unified", "USDT")["free_e8"] == 77 * E8
    world.core.set_account_balance("nowhere:spot", "USDT", 1)
    with pytest.raises(KeyError):
        world.core.account_balance("nowhere:spot", "USDT")


def unified_entry(world: World, spot: str = "0.01", perp: str = "0.01") -> str:
    legs = [(BYBIT_SPOT, BUY, "60000.10", spot, 0), (BYBIT_PERP, SELL, "60600.0", perp, 0)]
    return GATE_NAMES[world.submit(ENTRY, legs, SIMULTANEOUS)[0]]


def test_two_legs_of_one_wallet_must_fit_together():
    need_e8 = 600_00100000 + 606 * E8 + 30300000  # spot; margin at 1x and 5 bps of it
    for free_e8, said in ((need_e8, "OK"), (need_e8 - 1, "MARGIN")):
        world = make((BYBIT_SPOT, BYBIT_PERP), limits={"margin_use_pct": 100})
        world.now += MS
        quote(world, BYBIT_PERP, "60600.0")
        world.core.set_account_balance("bybit:unified", "USDT", free_e8)
        assert unified_entry(world) == said
        world.core.check()


def test_margin_may_use_its_share_of_what_the_spot_leg_leaves():
    stays_e8 = (606 * E8 + 30300000) * 100 // 30 + 1
    for free_e8, said in ((600_00100000 + stays_e8, "OK"), (600_00100000 + stays_e8 - 2, "MARGIN_USE")):
        world = make((BYBIT_SPOT, BYBIT_PERP))
        world.now += MS
        quote(world, BYBIT_PERP, "60600.0")
        world.core.set_account_balance("bybit:unified", "USDT", free_e8)
        assert unified_entry(world) == said


def test_spot_buy_leaves_what_positions_hold_as_margin():
    world = make()
    world.core.set_account_balance("bybit:unified", "USDT", 1_500 * E8)
    world.core.set_position(BYBIT_PERP, 15, 600_000)  # 900 USDT of margin
    legs = [(BYBIT_SPOT, BUY, "60000.00", "0.01", 0)]
    assert GATE_NAMES[world.submit(MANUAL, legs)[0]] == "OK"
    assert GATE_NAMES[world.submit(MANUAL, [(BYBIT_SPOT, BUY, "60000.00", "0.001", 0)])[0]] == "BALANCE_QUOTE"
    world.core.check()


@pytest.mark.parametrize(("free", "why"), [(1_000, "NONE"), (20, "MARGIN")])
def test_sizing_takes_no_more_than_both_legs_can_pay_for(free: int, why: str):
    world = make((BYBIT_SPOT, BYBIT_PERP), max_notional_usd=100_000)
    world.core.set_account_balance("bybit:unified", "USDT", free * E8)
    intent = fire(world, BYBIT_PERP, "60600.0")
    assert world.core.pair_view(0)["why_not"] == why
    if intent is not None:
        spot, perp = intent["legs"]
        spot_cost = spot["qty"] * spot["limit_px"] / 1e7
        margin = perp["qty"] * perp["best_px"] / 1e4 * 1.0005
        assert margin <= (free - spot_cost) * 0.3 and perp["qty"] == 3, "a lot more would not fit"


# ---------------------------------------------------------------- pledges

def test_what_an_open_trade_holds_is_sold_by_no_entry():
    world = make((BINANCE_SPOT, BYBIT_SPOT))
    world.core.set_account_balance("bybit:unified", "BTC", 5 * E8)
    world.core.set_pledge(7, BYBIT_SPOT, 5 * E8)
    assert fire(world, BYBIT_SPOT, "60600.0") is None and world.core.pair_view(0)["why_not"] == "INVENTORY"
    world.core.set_pledge(7, BYBIT_SPOT, 5 * E8 - 500_000)
    intent = fire(world, BYBIT_SPOT, "60600.0")
    assert intent is not None and intent["legs"][1]["qty"] == 500, "what is left over, and not a unit more"
    world.core.set_pledge(7, BYBIT_SPOT, 0)
    assert world.core.account_balance("bybit:unified", "BTC")["pledged_e8"] == 0
    world.core.check()


@pytest.mark.parametrize(("purpose", "trade_id", "said"), [
    (ENTRY, 1, "BALANCE_BASE"), (MANUAL, 1, "BALANCE_BASE"), (UNWIND, 1, "BALANCE_BASE"), (UNWIND, 7, "OK"), (EXIT, 7, "OK")])
def test_a_repair_may_use_its_own_trades_part_only(purpose: int, trade_id: int, said: str):
    world = make((BINANCE_SPOT, BYBIT_PERP))
    world.now += MS
    quote(world, BYBIT_PERP, "59400.0")
    world.core.set_account_balance("binance:spot", "BTC", E8 // 10)
    world.core.set_pledge(7, BINANCE_SPOT, E8 // 20)
    world.core.set_pledge(8, BINANCE_SPOT, E8 // 20)
    legs = [(BINANCE_SPOT, SELL, "60000.00", "0.05", 0)]
    if purpose == ENTRY:
        legs.append((BYBIT_PERP, BUY, "59400.1", "0.05", 0))
    reason, _ = world.submit(purpose, legs, SIMULTANEOUS if purpose == ENTRY else 2, trade_id=trade_id)
    assert GATE_NAMES[reason] == said
    world.core.check()


def test_pledge_on_a_perpetual_or_of_less_than_nothing_is_refused():
    world = make()
    for row, amount in ((BINANCE_PERP, 1), (BINANCE_SPOT, -1), (BINANCE_SPOT, 2**62)):
        with pytest.raises(ValueError, match="pledge"):
            world.core.set_pledge(1, row, amount)


# ---------------------------------------------------------------- positions that net

def open_perps(other_qty: int) -> World:
    """Long 0.1 on binance, short 0.1 on bybit, while another trade has other_qty lots on bybit."""
    world = make((BINANCE_PERP, BYBIT_PERP), max_notional_usd=100_000)
    world.core.set_position(BINANCE_PERP, 100, 600_000)
    world.core.set_position(BYBIT_PERP, -100 + other_qty, 600_000)
    world.core.set_pair_state(0, PAIR_OPEN, 100, -100, 5, world.now, world.wall)
    return world


@pytest.mark.parametrize(("other_qty", "flags"), [(0, [1, 1]), (-50, [1, 1]), (1, [1, 0]), (100, [1, 0]), (300, [1, 0])])
def test_exit_is_reduce_only_where_the_accounts_own_position_allows_it(other_qty: int, flags: list[int]):
    world = open_perps(other_qty)
    world.core.request_exit(0)
    intent = fire(world, BINANCE_PERP, "60000.0")
    assert intent is not None and sides(intent) == [(BINANCE_PERP, SELL), (BYBIT_PERP, BUY)]
    assert [leg["flags"] for leg in intent["legs"]] == flags


def test_exit_against_another_trades_position_still_reduces():
    world = open_perps(300)
    world.core.set_trading_word(RESTRICTED)
    legs = [(BINANCE_PERP, SELL, "60000.0", "0.1", REDUCE_ONLY), (BYBIT_PERP, BUY, "60000.1", "0.1", 0)]
    assert GATE_NAMES[world.submit(EXIT, legs, SIMULTANEOUS, pair=0, trade_id=4)[0]] == "NOT_REDUCING", "of another trade"
    assert GATE_NAMES[world.submit(UNWIND, legs, SIMULTANEOUS, pair=0, trade_id=5)[0]] == "NOT_REDUCING"
    more = [legs[0], (BYBIT_PERP, BUY, "60000.1", "0.101", 0)]
    assert GATE_NAMES[world.submit(EXIT, more, SIMULTANEOUS, pair=0, trade_id=5)[0]] == "NOT_REDUCING", "more than is held"
    assert GATE_NAMES[world.submit(EXIT, legs, SIMULTANEOUS, pair=0, trade_id=5)[0]] == "OK"
    world.core.check()


# ---------------------------------------------------------------- funding and marks

@pytest.mark.parametrize(("a", "b", "is_forced"), [
    (("0.0003", 28_800), ("0.0001", 28_800), True),      # paid 3, received 1 every 8 h: 2 against us
    (("0.0001", 28_800), ("0.0000", 28_800), False),     # 1 is not beyond 1
    (("0.0001", 14_400), ("0.0000", 28_800), True),      # every 4 h: 2 in 8 h
    (("0.0001", 14_400), ("0.0002", 28_800), False)])    # evens out
def test_funding_of_both_perpetuals_counts_per_the_longer_interval(a: tuple, b: tuple, is_forced: bool):
    world = make((BINANCE_PERP, BYBIT_PERP), funding_exit_bps=1, exit_cost_bps=-50, entry_net_bps=200)
    world.core.set_position(BINANCE_PERP, 10, 600_000)
    world.core.set_position(BYBIT_PERP, -10, 600_000)
    world.core.set_pair_state(0, PAIR_OPEN, 10, -10, 5, world.now, world.wall)
    for row, (rate, interval_s) in ((BINANCE_PERP, a), (BYBIT_PERP, b)):
        world.funding(row, "60000.0", rate, interval_s=interval_s)
    intent = fire(world, BINANCE_PERP, "60000.0")
    assert (intent is not None) == is_forced
    if is_forced:
        assert world.core.pair_view(0)["exit_cause"] == "FUNDING"


def test_spot_takes_its_mark_from_its_own_venue_and_from_another_only_without():
    world = make((BINANCE_SPOT, BYBIT_PERP), (BINANCE_SPOT, BINANCE_PERP))
    world.funding(BYBIT_PERP, "61000.0")
    assert world.core.market(BINANCE_SPOT)["mark_px"] == 6_100_000
    world.funding(BINANCE_PERP, "60010.0")
    world.funding(BYBIT_PERP, "61000.0")
    assert world.core.market(BINANCE_SPOT)["mark_px"] == 6_001_000
    world.now += 61_000 * MS
    world.funding(BYBIT_PERP, "61000.0")
    assert world.core.market(BINANCE_SPOT)["mark_px"] == 6_100_000, "its own is a minute old"


def test_mark_in_another_quote_is_no_reference():
    world = World([instrument(0, "spot", **MIXED), instrument(1, "linear")])
    world.core.add_pair(0, 1, is_converted=True)
    world.funding(1, "60000.0")
    assert world.core.market(0)["mark_px"] == 0


# ---------------------------------------------------------------- extra cost, off and on

def test_extra_cost_is_asked_of_its_direction_only():
    world = make((BINANCE_SPOT, BYBIT_SPOT))
    world.core.set_extra_cost(0, 90.0, 0.0)
    assert fire(world, BYBIT_SPOT, "60600.0") is None and world.core.pair_view(0)["why_not"] == "NO_EDGE"
    assert fire(world, BYBIT_SPOT, "59400.0") is not None
    for value in (-0.1, 2000.1):
        with pytest.raises(ValueError, match="outside 0..2000"):
            world.core.set_extra_cost(0, 0.0, value)


def test_pair_that_is_off_says_why():
    world = make((BINANCE_SPOT, BYBIT_SPOT))
    for why in ("DEPEG", "DISABLED"):
        world.core.set_enabled(0, False, why)
        assert fire(world, BYBIT_SPOT, "60600.0") is None and world.core.pair_view(0)["why_not"] == why
    with pytest.raises(ValueError, match="right is DISABLED or DEPEG"):
        world.core.set_enabled(0, False, "NO_EDGE")
    world.core.set_enabled(0, True)
    assert fire(world, BYBIT_SPOT, "60600.0") is not None
