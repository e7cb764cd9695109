"""Orders that rest: price and size against plain Decimals, what the gate holds for the hedge, and when one is withdrawn."""
from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from cext.core import (
    CMD_CANCEL,
    CMD_SEND,
    GATE_IN_FLIGHT,
    GATE_NAMES,
    PAIR_ENTERING,
    PAIR_FLAT,
    SKIP_NAMES,
    PairParams,
)
from tests.support.core_world import BUY, MS, RESTRICTED, SELL, SPOT, World, instrument

POST_ONLY, HEDGE_ON_FILL, HEDGE = 1, 1, 5
BPS = Decimal(10_000)


def spots(**changes: Any) -> list[dict[str, Any]]:
    return [instrument(0, "spot", venue="binance", taker_fee="0.001", maker_fee="0.0002"),
            instrument(1, "spot", venue="bybit", taker_fee="0.001", maker_fee="0.0002", **changes)]


def quiet_params(maker: str, **changes: Any) -> PairParams:
    return PairParams(**{"maker": maker, "entry_net_bps": 1, "rest_depth_bps": 30, "max_notional_usd": 1000, **changes})


def rig(maker: str = "a", rows: list[dict[str, Any]] | None = None, limits: dict[str, Any] | None = None, **params: Any) -> World:
    """Two venues' spot; nothing to take at equal books, but a maker that rests below (or above) has its edge."""
    world = World(rows or spots(), limits)
    world.core.add_pair(0, 1, quiet_params(maker, **params))
    return world


def books(world: World, a: tuple[str, str], b: tuple[str, str], qty: str = "1") -> None:
    world.book(0, [(a[0], qty)], [(a[1], qty)])
    world.book(1, [(b[0], qty)], [(b[1], qty)])


def only(world: World, kind: int) -> tuple[int, int]:
    """(reason, pool index) of the one command that an evaluation gives."""
    found = world.evaluate()
    assert [one[0] for one in found] == [kind], [(one[0], GATE_NAMES[one[1]] if one[0] == 2 else SKIP_NAMES[one[1]])
                                                 for one in found] or world.core.pair_view(0)["why_not"]
    return found[0][1], found[0][2]


def quote(world: World) -> dict[str, Any]:
    return world.core.intent(only(world, CMD_SEND)[1])


# ---------------------------------------------------------------- price and size

def test_a_maker_that_buys_rests_at_the_price_whose_hedge_nets_what_is_asked():
    world = rig("a")
    books(world, ("100.00", "100.20"), ("100.25", "100.40"))
    intent = quote(world)
    (leg,) = intent["legs"]
    # Sells at 100.25 less 0.1 %, pays 0.02 % of what is delivered (fee in base: f / (1 - f)) and nets 1 bp: 100.1197 at most.
    assert (intent["kind"], intent["purpose"]) == (HEDGE_ON_FILL, 0)
    assert (leg["instrument_id"], leg["side"], leg["order_type"]) == (0, BUY, POST_ONLY)
    assert leg["limit_px"] == world.px(0, "100.01")          # a tick better than the best bid is enough
    books(world, ("100.00", "100.20"), ("100.12", "100.40"))
    assert world.core.pair_view(0)["state"] == PAIR_ENTERING


@pytest.mark.parametrize("maker", ["a", "b"])
def test_price_size_and_money_are_those_of_plain_decimals(maker, seeds):
    """The price pays at the deepest level that the size reaches, is on tick, never takes, and one tick better would not pay (or
    would be further than a tick ahead of its side)."""
    made = 0
    for seed in seeds:
        rng = random.Random(f"quote {maker} {seed}")
        for _ in range(40):
            made += _compare_one(rng, maker)
    assert made > 20 * len(list(seeds)), f"{made} quotes: nothing was tested"


test_price_size_and_money_are_those_of_plain_decimals.seed_count = 10


