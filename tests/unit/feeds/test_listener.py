"""The listener without a socket: frames in, records, stamps, histograms, flags and capture records out."""
import itertools
import os
import time

import orjson
import pytest

from cext import shm
from cext.capture import BlockCursor
from cext.decoders.binance import BinanceMarket
from cext.doorbell import Doorbell
from cext.hist import HistPage
from cext.ring import FeedWriter, RingReader
from feeds.instruments import InstrumentTable
from feeds.listener import STAGES, CaptureBuffer, FeedListener, FeedPublisher
from tests.unit.feeds.rows import make_perp, make_row

VALID = 1
REPEAT = 16
BOOK, TRADE, BUFFERED, NEED_SNAPSHOT, ACK, SHUTDOWN, ERROR = 1, 2, 5, 6, 7, 8, 9
_numbers = itertools.count()


def delta(first, last, bids=(), asks=()):
    return orjson.dumps(
        {
            "e": "depthUpdate",
            "E": time.time_ns() // 1_000_000 - 2,
            "s": "BTCUSDT",
            "U": first,
            "u": last,
            "b": list(bids),
            "a": list(asks),
        }
    )


SNAPSHOT = orjson.dumps({"lastUpdateId": 10, "bids": [["100.00", "1"], ["99.00", "2"]], "asks": [["101.00", "3"]]})


class Harness:
    def __init__(self, tmp_path):
        self.run_id = f"listener-{os.getpid()}-{next(_numbers)}"
        self.writer = FeedWriter(self.run_id, "binance", 2)
        self.hist = HistPage.create(self.run_id, "feed.binance", STAGES)
        self.doorbell = Doorbell(tmp_path)
        self.publisher = FeedPublisher(self.writer, self.doorbell, self.hist)
        self.market = BinanceMarket(InstrumentTable([make_row(), make_perp(id=1)]).to_array(), "spot", [0])
        self.listener = FeedListener(self.publisher, self.market, 3, self)
        self.reader = RingReader(self.run_id, "binance")

    def sync(self):
        assert self.listener.feed_bytes(delta(9, 11, bids=[["100.00", "5"]])) == BUFFERED
        assert self.publisher.take_wanted() == [0] and self.publisher.take_wanted() == []
        assert self.market.apply_snapshot(0, SNAPSHOT, 1000, time.monotonic_ns(), time.time_ns()) == "synced"
        self.publisher.publish_row(self.market, 0, 3)
        return self.poll()

    def poll(self):
        code, record = self.reader.poll_book()
        return record if code == 1 else None

    def close(self):
        self.reader.close()
        self.hist.close(unlink=True)
        self.writer.close(unlink=True)
        self.doorbell.close()
        assert shm.unlink_run(self.run_id) == []


@pytest.fixture
def harness(tmp_path):
    made = Harness(tmp_path)
    yield made
    made.close()


def test_snapshot_and_buffered_delta_become_one_valid_record(harness):
    record = harness.sync()
    assert record["flags"] & VALID and record["connection_id"] == 3 and record["instrument_id"] == 0
    assert [tuple(level) for level in record["bids"][:2]] == [(10000, 500000), (9900, 200000)]
    assert (record["bid_levels_total"], record["ask_levels_total"], record["depth_update_id"]) == (2, 1, 11)


def test_each_frame_has_its_own_stamp_and_a_read_has_one(harness):
    harness.sync()
    assert harness.listener.feed_bytes(delta(12, 12, asks=[["101.00", "1"]]), False) == BOOK
    first = harness.poll()
    assert harness.listener.feed_bytes(delta(13, 13, asks=[["101.00", "2"]]), True) == BOOK
    second = harness.poll()
    assert harness.listener.feed_bytes(delta(14, 14, asks=[["101.00", "4"]])) == BOOK
    third = harness.poll()
    assert first["batch_mono_ns"] == second["batch_mono_ns"] < third["batch_mono_ns"]
    assert first["frame_mono_ns"] < second["frame_mono_ns"] < third["frame_mono_ns"]
    assert first["recv_wall_ns"] == second["recv_wall_ns"] != third["recv_wall_ns"]
    for record in (first, second, third):
        assert record["batch_mono_ns"] <= record["frame_mono_ns"] < record["publish_mono_ns"]
        assert record["alive_mono_ns"] == record["frame_mono_ns"]
    counts = {stage: histogram.get_total_count() for stage, histogram in harness.hist.snapshot().items()}
    assert counts["decode"] == counts["recv"] == 4 and counts["publish"] == counts["wire"] == 3


