"""Small parts: instruments, dust, locks, naked times, policy, money of one trade, the core's surface."""
import ast
import pathlib
from decimal import Decimal

import pytest

from engine.events import Leg, Purpose, Side
from engine.trade.core_surface import CoreSurface, LockReason, PairState
from engine.trade.dust import DustLedger
from engine.trade.instruments import make_instruments
from engine.trade.locks import LockBook
from engine.trade.money import from_scaled, lcm_decimal, text
from engine.trade.naked import NakedClock, NakedStatistics
from engine.trade.orders import Fill, make_order
from engine.trade.policy import HOUR, MS, SECOND, make_policy
from engine.trade.trade import RowMoney, Trade
from tests.support.fake_core import FakeCore, instrument_row, pair_rows

ROOT = pathlib.Path(__file__).resolve().parents[4]
SPOT, PERP = make_instruments(pair_rows())


def test_text_is_plain():
    assert [text(Decimal(one)) for one in ("0", "-0.0", "1E-8", "100", "1.500", "-2E+3")] == ["0", "0", "0.00000001", "100",
                                                                                              "1.5", "-2000"]


def test_scaled_numbers_are_exact():
    assert from_scaled(123456789012345678901234567890, 20) == Decimal("1234567890.12345678901234567890")


@pytest.mark.parametrize(("a", "b", "lot"),
                         [("0.001", "0.00001", "0.001"), ("0.3", "0.2", "0.6"), ("1000", "1", "1000"), ("1", "10", "10")])
def test_common_lot(a, b, lot):
    assert lcm_decimal(Decimal(a), Decimal(b)) == Decimal(lot)


def test_prices_shift_outward_to_the_tick():
    assert PERP.shifted_px(100_005, +1, Decimal(10)) == 100_106 and PERP.shifted_px(100_005, -1, Decimal(10)) == 99_904
    coarse = make_instruments([instrument_row(0, "spot", tick="0.05")])[0]
    assert coarse.shifted_px(10_000, +1, Decimal("0.1")) == 10_005 and coarse.shifted_px(10_000, -1, Decimal("0.1")) == 9_995
    assert coarse.shifted_px(5, -1, Decimal(1000)) == 5, "never to zero"


def test_filters_let_small_reduce_only_futures_in_and_nothing_else():
    assert not SPOT.is_orderable(10_000_00, 40, False) and SPOT.is_orderable(10_000_00, 50, False)
    assert not SPOT.is_orderable(10_000_00, 40, True)
    assert PERP.is_orderable(1_000, 1, True) and not PERP.is_orderable(1_000, 1, False)
    assert not PERP.is_orderable(1_000, 0, True)


def test_instrument_ids_must_be_dense():
    with pytest.raises(ValueError, match="row 0 has id 1"):
        make_instruments([instrument_row(1, "spot")])


def test_dust_nets_and_goes_as_a_whole():
    dust = DustLedger()
    dust.put(3, Decimal("0.4"), Decimal(4))
    dust.put(3, Decimal("-0.1"), Decimal(-1))
    assert dust.units(3) == Decimal("0.3")
    taken = dust.take(3)
    assert (taken.units, taken.value) == (Decimal("0.3"), Decimal(3)) and dust.items() == [] and dust.units(3) == 0


def test_lock_stays_until_the_last_reason_goes():
    core = FakeCore([(0, 1)])
    locks = LockBook(core)
    locks.lock(0, LockReason.TIMEOUT, 1_000, 0)
    locks.lock(0, LockReason.UNKNOWN_ORDER, 1 << 62, 0)
    assert core.locks[0] == (1 << 62, LockReason.UNKNOWN_ORDER)
    locks.unlock(0, LockReason.UNKNOWN_ORDER, 10)
    assert core.locks[0] == (1_000, LockReason.TIMEOUT) and locks.reasons(0, 10) == {"TIMEOUT": 1_000}
    locks.unlock(0, LockReason.TIMEOUT, 20)
    assert core.locks == {} and locks.rows() == []


def test_shorter_lock_does_not_shorten():
    core = FakeCore([(0, 1)])
    locks = LockBook(core)
    locks.lock(0, LockReason.ORPHAN, 500, 0)
    locks.lock(0, LockReason.ORPHAN, 100, 0)
    assert core.locks[0][0] == 500


