"""OKX: market data streams: channel and instId in, frames out.

`books` tells a snapshot (prevSeqId -1), then changes that each name the one before; the tops and REST count in the same numbers.
Checksums are 0, as since 2026-06, unless the option `checksums` asks for those of before.  Source: order book channel, public
data channels (2026-06 to 2026-09).
"""

from __future__ import annotations

import zlib
from typing import Any

import orjson

from tools.simex.book import Book
from tools.simex.contract import LINEAR, SPOT
from tools.simex.exact import format_e8
from tools.simex.hub import PARTIAL, TRADE, DepthStream, Hub, Levels, Print, Stream, TopStream
from tools.simex.instrument import Instrument
from tools.simex.okx_listing import INST_TYPES, trim
from tools.simex.venue import Venue

LEVELS_MAX = 400
CHECKED_LEVELS = 25
HEARTBEAT_MS = 60_000
FUNDING_REPEAT_MS, MARK_REPEAT_MS = 30_000, 10_000
TIER_CHANNELS = ("books-l2-tbt", "books50-l2-tbt")  # only for VIP accounts


def px_text(i: Instrument, px: int) -> str:
    return trim(i.px_text(px))


def level_rows(i: Instrument, levels: Levels) -> list[list[str]]:
    return [[trim(i.px_text(px)), i.size_text(qty), "0", "1"] for px, qty in levels]


def _levels_text(i: Instrument, levels: Levels) -> str:
    return ",".join([f'["{trim(i.px_text(px))}","{i.size_text(qty)}","0","{1 if qty else 0}"]' for px, qty in levels])


