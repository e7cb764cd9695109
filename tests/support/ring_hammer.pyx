"""Loops of the ring's race tests: a producer whose records prove themselves, a reader that checks every byte of what it accepts,
and a publish that can be cut off after any number of stores (a producer killed there)."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memset

from cext.clock cimport mono_ns
from cext.layout cimport BOOK_LEVELS, book_record_t
from cext.ring cimport (RING_EMPTY, RING_LAPPED, RING_RECORD, RING_TORN, FeedWriter, RingReader, ring_poll_book,
                        ring_publish_book,
                        ring_read_board)


cdef void stamp(book_record_t *record, int32_t row, uint64_t value) noexcept nogil:
    """Every field of the body is derived from `value`: a mix of two records cannot pass for one."""
    cdef int i
    record.instrument_id = row
    record.exch_ns = record.batch_mono_ns = record.frame_mono_ns = record.publish_mono_ns = <int64_t>value
    record.recv_wall_ns = record.alive_mono_ns = record.depth_exch_ns = record.lag_ns = <int64_t>value
    record.depth_update_id = record.top_update_id = value
    for i in range(BOOK_LEVELS):
        record.bids[i].px = <int64_t>(value + i)
        record.bids[i].qty = <int64_t>(value ^ i)
        record.asks[i].px = <int64_t>(value + i)
        record.asks[i].qty = <int64_t>(value ^ i)


cdef bint is_whole(const book_record_t *record) noexcept nogil:
    cdef uint64_t value = record.depth_update_id
    cdef int i
    if not (record.exch_ns == record.batch_mono_ns == record.frame_mono_ns == record.publish_mono_ns == <int64_t>value):
        return False
    if not (record.recv_wall_ns == record.alive_mono_ns == record.depth_exch_ns == record.lag_ns == <int64_t>value):
        return False
    if record.top_update_id != value:
        return False
    for i in range(BOOK_LEVELS):
        if record.bids[i].px != <int64_t>(value + i) or record.bids[i].qty != <int64_t>(value ^ i):
            return False
        if record.asks[i].px != <int64_t>(value + i) or record.asks[i].qty != <int64_t>(value ^ i):
            return False
    return True


def publish_for(FeedWriter writer, int rows, double seconds, int64_t pause_ns=0):
    """Publish as fast as possible, or one every `pause_ns`, until the time is over; returns how many. Values count per row, from
    1."""
    cdef book_record_t record
    cdef int64_t deadline = mono_ns() + <int64_t>(seconds * 1e9)
    cdef int64_t next_at = 0
    cdef uint64_t count = 0
    cdef int32_t row
    with nogil:
        memset(&record, 0, sizeof(record))
        while mono_ns() < deadline:
            while pause_ns and mono_ns() < next_at:
                pass
            next_at = mono_ns() + pause_ns
            row = <int32_t>(count % rows)
            stamp(&record, row, count // rows + 1)
            ring_publish_book(&writer.w, row, &record)
            count += 1
    return count


def read_for(RingReader reader, int rows, double seconds):
    """Poll until the time is over and nothing is left. Returns counts: records, broken (accepted but mixed), backwards (older
    than the row's last), laps, torn_board, board (entries read after laps) and the newest value by row."""
    cdef book_record_t record
    cdef int64_t deadline = mono_ns() + <int64_t>(seconds * 1e9)
    cdef uint64_t[1024] newest
    cdef uint64_t records = 0, broken = 0, backwards = 0, laps = 0, torn_board = 0, board = 0
    cdef int code
    cdef int row
    if rows > 1024:
        raise ValueError("at most 1024 rows")
    with nogil:
        memset(newest, 0, sizeof(newest))
        while True:
            code = ring_poll_book(&reader.r, &record)
            if code == RING_EMPTY:
                if mono_ns() >= deadline:
                    break
            elif code == RING_RECORD:
                records += 1
                broken += not is_whole(&record)
                backwards += record.depth_update_id <= newest[record.instrument_id]
                newest[record.instrument_id] = record.depth_update_id
            elif code == RING_LAPPED:
                laps += 1
                for row in range(rows):
                    code = ring_read_board(&reader.r, row, &record)
                    if code == RING_TORN:
                        torn_board += 1
                    elif code == RING_RECORD:
                        board += 1
                        broken += not is_whole(&record) or record.instrument_id != <uint64_t>row
                        backwards += record.depth_update_id < newest[row]
                        newest[row] = record.depth_update_id
            else:
                break
    return {"records": records, "broken": broken, "backwards": backwards, "laps": laps, "torn_board": torn_board, "board": board,
            "code": code, "newest": [newest[row] for row in range(rows)]}


def publish_partly(FeedWriter writer, int32_t row, uint64_t value, int words):
    """What a producer leaves that is killed after `words` 8-byte stores of a publish: claims, then board words, then ring words,
    in the order in which ring_publish_book stores them. 0 = killed before the first store."""
    cdef book_record_t record
    cdef uint64_t *board = <uint64_t *>&writer.w.board[row].book
    cdef uint64_t *slot = <uint64_t *>(writer.w.ring + (writer.w.cursor & writer.w.mask))
    cdef uint64_t seq = writer.w.instrument_seq[row] + 1
    cdef int total = sizeof(book_record_t) / 8
    cdef int i
    memset(&record, 0, sizeof(record))
    stamp(&record, row, value)
    record.instrument_seq = seq
    cdef const uint64_t *source = <const uint64_t *>&record
    order = [(0, 0)] + [(0, i) for i in range(8, total)] + [(0, i) for i in range(1, 8)] + [(1, 0)]
    stores = [("board", *item) for item in order] + [("ring", *item) for item in order[1:]]
    for where, is_final, i in stores[:words]:
        if i == 0:
            value = (2 * seq if where == "board" else 2 * writer.w.cursor + 2) - (0 if is_final else 1)
        else:
            value = source[i]
        if where == "board":
            board[i] = value
        else:
            slot[i] = value
    return len(stores)
