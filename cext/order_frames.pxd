"""Preformatted order requests of Binance's WS API (spot and USD-M): all that does not change is written once, in the template.

One template a session and market; symbol and scales come from the instrument's row. A frame is written at `out`, which needs
FRAME_HEAD_ROOM writable bytes in front of it (websocket header) and FRAME_CAPACITY + FRAME_SLACK from it on.
"""
from cext.instrument cimport InstrumentArray, instrument_t
from cext.layout cimport leg_order_t
from cext.sign cimport HmacSha256, hmac_sha256_t
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

cdef enum:
    ORDER_TYPE_COUNT = 4   # ORDER_* of layout.h

# order.cancel and order.status: only id, symbol and time change
ctypedef struct by_id_template_t:
    text_t head            # {"id":"C
    text_t params          # ","method":"order.cancel","params":{..."origClientOrderId":"
    text_t symbol          # ","recvWindow":500,"symbol":"
    text_t time            # ","timestamp":
    text_t signature       # ,"signature":"   (empty when not signed)
    text_t tail            # "}} or }}
    text_t signed_symbol
    text_t signed_time
    hmac_sha256_t hmac     # has absorbed apiKey=...&origClientOrderId=
    uint8_t request_mark   # first character of the request id

ctypedef struct order_template_t:
    # the frame, in its order
    text_t head            # {"id":"
    text_t client_id       # ","method":"order.place","params":{..."newClientOrderId":"
    text_t price           # ","newOrderRespType":"FULL","price":"
    text_t qty             # ","quantity":"
    text_t symbol[2][2]    # [reduce-only][side]  ","recvWindow":500,..."side":"BUY","symbol":"
    text_t time[4]         # [order type]         ","timeInForce":"IOC","timestamp":
    text_t signature[4]    # [order type]         ,"type":"LIMIT"  and, when signed, ,"signature":"
    text_t tail            # }} or "}}
    # the signed string: the same parameters, sorted by name
    text_t signed_price
    text_t signed_qty
    text_t signed_symbol[2][2]
    text_t signed_time[4]
    text_t signed_end[4]
    hmac_sha256_t hmac     # has absorbed apiKey=...&newClientOrderId=
    bint is_signed
    uint32_t order_types   # bit per ORDER_* that the market knows
    bint has_reduce_only

# Bytes written, or 0: refused, because the leg cannot be said on this market (price or size not positive, unknown side or type,
# reduce-only on spot). The gate must have stopped such a leg: callers count it.
cdef int encode_order(const order_template_t *template, const instrument_t *instrument, const leg_order_t *leg,
                      int64_t timestamp_ms, char *out) noexcept nogil
cdef int encode_by_id(const by_id_template_t *template, bint is_signed, const instrument_t *instrument, const uint8_t *client_id,
                      int64_t timestamp_ms, char *out) noexcept nogil


cdef class OrderEncoder:
    """The templates of one session. Made at start; the C parts are read by nogil code."""
    cdef order_template_t place
    cdef by_id_template_t cancel
    cdef by_id_template_t query
    cdef readonly str market
    cdef readonly bint is_signed
    cdef make_place(self, int recv_window_ms, str stp_mode, str api_key, HmacSha256 hmac)
    cdef check_capacity(self, const order_template_t *t)
    cdef make_by_id(self, by_id_template_t *t, str method, int mark, int recv_window_ms, str api_key, HmacSha256 hmac)
    cdef bytes encode_request(self, const by_id_template_t *template, InstrumentArray instruments, int row, str client_id,
                              int64_t timestamp_ms)
    cdef const instrument_t *instrument(self, InstrumentArray instruments, int row) except NULL
    cdef int copy_id(self, uint8_t *to, str client_id) except -1
