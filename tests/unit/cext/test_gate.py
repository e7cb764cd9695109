"""The gate, layer by layer: what just passes and what is just refused, and that nothing is left behind by a refusal."""
import random
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cext import core as core_module
from cext.core import GATE_LAYERS, GATE_NAMES, GATE_STOPS, INTENT_POOL, SKIP_NAMES
from tests.support.core_world import (
    ACTIVE,
    BUY,
    CAUTIOUS,
    CHASE,
    CROSSED,
    EMERGENCY,
    ENTRY,
    EXIT,
    HALTED,
    LINEAR,
    MANUAL,
    MS,
    REDUCE_ONLY,
    RESTRICTED,
    SECOND,
    SELL,
    SIMULTANEOUS,
    SPOT,
    UNWIND,
    VALID,
    World,
    instrument,
    trading_pair,
)

FOREVER = 2**62
WIDE = {"max_order_usd": 10**6, "max_position_usd": 10**6, "max_symbol_usd": 10**6, "max_venue_usd": 10**6,
        "max_total_usd": 10**6,
        "max_delta_usd": 10**6}
Change = Callable[[World], Any]


def entry_world(**limits: Any) -> World:
    """Books with an edge that both legs of `entry` may take; funded, sessions ready."""
    world = trading_pair({**WIDE, **limits})
    world.now += MS
    world.book(0, [("59999.90", "5")], [("60000.00", "5")])
    world.book(1, [("60600.0", "5")], [("60600.1", "5")])
    return world


def entry(world: World, spot_px: str = "60000.00", spot_qty: str = "0.01", perp_px: str = "60600.0", perp_qty: str = "0.01",
          **kwargs: Any) -> str:
    """Submits a forward entry; the name of the gate's answer."""
    legs = [(0, BUY, spot_px, spot_qty, 0), (1, SELL, perp_px, perp_qty, 0)]
    return GATE_NAMES[world.submit(ENTRY, legs, SIMULTANEOUS, **kwargs)[0]]


def single(world: World, purpose: int, row: int, side: int, px: str, qty: str, flags: int = 0) -> str:
    return GATE_NAMES[world.submit(purpose, [(row, side, px, qty, flags)])[0]]


def test_a_clean_entry_passes_and_reserves_what_its_orders_may_use():
    world = entry_world()
    assert entry(world) == "OK"
    assert world.core.balance(0, SPOT, "USDT")["reserved_e8"] == 600 * 10**8
    # margin at 1x and fee of 5 bps, at the bid of 60600
    assert world.core.balance(0, LINEAR, "USDT")["reserved_e8"] == 606 * 10**8 + 606 * 5 * 10**4
    state = world.core.state()
    assert (state["in_flight"], state["in_flight_orders"], state["in_flight_e8"]) == (1, 2, 1206 * 10**8)
    world.core.check()


# name of the refusal -> (limits, change that must still pass, change that must be refused)
def limits_of(**limits: Any) -> Change:
    return lambda world: world.core.set_limits({**WIDE, **limits})


def age_books(ns: int) -> Change:
    """Both connections live on, the records grow old."""
    def change(world: World) -> None:
        world.now += ns
        for connection in (0, 1):
            world.core.on_alive(connection, world.now)
    return change


def silence(ns: int) -> Change:
    def change(world: World) -> None:
        world.now += ns
    return change


def rebook(row: int, flags: int = VALID, **fields: Any) -> Change:
    def change(world: World) -> None:
        bid, ask = (("59999.90", "60000.00"), ("60600.0", "60600.1"))[row]
        world.book(row, [(bid, "5")], [(ask, "5")], flags, **fields)
    return change


def both(*changes: Change) -> Change:
    def change(world: World) -> None:
        for one in changes:
            one(world)
    return change


def skew(ns: int) -> Change:
    def change(world: World) -> None:
        world.now += ns
        world.core.on_alive(1, world.now)
    return change


def fail(times: int) -> Change:
    def change(world: World) -> None:
        for _ in range(times):
            world.core.note_outcome(False, world.now)
    return change


def pnl(usd: str, times: int = 1) -> Change:
    def change(world: World) -> None:
        for _ in range(times):
            world.core.note_pnl(int(Decimal(usd) * 10**8), world.wall)
    return change


