"""A maker that rests, and its hedges (intent kind HEDGE_ON_FILL): what of its fills nothing covers yet, and the order that does.

The post-only order of an entry is alone at first; each of its fills is hedged at once on the pair's other leg, beside hedges that
are still under way, whether the maker lives on or has ended. A hedge is priced from the book of its own moment: what rested was
priced long ago, and being naked costs more than the difference. After the maker's end what hedges could not do is the recovery
ladder's (recovery.py).
"""
from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from engine.events import LegFlag, Purpose
from engine.trade import recovery
from engine.trade.instruments import Instrument
from engine.trade.money import ZERO
from engine.trade.orders import Order
from engine.trade.policy import TradePolicy
from engine.trade.recovery import Step, Verdict, View
from engine.trade.states import TradeState
from engine.trade.trade import ENTRY, Trade


def resting_orders(trade: Trade) -> Iterator[Order]:
    """Its orders that may stand in a book."""
    return (order for order in trade.orders if order.rests and order.is_live)


def is_hedging(trade: Trade) -> bool:
    """Whether fills are hedged as they come; what began otherwise, or has gone on to a recovery or an exit, is not."""
    return trade.rests and trade.phase == ENTRY and trade.state == TradeState.PENDING


def uncovered(trade: Trade, residual: Decimal) -> Decimal:
    """Of a residual, what hedges under way will not take away even if they execute in full; 0 where they would take more."""
    under_way = sum((order.sign * order.instrument.units(order.qty - order.cum_qty) for order in trade.orders
                     if order.is_live and not order.rests), ZERO)
    left = residual + under_way
    return left if left * residual > 0 else ZERO


def hedge_instrument(trade: Trade) -> Instrument:
    """The leg that hedges: the pair's other one."""
    first, second = trade.instruments[:2]
    return second if first.row == trade.maker_row else first


def gross_qty(instrument: Instrument, units: Decimal) -> int:
    """What has to be ordered to take `units` away: a spot buy pays its fee in base, as the core sizes entries too."""
    if units > 0 or not instrument.is_spot:
        return instrument.floor_qty(units)
    qty = instrument.floor_qty(units / (1 - instrument.taker_fee))
    short = -units - instrument.units(qty) * (1 - instrument.taker_fee)
    return qty + (instrument.lot_qty if short > 0 else 0)


def plan_hedge(trade: Trade, units: Decimal, view: View, policy: TradePolicy) -> Step:
    """An order against `units`; why not, where there is none: its market takes no orders or has no book, a filter, the cap."""
    instrument = hedge_instrument(trade)
    if view.is_away(instrument.row):
        return Step(Verdict.NO_BOOK)
    out = sum((instrument.units(order.qty - order.cum_qty) for order in trade.orders
               if order.is_live and order.row == instrument.row), ZERO)
    left = max(ZERO, recovery.room(trade, instrument) - out)   # what is out counts as done: a wrong model stops here too
    qty = min(gross_qty(instrument, units), instrument.floor_qty(left), instrument.max_qty)
    leg = recovery.priced_leg(instrument, units, qty, view, policy.chase_slippage_bps)
    if leg is None:
        return Step(Verdict.NO_BOOK)
    if instrument.is_orderable(leg[2], qty, bool(leg[4] & LegFlag.REDUCE_ONLY)):
        return Step(Verdict.SEND, Purpose.HEDGE, [leg], f"hedge of {instrument.name}'s pair")
    return Step(Verdict.CAPPED if left < abs(units) else Verdict.TOO_SMALL)
