"""Joint sizing against the slow twin (tests/support/slow_core.py): thousands of random books, lots, fees, both directions, exact
money."""
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from cext.core import CMD_SEND, DIRECTION_FORWARD, DIRECTION_REVERSE, PAIR_OPEN, PairParams
from tests.support.core_world import BUY, COMPLETE, MS, SELL, VALID, World, instrument, trading_pair
from tests.support.slow_core import SLACK_LOTS, Entry, Exit, check_entry, check_exit

SEEDS = range(40)
BOOKS_A_SEED = 80


# Kinds of pairs: (market of a, market of b), whether both are on one venue, whether that has a unified account.
KINDS = {"SPOT_PERP": (("spot", "linear"), True, False), "unified": (("spot", "linear"), True, True),
         "across": (("spot", "linear"), False, True), "PERP_PERP": (("linear", "linear"), False, False),
         "SPOT_SPOT": (("spot", "spot"), False, True)}


def random_rows(rng: random.Random, kind: str = "SPOT_PERP") -> list[dict[str, Any]]:
    """The two legs with drawn scales, ticks, lots, filters and fees; sometimes a perpetual of a thousand coins."""
    multiplier = rng.choice([1, 1, 1, 1000])
    markets, is_one_venue, is_unified = KINDS[kind]
    rows = []
    for row_id, market in enumerate(markets):
        px_scale, qty_scale = rng.randrange(0, 5), rng.randrange(0, 6)
        tick = rng.choice([1, 1, 5, 10, 25])
        lot = rng.choice([1, 1, 2, 5, 10])
        changes: dict[str, Any] = {
            "px_scale": px_scale, "qty_scale": qty_scale, "tick": str(Decimal(tick).scaleb(-px_scale)),
            "lot": str(Decimal(lot).scaleb(-qty_scale)),
            "min_qty": str(Decimal(lot * rng.choice([1, 1, 3])).scaleb(-qty_scale)), "min_notional": rng.choice(["0", "5", "10"]),
            "max_qty": str(Decimal(lot * rng.choice([500, 100_000, 1_000_000])).scaleb(-qty_scale)), "min_px": "0", "max_px": "0",
            "taker_fee": rng.choice(["0", "0.0002", "0.00075", "0.001", "0.001", "0.0123"])}
        changes |= {"venue": "binance" if row_id == 0 or is_one_venue else "bybit", "account": "unified" if is_unified else ""}
        is_multiplied = market == "linear" and multiplier == 1000 and row_id == 1
        if is_multiplied:
            changes |= {"multiplier": 1000, "underlying": "BTC"}
        rows.append(instrument(row_id, market, "1000BTC" if is_multiplied else "BTC", **changes))
    return rows


def random_side(rng: random.Random, world: World, row: int, best: float, step: int) -> list[tuple[int, int]]:
    """Up to 16 levels, best first, from `best` (per underlying unit) away; step -1 for bids, 1 for asks."""
    raw = world.rows[row]
    tick = int(Decimal(raw["tick"]).scaleb(raw["px_scale"]))
    lot = int(Decimal(raw["lot"]).scaleb(raw["qty_scale"]))
    px = max(tick, round(best * raw["multiplier"] * 10 ** raw["px_scale"] / tick) * tick)
    levels = []
    for _ in range(rng.randrange(1, 17)):
        worth = rng.choice([1, 40, 300, 5_000]) / best / raw["multiplier"] * 10 ** raw["qty_scale"]
        qty = max(1, round(worth / lot)) * lot + rng.choice([0, 0, rng.randrange(0, lot)])
        levels.append((px, qty))
        px += step * tick * rng.choice([1, 1, 2, 5])
        if px <= 0:
            break
    return levels


