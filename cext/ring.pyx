"""Publishing and reading book records, trades and the board of one feed. One producer thread; readers map read-only and keep
their own cursor.

Protocol. A seqlock word leads every slot. Producer: word = odd, release fence, body, word = even with release. Reader: word with
acquire, body, acquire fence, word again; a copy counts only between two equal even looks. Record s of the ring (from 0) lies in
slot s & mask under the word 2*s+2, so one look tells a reader "not yet", "now", or "overtaken". The producer marks the slot of
the next record as odd already when it has published the one before: a reader therefore never has to wait for a half-written slot
(it is as empty as an idle one, also when its producer died in it), and the cache line that readers look at changes hands once a
record. The oldest record of a full lap goes one publication earlier for it.
The board entry is written before the ring slot and both carry instrument_seq: after a lap the reader takes the board and skips
ring records that are not newer. Readers look at the slot's word, not at the header's cursor: it arrives together with the
record's first fields (bench/bench_ring_hop.py)."""
import os
import time

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import numpy as np

from cext import layout, shm
from cext.layout cimport (CONNECTIONS_MAX, LAYOUT_VERSION, SEGMENT_MAGIC, board_entry_t, book_record_t, funding_record_t,
                          segment_header_t, trade_record_t)

cdef extern from "atomics.h" nogil:
    uint64_t load_acquire_u64(const uint64_t *p) noexcept
    uint64_t load_relaxed_u64(const uint64_t *p) noexcept
    void store_release_u64(uint64_t *p, uint64_t v) noexcept
    void store_relaxed_u64(uint64_t *p, uint64_t v) noexcept
    void fence_acquire() noexcept
    void fence_release() noexcept
    void cpu_relax() noexcept
    void copy_words_from_shared(void *to, const void *source, uint64_t size_bytes) noexcept
    void copy_words_to_shared(void *to, const void *source, uint64_t size_bytes) noexcept
    void copy_lines_from_shared(void *to, const void *source, uint64_t lines) noexcept
    void copy_lines_to_shared(void *to, const void *source, uint64_t lines) noexcept

cdef extern from "ring_prefetch.h" nogil:
    void prefetch_for_write(const void *where, uint64_t size_bytes) noexcept

cdef extern from "invariant.h" nogil:
    void lockstep_invariant(int ok) noexcept

cdef enum:
    WORD = 8                  # the seqlock word at the head of every slot; the body follows it
    LINE = 64                 # slots are whole cache lines, aligned to one
    SKIPS_MAX = 64            # old records passed over in one poll

globals().update({"RING_RECORD": RING_RECORD, "RING_EMPTY": RING_EMPTY, "RING_LAPPED": RING_LAPPED, "RING_TORN": RING_TORN,
                  "RING_STALE": RING_STALE})  # the enum of ring.pxd, for Python

# ---------------------------------------------------------------- slots


cdef inline void claim_slot(void *slot, uint64_t word) noexcept nogil:  # hot
    """Mark a slot as "not readable until it says `word`" (even). Every store after this one is seen after it."""
    store_relaxed_u64(<uint64_t *>slot, word - 1)
    fence_release()


cdef inline void fill_slot(void *slot, const void *record, uint64_t size_bytes, uint64_t word) noexcept nogil:  # hot
    """Write a claimed slot: the other lines first, the line with the seqlock word last, since that is where readers look all the
    time."""
    copy_lines_to_shared(<uint8_t *>slot + LINE, <const uint8_t *>record + LINE, size_bytes / LINE - 1)
    copy_words_to_shared(<uint8_t *>slot + WORD, <const uint8_t *>record + WORD, LINE - WORD)
    store_release_u64(<uint64_t *>slot, word)


cdef inline bint copy_slot(void *to, const void *slot, uint64_t size_bytes, uint64_t word) noexcept nogil:  # hot
    """Copy a slot whose word was just seen to be `word`; False when it changed meanwhile."""
    copy_lines_from_shared(to, slot, size_bytes / LINE)
    fence_acquire()
    (<uint64_t *>to)[0] = word
    return load_relaxed_u64(<const uint64_t *>slot) == word