TABLE: dict[str, tuple[Change, Change]] = {
    "KILLED": (lambda w: w.core.set_trading_word(ACTIVE), lambda w: w.core.set_trading_word(EMERGENCY)),
    "HALTED": (lambda w: w.core.set_trading_word(CAUTIOUS), lambda w: w.core.set_trading_word(HALTED)),
    "RESTRICTED": (lambda w: w.core.set_trading_word(CAUTIOUS), lambda w: w.core.set_trading_word(RESTRICTED)),
    "CAUTIOUS_SIZE": (both(limits_of(max_order_usd=1212), lambda w: w.core.set_trading_word(CAUTIOUS)),
                      both(limits_of(max_order_usd=1211), lambda w: w.core.set_trading_word(CAUTIOUS))),
    "BREAKER_OPEN": (fail(4), fail(5)),
    "LOCK_ALL": (lambda w: w.core.lock_all(w.now), lambda w: w.core.lock_all(w.now + 1)),
    "LOCK_VENUE": (lambda w: w.core.lock_venue(0, w.now), lambda w: w.core.lock_venue(0, w.now + 1)),
    "LOCK_ROW": (lambda w: w.core.lock_row(1, w.now), lambda w: w.core.lock_row(1, w.now + 1)),
    "SESSION_DOWN": (lambda w: w.core.set_session(0, LINEAR, True), lambda w: w.core.set_session(0, LINEAR, False)),
    "BOOK_INVALID": (rebook(1), rebook(1, 0)),
    "BOOK_CROSSED": (rebook(1), rebook(1, VALID | CROSSED)),
    "NOT_ALIVE": (silence(499 * MS + 999_999), silence(501 * MS)),
    "QUIET": (age_books(2_000 * MS), age_books(2_000 * MS + 1)),
    "LAG": (rebook(0, lag_ns=100 * MS), rebook(0, lag_ns=100 * MS + 1)),
    "SKEW": (skew(250 * MS), skew(250 * MS + 1)),
    "ORDER_NOTIONAL": (limits_of(max_order_usd=606), limits_of(max_order_usd="605.99999999")),
    "POSITION_LIMIT": (limits_of(max_position_usd=606), limits_of(max_position_usd="605.99999999")),
    "SYMBOL_NOTIONAL": (limits_of(max_symbol_usd=1206), limits_of(max_symbol_usd="1205.99999999")),
    "VENUE_NOTIONAL": (limits_of(max_venue_usd=1206), limits_of(max_venue_usd="1205.99999999")),
    "TOTAL_NOTIONAL": (limits_of(max_total_usd=1206), limits_of(max_total_usd="1205.99999999")),
    "DELTA_LIMIT": (limits_of(max_delta_usd=606), limits_of(max_delta_usd="605.99999999")),
    "OPEN_PAIRS": (limits_of(max_open_pairs=1), limits_of(max_open_pairs=0)),
    "NO_USD_RATE": (lambda w: w.core.set_usd_rate("USDT", "1.5"), lambda w: w.core.set_usd_rate("USDT", 0)),
    "LOSS_DAILY": (both(limits_of(hourly_loss_usd=10**6), pnl("-499.99999999")),
                   both(limits_of(hourly_loss_usd=10**6), pnl("-500"))),
    "LOSS_HOURLY": (pnl("-249.99999999"), pnl("-250")),
    "LOSS_CONSECUTIVE": (pnl("-1", 4), pnl("-1", 5)),
    "DRAWDOWN": (both(limits_of(hourly_loss_usd=10**6, daily_loss_usd=10**6), pnl("300"), pnl("-999.99999999")),
                 both(limits_of(hourly_loss_usd=10**6, daily_loss_usd=10**6), pnl("300"), pnl("-1000"))),
    "BALANCE_QUOTE": (lambda w: w.core.set_balance(0, SPOT, "USDT", 600 * 10**8),
                      lambda w: w.core.set_balance(0, SPOT, "USDT", 600 * 10**8 - 1)),
    "MARGIN": (lambda w: (w.core.set_limits({**WIDE, "margin_use_pct": 100}),
                          w.core.set_balance(0, LINEAR, "USDT", 606_30300000)),
               lambda w: (w.core.set_limits({**WIDE, "margin_use_pct": 100}),
                          w.core.set_balance(0, LINEAR, "USDT", 606_30300000 - 1))),
    "MARGIN_USE": (lambda w: w.core.set_balance(0, LINEAR, "USDT", 2021_01000000),
                   lambda w: w.core.set_balance(0, LINEAR, "USDT", 2021_01000000 - 1)),
    "IN_FLIGHT": (limits_of(max_in_flight=1), limits_of(max_in_flight=0)),
    "ORDER_RATE": (limits_of(order_burst=1, reserved_burst_pct=0), limits_of(order_burst=1, reserved_burst_pct=100)),
}


