"""What `--edges` compares edges with, in bps of notional: of a pair of Binance's spot and USD-M the fees by VIP level, without
BNB discount; of every other pair those of the recorded instruments.

As the public fee pages had them in 2024 (not confirmed against a page of a later date; the account's own rates are what a run
uses: account.commission and commissionRate). Rows: level, spot maker, spot taker, USD-M maker, USD-M taker."""
from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from feeds.instruments import InstrumentRow


class FeeTier(NamedTuple):
    """Fees of the first leg (spot, or a perpetual) and of the second (a perpetual), bps."""

    name: str
    first_maker: Decimal
    first_taker: Decimal
    second_maker: Decimal
    second_taker: Decimal

    def cost_bps(self, style: str) -> Decimal:
        """Fees of entering both legs once: "taker/taker", or "maker/taker" with the first leg resting."""
        return (self.first_taker if style == "taker/taker" else self.first_maker) + self.second_taker


def _tier(name: str, *bps: str) -> FeeTier:
    return FeeTier(name, *(Decimal(value) for value in bps))


BINANCE_TIERS = (
    _tier("VIP0", "10", "10", "2", "5"), _tier("VIP1", "9", "10", "1.6", "4"), _tier("VIP2", "8", "10", "1.4", "3.5"),
    _tier("VIP3", "4", "6", "1.2", "3.2"), _tier("VIP4", "4", "5.2", "1", "3"), _tier("VIP5", "2.5", "3.1", "0.8", "2.7"),
    _tier("VIP6", "2", "2.9", "0.6", "2.5"), _tier("VIP7", "1.9", "2.8", "0.4", "2.2"), _tier("VIP8", "1.6", "2.5", "0.2", "2"),
    _tier("VIP9", "1.1", "2.3", "0", "1.7"))


def tiers_of(first: InstrumentRow, second: InstrumentRow) -> tuple[FeeTier, ...]:
    """The tiers that a pair could trade at."""
    if (first.venue, first.market, second.venue, second.market) == ("binance", "spot", "binance", "linear"):
        return BINANCE_TIERS
    bps = [fee * 10_000 for row in (first, second) for fee in (row.maker_fee, row.taker_fee)]
    return (FeeTier("recorded", *bps),)
