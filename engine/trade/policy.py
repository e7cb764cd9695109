"""What the calm floor may do, as numbers: time-outs, chase and unwind limits, cool-downs.

Plain data made from the config (engine/config.py, section `recovery`); the defaults are those of DESIGN 10 and RELIABILITY 3.3.
Hard ceilings stand beside the fields that need one: a config cannot make recovery unbounded.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

MS = 1_000_000
SECOND = 1_000 * MS
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

# executed over all orders of a phase <= 3 x its intent, over a trade's life <= 3 x all its intents: a wrong model stops here,
# not at the wallet's end
EXECUTED_MAX_FACTOR = 3
BAND_MAX_BPS = 1_000      # no band may be wider: beyond it a person decides

COOLDOWNS_NS: Mapping[str, int] = MappingProxyType({
    "timeout": 10 * MINUTE, "api_error": 5 * MINUTE, "orphan": 2 * HOUR, "margin": 1 * HOUR, "stale": 5 * MINUTE})

# Names of the config that differ from ours.
RENAMED: Mapping[str, str] = MappingProxyType({"unknown_max_ms": "resolve_bound_ns", "unwind_interval_ms": "retry_ns"})
COOLDOWN_KEYS: Mapping[str, str] = MappingProxyType({"stale_data_s": "stale"})
# a bound that is measured, and the start sequence's affair
NOT_OURS = frozenset({"closing_budget_ms", "unclean_starts_max"})


@dataclass(slots=True, frozen=True)
class TradePolicy:
    ack_timeout_ns: int = 300 * MS         # silence after which an order's fate is UNKNOWN
    ttl_ns: int = 500 * MS                 # of orders that the calm floor submits
    clock_uncertainty_ns: int = 50 * MS    # added to the time-to-live before absence may be believed
    absence_lag_ns: int = 1 * SECOND       # how late a venue's "finished orders" may be
    # after the first question, which goes at once; the last repeats
    query_steps_ns: tuple[int, ...] = (50 * MS, 100 * MS, 200 * MS, 400 * MS)
    query_step_max_ns: int = 5 * SECOND    # beyond the resolve bound the steps double up to this
    resolve_bound_ns: int = 2 * SECOND     # UNKNOWN longer than this is alerted
    unknown_manual_ns: int = 0             # UNKNOWN longer than this goes to a person; 0 = keep asking
    settle_ns: int = 500 * MS              # fill details missing for so long are asked for
    settle_give_up_ns: int = 30 * SECOND   # alerted, and no longer waited for at a stop
    canary_ns: int = 1 * SECOND            # an acknowledged order must show on the user stream within this
    chase_max: int = 3
    chase_slippage_bps: Decimal = Decimal(10)   # from the leg's best price when decided
    # from the best price now
    unwind_bands_bps: tuple[Decimal, ...] = (Decimal(5), Decimal(15), Decimal(40), Decimal(100), Decimal(200))
    exit_bands_bps: tuple[Decimal, ...] = (Decimal(10), Decimal(30), Decimal(100), Decimal(200))
    slice_notional: Decimal = Decimal(0)   # largest unwind order in quote; 0 = the instrument's own maximum
    # by strategy (STRATEGY_*; absent = 0): a pair's books must be newer than its last trade by this before it fires again
    rest_ns: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    away_ns: int = 500 * MS                # a session or user stream down for so long: exposures there are hedged elsewhere
    refusing_ns: int = 5 * SECOND          # a market that refused repairs for its limits twice in a row is away for so long
    retry_ns: int = 250 * MS               # between attempts when bands are used up, books invalid or the gate refused
    manual_after_attempts: int = 0         # recovery orders and refusals without success before a person decides; 0 = keep trying
    hedge_unknown: str = "wait"            # "wait" | "half": give back half of a proven leg while the other is UNKNOWN
    hedge_unknown_ns: int = 500 * MS
    stop_exit_grace_ns: int = 1 * SECOND   # at a stop the core exits; what it has not closed after this, the calm floor closes
    rest_life_ns: int = 60 * SECOND        # an order that rests is cancelled after so long at the latest
    rest_poll_ns: int = 5 * SECOND         # and asked about so often: a fill that no stream told is found by then
    rest_small_ns: int = 500 * MS          # a fill too small to be hedged waits so long for the next, then the order is cancelled
    graveyard_rest_ns: int = 1 * HOUR      # ids of orders that rested and never executed are kept so long
    graveyard_ns: int = 24 * HOUR          # ids of finished orders and fills are kept so long
    # orders that ended so shortly before the engine died are asked about once more: a late word may have come while nobody heard
    restart_lookback_ns: int = 5 * SECOND
    cooldowns_ns: Mapping[str, int] = field(default_factory=lambda: COOLDOWNS_NS)
    usd_rates: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({
        "USD": Decimal(1), "USDT": Decimal(1), "USDC": Decimal(1), "FDUSD": Decimal(1)}))

    def __post_init__(self) -> None:
        for name in ("unwind_bands_bps", "exit_bands_bps"):
            bands = getattr(self, name)
            if not bands or any(not 0 <= band <= BAND_MAX_BPS for band in bands) or list(bands) != sorted(bands):
                raise ValueError(
                    f"recovery.{name} {[str(b) for b in bands]}: must be given, rising, each from 0 to {BAND_MAX_BPS} bps"
                )
        if self.hedge_unknown not in ("wait", "half"):
            raise ValueError(f"recovery.hedge_unknown {self.hedge_unknown!r}: right is wait or half")
        unknown = set(self.cooldowns_ns) - set(COOLDOWNS_NS)
        if unknown:
            raise ValueError(f"recovery.cooldowns: unknown {sorted(unknown)}; right are {sorted(COOLDOWNS_NS)}")
        if not 0 <= self.chase_max <= 10:
            raise ValueError(f"recovery.chase_max {self.chase_max}: right is 0 to 10")


def make_policy(recovery: Mapping[str, Any], rest_ms: Mapping[int, float] = MappingProxyType({}),
                ttl_ms: float | None = None) -> TradePolicy:
    """From the config's section `recovery` (plain values); absent keys keep their defaults. `rest_ms`: rearm_ms by strategy."""
    values: dict[str, Any] = {"rest_ns": {strategy: int(value * MS) for strategy, value in rest_ms.items()}}
    for key, value in recovery.items():
        if value is None or key in NOT_OURS:
            continue
        if key == "cooldowns":
            named = {COOLDOWN_KEYS.get(name, name.removesuffix("_s")): int(Decimal(str(seconds)) * SECOND)
                     for name, seconds in value.items()}
            values["cooldowns_ns"] = {**COOLDOWNS_NS, **named}
        elif key == "query_interval_ms":
            values["query_steps_ns"] = tuple(int(Decimal(str(value)) * MS * factor / 2) for factor in (1, 2, 4, 8))
        elif key in RENAMED:
            values[RENAMED[key]] = int(Decimal(str(value)) * MS)
        elif key.endswith("_ms"):
            values[key.removesuffix("_ms") + "_ns"] = int(Decimal(str(value)) * MS)
        elif key.endswith("_bands_bps"):
            values[key] = tuple(Decimal(str(band)) for band in value)
        elif key.endswith("_bps") or key == "slice_notional":
            values[key] = Decimal(str(value))
        else:
            values[key] = value
    if ttl_ms is not None:
        values["ttl_ns"] = int(ttl_ms * MS)
    unknown = set(values) - set(TradePolicy.__dataclass_fields__)
    if unknown:
        raise ValueError(f"recovery: unknown keys {sorted(unknown)}")
    return TradePolicy(**values)
