"""Bybit v5's order replies and private topics as order_event_t; see orders.pxd for the interface.

Total: any bytes give events, or DECODED_ERROR and a counter. A reply or a row about one of our orders that cannot be
understood becomes an UNKNOWN event for that order, never silence. A reply with code 0 is "accepted for processing" and no
outcome: NEW for a place, nothing for a cancel; what became of the order comes with the topics. Sources: Bybit v5 documentation
as of 2026-07-24 (websocket/trade/guideline, websocket/private/order, websocket/private/execution, order/open-order, enum).
"""
from cext.client_id cimport CLIENT_ID_LENGTH
from cext.decoders import bybit_errors
from cext.decoders.orders cimport (ANSWERS_NONE, ANSWERS_PLACE, ANSWERS_QUERY, DECODED_ACCOUNT, DECODED_ERROR,
                                   DECODED_NOTHING, DECODED_ORDERS, DECODED_REPLY, NO_ROW, OrderDecoder, copy_bytes, copy_decimal,
                                   copy_message, is_definite, request_kind, scaled_size, set_client_id, text_id, venue_ns)
from cext.instrument cimport InstrumentArray, instrument_t
from cext.json_walk cimport (JSON_ARRAY, JSON_NONE, JSON_OBJECT, JSON_STRING, json_cursor_t, json_int, json_is, json_next_element,
                             json_next_member, json_open, json_scaled, json_space, json_span_t, json_value)
from cext.layout cimport (ERROR_NONE, ERROR_RATE, ERROR_REJECT, ERROR_UNKNOWN_ORDER, ERROR_UNMAPPED, OE_FORCED, OE_FOREIGN,
                          OE_IS_FILL, OE_LITE, OE_MAKER, OE_SOURCE_QUERY, OE_SOURCE_STREAM, ORDER_STATUS_CANCELED,
                          ORDER_STATUS_EXPIRED,
                          ORDER_STATUS_FILLED, ORDER_STATUS_NEW, ORDER_STATUS_NONE, ORDER_STATUS_NOT_FOUND,
                          ORDER_STATUS_PARTIAL, ORDER_STATUS_REJECTED, ORDER_STATUS_UNKNOWN, order_event_t)
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

cdef enum:
    HTTP_RATE = 429        # what a rate answer of the order socket, which has no status, is told as
    REASON_CODE = -9001    # bybit_errors.REASON
    BASE = 0               # places in asset_names_t
    QUOTE = 1
    SETTLE = 2

assert bybit_errors.REASON == REASON_CODE


