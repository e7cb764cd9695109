"""Orders that are history here and are asked about once more, until the venue has answered: after a restart (a late word may have
come while nobody heard), and when a venue refuses to reduce what we believe to hold (then something executed that we took for
over). Growth digs the order up like any late fill. A question without an answer counts for nothing: it is asked again.
"""
from __future__ import annotations

from collections.abc import Iterable

from engine.trade.commands import Ask, QueryOrder
from engine.trade.orders import Order
from engine.trade.policy import SECOND

AGAIN_NS = 1 * SECOND
GIVE_UP_NS = 120 * SECOND    # beyond: the comparison of positions and balances has long found what is wrong
ORDERS_MAX = 100             # of one call: the newest


class Recheck:
    """Open questions by order. `ask` and `due` return what is to be asked now."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Order, set[Ask], int]] = {}   # client id -> order, unanswered, since when

    def add(self, orders: Iterable[Order], now_mono_ns: int) -> list[QueryOrder]:
        """Questions about these, those that are open already left out."""
        newest = sorted(orders, key=lambda one: -one.end_mono_ns)[:ORDERS_MAX]
        new = [order for order in newest if order.client_id not in self._open]
        for order in new:
            self._open[order.client_id] = (order, {Ask.ORDER, Ask.FILLS}, now_mono_ns)
        return [question for order in new for question in self._questions(order, (Ask.ORDER, Ask.FILLS), now_mono_ns)]

    def on_answer(self, client_id: str, ask: Ask) -> None:
        """The venue has answered this one."""
        found = self._open.get(client_id)
        if found is not None:
            found[1].discard(ask)
            if not found[1]:
                del self._open[client_id]

    def due(self, now_mono_ns: int) -> list[QueryOrder]:
        """Whatever has no answer yet, once more; what is too old is given up."""
        self._open = {client_id: one for client_id, one in self._open.items() if now_mono_ns - one[2] < GIVE_UP_NS}
        return [question for order, asks, _ in self._open.values()
                for question in self._questions(order, sorted(asks), now_mono_ns)]

    @property
    def is_waiting(self) -> bool:
        return bool(self._open)

    @staticmethod
    def _questions(order: Order, asks: Iterable[Ask], now_mono_ns: int) -> list[QueryOrder]:
        return [QueryOrder(order.client_id, order.row, ask, now_mono_ns, order.decided_mono_ns - SECOND, order.trade_id,
                           order.venue_order_id) for ask in asks]
