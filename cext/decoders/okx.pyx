"""OKX v5 market data, spot and SWAP (and of OKX US): okx_message says what the bytes are, this file how updates follow each
other; the rest is that of every venue (market.pyx, stream.pyx).

    books        a snapshot replaces the book; an update is the next one when its prevSeqId is the last seqId, whatever its own
                 seqId: after maintenance that may be smaller. Equal numbers without levels are a heartbeat.
    no snapshot  a stream that begins with an update: the first is dropped, the others wait for a REST book with seqId S. Those
                 with seqId <= S are old; the first one used has prevSeqId <= S < seqId.
    bbo-tbt      counts in the same numbers: larger = newer, within one generation of them (okx_message.h)
    checksum     0 = not provided (always, since 2026-06); else of the book after the message
    recordings of 2022 have no numbers: their updates are taken as they come, and the checksum decides.

Sources: OKX v5 documentation, order book channel (2026-09) and change log (2026-02-12, 2026-06-23); docs/venues/okx.md."""
import cython

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from cext.decoders.frames cimport FRAME_BUFFERED, SNAPSHOT_ERROR, frame_result_t, stamps_t
from cext.decoders.market cimport MarketDecoder
from cext.decoders.message cimport MSG_ACK, MSG_DEPTH, MSG_ERROR, MSG_SNAPSHOT, MSG_TOP, message_t
from cext.decoders.okx_checksum cimport CHECKSUM_TEXT_BYTES, checksum_text, crc32_of, forms_free, note_forms
from cext.decoders.okx_message cimport (CHANNEL_BOOKS, GENERATION_MAX, SEQ_NONE, okx_frame_t, okx_row_t, okx_state_t, parse_frame,
                                        parse_snapshot)
from cext.decoders.stream cimport (SYNC_JOINING, SYNC_NONE, delta_t, learn_lag, lose_stream, lose_sync, market_state_t,
                                   pending_clear, quiet_learn, stream_t, sync_rules_t, take_message, take_snapshot)
from cext.instrument cimport InstrumentArray
from cext.layout cimport SIDE_BUY, SIDE_SELL

cdef enum:
    GENERATION_BIT = 56
    NS_PER_MS = 1_000_000
    REPEATED = 0                         # first_id of an update that the book contains: is_duplicate cannot see times
    FRESH = 1
    JOIN_PATIENCE_NS = 1_000_000_000     # a stream this much later than the REST book and still below it: numbered anew since


# ---------------------------------------------------------------- the venue's rules

cdef int is_duplicate(const delta_t *d, uint64_t update_id) noexcept nogil:  # hot
    return d.first_id == REPEATED


cdef int follows(const delta_t *d, uint64_t update_id) noexcept nogil:  # hot
    return d.previous_id == update_id


cdef int is_older(const delta_t *d, uint64_t snapshot_id) noexcept nogil:  # hot
    return d.last_id <= snapshot_id


cdef int joins(const delta_t *d, uint64_t snapshot_id) noexcept nogil:  # hot
    return d.previous_id <= snapshot_id


cdef int verify(const stream_t *s, const message_t *m) noexcept nogil:  # hot
    """Only called for a checksum that is not 0."""
    cdef okx_state_t *okx = <okx_state_t *>s.rules
    cdef okx_row_t *r = &okx.rows[m.row]
    cdef char text[CHECKSUM_TEXT_BYTES]
    cdef uint64_t size
    if m.kind == MSG_SNAPSHOT:
        r.forms.count = 0
    if note_forms(&r.forms, okx.frame.bids, SIDE_BUY, s.instrument) != 0:
        return 0
    if note_forms(&r.forms, okx.frame.asks, SIDE_SELL, s.instrument) != 0:
        return 0
    size = checksum_text(&s.book, &r.forms, s.instrument, text)
    return <uint32_t>m.checksum == crc32_of(text, size)


# ---------------------------------------------------------------- generations

cdef inline uint32_t newest_generation(const okx_row_t *r) noexcept nogil:  # hot
    return r.depth_generation if r.depth_generation > r.top_generation else r.top_generation


cdef void renew_generation(okx_row_t *r, uint32_t *own, bint is_anew, int64_t event_ns) noexcept nogil:  # hot
    """own: of the stream whose message this is. It takes over what the other stream has told already; only a stream that is not
    behind begins a new generation."""
    cdef uint32_t newest = newest_generation(r)
    if own[0] < newest:
        if is_anew or event_ns > r.generation_ns:
            own[0] = newest
    elif is_anew and own[0] < GENERATION_MAX:
        own[0] = newest + 1
        r.generation_ns = event_ns


