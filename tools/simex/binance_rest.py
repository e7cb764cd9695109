"""Binance: the REST dialect of either market: method, target, headers and body in, status, headers and body out.

Checks keys, signatures (over the raw query and body) and time stamps, spends weight, performs the market's operation.  Sans-I/O:
the shell brings HTTP.  Source: rest-api.md (2026-07), USD-M general-info (2026-05).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson

from tools.simex.binance_auth import Keyring, check_rest_signature, check_time
from tools.simex.binance_errors import VenueError
from tools.simex.binance_orders import KEY_ONLY, Operations
from tools.simex.contract import HttpReply
from tools.simex.ledger import Account


class RestDialect:
    """REST of one market."""

    def __init__(self, operations: Operations, keyring: Keyring) -> None:
        self.operations = operations
        self.keyring = keyring
        self.venue = operations.venue
        self.limits = operations.limits
        self.table = operations.rest_table
        self.paths = {path for _, path in self.table}

    def handle(
        self, method: str, path: str, query: str, body: str, api_key: str | None, recv_mono_ns: int, reply: HttpReply
    ) -> None:
        """Answer through `reply`, at once unless a planted fault delays or loses it.  User events and market data follow it."""
        self.venue.recv_mono_ns = recv_mono_ns
        account: Account | None = None
        row = self.table.get((method, path))
        if row is None:
            if path in self.paths:
                reply(405, b'{"code":-1000,"msg":"Method is not supported."}', {})
            else:
                reply(404, b'{"code":-5000,"msg":"Path %s, Method %s is invalid"}' % (path.encode(), method.encode()), {})
            return
        name, weight, needs = row
        try:
            params = dict(parse_qsl(query, keep_blank_values=True)) | dict(parse_qsl(body, keep_blank_values=True))
            cost = weight if isinstance(weight, int) else getattr(self.operations, weight)(params)
            self.limits.spend(cost, self.venue.clock.wall_ms())
            if needs:
                account, key = self.keyring.find(api_key)
                if needs != KEY_ONLY:
                    check_rest_signature(key, query, body)
                    check_time(params, self.venue.clock.wall_us())
        except VenueError as error:
            self._answer(error, account, reply)
            return
        self.operations.perform(name, account, params, lambda outcome: self._answer(outcome, account, reply))

    def _answer(self, outcome: Any, account: Account | None, reply: HttpReply) -> None:
        headers = self.limits.headers(account, self.venue.clock.wall_ms())
        if isinstance(outcome, VenueError):
            if outcome.status in (418, 429):
                wait_ms = (outcome.data or {}).get("retryAfter", 0) - self.venue.clock.wall_ms()
                headers["Retry-After"] = str(max(1, -(-wait_ms // 1000)))
            reply(outcome.status, orjson.dumps({"code": outcome.code, "msg": outcome.msg}), headers)
        else:
            reply(200, orjson.dumps(outcome), headers)
