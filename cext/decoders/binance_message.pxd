"""Bytes of one Binance market data message -> message_t; see binance_message.pyx. No state but the scratch: what a message
means for a book is decided in stream.pyx by the rules of binance.pyx."""
from libc.stdint cimport uint32_t, uint64_t

from cext.decoders.message cimport message_t, parser_t

cdef extern from "decoders/binance_message.h" nogil:
    enum:
        KEY_PU
        KEY_DATA
        KEY_RESULT
        KEY_ID
        KEY_CODE
        KEY_ERROR
        KEY_LAST_UPDATE_ID
        KEY_BIDS
        KEY_ASKS

    uint32_t key_of_letter(char letter) noexcept
    uint32_t key_of_name(const char *name, uint64_t size) noexcept


# One websocket frame. Fills `m` whole; the levels live in the scratch until the next call.
cdef void parse_frame(parser_t *d, const char *data, Py_ssize_t size, message_t *m) noexcept nogil
# One REST depth body of `row`: last_id, event_ns, levels. Returns 0, or -1 when it is malformed.
cdef int parse_snapshot(parser_t *d, int row, const char *data, Py_ssize_t size, message_t *m) noexcept nogil
