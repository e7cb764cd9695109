"""A slice of the whole simulation in the ordinary test run; `make dst-whole` has hundreds of seeds."""
import os
import pathlib
import subprocess
import sys

import pytest

from tests.whole.clock import environment

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOOK_AT_CLOCKS = """
import time
from tests.whole.clock import VirtualClock
clock = VirtualClock()
before, wall = time.monotonic(), time.time()
clock.advance_to(clock.now_ns + 5_000_000_000)
print(before, time.monotonic() - before, int(wall))
"""
REGRESS = sorted((ROOT / "tests" / "regress" / "whole").glob("*.json"))


def run(*argv: str, hash_seed: str = "0") -> str:
    done = subprocess.run([sys.executable, "-m", *argv], check=False, cwd=ROOT, capture_output=True, text=True, timeout=110,
                          env={**environment(), "PYTHONHASHSEED": hash_seed})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_seeds_hold_and_give_the_same_bytes_with_another_hash_seed():
    """I1 to I7, I11, I25, I27, by the auditor, for the real engine, feeds and simulated venues."""
    told = []
    for hash_seed in ("1", "2718"):
        lines = run("tests.whole", "--seeds", "12", "--jobs", "1", "--digests", hash_seed=hash_seed).splitlines()
        told.append(sorted(line for line in lines if len(line.split()) == 2))
    assert len(told[0]) == 12 and len({line.split()[1] for line in told[0]}) == 12
    assert told[0] == told[1]


@pytest.mark.parametrize("mutant", ["events_are_not_journaled", "hedge_is_doubled"])
def test_a_planted_bug_is_noticed(mutant):
    assert "1 of 1 planted bugs were noticed" in run("tests.whole.mutants", "--only", mutant, "--seeds", "40")


@pytest.mark.parametrize("path", REGRESS, ids=lambda path: path.stem)
def test_what_failed_once_holds(path):
    run("tests.whole", "--file", str(path))


def test_time_is_virtual_and_the_machine_is_not_touched():
    done = subprocess.run([sys.executable, "-c", LOOK_AT_CLOCKS], cwd=ROOT, env=environment(), capture_output=True, text=True,
                          check=True)
    assert done.stdout.split()[:3] == ["1000.0", "5.0", "1767225600"]
    assert "LD_PRELOAD" not in os.environ, "this process has its own clocks"