cdef inline uint64_t ordered(uint32_t generation, uint64_t seq) noexcept nogil:  # hot
    return <uint64_t>generation << GENERATION_BIT | seq


# ---------------------------------------------------------------- a message's place in the sequence

cdef bint is_repeated(const okx_row_t *r, const message_t *m, uint32_t connection_id) noexcept nogil:  # hot
    """The same stream comes through two sockets while one replaces the other. What the book contains is a repetition, told from
    smaller numbers after maintenance by its time; so is what comes of the other socket and spans this one's first snapshot."""
    if m.previous_id == r.depth_seq or m.previous_id == SEQ_NONE:
        return False
    if m.last_id <= r.depth_seq:
        return m.event_ns <= r.depth_ns
    return connection_id != r.depth_connection and m.previous_id < r.depth_seq


cdef void place_unnumbered(const stream_t *s, okx_row_t *r, message_t *m) noexcept nogil:  # hot
    """Times in place of numbers; each update follows."""
    m.first_id = FRESH
    m.last_id = m.order_id = <uint64_t>(m.event_ns // NS_PER_MS)
    m.previous_id = s.pending.last_id if s.sync == SYNC_NONE else s.update_id
    if m.kind == MSG_DEPTH and s.sync != SYNC_NONE and r.is_numbered:
        m.kind = MSG_ERROR           # nothing says what is missing


cdef void place_update(stream_t *s, okx_row_t *r, message_t *m, uint32_t connection_id) noexcept nogil:  # hot
    if is_repeated(r, m, connection_id):
        m.first_id = REPEATED
        return
    if s.sync == SYNC_JOINING and m.last_id < s.update_id and 0 < s.depth_exch_ns < m.event_ns - JOIN_PATIENCE_NS:
        lose_sync(s)
    renew_generation(r, &r.depth_generation, m.last_id < m.previous_id and m.previous_id != SEQ_NONE, m.event_ns)
    if r.top_generation < r.depth_generation and r.top_ns > r.generation_ns and s.top_id == ordered(r.top_generation, r.top_seq):
        r.top_generation = r.depth_generation    # the first top of these numbers came before we knew
        s.top_id = ordered(r.top_generation, r.top_seq)
    m.first_id = FRESH
    m.order_id = ordered(r.depth_generation, m.last_id)
    r.depth_seq = m.last_id
    r.depth_ns = m.event_ns
    r.depth_connection = connection_id


cdef void place_whole(stream_t *s, okx_row_t *r, message_t *m) noexcept nogil:  # hot
    """A book that stands for itself: both streams are of its generation from here on. A top that seems newer although it was made
    earlier is of numbers that are gone."""
    cdef bint is_anew = m.last_id < r.top_seq and m.event_ns > r.top_ns
    if is_anew or r.depth_generation != r.top_generation:
        s.top_id = 0
        r.top_seq = 0
        r.depth_generation = r.top_generation = newest_generation(r)
    r.is_numbered = 1
    m.order_id = ordered(r.depth_generation, m.last_id)


cdef void place_snapshot(stream_t *s, okx_row_t *r, message_t *m, uint32_t connection_id) noexcept nogil:  # hot
    place_whole(s, r, m)
    r.depth_seq = m.last_id
    r.depth_ns = m.event_ns
    r.depth_connection = connection_id


cdef void place_top(okx_row_t *r, message_t *m) noexcept nogil:  # hot
    cdef bint is_anew = m.last_id < r.top_seq and m.event_ns > r.top_ns
    renew_generation(r, &r.top_generation, is_anew, m.event_ns)
    m.order_id = ordered(r.top_generation, m.last_id)
    if is_anew or m.last_id > r.top_seq:
        r.top_seq = m.last_id
        r.top_ns = m.event_ns


cdef void begin_stream(stream_t *s, okx_row_t *r) noexcept nogil:  # hot
    """What waits is of the stream before: the next update is the first one of the new stream."""
    r.is_begun = 0
    s.has_begun = False
    s.begins_with_delta = False
    if s.sync == SYNC_NONE:
        pending_clear(&s.pending)


cdef bint is_first_update(const stream_t *s, const okx_row_t *r, const message_t *m) noexcept nogil:  # hot
    """Of a stream that begins without a snapshot: it is dropped. One that follows nothing can never be joined."""
    if m.kind != MSG_DEPTH or s.sync != SYNC_NONE:
        return False
    return not r.is_begun or r.restarts != s.restarts or m.previous_id == SEQ_NONE


cdef int drop_first(market_state_t *state, stream_t *s, const message_t *m, const stamps_t *stamps,
                    frame_result_t *out) noexcept nogil:  # hot
    state.frames += 1
    s.stats.msgs += 1
    quiet_learn(&s.quiet, stamps.frame_mono_ns)
    learn_lag(s, m.event_ns, stamps.recv_wall_ns)
    pending_clear(&s.pending)
    s.has_begun = True
    s.begins_with_delta = True
    out.row = m.row
    out.kind = FRAME_BUFFERED
    return FRAME_BUFFERED


cdef int take_okx(market_state_t *state, okx_state_t *okx, const stamps_t *stamps, frame_result_t *out) noexcept nogil:  # hot
    cdef message_t *m = &state.message
    cdef stream_t *s
    cdef okx_row_t *r
    if m.row >= 0 and (m.kind == MSG_DEPTH or m.kind == MSG_TOP or m.kind == MSG_SNAPSHOT):
        s = &state.streams[m.row]
        r = &okx.rows[m.row]
        if m.kind == MSG_TOP:
            place_top(r, m)
            return take_message(state, stamps, out)
        if r.forms.count > 0 and not m.has_checksum:
            r.forms.count = 0        # how this message is written is not looked at
        if is_first_update(s, r, m):
            r.is_begun = 1
            r.restarts = s.restarts
            return drop_first(state, s, m, stamps, out)
        if not okx.frame.has_seq:
            place_unnumbered(s, r, m)
            if m.kind == MSG_SNAPSHOT:
                r.is_numbered = 0
                s.top_id = 0
        elif m.kind == MSG_DEPTH:
            place_update(s, r, m, stamps.connection_id)
        else:
            place_snapshot(s, r, m, stamps.connection_id)
        r.is_begun = 1
        r.restarts = s.restarts
    elif m.kind == MSG_ACK and okx.frame.is_subscribed and okx.frame.channel == CHANNEL_BOOKS:
        begin_stream(&state.streams[m.row], &okx.rows[m.row])
    return take_message(state, stamps, out)


# ---------------------------------------------------------------- the class

@cython.final
cdef class OkxMarket(MarketDecoder):
    """OKX spot or SWAP; see market.pxd."""

    def __cinit__(self, InstrumentArray instruments, str market, list rows):
        self.okx = <okx_state_t *>calloc(1, sizeof(okx_state_t))
        if self.okx == NULL:
            raise MemoryError
        self.okx.rows = <okx_row_t *>calloc(max(1, instruments.count), sizeof(okx_row_t))
        if self.okx.rows == NULL:
            raise MemoryError
        self.state.parser.level_extras = 2   # ["px","size","0","orders"]
        self.okx.rules = sync_rules_t(is_duplicate, follows, is_older, joins, verify, False, False)
        self.use_rules(&self.okx.rules)

    def __dealloc__(self):
        if self.okx == NULL:
            return
        for row in range(self.state.row_count if self.okx.rows != NULL else 0):
            forms_free(&self.okx.rows[row].forms)
        free(self.okx.rows)
        free(self.okx)

    cdef int decode_frame(self, const char *data, Py_ssize_t size, const stamps_t *stamps,
                          frame_result_t *out) noexcept nogil:  # hot
        parse_frame(&self.state.parser, &self.okx.frame, data, size, &self.state.message)
        return take_okx(self.state, self.okx, stamps, out)

    cdef int load_snapshot(self, int row, const char *data, Py_ssize_t size, int limit,
                           const stamps_t *stamps) noexcept nogil:  # hot
        cdef stream_t *s = &self.state.streams[row]
        cdef message_t *m = &self.state.message
        if parse_snapshot(&self.state.parser, &self.okx.frame, row, data, size, m) != 0:
            return SNAPSHOT_ERROR
        m.depth_limit = limit
        m.has_checksum = 0
        self.okx.rows[row].forms.count = 0
        place_whole(s, &self.okx.rows[row], m)
        return take_snapshot(s, m, stamps.frame_mono_ns)

    cdef int invalidate_row(self, int row) noexcept nogil:  # hot
        cdef stream_t *s = &self.state.streams[row]
        cdef int was_in_use = lose_stream(s)
        begin_stream(s, &self.okx.rows[row])     # whatever comes next is of another stream
        return was_in_use
