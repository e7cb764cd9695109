"""Instrument rows for tests."""
from decimal import Decimal
from typing import Any

from feeds.instruments import InstrumentRow


def make_row(**changes: Any) -> InstrumentRow:
    """A spot BTC/USDT with changes."""
    values: dict[str, Any] = {
        "id": 0,
        "name": "binance:BTC/USDT",
        "venue": "binance",
        "market": "spot",
        "symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "underlying": "BTC",
        "multiplier": 1,
        "contract_size": Decimal(1),
        "px_scale": 2,
        "qty_scale": 5,
        "tick": Decimal("0.01"),
        "lot": Decimal("0.00001"),
        "min_qty": Decimal("0.00001"),
        "max_qty": Decimal(9000),
        "min_notional": Decimal(5),
        "min_px": Decimal("0.01"),
        "max_px": Decimal(1_000_000),
        "maker_fee": Decimal("0.001"),
        "taker_fee": Decimal("0.001"),
        "status": "TRADING",
    }
    return InstrumentRow(**{**values, **changes})


def make_perp(**changes: Any) -> InstrumentRow:
    """Its perpetual."""
    return make_row(
        **{
            "name": "binance:BTC/USDT:USDT",
            "market": "linear",
            "px_scale": 1,
            "qty_scale": 3,
            "tick": Decimal("0.1"),
            "lot": Decimal("0.001"),
            "min_qty": Decimal("0.001"),
            "max_qty": Decimal(1000),
            "min_px": Decimal("0.1"),
            **changes,
        }
    )
