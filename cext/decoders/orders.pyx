"""The shared half of every venue's order decoder; see orders.pxd for the interface and who gives what."""
from cext.client_id cimport CLIENT_ID_LENGTH
from cext.decoders import order_errors
from cext.instrument cimport InstrumentArray
from cext.json_walk cimport JSON_NONE, JSON_OBJECT, JSON_STRING, json_space, json_span_t, json_value
from cext.layout cimport (CLIENT_ID_BYTES, ERROR_UNMAPPED, OE_CANCEL_REPLY, OE_SOURCE_QUERY, OE_SOURCE_REPLY, ORDER_STATUS_NONE,
                          ORDER_STATUS_NOT_FOUND, ORDER_STATUS_REJECTED, ORDER_STATUS_UNKNOWN, order_event_t)
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset, strlen

DECODED_NAMES = {DECODED_ERROR: "error", DECODED_NOTHING: "nothing", DECODED_ORDERS: "orders", DECODED_REPLY: "reply",
                 DECODED_ACCOUNT: "account"}
MARKET_NUMBERS = {"spot": 1, "linear": 2}   # instrument.h MARKET_*
MARKS = {"place": "L", "cancel": "X", "query": "Q"}


def id64(text: str) -> int:
    """The number (1 .. 2**63 - 1) that stands for a venue's order or trade id where that is text; the decoders' `text_id`."""
    cdef bytes raw = text.encode("utf-8")
    if not raw:
        raise ValueError("id64: an id is empty")
    return id64_bytes(<const char *>raw, len(raw))


def size_to_qty(text: str, InstrumentArray instruments, int row) -> int:
    """The venue's size as text -> base units in the row's qty scale, exact; ValueError when it cannot be."""
    cdef bytes raw = text.encode("ascii", "replace")
    cdef json_span_t span
    cdef int64_t qty = 0
    if not 0 <= row < instruments.count:
        raise IndexError(f"orders: row {row} of {instruments.count} instruments")
    span.at, span.kind = <const char *>raw, JSON_STRING
    span.end = span.at + len(raw)
    if not scaled_size(&span, &instruments.rows[row], &qty):
        raise ValueError(f"{instruments.names[row]}: size {text!r} is no unsigned decimal of at most "
                         f"{instruments.rows[row].size_scale} decimals")
    return qty


def negated(text: str) -> str:
    """A decimal text with the other sign, as the decoders' `copy_decimal_negated` writes it; ValueError when it is no decimal."""
    cdef bytes raw = text.encode("ascii", "replace")
    cdef json_span_t span
    cdef uint8_t out[32]
    memset(out, 0, 32)
    span.at, span.kind = <const char *>raw, JSON_STRING
    span.end = span.at + len(raw)
    if not copy_decimal_negated(out, &span):
        raise ValueError(f"orders: {text!r} is no decimal of at most 31 characters")
    return (<char *>out).decode("ascii")


