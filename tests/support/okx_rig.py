"""Builders for tests of OKX market data: rows with any scales, markets, messages."""

import zlib
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import orjson

from cext.decoders.okx import OkxMarket
from cext.instrument import make_instrument_array

MS = 1_000_000
T0 = 1_700_000_000_000  # ms; messages without a time of their own are later by their seqId
Levels = Any  # [(price text, size text), ...]


def okx_row(
    number: int,
    symbol: str,
    market: str = "spot",
    px_scale: int = 1,
    qty_scale: int = 2,
    contract: str = "1",
    lot: str | None = None,
) -> dict[str, Any]:
    """An instrument as a table row. contract: base units of one; lot: base units, default one step of qty_scale."""
    base, quote = f"C{number}", "USDT"
    name = f"okx:{base}/{quote}" + (f":{quote}" if market == "linear" else "")
    return {
        "id": number,
        "name": name,
        "venue": "okx",
        "market": market,
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": quote,
        "underlying": base,
        "multiplier": 1,
        "contract_size": contract,
        "px_scale": px_scale,
        "qty_scale": qty_scale,
        "tick": str(Decimal(1).scaleb(-px_scale)),
        "lot": lot or str(Decimal(1).scaleb(-qty_scale)),
        "min_qty": "0",
        "max_qty": "0",
        "min_notional": "0",
        "min_px": "0",
        "max_px": "0",
        "maker_fee": "0",
        "taker_fee": "0",
        "status": "TRADING",
        "account": "unified",
    }


def market_of(rows: list[dict[str, Any]]) -> OkxMarket:
    """All rows, of one market."""
    return OkxMarket(make_instrument_array(rows), rows[0]["market"], list(range(len(rows))))


def make_okx(market: str = "spot", symbols: dict[str, tuple[int, int]] | None = None) -> OkxMarket:
    """Rows in the order given; {"BTC-USDT": (px_scale, qty_scale)}."""
    return market_of(
        [
            okx_row(number, symbol, market, *scales)
            for number, (symbol, scales) in enumerate((symbols or {"BTC-USDT": (1, 2)}).items())
        ]
    )


def levels(side: Levels) -> list[list[str]]:
    return [[px, size, "0", "0" if size == "0" else "3"] for px, size in side]


def push(channel: str, data: Any, symbol: str = "BTC-USDT", **more: Any) -> bytes:
    """One frame of a channel."""
    return orjson.dumps({"arg": {"channel": channel, "instId": symbol}, **more, "data": data})


def book(
    action: str,
    seq: int | None,
    previous: int | None,
    bids: Levels = (),
    asks: Levels = (),
    *,
    ms: int | None = None,
    checksum: int | None = 0,
    symbol: str = "BTC-USDT",
) -> bytes:
    """A message of the channel books; None leaves a field out."""
    told: dict[str, Any] = {"asks": levels(asks), "bids": levels(bids), "ts": str(T0 + (seq or 0) if ms is None else ms)}
    told |= {key: value for key, value in (("checksum", checksum), ("prevSeqId", previous), ("seqId", seq)) if value is not None}
    return push("books", [told], symbol, action=action)


BIDS, ASKS = (("100.0", "1"), ("99.5", "2")), (("100.5", "3"), ("101", "4"))


def snapshot(seq: int | None = 100, bids: Levels = BIDS, asks: Levels = ASKS, **more: Any) -> bytes:
    return book("snapshot", seq, None if seq is None else -1, bids, asks, **more)


def update(previous: int | None, seq: int | None, bids: Levels = (), asks: Levels = (), **more: Any) -> bytes:
    return book("update", seq, previous, bids, asks, **more)


def top(
    seq: int, bid: tuple[str, str] | None, ask: tuple[str, str] | None, *, ms: int | None = None, symbol: str = "BTC-USDT"
) -> bytes:
    """A message of bbo-tbt."""
    return push(
        "bbo-tbt",
        [
            {
                "asks": levels([ask] if ask else []),
                "bids": levels([bid] if bid else []),
                "ts": str(T0 + seq if ms is None else ms),
                "seqId": seq,
            }
        ],
        symbol,
    )


def rest_book(seq: int, bids: Levels = BIDS, asks: Levels = ASKS, *, ms: int | None = None) -> bytes:
    """The reply of /api/v5/market/books."""
    return orjson.dumps(
        {
            "code": "0",
            "msg": "",
            "data": [{"asks": levels(asks), "bids": levels(bids), "ts": str(T0 + seq if ms is None else ms), "seqId": seq}],
        }
    )


def checksum_of(bids: Levels, asks: Levels) -> int:
    """The venue's rule, from levels that are sorted, best first: the plain twin of the decoder's."""
    parts = [text for pair in zip_longest(bids[:25], asks[:25]) for level in pair if level is not None for text in level]
    crc = zlib.crc32(":".join(parts).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc


def kinds(market: OkxMarket, frames: list[bytes]) -> list[str]:
    """What each frame did."""
    return [market.decode(frame, frame_mono_ns=(number + 1) * MS)["kind"] for number, frame in enumerate(frames)]
