"""OKX v5's order replies and private channels as order_event_t; see orders.pxd for the interface.

Total: any bytes give events, or DECODED_ERROR and a counter. A reply or a row about one of our orders that cannot be understood
becomes an UNKNOWN event for that order, never silence. A reply with code 0 says that the order was accepted, not that it rests:
NEW for a place, nothing for a cancel; what became of the order comes with the orders channel, whose rows carry the latest fill as
well. Sizes of SWAP are contracts, fees are negative when they were charged: both are turned here. Sources: OKX v5 documentation
2026-06..09 (place order, cancel order, get order, order channel, error codes).
"""
from cext.client_id cimport CLIENT_ID_LENGTH
from cext.decoders import okx_errors
from cext.decoders.orders cimport (ANSWERS_NONE, ANSWERS_PLACE, ANSWERS_QUERY, DECODED_ACCOUNT, DECODED_ERROR, DECODED_EVENTS_MAX,
                                   DECODED_NOTHING, DECODED_ORDERS, DECODED_REPLY, NO_ROW, OrderDecoder, copy_bytes,
                                   copy_decimal_negated, copy_message, positive_id, request_kind, scaled_size,
                                   set_client_id, text_id, venue_ns)
from cext.instrument cimport instrument_t
from cext.json_walk cimport (JSON_ARRAY, JSON_NONE, JSON_OBJECT, JSON_STRING, json_cursor_t, json_int, json_is, json_next_element,
                             json_next_member, json_open, json_scaled, json_space, json_span_t, json_value)
from cext.layout cimport (CLIENT_ID_BYTES, ERROR_NONE, ERROR_RATE, ERROR_REJECT, ERROR_UNMAPPED, OE_FORCED, OE_FOREIGN,
                          OE_IS_FILL, OE_LITE, OE_MAKER,
                          OE_SOURCE_QUERY, OE_SOURCE_STREAM, ORDER_STATUS_CANCELED, ORDER_STATUS_EXPIRED, ORDER_STATUS_FILLED,
                          ORDER_STATUS_NEW, ORDER_STATUS_NONE, ORDER_STATUS_PARTIAL, ORDER_STATUS_REJECTED, ORDER_STATUS_UNKNOWN,
                          order_event_t)
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    HTTP_RATE = 429        # what a rate answer of the order socket, which has no status, is told as
    RATE_WINDOW_MS = 2000  # every limit of the venue is one of two seconds
    SOURCE_FOK = 13        # cancelSource: nothing of a fill-or-kill could be filled
    SOURCE_IOC = 14        # the rest of an immediate-or-cancel
    SOURCE_POST_ONLY = 31  # it would have taken


cdef inline uint64_t trade_id_of(const json_span_t *span) noexcept nogil:  # hot
    """A trade's number; the hash of its text where it is none that fits: liquidations and ADL have negative ones."""
    cdef uint64_t number = positive_id(span)
    return number if number != 0 else text_id(span)


def trade_number(text: str) -> int:
    """The number that stands for a tradeId or ordId, as the decoder makes it. ValueError when it is empty."""
    cdef bytes raw = text.encode("utf-8")
    cdef json_span_t span
    if not raw:
        raise ValueError("okx: an id is empty")
    span.at, span.kind = <const char *>raw, JSON_STRING
    span.end = span.at + len(raw)
    return trade_id_of(&span)


