"""Market data streams that every dialect uses: who listens, what changed since a stream spoke last, when it may speak again.

A dialect subclasses `TopStream`, `DepthStream` or `Stream` once for each kind of channel and gives `render`, the bytes; `Hub`
keeps the streams of one market; `Pacer` lets the ones with a speed speak in their turn.  Streams exist while somebody listens. 
Each payload is built once, whoever listens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tools.simex.book import Book
from tools.simex.instrument import Instrument

if TYPE_CHECKING:
    from tools.simex.venue import Venue

Send = Callable[[bytes], None]


class Listener(Protocol):
    """Who gets a stream's frames: a session, or its link."""

    @property
    def send(self) -> Send: ...


Levels = list[tuple[int, int]]

TOP, DEPTH, PARTIAL, TRADE, MARK = "top", "depth", "partial", "trade", "mark"
BOOK_KINDS = (TOP, DEPTH, PARTIAL)

TICK_NS = 2_000_000  # grain of stream speeds
TRADES_KEPT = 500


class Print(NamedTuple):
    """One trade as the public sees it."""

    instrument: Instrument
    px: int
    qty: int
    buyer_is_maker: bool
    trade_id: int
    time_ms: int


class Stream:
    """One stream of one instrument.  `kind` is neutral, `word` the venue's name of the channel; faults name either."""

    __slots__ = ("book", "held", "instrument", "key", "listeners", "period_ms", "word")

    kind = MARK
    begins_whole = False  # `first` is what a new listener gets before anything else

    def __init__(self, key: str, word: str, book: Book, period_ms: int) -> None:
        """`key`: the subscription as the venue spells it, unique in its hub; `period_ms`: 0 = speaks at once."""
        self.key = key
        self.word = word
        self.book = book
        self.instrument = book.instrument
        self.period_ms = period_ms
        self.listeners: list[Listener] = []
        self.held: bytes | None = None  # a frame kept back by the fault `swap`

    def first(self, now_ms: int) -> bytes | None:
        """With `begins_whole`: the snapshot for a new listener; what was not told yet has been told to the others just before."""
        return None

    def render(self, now_ms: int) -> bytes | None:
        """What there is to say now, None = nothing.  Called in its turn, or at once after each change when the period is 0."""
        return None

    def render_trade(self, trade: Print) -> bytes | None:
        """kind TRADE: a trade that just happened."""
        return None

    # Faults of the venue's own frames; what a stream cannot do it passes on as it is.

    def crossed(self, payload: bytes) -> bytes:
        """The depth event with one more bid, above the best ask."""
        return payload

    def bad_checksum(self, payload: bytes) -> bytes:
        return payload

    def reset(self, payload: bytes, now_ms: int) -> bytes:
        """In place of a built event: what the venue sends when its numbering starts anew."""
        return payload

    def close(self) -> None:
        """Nobody listens any more."""


class TopStream(Stream):
    """Best bid and ask, when they changed since this stream showed them, and again after `repeat_ms` (0 = not)."""

    __slots__ = ("repeat_ms", "shown", "shown_ms")

    kind = TOP

    def __init__(self, key: str, word: str, book: Book, period_ms: int, repeat_ms: int = 0) -> None:
        super().__init__(key, word, book, period_ms)
        self.shown: tuple[int, int, int, int] | None = None
        self.shown_ms = 0
        self.repeat_ms = repeat_ms

    def take_top(self, now_ms: int) -> tuple[int, int, int, int] | None:
        """(bid px, bid qty, ask px, ask qty) when it is to be shown now."""
        top = self.book.top()
        if top is None or (top == self.shown and not (self.repeat_ms and now_ms - self.shown_ms >= self.repeat_ms)):
            return None
        self.shown, self.shown_ms = top, now_ms
        return top


