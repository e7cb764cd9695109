"""Core as a whole: determinism, set-up that must be refused, ledgers, and a stress run that checks every invariant after every
step."""
import hashlib
import random
from decimal import Decimal

import pytest

from bench import core_loops
from bench.core_worlds import fill_books, make_world, ring
from cext.core import (
    CMD_SEND,
    PAIR_EXITING,
    PAIR_FLAT,
    PAIR_OPEN,
    Core,
    CoreLimits,
    PairParams,
)
from tests.support import alloc_count
from tests.support.core_world import (
    ACTIVE,
    BUY,
    CAUTIOUS,
    CHASE,
    CROSSED,
    EMERGENCY,
    HALTED,
    LINEAR,
    MS,
    REPEAT,
    RESTRICTED,
    SECOND,
    SELL,
    SPOT,
    UNWIND,
    VALID,
    World,
    instrument,
    trading_pair,
)

# ---------------------------------------------------------------- set-up


@pytest.mark.parametrize("rows, message", [
    ([instrument(0, "linear"), instrument(1, "spot")], "a spot and a linear instrument in this order"),
    ([instrument(0, "spot"), instrument(1, "linear", quote="USDC")], "quote and settle assets differ"),
    ([instrument(0, "spot"), instrument(1, "linear", settle="USDC", name="binance:BTC/USDT:USDC")],
     "quote and settle assets differ"),
    ([instrument(0, "spot"), instrument(1, "linear", "ETH")], "underlyings differ"),
    ([instrument(0, "spot"), instrument(1, "linear", px_scale=14, tick="0.1", max_px="0")],
     "more than 18 decimals|decimals apart"),
    ([instrument(0, "spot"), instrument(1, "linear", multiplier=250)], "multiplier 250 is not a power of ten"),
    ([instrument(0, "spot", lot="77777.77773", max_qty="100000"),
      instrument(1, "linear", lot="9999999.999", max_qty="100000000")], "no common multiple"),
])
def test_pair_that_cannot_be_computed_exactly_is_refused_with_its_names(rows: list[dict], message: str):
    world = World(rows, fund=False)
    with pytest.raises(ValueError, match=message):
        world.core.add_pair(0, 1)
    assert world.core.pairs() == []
    world.core.check()


def test_size_scale_beyond_the_ledgers_is_refused_at_load():
    with pytest.raises(ValueError, match="9 decimals of size"):
        World([instrument(0, "spot", qty_scale=9)])


@pytest.mark.parametrize("limits, message", [
    ({"max_order_usd": 10**10}, "max_order_usd 10000000000 is outside 0..1000000000"),
    ({"max_orders_per_s": 0}, "max_orders_per_s"),
    ({"margin_use_pct": 101}, "margin_use_pct"), ({"collar_bps": "-1"}, "collar_bps")])
def test_limit_beyond_its_ceiling_is_refused_and_the_old_ones_stay(limits: dict, message: str):
    world = trading_pair()
    with pytest.raises(ValueError, match=message):
        world.core.set_limits(limits)
    assert world.core.limits == CoreLimits()


@pytest.mark.parametrize("params, message", [
    ({"allow_reverse": "borrow"}, "allow_reverse"), ({"max_notional_usd": -1}, "max_notional_usd"), ({"ttl_ms": 0}, "ttl_ms"),
    ({"slippage_bps": 2000}, "slippage_bps")])
def test_parameter_out_of_range_is_refused_and_the_old_ones_stay(params: dict, message: str):
    world = trading_pair()
    before = world.core.pair_view(0)
    with pytest.raises(ValueError, match=message):
        world.core.set_params(0, params)
    assert world.core.pair_view(0) == before


def test_signal_out_of_range_is_refused():
    with pytest.raises(ValueError, match="outside"):
        trading_pair().core.set_signals(0, 5000.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="outside"):
        trading_pair().core.set_signals(0, float("nan"), 0.0, 0.0)


@pytest.mark.parametrize("epoch", [0, 2**31, -1])
def test_epoch_must_fit_the_upper_half_of_an_id(epoch: int):
    with pytest.raises(ValueError, match="epoch"):
        Core(World().array, None, epoch)


def test_unknown_rows_and_pairs_are_index_errors():
    core = trading_pair().core
    for call in (lambda: core.market(2), lambda: core.set_params(1, {}), lambda: core.lock_row(-1, 0),
                 lambda: core.apply_fill(7, 0, 1, 1),
                 lambda: core.submit(0, 0, 5, [(0, 0, 1, 1, 0)], 2, 1, 0, 0), lambda: core.intent(256),
                 lambda: core.add_pair(0, 9)):
        with pytest.raises(IndexError):
            call()


