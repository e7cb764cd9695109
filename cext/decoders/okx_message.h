/* What one OKX frame says beyond message_t, and what is remembered of a row beyond its stream_t. */
#ifndef LOCKSTEP_OKX_MESSAGE_H
#define LOCKSTEP_OKX_MESSAGE_H
#include <stdint.h>
#include "decoders/fields.h"
#include "decoders/okx_checksum.h"
#include "decoders/stream.h"

#define CHANNEL_OTHER 0
#define CHANNEL_BOOKS 1
#define CHANNEL_TOP 2       /* bbo-tbt */
#define CHANNEL_TRADES 3
#define CHANNEL_MARK 4
#define CHANNEL_FUNDING 5

#define SEQ_LIMIT (1ull << 56)      /* sequence numbers stay below; the highest byte of an order id is the generation */
#define GENERATION_MAX 255u
#define SEQ_NONE UINT64_MAX         /* prevSeqId -1: follows nothing */

/* The frame in hand. */
typedef struct {
    int channel;          /* CHANNEL_* */
    int has_seq;          /* seqId was given */
    int has_previous;     /* prevSeqId was given */
    int is_subscribed;    /* the acknowledgement that a stream of `channel` and the message's row begins */
    span_t bids;          /* the arrays as sent: the checksum is over their digits */
    span_t asks;
    fields_t inner;       /* of `arg`, of an element of `data` */
} okx_frame_t;

/* One row's place in the venue's sequence. Sequence numbers of the books and of the top are one count, which may begin anew with
 * smaller numbers after maintenance: a generation. The two streams tell of it at different times. */
typedef struct {
    uint64_t depth_seq;        /* newest message of the books that was not a repetition */
    int64_t depth_ns;          /* its time, the venue's clock */
    uint64_t top_seq;          /* newest top; 0 = none */
    int64_t top_ns;
    int64_t generation_ns;     /* time of the first message of the newest generation, by whichever stream told it */
    uint32_t depth_generation;
    uint32_t top_generation;
    uint32_t depth_connection; /* socket that brought depth_seq */
    uint32_t is_begun;         /* 0 = the next message of the books is the first of its stream */
    uint32_t is_numbered;      /* 0 = recorded before there were sequence numbers: the checksum alone decides */
    uint64_t restarts;         /* of the stream, when it began */
    forms_t forms;
} okx_row_t;

/* What an OKX decoder owns beyond market_state_t. `rules` first: the streams point to it, and so verify finds the rest. */
typedef struct {
    sync_rules_t rules;
    okx_row_t *rows;      /* by row */
    okx_frame_t frame;
} okx_state_t;
#endif