class DepthStream(Stream):
    """Levels that changed since the last event; with `limit`, of the best so many levels of a side: what falls out of them is
    told as gone, what comes in is told."""

    __slots__ = ("_shown", "limit", "tracker")

    kind = DEPTH

    def __init__(self, key: str, word: str, book: Book, period_ms: int, limit: int = 0) -> None:
        super().__init__(key, word, book, period_ms)
        self.tracker = book.track()
        self.limit = limit
        self._shown: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def snapshot(self) -> tuple[Levels, Levels]:
        """(bids, asks) best first as a new listener has to have them."""
        limit = self.limit or 1 << 30
        sides = self.book.levels(True, limit), self.book.levels(False, limit)
        if self.limit:
            self._shown = (dict(sides[0]), dict(sides[1]))
        return sides

    def take_changes(self) -> tuple[Levels, Levels] | None:
        """(bids, asks) with quantity 0 for gone levels, best first; None when nothing (of the window) changed. 
        `tracker.first_id` and `tracker.last_id` still say from which id on; call `settled` when they were read."""
        tracker = self.tracker
        if tracker.is_empty:
            return None
        book = self.book
        if self.limit == 0:
            bids, asks = book.bids, book.asks
            return (
                [(px, bids.get(px, 0)) for px in sorted(tracker.bids, reverse=True)],
                [(px, asks.get(px, 0)) for px in sorted(tracker.asks)],
            )
        changed_bids, changed_asks = self._window(True, tracker.bids), self._window(False, tracker.asks)
        if not changed_bids and not changed_asks:
            self.settled()
            return None
        return changed_bids, changed_asks

    def settled(self) -> None:
        """The changes were told."""
        self.tracker.clear(self.book.update_id)

    def _window(self, is_bid: bool, changed: set[int]) -> Levels:
        """What of one side's window changed; remembers the window as shown."""
        if not changed:
            return []
        book, shown = self.book, self._shown[0 if is_bid else 1]
        prices, levels = (book.bid_prices, book.bids) if is_bid else (book.ask_prices, book.asks)
        inside = prices[-self.limit :] if is_bid else prices[: self.limit]
        found = [(px, levels[px]) for px in inside if shown.get(px) != levels[px]]
        if len(shown) + sum(px not in shown for px, _ in found) > len(inside):
            kept = set(inside)
            found += [(px, 0) for px in shown if px not in kept]
            found.sort(reverse=is_bid)
        for px, qty in found:
            if qty:
                shown[px] = qty
            else:
                del shown[px]
        return found

    def close(self) -> None:
        self.book.untrack(self.tracker)


