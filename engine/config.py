"""The whole configuration of a run: one strict model, loaded from YAML, dumped as JSON without secrets, and its hash.

`load(path)` raises ConfigError with file, line, field and what would be right. Every bound below is a hard ceiling in code.
Sections that feeds read too (mode, run, feeds, venues) are defined in feeds/config.py."""
import difflib
import hashlib
import os
import pathlib
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, create_model, model_validator

from feeds.config import FeedsConfig, Mode, RunConfig, SymbolName, VenueConfig, VenueName, Venues, check_venues
from feeds.strict import ConfigError, Misplaced, SecretRef, StrictModel, check_document, number, read_document

__all__ = ["Config", "ConfigError", "SecretRef", "config_hash", "dump_effective", "load"]

REST_DEPTH = "furthest from the best price of its side that an order rests; at twice that it is withdrawn"
REST_PAUSE = "between two orders that rest, of one pair"
REARM = "both books must be newer than the pair's last trade by this"
SPIN_CORES_MIN = 2  # with one core a spinning engine would starve the feed that it waits for


class EngineConfig(StrictModel):
    """The engine process and its loop."""

    wait: Literal["auto", "spin", "wake"] = Field(
        "auto", description="spin on a core of its own, or sleep until the doorbell rings"
    )
    cpu: Literal["auto", "none"] | Annotated[int, Field(ge=0, le=1023)] = Field(
        "auto", description="auto = the last core, none, or a core's number"
    )
    spin_us: int = number(50, 1, 10_000, "how long one turn of the loop polls the rings")
    poll_max_records: int = number(64, 1, 4096, "records drained before the touched instruments are evaluated")
    lock_memory: bool = Field(True, description="lock and prefault memory where permitted")
    instance: int = number(0, 0, 1023, "part of client order ids: engines of one account must differ")
    journal_segment_mb: int = number(
        16, 1, 1024, "size of one journal segment; two of them lie in /dev/shm, which has 64 MiB in many containers"
    )
    input_log: bool = Field(
        False, description="write every input of core and calm floor, for tools/replay --inputs; some MB a second in /dev/shm and var"
    )
    warm_up_ms: int = number(500, 0, 60_000, "code paths are exercised for so long before trading")

    def resolved_cpu(self, available: list[int]) -> int | None:
        """The core to pin to, or None. `available` = cores of this process, ascending."""
        if self.cpu == "none" or not available or (self.cpu == "auto" and len(available) < 2):
            return None
        if self.cpu == "auto":
            return available[-1]
        if self.cpu not in available:
            raise ConfigError([f"engine.cpu: core {self.cpu} is not available here; right is one of {available}, auto or none"])
        return int(self.cpu)

    def resolved_spin(self, cpu_count: int) -> bool:
        """Whether to spin, on a machine of so many cores."""
        return self.wait == "spin" or (self.wait == "auto" and cpu_count >= SPIN_CORES_MIN)


