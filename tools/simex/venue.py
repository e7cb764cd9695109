"""The simulated Binance as one object: two markets, accounts, who listens, what has to go out.

Joins the parts that do no I/O: books and matcher (what is true), market-data streams, user events, limits, faults.  Nothing
here opens a socket or reads a clock but the one it is given; the shell calls it with bytes, tests and deterministic runs call
it directly.  Outgoing user events wait in `outbox` until the answer to the request that caused them has left, then `settle()`
sends them, then market data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tools.simex import user_events
from tools.simex.auth import Keyring
from tools.simex.book import Book
from tools.simex.clock import Clock
from tools.simex.exact import format_e8, format_fixed
from tools.simex.faults import Faults
from tools.simex.instrument import LINEAR, SPOT, Instrument
from tools.simex.ledger import Account, Fill, Order
from tools.simex.limits import Limits
from tools.simex.matcher import Matcher
from tools.simex.streams import MarketData, Send

LISTEN_KEY_VALID_MS = 60 * 60 * 1000


class SpotUserSink:
    """One user-data subscription on a spot WS API connection."""

    def __init__(self, account: Account, subscription_id: int, send: Send) -> None:
        self.account = account
        self.subscription_id = subscription_id
        self.send = send
        self.prefix = b'{"subscriptionId":%d,"event":' % subscription_id


class LinearUserSink:
    """One USD-M user-data connection, bound to a listen key."""

    def __init__(self, account: Account, listen_key: str, events: set[str] | None, send: Send, is_combined: bool) -> None:
        self.account = account
        self.listen_key = listen_key
        self.events = events
        self.send = send
        self.prefix = b'{"stream":"' + listen_key.encode() + b'","data":' if is_combined else b""


class Venue:
    """Everything behind the sockets."""

    def __init__(
        self,
        instruments: list[Instrument],
        clock: Clock,
        enforce_limits: bool = True,
        orders_10s_max: dict[str, int] | None = None,
    ) -> None:
        self.clock = clock
        self.instruments = instruments
        self.by_symbol: dict[str, dict[str, Instrument]] = {SPOT: {}, LINEAR: {}}
        self.matcher = Matcher(self)
        self.faults = Faults(clock)
        books: dict[str, dict[str, Book]] = {SPOT: {}, LINEAR: {}}
        for index, instrument in enumerate(instruments):
            instrument.index = index
            self.by_symbol[instrument.market][instrument.symbol] = instrument
            book = Book(instrument, 400_900_000 + 1_000 * index)
            books[instrument.market][instrument.symbol] = book
            self.matcher.add_book(book)
        self.books = books
        self.data = {market: MarketData(market, books[market], clock, self.faults) for market in (SPOT, LINEAR)}
        limits = orders_10s_max or {}
        self.limits = {market: Limits(market, enforce_limits, limits.get(market)) for market in (SPOT, LINEAR)}
        self.accounts: dict[str, Account] = {}
        self.keyring = Keyring()
        self.spot_sinks: dict[str, list[SpotUserSink]] = {}
        self.linear_sinks: dict[str, list[LinearUserSink]] = {}
        self.listen_keys: dict[str, tuple[Account, int]] = {}
        self.outbox: list[tuple[Send, bytes]] = []
        self.touched: dict[int, Instrument] = {}
        self.prints: list[tuple[Instrument, int, int, bool, int]] = []
        self.fill_watchers: list[Callable[[Instrument, Order, Fill], None]] = []
        self.funding: dict[str, Any] = {}  # symbol -> FundingState, set by the market
        self.index_px_e8: dict[str, int] = {}
        self.orders_received = 0
        self.user_events_sent = 0
        self.recv_mono_ns = 0
        self._execution_id = 8_641_000
        self._next_listen_key = 0
        self.leverage_max = 75
        self.countdowns: dict[tuple[str, str], int] = {}  # (account, symbol) -> wall ms at which its open orders are cancelled

    # ---- accounts --------------------------------------------------------------------------------

    def add_account(self, name: str) -> Account:
        account = Account(name, 350_000_000 + len(self.accounts))
        self.accounts[name] = account
        self.spot_sinks[name] = []
        self.linear_sinks[name] = []
        return account

    def new_listen_key(self, account: Account) -> str:
        now = self.clock.wall_ms()
        for key, (owner, until) in self.listen_keys.items():
            if owner is account and now < until:
                self.listen_keys[key] = (owner, now + LISTEN_KEY_VALID_MS)
                return key
        self._next_listen_key += 1
        key = f"sim{account.uid}x{self._next_listen_key}".ljust(64, "Z")
        self.listen_keys[key] = (account, now + LISTEN_KEY_VALID_MS)
        return key

    def extend_listen_key(self, account: Account) -> str | None:
        now = self.clock.wall_ms()
        for key, (owner, until) in self.listen_keys.items():
            if owner is account and now < until:
                self.listen_keys[key] = (owner, now + LISTEN_KEY_VALID_MS)
                return key
        return None

    def listen_key_owner(self, key: str) -> Account | None:
        found = self.listen_keys.get(key)
        return found[0] if found is not None and self.clock.wall_ms() < found[1] else None

    def expire_listen_key(self, key: str) -> None:
        """The key is dead; connections on it are told."""
        found = self.listen_keys.pop(key, None)
        if found is None:
            return
        now = self.clock.wall_ms()
        event = orjson.dumps({"e": "listenKeyExpired", "E": now, "listenKey": key})
        for sink in self.linear_sinks[found[0].name]:
            if sink.listen_key == key:
                sink.send(sink.prefix + event + b"}" if sink.prefix else event)

    def expire_old_listen_keys(self) -> None:
        now = self.clock.wall_ms()
        for key in [k for k, (_, until) in self.listen_keys.items() if now >= until]:
            self.expire_listen_key(key)

    def run_countdowns(self) -> None:
        """Cancel what a dead-man switch is due for."""
        now = self.clock.wall_ms()
        for key in [k for k, due in self.countdowns.items() if now >= due]:
            del self.countdowns[key]
            for order in self.matcher.open_orders(self.accounts[key[0]], LINEAR, key[1]):
                self.matcher.cancel(order, now)
        self.settle()

    def adjust_balance(self, account: Account, market: str, asset: str, delta_e8: int) -> None:
        """A deposit (or withdrawal) from outside, with its events."""
        now = self.clock.wall_ms()
        if market == SPOT:
            account.add_free(asset, delta_e8)
            self._send_spot(account, user_events.balance_update(asset, delta_e8, now))
            self._send_spot(account, user_events.outbound_account_position(account, [asset], now))
        else:
            account.wallet[asset] = account.wallet.get(asset, 0) + delta_e8
            self._send_linear(
                account,
                user_events.account_update(
                    account, "DEPOSIT" if delta_e8 > 0 else "WITHDRAW", [], self.matcher.mark_px_e8, now, (asset, delta_e8)
                ),
            )

    # ---- the matcher's listener ------------------------------------------------------------------

    def on_order(self, order: Order, execution: str, fill: Fill | None) -> None:
        instrument, account = order.instrument, order.account
        self.touched[instrument.index] = instrument
        if instrument.market == SPOT:
            if fill is not None and len(order.fills) == 1:
                self.limits[SPOT].give_back(account, order.update_ms)
            if self.spot_sinks[account.name]:
                self._execution_id += 1
                self._send_spot(
                    account, user_events.execution_report(order, execution, fill, self._execution_id, order.update_ms)
                )
        elif self.linear_sinks[account.name]:
            if fill is not None:
                self._send_linear(account, user_events.trade_lite(order, fill, order.update_ms))
            self._send_linear(account, user_events.order_trade_update(order, execution, fill, order.update_ms))
        if fill is not None:
            for watcher in self.fill_watchers:
                watcher(instrument, order, fill)

    def on_spot_balances(self, account: Account, assets: list[str]) -> None:
        if self.spot_sinks[account.name]:
            if account.bnb_burn and "BNB" not in assets:
                assets = [*assets, "BNB"]
            self._send_spot(account, user_events.outbound_account_position(account, assets, self.clock.wall_ms()))

    def on_linear_account(
        self, account: Account, reason: str, symbols: list[str], change: tuple[str, int] | None = None
    ) -> None:
        if self.linear_sinks[account.name]:
            self._send_linear(
                account,
                user_events.account_update(account, reason, symbols, self.matcher.mark_px_e8, self.clock.wall_ms(), change),
            )

    def on_trade(self, instrument: Instrument, px: int, qty: int, buyer_is_maker: bool, trade_id: int) -> None:
        self.prints.append((instrument, px, qty, buyer_is_maker, trade_id))

    # ---- going out -------------------------------------------------------------------------------

    def _send_spot(self, account: Account, event: dict[str, Any]) -> None:
        body = orjson.dumps(event)
        for sink in self.spot_sinks[account.name]:
            self._queue(SPOT, event.get("s"), sink.send, sink.prefix + body + b"}")

    def _send_linear(self, account: Account, event: dict[str, Any]) -> None:
        body = orjson.dumps(event)
        symbol = event["o"]["s"] if "o" in event else event.get("s")
        for sink in self.linear_sinks[account.name]:
            if sink.events is None or event["e"] in sink.events:
                self._queue(LINEAR, symbol, sink.send, sink.prefix + body + b"}" if sink.prefix else body)

    def _queue(self, market: str, symbol: str | None, send: Send, frame: bytes) -> None:
        if self.faults.has_other:
            fault = self.faults.take("ud", market, symbol, ("drop", "silent", "dup", "delay"))
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
                data = self.data[instrument.market]
                if data.raw_mode:
                    continue
                book = self.books[instrument.market][instrument.symbol]
                data.top_changed(book, now_ms)
                data.realtime_depth(book, now_ms)
            for instrument, px, qty, buyer_is_maker, trade_id in prints:
                self.data[instrument.market].trade(instrument, px, qty, buyer_is_maker, trade_id, now_ms)

    def mark_px(self, symbol: str) -> int:
        return self.matcher.mark_px_e8.get(symbol, 0)

    def ledger(self) -> dict[str, Any]:
        """Everything that is true, as plain data; `totals` and `positions_by_account`: the first account's sums."""
        first = next(iter(self.accounts.values()))
        assets = sorted(set(first.free) | set(first.locked))
        return {
            "accounts": {name: account.dump() for name, account in self.accounts.items()},
            "totals": {
                "binance:spot": {a: format_e8(first.free.get(a, 0) + first.locked.get(a, 0)) for a in assets},
                "binance:linear": {a: format_e8(amount) for a, amount in first.wallet.items()},
            },
            "positions_by_account": {
                "binance:linear": {
                    p.instrument.name: format_fixed(p.qty, p.instrument.qty_decimals, p.instrument.qty_decimals)
                    for p in first.positions.values()
                    if p.qty
                }
            },
            "marks": {symbol: format_e8(px) for symbol, px in self.matcher.mark_px_e8.items()},
        }
