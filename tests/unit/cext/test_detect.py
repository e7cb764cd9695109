"""Detection: which records lead to an intent, which do not, and why; the same liquidity is not hit twice."""
import pytest

from cext.core import CMD_EXPLAIN, CMD_REFUSED, CMD_SEND, PAIR_FLAT, PAIR_OPEN, PAIR_RECOVERING, PairParams
from tests.support.core_world import COMPLETE, CROSSED, MS, REPEAT, RESTRICTED, SECOND, VALID, World, instrument, trading_pair


def edge(world: World, **kwargs) -> None:
    """The perpetual 66 bps above spot."""
    world.book(1, [("60400.0", "5")], [("60400.1", "5")], **kwargs)


def sent(world: World) -> list[int]:
    return [index for kind, _reason, index in world.evaluate() if kind == CMD_SEND]


def why(world: World) -> str:
    return world.core.pair_view(0)["why_not"]


def test_edge_below_the_threshold_by_one_tick_does_not_fire_and_at_it_does():
    # keep 0.9995, cost 1 + 0.00100101 + 0.00160101 + 0.0001: sell px >= 60000.10 * 1.00270202 / 0.9995 = 60192.32...
    for px, fires in (("60192.3", False), ("60192.4", True)):
        world = trading_pair()
        world.now += MS
        world.book(1, [(px, "5")], [("60400.1", "5")])
        assert bool(sent(world)) == fires
        assert why(world) == ("NONE" if fires else "NO_EDGE")


def test_funding_expected_moves_the_threshold_both_ways():
    for funding, fires in ((0, False), (1, True), (-1, False)):
        world = trading_pair(funding_bps=funding)
        world.now += MS
        world.book(1, [("60190.0", "5")], [("60400.1", "5")])
        assert bool(sent(world)) == fires


def test_normal_basis_counts_as_cost_of_the_exit():
    for basis, fires in ((0.0, True), (40.0, False)):
        world = trading_pair()
        world.core.set_signals(0, basis, 0.0, 0.0)
        world.now += MS
        edge(world)
        assert bool(sent(world)) == fires


@pytest.mark.parametrize("flags, name", [(0, "NO_BOOK"), (COMPLETE, "NO_BOOK"), (VALID | CROSSED, "NO_EDGE")])
def test_unusable_book_never_fires(flags: int, name: str):
    world = trading_pair()
    world.now += MS
    edge(world, flags=flags)
    assert sent(world) == []
    assert why(world) == name


def test_empty_side_never_fires():
    world = trading_pair()
    world.now += MS
    world.book(1, [], [("60400.1", "5")])
    world.book(0, [], [])
    assert sent(world) == []


def test_disabled_pair_and_halted_core_do_not_enter():
    world = trading_pair(is_enabled=False)
    edge(world)
    assert sent(world) == [] and why(world) == "DISABLED"
    world = trading_pair()
    world.core.set_trading_word(RESTRICTED)
    world.now += MS
    edge(world)
    assert sent(world) == [] and why(world) == "TRADING_STATE"


def test_core_starts_halted():
    assert trading_pair().core.state()["trading_word"] == 0
    world = World()
    from cext.core import Core
    assert Core(world.array).state()["trading_word"] == 3


def test_row_is_looked_at_once_however_many_records_came():
    world = trading_pair()
    for _ in range(5):
        world.book(0, [("60000.00", "1")], [("60000.10", "1")])
    before = world.core.counters()["evaluations"]
    world.evaluate()
    assert world.core.counters()["evaluations"] == before + 1
    world.evaluate()
    assert world.core.counters()["evaluations"] == before + 1


def test_only_pairs_of_the_touched_instrument_are_looked_at():
    rows = [instrument(0, "spot"), instrument(1, "linear"), instrument(2, "spot", "ETH"), instrument(3, "linear", "ETH")]
    world = World(rows)
    world.core.add_pair(0, 1)
    world.core.add_pair(2, 3)
    world.book(2, [("60000.00", "1")], [("60000.10", "1")])
    world.evaluate()
    assert world.core.counters()["evaluations"] == 1
    assert [world.core.pair_view(k)["why_not"] for k in (0, 1)] == ["NONE", "NO_BOOK"]


