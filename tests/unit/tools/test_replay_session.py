"""A replay: order of records, books, decisions, delays, fills and their reproducibility, on captures made here."""
import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest

from feeds.capture_format import CaptureTorn, CaptureWriter
from feeds.instruments import InstrumentTable
from tests.support.fake_core import venue_rows
from tests.support.made_captures import MS, T0, MadeMarket, dislocated, make_row
from tools.replay_lib.report import book_json, summary
from tools.replay_lib.session import Delays, ReplaySession, ReplaySettings
from tools.replay_lib.tables import ReplayError, joined_table, pairs_of

SPOT, PERP = "binance:BTC/USDT", "binance:BTC/USDT:USDT"


def settings(**changes):
    return ReplaySettings(**{"balance": Decimal(1_000_000), **changes})


def replay(*paths, **changes):
    session = ReplaySession(list(paths), settings(**changes))
    session.run()
    return session


@pytest.fixture(scope="module")
def paying(tmp_path_factory):
    return dislocated().write(tmp_path_factory.mktemp("made") / "paying.lscap")


def test_books_are_those_that_the_frames_say(tmp_path):
    made = MadeMarket(depth=3)
    made.snapshot(0, "spot", "60000")
    made.move(10, "spot", "60001")
    session = replay(made.write(tmp_path / "a", ("spot",)))
    assert book_json(session, 0) == {"bid": ["60000.99", "2"], "ask": ["60001.01", "2"], "levels": [3, 3], "applied": 1,
                                     "gaps": 0,
                                     "invalid": 0, "crossed": 0}
    assert summary(session)["frames"] == 2 and summary(session)["records"] == 1


def test_an_instrument_without_a_book_has_empty_sides(tmp_path):
    made = MadeMarket()
    made.move(1, "spot", "60000")
    session = replay(made.write(tmp_path / "a", ("spot",)))
    assert book_json(session, 0)["bid"] is None and book_json(session, 0)["levels"] == [0, 0]


def test_a_dislocation_that_pays_becomes_one_closed_trade(paying):
    found = summary(replay(paying))
    assert found["trades"] == {"CLOSED": 1} and found["opportunities"] > 0
    assert Decimal(found["pnl"]["usd"]) > 0
    split = found["pnl"]["split"]
    assert sum(Decimal(value) for value in split.values()) == Decimal(found["pnl"]["usd"])
    assert Decimal(split["fees"]) < 0


def test_the_same_capture_gives_the_same_decisions(paying):
    one, two = summary(replay(paying)), summary(replay(paying))
    assert one["decision_hash"] == two["decision_hash"] and one["pnl"] == two["pnl"]


def test_the_hash_is_the_same_in_another_process_with_another_hash_seed(paying):
    expected = summary(replay(paying))["decision_hash"]
    code = ("import sys, pathlib; from tests.unit.tools.test_replay_session import replay, summary;"
            "print(summary(replay(pathlib.Path(sys.argv[1])))['decision_hash'])")
    for seed in ("0", "4242"):
        done = subprocess.run([sys.executable, "-c", code, str(paying)], env={**os.environ, "PYTHONHASHSEED": seed},
                              capture_output=True,
                              text=True, check=True)
        assert done.stdout.strip() == expected


def test_one_capture_a_market_gives_the_same_as_both_in_one(tmp_path, paying):
    made = dislocated()
    spot, linear = made.write(tmp_path / "spot", ("spot",)), made.write(tmp_path / "linear", ("linear",))
    one, both = summary(replay(spot, linear)), summary(replay(paying))
    assert one["books"] == both["books"] and one["trades"] == both["trades"] and one["pnl"] == both["pnl"]


def test_another_delay_gives_other_decisions_or_fills(paying):
    assert summary(replay(paying))["decision_hash"] != summary(replay(paying, delays=Delays(30 * MS, 2 * MS)))["decision_hash"]


