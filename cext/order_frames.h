/* Leaves of every order encoder: constant text, scaled integers as decimals, millisecond stamps. Each returns the end of
 * what it wrote.
 *
 * copy_text writes whole 32-byte blocks: up to 31 bytes of rubbish land behind the end and are overwritten by the next part. So a
 * buffer needs FRAME_SLACK bytes behind the longest frame; encoders check lengths once, when a template is made. */
#ifndef LOCKSTEP_ORDER_FRAMES_H
#define LOCKSTEP_ORDER_FRAMES_H
#include <stdint.h>
#include <string.h>

#define FRAME_HEAD_ROOM 16 /* in front of the frame: picows writes the websocket header there, 14 bytes at most */
#define FRAME_CAPACITY 1024
#define FRAME_SLACK 32
#define FRAME_BUFFER_BYTES (FRAME_HEAD_ROOM + FRAME_CAPACITY + FRAME_SLACK)
#define TEXT_CAPACITY 256

/* Constant text of a frame. */
typedef struct {
    char text[TEXT_CAPACITY]; /* zero behind `bytes` */
    uint32_t bytes;           /* <= TEXT_CAPACITY */
    uint32_t pad0[7];
} text_t;

static inline char *copy_text(char *to, const text_t *from)
{
    uint32_t bytes = from->bytes;
    for (uint32_t i = 0; i < bytes; i += 32) memcpy(to + i, from->text + i, 32);
    return to + bytes;
}

static inline char *copy_client_id(char *to, const uint8_t *client_id)
{
    memcpy(to, client_id, 18);
    return to + 18;
}

/* Characters of an instrument's symbol (NUL padded, 32 bytes). */
static inline uint32_t symbol_length(const uint8_t *symbol) { return (uint32_t)strnlen((const char *)symbol, 31); }

static const char decimal_pairs[201] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/* Decimal digits of `value`, at least `width_min` of them (zero padded). */
static inline char *write_digits(char *to, uint64_t value, int width_min)
{
    char digits[20];
    int n = 20;
    while (value >= 100) {
        n -= 2;
        memcpy(digits + n, decimal_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        n -= 2;
        memcpy(digits + n, decimal_pairs + 2 * value, 2);
    } else {
        digits[--n] = (char)('0' + value);
    }
    while (20 - n < width_min) digits[--n] = '0';
    for (int i = n; i < 20; i++) *to++ = digits[i];
    return to;
}

/* value / 10**scale, exact, with all `scale` decimals: (43187, 2) -> 431.87, (5, 3) -> 0.005. value >= 0, 0 <= scale <= 18. */
static inline char *write_decimal(char *to, uint64_t value, int scale)
{
    char *end = write_digits(to, value, scale + 1);
    if (scale > 0) {
        for (char *p = end; p > end - scale; p--) *p = p[-1];
        end[-scale] = '.';
        end++;
    }
    return end;
}

/* qty (base units, qty scale) as the venue states sizes: qty / size_mul with `size_scale` decimals. NULL when the venue cannot
 * say it exactly (a part of its smallest step): refused, never rounded. qty > 0, size_mul >= 1. */
static inline char *write_size(char *to, uint64_t qty, int64_t size_mul, int size_scale)
{
    if (size_mul == 1) return write_decimal(to, qty, size_scale);
    if (qty % (uint64_t)size_mul != 0) return NULL;
    return write_decimal(to, qty / (uint64_t)size_mul, size_scale);
}
#endif
