/* Sorted levels of one side, without bound: the part of a book that lies far from the touch (book.h).
 *
 * A sorted array cut into blocks of up to 64 levels, with a directory of where each block begins: an insertion moves at most 64
 * levels however many there are, and a search is one look at the directory (mostly none: updates of one message lie side by side)
 * and one pass of vector compares over the keys of one block. Ascending by key, and key = px for asks, -px for bids: best first
 * on both sides. Measured against other shapes: docs/decisions/book.md.
 *
 * Grows by doubling and never shrinks; blocks_clear keeps the memory. */
#ifndef LOCKSTEP_BOOK_BLOCKS_H
#define LOCKSTEP_BOOK_BLOCKS_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "invariant.h"
#include "layout.h"

#ifndef BLOCK_LEVELS
#define BLOCK_LEVELS 64
#endif
#define BLOCK_FILL (BLOCK_LEVELS * 3 / 4)   /* levels a block of two merged ones may have: room before it splits again */
#define BLOCKS_LEVELS_MAX (1u << 17)        /* a side; 25 times the deepest book seen: beyond it is an attack or an error */
#define KEY_NONE INT64_MAX                  /* fills the unused end of a block: sorts behind every key */

typedef struct {
    int64_t keys[BLOCK_LEVELS]; /* ascending; KEY_NONE from `fill` on */
    int64_t qtys[BLOCK_LEVELS];
} block_t;

typedef struct {
    /* directory: no key of block i lies below first[i], none of block i-1 reaches it; first[0] = INT64_MIN */
    int64_t *first;
    uint32_t *slot;       /* directory: where block i lies in `arena`; behind block_count: the slots that are free */
    uint32_t *fill;       /* directory: levels in block i; at least 1, but for a single empty block */
    block_t *arena;
    uint32_t block_count; /* at least 1 */
    uint32_t block_capacity;
    uint32_t level_count;
    uint32_t finger;      /* block of the last update */
} blocks_t;

static inline void block_reset(block_t *block)
{
    for (int i = 0; i < BLOCK_LEVELS; i++) block->keys[i] = KEY_NONE;
}

static inline void blocks_clear(blocks_t *blocks)
{
    blocks->block_count = 1;
    blocks->level_count = 0;
    blocks->finger = 0;
    blocks->first[0] = INT64_MIN;
    blocks->fill[0] = 0;
    block_reset(&blocks->arena[blocks->slot[0]]);
}

/* Twice the blocks. Rare, and the only allocation: out of memory ends the process (the supervisor restarts the feed). */
static __attribute__((noinline)) void blocks_grow(blocks_t *blocks)
{
    uint32_t capacity = blocks->block_capacity ? blocks->block_capacity * 2 : 2;
    blocks->first = (int64_t *)realloc(blocks->first, capacity * sizeof *blocks->first);
    blocks->slot = (uint32_t *)realloc(blocks->slot, capacity * sizeof *blocks->slot);
    blocks->fill = (uint32_t *)realloc(blocks->fill, capacity * sizeof *blocks->fill);
    block_t *arena = NULL;
    int failed = posix_memalign((void **)&arena, 64, capacity * sizeof *arena);
    INVARIANT(!failed && blocks->first && blocks->slot && blocks->fill);
    if (blocks->arena) memcpy(arena, blocks->arena, blocks->block_capacity * sizeof *arena);
    free(blocks->arena);
    blocks->arena = arena;
    for (uint32_t i = blocks->block_capacity; i < capacity; i++) blocks->slot[i] = i;
    blocks->block_capacity = capacity;
}

static inline void blocks_init(blocks_t *blocks)
{
    memset(blocks, 0, sizeof *blocks);
    blocks_grow(blocks);
    blocks_clear(blocks);
}

static inline void blocks_free(blocks_t *blocks)
{
    free(blocks->first);
    free(blocks->slot);
    free(blocks->fill);
    free(blocks->arena);
    memset(blocks, 0, sizeof *blocks);
}

/* Keys of a block that lie below `key`: one pass of compares, no branch that the data decides. */
static inline uint32_t block_rank(const block_t *block, int64_t key)
{
    int64_t below = 0;
    for (int i = 0; i < BLOCK_LEVELS; i++) below += block->keys[i] < key;
    return (uint32_t)below;
}

