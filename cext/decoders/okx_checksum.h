/* What OKX's book checksum is made of: CRC-32 (IEEE 802.3, reflected 0xedb88320, that of zlib), decimals as text, and which
 * levels were not written in the shortest form.
 *
 * A book holds integers, the checksum is over the digits as sent. OKX writes decimals in the shortest form ("30316", never
 * "30316.0"): all 26,544 of the recordings of 2022 are. So digits are made anew from the integers, and a level that was written
 * longer is remembered beside the book (forms_t), by how many decimals it had: empty in every recording, but exact if not. */
#ifndef LOCKSTEP_OKX_CHECKSUM_H
#define LOCKSTEP_OKX_CHECKSUM_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "invariant.h"
#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

#define CHECKSUM_LEVELS 25     /* a side */
#define DECIMAL_TEXT_BYTES 64  /* room that put_decimal asks for; the text has at most 19 digits, a point and 18 more */
#define CHECKSUM_TEXT_BYTES (CHECKSUM_LEVELS * 4 * 39 + DECIMAL_TEXT_BYTES)

/* ---- CRC-32; the running value is kept inverted: start with ~0, end with ~crc */

static inline uint32_t crc32_bytes(uint32_t crc, const uint8_t *p, uint64_t bytes)
{
    static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    while (bytes--) {
        crc ^= *p++;
        crc = (crc >> 4) ^ nibble[crc & 15];
        crc = (crc >> 4) ^ nibble[crc & 15];
    }
    return crc;
}

#if defined(__PCLMUL__) && defined(__SSE4_1__)
/* x moved on by the distance that `by` stands for, plus what lies there. */
static inline __m128i crc32_fold(__m128i x, __m128i by, __m128i next)
{
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11)), next);
}

/* 64 bytes or more, a multiple of 16: folded by carry-less products, then reduced (Gopal et al., "Fast CRC computation for
 * generic polynomials using PCLMULQDQ", 2009; the constants are powers of x modulo the polynomial). */
static inline uint32_t crc32_blocks(uint32_t crc, const uint8_t *p, uint64_t bytes)
{
    const __m128i by_64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4), by_16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const __m128i by_8 = _mm_set_epi64x(0, 0x163cd6124), poly = _mm_set_epi64x(0x1f7011641, 0x1db710641);
    const __m128i low = _mm_setr_epi32(-1, 0, -1, 0);
    const __m128i *at = (const __m128i *)p;
    __m128i a = _mm_xor_si128(_mm_loadu_si128(at), _mm_cvtsi32_si128((int)crc)), b = _mm_loadu_si128(at + 1);
    __m128i c = _mm_loadu_si128(at + 2), d = _mm_loadu_si128(at + 3), part;
    for (at += 4, bytes -= 64; bytes >= 64; at += 4, bytes -= 64) {
        a = crc32_fold(a, by_64, _mm_loadu_si128(at));
        b = crc32_fold(b, by_64, _mm_loadu_si128(at + 1));
        c = crc32_fold(c, by_64, _mm_loadu_si128(at + 2));
        d = crc32_fold(d, by_64, _mm_loadu_si128(at + 3));
    }
    a = crc32_fold(crc32_fold(crc32_fold(a, by_16, b), by_16, c), by_16, d);
    for (; bytes >= 16; at++, bytes -= 16) a = crc32_fold(a, by_16, _mm_loadu_si128(at));
    a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, by_16, 0x10));
    a = _mm_xor_si128(_mm_srli_si128(a, 4), _mm_clmulepi64_si128(_mm_and_si128(a, low), by_8, 0x00));
    part = _mm_and_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low), poly, 0x10), low);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(a, _mm_clmulepi64_si128(part, poly, 0x00)), 1);
}
#endif

static inline uint32_t crc32_of(const char *text, uint64_t bytes)
{
    const uint8_t *p = (const uint8_t *)text;
    uint32_t crc = ~0u;
#if defined(__PCLMUL__) && defined(__SSE4_1__)
    if (bytes >= 64) {
        uint64_t whole = bytes & ~15ull;
        crc = crc32_blocks(crc, p, whole);
        p += whole;
        bytes -= whole;
    }
#endif
    return ~crc32_bytes(crc, p, bytes);
}

