"""One scenario as data: venues, what is done to them and to the engine, and when; played on a WholeWorld, judged by the auditor.

A step names a control command of the simulated venues (docs/simex.md), or `kill`: kill -9 of the engine, `turns` of the host
after the next orders left, away for `away_ms`. Steps can be taken out without changing the others: shrinking needs no more.
"""
from __future__ import annotations

import hashlib
import pathlib
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from cext import layout
from engine.events import IntentKind, Purpose
from engine.input_replay import replay_inputs
from tests.dst.scenario import QUIET_ALERTS, AsJson
from tests.dst.shrink import ddmin
from tests.whole.clock import VirtualClock
from tests.whole.points import AT_START, AT_STOP, IN_TRADE, POINTS, Armed, points
from tests.whole.world import STOP_S, WholeWorld

VENUES = ("binance", "bybit", "okx", "binanceus", "okxus")
MODES = (("quiet", 10), ("faults", 45), ("deaths", 45))
LAST_S = 1.5          # without faults, before the stop
ORDER_WAIT_S = 1.0    # a kill waits for an order so long
# Names and times of a run are not part of what a seed decides.
NOT_DIGESTED = {layout.JR_RUN_START, layout.JR_RUN_STOP, layout.JR_CONTROL}

Draw = Callable[[random.Random], dict[str, Any]]
FAULTS: dict[str, list[Draw]] = {
    "oe": [lambda r: {"verb": "partial", "fraction": r.choice((0.0, 0.3, 0.6))}, lambda r: {"verb": "reject"},
           lambda r: {"verb": "unknown", "executed": r.random() < 0.7}, lambda r: {"verb": "lostreq"},
           lambda r: {"verb": "lostresp"}, lambda r: {"verb": "late", "ms": r.choice((50, 400, 900))},
           lambda r: {"verb": "delay", "ms": r.choice((20, 200, 600))}, lambda r: {"verb": "asyncreject"},
           lambda r: {"verb": "ratelimit"}],
    "ud": [lambda r: {"verb": "drop"}, lambda r: {"verb": "dup"}, lambda r: {"verb": "delay", "ms": r.choice((5, 100, 700))}],
    "q": [lambda r: {"verb": "reject"}, lambda r: {"verb": "delay", "ms": r.choice((50, 400))}, lambda r: {"verb": "lostresp"}],
    "md": [lambda r: {"verb": "drop"}, lambda r: {"verb": "dup"}, lambda r: {"verb": "swap"}, lambda r: {"verb": "gap"},
           lambda r: {"verb": "cross"}, lambda r: {"verb": "freeze", "duration_ms": r.choice((100, 900))},
           lambda r: {"verb": "delay", "ms": r.choice((50, 500))}],
}
OTHERS: list[Draw] = [
    lambda r: {"cmd": "disconnect", "channel": r.choice(("md", "oe", "ud")), "graceful": r.random() < 0.5},
    lambda r: {"cmd": "disconnect", "channel": r.choice(("oe", "ud")), "refuse_ms": r.choice((700, 3000))},
    lambda r: {"cmd": "silent", "channel": r.choice(("md", "oe", "ud")), "duration_ms": r.choice((50, 600, 2500))},
    lambda r: {"cmd": "http", "status": r.choice((500, 503)), "body": "{}", "count": r.randrange(1, 5)},
    lambda r: {"cmd": "ratelimit", "duration_ms": r.choice((50, 500))},
    lambda r: {"cmd": "shutdown_notice", "in_ms": r.choice((100, 1000))},
]


@dataclass
class Scenario(AsJson):
    seed: int
    mode: str
    venues: list[str]
    latency_us: int
    trading_ms: int
    input_log: bool                  # written, and replayed at the end: the same decisions, byte for byte
    steps: list[dict[str, Any]]      # each with at_ms from the first moment of trading
    maker: bool = False              # differences too small to be taken on both legs: entries rest on one


@dataclass
class Outcome:
    seed: int
    mode: str
    failure: str = ""
    digest: str = ""
    orders: int = 0
    lives: int = 1
    virtual_s: float = 0.0
    turns: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    trades: Counter[str] = field(default_factory=Counter)
    quotes: Counter[str] = field(default_factory=Counter)
    reconciled_s: list[float] = field(default_factory=list)


