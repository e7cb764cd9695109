"""Worlds that the benches of the hot floor share: coins with one spot instrument and four perpetuals each, and rings of
records."""
import random
from itertools import combinations
from typing import Any

import numpy as np

from cext.core import PairParams
from tests.support.core_world import World, instrument

PERPS = 4
LEVELS = 16


def coins(count: int, perps: int = PERPS) -> list[dict[str, Any]]:
    """One spot and `perps` linear instruments a coin, same underlying: the spot has `perps` adjacent pairs, each perpetual
    one."""
    rows = []
    for coin in range(count):
        base = f"C{coin:03d}"
        rows.append(instrument(len(rows), "spot", base, max_px="0", max_qty="10000"))
        for perp in range(perps):
            name = f"{base}X{perp}"
            rows.append(instrument(len(rows), "linear", name, underlying=base, max_px="0", max_qty="10000"))
    return rows


def venue_coins(count: int) -> list[dict[str, Any]]:
    """Spot and perpetual of each coin on three venues, two of them with a unified account: six rows a coin."""
    rows = []
    for coin in range(count):
        for venue, account in (("binance", ""), ("bybit", "unified"), ("okx", "unified")):
            for market in ("spot", "linear"):
                rows.append(instrument(len(rows), market, f"C{coin:03d}", venue=venue, account=account, max_px="0",
                                       max_qty="10000"))
    return rows


def make_venue_world(coin_count: int) -> World:
    """All fifteen pairs of each coin: nine spot against perpetual, three of perpetuals, three of spots; five a row."""
    world = World(venue_coins(coin_count), wide_limits())
    for venue in range(3):
        for market in (1, 2):
            world.core.set_balance(venue, market, "USDT", 10**9 * 10**8)
        for base in {row["base"] for row in world.rows}:
            world.core.set_balance(venue, 1, base, 10**6 * 10**8)
    params = PairParams(max_notional_usd=200_000, entry_net_bps=1)
    for first in range(0, 6 * coin_count, 6):
        spots, perps = (first, first + 2, first + 4), (first + 1, first + 3, first + 5)
        crossed = [(spot, perp) for spot in spots for perp in perps]
        for a, b in [*crossed, *combinations(perps, 2), *combinations(spots, 2)]:
            world.core.add_pair(a, b, params)
    return world


def wide_limits() -> dict[str, Any]:
    """Limits that no bench reaches."""
    return {"max_order_usd": 10**6, "max_position_usd": 10**8, "max_symbol_usd": 10**8, "max_venue_usd": 10**9,
              "max_total_usd": 10**9,
              "max_delta_usd": 10**8, "max_in_flight": 128, "max_orders_per_s": 10_000, "order_burst": 10_000,
              "max_trades_per_minute": 10**6,
              "tell_every_ms": 3_600_000}


def make_world(coin_count: int, perps: int = PERPS) -> World:
    """Funded, limits wide, every pair added; books still to come."""
    world = World(coins(coin_count, perps), wide_limits())
    for market in (1, 2):
        world.core.set_balance(0, market, "USDT", 10**9 * 10**8)
    for coin in range(coin_count):
        spot = coin * (perps + 1)
        for perp in range(perps):
            world.core.add_pair(spot, spot + 1 + perp, PairParams(max_notional_usd=200_000, entry_net_bps=1))
    return world


def record(world: World, row: int, mid: float, rng: random.Random, edge_bps: float = 0.0) -> bytes:
    """16 levels a side around mid * (1 + edge); 0.5 to 3 units a level."""
    is_spot = world.rows[row]["market"] == "spot"
    scale, qty_scale, tick = (2, 5, 1) if is_spot else (1, 3, 1)
    center = round(mid * (1 + edge_bps / 1e4) * 10**scale)
    bids = [(center - (1 + level * (1 + rng.randrange(3))) * tick, rng.randrange(500, 3000) * 10 ** (qty_scale - 3))
            for level in range(LEVELS)]
    asks = [(center + (1 + level * (1 + rng.randrange(3))) * tick, rng.randrange(500, 3000) * 10 ** (qty_scale - 3))
            for level in range(LEVELS)]
    bids = sorted(dict(bids).items(), reverse=True)
    asks = sorted(dict(asks).items())
    return world.record(row, bids, asks, flags=1, connection_id=row % 2)


def ring(world: World, rng: random.Random, size: int, rows: list[int] | None = None, edge_bps: float = 0.0) -> np.ndarray:
    """`size` records of uniformly random rows, as one block of bytes."""
    rows = rows if rows is not None else list(range(len(world.rows)))
    variants = {row: [record(world, row, 1000.0, rng, edge_bps) for _ in range(4)] for row in set(rows)}
    return np.frombuffer(b"".join(variants[rng.choice(rows)][rng.randrange(4)] for _ in range(size)), np.uint8)


def fill_books(world: World, rng: random.Random) -> None:
    for row in range(len(world.rows)):
        world.core.on_book(row, record(world, row, 1000.0, rng), row % 2, world.now, world.wall)
    world.evaluate()