@pytest.mark.parametrize("name", TABLE)
def test_entry_just_passes_and_is_just_refused(name: str):
    passes, refuses = TABLE[name]
    world = entry_world()
    passes(world)
    assert entry(world) == "OK"
    world.core.check()
    world = entry_world()
    refuses(world)
    before = world.core.state()
    assert entry(world) == name
    after = world.core.state()
    assert {**before, "intent_seq": 0, "breaker": 0} == {**after, "intent_seq": 0,
                                                         "breaker": 0}, "a refusal left something behind"
    assert world.core.counters()["rejects"] == {name: 1}
    world.core.check()


def test_collar_against_the_best_price_holds_buys_and_sells():
    world = entry_world()
    assert single(world, MANUAL, 0, BUY, "60300.00", "0.01") == "OK"
    assert single(world, MANUAL, 0, BUY, "60300.01", "0.01") == "COLLAR_BEST"
    assert single(world, MANUAL, 1, SELL, "60297.0", "0.01") == "OK"
    assert single(world, MANUAL, 1, SELL, "60296.9", "0.01") == "COLLAR_BEST"


def test_collar_against_the_mark_holds_the_spot_leg_too():
    world = entry_world()
    world.funding(1, "58900.0")
    assert single(world, MANUAL, 0, BUY, "60078.00", "0.01") == "OK"
    assert single(world, MANUAL, 0, BUY, "60078.01", "0.01") == "COLLAR_MARK"
    world.now += 61 * SECOND
    world.book(0, [("59999.90", "5")], [("60000.00", "5")])
    assert single(world, MANUAL, 0, BUY, "60078.01", "0.01") == "OK", "a mark of a minute ago is no reference"


def test_nothing_is_sent_without_any_reference_price():
    world = World()
    world.core.add_pair(0, 1)
    world.core.apply_fill(0, BUY, 1000, 6_000_000)
    assert single(world, UNWIND, 0, SELL, "60000.00", "0.01") == "NO_REFERENCE"
    world.funding(1, "60000.0")
    assert single(world, UNWIND, 0, SELL, "60000.00", "0.01") == "OK"


def filter_world() -> World:
    rows = [instrument(0, "spot", tick="0.05", lot="0.00010", min_qty="0.00100", max_qty="2", min_notional="100", min_px="59900",
                       max_px="60200"),
            instrument(1, "linear")]
    world = World(rows, WIDE)
    world.core.add_pair(0, 1)
    world.book(0, [("60000.00", "5")], [("60000.05", "5")])
    world.book(1, [("60600.0", "5")], [("60600.1", "5")])
    return world


@pytest.mark.parametrize("name, good, bad", [
    ("MIN_PX", ("59900.00", "0.01000"), ("59899.95", "0.01000")),
    ("MAX_PX", ("60200.00", "0.01000"), ("60200.05", "0.01000")),
    ("TICK", ("60000.05", "0.01000"), ("60000.04", "0.01000")),
    ("MIN_QTY", ("60000.05", "0.00200"), ("60000.05", "0.00090")),
    ("MAX_QTY", ("60000.05", "2.00000"), ("60000.05", "2.00010")),
    ("LOT", ("60000.05", "0.01000"), ("60000.05", "0.01005")),
    ("MIN_NOTIONAL", ("60000.05", "0.00170"), ("60000.05", "0.00160")),
    ("BAD_ORDER", ("60000.05", "0.01000"), ("60000.05", "0.00000")),
])
def test_venue_filters_accept_and_refuse(name: str, good: tuple[str, str], bad: tuple[str, str]):
    world = filter_world()
    world.core.set_balance(0, SPOT, "USDT", 10**6 * 10**8)
    assert single(world, MANUAL, 0, BUY, *good) == "OK"
    assert single(world, MANUAL, 0, BUY, *bad) == name


