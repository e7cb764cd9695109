"""Mutated frames into a MarketDecoder, in a loop without Python: nothing may crash, and a record that calls itself VALID must be
one.

Every frame lies in a block of exactly its size, so that the address sanitizer sees a read past its end
(tests/support/sanitized_fuzz.py)."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

from cpython.bytes cimport PyBytes_AsString, PyBytes_Size

from cext.decoders.market cimport MarketDecoder
from cext.decoders.frames cimport FRAME_BUFFERED, FRAME_ERROR, FRAME_NEED_SNAPSHOT, FRAME_UNKNOWN, frame_result_t, stamps_t
from cext.layout cimport BOOK_LEVELS, BOOK_VALID, book_record_t, level_t

cdef enum:
    ROOM = 96               # bytes that the insertions of one frame may add

cdef const char *SPICE = b'"[]{},:.\\0123456789-eE \x00\xff\tubaUEs'   # what the parser decides by


cdef inline uint64_t draw(uint64_t *state) noexcept nogil:
    """xorshift64*."""
    state[0] ^= state[0] >> 12
    state[0] ^= state[0] << 25
    state[0] ^= state[0] >> 27
    return (state[0] * <uint64_t>0x2545F4914F6CDD1D) >> 16


cdef Py_ssize_t mutate(char *text, Py_ssize_t size, uint64_t *state) noexcept nogil:
    """One change in place; `text` has ROOM bytes behind it. Returns the new size."""
    cdef uint64_t kind = draw(state) % 8
    cdef Py_ssize_t at
    cdef Py_ssize_t length
    if size == 0:
        return 0
    at = draw(state) % size
    if kind < 3:                                       # another byte that matters
        text[at] = SPICE[draw(state) % 32]
    elif kind == 3:                                    # any bit
        text[at] = text[at] ^ <char>(1 << draw(state) % 8)
    elif kind == 4:                                    # cut
        return at
    elif kind == 5:                                    # take out a piece
        length = 1 + draw(state) % 12
        length = min(length, size - at)
        memmove(text + at, text + at + length, size - at - length)
        return size - length
    elif kind == 6:                                    # say a piece twice
        length = 1 + draw(state) % 24
        length = min(length, size - at)
        memmove(text + at + length, text + at, size - at)
        return size + length
    else:                                              # swap two bytes
        length = draw(state) % size
        text[at], text[length] = text[length], text[at]
    return size


def mutated(bytes frame, uint64_t seed, int changes) -> bytes:
    """`frame` after some changes, at most four."""
    cdef Py_ssize_t size = len(frame)
    cdef char *text = <char *>malloc(size + ROOM)
    cdef uint64_t state = seed * 2 + 1
    if text == NULL:
        raise MemoryError
    memcpy(text, <char *>frame, size)
    for _ in range(min(changes, 4)):
        size = mutate(text, size, &state)
    result = text[:size]
    free(text)
    return result


cdef bint is_sorted(const level_t *levels, int count, int sign) noexcept nogil:
    cdef int i
    for i in range(count):
        if levels[i].px <= 0 or levels[i].qty <= 0 or (i > 0 and sign * (levels[i].px - levels[i - 1].px) <= 0):
            return False
    return True


cdef bint is_sound(const book_record_t *record) noexcept nogil:
    if record.bid_count > BOOK_LEVELS or record.ask_count > BOOK_LEVELS:
        return False
    if not record.flags & BOOK_VALID:
        return record.flags == 0 and record.bid_count == 0 and record.ask_count == 0
    return is_sorted(record.bids, record.bid_count, -1) and is_sorted(record.asks, record.ask_count, 1)


def run(MarketDecoder market, list frames, list snapshots, int64_t count, uint64_t seed) -> list:
    """`count` frames, three of four mutated, every eighth one a snapshot body. Returns counts by FRAME_*; raises at an unsound
    record.

    A row that goes out of sync is given the first snapshot unmutated, so that most of the time there is a book to be damaged."""
    cdef int64_t counts[10]
    cdef uint64_t state = seed * 2 + 1
    cdef frame_result_t result
    cdef stamps_t stamps = stamps_t(1, 1, 1, 0)
    cdef book_record_t record
    cdef int64_t number
    cdef int64_t broken = -1
    cdef Py_ssize_t size
    cdef int row
    cdef int changes
    cdef char *text
    cdef char *exact
    cdef const char *source
    cdef const char *whole = PyBytes_AsString(snapshots[0])
    cdef Py_ssize_t whole_size = PyBytes_Size(snapshots[0])
    largest = max(len(frame) for frame in frames + snapshots)
    text = <char *>malloc(largest + ROOM)
    if text == NULL:
        raise MemoryError
    memset(counts, 0, sizeof(counts))
    for number in range(count):
        chosen = (snapshots if number % 8 == 0 else frames)[draw(&state) % <uint64_t>len(snapshots
                                                                                         if number % 8 == 0 else frames)]
        source = PyBytes_AsString(chosen)
        size = PyBytes_Size(chosen)
        row = <int>(draw(&state) % <uint64_t>len(market.rows))
        with nogil:
            memcpy(text, source, size)
            for changes in range(<int>(draw(&state) % 4)):
                size = mutate(text, size, &state)
            exact = <char *>malloc(size + (size == 0))
            memcpy(exact, text, size)
            stamps.frame_mono_ns += 1_000_000
            if number % 8 == 0:
                market.load_snapshot(row, exact, size, 0, &stamps)
                result.kind = FRAME_UNKNOWN
                result.row = row
            else:
                counts[market.decode_frame(exact, size, &stamps, &result)] += 1
            if result.row >= 0:
                market.build_record(result.row, &stamps, &record)
                if not is_sound(&record):
                    broken = number
                if result.kind == FRAME_NEED_SNAPSHOT or result.kind == FRAME_ERROR or result.kind == FRAME_BUFFERED:
                    market.load_snapshot(result.row, whole, whole_size, 0, &stamps)
            free(exact)
        if broken >= 0:
            free(text)
            raise AssertionError(f"seed {seed}, step {broken}: a mutation of {chosen!r} left an unsound record")
        if number % 4096 == 0:
            for row in market.rows:
                market.check(row)
    free(text)
    return [counts[i] for i in range(10)]