def _compare_one(rng: random.Random, maker: str) -> bool:
    rows = spots(fee_in_base=rng.random() < 0.5)
    world = rig(maker, rows, entry_net_bps=rng.choice((0, 1, 3)), max_notional_usd=rng.choice((50, 1000, 20_000)),
                allow_reverse="inventory")
    world.core.set_limits({"max_order_usd": 50_000, "max_delta_usd": 50_000, "price_band_pct": 100, "max_position_usd": 50_000,
                           "max_symbol_usd": 50_000, "collar_bps": 500})
    sides = []
    for row in (0, 1):
        mid = Decimal(10_000) + rng.randrange(-400, 400) * Decimal("0.01") * 3
        half = rng.randrange(1, 300) * Decimal("0.01")
        steps = [rng.randrange(1, 100) * Decimal("0.01") for _ in range(8)]
        bids = [(mid - half - sum(steps[:k]), Decimal(rng.randrange(1, 9000)).scaleb(-5)) for k in range(5)]
        asks = [(mid + half + sum(steps[:k]), Decimal(rng.randrange(1, 9000)).scaleb(-5)) for k in range(5)]
        sides.append((bids, asks))
        world.book(row, bids, asks)
    found = [one for one in world.evaluate() if one[0] == CMD_SEND]
    if not found or world.core.intent(found[0][2])["kind"] != HEDGE_ON_FILL:
        return False
    world.core.check()
    intent = world.core.intent(found[0][2])
    (leg,) = intent["legs"]
    row = leg["instrument_id"]
    assert row == "ab".index(maker)
    hedge = 1 - row
    buys = leg["side"] == BUY
    px, qty = Decimal(leg["limit_px"]).scaleb(-2), Decimal(leg["qty"]).scaleb(-5)
    bids, asks = sides[row]
    tick = Decimal("0.01")
    assert px <= bids[0][0] + tick if buys else px >= asks[0][0] - tick, "more than a tick better than its side"
    assert px < asks[0][0] if buys else px > bids[0][0], "it would take"
    against = sides[hedge][0 if buys else 1]
    maker_fee, taker_fee = Decimal("0.0002"), Decimal("0.001")
    in_base = world.core.instruments.row(row if buys else hedge)["fee_in_base"]
    fee = maker_fee if buys else taker_fee
    arrives = qty * (1 - fee) if in_base and buys else qty
    reached, level = Decimal(0), 0
    for level, (_, size) in enumerate(against):
        reached += size * ((1 - taker_fee) if not buys and world.core.instruments.row(hedge)["fee_in_base"] else 1)
        if reached >= arrives - Decimal("0.00002"):
            break
    params = world.core.params[0]
    net = Decimal(str(params.entry_net_bps)) / BPS
    bought, sold = (px, against[level][0]) if buys else (against[level][0], px)
    buy_fee = fee / (1 - fee) if in_base else fee
    sell_fee = taker_fee if buys else maker_fee
    assert sold * (1 - sell_fee) >= bought * (1 + buy_fee + net) * (1 - Decimal("1e-7")), "it does not pay"
    assert intent["worst_net_e8"] > 0 and intent["expected_net_e8"] >= intent["worst_net_e8"] - 1
    assert px * qty <= Decimal(str(params.max_notional_usd)) * Decimal("1.01")
    return True


def test_nothing_rests_further_from_the_touch_than_the_depth():
    world = rig("a", rest_depth_bps=2)
    books(world, ("100.00", "100.20"), ("100.10", "100.40"))     # pays up to 99.97, which is 3 bps below the bid
    assert world.evaluate() == [] and world.core.pair_view(0)["why_not"] == "NO_EDGE"


def test_a_maker_that_sells_rests_on_the_other_leg():
    world = rig("b")
    books(world, ("100.00", "100.05"), ("100.10", "100.40"))     # buys a at 100.05, so b from 100.18
    (leg,) = quote(world)["legs"]
    assert (leg["instrument_id"], leg["side"], leg["limit_px"]) == (1, SELL, world.px(1, "100.39"))


def test_what_can_be_taken_is_taken():
    world = rig("a")
    books(world, ("100.00", "100.01"), ("101.00", "101.10"))
    assert len(quote(world)["legs"]) == 2


def test_without_a_maker_leg_nothing_rests():
    world = rig("none")
    books(world, ("100.00", "100.20"), ("100.25", "100.40"))
    assert world.evaluate() == []


# ---------------------------------------------------------------- what the gate holds

