"""One simex process: builds the venue from its config, opens the sockets, runs the timers, stops in order.

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
from tools.simex.config import SimexConfig
from tools.simex.control import Control
from tools.simex.credentials import make_credentials
from tools.simex.exact import to_scaled
from tools.simex.external import ExternalBooks
from tools.simex.instrument import LINEAR, SPOT, Instrument, from_exchange_info, make_pairs
from tools.simex.market import STEP_NS, SyntheticMarket
from tools.simex.playback import Playback
from tools.simex.server import Server
from tools.simex.tls import make_tls
from tools.simex.venue import Venue

COUNTDOWN_EVERY_S = 0.01


class App:
    """Everything of one process."""

    def __init__(self, config: SimexConfig, run_dir: Path) -> None:
        self.config = config
        self.run_dir = run_dir
        self.clock = Clock()
        self.venue = Venue(self._instruments(), self.clock, config.enforce_limits, config.orders_10s_max)
        self.market: SyntheticMarket | None = None
        self.playback: Playback | None = None
        self.external: ExternalBooks | None = None
        self.ca_path: Path | None = None
        self.credentials: dict[str, dict[str, str]] = {}
        context: ssl.SSLContext | None = None
        if config.tls:
            self.ca_path, context = make_tls(run_dir)
        self.server = Server(config, self.venue, context)
        self.control = Control(self)
        self._started_ns = time.monotonic_ns()
        self._handles: list[asyncio.TimerHandle] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._log: TextIO | None = None
        self._log_pending = False
        self.venue.faults.defer = self.defer
        self.venue.faults.resend = lambda stream, payload: self.venue.data[stream.instrument.market].fan_out(stream, payload)

    # ---- building --------------------------------------------------------------------------------

    def _instruments(self) -> list[Instrument]:
        config = self.config
        if config.exchange_info:
            wanted = config.symbols or None
            found: list[Instrument] = []
            for market, fees in ((SPOT, config.spot_fees), (LINEAR, config.linear_fees)):
                if market in config.exchange_info:
                    found += from_exchange_info(
                        market, orjson.loads(Path(config.exchange_info[market]).read_bytes()), fees, wanted
                    )
            return found
        return make_pairs(config.pairs, config.spot_fees, config.linear_fees)

    def _make_accounts(self) -> None:
        for row in self.config.accounts:
            account = self.venue.add_account(row["name"])
            account.default_leverage = int(row.get("leverage", self.config.leverage))
            for asset, amount in row.get("spot", {}).items():
                account.free[asset] = to_scaled(str(amount), 8)
            for asset, amount in row.get("linear", {}).items():
                account.wallet[asset] = to_scaled(str(amount), 8)
            account.bnb_burn = bool(row.get("bnb_burn", False))
            account.hedge_mode = bool(row.get("hedge_mode", False))
            account.multi_assets = bool(row.get("multi_assets", False))
            self.credentials[account.name] = make_credentials(account, self.venue.keyring, self.run_dir / "simex_keys")

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
            await self.server.open()
        except OSError as error:
            print(f"simex: {error.strerror or error}", file=sys.stderr)
            await self.server.close()
            return 2
        control_path = self.run_dir / "simex.sock"
        await self.control.open(control_path)
        self._open_log()
        await self._start_market()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        self._write_ready(control_path)
        print(f"simex: ready, {len(self.venue.instruments)} instruments, {self.run_dir / 'simex.json'}", flush=True)
        self._every_second()
        self._check_countdowns()
        await stop.wait()
        for handle in self._handles:
            handle.cancel()
        if self.playback is not None:
            await self.playback.close()
        if self.external is not None:
            await self.external.close()
        await self.server.close()
        await self.control.close()
        if self._log is not None:
            self._log.close()
        (self.run_dir / "simex_ledger.json").write_bytes(orjson.dumps(self.venue.ledger()))
        print("simex: stopped", flush=True)
        return 0

    def _open_log(self) -> None:
        self._log = (self.run_dir / "simex_dislocations.jsonl").open("w", encoding="utf-8")

    async def _start_market(self) -> None:
        config = self.config
        if config.market == "synthetic":
            self.market = SyntheticMarket(self.venue, config.options)
            self.market.on_record = self._log_dislocation
            self.market.start(self.clock.mono_ns())
            self.market.set_marks()
            self._step_market()
        elif config.market == "capture":
            self.playback = Playback(self.venue, config.capture, config.capture_speed)
            self.playback.start()
        else:
            self.external = ExternalBooks(self.venue)
            await self.external.open(self.run_dir / "simex_books.sock")

    def _step_market(self) -> None:
        market, loop = self.market, self._loop
        if market is None or loop is None:
            return
        market.step(self.clock.mono_ns())
        self._later(0, STEP_NS / 1e9, self._step_market)

    def _every_second(self) -> None:
        self.server.every_second()
        if self.market is not None:
            self.market.calibrate(self.clock.mono_ns())
        elif self._loop is not None:
            self.venue.expire_old_listen_keys()
        if self._log is not None and self._log_pending:
            self._log.flush()
            self._log_pending = False
        self._later(1, 1.0, self._every_second)

    def _check_countdowns(self) -> None:
        if self.venue.countdowns:
            self.venue.run_countdowns()
        self._later(2, COUNTDOWN_EVERY_S, self._check_countdowns)

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
        first = next(iter(self.credentials))
        ready = {
            "endpoints": {"binance": self.server.endpoints},
            "control": str(control_path),
            "credentials": self.credentials[first],
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
    if config.cpu is not None:
        os.sched_setaffinity(0, {config.cpu})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(App(config, run_dir).run())
