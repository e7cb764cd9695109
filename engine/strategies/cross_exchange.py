"""The Python half of cross_exchange: spot against spot of two venues, bought where it is cheap and sold from inventory where it
is dear. Nothing is held and no exit is looked for.

What a trade leaves behind is inventory in the wrong place. Moving it back costs `rebalance_cost_bps` of what is moved; how
much of that a trade is charged with follows from how skewed the inventory of the two venues is: one that evens it out pays
nothing, one that skews it further pays up to all of it. Both directions are published once a second."""
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cext.core import USD_LIKE, PairParams
from engine.strategies.base import PairChoice, PairStrategy, cheaper_maker, no_maker
from engine.strategies.conversions import Conversions
from engine.strategies.spot_futures import choose

if TYPE_CHECKING:
    from cext.core import Core
    from feeds.instruments import InstrumentRow, InstrumentTable


def pair_params(config: Any) -> PairParams:
    """Parameters that every pair starts with; off until both books and the inventory were seen."""
    section = config.strategies.cross_exchange
    return PairParams(
        entry_net_bps=section.entry_net_bps, max_notional_usd=section.max_notional_usd, slippage_ticks=section.slippage_ticks,
        slippage_bps=section.slippage_bps, unwind_bps=section.unwind_bps, ttl_ms=config.recovery.ttl_ms, horizon_s=0,
        rest_depth_bps=section.rest_depth_bps, rest_pause_ms=section.rest_pause_ms, is_enabled=False)


def find_pairs(rows: Sequence["InstrumentRow"], wanted: str | Sequence[str] = "auto",
               conversions: Conversions | None = None) -> list[PairChoice]:
    """Spot instruments of one underlying on two venues. `auto` leaves dollar-like bases out: inventory of them is money."""
    spots: dict[str, list[InstrumentRow]] = {}
    for row in rows:
        if row.status == "TRADING" and row.market == "spot" and not (wanted == "auto" and row.base in USD_LIKE):
            spots.setdefault(row.underlying, []).append(row)
    found = [(a, b) for group in spots.values() for index, a in enumerate(group) for b in group[index + 1:] if a.venue != b.venue]
    return choose(found, wanted, conversions, "cross_exchange", "spot instruments on two venues")


def maker_rule(wanted: str) -> "Callable[[InstrumentRow, InstrumentRow], str]":
    """none, auto (where it saves most), or a venue: pairs without it only take."""
    if wanted == "none":
        return no_maker
    if wanted == "auto":
        return cheaper_maker
    return lambda a, b: "a" if a.venue == wanted else "b" if b.venue == wanted else "none"


def skew(inventory_a: float, inventory_b: float, target_a: float) -> float:
    """How far the share of the first venue is from its target (0 < target_a < 1): -1 = it has nothing, 0 = as wanted, 1 = it has
    everything. Without any inventory 0."""
    total = inventory_a + inventory_b
    if total <= 0:
        return 0.0
    share = max(0.0, min(1.0, inventory_a / total))
    return (share - target_a) / (1 - target_a) if share > target_a else (share - target_a) / target_a


class CrossExchange(PairStrategy):
    """Adds the pairs to the core at start and keeps the price of skewing the inventory fresh."""

    name = "cross_exchange"

    def __init__(self, config: Any, table: "InstrumentTable", core: "Core", conversions: Conversions | None = None) -> None:
        super().__init__(core, table)
        section = config.strategies.cross_exchange
        self.params = pair_params(config)
        self.rebalance_cost_bps: float = section.rebalance_cost_bps
        self._weights: Mapping[str, float] = {} if section.inventory_target == "even" else section.inventory_target
        if section.enabled:
            self.add_pairs(find_pairs(table.rows, section.pairs, conversions), self.params, section.pairs != "auto",
                           maker_rule(section.maker))

    def look_at(self, position: int, now_mono_ns: int, now_wall_ns: int) -> None:
        pair_index = self.pairs[position]
        if self.core.pair_top(pair_index) is None:
            return
        a, b = self.core.pairs()[pair_index]
        row_a, row_b = self.rows[a], self.rows[b]
        weight_a, weight_b = self._weights.get(row_a.venue, 1.0), self._weights.get(row_b.venue, 1.0)
        skewed = skew(self._inventory(row_a), self._inventory(row_b), weight_a / (weight_a + weight_b))
        # A forward entry buys on the first venue: it skews further where that has more than its share.
        self.set_extra(pair_index, self.rebalance_cost_bps * max(0.0, skewed), self.rebalance_cost_bps * max(0.0, -skewed))
        self.set_ready(pair_index)

    def _inventory(self, row: "InstrumentRow") -> float:
        """Units of the underlying that lie on the row's account and are nobody's hedge."""
        balance = self.core.account_balance(row.account_name, row.base)
        return max(0, balance["free_e8"] - balance["pledged_e8"]) / 1e8 * row.multiplier