def test_instrument_that_the_venue_does_not_trade_is_refused():
    world = World([instrument(0, "spot", status="HALT"), instrument(1, "linear")], WIDE)
    world.core.add_pair(0, 1)
    world.book(0, [("60000.00", "5")], [("60000.05", "5")])
    world.book(1, [("60000.0", "5")], [("60000.1", "5")])
    assert single(world, MANUAL, 0, BUY, "60000.05", "0.01") == "NOT_TRADABLE"
    assert single(world, MANUAL, 1, BUY, "60000.1", "0.01") == "OK"


def test_entry_must_pay_at_best_prices_and_at_its_limits():
    assert entry(entry_world(), spot_px="60000.00", perp_px="60600.0") == "OK"
    assert entry(entry_world(), spot_px="60300.00", perp_px="60300.0") == "WORST_NET"
    world = entry_world()
    world.book(1, [("60000.0", "5")], [("60000.1", "5")])
    assert entry(world, perp_px="60000.0") == "NO_EDGE"


def test_entry_of_a_pair_needs_its_quality():
    world = entry_world()
    world.core.set_params(0, {"quality_min_e4": 1})
    assert entry(world, pair=0) == "QUALITY"  # an entry from outside has no walked confidence
    world.core.set_params(0, {"quality_min_e4": 0})
    assert entry(world, pair=0) == "OK"


def test_intent_past_its_time_to_live_is_refused():
    assert entry(entry_world(), ttl_ns=1) == "OK"
    assert entry(entry_world(), ttl_ns=0) == "EXPIRED"


def test_decision_from_an_old_record_is_refused_by_the_gate():
    for age_ms, refused in ((50, {}), (51, {"DECISION_AGE": 1})):
        world = trading_pair(WIDE)
        world.now += MS
        world.book(1, [("60600.0", "5")], [("60600.1", "5")])
        age_books(age_ms * MS)(world)
        world.evaluate()
        assert world.core.counters()["rejects"] == refused


def test_base_must_be_there_for_a_spot_sell():
    world = entry_world()
    world.core.set_balance(0, SPOT, "BTC", 10**6)
    assert single(world, MANUAL, 0, SELL, "59999.90", "0.01001") == "BALANCE_BASE"
    assert single(world, MANUAL, 0, SELL, "59999.90", "0.01000") == "OK"
    assert single(world, MANUAL, 0, SELL, "59999.90", "0.00100") == "BALANCE_BASE"
    assert world.core.balance(0, SPOT, "BTC")["reserved_e8"] == 10**6


def test_legs_on_the_same_asset_are_counted_together():
    world = entry_world()
    world.core.set_balance(0, SPOT, "USDT", 1000 * 10**8)
    legs = [(0, BUY, "60000.00", "0.01", 0), (0, BUY, "60000.00", "0.01", 0)]
    assert GATE_NAMES[world.submit(MANUAL, legs, SIMULTANEOUS)[0]] == "BALANCE_QUOTE"
    world.core.set_balance(0, SPOT, "USDT", 1200 * 10**8)
    assert GATE_NAMES[world.submit(MANUAL, legs, SIMULTANEOUS)[0]] == "OK"
    world.core.check()


def test_order_burst_keeps_a_slice_for_reducing_orders_and_refills():
    world = entry_world(order_burst=10, reserved_burst_pct=20, max_orders_per_s=10)
    world.core.set_balance(0, LINEAR, "USDT", 10**7 * 10**8)
    world.core.apply_fill(1, SELL, 1000, 606000)
    for _ in range(8):
        assert single(world, MANUAL, 1, SELL, "60600.0", "0.001") == "OK"
    assert single(world, MANUAL, 1, SELL, "60600.0", "0.001") == "ORDER_RATE"
    assert single(world, UNWIND, 1, BUY, "60600.1", "0.001") == "OK"
    assert single(world, UNWIND, 1, BUY, "60600.1", "0.001") == "OK"
    assert single(world, UNWIND, 1, BUY, "60600.1", "0.001") == "ORDER_RATE"
    age_books(100 * MS)(world)
    assert single(world, UNWIND, 1, BUY, "60600.1", "0.001") == "OK"


