"""kill -9 of the engine at any record, and between the two sends of a pair: what comes back is what the journal says, it proves
what it does not know, closes residuals and nothing else, and in the end belief is truth."""
import random

import pytest

from engine.events import IntentKind, Purpose
from engine.trade.policy import TradePolicy
from tests.simulation.test_random_schedules import SHORT_COOLDOWNS, check, run
from tests.support.fake_core import FakeCore
from tests.support.mortal_world import ForgivingCore, MortalWorld, restored
from tests.support.sim_trade import MS, S, World

POLICY = TradePolicy(cooldowns_ns=SHORT_COOLDOWNS)


def dying(*deaths: int, down_ns: int = 200 * MS):
    return lambda **options: MortalWorld(deaths, down_ns, **options)


def view(manager) -> dict:
    """What a manager knows, without times."""
    return {"trades": {trade.trade_id: (str(trade.state), trade.phase, trade.positions(),
                                        [(order.client_id, int(order.state), order.cum_qty, order.fills_qty)
                                         for order in trade.orders])
                       for trade in manager.trades.values()},
            "ledger": manager.ledger.accounts(), "positions": manager.ledger.position_table(),
            "dust": [(row, held.units, held.value) for row, held in manager.dust.items()],
            "inventory": manager.inventory.items(), "graves": sorted(manager._graves), "final": dict(manager.final_states),
            "profit": (manager.profit.basis, manager.profit.fees, manager.profit.funding)}


@pytest.mark.parametrize("bases", [0, 2])
def test_restored_is_what_was_there_and_twice_is_once(seeds, bases):
    """At the end of a life without a death nothing differs; replaying changes nothing (I17)."""
    for seed in seeds:
        print(f"seed {seed}")
        world, _ = run(seed, POLICY, bases, dying())
        core = ForgivingCore(world.core.pair_list, epoch=2, books=world.core.books, spot_rows=world.core.spot_rows)
        again = restored(core, world.rows, POLICY, world.records)
        assert view(again) == view(world.manager)
        twice = restored(FakeCore(world.core.pair_list, spot_rows=world.core.spot_rows), world.rows, POLICY, world.records)
        assert view(twice) == view(again)


test_restored_is_what_was_there_and_twice_is_once.seed_count = 12


def test_death_at_every_record_of_one_trade():
    """Entry, holding, exit: forty places to die at, and to die again soon after."""
    whole = MortalWorld(pairs=1, policy=POLICY)
    first = whole.notes + 1
    live_one_trade(whole)
    places = whole.notes
    assert places > 30
    for place in range(first, places + 1):
        for again in (0, 1, 3):
            world = MortalWorld({place, place + again}, 50 * MS, pairs=1, policy=POLICY)
            live_one_trade(world)
            finish(world)
            check(world, POLICY)
            assert world.lives >= 2, f"place {place} of {places} was never reached"


def live_one_trade(world: World) -> None:
    world.enter(0, qty=20)
    world.run_for(400 * MS)
    if world.core.pair_states.get(0, (0,))[0] == 2:
        world.leave(0)
    world.run_for(400 * MS)


def finish(world: World) -> None:
    world.run_for(8 * S)
    world.manager.begin_stop("close", world.now)
    for _ in range(200):
        world.run_for(500 * MS)
        if world.manager.is_idle() and not world.heap:
            break
    world.run_for(40 * S)


@pytest.mark.parametrize("bases", [0, 2])
def test_random_deaths_among_random_faults(seeds, bases):
    trades = lives = 0
    for seed in seeds:
        rng = random.Random(f"deaths {seed}")
        deaths = {rng.randrange(2, 3000) for _ in range(rng.randrange(1, 6))}
        try:
            world, _ = run(seed, POLICY, bases, dying(*deaths, down_ns=rng.choice([1 * MS, 200 * MS, 3 * S])))
            check(world, POLICY)
        except BaseException:
            print(f"\nfailed: seed={seed} bases={bases} deaths={sorted(deaths)}; "
                  f"again: pytest tests/simulation/test_restart.py --seed {seed}")
            raise
        trades += sum(intent.purpose == Purpose.ENTRY for intent in world.intents)
        lives += world.lives
    print(f"{trades} trades, {lives} lives")
    assert lives > len(seeds)


test_random_deaths_among_random_faults.seed_count = 25


def test_a_held_pair_is_still_held_after_a_death_and_is_not_closed():
    world = MortalWorld(pairs=1, policy=POLICY)
    world.enter(0, qty=20)
    world.run_for(1 * S)
    held = view(world.manager)
    sent = len(world.intents)
    world._die()
    world.run_for(2 * S)
    assert world.lives == 2 and view(world.manager) == held
    assert len(world.intents) == sent, "a good hedge was touched"
    state, a_qty, b_qty = world.core.pair_states[0]
    assert state == 2 and a_qty > 0 > b_qty
    assert world.core.pledges, "what is held may be sold by others"
    world.leave(0)
    world.run_for(1 * S)
    assert world.truth_net(0) == 0


def test_a_death_between_the_two_sends_leaves_one_leg_and_it_is_closed():
    """The intent is in the journal, leg A is filled, leg B never left: A is given back."""
    probe = MortalWorld(pairs=1, policy=POLICY)
    before = probe.notes
    world = MortalWorld({before + 2}, 100 * MS, pairs=1, policy=POLICY)   # intent, A's bytes
    world.enter(0, qty=20)
    world.run_for(5 * S)
    assert world.lives == 2
    assert [intent.kind for intent in world.intents][1:], "nothing was done about the leg"
    assert all(intent.kind == IntentKind.SINGLE for intent in world.intents[1:])
    assert abs(world.truth_net(0)) < world.manager.instruments[1].lot
