/* JSON in place: leaves that look at [p, end) and never past it. Nothing is copied, allocated or remembered.
 *
 * Each scan_ function is given the place where its thing starts and returns the place right behind what it has read, or NULL when
 * the bytes are not that thing: the caller then refuses the whole message. Callers: cext/decoders (market data, orders).
 *
 * A decimal is ASCII digits with at most one point ("61659.70"); it becomes an exact int64 at a scale. Trailing zeros are no
 * digits; a digit beyond the scale, a sign, an exponent, NaN, no digit at all, or a value of 2**62 and more is an error, never
 * rounded. */
#ifndef LOCKSTEP_SCAN_H
#define LOCKSTEP_SCAN_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

#define SCAN_DEPTH_MAX 64                /* nesting of values that are skipped; Binance uses 4 */
#define SCAN_VALUE_LIMIT (1ll << 62)     /* prices and sizes stay below, so that a difference of two cannot overflow */
#define SCAN_SCALE_MAX 18

static inline const char *scan_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* One given character after optional white space. */
static inline const char *scan_char(const char *p, const char *end, char wanted)
{
    if (__builtin_expect(p < end && *p == wanted, 1)) return p + 1;
    p = scan_space(p, end);
    return p < end && *p == wanted ? p + 1 : NULL;
}

static inline const char *scan_string_slow(const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p == '"') return p;
        if ((unsigned char)*p < 0x20) return NULL; /* control bytes, NUL among them, are not JSON */
        if (*p == '\\' && ++p == end) return NULL;
    }
    return NULL;
}

/* p: behind the opening quote. Returns the place OF the closing quote. Escapes are stepped over, not decoded. */
static inline const char *scan_string(const char *p, const char *end)
{
#if defined(__SSE4_1__)
    while (end - p >= 16) {
        __m128i text = _mm_loadu_si128((const __m128i *)p);
        __m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(text, _mm_set1_epi8('"')),
                                                 _mm_cmpeq_epi8(text, _mm_set1_epi8('\\'))),
                                    _mm_cmpeq_epi8(_mm_min_epu8(text, _mm_set1_epi8(0x1f)), text));
        unsigned found = (unsigned)_mm_movemask_epi8(stop);
        if (found) {
            p += __builtin_ctz(found);
            return *p == '"' ? p : scan_string_slow(p, end);
        }
        p += 16;
    }
#endif
    return scan_string_slow(p, end);
}

/* p: first character of a number, true, false or null. Returns the place behind it. The form is not checked: the value is not
   used. */
static inline const char *scan_scalar(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || *p == '-' || *p == '+' || *p == '.'
                       || *p == 'E')) p++;
    return p == start ? NULL : p;
}

/* p: the '{' or '['. Brackets are matched by kind; commas and colons inside are not looked at: the value is not used. */
static inline const char *scan_nested(const char *p, const char *end)
{
    uint64_t is_object = 0; /* one bit a level */
    int depth = 0;
    for (; p < end; p++) {
        if (*p == '"') {
            p = scan_string(p + 1, end);
            if (p == NULL) return NULL;
        } else if (*p == '{' || *p == '[') {
            if (depth == SCAN_DEPTH_MAX) return NULL;
            is_object = (is_object & ~(1ull << depth)) | ((uint64_t)(*p == '{') << depth);
            depth++;
        } else if (*p == '}' || *p == ']') {
            depth--;
            if (((is_object >> depth) & 1) != (*p == '}')) return NULL;
            if (depth == 0) return p + 1;
        } else if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\r' && *p != '\t') {
            return NULL;
        }
    }
    return NULL;
}

/* p: first character of any value. Returns the place behind it. */
static inline const char *scan_value(const char *p, const char *end)
{
    if (p >= end) return NULL;
    if (*p == '"') {
        p = scan_string(p + 1, end);
        return p == NULL ? NULL : p + 1;
    }
    if (*p == '{' || *p == '[') return scan_nested(p, end);
    return scan_scalar(p, end);
}

