/* THE definition of everything that two processes share: ring records, board, segment header, state page,
 * histogram page, journal records. layout.pxd names the same fields; layout.pyx derives numpy dtypes and the layout
 * hash from a table that this compiler fills; tests/layout compare all three. Nobody writes an offset by hand.
 *
 * Fields are widest first, every pad is named and zero, fields written by different processes are two cache lines apart.
 * A change of meaning raises LAYOUT_VERSION; a change of shape changes the hash by itself. */
#ifndef LOCKSTEP_LAYOUT_H
#define LOCKSTEP_LAYOUT_H
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_VERSION 1u
#define SEGMENT_MAGIC 0x31504554534b434cull /* "LCKSTEP1", little-endian */
#define STATE_MAGIC 0x3145544154534b4cull   /* "LKSTATE1" */
#define HIST_MAGIC 0x3154534948534b4cull    /* "LKSHIST1" */
#define JOURNAL_MAGIC 0x314c4e524a534b4cull /* "LKSJRNL1" */

#define BOOK_LEVELS 16          /* levels a side in a record; the full book stays in the feed */
#define CLIENT_ID_BYTES 24      /* 18 used at most (docs/order-flow.md), NUL padded */
#define LEGS_MAX 3
#define STAGES_MAX 24
#define CONNECTIONS_MAX 32      /* sockets of one feed process */

/* ---------------------------------------------------------------- book records (ring, board) */

typedef struct {
    int64_t px;  /* price in the instrument's scale */
    int64_t qty; /* size in the instrument's scale; base units, also for futures */
} level_t;

/* book_record_t.flags */
#define BOOK_VALID 1u          /* in sync by the venue's own rule; every other flag means little without it */
#define BOOK_CROSSED 2u        /* best bid >= best ask after merging: untradable */
#define BOOK_DEPTH_COMPLETE 4u /* the 16 levels (or fewer) are all there is: the walk may reach the end */
#define BOOK_TOP_NEWER 8u      /* level 0 comes from the top-of-book stream, newer than the depth below */
#define BOOK_REPEAT 16u        /* heartbeat or status record: nothing in the levels changed */

/* One book after one message. Written by the feed, read by any number of readers. 640 bytes = 10 cache lines. */
typedef struct {
    uint64_t seq;            /* seqlock word, stored last, release. Ring: record s (from 0) is 2*s+1 while being written,
                              * then 2*s+2; board: 2*instrument_seq-1 while being written, then 2*instrument_seq */
    uint64_t instrument_seq; /* counts this instrument's records, from 1; the same in ring and board */
    int64_t exch_ns;         /* venue's event time of the newest part, wall ns; 0 = not given (spot bookTicker) */
    int64_t batch_mono_ns;   /* first frame of the socket read that this frame came with reached the listener */
    int64_t frame_mono_ns;   /* this frame reached the decoder */
    int64_t publish_mono_ns; /* just before the record was written */
    int64_t recv_wall_ns;    /* wall clock beside batch_mono_ns */
    int64_t alive_mono_ns;   /* proof of life of its connection when published; the header's connection table has it up to date */
    uint64_t depth_update_id; /* venue's last update id of the depth stream; 0 = none yet */
    uint64_t top_update_id;   /* venue's update id of the top-of-book stream; 0 = none yet */
    int64_t depth_exch_ns;   /* event time of the depth part, 0 = none */
    uint32_t instrument_id;  /* var/instruments.json; repeated in every record so that a mixed-up slot is seen */
    uint32_t epoch;          /* raised each time the book became INVALID */
    uint32_t flags;          /* BOOK_* */
    uint32_t bid_levels_total; /* levels of the full book */
    uint32_t ask_levels_total;
    uint16_t bid_count;      /* levels given here, <= BOOK_LEVELS */
    uint16_t ask_count;
    uint32_t connection_id;  /* which socket of the feed */
    uint32_t quiet_limit_ms; /* learned: longer silence than this is not normal for this instrument; 0 = not learned yet */
    int64_t lag_ns;          /* receive minus event time of the newest stamped message, less the smallest seen; -1 = unknown */
    level_t bids[BOOK_LEVELS]; /* best first */
    level_t asks[BOOK_LEVELS]; /* best first */
} book_record_t;
_Static_assert(offsetof(book_record_t, depth_exch_ns) == 80, "book_record_t.depth_exch_ns moved");
_Static_assert(offsetof(book_record_t, bids) == 128, "book_record_t.bids moved");
_Static_assert(sizeof(book_record_t) == 640, "book_record_t is ten cache lines");

