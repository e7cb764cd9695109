"""Matching and settlement: orders against a book, balances and positions moved exactly.

Takes parsed, filter-checked orders; walks visible levels best first (at one price the market's quantity before resting orders
of accounts, those by age); settles each fill (spot buy: fee in base, spot sell: in quote, perpetuals: in the settlement asset;
the listener may charge another asset on spot).  What happened is told to `listener` in the order in which the venue would publish
it. What cannot be is raised as `Refused`, before anything changed.  Sans-I/O, no clock of its own.
"""

from __future__ import annotations

from typing import Protocol

from tools.simex.book import Book
from tools.simex.contract import LINEAR, SPOT, TradingRules
from tools.simex.exact import E8, share_half_up
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Fill, Order
from tools.simex.refusals import (
    END_FAULT,
    END_FOK,
    END_IOC,
    END_MARKET,
    END_POST_ONLY,
    END_REDUCE,
    END_SELF_TRADE,
    END_USER,
    Refusal,
    Refused,
)


class Listener(Protocol):
    """Who wants to know: the dialect's user streams and trade streams, through the venue."""

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None: ...
    def on_account(
        self, account: Account, market: str, reason: str, assets: list[str], symbols: list[str], change_e8: int = 0
    ) -> None: ...
    def on_trade(self, instrument: Instrument, px: int, qty: int, buyer_is_maker: bool, trade_id: int) -> None: ...
    def spot_fee(self, order: Order, commission_e8: int, fee_e8: int, asset: str) -> tuple[int, str]: ...


