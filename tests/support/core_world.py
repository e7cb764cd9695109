"""A small world for tests of the core: instruments, book records as bytes, and a Core that is ready to trade.

Prices and sizes are given as the decimals a person would write; `World` scales them. Times are plain ints from START on."""
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from cext.core import Core, CoreLimits, PairParams
from cext.instrument import make_instrument_array
from cext.layout import DTYPES

START = 1_000_000_000_000      # mono ns
WALL = 1_790_000_000_000_000_000
MS = 1_000_000
SECOND = 1_000_000_000
VALID, CROSSED, COMPLETE, REPEAT = 1, 2, 4, 16
SPOT, LINEAR = 1, 2
BUY, SELL = 0, 1
ENTRY, EXIT, CHASE, UNWIND, MANUAL = range(5)
SINGLE, SIMULTANEOUS = 2, 0
REDUCE_ONLY = 1
ACTIVE, CAUTIOUS, RESTRICTED, HALTED, EMERGENCY = range(5)


def instrument(row_id: int, market: str, base: str = "BTC", **changes: Any) -> dict[str, Any]:
    """One row of a table, with the scales and filters of Binance BTC unless changed."""
    is_spot = market == "spot"
    quote, venue = changes.get("quote", "USDT"), changes.get("venue", "binance")
    row = {
        "id": row_id, "name": f"{venue}:{base}/{quote}" + ("" if is_spot else f":{quote}"), "venue": venue, "market": market,
        "symbol": f"{base}{quote}", "base": base, "quote": quote, "settle": quote, "underlying": base, "multiplier": 1,
        "contract_size": "1", "px_scale": 2 if is_spot else 1, "qty_scale": 5 if is_spot else 3,
        "tick": "0.01" if is_spot else "0.1", "lot": "0.00001" if is_spot else "0.001",
        "min_qty": "0.00001" if is_spot else "0.001",
        "max_qty": "100", "min_notional": "5", "min_px": "0.1", "max_px": "1000000", "maker_fee": "0.0002",
        "taker_fee": "0.001" if is_spot else "0.0005", "status": "TRADING"}
    row.update(changes)
    return row


def scaled(value: Any, scale: int) -> int:
    number = Decimal(str(value)).scaleb(scale)
    assert number == number.to_integral_value(), f"{value} at scale {scale}"
    return int(number)


