/* HMAC-SHA256 for order requests: the key is hashed once, a signature costs the blocks of its message plus one.
 *
 * SHA-256 comes from OpenSSL's libcrypto (the copy that the interpreter already loaded, else the system's), found with dlopen:
 * its headers are not needed to build. Where there is none (an interpreter with OpenSSL linked in statically), the portable code
 * below does the same, slower. The low-level SHA256_* calls are used because EVP_MAC costs several times as much for messages of
 * this size (bench/bench_encode.py). */
#ifndef LOCKSTEP_SIGN_H
#define LOCKSTEP_SIGN_H
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HMAC_HEX_BYTES 64

/* OpenSSL's SHA256_CTX (stable since 0.9.8: h, Nl, Nh, data, num, md_len = 112 bytes), with room to spare. */
typedef struct {
    uint32_t h[8];
    uint32_t bits_low, bits_high;
    uint32_t data[16];
    uint32_t num, md_len;
    uint8_t spare[16];
} sha256_t;
_Static_assert(offsetof(sha256_t, spare) == 112, "sha256_t no longer matches OpenSSL's SHA256_CTX");

typedef int (*sha256_init_f)(sha256_t *);
typedef int (*sha256_update_f)(sha256_t *, const void *, size_t);
typedef int (*sha256_final_f)(unsigned char *, sha256_t *);

typedef struct {
    sha256_init_f init;
    sha256_update_f update;
    sha256_final_f final;
} sha256_calls_t;

/* ------------------------------------------------------------ portable SHA-256 (FIPS 180-4) */

static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t sha256_rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline void sha256_block(sha256_t *c, const uint8_t *p)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (sha256_rotate(a, 7) ^ sha256_rotate(a, 18) ^ a >> 3) +
               (sha256_rotate(b, 17) ^ sha256_rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, c->h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t t1 = s[7] + (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25)) + ((e & s[5]) ^ (~e & s[6])) +
                      sha256_k[i] + w[i];
        uint32_t t2 = (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22)) +
                      ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + t1, s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) c->h[i] += s[i];
}

static inline int portable_sha256_init(sha256_t *c)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                                      0x5be0cd19};
    memset(c, 0, sizeof *c);
    memcpy(c->h, start, sizeof start);
    return 1;
}

static inline int portable_sha256_update(sha256_t *c, const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    uint8_t *pending = (uint8_t *)c->data;
    uint64_t bits = ((uint64_t)c->bits_high << 32 | c->bits_low) + ((uint64_t)size << 3);
    c->bits_low = (uint32_t)bits, c->bits_high = (uint32_t)(bits >> 32);
    while (size > 0) {
        size_t n = 64 - c->num;
        if (n > size) n = size;
        memcpy(pending + c->num, p, n);
        c->num += (uint32_t)n, p += n, size -= n;
        if (c->num == 64) {
            sha256_block(c, pending);
            c->num = 0;
        }
    }
    return 1;
}

static inline int portable_sha256_final(unsigned char *out, sha256_t *c)
{
    static const uint8_t padding[64] = {0x80};
    uint8_t length[8];
    uint64_t bits = (uint64_t)c->bits_high << 32 | c->bits_low;
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
    portable_sha256_update(c, padding, c->num < 56 ? 56 - c->num : 120 - c->num);
    portable_sha256_update(c, length, 8);
    for (int i = 0; i < 32; i++) out[i] = (unsigned char)(c->h[i / 4] >> (24 - 8 * (i % 4)));
    return 1;
}

static inline void sha256_calls_portable(sha256_calls_t *calls)
{
    calls->init = portable_sha256_init;
    calls->update = portable_sha256_update;
    calls->final = portable_sha256_final;
}

/* Takes the calls from the library at `path`. 1, or 0 when it is not there or lacks them. The handle is never closed. */
static inline int sha256_calls_load(sha256_calls_t *calls, const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return 0;
    calls->init = (sha256_init_f)(uintptr_t)dlsym(library, "SHA256_Init");
    calls->update = (sha256_update_f)(uintptr_t)dlsym(library, "SHA256_Update");
    calls->final = (sha256_final_f)(uintptr_t)dlsym(library, "SHA256_Final");
    return calls->init != NULL && calls->update != NULL && calls->final != NULL;
}

/* ------------------------------------------------------------ HMAC */

/* Key state: both pads already hashed. `inner` may also have taken a constant beginning of the messages (hmac_absorb). */
typedef struct {
    sha256_t inner, outer;
    sha256_calls_t calls;
} hmac_sha256_t;

static inline void hmac_init(hmac_sha256_t *state, const sha256_calls_t *calls, const uint8_t *key, size_t key_bytes)
{
    uint8_t block[64] = {0}, pad[64];
    state->calls = *calls;
    if (key_bytes > 64) {
        state->calls.init(&state->inner);
        state->calls.update(&state->inner, key, key_bytes);
        state->calls.final(block, &state->inner);
    } else if (key_bytes > 0) {
        memcpy(block, key, key_bytes);
    }
    for (int i = 0; i < 64; i++) pad[i] = block[i] ^ 0x36;
    state->calls.init(&state->inner);
    state->calls.update(&state->inner, pad, 64);
    for (int i = 0; i < 64; i++) pad[i] = block[i] ^ 0x5c;
    state->calls.init(&state->outer);
    state->calls.update(&state->outer, pad, 64);
    explicit_bzero(block, sizeof block);
    explicit_bzero(pad, sizeof pad);
}

/* Messages signed with `state` begin with `data` from now on: hashed once instead of each time. */
static inline void hmac_absorb(hmac_sha256_t *state, const char *data,
                               size_t size) { state->calls.update(&state->inner, data, size); }

static inline void hmac_digest(const hmac_sha256_t *state, const char *data, size_t size, uint8_t out[32])
{
    sha256_t c = state->inner;
    state->calls.update(&c, data, size);
    state->calls.final(out, &c);
    c = state->outer;
    state->calls.update(&c, out, 32);
    state->calls.final(out, &c);
}

static inline void hex_lower(const uint8_t *in, size_t size, char *out)
{
    static const char digits[17] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
}

/* Lower-case hex of the signature, 64 characters, no NUL. */
static inline void hmac_hex(const hmac_sha256_t *state, const char *data, size_t size, char *out64)
{
    uint8_t digest[32];
    hmac_digest(state, data, size, digest);
    hex_lower(digest, 32, out64);
}
#endif
