"""How one venue's REST requests look: signing, where errors stand, what headers say about rates. engine/rest.py does the rest.

A dialect holds the keys of one account and no state about rates: that is RateState's, which clients of one account may share
(unified venues count both markets together).
"""
from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

RETRY_AFTER_UNKNOWN_S = 60.0  # a stop without a usable Retry-After: one window


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One request as it goes out. `query` is percent-encoded and has no `?`."""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class KeyMissing(ValueError):
    """A request is to be signed and there is no key."""


class RestDialect(Protocol):
    """What a venue gives to RestClient."""

    def build(self, method: str, path: str, params: Mapping[str, Any], *, is_signed: bool, with_key: bool,
              timestamp_ns: int) -> RestRequest:
        """The request; `params` become a query or a JSON body, as the venue wants it for this method. `is_signed`: with
        signature; `with_key`: the key, no signature; neither: public, no key shown. `timestamp_ns`: the venue's clock, epoch ns.
        Raises KeyMissing."""

    def refusal(self, status: int, body: Any) -> tuple[int, str] | None:
        """(code, text) when the parsed JSON `body` is an error, whatever the HTTP status (Bybit retCode, OKX code and sCode);
        None when it is an answer. A status other than 200 is an error in any case: then what the body says of it, or (0, "")."""

    def note(self, rate: RateState, path: str, status: int, headers: Mapping[str, str], body: bytes, now_mono_s: float) -> None:
        """Take over what one response says about rates into `rate`: used weight, remaining requests, stops and bans."""

    def local_limit(self, method: str, path: str) -> tuple[str, int, float] | None:
        """(bucket, requests, seconds) that RestClient counts by itself before it sends, where the venue's headers say nothing
        (OKX); None = not counted."""


@dataclass(slots=True)
class Bucket:
    """One limit that the venue counts down: requests left until the reset."""
    limit: int
    remaining: int
    reset_mono_s: float


@dataclass(slots=True)
class RateState:
    """What a venue says about rates, and what follows. Above `weight_share` of a limit only critical requests go out."""
    weight_limit: int = 0            # used/limit venues; 0 = the venue has no weights
    weight_share: float = 0.8
    used_weight: int = 0
    used_weight_mono_s: float = 0.0
    order_counts: dict[str, int] = field(default_factory=dict)   # "10S" -> 7
    buckets: dict[str, Bucket] = field(default_factory=dict)     # remaining/reset venues: path -> its limit
    stopped_until_mono_s: float = 0.0
    stops: int = 0
    is_banned: bool = False
    _sent: dict[str, deque[float]] = field(default_factory=dict)

    def stopped_for_s(self, now_mono_s: float) -> float:
        return max(0.0, self.stopped_until_mono_s - now_mono_s)

    def is_crowded(self, now_mono_s: float, path: str = "") -> bool:
        """The present window is used up to the share that is kept for critical requests."""
        if self.weight_limit and now_mono_s - self.used_weight_mono_s < 60 and (
                self.used_weight >= self.weight_share * self.weight_limit):
            return True
        bucket = self.buckets.get(path)
        return (bucket is not None and now_mono_s < bucket.reset_mono_s
                and bucket.limit - bucket.remaining >= self.weight_share * bucket.limit)

    def stop(self, seconds: float, now_mono_s: float, *, is_ban: bool) -> None:
        """No request at all for so long; a longer stop that stands already stays."""
        self.stopped_until_mono_s = max(self.stopped_until_mono_s, now_mono_s + seconds)
        self.stops += 1
        self.is_banned = is_ban

    def note_remaining(self, path: str, limit: int, remaining: int, reset_mono_s: float) -> None:
        self.buckets[path] = Bucket(limit, remaining, reset_mono_s)

    def stop_by_header(self, headers: Mapping[str, str], now_mono_s: float, *, is_ban: bool) -> None:
        """A stop as long as Retry-After says, or one window when it says nothing usable."""
        text = headers.get("Retry-After", "")
        self.stop(float(text) if text.isdigit() else RETRY_AFTER_UNKNOWN_S, now_mono_s, is_ban=is_ban)

    def take(self, limit: tuple[str, int, float] | None, now_mono_s: float, *, is_critical: bool) -> float:
        """Count one request against a limit of our own; 0.0 = it may go, else the seconds until it may. Requests that are not
        critical leave the last fifth to those that are."""
        if limit is None:
            return 0.0
        name, most, window_s = limit
        sent = self._sent.setdefault(name, deque())
        while sent and now_mono_s - sent[0] >= window_s:
            sent.popleft()
        allowed = most if is_critical else max(1, int(most * self.weight_share))
        if len(sent) >= allowed:
            return max(0.001, sent[len(sent) - allowed] + window_s - now_mono_s)
        sent.append(now_mono_s)
        return 0.0


def epoch_ms_to_mono_s(epoch_ms: int, offset_ns: int = 0) -> float:
    """A venue's epoch ms on our monotonic clock; `offset_ns` = venue's clock minus ours."""
    return time.monotonic() + (epoch_ms * 1_000_000 - offset_ns - time.time_ns()) / 1e9