def test_record_of_the_wrong_size_or_with_too_many_levels_is_refused():
    world = trading_pair()
    with pytest.raises(ValueError, match="639 bytes"):
        world.core.on_book(0, bytes(639), 0, 0, 0)
    with pytest.raises(ValueError, match="17 bids"):
        world.core.on_book(0, world.record(0, [], [], bid_count=17), 0, 0, 0)


def test_many_pairs_keep_their_neighbours():
    rows = []
    for coin in range(150):
        rows += [instrument(2 * coin, "spot", f"C{coin}"), instrument(2 * coin + 1, "linear", f"C{coin}")]
    world = World(rows, fund=False)
    for coin in range(150):
        assert world.core.add_pair(2 * coin, 2 * coin + 1) == coin
    for row in (0, 299, 150, 151):
        before = world.core.counters()["evaluations"]
        world.book(row, [("60000.0", "1")], [("60000.1", "1")])
        world.evaluate()
        assert world.core.counters()["evaluations"] == before + 1
    assert world.core.pair_view(75)["why_not"] == "NO_EDGE"


# ---------------------------------------------------------------- ledgers


def test_fills_move_positions_balances_delta_and_margin_exactly():
    world = trading_pair()
    world.core.apply_fill(0, BUY, 1_000, 6_000_010, 1)
    spot = world.core.balance(0, SPOT, "USDT")
    assert spot["free_e8"] == 100_000 * 10**8 - 600_00100000
    assert world.core.balance(0, SPOT, "BTC")["free_e8"] == 10 * 10**8 + 999 * 1000
    assert world.core.position(0) == 999 and world.core.group_delta(0) == (999, 5)
    world.core.apply_fill(1, SELL, 10, 604_000, 0, 30_200_000)
    margin = world.core.balance(0, LINEAR, "USDT")
    assert margin == {"free_e8": 100_000 * 10**8 - 30_200_000, "reserved_e8": 0, "margin_e8": 604 * 10**8, "pledged_e8": 0}
    assert world.core.group_delta(1) == (-1, 5)
    world.core.set_leverage(1, 10)
    world.core.apply_fill(1, SELL, 10, 604_000)
    assert world.core.balance(0, LINEAR, "USDT")["margin_e8"] == 120_80000000
    world.core.apply_fill(1, BUY, 20, 604_000)
    assert world.core.balance(0, LINEAR, "USDT")["margin_e8"] == 0
    world.core.check()


def test_fill_does_not_touch_balances_that_were_told_absolutely():
    world = trading_pair()
    world.core.apply_fill(0, BUY, 1_000, 6_000_010, 1, 0, False)
    assert world.core.balance(0, SPOT, "USDT")["free_e8"] == 100_000 * 10**8
    assert world.core.position(0) == 999


@pytest.mark.parametrize("fill", [(0, BUY, -1, 1), (0, 2, 1, 1), (0, BUY, 1, -1), (0, BUY, 1, 1, 2)])
def test_impossible_fill_is_refused(fill: tuple):
    world = trading_pair()
    with pytest.raises(ValueError, match="impossible"):
        world.core.apply_fill(*fill)
    world.core.check()


def test_position_needs_a_price_to_be_valued_at():
    world = World()
    with pytest.raises(ValueError, match="a position needs a price"):
        world.core.set_position(1, -10)
    world.core.set_position(1, -10, 600_000)
    assert world.core.market(1)["exposure_e8"] == 600 * 10**8
    world.core.check()


def test_balances_of_unused_assets_are_ignored_and_huge_ones_cut():
    world = trading_pair()
    world.core.set_balance(0, SPOT, "BNB", 10**8)
    world.core.set_balance(0, SPOT, "BTC", 10**30)
    assert world.core.balance(0, SPOT, "BTC")["free_e8"] == 2**62 - 1
    with pytest.raises(KeyError):
        world.core.balance(0, SPOT, "BNB")


