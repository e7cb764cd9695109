"""Every leg x every outcome, on entry and on exit: belief ends equal to the venue's truth, what is left is dust, nothing is sent
twice."""
from decimal import Decimal

import pytest

from engine.events import Purpose, Sent
from engine.trade.core_surface import PairState
from tests.support.sim_trade import MS, REJECT_CLASSES, S, Treatment, World

COMMON_LOT = Decimal("0.001")

OUTCOMES = {
    "fill": Treatment(),
    "fill_in_pieces": Treatment(pieces=3),
    "fills_before_ack": Treatment(reply=50 * MS, stream=1 * MS),
    "partial": Treatment(fraction=0.37),
    "nothing_executed": Treatment(fraction=0.0),
    **{f"reject_{name.lower()}": Treatment(reject=name) for name in REJECT_CLASSES},
    "unknown_executed": Treatment(unclear="UNKNOWN_EXECUTION", stream=None),
    "unmapped_code_executed": Treatment(unclear="UNMAPPED", stream=None),
    "unknown_not_executed": Treatment(unclear="UNKNOWN_EXECUTION", fraction=0.0, stream=None),
    "no_answer_executed": Treatment(reply=None, stream=None),
    "no_answer_partial": Treatment(reply=None, stream=None, fraction=0.37),
    "request_lost": Treatment(arrives=None),
    "only_the_stream_answers": Treatment(reply=None),
    "only_an_ack_answers": Treatment(reply_kind="ack", stream=None),
    "stream_lost": Treatment(stream=None),
    "reply_with_fills": Treatment(reply_kind="fills", stream=None),
    "duplicate_fills": Treatment(stream_copies=3, reply_kind="fills"),
    "events_out_of_order": Treatment(stream_shuffled=True, pieces=3),
    "fill_notice_without_fee_first": Treatment(lite_first=True, pieces=2),
    "late_fill_after_reject": Treatment(lies="rejected", stream=40 * MS),
    "late_fill_after_expiry": Treatment(lies="expired", stream=40 * MS),
    "executed_after_its_time_to_live": Treatment(arrives=4 * S, ignores_ttl=True),
    "no_byte_left": Treatment(sent=Sent.NOT),
    "bytes_may_have_left_and_did": Treatment(sent=Sent.UNKNOWN),
    "bytes_may_have_left_and_did_not": Treatment(sent=Sent.UNKNOWN, arrives=None),
    "answer_after_the_time_out": Treatment(reply=700 * MS, stream=900 * MS),
}


def world_with(purpose: Purpose, leg_index: int, treatment: Treatment) -> World:
    """The given leg of the first intent of that purpose gets the treatment; everything else goes well."""
    used = []

    def treat(leg, leg_purpose):
        if leg_purpose == purpose and leg.leg_index == leg_index and not used:
            used.append(leg.client_id)
            return treatment
        return Treatment()
    return World(treat=treat)


def assert_sound(world: World) -> None:
    world.assert_belief_is_truth()
    world.assert_profit_is_exact()
    assert abs(world.truth_net(0)) < COMMON_LOT
    assert world.manager.report()["unhedged"] == {}
    assert not world.core.held, "reservations are still held"
    for intent in world.intents:
        for leg in intent.legs:
            assert leg.qty <= 3 * world.intents[0].legs[0].qty


@pytest.mark.parametrize("leg_index", [0, 1], ids=["spot", "perp"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_entry_leg(outcome, leg_index):
    world = world_with(Purpose.ENTRY, leg_index, OUTCOMES[outcome])
    world.enter(qty=100)
    world.run_for(10 * S)
    assert_sound(world)
    assert world.core.pair_states[0][0] in (PairState.OPEN, PairState.FLAT)
    _close_and_check(world)


@pytest.mark.parametrize("leg_index", [0, 1], ids=["spot", "perp"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_exit_leg(outcome, leg_index):
    world = world_with(Purpose.EXIT, leg_index, OUTCOMES[outcome])
    world.enter(qty=100)
    world.run_for(1 * S)
    world.leave()
    world.run_for(10 * S)
    assert_sound(world)
    _close_and_check(world)


@pytest.mark.parametrize("direction", [1, -1], ids=["forward", "reverse"])
@pytest.mark.parametrize("outcome", ["nothing_executed", "partial", "request_lost", "reject_balance", "no_byte_left"])
def test_both_legs_fare_the_same(outcome, direction):
    world = World(treat=lambda leg, purpose: OUTCOMES[outcome] if purpose == Purpose.ENTRY else Treatment())
    world.enter(qty=100, direction=direction)
    world.run_for(10 * S)
    assert_sound(world)
    if outcome != "partial":
        assert world.transitions()[-1][1] == ("REJECTED" if outcome == "no_byte_left" else "CLOSED")
        assert len(world.intents) == 1, "nothing was executed: nothing to repair"
    else:
        assert len(world.intents) <= 2, "equal partial fills differ by rounding at most: one closing order, never two"
    _close_and_check(world)


def _close_and_check(world: World) -> None:
    world.manager.begin_stop("close", world.now)
    world.run_for(10 * S)
    assert world.manager.is_idle()
    assert not [trade for trade in world.manager.trades.values()]
    assert_sound(world)
    assert world.core.pair_states[0][0] == PairState.FLAT


def test_unknown_leg_is_never_answered_by_sending_again():
    world = world_with(Purpose.ENTRY, 1, OUTCOMES["request_lost"])
    world.enter(qty=100)
    world.run_for(1_400 * MS)
    assert len(world.intents) == 1, "nothing is sent while the fate of a leg is unknown"
    assert world.core.locks[0][0] > world.now, "the group takes no entries meanwhile"
    world.run_for(400 * MS)
    assert [intent.purpose for intent in world.intents[1:]] == [Purpose.CHASE]


def test_unknown_is_proven_within_two_seconds_when_queries_answer():
    world = world_with(Purpose.ENTRY, 1, OUTCOMES["request_lost"])
    world.enter(qty=100)
    world.run_for(10 * S)
    proofs = [record.payload for record in world.journal if record.payload.get("proof") == "absence"]
    assert len(proofs) == 1 and proofs[0]["unknown_ns"] <= 2 * S


def test_closing_bytes_leave_with_the_bytes_that_prove_the_exposure():
    world = world_with(Purpose.ENTRY, 1, OUTCOMES["reject_reject"])
    world.enter(qty=100)
    world.run_for(10 * S)
    proof_at = next(record.payload["mono_ns"] for record in world.journal if record.payload.get("to") == "RECOVERING")
    assert world.intents[1].decided_mono_ns == proof_at
    assert world.naked[0].naked_ns < 5 * MS
