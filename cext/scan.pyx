"""Python surface of scan.h for tests. The bytes are copied into a block of exactly their size, so that a read past the end is one
that the address sanitizer sees."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from cext.scan cimport (SCAN_LEVEL_REACH, level_scales_t, scan_decimal, scan_decimal_slow, scan_level_extras, scan_level_scales,
                        scan_u64,
                        scan_value)


cdef char *exact_copy(bytes text) except NULL:
    cdef char *block = <char *>malloc(len(text) or 1)
    if block == NULL:
        raise MemoryError
    memcpy(block, <char *>text, len(text))
    return block


def decimal(bytes text, int scale, bint slow=False) -> int | None:
    """Value of `text` (digits up to and with the closing quote) at a scale; None = refused."""
    cdef int64_t value = 0
    cdef char *block = exact_copy(text)
    cdef const char *close
    if slow:
        close = scan_decimal_slow(block, block + len(text), scale, &value)
    else:
        close = scan_decimal(block, block + len(text), scale, &value)
    refused = close == NULL
    free(block)
    return None if refused else value


def integer(bytes text) -> int | None:
    """Value of a JSON integer at the start of `text`; None = refused."""
    cdef uint64_t value = 0
    cdef char *block = exact_copy(text)
    refused = scan_u64(block, block + len(text), &value) == NULL
    free(block)
    return None if refused else value


def value_bytes(bytes text) -> int:
    """Bytes of the JSON value at the start of `text`; -1 = refused."""
    cdef char *block = exact_copy(text)
    cdef const char *behind = scan_value(block, block + len(text))
    cdef Py_ssize_t size = -1 if behind == NULL else behind - block
    free(block)
    return size


def level(bytes text, int px_scale, int qty_scale, int extras=0) -> tuple | None:
    """(px, qty, bytes read) of the ["px","qty"] at the start of `text`, with so many strings more in it; `text` has at least
    SCAN_LEVEL_REACH bytes; None = refused."""
    cdef int64_t px = 0
    cdef int64_t qty = 0
    cdef level_scales_t scales = scan_level_scales(px_scale, qty_scale)
    cdef char *block
    cdef const char *behind
    if len(text) < SCAN_LEVEL_REACH:
        raise ValueError(f"{len(text)} bytes; at least {SCAN_LEVEL_REACH} are needed")
    block = exact_copy(text)
    behind = scan_level_extras(block, &scales, &px, &qty, extras)
    result = None if behind == NULL else (px, qty, behind - block)
    free(block)
    return result
