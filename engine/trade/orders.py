"""One order of ours: what is known about it, and how each new fact changes that.

`Order.apply` takes an OrderEvent and says what is new (`Applied`); it decides nothing about the trade. Rules (RELIABILITY 4.2,
B4-B9): the state only moves up the lattice; any fill is an ack; cumulative quantities only grow, an older one is ignored; a fill
counts once by (instrument, venue trade id), from whichever source; a terminal status counts only with its cumulative quantity; a
reject counts only with an error class of the allow-list and without a fill against it; what does not fit makes the order UNKNOWN,
never rejected.
"""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from engine.events import ErrorClass, EventFlag, Leg, OrderEvent, OrderStatus, OrderType, Side, Source
from engine.trade.instruments import Instrument
from engine.trade.money import ZERO
from engine.trade.states import OrderState, is_terminal, may_change
from engine.trade.unknown import UnknownWatch

# A reject of these classes is definite: the venue's documentation says that the order was not accepted.
DEFINITE_CLASSES = frozenset({ErrorClass.RETRY, ErrorClass.REJECT, ErrorClass.BALANCE, ErrorClass.FILTER, ErrorClass.RATE,
                              ErrorClass.AUTH, ErrorClass.TIME, ErrorClass.FATAL})
UNCLEAR_CLASSES = frozenset({ErrorClass.UNKNOWN_EXECUTION, ErrorClass.UNMAPPED, ErrorClass.UNKNOWN_ORDER})
IMMEDIATE_TYPES = frozenset({OrderType.IOC, OrderType.FOK})


@dataclass(slots=True)
class Fill:
    trade_id: int               # the venue's
    qty: int
    px: int
    fee: Decimal | None = None  # None = not told yet
    fee_asset: str = ""
    is_maker: bool = False


@dataclass(slots=True)
class Applied:
    """What one event changed."""
    grew_qty: int = 0            # by how much the executed quantity (belief) rose
    fill: Fill | None = None     # a fill seen for the first time
    fee_of: Fill | None = None   # a fill known before whose fee came now
    is_new_state: bool = False
    is_late: bool = False        # executed quantity rose after a terminal state
    is_duplicate: bool = False
    wants_query: bool = False    # not understood or incomplete: ask
    not_found: bool = False
    problem: str = ""            # a contradiction, for an alert


