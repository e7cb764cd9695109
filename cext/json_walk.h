/* Walking JSON in place: members of an object, elements of an array, spans of values. No copies, no allocation, total: any bytes
 * give either a value or "malformed", and nothing outside [p, end) is read. Used where fields come in any order and number (order
 * replies, user streams); market data has its own, faster scanner.
 *
 * Not a validator: numbers and literals are taken as spans and judged by whoever reads them. */
#ifndef LOCKSTEP_JSON_WALK_H
#define LOCKSTEP_JSON_WALK_H
#include <stdint.h>
#include <string.h>

#define JSON_DEPTH_MAX 64

#define JSON_NONE 0
#define JSON_STRING 1 /* span without the quotes, escapes not resolved */
#define JSON_NUMBER 2
#define JSON_OBJECT 3
#define JSON_ARRAY 4
#define JSON_LITERAL 5 /* true, false, null */

typedef struct {
    const char *at;
    const char *end;
    int kind; /* JSON_* */
} json_span_t;

static inline const char *json_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* High bit set in the lowest byte of `word` that equals `byte` (bits above it mean nothing). */
static inline uint64_t json_byte_mask(uint64_t word, uint8_t byte)
{
    uint64_t x = word ^ (0x0101010101010101ull * byte);
    return (x - 0x0101010101010101ull) & ~x & 0x8080808080808080ull;
}

/* p is behind the opening quote. Returns the closing quote, or NULL. Eight bytes at a step: strings are most of a frame. */
static inline const char *json_string_end(const char *p, const char *end)
{
    for (;;) {
        while (end - p >= 8) {
            uint64_t word, found;
            memcpy(&word, p, 8); /* little-endian, as every machine that we build for */
            found = json_byte_mask(word, '"') | json_byte_mask(word, '\\');
            if (found) {
                p += __builtin_ctzll(found) >> 3;
                break;
            }
            p += 8;
        }
        while (p < end && *p != '"' && *p != '\\') p++;
        if (p >= end) return NULL;
        if (*p == '"') return p;
        p += 2; /* an escape: whatever follows the backslash belongs to the string */
        if (p > end) return NULL;
    }
}

/* p is at an opening bracket. Returns the place behind its closing one, or NULL. */
static inline const char *json_skip_nested(const char *p, const char *end)
{
    uint64_t is_object = 0; /* one bit a level */
    int depth = 0;
    for (; p < end; p++) {
        char c = *p;
        if (c == '"') {
            p = json_string_end(p + 1, end);
            if (p == NULL) return NULL;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) return NULL;
            is_object = is_object << 1 | (c == '{');
        } else if (c == '}' || c == ']') {
            if ((is_object & 1) != (c == '}')) return NULL;
            is_object >>= 1;
            if (--depth == 0) return p + 1;
        }
    }
    return NULL;
}

