/* Deltas that wait for their snapshot: parsed already, kept in the order in which they came, in one growing block of bytes.
 * One continuous piece of the venue's sequence: what does not continue it makes it start anew (stream.pyx). */
#ifndef LOCKSTEP_PENDING_H
#define LOCKSTEP_PENDING_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "invariant.h"
#include "layout.h"

/* a row; USD-M BTCUSDT of 2024 fills 20 kB a second: minutes of it, a snapshot takes one second */
#define PENDING_BYTES_MAX (8u << 20)

typedef struct {
    uint64_t first_id;
    uint64_t last_id;
    uint64_t previous_id;
    uint64_t order_id;
    int64_t event_ns;
    uint32_t bid_count;
    uint32_t ask_count; /* level_t[bid_count + ask_count] follow */
} delta_t;

typedef struct {
    uint8_t *bytes;
    uint32_t used_bytes;
    uint32_t capacity_bytes;
    uint32_t count;
    uint64_t last_id; /* of the newest delta; valid while count > 0 */
} pending_t;

static inline void pending_clear(pending_t *pending)
{
    pending->used_bytes = 0;
    pending->count = 0;
}

/* In sync: the memory goes back, the next resync may be days away. */
static inline void pending_free(pending_t *pending)
{
    free(pending->bytes);
    memset(pending, 0, sizeof *pending);
}

static inline uint32_t delta_bytes(const delta_t *delta)
{
    return (uint32_t)sizeof(delta_t) + (delta->bid_count + delta->ask_count) * (uint32_t)sizeof(level_t);
}

/* Appends a delta. When the bound is reached, everything older goes: the row then needs a newer snapshot anyway. */
static inline void pending_push(pending_t *pending, const delta_t *delta, const level_t *bids, const level_t *asks)
{
    uint32_t needed = delta_bytes(delta);
    if (pending->used_bytes + needed > PENDING_BYTES_MAX) pending_clear(pending);
    if (pending->used_bytes + needed > pending->capacity_bytes) {
        uint32_t capacity = pending->capacity_bytes ? pending->capacity_bytes * 2 : 4096;
        while (capacity < pending->used_bytes + needed) capacity *= 2;
        pending->bytes = (uint8_t *)realloc(pending->bytes, capacity);
        INVARIANT(pending->bytes != NULL);
        pending->capacity_bytes = capacity;
    }
    uint8_t *at = pending->bytes + pending->used_bytes;
    memcpy(at, delta, sizeof *delta);
    at += sizeof *delta;
    if (delta->bid_count) memcpy(at, bids, delta->bid_count * sizeof *bids);
    if (delta->ask_count) memcpy(at + delta->bid_count * sizeof *bids, asks, delta->ask_count * sizeof *asks);
    pending->used_bytes += needed;
    pending->count++;
    pending->last_id = delta->last_id;
}

/* Walks: offset 0 is the first delta; the place behind the last one is used_bytes. */
static inline const delta_t *pending_at(const pending_t *pending,
                                        uint32_t offset) { return (const delta_t *)(pending->bytes + offset); }
static inline const level_t *delta_levels(const delta_t *delta) { return (const level_t *)(delta + 1); }
#endif
