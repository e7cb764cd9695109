"""Orders that rest: placing and withdrawing; see quote.pyx."""
from libc.stdint cimport int32_t, int64_t, uint32_t

from cext.core_types cimport *
from cext.layout cimport *

cdef bint is_quote_worth_sizing(const core_t *core, const pair_hot_t *pair, int32_t direction) noexcept nogil
cdef uint32_t size_quote(core_t *core, uint32_t pair_index, int32_t direction, intent_t *intent) noexcept nogil
cdef void note_quote(core_t *core, uint32_t pair_index, uint32_t slot_index, int64_t now_mono_ns) noexcept nogil
cdef uint32_t judge_quote(core_t *core, uint32_t pair_index, int64_t now_mono_ns) noexcept nogil