cdef class OkxOrderDecoder(OrderDecoder):
    """OkxOrderDecoder(instruments, "spot" | "linear", venue): `venue` is another name for a variant of OKX."""

    def __init__(self, instruments, market, venue="okx"):
        OrderDecoder.__init__(self, instruments, market, venue, okx_errors.ERRORS)
        self.is_linear = market == "linear"

    # ------------------------------------------------------------ frames

    cdef int decode(self, const char *data, Py_ssize_t size, int64_t recv_mono_ns) noexcept nogil:  # hot
        """One text frame -> DECODED_*; results in the object's fields until the next call."""
        cdef json_span_t root
        cdef envelope_t told
        self.clear(data)
        if size == 4 and memcmp(data, b"pong", 4) == 0:
            return DECODED_NOTHING
        cdef const char *behind = json_value(data, data + size, &root)
        if (behind == NULL or root.kind != JSON_OBJECT or json_space(behind, data + size) != data + size
                or not self.read_envelope(&root, &told)):
            self.malformed += 1
            return DECODED_ERROR
        self.answers = request_kind(&told.request_id)
        if self.answers != ANSWERS_NONE:
            return self.decode_reply(&told, recv_mono_ns)
        if told.event.kind == JSON_STRING:
            return self.decode_event(&told, recv_mono_ns)
        if told.arg.kind == JSON_OBJECT:
            return self.decode_channel(&told, recv_mono_ns)
        if told.op.kind == JSON_STRING or told.request_id.kind == JSON_STRING:
            self.name = told.request_id if told.request_id.end > told.request_id.at else told.op
            return DECODED_REPLY
        self.malformed += 1
        return DECODED_ERROR

    cdef int read_envelope(self, const json_span_t *root, envelope_t *told) noexcept nogil:  # hot
        """The members of a frame or REST body. 1, or 0 when it is malformed."""
        cdef json_span_t key, value
        cdef json_cursor_t cursor
        cdef int more
        value.at, value.end, value.kind = root.at, root.at, JSON_NONE
        told.request_id = told.op = told.event = told.code = told.message = told.arg = told.data = told.out_time = value
        json_open(&cursor, root)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                return more == 0
            if json_is(&key, "id"):
                told.request_id = value
            elif json_is(&key, "op"):
                told.op = value
            elif json_is(&key, "event"):
                told.event = value
            elif json_is(&key, "code"):
                told.code = value
            elif json_is(&key, "msg"):
                told.message = value
            elif json_is(&key, "arg"):
                told.arg = value
            elif json_is(&key, "data"):
                told.data = value
            elif json_is(&key, "outTime"):
                told.out_time = value

    cdef int decode_event(self, const envelope_t *told, int64_t recv_mono_ns) noexcept nogil:  # hot
        """Answers to logon and subscription; notices and connection counts, named for cold code."""
        if json_is(&told.event, "notice"):
            self.name = told.code if told.code.end > told.code.at else told.event
            return DECODED_ACCOUNT
        self.name = told.event
        if (json_is(&told.event, "login") or json_is(&told.event, "subscribe") or json_is(&told.event, "unsubscribe")
                or json_is(&told.event, "error")):
            return DECODED_REPLY
        return DECODED_ACCOUNT

    # ------------------------------------------------------------ answers

    cdef int decode_reply(self, const envelope_t *told, int64_t recv_mono_ns) noexcept nogil:  # hot
        """A reply of the order socket to a request of ours; {"event":"error"} with its id is one too."""
        cdef order_event_t about
        cdef order_event_t *event
        self.begin(&about, told.request_id.at, recv_mono_ns)
        about.exch_ns = venue_ns(&told.out_time)
        if not self.decode_answer(told, &about):
            self.not_understood(&about, recv_mono_ns)
            return DECODED_ORDERS
        if about.error_class == ERROR_RATE:
            self.status = HTTP_RATE
            self.retry_after_ms = venue_ns(&told.out_time) // 1000000 + RATE_WINDOW_MS if about.exch_ns > 0 else 0
        event = self.add(recv_mono_ns, about.source)
        event[0] = about
        return DECODED_ORDERS

    cdef int decode_body(self, const json_span_t *body, order_event_t *about, int64_t recv_mono_ns) noexcept nogil:  # hot
        """REST: the same envelope."""
        cdef envelope_t told
        cdef order_event_t *event
        if not self.read_envelope(body, &told) or not self.decode_answer(&told, about):
            return 0
        event = self.add(recv_mono_ns, about.source)
        event[0] = about[0]
        return 1

    cdef int decode_answer(self, const envelope_t *told, order_event_t *about) noexcept nogil:  # hot
        """{"code","msg","data":[one]}: what was asked for, or why not. 1, or 0 when it is not understood: no code, more than one
        row, a row about another order, a success without its row."""
        cdef json_span_t element
        cdef json_cursor_t cursor
        cdef order_fields_t fields
        cdef int more = 0, rows = 0
        cdef int64_t code = 0, row_code = 0, sub_code = 0
        cdef bint has_row_code = False
        if not json_int(&told.code, &code):
            if self.status == 200 or self.status == 0:
                return 0
            self.set_error(about, 0, 0, &told.message)      # a status says it: the body is of something else
            return 1
        if told.data.kind == JSON_ARRAY:
            json_open(&cursor, &told.data)
            while True:
                more = json_next_element(&cursor, &element)
                if more != 1:
                    break
                rows += 1
                if rows > 1 or element.kind != JSON_OBJECT or not self.read_order(&element, &fields):
                    return 0
        if more < 0:
            return 0
        if rows == 1:
            if fields.client_id.end > fields.client_id.at and (
                    fields.client_id.end - fields.client_id.at != CLIENT_ID_LENGTH
                    or memcmp(fields.client_id.at, about.client_id, CLIENT_ID_LENGTH) != 0):
                return 0
            has_row_code = json_int(&fields.code, &row_code)
            if venue_ns(&fields.time) > 0:
                about.exch_ns = venue_ns(&fields.time)
        if has_row_code and row_code != 0:
            json_int(&fields.sub_code, &sub_code)
            self.set_error(about, row_code, sub_code, &fields.message)
            return 1
        if code != 0 or (self.status != 200 and self.status != 0):
            if has_row_code and (self.status == 200 or self.status == 0):
                return 0                                    # all failed, says the envelope; this one did not, says its row
            self.set_error(about, code, 0, &told.message)
            return 1
        if rows == 0:
            return 0
        if self.answers == ANSWERS_QUERY:
            return self.decode_found(&fields, about)
        return has_row_code and self.decode_ack(&fields, about)

    cdef int decode_ack(self, const order_fields_t *fields, order_event_t *about) noexcept nogil:  # hot
        """Accepted. 1, or 0 without the venue's id."""
        about.venue_order_id = trade_id_of(&fields.order_id)
        about.status = ORDER_STATUS_NEW if self.answers == ANSWERS_PLACE else ORDER_STATUS_NONE
        return about.venue_order_id != 0

    cdef int decode_found(self, const order_fields_t *fields, order_event_t *about) noexcept nogil:  # hot
        """The order that a query asked for. 1, or 0 when it is another one or not understood."""
        about.instrument_id = self.own_row(fields)
        about.venue_order_id = trade_id_of(&fields.order_id)
        if (about.instrument_id == <uint32_t>NO_ROW or about.venue_order_id == 0
                or fields.client_id.end == fields.client_id.at):
            return 0
        return self.set_order(about, fields)

    # ------------------------------------------------------------ channels

    cdef int decode_channel(self, const envelope_t *told, int64_t recv_mono_ns) noexcept nogil:  # hot
        """A push. DECODED_ERROR when nothing in it can be used and something could not be understood."""
        cdef json_span_t key, value, element
        cdef json_cursor_t cursor
        cdef order_fields_t fields
        cdef uint64_t malformed = self.malformed
        cdef int more
        json_open(&cursor, &told.arg)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                break
            if json_is(&key, "channel") and value.kind == JSON_STRING:
                self.name = value
        if more < 0 or self.name.kind != JSON_STRING:
            self.malformed += 1
            return DECODED_ERROR
        if not json_is(&self.name, "orders"):
            return DECODED_ACCOUNT
        if told.data.kind != JSON_ARRAY:
            self.malformed += 1
            return DECODED_ERROR
        json_open(&cursor, &told.data)
        while True:
            more = json_next_element(&cursor, &element)
            if more != 1:
                break
            if element.kind != JSON_OBJECT or not self.read_order(&element, &fields):
                self.malformed += 1
            else:
                self.add_order(&fields, recv_mono_ns)
        if more < 0:
            self.malformed += 1
            self.count = 0
        if self.count > 0:
            return DECODED_ORDERS
        return DECODED_ERROR if self.malformed != malformed else DECODED_NOTHING

    cdef int read_order(self, const json_span_t *row, order_fields_t *fields) noexcept nogil:  # hot
        """The fields of one row. 1, or 0 when it is malformed. Fields that are not there have kind JSON_NONE and no bytes."""
        cdef json_span_t key, value
        cdef json_cursor_t cursor
        cdef int more
        value.at, value.end, value.kind = row.at, row.at, JSON_NONE
        fields.inst_type = fields.inst_id = fields.order_id = fields.client_id = fields.time = fields.state = value
        fields.filled = fields.category = fields.source = fields.reason = fields.fill_size = fields.fill_price = value
        fields.fill_time = fields.trade_id = fields.fee = fields.fee_asset = fields.exec_type = value
        fields.code = fields.sub_code = fields.message = value
        json_open(&cursor, row)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                return more == 0
            if json_is(&key, "instType"):
                fields.inst_type = value
            elif json_is(&key, "instId"):
                fields.inst_id = value
            elif json_is(&key, "ordId"):
                fields.order_id = value
            elif json_is(&key, "clOrdId"):
                fields.client_id = value
            elif json_is(&key, "uTime") or json_is(&key, "ts"):
                fields.time = value
            elif json_is(&key, "state"):
                fields.state = value
            elif json_is(&key, "accFillSz"):
                fields.filled = value
            elif json_is(&key, "category"):
                fields.category = value
            elif json_is(&key, "cancelSource"):
                fields.source = value
            elif json_is(&key, "cancelSourceReason"):
                fields.reason = value
            elif json_is(&key, "fillSz"):
                fields.fill_size = value
            elif json_is(&key, "fillPx"):
                fields.fill_price = value
            elif json_is(&key, "fillTime"):
                fields.fill_time = value
            elif json_is(&key, "tradeId"):
                fields.trade_id = value
            elif json_is(&key, "fillFee"):
                fields.fee = value
            elif json_is(&key, "fillFeeCcy"):
                fields.fee_asset = value
            elif json_is(&key, "execType"):
                fields.exec_type = value
            elif json_is(&key, "sCode"):
                fields.code = value
            elif json_is(&key, "subCode"):
                fields.sub_code = value
            elif json_is(&key, "sMsg"):
                fields.message = value

    cdef bint is_own_type(self, const json_span_t *inst_type) noexcept nogil:  # hot
        """Whether an instType is this market."""
        if self.is_linear:
            return json_is(inst_type, "SWAP")
        return json_is(inst_type, "SPOT")

    cdef uint32_t own_row(self, const order_fields_t *fields) noexcept nogil:  # hot
        """The instrument of a row of this market; NO_ROW for another market, or a symbol that is not ours (counted)."""
        cdef uint32_t row
        if fields.inst_type.kind != JSON_NONE and not self.is_own_type(&fields.inst_type):
            return NO_ROW
        row = self.row_of(&fields.inst_id) if fields.inst_id.kind == JSON_STRING else <uint32_t>NO_ROW
        if row == <uint32_t>NO_ROW:
            self.unknown_symbols += 1
        return row

    # ------------------------------------------------------------ orders

    cdef int add_order(self, const order_fields_t *fields, int64_t recv_mono_ns) noexcept nogil:  # hot
        """One row of the orders channel -> its fill, where it tells one, and its status.

        What moves a position without an order of anybody here (ADL, liquidation, delivery) is told without an id, so that it
        locks the instrument; its price may be finer than any tick."""
        cdef uint32_t row = self.own_row(fields)
        cdef order_event_t about
        cdef order_event_t *event
        cdef int first = self.count
        cdef int64_t fill_qty = 0
        if row == <uint32_t>NO_ROW:
            return 0
        if first > DECODED_EVENTS_MAX - 2:
            self.truncated_fills += 1
            return 0
        event = self.add(recv_mono_ns, OE_SOURCE_STREAM)
        event.instrument_id = row
        if (json_is(&fields.category, "adl") or json_is(&fields.category, "full_liquidation")
                or json_is(&fields.category, "partial_liquidation") or json_is(&fields.category, "delivery")):
            self.foreign_executions += 1
            event.flags |= OE_FOREIGN | OE_FORCED
            copy_message(event.message, 64, &fields.category)
        else:
            set_client_id(event, &fields.client_id)
        event.venue_order_id = trade_id_of(&fields.order_id)
        about = event[0]
        if (fields.fill_size.end > fields.fill_size.at
                and not scaled_size(&fields.fill_size, &self.instruments.rows[row], &fill_qty)):
            self.unclear(&about, first)
            return 0
        if fill_qty > 0:
            event.last_qty = fill_qty
            if not self.set_fill(event, fields):
                self.unclear(&about, first)
                return 0
            event = self.add(recv_mono_ns, OE_SOURCE_STREAM)
            event[0] = about
        event.exch_ns = venue_ns(&fields.time)
        if not self.set_order(event, fields):
            self.unclear(&about, first)
        return 0

    cdef void unclear(self, const order_event_t *about, int first) noexcept nogil:  # hot
        """A row that is not understood: of one of our orders it says "ask the venue", of others nothing."""
        self.malformed += 1
        self.count = first
        if about.flags & OE_FOREIGN:
            return
        cdef order_event_t *event = self.add(about.recv_mono_ns, about.source)
        event.instrument_id, event.venue_order_id = about.instrument_id, about.venue_order_id
        memcpy(event.client_id, about.client_id, CLIENT_ID_BYTES)
        event.status, event.error_class = ORDER_STATUS_UNKNOWN, ERROR_UNMAPPED

    cdef int set_order(self, order_event_t *event, const order_fields_t *fields) noexcept nogil:  # hot
        """Status and executed quantity of an order. 1, or 0 when they are not understood: an end without its quantity is no outcome."""
        cdef const instrument_t *instrument = &self.instruments.rows[event.instrument_id]
        cdef const json_span_t *word = &fields.state
        if fields.filled.end > fields.filled.at and not scaled_size(&fields.filled, instrument, &event.cum_qty):
            return 0
        if json_is(word, "live"):
            event.status = ORDER_STATUS_NEW
        elif json_is(word, "partially_filled"):
            event.status = ORDER_STATUS_PARTIAL
        elif json_is(word, "filled"):
            event.status = ORDER_STATUS_FILLED
        elif json_is(word, "canceled") or json_is(word, "mmp_canceled"):
            event.status = ORDER_STATUS_CANCELED
        elif word.kind != JSON_STRING:
            return 0
        else:
            event.status, event.error_class = ORDER_STATUS_UNKNOWN, ERROR_UNMAPPED
            copy_message(event.message, 64, word)
            self.unmapped_statuses += 1
            return 1
        if event.cum_qty < 0 and event.status != ORDER_STATUS_NEW:
            return 0
        if event.status == ORDER_STATUS_CANCELED:
            self.set_end(event, fields)
        return 1

    cdef void set_end(self, order_event_t *event, const order_fields_t *fields) noexcept nogil:  # hot
        """Why an order was cancelled, and what that makes of its status. As the answer to a query a refusal has no class: there a
        class means "no answer"."""
        cdef int64_t source = -1
        if not event.flags & OE_FOREIGN:
            if fields.reason.end > fields.reason.at:
                copy_message(event.message, 64, &fields.reason)
            elif fields.source.end > fields.source.at:
                memcpy(event.message, b"cancelSource ", 13)
                copy_message(event.message + 13, 51, &fields.source)
        if not json_int(&fields.source, &source):
            return
        if source == SOURCE_IOC or source == SOURCE_FOK:
            event.status = ORDER_STATUS_EXPIRED
        elif source == SOURCE_POST_ONLY and event.cum_qty == 0:
            event.status = ORDER_STATUS_REJECTED
            event.error_class = ERROR_REJECT if event.source != OE_SOURCE_QUERY else ERROR_NONE

    cdef int set_fill(self, order_event_t *event, const order_fields_t *fields) noexcept nogil:  # hot
        """The latest fill of an order beside its size. 1, or 0 when it is not understood. A fill without its fee is told as LITE."""
        cdef const instrument_t *instrument = &self.instruments.rows[event.instrument_id]
        event.flags |= OE_IS_FILL
        event.status = ORDER_STATUS_PARTIAL
        event.exch_ns = venue_ns(&fields.fill_time)
        event.trade_id = trade_id_of(&fields.trade_id)
        if event.trade_id == 0:
            return 0
        if not json_scaled(&fields.fill_price, instrument.px_scale, &event.last_px):
            if not event.flags & OE_FOREIGN:
                return 0
            event.last_px = 0
        if json_is(&fields.exec_type, "M"):
            event.flags |= OE_MAKER
        if fields.fee.end == fields.fee.at:
            event.flags |= OE_LITE
            return 1
        if not copy_decimal_negated(event.fee, &fields.fee):
            return 0
        copy_bytes(event.fee_asset, 16, &fields.fee_asset)
        # a fee without its coin cannot be posted, unless it is nothing
        return fields.fee_asset.end > fields.fee_asset.at or json_is(&fields.fee, "0")
