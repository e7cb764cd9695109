"""Simulated venues and a real feed process in a run directory of their own, for tests/process.

    with Venues(tmp_path) as venues, Feed(venues.run_dir) as feed:
        feed.wait_live()
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Self

import orjson

from cext import shm
from cext.ring import AttachError, RingReader
from engine.config import Config, dump_effective
from feeds.instruments import InstrumentTable, venue_table_path

ROOT = pathlib.Path(__file__).resolve().parents[2]
VALID = 1
CROSSED = 2
START_TIMEOUT_S = 30.0


def wait_until(is_true: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Poll until `is_true()` is; AssertionError says what never happened."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = is_true()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.005)


def make_run_dir(
    parent: pathlib.Path, *, mode: str = "sim", simex: dict[str, Any] | None = None, **sections: Any
) -> pathlib.Path:
    """A run directory with config.json; its name (the run id) is unique on this machine."""
    run_dir = parent / f"t{os.getpid()}-{time.monotonic_ns() % 10**10}"
    run_dir.mkdir(parents=True)
    (run_dir / "logs").mkdir()
    data = orjson.loads(dump_effective(Config()))
    data["mode"] = mode
    data["run"]["var_dir"] = str(run_dir / "var")
    for section, changes in sections.items():
        target = data["venues"]["binance"] if section == "binance" else data[section]
        target.update(changes)
    (run_dir / "config.json").write_bytes(orjson.dumps(data))
    section = {**data["simex"], "pairs": 3, "background_msgs_per_s": 300.0, "dislocations_per_s": 0.0, "seed": 7, **(simex or {})}
    (run_dir / "simex-config.json").write_bytes(orjson.dumps(section))
    return run_dir


class _Process:
    def __init__(self, argv: list[str], output: pathlib.Path) -> None:
        self.output = output
        with output.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *argv],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 10.0) -> int:
        """Signal and wait; returns the exit code. A process that does not end fails the test."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end after signal {number}:\n{self.output.read_text()[-2000:]}") from None


class Venues(_Process):
    """tools.simex on loopback."""

    def __init__(self, run_dir: pathlib.Path) -> None:
        self.run_dir = run_dir
        super().__init__(
            ["tools.simex", "--config", str(run_dir / "simex-config.json"), "--run-dir", str(run_dir)], run_dir / "simex.out"
        )
        wait_until(
            lambda: (run_dir / "simex.json").exists() or self.process.poll() is not None,
            START_TIMEOUT_S,
            "simulated venues ready",
        )
        assert self.process.poll() is None, self.output.read_text()
        self.facts = json.loads((run_dir / "simex.json").read_text())
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(self.facts["control"])
        self._reader = self._socket.makefile("rb")

    def command(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """One control command; its failure fails the test."""
        self._socket.sendall(orjson.dumps({"cmd": cmd, **fields}) + b"\n")
        answer: dict[str, Any] = orjson.loads(self._reader.readline())
        assert answer["ok"], answer
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._socket.close()
        self.stop()


class Feed(_Process):
    """`python -m feeds binance` in a run directory."""

    def __init__(self, run_dir: pathlib.Path) -> None:
        self.run_dir = run_dir
        self.run_id = run_dir.name
        self.reader: RingReader | None = None
        super().__init__(["feeds", "binance", "--run-dir", str(run_dir)], run_dir / "feed.out")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.reader is not None:
            self.reader.close()
        if self.process.poll() is None:
            self.stop()
        shm.unlink_run(self.run_id)

    def attach(self) -> RingReader:
        """The segment, as soon as it is there."""
        def try_attach() -> RingReader | None:
            assert self.process.poll() is None, self.text()
            try:
                return RingReader(self.run_id, "binance")
            except AttachError:
                return None
        self.reader = wait_until(try_attach, START_TIMEOUT_S, "segment of the feed")
        self.table = InstrumentTable.load(venue_table_path(self.run_dir, "binance"))
        return self.reader

    def wait_live(self) -> RingReader:
        """Every book of the run VALID."""
        reader = self.attach()
        rows = [row.id for row in self.table.rows if row.status == "TRADING"]
        wait_until(lambda: all(self.is_valid(row) for row in rows), START_TIMEOUT_S, f"all books valid\n{self.last_words()}")
        return reader

    def row(self, name: str) -> int:
        """Row of an instrument."""
        return self.table.by_name[name].id

    def is_valid(self, row: int) -> bool:
        """Board says VALID."""
        assert self.reader is not None
        record = self.reader.read_board(row)
        return record is not None and bool(record["flags"] & VALID)

    def drain(self) -> list[dict[str, Any]]:
        """All book records since the last call; a lap fails the test."""
        assert self.reader is not None
        records = []
        while True:
            code, record = self.reader.poll_book()
            if code == 0:
                return records
            assert code == 1, f"poll said {code}"
            assert record is not None
            records.append(record)

    def drain_for(self, seconds: float) -> list[dict[str, Any]]:
        """All book records of so long a time."""
        records, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            records += self.drain()
            time.sleep(0.002)
        return records

    def drain_until(self, is_it: Callable[[dict[str, Any]], bool], timeout_s: float, what: str) -> list[dict[str, Any]]:
        """Records up to the first for which is_it(record)."""
        records: list[dict[str, Any]] = []
        deadline = time.monotonic() + timeout_s
        while True:
            for record in self.drain():
                records.append(record)
                if is_it(record):
                    return records
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}\n{self.last_words()}"
            time.sleep(0.002)

    def log(self) -> str:
        """What it logged."""
        path = self.run_dir / "logs" / "feed-binance.log"
        return path.read_text() if path.exists() else ""

    def last_words(self) -> str:
        """The end of its log."""
        return self.log()[-3000:]

    def text(self) -> str:
        """What it printed."""
        return self.output.read_text()

    def state(self) -> str:
        """The word of feed-binance.json."""
        path = self.run_dir / "feed-binance.json"
        return str(orjson.loads(path.read_bytes())["state"]) if path.exists() else ""


def assert_books_equal_the_venues(venues: Venues, feed: Feed) -> None:
    """Quiet the market, then compare all 16 levels and level counts of every row with the venue's own books; start it again."""
    venues.command("quiet", traffic=False, dislocations=False)
    try:
        assert feed.reader is not None
        for row in feed.table.rows:
            if row.status != "TRADING":
                continue
            book = venues.command("book", instrument=row.name)
            wait_until(
                lambda row=row, book=book: _same(feed.reader.read_board(row.id), book, row),
                3.0,
                f"{row.name} equal to the venue's book",
            )
    finally:
        venues.command("quiet", traffic=True, dislocations=False)


def _same(record: dict[str, Any] | None, book: dict[str, Any], row: Any) -> bool:
    if record is None or not record["flags"] & VALID:
        return False
    from decimal import Decimal
    for side, total in (("bids", "bid_levels_total"), ("asks", "ask_levels_total")):
        venue = [(int(Decimal(px).scaleb(row.px_scale)), int(Decimal(qty).scaleb(row.qty_scale))) for px, qty in book[side]]
        ours = [(int(level[0]), int(level[1])) for level in record[side][:record["bid_count" if side == "bids" else "ask_count"]]]
        if ours != venue[:16] or record[total] != len(venue):
            return False
    return True