/* ---- decimals */

/* value / 10**scale with at least `decimals` decimals (up to 18), no further zeros behind them. out: DECIMAL_TEXT_BYTES. Returns
 * the place behind the text. */
static inline char *put_decimal_slow(char *out, uint64_t value, uint32_t scale, uint32_t decimals)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
                                "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
                                "9899";
    char digits[80]; /* up to 20 digits before `end`; behind it zeros beyond the scale, and what copies of fixed size pick up */
    char *end = digits + 24, *start = end;
    while (value >= 100) {
        uint64_t rest = value / 100;
        memcpy(start -= 2, pairs + 2 * (value - 100 * rest), 2);
        value = rest;
    }
    if (value >= 10) memcpy(start -= 2, pairs + 2 * value, 2);
    else *--start = (char)('0' + value);
    while ((uint32_t)(end - start) <= scale) *--start = '0'; /* one digit stands before the point */
    uint32_t whole = (uint32_t)(end - start) - scale;
    while (scale > decimals && end[-1] == '0') {
        end--;
        scale--;
    }
    while (scale < decimals) { /* zeros beyond the scale */
        *end++ = '0';
        scale++;
    }
    memcpy(out, start, 24); /* of fixed size: what is too much is overwritten by what follows */
    out += whole;
    if (scale == 0) return out;
    *out++ = '.';
    memcpy(out, end - scale, 24);
    return out + scale;
}

#if defined(__SSE4_1__)
/* Eight digits of a value below 10**8, the first one in the lowest byte: halves, quarters and eighths side by side. */
static inline uint64_t eight_digits(uint32_t value)
{
    uint64_t x = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = x * 10486 >> 20 & 0x7f0000007full;
    x = hundreds | (x - hundreds * 100) << 16;
    uint64_t tens = x * 103 >> 10 & 0x000f000f000f000full;
    return tens | (x - tens * 10) << 8;
}

/* The same without a loop and without digits that go through memory, for what fits 16 digits. */
static inline char *put_decimal(char *out, uint64_t value, uint32_t scale, uint32_t decimals)
{
    if (value >= 10000000000000000ull || scale > 15 || decimals > scale) return put_decimal_slow(out, value, scale, decimals);
    const __m128i lane = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    uint64_t high = value < 100000000 ? 0 : eight_digits((uint32_t)(value / 100000000)); /* most prices and sizes have none */
    uint64_t low = eight_digits((uint32_t)(value < 100000000 ? value : value % 100000000));
    __m128i digits = _mm_set_epi64x((int64_t)low, (int64_t)high);
    uint32_t nonzero = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(digits, _mm_setzero_si128())) & 0xffff;
    uint32_t ones = 15 - scale; /* place of the last digit before the point; it is always written */
    uint32_t first = (uint32_t)__builtin_ctz(nonzero | 1u << ones), last = 31 - (uint32_t)__builtin_clz(nonzero | 1u << ones);
    if (last < ones + decimals) last = ones + decimals;
    digits = _mm_or_si128(digits, _mm_set1_epi8('0'));
    _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(digits, _mm_add_epi8(lane, _mm_set1_epi8((char)first))));
    out += ones - first + 1;
    if (last == ones) return out;
    *out++ = '.';
    _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(digits, _mm_add_epi8(lane, _mm_set1_epi8((char)(ones + 1)))));
    return out + (last - ones);
}
#else
static inline char *put_decimal(char *out, uint64_t value, uint32_t scale, uint32_t decimals)
{
    return put_decimal_slow(out, value, scale, decimals);
}
#endif

/* ---- levels that were written longer than need be */

typedef struct {
    int64_t key;          /* price; negative = of a bid */
    uint8_t px_decimals;
    uint8_t qty_decimals;
} form_t;

/* Sorted by key. Empty for a venue that writes the shortest form; then it costs one test a message. */
typedef struct {
    form_t *at;
    uint32_t count;
    uint32_t capacity;
} forms_t;