/* A JSON integer without sign, at most 2**63 - 9: update ids, times. Leading zeros, fractions and exponents are refused. */
static inline const char *scan_u64(const char *p, const char *end, uint64_t *out)
{
    const char *start = p;
    uint64_t value = 0;
    while (p < end && (unsigned char)(*p - '0') <= 9) {
        if (value > (INT64_MAX - 9) / 10) return NULL;
        value = value * 10 + (uint64_t)(*p++ - '0');
    }
    if (p == start || (*start == '0' && p - start > 1)) return NULL;
    if (p < end && (*p == '.' || *p == 'e' || *p == 'E')) return NULL;
    *out = value;
    return p;
}

/* Byte by byte: the judge of the fast way, and the way for long or malformed text. p: first digit. Returns the place OF the
   quote. */
static inline const char *scan_decimal_slow(const char *p, const char *end, int scale, int64_t *out)
{
    const char *start = p;
    int64_t value = 0;
    int fraction = -1; /* digits after the point that count; -1 = no point yet */
    for (; p < end && *p != '"'; p++) {
        int digit = *p - '0';
        if (*p == '.' && fraction < 0 && p > start) {
            fraction = 0;
            continue;
        }
        if (digit < 0 || digit > 9) return NULL;
        if (fraction == scale) {
            if (digit) return NULL; /* more digits than the scale has */
            continue;
        }
        if (value > (SCAN_VALUE_LIMIT - 1 - digit) / 10) return NULL;
        value = value * 10 + digit;
        if (fraction >= 0) fraction++;
    }
    if (p == end || p == start || p[-1] == '.') return NULL;
    for (int i = fraction < 0 ? 0 : fraction; i < scale; i++) {
        if (value > (SCAN_VALUE_LIMIT - 1) / 10) return NULL;
        value *= 10;
    }
    *out = value;
    return p;
}

#if defined(__SSE4_1__)
/* Up to 15 characters at once, any length without a branch that depends on it. Reads 16 bytes at p: the caller has checked that
 * they exist. Returns NULL when the text has another shape: the slow way then decides. Digits are moved so that lane 15 holds the
 * last one of the scale; lanes that the text does not fill become 0; then pairs, fours and eights are summed. */
static inline const char *scan_decimal_16(const char *p, int scale, int64_t *out)
{
    const __m128i lane = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m128i digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
    __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits);
    uint32_t others = ~(uint32_t)_mm_movemask_epi8(is_digit) & 0xffff;
    int point = __builtin_ctz(others | 0x10000);
    int close = point;
    if (point + scale > 15) return NULL;
    if (p[point] == '.') {
        close = __builtin_ctz((others & (others - 1)) | 0x10000);
        if (close == 16 || close == point + 1) return NULL;
    }
    if (p[close] != '"' || point == 0) return NULL;
    digits = _mm_and_si128(digits, _mm_cmpgt_epi8(_mm_set1_epi8((char)close), lane));
    uint32_t nonzero = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(digits, _mm_setzero_si128())) & 0xffff;
    if (nonzero >> point >> (scale + 1)) return NULL; /* a digit beyond the scale */
    /* lane j takes character j + point + scale - 16, one further when it lies behind the point; negative = 0 */
    __m128i from = _mm_add_epi8(_mm_sub_epi8(lane, _mm_cmpgt_epi8(lane, _mm_set1_epi8((char)(15 - scale)))),
                                _mm_set1_epi8((char)(point + scale - 16)));
    digits = _mm_shuffle_epi8(digits, from);
    __m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));
    __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
    __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    *out = (int64_t)((both & 0xffffffffu) * 100000000u + (both >> 32));
    return p + close;
}
#endif

/* p: first character behind the opening quote. Returns the place OF the closing quote. scale: 0..18. */
static inline const char *scan_decimal(const char *p, const char *end, int scale, int64_t *out)
{
#if defined(__SSE4_1__)
    if (__builtin_expect(end - p >= 16, 1)) {
        const char *close = scan_decimal_16(p, scale, out);
        if (__builtin_expect(close != NULL, 1)) return close;
    }
#endif
    return scan_decimal_slow(p, end, scale, out);
}
#endif
