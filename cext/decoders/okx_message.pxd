"""Bytes of OKX v5 public WebSocket frames and REST books -> message_t; see okx_message.pyx. Structs: okx_message.h."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cext.decoders.message cimport fields_t, message_t, parser_t, span_t
from cext.decoders.okx_checksum cimport forms_t
from cext.decoders.stream cimport sync_rules_t

cdef extern from "decoders/okx_message.h" nogil:
    enum:
        CHANNEL_OTHER
        CHANNEL_BOOKS
        CHANNEL_TOP
        CHANNEL_TRADES
        CHANNEL_MARK
        CHANNEL_FUNDING
    const uint64_t SEQ_LIMIT
    const uint32_t GENERATION_MAX
    const uint64_t SEQ_NONE

    ctypedef struct okx_frame_t:
        int channel
        int has_seq
        int has_previous
        int is_subscribed
        span_t bids
        span_t asks
        fields_t inner

    ctypedef struct okx_row_t:
        uint64_t depth_seq
        int64_t depth_ns
        uint64_t top_seq
        int64_t top_ns
        int64_t generation_ns
        uint32_t depth_generation
        uint32_t top_generation
        uint32_t depth_connection
        uint32_t is_begun
        uint32_t is_numbered
        uint64_t restarts
        forms_t forms

    ctypedef struct okx_state_t:
        sync_rules_t rules
        okx_row_t *rows
        okx_frame_t frame


# One frame. Total: any bytes give a kind (m.kind).
cdef void parse_frame(parser_t *d, okx_frame_t *o, const char *data, Py_ssize_t size, message_t *m) noexcept nogil
# A REST body of GET /api/v5/market/books. 0, or -1 = not one.
cdef int parse_snapshot(parser_t *d, okx_frame_t *o, int row, const char *data, Py_ssize_t size, message_t *m) noexcept nogil
