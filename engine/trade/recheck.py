"""Orders that are history here and are asked about once more, until the venue has answered: after a restart (a late word may have
come while nobody heard), and when a venue refuses to reduce what we believe to hold (then something executed that we took for
over). Growth digs the order up like any late fill. A question without an answer counts for nothing: it is asked again.
"""
from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from engine.trade.commands import Ask, QueryOrder
from engine.trade.orders import Order
from engine.trade.policy import SECOND

AGAIN_NS = 1 * SECOND
GIVE_UP_NS = 120 * SECOND    # beyond: the comparison of positions and balances has long found what is wrong
FIRST_MAX = 20               # orders asked about at once; a question costs up to ten units of a limit of 6,000 a minute
EACH_MAX = 5                 # and every second after that


class Question:
    """One order that is history here, and what the venue has not said of it yet."""
    __slots__ = ("asked_mono_ns", "order", "since_mono_ns", "unanswered")

    def __init__(self, order: Order, now_mono_ns: int) -> None:
        self.order = order
        self.unanswered = {Ask.ORDER, Ask.FILLS}
        self.since_mono_ns = now_mono_ns
        self.asked_mono_ns = 0

    def queries(self, now_mono_ns: int, lag_ns: int) -> list[QueryOrder]:
        """While an answer cannot count yet only the cheap question: where it brings news, fills are asked for."""
        self.asked_mono_ns = now_mono_ns
        order = self.order
        asks = sorted(self.unanswered) if self.counts(now_mono_ns, lag_ns) else [Ask.ORDER]
        return [QueryOrder(order.client_id, order.row, ask, now_mono_ns, order.decided_mono_ns - SECOND, order.trade_id,
                           order.venue_order_id) for ask in asks]

    def counts(self, asked_mono_ns: int, lag_ns: int) -> bool:
        """Whether an answer to a question of that time proves anything: the order's life was over, and a venue's books could lag
        no more."""
        return asked_mono_ns >= self.order.expiry_mono_ns + lag_ns


class Recheck:
    """Open questions by order. `add` and `due` return what is to be asked now.

    `owed` outlives the engine: client ids that ended shortly before a death and were not proven since. A second death before the
    venue has answered changes nothing about what has to be asked (restore.py fills and settles it)."""

    def __init__(self, lag_ns: int) -> None:
        """`lag_ns`: how late a venue's view of finished orders may be."""
        self._lag_ns = lag_ns
        self._open: dict[str, Question] = {}
        self.owed: dict[str, None] = {}     # ordered

    def add(self, orders: Iterable[Order], now_mono_ns: int) -> list[QueryOrder]:
        """Questions about these, those that are open already left out, the newest first."""
        for order in sorted(orders, key=lambda one: -one.end_mono_ns):
            if order.client_id not in self._open:
                self._open[order.client_id] = Question(order, now_mono_ns)
        return self._ask((one for one in self._open.values() if not one.asked_mono_ns), FIRST_MAX, now_mono_ns)

    def on_answer(self, client_id: str, ask: Ask, asked_mono_ns: int) -> bool:
        """The venue has answered this one; True: the order's last open question. An answer that came too early is asked for
        again."""
        found = self._open.get(client_id)
        if found is None or not found.counts(asked_mono_ns, self._lag_ns):
            return False
        found.unanswered.discard(ask)
        if found.unanswered:
            return False
        del self._open[client_id]
        return True

    def due(self, now_mono_ns: int) -> list[QueryOrder]:
        """Whatever has no answer yet, what waits longest first; what is too old is given up."""
        self._open = {client_id: one for client_id, one in self._open.items() if now_mono_ns - one.since_mono_ns < GIVE_UP_NS}
        return self._ask(sorted(self._open.values(), key=lambda one: one.asked_mono_ns), EACH_MAX, now_mono_ns)

    @property
    def is_waiting(self) -> bool:
        return bool(self._open)

    def _ask(self, questions: Iterable[Question], orders_max: int, now_mono_ns: int) -> list[QueryOrder]:
        return [query for question in islice(questions, orders_max) for query in question.queries(now_mono_ns, self._lag_ns)]