cdef int read_latest(void *to, const void *slot, uint64_t size_bytes) noexcept nogil:  # hot
    """Newest complete record of a board slot: RING_RECORD, RING_EMPTY, or RING_TORN after RING_SPINS_MAX looks."""
    cdef uint64_t word
    cdef int spin
    for spin in range(RING_SPINS_MAX):
        word = load_acquire_u64(<const uint64_t *>slot)
        if word == 0:
            return RING_EMPTY
        if not word & 1 and copy_slot(to, slot, size_bytes, word):
            return RING_RECORD
        cpu_relax()
    return RING_TORN

# ---------------------------------------------------------------- producer


cdef void ring_publish_book(feed_writer_t *w, int32_t row, book_record_t *record) noexcept nogil:  # hot
    """Board entry, then ring slot, then cursor. Sets record.instrument_seq and record.seq."""
    cdef board_entry_t *entry = w.board + row
    cdef book_record_t *slot = w.ring + (w.cursor & w.mask)
    lockstep_invariant(row >= 0 and row < w.instrument_count and record.instrument_id == entry.instrument_id)
    w.instrument_seq[row] += 1
    record.instrument_seq = w.instrument_seq[row]
    claim_slot(&entry.book, 2 * record.instrument_seq)
    fill_slot(&entry.book, record, sizeof(book_record_t), 2 * record.instrument_seq)
    record.seq = 2 * w.cursor + 2
    fill_slot(slot, record, sizeof(book_record_t), record.seq)
    w.cursor += 1
    store_release_u64(&w.header.cursor, w.cursor)
    claim_next_book(w)


cdef inline void claim_next_book(feed_writer_t *w) noexcept nogil:  # hot
    """Claim the slot of the next record already now, while nobody waits, and ask for its lines, which readers touched a lap
    ago."""
    cdef book_record_t *slot = w.ring + (w.cursor & w.mask)
    claim_slot(slot, 2 * w.cursor + 2)
    prefetch_for_write(<uint8_t *>slot + LINE, sizeof(book_record_t) - LINE)


cdef void ring_publish_trade(feed_writer_t *w, trade_record_t *record) noexcept nogil:  # hot
    """One public trade into the trade ring."""
    record.seq = 2 * w.trade_cursor + 2
    claim_slot(w.trades + (w.trade_cursor & w.trade_mask), record.seq)
    fill_slot(w.trades + (w.trade_cursor & w.trade_mask), record, sizeof(trade_record_t), record.seq)
    w.trade_cursor += 1
    store_release_u64(&w.header.trade_cursor, w.trade_cursor)


cdef void ring_publish_funding(feed_writer_t *w, int32_t row, funding_record_t *record) noexcept nogil:  # hot
    """Newest funding and mark of one row, on the board only."""
    cdef funding_record_t *slot = &w.board[row].funding
    lockstep_invariant(row >= 0 and row < w.instrument_count)
    record.seq = (slot.seq & ~<uint64_t>1) + 2
    claim_slot(slot, record.seq)
    fill_slot(slot, record, sizeof(funding_record_t), record.seq)


cdef void ring_heartbeat(feed_writer_t *w, int64_t now_mono_ns) noexcept nogil:  # hot
    """Proof that the feed's loop turns."""
    store_relaxed_u64(<uint64_t *>&w.header.heartbeat_mono_ns, <uint64_t>now_mono_ns)


cdef void ring_set_alive(feed_writer_t *w, uint32_t connection_id, int64_t now_mono_ns) noexcept nogil:  # hot
    """Proof of life of one socket; 0 = down."""
    lockstep_invariant(connection_id < CONNECTIONS_MAX)
    store_relaxed_u64(<uint64_t *>&w.header.connection_alive_mono_ns[connection_id], <uint64_t>now_mono_ns)

# ---------------------------------------------------------------- reader


cdef int on_lap(ring_reader_t *r) noexcept nogil:  # hot
    """The producer went round: count what is lost, stand at the head. The board has the newest of everything."""
    cdef uint64_t head = load_acquire_u64(&r.header.cursor)
    r.laps += 1
    if head > r.cursor:
        r.lost += head - r.cursor
        r.cursor = head
    return RING_LAPPED


