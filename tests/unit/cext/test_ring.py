"""Rings and board inside one process: what a reader gets, when it is lapped, what attach refuses. Real races: tests/process."""
import os
import random

import numpy as np
import pytest

from cext import layout, shm
from cext.ring import RING_EMPTY, RING_LAPPED, RING_RECORD, RING_STALE, RING_TORN, AttachError, FeedWriter, RingReader


@pytest.fixture
def writer(run_id: str):
    made = FeedWriter(run_id, "x", 4, ring_capacity=8, trade_ring_capacity=8, instruments_hash=77)
    yield made
    made.close()


@pytest.fixture
def reader(run_id: str, writer: FeedWriter) -> RingReader:
    return RingReader(run_id, "x", instruments_hash=77)


def poke(writer: FeedWriter, struct: str, field: str, value: int, at: int = 0) -> None:
    """Overwrite one field in the mapped segment, as a broken or older producer would have left it."""
    segment = shm.open_segment(writer.name, writable=True)
    np.frombuffer(segment.map, layout.DTYPES[struct], 1, at)[field] = value


def header_of(writer: FeedWriter) -> np.void:
    return np.frombuffer(shm.open_segment(writer.name).map, layout.DTYPES["segment_header_t"], 1)[0]


def test_record_arrives_as_it_was_published(writer: FeedWriter, reader: RingReader) -> None:
    assert reader.poll_book() == (RING_EMPTY, None)
    bids = [(1000 - i, 3 + i) for i in range(16)]
    writer.publish_book(2, bids=bids, asks=[(1001, 5)], flags=layout.BOOK_VALID, depth_update_id=9, lag_ns=-1, epoch=3)
    code, record = reader.poll_book()
    assert code == RING_RECORD
    assert record["bids"] == bids and record["asks"] == [(1001, 5)]
    assert (record["instrument_id"], record["instrument_seq"], record["depth_update_id"], record["lag_ns"],
            record["epoch"]) == (2, 1, 9, -1, 3)
    assert reader.poll_book() == (RING_EMPTY, None)
    assert reader.read_board(2)["bids"] == bids
    assert reader.read_board(1) is None


def test_instrument_seq_counts_each_instrument_apart(writer: FeedWriter, reader: RingReader) -> None:
    for row in (0, 1, 0, 0, 3):
        writer.publish_book(row)
    seen = [reader.poll_book()[1] for _ in range(5)]
    assert [(record["instrument_id"], record["instrument_seq"]) for record in seen] == [(0, 1), (1, 1), (0, 2), (0, 3), (3, 1)]


def test_reader_is_not_lapped_by_one_record_less_than_the_ring_holds(writer: FeedWriter, reader: RingReader) -> None:
    for i in range(7):
        writer.publish_book(0, depth_update_id=i)
    assert [reader.poll_book()[1]["depth_update_id"] for _ in range(7)] == list(range(7))
    assert reader.counters()["laps"] == 0


def test_lapped_reader_counts_jumps_to_the_head_and_finds_all_on_the_board(writer: FeedWriter, reader: RingReader) -> None:
    for i in range(20):
        writer.publish_book(i % 3, depth_update_id=i)
    assert reader.poll_book() == (RING_LAPPED, None)
    counters = reader.counters()
    assert (counters["laps"], counters["lost"], counters["cursor"]) == (1, 20, 20)
    assert [reader.read_board(row)["depth_update_id"] for row in range(3)] == [18, 19, 17]
    assert reader.poll_book() == (RING_EMPTY, None)


def test_ring_records_older_than_the_board_are_skipped_after_a_lap(writer: FeedWriter, reader: RingReader) -> None:
    for i in range(20):
        writer.publish_book(0, depth_update_id=i)
    assert reader.poll_book()[0] == RING_LAPPED
    writer.publish_book(0, depth_update_id=20)   # both in the ring ahead of the cursor ...
    writer.publish_book(1, depth_update_id=21)
    assert reader.read_board(0)["depth_update_id"] == 20  # ... but the board was read later
    code, record = reader.poll_book()
    assert (code, record["depth_update_id"]) == (RING_RECORD, 21)
    assert reader.counters()["skipped"] == 1


