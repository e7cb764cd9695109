"""A tiny venue as truth, a virtual clock and a driver for TradeManager: no sockets, no bytes, every delay and fault drawn from
one seed or scripted.

`World` owns the clock; `Venue` holds balances, positions, orders and executions of all accounts and answers as venues do
(spot buys pay their fee in base, everything else in quote); `Treatment` says what happens to one order. Shares no arithmetic
with engine/trade: ints and plain sums.
"""
from __future__ import annotations

import heapq
import math
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from engine.events import (
    ErrorClass,
    EventFlag,
    Intent,
    OrderEvent,
    OrderStatus,
    OrderType,
    Purpose,
    Sent,
    SentOutcome,
    Side,
    Source,
)
from engine.trade.commands import Ask, CancelOrder, JournalRecord, JournalType, NakedTime, QueryOrder, RestartStream, SubmitIntent
from engine.trade.core_surface import MARKET_CODES, PairState
from engine.trade.manager import TradeManager
from engine.trade.policy import TradePolicy
from engine.trade.unknown import QueryAnswer
from tests.support.fake_core import FakeCore, pair_rows

US, MS, S = 1_000, 1_000_000, 1_000_000_000
JR_INTENT, JR_SENT, JR_ORDER_EVENT = 2, 3, 4   # cext/layout.h
BYTES_LEFT = 0
STEPS_MAX = 100_000  # of one world; the busiest seeds need a tenth
REJECT_CLASSES = ("RETRY", "REJECT", "BALANCE", "FILTER", "RATE", "AUTH", "TIME", "FATAL")


@dataclass
class Treatment:
    """What the world does with one order. Delays in ns from the send; None = the message is lost."""
    sent: int = Sent.OK
    arrives: int | None = 200 * US     # at the matcher; None = the request is lost
    fraction: float = 1.0              # of its quantity that executes
    pieces: int = 1                    # fills
    reject: str = ""                   # error class of a definite refusal
    unclear: str = ""                  # error class of an answer that proves nothing (the order is treated as arrived)
    reply: int | None = 300 * US  # answer, from arrival
    reply_kind: str = "end"  # "end" (terminal with cumulative), "ack" (NEW only), "fills" (one event a fill, then the end)
    stream: int | None = 400 * US      # user stream events, from arrival
    stream_shuffled: bool = False
    stream_copies: int = 1
    lite_first: bool = False           # a fill notice without fee before the real one
    lies: str = ""                     # reply says "rejected" or "expired" though it executes; the stream tells the truth later
    ignores_ttl: bool = False          # executes after its time-to-live
    # of an order that rests: (after so long in the book, share of its quantity), and its cancel
    rest_fills: tuple[tuple[int, float], ...] = ()
    cancel: int | None = 300 * US      # until the matcher has it; None = the first one is lost
    cancel_reply: int | None = 300 * US


@dataclass
class VenueOrder:
    client_id: str
    row: int
    side: int
    qty: int
    limit_px: int
    flags: int
    purpose: int
    trade_id: int
    order_id: int
    expiry: int
    treatment: Treatment
    status: int = OrderStatus.NEW
    cum_qty: int = 0
    fills: list[tuple[int, int, int, Decimal, str]] = field(default_factory=list)  # (trade id, qty, px, fee, asset)
    known_from: int = 0                # when queries see it
    order_type: int = OrderType.IOC
    cancels: int = 0                   # asked for

    @property
    def is_open(self) -> bool:
        return self.status in (OrderStatus.NEW, OrderStatus.PARTIAL)


