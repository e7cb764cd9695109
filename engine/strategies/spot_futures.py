"""The Python half of spot_futures: which instruments form pairs, what the configuration means in the core's terms, and the slow
signals.

The C half (cext/detect.pyx, cext/sizing.pyx) decides; this half publishes parameters between polls and never sees an order.
Three signals are estimated once a second: the *normal basis* of a pair (median of the last minute: a dislocation of a second
does not move it), the cost of crossing both books, and the funding that a position would collect within the horizon. An entry
budgets its exit at the normal basis, so what it counts on is the part of today's basis that is not normal. A pair is switched
on when it has been seen SAMPLES_MIN times."""
from collections import deque
from collections.abc import Sequence
from dataclasses import fields
from statistics import median
from typing import TYPE_CHECKING, Any

from cext.core import CoreLimits, PairParams

if TYPE_CHECKING:
    from cext.core import Core
    from feeds.instruments import InstrumentRow

SAMPLES_MIN = 3
SAMPLES_MAX = 60
PAIRS_A_REFRESH = 64     # bounds the turn that a refresh takes on the engine's loop
FUNDING_BPS_MAX = 50.0   # an expected income beyond this is not believed


def core_limits(config: Any) -> CoreLimits:
    """The gate's limits: the section `risk` names them as the core does, the data rules come from `feeds`."""
    given = {field.name: getattr(config.risk, field.name) for field in fields(CoreLimits) if hasattr(config.risk, field.name)}
    feeds = config.feeds
    return CoreLimits(**{**given, "ws_stale_ms": feeds.ws_stale_ms, "max_data_age_ms": feeds.max_data_age_ms,
                         "max_skew_ms": feeds.max_skew_ms})


def pair_params(config: Any) -> PairParams:
    """Parameters that every pair starts with; off until the slow signals are known."""
    section = config.strategies.spot_futures
    return PairParams(
        entry_net_bps=section.entry_net_bps, exit_cost_bps=section.exit_cost_bps, exit_basis_bps=0,
        forced_exit_cost_bps=section.forced_exit_cost_bps, funding_exit_bps=section.funding_exit_bps,
        max_notional_usd=section.max_notional_usd, slippage_ticks=section.slippage_ticks, slippage_bps=section.slippage_bps,
        unwind_bps=section.unwind_bps, horizon_s=section.horizon_s, ttl_ms=config.recovery.ttl_ms,
        allow_reverse=section.allow_reverse, exit_partial=section.exit_partial, is_enabled=False)


def find_pairs(rows: Sequence["InstrumentRow"], wanted: str | Sequence[str] = "auto") -> list[tuple[int, int]]:
    """(spot row, perpetual row) of every underlying that trades on both markets of a venue with equal quote and settle asset.

    wanted: "auto", or spot names such as BTC/USDT; one that has no partner is an error that says what is missing."""
    tradable = [row for row in rows if row.status == "TRADING"]
    perps = {(row.venue, row.underlying, row.settle): row.id for row in tradable if row.market == "linear"}
    pairs = {}
    for row in tradable:
        if row.market == "spot" and (row.venue, row.underlying, row.quote) in perps:
            pairs[f"{row.base}/{row.quote}"] = (row.id, perps[row.venue, row.underlying, row.quote])
    if wanted == "auto":
        return list(pairs.values())
    missing = [name for name in wanted if name not in pairs]
    if missing:
        raise ValueError(
            f"strategies.spot_futures.pairs: {', '.join(missing)}: no tradable spot and perpetual of that name in this run; "
            f"there are {', '.join(pairs) or 'none'}"
        )
    return [pairs[name] for name in wanted]


def payments_within(now_wall_ns: int, next_wall_ns: int, interval_s: int, horizon_s: int) -> int:
    """How many funding payments fall into the next `horizon_s` seconds; 0 while the schedule is not known."""
    end_ns = now_wall_ns + horizon_s * 1_000_000_000
    if interval_s <= 0 or next_wall_ns <= now_wall_ns or next_wall_ns > end_ns:
        return 0
    return 1 + (end_ns - next_wall_ns) // (interval_s * 1_000_000_000)


class PairSignals:
    """What is estimated of one pair."""

    __slots__ = ("basis_bps", "is_on", "spread_bps")

    def __init__(self) -> None:
        self.basis_bps: deque[float] = deque(maxlen=SAMPLES_MAX)
        self.spread_bps: deque[float] = deque(maxlen=SAMPLES_MAX)
        self.is_on = False

    def note(self, spot_bid: float, spot_ask: float, perp_bid: float, perp_ask: float) -> None:
        spot_mid, perp_mid = (spot_bid + spot_ask) / 2, (perp_bid + perp_ask) / 2
        self.basis_bps.append((perp_mid / spot_mid - 1) * 1e4)
        self.spread_bps.append(((spot_ask - spot_bid) / spot_mid + (perp_ask - perp_bid) / perp_mid) / 2 * 1e4)


class SpotFutures:
    """Adds the pairs to the core at start and keeps their parameters fresh."""

    def __init__(self, config: Any, table: Any, core: "Core") -> None:
        self.core = core
        self.params = pair_params(config)
        section = config.strategies.spot_futures
        self.horizon_s: int = section.horizon_s
        self.signals: list[PairSignals] = []
        self._next = 0
        if section.enabled:
            for spot_row, perp_row in find_pairs(table.rows, section.pairs):
                core.add_pair(spot_row, perp_row, self.params)
                self.signals.append(PairSignals())

    def refresh(self, now_mono_ns: int, now_wall_ns: int) -> None:
        """Look at up to PAIRS_A_REFRESH pairs, in turn; about 5 us each. Called about once a second."""
        for _ in range(min(PAIRS_A_REFRESH, len(self.signals))):
            self._refresh_pair(self._next, now_wall_ns)
            self._next = (self._next + 1) % len(self.signals)

    def _refresh_pair(self, pair_index: int, now_wall_ns: int) -> None:
        top = self.core.pair_top(pair_index)
        if top is None:
            return
        signals = self.signals[pair_index]
        signals.note(*top)
        if len(signals.basis_bps) < SAMPLES_MIN:
            return
        rate_e8, next_wall_ns, interval_s = self.core.pair_funding(pair_index)
        funding_bps = rate_e8 / 1e4 * payments_within(now_wall_ns, next_wall_ns, interval_s, self.horizon_s)
        self.core.set_signals(pair_index, clip(median(signals.basis_bps), 1000.0), clip(median(signals.spread_bps), 1000.0),
                              clip(funding_bps, FUNDING_BPS_MAX))
        if not signals.is_on:
            signals.is_on = True
            self.core.set_enabled(pair_index, True)


def clip(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))
