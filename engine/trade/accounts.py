"""Venue accounts: opening balances, comparison with what venues say, and the core's copy of what is free.

The ledger is exact; the core holds 1e-8 units and whole quantity steps. After each execution it is set from the exact figures, so
that roundings never add up. A difference seen twice, a while apart, with nothing in flight, is real: it locks.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_FLOOR, Decimal

from engine.trade.core_surface import CoreSurface
from engine.trade.instruments import Instrument
from engine.trade.ledger import Difference, Ledger
from engine.trade.money import exact


class Accounts:
    def __init__(self, instruments: list[Instrument], core: CoreSurface, ledger: Ledger) -> None:
        self._instruments = instruments
        self._core = core
        self._ledger = ledger
        # first appearance in the table = the core's venue id
        self._venues = list(dict.fromkeys(one.venue for one in instruments))
        self._pots = {f"{one.venue}:{one.market}": one.account for one in instruments}
        self.last_px: dict[int, int] = {}   # row -> price of our newest fill: values the position that the core is told
        self._suspected: dict[tuple[str, str], tuple[int, Decimal]] = {}

    def use_core(self, core: CoreSurface) -> None:
        self._core = core

    def tell_balances(self) -> None:
        """Every balance of the ledger, to a core that knows none."""
        for account, assets in self._ledger.accounts().items():
            for asset, amount in assets.items():
                self._set_balance(account, asset, amount)

    def tell_core_balance(self, account: str, asset: str) -> None:
        """One balance of the ledger, as it is now."""
        self._set_balance(account, asset, self._ledger.amount(account, asset))

    def venue_id(self, venue: str) -> int:
        return self._venues.index(venue)

    def pot_of(self, account: str) -> str:
        """The account as the ledger knows it. A fact that names a market only ("bybit:spot") means the pot from which that
        market pays ("bybit:unified")."""
        return self._pots.get(account, account)

    @exact
    def open(self, balances: Mapping[str, Mapping[str, Decimal]]) -> None:
        """Opening balances as the venues state them: {"binance:spot": {"USDT": ...}, "bybit:unified": ...}; the core gets them
        too."""
        for account, assets in balances.items():
            for asset, amount in assets.items():
                self._ledger.open(account, asset, Decimal(amount))
                self._set_balance(account, asset, Decimal(amount))

    def tell_core(self, instrument: Instrument, position_units: Decimal, unexplained: Callable[[str, str], Decimal]) -> None:
        """After each execution: the core's position of the row (whole steps, toward zero) and its copy of the balances that moved
        (rounded down).

        Set from exact figures each time, because the core's own sums of rounded fees would soon refuse to sell what is there."""
        qty = int((position_units / instrument.multiplier).scaleb(instrument.qty_scale))
        self._core.set_position(instrument.row, qty, self.last_px.get(instrument.row, 0))
        for asset in (instrument.base, instrument.quote) if instrument.is_spot else (instrument.settle,):
            if self._ledger.is_open(instrument.account):
                amount = self._ledger.amount(instrument.account, asset) + unexplained(instrument.account, asset)
                self._set_balance(instrument.account, asset, amount)

    def _set_balance(self, account: str, asset: str, amount: Decimal) -> None:
        free_e8 = int(amount.scaleb(8).to_integral_value(rounding=ROUND_FLOOR))
        self._core.set_account_balance(account, asset, max(0, free_e8))

    @exact
    def compare(self, balances: Mapping[str, Mapping[str, Decimal]], busy_rows: set[int], now_mono_ns: int,
                apart_ns: int) -> tuple[list[Difference], list[Difference]]:
        """(all differences, those seen again `apart_ns` later unchanged). Accounts with something of ours in flight are passed
        over; what is suspected of accounts that are not among `balances` stays: venues are asked one by one."""
        busy_accounts = {self._instruments[row].account for row in busy_rows}
        quiet = {account: assets for account, assets in balances.items() if account not in busy_accounts}
        return self._suspect(self._ledger.check(quiet), lambda account, asset: account in balances and ":" not in asset,
                             now_mono_ns, apart_ns)

    @exact
    def compare_positions(self, venue: str, positions: Mapping[int, Decimal], busy_rows: set[int], now_mono_ns: int,
                          apart_ns: int) -> tuple[list[Difference], list[Difference]]:
        """The same for futures positions of a venue, {row: base units, signed}; rows in motion are passed over. A difference's
        asset is the instrument's name."""
        found = []
        for instrument in self._instruments:
            if instrument.venue == venue and not instrument.is_spot and instrument.row not in busy_rows:
                held = self._ledger.positions.get(instrument.name)
                ours, theirs = held.qty if held else Decimal(0), positions.get(instrument.row, Decimal(0))
                if ours != theirs:
                    found.append(Difference(instrument.account, instrument.name, ours, theirs))
        return self._suspect(found, lambda _, asset: asset.startswith(f"{venue}:"), now_mono_ns, apart_ns)

    def _suspect(self, found: list[Difference], was_asked: Callable[[str, str], bool], now_mono_ns: int,
                 apart_ns: int) -> tuple[list[Difference], list[Difference]]:
        keys = {(one.account, one.asset): one for one in found}
        lasting = []
        for key, one in keys.items():
            since, amount = self._suspected.get(key, (now_mono_ns, one.difference))
            if amount != one.difference:
                since, amount = now_mono_ns, one.difference
            self._suspected[key] = (since, amount)
            if now_mono_ns - since >= apart_ns:
                lasting.append(one)
        self._suspected = {key: value for key, value in self._suspected.items() if key in keys or not was_asked(*key)}
        return found, lasting
