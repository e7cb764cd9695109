"""What the layers of a venue say twice, they say alike: a feed reads it, a gateway trades it, a simulated one plays it, and none
of them imports the others' declaration."""
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest

from engine.gateways.contract import GatewayVenue
from engine.gateways.registry import gateway_venue
from engine.gateways.registry import names as traded
from feeds.instruments import UNIFIED
from feeds.registry import feed_venue, venue_names
from tools.simex import registry as simulated

# Mode of the gateway's addresses -> modes of the feed's: public data is the real venue's unless it is a testnet.
SAME_PLACE = {"live": ("dry_run", "paper"), "testnet": ("testnet",)}


def test_whatever_is_traded_or_simulated_is_also_read() -> None:
    assert set(traded()) <= set(venue_names()) and set(simulated.known()) <= set(venue_names())
    assert set(traded()) == set(simulated.known()) >= {"binance", "binanceus", "bybit", "okx", "okxus"}


def host_contradictions(gateway: GatewayVenue, endpoints: Mapping[str, Mapping[str, str]]) -> list[str]:
    """`endpoints`: of the feed, by mode and role."""
    def where(url: str) -> tuple[str, str | None, int | None]:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"https": 443, "wss": 443}[parts.scheme]
    return [f"{gateway.name} {role}: {ours} for orders ({mode}), {theirs} for data ({other})"
            for mode, roles in gateway.endpoints.items() for other in SAME_PLACE[mode]
            for role, ours in roles.items() if (theirs := endpoints.get(other, {}).get(role)) and where(ours) != where(theirs)]


@pytest.mark.parametrize("name", traded())
def test_gateway_and_feed_do_not_contradict_each_other(name: str) -> None:
    feed, gateway = feed_venue(name), gateway_venue(name)
    assert gateway.markets == feed.markets and gateway.account == feed.account
    assert {auth: tuple(fields) for auth, fields in gateway.auths.items()} == {
        auth: tuple(fields) for auth, fields in feed.credentials.items()}
    assert next(iter(gateway.auths)) == next(iter(feed.credentials)), "the first is the default of both"
    assert host_contradictions(gateway, feed.endpoints) == []
    assert ("testnet" in gateway.endpoints) == ("testnet" in feed.endpoints)


@pytest.mark.parametrize("name", traded())
def test_roles_of_a_venue_are_those_that_feed_and_gateway_use(name: str) -> None:
    feed, gateway = feed_venue(name), gateway_venue(name)
    orders = set(gateway.roles_of(gateway.markets))
    assert orders <= set(feed.roles), "an address that no configuration can name"
    assert all(orders <= set(roles) for roles in gateway.endpoints.values()), "a role without an address"
    data = {role for roles in feed.endpoints.values() for role in roles}
    assert set(feed.roles) == orders | data


@pytest.mark.parametrize("name", simulated.known())
def test_simulated_venue_has_every_address_under_its_name(name: str) -> None:
    feed, sim = feed_venue(name), simulated.find(name)
    assert {role.name for role in sim.roles} == set(feed.roles)
    assert {role.name for role in sim.roles if role.is_http} == {
        role for roles in feed.endpoints.values() for role, url in roles.items() if urlsplit(url).scheme == "https"}
    assert sim.markets == feed.markets and sim.rules.is_unified == (feed.account == UNIFIED)


def test_a_contradiction_is_found() -> None:
    gateway = gateway_venue("binance")
    away = {"testnet": {role: url.replace("//", "//x.") for role, url in gateway.endpoints["testnet"].items()}}
    assert len(host_contradictions(gateway, away)) == len(gateway.endpoints["testnet"])
