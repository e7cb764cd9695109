"""A test bed for benches of the whole system: simulated venues that stay, and engines with their feeds that come and go on them.

Processes as in a real run: the engine spins on the last core, everybody else is on the others."""
import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import yaml

from bench.harness import ROOT
from cext import shm
from cext.state_page import StatePage
from engine.config import Config, dump_effective, load
from engine.supervisor.ledger_check import ask, by_venue, differences
from engine.supervisor.processes import Child
from engine.supervisor.rundir import new_run_id
from engine.supervisor.simex_section import simex_section

FEE_TOO_HIGH_BPS = 200   # where nothing may pay: one such fee is more than any planted difference, wide ticks counted
FEE_CONFIGURED_BPS = 50  # the most that a configuration may say; the account's own is read at start


class Bed:
    """The venues of a bench. Everything in `folder`, a temporary directory.

    venues: the first one is traded on; further ones are connected and looked at, but their fees are so high that no pair with a
    leg on one ever pays."""

    def __init__(self, folder: pathlib.Path, *, venues: Iterable[str] = ("binance",), tls: bool = False,
                 dislocations_per_s: float, pairs: int = 50) -> None:
        self.folder = folder
        self.venues = tuple(venues)
        cpus = sorted(os.sched_getaffinity(0))
        self.engine_cpu, self.other_cpus = cpus[-1], frozenset(cpus[:-1]) or frozenset(cpus)
        self._document = yaml.safe_load((ROOT / "config" / "sim_binance.yaml").read_text())
        self._document.setdefault("engine", {}).update(wait="spin", cpu=self.engine_cpu)
        self._document["simex"].update(dislocations_per_s=dislocations_per_s, dislocation_kind="same_venue", tls=tls, pairs=pairs)
        self._document.setdefault("risk", {}).update(max_orders_per_s=200)
        self._document["strategies"]["spot_futures"].update(rearm_ms=0)
        if len(self.venues) > 1:
            self._document["strategies"]["cross_exchange"] = {"enabled": True}
            self._document["simex"]["inventory_usd"] = 10_000.0
        config = self.config_of(self.venues)
        section = simex_section(config, folder)
        for venue in self.venues[1:]:
            fee = str(FEE_TOO_HIGH_BPS / 1e4)
            section["venues"][venue]["fees"] = {market: [fee, fee] for market in config.venues[venue].markets}
        self.simex_dir = folder / "simex"
        self.simex_dir.mkdir()
        (self.simex_dir / "config.json").write_text(json.dumps(section))
        self.simex = Child("simex", [sys.executable, "-m", "tools.simex", "--config", str(self.simex_dir / "config.json"),
                                     "--run-dir", str(self.simex_dir)],
                           folder / "simex.out", self.other_cpus)
        self.simex.start()
        self.simex_json = self.simex_dir / "simex.json"
        try:
            wait_until(self.simex_json.exists, self.simex, "simulated venues")
            self.simex_info = json.loads(self.simex_json.read_text())
        except BaseException:
            self.close()
            raise

    def config_of(self, venues: Iterable[str]) -> Config:
        """Configuration of an engine that knows these venues only. Each choice has an instrument table of its own, and so, since
        its epochs count from 1 as well, an engine instance of its own."""
        venues = tuple(venues)
        fees = {f"{market}_{side}_bps": FEE_CONFIGURED_BPS for market in ("spot", "linear") for side in ("taker", "maker")}
        sections = {venue: self._document["venues"].get(venue, {"fees": fees}) for venue in venues}
        strategies = {name: section for name, section in self._document["strategies"].items()
                      if name != "cross_exchange" or len(venues) > 1}  # which wants two venues
        document = {**self._document, "venues": sections, "strategies": strategies,
                    "run": {"var_dir": str(self.folder / f"var{len(venues)}")},
                    "engine": {**self._document["engine"], "instance": len(venues)}}
        path = self.folder / "bench.yaml"
        path.write_text(yaml.safe_dump(document))
        return load(path)

    def control(self, command: str, **args: Any) -> dict[str, Any]:
        return ask(self.simex_info["control"], {"cmd": command, **args})

    def orders(self, venue: str) -> list[dict[str, Any]]:
        """Orders that the venue ever got, with the monotonic ns of their arrival."""
        return self.control("stats", venue=venue)["orders"]

    def frames_built(self) -> dict[str, int]:
        """Market data frames by venue, so far."""
        built: dict[str, int] = {}
        for name, count in self.control("stats")["market_payloads_built"].items():
            venue = name.partition(":")[0]
            built[venue] = built.get(venue, 0) + count
        return built

    def flatten(self, venue: str) -> None:
        """Take away what perpetuals are still held there, so that the next engine begins with a clean account."""
        held = by_venue(self.control("ledger", venue=venue)["positions_by_account"]).get(venue, {})
        for instrument, qty in held.items():
            if Decimal(qty):
                self.control("liquidate", instrument=instrument)

    def close(self) -> None:
        self.simex.terminate()
        self.simex.wait()


