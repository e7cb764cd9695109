/* One full-depth order book: all levels that the venue ever told, exact, sorted, best first.
 *
 * A side is a sorted array cut into blocks of up to 64 levels, with a directory of where each block begins: an insertion moves at most 64
 * levels however deep the book is, and a search is one look at the directory (mostly none: updates of one message lie side by side) and one
 * pass of vector compares over the keys of one block. Both sides are sorted ascending by key: key = px for asks, -px for bids.
 * Against one flat array, with best first, best last, or a moving gap: docs/decisions/book.md, bench/bench_decode_book.py.
 *
 * Owner: one stream of one decoder, one thread. Grows by doubling and never shrinks; book_clear keeps the memory. */
#ifndef LOCKSTEP_BOOK_H
#define LOCKSTEP_BOOK_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "invariant.h"
#include "layout.h"

#ifndef BOOK_BLOCK_LEVELS
#define BOOK_BLOCK_LEVELS 64
#endif
#define BOOK_BLOCK_FILL (BOOK_BLOCK_LEVELS * 3 / 4) /* levels a block of two merged ones may have: room before it splits again */
#define BOOK_LEVELS_MAX (1u << 17)                  /* a side; 25 times the deepest book seen: beyond it is an attack or an error */
#define BOOK_KEY_NONE INT64_MAX                     /* fills the unused end of a block: sorts behind every key */

typedef struct {
    int64_t keys[BOOK_BLOCK_LEVELS]; /* ascending; BOOK_KEY_NONE from `fill` on */
    int64_t qtys[BOOK_BLOCK_LEVELS];
} book_block_t;

typedef struct {
    int64_t *first;       /* directory: no key of block i lies below first[i], none of block i-1 reaches it; first[0] = INT64_MIN */
    uint32_t *slot;       /* directory: where block i lies in `blocks`; behind block_count: the slots that are free */
    uint32_t *fill;       /* directory: levels in block i; at least 1, but for a single empty block */
    book_block_t *blocks;
    uint32_t block_count; /* at least 1 */
    uint32_t block_capacity;
    uint32_t level_count;
    uint32_t finger;      /* block of the last update */
} book_side_t;

typedef struct {
    book_side_t sides[2]; /* SIDE_BUY: bids, SIDE_SELL: asks */
} book_t;

static inline void book_block_reset(book_block_t *block)
{
    for (int i = 0; i < BOOK_BLOCK_LEVELS; i++) block->keys[i] = BOOK_KEY_NONE;
}

static inline void book_side_clear(book_side_t *side)
{
    side->block_count = 1;
    side->level_count = 0;
    side->finger = 0;
    side->first[0] = INT64_MIN;
    side->fill[0] = 0;
    book_block_reset(&side->blocks[side->slot[0]]);
}

/* Twice the blocks. Rare, and the only allocation: out of memory ends the process (the supervisor restarts the feed). */
static __attribute__((noinline)) void book_side_grow(book_side_t *side)
{
    uint32_t capacity = side->block_capacity ? side->block_capacity * 2 : 2;
    side->first = (int64_t *)realloc(side->first, capacity * sizeof *side->first);
    side->slot = (uint32_t *)realloc(side->slot, capacity * sizeof *side->slot);
    side->fill = (uint32_t *)realloc(side->fill, capacity * sizeof *side->fill);
    book_block_t *blocks = NULL;
    int failed = posix_memalign((void **)&blocks, 64, capacity * sizeof *blocks);
    INVARIANT(!failed && side->first && side->slot && side->fill);
    if (side->blocks) memcpy(blocks, side->blocks, side->block_capacity * sizeof *blocks);
    free(side->blocks);
    side->blocks = blocks;
    for (uint32_t i = side->block_capacity; i < capacity; i++) side->slot[i] = i;
    side->block_capacity = capacity;
}

static inline void book_init(book_t *book)
{
    memset(book, 0, sizeof *book);
    for (int s = 0; s < 2; s++) {
        book_side_grow(&book->sides[s]);
        book_side_clear(&book->sides[s]);
    }
}

static inline void book_free(book_t *book)
{
    for (int s = 0; s < 2; s++) {
        free(book->sides[s].first);
        free(book->sides[s].slot);
        free(book->sides[s].fill);
        free(book->sides[s].blocks);
    }
    memset(book, 0, sizeof *book);
}

static inline void book_clear(book_t *book)
{
    book_side_clear(&book->sides[0]);
    book_side_clear(&book->sides[1]);
}

/* Keys of a block that lie below `key`: one pass of compares, no branch that the data decides. */
static inline uint32_t book_rank(const book_block_t *block, int64_t key)
{
    int64_t below = 0;
    for (int i = 0; i < BOOK_BLOCK_LEVELS; i++) below += block->keys[i] < key;
    return (uint32_t)below;
}

