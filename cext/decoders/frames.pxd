"""What every venue's market data decoder speaks; see frames.h, which says what each value and field means."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cext.layout cimport funding_record_t, trade_record_t

cdef extern from "decoders/frames.h" nogil:
    enum:
        FRAME_UNKNOWN
        FRAME_BOOK
        FRAME_TRADE
        FRAME_FUNDING
        FRAME_NOTHING
        FRAME_BUFFERED
        FRAME_NEED_SNAPSHOT
        FRAME_ACK
        FRAME_SHUTDOWN
        FRAME_ERROR
        SNAPSHOT_SYNCED
        SNAPSHOT_TOO_OLD
        SNAPSHOT_WAITING
        SNAPSHOT_ERROR
        SNAPSHOT_IGNORED

    ctypedef struct stamps_t:
        int64_t batch_mono_ns
        int64_t frame_mono_ns
        int64_t recv_wall_ns
        uint32_t connection_id

    ctypedef struct frame_result_t:
        int kind
        int row
        int64_t ack_id
        int32_t ack_error
        trade_record_t *trades
        uint32_t trade_count
        funding_record_t funding

    ctypedef struct stream_stats_t:
        uint64_t msgs
        uint64_t applied
        uint64_t tops
        uint64_t duplicates
        uint64_t gaps
        uint64_t invalid
        uint64_t crossed
        uint64_t resyncs
        uint64_t top_checks
        int64_t lag_min_ns
        int64_t lag_raw_ns
        int64_t lag_mark_ns
        uint32_t status
        uint32_t epoch
