"""Preformatted order requests of Binance's WS API (spot and USD-M): all that does not change is written once, in the template.

One encoder a session and market; symbol and scales come from the instrument's row. See encoder.pxd for what an encoder is.
"""
from cext.encoders.encoder cimport OrderEncoder
from cext.instrument cimport instrument_t
from cext.layout cimport leg_order_t
from cext.order_frames cimport text_t
from cext.sign cimport HmacSha256, hmac_sha256_t
from libc.stdint cimport int64_t, uint8_t, uint32_t

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
    bint has_reduce_only

cdef class BinanceOrderEncoder(OrderEncoder):
    """The templates of one session. Made at start; the C parts are read by nogil code."""
    cdef order_template_t place
    cdef by_id_template_t cancel
    cdef by_id_template_t query
    cdef readonly bint is_signed
    cdef int write_by_id(self, const by_id_template_t *template, const instrument_t *instrument, const uint8_t *client_id,
                         int64_t timestamp_ms, char *out) noexcept nogil
    cdef make_place(self, int recv_window_ms, str stp_mode, str api_key, HmacSha256 hmac)
    cdef check_capacity(self, const order_template_t *t)
    cdef make_by_id(self, by_id_template_t *t, str method, int mark, int recv_window_ms, str api_key, HmacSha256 hmac)
