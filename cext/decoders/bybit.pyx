"""Bybit v5 market data, spot and linear: bybit_message says what the bytes are, this file how messages follow each other; the
rest is that of every venue (market.pyx, stream.pyx).

    depth   a snapshot, whenever it comes, is the book; then each delta's `u` is the one before it + 1. `u` <= ours is old, a jump
            is a gap. `u` 1 is a whole book: the service began anew. The venue gives no rule for gaps; two independent clients
            (flox, barter-rs) hold u + 1, and so does the recording of 2026-08: 2,148 messages, none left out.
    top     orderbook.1 is whole each time, and comes again with the same `u` after 3 s: proof of life, no newer price.
    both    `u` belongs to one topic; between topics only `seq` compares (smaller = older). Whether equal `seq` means equal books
            is not said, and could not be seen (no recording holds both topics): tops and depths of one `seq` are not held
            against each other. What is newer is believed, and a top that depth does not reach within 2 s is not.

A row's book is made by one depth topic: that of its newest snapshot. Deltas of another depth of the same symbol are counted as
unknown.

Sources: Bybit v5 documentation, websocket/public/orderbook (2026-07-24); docs/venues/bybit-market-data.md."""
import cython

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cext.decoders.bybit_message cimport parse_frame, parse_snapshot
from cext.decoders.frames cimport SNAPSHOT_ERROR, frame_result_t, stamps_t
from cext.decoders.market cimport MarketDecoder
from cext.decoders.message cimport MSG_DEPTH, MSG_FUNDING, MSG_PONG, MSG_SNAPSHOT, MSG_TOP, MSG_UNKNOWN, message_t
from cext.decoders.stream cimport delta_t, stream_t, sync_rules_t, take_message, take_snapshot
from cext.instrument cimport InstrumentArray

cdef enum:
    RESTARTED = 1            # update id of the first message after the service began anew


# ---------------------------------------------------------------- the venue's rules

cdef int is_old(const delta_t *d, uint64_t update_id) noexcept nogil:  # hot
    return d.last_id <= update_id


cdef int is_next(const delta_t *d, uint64_t update_id) noexcept nogil:  # hot
    return d.last_id == update_id + 1


cdef sync_rules_t RULES
memset(&RULES, 0, sizeof(RULES))
RULES.is_duplicate, RULES.follows, RULES.is_older, RULES.joins = is_old, is_next, is_old, is_next
# is_top_checked and has_trade_order stay 0: see above; trades of linear have UUIDs.


# ---------------------------------------------------------------- where a message stands among those of its row

cdef void place_depth(bybit_row_t *r, stream_t *s, uint32_t depth, message_t *m) noexcept nogil:  # hot
    if r.depth == 0 or m.kind == MSG_SNAPSHOT:
        r.depth = depth
    if r.depth != depth:
        m.kind = MSG_UNKNOWN
    elif m.kind == MSG_SNAPSHOT and m.last_id == RESTARTED:
        s.top_id = 0         # what the service said before it began anew is void


cdef inline bint is_same_top(const stream_t *s, const message_t *m) noexcept nogil:  # hot
    return (m.bid.px == s.top[0].px and m.bid.qty == s.top[0].qty and m.ask.px == s.top[1].px and m.ask.qty == s.top[1].qty)


cdef void place_top(bybit_row_t *r, stream_t *s, message_t *m) noexcept nogil:  # hot
    """The same `u` again is the same top, whatever its `seq`."""
    if s.top_id != 0 and m.last_id == r.top_u and is_same_top(s, m):
        m.order_id = s.top_id
    elif m.last_id == RESTARTED:
        s.top_id = 0
    if m.order_id > s.top_id:
        r.top_u = m.last_id


cdef void place_ticker(bybit_row_t *r, stream_t *s, bint is_snapshot, message_t *m) noexcept nogil:  # hot
    """A second socket may bring what is older: it would undo newer parts."""
    if m.event_ns < r.ticker_ns and not is_snapshot:
        s.stats.duplicates += 1
        m.kind = MSG_PONG
    else:
        r.ticker_ns = m.event_ns


# ---------------------------------------------------------------- the class

@cython.final
cdef class BybitMarket(MarketDecoder):
    """Bybit spot or linear; see market.pxd."""

    def __cinit__(self, InstrumentArray instruments, str market, list rows):
        self.bybit_rows = <bybit_row_t *>calloc(max(1, instruments.count), sizeof(bybit_row_t))
        if self.bybit_rows == NULL:
            raise MemoryError
        self.use_rules(&RULES)

    def __dealloc__(self):
        free(self.bybit_rows)

    cdef void place_message(self) noexcept nogil:  # hot
        cdef message_t *m = &self.state.message
        cdef bybit_row_t *r
        cdef stream_t *s
        if m.row < 0:
            return
        r = &self.bybit_rows[m.row]
        s = &self.state.streams[m.row]
        if m.kind == MSG_DEPTH or m.kind == MSG_SNAPSHOT:
            place_depth(r, s, self.topic.depth, m)
        elif m.kind == MSG_TOP:
            place_top(r, s, m)
        elif m.kind == MSG_FUNDING:
            place_ticker(r, s, self.topic.is_snapshot, m)

    cdef int decode_frame(self, const char *data, Py_ssize_t size, const stamps_t *stamps,
                          frame_result_t *out) noexcept nogil:  # hot
        parse_frame(&self.state.parser, data, size, &self.topic, &self.state.message)
        self.place_message()
        return take_message(self.state, stamps, out)

    cdef int load_snapshot(self, int row, const char *data, Py_ssize_t size, int limit,
                           const stamps_t *stamps) noexcept nogil:  # hot
        """GET /v5/market/orderbook. Its `u` is that of the 1000-level topic: it joins that one only."""
        if parse_snapshot(&self.state.parser, row, data, size, &self.state.message) != 0:
            return SNAPSHOT_ERROR
        self.state.message.depth_limit = limit
        return take_snapshot(&self.state.streams[row], &self.state.message, stamps.frame_mono_ns)
