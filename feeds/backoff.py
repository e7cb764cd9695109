"""How often we try: back-off with seeded jitter, messages a second of one socket, connection attempts of one venue."""
import random
import time
from collections import deque

STABLE_AFTER_S = 5.0  # a connection that lived so long starts the back-off anew


class Backoff:
    """first_s, 2*first_s, 4*first_s ... up to last_s, each times a random factor from 0.5 to 1."""

    def __init__(self, first_s: float, last_s: float, rng: random.Random) -> None:
        self._first_s = first_s
        self._last_s = last_s
        self._rng = rng
        self.failures = 0

    def next_s(self) -> float:
        """How long to wait after one more failure."""
        delay_s = min(self._last_s, self._first_s * 2.0 ** min(self.failures, 20))
        self.failures += 1
        return delay_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked."""
        self.failures = 0


class RateWindow:
    """At most `limit` events in any `window_s`. Times are monotonic seconds."""

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self._times: deque[float] = deque()

    def try_take(self, now_s: float | None = None) -> bool:
        """Take one if there is room."""
        if self.wait_s(now_s) > 0:
            return False
        self._times.append(time.monotonic() if now_s is None else now_s)
        return True

    def wait_s(self, now_s: float | None = None) -> float:
        """0 = there is room; else how long until there is."""
        now_s = time.monotonic() if now_s is None else now_s
        while self._times and self._times[0] <= now_s - self.window_s:
            self._times.popleft()
        return 0.0 if len(self._times) < self.limit else self._times[0] + self.window_s - now_s
