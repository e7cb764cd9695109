"""Configuration of a simex process: a JSON or YAML file, either the `simex` section alone or a whole config that has one.

Every key is known or refused, with what would be right.  Defaults give 50 pairs (100 instruments) of synthetic traffic.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tools.simex.market import MarketOptions

MARKETS = ("synthetic", "capture", "external")

DEFAULT_ACCOUNT: dict[str, Any] = {
    "name": "main",
    "spot": {"USDT": "2000000", "BNB": "0"},
    "linear": {"USDT": "2000000"},
}


class ConfigError(Exception):
    """What is wrong, where, and what would be right."""


@dataclass(slots=True)
class SimexConfig:
    """All of it."""

    market: str = "synthetic"
    pairs: int = 50
    spot_fees: tuple[str, str] = ("0.001", "0.001")  # maker, taker
    linear_fees: tuple[str, str] = ("0.0002", "0.0005")
    accounts: list[dict[str, Any]] = field(default_factory=lambda: [DEFAULT_ACCOUNT])
    leverage: int = 10
    latency_us: int = 0  # added between receiving a request and handling it
    enforce_limits: bool = True
    orders_10s_max: dict[str, int] = field(default_factory=dict)
    tls: bool = False
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=dict)  # role -> fixed port; others are chosen free
    spot_ping_s: float = 20.0
    linear_ping_s: float = 180.0
    connection_life_s: float = 86_400.0
    capture: list[dict[str, str]] = field(default_factory=list)  # {"market": "spot", "symbol": "BTCUSDT", "file": ...}
    capture_speed: float = 1.0
    exchange_info: dict[str, str] = field(default_factory=dict)  # market -> file with the venue's own exchangeInfo
    symbols: list[str] = field(default_factory=list)  # of those, the ones wanted; empty = all
    cpu: int | None = None  # pin the process there
    options: MarketOptions = field(default_factory=MarketOptions)


ROLES = ("spot_rest", "spot_ws", "spot_ws_api", "linear_rest", "linear_ws", "linear_ws_api")


def load_config(path: Path | None) -> SimexConfig:
    """Read and check a file; ConfigError names file, key and what would be right."""
    if path is None:
        return SimexConfig()
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
    """Config from plain data; market options may stand beside the other keys."""
    config = SimexConfig()
    option_fields = {f.name: f for f in dataclasses.fields(MarketOptions)}
    config_fields = {f.name: f for f in dataclasses.fields(SimexConfig) if f.name != "options"}
    for key, value in section.items():
        if key == "market" and isinstance(value, str) and value.startswith("capture:"):
            config.market = "capture"
            config.capture = [capture_file(entry, where) for entry in value.removeprefix("capture:").split(",")]
        elif key in option_fields:
            _set(config.options, key, value, where)
        elif key in config_fields:
            _set(config, key, value, where)
        elif key == "dislocation_hold_ms":
            _set(config.options, "dislocation_ms", value, where)
        elif key == "instruments":
            if not isinstance(value, int) or value < 2 or value % 2:
                raise ConfigError(
                    f"{where}: instruments: {value!r} is not an even number of at least 2 (each pair is two instruments)"
                )
            config.pairs = value // 2
        else:
            known = sorted([*config_fields, *option_fields, "instruments"])
            raise ConfigError(f"{where}: unknown key {key!r}; known keys are {', '.join(known)}")
    _check(config, where)
    return config


def capture_file(entry: str, where: str) -> dict[str, str]:
    """`spot/BTCUSDT=/path/to/file.gz` of the short form `market: capture:...`."""
    key, separator, path = entry.partition("=")
    market, slash, symbol = key.partition("/")
    if not separator or not slash or market not in ("spot", "linear"):
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
    elif isinstance(default, tuple):
        ok = isinstance(value, list | tuple) and len(value) == 2
        value = tuple(str(v) for v in value) if ok else value
    elif isinstance(default, list | dict):
        ok = isinstance(value, type(default))
    else:
        ok = value is None or isinstance(value, int)
    if not ok:
        raise ConfigError(f"{where}: {key}: {value!r} is of the wrong type; the default is {default!r}")
    setattr(target, key, value)


def _check(config: SimexConfig, where: str) -> None:
    def fail(key: str, value: Any, right: str) -> None:
        raise ConfigError(f"{where}: {key}: {value!r} is not allowed; {right}")

    if config.market not in MARKETS:
        fail("market", config.market, f"one of {', '.join(MARKETS)}")
    if not 1 <= config.pairs <= 2000:
        fail("pairs", config.pairs, "1 to 2000")
    for role, port in config.ports.items():
        if role not in ROLES:
            fail("ports", role, f"one of {', '.join(ROLES)}")
        if not isinstance(port, int) or not 0 <= port <= 65535:
            fail(f"ports.{role}", port, "a port number, 0 = chosen free")
    options = config.options
    if options.background_msgs_per_s < 0 or options.dislocations_per_s < 0:
        fail(
            "background_msgs_per_s / dislocations_per_s", (options.background_msgs_per_s, options.dislocations_per_s), "0 or more"
        )
    if options.dislocation_end not in ("time", "taken", "either"):
        fail("dislocation_end", options.dislocation_end, "time, taken or either")
    if options.dislocation_leg not in ("linear", "spot", "both"):
        fail("dislocation_leg", options.dislocation_leg, "linear, spot or both")
    if options.dislocation_direction not in ("premium", "discount", "both"):
        fail("dislocation_direction", options.dislocation_direction, "premium, discount or both")
    if config.market == "capture" and not config.capture:
        fail("capture", config.capture, "market: capture needs a list of {market, symbol, file}")
    if config.market == "external" and not config.exchange_info:
        fail("exchange_info", config.exchange_info, "market: external needs a file with the venue's exchangeInfo for each market")
    names = [a.get("name") for a in config.accounts if isinstance(a, dict)]
    if not names or len(set(names)) != len(config.accounts) or None in names:
        fail("accounts", names, "a list of mappings, each with its own name")
