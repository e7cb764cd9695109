"""Kills and other deaths, cell by cell: what was planted at the venues, when the engine died, how long it was away.

    python -m tests.chaos --runs 300            the whole, a table at the end, build/chaos.json
    python -m tests.chaos --runs 20 --seed 7    one batch again (kills of one batch share a run; the audit is at its end)
"""
from __future__ import annotations

import pathlib
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.rig import ChaosRig

# What the venue does to the orders of the life that is going to be killed.
OUTCOMES: dict[str, dict[str, Any] | None] = {
    "full": None,
    "part": {"verb": "partial", "fraction": 0.4},
    "none": {"verb": "partial", "fraction": 0.0},
    "reject": {"verb": "reject"},
    "unknown": {"verb": "unknown"},
    "lost request": {"verb": "lostreq"},
    "lost answer": {"verb": "lostresp"},
    "late": {"verb": "late", "ms": 400},
}
# When it dies, seconds after an order left (counted when both legs are sent): before the answers, among them, after.
DELAYS_S = {"at the send": 0.0, "100 us": 0.0001, "1 ms": 0.001, "5 ms": 0.005, "50 ms": 0.05, "500 ms": 0.5}
DEATHS = ("kill", "kill", "kill", "kill", "kill", "stop and go", "kill while starting", "kill while stopping")
AWAY_S = (0.0, 0.0, 0.0, 3.0)
BATCH = 20
FAILED = pathlib.Path("build/chaos-failed")   # run directories of batches in which something was wrong


@dataclass
class Result:
    """Of one batch or of all."""
    deaths: Counter[str] = field(default_factory=Counter)
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    reconciled_s: list[float] = field(default_factory=list)
    trading_s: list[float] = field(default_factory=list)
    orders: int = 0
    rested: int = 0     # of them post-only
    seconds: float = 0.0

    def add(self, other: Result) -> None:
        self.deaths += other.deaths
        self.cells += other.cells
        for name in ("violations", "reconciled_s", "trading_s"):
            getattr(self, name).extend(getattr(other, name))
        self.orders += other.orders
        self.rested += other.rested
        self.seconds += other.seconds

    @property
    def kills(self) -> int:
        return sum(count for name, count in self.deaths.items() if name.startswith("kill"))


def run_batch(seed: int, lives: int, say: Any = print) -> Result:
    """`lives` deaths in one run directory."""
    result, started = Result(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ls-") as folder:
        try:
            with ChaosRig(pathlib.Path(folder), seed) as rig:
                live_and_die(rig, random.Random(f"chaos {seed}"), seed, lives, result)
        except RuntimeError as error:
            result.violations.append(f"seed {seed}: STUCK: {error}")
        if result.violations:
            kept = FAILED / f"seed-{seed}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept, ignore=lambda where, names: [name for name in names if name.endswith(".sock")
                                                                      or name == "doorbell"])
            say(f"kept: {kept}")
    result.seconds = time.monotonic() - started
    say(f"seed {seed}: {dict(result.deaths)}, {result.orders} orders, {len(result.violations)} violations, "
        f"{result.seconds:.0f} s")
    return result


def live_and_die(rig: ChaosRig, rng: random.Random, seed: int, lives: int, result: Result) -> None:
    """The deaths of one batch, then an orderly end and the audit."""
    rig.start_engine()
    rig.wait_trading()
    for _ in range(lives):
        outcome, delay, death = rng.choice(list(OUTCOMES)), rng.choice(list(DELAYS_S)), rng.choice(DEATHS)
        result.deaths[death] += 1
        result.cells[outcome, delay] += 1
        plant(rig, outcome, rng)
        rig.wait_orders(rng.randrange(2, 6), 4.0)
        time.sleep(DELAYS_S[delay])
        die(rig, death, rng)
        rig.control("clear")
        if death != "stop and go":
            time.sleep(rng.choice(AWAY_S))
            rig.start_engine()
        if death == "kill while starting":
            time.sleep(rng.uniform(0.3, 1.2))
            rig.kill()
            rig.start_engine()
        result.trading_s.append(rig.wait_trading())
    code = rig.stop_engine()
    if code != 0:
        result.violations.append(f"seed {seed}: the last engine ended with {code}")
    result.violations += [f"seed {seed}: {one.rule}: {one.what}" for one in rig.audit()]
    result.reconciled_s += rig.reconciled_s()
    orders = [one for venue in rig.control("ledger")["venues"].values() for account in venue["accounts"].values()
              for one in account["orders"] if one["client_id"].startswith("L")]
    result.orders = len(orders)
    result.rested = sum(one["is_post_only"] for one in orders)


def plant(rig: ChaosRig, outcome: str, rng: random.Random) -> None:
    fault = OUTCOMES[outcome]
    if fault is None:
        return
    for venue in rng.sample(sorted(rig.config.venues), 2):
        rig.control("fault", venue=venue, channel="oe", market=rng.choice(("spot", "linear")), count=rng.randrange(1, 4), **fault)


def die(rig: ChaosRig, death: str, rng: random.Random) -> None:
    if death == "stop and go":
        rig.signal(signal.SIGSTOP)
        time.sleep(rng.choice((0.02, 0.3, 2.0)))
        rig.signal(signal.SIGCONT)
        return
    if death == "kill while stopping":
        rig.signal(signal.SIGTERM)
        time.sleep(rng.uniform(0.0, 1.0))
    rig.kill()
