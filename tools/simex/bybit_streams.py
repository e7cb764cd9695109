"""Bybit: public topics of one market: names in, frames out; one public websocket.

Book topics are numbered one by one (`u`) each for itself, `seq` counts for all channels of a symbol.  Level 1 sends snapshots
only and repeats the last one, with its `u`, after 3 s.  For spot and for level 1 `ts` stands before `type`, for linear depths
behind it.  Source: v5 docs websocket/public/*, recorded frames of 2026-08.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from tools.simex.book import Book
from tools.simex.bybit_listing import plain_e8, px_text, px_text_e8, qty_text
from tools.simex.bybit_words import seq_of, uuid_of
from tools.simex.contract import LINEAR, MD, SPOT
from tools.simex.exact import E8
from tools.simex.hub import MARK, TRADE, DepthStream, Hub, Levels, Print, Stream, TopStream
from tools.simex.instrument import Instrument

if TYPE_CHECKING:
    from tools.simex.venue import Venue

DEPTH_MS = {50: 20, 200: 100, 1000: 200}
TOP_MS, TOP_REPEAT_MS = 10, 3000
TICKERS_MS = {SPOT: 50, LINEAR: 100}
PRICE_LIMIT_MS = 300
FIRST_NUMBER = 15_000_000
TOPIC = re.compile(r"^(orderbook\.(?:1|50|200|1000)|publicTrade|tickers|priceLimit)\.([A-Z0-9]+)$")
SPOT_TRADE_BASE = 2_280_000_000_000_000_000


@dataclass(slots=True)
class Day:
    """What tickers tell of a symbol's trades, counted since the run began."""

    first_px: int = 0
    last_px: int = 0
    before_px: int = 0  # the trade price before the last
    high: int = 0
    low: int = 0
    volume: int = 0
    turnover_e8: int = 0


def tick_word(day: Day) -> str:
    return "ZeroPlusTick" if day.last_px == day.before_px else "PlusTick" if day.last_px > day.before_px else "MinusTick"


class Numbered:
    """The `u` of a book topic, kept by the hub while nobody listens."""

    __slots__ = ()

    def number(self: Any) -> int:
        return self.hub.numbers.setdefault(self.key, FIRST_NUMBER + 1000 * self.instrument.index)

    def next_number(self: Any) -> int:
        self.hub.numbers[self.key] = self.number() + 1
        return self.hub.numbers[self.key]


def book_frame(stream: Any, kind: str, sides: tuple[Levels, Levels], number: int, seq: int, now_ms: int) -> bytes:
    instrument = stream.instrument
    bids, asks = (_side_text(instrument, side) for side in sides)
    head = f'"type":"{kind}","ts":{now_ms}'
    if instrument.market == SPOT or stream.word == "orderbook.1":
        head = f'"ts":{now_ms},"type":"{kind}"'
    data = f'{{"s":"{instrument.symbol}","b":[{bids}],"a":[{asks}],"u":{number},"seq":{seq}}}'
    return f'{{"topic":"{stream.key}",{head},"data":{data},"cts":{now_ms}}}'.encode()


def _side_text(instrument: Instrument, levels: Levels) -> str:
    if instrument.market == LINEAR:
        px, qty = instrument.px_text, instrument.qty_text
        return ",".join([f'["{px(p)}","{qty(q) if q else 0}"]' for p, q in levels])
    return ",".join([f'["{px_text(instrument, p)}","{qty_text(instrument, q)}"]' for p, q in levels])


class Top(TopStream, Numbered):
    """`orderbook.1.<symbol>`."""

    __slots__ = ("hub", "seq")

    begins_whole = True

    def __init__(self, hub: BybitHub, key: str, book: Book) -> None:
        super().__init__(key, "orderbook.1", book, TOP_MS, TOP_REPEAT_MS)
        self.hub = hub
        self.seq = 0

    def _frame(self, now_ms: int) -> bytes | None:
        if self.shown is None:
            return None
        bid, bid_qty, ask, ask_qty = self.shown
        return book_frame(self, "snapshot", ([(bid, bid_qty)], [(ask, ask_qty)]), self.number(), self.seq, now_ms)

    def render(self, now_ms: int) -> bytes | None:
        before = self.shown
        if self.take_top(now_ms) is None:
            return None
        if self.shown != before:
            self.next_number()
            self.seq = seq_of(self.hub.venue, self.instrument)
        return self._frame(now_ms)

    def first(self, now_ms: int) -> bytes | None:
        return self.render(now_ms) or self._frame(now_ms)


