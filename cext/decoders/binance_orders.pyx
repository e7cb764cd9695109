"""Binance's order replies and user streams as order_event_t; see binance_orders.pxd for the interface.

Total: any bytes give events, or DECODED_ERROR and a counter. A reply that answers one of our orders and cannot be understood
becomes an UNKNOWN event for that order, never silence. Sources: venues/binance.md A8, A9, A11, B6, B7, B8.
"""
from cext.client_id cimport CLIENT_ID_LENGTH, client_id_decode
from cext.decoders import binance_errors
from cext.instrument cimport InstrumentArray, instrument_t
from cext.json_walk cimport (JSON_ARRAY, JSON_LITERAL, JSON_NONE, JSON_NUMBER, JSON_OBJECT, JSON_STRING, json_cursor_t, json_int,
                             json_is,
                             json_next_element, json_next_member, json_open, json_scaled, json_space, json_span_t, json_value)
from cext.layout cimport (CLIENT_ID_BYTES, ERROR_AUTH, ERROR_BALANCE, ERROR_FATAL, ERROR_FILTER, ERROR_NONE, ERROR_RATE,
                          ERROR_REJECT,
                          ERROR_RETRY, ERROR_TIME, ERROR_UNMAPPED, OE_CANCEL_REPLY, OE_FOREIGN,
                          OE_IS_FILL, OE_LITE, OE_MAKER, OE_SOURCE_QUERY, OE_SOURCE_REPLY, OE_SOURCE_STREAM,
                          ORDER_STATUS_CANCELED,
                          ORDER_STATUS_EXPIRED, ORDER_STATUS_FILLED, ORDER_STATUS_NEW, ORDER_STATUS_NONE, ORDER_STATUS_NOT_FOUND,
                          ORDER_STATUS_PARTIAL, ORDER_STATUS_REJECTED, ORDER_STATUS_UNKNOWN, order_event_t)
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset, strlen

cdef enum:
    EXECUTION_SPOT = 0
    EXECUTION_LINEAR = 1
    EXECUTION_LITE = 2
    FIELD_REASON = 0       # place of "eR" and "er" in the table of one-letter fields
    FIELDS_MAX = 128

DECODED_NAMES = {DECODED_ERROR: "error", DECODED_NOTHING: "nothing", DECODED_ORDERS: "orders", DECODED_REPLY: "reply",
                 DECODED_ACCOUNT: "account"}


# ---------------------------------------------------------------- leaves

cdef inline void copy_bytes(uint8_t *to, int capacity, const json_span_t *span) noexcept nogil:  # hot
    """Text into a zeroed field of `capacity` bytes, cut so that a NUL stays behind it."""
    cdef Py_ssize_t size = span.end - span.at
    if size > capacity - 1:
        size = capacity - 1
    if size > 0:
        memcpy(to, span.at, size)


cdef inline void copy_message(uint8_t *to, int capacity, const json_span_t *span) noexcept nogil:  # hot
    """As copy_bytes; control bytes, quotes' escapes and what is not ASCII become '?': this text reaches logs and screens."""
    cdef Py_ssize_t i
    cdef Py_ssize_t size = span.end - span.at
    cdef uint8_t c
    if size > capacity - 1:
        size = capacity - 1
    for i in range(size):
        c = <uint8_t>span.at[i]
        to[i] = c if 32 <= c < 127 else 63


cdef inline bint copy_decimal(uint8_t *to, const json_span_t *span) noexcept nogil:  # hot
    """Decimal text kept as sent. False when it is no decimal, or longer than the field: then it is not exact any more."""
    cdef const char *p = span.at
    cdef int digits = 0, points = 0
    if span.kind != JSON_STRING and span.kind != JSON_NUMBER or span.end - span.at > 31:
        return False
    if p < span.end and p[0] == 45:  # "-": a rebate
        p += 1
    while p < span.end:
        if p[0] == 46:
            points += 1
        elif 48 <= p[0] <= 57:
            digits += 1
        else:
            return False
        p += 1
    if digits == 0 or points > 1:
        return False
    memcpy(to, span.at, span.end - span.at)
    return True


