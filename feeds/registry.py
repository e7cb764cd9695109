"""The venues that can be read, found by name: modules of feeds/venues with a `VENUE`, and entry points of the group
lockstep.feeds.

No list of venues is kept anywhere. A module is imported when its venue is asked for; a broken one harms nobody else."""
from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from functools import cache
from importlib.abc import InspectLoader
from importlib.metadata import entry_points

import feeds.venues
from feeds.venue import FeedVenue

GROUP = "lockstep.feeds"


class UnknownVenue(ValueError):
    """No venue of this name, or its module does not keep the contract; the text says what would be right."""


@cache
def _outside() -> dict[str, str]:
    """name -> "module:OBJECT" of the venues that installed packages bring."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def venue_names() -> list[str]:
    """Names of all venues, sorted. A module counts when its text assigns VENUE: helpers of a venue (NAME_listing.py) do not."""
    own = [module.name for module in pkgutil.iter_modules(feeds.venues.__path__) if _declares(f"feeds.venues.{module.name}")]
    return sorted({*own, *_outside()})


def _declares(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    loader = spec.loader if spec is not None else None
    source = loader.get_source(module) if isinstance(loader, InspectLoader) else None
    return source is not None and any(line.startswith(("VENUE =", "VENUE:")) for line in source.splitlines())


@cache
def feed_venue(name: str) -> FeedVenue:
    """The venue of this name. UnknownVenue names the nearest one that exists."""
    where = _outside().get(name)
    if where is None and name.isidentifier() and importlib.util.find_spec(f"feeds.venues.{name}") is not None:
        where = f"feeds.venues.{name}:VENUE"
    if where is None:
        known = venue_names()
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        raise UnknownVenue(f"venue {name[:40]!r} is unknown; " + (f"did you mean {near[0]}? " if near else "")
                           + f"known are {', '.join(known)}")
    module, _, attribute = where.partition(":")
    venue = getattr(importlib.import_module(module), attribute or "VENUE", None)
    if not isinstance(venue, FeedVenue):
        raise UnknownVenue(f"venue {name!r}: {module} has no {attribute or 'VENUE'} that is a FeedVenue (feeds/venue.py)")
    if venue.name != name:
        raise UnknownVenue(f"venue {name!r}: {where} calls itself {venue.name!r}; both names must be the same")
    return venue
