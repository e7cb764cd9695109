"""Several venues start at once; one that cannot be reached keeps nobody waiting for ever, one that is refused ends the start."""
from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine
from typing import Any

import pytest

from engine import shell as shells
from engine.shell import EngineFailed, Shell


class Started(Shell):
    """A shell of which only the start of gateways is there. `wanted`: venue -> seconds until it is up, or an exception."""

    def __init__(self, **wanted: float | Exception) -> None:
        self.config = types.SimpleNamespace(venues=dict.fromkeys(wanted))  # type: ignore[assignment]
        self.wanted = wanted
        self.up: list[str] = []
        self.told: list[tuple[str, str]] = []
        self._starting = {}

    async def _start_gateway(self, venue: str) -> None:
        wanted = self.wanted[venue]
        if isinstance(wanted, Exception):
            raise wanted
        await asyncio.sleep(wanted)
        self.up.append(venue)

    def alert(self, code: str, text: str, severity: str = "warning", trade_id: int = 0) -> None:
        self.told.append((code, text))


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 5))


def test_venues_start_at_the_same_time_and_all_are_waited_for() -> None:
    async def work() -> None:
        made = Started(a=0.1, b=0.1, c=0.1)
        began = asyncio.get_running_loop().time()
        await made._start_gateways()
        assert sorted(made.up) == ["a", "b", "c"]
        assert asyncio.get_running_loop().time() - began < 0.25
    run(work())


def test_venue_that_is_away_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "VENUE_PATIENCE_S", 0.05)

    async def work() -> None:
        made = Started(a=0.0, b=0.3)
        await made._start_gateways()
        assert made.up == ["a"]
        await made._starting["b"]
        assert made.up == ["a", "b"]
    run(work())


def test_somebody_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "VENUE_PATIENCE_S", 0.05)

    async def work() -> None:
        made = Started(a=0.2, b=5.0)
        await made._start_gateways()
        assert made.up == ["a"]
        made._starting["b"].cancel()
    run(work())


def test_refused_account_ends_the_start_and_a_late_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once() -> None:
        made = Started(a=1.0, b=EngineFailed("b: hedge mode"))
        with pytest.raises(EngineFailed, match="hedge mode"):
            await made._start_gateways()
        made._starting["a"].cancel()
    run(at_once())
    monkeypatch.setattr(shells, "VENUE_PATIENCE_S", 0.05)

    async def later() -> None:
        made = Started(a=0.0, b=0.0)

        async def slow(venue: str) -> None:
            if venue == "b":
                await asyncio.sleep(0.2)
                raise EngineFailed("b: hedge mode")
        made._start_gateway = slow  # type: ignore[method-assign]
        await made._start_gateways()
        await asyncio.gather(made._starting["b"], return_exceptions=True)
        await asyncio.sleep(0)
        assert made.told == [("venue_refused", "b stays out of this run: b: hedge mode")]
    run(later())
