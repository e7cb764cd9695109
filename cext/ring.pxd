"""Rings and board of one feed: one producer, any number of readers, none of which slows the producer.

    FeedWriter   owns a segment in a feed process; `&writer.w` is what the listener publishes through
    RingReader   one reader's view of a segment; `&reader.r` is what the engine polls

Both are thin owners of plain C structs, so that listener, poll step and tests call the nogil functions below. The protocol
(seqlock words, board before ring, per-instrument sequence) is described at the top of ring.pyx."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from cext.layout cimport (CONNECTIONS_MAX, board_entry_t, book_record_t, funding_record_t, segment_header_t,
                          trade_record_t)

cdef enum:
    RING_RECORD = 1    # *out holds the next record
    RING_EMPTY = 0     # nothing new
    RING_LAPPED = -1   # records were lost: counted, cursor stands at the head; read the board of every row now
    # board: the entry stays half-written after RING_SPINS_MAX looks (is the producer dead?). Ring: a slot with a row that
    RING_TORN = -2
                       # does not exist, passed over. Nothing is given
    RING_STALE = -3    # the segment was retired by a newer producer: attach again, never read this one any more
    RING_SPINS_MAX = 64

ctypedef struct feed_writer_t:
    # where things lie; set once at creation
    segment_header_t *header
    book_record_t *ring
    trade_record_t *trades
    board_entry_t *board
    uint64_t mask
    uint64_t trade_mask
    int32_t instrument_count
    # the producer's own copies of what it counts: it never reads them back from shared memory
    uint64_t cursor
    uint64_t trade_cursor
    uint64_t *instrument_seq      # by row, last published

ctypedef struct ring_reader_t:
    # where things lie; set once at attach
    const segment_header_t *header
    const book_record_t *ring
    const trade_record_t *trades
    const board_entry_t *board
    uint64_t mask
    uint64_t trade_mask
    uint64_t generation           # of the segment when attached
    int32_t instrument_count
    # this reader's position
    uint64_t cursor               # next book record to read
    uint64_t trade_cursor
    uint64_t *instrument_seq      # by row, newest seen from ring or board: older ring records are skipped
    # what went wrong, in counts
    uint64_t laps                 # times this reader was overtaken
    uint64_t lost                 # book records overwritten before they were read
    uint64_t trades_lost
    uint64_t torn                 # reads given up: RING_TORN, and copies that the producer ran over
    uint64_t skipped              # ring records not newer than what the board had already given

# Producer. `record` is the caller's, all fields but seq and instrument_seq filled (these two are set here); publish_mono_ns is
# the caller's stamp.
cdef void ring_publish_book(feed_writer_t *w, int32_t row, book_record_t *record) noexcept nogil  # hot
cdef void ring_publish_trade(feed_writer_t *w, trade_record_t *record) noexcept nogil  # hot
cdef void ring_publish_funding(feed_writer_t *w, int32_t row, funding_record_t *record) noexcept nogil  # hot
cdef void ring_heartbeat(feed_writer_t *w, int64_t now_mono_ns) noexcept nogil  # hot
cdef void ring_set_alive(feed_writer_t *w, uint32_t connection_id, int64_t now_mono_ns) noexcept nogil  # hot

# Reader. Return RING_*; read_* return RING_RECORD, RING_EMPTY (never published) or RING_TORN.
cdef int ring_poll_book(ring_reader_t *r, book_record_t *out) noexcept nogil  # hot
cdef int ring_poll_trade(ring_reader_t *r, trade_record_t *out) noexcept nogil  # hot
cdef int ring_read_board(ring_reader_t *r, int32_t row, book_record_t *out) noexcept nogil  # hot
cdef int ring_read_funding(ring_reader_t *r, int32_t row, funding_record_t *out) noexcept nogil  # hot
cdef int64_t ring_alive_mono_ns(const ring_reader_t *r, uint32_t connection_id) noexcept nogil  # hot
cdef int64_t ring_heartbeat_mono_ns(const ring_reader_t *r) noexcept nogil  # hot


cdef class FeedWriter:
    """Owner of one feed's segment. One per feed process; every publishing call must come from one thread."""
    cdef feed_writer_t w
    cdef readonly str name        # "/lockstep.<run_id>.feed.<feed>"
    cdef object _segment
    cdef bint _is_open


cdef class RingReader:
    """One reader of one feed's segment. Maps it read-only; owns its cursor and per-row memory."""
    cdef ring_reader_t r
    cdef readonly str name
    cdef object _segment
    cdef int _go_back(self, uint64_t books, uint64_t trades) except -1
