/* One full-depth order book: all levels that the venue ever told, exact, sorted, best first.
 *
 * A side is two sorted pieces. Near the touch, where nearly all changes are, a window: an array of quantities with one place for
 * every price step, and one bit for each place that holds a level; a change is a store and a bit, without search, move or branch
 * on what the level was. What lies farther away is kept in sorted blocks (book_blocks.h). The window moves when the best price
 * nears its edge. Both pieces are ascending by key, and key = px for asks, -px for bids: best first on both sides. Measured:
 * docs/decisions/book.md, bench_decode_book.
 *
 * Owner: one stream of one decoder, one thread. Memory: 130 kB a side, of which the pages with levels are touched; book_clear
 * keeps it. */
#ifndef LOCKSTEP_BOOK_H
#define LOCKSTEP_BOOK_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "book_blocks.h"
#include "invariant.h"
#include "layout.h"

/* price steps; USD-M BTCUSDT: 1,638 USD, three of four levels and 19 of 20 changes */
#define WINDOW_PLACES 16384
#define WINDOW_WORDS (WINDOW_PLACES / 64)
#define WINDOW_LEAD (WINDOW_PLACES / 4)          /* after a move the best price lies here: room before it for better ones */
#define WINDOW_WORST_WORD (WINDOW_WORDS * 3 / 4) /* when the best price lies behind this, the window moves */

typedef struct {
    int64_t base;       /* key of place 0 */
    int64_t *qtys;      /* WINDOW_PLACES; meaningful only where the bit is set */
    uint64_t *is_level; /* WINDOW_WORDS */
    uint32_t count;     /* levels in the window; 0 only when the side is empty */
    uint32_t best_word; /* no bit is set before this word */
    blocks_t far;       /* every key is at or beyond base + WINDOW_PLACES */
} book_side_t;

typedef struct {
    book_side_t sides[2]; /* SIDE_BUY: bids, SIDE_SELL: asks */
} book_t;

static inline void book_init(book_t *book)
{
    memset(book, 0, sizeof *book);
    for (int s = 0; s < 2; s++) {
        book_side_t *side = &book->sides[s];
        side->qtys = (int64_t *)calloc(WINDOW_PLACES, sizeof *side->qtys);
        side->is_level = (uint64_t *)calloc(WINDOW_WORDS, sizeof *side->is_level);
        INVARIANT(side->qtys && side->is_level);
        blocks_init(&side->far);
    }
}

static inline void book_free(book_t *book)
{
    for (int s = 0; s < 2; s++) {
        free(book->sides[s].qtys);
        free(book->sides[s].is_level);
        blocks_free(&book->sides[s].far);
    }
    memset(book, 0, sizeof *book);
}

static inline void book_clear(book_t *book)
{
    for (int s = 0; s < 2; s++) {
        book_side_t *side = &book->sides[s];
        memset(side->is_level, 0, WINDOW_WORDS * sizeof *side->is_level);
        side->count = 0;
        side->best_word = 0;
        blocks_clear(&side->far);
    }
}

static inline uint32_t book_side_levels(const book_side_t *side) { return side->count + side->far.level_count; }

/* One place of the window: `place` < WINDOW_PLACES. */
static inline void window_set(book_side_t *side, uint64_t place, int64_t qty)
{
    uint32_t word = (uint32_t)(place >> 6);
    uint64_t bit = 1ull << (place & 63), before = side->is_level[word], after = qty ? before | bit : before & ~bit;
    side->qtys[place] = qty;
    side->is_level[word] = after;
    side->count += (uint32_t)((after & bit) != 0) - (uint32_t)((before & bit) != 0);
    side->best_word = qty && word < side->best_word ? word : side->best_word;
}

/* Place of the best level of a window that is not empty. */
static inline uint64_t window_best(const book_side_t *side)
{
    uint32_t word = side->best_word;
    while (side->is_level[word] == 0) word++;
    return (uint64_t)word * 64 + (uint64_t)__builtin_ctzll(side->is_level[word]);
}

/* Takes all levels out of the window; returns them, best first. Cold. */
static inline uint32_t window_take(book_side_t *side, level_t *out)
{
    uint32_t count = 0;
    for (uint32_t word = 0; word < WINDOW_WORDS; word++) {
        for (uint64_t bits = side->is_level[word]; bits; bits &= bits - 1) {
            uint64_t place = (uint64_t)word * 64 + (uint64_t)__builtin_ctzll(bits);
            out[count].px = side->base + (int64_t)place;
            out[count++].qty = side->qtys[place];
        }
        side->is_level[word] = 0;
    }
    side->count = 0;
    return count;
}

/* Moves the window so that `best`, the best key of the side, lies at WINDOW_LEAD. Cold: once in a move of thousands of price
   steps. */
static __attribute__((noinline)) int window_move(book_side_t *side, int64_t best)
{
    level_t *moved = (level_t *)malloc(WINDOW_PLACES * sizeof *moved);
    INVARIANT(moved != NULL);
    int failed = 0;
    uint32_t count = window_take(side, moved);
    side->base = best - WINDOW_LEAD;
    side->best_word = WINDOW_LEAD / 64;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t place = (uint64_t)(moved[i].px - side->base);
        if (place < WINDOW_PLACES) window_set(side, place, moved[i].qty);
        else failed |= blocks_set(&side->far, moved[i].px, moved[i].qty);
    }
    count = blocks_take_below(&side->far, side->base + WINDOW_PLACES, moved);
    for (uint32_t i = 0; i < count; i++) window_set(side, (uint64_t)(moved[i].px - side->base), moved[i].qty);
    free(moved);
    return failed;
}