cdef class BybitOrderDecoder(OrderDecoder):
    """BybitOrderDecoder(instruments, "spot" | "linear", venue): `venue` is another name for a variant of Bybit."""

    def __init__(self, instruments, market, venue="bybit"):
        OrderDecoder.__init__(self, instruments, market, venue, bybit_errors.ERRORS)
        self.is_linear = market == "linear"
        self.limit_total = self.limit_left = self.limit_reset_ms = -1
        self.load_assets(self.instruments)

    def __dealloc__(self):
        free(self.asset_names)

    def load_assets(self, InstrumentArray instruments):
        """Names of what fees are paid in, where a row does not name it."""
        cdef int row, place
        cdef bytes name
        free(self.asset_names)
        self.asset_names = <asset_names_t *>calloc(max(1, instruments.count), sizeof(asset_names_t))
        if self.asset_names == NULL:
            raise MemoryError
        for row in range(instruments.count):
            for place, asset in enumerate((instruments.rows[row].base_asset, instruments.rows[row].quote_asset,
                                           instruments.rows[row].settle_asset)):
                name = instruments.assets[asset].encode("ascii", "replace")[:15]
                memcpy(self.asset_names[row].name[place], <const char *>name, len(name))

    # ------------------------------------------------------------ frames

    cdef int decode(self, const char *data, Py_ssize_t size, int64_t recv_mono_ns) noexcept nogil:  # hot
        """One text frame -> DECODED_*; results in the object's fields until the next call."""
        cdef json_span_t root, key, value, request_id, ret_code, message, rows, header, topic, op
        cdef json_cursor_t cursor
        cdef int more
        self.clear(data)
        request_id.kind = ret_code.kind = message.kind = rows.kind = header.kind = topic.kind = op.kind = JSON_NONE
        message.at = message.end = op.at = op.end = request_id.at = request_id.end = data
        cdef const char *behind = json_value(data, data + size, &root)
        if behind == NULL or root.kind != JSON_OBJECT or json_space(behind, data + size) != data + size:
            self.malformed += 1
            return DECODED_ERROR
        json_open(&cursor, &root)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                break
            if json_is(&key, "topic"):
                topic = value
            elif json_is(&key, "data"):
                rows = value
            elif json_is(&key, "reqId") or json_is(&key, "req_id"):
                request_id = value
            elif json_is(&key, "retCode"):
                ret_code = value
            elif json_is(&key, "retMsg"):
                message = value
            elif json_is(&key, "header"):
                header = value
            elif json_is(&key, "op"):
                op = value
        if more < 0:
            self.malformed += 1
            return DECODED_ERROR
        if topic.kind == JSON_STRING:
            return self.decode_topic(&topic, &rows, recv_mono_ns)
        if op.kind != JSON_STRING and request_id.kind != JSON_STRING:
            self.malformed += 1
            return DECODED_ERROR
        if json_is(&op, "pong") or json_is(&op, "ping"):
            return DECODED_NOTHING
        self.answers = request_kind(&request_id)
        if self.answers == ANSWERS_NONE:
            self.name = request_id if request_id.end > request_id.at else op
            return DECODED_REPLY
        return self.decode_reply(&request_id, &ret_code, &message, &rows, &header, recv_mono_ns)

    # ------------------------------------------------------------ replies

    cdef int decode_reply(self, const json_span_t *request_id, const json_span_t *ret_code, const json_span_t *message,
                          const json_span_t *data, const json_span_t *header, int64_t recv_mono_ns) noexcept nogil:  # hot
        """A reply of the order socket to a request of ours."""
        cdef order_event_t about
        cdef order_event_t *event
        cdef int64_t code = 0
        cdef bint understood
        self.begin(&about, request_id.at, recv_mono_ns)
        self.limit_reset_ms = 0
        if header.kind == JSON_OBJECT:
            self.read_limits(header, &about)
        if not json_int(ret_code, &code):
            understood = False
        elif code != 0:
            self.set_error(&about, code, 0, message)
            if about.error_class == ERROR_RATE:
                self.status = HTTP_RATE
                self.retry_after_ms = self.limit_reset_ms if self.limit_reset_ms > 0 else 0
            understood = True
        else:
            understood = data.kind == JSON_OBJECT and self.decode_ack(data, &about)
        if understood:
            event = self.add(recv_mono_ns, about.source)
            event[0] = about
        else:
            self.not_understood(&about, recv_mono_ns)
        return DECODED_ORDERS

    cdef void read_limits(self, const json_span_t *header, order_event_t *about) noexcept nogil:  # hot
        """What the venue says about the rate of this kind of request, and its time. The reset is that of this reply or 0."""
        cdef json_span_t key, value
        cdef json_cursor_t cursor
        cdef int64_t number = 0
        json_open(&cursor, header)
        while json_next_member(&cursor, &key, &value) == 1:
            if not json_int(&value, &number) or number < 0:
                continue
            if json_is(&key, "X-Bapi-Limit"):
                self.limit_total = number
            elif json_is(&key, "X-Bapi-Limit-Status"):
                self.limit_left = number
            elif json_is(&key, "X-Bapi-Limit-Reset-Timestamp"):
                self.limit_reset_ms = number
            elif json_is(&key, "Timenow"):
                about.exch_ns = venue_ns(&value)

    cdef int decode_body(self, const json_span_t *body, order_event_t *about, int64_t recv_mono_ns) noexcept nogil:  # hot
        """REST: an envelope with retCode 0 and a result (an ack, or a list of orders), else an error."""
        cdef json_span_t key, value, message, result
        cdef json_cursor_t cursor
        cdef order_event_t *event
        cdef int more
        cdef int64_t code = 0
        cdef bint has_code = False
        message.kind = result.kind = JSON_NONE
        message.at = message.end = body.at
        json_open(&cursor, body)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                break
            if json_is(&key, "retCode"):
                has_code = json_int(&value, &code)
            elif json_is(&key, "retMsg") and value.kind == JSON_STRING:
                message = value
            elif json_is(&key, "result"):
                result = value
        if more < 0:
            return 0
        if (has_code and code != 0) or self.status != 200:
            self.set_error(about, code, 0, &message)
        elif not has_code or result.kind != JSON_OBJECT:
            return 0
        elif self.answers == ANSWERS_QUERY:
            return self.decode_list(&result, about, recv_mono_ns)
        elif not self.decode_ack(&result, about):
            return 0
        event = self.add(recv_mono_ns, about.source)
        event[0] = about[0]
        return 1

    cdef int decode_ack(self, const json_span_t *result, order_event_t *about) noexcept nogil:  # hot
        """{"orderId","orderLinkId"}: accepted for processing. 1, or 0 when it is about another order or has no id."""
        cdef json_span_t key, value
        cdef json_cursor_t cursor
        cdef int more
        json_open(&cursor, result)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                break
            if json_is(&key, "orderId"):
                about.venue_order_id = text_id(&value)
            elif json_is(&key, "orderLinkId") and value.end > value.at:
                if value.end - value.at != CLIENT_ID_LENGTH or memcmp(value.at, about.client_id, CLIENT_ID_LENGTH) != 0:
                    return 0
        if more < 0 or about.venue_order_id == 0:
            return 0
        about.status = ORDER_STATUS_NEW if self.answers == ANSWERS_PLACE else ORDER_STATUS_NONE
        return 1

    cdef int decode_list(self, const json_span_t *result, order_event_t *about, int64_t recv_mono_ns) noexcept nogil:  # hot
        """A query's {"category","list":[order]}: one order of that id, or none (NOT_FOUND). A row that was refused because its
        id was in use is not the order that was asked for. 1, or 0 when it is not understood, or ambiguous."""
        cdef json_span_t key, value, rows, element
        cdef json_cursor_t cursor
        cdef row_fields_t fields
        cdef order_event_t *event
        cdef int more, seen = 0, found = 0
        rows.at, rows.end, rows.kind = result.at, result.at, JSON_NONE
        json_open(&cursor, result)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                break
            if json_is(&key, "list"):
                rows = value
            elif json_is(&key, "category") and not self.is_own(&value):
                return 0
        if more < 0 or rows.kind != JSON_ARRAY:
            return 0
        json_open(&cursor, &rows)
        while True:
            more = json_next_element(&cursor, &element)
            if more != 1:
                break
            if element.kind != JSON_OBJECT or not self.read_row(&element, &fields):
                return 0
            seen += 1
            if json_is(&fields.reason, "EC_DuplicatedClOrdID") and json_is(&fields.status, "Rejected"):
                continue
            found += 1
            about.instrument_id = self.own_row(&fields)
            if (found > 1 or about.instrument_id == <uint32_t>NO_ROW
                    or fields.link_id.end - fields.link_id.at != CLIENT_ID_LENGTH
                    or memcmp(fields.link_id.at, about.client_id, CLIENT_ID_LENGTH) != 0):
                return 0
            about.venue_order_id, about.exch_ns = text_id(&fields.order_id), venue_ns(&fields.time)
            if not self.set_order(about, &fields) or about.venue_order_id == 0:
                return 0
        if more < 0 or (seen and not found):
            return 0
        if not found:
            about.status, about.error_class = ORDER_STATUS_NOT_FOUND, ERROR_UNKNOWN_ORDER
        event = self.add(recv_mono_ns, about.source)
        event[0] = about[0]
        return 1

    # ------------------------------------------------------------ topics

    cdef int decode_topic(self, const json_span_t *topic, const json_span_t *data, int64_t recv_mono_ns) noexcept nogil:  # hot
        """A message of a private topic. DECODED_ERROR when nothing in it can be used and something could not be understood."""
        cdef json_span_t element
        cdef json_cursor_t cursor
        cdef row_fields_t fields
        cdef uint64_t malformed = self.malformed
        cdef int more, others = 0
        cdef bint is_order
        self.name = topic[0]
        while self.name.end > self.name.at and (self.name.end - 1)[0] != 46:
            self.name.end -= 1
        if self.name.end > self.name.at:
            self.name.end -= 1             # "order.linear": the category is not part of the name
        else:
            self.name = topic[0]
        is_order = json_is(&self.name, "order")
        if not is_order and not json_is(&self.name, "execution"):
            return DECODED_ACCOUNT
        if json_is(topic, "execution.fast"):
            self.name = topic[0]
            return DECODED_ACCOUNT
        if data.kind != JSON_ARRAY:
            self.malformed += 1
            return DECODED_ERROR
        json_open(&cursor, data)
        while True:
            more = json_next_element(&cursor, &element)
            if more != 1:
                break
            if element.kind != JSON_OBJECT or not self.read_row(&element, &fields) or fields.category.kind != JSON_STRING:
                self.malformed += 1
            elif is_order:
                self.add_order(&fields, recv_mono_ns)
            else:
                others += self.add_execution(&fields, recv_mono_ns)
        if more < 0:
            self.malformed += 1
            self.count = 0
        if self.count > 0:
            return DECODED_ORDERS
        if self.malformed != malformed:
            return DECODED_ERROR
        return DECODED_ACCOUNT if others else DECODED_NOTHING

    cdef int read_row(self, const json_span_t *row, row_fields_t *fields) noexcept nogil:  # hot
        """The fields of one row. 1, or 0 when it is malformed. Fields that are not there have kind JSON_NONE and no bytes."""
        cdef json_span_t key, value
        cdef json_cursor_t cursor
        cdef int more
        value.at, value.end, value.kind = row.at, row.at, JSON_NONE
        fields.category = fields.symbol = fields.order_id = fields.link_id = fields.side = fields.time = value
        fields.status = fields.cum_qty = fields.cum_value = fields.reason = fields.cancel_type = value
        fields.exec_type = fields.exec_id = fields.price = fields.qty = fields.fee = fields.fee_asset = fields.is_maker = value
        json_open(&cursor, row)
        while True:
            more = json_next_member(&cursor, &key, &value)
            if more != 1:
                return more == 0
            if json_is(&key, "symbol"):
                fields.symbol = value
            elif json_is(&key, "category"):
                fields.category = value
            elif json_is(&key, "orderId"):
                fields.order_id = value
            elif json_is(&key, "orderLinkId"):
                fields.link_id = value
            elif json_is(&key, "side"):
                fields.side = value
            elif json_is(&key, "updatedTime") or json_is(&key, "execTime"):
                fields.time = value
            elif json_is(&key, "orderStatus"):
                fields.status = value
            elif json_is(&key, "cumExecQty"):
                fields.cum_qty = value
            elif json_is(&key, "cumExecValue"):
                fields.cum_value = value
            elif json_is(&key, "rejectReason"):
                fields.reason = value
            elif json_is(&key, "cancelType"):
                fields.cancel_type = value
            elif json_is(&key, "execType"):
                fields.exec_type = value
            elif json_is(&key, "execId"):
                fields.exec_id = value
            elif json_is(&key, "execPrice"):
                fields.price = value
            elif json_is(&key, "execQty"):
                fields.qty = value
            elif json_is(&key, "execFee"):
                fields.fee = value
            elif json_is(&key, "feeCurrency"):
                fields.fee_asset = value
            elif json_is(&key, "isMaker"):
                fields.is_maker = value

    cdef uint32_t own_row(self, const row_fields_t *fields) noexcept nogil:  # hot
        """The instrument of a row of this market; NO_ROW for another market or a symbol that is not ours (counted). Rows of
        REST lists name no category."""
        cdef uint32_t row
        if fields.category.kind != JSON_NONE and not self.is_own(&fields.category):
            return NO_ROW
        row = self.row_of(&fields.symbol) if fields.symbol.kind == JSON_STRING else <uint32_t>NO_ROW
        if row == <uint32_t>NO_ROW:
            self.unknown_symbols += 1
        return row

    cdef bint is_own(self, const json_span_t *category) noexcept nogil:  # hot
        """Whether a category is this market."""
        if self.is_linear:
            return json_is(category, "linear")
        return json_is(category, "spot")

    # ------------------------------------------------------------ orders

    cdef int add_order(self, const row_fields_t *fields, int64_t recv_mono_ns) noexcept nogil:  # hot
        """One row of the order topic -> its event."""
        cdef uint32_t row = self.own_row(fields)
        cdef order_event_t *event
        if row == <uint32_t>NO_ROW:
            return 0
        event = self.add(recv_mono_ns, OE_SOURCE_STREAM)
        if event == NULL:
            self.truncated_fills += 1
            return 0
        event.instrument_id = row
        set_client_id(event, &fields.link_id)
        event.venue_order_id, event.exch_ns = text_id(&fields.order_id), venue_ns(&fields.time)
        if not self.set_order(event, fields):
            self.unclear(event)
        return 0

    cdef void unclear(self, order_event_t *event) noexcept nogil:  # hot
        """A row that is not understood: of one of our orders it says "ask the venue", of others nothing."""
        self.malformed += 1
        if event.flags & OE_FOREIGN:
            self.count -= 1
            return
        event.flags, event.status, event.error_class = 0, ORDER_STATUS_UNKNOWN, ERROR_UNMAPPED
        event.cum_qty, event.last_qty, event.last_px, event.trade_id = -1, 0, 0, 0

    cdef int set_order(self, order_event_t *event, const row_fields_t *fields) noexcept nogil:  # hot
        """Status, executed quantity and value of an order. 1, or 0 when they are not understood: an end without its quantity
        is no outcome."""
        cdef const instrument_t *instrument = &self.instruments.rows[event.instrument_id]
        cdef const json_span_t *word = &fields.status
        if fields.cum_qty.end > fields.cum_qty.at and not scaled_size(&fields.cum_qty, instrument, &event.cum_qty):
            return 0
        if fields.cum_value.end > fields.cum_value.at and not copy_decimal(event.cum_quote, &fields.cum_value):
            return 0
        if json_is(word, "New") or json_is(word, "Untriggered") or json_is(word, "Triggered"):
            event.status = ORDER_STATUS_NEW
        elif json_is(word, "PartiallyFilled"):
            event.status = ORDER_STATUS_PARTIAL
        elif json_is(word, "Filled"):
            event.status = ORDER_STATUS_FILLED
        elif json_is(word, "Cancelled") or json_is(word, "PartiallyFilledCanceled") or json_is(word, "Deactivated"):
            event.status = ORDER_STATUS_CANCELED
        elif json_is(word, "Rejected"):
            event.status = ORDER_STATUS_REJECTED
        elif word.kind != JSON_STRING:
            return 0
        else:
            event.status, event.error_class = ORDER_STATUS_UNKNOWN, ERROR_UNMAPPED
            copy_message(event.message, 64, word)
            self.unmapped_statuses += 1
            return 1
        if event.cum_qty < 0 and ORDER_STATUS_FILLED <= event.status <= ORDER_STATUS_EXPIRED:
            return 0
        self.set_end(event, fields)
        return 1

    cdef void set_end(self, order_event_t *event, const row_fields_t *fields) noexcept nogil:  # hot
        """Why an order ended: its words as the message, and what they make of the status. The pair of a cancel that raced a fill
        (Filled, with a reason) stays FILLED. As the answer to a query a refusal has no class: there a class means "no answer"."""
        cdef const json_span_t *reason = &fields.reason
        cdef bint has_reason = reason.end > reason.at and not json_is(reason, "EC_NoError")
        if not has_reason:
            if fields.cancel_type.end > fields.cancel_type.at and not json_is(&fields.cancel_type, "UNKNOWN"):
                copy_message(event.message, 64, &fields.cancel_type)
            return
        copy_message(event.message, 64, reason)
        if event.status == ORDER_STATUS_CANCELED:
            if json_is(reason, "EC_PostOnlyWillTakeLiquidity") and event.cum_qty == 0:
                event.status = ORDER_STATUS_REJECTED
            elif json_is(reason, "EC_NoImmediateQtyToFill") or json_is(reason, "EC_CancelForNoFullFill"):
                event.status = ORDER_STATUS_EXPIRED
        if event.status != ORDER_STATUS_REJECTED:
            return
        event.error_class = self.classify(0, REASON_CODE, 0, reason)
        if event.error_class == ERROR_UNMAPPED:
            event.error_class = ERROR_REJECT  # the venue says of the order itself that it is rejected, whatever for
        if not is_definite(event.error_class):
            event.status = ORDER_STATUS_UNKNOWN
        elif event.source == OE_SOURCE_QUERY:
            event.error_class = ERROR_NONE

    # ------------------------------------------------------------ executions

    cdef int add_execution(self, const row_fields_t *fields, int64_t recv_mono_ns) noexcept nogil:  # hot
        """One row of the execution topic -> a fill; 1 when it is none but a payment (funding, settlement): cold code's.

        Only trades are fills of an order of ours. What else moves a position (ADL, liquidation, delivery, block trades, what
        nobody knows) is a fill without our id, so that it is told and locks the instrument; its price may be finer than any
        tick."""
        cdef uint32_t row = self.own_row(fields)
        cdef order_event_t *event
        cdef bint is_trade = json_is(&fields.exec_type, "Trade")
        if row == <uint32_t>NO_ROW:
            return 0
        if json_is(&fields.exec_type, "Funding") or json_is(&fields.exec_type, "Settle"):
            return 1
        event = self.add(recv_mono_ns, OE_SOURCE_STREAM)
        if event == NULL:
            self.truncated_fills += 1
            return 0
        event.instrument_id = row
        event.exch_ns = venue_ns(&fields.time)
        if is_trade:
            set_client_id(event, &fields.link_id)
            event.venue_order_id = text_id(&fields.order_id)
        else:
            event.flags |= OE_FOREIGN
            if (json_is(&fields.exec_type, "AdlTrade") or json_is(&fields.exec_type, "BustTrade")
                    or json_is(&fields.exec_type, "Delivery")):
                event.flags |= OE_FORCED
            self.foreign_executions += 1
            copy_message(event.message, 64, &fields.exec_type)
        if not self.set_fill(event, fields):
            self.unclear(event)
        return 0

    cdef int set_fill(self, order_event_t *event, const row_fields_t *fields) noexcept nogil:  # hot
        """Quantity, price, fee of a fill. 1, or 0 when they are not understood. A fill without its fee is told as LITE."""
        cdef const instrument_t *instrument = &self.instruments.rows[event.instrument_id]
        cdef int place
        event.flags |= OE_IS_FILL
        event.status = ORDER_STATUS_PARTIAL
        event.trade_id = text_id(&fields.exec_id)
        if event.trade_id == 0 or not scaled_size(&fields.qty, instrument, &event.last_qty) or event.last_qty <= 0:
            return 0
        if not json_scaled(&fields.price, instrument.px_scale, &event.last_px):
            if not event.flags & OE_FOREIGN:
                return 0
            event.last_px = 0
        if json_is(&fields.is_maker, "true"):
            event.flags |= OE_MAKER
        if fields.fee.end == fields.fee.at:
            event.flags |= OE_LITE
            return 1
        if not copy_decimal(event.fee, &fields.fee):
            return 0
        if fields.fee_asset.kind == JSON_STRING and fields.fee_asset.end > fields.fee_asset.at:
            copy_bytes(event.fee_asset, 16, &fields.fee_asset)
            return 1
        if self.is_linear:
            place = SETTLE
        else:
            # a buyer pays in what is bought, a seller in what is received; a rebate comes in the other one
            place = BASE if json_is(&fields.side, "Buy") == (fields.fee.at[0] != 45) else QUOTE
        memcpy(event.fee_asset, self.asset_names[event.instrument_id].name[place], 16)
        return 1
