"""Clocks in ns. `mono_ns` is CLOCK_MONOTONIC (one for all processes of the host: latency), `wall_ns` is
CLOCK_REALTIME (beside exchange stamps). Read only at the stages that docs/architecture.md names: a read costs about 20 ns.
The core never calls these: it is given its times."""
from libc.stdint cimport int64_t

cdef extern from "clock.h" nogil:
    int64_t mono_ns() noexcept
    int64_t wall_ns() noexcept
