"""Full-depth order book; see book.h, which says how it is built and what its calls promise."""
from libc.stdint cimport int64_t, uint32_t

from cext.layout cimport level_t

cdef extern from "book.h" nogil:
    ctypedef struct book_t:
        pass
    void book_init(book_t *book) noexcept
    void book_free(book_t *book) noexcept
    void book_clear(book_t *book) noexcept
    int book_set(book_t *book, uint32_t side, int64_t px, int64_t qty) noexcept
    int book_apply(book_t *book, uint32_t side, const level_t *levels, uint32_t count) noexcept
    level_t book_best(const book_t *book, uint32_t side) noexcept
    uint32_t book_walk(const book_t *book, uint32_t side, int64_t bound, level_t *out, uint32_t room) noexcept
    uint32_t book_levels(const book_t *book, uint32_t side) noexcept
    const char *book_check(const book_t *book) noexcept


cdef class Book:
    cdef book_t book
