/* The latest trade ids of a row whose ids are hashes: the same trade comes again through a second connection, a whole message of
 * them at once. Exact: an id is known until RECENT_TRADES others came after it. */
#ifndef LOCKSTEP_RECENT_H
#define LOCKSTEP_RECENT_H
#include <stddef.h>
#include <stdint.h>
#include "decoders/message.h"

/* a power of two. Two whole messages: the second connection may be one behind */
#define RECENT_TRADES 2048u
#define RECENT_SLOTS (2 * RECENT_TRADES)  /* at most half of them are used: searches stay short */
_Static_assert(RECENT_TRADES >= 2 * TRADES_MAX && (RECENT_TRADES & (RECENT_TRADES - 1)) == 0, "two messages of trades fit");
_Static_assert(RECENT_TRADES < UINT16_MAX, "a slot holds a place + 1");

typedef struct {
    uint64_t count;               /* ids ever added; the newest is at (count - 1) % RECENT_TRADES */
    uint64_t ids[RECENT_TRADES];  /* in the order in which they came */
    uint16_t slots[RECENT_SLOTS]; /* places + 1 in ids, open addressing; 0 = free */
} recent_t;

static inline uint32_t recent_home(uint64_t id)
{
    return (uint32_t)((id * 0x9E3779B97F4A7C15ull) >> 32) & (RECENT_SLOTS - 1);
}

/* The slot that holds the id, or the free one where a search for it ends. */
static inline uint32_t recent_slot(const recent_t *recent, uint64_t id)
{
    uint32_t slot = recent_home(id);
    while (recent->slots[slot] != 0 && recent->ids[recent->slots[slot] - 1] != id) slot = (slot + 1) & (RECENT_SLOTS - 1);
    return slot;
}

/* Those behind it that were pushed on by it move up, so that no search ends too early. */
static inline void recent_forget(recent_t *recent, uint64_t id)
{
    uint32_t hole = recent_slot(recent, id);
    for (uint32_t slot = (hole + 1) & (RECENT_SLOTS - 1); recent->slots[slot] != 0; slot = (slot + 1) & (RECENT_SLOTS - 1)) {
        uint32_t home = recent_home(recent->ids[recent->slots[slot] - 1]);
        if (((slot - home) & (RECENT_SLOTS - 1)) < ((slot - hole) & (RECENT_SLOTS - 1))) continue;
        recent->slots[hole] = recent->slots[slot];
        hole = slot;
    }
    recent->slots[hole] = 0;
}

/* 1 = new, and known from now on; 0 = it was known. */
static inline int recent_add(recent_t *recent, uint64_t id)
{
    uint32_t place = (uint32_t)(recent->count & (RECENT_TRADES - 1));
    if (recent->slots[recent_slot(recent, id)] != 0) return 0;
    if (recent->count >= RECENT_TRADES) recent_forget(recent, recent->ids[place]);
    recent->ids[place] = id;
    recent->slots[recent_slot(recent, id)] = (uint16_t)(place + 1);
    recent->count++;
    return 1;
}
#endif