class SpotFuturesConfig(StrictModel):
    """Spot against linear perpetual, and perpetual against perpetual of another venue: enter when the basis pays, leave when it
    has converged. Ratios are bps of notional."""

    enabled: bool = Field(True, description="detect and trade")
    pairs: Literal["auto"] | list[SymbolName] = Field(
        "auto", description="auto = every base with both legs; else spot names such as [BTC/USDT]"
    )
    across_venues: bool = Field(True, description="spot of one venue against the perpetual of another too")
    perp_perp: bool = Field(True, description="perpetual against perpetual of two venues too")
    entry_net_bps: float = number(1.0, 0.0, 1000.0, "expected net of all costs, at least")
    exit_cost_bps: float | None = Field(
        None, ge=-100.0, le=1000.0, description="what closing may cost; null = the taker fees of both legs"
    )
    forced_exit_cost_bps: float = number(100.0, 0.0, 1000.0, "what closing may cost when it must be")
    funding_exit_bps: float | None = Field(
        None, ge=0.0, le=1000.0, description="funding against us per interval that forces the exit; null = never"
    )
    max_notional_usd: float = number(1000.0, 1.0, 1_000_000.0, "one entry at most")
    slippage_ticks: int = number(0, 0, 1000, "added to each leg's limit, in ticks")
    slippage_bps: float = number(0.0, 0.0, 100.0, "added to each leg's limit")
    unwind_bps: float = number(20.0, 0.0, 1000.0, "planned worst price of giving one leg back")
    horizon_s: int = number(28_800, 1, 2_592_000, "a pair is closed after so long")
    rearm_ms: int = number(0, 0, 3_600_000, REARM)
    allow_reverse: Literal["none", "inventory"] = Field("none", description="sell spot and buy the perpetual, from own inventory")
    exit_partial: bool = Field(True, description="close as much as pays, not all or nothing")
    maker: Literal["none", "auto", "spot", "perp"] = Field(
        "none", description="leg on which an order rests (post-only) while there is nothing to take; auto = where it saves most"
    )
    rest_depth_bps: float = number(5.0, 0.0, 1000.0, REST_DEPTH)
    rest_pause_ms: int = number(500, 0, 3_600_000, REST_PAUSE)


class CrossExchangeConfig(StrictModel):
    """Spot against spot of two venues: bought where it is cheap, sold from inventory where it is dear. Ratios are bps of
    notional."""

    enabled: bool = Field(False, description="detect and trade; needs inventory on both venues")
    pairs: Literal["auto"] | list[SymbolName] = Field(
        "auto", description="auto = every base with spot on two venues; else names such as [BTC/USDT]"
    )
    entry_net_bps: float = number(2.0, 0.0, 1000.0, "expected net of all costs, at least")
    max_notional_usd: float = number(1000.0, 1.0, 1_000_000.0, "one entry at most")
    slippage_ticks: int = number(0, 0, 1000, "added to each leg's limit, in ticks")
    slippage_bps: float = number(0.0, 0.0, 100.0, "added to each leg's limit")
    unwind_bps: float = number(20.0, 0.0, 1000.0, "planned worst price of giving one leg back")
    rearm_ms: int = number(0, 0, 3_600_000, REARM)
    maker: Literal["none", "auto"] | VenueName = Field(
        "none", description="venue on which an order rests (post-only) while there is nothing to take; auto = where it saves most"
    )
    rest_depth_bps: float = number(5.0, 0.0, 1000.0, REST_DEPTH)
    rest_pause_ms: int = number(500, 0, 3_600_000, REST_PAUSE)
    rebalance_cost_bps: float = number(5.0, 0.0, 1000.0, "of what is moved back between venues; charged by how skewed they are")
    inventory_target: Literal["even"] | dict[VenueName, Annotated[float, Field(gt=0.0, le=1_000.0)]] = Field(
        "even", description="even, or a weight for each venue (1 where not named)"
    )


class StrategiesConfig(StrictModel):
    """One section a strategy."""

    spot_futures: SpotFuturesConfig = SpotFuturesConfig()
    cross_exchange: CrossExchangeConfig = CrossExchangeConfig()


class _ConversionRules(StrictModel):
    """What does not depend on the keys `from` and `to`, of which the first is a word of the language."""

    source: str = Field(pattern=r"^[a-z0-9]{1,20}:[A-Z0-9]{1,20}/[A-Z0-9]{1,10}$",
                        description="spot instrument whose mid is the price, such as binance:USDC/USDT")
    depeg_limit_bps: float = number(30.0, 0.0, 500.0, "further from 1 than this and pairs that need it are off")
    cost_bps: float = number(1.0, 0.0, 200.0, "charged to both directions, beside how far the mid lies from 1")

    @model_validator(mode="after")
    def _check_assets(self) -> "_ConversionRules":
        assets = [getattr(self, "from"), self.to]  # type: ignore[attr-defined]
        if assets[0] == assets[1]:
            raise Misplaced(("to",), f"{assets[1]} is converted into itself; right is another asset")
        if set(self.source.partition(":")[2].split("/")) != set(assets):
            raise Misplaced(("source",), f"{self.source} does not price {assets[0]} in {assets[1]}; "
                                         f"right is <venue>:{assets[0]}/{assets[1]} or <venue>:{assets[1]}/{assets[0]}")
        return self


