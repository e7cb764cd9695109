"""OKX v5's order replies and private channels -> order_event_t. See orders.pxd for what a decoder is.

`name` of a DECODED_ACCOUNT is the channel ("account", "positions"), or of an event without one: the code of a notice ("64008":
the socket will be closed), "channel-conn-count", "channel-conn-count-error". A message may carry orders of several instruments
and types: only those of the decoder's market are looked at.
"""
from cext.decoders.orders cimport OrderDecoder
from cext.json_walk cimport json_span_t
from cext.layout cimport order_event_t
from libc.stdint cimport int64_t, uint32_t

# One whole frame, or one REST body; kind JSON_NONE = not there.
ctypedef struct envelope_t:
    json_span_t request_id
    json_span_t op
    json_span_t event
    json_span_t code
    json_span_t message
    json_span_t arg
    json_span_t data
    json_span_t out_time    # us, of the gateway

# What of one order is read: a row of the orders channel or of a REST list, or of the answer to a request.
ctypedef struct order_fields_t:
    json_span_t inst_type
    json_span_t inst_id
    json_span_t order_id
    json_span_t client_id
    json_span_t time        # uTime; ts of an answer
    json_span_t state
    json_span_t filled      # accFillSz
    json_span_t category
    json_span_t source      # cancelSource
    json_span_t reason      # cancelSourceReason
    json_span_t fill_size
    json_span_t fill_price
    json_span_t fill_time
    json_span_t trade_id
    json_span_t fee         # fillFee: negative = charged
    json_span_t fee_asset
    json_span_t exec_type   # M | T
    # an answer
    json_span_t code        # sCode
    json_span_t sub_code
    json_span_t message


cdef class OkxOrderDecoder(OrderDecoder):
    cdef readonly int64_t foreign_executions   # ADL, liquidation, delivery: the position moved without an order of anybody here
    cdef bint is_linear

    cdef int read_envelope(self, const json_span_t *root, envelope_t *told) noexcept nogil
    cdef int read_order(self, const json_span_t *row, order_fields_t *fields) noexcept nogil
    cdef int decode_event(self, const envelope_t *told, int64_t recv_mono_ns) noexcept nogil
    cdef int decode_reply(self, const envelope_t *told, int64_t recv_mono_ns) noexcept nogil
    cdef int decode_answer(self, const envelope_t *told, order_event_t *about) noexcept nogil
    cdef int decode_ack(self, const order_fields_t *fields, order_event_t *about) noexcept nogil
    cdef int decode_found(self, const order_fields_t *fields, order_event_t *about) noexcept nogil
    cdef int decode_channel(self, const envelope_t *told, int64_t recv_mono_ns) noexcept nogil
    cdef uint32_t own_row(self, const order_fields_t *fields) noexcept nogil
    cdef bint is_own_type(self, const json_span_t *inst_type) noexcept nogil
    cdef int add_order(self, const order_fields_t *fields, int64_t recv_mono_ns) noexcept nogil
    cdef int set_order(self, order_event_t *event, const order_fields_t *fields) noexcept nogil
    cdef void set_end(self, order_event_t *event, const order_fields_t *fields) noexcept nogil
    cdef int set_fill(self, order_event_t *event, const order_fields_t *fields) noexcept nogil
    cdef void unclear(self, const order_event_t *about, int first) noexcept nogil
