/* One market data message of any venue, decoded, before any rule about order or sync is applied to it; and what a parser works
 * with. */
#ifndef LOCKSTEP_MESSAGE_H
#define LOCKSTEP_MESSAGE_H
#include <stdint.h>
#include "instrument.h"
#include "layout.h"
#include "decoders/fields.h"
#include "decoders/symbols.h"

#define MESSAGE_BYTES_MAX (1 << 20)  /* largest frame seen: 64 kB (data of 2024); beyond this nothing is tried */
#define SNAPSHOT_BYTES_MAX (4 << 20) /* 5,000 levels a side are 360 kB */
/* the shortest level, ["1","1"] and a comma, has ten bytes: it cannot overflow */
#define SCRATCH_LEVELS (SNAPSHOT_BYTES_MAX / 10 + 8)
#define TRADES_MAX 1024              /* in one message: Bybit sends up to so many; more make it malformed */

#define MSG_ERROR 0       /* malformed, or a value that cannot be; row and is_book say what is in doubt */
#define MSG_UNKNOWN 1     /* well-formed, not ours */
#define MSG_DEPTH 2       /* changes of a book */
#define MSG_TOP 3         /* best levels, whole */
#define MSG_TRADES 4      /* trades[trade_count] */
#define MSG_FUNDING 5     /* what funding_given names */
#define MSG_ACK 6         /* reply to a subscription request */
#define MSG_SHUTDOWN 7
#define MSG_NO_SYMBOL 8   /* one of our types, of a symbol that is not in the table */
#define MSG_SNAPSHOT 9    /* a whole book on the stream: replaces what there is */
#define MSG_PONG 10       /* proof of life, nothing else */

/* funding_given */
#define FUNDING_MARK 1u
#define FUNDING_INDEX 2u
#define FUNDING_RATE 4u
#define FUNDING_NEXT 8u
#define FUNDING_INTERVAL 16u
#define FUNDING_NEEDED (FUNDING_MARK | FUNDING_RATE | FUNDING_NEXT) /* a record is published once these are known */

typedef struct {
    int kind;             /* MSG_* */
    int row;              /* -1 = not known */
    int is_book;          /* depth, snapshot or top: an error in it puts the row's book in doubt */
    int has_checksum;
    int64_t event_ns;     /* when the venue sent or made it, wall ns of the venue; 0 = not given */
    /* MSG_DEPTH, MSG_SNAPSHOT, MSG_TOP */
    uint64_t first_id;    /* MSG_DEPTH: first update in it; = last_id where the venue numbers messages */
    uint64_t last_id;     /* MSG_DEPTH, MSG_SNAPSHOT: what the sync rule chains */
    uint64_t previous_id; /* MSG_DEPTH: id that it follows, where the venue says so */
    uint64_t order_id;    /* by which tops and depths of a row are compared: larger = newer; = last_id where they share a count */
    int64_t checksum;     /* of the book after this message, when has_checksum */
    level_t *bids;        /* into the scratch; base units, whatever the venue counts in */
    level_t *asks;
    uint32_t bid_count;
    uint32_t ask_count;
    uint32_t depth_limit; /* MSG_SNAPSHOT: levels a side that its source holds at most: a shorter side is complete. 0 = unknown */
    level_t bid;          /* MSG_TOP; px and qty 0 = that side is empty */
    level_t ask;
    /* MSG_TRADES: exch_ns, trade_id, px, qty, flags are the parser's; the rest is filled by take_trades */
    uint32_t trade_count;
    uint32_t trade_group; /* 0 or 1: trades of different groups have ids of their own (Binance trade, aggTrade) */
    trade_record_t *trades;
    /* MSG_FUNDING */
    uint32_t funding_given; /* FUNDING_* */
    uint32_t interval_s;
    int64_t mark_px;
    int64_t index_px;
    int64_t rate_e8;
    int64_t next_funding_ns;
    /* MSG_ACK */
    int64_t ack_id;       /* -1 = none, or no integer */
    int32_t ack_error;    /* the venue's code; 0 = accepted */
} message_t;

/* What belongs to a row elsewhere: its state in this decoder, its board entry in a feed. Zero bytes = no hint. */
typedef struct {
    const uint8_t *streams;
    const uint8_t *board;
    uint32_t stream_stride;
    uint32_t stream_bytes;
    uint32_t board_stride;
    uint32_t board_bytes;
} hints_t;

/* What a parser works with: read-only tables and scratch, no state of any book. */
typedef struct {
    const instrument_t *instruments; /* by row */
    symbols_t symbols;
    level_t *scratch;     /* SCRATCH_LEVELS */
    uint32_t scratch_used;
    int is_linear;        /* market of the decoder */
    int level_extras;     /* strings of a level behind price and size: 0, OKX 2 */
    trade_record_t *trades; /* TRADES_MAX */
    fields_t fields;
    hints_t hints;
} parser_t;

/* A frame's symbol stands near its start: from there on the lines that applying and publishing will want are on their way while
 * the numbers are still being read. Only a hint: nothing depends on it, and without hints (tests, replay) it does nothing. */
static inline void hint_row(const parser_t *d, int row)
{
    const hints_t *h = &d->hints;
    if (row < 0) return;
    for (uint32_t at = 0; at < h->stream_bytes; at += 64) __builtin_prefetch(h->streams + (uint64_t)row * h->stream_stride + at,
                                                                             1, 3);
    for (uint32_t at = 0; at < h->board_bytes; at += 64) __builtin_prefetch(h->board + (uint64_t)row * h->board_stride + at, 1,
                                                                            3);
}

/* Start of every frame: nothing of the one before it is left that a kind might be taken for. */
static inline void message_clear(parser_t *d, message_t *m)
{
    m->kind = MSG_UNKNOWN;
    m->row = -1;
    m->is_book = 1; /* until the type says that it is not */
    m->has_checksum = 0;
    m->event_ns = 0;
    m->first_id = m->last_id = m->previous_id = m->order_id = 0;
    m->bids = m->asks = NULL;
    m->bid_count = m->ask_count = 0;
    m->depth_limit = 0;
    m->trade_count = m->trade_group = 0;
    m->trades = d->trades;
    m->funding_given = 0;
    m->ack_id = -1;
    m->ack_error = 0;
    d->scratch_used = 0;
}
#endif
