"""Real processes over real segments: a producer at full rate, readers that are too slow, producers killed in the middle of a
store."""
import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from typing import Any

import pytest

from cext import shm
from cext.ring import AttachError, FeedWriter, RingReader
from tests.support import ring_hammer

ROWS = 7
CONTEXT = multiprocessing.get_context("fork")


def _produce(run_id: str, capacity: int, seconds: float, pause_ns: int, pipe: Connection) -> None:
    writer = FeedWriter(run_id, "x", ROWS, ring_capacity=capacity)
    pipe.send("ready")
    pipe.recv()
    pipe.send(ring_hammer.publish_for(writer, ROWS, seconds, pause_ns))
    pipe.recv()
    writer.close()


def start(run_id: str, capacity: int, seconds: float, pause_ns: int = 0) -> tuple[Any, Connection]:
    """A producer process that waits for a word on its pipe."""
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_produce, args=(run_id, capacity, seconds, pause_ns, theirs), daemon=True)
    process.start()
    assert ours.poll(10) and ours.recv() == "ready"
    return process, ours


def end(process: Any, pipe: Connection) -> None:
    pipe.send("end")
    process.join(10)
    assert process.exitcode == 0


@pytest.mark.parametrize("capacity", [2, 8, 64, 4096])
def test_no_torn_read_while_the_producer_writes_at_full_rate(run_id: str, capacity: int) -> None:
    """With 2 slots the reader is overrun all the time, also in the middle of its copies; nothing mixed may ever be accepted."""
    process, pipe = start(run_id, capacity, 1.0)
    reader = RingReader(run_id, "x")
    pipe.send("go")
    seen = ring_hammer.read_for(reader, ROWS, 1.1)
    assert pipe.poll(10)
    published = pipe.recv()
    assert (seen["broken"], seen["backwards"]) == (0, 0), seen
    assert seen["records"] + seen["board"] > 0
    if capacity <= 64:
        assert seen["laps"] > 0, f"the reader was never overtaken: {seen}, {published} published"
    wanted = [published // ROWS + (row < published % ROWS) for row in range(ROWS)]
    assert seen["newest"] == wanted, "after the last poll the reader has the newest of every row"
    end(process, pipe)


def test_reader_in_pace_gets_every_record_once(run_id: str) -> None:
    process, pipe = start(run_id, 4096, 0.5, pause_ns=20_000)
    reader = RingReader(run_id, "x")
    pipe.send("go")
    seen = ring_hammer.read_for(reader, ROWS, 0.7)
    published = pipe.recv()
    if not seen["laps"]:  # on a machine where this process was not run for 80 ms it may have been lapped
        assert seen["records"] == published
    assert (seen["broken"], seen["backwards"]) == (0, 0)
    end(process, pipe)


def test_readers_stopped_for_a_while_catch_up_from_the_board(run_id: str) -> None:
    process, pipe = start(run_id, 64, 0.8, pause_ns=2_000)
    reader = RingReader(run_id, "x")
    pipe.send("go")
    time.sleep(0.3)  # asleep through hundreds of laps
    seen = ring_hammer.read_for(reader, ROWS, 0.8)
    published = pipe.recv()
    assert seen["laps"] >= 1 and (seen["broken"], seen["backwards"]) == (0, 0)
    assert reader.counters()["lost"] > 64
    assert sum(seen["newest"]) == published
    end(process, pipe)


def test_producer_killed_at_every_store_of_a_publish_leaves_nothing_torn(run_id: str) -> None:
    """Stepper: the words are stored one by one, in the real order, and the rest never comes."""
    total = None
    words = 0
    while total is None or words <= total:
        writer = FeedWriter(run_id, "x", ROWS, ring_capacity=8)
        for i in range(20):
            writer.publish_book(i % ROWS, depth_update_id=0)
        reader = RingReader(run_id, "x")
        total = ring_hammer.publish_partly(writer, 3, 77, words)
        started = time.perf_counter_ns()
        seen = ring_hammer.read_for(reader, ROWS, 0.0)
        assert time.perf_counter_ns() - started < 50_000_000, "the reader does not wait for the dead"
        assert (seen["broken"], seen["backwards"]) == (0, 0), words
        assert seen["records"] == (1 if words == total else 0), words
        try:
            board = reader.read_board(3)
            assert board["bids"] == [] or board["depth_update_id"] in (0, 77)
        except BlockingIOError:
            assert reader.counters()["torn"] == 1
        writer.close()
        words += 1
    assert total > 150


def test_producers_killed_while_busy_never_leave_a_record_that_is_accepted_torn(run_id: str) -> None:
    for trial in range(12):
        process, pipe = start(run_id, 16, 10.0)
        reader = RingReader(run_id, "x")
        pipe.send("go")
        time.sleep(0.01 + 0.0007 * trial)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        seen = ring_hammer.read_for(reader, ROWS, 0.01)
        assert (seen["broken"], seen["backwards"]) == (0, 0), (trial, seen)
        assert not reader.is_producer_alive()
        with pytest.raises(AttachError) as refused:
            RingReader(run_id, "x")
        assert refused.value.reason == "producer_dead"
    shm.unlink_run(run_id)


def test_feed_restart_is_seen_at_the_first_poll_and_old_data_never_again(run_id: str) -> None:
    process, pipe = start(run_id, 64, 10.0)
    reader = RingReader(run_id, "x")
    pipe.send("go")
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    newer, newer_pipe = start(run_id, 64, 0.05)
    assert reader.poll_book()[0] == -3
    assert not reader.is_current()
    again = RingReader(run_id, "x")
    newer_pipe.send("go")
    seen = ring_hammer.read_for(again, ROWS, 0.2)
    assert sum(seen["newest"]) == newer_pipe.recv()
    end(newer, newer_pipe)


def test_second_producer_is_refused_while_the_first_lives(run_id: str) -> None:
    process, pipe = start(run_id, 64, 0.01)
    with pytest.raises(shm.ShmError, match=f"living process {process.pid}"):
        FeedWriter(run_id, "x", ROWS)
    pipe.send("go")
    pipe.recv()
    end(process, pipe)
