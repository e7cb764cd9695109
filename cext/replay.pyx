"""The hot loop of a capture replay: next record by receive time -> decode -> book record -> core_step, without a Python object.

tools/replay_lib/session.py owns it: it feeds decompressed blocks, and is called back only for a new block, for a decision of the
core, and when virtual time reaches an order's arrival or a timer. Decoder, books, records and core are those of the live path;
nothing of them is repeated here. Records of several captures are merged by receive wall time, the capture named first on a tie.
One thread; no clock is read: time is that of the records, and never runs backwards."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE, PyBytes_FromStringAndSize

from cext.capture cimport (CAPTURE_CONNECT, CAPTURE_DISCONNECT, CAPTURE_FRAME, CAPTURE_SNAPSHOT, capture_next, capture_record_t)
from cext.core cimport Core, core_connection_key, core_step
from cext.core_types cimport *
from cext.decoders.market cimport MarketDecoder
from cext.decoders.message cimport MSG_TOP, message_t
from cext.decoders.frames cimport (FRAME_BOOK, FRAME_ERROR, FRAME_FUNDING, FRAME_NEED_SNAPSHOT, FRAME_TRADE, SNAPSHOT_SYNCED)
from cext.edges cimport EdgeSampler, edges_on_book, edges_on_top
from cext.layout cimport *

END, BLOCK, TIMER, COMMANDS, DAMAGED = REPLAY_END, REPLAY_BLOCK, REPLAY_TIMER, REPLAY_COMMANDS, REPLAY_DAMAGED
SEND, REFUSED, EXPLAIN = CMD_SEND, CMD_REFUSED, CMD_EXPLAIN
SOURCES_MAX = FEEDS_MAX
MONO_START_NS = 1_000_000_000  # 0 means "never" in most stamps: the virtual monotonic clock starts at one second


cdef inline int64_t mono_of(const replay_t *r) noexcept nogil:  # hot
    """Virtual monotonic clock."""
    return r.wall_ns - r.wall_base_ns


cdef inline int replay_evaluate(replay_t *r) noexcept nogil:  # hot
    """Every touched row once. 1 = there are commands."""
    cdef core_event_t event
    event.kind = EV_EVALUATE
    event.row = -1
    event.connection = 0
    event.book = NULL
    event.funding = NULL
    event.value = 0
    r.command_count = core_step(r.core, &event, mono_of(r), r.wall_ns, r.commands, COMMANDS_MAX)
    r.is_unfinished = r.command_count == COMMANDS_MAX
    return r.command_count > 0


cdef int replay_publish(replay_t *r, MarketDecoder market, int row, uint32_t key) noexcept nogil:  # hot
    """Record of `row` into the core, then evaluate. 1 = there are commands."""
    cdef core_event_t event
    market.build_record(row, &r.stamps, &r.record)
    r.records += 1
    r.row_seq[row] += 1
    r.record.instrument_seq = r.row_seq[row]
    r.record.publish_mono_ns = mono_of(r)
    if r.core == NULL:
        return 0
    event.kind = EV_BOOK
    event.row = row
    event.connection = key
    event.book = &r.record
    event.funding = NULL
    event.value = 0
    core_step(r.core, &event, mono_of(r), r.wall_ns, NULL, 0)
    return replay_evaluate(r)


cdef void replay_alive(replay_t *r, uint32_t key, int64_t alive_mono_ns) noexcept nogil:  # hot
    """Tell the core when connection `key` last proved itself; 0 = it is down."""
    cdef core_event_t event
    if r.core == NULL:
        return
    event.kind = EV_ALIVE
    event.row = -1
    event.connection = key
    event.book = NULL
    event.funding = NULL
    event.value = alive_mono_ns
    core_step(r.core, &event, mono_of(r), r.wall_ns, NULL, 0)


cdef void replay_sample(replay_t *r, const message_t *message, MarketDecoder market, int kind) noexcept nogil:  # hot
    """The frame in hand for `--edges`: a top as it was sent, in sync or not; a book where no top is sent."""
    if message.kind == MSG_TOP and message.row >= 0:
        edges_on_top(r.edges, message.row, message.bid.px, message.ask.px)
    elif kind == FRAME_BOOK:
        market.build_record(r.result.row, &r.stamps, &r.record)
        if r.record.flags & BOOK_VALID and r.record.bid_count and r.record.ask_count:
            edges_on_book(r.edges, r.result.row, r.record.bids[0].px, r.record.asks[0].px)


cdef int replay_frame(replay_t *r, replay_source_t *source, void *market, uint32_t key) noexcept nogil:  # hot
    """One frame through its decoder. 1 = there are commands."""
    cdef core_event_t event
    cdef int kind = (<MarketDecoder>market).decode_frame(<const char *>source.payload, source.head.payload_bytes, &r.stamps,
                                                         &r.result)
    r.frame_kinds[kind & 15] += 1
    if r.edges != NULL:
        replay_sample(r, &(<MarketDecoder>market).state.message, <MarketDecoder>market, kind)
    if kind == FRAME_BOOK:
        r.row_connection[r.result.row] = key
        return replay_publish(r, <MarketDecoder>market, r.result.row, key)
    if kind == FRAME_TRADE:
        r.trades += r.result.trade_count
        return 0
    if kind == FRAME_NEED_SNAPSHOT or (kind == FRAME_ERROR and r.result.row >= 0):
        return replay_publish(r, <MarketDecoder>market, r.result.row, key)
    if kind == FRAME_FUNDING:
        r.fundings += 1
        if r.core != NULL:
            event.kind = EV_FUNDING
            event.row = r.result.row
            event.connection = key
            event.book = NULL
            event.funding = &r.result.funding
            event.value = 0
            core_step(r.core, &event, mono_of(r), r.wall_ns, NULL, 0)
    return 0


cdef int replay_snapshot(replay_t *r, replay_source_t *source, void *market, uint32_t key) noexcept nogil:  # hot
    """A REST depth reply at the place where it arrived. 1 = there are commands."""
    cdef int32_t row = source.head.row
    cdef int outcome
    row = source.row_map[row] if 0 <= row < source.row_count else -1
    if row < 0:
        r.lost_snapshots += 1
        return 0
    outcome = (<MarketDecoder>market).load_snapshot(row, <const char *>source.payload, source.head.payload_bytes, 0, &r.stamps)
    r.snapshot_kinds[outcome] += 1
    if outcome == SNAPSHOT_SYNCED:
        return replay_publish(r, <MarketDecoder>market, row, key)
    return 0


cdef int replay_disconnect(replay_t *r, uint32_t key) noexcept nogil:  # hot
    """The books that this connection brought are in doubt. 1 = there are commands."""
    cdef int row, decided = 0
    replay_alive(r, key, 0)
    for row in range(r.row_total):
        if r.row_connection[row] == key and r.row_market[row] != NULL and (<MarketDecoder>r.row_market[row]).invalidate_row(row):
            decided |= replay_publish(r, <MarketDecoder>r.row_market[row], row, key)
    return decided


cdef int replay_record(replay_t *r, replay_source_t *source, uint32_t feed) noexcept nogil:  # hot
    """The record at the head of `source`. 1 = there are commands."""
    cdef const capture_record_t *head = source.head
    cdef uint32_t connection = head.connection_id % CONNECTIONS_MAX
    cdef uint32_t key = core_connection_key(feed, connection)
    cdef void *market
    if head.recv_wall_ns > r.wall_ns:
        r.wall_ns = head.recv_wall_ns
    r.stamps.batch_mono_ns = mono_of(r)
    r.stamps.frame_mono_ns = r.stamps.batch_mono_ns
    r.stamps.recv_wall_ns = head.recv_wall_ns
    r.stamps.connection_id = connection
    market = source.markets[(head.venue_index % VENUES_PER_SOURCE) * MARKETS_PER_VENUE + head.market % MARKETS_PER_VENUE]
    if head.type == CAPTURE_FRAME:
        r.frames += 1
        source.frames += 1
        if market == NULL:
            r.unread += 1
            return 0
        replay_alive(r, key, r.stamps.batch_mono_ns)
        return replay_frame(r, source, market, key)
    if head.type == CAPTURE_SNAPSHOT:
        r.snapshots += 1
        source.snapshots += 1
        if market == NULL:
            r.unread += 1
            return 0
        return replay_snapshot(r, source, market, key)
    if head.type == CAPTURE_DISCONNECT:
        return replay_disconnect(r, key)
    if head.type == CAPTURE_CONNECT:
        replay_alive(r, key, r.stamps.batch_mono_ns)
    return 0


cdef int replay_run(replay_t *r, int64_t limit_wall_ns) noexcept nogil:  # hot
    """Records in order until one lies at or beyond `limit_wall_ns`, a block is used up, or the core decided. Returns REPLAY_*."""
    cdef replay_source_t *source
    cdef replay_source_t *first
    cdef int i, at, found, decided
    if r.is_unfinished and replay_evaluate(r):
        return REPLAY_COMMANDS
    while True:
        first = NULL
        at = 0
        for i in range(r.source_count):
            source = &r.sources[i]
            if source.head == NULL:
                if source.is_finished:
                    continue
                r.at = i
                return REPLAY_BLOCK
            if first == NULL or source.head.recv_wall_ns < first.head.recv_wall_ns:
                first = source
                at = i
        if first == NULL:
            return REPLAY_END
        if first.head.recv_wall_ns >= limit_wall_ns:
            return REPLAY_TIMER
        decided = replay_record(r, first, <uint32_t>at)
        found = capture_next(&first.cursor, &first.head, &first.payload)
        if found != 1:
            first.head = NULL
            if found < 0:
                r.at = at
                return REPLAY_DAMAGED
        if decided:
            return REPLAY_COMMANDS


cdef class ReplayLoop:
    """markets: MarketDecoder of every (venue, market) read; core: cext.core.Core, or None for books only; edges: samples are
    wanted."""

    def __cinit__(self):
        self.r = <replay_t *>calloc(1, sizeof(replay_t))
        if self.r == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.r != NULL:
            free(self.r.row_seq)
            free(self.r.row_connection)
            free(self.r.row_market)
            free(self.r)

    def __init__(self, list markets, int row_total, Core core=None, EdgeSampler edges=None):
        cdef MarketDecoder market
        self.core = core
        self.edges = edges
        self.r.core = NULL if core is None else core.c
        self.r.edges = NULL if edges is None else &edges.e
        self.r.row_total = row_total
        self.r.row_seq = <uint64_t *>calloc(max(1, row_total), sizeof(uint64_t))
        self.r.row_connection = <uint32_t *>calloc(max(1, row_total), sizeof(uint32_t))
        self.r.row_market = <void **>calloc(max(1, row_total), sizeof(void *))
        if self.r.row_seq == NULL or self.r.row_connection == NULL or self.r.row_market == NULL:
            raise MemoryError
        memset(self.r.row_connection, 0xff, row_total * sizeof(uint32_t))
        self._markets = list(markets)
        self._blocks = []
        self._row_maps = []
        for market in self._markets:
            for row in market.rows:
                self.r.row_market[<int>row] = <void *>market

    def add_source(self, dict markets, const int32_t[::1] row_map) -> int:
        """One capture. markets: {(venue_index, market code): MarketDecoder}; row_map: the capture's rows -> the run's. Returns
        its number."""
        cdef int i = self.r.source_count
        cdef replay_source_t *source
        if i >= FEEDS_MAX:
            raise ValueError(f"at most {FEEDS_MAX} captures are merged at a time")
        source = &self.r.sources[i]
        for (venue_index, code), market in markets.items():
            if not (0 <= venue_index < VENUES_PER_SOURCE and 0 <= code < MARKETS_PER_VENUE) or market not in self._markets:
                raise ValueError(f"source {i}: no place for venue {venue_index} market {code}")
            source.markets[<int>venue_index * MARKETS_PER_VENUE + <int>code] = <void *>market
        self._row_maps.append(row_map)
        self._blocks.append(b"")
        source.row_count = <int32_t>row_map.shape[0]
        source.row_map = &row_map[0] if row_map.shape[0] else NULL
        self.r.source_count = i + 1
        return i

    def load_block(self, int at, bytes block):
        """The next block of source `at`, decompressed; kept alive here until the one after it."""
        cdef replay_source_t *source = &self.r.sources[at]
        cdef int found
        self._blocks[at] = block
        source.block = <const uint8_t *>PyBytes_AS_STRING(block)
        source.cursor.next = source.block
        source.cursor.end = source.cursor.next + PyBytes_GET_SIZE(block)
        found = capture_next(&source.cursor, &source.head, &source.payload)
        if found != 1:
            source.head = NULL
            if found < 0:
                raise ValueError("damaged record at the start of a block")
        elif self.r.first_wall_ns == 0:
            self.r.first_wall_ns = source.head.recv_wall_ns

    def finish(self, int at):
        """Source `at` has no further block."""
        self.r.sources[at].is_finished = 1
        self.r.sources[at].head = NULL
        self._blocks[at] = b""

    def set_clock(self, int64_t first_wall_ns):
        """Start virtual time here; the monotonic clock reads MONO_START_NS then."""
        self.r.wall_ns = first_wall_ns
        self.r.wall_base_ns = first_wall_ns - <int64_t>MONO_START_NS

    def run(self, int64_t limit_wall_ns) -> int:
        """Go on until there is something for Python: END, BLOCK, TIMER, COMMANDS or DAMAGED; `at` names the source."""
        cdef int reason
        with nogil:
            reason = replay_run(self.r, limit_wall_ns)
        return reason

    def advance(self, int64_t wall_ns):
        """Virtual time reaches an order's arrival or a timer: nothing but the clock moves."""
        if wall_ns > self.r.wall_ns:
            self.r.wall_ns = wall_ns

    def take_commands(self) -> list:
        """[(kind, reason, intent bytes or None)] of the latest decisions; sends first, as the live shell carries them out."""
        cdef int i
        cdef list sends = []
        cdef list others = []
        for i in range(self.r.command_count):
            intent = None
            if self.r.commands[i].intent != NULL:
                intent = PyBytes_FromStringAndSize(<const char *>self.r.commands[i].intent, sizeof(intent_t))
            (sends if self.r.commands[i].kind == CMD_SEND else others).append((self.r.commands[i].kind, self.r.commands[i].reason,
                                                                               intent))
        self.r.command_count = 0
        return sends + others

    def evaluate(self) -> bool:
        """Touched rows once more, after the calm floor changed something. True = there are commands."""
        return self.r.core != NULL and replay_evaluate(self.r) == 1

    def record_bytes(self, int row) -> bytes:
        """The book record of `row` as the core would get it now: what an arriving order meets."""
        cdef book_record_t record
        memset(&record, 0, sizeof(record))
        if self.r.row_market[row] != NULL:
            (<MarketDecoder>self.r.row_market[row]).build_record(row, &self.r.stamps, &record)
        return PyBytes_FromStringAndSize(<const char *>&record, sizeof(record))

    @property
    def at(self):
        return self.r.at

    @property
    def next_wall_ns(self):
        """Receive time of the next record of any loaded block; None when no source has one."""
        times = [self.r.sources[i].head.recv_wall_ns for i in range(self.r.source_count) if self.r.sources[i].head != NULL]
        return min(times) if times else None

    @property
    def wall_ns(self):
        return self.r.wall_ns

    @property
    def mono_ns(self):
        return mono_of(self.r)

    @property
    def block_offset(self):
        """Byte of source `at`'s block behind which its damaged record starts."""
        return self.r.sources[self.r.at].cursor.next - self.r.sources[self.r.at].block

    def counters(self) -> dict:
        """Totals since start."""
        return {"frames": self.r.frames, "snapshots": self.r.snapshots, "records": self.r.records, "trades": self.r.trades,
                "fundings": self.r.fundings, "unread": self.r.unread, "lost_snapshots": self.r.lost_snapshots,
                "frame_kinds": [self.r.frame_kinds[i] for i in range(16)],
                "snapshot_kinds": [self.r.snapshot_kinds[i] for i in range(SNAPSHOT_KINDS)]}
