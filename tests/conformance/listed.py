"""Instruments out of a case's listing, read by the venue's feed as it reads the real one."""
from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from feeds.config import VenueConfig
from feeds.instruments import InstrumentRow
from tests.conformance.case import Answer, VenueCase
from tests.conformance.layers import feed_of


class CannedClient:
    """What read_listing uses of a RestClient; the first answer that fits is given, what fits none fails."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.answers = tuple(answers)

    async def get_json(self, path: str, params: Mapping[str, str] | None = None, **_: Any) -> Any:
        for answer in self.answers:
            if answer.fits(path, params or {}):
                return answer.body
        if "funding" in path.lower():
            return []
        raise AssertionError(f"the feed asks for {path} {dict(params or {})}, which the case's listing does not answer")

    async def get_bytes(self, path: str, params: Mapping[str, str] | None = None, **options: Any) -> bytes:
        return orjson.dumps(await self.get_json(path, params, **options))


def listed_rows(case: VenueCase, answers: Iterable[Answer] | None = None) -> list[InstrumentRow]:
    """All rows; a problem that the feed tells fails."""
    rows, problems = read_listing(case, answers)
    assert problems == [], problems
    return rows


def read_listing(case: VenueCase, answers: Iterable[Answer] | None = None,
                 markets: Iterable[str] = ()) -> tuple[list[InstrumentRow], list[str]]:
    venue = feed_of(case)
    chosen = list(markets) or list(case.markets)
    client = CannedClient(case.listing if answers is None else answers)
    config = VenueConfig(markets=chosen)  # type: ignore[arg-type]
    listing = asyncio.run(venue.read_listing(dict.fromkeys(chosen, client), config))  # type: ignore[arg-type]
    return listing.rows, listing.problems
