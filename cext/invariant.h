/* INVARIANT(x): our own mistakes end the process, in production too (docs/architecture.md, "errors").
 * Cheap: one branch that is never taken. Safe in nogil code. */
#ifndef LOCKSTEP_INVARIANT_H
#define LOCKSTEP_INVARIANT_H
#include <stdio.h>
#include <stdlib.h>
#define INVARIANT(x)                                                                              \
    do {                                                                                          \
        if (__builtin_expect(!(x), 0)) {                                                          \
            fprintf(stderr, "INVARIANT failed: %s (%s:%d)\n", #x, __FILE__, __LINE__);            \
            fflush(stderr);                                                                       \
            abort();                                                                              \
        }                                                                                         \
    } while (0)
static inline void lockstep_invariant(int ok) { INVARIANT(ok); }
#endif
