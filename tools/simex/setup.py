"""From configuration to venues: which instruments each has, what its accounts begin with.  Reads files, opens nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from tools.simex.clock import Clock
from tools.simex.config import ConfigError, SimexConfig, VenueConfig, fees_of
from tools.simex.contract import LINEAR, SPOT, SimVenue
from tools.simex.exact import to_scaled
from tools.simex.instrument import Instrument, from_table, list_instruments, make_coins
from tools.simex.ledger import Account
from tools.simex.venue import Venue


def make_venues(config: SimexConfig, clock: Clock) -> dict[str, Venue]:
    """All venues by name, without accounts; their instruments are numbered one after another."""
    venues: dict[str, Venue] = {}
    first_index = 0
    for name, section in config.venues.items():
        sim = config.sims[name]
        venue = venues[name] = Venue(
            sim,
            instruments_of(config, sim, section),
            clock,
            enforce_limits=section.enforce_limits,
            limits=section.limits,
            first_index=first_index,
        )
        first_index += len(venue.instruments)
    return venues


def instruments_of(config: SimexConfig, sim: SimVenue, section: VenueConfig) -> list[Instrument]:
    """Made up, or read from the venue's own reference data or from an instrument table."""
    fees = fees_of(sim, section)
    if section.instrument_table:
        rows = _read(section.instrument_table)
        if isinstance(rows, dict):
            rows = rows.get("instruments", rows.get("rows"))
        if not isinstance(rows, list):
            raise ConfigError(f"{section.instrument_table}: holds no list of instruments")
        return from_table(sim, rows, section.fees and fees, section.instrument_table)
    if section.exchange_info:
        assert sim.read_listing is not None
        found: list[Instrument] = []
        for market in sim.markets:
            if market in section.exchange_info:
                found += sim.read_listing(market, _read(section.exchange_info[market]), fees[market], section.symbols or None)
        return found
    return list_instruments(sim, make_coins(config.pairs), fees)


def _read(path: str) -> Any:
    try:
        return orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None


def fund_account(venue: Venue, section: VenueConfig, row: dict[str, Any]) -> Account:
    """Make the account of a configured row.  `spot`, `linear` and `unified` are added up on a venue with one balance for all."""
    account = venue.add_account(row["name"])
    account.default_leverage = int(row.get("leverage", section.leverage))
    is_unified = venue.sim.rules.is_unified
    for pot, key in ((account.free, SPOT), (account.wallet, LINEAR), (account.free, "unified")):
        if is_unified or key in venue.sim.markets:
            for asset, amount in row.get(key, {}).items():
                pot[asset] = pot.get(asset, 0) + to_scaled(str(amount), 8)
    if section.inventory_usd:
        for instrument in venue.instruments:
            if instrument.market == SPOT and instrument.start_px:
                px = instrument.start_px / 10**instrument.px_decimals
                qty = int(section.inventory_usd / px * 10**instrument.qty_decimals) // instrument.step * instrument.step
                account.free[instrument.base] = account.free.get(instrument.base, 0) + instrument.qty_e8(qty)
    for flag in venue.sim.account_flags:
        account.set_flag(flag, bool(row.get(flag, False)))
    return account
