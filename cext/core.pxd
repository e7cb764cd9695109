"""The hot floor: market state, detection, joint sizing, gate, intents. `core_step` is all that live shell, replay and simulation
need of it; `Core` (core.pyx) owns the memory and is the calm floor's way in. Structs and reason codes: core.h, core_types.pxd."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from cext.core_types cimport *
from cext.instrument cimport InstrumentArray
from cext.layout cimport *



cdef inline uint32_t core_connection_key(uint32_t feed, uint32_t connection_id) noexcept nogil:  # hot
    """Key of a socket in `alive_mono_ns` and in event.connection. feed < FEEDS_MAX, connection_id < CONNECTIONS_MAX."""
    return feed * CONNECTIONS_MAX + connection_id


# Takes one event, writes at most `capacity` commands, returns how many. Commands come of EV_EVALUATE only; a return value equal
# to
# `capacity` means that touched rows may be left: call EV_EVALUATE again after carrying the commands out.
cdef int core_step(core_t *core, const core_event_t *event, int64_t now_mono_ns, int64_t now_wall_ns,
                   command_t *commands, int capacity) noexcept nogil


cdef class Core:
    """Owns one core_t. Everything Python needs is a method (core.pyx, core.pyi); the shell takes `c` and calls core_step."""
    cdef core_t *c
    cdef readonly InstrumentArray instruments
    cdef readonly object limits        # CoreLimits as set
    cdef readonly list params          # pair index -> PairParams as set
    cdef list _pair_rows               # pair index -> (row a, row b)
    cdef list _memory                  # addresses to free
    cdef dict _venue_rates             # session -> (orders a second, burst) that the venue lets through
    cdef dict _slots                   # (account id, asset) -> index into c.balances; 0 is nobody's
    cdef dict _accounts                # "bybit:unified" and (venue id, market) -> account id
    cdef dict _pledges                 # (trade id, row) -> base e8 that the trade holds there
    cdef int _pair_capacity

    cdef void *_allocate(self, size_t size) except NULL
    cdef object _release_memory(self, void *p)
    cdef intent_slot_t *_find(self, uint64_t intent_id)
    cdef int _fill_rest_ratios(self, int pair_index, double apart, double hair) except -1
