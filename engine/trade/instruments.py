"""An instrument as the calm floor sees it: scales, steps and limits, with exact conversions to units of the underlying.

Made once at start from the run's instrument table (feeds/instruments.py rows, or anything with the same attributes); row ==
instrument id.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from engine.trade.money import EXACT, ZERO, from_scaled

NO_LIMIT_QTY = 1 << 62


@dataclass(slots=True, frozen=True)
class Instrument:
    row: int
    name: str            # "binance:BTC/USDT:USDT"
    venue: str
    market: str          # "spot" | "linear"
    symbol: str          # the venue's spelling
    base: str
    quote: str
    settle: str
    px_scale: int
    qty_scale: int
    tick_px: int         # px scale
    lot_qty: int         # qty scale
    min_qty: int         # qty scale
    max_qty: int         # qty scale
    min_notional: Decimal
    multiplier: Decimal  # units of the underlying in one unit of qty (1000 for 1000SHIB)
    taker_fee: Decimal   # fraction
    maker_fee: Decimal   # fraction, negative = rebate
    # derived
    is_spot: bool
    account: str         # the pot that pays: "binance:linear", "bybit:unified"
    unit: Decimal        # units of the underlying in one step of the qty scale
    lot: Decimal         # size step in units of the underlying

    def units(self, qty: int) -> Decimal:
        """Quantity in units of the underlying."""
        return qty * self.unit

    def price(self, px: int) -> Decimal:
        """Price of one unit of qty, in quote."""
        return from_scaled(px, self.px_scale)

    def amount(self, px: int, qty: int) -> Decimal:
        """px * qty in quote, exact."""
        return from_scaled(px * qty, self.px_scale + self.qty_scale)

    def floor_qty(self, units: Decimal) -> int:
        """Largest tradable quantity (qty scale) that is at most `units` of the underlying; 0 when below one lot."""
        lots = (abs(units) / self.lot).to_integral_value(rounding=ROUND_FLOOR, context=EXACT)
        return int(lots) * self.lot_qty

    def is_orderable(self, px: int, qty: int, is_reduce_only: bool) -> bool:
        """Whether the venue's filters let an order of this size in. Futures exempt reduce-only orders from the notional
        filter."""
        if qty < max(self.min_qty, self.lot_qty, 1):
            return False
        return (is_reduce_only and not self.is_spot) or self.amount(px, qty) >= self.min_notional

    def shifted_px(self, px: int, side_sign: int, bps: Decimal) -> int:
        """`px` made worse for the taker by `bps` (higher for a buy, side_sign +1), rounded to the tick outward, never below one
        tick."""
        moved = Decimal(px) * (1 + side_sign * bps / 10000) / self.tick_px
        ticks = moved.to_integral_value(rounding=ROUND_CEILING if side_sign > 0 else ROUND_FLOOR, context=EXACT)
        return max(1, int(ticks)) * self.tick_px


def make_instrument(row: Any) -> Instrument:
    """From an InstrumentRow."""
    def scaled(value: Any, scale: int, default: int) -> int:
        return default if value is None else int(Decimal(value).scaleb(scale, EXACT))
    unit = from_scaled(1, row.qty_scale) * Decimal(row.multiplier or 1)
    return Instrument(
        row=row.id, name=row.name, venue=row.venue, market=row.market, symbol=row.symbol, base=row.base, quote=row.quote,
        settle=row.settle or row.quote, px_scale=row.px_scale, qty_scale=row.qty_scale,
        tick_px=scaled(row.tick, row.px_scale, 1), lot_qty=scaled(row.lot, row.qty_scale, 1),
        min_qty=scaled(row.min_qty, row.qty_scale, 0), max_qty=scaled(row.max_qty, row.qty_scale, 0) or NO_LIMIT_QTY,
        min_notional=Decimal(row.min_notional or ZERO), multiplier=Decimal(row.multiplier or 1),
        taker_fee=Decimal(row.taker_fee or ZERO), maker_fee=Decimal(row.maker_fee or ZERO),
        is_spot=row.market == "spot", account=row.account_name, unit=unit,
        lot=scaled(row.lot, row.qty_scale, 1) * unit)


def make_instruments(table: Any) -> list[Instrument]:
    """All rows of an InstrumentTable (or an iterable of rows), indexed by row."""
    rows: Iterable[Any] = table.rows if hasattr(table, "rows") else table
    made = [make_instrument(row) for row in rows]
    for index, instrument in enumerate(made):
        if instrument.row != index:
            raise ValueError(
                f"instrument table: row {index} has id {instrument.row} ({instrument.name}); ids must be dense from 0"
            )
    return made
