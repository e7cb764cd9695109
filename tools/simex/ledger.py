"""Accounts: balances, futures wallets and positions, orders and fills; the truth that tests compare with.

All money is int with 8 decimals.  A position keeps its exact signed cost beside its quantity, so that realised profits add up
to the wallet to the last unit whatever the average price rounds to.  On a venue with one balance for all markets `wallet` and
`free` are the same mapping: what a spot order locks is gone for margin.  Sans-I/O; changed only by the matcher and by control
commands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tools.simex.contract import LINEAR, MARKETS, SPOT, TradingRules
from tools.simex.exact import E8, format_e8, format_fixed
from tools.simex.instrument import Instrument
from tools.simex.refusals import OPEN_STATUSES


@dataclass(slots=True)
class Fill:
    """One execution of one order."""

    trade_id: int
    px: int
    qty: int
    fee_e8: int
    fee_asset: str
    is_maker: bool
    time_ms: int
    realised_e8: int = 0


@dataclass(slots=True)
class Order:
    """One order of an account, for ever kept in the account's history.  side BUY or SELL, type LIMIT or MARKET, tif GTC, IOC or
    FOK, stp NONE, EXPIRE_MAKER, EXPIRE_TAKER or EXPIRE_BOTH, status and end_reason as in refusals.py: our words, not the
    venue's."""

    account: Account
    instrument: Instrument
    order_id: int
    client_id: str
    side: str
    type: str
    tif: str
    px: int  # 0 = MARKET
    qty: int
    quote_qty_e8: int  # a spot MARKET order by its value, else 0
    reduce_only: bool
    stp: str
    time_ms: int
    recv_mono_ns: int
    is_post_only: bool = False
    status: str = "NEW"
    executed: int = 0
    cum_quote_e8: int = 0
    locked_e8: int = 0
    update_ms: int = 0
    end_reason: str = ""
    fills: list[Fill] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)  # what the dialect wants to remember

    @property
    def is_buy(self) -> bool:
        return self.side == "BUY"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def leaves(self) -> int:
        return self.qty - self.executed


@dataclass(slots=True)
class Position:
    """One-way position; cost is the signed sum paid for what is held."""

    instrument: Instrument
    qty: int = 0
    cost_e8: int = 0
    realised_e8: int = 0  # accumulated, fees not included
    update_ms: int = 0

    def entry_price(self) -> Decimal:
        if self.qty == 0:
            return Decimal(0)
        return (Decimal(self.cost_e8) / E8) / (Decimal(self.qty) / 10**self.instrument.qty_decimals)

    def unrealised_e8(self, mark_px_e8: int) -> int:
        return self.instrument.notional_e8(mark_px_e8, self.qty) - self.cost_e8

    def apply(self, signed_qty: int, px: int, now_ms: int) -> int:
        """Trade `signed_qty` at `px`; returns the profit realised by the closed part, in 1e-8."""
        instrument = self.instrument
        realised = 0
        closing = 0
        if self.qty and (self.qty > 0) != (signed_qty > 0):
            closing = min(abs(signed_qty), abs(self.qty)) * (1 if signed_qty > 0 else -1)
            # Cost released is rounded once; what rounding leaves stays in the cost of the rest and comes out with the last close.
            released = self.cost_e8 if -closing == self.qty else self.cost_e8 * -closing // self.qty
            realised = -instrument.amount_e8(px, closing) - released
            self.qty += closing
            self.cost_e8 -= released
        opening = signed_qty - closing
        self.qty += opening
        self.cost_e8 += instrument.amount_e8(px, opening)
        self.realised_e8 += realised
        self.update_ms = now_ms
        return realised


