"""Leaves that write order requests; see order_frames.h. A frame is written at `out`, which needs FRAME_HEAD_ROOM writable bytes
in front of it (websocket header) and FRAME_CAPACITY + FRAME_SLACK from it on."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "order_frames.h" nogil:
    const int FRAME_HEAD_ROOM
    const int FRAME_CAPACITY
    const int FRAME_SLACK
    const int FRAME_BUFFER_BYTES
    const int TEXT_CAPACITY
    ctypedef struct text_t:
        char text[256]
        uint32_t bytes
    char *copy_text(char *to, const text_t *source) noexcept
    char *copy_client_id(char *to, const uint8_t *client_id) noexcept
    uint32_t symbol_length(const uint8_t *symbol) noexcept
    char *write_digits(char *to, uint64_t value, int width_min) noexcept
    char *write_decimal(char *to, uint64_t value, int scale) noexcept
    char *write_size(char *to, uint64_t qty, int64_t size_mul, int size_scale) noexcept