Asset = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,10}$")]
ConversionConfig = create_model(
    "ConversionConfig", __base__=_ConversionRules,
    __doc__="Two quote assets that count as equal, at a cost, while their price is near 1 (docs/strategies.md).",
    **{"from": (Asset, Field(description="a quote asset, such as USDC")), "to": (Asset, Field(description="the other one"))})


class RiskConfig(StrictModel):
    """The gate's limits (docs/gate.md). Reducing orders pass those that exist to stop new risk."""

    max_order_usd: float = number(2_000.0, 1.0, 1_000_000.0, "one order")
    max_position_usd: float = number(10_000.0, 1.0, 10_000_000.0, "one instrument")
    max_symbol_usd: float = number(20_000.0, 1.0, 20_000_000.0, "one underlying, gross")
    max_venue_usd: float = number(200_000.0, 1.0, 50_000_000.0, "one venue, gross")
    max_total_usd: float = number(200_000.0, 1.0, 100_000_000.0, "all venues, gross")
    max_delta_usd: float = number(5_000.0, 1.0, 1_000_000.0, "net of one underlying, orders in flight counted")
    daily_loss_usd: float = number(500.0, 1.0, 1_000_000.0, "realised loss of a UTC day that stops entries")
    hourly_loss_usd: float = number(250.0, 1.0, 1_000_000.0, "realised loss of an hour that stops entries")
    consecutive_losses: int = number(10, 1, 1000, "losing trades in a row that stop entries")
    margin_use_pct: float = number(30.0, 1.0, 80.0, "margin used of margin available")
    price_band_pct: float = number(5.0, 0.0, 50.0, "a book so far from its underlying at other venues takes no entry; 0 = off")
    leverage: float = number(
        1.0, 1.0, 20.0, "assumed on linear instruments; the account's own is read back and must not be lower"
    )
    collar_bps: float = number(50.0, 1.0, 1_000.0, "an entry's limit price may lie so far from the best price")
    mark_collar_bps: float = number(200.0, 1.0, 2_000.0, "and so far from the mark price")
    reduce_collar_bps: float = number(500.0, 1.0, 2_000.0, "the same for reducing orders")
    max_in_flight: int = number(16, 1, 128, "intents without an outcome, those that rest not counted")
    max_resting: int = number(16, 0, 64, "orders that rest")
    max_orders_per_s: int = number(20, 1, 1000, "each venue and market")
    order_burst: int = number(20, 1, 1000, "orders at once, each venue and market")
    reserved_burst_pct: int = number(20, 0, 90, "of the burst, kept for reducing orders")
    quiet_unlearned_ms: int = number(5_000, 100, 60_000, "silence allowed while nothing is learned about an instrument")
    max_decision_age_ms: int = number(50, 1, 1_000, "newest record to sent bytes")
    breaker_window: int = number(50, 1, 1_000, "orders whose error rate the breaker looks at")
    breaker_samples_min: int = number(10, 1, 1_000, "orders before the error rate means anything")
    breaker_error_pct: int = number(20, 1, 100, "error rate that opens the breaker")
    breaker_consecutive: int = number(5, 1, 100, "failures in a row that open it")
    breaker_recovery_ms: int = number(30_000, 100, 3_600_000, "how long an open breaker waits before it tries")


