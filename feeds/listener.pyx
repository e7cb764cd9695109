"""Frames in, records out: see listener.pxd for who owns what.

`on_ws_frame` is entered from picows with a view of the read buffer; the payload is decoded where it lies and is gone when the
call returns. Stamps: the batch stamp (and the wall clock beside it) is taken at the first frame of a socket read, the frame
stamp at every frame. No exception leaves the hot functions; what the cold branches raise is logged, counted, and closes the
socket."""
import logging

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset
from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from cext.capture cimport CAPTURE_CONNECT, CAPTURE_DISCONNECT, CAPTURE_FRAME, CAPTURE_NOTE, CAPTURE_SNAPSHOT, capture_record_t
from cext.clock cimport mono_ns, wall_ns
from cext.decoders.market cimport MarketDecoder
from cext.decoders.frames cimport (FRAME_ACK, FRAME_BOOK, FRAME_BUFFERED, FRAME_ERROR, FRAME_FUNDING, FRAME_NEED_SNAPSHOT,
                                   FRAME_NOTHING, FRAME_SHUTDOWN, FRAME_TRADE, frame_result_t, stamps_t, stream_stats_t)
from cext.doorbell cimport doorbell_ring_if_sleeping
from cext.hist cimport hist_record
from cext.instrument cimport MARKET_LINEAR, MARKET_SPOT
from cext.layout cimport BOOK_CROSSED, BOOK_REPEAT, BOOK_VALID, STATUS_DOWN, board_entry_t
from cext.ring cimport ring_heartbeat, ring_publish_book, ring_publish_funding, ring_publish_trade, ring_set_alive

STAGES = ["wire", "recv", "decode", "publish"]
CROSSED_MESSAGES = 3
CAPTURE_BUFFER_BYTES = 8 << 20  # about two seconds of a busy day of two markets; the loop empties it every 20 ms
WATCHED_BITS = {"book": SEEN_BOOK, "trade": SEEN_TRADE, "funding": SEEN_FUNDING}

log = logging.getLogger("lockstep.feed")


cdef class CaptureBuffer:
    def __cinit__(self, capacity=CAPTURE_BUFFER_BYTES):
        self.capacity = capacity
        self.data = <uint8_t *>malloc(self.capacity)
        if self.data == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.data)

    cdef void put(self, int kind, int market, int row, const stamps_t *at, const char *data, int size) noexcept nogil:  # hot
        """One record; a full buffer drops it and counts."""
        cdef uint64_t whole = sizeof(capture_record_t) + ((<uint64_t>size + 7) & ~<uint64_t>7)
        cdef capture_record_t *header = <capture_record_t *>(self.data + self.used)
        if whole > self.capacity - self.used:
            self.dropped += 1
            return
        header.payload_bytes = <uint32_t>size
        header.type = <uint8_t>kind
        header.market = <uint8_t>market
        header.venue_index = 0
        header.pad0 = 0
        header.connection_id = at.connection_id
        header.row = row
        header.recv_wall_ns = at.recv_wall_ns
        header.recv_mono_ns = at.frame_mono_ns
        memcpy(self.data + self.used + sizeof(capture_record_t), data, size)
        memset(self.data + self.used + sizeof(capture_record_t) + size, 0, whole - sizeof(capture_record_t) - size)
        self.used += whole

    def add(self, str kind, uint32_t market, uint32_t connection_id, int32_t row, bytes payload):
        """What is no frame: snapshot, connect, disconnect, note; stamped now."""
        cdef int code = {"snapshot": CAPTURE_SNAPSHOT, "connect": CAPTURE_CONNECT, "disconnect": CAPTURE_DISCONNECT,
                         "note": CAPTURE_NOTE}[kind]
        cdef stamps_t now
        now.batch_mono_ns = now.frame_mono_ns = mono_ns()
        now.recv_wall_ns = wall_ns()
        now.connection_id = connection_id
        self.put(code, market, row, &now, payload, len(payload))

    def take(self) -> bytes:
        """All records so far, in order."""
        cdef bytes block = PyBytes_FromStringAndSize(<char *>self.data, <Py_ssize_t>self.used)
        self.used = 0
        return block


cdef void publish_book(hot_feed_t *p, MarketDecoder market, int row, const stamps_t *at, uint32_t flags) noexcept nogil:  # hot
    """Build the record of `row` as it stands, stamp it, write board and ring, wake a sleeping engine; then the bookkeeping."""
    market.build_record(row, at, &p.record)
    p.record.flags |= flags
    p.record.alive_mono_ns = at.frame_mono_ns
    p.record.publish_mono_ns = mono_ns()
    ring_publish_book(p.writer, row, &p.record)
    doorbell_ring_if_sleeping(p.bell)
    p.writer.board[row].status = market.stats_of(row).status
    p.row_records[row] += 1
    if p.record.flags & BOOK_CROSSED:
        if p.crossed_mono_ns[row] == 0:
            p.crossed_mono_ns[row] = at.frame_mono_ns
    else:
        p.crossed_mono_ns[row] = 0