def test_gap_publishes_invalid_in_the_same_call_and_asks_for_a_snapshot(harness):
    before = harness.sync()
    assert harness.listener.feed_bytes(delta(20, 21)) == NEED_SNAPSHOT
    record = harness.poll()
    assert not record["flags"] & VALID and record["epoch"] > before["epoch"]
    assert harness.publisher.take_wanted() == [0] and not harness.publisher.is_valid(0)


def test_undecodable_book_message_is_invalid_and_counted(harness):
    harness.sync()
    assert harness.listener.feed_bytes(delta(12, 12, bids=[["1e5", "1"]])) == ERROR
    assert not harness.poll()["flags"] & VALID
    assert harness.publisher.take_wanted() == [0]


def test_duplicates_publish_nothing_but_prove_the_sequence_on_their_socket(harness, tmp_path):
    harness.sync()
    other = FeedListener(harness.publisher, harness.market, 4, harness)
    assert not other.is_in_sequence(0) and other.missing([(0, "book")]) == [(0, "book")]
    other.feed_bytes(delta(9, 11))
    assert other.is_in_sequence(0) and other.missing([(0, "book")]) == [] and harness.poll() is None


def test_trades_go_to_their_ring(harness):
    frame = b'{"e":"trade","E":5,"s":"BTCUSDT","t":77,"p":"100.50","q":"0.5","T":5,"m":true,"M":true}'
    assert harness.listener.feed_bytes(frame) == TRADE
    code, trade = harness.reader.poll_trade()
    assert code == 1 and (trade["trade_id"], trade["px"], trade["qty"], trade["flags"]) == (77, 10050, 50000, 1)


def test_repeated_records_are_marked(harness):
    harness.sync()
    harness.publisher.publish_row(harness.market, 0, 5, True)
    record = harness.poll()
    assert record["flags"] & REPEAT and record["flags"] & VALID and record["connection_id"] == 5


def test_crossed_book_is_known_since_when(harness):
    harness.sync()
    harness.listener.feed_bytes(delta(12, 12, bids=[["102.00", "1"]]))
    time.sleep(0.01)
    assert harness.publisher.crossed_rows(5_000_000) == [0] and harness.publisher.crossed_rows(10**12) == []
    harness.listener.feed_bytes(delta(13, 13, bids=[["102.00", "0"]]))
    assert harness.publisher.crossed_rows(0) == []


def test_depth_crossed_after_every_message_is_told_once_a_second(harness):
    harness.sync()
    assert harness.publisher.write_board_counters(harness.market) == []
    harness.listener.feed_bytes(delta(12, 12, bids=[["102.00", "1"]]))
    for update in range(13, 16):
        harness.listener.feed_bytes(delta(update, update, asks=[["105.00", "1"]]))
    assert harness.publisher.write_board_counters(harness.market) == [0]
    assert harness.publisher.write_board_counters(harness.market) == []


def test_counters_reach_board_and_header(harness):
    harness.sync()
    harness.listener.feed_bytes(delta(12, 12))
    harness.publisher.write_board_counters(harness.market)
    harness.publisher.write_header_counters(4, 2)
    row = harness.reader.read_row(0)
    assert (row["frames"], row["gaps"]) == (2, 0) and row["records"] >= 1
    header = harness.reader.header()
    assert (header["frames"], header["unknown_frames"], header["reconnects"]) == (2, 4, 2)
    assert time.monotonic_ns() - harness.reader.heartbeat_mono_ns() < 10**9
    assert harness.reader.connection_alive()[3] > 0


def test_capture_buffer_drops_and_counts_what_does_not_fit():
    buffer = CaptureBuffer(150)
    for number in range(5):
        buffer.add("note", 1, 2, -1, b"x" * number)
    records = list(BlockCursor(buffer.take()))
    assert (
        [len(record[-1]) for record in records] == [0, 1, 2, 3, 4][: len(records)]
        and len(records) + buffer.dropped == 5
        and buffer.dropped
    )
    buffer.add("snapshot", 2, 7, 9, b"body")
    ((kind, market, _, connection, row, wall_ns, mono_ns, payload),) = BlockCursor(buffer.take())
    assert (kind, market, connection, row, payload) == (2, 2, 7, 9, b"body") and wall_ns > mono_ns > 0


def test_rows_out_of_range_are_refused(harness):
    with pytest.raises(IndexError):
        harness.publisher.want_snapshot(2)
    with pytest.raises(IndexError):
        harness.publisher.publish_row(harness.market, -1, 0)