def random_world(rng: random.Random, allow_reverse: bool, kind: str = "SPOT_PERP") -> World:
    world = World(random_rows(rng, kind), {"max_order_usd": rng.choice([100, 5_000, 1_000_000]), "max_position_usd": 10**8,
                                     "max_symbol_usd": 10**8,
                                     "max_venue_usd": 10**9, "max_total_usd": 10**9, "max_delta_usd": 10**8, "collar_bps": 5000})
    for venue in range(len(world.array.venues)):
        world.core.set_balance(venue, 1, "USDT", rng.choice([50, 1_000, 10**7, 10**7]) * 10**8)
        world.core.set_balance(venue, 2, "USDT", rng.choice([300, 10_000, 10**8, 10**8]) * 10**8)
        world.core.set_balance(venue, 1, "BTC", rng.choice([0, 50, 10**7, 10**7]) * 10**8)
    for row in (0, 1):
        if kind != "SPOT_PERP" and world.rows[row]["market"] == "spot" and rng.random() < 0.3:
            world.core.set_pledge(9, row, rng.choice([1, 40, 3_000]) * 10**8 + rng.randrange(10**8))
    world.core.add_pair(0, 1, PairParams(
        entry_net_bps=rng.choice([0, 1, "2.5", 20]), exit_cost_bps=rng.choice([None, 0, 10, "-3"]),
        exit_basis_bps=rng.choice([0, 1]),
        funding_bps=rng.choice([0, 0, 3, -4]), max_notional_usd=rng.choice([200, 10_000, 10**6]),
        slippage_ticks=rng.choice([0, 0, 1, 3]),
        slippage_bps=rng.choice([0, 0, "1.5"]), allow_reverse="inventory" if allow_reverse else "none", horizon_s=60))
    if kind != "SPOT_PERP":
        world.core.set_extra_cost(0, rng.choice([0.0, 1.5, 30.0]), rng.choice([0.0, 2.25, 30.0]))
    return world


CASES = [("SPOT_PERP", seed) for seed in SEEDS] + [(kind, seed) for kind in list(KINDS)[1:] for seed in range(100, 115)]


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_size_limits_and_money_of_random_books_equal_the_twins(kind: str, seed: int):
    rng = random.Random(seed)
    fired = 0
    for number in range(BOOKS_A_SEED):
        allow_reverse = rng.random() < 0.4 or kind in ("PERP_PERP", "SPOT_SPOT")
        world = random_world(rng, allow_reverse, kind)
        mid = rng.choice([4.2, 97.0, 1234.5, 65_432.1])
        basis = rng.choice([0.003, 0.005, 0.01, 0.03, 0.05]) * (-1 if allow_reverse and rng.random() < 0.7 else 1)
        for row, center in ((0, mid), (1, mid * (1 + basis))):
            bids = random_side(rng, world, row, center * 0.9999, -1)
            asks = random_side(rng, world, row,
                               bids[0][0] / 10 ** world.rows[row]["px_scale"] / world.rows[row]["multiplier"] * 1.0002, 1)
            if asks[0][0] <= bids[0][0]:
                shift = bids[0][0] - asks[0][0] + int(Decimal(world.rows[row]["tick"]).scaleb(world.rows[row]["px_scale"]))
                asks = [(px + shift, qty) for px, qty in asks]
            world.core.on_book(row, world.record(row, bids, asks, VALID | rng.choice([0, COMPLETE])), row, world.now, world.wall)
        twins = {DIRECTION_FORWARD: Entry(world, 0, DIRECTION_FORWARD)}
        if allow_reverse:
            twins[DIRECTION_REVERSE] = Entry(world, 0, DIRECTION_REVERSE)
        largest = {direction: twin.largest() if twin.has_edge() else Fraction(0) for direction, twin in twins.items()}
        commands = world.evaluate()
        what = f"{kind} seed {seed} book {number}: {world.core.pair_view(0)} {world.rows}"
        sent = [index for kind, _reason, index in commands if kind == CMD_SEND]
        if not sent:
            for direction, twin in twins.items():
                qty = largest[direction] - (SLACK_LOTS + 1) * twin.lot
                if qty > 0 and is_worth_an_order(twin, qty):
                    view = world.core.pair_view(0)
                    # The deepest limits hold for the whole size: a large one may net nothing at worst where a small one would.
                    is_lost = view["why_not"] == "WORST_NET" and not is_worth_an_order(twin, largest[direction])
                    assert is_lost or view["last_gate"] != "OK" or view["why_not"] == "NONE", (
                        f"{what}: {float(largest[direction])} was possible"
                    )
            continue
        fired += 1
        intent = world.core.intent(sent[0])
        direction = DIRECTION_FORWARD if intent["legs"][0]["side"] == BUY else DIRECTION_REVERSE
        try:
            check_entry(world, intent, twins[direction], largest[direction])
        except AssertionError as error:
            raise AssertionError(f"{error} in {what}") from error
        world.core.check()
    assert fired > 0, f"seed {seed}: nothing fired, the test tests nothing"


