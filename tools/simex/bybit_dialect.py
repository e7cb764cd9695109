"""Bybit: the dialect as one object: paths to sessions, what happened to private topics, keys, limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import orjson

from tools.simex import bybit_errors as errors
from tools.simex.bybit_auth import Keyring
from tools.simex.bybit_errors import VenueError
from tools.simex.bybit_limits import Limits
from tools.simex.bybit_orders import Orders
from tools.simex.bybit_queries import Queries
from tools.simex.bybit_rest import Rest
from tools.simex.bybit_sockets import PrivateSession, PublicSession, TradeSession
from tools.simex.bybit_streams import BybitHub
from tools.simex.bybit_words import (
    NO_LINK,
    execution_row,
    fast_row,
    order_id_text,
    order_row,
    position_event,
    uuid_of,
    wallet_row,
)
from tools.simex.contract import LINEAR, SPOT, Dialect, HttpReply, Link, Session
from tools.simex.faults import Fault
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account, Fill, Order
from tools.simex.venue import Venue

PUBLIC_PATHS = {"/v5/public/spot": SPOT, "/v5/public/linear": LINEAR}


class BybitDialect(Dialect):
    """One unified account for both markets."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.keyring = Keyring()
        self.limits = Limits(venue.enforce_limits, venue.limit_options)
        self.orders = Orders(self)
        self.queries = Queries(self)
        self.rest = Rest(self)
        self.listeners: dict[str, list[PrivateSession]] = defaultdict(list)  # by account
        self.balances_after: dict[int, int] = {}  # funding payment -> balance it left, 1e-8
        self._connections = 0
        self._traces = 0
        self._events = 0

    def outside_client_id(self, kind: str) -> str:
        """What the venue does by itself has no orderLinkId that it would tell."""
        made = super().outside_client_id(kind)
        return made if kind == "manual" else f"{NO_LINK}{made}"

    # ---- bytes -----------------------------------------------------------------------------------

    def make_hub(self, market: str) -> BybitHub:
        return BybitHub(self.venue, market)

    def open_session(self, port: str, path: str, headers: Mapping[str, str], link: Link) -> Session | None:
        path, _, query = path.partition("?")
        self._connections += 1
        number = self._connections
        if path in PUBLIC_PATHS and port == "public":
            hub = self.venue.hubs[PUBLIC_PATHS[path]]
            assert isinstance(hub, BybitHub)
            return PublicSession(hub, uuid_of("connection", number), link)
        conn_id = f"{uuid_of('connection', number).replace('-', '')[:20]}-{number:x}"
        if port != "private":
            return None
        if path == "/v5/private":
            return PrivateSession(self, query, conn_id, link)
        return TradeSession(self, query, conn_id, link) if path == "/v5/trade" else None

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
        self.rest.handle(method, path, query, headers, body, recv_mono_ns, reply)

    def make_credentials(self, account: Account) -> dict[str, bytes]:
        return self.keyring.make(account)

    def trace_id(self) -> str:
        self._traces += 1
        return uuid_of("trace", self._traces).replace("-", "")

    # ---- what happened ---------------------------------------------------------------------------

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """Executions first, then the order's new state; a position is told with every order of its symbol."""
        account, instrument = order.account, order.instrument
        self.orders.by_id[instrument.market].setdefault(order_id_text(order), order)
        if fill is not None:
            if instrument.market == LINEAR:
                self._note_closed(order, fill)
            self.tell(account, "execution.fast", instrument, fast_row, order, fill)
            self.tell(account, "execution", instrument, execution_row, order, fill)
        self.tell(account, "order", instrument, order_row(order))
        if instrument.market == LINEAR and fill is None:
            self._tell_position(account, instrument)

    @staticmethod
    def _note_closed(order: Order, fill: Fill) -> None:
        """How much of a position this fill closed; the position has it booked already."""
        signed = fill.qty if order.is_buy else -fill.qty
        before = order.account.position(order.instrument).qty - signed
        closed = min(abs(before), fill.qty) if before and (before > 0) != (signed > 0) else 0
        order.notes.setdefault("closed", {})[fill.trade_id] = closed

    def on_account(
        self, account: Account, market: str, reason: str, assets: list[str], symbols: list[str], change_e8: int = 0
    ) -> None:
        if reason == "FUNDING" and account.income:
            self.balances_after[account.income[-1]["id"]] = account.total(assets[0])
        for symbol in symbols:
            self._tell_position(account, self.venue.by_symbol[LINEAR][symbol])
        listeners = [session for session in self.listeners[account.name] if "wallet" in session.topics]
        if listeners:
            frame = self._frame("wallet", wallet_row(self.venue, account, assets))
            for session in listeners:
                self.venue.queue(market, None, session.send, frame)

    def _tell_position(self, account: Account, instrument: Instrument) -> None:
        if self.listeners[account.name]:
            self.tell(account, "position", instrument, position_event(self.venue, account, account.position(instrument)))

    def tell(self, account: Account, name: str, instrument: Instrument, row: Any, *about: Any) -> None:
        """Queue a row of a private topic; `row` may be a function of the venue and `about`, called when somebody listens."""
        built: dict[str, Any] | None = None
        for session in self.listeners[account.name]:
            topic = session.topic_for(name, instrument.market)
            if topic is None:
                continue
            if built is None:
                built = row(self.venue, *about) if callable(row) else row
            self.venue.queue(instrument.market, instrument.symbol, session.send, self._frame(topic, built))

    def _frame(self, topic: str, row: dict[str, Any]) -> bytes:
        self._events += 1
        now_ms = self.venue.clock.wall_ms()
        if topic.startswith("execution.fast"):
            return orjson.dumps({"topic": topic, "creationTime": now_ms, "data": [row]})
        return orjson.dumps({"id": uuid_of("event", self._events), "topic": topic, "creationTime": now_ms, "data": [row]})

    # ---- faults ----------------------------------------------------------------------------------

    def rejection(self, fault: Fault, market: str, is_cancel: bool) -> VenueError:
        default = {
            (SPOT, False): (170131, "Insufficient balance."),
            (SPOT, True): (170213, "Order does not exist."),
            (LINEAR, False): (110007, "ab not enough for new order"),
            (LINEAR, True): (110001, "order not exists or too late to cancel"),
        }[market, is_cancel]
        options = fault.params
        return VenueError(int(options.get("code", default[0])), options.get("msg", default[1]), int(options.get("status", 200)))

    def unknown_outcome(self, fault: Fault, market: str) -> VenueError:
        """10000; with variant "error" 10016, with "spot" 170146, of a cancel 170147."""
        variant = fault.params.get("variant")
        if variant == "error":
            return errors.server_error()
        if variant == "spot":
            return errors.spot_timeout(fault.params.get("on") == "cancel")
        return errors.server_timeout()

    def limit_outcome(self, fault: Fault, market: str, is_ban: bool) -> VenueError:
        return errors.forbidden() if is_ban else errors.too_many_visits()

    # ---- on command ------------------------------------------------------------------------------

    def limit(self, market: str, until_ms: int, is_ban: bool) -> None:
        if is_ban:
            self.limits.banned_until_ms = until_ms
        else:
            self.limits.refused_until_ms[market] = until_ms
