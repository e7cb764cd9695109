"""What every venue's market data decoder speaks: the stamps it is given, the result it gives, the counters it keeps for each instrument.

The feed listener and tools/replay are written against this page only; a decoder (binance.pxd, later venues) adds nothing to it."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cext.layout cimport funding_record_t, trade_record_t

cdef enum:
    FRAME_UNKNOWN = 0        # nothing that we asked for: counted (unknown_frames)
    FRAME_BOOK = 1           # the book or its top changed: publish a record of `row`
    FRAME_TRADE = 2          # `trade` is filled
    FRAME_FUNDING = 3        # `funding` is filled
    FRAME_NOTHING = 4        # duplicate, older than what we have, or a top while the depth is out of sync
    FRAME_BUFFERED = 5       # a delta of a row that waits for its snapshot
    FRAME_NEED_SNAPSHOT = 6  # row went out of sync: publish (INVALID), fetch a snapshot
    FRAME_ACK = 7            # reply to a subscription request: ack_id, ack_error
    FRAME_SHUTDOWN = 8       # the venue is about to close this connection: connect anew now
    FRAME_ERROR = 9          # undecodable; row = -1, or >= 0 when that row's book is INVALID now: publish, fetch a snapshot

cdef enum:
    SNAPSHOT_SYNCED = 0      # publish
    SNAPSHOT_TOO_OLD = 1     # the first buffered delta begins after it: fetch again
    SNAPSHOT_WAITING = 2     # loaded; VALID as soon as a delta joins on
    SNAPSHOT_GAP = 3         # a hole within the buffered deltas: fetch again
    SNAPSHOT_ERROR = 4       # undecodable: fetch again
    SNAPSHOT_IGNORED = 5     # the row is in sync already

ctypedef struct stamps_t:
    int64_t batch_mono_ns    # first frame of this socket read reached the listener
    int64_t frame_mono_ns    # this frame reached the decoder: the clock of sync, quiet and crossed rules
    int64_t recv_wall_ns     # wall clock beside batch_mono_ns
    uint32_t connection_id   # which socket of the feed

ctypedef struct frame_result_t:
    int kind                 # FRAME_*
    int row                  # -1 = none
    int64_t ack_id           # FRAME_ACK: id of the request; -1 = not an integer
    int32_t ack_error        # FRAME_ACK: the venue's error code; 0 = accepted
    trade_record_t trade     # FRAME_TRADE: all but seq
    funding_record_t funding # FRAME_FUNDING: all but seq

ctypedef struct stream_stats_t:
    uint64_t msgs            # depth messages of this instrument
    uint64_t applied         # of these, applied to the book
    uint64_t tops            # top-of-book messages
    uint64_t duplicates      # depth, top and trade messages that were older than what we had
    uint64_t gaps            # holes in the venue's sequence while in sync
    uint64_t invalid         # messages refused: undecodable, wrong value, or contradicting the book
    uint64_t crossed         # depth messages after which best bid >= best ask
    uint64_t resyncs         # times that a book which had been VALID became INVALID
    uint64_t top_checks      # times that depth and top had the same update id, so that their best levels could be compared
    int64_t lag_min_ns       # smallest receive wall - event time seen: the skew of the two clocks
    int64_t lag_raw_ns       # newest receive wall - event time, skew included
    uint32_t status          # STATUS_* of layout.h
    uint32_t epoch           # raised each time the book became INVALID
