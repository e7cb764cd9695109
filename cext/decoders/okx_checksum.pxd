"""The checksum of an OKX book; see okx_checksum.h and okx_checksum.pyx."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cext.book cimport book_t
from cext.decoders.message cimport span_t
from cext.instrument cimport instrument_t

cdef extern from "decoders/okx_checksum.h" nogil:
    enum:
        CHECKSUM_LEVELS
        CHECKSUM_TEXT_BYTES

    ctypedef struct form_t:
        int64_t key
        unsigned char px_decimals
        unsigned char qty_decimals

    ctypedef struct forms_t:
        uint32_t count

    uint32_t crc32_of(const char *text, uint64_t bytes) noexcept
    char *put_decimal_slow(char *out, uint64_t value, uint32_t scale, uint32_t decimals) noexcept
    char *put_decimal(char *out, uint64_t value, uint32_t scale, uint32_t decimals) noexcept
    const form_t *forms_find(const forms_t *forms, int64_t key) noexcept
    void forms_set(forms_t *forms, int64_t key, uint32_t px_decimals, uint32_t qty_decimals) noexcept
    void forms_free(forms_t *forms) noexcept
    int is_shortest(const char *p, const char *stop) noexcept
    int decimal_form(const char *p, const char *stop) noexcept


# Notes how the levels of one array of a message are written; levels: its text, well-formed (read_levels took it). -1 = a form
# that cannot be made again.
cdef int note_forms(forms_t *forms, span_t levels, uint32_t side, const instrument_t *instrument) noexcept nogil
# The text that the checksum is over. out: CHECKSUM_TEXT_BYTES. Returns its size.
cdef uint64_t checksum_text(const book_t *book, const forms_t *forms, const instrument_t *instrument, char *out) noexcept nogil
