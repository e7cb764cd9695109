"""Market data of one (venue, market): bytes of one frame -> books, records, trades, funding. `MarketDecoder` is the base; a
venue's class parses the bytes and says how its deltas follow each other.

Called by the feed listener and by tools/replay: the same code on the same bytes. It owns, for each of its rows, the full-depth
book, the sync state with the deltas buffered while out of sync, the top of book kept apart as an overlay, the counters, and what
is learned about quiet and lag. It never opens a socket or reads a clock, and makes no Python object after construction.

    kind = market.decode_frame(data, size, &stamps, &result)
    if kind == FRAME_BOOK or kind == FRAME_NEED_SNAPSHOT or (kind == FRAME_ERROR and result.row >= 0):
        market.build_record(result.row, &stamps, &record)      # then stamp publish_mono_ns and publish

A venue writes:

    cdef class NameMarket(MarketDecoder):
        def __cinit__(self, InstrumentArray instruments, str market, list rows):    # the base's ran before it
            self.use_rules(&RULES)
        cdef int decode_frame(self, data, size, stamps, out) noexcept nogil:        # hot
            parse_frame(&self.state.parser, data, size, &self.state.message)
            return take_message(self.state, stamps, out)                            # stream.pyx; counts the frame, fills out
        cdef int load_snapshot(self, row, data, size, limit, stamps) noexcept nogil:  # hot
            if parse_snapshot(&self.state.parser, row, data, size, &self.state.message) != 0: return SNAPSHOT_ERROR
            self.state.message.depth_limit = limit
            return take_snapshot(&self.state.streams[row], &self.state.message, stamps.frame_mono_ns)

DANGER: `data` is read in place and only during the call; what must outlive it (deltas that wait for a snapshot) is copied
inside."""
from libc.stdint cimport uint32_t

from cext.decoders.frames cimport frame_result_t, stamps_t, stream_stats_t
from cext.decoders.stream cimport market_state_t, sync_rules_t
from cext.instrument cimport InstrumentArray
from cext.layout cimport book_record_t


cdef class MarketDecoder:
    cdef readonly InstrumentArray instruments   # keeps the C rows alive
    cdef readonly str market                    # spot | linear
    cdef readonly list rows                     # rows (= instrument ids) of this market
    cdef market_state_t *state                  # all of it: stream.h

    # at construction, once: the venue's rules for all rows; `rules` must live as long as the process
    cdef int use_rules(self, const sync_rules_t *rules) except -1

    # ---- of the venue. hot: no Python; allocates only when a book or a buffer grows. Returns FRAME_* and fills `out`
    cdef int decode_frame(self, const char *data, Py_ssize_t size, const stamps_t *stamps, frame_result_t *out) noexcept nogil
    # a REST body; once per resync; `limit` = levels a side asked for (0 = unknown). Returns SNAPSHOT_*
    cdef int load_snapshot(self, int row, const char *data, Py_ssize_t size, int limit, const stamps_t *stamps) noexcept nogil

    # ---- of all venues
    cdef void build_record(self, int row, const stamps_t *stamps, book_record_t *out) noexcept nogil
    # row out of sync (disconnect, doubt): 1 if it was VALID or about to be, 0 if it was out of sync anyway
    cdef int invalidate_row(self, int row) noexcept nogil
    # counters and status of one row, for the board
    cdef const stream_stats_t *stats_of(self, int row) noexcept nogil
    cdef void set_board_hint(self, const void *board, uint32_t stride, uint32_t size_bytes) noexcept nogil
