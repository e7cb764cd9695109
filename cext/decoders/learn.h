/* What is learned from the frames themselves: how long a silence is normal for an instrument, and how late frames are beyond the
 * skew of the two clocks. Integers only, a few nanoseconds a frame, the same in replay as live. */
#ifndef LOCKSTEP_LEARN_H
#define LOCKSTEP_LEARN_H
#include <stdint.h>

#define QUIET_BUCKETS 80              /* quarter octaves from 2**14 ns (16 us) up to 2**34 ns (17 s) */
#define QUIET_FIRST_OCTAVE 14
#define QUIET_SAMPLES_MIN 256         /* fewer gaps tell nothing about rare ones: not learned */
#define QUIET_SAMPLES_MAX 65536       /* then all counts are halved: old habits fade */
#define QUIET_RENEW_MASK 127          /* the limit is computed anew every 128 gaps */
#define QUIET_MARGIN 4                /* a gap of p99.9 itself comes once in a thousand frames; four times that is not normal */
#define QUIET_LIMIT_MIN_MS 100        /* a stamp is not better than the loop that makes it */
#define QUIET_LIMIT_MAX_MS 5000       /* however silent an instrument usually is */

typedef struct {
    int64_t last_mono_ns;             /* newest frame; 0 = none since the stream (re)started */
    uint32_t samples;
    uint32_t limit_ms;                /* 0 = not learned */
    uint32_t counts[QUIET_BUCKETS];
} quiet_t;

static inline uint32_t quiet_bucket(int64_t gap_ns)
{
    if (gap_ns < (1ll << QUIET_FIRST_OCTAVE)) return 0;
    uint32_t octave = 63u - (uint32_t)__builtin_clzll((uint64_t)gap_ns);
    uint32_t bucket = (octave - QUIET_FIRST_OCTAVE) * 4 + (uint32_t)((gap_ns >> (octave - 2)) & 3);
    return bucket < QUIET_BUCKETS ? bucket : QUIET_BUCKETS - 1;
}

/* Upper edge of a bucket. */
static inline int64_t quiet_edge_ns(uint32_t bucket)
{
    return (int64_t)(5 + bucket % 4) << (QUIET_FIRST_OCTAVE - 2 + bucket / 4);
}

static inline void quiet_renew(quiet_t *quiet)
{
    uint64_t beyond = 0;
    uint32_t bucket = QUIET_BUCKETS;
    while (bucket > 0 && beyond + quiet->counts[bucket - 1] <= quiet->samples / 1000) beyond += quiet->counts[--bucket];
    int64_t limit_ms = quiet_edge_ns(bucket ? bucket - 1 : 0) * QUIET_MARGIN / 1000000;
    if (limit_ms < QUIET_LIMIT_MIN_MS) limit_ms = QUIET_LIMIT_MIN_MS;
    if (limit_ms > QUIET_LIMIT_MAX_MS) limit_ms = QUIET_LIMIT_MAX_MS;
    quiet->limit_ms = (uint32_t)limit_ms;
    if (quiet->samples < QUIET_SAMPLES_MAX) return;
    quiet->samples = 0;
    for (bucket = 0; bucket < QUIET_BUCKETS; bucket++) quiet->samples += quiet->counts[bucket] /= 2;
}

/* A frame of the instrument came. */
static inline void quiet_learn(quiet_t *quiet, int64_t mono_ns)
{
    int64_t gap_ns = mono_ns - quiet->last_mono_ns;
    int is_first = quiet->last_mono_ns == 0;
    quiet->last_mono_ns = mono_ns;
    if (is_first || gap_ns < 0) return;
    quiet->counts[quiet_bucket(gap_ns)]++;
    quiet->samples++;
    if (__builtin_expect(quiet->samples >= QUIET_SAMPLES_MIN && (quiet->samples & QUIET_RENEW_MASK) == 0, 0)) quiet_renew(quiet);
}

/* An outage is no habit of the instrument: the next gap does not count. */
static inline void quiet_pause(quiet_t *quiet) { quiet->last_mono_ns = 0; }
#endif