def test_an_order_that_arrives_too_late_finds_nothing_and_the_pair_is_recovered(tmp_path):
    path = dislocated(hold_ms=40).write(tmp_path / "a")
    session = replay(path, delays=Delays(200 * MS, 2 * MS))
    found = session.manager.report()
    assert found["unhedged"] == {} and sum(found["trades"].values()) >= 1
    assert not found["open_pairs"]


def test_a_pair_of_instruments_of_which_one_has_no_book_never_trades(tmp_path):
    made = dislocated()
    made.records = [record for record in made.records if record[1:3] != ("snapshot", "linear")]
    found = summary(replay(made.write(tmp_path / "a")))
    assert found["opportunities"] == 0 and found["trades"] == {} and found["books"][PERP]["applied"] == 0


def test_a_gap_makes_the_book_invalid_until_the_next_snapshot(tmp_path):
    made = MadeMarket()
    made.snapshot(0, "spot", "60000")
    made.move(10, "spot", "60001")
    made.update_id["spot"] += 5
    made.move(20, "spot", "60002")
    session = replay(made.write(tmp_path / "a", ("spot",)))
    assert book_json(session, 0)["gaps"] == 1 and book_json(session, 0)["bid"] is None
    made.snapshot(30, "spot", "60003")
    made.move(40, "spot", "60004")
    session = replay(made.write(tmp_path / "b", ("spot",)))
    assert book_json(session, 0)["bid"] == ["60003.99", "2"] and session.market_of_row[0].stats(0)["resyncs"] == 1


def test_a_disconnect_makes_its_books_invalid(tmp_path):
    made = MadeMarket()
    made.snapshot(0, "spot", "60000")
    made.move(10, "spot", "60001")
    made.raw(20, "spot", "reset by peer", "disconnect")
    session = replay(made.write(tmp_path / "a", ("spot",)))
    assert session.market_of_row[0].stats(0)["resyncs"] == 1


def test_hostile_frames_are_counted_and_go_on(tmp_path):
    made = MadeMarket()
    made.snapshot(0, "spot", "60000")
    made.move(10, "spot", "60001")
    for i, text in enumerate(("", "{", "[]", '{"e":"depthUpdate"', '{"stream":"x","data":{}}', "\x00\xff",
                              '{"e":"trade","s":"NOPE"}', "9" * 3000)):
        made.raw(20 + i, "spot", text)
    made.move(40, "spot", "60002")
    session = replay(made.write(tmp_path / "a", ("spot",)))
    assert book_json(session, 0)["bid"] == ["60001.99", "2"] and session.loop.counters()["frames"] == 10


def test_records_are_merged_by_receive_time_and_ties_follow_the_order_of_the_arguments(tmp_path):
    def capture(name, frames):
        made = MadeMarket()
        made.snapshot(0, "spot", "60000")
        for at_ms, mid in frames:
            made.move(at_ms, "spot", mid)
        return made
    # Both captures hold the same instrument: the later snapshot is ignored, the later delta of equal ids is a duplicate, so
    # whoever comes first on a tie wins.
    one = capture("one", [(10, "60001")]).write(tmp_path / "one", ("spot",))
    two = capture("two", [(10, "60007")]).write(tmp_path / "two", ("spot",))
    assert book_json(replay(one, two), 0)["bid"][0] == "60000.99"
    assert book_json(replay(two, one), 0)["bid"][0] == "60006.99"
    late = capture("late", [(11, "60009")]).write(tmp_path / "late", ("spot",))
    assert book_json(replay(late, one), 0)["bid"][0] == "60000.99"


def test_real_time_takes_real_time_and_decides_the_same(tmp_path):
    made = MadeMarket()
    made.snapshot(0, "spot", "60000")
    for i in range(1, 20):
        made.move(i * 20, "spot", str(60000 + i))
    path = made.write(tmp_path / "a", ("spot",))
    fast, slow = replay(path), replay(path, speed=1.0)
    assert slow.seconds > 0.35 > fast.seconds
    assert summary(slow)["decision_hash"] == summary(fast)["decision_hash"] and summary(slow)["books"] == summary(fast)["books"]


