"""Inner loops of bench_ring_hop: what costs a microsecond or less is timed inside Cython, never across a Python call."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memset

from cext.clock cimport mono_ns
from cext.layout cimport book_record_t
from cext.ring cimport (RING_RECORD, FeedWriter, RingReader, ring_poll_book, ring_publish_book, ring_read_board)


cdef void fill(book_record_t *record, int32_t row, int levels) noexcept nogil:
    """A record as a feed makes it: `levels` a side."""
    cdef int i
    memset(record, 0, sizeof(book_record_t))
    record.instrument_id = row
    record.flags = 1
    record.bid_count = levels
    record.ask_count = levels
    for i in range(levels):
        record.bids[i].px = 1000000 - i
        record.bids[i].qty = 7 + i
        record.asks[i].px = 1000001 + i
        record.asks[i].qty = 9 + i


def produce(FeedWriter writer, const int64_t[::1] spacing, int rows):
    """Publish one record after each wait of `spacing` ns, over `rows` instruments in turn."""
    cdef book_record_t record
    cdef Py_ssize_t i
    cdef int64_t due = mono_ns() + 1000000
    cdef int64_t now
    with nogil:
        fill(&record, 0, 16)
        for i in range(spacing.shape[0]):
            due += spacing[i]
            now = mono_ns()
            while now < due:
                now = mono_ns()
            record.instrument_id = <int>(i % rows)
            record.depth_update_id = i
            record.publish_mono_ns = now
            ring_publish_book(&writer.w, <int>(i % rows), &record)


def consume(RingReader reader, int64_t[::1] latency):
    """Poll until as many records as `latency` has places were read; latency[i] = clock after the copy minus publish stamp.
    Returns the checksum over the update ids that were read, or -1 after anything but records."""
    cdef book_record_t record
    cdef Py_ssize_t i
    cdef int64_t total = 0
    cdef int code
    with nogil:
        for i in range(latency.shape[0]):
            code = ring_poll_book(&reader.r, &record)
            while code == 0:
                code = ring_poll_book(&reader.r, &record)
            if code != RING_RECORD:
                total = -1
                break
            latency[i] = mono_ns() - record.publish_mono_ns
            total += record.depth_update_id
    return total


def time_publish(FeedWriter writer, Py_ssize_t rounds, int rows):
    """ns a publish, in one process."""
    cdef book_record_t record
    cdef Py_ssize_t i
    cdef int64_t started
    with nogil:
        fill(&record, 0, 16)
        started = mono_ns()
        for i in range(rounds):
            record.instrument_id = <int>(i % rows)
            ring_publish_book(&writer.w, <int>(i % rows), &record)
        started = mono_ns() - started
    return started / <double>rounds


def time_poll(RingReader reader, Py_ssize_t rounds):
    """(ns a poll, records got) over `rounds` polls."""
    cdef book_record_t record
    cdef Py_ssize_t i
    cdef Py_ssize_t got = 0
    cdef int64_t started
    with nogil:
        started = mono_ns()
        for i in range(rounds):
            got += ring_poll_book(&reader.r, &record) == RING_RECORD
        started = mono_ns() - started
    return started / <double>rounds, got


def time_read_board(RingReader reader, Py_ssize_t rounds, int rows):
    """ns a board read."""
    cdef book_record_t record
    cdef Py_ssize_t i
    cdef int64_t started
    cdef uint64_t total = 0
    with nogil:
        started = mono_ns()
        for i in range(rounds):
            ring_read_board(&reader.r, <int>(i % rows), &record)
            total += record.instrument_seq
        started = mono_ns() - started
    return started / <double>rounds
