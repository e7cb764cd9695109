"""The calm floor's part of report.json: counts, residuals, dust, naked times, profit, closing balances. Exact numbers are decimal
strings."""
from __future__ import annotations

import functools
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from engine.trade.money import ZERO, exact, lcm_decimal, text
from engine.trade.states import FINAL_STATES, TradeState

if TYPE_CHECKING:
    from engine.trade.manager import TradeManager


@exact
def make_report(manager: TradeManager) -> dict[str, Any]:
    return {
        "trades": trades_by_state(manager),
        "quotes": dict(sorted(manager.quotes.counts.items())),
        "orders": manager.order_count,
        "fills": manager.fill_count,
        "rejects": dict(sorted(manager.rejects.items())),
        "alerts": dict(sorted(manager.alerts.items())),
        "open_pairs": [manager.describe(trade) for trade in manager.trades.values() if trade.state not in FINAL_STATES],
        "unhedged": unhedged(manager),
        "inventory": {manager.instruments[row].name: text(units) for row, units in manager.inventory.items()},
        "dust": {manager.instruments[row].name: text(units) for row, units in dust_units(manager).items()},
        "naked_ms": manager.naked.to_json(),
        "pnl": manager.pnl(),
        "balances": _texts(manager.ledger.accounts()),
        "positions": _texts(manager.ledger.position_table()),
    }


def trades_by_state(manager: TradeManager) -> dict[str, int]:
    found = Counter(manager.final_states)
    for trade in manager.trades.values():
        if not trade.is_revived or not trade.is_final:
            found[trade.state] += 1
    return {str(state): count for state, count in sorted(found.items()) if count}


def dust_units(manager: TradeManager) -> dict[int, Decimal]:
    """Remainders by row: those put away, and what open trades hold beyond whole lots."""
    found = {row: remainder.units for row, remainder in manager.dust.items()}
    for trade in manager.trades.values():
        if trade.state == TradeState.OPEN and trade.is_hedged:
            excess = max(trade.instruments, key=lambda one: abs(trade.position(one.row)))
            found[excess.row] = found.get(excess.row, ZERO) + trade.residual()
    return {row: units for row, units in sorted(found.items()) if units}


def unhedged(manager: TradeManager) -> dict[str, str]:
    """Instrument with the larger side -> net inventory of the underlying, where that is a common lot or more. Empty is good.

    Spot against spot: what lies below a lot on each venue is dust on both, so there the limit is both lots together. A row
    belongs to several pairs, some with finer lots than others: what trades left there is dust as long as one of its pairs says
    so."""
    groups: dict[tuple[int, ...], Decimal] = {}
    for trade in manager.trades.values():
        if trade.is_hedged:
            rows = tuple(sorted(one.row for one in trade.instruments))
            groups[rows] = groups.get(rows, ZERO) + trade.residual()
    dust = {row: remainder.units for row, remainder in manager.dust.items()}
    nets = {rows: residual + sum((dust.get(row, ZERO) for row in rows), ZERO) for rows, residual in groups.items()}
    found = {rows: net for rows, net in nets.items() if abs(net) >= _limit(manager, rows)}
    traded = {row for rows in groups for row in rows}
    pairs = [tuple(sorted(pair)) for pair in manager.core.pairs()]
    for row in dust.keys() - traded:
        nets = {rows: sum((dust.get(one, ZERO) for one in rows), ZERO) for rows in pairs if row in rows} or {(row,): dust[row]}
        coarsest = max(nets, key=lambda rows: (_limit(manager, rows), -abs(nets[rows])))
        if all(abs(net) >= _limit(manager, rows) for rows, net in nets.items()):
            found[coarsest] = nets[coarsest]
    named = {}
    for rows, net in found.items():
        largest = max(rows, key=lambda row: manager.position_units(row) * (1 if net > 0 else -1))
        named[manager.instruments[largest].name] = text(net)
    return dict(sorted(named.items()))


def _limit(manager: TradeManager, rows: tuple[int, ...]) -> Decimal:
    """From how much on a net inventory of these rows is no dust."""
    lots = [manager.instruments[row].lot for row in rows]
    is_all_spot = all(manager.instruments[row].is_spot for row in rows)
    return sum(lots, ZERO) if is_all_spot else functools.reduce(lcm_decimal, lots)


def _texts(accounts: dict[str, dict[str, Decimal]]) -> dict[str, dict[str, str]]:
    return {account: {asset: text(amount) for asset, amount in assets.items()} for account, assets in accounts.items()}
