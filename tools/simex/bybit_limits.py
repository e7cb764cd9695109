"""Bybit: requests a second of each endpoint (rolling, per account, the same count for sockets and REST) and of an address.

Source: v5 docs rate-limit.mdx.  Orders of a batch count one each, apart from single ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from tools.simex import bybit_errors as errors
from tools.simex.contract import LINEAR, SPOT
from tools.simex.ledger import Account

WINDOW_MS = 1000
IP_WINDOW_MS, IP_MAX = 5000, 600
ORDER_MAX = {  # endpoint -> requests a second, by market
    "create": {SPOT: 20, LINEAR: 10},
    "amend": {SPOT: 10, LINEAR: 10},
    "cancel": {SPOT: 20, LINEAR: 10},
    "cancel-all": {SPOT: 20, LINEAR: 10},
}
QUERY_MAX = {"account/fee-rate": 5, "account/transaction-log": 25, "position/set-leverage": 10}
QUERY_DEFAULT = 50


class Limits:
    """Counters of all accounts and of the address."""

    def __init__(self, enforce: bool, options: Mapping[str, Any]) -> None:
        """`options`: `orders_1s_max` {market: n} in place of the venue's numbers for placing."""
        self.enforce = enforce
        self._create_max = {SPOT: 20, LINEAR: 10} | dict(options.get("orders_1s_max", {}))
        self._stamps: dict[tuple[str, str, str], deque[int]] = {}
        self._address: deque[int] = deque()
        self.banned_until_ms = 0
        self.refused_until_ms: dict[str, int] = {}

    def count_request(self, now_ms: int) -> None:
        """One HTTP request of the address; VenueError with HTTP 403 when it is banned or too fast."""
        if now_ms < self.banned_until_ms:
            raise errors.forbidden()
        _forget(self._address, now_ms - IP_WINDOW_MS)
        self._address.append(now_ms)
        if self.enforce and len(self._address) > IP_MAX:
            self.banned_until_ms = now_ms + 600_000
            raise errors.forbidden()

    def check_market(self, market: str, now_ms: int) -> None:
        """Control `ratelimit`."""
        if now_ms < self.banned_until_ms:
            raise errors.forbidden()
        if now_ms < self.refused_until_ms.get(market, 0):
            raise errors.too_many_visits()

    def most(self, endpoint: str, market: str) -> int:
        name = endpoint.removesuffix("-batch")
        if name == "create":
            return int(self._create_max[market])
        return ORDER_MAX[name][market] if name in ORDER_MAX else QUERY_MAX.get(endpoint, QUERY_DEFAULT)

    def spend(self, account: Account, endpoint: str, market: str, cost: int, now_ms: int) -> None:
        """Count; VenueError 10006 when a second has no room for it."""
        self.check_market(market, now_ms)
        stamps = self._stamps_of(account, endpoint, market, now_ms)
        if self.enforce and len(stamps) + cost > self.most(endpoint, market):
            raise errors.too_many_visits()
        stamps.extend([now_ms] * cost)

    def headers(self, account: Account | None, endpoint: str, market: str, now_ms: int) -> dict[str, str]:
        """What is left: the X-Bapi-Limit headers, of REST answers and in `header` of the order socket's."""
        if account is None:
            return {}
        stamps, most = self._stamps_of(account, endpoint, market, now_ms), self.most(endpoint, market)
        left, reset_ms = max(0, most - len(stamps)), now_ms
        if now_ms < self.refused_until_ms.get(market, 0):
            left, reset_ms = 0, self.refused_until_ms[market]
        elif left == 0:
            reset_ms = stamps[0] + WINDOW_MS
        return {
            "X-Bapi-Limit": str(most),
            "X-Bapi-Limit-Status": str(left),
            "X-Bapi-Limit-Reset-Timestamp": str(reset_ms),
        }

    def _stamps_of(self, account: Account, endpoint: str, market: str, now_ms: int) -> deque[int]:
        key = (account.name, endpoint, market if endpoint.removesuffix("-batch") in ORDER_MAX else "")
        stamps = self._stamps.setdefault(key, deque())
        _forget(stamps, now_ms - WINDOW_MS)
        return stamps


def _forget(stamps: deque[int], until_ms: int) -> None:
    while stamps and stamps[0] <= until_ms:
        stamps.popleft()
