"""One market data message of any venue, and what a parser works with; see message.h, which says what each field means."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from cext.instrument cimport instrument_t
from cext.layout cimport level_t, trade_record_t

cdef extern from "decoders/symbols.h" nogil:
    ctypedef struct symbols_t:
        pass
    int symbols_find(const symbols_t *symbols, const char *text, uint64_t size) noexcept
    int symbols_init(symbols_t *symbols, uint32_t count) noexcept
    int symbols_add(symbols_t *symbols, const char *text, uint64_t size, int row) noexcept
    void symbols_free(symbols_t *symbols) noexcept

cdef extern from "decoders/fields.h" nogil:
    enum:
        FIELDS_MAX
        KEY_OTHER
    const uint64_t TIME_MS_LIMIT
    const uint64_t TIME_US_LIMIT

    ctypedef struct span_t:
        const char *start
        const char *stop

    ctypedef struct fields_t:
        uint64_t seen
        const char *end
        span_t spans[FIELDS_MAX]

    ctypedef uint32_t (*key_of_t)(const char *name, uint64_t size) noexcept nogil

cdef extern from "decoders/message.h" nogil:
    enum:
        MESSAGE_BYTES_MAX
        SNAPSHOT_BYTES_MAX
        SCRATCH_LEVELS
        TRADES_MAX
        MSG_ERROR
        MSG_UNKNOWN
        MSG_DEPTH
        MSG_TOP
        MSG_TRADES
        MSG_FUNDING
        MSG_ACK
        MSG_SHUTDOWN
        MSG_NO_SYMBOL
        MSG_SNAPSHOT
        MSG_PONG
    const uint32_t FUNDING_MARK
    const uint32_t FUNDING_INDEX
    const uint32_t FUNDING_RATE
    const uint32_t FUNDING_NEXT
    const uint32_t FUNDING_INTERVAL
    const uint32_t FUNDING_NEEDED

    ctypedef struct message_t:
        int kind
        int row
        int is_book
        int has_checksum
        int64_t event_ns
        uint64_t first_id
        uint64_t last_id
        uint64_t previous_id
        uint64_t order_id
        int64_t checksum
        level_t *bids
        level_t *asks
        uint32_t bid_count
        uint32_t ask_count
        uint32_t depth_limit
        level_t bid
        level_t ask
        uint32_t trade_count
        uint32_t trade_group
        trade_record_t *trades
        uint32_t funding_given
        uint32_t interval_s
        int64_t mark_px
        int64_t index_px
        int64_t rate_e8
        int64_t next_funding_ns
        int64_t ack_id
        int32_t ack_error

    ctypedef struct hints_t:
        const uint8_t *streams
        const uint8_t *board
        uint32_t stream_stride
        uint32_t stream_bytes
        uint32_t board_stride
        uint32_t board_bytes

    ctypedef struct parser_t:
        const instrument_t *instruments
        symbols_t symbols
        level_t *scratch
        uint32_t scratch_used
        int is_linear
        int level_extras
        trade_record_t *trades
        fields_t fields
        hints_t hints

    void hint_row(const parser_t *d, int row) noexcept
    void message_clear(parser_t *d, message_t *m) noexcept
