"""Binance: request weight and order counts of one market, in the venue's fixed windows.

Weight is per address (here: one), orders per account.  On spot a filled order gives its count back.  `enforce` off counts but
never refuses.  Source: rest-api.md and faqs/order_count_decrement.md (2026-07), USD-M general-info (2026-05).
"""

from __future__ import annotations

from typing import Any

from tools.simex import binance_errors as errors
from tools.simex.contract import SPOT
from tools.simex.ledger import Account

WEIGHT_MAX = {SPOT: 6000, "linear": 2400}
# (interval letter, name, number, seconds, limit)
ORDER_WINDOWS = {
    SPOT: [("10S", "SECOND", 10, 10, 100), ("1D", "DAY", 1, 86_400, 200_000)],
    "linear": [("10S", "SECOND", 10, 10, 300), ("1M", "MINUTE", 1, 60, 1200)],
}


class Limits:
    """Counters of one market."""

    def __init__(self, market: str, enforce: bool = True, orders_10s_max: int | None = None) -> None:
        self.market = market
        self.enforce = enforce
        self.weight_max = WEIGHT_MAX[market]
        self.windows = list(ORDER_WINDOWS[market])
        if orders_10s_max is not None:
            letter, name, number, seconds, _ = self.windows[0]
            self.windows[0] = (letter, name, number, seconds, orders_10s_max)
        self._weight_window = -1
        self._weight = 0
        self._orders: dict[tuple[str, str], tuple[int, int]] = {}
        self.banned_until_ms = 0
        self.retry_until_ms = 0

    def weight(self, now_ms: int) -> int:
        return self._weight if self._weight_window == now_ms // 60_000 else 0

    def spend(self, weight: int, now_ms: int) -> None:
        """Count request weight; VenueError 429 or 418 when there is none left."""
        if now_ms < self.banned_until_ms:
            raise errors.banned(self.banned_until_ms)
        if now_ms < self.retry_until_ms:
            raise errors.too_many_weight(self.weight_max, self.retry_until_ms)
        window = now_ms // 60_000
        if window != self._weight_window:
            self._weight_window, self._weight = window, 0
        self._weight += weight
        if self.enforce and self._weight > self.weight_max:
            raise errors.too_many_weight(self.weight_max, (window + 1) * 60_000)

    def order_count(self, account: Account, letter: str, seconds: int, now_ms: int) -> int:
        window, count = self._orders.get((account.name, letter), (-1, 0))
        return count if window == now_ms // (seconds * 1000) else 0

    def count_order(self, account: Account, now_ms: int) -> None:
        """Count one new order; VenueError -1015 when a window is full."""
        for letter, name, number, seconds, limit in self.windows:
            if self.enforce and self.order_count(account, letter, seconds, now_ms) >= limit:
                raise errors.too_many_orders(limit, f"{number} {name}", (now_ms // (seconds * 1000) + 1) * seconds * 1000)
        for letter, _, _, seconds, _ in self.windows:
            count = self.order_count(account, letter, seconds, now_ms)
            self._orders[(account.name, letter)] = (now_ms // (seconds * 1000), count + 1)

    def give_back(self, account: Account, now_ms: int) -> None:
        """Spot: a trade of an order takes it off the unfilled count."""
        for letter, _, _, seconds, _ in self.windows:
            count = self.order_count(account, letter, seconds, now_ms)
            if count:
                self._orders[(account.name, letter)] = (now_ms // (seconds * 1000), count - 1)

    def describe(self, account: Account | None, now_ms: int) -> list[dict[str, Any]]:
        """The `rateLimits` array of a WS API answer."""
        rows: list[dict[str, Any]] = []
        if account is not None:
            rows = [
                {
                    "rateLimitType": "ORDERS",
                    "interval": name,
                    "intervalNum": number,
                    "limit": limit,
                    "count": self.order_count(account, letter, seconds, now_ms),
                }
                for letter, name, number, seconds, limit in self.windows
            ]
        rows.append(
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": self.weight_max,
                "count": self.weight(now_ms),
            }
        )
        return rows

    def headers(self, account: Account | None, now_ms: int) -> dict[str, str]:
        headers = {"X-MBX-USED-WEIGHT-1M": str(self.weight(now_ms)), "X-MBX-USED-WEIGHT": str(self.weight(now_ms))}
        if account is not None:
            for letter, _, _, seconds, _ in self.windows:
                headers[f"X-MBX-ORDER-COUNT-{letter}"] = str(self.order_count(account, letter, seconds, now_ms))
        return headers

    def table(self) -> list[dict[str, Any]]:
        """The `rateLimits` of exchangeInfo."""
        rows = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": self.weight_max}]
        rows += [
            {"rateLimitType": "ORDERS", "interval": name, "intervalNum": number, "limit": limit}
            for _, name, number, _, limit in self.windows
        ]
        return rows