/* The block where `key` is or belongs. The finger first: three of four updates hit its block or a neighbour. */
static inline uint32_t book_find_block(book_side_t *side, int64_t key)
{
    const int64_t *first = side->first;
    uint32_t count = side->block_count, at = side->finger;
    if (key >= first[at]) {
        if (at + 1 == count || key < first[at + 1]) return at;
        if (at + 2 == count || key < first[at + 2]) return side->finger = at + 1;
    } else if (key >= first[at - 1]) {
        return side->finger = at - 1;
    }
    at = 0;
    for (uint32_t length = count; length > 1;) { /* last i with first[i] <= key; no branch that the data decides */
        uint32_t half = length / 2;
        at = first[at + half] <= key ? at + half : at;
        length -= half;
    }
    return side->finger = at;
}

/* Opens place `at` of the directory for a fresh block. */
static inline void book_directory_insert(book_side_t *side, uint32_t at)
{
    if (side->block_count == side->block_capacity) book_side_grow(side);
    uint32_t fresh = side->slot[side->block_count], moved = side->block_count - at;
    memmove(&side->first[at + 1], &side->first[at], moved * sizeof *side->first);
    memmove(&side->slot[at + 1], &side->slot[at], moved * sizeof *side->slot);
    memmove(&side->fill[at + 1], &side->fill[at], moved * sizeof *side->fill);
    side->slot[at] = fresh;
    side->fill[at] = 0;
    side->block_count++;
    book_block_reset(&side->blocks[fresh]);
}

static inline void book_directory_remove(book_side_t *side, uint32_t at)
{
    uint32_t freed = side->slot[at], moved = side->block_count - at - 1;
    memmove(&side->first[at], &side->first[at + 1], moved * sizeof *side->first);
    memmove(&side->slot[at], &side->slot[at + 1], moved * sizeof *side->slot);
    memmove(&side->fill[at], &side->fill[at + 1], moved * sizeof *side->fill);
    side->block_count--;
    side->slot[side->block_count] = freed;
    side->first[0] = INT64_MIN;
    side->finger = at ? at - 1 : 0;
}

/* Moves the worse half of a full block into a new one behind it. */
static __attribute__((noinline)) void book_split(book_side_t *side, uint32_t at)
{
    const uint32_t kept = BOOK_BLOCK_LEVELS / 2, moved = BOOK_BLOCK_LEVELS - kept;
    book_directory_insert(side, at + 1);
    book_block_t *full = &side->blocks[side->slot[at]], *fresh = &side->blocks[side->slot[at + 1]];
    memcpy(fresh->keys, full->keys + kept, moved * sizeof *fresh->keys);
    memcpy(fresh->qtys, full->qtys + kept, moved * sizeof *fresh->qtys);
    for (uint32_t i = kept; i < BOOK_BLOCK_LEVELS; i++) full->keys[i] = BOOK_KEY_NONE;
    side->first[at + 1] = fresh->keys[0];
    side->fill[at] = kept;
    side->fill[at + 1] = moved;
}

/* Empties block `at` into the one before it. */
static __attribute__((noinline)) void book_join(book_side_t *side, uint32_t at)
{
    book_block_t *target = &side->blocks[side->slot[at - 1]], *source = &side->blocks[side->slot[at]];
    uint32_t start = side->fill[at - 1], moved = side->fill[at];
    memcpy(target->keys + start, source->keys, moved * sizeof *target->keys);
    memcpy(target->qtys + start, source->qtys, moved * sizeof *target->qtys);
    side->fill[at - 1] += moved;
    book_directory_remove(side, at);
}

static inline void book_remove(book_side_t *side, uint32_t at, uint32_t rank)
{
    book_block_t *block = &side->blocks[side->slot[at]];
    uint32_t fill = --side->fill[at];
    memmove(&block->keys[rank], &block->keys[rank + 1], (fill - rank) * sizeof *block->keys);
    memmove(&block->qtys[rank], &block->qtys[rank + 1], (fill - rank) * sizeof *block->qtys);
    block->keys[fill] = BOOK_KEY_NONE;
    side->level_count--;
    if (__builtin_expect(fill >= BOOK_BLOCK_LEVELS / 4, 1)) return;
    if (fill == 0 && side->block_count > 1) book_directory_remove(side, at);
    else if (at > 0 && side->fill[at - 1] + fill <= BOOK_BLOCK_FILL) book_join(side, at);
    else if (at + 1 < side->block_count && side->fill[at + 1] + fill <= BOOK_BLOCK_FILL) book_join(side, at + 1);
}