class Matcher:
    """Books of all instruments and what rests in them."""

    def __init__(self, listener: Listener, rules: TradingRules) -> None:
        self.listener = listener
        self.rules = rules
        self.books: dict[tuple[str, str], Book] = {}
        self.resting: dict[tuple[str, str], dict[bool, dict[int, list[Order]]]] = {}
        self.mark_px_e8: dict[str, int] = {}
        self._next_order_id = {SPOT: 12_569_000_001, LINEAR: 325_000_001}
        self._next_trade_id: dict[tuple[str, str], int] = {}

    def add_book(self, book: Book) -> None:
        key = (book.instrument.market, book.instrument.symbol)
        self.books[key] = book
        self.resting[key] = {True: {}, False: {}}
        self._next_trade_id[key] = 1_000_001

    def book(self, instrument: Instrument) -> Book:
        return self.books[(instrument.market, instrument.symbol)]

    def take_order_id(self, market: str) -> int:
        self._next_order_id[market] += 1
        return self._next_order_id[market]

    def take_trade_id(self, instrument: Instrument) -> int:
        key = (instrument.market, instrument.symbol)
        self._next_trade_id[key] += 1
        return self._next_trade_id[key]

    # ---- margin ----------------------------------------------------------------------------------

    def available_margin_e8(self, account: Account, asset: str) -> int:
        """Wallet and unrealised loss or profit, less initial margin of positions and of open orders; all in `asset`."""
        available = account.wallet.get(asset, 0)
        for symbol, position in account.positions.items():
            if position.qty and position.instrument.settle == asset:
                mark = self.mark_px_e8.get(symbol, 0)
                margin = position.instrument.notional_e8(mark, abs(position.qty)) // account.leverage_of(symbol)
                available += position.unrealised_e8(mark) - margin
        for order in account.open_by_client[LINEAR].values():
            instrument = order.instrument
            if not order.reduce_only and instrument.settle == asset:
                available -= instrument.amount_e8(order.px, order.leaves) // account.leverage_of(instrument.symbol)
        return available

    def spendable_e8(self, account: Account, asset: str) -> int:
        """What a spot order may lock: on a venue with one balance for all, margin in use is not there to spend."""
        free = account.free.get(asset, 0)
        return min(free, self.available_margin_e8(account, asset)) if self.rules.is_unified else free

    def _check_margin(self, order: Order, px: int) -> None:
        account, instrument = order.account, order.instrument
        held = account.positions.get(instrument.symbol)
        held_qty = held.qty if held else 0
        signed = order.qty if order.is_buy else -order.qty
        opening = order.qty
        if held_qty and (held_qty > 0) != (signed > 0):
            opening = max(0, order.qty - abs(held_qty))
        margin = instrument.amount_e8(px, opening) // account.leverage_of(instrument.symbol)
        if opening and margin > self.available_margin_e8(account, instrument.settle):
            raise Refused(Refusal.INSUFFICIENT_MARGIN)

    # ---- placing ---------------------------------------------------------------------------------

    def place(self, order: Order, now_ms: int, fill_cap: int | None = None, is_rejected_later: bool = False) -> Order:
        """Accept or refuse (Refused) and match; afterwards the order rests or is done.  `fill_cap` bounds what may trade;
        `is_rejected_later`: accepted, then ended as REJECTED."""
        account, instrument = order.account, order.instrument
        market, book = instrument.market, self.book(instrument)
        if account.knows_client_id(market, order.client_id):
            raise Refused(Refusal.DUPLICATE_CLIENT_ID)
        would_take = order.is_post_only and self._crosses(order, book)
        if would_take and market in self.rules.post_only_refused:
            raise Refused(Refusal.WOULD_MATCH)
        if order.type == "MARKET" and order.quote_qty_e8:
            order.qty = self._qty_for_quote(order, book)
        if order.tif == "FOK" and self._reachable(order, book) < order.qty:
            if market in self.rules.fok_refused:
                raise Refused(Refusal.FOK)
            fill_cap = 0
        if market == SPOT:
            self._reserve_spot(order, book)
        else:
            self._check_linear(order, book)
        order.update_ms = now_ms
        account.orders[market][order.order_id] = order
        account.open_by_client[market][order.client_id] = order
        account.last_by_client[market][order.client_id] = order
        if is_rejected_later:
            self._end(order, "REJECTED", END_FAULT, now_ms)
        elif would_take:
            self._end(order, "CANCELED", END_POST_ONLY, now_ms)
        else:
            self.listener.on_order(order, "NEW", None)
            stopped = self._match(order, book, now_ms, fill_cap)
            self._finish(order, book, now_ms, stopped)
        if market == SPOT:
            self._tell_balances(order)
        return order

    def _tell_balances(self, order: Order) -> None:
        instrument = order.instrument
        self.listener.on_account(order.account, SPOT, "ORDER", [instrument.base, instrument.quote], [])

    @staticmethod
    def _crosses(order: Order, book: Book) -> bool:
        best = book.best_ask() if order.is_buy else book.best_bid()
        if best is None:
            return False
        return order.px == 0 or (order.px >= best if order.is_buy else order.px <= best)

    @staticmethod
    def _opposite(order: Order, book: Book) -> list[tuple[int, int]]:
        """Levels the order may take, best first."""
        if order.is_buy:
            prices = book.ask_prices if order.px == 0 else [px for px in book.ask_prices if px <= order.px]
            return [(px, book.asks[px]) for px in prices]
        prices = book.bid_prices if order.px == 0 else [px for px in book.bid_prices if px >= order.px]
        return [(px, book.bids[px]) for px in reversed(prices)]

    def _reachable(self, order: Order, book: Book) -> int:
        return sum(qty for _, qty in self._opposite(order, book))

    def _qty_for_quote(self, order: Order, book: Book) -> int:
        """Whole steps that an order by value buys or sells at the visible prices."""
        instrument, left, qty = order.instrument, order.quote_qty_e8, 0
        for px, level_qty in self._opposite(order, book):
            unit = instrument.amount_e8(px, instrument.step)
            take = min(level_qty // instrument.step, left // unit)
            qty += take * instrument.step
            left -= take * unit
            if take < level_qty // instrument.step:
                break
        if qty <= 0:
            raise Refused(Refusal.QTY_MIN, instrument.min_qty)
        return qty

    def _reserve_spot(self, order: Order, book: Book) -> None:
        account, instrument = order.account, order.instrument
        if not order.is_buy:
            asset, amount = instrument.base, instrument.qty_e8(order.qty)
        elif order.px:
            asset, amount = instrument.quote, instrument.amount_e8(order.px, order.qty)
        else:
            asset, amount, left = instrument.quote, 0, order.qty
            for px, qty in self._opposite(order, book):
                amount += instrument.amount_e8(px, min(left, qty))
                left -= min(left, qty)
                if left == 0:
                    break
        if self.spendable_e8(account, asset) < amount:
            raise Refused(Refusal.INSUFFICIENT_BALANCE)
        account.lock(asset, amount)
        order.locked_e8 = amount

    def _check_linear(self, order: Order, book: Book) -> None:
        if order.reduce_only:
            held = order.account.positions.get(order.instrument.symbol)
            if held is None or held.qty == 0 or (held.qty > 0) == order.is_buy:
                raise Refused(Refusal.REDUCE_ONLY)
            return
        best = (book.best_ask() if order.is_buy else book.best_bid()) or 0
        self._check_margin(order, order.px or best)

    # ---- matching --------------------------------------------------------------------------------

    def _match(self, order: Order, book: Book, now_ms: int, fill_cap: int | None) -> str:
        """Take what can be taken; returns why it stopped early (END_SELF_TRADE, END_REDUCE), "" when it did not."""
        instrument = order.instrument
        budget = order.qty if fill_cap is None else min(order.qty, fill_cap)
        stopped = ""
        if order.reduce_only:
            held = abs(order.account.position(instrument).qty)
            if held < budget:
                budget, stopped = held, END_REDUCE
        resting = self.resting[(instrument.market, instrument.symbol)][not order.is_buy]
        while budget > 0:
            best = book.best_ask() if order.is_buy else book.best_bid()
            if best is None or (order.px and (best > order.px if order.is_buy else best < order.px)):
                break
            free_qty = book.market_qty(not order.is_buy, best)
            if free_qty > 0:
                qty = min(budget, free_qty)
                book.set_market(not order.is_buy, best, free_qty - qty)
                self._fill(order, best, qty, False, now_ms)
                budget -= qty
                continue
            maker = resting[best][0]
            if maker.account is order.account and order.stp != "NONE":
                if order.stp in ("EXPIRE_MAKER", "EXPIRE_BOTH"):
                    self._remove_resting(maker, book)
                    self._end(maker, "EXPIRED", END_SELF_TRADE, now_ms)
                if order.stp != "EXPIRE_MAKER":
                    return END_SELF_TRADE
                continue
            qty = min(budget, maker.leaves)
            self._fill_maker(maker, best, qty, book, now_ms)
            self._fill(order, best, qty, False, now_ms)
            budget -= qty
        return stopped

    def _fill_maker(self, maker: Order, px: int, qty: int, book: Book, now_ms: int) -> None:
        book.add_own(maker.is_buy, px, -qty)
        if maker.leaves == qty:
            self._forget_resting(maker)
        self._fill(maker, px, qty, True, now_ms)

    def match_resting(self, instrument: Instrument, is_buy: bool, market_px: int, now_ms: int) -> None:
        """The market moved to `market_px` on the other side: resting orders it reached are filled in full as maker."""
        levels = self.resting[(instrument.market, instrument.symbol)][is_buy]
        if not levels:
            return
        book = self.book(instrument)
        for px in sorted(levels, reverse=is_buy):
            if (px < market_px) if is_buy else (px > market_px):
                break
            for maker in list(levels.get(px, ())):
                self._fill_maker(maker, px, maker.leaves, book, now_ms)
                if instrument.market == SPOT:
                    self._tell_balances(maker)

    def _fill(self, order: Order, px: int, qty: int, is_maker: bool, now_ms: int) -> None:
        instrument, account = order.instrument, order.account
        trade_id = self.take_trade_id(instrument)
        amount = instrument.amount_e8(px, qty)
        rate = instrument.maker_fee_e8 if is_maker else instrument.taker_fee_e8
        realised = 0
        if instrument.market == SPOT:
            fee, fee_asset = self._settle_spot(order, px, qty, amount, rate)
        else:
            fee, fee_asset = share_half_up(amount, rate), instrument.settle
            realised = account.position(instrument).apply(qty if order.is_buy else -qty, px, now_ms)
            account.wallet[fee_asset] = account.wallet.get(fee_asset, 0) + realised - fee
        fill = Fill(trade_id, px, qty, fee, fee_asset, is_maker, now_ms, realised)
        order.executed += qty
        order.cum_quote_e8 += amount
        order.fills.append(fill)
        order.update_ms = now_ms
        order.status = "FILLED" if order.executed == order.qty else "PARTIALLY_FILLED"
        if order.status == "FILLED":
            self._close(order)
        if instrument.market == LINEAR:
            self.listener.on_account(account, LINEAR, "ORDER", [instrument.settle], [instrument.symbol])
        self.listener.on_order(order, "TRADE", fill)
        if not is_maker:
            self.listener.on_trade(instrument, px, qty, not order.is_buy, trade_id)

    def _settle_spot(self, order: Order, px: int, qty: int, amount: int, rate: int) -> tuple[int, str]:
        instrument, account = order.instrument, order.account
        received = instrument.qty_e8(qty) if order.is_buy else amount
        received_asset = instrument.base if order.is_buy else instrument.quote
        paid_asset = instrument.quote if order.is_buy else instrument.base
        released = amount if not order.px else instrument.amount_e8(order.px, qty)
        paid = amount
        if not order.is_buy:
            released = paid = instrument.qty_e8(qty)
        released = min(released, order.locked_e8)
        order.locked_e8 -= released
        account.unlock(paid_asset, released)
        account.add_free(paid_asset, -paid)
        fee, fee_asset = self.listener.spot_fee(order, share_half_up(amount, rate), share_half_up(received, rate), received_asset)
        account.add_free(received_asset, received)
        account.add_free(fee_asset, -fee)
        return fee, fee_asset

    # ---- the end of an order ---------------------------------------------------------------------

    def _finish(self, order: Order, book: Book, now_ms: int, stopped: str) -> None:
        if not order.is_open:
            return
        if stopped:
            self._end(order, "EXPIRED", stopped, now_ms)
        elif order.type == "MARKET":
            self._end(order, "EXPIRED", END_MARKET, now_ms)
        elif order.tif in ("IOC", "FOK"):
            self._end(order, "EXPIRED", END_IOC if order.tif == "IOC" else END_FOK, now_ms)
        else:
            self._rest(order, book)

    def _rest(self, order: Order, book: Book) -> None:
        levels = self.resting[(order.instrument.market, order.instrument.symbol)][order.is_buy]
        levels.setdefault(order.px, []).append(order)
        book.add_own(order.is_buy, order.px, order.leaves)

    def _end(self, order: Order, status: str, reason: str, now_ms: int) -> None:
        order.status = status
        order.end_reason = reason
        order.update_ms = now_ms
        self._close(order)
        self.listener.on_order(order, status, None)

    def _close(self, order: Order) -> None:
        account, instrument = order.account, order.instrument
        if account.open_by_client[instrument.market].get(order.client_id) is order:
            del account.open_by_client[instrument.market][order.client_id]
        if order.locked_e8:
            account.unlock(instrument.quote if order.is_buy else instrument.base, order.locked_e8)
            order.locked_e8 = 0

    def _forget_resting(self, order: Order) -> None:
        levels = self.resting[(order.instrument.market, order.instrument.symbol)][order.is_buy]
        levels[order.px].remove(order)
        if not levels[order.px]:
            del levels[order.px]

    def _remove_resting(self, order: Order, book: Book) -> None:
        self._forget_resting(order)
        book.add_own(order.is_buy, order.px, -order.leaves)

    def cancel(self, order: Order, now_ms: int, reason: str = END_USER) -> Order:
        """Cancel an open order; Refused when it is not open any more."""
        if not order.is_open:
            raise Refused(Refusal.UNKNOWN_ORDER)
        self._remove_resting(order, self.book(order.instrument))
        self._end(order, "CANCELED", reason, now_ms)
        if order.instrument.market == SPOT:
            self._tell_balances(order)
        return order

    def amend(self, order: Order, px: int, qty: int, now_ms: int) -> Order:
        """A resting order gets another price or quantity (more than it executed), loses its place and may trade; Refused, and
        unchanged, when there is no money for it."""
        if not order.is_open:
            raise Refused(Refusal.UNKNOWN_ORDER)
        instrument, book, old = order.instrument, self.book(order.instrument), (order.px, order.qty)
        self._remove_resting(order, book)
        order.px, order.qty = px, qty
        try:
            self._reserve_again(order, *old)
        except Refused:
            order.px, order.qty = old
            self._rest(order, book)
            raise
        order.update_ms = now_ms
        if order.is_post_only and self._crosses(order, book):
            self._end(order, "CANCELED", END_POST_ONLY, now_ms)
        else:
            self.listener.on_order(order, "AMENDED", None)
            stopped = self._match(order, book, now_ms, order.leaves)
            self._finish(order, book, now_ms, stopped)
        if instrument.market == SPOT:
            self._tell_balances(order)
        return order

    def _reserve_again(self, order: Order, old_px: int, old_qty: int) -> None:
        """For what is left of an amended order."""
        account, instrument, left = order.account, order.instrument, order.leaves
        if instrument.market == SPOT:
            asset = instrument.quote if order.is_buy else instrument.base
            amount = instrument.amount_e8(order.px, left) if order.is_buy else instrument.qty_e8(left)
            if amount - order.locked_e8 > max(0, self.spendable_e8(account, asset)):
                raise Refused(Refusal.INSUFFICIENT_BALANCE)
            account.lock(asset, amount - order.locked_e8)
            order.locked_e8 = amount
        elif not order.reduce_only:
            is_more = instrument.amount_e8(order.px, left) > instrument.amount_e8(old_px, old_qty - order.executed)
            if is_more and self.available_margin_e8(account, instrument.settle) < 0:
                raise Refused(Refusal.INSUFFICIENT_MARGIN)

    def open_orders(self, account: Account, market: str, symbol: str | None) -> list[Order]:
        return [o for o in account.open_by_client[market].values() if symbol is None or o.instrument.symbol == symbol]

    # ---- things that happen to an account --------------------------------------------------------

    def pay_funding(self, account: Account, instrument: Instrument, rate_e8: int, now_ms: int) -> int:
        """Charge or pay one funding interval on the account's position; returns the signed amount in 1e-8."""
        position = account.positions.get(instrument.symbol)
        if position is None or position.qty == 0:
            return 0
        mark, asset = self.mark_px_e8[instrument.symbol], instrument.settle
        paid = -(instrument.notional_e8(mark, position.qty) * rate_e8 // E8)
        account.wallet[asset] = account.wallet.get(asset, 0) + paid
        account.income.append(
            {
                "kind": "FUNDING",
                "symbol": instrument.symbol,
                "asset": asset,
                "income_e8": paid,
                "qty": instrument.qty_text(position.qty),
                "mark_e8": mark,
                "rate_e8": rate_e8,
                "time": now_ms,
                "id": 9_689_322_392 + len(account.income),
            }
        )
        self.listener.on_account(account, LINEAR, "FUNDING", [asset], [], paid)
        return paid
