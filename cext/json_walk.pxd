"""Walking JSON in place; see json_walk.h."""
from libc.stdint cimport int64_t

cdef extern from "json_walk.h" nogil:
    const int JSON_NONE
    const int JSON_STRING
    const int JSON_NUMBER
    const int JSON_OBJECT
    const int JSON_ARRAY
    const int JSON_LITERAL
    ctypedef struct json_span_t:
        const char *at
        const char *end
        int kind
    ctypedef struct json_cursor_t:
        pass
    const char *json_value(const char *p, const char *end, json_span_t *value) noexcept
    const char *json_space(const char *p, const char *end) noexcept
    void json_open(json_cursor_t *cursor, const json_span_t *container) noexcept
    int json_next_member(json_cursor_t *cursor, json_span_t *key, json_span_t *value) noexcept
    int json_next_element(json_cursor_t *cursor, json_span_t *value) noexcept
    bint json_is(const json_span_t *span, const char *text) noexcept
    bint json_starts(const json_span_t *span, const char *text) noexcept
    bint json_int(const json_span_t *span, int64_t *out) noexcept
    bint json_scaled(const json_span_t *span, int scale, int64_t *out) noexcept
