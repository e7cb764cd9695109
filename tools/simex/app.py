"""One simex process: builds its venues from the config, opens the sockets, runs the timers, stops in order.

`python -m tools.simex` calls `run`; tests start the process.  Writes `<run_dir>/simex.json` when everything answers, and
`<run_dir>/simex_dislocations.jsonl` while it runs; removes its control socket and closes all else on SIGTERM or SIGINT.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import orjson
import uvloop

from tools.simex.clock import Clock
from tools.simex.config import ConfigError, SimexConfig
from tools.simex.control import Control
from tools.simex.credentials import write_credentials
from tools.simex.external import ExternalBooks
from tools.simex.hub import TICK_NS
from tools.simex.market import SyntheticMarket
from tools.simex.playback import Playback
from tools.simex.server import Server
from tools.simex.setup import fund_account, make_venues
from tools.simex.tls import make_tls

TIMER_S = 0.01


class App:
    """Everything of one process."""

    def __init__(self, config: SimexConfig, run_dir: Path) -> None:
        self.config = config
        self.run_dir = run_dir
        self.clock = Clock()
        self.venues = make_venues(config, self.clock)
        self.market: SyntheticMarket | None = None
        self.playback: Playback | None = None
        self.external: ExternalBooks | None = None
        self.ca_path: Path | None = None
        self.credentials: dict[str, dict[str, dict[str, str]]] = {name: {} for name in self.venues}  # venue, account, field
        context: ssl.SSLContext | None = None
        if config.tls:
            self.ca_path, context = make_tls(run_dir)
        self.servers = {
            name: Server(
                venue,
                context,
                host=config.host,
                ports=config.venues[name].ports,
                sessions=config.venues[name].sessions,
                latency_us=config.latency_us,
            )
            for name, venue in self.venues.items()
        }
        self.control = Control(self)
        self._started_ns = time.monotonic_ns()
        self._handles: list[asyncio.TimerHandle] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._log: TextIO | None = None
        self._log_pending = False
        for venue in self.venues.values():
            venue.faults.defer = self.defer

    def _make_accounts(self) -> None:
        for name, venue in self.venues.items():
            section = self.config.venues[name]
            for row in section.accounts:
                account = fund_account(venue, section, row)
                contents = venue.dialect.make_credentials(account)
                prefix = f"{name}.{account.name}"
                self.credentials[name][account.name] = write_credentials(contents, self.run_dir / "simex_keys", prefix)

    def uptime_s(self) -> float:
        return (time.monotonic_ns() - self._started_ns) / 1e9

    def defer(self, delay_s: float, call: Callable[[], None]) -> None:
        if self._loop is None:
            call()
            return
        self._loop.call_later(delay_s, call)

    # ---- running ---------------------------------------------------------------------------------

    async def run(self) -> int:
        loop = self._loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._make_accounts()
        try:
            for server in self.servers.values():
                await server.open()
        except OSError as error:
            print(f"simex: {error.strerror or error}", file=sys.stderr)
            await self._close_servers()
            return 2
        control_path = self.run_dir / "simex.sock"
        await self.control.open(control_path)
        self._open_log()
        await self._start_market()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        self._write_ready(control_path)
        count = sum(len(venue.instruments) for venue in self.venues.values())
        print(f"simex: ready, {', '.join(self.venues)}, {count} instruments, {self.run_dir / 'simex.json'}", flush=True)
        self._every_second()
        self._run_timers()
        await stop.wait()
        for handle in self._handles:
            handle.cancel()
        if self.playback is not None:
            await self.playback.close()
        if self.external is not None:
            await self.external.close()
        await self._close_servers()
        await self.control.close()
        if self._log is not None:
            self._log.close()
        (self.run_dir / "simex_ledger.json").write_bytes(orjson.dumps(self.ledger()))
        print("simex: stopped", flush=True)
        return 0

    async def _close_servers(self) -> None:
        for server in self.servers.values():
            await server.close()

    def ledger(self) -> dict[str, Any]:
        """Of all venues: `venues` has each whole; `accounts` and `marks` are the first one's, `totals` and `positions_by_account`
        those of all."""
        ledgers = {name: venue.ledger() for name, venue in self.venues.items()}
        first = next(iter(ledgers.values()))
        joined = {
            key: {pot: sums for ledger in ledgers.values() for pot, sums in ledger[key].items()}
            for key in ("totals", "positions_by_account")
        }
        return first | joined | {"venues": ledgers}

    def _open_log(self) -> None:
        self._log = (self.run_dir / "simex_dislocations.jsonl").open("w", encoding="utf-8")

    async def _start_market(self) -> None:
        config = self.config
        venues = list(self.venues.values())
        if config.market == "synthetic":
            self.market = SyntheticMarket(venues, config.options)
            self.market.dislocations.on_record = self._log_dislocation
            self.market.start(self.clock.mono_ns())
            self.market.set_marks()
            self._step_market()
        elif config.market == "capture":
            self.playback = Playback(venues[0], config.capture, config.capture_speed)
            self.playback.start()
        else:
            self.external = ExternalBooks(venues)
            await self.external.open(self.run_dir / "simex_books.sock")

    def _step_market(self) -> None:
        market, loop = self.market, self._loop
        if market is None or loop is None:
            return
        market.step(self.clock.mono_ns())
        self._later(0, TICK_NS / 1e9, self._step_market)

    def _every_second(self) -> None:
        for server in self.servers.values():
            server.every_second()
        if self.market is not None:
            self.market.calibrate(self.clock.mono_ns())
        if self._log is not None and self._log_pending:
            self._log.flush()
            self._log_pending = False
        self._later(1, 1.0, self._every_second)

    def _run_timers(self) -> None:
        now_ms = self.clock.wall_ms()
        for venue in self.venues.values():
            venue.dialect.on_timer(now_ms)
        self._later(2, TIMER_S, self._run_timers)

    def _later(self, slot: int, delay_s: float, call: Callable[[], None]) -> None:
        assert self._loop is not None
        handle = self._loop.call_later(delay_s, call)
        while len(self._handles) <= slot:
            self._handles.append(handle)
        self._handles[slot] = handle

    def _log_dislocation(self, record: dict[str, Any]) -> None:
        if self._log is not None:
            self._log.write(orjson.dumps(record).decode() + "\n")
            self._log_pending = True

    def _write_ready(self, control_path: Path) -> None:
        ready = {
            "endpoints": {name: server.endpoints for name, server in self.servers.items()},
            "control": str(control_path),
            "credentials": {name: next(iter(accounts.values())) for name, accounts in self.credentials.items()},
            "accounts": self.credentials,
            "ca": str(self.ca_path) if self.ca_path else None,
            "pid": os.getpid(),
            "market": self.config.market,
            "books": str(self.run_dir / "simex_books.sock") if self.external else None,
        }
        temporary = self.run_dir / "simex.json.tmp"
        temporary.write_bytes(orjson.dumps(ready, option=orjson.OPT_INDENT_2))
        os.replace(temporary, self.run_dir / "simex.json")


def run(config: SimexConfig, run_dir: Path) -> int:
    """Run a simex process to its end; returns the exit code."""
    run_dir.mkdir(parents=True, exist_ok=True)
    try:
        app = App(config, run_dir)
    except (ValueError, OSError, KeyError) as error:
        raise ConfigError(str(error)) from None
    if config.cpu is not None:
        os.sched_setaffinity(0, {config.cpu})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(app.run())
