"""Strategies: what the configuration switches on, as one thing to refresh."""
from typing import TYPE_CHECKING, Any

from cext.core import STRATEGIES
from engine.strategies.base import PairStrategy
from engine.strategies.conversions import Conversions
from engine.strategies.cross_exchange import CrossExchange
from engine.strategies.spot_futures import SpotFutures

if TYPE_CHECKING:
    from cext.core import Core
    from feeds.instruments import InstrumentTable

CONVERSIONS_EVERY_NS = 100_000_000
KINDS: tuple[type[SpotFutures] | type[CrossExchange], ...] = (SpotFutures, CrossExchange)


def rest_ms(config: Any) -> dict[int, int]:
    """STRATEGY_* -> ms that a pair of it rests after a trade, for the calm floor (TradePolicy.rest_ns)."""
    return {STRATEGIES[kind.name]: getattr(config.strategies, kind.name).rearm_ms for kind in KINDS}


class Strategies:
    """All strategies of a run. Their pairs are in the core when this exists; ValueError where the configuration asks for what the
    instruments of the run do not give."""

    def __init__(self, config: Any, table: "InstrumentTable", core: "Core") -> None:
        self._core = core
        self.conversions = Conversions(config, table.rows)
        self.all: list[PairStrategy] = [kind(config, table, core, self.conversions) for kind in KINDS]
        self._of_pair = {pair_index: strategy for strategy in self.all for pair_index in strategy.pairs}
        self._conversions_due_mono_ns = 0

    def refresh(self, now_mono_ns: int, now_wall_ns: int) -> None:
        """Between polls, as often as wanted: conversions ten times a second, each pair once a second."""
        if now_mono_ns >= self._conversions_due_mono_ns:
            self._conversions_due_mono_ns = now_mono_ns + CONVERSIONS_EVERY_NS
            self.conversions.refresh(self._core, now_mono_ns)
        for strategy in self.all:
            strategy.refresh(now_mono_ns, now_wall_ns)

    def describe(self, pair_index: int) -> str:
        """A pair in short, both legs visible; "-" for what is no pair of a strategy."""
        strategy = self._of_pair.get(pair_index)
        return strategy.describe(pair_index) if strategy is not None else "-"
