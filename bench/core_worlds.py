"""Worlds that the benches of the hot floor share: coins with one spot instrument and four perpetuals each, and rings of
records."""
import random
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


def make_world(coin_count: int, perps: int = PERPS) -> World:
    """Funded, limits wide, every pair added; books still to come."""
    limits = {"max_order_usd": 10**6, "max_position_usd": 10**8, "max_symbol_usd": 10**8, "max_venue_usd": 10**9,
              "max_total_usd": 10**9,
              "max_delta_usd": 10**8, "max_in_flight": 128, "max_orders_per_s": 10_000, "order_burst": 10_000,
              "max_trades_per_minute": 10**6,
              "tell_every_ms": 3_600_000}
    world = World(coins(coin_count, perps), limits)
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
