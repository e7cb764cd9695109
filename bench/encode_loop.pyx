"""Timed loop of bench_encode.py: one leg encoded and signed at a time, as the engine does it, with other memory touched in
between."""
from cext.clock cimport mono_ns
from cext.layout cimport intent_t
from engine.sessions cimport OrderSession
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy


def run(OrderSession session, packed_intents: list, int count, int64_t wall_ns, int disturb_bytes) -> list[float]:
    """ns of each of `count` pairs of encode_leg calls, per leg, clock reading taken off. Before each pair `disturb_bytes` of
    other memory are walked, so that templates and key state come from where they are in a running engine."""
    cdef int n = len(packed_intents)
    cdef intent_t *intents = <intent_t *>calloc(n, sizeof(intent_t))
    cdef char *other = <char *>calloc(1, disturb_bytes + 64)
    cdef int64_t *samples = <int64_t *>calloc(count, sizeof(int64_t))
    cdef int64_t start, stop, clock_ns = 1 << 40
    cdef int i, j, size
    cdef uint64_t total = 0
    cdef bytes packed
    for i in range(n):
        packed = packed_intents[i]
        memcpy(&intents[i], <const char *>packed, sizeof(intent_t))
    for i in range(1000):
        start = mono_ns()
        stop = mono_ns()
        clock_ns = min(clock_ns, stop - start)
    with nogil:
        for i in range(count):
            for j in range(0, disturb_bytes, 64):
                other[j] += 1
            start = mono_ns()
            size = session.encode_leg(&intents[i % n], 0, wall_ns + i * 1000000)
            size += session.encode_leg(&intents[i % n], 1, wall_ns + i * 1000000)
            stop = mono_ns()
            samples[i] = stop - start - clock_ns
            total += size
    result = [samples[i] / 2 for i in range(count)]
    free(intents)
    free(other)
    free(samples)
    if total < <uint64_t>count * 400:
        raise RuntimeError(f"encode_loop: {total} bytes for {count} pairs: legs were refused")
    return result
