"""Two trades whose residuals on one coin cancel each other out: together they are no exposure, so no order for either of them
lowers the coin's net delta, and a gate that lets only reducing orders through refuses both (at a stop, and while their rows
rest).

What reduces is ordered first (`reducing_part`). The rest of one is then given to the other, which holds it hedged on an
instrument more than its own and closes all of it at once; no money moves, and nothing is sent for it.
"""
from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from engine.trade.instruments import Instrument
from engine.trade.money import ZERO
from engine.trade.states import TradeState
from engine.trade.trade import Trade

LEGS_MAX = 3    # of one intent: cext/layout.h
UNDER_WAY = (TradeState.RECOVERING, TradeState.UNWINDING)


def reducing_part(residual: Decimal, net_units: Decimal) -> Decimal:
    """Of a residual, what an order may take away without turning the coin's net over; 0 where it is on the other side."""
    if net_units * residual <= 0:
        return ZERO
    return residual if abs(net_units) >= abs(residual) else net_units


def excess_row(trade: Trade) -> Instrument:
    """The leg whose inventory is too large in the direction of the residual."""
    sign = 1 if trade.residual() > 0 else -1
    return max(trade.instruments, key=lambda one: trade.position(one.row) * sign)


def find_partner(trade: Trade, trades: Iterable[Trade]) -> Trade | None:
    """Another whose residual is the opposite, that waits as well and can hold an instrument more; the largest first."""
    residual, instrument = trade.residual(), excess_row(trade)
    fitting = [other for other in trades
               if other is not trade and other.is_hedged and other.state in UNDER_WAY and other.pending is None
               and not other.has_live_order and other.residual() * residual < 0
               and abs(other.residual()) >= max(other.dust_limit, trade.dust_limit)
               and {one.base for one in other.instruments} == {instrument.base}
               and len({*(one.row for one in other.instruments), instrument.row}) <= LEGS_MAX]
    return max(fitting, key=lambda other: (abs(other.residual()), other.trade_id), default=None)


def give(giver: Trade, taker: Trade, instrument: Instrument, units: Decimal) -> Decimal:
    """`units` of the giver's inventory on the row are the taker's from now on, at the giver's cost. Returns their value."""
    value = units * giver.mark(instrument.row)
    giver.carry[instrument.row] = giver.carry.get(instrument.row, ZERO) - units
    giver.forget()
    giver.money.cash += value
    if all(one.row != instrument.row for one in taker.instruments):
        taker.instruments.append(instrument)
    taker.take_remainder(instrument.row, units, value)
    return value