def test_remaining_size_of_an_order_shrinks_and_never_grows():
    world = trading_pair()
    world.core.apply_fill(0, BUY, 1_000, 6_000_010)
    _reason, index = world.submit(UNWIND, [(0, SELL, "60000.00", "0.01", 0)])
    intent_id = world.core.intent(index)["intent_id"]
    world.core.set_leg_remaining(intent_id, 0, 400)
    assert world.core.market(0)["in_flight_sell"] == 400
    with pytest.raises(ValueError, match="remaining 401 of an order of 400"):
        world.core.set_leg_remaining(intent_id, 0, 401)
    world.core.check()
    assert world.core.release(intent_id, 0)
    assert not world.core.release(intent_id, 0)
    assert world.core.market(0)["in_flight_sell"] == 0
    world.core.check()


def test_fees_of_the_account_move_the_threshold():
    for fee, fires in (("0.001", True), ("0.002", False)):
        world = trading_pair()
        world.core.set_fees(0, fee)
        world.now += MS
        world.book(1, [("60200.0", "5")], [("60400.1", "5")])
        assert bool([kind for kind, _, _ in world.evaluate() if kind == CMD_SEND]) == fires


def test_feed_that_is_gone_takes_its_connections_along():
    world = trading_pair()
    world.core.on_feed_status(0, False)
    assert world.core.market(0)["alive_mono_ns"] == 0
    world.core.on_alive(0, world.now)
    assert world.core.market(0)["alive_mono_ns"] == world.now
    world.core.on_alive(0, 0)
    assert world.core.market(0)["alive_mono_ns"] == 0


def test_short_record_after_a_long_one_leaves_no_ghost_level():
    world = trading_pair()
    world.book(0, [("60000.00", "1"), ("59999.00", "1")], [("60000.10", "1")])
    world.book(0, [("60000.00", "1")], [])
    market = world.core.market(0)
    assert market["bids"] == [(6_000_000, 100_000)] and market["asks"] == []


# ---------------------------------------------------------------- as a whole


