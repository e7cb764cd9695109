"""Bytes of one Binance market data message -> message_t; see binance_message.h. No state but the scratch: what a message means
for a book is decided in binance_sync."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from cext.instrument cimport instrument_t
from cext.layout cimport level_t

cdef extern from "decoders/symbols.h" nogil:
    ctypedef struct symbols_t:
        pass
    int symbols_find(const symbols_t *symbols, const char *text, uint64_t size) noexcept
    int symbols_init(symbols_t *symbols, uint32_t count) noexcept
    int symbols_add(symbols_t *symbols, const char *text, uint64_t size, int row) noexcept
    void symbols_free(symbols_t *symbols) noexcept

cdef extern from "decoders/binance_message.h" nogil:
    const uint64_t TIME_MS_LIMIT
    const uint64_t TIME_US_LIMIT
    enum:
        MESSAGE_BYTES_MAX
        SNAPSHOT_BYTES_MAX
        SCRATCH_LEVELS
        MSG_ERROR
        MSG_UNKNOWN
        MSG_DEPTH
        MSG_TOP
        MSG_TRADE
        MSG_MARK
        MSG_ACK
        MSG_SHUTDOWN
        MSG_NO_SYMBOL
        KEY_PU
        KEY_DATA
        KEY_RESULT
        KEY_ID
        KEY_CODE
        KEY_ERROR
        KEY_LAST_UPDATE_ID
        KEY_BIDS
        KEY_ASKS
        KEY_COUNT
        KEY_OTHER

    ctypedef struct message_t:
        int kind
        int row
        int is_book
        int is_aggregate
        int64_t event_ns
        int64_t trade_ns
        uint64_t first_id
        uint64_t last_id
        uint64_t previous_id
        level_t *bids
        level_t *asks
        uint32_t bid_count
        uint32_t ask_count
        level_t bid
        level_t ask
        uint64_t trade_id
        int64_t px
        int64_t qty
        int64_t index_px
        int64_t rate_e8
        int is_sell
        int64_t ack_id
        int32_t ack_error

    ctypedef struct span_t:
        const char *start
        const char *stop

    ctypedef struct fields_t:
        uint64_t seen
        const char *end
        span_t spans[KEY_COUNT]

    ctypedef struct hints_t:
        const uint8_t *streams
        const uint8_t *board
        uint32_t stream_stride
        uint32_t stream_bytes
        uint32_t board_stride
        uint32_t board_bytes

    ctypedef struct decoder_t:
        const instrument_t *instruments
        symbols_t symbols
        level_t *scratch
        uint32_t scratch_used
        int is_linear
        fields_t fields
        hints_t hints

    void hint_row(const decoder_t *d, int row) noexcept
    uint32_t key_of_letter(char letter) noexcept
    uint32_t key_of_name(const char *name, uint64_t size) noexcept


# One websocket frame. Fills `m` whole; the levels live in the scratch until the next call.
cdef void parse_frame(decoder_t *d, const char *data, Py_ssize_t size, message_t *m) noexcept nogil
# One REST depth body of `row`: last_id, event_ns, levels. Returns 0, or -1 when it is malformed.
cdef int parse_snapshot(decoder_t *d, int row, const char *data, Py_ssize_t size, message_t *m) noexcept nogil
