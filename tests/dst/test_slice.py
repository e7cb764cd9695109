"""A slice of the simulation in the ordinary test run, and its own promises: the same seed gives the same bytes, everywhere."""
import os
import pathlib
import subprocess
import sys

import pytest

from tests.dst.mutants import NEW, seed_that_notices
from tests.dst.scenario import Scenario, draw, run_scenario
from tests.dst.shrink import ddmin, shrink

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS = range(1, 151)
REGRESS = sorted((ROOT / "tests" / "regress").glob("*.json"))
DIGESTS = ("from tests.dst.scenario import draw, run_scenario\n"
           "print('\\n'.join(run_scenario(draw(seed)).digest for seed in range(1, 101)))")


def test_a_slice_of_seeds_holds(request):
    only = request.config.getoption("--seed")
    outcomes = [run_scenario(draw(seed)) for seed in ([only] if only is not None else SEEDS)]
    failed = [f"seed {one.seed} ({one.mode}): {one.failure}; again: make dst SEED={one.seed}" for one in outcomes if one.failure]
    assert not failed, "\n".join(failed)
    if only is None:
        assert {one.mode for one in outcomes} == {"quiet", "swarm", "all-on", "crash", "swizzle", "half"}
        assert sum(one.lives > 1 for one in outcomes) > 10 and sum(one.trades for one in outcomes) > 300


def test_same_seed_same_bytes_in_another_process_and_with_another_hash_seed():
    """I25: 100 of 100."""
    told = []
    for hash_seed in ("1", "2718"):
        done = subprocess.run([sys.executable, "-c", DIGESTS], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed},
                              capture_output=True, text=True, check=True, timeout=110)
        told.append(done.stdout.split())
    assert len(told[0]) == 100 and len(set(told[0])) > 95
    assert told[0] == told[1]


def test_what_failed_once_holds():
    """Shrunk cases of real failures; there may be none."""
    failed = {path.stem: failure for path in REGRESS if (failure := run_scenario(Scenario.from_json(path.read_bytes())).failure)}
    assert not failed


@pytest.mark.parametrize("mutant", [one for one in NEW if one.__name__.startswith("restart")], ids=lambda one: one.__name__)
def test_what_a_restart_can_get_wrong_is_noticed(mutant):
    """`make dst-mutants` has all of them."""
    seed, failure = seed_that_notices(mutant, 400)
    assert seed, "not noticed"
    print(f"noticed at seed {seed}: {failure[:80]}")


def test_a_scenario_is_data():
    for seed in range(1, 30):
        assert Scenario.from_json(draw(seed).to_json()) == draw(seed)


def test_delta_debugging_finds_the_pair_that_matters():
    asked = []

    def fails(items):
        asked.append(list(items))
        return 3 in items and 11 in items
    assert sorted(ddmin(list(range(16)), fails)) == [3, 11]
    assert len(asked) < 80
    assert ddmin([1, 2, 3], lambda items: True) == []


def test_shrinking_keeps_what_fails_and_drops_the_rest():
    scenario = next(one for one in map(draw, range(1, 200))
                    if one.mode == "crash" and len(one.deaths) > 2 and len(one.faults) > 5)
    wanted = scenario.faults[2]
    small = shrink(scenario, lambda one: wanted in one.faults and scenario.deaths[1] in one.deaths)
    assert (small.faults, small.deaths, small.trading_ms) == ([wanted], [scenario.deaths[1]], 100)