/* The block where `key` is or belongs. The finger first: three of four updates hit its block or a neighbour. */
static inline uint32_t blocks_find(blocks_t *blocks, int64_t key)
{
    const int64_t *first = blocks->first;
    uint32_t count = blocks->block_count, at = blocks->finger;
    if (key >= first[at]) {
        if (at + 1 == count || key < first[at + 1]) return at;
        if (at + 2 == count || key < first[at + 2]) return blocks->finger = at + 1;
    } else if (key >= first[at - 1]) {
        return blocks->finger = at - 1;
    }
    at = 0;
    for (uint32_t length = count; length > 1;) { /* last i with first[i] <= key; no branch that the data decides */
        uint32_t half = length / 2;
        at = first[at + half] <= key ? at + half : at;
        length -= half;
    }
    return blocks->finger = at;
}

/* Opens place `at` of the directory for a fresh block. */
static inline void blocks_directory_insert(blocks_t *blocks, uint32_t at)
{
    if (blocks->block_count == blocks->block_capacity) blocks_grow(blocks);
    uint32_t fresh = blocks->slot[blocks->block_count], moved = blocks->block_count - at;
    memmove(&blocks->first[at + 1], &blocks->first[at], moved * sizeof *blocks->first);
    memmove(&blocks->slot[at + 1], &blocks->slot[at], moved * sizeof *blocks->slot);
    memmove(&blocks->fill[at + 1], &blocks->fill[at], moved * sizeof *blocks->fill);
    blocks->slot[at] = fresh;
    blocks->fill[at] = 0;
    blocks->block_count++;
    block_reset(&blocks->arena[fresh]);
}

static inline void blocks_directory_remove(blocks_t *blocks, uint32_t at)
{
    uint32_t freed = blocks->slot[at], moved = blocks->block_count - at - 1;
    memmove(&blocks->first[at], &blocks->first[at + 1], moved * sizeof *blocks->first);
    memmove(&blocks->slot[at], &blocks->slot[at + 1], moved * sizeof *blocks->slot);
    memmove(&blocks->fill[at], &blocks->fill[at + 1], moved * sizeof *blocks->fill);
    blocks->block_count--;
    blocks->slot[blocks->block_count] = freed;
    blocks->first[0] = INT64_MIN;
    blocks->finger = at ? at - 1 : 0;
}

/* Moves the worse half of a full block into a new one behind it. */
static __attribute__((noinline)) void blocks_split(blocks_t *blocks, uint32_t at)
{
    const uint32_t kept = BLOCK_LEVELS / 2, moved = BLOCK_LEVELS - kept;
    blocks_directory_insert(blocks, at + 1);
    block_t *full = &blocks->arena[blocks->slot[at]], *fresh = &blocks->arena[blocks->slot[at + 1]];
    memcpy(fresh->keys, full->keys + kept, moved * sizeof *fresh->keys);
    memcpy(fresh->qtys, full->qtys + kept, moved * sizeof *fresh->qtys);
    for (uint32_t i = kept; i < BLOCK_LEVELS; i++) full->keys[i] = KEY_NONE;
    blocks->first[at + 1] = fresh->keys[0];
    blocks->fill[at] = kept;
    blocks->fill[at + 1] = moved;
}

/* Empties block `at` into the one before it. */
static __attribute__((noinline)) void blocks_join(blocks_t *blocks, uint32_t at)
{
    block_t *target = &blocks->arena[blocks->slot[at - 1]], *source = &blocks->arena[blocks->slot[at]];
    uint32_t start = blocks->fill[at - 1], moved = blocks->fill[at];
    memcpy(target->keys + start, source->keys, moved * sizeof *target->keys);
    memcpy(target->qtys + start, source->qtys, moved * sizeof *target->qtys);
    blocks->fill[at - 1] += moved;
    blocks_directory_remove(blocks, at);
}

static inline void blocks_remove(blocks_t *blocks, uint32_t at, uint32_t rank)
{
    block_t *block = &blocks->arena[blocks->slot[at]];
    uint32_t fill = --blocks->fill[at];
    memmove(&block->keys[rank], &block->keys[rank + 1], (fill - rank) * sizeof *block->keys);
    memmove(&block->qtys[rank], &block->qtys[rank + 1], (fill - rank) * sizeof *block->qtys);
    block->keys[fill] = KEY_NONE;
    blocks->level_count--;
    if (__builtin_expect(fill >= BLOCK_LEVELS / 4, 1)) return;
    if (fill == 0 && blocks->block_count > 1) blocks_directory_remove(blocks, at);
    else if (at > 0 && blocks->fill[at - 1] + fill <= BLOCK_FILL) blocks_join(blocks, at);
    else if (at + 1 < blocks->block_count && blocks->fill[at + 1] + fill <= BLOCK_FILL) blocks_join(blocks, at + 1);
}

