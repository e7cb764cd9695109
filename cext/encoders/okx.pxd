"""Preformatted order requests of OKX's order socket (/ws/v5/private): all that does not change is written once, in the template.

One encoder a session and market; code and scales come from the instrument's row. See encoder.pxd for what an encoder is.
"""
from cext.encoders.encoder cimport OrderEncoder
from cext.order_frames cimport text_t

# op "order", in the frame's order
ctypedef struct order_template_t:
    text_t head            # {"id":"
    text_t time            # ","op":"order","expTime":"
    text_t code            # ","args":[{"instIdCode":
    text_t size[2]         # [side]         ,"tdMode":"cross","posSide":"net","side":"buy","sz":"
    text_t price           # ","px":"
    text_t client_id[4]    # [order type]   ","ordType":"ioc","clOrdId":"
    text_t tail[2]         # [reduce-only]  ","reduceOnly":false,"stpMode":"cancel_maker"}]}

# op "cancel-order": only id and code change; the request id ends with a counter
ctypedef struct cancel_template_t:
    text_t code            # ","op":"cancel-order","args":[{"instIdCode":
    text_t client_id       # ,"clOrdId":"
    text_t tail            # "}]}

cdef class OkxOrderEncoder(OrderEncoder):
    """The templates of one session. Made at start; the C parts are read by nogil code."""
    cdef order_template_t order
    cdef cancel_template_t by_id
    cdef readonly int life_ms
    cdef readonly bint has_reduce_only
    cdef readonly bint has_fok
    cdef make_order(self, str stp_mode)
    cdef make_cancel(self)