def checksum(i: Instrument, bids: Levels, asks: Levels) -> int:
    """CRC32, signed, of the best 25 of both sides interleaved; what a side lacks is skipped."""
    parts: list[str] = []
    for place in range(CHECKED_LEVELS):
        for side in (bids, asks):
            if place < len(side):
                px, qty = side[place]
                parts.append(f"{trim(i.px_text(px))}:{i.size_text(qty)}")
    crc = zlib.crc32(":".join(parts).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc


class OkxHub(Hub):
    """All streams of a market, and where the numbers of each instrument stand."""

    def __init__(self, venue: Venue, market: str, *, has_checksums: bool = False) -> None:
        super().__init__(venue, market)
        self.has_checksums = has_checksums
        self.offsets: dict[int, int] = {}  # by instrument index: numbering that began anew is so far behind the book's

    def seq_id(self, book: Book) -> int:
        return book.update_id - self.offsets.get(book.instrument.index, 0)

    def make_stream(self, channel: str, inst_id: str) -> Stream | None:
        """The stream of a public channel, or a new one; None when there is none of that name."""
        key = f"{channel}:{inst_id}"
        if key in self.streams:
            return self.streams[key]
        make = MAKERS.get(channel)
        book = self.books.get(inst_id)
        if make is None or book is None or (channel in LINEAR_CHANNELS and self.market != LINEAR):
            return None
        stream: Stream = make(key, channel, book, PERIODS_MS[channel])
        stream.hub = self  # type: ignore[attr-defined]
        return stream


class _Told:
    """What OKX's streams share: the envelope, and what a new listener of a stream without snapshot is told at once."""

    __slots__ = ()

    def envelope(self, data: str) -> bytes:
        stream: Any = self
        return f'{{"arg":{{"channel":"{stream.word}","instId":"{stream.instrument.symbol}"}},"data":[{data}]}}'.encode()


class Books(DepthStream, _Told):
    """`books`: 400 levels, every 100 ms."""

    __slots__ = ("hub", "last_ms", "seq")

    hub: OkxHub
    begins_whole = True

    def __init__(self, key: str, word: str, book: Book, period_ms: int) -> None:
        super().__init__(key, word, book, period_ms, LEVELS_MAX)
        self.seq = 0
        self.last_ms = 0

    def first(self, now_ms: int) -> bytes:
        bids, asks = self.snapshot()
        self.settled()
        self.seq, self.last_ms = self.hub.seq_id(self.book), now_ms
        return self._message("snapshot", bids, asks, -1, now_ms)

    def render(self, now_ms: int) -> bytes | None:
        changes = self.take_changes()
        previous = self.seq
        if changes is not None:
            self.settled()
            self.seq = self.hub.seq_id(self.book)
        elif now_ms - self.last_ms < HEARTBEAT_MS:
            return None
        self.last_ms = now_ms
        bids, asks = changes or ([], [])
        return self._message("update", bids, asks, previous, now_ms)

    def _message(self, action: str, bids: Levels, asks: Levels, previous: int, now_ms: int) -> bytes:
        i = self.instrument
        total = 0
        if self.hub.has_checksums:
            total = checksum(i, self.book.levels(True, CHECKED_LEVELS), self.book.levels(False, CHECKED_LEVELS))
        return (
            f'{{"arg":{{"channel":"{self.word}","instId":"{i.symbol}"}},"action":"{action}","data":[{{"asks":['
            f'{_levels_text(i, asks)}],"bids":[{_levels_text(i, bids)}],"ts":"{now_ms}","checksum":{total},'
            f'"prevSeqId":{previous},"seqId":{self.seq}}}]}}'
        ).encode()

    def crossed(self, payload: bytes) -> bytes:
        top = self.book.top()
        if top is None:
            return payload
        message = orjson.loads(payload)
        i = self.instrument
        message["data"][0]["bids"].insert(0, [px_text(i, top[2] + 5 * i.tick), i.size_text(i.step), "0", "1"])
        return orjson.dumps(message)

    def bad_checksum(self, payload: bytes) -> bytes:
        message = orjson.loads(payload)
        data = message["data"][0]
        data["checksum"] = data["checksum"] + 1 if data["checksum"] not in (0, -1) else 20_241_123
        return orjson.dumps(message)

    def reset(self, payload: bytes, now_ms: int) -> bytes:
        """As after a maintenance: the numbers begin anew, the chain holds."""
        message = orjson.loads(payload)
        data = message["data"][0]
        start = 1_000 + self.instrument.index
        self.hub.offsets[self.instrument.index] = self.book.update_id - start
        self.seq = data["seqId"] = start
        return orjson.dumps(message)


class Top(TopStream, _Told):
    """`bbo-tbt`."""

    __slots__ = ("hub",)

    hub: OkxHub

    def render(self, now_ms: int) -> bytes | None:
        return None if self.take_top(now_ms) is None else self.now(now_ms)

    def now(self, now_ms: int) -> bytes | None:
        top = self.book.top()
        if top is None:
            return None
        i, (bid, bid_qty, ask, ask_qty) = self.instrument, top
        return self.envelope(
            f'{{"asks":[{_levels_text(i, [(ask, ask_qty)])}],"bids":[{_levels_text(i, [(bid, bid_qty)])}],"ts":"{now_ms}",'
            f'"seqId":{self.hub.seq_id(self.book)}}}'
        )


class Best5(Stream, _Told):
    """`books5`: the best five when they changed."""

    __slots__ = ("hub", "shown")

    kind = PARTIAL
    hub: OkxHub

    def __init__(self, key: str, word: str, book: Book, period_ms: int) -> None:
        super().__init__(key, word, book, period_ms)
        self.shown: tuple[Levels, Levels] | None = None

    def render(self, now_ms: int) -> bytes | None:
        sides = self.book.levels(True, 5), self.book.levels(False, 5)
        if sides == self.shown:
            return None
        self.shown = sides
        return self.now(now_ms)

    def now(self, now_ms: int) -> bytes:
        i, book = self.instrument, self.book
        return self.envelope(
            f'{{"asks":[{_levels_text(i, book.levels(False, 5))}],"bids":[{_levels_text(i, book.levels(True, 5))}],'
            f'"instId":"{i.symbol}","ts":"{now_ms}","seqId":{self.hub.seq_id(book)}}}'
        )


class Trades(Stream, _Told):
    """`trades`; `side` is the taker's."""

    __slots__ = ("hub",)

    kind = TRADE
    hub: OkxHub

    def render_trade(self, trade: Print) -> bytes | None:
        row = trade_row(trade) | {"count": "1", "source": "0", "seqId": self.hub.seq_id(self.book)}
        return self.envelope(orjson.dumps(row).decode())

    def now(self, now_ms: int) -> bytes | None:
        return None


def trade_row(trade: Print) -> dict[str, Any]:
    i = trade.instrument
    return {
        "instId": i.symbol,
        "tradeId": str(trade.trade_id),
        "px": px_text(i, trade.px),
        "sz": i.size_text(trade.qty),
        "side": "sell" if trade.buyer_is_maker else "buy",
        "ts": str(trade.time_ms),
    }


class _Quoted(Stream, _Told):
    """A value that is told when it changed, and again after a while."""

    __slots__ = ("hub", "shown", "shown_ms")

    hub: OkxHub
    repeat_ms = 0

    def __init__(self, key: str, word: str, book: Book, period_ms: int) -> None:
        super().__init__(key, word, book, period_ms)
        self.shown: Any = None
        self.shown_ms = 0

    def value(self) -> Any:
        """What is compared; None = nothing to tell yet."""
        return None

    def row(self, now_ms: int) -> dict[str, Any]:
        return {}

    def render(self, now_ms: int) -> bytes | None:
        value = self.value()
        if value is None or (value == self.shown and not (self.repeat_ms and now_ms - self.shown_ms >= self.repeat_ms)):
            return None
        self.shown, self.shown_ms = value, now_ms
        return self.now(now_ms)

    def now(self, now_ms: int) -> bytes | None:
        return None if self.value() is None else self.envelope(orjson.dumps(self.row(now_ms)).decode())


class MarkPrice(_Quoted):
    __slots__ = ()

    repeat_ms = MARK_REPEAT_MS

    def value(self) -> Any:
        return self.hub.venue.mark_e8(self.instrument) or None

    def row(self, now_ms: int) -> dict[str, Any]:
        return mark_row(self.hub.venue, self.instrument, now_ms)


class IndexTicker(_Quoted):
    """`index-tickers` of a pair, by the name of its spot instrument."""

    __slots__ = ()

    def value(self) -> Any:
        return self.hub.venue.index_px_e8.get(self.instrument.symbol)

    def row(self, now_ms: int) -> dict[str, Any]:
        return index_row(self.hub.venue, self.instrument, now_ms)


class FundingRate(_Quoted):
    __slots__ = ()

    repeat_ms = FUNDING_REPEAT_MS

    def value(self) -> Any:
        funding = self.hub.venue.funding.get(self.instrument.symbol)
        return None if funding is None else (funding.rate_e8, funding.next_ms)

    def row(self, now_ms: int) -> dict[str, Any]:
        return funding_row(self.hub.venue, self.instrument, now_ms)


class Ticker(_Quoted):
    __slots__ = ()

    def value(self) -> Any:
        trades = self.hub.trades[self.instrument.symbol]
        return self.book.top(), trades[-1].trade_id if trades else 0

    def row(self, now_ms: int) -> dict[str, Any]:
        return ticker_row(self.hub, self.instrument, now_ms)


def mark_row(venue: Venue, i: Instrument, now_ms: int) -> dict[str, Any]:
    return {
        "instType": INST_TYPES[i.market],
        "instId": i.symbol,
        "markPx": trim(format_e8(venue.mark_e8(i))),
        "ts": str(now_ms),
    }


def index_row(venue: Venue, i: Instrument, now_ms: int) -> dict[str, Any]:
    px = trim(format_e8(venue.index_px_e8.get(i.symbol, 0)))
    row = dict.fromkeys(("idxPx", "high24h", "low24h", "open24h", "sodUtc0", "sodUtc8"), px)
    return {"instId": f"{i.base}-{i.quote}", **row, "ts": str(now_ms)}


def funding_row(venue: Venue, i: Instrument, now_ms: int) -> dict[str, Any]:
    """The rate applies at fundingTime; the interval is the distance to nextFundingTime."""
    funding = venue.funding[i.symbol]
    last = funding.history[-1]["rate_e8"] if funding.history else funding.rate_e8
    return {
        "formulaType": "withRate",
        "fundingRate": trim(format_e8(funding.rate_e8)),
        "fundingTime": str(funding.next_ms),
        "impactValue": "",
        "instId": i.symbol,
        "instType": "SWAP",
        "interestRate": "0.0001",
        "maxFundingRate": "0.00375",
        "method": "current_period",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": str(funding.next_ms + funding.interval_ms),
        "premium": "0",
        "settFundingRate": trim(format_e8(last)),
        "settState": "settled",
        "ts": str(now_ms),
    }


def ticker_row(hub: Hub, i: Instrument, now_ms: int) -> dict[str, Any]:
    top, trades = hub.books[i.symbol].top(), hub.trades[i.symbol]
    bid, bid_qty, ask, ask_qty = top or (0, 0, 0, 0)
    last, last_qty = (trades[-1].px, trades[-1].qty) if trades else (bid, 0)
    prices = [t.px for t in trades] or [last]
    volume = i.size_text(sum(t.qty for t in trades))
    open_px = px_text(i, prices[0])
    return {
        "instType": INST_TYPES[i.market],
        "instId": i.symbol,
        "last": px_text(i, last),
        "lastSz": i.size_text(last_qty),
        "askPx": px_text(i, ask) if top else "",
        "askSz": i.size_text(ask_qty) if top else "",
        "bidPx": px_text(i, bid) if top else "",
        "bidSz": i.size_text(bid_qty) if top else "",
        "open24h": open_px,
        "high24h": px_text(i, max(prices)),
        "low24h": px_text(i, min(prices)),
        "sodUtc0": open_px,
        "sodUtc8": open_px,
        "volCcy24h": trim(format_e8(sum(i.amount_e8(t.px, t.qty) for t in trades))),
        "vol24h": volume,
        "ts": str(now_ms),
    }


MAKERS: dict[str, Any] = {
    "books": Books,
    "bbo-tbt": Top,
    "books5": Best5,
    "trades": Trades,
    "tickers": Ticker,
    "mark-price": MarkPrice,
    "index-tickers": IndexTicker,
    "funding-rate": FundingRate,
}
PERIODS_MS = {
    "books": 100, "bbo-tbt": 10, "books5": 100, "trades": 0, "tickers": 100, "mark-price": 200, "index-tickers": 100,
    "funding-rate": 1000,
}  # fmt: skip
LINEAR_CHANNELS = ("mark-price", "funding-rate")
MARKET_OF_CHANNEL = {"index-tickers": SPOT}
