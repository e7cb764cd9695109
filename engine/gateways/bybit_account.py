"""Bybit's account answers as typed facts: pure functions from parsed JSON, no I/O.

What the engine does not know it refuses: an account mode, margin mode or permission outside the lists of bybit_facts.py is an
AccountRefused with the field, the value and what would be right, before anything trades. `answer` is always the `result` of an
envelope.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.events import NO_INSTRUMENT, BalanceUpdate, EventFlag, OrderEvent, OrderStatus, PositionUpdate, Source
from engine.gateways.answers import decimal, require
from engine.gateways.bybit_facts import LEVERAGE_MAX, MARGIN_TYPES, MOVING_RIGHTS, RIGHTS, UNIFIED_STATUS
from engine.gateways.contract import AccountRefused, FeeRates, FundingIncome
from feeds.instruments import InstrumentError, InstrumentRow, to_scaled


def rows_of(answer: Any, where: str) -> list[dict[str, Any]]:
    """`list` of a result; AccountRefused when it is none."""
    rows = require(answer, "list", where)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AccountRefused(f"{where}: list is {str(rows)[:80]}, not a list of objects")
    return rows


def or_zero(value: Any, where: str) -> Decimal:
    """A decimal; the venue writes "" where there is nothing."""
    return Decimal(0) if value in ("", None) else decimal(value, where)


# ---------------------------------------------------------------- key

@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a key may do, as "Group.Right"."""
    uid: str
    rights: frozenset[str]


def parse_key(answer: Any, market: str) -> KeyFacts:
    """GET /v5/user/query-api: the key must be able to trade this market."""
    where = "API key"
    permissions = require(answer, "permissions", where)
    if not isinstance(permissions, dict):
        raise AccountRefused(f"{where}: permissions is {str(permissions)[:80]}, not an object")
    rights = frozenset(f"{group}.{right}" for group, given in permissions.items() for right in given or ())
    if require(answer, "readOnly", where) != 0:
        raise AccountRefused(f"{where}: readOnly is {answer['readOnly']!r}; right is a key that may read and write (0)")
    wanted = [f"{group}.{right}" for group, right in RIGHTS[market]]
    if not rights & set(wanted):
        raise AccountRefused(f"{where}: it may not trade {market}; right is a key with {' or '.join(wanted)}")
    return KeyFacts(str(answer.get("userID", "")), rights)


def check_key_restrictions(answer: Any) -> None:
    """GET /v5/user/query-api: a key that can move money out, or that works from any address, is refused."""
    moving = sorted({right for given in require(answer, "permissions", "API key").values()
                     for right in given or ()} & MOVING_RIGHTS)
    if moving:
        raise AccountRefused(f"API key: {', '.join(moving)} is on; right is a key that can trade and nothing else")
    addresses = require(answer, "ips", "API key")
    if not isinstance(addresses, list) or not addresses or "*" in addresses:
        raise AccountRefused(f"API key: it is not bound to addresses (ips is {addresses!r}); bind it to this host's address")


# ---------------------------------------------------------------- account

@dataclass(frozen=True, slots=True)
class AccountFacts:
    """GET /v5/account/info."""
    mode: str             # "unified 2.0, REGULAR_MARGIN"
    margin_type: str      # CROSSED | ISOLATED
    disconnect: str       # dcpStatus: ON where the institutional disconnect protection is set


def parse_account(answer: Any) -> AccountFacts:
    """A unified account with a margin mode that leverage alone decides."""
    status = require(answer, "unifiedMarginStatus", "account info")
    if status not in UNIFIED_STATUS:
        raise AccountRefused(f"account: unifiedMarginStatus is {status!r}; right is a unified account "
                             f"({', '.join(map(str, UNIFIED_STATUS))})")
    margin_mode = require(answer, "marginMode", "account info")
    if margin_mode not in MARGIN_TYPES:
        raise AccountRefused(f"account: marginMode is {margin_mode!r}; right is one of {', '.join(MARGIN_TYPES)}")
    return AccountFacts(f"{UNIFIED_STATUS[status]}, {margin_mode}", MARGIN_TYPES[margin_mode],
                        str(answer.get("dcpStatus", "OFF")))


def parse_wallet(accounts: Iterable[Any], venue: str, market: str, account: str, reason: str, exch_ns: int,
                 recv_mono_ns: int = 0) -> list[BalanceUpdate]:
    """Rows of wallet-balance, or of the wallet topic -> balances of the unified account. `wallet` is what is ours
    (walletBalance has borrowed coins in it: borrowed is negative), `free` what spot can spend now."""
    found = []
    for told in accounts:
        kind = require(told, "accountType", "wallet")
        if kind != "UNIFIED":
            raise AccountRefused(f"wallet: accountType is {kind!r}; right is UNIFIED")
        for coin in require(told, "coin", "wallet"):
            asset = str(require(coin, "coin", "wallet"))
            where = f"wallet {asset}"
            balance = decimal(require(coin, "walletBalance", where), where)
            locked, borrowed = or_zero(coin.get("locked"), where), or_zero(coin.get("spotBorrow"), where)
            found.append(BalanceUpdate(venue, market, asset, free=balance - locked - borrowed, locked=locked,
                                       wallet=balance - borrowed, reason=reason,
                                       exch_ns=exch_ns, recv_mono_ns=recv_mono_ns, account=account))
    return found


