"""A small instrument table for tests of orders: two markets, unlike scales, one symbol that exists on both."""
from __future__ import annotations

from decimal import Decimal

from feeds.instruments import InstrumentRow, InstrumentTable


def order_row(number: int, market: str, base: str, tick: str, lot: str, *, status: str = "TRADING") -> InstrumentRow:
    """One Binance instrument quoted in USDT with the given tick and lot."""
    linear = market == "linear"
    name = f"binance:{base}/USDT" + (":USDT" if linear else "")
    return InstrumentRow(
        id=number, name=name, venue="binance", market=market, symbol=f"{base}USDT", base=base, quote="USDT", settle="USDT",
        underlying=base, multiplier=1, contract_size=Decimal(1), px_scale=max(0, -Decimal(tick).as_tuple().exponent),
        qty_scale=max(0, -Decimal(lot).as_tuple().exponent), tick=Decimal(tick), lot=Decimal(lot), min_qty=Decimal(lot),
        max_qty=Decimal(1000), min_notional=Decimal(5), min_px=Decimal(tick), max_px=Decimal(100000),
        maker_fee=Decimal("0.0002") if linear else Decimal("0.001"), taker_fee=Decimal("0.0005") if linear else Decimal("0.001"),
        status=status)


def order_table() -> InstrumentTable:
    """0 BTC spot, 1 BTC linear, 2 ETH spot, 3 ETH linear, 4 DOGE spot (whole sizes)."""
    return InstrumentTable([
        order_row(0, "spot", "BTC", "0.01", "0.00001"),
        order_row(1, "linear", "BTC", "0.1", "0.001"),
        order_row(2, "spot", "ETH", "0.01", "0.0001"),
        order_row(3, "linear", "ETH", "0.01", "0.001"),
        order_row(4, "spot", "DOGE", "0.00001", "1"),
    ])
