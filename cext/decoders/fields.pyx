"""The leaves of a venue's parser; see fields.pxd. What is short stands there, inline.

Runs in the feed's loop and in replay, without the GIL."""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from cext.decoders.message cimport KEY_OTHER, TIME_MS_LIMIT, TIME_US_LIMIT, fields_t, key_of_t, parser_t
from cext.instrument cimport instrument_t
from cext.layout cimport level_t
from cext.scan cimport (SCAN_LEVEL_REACH, level_scales_t, scan_char, scan_decimal, scan_level, scan_level_extras,
                        scan_level_scales, scan_space, scan_string, scan_u64, scan_value)

cdef enum:
    RATE_SCALE = 8           # funding rates are kept with 8 decimals


ctypedef struct level_digits_t:
    int px_scale
    int size_scale
    int extras


# ---------------------------------------------------------------- values

cdef int read_quoted_id(const fields_t *f, uint32_t key, uint64_t *out) noexcept nogil:  # hot
    cdef const char *start
    cdef const char *stop
    if not f.seen >> key & 1:
        return -1
    start = f.spans[key].start
    stop = f.spans[key].stop
    if start[0] == c'"':
        start += 1
        stop -= 1
    return 0 if start < stop and scan_u64(start, stop, out) == stop else -1


cdef int read_quoted_time(const fields_t *f, uint32_t key, int64_t *out) noexcept nogil:  # hot
    cdef uint64_t value = 0
    if read_quoted_id(f, key, &value) != 0 or value >= TIME_US_LIMIT:
        return -1
    out[0] = <int64_t>(value * 1000 if value >= TIME_MS_LIMIT else value * 1_000_000)
    return 0


cdef int read_size(const fields_t *f, uint32_t key, const instrument_t *instrument, int64_t *out) noexcept nogil:  # hot
    if read_decimal(f, key, instrument.size_scale, out) != 0:
        return -1
    if instrument.size_mul == 1:
        return 0
    if out[0] >= (<int64_t>1 << 62) // instrument.size_mul:
        return -1
    out[0] *= instrument.size_mul
    return 0


cdef int cut_decimal(const char *p, const char *stop, int scale, int64_t *out) noexcept nogil:  # hot
    """The plain decimal p..stop at a scale; digits beyond it are cut."""
    cdef int64_t value = 0
    cdef int left = -1       # decimals still to come; -1 = before the point
    if p >= stop:
        return -1
    while p < stop:
        if p[0] == c'.' and left < 0:
            left = scale
        elif not c'0' <= p[0] <= c'9' or value > (INT64_MAX - 9) // 10:
            return -1
        elif left != 0:
            value = value * 10 + (p[0] - c'0')
            left -= left > 0
        p += 1
    left = scale if left < 0 else left
    while left > 0:
        if value > (INT64_MAX - 9) // 10:
            return -1
        value *= 10
        left -= 1
    out[0] = value
    return 0


cdef int read_rounded(const fields_t *f, uint32_t key, int scale, int64_t *out) noexcept nogil:  # hot
    if not f.seen >> key & 1 or f.spans[key].start[0] != c'"':
        return -1
    return cut_decimal(f.spans[key].start + 1, f.spans[key].stop - 1, scale, out)


cdef int read_rate(const fields_t *f, uint32_t key, int64_t *out) noexcept nogil:  # hot
    cdef const char *start
    cdef const char *stop
    cdef bint is_negative
    if not f.seen >> key & 1:
        return -1
    start = f.spans[key].start
    stop = f.spans[key].stop
    if start[0] != c'"':
        return -1
    if stop - start == 2:
        out[0] = 0
        return 0
    is_negative = start[1] == c'-'
    if cut_decimal(start + 1 + is_negative, stop - 1, RATE_SCALE, out) != 0:
        return -1
    if is_negative:
        out[0] = -out[0]
    return 0


# ---------------------------------------------------------------- levels

cdef inline const char *read_extras(const char *p, const char *end, int count) noexcept nogil:  # hot
    """What else the venue tells of a level: strings that are skipped, and the ']'. p: behind the size. Returns the place behind
    the level, or NULL."""
    while count > 0:
        p = scan_char(p, end, c',')
        p = scan_char(p, end, c'"') if p != NULL else NULL
        p = scan_string(p, end) if p != NULL else NULL
        if p == NULL:
            return NULL
        p += 1
        count -= 1
    return scan_char(p, end, c']')


