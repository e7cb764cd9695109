"""OKX: request counts in windows of two seconds (trading: of an account and instrument, or of the account over all), the hour's
subscriptions of a connection.  `enforce` off counts nothing.  OKX tells no remaining counts.

Source: v5 documentation, rate limits of each endpoint; those of batches are long-standing values.
"""

from __future__ import annotations

from tools.simex import okx_errors as errors

ORDERS_MAX, BATCH_ORDERS_MAX, CAP_MAX = 60, 300, 1000
WINDOW_MS = 2000
HOUR_MAX = 480
CONNECTIONS_PER_CHANNEL_MAX = 30


class Limits:
    def __init__(self, enforce: bool, orders_2s_max: int = ORDERS_MAX) -> None:
        self.enforce = enforce
        self.orders_max = orders_2s_max
        self.refuse_until_ms = 0  # everything until then
        self._counts: dict[tuple[str, ...], tuple[int, int]] = {}

    def check_open(self, now_ms: int) -> None:
        """VenueError while everything is refused (control `ratelimit`)."""
        if now_ms < self.refuse_until_ms:
            raise errors.too_many()

    def spend(self, key: tuple[str, ...], maximum: int, now_ms: int, count: int = 1, window_ms: int = WINDOW_MS) -> None:
        """VenueError 50011 when the window is full."""
        if not self.enforce:
            return
        window = now_ms // window_ms
        held, used = self._counts.get(key, (-1, 0))
        used = count if held != window else used + count
        if used > maximum:
            raise errors.too_many(key[0] == "cap")
        self._counts[key] = (window, used)

    def spend_order(self, action: str, account: str, symbol: str, is_swap: bool, is_batch: bool, now_ms: int) -> None:
        """One order to `place`, `cancel` or `amend`; batches have counts of their own."""
        if is_batch:
            self.spend((f"{action}s", account, symbol), BATCH_ORDERS_MAX, now_ms)
        else:
            self.spend((action, account, symbol), self.orders_max, now_ms)
        if is_swap and action != "cancel":
            self.spend(("cap", account), CAP_MAX, now_ms)
