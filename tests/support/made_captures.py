"""Captures made in the test: a spot book and its perpetual, frames as Binance sends them, prices as the test wants them.

`MadeMarket` writes frames with correct update ids; the perpetual can be moved away from the spot price for a while, which pays
after fees."""
from __future__ import annotations

import json
import pathlib
from decimal import Decimal

from feeds.capture_format import MARKET_CODES, CaptureWriter
from feeds.instruments import InstrumentRow, InstrumentTable, unified_name

T0 = 1_723_161_253_000_000_000
MS = 1_000_000


def make_row(market: str, base: str = "BTC", **changes: object) -> InstrumentRow:
    values = {"id": 0, "name": unified_name("binance", market, base, "USDT", "USDT"), "venue": "binance", "market": market,
              "symbol": base + "USDT", "base": base, "quote": "USDT", "settle": "USDT", "underlying": base, "multiplier": 1,
              "contract_size": Decimal(1), "px_scale": 2, "qty_scale": 5 if market == "spot" else 3,
              "tick": Decimal("0.01"), "lot": Decimal("0.00001") if market == "spot" else Decimal("0.001"),
              "min_qty": Decimal("0.001"), "max_qty": Decimal(0), "min_notional": Decimal(5), "min_px": Decimal(0),
              "max_px": Decimal(0),
              "maker_fee": Decimal("0.0002"), "taker_fee": Decimal("0.001") if market == "spot" else Decimal("0.0005"),
              "status": "TRADING"}
    return InstrumentRow(**{**values, **changes})  # type: ignore[arg-type]


class MadeMarket:
    """Frames of one spot and one perpetual instrument in two captures or one."""

    def __init__(self, size: str = "2.000", depth: int = 5):
        self.size, self.depth = size, depth
        self.records: list[tuple[int, str, str, str]] = []  # (wall ns, "frame" | "snapshot" | "disconnect", market, payload)
        self.update_id = {"spot": 1000, "linear": 9000}
        self.shown: dict[str, dict[str, set[str]]] = {market: {"b": set(), "a": set()} for market in self.update_id}

    def levels(self, mid: Decimal, side: int) -> list[list[str]]:
        """depth levels around mid, 0.01 apart from half a tick away."""
        return [[f"{mid + side * (Decimal('0.01') * (i + 1)):.2f}", self.size] for i in range(self.depth)]

    def snapshot(self, at_ms: float, market: str, mid: str) -> None:
        body = {"lastUpdateId": self.update_id[market], "bids": self.levels(Decimal(mid), -1),
                "asks": self.levels(Decimal(mid), 1)}
        self.shown[market] = {"b": {px for px, _ in body["bids"]}, "a": {px for px, _ in body["asks"]}}
        self._add(at_ms, "snapshot", market, json.dumps(body))

    def move(self, at_ms: float, market: str, mid: str) -> None:
        """A depth delta that moves the whole book to `mid`, and a bookTicker that says the same."""
        first = self.update_id[market] + 1
        sides = {"b": self.levels(Decimal(mid), -1), "a": self.levels(Decimal(mid), 1)}
        event_ms = (T0 + int(at_ms * MS)) // MS - 5
        data: dict[str, object] = {"e": "depthUpdate", "E": event_ms, "s": "BTCUSDT", "U": first, "u": first + 1}
        if market == "linear":
            data |= {"T": event_ms, "pu": self.update_id[market]}
        for side, levels in sides.items():
            now = {px for px, _ in levels}
            data[side] = levels + [[px, "0"] for px in sorted(self.shown[market][side] - now)]
            self.shown[market][side] = now
        self.update_id[market] = first + 1
        self._add(at_ms, "frame", market, json.dumps({"stream": "btcusdt@depth@100ms", "data": data}))

    def ticker(self, at_ms: float, market: str, mid: str) -> None:
        bid, ask = self.levels(Decimal(mid), -1)[0], self.levels(Decimal(mid), 1)[0]
        data: dict[str, object] = {"u": self.update_id[market], "s": "BTCUSDT", "b": bid[0], "B": bid[1], "a": ask[0],
                                   "A": ask[1]}
        if market == "linear":
            data |= {"e": "bookTicker", "E": (T0 + int(at_ms * MS)) // MS - 5, "T": 1}
        self._add(at_ms, "frame", market, json.dumps({"stream": "btcusdt@bookTicker", "data": data}))

    def raw(self, at_ms: float, market: str, payload: str, kind: str = "frame") -> None:
        self._add(at_ms, kind, market, payload)

    def _add(self, at_ms: float, kind: str, market: str, payload: str) -> None:
        self.records.append((T0 + int(at_ms * MS), kind, market, payload))

    def write(self, path: pathlib.Path, markets: tuple[str, ...] = ("spot", "linear"), block_bytes: int = 4096,
              **row_changes: object) -> pathlib.Path:
        """One capture with the records of these markets, in order of time."""
        table = InstrumentTable()
        table.merge([make_row(market, **row_changes) for market in markets])
        row_of = {row.market: row.id for row in table.rows}
        venues = sorted({row.venue for row in table.rows})
        with CaptureWriter(path, venues=venues, table=table, source="made", block_bytes=block_bytes) as writer:
            for wall_ns, kind, market, payload in sorted(self.records, key=lambda record: record[0]):
                if market not in markets:
                    continue
                code = MARKET_CODES[market]
                if kind == "frame":
                    writer.frame(code, code, wall_ns, 0, payload.encode())
                elif kind == "snapshot":
                    writer.snapshot(code, row_of[market], wall_ns, 0, payload.encode(), code)
                else:
                    writer.disconnect(code, code, wall_ns, 0, payload)
        return path


def dislocated(seconds: int = 12, at_s: float = 8.0, hold_ms: float = 400, bps: int = 60, size: str = "2.000") -> MadeMarket:
    """Quiet books at 60,000, updated every 20 ms; the perpetual jumps up by `bps` once and comes back."""
    made = MadeMarket(size)
    for market in ("spot", "linear"):
        made.snapshot(0, market, "60000")
    for step in range(1, seconds * 50):
        at_ms = step * 20.0
        is_away = at_s * 1000 <= at_ms < at_s * 1000 + hold_ms
        perp = Decimal(60000) * (10_000 + (bps if is_away else 0)) / 10_000 + (step % 3) * Decimal("0.01")
        made.move(at_ms, "spot", f"{Decimal(60000) + (step % 2) * Decimal('0.01'):.2f}")
        made.move(at_ms + 1, "linear", f"{perp:.2f}")
    return made