cdef int ring_poll_book(ring_reader_t *r, book_record_t *out) noexcept nogil:  # hot
    """Next book record: see RING_* in ring.pxd. An empty poll reads two words; `out` is touched only when there is a record."""
    cdef const book_record_t *slot
    cdef uint64_t wanted
    cdef uint64_t word
    cdef int skip
    if load_relaxed_u64(&r.header.generation) != r.generation:
        return RING_STALE
    for skip in range(SKIPS_MAX):
        slot = r.ring + (r.cursor & r.mask)
        wanted = 2 * r.cursor + 2
        word = load_acquire_u64(&slot.seq)
        if word < wanted:
            return RING_EMPTY
        if word != wanted:
            return on_lap(r)
        if not copy_slot(out, slot, sizeof(book_record_t), wanted):
            r.torn += 1       # the producer came round during the copy
            return on_lap(r)
        r.cursor += 1
        if out.instrument_id >= <uint32_t>r.instrument_count:
            r.torn += 1       # no row of this segment: a mixed-up slot is passed over like a torn one
            return RING_TORN
        if out.instrument_seq > r.instrument_seq[out.instrument_id]:
            r.instrument_seq[out.instrument_id] = out.instrument_seq
            return RING_RECORD
        r.skipped += 1
    return RING_EMPTY


cdef int ring_poll_trade(ring_reader_t *r, trade_record_t *out) noexcept nogil:  # hot
    """Next trade; a lap loses the oldest ones and goes on at the head."""
    cdef const trade_record_t *slot = r.trades + (r.trade_cursor & r.trade_mask)
    cdef uint64_t wanted = 2 * r.trade_cursor + 2
    cdef uint64_t word = load_acquire_u64(&slot.seq)
    cdef uint64_t head
    if load_relaxed_u64(&r.header.generation) != r.generation:
        return RING_STALE
    if word < wanted:
        return RING_EMPTY
    if word == wanted and copy_slot(out, slot, sizeof(trade_record_t), wanted):
        r.trade_cursor += 1
        return RING_RECORD
    head = load_acquire_u64(&r.header.trade_cursor)
    if head > r.trade_cursor:
        r.trades_lost += head - r.trade_cursor
        r.trade_cursor = head
    return RING_LAPPED


cdef int ring_read_board(ring_reader_t *r, int32_t row, book_record_t *out) noexcept nogil:  # hot
    """Newest book of a row. Older ring records of it will be skipped from now on."""
    cdef int code
    lockstep_invariant(row >= 0 and row < r.instrument_count)
    if load_relaxed_u64(&r.header.generation) != r.generation:
        return RING_STALE
    code = read_latest(out, &r.board[row].book, sizeof(book_record_t))
    if code == RING_TORN:
        r.torn += 1
    elif code == RING_RECORD and out.instrument_seq > r.instrument_seq[row]:
        r.instrument_seq[row] = out.instrument_seq
    return code


cdef int ring_read_funding(ring_reader_t *r, int32_t row, funding_record_t *out) noexcept nogil:  # hot
    """Newest funding and mark of a row."""
    lockstep_invariant(row >= 0 and row < r.instrument_count)
    if load_relaxed_u64(&r.header.generation) != r.generation:
        return RING_STALE
    return read_latest(out, &r.board[row].funding, sizeof(funding_record_t))


cdef int64_t ring_alive_mono_ns(const ring_reader_t *r, uint32_t connection_id) noexcept nogil:  # hot
    """Last proof of life of a socket of the feed; 0 = down or no such socket."""
    if connection_id >= CONNECTIONS_MAX:
        return 0
    return <int64_t>load_relaxed_u64(<const uint64_t *>&r.header.connection_alive_mono_ns[connection_id])


cdef int64_t ring_heartbeat_mono_ns(const ring_reader_t *r) noexcept nogil:  # hot
    """Last turn of the feed's loop."""
    return <int64_t>load_relaxed_u64(<const uint64_t *>&r.header.heartbeat_mono_ns)

# ---------------------------------------------------------------- owners


class AttachError(shm.ShmError):
    """Why a segment cannot be read; `reason` is one word: missing, empty, not_ready, magic, version, layout_hash, size,
    instruments, producer_dead, closed."""


def is_power_of_two(value):
    return value > 0 and value & (value - 1) == 0


