"""A whole system under its supervisor, as a person starts it, for tests/process.

    with Supervised(home, mode="sim", simex={"pairs": 3}) as run:
        run.wait_trading()
        run.stop(signal.SIGTERM)

`home` (fixture of that name: a short path) holds the configuration and var/. Leaving the block stops whatever still runs and
checks nothing; `assert_nothing_left` does."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any, Self

import yaml

from cext import shm
from engine import client
from tests.support.feed_system import ROOT, wait_until

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
# Small, quick, and tolerant of a machine that does other things meanwhile: what is tested here is not latency.
SMALL: dict[str, Any] = {
    "engine": {"wait": "wake", "cpu": "none", "lock_memory": False, "journal_segment_mb": 4, "warm_up_ms": 100},
    "feeds": {"ws_stale_ms": 3000, "max_data_age_ms": 1000, "max_skew_ms": 2000},
    "risk": {"max_decision_age_ms": 1000},
    "recovery": {"ack_timeout_ms": 2000, "ttl_ms": 5000},
    # Each pair is dislocated a tenth of the time: what is there more often would count as its normal basis.
    "simex": {"pairs": 5, "background_msgs_per_s": 200.0, "dislocations_per_s": 1.0, "dislocation_ms": 500.0, "seed": 7},
    "strategies": {"spot_futures": {"horizon_s": 2}},
}
MADE_UP_PUBLIC = ("spot_rest", "spot_ws", "linear_rest", "linear_ws_public", "linear_ws_market")


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """base with changes, section by section."""
    made = dict(base)
    for key, value in changes.items():
        made[key] = merged(made[key], value) if isinstance(value, dict) and isinstance(made.get(key), dict) else value
    return made


def write_config(path: pathlib.Path, mode: str, var_dir: pathlib.Path, **sections: Any) -> pathlib.Path:
    """A small configuration of that mode."""
    data = merged(SMALL, {"mode": mode, "run": {"var_dir": str(var_dir)}, **sections})
    path.write_text(yaml.safe_dump(data))
    return path


def processes_of(run_dir: pathlib.Path) -> list[int]:
    """Process ids whose command line names the run directory, zombies left out."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any(run_dir.name in word for word in words):
                found.append(int(entry.name))
    return found


class Supervised:
    """`python -m engine.supervisor CONFIG --plain`."""

    def __init__(self, home: pathlib.Path, *, mode: str = "sim", duration_s: float | None = None, **sections: Any) -> None:
        self.home = home
        self.var_dir = home / "var"
        self.output = home / "supervisor.out"
        self.config = write_config(home / f"{mode}.yaml", mode, self.var_dir, **sections)
        argv = [sys.executable, "-m", "engine.supervisor", str(self.config), "--plain"]
        if duration_s is not None:
            argv += ["--duration", str(duration_s)]
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                            start_new_session=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop(signal.SIGTERM)
        if (self.var_dir / "latest").exists():
            shm.unlink_run(self.run_dir.name)

    # ------------------------------------------------------------ looking

    @property
    def run_dir(self) -> pathlib.Path:
        return (self.var_dir / "latest").resolve()

    def text(self) -> str:
        """What the person saw."""
        return self.output.read_text()

    def report(self) -> dict[str, Any]:
        return json.loads((self.run_dir / "report.json").read_bytes())

    def status(self) -> dict[str, Any] | None:
        """The engine's own word, or None while there is none."""
        try:
            return client.call(self.run_dir, "status")
        except (client.NotRunning, client.CommandError, OSError, TimeoutError):
            return None

    def wait_for(self, is_it: Any, what: str, timeout_s: float = START_TIMEOUT_S) -> dict[str, Any]:
        """Ask for the status until is_it(status)."""
        deadline = time.monotonic() + timeout_s
        while True:
            assert self.process.poll() is None, self.text()
            status = self.status() if (self.var_dir / "latest").exists() else None
            if status is not None and is_it(status):
                return status
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}\n{self.text()}\n{status}"
            time.sleep(0.1)

    def closed_trades(self, status: dict[str, Any]) -> int:
        return int(status.get("trades", {}).get("by_state", {}).get("CLOSED", 0))

    def wait_closed_trades(self, count: int, timeout_s: float = START_TIMEOUT_S) -> dict[str, Any]:
        return self.wait_for(lambda status: self.closed_trades(status) >= count, f"{count} closed trades", timeout_s)

    def child(self, name: str, venue: str = "") -> int:
        """Process id of a child: the words that tell it from the others are in its command line. `venue`: of which feed."""
        module = {"simex": "tools.simex", "feed": "feeds", "engine": "engine", "flusher": "engine.flusher",
                  "bridge": "engine.paper_bridge"}[name]

        def find() -> int | None:
            for pid in processes_of(self.run_dir):
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if module in words and (not venue or venue in words):
                    return pid
            return None
        return int(wait_until(find, START_TIMEOUT_S, f"process {name}"))

    # ------------------------------------------------------------ ending

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            children = processes_of(self.run_dir)
            self.process.kill()
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"the supervisor did not end:\n{self.text()}") from None

    def assert_nothing_left(self) -> None:
        """No process, segment or socket of the run."""
        run_dir = self.run_dir
        assert processes_of(run_dir) == []
        assert shm.list_run(run_dir.name) == []
        assert [path.name for path in run_dir.iterdir() if path.is_socket()] == []
