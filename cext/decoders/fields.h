/* Where the values of one JSON object's keys lie: filled by a venue's parser, read by the leaves of fields.pxd. A venue numbers
 * the keys that it uses from 0; the rest is skipped. */
#ifndef LOCKSTEP_FIELDS_H
#define LOCKSTEP_FIELDS_H
#include <stdint.h>

#define FIELDS_MAX 64
#define KEY_OTHER 255 /* a key that is not used */

#define TIME_MS_LIMIT 9000000000000ull    /* a larger time is in us: ms reach this in 2255 */
#define TIME_US_LIMIT 9000000000000000ull /* and us this; in ns both fit an int64 */

typedef struct {
    const char *start;
    const char *stop;
} span_t;

typedef struct {
    uint64_t seen;        /* one bit a key; two seen twice make the message malformed */
    const char *end;      /* end of what was given: nothing at or behind it is read */
    span_t spans[FIELDS_MAX];
} fields_t;

/* Number of a key, by its text; KEY_OTHER when it is not used. */
typedef uint32_t (*key_of_t)(const char *name, uint64_t size);
#endif
