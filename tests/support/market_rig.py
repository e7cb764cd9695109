"""Builders for tests of Binance market data: rows with any scales, markets, messages, and the text form of books that
data/README.md digests."""
import hashlib
from decimal import Decimal
from typing import Any

import orjson

from cext.decoders.binance import BinanceMarket
from cext.instrument import make_instrument_array

MS = 1_000_000


def market_row(number: int, symbol: str, market: str, px_scale: int, qty_scale: int) -> dict[str, Any]:
    """An instrument as a table row; base = symbol without its last four letters."""
    base, quote = symbol[:-4], symbol[-4:]
    name = f"binance:{base}/{quote}" + (f":{quote}" if market == "linear" else "")
    return {"id": number, "name": name, "venue": "binance", "market": market, "symbol": symbol, "base": base, "quote": quote,
            "settle": quote,
            "underlying": base, "multiplier": 1, "contract_size": "1", "px_scale": px_scale, "qty_scale": qty_scale,
            "tick": str(Decimal(1).scaleb(-px_scale)), "lot": str(Decimal(1).scaleb(-qty_scale)), "min_qty": "0", "max_qty": "0",
            "min_notional": "0", "min_px": "0", "max_px": "0", "maker_fee": "0", "taker_fee": "0", "status": "TRADING"}


def make_market(market: str, symbols: dict[str, tuple[int, int]] | None = None) -> BinanceMarket:
    """Rows in the order given; {"BTCUSDT": (px_scale, qty_scale)}."""
    symbols = symbols or {"BTCUSDT": (2, 3)}
    rows = [market_row(number, symbol, market, *scales) for number, (symbol, scales) in enumerate(symbols.items())]
    return BinanceMarket(make_instrument_array(rows), market, list(range(len(rows))))


def depth(first: int, last: int, bids: Any = (), asks: Any = (), *, previous: int | None = None, symbol: str = "BTCUSDT",
          event_ms: int = 1_700_000_000_000) -> bytes:
    """A depth message; `previous` (pu) makes it one of USD-M. Levels as (price text, size text)."""
    told: dict[str, Any] = {"e": "depthUpdate", "E": event_ms, "s": symbol, "U": first, "u": last}
    if previous is not None:
        told |= {"T": event_ms - 1, "pu": previous}
    return orjson.dumps(told | {"b": [list(level) for level in bids], "a": [list(level) for level in asks]})


def top(update_id: int, bid: tuple[str, str], ask: tuple[str, str], *, symbol: str = "BTCUSDT",
        event_ms: int | None = None) -> bytes:
    """A bookTicker message; `event_ms` makes it one of USD-M."""
    told: dict[str, Any] = {"u": update_id, "s": symbol, "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]}
    if event_ms is not None:
        told = {"e": "bookTicker", "E": event_ms, "T": event_ms, **told}
    return orjson.dumps(told)


def snapshot(update_id: int, bids: Any = (("100.00", "1"),), asks: Any = (("101.00", "1"),)) -> bytes:
    """A REST depth body."""
    return orjson.dumps({"lastUpdateId": update_id, "bids": [list(level) for level in bids],
                         "asks": [list(level) for level in asks]})


def plain(value: int, scale: int) -> str:
    """A plain decimal without trailing zeros."""
    text = format(Decimal(value).scaleb(-scale), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def book_digest(book: dict[str, list[tuple[int, int]]], px_scale: int, qty_scale: int) -> str:
    """First 16 hex digits of SHA-256 over `price,quantity` lines: bids from the best down, `-`, asks from the best up."""
    def lines(side: str) -> str:
        return "".join(f"{plain(px, px_scale)},{plain(qty, qty_scale)}\n" for px, qty in book[side])
    return hashlib.sha256((lines("bids") + "-\n" + lines("asks")).encode()).hexdigest()[:16]
