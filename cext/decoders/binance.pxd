"""Binance market data: bytes of one frame -> books, records, trades, funding. One `BinanceMarket` for one (venue, market) of a
process.

Called by the feed listener and by tools/replay: the same code on the same bytes. It owns, for each of its rows, the full-depth
book, the sync state with the deltas buffered while out of sync, the top of book kept apart as an overlay, the counters, and what
is learned about quiet and lag. It never opens a socket or reads a clock, and makes no Python object after construction.

    kind = market.decode_frame(data, size, &stamps, &result)
    if kind == FRAME_BOOK or kind == FRAME_NEED_SNAPSHOT or (kind == FRAME_ERROR and result.row >= 0):
        market.build_record(result.row, &stamps, &record)      # then stamp publish_mono_ns and publish

DANGER: `data` is read in place and only during the call; what must outlive it (deltas that wait for a snapshot) is copied
inside."""
from cext.decoders.binance_sync cimport binance_state_t
from cext.decoders.frames cimport frame_result_t, stamps_t, stream_stats_t
from cext.instrument cimport InstrumentArray
from libc.stdint cimport uint32_t

from cext.layout cimport book_record_t


cdef class BinanceMarket:
    cdef readonly InstrumentArray instruments   # keeps the C rows alive
    cdef readonly str market                    # spot | linear
    cdef readonly list rows                     # rows (= instrument ids) of this market
    cdef binance_state_t *state                 # all of it: binance_state.h

    # hot: no Python; allocates only when a book or a buffer grows
    cdef void set_board_hint(self, const void *board, uint32_t stride, uint32_t size_bytes) noexcept nogil
    cdef int decode_frame(self, const char *data, Py_ssize_t size, const stamps_t *stamps, frame_result_t *out) noexcept nogil
    cdef void build_record(self, int row, const stamps_t *stamps, book_record_t *out) noexcept nogil
    # once per resync; `limit` = levels a side asked for (0 = unknown). Returns SNAPSHOT_*
    cdef int load_snapshot(self, int row, const char *data, Py_ssize_t size, int limit, const stamps_t *stamps) noexcept nogil
    # row out of sync (disconnect, doubt): 1 if it was VALID or about to be, 0 if it was out of sync anyway
    cdef int invalidate_row(self, int row) noexcept nogil
    # counters and status of one row, for the board
    cdef const stream_stats_t *stats_of(self, int row) noexcept nogil
