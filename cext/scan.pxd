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

cdef extern from "scan_level.h" nogil:
    enum:
        SCAN_LEVEL_REACH
    ctypedef struct level_scales_t:
        pass
    level_scales_t scan_level_scales(int px_scale, int qty_scale) noexcept
    const char *scan_level_extras(const char *p, const level_scales_t *scales, int64_t *px, int64_t *qty, int extras) noexcept
    const char *scan_level(const char *p, const level_scales_t *scales, int64_t *px, int64_t *qty) noexcept