class World:
    """Core over given instruments; `book()` feeds a record, `evaluate()` looks. Time stands still unless `now` is moved."""

    def __init__(self, rows: Sequence[dict[str, Any]] | None = None, limits: dict[str, Any] | None = None,
                 fund: bool = True) -> None:
        self.rows = list(rows) if rows is not None else [instrument(0, "spot"), instrument(1, "linear")]
        self.array = make_instrument_array(self.rows)
        self.core = Core(self.array, CoreLimits(**(limits or {})), 7, 3)
        self.now = START
        self.wall = WALL
        self.seq = [0] * len(self.rows)
        self.core.set_trading_word(ACTIVE)
        for venue_id in range(len(self.array.venues)):
            for market in (SPOT, LINEAR):
                self.core.set_session(venue_id, market, True)
        if fund:
            for venue_id in range(len(self.array.venues)):
                for market in (SPOT, LINEAR):
                    for asset in {row["quote"] for row in self.rows}:
                        self.core.set_balance(venue_id, market, asset, 100_000 * 10**8)
                for base in {row["base"] for row in self.rows}:
                    self.core.set_balance(venue_id, SPOT, base, 10 * 10**8)

    def px(self, row: int, value: Any) -> int:
        return scaled(value, self.rows[row]["px_scale"])

    def qty(self, row: int, value: Any) -> int:
        return scaled(value, self.rows[row]["qty_scale"])

    def levels(self, row: int, levels: Sequence[tuple[Any, Any]]) -> list[tuple[int, int]]:
        return [(self.px(row, px), self.qty(row, qty)) for px, qty in levels]

    def record(self, row: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], flags: int = VALID | COMPLETE,
               **fields: Any) -> bytes:
        """Raw scaled levels to the bytes of a record; ids and stamps move on by themselves unless given."""
        self.seq[row] += 1
        record = np.zeros((), DTYPES["book_record_t"])
        record["instrument_seq"] = self.seq[row]
        record["instrument_id"] = row
        record["flags"] = flags
        record["bid_count"], record["ask_count"] = len(bids), len(asks)
        record["bid_levels_total"], record["ask_levels_total"] = len(bids), len(asks)
        record["depth_update_id"] = 1000 + self.seq[row]
        record["batch_mono_ns"] = record["frame_mono_ns"] = record["publish_mono_ns"] = self.now
        record["alive_mono_ns"] = self.now
        record["recv_wall_ns"] = self.wall
        record["quiet_limit_ms"] = 2_000
        for name, side in (("bids", bids), ("asks", asks)):
            for index, (px, qty) in enumerate(side):
                record[name][index]["px"], record[name][index]["qty"] = px, qty
        for name, value in fields.items():
            record[name] = value
        return record.tobytes()

    def book(self, row: int, bids: Sequence[tuple[Any, Any]], asks: Sequence[tuple[Any, Any]], flags: int = VALID | COMPLETE,
             connection: int | None = None, **fields: Any) -> None:
        """Feeds a book given in decimals."""
        data = self.record(row, self.levels(row, bids), self.levels(row, asks), flags, **fields)
        self.core.on_book(row, data, row % 2 if connection is None else connection, self.now, self.wall)

    def funding(self, row: int, mark: Any, rate: Any = 0, **fields: Any) -> None:
        record = np.zeros((), DTYPES["funding_record_t"])
        record["mark_px"] = self.px(row, mark)
        record["rate_e8"] = scaled(rate, 8)
        record["recv_mono_ns"] = self.now
        record["instrument_id"] = row
        record["interval_s"] = 28_800
        for name, value in fields.items():
            record[name] = value
        self.core.on_funding(row, record.tobytes(), self.now, self.wall)

    def evaluate(self) -> list[tuple[int, int, int]]:
        return self.core.evaluate(self.now, self.wall)

    def submit(self, purpose: int, legs: Sequence[tuple[int, int, Any, Any, int]], kind: int = SINGLE, ttl_ns: int = 500 * MS,
               pair: int = -1, trade_id: int = 1) -> tuple[int, int]:
        """legs: (row, side, px, qty, flags) in decimals."""
        raw = [(row, side, self.px(row, px), self.qty(row, qty), flags) for row, side, px, qty, flags in legs]
        return self.core.submit(purpose, trade_id, pair, raw, kind, ttl_ns, self.now, self.wall)

    def fill_all(self, pool_index: int) -> dict[str, Any]:
        """Both orders of an intent filled at their limits, fees as configured, reservations given back."""
        intent = self.core.intent(pool_index)
        for index, leg in enumerate(intent["legs"]):
            row = leg["instrument_id"]
            in_base = self.rows[row]["market"] == "spot" and leg["side"] == BUY
            fee = -(-leg["qty"] * leg["fee_e8"] // 10**8) if in_base else 0
            self.core.apply_fill(row, leg["side"], leg["qty"], leg["limit_px"], fee)
            assert self.core.release(intent["intent_id"], index)
        return intent


def trading_pair(limits: dict[str, Any] | None = None, **params: Any) -> World:
    """BTC spot and perpetual, one pair, both books fed without an edge."""
    world = World(limits=limits)
    world.core.add_pair(0, 1, PairParams(**params))
    world.book(0, [("60000.00", "1")], [("60000.10", "1")])
    world.book(1, [("60000.0", "1")], [("60000.1", "1")])
    assert world.evaluate() == []
    return world
