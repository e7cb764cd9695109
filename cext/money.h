/* Exact money: products of prices, sizes and rates in 128 bits, rounded in a direction that the caller names.
 *
 * Amounts are quote or base units * 1e8 ("e8"). Rounding is against us: what we owe is rounded up, what we get is rounded
 * down. A result beyond int64 saturates at MONEY_MAX, which every limit refuses. */
#ifndef LOCKSTEP_MONEY_H
#define LOCKSTEP_MONEY_H
#include <stdint.h>

typedef __int128 int128_t;
#define MONEY_MAX 0x3fffffffffffffffll
#define MONEY_E8 100000000ll

static inline int64_t money_clip(int128_t value)
{
    return value > MONEY_MAX ? MONEY_MAX : value < -MONEY_MAX ? -MONEY_MAX : (int64_t)value;
}

/* floor(a / b), b > 0. */
static inline int128_t floor_div(int128_t a, int64_t b)
{
    if (__builtin_expect(a >= 0 && a <= INT64_MAX, 1)) return (int64_t)a / b;
    int128_t q = a / b;
    return q * b > a ? q - 1 : q;
}

/* ceil(a / b), b > 0. */
static inline int128_t ceil_div(int128_t a, int64_t b)
{
    if (__builtin_expect(a >= 0 && a <= INT64_MAX - b, 1)) return ((int64_t)a + b - 1) / b;
    int128_t q = a / b;
    return q * b < a ? q + 1 : q;
}

/* px * qty as e8, rounded up; mul and div bring the instrument's px*qty scale to e8, one of them is 1. All >= 0. */
static inline int64_t notional_e8_ceil(int64_t px, int64_t qty, int64_t mul, int64_t div)
{
    int128_t product = (int128_t)px * qty;
    return money_clip(div == 1 ? product * mul : ceil_div(product, div));
}

/* amount * rate / 1e8, rounded up; both >= 0. Splits so that 64 bits are enough for every amount below MONEY_MAX and rate <=
   1e8. */
static inline int64_t rate_ceil(int64_t amount_e8, int64_t rate_e8)
{
    return amount_e8 / MONEY_E8 * rate_e8 + (amount_e8 % MONEY_E8 * rate_e8 + MONEY_E8 - 1) / MONEY_E8;
}

/* amount * ratio rounded down; ratio in units of 2**-60, amount < 2**62. */
static inline int64_t times_q60(int64_t amount, int64_t ratio_q60) { return (int64_t)(((int128_t)amount * ratio_q60) >> 60); }

/* a * b >= c * d without overflow. */
static inline int is_product_ge(int64_t a, int64_t b, int64_t c, int64_t d) { return (int128_t)a * b >= (int128_t)c * d; }
static inline int is_product_gt(int64_t a, int64_t b, int64_t c, int64_t d) { return (int128_t)a * b > (int128_t)c * d; }
#endif
