"""From configuration and simex.json to GatewaySettings, the same for every venue."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.gateways.contract import GatewaySettings, GatewayVenue
from engine.gateways.registry import gateway_venue


def gateway_settings(config: Any, mode: str, venue: str | GatewayVenue = "binance", *, instance: int = 0, seed: int = 1,
                     simex: Mapping[str, Any] | None = None) -> GatewaySettings:
    """From the venue's section of the configuration (VenueConfig) and, in sim and paper, D/simex.json. Orders of sim and paper
    never leave for a real address: without simex.json they are refused. ValueError names the field that is wrong.

    `config.endpoints` and `config.credentials` are models or mappings: role -> address, field -> reference; null = not given."""
    declared = gateway_venue(venue) if isinstance(venue, str) else venue
    markets = tuple(config.markets)
    if mode in ("sim", "paper"):
        if simex is None:
            raise ValueError(f"mode {mode}: orders go to the simulated venue, but there is no simex.json")
        endpoints = _simulated_endpoints(declared, markets, simex)
        references = _simulated_credentials(declared.name, simex)
    elif mode in ("testnet", "live"):
        if mode not in declared.endpoints:
            raise ValueError(f"mode {mode}: {declared.name} has none; right is one of "
                             f"{', '.join(('sim', 'paper', 'dry_run', *declared.endpoints))}")
        endpoints = {**declared.endpoints[mode], **as_mapping(config.endpoints)}
        references = as_mapping(config.credentials)
    else:
        raise ValueError(f"mode {mode} has no order transport")
    # a venue that knows one way of signing leaves no choice
    order_auth = config.order_auth if len(declared.auths) > 1 else next(iter(declared.auths))
    settings = GatewaySettings(
        endpoints, declared.load_credentials(references), markets, order_auth, config.recv_window_ms, instance=instance,
        seed=seed, ca_file=simex.get("ca") if simex is not None and mode in ("sim", "paper") else None,
        checks_key_restrictions=mode == "live", is_demo=mode == "testnet")
    declared.check(settings)
    return settings


def as_mapping(model: Any) -> dict[str, Any]:
    """Fields that are given, of a pydantic model (kept as they are: file references stay objects) or a mapping."""
    items = dict(model) if model is not None else {}  # both iterate as pairs or keys
    return {name: value for name, value in items.items() if value is not None}


def _simulated_endpoints(venue: GatewayVenue, markets: tuple[str, ...], simex: Mapping[str, Any]) -> dict[str, str]:
    found = simex["endpoints"].get(venue.name) or {}
    unknown = [market for market in markets if market not in venue.markets]
    missing = [role for role in venue.roles_of(tuple(m for m in markets if m not in unknown)) if not found.get(role)]
    if missing:
        raise ValueError(f"simex.json: endpoints.{venue.name} lacks {', '.join(missing)}")
    return dict(found)


def _simulated_credentials(venue: str, simex: Mapping[str, Any]) -> Mapping[str, Any]:
    """{venue: {field: reference}}, or the fields of Binance without its name."""
    given = simex.get("credentials") or {}
    own = given.get(venue)
    if isinstance(own, Mapping):
        return own
    return given if venue == "binance" and not any(isinstance(value, Mapping) for value in given.values()) else {}
