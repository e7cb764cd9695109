"""Sockets to a venue's order entry and user streams. See sessions.pyx.

    VenueSocket     one websocket (picows listener); knows its session and the replies it owes
    VenueSession    what outlives a socket: decoder, callbacks, readiness; user streams are plain VenueSessions
    OrderSession    a VenueSession that sends orders: encode_leg and send_leg are what the engine calls between intent and bytes
"""
from picows.picows cimport WSFrame, WSListener, WSTransport

from cext.decoders.orders cimport OrderDecoder
from cext.encoders.encoder cimport OrderEncoder
from cext.instrument cimport InstrumentArray
from cext.layout cimport intent_t, order_event_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    PENDING_MAX = 256      # requests about orders that wait for their reply, all of one session
    LEG_BUFFERS = 3        # LEGS_MAX

# A request whose reply is owed. Registered before its bytes leave, so that a reply always finds it.
ctypedef struct pending_t:
    uint8_t client_id[18]
    uint8_t answers        # ANSWERS_*; 0 = free
    uint32_t row
    uint32_t socket        # number of the socket that it went to
    int64_t sent_mono_ns


cdef class VenueSession


cdef class VenueSocket(WSListener):
    """One connection. Replaced, never reused."""
    cdef readonly VenueSession session
    cdef readonly WSTransport transport     # None before the handshake and after the end
    cdef readonly uint32_t number           # counts this session's sockets, from 1
    cdef readonly object closed             # future: done when the connection is gone, result = reason
    cdef readonly int64_t alive_mono_ns     # newest frame of any kind
    cdef public str close_reason
    cdef dict _waiting                      # key -> (name, future), for requests that are not about orders
    cdef bytearray _fragments               # of a message in several frames
    cdef object _on_text(self, const char *data, Py_ssize_t size, int64_t recv_mono_ns)


cdef class VenueSession:
    cdef readonly str venue
    cdef readonly str market
    cdef readonly str kind                  # "orders" | "user"
    cdef readonly OrderDecoder decoder
    cdef readonly object dialect            # engine/dialect.py: replies that are not about orders
    cdef readonly InstrumentArray instruments
    cdef readonly VenueSocket socket        # the current one, None while down
    cdef readonly bint is_ready             # the current socket is logged on and may be used
    cdef readonly uint64_t frames
    cdef readonly uint64_t undecodable
    cdef readonly uint64_t sockets          # opened so far
    cdef readonly uint64_t callback_errors
    cdef readonly uint64_t late_replies     # replies to requests that were not pending any more
    cdef public object on_event             # (OrderEvent) -> None
    cdef public object on_state             # (is_ready: bool, reason: str) -> None
    cdef public object on_account           # (event name: str, JSON: bytes, recv_mono_ns: int) -> None
    cdef public object on_error             # (where: str, exception) -> None; a callback that raised, a frame that made no sense
    cdef public object on_retry_after       # (status: int, retry after, venue's epoch ms) -> None
    cdef pending_t _pending[256]
    cdef int _pending_used                  # slots below this may be in use
    cdef readonly int pending_count

    cdef object _decoded(self, VenueSocket socket, const char *data, Py_ssize_t size, int64_t recv_mono_ns)
    cdef object _deliver(self, VenueSocket socket)
    cdef object _lost(self, VenueSocket socket)
    cdef object _guard(self, str where, object callback, tuple arguments)
    cdef int _register(self, const uint8_t *client_id, uint8_t answers, uint32_t row, uint32_t socket,
                       int64_t mono) noexcept nogil
    cdef int _settle(self, const uint8_t *client_id, uint8_t answers, uint32_t *row) noexcept nogil


cdef class OrderSession(VenueSession):
    """One order socket for one market."""
    cdef readonly OrderEncoder encoder
    cdef public int64_t clock_offset_ns     # venue's clock minus our wall clock; the gateway measures it
    cdef readonly uint64_t encode_refused   # legs that this market cannot say: the gate should have stopped them
    cdef readonly uint64_t sent_unknown
    cdef int _leg_bytes[3]
    cdef uint32_t _leg_row[3]
    cdef uint8_t _leg_client_id[3][24]
    cdef char _leg_buffer[3][1072]          # FRAME_BUFFER_BYTES
    cdef char _request_buffer[1072]

    # True when a frame can be handed to the kernel at once: logged on, connected, empty write buffer, room to remember the
    # request.
    cdef bint can_send(self)
    # Writes leg's order into the leg's own buffer; bytes, or 0 when refused (send_leg then says SENT_NOT). No side effect
    # beyond the buffer: also used to keep the code warm.
    cdef int encode_leg(self, const intent_t *intent, int leg, int64_t wall_ns) noexcept nogil
    # Hands the encoded leg to the socket -> SENT_*. The buffer is used up (masked in place): encode again before another send.
    cdef uint32_t send_leg(self, int leg)
    cdef uint32_t _send_buffer(self, char *frame, int size, const uint8_t *client_id, uint8_t answers, uint32_t row)
    cdef uint32_t _send_by_id(self, int row, str client_id, uint8_t answers) except? 255
