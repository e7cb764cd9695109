"""One simulated venue as one object: markets, accounts, streams, faults, what has to go out.  Knows no venue by name.

Joins the parts that do no I/O: books and matcher (what is true), hubs of streams, the dialect, faults.  Nothing here opens a
socket or reads a clock but the one it is given; the shell calls the dialect with bytes, tests and deterministic runs do the same.
Outgoing user events wait in `outbox` until the answer to the request that caused them has left, then `settle()` sends them, then
market data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.simex.book import Book
from tools.simex.clock import Clock
from tools.simex.contract import LINEAR, MARKETS, SPOT, UD, Dialect, Plan, SimVenue
from tools.simex.desk import Desk
from tools.simex.exact import format_e8, format_fixed, to_scaled
from tools.simex.faults import Faults
from tools.simex.filters import check_px, check_qty
from tools.simex.hub import Hub, Pacer, Print, Send
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Fill, Order
from tools.simex.maintenance import Maintenance
from tools.simex.matcher import Matcher
from tools.simex.refusals import Refusal, Refused

EIGHT_HOURS_MS = 8 * 3600 * 1000


@dataclass(slots=True)
class FundingState:
    """Funding of one perpetual."""

    rate_e8: int
    next_ms: int
    interval_hours: int = 8
    interval_ms: int = EIGHT_HOURS_MS
    history: list[dict[str, Any]] = field(default_factory=list)  # {"rate_e8", "time", "mark_e8"}


class Venue:
    """Everything behind the sockets of one venue."""

    def __init__(
        self,
        sim: SimVenue,
        instruments: list[Instrument],
        clock: Clock,
        *,
        enforce_limits: bool = True,
        limits: Mapping[str, Any] | None = None,
        first_index: int = 0,
    ) -> None:
        """`limits`: what the config says to the dialect about its limits; `first_index`: index of the first instrument, when
        several venues share a process."""
        self.sim = sim
        self.name = sim.name
        self.clock = clock
        self.maintenance: list[Maintenance] = []
        self.instruments = instruments
        self.enforce_limits = enforce_limits
        self.limit_options = dict(limits or {})
        self.faults = Faults(clock, sim.extra_verbs)
        self.matcher = Matcher(self, sim.rules)
        self.pacer = Pacer()
        self.desk = Desk(self)
        self.by_symbol: dict[str, dict[str, Instrument]] = {market: {} for market in MARKETS}
        self.books: dict[str, dict[str, Book]] = {market: {} for market in MARKETS}
        for number, instrument in enumerate(instruments):
            instrument.index = first_index + number
            self.by_symbol[instrument.market][instrument.symbol] = instrument
            book = Book(instrument, 400_900_000 + 1_000 * number, sim.id_step.get(instrument.market, 1))
            self.books[instrument.market][instrument.symbol] = book
            self.matcher.add_book(book)
        self.accounts: dict[str, Account] = {}
        self.outbox: list[tuple[Send, bytes]] = []
        self.touched: dict[int, Instrument] = {}
        self.prints: list[Print] = []
        self.fill_watchers: list[Callable[[Instrument, Order, Fill], None]] = []
        self.funding: dict[str, FundingState] = {}  # by symbol; set by the market
        self.index_px_e8: dict[str, int] = {}
        self.orders_received = 0
        self.user_events_sent = 0
        self.recv_mono_ns = 0  # receipt of the request that is being handled
        self.dialect: Dialect = sim.make_dialect(self)
        self.hubs: dict[str, Hub] = {market: self.dialect.make_hub(market) for market in sim.markets}

    # ---- looking -----------------------------------------------------------------------------------

    def instrument(self, market: str, symbol: str | None) -> Instrument:
        """Refused when there is none."""
        instrument = self.by_symbol[market].get(symbol or "")
        if instrument is None:
            raise Refused(Refusal.NO_SUCH_SYMBOL)
        return instrument

    def book(self, instrument: Instrument) -> Book:
        return self.books[instrument.market][instrument.symbol]

    def mark_e8(self, instrument: Instrument) -> int:
        """Mark price of a perpetual, 0 = none yet."""
        return self.matcher.mark_px_e8.get(instrument.symbol, 0)

    # ---- accounts ----------------------------------------------------------------------------------

    def add_account(self, name: str) -> Account:
        account = Account(name, 350_000_000 + len(self.accounts), self.sim.rules)
        self.accounts[name] = account
        return account

    def adjust_balance(self, account: Account, market: str, asset: str, delta_e8: int) -> None:
        """A deposit (or withdrawal) from outside, with its events."""
        pot = account.free if market == SPOT else account.wallet
        pot[asset] = pot.get(asset, 0) + delta_e8
        self.dialect.on_account(account, market, "DEPOSIT" if delta_e8 > 0 else "WITHDRAW", [asset], [], delta_e8)

    # ---- orders ------------------------------------------------------------------------------------

    def place(self, order: Order, plan: Plan) -> Order:
        """Place an order as the plan of a fault has it; Refused.  Answer, then `settle`."""
        cap = None
        if plan.fraction is not None:
            cap = int(order.qty * plan.fraction) // order.instrument.step * order.instrument.step
        return self.matcher.place(order, self.clock.wall_ms(), cap, plan.is_rejected_later)

    def place_by_hand(
        self, account: Account, market: str, symbol: str, *, side: str, quantity: str, price: str | None = None, tif: str = "GTC",
        reduce_only: bool = False, client_id: str | None = None,
    ) -> Order:  # fmt: skip
        """An order of the account's owner or of the venue itself, not over the API.  Without a price it is a market order."""
        instrument = self.instrument(market, symbol)
        px = to_scaled(price, instrument.px_decimals) if price is not None else 0
        qty = to_scaled(quantity, instrument.qty_decimals)
        if instrument.status != "TRADING":
            raise Refused(Refusal.NOT_TRADING)
        check_qty(instrument, qty, price is None)
        if price is not None:
            check_px(instrument, px)
        order = Order(
            account,
            instrument,
            self.matcher.take_order_id(market),
            client_id or self.dialect.outside_client_id("manual"),
            side,
            "LIMIT" if px else "MARKET",
            tif,
            px,
            qty,
            0,
            reduce_only,
            "EXPIRE_MAKER",
            self.clock.wall_ms(),
            self.clock.mono_ns(),
        )
        self.place(order, Plan())
        self.settle()
        return order

    # ---- the matcher's listener --------------------------------------------------------------------

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        instrument = order.instrument
        self.touched[instrument.index] = instrument
        self.dialect.on_order(order, event, fill)
        if fill is not None:
            for watcher in self.fill_watchers:
                watcher(instrument, order, fill)

    def on_account(
        self, account: Account, market: str, reason: str, assets: list[str], symbols: list[str], change_e8: int = 0
    ) -> None:
        self.dialect.on_account(account, market, reason, assets, symbols, change_e8)

    def on_trade(self, instrument: Instrument, px: int, qty: int, buyer_is_maker: bool, trade_id: int) -> None:
        self.prints.append(Print(instrument, px, qty, buyer_is_maker, trade_id, self.clock.wall_ms()))

    def spot_fee(self, order: Order, commission_e8: int, fee_e8: int, asset: str) -> tuple[int, str]:
        return self.dialect.spot_fee(order, commission_e8, fee_e8, asset)

    # ---- going out ---------------------------------------------------------------------------------

    def queue(self, market: str, symbol: str | None, send: Send, frame: bytes) -> None:
        """A user event: leaves with `settle`, through the user-data faults."""
        if self.faults.has_other:
            fault = self.faults.take(UD, market, symbol, ("drop", "silent", "dup", "delay"))
            if fault is not None:
                if fault.verb in ("drop", "silent"):
                    return
                if fault.verb == "delay":
                    self.faults.defer(float(fault.params.get("ms", 500)) / 1e3, lambda: send(frame))
                    return
                self.outbox.append((send, frame))
        self.outbox.append((send, frame))

    def settle(self) -> None:
        """Send user events in their order, then what the same happenings mean for market data."""
        if self.outbox:
            outbox, self.outbox = self.outbox, []
            self.user_events_sent += len(outbox)
            for send, frame in outbox:
                send(frame)
        if self.touched or self.prints:
            now_ms = self.clock.wall_ms()
            touched, self.touched = self.touched, {}
            prints, self.prints = self.prints, []
            for instrument in touched.values():
                hub = self.hubs[instrument.market]
                if not hub.raw_mode:
                    hub.book_changed(self.book(instrument), now_ms)
            for trade in prints:
                self.hubs[trade.instrument.market].trade(trade)

    def frames_built(self) -> int:
        """Market-data payloads so far."""
        return sum(hub.frames_built for hub in self.hubs.values())

    # ---- funding -----------------------------------------------------------------------------------

    def pay_funding(self, instrument: Instrument, next_rate_e8: int, next_ms: int) -> None:
        """Settle the interval that is due for all accounts; the next one has this rate and end."""
        state, now_ms = self.funding[instrument.symbol], self.clock.wall_ms()
        for account in self.accounts.values():
            self.matcher.pay_funding(account, instrument, state.rate_e8, now_ms)
        state.history.append({"rate_e8": state.rate_e8, "time": state.next_ms, "mark_e8": self.mark_e8(instrument)})
        state.rate_e8, state.next_ms = next_rate_e8, next_ms
        self.settle()

    # ---- the truth ---------------------------------------------------------------------------------

    def ledger(self) -> dict[str, Any]:
        """Everything that is true, as plain data; `totals` and `positions_by_account`: the first account's sums."""
        first = next(iter(self.accounts.values()))
        pots = ("unified", *self.sim.markets)
        held = {
            p.instrument.name: format_fixed(p.qty, p.instrument.qty_decimals, p.instrument.qty_decimals)
            for p in first.positions.values()
            if p.qty
        }
        return {
            "accounts": {name: account.dump() for name, account in self.accounts.items()},
            "totals": {f"{self.name}:{name}": sums for name, sums in first.totals().items() if name in pots},
            "positions_by_account": {f"{self.name}:{LINEAR}": held} if LINEAR in self.sim.markets else {},
            "marks": {symbol: format_e8(px) for symbol, px in self.matcher.mark_px_e8.items()},
        }
