"""Bytes of one Bybit v5 market data frame -> message_t. Pure: the same bytes give the same message, whatever came before.

    orderbook.1.S        -> MSG_TOP
    orderbook.N.S        -> MSG_SNAPSHOT, MSG_DEPTH; update id 1 is a whole book, whatever the message calls itself
    publicTrade.S        -> MSG_TRADES
    tickers.S (linear)   -> MSG_FUNDING; those of spot say nothing that we use
    replies              -> MSG_ACK, MSG_PONG

Keys may come in any order: spot has `ts` before `type`, linear books the other way round. As the topic comes first, what `data`
holds is read on the way; where it does not, in a second look. A key that we do not use is stepped over with its value; one that
we use and that comes twice makes the frame malformed. A frame is read to its last byte before anything is done with it.

`u` numbers the messages of one topic; `seq`, the venue's cross sequence, is what topics of one symbol are compared by.

Formats: Bybit v5 documentation (websocket/public/*, 2026-07-24); docs/venues/bybit-market-data.md. Runs in the feed's loop and
in replay, without the GIL."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from cext.decoders.fields cimport (has, read_decimal, read_id, read_levels, read_quoted_id, read_quoted_time, read_rate,
                                   read_rounded, read_size, read_time, scan_fields, text_is)
from cext.decoders.message cimport (FUNDING_INDEX, FUNDING_INTERVAL, FUNDING_MARK, FUNDING_NEXT, FUNDING_RATE, KEY_OTHER,
                                    MESSAGE_BYTES_MAX, MSG_ACK, MSG_DEPTH, MSG_ERROR, MSG_FUNDING, MSG_NO_SYMBOL, MSG_PONG,
                                    MSG_SNAPSHOT, MSG_TOP, MSG_TRADES, MSG_UNKNOWN, SNAPSHOT_BYTES_MAX, TRADES_MAX, fields_t,
                                    hint_row, message_clear, message_t, parser_t, span_t, symbols_find)
from cext.decoders.orders cimport id64_bytes
from cext.instrument cimport instrument_t
from cext.layout cimport TRADE_SELL_AGGRESSOR, trade_record_t
from cext.scan cimport scan_char, scan_space, scan_string, scan_u64, scan_value

cdef enum:
    DEPTH_DIGITS_MAX = 5
    HOUR_S = 3600
    INTERVAL_HOURS_MAX = 24


# ---------------------------------------------------------------- the topic

cdef void read_topic(parser_t *d, const char *p, const char *close, topic_t *t, message_t *m) noexcept nogil:  # hot
    """p..close: the text between the quotes. Tells kind, depth and row."""
    cdef const char *digits
    t.kind = TOPIC_OTHER
    if close - p > 10 and memcmp(p, "orderbook.", 10) == 0:
        digits = p + 10
        p = digits
        while p < close and c'0' <= p[0] <= c'9' and p - digits < DEPTH_DIGITS_MAX:
            t.depth = t.depth * 10 + <uint32_t>(p[0] - c'0')
            p += 1
        if p < close and p[0] == c'.' and t.depth > 0:      # orderbook.full and orderbook.rpi are no books that we read
            t.kind = TOPIC_BOOK
            p += 1
    elif close - p > 12 and memcmp(p, "publicTrade.", 12) == 0:
        t.kind = TOPIC_TRADES
        p += 12
    elif close - p > 8 and memcmp(p, "tickers.", 8) == 0:
        t.kind = TOPIC_TICKER
        p += 8
    m.is_book = t.kind == TOPIC_BOOK
    if t.kind == TOPIC_OTHER:
        return
    t.symbol = p
    t.symbol_bytes = <uint64_t>(close - p)
    m.row = symbols_find(&d.symbols, p, t.symbol_bytes)
    hint_row(d, m.row)


# ---------------------------------------------------------------- steps of a walk over an object

cdef inline const char *read_key(const char *p, const char *end, const char **name, uint64_t *size) noexcept nogil:  # hot
    """A key and its colon. p: at its opening quote, or white space before it. Returns the place of the value, or NULL."""
    cdef const char *close
    p = scan_char(p, end, c'"')
    close = scan_string(p, end) if p != NULL else NULL
    if close == NULL:
        return NULL
    name[0] = p
    size[0] = <uint64_t>(close - p)
    p = scan_char(close + 1, end, c':')
    if p == NULL:
        return NULL
    p = scan_space(p, end)
    return p if p < end else NULL


cdef inline bint note(fields_t *f, uint32_t key, const char *start, const char *stop) noexcept nogil:  # hot
    """False = a used key twice."""
    if key == KEY_OTHER:
        return True
    if f.seen >> key & 1:
        return False
    f.seen |= <uint64_t>1 << key
    f.spans[key].start = start
    f.spans[key].stop = stop
    return True


cdef inline const char *next_member(const char *p, const char *end, bint *is_last) noexcept nogil:  # hot
    """Over the comma, or the closing brace, which sets is_last. NULL = neither."""
    if p < end and p[0] == c',':
        return p + 1
    p = scan_space(p, end)
    if p == end:
        return NULL
    is_last[0] = p[0] == OBJECT_ENDS
    return p + 1 if p[0] == OBJECT_ENDS or p[0] == c',' else NULL


# ---------------------------------------------------------------- books

cdef const char *read_book(parser_t *d, const char *p, const char *end, bint is_reply, message_t *m) noexcept nogil:  # hot
    """The object of a book, levels into the scratch. p: at its '{'. Returns the place behind its '}', or NULL."""
    cdef fields_t *f = &d.fields
    cdef const instrument_t *instrument = &d.instruments[m.row]
    cdef const char *value
    cdef const char *name = NULL
    cdef uint64_t size = 0
    cdef uint32_t key
    cdef bint is_last = False
    p = scan_char(p, end, OBJECT_OPENS)
    while p != NULL and not is_last:
        value = read_key(p, end, &name, &size)
        if value == NULL:
            return NULL
        key = reply_key(name, size) if is_reply else book_key(name, size)
        if key == KEY_B and value[0] == c'[':
            p = read_levels(d, value, end, instrument, &m.bids, &m.bid_count)
        elif key == KEY_A and value[0] == c'[':
            p = read_levels(d, value, end, instrument, &m.asks, &m.ask_count)
        else:
            p = scan_value(value, end)
        if p == NULL or not note(f, key, value, p):
            return NULL
        p = next_member(p, end, &is_last)
    return p


cdef int read_top(message_t *m) noexcept nogil:  # hot
    """Level 1 of a book that is whole; an empty side is told by no level."""
    if m.bid_count > 1 or m.ask_count > 1:
        return MSG_ERROR
    m.bid.px = m.bid.qty = m.ask.px = m.ask.qty = 0
    if m.bid_count == 1:
        m.bid = m.bids[0]
    if m.ask_count == 1:
        m.ask = m.asks[0]
    # A price without a size makes no sense.
    return MSG_TOP if (m.bid.px == 0) == (m.bid.qty == 0) and (m.ask.px == 0) == (m.ask.qty == 0) else MSG_ERROR


cdef int read_book_ids(const fields_t *f, message_t *m) noexcept nogil:  # hot
    """Time and ids, and that both sides are there. `cts` is when the matching engine made it, `ts` when it was pushed: taken
    where the other is not given, as in recordings from before it was."""
    if read_time(f, KEY_CTS if has(f, KEY_CTS) else KEY_TS, &m.event_ns) != 0:
        return -1
    if read_id(f, KEY_U, &m.last_id) != 0 or read_id(f, KEY_SEQ, &m.order_id) != 0:
        return -1
    m.first_id = m.last_id
    return 0 if m.bids != NULL and m.asks != NULL else -1


cdef int finish_book(parser_t *d, topic_t *t, message_t *m) noexcept nogil:  # hot
    """MSG_*"""
    cdef const fields_t *f = &d.fields
    cdef bint is_delta
    if not has(f, KEY_TYPE) or not has(f, KEY_S) or not text_is(f.spans[KEY_S], t.symbol, <Py_ssize_t>t.symbol_bytes):
        return MSG_ERROR
    is_delta = text_is(f.spans[KEY_TYPE], "delta", 5)
    if not is_delta and not text_is(f.spans[KEY_TYPE], "snapshot", 8) or read_book_ids(f, m) != 0:
        return MSG_ERROR
    t.is_snapshot = not is_delta or m.last_id == 1
    if t.depth == 1:
        # The venue sends none: were it to begin, the top would be left out of the books and counted, and no book be doubted.
        return read_top(m) if t.is_snapshot else MSG_UNKNOWN
    m.depth_limit = t.depth
    return MSG_SNAPSHOT if t.is_snapshot else MSG_DEPTH


# ---------------------------------------------------------------- trades

cdef int trade_id_of(span_t span, uint64_t *out) noexcept nogil:  # hot
    """Spot numbers its trades; linear has UUIDs, of which the hash is kept."""
    cdef const char *start = span.start + 1
    cdef const char *stop = span.stop - 1
    if span.start[0] != c'"' or stop <= start:
        return -1
    if scan_u64(start, stop, out) != stop or out[0] == 0:     # 0 stands for no trade at all
        out[0] = id64_bytes(start, stop - start)
    return 0


cdef int read_trade(const fields_t *f, const topic_t *t, const instrument_t *instrument,
                    trade_record_t *out) noexcept nogil:  # hot
    if not has(f, KEY_S) or not text_is(f.spans[KEY_S], t.symbol, <Py_ssize_t>t.symbol_bytes):
        return -1
    if not has(f, KEY_ID) or trade_id_of(f.spans[KEY_ID], &out.trade_id) != 0 or read_time(f, KEY_TIME, &out.exch_ns) != 0:
        return -1
    if read_decimal(f, KEY_PRICE, instrument.px_scale, &out.px) != 0 or out.px == 0:
        return -1
    if read_size(f, KEY_SIZE, instrument, &out.qty) != 0 or out.qty == 0 or not has(f, KEY_SIDE):
        return -1
    out.flags = TRADE_SELL_AGGRESSOR if text_is(f.spans[KEY_SIDE], "Sell", 4) else 0
    return 0 if out.flags or text_is(f.spans[KEY_SIDE], "Buy", 3) else -1


cdef const char *read_trades(parser_t *d, const char *p, const char *end, const topic_t *t, message_t *m) noexcept nogil:  # hot
    """The array of trades. p: at its '['. Returns the place behind its ']', or NULL."""
    cdef fields_t f
    p = scan_char(p, end, c'[')
    p = scan_space(p, end) if p != NULL else NULL
    if p != NULL and p < end and p[0] == c']':
        return p + 1
    while p != NULL:
        p = scan_char(p, end, OBJECT_OPENS)
        p = scan_fields(&f, p, end, trade_key) if p != NULL and m.trade_count < TRADES_MAX else NULL
        if p == NULL or read_trade(&f, t, &d.instruments[m.row], &m.trades[m.trade_count]) != 0:
            return NULL
        m.trade_count += 1
        p = scan_space(p, end)
        if p == end:
            return NULL
        if p[0] == c']':
            return p + 1
        p = p + 1 if p[0] == c',' else NULL
    return NULL


# ---------------------------------------------------------------- funding

cdef inline bint is_given(const fields_t *f, uint32_t key) noexcept nogil:  # hot
    """A perpetual that is not trading yet has "" where its numbers will be."""
    return has(f, key) and not text_is(f.spans[key], "", 0)


cdef int read_times(const fields_t *f, message_t *m) noexcept nogil:  # hot
    """When funding is paid next, and how often."""
    cdef uint64_t hours = 0
    if is_given(f, KEY_NEXT):
        if read_quoted_time(f, KEY_NEXT, &m.next_funding_ns) != 0:
            return -1
        if m.next_funding_ns > 0:                # "0": never
            m.funding_given |= FUNDING_NEXT
    if is_given(f, KEY_INTERVAL):
        if read_quoted_id(f, KEY_INTERVAL, &hours) != 0 or not 0 < hours <= INTERVAL_HOURS_MAX:
            return -1
        m.interval_s = <uint32_t>hours * HOUR_S
        m.funding_given |= FUNDING_INTERVAL
    return 0


cdef const char *read_ticker(parser_t *d, const char *p, const char *end, const topic_t *t, message_t *m) noexcept nogil:  # hot
    """What it says of funding; a delta says only what changed. p: at its '{'. Returns the place behind its '}', or NULL."""
    cdef fields_t f
    cdef int px_scale = d.instruments[m.row].px_scale
    p = scan_char(p, end, OBJECT_OPENS)
    p = scan_fields(&f, p, end, ticker_key) if p != NULL else NULL
    if p == NULL or not has(&f, KEY_SYMBOL) or not text_is(f.spans[KEY_SYMBOL], t.symbol, <Py_ssize_t>t.symbol_bytes):
        return NULL
    if is_given(&f, KEY_MARK):
        if read_rounded(&f, KEY_MARK, px_scale, &m.mark_px) != 0:
            return NULL
        m.funding_given |= FUNDING_MARK
    if is_given(&f, KEY_INDEX):
        if read_rounded(&f, KEY_INDEX, px_scale, &m.index_px) != 0:
            return NULL
        m.funding_given |= FUNDING_INDEX
    if is_given(&f, KEY_RATE):
        if read_rate(&f, KEY_RATE, &m.rate_e8) != 0:
            return NULL
        m.funding_given |= FUNDING_RATE
    return p if read_times(&f, m) == 0 else NULL


cdef int finish_ticker(parser_t *d, topic_t *t, message_t *m) noexcept nogil:  # hot
    cdef const fields_t *f = &d.fields
    if not has(f, KEY_TYPE) or read_time(f, KEY_TS, &m.event_ns) != 0:
        return MSG_ERROR
    t.is_snapshot = text_is(f.spans[KEY_TYPE], "snapshot", 8)
    if not t.is_snapshot and not text_is(f.spans[KEY_TYPE], "delta", 5):
        return MSG_ERROR
    return MSG_FUNDING if m.funding_given else MSG_PONG


# ---------------------------------------------------------------- replies

cdef int finish_reply(const fields_t *f, message_t *m) noexcept nogil:  # hot
    """{"success":true,"ret_msg":"","conn_id":..,"req_id":"7","op":"subscribe"}, and the pong of the public sockets, which calls
    itself a ping. A refusal may leave out the id; the venue gives no code with it."""
    cdef uint64_t value = 0
    if not has(f, KEY_OP) and not has(f, KEY_SUCCESS):
        return MSG_UNKNOWN
    m.ack_id = <int64_t>value if has(f, KEY_REQ_ID) and read_quoted_id(f, KEY_REQ_ID, &value) == 0 else -1
    if has(f, KEY_SUCCESS) and f.spans[KEY_SUCCESS].start[0] != c't':
        m.ack_error = -1
        return MSG_ACK if f.spans[KEY_SUCCESS].start[0] == c'f' else MSG_ERROR
    if not has(f, KEY_OP):
        return MSG_UNKNOWN
    if text_is(f.spans[KEY_OP], "pong", 4) or has(f, KEY_RET_MSG) and text_is(f.spans[KEY_RET_MSG], "pong", 4):
        return MSG_PONG
    if has(f, KEY_SUCCESS) and (text_is(f.spans[KEY_OP], "subscribe", 9) or text_is(f.spans[KEY_OP], "unsubscribe", 11)):
        return MSG_ACK
    return MSG_UNKNOWN


# ---------------------------------------------------------------- the surface

cdef inline bint is_read(const topic_t *t, const parser_t *d, const message_t *m) noexcept nogil:  # hot
    """Is `data` of this topic of use?"""
    return m.row >= 0 and (t.kind == TOPIC_BOOK or t.kind == TOPIC_TRADES or t.kind == TOPIC_TICKER and d.is_linear)


cdef const char *read_data(parser_t *d, const char *p, const char *end, topic_t *t, message_t *m) noexcept nogil:  # hot
    """The value of `data`, whatever the topic makes of it. Returns the place behind it, or NULL."""
    if t.kind == TOPIC_BOOK:
        return read_book(d, p, end, False, m)
    if t.kind == TOPIC_TRADES:
        return read_trades(d, p, end, t, m)
    return read_ticker(d, p, end, t, m)


cdef int finish(parser_t *d, topic_t *t, message_t *m) noexcept nogil:  # hot
    """What the frame was; MSG_*."""
    if t.kind == TOPIC_NONE:
        m.is_book = False
        return finish_reply(&d.fields, m)
    if t.kind == TOPIC_OTHER:
        return MSG_UNKNOWN
    if m.row < 0:
        return MSG_NO_SYMBOL
    if t.kind == TOPIC_BOOK:
        return finish_book(d, t, m)
    if t.kind == TOPIC_TRADES:
        return MSG_TRADES
    return finish_ticker(d, t, m) if d.is_linear else MSG_PONG


cdef int parse_object(parser_t *d, const char *data, const char *end, topic_t *t, message_t *m) noexcept nogil:  # hot
    """MSG_*"""
    cdef fields_t *f = &d.fields
    cdef const char *p = scan_char(data, end, OBJECT_OPENS)
    cdef const char *value
    cdef const char *name = NULL
    cdef uint64_t size = 0
    cdef uint32_t key
    cdef bint is_last = False
    cdef bint is_data_read = False
    if p != NULL and scan_char(p, end, OBJECT_ENDS) != NULL:
        p = scan_char(p, end, OBJECT_ENDS)
        is_last = True
    while p != NULL and not is_last:
        value = read_key(p, end, &name, &size)
        if value == NULL:
            return MSG_ERROR
        key = outer_key(name, size)
        if key == KEY_DATA and is_read(t, d, m) and not f.seen >> KEY_DATA & 1:
            is_data_read = True
            p = read_data(d, value, end, t, m)
        else:
            p = scan_value(value, end)
        if p == NULL or not note(f, key, value, p):
            return MSG_ERROR
        if key == KEY_TOPIC:
            if value[0] != c'"':
                return MSG_ERROR
            read_topic(d, value + 1, p - 1, t, m)
        p = next_member(p, end, &is_last)
    if p == NULL or scan_space(p, end) != end:
        return MSG_ERROR
    if is_read(t, d, m) and not is_data_read:
        # The topic came behind the data.
        if not has(f, KEY_DATA) or read_data(d, f.spans[KEY_DATA].start, f.spans[KEY_DATA].stop, t, m) != f.spans[KEY_DATA].stop:
            return MSG_ERROR
    return finish(d, t, m)


cdef void find_topic(parser_t *d, const char *p, const char *end, topic_t *t, message_t *m) noexcept nogil:  # hot
    """Which book a malformed frame was about, when its topic stood behind the damage."""
    cdef const char *close
    while end - p > 10:
        if memcmp(p, '"topic":"', 9) == 0:
            close = scan_string(p + 9, end)
            if close != NULL:
                read_topic(d, p + 9, close, t, m)
            return
        p += 1


cdef void parse_frame(parser_t *d, const char *data, Py_ssize_t size, topic_t *t, message_t *m) noexcept nogil:  # hot
    """One websocket frame; see the .pxd. Total: any bytes give a kind."""
    message_clear(d, m)
    d.fields.seen = 0
    d.fields.end = data + size
    t.kind = TOPIC_NONE
    t.depth = 0
    t.is_snapshot = 0
    m.kind = parse_object(d, data, data + size, t, m) if 0 < size <= MESSAGE_BYTES_MAX else MSG_ERROR
    if m.kind == MSG_ERROR and t.kind == TOPIC_NONE and size > 0:
        m.is_book = False
        find_topic(d, data, data + size, t, m)


cdef int parse_snapshot(parser_t *d, int row, const char *data, Py_ssize_t size, message_t *m) noexcept nogil:  # hot
    """One REST reply; see the .pxd. {"retCode":0,..,"result":{"s":..,"b":..,"a":..,"ts":..,"u":..,"seq":..,"cts":..},..}"""
    cdef fields_t outer
    cdef fields_t *f = &d.fields
    cdef const instrument_t *instrument = &d.instruments[row]
    cdef const char *end = data + size
    cdef const char *p
    cdef uint64_t code = 1
    message_clear(d, m)
    m.row = row
    if size <= 0 or size > SNAPSHOT_BYTES_MAX:
        return -1
    p = scan_char(data, end, OBJECT_OPENS)
    p = scan_fields(&outer, p, end, outer_key) if p != NULL else NULL
    if p == NULL or scan_space(p, end) != end or not has(&outer, KEY_RESULT):
        return -1
    if read_id(&outer, KEY_RET_CODE, &code) != 0 or code != 0:
        return -1
    f.seen = 0
    f.end = outer.spans[KEY_RESULT].stop
    p = read_book(d, outer.spans[KEY_RESULT].start, f.end, True, m)
    if p != f.end or not has(f, KEY_S):
        return -1
    if not text_is(f.spans[KEY_S], <const char *>instrument.symbol, symbol_bytes(instrument)):
        return -1
    return read_book_ids(f, m)


cdef inline Py_ssize_t symbol_bytes(const instrument_t *instrument) noexcept nogil:  # hot
    cdef Py_ssize_t size = 0
    while instrument.symbol[size] != 0:
        size += 1
    return size
