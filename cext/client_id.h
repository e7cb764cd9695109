/* Client order ids: 18 alphanumeric characters, derived and never random, so that the journal can always say whose order it was.
 *
 *   L | 16 base32 characters = 80 bits: instance 16, run epoch 32, intent sequence 32 | 1 base32 character: leg
 *
 * An epoch is used once (synced to disk before the first socket opens) and a sequence once in an epoch, so an id is unique for
 * ever.
 * 18 characters is the shortest limit among the venues. Alphabet: digits and capitals without I, L, O, U; ids sort by time. */
#ifndef LOCKSTEP_CLIENT_ID_H
#define LOCKSTEP_CLIENT_ID_H
#include <stdint.h>
#include <string.h>

#define CLIENT_ID_LENGTH 18
#define CLIENT_ID_MARK 'L'

static const char client_id_alphabet[33] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Writes the id and NULs up to 24 bytes (CLIENT_ID_BYTES). leg < 32. */
static inline void client_id_encode(uint8_t *out, uint32_t instance, uint64_t intent_id, uint32_t leg)
{
    uint64_t low = intent_id;
    uint64_t high = instance & 0xffffu;
    memset(out, 0, 24);
    out[0] = CLIENT_ID_MARK;
    for (int i = 16; i >= 5; i--) { /* 12 characters hold the low 60 bits */
        out[i] = (uint8_t)client_id_alphabet[low & 31];
        low >>= 5;
    }
    high = high << 4 | low; /* 4 bits of the intent id are left */
    for (int i = 4; i >= 1; i--) {
        out[i] = (uint8_t)client_id_alphabet[high & 31];
        high >>= 5;
    }
    out[17] = (uint8_t)client_id_alphabet[leg & 31];
}

static inline int client_id_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    for (int i = 10; i < 32; i++)
        if (client_id_alphabet[i] == (char)c) return i;
    return -1;
}

/* Exact inverse of the 18 characters at `id`. Returns 1, or 0 when they are not an id of ours; the mark is not looked at, so that
 * request ids of cancels and queries (X..., Q...) parse as well. */
static inline int client_id_decode(const uint8_t *id, uint32_t *instance, uint64_t *intent_id, uint32_t *leg)
{
    uint64_t high = 0, low = 0;
    for (int i = 1; i <= 4; i++) {
        int d = client_id_digit(id[i]);
        if (d < 0) return 0;
        high = high << 5 | (uint64_t)d;
    }
    for (int i = 5; i <= 16; i++) {
        int d = client_id_digit(id[i]);
        if (d < 0) return 0;
        low = low << 5 | (uint64_t)d;
    }
    int last = client_id_digit(id[17]);
    if (last < 0) return 0;
    *instance = (uint32_t)(high >> 4);
    *intent_id = (high & 15) << 60 | low;
    *leg = (uint32_t)last;
    return 1;
}
#endif
