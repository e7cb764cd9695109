"""The calm floor of the core: what happens to a trade after its intent. Events and times in, commands out; no clock, socket, file
or random.

Called by whoever drives the core (live shell, replay, simulation), always from one thread:
`on_intent` once an intent's bytes were handed over, `on_sent` for each of its legs, `on_order_event` for every fact about an
order,
`on_query_answer` and `on_submit_refused` as answers to commands, `on_timer` when `next_timer_mono_ns()` is reached, `on_session`
when an order session or user stream comes or goes. After each call the driver executes `take_commands()`. Facts about one order
are judged in orders.py, proofs in unknown.py, the next step of a recovery in recovery.py; this file moves trades through the
table of states.py and tells the core.
"""
from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from cext.client_id import decode_client_id
from engine.events import (
    ErrorClass,
    EventFlag,
    Intent,
    IntentKind,
    LegFlag,
    OrderEvent,
    Purpose,
    Sent,
    SentOutcome,
    Side,
    Source,
)
from engine.trade import marriage, recovery, resting
from engine.trade.accounts import Accounts
from engine.trade.attribution import attribute
from engine.trade.commands import (
    Alert,
    Ask,
    CancelOrder,
    Command,
    JournalRecord,
    JournalType,
    NakedTime,
    QueryOrder,
    RestartStream,
    SubmitIntent,
)
from engine.trade.core_surface import MARKET_CODES, CoreSurface, LockReason, PairState, best_prices
from engine.trade.differences import Differences
from engine.trade.dust import DustLedger
from engine.trade.fee_drift import FeeWatch
from engine.trade.forced import FORCED, make_forced_order, other_side, split_forced
from engine.trade.instruments import Instrument, make_instruments
from engine.trade.inventory import Inventory
from engine.trade.ledger import Difference, Ledger
from engine.trade.locks import FOR_EVER_NS, LockBook
from engine.trade.money import AMOUNT_UNIT, EXACT, ZERO, exact, from_scaled, text
from engine.trade.naked import NakedStatistics
from engine.trade.orders import Applied, Fill, Order, SeenFills, make_order
from engine.trade.pnl import Profit
from engine.trade.policy import MINUTE, SECOND, TradePolicy
from engine.trade.quotes import Quotes
from engine.trade.recheck import AGAIN_NS, Recheck
from engine.trade.recovery import Verdict
from engine.trade.states import FINAL_STATES, TRANSITIONS, OrderState, TradeState, is_terminal
from engine.trade.summary import make_report, trades_by_state
from engine.trade.trade import ENTRY, EXIT, HOLD, Trade
from engine.trade.unknown import QueryAnswer, UnknownWatch

# Error class of a definite reject -> cool-down of the user's matrix. Filter and plain rejects are the pair's own business: it
# re-arms.
COOLDOWN_OF_CLASS = {ErrorClass.BALANCE: "margin", ErrorClass.RATE: "api_error", ErrorClass.AUTH: "api_error",
                     ErrorClass.RETRY: "api_error",
                     ErrorClass.FATAL: "api_error", ErrorClass.TIME: "stale"}
LOCK_OF_COOLDOWN = {"timeout": LockReason.TIMEOUT, "api_error": LockReason.API_ERROR, "orphan": LockReason.ORPHAN,
                    "margin": LockReason.MARGIN, "stale": LockReason.STALE}
FAILED_CLASSES = frozenset({ErrorClass.RATE, ErrorClass.AUTH, ErrorClass.RETRY, ErrorClass.FATAL, ErrorClass.TIME,
                            ErrorClass.UNKNOWN_EXECUTION, ErrorClass.UNMAPPED})
PAIR_STATE_OF = {TradeState.OPEN: PairState.OPEN, TradeState.CLOSING: PairState.EXITING, TradeState.MANUAL: PairState.LOCKED}
NOT_REDUCING = "NOT_REDUCING"   # a gate code (docs/gate.md)
REFUSALS_MAX = 8                # of repairs of a coin whose net is below a lot, retry_ns apart
RECENT_TRADES = 100
RECONCILE_APART_NS = 250_000_000
STREAM_RESTART_NS = 5 * SECOND
NOT_SENT = "not_sent"        # end of an order of which no byte left
DOUBT_EVERY_NS = 5 * SECOND
DOUBT_BACK_NS = 10 * MINUTE


def is_later_engine(client_id: str, identity: tuple[int, int] | None) -> bool:
    """Whether an id carries the instance of `identity` and a later epoch."""
    made_by = decode_client_id(client_id) if identity is not None else None
    return made_by is not None and identity is not None and made_by[0] == identity[0] and made_by[1] >> 32 > identity[1]


def _may_have_news(order: Order) -> bool:
    """Whether an order that is over here may yet turn out to have executed more: not when no byte of it left, nor when all of it
    has executed and every fill is known with its fee."""
    return not order.is_live and order.end_cause != NOT_SENT and not (order.cum_qty == order.qty and order.is_settled)


class ImpossibleTransition(Exception):
    """A change that the table of states.py does not hold: our own mistake."""


@dataclass(slots=True)
class Grave:
    """What is kept of a finished order for 24 hours: enough to know it again."""
    order: Order
    pair_index: int
    strategy: int
    instruments: list[Instrument]
    intent_units: Decimal
    asked_units: Decimal
    dead_mono_ns: int


