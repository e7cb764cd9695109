/* Keys of Binance's market data messages. One-letter keys are kept by letter, the long ones that we use by name. */
#ifndef LOCKSTEP_BINANCE_MESSAGE_H
#define LOCKSTEP_BINANCE_MESSAGE_H
#include <stdint.h>
#include <string.h>
#include "decoders/fields.h"

#define KEY_PU 26 /* A..Z are 0..25, a..z 32..57: the long keys take the places between and behind */
#define KEY_DATA 27
#define KEY_RESULT 28
#define KEY_ID 29
#define KEY_CODE 30
#define KEY_ERROR 31
#define KEY_LAST_UPDATE_ID 58
#define KEY_BIDS 59
#define KEY_ASKS 60
#define KEY_COUNT 61

_Static_assert(KEY_COUNT <= FIELDS_MAX, "one bit a key");

/* Place of a one-letter key. */
static inline uint32_t key_of_letter(char letter)
{
    uint32_t at = (uint32_t)(uint8_t)letter - 'A';
    return at < 26 || at - 32 < 26 ? at : KEY_OTHER;
}

/* Which long key we use, by its text. */
static inline uint32_t key_of_name(const char *name, uint64_t size)
{
    if (size == 2) return name[0] == 'p' && name[1] == 'u' ? KEY_PU : name[0] == 'i' && name[1] == 'd' ? KEY_ID : KEY_OTHER;
    if (size == 4) {
        if (memcmp(name, "data", 4) == 0) return KEY_DATA;
        if (memcmp(name, "code", 4) == 0) return KEY_CODE;
        if (memcmp(name, "bids", 4) == 0) return KEY_BIDS;
        return memcmp(name, "asks", 4) == 0 ? KEY_ASKS : KEY_OTHER;
    }
    if (size == 5) return memcmp(name, "error", 5) == 0 ? KEY_ERROR : KEY_OTHER;
    if (size == 6) return memcmp(name, "result", 6) == 0 ? KEY_RESULT : KEY_OTHER;
    if (size == 12) return memcmp(name, "lastUpdateId", 12) == 0 ? KEY_LAST_UPDATE_ID : KEY_OTHER;
    return KEY_OTHER;
}
#endif
