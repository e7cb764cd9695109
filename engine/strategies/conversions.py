"""Conversions between quote assets: whether a pair may compare them one to one right now, and what that costs.

A pair whose quotes differ (BTC/USDC against BTC/USDT) exists only where the configuration names a conversion of the two, with the
instrument that shows its price (`source`). Amounts are compared one to one at a cost that is charged to both directions: how far
the source's mid lies from 1, and `cost_bps`. Where the source's book cannot be used, is older than SOURCE_AGE_NS or lies beyond
`depeg_limit_bps`, entries of the pair are off and say DEPEG."""
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cext.core import Core
    from feeds.instruments import InstrumentRow

SOURCE_AGE_NS = 5_000_000_000
COST_BPS_MAX = 1_000.0


class Conversion:
    """One conversion and its newest word. `cost_bps` None = not now."""

    __slots__ = ("_extra_bps", "_limit_bps", "assets", "cost_bps", "row", "version")

    def __init__(self, settings: Any, row: int) -> None:
        self.assets = frozenset((getattr(settings, "from"), settings.to))
        self.row = row
        self.cost_bps: float | None = None
        self.version = 0            # rises with each change of cost_bps
        self._limit_bps = settings.depeg_limit_bps
        self._extra_bps = settings.cost_bps

    def refresh(self, core: "Core", now_mono_ns: int) -> None:
        """Looks at the source's book as the core has it."""
        cost = self._cost(core.market(self.row), now_mono_ns)
        if cost != self.cost_bps:
            self.cost_bps = cost
            self.version += 1

    def _cost(self, market: dict[str, Any], now_mono_ns: int) -> float | None:
        if not market["is_valid"] or market["is_crossed"] or not market["bids"] or not market["asks"]:
            return None
        if now_mono_ns - market["data_mono_ns"] > SOURCE_AGE_NS:
            return None
        mid = (market["bids"][0][0] + market["asks"][0][0]) / 2 / 10 ** market["px_scale"]
        apart_bps = abs(mid - 1) * 1e4
        if apart_bps > self._limit_bps:
            return None
        return min(COST_BPS_MAX, apart_bps + self._extra_bps)


class Conversions:
    """All conversions of the configuration."""

    def __init__(self, config: Any, rows: Sequence["InstrumentRow"]) -> None:
        """ValueError when a source is not among the instruments of this run."""
        names = {row.name: row.id for row in rows if row.status == "TRADING"}
        self._by_assets: dict[frozenset[str], Conversion] = {}
        for index, settings in enumerate(config.conversions):
            if settings.source not in names:
                raise ValueError(f"conversions[{index}].source: {settings.source} is not read in this run; name its symbol in "
                                 "venues.<venue>.symbols, or take another source")
            conversion = Conversion(settings, names[settings.source])
            self._by_assets[conversion.assets] = conversion

    def between(self, one: str, other: str) -> Conversion | None:
        """The conversion of two quote assets, in whichever direction it was named; None = there is none."""
        return self._by_assets.get(frozenset((one, other)))

    def refresh(self, core: "Core", now_mono_ns: int) -> None:
        for conversion in self._by_assets.values():
            conversion.refresh(core, now_mono_ns)
