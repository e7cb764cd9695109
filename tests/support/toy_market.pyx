"""A made-up venue for tests of what all venues share: whole books on the stream, a chain of previous ids, tops that are
compared by another number, contracts, levels of four strings, a checksum, trades with hashed ids, funding that comes in parts.

    {"k":"snap","s":"BTCUSDT","u":5,"q":50,"b":[["100","1","0","0"]],"a":[...],"c":1}     u = id that is chained, q = order id
    {"k":"delta",..,"p":5}  {"k":"top",..}  {"k":"trades","s":..,"i":[7,8],"z":"1"}  {"k":"fund","s":..,"m":"1","r":"-0.1","n":17}
    {"k":"pong"}  {"k":"ack","i":3,"e":17}

The checksum is the number of levels of the book after the message."""
import cython

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cext.book cimport book_levels
from cext.decoders.fields cimport (has, read_levels, read_quoted_time, read_rate, read_rounded, read_size, read_quoted_id,
                                   scan_fields, text_is)
from cext.decoders.frames cimport SNAPSHOT_ERROR, frame_result_t, stamps_t
from cext.decoders.market cimport MarketDecoder
from cext.decoders.message cimport (FUNDING_MARK, FUNDING_NEXT, FUNDING_RATE, KEY_OTHER, MSG_ACK, MSG_DEPTH, MSG_ERROR,
                                    MSG_FUNDING, MSG_NO_SYMBOL, MSG_PONG, MSG_SNAPSHOT, MSG_TOP, MSG_TRADES, MSG_UNKNOWN,
                                    TRADES_MAX, message_clear, message_t, parser_t, symbols_find)
from cext.decoders.stream cimport delta_t, stream_t, sync_rules_t, take_message, take_snapshot
from cext.instrument cimport InstrumentArray, instrument_t
from cext.scan cimport scan_char, scan_space, scan_u64


cdef enum:
    OPEN = 123               # an opening brace


cdef uint32_t letter(const char *name, uint64_t size) noexcept nogil:  # hot
    return name[0] - c'a' if size == 1 and c'a' <= name[0] <= c'z' else KEY_OTHER


cdef int is_duplicate(const delta_t *d, uint64_t update_id) noexcept nogil:  # hot
    return d.last_id <= update_id and d.previous_id != update_id


cdef int follows(const delta_t *d, uint64_t update_id) noexcept nogil:  # hot
    return d.previous_id == update_id


cdef int is_older(const delta_t *d, uint64_t snapshot_id) noexcept nogil:  # hot
    return d.last_id <= snapshot_id


cdef int joins(const delta_t *d, uint64_t snapshot_id) noexcept nogil:  # hot
    return d.previous_id <= snapshot_id


cdef int verify(const stream_t *s, const message_t *m) noexcept nogil:  # hot
    return <int64_t>(book_levels(&s.book, 0) + book_levels(&s.book, 1)) == m.checksum


cdef sync_rules_t RULES
memset(&RULES, 0, sizeof(RULES))
RULES.is_duplicate, RULES.follows, RULES.is_older, RULES.joins, RULES.verify = is_duplicate, follows, is_older, joins, verify


cdef int read_sides(parser_t *d, message_t *m) noexcept nogil:  # hot
    cdef const instrument_t *instrument = &d.instruments[m.row]
    cdef uint32_t b = c'b' - c'a'
    cdef uint32_t a = 0
    if not has(&d.fields, b) or not has(&d.fields, a):
        return -1
    if read_levels(d, d.fields.spans[b].start, d.fields.spans[b].stop, instrument, &m.bids, &m.bid_count) == NULL:
        return -1
    if read_levels(d, d.fields.spans[a].start, d.fields.spans[a].stop, instrument, &m.asks, &m.ask_count) == NULL:
        return -1
    return 0


cdef int finish_book(parser_t *d, message_t *m) noexcept nogil:  # hot
    cdef uint64_t value = 0
    if read_quoted_id(&d.fields, c'u' - c'a', &m.last_id) != 0 or read_sides(d, m) != 0:
        return MSG_ERROR
    m.order_id = m.last_id
    if has(&d.fields, c'q' - c'a') and read_quoted_id(&d.fields, c'q' - c'a', &m.order_id) != 0:
        return MSG_ERROR
    if m.kind == MSG_DEPTH and read_quoted_id(&d.fields, c'p' - c'a', &m.previous_id) != 0:
        return MSG_ERROR
    if has(&d.fields, c'c' - c'a'):
        if read_quoted_id(&d.fields, c'c' - c'a', &value) != 0:
            return MSG_ERROR
        m.has_checksum = True
        m.checksum = <int64_t>value
    if m.kind == MSG_TOP:
        m.bid.px = m.bid.qty = m.ask.px = m.ask.qty = 0
        if m.bid_count:
            m.bid = m.bids[0]
        if m.ask_count:
            m.ask = m.asks[0]
    m.depth_limit = 3
    return m.kind


