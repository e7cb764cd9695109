"""What an order must satisfy before the matcher sees it: step, tick, bounds, price band, smallest and largest value.

The rules are every venue's; each dialect words the refusals.  A price or quantity of -1 is one that is finer than the
instrument's digits.  Pure functions.
"""

from __future__ import annotations

from decimal import Decimal

from tools.simex.instrument import Instrument
from tools.simex.refusals import Refusal, Refused


def check_qty(instrument: Instrument, qty: int, is_market: bool) -> None:
    if qty == 0:
        raise Refused(Refusal.QTY_ZERO)
    if qty == -1 or qty % instrument.step:
        raise Refused(Refusal.QTY_STEP)
    if qty < instrument.min_qty:
        raise Refused(Refusal.QTY_MIN, instrument.min_qty)
    if qty > instrument.max_qty:
        raise Refused(Refusal.QTY_MAX, instrument.max_qty)
    if is_market and qty > instrument.market_max_qty:
        raise Refused(Refusal.QTY_MARKET_MAX, instrument.market_max_qty)


def check_px(instrument: Instrument, px: int) -> None:
    """Of a limit order."""
    if px == 0:
        raise Refused(Refusal.PRICE_ZERO)
    if px == -1 or px % instrument.tick:
        raise Refused(Refusal.PRICE_TICK)
    if px > instrument.max_px:
        raise Refused(Refusal.PRICE_MAX, instrument.max_px)
    if px < instrument.min_px:
        raise Refused(Refusal.PRICE_MIN, instrument.min_px)


def check_band(instrument: Instrument, px: int, reference_e8: int, *, is_buy: bool, both_ends: bool = False) -> None:
    """Not too far on the wrong side of `reference_e8` (a mark or a middle, 1e-8; 0 = unknown, everything passes).  `both_ends`: a
    buy may not lie too far below either, nor a sell above."""
    if reference_e8 == 0:
        return
    scale = Decimal(10) ** (8 - instrument.px_decimals)
    upper, lower = int(reference_e8 * instrument.percent_up / scale), int(reference_e8 * instrument.percent_down / scale)
    if px > upper and (is_buy or both_ends):
        raise Refused(Refusal.PRICE_BAND_HIGH, upper)
    if px < lower and (not is_buy or both_ends):
        raise Refused(Refusal.PRICE_BAND_LOW, lower)


def check_notional(instrument: Instrument, amount_e8: int, max_e8: int = 0) -> None:
    """`max_e8`: 0 = no bound."""
    if amount_e8 < instrument.min_notional_e8:
        raise Refused(Refusal.NOTIONAL_MIN, instrument.min_notional_e8)
    if max_e8 and amount_e8 > max_e8:
        raise Refused(Refusal.NOTIONAL_MAX, max_e8)