static inline int book_insert(book_side_t *side, uint32_t at, uint32_t rank, int64_t key, int64_t qty)
{
    if (__builtin_expect(side->fill[at] == BOOK_BLOCK_LEVELS, 0)) {
        if (side->level_count >= BOOK_LEVELS_MAX) return -1;
        book_split(side, at);
        if (rank > BOOK_BLOCK_LEVELS / 2) {
            at++;
            rank -= BOOK_BLOCK_LEVELS / 2;
        }
    }
    book_block_t *block = &side->blocks[side->slot[at]];
    uint32_t moved = side->fill[at]++ - rank;
    memmove(&block->keys[rank + 1], &block->keys[rank], moved * sizeof *block->keys);
    memmove(&block->qtys[rank + 1], &block->qtys[rank], moved * sizeof *block->qtys);
    block->keys[rank] = key;
    block->qtys[rank] = qty;
    side->level_count++;
    return 0;
}

/* One level becomes `qty`; 0 removes it, removing what is not there is normal. -1 = the side would pass BOOK_LEVELS_MAX. */
static inline int book_side_set(book_side_t *side, int64_t key, int64_t qty)
{
    uint32_t at = book_find_block(side, key);
    book_block_t *block = &side->blocks[side->slot[at]];
    uint32_t rank = book_rank(block, key);
    int is_there = rank < BOOK_BLOCK_LEVELS && block->keys[rank] == key;
    if (__builtin_expect(is_there && qty, 1)) {
        block->qtys[rank] = qty;
    } else if (is_there) {
        book_remove(side, at, rank);
    } else if (qty) {
        return book_insert(side, at, rank, key, qty);
    }
    return 0;
}

/* side: SIDE_BUY (bids) or SIDE_SELL (asks). px: 1 .. 2**62-1. qty: >= 0. */
static inline int book_set(book_t *book, uint32_t side, int64_t px, int64_t qty)
{
    return book_side_set(&book->sides[side], side ? px : -px, qty);
}

/* Many levels of one side, in any order; cheapest when they are sorted. */
static inline int book_apply(book_t *book, uint32_t side, const level_t *levels, uint32_t count)
{
    int64_t sign = side ? 1 : -1;
    int failed = 0;
    for (uint32_t i = 0; i < count; i++) failed |= book_side_set(&book->sides[side], sign * levels[i].px, levels[i].qty);
    return failed;
}

/* Best level, or px = qty = 0 when the side is empty. */
static inline level_t book_best(const book_t *book, uint32_t side)
{
    const book_side_t *s = &book->sides[side];
    const book_block_t *block = &s->blocks[s->slot[0]];
    level_t best = {0, 0};
    if (s->level_count) {
        best.px = side ? block->keys[0] : -block->keys[0];
        best.qty = block->qtys[0];
    }
    return best;
}

/* Copies up to `room` levels, best first, leaving out those better than or at `bound` (a price; 0 = none). Returns how many. */
static inline uint32_t book_walk(const book_t *book, uint32_t side, int64_t bound, level_t *out, uint32_t room)
{
    const book_side_t *s = &book->sides[side];
    int64_t sign = side ? 1 : -1, key_bound = bound ? sign * bound : INT64_MIN;
    uint32_t count = 0;
    for (uint32_t at = 0; at < s->block_count; at++) {
        const book_block_t *block = &s->blocks[s->slot[at]];
        uint32_t i = 0, fill = s->fill[at];
        while (i < fill && block->keys[i] <= key_bound) i++;
        for (; i < fill; i++) {
            if (count == room) return count;
            out[count].px = sign * block->keys[i];
            out[count++].qty = block->qtys[i];
        }
    }
    return count;
}

static inline uint32_t book_levels(const book_t *book, uint32_t side) { return book->sides[side].level_count; }

/* States every invariant. NULL = all hold, else the one that does not. */
static inline const char *book_side_check(const book_side_t *s)
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
        const book_block_t *block = &s->blocks[s->slot[at]];
        if (s->fill[at] > BOOK_BLOCK_LEVELS || (s->fill[at] == 0 && s->block_count > 1)) return "no block is empty or overfull";
        if (at && s->first[at] <= last) return "first lies above the block before";
        for (uint32_t i = 0; i < BOOK_BLOCK_LEVELS; i++) {
            if (i >= s->fill[at]) {
                if (block->keys[i] != BOOK_KEY_NONE) return "the unused end of a block is BOOK_KEY_NONE";
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

static inline const char *book_check(const book_t *book)
{
    const char *broken = book_side_check(&book->sides[0]);
    return broken ? broken : book_side_check(&book->sides[1]);
}
#endif
