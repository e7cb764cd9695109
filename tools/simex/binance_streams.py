"""Binance: market data streams of one market: stream names in, frames out.

`BinanceHub` makes the streams by name and wraps their frames for combined connections; `MarketSession` is one websocket's dialect
(SUBSCRIBE and friends, raw or combined wrapping, the three routes of USD-M).  Source: binance-spot-api-docs web-socket-streams.md
(2026-07), USD-M websocket-market-streams (2026-05), routes announced 2026-03-05.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from tools.simex.binance_orders import level_rows
from tools.simex.book import Book
from tools.simex.contract import LINEAR, MD, SPOT, Link, Session, SessionRules
from tools.simex.exact import format_e8
from tools.simex.hub import DEPTH, PARTIAL, TOP, TRADE, DepthStream, Hub, Levels, Print, Stream, TopStream
from tools.simex.instrument import Instrument
from tools.simex.venue import Venue

_STREAM = re.compile(
    r"^([a-z0-9_]+)@(depth(?:5|10|20)?|bookTicker|trade|aggTrade|markPrice)(?:@(0ms|100ms|250ms|500ms|1000ms|1s|3s))?$"
)
DEFAULT_DEPTH_MS = {SPOT: 1000, LINEAR: 250}
STREAMS_MAX = 1024


class BookTicker(TopStream):
    """`<symbol>@bookTicker`."""

    __slots__ = ()

    def render(self, now_ms: int) -> bytes | None:
        book, instrument = self.book, self.instrument
        bid, bid_qty, ask, ask_qty = book.shown_top  # type: ignore[misc]
        px, qty = instrument.px_text, instrument.qty_text
        top = f'"s":"{instrument.symbol}","b":"{px(bid)}","B":"{qty(bid_qty)}","a":"{px(ask)}","A":"{qty(ask_qty)}"'
        if instrument.market == SPOT:
            text = f'{{"u":{book.update_id},{top}}}'
        else:
            text = f'{{"e":"bookTicker","u":{book.update_id},{top},"T":{now_ms},"E":{now_ms}}}'
        return text.encode()


class Depth(DepthStream):
    """`<symbol>@depth`, `@depth@100ms`, on USD-M `@depth@0ms` too."""

    __slots__ = ()

    def render(self, now_ms: int) -> bytes | None:
        changes = self.take_changes()
        if changes is None:
            return None
        book, tracker, instrument = self.book, self.tracker, self.instrument
        bids, asks = _side_text(instrument, changes[0]), _side_text(instrument, changes[1])
        ids = f'"U":{tracker.first_id},"u":{book.update_id}'
        if instrument.market == SPOT:
            text = f'{{"e":"depthUpdate","E":{now_ms},"s":"{instrument.symbol}",{ids},"b":[{bids}],"a":[{asks}]}}'
        else:
            text = (
                f'{{"e":"depthUpdate","E":{now_ms},"T":{now_ms},"s":"{instrument.symbol}",{ids},"pu":{tracker.last_id},'
                f'"b":[{bids}],"a":[{asks}]}}'
            )
        self.settled()
        return text.encode()

    def crossed(self, payload: bytes) -> bytes:
        top = self.book.top()
        if top is None:
            return payload
        instrument = self.instrument
        level = f'["{instrument.px_text(top[2] + 5 * instrument.tick)}","{instrument.qty_text(instrument.step)}"]'.encode()
        return payload.replace(b'"b":[', b'"b":[' + level + b",", 1).replace(level + b",]", level + b"]")


def _side_text(instrument: Instrument, levels: Levels) -> str:
    px, qty = instrument.px_text, instrument.qty_text
    return ",".join([f'["{px(p)}","{qty(q)}"]' for p, q in levels])


class PartialDepth(Stream):
    """`<symbol>@depth5`, `10`, `20`: the best levels, changed or not."""

    __slots__ = ("levels",)

    kind = PARTIAL

    def __init__(self, key: str, book: Book, period_ms: int, levels: int) -> None:
        super().__init__(key, PARTIAL, book, period_ms)
        self.levels = levels

    def render(self, now_ms: int) -> bytes | None:
        book, instrument = self.book, self.instrument
        bids = level_rows(instrument, book.levels(True, self.levels))
        asks = level_rows(instrument, book.levels(False, self.levels))
        if instrument.market == SPOT:
            return orjson.dumps({"lastUpdateId": book.update_id, "bids": bids, "asks": asks})
        ids = {"U": book.update_id, "u": book.update_id, "pu": book.update_id - 3}
        return orjson.dumps({"e": "depthUpdate", "E": now_ms, "T": now_ms, "s": instrument.symbol} | ids | {"b": bids, "a": asks})


class Trades(Stream):
    """`<symbol>@trade`, `@aggTrade`."""

    __slots__ = ()

    kind = TRADE

    def render_trade(self, trade: Print) -> bytes | None:
        instrument, is_aggregate = self.instrument, self.word == "aggTrade"
        payload: dict[str, Any] = {
            "e": self.word,
            "E": trade.time_ms,
            "s": instrument.symbol,
            "a" if is_aggregate else "t": trade.trade_id,
            "p": instrument.px_text(trade.px),
            "q": instrument.qty_text(trade.qty),
        }
        if is_aggregate:
            payload |= {"f": trade.trade_id, "l": trade.trade_id}
            if instrument.market == LINEAR:
                payload["nq"] = payload["q"]
        payload |= {"T": trade.time_ms, "m": trade.buyer_is_maker}
        payload |= {"M": True} if instrument.market == SPOT else {"X": "MARKET"}
        return orjson.dumps(payload)


class MarkPrice(Stream):
    """`<symbol>@markPrice`, `@markPrice@1s`."""

    __slots__ = ("venue",)

    def __init__(self, key: str, book: Book, period_ms: int, venue: Venue) -> None:
        super().__init__(key, "markPrice", book, period_ms)
        self.venue = venue

    def render(self, now_ms: int) -> bytes | None:
        symbol = self.instrument.symbol
        mark = format_e8(self.venue.mark_e8(self.instrument))
        index_px = format_e8(self.venue.index_px_e8.get(symbol, self.venue.mark_e8(self.instrument)))
        funding = self.venue.funding[symbol]
        return (
            f'{{"e":"markPriceUpdate","E":{now_ms},"s":"{symbol}","p":"{mark}","ap":"{mark}","i":"{index_px}","P":"{mark}",'
            f'"r":"{format_e8(funding.rate_e8)}","T":{funding.next_ms}}}'
        ).encode()


class BinanceHub(Hub):
    """All streams of one market; listeners are `MarketSession`s."""

    def __init__(self, venue: Venue, market: str) -> None:
        super().__init__(venue, market)
        self.sessions: list[MarketSession] = []
        self._wrappers: dict[str, bytes] = {}

    def make_stream(self, name: str) -> Stream | None:
        """The stream of that name, or a new one; None when there is no such stream (the venue accepts it and stays silent)."""
        if name in self.streams:
            return self.streams[name]
        match = _STREAM.match(name)
        if match is None:
            return None
        book = self.books.get(match.group(1).upper())
        word, speed = match.group(2), match.group(3)
        if book is None or (word == "markPrice" and self.market == SPOT) or (speed == "0ms" and self.market == SPOT):
            return None
        if word == "bookTicker":
            return BookTicker(name, word, book, 0)
        if word == "markPrice":
            return MarkPrice(name, book, 1000 if speed == "1s" else 3000, self.venue)
        if not word.startswith("depth"):
            return Trades(name, word, book, 0)
        period_ms = DEFAULT_DEPTH_MS[self.market] if speed is None else int(speed.removesuffix("ms"))
        if word == "depth":
            return Depth(name, word, book, period_ms)
        return PartialDepth(name, book, max(100, period_ms), int(word[5:]))

    def fan_out(self, stream: Stream, payload: bytes) -> None:
        combined = b""
        for session in stream.listeners:
            if session.is_combined:  # type: ignore[attr-defined]
                if not combined:
                    combined = self._wrapper(stream.key) + payload + b"}"
                session.send(combined)
            else:
                session.send(payload)
        self.frames_sent += len(stream.listeners)

    def _wrapper(self, key: str) -> bytes:
        wrapper = self._wrappers.get(key)
        if wrapper is None:
            wrapper = self._wrappers[key] = b'{"stream":"' + key.encode() + b'","data":'
        return wrapper


def route_carries(route: str, stream: Stream) -> bool:
    """USD-M: book data on /public, the rest on /market; a stream on the wrong route is acknowledged and stays silent."""
    if route in ("", "any"):
        return True
    return (stream.kind in (DEPTH, PARTIAL, TOP) or stream.word == "trade") == (route == "public")


class MarketSession(Session):
    """The dialect of one market-data websocket."""

    channels = (MD,)

    def __init__(self, hub: BinanceHub, path: str, link: Link, rules: SessionRules) -> None:
        """`path` is the request target of the upgrade, with its query."""
        self.hub = hub
        self.market = hub.market
        self.rules = rules
        self.send = link.send
        self.names: dict[str, Stream | None] = {}
        parts = urlsplit(path)
        segments = [s for s in parts.path.split("/") if s]
        self.route = "any"
        if self.market == LINEAR:
            # Un-routed addresses are being retired; at best they carry book data.
            self.route = "public"
            if segments and segments[0] in ("public", "market", "private"):
                self.route = segments.pop(0)
        self.is_combined = bool(segments) and segments[0] == "stream" and "ws" not in segments
        self._first: list[str] = []
        if self.is_combined:
            for value in parse_qs(parts.query).get("streams", []):
                self._first += value.split("/")
        elif len(segments) >= 2 and segments[0] == "ws":
            self._first = [unquote(s) for s in segments[1:]]

    def opened(self) -> None:
        self.hub.sessions.append(self)
        for name in self._first:
            self._subscribe(name)

    def notice(self, now_ms: int) -> None:
        event = b'{"e":"serverShutdown","E":%d}' % now_ms
        self.send(b'{"stream":"!serverShutdown","data":' + event + b"}" if self.is_combined else event)

    @staticmethod
    def accepts(market: str, path: str) -> bool:
        segments = [s for s in urlsplit(path).path.split("/") if s]
        if market == LINEAR and segments and segments[0] in ("public", "market"):
            segments.pop(0)
        return bool(segments) and segments[0] in ("ws", "stream")

    def close(self) -> None:
        for name in list(self.names):
            self._unsubscribe(name)
        if self in self.hub.sessions:
            self.hub.sessions.remove(self)

    def _subscribe(self, name: str) -> None:
        if name in self.names:
            return
        stream = self.hub.make_stream(name)
        if stream is not None and not route_carries(self.route, stream):
            if not stream.listeners:
                stream.close()
            stream = None
        self.names[name] = stream
        if stream is not None:
            self.hub.attach(stream, self)

    def _unsubscribe(self, name: str) -> None:
        stream = self.names.pop(name, None)
        if stream is not None:
            self.hub.detach(stream, self)

    def on_text(self, message: bytes, recv_mono_ns: int) -> None:
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
                if self.market == LINEAR
                else {"code": code, "msg": msg, "id": request_id}
            )
        )
