/* What a journal record must be to count: the same arithmetic for the writer, the flusher and every reader. */
#ifndef LOCKSTEP_JOURNAL_H
#define LOCKSTEP_JOURNAL_H
#include "atomics.h"
#include "crc32c.h"
#include "layout.h"

_Static_assert(offsetof(journal_record_t, seq) == 16, "the CRC starts at payload_bytes, word by word from seq");
_Static_assert(offsetof(journal_header_t, committed_bytes) % 8 == 0, "the header CRC covers whole words");

static inline uint64_t journal_padded(uint64_t bytes) { return (bytes + 7) & ~7ull; }

/* CRC state after the header fields of a record; the payload follows. */
static inline uint32_t journal_crc_start(const journal_record_t *r, uint32_t segment_index)
{
    uint32_t crc = crc32c_u64(~segment_index, r->payload_bytes);
    return crc32c_words(crc, &r->seq, sizeof(journal_record_t) - offsetof(journal_record_t, seq));
}

static inline uint32_t journal_header_crc(const journal_header_t *h)
{
    uint32_t crc = ~crc32c_words(~0u, h, offsetof(journal_header_t, committed_bytes));
    return crc ? crc : 1; /* 0 means: a spare that was never used */
}

/* Bytes that the record at `at` takes, or 0 when there is no committed, intact record with this sequence number. */
static inline uint64_t journal_check(const uint8_t *base, uint64_t at, uint64_t end, uint64_t seq, uint64_t epoch,
                                     uint32_t segment_index)
{
    const journal_record_t *r = (const journal_record_t *)(base + at);
    if (at + sizeof(journal_record_t) > end) return 0;
    if (load_acquire_u64(&r->commit) != (JOURNAL_COMMIT ^ seq)) return 0;
    if (r->seq != seq || r->epoch != epoch) return 0;
    uint64_t padded = journal_padded(r->payload_bytes);
    if (padded > end - at - sizeof(journal_record_t)) return 0;
    uint32_t crc = crc32c_words(journal_crc_start(r, segment_index), base + at + sizeof(journal_record_t), padded);
    return r->crc32c == ~crc ? sizeof(journal_record_t) + padded : 0;
}
#endif