/* A key outside of the window. Cold for a book near its window. */
static __attribute__((noinline)) int book_side_set_outside(book_side_t *side, int64_t key, int64_t qty)
{
    int failed = 0;
    if (key > side->base && book_side_levels(side) > 0) return blocks_set(&side->far, key, qty);
    if (qty == 0) return 0; /* better than the best there is, or nothing is there at all */
    failed = window_move(side, key);
    window_set(side, WINDOW_LEAD, qty);
    return failed;
}

static inline int book_side_set(book_side_t *side, int64_t key, int64_t qty)
{
    uint64_t place = (uint64_t)(key - side->base);
    if (__builtin_expect(place >= WINDOW_PLACES, 0)) return book_side_set_outside(side, key, qty);
    window_set(side, place, qty);
    return 0;
}

/* After changes: the window holds the best levels, not too near to its end. */
static inline int book_side_settle(book_side_t *side)
{
    if (__builtin_expect(side->count > 0, 1)) {
        uint64_t best = window_best(side);
        side->best_word = (uint32_t)(best >> 6);
        if (__builtin_expect(side->best_word < WINDOW_WORST_WORD, 1)) return 0;
        return window_move(side, side->base + (int64_t)best);
    }
    side->best_word = 0;
    return side->far.level_count ? window_move(side, blocks_best(&side->far)) : 0;
}

/* Many levels of one side, in any order; qty 0 removes, removing what is not there is normal. px: 1 .. 2**62-1. qty: 0 ..
 * 2**62-1. -1 = the side would pass BLOCKS_LEVELS_MAX. */
static inline int book_apply(book_t *book, uint32_t side, const level_t *levels, uint32_t count)
{
    book_side_t *s = &book->sides[side];
    int64_t sign = side ? 1 : -1;
    int failed = 0;
    for (uint32_t i = 0; i < count; i++) failed |= book_side_set(s, sign * levels[i].px, levels[i].qty);
    return failed | book_side_settle(s);
}

static inline int book_set(book_t *book, uint32_t side, int64_t px, int64_t qty)
{
    level_t level = {px, qty};
    return book_apply(book, side, &level, 1);
}

/* Best level, or px = qty = 0 when the side is empty. */
static inline level_t book_best(const book_t *book, uint32_t side)
{
    const book_side_t *s = &book->sides[side];
    level_t best = {0, 0};
    if (s->count) {
        uint64_t place = window_best(s);
        int64_t key = s->base + (int64_t)place;
        best.px = side ? key : -key;
        best.qty = s->qtys[place];
    }
    return best;
}

/* Copies up to `room` levels, best first, leaving out those better than or at `bound` (a price; 0 = none). Returns how many. */
static inline uint32_t book_walk(const book_t *book, uint32_t side, int64_t bound, level_t *out, uint32_t room)
{
    const book_side_t *s = &book->sides[side];
    int64_t sign = side ? 1 : -1, skipped = bound ? sign * bound - s->base + 1 : 0; /* places that the bound leaves out */
    uint32_t count = 0, word = s->best_word;
    if (skipped >= WINDOW_PLACES) return blocks_walk(&s->far, sign, sign * bound, out, room);
    uint64_t mask = ~0ull;
    if (skipped > 0 && (uint32_t)(skipped >> 6) >= word) {
        word = (uint32_t)(skipped >> 6);
        mask = ~0ull << (skipped & 63);
    }
    for (; word < WINDOW_WORDS; word++, mask = ~0ull) {
        for (uint64_t bits = s->is_level[word] & mask; bits; bits &= bits - 1) {
            uint64_t place = (uint64_t)word * 64 + (uint64_t)__builtin_ctzll(bits);
            if (count == room) return count;
            out[count].px = sign * (s->base + (int64_t)place);
            out[count++].qty = s->qtys[place];
        }
    }
    return count + blocks_walk(&s->far, sign, INT64_MIN, out + count, room - count);
}

static inline uint32_t book_levels(const book_t *book, uint32_t side) { return book_side_levels(&book->sides[side]); }

/* States every invariant. NULL = all hold, else the one that does not. Cold. */
static inline const char *book_side_check(const book_side_t *s)
{
    uint32_t count = 0;
    for (uint32_t place = 0; place < WINDOW_PLACES; place++) {
        if (!(s->is_level[place >> 6] >> (place & 63) & 1)) continue;
        if (s->qtys[place] <= 0) return "every level of the window has a quantity";
        if (place >> 6 < s->best_word) return "no level lies before best_word";
        count++;
    }
    if (count != s->count) return "count is the number of bits";
    if (count == 0 && s->far.level_count) return "a window is empty only when the side is";
    if (count && s->best_word >= WINDOW_WORST_WORD) return "the best level is not near the window's end";
    if (s->far.level_count && blocks_best(&s->far) < s->base + WINDOW_PLACES) return "what is far lies behind the window";
    return blocks_check(&s->far);
}

static inline const char *book_check(const book_t *book)
{
    const char *broken = book_side_check(&book->sides[0]);
    return broken ? broken : book_side_check(&book->sides[1]);
}
#endif
