/* Recording into a histogram_t. Index arithmetic is HdrHistogram's for lowest 1, highest 60 s, 3 digits: values below 2,048 have
 * a count each, above that every power of two is cut into 1,024 steps. Compared index by index with hdrh in
 * tests/unit/cext/test_hist.py.
 * */
#ifndef LOCKSTEP_HIST_H
#define LOCKSTEP_HIST_H
#include "layout.h"
_Static_assert(HIST_SUB_BUCKET_COUNT == 2 * HIST_SUB_BUCKET_HALF_COUNT, "half of it");
_Static_assert((int64_t)HIST_SUB_BUCKET_COUNT << 25 > HIST_HIGHEST_NS, "26 buckets reach the highest value");
_Static_assert(HIST_COUNTS_LENGTH == 27 * HIST_SUB_BUCKET_HALF_COUNT, "26 buckets, the first one whole");

static inline uint32_t hist_index(int64_t ns)
{
    int bucket = 53 - __builtin_clzll((uint64_t)ns | (HIST_SUB_BUCKET_COUNT - 1));
    return ((uint32_t)bucket << 10) + (uint32_t)((uint64_t)ns >> bucket);
}

static inline void hist_record(histogram_t *h, int64_t ns)
{
    if (__builtin_expect((uint64_t)ns > (uint64_t)HIST_HIGHEST_NS, 0)) { /* negative ones are huge here */
        h->refused++;
        return;
    }
    h->counts[hist_index(ns)]++;
    h->total++;
    if (ns < h->min_ns) h->min_ns = ns;
    if (ns > h->max_ns) h->max_ns = ns;
}
#endif