/* Takes the value at p (after white space). Returns the place behind it, or NULL. */
static inline const char *json_value(const char *p, const char *end, json_span_t *value)
{
    p = json_space(p, end);
    if (p >= end) return NULL;
    const char *behind;
    value->at = p;
    if (*p == '"') {
        value->at = p + 1;
        value->kind = JSON_STRING;
        value->end = json_string_end(p + 1, end);
        return value->end == NULL ? NULL : value->end + 1;
    }
    if (*p == '{' || *p == '[') {
        value->kind = *p == '{' ? JSON_OBJECT : JSON_ARRAY;
        behind = json_skip_nested(p, end);
        value->end = behind;
        return behind;
    }
    value->kind = (*p == '-' || (*p >= '0' && *p <= '9')) ? JSON_NUMBER : JSON_LITERAL;
    for (behind = p; behind < end; behind++) {
        char c = *behind;
        if (c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t') break;
        if (!(c == '-' || c == '+' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E')) return NULL;
    }
    value->end = behind;
    return behind > p ? behind : NULL;
}

/* A place inside an object or array span: start with json_open. */
typedef struct {
    const char *p;
    const char *end;
    int is_first;
} json_cursor_t;

static inline void json_open(json_cursor_t *cursor, const json_span_t *container)
{
    cursor->p = container->at + 1; /* behind the bracket */
    cursor->end = container->end;
    cursor->is_first = 1;
}

/* 1 = a value follows at cursor->p, 0 = the container ended, -1 = malformed. */
static inline int json_more(json_cursor_t *cursor, char closing)
{
    cursor->p = json_space(cursor->p, cursor->end);
    if (cursor->p >= cursor->end) return -1;
    if (*cursor->p == closing) return 0;
    if (!cursor->is_first) {
        if (*cursor->p != ',') return -1;
        cursor->p++;
    }
    cursor->is_first = 0;
    return 1;
}

/* 1 = a member was read, 0 = end of the object, -1 = malformed. */
static inline int json_next_member(json_cursor_t *cursor, json_span_t *key, json_span_t *value)
{
    int more = json_more(cursor, '}');
    if (more != 1) return more;
    const char *p = json_value(cursor->p, cursor->end, key);
    if (p == NULL || key->kind != JSON_STRING) return -1;
    p = json_space(p, cursor->end);
    if (p >= cursor->end || *p != ':') return -1;
    p = json_value(p + 1, cursor->end, value);
    if (p == NULL) return -1;
    cursor->p = p;
    return 1;
}

/* 1 = an element was read, 0 = end of the array, -1 = malformed. */
static inline int json_next_element(json_cursor_t *cursor, json_span_t *value)
{
    int more = json_more(cursor, ']');
    if (more != 1) return more;
    const char *p = json_value(cursor->p, cursor->end, value);
    if (p == NULL) return -1;
    cursor->p = p;
    return 1;
}

static inline int json_is(const json_span_t *span, const char *text)
{
    size_t bytes = strlen(text); /* constant at every call: folded */
    return (size_t)(span->end - span->at) == bytes && memcmp(span->at, text, bytes) == 0;
}

static inline int json_starts(const json_span_t *span, const char *text)
{
    size_t bytes = strlen(text);
    return (size_t)(span->end - span->at) >= bytes && memcmp(span->at, text, bytes) == 0;
}

/* Integer of a number or of a string of digits. 1, or 0 when it is none or does not fit. */
static inline int json_int(const json_span_t *span, int64_t *out)
{
    const char *p = span->at;
    int is_negative = 0;
    uint64_t value = 0;
    if (span->kind != JSON_NUMBER && span->kind != JSON_STRING) return 0;
    if (p < span->end && *p == '-') is_negative = 1, p++;
    if (p >= span->end || span->end - p > 19) return 0;
    for (; p < span->end; p++) {
        if (*p < '0' || *p > '9') return 0;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (value > (uint64_t)INT64_MAX) return 0;
    *out = is_negative ? -(int64_t)value : (int64_t)value;
    return 1;
}

/* Unsigned decimal -> value * 10**scale, exact. 1, or 0: not a decimal, more digits than the scale, too large. "1.50" has one
   decimal. */
static inline int json_scaled(const json_span_t *span, int scale, int64_t *out)
{
    const char *p = span->at;
    const int64_t limit = INT64_MAX / 10 - 1;
    int64_t value = 0;
    int digits = 0, decimals = 0;
    if (span->kind != JSON_STRING && span->kind != JSON_NUMBER) return 0;
    for (; p < span->end && *p >= '0' && *p <= '9'; p++, digits++) {
        if (value > limit) return 0;
        value = value * 10 + (*p - '0');
    }
    if (p < span->end && *p == '.') {
        for (p++; p < span->end && *p >= '0' && *p <= '9'; p++, digits++) {
            if (decimals == scale) {
                if (*p != '0') return 0;
                continue;
            }
            if (value > limit) return 0;
            value = value * 10 + (*p - '0');
            decimals++;
        }
    }
    if (p != span->end || digits == 0) return 0;
    for (; decimals < scale; decimals++) {
        if (value > limit) return 0;
        value *= 10;
    }
    *out = value;
    return 1;
}
#endif
