/* What a MarketDecoder owns, as plain C: one stream_t for each row, the venue's sync rules, and what all rows share. */
#ifndef LOCKSTEP_STREAM_H
#define LOCKSTEP_STREAM_H
#include <stddef.h>
#include <stdint.h>
#include "book.h"
#include "decoders/frames.h"
#include "decoders/learn.h"
#include "decoders/message.h"
#include "decoders/pending.h"
#include "decoders/recent.h"

#define SYNC_NONE 0    /* no usable snapshot: deltas are kept in `pending` */
#define SYNC_JOINING 1 /* the book holds a snapshot; VALID as soon as a delta joins on */
#define SYNC_LIVE 2

#define CROSSED_MAX_NS 50000000ll     /* a crossed book that does not heal within this is a wrong one */
/* depth comes every 0 to 1,000 ms: a top that it does not catch up with for longer is a wrong one */
#define TOP_AHEAD_MAX_NS 2000000000ll
#define LEVEL_NOTIONAL_LIMIT 288230376151711744.0 /* 2**58: px * qty summed over 16 levels stays below 2**62 */

typedef struct stream stream_t;

/* How a venue's deltas follow each other and a snapshot. All that stream.pyx asks a venue; every function is pure. */
typedef struct {
    /* before the book's state: skipped. Asked first */
    int (*is_duplicate)(const delta_t *delta, uint64_t update_id);
    /* of one that is no duplicate: is it the next one? */
    int (*follows)(const delta_t *delta, uint64_t update_id);
    /* the REST snapshot `snapshot_id` contains it whole */
    int (*is_older)(const delta_t *delta, uint64_t snapshot_id);
    /* of one that is not older: may it be the first one applied to that snapshot? */
    int (*joins)(const delta_t *delta, uint64_t snapshot_id);
    /* the book after a message with a checksum: 0 = it contradicts. NULL = the venue sends none */
    int (*verify)(const stream_t *stream, const message_t *message);
    int is_top_checked;       /* depth and top of one order_id tell the same best levels, or the book is wrong */
    int has_trade_order;      /* trade ids ascend; 0 = they are hashes, the latest RECENT_TRADES are remembered */
} sync_rules_t;

/* Funding as it stands: venues send its parts together, one by one, or only what changed. */
typedef struct {
    uint32_t known;           /* FUNDING_* */
    uint32_t interval_s;
    int64_t mark_px;
    int64_t index_px;
    int64_t rate_e8;
    int64_t next_funding_ns;
} funding_t;

struct stream {
    /* the depth stream */
    book_t book;
    const sync_rules_t *rules;
    int sync;                 /* SYNC_* */
    int is_member;            /* 0 = the row belongs to another market */
    uint64_t update_id;       /* last id that the book contains: what the sync rule chains */
    uint64_t order_id;        /* of the book, to be compared with top_id */
    int64_t depth_exch_ns;
    pending_t pending;
    uint32_t is_complete[2];  /* by side: the snapshot had fewer levels than its source holds, so nothing lies beyond */
    /* the top-of-book stream, kept apart */
    uint64_t top_id;          /* order_id of it; 0 = none since the stream (re)started */
    int64_t top_exch_ns;      /* 0 = not given (Binance spot) */
    int64_t top_mono_ns;
    level_t top[2];
    /* merged */
    int64_t crossed_since_mono_ns; /* 0 = not crossed */
    uint64_t trade_ids[2];    /* by trade group: newest trade */
    quiet_t quiet;
    stream_stats_t stats;
    /* not needed for a book message: not fetched ahead (STREAM_HOT_BYTES) */
    const instrument_t *instrument;
    recent_t *recent_trades;  /* NULL = trade ids ascend */
    funding_t funding;
    uint64_t restarts;        /* times that restart_stream was called */
    int has_begun;            /* a depth message came since the stream was begun (start, restart_stream) */
    int begins_with_delta;    /* and the first one was a delta, so that no whole book will come by itself */
};
#define STREAM_HOT_BYTES offsetof(stream_t, instrument)

typedef struct {
    uint64_t frames;          /* all that were decoded */
    uint64_t unknown_frames;  /* message types that nobody asked for */
    uint64_t unknown_symbols;
    uint64_t error_frames;    /* undecodable or oversized */
    stream_t *streams;        /* by row */
    int row_count;
    parser_t parser;
    message_t message;        /* the frame in hand */
} market_state_t;
#endif