class CooldownsConfig(StrictModel):
    """How long a pair or venue rests after trouble."""

    timeout_s: int = number(600, 0, 86_400, "after an order that gave no answer")
    api_error_s: int = number(300, 0, 86_400, "after an error of the venue")
    orphan_s: int = number(7_200, 0, 604_800, "after one leg stood alone")
    margin_s: int = number(3_600, 0, 604_800, "after a margin refusal")
    stale_data_s: int = number(300, 0, 86_400, "after a trade on data that died")


class RecoveryConfig(StrictModel):
    """What happens to a pair that did not go as intended."""

    ttl_ms: int = number(500, 50, 10_000, "time to live of an intent")
    ack_timeout_ms: int = number(300, 50, 5_000, "no answer for so long makes an order UNKNOWN")
    query_interval_ms: int = number(100, 20, 5_000, "between two queries about one UNKNOWN order")
    unknown_max_ms: int = number(2_000, 200, 60_000, "an order UNKNOWN for longer is an alarm")
    unclean_starts_max: int = number(3, 1, 1_000_000, "unclean ends within ten minutes after which only reducing orders leave")
    chase_max: int = number(3, 0, 10, "orders that chase the lagging leg")
    rest_life_ms: int = number(60_000, 100, 3_600_000, "an order that rests is cancelled after so long at the latest")
    chase_slippage_bps: float = number(10.0, 0.0, 200.0, "how much worse than planned a chase may buy or sell")
    unwind_bands_bps: list[Annotated[float, Field(ge=0.0, le=1_000.0)]] = Field(
        [10.0, 25.0, 50.0, 100.0], min_length=1, max_length=16, description="price bands of giving an excess back, each wider")
    unwind_interval_ms: int = number(250, 20, 10_000, "between two unwind attempts")
    away_ms: int = number(500, 50, 60_000, "a market's session or user stream is down for so long: its exposures go elsewhere")
    closing_budget_ms: int = number(500, 50, 10_000, "exposure proven to exposure gone")
    cooldowns: CooldownsConfig = CooldownsConfig()

    @model_validator(mode="after")
    def _check_bands(self) -> "RecoveryConfig":
        if any(b <= a for a, b in zip(self.unwind_bands_bps, self.unwind_bands_bps[1:], strict=False)):
            raise Misplaced(("unwind_bands_bps",), "bands must widen from one to the next")
        return self


class SimexConfig(StrictModel):
    """The simulated venues of the modes sim and paper (tools/simex has the rest of its keys for its own tests)."""

    seed: int = number(1, 0, (1 << 53) - 1, "everything random follows from it")
    market: Literal["synthetic", "capture", "external"] = Field(
        "synthetic", description="external is set by the supervisor in mode paper"
    )
    pairs: int = number(50, 1, 500, "bases, each with a spot and a linear instrument")
    background_msgs_per_s: float = number(1_500.0, 0.0, 100_000.0, "market-data messages of all instruments together")
    volatility_bps_per_s: float = number(0.8, 0.0, 100.0, "how far mids wander")
    dislocations_per_s: float = number(1.0, 0.0, 50.0, "planted differences that pay after fees")
    dislocation_bps: float = number(20.0, 0.0, 500.0, "what a round trip earns beyond all taker fees and spreads")
    dislocation_kind: Literal["same_venue", "cross_venue", "any"] = Field(
        "any", description="a venue's spot against its perpetual, one venue's book against another's, or both")
    dislocation_ms: float = number(400.0, 1.0, 60_000.0, "how long a planted difference stays")
    latency_us: int = number(0, 0, 1_000_000, "between receiving a request and handling it")
    leverage: int = number(10, 1, 125, "of the simulated futures account")
    inventory_usd: float = number(0.0, 0.0, 10_000_000.0, "of every spot coin on each venue, at its start price")
    funding_interval_s: float = number(28_800.0, 1.0, 86_400.0, "between two fundings")
    tls: bool = Field(False, description="TLS with a test CA")


