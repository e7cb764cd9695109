"""One run from start to summary: starting, watching, showing and stopping.

Order of starting: steps.py. Stop: engine first (it finishes or unwinds what is in flight and closes what the
configuration says), while the venues it needs are still there; then flusher, bridge, feed, venues. The PnL of the engine's
report is compared with the simulated venues' own ledger before those stop."""
import asyncio
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
from engine.config import Config, config_hash, dump_effective
from engine.observe import Observer
from engine.status import commit
from engine.supervisor.feed_notes import FeedNotes
from engine.supervisor.ledger_check import compare_with_venues
from engine.supervisor.processes import Child, Watch
from engine.supervisor.report import complete_report
from engine.supervisor.rundir import make_run_dir, new_run_id
from engine.supervisor.screen import plain_line, render
from engine.supervisor.simex_section import simex_section
from engine.supervisor.steps import StepFailed, Steps, make_steps
from engine.supervisor.summary import print_summary

ENGINE_STOP_TIMEOUT_S = 30.0
SOCKET_PATH_MAX = 107     # sockaddr_un
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
        try:
            self.run_dir = make_run_dir(pathlib.Path(config.run.var_dir), self.run_id)
        except OSError as error:
            raise RunFailed(f"{config_path}: run.var_dir: {config.run.var_dir}: a run directory cannot be made there "
                            f"({error.strerror}: {error.filename}); give a directory that you may write to") from None
        longest = self.run_dir.resolve() / "simex_books.sock"
        if len(os.fsencode(longest)) > SOCKET_PATH_MAX:
            raise RunFailed(f"{config_path}: run.var_dir: {longest} is longer than {SOCKET_PATH_MAX} bytes, which the kernel "
                            "allows for sockets; give a shorter directory")
        self.children: list[Child] = []
        self.notes = FeedNotes(self.run_dir, list(config.venues), self._say)
        self._ledger_check: dict[str, Any] | None = None
        self._engine_cpus, self._other_cpus = self._cpus()
        self._stop_asked = False
        self._status: dict[str, Any] = {"mode": config.mode, "run_id": self.run_id, "phase": "starting"}
        self._started_s = time.monotonic()

    # ---------------------------------------------------------------- life

    def main(self) -> int:
        """Start, watch, stop, summarise."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        (self.run_dir / "config.json").write_bytes(dump_effective(self.config))
        self._say(f"Lockstep run {self.run_id}, mode {self.config.mode}, {self.config_path}, directory {self.run_dir}")
        failure = None
        if self._other_cpus:
            os.sched_setaffinity(0, self._other_cpus)
        try:
            failure = asyncio.run(self._watch())
        finally:
            self._stop_all()
        facts = {"run_id": self.run_id, "mode": self.config.mode, "commit": commit(), "config_hash": config_hash(self.config)}
        report = complete_report(self.run_dir, facts, venues=self.notes.summary(), ledger_check=self._ledger_check,
                                 failure=failure)
        print_summary(self.console, report, self.run_dir)
        if failure:
            print(f"lockstep: {failure}", file=sys.stderr)
            return 1
        return 0

    def _on_signal(self, number: int, frame: object) -> None:
        self._stop_asked = True  # a second signal changes nothing: stopping is already as short as it is safe

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    # ---------------------------------------------------------------- starting

    def _cpus(self) -> tuple[frozenset[int], frozenset[int]]:
        """(engine's, everybody else's). The engine pins itself; the others keep off its core when it spins."""
        available = sorted(os.sched_getaffinity(0))
        engine_cpu = self.config.engine.resolved_cpu(available)
        if engine_cpu is None or not self.config.engine.resolved_spin(len(available)):
            return frozenset(), frozenset()
        return frozenset({engine_cpu}), frozenset(set(available) - {engine_cpu}) or frozenset(available)

    def _child(self, name: str, module: list[str], *, restart: bool = False, stop_timeout_s: float = 10.0) -> None:
        cpus = self._engine_cpus if name == "engine" else self._other_cpus
        argv = [sys.executable, "-m", *module, "--run-dir", str(self.run_dir)]
        child = Child(name, argv, self.run_dir / "logs" / f"{name}.out", cpus, restart, name == "engine", stop_timeout_s)
        self.children.append(child)
        child.start()

    def _start(self, name: str) -> None:
        """Start the process(es) of that name (steps.py)."""
        if name == "simex":
            section = simex_section(self.config, self.run_dir)
            (self.run_dir / "simex-config.json").write_bytes(orjson.dumps(section, option=orjson.OPT_INDENT_2))
            self._child(name, ["tools.simex", "--config", str(self.run_dir / "simex-config.json")])
        elif name == "feeds":
            for venue in self.config.venues:
                self._child(f"feed-{venue}", ["feeds", venue], restart=True)
        elif name == "bridge":
            self._child(name, ["engine.paper_bridge"], restart=True)
        elif name == "engine":
            self._child(name, ["engine"], restart=True, stop_timeout_s=ENGINE_STOP_TIMEOUT_S)
        else:
            self._child(name, ["engine.flusher"], restart=True)

    # ---------------------------------------------------------------- watching

    async def _watch(self) -> str | None:
        """Start step by step, then watch, until Ctrl-C, the end of the duration or a failure; returns the failure. The
        duration counts from the moment that all runs, or that we wait for a venue."""
        watch, steps = Watch(self.children, self._say), Steps(make_steps(self.config, self.run_dir, self._start))
        live = None if self.plain else Live(console=self.console, screen=True, auto_refresh=False)
        observer = Observer(self.run_dir, "supervisor")
        counted_from = None
        next_show = time.monotonic()
        try:
            if live is not None:
                live.start()
            while not self._stop_asked:
                failure = watch.check()
                if failure:
                    return failure
                try:
                    steps.advance()
                except StepFailed as error:
                    return f"{error}:\n{self.children[-1].last_words()}"
                if counted_from is None and (steps.is_done or steps.waits_outside):
                    counted_from = time.monotonic()
                if self.duration_s and counted_from is not None and time.monotonic() - counted_from >= self.duration_s:
                    return None
                if time.monotonic() >= next_show:
                    next_show = max(next_show, time.monotonic() - 1) + (LINE_PERIOD_S if self.plain else SCREEN_PERIOD_S)
                    self.notes.look()
                    await self._refresh(observer, steps)
                    if live is not None:
                        live.update(render(self._status, self.console), refresh=True)
                    elif steps.is_done:
                        print(plain_line(self._status), flush=True)
                await asyncio.sleep(0.02 if not steps.is_done else 0.05)
            return None
        finally:
            observer.close()
            if live is not None:
                live.stop()

    async def _refresh(self, observer: Observer, steps: Steps) -> None:
        """Look at the running system; while it does not answer the last picture stays, with a word."""
        if not steps.is_done:
            what = steps.current.told if steps.current is not None else "the start"
            alarms = [{"at": time.strftime("%H:%M:%S"), "text": sentence} for sentence in self.notes.sentences.values()]
            self._status = {**self._status, "phase": f"waiting for {what}", "uptime_s": time.monotonic() - self._started_s,
                            "alarms": alarms}
            return
        try:
            self._status = await observer.status()
            missing = [f"{name}: {why}" for name, why in self._status.get("feed_states", {}).items() if why != "attached"]
            if missing:
                self._status["phase"] = f"{self._status['phase']} ({'; '.join(missing)})"
        except (client.NotRunning, client.CommandError) as error:
            self._status = {**self._status, "phase": str(error)}

    # ---------------------------------------------------------------- stopping

    def _stop_all(self) -> None:
        """Engine first, venues last. Nothing of the run stays in /dev/shm."""
        by_name = {child.name: child for child in self.children}
        self._say("stopping: the engine finishes what is in flight" if "engine" in by_name else "stopping")
        for name in ["engine", "flusher", "bridge", *[name for name in by_name if name.startswith("feed-")]]:
            child = by_name.get(name)
            if child is None:
                continue
            child.terminate()
            if not child.wait():
                self._say(f"{name} did not stop within {child.stop_timeout_s:.0f} s and was killed")
        simex = by_name.get("simex")
        if simex is not None and (self.run_dir / "report.json").exists():
            self._ledger_check = compare_with_venues(self.run_dir)
        if simex is not None:
            simex.terminate()
            simex.wait()
        for name in shm.unlink_run(self.run_id) or []:
            self._say(f"removed left-over segment {name}")
        for name in (client.SOCKET_NAME, "simex.sock", "simex_books.sock", "doorbell"):
            (self.run_dir / name).unlink(missing_ok=True)