def fill_struct(record, fields):
    """Write keyword fields into a 1-element numpy record; levels as [(px, qty), ...]. For tests and cold callers."""
    for key, value in fields.items():
        if key in ("bids", "asks"):
            side = "bid_count" if key == "bids" else "ask_count"
            for index, level in enumerate(value):
                record[key][0][index] = tuple(level)
            record[side] = fields.get(side, len(value))
        else:
            record[key] = value


cdef uint8_t *buffer_address(object mapping, bint writable) except NULL:
    """Address of a mapping. The Segment object keeps it alive."""
    cdef const uint8_t[::1] view = mapping
    return <uint8_t *>&view[0]


def retire(name):
    """A name that is to be created anew: refuse while its producer lives, else tell readers of the old segment and unlink it."""
    cdef segment_header_t *header
    try:
        old = shm.open_segment(name, writable=True, prefault=False)
    except shm.ShmError as error:
        if error.reason == "empty":
            shm.unlink(name)
        elif error.reason != "missing":
            raise
        return
    if old.bytes >= <uint64_t>sizeof(segment_header_t):
        header = <segment_header_t *>buffer_address(old.map, True)
        if (header.magic in (0, SEGMENT_MAGIC) and not header.closed and header.producer_pid != <uint32_t>os.getpid()
                and shm.is_producer_alive(header.producer_pid, header.producer_start)):
            raise shm.ShmError(f"segment {name} is being written by living process {header.producer_pid}; stop it first", "alive")
        store_release_u64(&header.generation, 0)
    shm.unlink(name)


