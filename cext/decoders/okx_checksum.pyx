"""The checksum of an OKX book: CRC-32 of bid px:bid size:ask px:ask size:... over the best 25 levels a side, the digits as sent,
as a signed 32-bit number. A side that is shorter is left out where it ends.

OKX sends 0, "not provided", since 2026-06; recordings of earlier years have real ones, and are verified message by message.
Called only for those: what is sent today costs nothing. Source: OKX v5 documentation, "order book channel", as it stood in
2022."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from cext.book cimport book_walk
from cext.instrument cimport instrument_t
from cext.layout cimport SIDE_BUY, SIDE_SELL, level_t
from cext.scan cimport scan_char, scan_decimal, scan_space, scan_string


cdef const char *behind_strings(const char *p, const char *stop) noexcept nogil:  # hot
    p = scan_space(p, stop)
    while p[0] == c',':
        p = scan_space(scan_string(scan_char(p + 1, stop, c'"'), stop) + 1, stop)
    return scan_space(p + 1, stop)


cdef inline const char *behind_level(const char *p, const char *stop) noexcept nogil:  # hot
    """p: behind the size of a well-formed level. Returns the place of what follows the level."""
    cdef const char *start = p
    if stop - p > 8 and memcmp(p, b',"0","', 6) == 0:
        p += 6
        while c'0' <= p[0] <= c'9':
            p += 1
        if p[0] == c'"' and p[1] == c']':
            return scan_space(p + 2, stop)
    return behind_strings(start, stop)


cdef int note_forms(forms_t *forms, span_t levels, uint32_t side, const instrument_t *instrument) noexcept nogil:  # hot
    cdef const char *p = scan_space(levels.start + 1, levels.stop)
    cdef const char *px_text
    cdef const char *qty_text
    cdef const char *px_stop
    cdef const char *qty_stop
    cdef int64_t px = 0
    cdef int64_t qty = 0
    cdef int px_form
    cdef int qty_form
    if forms.count == 0 and is_shortest(levels.start, levels.stop):
        return 0
    while p < levels.stop and p[0] == c'[':
        px_text = scan_char(p + 1, levels.stop, c'"')
        px_stop = scan_string(px_text, levels.stop)
        qty_text = scan_char(scan_char(px_stop + 1, levels.stop, c','), levels.stop, c'"')
        qty_stop = scan_string(qty_text, levels.stop)
        px_form = decimal_form(px_text, px_stop)
        qty_form = decimal_form(qty_text, qty_stop)
        if px_form < 0 or qty_form < 0:
            return -1
        if px_form | qty_form or forms.count > 0:
            if (scan_decimal(px_text, levels.stop, instrument.px_scale, &px) == NULL
                    or scan_decimal(qty_text, levels.stop, instrument.size_scale, &qty) == NULL):
                return -1
            if qty == 0:
                px_form = qty_form = 0       # the level is gone
            forms_set(forms, px if side == SIDE_SELL else -px, px_form, qty_form)
        p = behind_level(qty_stop + 1, levels.stop)
        if p[0] == c',':
            p = scan_space(p + 1, levels.stop)
    return 0


cdef inline char *put_level(char *out, const level_t *level, uint32_t side, const forms_t *forms,
                            const instrument_t *instrument) noexcept nogil:  # hot
    cdef const form_t *form = NULL
    cdef int64_t size = level.qty
    if instrument.size_mul != 1:
        size //= instrument.size_mul         # exact: it was made by this product
    if forms.count > 0:
        form = forms_find(forms, level.px if side == SIDE_SELL else -level.px)
    out = put_decimal(out, level.px, instrument.px_scale, form.px_decimals if form != NULL else 0)
    out[0] = c':'
    out = put_decimal(out + 1, size, instrument.size_scale, form.qty_decimals if form != NULL else 0)
    out[0] = c':'
    return out + 1


cdef uint64_t checksum_text(const book_t *book, const forms_t *forms, const instrument_t *instrument,
                            char *out) noexcept nogil:  # hot
    cdef level_t bids[CHECKSUM_LEVELS]
    cdef level_t asks[CHECKSUM_LEVELS]
    cdef uint32_t bid_count = book_walk(book, SIDE_BUY, 0, bids, CHECKSUM_LEVELS)
    cdef uint32_t ask_count = book_walk(book, SIDE_SELL, 0, asks, CHECKSUM_LEVELS)
    cdef uint32_t count = bid_count if bid_count > ask_count else ask_count
    cdef char *p = out
    cdef uint32_t i
    for i in range(count):
        if i < bid_count:
            p = put_level(p, &bids[i], SIDE_BUY, forms, instrument)
        if i < ask_count:
            p = put_level(p, &asks[i], SIDE_SELL, forms, instrument)
    return p - out - 1 if p > out else 0


# ---------------------------------------------------------------- for tests

def shortest(bytes text) -> bool:
    """Whether every string of this text is known to be in the shortest form."""
    cdef const char *start = text
    return is_shortest(start, start + len(text)) != 0


def crc32(bytes text) -> int:
    """CRC-32 of these bytes."""
    return crc32_of(text, len(text))


def decimal_text(uint64_t value, uint32_t scale, uint32_t decimals=0, bint slow=False) -> str:
    """value / 10**scale, at least so many decimals."""
    cdef char room[64]
    cdef char *stop
    if value >= <uint64_t>1 << 62 or scale > 18 or decimals > 18:
        raise ValueError(f"{value} at scale {scale} with {decimals} decimals: values have 62 bits, scales up to 18")
    stop = put_decimal_slow(room, value, scale, decimals) if slow else put_decimal(room, value, scale, decimals)
    return room[:stop - room].decode()
