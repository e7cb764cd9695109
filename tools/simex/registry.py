"""Simulated venues by name: tools/simex/NAME.py with `SIM`, or the entry point `NAME = "module:SIM"` of group lockstep.simex."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from pathlib import Path

from tools.simex.contract import SimVenue

GROUP = "lockstep.simex"
HERE = Path(__file__).parent
_NAME = re.compile(r"^[a-z][a-z0-9]*$")
_SIM = re.compile(r"^SIM\b", re.MULTILINE)


class UnknownVenue(Exception):
    """The text says which name was looked for, and which there are."""


def known() -> list[str]:
    """Names of all venues that can be simulated."""
    here = [path.stem for path in HERE.glob("*.py") if _NAME.match(path.stem) and _SIM.search(path.read_text(encoding="utf-8"))]
    return sorted({*here, *(point.name for point in importlib.metadata.entry_points(group=GROUP))})


def find(name: str) -> SimVenue:
    """The venue of that name; UnknownVenue when there is none, or when what is there is none."""
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.name == name:
            return _checked(name, point.load(), point.value)
    if name not in known():
        raise UnknownVenue(f"no simulated venue {name!r}; there are {', '.join(known())}")
    module = importlib.import_module(f"tools.simex.{name}")
    return _checked(name, module.SIM, f"tools/simex/{name}.py: SIM")


def _checked(name: str, found: object, where: str) -> SimVenue:
    if not isinstance(found, SimVenue):
        raise UnknownVenue(f"{where} is a {type(found).__name__}, not a SimVenue")
    if found.name != name:
        raise UnknownVenue(f"{where} is named {found.name!r}; it was looked for as {name!r}")
    return found