class Venue:
    """Truth."""

    def __init__(self, rows: list[Any], cash: Decimal = Decimal(1_000_000)) -> None:
        self.rows = rows
        self.balances: dict[str, dict[str, Decimal]] = {row.account_name: defaultdict(Decimal) for row in rows}
        for row in rows:
            if row.id < 4 and row.market == "spot":  # the others have no inventory, and the venue does not list what is zero
                self.balances[row.account_name].setdefault(row.base, Decimal(10))
            self.balances[row.account_name][row.quote] = cash
        self.opening = {account: dict(assets) for account, assets in self.balances.items()}
        self.positions: dict[int, int] = defaultdict(int)
        self.position_cash: dict[int, Decimal] = defaultdict(Decimal)   # what futures fills flowed, as if paid in full
        self.orders: dict[str, VenueOrder] = {}
        self.sent_ids: set[str] = set()
        self.next_trade_id = 1000

    def execute(self, order: VenueOrder, qty: int, px: int) -> None:
        row = self.rows[order.row]
        sign = 1 if order.side == Side.BUY else -1
        rate = row.maker_fee if order.order_type == OrderType.POST_ONLY else row.taker_fee
        amount = Decimal(px * qty).scaleb(-row.px_scale - row.qty_scale)
        base = Decimal(qty).scaleb(-row.qty_scale)
        if row.market == "spot":
            spot = self.balances[row.account_name]
            spot[row.base] += sign * base
            spot[row.quote] -= sign * amount
            asset, basis = (row.base, base) if sign > 0 else (row.quote, amount)
            fee = (basis * rate).quantize(Decimal("1e-8"), rounding=ROUND_HALF_UP)
            spot[asset] -= fee
        else:
            asset = row.quote
            fee = (amount * rate).quantize(Decimal("1e-8"), rounding=ROUND_HALF_UP)
            self.positions[order.row] += sign * qty
            self.position_cash[order.row] -= sign * amount
            self.balances[row.account_name][asset] -= fee
        self.next_trade_id += 1
        order.cum_qty += qty
        order.fills.append((self.next_trade_id, qty, px, fee, asset))
        assert order.cum_qty <= order.qty, "I3: more executed than ordered"

    def wallet(self, account: str, asset: str) -> Decimal:
        """Wallet plus what open positions flowed: comparable at any time."""
        return self.balances[account][asset] + sum((cash for row, cash in self.position_cash.items()
                                                    if (self.rows[row].account_name, self.rows[row].quote) == (account, asset)),
                                                   Decimal(0))

    def base_position(self, row: int) -> Decimal:
        """As a POSITION query answers: spot balance of the base, futures position."""
        instrument = self.rows[row]
        if instrument.market == "spot":
            return self.balances[instrument.account_name][instrument.base]
        return Decimal(self.positions[row]).scaleb(-instrument.qty_scale)