cdef class OrderDecoder:
    """OrderDecoder(instruments, "spot" | "linear", venue, errors): rows of this venue and market only are known."""

    def __cinit__(self, InstrumentArray instruments not None, str market not None, *_, **__):
        if market not in MARKET_NUMBERS:
            raise ValueError(f"orders: market {market!r} is none of {', '.join(MARKET_NUMBERS)}")
        self.instruments = instruments
        self.market = market

    def __init__(self, instruments, market, venue, errors=()):
        self.venue = venue
        self.load_errors(errors)
        self.load_symbols()

    def __dealloc__(self):
        free(self.errors)
        free(self.symbols)

    cdef load_errors(self, rows):
        wanted = (order_errors.BOTH, order_errors.MARKETS[self.market])
        chosen = [row for row in rows if row.market in wanted]
        cdef bytes text
        free(self.errors)
        self.error_count = 0
        self.errors = <error_row_t *>calloc(max(1, len(chosen)), sizeof(error_row_t))
        if self.errors == NULL:
            raise MemoryError
        for i, row in enumerate(chosen):
            text = row.text.encode("ascii")
            if len(text) > 60:
                raise ValueError(f"{self.venue} errors: text of {len(text)} bytes is longer than 60: {row.text}")
            self.errors[i].status_min, self.errors[i].status_max = row.status_min, row.status_max
            self.errors[i].code, self.errors[i].sub_code = row.code, row.sub_code
            self.errors[i].error_class, self.errors[i].is_absent = row.error_class, row.is_absent
            self.errors[i].text_bytes = len(text)
            memcpy(self.errors[i].text, <const char *>text, len(text))
        self.error_count = len(chosen)

    cdef load_symbols(self):
        cdef uint64_t slots = 64
        cdef uint64_t at, h
        cdef int row
        cdef const char *symbol
        cdef uint32_t market = MARKET_NUMBERS[self.market]
        cdef int64_t venue_id = self.instruments.venues.index(self.venue) if self.venue in self.instruments.venues else -1
        while slots < <uint64_t>self.instruments.count * 4:
            slots *= 2
        free(self.symbols)
        self.symbols = <symbol_slot_t *>calloc(slots, sizeof(symbol_slot_t))
        if self.symbols == NULL:
            raise MemoryError
        self.symbol_mask = slots - 1
        for at in range(slots):
            self.symbols[at].row = NO_ROW
        for row in range(self.instruments.count):
            if self.instruments.rows[row].market != market or <int64_t>self.instruments.rows[row].venue_id != venue_id:
                continue
            symbol = <const char *>self.instruments.rows[row].symbol
            h = hash_bytes(symbol, strlen(symbol))
            at = h & self.symbol_mask
            while self.symbols[at].row != <uint32_t>NO_ROW:
                at = (at + 1) & self.symbol_mask
            self.symbols[at].hash, self.symbols[at].row = h, row

    # ------------------------------------------------------------ what a venue gives

    cdef int decode(self, const char *data, Py_ssize_t size, int64_t recv_mono_ns) noexcept nogil:  # hot
        """The base knows no venue's words: every frame is malformed."""
        self.clear(data)
        self.malformed += 1
        return DECODED_ERROR

    cdef int decode_body(self, const json_span_t *body, order_event_t *about, int64_t recv_mono_ns) noexcept nogil:  # hot
        """The base knows no venue's words: no body is understood."""
        return 0

    # ------------------------------------------------------------ what it uses

    cdef void clear(self, const char *data) noexcept nogil:  # hot
        self.count, self.answers, self.status, self.retry_after_ms = 0, ANSWERS_NONE, 0, 0
        self.name.at, self.name.end, self.name.kind = data, data, JSON_NONE

    cdef void begin(self, order_event_t *about, const char *request_id, int64_t recv_mono_ns) noexcept nogil:  # hot
        """`about`, cleared, with what the request id says: client id, source, whether a cancel is answered."""
        memset(about, 0, sizeof(order_event_t))
        memcpy(about.client_id, request_id, CLIENT_ID_LENGTH)
        about.client_id[0] = 76
        about.instrument_id = NO_ROW
        about.cum_qty = -1
        about.recv_mono_ns = recv_mono_ns
        about.source = OE_SOURCE_QUERY if self.answers == ANSWERS_QUERY else OE_SOURCE_REPLY
        if self.answers == ANSWERS_CANCEL:
            about.flags |= OE_CANCEL_REPLY

    cdef uint32_t row_of(self, const json_span_t *symbol) noexcept nogil:  # hot
        """Row of a symbol, NO_ROW when it is not ours. At most as many probes as slots, two or three in practice."""
        cdef Py_ssize_t size = symbol.end - symbol.at
        cdef uint64_t h = hash_bytes(symbol.at, size)
        cdef uint64_t at = h & self.symbol_mask
        cdef uint32_t row
        cdef const char *known
        while True:
            row = self.symbols[at].row
            if row == <uint32_t>NO_ROW:
                return row
            if self.symbols[at].hash == h:
                known = <const char *>self.instruments.rows[row].symbol
                if size < 32 and known[size] == 0 and memcmp(known, symbol.at, size) == 0:
                    return row
            at = (at + 1) & self.symbol_mask

    cdef uint32_t classify(self, int status, int64_t code, int64_t sub_code, const json_span_t *message) noexcept nogil:  # hot
        """ERROR_* of an answer: first row that fits (order_errors.py), else ERROR_UNMAPPED."""
        cdef int i
        cdef const error_row_t *row
        self.is_absent = 0
        for i in range(self.error_count):
            row = &self.errors[i]
            if row.code != 0 and row.code != code:
                continue
            if row.status_min != 0 and (status < row.status_min or status > row.status_max):
                continue
            if row.sub_code != 0 and row.sub_code != sub_code:
                continue
            if contains(message, row.text, row.text_bytes):
                self.is_absent = row.is_absent
                return row.error_class
        self.unmapped_errors += 1
        return ERROR_UNMAPPED

    cdef void set_error(self, order_event_t *event, int64_t code, int64_t sub_code,
                        const json_span_t *message) noexcept nogil:  # hot
        """A place is REJECTED by a definite class only; a failed cancel or query says nothing about the order, unless the
        query's row says that the venue does not know it."""
        event.venue_code = <int32_t>code if -2147483648LL < code < 2147483647LL else 0
        event.error_class = self.classify(self.status, code, sub_code, message)
        copy_message(event.message, 64, message)
        if self.answers == ANSWERS_PLACE:
            event.status = ORDER_STATUS_REJECTED if is_definite(event.error_class) else ORDER_STATUS_UNKNOWN
        elif self.answers == ANSWERS_QUERY and self.is_absent:
            event.status = ORDER_STATUS_NOT_FOUND
        else:
            event.status = ORDER_STATUS_NONE

    cdef order_event_t *add(self, int64_t recv_mono_ns, uint32_t source) noexcept nogil:  # hot
        """The next event, cleared; NULL when there is no room."""
        cdef order_event_t *event
        if self.count >= DECODED_EVENTS_MAX:
            return NULL
        event = &self.events[self.count]
        self.count += 1
        memset(event, 0, sizeof(order_event_t))
        event.instrument_id = NO_ROW
        event.cum_qty = -1
        event.recv_mono_ns = recv_mono_ns
        event.source = source
        return event

    cdef void not_understood(self, const order_event_t *about, int64_t recv_mono_ns) noexcept nogil:  # hot
        """An answer about our order that says nothing certain: ask the venue."""
        cdef order_event_t *event
        self.malformed += 1
        self.count = 0
        event = self.add(recv_mono_ns, about.source)
        memcpy(event.client_id, about.client_id, CLIENT_ID_BYTES)
        event.flags = about.flags
        event.error_class = ERROR_UNMAPPED
        event.status = ORDER_STATUS_UNKNOWN if self.answers == ANSWERS_PLACE else ORDER_STATUS_NONE

    # ------------------------------------------------------------ python surface: REST replies, tests, tools

    def decode_frame(self, data: bytes, recv_mono_ns: int = 0) -> tuple[str, list[bytes]]:
        """(what the frame was, its events as order_event_t bytes). DECODED_NAMES has the words."""
        cdef int kind = self.decode(<const char *>data, len(data), recv_mono_ns)
        return DECODED_NAMES[kind], self.taken() if kind == DECODED_ORDERS else []

    def decode_rest(self, status: int, body: bytes, client_id: str, answers: str, recv_mono_ns: int = 0) -> list[bytes]:
        """Events of a REST answer about the order `client_id`; answers: "place", "cancel" or "query". Never empty: an answer that
        is not understood (an HTML page, an empty body) is UNKNOWN for a place, and says nothing for a cancel or a query."""
        cdef json_span_t root
        cdef bytes request_id = MARKS[answers].encode() + client_id[1:].encode("ascii")
        cdef bytes text
        cdef json_span_t id_span, message
        cdef order_event_t about
        cdef order_event_t *event
        cdef const char *body_end = <const char *>body + len(body)
        cdef const char *behind
        if len(request_id) != CLIENT_ID_LENGTH:
            raise ValueError(f"{self.venue} orders: {client_id!r} is not a client id of ours")
        self.clear(<const char *>body)
        self.status = status
        id_span.at, id_span.kind = <const char *>request_id, JSON_STRING
        id_span.end = id_span.at + len(request_id)
        self.answers = request_kind(&id_span)
        if self.answers == ANSWERS_NONE:
            raise ValueError(f"{self.venue} orders: {client_id!r} is not a client id of ours")
        self.begin(&about, id_span.at, recv_mono_ns)
        behind = json_value(<const char *>body, body_end, &root)
        if behind != NULL and root.kind == JSON_OBJECT and json_space(behind, body_end) == body_end:
            if not self.decode_body(&root, &about, recv_mono_ns):
                self.not_understood(&about, recv_mono_ns)
        elif status == 200:
            self.not_understood(&about, recv_mono_ns)
        else:
            # 5xx and firewall answers are not JSON: the text itself is the message
            text = bytes(c if 32 <= c < 127 and c not in b'"\\' else 63 for c in body[:200])
            message.at, message.kind = <const char *>text, JSON_STRING
            message.end = message.at + len(text)
            self.set_error(&about, 0, 0, &message)
            event = self.add(recv_mono_ns, about.source)
            event[0] = about
        return self.taken()

    cdef list taken(self):
        cdef int i
        return [(<char *>&self.events[i])[:sizeof(order_event_t)] for i in range(self.count)]

    def last_reply(self) -> tuple[int, int]:
        """(status, retryAfter in the venue's epoch ms or 0) of the last reply decoded."""
        return self.status, self.retry_after_ms

    def last_name(self, data: bytes) -> str:
        """`name` of the frame `data`, which must be the one decoded last: what an account event is called."""
        cdef const char *start = <const char *>data
        if not start <= self.name.at <= self.name.end <= start + len(data):
            raise ValueError(f"{self.venue} orders: these are not the bytes decoded last")
        return (<char *>self.name.at)[:self.name.end - self.name.at].decode("ascii", "replace")

    def classify_error(self, status: int, code: int, message: str, sub_code: int = 0) -> int:
        """ERROR_* by the decoder's own search (order_errors.classify is its plain twin)."""
        cdef bytes raw = message.encode("utf-8", "replace")
        cdef json_span_t span
        span.at, span.kind = <const char *>raw, JSON_STRING
        span.end = span.at + len(raw)
        return self.classify(status, code, sub_code, &span)
