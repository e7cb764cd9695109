/* ["px","qty"] in one go, or with more strings behind them that are skipped (OKX has two): the innermost step of every depth
 * message.
 *
 * The four quotes are found at once, so that where the next level begins depends on nothing else and the work on one level
 * overlaps with the next; price and quantity are converted side by side in the two halves of one register: 9 ns a level, 11 with
 * two calls of scan_decimal (docs/decisions/book.md). Machines without AVX-512 use those two calls. Same bytes, same result:
 * tests/unit/cext/test_scan.py. */
#ifndef LOCKSTEP_SCAN_LEVEL_H
#define LOCKSTEP_SCAN_LEVEL_H
#include "scan.h"

#define SCAN_LEVEL_REACH 80 /* bytes that must exist from the '[' on */

/* Scales of one instrument, prepared once for a message. */
typedef struct {
    int px_scale;
    int qty_scale;
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    /* by lane: how far its digit lies from the first one, for a point at place 16 - scale; low half px, high half qty */
    __m256i from;
#endif
} level_scales_t;

#if defined(__AVX512BW__) && defined(__AVX512VL__)
static inline level_scales_t scan_level_scales(int px_scale, int qty_scale)
{
    const __m256i lane = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    __m256i last = _mm256_set_m128i(_mm_set1_epi8((char)(15 - qty_scale)), _mm_set1_epi8((char)(15 - px_scale)));
    __m256i shift = _mm256_set_m128i(_mm_set1_epi8((char)(qty_scale - 16)), _mm_set1_epi8((char)(px_scale - 16)));
    /* one further behind the point */
    level_scales_t scales = {px_scale, qty_scale, _mm256_add_epi8(_mm256_sub_epi8(lane, _mm256_cmpgt_epi8(lane, last)), shift)};
    return scales;
}

/* p: the '['; extras: strings behind the quantity. Returns the place behind the ']', or NULL when the text has another shape, or
 * 64 bytes do not hold it: the slow way then decides. */
static inline const char *scan_level_extras(const char *p, const level_scales_t *scales, int64_t *px, int64_t *qty, int extras)
{
    __m512i all = _mm512_loadu_si512((const void *)p);
    uint64_t quotes = _mm512_cmpeq_epi8_mask(all, _mm512_set1_epi8('"'));
    /* 2nd and 4th quote, 64 = none */
    uint64_t px_end = _tzcnt_u64(_pdep_u64(2, quotes)), qty_end = _tzcnt_u64(_pdep_u64(8, quotes));
    uint32_t px_size = (uint32_t)px_end - 2, qty_size = (uint32_t)qty_end - (uint32_t)px_end - 3;
    uint32_t around[3];
    /* 1..15 characters each: so both quotes exist, too */
    if (__builtin_expect(((px_size - 1) | (qty_size - 1)) > 14, 0)) return NULL;
    memcpy(&around[0], p, 4);
    memcpy(&around[1], p + px_end, 4);
    uint64_t last = qty_end;
    for (int i = 0; i < extras; i++) {
        uint32_t between;
        memcpy(&between, p + last, 4);
        if ((between ^ 0x222c22) & 0xffffff) return NULL; /* "," */
        last = _tzcnt_u64(_pdep_u64(32ull << 2 * i, quotes));
        if (last == 64) return NULL;
    }
    if (extras) { /* escapes and control bytes */
        uint64_t odd = _mm512_cmpeq_epi8_mask(all, _mm512_set1_epi8('\\')) | _mm512_cmplt_epu8_mask(all, _mm512_set1_epi8(0x20));
        if (_bzhi_u64(odd, (uint32_t)last) >> qty_end) return NULL;
    }
    memcpy(&around[2], p + last, 4);
    uint32_t wrong = (around[0] ^ 0x225b) & 0xffff; /* [" */
    wrong |= (around[1] ^ 0x222c22) & 0xffffff;     /* "," */
    wrong |= (around[2] ^ 0x5d22) & 0xffff;         /* "] */
    __m256i text = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(p + 2))),
                                           _mm_loadu_si128((const __m128i *)(p + px_end + 3)), 1);
    __mmask32 inside = _bzhi_u32(0xffff, px_size) | _bzhi_u32(0xffff, qty_size) << 16;
    __m256i digits = _mm256_maskz_sub_epi8(inside, text, _mm256_set1_epi8('0'));
    uint32_t points = _mm256_cmpgt_epu8_mask(digits, _mm256_set1_epi8(9));
    uint32_t nonzero = _mm256_test_epi8_mask(digits, digits);
    wrong |= points ^ _mm256_mask_cmpeq_epi8_mask(inside, text, _mm256_set1_epi8('.'));          /* neither digit nor point */
    /* a point at the first or last place */
    wrong |= points & (0x10001 | (inside ^ (inside >> 1 & 0x7fff7fff)));
    wrong |= _blsr_u32(points & 0xffff) | _blsr_u32(points >> 16);                               /* two points */
    uint32_t px_point = _tzcnt_u32(points | 1u << px_size), qty_point = _tzcnt_u32(points >> 16 | 1u << qty_size);
    /* more than 15 digits */
    wrong |= ((px_point + (uint32_t)scales->px_scale) | (qty_point + (uint32_t)scales->qty_scale)) & ~15u;
    wrong |= (nonzero & 0xffff) >> px_point >> (scales->px_scale + 1);                           /* digits beyond the scale */
    wrong |= nonzero >> 16 >> qty_point >> (scales->qty_scale + 1);
    if (__builtin_expect(wrong, 0)) return NULL;
    __m256i shift = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi8((char)px_point)), _mm_set1_epi8((char)qty_point),
                                            1);
    digits = _mm256_shuffle_epi8(digits, _mm256_add_epi8(scales->from, shift));
    __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
    __m256i eights = _mm256_madd_epi16(_mm256_packus_epi32(fours, fours), _mm256_set1_epi32(0x00012710));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(eights));
    *px = (int64_t)((both & 0xffffffffu) * 100000000u + (both >> 32));
    both = (uint64_t)_mm_cvtsi128_si64(_mm256_extracti128_si256(eights, 1));
    *qty = (int64_t)((both & 0xffffffffu) * 100000000u + (both >> 32));
    return p + last + 2;
}
#else
static inline level_scales_t scan_level_scales(int px_scale, int qty_scale)
{
    level_scales_t scales = {px_scale, qty_scale};
    return scales;
}

/* As above, within SCAN_LEVEL_REACH bytes. */
static inline const char *scan_level_extras(const char *p, const level_scales_t *scales, int64_t *px, int64_t *qty, int extras)
{
    const char *end = p + SCAN_LEVEL_REACH, *close;
    if (p[0] != '[' || p[1] != '"') return NULL;
    close = scan_decimal(p + 2, end, scales->px_scale, px);
    if (close == NULL || end - close < 4 || close[1] != ',' || close[2] != '"') return NULL;
    close = scan_decimal(close + 3, end, scales->qty_scale, qty);
    for (int i = 0; i < extras && close != NULL; i++) {
        if (end - close < 4 || close[1] != ',' || close[2] != '"') return NULL;
        close = scan_string(close + 3, end);
    }
    return close == NULL || end - close < 2 || close[1] != ']' ? NULL : close + 2;
}
#endif

/* The usual level: price and quantity, nothing else. */
static inline const char *scan_level(const char *p, const level_scales_t *scales, int64_t *px, int64_t *qty)
{
    return scan_level_extras(p, scales, px, qty, 0);
}
#endif
