"""The layers of a venue that a test asks for. One that is not there fails the test as "missing": it never passes in silence."""
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from feeds.registry import UnknownVenue, feed_venue

if TYPE_CHECKING:
    from engine.gateways.contract import GatewayVenue
    from feeds.venue import FeedVenue
    from tests.conformance.case import VenueCase
    from tools.simex.contract import SimVenue


class Missing(AssertionError):
    """A layer of the venue that no module gives."""


def feed_of(case: VenueCase) -> FeedVenue:
    """feeds/venues/NAME.py."""
    try:
        return feed_venue(case.name)
    except UnknownVenue as error:
        raise Missing(f"missing: feeds/venues/{case.name}.py ({error})") from None


def sim_of(case: VenueCase) -> SimVenue:
    """tools/simex/NAME.py."""
    from tools.simex import registry
    try:
        return registry.find(case.name)
    except registry.UnknownVenue as error:
        raise Missing(f"missing: tools/simex/{case.name}.py ({error})") from None


def gateway_of(case: VenueCase) -> GatewayVenue:
    """engine/gateways/NAME.py."""
    try:
        from engine.gateways import registry
    except ImportError as error:
        raise Missing(f"missing: engine/gateways/registry.py ({error})") from None
    try:
        return registry.gateway_venue(case.name)
    except registry.VenueUnknown as error:
        raise Missing(f"missing: engine/gateways/{case.name}.py ({error})") from None


def leave(case: VenueCase, item: int, market: str) -> None:
    """Skip when the venue's case says that there is no such thing, and why."""
    reason = case.why_not(item, market)
    if reason:
        pytest.skip(f"not offered: {reason} by {case.name} {market}")
