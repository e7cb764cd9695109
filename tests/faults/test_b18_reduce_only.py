"""B18: a venue that refuses to reduce says that our position is wrong."""
from engine.events import Purpose
from engine.trade.policy import TradePolicy
from tests.simulation.test_random_schedules import SHORT_COOLDOWNS
from tests.support.sim_trade import MS, S, Treatment, World


def test_b18_a_refused_reduction_finds_what_was_executed_unheard():
    """A reply called an exit of the perpetual expired although it executed, and nothing else was ever heard of it. The repair is
    reduce-only and refused; history is asked for, the fill is found, and in the end nothing is open and nothing was sent without
    reduce-only."""
    lying = {"on": False}

    def treat(leg, purpose: int) -> Treatment:
        if lying["on"] and purpose == Purpose.EXIT and leg.instrument_id == 1:
            lying["on"] = False
            return Treatment(lies="expired", stream=None)
        return Treatment()

    world = World(pairs=1, policy=TradePolicy(cooldowns_ns=SHORT_COOLDOWNS), treat=treat)
    world.enter(0, qty=20)
    world.run_for(500 * MS)
    lying["on"] = True
    world.leave(0)
    world.run_for(30 * S)
    assert world.venue.base_position(1) == 0 and abs(world.truth_net(0)) < world.manager.instruments[1].lot
    assert "late_fill" in world.alert_codes() and any(name.startswith("venue:reject") for name in world.manager.rejects)
    repairs = [leg for intent in world.intents if intent.purpose in (Purpose.CHASE, Purpose.UNWIND) for leg in intent.legs
               if leg.instrument_id == 1]
    assert repairs and all(leg.flags & 1 for leg in repairs[:1])
    world.assert_belief_is_truth()