/* One public trade. 64 bytes. */
#define TRADE_SELL_AGGRESSOR 1u
typedef struct {
    uint64_t seq;           /* as in book_record_t */
    int64_t exch_ns;
    int64_t recv_mono_ns;
    uint64_t trade_id;
    int64_t px;
    int64_t qty;
    uint32_t instrument_id;
    uint32_t flags;         /* TRADE_* */
    uint64_t pad0;
} trade_record_t;
_Static_assert(sizeof(trade_record_t) == 64, "trade_record_t is one cache line");

/* Funding and mark of a perpetual, on the board only. 64 bytes with its own seqlock word. */
typedef struct {
    uint64_t seq;
    int64_t exch_ns;
    int64_t recv_mono_ns;
    int64_t mark_px;
    int64_t index_px;
    int64_t rate_e8;         /* current funding rate * 1e8 per interval */
    int64_t next_funding_wall_ns;
    uint32_t instrument_id;
    uint32_t interval_s;     /* 28800 unless the venue says otherwise */
} funding_record_t;
_Static_assert(sizeof(funding_record_t) == 64, "funding_record_t is one cache line");

/* board_entry_t.status */
#define STATUS_NONE 0u       /* never heard of */
#define STATUS_SYNCING 1u
#define STATUS_LIVE 2u
#define STATUS_INVALID 3u
#define STATUS_DOWN 4u       /* its connection is down */

/* The latest of everything for one instrument; index = row of the segment's instrument list. 832 bytes = 13 lines. */
typedef struct {
    book_record_t book;
    funding_record_t funding;
    uint64_t frames;         /* counters are written by the feed only; readers tolerate a stale one */
    uint64_t records;
    uint64_t gaps;
    uint64_t invalid;        /* messages refused (undecodable, wrong value), each makes the book INVALID */
    uint64_t crossed;
    uint64_t duplicates;
    uint64_t resyncs;
    int64_t lag_min_ns;      /* smallest receive wall - event time seen: the skew that lag is measured from */
    int64_t lag_ns;          /* newest receive wall - event time, skew included; 0 = the stream has no event time */
    uint32_t instrument_id;
    uint32_t status;         /* STATUS_* */
    uint64_t pad0[6];
} board_entry_t;
_Static_assert(offsetof(board_entry_t, funding) == 640, "board_entry_t.funding moved");
_Static_assert(sizeof(board_entry_t) == 832, "board_entry_t is 13 cache lines");