def fired() -> tuple[World, dict]:
    world = trading_pair()
    world.now += MS
    edge(world)
    indices = sent(world)
    assert len(indices) == 1
    return world, world.core.intent(indices[0])


def test_pair_that_fired_waits_for_its_trade():
    world, _intent = fired()
    world.now += MS
    edge(world)
    assert sent(world) == [] and why(world) == "STATE"


def finish(world: World, intent: dict, after: int) -> None:
    """The trade ended without a fill."""
    for leg in (0, 1):
        assert world.core.release(intent["intent_id"], leg)
    world.core.set_pair_state(0, PAIR_FLAT)
    world.core.rearm(0, after)


def test_flat_pair_is_not_armed_before_it_is_told():
    world, intent = fired()
    for leg in (0, 1):
        world.core.release(intent["intent_id"], leg)
    world.core.set_pair_state(0, PAIR_FLAT)
    world.now += MS
    edge(world)
    world.book(0, [("60000.00", "1")], [("60000.10", "1")])
    assert sent(world) == [] and why(world) == "NOT_ARMED"


def test_both_books_must_be_newer_than_the_trade_that_took_from_them():
    world, intent = fired()
    world.now += 10 * MS
    finish(world, intent, world.now)
    edge(world)  # stamped at the terminal event, not after it
    assert sent(world) == [] and why(world) == "CONSUMED"
    world.now += 1
    edge(world)
    assert sent(world) == [] and why(world) == "CONSUMED", "only one of the two is newer"
    world.book(0, [("60000.00", "1")], [("60000.10", "1")])
    assert len(sent(world)) == 1


def test_repeated_record_and_unchanged_update_id_are_not_newer_data():
    world, intent = fired()
    world.now += 10 * MS
    finish(world, intent, world.now)
    world.now += MS
    edge(world)
    world.book(0, [("60000.00", "1")], [("60000.10", "1")], flags=VALID | REPEAT)
    assert sent(world) == [] and why(world) == "CONSUMED"
    ids = intent["legs"][0]
    world.book(0, [("60000.00", "1")], [("60000.10", "1")], depth_update_id=ids["depth_update_id"],
               top_update_id=ids["top_update_id"])
    assert sent(world) == [] and why(world) == "CONSUMED"
    world.book(0, [("60000.00", "1")], [("60000.10", "1")])
    assert len(sent(world)) == 1


def test_order_in_flight_on_a_shared_instrument_keeps_its_other_pairs_back():
    rows = [instrument(0, "spot"), instrument(1, "linear"), instrument(2, "linear", "BTCB", underlying="BTC")]
    world = World(rows, {"max_in_flight": 8})
    world.core.add_pair(0, 1)
    world.core.add_pair(0, 2)
    world.book(0, [("60000.00", "5")], [("60000.10", "5")])
    for row in (1, 2):
        world.book(row, [("60400.0", "5")], [("60400.1", "5")])
    indices = sent(world)
    assert len(indices) == 1
    assert world.core.pair_view(1)["why_not"] == "ROW_BUSY"
    intent = world.core.intent(indices[0])
    finish(world, intent, world.now)
    world.now += MS
    world.book(0, [("60000.00", "5")], [("60000.10", "5")])
    world.book(2, [("60400.0", "5")], [("60400.1", "5")])
    assert len(sent(world)) == 1 and world.core.pair_view(1)["state"] == 1


def test_commands_beyond_the_capacity_come_with_the_next_look():
    rows = []
    for coin in range(5):
        rows += [instrument(2 * coin, "spot", f"C{coin}"), instrument(2 * coin + 1, "linear", f"C{coin}")]
    world = World(rows, {"max_total_usd": 10**6, "max_venue_usd": 10**6})
    for coin in range(5):
        world.core.add_pair(2 * coin, 2 * coin + 1, PairParams(max_notional_usd=200))
        world.book(2 * coin, [("60000.00", "5")], [("60000.10", "5")])
        world.book(2 * coin + 1, [("60400.0", "5")], [("60400.1", "5")])
    counts = []
    while commands := world.core.evaluate(world.now, world.wall, 2):
        counts.append([kind for kind, _, _ in commands])
        world.core.check()
    assert counts == [[CMD_SEND] * 2, [CMD_SEND] * 2, [CMD_SEND]]
    assert len({world.core.intent(k)["intent_id"] for k in range(5)}) == 5


