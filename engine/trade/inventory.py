"""Inventory that complete trades have moved from one venue to another, by row: exact, in units of the underlying, signed.

Spot against spot across venues holds nothing afterwards: what was bought here and what was sold there both stay where they are.
The sum over the two rows of each move is zero, so moving it makes no profit and leaves no exposure; only the venues' balances
differ from how the run began. Separate from dust, which is what such a trade left unbalanced.
"""
from __future__ import annotations

from decimal import Decimal

from engine.trade.money import ZERO


class Inventory:
    def __init__(self) -> None:
        self._rows: dict[int, Decimal] = {}

    def move(self, from_row: int, to_row: int, units: Decimal) -> None:
        """`units` > 0 were sold on from_row and bought on to_row."""
        if units <= 0:
            raise ValueError(f"inventory of {units} cannot move from row {from_row} to row {to_row}; right is more than 0")
        for row, change in ((from_row, -units), (to_row, units)):
            left = self._rows.get(row, ZERO) + change
            if left:
                self._rows[row] = left
            else:
                self._rows.pop(row, None)

    def units(self, row: int) -> Decimal:
        """Net of all moves; 0 = as at the start of the run."""
        return self._rows.get(row, ZERO)

    def items(self) -> list[tuple[int, Decimal]]:
        return sorted(self._rows.items())