/* Page 0 of a feed segment. The ring, the trade ring and the board follow at the offsets given. */
typedef struct {
    uint64_t magic;            /* stored last at creation, with release: before that nothing else is true */
    uint64_t layout_hash;
    uint64_t segment_bytes;
    uint64_t generation;       /* unique per creation (wall ns): a reader remaps when it changes */
    int64_t started_wall_ns;
    uint64_t producer_start;   /* start time of the producer from /proc/<pid>/stat, guards against pid reuse */
    uint64_t instruments_hash; /* version of the instrument table that the ids refer to */
    uint64_t ring_offset;
    uint64_t trade_ring_offset;
    uint64_t board_offset;
    uint32_t layout_version;
    uint32_t producer_pid;
    uint32_t ring_capacity;       /* slots, a power of two */
    uint32_t trade_ring_capacity; /* slots, a power of two */
    uint32_t instrument_count;    /* board entries */
    uint32_t closed;              /* 1 after an orderly stop */
    uint32_t venue_id;
    uint32_t pad0;
    uint8_t name[64];             /* feed name, NUL padded */
    uint8_t pad1[144];
    /* producer-written, hot: two lines away from what only changes at creation */
    uint64_t cursor;           /* next sequence number of the book ring: records 0 .. cursor-1 are published */
    uint64_t trade_cursor;
    int64_t heartbeat_mono_ns; /* at least every 100 ms while the feed's loop turns */
    uint64_t frames;
    uint64_t unknown_frames;   /* message types or symbols that nobody subscribed to */
    uint64_t oversized_frames;
    uint64_t doorbells;        /* FIFO writes */
    uint64_t reconnects;
    uint8_t pad2[64];
    int64_t connection_alive_mono_ns[CONNECTIONS_MAX]; /* each socket's last proof of life: a frame, or a pong to us; 0 = down */
} segment_header_t;
_Static_assert(offsetof(segment_header_t, cursor) == 256 + 64, "segment_header_t.cursor moved");
_Static_assert(sizeof(segment_header_t) == 704, "segment_header_t fits its page");

/* ---------------------------------------------------------------- state page (kill words, heartbeats, engine state) */

/* Trading states; the most severe of all writers counts. */
#define TRADING_ACTIVE 0u
#define TRADING_CAUTIOUS 1u
#define TRADING_RESTRICTED 2u /* reducing orders only */
#define TRADING_HALTED 3u
#define TRADING_EMERGENCY 4u  /* = kill */

/* One word per writer, each on its own pair of lines. Any missing mapping counts as kill. */
typedef struct {
    uint64_t magic;
    uint64_t layout_hash;
    uint32_t layout_version;
    uint32_t engine_pid;
    uint64_t engine_start;
    uint8_t run_id[64];
    uint8_t pad0[32];
    uint64_t operator_word;    /* TRADING_*; written by tools/kill, control socket */
    uint8_t pad1[120];
    uint64_t guard_word;       /* TRADING_*; written by the guard */
    uint8_t pad2[120];
    uint64_t engine_word;      /* TRADING_*; written by the engine itself */
    int64_t engine_heartbeat_mono_ns;
    uint32_t engine_sleeping;  /* 1 = ring the doorbell after publishing */
    uint32_t engine_phase;     /* 0 starting, 1 warming, 2 trading, 3 stopping, 4 stopped */
    uint64_t engine_turns;     /* loop turns */
    uint64_t engine_polls;
    uint64_t engine_records;
    uint64_t laps;             /* records lost to laps */
    uint64_t torn;
    uint64_t opportunities;
    uint64_t intents;
    uint64_t orders;
    uint64_t fills;
    uint64_t open_trades;
    uint64_t config_hash;
    uint8_t pad3[24];
    uint64_t rejects[64];      /* by gate reason code */
    uint64_t skips[64];        /* by detector reason code: "why not" */
} state_page_t;
_Static_assert(offsetof(state_page_t, operator_word) == 128, "state_page_t.operator_word moved");
_Static_assert(sizeof(state_page_t) % 8 == 0, "state_page_t is whole words");

/* ---------------------------------------------------------------- histogram page */

/* Counts as HdrHistogram has them: lowest 1, highest HIST_HIGHEST_NS, 3 significant digits. One writer per page. */
#define HIST_HIGHEST_NS 60000000000ll
#define HIST_SIGNIFICANT_DIGITS 3
#define HIST_SUB_BUCKET_COUNT 2048
#define HIST_SUB_BUCKET_HALF_COUNT 1024
#define HIST_COUNTS_LENGTH 27648 /* (26 buckets + 1) * 1024 */