cdef inline int64_t venue_ns(const json_span_t *span) noexcept nogil:  # hot
    """Venue's time in ns (it sends ms, or us when asked), 0 when not given."""
    cdef int64_t value = 0
    if not json_int(span, &value) or value <= 0:
        return 0
    if value >= 100000000000000LL:  # us: ms reach this in the year 5138
        return value * 1000LL if value < 9000000000000000LL else 0LL
    return value * 1000000LL


cdef inline uint64_t positive_id(const json_span_t *span) noexcept nogil:  # hot
    """An id of the venue; 0 when not given or -1 ("none")."""
    cdef int64_t value = 0
    return <uint64_t>value if json_int(span, &value) and value > 0 else 0


cdef inline uint64_t hash_bytes(const char *p, Py_ssize_t size) noexcept nogil:  # hot
    cdef uint64_t h = 0xcbf29ce484222325ULL
    cdef Py_ssize_t i
    for i in range(size):
        h = (h ^ <uint8_t>p[i]) * 0x100000001b3ULL
    return h


cdef inline bint set_client_id(order_event_t *event, const json_span_t *span) noexcept nogil:  # hot
    """Takes the id; marks it FOREIGN when it is not of our making. Returns whether it is ours."""
    cdef uint32_t instance = 0, leg = 0
    cdef uint64_t intent_id = 0
    copy_bytes(event.client_id, CLIENT_ID_BYTES, span)
    if (span.end - span.at == CLIENT_ID_LENGTH and span.at[0] == 76
            and client_id_decode(<const uint8_t *>span.at, &instance, &intent_id, &leg)):
        return True
    event.flags |= OE_FOREIGN
    return False


cdef inline int request_kind(const json_span_t *request_id) noexcept nogil:  # hot
    """ANSWERS_* of a request id: the client id with its mark changed, or something of cold code's."""
    cdef uint32_t instance = 0, leg = 0
    cdef uint64_t intent_id = 0
    if request_id.kind != JSON_STRING or request_id.end - request_id.at != CLIENT_ID_LENGTH:
        return ANSWERS_NONE
    if not client_id_decode(<const uint8_t *>request_id.at, &instance, &intent_id, &leg):
        return ANSWERS_NONE
    if request_id.at[0] == 76:    # L
        return ANSWERS_PLACE
    if request_id.at[0] == 88:    # X
        return ANSWERS_CANCEL
    if request_id.at[0] == 81:    # Q
        return ANSWERS_QUERY
    return ANSWERS_NONE


cdef inline bint contains(const json_span_t *message, const char *lower, uint32_t lower_bytes) noexcept nogil:  # hot
    """Whether the text occurs in the message, ignoring case."""
    cdef Py_ssize_t start
    cdef uint32_t i
    cdef uint8_t c
    if lower_bytes == 0:
        return True
    for start in range(message.end - message.at - <Py_ssize_t>lower_bytes + 1):
        i = 0
        while i < lower_bytes:
            c = <uint8_t>message.at[start + i]
            if 65 <= c <= 90:
                c += 32
            if c != <uint8_t>lower[i]:
                break
            i += 1
        if i == lower_bytes:
            return True
    return False


cdef inline bint is_definite(uint32_t error_class) noexcept nogil:  # hot
    """The allow-list: only these say that a new order was not executed."""
    return (error_class == ERROR_RETRY or error_class == ERROR_REJECT or error_class == ERROR_BALANCE
            or error_class == ERROR_FILTER
            or error_class == ERROR_RATE or error_class == ERROR_AUTH or error_class == ERROR_TIME or error_class == ERROR_FATAL)