@pytest.mark.parametrize(("kind", "seed"), [("SPOT_PERP", seed) for seed in range(20)]
                         + [(kind, seed) for kind in ("unified", "across", "PERP_PERP") for seed in range(20, 27)])
def test_exits_of_random_holdings_equal_the_twins(kind: str, seed: int):
    rng = random.Random(1000 + seed)
    closed = 0
    for number in range(60):
        world = random_world(rng, True, kind)
        mid = rng.choice([4.2, 97.0, 1234.5, 65_432.1])
        is_forced = rng.random() < 0.5
        for row, center in ((0, mid), (1, mid * (1 + rng.choice([-0.01, -0.002, 0.0, 0.002, 0.01])))):
            raw = world.rows[row]
            tick = int(Decimal(raw["tick"]).scaleb(raw["px_scale"]))
            bids = random_side(rng, world, row, center * 0.9999, -1)
            asks = random_side(rng, world, row, center * 1.0001, 1)
            if asks[0][0] <= bids[0][0]:
                asks = [(px + bids[0][0] - asks[0][0] + tick, qty) for px, qty in asks]
            world.core.on_book(row, world.record(row, bids, asks, VALID | COMPLETE), row, world.now, world.wall)
        twin_units = Entry(world, 0, DIRECTION_FORWARD)
        lots = rng.choice([1, 3, 10, 100])
        value = lots * twin_units.lot
        sign = rng.choice([1, -1])
        spot = int(value / twin_units.buy.qty_unit) + rng.choice([0, 0, 1])
        perp = int(value / twin_units.sell.qty_unit)
        # Another trade may hold as much the other way on a perpetual: the account's own position is then smaller, or none.
        others = [rng.choice([0, 0, 1]) if raw["market"] == "linear" and kind != "SPOT_PERP" else 0 for raw in world.rows]
        world.core.set_position(0, sign * spot * (1 - others[0]), world.core.market(0)["bids"][0][0])
        world.core.set_position(1, -sign * perp * (1 - others[1]), world.core.market(1)["bids"][0][0])
        world.core.set_pair_state(0, PAIR_OPEN, sign * spot, -sign * perp, 5, world.now, world.wall)
        if is_forced:
            world.core.request_exit(0)
        twin = Exit(world, 0, is_forced)
        commands = world.evaluate()
        sent = [index for kind, _reason, index in commands if kind == CMD_SEND]
        what = f"seed {seed} exit {number}: {world.core.pair_view(0)} {world.rows}"
        if sent and twin.fits_one_order():
            closed += 1
            try:
                assert twin.is_possible(twin.full)
                check_exit(twin, world.core.intent(sent[0]))
            except AssertionError as error:
                raise AssertionError(f"{error} in {what}") from error
        elif twin.full > 0 and twin.fits_one_order() and twin.is_possible(twin.full + 2 * twin.buy.lot):
            view = world.core.pair_view(0)
            assert view["why_not"] in ("BELOW_MIN", "STATE") or view["last_gate"] != "OK", what
        world.core.check()
    assert closed > 0, f"seed {seed}: nothing closed, the test tests nothing"


def is_worth_an_order(twin: Entry, qty: Fraction) -> bool:
    """Both orders reach the venues' minima, and the result is positive to the unit."""
    limits = twin.limits(qty)
    if limits is None:
        return False
    for leg, limit, size in ((twin.buy, limits[0], twin.buy.gross(qty)), (twin.sell, limits[1], qty)):
        if size < Fraction(leg.raw["min_qty"]) * leg.multiplier or size * limit < Fraction(leg.raw["min_notional"]):
            return False
    net, worst, _notional = twin.money(qty, *limits)
    return net > 0 and worst > 0


def test_legs_are_on_a_lot_that_both_venues_accept_and_spot_is_bought_gross():
    world = trading_pair(max_notional_usd=1_000)
    world.now += MS
    world.book(1, [("60400.0", "5")], [("60400.1", "1")])
    spot, perp = world.core.intent(world.evaluate()[0][2])["legs"]
    assert (spot["side"], perp["side"]) == (BUY, SELL)
    assert perp["qty"] == 16 and perp["qty"] % 1 == 0
    assert spot["qty"] == 1602  # 0.016 / (1 - 0.001) = 0.016016..., up to the spot lot
    assert spot["qty"] * 999 >= perp["qty"] * 100 * 1000


