"""The hot half of a feed: frames from picows, read in place, decoded, published.

    FeedPublisher   one a process: segment, doorbell, histograms, what is known of each row. Shared by all listeners
    FeedListener    one a socket: takes stamps, decodes with its market's decoder, publishes through the publisher
    CaptureBuffer   one a process while recording: raw frames wait here until the loop hands them to the writer

Everything runs on the feed's one thread. What needs Python (a snapshot, a reconnect, an acknowledgement) is left as a flag or a
short list; process.py looks at those every few milliseconds."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from picows.picows cimport WSFrame, WSListener, WSTransport

from cext.decoders.market cimport MarketDecoder
from cext.decoders.frames cimport frame_result_t, stamps_t
from cext.doorbell cimport Doorbell, doorbell_t
from cext.hist cimport HistPage
from cext.layout cimport book_record_t, histogram_t
from cext.ring cimport FeedWriter, feed_writer_t

cdef enum:
    SEEN_BOOK = 1      # a depth or top message of this row came through this socket
    SEEN_TRADE = 2
    SEEN_FUNDING = 4
    SEEN_DEPTH = 8     # in sequence: a depth message of this row was applied, buffered or recognised as a duplicate


cdef class CaptureBuffer:
    """Records of cext/capture.h, appended in place; full = dropped and counted. `take()` empties it."""
    cdef uint8_t *data
    cdef uint64_t used
    cdef uint64_t capacity
    cdef readonly uint64_t dropped
    cdef void put(self, int kind, int market, int row, const stamps_t *at, const char *data, int size) noexcept nogil


# What a frame on its way touches, as one plain struct: usable without Python. Owned by FeedPublisher.
ctypedef struct hot_feed_t:
    feed_writer_t *writer
    doorbell_t *bell
    histogram_t *wire_hist
    histogram_t *recv_hist
    histogram_t *decode_hist
    histogram_t *publish_hist
    int32_t count
    int64_t wall_minus_mono_ns   # when the feed began: receive times count on from there, whatever becomes of the wall clock
    # by row
    uint8_t *wanted          # 1 = out of sync and its deltas flow: fetch a snapshot
    int64_t *crossed_mono_ns # since when the published book is crossed, 0 = it is not
    int64_t *book_mono_ns    # last book message, 0 = none yet
    uint64_t *row_frames
    uint64_t *row_records
    uint64_t *crossed_before # counters of the row a second ago: depth messages that left the depth itself crossed
    # for the calm side
    bint any_wanted
    uint64_t frames
    uint64_t errors          # undecodable frames, exceptions
    book_record_t record     # scratch: a record on its way


cdef class FeedPublisher:
    cdef hot_feed_t h
    cdef readonly FeedWriter writer
    cdef Doorbell doorbell
    cdef HistPage hist
    cdef public uint64_t oversized
    cdef CaptureBuffer capture           # None = not recording
    cdef bint is_capturing


cdef class FeedListener(WSListener):
    cdef FeedPublisher publisher
    cdef hot_feed_t *p                   # of the publisher, which is kept alive above
    cdef MarketDecoder market
    cdef object owner                    # connection.Socket: told of connect, disconnect, acks
    cdef uint32_t market_code            # MARKET_*
    cdef stamps_t stamps
    cdef frame_result_t result
    cdef bint is_batch_start             # the next frame is the first of a socket read
    cdef uint8_t *seen                   # by row, SEEN_*
    cdef readonly int64_t rx_mono_ns     # last frame of any kind
    cdef readonly uint64_t frames
    cdef readonly bint is_shutdown_announced
    cdef int on_bytes(self, const char *data, Py_ssize_t size) noexcept nogil
    cdef on_rare(self, int kind, WSFrame frame)
    cdef on_other_frame(self, WSTransport transport, WSFrame frame)
