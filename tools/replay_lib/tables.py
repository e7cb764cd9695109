"""One instrument table for a replay of several captures: instruments by name, at the finest scale that any of them needs."""
from __future__ import annotations

import pathlib
from array import array
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from engine.strategies.spot_futures import find_pairs
from feeds.capture_format import CaptureReader
from feeds.instruments import STATUS_TRADING, InstrumentError, InstrumentRow, InstrumentTable
from feeds.registry import UnknownVenue, feed_venue


class ReplayError(Exception):
    """These captures cannot be replayed; the text says which one and why."""


def finest(one: InstrumentRow, other: InstrumentRow) -> InstrumentRow:
    """The same instrument as two captures describe it: a scale that holds the digits of both."""
    return replace(one, px_scale=max(one.px_scale, other.px_scale), qty_scale=max(one.qty_scale, other.qty_scale),
                   tick=min(one.tick, other.tick), lot=min(one.lot, other.lot), min_qty=min(one.min_qty, other.min_qty),
                   contract_size=min(one.contract_size, other.contract_size))


def joined_table(readers: Iterable[CaptureReader], taker_bps: dict[str, Decimal] | None = None) -> tuple[InstrumentTable,
                                                                                                         list[array[int]]]:
    """The run's table, and for each capture its rows -> the run's rows. taker_bps: fees by market that replace those recorded."""
    table = InstrumentTable()
    maps = []
    for reader in readers:
        try:
            own = InstrumentTable.from_json(reader.header.instruments)
            rows = [replace(row, status=STATUS_TRADING) for row in own.rows]
            ids = table.merge(finest(row, table.by_name[row.name]) if row.name in table.by_name else row for row in rows)
        except InstrumentError as error:
            raise ReplayError(f"{reader.path}: {error}") from None
        maps.append(array("i", ids))
    if taker_bps:
        table.merge([replace(row, taker_fee=taker_bps[row.market] / 10_000) for row in table.rows if row.market in taker_bps])
    return table, maps


def markets_of(table: InstrumentTable, path: pathlib.Path) -> dict[tuple[str, str], list[int]]:
    """(venue, market) -> rows. A venue without a decoder is refused by name."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row in table.rows:
        try:
            venue = feed_venue(row.venue)
        except UnknownVenue as error:
            raise ReplayError(f"{path}: {error}: nothing decodes it") from None
        if row.market not in venue.markets:
            raise ReplayError(f"{path}: {row.name}: {venue.title} has no market {row.market}; "
                              f"right is {' or '.join(venue.markets)}")
        groups.setdefault((row.venue, row.market), []).append(row.id)
    return groups


def pairs_of(table: InstrumentTable) -> list[tuple[int, int]]:
    """The pairs (row bought forward, row sold forward) that spot_futures would find: spot with perpetual, on one venue and on
    two, and perpetuals of two venues. Quotes are equal."""
    return [(pair.row_a, pair.row_b) for pair in find_pairs(table.rows, across_venues=True, perp_perp=True)]
