"""Hot loops allocate nothing: CPython's allocators are hooked and counted while 100,000 steps run."""
import numpy as np

from bench import journal_loops, ring_loops
from cext import layout, shm
from cext.hist import HistPage
from cext.journal import JournalWriter
from cext.ring import FeedWriter, RingReader
from tests.support import alloc_count

STEPS = 100_000
CALLS_MAX = 20  # the loop's own call, its arguments and its result


def test_counter_sees_temporaries_that_leave_nothing_behind() -> None:
    def dirty() -> None:
        for i in range(1000):
            dict(a=i)  # noqa: C408 - built and dropped on purpose
    assert alloc_count.count(dirty)[1] >= 1000
    assert alloc_count.count(lambda: None)[1] < CALLS_MAX


def test_publishing_and_polling_books_allocates_nothing(run_id: str) -> None:
    writer = FeedWriter(run_id, "x", 10)
    reader = RingReader(run_id, "x")
    _, publish_calls = alloc_count.count(ring_loops.time_publish, writer, STEPS, 10)
    _, poll_calls = alloc_count.count(ring_loops.time_poll, reader, STEPS)
    _, board_calls = alloc_count.count(ring_loops.time_read_board, reader, STEPS, 10)
    writer.close()
    assert max(publish_calls, poll_calls, board_calls) < CALLS_MAX


def test_appending_to_the_journal_and_recording_allocates_nothing(run_id: str) -> None:
    journal = JournalWriter(run_id, 1)
    page = HistPage.create(run_id, "x", ["a"])
    latencies = np.zeros(20_000, np.int64)
    _, append_calls = alloc_count.count(journal_loops.time_appends, journal, latencies, layout.STRUCT_BYTES["intent_t"])
    _, record_calls = alloc_count.count(journal_loops.time_records, page, np.arange(STEPS, dtype=np.int64))
    name = f"/lockstep.{run_id}.journal.{journal.segment_index()}"
    journal.close()
    page.close()
    assert shm.unlink(name)
    assert journal.full_count() == 0
    assert max(append_calls, record_calls) < CALLS_MAX
