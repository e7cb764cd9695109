"""Preformatted order requests of Bybit's order socket (/v5/trade): all that does not change is written once, in the template.

One encoder a session and market; symbol and scales come from the instrument's row. See encoder.pxd for what an encoder is.
"""
from cext.encoders.encoder cimport OrderEncoder
from cext.order_frames cimport text_t

# order.create, in the frame's order
ctypedef struct create_template_t:
    text_t head            # {"reqId":"
    text_t time            # ","header":{"X-BAPI-TIMESTAMP":"
    text_t symbol          # ","X-BAPI-RECV-WINDOW":"500"},"op":"order.create","args":[{"category":"linear","symbol":"
    text_t qty[2]          # [side]         ","side":"Buy","orderType":"Limit","qty":"
    text_t price           # ","price":"
    text_t client_id[4]    # [order type]   ","timeInForce":"IOC","orderLinkId":"
    text_t tail[2]         # [reduce-only]  ","positionIdx":0,"reduceOnly":false,"smpType":"CancelMaker"}]}

# order.cancel: only id, time and symbol change; the request id ends with a counter
ctypedef struct cancel_template_t:
    text_t symbol          # ","X-BAPI-RECV-WINDOW":"500"},"op":"order.cancel","args":[{"category":"linear","symbol":"
    text_t client_id       # ","orderLinkId":"
    text_t tail            # "}]}

cdef class BybitOrderEncoder(OrderEncoder):
    """The templates of one session. Made at start; the C parts are read by nogil code."""
    cdef create_template_t create
    cdef cancel_template_t by_id
    cdef readonly bint has_reduce_only
    cdef make_create(self, int recv_window_ms, str smp_type)
    cdef make_cancel(self, int recv_window_ms)
