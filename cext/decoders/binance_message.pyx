"""Bytes of one Binance market data message -> message_t. Pure: the same bytes give the same message, whatever came before.

Keys may come in any order; a key that we do not use is stepped over with its value; a key that we use and that comes twice makes
the message malformed. In the documented order (type and symbol before the levels) the levels are read on the way, otherwise in a
second look. A message is read to its last byte before anything is done with it: a bad one leaves no trace but its error.

Formats: Binance spot web-socket-streams.md (2026-07), USD-M websocket-market-streams (2026-05); docs/venues/binance.md.
Runs in the feed's loop and in replay, without the GIL."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from cext.decoders.fields cimport (has, read_decimal, read_id, read_levels, read_rate, read_rounded, read_time, text_is)
from cext.decoders.message cimport (FUNDING_INDEX, FUNDING_MARK, FUNDING_NEXT, FUNDING_RATE, KEY_OTHER, MESSAGE_BYTES_MAX,
                                    MSG_ACK, MSG_DEPTH, MSG_ERROR, MSG_FUNDING, MSG_NO_SYMBOL, MSG_SHUTDOWN, MSG_TOP,
                                    MSG_TRADES, MSG_UNKNOWN, SNAPSHOT_BYTES_MAX, fields_t, hint_row, message_clear, message_t,
                                    parser_t, span_t, symbols_find)
from cext.instrument cimport instrument_t
from cext.layout cimport TRADE_SELL_AGGRESSOR, level_t, trade_record_t
from cext.scan cimport scan_char, scan_space, scan_string, scan_u64, scan_value

cdef enum:
    K_LETTERS = 65           # key place of a letter = its code less this
    AGGREGATE = 1            # trade group of aggTrade, which has ids of its own


# ---------------------------------------------------------------- one object

cdef int kind_of_event(span_t span, message_t *m) noexcept nogil:  # hot
    """MSG_* for the value of "e"."""
    if text_is(span, "depthUpdate", 11):
        return MSG_DEPTH
    if text_is(span, "bookTicker", 10):
        return MSG_TOP
    m.is_book = False
    if text_is(span, "trade", 5):
        return MSG_TRADES
    if text_is(span, "aggTrade", 8):
        m.trade_group = AGGREGATE
        return MSG_TRADES
    if text_is(span, "markPriceUpdate", 15):
        return MSG_FUNDING
    if text_is(span, "serverShutdown", 14):
        return MSG_SHUTDOWN
    return MSG_UNKNOWN


cdef inline const char *read_key(const char *p, const char *end, uint32_t *key) noexcept nogil:  # hot
    """A key and its colon. p: at its opening quote, or white space before it. Returns the place of the value, or NULL."""
    cdef const char *close
    if end - p >= 5 and p[0] == c'"' and p[2] == c'"' and p[3] == c':' and p[1] != c'\\' and p[1] != c'"':
        key[0] = key_of_letter(p[1])
        p += 4
    else:
        p = scan_char(p, end, c'"')
        if p == NULL:
            return NULL
        close = scan_string(p, end)
        if close == NULL:
            return NULL
        key[0] = key_of_letter(p[0]) if close - p == 1 else key_of_name(p, close - p)
        p = scan_char(close + 1, end, c':')
        if p == NULL:
            return NULL
    return p if p < end and <unsigned char>p[0] > 32 else scan_space(p, end)


cdef const char *read_object(parser_t *d, const char *p, const char *end, message_t *m) noexcept nogil:  # hot
    """All fields of one object. p: behind its '{'. Returns the place behind its '}', or NULL."""
    cdef fields_t *f = &d.fields
    cdef const char *value
    cdef uint32_t key = 0
    f.seen = 0
    f.end = end
    p = scan_space(p, end)
    if p < end and p[0] == c'}':
        return p + 1
    while True:
        value = read_key(p, end, &key)
        if value == NULL or value >= end:
            return NULL
        if value[0] == c'[' and m.kind == MSG_DEPTH and m.row >= 0 and (key == c'b' - K_LETTERS or key == c'a' - K_LETTERS):
            if key == c'b' - K_LETTERS:
                p = read_levels(d, value, end, &d.instruments[m.row], &m.bids, &m.bid_count)
            else:
                p = read_levels(d, value, end, &d.instruments[m.row], &m.asks, &m.ask_count)
        else:
            p = scan_value(value, end)
        if p == NULL:
            return NULL
        if key != KEY_OTHER:
            if f.seen >> key & 1:
                return NULL
            f.seen |= <uint64_t>1 << key
            f.spans[key].start = value
            f.spans[key].stop = p
            if key == c'e' - K_LETTERS:
                m.kind = kind_of_event(f.spans[key], m)
            elif key == c's' - K_LETTERS and value[0] == c'"':
                m.row = symbols_find(&d.symbols, value + 1, p - value - 2)
                hint_row(d, m.row)
        if p < end and p[0] == c',':
            p += 1
            continue
        p = scan_space(p, end)
        if p == end:
            return NULL
        if p[0] == c'}':
            return p + 1
        if p[0] != c',':
            return NULL
        p += 1


# ---------------------------------------------------------------- meaning of the fields, by type

cdef int finish_levels(parser_t *d, uint32_t key, level_t **first, uint32_t *count,
                       const instrument_t *instrument) noexcept nogil:  # hot
    """Levels that were not read on the way, because type or symbol came behind them."""
    cdef const fields_t *f = &d.fields
    if not has(f, key) or f.spans[key].start[0] != c'[':
        return -1
    if first[0] != NULL:
        return 0
    return 0 if read_levels(d, f.spans[key].start, f.spans[key].stop, instrument, first, count) == f.spans[key].stop else -1


cdef int finish_depth(parser_t *d, message_t *m) noexcept nogil:  # hot
    cdef const fields_t *f = &d.fields
    cdef const instrument_t *instrument = &d.instruments[m.row]
    if read_time(f, c'E' - K_LETTERS, &m.event_ns) != 0:
        return -1
    if read_id(f, c'U' - K_LETTERS, &m.first_id) != 0 or read_id(f, c'u' - K_LETTERS, &m.last_id) != 0 or m.first_id > m.last_id:
        return -1
    m.order_id = m.last_id
    if d.is_linear and read_id(f, KEY_PU, &m.previous_id) != 0:
        return -1
    if finish_levels(d, c'b' - K_LETTERS, &m.bids, &m.bid_count, instrument) != 0:
        return -1
    return finish_levels(d, c'a' - K_LETTERS, &m.asks, &m.ask_count, instrument)


cdef int finish_top(parser_t *d, message_t *m) noexcept nogil:  # hot
    cdef const fields_t *f = &d.fields
    cdef const instrument_t *instrument = &d.instruments[m.row]
    if has(f, c'E' - K_LETTERS) and read_time(f, c'E' - K_LETTERS, &m.event_ns) != 0:
        return -1
    if read_id(f, c'u' - K_LETTERS, &m.last_id) != 0:
        return -1
    m.order_id = m.last_id
    if read_decimal(f, c'b' - K_LETTERS, instrument.px_scale, &m.bid.px) != 0:
        return -1
    if read_decimal(f, c'B' - K_LETTERS, instrument.qty_scale, &m.bid.qty) != 0:
        return -1
    if read_decimal(f, c'a' - K_LETTERS, instrument.px_scale, &m.ask.px) != 0:
        return -1
    if read_decimal(f, c'A' - K_LETTERS, instrument.qty_scale, &m.ask.qty) != 0:
        return -1
    # An empty side is told as price 0 and size 0; one without the other makes no sense.
    return 0 if (m.bid.px == 0) == (m.bid.qty == 0) and (m.ask.px == 0) == (m.ask.qty == 0) else -1


cdef int finish_trade(parser_t *d, message_t *m) noexcept nogil:  # hot
    cdef const fields_t *f = &d.fields
    cdef const instrument_t *instrument = &d.instruments[m.row]
    cdef trade_record_t *trade = m.trades
    if read_id(f, (c'a' if m.trade_group == AGGREGATE else c't') - K_LETTERS, &trade.trade_id) != 0:
        return -1
    if read_time(f, c'E' - K_LETTERS, &m.event_ns) != 0 or read_time(f, c'T' - K_LETTERS, &trade.exch_ns) != 0:
        return -1
    if read_decimal(f, c'p' - K_LETTERS, instrument.px_scale, &trade.px) != 0:
        return -1
    if read_decimal(f, c'q' - K_LETTERS, instrument.qty_scale, &trade.qty) != 0:
        return -1
    if not has(f, c'm' - K_LETTERS):
        return -1
    # buyer is maker: the aggressor sold
    trade.flags = TRADE_SELL_AGGRESSOR if f.spans[c'm' - K_LETTERS].start[0] == c't' else 0
    m.trade_count = 1
    return 0


cdef int finish_mark(parser_t *d, message_t *m) noexcept nogil:  # hot
    cdef const fields_t *f = &d.fields
    cdef int px_scale = d.instruments[m.row].px_scale
    if read_time(f, c'E' - K_LETTERS, &m.event_ns) != 0 or read_time(f, c'T' - K_LETTERS, &m.next_funding_ns) != 0:
        return -1
    if read_rounded(f, c'p' - K_LETTERS, px_scale, &m.mark_px) != 0:
        return -1
    if read_rounded(f, c'i' - K_LETTERS, px_scale, &m.index_px) != 0:
        return -1
    m.funding_given = FUNDING_MARK | FUNDING_INDEX | FUNDING_RATE | FUNDING_NEXT
    return read_rate(f, c'r' - K_LETTERS, &m.rate_e8)


cdef int finish_ack(parser_t *d, message_t *m) noexcept nogil:  # hot
    """{"result":null,"id":1}, or {"code":2,"msg":..,"id":..}, or {"error":{"code":..,"msg":..},"id":..}."""
    cdef fields_t *f = &d.fields
    cdef uint64_t value = 0
    cdef const char *p
    cdef const char *stop
    m.ack_id = <int64_t>value if read_id(f, KEY_ID, &value) == 0 else -1
    m.ack_error = 0
    if has(f, KEY_ERROR) and f.spans[KEY_ERROR].start[0] == c'{':
        p = f.spans[KEY_ERROR].start + 1
        stop = f.spans[KEY_ERROR].stop
        m.ack_error = -1
        if read_object(d, p, stop, m) == NULL:
            return -1
    if has(f, KEY_CODE):
        p = f.spans[KEY_CODE].start
        stop = f.spans[KEY_CODE].stop
        m.ack_error = -1
        if scan_u64(p + (p[0] == c'-'), stop, &value) == stop and value < 1_000_000:
            m.ack_error = -<int32_t>value if p[0] == c'-' else <int32_t>value
    return 0


cdef int finish(parser_t *d, message_t *m) noexcept nogil:  # hot
    """Decides what the object was and reads its values; MSG_*."""
    cdef const fields_t *f = &d.fields
    if not has(f, c'e' - K_LETTERS):
        if has(f, KEY_ID) and (has(f, KEY_RESULT) or has(f, KEY_ERROR) or has(f, KEY_CODE)):
            return MSG_ACK if finish_ack(d, m) == 0 else MSG_ERROR
        # Spot tops have no type: they are known by their fields.
        if not (has(f, c'u' - K_LETTERS) and has(f, c's' - K_LETTERS) and has(f, c'B' - K_LETTERS) and has(f, c'A' - K_LETTERS)):
            return MSG_UNKNOWN
        m.kind = MSG_TOP
    if m.kind == MSG_UNKNOWN or m.kind == MSG_SHUTDOWN:
        return m.kind
    if not has(f, c's' - K_LETTERS) or f.spans[c's' - K_LETTERS].start[0] != c'"':
        return MSG_ERROR
    if m.row < 0:
        return MSG_NO_SYMBOL
    if m.kind == MSG_TOP:
        return MSG_TOP if finish_top(d, m) == 0 else MSG_ERROR
    if m.kind == MSG_DEPTH:
        return MSG_DEPTH if finish_depth(d, m) == 0 else MSG_ERROR
    if m.kind == MSG_TRADES:
        return MSG_TRADES if finish_trade(d, m) == 0 else MSG_ERROR
    return MSG_FUNDING if finish_mark(d, m) == 0 else MSG_ERROR


# ---------------------------------------------------------------- the surface

cdef int row_of_stream(parser_t *d, const char *data, const char *end, message_t *m) noexcept nogil:  # hot
    """Which book a malformed frame was about, from the name of its stream ({"stream":"btcusdt@depth..."); -1 = cannot be told."""
    cdef char symbol[32]
    cdef int size = 0
    cdef const char *p = data + 11
    if end - data < 12 or memcmp(data, '{"stream":"', 11) != 0:
        return -1
    while p < end and p[0] != c'@' and size < 31:
        symbol[size] = p[0] - 32 if c'a' <= p[0] <= c'z' else p[0]
        size += 1
        p += 1
    m.is_book = end - p >= 11 and (memcmp(p, "@depth", 6) == 0 or memcmp(p, "@bookTicker", 11) == 0)
    return symbols_find(&d.symbols, symbol, size)


cdef int parse_object(parser_t *d, const char *data, const char *end, message_t *m) noexcept nogil:  # hot
    """The outer object, and the one within when this is the combined form {"stream":..,"data":{..}}. MSG_*."""
    cdef const char *p = data + 1
    cdef span_t inner
    cdef bint is_wrapped = False
    if end - data >= 24 and memcmp(data, '{"stream":"', 11) == 0:
        p = scan_string(data + 11, end)
        if p != NULL and end - p >= 10 and memcmp(p, '","data":{', 10) == 0:
            is_wrapped = True
            p = read_object(d, p + 10, end, m)
            p = scan_char(p, end, c'}') if p != NULL else NULL
        else:
            p = data + 1
    if not is_wrapped:
        p = scan_char(data, end, c'{')
        p = read_object(d, p, end, m) if p != NULL else NULL
    if p == NULL or scan_space(p, end) != end:
        return MSG_ERROR
    if not is_wrapped and has(&d.fields, KEY_DATA) and d.fields.spans[KEY_DATA].start[0] == c'{':
        inner = d.fields.spans[KEY_DATA]
        message_clear(d, m)
        if read_object(d, inner.start + 1, inner.stop, m) != inner.stop:
            return MSG_ERROR
    return finish(d, m)


cdef void parse_frame(parser_t *d, const char *data, Py_ssize_t size, message_t *m) noexcept nogil:  # hot
    """One websocket frame; see the .pxd. Total: any bytes give a kind."""
    message_clear(d, m)
    m.kind = parse_object(d, data, data + size, m) if 0 < size <= MESSAGE_BYTES_MAX else MSG_ERROR
    if m.kind == MSG_ERROR and m.row < 0:
        m.row = row_of_stream(d, data, data + size, m)


cdef int parse_snapshot(parser_t *d, int row, const char *data, Py_ssize_t size, message_t *m) noexcept nogil:  # hot
    """One REST depth body; see the .pxd."""
    cdef const char *end = data + size
    cdef const char *p
    cdef const instrument_t *instrument = &d.instruments[row]
    message_clear(d, m)
    m.row = row
    if size <= 0 or size > SNAPSHOT_BYTES_MAX:
        return -1
    p = scan_char(data, end, c'{')
    p = read_object(d, p, end, m) if p != NULL else NULL
    if p == NULL or scan_space(p, end) != end or read_id(&d.fields, KEY_LAST_UPDATE_ID, &m.last_id) != 0:
        return -1
    m.row = row
    m.order_id = m.last_id
    m.event_ns = 0
    if has(&d.fields, c'E' - K_LETTERS) and read_time(&d.fields, c'E' - K_LETTERS, &m.event_ns) != 0:
        return -1
    if finish_levels(d, KEY_BIDS, &m.bids, &m.bid_count, instrument) != 0:
        return -1
    return finish_levels(d, KEY_ASKS, &m.asks, &m.ask_count, instrument)
