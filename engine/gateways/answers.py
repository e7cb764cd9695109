"""Reading venues' JSON answers about an account: what is not there or no exact number is refused, with the place and the value."""
from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.gateways.contract import AccountRefused


def decimal(value: Any, where: str) -> Decimal:
    """Exact Decimal of a JSON string or integer."""
    try:
        if isinstance(value, float) or value is None:
            raise ArithmeticError
        made = Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        raise AccountRefused(f"{where}: {value!r} is not a decimal") from None
    if not made.is_finite():
        raise AccountRefused(f"{where}: {value!r} is not a finite decimal")
    return made


def require(answer: Any, key: str, where: str) -> Any:
    if not isinstance(answer, dict) or key not in answer:
        raise AccountRefused(f"{where}: the answer has no {key!r}: {str(answer)[:120]}")
    return answer[key]