@dataclass(slots=True)
class Order:
    client_id: str
    intent_id: int
    trade_id: int
    leg_index: int
    instrument: Instrument
    side: int
    purpose: int
    order_type: int
    flags: int
    qty: int
    limit_px: int
    best_px: int
    expected_px_f64e8: int
    book_alive_mono_ns: int
    ttl_ns: int
    decided_mono_ns: int
    state: OrderState = OrderState.INTENT
    sent_mono_ns: int = 0         # end of the send call; 0 = not reported yet
    acked_mono_ns: int = 0        # first word from the venue
    proven_mono_ns: int = 0       # bytes that proved the newest growth
    end_mono_ns: int = 0
    cum_qty: int = 0              # belief: the larger of the venue's cumulative and the fills seen
    fills_qty: int = 0
    fills_amount: int = 0         # sum of px * qty over fills
    fills_missing_fee: int = 0
    cum_quote: Decimal | None = None
    fills: dict[int, Fill] = field(default_factory=dict)
    fees: dict[str, Decimal] = field(default_factory=dict)
    venue_order_id: int = 0
    error_class: int = ErrorClass.NONE
    venue_code: int = 0
    end_cause: str = ""
    cancel_mono_ns: int = 0       # when it was last told to end; 0 = never
    seen_on_stream: bool = False
    is_released: bool = False
    is_settle_armed: bool = False  # one settle timer at a time
    watch: UnknownWatch | None = None
    _net_units: Decimal | None = None  # counted when asked for, forgotten by apply()

    @property
    def sign(self) -> int:
        return 1 if self.side == Side.BUY else -1

    @property
    def row(self) -> int:
        return self.instrument.row

    @property
    def is_live(self) -> bool:
        return not is_terminal(self.state)

    @property
    def rests(self) -> bool:
        """Whether it may stand in a book, rather than execute or end at once."""
        return self.order_type not in IMMEDIATE_TYPES

    @property
    def fee_rate(self) -> Decimal:
        """What is expected to be paid on its fills."""
        return self.instrument.maker_fee if self.order_type == OrderType.POST_ONLY else self.instrument.taker_fee

    @property
    def is_settled(self) -> bool:
        """Terminal, and every executed unit is explained by a fill with its fee."""
        return is_terminal(self.state) and self.fills_qty == self.cum_qty and not self.fills_missing_fee

    @property
    def expiry_mono_ns(self) -> int:
        """After this the venue no longer starts the order."""
        return (self.sent_mono_ns or self.decided_mono_ns) + self.ttl_ns

    @property
    def net_units(self) -> Decimal:
        """Signed change of inventory in units of the underlying: executed less fees taken in base (fills without their detail:
        estimated)."""
        if self._net_units is None:
            self._net_units = self._count_net_units()
        return self._net_units

    def _count_net_units(self) -> Decimal:
        instrument = self.instrument
        units = instrument.units(self.cum_qty)
        if self.side == Side.SELL:
            units = -units
        if not instrument.is_spot:
            return units
        fee = self.fees.get(instrument.base)
        if fee:
            units -= fee * instrument.multiplier
        if self.cum_qty > self.fills_qty and self.side == Side.BUY:
            units -= instrument.units(self.cum_qty - self.fills_qty) * self.fee_rate
        return units

    # ---------------------------------------------------------------- facts

    def move(self, target: OrderState, is_late: bool = False) -> bool:
        """To `target` if the lattice allows; True when the state changed."""
        if target == self.state or not may_change(self.state, target, is_late):
            return False
        self.state = target
        return True

    def apply(self, event: OrderEvent, seen: SeenFills) -> Applied:
        applied = Applied()
        self._net_units = None
        was_terminal = is_terminal(self.state)
        before_qty = self.cum_qty
        if event.source == Source.STREAM:
            self.seen_on_stream = True
        if event.venue_order_id:
            self.venue_order_id = event.venue_order_id
        if event.last_qty > 0 and event.trade_id:
            self._apply_fill(event, seen, applied)
        if event.cum_qty >= 0 and not event.flags & EventFlag.LITE:
            self.cum_qty = max(self.cum_qty, event.cum_qty)
            if event.cum_quote is not None and event.cum_qty == self.cum_qty:
                self.cum_quote = event.cum_quote
        self.cum_qty = max(self.cum_qty, self.fills_qty)
        applied.grew_qty = self.cum_qty - before_qty
        if applied.grew_qty:
            self.proven_mono_ns = event.recv_mono_ns
        if self.cum_qty > self.qty:
            applied.problem = f"executed {self.cum_qty} of an order for {self.qty}"
        if was_terminal:
            self._apply_after_end(event, applied)
        else:
            self._apply_status(event, applied)
        return applied

    def _apply_fill(self, event: OrderEvent, seen: SeenFills, applied: Applied) -> None:
        known = seen.get(self.row, event.trade_id)
        if known is None:
            has_fee = not event.flags & EventFlag.LITE
            fill = Fill(event.trade_id, event.last_qty, event.last_px, (event.fee or ZERO) if has_fee else None,
                        event.fee_asset, bool(event.flags & EventFlag.MAKER))
            seen.add(self.row, event.trade_id, fill, event.recv_mono_ns)
            self.fills[event.trade_id] = fill
            self.fills_qty += fill.qty
            self.fills_amount += fill.px * fill.qty
            self.fills_missing_fee += not has_fee
            applied.fill = fill
            if has_fee:
                self._add_fee(fill)
            return
        if (known.qty, known.px) != (event.last_qty, event.last_px):
            applied.problem = (f"venue trade {event.trade_id} of {self.instrument.name} was {known.qty}@{known.px}, "
                               f"is now {event.last_qty}@{event.last_px}")
        if known.fee is None and not event.flags & EventFlag.LITE and event.trade_id in self.fills:
            known.fee, known.fee_asset = event.fee or ZERO, event.fee_asset
            known.is_maker = bool(event.flags & EventFlag.MAKER)
            self.fills_missing_fee -= 1
            self._add_fee(known)
            applied.fee_of = known
        else:
            applied.is_duplicate = True

    def _add_fee(self, fill: Fill) -> None:
        if fill.fee:
            self.fees[fill.fee_asset] = self.fees.get(fill.fee_asset, ZERO) + fill.fee

    def _apply_after_end(self, event: OrderEvent, applied: Applied) -> None:
        if applied.grew_qty:
            applied.is_late = True
            applied.is_new_state = self.move(self._end_state(), is_late=True)
            applied.wants_query = self.cum_qty < self.qty
            self.end_cause = "late_fill"

    def _apply_status(self, event: OrderEvent, applied: Applied) -> None:
        status = event.status
        if self.cum_qty >= self.qty:
            self._end(OrderState.FILLED, "filled", event, applied)
        elif event.flags & EventFlag.CANCEL_REPLY and event.error_class != ErrorClass.NONE:
            applied.wants_query = True  # a refused cancel says nothing about the order
        elif status == OrderStatus.NOT_FOUND:
            applied.not_found = event.source == Source.QUERY
            applied.wants_query = not applied.not_found
        elif event.source == Source.QUERY and event.error_class != ErrorClass.NONE:
            pass  # a question that failed is no answer
        elif event.error_class in UNCLEAR_CLASSES or status == OrderStatus.UNKNOWN:
            self._unclear(event, applied)
        elif status == OrderStatus.REJECTED:
            stood = self.rests and self.seen_on_stream and event.source == Source.REPLY
            if self.cum_qty or stood or not (event.error_class in DEFINITE_CLASSES
                                    or (event.error_class == ErrorClass.NONE and event.source != Source.REPLY)):
                applied.problem = f"reject that proves nothing (class {event.error_class}, executed {self.cum_qty})"
                self._unclear(event, applied)
            else:
                self.error_class, self.venue_code = event.error_class, event.venue_code
                self._end(OrderState.REJECTED, "rejected", event, applied)
        elif status in (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.FILLED):
            if event.cum_qty < 0:
                self._unclear(event, applied)  # how much was executed is not said: no outcome yet
            else:
                if status == OrderStatus.FILLED:
                    applied.problem = f"FILLED with {event.cum_qty} of {self.qty}"
                self._end(OrderState.PARTIAL_END, OrderStatus(status).name.lower(), event, applied)
        elif status in (OrderStatus.NEW, OrderStatus.PARTIAL) or applied.grew_qty:
            if event.error_class == ErrorClass.NONE:
                self.acked_mono_ns = self.acked_mono_ns or event.recv_mono_ns
                applied.is_new_state = self.move(OrderState.ACKED)
        elif event.error_class != ErrorClass.NONE and event.source == Source.REPLY:
            self._unclear(event, applied)

    def _unclear(self, event: OrderEvent, applied: Applied) -> None:
        self.error_class, self.venue_code = event.error_class, event.venue_code
        applied.is_new_state = self.move(OrderState.UNKNOWN)
        applied.wants_query = True

    def _end(self, state: OrderState, cause: str, event: OrderEvent, applied: Applied) -> None:
        self.acked_mono_ns = self.acked_mono_ns or event.recv_mono_ns
        self.end_mono_ns = event.recv_mono_ns
        self.end_cause = cause
        applied.is_new_state = self.move(state)

    def _end_state(self) -> OrderState:
        return OrderState.FILLED if self.cum_qty >= self.qty else OrderState.PARTIAL_END


