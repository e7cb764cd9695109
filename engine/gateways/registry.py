"""Order-side venues by name: modules of engine/gateways with a GATEWAY, and entry points `lockstep.gateways` of other packages.

Nothing is imported before a name is asked for. A name of this tree wins over an entry point of the same name.
"""
from __future__ import annotations

import importlib
import pkgutil
import re
from importlib.metadata import EntryPoint, entry_points

import engine.gateways
from engine.gateways.contract import GatewayVenue

GROUP = "lockstep.gateways"


class VenueUnknown(ValueError):
    """No gateway has this name; the text lists those that there are."""


def gateway_venue(name: str) -> GatewayVenue:
    """The venue's declaration. VenueUnknown when there is none; TypeError when what was found is no GatewayVenue of that name."""
    if not re.fullmatch(r"[a-z][a-z0-9]*", name):
        raise VenueUnknown(f"venue {name!r}: a venue's name is lower case letters and digits")
    if any(module.name == name for module in pkgutil.iter_modules(engine.gateways.__path__)):
        found = getattr(importlib.import_module(f"engine.gateways.{name}"), "GATEWAY", None)
        if found is not None:
            return _checked(name, found, f"engine/gateways/{name}.py")
    for point in _points():
        if point.name == name:
            return _checked(name, point.load(), point.value)
    raise VenueUnknown(f"venue {name!r} has no gateway; known are {', '.join(names())}")


def names() -> list[str]:
    """All venues that can be traded, sorted. Imports the modules of engine/gateways."""
    here = [module.name for module in pkgutil.iter_modules(engine.gateways.__path__)
            if hasattr(importlib.import_module(f"engine.gateways.{module.name}"), "GATEWAY")]
    return sorted({*here, *(point.name for point in _points())})


def _points() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))


def _checked(name: str, found: object, where: str) -> GatewayVenue:
    if not isinstance(found, GatewayVenue):
        raise TypeError(f"{where}: {type(found).__name__} is no GatewayVenue")
    if found.name != name:
        raise TypeError(f"{where}: the gateway calls itself {found.name!r}, found under {name!r}")
    return found
