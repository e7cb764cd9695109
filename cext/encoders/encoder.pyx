"""The shared half of every venue's order encoder; see encoder.pxd for the interface and who gives what."""
from cext.instrument cimport InstrumentArray, instrument_t
from cext.layout cimport LEG_REDUCE_ONLY, leg_order_t
from cext.order_frames cimport FRAME_BUFFER_BYTES, FRAME_CAPACITY, FRAME_HEAD_ROOM, TEXT_CAPACITY, text_t, write_size
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset


cdef int set_text(text_t *to, str text) except -1:
    cdef bytes raw = text.encode("ascii")
    if len(raw) > TEXT_CAPACITY:
        raise ValueError(f"encoder: constant text of {len(raw)} bytes exceeds {TEXT_CAPACITY}: {text[:40]}...")
    memset(to, 0, sizeof(text_t))
    memcpy(to.text, <const char *>raw, len(raw))
    to.bytes = <uint32_t>len(raw)
    return 0


def size_text(InstrumentArray instruments, int row, qty: int) -> str:
    """The venue's spelling of a quantity (REST requests, tests): contracts where it counts so. ValueError when it cannot say it
    exactly."""
    cdef char out[32]
    if not 0 <= row < instruments.count:
        raise IndexError(f"encoder: row {row} of {instruments.count} instruments")
    cdef const instrument_t *instrument = &instruments.rows[row]
    if not 0 < qty < 1 << 63:
        raise ValueError(f"{instruments.names[row]}: quantity {qty} is not positive")
    cdef char *end = write_size(out, <uint64_t>qty, instrument.size_mul, instrument.size_scale)
    if end == NULL:
        raise ValueError(f"{instruments.names[row]}: quantity {qty} is no multiple of {instrument.size_mul}, the venue's step")
    return out[:end - out].decode("ascii")


cdef class OrderEncoder:
    """OrderEncoder(venue, "spot" | "linear"): knows no venue's words itself, refuses every leg."""

    def __init__(self, venue: str, market: str):
        if market not in ("spot", "linear"):
            raise ValueError(f"{venue} encoder: market {market!r} is none of spot, linear")
        self.venue = venue
        self.market = market

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__} holds a key: it is neither pickled nor copied")

    # ------------------------------------------------------------ what a venue gives

    cdef int write_place(self, const instrument_t *instrument, const leg_order_t *leg, int64_t venue_wall_ms,
                         char *out) noexcept nogil:  # hot
        return 0

    cdef int write_cancel(self, const instrument_t *instrument, const uint8_t *client_id, int64_t venue_wall_ms,
                          char *out) noexcept nogil:  # hot
        return 0

    cdef int write_query(self, const instrument_t *instrument, const uint8_t *client_id, int64_t venue_wall_ms,
                         char *out) noexcept nogil:  # hot
        return 0

    # ------------------------------------------------------------ what it uses

    cdef uint64_t next_request(self) noexcept nogil:  # hot
        self.requests += 1
        return self.requests

    cdef int check_bytes(self, int bytes_max) except -1:
        """The longest possible frame fits its buffer: hot code does not check again."""
        if bytes_max > FRAME_CAPACITY:
            raise ValueError(f"{self.venue} encoder: a frame may need {bytes_max} bytes, the buffer has {FRAME_CAPACITY}")
        return 0

    cdef const instrument_t *instrument(self, InstrumentArray instruments, int row) except NULL:
        if not 0 <= row < instruments.count:
            raise IndexError(f"{self.venue} encoder: row {row} of {instruments.count} instruments")
        return &instruments.rows[row]

    cdef int copy_id(self, uint8_t *to, str client_id) except -1:
        cdef bytes raw = client_id.encode("ascii")
        if len(raw) != 18 or not raw.isalnum():
            raise ValueError(f"{self.venue} encoder: client id {client_id!r} is not 18 letters and digits")
        memset(to, 0, 24)
        memcpy(to, <const char *>raw, 18)
        return 0

    # ------------------------------------------------------------ python surface: tests, benches, cold callers

    def encode_place(self, InstrumentArray instruments, int row, str client_id, int side, int order_type, int64_t limit_px,
                     int64_t qty, int64_t timestamp_ms, bint reduce_only=False) -> bytes:
        """The frame of a new order. ValueError when the leg cannot be said on this market."""
        cdef char buffer[FRAME_BUFFER_BYTES]
        cdef leg_order_t leg
        memset(&leg, 0, sizeof(leg))
        self.copy_id(leg.client_id, client_id)
        leg.side, leg.order_type, leg.limit_px, leg.qty = side, order_type, limit_px, qty
        leg.flags = LEG_REDUCE_ONLY if reduce_only else 0
        cdef int size = self.write_place(self.instrument(instruments, row), &leg, timestamp_ms, buffer + FRAME_HEAD_ROOM)
        if size == 0:
            raise ValueError(f"{self.venue} encoder: {self.market} cannot say side {side}, type {order_type}, px {limit_px}, "
                             f"qty {qty}, reduce-only {bool(reduce_only)}, time {timestamp_ms}")
        return buffer[FRAME_HEAD_ROOM:FRAME_HEAD_ROOM + size]

    def encode_cancel(self, InstrumentArray instruments, int row, str client_id, int64_t timestamp_ms) -> bytes:
        """The frame of a cancel; b"" where the order socket has no such request."""
        cdef char buffer[FRAME_BUFFER_BYTES]
        cdef uint8_t raw[24]
        self.copy_id(raw, client_id)
        cdef int size = self.write_cancel(self.instrument(instruments, row), raw, timestamp_ms, buffer + FRAME_HEAD_ROOM)
        return buffer[FRAME_HEAD_ROOM:FRAME_HEAD_ROOM + size]

    def encode_query(self, InstrumentArray instruments, int row, str client_id, int64_t timestamp_ms) -> bytes:
        """The frame of a query; b"" where the order socket has no such request."""
        cdef char buffer[FRAME_BUFFER_BYTES]
        cdef uint8_t raw[24]
        self.copy_id(raw, client_id)
        cdef int size = self.write_query(self.instrument(instruments, row), raw, timestamp_ms, buffer + FRAME_HEAD_ROOM)
        return buffer[FRAME_HEAD_ROOM:FRAME_HEAD_ROOM + size]
