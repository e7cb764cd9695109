"""JSON in place; see scan.h. Every function returns the place behind (a quote: of) what it read, or NULL."""
from libc.stdint cimport int64_t, uint64_t

cdef extern from "scan.h" nogil:
    enum:
        SCAN_DEPTH_MAX
        SCAN_SCALE_MAX
    const int64_t SCAN_VALUE_LIMIT
    const char *scan_space(const char *p, const char *end) noexcept
    const char *scan_char(const char *p, const char *end, char wanted) noexcept
    const char *scan_string(const char *p, const char *end) noexcept
    const char *scan_scalar(const char *p, const char *end) noexcept
    const char *scan_nested(const char *p, const char *end) noexcept
    const char *scan_value(const char *p, const char *end) noexcept
    const char *scan_u64(const char *p, const char *end, uint64_t *out) noexcept
    const char *scan_decimal(const char *p, const char *end, int scale, int64_t *out) noexcept
    const char *scan_decimal_slow(const char *p, const char *end, int scale, int64_t *out) noexcept
