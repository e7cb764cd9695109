"""The base of all market data decoders; see market.pxd for the contract.

A venue's class adds the parser and the sync rules; everything else, the Python surface for tests and cold code included, is here.
The feed listener and replay call the cdef methods."""
from cpython.bytes cimport PyBytes_AsString, PyBytes_Size
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset, strlen

from cext.book cimport book_best, book_check, book_free, book_init, book_levels, book_walk
from cext.clock cimport mono_ns
from cext.decoders.frames cimport (FRAME_ACK, FRAME_BOOK, FRAME_ERROR, FRAME_FUNDING, FRAME_NEED_SNAPSHOT, FRAME_TRADE,
                                   FRAME_UNKNOWN, SNAPSHOT_ERROR, frame_result_t, stamps_t, stream_stats_t)
from cext.decoders.message cimport SCRATCH_LEVELS, TRADES_MAX, symbols_add, symbols_find, symbols_free, symbols_init
from cext.decoders.stream cimport (STREAM_HOT_BYTES, SYNC_NONE, fill_record, lose_stream, market_state_t, recent_t,
                                   pending_free, stream_t, sync_rules_t)
from cext.instrument cimport MARKET_LINEAR, MARKET_SPOT, InstrumentArray
from cext.layout cimport STATUS_SYNCING, book_record_t, level_t, trade_record_t

FRAME_KINDS = ["unknown", "book", "trade", "funding", "nothing", "buffered", "need_snapshot", "ack", "shutdown", "error"]
SNAPSHOT_OUTCOMES = ["synced", "too_old", "waiting", "error", "ignored"]
MARKETS = {"spot": MARKET_SPOT, "linear": MARKET_LINEAR}
FUNDING_INTERVAL_S = 28_800      # of contracts about which the venue says nothing else

ctypedef struct batch_t:         # frames for a loop without Python
    const char **texts
    Py_ssize_t *sizes
    Py_ssize_t count
    int64_t counts[10]           # by FRAME_*


