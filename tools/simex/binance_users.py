"""Binance: who listens to an account: subscriptions on the spot WS API, listen keys and the connections opened with them.

USD-M opens `/private/ws/<listenKey>`, `?listenKey=&events=` and the combined form; Binance.US still has listen keys on spot too,
and opens `/ws/<listenKey>`.  Source: user-data-streams pages (2026-05), binance-us-api-docs.  On USD-M a connection with an
unknown key opens and stays silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import orjson

from tools.simex.contract import LINEAR, UD, Link, Session, SessionRules
from tools.simex.hub import Send
from tools.simex.ledger import Account

if TYPE_CHECKING:
    from tools.simex.binance_dialect import BinanceDialect

LISTEN_KEY_VALID_MS = 60 * 60 * 1000


class UserSink:
    """One listener: a subscription (wrapped with its number), or a connection bound to a listen key (wrapped when combined)."""

    def __init__(
        self, account: Account, send: Send, *, subscription_id: int = -1, listen_key: str = "", events: set[str] | None = None,
        is_combined: bool = False,
    ) -> None:  # fmt: skip
        self.account = account
        self.send = send
        self.subscription_id = subscription_id
        self.listen_key = listen_key
        self.events = events  # None = all
        self.prefix = b""
        if subscription_id >= 0:
            self.prefix = b'{"subscriptionId":%d,"event":' % subscription_id
        elif is_combined:
            self.prefix = b'{"stream":"' + listen_key.encode() + b'","data":'

    def frame(self, body: bytes) -> bytes:
        return self.prefix + body + b"}" if self.prefix else body


class ListenKeys:
    """What gives the user streams of a market their life: one key an account, valid for an hour from its last extension."""

    def __init__(self, dialect: BinanceDialect, market: str) -> None:
        self.market = market
        self.sinks = dialect.sinks[market]
        self.clock = dialect.venue.clock
        self.owners: dict[str, tuple[Account, int]] = {}
        self._next = 0

    def new(self, account: Account) -> str:
        """The account's key, extended; a new one when it has none."""
        found = self.extend(account)
        if found is not None:
            return found
        self._next += 1
        key = f"sim{self.market}{account.uid}x{self._next}".ljust(64, "Z")
        self.owners[key] = (account, self.clock.wall_ms() + LISTEN_KEY_VALID_MS)
        return key

    def extend(self, account: Account) -> str | None:
        now = self.clock.wall_ms()
        for key, (owner, until) in self.owners.items():
            if owner is account and now < until:
                self.owners[key] = (owner, now + LISTEN_KEY_VALID_MS)
                return key
        return None

    def owner(self, key: str) -> Account | None:
        found = self.owners.get(key)
        return found[0] if found is not None and self.clock.wall_ms() < found[1] else None

    def expire(self, key: str) -> None:
        """The key is dead; connections on it are told."""
        found = self.owners.pop(key, None)
        if found is None:
            return
        event = orjson.dumps({"e": "listenKeyExpired", "E": self.clock.wall_ms(), "listenKey": key})
        for sink in self.sinks[found[0].name]:
            if sink.listen_key == key:
                sink.send(sink.frame(event))

    def expire_old(self) -> None:
        now = self.clock.wall_ms()
        for key in [k for k, (_, until) in self.owners.items() if now >= until]:
            self.expire(key)


def _requested(path: str) -> tuple[list[str], str, dict[str, list[str]]]:
    parts = urlsplit(path)
    return [s for s in parts.path.split("/") if s], parts.path, parse_qs(parts.query)


class UserSession(Session):
    """One private websocket of a market."""

    channels = (UD,)

    def __init__(self, keys: ListenKeys, path: str, link: Link, rules: SessionRules) -> None:
        self.keys = keys
        self.market = keys.market
        self.send = link.send
        self.rules = rules
        self.sinks: list[UserSink] = []
        segments, _, query = _requested(path)
        if segments and segments[0] == "private":
            segments.pop(0)
        self.is_combined = bool(segments) and segments[0] == "stream"
        self._events = {e for value in query.get("events", []) for e in value.split("/")} or None
        self._first_keys = (
            segments[1:] + query.get("listenKey", []) + [k for value in query.get("streams", []) for k in value.split("/")]
        )

    def opened(self) -> None:
        for key in self._first_keys:
            self._add(key, self._events)

    @staticmethod
    def accepts(path: str, keys: ListenKeys) -> bool:
        """USD-M: the /private route; on both markets /ws/<listenKey>."""
        segments, _, _ = _requested(path)
        if keys.market == LINEAR and segments and segments[0] == "private":
            return len(segments) > 1 and segments[1] in ("ws", "stream")
        return len(segments) == 2 and segments[0] == "ws" and segments[1] in keys.owners

    def _add(self, key: str, events: set[str] | None) -> None:
        account = self.keys.owner(key)
        if account is None or any(s.listen_key == key for s in self.sinks):
            return
        sink = UserSink(account, self.send, listen_key=key, events=events, is_combined=self.is_combined)
        self.sinks.append(sink)
        self.keys.sinks[account.name].append(sink)

    def on_text(self, message: bytes, recv_mono_ns: int) -> None:
        try:
            request = orjson.loads(message)
        except orjson.JSONDecodeError:
            return
        if isinstance(request, dict) and request.get("method") == "SUBSCRIBE" and isinstance(request.get("params"), list):
            self.send(orjson.dumps({"result": None, "id": request.get("id")}))
            for key in request["params"]:
                if isinstance(key, str):
                    self._add(key, None)
        elif isinstance(request, dict) and request.get("method") == "LIST_SUBSCRIPTIONS":
            self.send(orjson.dumps({"result": [s.listen_key for s in self.sinks], "id": request.get("id")}))

    def close(self) -> None:
        for sink in self.sinks:
            self.keys.sinks[sink.account.name].remove(sink)
        self.sinks.clear()
