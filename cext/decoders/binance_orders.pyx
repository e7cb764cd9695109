"""Binance's order replies and user streams as order_event_t; see orders.pxd for the interface.

Total: any bytes give events, or DECODED_ERROR and a counter. A reply that answers one of our orders and cannot be understood
becomes an UNKNOWN event for that order, never silence. Sources: venues/binance.md A8, A9, A11, B6, B7, B8.
"""
from cext.client_id cimport CLIENT_ID_LENGTH
from cext.decoders import binance_errors
from cext.decoders.orders cimport (ANSWERS_NONE, ANSWERS_PLACE, DECODED_ACCOUNT, DECODED_ERROR, DECODED_EVENTS_MAX,
                                   DECODED_NOTHING, DECODED_ORDERS, DECODED_REPLY, NO_ROW, OrderDecoder, copy_bytes, copy_decimal,
                                   copy_message, positive_id, request_kind, set_client_id, venue_ns)
from cext.instrument cimport instrument_t
from cext.json_walk cimport (JSON_ARRAY, JSON_NONE, JSON_OBJECT, JSON_STRING, json_cursor_t, json_int, json_is,
                             json_next_element, json_next_member, json_open, json_scaled, json_space, json_span_t, json_starts,
                             json_value)
from cext.layout cimport (CLIENT_ID_BYTES, ERROR_UNMAPPED, OE_FORCED, OE_FOREIGN, OE_IS_FILL, OE_LITE, OE_MAKER, OE_SOURCE_STREAM,
                          ORDER_STATUS_CANCELED, ORDER_STATUS_EXPIRED, ORDER_STATUS_FILLED, ORDER_STATUS_NEW,
                          ORDER_STATUS_PARTIAL, ORDER_STATUS_REJECTED, ORDER_STATUS_UNKNOWN, order_event_t)
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

cdef enum:
    EXECUTION_SPOT = 0
    EXECUTION_LINEAR = 1
    EXECUTION_LITE = 2
    FIELD_REASON = 0       # place of "eR" and "er" in the table of one-letter fields
    FIELDS_MAX = 128


cdef class BinanceOrderDecoder(OrderDecoder):
    """BinanceOrderDecoder(instruments, "spot" | "linear", venue): `venue` is another name for a variant of Binance."""

    def __init__(self, instruments, market, venue="binance"):
        OrderDecoder.__init__(self, instruments, market, venue, binance_errors.ERRORS)

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
        self.clear(data)
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
        self.begin(&about, request_id.at, recv_mono_ns)
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
            self.not_understood(&about, recv_mono_ns)
        return DECODED_ORDERS

    cdef int decode_body(self, const json_span_t *body, order_event_t *about, int64_t recv_mono_ns) noexcept nogil:  # hot
        """REST: an order object with status 200, else an error object."""
        cdef order_event_t *event
        if self.status == 200:
            return self.decode_result(body, about, recv_mono_ns)
        if not self.decode_error(about, body):
            return 0
        event = self.add(recv_mono_ns, about.source)
        event[0] = about[0]
        return 1

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
        self.set_error(event, code, 0, &message)
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
        if event.flags & OE_FOREIGN and kind != EXECUTION_SPOT:
            if (json_starts(client_id, "adl_autoclose") or json_starts(client_id, "autoclose-")
                    or json_starts(client_id, "settlement_autoclose-")):
                event.flags |= OE_FORCED
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