def test_a_venue_that_allows_fewer_orders_than_the_configuration_decides():
    world = entry_world(order_burst=10, reserved_burst_pct=20, max_orders_per_s=10)
    world.core.set_balance(0, LINEAR, "USDT", 10**7 * 10**8)
    world.core.set_order_rate(0, LINEAR, 5, 5)
    for _ in range(4):
        assert single(world, MANUAL, 1, SELL, "60600.0", "0.001") == "OK"
    assert single(world, MANUAL, 1, SELL, "60600.0", "0.001") == "ORDER_RATE"
    age_books(200 * MS)(world)
    assert single(world, MANUAL, 1, SELL, "60600.0", "0.001") == "OK"
    world.core.set_order_rate(0, LINEAR, 10_000, 10_000)  # the configuration's own limits stand
    world.core.set_limits(world.core.limits)
    with pytest.raises(ValueError, match="order rate of venue 0 market 2: 0 a second"):
        world.core.set_order_rate(0, LINEAR, 0, 5)


def test_entries_a_minute_have_a_bucket_of_their_own():
    world = entry_world(max_trades_per_minute=6)
    assert entry(world) == "OK"
    assert entry(world) == "TRADE_RATE"
    age_books(2 * SECOND)(world)
    for _ in range(4):
        age_books(2 * SECOND)(world)
        rebook(0)(world)
        rebook(1)(world)
    assert entry(world) == "OK"


def test_breaker_opens_by_error_rate_only_above_it():
    for failures, state in ((2, 0), (3, 1)):
        world = entry_world()
        for index in range(10):
            world.core.note_outcome(index not in ((3, 9), (3, 6, 9))[failures - 2], world.now)
        assert world.core.state()["breaker"] == state


def test_old_outcomes_do_not_count_for_the_error_rate():
    world = entry_world()
    for _ in range(4):
        world.core.note_outcome(False, world.now)
    world.core.note_outcome(True, world.now)
    world.now += 61 * SECOND
    for index in range(9):
        world.core.note_outcome(True, world.now)
    world.core.note_outcome(False, world.now)
    assert world.core.state()["breaker"] == 0


def test_open_breaker_probes_once_after_its_time_and_closes_on_success():
    world = entry_world()
    fail(5)(world)
    for _ in range(15):
        age_books(1999 * MS)(world)
        rebook(0)(world)
        rebook(1)(world)
    assert entry(world) == "BREAKER_OPEN"
    age_books(20 * MS)(world)
    assert entry(world) == "OK"
    assert entry(world) == "BREAKER_PROBE"
    world.core.note_outcome(True, world.now)
    assert entry(world) == "OK"
    assert world.core.state()["breaker_trips"] == 1


def test_failed_probe_opens_the_breaker_again():
    world = entry_world(breaker_recovery_ms=1000)
    fail(5)(world)
    age_books(1000 * MS)(world)
    assert entry(world) == "OK"
    world.core.note_outcome(False, world.now)
    assert entry(world) == "BREAKER_OPEN"
    assert world.core.state()["breaker_trips"] == 2


def test_losses_leave_the_hour_and_the_day():
    world = entry_world()
    pnl("-260")(world)
    assert entry(world) == "LOSS_HOURLY"
    world.wall += 61 * 60 * SECOND
    assert entry(world) == "OK"
    pnl("-240")(world)
    assert entry(world) == "LOSS_DAILY"
    world.wall += 24 * 3600 * SECOND
    assert entry(world) == "OK"


def test_a_person_clears_losses_in_a_row():
    world = entry_world()
    pnl("-1", 5)(world)
    assert entry(world) == "LOSS_CONSECUTIVE"
    world.core.clear_losses()
    assert entry(world) == "OK"


def naked_world(**limits: Any) -> World:
    """0.01 BTC bought on spot, nothing against it yet."""
    world = entry_world(**limits)
    world.core.apply_fill(0, BUY, 1000, 6_000_000, 1)
    return world


STOPPERS: dict[str, Change] = {
    "KILLED": lambda w: w.core.set_trading_word(EMERGENCY),
    "HALTED": lambda w: w.core.set_trading_word(HALTED),
    "RESTRICTED": lambda w: w.core.set_trading_word(RESTRICTED),
    **{name: refuses for name, (_passes, refuses) in TABLE.items() if name in GATE_NAMES
       and GATE_STOPS[GATE_NAMES.index(name)] == "E"}}
STOPPERS.pop("OPEN_PAIRS")  # of entries only, tested above


@pytest.mark.parametrize("name", STOPPERS)
def test_what_stops_new_risk_lets_the_closing_of_a_naked_leg_through(name: str):
    world = naked_world()
    STOPPERS[name](world)
    assert single(world, UNWIND, 0, SELL, "59999.90", "0.00999") == "OK"
    world = naked_world()
    STOPPERS[name](world)
    assert single(world, CHASE, 1, SELL, "60600.0", "0.009") == "OK"
    assert entry(world) != "OK"