typedef struct {
    uint8_t name[32];      /* stage, NUL padded */
    uint64_t total;
    uint64_t refused;      /* negative or above HIST_HIGHEST_NS: counted, not recorded */
    int64_t min_ns;        /* INT64_MAX while empty */
    int64_t max_ns;
    uint64_t counts[HIST_COUNTS_LENGTH];
} histogram_t;
_Static_assert(sizeof(histogram_t) == 64 + 8 * HIST_COUNTS_LENGTH, "histogram_t has no padding");

typedef struct {
    uint64_t magic;
    uint64_t layout_hash;
    uint32_t layout_version;
    uint32_t histogram_count;
    int64_t started_wall_ns;
    uint8_t component[32];
} hist_header_t; /* histogram_t[histogram_count] follow */
_Static_assert(sizeof(hist_header_t) == 64, "hist_header_t is one cache line");

/* ---------------------------------------------------------------- journal */

typedef struct {
    uint64_t magic;
    uint64_t layout_hash;
    uint32_t layout_version;
    uint32_t segment_index;   /* 0, 1, 2 ... within the run */
    uint64_t segment_bytes;
    uint64_t epoch;           /* run epoch: part of every id and of every record's CRC */
    uint64_t first_seq;
    int64_t created_wall_ns;
    uint64_t writer_start;    /* start time of the writing process, as producer_start */
    uint8_t boot_id[40];      /* /proc/sys/kernel/random/boot_id */
    uint8_t run_id[64];
    uint32_t writer_pid;
    uint32_t pad2;
    uint64_t committed_bytes; /* end of the last committed record; stored with release after each. On disk: what is synced */
    uint32_t header_crc32c;   /* over everything before committed_bytes; 0 in a spare that was never used */
    uint32_t pad0;
    uint8_t pad1[64];
} journal_header_t;
_Static_assert(sizeof(journal_header_t) == 256, "journal_header_t is four cache lines");

/* Record = this header, then payload, padded with zeros to 8 bytes. CRC32C starts from segment_index and covers the header fields
 * after `crc32c`, then payload and padding: a record left over from another segment, run or epoch does not fit. */
typedef struct {
    uint64_t commit;          /* JOURNAL_COMMIT ^ seq, stored last with release; anything else = not committed */
    uint32_t crc32c;
    uint32_t payload_bytes;
    uint64_t seq;             /* from 1, across segments */
    uint64_t epoch;
    int64_t mono_ns;
    int64_t wall_ns;
    uint32_t type;            /* JR_* */
    uint32_t pad0;
    uint64_t correlation_id;  /* trade id; 0 = none */
} journal_record_t;
_Static_assert(sizeof(journal_record_t) == 64, "journal_record_t is one cache line");
#define JOURNAL_COMMIT 0x434f4d4d49545445ull

#define JR_RUN_START 1u     /* JSON: run id, mode, config hash, instrument table, versions */
#define JR_INTENT 2u        /* intent_t */
#define JR_SENT 3u          /* sent_t */
#define JR_ORDER_EVENT 4u   /* order_event_t, as decoded */
#define JR_TRANSITION 5u    /* JSON: trade id, from, to, cause */
#define JR_REFUSAL 6u       /* refusal_t */
#define JR_QUERY 7u         /* JSON: asked whom about which id */
#define JR_LEDGER 8u        /* JSON: postings, exact decimal strings */
#define JR_DUST 9u          /* JSON */
#define JR_CONTROL 10u      /* JSON: who, command, when */
#define JR_ALERT 11u        /* JSON */
#define JR_ATTRIBUTION 12u  /* JSON: edge at detection, send, fill, realised; split */
#define JR_RUN_STOP 13u     /* JSON: clean stop, totals */

/* ---------------------------------------------------------------- orders (journal payloads and in-process) */

#define SIDE_BUY 0u
#define SIDE_SELL 1u

#define ORDER_IOC 0u
#define ORDER_POST_ONLY 1u
#define ORDER_GTC 2u
#define ORDER_FOK 3u
#define LEG_REDUCE_ONLY 1u

