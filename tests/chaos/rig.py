"""Real processes on loopback whose engine is killed again and again: simulated venues and feeds stay, engines come and go in one
run directory, as the supervisor would start them.

    with ChaosRig(folder, seed) as rig:
        rig.start_engine(); rig.wait_trading(); rig.wait_orders(3); rig.kill()
        ...
        rig.stop_engine(); violations = rig.audit()
"""
from __future__ import annotations

import pathlib
import re
import signal
import sys
import time
from typing import Any, Self

import orjson

from cext import shm
from cext.journal import JournalReader
from cext.state_page import StatePage
from engine import client
from engine.config import dump_effective, load
from engine.supervisor.ledger_check import ask
from engine.supervisor.processes import Child
from engine.supervisor.rundir import make_run_dir, new_run_id
from engine.supervisor.simex_section import simex_section
from tests.audit.auditor import Violation, audit
from tests.support.supervised import merged, write_config

START_TIMEOUT_S = 40.0
STOP_TIMEOUT_S = 30.0
RECONCILED = re.compile(r"reconciled ([0-9.]+) s after the start")
VENUES: dict[str, Any] = {"binance": {}, "bybit": {}, "okx": {}}
SECTIONS: dict[str, Any] = {
    "venues": VENUES,
    "strategies": {"spot_futures": {"horizon_s": 2}, "cross_exchange": {"enabled": True}},
    "recovery": {"ack_timeout_ms": 500, "ttl_ms": 1000, "unclean_starts_max": 1_000_000,
                 "cooldowns": {"timeout_s": 1, "orphan_s": 1, "api_error_s": 1, "stale_data_s": 1, "margin_s": 1}},
    "simex": {"pairs": 4, "background_msgs_per_s": 200.0, "dislocations_per_s": 8.0, "dislocation_ms": 500.0,
              "inventory_usd": 20_000.0},
}


# Every third batch: differences too small to be taken on both legs, so that entries rest on one.
MAKER: dict[str, Any] = {
    "strategies": {"spot_futures": {"maker": "auto", "rest_depth_bps": 20, "entry_net_bps": 2.5, "rest_pause_ms": 20},
                   "cross_exchange": {"maker": "auto", "rest_depth_bps": 20, "entry_net_bps": 2.5, "rest_pause_ms": 20}},
    "simex": {"dislocation_bps": 0.5, "dislocations_per_s": 20.0}}


class ChaosRig:
    """One run directory with its venues and feeds."""

    def __init__(self, folder: pathlib.Path, seed: int) -> None:
        self.folder = folder
        sections = merged(merged(SECTIONS, MAKER if seed % 3 == 0 else {}), {"simex": {"seed": seed}})
        config_path = write_config(folder / "chaos.yaml", "sim", folder / "var", **sections)
        self.config = load(config_path)
        self.run_id = new_run_id()
        self.run_dir = make_run_dir(folder / "var", self.run_id).resolve()
        (self.run_dir / "config.json").write_bytes(dump_effective(self.config))
        (self.run_dir / "simex-config.json").write_bytes(orjson.dumps(simex_section(self.config, self.run_dir)))
        self._standing = [self._child("simex", "tools.simex", "--config", str(self.run_dir / "simex-config.json"))]
        self._standing += [self._child(f"feed-{venue}", "feeds", venue) for venue in self.config.venues]
        self.engine: Child | None = None
        self.flusher: Child | None = None
        self.lives = 0

    def _child(self, name: str, *argv: str) -> Child:
        return Child(name, [sys.executable, "-m", *argv, "--run-dir", str(self.run_dir)],
                     self.run_dir / "logs" / f"{name}.out")

    def __enter__(self) -> Self:
        for child in self._standing:
            child.start()
            if child.name == "simex":
                self._wait((self.run_dir / "simex.json").exists, "simulated venues", child)
        return self

    def __exit__(self, *_: object) -> None:
        for child in (self.engine, self.flusher, *reversed(self._standing)):
            if child is not None:
                child.terminate()
                child.wait()
        shm.unlink_run(self.run_id)

    def _wait(self, is_it: Any, what: str, child: Child | None = None, timeout_s: float = START_TIMEOUT_S) -> Any:
        deadline = time.monotonic() + timeout_s
        while not (found := is_it()):
            if child is not None and child.returncode() is not None:
                raise RuntimeError(f"{child.name} ended with {child.returncode()}: {child.last_words()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {timeout_s} s: {what}; {self.engine.last_words() if self.engine else ''}")
            time.sleep(0.01)
        return found

    # ---------------------------------------------------------------- engines

    def start_engine(self) -> None:
        """Another life, and the flusher that outlived the last one or a new one."""
        self.lives += 1
        self.engine = self._child("engine", "engine")
        self.engine.start()
        if self.flusher is None or self.flusher.returncode() is not None:
            self.flusher = self._child("flusher", "engine.flusher")
            self.flusher.start()

    def status(self) -> dict[str, Any] | None:
        try:
            return client.call(self.run_dir, "status")
        except (client.NotRunning, client.CommandError, OSError, TimeoutError):
            return None

    def wait_trading(self) -> float:
        """Seconds from exec to "may trade"."""
        started = time.monotonic()
        self._wait(lambda: (self.status() or {}).get("phase") == "trading", "trading", self.engine)
        return time.monotonic() - started

    def orders_sent(self) -> int:
        """By this life, from the state page: asking costs the engine nothing."""
        try:
            page = StatePage.open(self.run_id)
        except shm.ShmError:
            return 0
        sent = int(page.snapshot()["orders"])
        page.close()
        return sent

    def wait_orders(self, count: int, timeout_s: float) -> bool:
        """Whether so many orders have left within the time."""
        page = StatePage.open(self.run_id)
        deadline = time.monotonic() + timeout_s
        try:
            wanted = int(page.snapshot()["orders"]) + count
            while int(page.snapshot()["orders"]) < wanted:
                if time.monotonic() > deadline:
                    return False
            return True
        finally:
            page.close()

    def signal(self, number: int) -> None:
        assert self.engine is not None and self.engine.process is not None
        self.engine.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        assert self.engine is not None and self.engine.process is not None
        self.engine.process.wait()

    def stop_engine(self) -> int:
        """SIGTERM: finish, close what is open; returns its code."""
        assert self.engine is not None and self.engine.process is not None
        self.engine.terminate()
        code = self.engine.process.wait(STOP_TIMEOUT_S)
        self._wait(lambda: self.flusher is None or self.flusher.returncode() is not None, "the journal on disk", None)
        return code

    # ---------------------------------------------------------------- venues and judge

    def control(self, cmd: str, **fields: Any) -> dict[str, Any]:
        return ask(orjson.loads((self.run_dir / "simex.json").read_bytes())["control"], {"cmd": cmd, **fields})

    def reconciled_s(self) -> list[float]:
        """Of every life so far that got there after a restart: seconds of the engine's own clock."""
        text = "".join(path.read_text() for path in (self.run_dir / "logs").glob("engine.log*"))
        return [float(one) for one in RECONCILED.findall(text)]

    def audit(self) -> list[Violation]:
        """With the engine stopped."""
        return audit(JournalReader.of_run(self.run_id, self.run_dir), self.control("ledger"))