def test_funds_of_the_hedge_are_held_and_go_with_hedges():
    world = rig("a")
    books(world, ("100.00", "100.20"), ("100.25", "100.40"))
    intent = quote(world)
    world.core.check()
    base = world.core.balance(1, SPOT, "BTC")["reserved_e8"]
    assert base >= intent["legs"][0]["qty"] * 10**3 * 99 // 100 and world.core.balance(0, SPOT, "USDT")["reserved_e8"] > 0
    assert world.core.market(1)["in_flight"] == 0 and world.core.market(1)["in_flight_sell"] == 0
    assert world.core.market(0)["in_flight"] == 1
    world.core.shrink_plan(intent["intent_id"], base // 10**3 // 4)
    world.core.check()
    assert world.core.balance(1, SPOT, "BTC")["reserved_e8"] == pytest.approx(base / 4, abs=10**3)
    assert world.core.release(intent["intent_id"], 0) and world.core.release(intent["intent_id"], 1)
    world.core.check()
    assert world.core.balance(1, SPOT, "BTC")["reserved_e8"] == 0 and world.core.resting == 0


def test_an_order_that_rests_is_no_intent_in_flight_but_has_a_limit_of_its_own():
    world = rig("a", limits={"max_resting": 0})
    books(world, ("100.00", "100.20"), ("100.25", "100.40"))
    (command,) = world.evaluate()
    assert command[1] == GATE_IN_FLIGHT
    world = rig("a", limits={"max_in_flight": 0})
    books(world, ("100.00", "100.20"), ("100.25", "100.40"))
    quote(world)
    assert (world.core.state()["in_flight"], world.core.resting) == (0, 1)


def test_what_the_gate_refused_is_not_asked_again_with_every_record():
    world = rig("a", limits={"max_resting": 0}, rest_pause_ms=500)
    for _ in range(5):
        books(world, ("100.00", "100.20"), ("100.25", "100.40"))
        world.evaluate()
        world.now += 10 * MS
    assert world.core.counters()["rejects"] == {"IN_FLIGHT": 1} and world.core.pair_view(0)["why_not"] == "PAUSE"


def test_a_hedge_passes_while_only_reducing_orders_do():
    world = rig("a")
    books(world, ("100.00", "100.20"), ("100.25", "100.40"))
    intent = quote(world)
    world.core.apply_fill(0, BUY, 100_000, world.px(0, "100.01"), 0, 0, False)
    world.core.set_trading_word(RESTRICTED)
    leg = (1, SELL, world.px(1, "100.15"), 100_000, 0)
    assert GATE_NAMES[world.core.submit(HEDGE, intent["trade_id"], 0, [leg], 2, 500 * MS, world.now, world.wall)[0]] == "OK"
    world.core.check()


# ---------------------------------------------------------------- when it is withdrawn

def standing(maker: str = "a", **params: Any) -> World:
    world = rig(maker, **params)
    books(world, ("100.00", "100.20"), ("100.25", "100.40"))
    quote(world)
    return world


def why_withdrawn(world: World) -> str:
    return SKIP_NAMES[only(world, CMD_CANCEL)[0]]


def test_it_stands_while_half_of_what_was_asked_is_left_and_goes_after_that():
    world = standing(entry_net_bps=4)       # rests at 100.01, hedged at 100.25
    bound = Decimal("100.01") * (1 + Decimal("0.0002") / (1 - Decimal("0.0002")) + 2 / BPS) / (1 - Decimal("0.001"))
    books(world, ("100.00", "100.20"), (str(bound.quantize(Decimal("0.01"), rounding="ROUND_CEILING")), "100.40"))
    assert world.evaluate() == []
    books(world, ("100.00", "100.20"), (str(bound.quantize(Decimal("0.01"), rounding="ROUND_FLOOR")), "100.40"))
    assert why_withdrawn(world) == "NET"
    books(world, ("100.00", "100.20"), ("99.00", "100.40"))
    assert world.evaluate() == [], "told twice"
    world.core.check()


def test_it_goes_when_the_market_has_left_it_behind():
    world = standing(rest_depth_bps=5)
    books(world, ("100.15", "100.35"), ("100.40", "100.60"))
    assert why_withdrawn(world) == "TOO_FAR"


@pytest.mark.parametrize("cause, word", [
    (lambda world: world.core.set_trading_word(RESTRICTED), "TRADING_STATE"),
    (lambda world: world.core.set_enabled(0, False), "DISABLED"),
    (lambda world: world.core.lock_row(1, world.now + 10**12), "LOCKED"),
    (lambda world: world.core.lock_all(world.now + 10**12), "LOCKED"),
    (lambda world: world.core.request_exit(None), "STATE"),
    (lambda world: setattr(world, "now", world.now + 3_000 * MS), "DATA"),
])
def test_it_goes_without_any_book_moving(cause, word):
    """A dead feed touches no row: the shell asks for a look."""
    world = standing()
    cause(world)
    assert world.core.watch_quotes() and why_withdrawn(world) == word


def test_a_pair_that_wants_to_take_on_its_row_sends_it_away():
    rows = [*spots(), instrument(2, "linear", venue="binance")]
    world = World(rows)
    world.core.add_pair(0, 1, quiet_params("a"))
    world.core.add_pair(0, 2, PairParams(entry_net_bps=1, exit_cost_bps=0))
    world.book(2, [("100.0", "1")], [("100.3", "1")])
    books(world, ("100.00", "100.20"), ("100.25", "100.40"))
    quote(world)
    world.book(2, [("101.0", "1")], [("101.1", "1")])
    assert why_withdrawn(world) == "ROW_BUSY"
    world.core.check()


def test_the_next_one_waits_for_its_pause():
    world = standing(rest_pause_ms=500)
    view = world.core.pair_view(0)
    for leg in (0, 1):
        assert world.core.release(world.core.open_intents()[0], leg)
    world.core.set_pair_state(0, PAIR_FLAT)
    world.core.rearm(0, 0)
    world.now += 100 * MS
    books(world, ("100.00", "100.20"), ("100.25", "100.40"))
    assert world.evaluate() == [] and world.core.pair_view(0)["why_not"] == "PAUSE"
    world.now += 500 * MS
    books(world, ("100.00", "100.21"), ("100.26", "100.40"))
    assert quote(world)["intent_id"] != view["trade_id"]
    world.core.check()


def test_the_maker_leg_is_spelled_out():
    world = World(spots())
    with pytest.raises(ValueError, match="right is none, a or b"):
        world.core.add_pair(0, 1, PairParams(maker="first"))
    world = standing()
    with pytest.raises(ValueError, match="cannot change while"):
        world.core.set_params(0, quiet_params("b"))
