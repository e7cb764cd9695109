"""Binance's sync rules and the merging of depth and top; see binance_sync.pyx. Structs: binance_state.h."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cext.book cimport book_t
from cext.decoders.binance_message cimport decoder_t, message_t
from cext.decoders.frames cimport stamps_t, stream_stats_t
from cext.layout cimport book_record_t, level_t

cdef extern from "decoders/learn.h" nogil:
    ctypedef struct quiet_t:
        int64_t last_mono_ns
        uint32_t samples
        uint32_t limit_ms
    void quiet_learn(quiet_t *quiet, int64_t mono_ns) noexcept
    void quiet_pause(quiet_t *quiet) noexcept

cdef extern from "decoders/pending.h" nogil:
    ctypedef struct delta_t:
        uint64_t first_id
        uint64_t last_id
        uint64_t previous_id
        int64_t event_ns
        uint32_t bid_count
        uint32_t ask_count
    ctypedef struct pending_t:
        uint32_t used_bytes
        uint32_t count
        uint64_t last_id
    void pending_clear(pending_t *pending) noexcept
    void pending_free(pending_t *pending) noexcept
    uint32_t delta_bytes(const delta_t *delta) noexcept
    void pending_push(pending_t *pending, const delta_t *delta, const level_t *bids, const level_t *asks) noexcept
    const delta_t *pending_at(const pending_t *pending, uint32_t offset) noexcept
    const level_t *delta_levels(const delta_t *delta) noexcept

cdef extern from "decoders/binance_state.h" nogil:
    enum:
        SYNC_NONE
        SYNC_JOINING
        SYNC_LIVE
    const int64_t CROSSED_MAX_NS
    const int64_t TOP_AHEAD_MAX_NS
    const double LEVEL_NOTIONAL_LIMIT

    ctypedef struct stream_t:
        book_t book
        int sync
        int is_member
        uint64_t update_id
        int64_t depth_exch_ns
        pending_t pending
        uint32_t is_complete[2]
        uint64_t top_id
        int64_t top_exch_ns
        int64_t top_mono_ns
        level_t top[2]
        int64_t crossed_since_mono_ns
        uint64_t trade_ids[2]
        uint32_t funding_interval_s
        quiet_t quiet
        stream_stats_t stats

    ctypedef struct binance_state_t:
        uint64_t frames
        uint64_t unknown_frames
        uint64_t unknown_symbols
        uint64_t error_frames
        stream_t *streams
        int row_count
        decoder_t decoder
        message_t message


# Each returns FRAME_*: what the caller tells the listener.
cdef int take_depth(stream_t *s, const message_t *m, bint is_linear, int64_t mono_ns) noexcept nogil
cdef int take_top(stream_t *s, const message_t *m, int64_t mono_ns) noexcept nogil
# SNAPSHOT_*
cdef int take_snapshot(stream_t *s, const message_t *m, bint is_linear, int limit, int64_t mono_ns) noexcept nogil
# Out of sync now. Returns 1 if the book had been VALID or about to be, 0 if it was out of sync anyway.
cdef int lose_sync(stream_t *s) noexcept nogil
# The stream itself was cut (disconnect, a message lost): what waits for a snapshot and the top are void too.
cdef int lose_stream(stream_t *s) noexcept nogil
cdef void learn_lag(stream_t *s, int64_t exch_ns, int64_t recv_wall_ns) noexcept nogil
# All of the record but seq, instrument_seq, publish_mono_ns, alive_mono_ns.
cdef void fill_record(const stream_t *s, uint32_t instrument_id, const stamps_t *stamps, book_record_t *out) noexcept nogil
