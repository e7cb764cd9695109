"""Bybit v5's order replies and private topics -> order_event_t. See orders.pxd for what a decoder is.

`name` of a DECODED_ACCOUNT is the topic without its category ("wallet", "position"; "execution" for rows that are no trades:
funding, settlement). A message may carry orders of several categories: only those of the decoder's market are looked at.
"""
from cext.decoders.orders cimport OrderDecoder
from cext.json_walk cimport json_span_t
from cext.layout cimport order_event_t
from libc.stdint cimport int64_t, uint32_t

# What of one row of `order` or `execution` is read; kind JSON_NONE = not there. Some fields stand in one of them only.
ctypedef struct row_fields_t:
    json_span_t category
    json_span_t symbol
    json_span_t order_id
    json_span_t link_id
    json_span_t side
    json_span_t time        # updatedTime, execTime
    # order
    json_span_t status
    json_span_t cum_qty
    json_span_t cum_value
    json_span_t reason
    json_span_t cancel_type
    # execution
    json_span_t exec_type
    json_span_t exec_id
    json_span_t price
    json_span_t qty
    json_span_t fee
    json_span_t fee_asset
    json_span_t is_maker

ctypedef struct asset_names_t:
    char name[3][16]        # base, quote, settle of a row


cdef class BybitOrderDecoder(OrderDecoder):
    # rate counters of the last reply of the order socket that told them; -1 = none yet
    cdef readonly int64_t limit_total
    cdef readonly int64_t limit_left
    cdef readonly int64_t limit_reset_ms
    cdef readonly int64_t foreign_executions   # ADL, liquidation, delivery ...: a position moved without an order of ours
    cdef asset_names_t *asset_names
    cdef bint is_linear

    cdef int decode_reply(self, const json_span_t *request_id, const json_span_t *ret_code, const json_span_t *message,
                          const json_span_t *data, const json_span_t *header, int64_t recv_mono_ns) noexcept nogil
    cdef void read_limits(self, const json_span_t *header, order_event_t *about) noexcept nogil
    cdef int decode_ack(self, const json_span_t *result, order_event_t *about) noexcept nogil
    cdef int decode_list(self, const json_span_t *result, order_event_t *about, int64_t recv_mono_ns) noexcept nogil
    cdef int decode_topic(self, const json_span_t *topic, const json_span_t *data, int64_t recv_mono_ns) noexcept nogil
    cdef int read_row(self, const json_span_t *row, row_fields_t *fields) noexcept nogil
    cdef bint is_own(self, const json_span_t *category) noexcept nogil
    cdef uint32_t own_row(self, const row_fields_t *fields) noexcept nogil
    cdef int add_order(self, const row_fields_t *fields, int64_t recv_mono_ns) noexcept nogil
    cdef int add_execution(self, const row_fields_t *fields, int64_t recv_mono_ns) noexcept nogil
    cdef int set_order(self, order_event_t *event, const row_fields_t *fields) noexcept nogil
    cdef int set_fill(self, order_event_t *event, const row_fields_t *fields) noexcept nogil
    cdef void set_end(self, order_event_t *event, const row_fields_t *fields) noexcept nogil
    cdef void unclear(self, order_event_t *event) noexcept nogil
