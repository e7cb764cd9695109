"""What a Bybit v5 frame says, before any rule about order or sync is applied to it; see bybit_message.pyx."""
from libc.stdint cimport uint32_t, uint64_t

from cext.decoders.message cimport message_t, parser_t

cdef extern from "decoders/bybit_message.h" nogil:
    enum:
        OBJECT_OPENS
        OBJECT_ENDS
        KEY_TOPIC
        KEY_TYPE
        KEY_TS
        KEY_CTS
        KEY_DATA
        KEY_SUCCESS
        KEY_OP
        KEY_RET_MSG
        KEY_REQ_ID
        KEY_RET_CODE
        KEY_RESULT
        KEY_S
        KEY_B
        KEY_A
        KEY_U
        KEY_SEQ
        KEY_TIME
        KEY_SIDE
        KEY_SIZE
        KEY_PRICE
        KEY_ID
        KEY_SYMBOL
        KEY_MARK
        KEY_INDEX
        KEY_RATE
        KEY_NEXT
        KEY_INTERVAL
        TOPIC_NONE
        TOPIC_OTHER
        TOPIC_BOOK
        TOPIC_TRADES
        TOPIC_TICKER

    ctypedef struct topic_t:
        int kind
        uint32_t depth
        int is_snapshot
        const char *symbol
        uint64_t symbol_bytes

    uint32_t outer_key(const char *name, uint64_t size) noexcept
    uint32_t book_key(const char *name, uint64_t size) noexcept
    uint32_t reply_key(const char *name, uint64_t size) noexcept
    uint32_t trade_key(const char *name, uint64_t size) noexcept
    uint32_t ticker_key(const char *name, uint64_t size) noexcept


# One websocket frame -> message and what its topic said. Total: any bytes give a MSG_* kind, nothing outside data[0:size] is
# read.
cdef void parse_frame(parser_t *d, const char *data, Py_ssize_t size, topic_t *topic, message_t *m) noexcept nogil
# One REST reply of GET /v5/market/orderbook of a row -> message (a whole book). 0, or -1 when it is none
cdef int parse_snapshot(parser_t *d, int row, const char *data, Py_ssize_t size, message_t *m) noexcept nogil
