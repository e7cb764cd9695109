"""Binance: the WS API dialect of either market: JSON requests in, JSON answers out.

One `WsApiSession` per connection: logon (Ed25519 only), signature and time checks, the market's operations, on spot the
user-data subscriptions too.  Bytes in, bytes out through `send`.  Source: web-socket-api.md (2026-07), USD-M
websocket-api-general-info (2026-05).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson

from tools.simex import binance_errors as errors
from tools.simex.binance_auth import ApiKey, check_time, check_ws_signature, params_text
from tools.simex.binance_errors import VenueError
from tools.simex.binance_orders import KEY_ONLY, Operations
from tools.simex.binance_users import UserSink
from tools.simex.contract import OE, SPOT, UD, Link, Session, SessionRules
from tools.simex.ledger import Account

if TYPE_CHECKING:
    from tools.simex.binance_dialect import BinanceDialect


class WsApiSession(Session):
    """One WS API connection."""

    channels = (OE,)

    def __init__(self, dialect: BinanceDialect, operations: Operations, path: str, link: Link, rules: SessionRules) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.operations = operations
        self.market = operations.market
        self.rules = rules
        self.limits = operations.limits
        self.send = link.send
        self.connected_ms = self.venue.clock.wall_ms()
        self.logged_on: tuple[Account, ApiKey] | None = None
        self.authorized_ms = 0
        self.sinks: list[UserSink] = []
        self._next_subscription = 0
        query = parse_qs(urlsplit(path).query)
        self.returns_limits = query.get("returnRateLimits", ["true"])[0] != "false"

    def close(self) -> None:
        for sink in self.sinks:
            self.dialect.sinks[SPOT][sink.account.name].remove(sink)
        self.sinks.clear()

    def notice(self, now_ms: int) -> None:
        self.send(b'{"event":{"e":"serverShutdown","E":%d}}' % now_ms)

    def on_text(self, message: bytes, recv_mono_ns: int) -> None:
        """Handle one request; the answer leaves first, then the events it caused."""
        self.venue.recv_mono_ns = recv_mono_ns
        try:
            request = orjson.loads(message)
        except orjson.JSONDecodeError:
            self._answer(None, VenueError(-1135, "Invalid JSON Request"), None, True)
            return
        if (
            not isinstance(request, dict)
            or not isinstance(request.get("method"), str)
            or not isinstance(request.get("params", {}), dict)
        ):
            self._answer(
                request.get("id") if isinstance(request, dict) else None, VenueError(-1135, "Invalid JSON Request"), None, True
            )
            return
        request_id = request.get("id")
        account: Account | None = None
        wants_limits = self.returns_limits
        try:
            params = params_text(request.get("params") or {}, message)
            if "returnRateLimits" in params:
                wants_limits = params["returnRateLimits"] == "true"
            method = request["method"]
            row = self.operations.ws_table.get(method)
            if row is None:
                result, account = self._session_method(method, params)
                self._answer(request_id, result, account, wants_limits)
                self.venue.settle()
                return
            name, weight, needs = row
            cost = weight if isinstance(weight, int) else getattr(self.operations, weight)(params)
            self.limits.spend(cost, self.venue.clock.wall_ms())
            if needs == KEY_ONLY:
                account = self._key_only(params)
            elif needs:
                account = self._authenticate(params)
        except VenueError as error:
            self._answer(request_id, error, account, wants_limits)
            return
        self.operations.perform(name, account, params, lambda outcome: self._answer(request_id, outcome, account, wants_limits))

    # ---- who is asking ---------------------------------------------------------------------------

    def _authenticate(self, params: dict[str, str]) -> Account:
        """Signed by its own key and signature, or by the session's logon."""
        if "apiKey" in params or "signature" in params or self.logged_on is None:
            if "apiKey" not in params:
                raise errors.mandatory("apiKey")
            account, key = self.dialect.keyring.find(params["apiKey"])
            check_ws_signature(key, params)
        else:
            account, _ = self.logged_on
        check_time(params, self.venue.clock.wall_us())
        return account

    def _key_only(self, params: dict[str, str]) -> Account:
        if "apiKey" in params:
            return self.dialect.keyring.find(params["apiKey"])[0]
        if self.logged_on is not None:
            return self.logged_on[0]
        raise errors.mandatory("apiKey")

    # ---- session and subscriptions ---------------------------------------------------------------

    def _session_method(self, method: str, params: dict[str, str]) -> tuple[Any, Account | None]:
        now = self.venue.clock.wall_ms()
        if method == "session.logon" and "ed25519" in self.dialect.key_kinds:
            self.limits.spend(2, now)
            account, key = self.dialect.keyring.find(params.get("apiKey"))
            if key.kind != "ed25519":
                raise VenueError(-4056, "HMAC_SHA256 API key is not supported.", 401)
            check_ws_signature(key, params)
            check_time(params, self.venue.clock.wall_us())
            self.logged_on = (account, key)
            self.authorized_ms = now
            return self._session_state(), account
        if method == "session.status":
            self.limits.spend(2, now)
            return self._session_state(), None
        if method == "session.logout":
            self.limits.spend(2, now)
            self.logged_on = None
            return self._session_state(), None
        if self.market == SPOT and method in ("userDataStream.subscribe", "userDataStream.subscribe.signature"):
            self.limits.spend(2, now)
            if method.endswith(".signature"):
                account, key = self.dialect.keyring.find(params.get("apiKey"))
                check_ws_signature(key, params)
                check_time(params, self.venue.clock.wall_us())
            elif self.logged_on is None:
                raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
            else:
                account = self.logged_on[0]
            if any(sink.account is account for sink in self.sinks):
                raise VenueError(-2035, "User Data Stream subscription already active.")
            sink = UserSink(account, self.send, subscription_id=self._next_subscription)
            self._next_subscription += 1
            self.channels = (OE, UD)  # faults of either meet it
            self.sinks.append(sink)
            self.dialect.sinks[SPOT][account.name].append(sink)
            return {"subscriptionId": sink.subscription_id}, account
        if self.market == SPOT and method == "userDataStream.unsubscribe":
            wanted = params.get("subscriptionId")
            found = [s for s in self.sinks if wanted is None or str(s.subscription_id) == wanted]
            if not found:
                raise VenueError(-2036, "User Data Stream subscription not active.")
            for sink in found:
                self.sinks.remove(sink)
                self.dialect.sinks[SPOT][sink.account.name].remove(sink)
            self.channels = (OE, UD) if self.sinks else (OE,)
            return {}, None
        if self.market == SPOT and method == "session.subscriptions":
            return [{"subscriptionId": s.subscription_id} for s in self.sinks], None
        raise VenueError(-1130, "Unknown method." if not method else f"Unknown method '{method}'.")

    def _session_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "apiKey": self.logged_on[1].key if self.logged_on else None,
            "authorizedSince": self.authorized_ms if self.logged_on else None,
            "connectedSince": self.connected_ms,
            "returnRateLimits": self.returns_limits,
            "serverTime": self.venue.clock.wall_ms(),
        }
        if self.market == SPOT:
            state["userDataStream"] = bool(self.sinks)
        return state

    # ---- answers ---------------------------------------------------------------------------------

    def _answer(self, request_id: Any, outcome: Any, account: Account | None, wants_limits: bool) -> None:
        if isinstance(outcome, VenueError):
            error: dict[str, Any] = {"code": outcome.code, "msg": outcome.msg}
            if outcome.data is not None:
                error["data"] = {"serverTime": self.venue.clock.wall_ms()} | outcome.data
            answer: dict[str, Any] = {"id": request_id, "status": outcome.status, "error": error}
        else:
            answer = {"id": request_id, "status": 200, "result": outcome}
        if wants_limits:
            answer["rateLimits"] = self.limits.describe(account, self.venue.clock.wall_ms())
        self.send(orjson.dumps(answer))