@pytest.mark.parametrize("word, expected", [(RESTRICTED, "OK"), (HALTED, "HALTED"), (EMERGENCY, "KILLED")])
def test_exit_of_a_balanced_pair_is_reducing_but_not_in_halt(word: int, expected: str):
    world = naked_world()
    world.core.apply_fill(1, SELL, 10, 606000)
    world.core.set_trading_word(word)
    legs = [(0, SELL, "59999.90", "0.00999", 0), (1, BUY, "60600.1", "0.010", REDUCE_ONLY)]
    assert GATE_NAMES[world.submit(EXIT, legs, SIMULTANEOUS)[0]] == expected


def test_order_that_overshoots_the_residual_is_not_reducing():
    world = naked_world()
    world.core.set_trading_word(RESTRICTED)
    assert single(world, UNWIND, 0, SELL, "59999.90", "0.01000") == "NOT_REDUCING"
    assert single(world, UNWIND, 0, BUY, "60000.00", "0.00500") == "NOT_REDUCING"
    assert single(world, UNWIND, 0, SELL, "59999.90", "0.00999") == "OK"


def test_gross_buy_may_pass_the_residual_by_less_than_a_lot():
    world = entry_world()
    world.core.apply_fill(1, SELL, 10, 606000)
    world.core.set_trading_word(RESTRICTED)
    assert single(world, CHASE, 0, BUY, "60000.00", "0.01003") == "NOT_REDUCING"
    assert single(world, CHASE, 0, BUY, "60000.00", "0.01002") == "OK"  # 0.01000998 arrive


def test_open_order_on_the_same_side_counts_as_done():
    world = naked_world()
    world.core.set_trading_word(RESTRICTED)
    reason, index = world.submit(UNWIND, [(0, SELL, "59999.90", "0.00600", 0)])
    assert GATE_NAMES[reason] == "OK"
    assert single(world, CHASE, 1, SELL, "60600.0", "0.006") == "NOT_REDUCING"
    assert single(world, CHASE, 1, SELL, "60600.0", "0.003") == "OK"
    world.core.release(world.core.intent(index)["intent_id"], 0)
    assert single(world, CHASE, 1, SELL, "60600.0", "0.006") == "OK"


def test_balanced_pair_must_not_be_unbalanced_by_an_unwind():
    world = naked_world()
    world.core.apply_fill(1, SELL, 10, 606000)
    world.core.set_trading_word(RESTRICTED)
    assert single(world, UNWIND, 1, BUY, "60600.1", "0.010", REDUCE_ONLY) == "NOT_REDUCING"


def test_reducing_order_keeps_to_its_wider_collar_even_without_a_valid_book():
    world = naked_world()
    world.now += MS
    world.book(0, [], [], 0)
    assert single(world, UNWIND, 0, SELL, "57000.00", "0.00500") == "OK"
    assert single(world, UNWIND, 0, SELL, "56999.90", "0.00400") == "COLLAR_BEST"


def test_reduce_only_order_is_let_below_the_minimum_notional():
    rows = [instrument(0, "spot"), instrument(1, "linear", min_notional="100")]
    world = World(rows, WIDE)
    world.core.add_pair(0, 1)
    world.book(0, [("60000.00", "5")], [("60000.10", "5")])
    world.book(1, [("60000.0", "5")], [("60000.1", "5")])
    world.core.apply_fill(1, SELL, 1, 600000)
    assert single(world, UNWIND, 1, BUY, "60000.1", "0.001") == "MIN_NOTIONAL"
    assert single(world, UNWIND, 1, BUY, "60000.1", "0.001", REDUCE_ONLY) == "OK"


def test_dry_run_refuses_last_what_would_have_passed_and_holds_nothing():
    world = naked_world()
    world.core.set_dry_run()
    assert entry(world) == "DRY_RUN"
    assert single(world, UNWIND, 0, SELL, "59999.90", "0.00500") == "DRY_RUN"
    assert entry(world, perp_px="60600.0", spot_px="60700.00") == "WORST_NET", "other reasons come first"
    assert world.core.state()["in_flight"] == 0
    world.core.check()


