"""Order sockets and user streams of one venue market, on the engine's loop.

A session outlives its sockets. engine/connection.py opens them (back-off, logon, replacing before the 24 h cut) and hands each
ready one to `adopt`; frames come in through `VenueSocket.on_ws_frame`, are decoded in place, and leave as OrderEvents through
plain Python callbacks. A callback that raises is reported (`on_error`, counter) and never closes the socket. When a socket dies,
every order request whose reply it owed is reported as UNKNOWN: an answer that never came is not a rejection.

Venue-shaped are three things given to a session: its decoder (bytes in), its encoder (bytes out) and its dialect (whom a reply to
a logon or subscription answers). The request id of an order begins with its client id (cancel: X..., query: Q...), so a reply
says by itself what it answers; what follows the 18 characters is the venue's.
"""
import asyncio
import logging
import socket as sockets
from typing import Any

import orjson
from picows import WSCloseCode

from engine.dialect import SocketDialect
from engine.events import OrderEvent

from cext.clock cimport mono_ns, wall_ns
from cext.decoders.orders cimport (ANSWERS_CANCEL, ANSWERS_NONE, ANSWERS_PLACE, ANSWERS_QUERY, DECODED_ACCOUNT, DECODED_ERROR,
                                   DECODED_ORDERS, DECODED_REPLY, OrderDecoder)
from cext.encoders.encoder cimport OrderEncoder
from cext.instrument cimport InstrumentArray, instrument_t
from cext.layout cimport (CLIENT_ID_BYTES, ERROR_NONE, ERROR_UNKNOWN_EXECUTION, LEGS_MAX, OE_CANCEL_REPLY, OE_SOURCE_LOCAL,
                          OE_SOURCE_STREAM, ORDER_STATUS_NONE, ORDER_STATUS_UNKNOWN, SENT_NOT, SENT_OK, SENT_UNKNOWN, intent_t,
                          leg_order_t, order_event_t)
from cext.order_frames cimport FRAME_BUFFER_BYTES, FRAME_HEAD_ROOM
from engine.event_codec cimport order_event_from_c
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

log = logging.getLogger("lockstep.sessions")

TCP_USER_TIMEOUT_MS = 5000  # unacknowledged bytes for so long = dead link, instead of the kernel's 15 minutes
REPLY_TIMEOUT_S = 5.0
CLOSE_GRACE_S = 2.0         # a replaced socket stays open so long for replies that it owes

cdef extern from *:
    """
    _Static_assert(FRAME_BUFFER_BYTES == 1072, "sessions.pxd: buffers have the size of FRAME_BUFFER_BYTES");
    """


class RequestFailed(Exception):
    """A request that is not about an order (logon, subscribe, time) was refused or not answered."""

    def __init__(self, method: str, status: int, code: int, message: str) -> None:
        super().__init__(f"{method} failed: status {status}, code {code}: {message}")
        self.method = method
        self.status = status
        self.code = code
        self.message = message


