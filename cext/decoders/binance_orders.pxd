"""Binance's order replies and user streams -> order_event_t (cext/layout.h). One decoder a market; used by one thread.

`decode` looks at one whole text frame of an order session or a user stream and fills `events[0:count]`. A reply that carries
fills (spot FULL) gives one event a fill and then the event with the status. What is not about an order is only named (`kind`,
`name`), its JSON is for cold code.
"""
from cext.instrument cimport InstrumentArray
from cext.json_walk cimport json_span_t
from cext.layout cimport order_event_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    DECODED_EVENTS_MAX = 256
    NO_ROW = 0xFFFFFFFF

# What a frame was.
cdef enum:
    DECODED_ERROR = -1     # not JSON, or a field that must be there is not, or a value does not fit: nothing may be concluded
    DECODED_NOTHING = 0    # understood, and of no use here
    DECODED_ORDERS = 1     # events[0:count]; replies have answers_request = 1
    DECODED_REPLY = 2      # answers a request that is not about an order (logon, subscribe, time): cold code parses it
    DECODED_ACCOUNT = 3    # balances, positions, stream notices: cold code parses it

# Whom a reply answers, by the first character of its request id.
cdef enum:
    ANSWERS_NONE = 0
    ANSWERS_PLACE = 1      # L: the request id is the client id
    ANSWERS_CANCEL = 2     # X
    ANSWERS_QUERY = 3      # Q

ctypedef struct error_row_t:
    int32_t status_min
    int32_t status_max
    int32_t code
    uint32_t error_class
    uint32_t text_bytes
    char text[60]          # lower case

ctypedef struct symbol_slot_t:
    uint64_t hash
    uint32_t row           # NO_ROW = empty

cdef class BinanceOrderDecoder:
    # results of the last decode()
    cdef int count
    cdef int answers                 # ANSWERS_*
    cdef int status                  # HTTP-like status of a reply, 0 = none
    cdef int64_t retry_after_ms      # venue's epoch ms from a 429/418, 0 = none
    cdef order_event_t events[256]
    cdef json_span_t name            # event type ("e") of DECODED_ACCOUNT, request id of DECODED_REPLY
    # counters
    cdef public uint64_t malformed
    cdef public uint64_t unknown_symbols
    cdef public uint64_t unmapped_errors
    cdef public uint64_t unmapped_statuses
    cdef public uint64_t truncated_fills   # fills beyond DECODED_EVENTS_MAX: the user stream has them
    cdef readonly str market
    # tables, made once
    cdef InstrumentArray instruments
    cdef error_row_t *errors
    cdef int error_count
    cdef symbol_slot_t *symbols
    cdef uint64_t symbol_mask

    cdef load_errors(self)
    cdef load_symbols(self)
    cdef list taken(self)
    cdef int decode(self, const char *data, Py_ssize_t size, int64_t recv_mono_ns) noexcept nogil
    cdef uint32_t row_of(self, const json_span_t *symbol) noexcept nogil
    cdef uint32_t classify(self, int status, int64_t code, const json_span_t *message) noexcept nogil
    cdef order_event_t *add(self, int64_t recv_mono_ns, uint32_t source) noexcept nogil
    cdef int decode_reply(self, const json_span_t *request_id, const json_span_t *result, const json_span_t *error,
                          int64_t recv_mono_ns) noexcept nogil
    cdef int decode_error(self, order_event_t *event, const json_span_t *error) noexcept nogil
    cdef int decode_result(self, const json_span_t *result, order_event_t *about, int64_t recv_mono_ns) noexcept nogil
    cdef int decode_fills(self, const json_span_t *fills, const order_event_t *about, int px_scale, int qty_scale,
                          int64_t recv_mono_ns) noexcept nogil
    cdef int decode_user_event(self, const json_span_t *event, int64_t recv_mono_ns) noexcept nogil
    cdef int decode_execution(self, const json_span_t *fields, int kind, int64_t recv_mono_ns) noexcept nogil
    cdef void set_status(self, order_event_t *event, const json_span_t *word) noexcept nogil