cdef class FeedPublisher:
    def __cinit__(self, FeedWriter writer, Doorbell doorbell, HistPage hist):
        memset(&self.h, 0, sizeof(hot_feed_t))
        self.writer = writer
        self.doorbell = doorbell
        self.hist = hist
        self.h.writer = &writer.w
        self.h.bell = &doorbell.d
        self.h.wire_hist = hist.named("wire")
        self.h.recv_hist = hist.named("recv")
        self.h.decode_hist = hist.named("decode")
        self.h.publish_hist = hist.named("publish")
        self.h.count = writer.w.instrument_count
        self.h.wall_minus_mono_ns = wall_ns() - mono_ns()
        self.h.wanted = <uint8_t *>calloc(self.h.count, sizeof(uint8_t))
        self.h.crossed_mono_ns = <int64_t *>calloc(self.h.count, sizeof(int64_t))
        self.h.book_mono_ns = <int64_t *>calloc(self.h.count, sizeof(int64_t))
        self.h.row_frames = <uint64_t *>calloc(self.h.count, sizeof(uint64_t))
        self.h.row_records = <uint64_t *>calloc(self.h.count, sizeof(uint64_t))
        self.h.crossed_before = <uint64_t *>calloc(self.h.count, sizeof(uint64_t))
        if (self.h.wanted == NULL or self.h.crossed_mono_ns == NULL or self.h.book_mono_ns == NULL or self.h.row_frames == NULL
                or self.h.row_records == NULL or self.h.crossed_before == NULL):
            raise MemoryError

    def __dealloc__(self):
        free(self.h.wanted)
        free(self.h.crossed_mono_ns)
        free(self.h.book_mono_ns)
        free(self.h.row_frames)
        free(self.h.row_records)
        free(self.h.crossed_before)

    @property
    def frames(self) -> int:
        return self.h.frames

    @property
    def errors(self) -> int:
        return self.h.errors

    # ---------------------------------------------------------------- for the calm side

    def publish_row(self, MarketDecoder market, int row, uint32_t connection_id, bint is_repeat=False):
        """A record outside the stream of frames: after a snapshot, an invalidation, a change of socket."""
        cdef stamps_t stamps
        self._check_row(row)
        stamps.frame_mono_ns = mono_ns()
        stamps.batch_mono_ns = stamps.frame_mono_ns
        stamps.recv_wall_ns = stamps.frame_mono_ns + self.h.wall_minus_mono_ns
        stamps.connection_id = connection_id
        publish_book(&self.h, market, row, &stamps, BOOK_REPEAT if is_repeat else 0)

    def set_down(self, int row):
        """Its connection is down: said on the board beside the INVALID record."""
        self._check_row(row)
        self.h.writer.board[row].status = STATUS_DOWN

    def want_snapshot(self, int row):
        self._check_row(row)
        self.h.wanted[row] = 1
        self.h.any_wanted = True

    def take_wanted(self) -> list:
        """Rows that lost sync, or began to speak, since the last call."""
        if not self.h.any_wanted:
            return []
        self.h.any_wanted = False
        rows = []
        for row in range(self.h.count):
            if self.h.wanted[row]:
                self.h.wanted[row] = 0
                rows.append(row)
        return rows

    def crossed_rows(self, int64_t longer_than_ns) -> list:
        """Rows whose published book has been crossed for longer than that."""
        cdef int64_t now = mono_ns()
        return [row for row in range(self.h.count)
                if self.h.crossed_mono_ns[row] and now - self.h.crossed_mono_ns[row] > longer_than_ns]

    def silent_ns(self, int row) -> int:
        """Time since the row's last book message; INT64_MAX when there was none."""
        self._check_row(row)
        return mono_ns() - self.h.book_mono_ns[row] if self.h.book_mono_ns[row] else INT64_MAX

    def quiet_limit_ms(self, int row) -> int:
        """What its last record says is normal; 0 = not learned."""
        self._check_row(row)
        return self.h.writer.board[row].book.quiet_limit_ms

    def is_valid(self, int row) -> bool:
        self._check_row(row)
        return bool(self.h.writer.board[row].book.flags & BOOK_VALID)

    def write_board_counters(self, MarketDecoder market) -> list:
        """Counters of every row of a market; once a second. Returns the rows whose depth was crossed after at least
        CROSSED_MESSAGES depth messages since then: a wrong level that the newer top of book hides."""
        cdef const stream_stats_t *stats
        cdef board_entry_t *entry
        cdef int row
        crossed = []
        for row in market.rows:
            stats = market.stats_of(row)
            entry = &self.h.writer.board[row]
            entry.frames = self.h.row_frames[row]
            entry.records = self.h.row_records[row]
            entry.gaps = stats.gaps
            entry.invalid = stats.invalid
            entry.crossed = stats.crossed
            entry.duplicates = stats.duplicates
            entry.resyncs = stats.resyncs
            entry.lag_min_ns = stats.lag_min_ns
            entry.lag_ns = stats.lag_raw_ns
            if stats.crossed - self.h.crossed_before[row] >= CROSSED_MESSAGES:
                crossed.append(row)
            self.h.crossed_before[row] = stats.crossed
        return crossed

    def write_header_counters(self, uint64_t unknown_frames, uint64_t reconnects):
        """Counters of the feed, and its heartbeat; every 20 ms."""
        ring_heartbeat(self.h.writer, mono_ns())
        self.h.writer.header.frames = self.h.frames
        self.h.writer.header.unknown_frames = unknown_frames
        self.h.writer.header.oversized_frames = self.oversized
        self.h.writer.header.doorbells = self.h.bell.rung
        self.h.writer.header.reconnects = reconnects

    def count_error(self):
        self.h.errors += 1

    def set_connection_alive(self, uint32_t connection_id, int64_t now_mono_ns):
        self.writer.set_connection_alive(connection_id, now_mono_ns)

    def set_capture(self, CaptureBuffer buffer):
        """Start (or, with None, stop) copying raw frames."""
        self.capture = buffer
        self.is_capturing = buffer is not None

    def _check_row(self, int row):
        if not 0 <= row < self.h.count:
            raise IndexError(f"row {row} is not in 0..{self.h.count - 1}")