def test_hours_without_a_record_cost_nothing(tmp_path):
    made = dislocated(seconds=3, at_s=99)
    made.move(90 * 24 * 3_600_000, "spot", "60000")
    session = replay(made.write(tmp_path / "a"))
    assert session.seconds < 5


def test_a_torn_capture_is_replayed_up_to_the_tear_when_allowed(tmp_path, paying):
    cut = tmp_path / "cut"
    cut.write_bytes(paying.read_bytes()[:-5000])
    with pytest.raises(CaptureTorn, match="cut: torn at byte"):
        replay(cut)
    session = replay(cut, allow_truncated=True)
    assert 0 < summary(session)["frames"] < summary(replay(paying))["frames"] and session.readers[0].tear is not None


def test_an_empty_capture_is_refused_by_name(tmp_path):
    with pytest.raises(ReplayError, match="a: no record"):
        replay(MadeMarket().write(tmp_path / "a"))


def test_a_venue_without_a_decoder_is_refused_by_name(tmp_path):
    table = InstrumentTable()
    table.merge([make_row("spot", name="nowhere:BTC/USDT", venue="nowhere")])
    with CaptureWriter(tmp_path / "a", venues=["nowhere"], table=table, source="x") as writer:
        writer.frame(1, 0, T0, 0, b"{}")
    with pytest.raises(ReplayError, match="venue 'nowhere' is unknown; .*: nothing decodes it"):
        replay(tmp_path / "a")


def test_a_damaged_instrument_table_is_refused_by_name(tmp_path):
    with CaptureWriter(tmp_path / "a", venues=["binance"], table={"version": 1, "instruments": [], "hash": "1"},
                       source="x") as writer:
        writer.frame(1, 0, T0, 0, b"{}")
    with pytest.raises(ReplayError, match="a: hash 1 does not fit"):
        replay(tmp_path / "a")


def test_tables_of_several_captures_are_joined_at_the_finest_scale(tmp_path):
    made = MadeMarket()
    made.snapshot(0, "spot", "60000")
    coarse = made.write(tmp_path / "coarse", ("spot",), px_scale=2, qty_scale=4, lot=Decimal("0.0001"))
    fine = made.write(tmp_path / "fine", ("spot",), px_scale=3, qty_scale=3, tick=Decimal("0.001"), lot=Decimal("0.001"))
    session = replay(coarse, fine)
    row = session.table.rows[0]
    assert len(session.table) == 1 and (row.px_scale, row.qty_scale, row.tick) == (3, 4, Decimal("0.001"))
    assert book_json(session, 0)["bid"] == ["59999.99", "2"]


def test_fees_can_be_replaced_for_the_whole_replay(paying):
    cheap = summary(replay(paying, taker_bps={"spot": Decimal(0), "linear": Decimal(0)}))
    assert Decimal(cheap["pnl"]["split"]["fees"]) == 0


def test_pairs_join_equal_settle_assets(paying):
    session = ReplaySession([paying], settings())
    assert pairs_of(session.table) == [(0, 1)]
    assert joined_table(session.readers)[0].by_name[SPOT].id == 0


def test_pairs_of_several_venues_are_those_that_the_strategy_would_find():
    assert pairs_of(InstrumentTable(venue_rows())) == [(0, 1), (0, 3), (2, 1), (2, 3), (1, 3)]


def test_json_keys_are_a_promise(paying):
    found = json.loads(json.dumps(summary(replay(paying))))
    assert set(found) == {"frames", "frames_per_s", "records", "opportunities", "trades", "pnl", "decision_hash", "books"}
    assert set(found["books"]) == {SPOT, PERP}
    for book in found["books"].values():
        assert set(book) == {"bid", "ask", "levels", "applied", "gaps", "invalid", "crossed"}
