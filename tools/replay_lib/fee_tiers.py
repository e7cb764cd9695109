"""Fees of Binance by VIP level, in bps of notional, without BNB discount: what `--edges` compares edges with.

As the public fee pages had them in 2024 (not confirmed against a page of a later date; the account's own rates are what a run
uses: account.commission and commissionRate). Rows: level, spot maker, spot taker, USD-M maker, USD-M taker."""
from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class FeeTier(NamedTuple):
    name: str
    spot_maker: Decimal
    spot_taker: Decimal
    perp_maker: Decimal
    perp_taker: Decimal

    def cost_bps(self, style: str) -> Decimal:
        """Fees of entering both legs once: "taker/taker", or "maker/taker" with the spot leg resting."""
        return (self.spot_taker if style == "taker/taker" else self.spot_maker) + self.perp_taker


def _tier(name: str, *bps: str) -> FeeTier:
    return FeeTier(name, *(Decimal(value) for value in bps))


BINANCE_TIERS = (
    _tier("VIP0", "10", "10", "2", "5"), _tier("VIP1", "9", "10", "1.6", "4"), _tier("VIP2", "8", "10", "1.4", "3.5"),
    _tier("VIP3", "4", "6", "1.2", "3.2"), _tier("VIP4", "4", "5.2", "1", "3"), _tier("VIP5", "2.5", "3.1", "0.8", "2.7"),
    _tier("VIP6", "2", "2.9", "0.6", "2.5"), _tier("VIP7", "1.9", "2.8", "0.4", "2.2"), _tier("VIP8", "1.6", "2.5", "0.2", "2"),
    _tier("VIP9", "1.1", "2.3", "0", "1.7"))
