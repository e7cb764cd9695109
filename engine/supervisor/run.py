"""One run from start to summary: the order of starting, watching, showing and stopping.

Start: simulated venues, then feed, flusher, engine. Stop: engine first (it finishes or unwinds what is in flight and closes what the
configuration says), while the venues it needs are still there; then feed, flusher, venues. The PnL of the engine's report is compared
with the simulated venues' own ledger before those stop."""
import asyncio
import json
import os
import pathlib
import signal
import sys
import time
from typing import Any

import orjson
from rich.console import Console
from rich.live import Live

from cext import shm
from engine import client
from engine.config import Config, dump_effective
from engine.observe import Observer
from engine.supervisor.ledger_check import compare_with_venues
from engine.supervisor.processes import Child, Watch
from engine.supervisor.rundir import make_run_dir, new_run_id
from engine.supervisor.screen import plain_line, render
from engine.supervisor.summary import print_summary

READY_TIMEOUT_S = 30.0
SCREEN_PERIOD_S = 0.25
LINE_PERIOD_S = 1.0


class RunFailed(Exception):
    """The run could not start or go on; the text is for the person."""


class Run:
    """See the module's docstring. `main()` returns the exit code."""

    def __init__(self, config: Config, config_path: pathlib.Path, duration_s: float | None, plain: bool) -> None:
        self.config = config
        self.config_path = config_path
        self.duration_s = duration_s
        self.console = Console()
        self.plain = plain or not self.console.is_terminal
        self.run_id = new_run_id()
        self.run_dir = make_run_dir(pathlib.Path(config.run.var_dir), self.run_id)
        self.children: list[Child] = []
        self._stop_asked = False
        self._status: dict[str, Any] = {"mode": config.mode, "run_id": self.run_id, "phase": "starting"}

    # ---------------------------------------------------------------- life

    def main(self) -> int:
        """Start, watch, stop, summarise."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        (self.run_dir / "config.json").write_bytes(dump_effective(self.config))
        self._say(f"Lockstep run {self.run_id}, mode {self.config.mode}, {self.config_path}, directory {self.run_dir}")
        failure = None
        try:
            self._start_all()
            failure = self._watch()
        except RunFailed as error:
            failure = str(error)
        finally:
            self._stop_all()
        report = self._finish_report(failure)
        print_summary(self.console, report, self.run_dir)
        if failure:
            print(f"lockstep: {failure}", file=sys.stderr)
            return 1
        return 0

    def _on_signal(self, number: int, frame: object) -> None:
        self._stop_asked = True  # a second signal changes nothing: stopping is already as short as it is safe

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False)

    # ---------------------------------------------------------------- starting

    def _cpus(self) -> tuple[frozenset[int], frozenset[int]]:
        """(engine's, everybody else's). The engine pins itself; the others keep off its core when it spins."""
        available = sorted(os.sched_getaffinity(0))
        engine_cpu = self.config.engine.resolved_cpu(available)
        if engine_cpu is None or not self.config.engine.resolved_spin(len(available)):
            return frozenset(), frozenset()
        return frozenset({engine_cpu}), frozenset(set(available) - {engine_cpu}) or frozenset(available)

    def _child(self, name: str, module: list[str], *, restart: bool = False, cpus: frozenset[int] = frozenset(),
               stop_timeout_s: float = 10.0) -> Child:
        child = Child(name, [sys.executable, "-m", *module, "--run-dir", str(self.run_dir)], self.run_dir / "logs" / f"{name}.out",
                      cpus, restart, stop_timeout_s)
        self.children.append(child)
        child.start()
        return child

    def _start_all(self) -> None:
        engine_cpus, other_cpus = self._cpus()
        if other_cpus:
            os.sched_setaffinity(0, other_cpus)
        if self.config.mode in ("sim", "paper"):
            (self.run_dir / "simex-config.json").write_bytes(orjson.dumps(self._simex_config(), option=orjson.OPT_INDENT_2))
            simex = self._child("simex", ["tools.simex", "--config", str(self.run_dir / "simex-config.json")], cpus=other_cpus)
            self._wait_for(simex, lambda: (self.run_dir / "simex.json").exists(), "simulated venues")
        for venue in self.config.venues:
            self._child(f"feed-{venue}", ["feeds", venue], restart=True, cpus=other_cpus)
        engine = self._child("engine", ["engine"], cpus=engine_cpus, stop_timeout_s=30.0)
        self._child("flusher", ["engine.flusher"], restart=True, cpus=other_cpus)
        self._wait_for(engine, lambda: (self.run_dir / client.SOCKET_NAME).exists(), "engine")

    def _simex_config(self) -> dict[str, Any]:
        """What the simulated venues get: the simex section, and in paper mode the word that prices come from outside."""
        section = json.loads(self.config.simex.model_dump_json())
        if self.config.mode == "paper":
            section["market"] = "external"
        return section

    def _wait_for(self, child: Child, is_ready: Any, what: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not is_ready():
            if self._stop_asked:
                return
            if child.returncode() is not None:
                raise RunFailed(f"{what} did not start (code {child.returncode()}):\n{child.last_words()}")
            if time.monotonic() > deadline:
                raise RunFailed(f"{what} not ready after {READY_TIMEOUT_S:.0f} s:\n{child.last_words()}")
            time.sleep(0.02)

    # ---------------------------------------------------------------- watching

    def _watch(self) -> str | None:
        """Until Ctrl-C, the end of the duration or a failure; returns the failure."""
        return asyncio.run(self._watch_loop())

    async def _watch_loop(self) -> str | None:
        watch = Watch(self.children, self._say)
        started = time.monotonic()
        live = None if self.plain else Live(console=self.console, screen=True, auto_refresh=False)
        period_s = LINE_PERIOD_S if self.plain else SCREEN_PERIOD_S
        next_show = started
        observer = Observer(self.run_dir, "supervisor")
        try:
            if live is not None:
                live.start()
            while not self._stop_asked and not (self.duration_s and time.monotonic() - started >= self.duration_s):
                failure = watch.check()
                if failure:
                    return failure
                if time.monotonic() >= next_show:
                    next_show += period_s
                    await self._refresh(observer)
                    if live is not None:
                        live.update(render(self._status, self.console), refresh=True)
                    else:
                        print(plain_line(self._status), flush=True)
                await asyncio.sleep(0.05)
            return None
        finally:
            observer.close()
            if live is not None:
                live.stop()

    async def _refresh(self, observer: Observer) -> None:
        """Look at the running system; while it does not answer the last picture stays, with a word."""
        try:
            self._status = await observer.status()
        except (client.NotRunning, client.CommandError) as error:
            self._status = {**self._status, "phase": str(error)}

    # ---------------------------------------------------------------- stopping

    def _stop_all(self) -> None:
        """Engine first, venues last. Nothing of the run stays in /dev/shm."""
        by_name = {child.name: child for child in self.children}
        self._say("stopping: the engine finishes what is in flight")
        for name in ["engine", *[name for name in by_name if name.startswith("feed-")], "flusher"]:
            child = by_name.get(name)
            if child is None:
                continue
            child.terminate()
            if not child.wait():
                self._say(f"{name} did not stop within {child.stop_timeout_s:.0f} s and was killed")
        self._ledger_check = compare_with_venues(self.run_dir) if self.config.mode in ("sim", "paper") else None
        simex = by_name.get("simex")
        if simex is not None:
            simex.terminate()
            simex.wait()
        for name in shm.unlink_run(self.run_id) or []:
            self._say(f"removed left-over segment {name}")
        for name in (client.SOCKET_NAME, "simex.sock", "doorbell"):
            (self.run_dir / name).unlink(missing_ok=True)

    def _finish_report(self, failure: str | None) -> dict[str, Any]:
        """report.json of the engine, completed with the venues' word; written even when the engine could not."""
        path = self.run_dir / "report.json"
        report: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {"mode": self.config.mode, "run_id": self.run_id}
        report["ledger_check"] = self._ledger_check
        if failure:
            report["failure"] = failure
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        os.replace(temporary, path)
        return report
