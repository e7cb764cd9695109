"""An order whose fate is unknown: when to ask, what to ask, and when absence is proven (RELIABILITY 4.2).

Execution is proven by the order's own events (orders.py). Absence needs all four parts: the time-to-live is over on the venue's
clock; two
"no such order" answers to questions asked after that, a lag bound apart; no fill of the id in the account's trades; position or
balance equal to the ledger without it. A question without an answer counts for nothing.
"""
from __future__ import annotations

from dataclasses import dataclass

from engine.trade.commands import Ask
from engine.trade.policy import TradePolicy


@dataclass(slots=True)
class QueryAnswer:
    """The driver's word that one QueryOrder was answered (after it delivered the OrderEvents that came with it)."""
    client_id: str
    ask: Ask
    asked_mono_ns: int          # of the QueryOrder
    recv_mono_ns: int
    is_answered: bool           # False = transport error, throttled, 5xx: no answer
    is_found: bool = False      # ORDER: the venue knows it; FILLS: there were fills of this id
    position: object = None     # POSITION: Decimal, futures position (signed) or total spot balance of the base asset, base units


@dataclass(slots=True)
class UnknownWatch:
    since_mono_ns: int
    expiry_mono_ns: int         # time-to-live over, clock uncertainty included
    lag_ns: int
    next_ask_mono_ns: int
    step: int = 0
    first_vote_mono_ns: int = 0  # when the first question that counts was asked; 0 = none yet
    has_second_vote: bool = False
    has_no_fills: bool = False
    has_equal_position: bool = False
    is_alerted: bool = False
    asks: int = 0

    def is_due(self, now_mono_ns: int) -> bool:
        return now_mono_ns >= self.next_ask_mono_ns

    def take_asks(self, now_mono_ns: int, policy: TradePolicy) -> list[Ask]:
        """What to ask now; arms the next time."""
        is_proving = now_mono_ns >= self.expiry_mono_ns + self.lag_ns
        asks = [Ask.ORDER]
        if is_proving or self.asks == 0:
            asks.append(Ask.FILLS)
        if is_proving:
            asks.append(Ask.POSITION)
        self.asks += 1
        self.next_ask_mono_ns = self._next(now_mono_ns, policy)
        return asks

    def _next(self, now_mono_ns: int, policy: TradePolicy) -> int:
        steps = policy.query_steps_ns
        step_ns = steps[min(self.step, len(steps) - 1)]
        if now_mono_ns - self.since_mono_ns > policy.resolve_bound_ns:
            step_ns = min(step_ns << min(16, self.step - len(steps) + 1 if self.step >= len(steps) else 0),
                          policy.query_step_max_ns)
        self.step += 1
        planned = now_mono_ns + step_ns
        # Do not let the step run past the moments at which a question begins to count.
        for moment in (self.expiry_mono_ns, self.expiry_mono_ns + self.lag_ns, self.first_vote_mono_ns + self.lag_ns):
            if now_mono_ns < moment < planned:
                planned = moment
        return planned

    def on_answer(self, answer: QueryAnswer, is_position_equal: bool) -> None:
        asked = answer.asked_mono_ns
        if not answer.is_answered or asked < self.expiry_mono_ns:
            return
        is_proving = asked >= self.expiry_mono_ns + self.lag_ns
        if answer.ask == Ask.ORDER:
            if answer.is_found:
                self.first_vote_mono_ns, self.has_second_vote = 0, False
            elif not self.first_vote_mono_ns:
                self.first_vote_mono_ns = asked
            elif asked >= self.first_vote_mono_ns + self.lag_ns:
                self.has_second_vote = True
        elif answer.ask == Ask.FILLS and is_proving:
            self.has_no_fills = not answer.is_found
        elif answer.ask == Ask.POSITION and is_proving:
            self.has_equal_position = is_position_equal

    @property
    def is_absence_proven(self) -> bool:
        return self.has_second_vote and self.has_no_fills and self.has_equal_position