def test_walk_that_reaches_the_last_given_level_caps_the_size_and_is_counted():
    world = trading_pair(max_notional_usd=1_000_000, entry_net_bps=1)
    world.core.set_limits({"max_order_usd": 100_000, "max_position_usd": 10**6, "max_symbol_usd": 10**6, "max_venue_usd": 10**6,
                           "max_total_usd": 10**6, "max_delta_usd": 10**6})
    world.core.set_balance(0, 2, "USDT", 10**6 * 10**8)
    world.now += MS
    world.book(1, [("60400.0", "0.300"), ("60399.0", "0.200")], [("60401.0", "1")], VALID)
    intent = world.core.intent(world.evaluate()[0][2])
    assert intent["legs"][1]["qty"] == 500
    assert intent["legs"][1]["limit_px"] == 603990
    assert world.core.pair_view(0)["depth_end"] == 1


def test_complete_book_may_be_taken_to_its_end_without_remark():
    world = trading_pair(max_notional_usd=1_000_000)
    world.core.set_limits({"max_order_usd": 100_000, "max_position_usd": 10**6, "max_symbol_usd": 10**6, "max_delta_usd": 10**6})
    world.core.set_balance(0, 2, "USDT", 10**6 * 10**8)
    world.now += MS
    world.book(1, [("60400.0", "0.300")], [("60401.0", "1")], VALID | COMPLETE)
    assert world.core.intent(world.evaluate()[0][2])["legs"][1]["qty"] == 300
    assert world.core.pair_view(0)["depth_end"] == 0


def test_walk_stops_at_the_level_whose_marginal_unit_no_longer_pays():
    world = trading_pair(max_notional_usd=100_000, entry_net_bps=1)
    world.core.set_limits({"max_order_usd": 100_000, "max_position_usd": 10**6, "max_symbol_usd": 10**6, "max_delta_usd": 10**6})
    world.core.set_balance(0, 2, "USDT", 10**6 * 10**8)
    world.now += MS
    # Costs are 10.011 + 5 now, 10.011 + 5 + 1 at the exit, 1 net: about 32 bps above 60000.10 is 60193; 60200 pays, 60190 does
    # not.
    world.book(1, [("60200.0", "0.010"), ("60190.0", "5")], [("60210.0", "1")])
    intent = world.core.intent(world.evaluate()[0][2])
    assert (intent["legs"][1]["qty"], intent["legs"][1]["limit_px"]) == (10, 602000)


def test_cautious_state_halves_the_size():
    sizes = []
    for word in (0, 1):
        world = trading_pair(max_notional_usd=1_000)
        world.core.set_trading_word(word)
        world.now += MS
        world.book(1, [("60400.0", "5")], [("60400.1", "1")])
        sizes.append(world.core.intent(world.evaluate()[0][2])["legs"][1]["qty"])
    assert sizes == [16, 8]


@pytest.mark.parametrize("market, why", [(1, "BALANCE"), (2, "MARGIN")])
def test_missing_money_is_named(market: int, why: str):
    world = trading_pair()
    world.core.set_balance(0, market, "USDT", 20 * 10**8)
    world.now += MS
    world.book(1, [("60400.0", "5")], [("60400.1", "1")])
    assert [kind for kind, _, _ in world.evaluate()] == [3]
    assert world.core.pair_view(0)["why_not"] == why


def test_reverse_needs_permission_and_inventory():
    for allow, inventory, why in (("none", 10, "NO_EDGE"), ("inventory", 0, "INVENTORY"), ("inventory", 10, "NONE")):
        world = trading_pair(allow_reverse=allow)
        world.core.set_balance(0, 1, "BTC", inventory * 10**8)
        world.now += MS
        world.book(1, [("59600.0", "5")], [("59600.1", "5")])
        commands = world.evaluate()
        assert world.core.pair_view(0)["why_not"] == why
        if why == "NONE":
            spot, perp = world.core.intent(commands[0][2])["legs"]
            assert (spot["side"], perp["side"]) == (SELL, BUY)
            assert spot["qty"] == perp["qty"] * 100  # no fee in base: what is sold is what is bought


def open_pair(exit_partial: bool = False, **params: Any) -> tuple[World, dict[str, Any]]:
    """A forward entry, filled; the books still show the edge."""
    world = trading_pair(exit_partial=exit_partial, **params)
    world.now += MS
    world.book(1, [("60400.0", "5")], [("60400.1", "1")])
    intent = world.fill_all(world.evaluate()[0][2])
    market = [world.core.position(row) for row in (0, 1)]
    world.core.set_pair_state(0, PAIR_OPEN, market[0], market[1], intent["trade_id"], world.now, world.wall)
    world.core.rearm(0, world.now)
    return world, intent


