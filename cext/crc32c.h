/* CRC-32C (Castagnoli, reflected 0x82f63b78; RFC 3720 B.4) over whole 8-byte words: by the CPU's own instruction on x86 (SSE4.2)
 * and ARM, by table elsewhere. The running value is kept inverted: start with ~seed, end with ~crc. Vectors and the table twin:
 * tests/unit/cext/test_crc32c.py. */
#ifndef LOCKSTEP_CRC32C_H
#define LOCKSTEP_CRC32C_H
#include <stdint.h>
#include <string.h>
#if defined(__SSE4_2__)
#include <nmmintrin.h>
#define CRC32C_HARDWARE 1
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define CRC32C_HARDWARE 1
#else
#define CRC32C_HARDWARE 0
#endif

/* Bit by bit through a 16-entry table: the twin that tests compare with, and the fallback. */
static inline uint32_t crc32c_table_bytes(uint32_t crc, const uint8_t *p, uint64_t bytes)
{
    static const uint32_t nibble[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    while (bytes--) {
        crc ^= *p++;
        crc = (crc >> 4) ^ nibble[crc & 15];
        crc = (crc >> 4) ^ nibble[crc & 15];
    }
    return crc;
}

static inline uint32_t crc32c_u64(uint32_t crc, uint64_t word)
{
#if defined(__SSE4_2__)
    return (uint32_t)_mm_crc32_u64(crc, word);
#elif defined(__ARM_FEATURE_CRC32)
    return __crc32cd(crc, word);
#else
    return crc32c_table_bytes(crc, (const uint8_t *)&word, 8);
#endif
}

/* Copy `bytes` to a place with room for the next multiple of 8, pad with zeros, and return the CRC of all of it. */
static inline uint32_t crc32c_copy(uint32_t crc, void *to, const void *from, uint64_t bytes)
{
    uint64_t word, done = 0;
    for (; done + 8 <= bytes; done += 8) {
        memcpy(&word, (const char *)from + done, 8);
        crc = crc32c_u64(crc, word);
        memcpy((char *)to + done, &word, 8);
    }
    if (done < bytes) {
        word = 0;
        memcpy(&word, (const char *)from + done, bytes - done);
        crc = crc32c_u64(crc, word);
        memcpy((char *)to + done, &word, 8);
    }
    return crc;
}

/* CRC of `bytes` (a multiple of 8) in place. */
static inline uint32_t crc32c_words(uint32_t crc, const void *from, uint64_t bytes)
{
    uint64_t word;
    for (uint64_t done = 0; done < bytes; done += 8) {
        memcpy(&word, (const char *)from + done, 8);
        crc = crc32c_u64(crc, word);
    }
    return crc;
}
#endif
