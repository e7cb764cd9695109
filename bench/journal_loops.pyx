"""Inner loops of bench_journal and bench_hist, as the engine calls them: real payloads, the clock read around each append."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from cext.clock cimport mono_ns
from cext.hist cimport HistPage, hist_record, histogram_t
from cext.journal cimport JournalWriter, journal_append
from cext.layout cimport JR_INTENT, intent_t


def time_appends(JournalWriter writer, int64_t[::1] latency, int payload_bytes):
    """latency[i] = ns of one append of `payload_bytes` of an intent_t, less nothing: the two clock reads are in it. Returns
    appends refused."""
    cdef intent_t intent
    cdef Py_ssize_t i
    cdef Py_ssize_t refused = 0
    cdef int64_t before
    cdef int64_t after
    with nogil:
        memset(&intent, 0x5a, sizeof(intent))
        for i in range(latency.shape[0]):
            intent.intent_id = i
            before = mono_ns()
            if journal_append(&writer.j, JR_INTENT, &intent, payload_bytes, before, before, intent.intent_id) == 0:
                refused += 1
            after = mono_ns()
            latency[i] = after - before
    return refused


def time_clock(int64_t[::1] latency):
    """latency[i] = ns between two clock reads with nothing between."""
    cdef Py_ssize_t i
    cdef int64_t before
    with nogil:
        for i in range(latency.shape[0]):
            before = mono_ns()
            latency[i] = mono_ns() - before


def time_records(HistPage page, const int64_t[::1] values):
    """ns of one hist_record, over values as they came."""
    cdef histogram_t *h = page.at(0)
    cdef Py_ssize_t i
    cdef int64_t started = mono_ns()
    with nogil:
        for i in range(values.shape[0]):
            hist_record(h, values[i])
        started = mono_ns() - started
    return started / <double>values.shape[0]


cdef uint64_t churn(uint8_t[::1] memory, uint64_t seed, int lines) noexcept nogil:
    """Touch `lines` cache lines all over `memory`, as the code between two records does."""
    cdef int i
    cdef uint64_t mask = <uint64_t>memory.shape[0] - 1
    for i in range(lines):
        seed = seed * 6364136223846793005u + 1442695040888963407u
        memory[(seed >> 20) & mask] += 1
    return seed


def time_records_in_place(HistPage page, const int64_t[::1] values, uint8_t[::1] memory, int lines, bint with_record):
    """ns a step of other work over `memory` (a power of two bytes) with, or without, one hist_record into a histogram that
    changes from step to step. The difference of the two is what recording costs where it stands."""
    cdef Py_ssize_t i
    cdef uint64_t seed = 1
    cdef int64_t started = mono_ns()
    with nogil:
        for i in range(values.shape[0]):
            seed = churn(memory, seed, lines)
            if with_record:
                hist_record(page.at(<int>(i % page.count)), values[i])
        started = mono_ns() - started
    return started / <double>values.shape[0]


def time_appends_in_place(JournalWriter writer, int64_t[::1] latency, int payload_bytes, uint8_t[::1] memory, int lines):
    """As time_appends, with `lines` cache lines of other memory touched before each append."""
    cdef intent_t intent
    cdef Py_ssize_t i
    cdef int64_t before
    cdef uint64_t seed = 1
    with nogil:
        memset(&intent, 0x5a, sizeof(intent))
        for i in range(latency.shape[0]):
            seed = churn(memory, seed, lines)
            intent.intent_id = i
            before = mono_ns()
            journal_append(&writer.j, JR_INTENT, &intent, payload_bytes, before, before, intent.intent_id)
            latency[i] = mono_ns() - before