#define PURPOSE_ENTRY 0u
#define PURPOSE_EXIT 1u
#define PURPOSE_CHASE 2u    /* complete the lagging leg */
#define PURPOSE_UNWIND 3u   /* give back the excess of the leading leg */
#define PURPOSE_MANUAL 4u   /* submitted through the control socket */
#define PURPOSE_HEDGE 5u    /* of a fill of the leg that rests */
#define INTENT_SIMULTANEOUS 0u
#define INTENT_HEDGE_ON_FILL 1u
#define INTENT_SINGLE 2u    /* one leg: chase, unwind */

/* One order of an intent. 152 bytes. */
typedef struct {
    uint8_t client_id[CLIENT_ID_BYTES]; /* derived from (instance, epoch, intent, leg); never sent twice */
    int64_t limit_px;
    int64_t qty;
    int64_t best_px;           /* best price of the side it takes, when decided */
    int64_t expected_px_f64e8; /* expected average price * 1e8, from the walk (statistics) */
    int64_t unwind_px;         /* planned limit for giving it back */
    uint64_t depth_update_id;  /* book it was computed from */
    uint64_t top_update_id;
    uint64_t instrument_seq;
    int64_t book_alive_mono_ns;
    int64_t reserved_quote;    /* reservation taken in the gate: quote (linear: margin) asset, units * 1e8 */
    int64_t reserved_base;     /* reservation of base (spot sell), units * 1e8 */
    uint32_t instrument_id;
    uint32_t book_epoch;
    uint8_t side;              /* SIDE_* */
    uint8_t order_type;        /* ORDER_* */
    uint8_t flags;             /* LEG_* */
    uint8_t leg_index;
    uint32_t fee_e8;           /* taker fee rate * 1e8 assumed */
    uint64_t exposure_key;     /* group of instruments with the same underlying */
    uint64_t pad0[2];
} leg_order_t;
_Static_assert(sizeof(leg_order_t) == 152, "leg_order_t has no padding");

/* Everything that is decided at once; committed to the journal before a byte leaves. */
typedef struct {
    uint64_t intent_id;        /* epoch << 32 | sequence */
    uint64_t trade_id;         /* intent_id of the entry that opened the trade */
    int64_t decided_mono_ns;
    int64_t decided_wall_ns;
    int64_t batch_mono_ns;     /* of the record that triggered it */
    int64_t ttl_ns;
    int64_t edge_e12;          /* expected net / notional, * 1e12 */
    int64_t expected_net_e8;   /* quote units * 1e8 */
    int64_t worst_net_e8;
    int64_t notional_e8;       /* quote units * 1e8 */
    uint32_t kind;             /* INTENT_* */
    uint32_t purpose;          /* PURPOSE_* */
    uint32_t strategy;         /* STRATEGY_* */
    uint32_t pair_index;       /* UINT32_MAX = none */
    uint32_t leg_count;
    uint32_t confidence_e4;
    int64_t expires_mono_ns;
    leg_order_t legs[LEGS_MAX];
} intent_t;
_Static_assert(offsetof(intent_t, legs) == 112, "intent_t.legs moved");
_Static_assert(sizeof(intent_t) == 112 + 3 * 152, "intent_t has no padding");

#define STRATEGY_SPOT_FUTURES 1u
#define STRATEGY_CROSS_EXCHANGE 2u
#define STRATEGY_TRIANGULAR 3u
#define STRATEGY_FUNDING 4u
#define STRATEGY_PAIRS 5u

/* What happened to the bytes of one leg. */
#define SENT_OK 0u
#define SENT_NOT 1u      /* no byte left: session down or buffer not empty before the send */
#define SENT_UNKNOWN 2u  /* bytes may have left: buffer not empty after the send, or an exception */
typedef struct {
    uint64_t intent_id;
    int64_t send_start_mono_ns;
    int64_t send_end_mono_ns;
    uint32_t leg_index;
    uint32_t outcome;      /* SENT_* */
    uint32_t frame_bytes;
    uint32_t pad0;
} sent_t;
_Static_assert(sizeof(sent_t) == 40, "sent_t has no padding");

