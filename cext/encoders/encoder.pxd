"""Orders -> bytes of a venue's order socket: what every encoder is. One object a session, made at start; used by one thread.

A venue subclasses OrderEncoder and gives `write_place`, `write_cancel` and `write_query`, each hot: no Python object, no
allocation, all that does not change stands preformatted in templates (text_t of cext/order_frames.pxd). They write at `out`,
which has FRAME_HEAD_ROOM writable bytes in front and FRAME_CAPACITY + FRAME_SLACK from it on; that the longest frame fits is
checked once, when templates are made (`check_bytes`). They have no effect beyond the buffer (and the encoder's own request
counter): the engine also calls them to keep the code warm.

The request id begins with the 18 characters of the client id, its mark changed for a cancel (X) and a query (Q); a venue whose
request ids must not repeat on a connection appends digits of a counter (`next_request`). Session and decoder settle by 18.
"""
from cext.instrument cimport InstrumentArray, instrument_t
from cext.layout cimport leg_order_t
from cext.order_frames cimport text_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:
    ORDER_TYPE_COUNT = 4   # ORDER_* of layout.h
    MARK_CANCEL = 88       # X
    MARK_QUERY = 81        # Q


cdef class OrderEncoder:
    cdef readonly str venue
    cdef readonly str market
    cdef uint64_t requests   # counts up; what `next_request` returns

    # Bytes written, or 0: refused, because the leg cannot be said on this market (price or size not positive, size no multiple of
    # the venue's step, unknown side or type, reduce-only on spot, no instrument code). The gate must have stopped such a leg:
    # callers count it. `venue_wall_ms`: the venue's clock, epoch ms, as far as the gateway has measured it.
    cdef int write_place(self, const instrument_t *instrument, const leg_order_t *leg, int64_t venue_wall_ms,
                         char *out) noexcept nogil
    # Cancel or query by client id (18 characters at `client_id`). 0 = this venue has no such request on its order socket: the
    # gateway then asks over REST.
    cdef int write_cancel(self, const instrument_t *instrument, const uint8_t *client_id, int64_t venue_wall_ms,
                          char *out) noexcept nogil
    cdef int write_query(self, const instrument_t *instrument, const uint8_t *client_id, int64_t venue_wall_ms,
                         char *out) noexcept nogil
    cdef uint64_t next_request(self) noexcept nogil

    cdef const instrument_t *instrument(self, InstrumentArray instruments, int row) except NULL
    cdef int copy_id(self, uint8_t *to, str client_id) except -1
    cdef int check_bytes(self, int bytes_max) except -1


# A constant part of a frame; ValueError when it is not ASCII or longer than TEXT_CAPACITY.
cdef int set_text(text_t *to, str text) except -1
