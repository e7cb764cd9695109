"""Faults on command: what the control socket plants between a venue and its customers.

A fault is data: channel (`md` market data, `oe` order entry, `ud` user data, `q` queries), verb, target (market, symbol,
stream), a count or a duration, parameters.  Streams ask where bytes pass (`market_frames`), desk.py where orders pass.  Verbs by
channel:

  md  drop, dup, swap, gap, cross, freeze, delay, silent, resnap, badsum, nosnap
  oe  reject, asyncreject, partial, late, unknown, lostreq, lostresp, delay, silent, ratelimit, ban
  ud  drop, dup, delay, silent                                  q   delay, reject, lostresp, silent, ratelimit

`gap` loses one depth event only; `drop` loses whatever comes; `resnap` starts the numbering of a depth stream anew, `nosnap` lets
a stream begin without its snapshot, as far as the venue has such things.  Sans-I/O: later work is handed to `defer`, set by the
owner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tools.simex.clock import Clock

if TYPE_CHECKING:
    from tools.simex.hub import Hub, Stream

VERBS = {
    "md": {"drop", "dup", "swap", "gap", "cross", "freeze", "delay", "silent", "resnap", "badsum", "nosnap"},
    "oe": {
        "reject", "asyncreject", "partial", "late", "unknown", "lostreq", "lostresp", "delay", "silent", "ratelimit", "ban",
    },
    "ud": {"drop", "dup", "delay", "silent"},
    "q": {"reject", "delay", "lostresp", "silent", "ratelimit"},
}  # fmt: skip
DEPTH_ONLY = ("gap", "swap", "cross", "resnap", "badsum")
FRAME_VERBS = VERBS["md"] - {"nosnap"}  # a venue's own verbs are taken by its dialect


@dataclass(slots=True)
class Fault:
    """One planted fault; ends after `count` uses or at `until_ns`, whichever is given."""

    number: int
    channel: str
    verb: str
    market: str | None = None
    symbol: str | None = None
    kind: str | None = None  # md: stream kind (depth, bookTicker, ...)
    count: int | None = 1
    until_ns: int | None = None
    params: dict[str, Any] = field(default_factory=dict)
    used: int = 0

    def fits(self, market: str | None, symbol: str | None) -> bool:
        return self.market in (None, market) and self.symbol in (None, symbol)

    def describe(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "channel": self.channel,
            "verb": self.verb,
            "market": self.market,
            "symbol": self.symbol,
            "kind": self.kind,
            "count": self.count,
            "used": self.used,
            "params": self.params,
        }


def _defer_now(delay_s: float, call: Callable[[], None]) -> None:
    call()


class Faults:
    """All planted faults of one venue."""

    def __init__(self, clock: Clock, extra_verbs: Mapping[str, frozenset[str]] | None = None) -> None:
        self.clock = clock
        self.verbs = {channel: verbs | (extra_verbs or {}).get(channel, frozenset()) for channel, verbs in VERBS.items()}
        self.active: list[Fault] = []
        self.has_md = False
        self.has_other = False
        self.defer: Callable[[float, Callable[[], None]], None] = _defer_now
        self.held_frames = 0
        self._next_number = 1

    def plant(self, request: dict[str, Any]) -> Fault:
        """Plant what a control command asks for; ValueError says what is wrong with it."""
        known = {"cmd", "id", "venue", "channel", "verb", "market", "symbol", "kind", "count", "duration_ms"}
        channel, verb = request.get("channel"), request.get("verb")
        if channel not in self.verbs:
            raise ValueError(f"channel {channel!r} is none of {sorted(self.verbs)}")
        if verb not in self.verbs[channel]:
            raise ValueError(f"verb {verb!r} is none of {sorted(self.verbs[channel])} of channel {channel}")
        duration = request.get("duration_ms")
        count = request.get("count", None if duration is not None or verb in ("freeze", "silent") else 1)
        fault = Fault(
            self._next_number,
            channel,
            verb,
            request.get("market"),
            request.get("symbol"),
            request.get("kind"),
            count,
            None if duration is None else self.clock.mono_ns() + int(float(duration) * 1e6),
            {k: v for k, v in request.items() if k not in known},
        )
        self._next_number += 1
        self.active.append(fault)
        self._note()
        return fault

    def clear(self, number: int | None = None) -> int:
        before = len(self.active)
        self.active = [] if number is None else [f for f in self.active if f.number != number]
        self._note()
        return before - len(self.active)

    def _note(self) -> None:
        self.has_md = self.held_frames > 0 or any(f.channel == "md" for f in self.active)
        self.has_other = any(f.channel != "md" for f in self.active)

    def _sweep(self) -> None:
        now = self.clock.mono_ns()
        alive = [f for f in self.active if (f.until_ns is None or now < f.until_ns) and (f.count is None or f.used < f.count)]
        if len(alive) != len(self.active):
            self.active = alive
            self._note()

    def take(
        self, channel: str, market: str | None, symbol: str | None, verbs: tuple[str, ...], on: str = "place"
    ) -> Fault | None:
        """The first planted fault that fits, counted as used; None is the usual answer.

        `on` tells orders from cancels (channel oe).
        """
        if not self.active:
            return None
        self._sweep()
        for fault in self.active:
            if (
                fault.channel == channel
                and fault.verb in verbs
                and fault.fits(market, symbol)
                and (channel != "oe" or fault.params.get("on", "place") == on)
            ):
                fault.used += 1
                return fault
        return None

    def market_frames(self, hub: Hub, stream: Stream, payload: bytes) -> list[bytes]:
        """What really leaves for one built market-data payload."""
        self._sweep()
        if stream.held is not None:
            frames = [payload, stream.held]
            stream.held = None
            self.held_frames -= 1
            self._note()
            return frames
        for fault in self.active:
            if not self._fits_stream(fault, stream):
                continue
            fault.used += 1
            if fault.verb in ("drop", "gap", "freeze", "silent"):
                return []
            if fault.verb == "dup":
                return [payload, payload]
            if fault.verb == "swap":
                stream.held = payload
                self.held_frames += 1
                return []
            if fault.verb == "cross":
                return [stream.crossed(payload)]
            if fault.verb == "badsum":
                return [stream.bad_checksum(payload)]
            if fault.verb == "resnap":
                return [stream.reset(payload, self.clock.wall_ms())]
            if fault.verb == "delay":
                self.defer(float(fault.params.get("ms", 500)) / 1e3, partial(hub.fan_out, stream, payload))
                return []
        return [payload]

    @staticmethod
    def _fits_stream(fault: Fault, stream: Stream) -> bool:
        if (
            fault.channel != "md"
            or fault.verb not in FRAME_VERBS
            or not fault.fits(stream.instrument.market, stream.instrument.symbol)
        ):
            return False
        if fault.kind not in (None, stream.kind, stream.word) or (fault.verb in DEPTH_ONLY and stream.kind != "depth"):
            return False
        return fault.count is None or fault.used < fault.count
