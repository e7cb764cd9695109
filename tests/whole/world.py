"""A whole system in one process under virtual time: simulated venues, a feed for each, engines that come and go.

Everything is what `make run` starts: the same objects, shared memory, journal, wire formats, web and websocket libraries. Only
time, the network and the processes' lives are the simulation's.
"""
from __future__ import annotations

import pathlib
import shutil
from functools import partial
from typing import Any

import orjson

from cext import shm
from cext.journal import JournalReader
from engine.config import dump_effective, load
from engine.shell import Shell
from engine.supervisor.rundir import make_run_dir
from engine.supervisor.simex_section import simex_section
from feeds.config import load_feed_config
from feeds.process import FeedProcess
from tests.audit.auditor import Violation, audit
from tests.support.supervised import merged, write_config
from tests.whole.clock import VirtualClock
from tests.whole.host import Host, Process
from tools.simex.app import App
from tools.simex.config import load_config

START_S = 30.0
STOP_S = 40.0
SECTIONS: dict[str, Any] = {
    "engine": {"warm_up_ms": 20, "journal_segment_mb": 1},
    "feeds": {"ws_stale_ms": 3000, "max_data_age_ms": 1000, "max_skew_ms": 2000, "ring_capacity": 1024,
              "trade_ring_capacity": 256},
    "strategies": {"spot_futures": {"horizon_s": 1}},
    "recovery": {"ack_timeout_ms": 300, "ttl_ms": 500, "unclean_starts_max": 1_000_000,
                 "cooldowns": {"timeout_s": 1, "orphan_s": 1, "api_error_s": 1, "stale_data_s": 1, "margin_s": 1}},
    "simex": {"pairs": 2, "background_msgs_per_s": 60.0, "dislocations_per_s": 12.0, "dislocation_ms": 120.0,
              "inventory_usd": 20_000.0},
}


class WholeWorld:
    """One run directory on one host."""

    def __init__(self, folder: pathlib.Path, seed: int, venues: list[str], clock: VirtualClock, **sections: Any) -> None:
        self.clock = clock
        self.host = Host(clock)
        path = write_config(folder / "whole.yaml", "sim", folder / "var",
                            **merged(SECTIONS, {"venues": {name: {} for name in venues}, "simex": {"seed": seed}, **sections}))
        self.config = load(path)
        self.run_id = f"whole-{seed}"
        shm.unlink_run(self.run_id)
        shutil.rmtree(folder / "var" / "runs" / self.run_id, ignore_errors=True)
        self.run_dir = make_run_dir(folder / "var", self.run_id).resolve()
        (self.run_dir / "config.json").write_bytes(dump_effective(self.config))
        section = self.run_dir / "simex-config.json"
        section.write_bytes(orjson.dumps(simex_section(self.config, self.run_dir)))
        self.simex = App(load_config(section), self.run_dir)
        self.host.start("simex", self.simex.run)
        self.host.run_until((self.run_dir / "simex.json").exists, START_S)
        feed_config = load_feed_config(self.run_dir / "config.json")
        for venue in venues:
            self.host.start(f"feed {venue}", partial(self._run_feed, venue, feed_config))
        self.shell: Shell | None = None
        self.engine: Process | None = None
        self.lives = 0
        self.reconciled_s: list[float] = []

    async def _run_feed(self, venue: str, config: Any) -> None:
        await FeedProcess(venue, self.run_dir, config).run()

    def start_engine(self) -> None:
        self.lives += 1
        self.shell = Shell(self.config, self.run_dir)
        self.engine = self.host.start("engine", self.shell.run)

    def wait_trading(self) -> None:
        def is_trading() -> bool:
            assert self.engine is not None and self.shell is not None
            if self.engine.died_of:
                return True
            if self.engine.task.done():
                self.engine.task.result()
                raise RuntimeError("the engine ended")
            return self.shell.phase == "trading"
        self.host.run_until(is_trading, START_S)
        assert self.shell is not None and self.engine is not None
        if self.engine.died_of:
            return
        if self.lives > 1 and self.shell._start.reconciled_s is not None:
            self.reconciled_s.append(self.shell._start.reconciled_s)

    def kill_engine(self) -> None:
        assert self.engine is not None and self.shell is not None
        self.engine.kill(self.shell._lock_file)
        self.engine = None

    def stop_engine(self) -> None:
        """SIGTERM, and its orderly end."""
        assert self.engine is not None
        self.engine.terminate()
        self.host.run_until(self.engine.task.done, STOP_S)
        self.engine.task.result()

    def control(self, **request: Any) -> None:
        """A command of the simulated venues' control socket."""
        answer = self.simex.control.handle(orjson.dumps(request))
        assert answer.get("ok"), answer

    def orders_sent(self) -> int:
        """By this life."""
        assert self.shell is not None and self.shell.trades is not None
        return self.shell.trades.manager.order_count

    def records(self) -> list[Any]:
        return list(JournalReader.of_run(self.run_id, self.run_dir))

    def audit(self) -> list[Violation]:
        return audit(self.records(), self.simex.ledger())

    def close(self) -> None:
        shm.unlink_run(self.run_id)