def make_order(leg: Leg, intent_id: int, trade_id: int, purpose: int, ttl_ns: int, decided_mono_ns: int,
               instrument: Instrument) -> Order:
    return Order(client_id=leg.client_id, intent_id=intent_id, trade_id=trade_id, leg_index=leg.leg_index, instrument=instrument,
                 side=leg.side, purpose=purpose, order_type=leg.order_type, flags=leg.flags, qty=leg.qty, limit_px=leg.limit_px,
                 best_px=leg.best_px, expected_px_f64e8=leg.expected_px_f64e8, book_alive_mono_ns=leg.book_alive_mono_ns,
                 ttl_ns=ttl_ns, decided_mono_ns=decided_mono_ns)


class SeenFills:
    """Venue trade ids of the last 24 hours, by instrument: a fill that comes again, from any source, is known."""

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._fills: dict[tuple[int, int], Fill] = {}
        self._by_age: deque[tuple[int, tuple[int, int]]] = deque()

    def get(self, row: int, trade_id: int) -> Fill | None:
        return self._fills.get((row, trade_id))

    def add(self, row: int, trade_id: int, fill: Fill, now_mono_ns: int) -> None:
        self._fills[row, trade_id] = fill
        self._by_age.append((now_mono_ns, (row, trade_id)))

    def prune(self, now_mono_ns: int) -> None:
        while self._by_age and self._by_age[0][0] < now_mono_ns - self._keep_ns:
            self._fills.pop(self._by_age.popleft()[1], None)

    def __len__(self) -> int:
        return len(self._fills)