cdef class MarketDecoder:
    """One (venue, market) of a process; see market.pxd."""

    def __cinit__(self, InstrumentArray instruments, str market, list rows):
        if market not in MARKETS:
            raise ValueError(f"market {market!r} is unknown; right is one of {', '.join(MARKETS)}")
        self.instruments = instruments
        self.market = market
        self.rows = sorted(rows)
        self.state = <market_state_t *>calloc(1, sizeof(market_state_t))
        if self.state == NULL:
            raise MemoryError
        self.state.row_count = instruments.count
        self.state.parser.instruments = instruments.rows
        self.state.parser.is_linear = market == "linear"
        self.state.parser.scratch = <level_t *>malloc(SCRATCH_LEVELS * sizeof(level_t))
        self.state.parser.trades = <trade_record_t *>calloc(TRADES_MAX, sizeof(trade_record_t))
        self.state.streams = <stream_t *>calloc(max(1, instruments.count), sizeof(stream_t))
        if (self.state.streams == NULL or self.state.parser.scratch == NULL or self.state.parser.trades == NULL
                or symbols_init(&self.state.parser.symbols, len(rows)) != 0):
            raise MemoryError
        self.state.parser.hints.streams = <const uint8_t *>self.state.streams
        self.state.parser.hints.stream_stride = sizeof(stream_t)
        self.state.parser.hints.stream_bytes = STREAM_HOT_BYTES
        for row in self.rows:
            add_row(self, row)

    def __init__(self, InstrumentArray instruments, str market, list rows):
        if self.rows and self.state.streams[<int>self.rows[0]].rules == NULL:
            raise TypeError("MarketDecoder is the base: a venue's decoder gives the sync rules (feeds.registry)")

    def __dealloc__(self):
        if self.state == NULL:
            return
        for row in range(self.state.row_count if self.state.streams != NULL else 0):
            if self.state.streams[row].is_member:
                book_free(&self.state.streams[row].book)
                pending_free(&self.state.streams[row].pending)
                free(self.state.streams[row].recent_trades)
        symbols_free(&self.state.parser.symbols)
        free(self.state.parser.scratch)
        free(self.state.parser.trades)
        free(self.state.streams)
        free(self.state)

    cdef int use_rules(self, const sync_rules_t *rules) except -1:
        cdef stream_t *s
        for row in self.rows:
            s = &self.state.streams[<int>row]
            s.rules = rules
            if not rules.has_trade_order and s.recent_trades == NULL:
                s.recent_trades = <recent_t *>calloc(1, sizeof(recent_t))
                if s.recent_trades == NULL:
                    raise MemoryError
        return 0

    # ------------------------------------------------------------ hot

    cdef int decode_frame(self, const char *data, Py_ssize_t size, const stamps_t *stamps,
                          frame_result_t *out) noexcept nogil:  # hot
        """A venue's own; the base knows no message."""
        out.row = -1
        out.kind = FRAME_UNKNOWN
        return FRAME_UNKNOWN

    cdef int load_snapshot(self, int row, const char *data, Py_ssize_t size, int limit,
                           const stamps_t *stamps) noexcept nogil:  # hot
        """A venue's own; the base knows no body."""
        return SNAPSHOT_ERROR

    cdef void build_record(self, int row, const stamps_t *stamps, book_record_t *out) noexcept nogil:  # hot
        fill_record(&self.state.streams[row], <uint32_t>row, stamps, out)

    cdef int invalidate_row(self, int row) noexcept nogil:  # hot
        return lose_stream(&self.state.streams[row])

    cdef const stream_stats_t *stats_of(self, int row) noexcept nogil:  # hot
        return &self.state.streams[row].stats

    cdef void set_board_hint(self, const void *board, uint32_t stride, uint32_t size_bytes) noexcept nogil:
        """Where a feed keeps the board entry of row 0: fetched ahead as soon as a frame's symbol is known."""
        self.state.parser.hints.board = <const uint8_t *>board
        self.state.parser.hints.board_stride = stride
        self.state.parser.hints.board_bytes = size_bytes

    # ------------------------------------------------------------ cold

    def apply_snapshot(self, int row, bytes body, int limit=0, int64_t frame_mono_ns=0, int64_t recv_wall_ns=0) -> str:
        """A REST depth body of `row`; `limit` = levels a side that were asked for (0 = not known). Returns one of
        SNAPSHOT_OUTCOMES."""
        stream_of(self, row)
        cdef stamps_t stamps = make_stamps(frame_mono_ns, recv_wall_ns, 0)
        return SNAPSHOT_OUTCOMES[self.load_snapshot(row, body, len(body), limit, &stamps)]

    def invalidate(self, int row) -> bool:
        """The row's stream was cut: its book is INVALID from now on. True = it had been in use: publish, fetch a snapshot."""
        stream_of(self, row)
        return self.invalidate_row(row) != 0

    def restart_stream(self, int row) -> bool:
        """The row's book streams are being subscribed anew: what waits is dropped, the next message begins them. True = the book
        had been in use: publish."""
        cdef stream_t *s = stream_of(self, row)
        s.restarts += 1
        s.has_begun = False
        s.begins_with_delta = False
        return lose_stream(s) != 0

    def needs_snapshot(self) -> list:
        """Rows without a usable snapshot."""
        return [row for row in self.rows if self.state.streams[<int>row].sync == SYNC_NONE]

    def set_funding_interval(self, int row, uint32_t seconds) -> None:
        stream_of(self, row).funding.interval_s = seconds

    def stats(self, int row) -> dict:
        """Counters and status of one row (frames.h)."""
        cdef stream_t *s = stream_of(self, row)
        return {**s.stats, "sync": s.sync, "pending": s.pending.count, "update_id": s.update_id, "top_id": s.top_id,
                "order_id": s.order_id,
                "quiet_limit_ms": s.quiet.limit_ms, "restarts": s.restarts,
                "begins_with_delta": s.begins_with_delta}

    def counters(self) -> dict:
        """Counters of the whole market."""
        return {"frames": self.state.frames, "unknown_frames": self.state.unknown_frames,
                "unknown_symbols": self.state.unknown_symbols,
                "error_frames": self.state.error_frames}

    def book(self, int row) -> dict:
        """The pure depth book as ints, best first; the top-of-book overlay is not in it."""
        return {"bids": self._side(row, 0), "asks": self._side(row, 1)}

    def _side(self, int row, uint32_t side) -> list:
        cdef stream_t *s = stream_of(self, row)
        cdef uint32_t count = book_levels(&s.book, side)
        cdef level_t *levels = <level_t *>malloc((count + 1) * sizeof(level_t))
        if levels == NULL:
            raise MemoryError
        count = book_walk(&s.book, side, 0, levels, count)
        result = [(levels[i].px, levels[i].qty) for i in range(count)]
        free(levels)
        return result

    def best(self, int row) -> tuple:
        """(bid px, bid qty, ask px, ask qty) of the depth book; 0 = that side is empty."""
        cdef stream_t *s = stream_of(self, row)
        cdef level_t bid = book_best(&s.book, 0)
        cdef level_t ask = book_best(&s.book, 1)
        return bid.px, bid.qty, ask.px, ask.qty

    def row_of_symbol(self, str symbol) -> int:
        """Row of a venue symbol, -1 = not ours."""
        cdef bytes text = symbol.encode()
        return symbols_find(&self.state.parser.symbols, text, len(text))

    def check(self, int row) -> None:
        """Raises AssertionError with the book's invariant that does not hold."""
        cdef const char *broken = book_check(&stream_of(self, row).book)
        if broken != NULL:
            raise AssertionError((<bytes>broken).decode())

    def decode(self, bytes frame, int64_t frame_mono_ns=0, int64_t recv_wall_ns=0, uint32_t connection_id=0) -> dict:
        """One frame, for tests and tools: {"kind": .., "row": .., and what belongs to the kind}."""
        cdef frame_result_t result
        cdef stamps_t stamps = make_stamps(frame_mono_ns, recv_wall_ns, connection_id)
        memset(&result, 0, sizeof(result))
        cdef int kind = self.decode_frame(frame, len(frame), &stamps, &result)
        told = {"kind": FRAME_KINDS[kind], "row": result.row}
        if kind == FRAME_TRADE:
            told["trades"] = [result.trades[i] for i in range(result.trade_count)]
        elif kind == FRAME_FUNDING:
            told["funding"] = result.funding
        elif kind == FRAME_ACK:
            told["ack_id"] = result.ack_id
            told["ack_error"] = result.ack_error
        return told

    def record(self, int row, int64_t frame_mono_ns=0, int64_t recv_wall_ns=0, uint32_t connection_id=0) -> dict:
        """The record that would be published now; levels as (px, qty)."""
        cdef book_record_t record
        cdef stamps_t stamps = make_stamps(frame_mono_ns, recv_wall_ns, connection_id)
        stream_of(self, row)
        memset(&record, 0, sizeof(record))
        self.build_record(row, &stamps, &record)
        told = dict(record)
        told["bids"] = [(record.bids[i].px, record.bids[i].qty) for i in range(record.bid_count)]
        told["asks"] = [(record.asks[i].px, record.asks[i].qty) for i in range(record.ask_count)]
        return told

    def run(self, list frames, int64_t step_ns=1_000_000) -> tuple:
        """All frames one after the other, a record built for each that asks for one, in a loop without Python: for bench and
        fuzz.

        Stamps advance by step_ns a frame. Returns (ns for all of them, counts by FRAME_*)."""
        cdef batch_t batch
        cdef int64_t started
        fill_batch(&batch, frames)
        with nogil:
            started = mono_ns()
            run_batch(self, &batch, step_ns, NULL)
            started = mono_ns() - started
        free_batch(&batch)
        return started, [batch.counts[kind] for kind in range(len(FRAME_KINDS))]

    def run_each(self, list frames, int64_t step_ns=1_000_000) -> list:
        """As run, with the ns of each frame (one clock read included)."""
        cdef batch_t batch
        cdef int64_t *each
        fill_batch(&batch, frames)
        each = <int64_t *>malloc((batch.count + 1) * sizeof(int64_t))
        if each == NULL:
            raise MemoryError
        with nogil:
            run_batch(self, &batch, step_ns, each)
        result = [each[i] for i in range(batch.count)]
        free(each)
        free_batch(&batch)
        return result


