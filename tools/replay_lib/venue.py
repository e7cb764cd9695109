"""The simulated venue of a replay: an order arrives after a delay, takes what the recorded book shows at that moment, and its
answer comes back after another.

What an order of ours took is not there again: it stays subtracted from a level until the recording shows that level with another
size. Fees are charged in the asset in which Binance charges them, rounded half up to 1e-8 as its statements show them. Only IOC
and FOK are
simulated: a resting order would need a place in a queue that no recording has. tools/simex is the other simulation: it speaks the
wire protocol; this one needs scales of any width and a clock that is not its own. No clock, no random."""
from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np

from cext.layout import BOOK_VALID, DTYPES
from engine.events import ErrorClass, EventFlag, Leg, LegFlag, OrderEvent, OrderStatus, OrderType, Side, Source
from feeds.instruments import InstrumentRow

UNIT_E8 = Decimal("1e-8")


@dataclass(slots=True)
class Delays:
    """Modelled one-way times."""
    order_ns: int = 2_000_000   # our send -> the matching engine
    reply_ns: int = 2_000_000   # the matching engine -> our read


@dataclass(slots=True)
class Fill:
    px: int
    qty: int


@dataclass(slots=True)
class KnownOrder:
    """What the venue knows of one order, for queries."""
    row: int
    venue_order_id: int
    status: int
    cum_qty: int
    fills: list[OrderEvent] = field(default_factory=list)


