"""From what a venue says of its account at start to the core and the ledger: balances, fees, leverage, positions.

Opening balances are free plus locked on spot and the wallet on futures: what the ledger of the venue itself adds up to."""
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from engine.events import BalanceUpdate
from engine.gateways.binance_account import AccountState
from engine.trade.manager import TradeManager
from feeds.instruments import InstrumentTable


def account_totals(balances: Iterable[BalanceUpdate]) -> dict[str, Decimal]:
    """Asset -> what the account holds: free plus locked on spot, the wallet on futures."""
    return {one.asset: one.wallet if one.wallet is not None else (one.free or Decimal(0)) + (one.locked or Decimal(0))
            for one in balances}


def account_of(venue: str, market: str, table: InstrumentTable) -> str:
    """The account from which a market of a venue pays: "binance:spot", "bybit:unified"."""
    names = (row.account_name for row in table.rows if (row.venue, row.market) == (venue, market))
    return next(names, f"{venue}:{market}")


def by_account(venue: str, balances: dict[str, Iterable[BalanceUpdate]], table: InstrumentTable) -> dict[str, dict[str, Decimal]]:
    """{"binance:spot": {"USDT": ...}, "binance:linear": {...}} of what was read by market. Markets that pay from one account tell
    the same balances: they are one."""
    found: dict[str, dict[str, Decimal]] = {}
    for market, told in balances.items():
        found.setdefault(account_of(venue, market, table), {}).update(account_totals(told))
    return found


def apply_account(venue: str, states: dict[str, AccountState], table: InstrumentTable, core: Any,
                  manager: TradeManager) -> list[str]:
    """Tell core and ledger; returns sentences about what is not ours (foreign positions and orders), whose rows stay locked by
    the caller."""
    manager.accounts.open(by_account(venue, {market: state.balances for market, state in states.items()}, table))
    foreign = []
    for row in table.rows:
        state = states.get(row.market)
        if row.venue != venue or state is None:
            continue
        fees = state.fees.get(row.symbol)
        if fees is not None:
            core.set_fees(row.id, fees.taker, fees.maker)
        leverage = state.leverage.get(row.symbol)
        if leverage is not None:
            core.set_leverage(row.id, leverage)
    for market, state in states.items():
        foreign += [f"{venue} {market}: position of {position.symbol}: {position.qty} (not opened by this run)"
                    for position in state.positions if position.qty]
        foreign += [f"{venue} {market}: open order {text}" for text in state.foreign_orders]
    return foreign