class Depth(DepthStream, Numbered):
    """`orderbook.50.<symbol>`, 200, 1000."""

    __slots__ = ("hub",)

    begins_whole = True

    def __init__(self, hub: BybitHub, key: str, word: str, book: Book, levels: int) -> None:
        super().__init__(key, word, book, DEPTH_MS[levels], levels)
        self.hub = hub

    def _seq(self) -> int:
        return seq_of(self.hub.venue, self.instrument)

    def first(self, now_ms: int) -> bytes | None:
        return self.whole(now_ms, self.number() if self.listeners else self.next_number())

    def whole(self, now_ms: int, number: int) -> bytes:
        """A snapshot of what the listeners have to have now."""
        sides = self.snapshot()
        self.settled()
        return book_frame(self, "snapshot", sides, number, self._seq(), now_ms)

    def render(self, now_ms: int) -> bytes | None:
        changes = self.take_changes()
        if changes is None:
            return None
        self.settled()
        return book_frame(self, "delta", changes, self.next_number(), self._seq(), now_ms)

    def crossed(self, payload: bytes) -> bytes:
        top = self.book.top()
        if top is None:
            return payload
        i = self.instrument
        level = f'["{px_text(i, top[2] + 5 * i.tick)}","{qty_text(i, i.step)}"]'
        return payload.replace(b'"b":[', b'"b":[' + level.encode() + b",", 1).replace(b",]", b"]", 1)

    def reset(self, payload: bytes, now_ms: int) -> bytes:
        """The service restarted: a snapshot with u = 1."""
        self.hub.numbers[self.key] = 1
        return self.whole(now_ms, 1)


class Trades(Stream):
    """`publicTrade.<symbol>`."""

    __slots__ = ("hub",)

    kind = TRADE

    def __init__(self, hub: BybitHub, key: str, book: Book) -> None:
        super().__init__(key, "publicTrade", book, 0)
        self.hub = hub

    def render_trade(self, trade: Print) -> bytes | None:
        i = self.instrument
        side = "Sell" if trade.buyer_is_maker else "Buy"
        px, qty = px_text(i, trade.px), qty_text(i, trade.qty)
        seq = seq_of(self.hub.venue, i)
        if i.market == SPOT:
            head = f'"ts":{trade.time_ms},"type":"snapshot"'
            row = (
                f'"i":"{SPOT_TRADE_BASE + trade.trade_id}","T":{trade.time_ms},"p":"{px}","v":"{qty}","S":"{side}","seq":{seq},'
                f'"s":"{i.symbol}","BT":false,"RPI":false'
            )
        else:
            head = f'"type":"snapshot","ts":{trade.time_ms}'
            row = (
                f'"T":{trade.time_ms},"s":"{i.symbol}","S":"{side}","v":"{qty}","p":"{px}",'
                f'"L":"{tick_word(self.hub.days[i.symbol])}","i":"{uuid_of("trade", i.symbol, trade.trade_id)}",'
                f'"BT":false,"RPI":false,"seq":{seq}'
            )
        return f'{{"topic":"{self.key}",{head},"data":[{{{row}}}]}}'.encode()


class Tickers(Stream):
    """`tickers.<symbol>`: linear a snapshot, then what changed; spot snapshots."""

    __slots__ = ("hub", "told")

    begins_whole = True

    def __init__(self, hub: BybitHub, key: str, book: Book) -> None:
        super().__init__(key, "tickers", book, TICKERS_MS[hub.market])
        self.hub = hub
        self.told: dict[str, str] = {}

    def _frame(self, kind: str, fields: dict[str, str], now_ms: int) -> bytes:
        cs = seq_of(self.hub.venue, self.instrument)
        data = {"symbol": self.instrument.symbol} | fields
        if self.instrument.market == SPOT:
            return orjson.dumps({"topic": self.key, "ts": now_ms, "type": kind, "cs": cs, "data": data})
        return orjson.dumps({"topic": self.key, "type": kind, "data": data, "cs": cs, "ts": now_ms})

    def first(self, now_ms: int) -> bytes | None:
        if not self.told:
            self.told = self.hub.ticker(self.instrument)
        return self._frame("snapshot", self.told, now_ms)

    def render(self, now_ms: int) -> bytes | None:
        fields = self.hub.ticker(self.instrument)
        changed = {key: value for key, value in fields.items() if self.told.get(key) != value}
        if not changed:
            return None
        self.told = fields
        return self._frame("snapshot", fields, now_ms) if self.hub.market == SPOT else self._frame("delta", changed, now_ms)


class PriceLimit(Stream):
    """`priceLimit.<symbol>`: between what prices orders may be."""

    __slots__ = ("hub", "told")

    kind = MARK

    def __init__(self, hub: BybitHub, key: str, book: Book) -> None:
        super().__init__(key, "priceLimit", book, PRICE_LIMIT_MS)
        self.hub = hub
        self.told: tuple[str, str] | None = None

    def render(self, now_ms: int) -> bytes | None:
        instrument = self.instrument
        reference_e8 = self.hub.reference_e8(instrument)
        limits = [px_text_e8(instrument, int(reference_e8 * share)) for share in (instrument.percent_up, instrument.percent_down)]
        if self.told == tuple(limits) or not reference_e8:
            return None
        self.told = (limits[0], limits[1])
        data = {"symbol": instrument.symbol, "buyLmt": limits[0], "sellLmt": limits[1]}
        return orjson.dumps({"topic": self.key, "data": data, "ts": now_ms})


