"""What the calm floor does about orders that rest: hedges their fills, tells them to end, and looks after those that are not
where they should be (docs/order-flow.md, "Orders that rest"). What of a fill is uncovered, and by which order, is said in
resting.py.

A friend of TradeManager: it uses what that class keeps to itself.
"""
from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.events import OrderEvent, OrderStatus
from engine.trade import resting
from engine.trade.commands import Ask, CancelOrder, JournalType, QueryOrder
from engine.trade.orders import Order
from engine.trade.policy import SECOND
from engine.trade.recovery import Verdict
from engine.trade.states import OrderState
from engine.trade.trade import Trade

if TYPE_CHECKING:
    from engine.trade.manager import TradeManager

VENUES_ENDS = frozenset({"filled", "canceled", "expired"})   # ends that the venue itself has told


class Quotes:
    """One for each manager. `counts`: orders placed, and those that ended without a fill."""

    def __init__(self, manager: TradeManager) -> None:
        self._manager = manager
        self.counts: Counter[str] = Counter()
        self.ghosts: dict[str, int] = {}     # taken for over, found in a book -> when

    def begin(self, order: Order, now: int) -> None:
        """It is journaled and was handed to a socket."""
        policy = self._manager.policy
        self.counts["placed"] += 1
        self._manager._arm(now + policy.rest_life_ns, self._on_life_timer, order)
        self._manager._arm(now + policy.rest_poll_ns, self._on_poll_timer, order)

    def hedge_fills(self, trade: Trade, residual: Decimal, now: int) -> bool:
        """What an order that rests (or rested) has executed is hedged at once, beside hedges under way. False: it is the recovery
        ladder's, once nothing of the trade is live."""
        left = resting.uncovered(trade, residual)
        if abs(left) < trade.dust_limit:
            return False
        if trade.attempts >= max(1, self._manager.policy.chase_max):
            self.cancel_resting(trade, f"{trade.attempts} hedges in a row did not execute", now)
            return False
        if now < trade.retry_mono_ns:
            return True
        step = resting.plan_hedge(trade, left, self._manager._view, self._manager.policy)
        if step.verdict == Verdict.SEND:
            self._manager._submit(trade, step)
            return True
        if step.verdict == Verdict.TOO_SMALL and any(resting.resting_orders(trade)):
            if not trade.is_small_armed:
                trade.is_small_armed = True
                self._manager._arm(now + self._manager.policy.rest_small_ns, self._on_small_timer, trade)
        else:
            self.cancel_resting(trade, f"its fills cannot be hedged: {step.verdict}", now)
            if trade.has_live_order:
                self._manager._wait(trade, now)
        return False

    def use_plan(self, trade: Trade) -> None:
        """A hedge holds its own funds from here on: what the gate kept for it goes down to what may still be executed."""
        maker = trade.orders[0]
        if maker.is_live and trade.rests:
            hedge = resting.hedge_instrument(trade)
            left = hedge.floor_qty(maker.instrument.units(maker.qty - maker.cum_qty))
            self._manager.core.shrink_plan(maker.intent_id, left)

    def cancel_resting(self, trade: Trade, why: str, now: int) -> None:
        for order in resting.resting_orders(trade):
            if not order.cancel_mono_ns:
                self.cancel(order, why, now)

    def cancel(self, order: Order, why: str, now: int) -> None:
        """Told to end: an end is what the venue says next, and silence is UNKNOWN."""
        if self._manager.is_restoring:
            return
        order.cancel_mono_ns = now
        self._manager._commands.append(CancelOrder(order.client_id, order.row, order.trade_id))
        trade = self._manager._trade_of.get(order.client_id)
        self._manager._journal(JournalType.QUERY, trade, {"client_id": order.client_id, "asks": ["cancel"], "why": why})
        self._manager._arm(now + self._manager.policy.ack_timeout_ns, self._manager._on_ack_timer, order)

    def clear_books_for(self, trade: Trade, unknown: Order, now: int) -> None:
        """While an order is unknown nothing of its trade rests, nor anything that moves the position its proof compares."""
        self.cancel_resting(trade, f"{unknown.client_id} is unknown", now)
        for other in self._manager.trades.values():
            if other is not trade and any(self._manager._moves_the_same(unknown.instrument, order.instrument)
                                          for order in resting.resting_orders(other)):
                self.cancel_resting(other, f"{unknown.client_id} is unknown", now)

    def _on_poll_timer(self, order: Order, now: int) -> None:
        """What rests is asked about once in a while: a fill that no stream told would be naked for as long as it rests."""
        if order.is_live:
            if order.state == OrderState.ACKED:
                self._manager._ask(self._manager._trade_of[order.client_id], order, [Ask.ORDER], now)
            self._manager._arm(now + self._manager.policy.rest_poll_ns, self._on_poll_timer, order)

    def cancel_ghost(self, order: Order, event: OrderEvent, now: int) -> None:
        """An order that was taken for over stands in a book after all: told to end until the venue says that it has."""
        if not order.rests or order.is_live:
            return
        found_ns = self.ghosts.get(order.client_id)
        if found_ns is None:
            if (event.status in (OrderStatus.NEW, OrderStatus.PARTIAL) and order.cum_qty < order.qty
                    and order.end_cause not in VENUES_ENDS):
                self.ghosts[order.client_id] = now
                self._on_ghost_timer(order, now)
        elif event.is_terminal or order.cum_qty >= order.qty or (
                event.status == OrderStatus.NOT_FOUND and now - found_ns > 2 * self._manager.policy.absence_lag_ns):
            del self.ghosts[order.client_id]

    def _on_ghost_timer(self, order: Order, now: int) -> None:
        if order.client_id not in self.ghosts:
            return
        self.cancel(order, f"it was taken for {order.end_cause}", now)   # its trade may have been put away
        self._manager._commands.append(QueryOrder(order.client_id, order.row, Ask.ORDER, now, order.decided_mono_ns - SECOND,
                                         order.trade_id,
                                         order.venue_order_id))
        self._manager._arm(now + self._manager.policy.absence_lag_ns, self._on_ghost_timer, order)

    def _on_life_timer(self, order: Order, now: int) -> None:
        if order.is_live and not order.cancel_mono_ns:
            self.cancel(order, "it has rested long enough", now)

    def _on_small_timer(self, trade: Trade, now: int) -> None:
        """A fill too small to be hedged has waited for another: no more of them; what is left is the ladder's."""
        trade.is_small_armed = False
        if self._manager._is_kept(trade) and abs(resting.uncovered(trade, trade.residual())) >= trade.dust_limit:
            self.cancel_resting(trade, "a fill is too small to be hedged", now)
            self._manager._proceed(trade, now)
