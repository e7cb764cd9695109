/* Asking for cache lines before they are written: a slot's lines were last in the readers' caches, or in memory. */
#ifndef LOCKSTEP_RING_PREFETCH_H
#define LOCKSTEP_RING_PREFETCH_H
#include <stdint.h>
static inline void prefetch_for_write(const void *where, uint64_t size_bytes)
{
    for (uint64_t offset = 0; offset < size_bytes; offset += 64) __builtin_prefetch((const char *)where + offset, 1, 3);
}
#endif
