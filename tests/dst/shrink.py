"""Makes a failing scenario small: fewer faults, fewer deaths, one venue, less time, as long as it fails (delta debugging)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from tests.dst.scenario import Scenario

Item = TypeVar("Item")


def ddmin(items: list[Item], fails: Callable[[list[Item]], bool]) -> list[Item]:
    """A subset that still fails and from which nothing single can be taken."""
    parts = 2
    while len(items) >= 2:
        size = max(1, len(items) // parts)
        chunks = [items[at:at + size] for at in range(0, len(items), size)]
        for chunk in chunks:
            rest = [item for item in items if item not in chunk]
            if fails(rest):
                items, parts = rest, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(items), parts * 2)
    return [] if len(items) == 1 and fails([]) else items


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """`fails(scenario)` says whether the failure is still there; it is for the one given."""
    small = replace(scenario, faults=ddmin(scenario.faults, lambda faults: fails(replace(scenario, faults=faults))))
    small = replace(small, deaths=ddmin(small.deaths, lambda deaths: fails(replace(small, deaths=deaths))))
    for change in ({"bases": 0}, {"trading_ms": 300}, {"trading_ms": 100}, {"down_ms": 1}, {"rate": 0.02},
                   {"hedge_unknown": "wait"}):
        candidate = replace(small, **change)
        if candidate != small and fails(candidate):
            small = candidate
    return small