class Account:
    """Everything one customer has at the venue."""

    def __init__(self, name: str, uid: int, rules: TradingRules | None = None) -> None:
        self.name = name
        self.uid = uid
        self.rules = rules or TradingRules()
        self.free: dict[str, int] = {}
        self.locked: dict[str, int] = {}
        self.wallet: dict[str, int] = self.free if self.rules.is_unified else {}
        self.positions: dict[str, Position] = {}  # by symbol
        self.leverage: dict[str, int] = {}
        self.margin_type: dict[str, str] = {}
        self.default_leverage = 10
        self.flags: set[str] = set()  # those of SimVenue.account_flags that are on
        self.orders: dict[str, dict[int, Order]] = {market: {} for market in MARKETS}
        self.open_by_client: dict[str, dict[str, Order]] = {market: {} for market in MARKETS}
        self.last_by_client: dict[str, dict[str, Order]] = {market: {} for market in MARKETS}
        self.income: list[dict[str, Any]] = []
        self.keys: list[Any] = []  # the dialect's

    def has_flag(self, flag: str) -> bool:
        return flag in self.flags

    def set_flag(self, flag: str, is_on: bool) -> None:
        (self.flags.add if is_on else self.flags.discard)(flag)

    def total(self, asset: str) -> int:
        """Free and locked, in 1e-8."""
        return self.free.get(asset, 0) + self.locked.get(asset, 0)

    def knows_client_id(self, market: str, client_id: str) -> bool:
        """Whether a new order may not have this id, by the venue's rule."""
        known = self.last_by_client if self.rules.unique_client_ids == "ever" else self.open_by_client
        markets = MARKETS if self.rules.client_id_scope == "account" else (market,)
        return any(client_id in known[each] for each in markets)

    def add_free(self, asset: str, delta_e8: int) -> None:
        self.free[asset] = self.free.get(asset, 0) + delta_e8

    def lock(self, asset: str, amount_e8: int) -> None:
        self.free[asset] = self.free.get(asset, 0) - amount_e8
        self.locked[asset] = self.locked.get(asset, 0) + amount_e8

    def unlock(self, asset: str, amount_e8: int) -> None:
        self.lock(asset, -amount_e8)

    def position(self, instrument: Instrument) -> Position:
        position = self.positions.get(instrument.symbol)
        if position is None:
            position = self.positions[instrument.symbol] = Position(instrument)
        return position

    def leverage_of(self, symbol: str) -> int:
        return self.leverage.get(symbol, self.default_leverage)

    def find(self, market: str, symbol: str, order_id: int | None, client_id: str | None) -> Order | None:
        """An order by id, else by client id (the open one, else the last with that id)."""
        if order_id is not None:
            order = self.orders[market].get(order_id)
        else:
            order = self.open_by_client[market].get(client_id or "") or self.last_by_client[market].get(client_id or "")
        if order is None or order.instrument.symbol != symbol:
            return None
        return order

    def totals(self) -> dict[str, dict[str, str]]:
        """Balances by pot (spot and linear, or unified) and asset, as exact text."""
        cash = {asset: format_e8(self.total(asset)) for asset in sorted(set(self.free) | set(self.locked))}
        if self.rules.is_unified:
            return {"unified": cash}
        return {SPOT: cash, LINEAR: {asset: format_e8(amount) for asset, amount in sorted(self.wallet.items())}}

    def dump(self) -> dict[str, Any]:
        """The whole account as plain data, numbers as exact text: what the control socket's `ledger` returns."""
        return {
            "name": self.name,
            "uid": self.uid,
            "is_unified": self.rules.is_unified,
            "spot": {
                asset: {"free": format_e8(self.free.get(asset, 0)), "locked": format_e8(self.locked.get(asset, 0))}
                for asset in sorted(set(self.free) | set(self.locked))
            },
            "linear": {
                "wallet": {asset: format_e8(amount) for asset, amount in sorted(self.wallet.items())},
                "positions": {
                    symbol: {
                        "instrument": p.instrument.name,
                        "qty": format_fixed(p.qty, p.instrument.qty_decimals, p.instrument.qty_decimals),
                        "cost": format_e8(p.cost_e8),
                        "realised": format_e8(p.realised_e8),
                    }
                    for symbol, p in sorted(self.positions.items())
                },
                "income": self.income,
            },
            "orders": [dump_order(order) for market in MARKETS for order in self.orders[market].values()],
        }


def dump_order(order: Order) -> dict[str, Any]:
    instrument = order.instrument
    return {
        "market": instrument.market,
        "symbol": instrument.symbol,
        "instrument": instrument.name,
        "order_id": order.order_id,
        "client_id": order.client_id,
        "side": order.side,
        "type": order.type,
        "tif": order.tif,
        "px": instrument.px_text(order.px),
        "qty": instrument.qty_text(order.qty),
        "executed": instrument.qty_text(order.executed),
        "quote": format_e8(order.cum_quote_e8),
        "status": order.status,
        "reduce_only": order.reduce_only,
        "is_post_only": order.is_post_only,
        "end_reason": order.end_reason,
        "recv_mono_ns": order.recv_mono_ns,
        "time_ms": order.time_ms,
        "update_ms": order.update_ms,
        "fills": [
            {
                "trade_id": f.trade_id,
                "px": instrument.px_text(f.px),
                "qty": instrument.qty_text(f.qty),
                "fee": format_e8(f.fee_e8),
                "fee_asset": f.fee_asset,
                "is_maker": f.is_maker,
                "time_ms": f.time_ms,
                "realised": format_e8(f.realised_e8),
            }
            for f in order.fills
        ],
    }
