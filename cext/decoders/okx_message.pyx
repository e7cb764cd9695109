"""Bytes of one OKX v5 public message -> message_t. Pure: the same bytes give the same message, whatever came before.

    {"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[...],"bids":[...],"ts":..,"seqId":..}]}
    {"event":"subscribe","id":"7","arg":{...},"connId":".."}      and the plain text pong

Keys may come in any order; one that we do not use is stepped over with its value; one that we use and that comes twice makes the
message malformed. In the documented order (arg before data) the data are read on the way, otherwise in a second look. A message
is read to its last byte before anything is done with it.

Formats: OKX v5 documentation (2026-06..09): order book channel, trades channel, mark price channel, funding rate channel,
subscribe, notification; docs/venues/okx.md. Runs in the feed's loop and in replay, without the GIL."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from cext.decoders.fields cimport (has, read_decimal, read_levels, read_quoted_id, read_quoted_time, read_rate, read_rounded,
                                   read_size, scan_fields, text_is)
from cext.decoders.message cimport (FUNDING_INTERVAL, FUNDING_MARK, FUNDING_NEXT, FUNDING_RATE, KEY_OTHER, MESSAGE_BYTES_MAX,
                                    MSG_ACK, MSG_DEPTH, MSG_ERROR, MSG_FUNDING, MSG_NO_SYMBOL, MSG_PONG, MSG_SHUTDOWN,
                                    MSG_SNAPSHOT, MSG_TOP, MSG_TRADES, MSG_UNKNOWN, SNAPSHOT_BYTES_MAX, TRADES_MAX, fields_t,
                                    hint_row, message_clear, message_t, parser_t, span_t, symbols_find)
from cext.instrument cimport instrument_t
from cext.layout cimport TRADE_SELL_AGGRESSOR, level_t, trade_record_t
from cext.scan cimport scan_char, scan_space, scan_string, scan_u64, scan_value

cdef enum:
    K_ARG
    K_ACTION
    K_DATA
    K_EVENT
    K_ID
    K_CODE
    # of arg
    K_CHANNEL
    K_INST_ID
    # of an element of data
    K_ASKS
    K_BIDS
    K_TS
    K_CHECKSUM
    K_PREV_SEQ_ID
    K_SEQ_ID
    K_TRADE_ID
    K_PX
    K_SZ
    K_SIDE
    K_MARK_PX
    K_FUNDING_RATE
    K_FUNDING_TIME
    K_NEXT_FUNDING_TIME

cdef enum:
    BOOKS_LEVELS = 400              # levels a side of the channel books
    INTERVAL_MAX_S = 7 * 86_400     # between two fundings; eight hours is usual, one to eight are seen
    NOTICE_CLOSING = 64008          # "The connection will soon be closed for a service upgrade"
    CODE_UNREADABLE = -1


# ---------------------------------------------------------------- keys

cdef uint32_t outer_key(const char *name, uint64_t size) noexcept nogil:  # hot
    if size == 3:
        return K_ARG if memcmp(name, "arg", 3) == 0 else KEY_OTHER
    if size == 4:
        if memcmp(name, "data", 4) == 0:
            return K_DATA
        return K_CODE if memcmp(name, "code", 4) == 0 else KEY_OTHER
    if size == 6:
        return K_ACTION if memcmp(name, "action", 6) == 0 else KEY_OTHER
    if size == 5:
        return K_EVENT if memcmp(name, "event", 5) == 0 else KEY_OTHER
    if size == 2:
        return K_ID if memcmp(name, "id", 2) == 0 else KEY_OTHER
    return KEY_OTHER


cdef uint32_t arg_key(const char *name, uint64_t size) noexcept nogil:  # hot
    if size == 7:
        return K_CHANNEL if memcmp(name, "channel", 7) == 0 else KEY_OTHER
    if size == 6:
        return K_INST_ID if memcmp(name, "instId", 6) == 0 else KEY_OTHER
    return KEY_OTHER


cdef uint32_t book_key(const char *name, uint64_t size) noexcept nogil:  # hot
    if size == 4:
        if memcmp(name, "asks", 4) == 0:
            return K_ASKS
        return K_BIDS if memcmp(name, "bids", 4) == 0 else KEY_OTHER
    if size == 5:
        return K_SEQ_ID if memcmp(name, "seqId", 5) == 0 else KEY_OTHER
    if size == 9:
        return K_PREV_SEQ_ID if memcmp(name, "prevSeqId", 9) == 0 else KEY_OTHER
    if size == 2:
        return K_TS if memcmp(name, "ts", 2) == 0 else KEY_OTHER
    if size == 8:
        return K_CHECKSUM if memcmp(name, "checksum", 8) == 0 else KEY_OTHER
    return KEY_OTHER


cdef uint32_t item_key(const char *name, uint64_t size) noexcept nogil:  # hot
    """Of trades, mark prices and funding rates."""
    if size == 2:
        if memcmp(name, "px", 2) == 0:
            return K_PX
        if memcmp(name, "sz", 2) == 0:
            return K_SZ
        return K_TS if memcmp(name, "ts", 2) == 0 else KEY_OTHER
    if size == 4:
        return K_SIDE if memcmp(name, "side", 4) == 0 else KEY_OTHER
    if size == 6:
        if memcmp(name, "instId", 6) == 0:
            return K_INST_ID
        return K_MARK_PX if memcmp(name, "markPx", 6) == 0 else KEY_OTHER
    if size == 7:
        return K_TRADE_ID if memcmp(name, "tradeId", 7) == 0 else KEY_OTHER
    if size == 11:
        if memcmp(name, "fundingRate", 11) == 0:
            return K_FUNDING_RATE
        return K_FUNDING_TIME if memcmp(name, "fundingTime", 11) == 0 else KEY_OTHER
    if size == 15:
        return K_NEXT_FUNDING_TIME if memcmp(name, "nextFundingTime", 15) == 0 else KEY_OTHER
    return KEY_OTHER


cdef int channel_of(span_t span) noexcept nogil:  # hot
    if text_is(span, "books", 5):
        return CHANNEL_BOOKS
    if text_is(span, "bbo-tbt", 7):
        return CHANNEL_TOP
    if text_is(span, "trades", 6):
        return CHANNEL_TRADES
    if text_is(span, "mark-price", 10):
        return CHANNEL_MARK
    if text_is(span, "funding-rate", 12):
        return CHANNEL_FUNDING
    return CHANNEL_OTHER


# ---------------------------------------------------------------- arg

cdef const char *read_arg(parser_t *d, okx_frame_t *o, const char *p, const char *end, message_t *m) noexcept nogil:  # hot
    """p: at its '{'. Also of one that is cut short it says what it can: which book is in doubt."""
    cdef fields_t *f = &o.inner
    cdef span_t inst_id
    p = scan_fields(f, p + 1, end, arg_key)
    if has(f, K_CHANNEL):
        o.channel = channel_of(f.spans[K_CHANNEL])
        m.is_book = o.channel == CHANNEL_BOOKS or o.channel == CHANNEL_TOP
    if has(f, K_INST_ID) and f.spans[K_INST_ID].start[0] == c'"':
        inst_id = f.spans[K_INST_ID]
        m.row = symbols_find(&d.symbols, inst_id.start + 1, inst_id.stop - inst_id.start - 2)
        hint_row(d, m.row)
    return p


# ---------------------------------------------------------------- books and tops

cdef const char *read_side(parser_t *d, const char *value, const char *end, const instrument_t *instrument, level_t **levels,
                           uint32_t *count, span_t *span) noexcept nogil:  # hot
    cdef const char *p
    if value[0] != c'[':
        return NULL
    p = read_levels(d, value, end, instrument, levels, count)
    span.start = value
    span.stop = p
    return p


cdef const char *read_book_fields(parser_t *d, okx_frame_t *o, const char *p, const char *end,
                                  message_t *m) noexcept nogil:  # hot
    """The object of a book or a top, levels read on the way. p: behind its '{'. Returns the place behind its '}', or NULL."""
    cdef fields_t *f = &o.inner
    cdef const instrument_t *instrument = &d.instruments[m.row]
    cdef const char *close
    cdef const char *value
    cdef uint32_t key
    f.seen = 0
    f.end = end
    while True:
        p = scan_char(p, end, c'"')
        close = scan_string(p, end) if p != NULL else NULL
        if close == NULL:
            return NULL
        key = book_key(p, close - p)
        p = scan_char(close + 1, end, c':')
        value = scan_space(p, end) if p != NULL else NULL
        if value == NULL or value >= end or (key != KEY_OTHER and f.seen >> key & 1):
            return NULL
        if key == K_ASKS:
            p = read_side(d, value, end, instrument, &m.asks, &m.ask_count, &o.asks)
        elif key == K_BIDS:
            p = read_side(d, value, end, instrument, &m.bids, &m.bid_count, &o.bids)
        else:
            p = scan_value(value, end)
        if p == NULL:
            return NULL
        if key != KEY_OTHER:
            f.seen |= <uint64_t>1 << key
            f.spans[key].start = value
            f.spans[key].stop = p
        if p < end and p[0] == c',':
            p += 1
            continue
        p = scan_space(p, end)
        if p == end or (p[0] != c',' and p[0] != c'}'):
            return NULL
        if p[0] == c'}':
            return p + 1
        p += 1


cdef int read_seq(const fields_t *f, uint32_t key, uint64_t *out) noexcept nogil:  # hot
    """A sequence number without quotes; -1 (prevSeqId of a snapshot) = SEQ_NONE. Returns -1 when it is neither."""
    cdef const char *start = f.spans[key].start
    cdef const char *stop = f.spans[key].stop
    if stop - start == 2 and start[0] == c'-' and start[1] == c'1':
        out[0] = SEQ_NONE
        return 0
    return 0 if scan_u64(start, stop, out) == stop and out[0] < SEQ_LIMIT else -1


cdef int read_checksum(const fields_t *f, message_t *m) noexcept nogil:  # hot
    """A signed 32-bit number; 0 = not provided."""
    cdef const char *start = f.spans[K_CHECKSUM].start
    cdef const char *stop = f.spans[K_CHECKSUM].stop
    cdef uint64_t value = 0
    cdef bint is_negative = start[0] == c'-'
    if stop - start == 1 and start[0] == c'0':
        return 0
    if scan_u64(start + is_negative, stop, &value) != stop or value > <uint64_t>0x7fffffff + is_negative:
        return -1
    m.checksum = -<int64_t>value if is_negative else <int64_t>value
    m.has_checksum = value != 0
    return 0


cdef int finish_book(okx_frame_t *o, message_t *m) noexcept nogil:  # hot
    """What books, tops and REST books have in common."""
    cdef const fields_t *f = &o.inner
    if not has(f, K_ASKS) or not has(f, K_BIDS) or read_quoted_time(f, K_TS, &m.event_ns) != 0:
        return -1
    o.has_seq = has(f, K_SEQ_ID)
    o.has_previous = has(f, K_PREV_SEQ_ID)
    if o.has_seq and (read_seq(f, K_SEQ_ID, &m.last_id) != 0 or m.last_id == SEQ_NONE):
        return -1
    if o.has_previous and read_seq(f, K_PREV_SEQ_ID, &m.previous_id) != 0:
        return -1
    return read_checksum(f, m) if has(f, K_CHECKSUM) else 0


cdef int finish_top(message_t *m) noexcept nogil:  # hot
    """At most one level a side; none = the side is empty."""
    if m.bid_count > 1 or m.ask_count > 1:
        return -1
    m.bid.px = m.bid.qty = m.ask.px = m.ask.qty = 0
    if m.bid_count == 1:
        m.bid = m.bids[0]
    if m.ask_count == 1:
        m.ask = m.asks[0]
    return -1 if (m.bid_count == 1 and m.bid.qty == 0) or (m.ask_count == 1 and m.ask.qty == 0) else 0


cdef const char *read_book(parser_t *d, okx_frame_t *o, const char *p, const char *end, message_t *m) noexcept nogil:  # hot
    """The array with its one object. p: at its '['. Returns the place behind its ']', or NULL."""
    p = scan_char(p + 1, end, c'{')
    p = read_book_fields(d, o, p, end, m) if p != NULL else NULL
    p = scan_char(p, end, c']') if p != NULL else NULL
    return p if p != NULL and finish_book(o, m) == 0 else NULL


# ---------------------------------------------------------------- trades, mark prices, funding rates

cdef int read_trade(parser_t *d, const fields_t *f, message_t *m) noexcept nogil:  # hot
    cdef const instrument_t *instrument = &d.instruments[m.row]
    cdef trade_record_t *trade = &m.trades[m.trade_count]
    if not has(f, K_SIDE) or read_quoted_id(f, K_TRADE_ID, &trade.trade_id) != 0:
        return -1
    if read_quoted_time(f, K_TS, &trade.exch_ns) != 0 or read_decimal(f, K_PX, instrument.px_scale, &trade.px) != 0:
        return -1
    if trade.px == 0 or read_size(f, K_SZ, instrument, &trade.qty) != 0:
        return -1
    if text_is(f.spans[K_SIDE], "buy", 3):
        trade.flags = 0
    elif text_is(f.spans[K_SIDE], "sell", 4):
        trade.flags = TRADE_SELL_AGGRESSOR
    else:
        return -1
    m.trade_count += 1
    m.event_ns = trade.exch_ns
    return 0


cdef int read_mark(const parser_t *d, const fields_t *f, message_t *m) noexcept nogil:  # hot
    m.funding_given = FUNDING_MARK
    if read_rounded(f, K_MARK_PX, d.instruments[m.row].px_scale, &m.mark_px) != 0:
        return -1
    return read_quoted_time(f, K_TS, &m.event_ns)


cdef int read_funding(const fields_t *f, message_t *m) noexcept nogil:  # hot
    """fundingRate is paid at fundingTime; the payment after that one tells the interval."""
    cdef int64_t after_ns = 0
    cdef int64_t interval_s
    m.funding_given = FUNDING_RATE | FUNDING_NEXT
    if not has(f, K_FUNDING_RATE) or f.spans[K_FUNDING_RATE].stop - f.spans[K_FUNDING_RATE].start <= 2:
        return -1
    if read_rate(f, K_FUNDING_RATE, &m.rate_e8) != 0 or read_quoted_time(f, K_FUNDING_TIME, &m.next_funding_ns) != 0:
        return -1
    if has(f, K_NEXT_FUNDING_TIME) and read_quoted_time(f, K_NEXT_FUNDING_TIME, &after_ns) == 0:
        interval_s = (after_ns - m.next_funding_ns) // 1_000_000_000
        if 0 < interval_s <= INTERVAL_MAX_S:
            m.funding_given |= FUNDING_INTERVAL
            m.interval_s = <uint32_t>interval_s
    return read_quoted_time(f, K_TS, &m.event_ns)


cdef int read_item(parser_t *d, okx_frame_t *o, message_t *m) noexcept nogil:  # hot
    """One element of data that is no book."""
    cdef const fields_t *f = &o.inner
    cdef const char *symbol = <const char *>d.instruments[m.row].symbol
    cdef Py_ssize_t size
    if has(f, K_INST_ID):                      # of the instrument that was subscribed, or it makes no sense
        size = f.spans[K_INST_ID].stop - f.spans[K_INST_ID].start - 2
        if size < 0 or size > 31 or not text_is(f.spans[K_INST_ID], symbol, size) or symbol[size] != 0:
            return -1
    if o.channel == CHANNEL_TRADES:
        return read_trade(d, f, m) if m.trade_count < TRADES_MAX else -1
    if o.channel == CHANNEL_MARK:
        return read_mark(d, f, m)
    return read_funding(f, m)


cdef const char *read_items(parser_t *d, okx_frame_t *o, const char *p, const char *end, message_t *m) noexcept nogil:  # hot
    """An array of objects, at least one. p: at its '['. Returns the place behind its ']', or NULL."""
    p += 1
    while True:
        p = scan_char(p, end, c'{')
        p = scan_fields(&o.inner, p, end, item_key) if p != NULL else NULL
        if p == NULL or read_item(d, o, m) != 0:
            return NULL
        p = scan_space(p, end)
        if p == end or (p[0] != c',' and p[0] != c']'):
            return NULL
        if p[0] == c']':
            return p + 1
        p += 1


cdef const char *read_data(parser_t *d, okx_frame_t *o, const char *p, const char *end, message_t *m) noexcept nogil:  # hot
    """What the channel says the data are; the row is known. p: at the value. Returns the place behind it, or NULL."""
    if p[0] != c'[':
        return NULL
    if o.channel == CHANNEL_BOOKS or o.channel == CHANNEL_TOP:
        return read_book(d, o, p, end, m)
    return read_items(d, o, p, end, m)


# ---------------------------------------------------------------- one object

cdef const char *read_object(parser_t *d, okx_frame_t *o, const char *p, const char *end, message_t *m) noexcept nogil:  # hot
    """The outer object, arg and data read on the way. p: behind its '{'. Returns the place behind its '}', or NULL."""
    cdef fields_t *f = &d.fields
    cdef const char *close
    cdef const char *value
    cdef uint32_t key
    cdef bint is_data_read = False
    f.seen = 0
    f.end = end
    p = scan_space(p, end)
    if p < end and p[0] == c'}':
        return p + 1
    while True:
        p = scan_char(p, end, c'"')
        close = scan_string(p, end) if p != NULL else NULL
        if close == NULL:
            return NULL
        key = outer_key(p, close - p)
        p = scan_char(close + 1, end, c':')
        value = scan_space(p, end) if p != NULL else NULL
        if value == NULL or value >= end or (key != KEY_OTHER and f.seen >> key & 1):
            return NULL
        if key == K_ARG and value[0] == c'{':
            p = read_arg(d, o, value, end, m)
        elif key == K_DATA and o.channel != CHANNEL_OTHER and m.row >= 0:
            p = read_data(d, o, value, end, m)
            is_data_read = True
        else:
            p = scan_value(value, end)
        if p == NULL:
            return NULL
        if key != KEY_OTHER:
            f.seen |= <uint64_t>1 << key
            f.spans[key].start = value
            f.spans[key].stop = p
        p = scan_space(p, end)
        if p == end or (p[0] != c',' and p[0] != c'}'):
            return NULL
        if p[0] == c'}':
            break
        p += 1
    if has(f, K_DATA) and not is_data_read and o.channel != CHANNEL_OTHER and m.row >= 0:
        close = f.spans[K_DATA].stop         # arg came behind it
        if read_data(d, o, f.spans[K_DATA].start, close, m) != close:
            return NULL
    return p + 1


cdef int32_t code_of(const fields_t *f) noexcept nogil:  # hot
    """"code":"60012"; CODE_UNREADABLE = there is none, or it is no number."""
    cdef uint64_t value = 0
    if read_quoted_id(f, K_CODE, &value) != 0 or value > 1_000_000:
        return CODE_UNREADABLE
    return <int32_t>value


cdef int finish_event(parser_t *d, okx_frame_t *o, message_t *m) noexcept nogil:  # hot
    """An acknowledgement, an error, a notice. MSG_*."""
    cdef const fields_t *f = &d.fields
    cdef span_t event = f.spans[K_EVENT]
    cdef uint64_t value = 0
    m.is_book = False
    m.ack_id = <int64_t>value if read_quoted_id(f, K_ID, &value) == 0 else -1
    if text_is(event, "subscribe", 9):
        o.is_subscribed = m.row >= 0
        return MSG_ACK
    if text_is(event, "unsubscribe", 11):
        return MSG_ACK
    if text_is(event, "error", 5):
        m.ack_error = code_of(f)
        m.ack_error = m.ack_error if m.ack_error != 0 else CODE_UNREADABLE
        return MSG_ACK
    if text_is(event, "notice", 6):
        return MSG_SHUTDOWN if code_of(f) == NOTICE_CLOSING else MSG_PONG
    return MSG_PONG if text_is(event, "channel-conn-count", 18) else MSG_UNKNOWN


cdef int finish_books(okx_frame_t *o, const fields_t *f, message_t *m) noexcept nogil:  # hot
    if text_is(f.spans[K_ACTION], "snapshot", 8):
        m.depth_limit = BOOKS_LEVELS
        return MSG_SNAPSHOT
    # An update says both numbers, or neither: recordings older than them.
    return MSG_DEPTH if text_is(f.spans[K_ACTION], "update", 6) and o.has_seq == o.has_previous else MSG_ERROR


cdef int finish(parser_t *d, okx_frame_t *o, message_t *m) noexcept nogil:  # hot
    """Decides what the object was. MSG_*."""
    cdef const fields_t *f = &d.fields
    if has(f, K_EVENT):
        return finish_event(d, o, m)
    if not has(f, K_ARG) or not has(f, K_DATA) or o.channel == CHANNEL_OTHER:
        return MSG_UNKNOWN
    if m.row < 0:
        return MSG_NO_SYMBOL
    if o.channel == CHANNEL_BOOKS:
        return finish_books(o, f, m) if has(f, K_ACTION) else MSG_ERROR
    if o.channel == CHANNEL_TOP:
        if finish_top(m) != 0:
            return MSG_ERROR
        return MSG_TOP if o.has_seq else MSG_UNKNOWN     # without a number nothing says whether the book is older
    return MSG_TRADES if o.channel == CHANNEL_TRADES else MSG_FUNDING


# ---------------------------------------------------------------- the surface

cdef inline void frame_clear(okx_frame_t *o) noexcept nogil:  # hot
    o.channel = CHANNEL_OTHER
    o.has_seq = o.has_previous = o.is_subscribed = 0
    o.bids.start = o.bids.stop = o.asks.start = o.asks.stop = NULL


cdef void parse_frame(parser_t *d, okx_frame_t *o, const char *data, Py_ssize_t size, message_t *m) noexcept nogil:  # hot
    cdef const char *end = data + size
    cdef const char *p
    message_clear(d, m)
    frame_clear(o)
    if size == 4 and memcmp(data, "pong", 4) == 0:
        m.kind = MSG_PONG
        return
    m.kind = MSG_ERROR
    if size <= 0 or size > MESSAGE_BYTES_MAX:
        return
    p = scan_char(data, end, c'{')
    p = read_object(d, o, p, end, m) if p != NULL else NULL
    if p != NULL and scan_space(p, end) == end:
        m.kind = finish(d, o, m)


cdef int parse_snapshot(parser_t *d, okx_frame_t *o, int row, const char *data, Py_ssize_t size,
                        message_t *m) noexcept nogil:  # hot
    cdef const char *end = data + size
    cdef const char *p
    cdef const fields_t *f = &d.fields
    message_clear(d, m)
    frame_clear(o)
    if size <= 0 or size > SNAPSHOT_BYTES_MAX:
        return -1
    m.row = row
    o.channel = CHANNEL_BOOKS
    p = scan_char(data, end, c'{')
    p = read_object(d, o, p, end, m) if p != NULL else NULL
    if p == NULL or scan_space(p, end) != end or not has(f, K_DATA) or has(f, K_ARG) or not o.has_seq:
        return -1
    return 0 if code_of(f) == 0 else -1