cdef stamps_t make_stamps(int64_t frame_mono_ns, int64_t recv_wall_ns, uint32_t connection_id) noexcept:
    cdef stamps_t stamps
    stamps.batch_mono_ns = frame_mono_ns
    stamps.frame_mono_ns = frame_mono_ns
    stamps.recv_wall_ns = recv_wall_ns
    stamps.connection_id = connection_id
    return stamps


cdef int fill_batch(batch_t *batch, list frames) except -1:
    """Borrows the bytes: `frames` must outlive the batch."""
    memset(batch, 0, sizeof(batch_t))
    batch.count = len(frames)
    batch.texts = <const char **>malloc((batch.count + 1) * sizeof(char *))
    batch.sizes = <Py_ssize_t *>malloc((batch.count + 1) * sizeof(Py_ssize_t))
    if batch.texts == NULL or batch.sizes == NULL:
        free_batch(batch)
        raise MemoryError
    for i in range(batch.count):
        batch.texts[i] = PyBytes_AsString(frames[i])
        batch.sizes[i] = PyBytes_Size(frames[i])
    return 0


cdef void free_batch(batch_t *batch) noexcept:
    free(batch.texts)
    free(batch.sizes)


cdef void run_batch(MarketDecoder market, batch_t *batch, int64_t step_ns, int64_t *each) noexcept nogil:
    cdef frame_result_t result
    cdef book_record_t record
    cdef stamps_t stamps = stamps_t(1, 1, 1, 0)
    cdef int64_t before = mono_ns()
    cdef int64_t after
    cdef Py_ssize_t i
    for i in range(batch.count):
        stamps.batch_mono_ns += step_ns
        stamps.frame_mono_ns += step_ns
        stamps.recv_wall_ns += step_ns
        batch.counts[market.decode_frame(batch.texts[i], batch.sizes[i], &stamps, &result)] += 1
        if result.kind == FRAME_BOOK or result.kind == FRAME_NEED_SNAPSHOT or (result.kind == FRAME_ERROR and result.row >= 0):
            market.build_record(result.row, &stamps, &record)
        if each != NULL:
            after = mono_ns()
            each[i] = after - before
            before = after


cdef int add_row(MarketDecoder market, int row) except -1:
    cdef stream_t *s
    cdef const char *symbol
    if not 0 <= row < market.instruments.count:
        raise IndexError(f"row {row} is outside the table of {market.instruments.count} instruments")
    if market.instruments.rows[row].market != MARKETS[market.market]:
        raise ValueError(f"{market.instruments.names[row]} is no {market.market} instrument")
    s = &market.state.streams[row]
    symbol = <const char *>market.instruments.rows[row].symbol
    if symbols_add(&market.state.parser.symbols, symbol, strlen(symbol), row) != 0:
        raise ValueError(f"{market.instruments.names[row]}: symbol {symbol.decode()} occurs twice")
    book_init(&s.book)
    s.is_member = True
    s.stats.status = STATUS_SYNCING
    s.stats.lag_min_ns = INT64_MAX
    s.funding.interval_s = FUNDING_INTERVAL_S
    s.instrument = &market.instruments.rows[row]
    return 0


cdef stream_t *stream_of(MarketDecoder market, int row) except NULL:
    if not 0 <= row < market.state.row_count or not market.state.streams[row].is_member:
        raise IndexError(f"row {row} is not one of this market's")
    return &market.state.streams[row]
