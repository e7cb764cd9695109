"""A real feed process of any venue, in front of the suite's simulated venues."""
from __future__ import annotations

import pathlib
import shutil
from typing import Any

import orjson

from cext.ring import AttachError, RingReader
from engine.config import Config, dump_effective
from feeds.instruments import InstrumentTable, venue_table_path
from tests.conformance.case import VenueCase
from tests.support.feed_system import START_TIMEOUT_S, Feed, Venues, _Process, _same, make_run_dir, wait_until


class VenueFeed(Feed):
    """`python -m feeds NAME` in a run directory of its own."""

    def __init__(self, case: VenueCase, run_dir: pathlib.Path) -> None:
        self.name = case.name
        self.run_dir = run_dir
        self.run_id = run_dir.name
        self.reader: RingReader | None = None
        _Process.__init__(self, ["feeds", case.name, "--run-dir", str(run_dir)], run_dir / "feed.out")

    def attach(self) -> RingReader:
        def try_attach() -> RingReader | None:
            assert self.process.poll() is None, self.text()
            try:
                return RingReader(self.run_id, self.name)
            except AttachError:
                return None
        self.reader = wait_until(try_attach, START_TIMEOUT_S, "segment of the feed")
        self.table = InstrumentTable.load(venue_table_path(self.run_dir, self.name))
        return self.reader

    def log(self) -> str:
        path = self.run_dir / "logs" / f"feed-{self.name}.log"
        return path.read_text() if path.exists() else ""


def feed_run_dir(parent: pathlib.Path, case: VenueCase, venues: Venues) -> pathlib.Path:
    """With this venue's BTC of each market, and the simulated venues that run already."""
    run_dir = make_run_dir(parent)
    data: dict[str, Any] = orjson.loads(dump_effective(Config()))
    symbols = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT"}
    data["mode"] = "sim"
    data["run"]["var_dir"] = str(run_dir / "var")
    data["venues"] = {case.name: {"markets": list(case.markets), "symbols": [symbols[market] for market in case.markets]}}
    (run_dir / "config.json").write_bytes(orjson.dumps(data))
    shutil.copy(venues.run_dir / "simex.json", run_dir / "simex.json")
    return run_dir


def assert_equal_books(venues: Venues, feed: VenueFeed, case: VenueCase) -> None:
    """With the market quiet, every row has the venue's best 16 levels, and as many levels as its stream holds."""
    assert feed.reader is not None
    venues.command("quiet", traffic=False)
    for row in feed.table.rows:
        if row.status == "TRADING":
            book = venues.command("book", instrument=row.name, depth=case.depth_levels.get(row.market, 1 << 30))
            wait_until(lambda row=row, book=book: _same(feed.reader.read_board(row.id), book, row), 5.0,
                       f"{row.name} equal to the venue's book\n{feed.last_words()}")