def band_world(**limits: Any) -> World:
    """`entry_world` and two more venues, which agree on 60,000; the pair's own books are within the band of that."""
    rows = [instrument(row, "spot" if row % 2 == 0 else "linear", venue=("binance", "bybit", "okx")[row // 2])
            for row in range(6)]
    world = World(rows, {**WIDE, **limits})
    world.core.add_pair(0, 1)
    world.book(0, [("59999.90", "5")], [("60000.00", "5")])
    world.book(1, [("60600.0", "5")], [("60600.1", "5")])
    for row in range(2, 6):
        world.book(row, [("59999.9", "5")], [("60000.1", "5")])
    return world


@pytest.mark.parametrize(("perp", "name"), [("62998.9", "OK"), ("63001.1", "PRICE_BAND")])
def test_a_book_more_than_the_band_from_the_other_venues_takes_no_entry(perp: str, name: str):
    """Middle 62,999.9 and 63,001.1 against a median of 60,000. Repairs are not held up by it."""
    world = band_world(mark_collar_bps=2_000)
    world.now += MS
    world.book(1, [(perp, "5")], [(str(Decimal(perp) + 1), "5")])
    assert entry(world, perp_px=perp) == name
    world.core.check()
    world = band_world()
    world.core.apply_fill(0, BUY, 1000, 6_000_000)
    world.book(1, [(perp, "5")], [(str(Decimal(perp) + 1), "5")])
    assert single(world, CHASE, 1, SELL, perp, "0.010") == "OK"


def test_the_median_is_of_living_books_at_other_venues():
    """One of the others is wrong itself: no matter. Two of them dead: they have no vote. Off with 0. Alone: nobody to ask."""
    def wild(row: int, world: World) -> World:
        world.book(row, [("90000.0", "5")], [("90000.1", "5")])
        return world

    assert entry(wild(2, band_world())) == "OK"
    assert entry(wild(2, wild(3, wild(4, band_world())))) == "PRICE_BAND"      # three of four
    assert entry(wild(2, wild(3, wild(4, band_world(price_band_pct=0))))) == "OK"
    world = wild(2, wild(3, wild(4, band_world())))
    for row in (2, 3, 4):
        world.book(row, [("90000.0", "5")], [("90000.1", "5")], connection=8)
    world.core.on_alive(8, world.now - 501 * MS)
    assert entry(world) == "OK"


def test_pool_without_a_free_slot_refuses():
    world = entry_world(max_in_flight=176, order_burst=10_000, max_orders_per_s=10_000)
    world.core.apply_fill(1, SELL, 1000, 606000)
    count = 0
    while (answer := single(world, UNWIND, 1, BUY, "60600.1", "0.001")) == "OK":
        count += 1
    assert (count, answer) == (INTENT_POOL, "POOL_FULL")
    world.core.check()


def test_every_code_is_tested_here_and_described_on_the_page():
    page = (Path(__file__).parents[3] / "docs" / "gate.md").read_text()
    table = re.findall(r"^\| (\d+) \| `(\w+)` \| ([\w ]+|-) \| ([ER-]) \|", page, re.MULTILINE)
    assert [(int(code), name, layer, stops) for code, name, layer, stops in table] == [
        (code, name, GATE_LAYERS[code], GATE_STOPS[code]) for code, name in enumerate(GATE_NAMES)]
    skips = re.findall(r"^\| (\d+) \| `(\w+)` \| [A-Z]", page.split("## Why not")[1], re.MULTILINE)
    assert [(int(code), name) for code, name in skips] == list(enumerate(SKIP_NAMES))
    own = Path(__file__).read_text()
    assert [name for name in GATE_NAMES if f'"{name}"' not in own] == []


def test_codes_are_module_attributes():
    assert all(getattr(core_module, f"GATE_{name}") == code for code, name in enumerate(GATE_NAMES))
    assert all(getattr(core_module, f"SKIP_{name}") == code for code, name in enumerate(SKIP_NAMES))
    assert len(GATE_NAMES) <= 64 and len(SKIP_NAMES) <= 64


def random_order(rng: random.Random, world: World) -> tuple[int, int, int, int, int]:
    row = rng.randrange(2)
    px = (6_000_000, 606_000)[row] + rng.randrange(-20_000, 20_000) // rng.choice([1, 10, 100])
    qty = rng.choice([1, 5, 10, 37, 100, 1000]) * (100 if row == 0 else 1) + rng.choice([0, 0, 1])
    return row, rng.randrange(2), px, qty, rng.choice([0, 0, REDUCE_ONLY])


@pytest.mark.parametrize("seed", range(20))
def test_no_order_that_passes_breaks_a_filter_a_limit_or_a_data_rule(seed: int):
    """Random orders against random states: whatever passes is checked in plain Python against the facts, and reservations add
    up."""
    rng = random.Random(seed)
    rows = [instrument(0, "spot", tick="0.10", lot="0.00010", min_qty="0.00100", max_qty="0.5", min_notional="50"),
            instrument(1, "linear")]
    world = World(rows, {"max_order_usd": 5000, "max_position_usd": 20_000, "max_symbol_usd": 30_000, "max_total_usd": 30_000,
                         "max_delta_usd": 20_000,
                         "order_burst": 1000, "max_orders_per_s": 1000})
    world.core.add_pair(0, 1)
    open_orders: list[tuple[int, int]] = []
    passed = 0
    for _ in range(400):
        world.now += rng.randrange(0, 200) * MS
        for row, (bid, ask) in enumerate((("59999.90", "60000.00"), ("60600.0", "60600.1"))):
            if rng.random() < 0.6:
                flags = rng.choice([VALID] * 12 + [0, VALID | CROSSED])
                world.book(row, [(bid, "5")], [(ask, "5")], flags, lag_ns=rng.choice([0, 0, 0, 50 * MS, 150 * MS]))
        world.core.set_trading_word(rng.choice([ACTIVE] * 8 + [CAUTIOUS, RESTRICTED, HALTED, EMERGENCY]))
        purpose = rng.choice([ENTRY, ENTRY, MANUAL, UNWIND, CHASE, EXIT])
        legs = [random_order(rng, world) for _ in range(1 if purpose in (UNWIND, CHASE) else rng.choice([1, 2]))]
        word, before = world.core.state()["trading_word"], [world.core.market(row) for row in (0, 1)]
        delta = world.core.group_delta(0)[0]
        reason, index = world.core.submit(purpose, 1, -1, legs, 0, 500 * MS, world.now, world.wall)
        world.core.check()
        what = f"seed {seed}: {purpose} {legs} word {word}"
        if GATE_NAMES[reason] != "OK":
            continue
        passed += 1
        intent = world.core.intent(index)
        open_orders += [(intent["intent_id"], leg) for leg in range(len(legs))]
        for row, side, px, qty, _flags in legs:
            raw = rows[row]
            assert px > 0 and qty > 0 and side in (BUY, SELL), what
            assert px % int(Decimal(raw["tick"]).scaleb(raw["px_scale"])) == 0, what
            assert qty % int(Decimal(raw["lot"]).scaleb(raw["qty_scale"])) == 0, what
            assert Decimal(raw["min_qty"]) <= Decimal(qty).scaleb(-raw["qty_scale"]) <= Decimal(raw["max_qty"]), what
        if purpose == ENTRY:
            assert word in (ACTIVE, CAUTIOUS), what
            assert intent["worst_net_e8"] > 0, what
            for row, *_rest in legs:
                market = before[row]
                assert market["is_valid"] and not market["is_crossed"], what
                assert world.now - market["alive_mono_ns"] <= 500 * MS and world.now - market["data_mono_ns"] <= 2000 * MS, what
                assert market["lag_ns"] <= 100 * MS, what
        if word in (HALTED, EMERGENCY):
            assert len(legs) == 1 and (delta > 0) == (legs[0][1] == SELL) and delta != 0, what
        for slot_market in (SPOT, LINEAR):
            balance = world.core.balance(0, slot_market, "USDT")
            assert 0 <= balance["reserved_e8"] and balance["free_e8"] >= 0, what
        rng.shuffle(open_orders)
        while len(open_orders) > 6:
            intent_id, leg = open_orders.pop()
            if rng.random() < 0.7:
                pool = next(i for i in range(INTENT_POOL) if world.core.intent(i)["intent_id"] == intent_id)
                order = world.core.intent(pool)["legs"][leg]
                world.core.apply_fill(order["instrument_id"], order["side"], order["qty"], order["limit_px"], 0)
            assert world.core.release(intent_id, leg)
            assert not world.core.release(intent_id, leg), "released twice"
            world.core.check()
    assert passed > 5, f"seed {seed}: only {passed} passed"
    for intent_id, leg in open_orders:
        assert world.core.release(intent_id, leg)
    world.core.check()
    assert world.core.open_intents() == [] and world.core.state()["in_flight_e8"] == 0
