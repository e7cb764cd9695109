"""Evaluation of the pairs of touched instruments; see detect.pyx."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cext.core_types cimport *
from cext.layout cimport *

cdef int evaluate_touched(core_t *core, int64_t now_mono_ns, int64_t now_wall_ns, command_t *commands,
                          int capacity) noexcept nogil
cdef uint32_t rehearse_decision(core_t *core, uint32_t pair_index, intent_slot_t *scratch, int64_t now_mono_ns,
                                int64_t now_wall_ns) noexcept nogil
cdef intent_slot_t *free_slot(core_t *core) noexcept nogil
cdef void start_intent(core_t *core, intent_slot_t *slot, uint32_t purpose, uint32_t pair_index, int64_t ttl_ns,
                       int64_t now_mono_ns, int64_t now_wall_ns) noexcept nogil
cdef void name_intent(core_t *core, intent_t *intent) noexcept nogil
