"""The Python half of spot_futures: which instruments form pairs, what the configuration means in the core's terms, and the slow
signals.

Spot against perpetual of one venue, with `across_venues` of two, and with `perp_perp` perpetual against perpetual of two venues.
Three signals are estimated once a second: the *normal basis* of a pair (median of the last minute: a dislocation of a second
does not move it), the cost of crossing both books, and the funding that a position would collect within the horizon, of both
legs, each with its own interval. An entry budgets its exit at the normal basis, so what it counts on is the part of today's
basis that is not normal. A pair is switched on when it has been seen SAMPLES_MIN times."""
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cext.core import PairParams
from engine.strategies.base import PairChoice, PairStrategy, cheaper_maker, no_maker
from engine.strategies.conversions import Conversions

if TYPE_CHECKING:
    from cext.core import Core
    from feeds.instruments import InstrumentRow, InstrumentTable

SAMPLES_MIN = 3
SAMPLES_MAX = 60
FUNDING_BPS_MAX = 50.0   # an expected income beyond this is not believed


def pair_params(config: Any) -> PairParams:
    """Parameters that every pair starts with; off until the slow signals are known."""
    section = config.strategies.spot_futures
    return PairParams(
        entry_net_bps=section.entry_net_bps, exit_cost_bps=section.exit_cost_bps, exit_basis_bps=0,
        forced_exit_cost_bps=section.forced_exit_cost_bps, funding_exit_bps=section.funding_exit_bps,
        max_notional_usd=section.max_notional_usd, slippage_ticks=section.slippage_ticks, slippage_bps=section.slippage_bps,
        unwind_bps=section.unwind_bps, horizon_s=section.horizon_s, ttl_ms=config.recovery.ttl_ms,
        allow_reverse=section.allow_reverse, exit_partial=section.exit_partial, rest_depth_bps=section.rest_depth_bps,
        rest_pause_ms=section.rest_pause_ms, is_enabled=False)


def maker_rule(wanted: str) -> "Callable[[InstrumentRow, InstrumentRow], str]":
    """none, auto (where it saves most), spot or perp; two perpetuals go by what it saves."""
    if wanted == "none":
        return no_maker
    if wanted == "auto":
        return cheaper_maker
    return lambda a, b: cheaper_maker(a, b) if a.market == b.market else "a" if a.market == ("spot" if wanted == "spot"
                                                                                             else "linear") else "b"


def find_pairs(rows: Sequence["InstrumentRow"], wanted: str | Sequence[str] = "auto", across_venues: bool = False,
               perp_perp: bool = False, conversions: Conversions | None = None) -> list[PairChoice]:
    """Spot and perpetual of one underlying, on one venue or (`across_venues`) on two; perpetuals of two venues (`perp_perp`).
    Quotes are equal or have a conversion.

    wanted: "auto", or names such as BTC/USDT of either leg; one that is in no pair is an error that says what is missing."""
    tradable = [row for row in rows if row.status == "TRADING" and row.quote == row.settle]
    perps: dict[str, list[InstrumentRow]] = {}
    for row in tradable:
        if row.market == "linear":
            perps.setdefault(row.underlying, []).append(row)
    found = [(a, b) for a in tradable if a.market == "spot" for b in perps.get(a.underlying, ())
             if a.venue == b.venue or across_venues]
    if perp_perp:
        found += [(a, b) for group in perps.values() for index, a in enumerate(group) for b in group[index + 1:]
                  if a.venue != b.venue]
    return choose(found, wanted, conversions, "spot_futures", "spot and perpetual")


def choose(found: Sequence[tuple["InstrumentRow", "InstrumentRow"]], wanted: str | Sequence[str], conversions: Conversions | None,
           strategy: str, what: str) -> list[PairChoice]:
    """Those of `found` that were asked for and whose quotes can be compared."""
    names: set[str] = set()
    choices = []
    for a, b in found:
        conversion = None if a.quote == b.quote or conversions is None else conversions.between(a.quote, b.quote)
        if a.quote != b.quote and conversion is None:
            continue
        own = {f"{a.base}/{a.quote}", f"{b.base}/{b.quote}"}
        names |= own
        if wanted == "auto" or own & set(wanted):
            choices.append(PairChoice(a.id, b.id, conversion))
    missing = [] if wanted == "auto" else [name for name in wanted if name not in names]
    if missing:
        raise ValueError(
            f"strategies.{strategy}.pairs: {', '.join(missing)}: no tradable {what} of that name in this run; "
            f"there are {', '.join(sorted(names)) or 'none'}"
        )
    return choices


