"""Differences between our ledger and a venue that have lasted: which instruments they keep from entries, until they are gone by
themselves (a late fill, funding that was told late) or a person has accepted them.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.trade.instruments import Instrument
from engine.trade.ledger import Difference


class Differences:
    """By account and asset; a futures position's asset is its instrument's name."""

    def __init__(self, instruments: list[Instrument]) -> None:
        self._instruments = instruments
        self._lasting: dict[tuple[str, str], Difference] = {}

    def rows_of(self, one: Difference) -> list[int]:
        """Rows that take no entries because of it: of a balance all that pay with the asset from the account."""
        return [instrument.row for instrument in self._instruments if instrument.name == one.asset
                or (instrument.account == one.account and one.asset in (instrument.base, instrument.quote))]

    def put(self, one: Difference) -> bool:
        """It has lasted; True when that is news."""
        is_new = (one.account, one.asset) not in self._lasting
        self._lasting[one.account, one.asset] = one
        return is_new

    def take(self, account: str, asset: str) -> Difference | None:
        return self._lasting.pop((account, asset), None)

    def get(self, account: str, asset: str) -> Difference | None:
        return self._lasting.get((account, asset))

    def take_gone(self, found: Iterable[Difference], was_compared: Callable[[Difference], bool]) -> list[Difference]:
        """Those that a comparison which would have shown them did not show any more."""
        still = {(one.account, one.asset) for one in found}
        gone = [one for key, one in self._lasting.items() if key not in still and was_compared(one)]
        for one in gone:
            del self._lasting[one.account, one.asset]
        return gone

    def free_rows(self, one: Difference) -> list[int]:
        """Rows of `one`, which is taken, that no other difference concerns."""
        held = {row for other in self._lasting.values() for row in self.rows_of(other)}
        return [row for row in self.rows_of(one) if row not in held]

    def all(self) -> list[Difference]:
        return list(self._lasting.values())
