"""Scenarios, each in a forked child: what dies there (an assertion in C ends a process) is a finding, not the end of the run."""
from __future__ import annotations

import contextlib
import os
import selectors
import traceback
from collections import Counter
from collections.abc import Callable

import orjson

from tests.whole.scenario import Outcome, Scenario, draw, run_scenario, shrunk


def _start(scenario: Scenario) -> tuple[int, int]:
    """(pid, end of the pipe that tells its outcome)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    code = 1
    try:
        os.close(reading)
        with contextlib.redirect_stdout(None):
            outcome = run_scenario(scenario)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(orjson.dumps(vars(outcome)))
        code = 0
    except BaseException:  # noqa: BLE001 - this is the end of a process
        traceback.print_exc()
    os._exit(code)   # no destructor of a killed engine may run


def _read(scenario: Scenario, told: bytes, status: int) -> Outcome:
    if not told:
        return Outcome(scenario.seed, scenario.mode, failure=f"the process ended with {os.waitstatus_to_exitcode(status)}")
    outcome = Outcome(**orjson.loads(told))
    outcome.planted, outcome.trades, outcome.quotes = Counter(outcome.planted), Counter(outcome.trades), Counter(outcome.quotes)
    return outcome


def play_many(scenarios: list[Scenario], jobs: int, look: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
    """Outcomes in the order of the scenarios; `look` sees each as it comes."""
    found: dict[int, Outcome] = {}
    waiting, selector = list(enumerate(scenarios))[::-1], selectors.DefaultSelector()
    while waiting or selector.get_map():
        while waiting and len(selector.get_map()) < jobs:
            number, scenario = waiting.pop()
            pid, pipe = _start(scenario)
            selector.register(pipe, selectors.EVENT_READ, (number, pid, []))
        for key, _ in selector.select():
            number, pid, parts = key.data
            part = os.read(key.fd, 1 << 16)
            parts.append(part)
            if not part:
                selector.unregister(key.fd)
                os.close(key.fd)
                found[number] = _read(scenarios[number], b"".join(parts), os.waitpid(pid, 0)[1])
                look(found[number])
    return [found[number] for number in range(len(scenarios))]


def shrink_seed(outcome: Outcome) -> Scenario:
    """Fewer steps that fail in the same way."""
    kind = outcome.failure.split(":")[0]
    return shrunk(draw(outcome.seed), lambda scenario: play_many([scenario], 1)[0].failure.startswith(kind))
