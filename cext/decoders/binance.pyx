"""Binance market data, spot and USD-M: binance_message says what the bytes are, this file how deltas follow each other; the
rest is that of every venue (market.pyx, stream.pyx).

    spot   a snapshot with id L: deltas with u <= L are old; the first one used has U <= L+1 <= u; later ones U <= previous u + 1
    USD-M  a snapshot with id L: deltas with u < L are old; the first one used has U <= L <= u; later ones pu == previous u

Sources: Binance spot web-socket-streams.md (rule text of 2025-11-12), USD-M "how to manage a local order book correctly"
(2026-05)."""
import cython

from libc.stdint cimport uint64_t
from libc.string cimport memset

from cext.decoders.binance_message cimport parse_frame, parse_snapshot
from cext.decoders.frames cimport SNAPSHOT_ERROR, frame_result_t, stamps_t
from cext.decoders.market cimport MarketDecoder
from cext.decoders.stream cimport delta_t, sync_rules_t, take_message, take_snapshot
from cext.instrument cimport InstrumentArray


# ---------------------------------------------------------------- the venue's rules

cdef int is_duplicate(const delta_t *d, uint64_t update_id) noexcept nogil:  # hot
    return d.last_id <= update_id


cdef int spot_follows(const delta_t *d, uint64_t update_id) noexcept nogil:  # hot
    """Spot may overlap: its quantities are absolute."""
    return d.first_id <= update_id + 1


cdef int spot_is_older(const delta_t *d, uint64_t snapshot_id) noexcept nogil:  # hot
    return d.last_id <= snapshot_id


cdef int linear_follows(const delta_t *d, uint64_t update_id) noexcept nogil:  # hot
    return d.previous_id == update_id


cdef int linear_is_older(const delta_t *d, uint64_t snapshot_id) noexcept nogil:  # hot
    return d.last_id < snapshot_id


cdef int linear_joins(const delta_t *d, uint64_t snapshot_id) noexcept nogil:  # hot
    """It straddles the snapshot, or names it as the state that it follows."""
    return d.first_id <= snapshot_id or d.previous_id == snapshot_id


cdef sync_rules_t SPOT
cdef sync_rules_t LINEAR
memset(&SPOT, 0, sizeof(SPOT))
SPOT.is_duplicate, SPOT.follows, SPOT.is_older, SPOT.joins = is_duplicate, spot_follows, spot_is_older, spot_follows
SPOT.is_top_checked = SPOT.has_trade_order = True
LINEAR = SPOT
LINEAR.follows, LINEAR.is_older, LINEAR.joins = linear_follows, linear_is_older, linear_joins


# ---------------------------------------------------------------- the class

@cython.final
cdef class BinanceMarket(MarketDecoder):
    """Binance spot or USD-M; see market.pxd."""

    def __cinit__(self, InstrumentArray instruments, str market, list rows):
        self.use_rules(&LINEAR if market == "linear" else &SPOT)

    cdef int decode_frame(self, const char *data, Py_ssize_t size, const stamps_t *stamps,
                          frame_result_t *out) noexcept nogil:  # hot
        parse_frame(&self.state.parser, data, size, &self.state.message)
        return take_message(self.state, stamps, out)

    cdef int load_snapshot(self, int row, const char *data, Py_ssize_t size, int limit,
                           const stamps_t *stamps) noexcept nogil:  # hot
        if parse_snapshot(&self.state.parser, row, data, size, &self.state.message) != 0:
            return SNAPSHOT_ERROR
        self.state.message.depth_limit = limit
        return take_snapshot(&self.state.streams[row], &self.state.message, stamps.frame_mono_ns)
