"""Profit of the whole run: finished trades summed, open ones at cost, checked against the ledger by another path.

`split` adds up trades (basis, fees, funding, conversion) and corrections; the total is counted from the ledger's own balances
instead (quote assets, open futures at cost, inventory at cost, fees in third assets at their value when paid). `rounding` is what
one path has more than the other: zero, or a mistake.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from engine.trade.dust import DustLedger
from engine.trade.instruments import Instrument
from engine.trade.ledger import Ledger
from engine.trade.money import ZERO, exact, text
from engine.trade.trade import Trade


class Profit:
    """Sums over finished trades, in USD at the rate of their quote asset."""

    def __init__(self, usd_rates: Mapping[str, Decimal]) -> None:
        self._rates = usd_rates
        self.basis = self.fees = self.funding = self.conversion = ZERO
        self.corrections = ZERO       # differences that a person accepted
        self.other_fee_value = ZERO   # fees in third assets, at their value when paid
        self.wins = self.losses = 0

    def rate(self, quote: str) -> Decimal:
        return self._rates.get(quote, ZERO)

    def is_usd_like(self, asset: str) -> bool:
        return asset in self._rates

    def add(self, trade: Trade) -> Decimal:
        """Books a finished trade; its net in USD."""
        rate = self.rate(trade.instruments[0].quote)
        self.basis += trade.basis_profit() * rate
        self.fees -= trade.money.fees * rate
        self.funding += trade.money.funding * rate
        self.other_fee_value += trade.money.other_fees * rate
        net = trade.net_profit() * rate
        self.wins += net > 0
        self.losses += net < 0
        return net

    def add_carried(self, trade: Trade) -> None:
        """Of one without a fill of its own, what remainders that it took over and left again differ by: 1e-12, where a cost price
        is rounded."""
        self.basis += trade.basis_profit() * self.rate(trade.instruments[0].quote)

    @exact
    def report(self, ledger: Ledger, open_trades: Iterable[Trade], dust: DustLedger, instruments: list[Instrument],
               loose_funding: Decimal) -> dict[str, Any]:
        basis, fees, funding, other = self.basis, self.fees, self.funding + loose_funding, self.other_fee_value
        held = sum((remainder.value * self.rate(instruments[row].quote) for row, remainder in dust.items()), ZERO)
        for trade in open_trades:
            rate = self.rate(trade.instruments[0].quote)
            basis += trade.basis_profit() * rate
            fees -= trade.money.fees * rate
            funding += trade.money.funding * rate
            other += trade.money.other_fees * rate
            held += trade.open_value() * rate
        assets = ledger.profit_by_asset()
        quotes = [asset for asset in set(assets) | {one.settle for one in instruments} if self.is_usd_like(asset)]
        flows = sum(((assets.get(asset, ZERO) + ledger.open_cost(asset)) * self.rate(asset) for asset in sorted(quotes)), ZERO)
        total = flows + held - other
        split = {"basis": basis, "fees": fees, "funding": funding, "conversion": self.conversion,
                 "corrections": self.corrections}
        split["rounding"] = total - sum(split.values(), ZERO)
        return {"assets": {asset: text(amount) for asset, amount in assets.items()}, "usd": text(total),
                "split": {name: text(value) for name, value in split.items()}}
