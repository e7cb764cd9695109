/* The keys of Bybit v5 market data that are used, and what a topic says. All keys of a frame share one table of places
 * (fields.h): those of the outer object and those of the book inside it never meet. Trades and tickers have one of their own. */
#ifndef LOCKSTEP_BYBIT_MESSAGE_H
#define LOCKSTEP_BYBIT_MESSAGE_H
#include <stdint.h>
#include <string.h>
#include "decoders/fields.h"

/* outer object */
#define KEY_TOPIC 0
#define KEY_TYPE 1
#define KEY_TS 2
#define KEY_CTS 3
#define KEY_DATA 4
#define KEY_SUCCESS 5
#define KEY_OP 6
#define KEY_RET_MSG 7
#define KEY_REQ_ID 8
/* REST reply */
#define KEY_RET_CODE 9
#define KEY_RESULT 10
/* data of a book; `ts` and `cts` stand here in a REST reply, `s` in a trade too */
#define KEY_S 16
#define KEY_B 17
#define KEY_A 18
#define KEY_U 19
#define KEY_SEQ 20
/* a trade */
#define KEY_TIME 24
#define KEY_SIDE 25
#define KEY_SIZE 26
#define KEY_PRICE 27
#define KEY_ID 28
/* a ticker */
#define KEY_SYMBOL 32
#define KEY_MARK 33
#define KEY_INDEX 34
#define KEY_RATE 35
#define KEY_NEXT 36
#define KEY_INTERVAL 37

/* Cython indents its C by the braces of a line, those in quotes too: with names it stays readable. */
#define OBJECT_OPENS '{'
#define OBJECT_ENDS '}'

#define TOPIC_NONE 0   /* the frame names none: a reply */
#define TOPIC_OTHER 1
#define TOPIC_BOOK 2   /* depth 1 is the top of book */
#define TOPIC_TRADES 3
#define TOPIC_TICKER 4

/* orderbook.50.BTCUSDT */
typedef struct {
    int kind;             /* TOPIC_* */
    uint32_t depth;       /* TOPIC_BOOK: levels a side; 0 = not known (a REST reply) */
    int is_snapshot;      /* the message says that it is whole */
    const char *symbol;
    uint64_t symbol_bytes;
} topic_t;

static inline uint32_t outer_key(const char *name, uint64_t size)
{
    switch (size) {
    case 2: return memcmp(name, "ts", 2) == 0 ? KEY_TS : memcmp(name, "op", 2) == 0 ? KEY_OP : KEY_OTHER;
    case 3: return memcmp(name, "cts", 3) == 0 ? KEY_CTS : KEY_OTHER;
    case 4: return memcmp(name, "data", 4) == 0 ? KEY_DATA : memcmp(name, "type", 4) == 0 ? KEY_TYPE : KEY_OTHER;
    case 5: return memcmp(name, "topic", 5) == 0 ? KEY_TOPIC : KEY_OTHER;
    case 6: return memcmp(name, "req_id", 6) == 0 ? KEY_REQ_ID : memcmp(name, "result", 6) == 0 ? KEY_RESULT : KEY_OTHER;
    case 7: return memcmp(name, "success", 7) == 0 ? KEY_SUCCESS : memcmp(name, "ret_msg", 7) == 0 ? KEY_RET_MSG
                 : memcmp(name, "retCode", 7) == 0 ? KEY_RET_CODE : KEY_OTHER;
    default: return KEY_OTHER;
    }
}

static inline uint32_t book_key(const char *name, uint64_t size)
{
    if (size == 1) {
        switch (name[0]) {
        case 'b': return KEY_B;
        case 'a': return KEY_A;
        case 'u': return KEY_U;
        case 's': return KEY_S;
        default: return KEY_OTHER;
        }
    }
    return size == 3 && memcmp(name, "seq", 3) == 0 ? KEY_SEQ : KEY_OTHER;
}

/* As book_key; a REST reply has its times within. */
static inline uint32_t reply_key(const char *name, uint64_t size)
{
    if (size == 2 && memcmp(name, "ts", 2) == 0) return KEY_TS;
    if (size == 3 && memcmp(name, "cts", 3) == 0) return KEY_CTS;
    return book_key(name, size);
}

static inline uint32_t trade_key(const char *name, uint64_t size)
{
    if (size != 1) return KEY_OTHER;
    switch (name[0]) {
    case 'T': return KEY_TIME;
    case 's': return KEY_S;
    case 'S': return KEY_SIDE;
    case 'v': return KEY_SIZE;
    case 'p': return KEY_PRICE;
    case 'i': return KEY_ID;
    default: return KEY_OTHER;
    }
}

static inline uint32_t ticker_key(const char *name, uint64_t size)
{
    switch (size) {
    case 6: return memcmp(name, "symbol", 6) == 0 ? KEY_SYMBOL : KEY_OTHER;
    case 9: return memcmp(name, "markPrice", 9) == 0 ? KEY_MARK : KEY_OTHER;
    case 10: return memcmp(name, "indexPrice", 10) == 0 ? KEY_INDEX : KEY_OTHER;
    case 11: return memcmp(name, "fundingRate", 11) == 0 ? KEY_RATE : KEY_OTHER;
    case 15: return memcmp(name, "nextFundingTime", 15) == 0 ? KEY_NEXT : KEY_OTHER;
    case 19: return memcmp(name, "fundingIntervalHour", 19) == 0 ? KEY_INTERVAL : KEY_OTHER;
    default: return KEY_OTHER;
    }
}
#endif
