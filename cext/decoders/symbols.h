/* Venue symbol -> row, looked up for every frame: an open-addressing table of 32-byte keys, filled at start, never more than
   half full. */
#ifndef LOCKSTEP_SYMBOLS_H
#define LOCKSTEP_SYMBOLS_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOL_BYTES_MAX 31

typedef struct {
    uint8_t text[SYMBOL_BYTES_MAX + 1]; /* NUL padded; all NUL = free */
    int32_t row;
    uint32_t size_bytes;
} symbol_entry_t;

typedef struct {
    symbol_entry_t *entries;
    uint32_t mask;
} symbols_t;

/* The first and last eight bytes decide nearly always; what collides is told apart by memcmp. */
static inline uint32_t symbol_hash(const char *text, uint32_t size)
{
    uint64_t head = 0, tail = 0;
    if (size >= 8) {
        memcpy(&head, text, 8);
        memcpy(&tail, text + size - 8, 8);
    } else {
        for (uint32_t i = 0; i < size; i++) head = head << 8 | (uint8_t)text[i];
    }
    uint64_t mixed = (head ^ (tail << 23 | tail >> 41) ^ size) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(mixed >> 32 ^ mixed >> 52);
}

/* Row of a symbol, or -1. */
static inline int symbols_find(const symbols_t *symbols, const char *text, uint64_t size)
{
    if (size == 0 || size > SYMBOL_BYTES_MAX) return -1;
    for (uint32_t at = symbol_hash(text, (uint32_t)size) & symbols->mask;; at = (at + 1) & symbols->mask) {
        const symbol_entry_t *entry = &symbols->entries[at];
        if (entry->size_bytes == 0) return -1;
        if (entry->size_bytes == size && memcmp(entry->text, text, size) == 0) return entry->row;
    }
}

/* Room for `count` symbols. 0, or -1 when out of memory. */
static inline int symbols_init(symbols_t *symbols, uint32_t count)
{
    uint32_t capacity = 16;
    while (capacity < 2 * count) capacity *= 2;
    symbols->mask = capacity - 1;
    symbols->entries = (symbol_entry_t *)calloc(capacity, sizeof *symbols->entries);
    return symbols->entries ? 0 : -1;
}

/* 0, or -1 when the symbol is there already, empty or too long. */
static inline int symbols_add(symbols_t *symbols, const char *text, uint64_t size, int row)
{
    if (size == 0 || size > SYMBOL_BYTES_MAX || symbols_find(symbols, text, size) >= 0) return -1;
    uint32_t at = symbol_hash(text, (uint32_t)size) & symbols->mask;
    while (symbols->entries[at].size_bytes) at = (at + 1) & symbols->mask;
    memcpy(symbols->entries[at].text, text, size);
    symbols->entries[at].row = row;
    symbols->entries[at].size_bytes = (uint32_t)size;
    return 0;
}

static inline void symbols_free(symbols_t *symbols)
{
    free(symbols->entries);
    symbols->entries = NULL;
}
#endif
