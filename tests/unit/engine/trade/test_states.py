"""The two tables: trades and orders."""
import pathlib
import re

from engine.trade.states import FINAL_STATES, TRANSITIONS, OrderState, TradeState, is_terminal, may_change

DOCS = pathlib.Path(__file__).resolve().parents[4] / "docs" / "order-flow.md"


def test_every_state_can_be_reached_and_left_or_is_final():
    reachable = {TradeState.DETECTED}
    while grown := {to for (state, to) in TRANSITIONS if state in reachable} - reachable:
        reachable |= grown
    assert reachable == set(TradeState)
    stuck = set(TradeState) - {state for state, _ in TRANSITIONS}
    assert stuck <= FINAL_STATES


def test_final_states_are_left_only_for_recovery():
    assert {to for (state, to) in TRANSITIONS if state in FINAL_STATES} == {TradeState.RECOVERING}


def test_order_states_only_move_up():
    for state in OrderState:
        for target in OrderState:
            if may_change(state, target):
                assert target > state and not is_terminal(state)


def test_terminal_order_moves_only_by_a_late_fill_to_a_state_with_fills():
    assert not may_change(OrderState.REJECTED, OrderState.FILLED)
    assert may_change(OrderState.REJECTED, OrderState.FILLED, is_late_fill=True)
    assert may_change(OrderState.ABSENT_PROVEN, OrderState.PARTIAL_END, is_late_fill=True)
    assert not may_change(OrderState.FILLED, OrderState.REJECTED, is_late_fill=True)


def test_page_shows_the_table_as_it_is():
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (.+?) \|$", DOCS.read_text(), re.MULTILINE)
    shown = {(source, target): when for source, target, when in rows if source in TradeState.__members__}
    assert shown == {(str(source), str(target)): when for (source, target), when in TRANSITIONS.items()}
