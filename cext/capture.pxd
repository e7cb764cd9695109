"""Records of a decompressed capture block, walked in place; see capture.h and docs/capture-format.md."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

cdef extern from "capture.h" nogil:
    const uint32_t CAPTURE_FORMAT_VERSION
    const uint32_t CAPTURE_PAYLOAD_MAX
    const uint32_t CAPTURE_FRAME
    const uint32_t CAPTURE_SNAPSHOT
    const uint32_t CAPTURE_CONNECT
    const uint32_t CAPTURE_DISCONNECT
    const uint32_t CAPTURE_NOTE

    ctypedef struct capture_record_t:
        uint32_t payload_bytes
        uint8_t type
        uint8_t market
        uint8_t venue_index
        uint8_t pad0
        uint32_t connection_id
        int32_t row
        int64_t recv_wall_ns
        int64_t recv_mono_ns

    ctypedef struct capture_cursor_t:
        const uint8_t *next
        const uint8_t *end

    int capture_next(capture_cursor_t *cursor, const capture_record_t **record, const uint8_t **payload)


cdef class BlockCursor:
    """A block (bytes, kept alive here) and the place reached in it. Give it a new block with `load`."""
    cdef object block              # owns the memory that `cursor` points into
    cdef const uint8_t *start
    cdef capture_cursor_t cursor
