"""Exact decimal arithmetic for quantities, fees and profit.

Everything that is money or base inventory is a Decimal under one wide context, so that sums and products are exact (60 digits:
twice what the largest instrument scale can produce). Divisions happen in one place (average prices) and are rounded there,
visibly.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, getcontext, localcontext
from typing import Any, TypeVar

EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
ZERO = Decimal(0)
AMOUNT_UNIT = Decimal("0.00000001")  # venues keep wallets to 8 decimals

F = TypeVar("F", bound=Callable[..., Any])


def exact(function: F) -> F:
    """Runs a public method of the calm floor under the wide context (0.3 us, less where one calls another)."""
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        present = getcontext()
        if present.prec == EXACT.prec and present.rounding == EXACT.rounding:
            return function(*args, **kwargs)
        with localcontext(EXACT):
            return function(*args, **kwargs)
    return wrapper  # type: ignore[return-value]


def text(value: Decimal) -> str:
    """Plain decimal text without exponent or trailing zeros: what the journal and the report hold."""
    if not value:
        return "0"
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def from_scaled(value: int, scale: int) -> Decimal:
    """value / 10**scale, exact."""
    return Decimal(value).scaleb(-scale, EXACT)


def lcm_decimal(a: Decimal, b: Decimal) -> Decimal:
    """Smallest positive decimal that is a whole multiple of both."""
    exponent = min(int(a.as_tuple().exponent), int(b.as_tuple().exponent), 0)
    whole_a, whole_b = int(a.scaleb(-exponent, EXACT)), int(b.scaleb(-exponent, EXACT))
    return Decimal(math.lcm(whole_a, whole_b)).scaleb(exponent, EXACT)
