"""The REST dialect of either market: method, target, headers and body in, status, headers and body out.

Checks keys, signatures (over the raw query and body) and time stamps, spends weight, calls the market's operation.  Sans-I/O:
the shell brings HTTP.  Source: rest-api.md (2026-07), USD-M general-info (2026-05).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from tools.simex.auth import check_rest_signature, check_time
from tools.simex.errors import VenueError
from tools.simex.ledger import Account
from tools.simex.linear import KEY_ONLY
from tools.simex.linear import REST_TABLE as LINEAR_TABLE
from tools.simex.operations import Operations
from tools.simex.spot import REST_TABLE as SPOT_TABLE
from tools.simex.venue import Venue

TABLES: dict[str, dict[tuple[str, str], tuple[str, int | str, bool | str]]] = {
    "spot": SPOT_TABLE,
    "linear": LINEAR_TABLE,
}


@dataclass(slots=True)
class RestReply:
    """One answer; `body` is JSON."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class RestDialect:
    """REST of one market."""

    def __init__(self, venue: Venue, operations: Operations) -> None:
        self.venue = venue
        self.operations = operations
        self.limits = operations.limits
        self.table = TABLES[operations.market]
        self.paths = {path for _, path in self.table}

    def handle(
        self,
        method: str,
        path: str,
        query: str,
        body: str,
        api_key: str | None,
        recv_mono_ns: int,
        reply: Callable[[RestReply], None],
    ) -> None:
        """Answer through `reply`, at once unless a planted fault delays or loses it.  Market data follows it."""
        self.venue.recv_mono_ns = recv_mono_ns
        account: Account | None = None
        row = self.table.get((method, path))
        if row is None:
            if path in self.paths:
                reply(RestReply(405, b'{"code":-1000,"msg":"Method is not supported."}'))
            else:
                reply(RestReply(404, b'{"code":-5000,"msg":"Path %s, Method %s is invalid"}' % (path.encode(), method.encode())))
            return
        name, weight, needs = row
        try:
            params = dict(parse_qsl(query, keep_blank_values=True)) | dict(parse_qsl(body, keep_blank_values=True))
            cost = weight if isinstance(weight, int) else getattr(self.operations, weight)(params)
            self.limits.spend(cost, self.venue.clock.wall_ms())
            if needs:
                account, key = self.venue.keyring.find(api_key)
                if needs != KEY_ONLY:
                    check_rest_signature(key, query, body)
                    check_time(params, self.venue.clock.wall_us())
            if name == "submit":
                owner = account
                assert owner is not None
                self.operations.submit(owner, params, lambda outcome: reply(self._reply(outcome, owner)))
                self.venue.settle()
                return
            faults = self.venue.faults
            if faults.has_other and self._fault(name, params, account, reply):
                return
            outcome = getattr(self.operations, name)(account, params)
        except VenueError as error:
            outcome = error
        reply(self._reply(outcome, account))
        self.venue.settle()

    def _fault(self, name: str, params: dict[str, str], account: Account | None, reply: Callable[[RestReply], None]) -> bool:
        """True when a planted fault takes care of the answer."""
        faults, market = self.venue.faults, self.operations.market
        if name in ("cancel", "cancel_all"):
            fault = faults.take(
                "oe", market, params.get("symbol"), ("lostreq", "lostresp", "reject", "delay", "silent"), "cancel"
            )
        else:
            fault = faults.take("q", market, params.get("symbol"), ("delay", "lostresp", "silent"))
        if fault is None:
            return False
        if fault.verb == "reject":
            raise VenueError(int(fault.params.get("code", -2011)), fault.params.get("msg", "Unknown order sent."))
        if fault.verb == "lostresp":
            self.operations.attempt(lambda: getattr(self.operations, name)(account, params))
            self.venue.settle()
        if fault.verb == "delay":

            def later() -> None:
                outcome = self.operations.attempt(lambda: getattr(self.operations, name)(account, params))
                reply(self._reply(outcome, account))
                self.venue.settle()

            faults.defer(float(fault.params.get("ms", 1000)) / 1e3, later)
        return True

    def _reply(self, outcome: Any, account: Account | None) -> RestReply:
        headers = self.limits.headers(account, self.venue.clock.wall_ms())
        if isinstance(outcome, VenueError):
            if outcome.status in (418, 429):
                wait_ms = (outcome.data or {}).get("retryAfter", 0) - self.venue.clock.wall_ms()
                headers["Retry-After"] = str(max(1, -(-wait_ms // 1000)))
            return RestReply(outcome.status, orjson.dumps({"code": outcome.code, "msg": outcome.msg}), headers)
        return RestReply(200, orjson.dumps(outcome), headers)


def plain_error(status: int, msg: str) -> RestReply:
    """An answer of the gateway in front of the venue: `503 Unknown error, ...` leaves the execution unknown."""
    return RestReply(status, orjson.dumps({"code": -1000, "msg": msg}))
