"""Binance's account answers as typed facts: pure functions from parsed JSON, no I/O.

What the engine does not know it refuses: an account mode, margin type or permission outside the lists below is an AccountRefused
with the field, the value and what would be right, before anything trades.
"""
from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.events import NO_INSTRUMENT, BalanceUpdate, PositionUpdate
from engine.gateways.answers import decimal, require
from engine.gateways.binance_facts import LEVERAGE_MAX, MARGIN_TYPES, VENUE
from engine.gateways.contract import AccountRefused, AccountState, FeeRates, FundingIncome
from feeds.instruments import InstrumentError, InstrumentRow, to_scaled

# ---------------------------------------------------------------- spot

def parse_spot_account(answer: Any, state: AccountState, *, exch_ns: int = 0) -> None:
    """GET /api/v3/account: trading right, permissions, every non-zero balance."""
    state.can_trade = require(answer, "canTrade", "spot account") is True
    state.permissions = tuple(str(p) for p in answer.get("permissions", ()))
    state.uid = str(answer.get("uid", ""))
    if not state.can_trade:
        raise AccountRefused("spot account: canTrade is false; right is an account and a key that may trade spot")
    account_type = answer.get("accountType", "SPOT")
    if account_type != "SPOT":
        raise AccountRefused(f"spot account: accountType is {account_type!r}; right is SPOT")
    balances = require(answer, "balances", "spot account")
    if not isinstance(balances, list):
        raise AccountRefused(f"spot account: balances is {str(balances)[:60]}, not a list")
    state.mode = account_type
    venue = state.account.partition(":")[0] or VENUE
    state.balances = [
        BalanceUpdate(venue, "spot", str(row["asset"]), free=decimal(row["free"], f"spot balance {row['asset']}"),
                      locked=decimal(row["locked"], f"spot balance {row['asset']}"), reason="snapshot", exch_ns=exch_ns)
        for row in balances]


def parse_spot_commission(answer: Any, symbol: str) -> FeeRates:
    """GET /api/v3/account/commission: standard + special + tax, each as maker/taker with buyer and seller parts."""
    where = f"spot commission {symbol}"
    maker = taker = Decimal(0)
    for part in ("standardCommission", "specialCommission", "taxCommission"):
        rates = answer.get(part)
        if rates is None and part != "standardCommission":
            continue
        rates = require(answer, part, where)
        side = max(decimal(rates.get("buyer", "0"), where), decimal(rates.get("seller", "0"), where))
        maker += decimal(require(rates, "maker", where), where) + side
        taker += decimal(require(rates, "taker", where), where) + side
    discount = answer.get("discount") or {}
    burns = discount.get("enabledForAccount") is True and discount.get("enabledForSymbol") is True
    return FeeRates(maker, taker, burns)


def parse_spot_account_rates(answer: Any) -> FeeRates:
    """`commissionRates` of GET /api/v3/account: one rate for all symbols, with buyer and seller parts."""
    where = "spot account commissionRates"
    rates = require(answer, "commissionRates", "spot account")
    side = max(decimal(rates.get("buyer", "0"), where), decimal(rates.get("seller", "0"), where))
    return FeeRates(decimal(require(rates, "maker", where), where) + side, decimal(require(rates, "taker", where), where) + side)


def check_key_restrictions(answer: Any) -> None:
    """GET /sapi/v1/account/apiRestrictions: a key that can move money out is refused."""
    for name in ("enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer"):
        if answer.get(name) is True:
            raise AccountRefused(f"API key: {name} is on; right is a key that can trade and nothing else")
    if answer.get("ipRestrict") is False:
        raise AccountRefused("API key: it is not bound to addresses (ipRestrict is false); bind it to this host's address")


# ---------------------------------------------------------------- futures

def parse_linear_balances(answer: Any, *, exch_ns: int = 0) -> list[BalanceUpdate]:
    """GET /fapi/v3/balance."""
    if not isinstance(answer, list):
        raise AccountRefused(f"linear balance: the answer is not a list: {str(answer)[:120]}")
    return [BalanceUpdate(VENUE, "linear", str(require(row, "asset", "linear balance")),
                          free=decimal(require(row, "availableBalance", "linear balance"), f"linear balance {row['asset']}"),
                          wallet=decimal(require(row, "balance", "linear balance"), f"linear balance {row['asset']}"),
                          reason="snapshot", exch_ns=exch_ns)
            for row in answer]


