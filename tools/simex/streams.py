"""Market data streams of one Binance market: subscriptions in, frames out.

`MarketData` keeps who wants which stream and builds each payload once; `MarketSession` is one websocket's dialect (SUBSCRIBE
and friends, raw or combined wrapping, the three routes of USD-M).  Bytes in, bytes out: a session's `send` is a callable given
by whoever owns the socket. Source: binance-spot-api-docs web-socket-streams.md (2026-07), USD-M websocket-market-streams
(2026-05), routes announced 2026-03-05.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from tools.simex.book import Book, DepthTracker
from tools.simex.clock import Clock
from tools.simex.faults import Faults
from tools.simex.instrument import LINEAR, SPOT, Instrument

Send = Callable[[bytes], None]

_STREAM = re.compile(
    r"^([a-z0-9_]+)@(depth(?:5|10|20)?|bookTicker|trade|aggTrade|markPrice)(?:@(0ms|100ms|250ms|500ms|1000ms|1s|3s))?$"
)
DEFAULT_DEPTH_MS = {SPOT: 1000, LINEAR: 250}
STREAMS_MAX = 1024


class Stream:
    """One subscribed stream name of one instrument."""

    __slots__ = ("book", "held", "instrument", "kind", "levels", "name", "period_ms", "sessions", "tracker", "wrapper")

    def __init__(self, name: str, kind: str, book: Book, period_ms: int, levels: int) -> None:
        self.name = name
        self.kind = kind
        self.book = book
        self.instrument: Instrument = book.instrument
        self.period_ms = period_ms
        self.levels = levels
        self.sessions: list[MarketSession] = []
        self.tracker: DepthTracker | None = None
        self.wrapper = b'{"stream":"' + name.encode() + b'","data":'
        self.held: bytes | None = None  # a frame kept back by the fault `swap`


class MarketData:
    """All streams of one market."""

    def __init__(self, market: str, books: dict[str, Book], clock: Clock, faults: Faults) -> None:
        self.market = market
        self.books = books
        self.clock = clock
        self.faults = faults
        self.streams: dict[str, Stream] = {}
        self.by_kind: dict[tuple[str, str], list[Stream]] = {}
        self.sessions: list[MarketSession] = []
        self.frames_sent = 0
        self.frames_built = 0
        self.last_trade: dict[str, dict[str, Any]] = {}
        self.trades: dict[str, deque[dict[str, Any]]] = {symbol: deque(maxlen=500) for symbol in books}
        self.note_send_time = False  # a dislocation is being published: remember when its first frame left
        self.last_send_ns = 0
        self.raw_mode = False  # market: capture - recorded frames are passed on, none are built

    # ---- subscriptions ---------------------------------------------------------------------------

    def open_stream(self, name: str) -> Stream | None:
        """The stream of that name; None when there is no such stream (the venue accepts it and stays silent)."""
        stream = self.streams.get(name)
        if stream is not None:
            return stream
        match = _STREAM.match(name)
        if match is None:
            return None
        book = self.books.get(match.group(1).upper())
        kind, speed = match.group(2), match.group(3)
        if book is None or (kind == "markPrice" and self.market == SPOT) or (speed == "0ms" and self.market == SPOT):
            return None
        levels = int(kind[5:]) if kind.startswith("depth") and len(kind) > 5 else 0
        period = 0
        if kind.startswith("depth"):
            kind = "partial" if levels else "depth"
            period = DEFAULT_DEPTH_MS[self.market] if speed is None else int(speed.removesuffix("ms"))
        elif kind == "markPrice":
            period = 1000 if speed == "1s" else 3000
        stream = Stream(name, kind, book, period, levels)
        if kind == "depth":
            stream.tracker = book.track()
        self.streams[name] = stream
        self.by_kind.setdefault((kind, book.instrument.symbol), []).append(stream)
        return stream

    def close_stream(self, stream: Stream) -> None:
        if stream.tracker is not None:
            stream.book.untrack(stream.tracker)
        del self.streams[stream.name]
        self.by_kind[(stream.kind, stream.instrument.symbol)].remove(stream)

    # ---- sending ---------------------------------------------------------------------------------

    def publish(self, stream: Stream, payload: bytes) -> None:
        """Send one payload to all sessions of the stream, through the market-data faults."""
        self.frames_built += 1
        if self.faults.has_md:
            for frame in self.faults.market_frames(stream, payload):
                self.fan_out(stream, frame)
            return
        self.fan_out(stream, payload)

    def fan_out(self, stream: Stream, payload: bytes) -> None:
        combined = b""
        if self.note_send_time:
            self.note_send_time = False
            self.last_send_ns = self.clock.mono_ns()
        for session in stream.sessions:
            if session.is_combined:
                if not combined:
                    combined = stream.wrapper + payload + b"}"
                session.send(combined)
            else:
                session.send(payload)
            self.frames_sent += 1

    def book_ticker_payload(self, book: Book, now_ms: int) -> bytes:
        instrument = book.instrument
        bid, bid_qty, ask, ask_qty = book.shown_top  # type: ignore[misc]
        px, qty = instrument.px_text, instrument.qty_text
        top = f'"s":"{instrument.symbol}","b":"{px(bid)}","B":"{qty(bid_qty)}","a":"{px(ask)}","A":"{qty(ask_qty)}"'
        if self.market == SPOT:
            text = f'{{"u":{book.update_id},{top}}}'
        else:
            text = f'{{"e":"bookTicker","u":{book.update_id},{top},"T":{now_ms},"E":{now_ms}}}'
        return text.encode()

    def top_changed(self, book: Book, now_ms: int) -> bool:
        """Tell bookTicker (and real-time depth) subscribers when the top is not the one shown last."""
        top = book.top()
        if top is None or top == book.shown_top:
            return False
        book.shown_top = top
        symbol = book.instrument.symbol
        for stream in self.by_kind.get(("bookTicker", symbol), ()):
            self.publish(stream, self.book_ticker_payload(book, now_ms))
        return True

    def realtime_depth(self, book: Book, now_ms: int) -> None:
        for stream in self.by_kind.get(("depth", book.instrument.symbol), ()):
            if stream.period_ms == 0:
                self.flush_depth(stream, now_ms)

    def flush_depth(self, stream: Stream, now_ms: int) -> None:
        """Send what changed since the last event of this stream, if anything."""
        tracker = stream.tracker
        if tracker is None or tracker.is_empty:
            return
        book = stream.book
        instrument = book.instrument
        bids = self._side_text(instrument, book.bids, sorted(tracker.bids, reverse=True))
        asks = self._side_text(instrument, book.asks, sorted(tracker.asks))
        ids = f'"U":{tracker.first_id},"u":{book.update_id}'
        if self.market == SPOT:
            text = f'{{"e":"depthUpdate","E":{now_ms},"s":"{instrument.symbol}",{ids},"b":[{bids}],"a":[{asks}]}}'
        else:
            text = (
                f'{{"e":"depthUpdate","E":{now_ms},"T":{now_ms},"s":"{instrument.symbol}",{ids},"pu":{tracker.last_id},'
                f'"b":[{bids}],"a":[{asks}]}}'
            )
        tracker.last_id = book.update_id
        tracker.bids.clear()
        tracker.asks.clear()
        tracker.is_empty = True
        self.publish(stream, text.encode())

    @staticmethod
    def _side_text(instrument: Instrument, levels: dict[int, int], prices: list[int]) -> str:
        px, qty = instrument.px_text, instrument.qty_text
        return ",".join([f'["{px(p)}","{qty(levels.get(p, 0))}"]' for p in prices])

    def flush_partial(self, stream: Stream, now_ms: int) -> None:
        book, instrument = stream.book, stream.instrument
        px, qty = instrument.px_text, instrument.qty_text
        bids = [[px(p), qty(q)] for p, q in book.levels(True, stream.levels)]
        asks = [[px(p), qty(q)] for p, q in book.levels(False, stream.levels)]
        if self.market == SPOT:
            payload = {"lastUpdateId": book.update_id, "bids": bids, "asks": asks}
        else:
            payload = {
                "e": "depthUpdate",
                "E": now_ms,
                "T": now_ms,
                "s": instrument.symbol,
                "U": book.update_id,
                "u": book.update_id,
                "pu": book.update_id - 3,
                "b": bids,
                "a": asks,
            }
        self.publish(stream, orjson.dumps(payload))

    def trade(self, instrument: Instrument, px: int, qty: int, buyer_is_maker: bool, trade_id: int, now_ms: int) -> None:
        symbol = instrument.symbol
        record = {
            "id": trade_id,
            "price": instrument.px_text(px),
            "qty": instrument.qty_text(qty),
            "time": now_ms,
            "isBuyerMaker": buyer_is_maker,
        }
        self.trades[symbol].append(record)
        for kind, id_field in (("trade", "t"), ("aggTrade", "a")):
            for stream in self.by_kind.get((kind, symbol), ()):
                payload = {"e": kind, "E": now_ms, "s": symbol, id_field: trade_id, "p": record["price"], "q": record["qty"]}
                if kind == "aggTrade":
                    payload |= {"f": trade_id, "l": trade_id}
                    if self.market == LINEAR:
                        payload["nq"] = record["qty"]
                payload |= {"T": now_ms, "m": buyer_is_maker}
                if self.market == SPOT:
                    payload["M"] = True
                else:
                    payload["X"] = "MARKET"
                self.publish(stream, orjson.dumps(payload))

    def announce_shutdown(self, now_ms: int) -> None:
        event = b'{"e":"serverShutdown","E":%d}' % now_ms
        for session in list(self.sessions):
            session.send(b'{"stream":"!serverShutdown","data":' + event + b"}" if session.is_combined else event)

    def pass_raw(self, name: str, payload: bytes) -> None:
        """Recorded frame of a stream, byte for byte (market: capture)."""
        stream = self.streams.get(name)
        if stream is not None:
            self.publish(stream, payload)


PUBLIC_KINDS = ("depth", "partial", "bookTicker", "trade")


def route_carries(route: str, kind: str) -> bool:
    """USD-M: book data on /public, the rest on /market; a stream on the wrong route is acknowledged and stays silent."""
    if route in ("", "any"):
        return True
    return (kind in PUBLIC_KINDS) == (route == "public")


class MarketSession:
    """The dialect of one market-data websocket."""

    def __init__(self, data: MarketData, path: str, send: Send) -> None:
        """`path` is the request target of the upgrade, with its query."""
        self.data = data
        self.send = send
        self.names: dict[str, Stream | None] = {}
        parts = urlsplit(path)
        segments = [s for s in parts.path.split("/") if s]
        self.route = "any"
        if data.market == LINEAR:
            # Un-routed addresses are being retired; at best they carry book data.
            self.route = "public"
            if segments and segments[0] in ("public", "market", "private"):
                self.route = segments.pop(0)
        self.is_combined = bool(segments) and segments[0] == "stream" and "ws" not in segments
        first: list[str] = []
        if self.is_combined:
            for value in parse_qs(parts.query).get("streams", []):
                first += value.split("/")
        elif len(segments) >= 2 and segments[0] == "ws":
            first = [unquote(s) for s in segments[1:]]
        data.sessions.append(self)
        for name in first:
            self._subscribe(name)

    @staticmethod
    def accepts(market: str, path: str) -> bool:
        segments = [s for s in urlsplit(path).path.split("/") if s]
        if market == LINEAR and segments and segments[0] in ("public", "market"):
            segments.pop(0)
        return bool(segments) and segments[0] in ("ws", "stream")

    def close(self) -> None:
        for name in list(self.names):
            self._unsubscribe(name)
        if self in self.data.sessions:
            self.data.sessions.remove(self)

    def _subscribe(self, name: str) -> None:
        if name in self.names:
            return
        stream = self.data.open_stream(name)
        if stream is not None and not route_carries(self.route, stream.kind):
            if not stream.sessions:
                self.data.close_stream(stream)
            stream = None
        self.names[name] = stream
        if stream is not None:
            stream.sessions.append(self)

    def _unsubscribe(self, name: str) -> None:
        stream = self.names.pop(name, None)
        if stream is not None:
            stream.sessions.remove(self)
            if not stream.sessions:
                self.data.close_stream(stream)

    def on_text(self, message: bytes) -> None:
        try:
            request = orjson.loads(message)
        except orjson.JSONDecodeError as error:
            self._error(3, f"Invalid JSON: {error}", None)
            return
        if not isinstance(request, dict):
            self._error(2, "Invalid request: request must be an object", None)
            return
        request_id = request.get("id")
        method, params = request.get("method"), request.get("params")
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            if not isinstance(params, list) or not all(isinstance(p, str) for p in params):
                self._error(2, "Invalid request: params must be an array of stream names", request_id)
                return
            if method == "SUBSCRIBE" and len(self.names) + len(params) > STREAMS_MAX:
                self._error(2, f"Invalid request: a connection carries at most {STREAMS_MAX} streams", request_id)
                return
            # Acknowledged first: the first event of a stream never precedes its answer.
            self.send(orjson.dumps({"result": None, "id": request_id}))
            for name in params:
                (self._subscribe if method == "SUBSCRIBE" else self._unsubscribe)(name)
        elif method == "LIST_SUBSCRIPTIONS":
            self.send(orjson.dumps({"result": list(self.names), "id": request_id}))
        elif method == "SET_PROPERTY" and isinstance(params, list) and params[:1] == ["combined"] and len(params) == 2:
            self.is_combined = bool(params[1])
            self.send(orjson.dumps({"result": None, "id": request_id}))
        elif method == "GET_PROPERTY" and params == ["combined"]:
            self.send(orjson.dumps({"result": self.is_combined, "id": request_id}))
        else:
            self._error(2, f"Invalid request: unknown method {method!r}", request_id)

    def _error(self, code: int, msg: str, request_id: Any) -> None:
        self.send(
            orjson.dumps(
                {"error": {"code": code, "msg": msg}, "id": request_id}
                if self.data.market == LINEAR
                else {"code": code, "msg": msg, "id": request_id}
            )
        )
