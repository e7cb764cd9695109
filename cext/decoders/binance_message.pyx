"""Bytes of one Binance market data message -> message_t. Pure: the same bytes give the same message, whatever came before.

Keys may come in any order; a key that we do not use is stepped over with its value; a key that we use and that comes twice makes
the message malformed. In the documented order (type and symbol before the levels) the levels are read on the way, otherwise in a
second look. A message is read to its last byte before anything is done with it: a bad one leaves no trace but its error.

Formats: Binance spot web-socket-streams.md (2026-07), USD-M websocket-market-streams (2026-05); docs/venues/binance.md.
Runs in the feed's loop and in replay, without the GIL."""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from cext.instrument cimport instrument_t
from cext.layout cimport level_t
from cext.scan cimport (SCAN_LEVEL_REACH, level_scales_t, scan_char, scan_decimal, scan_level, scan_level_scales, scan_space,
                        scan_string, scan_u64,
                        scan_value)

cdef enum:
    K_LETTERS = 65           # key place of a letter = its code less this
    RATE_SCALE = 8           # funding rates are given with 8 decimals


# ---------------------------------------------------------------- values

cdef inline bint text_is(span_t span, const char *text, Py_ssize_t size) noexcept nogil:  # hot
    """Is the value this string?"""
    return span.stop - span.start == size + 2 and span.start[0] == c'"' and memcmp(span.start + 1, text, size) == 0


cdef inline int read_id(const fields_t *f, uint32_t key, uint64_t *out) noexcept nogil:  # hot
    """An integer field; -1 = missing or no integer."""
    if not f.seen >> key & 1:
        return -1
    return 0 if scan_u64(f.spans[key].start, f.spans[key].stop, out) == f.spans[key].stop else -1


cdef inline int read_time(const fields_t *f, uint32_t key, int64_t *out) noexcept nogil:  # hot
    """A time in ns, from ms or us: told apart by size. -1 = missing or absurd."""
    cdef uint64_t value = 0
    if read_id(f, key, &value) != 0 or value >= TIME_US_LIMIT:
        return -1
    out[0] = <int64_t>(value * 1000 if value >= TIME_MS_LIMIT else value * 1_000_000)
    return 0


cdef inline int read_decimal(const fields_t *f, uint32_t key, int scale, int64_t *out) noexcept nogil:  # hot
    """A quoted decimal at a scale; -1 = missing, no string, or not exact at this scale."""
    if not f.seen >> key & 1 or f.spans[key].start[0] != c'"':
        return -1
    # Up to the end of the frame, not of the value: 16 bytes in reach make the fast way possible. It stops at the quote all the
    # same.
    return 0 if scan_decimal(f.spans[key].start + 1, f.end, scale, out) == f.spans[key].stop - 1 else -1


cdef int read_rounded(const fields_t *f, uint32_t key, int scale, int64_t *out) noexcept nogil:  # hot
    """Mark and index prices: averages with more decimals than the instrument has. Digits beyond the scale are cut, nobody trades
    at them."""
    cdef const char *p
    cdef const char *stop
    cdef int64_t value = 0
    cdef int left = -1       # decimals still to come; -1 = before the point
    if not f.seen >> key & 1 or f.spans[key].start[0] != c'"':
        return -1
    p = f.spans[key].start + 1
    stop = f.spans[key].stop - 1
    if p == stop:
        return -1
    while p < stop:
        if p[0] == c'.' and left < 0:
            left = scale
        elif not c'0' <= p[0] <= c'9' or value > (INT64_MAX - 9) // 10:
            return -1
        elif left != 0:
            value = value * 10 + (p[0] - c'0')
            left -= left > 0
        p += 1
    left = scale if left < 0 else left
    while left > 0:
        if value > (INT64_MAX - 9) // 10:
            return -1
        value *= 10
        left -= 1
    out[0] = value
    return 0


cdef int read_rate(const fields_t *f, uint32_t key, int64_t *out) noexcept nogil:  # hot
    """A funding rate * 1e8, which alone may be negative. An empty string (a delivery contract) is no rate: 0."""
    cdef const char *start
    cdef const char *stop
    cdef bint is_negative
    if not f.seen >> key & 1:
        return -1
    start = f.spans[key].start
    stop = f.spans[key].stop
    if start[0] != c'"':
        return -1
    if stop - start == 2:
        out[0] = 0
        return 0
    is_negative = start[1] == c'-'
    if scan_decimal(start + 1 + is_negative, stop, RATE_SCALE, out) != stop - 1:
        return -1
    if is_negative:
        out[0] = -out[0]
    return 0


