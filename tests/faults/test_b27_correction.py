"""B27: a venue reverts or corrects what it booked. Comparison finds it, a person accepts it, the ledger gets an entry of its own."""
from decimal import Decimal

import orjson

from engine.trade.commands import JournalType
from tests.support.mortal_world import MortalWorld, restored
from tests.support.sim_trade import MS, S, World

SPOT, PERP = 0, 1


def compare(world: World) -> None:
    """Twice, far enough apart for what is different to count as lasting."""
    for _ in range(2):
        world.manager.reconcile({account: {asset: world.venue.wallet(account, asset) for asset in assets}
                                 for account, assets in world.venue.balances.items() if account == "binance:spot"}, world.now)
        world.drain()
        world.run_for(300 * MS)


def locked(world: World, row: int = SPOT) -> bool:
    return "DIFFERENCE" in world.manager.locks.reasons(row, world.now)


def corrections(world: MortalWorld) -> list[dict]:
    found = (orjson.loads(record.payload) for record in world.records if record.type == JournalType.LEDGER)
    return [one for one in found if one["kind"] == "correction"]


def traded() -> MortalWorld:
    world = MortalWorld(pairs=1)
    world.enter(0)
    world.run_for(500 * MS)
    world.leave(0)
    world.run_for(3 * S)
    assert world.manager.by_state() == {"CLOSED": 1}
    return world


def test_b27_a_reverted_amount_is_found_accepted_and_posted_as_its_own_entry():
    """7 USDT are taken back. Nothing is corrected by itself; accepted, journal and ledger say so, the profit identity holds and
    an engine that starts from the journal knows the same."""
    world = traded()
    world.venue.balances["binance:spot"]["USDT"] -= 7
    compare(world)
    assert locked(world) and not corrections(world) and "ledger_difference" in world.manager.alerts
    before = [record.payload for record in world.records]
    assert world.manager.accept_difference("binance:spot", "USDT", "ann", world.now) == ""
    world.drain()
    assert not locked(world)
    assert [record.payload for record in world.records[:len(before)]] == before
    (one,) = corrections(world)
    assert (one["account"], one["asset"], one["amount"], one["who"]) == ("binance:spot", "USDT", "-7", "ann")
    assert one["postings"] == [["binance:spot", "USDT", "-7"], ["~correction", "USDT", "7"]]
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()
    pnl = world.manager.report()["pnl"]
    assert pnl["split"]["corrections"] == "-7"
    again = restored(world.core, world.rows, world.policy, world.records)
    assert again.ledger.accounts() == world.manager.ledger.accounts()
    assert again.report()["pnl"] == pnl
    compare(world)
    assert not locked(world) and not world.manager.differences.all()


def test_b27_what_a_trade_holds_is_not_corrected_under_its_feet():
    world = MortalWorld(pairs=1)
    world.enter(0)
    world.run_for(500 * MS)
    world.venue.balances["binance:spot"]["BTC"] -= Decimal("0.001")
    compare(world)
    refused = world.manager.accept_difference("binance:spot", "BTC", "ann", world.now)
    assert "holds it, and its hedge would be wrong" in refused and locked(world)
    world.leave(0)
    world.run_for(3 * S)
    compare(world)
    assert world.manager.accept_difference("binance:spot", "BTC", "ann", world.now) == "" and not locked(world)
    world.drain()
    assert [one["amount"] for one in corrections(world)] == ["-0.001"]
    compare(world)
    assert not world.manager.differences.all()
    world.assert_profit_is_exact()


def test_b27_a_position_is_the_trades_and_what_is_unknown_is_named():
    world = traded()
    for _ in range(2):
        world.manager.reconcile_positions("binance", {PERP: Decimal("0.5")}, world.now)
        world.drain()
        world.run_for(300 * MS)
    name = world.rows[PERP].name
    assert locked(world, PERP)
    assert "positions belong to trades" in world.manager.accept_difference("binance:linear", name, "ann", world.now)
    assert f"those that have: binance:linear {name}" in world.manager.accept_difference("binance:spot", "BNB", "ann", world.now)
    assert not corrections(world)


def test_b27_a_difference_that_goes_away_by_itself_frees_what_it_locked():
    """And only that: of two differences on one row the other one stays."""
    world = traded()
    spot = world.venue.balances["binance:spot"]
    spot["USDT"] -= 7
    spot["BTC"] += 1
    compare(world)
    assert locked(world)
    spot["USDT"] += 7
    compare(world)
    assert locked(world) and world.manager.alerts["ledger_difference_gone"] == 1
    spot["BTC"] -= 1
    compare(world)
    assert not locked(world) and world.manager.alerts["ledger_difference_gone"] == 2
    assert not corrections(world)
    world.assert_belief_is_truth()
