"""A made-up venue for tests of the contract: one balance for spot and perpetuals, contracts of a tenth of a coin, client ids
unique for ever, answers before fates.  Its wire: one JSON object a message; `ping` in text.  Shares nothing with any real venue's
dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tools.simex.contract import (
    LINEAR,
    MD,
    OE,
    SPOT,
    UD,
    Dialect,
    HttpReply,
    Link,
    Plan,
    Role,
    Session,
    SessionRules,
    SimVenue,
    TradingRules,
)
from tools.simex.faults import Fault
from tools.simex.filters import check_notional, check_px, check_qty
from tools.simex.hub import DepthStream, Hub, TopStream
from tools.simex.instrument import Coin, Look
from tools.simex.ledger import Account, Fill, Order
from tools.simex.refusals import Refused
from tools.simex.venue import Venue

LIMIT = 5


class TinyTop(TopStream):
    __slots__ = ()

    def render(self, now_ms: int) -> bytes | None:
        top = self.take_top(now_ms)
        if top is None:
            return None
        i = self.instrument
        texts = [i.px_text(top[0]), i.size_text(top[1]), i.px_text(top[2]), i.size_text(top[3])]
        return orjson.dumps({"top": i.symbol, "levels": texts})


class TinyDepth(DepthStream):
    """The best five levels; each message names the one before it."""

    __slots__ = ("number",)

    begins_whole = True

    def message(self, kind: str, sides: Any, previous: int) -> bytes:
        i = self.instrument
        rows = [[[i.px_text(px), i.size_text(qty)] for px, qty in side] for side in sides]
        return orjson.dumps({"depth": i.symbol, "is": kind, "n": self.number, "after": previous, "b": rows[0], "a": rows[1]})

    def first(self, now_ms: int) -> bytes | None:
        self.number = getattr(self, "number", 0)
        return self.message("whole", self.snapshot(), -1)

    def render(self, now_ms: int) -> bytes | None:
        changes = self.take_changes()
        if changes is None:
            return None
        self.settled()
        self.number += 1
        return self.message("change", changes, self.number - 1)

    def crossed(self, payload: bytes) -> bytes:
        top = self.book.top()
        assert top is not None
        message = orjson.loads(payload)
        message["b"].insert(0, [self.instrument.px_text(top[2] + self.instrument.tick), "1"])
        return orjson.dumps(message)

    def bad_checksum(self, payload: bytes) -> bytes:
        return orjson.dumps(orjson.loads(payload) | {"sum": "wrong"})

    def reset(self, payload: bytes, now_ms: int) -> bytes:
        self.number = 0
        return self.message("whole", self.snapshot(), -1)


class TinySession(Session):
    def __init__(self, dialect: TinyDialect, port: str, link: Link) -> None:
        self.dialect = dialect
        self.link = link
        self.send = link.send
        self.channels = (MD,) if port == "public" else (OE, UD)
        self.rules = SessionRules(idle_cut_s=30.0, idle_code=4004)
        self.streams: list[Any] = []
        self.account: Account | None = None

    def on_text(self, message: bytes, recv_mono_ns: int) -> None:
        self.dialect.venue.recv_mono_ns = recv_mono_ns
        if message == b"ping":
            self.send(b"pong")
            return
        request = orjson.loads(message)
        if "sub" in request:
            self.subscribe(request)
        elif "key" in request:
            self.account = self.dialect.keys.get(request["key"])
            self.dialect.listeners.append(self)
            self.send(orjson.dumps({"hello": self.account is not None}))
        else:
            assert self.account is not None
            account = self.account
            self.dialect.venue.desk.place(
                request["market"], request["symbol"], lambda plan: self.dialect.place(account, request, plan), self.answer
            )

    def answer(self, outcome: dict[str, Any]) -> None:
        self.send(orjson.dumps(outcome))

    def subscribe(self, request: dict[str, Any]) -> None:
        hub = self.dialect.venue.hubs[request["market"]]
        book = hub.books[request["symbol"]]
        key = f"{request['sub']}.{request['symbol']}"
        stream = hub.streams.get(key) or (
            TinyTop(key, "quote", book, 10) if request["sub"] == "top" else TinyDepth(key, "ladder", book, 20, LIMIT)
        )
        hub.attach(stream, self)
        self.streams.append((hub, stream))

    def close(self) -> None:
        for hub, stream in self.streams:
            hub.detach(stream, self)

    def notice(self, now_ms: int) -> None:
        self.send(b'{"leaving":true}')


class TinyDialect(Dialect):
    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.keys: dict[str, Account] = {}
        self.listeners: list[TinySession] = []

    def open_session(self, port: str, path: str, headers: Mapping[str, str], link: Link) -> Session | None:
        return TinySession(self, port, link) if path == "/v1" else None

    def on_http(
        self,
        port: str,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        recv_mono_ns: int,
        reply: HttpReply,
    ) -> None:
        reply(200, orjson.dumps({"path": path, "query": query, "key": headers.get("x-key"), "body": body.decode()}), {"x-a": "b"})

    def make_hub(self, market: str) -> Hub:
        return Hub(self.venue, market)

    def make_credentials(self, account: Account) -> dict[str, bytes]:
        self.keys[f"tiny-{account.name}"] = account
        return {"word": f"tiny-{account.name}".encode()}

    def place(self, account: Account, request: dict[str, Any], plan: Plan) -> dict[str, Any]:
        try:
            instrument = self.venue.instrument(request["market"], request["symbol"])
            qty, px = instrument.qty_of_size(request["size"]), int(request["px_ticks"]) * instrument.tick
            assert qty is not None
            check_qty(instrument, qty, False)
            check_px(instrument, px)
            check_notional(instrument, instrument.amount_e8(px, qty))
            order = Order(
                account,
                instrument,
                self.venue.matcher.take_order_id(instrument.market),
                request["id"],
                request["side"],
                "LIMIT",
                request.get("tif", "GTC"),
                px,
                qty,
                0,
                bool(request.get("reduce")),
                "NONE",
                self.venue.clock.wall_ms(),
                self.venue.recv_mono_ns,
                is_post_only=bool(request.get("post_only")),
            )
            self.venue.place(order, plan)
        except Refused as refused:
            return {"no": refused.reason.value, "limit": refused.limit}
        return {"taken": order.order_id}

    def tell(self, account: Account, market: str, symbol: str | None, event: dict[str, Any]) -> None:
        for session in self.listeners:
            if session.account is account:
                self.venue.queue(market, symbol, session.send, orjson.dumps(event))

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        told = {"order": order.client_id, "event": event, "why": order.end_reason}
        if fill is not None:
            told["size"] = order.instrument.size_text(fill.qty)
        self.tell(order.account, order.instrument.market, order.instrument.symbol, told)

    def on_account(
        self, account: Account, market: str, reason: str, assets: list[str], symbols: list[str], change_e8: int = 0
    ) -> None:
        self.tell(account, market, None, {"account": reason, "assets": assets, "symbols": symbols, "change": change_e8})

    def rejection(self, fault: Fault, market: str, is_cancel: bool) -> dict[str, Any]:
        return {"no": "planted"}

    def unknown_outcome(self, fault: Fault, market: str) -> dict[str, Any]:
        return {"no": "who knows"}

    def limit_outcome(self, fault: Fault, market: str, is_ban: bool) -> dict[str, Any]:
        return {"no": "banned" if is_ban else "slower"}


def look(coin: Coin, market: str) -> Look:
    if market == SPOT:
        return Look(f"{coin.name}_T", coin.spot_tick, coin.spot_step, "5")
    return Look(f"{coin.name}_P", coin.perp_tick, "0.01", "5", contract_size="0.1", venue_code="77")


SIM = SimVenue(
    name="tiny",
    markets=(SPOT, LINEAR),
    roles=(Role("rest", "rest", is_http=True), Role("public_ws", "public", "/v1"), Role("private_ws", "private", "/v1")),
    rules=TradingRules(is_unified=True, unique_client_ids="ever", client_id_scope="account"),
    fees={SPOT: ("0.0008", "0.001"), LINEAR: ("0.0002", "0.00055")},
    look=look,
    make_dialect=TinyDialect,
    extra_verbs={MD: frozenset({"hiccup"})},
)