# ---------------------------------------------------------------- levels

cdef const char *read_level(const char *p, const char *end, int px_scale, int qty_scale, level_t *out) noexcept nogil:  # hot
    """One ["px","qty"] with white space wherever JSON allows it. Returns the place behind it, or NULL."""
    p = scan_char(p, end, c'[')
    p = scan_char(p, end, c'"') if p != NULL else NULL
    p = scan_decimal(p, end, px_scale, &out.px) if p != NULL else NULL
    p = scan_char(p + 1, end, c',') if p != NULL else NULL
    p = scan_char(p, end, c'"') if p != NULL else NULL
    p = scan_decimal(p, end, qty_scale, &out.qty) if p != NULL else NULL
    return scan_char(p + 1, end, c']') if p != NULL else NULL


cdef const char *read_levels(decoder_t *d, const char *p, const char *end, const instrument_t *instrument, level_t **first,
                             uint32_t *count) noexcept nogil:  # hot
    """An array of levels into the scratch. p: at its '['. Returns the place behind its ']', or NULL: malformed, not exact, or px
    = 0.

    The scratch cannot overflow: a level has at least ten bytes, and the size of a frame is bounded."""
    cdef level_t *level = &d.scratch[d.scratch_used]
    cdef level_scales_t scales = scan_level_scales(instrument.px_scale, instrument.qty_scale)
    cdef const char *q
    first[0] = level
    p = scan_space(p + 1, end)
    if p < end and p[0] == c']':
        count[0] = 0
        return p + 1
    while True:
        q = scan_level(p, &scales, &level.px, &level.qty) if end - p >= SCAN_LEVEL_REACH else NULL
        if q == NULL:
            q = read_level(p, end, instrument.px_scale, instrument.qty_scale, level)
            if q == NULL:
                return NULL
        if level.px == 0:
            return NULL
        level += 1
        if q < end and q[0] == c',':
            p = q + 1
            continue
        q = scan_space(q, end)
        if q == end:
            return NULL
        if q[0] == c']':
            break
        if q[0] != c',':
            return NULL
        p = q + 1
    count[0] = <uint32_t>(level - first[0])
    d.scratch_used += count[0]
    return q + 1


# ---------------------------------------------------------------- one object

cdef int kind_of_event(span_t span, message_t *m) noexcept nogil:  # hot
    """MSG_* for the value of "e"."""
    if text_is(span, "depthUpdate", 11):
        return MSG_DEPTH
    if text_is(span, "bookTicker", 10):
        return MSG_TOP
    m.is_book = False
    if text_is(span, "trade", 5):
        return MSG_TRADE
    if text_is(span, "aggTrade", 8):
        m.is_aggregate = True
        return MSG_TRADE
    if text_is(span, "markPriceUpdate", 15):
        return MSG_MARK
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


cdef const char *read_object(decoder_t *d, const char *p, const char *end, message_t *m) noexcept nogil:  # hot
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

cdef inline bint has(const fields_t *f, uint32_t key) noexcept nogil:  # hot
    return f.seen >> key & 1


cdef int finish_levels(decoder_t *d, uint32_t key, level_t **first, uint32_t *count,
                       const instrument_t *instrument) noexcept nogil:  # hot
    """Levels that were not read on the way, because type or symbol came behind them."""
    cdef const fields_t *f = &d.fields
    if not has(f, key) or f.spans[key].start[0] != c'[':
        return -1
    if first[0] != NULL:
        return 0
    return 0 if read_levels(d, f.spans[key].start, f.spans[key].stop, instrument, first, count) == f.spans[key].stop else -1


cdef int finish_depth(decoder_t *d, message_t *m) noexcept nogil:  # hot
    cdef const fields_t *f = &d.fields
    cdef const instrument_t *instrument = &d.instruments[m.row]
    if read_time(f, c'E' - K_LETTERS, &m.event_ns) != 0:
        return -1
    if read_id(f, c'U' - K_LETTERS, &m.first_id) != 0 or read_id(f, c'u' - K_LETTERS, &m.last_id) != 0 or m.first_id > m.last_id:
        return -1
    if d.is_linear and read_id(f, KEY_PU, &m.previous_id) != 0:
        return -1
    if finish_levels(d, c'b' - K_LETTERS, &m.bids, &m.bid_count, instrument) != 0:
        return -1
    return finish_levels(d, c'a' - K_LETTERS, &m.asks, &m.ask_count, instrument)