cdef class VenueSocket(WSListener):
    """VenueSocket(session, number): the listener of one connection."""

    def __init__(self, VenueSession session, number: int):
        self.session = session
        self.number = number
        self.closed = asyncio.get_running_loop().create_future()
        self.close_reason = ""
        self._waiting = {}

    cpdef on_ws_connected(self, WSTransport transport):
        self.transport = transport
        self.alive_mono_ns = mono_ns()
        raw = transport.underlying_transport.get_extra_info("socket")
        if raw is not None and raw.family in (sockets.AF_INET, sockets.AF_INET6):
            raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
            raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef int64_t recv_mono_ns = mono_ns()
        self.alive_mono_ns = recv_mono_ns
        if frame.msg_type == WSMsgType.TEXT and frame.fin:
            self._on_text(frame.payload_ptr, frame.payload_size, recv_mono_ns)
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_reason = self.close_reason or f"closed by the venue: {int(frame.get_close_code())} {frame.get_close_reason() or ''}".strip()
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT or frame.msg_type == WSMsgType.CONTINUATION:
            if frame.msg_type == WSMsgType.TEXT or self._fragments is None:
                self._fragments = bytearray()
            self._fragments += frame.get_payload_as_bytes()
            if frame.fin:
                whole = bytes(self._fragments)
                self._fragments = None
                self._on_text(<const char *>whole, len(whole), recv_mono_ns)

    cpdef on_ws_disconnected(self, WSTransport transport):
        self.transport = None
        reason = self.close_reason or "connection lost"
        for name, future in self._waiting.values():
            if not future.done():
                future.set_exception(RequestFailed(name, 0, 0, reason))
        self._waiting.clear()
        self.session._lost(self)
        if not self.closed.done():
            self.closed.set_result(reason)

    cdef object _on_text(self, const char *data, Py_ssize_t size, int64_t recv_mono_ns):
        """Nothing may escape from here: an exception would make picows close the socket."""
        try:
            self.session._decoded(self, data, size, recv_mono_ns)
        except Exception as error:  # our own mistake, not the venue's
            self.session._report("frame", error)

    def _answer(self, bytes data) -> None:
        """A reply to `request`, found by what the dialect says that it answers. A refusal that nobody waits for is reported."""
        message = orjson.loads(data)
        reply = self.session.dialect.reply_key(message)
        if reply is None:
            return
        waiting = self._waiting.pop(reply.key, None) if reply.key else None
        if waiting is None:
            if reply.code != 0:
                self.session._report("reply", RequestFailed("unasked", reply.status, reply.code, reply.text))
            return
        name, future = waiting
        if future.done():
            return
        if reply.code != 0:
            future.set_exception(RequestFailed(name, reply.status, reply.code, reply.text))
        else:
            future.set_result(message)

    async def request(self, key: str, frame: bytes, timeout_s: float = REPLY_TIMEOUT_S, *, name: str = "") -> Any:
        """Send a text frame that is not about an order (logon, subscribe) and wait for the reply whose dialect key is `key` ->
        the parsed message. `name` says in errors what was asked. Raises RequestFailed: refused, not answered in time, or
        connection lost."""
        name = name or key
        if self.transport is None:
            raise RequestFailed(name, 0, 0, "not connected")
        if key in self._waiting:
            raise RequestFailed(name, 0, 0, f"another request with the key {key!r} waits for its reply")
        future = asyncio.get_running_loop().create_future()
        self._waiting[key] = (name, future)
        self.transport.send(WSMsgType.TEXT, frame)
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            raise RequestFailed(name, 0, 0, f"no answer within {timeout_s} s") from None
        finally:
            self._waiting.pop(key, None)

    def send_text(self, frame: bytes) -> bool:
        """Send a text frame that nobody waits for (a heartbeat). False when the connection is gone."""
        if self.transport is None:
            return False
        self.transport.send(WSMsgType.TEXT, frame)
        return True

    def close(self, reason: str) -> None:
        """Close handshake, then the connection. Safe to call at any time."""
        self.close_reason = self.close_reason or reason
        if self.transport is not None:
            self.transport.send_close(WSCloseCode.OK)
            self.transport.disconnect()

    def abort(self, reason: str) -> None:
        """Drop the connection without waiting for anybody."""
        self.close_reason = self.close_reason or reason
        if self.transport is not None:
            self.transport.disconnect(False)


