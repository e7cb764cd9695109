"""One scenario as data, drawn from a seed before it runs; running it; what must hold in the end and at each step.

Faults are classes (tests/simulation/test_random_schedules.py FAULTS) with a rate, deaths of the engine are numbers of journal
records. Taking one out of the data leaves every other draw where it was: that is what shrinking needs.
"""
from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import orjson

from engine.events import OrderType, Purpose
from engine.trade.commands import JournalType
from engine.trade.policy import TradePolicy
from tests.simulation.test_random_schedules import FAULTS, SHORT_COOLDOWNS, Chaos, check, run
from tests.support.mortal_world import MortalWorld, Written
from tests.support.sim_trade import MS, S, World

# Share of seeds, of 100: RELIABILITY 5.2. swizzle: order sessions and user streams drop one by one.
MODES = (("quiet", 10), ("swarm", 25), ("all-on", 25), ("crash", 25), ("swizzle", 10), ("half", 5))
SWIZZLE = ("session", "lost_stream", "lost_reply", "query_lost", "slow")
# Cents that fees in base leave of spot against spot; what a gate that lets only reducing orders through says of them at a stop.
QUIET_ALERTS = {"residual_too_small", "recovery_refused", "exit_too_small", "residuals_joined"}
QUIET_NAKED_NS = 600 * MS    # a fill too small to be hedged waits half a second for the next
QUIET_STOP_NS = 2500 * MS    # at a stop dust waits for a gate that refuses it
DEATHS_BY = 400     # records of a scenario of a second or two


class AsJson:
    """A dataclass of plain values that is written to a file and read back."""

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return cls(**orjson.loads(data))


@dataclass
class Scenario(AsJson):
    seed: int
    mode: str
    bases: int                 # 0: one venue, three pairs; else two venues and five pairs of all kinds a base
    faults: list[str]
    rate: float
    deaths: list[int]          # the engine dies after so many notes of its whole life
    down_ms: int
    trading_ms: int
    hedge_unknown: str
    outages: list[list[Any]] = field(default_factory=list)   # ms from the start, venue, for how many ms it is away
    resting: float = 0.0                                      # share of the entries that rest


@dataclass
class Outcome:
    """What a scenario gave; `failure` is "" when everything held."""
    seed: int
    mode: str
    digest: str = ""
    failure: str = ""
    trades: int = 0
    orders: int = 0
    lives: int = 1
    fired: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    naked_ns: list[int] = field(default_factory=list)


def draw(seed: int) -> Scenario:
    """Everything random about a scenario but its market and its venues' treatment of orders."""
    rng = random.Random(f"scenario {seed}")
    number = rng.randrange(100)
    for mode, share in MODES:
        number -= share
        if number < 0:
            break
    faults = list(FAULTS)
    if mode == "quiet":
        faults = []
    elif mode == "swizzle":
        faults = list(SWIZZLE)
    elif mode != "all-on":
        faults = [fault for fault in FAULTS if rng.random() < 0.5]
    deaths = sorted(rng.sample(range(4, DEATHS_BY), rng.randrange(1, 6))) if mode == "crash" else []
    scenario = Scenario(seed, mode, rng.choice((0, 1)), faults, rng.choice((0.02, 0.1, 0.3)), deaths, rng.choice((1, 50, 3000)),
                        rng.choice((300, 800, 2000)), "half" if mode == "half" else "wait")
    if scenario.bases and mode != "quiet":
        scenario.outages = draw_outages(random.Random(f"outages {seed}"), scenario.trading_ms)
    scenario.resting = random.Random(f"shares {seed}").choice((0.0, 0.0, 0.0, 0.3, 1.0))
    return scenario


def draw_outages(rng: random.Random, trading_ms: int) -> list[list[Any]]:
    """Of every third scenario; a venue at a time."""
    if rng.random() > 0.33:
        return []
    return [[rng.randrange(trading_ms), rng.choice(("binance", "bybit")), rng.choice((100, 700, 2000, 8000))]]


class Watched(MortalWorld):
    """Looks after each record: what may never be, not even for a moment."""

    def note(self, what: int, fact: Any) -> None:
        if what in (JournalType.TRANSITION, JournalType.LEDGER):
            for order in self.manager._orders.values():
                if order.cum_qty > order.qty and not self.manager.alerts["order_contradiction"]:
                    raise AssertionError(f"I3: {order.client_id} is believed to have executed {order.cum_qty} of {order.qty}")
        super().note(what, fact)


def play(scenario: Scenario) -> tuple[World, Chaos]:
    policy = policy_of(scenario)
    return run(scenario.seed, policy, scenario.bases,
               lambda **options: Watched(scenario.deaths, scenario.down_ms * MS, **options),
               Chaos(scenario.seed, scenario.faults, scenario.rate), scenario.trading_ms * MS, scenario.outages, scenario.resting)


def policy_of(scenario: Scenario) -> TradePolicy:
    return TradePolicy(cooldowns_ns=SHORT_COOLDOWNS, hedge_unknown=scenario.hedge_unknown)


def run_scenario(scenario: Scenario, judge: Callable[[World, TradePolicy], None] = check) -> Outcome:
    """Plays and judges; never raises for what the scenario did."""
    outcome = Outcome(scenario.seed, scenario.mode)
    try:
        world, chaos = play(scenario)
        judge(world, policy_of(scenario))
        if scenario.mode == "quiet":
            assert not world.alert_codes() - QUIET_ALERTS, f"QUIET: a world without faults raised {dict(world.manager.alerts)}"
        outcome.digest = digest(world.records)
        outcome.trades = sum(intent.purpose == Purpose.ENTRY for intent in world.intents)
        outcome.orders = sum(len(intent.legs) for intent in world.intents)
        outcome.lives, outcome.fired = world.lives, chaos.fired
        outcome.moves = Counter(world.transitions())
        outcome.naked_ns = [one.naked_ns for one in world.naked]
        if scenario.mode == "quiet":
            _check_quiet(world, outcome)
        assert max(outcome.naked_ns, default=0) < 60 * S or world.alert_codes(), "I4: naked for a minute and nobody says so"
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is a finding
        outcome.failure = f"{type(error).__name__}: {str(error)[:400]}"
    return outcome


def _check_quiet(world: World, outcome: Outcome) -> None:
    """Where nothing goes wrong, exposures are short, nothing stands after a stop, each fill of a maker has one hedge at most."""
    before, after = outcome.naked_ns[:world.exposures_before_stop], outcome.naked_ns[world.exposures_before_stop:]
    assert max(before, default=0) < QUIET_NAKED_NS, f"QUIET: naked for {max(before) / MS:.1f} ms"
    assert max(after, default=0) < QUIET_STOP_NS, f"QUIET: naked for {max(after) / MS:.1f} ms at a stop"
    assert not world.left_at_stop, f"QUIET: {world.left_at_stop} stand in a book two seconds after the stop"
    hedges = sum(intent.purpose == Purpose.HEDGE for intent in world.intents)
    fills = sum(len(order.fills) for order in world.venue.orders.values() if order.order_type == OrderType.POST_ONLY)
    assert hedges <= fills, f"QUIET: {hedges} hedges of {fills} fills"


def digest(records: list[Written]) -> str:
    """Of every byte that the journal of all lives holds."""
    made = hashlib.blake2b(digest_size=16)
    for record in records:
        made.update(b"%d %d %d %d " % (record.type, record.mono_ns, record.epoch, record.correlation_id))
        made.update(record.payload)
    return made.hexdigest()
