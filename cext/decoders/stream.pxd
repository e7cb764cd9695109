"""When a book is true, for every venue: losing and gaining sync, merging depth and top, trades, funding; see stream.pyx. Structs:
stream.h."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cext.book cimport book_t
from cext.decoders.frames cimport frame_result_t, stamps_t, stream_stats_t
from cext.decoders.message cimport message_t, parser_t
from cext.instrument cimport instrument_t
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
        uint64_t order_id
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

cdef extern from "decoders/recent.h" nogil:
    ctypedef struct recent_t:
        uint64_t count
    int recent_add(recent_t *recent, uint64_t id) noexcept

cdef extern from "decoders/stream.h" nogil:
    enum:
        SYNC_NONE
        SYNC_JOINING
        SYNC_LIVE
        STREAM_HOT_BYTES
    const int64_t CROSSED_MAX_NS
    const int64_t TOP_AHEAD_MAX_NS
    const double LEVEL_NOTIONAL_LIMIT

    ctypedef struct stream_t

    ctypedef struct sync_rules_t:
        int (*is_duplicate)(const delta_t *delta, uint64_t update_id) noexcept nogil
        int (*follows)(const delta_t *delta, uint64_t update_id) noexcept nogil
        int (*is_older)(const delta_t *delta, uint64_t snapshot_id) noexcept nogil
        int (*joins)(const delta_t *delta, uint64_t snapshot_id) noexcept nogil
        int (*verify)(const stream_t *stream, const message_t *message) noexcept nogil
        int is_top_checked
        int has_trade_order

    ctypedef struct funding_t:
        uint32_t known
        uint32_t interval_s
        int64_t mark_px
        int64_t index_px
        int64_t rate_e8
        int64_t next_funding_ns

    ctypedef struct stream_t:
        book_t book
        const sync_rules_t *rules
        int sync
        int is_member
        uint64_t update_id
        uint64_t order_id
        int64_t depth_exch_ns
        pending_t pending
        uint32_t is_complete[2]
        uint64_t top_id
        int64_t top_exch_ns
        int64_t top_mono_ns
        level_t top[2]
        int64_t crossed_since_mono_ns
        uint64_t trade_ids[2]
        quiet_t quiet
        stream_stats_t stats
        const instrument_t *instrument
        recent_t *recent_trades
        funding_t funding
        uint64_t restarts
        int has_begun
        int begins_with_delta

    ctypedef struct market_state_t:
        uint64_t frames
        uint64_t unknown_frames
        uint64_t unknown_symbols
        uint64_t error_frames
        stream_t *streams
        int row_count
        parser_t parser
        message_t message


# Each returns FRAME_*: what the caller tells the listener.
# MSG_DEPTH: a delta, by the venue's rules
cdef int take_depth(stream_t *s, const message_t *m, int64_t mono_ns) noexcept nogil
# MSG_SNAPSHOT: a whole book on the stream. Always replaces, and is in sync at once
cdef int take_whole(stream_t *s, const message_t *m, int64_t mono_ns) noexcept nogil
# MSG_TOP
cdef int take_top(stream_t *s, const message_t *m, int64_t mono_ns) noexcept nogil
# MSG_TRADES: drops those seen before, FRAME_TRADE when some are left (then out.trades)
cdef int take_trades(stream_t *s, message_t *m, const stamps_t *stamps, frame_result_t *out) noexcept nogil
# MSG_FUNDING: FRAME_FUNDING (then out.funding) as soon as FUNDING_NEEDED is known
cdef int take_funding(stream_t *s, const message_t *m, const stamps_t *stamps, frame_result_t *out) noexcept nogil
# SNAPSHOT_*: a REST snapshot, joined with the deltas that wait; its depth_limit decides about is_complete
cdef int take_snapshot(stream_t *s, const message_t *m, int64_t mono_ns) noexcept nogil
# Out of sync now. Returns 1 if the book had been VALID or about to be, 0 if it was out of sync anyway.
cdef int lose_sync(stream_t *s) noexcept nogil
# The stream itself was cut (disconnect, a message lost): what waits for a snapshot and the top are void too.
cdef int lose_stream(stream_t *s) noexcept nogil
cdef void learn_lag(stream_t *s, int64_t exch_ns, int64_t recv_wall_ns) noexcept nogil
# All of the record but seq, instrument_seq, publish_mono_ns, alive_mono_ns.
cdef void fill_record(const stream_t *s, uint32_t instrument_id, const stamps_t *stamps, book_record_t *out) noexcept nogil
# Everything that follows from one parsed message, whatever its kind: the usual end of a decoder's decode_frame. FRAME_*
cdef int take_message(market_state_t *state, const stamps_t *stamps, frame_result_t *out) noexcept nogil
