"""Builders for tests of Bybit market data: decoders with rows of any scales, and messages in the key orders that the venue uses."""
from typing import Any

import orjson

from cext.decoders.bybit import BybitMarket
from cext.instrument import make_instrument_array
from tests.support.market_rig import market_row

TS = 1_700_000_000_002
CTS = 1_700_000_000_000


def make_bybit(market: str, symbols: dict[str, tuple[int, int]] | None = None) -> BybitMarket:
    """Rows in the order given; {"BTCUSDT": (px_scale, qty_scale)}."""
    rows = []
    for number, (symbol, scales) in enumerate((symbols or {"BTCUSDT": (2, 3)}).items()):
        row = market_row(number, symbol, market, *scales)
        rows.append({**row, "venue": "bybit", "name": row["name"].replace("binance:", "bybit:"), "account": "unified"})
    return BybitMarket(make_instrument_array(rows), market, list(range(len(rows))))


def book(kind: str, u: int, seq: int, bids: Any = (), asks: Any = (), *, depth: int = 50, symbol: str = "BTCUSDT",
         is_spot: bool = False, cts: int = CTS) -> bytes:
    """An orderbook message, kind snapshot or delta. Spot, and level 1 of linear, have `ts` before `type`."""
    data = {"s": symbol, "b": [list(level) for level in bids], "a": [list(level) for level in asks], "u": u, "seq": seq}
    head = {"ts": TS, "type": kind} if is_spot or depth == 1 else {"type": kind, "ts": TS}
    return orjson.dumps({"topic": f"orderbook.{depth}.{symbol}", **head, "data": data, "cts": cts})


def top(u: int, seq: int, bid: tuple[str, str] | None, ask: tuple[str, str] | None, **more: Any) -> bytes:
    """orderbook.1; None = that side is empty."""
    return book("snapshot", u, seq, [bid] if bid else [], [ask] if ask else [], depth=1, **more)


def ticker(kind: str, ts: int = TS, symbol: str = "BTCUSDT", **fields: str) -> bytes:
    """A ticker of linear."""
    return orjson.dumps({"topic": f"tickers.{symbol}", "type": kind, "data": {"symbol": symbol, **fields}, "cs": 9532239429,
                         "ts": ts})


def rest_book(u: int, seq: int, bids: Any = (), asks: Any = (), symbol: str = "BTCUSDT") -> bytes:
    """A reply of GET /v5/market/orderbook."""
    return orjson.dumps({"retCode": 0, "retMsg": "OK", "result": {
        "s": symbol, "b": [list(level) for level in bids], "a": [list(level) for level in asks], "ts": TS, "u": u, "seq": seq,
        "cts": CTS},
        "retExtInfo": {}, "time": TS})
