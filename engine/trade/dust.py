"""What is too small to trade: exact remainders of finished trades, by instrument, at what they cost.

A trade that begins on an instrument takes the remainder there along (so that remainders net and are sold once they make a lot),
and leaves its own when it ends. Units are those of the underlying, signed; value is in quote at cost.
"""
from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.trade.money import ZERO


@dataclass(slots=True)
class Remainder:
    units: Decimal = ZERO
    value: Decimal = ZERO   # units * cost price, quote


class DustLedger:
    def __init__(self) -> None:
        self._rows: dict[int, Remainder] = {}

    def put(self, row: int, units: Decimal, value: Decimal) -> None:
        held = self._rows.setdefault(row, Remainder())
        held.units += units
        held.value += value
        if not held.units and not held.value:
            del self._rows[row]

    def take(self, row: int) -> Remainder:
        """Everything on the row; nothing stays."""
        return self._rows.pop(row, None) or Remainder()

    def units(self, row: int) -> Decimal:
        held = self._rows.get(row)
        return held.units if held else ZERO

    def is_empty(self, row: int) -> bool:
        """Neither units nor value."""
        return row not in self._rows

    def items(self) -> list[tuple[int, Remainder]]:
        return sorted(self._rows.items())
