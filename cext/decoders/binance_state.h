/* What a BinanceMarket owns, as plain C: one stream_t for each row, and what all rows share. */
#ifndef LOCKSTEP_BINANCE_STATE_H
#define LOCKSTEP_BINANCE_STATE_H
#include <stdint.h>
#include "book.h"
#include "decoders/binance_message.h"
#include "decoders/frames.h"
#include "decoders/learn.h"
#include "decoders/pending.h"

#define SYNC_NONE 0    /* no usable snapshot: deltas are kept in `pending` */
#define SYNC_JOINING 1 /* the book holds a snapshot; VALID as soon as a delta joins on */
#define SYNC_LIVE 2

#define CROSSED_MAX_NS 50000000ll     /* a crossed book that does not heal within this is a wrong one */
/* depth comes every 0 to 1,000 ms: a top that it does not catch up with for longer is a wrong one */
#define TOP_AHEAD_MAX_NS 2000000000ll
#define LEVEL_NOTIONAL_LIMIT 288230376151711744.0 /* 2**58: px * qty summed over 16 levels stays below 2**62 */

typedef struct {
    /* the depth stream */
    book_t book;
    int sync;                 /* SYNC_* */
    int is_member;            /* 0 = the row belongs to another market */
    uint64_t update_id;       /* last update id that the book contains */
    int64_t depth_exch_ns;
    pending_t pending;
    uint32_t is_complete[2];  /* by side: the snapshot had fewer levels than were asked for, so nothing lies beyond */
    /* the top-of-book stream, kept apart */
    uint64_t top_id;          /* 0 = none since the stream (re)started */
    int64_t top_exch_ns;      /* 0 = not given (spot) */
    int64_t top_mono_ns;
    level_t top[2];
    /* merged */
    int64_t crossed_since_mono_ns; /* 0 = not crossed */
    uint64_t trade_ids[2];    /* newest trade, newest aggregate trade */
    uint32_t funding_interval_s;
    quiet_t quiet;
    stream_stats_t stats;
} stream_t;

typedef struct {
    uint64_t frames;          /* all that were decoded */
    uint64_t unknown_frames;  /* message types that nobody asked for */
    uint64_t unknown_symbols;
    uint64_t error_frames;    /* undecodable or oversized */
    stream_t *streams;        /* by row */
    int row_count;
    decoder_t decoder;
    message_t message;        /* the frame in hand */
} binance_state_t;
#endif
