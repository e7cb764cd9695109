"""The order of starting, as data: which processes, what has to be true before the next ones, how long that may take.

Pure waiting is a step's own: the watch loop calls `advance` a few times a second, so that Ctrl-C, the duration, restarts and the
screen work while a venue is out of reach. A step that waits for the outside world has no time limit; one that waits for a process
of ours has."""
import pathlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from engine import client
from engine.config import Config
from feeds.instruments import venue_table_path

READY_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Step:
    """`start` starts its processes; `is_ready` says when the next step may follow."""

    what: str
    start: Callable[[], None]
    is_ready: Callable[[], bool]
    patience_s: float | None = READY_TIMEOUT_S
    missing: Callable[[], list[str]] = list   # of what consists of several: those that are not there yet

    @property
    def told(self) -> str:
        """For a person: market data of bybit, okx."""
        missing = self.missing()
        return self.what + (f" of {', '.join(missing)}" if missing else "")


class StepFailed(Exception):
    """A step took longer than it may; the text says which."""


class Steps:
    """Walks through the steps. `current` = the one that is waited for, None when all are done."""

    def __init__(self, steps: list[Step]) -> None:
        self._left = list(steps)
        self._started_s = 0.0
        self.current: Step | None = None
        self.is_done = False

    @property
    def waits_outside(self) -> bool:
        """Whether what is waited for is not in our hands."""
        return self.current is not None and self.current.patience_s is None

    def advance(self) -> None:
        """Start what can be started now. Raises StepFailed."""
        while not self.is_done:
            if self.current is None:
                if not self._left:
                    self.is_done = True
                    return
                self.current, self._started_s = self._left.pop(0), time.monotonic()
                self.current.start()
            if not self.current.is_ready():
                patience_s = self.current.patience_s
                if patience_s is not None and time.monotonic() - self._started_s > patience_s:
                    raise StepFailed(f"{self.current.told} not ready after {patience_s:.0f} s")
                return
            self.current = None


def make_steps(config: Config, run_dir: pathlib.Path, start: Callable[[str], None]) -> list[Step]:
    """`start(name)` starts the process of that name: simex, feeds, bridge, engine, flusher.

    sim: the simulated venues are what the feeds read, so they come first. Elsewhere the feeds read the real venues, and
    everything else waits until each has answered: without instruments there is nothing to simulate or to trade."""
    def start_engine() -> None:
        start("engine")
        start("flusher")

    def without_table() -> list[str]:
        return [venue for venue in config.venues if not venue_table_path(run_dir, venue).exists()]

    simex = Step("simulated venues", lambda: start("simex"), (run_dir / "simex.json").exists)
    engine = Step("engine", start_engine, (run_dir / client.SOCKET_NAME).exists)
    feeds = Step("market data", lambda: start("feeds"), lambda: not without_table(), None, without_table)
    if config.mode == "sim":
        return [simex, Step("feeds", lambda: start("feeds"), lambda: True), engine]
    if config.mode == "paper":
        return [feeds, simex, Step("paper bridge", lambda: start("bridge"), lambda: True), engine]
    return [feeds, engine]