def parse_borrowed(accounts: Iterable[Any]) -> dict[str, Decimal]:
    """Asset -> amount that is borrowed now (borrowAmount: spot and derivatives together)."""
    amounts = {str(coin.get("coin", "")): or_zero(coin.get("borrowAmount"), "wallet borrowAmount")
               for told in accounts for coin in require(told, "coin", "wallet")}
    return {asset: amount for asset, amount in amounts.items() if amount}


# ---------------------------------------------------------------- positions

def position_of(told: Any, rows: Mapping[str, InstrumentRow], venue: str, account: str, reason: str, exch_ns: int,
                recv_mono_ns: int) -> PositionUpdate:
    """One row of position/list or of the position topic, signed. A symbol that is not ours keeps its name, with instrument_id
    NO_INSTRUMENT and qty in units of 1e-8."""
    symbol = str(require(told, "symbol", "position"))
    where = f"position {symbol}"
    if require(told, "positionIdx", where) != 0:
        raise AccountRefused(f"{where}: positionIdx is {told['positionIdx']!r}, the account is in hedge mode; right is one-way mode (0)")
    side = require(told, "side", where)
    size = or_zero(require(told, "size", where), where)
    if side not in ("Buy", "Sell") and size:
        raise AccountRefused(f"{where}: side is {side!r} with size {size}; right is Buy or Sell")
    row = rows.get(symbol)
    entry = told.get("avgPrice") or told.get("entryPrice")
    try:
        qty = to_scaled(-size if side == "Sell" else size, row.qty_scale if row is not None else 8)
    except InstrumentError as error:
        raise AccountRefused(f"{where}: {error}") from None
    return PositionUpdate(venue, "linear", symbol, row.id if row is not None else NO_INSTRUMENT, qty,
                          entry_px=decimal(entry, where) if entry and size else None, reason=reason, exch_ns=exch_ns,
                          recv_mono_ns=recv_mono_ns, account=account)


def parse_leverage(told: Any, symbol: str) -> int:
    """Leverage of one symbol, of its row of position/list (which is there without a position as well, when asked by symbol)."""
    leverage = decimal(require(told, "leverage", f"position {symbol}"), f"position {symbol} leverage")
    if leverage != int(leverage) or not 1 <= leverage <= LEVERAGE_MAX:
        raise AccountRefused(f"linear {symbol}: leverage is {leverage}; right is a whole number from 1 to {LEVERAGE_MAX}, "
                             "set it on the venue")
    return int(leverage)


def parse_risk_tiers(answer: Any, symbol: str) -> list[tuple[Decimal, Decimal, Decimal]]:
    """GET /v5/market/risk-limit: (position value up to which, initial margin rate, maintenance margin rate), smallest first."""
    where = f"risk limit {symbol}"
    return sorted((decimal(require(row, "riskLimitValue", where), where), decimal(require(row, "initialMargin", where), where),
                   decimal(require(row, "maintenanceMargin", where), where))
                  for row in rows_of(answer, where) if row.get("symbol") == symbol)


# ---------------------------------------------------------------- fees, funding

def parse_fees(answer: Any) -> dict[str, FeeRates]:
    """GET /v5/account/fee-rate: symbol -> rates."""
    where = "fee rate"
    return {str(require(row, "symbol", where)): FeeRates(decimal(require(row, "makerFeeRate", where), f"{where} {row['symbol']}"),
                                                         decimal(require(row, "takerFeeRate", where), f"{where} {row['symbol']}"))
            for row in rows_of(answer, where)}


def parse_funding(answer: Any, account: str) -> list[FundingIncome]:
    """One page of GET /v5/account/transaction-log with type SETTLEMENT: `funding` is positive when it was received (the
    opposite of execFee). Rows of other kinds, and sessions without funding, are passed over."""
    where = "transaction log"
    return [FundingIncome(account, str(require(row, "symbol", where)), str(require(row, "currency", where)), amount,
                          int(require(row, "transactionTime", where)) * 1_000_000, str(require(row, "id", where)))
            for row in rows_of(answer, where)
            if row.get("type") == "SETTLEMENT" and row.get("category", "linear") == "linear"
            and (amount := or_zero(require(row, "funding", where), where))]


# ---------------------------------------------------------------- fills

def fill_of(told: dict[str, Any], row: InstrumentRow, client_id: str, trade_id: int, venue_order_id: int,
            recv_mono_ns: int) -> OrderEvent:
    """One row of execution/list with execType Trade as a fill, source QUERY; ids already as numbers. AccountRefused or
    InstrumentError when it makes no sense."""
    where = f"execution of {row.symbol}"
    fee = decimal(require(told, "execFee", where), where)
    return OrderEvent(
        client_id, row.id, Source.QUERY, OrderStatus.PARTIAL, venue_order_id, trade_id,
        exch_ns=int(require(told, "execTime", where)) * 1_000_000, recv_mono_ns=recv_mono_ns,
        last_qty=to_scaled(decimal(require(told, "execQty", where), where), row.qty_scale),
        last_px=to_scaled(decimal(require(told, "execPrice", where), where), row.px_scale),
        fee=fee, fee_asset=str(told.get("feeCurrency") or fee_asset_of(row, str(told.get("side", "")), fee)),
        flags=EventFlag.IS_FILL | (EventFlag.MAKER if told.get("isMaker") is True else 0))


def fee_asset_of(row: InstrumentRow, side: str, fee: Decimal) -> str:
    """In which coin a fee was taken where the row does not say it: futures in the settling coin; on spot a buyer pays in what is
    bought, a seller in what is received, and a rebate comes in the other one."""
    if row.market == "linear":
        return row.settle
    return row.base if (side == "Buy") == (fee >= 0) else row.quote