cdef int finish_trades(parser_t *d, message_t *m) noexcept nogil:  # hot
    cdef const char *p = d.fields.spans[c'i' - c'a'].start
    cdef const char *end = d.fields.spans[c'i' - c'a'].stop
    m.is_book = False
    if not has(&d.fields, c'i' - c'a') or p[0] != c'[':
        return MSG_ERROR
    while p[0] != c']':
        if m.trade_count == TRADES_MAX:
            return MSG_ERROR
        p = scan_u64(scan_space(p + 1, end), end, &m.trades[m.trade_count].trade_id)
        if p == NULL or read_size(&d.fields, c'z' - c'a', &d.instruments[m.row], &m.trades[m.trade_count].qty) != 0:
            return MSG_ERROR
        m.trade_count += 1
    return MSG_TRADES


cdef int finish_funding(parser_t *d, message_t *m) noexcept nogil:  # hot
    m.is_book = False
    if has(&d.fields, c'm' - c'a'):
        m.funding_given |= FUNDING_MARK
        if read_rounded(&d.fields, c'm' - c'a', d.instruments[m.row].px_scale, &m.mark_px) != 0:
            return MSG_ERROR
    if has(&d.fields, c'r' - c'a'):
        m.funding_given |= FUNDING_RATE
        if read_rate(&d.fields, c'r' - c'a', &m.rate_e8) != 0:
            return MSG_ERROR
    if has(&d.fields, c'n' - c'a'):
        m.funding_given |= FUNDING_NEXT
        if read_quoted_time(&d.fields, c'n' - c'a', &m.next_funding_ns) != 0:
            return MSG_ERROR
    return MSG_FUNDING


cdef int finish_ack(parser_t *d, message_t *m) noexcept nogil:  # hot
    cdef uint64_t value = 0
    if read_quoted_id(&d.fields, c'i' - c'a', &value) == 0:
        m.ack_id = <int64_t>value
    if read_quoted_id(&d.fields, c'e' - c'a', &value) == 0:
        m.ack_error = <int>value
    return MSG_ACK


cdef int parse(parser_t *d, const char *data, Py_ssize_t size, message_t *m) noexcept nogil:  # hot
    cdef const char *p
    cdef uint32_t k = c'k' - c'a'
    cdef uint32_t s = c's' - c'a'
    message_clear(d, m)
    p = scan_char(data, data + size, OPEN)
    if p == NULL or scan_fields(&d.fields, p, data + size, letter) != data + size or not has(&d.fields, k):
        return MSG_ERROR
    if text_is(d.fields.spans[k], "pong", 4):
        return MSG_PONG
    if text_is(d.fields.spans[k], "ack", 3):
        return finish_ack(d, m)
    if not has(&d.fields, s):
        return MSG_UNKNOWN
    m.row = symbols_find(&d.symbols, d.fields.spans[s].start + 1, d.fields.spans[s].stop - d.fields.spans[s].start - 2)
    if m.row < 0:
        return MSG_NO_SYMBOL
    if text_is(d.fields.spans[k], "trades", 6):
        return finish_trades(d, m)
    if text_is(d.fields.spans[k], "fund", 4):
        return finish_funding(d, m)
    m.kind = (MSG_SNAPSHOT if text_is(d.fields.spans[k], "snap", 4) else MSG_DEPTH if text_is(d.fields.spans[k], "delta", 5)
              else MSG_TOP)
    return finish_book(d, m)


@cython.final
cdef class ToyMarket(MarketDecoder):
    """See the module's docstring."""

    def __cinit__(self, InstrumentArray instruments, str market, list rows):
        self.use_rules(&RULES)
        self.state.parser.level_extras = 2

    cdef int decode_frame(self, const char *data, Py_ssize_t size, const stamps_t *stamps,
                          frame_result_t *out) noexcept nogil:  # hot
        self.state.message.kind = parse(&self.state.parser, data, size, &self.state.message)
        return take_message(self.state, stamps, out)

    cdef int load_snapshot(self, int row, const char *data, Py_ssize_t size, int limit,
                           const stamps_t *stamps) noexcept nogil:  # hot
        if parse(&self.state.parser, data, size, &self.state.message) != MSG_SNAPSHOT or self.state.message.row != row:
            return SNAPSHOT_ERROR
        self.state.message.depth_limit = limit
        return take_snapshot(&self.state.streams[row], &self.state.message, stamps.frame_mono_ns)