def stress(seed: int, steps: int, check: bool) -> str:
    """Random books, fills, releases, states and orders over three coins; the digest covers every command and intent."""
    rng = random.Random(seed)
    rows = []
    for coin in range(3):
        rows += [instrument(2 * coin, "spot", f"C{coin}"), instrument(2 * coin + 1, "linear", f"C{coin}")]
    world = World(rows, {"max_orders_per_s": 1000, "order_burst": 1000, "max_trades_per_minute": 100_000, "max_open_pairs": 3})
    for coin in range(3):
        world.core.add_pair(2 * coin, 2 * coin + 1,
                            PairParams(allow_reverse="inventory", horizon_s=2, funding_exit_bps=1, exit_partial=seed % 2 == 0))
    digest = hashlib.blake2b()
    open_orders: list[tuple[int, int, dict, int]] = []
    log: list[str] = []

    def send(index: int) -> None:
        intent = world.core.intent(index)
        digest.update(world.core.intent_bytes(index))
        for number, leg in enumerate(intent["legs"]):
            open_orders.append((intent["intent_id"], number, leg, intent["pair_index"]))

    def finish(pair: int) -> None:
        """What the calm floor does when all orders of a pair are terminal."""
        if any(order[3] == pair for order in open_orders):
            return
        spot, perp = world.core.position(2 * pair), world.core.position(2 * pair + 1)
        can_hold = abs(spot) >= 100 and perp != 0 and (spot > 0) != (perp > 0)
        world.core.set_pair_state(pair, PAIR_OPEN if can_hold else PAIR_FLAT, spot if can_hold else 0, perp if can_hold else 0, 0,
                                  world.now, world.wall)
        world.core.rearm(pair, world.now)

    for step in range(steps):
        world.now += rng.randrange(1, 40) * MS
        world.wall += 40 * MS
        action = rng.random()
        log.append(f"{step}: {action:.3f}")
        if action < 0.6:
            for _ in range(rng.randrange(1, 4)):
                row = rng.randrange(6)
                mid = 60_000 + (rng.choice([0, 0, 0, 400, -400]) if row % 2 else 0) + rng.randrange(-5, 5)
                flags = rng.choice([VALID] * 15 + [0, VALID | CROSSED, VALID | REPEAT])
                world.book(row, [(f"{mid}.0", f"{rng.randrange(1, 900) / 1000:.3f}"), (f"{mid - 2}.0", "1")],
                           [(f"{mid}.1", f"{rng.randrange(1, 900) / 1000:.3f}"), (f"{mid + 2}.0", "1")], flags)
            for kind, reason, index in world.core.evaluate(world.now, world.wall, rng.randrange(1, 5)):
                digest.update(bytes([kind, reason]))
                if kind == CMD_SEND:
                    send(index)
        elif action < 0.85 and open_orders:
            intent_id, number, leg, pair = open_orders.pop(rng.randrange(len(open_orders)))
            part = rng.choice([0, leg["qty"], leg["qty"], leg["qty"], leg["qty"] // 2])
            if part:
                in_base = leg["instrument_id"] % 2 == 0 and leg["side"] == BUY
                world.core.apply_fill(leg["instrument_id"], leg["side"], part, leg["limit_px"], -(-part // 1000)
                                      if in_base else 0)
                world.core.set_leg_remaining(intent_id, number, leg["qty"] - part)
            assert world.core.release(intent_id, number)
            world.core.note_outcome(part > 0, world.now)
            if pair != 2**32 - 1:
                finish(pair)
        elif action < 0.92:
            coin = rng.randrange(3)
            delta = world.core.group_delta(2 * coin)[0]
            side = SELL if delta > 0 else BUY
            row = 2 * coin + rng.randrange(2)
            _reason, index = world.submit(rng.choice([CHASE, UNWIND]),
                                          [(row, side, "60000.0", rng.choice(["0.001", "0.010", "0.100"]), 0)])
            if _reason == 0:
                send(index)
                open_orders[-1] = (*open_orders[-1][:3], 2**32 - 1)
        elif action < 0.95:
            world.core.set_trading_word(rng.choice([ACTIVE, ACTIVE, ACTIVE, CAUTIOUS, RESTRICTED, HALTED, EMERGENCY]))
        elif action < 0.97:
            world.core.note_pnl(rng.randrange(-10**9, 10**9), world.wall)
        elif action < 0.98:
            world.core.lock_row(rng.randrange(6), world.now + SECOND)
        else:
            world.funding(2 * rng.randrange(3) + 1, "60000.0", str(Decimal(rng.randrange(-5, 5)) / 10_000))
        if check:
            try:
                world.core.check()
                for market in (SPOT, LINEAR):
                    balance = world.core.balance(0, market, "USDT")
                    assert balance["reserved_e8"] >= 0
            except AssertionError as error:
                raise AssertionError(f"seed {seed} step {step}: {error}; last: {log[-5:]}") from error
    digest.update(repr(sorted(world.core.counters()["rejects"].items())).encode())
    digest.update(repr(sorted(world.core.counters()["skips"].items())).encode())
    assert world.core.counters()["intents"] > 10, f"seed {seed}: hardly anything happened"
    assert PAIR_EXITING == 3
    return digest.hexdigest()


@pytest.mark.parametrize("seed", range(8))
def test_every_invariant_holds_after_every_step_of_a_random_life(seed: int):
    stress(seed, 600, True)


def test_same_events_give_the_same_commands_in_another_core():
    assert stress(77, 800, False) == stress(77, 800, False)
    assert stress(78, 800, False) != stress(77, 800, False)


def test_intent_ids_rise_and_carry_the_epoch():
    world = trading_pair()
    ids = []
    for _ in range(300):
        world.core.apply_fill(0, BUY, 100, 6_000_000)
        world.now += 200 * MS
        _reason, index = world.submit(UNWIND, [(0, SELL, "60000.00", "0.001", 0)])
        intent = world.core.intent(index)
        ids.append(intent["intent_id"])
        world.core.release(intent["intent_id"], 0)
    assert ids == [7 << 32 | number for number in range(1, 301)]


def test_slot_with_an_open_order_is_not_reused():
    world = trading_pair({"max_orders_per_s": 10_000, "order_burst": 10_000})
    world.core.apply_fill(0, BUY, 100_000, 6_000_000)
    _reason, first = world.submit(UNWIND, [(0, SELL, "60000.00", "0.001", 0)])
    kept = world.core.intent_bytes(first)
    for _ in range(600):
        _reason, index = world.submit(UNWIND, [(0, SELL, "60000.00", "0.001", 0)])
        assert index != first
        world.core.release(world.core.intent(index)["intent_id"], 0)
    assert world.core.intent_bytes(first) == kept
    world.core.check()




def test_looking_gating_and_storing_allocate_nothing():
    rng = random.Random(5)
    world = make_world(4)
    fill_books(world, rng)
    records = ring(world, rng, 64)
    _result, calls = alloc_count.count(core_loops.time_updates, world.core, records, world.now, 100_000)
    assert calls < 20