typedef struct {
    uint64_t intent_id;
    uint32_t reason;       /* GATE_* */
    uint32_t leg_index;    /* UINT32_MAX = whole intent */
    uint32_t pair_index;
    uint32_t purpose;
} refusal_t;
_Static_assert(sizeof(refusal_t) == 24, "refusal_t has no padding");

/* One fact about one order, from whatever source. Quantities in the instrument's scale; fee exact as text. */
#define OE_SOURCE_REPLY 0u   /* answer to order.place / order.cancel */
#define OE_SOURCE_STREAM 1u  /* user stream */
#define OE_SOURCE_QUERY 2u   /* REST or WS query */
#define OE_SOURCE_LOCAL 3u   /* made here: timer, disconnect */

#define ORDER_STATUS_NONE 0u
#define ORDER_STATUS_NEW 1u
#define ORDER_STATUS_PARTIAL 2u
#define ORDER_STATUS_FILLED 3u      /* terminal from here on */
#define ORDER_STATUS_CANCELED 4u
#define ORDER_STATUS_EXPIRED 5u
#define ORDER_STATUS_REJECTED 6u    /* definite: the venue's code is on the allow-list */
#define ORDER_STATUS_UNKNOWN 7u     /* not terminal: left by proof only */
#define ORDER_STATUS_NOT_FOUND 8u   /* a query's "no such order": one vote for absence, no proof */

#define ERROR_NONE 0u
#define ERROR_RETRY 1u        /* definite failure, may be tried again as a new intent */
#define ERROR_REJECT 2u       /* definite reject of this order */
#define ERROR_BALANCE 3u
#define ERROR_FILTER 4u
#define ERROR_RATE 5u
#define ERROR_AUTH 6u
#define ERROR_TIME 7u
#define ERROR_UNKNOWN_ORDER 8u
#define ERROR_UNKNOWN_EXECUTION 9u /* may or may not have executed */
#define ERROR_FATAL 10u
#define ERROR_UNMAPPED 11u    /* not in the table: treated as UNKNOWN_EXECUTION and counted */

typedef struct {
    uint8_t client_id[CLIENT_ID_BYTES]; /* ours; of a cancel the original's */
    uint64_t venue_order_id;
    uint64_t trade_id;         /* 0 = no fill in this event */
    uint64_t execution_id;     /* de-duplication key where the venue has one */
    int64_t exch_ns;
    int64_t recv_mono_ns;
    int64_t cum_qty;           /* -1 = not given */
    int64_t last_qty;          /* 0 = no fill in this event */
    int64_t last_px;
    uint8_t cum_quote[32];     /* decimal text as sent, NUL padded; empty = not given */
    uint8_t fee[32];           /* decimal text as sent (this fill); empty = not given */
    uint8_t fee_asset[16];
    uint8_t message[64];       /* venue's error text, control bytes replaced, cut */
    uint32_t instrument_id;    /* UINT32_MAX = symbol not ours */
    uint32_t source;           /* OE_SOURCE_* */
    uint32_t status;           /* ORDER_STATUS_* */
    uint32_t error_class;      /* ERROR_* */
    int32_t venue_code;        /* venue's error code, 0 = none */
    uint32_t flags;            /* OE_* */
} order_event_t;
#define OE_MAKER 1u
#define OE_IS_FILL 2u
#define OE_LITE 4u             /* fast fill notice without fee or status (TRADE_LITE) */
#define OE_FOREIGN 8u          /* client id is not one of ours */
#define OE_CANCEL_REPLY 16u    /* answers a cancel, not a place */
#define OE_FORCED 32u          /* the venue closed a position by itself: liquidation, deleveraging, delivery */
_Static_assert(sizeof(order_event_t) == 256, "order_event_t has no padding");

#endif
