/* What every venue's market data decoder speaks: the stamps it is given, the result it gives, the counters it keeps for each
 * instrument. The feed listener and tools/replay are written against this page only. Process-private: none of this is shared
 * memory. */
#ifndef LOCKSTEP_FRAMES_H
#define LOCKSTEP_FRAMES_H
#include <stdint.h>
#include "layout.h"

#define FRAME_UNKNOWN 0       /* nothing that we asked for: counted (unknown_frames) */
#define FRAME_BOOK 1          /* the book or its top changed: publish a record of `row` */
#define FRAME_TRADE 2         /* `trades` holds trade_count of them, at least one, all of `row` */
#define FRAME_FUNDING 3       /* `funding` is filled */
#define FRAME_NOTHING 4       /* duplicate, older than what we have, a top while out of sync; row -1: no book spoke (heartbeat) */
#define FRAME_BUFFERED 5      /* a delta of a row that waits for its snapshot */
#define FRAME_NEED_SNAPSHOT 6 /* row went out of sync: publish (INVALID), fetch a snapshot */
#define FRAME_ACK 7           /* reply to a subscription request: ack_id, ack_error */
#define FRAME_SHUTDOWN 8      /* the venue is about to close this connection: connect anew now */
#define FRAME_ERROR 9         /* undecodable; row = -1, or >= 0 when that row's book is INVALID now: publish, fetch a snapshot */

#define SNAPSHOT_SYNCED 0     /* publish */
#define SNAPSHOT_TOO_OLD 1    /* the first buffered delta begins after it: fetch again */
#define SNAPSHOT_WAITING 2    /* loaded; VALID as soon as a delta joins on */
#define SNAPSHOT_ERROR 3      /* undecodable: fetch again */
#define SNAPSHOT_IGNORED 4    /* the row is in sync already */

typedef struct {
    int64_t batch_mono_ns;    /* first frame of this socket read reached the listener */
    int64_t frame_mono_ns;    /* this frame reached the decoder: the clock of the quiet and crossed rules */
    int64_t recv_wall_ns;     /* wall clock beside batch_mono_ns */
    uint32_t connection_id;   /* which socket of the feed */
} stamps_t;

typedef struct {
    int kind;                 /* FRAME_* */
    int row;                  /* -1 = none */
    int64_t ack_id;           /* FRAME_ACK: id of the request; -1 = not an integer */
    int32_t ack_error;        /* FRAME_ACK: the venue's error code; 0 = accepted */
    trade_record_t *trades;   /* FRAME_TRADE: all but seq, oldest first; the decoder's, until its next frame */
    uint32_t trade_count;
    funding_record_t funding; /* FRAME_FUNDING: all but seq */
} frame_result_t;

typedef struct {
    uint64_t msgs;            /* depth messages of this instrument */
    uint64_t applied;         /* of these, applied to the book */
    uint64_t tops;            /* top-of-book messages */
    uint64_t duplicates;      /* depth, top and trade messages that were older than what we had */
    uint64_t gaps;            /* holes in the venue's sequence while in sync */
    uint64_t invalid;         /* messages refused: undecodable, wrong value, or contradicting the book */
    uint64_t crossed;         /* depth messages after which best bid >= best ask */
    uint64_t resyncs;         /* times that a book which had been VALID became INVALID */
    uint64_t top_checks;      /* times that depth and top had the same update id, so that their best levels could be compared */
    int64_t lag_min_ns;       /* smallest receive wall - event time seen: the skew of the two clocks; INT64_MAX = none seen */
    int64_t lag_raw_ns;       /* newest receive wall - event time, skew included; 0 = none seen */
    int64_t lag_mark_ns;      /* receive time up to which lag_min_ns was let grow (stream.pyx learn_lag) */
    uint32_t status;          /* STATUS_* of layout.h */
    uint32_t epoch;           /* raised each time the book became INVALID */
} stream_stats_t;
#endif
