"""From what a venue says of its account at start to the core and the ledger: balances, fees, leverage, positions.

Opening balances are the wallet where the venue has one, else free plus locked: what the ledger of the venue itself adds up to."""
from decimal import Decimal
from typing import Any

from engine.events import PositionUpdate
from engine.gateways.contract import AccountState, account_totals
from engine.trade.manager import TradeManager
from feeds.instruments import InstrumentTable


def opening_balances(states: dict[str, AccountState]) -> dict[str, dict[str, Decimal]]:
    """{"binance:spot": {"USDT": ...}, "binance:linear": {...}}; markets of one account (bybit:unified) make one entry."""
    opening: dict[str, dict[str, Decimal]] = {}
    for state in states.values():
        opening.setdefault(state.account, {}).update(account_totals(state.balances))
    return opening


def is_ours(position: PositionUpdate, table: InstrumentTable, manager: TradeManager) -> bool:
    """Whether the ledger knows of a position there, from an earlier life of the run; that it is the same is compared later."""
    return position.instrument_id < len(table.rows) and table.rows[position.instrument_id].name in manager.ledger.positions


def apply_account(venue: str, states: dict[str, AccountState], table: InstrumentTable, core: Any,
                  manager: TradeManager) -> list[str]:
    """Tell core and ledger; returns sentences about what is not ours (foreign positions and orders), whose rows stay locked by
    the caller."""
    # What a restarted engine has restored is not overwritten: it is compared, and a difference is a finding.
    manager.open_accounts({account: assets for account, assets in opening_balances(states).items()
                           if not manager.ledger.is_open(account)})
    foreign = []
    for row in table.rows:
        state = states.get(row.market)
        if row.venue != venue or state is None:
            continue
        fees = state.fees.get(row.symbol)
        if fees is not None:
            core.set_fees(row.id, fees.taker, fees.maker)
            manager.set_fees(row.id, fees.taker, fees.maker)
        leverage = state.leverage.get(row.symbol)
        if leverage is not None:
            core.set_leverage(row.id, leverage)
    for market, state in states.items():
        foreign += [f"{venue} {market}: position of {position.symbol}: {position.qty} (not opened by this run)"
                    for position in state.positions if position.qty and not is_ours(position, table, manager)]
        foreign += [f"{venue} {market}: open order {text}" for text in state.foreign_orders]
    return foreign