class TradeManager:
    def __init__(self, core: CoreSurface, table: Any, policy: TradePolicy | None = None) -> None:
        self.core = core
        self.policy = policy or TradePolicy()
        self.instruments = make_instruments(table)
        self.ledger = Ledger()
        self.dust = DustLedger()
        self.inventory = Inventory()
        self.locks = LockBook(core)
        self.naked = NakedStatistics()
        self.profit = Profit(self.policy.usd_rates)
        self.accounts = Accounts(self.instruments, core, self.ledger)
        self.differences = Differences(self.instruments)
        self.fee_watch = FeeWatch(table.rows if hasattr(table, "rows") else table)
        self.trades: dict[int, Trade] = {}          # not final, or final with details still owed
        self.recent: deque[dict[str, Any]] = deque(maxlen=RECENT_TRADES)
        self.final_states: Counter[str] = Counter()
        self.quotes = Quotes(self)
        self.rejects: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.order_count = 0
        self.fill_count = 0
        self.loose_funding = ZERO                   # paid while no trade of ours held the instrument, USD
        self._orders: dict[str, Order] = {}
        self._trade_of: dict[str, Trade] = {}
        self._by_leg: dict[tuple[int, int], Order] = {}
        self._by_venue_id: dict[tuple[int, int], Order] = {}
        self._graves: dict[str, Grave] = {}
        self._seen = SeenFills(self.policy.graveyard_ns)
        self._pair_owner: dict[int, int] = {}
        self._core_view: dict[int, tuple[int, int, int, int]] = {}  # pair -> what the core was told last
        self._row_pairs: dict[int, list[int]] = {}
        self._indexed_pairs = 0
        self._pledges: dict[tuple[int, int], int] = {}              # (trade, row) -> base e8, as the core was told
        self._commands: list[Command] = []
        self._timers: list[tuple[int, int, Callable[..., None], Any]] = []
        self._timer_seq = 0
        self._now_mono_ns = 0
        self._now_wall_ns = 0
        self._stop_mode = ""
        self._sessions: dict[tuple[str, str], dict[str, bool]] = {}
        self._stream_restarted: dict[tuple[str, str], int] = {}
        self._down_since: dict[tuple[str, str], int] = {}        # (venue, market) whose session or stream is down
        self._deaf_since: dict[tuple[str, str], int] = {}        # (venue, market) whose user stream is down
        self._refusing_until: dict[tuple[str, str], int] = {}    # (venue, market) that refuses for its limits
        self._next_prune_ns = 0
        self._proof_mono_ns = 0
        self.recheck = Recheck(self.policy.absence_lag_ns)
        self._is_recheck_armed = False
        self._next_doubt_ns: dict[int, int] = {}       # row -> when its history may be asked about again
        self.identity: tuple[int, int] | None = None   # (instance, epoch) that our client ids carry
        self.has_rival = False
        self.is_restoring = False   # engine/trade/restore.py replays journaled facts: nothing is decided, asked or armed
        self._view = self._make_view(core)

    def _make_view(self, core: CoreSurface) -> recovery.View:
        return recovery.View(lambda row: best_prices(core, row), self.position_units, self._is_away, self._elsewhere)

    def _is_away(self, row: int) -> bool:
        """Whether a row's market takes no orders: for a while already by its sessions, or by its own refusals."""
        instrument = self.instruments[row]
        market = (instrument.venue, instrument.market)
        down_since = self._down_since.get(market)
        return ((down_since is not None and self._now_mono_ns - down_since >= self.policy.away_ns)
                or self._now_mono_ns < self._refusing_until.get(market, 0))

    def _elsewhere(self, instrument: Instrument) -> list[Instrument]:
        """Others that hedge it: same underlying and quote, their market there; perpetuals first, which need no inventory."""
        return sorted((one for one in self.instruments if one is not instrument and not self._is_away(one.row)
                       and (one.base, one.quote, one.multiplier) == (instrument.base, instrument.quote, instrument.multiplier)),
                      key=lambda one: (one.is_spot, one.lot, one.row))

    # ================================================================ events

    @exact
    def on_intent(self, intent: Intent) -> None:
        """An intent is in the journal and its legs were handed to the sockets (or refused by them: on_sent says so)."""
        self._advance_clock(intent.decided_mono_ns, intent.decided_wall_ns)
        if intent.purpose in (Purpose.ENTRY, Purpose.MANUAL):
            trade = self._begin(intent)
        else:
            found = self.trades.get(intent.trade_id)
            if found is None:
                raise ImpossibleTransition(
                    f"intent {intent.intent_id} (purpose {intent.purpose}) names no trade: {intent.trade_id}"
                )
            trade = found
            trade.pending = None
            trade.gate_refusal = ""
        if intent.purpose == Purpose.EXIT:
            self._begin_phase(trade, EXIT, intent)
            self._core_view.pop(trade.pair_index, None)  # the core moved the pair by itself
            if trade.state == TradeState.OPEN:
                self._transition(trade, TradeState.CLOSING, "exit intent")
        for leg in intent.legs:
            if self.instruments[leg.instrument_id] not in trade.instruments:   # hedged elsewhere
                trade.instruments.append(self.instruments[leg.instrument_id])
                trade.forget()
            order = make_order(leg, intent.intent_id, trade.trade_id, intent.purpose, intent.ttl_ns, intent.decided_mono_ns,
                               self.instruments[leg.instrument_id])
            trade.orders.append(order)
            self._orders[order.client_id] = order
            self._trade_of[order.client_id] = trade
            self._by_leg[intent.intent_id, leg.leg_index] = order
            self.order_count += 1
            self._arm(intent.decided_mono_ns + self.policy.ack_timeout_ns, self._on_ack_timer, order)
            if order.rests:
                self.quotes.begin(order, intent.decided_mono_ns)
        if intent.purpose in (Purpose.ENTRY, Purpose.MANUAL):
            self._note_entry(trade, intent)
        elif intent.purpose == Purpose.HEDGE:
            self.quotes.use_plan(trade)

    @exact
    def on_sent(self, outcome: SentOutcome) -> None:
        """What happened to the bytes of one leg."""
        order = self._by_leg.get((outcome.intent_id, outcome.leg_index))
        if order is None:
            raise ImpossibleTransition(
                f"sent outcome for an intent that was not announced: {outcome.intent_id} leg {outcome.leg_index}"
            )
        now = self._advance_clock(outcome.send_end_mono_ns)
        trade = self._trade_of[order.client_id]
        order.sent_mono_ns = outcome.send_end_mono_ns
        if outcome.outcome == Sent.NOT:
            if order.move(OrderState.REJECTED):
                order.end_mono_ns, order.end_cause = now, NOT_SENT
                self.rejects["local:not_sent"] += 1
                self._release(order)
                if order.purpose not in (Purpose.ENTRY, Purpose.MANUAL):
                    trade.attempts += 1
                    self._wait(trade, now)
        else:
            if trade.state == TradeState.VALIDATING:
                self._transition(trade, TradeState.PENDING, "bytes left")
            order.move(OrderState.SENT)
            if outcome.outcome == Sent.UNKNOWN:
                self._make_unknown(trade, order, "sent_unknown", now)
            else:
                self._arm(outcome.send_end_mono_ns + self.policy.ack_timeout_ns, self._on_ack_timer, order)
        self._proceed(trade, now)

    @exact
    def on_order_event(self, event: OrderEvent, now_mono_ns: int = 0) -> None:
        """One fact about one order, from a reply, the user stream or a query. `now_mono_ns` where it is later than the receive
        stamp."""
        now = self._advance_clock(max(event.recv_mono_ns, now_mono_ns))
        order = self._find(event)
        if order is None:
            self._on_foreign(event, now)
            return
        trade = self._trade_of[order.client_id]
        applied = order.apply(event, self._seen)
        trade.forget()
        if event.venue_order_id:
            self._by_venue_id[order.row, event.venue_order_id] = order
        if trade.state == TradeState.VALIDATING:
            self._transition(trade, TradeState.PENDING, "the venue answered before the send was reported")
        self._book_facts(trade, order, event, applied)
        self._judge(trade, order, event, applied, now)
        self.quotes.cancel_ghost(order, event, now)
        self._proof_mono_ns = event.recv_mono_ns
        self._proceed(trade, now, event.recv_mono_ns)
        self._proof_mono_ns = 0

    @exact
    def on_query_answer(self, answer: QueryAnswer) -> None:
        """A QueryOrder was answered (its OrderEvents were delivered before this)."""
        now = self._advance_clock(answer.recv_mono_ns)
        if answer.is_answered and self.recheck.on_answer(answer.client_id, answer.ask, answer.asked_mono_ns):
            self._journal(JournalType.QUERY, self._trade_of.get(answer.client_id), {"client_id": answer.client_id,
                                                                                  "proof": "history"})
        order = self._orders.get(answer.client_id)
        if order is None or order.state != OrderState.UNKNOWN or order.watch is None:
            return
        trade = self._trade_of[order.client_id]
        is_equal = False
        if answer.ask == Ask.POSITION and answer.is_answered:
            says = self._is_position_equal(order, answer.position)
            is_equal = says is True
            if says is False:   # this order has executed, or another that was taken for over
                self._doubt_position(order.row, now)
        order.watch.on_answer(answer, is_equal)
        if order.watch.is_absence_proven and not order.cum_qty:
            order.move(OrderState.ABSENT_PROVEN)
            order.end_mono_ns, order.end_cause = now, "absent_proven"
            self._journal(JournalType.QUERY, trade, {"client_id": order.client_id, "proof": "absence", "asks": order.watch.asks,
                                                     "unknown_ns": now - order.watch.since_mono_ns})
            self._end_order(trade, order, now)
        self._proceed(trade, now)

    @exact
    def on_submit_refused(self, command: SubmitIntent, reason: int | str, now_mono_ns: int) -> None:
        """The gate (or a dead session) refused a SubmitIntent: try again later, never around it."""
        now = self._advance_clock(now_mono_ns)
        trade = self.trades.get(command.trade_id)
        if trade is None or trade.pending is not command:
            return
        trade.pending = None
        trade.attempts += 1
        trade.gate_refusal = str(reason)
        trade.retry_mono_ns = now + self.policy.retry_ns
        self.rejects[f"gate:{reason}"] += 1
        self.quotes.cancel_resting(trade, "its hedge was refused", now)
        if trade.attempts == 1:
            self._alert("recovery_refused",
                        f"trade {trade.trade_id}: {command.cause} was refused by the gate ({reason}), trying again", trade)
        if self._stop_mode == "close" and trade.state == TradeState.OPEN and reason == NOT_REDUCING and len(command.legs) == 1:
            # a last lot opposite to what is left elsewhere: the gate is right, and will be for ever
            trade.is_undersized = True
            self._alert("exit_too_small", f"trade {trade.trade_id}: closing the last lot that is held would raise the delta of "
                        f"{self.instruments[command.legs[0][0]].base}; it stays, as dust", trade)
        self._arm(trade.retry_mono_ns, self._on_retry_timer, trade)
        self._proceed(trade, now)

    @exact
    def on_session(self, venue: str, market: str, kind: str, is_up: bool, now_mono_ns: int) -> None:
        """An order session (`kind` "orders") or user stream ("user") came up or went down."""
        now = self._advance_clock(now_mono_ns)
        session = self._sessions.setdefault((venue, market), {})
        was_up = session.get(kind)
        session[kind] = is_up
        if is_up and session.get("orders", True) and session.get("user", True):
            self._down_since.pop((venue, market), None)
        elif not is_up and kind in ("orders", "user"):
            self._down_since.setdefault((venue, market), now)
        self.core.set_session(self.accounts.venue_id(venue), MARKET_CODES[market], bool(session.get("orders"))
                              and session.get("user", True))
        if kind == "orders" and not is_up:
            for order in self._live_orders(venue, market):
                self._make_unknown(self._trade_of[order.client_id], order, "disconnect", now)
                self._proceed(self._trade_of[order.client_id], now)
        elif kind == "user" and not is_up:
            self._deaf_since.setdefault((venue, market), now)
        elif kind == "user" and was_up is False:
            self._catch_up(venue, market, now)
        if not is_up:   # fills there are not heard of, or not hedged: nothing may rest
            for trade in list(self.trades.values()):
                if any((one.venue, one.market) == (venue, market) for one in trade.instruments):
                    self.quotes.cancel_resting(trade, f"{venue} {market}: {kind} down", now)

    def _catch_up(self, venue: str, market: str, now: int) -> None:
        """A user stream is back: what is open is asked for, and what had ended shortly before or meanwhile: as after a death, a
        late word may have come while nobody heard."""
        for order in self._orders_of(venue, market):
            if not order.is_settled:
                self._ask(self._trade_of[order.client_id], order, [Ask.ORDER, Ask.FILLS], now)
        since = self._deaf_since.pop((venue, market), now) - self.policy.restart_lookback_ns
        history = [*(grave.order for grave in self._graves.values()), *self._orders.values()]
        self._ask_history([order for order in history if (order.instrument.venue, order.instrument.market) == (venue, market)
                           and _may_have_news(order) and order.end_mono_ns >= since], now)

    @exact
    def on_funding_income(self, account: str, asset: str, amount: Decimal, row: int | None, now_mono_ns: int) -> None:
        """A funding payment as the venue booked it on an account, "binance:linear" or "bybit:unified" (negative = paid). `row`
        None: the venue did not say for which instrument."""
        self._advance_clock(now_mono_ns)
        holders = [one for one in self.trades.values() if row is not None and not one.is_final and one.position(row)]
        postings = self.ledger.post_funding(self.accounts.pot_of(account), asset, amount)
        if holders and row is not None and asset == self.instruments[row].settle:
            self._share_funding(holders, row, amount)
        else:
            self.loose_funding += amount * self.profit.rate(asset)
        trade = holders[0] if holders else None
        self._journal(JournalType.LEDGER, trade, {"kind": "funding", "account": account, "asset": asset, "amount": text(amount),
                                                  "instrument": None if row is None else self.instruments[row].name,
                                                  "postings": [posting.to_json() for posting in postings]})

    @staticmethod
    def _share_funding(holders: list[Trade], row: int, amount: Decimal) -> None:
        """The venue pays on the net position; each trade gets its part of that, so that of two opposite ones one receives what
        the other pays. Where they cancel out the first has it. The last takes what rounding leaves."""
        net = sum((trade.position(row) for trade in holders), ZERO)
        left = amount
        for trade in holders[:-1] if net else ():
            part = (amount * trade.position(row) / net).quantize(AMOUNT_UNIT, context=EXACT)
            trade.money.funding += part
            left -= part
        (holders[-1] if net else holders[0]).money.funding += left

    @exact
    def on_transfer(self, account: str, asset: str, amount: Decimal, now_mono_ns: int) -> None:
        """A person moved money: deposit, withdrawal, or between wallets."""
        self._advance_clock(now_mono_ns)
        postings = self.ledger.post_transfer(self.accounts.pot_of(account), asset, amount)
        self._journal(JournalType.LEDGER, None, {"kind": "transfer", "account": account, "asset": asset, "amount": text(amount),
                                                 "postings": [posting.to_json() for posting in postings]})

    def set_maintenance(self, venue: str, until_mono_ns: int, now_mono_ns: int) -> None:
        """Rows of the venue take no entries until then, 0 = from now on they do: it said when it does not trade."""
        now = self._advance_clock(now_mono_ns)
        for instrument in self.instruments:
            if instrument.venue == venue:
                self.locks.unlock(instrument.row, LockReason.MAINTENANCE, now)
                if until_mono_ns:
                    self.locks.lock(instrument.row, LockReason.MAINTENANCE, until_mono_ns, now)

    @exact
    def set_fees(self, row: int, taker: Decimal, maker: Decimal | None) -> None:
        """What the account pays on an instrument from now on, as fractions: fills are compared with it."""
        self.fee_watch.set_model(row, taker, maker)

    @exact
    def open_accounts(self, balances: Mapping[str, Mapping[str, Decimal]]) -> None:
        """Opening balances of accounts as the venues state them, journaled: the ledger begins with them, after a restart too."""
        self.accounts.open(balances)
        self._journal(JournalType.LEDGER, None, {"kind": "opening", "balances": {
            account: {asset: text(Decimal(amount)) for asset, amount in assets.items()} for account, assets in balances.items()}})

    @exact
    def reconcile(self, balances: Mapping[str, Mapping[str, Decimal]], now_mono_ns: int) -> list[Difference]:
        """Venue balances by account ({"binance:spot": {"USDT": ...}}) against the ledger, accounts in motion left out. All
        differences are returned; one that is still the same RECONCILE_APART_NS later is real: alerted, and the rows that use
        the asset take no entries until it is gone or a person has accepted it."""
        now = self._advance_clock(now_mono_ns)
        busy = self.busy_rows()
        found, lasting = self.accounts.compare(balances, busy, now, RECONCILE_APART_NS)
        moving = {self.instruments[row].account for row in busy}
        self._note_differences(found, lasting, lambda one: one.account in balances and ":" not in one.asset
                               and one.account not in moving, now)
        return found

    @exact
    def reconcile_positions(self, venue: str, positions: Mapping[int, Decimal], now_mono_ns: int) -> list[Difference]:
        """The same for the venue's futures positions, {row: base units, signed}; absent = flat."""
        now = self._advance_clock(now_mono_ns)
        busy = self.busy_rows()
        found, lasting = self.accounts.compare_positions(venue, positions, busy, now, RECONCILE_APART_NS)
        self._note_differences(found, lasting, lambda one: one.asset.startswith(f"{venue}:")
                               and not busy.intersection(self.differences.rows_of(one)), now)
        return found

    def _note_differences(self, found: list[Difference], lasting: list[Difference], was_compared: Callable[[Difference], bool],
                          now: int) -> None:
        for one in lasting:
            is_new = self.differences.put(one)
            for row in self.differences.rows_of(one):
                self.locks.lock(row, LockReason.DIFFERENCE, FOR_EVER_NS, now)
                if is_new:    # perhaps something executed that was said to be over
                    self._doubt_position(row, now)
            if is_new:
                self._alert("ledger_difference", str(one), severity="critical")
        for one in self.differences.take_gone(found, was_compared):
            self._unlock_difference(one, now)
            self._alert("ledger_difference_gone", f"{one.account} {one.asset}: ledger and venue are equal again")

    def _unlock_difference(self, one: Difference, now: int) -> None:
        for row in self.differences.free_rows(one):
            self.locks.unlock(row, LockReason.DIFFERENCE, now)

    @exact
    def accept_difference(self, account: str, asset: str, who: str, now_mono_ns: int) -> str:
        """A person's word that the venue is right about a balance: posted as a correction of its own, and what it locked is free.
        "" or why not."""
        now = self._advance_clock(now_mono_ns)
        one = self.differences.get(account, asset)
        if one is None:
            known = ", ".join(f"{other.account} {other.asset}" for other in self.differences.all()) or "none"
            return f"{account} {asset}: no difference has lasted there; those that have: {known}"
        if ":" in asset:
            return (f"{asset}: positions belong to trades and are not corrected; bring the venue's position back to "
                    f"{text(one.ours)} by hand, or close the trades that hold it")
        if any(self.instruments[row].account == account for row in self.busy_rows()):
            return f"{account}: orders of ours are in flight there; try again when they have ended"
        holders = [str(trade.trade_id) for trade in self.trades.values() if any(
            instrument.account == account and instrument.is_spot and instrument.base == asset and trade.position(instrument.row)
            for instrument in trade.instruments)]
        if holders:
            return (f"{account} {asset}: trade {', '.join(holders)} holds it, and its hedge would be wrong by the difference; "
                    "close that first")
        self.differences.take(account, asset)
        self.post_correction(account, asset, -one.difference, who)
        self._unlock_difference(one, now)
        return ""

    def post_correction(self, account: str, asset: str, amount: Decimal, who: str) -> None:
        """`amount` into the account's ledger as an entry of its own; nothing that was posted is edited."""
        postings = self.ledger.post_correction(account, asset, amount)
        self.profit.corrections += amount * self.profit.rate(asset)
        self.accounts.tell_core_balance(account, asset)
        self._journal(JournalType.LEDGER, None, {"kind": "correction", "account": account, "asset": asset, "amount": text(amount),
                                                 "who": who, "postings": [posting.to_json() for posting in postings]})

    @exact
    def on_timer(self, now_mono_ns: int, now_wall_ns: int = 0) -> None:
        """Everything that was due by now."""
        now = self._advance_clock(now_mono_ns, now_wall_ns)
        while self._timers and self._timers[0][0] <= now:
            _, _, function, subject = heapq.heappop(self._timers)
            function(subject, now)
        if now >= self._next_prune_ns:
            self._next_prune_ns = now + MINUTE
            self._prune(now)

    @exact
    def begin_stop(self, mode: str, now_mono_ns: int) -> None:
        """`close`: open pairs are closed, then what is in flight is finished. `keep`: pairs stay open, only what is in flight is
        finished."""
        if mode not in ("close", "keep"):
            raise ValueError(f"on_stop {mode!r}: right is close or keep")
        now = self._advance_clock(now_mono_ns)
        self._stop_mode = mode
        for trade in self.trades.values():
            self.quotes.cancel_resting(trade, "the engine stops", now)
        if mode == "close":
            self.core.request_exit(None)
            for trade in self.trades.values():
                if trade.state == TradeState.OPEN:
                    self._arm(now + self.policy.stop_exit_grace_ns, self._on_stop_timer, trade)

    @exact
    def resolve_manual(self, trade_id: int, decision: str, who: str, now_mono_ns: int) -> str:
        """A person's word on a MANUAL trade: `retry`, or `accept` (what is left goes to the dust ledger as it is). "" or why
        not."""
        now = self._advance_clock(now_mono_ns)
        trade = self.trades.get(trade_id)
        if trade is None or trade.state != TradeState.MANUAL:
            return f"trade {trade_id} is not waiting for a person"
        self._unlock(trade, LockReason.MANUAL, now)
        if decision == "retry":
            trade.attempts = trade.chases = trade.unwinds = 0
            trade.phase_start = len(trade.orders)
            trade.asked_units += trade.intent_units
            self._transition(trade, TradeState.RECOVERING, f"{who}: retry")
            self._proceed(trade, now)
        elif decision == "accept":
            if trade.has_live_order:
                return f"trade {trade_id} still has an order whose fate is unknown"
            trade.is_undersized = True
            self._close(trade, f"{who}: accepted as it is", now)
        else:
            return f"decision {decision!r}: right is retry or accept"
        return ""

    def describe_manual(self, trade: Trade, now_mono_ns: int) -> dict[str, Any]:
        """What a person needs to decide: facts, orders, and the step that a retry would take."""
        step = recovery.plan_recovery(trade, trade.residual(), self._view, self.policy)
        legs = [f"{Side(side).name} {text(from_scaled(qty, self._qty_scale(row)))} {self.instruments[row].name} at "
                f"{text(from_scaled(limit_px, self.instruments[row].px_scale))}" for row, side, limit_px, qty, _ in step.legs]
        orders = [{"client_id": order.client_id, "instrument": order.instrument.name, "side": Side(order.side).name,
                   "purpose": Purpose(order.purpose).name, "state": order.state.name,
                   "qty": text(from_scaled(order.qty, order.instrument.qty_scale)),
                   "executed": text(from_scaled(order.cum_qty, order.instrument.qty_scale)),
                   "limit": text(order.instrument.price(order.limit_px)), "end": order.end_cause} for order in trade.orders]
        return {**self.describe(trade), "why": trade.manual_cause, "waits_s": (now_mono_ns - trade.manual_mono_ns) / 1e9,
                "has_unknown": trade.has_unknown, "proposal": {"verdict": str(step.verdict), "cause": step.cause, "legs": legs},
                "orders": orders}

    def _qty_scale(self, row: int) -> int:
        return self.instruments[row].qty_scale

    def cancel_live(self) -> int:
        """A kill: every order of ours that may still execute is told to end; what was executed is hedged as always."""
        live = [order for order in self._orders.values() if order.is_live]
        for order in live:
            self.quotes.cancel(order, "kill", self._now_mono_ns)
        return len(live)

    @exact
    def cancel_quote(self, intent_id: int, why: str, now_mono_ns: int) -> None:
        """The core wants an order that rests out of its book; what it has executed, or still executes, is hedged."""
        now = self._advance_clock(now_mono_ns)
        order = self._by_leg.get((intent_id, 0))
        if order is not None and order.is_live and order.rests and not order.cancel_mono_ns:
            self.quotes.cancel(order, why, now)

    # ================================================================ what the driver asks

    def take_commands(self) -> list[Command]:
        """Commands since the last call, to be executed in order."""
        taken, self._commands = self._commands, []
        return taken

    def next_timer_mono_ns(self) -> int:
        """When on_timer wants to be called; FOR_EVER when nothing waits."""
        return self._timers[0][0] if self._timers else FOR_EVER_NS

    def is_idle(self) -> bool:
        """Nothing in flight, no recovery under way; with begin_stop("close") no pair open either. MANUAL trades are declared and
        not waited for."""
        return not any(self._is_busy(trade) for trade in self.trades.values())

    def _is_busy(self, trade: Trade) -> bool:
        if trade.state == TradeState.MANUAL:
            return False
        if trade.pending is not None or trade.has_live_order:
            return True
        if trade.state == TradeState.OPEN:
            return self._stop_mode == "close" and not trade.is_undersized
        if trade.is_final:
            return not trade.is_settled and not trade.was_settle_given_up
        return True

    # ================================================================ a trade's life

    def _begin(self, intent: Intent) -> Trade:
        rests = intent.kind == IntentKind.HEDGE_ON_FILL
        rows = self.core.pairs()[intent.pair_index] if rests else [leg.instrument_id for leg in intent.legs]
        instruments = [self.instruments[row] for row in rows]
        trade = Trade(intent.trade_id, intent.pair_index, intent.strategy, instruments, opened_mono_ns=intent.decided_mono_ns,
                      opened_wall_ns=intent.decided_wall_ns, batch_mono_ns=intent.batch_mono_ns, is_hedged=len(instruments) > 1,
                      maker_row=intent.legs[0].instrument_id if rests else -1)
        self.trades[trade.trade_id] = trade
        if self._has_pair(trade):
            self._pair_owner[trade.pair_index] = trade.trade_id
            self._core_view.pop(trade.pair_index, None)
        self._begin_phase(trade, ENTRY, intent)
        self._transition(trade, TradeState.VALIDATING, "detected, sized, passed the gate",
                         {"batch_mono_ns": intent.batch_mono_ns})
        return trade

    def _begin_phase(self, trade: Trade, phase: str, intent: Intent) -> None:
        trade.phase = phase
        trade.phase_start = len(trade.orders)
        asked = max(self.instruments[leg.instrument_id].units(leg.qty) for leg in intent.legs)
        trade.intent_units = max(trade.intent_units, asked)
        trade.asked_units += asked
        trade.chases = trade.unwinds = trade.attempts = 0
        trade.was_exhausted = trade.is_undersized = trade.half_hedged = False

    def _note_entry(self, trade: Trade, intent: Intent) -> None:
        """Edges at detection and at send, while the books of that moment are still in the core."""
        trade.expected_net = from_scaled(intent.expected_net_e8, 8)
        send = ZERO
        for order in trade.orders:
            trade.detect_edge -= order.sign * order.instrument.amount(order.best_px or order.limit_px, order.qty)
            prices = best_prices(self.core, order.row)
            px = (prices[1] if order.sign > 0 else prices[0]) if prices else (order.best_px or order.limit_px)
            send -= order.sign * order.instrument.amount(px, order.qty)
        trade.send_edge = send
        if trade.rests:
            self._note_hedge(trade, trade.orders[0])

    def _note_hedge(self, trade: Trade, maker: Order) -> None:
        """What the hedge of an order that rests would bring now; where there is no book, the maker's own price."""
        instrument = resting.hedge_instrument(trade)
        prices = best_prices(self.core, instrument.row)
        if prices is not None:
            trade.hedge_price = instrument.price(prices[0] if maker.sign > 0 else prices[1])
        else:
            trade.hedge_price = maker.instrument.price(maker.limit_px) / maker.instrument.multiplier * instrument.multiplier
        units = maker.instrument.units(maker.qty)
        trade.hedge_flow = (maker.sign * trade.hedge_price * units / instrument.multiplier).quantize(AMOUNT_UNIT, context=EXACT)
        trade.detect_edge += trade.hedge_flow
        trade.send_edge = trade.detect_edge

    def _proceed(self, trade: Trade, now: int, at_mono_ns: int = 0) -> None:
        """Whatever follows from the facts as they are now. Safe to call at any time."""
        if self.is_restoring:
            return
        residual = trade.residual() if trade.is_hedged else ZERO
        is_naked = abs(residual) >= trade.dust_limit and not trade.is_undersized
        ended = trade.naked.update(is_naked, trade.has_unknown, at_mono_ns or now)
        if ended is not None:
            self.naked.add(*ended)
            self._commands.append(NakedTime(trade.trade_id, *ended))
        if trade.state == TradeState.MANUAL or trade.pending is not None:
            return
        if resting.is_hedging(trade) and is_naked and self.quotes.hedge_fills(trade, residual, now):
            return
        if trade.has_live_order:
            self._half_hedge(trade, now)
        elif is_naked:
            self._recover(trade, residual, now)
        else:
            self._rest(trade, now)

    def _rest(self, trade: Trade, now: int) -> None:
        """Every order is terminal and the residual is below dust (or declared)."""
        if trade.state == TradeState.VALIDATING:
            self._transition(trade, TradeState.REJECTED, "no byte left")
            self._release_pair(trade, now)
        elif trade.state in FINAL_STATES:
            pass
        elif not trade.is_hedged or trade.is_flat() or (trade.is_undersized and not trade.is_paired()):
            self._close(trade, "flat" if any(order.cum_qty for order in trade.orders) else "no exposure, proven", now)
        elif trade.moves_inventory:
            self._close(trade, "both legs terminal, hedged: inventory has moved", now)
        else:
            self._hold(trade, now)
        if trade.is_final and trade.is_settled:
            self._finalise(trade, now)

    def _hold(self, trade: Trade, now: int) -> None:
        if trade.is_astray:
            self._hold_astray(trade, now)
            return
        if trade.state != TradeState.OPEN:
            cause = "both legs terminal, hedged" if trade.state == TradeState.PENDING else "hedged; the rest is held"
            was_exit = trade.phase == EXIT
            self._transition(trade, TradeState.OPEN, cause)
            trade.phase = HOLD
            trade.attempts = 0
            if self._stop_mode == "close":
                wait_ns = self.policy.retry_ns if was_exit else self.policy.stop_exit_grace_ns
                self._arm(now + wait_ns, self._on_stop_timer, trade)
            self._tell_core(trade, PairState.OPEN)
            if self._owns_pair(trade):
                self.core.rearm(trade.pair_index, now)
            if any(self.dust.units(one.row) for one in trade.instruments):   # left behind by others while orders were out
                trade.has_taken_dust = False
                self._take_dust(trade)
                self._proceed(trade, now)
                return
        self._tell_core(trade, PairState.OPEN)

    def _hold_astray(self, trade: Trade, now: int) -> None:
        """Hedged on an instrument that is not of the pair: held by us and not by the core, closed whole as soon as every market
        it stands on takes orders."""
        if trade.state != TradeState.OPEN:
            self._transition(trade, TradeState.OPEN, "hedged elsewhere; closed when its market is back")
            trade.phase, trade.attempts = HOLD, 0
            self._alert("hedged_elsewhere", f"trade {trade.trade_id}: held on " + ", ".join(
                f"{one.name} {text(trade.position(one.row))}" for one in trade.instruments
                if abs(trade.position(one.row)) >= trade.dust_limit) + "; closed when every market takes orders", trade, "critical")
        self._tell_core(trade, PairState.RECOVERING)
        self._look_again(trade, now)

    def _look_again(self, trade: Trade, now: int) -> None:
        if not trade.is_astray_armed:
            trade.is_astray_armed = True
            self._arm(now + self.policy.retry_ns, self._on_astray_timer, trade)

    def _on_astray_timer(self, trade: Trade, now: int) -> None:
        trade.is_astray_armed = False
        if (not self._is_kept(trade) or trade.state != TradeState.OPEN or not trade.is_astray or trade.pending is not None
                or trade.has_live_order):
            return
        held = [one for one in trade.instruments if abs(trade.position(one.row)) >= trade.dust_limit]
        step = recovery.Step(Verdict.NO_BOOK) if any(self._is_away(one.row) for one in held) else recovery.plan_exit(
            trade, self._view, self.policy)
        if step.verdict == Verdict.SEND:
            trade.exits += 1
            self._submit(trade, step)
        else:
            self._look_again(trade, now)

    def _close(self, trade: Trade, cause: str, now: int) -> None:
        self._transition(trade, TradeState.CLOSED, cause)
        self._release_pair(trade, now)
        if trade.is_settled:
            self._finalise(trade, now)

    def _release_pair(self, trade: Trade, now: int) -> None:
        trade.closed_mono_ns = now
        if self._owns_pair(trade):
            self._tell_core(trade, PairState.FLAT)
            is_idle = trade.rests and not any(order.cum_qty for order in trade.orders)   # nothing was taken from any book
            self.core.rearm(trade.pair_index, 0 if is_idle else now + self.policy.rest_ns.get(trade.strategy, 0))
            del self._pair_owner[trade.pair_index]

    def _finalise(self, trade: Trade, now: int) -> None:
        """Everything about a finished trade is known: dust, attribution, profit, graves."""
        if not self._is_kept(trade):
            return
        if self._sweep(trade):
            self._proceed(trade, now)
            return
        if trade.moves_inventory:
            self._move_inventory(trade)
        for instrument in trade.instruments:
            self._bury_dust(trade, instrument)
        if any(order.fills for order in trade.orders):
            result = attribute(trade)
            self._journal(JournalType.ATTRIBUTION, trade, {"trade_id": trade.trade_id, "expected_net": text(trade.expected_net),
                                                           **result.to_json()})
        self._journal(JournalType.LEDGER, trade, {"kind": "away", "postings": []})
        self._put_away(trade, now)
        self._pass_on_dust(trade, now)

    def _put_away(self, trade: Trade, now: int) -> None:
        """Profit, counts, graves: the trade is history."""
        if any(order.fills for order in trade.orders):
            net_usd = self.profit.add(trade)
            self.core.note_pnl(int(net_usd.scaleb(8)), self._now_wall_ns)
        elif trade.money.cash:
            self.profit.add_carried(trade)
        if trade.rests and not any(order.cum_qty for order in trade.orders):
            self.quotes.counts["unfilled"] += 1   # no trade: told apart from those that were made
        else:
            self.final_states[trade.state] += not trade.is_revived
            self.recent.append(self.describe(trade))
        del self.trades[trade.trade_id]
        for order in trade.orders:
            del self._orders[order.client_id], self._trade_of[order.client_id]
            self._by_leg.pop((order.intent_id, order.leg_index), None)
            self._graves[order.client_id] = Grave(order, trade.pair_index, trade.strategy, trade.instruments, trade.intent_units,
                                                  trade.asked_units, now)

    def _pass_on_dust(self, trade: Trade, now: int) -> None:
        """Remainders left behind go on at once with a trade that is open on the same rows, rather than wait for the next."""
        rows = {instrument.row for instrument in trade.instruments}
        heir = next((other for other in self.trades.values() if other.state == TradeState.OPEN and other.is_hedged
                     and not other.has_live_order
                     and other.pending is None and {instrument.row for instrument in other.instruments} == rows), None)
        if heir is not None and any(self.dust.units(row) for row in rows):
            heir.has_taken_dust = False
            self._take_dust(heir)
            self._proceed(heir, now)

    def _sweep(self, trade: Trade) -> bool:
        """Remainders that together with this trade's own make a common lot, with no other trade there to take them: this one
        does, and hedges."""
        rows = [instrument.row for instrument in trade.instruments]
        if not trade.is_hedged or trade.is_undersized or any(other is not trade and not other.is_final
                                                             and other.positions().keys() & set(rows)
                                                             for other in self.trades.values()):
            return False
        total = trade.residual() + sum((self.dust.units(row) for row in rows), ZERO)
        if abs(total) < trade.dust_limit or not self._is_any_orderable(trade.instruments, total):
            return False
        trade.has_taken_dust = False
        trade.asked_units += abs(total)  # of other trades, for the most part
        self._take_dust(trade)
        self._begin_episode(trade)
        return True

    def _is_any_orderable(self, instruments: list[Instrument], units: Decimal) -> bool:
        """Whether some leg's filters let an order for so much in, at its price now."""
        for instrument in instruments:
            prices = best_prices(self.core, instrument.row)
            if prices is not None and instrument.is_orderable(prices[0], instrument.floor_qty(units), False):
                return True
        return False

    def _begin_episode(self, trade: Trade) -> None:
        """A recovery that no intent of the present phase led to: the excess is given back, under a cap of its own."""
        trade.phase, trade.phase_start = HOLD, len(trade.orders)
        trade.chases = trade.unwinds = trade.attempts = 0
        trade.was_exhausted = False

    def _move_inventory(self, trade: Trade) -> None:
        """What was bought here and sold there stays: from now on it is inventory, and the trade's profit is in quote."""
        moved = trade.leave_inventory()
        if moved is None:
            return
        sold_row, bought_row, units = moved
        self.inventory.move(sold_row, bought_row, units)
        self._journal(JournalType.LEDGER, trade, {"kind": "inventory", "units": text(units),
                                                  "from": self.instruments[sold_row].name,
                                                  "to": self.instruments[bought_row].name})

    def _bury_dust(self, trade: Trade, instrument: Instrument) -> None:
        units, value = trade.leave_remainder(instrument.row)
        if not units and not value:
            return
        self.dust.put(instrument.row, units, value)
        self._journal(JournalType.DUST, trade, {"kind": "put", "instrument": instrument.name, "units": text(units),
                                                "value": text(value), "total": text(self.dust.units(instrument.row))})
        self._tell_residual(instrument.row)

    def _take_dust(self, trade: Trade) -> None:
        """Remainders on the trade's instruments go with it: they net, and are sold once they make a lot."""
        if trade.has_taken_dust or not trade.is_hedged:
            return
        trade.has_taken_dust = True
        for instrument in trade.instruments:
            held = self.dust.take(instrument.row)
            if held.units or held.value:
                trade.take_remainder(instrument.row, held.units, held.value)
                self._journal(JournalType.DUST, trade, {"kind": "take", "instrument": instrument.name, "units": text(-held.units),
                                                        "value": text(-held.value), "total": "0"})
                self._tell_residual(instrument.row)

    def _tell_residual(self, row: int) -> None:
        """The core sizes the next entry so that it absorbs what is left over; remainders never add up to a lot."""
        if self.is_restoring:
            return
        pairs = self.core.pairs()
        for index in self._pairs_of(row):
            units = sum((self.dust.units(one) for one in pairs[index]), ZERO)
            self.core.set_residual(index, int(units.scaleb(8).to_integral_value(rounding=ROUND_FLOOR)))

    def _pairs_of(self, row: int) -> list[int]:
        """Pairs that the row belongs to; the table is made anew when pairs were added."""
        pairs = self.core.pairs()
        if len(pairs) != self._indexed_pairs:
            self._row_pairs = {}
            for index, pair in enumerate(pairs):
                for one in pair:
                    self._row_pairs.setdefault(one, []).append(index)
            self._indexed_pairs = len(pairs)
        return self._row_pairs.get(row, [])

    def _tell_pledges(self, trade: Trade) -> None:
        """Base that the trade holds, to be sold by nobody else, until it ends; rounded up."""
        if not trade.is_hedged:
            return
        for instrument in trade.instruments:
            if not instrument.is_spot:
                continue
            held = ZERO if trade.is_final else max(ZERO, trade.position(instrument.row)) / instrument.multiplier
            pledged_e8 = int(held.scaleb(8).to_integral_value(rounding=ROUND_CEILING))
            key = (trade.trade_id, instrument.row)
            if pledged_e8 != self._pledges.get(key, 0):
                self.core.set_pledge(*key, pledged_e8)
                self._pledges[key] = pledged_e8
                if not pledged_e8:
                    del self._pledges[key]

    # ================================================================ facts

    def _book_facts(self, trade: Trade, order: Order, event: OrderEvent, applied: Applied) -> None:
        """Ledger, core and money follow what an event proved."""
        if applied.grew_qty:
            trade.is_undersized = False
            self._take_dust(trade)
            px = event.last_px or order.limit_px
            self.core.apply_fill(order.row, order.side, applied.grew_qty, px, adjust_balance=False)
            self.accounts.last_px[order.row] = px
            if order.is_live:
                self.core.set_leg_remaining(order.intent_id, order.leg_index, max(0, order.qty - order.cum_qty))
        postings = []
        if applied.fill is not None:
            self.fill_count += 1
            trade.post_fill(order, applied.fill)
            postings += self.ledger.post_fill(order.instrument, order.side, applied.fill)
        known_fee = applied.fee_of or (applied.fill if applied.fill is not None and applied.fill.fee is not None else None)
        if known_fee is not None:
            third_px = self._third_asset_price(order.instrument, known_fee) if known_fee.fee else ZERO
            drift = "" if order.end_cause == FORCED else self.fee_watch.check(order.instrument, known_fee, third_px)
            if drift:   # of a liquidation the venue takes more than of a trade
                self._alert("fee_drift", drift, trade)
            if known_fee.fee:
                trade.post_fee(order.instrument, known_fee, third_px)
                postings += self.ledger.post_fee(order.instrument, known_fee)
        if (applied.grew_qty or postings) and not self.is_restoring:   # the core is told everything at the end
            self._tell_pledges(trade)
            self.accounts.tell_core(order.instrument, self.position_units(order.row), self._unexplained)
        if postings:
            self._journal(JournalType.LEDGER, trade,
                          {"kind": "fill", "client_id": order.client_id, "venue_trade_id": event.trade_id,
                                                      "postings": [posting.to_json() for posting in postings]})

    def _unexplained(self, account: str, asset: str) -> Decimal:
        """What executions whose fills are not known yet will move on an account: quantities sure, prices and fees at their
        worst."""
        total = ZERO
        for order in self._orders.values():
            missing = order.cum_qty - order.fills_qty
            instrument = order.instrument
            if missing <= 0 or instrument.account != account or not instrument.is_spot:
                continue
            if asset == instrument.base:
                bought = instrument.units(missing) / instrument.multiplier
                total += bought * (1 - instrument.taker_fee) if order.sign > 0 else -bought
            elif asset == instrument.quote:
                amount = instrument.amount(order.limit_px, missing)
                total += amount * (1 - instrument.taker_fee) if order.sign < 0 else -amount
        return total

    def _third_asset_price(self, instrument: Instrument, fill: Fill) -> Decimal:
        """Quote per unit of a fee asset that is neither base nor quote; 0 and an alert when nothing prices it."""
        if fill.fee_asset in ("", instrument.quote, instrument.base):
            return ZERO
        if fill.fee_asset in self.policy.usd_rates:
            return self.policy.usd_rates[fill.fee_asset] / (self.profit.rate(instrument.quote) or 1)
        for one in self.instruments:
            if one.is_spot and one.base == fill.fee_asset and one.quote == instrument.quote:
                prices = best_prices(self.core, one.row)
                if prices:
                    return one.price(prices[0])
        self._alert(
            "fee_unpriced", f"fees in {fill.fee_asset}: no instrument {fill.fee_asset}/{instrument.quote} to value them with"
        )
        return ZERO

    def _judge(self, trade: Trade, order: Order, event: OrderEvent, applied: Applied, now: int) -> None:
        """What an event means for the order: unknown, ended, late, odd."""
        if applied.problem:
            self._alert("order_contradiction", f"{order.client_id} on {order.instrument.name}: {applied.problem}", trade,
                        "critical")
        if applied.is_late:
            self._on_late_fill(trade, order, now)
        if order.is_live:
            if order.state == OrderState.UNKNOWN and order.watch is None:
                self._make_unknown(trade, order, f"venue code {event.venue_code}", now)
            elif applied.wants_query and order.watch is None:  # a watched order is asked about by its own schedule
                self._ask(trade, order, [Ask.ORDER, Ask.FILLS], now)
            elif order.state == OrderState.ACKED and applied.is_new_state:
                self.core.note_outcome(True, now)
                self._arm_canary(order, event, now)
                if order.cancel_mono_ns:   # that was before the venue knew the order
                    self.quotes.cancel(order, "again, now that it stands", now)
        elif applied.is_new_state and not applied.is_late:
            self._end_order(trade, order, now)
            self._arm_canary(order, event, now)
        elif applied.wants_query:
            self._ask(trade, order, [Ask.ORDER, Ask.FILLS], now)

    def _end_order(self, trade: Trade, order: Order, now: int) -> None:
        """An order has become terminal."""
        self._release(order)
        if order.watch is not None:
            order.watch = None
            if not trade.has_unknown:
                self._unlock(trade, LockReason.UNKNOWN_ORDER, now)
        if order.state == OrderState.REJECTED:
            name = ErrorClass(order.error_class).name.lower()
            self.rejects[f"venue:{name}:{order.venue_code}" if order.venue_code else f"venue:{name}"] += 1
            self._cool_down(trade, COOLDOWN_OF_CLASS.get(ErrorClass(order.error_class), ""), now)
            self.core.note_outcome(order.error_class not in FAILED_CLASSES, now)
            if order.purpose in (Purpose.CHASE, Purpose.UNWIND, Purpose.EXIT, Purpose.HEDGE):
                self._after_refused_repair(trade, order, now)
        else:
            self.core.note_outcome(True, now)
            if order.cum_qty:
                trade.attempts = 0
            elif order.purpose in (Purpose.CHASE, Purpose.UNWIND, Purpose.HEDGE):
                trade.attempts += 1
        self._arm_settle(order, now + self.policy.settle_ns)

    def _after_refused_repair(self, trade: Trade, order: Order, now: int) -> None:
        """A venue refused a repair. Once may be chance; again means that something we believe is wrong: ask, wait, try again."""
        trade.attempts += 1
        self.quotes.cancel_resting(trade, f"{order.instrument.name} refuses its hedge", now)
        if order.instrument.market == "linear":
            self._ask(trade, order, [Ask.POSITION], now)
            if order.flags & LegFlag.REDUCE_ONLY:
                self._doubt_position(order.row, now)
        if trade.attempts > 1 and order.error_class == ErrorClass.RATE:
            self._refusing_until[order.instrument.venue, order.instrument.market] = now + self.policy.refusing_ns
        if trade.attempts > 1 or order.error_class == ErrorClass.RATE:
            trade.retry_mono_ns = now + self.policy.retry_ns
            self._arm(trade.retry_mono_ns, self._on_retry_timer, trade)
        if trade.attempts == 2:
            self._alert("repair_refused", f"trade {trade.trade_id}: {order.instrument.name} refuses repairs "
                        f"({ErrorClass(order.error_class).name}, code {order.venue_code})", trade, "critical")

    def _release(self, order: Order) -> None:
        if not order.is_released:
            order.is_released = True
            self.core.release(order.intent_id, order.leg_index)
            if order.rests:
                self.core.release(order.intent_id, 1)   # what was kept for its hedge

    def _on_late_fill(self, trade: Trade, order: Order, now: int) -> None:
        self._alert(
            "late_fill",
            f"trade {trade.trade_id}: {order.client_id} on {order.instrument.name} executed after it was {order.end_cause}; "
            f"now {order.cum_qty} of {order.qty}",
            trade,
            "critical",
        )
        self._cool_down(trade, "orphan", now)
        self._arm_settle(order, now + self.policy.settle_ns)

    # ================================================================ unknown orders

    def _make_unknown(self, trade: Trade, order: Order, cause: str, now: int) -> None:
        """Silence, a cut connection or an answer that proves nothing: ask until proven, lock the group meanwhile."""
        if is_terminal(order.state) or order.watch is not None or self.is_restoring:
            return
        order.move(OrderState.UNKNOWN)
        expiry = order.expiry_mono_ns + self.policy.clock_uncertainty_ns
        order.watch = UnknownWatch(now, expiry, self.policy.absence_lag_ns, now)
        self._alert(
            "order_unknown",
            f"trade {trade.trade_id}: fate of {order.client_id} on {order.instrument.name} is unknown ({cause})",
            trade,
        )
        for instrument in trade.instruments:
            self.locks.lock(instrument.row, LockReason.UNKNOWN_ORDER, FOR_EVER_NS, now)
        self._cool_down(trade, "timeout", now)
        self.core.note_outcome(False, now)
        self._on_watch_timer(order, now)
        self.quotes.clear_books_for(trade, order, now)
        if self.policy.hedge_unknown == "half":
            self._arm(now + self.policy.hedge_unknown_ns, self._on_retry_timer, trade)

    def _on_watch_timer(self, order: Order, now: int) -> None:
        watch = order.watch
        if watch is None or order.state != OrderState.UNKNOWN or not watch.is_due(now):
            return
        trade = self._trade_of[order.client_id]
        self._ask(trade, order, watch.take_asks(now, self.policy), now)
        self._arm(watch.next_ask_mono_ns, self._on_watch_timer, order)
        if order.rests and (not order.cancel_mono_ns or now - order.cancel_mono_ns >= self.policy.ack_timeout_ns):
            self.quotes.cancel(order, "its fate is unknown", now)
        waited_ns = now - watch.since_mono_ns
        if waited_ns > self.policy.resolve_bound_ns and not watch.is_alerted:
            watch.is_alerted = True
            self._alert("unknown_unresolved",
                        f"trade {trade.trade_id}: {order.client_id} on {order.instrument.name} is unknown for "
                        f"{waited_ns / 1e9:.1f} s; still asking", trade, "critical")
            if order.acked_mono_ns:  # it answered once: an order that should be over is told to end
                self._commands.append(CancelOrder(order.client_id, order.row, trade.trade_id))
        if self.policy.unknown_manual_ns and waited_ns > self.policy.unknown_manual_ns and trade.state != TradeState.MANUAL:
            self._give_to_person(trade, f"{order.client_id} stays unknown", now)

    def _ask(self, trade: Trade, order: Order, asks: list[Ask], now: int) -> None:
        if self.is_restoring:
            return
        since = (order.sent_mono_ns or order.decided_mono_ns) - SECOND
        for ask in asks:
            self._commands.append(QueryOrder(order.client_id, order.row, ask, now, since, trade.trade_id, order.venue_order_id))
        self._journal(JournalType.QUERY, trade, {"client_id": order.client_id, "instrument": order.instrument.name,
                                                 "asks": [str(ask) for ask in asks]})

    def _is_position_equal(self, order: Order, position: object) -> bool | None:
        """Part four of the proof: the venue's position (spot: balance) equals the ledger without this order. None: it cannot be
        said, because something else is moving there."""
        instrument = order.instrument
        for other in self._orders.values():
            if (
                other is not order
                and self._moves_the_same(instrument, other.instrument)
                and not other.is_settled
                and not self._leaves_proof_alone(order, other)
            ):
                return None
        if position is None or (instrument.is_spot and not self.ledger.is_open(instrument.account)):
            return None
        if instrument.is_spot:
            ours = self.ledger.amount(instrument.account, instrument.base)
        else:
            ours = self.ledger.positions[instrument.name].qty
        return Decimal(position) == ours  # type: ignore[arg-type]

    @staticmethod
    def _moves_the_same(instrument: Instrument, other: Instrument) -> bool:
        """Whether an order on `other` moves what a position query on `instrument` shows: the same futures position, or the
        balance of the same asset. In a unified account a perpetual moves no base."""
        if not instrument.is_spot or not other.is_spot:
            return instrument.row == other.row
        return instrument.account == other.account and instrument.base in (other.base, other.quote)

    def _leaves_proof_alone(self, order: Order, other: Order) -> bool:
        """Two unknown orders would wait for each other's proof for ever. Equality excludes both when they could not have
        cancelled out: same side, or no trace of the other by its own questions."""
        if other.state != OrderState.UNKNOWN or other.cum_qty or other.watch is None:
            return False
        return other.side == order.side or (other.watch.has_second_vote and other.watch.has_no_fills)

    def _half_hedge(self, trade: Trade, now: int) -> None:
        """Policy `half`: one leg proven, the other UNKNOWN for too long."""
        if self.policy.hedge_unknown != "half" or trade.half_hedged or trade.rests or not trade.has_unknown:
            return
        live = [order for order in trade.orders if order.is_live]
        if any(order.watch is None or now - order.watch.since_mono_ns < self.policy.hedge_unknown_ns for order in live):
            return
        step = recovery.plan_half(trade, self._view, self.policy)
        trade.half_hedged = True
        if step.verdict == Verdict.SEND:
            self._submit(trade, step)

    # ================================================================ recovery

    def _recover(self, trade: Trade, residual: Decimal, now: int) -> None:
        if trade.state not in (TradeState.RECOVERING, TradeState.UNWINDING):
            if trade.phase == HOLD or trade.is_final:
                self._begin_episode(trade)
            self._transition(trade, TradeState.RECOVERING, "residual beyond dust", {"residual": text(residual)})
            self._tell_core(trade, PairState.RECOVERING)
        if now < trade.retry_mono_ns:
            return
        if self.policy.manual_after_attempts and trade.attempts >= self.policy.manual_after_attempts:
            self._give_to_person(trade, f"{trade.attempts} attempts in a row did not execute", now)
            return
        if trade.gate_refusal:
            residual = marriage.reducing_part(residual, self._net_of_coin(trade)) or residual
            if self._marry(trade, now):
                return
            if trade.attempts >= REFUSALS_MAX and abs(self._net_of_coin(trade)) < trade.dust_limit:
                self._declare_too_small(trade, residual, "the coin's net is below a lot, and no order for it would reduce", now)
                return
        step = recovery.plan_recovery(trade, residual, self._view, self.policy)
        if step.verdict == Verdict.SEND:
            self._repair(trade, step, now)
        elif step.verdict == Verdict.NO_BOOK:
            if trade.attempts == 0:
                self._alert("recovery_waits",
                            f"trade {trade.trade_id}: residual {text(residual)} and no usable book to price its repair", trade)
            trade.attempts += 1
            self._wait(trade, now)
        elif step.verdict == Verdict.CAPPED:
            self._give_to_person(trade, f"three times the intent was executed, residual {text(residual)} is left", now)
        else:
            self._declare_too_small(trade, residual, "it is below what any venue accepts", now)

    def _declare_too_small(self, trade: Trade, residual: Decimal, why: str, now: int) -> None:
        """Nothing can be ordered against it: said, and put into the dust ledger with the trade's end."""
        trade.is_undersized = True
        if not trade.moves_inventory:  # two spot lots are worth cents: the next entry absorbs it, nothing need rest
            self._cool_down(trade, "orphan", now)
        self._alert("residual_too_small", f"trade {trade.trade_id}: residual {text(residual)}: {why}; it goes to the dust ledger",
                    trade)
        self._proceed(trade, now)

    def _net_of_coin(self, trade: Trade) -> Decimal:
        """Net inventory of the trade's coin over all rows, as the core's gate counts its delta."""
        bases = {one.base for one in trade.instruments}
        return sum((self.position_units(one.row) for one in self.instruments if one.base in bases), ZERO)

    def _marry(self, trade: Trade, now: int) -> bool:
        """The gate refuses its repair, and nothing of it reduces: what another trade's residual cancels out goes to that one."""
        residual = trade.residual()
        if abs(marriage.reducing_part(residual, self._net_of_coin(trade))) >= trade.dust_limit:
            return False
        partner = marriage.find_partner(trade, self.trades.values())
        if partner is None:
            return False
        instrument = marriage.excess_row(trade)
        units = min(abs(residual), abs(partner.residual()), abs(trade.position(instrument.row))).copy_sign(residual)
        value = marriage.give(trade, partner, instrument, units)
        self._journal(JournalType.DUST, trade, {"kind": "give", "instrument": instrument.name, "units": text(units),
                                                "value": text(value), "to": partner.trade_id})
        self._alert("residuals_joined", f"trades {trade.trade_id} and {partner.trade_id}: {text(units)} {instrument.base} on "
                    f"{instrument.name} hedge each other and are closed together", trade)
        self._tell_pledges(trade)
        self._tell_pledges(partner)
        for one in (trade, partner):
            one.gate_refusal, one.retry_mono_ns, one.attempts = "", 0, 0
            self._proceed(one, now)
        return True

    def _repair(self, trade: Trade, step: recovery.Step, now: int) -> None:
        if step.purpose == Purpose.CHASE:
            trade.chases += 1
        else:
            if trade.state == TradeState.RECOVERING:
                self._transition(trade, TradeState.UNWINDING, step.cause)
                self._cool_down(trade, "orphan", now)
            if trade.unwinds >= len(self.policy.unwind_bands_bps):
                if not trade.was_exhausted:
                    trade.was_exhausted = True
                    self._alert("unwind_exhausted",
                                f"trade {trade.trade_id}: every unwind band was tried; going on at the widest", trade, "critical")
                if trade.unwinds > len(self.policy.unwind_bands_bps) and trade.attempts:
                    trade.unwinds = len(self.policy.unwind_bands_bps)
                    self._wait(trade, now)
                    return
            trade.unwinds += 1
        self._submit(trade, step)

    def _wait(self, trade: Trade, now: int) -> None:
        trade.retry_mono_ns = now + self.policy.retry_ns
        self._arm(trade.retry_mono_ns, self._on_retry_timer, trade)

    def _submit(self, trade: Trade, step: recovery.Step) -> None:
        trade.pending = SubmitIntent(step.purpose, trade.trade_id, trade.pair_index, step.legs, step.kind, self.policy.ttl_ns,
                                     step.cause, self._proof_mono_ns)
        for row, side, *_ in step.legs:   # not against an order of our own that stands there
            for other in self.trades.values():
                if any(order.row == row and order.side != side for order in resting.resting_orders(other)):
                    self.quotes.cancel_resting(other, f"trade {trade.trade_id} has to trade there", self._now_mono_ns)
        self._commands.append(trade.pending)

    def _give_to_person(self, trade: Trade, why: str, now: int) -> None:
        self._transition(trade, TradeState.MANUAL, why)
        trade.manual_cause, trade.manual_mono_ns = why, now
        self._tell_core(trade, PairState.LOCKED)
        for instrument in trade.instruments:
            self.locks.lock(instrument.row, LockReason.MANUAL, FOR_EVER_NS, now)
        self._alert("manual", f"trade {trade.trade_id} waits for a person: {why} (tools/recover)", trade, "critical")

    def _on_stop_timer(self, trade: Trade, now: int) -> None:
        """At a stop: a pair that the core did not close is closed here, both legs at once."""
        if not self._is_kept(trade):
            return
        if trade.state != TradeState.OPEN or trade.pending is not None or self._stop_mode != "close" or trade.has_live_order:
            return
        step = recovery.plan_exit(trade, self._view, self.policy)
        if step.verdict == Verdict.SEND:
            trade.exits += 1
            self._submit(trade, step)
        elif step.verdict == Verdict.TOO_SMALL:
            trade.is_undersized = True
            self._alert("exit_too_small", f"trade {trade.trade_id}: what is held is below what the venues accept; it stays",
                        trade)
        else:
            self._arm(now + self.policy.retry_ns, self._on_stop_timer, trade)

    # ================================================================ timers

    def _arm(self, when_mono_ns: int, function: Callable[..., None], subject: Any) -> None:
        if self.is_restoring:
            return
        self._timer_seq += 1
        heapq.heappush(self._timers, (when_mono_ns, self._timer_seq, function, subject))

    def _on_ack_timer(self, order: Order, now: int) -> None:
        """No outcome in time. One that rests owes an outcome only once it was told to end."""
        if not order.is_live or order.watch is not None:
            return
        trade = self._trade_of[order.client_id]
        if order.state == OrderState.ACKED:
            if order.rests and not order.cancel_mono_ns:
                return
            due = max(order.acked_mono_ns, order.sent_mono_ns, order.cancel_mono_ns) + self.policy.ack_timeout_ns
        else:
            due = (order.sent_mono_ns or order.decided_mono_ns) + self.policy.ack_timeout_ns
        if now < due:
            self._arm(due, self._on_ack_timer, order)
            return
        self._make_unknown(trade, order, "no end" if order.acked_mono_ns else "no answer", now)
        self._proceed(trade, now)

    def _on_retry_timer(self, trade: Trade, now: int) -> None:
        if self._is_kept(trade):
            if trade.state == TradeState.OPEN and self._stop_mode == "close":
                self._on_stop_timer(trade, now)
            else:
                self._proceed(trade, now)

    def _on_settle_timer(self, order: Order, now: int) -> None:
        """Fill details that did not come by themselves are asked for, more and more slowly."""
        order.is_settle_armed = False
        trade = self._trade_of.get(order.client_id)
        if trade is None or order.is_settled or order.is_live:
            return
        waited_ns = now - max(order.end_mono_ns, order.proven_mono_ns)
        self._ask(trade, order, [Ask.FILLS], now)
        if waited_ns > self.policy.settle_give_up_ns and not trade.was_settle_given_up:
            trade.was_settle_given_up = True
            self._alert("fills_unexplained",
                        f"trade {trade.trade_id}: {order.client_id} executed {order.cum_qty}, fills explain {order.fills_qty} "
                        f"({order.fills_missing_fee} without fee)", trade, "critical")
        self._arm_settle(order, now + min(max(waited_ns, self.policy.settle_ns), 30 * SECOND))

    def _arm_settle(self, order: Order, when_mono_ns: int) -> None:
        if not order.is_settled and not order.is_settle_armed and not self.is_restoring:
            order.is_settle_armed = True
            self._arm(when_mono_ns, self._on_settle_timer, order)

    def _arm_canary(self, order: Order, event: OrderEvent, now: int) -> None:
        if (
            self.policy.canary_ns
            and event.source == Source.REPLY
            and not order.seen_on_stream
            and order.state != OrderState.REJECTED
        ):
            self._arm(now + self.policy.canary_ns, self._on_canary_timer, order)

    def _on_canary_timer(self, order: Order, now: int) -> None:
        """The venue acknowledged an order, and the user stream never mentioned it: the stream is dead, however open it looks."""
        key = (order.instrument.venue, order.instrument.market)
        if order.seen_on_stream or now - self._stream_restarted.get(key, -STREAM_RESTART_NS) < STREAM_RESTART_NS:
            return
        self._stream_restarted[key] = now
        self._commands.append(RestartStream(*key))
        self._alert(
            "stream_silent", f"user stream of {order.instrument.account} did not mention {order.client_id}: taken for dead"
        )

    # ================================================================ odd events

    def _find(self, event: OrderEvent) -> Order | None:
        order = self._orders.get(event.client_id)
        if order is None and event.venue_order_id and event.instrument_id < len(self.instruments):
            order = self._by_venue_id.get((event.instrument_id, event.venue_order_id))
            if order is not None and order.client_id not in self._orders:
                return self._dig_up(self._graves.get(order.client_id), event)
        if order is not None:
            return order
        return self._dig_up(self._graves.get(event.client_id), event)

    def _dig_up(self, grave: Grave | None, event: OrderEvent) -> Order | None:
        """An event for a finished order: nothing new lets it rest (returned too, to be counted there), growth brings it back to
        life."""
        if grave is None:
            return None
        order = grave.order
        is_new_fill = event.trade_id and event.last_qty > 0 and self._seen.get(order.row, event.trade_id) is None
        grows = event.cum_qty > order.cum_qty or (is_new_fill and order.fills_qty + event.last_qty > order.cum_qty)
        trade = self.trades.get(order.trade_id)
        if trade is None:
            trade = Trade(order.trade_id, grave.pair_index, grave.strategy, grave.instruments, state=TradeState.CLOSED,
                          phase=HOLD,
                          is_revived=True, has_taken_dust=True, is_hedged=len(grave.instruments) > 1)
            trade.intent_units, trade.asked_units = grave.intent_units, grave.asked_units
            if grows or is_new_fill:
                self.trades[trade.trade_id] = trade
                for other in self._graves.values():
                    if other.order.trade_id == trade.trade_id:
                        self._count_before(trade, other.order, 1)
        if grows or is_new_fill:
            del self._graves[order.client_id]
            trade.orders.append(order)
            # What it executed before was settled with the first life of the trade.
            trade.carry[order.row] = trade.carry.get(order.row, ZERO) - order.net_units
            self._count_before(trade, order, -1)
            trade.forget()
            self._orders[order.client_id] = order
        self._trade_of[order.client_id] = trade
        return order

    @staticmethod
    def _count_before(trade: Trade, order: Order, sign: int) -> None:
        done = order.instrument.units(order.cum_qty)
        trade.executed_before[order.row] = trade.executed_before.get(order.row, ZERO) + sign * done

    def _on_foreign(self, event: OrderEvent, now: int) -> None:
        """An order that is not ours: reported, never touched; the instrument takes no entries for a while. Reconciliation shows
        the amounts. With our instance number and a later epoch it is another engine's, on the same keys: no entries at all."""
        if is_later_engine(event.client_id, self.identity):
            if not self.has_rival:
                self.has_rival = True
                self.core.lock_all(FOR_EVER_NS, int(LockReason.FOREIGN))
                self._alert("second_engine", f"{event.client_id} is an order of our instance with a later epoch: another engine "
                            "trades with the same keys and instance number; no entries here until a person has looked",
                            severity="critical")
            return
        if not event.is_fill or event.instrument_id >= len(self.instruments) or self._seen.get(event.instrument_id,
                                                                                               event.trade_id):
            return
        instrument = self.instruments[event.instrument_id]
        if event.flags & EventFlag.FORCED and (event.flags & EventFlag.LITE or self._on_forced(instrument, event, now)):
            return   # a notice without its fee is followed by the whole
        fill = Fill(event.trade_id, event.last_qty, event.last_px, event.fee or ZERO, event.fee_asset)
        self._seen.add(instrument.row, event.trade_id, fill, now)
        self._alert(
            "foreign_fill",
            f"{instrument.name}: {event.last_qty} at {event.last_px} by {event.client_id or 'an order without our id'}",
            severity="critical",
            detail={"instrument": instrument.name},
        )
        self.locks.lock(instrument.row, LockReason.FOREIGN, now + self.policy.cooldowns_ns["orphan"], now)

    def _on_forced(self, instrument: Instrument, event: OrderEvent, now: int) -> bool:
        """The venue took (part of) a position of ours away: the trades that held it lose it, and their other legs are closed as
        any residual is. False: none of ours held any."""
        net = self.position_units(instrument.row)
        parts = split_forced(self.trades.values(), instrument, net, event.last_qty)
        if not parts:
            return False
        self._seen.add(instrument.row, event.trade_id, Fill(event.trade_id, event.last_qty, event.last_px), now)
        self._alert("forced_close", f"{instrument.name}: the venue closed {event.last_qty} of our position by itself "
                    f"({event.message or event.client_id or 'no reason given'}); the other legs are closed", parts[0][0],
                    "critical", {"instrument": instrument.name})
        for trade, qty in parts:
            order = make_forced_order(trade, instrument, event, other_side(net), qty, now)
            trade.orders.append(order)
            trade.forget()
            self._orders[order.client_id], self._trade_of[order.client_id] = order, trade
            fill = order.fills[event.trade_id]
            self._book_facts(trade, order, replace(event, client_id=order.client_id, last_qty=qty, last_px=fill.px),
                             Applied(grew_qty=qty, fill=fill))
            self._cool_down(trade, "orphan", now)
            self._proceed(trade, now, event.recv_mono_ns)
        return True

    # ================================================================ telling others

    def _transition(self, trade: Trade, target: TradeState, cause: str, detail: dict[str, Any] | None = None) -> None:
        if (trade.state, target) not in TRANSITIONS:
            raise ImpossibleTransition(f"trade {trade.trade_id}: {trade.state} -> {target} ({cause})")
        payload = {"trade_id": trade.trade_id, "from": str(trade.state), "to": str(target), "cause": cause,
                   "mono_ns": self._now_mono_ns}
        self._journal(JournalType.TRANSITION, trade, {**payload, **(detail or {})})
        trade.state = target
        if target not in FINAL_STATES:
            trade.was_settle_given_up = False
        self._tell_pledges(trade)

    def _tell_core(self, trade: Trade, state: PairState) -> None:
        """Pair state and what is held, when it changed and the pair is this trade's."""
        if not self._owns_pair(trade):
            return
        quantities = [self._signed_lots(trade, row) for row in self.core.pairs()[trade.pair_index]]
        view = (int(state), quantities[0], quantities[1], trade.trade_id)
        if self._core_view.get(trade.pair_index) == view:
            return
        self._core_view[trade.pair_index] = view
        held = state in (PairState.OPEN, PairState.EXITING)
        self.core.set_pair_state(trade.pair_index, int(state), quantities[0] if held else 0, quantities[1] if held else 0,
                                 0 if state == PairState.FLAT else trade.trade_id, trade.opened_mono_ns, trade.opened_wall_ns)

    def _signed_lots(self, trade: Trade, row: int) -> int:
        units = trade.position(row)
        qty = self.instruments[row].floor_qty(units)
        return qty if units > 0 else -qty

    def _is_kept(self, trade: Trade) -> bool:
        """Whether this is the living one: a timer may still hold a trade that was put away and came back with a late fill."""
        return self.trades.get(trade.trade_id) is trade

    def _has_pair(self, trade: Trade) -> bool:
        return 0 <= trade.pair_index < len(self.core.pairs())

    def _owns_pair(self, trade: Trade) -> bool:
        return self._pair_owner.get(trade.pair_index) == trade.trade_id

    def _cool_down(self, trade: Trade, name: str, now: int) -> None:
        if not name:
            return
        trade.troubles.append(name)
        length_ns = self.policy.cooldowns_ns.get(name, 0)
        if length_ns:
            for instrument in trade.instruments:
                self.locks.lock(instrument.row, LOCK_OF_COOLDOWN[name], now + length_ns, now)

    def _unlock(self, trade: Trade, reason: LockReason, now: int) -> None:
        busy = {instrument.row for other in self.trades.values() if other is not trade
                and (other.has_unknown if reason == LockReason.UNKNOWN_ORDER else other.state == TradeState.MANUAL)
                for instrument in other.instruments}
        for instrument in trade.instruments:
            if instrument.row not in busy:
                self.locks.unlock(instrument.row, reason, now)

    def _journal(self, record: JournalType, trade: Trade | None, payload: dict[str, Any]) -> None:
        self._commands.append(JournalRecord(record, payload, trade.trade_id if trade else 0))

    def _alert(self, code: str, message: str, trade: Trade | None = None, severity: str = "warning",
               detail: dict[str, Any] | None = None) -> None:
        if self.is_restoring:
            return   # it was told when it happened
        self.alerts[code] += 1
        trade_id = trade.trade_id if trade else 0
        self._commands.append(Alert(code, message, trade_id, severity, detail or {}))
        self._journal(JournalType.ALERT, trade, {"code": code, "severity": severity, "text": message, **(detail or {})})

    # ================================================================ restoration (engine/trade/restore.py)

    def use_core(self, core: CoreSurface) -> None:
        """Tell this core from now on; while facts are replayed it is one that takes everything silently."""
        self.core = core
        self.locks.use_core(core)
        self.accounts.use_core(core)
        self._view = self._make_view(core)
        self._pledges.clear()
        self._core_view.clear()

    def owe(self, records: Iterable[JournalRecord]) -> None:
        """Records of the earlier life that its end came before: to be journaled now."""
        self._commands += records

    @exact
    def tell_core_everything(self) -> None:
        """Positions, balances, pledges, remainders, locks, pair states: what a fresh core has to know of trades that it did not
        see begin."""
        for instrument in self.instruments:
            self.accounts.tell_core(instrument, self.position_units(instrument.row), self._unexplained)
            self._tell_residual(instrument.row)
        self.accounts.tell_balances()
        self.locks.push_all(self._now_mono_ns)
        for trade in self.trades.values():
            self._tell_pledges(trade)
            if trade.state not in FINAL_STATES and self._has_pair(trade):
                self._pair_owner[trade.pair_index] = trade.trade_id
                self._tell_core(trade, PairState.RECOVERING if trade.is_astray or trade.moves_inventory
                                else PAIR_STATE_OF.get(trade.state, PairState.RECOVERING))

    @exact
    def resume(self, now_mono_ns: int, now_wall_ns: int) -> list[str]:
        """Facts are replayed, sessions are up: from here on decisions are made again. Orders without a proven end are UNKNOWN and
        asked for; returns their ids."""
        now = self._advance_clock(now_mono_ns, now_wall_ns)
        self.is_restoring = False
        unknown = []
        self._ask_history([self._graves[one].order if one in self._graves else self._orders[one] for one in self.recheck.owed
                           if one in self._graves or one in self._orders], now)
        for trade in list(self.trades.values()):
            for order in trade.orders:
                if not order.is_live:
                    self._arm_settle(order, now)
                    continue
                if trade.state == TradeState.VALIDATING:
                    self._transition(trade, TradeState.PENDING, "restart: bytes may have left")
                order.cancel_mono_ns = 0   # whatever the earlier life has asked for: again
                self._make_unknown(trade, order, "the engine was restarted", now)
                unknown.append(order.client_id)
        for trade in list(self.trades.values()):
            trade.retry_mono_ns = 0     # its timer died with the earlier life
            self._proceed(trade, now)
        self._next_prune_ns = 0
        return unknown

    def note_death(self, died_mono_ns: int) -> None:
        """What ended shortly before an engine's death has to be asked about: a late word may have come while nobody heard."""
        orders = [grave.order for grave in self._graves.values()] + list(self._orders.values())
        since = died_mono_ns - self.policy.restart_lookback_ns
        self.recheck.owed.update((order.client_id, None) for order in orders
                                 if _may_have_news(order) and order.end_mono_ns >= since)

    def _ask_history(self, orders: list[Order], now: int) -> None:
        """The venue's last word on orders that are history here, asked until it comes (B8, B18); not while facts are replayed."""
        self._commands += self.recheck.add(orders, now)
        self._arm_recheck(now)

    def _arm_recheck(self, now: int) -> None:
        if self.recheck.is_waiting and not self._is_recheck_armed:
            self._is_recheck_armed = True
            self._arm(now + AGAIN_NS, self._on_recheck_timer, None)

    def _on_recheck_timer(self, _: Any, now: int) -> None:
        self._is_recheck_armed = False
        self._commands += self.recheck.due(now)
        self._arm_recheck(now)

    def _doubt_position(self, row: int, now: int) -> None:
        """A venue will not reduce what we believe to hold, or holds something else: then something executed that we took for
        over. Whatever ended on the row lately is asked about again; a position query alone says that we are wrong, not where."""
        if now >= self._next_doubt_ns.get(row, 0):
            self._next_doubt_ns[row] = now + DOUBT_EVERY_NS
            ended = [grave.order for grave in self._graves.values()] + list(self._orders.values())
            doubted = [order for order in ended if order.row == row and _may_have_news(order)
                       and order.end_mono_ns >= now - DOUBT_BACK_NS]
            if self.is_restoring:   # asked by `resume`, unless the earlier life had its answers
                self.recheck.owed.update((order.client_id, None) for order in doubted)
            else:
                self._ask_history(doubted, now)

    # ================================================================ housekeeping and views

    def _advance_clock(self, mono_ns: int, wall_ns: int = 0) -> int:
        """Time as the events tell it; it never goes back."""
        self._now_mono_ns = max(self._now_mono_ns, mono_ns)
        self._now_wall_ns = max(self._now_wall_ns, wall_ns)
        return self._now_mono_ns

    def _live_orders(self, venue: str, market: str) -> list[Order]:
        return [order for order in self._orders_of(venue, market) if order.is_live]

    def _orders_of(self, venue: str, market: str) -> list[Order]:
        return [order for order in self._orders.values() if (order.instrument.venue, order.instrument.market) == (venue, market)]

    def _prune(self, now: int) -> None:
        self._seen.prune(now)
        keep, keep_rested = self.policy.graveyard_ns, self.policy.graveyard_rest_ns
        for client_id in [client_id for client_id, grave in self._graves.items() if grave.dead_mono_ns < now - (
                keep_rested if grave.order.rests and not grave.order.cum_qty else keep)]:
            order = self._graves.pop(client_id).order
            self._trade_of.pop(client_id, None)
            self._by_venue_id.pop((order.row, order.venue_order_id), None)

    def position_units(self, row: int) -> Decimal:
        """Net inventory of all our trades and remainders on the row and of what moved there, units of the underlying."""
        return self.inventory.units(row) + self.dust.units(row) + sum((trade.position(row) for trade in self.trades.values()
                                           if any(one.row == row for one in trade.instruments)), ZERO)

    def owned_pairs(self) -> list[int]:
        """Pairs that an unfinished trade has."""
        return list(self._pair_owner)

    def busy_rows(self) -> set[int]:
        """Rows with an order of ours that is in flight or whose fills are not all explained."""
        return {order.row for order in self._orders.values() if not order.is_settled}

    def by_state(self) -> dict[str, int]:
        """Trades by state: finished ones since the start, the others as they are."""
        return trades_by_state(self)

    def pnl(self) -> dict[str, Any]:
        """Profit so far: per asset, in USD, split."""
        return self.profit.report(self.ledger, self.trades.values(), self.dust, self.instruments, self.loose_funding)

    def report(self) -> dict[str, Any]:
        """The calm floor's part of report.json."""
        return make_report(self)

    def describe(self, trade: Trade) -> dict[str, Any]:
        """One trade for the status screen and the control socket."""
        return {"trade_id": trade.trade_id, "pair": trade.pair_index, "state": str(trade.state), "phase": trade.phase,
                "instruments": [one.name for one in trade.instruments], "orders": len(trade.orders),
                "positions": {self.instruments[row].name: text(units) for row, units in trade.positions().items()},
                "residual": text(trade.residual()), "net": text(trade.net_profit()), "fees": text(trade.money.fees),
                "opened_mono_ns": trade.opened_mono_ns, "closed_mono_ns": trade.closed_mono_ns,
                "troubles": sorted(set(trade.troubles))}