class World:
    def __init__(self, pairs: int = 1, policy: TradePolicy | None = None, seed: int = 0,
                 treat: Callable[[Any, int], Treatment] | None = None, rows: list[Any] | None = None,
                 pair_list: list[tuple[int, int]] | None = None) -> None:
        """`pairs` of one venue, spot against perpetual; or any rows and pairs."""
        self.rng = random.Random(seed)
        self.rows = rows or pair_rows(pairs)
        self.core = FakeCore(pair_list or [(2 * i, 2 * i + 1) for i in range(pairs)],
                             spot_rows={row.id for row in self.rows if row.market == "spot"})
        for row in self.rows:
            self.core.books[row.id] = (10_000_00, 10_000_10) if row.market == "spot" else (10_060_0, 10_060_5)
        self.venue_books = dict(self.core.books)  # what the venue matches with while the core has no book
        self.policy = policy or TradePolicy()
        self.manager = TradeManager(self.core, self.rows, self.policy)
        self.venue = Venue(self.rows)
        self.manager.accounts.open(self.venue.opening)
        self.treat = treat or (lambda leg, purpose: Treatment())
        self.now = 1 * S
        self.heap: list[tuple[int, int, Callable[[], None]]] = []
        self.seq = 0
        self.commands: list[Any] = []
        self.journal: list[JournalRecord] = []
        self.naked: list[NakedTime] = []
        self.query_delay = 2 * MS
        self.query_lost: Callable[[], bool] = lambda: False
        self.query_stale: Callable[[], bool] = lambda: False
        self.stream_restarts = 0
        self.steps = 0
        self.intents: list[Intent] = []
        self.lost_venues: set[str] = set()
        self.is_restricted = False         # only what reduces passes, as at a stop
        self.exposures_before_stop = 0
        self.left_at_stop: list[str] = []   # what still stood in a book two seconds after a stop

    # ---------------------------------------------------------------- clock

    def at(self, when: int, function: Callable[[], None]) -> None:
        self.seq += 1
        heapq.heappush(self.heap, (max(when, self.now), self.seq, function))

    def run_until(self, when: int) -> None:
        """Events and timers in order of time."""
        while True:
            event_at = self.heap[0][0] if self.heap else when + 1
            timer_at = self.manager.next_timer_mono_ns()
            moment = min(event_at, timer_at)
            if moment > when:
                break
            self.now = max(self.now, moment)
            self.steps += 1
            assert self.steps < STEPS_MAX, f"a storm: {STEPS_MAX} steps by {self.now / S:.1f} s"
            if event_at <= timer_at:
                heapq.heappop(self.heap)[2]()
            else:
                self.manager.on_timer(self.now, self.now)
            self.drain()
        self.now = max(self.now, when)

    def run_for(self, duration: int) -> None:
        self.run_until(self.now + duration)

    # ---------------------------------------------------------------- driver

    def drain(self) -> None:
        while commands := self.manager.take_commands():
            for command in commands:
                self.commands.append(command)
                self._execute(command)

    def _execute(self, command: Any) -> None:
        if isinstance(command, SubmitIntent):
            if any(self.takes_no_orders(leg[0]) for leg in command.legs):
                self.manager.on_submit_refused(command, "SESSION_DOWN", self.now)
                return
            if self.core.refuse_with:
                self.manager.on_submit_refused(command, self.core.refuse_with, self.now)
                return
            if self.is_restricted and not self.lets_reduce(command):
                self.manager.on_submit_refused(command, "NOT_REDUCING", self.now)
                return
            self.send(
                self.core.make_intent(
                    command.purpose, command.trade_id, command.pair_index, command.legs, command.ttl_ns, self.now
                )
            )
        elif isinstance(command, QueryOrder):
            self._query(command)
        elif isinstance(command, CancelOrder):
            self._cancel(command)
        elif isinstance(command, JournalRecord):
            self.journal.append(command)
            self.note(int(command.type), command)
        elif isinstance(command, NakedTime):
            self.naked.append(command)
        elif isinstance(command, RestartStream):
            self.stream_restarts += 1

    def force_close(self, row: int, qty: int, is_told: bool = True) -> None:
        """The venue takes `qty` of the account's position away by itself, and says so, or not."""
        held = self.venue.positions[row]
        assert 0 < qty <= abs(held)
        bid, ask = self.core.books.get(row) or self.venue_books[row]
        px = bid if held > 0 else ask
        order = VenueOrder("adl_autoclose", row, Side.SELL if held > 0 else Side.BUY, qty, px, 0, Purpose.UNWIND, 0,
                           len(self.venue.orders) + 9_000, self.now, Treatment(), status=OrderStatus.FILLED)
        self.venue.orders[f"adl {order.order_id}"] = order
        self.venue.execute(order, qty, px)
        if is_told:
            event = self._fill_event(order, Source.STREAM, order.fills[-1], OrderStatus.FILLED, qty)
            event.flags |= EventFlag.FOREIGN | EventFlag.FORCED
            self._deliver(event)

    def lets_reduce(self, command: SubmitIntent) -> bool:
        """Whether a gate that lets only reducing orders through lets this one: a single order that lowers the coin's net delta,
        several that each lower the position of their instrument, or what the trade that exits holds there."""
        manager = self.manager
        if len(command.legs) == 1:
            row, side, _, qty, _ = command.legs[0]
            instrument = manager.instruments[row]
            net = sum((manager.position_units(one.row) for one in manager.instruments if one.base == instrument.base), Decimal(0))
            left = net if side == Side.SELL else -net
            arriving = instrument.units(qty) * (1 - instrument.taker_fee if instrument.is_spot and side == Side.BUY else 1)
            return bool(left > 0 and arriving < left + instrument.lot and arriving < 2 * left)
        trade = manager.trades[command.trade_id]
        for row, side, _, qty, _ in command.legs:
            instrument = manager.instruments[row]
            for held in (manager.position_units(row), trade.position(row)):
                left = held if side == Side.SELL else -held
                if left > 0 and instrument.units(qty) < left + instrument.lot * 2:
                    break
            else:
                return False
        return True

    def takes_no_orders(self, row: int) -> bool:
        """Whether the calm floor has told the core that the row's market takes no orders."""
        instrument = self.rows[row]
        venue_id = self.manager.accounts.venue_id(instrument.venue)
        return self.core.sessions.get((venue_id, MARKET_CODES[instrument.market])) is False

    def lose_venue(self, venue: str, *kinds: str) -> None:
        """Its sessions go down, those of the user streams too unless `kinds` names others; what it says is not heard, and it
        answers no question."""
        self.lost_venues.add(venue)
        self._tell_sessions(venue, False, kinds or ("orders", "user"))

    def regain_venue(self, venue: str, *kinds: str) -> None:
        self.lost_venues.discard(venue)
        self._tell_sessions(venue, True, kinds or ("orders", "user"))

    def _tell_sessions(self, venue: str, is_up: bool, kinds: tuple[str, ...]) -> None:
        for market in sorted({row.market for row in self.rows if row.venue == venue}):
            for kind in kinds:
                self.manager.on_session(venue, market, kind, is_up, self.now)
        self.drain()

    def enter(self, pair: int = 0, qty: int = 10, direction: int = 1) -> Intent:
        """An entry as the hot core would decide it: `qty` perpetual lots (0.001) on both legs. Of spot against spot the buyer
        takes the fee in base along; against a perpetual it is below a common lot and left out here."""
        legs = []
        rows = self.core.pair_list[pair]
        is_gross = all(self.rows[row].market == "spot" for row in rows)
        for row, sign in zip(rows, (direction, -direction), strict=True):
            bid, ask = self.core.books[row]
            lots = self.lots(row, qty)
            if is_gross and sign > 0:
                lots = math.ceil(lots / (1 - self.rows[row].taker_fee))
            legs.append((row, Side.BUY if sign > 0 else Side.SELL, ask if sign > 0 else bid, lots, 0))
        intent = self.core.make_intent(Purpose.ENTRY, 0, pair, legs, self.policy.ttl_ns, self.now)
        self.send(intent)
        self.drain()
        return intent

    def rest(self, pair: int = 0, qty: int = 10, direction: int = 1, maker: int = 0) -> Intent:
        """An order that rests on the pair's leg `maker`, at the best price of its own side, as the hot core would place it."""
        row = self.core.pair_list[pair][maker]
        sign = direction if maker == 0 else -direction
        limit_px = self.core.books[row][0 if sign > 0 else 1]
        leg = (row, Side.BUY if sign > 0 else Side.SELL, limit_px, self.lots(row, qty), 0)
        intent = self.core.make_intent(Purpose.ENTRY, 0, pair, [leg], self.policy.ttl_ns, self.now, rests=True)
        self.send(intent)
        self.drain()
        return intent

    def cancel_quote(self, intent_id: int) -> None:
        """The hot core wants it out of the book."""
        self.manager.cancel_quote(intent_id, "it pays no more", self.now)
        self.drain()

    def lots(self, row: int, qty: int) -> int:
        """`qty` perpetual lots in the row's own scale."""
        return qty * 10 ** (self.rows[row].qty_scale - 3)

    def leave(self, pair: int = 0) -> Intent | None:
        """An exit as the hot core would decide it, from the pair state and the positions that it was told."""
        state, *held = self.core.pair_states[pair]
        assert state == PairState.OPEN
        legs = []
        for row, qty in zip(self.core.pair_list[pair], held, strict=True):
            if qty:
                bid, ask = self.core.books[row]
                side = Side.SELL if qty > 0 else Side.BUY
                position = self.core.positions.get(row, 0)
                flag = self.rows[row].market == "linear" and position * qty > 0 and abs(position) >= abs(qty)
                legs.append((row, side, bid if qty > 0 else ask, abs(qty), int(flag)))
        trade_id = next(t.trade_id for t in self.manager.trades.values() if t.pair_index == pair and t.state == "OPEN")
        intent = self.core.make_intent(Purpose.EXIT, trade_id, pair, legs, self.policy.ttl_ns, self.now)
        self.send(intent)
        self.drain()
        return intent

    def send(self, intent: Intent) -> None:
        """Both legs in one turn, then the calm floor hears of it."""
        self.intents.append(intent)
        self.note(JR_INTENT, intent)
        treatments = [self.treat(leg, intent.purpose) for leg in intent.legs]
        for leg, treatment in zip(intent.legs, treatments, strict=True):
            assert leg.client_id not in self.venue.sent_ids, "I2: an id was sent twice"
            self.venue.sent_ids.add(leg.client_id)
            if treatment.sent == Sent.NOT or treatment.arrives is None:
                continue
            order = VenueOrder(
                leg.client_id,
                leg.instrument_id,
                leg.side,
                leg.qty,
                leg.limit_px,
                leg.flags,
                intent.purpose,
                intent.trade_id,
                len(self.venue.sent_ids) + 7_000,
                self.now + intent.ttl_ns,
                treatment,
                order_type=leg.order_type,
            )
            self.at(self.now + treatment.arrives, lambda order=order: self._arrive(order))
            self.note(BYTES_LEFT, leg)
        outcomes = [SentOutcome(intent.intent_id, leg.leg_index, treatment.sent, self.now, self.now + 2 * US, 250)
                    for leg, treatment in zip(intent.legs, treatments, strict=True)]
        for outcome in outcomes:
            self.note(JR_SENT, outcome)
        self.manager.on_intent(intent)
        for outcome in outcomes:
            self.manager.on_sent(outcome)

    def note(self, what: int, fact: Any) -> None:
        """Called where the engine would append a record (JR_*), and when a leg's bytes have left: see MortalWorld."""

    # ---------------------------------------------------------------- venue's side

    def _arrive(self, order: VenueOrder) -> None:
        treatment = order.treatment
        self.venue.orders[order.client_id] = order
        order.known_from = self.now
        if self.now > order.expiry and not treatment.ignores_ttl:
            order.status = OrderStatus.REJECTED
            self._reply_reject(order, "TIME")
            return
        if treatment.reject:
            order.status = OrderStatus.REJECTED
            self._reply_reject(order, treatment.reject)
            return
        bid, ask = self.core.books.get(order.row) or self.venue_books[order.row]
        px = ask if order.side == Side.BUY else bid
        crosses = px <= order.limit_px if order.side == Side.BUY else px >= order.limit_px
        if order.order_type == OrderType.POST_ONLY:
            self._stand(order, crosses)
            return
        if order.flags & 1:
            held = self.venue.positions[order.row]
            takes = held < 0 if order.side == Side.BUY else held > 0
            if not takes or abs(held) < order.qty:
                order.status = OrderStatus.REJECTED
                self._reply_reject(order, "REJECT")
                return
        qty = min(order.qty, round(order.qty * treatment.fraction)) if crosses else 0
        left = qty
        for piece in range(treatment.pieces):
            part = left if piece == treatment.pieces - 1 else min(left, max(1, qty // treatment.pieces))
            if part > 0:
                self.venue.execute(order, part, px)
                left -= part
        order.status = OrderStatus.FILLED if order.cum_qty == order.qty else OrderStatus.EXPIRED
        if treatment.unclear:
            self._after(
                treatment.reply,
                lambda: self._deliver(self._event(order, Source.REPLY, OrderStatus.UNKNOWN, error=treatment.unclear)),
            )
        elif treatment.reply is not None:
            self._reply(order)
        if treatment.stream is not None:
            self._stream(order)

    # ---------------------------------------------------------------- orders that rest

    def _stand(self, order: VenueOrder, crosses: bool) -> None:
        """Post-only: into the book, where it is filled now and then; refused where it would take."""
        treatment = order.treatment
        bid, ask = self.core.books.get(order.row) or self.venue_books[order.row]
        if order.limit_px >= ask if order.side == Side.BUY else order.limit_px <= bid:
            order.status = OrderStatus.REJECTED
            self._reply_reject(order, "REJECT")
            return
        if treatment.lies == "rejected":
            self._reply_reject(order, "REJECT")
        elif treatment.unclear:
            self._after(treatment.reply, lambda: self._deliver(self._event(order, Source.REPLY, OrderStatus.UNKNOWN,
                                                                           error=treatment.unclear)))
        else:
            self._after(treatment.reply, lambda: self._deliver(self._event(order, Source.REPLY, OrderStatus.NEW, cum=0)))
        self._tell(order, self._event(order, Source.STREAM, OrderStatus.NEW, cum=0))
        for delay, share in treatment.rest_fills:
            self.at(self.now + delay, lambda share=share: self._fill_resting(order, max(1, round(order.qty * share))))

    def _fill_resting(self, order: VenueOrder, qty: int) -> None:
        """Somebody takes it, at its own price."""
        qty = min(qty, order.qty - order.cum_qty)
        if not order.is_open or qty <= 0:
            return
        self.venue.execute(order, qty, order.limit_px)
        order.status = OrderStatus.FILLED if order.cum_qty == order.qty else OrderStatus.PARTIAL
        event = self._fill_event(order, Source.STREAM, order.fills[-1], order.status, order.cum_qty)
        if order.treatment.lite_first:
            lite = self._fill_event(order, Source.STREAM, order.fills[-1], OrderStatus.NONE, -1)
            lite.flags |= EventFlag.LITE
            lite.fee, lite.fee_asset = None, ""
            self._tell(order, lite)
        self._tell(order, event)

    def _tell(self, order: VenueOrder, event: OrderEvent) -> None:
        """On the user stream, as the order's treatment has it."""
        treatment = order.treatment
        for copy in range(treatment.stream_copies):
            late = self.rng.randrange(5) * MS if treatment.stream_shuffled else 0
            if treatment.stream is not None:
                self._after(treatment.stream + late + copy * 5 * MS, lambda: self._deliver(event))

    def _cancel(self, command: CancelOrder) -> None:
        order = self.venue.orders.get(command.client_id)
        delay: int | None = 300 * US
        if order is not None:
            order.cancels += 1
            delay = order.treatment.cancel if order.cancels == 1 else 300 * US
        if delay is not None and self.rows[command.row].venue not in self.lost_venues:
            self.at(self.now + delay, lambda: self._cancel_arrives(command))

    def _cancel_arrives(self, command: CancelOrder) -> None:
        order = self.venue.orders.get(command.client_id)
        if order is None or not order.is_open:   # not there yet, or over
            self._after(300 * US, lambda: self._deliver(OrderEvent(
                command.client_id, command.row, Source.REPLY, error_class=ErrorClass.UNKNOWN_ORDER,
                flags=int(EventFlag.CANCEL_REPLY))))
            return
        order.status = OrderStatus.CANCELED
        reply = self._event(order, Source.REPLY, OrderStatus.CANCELED, cum=order.cum_qty)
        reply.flags |= EventFlag.CANCEL_REPLY
        self._after(order.treatment.cancel_reply, lambda: self._deliver(reply))
        self._tell(order, self._event(order, Source.STREAM, OrderStatus.CANCELED, cum=order.cum_qty))

    def _reply_reject(self, order: VenueOrder, error: str) -> None:
        if order.treatment.reply is not None:
            self._after(
                order.treatment.reply, lambda: self._deliver(self._event(order, Source.REPLY, OrderStatus.REJECTED, error=error))
            )

    def _after(self, delay: int | None, function: Callable[[], None]) -> None:
        if delay is not None:
            self.at(self.now + delay, function)

    def _reply(self, order: VenueOrder) -> None:
        treatment, delay = order.treatment, order.treatment.reply
        if treatment.lies == "rejected":
            self._after(delay, lambda: self._deliver(self._event(order, Source.REPLY, OrderStatus.REJECTED, error="REJECT")))
        elif treatment.lies == "expired":
            self._after(delay, lambda: self._deliver(self._event(order, Source.REPLY, OrderStatus.EXPIRED, cum=0)))
        elif treatment.reply_kind == "ack":
            self._after(delay, lambda: self._deliver(self._event(order, Source.REPLY, OrderStatus.NEW, cum=0)))
        else:
            if treatment.reply_kind == "fills":
                for fill in order.fills:
                    self._after(
                        delay,
                        lambda fill=fill: self._deliver(self._fill_event(order, Source.REPLY, fill, OrderStatus.PARTIAL, -1)),
                    )
            self._after(delay, lambda: self._deliver(self._event(order, Source.REPLY, order.status, cum=order.cum_qty)))

    def _stream(self, order: VenueOrder) -> None:
        treatment = order.treatment
        events = [self._event(order, Source.STREAM, OrderStatus.NEW, cum=0)]
        total = 0
        for fill in order.fills:
            total += fill[1]
            status = OrderStatus.FILLED if total == order.qty else OrderStatus.PARTIAL
            if treatment.lite_first:
                lite = self._fill_event(order, Source.STREAM, fill, OrderStatus.NONE, -1)
                lite.flags |= EventFlag.LITE
                lite.fee, lite.fee_asset = None, ""
                events.append(lite)
            events.append(self._fill_event(order, Source.STREAM, fill, status, total))
        if order.status == OrderStatus.EXPIRED:
            events.append(self._event(order, Source.STREAM, OrderStatus.EXPIRED, cum=order.cum_qty))
        if treatment.stream_shuffled:
            self.rng.shuffle(events)
        for copy in range(treatment.stream_copies):
            for index, event in enumerate(events):
                self._after((treatment.stream or 0) + index * 10 * US + copy * 5 * MS, lambda event=event: self._deliver(event))

    def _event(self, order: VenueOrder, source: int, status: int, cum: int = -1, error: str = "NONE") -> OrderEvent:
        return OrderEvent(order.client_id, order.row, source, status, venue_order_id=order.order_id, cum_qty=cum,
                          error_class=ErrorClass[error], venue_code=0 if error == "NONE" else -2000 - ErrorClass[error])

    def _fill_event(
        self, order: VenueOrder, source: int, fill: tuple[int, int, int, Decimal, str], status: int, cum: int
    ) -> OrderEvent:
        trade_id, qty, px, fee, asset = fill
        return OrderEvent(
            order.client_id,
            order.row,
            source,
            status,
            venue_order_id=order.order_id,
            trade_id=trade_id,
            last_qty=qty,
            last_px=px,
            cum_qty=cum,
            fee=fee,
            fee_asset=asset,
            flags=int(EventFlag.IS_FILL | (EventFlag.MAKER if order.order_type == OrderType.POST_ONLY else EventFlag.NONE)),
        )

    def _deliver(self, event: OrderEvent) -> None:
        if self.rows[event.instrument_id].venue in self.lost_venues:
            return
        copy = OrderEvent(**{name: getattr(event, name) for name in OrderEvent.__dataclass_fields__})
        copy.recv_mono_ns = self.now
        copy.exch_ns = self.now
        self.note(JR_ORDER_EVENT, copy)
        self.manager.on_order_event(copy)
        self.drain()

    # ---------------------------------------------------------------- queries

    def _query(self, query: QueryOrder) -> None:
        if not self.query_lost() and self.rows[query.row].venue not in self.lost_venues:
            self.at(self.now + self.query_delay, lambda: self._answer(query))

    def _answer(self, query: QueryOrder) -> None:
        order = self.venue.orders.get(query.client_id)
        if order is not None and order.status == OrderStatus.REJECTED and order.order_id % 2:
            order = None  # some refusals leave an order behind that can be asked about, most do not
        is_visible = order is not None and not (self.query_stale() and self.now - order.known_from < self.policy.absence_lag_ns)
        is_found, position = False, None
        if query.ask == Ask.ORDER:
            is_found = is_visible
            if order is None or not is_visible:
                self._deliver(
                    OrderEvent(
                        query.client_id, query.row, Source.QUERY, OrderStatus.NOT_FOUND, error_class=ErrorClass.UNKNOWN_ORDER
                    )
                )
            else:
                cum = order.cum_qty
                self._deliver(self._event(order, Source.QUERY, order.status, cum=cum))
        elif query.ask == Ask.FILLS:
            is_found = bool(is_visible and order is not None and order.fills)
            if is_found and order is not None:
                for fill in order.fills:
                    self._deliver(self._fill_event(order, Source.QUERY, fill, OrderStatus.NONE, -1))
        else:
            position = self.venue.base_position(query.row)
        self.manager.on_query_answer(
            QueryAnswer(query.client_id, query.ask, query.asked_mono_ns, self.now, True, is_found, position)
        )
        self.drain()

    # ---------------------------------------------------------------- truth against belief

    def assert_belief_is_truth(self) -> None:
        """I6, I7: quantities, balances, fees, to the last unit; and the two floors agree."""
        manager, venue = self.manager, self.venue
        for account, assets in venue.balances.items():
            for asset in set(assets) | set(manager.ledger.accounts().get(account, {})):
                open_cost = sum((manager.ledger.positions[row.name].cost for row in self.rows
                                 if row.market == "linear" and (row.account_name, row.quote) == (account, asset)), Decimal(0))
                ours = manager.ledger.amount(account, asset) + open_cost
                assert ours == venue.wallet(account, asset), (
                    f"{account} {asset}: ledger {ours}, venue {venue.wallet(account, asset)}"
                )
        for row, instrument in enumerate(self.rows):
            if instrument.market == "linear":
                ours = manager.ledger.positions[instrument.name].qty
                assert ours == venue.base_position(row), f"{instrument.name}: ledger {ours}, venue {venue.base_position(row)}"
            assert self.core.fills.get(row, 0) == self._executed(row), (
                f"{instrument.name}: core was told {self.core.fills.get(row, 0)}"
            )
            if instrument.market == "spot":
                change = self._moved(instrument)
                assert manager.position_units(row) == change, (
                    f"{instrument.name}: belief {manager.position_units(row)}, truth {change}"
                )
            else:
                assert manager.position_units(row) == venue.base_position(row)
            if row in manager.accounts.last_px:
                told = Decimal(self.core.positions[row]).scaleb(-instrument.qty_scale)
                assert abs(told - manager.position_units(row)) < Decimal(1).scaleb(-instrument.qty_scale), (
                    f"{instrument.name}: core holds {told}"
                )
        futures = {(row.account_name, row.quote) for row in self.rows if row.market == "linear"}  # realised there, not here
        for (account, asset), free_e8 in self.core.balances.items():
            exact = venue.balances[account][asset]
            if (account, asset) not in futures:
                assert Decimal(free_e8).scaleb(-8) == max(exact, Decimal(0)).quantize(Decimal("1e-8"), rounding="ROUND_FLOOR"), (
                    f"core's copy of {account} {asset}"
                )
        manager.ledger.check_identity()

    def _moved(self, instrument: Any) -> Decimal:
        """Change of a base balance since the start."""
        account, base = instrument.account_name, instrument.base
        return self.venue.balances[account][base] - self.venue.opening[account].get(base, Decimal(0))

    def _executed(self, row: int) -> int:
        return sum(
            order.cum_qty * (1 if order.side == Side.BUY else -1) for order in self.venue.orders.values() if order.row == row
        )

    def truth_net(self, pair: int) -> Decimal:
        """Net change of inventory on a pair's rows, as the venues have it."""
        return sum((self._moved(self.rows[row]) if self.rows[row].market == "spot" else self.venue.base_position(row)
                    for row in self.core.pair_list[pair]), Decimal(0))

    def truth_of_base(self, base: str) -> Decimal:
        """Net change of inventory of one base over all rows, as the venues have it."""
        return sum((self._moved(row) if row.market == "spot" else self.venue.base_position(row.id)
                    for row in self.rows if row.base == base), Decimal(0))

    def assert_profit_is_exact(self) -> None:
        """The total counted from the ledger equals the sum over trades, and both equal the venue's own change."""
        report = self.manager.report()
        assert report["pnl"]["split"]["rounding"] == "0", report["pnl"]

    def transitions(self) -> list[tuple[str, str]]:
        return [
            (record.payload["from"], record.payload["to"]) for record in self.journal if record.type == JournalType.TRANSITION
        ]

    def alert_codes(self) -> set[str]:
        return set(self.manager.alerts)