cdef class VenueSession:
    """VenueSession(venue, market, kind, instruments, decoder, dialect): user streams; see OrderSession for orders. The decoder is
    this session's own."""

    def __init__(self, venue: str, market: str, kind: str, InstrumentArray instruments not None, OrderDecoder decoder not None,
                 dialect: SocketDialect):
        if decoder.market != market:
            raise ValueError(f"sessions: the decoder is for {decoder.market}, the session for {market}")
        self.venue = venue
        self.market = market
        self.kind = kind
        self.instruments = instruments
        self.decoder = decoder
        self.dialect = dialect
        memset(self._pending, 0, sizeof(self._pending))

    # ------------------------------------------------------------ sockets

    def make_socket(self) -> VenueSocket:
        """Listener for a new connection; `adopt` it when it is ready."""
        self.sockets += 1
        return VenueSocket(self, self.sockets)

    def adopt(self, VenueSocket socket not None) -> None:
        """The socket is logged on: use it from now on. A socket that it replaces closes when its replies are in, or after a
        while."""
        if socket.transport is None:
            raise RuntimeError(f"{self.venue} {self.market} {self.kind}: socket {socket.number} is gone already")
        cdef VenueSocket before = self.socket
        was_ready = self.is_ready
        self.socket = socket
        self.is_ready = True
        if before is not None and before is not socket:
            asyncio.get_running_loop().call_later(CLOSE_GRACE_S, before.close, "replaced")
        if not was_ready:
            self._guard("on_state", self.on_state, (True, ""))

    def close(self, reason: str = "stopped") -> None:
        """Close the current socket; requests that wait for replies become UNKNOWN."""
        if self.socket is not None:
            self.socket.close(reason)

    cdef object _lost(self, VenueSocket socket):
        """A socket ended: the replies that it owed will not come."""
        cdef int slot
        cdef order_event_t event
        if socket is self.socket:
            self.socket = None
            if self.is_ready:
                self.is_ready = False
                self._guard("on_state", self.on_state, (False, socket.close_reason or "connection lost"))
        for slot in range(self._pending_used):
            if self._pending[slot].answers == ANSWERS_NONE or self._pending[slot].socket != socket.number:
                continue
            memset(&event, 0, sizeof(event))
            memcpy(event.client_id, self._pending[slot].client_id, 18)
            event.client_id[0] = 76
            event.instrument_id = self._pending[slot].row
            event.source = OE_SOURCE_LOCAL
            event.cum_qty = -1
            event.recv_mono_ns = mono_ns()
            event.error_class = ERROR_UNKNOWN_EXECUTION
            event.status = ORDER_STATUS_UNKNOWN if self._pending[slot].answers == ANSWERS_PLACE else ORDER_STATUS_NONE
            event.flags = OE_CANCEL_REPLY if self._pending[slot].answers == ANSWERS_CANCEL else 0
            memcpy(event.message, b"connection lost before the reply", 32)
            self._pending[slot].answers = ANSWERS_NONE
            self.pending_count -= 1
            self._guard("on_event", self.on_event, (order_event_from_c(&event),))

    # ------------------------------------------------------------ frames

    cdef object _decoded(self, VenueSocket socket, const char *data, Py_ssize_t size, int64_t recv_mono_ns):
        cdef int kind = self.decoder.decode(data, size, recv_mono_ns)
        cdef bytes name
        self.frames += 1
        if kind == DECODED_ORDERS:
            self._deliver(socket)
        elif kind == DECODED_REPLY:
            socket._answer(data[:size])
        elif kind == DECODED_ACCOUNT:
            name = self.decoder.name.at[:self.decoder.name.end - self.decoder.name.at]
            self._guard("on_account", self.on_account, (name.decode("ascii", "replace"), data[:size], recv_mono_ns))
        elif kind == DECODED_ERROR:
            self.undecodable += 1
            self._report("decode", ValueError(f"{self.venue} {self.market} {self.kind}: a frame of {size} bytes was not understood: "
                                              f"{data[:min(size, 32)]!r}..."))  # short: a logon reply repeats the API key
        if self.decoder.retry_after_ms != 0 or self.decoder.status == 418 or self.decoder.status == 429:
            self._guard("on_retry_after", self.on_retry_after, (self.decoder.status, self.decoder.retry_after_ms))

    cdef object _deliver(self, VenueSocket socket):
        """The decoder's events, completed with what the request knew."""
        cdef int i
        cdef uint32_t row = 0
        cdef order_event_t *event
        cdef bint was_pending = False
        # The events are copied to Python before the first callback runs: a callback may come back here through a send.
        if self.decoder.answers != ANSWERS_NONE:
            was_pending = self._settle(self.decoder.events[0].client_id, <uint8_t>self.decoder.answers, &row)
            if not was_pending:
                self.late_replies += 1
        ready = []
        for i in range(self.decoder.count):
            event = &self.decoder.events[i]
            if was_pending and event.instrument_id >= <uint32_t>self.instruments.count:
                event.instrument_id = row
            ready.append(order_event_from_c(event))
        for made in ready:
            self._guard("on_event", self.on_event, (made,))

    cdef object _guard(self, str where, object callback, tuple arguments):
        """Run a callback; what it raises is reported and goes no further."""
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception as error:
            self._report(where, error)

    def _report(self, where: str, error: Exception) -> None:
        self.callback_errors += 1
        try:
            if self.on_error is not None:
                self.on_error(where, error)
                return
        except Exception as second:
            log.error("%s %s %s: on_error raised", self.venue, self.market, self.kind, exc_info=second)
        log.error("%s %s %s: %s: %s", self.venue, self.market, self.kind, where, error, exc_info=error)

    # ------------------------------------------------------------ requests that wait for replies

    cdef int _register(self, const uint8_t *client_id, uint8_t answers, uint32_t row, uint32_t socket,
                       int64_t mono) noexcept nogil:
        """Remember a request; its slot, or -1 when all are taken. Few are in flight: a scan finds a free one at once."""
        cdef int slot
        cdef pending_t *pending
        for slot in range(PENDING_MAX):
            pending = &self._pending[slot]
            if pending.answers == ANSWERS_NONE:
                memcpy(pending.client_id, client_id, 18)
                pending.answers, pending.row, pending.socket, pending.sent_mono_ns = answers, row, socket, mono
                self.pending_count += 1
                if slot >= self._pending_used:
                    self._pending_used = slot + 1
                return slot
        return -1

    cdef int _settle(self, const uint8_t *client_id, uint8_t answers, uint32_t *row) noexcept nogil:
        """Forget the request that a reply answers. 1 and its row, or 0 when it was not pending."""
        cdef int slot
        cdef pending_t *pending
        for slot in range(self._pending_used):
            pending = &self._pending[slot]
            if pending.answers == answers and memcmp(pending.client_id + 1, client_id + 1, 17) == 0:
                row[0] = pending.row
                pending.answers = ANSWERS_NONE
                self.pending_count -= 1
                while self._pending_used > 0 and self._pending[self._pending_used - 1].answers == ANSWERS_NONE:
                    self._pending_used -= 1
                return 1
        return 0

    def stats(self) -> dict:
        """Counters for the status screen."""
        return {"venue": self.venue, "market": self.market, "kind": self.kind, "is_ready": bool(self.is_ready),
                "frames": self.frames,
                "undecodable": self.undecodable, "sockets": self.sockets, "pending": self.pending_count,
                "late_replies": self.late_replies, "callback_errors": self.callback_errors,
                "malformed": self.decoder.malformed, "unmapped_errors": self.decoder.unmapped_errors,
                "unmapped_statuses": self.decoder.unmapped_statuses, "unknown_symbols": self.decoder.unknown_symbols}


