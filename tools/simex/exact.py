"""Exact numbers: decimal text to and from scaled integers.

Every price, quantity and amount of the simulated venue is an int with a known number of decimals; text appears only at the
wire. Called by all parts of simex; pure functions, no state.  Amounts of money use 8 decimals (`E8`), as Binance prints them.
"""

from __future__ import annotations

import re
from decimal import Decimal

AMOUNT_DECIMALS = 8
E8 = 10**AMOUNT_DECIMALS

_PLAIN = re.compile(r"^([0-9]{1,20})(?:\.([0-9]{0,20}))?$")


def parse_plain(text: str, decimals: int) -> int | None:
    """Value of a plain non-negative decimal as an int with `decimals` digits; None when it is none or is finer."""
    match = _PLAIN.match(text)
    if match is None:
        return None
    fraction = (match.group(2) or "").rstrip("0")
    if len(fraction) > decimals:
        return None
    return int(match.group(1) + fraction.ljust(decimals, "0"))


def is_plain(text: str) -> bool:
    """True when `text` is a plain non-negative decimal number, however fine."""
    return _PLAIN.match(text) is not None


def format_fixed(value: int, decimals: int, digits: int) -> str:
    """Text of `value` (scaled by 10**decimals) with exactly `digits` >= decimals digits after the point."""
    if value < 0:
        return "-" + format_fixed(-value, decimals, digits)
    if decimals == 0:
        return f"{value}.{'0' * digits}" if digits else str(value)
    whole, fraction = divmod(value, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}{'0' * (digits - decimals)}"


def format_e8(value: int) -> str:
    """An amount with its 8 decimals, the way Binance prints balances and commissions."""
    if value < 0:
        return "-" + format_e8(-value)
    return f"{value // E8}.{value % E8:08d}"


def to_scaled(value: Decimal | str | int, decimals: int) -> int:
    """Exact scaled int of a configured number; ValueError when it has more digits than `decimals`."""
    scaled = Decimal(str(value)).scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{value} has more than {decimals} decimals")
    return int(scaled)


def decimals_of(text: str) -> int:
    """Digits after the point of a tick or step, trailing zeros not counted ("0.10" -> 1, "1.000" -> 0)."""
    exponent = Decimal(text).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def share_half_up(amount: int, rate_e8: int) -> int:
    """amount * rate with the result rounded half up to the unit of `amount`: how commissions are charged here."""
    return (amount * rate_e8 + E8 // 2) // E8