def parse_linear_positions(answer: Any, rows: Mapping[str, InstrumentRow], *, exch_ns: int = 0) -> list[PositionUpdate]:
    """GET /fapi/v3/positionRisk: only symbols with a position or open orders; one-way mode only."""
    if not isinstance(answer, list):
        raise AccountRefused(f"linear positions: the answer is not a list: {str(answer)[:120]}")
    return [position_of(str(require(row, "symbol", "linear position")), require(row, "positionAmt", "linear position"),
                        row.get("positionSide", "BOTH"), row.get("entryPrice"), "snapshot", exch_ns, 0, rows)
            for row in answer]


def position_of(symbol: str, amount: Any, side: Any, entry_px: Any, reason: str, exch_ns: int, recv_mono_ns: int,
                rows: Mapping[str, InstrumentRow]) -> PositionUpdate:
    """One signed position. A symbol that is not ours keeps its name, with instrument_id NO_INSTRUMENT and qty in units of
    1e-8."""
    if side != "BOTH":
        raise AccountRefused(
            f"linear position {symbol}: positionSide is {side!r}, the account is in hedge mode; right is one-way mode"
        )
    row = rows.get(symbol)
    where = f"linear position {symbol}"
    try:
        qty = to_scaled(decimal(amount, where), row.qty_scale if row is not None else 8)
    except InstrumentError as error:
        raise AccountRefused(f"{where}: {error}") from None
    return PositionUpdate(VENUE, "linear", symbol, row.id if row is not None else NO_INSTRUMENT, qty,
                          entry_px=decimal(entry_px, where) if entry_px is not None else None, reason=reason, exch_ns=exch_ns,
                          recv_mono_ns=recv_mono_ns)


def check_position_mode(answer: Any) -> bool:
    """GET /fapi/v1/positionSide/dual: returns False (one-way), refuses hedge mode."""
    is_hedge = require(answer, "dualSidePosition", "linear position mode")
    if is_hedge is not False:
        raise AccountRefused(f"linear account: dualSidePosition is {is_hedge!r} (hedge mode); right is one-way mode (false)")
    return False


def check_multi_assets(answer: Any) -> bool:
    """GET /fapi/v1/multiAssetsMargin: returns False, refuses multi-assets mode (margin would depend on other coins)."""
    is_multi = require(answer, "multiAssetsMargin", "linear margin mode")
    if is_multi is not False:
        raise AccountRefused(f"linear account: multiAssetsMargin is {is_multi!r}; right is single-asset mode (false)")
    return False


def parse_symbol_config(answer: Any, wanted: set[str], state: AccountState) -> None:
    """GET /fapi/v1/symbolConfig: leverage and margin type of each symbol that we trade; all must be there and known."""
    if not isinstance(answer, list):
        raise AccountRefused(f"linear symbolConfig: the answer is not a list: {str(answer)[:120]}")
    for row in answer:
        symbol = str(require(row, "symbol", "linear symbolConfig"))
        if symbol not in wanted:
            continue
        margin_type = str(require(row, "marginType", f"linear symbolConfig {symbol}")).upper()
        if margin_type not in MARGIN_TYPES:
            raise AccountRefused(
                f"linear {symbol}: marginType is {margin_type!r}; right is one of {', '.join(sorted(MARGIN_TYPES))}"
            )
        leverage = require(row, "leverage", f"linear symbolConfig {symbol}")
        if isinstance(leverage, str) and leverage.isdigit():
            leverage = int(leverage)
        if not isinstance(leverage, int) or not 1 <= leverage <= LEVERAGE_MAX:
            raise AccountRefused(f"linear {symbol}: leverage is {leverage!r}; right is 1 to {LEVERAGE_MAX}, set it on the venue")
        state.leverage[symbol] = leverage
        state.margin_type[symbol] = margin_type
    missing = sorted(wanted - set(state.leverage))
    if missing:
        raise AccountRefused(f"linear symbolConfig: no entry for {', '.join(missing[:5])}: leverage and margin type are unknown")


def parse_linear_commission(answer: Any, symbol: str) -> FeeRates:
    """GET /fapi/v1/commissionRate."""
    where = f"linear commission {symbol}"
    return FeeRates(decimal(require(answer, "makerCommissionRate", where), where),
                    decimal(require(answer, "takerCommissionRate", where), where))


def parse_linear_income(answer: Any, account: str) -> list[FundingIncome]:
    """One page of GET /fapi/v1/income with incomeType FUNDING_FEE."""
    if not isinstance(answer, list):
        raise AccountRefused(f"linear income: the answer is not a list: {str(answer)[:120]}")
    where = "linear income"
    return [FundingIncome(account, str(require(row, "symbol", where)), str(require(row, "asset", where)),
                          decimal(require(row, "income", where), where), int(require(row, "time", where)) * 1_000_000,
                          str(require(row, "tranId", where)))
            for row in answer]
