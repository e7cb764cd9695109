"""A venue closes (part of) a position of ours by itself: auto-deleveraging, liquidation, delivery.

No order of ours did it, but trades held what is gone: each gets its part, as an order that the venue placed for it, so that
ledger, money and position follow from a fill as everywhere and the other leg is a residual like any other (B26).
"""
from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from engine.events import OrderEvent, OrderType, Purpose, Side
from engine.trade.instruments import Instrument
from engine.trade.money import AMOUNT_UNIT, EXACT, ZERO
from engine.trade.orders import Fill, Order
from engine.trade.states import OrderState
from engine.trade.trade import Trade

FORCED = "forced"    # end of an order that the venue placed


def split_forced(trades: Iterable[Trade], instrument: Instrument, net_units: Decimal, qty: int) -> list[tuple[Trade, int]]:
    """(trade, quantity) of what is gone: from those that hold on the side of the account's net position, largest first; what is
    more than all of them hold is nobody's."""
    row = instrument.row
    holders = sorted((trade for trade in trades if trade.position(row) * net_units > 0),
                     key=lambda trade: (-abs(trade.position(row)), trade.trade_id))
    parts, left = [], qty
    for trade in holders:
        part = min(left, int(abs(trade.position(row)) / instrument.unit))
        if part > 0:
            parts.append((trade, part))
            left -= part
    return parts


def make_forced_order(trade: Trade, instrument: Instrument, event: OrderEvent, side: int, qty: int, now_mono_ns: int) -> Order:
    """An order that has executed whole, with its one fill and that fill's share of the fee."""
    px = event.last_px or int(trade.mark(instrument.row) * instrument.multiplier * 10 ** instrument.px_scale)
    fee = (event.fee or ZERO) if qty == event.last_qty else ((event.fee or ZERO) * qty / event.last_qty).quantize(AMOUNT_UNIT,
                                                                                                          context=EXACT)
    fill = Fill(event.trade_id, qty, px, fee, event.fee_asset)
    order = Order(client_id=f"forced-{event.trade_id}-{trade.trade_id}", intent_id=0, trade_id=trade.trade_id, leg_index=0,
                  instrument=instrument, side=side, purpose=Purpose.UNWIND, order_type=OrderType.IOC, flags=0, qty=qty,
                  limit_px=px, best_px=px, expected_px_f64e8=0, book_alive_mono_ns=0, ttl_ns=0, decided_mono_ns=now_mono_ns,
                  state=OrderState.FILLED, sent_mono_ns=now_mono_ns, acked_mono_ns=now_mono_ns, proven_mono_ns=now_mono_ns,
                  end_mono_ns=now_mono_ns, cum_qty=qty, fills_qty=qty, fills_amount=px * qty, fills={event.trade_id: fill},
                  fees={event.fee_asset: fee} if fee else {}, venue_order_id=event.venue_order_id, end_cause=FORCED,
                  seen_on_stream=True, is_released=True)
    return order


def other_side(net_units: Decimal) -> int:
    """Of an order that takes `net_units` away."""
    return Side.SELL if net_units > 0 else Side.BUY
