"""States of a trade and of an order, and the tables that say which changes are allowed.

Read by the manager (which refuses anything else), the journal's readers and the tests. The trade table is DESIGN 10 drawn as
data; the order states form a lattice: a state only moves up, and a terminal state moves only when a late fill proves it wrong
(with an alert).
"""
from __future__ import annotations

from enum import IntEnum, StrEnum


class TradeState(StrEnum):
    DETECTED = "DETECTED"
    VALIDATING = "VALIDATING"
    PENDING = "PENDING"          # entry orders are out
    OPEN = "OPEN"                # hedged and held
    CLOSING = "CLOSING"          # exit orders are out
    CLOSED = "CLOSED"            # flat, or never had an exposure
    REJECTED = "REJECTED"        # no byte left
    RECOVERING = "RECOVERING"    # a residual beyond dust is being hedged
    UNWINDING = "UNWINDING"      # the excess is being given back
    MANUAL = "MANUAL"            # declared and alerted: a person decides


FINAL_STATES = frozenset({TradeState.CLOSED, TradeState.REJECTED})

_S = TradeState

# (from, to) -> when. Additions to the drawing: OPEN <- CLOSING/RECOVERING/UNWINDING (what is left is hedged: it is simply held
# again), RECOVERING <- OPEN/CLOSED (a late fill or a correction shows an exposure on a trade that looked finished), MANUAL's two
# ways out.
TRANSITIONS: dict[tuple[TradeState, TradeState], str] = {
    (_S.DETECTED, _S.VALIDATING): "sized and handed to the gate",
    (_S.VALIDATING, _S.REJECTED): "the gate or the send refused: no byte of any leg left",
    (_S.VALIDATING, _S.PENDING): "intent committed, at least one order may be at a venue",
    (_S.PENDING, _S.OPEN): "both legs terminal, residual below dust",
    (_S.PENDING, _S.CLOSED): "no exposure, proven; spot against spot: both legs terminal, residual below dust",
    (_S.PENDING, _S.RECOVERING): "legs terminal with a residual beyond dust",
    (_S.PENDING, _S.MANUAL): "policy: a person decides",
    (_S.OPEN, _S.CLOSING): "exit orders are out",
    (_S.OPEN, _S.RECOVERING): "late fill or fee detail moved the residual beyond dust",
    (_S.OPEN, _S.CLOSED): "nothing tradable is left",
    (_S.CLOSING, _S.CLOSED): "flat",
    (_S.CLOSING, _S.OPEN): "the exit did not (wholly) happen; the rest is hedged and held",
    (_S.CLOSING, _S.RECOVERING): "exit legs terminal with a residual beyond dust",
    (_S.CLOSING, _S.MANUAL): "policy: a person decides",
    (_S.RECOVERING, _S.OPEN): "hedged again",
    (_S.RECOVERING, _S.CLOSED): "flat; spot against spot: hedged again",
    (_S.RECOVERING, _S.UNWINDING): "chases used up or too dear: the excess is given back",
    (_S.RECOVERING, _S.MANUAL): "policy: a person decides",
    (_S.UNWINDING, _S.OPEN): "excess given back, the hedged rest is held",
    (_S.UNWINDING, _S.CLOSED): "flat; spot against spot: hedged again",
    (_S.UNWINDING, _S.MANUAL): "policy: a person decides",
    (_S.CLOSED, _S.RECOVERING): "late fill on a finished trade",
    (_S.REJECTED, _S.RECOVERING): "late fill on an order that was believed never sent",
    (_S.MANUAL, _S.RECOVERING): "a person said: try again, or a late fill",
    (_S.MANUAL, _S.CLOSED): "a person closed it",
}


class OrderState(IntEnum):
    """The lattice: a larger number never becomes a smaller one."""
    INTENT = 0          # journaled, fate of its bytes not yet reported
    SENT = 1
    ACKED = 2           # the venue knows it; an ack is not an outcome
    UNKNOWN = 3         # left by proof only
    FILLED = 10         # terminal from here on
    PARTIAL_END = 11    # ended with less than its quantity (zero included)
    REJECTED = 12       # definite: no byte left, or an error of the allow-list
    ABSENT_PROVEN = 13  # the four-part proof


TERMINAL_FROM = OrderState.FILLED


def is_terminal(state: OrderState) -> bool:
    return state >= TERMINAL_FROM


def may_change(state: OrderState, target: OrderState, is_late_fill: bool = False) -> bool:
    """Whether an order may go from `state` to `target`. Terminal states change only because of a late fill, and only to one that
    has fills."""
    if is_terminal(state):
        return is_late_fill and target in (OrderState.FILLED, OrderState.PARTIAL_END)
    return target > state
