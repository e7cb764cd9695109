"""USD-M user-data connections on the /private route: `/private/ws/<listenKey>`, `?listenKey=&events=` and the combined form.

Source: user-data-streams pages (2026-05).  A connection with an unknown key opens and stays silent.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import orjson

from tools.simex.streams import Send
from tools.simex.venue import LinearUserSink, Venue


def _requested(path: str) -> tuple[list[str], str, dict[str, list[str]]]:
    parts = urlsplit(path)
    return [s for s in parts.path.split("/") if s], parts.path, parse_qs(parts.query)


class LinearUserSession:
    """One private websocket."""

    def __init__(self, venue: Venue, path: str, send: Send) -> None:
        self.venue = venue
        self.send = send
        self.sinks: list[LinearUserSink] = []
        segments, _, query = _requested(path)
        if segments and segments[0] == "private":
            segments.pop(0)
        self.is_combined = bool(segments) and segments[0] == "stream"
        events = {e for value in query.get("events", []) for e in value.split("/")} or None
        keys = segments[1:] + query.get("listenKey", []) + [k for value in query.get("streams", []) for k in value.split("/")]
        for key in keys:
            self._add(key, events)

    @staticmethod
    def accepts(path: str, venue: Venue) -> bool:
        """The /private route; also an un-routed /ws/<listenKey>, which older clients use."""
        segments, _, _ = _requested(path)
        if segments and segments[0] == "private":
            return len(segments) > 1 and segments[1] in ("ws", "stream")
        return len(segments) == 2 and segments[0] == "ws" and segments[1] in venue.listen_keys

    def _add(self, key: str, events: set[str] | None) -> None:
        account = self.venue.listen_key_owner(key)
        if account is None or any(s.listen_key == key for s in self.sinks):
            return
        sink = LinearUserSink(account, key, events, self.send, self.is_combined)
        self.sinks.append(sink)
        self.venue.linear_sinks[account.name].append(sink)

    def on_text(self, message: bytes) -> None:
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
            self.venue.linear_sinks[sink.account.name].remove(sink)
        self.sinks.clear()