cdef class OrderSession(VenueSession):
    """OrderSession(venue, market, instruments, decoder, encoder, dialect)."""

    def __init__(self, venue: str, market: str, InstrumentArray instruments not None, OrderDecoder decoder not None,
                 OrderEncoder encoder not None, dialect: SocketDialect):
        VenueSession.__init__(self, venue, market, "orders", instruments, decoder, dialect)
        if encoder.market != market:
            raise ValueError(f"sessions: the encoder is for {encoder.market}, the session for {market}")
        self.encoder = encoder

    # ------------------------------------------------------------ between intent and bytes

    cdef bint can_send(self):
        cdef WSTransport transport
        if not self.is_ready or self.socket is None or self.pending_count >= PENDING_MAX:
            return False
        transport = self.socket.transport
        if transport is None or transport.is_disconnected or transport.is_close_frame_sent:
            return False
        return <Py_ssize_t>transport._tr_get_write_buffer_size() == 0

    cdef int encode_leg(self, const intent_t *intent, int leg, int64_t wall_ns) noexcept nogil:  # hot
        cdef const leg_order_t *order = &intent.legs[leg]
        cdef int size = 0
        if order.instrument_id < <uint32_t>self.instruments.count:  # row == id (the table is dense)
            size = self.encoder.write_place(&self.instruments.rows[order.instrument_id], order,
                                            (wall_ns + self.clock_offset_ns) // 1000000, self._leg_buffer[leg] + FRAME_HEAD_ROOM)
        self._leg_bytes[leg] = size
        self._leg_row[leg] = order.instrument_id
        memcpy(self._leg_client_id[leg], order.client_id, CLIENT_ID_BYTES)
        if size == 0:
            self.encode_refused += 1
        return size

    cdef uint32_t send_leg(self, int leg):
        cdef int size = self._leg_bytes[leg]
        self._leg_bytes[leg] = 0  # the buffer is masked by the send: never twice
        if size == 0:
            return SENT_NOT
        return self._send_buffer(self._leg_buffer[leg] + FRAME_HEAD_ROOM, size, self._leg_client_id[leg], ANSWERS_PLACE,
                                 self._leg_row[leg])

    cdef uint32_t _send_buffer(self, char *frame, int size, const uint8_t *client_id, uint8_t answers, uint32_t row):
        """SENT_NOT only when no byte can have left; the library reports success on dead and full connections, so look again
        after."""
        cdef WSTransport transport
        cdef uint32_t number
        if not self.can_send():
            return SENT_NOT
        transport = self.socket.transport
        number = self.socket.number
        if self._register(client_id, answers, row, number, mono_ns()) < 0:
            return SENT_NOT
        try:
            transport.send_reuse_external_buffer(WSMsgType.TEXT, frame, size)
            if (<Py_ssize_t>transport._tr_get_write_buffer_size() == 0 and not transport.is_disconnected
                    and not transport.underlying_transport.is_closing()):
                return SENT_OK
        except Exception as error:
            self._report("send", error)
        self.sent_unknown += 1
        return SENT_UNKNOWN

    # ------------------------------------------------------------ calm requests

    def cancel(self, row: int, client_id: str) -> int:
        """Ask to cancel by client id -> SENT_*. The answer comes as an event with OE_CANCEL_REPLY. SENT_NOT also where the order
        socket has no such request: ask over REST."""
        return self._send_by_id(row, client_id, ANSWERS_CANCEL)

    def query(self, row: int, client_id: str) -> int:
        """Ask for the state of an order -> SENT_*. The answer comes as an event with source QUERY. SENT_NOT as for `cancel`."""
        return self._send_by_id(row, client_id, ANSWERS_QUERY)

    def place(self, row: int, client_id: str, side: int, order_type: int, limit_px: int, qty: int,
              reduce_only: bool = False) -> int:
        """One order outside an intent (tools, tests) -> SENT_*. The engine's orders pass the gate and come through send_leg."""
        cdef bytes frame = self.encoder.encode_place(self.instruments, row, client_id, side, order_type, limit_px, qty,
                                                     self.venue_time_ms(), reduce_only)
        cdef bytes raw = client_id.encode("ascii")
        memcpy(self._request_buffer + FRAME_HEAD_ROOM, <const char *>frame, len(frame))
        return self._send_buffer(self._request_buffer + FRAME_HEAD_ROOM, <int>len(frame), <const uint8_t *><const char *>raw,
                                 ANSWERS_PLACE, row)

    cdef uint32_t _send_by_id(self, int row, str client_id, uint8_t answers) except? 255:
        cdef uint8_t raw[24]
        cdef int size
        cdef const instrument_t *instrument = self.encoder.instrument(self.instruments, row)
        cdef char *out = self._request_buffer + FRAME_HEAD_ROOM
        self.encoder.copy_id(raw, client_id)
        if answers == ANSWERS_CANCEL:
            size = self.encoder.write_cancel(instrument, raw, self.venue_time_ms(), out)
        else:
            size = self.encoder.write_query(instrument, raw, self.venue_time_ms(), out)
        if size == 0:
            return SENT_NOT
        return self._send_buffer(out, size, raw, answers, row)

    def venue_time_ms(self) -> int:
        """The venue's clock now, as far as the gateway has measured it."""
        return (wall_ns() + self.clock_offset_ns) // 1000000

    def is_sendable(self) -> bool:
        """can_send for Python."""
        return bool(self.can_send())

    def encode_and_send(self, intent) -> list[int]:
        """SENT_* of each leg of an Intent whose legs all belong to this session: what the engine does, for tests and warm-up
        tools."""
        from engine.event_codec import pack_intent
        cdef bytes packed = pack_intent(intent)
        cdef intent_t raw
        cdef int leg
        memcpy(&raw, <const char *>packed, sizeof(intent_t))
        for leg in range(len(intent.legs)):
            self.encode_leg(&raw, leg, wall_ns())
        return [self.send_leg(leg) for leg in range(len(intent.legs))]