cdef class FeedListener(WSListener):
    def __cinit__(self, FeedPublisher publisher, MarketDecoder market, uint32_t connection_id, owner):
        self.publisher = publisher
        self.p = &publisher.h
        self.market = market
        market.set_board_hint(publisher.h.writer.board, sizeof(board_entry_t), sizeof(book_record_t))
        self.owner = owner
        self.market_code = MARKET_SPOT if market.market == "spot" else MARKET_LINEAR
        memset(&self.stamps, 0, sizeof(stamps_t))
        memset(&self.result, 0, sizeof(frame_result_t))
        self.stamps.connection_id = connection_id
        self.is_batch_start = True
        self.seen = <uint8_t *>calloc(publisher.h.count, sizeof(uint8_t))
        if self.seen == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.seen)

    # ---------------------------------------------------------------- hot

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef FeedPublisher publisher = self.publisher
        cdef int64_t now = mono_ns()
        cdef int kind
        if self.is_batch_start:
            self.stamps.batch_mono_ns = now
            self.stamps.recv_wall_ns = now + self.p.wall_minus_mono_ns
        self.stamps.frame_mono_ns = now
        self.is_batch_start = frame.last_in_buffer
        self.rx_mono_ns = now
        ring_set_alive(self.p.writer, self.stamps.connection_id, now)
        if frame.msg_type != WSMsgType.TEXT or not frame.fin:
            self.on_other_frame(transport, frame)
            return
        kind = self.on_bytes(frame.payload_ptr, frame.payload_size)
        if publisher.is_capturing:
            publisher.capture.put(CAPTURE_FRAME, self.market_code, self.result.row, &self.stamps, frame.payload_ptr,
                                     <int>frame.payload_size)
        if kind == FRAME_ACK or kind == FRAME_SHUTDOWN or kind == FRAME_ERROR:
            self.on_rare(kind, frame)

    cdef int on_bytes(self, const char *data, Py_ssize_t size) noexcept nogil:  # hot
        """One text frame: decode, publish what it changed, note what it asks for. Returns FRAME_*. Stamps are set by the
        caller."""
        cdef hot_feed_t *p = self.p
        cdef frame_result_t *result = &self.result
        cdef int kind
        cdef int row
        cdef int64_t decoded
        cdef uint32_t i
        kind = self.market.decode_frame(data, size, &self.stamps, result)
        decoded = mono_ns()
        if kind == FRAME_BOOK:  # first of all: counting can wait until the engine has it
            publish_book(p, self.market, result.row, &self.stamps, 0)
            hist_record(p.publish_hist, mono_ns() - decoded)
            if p.record.exch_ns > 0:
                hist_record(p.wire_hist, self.stamps.recv_wall_ns - p.record.exch_ns)
        hist_record(p.recv_hist, self.stamps.frame_mono_ns - self.stamps.batch_mono_ns)
        hist_record(p.decode_hist, decoded - self.stamps.frame_mono_ns)
        p.frames += 1
        self.frames += 1
        row = result.row
        if row >= 0:
            p.row_frames[row] += 1
        if kind == FRAME_BOOK:
            self.seen[row] |= SEEN_BOOK | SEEN_DEPTH
            p.book_mono_ns[row] = self.stamps.frame_mono_ns
        elif kind == FRAME_TRADE:
            self.seen[row] |= SEEN_TRADE
            for i in range(result.trade_count):
                ring_publish_trade(p.writer, &result.trades[i])
        elif kind == FRAME_FUNDING:
            self.seen[row] |= SEEN_FUNDING
            ring_publish_funding(p.writer, row, &result.funding)
        elif kind == FRAME_BUFFERED:
            self.seen[row] |= SEEN_BOOK | SEEN_DEPTH
            p.book_mono_ns[row] = self.stamps.frame_mono_ns
            p.wanted[row] = 1
            p.any_wanted = True
        elif kind == FRAME_NEED_SNAPSHOT or (kind == FRAME_ERROR and row >= 0):
            self.seen[row] |= SEEN_BOOK
            publish_book(p, self.market, row, &self.stamps, 0)
            p.wanted[row] = 1
            p.any_wanted = True
        elif kind == FRAME_NOTHING and row >= 0:
            self.seen[row] |= SEEN_BOOK | SEEN_DEPTH
        return kind

    # ---------------------------------------------------------------- cold

    cdef on_rare(self, int kind, WSFrame frame):
        """Acknowledgement, announced shutdown, undecodable frame."""
        try:
            if kind == FRAME_ACK:
                self.owner.on_ack(self.result.ack_id, self.result.ack_error)
            elif kind == FRAME_SHUTDOWN:
                self.is_shutdown_announced = True
                self.owner.on_shutdown_announced()
            else:
                self.p.errors += 1
                log.warning("%s: undecodable frame of %d bytes, begins %r", self.owner.name, frame.payload_size,
                            frame.get_payload_as_bytes()[:80])
        except Exception:
            self.p.errors += 1
            log.exception("%s: failed on a frame of kind %d; closing the socket", self.owner.name, kind)
            raise

    cdef on_other_frame(self, WSTransport transport, WSFrame frame):
        """Control frames; anything that is no whole text message closes the socket."""
        if frame.msg_type == WSMsgType.PING:
            self.owner.on_ping(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            pass  # a proof of life, and that was noted already
        elif frame.msg_type == WSMsgType.CLOSE:
            self.owner.on_close(int(frame.get_close_code()), frame.get_close_message() or b"")
            transport.disconnect()
        else:
            self.p.errors += 1
            log.warning("%s: frame of type %d (fin %d), %d bytes: not part of this protocol; closing the socket", self.owner.name,
                        frame.msg_type, frame.fin, frame.payload_size)
            transport.disconnect(False)

    cpdef on_ws_connected(self, WSTransport transport):
        self.rx_mono_ns = mono_ns()
        ring_set_alive(self.p.writer, self.stamps.connection_id, self.rx_mono_ns)
        self.owner.on_connected(transport)

    cpdef on_ws_disconnected(self, WSTransport transport):
        ring_set_alive(self.p.writer, self.stamps.connection_id, 0)
        self.owner.on_disconnected(transport)

    def has_seen(self, int row, int bits) -> bool:
        """Whether all these SEEN_* bits of a row are set."""
        return 0 <= row < self.p.count and (self.seen[row] & bits) == bits

    def missing(self, list watched) -> list:
        """Of [(row, "book" | "trade" | "funding")], those that have not spoken yet through this socket."""
        return [(row, what) for row, what in watched if not self.has_seen(row, WATCHED_BITS[what])]

    def is_in_sequence(self, int row) -> bool:
        """A depth message of the row came through this socket: leaving another one for it makes no hole."""
        return self.has_seen(row, SEEN_DEPTH)

    def feed_bytes(self, bytes frame, bint last_in_buffer=True) -> int:
        """One frame without a socket, as on_ws_frame would take it (tests, benches). Returns FRAME_*."""
        cdef int64_t now = mono_ns()
        if self.is_batch_start:
            self.stamps.batch_mono_ns = now
            self.stamps.recv_wall_ns = wall_ns()
        self.stamps.frame_mono_ns = now
        self.is_batch_start = last_in_buffer
        self.rx_mono_ns = now
        ring_set_alive(self.p.writer, self.stamps.connection_id, now)
        return self.on_bytes(frame, len(frame))
