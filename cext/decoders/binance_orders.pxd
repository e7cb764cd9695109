"""Binance's order replies and user streams -> order_event_t. See orders.pxd for what a decoder is.

A reply that carries fills (spot FULL) gives one event a fill and then the event with the status. `name` of a DECODED_ACCOUNT is
the event type ("e").
"""
from cext.decoders.orders cimport OrderDecoder
from cext.json_walk cimport json_span_t
from cext.layout cimport order_event_t
from libc.stdint cimport int64_t


cdef class BinanceOrderDecoder(OrderDecoder):
    cdef int decode_reply(self, const json_span_t *request_id, const json_span_t *result, const json_span_t *error,
                          int64_t recv_mono_ns) noexcept nogil
    cdef int decode_error(self, order_event_t *event, const json_span_t *error) noexcept nogil
    cdef int decode_result(self, const json_span_t *result, order_event_t *about, int64_t recv_mono_ns) noexcept nogil
    cdef int decode_fills(self, const json_span_t *fills, const order_event_t *about, int px_scale, int qty_scale,
                          int64_t recv_mono_ns) noexcept nogil
    cdef int decode_user_event(self, const json_span_t *event, int64_t recv_mono_ns) noexcept nogil
    cdef int decode_execution(self, const json_span_t *fields, int kind, int64_t recv_mono_ns) noexcept nogil
    cdef void set_status(self, order_event_t *event, const json_span_t *word) noexcept nogil
