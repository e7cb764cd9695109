"""The leaves of a venue's parser: ids, times, decimals, rates and level arrays of one JSON object, in place. A venue finds the
keys (fields_t) and says what they mean; how a number is read is written here once.

All functions return 0, or -1 when the value is missing or not what it should be, unless they say otherwise."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from cext.decoders.message cimport TIME_MS_LIMIT, TIME_US_LIMIT, fields_t, key_of_t, parser_t, span_t
from cext.instrument cimport instrument_t
from cext.layout cimport level_t
from cext.scan cimport scan_decimal, scan_u64


cdef inline bint has(const fields_t *f, uint32_t key) noexcept nogil:  # hot
    return f.seen >> key & 1


cdef inline bint text_is(span_t span, const char *text, Py_ssize_t size) noexcept nogil:  # hot
    """Is the value this string?"""
    return span.stop - span.start == size + 2 and span.start[0] == c'"' and memcmp(span.start + 1, text, size) == 0


cdef inline int read_id(const fields_t *f, uint32_t key, uint64_t *out) noexcept nogil:  # hot
    """An integer without quotes."""
    if not f.seen >> key & 1:
        return -1
    return 0 if scan_u64(f.spans[key].start, f.spans[key].stop, out) == f.spans[key].stop else -1


cdef inline int read_time(const fields_t *f, uint32_t key, int64_t *out) noexcept nogil:  # hot
    """A time in ns, from ms or us without quotes: told apart by size. Absurd is an error too."""
    cdef uint64_t value = 0
    if read_id(f, key, &value) != 0 or value >= TIME_US_LIMIT:
        return -1
    out[0] = <int64_t>(value * 1000 if value >= TIME_MS_LIMIT else value * 1_000_000)
    return 0


cdef inline int read_decimal(const fields_t *f, uint32_t key, int scale, int64_t *out) noexcept nogil:  # hot
    """A quoted decimal at a scale; not exact at this scale is an error too."""
    if not f.seen >> key & 1 or f.spans[key].start[0] != c'"':
        return -1
    # Up to the end of the frame, not of the value: 16 bytes in reach make the fast way possible. It stops at the quote all the
    # same.
    return 0 if scan_decimal(f.spans[key].start + 1, f.end, scale, out) == f.spans[key].stop - 1 else -1


# An integer in quotes, or without.
cdef int read_quoted_id(const fields_t *f, uint32_t key, uint64_t *out) noexcept nogil
# As read_time, in quotes, or without.
cdef int read_quoted_time(const fields_t *f, uint32_t key, int64_t *out) noexcept nogil
# A quoted size as the venue counts it -> base units at the instrument's qty scale (size_scale, size_mul).
cdef int read_size(const fields_t *f, uint32_t key, const instrument_t *instrument, int64_t *out) noexcept nogil
# Mark and index prices: averages with more decimals than the instrument has. Digits beyond the scale are cut, nobody trades at
# them.
cdef int read_rounded(const fields_t *f, uint32_t key, int scale, int64_t *out) noexcept nogil
# A funding rate * 1e8, quoted, may be negative; digits beyond the eighth are cut. An empty string is no rate: 0.
cdef int read_rate(const fields_t *f, uint32_t key, int64_t *out) noexcept nogil
# An array of levels ["px","size", more...] into the scratch, sizes in base units. p: at its '['. Returns the place behind its
# ']', or NULL: malformed, not exact, or px = 0. Behind px and size stand exactly parser_t.level_extras more strings (OKX 2),
# skipped.
cdef const char *read_levels(parser_t *d, const char *p, const char *end, const instrument_t *instrument, level_t **first,
                             uint32_t *count) noexcept nogil
# All keys of one object, values skipped and noted. p: behind its '{'. Returns the place behind its '}', or NULL: malformed, or a
# used key twice. For messages whose levels are read in a second look; Binance reads them on the way (binance_message.pyx).
cdef const char *scan_fields(fields_t *f, const char *p, const char *end, key_of_t key_of) noexcept nogil