def draw(seed: int) -> Scenario:
    rng = random.Random(f"whole {seed}")
    number, mode = rng.randrange(100), MODES[-1][0]
    for name, share in MODES:
        number -= share
        if number < 0:
            mode = name
            break
    venues = sorted(rng.sample(VENUES[:3], rng.choice((1, 2, 2, 3))))
    if rng.random() < 0.2:
        venues = sorted({*venues, rng.choice(VENUES[3:])})
    trading_ms = rng.choice((500, 1000, 2000))
    steps = []
    for _ in range(0 if mode == "quiet" else rng.randrange(1, 9)):
        step: dict[str, Any] = {"at_ms": rng.randrange(trading_ms), "venue": rng.choice(venues)}
        if rng.random() < 0.75:
            channel = rng.choices(list(FAULTS), (5, 2, 2, 3))[0]
            step |= {"cmd": "fault", "channel": channel, "market": rng.choice((None, "spot", "linear"))}
            step |= rng.choice(FAULTS[channel])(rng)
            if "duration_ms" not in step:
                step["count"] = rng.randrange(1, 4)
        else:
            step |= rng.choice(OTHERS)(rng)
        steps.append(step)
    for _ in range(rng.randrange(1, 4) if mode == "deaths" else 0):
        steps.append({"at_ms": rng.randrange(trading_ms), "cmd": "kill", "orders": rng.randrange(0, 4),
                      "turns": rng.randrange(0, 60), "away_ms": rng.choice((0, 0, 50, 1500)), "stops": rng.random() < 0.1})
    for _ in range(rng.randrange(0, 3) if mode == "deaths" else 0):
        steps.append({"at_ms": rng.randrange(trading_ms), "cmd": "point", "name": rng.choice(list(POINTS)),
                      "pass": rng.randrange(1, 6), "away_ms": rng.choice((0, 0, 50, 1500))})
    return Scenario(seed, mode, venues, rng.choice((0, 200, 2000)), trading_ms, rng.random() < 0.3,
                    sorted(steps, key=lambda one: one["at_ms"]), random.Random(f"maker {seed}").random() < 0.4)


# A difference of half a basis point beyond all taker fees, where two and a half are asked: the maker's fee makes it pay.
MAKER_SIMEX: dict[str, Any] = {"dislocation_bps": 0.5, "dislocation_ms": 400, "dislocations_per_s": 30.0}
MAKER: dict[str, Any] = {"maker": "auto", "rest_depth_bps": 20, "entry_net_bps": 2.5, "rest_pause_ms": 20}


def play(scenario: Scenario, folder: pathlib.Path, clock: VirtualClock, outcome: Outcome, armed: Armed) -> WholeWorld:
    simex, strategies = {"latency_us": scenario.latency_us}, {"cross_exchange": {"enabled": len(scenario.venues) > 1}}
    if scenario.maker:
        simex |= MAKER_SIMEX
        strategies = {"cross_exchange": {**strategies["cross_exchange"], **MAKER}, "spot_futures": MAKER}
    world = WholeWorld(folder, scenario.seed, scenario.venues, clock, simex=simex, strategies=strategies,
                       engine={"input_log": scenario.input_log, "journal_segment_mb": 8 if scenario.input_log else 1})
    world.start_engine()
    world.wait_trading()
    begin_ns = clock.now_ns
    for step in scenario.steps:
        world.host.run_for(max(0.0, (begin_ns + step["at_ms"] * 1_000_000 - clock.now_ns) / 1e9))
        outcome.planted[f"{step['cmd']} {step.get('channel', '')} {step.get('verb', '')}{step.get('name', '')}".strip()] += 1
        if step["cmd"] == "kill":
            die(world, step)
        elif step["cmd"] == "point":
            die_at(world, step, armed)
        else:
            world.control(**{key: value for key, value in step.items() if key != "at_ms" and value is not None})
    world.host.run_for(max(0.0, (begin_ns + scenario.trading_ms * 1_000_000 - clock.now_ns) / 1e9))
    world.control(cmd="clear")
    world.wait_trading()
    world.host.run_for(LAST_S)
    return world


