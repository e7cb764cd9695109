"""Binance: the dialect as one object: sockets to sessions, what happened to user events, limits, keys, listen keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import orjson

from tools.simex import binance_errors as errors
from tools.simex import binance_events as events
from tools.simex.binance_auth import Keyring, make_keys
from tools.simex.binance_errors import VenueError
from tools.simex.binance_limits import Limits
from tools.simex.binance_linear import LinearOperations
from tools.simex.binance_orders import Operations
from tools.simex.binance_playback import play_frame
from tools.simex.binance_rest import RestDialect
from tools.simex.binance_spot import SpotOperations
from tools.simex.binance_streams import BinanceHub, MarketSession
from tools.simex.binance_users import ListenKeys, UserSession, UserSink
from tools.simex.binance_ws_api import WsApiSession
from tools.simex.contract import LINEAR, SPOT, Dialect, HttpReply, Link, Session, SessionRules
from tools.simex.exact import E8
from tools.simex.faults import Fault
from tools.simex.ledger import Account, Fill, Order
from tools.simex.venue import Venue

OPERATIONS: dict[str, type[Operations]] = {SPOT: SpotOperations, LINEAR: LinearOperations}
API_PATHS = {SPOT: "/ws-api/v3", LINEAR: "/ws-fapi/v1"}
API_RULES = {
    SPOT: SessionRules(ping_s=20.0, pong_timeout_s=60.0),
    LINEAR: SessionRules(ping_s=180.0, pong_timeout_s=600.0),
}
# Market and user streams also cut a connection that sends more than so many messages in a second.
STREAM_RULES = {
    SPOT: SessionRules(ping_s=20.0, pong_timeout_s=60.0, messages_per_s_max=5),
    LINEAR: SessionRules(ping_s=180.0, pong_timeout_s=600.0, messages_per_s_max=10),
}
BNB_PX_E8 = 600 * E8  # until the market has one


class BinanceDialect(Dialect):
    """Spot and USD-M, or either.  `listen_key_markets`: where user streams are opened with listen keys; `key_kinds`: which API
    keys the venue knows."""

    def __init__(
        self, venue: Venue, listen_key_markets: tuple[str, ...] = (LINEAR,), key_kinds: tuple[str, ...] = ("hmac", "ed25519")
    ) -> None:
        super().__init__(venue)
        self.key_kinds = key_kinds
        markets = venue.sim.markets
        order_limits = venue.limit_options.get("orders_10s_max", {})
        self.keyring = Keyring()
        self.limits = {market: Limits(market, venue.enforce_limits, order_limits.get(market)) for market in markets}
        self.sinks: dict[str, dict[str, list[UserSink]]] = {market: defaultdict(list) for market in markets}  # by account
        self.listen_keys = {market: ListenKeys(self, market) for market in listen_key_markets if market in markets}
        self.operations = {market: OPERATIONS[market](self) for market in markets}
        self.rest = {market: RestDialect(self.operations[market], self.keyring) for market in markets}
        self._execution_id = 8_641_000
        self._next_sweep_ms = 0

    # ---- bytes -----------------------------------------------------------------------------------

    def make_hub(self, market: str) -> BinanceHub:
        return BinanceHub(self.venue, market)

    def open_session(self, port: str, path: str, headers: Mapping[str, str], link: Link) -> Session | None:
        market, _, kind = port.partition("_")
        if kind == "ws_api":
            if path.partition("?")[0] != API_PATHS[market]:
                return None
            return WsApiSession(self, self.operations[market], path, link, API_RULES[market])
        keys = self.listen_keys.get(market)
        if keys is not None and UserSession.accepts(path, keys):
            return UserSession(keys, path, link, STREAM_RULES[market])
        if not MarketSession.accepts(market, path):
            return None
        hub = self.venue.hubs[market]
        assert isinstance(hub, BinanceHub)
        return MarketSession(hub, path, link, STREAM_RULES[market])

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
        market = port.partition("_")[0]
        key = headers.get("x-mbx-apikey")
        self.rest[market].handle(method, path, query, body.decode("utf-8", "replace"), key, recv_mono_ns, reply)

    def make_credentials(self, account: Account) -> dict[str, bytes]:
        return make_keys(account, self.keyring, self.key_kinds)

    def play(self, market: str, symbol: str, frame: bytes) -> None:
        play_frame(self.venue, market, symbol, frame)

    # ---- what happened ---------------------------------------------------------------------------

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        account, now_ms = order.account, order.update_ms
        if order.instrument.market == SPOT:
            if fill is not None and len(order.fills) == 1:
                self.limits[SPOT].give_back(account, now_ms)
            if self.sinks[SPOT][account.name]:
                self._execution_id += 1
                self._send(account, SPOT, events.execution_report(order, event, fill, self._execution_id, now_ms))
        elif self.sinks[LINEAR][account.name]:
            if fill is not None:
                self._send(account, LINEAR, events.trade_lite(order, fill, now_ms))
            self._send(account, LINEAR, events.order_trade_update(order, event, fill, now_ms))

    def on_account(
        self, account: Account, market: str, reason: str, assets: list[str], symbols: list[str], change_e8: int = 0
    ) -> None:
        now_ms = self.venue.clock.wall_ms()
        if market == LINEAR:
            if self.sinks[LINEAR][account.name]:
                change = None if reason == "ORDER" else (assets[0], change_e8)
                marks = self.venue.matcher.mark_px_e8
                self._send(account, LINEAR, events.account_update(account, reason, symbols, marks, now_ms, change))
        elif self.sinks[SPOT][account.name]:
            if reason != "ORDER":
                self._send(account, SPOT, events.balance_update(assets[0], change_e8, now_ms))
            elif account.has_flag("bnb_burn") and "BNB" not in assets:
                assets = [*assets, "BNB"]
            self._send(account, SPOT, events.outbound_account_position(account, assets, now_ms))

    def _send(self, account: Account, market: str, event: dict[str, Any]) -> None:
        body = orjson.dumps(event)
        symbol = event["o"]["s"] if "o" in event and market == LINEAR else event.get("s")
        for sink in self.sinks[market][account.name]:
            if sink.events is None or event["e"] in sink.events:
                self.venue.queue(market, symbol, sink.send, sink.frame(body))

    def spot_fee(self, order: Order, commission_e8: int, fee_e8: int, asset: str) -> tuple[int, str]:
        """With `bnb_burn`: three quarters of the commission in BNB, when there is enough."""
        account = order.account
        if account.has_flag("bnb_burn"):
            bnb_px_e8 = self.venue.index_px_e8.get("BNBUSDT", BNB_PX_E8)
            fee_bnb = commission_e8 * 3 * E8 // (4 * bnb_px_e8)
            if account.free.get("BNB", 0) >= fee_bnb:
                return fee_bnb, "BNB"
        return fee_e8, asset

    # ---- faults ----------------------------------------------------------------------------------

    def rejection(self, fault: Fault, market: str, is_cancel: bool) -> VenueError:
        options = fault.params
        code, msg = (
            (-2011, "Unknown order sent.") if is_cancel else (-2010, "Account has insufficient balance for requested action.")
        )
        return VenueError(int(options.get("code", code)), options.get("msg", msg), int(options.get("status", 400)))

    def unknown_outcome(self, fault: Fault, market: str) -> VenueError:
        """-1007, or -1006 with variant "unexpected"."""
        return errors.unexpected_response() if fault.params.get("variant") == "unexpected" else errors.unknown_execution()

    def limit_outcome(self, fault: Fault, market: str, is_ban: bool) -> VenueError:
        until_ms = self.venue.clock.wall_ms() + int(fault.params.get("ms", 1000))
        return errors.banned(until_ms) if is_ban else errors.too_many_weight(self.limits[market].weight_max, until_ms)

    # ---- on time and on command -------------------------------------------------------------------

    def outside_client_id(self, kind: str) -> str:
        if kind == "adl":
            return "adl_autoclose"
        if kind == "liquidation":
            return f"autoclose-{self.venue.clock.wall_ms()}"
        return f"web_{self.venue.matcher.take_order_id(SPOT)}"

    def limit(self, market: str, until_ms: int, is_ban: bool) -> None:
        if is_ban:
            self.limits[market].banned_until_ms = until_ms
        else:
            self.limits[market].retry_until_ms = until_ms

    def on_timer(self, now_ms: int) -> None:
        linear = self.operations.get(LINEAR)
        if isinstance(linear, LinearOperations) and linear.countdowns:
            linear.run_countdowns(now_ms)
        if now_ms >= self._next_sweep_ms:
            self._next_sweep_ms = now_ms + 1000
            for keys in self.listen_keys.values():
                keys.expire_old()

    def expire(self, account: Account) -> int:
        ended = 0
        for keys in self.listen_keys.values():
            for key in [k for k, (owner, _) in keys.owners.items() if owner is account]:
                keys.expire(key)
                ended += 1
        return ended