def payments_within(now_wall_ns: int, next_wall_ns: int, interval_s: int, horizon_s: int) -> int:
    """How many funding payments fall into the next `horizon_s` seconds; 0 while the schedule is not known."""
    end_ns = now_wall_ns + horizon_s * 1_000_000_000
    if interval_s <= 0 or next_wall_ns <= now_wall_ns or next_wall_ns > end_ns:
        return 0
    return 1 + (end_ns - next_wall_ns) // (interval_s * 1_000_000_000)


class RollingMedian:
    """Median of the newest `size` samples. They are kept in order as well: three venues have hundreds of pairs, and sorting anew
    at each look was most of its time."""

    __slots__ = ("_newest", "_ordered", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._newest: deque[float] = deque()
        self._ordered: list[float] = []

    def __len__(self) -> int:
        return len(self._newest)

    def append(self, value: float) -> None:
        ordered, newest = self._ordered, self._newest
        if len(newest) == self._size:
            del ordered[bisect_left(ordered, newest.popleft())]
        newest.append(value)
        insort(ordered, value)

    def value(self) -> float:
        """Of at least one sample."""
        ordered = self._ordered
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


class PairSignals:
    """What is estimated of one pair."""

    __slots__ = ("basis_bps", "spread_bps")

    def __init__(self) -> None:
        self.basis_bps = RollingMedian(SAMPLES_MAX)
        self.spread_bps = RollingMedian(SAMPLES_MAX)

    def note(self, a_bid: float, a_ask: float, b_bid: float, b_ask: float) -> None:
        a_mid, b_mid = (a_bid + a_ask) / 2, (b_bid + b_ask) / 2
        self.basis_bps.append((b_mid / a_mid - 1) * 1e4)
        self.spread_bps.append(((a_ask - a_bid) / a_mid + (b_ask - b_bid) / b_mid) / 2 * 1e4)


class SpotFutures(PairStrategy):
    """Adds the pairs to the core at start and keeps their parameters fresh."""

    name = "spot_futures"

    def __init__(self, config: Any, table: "InstrumentTable", core: "Core", conversions: Conversions | None = None) -> None:
        super().__init__(core, table)
        section = config.strategies.spot_futures
        self.params = pair_params(config)
        self.horizon_s: int = section.horizon_s
        if section.enabled:
            self.add_pairs(find_pairs(table.rows, section.pairs, section.across_venues, section.perp_perp, conversions),
                           self.params, section.pairs != "auto", maker_rule(section.maker))
        self.signals = [PairSignals() for _ in self.pairs]

    def look_at(self, position: int, now_mono_ns: int, now_wall_ns: int) -> None:
        pair_index, signals = self.pairs[position], self.signals[position]
        top = self.core.pair_top(pair_index)
        if top is None:
            return
        signals.note(*top)
        if len(signals.basis_bps) < SAMPLES_MIN:
            return
        self.core.set_signals(pair_index, clip(signals.basis_bps.value(), 1000.0), clip(signals.spread_bps.value(), 1000.0),
                              clip(self._expected_funding_bps(pair_index, now_wall_ns), FUNDING_BPS_MAX))
        self.set_ready(pair_index)

    def _expected_funding_bps(self, pair_index: int, now_wall_ns: int) -> float:
        """Of a forward position within the horizon: the short perpetual (b) receives, the long one (a, if it is one) pays."""
        income = [rate_e8 / 1e4 * payments_within(now_wall_ns, next_wall_ns, interval_s, self.horizon_s) if rate_e8 else 0.0
                  for rate_e8, next_wall_ns, interval_s in self.core.pair_funding(pair_index)]
        return income[1] - income[0]


def clip(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))
