/* One Binance market data message, decoded, before any rule about order or sync is applied to it. */
#ifndef LOCKSTEP_BINANCE_MESSAGE_H
#define LOCKSTEP_BINANCE_MESSAGE_H
#include <stdint.h>
#include "instrument.h"
#include "layout.h"
#include "decoders/symbols.h"

#define MESSAGE_BYTES_MAX (1 << 20)  /* largest frame seen: 64 kB (data of 2024); beyond this nothing is tried */
#define SNAPSHOT_BYTES_MAX (4 << 20) /* 5,000 levels a side are 360 kB */
/* the shortest level, ["1","1"] and a comma, has ten bytes: it cannot overflow */
#define SCRATCH_LEVELS (SNAPSHOT_BYTES_MAX / 10 + 8)

#define TIME_MS_LIMIT 9000000000000ull    /* a larger time is in us (timeUnit=MICROSECOND): ms reach this in 2255 */
#define TIME_US_LIMIT 9000000000000000ull /* and us this; in ns both fit an int64 */

#define MSG_ERROR 0       /* malformed, or a value that cannot be; row and is_book say what is in doubt */
#define MSG_UNKNOWN 1     /* well-formed, not ours */
#define MSG_DEPTH 2
#define MSG_TOP 3
#define MSG_TRADE 4
#define MSG_MARK 5
#define MSG_ACK 6
#define MSG_SHUTDOWN 7
#define MSG_NO_SYMBOL 8   /* one of our types, of a symbol that is not in the table */

typedef struct {
    int kind;             /* MSG_* */
    int row;              /* -1 = not known */
    int is_book;          /* depth or top: an error in it puts the row's book in doubt */
    int is_aggregate;     /* MSG_TRADE: aggTrade, which has ids of its own */
    int64_t event_ns;     /* E, wall ns of the venue; 0 = not given */
    int64_t trade_ns;     /* T of trades; next funding time of MSG_MARK */
    uint64_t first_id;    /* U */
    uint64_t last_id;     /* u; of a snapshot lastUpdateId */
    uint64_t previous_id; /* pu, USD-M only */
    level_t *bids;        /* into the scratch */
    level_t *asks;
    uint32_t bid_count;
    uint32_t ask_count;
    level_t bid;          /* MSG_TOP */
    level_t ask;
    uint64_t trade_id;
    int64_t px;           /* trade; mark price of MSG_MARK */
    int64_t qty;
    int64_t index_px;
    int64_t rate_e8;
    int is_sell;          /* the aggressor sold */
    int64_t ack_id;
    int32_t ack_error;
} message_t;

/* Where the values of one object's keys lie. One-letter keys are kept by letter, the long ones that we use by name. */
typedef struct {
    const char *start;
    const char *stop;
} span_t;
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
#define KEY_OTHER 255 /* skipped */

typedef struct {
    uint64_t seen;        /* one bit a key; two seen twice make the message malformed */
    const char *end;      /* end of what was given: nothing at or behind it is read */
    span_t spans[KEY_COUNT];
} fields_t;

/* What belongs to a row elsewhere: its state in this decoder, its board entry in a feed. Zero bytes = no hint. */
typedef struct {
    const uint8_t *streams;
    const uint8_t *board;
    uint32_t stream_stride;
    uint32_t stream_bytes;
    uint32_t board_stride;
    uint32_t board_bytes;
} hints_t;

typedef struct {
    const instrument_t *instruments; /* by row */
    symbols_t symbols;
    level_t *scratch;     /* SCRATCH_LEVELS */
    uint32_t scratch_used;
    int is_linear;        /* USD-M: `pu` is there, and tops have a type */
    fields_t fields;
    hints_t hints;
} decoder_t;

/* A frame's symbol stands near its start: from there on the lines that applying and publishing will want are on their way while
 * the numbers are still being read. Only a hint: nothing depends on it, and without hints (tests, replay) it does nothing. */
static inline void hint_row(const decoder_t *d, int row)
{
    const hints_t *h = &d->hints;
    if (row < 0) return;
    for (uint32_t at = 0; at < h->stream_bytes; at += 64) __builtin_prefetch(h->streams + (uint64_t)row * h->stream_stride + at,
                                                                             1, 3);
    for (uint32_t at = 0; at < h->board_bytes; at += 64) __builtin_prefetch(h->board + (uint64_t)row * h->board_stride + at, 1,
                                                                            3);
}

_Static_assert(KEY_COUNT <= 64, "one bit a key");

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
