"""The journal: an append-only log in preallocated segments on /dev/shm. A record is committed by one release store, so kill -9 at
any instruction leaves exactly the committed prefix. engine/flusher.py copies to disk; format: docs/journal.md."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from cext.layout cimport journal_header_t, journal_record_t

cdef enum:
    JOURNAL_RETIRED_MAX = 16

ctypedef struct journal_segment_t:
    uint8_t *base                # NULL = none
    uint64_t bytes
    uint32_t index

ctypedef struct journal_t:
    journal_segment_t active
    journal_segment_t spare      # swapped in by the append that finds no room; prepared off the hot path
    uint64_t position            # of the next record in the active segment
    uint64_t next_seq
    uint64_t epoch
    uint64_t full                # appends refused because no room and no spare were left
    journal_segment_t retired[JOURNAL_RETIRED_MAX]   # full ones, to be unmapped by tend()
    int retired_count

# Sequence number of the record, or 0 when there is neither room nor a spare segment (counted in `full`: the caller stops new
# risk).
# correlation: trade id, 0 = none.  Payload is copied; about 100 ns for an intent_t.
cdef uint64_t journal_append(journal_t *j, uint32_t type, const void *payload, uint32_t payload_bytes, int64_t mono, int64_t wall,
                             uint64_t correlation) noexcept nogil  # hot


# Keeps the append's code and the next record's lines at hand, between records that are far apart; writes nothing.
cdef uint32_t journal_rehearse(journal_t *j, const void *payload, uint32_t payload_bytes) noexcept nogil  # hot


cdef class JournalWriter:
    """`&writer.j` is what hot code appends through. tend() must be called every few ms from the calm side: it prepares the spare
    segment on a thread of its own and drops full ones."""
    cdef journal_t j
    cdef readonly str run_id
    cdef readonly str stream        # "journal", or "inputs" (engine/input_log.py)
    cdef readonly uint64_t segment_bytes
    cdef object _segments
    cdef object _thread
    cdef object _prepared
    cdef object _failure
    cdef uint32_t _next_index
    cdef double _retry_mono_s