def die(world: WholeWorld, step: dict[str, Any]) -> None:
    """kill -9 some turns after orders left (or when none comes), then another life."""
    wanted = world.orders_sent() + step["orders"]
    end_ns = world.clock.now_ns + int(ORDER_WAIT_S * 1e9)
    world.host.run_until(lambda: world.orders_sent() >= wanted or world.clock.now_ns >= end_ns, ORDER_WAIT_S + 1)
    last = world.host.turns + step["turns"]
    world.host.run_until(lambda: world.host.turns >= last, 10.0)
    if step["stops"]:
        assert world.engine is not None
        world.engine.terminate()
        world.host.run_for(0.003 * step["turns"])
    world.kill_engine()
    world.host.run_for(step["away_ms"] / 1e3)
    world.start_engine()
    world.wait_trading()


def die_at(world: WholeWorld, step: dict[str, Any], armed: Armed) -> None:
    """kill -9 where the engine passes a named point for the n-th time, if it comes there; then another life."""
    engine = world.engine
    assert engine is not None
    if step["name"] in IN_TRADE:
        armed.name, armed.left = step["name"], step["pass"]
        end_ns = world.clock.now_ns + int(ORDER_WAIT_S * 1e9)
        world.host.run_until(lambda: engine.died_of or world.clock.now_ns >= end_ns, ORDER_WAIT_S + 1)
    elif step["name"] in AT_STOP:
        armed.name, armed.left = step["name"], 1
        engine.terminate()
        world.host.run_until(lambda: engine.died_of, STOP_S)
    armed.name = ""
    world.kill_engine()
    world.host.run_for(step["away_ms"] / 1e3)
    if step["name"] in AT_START:
        armed.name, armed.left = step["name"], step["pass"]
    world.start_engine()
    world.wait_trading()
    armed.name = ""
    assert world.engine is not None
    if world.engine.died_of:
        world.kill_engine()
        world.start_engine()
        world.wait_trading()


def run_scenario(scenario: Scenario, clock: VirtualClock | None = None) -> Outcome:
    """Plays and judges; what goes wrong is in `failure`."""
    outcome = Outcome(scenario.seed, scenario.mode)
    clock = clock or VirtualClock()
    world = None
    with tempfile.TemporaryDirectory(prefix="ls-whole-") as name:
        try:
            with points() as armed:
                world = play(scenario, pathlib.Path(name), clock, outcome, armed)
                world.stop_engine()
            found = world.audit()
            if found:
                outcome.failure = "; ".join(f"{one.rule}: {one.what}" for one in found[:4])
            parted = [life.sentence() for life in replay_inputs(world.run_dir) if life.difference] if scenario.input_log else []
            if parted:
                outcome.failure = f"REPLAY: {parted[0]}"
            describe(world, outcome)
            told = [one for one in world.shell.alarms if one["code"] not in QUIET_ALERTS] if world.shell is not None else []
            if scenario.mode == "quiet" and told:
                outcome.failure = outcome.failure or f"QUIET: alarms without a fault: {told[:3]}"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            outcome.failure = f"{type(error).__name__}: {str(error)[:400]}"
        finally:
            outcome.virtual_s = (clock.now_ns - 1_000_000_000_000) / 1e9
            if world is not None:
                outcome.turns, outcome.lives = world.host.turns, world.lives
                world.close()
            clock.stop()
    return outcome


def describe(world: WholeWorld, outcome: Outcome) -> None:
    assert world.shell is not None and world.shell.trades is not None
    outcome.trades = Counter({str(state): count for state, count in world.shell.trades.manager.final_states.items()})
    outcome.reconciled_s = world.reconciled_s
    digest = hashlib.blake2b(digest_size=16)
    for record in world.records():
        if record.type == layout.JR_INTENT:
            told = record.decode()
            outcome.orders += int(told["leg_count"])
            outcome.quotes["rested"] += int(told["kind"]) == IntentKind.HEDGE_ON_FILL
            outcome.quotes["hedges"] += int(told["purpose"]) == Purpose.HEDGE
        if record.type not in NOT_DIGESTED:
            digest.update(b"%d %d %d " % (record.type, record.mono_ns, record.epoch))
            digest.update(record.payload)
    outcome.digest = digest.hexdigest()


def shrunk(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """Fewer steps, as long as it fails."""
    return Scenario(**{**asdict(scenario), "steps": ddmin(scenario.steps, lambda steps: fails(
        Scenario(**{**asdict(scenario), "steps": steps})))})