def test_two_readers_do_not_disturb_each_other(run_id: str, writer: FeedWriter, reader: RingReader) -> None:
    other = RingReader(run_id, "x")
    writer.publish_book(0)
    assert reader.poll_book()[0] == other.poll_book()[0] == RING_RECORD
    late = RingReader(run_id, "x", from_start=True)
    assert late.poll_book()[0] == RING_RECORD


def test_slot_that_is_being_written_is_empty_and_its_board_entry_torn(writer: FeedWriter, reader: RingReader) -> None:
    header = header_of(writer)
    ring, board = int(header["ring_offset"]), int(header["board_offset"])
    writer.publish_book(0, depth_update_id=1)
    poke(writer, "book_record_t", "seq", 1, ring)    # as if killed between claiming and finishing record 0
    poke(writer, "book_record_t", "seq", 1, board)
    assert reader.poll_book() == (RING_EMPTY, None)
    with pytest.raises(BlockingIOError, match="half-written"):
        reader.read_board(0)
    assert reader.counters()["torn"] == 1


def test_slot_of_a_row_that_does_not_exist_is_passed_over(writer: FeedWriter, reader: RingReader) -> None:
    writer.publish_book(0)
    writer.publish_book(1)
    poke(writer, "book_record_t", "instrument_id", 99, int(header_of(writer)["ring_offset"]))
    assert reader.poll_book() == (RING_TORN, None)
    assert reader.poll_book()[1]["instrument_id"] == 1


def test_trades_are_read_in_order_and_a_lap_loses_the_oldest(writer: FeedWriter, reader: RingReader) -> None:
    assert writer.publish_trade(instrument_id=1, px=5, qty=6, trade_id=7) == 0
    code, trade = reader.poll_trade()
    assert (code, trade["px"], trade["qty"], trade["trade_id"]) == (RING_RECORD, 5, 6, 7)
    for i in range(20):
        writer.publish_trade(trade_id=i)
    assert reader.poll_trade() == (RING_LAPPED, None)
    assert reader.counters()["trades_lost"] == 20
    assert reader.poll_trade() == (RING_EMPTY, None)


def test_funding_is_the_newest_on_the_board(writer: FeedWriter, reader: RingReader) -> None:
    assert reader.read_funding(1) is None
    for rate in (100, -250):
        writer.publish_funding(1, rate_e8=rate, mark_px=12, interval_s=28800)
    assert reader.read_funding(1)["rate_e8"] == -250


def test_liveness_words_and_counters_pass(writer: FeedWriter, reader: RingReader) -> None:
    writer.heartbeat(123)
    writer.set_connection_alive(2, 456)
    writer.set_row_status(1, layout.STATUS_LIVE)
    writer.set_row_counters(1, {"frames": 5, "lag_min_ns": -3})
    writer.set_counters({"frames": 9, "reconnects": 1})
    assert reader.heartbeat_mono_ns() == 123
    assert reader.connection_alive()[:4] == [0, 0, 456, 0]
    row = reader.read_row(1)
    assert (row["status"], row["frames"], row["lag_min_ns"]) == (layout.STATUS_LIVE, 5, -3)
    assert (reader.header()["frames"], reader.header()["reconnects"]) == (9, 1)
    writer.close()
    assert reader.connection_alive()[2] == 0
    assert not reader.is_producer_alive()


def test_old_generation_is_never_read_after_a_new_producer_came(run_id: str, writer: FeedWriter, reader: RingReader) -> None:
    writer.publish_book(0)
    newer = FeedWriter(run_id, "x", 4, ring_capacity=8, trade_ring_capacity=8)
    assert reader.poll_book() == (RING_STALE, None)
    assert reader.poll_trade() == (RING_STALE, None)
    with pytest.raises(BlockingIOError, match="retired"):
        reader.read_board(0)
    assert not reader.is_current()
    again = RingReader(run_id, "x")
    assert again.poll_book() == (RING_EMPTY, None)
    assert again.read_board(0) is None
    newer.close()