/* First place whose key is not below `key`. */
static inline uint32_t forms_rank(const forms_t *forms, int64_t key)
{
    uint32_t low = 0, high = forms->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (forms->at[middle].key < key) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* NULL = the level was written in the shortest form. */
static inline const form_t *forms_find(const forms_t *forms, int64_t key)
{
    uint32_t rank = forms_rank(forms, key);
    return rank < forms->count && forms->at[rank].key == key ? &forms->at[rank] : NULL;
}

/* Decimals of 0 and 0 forget the level. Out of memory ends the process, as in a book. */
static inline void forms_set(forms_t *forms, int64_t key, uint32_t px_decimals, uint32_t qty_decimals)
{
    uint32_t rank = forms_rank(forms, key);
    int is_there = rank < forms->count && forms->at[rank].key == key;
    if ((px_decimals | qty_decimals) == 0) {
        if (!is_there) return;
        memmove(&forms->at[rank], &forms->at[rank + 1], (--forms->count - rank) * sizeof *forms->at);
        return;
    }
    if (!is_there) {
        if (forms->count == forms->capacity) {
            forms->capacity = forms->capacity ? forms->capacity * 2 : 64;
            forms->at = (form_t *)realloc(forms->at, forms->capacity * sizeof *forms->at);
            INVARIANT(forms->at != NULL);
        }
        memmove(&forms->at[rank + 1], &forms->at[rank], (forms->count++ - rank) * sizeof *forms->at);
        forms->at[rank].key = key;
    }
    forms->at[rank].px_decimals = (uint8_t)px_decimals;
    forms->at[rank].qty_decimals = (uint8_t)qty_decimals;
}

static inline void forms_free(forms_t *forms)
{
    free(forms->at);
    memset(forms, 0, sizeof *forms);
}

#if defined(__AVX2__)
/* One bit for each of 64 bytes that equals `byte`. */
static inline uint64_t bytes_equal(const char *p, char byte)
{
    const __m256i wanted = _mm256_set1_epi8(byte);
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p), wanted));
    uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + 32)), wanted));
    return (uint64_t)high << 32 | low;
}
#endif

/* 1 = every string of p..stop (numbers in quotes) is in the shortest form: none that has a point ends with 0, none begins with 0
 * and goes on without a point. 0 = one may not be, or this machine cannot tell quickly: the slow way then looks at each. */
static inline int is_shortest(const char *p, const char *stop)
{
#if defined(__AVX2__)
    uint64_t point_before = 0, zero_before = 0, quote_before = 0, lead_before = 0, odd = 0;
    char rest[64] = {0};
    for (; p < stop; p += 64) {
        if (stop - p < 64) {
            memcpy(rest, p, (size_t)(stop - p));
            p = rest; /* the last turn */
            stop = rest + 1;
        }
        uint64_t quotes = bytes_equal(p, '"'), zeros = bytes_equal(p, '0'), points = bytes_equal(p, '.');
        /* a point carries through what is no quote, and falls into the quote that closes its string */
        uint64_t sum, carried;
        int beyond = __builtin_add_overflow(~quotes, points, &sum);
        beyond |= __builtin_add_overflow(sum, point_before, &carried);
        odd |= carried & quotes & (zeros << 1 | zero_before);
        uint64_t leads = (quotes << 1 | quote_before) & zeros;
        odd |= (leads << 1 | lead_before) & ~(quotes | points);
        point_before = (uint64_t)beyond;
        zero_before = zeros >> 63;
        quote_before = quotes >> 63;
        lead_before = leads >> 63;
    }
    return odd == 0;
#else
    (void)p;
    (void)stop;
    return 0;
#endif
}

/* How a decimal p..stop was written: 0 = in the shortest form, else its decimals; -1 = a form that no number has (leading zeros),
 * or one with more decimals than can be kept. A point is never last (scan.h). */
static inline int decimal_form(const char *p, const char *stop)
{
    const char *point;
    if (stop - p > 1 && p[0] == '0' && p[1] != '.') return -1;
    if (stop[-1] != '0') return 0;
    point = (const char *)memchr(p, '.', (size_t)(stop - p));
    if (point == NULL) return 0;
    return stop - point - 1 <= 18 ? (int)(stop - point - 1) : -1;
}
#endif