cdef class BinanceOrderDecoder:
    """BinanceOrderDecoder(instruments, "spot" | "linear"): rows of this market only are known."""

    def __cinit__(self, InstrumentArray instruments, str market):
        if market not in ("spot", "linear"):
            raise ValueError(f"binance_orders: market {market!r} is none of spot, linear")
        self.instruments = instruments
        self.market = market
        self.load_errors()
        self.load_symbols()

    def __dealloc__(self):
        free(self.errors)
        free(self.symbols)

    cdef load_errors(self):
        wanted = (binance_errors.BOTH, binance_errors.SPOT if self.market == "spot" else binance_errors.LINEAR)
        rows = [row for row in binance_errors.ERRORS if row.market in wanted]
        cdef bytes text
        self.errors = <error_row_t *>calloc(len(rows), sizeof(error_row_t))
        if self.errors == NULL:
            raise MemoryError
        for i, row in enumerate(rows):
            text = row.text.encode("ascii")
            if len(text) > 60:
                raise ValueError(f"binance_errors: text of {len(text)} bytes is longer than 60: {row.text}")
            self.errors[i].status_min, self.errors[i].status_max = row.status_min, row.status_max
            self.errors[i].code, self.errors[i].error_class = row.code, row.error_class
            self.errors[i].text_bytes = len(text)
            memcpy(self.errors[i].text, <const char *>text, len(text))
        self.error_count = len(rows)

    cdef load_symbols(self):
        cdef uint64_t slots = 64
        cdef uint64_t at
        cdef int row
        cdef uint32_t market = 1 if self.market == "spot" else 2
        while slots < <uint64_t>self.instruments.count * 4:
            slots *= 2
        self.symbols = <symbol_slot_t *>calloc(slots, sizeof(symbol_slot_t))
        if self.symbols == NULL:
            raise MemoryError
        self.symbol_mask = slots - 1
        for at in range(slots):
            self.symbols[at].row = NO_ROW
        for row in range(self.instruments.count):
            if self.instruments.rows[row].market != market:
                continue
            symbol = <const char *>self.instruments.rows[row].symbol
            h = hash_bytes(symbol, strlen(symbol))
            at = h & self.symbol_mask
            while self.symbols[at].row != <uint32_t>NO_ROW:
                at = (at + 1) & self.symbol_mask
            self.symbols[at].hash, self.symbols[at].row = h, row

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

    cdef uint32_t classify(self, int status, int64_t code, const json_span_t *message) noexcept nogil:  # hot
        """ERROR_* of an answer: first row that fits (binance_errors.py), else ERROR_UNMAPPED."""
        cdef int i
        cdef const error_row_t *row
        for i in range(self.error_count):
            row = &self.errors[i]
            if row.code != 0 and row.code != code:
                continue
            if row.status_min != 0 and (status < row.status_min or status > row.status_max):
                continue
            if contains(message, row.text, row.text_bytes):
                return row.error_class
        self.unmapped_errors += 1
        return ERROR_UNMAPPED

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

    cdef void set_status(self, order_event_t *event, const json_span_t *word) noexcept nogil:  # hot
        if json_is(word, "NEW") or json_is(word, "PENDING_NEW"):
            event.status = ORDER_STATUS_NEW
        elif json_is(word, "FILLED"):
            event.status = ORDER_STATUS_FILLED
        elif json_is(word, "EXPIRED") or json_is(word, "EXPIRED_IN_MATCH"):
            event.status = ORDER_STATUS_EXPIRED
        elif json_is(word, "PARTIALLY_FILLED"):
            event.status = ORDER_STATUS_PARTIAL
        elif json_is(word, "CANCELED"):
            event.status = ORDER_STATUS_CANCELED
        elif json_is(word, "REJECTED"):
            event.status = ORDER_STATUS_REJECTED
        elif json_is(word, "NEW_INSURANCE") or json_is(word, "NEW_ADL"):
            event.status = ORDER_STATUS_NEW
        else:
            event.status = ORDER_STATUS_UNKNOWN
            event.error_class = ERROR_UNMAPPED
            self.unmapped_statuses += 1

    # ------------------------------------------------------------ frames

    cdef int decode(self, const char *data, Py_ssize_t size, int64_t recv_mono_ns) noexcept nogil:  # hot
        """One text frame -> DECODED_*; results in the object's fields until the next call."""
        cdef json_span_t root, key, value, request_id, status, result, error, event
        cdef json_cursor_t cursor
        cdef int more
        cdef int64_t number = 0
        cdef bint is_bare_event = False
        self.count, self.answers, self.status, self.retry_after_ms = 0, ANSWERS_NONE, 0, 0
        self.name.at, self.name.end, self.name.kind = data, data, JSON_NONE
        request_id.kind = status.kind = result.kind = error.kind = event.kind = JSON_NONE
        cdef const char *behind = json_value(data, data + size, &root)
        if behind == NULL or root.kind != JSON_OBJECT or json_space(behind, data + size) != data + size:
            self.malformed += 1
            return DECODED_ERROR
        json_open(&cursor, &root)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                break
            if json_is(&key, "id"):
                request_id = value
            elif json_is(&key, "status"):
                status = value
            elif json_is(&key, "result"):
                result = value
            elif json_is(&key, "error"):
                error = value
            elif json_is(&key, "event") or json_is(&key, "data"):
                event = value
            elif json_is(&key, "e"):
                is_bare_event = True
                break
        if more < 0:
            self.malformed += 1
            return DECODED_ERROR
        if is_bare_event:
            return self.decode_user_event(&root, recv_mono_ns)
        if event.kind == JSON_OBJECT:
            return self.decode_user_event(&event, recv_mono_ns)
        if request_id.kind == JSON_NONE:
            self.malformed += 1
            return DECODED_ERROR
        if json_int(&status, &number) and 0 < number < 1000:
            self.status = <int>number
        return self.decode_reply(&request_id, &result, &error, recv_mono_ns)

    cdef int decode_reply(self, const json_span_t *request_id, const json_span_t *result, const json_span_t *error,
                          int64_t recv_mono_ns) noexcept nogil:  # hot
        """A reply with `id`: about an order when the id is derived from a client id of ours, else cold code's."""
        cdef order_event_t about
        cdef order_event_t *event
        cdef bint understood
        self.answers = request_kind(request_id)
        if self.answers == ANSWERS_NONE:
            if error.kind == JSON_OBJECT:
                memset(&about, 0, sizeof(about))
                self.decode_error(&about, error)  # for retryAfter
            self.name = request_id[0]
            return DECODED_REPLY
        memset(&about, 0, sizeof(about))
        memcpy(about.client_id, request_id.at, CLIENT_ID_LENGTH)
        about.client_id[0] = 76
        about.instrument_id = NO_ROW
        about.cum_qty = -1
        about.recv_mono_ns = recv_mono_ns
        about.source = OE_SOURCE_QUERY if self.answers == ANSWERS_QUERY else OE_SOURCE_REPLY
        if self.answers == ANSWERS_CANCEL:
            about.flags |= OE_CANCEL_REPLY
        if result.kind == JSON_OBJECT and (self.status == 200 or self.status == 0):
            understood = self.decode_result(result, &about, recv_mono_ns)
        elif error.kind == JSON_OBJECT:
            understood = self.decode_error(&about, error)
            if understood:
                event = self.add(recv_mono_ns, about.source)
                event[0] = about
        else:
            understood = False
        if not understood:
            # An answer about our order that says nothing certain: ask the venue.
            self.malformed += 1
            self.count = 0
            event = self.add(recv_mono_ns, about.source)
            memcpy(event.client_id, about.client_id, CLIENT_ID_BYTES)
            event.flags = about.flags
            event.error_class = ERROR_UNMAPPED
            event.status = ORDER_STATUS_UNKNOWN if self.answers == ANSWERS_PLACE else ORDER_STATUS_NONE
        return DECODED_ORDERS

    cdef int decode_error(self, order_event_t *event, const json_span_t *error) noexcept nogil:  # hot
        """{"code","msg","data":{"retryAfter"}} -> class and status of the event. 1, or 0 when it has no code."""
        cdef json_span_t key, value, message, inner_key, inner
        cdef json_cursor_t cursor, data_cursor
        cdef int more
        cdef int64_t code = 0
        message.at, message.end, message.kind = error.at, error.at, JSON_NONE
        json_open(&cursor, error)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                break
            if json_is(&key, "code"):
                if not json_int(&value, &code) or not -2147483648 < code < 2147483647:
                    return 0
            elif json_is(&key, "msg") and value.kind == JSON_STRING:
                message = value
            elif json_is(&key, "data") and value.kind == JSON_OBJECT:
                json_open(&data_cursor, &value)
                while json_next_member(&data_cursor, &inner_key, &inner) == 1:
                    if json_is(&inner_key, "retryAfter"):
                        json_int(&inner, &self.retry_after_ms)
        if more < 0:
            return 0
        event.venue_code = <int32_t>code
        event.error_class = self.classify(self.status, code, &message)
        copy_message(event.message, 64, &message)
        if self.answers == ANSWERS_PLACE:
            event.status = ORDER_STATUS_REJECTED if is_definite(event.error_class) else ORDER_STATUS_UNKNOWN
        elif self.answers == ANSWERS_QUERY and (code == -2013 or code == -2026):
            event.status = ORDER_STATUS_NOT_FOUND
        else:
            event.status = ORDER_STATUS_NONE  # a failed cancel or query says nothing about the order
        return 1

    cdef int decode_result(self, const json_span_t *result, order_event_t *about, int64_t recv_mono_ns) noexcept nogil:  # hot
        """An order object (place, cancel, query; WS or REST) -> fills, then the status. 1, or 0 when it is not understood."""
        cdef json_span_t key, value, symbol, status, executed, fills, reason, client_id, original_id
        cdef json_cursor_t cursor
        cdef order_event_t *event
        cdef int more
        cdef const instrument_t *instrument
        symbol.kind = status.kind = executed.kind = fills.kind = reason.kind = client_id.kind = original_id.kind = JSON_NONE
        json_open(&cursor, result)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                break
            if json_is(&key, "symbol"):
                symbol = value
            elif json_is(&key, "status"):
                status = value
            elif json_is(&key, "executedQty"):
                executed = value
            elif json_is(&key, "orderId"):
                about.venue_order_id = positive_id(&value)
            elif json_is(&key, "clientOrderId"):
                client_id = value
            elif json_is(&key, "origClientOrderId"):
                original_id = value
            elif json_is(&key, "transactTime") or json_is(&key, "updateTime"):
                about.exch_ns = venue_ns(&value)
            elif json_is(&key, "cummulativeQuoteQty") or json_is(&key, "cumQuote"):
                # "below zero" is the venue's word for "not known" in old orders
                if value.end > value.at and value.at[0] != 45 and not copy_decimal(about.cum_quote, &value):
                    return 0
            elif json_is(&key, "fills"):
                fills = value
            elif json_is(&key, "expiryReason"):
                reason = value
        if more < 0 or symbol.kind != JSON_STRING:
            return 0
        # the object must be about the order that was asked for
        if original_id.kind != JSON_STRING:
            original_id = client_id
        if original_id.kind == JSON_STRING and (original_id.end - original_id.at != CLIENT_ID_LENGTH
                                                or memcmp(original_id.at, about.client_id, CLIENT_ID_LENGTH) != 0):
            return 0
        about.instrument_id = self.row_of(&symbol)
        if about.instrument_id == <uint32_t>NO_ROW:
            self.unknown_symbols += 1
            return 0
        instrument = &self.instruments.rows[about.instrument_id]
        if executed.kind != JSON_NONE and not json_scaled(&executed, instrument.qty_scale, &about.cum_qty):
            return 0
        if status.kind == JSON_STRING:
            self.set_status(about, &status)
        elif self.answers == ANSWERS_PLACE and about.venue_order_id != 0:
            about.status = ORDER_STATUS_NEW  # an ACK
        else:
            return 0
        if about.status >= ORDER_STATUS_FILLED and about.status <= ORDER_STATUS_EXPIRED and about.cum_qty < 0:
            return 0  # terminal without its quantity is no outcome
        if reason.kind == JSON_STRING:
            copy_message(about.message, 64, &reason)
        elif json_is(&status, "EXPIRED_IN_MATCH"):
            copy_message(about.message, 64, &status)
        if fills.kind == JSON_ARRAY and not self.decode_fills(&fills, about, instrument.px_scale, instrument.qty_scale,
                                                              recv_mono_ns):
            return 0
        event = self.add(recv_mono_ns, about.source)
        event[0] = about[0]
        return 1

    cdef int decode_fills(self, const json_span_t *fills, const order_event_t *about, int px_scale, int qty_scale,
                          int64_t recv_mono_ns) noexcept nogil:  # hot
        """[{"price","qty","commission","commissionAsset","tradeId"}] -> one event each, PARTIAL. The last slot is kept for the
        status."""
        cdef json_span_t element, key, value
        cdef json_cursor_t cursor, inside
        cdef order_event_t *event
        cdef int more, member
        json_open(&cursor, fills)
        while True:
            more = json_next_element(&cursor, &element)
            if more != 1:
                return more == 0
            if element.kind != JSON_OBJECT:
                return 0
            if self.count >= DECODED_EVENTS_MAX - 1:
                self.truncated_fills += 1
                continue
            event = self.add(recv_mono_ns, about.source)
            memcpy(event.client_id, about.client_id, CLIENT_ID_BYTES)
            event.venue_order_id, event.exch_ns = about.venue_order_id, about.exch_ns
            event.instrument_id, event.status = about.instrument_id, ORDER_STATUS_PARTIAL
            event.flags = about.flags | OE_IS_FILL
            json_open(&inside, &element)
            while True:
                member = json_next_member(&inside, &key, &value)
                if member != 1:
                    break
                if json_is(&key, "price"):
                    if not json_scaled(&value, px_scale, &event.last_px):
                        return 0
                elif json_is(&key, "qty"):
                    if not json_scaled(&value, qty_scale, &event.last_qty):
                        return 0
                elif json_is(&key, "commission"):
                    if not copy_decimal(event.fee, &value):
                        return 0
                elif json_is(&key, "commissionAsset"):
                    copy_bytes(event.fee_asset, 16, &value)
                elif json_is(&key, "tradeId"):
                    event.trade_id = positive_id(&value)
            if member < 0 or event.last_qty <= 0 or event.last_px <= 0 or event.trade_id == 0:
                return 0

    # ------------------------------------------------------------ user streams

    cdef int decode_user_event(self, const json_span_t *event, int64_t recv_mono_ns) noexcept nogil:  # hot
        """One event of a user stream, wrapped or not."""
        cdef json_span_t fields[FIELDS_MAX]
        cdef json_span_t key, value, nested
        cdef json_cursor_t cursor
        cdef int more, i, kind
        for i in range(FIELDS_MAX):
            fields[i].kind = JSON_NONE
        json_open(&cursor, event)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                break
            if key.end - key.at == 1 and <uint8_t>key.at[0] < FIELDS_MAX:
                fields[<int>key.at[0]] = value
            elif json_is(&key, "eR"):
                fields[FIELD_REASON] = value
        if more < 0 or fields[101].kind != JSON_STRING:  # e
            self.malformed += 1
            return DECODED_ERROR
        self.name = fields[101]
        if json_is(&self.name, "executionReport"):
            kind = EXECUTION_SPOT
        elif json_is(&self.name, "TRADE_LITE"):
            kind = EXECUTION_LITE
        elif json_is(&self.name, "ORDER_TRADE_UPDATE"):
            kind = EXECUTION_LINEAR
            nested = fields[111]  # o
            if nested.kind != JSON_OBJECT:
                self.malformed += 1
                return DECODED_ERROR
            for i in range(FIELDS_MAX):
                fields[i].kind = JSON_NONE
            json_open(&cursor, &nested)
            while True:
                more = json_next_member(&cursor, &key, &value)
                if more != 1:
                    break
                if key.end - key.at == 1 and <uint8_t>key.at[0] < FIELDS_MAX:
                    fields[<int>key.at[0]] = value
                elif json_is(&key, "er"):
                    fields[FIELD_REASON] = value
            if more < 0:
                self.malformed += 1
                return DECODED_ERROR
        else:
            return DECODED_ACCOUNT
        more = self.decode_execution(fields, kind, recv_mono_ns)
        if more == DECODED_ERROR:
            self.malformed += 1
            self.count = 0
        return more

    cdef int decode_execution(self, const json_span_t *fields, int kind, int64_t recv_mono_ns) noexcept nogil:  # hot
        """executionReport, ORDER_TRADE_UPDATE's "o" or TRADE_LITE, by their one-letter fields (venues/binance.md A9, B7)."""
        cdef const json_span_t *symbol = &fields[115]      # s
        cdef const json_span_t *client_id = &fields[99]    # c
        cdef const json_span_t *original = &fields[67]     # C
        cdef const json_span_t *execution = &fields[120]   # x
        cdef const json_span_t *reason = &fields[FIELD_REASON]
        cdef const instrument_t *instrument
        cdef order_event_t *event
        cdef uint32_t row
        if symbol.kind != JSON_STRING or client_id.kind != JSON_STRING:
            return DECODED_ERROR
        row = self.row_of(symbol)
        if row == <uint32_t>NO_ROW:
            self.unknown_symbols += 1
            return DECODED_NOTHING
        instrument = &self.instruments.rows[row]
        event = self.add(recv_mono_ns, OE_SOURCE_STREAM)
        event.instrument_id = row
        # spot: of a cancel, c is the cancel's own id and C the order's
        set_client_id(event, original if kind == EXECUTION_SPOT and original.kind == JSON_STRING and original.end > original.at
                      else client_id)
        event.venue_order_id = positive_id(&fields[105])   # i
        event.exch_ns = venue_ns(&fields[84])              # T
        if kind == EXECUTION_LITE:
            event.flags |= OE_LITE
        else:
            self.set_status(event, &fields[88])            # X
            if not json_scaled(&fields[122], instrument.qty_scale, &event.cum_qty):  # z
                return DECODED_ERROR
        if kind == EXECUTION_SPOT:
            event.execution_id = positive_id(&fields[73])  # I
            if fields[90].kind != JSON_NONE and not copy_decimal(event.cum_quote, &fields[90]):  # Z
                return DECODED_ERROR
            if event.status == ORDER_STATUS_REJECTED:
                reason = &fields[114]                      # r
        if json_is(&fields[109], "true"):                  # m
            event.flags |= OE_MAKER
        if reason.kind != JSON_NONE and not json_is(reason, "0") and not json_is(reason, "NONE"):
            copy_message(event.message, 64, reason)
        elif json_is(&fields[88], "EXPIRED_IN_MATCH"):
            copy_message(event.message, 64, &fields[88])
        if kind == EXECUTION_LITE or json_is(execution, "TRADE") or (kind == EXECUTION_LINEAR
                                                                     and json_is(execution, "CALCULATED")):
            event.flags |= OE_IS_FILL
            event.trade_id = positive_id(&fields[116])     # t
            if (not json_scaled(&fields[108], instrument.qty_scale, &event.last_qty)     # l
                    or not json_scaled(&fields[76], instrument.px_scale, &event.last_px)  # L
                    or event.last_qty <= 0 or event.trade_id == 0):
                return DECODED_ERROR
            if kind != EXECUTION_LITE and fields[110].kind != JSON_NONE:                 # n
                if not copy_decimal(event.fee, &fields[110]):
                    return DECODED_ERROR
                if fields[78].kind == JSON_STRING:                                       # N
                    copy_bytes(event.fee_asset, 16, &fields[78])
        return DECODED_ORDERS

    # ------------------------------------------------------------ python surface: REST replies, tests, tools

    def decode_frame(self, data: bytes, recv_mono_ns: int = 0) -> tuple[str, list[bytes]]:
        """(what the frame was, its events as order_event_t bytes). DECODED_NAMES has the words."""
        cdef int kind = self.decode(<const char *>data, len(data), recv_mono_ns)
        return DECODED_NAMES[kind], self.taken() if kind == DECODED_ORDERS else []

    def decode_rest(self, status: int, body: bytes, client_id: str, answers: str, recv_mono_ns: int = 0) -> list[bytes]:
        """Events of a REST answer about the order `client_id`; answers: "place", "cancel" or "query". Never empty: an answer that
        is not understood (an HTML page, an empty body) is UNKNOWN for a place, and says nothing for a cancel or a query."""
        cdef json_span_t root
        cdef bytes request_id = {"place": "L", "cancel": "X", "query": "Q"}[answers].encode() + client_id[1:].encode("ascii")
        cdef json_span_t id_span, none
        cdef bytes wrapped = body
        cdef const char *body_end = <const char *>body + len(body)
        cdef const char *behind
        if len(request_id) != CLIENT_ID_LENGTH:
            raise ValueError(f"binance_orders: {client_id!r} is not a client id of ours")
        self.count, self.retry_after_ms, self.status = 0, 0, status
        id_span.at, id_span.kind = <const char *>request_id, JSON_STRING
        id_span.end = id_span.at + len(request_id)
        none.kind = JSON_NONE
        none.at = none.end = id_span.at
        behind = json_value(<const char *>body, body_end, &root)
        if behind == NULL or root.kind != JSON_OBJECT or json_space(behind, body_end) != body_end:
            # 5xx and firewall answers are not JSON: the text itself is the message
            wrapped = b'{"msg":"' + bytes(c if 32 <= c < 127 and c not in b'"\\' else 63 for c in body[:200]) + b'"}'
            json_value(<const char *>wrapped, <const char *>wrapped + len(wrapped), &root)
            if status == 200:
                status = self.status = 0
                self.decode_reply(&id_span, &none, &none, recv_mono_ns)
                return self.taken()
        if status == 200:
            self.decode_reply(&id_span, &root, &none, recv_mono_ns)
        else:
            self.decode_reply(&id_span, &none, &root, recv_mono_ns)
        return self.taken()

    cdef list taken(self):
        cdef int i
        return [(<char *>&self.events[i])[:sizeof(order_event_t)] for i in range(self.count)]

    def last_reply(self) -> tuple[int, int]:
        """(status, retryAfter in the venue's epoch ms or 0) of the last reply decoded."""
        return self.status, self.retry_after_ms

    def classify_error(self, status: int, code: int, message: str) -> int:
        """ERROR_* by the decoder's own search (binance_errors.classify is its plain twin)."""
        cdef bytes raw = message.encode("utf-8", "replace")
        cdef json_span_t span
        span.at, span.kind = <const char *>raw, JSON_STRING
        span.end = span.at + len(raw)
        return self.classify(status, code, &span)
