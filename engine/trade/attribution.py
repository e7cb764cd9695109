"""Where a trade's money went: from the edge seen to the money made, in parts that sum exactly.

Edges, in quote: `detect` (best prices, intended size), `send` (best prices when the bytes had left), `fill` (what the entry got),
`realised` (net of everything). Parts, in quote: depth (best prices to the walk's average), partial (size that did not become a
pair), quote_age, own_hops, wire (entry slippage against the walk), hedge (of an order that rested: against the price when it
was placed), recovery (chases and unwinds), exit (the basis given back),
fee, funding, rounding. Slippage cannot be seen happening: it is spread over the time in which it can have happened, by the length
of its three stretches (book last proven alive -> first bytes of the deciding batch -> send returned -> bytes of the fill), the
remainder on the last.
"""
from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.events import Purpose
from engine.trade.money import AMOUNT_UNIT, EXACT, ZERO, text
from engine.trade.orders import Order
from engine.trade.trade import Trade

PARTS = ("depth", "partial", "quote_age", "own_hops", "wire", "hedge", "recovery", "exit", "fee", "funding", "rounding")


@dataclass(slots=True)
class Attribution:
    edges: dict[str, Decimal]
    parts: dict[str, Decimal]

    def check(self) -> None:
        """The parts lead from the detected edge to the realised net, exactly."""
        total = self.edges["detect"] + sum(self.parts.values(), ZERO)
        assert total == self.edges["realised"], f"attribution: detect + parts = {total}, realised {self.edges['realised']}"

    def to_json(self) -> dict[str, Any]:
        return {"edge": {name: text(value) for name, value in self.edges.items()},
                "parts": {name: text(value) for name, value in self.parts.items()}}


def gross(order: Order, px: int, qty: int) -> Decimal:
    """Signed quote flow of `qty` at `px`."""
    return -order.sign * order.instrument.amount(px, qty)


def expected_price(order: Order) -> Decimal:
    """Average price that the walk expected, 8 decimals; the limit where the intent says nothing."""
    if order.expected_px_f64e8:
        return Decimal(order.expected_px_f64e8) * AMOUNT_UNIT
    return order.instrument.price(order.best_px or order.limit_px)


def attribute(trade: Trade) -> Attribution:
    parts = dict.fromkeys(PARTS, ZERO)
    # quote flows of the entry: planned, as it came, as it came but at planned prices
    filled = expected_filled = ZERO
    intended = trade.hedge_flow
    entry_price: dict[int, Decimal] = {}
    exit_price: dict[int, Decimal] = {}
    is_exit_phase = False
    for order in trade.orders:
        flow = -order.sign * order.instrument.amount(1, order.fills_amount)
        if order.purpose in (Purpose.ENTRY, Purpose.MANUAL):
            entry_price[order.row] = expected_price(order)
            planned = _flow(order, entry_price[order.row], order.qty)
            intended += planned
            filled += flow
            expected_filled += _flow(order, entry_price[order.row], order.fills_qty)
            parts["depth"] += planned - gross(order, order.best_px or order.limit_px, order.qty)
            _spread_slippage(order, flow, parts, trade.batch_mono_ns)
        elif order.purpose == Purpose.HEDGE:
            entry_price[order.row] = trade.hedge_price
            at_reference = _flow(order, trade.hedge_price, order.fills_qty)
            parts["hedge"] += flow - at_reference
            filled += flow
            expected_filled += at_reference
        elif order.purpose == Purpose.EXIT:
            is_exit_phase = True
            exit_price[order.row] = order.instrument.price(order.best_px or order.limit_px)
            parts["exit"] += flow
        else:
            reference = exit_price.get(order.row) if is_exit_phase else None
            at_reference = _flow(order, reference or entry_price.get(order.row, ZERO), order.fills_qty)
            parts["recovery"] += flow - at_reference
            if is_exit_phase:
                parts["exit"] += at_reference
            else:
                filled += flow
                expected_filled += at_reference
    parts["partial"] = expected_filled - intended
    parts["exit"] += _carried_flow(trade) + trade.open_value() + trade.money.base_fees
    parts["fee"] = -trade.money.fees
    parts["funding"] = trade.money.funding
    edges = {"detect": trade.detect_edge, "send": trade.detect_edge if trade.send_edge is None else trade.send_edge,
             "fill": filled, "realised": trade.net_profit()}
    parts["rounding"] = edges["realised"] - edges["detect"] - sum(parts.values(), ZERO)
    return Attribution(edges, parts)


def _flow(order: Order, price: Decimal, qty: int) -> Decimal:
    """Signed quote flow of `qty` at a decimal price."""
    return -order.sign * price * order.instrument.units(qty) / order.instrument.multiplier


def _carried_flow(trade: Trade) -> Decimal:
    """What remainders taken over and left behind were booked at."""
    return trade.money.cash - sum((-o.sign * o.instrument.amount(1, o.fills_amount) for o in trade.orders), ZERO)


def _spread_slippage(order: Order, flow: Decimal, parts: dict[str, Decimal], batch_mono_ns: int) -> None:
    slippage = flow - _flow(order, expected_price(order), order.fills_qty)
    if not slippage:
        return
    batch = batch_mono_ns or order.decided_mono_ns
    sent = order.sent_mono_ns or order.decided_mono_ns
    age_ns = max(0, batch - order.book_alive_mono_ns) if order.book_alive_mono_ns else 0
    own_ns = max(0, sent - batch)
    wire_ns = max(1, order.proven_mono_ns - sent)
    total_ns = age_ns + own_ns + wire_ns
    age = (slippage * age_ns / total_ns).quantize(AMOUNT_UNIT, context=EXACT)
    own = (slippage * own_ns / total_ns).quantize(AMOUNT_UNIT, context=EXACT)
    parts["quote_age"] += age
    parts["own_hops"] += own
    parts["wire"] += slippage - age - own