class Config(StrictModel):
    """All sections."""

    mode: Mode = Field("sim", description="sim, dry_run, paper, testnet; live is refused")
    run: RunConfig = RunConfig()
    engine: EngineConfig = EngineConfig()
    feeds: FeedsConfig = FeedsConfig()
    venues: Venues = Field({"binance": VenueConfig()}, min_length=1, description="a section for each venue")
    strategies: StrategiesConfig = StrategiesConfig()
    conversions: list[ConversionConfig] = Field(  # type: ignore[valid-type]
        [], max_length=16, description="quote assets that pairs may mix"
    )
    risk: RiskConfig = RiskConfig()
    recovery: RecoveryConfig = RecoveryConfig()
    simex: SimexConfig = SimexConfig()

    @model_validator(mode="after")
    def _check_together(self) -> "Config":
        check_venues(self.mode, dict(self.venues))
        for name in ("spot_futures", "cross_exchange"):
            strategy = getattr(self.strategies, name)
            if strategy.enabled and strategy.max_notional_usd > self.risk.max_order_usd:
                raise Misplaced(
                    ("strategies", name, "max_notional_usd"),
                    f"{strategy.max_notional_usd} is above "
                    f"risk.max_order_usd {self.risk.max_order_usd}: no entry could pass; lower the first or raise the second",
                )
        self._check_conversions()
        spots = [name for name, venue in self.venues.items() if "spot" in venue.markets]
        if self.strategies.cross_exchange.enabled and len(spots) < 2:
            raise Misplaced(("strategies", "cross_exchange", "enabled"),
                            f"needs spot on two venues, and {' and '.join(spots) or 'none'} of venues has it; "
                            "add a venue with spot, or false")
        target = self.strategies.cross_exchange.inventory_target
        for venue in [] if target == "even" else target:
            if venue not in self.venues:
                raise Misplaced(("strategies", "cross_exchange", "inventory_target", venue), self._not_here(venue))
        if self.recovery.ack_timeout_ms > self.recovery.ttl_ms:
            raise Misplaced(
                ("recovery", "ack_timeout_ms"),
                f"{self.recovery.ack_timeout_ms} is above ttl_ms {self.recovery.ttl_ms}; an intent would expire unmissed",
            )
        return self

    def _not_here(self, venue: str) -> str:
        near = difflib.get_close_matches(venue, self.venues, n=1, cutoff=0.4)
        return (f"{venue}: no such venue in this configuration; " + (f"did you mean {near[0]}? " if near else "")
                + f"right is one of {', '.join(self.venues)}")

    def _check_conversions(self) -> None:
        """Their sources are venues of this configuration, and no two conversions join the same assets."""
        seen: dict[frozenset[str], int] = {}
        for index, one in enumerate(self.conversions):
            venue, assets = one.source.partition(":")[0], frozenset((getattr(one, "from"), one.to))
            if venue not in self.venues:
                raise Misplaced(("conversions", index, "source"), self._not_here(venue))  # type: ignore[arg-type]
            if assets in seen:
                raise Misplaced(("conversions", index),  # type: ignore[arg-type]
                                f"joins the same assets as conversions[{seen[assets]}]; remove one")
            seen[assets] = index


def load(path: str | os.PathLike[str]) -> Config:
    """Read and check a configuration file (YAML, or the JSON of a run directory)."""
    return check_document(read_document(pathlib.Path(path)), Config)


def effective(config: Config) -> dict[str, Any]:
    """Every key with its value, defaults included; secrets appear as their file references only."""
    return config.model_dump(mode="json")


def dump_effective(config: Config) -> bytes:
    """The effective configuration as JSON; `load` reads it back to an equal Config."""
    return orjson.dumps(effective(config), option=orjson.OPT_INDENT_2)


def config_hash(config: Config) -> str:
    """16 hex digits over the effective configuration: the same meaning, the same hash, whatever order or comments the file
    has."""
    text = orjson.dumps(effective(config), option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=8).hexdigest()
