"""Python surface of book.h, for tests and tools. Decoders hold a book_t of their own and never meet this class."""
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc

from cext.book cimport book_best, book_check, book_clear, book_free, book_init, book_levels, book_set, book_t, book_walk
from cext.layout cimport level_t


cdef uint32_t side_of(str side) except 2:
    if side == "bids":
        return 0
    if side == "asks":
        return 1
    raise ValueError(f"side {side!r} is unknown; right is bids or asks")


cdef list book_side_as_list(const book_t *book, uint32_t side, uint32_t room, int64_t bound):
    """Up to `room` levels as (px, qty), best first."""
    cdef level_t *levels = <level_t *>malloc(max(room, 1) * sizeof(level_t))
    if levels == NULL:
        raise MemoryError
    cdef uint32_t count = book_walk(book, side, bound, levels, room)
    result = [(levels[i].px, levels[i].qty) for i in range(count)]
    free(levels)
    return result


cdef class Book:
    """A book by itself; sides are named "bids" and "asks"."""

    def __cinit__(self):
        book_init(&self.book)

    def __dealloc__(self):
        book_free(&self.book)

    def set(self, str side, int64_t px, int64_t qty) -> bool:
        """One level becomes qty, 0 removes it; False = the side is full."""
        if not 0 < px < 1 << 62 or qty < 0:
            raise ValueError(f"px {px} must lie within 1..2**62-1, qty {qty} must not be negative")
        return book_set(&self.book, side_of(side), px, qty) == 0

    def clear(self) -> None:
        book_clear(&self.book)

    def best(self, str side) -> tuple:
        cdef level_t level = book_best(&self.book, side_of(side))
        return level.px, level.qty

    def count(self, str side) -> int:
        return book_levels(&self.book, side_of(side))

    def levels(self, str side, room=None, int64_t bound=0) -> list:
        """Levels best first, those at or better than `bound` left out."""
        return book_side_as_list(&self.book, side_of(side), self.count(side) if room is None else room, bound)

    def check(self) -> None:
        """Raises AssertionError with the invariant that does not hold."""
        cdef const char *broken = book_check(&self.book)
        if broken != NULL:
            raise AssertionError((<bytes>broken).decode())