def test_naked_time_counts_from_proof_to_proof_with_the_unknown_part_apart():
    clock = NakedClock()
    assert clock.update(True, False, 100) is None
    assert clock.update(True, True, 150) is None
    assert clock.update(True, False, 250) is None
    assert clock.update(False, False, 400) == (200, 100)
    assert clock.update(False, False, 500) is None


def test_naked_percentiles():
    statistics = NakedStatistics()
    assert statistics.to_json()["count"] == 0
    for number in range(1, 101):
        statistics.add(number * 1_000_000, 0)
    shown = statistics.to_json()
    assert (shown["count"], shown["p50"], shown["max"]) == (100, 51.0, 100.0)


def test_policy_reads_the_config_section():
    from engine.config import RecoveryConfig
    policy = make_policy(RecoveryConfig().model_dump(), rest_ms={1: 250})
    assert (
        policy.ack_timeout_ns == 300 * MS
        and policy.cooldowns_ns["orphan"] == 2 * HOUR
        and policy.cooldowns_ns["stale"] == 300 * SECOND
    )
    assert policy.unwind_bands_bps == (Decimal("10.0"), Decimal("25.0"), Decimal("50.0"),
                                       Decimal("100.0")) and policy.rest_ns == {1: 250 * MS}
    assert policy.resolve_bound_ns == 2 * SECOND and policy.retry_ns == 250 * MS and policy.query_steps_ns[0] == 50 * MS


@pytest.mark.parametrize(("values", "message"), [
    ({"unwind_bands_bps": [20, 10]}, "rising"), ({"unwind_bands_bps": [2000]}, "0 to 1000"),
    ({"hedge_unknown": "pray"}, "wait or half"),
    ({"cooldowns": {"lunch_s": 5}}, "lunch"), ({"chase_max": 50}, "0 to 10"), ({"ack_timeout_ns": 5, "tll_ms": 5}, "tll_ns")])
def test_bad_policy_says_what_would_be_right(values, message):
    with pytest.raises(ValueError, match=message):
        make_policy(values)


def test_average_cost_moves_on_opening_and_stays_on_closing():
    row = RowMoney()
    row.add(Decimal(1), Decimal(100))
    row.add(Decimal(3), Decimal(104))
    assert row.mark == Decimal(103)
    row.add(Decimal(-2), Decimal(200))
    assert row.mark == Decimal(103)
    row.add(Decimal(-5), Decimal(90))
    assert (row.units, row.mark) == (Decimal(-3), Decimal(90))


def test_money_of_a_trade_with_each_kind_of_fee_adds_up():
    trade = Trade(1, 0, 1, [SPOT, PERP])
    buy = make_order(Leg("L1", 0, Side.BUY, 0, 0, 0, 1000), 1, 1, Purpose.ENTRY, 0, 0, SPOT)
    sell = make_order(Leg("L2", 0, Side.SELL, 0, 0, 0, 1000), 1, 1, Purpose.EXIT, 0, 0, SPOT)
    trade.orders += [buy, sell]
    bought, sold = Fill(1, 1000, 10_000_00, Decimal("0.00001"), "BTC"), Fill(2, 999, 10_100_00, Decimal("0.01"), "BNB")
    buy.cum_qty, buy.fills_qty, buy.fees = 1000, 1000, {"BTC": Decimal("0.00001")}
    sell.cum_qty, sell.fills_qty = 999, 999
    trade.post_fill(buy, bought)
    trade.post_fee(SPOT, bought, Decimal(0))
    trade.post_fill(sell, sold)
    trade.post_fee(SPOT, sold, Decimal(600))
    assert trade.position(0) == 0
    assert trade.money.fees == Decimal("0.1") + Decimal(6)
    assert trade.net_profit() == Decimal("100.899") - Decimal(100) - Decimal(6)
    assert trade.basis_profit() == Decimal("0.999")


def test_the_cores_page_has_every_call_that_is_made_on_it():
    tree = ast.parse((ROOT / "cext" / "core.pyi").read_text())
    core = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Core")
    theirs = {node.name: [arg.arg for arg in node.args.args[1:]] for node in core.body if isinstance(node, ast.FunctionDef)}
    for name in (name for name in vars(CoreSurface) if not name.startswith("_")):
        ours = list(getattr(CoreSurface, name).__annotations__)
        ours.remove("return")
        assert theirs[name][:len(ours)] == ours, name
        assert [arg for arg in ours if not hasattr(FakeCore, name)] == [], f"the fake core lacks {name}"
    assert [state.name for state in PairState] == ["FLAT", "ENTERING", "OPEN", "EXITING", "RECOVERING", "LOCKED"]