def test_lasting_edge_that_is_refused_is_told_once_a_second():
    world = trading_pair()
    world.core.lock_all(2**62)
    told = 0
    for _ in range(25):
        world.now += 100 * MS
        world.book(0, [("60000.00", "5")], [("60000.10", "5")])
        edge(world)
        commands = world.evaluate()
        assert all(kind == CMD_REFUSED for kind, _, _ in commands)
        told += len(commands)
    assert told == 3
    assert world.core.counters()["rejects"]["LOCK_ALL"] == 50
    assert world.core.pair_view(0)["last_gate"] == "LOCK_ALL"


def test_edge_that_cannot_be_sized_is_explained():
    world = trading_pair()
    world.core.set_balance(0, 1, "USDT", 0)
    world.now += MS
    edge(world)
    assert [(kind, world.core.intent(index)["pair_index"]) for kind, _, index in world.evaluate()] == [(CMD_EXPLAIN, 0)]


def test_recovering_pair_is_left_to_the_calm_floor():
    world = trading_pair()
    world.core.set_pair_state(0, PAIR_RECOVERING)
    edge(world)
    assert sent(world) == [] and why(world) == "STATE"


def test_open_pair_with_one_side_only_or_equal_signs_is_refused():
    world = trading_pair()
    for spot, perp in ((10, 10), (-10, -10), (0, 0)):
        with pytest.raises(ValueError, match="must be opposite"):
            world.core.set_pair_state(0, PAIR_OPEN, spot, perp)


def test_close_all_closes_what_opens_later_too():
    world, intent = fired()
    world.core.request_exit()
    spot, perp = (leg["qty"] * sign for leg, sign in zip(intent["legs"], (1, -1), strict=True))
    for leg in (0, 1):
        order = intent["legs"][leg]
        fee = -(-order["qty"] // 1000) if leg == 0 else 0
        world.core.apply_fill(leg, order["side"], order["qty"], order["limit_px"], fee)
        world.core.release(intent["intent_id"], leg)
    world.now += SECOND
    for connection in (0, 1):
        world.core.on_alive(connection, world.now)
    world.core.set_pair_state(0, PAIR_OPEN, world.core.position(0), perp, intent["trade_id"], world.now, world.wall)
    world.core.rearm(0, world.now)
    world.now += MS
    world.book(0, [("60000.00", "5")], [("60000.10", "5")])
    world.book(1, [("60100.0", "5")], [("60100.1", "5")])
    indices = sent(world)
    assert len(indices) == 1 and world.core.pair_view(0)["exit_cause"] == "REQUESTED"
    assert spot > 0


def test_multiplied_perpetual_is_compared_per_coin():
    rows = [instrument(0, "spot", "SHIB", px_scale=8, qty_scale=0, tick="0.00000001", lot="1", min_qty="1", max_qty="90000000000",
                       min_px="0", max_px="0"),
            instrument(1, "linear", "1000SHIB", underlying="SHIB", multiplier=1000, px_scale=6, qty_scale=0, tick="0.000001",
                       lot="1", min_qty="1",
                       max_qty="50000000", min_px="0", max_px="0")]
    world = World(rows)
    world.core.add_pair(0, 1)
    world.book(0, [("0.00001000", "200000000")], [("0.00001001", "200000000")])
    world.book(1, [("0.010010", "900000")], [("0.010011", "900000")])
    assert sent(world) == []
    assert world.core.pair_view(0)["basis_bps"] == pytest.approx(0.0, abs=1e-6)
    world.now += MS
    world.book(1, [("0.010110", "900000")], [("0.010111", "900000")])
    spot, perp = world.core.intent(sent(world)[0])["legs"]
    assert perp["qty"] == 98911 and spot["qty"] == -(-98911_000 * 1000 // 999)
    for row, leg in ((0, spot), (1, perp)):
        world.core.apply_fill(row, leg["side"], leg["qty"], leg["limit_px"], -(-leg["qty"] // 1000) if row == 0 else 0)
    delta, scale = world.core.group_delta(0)
    assert (abs(delta), scale) == (0, 0)
    world.core.check()
