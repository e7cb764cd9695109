"""Configuration of a simex process: a JSON or YAML file, either the `simex` section alone or a whole config that has one.

Every key is known or refused, with what would be right.  Defaults give one Binance with 50 pairs (100 instruments) of synthetic
traffic.  What differs between the venues of a process stands in `venues`; most of those keys may stand beside it too, for all
venues.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from tools.simex import registry
from tools.simex.contract import LINEAR, MARKETS, SPOT, SessionRules, SimVenue
from tools.simex.market import MarketOptions

SOURCES = ("synthetic", "capture", "external")
KINDS = ("same_venue", "cross_venue", "any")

DEFAULT_ACCOUNT: dict[str, Any] = {"name": "main", SPOT: {"USDT": "2000000"}, LINEAR: {"USDT": "2000000"}}
ACCOUNT_KEYS = ("name", SPOT, LINEAR, "unified", "leverage")


class ConfigError(Exception):
    """What is wrong, where, and what would be right."""


@dataclass(slots=True)
class VenueConfig:
    """What one venue is told."""

    fees: dict[str, tuple[str, str]] = field(default_factory=dict)  # market -> maker, taker; absent = the venue's base tier
    accounts: list[dict[str, Any]] = field(default_factory=lambda: [DEFAULT_ACCOUNT])
    leverage: int = 10
    inventory_usd: float = 0.0  # of every spot coin, at its start price
    enforce_limits: bool = True
    limits: dict[str, Any] = field(default_factory=dict)  # to the dialect: orders_10s_max and the like
    ports: dict[str, int] = field(default_factory=dict)  # socket -> fixed port; others are chosen free
    sessions: dict[str, float] = field(default_factory=dict)  # fields of SessionRules that override the venue's
    instrument_table: str = ""  # market: external: file with the venue's rows
    exchange_info: dict[str, str] = field(default_factory=dict)  # market -> file of the venue's own reference data
    symbols: list[str] = field(default_factory=list)  # of those, the ones wanted; empty = all


@dataclass(slots=True)
class SimexConfig:
    """All of it."""

    market: str = "synthetic"
    venues: dict[str, VenueConfig] = field(default_factory=dict)
    pairs: int = 50
    latency_us: int = 0  # added between receiving a request and handling it
    tls: bool = False
    host: str = "127.0.0.1"
    capture: list[dict[str, str]] = field(default_factory=list)  # {"market": "spot", "symbol": "BTCUSDT", "file": ...}
    capture_speed: float = 1.0
    cpu: int | None = None  # pin the process there
    options: MarketOptions = field(default_factory=MarketOptions)
    sims: dict[str, SimVenue] = field(default_factory=dict)  # the venues, found by name


OPTION_FIELDS = [f.name for f in dataclasses.fields(MarketOptions)]
OWN_FIELDS = [f.name for f in dataclasses.fields(SimexConfig) if f.name not in ("options", "sims", "venues")]
VENUE_FIELDS = [f.name for f in dataclasses.fields(VenueConfig)]
FIRST_ONLY = ("ports", "exchange_info", "symbols")  # beside `venues`: of the first venue


def load_config(path: Path | None) -> SimexConfig:
    """Read and check a file; ConfigError names file, key and what would be right."""
    if path is None:
        return make_config({})
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: the file must hold a mapping of keys")
    section = data.get("simex", data)
    return make_config(section or {}, str(path))


def make_config(section: dict[str, Any], where: str = "simex") -> SimexConfig:
    """Config from plain data; market options, and venue options for all venues, may stand beside the other keys."""
    config = SimexConfig()
    common: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for key, value in section.items():
        if key == "market" and isinstance(value, str) and value.startswith("capture:"):
            config.market = "capture"
            config.capture = [capture_file(entry, where) for entry in value.removeprefix("capture:").split(",")]
        elif key in OPTION_FIELDS:
            _set(config.options, key, value, where)
        elif key in OWN_FIELDS:
            _set(config, key, value, where)
        elif key in VENUE_FIELDS and key != "instrument_table":
            common[key] = value
        elif key == "instrument_tables":
            tables = _mapping(key, value, where)
        elif key == "dislocation_hold_ms":
            _set(config.options, "dislocation_ms", value, where)
        elif key == "instruments":
            if not isinstance(value, int) or value < 2 or value % 2:
                raise ConfigError(
                    f"{where}: instruments: {value!r} is not an even number of at least 2 (each pair is two instruments)"
                )
            config.pairs = value // 2
        elif key != "venues":
            known = sorted([*OWN_FIELDS, *OPTION_FIELDS, *VENUE_FIELDS, "instruments", "instrument_tables", "venues"])
            raise ConfigError(f"{where}: unknown key {key!r}; known keys are {', '.join(known)}")
    _make_venues(config, _venue_sections(section.get("venues", ["binance"]), where), common, tables, where)
    _check_accounts(config, where)
    _check(config, where)
    return config


def _mapping(key: str, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: {key}: {value!r} is not a mapping")
    return value


def _venue_sections(value: Any, where: str) -> dict[str, dict[str, Any]]:
    """`venues` as a list of names or a mapping name -> options."""
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value) and len(set(value)) == len(value):
        return {name: {} for name in value}
    if isinstance(value, dict) and value:
        return {str(name): _mapping(f"venues.{name}", options or {}, where) for name, options in value.items()}
    raise ConfigError(f"{where}: venues: {value!r} is neither a list of different names nor a mapping from name to options")


def _make_venues(
    config: SimexConfig, sections: dict[str, dict[str, Any]], common: dict[str, Any], tables: dict[str, Any], where: str
) -> None:
    for table in tables:
        if table not in sections:
            raise ConfigError(f"{where}: instrument_tables: {table!r} is none of the venues {', '.join(sections)}")
    for number, (name, section) in enumerate(sections.items()):
        at = f"{where}: venues.{name}"
        try:
            sim = config.sims[name] = registry.find(name)
        except registry.UnknownVenue as error:
            raise ConfigError(f"{where}: venues: {error}") from None
        venue = config.venues[name] = VenueConfig(instrument_table=str(tables.get(name, "")))
        for key, value in common.items():
            if number == 0 or key not in FIRST_ONLY:
                _set_venue(venue, sim, key, value, where)
        for key, value in section.items():
            if key not in VENUE_FIELDS:
                raise ConfigError(f"{at}: unknown key {key!r}; known keys are {', '.join(sorted(VENUE_FIELDS))}")
            _set_venue(venue, sim, key, value, at)
        _check_venue(venue, sim, at)


def _set_venue(venue: VenueConfig, sim: SimVenue, key: str, value: Any, where: str) -> None:
    _set(venue, key, value, where)
    if key == "fees":
        for market, fees in value.items():
            if market not in MARKETS or not isinstance(fees, list | tuple) or len(fees) != 2:
                raise ConfigError(f"{where}: fees: {market!r}: {fees!r} is not spot or linear with [maker, taker]")
            try:
                venue.fees[market] = (format(Decimal(str(fees[0])), "f"), format(Decimal(str(fees[1])), "f"))
            except InvalidOperation:
                raise ConfigError(f"{where}: fees: {market}: {fees!r} are not two fractions") from None


def capture_file(entry: str, where: str) -> dict[str, str]:
    """`spot/BTCUSDT=/path/to/file.gz` of the short form `market: capture:...`."""
    key, separator, path = entry.partition("=")
    market, slash, symbol = key.partition("/")
    if not separator or not slash or market not in MARKETS:
        raise ConfigError(f"{where}: market: {entry!r} is not <spot|linear>/<SYMBOL>=<file>, several joined by commas")
    return {"market": market, "symbol": symbol, "file": path}


def _set(target: Any, key: str, value: Any, where: str) -> None:
    default = getattr(target, key)
    if isinstance(default, bool):
        ok = isinstance(value, bool)
    elif isinstance(default, int):
        ok = isinstance(value, int) and not isinstance(value, bool)
    elif isinstance(default, float):
        ok = isinstance(value, int | float) and not isinstance(value, bool)
        value = float(value) if ok else value
    elif isinstance(default, str):
        ok = isinstance(value, str)
    elif isinstance(default, list | dict):
        ok = isinstance(value, type(default))
        value = value.copy() if ok else value
    else:
        ok = value is None or isinstance(value, int)
    if not ok:
        raise ConfigError(f"{where}: {key}: {value!r} is of the wrong type; the default is {default!r}")
    setattr(target, key, value)


def _check_venue(venue: VenueConfig, sim: SimVenue, where: str) -> None:
    ports = sim.ports()
    for role, port in venue.ports.items():
        if role not in ports:
            raise ConfigError(f"{where}: ports: {role!r} is not allowed; one of {', '.join(ports)}")
        if not isinstance(port, int) or not 0 <= port <= 65535:
            raise ConfigError(f"{where}: ports.{role}: {port!r} is not allowed; a port number, 0 = chosen free")
    rules = [f.name for f in dataclasses.fields(SessionRules)]
    for key, value in venue.sessions.items():
        if key not in rules or not isinstance(value, int | float):
            raise ConfigError(f"{where}: sessions.{key}: {value!r} is not allowed; numbers for {', '.join(rules)}")
    names = [a.get("name") for a in venue.accounts if isinstance(a, dict)]
    if not names or len(set(names)) != len(venue.accounts) or None in names:
        raise ConfigError(f"{where}: accounts: {names!r} is not allowed; a list of mappings, each with its own name")
    if not all(isinstance(a, dict) for a in venue.accounts):
        raise ConfigError(f"{where}: accounts: a list of mappings is right")


def _check_accounts(config: SimexConfig, where: str) -> None:
    """A row that is meant for several venues may name flags that one of them does not have."""
    known = {*ACCOUNT_KEYS, *(flag for sim in config.sims.values() for flag in sim.account_flags)}
    for venue in config.venues.values():
        for account in venue.accounts:
            if not set(account) <= known:
                unknown = ", ".join(sorted(set(account) - known))
                raise ConfigError(f"{where}: accounts: unknown keys {unknown}; known keys are {', '.join(sorted(known))}")


def _check(config: SimexConfig, where: str) -> None:
    def fail(key: str, value: Any, right: str) -> None:
        raise ConfigError(f"{where}: {key}: {value!r} is not allowed; {right}")

    if config.market not in SOURCES:
        fail("market", config.market, f"one of {', '.join(SOURCES)}")
    if not 1 <= config.pairs <= 2000:
        fail("pairs", config.pairs, "1 to 2000")
    options = config.options
    if options.background_msgs_per_s < 0 or options.dislocations_per_s < 0:
        fail(
            "background_msgs_per_s / dislocations_per_s", (options.background_msgs_per_s, options.dislocations_per_s), "0 or more"
        )
    for key, allowed in (
        ("dislocation_end", ("time", "taken", "either")),
        ("dislocation_kind", KINDS),
        ("dislocation_leg", (LINEAR, SPOT, "both")),
        ("dislocation_direction", ("premium", "discount", "both")),
    ):
        if getattr(options, key) not in allowed:
            fail(key, getattr(options, key), f"one of {', '.join(allowed)}")
    if options.dislocation_kind == "cross_venue" and len(config.venues) < 2:
        fail("dislocation_kind", "cross_venue", "with one venue there is no other book to jump against")
    if config.market == "capture":
        if not config.capture:
            fail("capture", config.capture, "market: capture needs a list of {market, symbol, file}")
        if len(config.venues) > 1:
            fail("venues", list(config.venues), "market: capture plays one venue")
    for name, venue in config.venues.items():
        if config.market == "external" and not venue.instrument_table and not venue.exchange_info:
            fail(
                "instrument_tables",
                dict.fromkeys([name], venue.instrument_table),
                f"market: external needs a file with the instruments of {name}",
            )
        if venue.exchange_info and config.sims[name].read_listing is None:
            fail("exchange_info", venue.exchange_info, f"{name} reads no files of its own; give it an instrument table")


def fees_of(sim: SimVenue, venue: VenueConfig) -> Mapping[str, tuple[str, str]]:
    """Market -> (maker, taker)."""
    return dict(sim.fees) | venue.fees