def test_exit_closes_what_is_held_when_the_basis_is_gone():
    world, entry = open_pair()
    world.now += MS
    world.book(0, [("60200.00", "1")], [("60200.10", "1")])
    world.book(1, [("60300.0", "1")], [("60300.1", "1")])
    assert world.evaluate() == []
    assert world.core.pair_view(0)["why_not"] == "HOLD"
    world.now += MS
    world.book(1, [("60199.8", "1")], [("60199.9", "1")])
    world.book(0, [("60200.00", "1")], [("60200.10", "1")])
    commands = world.evaluate()
    exit_intent = world.core.intent(commands[0][2])
    spot, perp = exit_intent["legs"]
    assert (spot["side"], spot["qty"]) == (SELL, 1600) and (perp["side"], perp["qty"], perp["flags"]) == (BUY, 16, 1)
    assert exit_intent["trade_id"] == entry["trade_id"] and exit_intent["purpose"] == 1
    assert world.core.pair_view(0)["exit_cause"] == "CONVERGED"


@pytest.mark.parametrize("cause", ["HORIZON", "FUNDING", "REQUESTED"])
def test_exit_is_forced_by_horizon_funding_and_request(cause: str):
    world, _entry = open_pair(horizon_s=10, funding_exit_bps=1)
    world.now += MS
    for row in (0, 1):
        world.book(row, [("60300.0", "1")], [("60300.1", "1")])
    world.book(1, [("60330.0", "1")], [("60330.1", "1")])
    assert world.evaluate() == []
    if cause == "HORIZON":
        world.now += 10_000 * MS
        world.book(0, [("60300.00", "1")], [("60300.10", "1")])
        world.book(1, [("60330.0", "1")], [("60330.1", "1")])
    elif cause == "FUNDING":
        world.funding(1, "60330.0", "-0.0002")
    else:
        world.core.request_exit(0)
    assert [kind for kind, _, _ in world.evaluate()] == [CMD_SEND]
    assert world.core.pair_view(0)["exit_cause"] == cause


def test_funding_that_is_paid_to_us_forces_nothing():
    world, _entry = open_pair(funding_exit_bps=1)
    world.now += MS
    world.funding(1, "60400.0", "0.01")
    world.book(0, [("60000.00", "1")], [("60000.10", "1")])
    world.book(1, [("60400.0", "1")], [("60400.1", "1")])
    assert world.evaluate() == []


@pytest.mark.parametrize("depth, is_partial, sold",
                         [("0.016", False, 16), ("0.009", False, None), ("0.009", True, 9), ("0.0155", True, None)])
def test_exit_is_whole_unless_slices_are_allowed_and_what_stays_can_be_traded(depth: str, is_partial: bool, sold: int | None):
    world, _entry = open_pair(is_partial)
    world.now += MS
    world.book(0, [("60200.00", "1")], [("60200.10", "1")])
    levels = [("60199.9", depth)] if len(depth) == 5 else [("60199.9", "0.015")]
    world.book(1, [("60199.8", "1")], levels, VALID)
    commands = [command for command in world.evaluate() if command[0] == CMD_SEND]
    if sold is None and is_partial:
        # 0.001 would stay: 60 USDT, tradable, so a slice of 0.015 goes
        assert world.core.intent(commands[0][2])["legs"][1]["qty"] == 14
    elif sold is None:
        assert commands == []
    else:
        assert world.core.intent(commands[0][2])["legs"][1]["qty"] == sold


def test_holding_above_the_venues_largest_order_is_closed_in_slices():
    world, entry = open_pair()
    # 150 BTC; 100 is the most
    world.core.set_pair_state(0, PAIR_OPEN, 15_000_000, -150_000, entry["trade_id"], world.now, world.wall)
    world.core.set_position(0, 15_000_000, 6_000_000)
    world.core.set_position(1, -150_000, 600_000)
    world.core.set_balance(0, 1, "BTC", 1_000 * 10**8)
    world.now += MS
    world.book(0, [("60200.00", "500")], [("60200.10", "1")])
    world.book(1, [("60199.8", "1")], [("60199.9", "500")])
    spot, perp = world.core.intent(world.evaluate()[0][2])["legs"]
    assert (spot["qty"], perp["qty"]) == (10_000_000, 100_000)
