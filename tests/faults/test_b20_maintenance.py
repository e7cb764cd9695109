"""B20: a venue announces maintenance, or is in it: no entries from a minute before until it is over, held pairs stay."""
from __future__ import annotations

import pathlib
import tempfile
import time
from typing import Any

import pytest

from cext.journal import JournalReader
from engine.event_codec import unpack_intent
from engine.events import Purpose
from engine.gateways.maintenance import OPEN_END_S, Window, window_of
from engine.trade.core_surface import LockReason
from feeds.instruments import InstrumentTable, run_table_path
from tests.process.test_three_venues import Control, assert_ended_well, three_venues
from tests.support.fake_core import venue_pairs, venue_rows
from tests.support.sim_trade import S, World

NOW = 1_790_000_000_000    # ms
SECOND = 1_000_000_000


def announced(state: str, begin: Any, end: Any) -> Window | None:
    return window_of({"state": state, "begin": begin, "end": end, "title": "t"}, NOW * 10**6)


@pytest.mark.parametrize("state", ["completed", "canceled", "CANCELED"])
def test_b20_what_is_over_or_called_off_holds_nothing_up(state):
    assert announced(state, NOW + 60_000, NOW + 120_000) is None


@pytest.mark.parametrize("at_s, is_covered", [(-61, False), (-60, True), (-1, True), (0, True), (599, True), (600, False)])
def test_b20_entries_stop_a_minute_before_and_until_the_end(at_s, is_covered):
    window = announced("scheduled", str(NOW + 3_600_000), str(NOW + 4_200_000))
    assert window is not None
    assert window.covers((NOW + 3_600_000) * 10**6 + at_s * SECOND) == is_covered


@pytest.mark.parametrize("row", [{}, {"state": "scheduled"}, {"state": "ongoing", "begin": "soon", "end": "later"},
                                 {"state": "ongoing", "begin": str(NOW - 9_000_000), "end": str(NOW - 60_000)}])
def test_b20_what_cannot_be_read_is_believed_to_go_on(row):
    """Also one that takes longer than was announced."""
    window = window_of(row, NOW * 10**6)
    assert window is not None and window.covers(NOW * 10**6)
    assert window.end_wall_ns <= NOW * 10**6 + int(OPEN_END_S * 1e9)


def test_b20_a_state_in_other_words_is_no_maintenance_of_ours():
    assert announced("finished", NOW, NOW + 60_000) is None


def test_b20_rows_of_the_venue_are_locked_beside_other_reasons():
    world = World(rows=venue_rows(1), pair_list=venue_pairs(1))
    world.manager.locks.lock(2, LockReason.ORPHAN, world.now + 3 * S, world.now)
    world.manager.set_maintenance("bybit", world.now + 60 * S, world.now)
    reasons = {row: reason for row, (_, reason) in world.core.locks.items()}
    assert reasons == {2: LockReason.MAINTENANCE, 3: LockReason.MAINTENANCE}
    world.manager.set_maintenance("bybit", 0, world.now)
    assert {row: reason for row, (_, reason) in world.core.locks.items()} == {2: LockReason.ORPHAN}


def entries_of(run: Any, venue: str, since_ns: int) -> list[int]:
    """When entries with a leg there were decided, since then."""
    rows = InstrumentTable.load(run_table_path(run.run_dir)).rows
    found = []
    for record in JournalReader.of_run(run.run_dir.name, run.run_dir):
        if record.type_name == "INTENT":
            intent = unpack_intent(record.payload)
            if (intent.purpose == Purpose.ENTRY and intent.decided_mono_ns >= since_ns
                    and any(rows[leg.instrument_id].venue == venue for leg in intent.legs)):
                found.append(intent.decided_mono_ns)
    return found


@pytest.mark.parametrize("venue", ["bybit", "okx", "binance"])
def test_b20_no_entry_there_while_the_others_trade(venue):
    """Binance tells only that it is going on; the others tell it half a minute ahead."""
    with tempfile.TemporaryDirectory(prefix="ls-") as folder, three_venues(pathlib.Path(folder), dislocations_per_s=8.0) as run:
        run.wait_closed_trades(3)
        control = Control(run)
        control("maint", venue=venue, in_ms=0 if venue == "binance" else 30_000, for_ms=600_000)
        status = run.wait_for(lambda status: any(one["code"] == "maintenance" for one in status["alarms"]), "told", 20)
        assert any(venue in one["text"] for one in status["alarms"] if one["code"] == "maintenance")
        begun = time.monotonic_ns()
        time.sleep(5)
        assert entries_of(run, venue, begun + SECOND // 2) == []
        others = {name for name in ("binance", "bybit", "okx") if name != venue}
        assert any(entries_of(run, name, begun) for name in others), "nobody traded: nothing was tested"
        if venue == "okx":
            control("maint", venue=venue, clear=True)
            run.wait_for(lambda status: any(one["code"] == "maintenance_over" for one in status["alarms"]), "over", 20)
            over = time.monotonic_ns()
            run.wait_for(lambda status: bool(entries_of(run, venue, over)), "trades there again", 30)
        else:
            control("maint", venue=venue, clear=True)
        assert_ended_well(run)