class BybitHub(Hub):
    """All topics of one market."""

    def __init__(self, venue: Venue, market: str) -> None:
        super().__init__(venue, market)
        self.numbers: dict[str, int] = {}  # topic -> u of its last message
        self.days = {symbol: Day() for symbol in self.books}

    def make_stream(self, topic: str) -> Stream | None:
        """The stream of that name, or a new one; None when there is no such topic."""
        if topic in self.streams:
            return self.streams[topic]
        match = TOPIC.match(topic)
        book = self.books.get(match.group(2)) if match is not None else None
        if match is None or book is None:
            return None
        word = match.group(1)
        if word == "publicTrade":
            return Trades(self, topic, book)
        if word == "tickers":
            return Tickers(self, topic, book)
        if word == "priceLimit":
            return PriceLimit(self, topic, book)
        levels = int(word.partition(".")[2])
        return Top(self, topic, book) if levels == 1 else Depth(self, topic, word, book, levels)

    def publish(self, stream: Stream, payload: bytes) -> None:
        """Fault `snapshot`: a whole book in place of a delta, with the number that was due, as after trouble at the venue."""
        if self.faults.has_md and isinstance(stream, Depth):
            instrument = stream.instrument
            if self.faults.take(MD, self.market, instrument.symbol, ("snapshot",)) is not None:
                payload = stream.whole(self.clock.wall_ms(), stream.number())
        super().publish(stream, payload)

    def trade(self, trade: Print) -> None:
        day, instrument = self.days[trade.instrument.symbol], trade.instrument
        day.first_px = day.first_px or trade.px
        day.before_px, day.last_px = day.last_px or trade.px, trade.px
        day.high, day.low = max(day.high, trade.px), min(day.low or trade.px, trade.px)
        day.volume += trade.qty
        day.turnover_e8 += instrument.amount_e8(trade.px, trade.qty)
        super().trade(trade)

    def reference_e8(self, instrument: Instrument) -> int:
        """What price limits are measured from: the mark, on spot the middle of the book; 0 = unknown."""
        if instrument.market == LINEAR:
            return self.venue.mark_e8(instrument)
        top = self.books[instrument.symbol].top()
        return (top[0] + top[2]) * E8 // (2 * 10**instrument.px_decimals) if top else 0

    def ticker(self, i: Instrument) -> dict[str, str]:
        """All fields of a ticker but the symbol."""
        day, top = self.days[i.symbol], self.books[i.symbol].top()
        middle = (top[0] + top[2]) // (2 * i.tick) * i.tick if top else 0
        last = day.last_px or middle
        first = day.first_px or last
        change = Decimal(last - first) / first if first else Decimal(0)
        fields = {
            "lastPrice": px_text(i, last),
            "highPrice24h": px_text(i, max(day.high, last)),
            "lowPrice24h": px_text(i, min(day.low or last, last)),
            "prevPrice24h": px_text(i, first),
            "volume24h": qty_text(i, day.volume),
            "turnover24h": plain_e8(day.turnover_e8),
            "price24hPcnt": f"{change:.4f}" if i.market == SPOT else f"{change:.6f}",
        }
        index_e8 = self.venue.index_px_e8.get(i.symbol, 0)
        if i.market == SPOT:
            return fields | {"usdIndexPrice": plain_e8(index_e8)}
        funding = self.venue.funding.get(i.symbol)
        positions = [account.positions.get(i.symbol) for account in self.venue.accounts.values()]
        held = sum(abs(position.qty) for position in positions if position is not None)  # nobody else is there to hold any
        fields |= {
            "tickDirection": tick_word(day),
            "prevPrice1h": px_text(i, first),
            "markPrice": px_text_e8(i, self.venue.mark_e8(i)),
            "indexPrice": px_text_e8(i, index_e8 or self.venue.mark_e8(i)),
            "openInterest": qty_text(i, held),
            "openInterestValue": plain_e8(i.notional_e8(self.venue.mark_e8(i), held)),
        }
        if funding is not None:
            fields |= {
                "fundingIntervalHour": str(funding.interval_hours),
                "fundingCap": "0.005",
                "nextFundingTime": str(funding.next_ms),
                "fundingRate": plain_e8(funding.rate_e8),
            }
        if top is not None:
            fields |= {
                "bid1Price": px_text(i, top[0]),
                "bid1Size": qty_text(i, top[1]),
                "ask1Price": px_text(i, top[2]),
                "ask1Size": qty_text(i, top[3]),
            }
        return fields | {"preOpenPrice": "", "preQty": "", "curPreListingPhase": ""}