cdef int finish_top(decoder_t *d, message_t *m) noexcept nogil:  # hot
    cdef const fields_t *f = &d.fields
    cdef const instrument_t *instrument = &d.instruments[m.row]
    if has(f, c'E' - K_LETTERS) and read_time(f, c'E' - K_LETTERS, &m.event_ns) != 0:
        return -1
    if read_id(f, c'u' - K_LETTERS, &m.last_id) != 0:
        return -1
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


cdef int finish_trade(decoder_t *d, message_t *m) noexcept nogil:  # hot
    cdef const fields_t *f = &d.fields
    cdef const instrument_t *instrument = &d.instruments[m.row]
    if read_id(f, (c'a' if m.is_aggregate else c't') - K_LETTERS, &m.trade_id) != 0:
        return -1
    if read_time(f, c'E' - K_LETTERS, &m.event_ns) != 0 or read_time(f, c'T' - K_LETTERS, &m.trade_ns) != 0:
        return -1
    if read_decimal(f, c'p' - K_LETTERS, instrument.px_scale, &m.px) != 0:
        return -1
    if read_decimal(f, c'q' - K_LETTERS, instrument.qty_scale, &m.qty) != 0:
        return -1
    if not has(f, c'm' - K_LETTERS):
        return -1
    m.is_sell = f.spans[c'm' - K_LETTERS].start[0] == c't'     # buyer is maker: the aggressor sold
    return 0


cdef int finish_mark(decoder_t *d, message_t *m) noexcept nogil:  # hot
    cdef const fields_t *f = &d.fields
    cdef int px_scale = d.instruments[m.row].px_scale
    if read_time(f, c'E' - K_LETTERS, &m.event_ns) != 0 or read_time(f, c'T' - K_LETTERS, &m.trade_ns) != 0:
        return -1
    if read_rounded(f, c'p' - K_LETTERS, px_scale, &m.px) != 0 or read_rounded(f, c'i' - K_LETTERS, px_scale, &m.index_px) != 0:
        return -1
    return read_rate(f, c'r' - K_LETTERS, &m.rate_e8)


cdef int finish_ack(decoder_t *d, message_t *m) noexcept nogil:  # hot
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


cdef int finish(decoder_t *d, message_t *m) noexcept nogil:  # hot
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
    if m.kind == MSG_TRADE:
        return MSG_TRADE if finish_trade(d, m) == 0 else MSG_ERROR
    return MSG_MARK if finish_mark(d, m) == 0 else MSG_ERROR


# ---------------------------------------------------------------- the surface

cdef int row_of_stream(decoder_t *d, const char *data, const char *end, message_t *m) noexcept nogil:  # hot
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


cdef inline void message_clear(decoder_t *d, message_t *m) noexcept nogil:  # hot
    m.kind = MSG_UNKNOWN
    m.row = -1
    m.is_book = True         # until the type says that it is not
    m.is_aggregate = False
    m.event_ns = 0
    m.trade_ns = 0
    m.previous_id = 0
    m.bids = NULL
    m.asks = NULL
    m.bid_count = 0
    m.ask_count = 0
    d.scratch_used = 0


cdef int parse_object(decoder_t *d, const char *data, const char *end, message_t *m) noexcept nogil:  # hot
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


cdef void parse_frame(decoder_t *d, const char *data, Py_ssize_t size, message_t *m) noexcept nogil:  # hot
    """One websocket frame; see the .pxd. Total: any bytes give a kind."""
    message_clear(d, m)
    m.kind = parse_object(d, data, data + size, m) if 0 < size <= MESSAGE_BYTES_MAX else MSG_ERROR
    if m.kind == MSG_ERROR and m.row < 0:
        m.row = row_of_stream(d, data, data + size, m)


cdef int parse_snapshot(decoder_t *d, int row, const char *data, Py_ssize_t size, message_t *m) noexcept nogil:  # hot
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
    m.event_ns = 0
    if has(&d.fields, c'E' - K_LETTERS) and read_time(&d.fields, c'E' - K_LETTERS, &m.event_ns) != 0:
        return -1
    if finish_levels(d, KEY_BIDS, &m.bids, &m.bid_count, instrument) != 0:
        return -1
    return finish_levels(d, KEY_ASKS, &m.asks, &m.ask_count, instrument)
