"""Bybit v5 market data, spot and linear; see bybit.pyx and market.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cext.decoders.bybit_message cimport topic_t
from cext.decoders.frames cimport frame_result_t, stamps_t
from cext.decoders.market cimport MarketDecoder

ctypedef struct bybit_row_t:
    uint32_t depth           # levels of the topic that makes the book; 0 = none yet
    uint64_t top_u           # update id of the newest top of book
    int64_t ticker_ns        # of the newest ticker


cdef class BybitMarket(MarketDecoder):
    cdef bybit_row_t *bybit_rows    # by row
    cdef topic_t topic              # of the frame in hand

    cdef void place_message(self) noexcept nogil