cdef class FeedWriter:
    def __cinit__(self):
        memset(&self.w, 0, sizeof(feed_writer_t))

    def __init__(self, run_id, feed, instrument_count, *, ring_capacity=4096, trade_ring_capacity=8192, instruments_hash=0,
                 venue_id=0):
        if not is_power_of_two(ring_capacity) or not is_power_of_two(trade_ring_capacity):
            raise ValueError(f"ring capacities must be powers of two, not {ring_capacity} and {trade_ring_capacity}")
        if instrument_count < 1:
            raise ValueError("a feed needs at least one instrument")
        self.name = shm.segment_name(run_id, f"feed.{feed}")
        ring_offset = shm.PAGE_BYTES
        trade_offset = ring_offset + ring_capacity * sizeof(book_record_t)
        board_offset = trade_offset + trade_ring_capacity * sizeof(trade_record_t)
        total = board_offset + instrument_count * sizeof(board_entry_t)
        retire(self.name)
        self._segment = shm.create_segment(self.name, total)
        self._is_open = True
        self._place(ring_offset, trade_offset, board_offset, ring_capacity, trade_ring_capacity, instrument_count)
        self._describe(feed, instruments_hash, venue_id)

    def _place(self, ring_offset, trade_offset, board_offset, ring_capacity, trade_ring_capacity, instrument_count):
        cdef uint8_t *base = buffer_address(self._segment.map, True)
        cdef segment_header_t *header = <segment_header_t *>base
        header.producer_pid = os.getpid()  # first: who comes now sees that the name is taken
        header.producer_start = shm.process_start(os.getpid())
        header.segment_bytes = self._segment.bytes
        header.ring_offset = ring_offset
        header.trade_ring_offset = trade_offset
        header.board_offset = board_offset
        header.ring_capacity = ring_capacity
        header.trade_ring_capacity = trade_ring_capacity
        header.instrument_count = instrument_count
        self.w.header = header
        self.w.ring = <book_record_t *>(base + <uint64_t>ring_offset)
        self.w.trades = <trade_record_t *>(base + <uint64_t>trade_offset)
        self.w.board = <board_entry_t *>(base + <uint64_t>board_offset)
        self.w.mask = ring_capacity - 1
        self.w.trade_mask = trade_ring_capacity - 1
        self.w.instrument_count = instrument_count
        claim_next_book(&self.w)
        self.w.instrument_seq = <uint64_t *>calloc(instrument_count, sizeof(uint64_t))
        if self.w.instrument_seq == NULL:
            raise MemoryError()
        for row in range(<int>instrument_count):
            self.w.board[row].instrument_id = row
            self.w.board[row].lag_min_ns = 0

    def _describe(self, feed, instruments_hash, venue_id):
        """Who writes here; the magic last, with release: before that nothing else is true."""
        cdef segment_header_t *header = self.w.header
        cdef bytes text = feed.encode()[:63]
        memcpy(&header.name[0], <const char *>text, len(text))
        header.layout_hash = layout.LAYOUT_HASH
        header.layout_version = LAYOUT_VERSION
        header.generation = time.time_ns()
        header.started_wall_ns = header.generation
        header.instruments_hash = instruments_hash
        header.venue_id = venue_id
        header.heartbeat_mono_ns = time.monotonic_ns()
        store_release_u64(&header.magic, SEGMENT_MAGIC)

    def publish_book(self, row, **fields):
        """Publish one record from keyword fields (tests, tools); returns its instrument_seq."""
        record = np.zeros(1, layout.DTYPES["book_record_t"])
        fill_struct(record, {"instrument_id": row, **fields})
        cdef uint8_t[::1] view = record.view(np.uint8)
        ring_publish_book(&self.w, row, <book_record_t *>&view[0])
        return int(record["instrument_seq"][0])

    def publish_trade(self, **fields):
        """Publish one trade from keyword fields; returns its sequence number."""
        record = np.zeros(1, layout.DTYPES["trade_record_t"])
        fill_struct(record, fields)
        cdef uint8_t[::1] view = record.view(np.uint8)
        ring_publish_trade(&self.w, <trade_record_t *>&view[0])
        return int(record["seq"][0]) // 2 - 1

    def publish_funding(self, row, **fields):
        """Publish funding and mark of a row from keyword fields."""
        record = np.zeros(1, layout.DTYPES["funding_record_t"])
        fill_struct(record, {"instrument_id": row, **fields})
        cdef uint8_t[::1] view = record.view(np.uint8)
        ring_publish_funding(&self.w, row, <funding_record_t *>&view[0])

    def heartbeat(self, now_mono_ns):
        ring_heartbeat(&self.w, now_mono_ns)

    def set_connection_alive(self, connection_id, now_mono_ns):
        if not 0 <= connection_id < CONNECTIONS_MAX:
            raise ValueError(f"connection id {connection_id} is not in 0..{CONNECTIONS_MAX - 1}")
        ring_set_alive(&self.w, connection_id, now_mono_ns)

    def set_row_status(self, row, status):
        """STATUS_* of a row."""
        self._check_row(row)
        self.w.board[row].status = status

    def set_row_counters(self, row, counters):
        """Counters of a row by field name of board_entry_t; called about once a second."""
        self._check_row(row)
        cdef board_entry_t *entry = self.w.board + <int>row
        for key, value in counters.items():
            if key == "frames": entry.frames = value
            elif key == "records": entry.records = value
            elif key == "gaps": entry.gaps = value
            elif key == "invalid": entry.invalid = value
            elif key == "crossed": entry.crossed = value
            elif key == "duplicates": entry.duplicates = value
            elif key == "resyncs": entry.resyncs = value
            elif key == "lag_min_ns": entry.lag_min_ns = value
            elif key == "lag_ns": entry.lag_ns = value
            else: raise KeyError(f"board_entry_t has no counter {key}")

    def set_counters(self, counters):
        """Counters of the feed by field name of segment_header_t."""
        cdef segment_header_t *header = self.w.header
        for key, value in counters.items():
            if key == "frames": header.frames = value
            elif key == "unknown_frames": header.unknown_frames = value
            elif key == "oversized_frames": header.oversized_frames = value
            elif key == "doorbells": header.doorbells = value
            elif key == "reconnects": header.reconnects = value
            else: raise KeyError(f"segment_header_t has no counter {key}")

    def _check_row(self, row):
        if not 0 <= row < self.w.instrument_count:
            raise IndexError(f"{self.name} has rows 0..{self.w.instrument_count - 1}, not {row}")

    def close(self, unlink=True):
        """Orderly end: connections down, closed = 1, name removed (readers keep their mapping until they let go)."""
        if not self._is_open:
            return
        self._is_open = False
        for connection in range(CONNECTIONS_MAX):
            ring_set_alive(&self.w, connection, 0)
        self.w.header.closed = 1
        if unlink:
            shm.unlink(self.name)

    def __dealloc__(self):
        free(self.w.instrument_seq)