static inline int blocks_insert(blocks_t *blocks, uint32_t at, uint32_t rank, int64_t key, int64_t qty)
{
    if (__builtin_expect(blocks->fill[at] == BLOCK_LEVELS, 0)) {
        if (blocks->level_count >= BLOCKS_LEVELS_MAX) return -1;
        blocks_split(blocks, at);
        if (rank > BLOCK_LEVELS / 2) {
            at++;
            rank -= BLOCK_LEVELS / 2;
        }
    }
    block_t *block = &blocks->arena[blocks->slot[at]];
    uint32_t moved = blocks->fill[at]++ - rank;
    memmove(&block->keys[rank + 1], &block->keys[rank], moved * sizeof *block->keys);
    memmove(&block->qtys[rank + 1], &block->qtys[rank], moved * sizeof *block->qtys);
    block->keys[rank] = key;
    block->qtys[rank] = qty;
    blocks->level_count++;
    return 0;
}

/* One level becomes `qty`; 0 removes it, removing what is not there is normal. -1 = the side would pass BLOCKS_LEVELS_MAX. */
static inline int blocks_set(blocks_t *blocks, int64_t key, int64_t qty)
{
    uint32_t at = blocks_find(blocks, key);
    block_t *block = &blocks->arena[blocks->slot[at]];
    uint32_t rank = block_rank(block, key);
    int is_there = rank < BLOCK_LEVELS && block->keys[rank] == key;
    if (__builtin_expect(is_there && qty, 1)) {
        block->qtys[rank] = qty;
    } else if (is_there) {
        blocks_remove(blocks, at, rank);
    } else if (qty) {
        return blocks_insert(blocks, at, rank, key, qty);
    }
    return 0;
}

/* Best key; there is at least one level. */
static inline int64_t blocks_best(const blocks_t *blocks) { return blocks->arena[blocks->slot[0]].keys[0]; }

/* Copies up to `room` levels with keys above `bound`, best first, prices as sign * key. Returns how many. */
static inline uint32_t blocks_walk(const blocks_t *blocks, int64_t sign, int64_t bound, level_t *out, uint32_t room)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < blocks->block_count && count < room; at++) {
        const block_t *block = &blocks->arena[blocks->slot[at]];
        uint32_t i = 0, fill = blocks->fill[at];
        while (i < fill && block->keys[i] <= bound) i++;
        for (; i < fill && count < room; i++) {
            out[count].px = sign * block->keys[i];
            out[count++].qty = block->qtys[i];
        }
    }
    return count;
}

/* Takes out the levels with keys below `limit`, best first; `out` has room for them. Returns how many. Cold. */
static inline uint32_t blocks_take_below(blocks_t *blocks, int64_t limit, level_t *out)
{
    uint32_t count = 0;
    while (blocks->level_count && blocks_best(blocks) < limit) {
        out[count].px = blocks_best(blocks);
        out[count++].qty = blocks->arena[blocks->slot[0]].qtys[0];
        blocks_remove(blocks, 0, 0);
    }
    return count;
}

/* States every invariant. NULL = all hold, else the one that does not. */
static inline const char *blocks_check(const blocks_t *s)
{
    uint64_t levels = 0;
    int64_t last = INT64_MIN;
    if (s->block_count < 1 || s->block_count > s->block_capacity) return "block_count is within 1..block_capacity";
    if (s->finger >= s->block_count) return "finger is a block";
    if (s->first[0] != INT64_MIN) return "first[0] is INT64_MIN";
    for (uint32_t i = 0; i < s->block_capacity; i++) {
        if (s->slot[i] >= s->block_capacity) return "slot is within the arena";
        for (uint32_t j = 0; j < i; j++)
            if (s->slot[i] == s->slot[j]) return "every slot is used or free, once";
    }
    for (uint32_t at = 0; at < s->block_count; at++) {
        const block_t *block = &s->arena[s->slot[at]];
        if (s->fill[at] > BLOCK_LEVELS || (s->fill[at] == 0 && s->block_count > 1)) return "no block is empty or overfull";
        if (at && s->first[at] <= last) return "first lies above the block before";
        for (uint32_t i = 0; i < BLOCK_LEVELS; i++) {
            if (i >= s->fill[at]) {
                if (block->keys[i] != KEY_NONE) return "the unused end of a block is KEY_NONE";
                continue;
            }
            if (block->keys[i] < s->first[at]) return "no key lies below its block's first";
            if (block->keys[i] <= last) return "keys ascend strictly";
            if (block->qtys[i] <= 0) return "every level has a quantity";
            last = block->keys[i];
            levels++;
        }
    }
    return levels == s->level_count ? NULL : "level_count is the sum of the fills";
}
#endif