class ReplayVenue:
    """Orders of one replay. `deliver` gets each OrderEvent when it would have reached us."""

    def __init__(self, rows: list[InstrumentRow], book_of: Callable[[int], bytes], delays: Delays):
        self._rows = rows
        self._book_of = book_of
        self._delays = delays
        self._queue: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._queued = 0
        # (row, side taken, px) -> (size shown then, taken since)
        self._consumed: dict[tuple[int, int, int], tuple[int, int]] = {}
        self._orders: dict[str, KnownOrder] = {}
        self._next_id = 1
        self.positions: dict[int, Decimal] = {}
        self.on_event: Callable[[OrderEvent, int], None] = lambda event, wall_ns: None

    # ---- time

    @property
    def next_wall_ns(self) -> int | None:
        """When something is due."""
        return self._queue[0][0] if self._queue else None

    def run_due(self, wall_ns: int) -> None:
        """Everything due at or before `wall_ns`, in order."""
        while self._queue and self._queue[0][0] <= wall_ns:
            due, _, function, arguments = heapq.heappop(self._queue)
            function(due, *arguments)

    def after(self, wall_ns: int, function: Callable[..., None], *arguments: Any) -> None:
        """Call function(due wall ns, *arguments) at `wall_ns`."""
        self._queued += 1
        heapq.heappush(self._queue, (wall_ns, self._queued, function, arguments))

    # ---- orders

    def send(self, leg: Leg, wall_ns: int) -> None:
        """An order leaves us now."""
        self.after(wall_ns + self._delays.order_ns, self._arrive, leg)

    def _arrive(self, wall_ns: int, leg: Leg) -> None:
        row = leg.instrument_id
        order_id = self._take_id()
        if leg.order_type not in (OrderType.IOC, OrderType.FOK):
            known = KnownOrder(row, order_id, OrderStatus.REJECTED, 0)
            self._orders[leg.client_id] = known
            self._answer(wall_ns, [OrderEvent(leg.client_id, row, Source.REPLY, OrderStatus.REJECTED, order_id, cum_qty=0,
                                              error_class=ErrorClass.REJECT, venue_code=-1,
                                              message="replay simulates IOC and FOK orders")])
            return
        fills = self._match(row, leg)
        filled = sum(fill.qty for fill in fills)
        status = OrderStatus.FILLED if filled == leg.qty else OrderStatus.EXPIRED
        known = self._orders[leg.client_id] = KnownOrder(row, order_id, status, filled)
        cum_qty, cum_quote = 0, Decimal(0)
        for fill in fills:
            cum_qty += fill.qty
            cum_quote += self._amount(row, fill)
            known.fills.append(self._fill_event(leg, order_id, fill, cum_qty, wall_ns))
        end = OrderEvent(leg.client_id, row, Source.STREAM, status, order_id, exch_ns=wall_ns, cum_qty=filled,
                         cum_quote=cum_quote)
        reply = OrderEvent(leg.client_id, row, Source.REPLY, status, order_id, exch_ns=wall_ns, cum_qty=filled,
                           cum_quote=cum_quote)
        self._answer(wall_ns, [*known.fills, end, reply])

    def _match(self, row: int, leg: Leg) -> list[Fill]:
        """Levels within the limit, best first, less what was taken before."""
        book = np.frombuffer(self._book_of(row), dtype=DTYPES["book_record_t"])[0]
        if not int(book["flags"]) & BOOK_VALID:
            return []
        is_buy = leg.side == Side.BUY
        levels, count = (book["asks"], int(book["ask_count"])) if is_buy else (book["bids"], int(book["bid_count"]))
        left, fills = self._allowed(row, leg), []
        for i in range(count):
            px, shown = int(levels[i]["px"]), int(levels[i]["qty"])
            if left == 0 or (px > leg.limit_px if is_buy else px < leg.limit_px):
                break
            qty = min(left, self._available(row, leg.side, px, shown))
            if qty > 0:
                fills.append(Fill(px, qty))
                left -= qty
        if leg.order_type == OrderType.FOK and sum(fill.qty for fill in fills) < leg.qty:
            return []
        for fill in fills:
            shown_then, taken = self._consumed[row, leg.side, fill.px]
            self._consumed[row, leg.side, fill.px] = (shown_then, taken + fill.qty)
        return fills

    def _allowed(self, row: int, leg: Leg) -> int:
        """The order's size, or what reduce-only leaves of it."""
        if not leg.flags & LegFlag.REDUCE_ONLY or self._rows[row].market != "linear":
            return leg.qty
        held = int(self.positions.get(row, Decimal(0)).scaleb(self._rows[row].qty_scale))
        return max(0, min(leg.qty, -held if leg.side == Side.BUY else held))

    def _available(self, row: int, side: int, px: int, shown: int) -> int:
        key = (row, side, px)
        shown_then, taken = self._consumed.get(key, (shown, 0))
        if shown_then != shown:  # the level changed since: what it shows now is new
            taken = 0
        self._consumed[key] = (shown, taken)
        return max(0, shown - taken)

    def _fill_event(self, leg: Leg, order_id: int, fill: Fill, cum_qty: int, wall_ns: int) -> OrderEvent:
        row = self._rows[leg.instrument_id]
        amount = self._amount(row.id, fill)
        units = Decimal(fill.qty).scaleb(-row.qty_scale)
        in_base = row.market == "spot" and leg.side == Side.BUY
        fee = ((units if in_base else amount) * row.taker_fee).quantize(UNIT_E8, rounding=ROUND_HALF_UP)
        asset = row.base if in_base else row.settle
        signed = units if leg.side == Side.BUY else -units
        self.positions[row.id] = self.positions.get(row.id, Decimal(0)) + signed - (fee if in_base else 0)
        return OrderEvent(leg.client_id, row.id, Source.STREAM, OrderStatus.PARTIAL, order_id, trade_id=self._take_id(),
                          exch_ns=wall_ns,
                          cum_qty=cum_qty, last_qty=fill.qty, last_px=fill.px, fee=fee, fee_asset=asset, flags=EventFlag.IS_FILL)

    def _amount(self, row: int, fill: Fill) -> Decimal:
        return Decimal(fill.px * fill.qty).scaleb(-self._rows[row].px_scale - self._rows[row].qty_scale)

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _answer(self, wall_ns: int, events: list[OrderEvent]) -> None:
        due = wall_ns + self._delays.reply_ns
        for event in events:
            self.after(due, self._deliver, event)

    def _deliver(self, wall_ns: int, event: OrderEvent) -> None:
        self.on_event(event, wall_ns)

    # ---- questions

    def order_facts(self, client_id: str) -> KnownOrder | None:
        """What a query finds; None = no such order."""
        return self._orders.get(client_id)

    def round_trip_ns(self) -> int:
        return self._delays.order_ns + self._delays.reply_ns