cdef class RingReader:
    def __cinit__(self):
        memset(&self.r, 0, sizeof(ring_reader_t))

    def __init__(self, run_id, feed, *, instruments_hash=None, from_start=False, require_alive=True):
        self.name = shm.segment_name(run_id, f"feed.{feed}")
        try:
            self._segment = shm.open_segment(self.name)
        except shm.ShmError as error:
            raise AttachError(str(error), error.reason) from None
        if self._segment.bytes < <uint64_t>sizeof(segment_header_t):
            raise AttachError(f"segment {self.name} has {self._segment.bytes} bytes, too short for its header", "empty")
        self._check(instruments_hash, require_alive)
        self._place()
        if from_start:
            self._go_back(self.r.header.ring_capacity - 1, self.r.header.trade_ring_capacity)  # one book slot is claimed ahead

    cdef int _go_back(self, uint64_t books, uint64_t trades) except -1:
        """Stand at the oldest records that are still there."""
        self.r.cursor -= min(self.r.cursor, books)
        self.r.trade_cursor -= min(self.r.trade_cursor, trades)
        return 0

    def _check(self, instruments_hash, require_alive):
        """Raise AttachError that names the first thing that is wrong."""
        cdef const segment_header_t *h = <const segment_header_t *>buffer_address(self._segment.map, False)
        cdef uint64_t magic = load_acquire_u64(&h.magic)
        name = self.name
        if magic == 0:
            raise AttachError(f"segment {name} is not ready: its producer has not finished creating it", "not_ready")
        if magic != SEGMENT_MAGIC:
            raise AttachError(f"segment {name} has magic {magic:#x}, not {SEGMENT_MAGIC:#x}: this is no feed segment", "magic")
        if h.layout_version != LAYOUT_VERSION:
            raise AttachError(f"segment {name} has layout version {h.layout_version}, this build has {LAYOUT_VERSION}; "
                              "stop the old feed and build again", "version")
        if h.layout_hash != <uint64_t>layout.LAYOUT_HASH:
            raise AttachError(f"segment {name} has layout hash {h.layout_hash:016x}, this build has {layout.LAYOUT_HASH:016x}: feed and "
                              "reader were built from different layout.h; build again and restart both", "layout_hash")
        if not is_power_of_two(h.ring_capacity) or not is_power_of_two(h.trade_ring_capacity):
            raise AttachError(f"segment {name} has ring capacities {h.ring_capacity} and {h.trade_ring_capacity}, no powers of two", "size")
        end = h.board_offset + h.instrument_count * sizeof(board_entry_t)
        if (h.segment_bytes != <uint64_t>self._segment.bytes or end > h.segment_bytes
                or h.ring_offset + h.ring_capacity * sizeof(book_record_t) > h.trade_ring_offset
                or h.trade_ring_offset + h.trade_ring_capacity * sizeof(trade_record_t) > h.board_offset):
            raise AttachError(f"segment {name} is {self._segment.bytes} bytes, its header speaks of {h.segment_bytes} with parts to {end}", "size")
        if instruments_hash is not None and h.instruments_hash != <uint64_t>instruments_hash:
            raise AttachError(f"segment {name} was made for instrument table {h.instruments_hash:016x}, this process has "
                              f"{instruments_hash:016x}; restart the feed", "instruments")
        if h.generation == 0:
            raise AttachError(f"segment {name} was retired by a newer producer", "closed")
        if require_alive and h.closed:
            raise AttachError(f"segment {name} was closed by its producer", "closed")
        if require_alive and not shm.is_producer_alive(h.producer_pid, h.producer_start):
            raise AttachError(f"segment {name}: its producer, process {h.producer_pid}, is dead", "producer_dead")

    def _place(self):
        cdef const uint8_t *base = buffer_address(self._segment.map, False)
        cdef const segment_header_t *header = <const segment_header_t *>base
        self.r.header = header
        self.r.ring = <const book_record_t *>(base + header.ring_offset)
        self.r.trades = <const trade_record_t *>(base + header.trade_ring_offset)
        self.r.board = <const board_entry_t *>(base + header.board_offset)
        self.r.mask = header.ring_capacity - 1
        self.r.trade_mask = header.trade_ring_capacity - 1
        self.r.generation = header.generation
        self.r.instrument_count = header.instrument_count
        self.r.cursor = load_acquire_u64(&header.cursor)
        self.r.trade_cursor = load_acquire_u64(&header.trade_cursor)
        self.r.instrument_seq = <uint64_t *>calloc(header.instrument_count, sizeof(uint64_t))
        if self.r.instrument_seq == NULL:
            raise MemoryError()

    def poll_book(self):
        """(RING_* code, record as dict or None). Tests and tools; the engine polls `&reader.r`."""
        record = np.zeros(1, layout.DTYPES["book_record_t"])
        cdef uint8_t[::1] view = record.view(np.uint8)
        code = ring_poll_book(&self.r, <book_record_t *>&view[0])
        return code, book_dict(record[0]) if code == RING_RECORD else None

    def poll_trade(self):
        """(RING_* code, trade as dict or None)."""
        record = np.zeros(1, layout.DTYPES["trade_record_t"])
        cdef uint8_t[::1] view = record.view(np.uint8)
        code = ring_poll_trade(&self.r, <trade_record_t *>&view[0])
        return code, layout.struct_dict(record[0]) if code == RING_RECORD else None

    def read_board(self, row):
        """Newest book of a row as dict; None when there is none, BlockingIOError when it stays half-written."""
        self._check_row(row)
        record = np.zeros(1, layout.DTYPES["book_record_t"])
        cdef uint8_t[::1] view = record.view(np.uint8)
        return self._latest(row, ring_read_board(&self.r, row, <book_record_t *>&view[0]), record, book_dict)

    def read_funding(self, row):
        """Newest funding and mark of a row as dict, or None."""
        self._check_row(row)
        record = np.zeros(1, layout.DTYPES["funding_record_t"])
        cdef uint8_t[::1] view = record.view(np.uint8)
        return self._latest(row, ring_read_funding(&self.r, row, <funding_record_t *>&view[0]), record, layout.struct_dict)

    def _latest(self, row, code, record, convert):
        if code == RING_RECORD:
            return convert(record[0])
        if code == RING_EMPTY:
            return None
        raise BlockingIOError(f"{self.name} row {row}: {'retired segment' if code == RING_STALE else 'entry stays half-written'}")

    def read_row(self, row):
        """Counters and status of a row (not atomic as a whole; each is right or one update old)."""
        self._check_row(row)
        offset = self.r.header.board_offset + <int>row * sizeof(board_entry_t)
        entry = np.frombuffer(self._segment.map, layout.DTYPES["board_entry_t"], 1, offset)
        out = layout.struct_dict(entry[0])
        del out["book"], out["funding"]
        return out

    def _check_row(self, row):
        if not 0 <= row < self.r.instrument_count:
            raise IndexError(f"{self.name} has rows 0..{self.r.instrument_count - 1}, not {row}")

    def connection_alive(self):
        """Last proof of life by connection id, mono ns; 0 = down."""
        return [ring_alive_mono_ns(&self.r, connection) for connection in range(CONNECTIONS_MAX)]

    def heartbeat_mono_ns(self):
        return ring_heartbeat_mono_ns(&self.r)

    def is_current(self):
        """False once a newer producer retired this segment, or its name leads elsewhere."""
        return load_acquire_u64(&self.r.header.generation) == self.r.generation and self._segment.is_linked()

    def is_producer_alive(self):
        """Not closed, and exactly that process still runs."""
        header = self.r.header
        return not header.closed and shm.is_producer_alive(header.producer_pid, header.producer_start)

    def counters(self):
        return {"laps": self.r.laps, "lost": self.r.lost, "trades_lost": self.r.trades_lost, "torn": self.r.torn,
                "skipped": self.r.skipped, "cursor": self.r.cursor}

    def header(self):
        """The segment header as dict."""
        out = layout.struct_dict(np.frombuffer(self._segment.map, layout.DTYPES["segment_header_t"], 1)[0])
        out["instrument_count"] = self.r.instrument_count
        return out

    def close(self):
        """Let the mapping go. `&reader.r` must not be used any more."""
        self.r.header = NULL
        self._segment = None

    def __dealloc__(self):
        free(self.r.instrument_seq)


def book_dict(record):
    """A book record as dict, with only the levels that are there, as (px, qty) pairs."""
    out = layout.struct_dict(record)
    out["bids"] = [(level["px"], level["qty"]) for level in out["bids"][:out["bid_count"]]]
    out["asks"] = [(level["px"], level["qty"]) for level in out["asks"][:out["ask_count"]]]
    return out
