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


def opening_balances(venue: str, states: dict[str, AccountState]) -> dict[str, dict[str, Decimal]]:
    """{"binance:spot": {"USDT": ...}, "binance:linear": {...}}"""
    return {f"{venue}:{market}": account_totals(state.balances) for market, state in states.items()}


def apply_account(venue: str, states: dict[str, AccountState], table: InstrumentTable, core: Any,
                  manager: TradeManager) -> list[str]:
    """Tell core and ledger; returns sentences about what is not ours (foreign positions and orders), whose rows stay locked by
    the caller."""
    manager.accounts.open(opening_balances(venue, states))
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
