/* Records inside a decompressed capture block: the definition that docs/capture-format.md draws and feeds/capture_format.py
 * packs. A record is this header, then its payload, then zero bytes up to the next multiple of 8.
 *
 * capture_next() checks every length against the block's end before it gives out a pointer: a damaged block is reported,
 * never walked past. */
#ifndef LOCKSTEP_CAPTURE_H
#define LOCKSTEP_CAPTURE_H
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_FORMAT_VERSION 1u
#define CAPTURE_PAYLOAD_MAX (64u << 20) /* a frame or REST body beyond this is refused by writer and reader */

#define CAPTURE_FRAME 1u      /* a WebSocket message as received */
#define CAPTURE_SNAPSHOT 2u   /* body of a REST depth reply for `row`, at the place where it arrived */
#define CAPTURE_CONNECT 3u    /* connection opened; payload = its address */
#define CAPTURE_DISCONNECT 4u /* connection lost; payload = reason */
#define CAPTURE_NOTE 5u       /* anything else worth keeping: text */

typedef struct {
    uint32_t payload_bytes;
    uint8_t type;           /* CAPTURE_* */
    uint8_t market;         /* MARKET_* of instrument.h, 0 = none */
    uint8_t venue_index;    /* place in the header's list of venues */
    uint8_t pad0;           /* zero */
    uint32_t connection_id; /* which socket; numbers are the recorder's own */
    int32_t row;            /* row of the embedded instrument table, -1 = not said */
    int64_t recv_wall_ns;   /* wall clock at the start of the socket read that brought it */
    int64_t recv_mono_ns;   /* monotonic clock beside it; 0 = the recorder had none */
} capture_record_t;
_Static_assert(offsetof(capture_record_t, recv_wall_ns) == 16, "capture_record_t.recv_wall_ns moved");
_Static_assert(sizeof(capture_record_t) == 32, "capture_record_t has no padding");

typedef struct {
    const uint8_t *next; /* the record that capture_next() gives next; 8-byte aligned relative to the block's start */
    const uint8_t *end;
} capture_cursor_t;

/* 1 = *record and *payload are set (they point into the block), 0 = end of the block, -1 = damaged. */
static inline int capture_next(capture_cursor_t *cursor, const capture_record_t **record, const uint8_t **payload)
{
    size_t left = (size_t)(cursor->end - cursor->next);
    if (left == 0)
        return 0;
    if (__builtin_expect(left < sizeof(capture_record_t), 0))
        return -1;
    const capture_record_t *header = (const capture_record_t *)cursor->next;
    size_t whole = sizeof(capture_record_t) + (((size_t)header->payload_bytes + 7) & ~(size_t)7);
    if (__builtin_expect(header->payload_bytes > CAPTURE_PAYLOAD_MAX || whole > left, 0))
        return -1;
    if (__builtin_expect(header->type < CAPTURE_FRAME || header->type > CAPTURE_NOTE || header->pad0 != 0, 0))
        return -1;
    *record = header;
    *payload = cursor->next + sizeof(capture_record_t);
    cursor->next += whole;
    return 1;
}
#endif