class EngineRun:
    """One engine with its feeds and flusher, on a bed's venues (all, or the ones named)."""

    def __init__(self, bed: Bed, venues: Iterable[str] | None = None) -> None:
        self._bed = bed
        self.venues = tuple(bed.venues if venues is None else venues)
        self.run_id = new_run_id()
        config = bed.config_of(self.venues)
        self.run_dir = pathlib.Path(config.run.var_dir) / "runs" / self.run_id
        self.run_dir.mkdir(parents=True)
        (self.run_dir / "config.json").write_bytes(dump_effective(config))
        shutil.copy(bed.simex_json, self.run_dir / "simex.json")
        def child(name: str, module: list[str], cpus: frozenset[int]) -> Child:
            return Child(name, [sys.executable, "-m", *module, "--run-dir", str(self.run_dir)], self.run_dir / f"{name}.out",
                         cpus, stop_timeout_s=40)
        self.engine = child("engine", ["engine"], frozenset({bed.engine_cpu}))
        # Ended in this order: the engine first, then what it reads from and writes to.
        self.children = [self.engine, *[child(f"feed-{venue}", ["feeds", venue], bed.other_cpus) for venue in self.venues],
                         child("flusher", ["engine.flusher"], bed.other_cpus)]
        self._state: StatePage | None = None
        for one in self.children:
            one.start()

    def status(self) -> dict[str, Any]:
        return ask(str(self.run_dir / "control.sock"), {"id": 1, "cmd": "status"})["result"]

    def _phase(self) -> str:
        """"" while the control socket is not there, or bound but not listening yet."""
        try:
            return self.status().get("phase", "")
        except (FileNotFoundError, ConnectionRefusedError):
            return ""

    def wait_trading(self) -> None:
        wait_until(lambda: self._phase() == "trading", self.engine, "trading", 60.0)
        self._state = StatePage.open(self.run_id)

    def samples(self) -> int:
        """How many intents it has sent: nearly all of them give a sample. Read from its page, which costs the engine nothing."""
        return self._state.snapshot()["intents"] if self._state is not None else 0

    def end(self) -> None:
        """Stop all; its segments go. Safe to repeat."""
        if self._state is not None:
            self._state.close()
            self._state = None
        for one in self.children:
            one.terminate()
            one.wait()
        shm.unlink_run(self.run_id)

    def stop(self) -> dict[str, Any]:
        """End; returns its report after checking that it is clean and that the venues' ledger is the engine's, to the last
        unit."""
        self.end()
        report = json.loads((self.run_dir / "report.json").read_text())
        # A pair that is still held when the patience of the stop ends is hedged: told (left_open), not an error of the figures.
        if report["unhedged"] or set(report["trades"]) - {"CLOSED", "REJECTED", "OPEN"}:
            raise RuntimeError(f"the run is not clean: trades {report['trades']}, unhedged {report['unhedged']}")
        self._check_ledger(report)
        for venue in self.venues if report["trades"].get("OPEN") else ():
            self._bed.flatten(venue)
        return report

    def _check_ledger(self, report: dict[str, Any]) -> None:
        dumps = [self._bed.control("ledger", venue=venue) for venue in self.venues]
        totals, positions = ({name: held for dump in dumps for name, held in dump[key].items()}
                             for key in ("totals", "positions_by_account"))
        found = (differences(report["balances"], totals)
                 + differences(by_venue(report["positions"]), by_venue(positions)))
        if found:
            raise RuntimeError(f"the engine's ledger is not the venues': {found[:5]}")


def wait_until(is_done: Callable[[], bool], child: Child, what: str, patience_s: float = 30.0) -> None:
    deadline = time.monotonic() + patience_s
    while not is_done():
        if child.returncode() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start: {child.last_words()}")
        time.sleep(0.05)