class Hub:
    """All streams of one market of a venue."""

    def __init__(self, venue: Venue, market: str) -> None:
        self.venue = venue
        self.market = market
        self.books = venue.books[market]
        self.clock = venue.clock
        self.faults = venue.faults
        self.pacer = venue.pacer
        self.streams: dict[str, Stream] = {}
        self.trades: dict[str, deque[Print]] = {symbol: deque(maxlen=TRADES_KEPT) for symbol in self.books}
        self.frames_built = 0
        self.frames_sent = 0
        self.raw_mode = False  # market: capture - recorded frames are passed on, none are built
        # instrument index -> monotonic ns of the first book frame since it was asked for; 0 = none yet
        self.noted: dict[int, int] = {}
        self._at_once: dict[str, dict[int, list[Stream]]] = {kind: {} for kind in (TOP, DEPTH, PARTIAL, TRADE, MARK)}
        self._tops, self._depths = self._at_once[TOP], self._at_once[DEPTH]

    # ---- subscriptions ---------------------------------------------------------------------------

    def attach(self, stream: Stream, listener: Listener) -> None:
        """`listener` hears it from now on (acknowledge before); the first one brings the stream to life.  Look in `streams`
        before making one anew."""
        if stream.key not in self.streams:
            self.streams[stream.key] = stream
            if stream.period_ms > 0:
                self.pacer.add(self, stream)
            else:
                self._at_once[stream.kind].setdefault(stream.instrument.index, []).append(stream)
        if stream.begins_whole:
            self._begin(stream, listener)
        stream.listeners.append(listener)

    def _begin(self, stream: Stream, listener: Listener) -> None:
        """The snapshot, unless fault `nosnap` keeps it; listeners share one state, so the others get what they lack first."""
        now_ms, instrument = self.clock.wall_ms(), stream.instrument
        if stream.listeners:
            self.speak(stream, now_ms)
        payload = stream.first(now_ms)
        if payload is not None and self.faults.take("md", self.market, instrument.symbol, ("nosnap",)) is None:
            self.frames_built += 1
            self.frames_sent += 1
            listener.send(payload)

    def detach(self, stream: Stream, listener: Listener) -> None:
        stream.listeners.remove(listener)
        if stream.listeners:
            return
        del self.streams[stream.key]
        if stream.period_ms > 0:
            self.pacer.remove(stream)
        else:
            self._at_once[stream.kind][stream.instrument.index].remove(stream)
        stream.close()

    def hears(self, instrument: Instrument) -> bool:
        """Whether somebody listens to its book."""
        return any(stream.instrument is instrument and stream.kind in BOOK_KINDS for stream in self.streams.values())

    # ---- what happened ---------------------------------------------------------------------------

    def book_changed(self, book: Book, now_ms: int) -> None:
        """Let the streams without a period speak."""
        index = book.instrument.index
        top = book.top()
        if top is not None and top != book.shown_top:
            book.shown_top = top
            if index in self._tops:
                for stream in self._tops[index]:
                    self.speak(stream, now_ms)
        if index in self._depths:
            for stream in self._depths[index]:
                self.speak(stream, now_ms)

    def trade(self, trade: Print) -> None:
        """A trade: kept for queries, told to the streams of kind TRADE."""
        self.trades[trade.instrument.symbol].append(trade)
        for stream in self._at_once[TRADE].get(trade.instrument.index, ()):
            payload = stream.render_trade(trade)
            if payload is not None:
                self.publish(stream, payload)

    # ---- sending ---------------------------------------------------------------------------------

    def speak(self, stream: Stream, now_ms: int) -> None:
        payload = stream.render(now_ms)
        if payload is not None:
            self.publish(stream, payload)

    def publish(self, stream: Stream, payload: bytes) -> None:
        """One payload to all listeners, through the market-data faults."""
        self.frames_built += 1
        if self.noted and stream.kind in BOOK_KINDS and self.noted.get(stream.instrument.index) == 0:
            self.noted[stream.instrument.index] = self.clock.mono_ns()
        if self.faults.has_md:
            for frame in self.faults.market_frames(self, stream, payload):
                self.fan_out(stream, frame)
            return
        self.fan_out(stream, payload)

    def fan_out(self, stream: Stream, payload: bytes) -> None:
        for listener in stream.listeners:
            listener.send(payload)
        self.frames_sent += len(stream.listeners)

    def pass_raw(self, key: str, payload: bytes) -> None:
        """Recorded frame of a stream, byte for byte (market: capture)."""
        stream = self.streams.get(key)
        if stream is not None:
            self.publish(stream, payload)


class Pacer:
    """Streams with a period, spread over it by instrument."""

    def __init__(self) -> None:
        self._rings: dict[int, list[list[tuple[Hub, Stream]]]] = {}
        self._places: dict[int, list[tuple[Hub, Stream]]] = {}
        self._tick = 0
        self._next_ns = 0

    def add(self, hub: Hub, stream: Stream) -> None:
        ticks = max(1, stream.period_ms * 1_000_000 // TICK_NS)
        ring = self._rings.get(ticks)
        if ring is None:
            ring = self._rings[ticks] = [[] for _ in range(ticks)]
        place = ring[stream.instrument.index * 37 % ticks]
        place.append((hub, stream))
        self._places[id(stream)] = place

    def remove(self, stream: Stream) -> None:
        place = self._places.pop(id(stream))
        place[:] = [entry for entry in place if entry[1] is not stream]

    def step(self, now_ns: int, now_ms: int) -> None:
        """Everything that is due."""
        if self._next_ns == 0:
            self._next_ns = now_ns
        for _ in range(50):
            if now_ns < self._next_ns:
                return
            self._next_ns += TICK_NS
            self._tick += 1
            for ticks, ring in self._rings.items():
                place = ring[self._tick % ticks]
                if place:
                    for hub, stream in list(place):
                        if not hub.raw_mode:
                            hub.speak(stream, now_ms)
        # Far behind (a stopped process): start over from now instead of sending a storm.
        self._next_ns = max(self._next_ns, now_ns)