@pytest.mark.parametrize(("field", "value", "reason", "words"), [
    ("magic", 0, "not_ready", "not ready"),
    ("magic", 1234, "magic", "no feed segment"),
    ("layout_version", 99, "version", "layout version 99"),
    ("layout_hash", 1, "layout_hash", "different layout.h"),
    ("segment_bytes", 64, "size", "speaks of 64"),
    ("ring_capacity", 9, "size", "no powers of two"),
    ("ring_capacity", 1 << 20, "size", "header speaks of"),
    ("instrument_count", 1 << 20, "size", "header speaks of"),
    ("instruments_hash", 5, "instruments", "instrument table"),
    ("generation", 0, "closed", "retired"),
    ("closed", 1, "closed", "closed by its producer"),
    ("producer_start", 1, "producer_dead", "is dead"),
    ("producer_pid", 1, "producer_dead", "process 1, is dead"),
])
def test_attach_says_what_is_wrong(run_id: str, writer: FeedWriter, field: str, value: int, reason: str, words: str) -> None:
    poke(writer, "segment_header_t", field, value)
    with pytest.raises(AttachError, match=words) as caught:
        RingReader(run_id, "x", instruments_hash=77)
    assert caught.value.reason == reason
    assert writer.name in str(caught.value)


def test_attach_says_when_there_is_nothing_or_only_a_stub(run_id: str) -> None:
    with pytest.raises(AttachError) as caught:
        RingReader(run_id, "nobody")
    assert caught.value.reason == "missing"
    path = shm.path_of(shm.segment_name(run_id, "feed.stub"))
    path.touch()
    with pytest.raises(AttachError) as caught:
        RingReader(run_id, "stub")
    assert caught.value.reason == "empty"
    path.unlink()


def test_segment_of_a_living_producer_is_not_taken_over(run_id: str, writer: FeedWriter) -> None:
    parent = os.getppid()  # some living process that is not us
    poke(writer, "segment_header_t", "producer_pid", parent)
    poke(writer, "segment_header_t", "producer_start", shm.process_start(parent))
    with pytest.raises(shm.ShmError, match=f"living process {parent}"):
        FeedWriter(run_id, "x", 4)


def test_wrong_arguments_are_refused(run_id: str, writer: FeedWriter, reader: RingReader) -> None:
    with pytest.raises(ValueError, match="powers of two"):
        FeedWriter(run_id, "y", 4, ring_capacity=10)
    with pytest.raises(ValueError, match="at least one instrument"):
        FeedWriter(run_id, "y", 0)
    with pytest.raises(shm.ShmError, match="cannot name a segment"):
        FeedWriter("../etc", "y", 1)
    with pytest.raises(IndexError, match="rows 0..3"):
        reader.read_board(4)
    with pytest.raises(ValueError, match="connection id"):
        writer.set_connection_alive(layout.CONNECTIONS_MAX, 1)
    with pytest.raises(KeyError, match="no counter"):
        writer.set_counters({"nonsense": 1})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_publishing_and_polling_matches_a_plain_model(seed: int, run_id: str, writer: FeedWriter,
                                                             reader: RingReader) -> None:
    """Model: a list of all records and a cursor. Every record is delivered once and in order, or its row was caught up from the
    board."""
    rng = random.Random(seed)
    newest: dict[int, int] = {}
    seen: dict[int, int] = {}
    for step in range(3000):
        for _ in range(rng.choice((0, 1, 1, 2, 3, 9))):
            row = rng.randrange(4)
            newest[row] = writer.publish_book(row, depth_update_id=step)
        for _ in range(rng.randrange(6)):
            code, record = reader.poll_book()
            if code == RING_LAPPED:
                for row, wanted in newest.items():
                    seen[row] = reader.read_board(row)["instrument_seq"]
                    assert seen[row] == wanted
            elif code == RING_RECORD:
                row = record["instrument_id"]
                assert record["instrument_seq"] == seen.get(row, 0) + 1, f"seed {seed} step {step}"
                seen[row] = record["instrument_seq"]
    assert reader.counters()["laps"] > 0, f"seed {seed}: the test never lapped"