cdef const char *read_level(const char *p, const char *end, const level_digits_t *digits, level_t *out) noexcept nogil:  # hot
    """One ["px","size", more...] with white space wherever JSON allows it. Returns the place behind it, or NULL."""
    p = scan_char(p, end, c'[')
    p = scan_char(p, end, c'"') if p != NULL else NULL
    p = scan_decimal(p, end, digits.px_scale, &out.px) if p != NULL else NULL
    p = scan_char(p + 1, end, c',') if p != NULL else NULL
    p = scan_char(p, end, c'"') if p != NULL else NULL
    p = scan_decimal(p, end, digits.size_scale, &out.qty) if p != NULL else NULL
    if p == NULL:
        return NULL
    return read_extras(p + 1, end, digits.extras)


cdef const char *read_levels(parser_t *d, const char *p, const char *end, const instrument_t *instrument, level_t **first,
                             uint32_t *count) noexcept nogil:  # hot
    """The scratch cannot overflow: a level has at least ten bytes, and the size of a frame is bounded."""
    cdef level_t *level = &d.scratch[d.scratch_used]
    cdef level_scales_t scales = scan_level_scales(instrument.px_scale, instrument.size_scale)
    cdef level_digits_t digits = level_digits_t(instrument.px_scale, instrument.size_scale, d.level_extras)
    cdef const char *q
    first[0] = level
    p = scan_space(p + 1, end)
    if p < end and p[0] == c']':
        count[0] = 0
        return p + 1
    while True:
        if end - p < SCAN_LEVEL_REACH:
            q = NULL
        elif digits.extras == 0:
            q = scan_level(p, &scales, &level.px, &level.qty)
        else:
            q = scan_level_extras(p, &scales, &level.px, &level.qty, digits.extras)
        if q == NULL:
            q = read_level(p, end, &digits, level)
            if q == NULL:
                return NULL
        if level.px == 0:
            return NULL
        level += 1
        if q < end and q[0] == c',':
            p = q + 1
            continue
        q = scan_space(q, end)
        if q == end:
            return NULL
        if q[0] == c']':
            break
        if q[0] != c',':
            return NULL
        p = q + 1
    count[0] = <uint32_t>(level - first[0])
    d.scratch_used += count[0]
    if instrument.size_mul != 1 and contracts_to_base(first[0], count[0], instrument.size_mul) != 0:
        return NULL
    return q + 1


cdef int contracts_to_base(level_t *levels, uint32_t count, int64_t size_mul) noexcept nogil:  # hot
    """-1 = a product does not fit 62 bits."""
    cdef int64_t limit = (<int64_t>1 << 62) // size_mul
    cdef uint32_t i
    for i in range(count):
        if levels[i].qty >= limit:
            return -1
        levels[i].qty *= size_mul
    return 0


# ---------------------------------------------------------------- one object

cdef const char *scan_fields(fields_t *f, const char *p, const char *end, key_of_t key_of) noexcept nogil:  # hot
    cdef const char *close
    cdef const char *value
    cdef uint32_t key
    f.seen = 0
    f.end = end
    p = scan_space(p, end)
    if p < end and p[0] == c'}':
        return p + 1
    while True:
        p = scan_char(p, end, c'"')
        close = scan_string(p, end) if p != NULL else NULL
        if close == NULL:
            return NULL
        key = key_of(p, close - p)
        p = scan_char(close + 1, end, c':')
        value = scan_space(p, end) if p != NULL else NULL
        p = scan_value(value, end) if value != NULL and value < end else NULL
        if p == NULL:
            return NULL
        if key != KEY_OTHER:
            if f.seen >> key & 1:
                return NULL
            f.seen |= <uint64_t>1 << key
            f.spans[key].start = value
            f.spans[key].stop = p
        p = scan_space(p, end)
        if p == end:
            return NULL
        if p[0] == c'}':
            return p + 1
        if p[0] != c',':
            return NULL
        p += 1
